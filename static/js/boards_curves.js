// The page of curves: its form, its sections of cards, its address, and what comes live.
"use strict";
(() => {
  const form = document.getElementById("how");
  if (!form) return;
  const { now, cards, cardOf, redraw, renew, anew, groupLook, ask } = mlpiBoards;
  const PAGE = 60; // cards of a section at first
  const EVERY_MS = 1000;
  const OPEN_AT_MOST = 80; // tags, of sections that begin open
  const sections = document.getElementById("sections");
  const noTags = document.getElementById("no-tags");
  const wrong = document.getElementById("how-wrong");
  const live = document.getElementById("live");
  const template = document.getElementById("section-template");
  const PINNED = "\0pinned";
  let state = JSON.parse(document.getElementById("start").textContent);
  const pins = new Set(new URLSearchParams(location.search).getAll("pin"));
  const bySection = new Map(); // prefix → { element, grid, shown, isOpen }
  let pattern = null;

  // --- what the form says ------------------------------------------------------------------------
  function group() {
    const way = form.elements.way.value;
    if (way !== "~") return way;
    const text = form.elements.by.value.trim();
    if (told(text)) return now.how.group ?? ""; // as it was
    return text ? `~${text}` : "";
  }
  // What is wrong with a regular expression, in words; '' when nothing is.
  function told(text) {
    try {
      new RegExp(text, "i");
      return "";
    } catch (error) {
      return `This is not a regular expression: ${error.message.split(": ").at(-1)}.`;
    }
  }
  function read() {
    now.at = form.dataset.at;
    now.how = {
      along: form.elements.x.value,
      smooth: Number(form.elements.smooth.value),
      isLog: form.elements.log.checked,
      isClipped: form.elements.clip.checked,
      group: group(),
      band: form.elements.band.value,
    };
    form.querySelector("output").textContent = form.elements.smooth.value;
    form.querySelector(".by-regex").hidden = form.elements.way.value !== "~";
    form.querySelector(".by-band").hidden = !now.how.group;
  }
  function complain(text) {
    wrong.textContent = text;
    wrong.hidden = !text;
  }
  function readTags() {
    const text = form.elements.tags.value.trim();
    complain(told(text));
    form.elements.tags.toggleAttribute("aria-invalid", !!told(text));
    if (told(text)) return false;
    pattern = text ? new RegExp(text, "i") : null;
    return true;
  }
  const visible = () => state.tags.map(([tag]) => tag).filter((tag) => !pattern || pattern.test(tag));

  function write(url) {
    mlpiRoom.write(url);
    const { how } = now;
    const set = (name, value) => (value ? url.searchParams.set(name, value) : url.searchParams.delete(name));
    set("x", how.along === "step" ? "" : how.along);
    set("smooth", how.smooth ? String(how.smooth) : "");
    set("log", how.isLog ? "1" : "");
    set("clip", how.isClipped ? "1" : "");
    set("tags", form.elements.tags.value.trim());
    set("group", how.group);
    set("band", how.band === "range" ? "" : how.band);
    url.searchParams.delete("pin");
    for (const tag of pins) url.searchParams.append("pin", tag);
    return url;
  }
  function carry() {
    history.replaceState(history.state, "", write(new URL(location.href)));
    document.querySelectorAll("a[data-carries-view]").forEach((link) => { link.href = write(new URL(link.href)); });
    const names = pattern ? visible() : [];
    document.getElementById("download-says").textContent = `${pattern ? `${names.length} tags` : "All tags"} of ${now.names.length} run${now.names.length === 1 ? "" : "s"}`;
    for (const link of document.querySelectorAll("[data-download]")) link.href = download(link.href, names);
  }
  function download(href, tags) {
    const url = new URL(href);
    url.search = new URLSearchParams(now.query);
    for (const tag of tags) url.searchParams.append("tag", tag);
    return url.href;
  }

  // --- sections of cards: what is there already stays as it is -----------------------------------
  const prefixOf = (tag) => (tag.includes("/") ? tag.slice(0, tag.indexOf("/")) : "");
  function sectionOf(prefix, isOpen) {
    if (!bySection.has(prefix)) {
      const element = template.content.firstElementChild.cloneNode(true);
      element.querySelector("h2").textContent = prefix === PINNED ? "Pinned" : prefix || "other tags";
      element.open = isOpen;
      const one = { element, grid: element.querySelector(".plots"), shown: PAGE };
      element.addEventListener("toggle", sync);
      element.querySelector("[data-more]").addEventListener("click", () => { one.shown += PAGE; sync(); });
      bySection.set(prefix, one);
    }
    return bySection.get(prefix);
  }
  function inOrder(parent, children) {
    children.forEach((child, at) => { if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null); });
    while (parent.children.length > children.length) parent.lastElementChild.remove();
  }
  function sync() {
    const wantedOf = new Map();
    const pinned = state.tags.map(([tag]) => tag).filter((tag) => pins.has(tag));
    if (pinned.length) wantedOf.set(PINNED, pinned);
    for (const tag of visible()) {
      if (pins.has(tag)) continue;
      const prefix = prefixOf(tag);
      if (!wantedOf.has(prefix)) wantedOf.set(prefix, []);
      wantedOf.get(prefix).push(tag);
    }
    const order = [...wantedOf.keys()].sort((a, b) => (b === PINNED) - (a === PINNED) || (a === "") - (b === ""));
    let counted = 0;
    const elements = order.map((prefix) => {
      const tags = wantedOf.get(prefix);
      const one = sectionOf(prefix, counted === 0 || counted + tags.length <= OPEN_AT_MOST);
      counted += tags.length;
      one.element.querySelector("small").textContent = tags.length;
      const shown = one.element.open ? tags.slice(0, one.shown) : [];
      inOrder(one.grid, shown.map((tag) => cardOf(tag).element));
      const more = one.element.querySelector("[data-more]");
      more.hidden = !one.element.open || tags.length <= one.shown;
      more.textContent = `Show ${Math.min(PAGE, tags.length - one.shown)} more of ${tags.length - one.shown}`;
      return one.element;
    });
    inOrder(sections, elements);
    for (const [tag, card] of cards) {
      const isPinned = pins.has(tag);
      card.element.querySelector("[data-pin]").setAttribute("aria-pressed", String(isPinned));
      card.element.querySelector("[data-csv]").href = download(new URL(`${now.at}/data.csv`, location.href).href, [tag]);
    }
    noTags.hidden = elements.length > 0;
    if (!noTags.hidden) tellNone();
  }
  function tellNone() {
    const [head, words] = noTags.children;
    const hasRuns = now.names.length > 0;
    head.textContent = !hasRuns ? "No run is chosen" : state.tags.length ? "No tag matches" : "No scalars";
    words.textContent = !hasRuns ? "Tick some in the tree." : state.tags.length ? `None of ${state.tags.length} tags is found by the filter.` : "The chosen runs have not written any yet. They show up here by themselves.";
  }
  function offer() {
    const prefixes = [...new Set(state.tags.map(([tag]) => prefixOf(tag)).filter(Boolean))];
    const plain = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const options = [...prefixes.map((prefix) => `^${plain(prefix)}/`), ...state.tags.slice(0, 300).map(([tag]) => plain(tag))];
    document.getElementById("tag-list").replaceChildren(...options.map((value) => Object.assign(document.createElement("option"), { value })));
  }

  // --- changes by whoever looks ------------------------------------------------------------------
  function chosen(query, names) {
    now.query = query;
    now.names = names;
  }
  document.addEventListener("boards:choice", (event) => {
    event.preventDefault();
    chosen(event.detail.query, event.detail.names);
    if (now.how.group) anew();
    carry();
    redraw();
    renew();
    look(true);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  let typing = 0;
  form.addEventListener("input", (event) => {
    const before = now.how;
    clearTimeout(typing);
    if (event.target.name === "tags") { typing = setTimeout(() => { if (readTags()) { sync(); carry(); } }, 150); return; }
    if (event.target.name === "by") { typing = setTimeout(regroup, 400, before); return; }
    read();
    if (before.along !== now.how.along || before.group !== now.how.group) { regroup(before); return; }
    carry();
    cancelAnimationFrame(typing);
    typing = requestAnimationFrame(redraw);
  });
  function regroup() {
    read();
    complain(form.elements.way.value === "~" ? told(form.elements.by.value.trim()) : "");
    if (!wrong.hidden) return;
    carry();
    tellGroups();
    anew();
  }
  sections.addEventListener("click", (event) => {
    const card = cards.get(event.target.closest(".board-card")?.dataset.tag);
    if (!card) return;
    if (event.target.closest("[data-pin]")) {
      if (!pins.delete(card.tag)) pins.add(card.tag);
      sync();
      carry();
      card.element.querySelector("[data-pin]").focus({ preventScroll: true });
    }
    const wide = event.target.closest("[data-wide]");
    if (wide) wide.setAttribute("aria-pressed", String(card.element.classList.toggle("is-wide")));
  });

  const legend = document.getElementById("groups");
  function tellGroups() {
    legend.hidden = !now.how.group || !groupLook.size;
    legend.replaceChildren(...[...groupLook].slice(0, 54).map(([name, look]) => {
      const entry = document.createElement("li");
      entry.innerHTML = `<svg class="ink c${look.number}" viewBox="0 0 18 8" aria-hidden="true"><path d="M0 4h18" fill="none" stroke="currentColor" stroke-width="2.4" stroke-dasharray="${look.dash.join(" ")}"/></svg><span class="t"></span>`;
      entry.lastChild.textContent = name;
      entry.title = `Mean of ${name}`;
      return entry;
    }));
  }
  document.addEventListener("boards:groups", tellGroups);
  document.addEventListener("boards:trouble", ({ detail }) => {
    if (detail.status === 422) complain(detail.message);
  });

  // --- live: one small question a second, while somebody looks -------------------------------------
  function setLive(word, kind = "") {
    live.hidden = !word;
    live.textContent = word;
    live.className = `chip ${kind || "plain"}`;
  }
  let seen = state.version;
  let isLooking = false;
  let lookedAt = 0;
  async function look(isSure = false) {
    if (isLooking || (!isSure && (document.hidden || performance.now() - lookedAt < Math.max(EVERY_MS - 50, 4 * now.lastMs)))) return;
    isLooking = true;
    lookedAt = performance.now();
    try {
      const workspace = new URLSearchParams({ workspace: mlpiRoom.room.dataset.workspace });
      const { version } = await ask(`/boards/version?${workspace}`);
      if (isSure || version !== seen) await news(version);
      setLive("");
    } catch (error) {
      setLive("not connected", "warn");
      live.title = `${error.message} It goes on by itself.`;
    } finally {
      isLooking = false;
    }
  }
  async function news(version) {
    const url = new URL(`${now.at}/state`, location.href);
    url.search = new URLSearchParams(now.query);
    url.searchParams.set("had", state.key);
    const before = state.tree;
    const fresh = await ask(url);
    if (fresh.tree !== state.tree) {
      await mlpiRoom.renew();
      chosen(mlpiRoom.query(), mlpiRoom.chosen().map((leaf) => leaf.dataset.run));
    }
    state = { ...state, ...fresh };
    seen = version;
    now.version = fresh.version;
    const pending = document.getElementById("pending");
    pending.hidden = !fresh.pending;
    pending.querySelector("b").textContent = fresh.pending;
    if (fresh.tree !== before) redraw();
    if (fresh.tags) { offer(); sync(); carry(); }
    renew();
  }
  setInterval(look, EVERY_MS / 4);
  document.addEventListener("visibilitychange", () => look());

  chosen(mlpiRoom.query(), mlpiRoom.chosen().map((leaf) => leaf.dataset.run));
  now.version = state.version;
  read();
  readTags();
  offer();
  sync();
  carry();
  if (state.pending) seen = ""; // it goes on meanwhile
})();
