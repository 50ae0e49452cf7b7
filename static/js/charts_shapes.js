// Bars of a metric's latest values, and scatters of any two things that runs have.
"use strict";
(() => {
  const { runs, colour, figure, short, cut, surface, ticks, scaleOf, highlight } = mlpiCharts;
  const BAR = 20;
  const LOW_BARS = 60; // beyond, bars are thinner
  const TAPS = 14; // CSS pixels around a point that still mean it

  // What bars and scatters have in common: spots that are pointed at, walked by keys, followed.
  function pointed(box, readout, chart, spots, rest) {
    const canvas = chart.surface.canvas;
    chart.shown = null;
    function show(spot, from = chart) {
      chart.shown = spot?.id ?? null;
      readout.textContent = spot ? spot.words : rest;
      chart.surface.repaint();
      if (from) highlight(chart.shown, from);
    }
    const at = (event) => {
      const edge = canvas.getBoundingClientRect();
      return chart.find(event.clientX - edge.left, event.clientY - edge.top);
    };
    canvas.addEventListener("pointermove", (event) => {
      const spot = at(event);
      canvas.classList.toggle("leads", Boolean(spot));
      if ((spot?.id ?? null) !== chart.shown) show(spot);
    });
    canvas.addEventListener("pointerleave", () => show(null));
    canvas.addEventListener("click", (event) => {
      const spot = at(event);
      if (spot) location.href = runs.get(spot.id).href;
    });
    let step = -1;
    chart.key = (key) => {
      const turn = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[key];
      const list = spots();
      if (key === "Enter" && chart.shown) { location.href = runs.get(chart.shown).href; return true; }
      if (!turn || !list.length) return false;
      step = (step + turn + list.length) % list.length;
      show(list[step]);
      return true;
    };
    chart.highlight = (id) => show(spots().find((spot) => spot.id === id) ?? null, null);
    chart.repaint = () => chart.surface.repaint();
    chart.canvas = () => canvas;
    readout.textContent = rest;
  }

  function bar(box, readout, data) {
    const given = data.runs.filter((run) => runs.has(run.id) && typeof run.values[0] === "number");
    if (!given.length) return null;
    given.sort((a, b) => b.values[0] - a.values[0]);
    const left = data.runs.length - given.length;
    const values = given.map((run) => run.values[0]);
    const most = values.reduce((a, b) => Math.max(a, b), 0);
    const least = values.reduce((a, b) => Math.min(a, b), 0);
    const thick = given.length > LOW_BARS ? 12 : BAR;
    const chart = { data };
    let spots = [];
    const words = (run) => `${figure(run.values[0])} · ${runs.get(run.id).name}`;
    spots = given.map((run) => ({ id: run.id, words: words(run) }));

    function paint(ctx, width, height) {
      const names = Math.min(150, width * 0.38);
      const numbers = 62;
      const room = Math.max(40, width - names - numbers);
      const place = (value) => names + ((value - least) / (most - least || 1)) * room;
      ctx.textBaseline = "middle";
      ctx.strokeStyle = colour("ink-grid");
      ctx.fillStyle = colour("ink-axis");
      ctx.textAlign = "center";
      for (const at of ticks(least, most, width < 420 ? 2 : 4)) {
        const x = Math.round(place(at)) + 0.5;
        ctx.beginPath();
        ctx.moveTo(x, 4);
        ctx.lineTo(x, height - 18);
        ctx.stroke();
        ctx.fillText(short(at), x, height - 8);
      }
      given.forEach((run, number) => {
        const y = 6 + number * thick;
        const known = runs.get(run.id);
        ctx.globalAlpha = chart.shown && chart.shown !== run.id ? 0.3 : 1;
        ctx.fillStyle = known.ink();
        const [from, to] = [place(0), place(run.values[0])];
        ctx.fillRect(Math.min(from, to), y + 2, Math.max(1.5, Math.abs(to - from)), thick - 4);
        ctx.fillStyle = colour("ink-soft");
        ctx.textAlign = "right";
        ctx.fillText(cut(ctx, known.name, names - 10), names - 8, y + thick / 2);
        ctx.textAlign = "left";
        ctx.fillText(short(run.values[0]), Math.max(from, to) + 5, y + thick / 2);
      });
      ctx.globalAlpha = 1;
    }
    chart.find = (_, y) => spots[Math.floor((y - 6) / thick)] ?? null;
    chart.surface = surface(box, given.length * thick + 30, paint);
    pointed(box, readout, chart, () => spots, left ? `${left} run${left === 1 ? " has" : "s have"} no finite value.` : "");
    return chart;
  }

  function mixed(part) {
    const numbers = (name) => colour(name).match(/[\d.]+/g).map(Number);
    const [a, b] = [numbers("ink c2"), numbers("ink c4")];
    return `rgb(${[0, 1, 2].map((at) => Math.round(a[at] + (b[at] - a[at]) * part)).join(" ")})`;
  }

  function shape(ctx, kind, x, y, size) {
    ctx.beginPath();
    if (kind === 1) ctx.rect(x - size, y - size, 2 * size, 2 * size);
    else if (kind === 2) { ctx.moveTo(x, y - size * 1.3); ctx.lineTo(x + size * 1.2, y + size); ctx.lineTo(x - size * 1.2, y + size); ctx.closePath(); }
    else if (kind === 3) { ctx.moveTo(x, y - size * 1.4); ctx.lineTo(x + size * 1.4, y); ctx.lineTo(x, y + size * 1.4); ctx.lineTo(x - size * 1.4, y); ctx.closePath(); }
    else ctx.arc(x, y, size, 0, 7);
    ctx.fill();
  }

  function scatter(box, readout, data, how) {
    const at = how.fields.map((field) => data.fields.indexOf(field));
    const [along, up, third] = at;
    const known = data.runs.filter((run) => runs.has(run.id));
    const given = known.filter((run) => run.values[along] != null && run.values[up] != null);
    if (!given.length) return null;
    const scales = [along, up].map((index) => scaleOf(given.map((run) => run.values[index])));
    const tint = third >= 0 ? scaleOf(given.map((run) => run.values[third])) : null;
    const left = known.length - given.length;
    const names = how.fields.map((field) => field.split(".").slice(1).join("."));
    const HEIGHT = 440;
    const chart = { data };
    let spots = [];

    function inked(run) {
      if (!tint) return [runs.get(run.id).ink(), 0];
      const value = run.values[third];
      if (value == null) return [colour("ink-axis"), 0];
      if (tint.isNumber) return [mixed(tint.part(value)), 0];
      const number = tint.kinds.indexOf(value);
      return [colour(`ink c${(number % 6) + 1}`), Math.floor(number / 6) % 4 || number % 4];
    }
    function paint(ctx, width, height) {
      const [x0, y0] = [66, height - 42 - (tint ? 22 : 0)];
      const [w, h] = [width - x0 - 18, y0 - 16];
      const inset = 8;
      const place = (part, index) => (index ? y0 - inset - part * (h - 2 * inset) : x0 + inset + part * (w - 2 * inset));
      ctx.strokeStyle = colour("ink-grid");
      ctx.fillStyle = colour("ink-axis");
      ctx.textBaseline = "middle";
      scales.forEach((scale, index) => {
        const every = Math.ceil(scale.marks.length / (index ? 14 : Math.max(2, Math.floor(w / 64))));
        for (const mark of scale.marks.filter((_, number) => number % every === 0)) {
          const spot = Math.round(place(mark.part, index)) + 0.5;
          ctx.beginPath();
          if (index) { ctx.moveTo(x0, spot); ctx.lineTo(x0 + w, spot); } else { ctx.moveTo(spot, 16); ctx.lineTo(spot, y0); }
          ctx.stroke();
          ctx.textAlign = index ? "right" : "center";
          ctx.fillText(cut(ctx, mark.text, index ? x0 - 12 : 60), index ? x0 - 6 : spot, index ? spot : y0 + 11);
        }
      });
      ctx.fillStyle = colour("ink-words");
      ctx.textAlign = "center";
      ctx.fillText(cut(ctx, names[0], w), x0 + w / 2, y0 + 29);
      ctx.textAlign = "left";
      ctx.fillText(cut(ctx, names[1], width - 10), 4, 7);
      spots = given.map((run) => ({
        id: run.id,
        x: place(scales[0].part(run.values[along]), 0),
        y: place(scales[1].part(run.values[up]), 1),
        words: `${at.map((index, number) => (index < 0 ? "" : `${names[number]} ${figure(run.values[index])}`)).filter(Boolean).join(", ")} · ${runs.get(run.id).name}`,
        run,
      }));
      for (const spot of spots) {
        const [ink, kind] = inked(spot.run);
        ctx.fillStyle = ink;
        ctx.globalAlpha = chart.shown && chart.shown !== spot.id ? 0.25 : 0.85;
        shape(ctx, kind, spot.x, spot.y, chart.shown === spot.id ? 7 : 4.5);
      }
      ctx.globalAlpha = 1;
      if (tint) key(ctx, width, height);
    }
    // What the colours mean, below the chart.
    function key(ctx, width, height) {
      const y = height - 10;
      ctx.textAlign = "left";
      ctx.fillStyle = colour("ink-words");
      const title = cut(ctx, names[2], 120);
      ctx.fillText(title, 66, y);
      let x = 66 + ctx.measureText(title).width + 10;
      if (tint.isNumber) {
        const room = Math.min(160, width - x - 90);
        ctx.fillText(short(tint.from), x, y);
        x += ctx.measureText(short(tint.from)).width + 6;
        for (let at = 0; at < room; at += 1) { ctx.fillStyle = mixed(at / room); ctx.fillRect(x + at, y - 5, 1.5, 10); }
        ctx.fillStyle = colour("ink-words");
        ctx.fillText(short(tint.to), x + room + 6, y);
        return;
      }
      for (const kind of tint.kinds) {
        const text = cut(ctx, kind, 90);
        if (x + 16 + ctx.measureText(text).width > width - 14) { ctx.fillText("…", x, y); break; }
        const [ink, form] = inked({ values: Object.assign([], { [third]: kind }) });
        ctx.fillStyle = ink;
        shape(ctx, form, x + 4, y, 4);
        ctx.fillStyle = colour("ink-words");
        ctx.fillText(text, x + 12, y);
        x += 26 + ctx.measureText(text).width;
      }
    }
    chart.find = (x, y) => {
      let best = null;
      let least = TAPS ** 2;
      for (const spot of spots) {
        const far = (spot.x - x) ** 2 + (spot.y - y) ** 2;
        if (far < least) [best, least] = [spot, far];
      }
      return best;
    };
    chart.surface = surface(box, HEIGHT, paint);
    pointed(box, readout, chart, () => spots, left ? `${left} run${left === 1 ? " lacks" : "s lack"} a value for one of the two.` : "");
    return chart;
  }

  Object.assign(mlpiCharts, { bar, scatter });
})();
