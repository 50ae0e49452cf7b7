// One chart: uPlot gives the frame, axes, cursor and zoom; lines are drawn here, each with its own
// places along x, for runs log at different steps and there may be a thousand of them.
"use strict";
(() => {
  const { colour, short, figure } = mlpiCharts;
  const { MANY, nearest } = mlpiBoards;
  const FEW = 25; // points that are drawn as dots too
  const NEAR = 60; // pixels
  const ROWS = 11;
  const SPANS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800, 2592000, 31536000];
  const tip = document.getElementById("tip");
  const plots = new Set();
  let lit = null;

  function light(name, from = null) {
    if (name === lit) return;
    lit = name;
    mlpiRoom.light(name);
    for (const plot of plots) {
      if (plot !== from) plot.tell();
      if (plot === from || plot.weight() < 60_000) plot.redraw();
    }
  }

  function span(seconds) {
    const size = Math.abs(seconds);
    if (size >= 172800) return `${short(+(seconds / 86400).toPrecision(4))} d`;
    if (size >= 7200) return `${short(+(seconds / 3600).toPrecision(4))} h`;
    if (size >= 120) return `${short(+(seconds / 60).toPrecision(4))} min`;
    return `${short(+seconds.toPrecision(4))} s`;
  }
  const clock = (seconds) => new Date(seconds * 1000).toLocaleString("sv");
  const where = (along, x) => (along === "time" ? clock(x) : along === "relative" ? span(x) : `step ${figure(Math.round(x))}`);

  function plot(box, how, onZoom, zoom = null) {
    let lines = [];
    let full = [0, 1];
    let isActive = false;
    let key = null; // where the arrow keys are: [name, index]
    const one = {};

    const end = (line) => line.x.length - 1;
    // First and last index within a window, with one more at either side.
    function within(line, from, to) {
      if (!line.x.length) return [0, -1];
      let first = nearest(line.x, from);
      let last = nearest(line.x, to);
      while (first > 0 && line.x[first] >= from) first -= 1;
      while (last < end(line) && line.x[last] <= to) last += 1;
      return [first, last];
    }

    function extent() {
      let from = Infinity;
      let to = -Infinity;
      for (const line of lines) {
        if (!line.x.length) continue;
        from = Math.min(from, line.x[0]);
        to = Math.max(to, line.x[end(line)]);
      }
      if (from > to) return [0, 1];
      if (from === to) return how.along === "step" ? [from - 0.5, to + 0.5] : [from - 1, to + 1];
      const pad = (to - from) * 0.012; // the first and last point are seen whole
      return [from - pad, to + pad];
    }

    function rangeY(from, to) {
      const seen = [];
      let low = Infinity;
      let high = -Infinity;
      const take = (value) => {
        if (value === null || value === undefined) return;
        if (how.isClipped) seen.push(value);
        if (value < low) low = value;
        if (value > high) high = value;
      };
      for (const line of lines) {
        const [first, last] = within(line, from, to);
        for (let at = first; at <= last; at += 1) {
          if (line.x[at] < from || line.x[at] > to) continue;
          take(line.y[at]);
          if (line.raw && !how.isClipped) take(line.raw[at]);
          if (line.low) { take(line.low[at]); take(line.high[at]); }
        }
      }
      if (how.isClipped && seen.length > 4) {
        seen.sort((a, b) => a - b);
        const part = (share) => seen[Math.round(share * (seen.length - 1))];
        if (part(0.95) > part(0.05)) [low, high] = [part(0.05), part(0.95)];
      }
      if (low > high) return how.isLog ? [0.1, 10] : [0, 1];
      if (how.isLog) {
        const pad = low === high ? 2 : (high / low) ** 0.05;
        return [low / pad, high * pad];
      }
      const pad = (high - low) * 0.06 || Math.abs(high) * 0.1 || 0.5;
      return [low - pad, high + pad];
    }

    function fitY(u) {
      const { min, max } = u.scales.x;
      if (min == null) return;
      const [low, high] = rangeY(min, max);
      u.setScale("y", { min: low, max: high });
    }

    // --- drawing ------------------------------------------------------------------------------
    function projection(u) {
      const { left, top, width, height } = u.bbox;
      const { min, max } = u.scales.x;
      const log = how.isLog ? Math.log10 : (value) => value;
      const [low, high] = [log(u.scales.y.min), log(u.scales.y.max)];
      const [sx, sy] = [width / (max - min), height / (high - low)];
      return { px: (x) => left + (x - min) * sx, py: (y) => top + (high - log(y)) * sy, min, max };
    }

    function trace(ctx, line, values, to, from, last) {
      let isOn = false;
      ctx.beginPath();
      for (let at = from; at <= last; at += 1) {
        const value = values[at];
        if (value === null || value === undefined) { isOn = false; continue; }
        if (isOn) ctx.lineTo(to.px(line.x[at]), to.py(value));
        else ctx.moveTo(to.px(line.x[at]), to.py(value));
        isOn = true;
      }
      ctx.stroke();
    }

    function dots(ctx, line, to, from, last, isThin, ratio) {
      for (let at = from; at <= last; at += 1) {
        const value = line.y[at];
        if (value === null || value === undefined) continue;
        const isAlone = (line.y[at - 1] ?? null) === null && (line.y[at + 1] ?? null) === null;
        if (!isAlone && !isThin) continue;
        ctx.beginPath();
        ctx.arc(to.px(line.x[at]), to.py(value), (isAlone ? 3.5 : 2.2) * ratio, 0, 7);
        ctx.fill();
      }
    }

    function draw(u) {
      const { ctx, bbox } = u;
      if (u.scales.y.min == null || !lines.length) return;
      const to = projection(u);
      const ratio = devicePixelRatio || 1;
      const isMany = lines.length > MANY;
      const chosen = lit !== null && lines.some((line) => line.name === lit);
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      ctx.lineJoin = "round";
      const order = chosen ? [...lines].sort((a, b) => (a.name === lit) - (b.name === lit)) : lines;
      for (const line of order) {
        const isLit = line.name === lit;
        const [from, last] = within(line, to.min, to.max);
        if (last < from) continue;
        const alpha = chosen && !isLit ? 0.2 : 1;
        ctx.strokeStyle = ctx.fillStyle = line.ink();
        if (line.low) {
          ctx.globalAlpha = alpha * 0.16;
          ctx.beginPath();
          for (let at = from; at <= last; at += 1) ctx.lineTo(to.px(line.x[at]), to.py(line.high[at]));
          for (let at = last; at >= from; at -= 1) ctx.lineTo(to.px(line.x[at]), to.py(line.low[at]));
          ctx.fill();
        }
        ctx.setLineDash([]);
        if (line.raw && (isLit || !isMany)) {
          ctx.globalAlpha = alpha * 0.25;
          ctx.lineWidth = ratio;
          trace(ctx, line.fine ?? line, line.fine ? line.fine.y : line.raw, to, ...(line.fine ? [0, line.fine.x.length - 1] : [from, last]));
        }
        ctx.globalAlpha = alpha;
        ctx.lineWidth = (isLit ? 2.4 : isMany ? 1 : 1.5) * ratio;
        if (!isMany && line.dash.length) ctx.setLineDash(line.dash.map((part) => part * ratio));
        if (line.fine && !line.raw) trace(ctx, line.fine, line.fine.y, to, 0, line.fine.x.length - 1);
        else trace(ctx, line, line.y, to, from, last);
        ctx.setLineDash([]);
        dots(ctx, line, to, from, last, last - from < FEW && !isMany, ratio);
        marks(ctx, line, to, bbox, ratio);
      }
      if (isActive && u.cursor.left >= 0) cross(ctx, u, to, ratio);
      ctx.restore();
    }

    // What is not finite has no height: a sign at the edge says that it was there.
    function marks(ctx, line, to, bbox, ratio) {
      if (!line.odd.length) return;
      ctx.font = `${11 * ratio}px system-ui, sans-serif`;
      ctx.textAlign = "center";
      for (const [x, word] of line.odd) {
        if (x < to.min || x > to.max) continue;
        const isTop = word === "Infinity";
        ctx.textBaseline = isTop ? "top" : "bottom";
        ctx.fillText(word === "NaN" ? "×" : isTop ? "▲" : "▼", to.px(x), isTop ? bbox.top : bbox.top + bbox.height);
      }
    }

    function cross(ctx, u, to, ratio) {
      const found = lines.find((line) => line.name === lit);
      if (!found) return;
      const at = nearest(found.x, u.posToVal(u.cursor.left, "x"));
      if ((found.y[at] ?? null) === null) return;
      ctx.fillStyle = found.ink();
      ctx.strokeStyle = colour("ink-surface");
      ctx.lineWidth = 2 * ratio;
      ctx.globalAlpha = 1;
      ctx.beginPath();
      ctx.arc(to.px(found.x[at]), to.py(found.y[at]), 4.5 * ratio, 0, 7);
      ctx.fill();
      ctx.stroke();
    }

    // --- what is under the cursor -------------------------------------------------------------
    function rowsAt(x) {
      const rows = [];
      for (const line of lines) {
        if (!line.x.length) continue;
        const at = nearest(line.x, x);
        if ((line.y[at] ?? null) !== null) rows.push({ line, at, value: line.y[at] });
      }
      return rows.sort((a, b) => b.value - a.value);
    }

    function hover(u) {
      const { left, top } = u.cursor;
      if (left == null || left < 0) {
        if (isActive) { tip.hidden = true; light(null, one); }
        one.say("");
        return;
      }
      if (!isActive) { one.tell(); return; }
      const x = u.posToVal(left, "x");
      const rows = rowsAt(x);
      let best = null;
      let least = Infinity;
      for (const row of rows) {
        const dx = u.valToPos(row.line.x[row.at], "x") - left;
        const dy = u.valToPos(row.value, "y") - top;
        const far = Math.hypot(dx * 0.3, dy);
        if (far < least) [best, least] = [row, far];
      }
      light(best && least < NEAR ? best.line.name : null, one);
      u.redraw(false, false);
      show(u, rows, best, x);
    }

    function show(u, rows, best, x) {
      if (!rows.length) { tip.hidden = true; return; }
      const middle = Math.max(0, rows.indexOf(best));
      const begin = Math.max(0, Math.min(middle - (ROWS >> 1), rows.length - ROWS));
      const shown = rows.slice(begin, begin + ROWS);
      const table = document.createElement("table");
      for (const row of shown) {
        const tr = table.insertRow();
        tr.classList.toggle("on", row.line.name === lit);
        const look = tr.insertCell();
        look.innerHTML = `<svg class="ink c${row.line.number}" viewBox="0 0 18 8" aria-hidden="true"><path d="M0 4h18" fill="none" stroke="currentColor" stroke-width="2.4" stroke-dasharray="${lines.length > MANY ? "" : row.line.dash.join(" ")}"/></svg>`;
        const cells = [[figure(row.value), "num"], [how.along === "step" ? figure(Math.round(row.line.x[row.at])) : where(how.along, row.line.x[row.at]), "num"], [row.line.runs ? `${row.line.name} (${row.line.at[row.at]} of ${row.line.runs})` : row.line.name, "t"]];
        for (const [text, kind] of cells) Object.assign(tr.insertCell(), { textContent: text, className: kind });
      }
      const head = document.createElement("p");
      const rest = rows.length - shown.length;
      head.textContent = `${where(how.along, x)}${rest ? ` · ${shown.length} of ${rows.length} runs, those nearest` : ""}`;
      tip.replaceChildren(head, table);
      tip.hidden = false;
      const area = u.over.getBoundingClientRect();
      const size = tip.getBoundingClientRect();
      // Below the chart, or above it, so that it hides nothing of it.
      const below = area.bottom + 26;
      const isBelow = below + size.height < innerHeight - 8 || area.top < size.height + 50;
      tip.style.left = `${Math.max(8, Math.min(area.left + u.cursor.left - size.width / 2, innerWidth - size.width - 8))}px`;
      tip.style.top = `${Math.max(8, isBelow ? Math.min(below, innerHeight - size.height - 8) : area.top - size.height - 42)}px`;
    }

    // --- the frame ----------------------------------------------------------------------------
    const axis = { stroke: () => colour("ink-axis"), ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const grid = { stroke: () => colour("ink-grid"), width: 1 };
    const isTime = how.along === "time";
    const xAxis = { ...axis, grid: { show: false }, size: isTime ? 34 : 22, gap: 3, space: 60 };
    if (how.along === "relative") Object.assign(xAxis, { incrs: [0.001, 0.01, 0.1, ...SPANS], values: (_, all) => all.map(span) });
    else if (!isTime) xAxis.values = (_, all) => all.map((value) => (Number.isInteger(value) ? short(value) : ""));
    const size = () => ({ width: Math.max(120, box.clientWidth), height: Math.max(120, box.clientHeight) });
    const u = new uPlot(
      {
        ...size(),
        padding: [8, 16, 0, 0],
        legend: { show: false },
        cursor: {
          y: false,
          points: { show: false },
          drag: { x: true, y: false, dist: 4 },
          // The cursor goes along in all charts; what is zoomed is this one alone.
          sync: { key: "boards", scales: ["x", null], filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
        },
        scales: { x: { time: isTime, range: (_, min, max) => [min, max] }, y: { auto: false, distr: how.isLog ? 3 : 1 } },
        axes: [xAxis, { ...axis, grid, size: 52, gap: 4, space: 30, values: (_, all) => all.map((value) => (value == null ? "" : short(value))) }],
        series: [{}, { paths: () => null, points: { show: false } }],
        hooks: {
          draw: [draw],
          setCursor: [hover],
          setScale: [(me, name) => {
            if (name !== "x") return;
            const { min, max } = me.scales.x;
            const before = zoom;
            zoom = min <= full[0] && max >= full[1] ? null : [min, max];
            fitY(me);
            if (String(before) !== String(zoom)) {
              for (const line of lines) line.fine = null;
              onZoom?.(zoom);
            }
          }],
        },
      },
      [full, [null, null]],
      box,
    );
    u.over.addEventListener("mouseenter", () => { isActive = true; });
    u.over.addEventListener("mouseleave", () => { isActive = false; tip.hidden = true; light(null, one); });
    const resize = new ResizeObserver(() => { const now = size(); if (now.width !== u.width || now.height !== u.height) u.setSize(now); });
    resize.observe(box);

    one.set = (given, newHow) => {
      lines = given;
      how = newHow;
      full = extent();
      u.batch(() => {
        u.setData([full, [null, null]], false);
        const [min, max] = zoom ?? full;
        u.setScale("x", { min, max });
        fitY(u);
      });
      if (u.scales.x.min != null) fitY(u);
      u.redraw(false, true);
    };
    one.refine = (fine) => {
      for (const line of lines) line.fine = fine.get(line.name) ?? null;
      fitY(u);
      u.redraw(false, true);
    };
    one.key = (name) => {
      const turn = { ArrowLeft: -1, ArrowRight: 1 }[name];
      const other = { ArrowUp: -1, ArrowDown: 1 }[name];
      if ((!turn && !other) || !lines.length) return false;
      const before = lines.findIndex((line) => line.name === key?.[0]);
      const line = lines[before < 0 ? 0 : (before + (other ?? 0) + lines.length) % lines.length];
      const at = Math.max(0, Math.min(end(line), (before < 0 ? 0 : key[1]) + (before < 0 ? 0 : turn ?? 0)));
      key = [line.name, at];
      light(line.name, one);
      u.setCursor({ left: u.valToPos(line.x[at], "x"), top: u.valToPos(line.y[at] ?? u.scales.y.min, "y") });
      one.say(`${figure(line.y[at])} at ${where(how.along, line.x[at])} · ${line.name}`);
      return true;
    };
    one.say = () => {};
    // While the cursor is in another chart: what the same run has here.
    one.tell = () => {
      if (isActive || !(u.cursor.left >= 0)) return;
      const rows = rowsAt(u.posToVal(u.cursor.left, "x"));
      const row = rows.find(({ line }) => line.name === lit) ?? (rows.length === 1 ? rows[0] : null);
      one.say(row ? `${figure(row.value)} at ${where(how.along, row.line.x[row.at])} · ${row.line.name}` : "");
    };
    one.weight = () => lines.reduce((sum, line) => sum + line.x.length, 0);
    one.redraw = () => u.redraw(false, false);
    one.repaint = () => u.redraw(false, true);
    one.canvas = () => u.ctx.canvas;
    one.names = () => lines.map((line) => ({ name: line.name, ink: line.ink, dash: lines.length > MANY ? [] : line.dash }));
    one.zoom = () => zoom;
    one.end = () => { plots.delete(one); resize.disconnect(); u.destroy(); if (isActive) tip.hidden = true; };
    plots.add(one);
    return one;
  }

  const repaint = () => { mlpiCharts.forgetColours(); plots.forEach((one) => one.repaint()); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  document.addEventListener("themechange", repaint);
  document.addEventListener("boards:light", (event) => light(event.detail));

  Object.assign(mlpiBoards, { plot });
})();
