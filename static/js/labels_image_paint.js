// Shapes over an image: SVG elements kept one to a region, their names and the handles of the selected one.
"use strict";
(() => {
  const own = (window.mlpiLabels ??= {});
  const SVG = "http://www.w3.org/2000/svg";
  const REACH_PX = 26; // from a side to the turning handle
  const LEAST_NAME_PX = 28; // smaller shapes show their name only when selected
  const LEAST_EDGE_PX = 56; // shorter sides have handles at their corners only
  const make = (name, attributes = {}, parent = null) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent?.append(element);
    return element;
  };
  const TAGS = { box: "rect", ellipse: "ellipse", polygon: "polygon", point: "path" };
  const spin = (shape) => (shape.r ? { transform: `rotate(${shape.r} ${shape.x} ${shape.y})` } : { transform: "" });
  function attributesOf(kind, shape) {
    if (kind === "box") return { x: shape.x, y: shape.y, width: shape.w, height: shape.h, ...spin(shape) };
    if (kind === "ellipse") return { cx: shape.x, cy: shape.y, rx: shape.rx, ry: shape.ry, ...spin(shape) };
    if (kind === "point") return { d: `M${shape.x} ${shape.y}h0` }; // a round cap: a dot as large as its stroke
    return { points: shape.points.map((one) => one.join()).join(" ") };
  }

  const inks = new Map();
  const dot = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const isDark = () => getComputedStyle(document.documentElement).colorScheme === "dark" || (document.documentElement.dataset.theme === undefined && matchMedia("(prefers-color-scheme: dark)").matches);
  /** Black or white, whichever is easier to read on a colour, which may be one of the house's tokens. */
  function inkOn(colour, host) {
    const key = `${colour} ${isDark()}`;
    if (!inks.has(key)) {
      const probe = Object.assign(document.createElement("span"), { hidden: true });
      probe.style.color = colour;
      host.append(probe);
      dot.clearRect(0, 0, 1, 1);
      dot.fillStyle = "#888";
      dot.fillStyle = getComputedStyle(probe).color;
      probe.remove();
      dot.fillRect(0, 0, 1, 1);
      const [r, g, b] = [...dot.getImageData(0, 0, 1, 1).data].map((part) => (part / 255) ** 2.2);
      inks.set(key, 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#000" : "#fff");
    }
    return inks.get(key);
  }

  /** A painter over stage. Items are {id, kind, shape, colour, text}, shapes in pixels of the image. */
  own.imagePainter = (stage) => {
    const svg = make("svg", { class: "over", "aria-hidden": "true" });
    const world = make("g", {}, svg);
    const [shapes, draft] = [make("g", { class: "shapes" }, world), make("g", { class: "draft" }, world)];
    const stem = make("polyline", { class: "stem" }, svg); // from a side to the turning handle
    const handles = make("g", { class: "handles" }, svg);
    const names = Object.assign(document.createElement("div"), { className: "names" });
    names.setAttribute("aria-hidden", "true");
    const layer = Object.assign(document.createElement("div"), { className: "layer" });
    layer.append(svg, names);
    stage.append(layer);
    let at = null; // the view that the layer was drawn for
    const drawn = new Map(); // id → {group, parts, name, item, key}

    function add(item) {
      const group = make("g", { class: `shape ${item.kind}`, "data-id": item.id });
      const parts = item.kind === "point" ? [make("path", { class: "halo" }, group), make("path", { class: "line" }, group)]
        : [make(TAGS[item.kind], { class: "halo" }, group), make(TAGS[item.kind], { class: "line" }, group)];
      const name = Object.assign(document.createElement("span"), { className: "name", hidden: true });
      names.append(name);
      return { group, parts, name, kind: item.kind, key: "" };
    }
    /** Makes what is there equal to items: elements stay those of their region. */
    function draw(items, selectedId) {
      const gone = new Set(drawn.keys());
      let after = null;
      for (const item of items) {
        gone.delete(item.id);
        let one = drawn.get(item.id);
        if (one && one.kind !== item.kind) { one.group.remove(); one.name.remove(); one = undefined; }
        if (!one) drawn.set(item.id, (one = add(item)));
        const attributes = attributesOf(item.kind, item.shape);
        const key = JSON.stringify([attributes, item.colour, item.text]);
        if (key !== one.key) {
          for (const part of one.parts) for (const [name, value] of Object.entries(attributes)) part.setAttribute(name, value);
          one.group.style.color = one.name.style.backgroundColor = item.colour;
          one.name.style.color = inkOn(item.colour, stage);
          one.name.textContent = item.text;
          one.key = key;
          one.around = own.shapes.bounds(item.kind, item.shape);
        }
        one.isSelected = item.id === selectedId;
        one.hasText = Boolean(item.text);
        one.group.classList.toggle("is-selected", one.isSelected);
        one.name.classList.toggle("is-selected", one.isSelected);
        const place = after ? after.nextSibling : shapes.firstChild;
        if (place !== one.group) shapes.insertBefore(one.group, place);
        after = one.group;
      }
      for (const id of gone) {
        drawn.get(id).group.remove();
        drawn.get(id).name.remove();
        drawn.delete(id);
      }
    }
    const isAt = (view) => at !== null && at.x === view.x && at.y === view.y && at.k === view.k;
    /** While the view moves, the layer moves as a picture: nothing in it is laid out or drawn anew.
     * False when it would have to move so far that what lies beside the stage is missed. */
    function glide(view) {
      const by = view.k / at.k;
      const [dx, dy] = [view.x - at.x * by, view.y - at.y * by];
      const isFar = by < 0.6 || by > 4 || (by === 1 && (Math.abs(dx) > view.width / 3 || Math.abs(dy) > view.height / 3));
      if (isFar) return false;
      layer.style.transform = `translate3d(${dx}px, ${dy}px, 0) scale(${by})`;
      return true;
    }
    /** Drawn for where the view is: one transform for all shapes; names and handles keep their size. */
    function place(view) {
      at = { x: view.x, y: view.y, k: view.k };
      layer.style.transform = "";
      world.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.k})`);
      for (const { name, around, isSelected, hasText } of drawn.values()) {
        const [x, y] = view.toScreen(around.x0, around.y0);
        const isSmall = (around.x1 - around.x0) * view.k < LEAST_NAME_PX && around.x1 > around.x0;
        const isAway = x > view.width || y > view.height + 20 || view.toScreen(around.x1, 0)[0] < 0 || view.toScreen(0, around.y1)[1] < 0;
        const isShown = hasText && (isSelected || !isSmall) && !isAway;
        if (name.hidden === isShown) name.hidden = !isShown;
        if (isShown) name.style.transform = `translate(${Math.round(Math.max(0, x))}px, ${Math.round(Math.max(0, y - 18))}px)`;
      }
    }
    /** The handles of the selected shape, or none. corner: the one that keys move, or -1. */
    function hold(item, view, corner) {
      const found = item ? own.shapes.handles(item.kind, item.shape, REACH_PX / view.k) : [];
      const around = item ? own.shapes.bounds(item.kind, item.shape) : null;
      const [wide, high] = around ? [(around.x1 - around.x0) * view.k, (around.y1 - around.y0) * view.k] : [0, 0];
      const shown = found.filter(({ key }) => item.kind !== "box" || !((key === "n" || key === "s") && wide < LEAST_EDGE_PX) && !((key === "e" || key === "w") && high < LEAST_EDGE_PX));
      const [foot, knob] = [found.find((one) => one.key === "n"), found.find((one) => one.key === "turn")];
      stem.setAttribute("points", knob ? [foot, knob].map((one) => view.toScreen(one.x, one.y).join()).join(" ") : "");
      stem.style.color = item?.colour ?? "";
      while (handles.children.length > shown.length) handles.lastChild.remove();
      shown.forEach((one, i) => {
        const group = handles.children[i] ?? make("g", {}, handles);
        if (!group.firstChild) { make("circle", { class: "reach" }, group); make("circle", { class: "knob" }, group); }
        const [x, y] = view.toScreen(one.x, one.y);
        group.setAttribute("transform", `translate(${x} ${y})`);
        group.dataset.handle = one.key;
        group.style.cursor = one.cursor;
        group.style.color = item.colour;
        group.setAttribute("class", `handle ${one.key[0] === "m" ? "between" : one.key === "turn" ? "turn" : ""} ${one.key === `p${corner}` ? "is-corner" : ""}`);
      });
    }
    /** What is being drawn: {kind, shape | points, to, colour}, or null. */
    function sketch(now) {
      draft.replaceChildren();
      if (!now) return;
      draft.style.color = now.colour;
      if (now.kind !== "polygon") {
        const attributes = attributesOf(now.kind, now.shape);
        for (const layer of ["halo", "line"]) make(TAGS[now.kind], { ...attributes, class: layer }, draft);
        return;
      }
      const places = [...now.points, ...(now.to ? [[now.to.x, now.to.y]] : [])];
      for (const layer of ["halo", "line"]) make("polyline", { points: places.map((one) => one.join()).join(" "), class: layer }, draft);
      now.points.forEach(([x, y], i) => {
        const isWay = !i && now.points.length > 2; // a click on the first point closes it
        for (const layer of isWay ? ["ring", "dot first"] : ["dot"]) make("path", { d: `M${x} ${y}h0`, class: layer }, draft);
      });
    }
    return { draw, place, glide, isAt, hold, sketch, elementOf: (id) => drawn.get(id)?.group };
  };
})();
