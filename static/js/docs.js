// mlpi's own API, shown by Swagger UI.
"use strict";
(() => {
  const root = document.documentElement;
  const box = document.getElementById("swagger");
  SwaggerUIBundle({
    url: box.dataset.url,
    domNode: box,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    validatorUrl: null, // it would ask another host
  });

  // Swagger UI has a dark mode of its own, by a class.
  const system = matchMedia("(prefers-color-scheme: dark)");
  function paint() {
    const { theme } = root.dataset;
    root.classList.toggle("dark-mode", theme === "dark" || (theme !== "light" && system.matches));
  }
  system.addEventListener("change", paint);
  document.addEventListener("themechange", paint);
  paint();
})();
