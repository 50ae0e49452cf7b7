// What is seen of an image and how large: zoom and pan by wheel, fingers, keys and buttons.
"use strict";
(() => {
  const own = (window.mlpiLabels ??= {});
  const STEP = 1.25; // one key or click
  const MOST = 40; // screen pixels for one of the image
  const LEAST_HIGH_PX = 260; // of the stage
  const MARGIN_PX = 40; // so much of the image never leaves the stage

  /** A view on an image in stage. changed() is called at most once a frame, after it was moved. */
  own.imageView = (stage, changed) => {
    const view = { x: 0, y: 0, k: 1, isFit: true, size: null, width: 0, height: 0 };
    let frame = 0;
    const soon = () => { frame ||= requestAnimationFrame(() => { frame = 0; changed(); }); };
    const measure = () => {
      // A wide image on a narrow screen leaves no empty room above and below.
      const most = view.size ? `${Math.max(LEAST_HIGH_PX, Math.ceil((stage.clientWidth * view.size.height) / view.size.width))}px` : "";
      if (stage.style.maxHeight !== most) stage.style.maxHeight = most;
      [view.width, view.height] = [stage.clientWidth, stage.clientHeight];
    };
    const fitted = () => Math.min(view.width / view.size.width, view.height / view.size.height) || 1;
    function settle() {
      const [w, h] = [view.size.width * view.k, view.size.height * view.k];
      const along = (at, long, room) => (long <= room ? (room - long) / 2 : Math.min(Math.max(at, MARGIN_PX - long), room - MARGIN_PX));
      // What fits is centred, but only as long as nobody has moved it.
      view.x = view.isFit ? along(view.x, w, view.width) : Math.min(Math.max(view.x, MARGIN_PX - w), view.width - MARGIN_PX);
      view.y = view.isFit ? along(view.y, h, view.height) : Math.min(Math.max(view.y, MARGIN_PX - h), view.height - MARGIN_PX);
      soon();
    }
    view.fit = () => {
      if (!view.size) return;
      measure();
      view.isFit = true;
      view.k = fitted();
      view.x = (view.width - view.size.width * view.k) / 2;
      view.y = (view.height - view.size.height * view.k) / 2;
      soon();
    };
    /** at: a place on the stage that stays where it is, the middle when left out. */
    view.zoom = (factor, at = { x: view.width / 2, y: view.height / 2 }) => {
      if (!view.size) return;
      const k = Math.min(Math.max(view.k * factor, Math.min(fitted(), 1) / 4), MOST);
      view.x = at.x - ((at.x - view.x) * k) / view.k;
      view.y = at.y - ((at.y - view.y) * k) / view.k;
      view.k = k;
      view.isFit = false;
      settle();
    };
    view.nearer = () => view.zoom(STEP);
    view.farther = () => view.zoom(1 / STEP);
    view.actual = () => view.zoom(1 / view.k);
    view.pan = (dx, dy) => {
      if (!view.size) return;
      view.x += dx;
      view.y += dy;
      view.isFit = false;
      settle();
    };
    view.show = (size) => {
      view.size = size;
      view.fit();
    };
    /** A pointer's place on the stage, in screen pixels. */
    view.place = (event) => {
      const box = stage.getBoundingClientRect();
      return { x: event.clientX - box.left - stage.clientLeft, y: event.clientY - box.top - stage.clientTop };
    };
    view.toImage = ({ x, y }) => ({ x: (x - view.x) / view.k, y: (y - view.y) / view.k });
    view.toScreen = (x, y) => [x * view.k + view.x, y * view.k + view.y];
    /** The visible part of the image, in its pixels. */
    view.seen = () => {
      const [a, b] = [view.toImage({ x: 0, y: 0 }), view.toImage({ x: view.width, y: view.height })];
      const { width, height } = view.size;
      return { x0: Math.max(0, a.x), y0: Math.max(0, a.y), x1: Math.min(width, b.x), y1: Math.min(height, b.y) };
    };
    /** Moved so that a part of the image lies within the stage; as it was when it does already. */
    view.reveal = ({ x0, y0, x1, y1 }) => {
      const seen = view.seen();
      if (x0 >= seen.x0 && y0 >= seen.y0 && x1 <= seen.x1 && y1 <= seen.y1) return;
      const k = Math.min(view.k, (view.width * 0.8) / (x1 - x0 || 1), (view.height * 0.8) / (y1 - y0 || 1));
      view.isFit = false;
      view.k = k;
      view.x = view.width / 2 - ((x0 + x1) / 2) * k;
      view.y = view.height / 2 - ((y0 + y1) / 2) * k;
      settle();
    };
    /** Two fingers: before and after are pairs of places on the stage. */
    view.pinch = (before, after) => {
      const middle = ([a, b]) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
      const apart = ([a, b]) => Math.hypot(a.x - b.x, a.y - b.y) || 1;
      const [from, to] = [middle(before), middle(after)];
      view.pan(to.x - from.x, to.y - from.y);
      view.zoom(apart(after) / apart(before), to);
    };
    stage.addEventListener("wheel", (event) => {
      if (!view.size || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
      view.zoom(Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) / 300), view.place(event));
    }, { passive: false });
    const watcher = new ResizeObserver(() => {
      measure();
      if (view.size) view.isFit ? view.fit() : settle();
    });
    watcher.observe(stage);
    view.destroy = () => {
      watcher.disconnect();
      cancelAnimationFrame(frame);
    };
    view.soon = soon;
    return view;
  };
})();
