// The canvas of a collection's map: its colours, its view, which point lies where, the painting.
"use strict";
const mlpiMap = {};
(() => {
  const map = document.getElementById("map");
  if (!map) return;
  const canvas = map.querySelector("canvas");
  const ctx = canvas.getContext("2d");
  const CELLS = 96; // of the grid that finds points, in each direction
  const NEAR = 12; // CSS pixels between a pointer and its point
  const STEPS = 24; // of the range's colours
  const [OTHER, MISSING] = [-1, -2];

  const now = {
    data: null, // what the server sent, with x and y as typed arrays
    grid: null,
    groups: [], // { ink, isSquare, points }: drawn in this order
    chosen: null, // a Uint8Array while a selection is shown
    lit: null, // the group of the legend that stands out
    hovered: -1,
    outline: [], // of what is being drawn around points, in CSS pixels
    size: { width: 0, height: 0 },
  };
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

  function group() {
    const { colours, ids } = now.data;
    const make = (name, count, colour, isSquare = false) => ({ name, count, colour, isSquare, points: [] });
    if (colours.kind === "kinds") {
      now.groups = colours.names.map((name, code) => make(name, colours.counts[code], () => ink(`--c${(code % 6) + 1}`), code >= 6));
      const other = make(`${colours.others} other${colours.others === 1 ? "" : "s"}`, colours.other, () => ink("--ink-3"));
      const missing = make("without it", colours.missing, () => ink("--line"));
      colours.codes.forEach((code, i) => (code === OTHER ? other : code === MISSING ? missing : now.groups[code]).points.push(i));
      now.groups.push(...[other, missing].filter((one) => one.points.length));
    } else if (colours.kind === "range") {
      const span = colours.to - colours.from || 1;
      now.groups = Array.from({ length: STEPS }, (_, step) => make("", 0, () => ramp(step)));
      const missing = make("without it", colours.missing, () => ink("--line"));
      colours.values.forEach((value, i) => (value === null ? missing : now.groups[Math.min(STEPS - 1, Math.floor(((value - colours.from) / span) * STEPS))]).points.push(i));
      if (missing.points.length) now.groups.push(missing);
    } else {
      now.groups = [make("", ids.length, () => ink("--c2"))];
      now.groups[0].points = ids.map((_, i) => i);
    }
    now.lit = null;
  }

  // --- the view --------------------------------------------------------------------------------
  const toX = (i) => (now.data.x[i] - view.x) * view.scale + now.size.width / 2;
  const toY = (i) => now.size.height / 2 - (now.data.y[i] - view.y) * view.scale;
  function fit() {
    const { from, to } = now.grid;
    view.x = (from.x + to.x) / 2;
    view.y = (from.y + to.y) / 2;
    view.scale = Math.min((now.size.width - 48) / (to.x - from.x || 1), (now.size.height - 48) / (to.y - from.y || 1));
    paint();
  }
  function zoom(by, at = { x: now.size.width / 2, y: now.size.height / 2 }) {
    const [dx, dy] = [at.x - now.size.width / 2, now.size.height / 2 - at.y];
    const scale = Math.min(now.grid.fitted * 500, Math.max(now.grid.fitted / 4, view.scale * by));
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
    for (let i = 0; i < now.data.ids.length; i += 1) {
      from.x = Math.min(from.x, now.data.x[i]); to.x = Math.max(to.x, now.data.x[i]);
      from.y = Math.min(from.y, now.data.y[i]); to.y = Math.max(to.y, now.data.y[i]);
    }
    const cells = new Map();
    const step = { x: (to.x - from.x) / CELLS || 1, y: (to.y - from.y) / CELLS || 1 };
    now.grid = { from, to, step, cells, fitted: 1 };
    for (let i = 0; i < now.data.ids.length; i += 1) {
      const key = Math.floor((now.data.x[i] - from.x) / step.x) * 1000 + Math.floor((now.data.y[i] - from.y) / step.y);
      if (!cells.has(key)) cells.set(key, []);
      cells.get(key).push(i);
    }
  }
  function nearest(at) {
    const [x, y, reach] = [(at.x - now.size.width / 2) / view.scale + view.x, (now.size.height / 2 - at.y) / view.scale + view.y, NEAR / view.scale];
    const cell = (value, axis) => Math.max(0, Math.min(CELLS, Math.floor((value - now.grid.from[axis]) / now.grid.step[axis])));
    let [best, least] = [-1, NEAR * NEAR];
    for (let column = cell(x - reach, "x"); column <= cell(x + reach, "x"); column += 1) {
      for (let row = cell(y - reach, "y"); row <= cell(y + reach, "y"); row += 1) {
        for (const i of now.grid.cells.get(column * 1000 + row) ?? []) {
          const far = (toX(i) - at.x) ** 2 + (toY(i) - at.y) ** 2;
          if (far < least) [best, least] = [i, far];
        }
      }
    }
    return best;
  }

  function inside(path) {
    const found = [];
    for (let i = 0; i < now.data.ids.length; i += 1) {
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

  // --- painting --------------------------------------------------------------------------------
  function points(to, members, radius, isSquare) {
    to.beginPath();
    for (const i of members) {
      const [x, y] = [toX(i), toY(i)];
      if (x < -9 || y < -9 || x > now.size.width + 9 || y > now.size.height + 9) continue;
      if (isSquare) to.rect(x - radius * 0.9, y - radius * 0.9, radius * 1.8, radius * 1.8);
      else { to.moveTo(x + radius, y); to.arc(x, y, radius, 0, 7); }
    }
    to.fill();
  }
  function paintOn(to) {
    const many = now.data.ids.length > 4000 ? 2 : now.data.ids.length > 800 ? 2.8 : 4;
    const radius = many * Math.min(2, Math.max(1, Math.sqrt(view.scale / now.grid.fitted)));
    const passes = now.chosen ? [0, 1] : [1];
    for (const pass of passes) {
      for (const one of [...now.groups].reverse()) { // what has no colour of its own lies beneath
        const members = now.chosen ? one.points.filter((i) => now.chosen[i] === pass) : one.points;
        to.globalAlpha = (pass === 0 ? 0.14 : 0.82) * (now.lit && now.lit !== one ? 0.12 : 1);
        to.fillStyle = one.colour();
        points(to, members, radius, one.isSquare);
      }
    }
    to.globalAlpha = 1;
    if (now.hovered >= 0) {
      to.strokeStyle = ink("--ink");
      to.lineWidth = 1.6;
      to.beginPath();
      to.arc(toX(now.hovered), toY(now.hovered), radius + 3.5, 0, 7);
      to.stroke();
    }
    if (now.outline.length > 1) {
      to.strokeStyle = ink("--accent");
      to.fillStyle = ink("--accent");
      to.lineWidth = 1.2;
      to.setLineDash([5, 3]);
      to.beginPath();
      now.outline.forEach((at, n) => (n ? to.lineTo(at.x, at.y) : to.moveTo(at.x, at.y)));
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
    if (isAsked || !now.data) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      const ratio = devicePixelRatio || 1;
      canvas.width = Math.round(now.size.width * ratio);
      canvas.height = Math.round(now.size.height * ratio);
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      paintOn(ctx);
      map.dataset.painted = String(now.data.ids.length);
    });
  }
  const repaint = () => { known = new Map(); paint(); };
  document.addEventListener("themechange", repaint);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

  function picture() {
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = [now.size.width * 2, now.size.height * 2];
    const to = sheet.getContext("2d");
    to.scale(2, 2);
    to.fillStyle = ink("--surface");
    to.fillRect(0, 0, now.size.width, now.size.height);
    now.hovered = -1;
    paintOn(to);
    sheet.toBlob((blob) => {
      const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: `${map.dataset.name}-${map.dataset.by}.png` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
  }

  Object.assign(mlpiMap, { map, canvas, now, view, group, index, nearest, inside, fit, zoom, pan, paint, picture });
})();
