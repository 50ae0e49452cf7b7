// A trace's spans by keyboard, as a tree: arrows move and fold, Enter opens. Without this file the
// spans are plain links.
"use strict";
{
  const tree = document.querySelector(".spans[role=tree]");
  const items = tree ? [...tree.querySelectorAll("[role=treeitem]")] : [];
  const level = (item) => Number(item.getAttribute("aria-level"));
  const isOpen = (item) => item.getAttribute("aria-expanded") !== "false";
  const visible = () => items.filter((item) => !item.hidden);

  // A folded span hides everything below it, up to the next one of its own level.
  function refresh() {
    let hiddenBelow = Infinity;
    for (const item of items) {
      if (level(item) <= hiddenBelow) hiddenBelow = Infinity;
      item.hidden = hiddenBelow !== Infinity;
      if (!item.hidden && !isOpen(item)) hiddenBelow = level(item);
    }
  }

  function fold(item, open) {
    if (!item.hasAttribute("aria-expanded")) return;
    item.setAttribute("aria-expanded", String(open));
    item.querySelector("button.fold").setAttribute("aria-label", `${open ? "Fold" : "Unfold"} ${item.querySelector("b").textContent}`);
    refresh();
    if (tree.querySelector("[tabindex='0']")?.hidden) stand(item, false);
  }

  function stand(item, withFocus = true) {
    if (!item) return;
    for (const one of items) one.tabIndex = one === item ? 0 : -1;
    if (withFocus) item.focus();
  }

  function parent(item) {
    for (let at = items.indexOf(item) - 1; at >= 0; at -= 1) if (level(items[at]) < level(item)) return items[at];
    return null;
  }

  function choose(item) {
    for (const one of items) one.setAttribute("aria-selected", String(one === item));
    history.replaceState(history.state, "", item.querySelector("a").href);
  }

  if (items.length) {
    for (const link of tree.querySelectorAll("a")) link.tabIndex = -1;
    stand(items.find((item) => item.getAttribute("aria-selected") === "true") ?? items[0], false);
    tree.addEventListener("keydown", (event) => {
      const item = event.target.closest("[role=treeitem]");
      if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
      const shown = visible();
      const at = shown.indexOf(item);
      const deeds = {
        ArrowDown: () => stand(shown[at + 1]),
        ArrowUp: () => stand(shown[at - 1]),
        Home: () => stand(shown[0]),
        End: () => stand(shown.at(-1)),
        ArrowRight: () => (isOpen(item) ? item.hasAttribute("aria-expanded") && stand(shown[at + 1]) : fold(item, true)),
        ArrowLeft: () => (item.hasAttribute("aria-expanded") && isOpen(item) ? fold(item, false) : stand(parent(item))),
        Enter: () => item.querySelector("a").click(),
        " ": () => item.querySelector("a").click(),
      };
      if (!Object.hasOwn(deeds, event.key)) return;
      event.preventDefault();
      deeds[event.key]();
    });
    // Where the content stands below the tree, it may be out of sight.
    document.addEventListener("htmx:after:swap", () => {
      if (innerWidth <= 1000) document.getElementById("span").scrollIntoView({ block: "nearest" });
    });
    tree.addEventListener("click", (event) => {
      const item = event.target.closest("[role=treeitem]");
      if (!item) return;
      if (event.target.closest("button.fold")) return fold(item, !isOpen(item));
      stand(item);
      choose(item);
      if (!event.target.closest("a")) item.querySelector("a").click();
    });
  }
}
