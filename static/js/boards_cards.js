// A card of one tag: asks for its curves when it comes into view, and draws them.
"use strict";
(() => {
  const { say, keep } = mlpiCharts;
  const { plot, lineOf, bandOf, lookAt, looks, ask } = mlpiBoards;
  const AT_ONCE = 8; // tags in one question
  const SINGLES = 40; // runs that are asked for by name
  const ASKING = 2; // questions at a time
  const FINE_MS = 150;
  const KEPT = 40; // cards out of view whose points are kept
  const unseen = [];
  const template = document.getElementById("card-template");
  // how: what the form says; generation: another number when everything is asked for again.
  const now = { how: {}, generation: 0, version: "0", lastMs: 0, query: null };

  class Card {
    constructor(tag) {
      this.tag = tag;
      this.element = template.content.firstElementChild.cloneNode(true);
      this.element.dataset.tag = tag;
      this.box = this.element.querySelector(".drawing");
      this.readout = this.element.querySelector(".readout");
      const title = this.element.querySelector("figcaption b");
      title.textContent = tag;
      title.title = tag;
      this.box.setAttribute("aria-label", `Curves of ${tag}; arrow keys move over them`);
      this.isInView = false;
      this.plot = null;
      this.forget();
      say(this.box, "Loading…");
      this.element.querySelector("[data-png]").addEventListener("click", () => { if (this.plot) keep(tag, this.plot.canvas(), this.plot.names()); });
      this.box.addEventListener("keydown", (event) => { if (this.plot?.key(event.key)) event.preventDefault(); });
      inView.observe(this.element);
    }

    forget() {
      this.generation = now.generation;
      this.version = "0";
      this.had = new Set();
      this.curves = new Map();
      this.isAsked = false;
    }

    // What is to be asked: everything, some runs, or what is new since a version; null: nothing.
    wish() {
      if (this.generation !== now.generation) this.forget();
      if (this.isAsked) return null;
      const missing = now.names.filter((name) => !this.had.has(name));
      if (this.version === "0" || missing.length > SINGLES || (missing.length && now.how.group)) return { since: "0", only: [] };
      if (missing.length) return { since: "0", only: missing };
      return this.version === now.version ? null : { since: this.version, only: [] };
    }

    take(wish, answer, names) {
      const found = answer.curves?.[this.tag] ?? answer.bands[this.tag] ?? {};
      if (wish.only.length) {
        for (const name of wish.only) this.had.add(name);
      } else {
        if (wish.since === "0") { this.curves = new Map(); this.had = new Set(names); }
        this.version = answer.version;
      }
      for (const [name, curve] of Object.entries(found)) this.curves.set(name, curve);
      this.draw();
      if (this.plot?.zoom() && !wish.only.length) this.refine(this.plot.zoom());
    }

    lines() {
      const { how } = now;
      if (how.group) return [...this.curves].filter(([name]) => groupLook.has(name)).map(([name, band]) => bandOf(name, groupLook.get(name), band, how));
      const known = looks();
      return now.names.filter((name) => this.curves.has(name) && known.has(name)).map((name) => lineOf(name, known.get(name), this.curves.get(name), how));
    }

    draw() {
      if (!this.isInView) return;
      if (now.how.group) nameGroups(this.curves.keys());
      const lines = this.lines();
      const png = this.element.querySelector("[data-png]");
      png.disabled = !lines.length;
      if (!lines.length) {
        this.end();
        if (this.version !== "0" && this.generation === now.generation) say(this.box, now.names.length ? "None of the chosen runs has a point" : "No run is chosen");
        return;
      }
      if (this.plot?.kind !== this.kind()) {
        const zoom = this.plot?.along === now.how.along ? this.plot.zoom() : null;
        this.end();
        this.box.replaceChildren();
        this.plot = plot(this.box, now.how, (range) => this.refine(range), zoom);
        this.plot.kind = this.kind();
        this.plot.along = now.how.along;
        this.plot.say = (text) => { this.readout.textContent = text || this.rest; };
      }
      this.rest = this.told(lines);
      this.readout.textContent = this.rest;
      this.plot.set(lines, now.how);
      this.element.dataset.lines = lines.length;
      this.element.dataset.points = lines.reduce((most, line) => Math.max(most, line.total ?? 0), 0);
    }

    // uPlot cannot change a scale's kind: another plot is made then.
    kind() { return `${now.how.along}${now.how.isLog}`; }

    told(lines) {
      const odd = lines.reduce((sum, line) => sum + line.odd.length, 0);
      const lost = lines.reduce((sum, line) => sum + line.lost, 0);
      return [odd ? `${odd} not finite: × NaN, ▲ +∞, ▼ −∞.` : "", lost ? `${lost} at or below 0 left out.` : ""].filter(Boolean).join(" ");
    }

    // Zoomed in, there is room for points that were left out.
    refine(range) {
      clearTimeout(this.waiting);
      if (!range || now.how.group || ![...this.curves.values()].some((curve) => curve.m)) return;
      this.waiting = setTimeout(async () => {
        try {
          const url = urlOf([this.tag]);
          url.searchParams.set("from", range[0]);
          url.searchParams.set("to", range[1]);
          const answer = await ask(url);
          if (String(this.plot?.zoom()) !== String(range)) return;
          const plain = { ...now.how, smooth: 0 };
          this.plot.refine(new Map(Object.entries(answer.curves[this.tag]).map(([name, curve]) => [name, lineOf(name, {}, curve, plain)])));
        } catch {
          // The coarse curve stays.
        }
      }, FINE_MS);
    }

    end() {
      this.plot?.end();
      this.plot = null;
    }

    leave() {
      this.isInView = false;
      this.end();
      this.box.replaceChildren();
      const at = unseen.indexOf(this);
      if (at >= 0) unseen.splice(at, 1);
      unseen.push(this);
      if (unseen.length <= KEPT) return;
      const oldest = unseen.shift();
      if (!oldest.isInView) oldest.forget();
    }
  }

  // --- in view or not ----------------------------------------------------------------------------
  const cards = new Map();
  const byElement = (element) => cards.get(element.dataset.tag);
  const inView = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const card = byElement(entry.target);
        if (!card || card.isInView === entry.isIntersecting) continue;
        if (!entry.isIntersecting) { card.leave(); continue; }
        card.isInView = true;
        if (card.version === "0") say(card.box, "Loading…");
        card.draw();
        need(card);
      }
    },
    { rootMargin: "400px" },
  );

  // --- asking: tags that want the same thing in one question ---------------------------------------
  const wanted = new Set();
  let asking = 0;
  let planned = 0;
  function need(card) {
    wanted.add(card);
    if (!planned) planned = setTimeout(pump, 15);
  }
  function urlOf(tags) {
    const url = new URL(`${now.at}/data`, location.href);
    url.search = new URLSearchParams(now.query);
    url.searchParams.set("x", now.how.along);
    if (now.how.group) url.searchParams.set("group", now.how.group);
    for (const tag of tags) url.searchParams.append("tag", tag);
    return url;
  }
  function pump() {
    planned = 0;
    while (asking < ASKING && wanted.size) {
      const alike = new Map();
      for (const card of [...wanted]) {
        const wish = card.isInView ? card.wish() : null;
        if (!wish) { wanted.delete(card); continue; }
        const key = JSON.stringify(wish);
        if (!alike.has(key)) alike.set(key, { wish, group: [] });
        alike.get(key).group.push(card);
      }
      const first = alike.values().next().value;
      if (!first) return;
      send(first.wish, first.group.slice(0, AT_ONCE));
    }
  }
  async function send(wish, group) {
    asking += 1;
    const { generation, names } = now;
    for (const card of group) { wanted.delete(card); card.isAsked = true; }
    const url = urlOf(group.map((card) => card.tag));
    if (wish.since !== "0") url.searchParams.set("since", wish.since);
    for (const name of wish.only) url.searchParams.append("only", name);
    const begun = performance.now();
    try {
      const answer = await ask(url);
      now.lastMs = performance.now() - begun;
      for (const card of group) {
        card.isAsked = false;
        if (generation === now.generation && card.generation === generation) card.take(wish, answer, names);
        need(card);
      }
    } catch (error) {
      for (const card of group) {
        card.isAsked = false;
        if (!card.plot && !card.curves.size) say(card.box, document.getElementById("filter-wrong")?.hidden === false ? "Not drawn while the filter of runs is wrong." : `Could not be loaded. ${error.message}`);
      }
      document.dispatchEvent(new CustomEvent("boards:trouble", { detail: error }));
    } finally {
      asking -= 1;
      pump();
    }
  }

  // --- groups have looks by their order -------------------------------------------------------------
  const groupLook = new Map();
  function nameGroups(keys) {
    let isNew = false;
    for (const key of keys) {
      if (groupLook.has(key)) continue;
      groupLook.set(key, lookAt(groupLook.size));
      isNew = true;
    }
    if (isNew) document.dispatchEvent(new CustomEvent("boards:groups"));
  }

  function cardOf(tag) {
    if (!cards.has(tag)) cards.set(tag, new Card(tag));
    return cards.get(tag);
  }
  const redraw = () => { for (const card of cards.values()) if (card.isInView) card.draw(); };
  const renew = () => { for (const card of cards.values()) if (card.isInView) need(card); };
  function anew() {
    now.generation += 1;
    groupLook.clear();
    renew();
  }

  Object.assign(mlpiBoards, { now, cards, cardOf, redraw, renew, anew, groupLook });
})();
