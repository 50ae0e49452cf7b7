// Curves of a run: drawn with uPlot when they come into view, in the colours of the theme. While the
// run goes on, what is drawn gets the new points every ten seconds.
"use strict";
(() => {
  const HEIGHT = 150;
  const ASKED_AT_ONCE = 20; // metrics in one question for new points
  const MOST_POINTS = 20000; // drawn afresh, with fewer points, when there are more
  const drawn = new Map(); // element of a curve: { plot, data, readout }
  const look = { smoothing: 0, isLog: false };

  // The value of a colour token as a canvas takes it: light-dark() is resolved by the browser only
  // where it is used.
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  function colour(name) {
    probe.className = name;
    return getComputedStyle(probe).color;
  }

  function figure(value) {
    if (value == null) return "–";
    return Number.isInteger(value) && Math.abs(value) < 1e6 ? value.toLocaleString("en") : String(+value.toPrecision(4));
  }

  function short(value) {
    const size = Math.abs(value);
    return size !== 0 && (size >= 1e5 || size < 1e-3) ? value.toExponential(0) : String(+value.toPrecision(6));
  }

  // Steps where they tell points apart, otherwise seconds since the first, otherwise the order.
  function positions({ steps, times }) {
    if (steps.at(-1) > steps[0]) return { unit: "step", at: steps };
    if (times.at(-1) > times[0]) return { unit: "second", at: times.map((time) => time - times[0]) };
    return { unit: "point", at: steps.map((_, index) => index) };
  }

  function say(box, text) {
    const words = document.createElement("p");
    words.textContent = text;
    box.replaceChildren(words);
  }

  // An exponential mean that does not begin too low; gaps stay gaps.
  function smooth(values, weight) {
    if (!weight) return values;
    let mean = 0;
    let seen = 0;
    return values.map((value) => {
      if (value === null) return null;
      mean = mean * weight + value * (1 - weight);
      seen += 1;
      return mean / (1 - weight ** seen);
    });
  }

  // A logarithm knows no zero: those points are gaps.
  const forLog = (values) => values.map((value) => (value !== null && value > 0 ? value : null));

  function seriesOf({ data }) {
    const along = positions(data);
    const values = look.isLog ? forLog(data.values) : data.values;
    const smoothed = smooth(values, look.smoothing);
    return { along, values, columns: [along.at, values, smoothed] };
  }

  function options(box, one, { along, values }) {
    const axis = {
      stroke: () => colour("ink-axis"),
      grid: { stroke: () => colour("ink-grid"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    const isLog = look.isLog && values.some((value) => value !== null);
    const points = { show: along.at.length < 25, size: 5 };
    return {
      width: box.clientWidth,
      height: HEIGHT,
      padding: [6, 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false }, points: { size: 7 } },
      scales: { x: { time: false }, y: { distr: isLog ? 3 : 1 } },
      axes: [
        { ...axis, grid: { show: false }, size: 22, gap: 2, values: (_, ticks) => ticks.map(short) },
        { ...axis, size: 50, gap: 4, space: 32, values: (_, ticks) => ticks.map((tick) => (tick == null ? "" : short(tick))) },
      ],
      series: [
        {},
        // As measured: behind, and pale, once it is smoothed.
        { stroke: () => colour(look.smoothing ? "ink-pale" : "ink-line"), width: look.smoothing ? 1 : 1.6, points: look.smoothing ? { show: false } : points, spanGaps: false },
        { show: look.smoothing > 0, stroke: () => colour("ink-line"), width: 1.6, points: { show: false }, spanGaps: false },
      ],
      hooks: {
        setCursor: [
          (plot) => {
            const index = plot.cursor.idx;
            const { unit, at } = one.along;
            one.readout.textContent =
              index == null ? figure(one.data.values.at(-1)) : `${figure(one.data.values[index])} at ${unit} ${figure(at[index])}`;
          },
        ],
      },
    };
  }

  function plotted(curve) {
    const one = drawn.get(curve);
    const box = curve.querySelector(".plot");
    const series = seriesOf(one);
    one.along = series.along;
    one.plot?.destroy();
    one.plot = new uPlot(options(box, one, series), series.columns, box);
  }

  async function draw(curve) {
    const box = curve.querySelector(".plot");
    say(box, "Loading…");
    let data;
    try {
      const answer = await fetch(curve.dataset.metric, { headers: { Accept: "application/json" } });
      data = await answer.json();
      if (!answer.ok) throw new Error(data.message);
    } catch (error) {
      say(box, `Could not be loaded. ${error.message}`);
      return;
    }
    if (!data.values.some((value) => value !== null)) {
      say(box, "No finite value among its points");
      return;
    }
    box.replaceChildren();
    const isNew = !drawn.has(curve);
    drawn.get(curve)?.plot.destroy();
    drawn.set(curve, { data, readout: curve.querySelector("figcaption .push"), plot: null, along: null });
    plotted(curve);
    if (isNew) {
      new ResizeObserver(() => drawn.get(curve).plot.setSize({ width: box.clientWidth, height: HEIGHT })).observe(box);
    }
  }

  // --- new points of a running run ----------------------------------------------------------
  function append(curve, more) {
    const one = drawn.get(curve);
    const { data, plot } = one;
    const { min, max } = plot.scales.x;
    const isWhole = min <= one.along.at[0] && max >= one.along.at.at(-1);
    data.steps.push(...more.steps);
    data.times.push(...more.times);
    data.values.push(...more.values);
    if (data.steps.length > MOST_POINTS) return draw(curve);
    const series = seriesOf(one);
    one.along = series.along;
    plot.setData(series.columns, isWhole);
    if (!isWhole) plot.setScale("x", { min, max }); // what somebody has zoomed into stays
    if (plot.cursor.idx == null) one.readout.textContent = figure(data.values.at(-1));
  }

  async function ask(url, curves) {
    const target = new URL(url, location);
    for (const curve of curves) {
      const { data } = drawn.get(curve);
      target.searchParams.append("key", curve.dataset.key);
      target.searchParams.append("step", data.steps.at(-1));
      target.searchParams.append("at", data.times.at(-1));
    }
    const answer = await fetch(target, { headers: { Accept: "application/json" } });
    if (!answer.ok) return true;
    const { points, is_running: isRunning } = await answer.json();
    for (const curve of curves) {
      const more = points[curve.dataset.key];
      if (more) append(curve, more);
    }
    return isRunning;
  }

  const all = document.querySelector("[data-new]");
  let isAsking = false;
  async function refresh() {
    const url = all?.dataset.new;
    if (!url || isAsking || !drawn.size) return;
    isAsking = true;
    try {
      const curves = [...drawn.keys()];
      let isRunning = true;
      for (let from = 0; from < curves.length; from += ASKED_AT_ONCE) {
        isRunning = await ask(url, curves.slice(from, from + ASKED_AT_ONCE));
      }
      if (!isRunning) delete all.dataset.new; // its last points are drawn
    } catch {
      // the next tick tries again; that mlpi does not answer is said by the page's own polling
    } finally {
      isAsking = false;
    }
  }
  document.body.addEventListener("tick", refresh);

  // --- how all of them are drawn --------------------------------------------------------------
  document.getElementById("smoothing")?.addEventListener("input", (event) => {
    look.smoothing = Number(event.target.value);
    for (const curve of drawn.keys()) plotted(curve);
  });
  document.getElementById("log-scale")?.addEventListener("change", (event) => {
    look.isLog = event.target.checked;
    for (const curve of drawn.keys()) plotted(curve);
  });

  const inView = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((one) => one.isIntersecting)) {
        inView.unobserve(entry.target);
        draw(entry.target);
      }
    },
    { rootMargin: "120px" },
  );
  const watch = (curves) => curves.forEach((curve) => inView.observe(curve));
  watch(document.querySelectorAll(".curve"));

  function showMore(button) {
    const section = button.closest("section");
    const more = [...section.querySelector("template").content.cloneNode(true).children];
    section.querySelector(".curves").append(...more);
    watch(more);
    button.remove();
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-more-curves]");
    if (button) showMore(button);
    // A link to a curve that is not shown yet.
    const wanted = event.target.closest('a[href^="#curve-"]')?.hash.slice(1);
    if (!wanted || document.getElementById(wanted)) return;
    for (const one of document.querySelectorAll("[data-more-curves]")) {
      if (one.closest("section").querySelector("template").content.getElementById(wanted)) showMore(one);
    }
  });

  const repaint = () => drawn.forEach(({ plot }) => plot.redraw(false));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  document.addEventListener("themechange", repaint);
})();
