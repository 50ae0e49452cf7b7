// Shapes on images: pure arithmetic between Label Studio's percent and pixels of the image.
"use strict";
(() => {
  const own = (window.mlpiLabels ??= {});
  const KINDS = { rectangle: "box", polygon: "polygon", ellipse: "ellipse", keypoint: "point" };
  const NAMES = { box: "box", polygon: "polygon", ellipse: "ellipse", point: "point" };
  const LEAST = 1; // pixels of the image: no side is shorter
  const SAME = 1e-9; // percent: what differs by less was not touched

  /** box, polygon, ellipse or point for a control's tag or a result's type; undefined for others. */
  const kindOf = (name) => KINDS[String(name ?? "").toLowerCase().replace(/labels$/, "")];
  const turn = (x, y, degrees) => {
    if (!degrees) return [x, y];
    const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
    return [x * cos - y * sin, x * sin + y * cos];
  };
  const within = (value, low, high) => Math.min(Math.max(value, low), high);

  // --- percent and pixels ------------------------------------------------------------------------
  /** A result's value in pixels of an image of size {width, height}; null when it is no shape. */
  function toPixels(kind, value, size) {
    const [px, py] = [size.width / 100, size.height / 100];
    const found =
      kind === "box" ? { x: value.x * px, y: value.y * py, w: value.width * px, h: value.height * py, r: value.rotation || 0 }
      : kind === "ellipse" ? { x: value.x * px, y: value.y * py, rx: value.radiusX * px, ry: value.radiusY * py, r: value.rotation || 0 }
      : kind === "point" ? { x: value.x * px, y: value.y * py, w: (value.width || 0) * px }
      : { points: (value.points ?? []).map(([x, y]) => [x * px, y * py]) };
    const numbers = found.points ? found.points.flat() : Object.values(found);
    return numbers.length && numbers.every(Number.isFinite) ? found : null;
  }
  /** The geometry keys of a result's value. What old says already to 1e-9 stays as it is there. */
  function toPercent(kind, shape, size, old = {}) {
    const [px, py] = [100 / size.width, 100 / size.height];
    const made =
      kind === "box" ? { x: shape.x * px, y: shape.y * py, width: shape.w * px, height: shape.h * py, rotation: shape.r }
      : kind === "ellipse" ? { x: shape.x * px, y: shape.y * py, radiusX: shape.rx * px, radiusY: shape.ry * py, rotation: shape.r }
      : kind === "point" ? { x: shape.x * px, y: shape.y * py, width: shape.w * px }
      : { points: shape.points.map(([x, y]) => [x * px, y * py]) };
    for (const key of Object.keys(made)) {
      if (key !== "points" && Math.abs(made[key] - old[key]) < SAME) made[key] = old[key];
      if ((key === "rotation" || key === "width" && kind === "point") && made[key] === 0 && !(key in old) && Object.keys(old).length) delete made[key];
    }
    const kept = old.points ?? [];
    if (made.points?.length === kept.length) made.points = made.points.map((one, i) => one.map((part, axis) => (Math.abs(part - kept[i][axis]) < SAME ? kept[i][axis] : part)));
    if (kind === "polygon" && "closed" in old) made.closed = old.closed;
    return made;
  }

  // --- where a shape is --------------------------------------------------------------------------
  const corners = ({ x, y, w, h, r }) => [[0, 0], [w, 0], [w, h], [0, h]].map(([u, v]) => turn(u, v, r).map((part, axis) => part + (axis ? y : x)));
  const centre = ({ x, y, w, h, r }) => turn(w / 2, h / 2, r).map((part, axis) => part + (axis ? y : x));
  /** The upright box around a shape: {x0, y0, x1, y1}. */
  function bounds(kind, shape) {
    if (kind === "point") return { x0: shape.x, y0: shape.y, x1: shape.x, y1: shape.y };
    if (kind === "ellipse") {
      const [a, b] = [turn(shape.rx, 0, shape.r), turn(0, shape.ry, shape.r)];
      const [dx, dy] = [Math.hypot(a[0], b[0]), Math.hypot(a[1], b[1])];
      return { x0: shape.x - dx, y0: shape.y - dy, x1: shape.x + dx, y1: shape.y + dy };
    }
    const places = kind === "box" ? corners(shape) : shape.points;
    const [xs, ys] = [places.map((one) => one[0]), places.map((one) => one[1])];
    return { x0: Math.min(...xs), y0: Math.min(...ys), x1: Math.max(...xs), y1: Math.max(...ys) };
  }
  const area = (kind, shape) => {
    const { x0, y0, x1, y1 } = bounds(kind, shape);
    return (x1 - x0) * (y1 - y0);
  };
  function isInside(kind, shape, size) {
    const { x0, y0, x1, y1 } = bounds(kind, shape);
    return x0 >= -1e-6 && y0 >= -1e-6 && x1 <= size.width + 1e-6 && y1 <= size.height + 1e-6;
  }

  // --- changes: each gives a new shape within the image ------------------------------------------
  function shifted(kind, shape, dx, dy) {
    if (kind === "polygon") return { points: shape.points.map(([x, y]) => [x + dx, y + dy]) };
    return { ...shape, x: shape.x + dx, y: shape.y + dy };
  }
  /** Moved as far as the image reaches; what lies outside already is not pulled in by force. */
  function move(kind, shape, dx, dy, size) {
    const { x0, y0, x1, y1 } = bounds(kind, shape);
    const along = (by, low, high, most) => within(by, Math.min(0, -low), Math.max(0, most - high));
    return shifted(kind, shape, along(dx, x0, x1, size.width), along(dy, y0, y1, size.height));
  }
  function moveCorner(shape, index, x, y, size) {
    const points = shape.points.map((one) => [...one]);
    points[index] = [within(x, 0, size.width), within(y, 0, size.height)];
    return { points };
  }
  /** Grown to the right and down by dx, dy pixels; its first corner (an ellipse's centre) stays. */
  function resize(kind, shape, dx, dy, size) {
    let made = shape;
    if (kind === "box") made = { ...shape, w: Math.max(LEAST, shape.w + dx), h: Math.max(LEAST, shape.h + dy) };
    if (kind === "ellipse") made = { ...shape, rx: Math.max(LEAST / 2, shape.rx + dx), ry: Math.max(LEAST / 2, shape.ry + dy) };
    if (kind === "polygon") {
      const { x0, y0, x1, y1 } = bounds(kind, shape);
      const [fx, fy] = [Math.max(LEAST, x1 - x0 + dx) / (x1 - x0 || 1), Math.max(LEAST, y1 - y0 + dy) / (y1 - y0 || 1)];
      made = { points: shape.points.map(([x, y]) => [x0 + (x - x0) * fx, y0 + (y - y0) * fy]) };
    }
    if (isInside(kind, made, size)) return made;
    if (kind === "box" && !shape.r) return { ...made, w: Math.min(made.w, size.width - shape.x), h: Math.min(made.h, size.height - shape.y) };
    return shape;
  }
  /** Turned about its middle to degrees; as it was when it would leave the image. */
  function rotate(kind, shape, degrees, size) {
    const r = ((degrees % 360) + 360) % 360;
    let made = { ...shape, r };
    if (kind === "box") {
      const [cx, cy] = centre(shape);
      const [dx, dy] = turn(shape.w / 2, shape.h / 2, r);
      made = { ...shape, r, x: cx - dx, y: cy - dy };
    }
    return isInside(kind, made, size) ? made : shape;
  }

  // --- handles -----------------------------------------------------------------------------------
  const EDGES = { nw: [0, 0], n: [0.5, 0], ne: [1, 0], e: [1, 0.5], se: [1, 1], s: [0.5, 1], sw: [0, 1], w: [0, 0.5] };
  const TURNS = ["n", "ne", "e", "se", "s", "sw", "w", "nw"];
  const cursorOf = (key, r) => `${TURNS[(TURNS.indexOf(key) + Math.round(r / 45) + 8) % 8]}-resize`;
  /** Where a selected shape is held: [{key, x, y, cursor}]. reach: pixels from a side to the turning handle. */
  function handles(kind, shape, reach) {
    if (kind === "box") {
      const at = (u, v) => turn(u, v, shape.r).map((part, axis) => part + (axis ? shape.y : shape.x));
      const made = Object.entries(EDGES).map(([key, [u, v]]) => {
        const [x, y] = at(u * shape.w, v * shape.h);
        return { key, x, y, cursor: cursorOf(key, shape.r) };
      });
      const [x, y] = at(shape.w / 2, -reach);
      return [...made, { key: "turn", x, y, cursor: "grab" }];
    }
    if (kind === "ellipse") {
      const at = (u, v) => turn(u, v, shape.r).map((part, axis) => part + (axis ? shape.y : shape.x));
      const ends = { n: [0, -shape.ry], e: [shape.rx, 0], s: [0, shape.ry], w: [-shape.rx, 0], turn: [0, -shape.ry - reach] };
      return Object.entries(ends).map(([key, [u, v]]) => {
        const [x, y] = at(u, v);
        return { key, x, y, cursor: key === "turn" ? "grab" : cursorOf(key, shape.r) };
      });
    }
    if (kind === "polygon") {
      const { points } = shape;
      const between = points.map(([x, y], i) => {
        const next = points[(i + 1) % points.length];
        return { key: `m${i}`, x: (x + next[0]) / 2, y: (y + next[1]) / 2, cursor: "copy" };
      });
      return [...between, ...points.map(([x, y], i) => ({ key: `p${i}`, x, y, cursor: "move" }))];
    }
    return [];
  }
  /** A shape after one of its handles was dragged to (x, y). start: as it was before; isFine: snaps turns to 15°. */
  function drag(kind, start, key, x, y, size, isFine) {
    if (key[0] === "p" || key[0] === "m") {
      const index = Number(key.slice(1));
      if (key[0] === "p") return moveCorner(start, index, x, y, size);
      const points = [...start.points];
      points.splice(index + 1, 0, [x, y]);
      return moveCorner({ points }, index + 1, x, y, size);
    }
    if (key === "turn") {
      const [cx, cy] = kind === "box" ? centre(start) : [start.x, start.y];
      const degrees = (Math.atan2(y - cy, x - cx) * 180) / Math.PI + 90;
      return rotate(kind, start, isFine ? Math.round(degrees / 15) * 15 : degrees, size);
    }
    const [px, py] = [within(x, 0, size.width), within(y, 0, size.height)];
    const [u, v] = turn(px - start.x, py - start.y, -start.r);
    if (kind === "ellipse") {
      const made = key === "e" || key === "w" ? { ...start, rx: Math.max(LEAST / 2, Math.abs(u)) } : { ...start, ry: Math.max(LEAST / 2, Math.abs(v)) };
      return isInside(kind, made, size) ? made : null;
    }
    let [left, top, right, bottom] = [0, 0, start.w, start.h];
    if (key.includes("w")) left = u;
    if (key.includes("e")) right = u;
    if (key.startsWith("n")) top = v;
    if (key.startsWith("s")) bottom = v;
    if (right < left) [left, right] = [right, left];
    if (bottom < top) [top, bottom] = [bottom, top];
    const [dx, dy] = turn(left, top, start.r);
    const made = { ...start, x: start.x + dx, y: start.y + dy, w: Math.max(LEAST, right - left), h: Math.max(LEAST, bottom - top) };
    return isInside(kind, made, size) ? made : null;
  }

  // --- new shapes --------------------------------------------------------------------------------
  /** From where the pointer went down to where it is: an ellipse grows from its centre, as in Label Studio. */
  function spanned(kind, from, to, size) {
    const [x, y] = [within(to.x, 0, size.width), within(to.y, 0, size.height)];
    if (kind === "box") return { x: Math.min(from.x, x), y: Math.min(from.y, y), w: Math.abs(x - from.x), h: Math.abs(y - from.y), r: 0 };
    const most = [Math.min(from.x, size.width - from.x), Math.min(from.y, size.height - from.y)];
    return { x: from.x, y: from.y, rx: Math.min(Math.abs(x - from.x), most[0]), ry: Math.min(Math.abs(y - from.y), most[1]), r: 0 };
  }
  /** A quarter of what is seen, in its middle: where keys begin. seen: {x0, y0, x1, y1} in pixels. */
  function middle(kind, seen, stroke) {
    const [w, h] = [(seen.x1 - seen.x0) / 4, (seen.y1 - seen.y0) / 4];
    const [x, y] = [(seen.x0 + seen.x1) / 2, (seen.y0 + seen.y1) / 2];
    if (kind === "box") return { x: x - w / 2, y: y - h / 2, w, h, r: 0 };
    if (kind === "ellipse") return { x, y, rx: w / 2, ry: h / 2, r: 0 };
    if (kind === "point") return { x, y, w: stroke };
    return { points: corners({ x: x - w / 2, y: y - h / 2, w, h, r: 0 }) };
  }

  own.shapes = { kindOf, NAMES, toPixels, toPercent, bounds, area, move, moveCorner, resize, rotate, handles, drag, spanned, middle, corners, within };
})();
