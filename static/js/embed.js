// MLflow's own UI forgets a deep link that names no workspace. So, before it starts: a link to an
// experiment or a run goes through the dashboard, which knows its workspace, and everything else
// opens in the workspace of the session.
"use strict";
(() => {
  const { workspace } = document.currentScript.dataset;
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
