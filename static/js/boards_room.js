// The room's runs: ticking, filtering, colours, folding; all of it kept in the address and carried
// to the other tabs. A page listens to `boards:choice` on the document (event.detail.query: the
// parameters; .names: the chosen runs) and calls preventDefault(); otherwise it is loaded again.
"use strict";
const mlpiRoom = {};
(() => {
  const room = document.getElementById("room");
  const waiting = document.getElementById("no-runs");
  if (waiting) {
    // The first run shows up by itself.
    setInterval(async () => {
      if (document.hidden) return;
      const answer = await fetch(waiting.dataset.source).catch(() => null);
      if (answer?.ok && (await answer.json()).version !== waiting.dataset.version) location.reload();
    }, 2000);
  }
  if (!room) return;
  const filter = document.querySelector("#run-filter input[name=runs]");
  const wrong = document.getElementById("filter-wrong");
  const panel = room.querySelector(".runs-panel");
  const inks = document.getElementById("inks");
  const KEYS = ["runs", "hide", "show", "run", "ink", "archived"];
  const NARROW = matchMedia("(max-width: 900px)");
  if (NARROW.matches) panel.open = false;
  const tree = () => document.getElementById("tree");
  const leaves = () => [...tree().querySelectorAll(".leaf")];
  const boxOf = (leaf) => leaf.querySelector("input");
  const chosenInks = new Map(new URLSearchParams(location.search).getAll("ink").map((text) => [text.slice(text.indexOf(":") + 1), text[0]]));

  // --- what is chosen --------------------------------------------------------------------------
  const chosen = () => leaves().filter((leaf) => !leaf.hidden && boxOf(leaf).checked);
  function count() {
    const all = leaves();
    document.getElementById("run-count").textContent = `${chosen().length} of ${all.length} shown`;
    document.getElementById("none-found").hidden = all.length === 0 || all.some((leaf) => !leaf.hidden);
  }

  // The fewest paths of hide and show that say which boxes are ticked.
  function paths() {
    const root = { folders: new Map(), runs: [] };
    for (const leaf of leaves()) {
      const name = leaf.dataset.run;
      let at = root;
      const parts = name.split("/");
      for (let depth = 1; depth < parts.length; depth += 1) {
        const path = `${parts.slice(0, depth).join("/")}/`;
        if (!at.folders.has(path)) at.folders.set(path, { folders: new Map(), runs: [] });
        at = at.folders.get(path);
      }
      at.runs.push([name, boxOf(leaf).checked]);
    }
    function said(path, node, isShown) {
      const under = (state) => {
        const found = node.runs.filter(([, checked]) => checked !== state).map(([name, checked]) => [name, checked]);
        for (const [below, one] of node.folders) found.push(...said(below, one, state));
        return found;
      };
      const same = under(isShown);
      if (same.length < 2) return same;
      const other = [[path, !isShown], ...under(!isShown)];
      return other.length < same.length ? other : same;
    }
    const found = said("/", root, true);
    return { hide: found.filter(([, is]) => !is).map(([path]) => path), show: found.filter(([, is]) => is).map(([path]) => path) };
  }

  function write(url) {
    for (const key of KEYS) url.searchParams.delete(key);
    url.searchParams.set("workspace", room.dataset.workspace);
    const { hide, show } = paths();
    if (filter.value.trim()) url.searchParams.set("runs", filter.value.trim());
    for (const path of hide) url.searchParams.append("hide", path);
    for (const path of show) url.searchParams.append("show", path);
    for (const [name, colour] of chosenInks) url.searchParams.append("ink", `${colour}:${name}`);
    if (room.dataset.archived) url.searchParams.set("archived", "1");
    return url;
  }
  const query = () => {
    const url = write(new URL(location.pathname, location.href));
    return url.searchParams;
  };

  let reloading = 0;
  function changed() {
    count();
    partly();
    history.replaceState(history.state, "", write(new URL(location.href)));
    document.querySelectorAll("a[data-carries-runs]").forEach((link) => { link.href = write(new URL(link.href)); });
    const names = chosen().map((leaf) => leaf.dataset.run);
    const event = new CustomEvent("boards:choice", { cancelable: true, detail: { query: query(), names } });
    clearTimeout(reloading);
    if (document.dispatchEvent(event)) reloading = setTimeout(() => location.reload(), 700);
  }

  // A folder's box: all, none or some of its runs.
  function partly() {
    for (const box of tree().querySelectorAll("[data-all]")) {
      const below = [...box.closest(".branch").querySelectorAll(".leaf")];
      const ticked = below.filter((leaf) => boxOf(leaf).checked).length;
      box.checked = ticked > 0;
      box.indeterminate = ticked > 0 && ticked < below.length;
    }
  }

  // --- filtering -------------------------------------------------------------------------------
  function sift() {
    let pattern = null;
    wrong.hidden = true;
    filter.removeAttribute("aria-invalid");
    try {
      pattern = filter.value.trim() ? new RegExp(filter.value.trim(), "i") : null;
    } catch (error) {
      wrong.textContent = `This is not a regular expression: ${error.message.split(": ").at(-1)}.`;
      wrong.hidden = false;
      filter.setAttribute("aria-invalid", "true");
      return false;
    }
    for (const leaf of leaves()) leaf.hidden = pattern !== null && !pattern.test(leaf.dataset.run);
    for (const branch of tree().querySelectorAll(".branch")) branch.hidden = !branch.querySelector(".leaf:not([hidden])");
    return true;
  }
  let typing = 0;
  filter.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => { if (sift()) changed(); }, 200);
  });
  filter.form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(typing);
    if (sift()) changed();
  });

  // --- ticking -----------------------------------------------------------------------------------
  room.addEventListener("change", (event) => {
    if (!event.target.closest("#tree")) return;
    const { all } = event.target.dataset;
    if (all !== undefined) {
      for (const leaf of event.target.closest(".branch").querySelectorAll(".leaf:not([hidden])")) boxOf(leaf).checked = event.target.checked;
    }
    changed();
  });
  room.addEventListener("click", (event) => {
    const way = event.target.closest("[data-tick]")?.dataset.tick;
    if (way) {
      for (const leaf of leaves()) if (!leaf.hidden) boxOf(leaf).checked = way === "all";
      changed();
    }
    const look = event.target.closest(".look");
    if (look) {
      event.preventDefault();
      offer(look);
    }
  });

  // --- colours -----------------------------------------------------------------------------------
  let inked = null;
  function offer(look) {
    inked = look.closest(".leaf");
    inks.querySelector("p").textContent = inked.dataset.run;
    for (const one of inks.querySelectorAll(".ink")) one.setAttribute("aria-pressed", String(one.dataset.ink === inked.dataset.colour));
    const place = look.getBoundingClientRect();
    inks.style.left = `${Math.min(place.left, innerWidth - 250)}px`;
    inks.style.top = `${Math.min(place.bottom + 4, innerHeight - 150)}px`;
    inks.showPopover();
  }
  inks.addEventListener("click", (event) => {
    const given = event.target.closest("[data-ink]");
    const name = inked?.dataset.run;
    if (event.target.closest("[data-alone]")) {
      for (const leaf of leaves()) boxOf(leaf).checked = leaf === inked;
      inks.hidePopover();
      changed();
    } else if (given) {
      if (given.dataset.ink) chosenInks.set(name, given.dataset.ink);
      else chosenInks.delete(name);
      inks.hidePopover();
      history.replaceState(history.state, "", write(new URL(location.href)));
      renew().then(changed);
    }
  });

  // --- runs that come and go: the tree is fetched again, folded as it was --------------------------
  async function renew() {
    const answer = await fetch(`/boards/tree${write(new URL(location.href)).search}`);
    if (!answer.ok) throw new Error(`mlpi answered ${answer.status}.`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const before = new Map([...tree().querySelectorAll(".branch")].map((one) => [one.dataset.folder, one.querySelector("details").open]));
    const box = tree().parentElement;
    const scroll = box.scrollTop;
    const held = document.activeElement?.closest?.("#tree") ? document.activeElement : null;
    const key = held?.value && held.name === "run" ? `input[value="${CSS.escape(held.value)}"]` : held?.dataset.all ? `[data-all="${CSS.escape(held.dataset.all)}"]` : null;
    tree().replaceWith(document.adoptNode(page.getElementById("tree")));
    for (const one of tree().querySelectorAll(".branch")) {
      if (before.has(one.dataset.folder)) one.querySelector("details").open = before.get(one.dataset.folder);
    }
    if (key) tree().querySelector(key)?.focus({ preventScroll: true });
    box.scrollTop = scroll;
    sift();
    partly();
    count();
  }

  // A run stands out in the tree while its curve does.
  let lit = null;
  function light(name) {
    if (name === lit) return;
    lit = name;
    for (const leaf of tree().querySelectorAll(".leaf.on")) leaf.classList.remove("on");
    if (name !== null) tree().querySelector(`.leaf[data-run="${CSS.escape(name)}"]`)?.classList.add("on");
  }
  for (const [kind, name] of [["pointerover", null], ["focusin", null]]) {
    room.addEventListener(kind, (event) => {
      const leaf = event.target.closest?.("#tree .leaf");
      document.dispatchEvent(new CustomEvent("boards:light", { detail: leaf?.dataset.run ?? name }));
    });
  }

  partly();
  Object.assign(mlpiRoom, { room, leaves, chosen, query, write, renew, light, changed, panel });
})();
