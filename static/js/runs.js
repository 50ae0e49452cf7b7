// A table of runs: selection over pages and refreshes, deeds without a reload, completion of keys.
// Without this file the same forms and links work, one page at a time.
"use strict";
{
  const runs = () => document.getElementById("runs");
  const pick = document.getElementById("pick");
  const picked = new Set();

  // --- selection ---------------------------------------------------------------------------
  const boxes = () => [...document.querySelectorAll("#runs input[name=run]")];

  function showPicked() {
    for (const box of boxes()) {
      box.checked = picked.has(box.value);
      box.closest("tr").ariaSelected = String(box.checked);
    }
    pick.hidden = picked.size === 0;
    pick.querySelector("[data-picked]").textContent = `${picked.size} run${picked.size === 1 ? "" : "s"} selected`;
  }

  function take(box) {
    if (box.checked) picked.add(box.value);
    else picked.delete(box.value);
  }

  let lastTicked = null;
  function tickUpTo(box, isRange) {
    const all = boxes();
    const [from, to] = [all.findIndex((one) => one.value === lastTicked), all.indexOf(box)];
    if (isRange && from >= 0) {
      for (const one of all.slice(Math.min(from, to), Math.max(from, to) + 1)) {
        one.checked = box.checked;
        take(one);
      }
    } else take(box);
    lastTicked = box.value;
    showPicked();
  }

  // Ids of runs on other pages go along as hidden fields.
  function carryOthers() {
    pick.querySelectorAll("[data-other]").forEach((field) => field.remove());
    const here = new Set(boxes().map((box) => box.value));
    for (const value of picked) {
      if (here.has(value)) continue;
      const field = Object.assign(document.createElement("input"), { type: "hidden", name: "run", value });
      field.dataset.other = "";
      pick.append(field);
    }
  }

  function say(text) {
    const box = document.createElement("div");
    box.className = "toast bad";
    const words = document.createElement("p");
    words.textContent = text;
    box.append(words);
    document.getElementById("toasts").append(box);
    setTimeout(() => box.remove(), 12000);
  }

  async function send(button) {
    const body = new URLSearchParams(new FormData(pick, button));
    pick.querySelectorAll("[popover]:popover-open").forEach((open) => open.hidePopover());
    const isMark = button.formAction.includes("/marks");
    // Marks set in a saved view become one's own: on to where the answer leads.
    const leaves = isMark && new URLSearchParams(location.search).has("view");
    try {
      const answer = await fetch(button.formAction, {
        method: "POST",
        body,
        redirect: leaves ? "follow" : "manual",
        headers: { Accept: "application/json" },
      });
      if (!answer.ok && answer.type !== "opaqueredirect") {
        const told = await answer.json().catch(() => ({}));
        throw new Error([told.message, told.advice].filter(Boolean).join(" ") || `mlpi answered ${answer.status}.`);
      }
      if (leaves) {
        location.href = answer.url;
        return;
      }
      if (!isMark) picked.clear();
      for (const field of pick.querySelectorAll("#tagging input")) field.value = "";
      runs().dispatchEvent(new CustomEvent("refresh"));
      showPicked();
    } catch (error) {
      say(error.message);
    }
  }

  if (pick) {
    document.addEventListener("click", (event) => {
      const box = event.target.closest?.("#runs input[name=run]");
      if (box) tickUpTo(box, event.shiftKey);
      if (event.target.closest?.("[data-pick-none]")) {
        picked.clear();
        showPicked();
      }
    });
    pick.addEventListener("submit", (event) => {
      carryOthers();
      if (event.submitter?.formMethod !== "post") {
        for (const field of pick.querySelectorAll("#tagging input")) field.disabled = true;
        setTimeout(() => pick.querySelectorAll("#tagging input").forEach((field) => { field.disabled = false; }));
        return;
      }
      event.preventDefault();
      send(event.submitter);
    });
    // The browser may have kept ticks over a reload.
    boxes().filter((box) => box.checked).forEach(take);
    showPicked();
  }

  document.addEventListener("htmx:after:swap", () => {
    if (pick) showPicked();
    const chooser = document.getElementById("chooser");
    if (chooser?.popover && chooser.dataset.wanted && chooser.childElementCount) {
      delete chooser.dataset.wanted;
      if (!chooser.matches(":popover-open")) chooser.showPopover();
    }
  });
  document.addEventListener("click", (event) => {
    const opener = event.target.closest?.("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens).dataset.wanted = "1";
  });

  // --- saved views keep what is shown now, not what the page began with -----------------------
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-views]")) return;
    event.target.action = event.target.action.split("?")[0] + location.search;
  });

  // --- a list that is narrowed by what is typed ---------------------------------------------
  document.addEventListener("input", (event) => {
    const { narrows } = event.target.dataset;
    if (!narrows) return;
    const words = event.target.value.trim().toLowerCase();
    for (const item of event.target.form.querySelectorAll(narrows)) item.hidden = !item.dataset.key.includes(words);
  });

  // --- completion of the filter ---------------------------------------------------------------
  const frame = document.querySelector("[data-completes]");
  const field = frame?.querySelector("input");
  if (field) {
    const list = Object.assign(document.createElement("ul"), { id: "completions", role: "listbox", className: "sheet", hidden: true });
    list.ariaLabel = "Completions";
    frame.append(list);
    for (const [name, value] of Object.entries({ role: "combobox", "aria-controls": "completions", "aria-expanded": "false", "aria-autocomplete": "list" })) {
      field.setAttribute(name, value);
    }
    let known = null;
    let active = -1;

    async function load() {
      known ??= fetch(frame.dataset.completes, { headers: { Accept: "application/json" } }).then((answer) => (answer.ok ? answer.json() : { keys: [], comparators: {} }), () => ({ keys: [], comparators: {} }));
      return known;
    }

    function written(text) {
      const [kind, key] = [text.slice(0, text.indexOf(".")), text.slice(text.indexOf(".") + 1)];
      return /^[A-Za-z_]\w*$/.test(key) ? text : `${kind}.\`${key}\``;
    }

    function close() {
      list.hidden = true;
      active = -1;
      field.setAttribute("aria-expanded", "false");
      field.removeAttribute("aria-activedescendant");
    }

    // The word before the cursor: a key, or an operator behind a finished key.
    function word() {
      const before = field.value.slice(0, field.selectionStart);
      const key = /(?:^|\s)([A-Za-z]+\.?`?[^\s'"`=<>!]*)$/.exec(before);
      const operator = /(?:^|\s)(metrics|params|tags|attributes|datasets)\.(?:`[^`]+`|\S+)\s+([A-Za-z!=<>]*)$/.exec(before);
      if (operator) return { kind: operator[1], typed: operator[2], start: before.length - operator[2].length };
      return key ? { typed: key[1], start: before.length - key[1].length } : null;
    }

    async function offer() {
      const at = word();
      if (!at) return close();
      const { keys, comparators } = await load();
      const typed = at.typed.toLowerCase().replaceAll("`", "");
      const choices = at.kind
        ? (comparators[at.kind] ?? []).filter((one) => one.toLowerCase().startsWith(typed))
        : keys.filter((one) => one.toLowerCase().startsWith(typed) || (typed.length > 1 && one.toLowerCase().includes(typed))).map(written);
      if (!choices.length || (choices.length === 1 && choices[0] === at.typed)) return close();
      list.replaceChildren(
        ...choices.slice(0, 12).map((text, index) => {
          const item = Object.assign(document.createElement("li"), { id: `completion-${index}`, role: "option", className: "item", textContent: text });
          item.ariaSelected = "false";
          item.addEventListener("mousedown", (event) => {
            event.preventDefault();
            put(text);
          });
          return item;
        }),
      );
      active = -1;
      list.hidden = false;
      field.setAttribute("aria-expanded", "true");
    }

    function put(text) {
      const at = word();
      if (!at) return close();
      field.setRangeText(`${text} `, at.start, field.selectionStart, "end");
      close();
      if (!at.kind) offer();
    }

    function move(step) {
      const items = [...list.children];
      active = (active + step + items.length + 1) % (items.length + 1);
      items.forEach((item, index) => { item.ariaSelected = String(index === active); });
      if (active < items.length) field.setAttribute("aria-activedescendant", items[active].id);
      else field.removeAttribute("aria-activedescendant");
    }

    field.addEventListener("focus", load, { once: true });
    field.addEventListener("input", offer);
    field.addEventListener("blur", close);
    field.addEventListener("keydown", (event) => {
      if (list.hidden) return;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        move(event.key === "ArrowDown" ? 1 : -1);
      } else if (event.key === "Escape") {
        event.preventDefault();
        close();
      } else if ((event.key === "Enter" || event.key === "Tab") && active >= 0 && active < list.children.length) {
        event.preventDefault();
        put(list.children[active].textContent);
      }
    });
  }
}
