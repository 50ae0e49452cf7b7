// The tree of files by keyboard: up and down move, right opens a folder, left closes it or leads up.
// Without this file every item is a link.
"use strict";
(() => {
  const links = (tree) => [...tree.querySelectorAll("a[data-depth]")];

  // What is shown is seen in the tree, without moving the page.
  const tree = document.querySelector("[data-tree]");
  const current = tree?.querySelector("a[data-depth][aria-current]");
  const top = (element) => element.getBoundingClientRect().top;
  if (current) tree.scrollTop += top(current) - top(tree) - tree.clientHeight / 2;

  document.addEventListener("keydown", (event) => {
    const link = event.target.closest?.("[data-tree] a[data-depth]");
    if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = links(link.closest("[data-tree]"));
    const at = all.indexOf(link);
    const isOpen = link.getAttribute("aria-expanded");
    let next = null;
    if (event.key === "ArrowDown") next = all[at + 1];
    else if (event.key === "ArrowUp") next = all[at - 1];
    else if (event.key === "Home") next = all[0];
    else if (event.key === "End") next = all.at(-1);
    else if (event.key === "ArrowRight" && isOpen === "false") link.click();
    else if (event.key === "ArrowRight" && isOpen === "true") next = all[at + 1];
    else if (event.key === "ArrowLeft" && isOpen === "true" && link.hasAttribute("aria-current")) link.click();
    else if (event.key === "ArrowLeft") {
      const depth = Number(link.dataset.depth);
      next = all.slice(0, at).findLast((one) => Number(one.dataset.depth) < depth);
    } else return;
    event.preventDefault();
    next?.focus();
  });
})();
