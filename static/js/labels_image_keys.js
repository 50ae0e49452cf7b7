// Drawing on images without a mouse: what each key does to the selected shape and to the view.
"use strict";
(() => {
  const own = (window.mlpiLabels ??= {});
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const COARSE = 0.01; // of the image's side: one press of an arrow

  /** Keys of the stage of an image surface. hands: what labels_image.js lends of itself. */
  own.imageKeys = (stage, hands) => {
    const { view, context } = hands;
    let isLeaving = false; // after Escape, Tab goes on to the next thing on the page
    const alter = (change) => {
      const edit = hands.edit("keys");
      if (!edit) return false;
      const { width, height } = view.size;
      edit.shape = change(edit.kind, edit.shape, { width, height }) ?? edit.shape;
      hands.paint();
      return true;
    };
    const steps = (event, size) => {
      const [x, y] = ARROWS[event.key];
      return event.ctrlKey || event.metaKey ? [x, y] : [x * size.width * COARSE, y * size.height * COARSE];
    };
    function arrow(event) {
      const corner = hands.corner();
      return alter((kind, shape, size) => {
        const [dx, dy] = steps(event, size);
        if (event.shiftKey) return own.shapes.resize(kind, shape, dx, dy, size);
        if (kind === "polygon" && corner >= 0) return own.shapes.moveCorner(shape, corner, shape.points[corner][0] + dx, shape.points[corner][1] + dy, size);
        return own.shapes.move(kind, shape, dx, dy, size);
      });
    }
    function turned(event) {
      const by = (event.key === "," ? -1 : 1) * (event.ctrlKey || event.metaKey ? 1 : 5);
      return alter((kind, shape, size) => (kind === "box" || kind === "ellipse" ? own.shapes.rotate(kind, shape, shape.r + by, size) : shape));
    }
    function cycle(event) {
      const items = hands.items();
      if (!items.length || isLeaving) return false;
      const at = items.findIndex((one) => one.id === hands.selected());
      const next = at < 0 ? (event.shiftKey ? -1 : 0) : at + (event.shiftKey ? -1 : 1);
      if (!items[next]) return false; // past the last one: on to the next thing on the page
      hands.settle();
      context.select(items[next].id);
      view.reveal(own.shapes.bounds(items[next].kind, items[next].shape));
      context.ask?.(`${items[next].text || own.shapes.NAMES[items[next].kind]}, ${next + 1} of ${items.length}`);
      return true;
    }
    function nextCorner(by) {
      const item = hands.selectedItem();
      if (item?.kind !== "polygon" || context.isReadonly) return false;
      const count = item.shape.points.length;
      const at = hands.corner();
      const next = at < 0 ? (by > 0 ? 0 : count - 1) : at + by;
      hands.setCorner(next >= count ? -1 : next);
      context.ask?.(hands.corner() < 0 ? "The whole polygon" : `Corner ${hands.corner() + 1} of ${count}: arrows move it, Delete removes it, Insert adds one.`);
      return true;
    }
    function remove() {
      if (hands.backOne()) return true;
      const item = hands.selectedItem();
      if (!item || context.isReadonly) return false;
      const corner = hands.corner();
      if (item.kind === "polygon" && corner >= 0) {
        if (item.shape.points.length <= 3) { context.ask?.("A polygon has three corners or more."); return true; }
        alter((kind, shape) => ({ points: shape.points.filter((_, i) => i !== corner) }));
        hands.setCorner(-1);
        hands.settle();
      } else {
        hands.settle();
        context.remove(item.id);
      }
      return true;
    }
    function insert() {
      const corner = hands.corner();
      if (corner < 0) return false;
      alter((kind, shape, size) => {
        const [from, to] = [shape.points[corner], shape.points[(corner + 1) % shape.points.length]];
        return own.shapes.drag(kind, shape, `m${corner}`, (from[0] + to[0]) / 2, (from[1] + to[1]) / 2, size);
      });
      hands.setCorner(corner + 1);
      hands.settle();
      return true;
    }
    function escape() {
      isLeaving = true;
      if (hands.cancel()) return true;
      if (hands.selected() == null) return false;
      context.select(null);
      return true;
    }
    const PLAIN = {
      "+": () => { view.nearer(); return true; },
      "=": () => { view.nearer(); return true; },
      "-": () => { view.farther(); return true; },
      0: () => { view.fit(); return true; },
      n: () => hands.put(), N: () => hands.put(),
      Enter: () => hands.close() || hands.put(),
      Escape: escape, Delete: remove, Backspace: remove, Insert: insert,
      "[": () => nextCorner(-1), "]": () => nextCorner(1),
      PageUp: () => hands.turnPage(-1), PageDown: () => hands.turnPage(1),
      " ": () => { hands.setSpace(true); return true; },
    };
    stage.addEventListener("keydown", (event) => {
      if (!view.size || event.altKey || event.target !== stage) return;
      const isCommand = event.ctrlKey || event.metaKey;
      if (event.key !== "Tab" && event.key !== "Escape" && event.key !== "Shift") isLeaving = false;
      let isDone = false;
      if (event.key === "Tab") isDone = !isCommand && cycle(event);
      else if (ARROWS[event.key]) isDone = arrow(event);
      else if (event.key === "," || event.key === ".") isDone = turned(event);
      else if (isCommand && event.key === "z" && !event.shiftKey) isDone = hands.backOne();
      else if (!isCommand) isDone = PLAIN[event.key]?.() ?? false;
      if (!isDone) return;
      event.preventDefault();
      event.stopPropagation();
    });
    stage.addEventListener("keyup", (event) => {
      if (event.key === " ") hands.setSpace(false);
      if (ARROWS[event.key] || event.key === "," || event.key === ".") hands.settle();
    });
    stage.addEventListener("blur", () => { hands.setSpace(false); hands.settle(); });
    stage.addEventListener("focus", () => { isLeaving = false; });
  };
})();
