// Controls with many parts: Ranker, whose items are put in order or into buckets, and Taxonomy.
"use strict";
(() => {
  const labels = window.mlpiLabels;
  const { make } = labels;

  // --- an order, by drag, by buttons, by keys -----------------------------------------------------------
  labels.controls.Ranker = (box, context) => {
    const { control, page } = context;
    const object = page.objectOf(control.toNames[0]);
    const given = labels.valueOf(object, context.data);
    const items = (Array.isArray(given) ? given : []).map((one) => ({ ...one, id: String(one?.id ?? "") }));
    const buckets = control.labels.length
      ? [...(control.labels.some((one) => one.isDefault) ? [] : [{ name: "_", title: object.attributes.title || "Not placed" }]), ...control.labels.map((one) => ({ name: one.value, title: one.title || one.value }))]
      : [{ name: "rank", title: object.attributes.title || "Best first" }];
    const start = control.labels.find((one) => one.isDefault)?.value ?? buckets[0].name;
    const numbers = (value) => value.map((id) => items.find((one) => one.id === String(id))).filter(Boolean);
    // Where everything is: what was said, and the rest where things begin.
    function places() {
      const answer = context.answer() ?? {};
      const found = Object.fromEntries(buckets.map(({ name }) => [name, numbers(answer[name] ?? [])]));
      const placed = new Set(Object.values(found).flat());
      found[start].push(...items.filter((one) => !placed.has(one)));
      return found;
    }
    const store = (now) => context.set(Object.fromEntries(buckets.map(({ name }) => [name, now[name].map((one) => one.id)])));
    function put(item, bucket, at) {
      if (context.isReadonly()) return;
      const now = places();
      for (const one of buckets) now[one.name] = now[one.name].filter((each) => each !== item);
      now[bucket].splice(Math.max(0, at), 0, item);
      store(now);
      board.querySelector(`[data-id="${CSS.escape(item.id)}"]`)?.focus();
    }
    function step(item, down, across) {
      const now = places();
      const column = buckets.findIndex(({ name }) => now[name].includes(item));
      const to = buckets[Math.max(0, Math.min(buckets.length - 1, column + across))].name;
      const at = now[buckets[column].name].indexOf(item);
      if (to !== buckets[column].name) put(item, to, now[to].length);
      else if (down) put(item, to, at + down);
    }
    // Dragging: a copy of the card goes with the pointer, and a line says where it would fall; nothing
    // else moves meanwhile. A finger takes a card by its grip, for elsewhere it scrolls the page.
    const APART_PX = 6; // less is a click
    function placeAt(x, y, made) {
      const list = document.elementFromPoint(x, y)?.closest(".ranker > section")?.querySelector("ol");
      if (!list || !board.contains(list)) return null;
      const others = [...list.children].filter((one) => one.dataset.id && one !== made);
      const at = others.findIndex((one) => y < one.getBoundingClientRect().top + one.offsetHeight / 2);
      return { list, bucket: list.dataset.bucket, at: at < 0 ? others.length : at, before: others[at] ?? null };
    }
    function drag(event, made, item) {
      const isHeld = event.pointerType === "mouse" ? !event.target.closest("button") : event.target.closest(".grip");
      if (event.button !== 0 || !isHeld || context.isReadonly()) return;
      const [x, y] = [event.clientX, event.clientY];
      const line = make("li", { className: "falls", "aria-hidden": "true" });
      let [copy, place] = [null, null];
      const move = (now) => {
        if (!copy && Math.hypot(now.clientX - x, now.clientY - y) < APART_PX) return;
        if (!copy) {
          const { left, top, width } = made.getBoundingClientRect();
          copy = make("div", { className: "copy", "aria-hidden": "true" }, ...[...made.cloneNode(true).childNodes]);
          Object.assign(copy.style, { left: `${left}px`, top: `${top}px`, width: `${width}px` });
          board.append(copy);
          made.classList.add("is-moving");
        }
        copy.style.transform = `translate(${now.clientX - x}px, ${now.clientY - y}px)`;
        place = placeAt(now.clientX, now.clientY, made);
        if (place) place.list.insertBefore(line, place.before);
        else line.remove();
      };
      const end = (now) => {
        for (const [name, run] of handlers) made.removeEventListener(name, run);
        made.classList.remove("is-moving");
        copy?.remove();
        line.remove();
        if (now.type === "pointerup" && place) put(item, place.bucket, place.at);
      };
      const handlers = [["pointermove", move], ["pointerup", end], ["pointercancel", end], ["lostpointercapture", end]];
      made.setPointerCapture(event.pointerId);
      for (const [name, run] of handlers) made.addEventListener(name, run);
    }
    const board = make("div", { className: "ranker", role: "group", "aria-label": control.name });
    const keep = make("button", { type: "button", className: "btn small", textContent: "Keep this order" });
    keep.addEventListener("click", () => store(places()));
    box.append(board, keep);

    function card(item, number) {
      const turn = (words, sign, down, across) => {
        const button = make("button", { type: "button", className: "btn quiet small", "aria-label": words, title: words, textContent: sign, tabIndex: -1 });
        button.addEventListener("click", () => step(item, down, across));
        return button;
      };
      const made = make("li", { tabIndex: 0, "data-id": item.id, "aria-label": `${number + 1}: ${item.title ?? item.id}. Arrows move it.` },
        make("span", { className: "grip dimmer num", title: "Drag it", textContent: `⠿ ${number + 1}` }),
        make("div", { className: "what" }, make("b", { textContent: String(item.title ?? item.id) }), item.body ? make("p", { textContent: String(item.body) }) : null),
        make("span", { className: "turns" }, turn("Up", "↑", -1, 0), turn("Down", "↓", 1, 0), ...(buckets.length > 1 ? [turn("To the left", "←", 0, -1), turn("To the right", "→", 0, 1)] : [])));
      made.addEventListener("keydown", (event) => {
        const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
        if (!move || event.ctrlKey || (move[1] && buckets.length < 2)) return;
        event.preventDefault();
        event.stopPropagation();
        step(item, ...move);
      });
      made.addEventListener("pointerdown", (event) => drag(event, made, item));
      return made;
    }
    return {
      draw() {
        const now = places();
        const focused = document.activeElement?.dataset?.id;
        board.replaceChildren(...buckets.map(({ name, title }) => {
          const list = make("ol", { "data-bucket": name, "aria-label": title }, ...now[name].map(card));
          return make("section", {}, make("h2", { textContent: title, title, className: "t" }), list);
        }));
        if (focused) board.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
        keep.hidden = context.answer() !== null || context.isReadonly();
      },
    };
  };

  // --- a tree to choose from ------------------------------------------------------------------------------
  const MOST_FOUND = 100;
  labels.controls.Taxonomy = (box, context) => {
    const { control } = context;
    const { leafsOnly, maxUsages, placeholder = "Find", showFullPath, pathSeparator = " / " } = control.attributes;
    const most = maxUsages ? Number(maxUsages) : Infinity;
    const idOf = (path) => JSON.stringify(path);
    const parents = new Set(context.labels.filter((one) => one.path.length > 1).map((one) => idOf(one.path.slice(0, -1))));
    const byParent = new Map();
    for (const one of context.labels) {
      const above = idOf(one.path.slice(0, -1));
      byParent.set(above, [...(byParent.get(above) ?? []), one]);
    }
    const isOpenTo = (one) => !(leafsOnly === "true" && parents.has(idOf(one.path)));
    const chosen = () => (context.answer() ?? []).map(idOf);
    function toggle(one, isOn) {
      const rest = (context.answer() ?? []).filter((path) => idOf(path) !== idOf(one.path));
      if (isOn && rest.length >= most && most > 1) {
        context.say(`No more than ${most} may be chosen.`);
        context.set(rest);
        return;
      }
      const next = !isOn ? rest : most === 1 ? [one.path] : [...rest, one.path];
      context.set(next.length ? next : null);
    }
    const words = (path) => path.map((key, at) => context.labels.find((one) => idOf(one.path) === idOf(path.slice(0, at + 1)))?.value ?? key);
    function line(one, text) {
      if (!isOpenTo(one)) return make("span", { className: "t", textContent: text, title: one.hint || text });
      const tick = make("input", { type: "checkbox", "data-path": idOf(one.path) });
      tick.checked = chosen().includes(idOf(one.path));
      tick.disabled = context.isReadonly();
      tick.addEventListener("change", () => toggle(one, tick.checked));
      return make("label", { title: one.hint || text }, tick, make("span", { className: "t", textContent: text }));
    }
    // Branches are made when they are opened: a taxonomy may have thousands.
    function branch(above) {
      return make("ul", {}, ...(byParent.get(idOf(above)) ?? []).map((one) => {
        if (!parents.has(idOf(one.path))) return make("li", {}, line(one, one.value));
        const folder = make("details", {}, make("summary", {}, line(one, one.value)));
        folder.addEventListener("toggle", () => {
          if (folder.open && folder.children.length === 1) folder.append(branch(one.path));
        });
        return make("li", {}, folder);
      }));
    }
    const field = make("input", { type: "search", placeholder, "aria-label": `Find in ${control.name}`, autocomplete: "off" });
    const picked = make("div", { className: "row picked-list" });
    const tree = make("div", { className: "tree" }, branch([]));
    const found = make("div", { className: "tree", hidden: true });
    field.addEventListener("input", () => {
      const asked = field.value.trim().toLowerCase();
      [tree.hidden, found.hidden] = [Boolean(asked), !asked];
      if (!asked) return;
      const hits = context.labels.filter((one) => isOpenTo(one) && words(one.path).join(" ").toLowerCase().includes(asked));
      found.replaceChildren(make("ul", {}, ...hits.slice(0, MOST_FOUND).map((one) => make("li", {}, line(one, words(one.path).join(pathSeparator))))));
      if (!hits.length) found.replaceChildren(make("p", { className: "dim", textContent: `Nothing here is called “${field.value.trim()}”.` }));
      if (hits.length > MOST_FOUND) found.append(make("p", { className: "dim", textContent: `and ${hits.length - MOST_FOUND} more` }));
    });
    field.addEventListener("keydown", (event) => {
      const first = found.querySelector("input");
      if (event.key === "Enter" && !event.ctrlKey && !found.hidden && first) {
        event.preventDefault();
        first.click();
      }
    });
    box.append(picked, field, tree, found);
    return {
      draw() {
        const now = chosen();
        for (const tick of box.querySelectorAll("input[data-path]")) {
          tick.checked = now.includes(tick.dataset.path);
          tick.disabled = context.isReadonly();
        }
        picked.replaceChildren(...(context.answer() ?? []).map((path) => {
          const text = words(path);
          const button = make("button", { type: "button", className: "btn small", title: `Take ${text.join(pathSeparator)} away`, textContent: `${showFullPath === "true" ? text.join(pathSeparator) : text.at(-1)} ✕` });
          button.addEventListener("click", () => !context.isReadonly() && toggle({ path }, false));
          return button;
        }));
        picked.hidden = !now.length;
      },
    };
  };
})();
