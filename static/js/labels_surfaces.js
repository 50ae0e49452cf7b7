// What shows an object of a task: a surface for each tag, and how they are made.
//
// window.mlpiLabels.surfaces[tagName] = (box, context) => surface
//
//   box      an empty element to draw into.
//   context  { tag, name, attributes,
//              value       the task's data for it, data: the whole task's data,
//              html        of HyperText: its HTML, cleaned by the server,
//              controls    [{ name, tag, type, attributes,
//                             labels: [{ key, value, alias, background, hotkey }] }] about it,
//              isReadonly,
//              add(region) -> id    region: a result without id: { from_name, to_name, type, value,
//                                   original_width?, original_height?, image_rotation? }
//              change(id, value)    it was moved or resized; value replaces the region's value, its
//                                   labels apart
//              remove(id), select(id | null),
//              chosen() -> { control, labels } | null
//                                   what a new region gets: the control and those of its labels that
//                                   are switched on; null: none is. add() takes labels or their keys
//              colour(region) -> a CSS colour,
//              ask(text) }          says something in the status line
//   surface  { draw(regions, selectedId)  make the view equal to the state; called after every change
//              focus?(id), apply?() -> true when it made a region of what is selected in it,
//              tools?: [{ key, label, icon?, hotkey?, run() }], zoom?, destroy() }
"use strict";
(() => {
  const labels = (window.mlpiLabels = window.mlpiLabels ?? {});
  labels.surfaces = labels.surfaces ?? {};

  // An element with attributes, properties and children, for all scripts of this page.
  labels.make = (tag, given = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(given)) {
      if (value === undefined || value === null || value === false) continue;
      if (name in made && typeof value !== "string") made[name] = value;
      else if (name === "textContent" || name === "className" || name === "value") made[name] = value;
      else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((one) => one !== null && one !== undefined));
    return made;
  };

  // A name that nobody else gives; also where pages come without https and have no randomUUID.
  labels.newId = (length = 10) => {
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    return [...crypto.getRandomValues(new Uint8Array(length))].map((one) => letters[one & 63]).join("");
  };

  // The part of a task's data that an object shows: a field, or one inside of another.
  labels.valueOf = (object, data) => {
    if (object.field === null) return object.value;
    if (object.field in data) return data[object.field];
    let found = data;
    for (const part of object.field.split(".")) found = found?.[part];
    return found;
  };

  // Said in place of an object that no script here can show.
  labels.strange = (box, object) => {
    box.append(labels.make("p", { className: "dim", textContent: `<${object.tag}> cannot be shown here.` }));
    return { draw() {}, destroy() {} };
  };
})();
