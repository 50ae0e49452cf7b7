// What is wrong with how this page looks, in words.
() => {
  const LEAST_PX = 34; // of a button beside others, on a phone
  const found = new Set();
  const main = document.querySelector("main");
  const isSeen = (one) => one.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && one.getBoundingClientRect().width > 0;
  const called = (one) => `${one.tagName.toLowerCase()}${one.id ? `#${one.id}` : ""}.${[...one.classList].join(".")} “${(one.innerText ?? "").trim().slice(0, 30)}”`;

  if (document.documentElement.scrollWidth > innerWidth) found.add(`the page is ${document.documentElement.scrollWidth} wide`);

  // Names.
  for (const one of document.querySelectorAll("button, a[href], input:not([type=hidden]), select, textarea, summary")) {
    if (!isSeen(one)) continue;
    const name = [one.getAttribute("aria-label"), one.title, one.innerText, ...[...(one.labels ?? [])].map((label) => label.textContent)].join("").trim();
    if (!name && !one.hasAttribute("aria-labelledby")) found.add(`no name: ${called(one)}`);
    if (one.tabIndex > 0) found.add(`an order of its own: ${called(one)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.add(`twice: #${id}`);

  // Headings, one after the other.
  let last = 0;
  for (const one of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    if (!isSeen(one)) continue;
    const level = Number(one.tagName[1]);
    if (level > last + 1) found.add(`after a heading of level ${last}: ${called(one)}`);
    last = level;
  }

  // Fingers.
  if (innerWidth <= 500) {
    for (const one of main.querySelectorAll("button, a.btn, summary, select, textarea, input:not([type=hidden], [type=checkbox], [type=radio], [type=range]), label:has([type=checkbox])")) {
      const { width, height } = one.getBoundingClientRect();
      if (isSeen(one) && !one.closest(".sr") && (height < LEAST_PX - 0.5 || width < LEAST_PX - 0.5)) found.add(`${Math.round(width)} × ${Math.round(height)}: ${called(one)}`);
    }
  }

  // Contrast of texts: 4.5, or 3 where they are large.
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  function rgba(colour) {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, g, b, a / 255]);
    }
    return known.get(colour);
  }
  const over = (a, b) => [0, 1, 2].map((at) => a[at] * a[3] + b[at] * (1 - a[3]));
  function light(colour) {
    const [r, g, b] = colour.map((one) => (one / 255 <= 0.03928 ? one / 255 / 12.92 : ((one / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
  function behind(one) {
    const layers = [];
    for (let at = one; at; at = at.parentElement) {
      layers.push(rgba(getComputedStyle(at).backgroundColor));
      if (layers.at(-1)[3] > 0.99) break;
    }
    return layers.reduceRight((below, layer) => over(layer, below), [255, 255, 255]);
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || one.matches("script, style, option, noscript") || !isSeen(one) || one.closest(":disabled, .sr")) continue;
    const [style, ground] = [getComputedStyle(one), behind(one)];
    let [r, g, b, a] = rgba(style.color);
    for (let at = one; at; at = at.parentElement) a *= Number(getComputedStyle(at).opacity);
    const [bright, dull] = [light(over([r, g, b, a], ground)), light(ground)].sort((x, y) => y - x);
    const contrast = (bright + 0.05) / (dull + 0.05);
    if (contrast < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) found.add(`contrast ${contrast.toFixed(2)}: ${called(one)}`);
  }
  return [...found];
}
