// What all kinds of charts share: the runs, the theme's colours, canvases, figures, pictures.
"use strict";
const mlpiCharts = {};
(() => {
  const form = document.getElementById("charts");
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const DASHES = (form?.dataset.dashes ?? "").split("|").map((text) => text.split(" ").filter(Boolean).map(Number));

  // The value of a colour token as a canvas takes it: light-dark() is resolved by the browser only
  // where it is used. Asked for once between two changes of the theme.
  let known = new Map();
  function colour(name) {
    if (!known.has(name)) {
      probe.className = name;
      known.set(name, getComputedStyle(probe).color);
    }
    return known.get(name);
  }
  const forgetColours = () => { known = new Map(); };

  const runs = new Map();
  function readRuns() {
    runs.clear();
    for (const entry of document.querySelectorAll("#legend [data-run]")) {
      const { run, name, colour: number, dash } = entry.dataset;
      runs.set(run, { id: run, name, entry, href: entry.querySelector("a").href, ink: () => colour(`ink c${number}`), dash: DASHES[+dash] ?? [] });
      entry.addEventListener("pointerenter", () => highlight(run));
      entry.addEventListener("pointerleave", () => highlight(null));
      entry.addEventListener("focusin", () => highlight(run));
      entry.addEventListener("focusout", () => highlight(null));
    }
  }

  // Ranges of parallel coordinates, "params.depth:0.2:0.8", written into the address by scripts alone.
  const RANGE = "range";
  const ranges = {
    written: () => new URLSearchParams(location.search).getAll(RANGE),
    read: () => ranges.written().flatMap((text) => {
      const [, name, from, to] = /^(.+):([\d.]+):([\d.]+)$/.exec(text) ?? [];
      return name ? [[name, Math.min(1, +from), Math.min(1, +to)]] : [];
    }),
    write(url, found) {
      url.searchParams.delete(RANGE);
      for (const [name, from, to] of found) url.searchParams.append(RANGE, `${name}:${from.toFixed(3)}:${to.toFixed(3)}`);
      return url;
    },
  };

  function figure(value) {
    if (value == null) return "–";
    if (typeof value !== "number") return value;
    return Number.isInteger(value) && Math.abs(value) < 1e6 ? value.toLocaleString("en") : String(+value.toPrecision(5));
  }
  function short(value) {
    if (typeof value !== "number") return String(value ?? "");
    const size = Math.abs(value);
    return size !== 0 && (size >= 1e5 || size < 1e-3) ? value.toExponential(1).replace(".0e", "e").replace("e+", "e") : String(+value.toPrecision(5));
  }
  function cut(ctx, text, width) {
    let shown = String(text);
    if (ctx.measureText(shown).width <= width) return shown;
    while (shown.length > 1 && ctx.measureText(`${shown}…`).width > width) shown = shown.slice(0, -1);
    return `${shown}…`;
  }
  function say(box, text) {
    const words = document.createElement("p");
    words.textContent = text;
    box.replaceChildren(words);
  }

  // A canvas as wide as its box, or wider where it must be; paint(ctx, width, height) in CSS pixels.
  function surface(box, height, paint, leastWidth = 0) {
    const canvas = document.createElement("canvas");
    box.replaceChildren(canvas);
    const ctx = canvas.getContext("2d");
    const one = { canvas, width: 0, height };
    one.repaint = () => {
      const ratio = devicePixelRatio || 1;
      const width = Math.max(box.clientWidth, leastWidth);
      one.width = width;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      ctx.clearRect(0, 0, width, height);
      ctx.font = "11px system-ui, sans-serif";
      paint(ctx, width, height);
    };
    const resize = new ResizeObserver(() => one.width !== Math.max(box.clientWidth, leastWidth) && one.repaint());
    resize.observe(box);
    one.end = () => resize.disconnect();
    one.repaint();
    return one;
  }

  // Round numbers between two, some five of them.
  function ticks(from, to, about = 5) {
    if (!(to > from)) return [from];
    const raw = (to - from) / about;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= raw * 0.999);
    const found = [];
    for (let at = Math.ceil(from / step - 1e-9); at * step <= to + step * 1e-9; at += 1) found.push(+(at * step).toPrecision(12));
    return found;
  }

  // A param's values are numbers when all of them are; otherwise each kind has a place of its own.
  function scaleOf(values) {
    const given = values.filter((value) => value != null && value !== "");
    const isNumber = given.length > 0 && given.every((value) => Number.isFinite(Number(value)));
    if (isNumber) {
      const numbers = given.map(Number);
      let from = numbers.reduce((a, b) => Math.min(a, b));
      let to = numbers.reduce((a, b) => Math.max(a, b));
      if (from === to) { from -= Math.abs(from) * 0.5 || 1; to += Math.abs(to) * 0.5 || 1; }
      return { isNumber, from, to, part: (value) => (value == null || value === "" ? null : (Number(value) - from) / (to - from)), marks: ticks(from, to).map((at) => ({ text: short(at), part: (at - from) / (to - from) })) };
    }
    const kinds = [...new Set(given)].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const part = (value) => (value == null || value === "" ? null : kinds.length > 1 ? kinds.indexOf(value) / (kinds.length - 1) : 0.5);
    return { isNumber, kinds, part, marks: kinds.map((kind) => ({ text: kind, part: part(kind) })) };
  }

  // --- one run stands out, in every chart and in the legend --------------------------------
  const charts = new Set();
  let shown = null;
  function highlight(id, from = null) {
    if (id === shown) return;
    shown = id;
    for (const run of runs.values()) {
      run.entry.classList.toggle("on", run.id === id);
      run.entry.classList.toggle("dimmed", id !== null && run.id !== id);
    }
    for (const chart of charts) if (chart !== from) chart.highlight?.(id);
  }
  readRuns();

  // --- a picture: title, drawing and names, on the theme's surface ---------------------------
  function picture(title, drawn, names) {
    const ratio = devicePixelRatio || 1;
    const pad = 14 * ratio;
    const line = 18 * ratio;
    const width = Math.max(drawn.width, 320 * ratio) + 2 * pad;
    const columns = Math.max(1, Math.floor((width - 2 * pad) / (220 * ratio)));
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = drawn.height + 3 * pad + line + Math.ceil(names.length / columns) * line;
    const ctx = canvas.getContext("2d");
    ctx.fillStyle = colour("ink-surface");
    ctx.fillRect(0, 0, canvas.width, canvas.height);
    ctx.fillStyle = colour("ink-words");
    ctx.textBaseline = "middle";
    ctx.font = `600 ${13 * ratio}px system-ui, sans-serif`;
    ctx.fillText(cut(ctx, title, width - 2 * pad), pad, pad + line / 2);
    ctx.drawImage(drawn, pad, pad + line);
    ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    const each = (width - 2 * pad) / columns;
    names.forEach((run, index) => {
      const x = pad + (index % columns) * each;
      const y = 2 * pad + line + drawn.height + (Math.floor(index / columns) + 0.5) * line;
      ctx.strokeStyle = run.ink();
      ctx.lineWidth = 2 * ratio;
      ctx.setLineDash(run.dash.map((part) => part * ratio));
      ctx.beginPath();
      ctx.moveTo(x, y);
      ctx.lineTo(x + 26 * ratio, y);
      ctx.stroke();
      ctx.fillText(cut(ctx, run.name, each - 44 * ratio), x + 32 * ratio, y);
    });
    return canvas;
  }
  function keep(title, drawn, names = [...runs.values()]) {
    picture(title, drawn, names).toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `${title.replace(/[^\p{L}\p{N}._-]+/gu, "-").slice(0, 80) || "chart"}.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    }, "image/png");
  }

  Object.assign(mlpiCharts, { form, runs, readRuns, ranges, charts, colour, forgetColours, figure, short, cut, say, surface, ticks, scaleOf, highlight, keep });
})();
