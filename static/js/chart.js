// Curves of a run: drawn with uPlot when they come into view, in the colours of the theme.
"use strict";
(() => {
  const HEIGHT = 150;
  const plots = new Set();

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

  function options(box, readout, { unit, at }, values) {
    const latest = readout.textContent;
    const axis = {
      stroke: () => colour("ink-axis"),
      grid: { stroke: () => colour("ink-grid"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    return {
      width: box.clientWidth,
      height: HEIGHT,
      padding: [6, 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false }, points: { size: 7 } },
      scales: { x: { time: false } },
      axes: [
        { ...axis, grid: { show: false }, size: 22, gap: 2, values: (_, ticks) => ticks.map(short) },
        { ...axis, size: 50, gap: 4, space: 32, values: (_, ticks) => ticks.map(short) },
      ],
      series: [
        {},
        { stroke: () => colour("ink-line"), width: 1.6, points: { show: at.length < 25, size: 5 }, spanGaps: false },
      ],
      hooks: {
        setCursor: [
          (plot) => {
            const index = plot.cursor.idx;
            readout.textContent = index == null ? latest : `${figure(values[index])} at ${unit} ${figure(at[index])}`;
          },
        ],
      },
    };
  }

  async function draw(curve) {
    const box = curve.querySelector(".plot");
    const readout = curve.querySelector("figcaption .push");
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
    const along = positions(data);
    box.replaceChildren();
    const plot = new uPlot(options(box, readout, along, data.values), [along.at, data.values], box);
    plots.add(plot);
    new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: HEIGHT })).observe(box);
  }

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

  document.querySelector("[data-more-curves]")?.addEventListener("click", (event) => {
    const more = [...document.getElementById("more-curves").content.cloneNode(true).children];
    document.getElementById("curves").append(...more);
    watch(more);
    event.target.remove();
  });

  const repaint = () => plots.forEach((plot) => plot.redraw(false));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  document.addEventListener("themechange", repaint);
})();
