// The map of a collection: its points looked at and selected, its legend, keys and loading.
"use strict";
(() => {
  const { map, canvas, now, view, group, index, nearest, inside, fit, zoom, pan, paint, picture } = mlpiMap;
  if (!map) return;
  const [say, tip, legend] = [".say", ".tip", ".legend"].map((one) => map.querySelector(one));
  const chosenBox = document.getElementById("selection");
  const field = document.querySelector(".colour-by select");
  let mode = "move";

  // --- the legend ------------------------------------------------------------------------------
  const figure = (value) => (typeof value === "number" ? String(+value.toPrecision(5)) : String(value));
  function regroup() {
    group();
    drawLegend();
  }
  function drawLegend() {
    legend.replaceChildren();
    const { colours } = now.data;
    const words = (text, kind) => Object.assign(document.createElement(kind ?? "p"), { textContent: text });
    if (colours.kind === "none") return;
    legend.append(words(now.data.field));
    legend.firstChild.className = "t";
    legend.firstChild.title = now.data.field;
    if (colours.kind === "range") {
      const [strip, ends] = [document.createElement("div"), document.createElement("div")];
      strip.className = "ramp";
      ends.className = "ends";
      ends.append(words(figure(colours.from), "span"), words(figure(colours.to), "span"));
      legend.append(strip, ends);
    }
    for (const one of now.groups.filter((each) => each.name)) {
      const entry = document.createElement("button");
      entry.type = "button";
      entry.title = `Select the ${one.count} points of ${one.name}`;
      const shape = one.isSquare ? '<rect x="1.5" y="1.5" width="9" height="9"/>' : '<circle cx="6" cy="6" r="5"/>';
      entry.innerHTML = `<svg viewBox="0 0 12 12" fill="currentColor" aria-hidden="true">${shape}</svg><span class="t"></span><span class="push"></span>`;
      entry.children[0].style.color = one.name === "without it" ? "var(--line)" : now.groups.indexOf(one) < (colours.names?.length ?? 0) ? `var(--c${(now.groups.indexOf(one) % 6) + 1})` : "var(--ink-3)";
      entry.children[1].textContent = one.name;
      entry.children[2].textContent = one.count.toLocaleString("en");
      const light = (which) => () => { now.lit = which; paint(); };
      entry.addEventListener("pointerenter", light(one));
      entry.addEventListener("focus", light(one));
      entry.addEventListener("pointerleave", light(null));
      entry.addEventListener("blur", light(null));
      entry.addEventListener("click", () => select(one.points));
      legend.append(entry);
    }
  }

  // --- a point is looked at: its record, fetched once ------------------------------------------
  const records = new Map();
  let waiting = 0;
  function hover(i, at) {
    if (i === now.hovered) return;
    now.hovered = i;
    paint();
    clearTimeout(waiting);
    tip.hidden = i < 0;
    if (i < 0) return;
    const id = now.data.ids[i];
    const show = () => {
      tip.replaceChildren();
      const known_ = records.get(id);
      if (known_) tip.insertAdjacentHTML("beforeend", known_); // the server's own template
      else tip.append(Object.assign(document.createElement("b"), { textContent: id }));
      const right = at.x + 16 + tip.offsetWidth > now.size.width;
      tip.style.left = `${Math.max(8, right ? at.x - 16 - tip.offsetWidth : at.x + 16)}px`;
      tip.style.top = `${Math.max(8, Math.min(at.y - 10, now.size.height - tip.offsetHeight - 8))}px`;
    };
    show();
    if (records.has(id)) return;
    waiting = setTimeout(async () => {
      const url = new URL(map.dataset.record, location.href);
      url.searchParams.set("id", id);
      const answer = await fetch(url, { headers: { "HX-Request": "true" } }).catch(() => null);
      if (!answer?.ok) return;
      records.set(id, await answer.text());
      if (now.hovered === i) show();
    }, 90);
  }

  // --- selecting -------------------------------------------------------------------------------
  async function select(members) {
    if (!members.length) return clear();
    now.chosen = new Uint8Array(now.data.ids.length);
    for (const i of members) now.chosen[i] = 1;
    map.dataset.chosen = String(members.length);
    paint();
    const body = JSON.stringify({ ids: members.map((i) => now.data.ids[i]) });
    const answer = await fetch(map.dataset.select, { method: "POST", body, headers: { "Content-Type": "application/json", "HX-Request": "true" } }).catch(() => null);
    if (!answer?.ok) {
      chosenBox.replaceChildren(Object.assign(document.createElement("p"), { className: "notice bad", textContent: "The selection could not be kept: mlpi does not answer as it should." }));
      return undefined;
    }
    chosenBox.innerHTML = await answer.text(); // the server's own template
    return undefined;
  }
  function clear() {
    now.chosen = null;
    delete map.dataset.chosen;
    chosenBox.replaceChildren();
    paint();
  }
  chosenBox.addEventListener("click", (event) => event.target.closest("[data-clear]") && clear());
  const all = () => inside([{ x: 0, y: 0 }, { x: now.size.width, y: 0 }, { x: now.size.width, y: now.size.height }, { x: 0, y: now.size.height }]);

  // --- pointers: one moves or draws, two zoom --------------------------------------------------
  const down = new Map();
  let drawing = "";
  let hasMoved = false;
  const place = (event) => { const box = canvas.getBoundingClientRect(); return { x: event.clientX - box.left, y: event.clientY - box.top }; };
  canvas.addEventListener("pointerdown", (event) => {
    if (!now.data || event.button) return;
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, place(event));
    hasMoved = false;
    drawing = down.size > 1 ? "" : event.shiftKey && mode === "move" ? "box" : mode === "move" ? "" : mode;
    now.outline = drawing ? [place(event)] : [];
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!now.data) return;
    const at = place(event);
    const before = down.get(event.pointerId);
    if (!before) return hover(nearest(at), at);
    if (Math.hypot(at.x - before.x, at.y - before.y) < 3 && !hasMoved) return undefined;
    hasMoved = true;
    hover(-1);
    if (drawing === "box") now.outline = [now.outline[0], { x: at.x, y: now.outline[0].y }, at, { x: now.outline[0].x, y: at.y }];
    else if (drawing) now.outline.push(at);
    else if (down.size === 2) {
      const other = [...down].find(([id]) => id !== event.pointerId)[1];
      zoom(Math.hypot(at.x - other.x, at.y - other.y) / (Math.hypot(before.x - other.x, before.y - other.y) || 1), { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 });
    } else pan(at.x - before.x, at.y - before.y);
    down.set(event.pointerId, at);
    paint();
    return undefined;
  });
  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    const path = now.outline;
    now.outline = [];
    if (drawing && hasMoved && event.type === "pointerup") select(inside(path));
    else if (!hasMoved) { const at = place(event); hover(nearest(at), at); }
    drawing = "";
    paint();
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => !down.size && hover(-1));
  canvas.addEventListener("wheel", (event) => {
    if (!now.data || !(event.ctrlKey || event.metaKey || document.activeElement === canvas)) return; // the page scrolls
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), place(event));
  }, { passive: false });

  const DEEDS = { in: () => zoom(1.5), out: () => zoom(1 / 1.5), fit, view: () => select(all()), png: picture };
  canvas.addEventListener("keydown", (event) => {
    const keys = { ArrowLeft: () => pan(40, 0), ArrowRight: () => pan(-40, 0), ArrowUp: () => pan(0, 40), ArrowDown: () => pan(0, -40), "+": DEEDS.in, "=": DEEDS.in, "-": DEEDS.out, 0: fit, Enter: DEEDS.view, Escape: clear };
    if (!now.data || !keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do], [data-mode]");
    if (button?.dataset.do && now.data) DEEDS[button.dataset.do]?.();
    if (!button?.dataset.mode || button === map) return;
    mode = button.dataset.mode;
    map.dataset.mode = mode;
    for (const one of button.parentElement.children) one.setAttribute("aria-pressed", String(one === button));
  });

  // --- loading ---------------------------------------------------------------------------------
  function numbers(text) {
    const raw = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const pairs = new Float32Array(raw.buffer);
    return { x: pairs.filter((_, i) => i % 2 === 0), y: pairs.filter((_, i) => i % 2 === 1) };
  }
  new ResizeObserver(() => {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || (width === now.size.width && height === now.size.height)) return;
    const isFirst = !now.size.width;
    now.size = { width, height };
    if (now.data && (isFirst || map.dataset.painted === undefined)) start();
    else paint();
  }).observe(canvas);
  function start() {
    index();
    regroup();
    fit();
    now.grid.fitted = view.scale;
  }
  async function load() {
    const url = new URL(map.dataset.data, location.href);
    url.searchParams.set("field", field.value);
    const answer = await fetch(url).catch(() => null);
    const found = await answer?.json().catch(() => null);
    if (!answer?.ok || !found) {
      say.textContent = found?.message ?? "mlpi does not answer. Reload the page to try again.";
      return;
    }
    const isSame = now.data && found.xy === now.data.xy && found.ids.join("\n") === now.data.ids.join("\n");
    now.data = { ...found, ...numbers(found.xy) };
    say.textContent = now.data.ids.length ? "" : "There are no records.";
    const shares = document.getElementById("shares");
    if (shares && now.data.shares.length) shares.textContent = ` They hold ${now.data.shares.map((one) => `${(100 * one).toFixed(0)} %`).join(" and ")} of the variance.`;
    if (isSame) { regroup(); paint(); return; }
    clear();
    hover(-1);
    now.size = { width: canvas.clientWidth, height: canvas.clientHeight };
    if (now.size.width && now.data.ids.length) start();
  }
  field.addEventListener("change", () => {
    const at = (text) => { const url = new URL(text, location.href); url.searchParams.set("field", field.value); return url; };
    for (const link of document.querySelectorAll("[data-way], [data-table]")) link.href = at(link.href);
    for (const hidden of document.querySelectorAll("#layout input[name=field]")) hidden.value = field.value;
    history.replaceState(null, "", at(location.href));
    if (!map.hidden) load();
  });
  // A job that ends brings another time into the part that polls.
  let computed = document.getElementById("layout")?.dataset.at;
  new MutationObserver(() => {
    const at = document.getElementById("layout")?.dataset.at;
    if (at === computed || !at) return;
    computed = at;
    map.hidden = false;
    document.querySelector("[data-tools]").hidden = false;
    load();
  }).observe(document.getElementById("main"), { subtree: true, childList: true, attributes: true, attributeFilter: ["data-at"] });
  if (map.dataset.ready !== undefined) load();
})();
