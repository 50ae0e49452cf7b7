// A frame around one surface, as small as the editor's interface allows: state, labels, undo.
"use strict";
(() => {
  const spec = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  const state = { regions: structuredClone(spec.regions ?? []), selected: null, chosen: null, next: 1, past: [], said: [], changes: 0 };
  let surface = null;
  const redraw = () => surface.draw(structuredClone(state.regions), state.selected);
  const keep = () => state.past.push(structuredClone(state.regions));
  const context = {
    tag: spec.tag, name: spec.name ?? "picture", attributes: spec.attributes ?? {}, value: spec.value, data: { it: spec.value },
    controls: spec.controls, isReadonly: spec.isReadonly ?? false,
    add(region) {
      keep();
      const id = `r${state.next++}`;
      state.regions.push({ id, ...structuredClone(region) });
      redraw();
      return id;
    },
    change(id, value) {
      keep();
      state.changes += 1;
      state.regions = state.regions.map((one) => (one.id === id ? { ...one, value } : one));
      redraw();
    },
    remove(id) {
      keep();
      state.regions = state.regions.filter((one) => one.id !== id);
      if (state.selected === id) state.selected = null;
      redraw();
    },
    select(id) {
      state.selected = id;
      redraw();
    },
    chosen: () => state.chosen,
    colour(region) {
      const control = spec.controls.find((one) => one.name === region.from_name);
      const key = region.value[region.type]?.[0];
      return control?.labels?.find((one) => one.key === key)?.background ?? "#1d5fa8";
    },
    ask(text) {
      state.said.push(text);
      document.getElementById("said").textContent = text;
    },
  };
  for (const control of spec.controls) {
    for (const label of control.labels?.length ? control.labels : [{ key: null, value: control.tag }]) {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "btn", textContent: label.value });
      button.addEventListener("click", () => choose(control.name, label.key));
      document.getElementById("labels").append(button);
    }
  }
  function choose(name, key) {
    const control = spec.controls.find((one) => one.name === name);
    state.chosen = name == null ? null : { control, labels: key == null ? [] : [key] };
    redraw();
  }
  function undo() {
    if (!state.past.length) return;
    state.regions = state.past.pop();
    redraw();
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey && event.key === "z") undo();
  });
  if (spec.theme) document.documentElement.dataset.theme = spec.theme;
  surface = mlpiLabels.surfaces[spec.tag](document.getElementById("surface"), context);
  redraw();
  window.harness = { state, surface, choose, undo, redraw, context };
})();
