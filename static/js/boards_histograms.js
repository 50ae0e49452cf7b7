// Histograms over time: ridges one behind another, a heatmap, or bands of percentiles.
"use strict";
(() => {
  const { colour, figure, short, say, surface, ticks, forgetColours } = mlpiCharts;
  const { form, ask, hooks, cards } = mlpiKinds;
  if (!form) return;
  const HEIGHT = 230;
  const PAD = { left: 46, right: 46, top: 12, bottom: 20 };
  const drawn = new Map(); // card → { data, chart }
  const modeOf = () => form.elements.mode.value;
  const inkOf = (card) => colour(card.querySelector("header .look").getAttribute("class").replace("look", "").trim());

  function most(counts) {
    let found = 0;
    for (const row of counts) for (const one of row) if (one > found) found = one;
    return found || 1;
  }
  function said(data, spot) {
    if (!spot) {
      const left = data.steps.length < data.count ? `${data.steps.length} of ${figure(data.count)} steps` : `${figure(data.count)} step${data.count === 1 ? "" : "s"}`;
      return data.problem || `${left}, to step ${figure(data.steps.at(-1))}`;
    }
    const [row, bucket] = spot;
    return `step ${figure(data.steps[row])}: ${figure(data.counts[row][bucket])} from ${figure(data.edges[bucket])} to ${figure(data.edges[bucket + 1])}`;
  }

  // A canvas with one spot (row of steps, bucket) that is pointed at or walked to.
  function canvas(card, box, readout, data, paint, find) {
    const chart = { spot: null };
    chart.surface = surface(box, HEIGHT, (ctx, width) => paint(ctx, width, chart.spot));
    const show = (spot) => {
      chart.spot = spot;
      readout.textContent = said(data, spot);
      chart.surface.repaint();
    };
    const element = chart.surface.canvas;
    element.addEventListener("pointermove", (event) => {
      const edge = element.getBoundingClientRect();
      show(find(event.clientX - edge.left, event.clientY - edge.top, chart.surface.width));
    });
    element.addEventListener("pointerleave", () => show(null));
    chart.walk = (rows, buckets) => {
      const [row, bucket] = chart.spot ?? [data.steps.length - 1, Math.floor(data.edges.length / 2)];
      const bound = (at, count) => Math.min(count - 1, Math.max(0, at));
      show([bound(row + rows, data.steps.length), bound(bucket + buckets, data.edges.length - 1)]);
    };
    chart.clear = () => show(null);
    chart.repaint = () => chart.surface.repaint();
    chart.end = () => chart.surface.end();
    show(null);
    return chart;
  }
  function axis(ctx, data, width, y, place) {
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.fillStyle = colour("ink-axis");
    for (const at of ticks(data.edges[0], data.edges.at(-1), width < 420 ? 3 : 5)) ctx.fillText(short(at), Math.min(width - PAD.right + 8, Math.max(PAD.left - 8, place(at))), y);
  }

  function ridges(card, box, readout, data) {
    const top = most(data.counts);
    const count = data.steps.length;
    const high = count > 1 ? 64 : HEIGHT - PAD.top - PAD.bottom; // of the tallest ridge
    const [low, up] = [data.edges[0], data.edges.at(-1)];
    // Room above for the ridge that reaches highest, and no more.
    let head = high;
    for (let round = 0; round < 4 && count > 1; round += 1) {
      const gap = (HEIGHT - PAD.top - PAD.bottom - head) / (count - 1);
      head = Math.max(4, ...data.counts.map((one, row) => (most([one]) / top) * high - row * gap));
    }
    const base = (row) => (count > 1 ? PAD.top + head + (row * (HEIGHT - PAD.top - PAD.bottom - head)) / (count - 1) : HEIGHT - PAD.bottom);
    const placed = (width) => (value) => PAD.left + ((value - low) / (up - low)) * (width - PAD.left - PAD.right);
    function paint(ctx, width, spot) {
      const x = placed(width);
      const ink = inkOf(card);
      axis(ctx, data, width, HEIGHT - 8, x);
      const middles = data.edges.slice(1).map((edge, at) => (edge + data.edges[at]) / 2);
      for (let row = 0; row < count; row += 1) {
        const y = base(row);
        const isSpot = spot?.[0] === row;
        ctx.beginPath();
        ctx.moveTo(x(low), y);
        middles.forEach((middle, at) => ctx.lineTo(x(middle), y - ((data.counts[row][at] ?? 0) / top) * high));
        ctx.lineTo(x(up), y);
        ctx.globalAlpha = 0.92;
        ctx.fillStyle = colour("ink-surface");
        ctx.fill();
        ctx.globalAlpha = isSpot ? 0.5 : 0.1 + 0.22 * (row / Math.max(1, count - 1));
        ctx.fillStyle = ink;
        ctx.fill();
        ctx.globalAlpha = spot && !isSpot ? 0.35 : 0.45 + 0.55 * (row / Math.max(1, count - 1));
        ctx.strokeStyle = isSpot ? colour("ink-words") : ink;
        ctx.lineWidth = isSpot ? 1.8 : 1;
        ctx.stroke();
      }
      ctx.globalAlpha = 1;
      ctx.textAlign = "left";
      ctx.fillStyle = colour("ink-axis");
      const every = Math.max(1, Math.ceil(count / 6));
      for (let row = count - 1; row >= 0; row -= every) ctx.fillText(short(data.steps[row]), width - PAD.right + 6, base(row));
      if (spot) {
        ctx.fillStyle = colour("ink-words");
        ctx.beginPath();
        ctx.arc(x(middles[spot[1]]), base(spot[0]) - ((data.counts[spot[0]][spot[1]] ?? 0) / top) * high, 3.5, 0, 7);
        ctx.fill();
      }
    }
    function find(px, py, width) {
      const bucket = bucketAt((px - PAD.left) / (width - PAD.left - PAD.right));
      if (bucket === null) return null;
      // The ridge whose edge is nearest above the pointer, or nearest at all.
      let best = 0;
      let least = Infinity;
      for (let row = 0; row < count; row += 1) {
        const far = Math.abs(base(row) - ((data.counts[row][bucket] ?? 0) / top) * high - py);
        if (far <= least) [best, least] = [row, far];
      }
      return [best, bucket];
    }
    function bucketAt(part) {
      if (part < -0.02 || part > 1.02) return null;
      return Math.min(data.edges.length - 2, Math.max(0, Math.floor(part * (data.edges.length - 1))));
    }
    return canvas(card, box, readout, data, paint, find);
  }

  function heat(card, box, readout, data) {
    const count = data.steps.length;
    const buckets = data.edges.length - 1;
    const room = (width) => [(width - PAD.left - 10) / count, (HEIGHT - PAD.top - PAD.bottom) / buckets];
    const left = PAD.left;
    function paint(ctx, width, spot) {
      const [w, h] = room(width);
      const ink = inkOf(card);
      ctx.fillStyle = ink;
      data.counts.forEach((row, at) => {
        const own = most([row]); // each step by itself: early ones are not pale beside later ones
        // Whole pixels, so that neighbours neither overlap nor leave a gap.
        const [x0, x1] = [Math.round(left + at * w), Math.round(left + (at + 1) * w)];
        row.forEach((one, bucket) => {
          if (!one) return;
          ctx.globalAlpha = 0.06 + 0.94 * Math.sqrt(one / own);
          const [y0, y1] = [Math.round(PAD.top + (buckets - 1 - bucket) * h), Math.round(PAD.top + (buckets - bucket) * h)];
          ctx.fillRect(x0, y0, x1 - x0, y1 - y0);
        });
      });
      ctx.globalAlpha = 1;
      ctx.fillStyle = colour("ink-axis");
      ctx.textBaseline = "middle";
      ctx.textAlign = "right";
      for (const at of ticks(data.edges[0], data.edges.at(-1), 4)) {
        const part = (at - data.edges[0]) / (data.edges.at(-1) - data.edges[0]);
        ctx.fillText(short(at), left - 6, PAD.top + (1 - part) * buckets * h);
      }
      ctx.textAlign = "center";
      const every = Math.max(1, Math.ceil(count / Math.max(2, Math.floor(width / 70))));
      for (let at = 0; at < count; at += every) ctx.fillText(short(data.steps[at]), left + (at + 0.5) * w, HEIGHT - 8);
      if (spot) {
        ctx.strokeStyle = colour("ink-words");
        ctx.lineWidth = 1.5;
        ctx.strokeRect(left + spot[0] * w, PAD.top + (buckets - 1 - spot[1]) * h, w, h);
      }
    }
    function find(px, py, width) {
      const [w, h] = room(width);
      const row = Math.floor((px - left) / w);
      const bucket = buckets - 1 - Math.floor((py - PAD.top) / h);
      return row >= 0 && row < count && bucket >= 0 && bucket < buckets ? [row, bucket] : null;
    }
    return canvas(card, box, readout, data, paint, find);
  }

  const PERCENT = (point) => `${+(point / 100).toFixed(1)} %`;
  function bands(card, box, readout, data) {
    box.replaceChildren();
    const columns = data.points.map((_, at) => data.bands.map((row) => row[at]));
    const axisOf = (size) => ({ stroke: () => colour("ink-axis"), grid: { stroke: () => colour("ink-grid"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif", size, gap: 4, values: (_, all) => all.map((one) => (one == null ? "" : short(one))) });
    const pale = (alpha) => () => colour(card.querySelector("header .look").getAttribute("class").replace("look", "").trim()).replace("rgb(", "rgba(").replace(")", `, ${alpha})`);
    const isLone = data.steps.length < 2;
    const plot = new uPlot({
      width: box.clientWidth,
      height: HEIGHT,
      padding: [8, 10, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 6 } },
      scales: { x: { time: false } },
      axes: [{ ...axisOf(22), grid: { show: false } }, axisOf(50)],
      series: [{}, ...data.points.map((_, at) => ({ stroke: at === 4 ? () => inkOf(card) : pale(0.35), width: at === 4 ? 1.8 : 0.6, points: { show: isLone, size: 5 } }))],
      bands: [[9, 1], [8, 2], [7, 3], [6, 4]].map((series) => ({ series, fill: pale(0.14) })),
      hooks: { setCursor: [(one) => tell(one.cursor.idx)] },
    }, [data.steps, ...columns], box);
    function tell(at) {
      readout.textContent = at == null ? said(data, null) : `step ${figure(data.steps[at])}: ${data.points.map((point, number) => `${point === 5000 ? "median" : PERCENT(point)} ${figure(data.bands[at][number])}`).filter((_, number) => number % 2 === 0).join(", ")}`;
    }
    let at = data.steps.length - 1;
    const resize = new ResizeObserver(() => plot.width !== box.clientWidth && plot.setSize({ width: box.clientWidth, height: HEIGHT }));
    resize.observe(box);
    tell(null);
    return {
      walk: (rows, buckets) => {
        at = Math.min(data.steps.length - 1, Math.max(0, at + rows + buckets));
        plot.setCursor({ left: plot.valToPos(data.steps[at], "x"), top: 10 });
        tell(at);
      },
      clear: () => { plot.setCursor({ left: -10, top: -10 }); tell(null); },
      repaint: () => plot.redraw(false),
      end: () => { resize.disconnect(); plot.destroy(); },
    };
  }

  const KINDS = { "": ridges, heat, bands };
  function draw(card) {
    const one = drawn.get(card);
    const box = card.querySelector(".drawing");
    const readout = card.querySelector(".readout");
    one.chart?.end();
    one.chart = null;
    if (!one.data.steps.length || !one.data.edges.length) {
      say(box, one.data.problem || "Nothing was counted");
      readout.textContent = "";
      return;
    }
    one.chart = KINDS[modeOf()](card, box, readout, one.data);
    card.dataset.drawn = `${modeOf()}:${one.data.count}`;
  }
  async function load(card) {
    const box = card.querySelector(".drawing");
    if (!drawn.has(card)) say(box, "Loading…");
    try {
      const data = await (await ask(box.dataset.source)).json();
      drawn.set(card, { ...drawn.get(card), data });
      draw(card);
    } catch (error) {
      say(box, `Could not be loaded. ${error.message}`);
    }
  }
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      seen.unobserve(entry.target);
      load(entry.target);
    }
  }, { rootMargin: "200px" });

  const TURNS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  document.addEventListener("keydown", (event) => {
    const box = event.target.closest?.(".drawing");
    const chart = box && drawn.get(box.closest(".shot"))?.chart;
    if (!chart) return;
    if (event.key === "Escape") chart.clear();
    else if (TURNS[event.key]) chart.walk(...TURNS[event.key]);
    else return;
    event.preventDefault();
  });
  form.elements.mode.addEventListener("change", () => {
    const url = new URL(location.href);
    if (modeOf()) url.searchParams.set("mode", modeOf());
    else url.searchParams.delete("mode");
    history.replaceState(history.state, "", url);
    for (const card of drawn.keys()) draw(card);
  });
  const repaint = () => { forgetColours(); for (const { chart } of drawn.values()) chart?.repaint(); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  document.addEventListener("themechange", repaint);

  // A run that goes on: the drawing changes in its place.
  hooks.renew = (card, fresh) => {
    card.dataset.stamp = fresh.dataset.stamp;
    card.dataset.count = fresh.dataset.count;
    if (drawn.has(card)) load(card);
    return true;
  };
  hooks.drop = (card) => { drawn.get(card)?.chart?.end(); drawn.delete(card); };
  hooks.take = (card) => seen.observe(card);
  for (const card of cards()) seen.observe(card);
})();
