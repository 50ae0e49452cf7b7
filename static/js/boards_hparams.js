// The table of hyperparameters and the drawing of its rows: parts are fetched, not the page.
"use strict";
(() => {
  const { charts, parallel, say, readRuns, ranges, forgetColours, highlight } = mlpiCharts;
  const part = () => document.getElementById("hparams");
  if (!part()) return;
  let chart = null;

  async function draw() {
    charts.delete(chart);
    chart?.surface?.end();
    chart = null;
    const figure = document.getElementById("parallel");
    readRuns();
    if (!figure) return;
    const box = figure.querySelector(".drawing");
    try {
      const answer = await fetch(figure.dataset.source, { headers: { Accept: "application/json" } });
      const data = await answer.json();
      if (!answer.ok) throw new Error(data.message);
      if (!figure.isConnected) return; // another part is here by now
      const how = { ranges: ranges.read(), keepRanges: (found) => history.replaceState(history.state, "", ranges.write(new URL(location.href), found)) };
      chart = parallel(box, figure.querySelector(".readout"), data, how);
      if (!chart) return say(box, "No run has any of these");
      charts.add(chart);
    } catch (error) {
      say(box, `Could not be loaded. ${error.message}`);
    }
  }
  document.addEventListener("keydown", (event) => {
    if (!event.target.closest?.("#parallel .drawing")) return;
    if (event.key === "Escape") highlight(null);
    else if (!chart?.key(event.key, event.shiftKey)) return;
    event.preventDefault();
  });

  // --- parts ---------------------------------------------------------------------------------------
  let asked = 0;
  let html = "";
  async function renew(isQuiet = false) {
    const number = (asked += 1);
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok && answer.status !== 422) throw new Error(`mlpi answered ${answer.status}.`);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("hparams");
      if (number !== asked) return;
      if (!fresh) return location.reload();
      mlpiFollow.runs(page);
      // While somebody reads or writes in it, what is the same stays.
      if (isQuiet && fresh.innerHTML === html) return true;
      if (isQuiet && part().querySelector("details[open], :focus")) return false;
      html = fresh.innerHTML;
      const box = part().querySelector(".table-box");
      const [left, top] = [box?.scrollLeft ?? 0, box?.scrollTop ?? 0];
      part().replaceWith(document.adoptNode(fresh));
      part().querySelector(".table-box")?.scrollTo(left, top);
      await draw();
      return true;
    } catch {
      if (!isQuiet) location.reload();
      return false;
    }
  }
  function go(url) {
    const to = ranges.write(new URL(url, location.href), ranges.read());
    history.pushState(null, "", to);
    return renew();
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-part]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const label = link.closest("th") ? new URL(link.href).searchParams.get("sort") ?? "run" : null;
    go(link.href).then(() => {
      // The focus stays on the column that was sorted.
      const again = [...part().querySelectorAll("th a")].find((one) => (new URL(one.href).searchParams.get("sort") ?? "run") === label);
      again?.focus({ preventScroll: true });
    });
  });
  const leave = (form) => {
    const url = new URL(form.action, location.href);
    url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
    return go(url);
  };
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-part]")) return;
    event.preventDefault();
    leave(event.target);
  });
  let typing = 0;
  document.addEventListener("input", (event) => {
    if (!event.target.matches("#hparams input[name=find]")) return;
    clearTimeout(typing);
    typing = setTimeout(() => {
      const at = event.target.selectionStart;
      leave(event.target.form).then(() => {
        const field = part().querySelector("input[name=find]");
        field?.focus({ preventScroll: true });
        field?.setSelectionRange(at, at);
      });
    }, 350);
  });
  addEventListener("popstate", () => location.reload());
  document.addEventListener("boards:choice", (event) => { event.preventDefault(); renew(); });

  const repaint = () => { forgetColours(); charts.forEach((one) => one.repaint()); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  document.addEventListener("themechange", repaint);
  mlpiFollow(() => renew(true));
  html = part().innerHTML;
  draw();
})();
