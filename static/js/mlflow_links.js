// MLflow's clients print links such as http://host:9000/#/experiments/3/runs/abc. A fragment never
// reaches the server, so the dashboard finds its workspace and goes on to MLflow's own UI.
"use strict";
(() => {
  const { workspace: here } = document.currentScript.dataset;

  async function workspaceOf(route) {
    const experiment = /^\/experiments\/(\d+)/.exec(route)?.[1] ?? "";
    const run = /\/runs\/([0-9a-f]{32})/.exec(route)?.[1] ?? "";
    if (!experiment && !run) return null;
    const answer = await fetch(`/tracking/locate?${new URLSearchParams({ experiment, run })}`);
    return answer.ok ? (await answer.json()).workspace : null;
  }

  async function follow() {
    if (!location.hash.startsWith("#/")) return;
    const route = location.hash.slice(1);
    const [path, query] = route.split("?", 2);
    const asked = new URLSearchParams(query);
    if (!asked.has("workspace")) {
      asked.set("workspace", (await workspaceOf(path).catch(() => null)) ?? here);
    }
    location.replace(`/mlflow/#${path}?${asked}`);
  }

  window.addEventListener("hashchange", follow);
  follow();
})();
