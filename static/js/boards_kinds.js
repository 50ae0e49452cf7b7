// Cards of images, sounds and texts: a slider over the steps of each, all together if wanted; and,
// for these and for histograms, cards that follow their runs. What is shown stands in the address.
"use strict";
const mlpiKinds = {};
(() => {
  const form = document.getElementById("view");
  if (!form) return;
  const deck = () => document.getElementById("deck");
  const { kind } = deck().dataset;
  const sync = document.getElementById("sync");
  const states = new WeakMap(); // card → { stops, position, isNewest, isAsking }
  const cards = () => [...deck().querySelectorAll(".shot")];
  const rangeOf = (card) => card.querySelector("footer input[type=range]");

  async function ask(url, type = "application/json") {
    const answer = await fetch(url, { headers: { Accept: type } });
    if (!answer.ok) throw new Error((await answer.json()).message);
    return answer;
  }

  // --- the address: a step for all, or a step and sample of single cards -------------------------
  const LATER_MS = 250; // browsers refuse too many changes of the address
  let writing = 0;
  function keep() {
    clearTimeout(writing);
    writing = setTimeout(() => {
      const url = new URL(location.href);
      const before = url.searchParams.getAll("at").filter((text) => !document.getElementById(`card-${text.split(":")[0]}`));
      for (const name of ["at", "step"]) url.searchParams.delete(name);
      const step = form.elements.step?.value;
      if (step) url.searchParams.set("step", step);
      const spots = cards().flatMap((card) => {
        const state = states.get(card);
        const sample = Number(card.dataset.sample);
        const isMoved = state?.isMoved && !step;
        return isMoved || sample ? [`${card.dataset.card}:${isMoved ? card.dataset.step : step ?? ""}:${sample}`] : [];
      });
      for (const spot of [...before, ...spots]) url.searchParams.append("at", spot);
      history.replaceState(history.state, "", url);
    }, LATER_MS);
  }

  // --- a card at a step ------------------------------------------------------------------------------
  const address = (card, at) => {
    const { stops } = states.get(card);
    const url = new URL(card.dataset.one, location.href);
    url.searchParams.set("index", stops.indices[at]);
    url.searchParams.set("sample", card.dataset.sample);
    url.searchParams.set("v", stops.keys[at]);
    return url.href;
  };
  const ago = (seconds) => new Date(seconds * 1000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
  const show = {
    images(card, at, stops) {
      const image = card.querySelector("img");
      image.src = address(card, at);
      image.alt = image.alt.replace(/step -?\d+$/, `step ${stops.steps[at]}`);
      for (const next of [at + 1, at - 1]) if (stops.indices[next] !== undefined) new Image().src = address(card, next);
    },
    audio(card, at) { card.querySelector("audio").src = address(card, at); },
    async text(card, at) {
      const url = address(card, at);
      const state = states.get(card);
      state.url = url;
      try {
        const html = await (await ask(url, "text/html")).text();
        if (state.url !== url) return; // moved on meanwhile
        const page = new DOMParser().parseFromString(html, "text/html");
        card.querySelector(".words").replaceChildren(...page.body.childNodes);
      } catch (error) {
        card.querySelector(".words").textContent = error.message;
      }
    },
  };
  function place(card, at) {
    const state = states.get(card);
    const { stops } = state;
    state.position = at;
    state.isMoved = at < stops.indices.length - 1;
    card.dataset.step = stops.steps[at];
    card.dataset.index = stops.indices[at];
    const range = rangeOf(card);
    range.value = at;
    range.setAttribute("aria-valuetext", `step ${stops.steps[at]}`);
    const where = card.querySelector(".where");
    where.querySelector("b").textContent = stops.steps[at].toLocaleString("en");
    where.querySelector("span").textContent = ago(stops.times[at]);
    where.title = ago(stops.times[at]);
    const wrong = card.querySelector(".wrong[role=alert]");
    if (wrong) wrong.hidden = true;
    show[kind](card, at, stops);
  }
  // The newest stop at or before a step, or the first.
  function nearest(stops, step) {
    let best = -1;
    stops.steps.forEach((one, at) => { if (one <= step && (best < 0 || one >= stops.steps[best])) best = at; });
    return Math.max(0, best);
  }

  async function load(card) {
    let state = states.get(card);
    if (state?.stops) return state;
    state = { stops: null, position: 0, isMoved: false };
    states.set(card, state);
    try {
      state.stops = await (await ask(card.dataset.stops)).json();
    } catch (error) {
      states.delete(card);
      return null; // what is shown stays; the next look asks again
    }
    const { stops } = state;
    const range = rangeOf(card);
    state.position = Math.max(0, stops.indices.findLastIndex((index) => index <= Number(card.dataset.index)));
    state.isMoved = state.position < stops.indices.length - 1;
    range.max = stops.indices.length - 1;
    range.value = state.position;
    range.disabled = stops.indices.length < 2;
    const samples = card.querySelector("[data-samples]");
    if (stops.samples > 1) {
      samples.replaceChildren(...Array.from({ length: Math.min(stops.samples, 500) }, (_, at) => new Option(`sample ${at + 1} of ${stops.samples}`, at)));
      samples.value = card.dataset.sample;
      samples.hidden = false;
    }
    return state;
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      seen.unobserve(entry.target);
      load(entry.target);
    }
  }, { rootMargin: "100px" });

  async function moved(card, at) {
    const state = await load(card);
    if (!state?.stops) return;
    const to = Math.min(at, state.stops.indices.length - 1);
    place(card, to);
    if (sync?.checked) {
      const step = state.stops.steps[to];
      form.elements.step.value = step;
      together(step, card);
    }
    keep();
  }
  function together(step, except = null) {
    for (const card of cards()) {
      if (card === except) continue;
      load(card).then((state) => {
        if (!state?.stops) return;
        const at = step === null ? state.stops.indices.length - 1 : nearest(state.stops, step);
        if (at !== state.position) place(card, at);
      });
    }
  }
  const steps = () => (form.elements.step.value === "" ? null : Number(form.elements.step.value));

  document.addEventListener("input", (event) => {
    const card = event.target.closest?.(".shot");
    if (card && event.target.type === "range") moved(card, Number(event.target.value));
  });
  document.addEventListener("change", (event) => {
    const card = event.target.closest?.(".shot");
    if (card && event.target.matches("[data-samples]")) {
      card.dataset.sample = event.target.value;
      place(card, states.get(card).position);
      keep();
    } else if (event.target === form.elements.step) {
      together(steps());
      keep();
    } else if (event.target === sync && !sync.checked) {
      form.elements.step.value = "";
      keep();
    } else if (event.target.matches("[data-live-class]")) {
      const url = new URL(location.href);
      const { name, value, dataset } = event.target;
      if (value) url.searchParams.set(name, value);
      else url.searchParams.delete(name);
      history.replaceState(history.state, "", url);
      deck().classList.toggle(dataset.liveClass, value === dataset.liveClass);
    }
  });
  document.addEventListener("click", (event) => {
    const unfold = event.target.closest("[data-unfold]");
    if (!unfold) return;
    const isOpen = unfold.parentElement.classList.toggle("open");
    unfold.textContent = isOpen ? "Fold it" : "Show all of it";
  });

  // --- pictures: small ones are enlarged without blurring; why one cannot be shown ------------------
  const SMALL = 96; // pixels
  document.addEventListener("load", (event) => {
    const image = event.target;
    if (!image.closest?.(".picture")) return;
    image.hidden = false;
    image.classList.toggle("small", Math.max(image.naturalWidth, image.naturalHeight) <= SMALL);
    image.title = `${image.naturalWidth} × ${image.naturalHeight} pixels`;
  }, true);
  // isSure: it did fail; otherwise it may not have been asked for yet.
  async function explain(media, isSure = true) {
    const wrong = media.parentElement.querySelector(".wrong");
    if (!wrong) return;
    let words = "It cannot be shown: the file is damaged.";
    try {
      await ask(media.src);
      if (!isSure) return;
    } catch (error) {
      words = error.message;
    }
    wrong.textContent = words;
    wrong.hidden = false;
    if (media.matches("img")) media.hidden = true;
  }
  document.addEventListener("error", (event) => {
    if (event.target.matches?.(".picture img, .sound audio")) explain(event.target);
  }, true);
  for (const image of document.querySelectorAll(".picture img")) {
    // Some are there before this script is.
    if (image.complete && image.naturalWidth) image.dispatchEvent(new Event("load"));
    else if (image.complete && image.src) explain(image, false);
  }

  // --- runs go on, others are chosen, tags are filtered: only cards that changed are new --------------
  const hooks = { drop: () => {}, take: () => {} };
  function adopt(card) {
    if (rangeOf(card)) seen.observe(card);
    hooks.take(card);
  }
  function renewCard(card, fresh) {
    const state = states.get(card);
    if (rangeOf(card) && state?.isMoved) {
      // Somebody looks at an older value: it stays, and the slider gets longer.
      card.dataset.stamp = fresh.dataset.stamp;
      states.delete(card);
      load(card);
      return;
    }
    if (rangeOf(card) && card.contains(document.activeElement)) {
      const step = card.dataset.step;
      card.dataset.stamp = fresh.dataset.stamp;
      card.dataset.index = fresh.dataset.index;
      states.delete(card);
      load(card).then((now) => { if (now?.stops && String(now.stops.steps.at(-1)) !== step) place(card, now.stops.indices.length - 1); });
      return;
    }
    if (hooks.renew?.(card, fresh)) return;
    hooks.drop(card);
    card.replaceWith(fresh);
    adopt(fresh);
  }
  let asking = null;
  let isAgain = false;
  async function renew() {
    if (asking) { isAgain = true; return false; }
    asking = (async () => {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok && answer.status !== 422) throw new Error(`mlpi answered ${answer.status}.`);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("deck");
      if (!fresh) return location.reload();
      mlpiFollow.runs(page);
      const known = new Map(cards().map((card) => [card.id, card]));
      const coming = [...fresh.querySelectorAll(".shot")];
      for (const name of ["deck-count", "tags-wrong"]) document.getElementById(name).replaceWith(document.adoptNode(page.getElementById(name)));
      const isSame = coming.length === known.size && coming.every((card, at) => card.id === cards()[at].id);
      if (isSame && coming.length) {
        for (const card of coming) {
          const old = known.get(card.id);
          if (old.dataset.stamp !== card.dataset.stamp) renewCard(old, document.adoptNode(card));
        }
        return;
      }
      const taken = new Set();
      document.adoptNode(fresh);
      for (const card of coming) {
        const old = known.get(card.id);
        if (old && old.dataset.stamp === card.dataset.stamp) { card.replaceWith(old); taken.add(old); }
      }
      for (const card of known.values()) if (!taken.has(card)) hooks.drop(card);
      fresh.className = deck().className;
      deck().replaceWith(fresh);
      for (const card of coming) if (card.isConnected) adopt(card);
    })();
    try {
      await asking;
      return true;
    } catch {
      return false; // the next look asks again
    } finally {
      asking = null;
      if (isAgain) { isAgain = false; renew(); }
    }
  }
  document.addEventListener("boards:choice", (event) => { event.preventDefault(); renew(); });
  let typing = 0;
  form.elements.tags.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      const url = new URL(location.href);
      const words = form.elements.tags.value.trim();
      url.searchParams.delete("page");
      if (words) url.searchParams.set("tags", words);
      else url.searchParams.delete("tags");
      history.replaceState(history.state, "", url);
      renew();
    }, 250);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  mlpiFollow(renew);
  Object.assign(mlpiKinds, { renew, hooks, cards, deck, form, ask });
  for (const card of cards()) if (rangeOf(card)) seen.observe(card);
})();
