// Runs before MLflow's own UI starts, and sets it up to be a room of this house.
"use strict";
(() => {
  const { workspace } = document.currentScript.dataset;

  // Its first-visit defaults: the assistant is switched off here, no usage data leaves the house,
  // and models are what is trained. What somebody has chosen since stays.
  const defaults = {
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
    "mlflow.telemetry.info.alert.dismissed_v1": "true",
    "mlflow.workflowType_v1": '"machine_learning"',
  };
  // The theme follows ours whenever ours is changed; between that, MLflow's switch has its say.
  function followTheme() {
    const theme = /(?:^|; )mlpi_theme=(\w+)/.exec(document.cookie)?.[1] ?? "auto";
    if (theme === (localStorage.getItem("mlpi.theme") ?? "auto")) return;
    localStorage.setItem("mlpi.theme", theme);
    const isDark = theme === "dark" || (theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
    localStorage.setItem("_mlflow_dark_mode_toggle_enabled", String(isDark));
  }
  try {
    for (const [key, value] of Object.entries(defaults)) {
      if (localStorage.getItem(key) === null) localStorage.setItem(key, value);
    }
    followTheme();
  } catch {
    // Storage may be forbidden; the UI copes.
  }

  // The UI forgets a deep link that names no workspace. A link to an experiment or a run goes
  // through the dashboard, which knows its workspace; everything else opens in the session's.
  const route = location.hash.slice(1) || "/";
  const [path, query] = route.split("?", 2);
  const asked = new URLSearchParams(query);
  if (!workspace || asked.has("workspace")) return;
  if (path.startsWith("/experiments/")) {
    location.replace(`/#${route}`);
    return;
  }
  asked.set("workspace", workspace);
  history.replaceState(history.state, "", `#${path}?${asked}`);
})();
