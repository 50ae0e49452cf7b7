// Runs before TensorBoard's own UI starts: its theme follows ours whenever ours is changed; between
// that, its own switch has its say.
"use strict";
(() => {
  const settings = "_tb_global_settings";
  try {
    const theme = /(?:^|; )mlpi_theme=(\w+)/.exec(document.cookie)?.[1] ?? "auto";
    if (theme === (localStorage.getItem("mlpi.theme.tensorboard") ?? "auto")) return;
    localStorage.setItem("mlpi.theme.tensorboard", theme);
    const kept = JSON.parse(localStorage.getItem(settings) ?? "{}");
    kept.theme = theme === "auto" ? "browser_default" : theme;
    localStorage.setItem(settings, JSON.stringify(kept));
  } catch {
    // Storage may be forbidden; the UI copes.
  }
})();
