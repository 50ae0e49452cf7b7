// The data manager: rows of a filter, ticks over a page, opening by click and by keyboard.
// Without this file the same forms and links work.
"use strict";
(() => {
  const grid = () => document.getElementById("grid");
  const boxes = () => [...document.querySelectorAll('#grid input[name="ids[]"]')];
  let last = null;

  // --- ticks ----------------------------------------------------------------------------------
  function tell() {
    const bulk = document.getElementById("chosen");
    if (!bulk) return;
    const every = bulk.querySelector("[data-all]");
    const count = every?.checked ? Number(every.dataset.all) : boxes().filter((box) => box.checked).length;
    const shown = count.toLocaleString("en");
    bulk.classList.toggle("some", count > 0);
    bulk.querySelector("[data-ticked]").textContent = `${shown} selected`;
    for (const words of bulk.querySelectorAll("[data-words]")) words.textContent = count === 1 ? "1 task" : `${shown} tasks`;
    const all = document.querySelector("[data-tick-all]");
    if (all) {
      all.checked = count > 0 && boxes().every((box) => box.checked);
      all.indeterminate = !all.checked && boxes().some((box) => box.checked);
    }
  }

  document.addEventListener("click", (event) => {
    const box = event.target.closest?.('#grid input[name="ids[]"]');
    if (!box) return;
    const all = boxes();
    const [from, to] = [all.indexOf(last), all.indexOf(box)];
    if (event.shiftKey && from >= 0) {
      for (const one of all.slice(Math.min(from, to), Math.max(from, to) + 1)) one.checked = box.checked;
    }
    last = box;
    tell();
  });
  document.addEventListener("change", (event) => {
    const all = event.target.closest?.("[data-tick-all]");
    if (all) for (const box of boxes()) box.checked = all.checked;
    if (all && !all.checked) {
      const every = document.querySelector("[data-all]");
      if (every) every.checked = false;
    }
    if (event.target.closest?.("#grid")) tell();
    if (event.target.matches?.(".quick select")) event.target.form.requestSubmit();
  });

  // --- rows of a filter -----------------------------------------------------------------------
  document.addEventListener("click", (event) => {
    const more = event.target.closest?.("#grid [data-more-rows]");
    if (more) {
      const rows = more.closest(".filter-sheet").querySelector(".rows-of");
      const row = rows.lastElementChild.cloneNode(true);
      row.querySelector("input").value = "";
      for (const field of row.querySelectorAll("select")) field.selectedIndex = 0;
      rows.append(row);
      row.querySelector("select").focus();
    }
    const drop = event.target.closest?.("#grid [data-drop-row]");
    if (drop) {
      const row = drop.closest(".row-of");
      row.querySelector("input").value = "";
      row.querySelector("select").selectedIndex = 0;
      if (row.parentElement.childElementCount > 1) row.remove();
    }
  });

  // --- a link to what is shown ------------------------------------------------------------------
  document.addEventListener("click", async (event) => {
    const share = event.target.closest?.("[data-share]");
    if (!share) return;
    const words = share.textContent;
    try {
      await navigator.clipboard.writeText(location.href);
      share.textContent = "Copied";
    } catch {
      share.textContent = "Copy the address bar’s";
    }
    setTimeout(() => { share.textContent = words; }, 2000);
  });

  // --- opening ----------------------------------------------------------------------------------
  document.addEventListener("click", (event) => {
    const row = event.target.closest?.("#grid tr[data-open]");
    if (!row || event.target.closest("a, button, input, label") || String(getSelection())) return;
    location.assign(row.dataset.open);
  });
  document.addEventListener("keydown", (event) => {
    if (!grid() || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
    const rows = [...document.querySelectorAll("#grid tr[data-open]")];
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
    if (step && rows.length && (at >= 0 || event.key.length === 1)) {
      event.preventDefault();
      rows[at < 0 ? 0 : Math.max(0, Math.min(at + step, rows.length - 1))].querySelector(".stick a").focus();
    }
    if (event.key === "x" && at >= 0) rows[at].querySelector('input[name="ids[]"]')?.click();
  });

  document.addEventListener("htmx:after:swap", tell);
  window.addEventListener("pageshow", tell);
  tell();
})();
