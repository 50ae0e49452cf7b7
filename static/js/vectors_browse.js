// Records and search: rows of a filter, ticks, and moving among hits by keyboard.
// Without this file the same forms and links work.
"use strict";
{
  // --- rows of a form: one more, one less ---------------------------------------------------
  document.addEventListener("click", (event) => {
    const more = event.target.closest?.("[data-more-rows]");
    if (more) {
      const rows = more.parentElement.querySelector(".rows-of");
      const row = rows.lastElementChild.cloneNode(true);
      for (const field of row.querySelectorAll("input, textarea")) field.value = "";
      for (const field of row.querySelectorAll("select")) field.selectedIndex = 0;
      rows.append(row);
      row.querySelector("input").focus();
    }
    const drop = event.target.closest?.("[data-drop-row]");
    if (drop) {
      const row = drop.closest(".row-of");
      for (const field of row.querySelectorAll("input, textarea")) field.value = "";
      if (row.parentElement.childElementCount > 1) row.remove();
    }
  });

  // --- ticks ----------------------------------------------------------------------------------
  const boxes = () => [...document.querySelectorAll('#browse input[name="record"]')];
  let last = null;

  function tell() {
    const bulk = document.getElementById("chosen");
    if (!bulk) return;
    const count = boxes().filter((box) => box.checked).length;
    bulk.classList.toggle("some", count > 0);
    bulk.querySelector("[data-ticked]").textContent = `${count} selected`;
    bulk.querySelector("[data-ticked-words]").textContent = count === 1 ? "1 record will" : `${count} records will`;
    const all = document.querySelector("[data-tick-all]");
    if (all) all.checked = count > 0 && count === boxes().length;
  }

  document.addEventListener("click", (event) => {
    const box = event.target.closest?.('#browse input[name="record"]');
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
    if (!all) return;
    for (const box of boxes()) box.checked = all.checked;
    tell();
  });
  // Enter in the dialog's fields means the dialog's deed, not the first button of the form.
  document.addEventListener("keydown", (event) => {
    const dialog = event.target.closest?.("#chosen [popover]");
    if (!dialog || event.key !== "Enter" || !event.target.matches("input")) return;
    event.preventDefault();
    dialog.querySelector(".primary, .danger").click();
  });
  document.addEventListener("htmx:after:swap", tell);
  window.addEventListener("pageshow", tell);
  tell();

  // --- hits by keyboard -------------------------------------------------------------------------
  const hits = () => [...document.querySelectorAll("#hits > li > a:first-child")];
  const isTyping = (element) => element.matches?.("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]");

  document.addEventListener("keydown", (event) => {
    if (!document.querySelector("[data-search]") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "/") {
      const field = [...document.querySelectorAll("[data-field]")].find((one) => one.offsetParent);
      if (!field) return;
      event.preventDefault();
      field.focus();
      field.select();
      return;
    }
    const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
    const links = hits();
    if (!step || !links.length || event.target.matches?.("[type=radio]")) return;
    const at = links.findIndex((link) => link.parentElement.contains(document.activeElement));
    event.preventDefault();
    links[at < 0 ? 0 : Math.max(0, Math.min(at + step, links.length - 1))].focus();
  });
}
