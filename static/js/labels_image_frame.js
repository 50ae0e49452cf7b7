// The frame of an image to draw on: toolbar, stage, picture, and what is said when it does not come.
"use strict";
(() => {
  const own = (window.mlpiLabels ??= {});
  const ICONS = {
    farther: '<path d="M3 8h10"/>',
    nearer: '<path d="M8 3v10M3 8h10"/>',
    hand: '<path d="M8 2v12M2 8h12M8 2 6 4m2-2 2 2M8 14l-2-2m2 2 2-2M2 8l2-2M2 8l2 2m10-2-2-2m2 2-2 2"/>',
    light: '<circle cx="8" cy="8" r="3"/><path d="M8 1v2m0 10v2M1 8h2m10 0h2M3 3l1.5 1.5m7 7L13 13M3 13l1.5-1.5m7-7L13 3"/>',
    before: '<path d="m10 3-5 5 5 5"/>',
    after: '<path d="m6 3 5 5-5 5"/>',
  };
  let count = 0;
  /** An element with attributes, properties in them when they begin with a dot, and children. */
  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) value === false || value == null ? undefined : made.setAttribute(key, value === true ? "" : value);
    made.append(...children.filter((one) => one != null));
    return made;
  };
  const icon = (name) => {
    const holder = document.createElement("template");
    holder.innerHTML = `<svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${ICONS[name]}</svg>`;
    return holder.content;
  };
  const button = (label, keys, ...children) => element("button", { type: "button", class: "btn tool", "aria-label": label, title: keys ? `${label} (${keys})` : label }, ...children);

  /** What is said in place of an object that did not come: its address, and a way to try again. */
  own.failure = (what, url, why, again) => {
    const retry = element("button", { type: "button", class: "btn" }, "Try again");
    retry.addEventListener("click", again);
    const address = element("code", { title: url || "no address" }, url || "no address");
    return element("div", { class: "failure", role: "alert" }, element("b", {}, what), address, element("p", {}, why), retry);
  };
  own.parts = { element, icon, button };

  own.imageFrame = (box, context, pages, help) => {
    const id = `image-help-${(count += 1)}`;
    const [farther, nearer] = [button("Zoom out", "−", icon("farther")), button("Zoom in", "+", icon("nearer"))];
    const share = element("output", { class: "share", title: "Screen pixels to the image's" }, "");
    const fit = button("Fit the image", "0", "Fit");
    const actual = button("One screen pixel to one of the image", "", "100 %");
    const hand = button("Move the image", "hold Space", icon("hand"));
    hand.setAttribute("aria-pressed", "false");
    const sliders = ["Brightness", "Contrast"].map((name) => {
      const input = element("input", { type: "range", min: "20", max: "300", value: "100", step: "5" });
      return { name: name.toLowerCase(), input, row: element("label", {}, element("span", {}, name), input) };
    });
    const plain = element("button", { type: "button", class: "btn" }, "As it is");
    const light = element("details", { class: "exposure" }, element("summary", { class: "btn tool", title: "Brightness and contrast" }, icon("light"), element("span", { class: "sr" }, "Brightness and contrast")), element("div", { class: "panel" }, ...sliders.map((one) => one.row), plain));
    const tools = element("div", { class: "tools", role: "toolbar", "aria-label": `Image ${context.name}` }, farther, share, nearer, fit, actual, hand, light);
    const [before, after, where] = [button("Image before", "Page up", icon("before")), button("Next image", "Page down", icon("after")), element("output", { class: "where" })];
    if (pages > 1) tools.append(element("span", { class: "pages" }, before, where, after));
    const picture = element("img", { alt: "", draggable: "false", decoding: "async" });
    const stage = element("div", { class: "easel", tabindex: "0", role: "application", "aria-roledescription": "image to draw on", "aria-label": context.isReadonly ? `Image ${context.name}, read only` : `Image ${context.name}`, "aria-describedby": id }, picture);
    const words = element("p", { class: "sr", id }, help);
    const notice = element("div", { class: "notice-place", "aria-live": "polite" });
    const surface = element("div", { class: "surface surface-image" }, tools, stage, notice, words);
    box.replaceChildren(surface);

    const filter = () => {
      const changed = sliders.filter((one) => one.input.value !== "100");
      picture.style.filter = changed.map((one) => `${one.name}(${one.input.value}%)`).join(" ");
      light.classList.toggle("is-on", changed.length > 0);
    };
    for (const { input } of sliders) input.addEventListener("input", filter);
    plain.addEventListener("click", () => {
      for (const { input } of sliders) input.value = "100";
      filter();
    });
    light.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      light.open = false;
      light.firstChild.focus();
      event.stopPropagation();
    });
    surface.addEventListener("pointerdown", (event) => { if (!light.contains(event.target)) light.open = false; });

    let asked = 0;
    let again = () => {};
    return {
      stage, picture,
      wire(act) {
        again = act.again;
        farther.addEventListener("click", act.farther);
        nearer.addEventListener("click", act.nearer);
        fit.addEventListener("click", act.fit);
        actual.addEventListener("click", act.actual);
        hand.addEventListener("click", () => {
          const isOn = hand.getAttribute("aria-pressed") !== "true";
          hand.setAttribute("aria-pressed", String(isOn));
          act.hand(isOn);
        });
        before.addEventListener("click", () => act.page(-1));
        after.addEventListener("click", () => act.page(1));
      },
      /** The picture moved to where the view is: a transform, nothing is laid out anew. */
      show(view) {
        picture.style.transform = `translate3d(${view.x}px, ${view.y}px, 0) scale(${view.k})`;
        picture.classList.toggle("is-near", view.k >= 4); // pixels are seen as they are
        const text = `${Math.round(view.k * 100)} %`;
        if (share.textContent !== text) share.textContent = text;
      },
      /** Shows another picture; done({width, height}) follows in pixels as the browser turned it by EXIF. */
      load(url, page, done) {
        const mine = (asked += 1);
        where.textContent = `${page + 1} of ${pages}`;
        before.disabled = page === 0;
        after.disabled = page === pages - 1;
        stage.removeAttribute("data-ready");
        stage.classList.remove("is-broken");
        picture.hidden = true;
        notice.replaceChildren(element("p", { class: "loading" }, "The image is on its way…"));
        const fail = (why) => {
          if (mine !== asked) return;
          stage.classList.add("is-broken");
          notice.replaceChildren(own.failure("This image did not come", url, why, () => again()));
        };
        if (!url) { fail("The task's data holds no address for it."); return; }
        picture.onload = () => {
          if (mine !== asked) return;
          const size = { width: picture.naturalWidth, height: picture.naturalHeight };
          if (!size.width || !size.height) { fail("It has no size of its own, so that nothing could be placed on it."); return; }
          notice.replaceChildren();
          picture.hidden = false;
          picture.style.width = `${size.width}px`;
          picture.style.height = `${size.height}px`;
          stage.dataset.ready = "true";
          done(size);
        };
        picture.onerror = () => fail("It is not there, is no image that this browser reads, or lies on another host, which this page does not ask.");
        picture.removeAttribute("src");
        picture.src = url;
      },
    };
  };
})();
