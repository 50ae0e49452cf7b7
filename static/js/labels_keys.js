// Keys of the labeling page: those of labels and choices, those of the page, and the sheet of all.
"use strict";
(() => {
  const labels = window.mlpiLabels;
  const { make } = labels;
  const OWN = [..."123456789", ..."abcdefghijklmnopqrstuvwxyz"];
  const NAMES = { " ": "space", ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", Delete: "delete", Backspace: "backspace" };
  const OFFERED = ["tab", "shift+tab", "enter"]; // first: what does not take one says false
  const SHOWN = { ctrl: "Ctrl", shift: "Shift", alt: "Alt", space: "Space", enter: "Enter", left: "←", right: "→", escape: "Esc", backspace: "Backspace", delete: "Delete", tab: "Tab" };

  function comboOf(event) {
    const key = NAMES[event.key] ?? event.key.toLowerCase();
    const parts = [];
    if (event.ctrlKey || event.metaKey) parts.push("ctrl");
    if (event.altKey) parts.push("alt");
    if (event.shiftKey && (key.length > 1 || /^[a-z0-9]$/.test(key))) parts.push("shift");
    return [...parts, key].join("+");
  }
  function written(text) {
    const parts = text.split(",")[0].trim().toLowerCase().split("+").map((one) => one.trim());
    const key = parts.pop();
    return [...["ctrl", "alt", "shift"].filter((one) => parts.includes(one)), key].join("+");
  }
  const isTyping = (target) => target.matches?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");

  // config: whose labels' own hotkeys nobody else gets.
  labels.makeKeys = (config) => {
    const taken = new Set(Object.values(config.controls).flatMap((one) => one.labels.map((label) => label.hotkey).filter(Boolean).map(written)));
    let [given, page] = [new Map(), new Map()];
    const keys = {
      // A key for a label or choice: the one that it names, or the next one that is free.
      assign(wanted, run, words) {
        let key = wanted ? written(wanted) : OWN.find((one) => !taken.has(one) && !given.has(one));
        if (!key || given.has(key)) key = "";
        if (key) given.set(key, { run, words });
        return keys.shown(key);
      },
      // combos: of the page, said in the sheet as one line.
      on(combos, words, run, isHidden = false) {
        for (const combo of combos) page.set(combo, { run, words, isHidden });
      },
      forget() {
        given = new Map();
      },
      shown: (combo) => combo.split("+").map((one) => SHOWN[one] ?? (one.length === 1 ? one.toUpperCase() : one)).join(" "),
      sheet() {
        const lines = new Map();
        for (const [combo, { words, isHidden }] of page) {
          if (!isHidden) lines.set(words, [...(lines.get(words) ?? []), combo]);
        }
        const rows = (list) => list.map(([words, combos]) => make("div", {}, make("dt", {}, ...combos.map((one) => make("kbd", { textContent: keys.shown(one) }))), make("dd", { textContent: words, title: words })));
        return make("div", { className: "keys" },
          make("dl", {}, ...rows([...lines])),
          given.size ? make("h3", { textContent: "Labels and choices" }) : null,
          make("dl", {}, ...rows([...given].map(([combo, { words }]) => [words, [combo]]))));
      },
    };
    document.addEventListener("keydown", (event) => {
      if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
      const combo = comboOf(event);
      const isPlain = !event.ctrlKey && !event.altKey && !event.metaKey;
      if (isTyping(event.target) && (isPlain || ["ctrl+z", "ctrl+shift+z", "ctrl+left", "ctrl+right"].includes(combo)) && combo !== "escape") return;
      const found = given.get(combo) ?? page.get(combo);
      if (!found || (event.repeat && !/left|right|ctrl\+(shift\+)?z/.test(combo))) return;
      // A button's own keys stay its own.
      if (OFFERED.includes(combo) && found.run(event) === false) return;
      event.preventDefault();
      if (!OFFERED.includes(combo)) found.run(event);
    });
    return keys;
  };
})();
