// The map of a collection: points on a canvas, coloured by a field, looked at and selected.
"use strict";
(() => {
  const map = document.getElementById("map");
  if (!map) return;
  const canvas = map.querySelector("canvas");
  const ctx = canvas.getContext("2d");
  const [say, tip, legend] = [".say", ".tip", ".legend"].map((one) => map.querySelector(one));
  const chosenBox = document.getElementById("selection");
  const field = document.querySelector(".colour-by select");
  const CELLS = 96; // of the grid that finds points, in each direction
  const NEAR = 12; // CSS pixels between a pointer and its point
  const STEPS = 24; // of the range's colours
  const [OTHER, MISSING] = [-1, -2];

  let data = null; // what the server sent, with x and y as typed arrays
  let grid = null;
  let groups = []; // { ink, isSquare, points }: drawn in this order
  let chosen = null; // a Uint8Array while a selection is shown
  let lit = null; // the group of the legend that stands out
  let hovered = -1;
  let mode = "move";
  let size = { width: 0, height: 0 };
  const view = { x: 0, y: 0, scale: 1 }; // the middle in the data's units, CSS pixels per unit

  // --- colours: tokens as the canvas takes them, asked for once per theme ----------------------
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  let known = new Map();
  function ink(token) {
    if (!known.has(token)) {
      probe.style.color = `var(${token})`;
      known.set(token, getComputedStyle(probe).color);
    }
    return known.get(token);
  }
  const ramp = (step) => `color-mix(in oklab, ${ink("--c1")} ${Math.round((100 * step) / (STEPS - 1))}%, ${ink("--c2")})`;
  const figure = (value) => (typeof value === "number" ? String(+value.toPrecision(5)) : String(value));

  function group() {
    const { colours, ids } = data;
    const make = (name, count, colour, isSquare = false) => ({ name, count, colour, isSquare, points: [] });
    if (colours.kind === "kinds") {
      groups = colours.names.map((name, code) => make(name, colours.counts[code], () => ink(`--c${(code % 6) + 1}`), code >= 6));
      const other = make(`${colours.others} other${colours.others === 1 ? "" : "s"}`, colours.other, () => ink("--ink-3"));
      const missing = make("without it", colours.missing, () => ink("--line"));
      colours.codes.forEach((code, i) => (code === OTHER ? other : code === MISSING ? missing : groups[code]).points.push(i));
      groups.push(...[other, missing].filter((one) => one.points.length));
    } else if (colours.kind === "range") {
      const span = colours.to - colours.from || 1;
      groups = Array.from({ length: STEPS }, (_, step) => make("", 0, () => ramp(step)));
      const missing = make("without it", colours.missing, () => ink("--line"));
      colours.values.forEach((value, i) => (value === null ? missing : groups[Math.min(STEPS - 1, Math.floor(((value - colours.from) / span) * STEPS))]).points.push(i));
      if (missing.points.length) groups.push(missing);
    } else {
      groups = [make("", ids.length, () => ink("--c2"))];
      groups[0].points = ids.map((_, i) => i);
    }
    lit = null;
    drawLegend();
  }

  function drawLegend() {
    legend.replaceChildren();
    const { colours } = data;
    const words = (text, kind) => Object.assign(document.createElement(kind ?? "p"), { textContent: text });
    if (colours.kind === "none") return;
    legend.append(words(data.field));
    legend.firstChild.className = "t";
    legend.firstChild.title = data.field;
    if (colours.kind === "range") {
      const [strip, ends] = [document.createElement("div"), document.createElement("div")];
      strip.className = "ramp";
      ends.className = "ends";
      ends.append(words(figure(colours.from), "span"), words(figure(colours.to), "span"));
      legend.append(strip, ends);
    }
    for (const one of groups.filter((each) => each.name)) {
      const entry = document.createElement("button");
      entry.type = "button";
      entry.title = `Select the ${one.count} points of ${one.name}`;
      const shape = one.isSquare ? '<rect x="1.5" y="1.5" width="9" height="9"/>' : '<circle cx="6" cy="6" r="5"/>';
      entry.innerHTML = `<svg viewBox="0 0 12 12" fill="currentColor" aria-hidden="true">${shape}</svg><span class="t"></span><span class="push"></span>`;
      entry.children[0].style.color = one.name === "without it" ? "var(--line)" : groups.indexOf(one) < (colours.names?.length ?? 0) ? `var(--c${(groups.indexOf(one) % 6) + 1})` : "var(--ink-3)";
      entry.children[1].textContent = one.name;
      entry.children[2].textContent = one.count.toLocaleString("en");
      const light = (which) => () => { lit = which; paint(); };
      entry.addEventListener("pointerenter", light(one));
      entry.addEventListener("focus", light(one));
      entry.addEventListener("pointerleave", light(null));
      entry.addEventListener("blur", light(null));
      entry.addEventListener("click", () => select(one.points));
      legend.append(entry);
    }
  }

  // --- the view --------------------------------------------------------------------------------
  const toX = (i) => (data.x[i] - view.x) * view.scale + size.width / 2;
  const toY = (i) => size.height / 2 - (data.y[i] - view.y) * view.scale;
  function fit() {
    const { from, to } = grid;
    view.x = (from.x + to.x) / 2;
    view.y = (from.y + to.y) / 2;
    view.scale = Math.min((size.width - 48) / (to.x - from.x || 1), (size.height - 48) / (to.y - from.y || 1));
    paint();
  }
  function zoom(by, at = { x: size.width / 2, y: size.height / 2 }) {
    const [dx, dy] = [at.x - size.width / 2, size.height / 2 - at.y];
    const scale = Math.min(grid.fitted * 500, Math.max(grid.fitted / 4, view.scale * by));
    view.x += dx / view.scale - dx / scale;
    view.y += dy / view.scale - dy / scale;
    view.scale = scale;
    paint();
  }
  function pan(dx, dy) {
    view.x -= dx / view.scale;
    view.y += dy / view.scale;
    paint();
  }

  function index() {
    const from = { x: Infinity, y: Infinity };
    const to = { x: -Infinity, y: -Infinity };
    for (let i = 0; i < data.ids.length; i += 1) {
      from.x = Math.min(from.x, data.x[i]); to.x = Math.max(to.x, data.x[i]);
      from.y = Math.min(from.y, data.y[i]); to.y = Math.max(to.y, data.y[i]);
    }
    const cells = new Map();
    const step = { x: (to.x - from.x) / CELLS || 1, y: (to.y - from.y) / CELLS || 1 };
    grid = { from, to, step, cells, fitted: 1 };
    for (let i = 0; i < data.ids.length; i += 1) {
      const key = Math.floor((data.x[i] - from.x) / step.x) * 1000 + Math.floor((data.y[i] - from.y) / step.y);
      if (!cells.has(key)) cells.set(key, []);
      cells.get(key).push(i);
    }
  }
  function nearest(at) {
    const [x, y, reach] = [(at.x - size.width / 2) / view.scale + view.x, (size.height / 2 - at.y) / view.scale + view.y, NEAR / view.scale];
    const cell = (value, axis) => Math.max(0, Math.min(CELLS, Math.floor((value - grid.from[axis]) / grid.step[axis])));
    let [best, least] = [-1, NEAR * NEAR];
    for (let column = cell(x - reach, "x"); column <= cell(x + reach, "x"); column += 1) {
      for (let row = cell(y - reach, "y"); row <= cell(y + reach, "y"); row += 1) {
        for (const i of grid.cells.get(column * 1000 + row) ?? []) {
          const far = (toX(i) - at.x) ** 2 + (toY(i) - at.y) ** 2;
          if (far < least) [best, least] = [i, far];
        }
      }
    }
    return best;
  }

  // --- painting --------------------------------------------------------------------------------
  function points(to, members, radius, isSquare) {
    to.beginPath();
    for (const i of members) {
      const [x, y] = [toX(i), toY(i)];
      if (x < -9 || y < -9 || x > size.width + 9 || y > size.height + 9) continue;
      if (isSquare) to.rect(x - radius * 0.9, y - radius * 0.9, radius * 1.8, radius * 1.8);
      else { to.moveTo(x + radius, y); to.arc(x, y, radius, 0, 7); }
    }
    to.fill();
  }
  function paintOn(to) {
    const many = data.ids.length > 4000 ? 2 : data.ids.length > 800 ? 2.8 : 4;
    const radius = many * Math.min(2, Math.max(1, Math.sqrt(view.scale / grid.fitted)));
    const passes = chosen ? [0, 1] : [1];
    for (const pass of passes) {
      for (const one of [...groups].reverse()) { // what has no colour of its own lies beneath
        const members = chosen ? one.points.filter((i) => chosen[i] === pass) : one.points;
        to.globalAlpha = (pass === 0 ? 0.14 : 0.82) * (lit && lit !== one ? 0.12 : 1);
        to.fillStyle = one.colour();
        points(to, members, radius, one.isSquare);
      }
    }
    to.globalAlpha = 1;
    if (hovered >= 0) {
      to.strokeStyle = ink("--ink");
      to.lineWidth = 1.6;
      to.beginPath();
      to.arc(toX(hovered), toY(hovered), radius + 3.5, 0, 7);
      to.stroke();
    }
    if (outline.length > 1) {
      to.strokeStyle = ink("--accent");
      to.fillStyle = ink("--accent");
      to.lineWidth = 1.2;
      to.setLineDash([5, 3]);
      to.beginPath();
      outline.forEach((at, n) => (n ? to.lineTo(at.x, at.y) : to.moveTo(at.x, at.y)));
      to.closePath();
      to.stroke();
      to.globalAlpha = 0.07;
      to.fill();
      to.globalAlpha = 1;
      to.setLineDash([]);
    }
  }
  let isAsked = false;
  function paint() {
    if (isAsked || !data) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      const ratio = devicePixelRatio || 1;
      canvas.width = Math.round(size.width * ratio);
      canvas.height = Math.round(size.height * ratio);
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      paintOn(ctx);
      map.dataset.painted = String(data.ids.length);
    });
  }
  new ResizeObserver(() => {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || (width === size.width && height === size.height)) return;
    const isFirst = !size.width;
    size = { width, height };
    if (data && (isFirst || map.dataset.painted === undefined)) start();
    else paint();
  }).observe(canvas);
  const repaint = () => { known = new Map(); paint(); };
  document.addEventListener("themechange", repaint);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

  // --- a point is looked at: its record, fetched once ------------------------------------------
  const records = new Map();
  let waiting = 0;
  function hover(i, at) {
    if (i === hovered) return;
    hovered = i;
    paint();
    clearTimeout(waiting);
    tip.hidden = i < 0;
    if (i < 0) return;
    const id = data.ids[i];
    const show = () => {
      tip.replaceChildren();
      const known_ = records.get(id);
      if (known_) tip.insertAdjacentHTML("beforeend", known_); // the server's own template
      else tip.append(Object.assign(document.createElement("b"), { textContent: id }));
      const right = at.x + 16 + tip.offsetWidth > size.width;
      tip.style.left = `${Math.max(8, right ? at.x - 16 - tip.offsetWidth : at.x + 16)}px`;
      tip.style.top = `${Math.max(8, Math.min(at.y - 10, size.height - tip.offsetHeight - 8))}px`;
    };
    show();
    if (records.has(id)) return;
    waiting = setTimeout(async () => {
      const url = new URL(map.dataset.record, location.href);
      url.searchParams.set("id", id);
      const answer = await fetch(url, { headers: { "HX-Request": "true" } }).catch(() => null);
      if (!answer?.ok) return;
      records.set(id, await answer.text());
      if (hovered === i) show();
    }, 90);
  }

  // --- selecting -------------------------------------------------------------------------------
  let outline = [];
  function inside(path) {
    const found = [];
    for (let i = 0; i < data.ids.length; i += 1) {
      const [x, y] = [toX(i), toY(i)];
      let isIn = false;
      for (let a = 0, b = path.length - 1; a < path.length; b = a, a += 1) {
        const [one, two] = [path[a], path[b]];
        if (one.y > y !== two.y > y && x < ((two.x - one.x) * (y - one.y)) / (two.y - one.y) + one.x) isIn = !isIn;
      }
      if (isIn) found.push(i);
    }
    return found;
  }
  async function select(members) {
    if (!members.length) return clear();
    chosen = new Uint8Array(data.ids.length);
    for (const i of members) chosen[i] = 1;
    map.dataset.chosen = String(members.length);
    paint();
    const body = JSON.stringify({ ids: members.map((i) => data.ids[i]) });
    const answer = await fetch(map.dataset.select, { method: "POST", body, headers: { "Content-Type": "application/json", "HX-Request": "true" } }).catch(() => null);
    if (!answer?.ok) {
      chosenBox.replaceChildren(Object.assign(document.createElement("p"), { className: "notice bad", textContent: "The selection could not be kept: mlpi does not answer as it should." }));
      return undefined;
    }
    chosenBox.innerHTML = await answer.text(); // the server's own template
    return undefined;
  }
  function clear() {
    chosen = null;
    delete map.dataset.chosen;
    chosenBox.replaceChildren();
    paint();
  }
  chosenBox.addEventListener("click", (event) => event.target.closest("[data-clear]") && clear());
  const all = () => inside([{ x: 0, y: 0 }, { x: size.width, y: 0 }, { x: size.width, y: size.height }, { x: 0, y: size.height }]);

  // --- pointers: one moves or draws, two zoom --------------------------------------------------
  const down = new Map();
  let drawing = "";
  let hasMoved = false;
  const place = (event) => { const box = canvas.getBoundingClientRect(); return { x: event.clientX - box.left, y: event.clientY - box.top }; };
  canvas.addEventListener("pointerdown", (event) => {
    if (!data || event.button) return;
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, place(event));
    hasMoved = false;
    drawing = down.size > 1 ? "" : event.shiftKey && mode === "move" ? "box" : mode === "move" ? "" : mode;
    outline = drawing ? [place(event)] : [];
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!data) return;
    const at = place(event);
    const before = down.get(event.pointerId);
    if (!before) return hover(nearest(at), at);
    if (Math.hypot(at.x - before.x, at.y - before.y) < 3 && !hasMoved) return undefined;
    hasMoved = true;
    hover(-1);
    if (drawing === "box") outline = [outline[0], { x: at.x, y: outline[0].y }, at, { x: outline[0].x, y: at.y }];
    else if (drawing) outline.push(at);
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
    const path = outline;
    outline = [];
    if (drawing && hasMoved && event.type === "pointerup") select(inside(path));
    else if (!hasMoved) { const at = place(event); hover(nearest(at), at); }
    drawing = "";
    paint();
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => !down.size && hover(-1));
  canvas.addEventListener("wheel", (event) => {
    if (!data || !(event.ctrlKey || event.metaKey || document.activeElement === canvas)) return; // the page scrolls
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), place(event));
  }, { passive: false });

  const DEEDS = { in: () => zoom(1.5), out: () => zoom(1 / 1.5), fit, view: () => select(all()), png: picture };
  canvas.addEventListener("keydown", (event) => {
    const keys = { ArrowLeft: () => pan(40, 0), ArrowRight: () => pan(-40, 0), ArrowUp: () => pan(0, 40), ArrowDown: () => pan(0, -40), "+": DEEDS.in, "=": DEEDS.in, "-": DEEDS.out, 0: fit, Enter: DEEDS.view, Escape: clear };
    if (!data || !keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do], [data-mode]");
    if (button?.dataset.do && data) DEEDS[button.dataset.do]?.();
    if (!button?.dataset.mode || button === map) return;
    mode = button.dataset.mode;
    map.dataset.mode = mode;
    for (const one of button.parentElement.children) one.setAttribute("aria-pressed", String(one === button));
  });

  function picture() {
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = [size.width * 2, size.height * 2];
    const to = sheet.getContext("2d");
    to.scale(2, 2);
    to.fillStyle = ink("--surface");
    to.fillRect(0, 0, size.width, size.height);
    hovered = -1;
    paintOn(to);
    sheet.toBlob((blob) => {
      const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: `${map.dataset.name}-${map.dataset.by}.png` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
  }

  // --- loading ---------------------------------------------------------------------------------
  function numbers(text) {
    const raw = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const pairs = new Float32Array(raw.buffer);
    return { x: pairs.filter((_, i) => i % 2 === 0), y: pairs.filter((_, i) => i % 2 === 1) };
  }
  function start() {
    index();
    group();
    fit();
    grid.fitted = view.scale;
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
    const isSame = data && found.xy === data.xy && found.ids.join("\n") === data.ids.join("\n");
    data = { ...found, ...numbers(found.xy) };
    say.textContent = data.ids.length ? "" : "There are no records.";
    const shares = document.getElementById("shares");
    if (shares && data.shares.length) shares.textContent = ` They hold ${data.shares.map((one) => `${(100 * one).toFixed(0)} %`).join(" and ")} of the variance.`;
    if (isSame) { group(); paint(); return; }
    clear();
    hover(-1);
    size = { width: canvas.clientWidth, height: canvas.clientHeight };
    if (size.width && data.ids.length) start();
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
