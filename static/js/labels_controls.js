// Controls that give labels and answers: Labels of all kinds, Choices, TextArea, Rating, Number,
// Pairwise. labels.controls[tag](box, context) -> { draw() }
//
// context: { control, labels, data, isReadonly(), answer() -> what stands under the control's key or
// null, set(value | null, key), key(wanted, run, words) -> a hotkey to show, say(text), page }
"use strict";
(() => {
  const labels = window.mlpiLabels;
  const { make } = labels;
  const controls = (labels.controls = {});

  // A button for a label or choice: its colour, its name, its key.
  labels.option = (context, label, run, given = {}) => {
    const words = label.value;
    const key = context.key(label.hotkey, run, words);
    const colour = make("i", { className: "swatch", "aria-hidden": "true" });
    if (given.colour) colour.style.background = given.colour;
    return make("button", { type: "button", className: "option", title: label.hint || words, "aria-pressed": "false", "data-key": label.key },
      given.colour ? colour : null, make("span", { className: "t", textContent: words }), key ? make("kbd", { textContent: key, "aria-hidden": "true" }) : null);
  };

  // --- labels: what a new region gets ----------------------------------------------------------------
  function labeled(box, context) {
    const { control, page } = context;
    const list = context.labels.length ? context.labels : [{ key: "", value: control.tag, hotkey: "", hint: "" }];
    const group = make("div", { className: "options", role: "group", "aria-label": `Labels ${control.name}` });
    const run = (label) => () => page.switchLabel(control, label);
    for (const label of list) {
      const button = labels.option(context, label, run(label), { colour: label.key ? page.colourOf(control, label.key) : null });
      button.addEventListener("click", run(label));
      group.append(button);
    }
    box.append(group);
    return {
      draw() {
        const on = page.switchedOf(control);
        for (const button of group.children) button.setAttribute("aria-pressed", String(on.has(button.dataset.key)));
      },
    };
  }
  for (const tag of ["Labels", "HyperTextLabels", "ParagraphLabels", "RectangleLabels", "PolygonLabels", "KeyPointLabels", "EllipseLabels", "Rectangle", "Polygon", "KeyPoint", "Ellipse"]) controls[tag] = labeled;

  // --- choices -----------------------------------------------------------------------------------------
  controls.Choices = (box, context) => {
    const { control } = context;
    const isNested = control.attributes.allowNested === "true";
    const valueOf = (label) => (isNested && label.path.length > 1 ? label.path : label.key);
    const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
    const has = (label) => (context.answer() ?? []).some((one) => same(one, valueOf(label)) || one === label.key || same(one, label.path));
    function toggle(label) {
      if (context.isReadonly()) return;
      const now = context.answer() ?? [];
      const rest = now.filter((one) => !same(one, valueOf(label)) && one !== label.key && !same(one, label.path));
      const isOn = rest.length < now.length;
      const next = isOn ? rest : control.isMultiple ? [...now, valueOf(label)] : [valueOf(label)];
      context.set(next.length ? next : null);
    }
    if (control.attributes.layout === "select" && !control.isMultiple) {
      const select = make("select", { "aria-label": control.attributes.title || control.name }, make("option", { value: "", textContent: "Choose…" }),
        ...context.labels.map((one, at) => make("option", { value: String(at), textContent: "\u2003".repeat(one.path.length - 1) + one.value })));
      select.addEventListener("change", () => {
        const label = context.labels[Number(select.value)];
        context.set(select.value === "" ? null : [valueOf(label)]);
      });
      context.labels.forEach((one) => context.key(one.hotkey, () => toggle(one), one.value));
      box.append(select);
      return {
        draw() {
          const at = context.labels.findIndex(has);
          select.value = at < 0 ? "" : String(at);
          select.disabled = context.isReadonly();
        },
      };
    }
    const isInline = control.attributes.showInline === "true" || control.attributes.layout === "inline";
    const group = make("div", { className: `options ${isInline ? "" : "stacked"}`, role: "group", "aria-label": control.attributes.title || control.name });
    for (const label of context.labels) {
      const button = labels.option(context, label, () => toggle(label), {});
      button.classList.add(control.isMultiple ? "many" : "one");
      if (label.path.length > 1) button.style.marginLeft = `${(label.path.length - 1) * 20}px`;
      button.addEventListener("click", () => toggle(label));
      group.append(button);
    }
    box.append(group);
    return {
      draw() {
        context.labels.forEach((label, at) => group.children[at].setAttribute("aria-pressed", String(has(label))));
      },
    };
  };

  // --- texts: a field for each, and an empty one for the next -------------------------------------------
  controls.TextArea = (box, context) => {
    const { control } = context;
    const { rows = "1", placeholder = "", maxSubmissions, label } = control.attributes;
    const most = maxSubmissions ? Number(maxSubmissions) : Infinity;
    const list = make("div", { className: "answers" });
    box.append(list);
    const fields = () => [...list.children];
    const texts = () => fields().map((one) => one.value).filter((one) => one.trim());
    function add(value) {
      const field = make("textarea", { rows: String(Number(rows) || 1), placeholder, "aria-label": label || placeholder || control.name, value });
      field.addEventListener("input", () => {
        const next = texts();
        context.set(next.length ? next : null, `text ${control.name} ${fields().indexOf(field)}`);
      });
      field.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.ctrlKey || Number(rows) > 1) return;
        event.preventDefault();
        (fields()[fields().indexOf(field) + 1] ?? field).focus();
      });
      field.addEventListener("blur", () => draw());
      list.append(field);
    }
    function draw() {
      const answer = context.answer();
      const wanted = answer === null ? [] : Array.isArray(answer) ? answer : [answer];
      const isSame = JSON.stringify(texts()) === JSON.stringify(wanted);
      const isIn = list.contains(document.activeElement);
      if (!isSame || !isIn) {
        const at = fields().indexOf(document.activeElement);
        const room = wanted.length < most ? [...wanted, ""] : wanted;
        fields().slice(room.length).forEach((one) => one.remove());
        room.forEach((text, number) => {
          const field = fields()[number];
          if (!field) add(text);
          else if (field.value !== text) field.value = text;
        });
        if (at >= 0) fields()[Math.min(at, fields().length - 1)].focus();
      } else if (fields().every((one) => one.value.trim()) && fields().length < most) add("");
      for (const one of fields()) one.readOnly = context.isReadonly();
    }
    return { draw };
  };

  // --- figures -----------------------------------------------------------------------------------------
  controls.Rating = (box, context) => {
    const most = Number(context.control.attributes.maxRating ?? 5);
    const group = make("div", { className: "stars", role: "group", "aria-label": context.control.name });
    const set = (number) => !context.isReadonly() && context.set(context.answer() === number ? null : number);
    for (let number = 1; number <= most; number += 1) {
      const star = make("button", { type: "button", className: "star", textContent: "☆", title: `${number} of ${most}`, "aria-label": `${number} of ${most}`, "aria-pressed": "false" });
      star.addEventListener("click", () => set(number));
      group.append(star);
      if (most <= 9) context.key("", () => set(number), `${context.control.name}: ${number} of ${most}`);
    }
    group.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step || event.ctrlKey) return;
      event.preventDefault();
      event.stopPropagation();
      group.children[Math.max(0, Math.min(most - 1, [...group.children].indexOf(document.activeElement) + step))].focus();
    });
    box.append(group);
    return {
      draw() {
        [...group.children].forEach((one, at) => {
          one.classList.toggle("on", at < (context.answer() ?? 0));
          one.textContent = at < (context.answer() ?? 0) ? "★" : "☆";
          one.setAttribute("aria-pressed", String(at + 1 === context.answer()));
        });
      },
    };
  };
  controls.Number = (box, context) => {
    const { min, max, step = "any", slider } = context.control.attributes;
    const field = make("input", { type: slider === "true" && min && max ? "range" : "number", min, max, step, placeholder: min && max ? `${context.control.name}, ${min} to ${max}` : context.control.name, "aria-label": context.control.name });
    const shown = make("output", { className: "dim num" });
    const wrong = make("p", { className: "wrong", role: "alert", hidden: true });
    field.addEventListener("input", () => {
      const number = field.value === "" ? null : Number(field.value);
      const isWrong = field.validity.badInput || field.validity.rangeOverflow || field.validity.rangeUnderflow;
      wrong.hidden = !isWrong;
      wrong.textContent = isWrong ? `A number${min ? ` from ${min}` : ""}${max ? ` up to ${max}` : ""} is asked for.` : "";
      field.setAttribute("aria-invalid", String(isWrong));
      if (!isWrong) context.set(number, `number ${context.control.name}`);
    });
    box.append(make("div", { className: "row" }, field, field.type === "range" ? shown : null), wrong);
    return {
      draw() {
        const answer = context.answer();
        shown.textContent = answer ?? "–";
        field.disabled = context.isReadonly();
        if (document.activeElement === field && field.getAttribute("aria-invalid") === "true") return;
        if (field.value === "" || Number(field.value) !== answer) field.value = answer ?? "";
      },
    };
  };

  // --- one of two --------------------------------------------------------------------------------------
  controls.Pairwise = (box, context) => {
    const sides = ["left", "right"];
    const set = (side) => !context.isReadonly() && context.set(context.answer() === side ? null : side);
    const group = make("div", { className: "options pair-options", role: "group", "aria-label": context.control.name });
    sides.forEach((side, at) => {
      const words = side === "left" ? "Left" : "Right";
      const button = labels.option(context, { key: side, value: words, hotkey: "", hint: `The ${side} one` }, () => set(side));
      button.addEventListener("click", () => set(side));
      group.append(button);
      const shown = context.page.boxOf(context.control.toNames[at]);
      shown?.addEventListener("click", (event) => {
        if (getSelection().isCollapsed && !event.target.closest("a, button, input, audio")) set(side);
      });
    });
    box.append(group);
    return {
      draw() {
        sides.forEach((side, at) => {
          const isOn = context.answer() === side;
          group.children[at].setAttribute("aria-pressed", String(isOn));
          context.page.boxOf(context.control.toNames[at])?.classList.toggle("picked", isOn);
        });
      },
    };
  };
})();
