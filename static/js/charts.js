// The page of charts: draws what comes into view, keeps the address as it is drawn, follows runs.
"use strict";
(() => {
  const { form, charts, say, forgetColours, keep, highlight, ranges, lines, merged, bar, scatter, parallel } = mlpiCharts;
  if (!form) return;
  const kind = form.dataset.kind;
  const running = new Set(form.dataset.running.split(",").filter(Boolean));
  const drawn = new Map(); // figure → its chart

  function keepRanges(found) {
    history.replaceState(history.state, "", ranges.write(new URL(location.href), found));
    carry(new FormData(form));
  }

  function how() {
    const given = new FormData(form);
    return {
      along: given.get("x") || "step",
      smooth: Number(given.get("smooth") ?? 0),
      isLog: given.has("log"),
      isClipped: given.has("clip"),
      fields: ["sx", "sy", "sc"].map((name) => given.get(name) ?? ""),
      ranges: ranges.read(),
      keepRanges,
    };
  }

  const NONE = {
    line: "No point of these runs can be drawn",
    bar: "No run has a finite value",
    scatter: "No run has both",
    parallel: "No run has any of these",
  };
  function draw(figure, data) {
    const box = figure.querySelector(".drawing");
    const readout = figure.querySelector(".readout");
    const before = drawn.get(figure);
    charts.delete(before);
    before?.end?.();
    before?.surface?.end();
    const chart = { line: lines, bar, scatter, parallel }[kind](box, readout, data, how());
    figure.querySelector("[data-png]").disabled = !chart;
    if (!chart) {
      say(box, NONE[kind]);
      drawn.set(figure, { data });
      return;
    }
    charts.add(chart);
    drawn.set(figure, chart);
  }

  async function ask(url) {
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    const data = await answer.json();
    if (!answer.ok) throw new Error(data.message);
    return data;
  }
  async function load(figure) {
    const box = figure.querySelector(".drawing");
    say(box, "Loading…");
    try {
      draw(figure, await ask(figure.dataset.source));
    } catch (error) {
      say(box, `Could not be loaded. ${error.message}`);
    }
  }

  const inView = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((one) => one.isIntersecting)) {
        inView.unobserve(entry.target);
        load(entry.target);
      }
    },
    { rootMargin: "200px" },
  );
  const figures = document.querySelectorAll(".chart");
  figures.forEach((figure) => inView.observe(figure));

  for (const figure of figures) {
    figure.querySelector("[data-png]").addEventListener("click", () => {
      keep(figure.querySelector("figcaption b").textContent, drawn.get(figure).canvas());
    });
    const box = figure.querySelector(".drawing");
    box.addEventListener("keydown", (event) => {
      const chart = drawn.get(figure);
      if (event.key === "Escape") highlight(null);
      else if (!chart?.key?.(event.key, event.shiftKey)) return;
      event.preventDefault();
    });
    box.addEventListener("blur", () => highlight(null));
  }

  // --- what is changed shows at once, and stands in the address and in all links -------------
  const NAMES = ["x", "smooth", "log", "clip"];
  function write(url, given) {
    for (const name of NAMES) {
      const value = given.get(name);
      if (value && value !== "0") url.searchParams.set(name, value);
      else url.searchParams.delete(name);
    }
    return ranges.write(url, ranges.read());
  }
  function carry(given) {
    document.querySelectorAll("a[data-carries]").forEach((link) => { link.href = write(new URL(link.href), given); });
  }
  let asked = 0;
  function change() {
    const given = new FormData(form);
    const output = form.querySelector("output");
    if (output) output.textContent = given.get("smooth");
    history.replaceState(history.state, "", write(new URL(location.href), given));
    carry(given);
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(() => drawn.forEach((chart, figure) => draw(figure, chart.data)));
  }
  form.addEventListener("input", (event) => { if (event.target.matches("[data-live]")) change(); });
  form.addEventListener("change", (event) => { if (event.target.matches("[data-submits]")) form.requestSubmit(); });
  // Other axes, the same ranges: those of axes that are gone wait in the address for their return.
  form.addEventListener("formdata", (event) => { for (const range of ranges.written()) event.formData.append("range", range); });
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
    // Back leads to a page whose fields can be used again.
    setTimeout(() => { for (const field of form.elements) field.disabled = false; });
  });

  const repaint = () => { forgetColours(); charts.forEach((chart) => chart.repaint()); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  document.addEventListener("themechange", repaint);

  // --- runs that still run: a tick comes every 10 s, only while somebody looks ---------------
  let isAsking = false;
  document.body.addEventListener("tick", async () => {
    if (!running.size || isAsking) return;
    isAsking = true;
    try {
      const over = new Set();
      for (const [figure, chart] of [...drawn]) {
        const url = new URL(figure.dataset.source, location.href);
        url.searchParams.set("runs", [...running].join(","));
        const news = await ask(url);
        for (const run of news.runs) if (run.status !== "RUNNING") over.add(run.id);
        draw(figure, merged(chart.data, news));
      }
      over.forEach((id) => running.delete(id));
    } catch {
      // The next tick asks again.
    } finally {
      isAsking = false;
    }
  });
})();
