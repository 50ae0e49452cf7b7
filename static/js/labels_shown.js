// Objects that are looked at and not marked: Table, and the items of a List.
"use strict";
(() => {
  const labels = window.mlpiLabels;
  const { make } = labels;
  const still = { draw() {}, destroy() {} };
  const words = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value ?? ""));

  function parsed(value) {
    if (typeof value !== "string") return value;
    try {
      return JSON.parse(value);
    } catch {
      return { text: value };
    }
  }
  // An object's fields line by line, or a list of objects as a table with their fields for columns.
  labels.surfaces.Table = (box, context) => {
    const value = parsed(context.value);
    const table = make("table");
    if (Array.isArray(value)) {
      const names = [...new Set(value.flatMap((one) => Object.keys(Object(one))))];
      table.append(make("thead", {}, make("tr", {}, ...names.map((one) => make("th", { textContent: one, title: one })))));
      table.append(make("tbody", {}, ...value.map((one) => make("tr", {}, ...names.map((name) => make("td", { className: "wrap", textContent: words(one?.[name]) }))))));
    } else {
      table.append(make("tbody", {}, ...Object.entries(Object(value)).map(([name, one]) => make("tr", {}, make("th", { scope: "row", textContent: name, title: name }), make("td", { className: "wrap", textContent: words(one) })))));
    }
    box.append(make("div", { className: "table-box", role: "region", tabindex: "0", "aria-label": `Table ${context.name}` }, table));
    return still;
  };
  // A Ranker shows the items itself, in the order they are given there.
  labels.surfaces.List = (box, context) => {
    if (context.controls.some((one) => one.tag === "Ranker")) return still;
    const items = Array.isArray(context.value) ? context.value : [];
    box.append(make("ol", { className: "items" }, ...items.map((one) => make("li", {}, make("b", { textContent: words(one?.title ?? one?.id) }), make("p", { textContent: words(one?.body ?? "") })))));
    return still;
  };
})();
