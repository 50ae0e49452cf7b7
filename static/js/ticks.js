// Lists to choose from: how many are ticked, all at once, and no deed without a tick.
(() => {
  const boxes = () => [...document.querySelectorAll('[data-ticks] input[form="chosen"]')];

  function tell() {
    const count = boxes().filter((box) => box.checked).length;
    const words = document.querySelector("[data-ticked]");
    if (words) words.textContent = `${count} selected`;
    for (const button of document.querySelectorAll("[data-needs-ticks]")) button.disabled = !count;
    for (const all of document.querySelectorAll("[data-tick-all]")) {
      const mine = [...all.closest("table").querySelectorAll('input[form="chosen"]')];
      all.checked = mine.length > 0 && mine.every((box) => box.checked);
    }
  }

  document.addEventListener("change", (event) => {
    const all = event.target.closest?.("[data-tick-all]");
    if (all) {
      for (const box of all.closest("table").querySelectorAll('input[form="chosen"]')) {
        box.checked = all.checked;
      }
    }
    if (event.target.closest?.("[data-ticks]")) tell();
  });
  document.addEventListener("htmx:after:swap", tell);
  window.addEventListener("pageshow", tell);
  tell();
})();
