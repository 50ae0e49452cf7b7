// The task as the configuration lays it out: Views, headers, objects on their surfaces, controls.
"use strict";
(() => {
  const labels = window.mlpiLabels;
  const { make } = labels;
  const FALLBACKS = 6;

  // Labels of a control, with those that the task's data brings.
  function labelsOf(control, data) {
    const found = [...control.labels];
    const add = (list, above) => {
      for (const one of Array.isArray(list) ? list : []) {
        const value = typeof one === "string" ? one : one?.value;
        if (typeof value !== "string") continue;
        const key = one.alias || value;
        found.push({ key, value, alias: one.alias ?? "", path: [...above, key], background: one.background ?? "", hotkey: one.hotkey ?? "", hint: one.hint ?? "" });
        add(one.children, [...above, key]);
      }
    };
    if (control.dynamicField) add(data[control.dynamicField], []);
    return found;
  }

  // stage: where it goes. given: { config, state, keys, task, isReadonly, say, changed() }.
  // -> { draw(), places, focus(id), destroy(), switched }
  labels.drawTask = (stage, given) => {
    const { config, state, keys, task } = given;
    const places = {};
    const [shownNodes, surfaces, drawn, boxes] = [[], new Map(), [], new Map()];
    const switched = new Map(Object.keys(config.controls).map((name) => [name, new Set()]));
    const all = new Map(Object.values(config.controls).map((one) => [one.name, labelsOf(one, task.data)]));
    const isMultiple = (control) => control.attributes.choice === "multiple";

    function colourOf(control, key) {
      const at = (all.get(control.name) ?? []).findIndex((one) => one.key === key);
      const one = all.get(control.name)?.[at];
      return one?.background || control.attributes.strokeColor || `var(--c${(Math.max(0, at) % FALLBACKS) + 1})`;
    }
    const colour = (region) => colourOf(config.controls[region.from_name], state.labelsOf(region)[0]);

    const page = {
      objectOf: (name) => config.objects[name],
      boxOf: (name) => boxes.get(name),
      colourOf,
      switchedOf(control) {
        const region = state.selected === null ? null : state.region(state.selected);
        if (!region || !control.toNames.includes(region.to_name)) return switched.get(control.name);
        const said = state.ofRegion(region.id).find((one) => one.from_name === control.name);
        return new Set(said ? (control.valueKey ? state.labelsOf(said) : [""]) : []);
      },
      switchLabel(control, label) {
        if (given.isReadonly()) return;
        const waiting = control.toNames.map((name) => surfaces.get(name)).find((one) => one?.hasSelection?.());
        const region = state.selected === null ? null : state.region(state.selected);
        const isOn = switched.get(control.name).has(label.key);
        const others = Object.values(config.controls).filter((one) => one.isRegion && one.toNames.some((name) => control.toNames.includes(name)));
        const keepsOwn = isMultiple(control) && !waiting;
        for (const one of others) if (one !== control || !keepsOwn) switched.get(one.name).clear();
        if (isOn && !waiting && !region) switched.get(control.name).delete(label.key);
        else switched.get(control.name).add(label.key);
        if (waiting?.apply()) return;
        if (region && control.toNames.includes(region.to_name) && control.valueKey) {
          const now = [...page.switchedOf(control)];
          const next = !isMultiple(control) ? [label.key] : now.includes(label.key) ? now.filter((one) => one !== label.key) : [...now, label.key];
          if (next.length && JSON.stringify(next) !== JSON.stringify(now)) state.relabel(region.id, control, next);
        }
        given.changed();
      },
    };
    function chosenFor(name) {
      for (const control of Object.values(config.controls)) {
        const on = switched.get(control.name);
        if (!control.isRegion || !control.toNames.includes(name) || !on.size) continue;
        return { control, labels: control.valueKey ? all.get(control.name).filter((one) => on.has(one.key)) : [] };
      }
      return null;
    }

    function addObject(box, object) {
      const make_surface = labels.surfaces[object.tag] ?? labels.strange;
      const context = {
        tag: object.tag, name: object.name, attributes: object.attributes, data: task.data,
        value: labels.valueOf(object, task.data), html: task.html[object.name],
        controls: Object.values(config.controls).filter((one) => one.toNames.includes(object.name)).map((one) => ({ ...one, labels: all.get(one.name) })),
        isReadonly: given.isReadonly(),
        add: (region) => state.add(region), change: state.change, remove: state.remove, select: state.select,
        chosen: () => chosenFor(object.name), colour, ask: given.say,
      };
      boxes.set(object.name, box);
      const surface = make_surface(box, context);
      surfaces.set(object.name, surface);
      drawn.push(() => surface.draw(state.regions(object.name), state.selected));
      if (!surface.tools?.length) return;
      const bar = make("div", { className: "row surface-tools", role: "toolbar", "aria-label": `Tools of ${object.name}` });
      for (const tool of surface.tools) {
        const key = tool.hotkey ? keys.assign(tool.hotkey, () => tool.run(), tool.label) : "";
        const button = make("button", { type: "button", className: "btn quiet small", title: tool.label, textContent: tool.icon ?? tool.label });
        if (tool.icon) button.setAttribute("aria-label", tool.label);
        if (key) button.append(make("kbd", { textContent: key, "aria-hidden": "true" }));
        button.addEventListener("click", () => tool.run());
        bar.append(button);
      }
      box.prepend(bar);
    }
    function addControl(box, control) {
      const kind = labels.controls[control.tag];
      const about = () => (control.isPerRegion && !control.isRegion ? state.selected : null);
      const title = control.attributes.title || control.attributes.label;
      if (title) box.append(make("h3", { className: "t", textContent: title, title }));
      if (control.isPerRegion && !control.isRegion) box.append(make("p", { className: "dim", textContent: "Of the region that is selected" }));
      const one = kind(box, {
        control, labels: all.get(control.name), data: task.data, page, say: given.say,
        isReadonly: given.isReadonly,
        answer: () => state.answer(control.name, about())?.value[control.valueKey] ?? null,
        set: (value, key) => !given.isReadonly() && state.setAnswer(control, value, about(), key),
        key: (wanted, run, words) => keys.assign(wanted, () => !box.closest("[hidden]") && run(), words),
      });
      drawn.push(one.draw);
    }
    function add(parent, node, above) {
      const conditions = node.attributes.visibleWhen ? [...above, node.attributes] : above;
      const control = node.kind === "control" ? config.controls[node.name] : null;
      let box = null;
      if (node.kind === "view") {
        box = make("div", { className: node.attributes.display === "inline" ? "view inline" : "view" });
        for (const child of node.children) add(box, child, conditions);
      } else if (node.kind === "header") {
        const size = Math.min(6, Math.max(2, Number(node.attributes.size) || 4));
        const value = node.attributes.value ?? "";
        box = make("p", { className: `said h${size}`, textContent: value.startsWith("$") ? String(labels.valueOf({ field: value.slice(1) }, task.data) ?? "") : value });
      } else if (node.kind === "object") {
        box = make("section", { className: `object is-${config.objects[node.name].tag.toLowerCase()}`, "data-object": node.name });
        const pair = Object.values(config.controls).find((one) => one.tag === "Pairwise" && one.toNames.includes(node.name));
        addObject(box, config.objects[node.name]);
        if (pair) {
          const beside = stage.querySelector(`[data-pair="${CSS.escape(pair.name)}"]`) ?? parent.querySelector(`[data-pair="${CSS.escape(pair.name)}"]`);
          if (beside) {
            beside.append(box);
            return;
          }
          const both = make("div", { className: "pair", "data-pair": pair.name }, box);
          parent.append(both);
          return;
        }
      } else if (control) {
        box = make("section", { className: "control", "data-control": node.name });
        waiting.push(() => addControl(box, control));
        places[node.name] = conditions;
      } else return;
      if (node.attributes.visibleWhen || control?.isPerRegion) shownNodes.push([box, conditions, control]);
      parent.append(box);
    }
    const waiting = [];
    keys.forget();
    stage.replaceChildren();
    add(stage, config.tree, []);
    waiting.forEach((one) => one());

    return {
      places, surfaces, colour,
      draw() {
        for (const [box, conditions, control] of shownNodes) box.hidden = !labels.rules.isShown(state, config, conditions, control, state.selected);
        drawn.forEach((one) => one());
      },
      focus(id) {
        const region = state.region(id);
        if (region) surfaces.get(region.to_name)?.focus?.(id);
      },
      destroy: () => surfaces.forEach((one) => one.destroy?.()),
    };
  };

  // What a fresh task begins with: choices and figures that the configuration has already given.
  labels.defaults = (config) => {
    const state = labels.makeState(config);
    for (const control of Object.values(config.controls)) {
      if (control.isPerRegion || control.isRegion) continue;
      const chosen = control.labels.filter((one) => one.selected).map((one) => one.key);
      const figure = Number(control.attributes.defaultValue);
      if (control.tag === "Choices" && chosen.length) state.setAnswer(control, control.isMultiple ? chosen : chosen.slice(0, 1));
      if (["Rating", "Number"].includes(control.tag) && control.attributes.defaultValue && Number.isFinite(figure)) state.setAnswer(control, figure);
    }
    return state.results;
  };
})();
