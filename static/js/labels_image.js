// Images to draw on: boxes, polygons, ellipses and points, as Label Studio's results.
//
// These shapes are our own SVG and not Annotorious': without its plugins it can draw neither ellipses
// nor points, it has no zoom on plain images, keeps shapes in its own form (so that what nobody
// touched would not come back digit for digit), and no key makes or moves a shape. Two layers over one
// image, ours for the rest, would quarrel over who is hit first.
"use strict";
(() => {
  const own = (window.mlpiLabels ??= {});
  own.surfaces ??= {};
  const { shapes } = own;
  const CLICK_PX = 4; // a pointer that moved less has clicked
  const CLOSE_PX = matchMedia("(pointer: coarse)").matches ? 22 : 10;
  const REST_MS = 120; // after a zoom or a pan, shapes are drawn sharp again
  const SAME_PX = 2; // a double click's second point
  const HELP = "With a label chosen, N puts a shape in the middle. Arrows move it, Shift and arrows resize it, Ctrl makes steps of one pixel, comma and full stop turn it. Tab goes from shape to shape, Escape leaves it, Delete removes it. Plus, minus and 0 zoom. Square brackets choose a polygon's corner.";

  own.surfaces.Image = (box, context) => {
    const urls = (Array.isArray(context.value) ? context.value : [context.value]).map((one) => (typeof one === "string" ? one : ""));
    const frame = own.imageFrame(box, context, urls.length, HELP);
    const { stage, picture } = frame;
    const painter = own.imagePainter(stage);
    const view = own.imageView(stage, paint);
    const now = { page: 0, regions: [], selected: null, corner: -1, edit: null, draft: null, isHand: false, isSpace: false };
    let rest = 0;
    let known = []; // items of this page, largest first: small ones lie on top

    // --- what there is ---------------------------------------------------------------------------
    const labelName = (region) => {
      const control = context.controls.find((one) => one.name === region.from_name);
      const given = region.value[region.type];
      return (Array.isArray(given) ? given : []).map((key) => control?.labels?.find((one) => one.key === key)?.value ?? key).join(", ");
    };
    const isHere = (region) => region.to_name === context.name && !region.hidden && (urls.length < 2 || (region.item_index ?? 0) === now.page);
    function read() {
      known = [];
      if (!view.size) return;
      for (const region of now.regions) {
        const kind = shapes.kindOf(region.type);
        const shape = kind && isHere(region) ? shapes.toPixels(kind, region.value, view.size) : null;
        if (shape) known.push({ id: region.id, kind, shape, region, colour: context.colour(region), text: labelName(region), area: shapes.area(kind, shape) });
      }
      known.sort((a, b) => b.area - a.area);
    }
    const items = () => known.map((one) => (now.edit?.id === one.id ? { ...one, shape: now.edit.shape } : one));
    const selectedItem = () => items().find((one) => one.id === now.selected) ?? null;
    function target() {
      if (context.isReadonly) return null;
      const chosen = context.chosen();
      const kind = chosen?.control && shapes.kindOf(chosen.control.tag);
      return kind ? { kind, control: chosen.control, labels: (chosen.labels ?? []).map((one) => one.key ?? one) } : null;
    }
    function repaint() {
      painter.draw(items(), now.selected);
      paint();
    }
    function paint() {
      if (!view.size) return;
      frame.show(view);
      clearTimeout(rest);
      if (painter.isAt(view) || stage.dataset.drawn !== "true" || !painter.glide(view)) settleView();
      else rest = setTimeout(settleView, REST_MS);
    }
    function settleView() {
      if (!view.size) return;
      stage.dataset.drawn = "true";
      painter.place(view);
      painter.hold(context.isReadonly || now.edit?.hidesHandles ? null : selectedItem(), view, now.corner);
      painter.sketch(now.draft);
      const to = target();
      stage.dataset.mode = now.isHand || now.isSpace ? "pan" : to ? "draw" : "look";
    }
    stage.addEventListener("pointerenter", paint);

    // --- new regions -----------------------------------------------------------------------------
    function regionOf({ kind, control, labels }, shape) {
      const value = shapes.toPercent(kind, shape, view.size);
      if (kind === "polygon") value.closed = true;
      if (control.tag.endsWith("Labels")) value[control.type] = [...labels];
      const region = { from_name: control.name, to_name: context.name, type: control.type, value, original_width: view.size.width, original_height: view.size.height, image_rotation: 0 };
      return urls.length > 1 ? { ...region, item_index: now.page } : region;
    }
    function add(to, shape) {
      now.draft = null;
      const id = context.add(regionOf(to, shape));
      if (id != null) context.select(id);
      repaint();
    }
    /** A point's width: its control's stroke (2 unless told) in pixels of the image. */
    const strokeOf = (to) => Math.min(Number(to.control.attributes?.strokeWidth ?? to.control.attributes?.strokewidth) || 2, view.size.width);
    function put() {
      const to = target();
      if (!to) {
        if (!context.isReadonly) context.ask?.("Choose a label first: it says what is drawn.");
        return false;
      }
      const seen = view.seen();
      if (seen.x1 <= seen.x0 || seen.y1 <= seen.y0) view.fit();
      settle();
      add(to, shapes.middle(to.kind, view.seen(), strokeOf(to)));
      context.ask?.(`A new ${shapes.NAMES[to.kind]} in the middle: arrows move it, with Shift they resize it, with Ctrl by one pixel.`);
      return true;
    }
    function begin(to, at) {
      now.draft = { ...to, from: at, points: [], colour: context.colour(regionOf(to, shapes.middle(to.kind, { x0: 0, y0: 0, x1: 1, y1: 1 }, 1))) };
      return now.draft;
    }
    function addPoint(to, at) {
      const draft = now.draft ?? begin(to, at);
      const near = (point, most) => point && Math.hypot(point[0] - at.x, point[1] - at.y) * view.k <= most;
      if (draft.points.length > 2 && near(draft.points[0], CLOSE_PX)) return close();
      if (!near(draft.points.at(-1), SAME_PX)) draft.points.push([at.x, at.y]);
      paint();
      return true;
    }
    function close() {
      const { draft } = now;
      if (draft?.kind !== "polygon") return false;
      if (draft.points.length < 3) context.ask?.("A polygon needs three points or more; Escape gives it up.");
      else add(draft, { points: draft.points });
      return true;
    }
    function backOne() {
      if (now.draft?.kind !== "polygon") return false;
      now.draft.points.pop();
      if (!now.draft.points.length) now.draft = null;
      paint();
      return true;
    }
    function cancel() {
      const isAny = Boolean(now.draft || now.edit);
      now.draft = now.edit = null;
      now.drag = null;
      repaint();
      return isAny;
    }

    // --- changes of a region: shown at once, told when the hand lets go ---------------------------
    function edit(how) {
      if (context.isReadonly) return null;
      if (now.edit && !now.edit.isTold && now.edit.id === now.selected) return now.edit;
      const item = selectedItem();
      if (!item) return null;
      now.edit = { id: item.id, kind: item.kind, region: item.region, start: item.shape, shape: item.shape, how };
      return now.edit;
    }
    function settle() {
      const { edit: done } = now;
      if (!done || done.isTold) return;
      if (JSON.stringify(done.start) === JSON.stringify(done.shape)) { now.edit = null; repaint(); return; }
      done.isTold = true; // its shape is shown until the state that holds it is drawn
      done.hidesHandles = false;
      const kept = { ...done.region.value };
      context.change(done.id, { ...kept, ...shapes.toPercent(done.kind, done.shape, view.size, kept) });
      repaint();
    }

    // --- pointers --------------------------------------------------------------------------------
    const down = new Map();
    const inImage = (at) => ({ x: shapes.within(at.x, 0, view.size.width), y: shapes.within(at.y, 0, view.size.height) });
    stage.addEventListener("pointerdown", (event) => {
      if (!view.size || event.target.closest("button")) return;
      stage.focus({ preventScroll: true });
      settle();
      const at = view.place(event);
      const handle = event.target.closest("[data-handle]")?.dataset.handle;
      const hit = event.target.closest("[data-id]")?.dataset.id;
      if (event.button === 1) event.preventDefault(); // no scrolling by the middle button
      stage.setPointerCapture(event.pointerId);
      down.set(event.pointerId, at);
      if (down.size > 1) { // a second finger: what the first began is given up
        if (now.draft?.kind !== "polygon") now.draft = null;
        now.edit = null;
        now.drag = { mode: "pinch" };
        return repaint();
      }
      const drag = (now.drag = { from: at, at: view.toImage(at), hit: known.find((one) => String(one.id) === hit)?.id, mode: "pan", hasMoved: false });
      if (event.button === 1 || now.isSpace || now.isHand) return undefined;
      if (event.button) { now.drag = null; return undefined; }
      const to = now.draft ?? target();
      if (now.draft?.kind === "polygon") drag.mode = "point";
      else if (handle && edit("pointer")) Object.assign(drag, { mode: "handle", handle });
      else if (drag.hit != null && drag.hit === now.selected && !event.ctrlKey && !context.isReadonly) drag.mode = "move";
      else if (to) Object.assign(drag, { mode: to.kind === "polygon" || to.kind === "point" ? "point" : "draw", to });
      else if (drag.hit != null) {
        context.select(drag.hit);
        drag.mode = context.isReadonly ? "pan" : "move";
      }
      return undefined;
    });
    stage.addEventListener("pointermove", (event) => {
      const at = view.size && view.place(event);
      if (at && now.draft?.kind === "polygon") { now.draft.to = inImage(view.toImage(at)); view.soon(); }
      const before = down.get(event.pointerId);
      const { drag } = now;
      if (!before || !drag) return;
      down.set(event.pointerId, at);
      if (drag.mode === "pinch") {
        const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
        if (other) view.pinch([before, other], [at, other]);
        return;
      }
      if (!drag.hasMoved && Math.hypot(at.x - drag.from.x, at.y - drag.from.y) < CLICK_PX) return;
      drag.hasMoved = true;
      if (drag.mode === "pan") return view.pan(at.x - before.x, at.y - before.y);
      const place = view.toImage(at);
      if (drag.mode === "draw") {
        const draft = now.draft ?? begin(drag.to, inImage(drag.at));
        draft.shape = shapes.spanned(draft.kind, draft.from, place, view.size);
        return view.soon();
      }
      const change = drag.mode === "move" || drag.mode === "handle" ? edit("pointer") : null;
      if (!change) return undefined;
      if (drag.mode === "move") change.shape = shapes.move(change.kind, change.start, place.x - drag.at.x, place.y - drag.at.y, view.size);
      else change.shape = shapes.drag(change.kind, change.start, drag.handle, place.x, place.y, view.size, event.shiftKey) ?? change.shape;
      change.hidesHandles = drag.mode === "move";
      return repaint();
    });
    const up = (event) => {
      if (!down.delete(event.pointerId)) return;
      const { drag } = now;
      if (drag?.mode === "pinch") { if (!down.size) now.drag = null; return; }
      now.drag = null;
      if (!drag || event.type === "pointercancel") { cancel(); return; }
      const at = view.toImage(view.place(event));
      if (drag.mode === "draw" && drag.hasMoved && now.draft) {
        const { shape, kind } = now.draft;
        const isSomething = kind === "box" ? shape.w >= 1 && shape.h >= 1 : shape.rx >= 0.5 && shape.ry >= 0.5;
        if (isSomething) add(now.draft, shape);
        else cancel();
      } else if (drag.mode === "draw" && !drag.hasMoved) context.select(drag.hit ?? null);
      else if (drag.mode === "point") {
        const to = now.draft ?? drag.to;
        const isOn = known.find((one) => one.id === drag.hit)?.kind === "point" && to.kind === "point";
        if (isOn) context.select(drag.hit);
        else if (to.kind === "polygon") addPoint(to, inImage(at));
        else add(to, { ...inImage(at), w: strokeOf(to) });
      } else if (drag.mode === "pan" && !drag.hasMoved && !now.isHand && event.button === 0) context.select(drag.hit ?? null);
      else settle();
    };
    for (const kind of ["pointerup", "pointercancel"]) stage.addEventListener(kind, up);
    stage.addEventListener("dblclick", (event) => {
      if (!view.size || close() || context.isReadonly) return;
      // The event's own target is the stage, which has caught the pointer.
      const under = document.elementFromPoint(event.clientX, event.clientY);
      const corner = Number(under?.closest("[data-handle^=p]")?.dataset.handle.slice(1));
      const change = Number.isInteger(corner) && selectedItem()?.shape.points.length > 3 ? edit("pointer") : null;
      if (!change) return;
      change.shape = { points: change.shape.points.filter((_, i) => i !== corner) };
      settle();
    });

    // --- pages, the picture itself, tools ----------------------------------------------------------
    function turnPage(by) {
      const next = now.page + by;
      if (urls.length < 2 || !urls[next]) return false;
      settle();
      cancel();
      now.page = next;
      load();
      return true;
    }
    function load() {
      known = [];
      view.size = null;
      delete stage.dataset.drawn;
      painter.draw([], null);
      frame.load(urls[now.page], now.page, (size) => {
        view.show(size);
        read();
        repaint();
      });
    }
    const setHand = (isOn) => { now.isHand = isOn; paint(); };
    const act = { nearer: view.nearer, farther: view.farther, fit: view.fit, actual: view.actual, hand: setHand, page: turnPage, again: load };
    frame.wire(act);
    own.imageKeys(stage, {
      view, context, items, selectedItem, edit, settle, paint: repaint, put, close, backOne, cancel, turnPage,
      selected: () => now.selected,
      corner: () => now.corner,
      setCorner: (corner) => { now.corner = corner; paint(); },
      setSpace: (isOn) => { if (isOn !== now.isSpace) { now.isSpace = isOn; paint(); } },
    });
    load();

    return {
      draw(regions, selectedId) {
        now.regions = regions ?? [];
        if (now.edit?.isTold) now.edit = null;
        if (now.selected !== (selectedId ?? null)) now.corner = -1;
        now.selected = selectedId ?? null;
        read();
        if (now.edit && !known.some((one) => one.id === now.edit.id)) now.edit = now.drag = null; // it was removed meanwhile
        repaint();
      },
      focus(id) {
        const region = now.regions.find((one) => one.id === id);
        if (region && urls.length > 1 && (region.item_index ?? 0) !== now.page) turnPage((region.item_index ?? 0) - now.page);
        const item = known.find((one) => one.id === id);
        if (item) view.reveal(shapes.bounds(item.kind, item.shape));
        stage.focus({ preventScroll: true });
      },
      // What the toolbar above the image has no button for; its key works wherever the focus is.
      tools: [{ key: "put", label: "Put a shape in the middle", hotkey: "n", run: () => { stage.focus(); put(); } }],
      zoom: (factor) => view.zoom(factor),
      destroy() {
        settle();
        clearTimeout(rest);
        view.destroy();
        picture.removeAttribute("src");
        box.replaceChildren();
      },
    };
  };
})();
