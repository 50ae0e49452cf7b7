// Sounds to mark: stretches of time as Label Studio's results, on wavesurfer's outline.
"use strict";
(() => {
  const own = (window.mlpiLabels ??= {});
  own.surfaces ??= {};
  const { element } = own.parts;
  const LEAST_S = 0.01; // shorter stretches are clicks
  const MOST_PX = 1e6; // browsers lay out no more than some millions
  const MOST_A_SECOND = 1000; // pixels
  const HELP = "Space plays and pauses, J and L or the arrows go back and ahead by a second, with Shift by a tenth. With a label chosen, N starts a region where the sound stands and N again ends it. Square brackets set the start and the end of the chosen region. Tab goes from region to region, Escape leaves it, Delete removes it. Plus, minus and 0 zoom, R plays the region over and over.";
  const faint = (colour, share) => `color-mix(in srgb, ${colour} ${share}%, transparent)`;

  own.surfaces.Audio = (box, context) => {
    const url = typeof context.value === "string" ? context.value : Array.isArray(context.value) ? context.value[0] : "";
    const frame = own.audioFrame(box, context, HELP);
    const { stage } = frame;
    const audio = new Audio();
    const now = { regions: [], selected: null, duration: 0, draft: null, moving: null, isLoop: false, isAdding: false };
    const shown = new Map(); // id → {region of the plugin, key}
    let wave = null;
    let plugin = null;
    let stopDrag = null;
    let abort = null;
    let attempts = 0;

    // --- what there is ---------------------------------------------------------------------------
    const isMine = (region) => region.to_name === context.name && !region.hidden && Number.isFinite(region.value?.start) && Number.isFinite(region.value?.end);
    const mine = () => now.regions.filter(isMine).sort((a, b) => a.value.start - b.value.start);
    const chosenRegion = () => now.regions.find((one) => one.id === now.selected && isMine(one)) ?? null;
    function nameOf(region) {
      const control = context.controls.find((one) => one.name === region.from_name);
      const given = region.value[region.type];
      return (Array.isArray(given) ? given : []).map((key) => control?.labels?.find((one) => one.key === key)?.value ?? key).join(", ");
    }
    function target() {
      if (context.isReadonly) return null;
      const chosen = context.chosen();
      if (chosen?.control?.tag !== "Labels") return null;
      return { control: chosen.control, labels: (chosen.labels ?? []).map((one) => one.key ?? one) };
    }
    const within = (seconds) => Math.min(Math.max(seconds, 0), now.duration);
    function regionOf({ control, labels }, start, end) {
      const [from, to] = [within(Math.min(start, end)), within(Math.max(start, end))];
      return { from_name: control.name, to_name: context.name, type: control.type, value: { start: from, end: to, channel: 0, [control.type]: [...labels] }, original_length: now.duration };
    }
    function add(to, start, end) {
      now.draft = null;
      if (Math.abs(end - start) < LEAST_S) { paint(); return; }
      const id = context.add(regionOf(to, start, end));
      if (id != null) context.select(id);
    }

    // --- the view: each region of the plugin is one of ours ----------------------------------------
    function put(id, start, end, colour, text, isChosen) {
      let one = shown.get(id);
      if (!one) {
        now.isAdding = true;
        const region = plugin.addRegion({ id: `region-${id}`, start, end, color: faint(colour, 30), drag: isChosen, resize: isChosen });
        now.isAdding = false;
        const label = element("span", { class: "name" });
        region.setContent(label);
        one = { region, label, key: "" };
        shown.set(id, one);
      }
      if (now.moving === id) return; // a hand is on it: it is told when the hand lets go
      const key = JSON.stringify([start, end, colour, text, isChosen]);
      if (key === one.key) return;
      one.key = key;
      const canMove = isChosen && !context.isReadonly && id !== "draft";
      one.region.setOptions({ start, end, color: faint(colour, isChosen ? 45 : 25), drag: canMove, resize: canMove });
      one.label.textContent = text;
      one.label.title = text;
      Object.assign(one.label.style, { font: "560 11px/18px var(--font)", color: "var(--ink)", background: "var(--surface)", borderRadius: "0 0 3px 0", padding: "0 5px", display: "block", width: "fit-content", maxWidth: "100%", overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap", borderLeft: `3px solid ${colour}` });
      // Only the chosen region takes the pointer: over the others a new one can be drawn.
      Object.assign(one.region.element.style, { pointerEvents: canMove ? "all" : "none", zIndex: isChosen ? "2" : "1", transition: "none", outline: isChosen ? `2px solid ${colour}` : "none", outlineOffset: "-2px" });
    }
    function paint() {
      if (!plugin) return;
      const keep = new Set();
      for (const region of now.regions.filter(isMine)) {
        keep.add(region.id);
        put(region.id, region.value.start, region.value.end, context.colour(region), nameOf(region), region.id === now.selected);
      }
      if (now.draft) {
        keep.add("draft");
        const region = regionOf(now.draft.to, now.draft.start, Math.max(now.draft.start + LEAST_S, audio.currentTime));
        put("draft", region.value.start, region.value.end, context.colour(region), nameOf(region), true);
      }
      for (const [id, one] of shown) {
        if (keep.has(id)) continue;
        one.region.remove();
        shown.delete(id);
      }
      stage.dataset.mode = target() ? "draw" : "look";
    }
    function tick() {
      frame.clock.textContent = `${own.clock(audio.currentTime)} / ${own.clock(now.duration)}`;
      if (now.draft) paint();
      const region = now.isLoop && !audio.paused ? chosenRegion() : null;
      if (region && (audio.currentTime >= region.value.end || audio.currentTime < region.value.start - 0.05)) seek(region.value.start);
    }

    // --- hands -----------------------------------------------------------------------------------
    const seek = (seconds) => { audio.currentTime = within(seconds); };
    function toggle() {
      if (!audio.paused) { audio.pause(); return; }
      const region = now.isLoop ? chosenRegion() : null;
      if (region && (audio.currentTime < region.value.start || audio.currentTime >= region.value.end)) seek(region.value.start);
      audio.play().catch((error) => { if (error.name !== "AbortError") context.ask?.(`It cannot be played: ${error.message}`); });
    }
    function mark() {
      if (now.draft) {
        const { to, start } = now.draft;
        if (Math.abs(audio.currentTime - start) < LEAST_S) context.ask?.("The region has no length yet: go on, then N again.");
        else add(to, start, audio.currentTime);
        return true;
      }
      const to = target();
      if (!to) { if (!context.isReadonly) context.ask?.("Choose a label first."); return !context.isReadonly; }
      now.draft = { to, start: audio.currentTime };
      context.select(null);
      paint();
      context.ask?.(`A region starts at ${own.clock(now.draft.start)}: N again ends it where the sound stands then.`);
      return true;
    }
    /** Sets the start or the end of the chosen region to where the sound stands. */
    function bound(side) {
      const region = chosenRegion();
      if (!region || context.isReadonly) return false;
      const value = { ...region.value, [side]: audio.currentTime };
      if (value.end - value.start < LEAST_S) context.ask?.(side === "start" ? "The start would lie behind the end." : "The end would lie before the start.");
      else context.change(region.id, value);
      return true;
    }
    function step(by) {
      const list = mine();
      const at = list.findIndex((one) => one.id === now.selected);
      const next = list[at < 0 ? (by > 0 ? 0 : -1) : at + by];
      if (!next) return false;
      context.select(next.id);
      seek(next.value.start);
      context.ask?.(`${nameOf(next) || "A region"}, ${own.clock(next.value.start)} to ${own.clock(next.value.end)}, ${list.indexOf(next) + 1} of ${list.length}`);
      return true;
    }
    function escape() {
      if (now.draft) now.draft = null;
      else if (now.selected != null) context.select(null);
      else return false;
      paint();
      return true;
    }
    function remove() {
      if (now.draft) return escape();
      const region = context.isReadonly ? null : chosenRegion();
      if (region) context.remove(region.id);
      return Boolean(region);
    }
    function setLoop(isOn) {
      now.isLoop = isOn;
      frame.loop.setAttribute("aria-pressed", String(isOn));
    }
    const widest = () => Math.min(MOST_A_SECOND, MOST_PX / now.duration);
    function zoom(share) {
      if (!wave) return;
      const least = stage.clientWidth / now.duration;
      frame.zoom.value = String(Math.min(100, Math.max(0, share)));
      const part = Number(frame.zoom.value) / 100;
      wave.zoom(part && widest() > least ? least * (widest() / least) ** part : 0);
    }
    const zoomBy = (by) => zoom(Number(frame.zoom.value) + by);

    let isLeaving = false;
    const KEYS = {
      " ": () => { toggle(); return true; }, k: () => { toggle(); return true; },
      j: () => { seek(audio.currentTime - 1); return true; }, l: () => { seek(audio.currentTime + 1); return true; },
      n: mark, Enter: mark, "[": () => bound("start"), "]": () => bound("end"),
      r: () => { setLoop(!now.isLoop); return true; },
      "+": () => { zoomBy(10); return true; }, "=": () => { zoomBy(10); return true; }, "-": () => { zoomBy(-10); return true; }, 0: () => { zoom(0); return true; },
      Home: () => { seek(0); return true; }, End: () => { seek(now.duration); return true; },
      Escape: () => { isLeaving = true; return escape(); }, Delete: remove, Backspace: remove,
    };
    stage.addEventListener("keydown", (event) => {
      if (!wave || event.altKey || event.ctrlKey || event.metaKey) return;
      if (!["Tab", "Shift", "Escape"].includes(event.key)) isLeaving = false;
      let isDone = false;
      if (event.key === "Tab") isDone = !isLeaving && step(event.shiftKey ? -1 : 1);
      else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        seek(audio.currentTime + (event.key === "ArrowLeft" ? -1 : 1) * (event.shiftKey ? 0.1 : 1));
        isDone = true;
      } else isDone = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key]?.() ?? false;
      if (!isDone) return;
      event.preventDefault();
      event.stopPropagation();
    });
    stage.addEventListener("focus", () => { isLeaving = false; });
    frame.play.addEventListener("click", toggle);
    frame.back.addEventListener("click", () => seek(audio.currentTime - 1));
    frame.ahead.addEventListener("click", () => seek(audio.currentTime + 1));
    frame.loop.addEventListener("click", () => setLoop(!now.isLoop));
    frame.speed.addEventListener("change", () => { audio.playbackRate = Number(frame.speed.value); });
    frame.zoom.addEventListener("input", () => zoom(Number(frame.zoom.value)));
    for (const kind of ["play", "pause", "ended"]) audio.addEventListener(kind, () => { frame.play.textContent = audio.paused ? "Play" : "Pause"; });
    for (const kind of ["seeking", "seeked", "timeupdate"]) audio.addEventListener(kind, tick);

    // --- drawing: wavesurfer shows the stretch, its two times are the pointer's own ----------------
    let span = null;
    const timeAt = (event) => {
      const line = wave.getWrapper().getBoundingClientRect();
      return within(((event.clientX - line.left) / line.width) * now.duration);
    };
    stage.addEventListener("pointerdown", (event) => {
      if (!wave) return;
      stage.focus({ preventScroll: true });
      stopDrag?.();
      const to = target();
      span = to && event.button === 0 ? { to, from: timeAt(event), till: timeAt(event) } : null;
      stopDrag = span ? plugin.enableDragSelection({ color: faint(context.colour(regionOf(to, 0, 1)), 30) }) : null;
    }, { capture: true });
    const follow = (event) => { if (span && wave) span.till = timeAt(event); };
    window.addEventListener("pointermove", follow, { capture: true });
    window.addEventListener("pointerup", follow, { capture: true });
    function drawn(region) {
      if (now.isAdding || !span) return;
      const { to, from, till } = span;
      span = null;
      region.remove();
      add(to, from, till);
    }
    function click(share) {
      const at = share * now.duration;
      const hits = mine().filter(({ value }) => value.start <= at && at <= value.end).sort((a, b) => a.value.end - a.value.start - b.value.end + b.value.start);
      const next = hits[(hits.findIndex((one) => one.id === now.selected) + 1) % (hits.length || 1)];
      context.select(next?.id ?? null);
    }
    const idOf = (region) => [...shown].find(([, one]) => one.region === region)?.[0];
    function moved(region) {
      const id = idOf(region);
      const mineNow = now.regions.find((one) => one.id === id);
      now.moving = null;
      if (!mineNow || (region.start === mineNow.value.start && region.end === mineNow.value.end)) return;
      shown.get(id).key = "";
      context.change(id, { ...mineNow.value, start: within(region.start), end: within(region.end) });
    }

    // --- the sound itself --------------------------------------------------------------------------
    const inks = () => ({ waveColor: own.tokenColour(stage, "--ink-3"), progressColor: own.tokenColour(stage, "--accent"), cursorColor: own.tokenColour(stage, "--ink") });
    async function load() {
      abort?.abort();
      abort = new AbortController();
      const { signal } = abort;
      stage.removeAttribute("data-ready");
      stage.classList.remove("is-broken");
      frame.notice.replaceChildren(element("p", { class: "loading" }, "The sound is on its way…"));
      let sound;
      try {
        sound = await own.loadSound(audio, url, attempts++, signal);
      } catch (error) {
        if (signal.aborted) return;
        stage.classList.add("is-broken");
        frame.notice.replaceChildren(own.failure("This sound did not come", url, error.message, load));
        return;
      }
      if (signal.aborted) return;
      now.duration = sound.duration;
      plugin = WaveSurfer.Regions.create();
      const timeline = WaveSurfer.Timeline.create({ height: 18, secondaryLabelOpacity: 0.9, style: { color: "var(--ink-2)", fontSize: "11px" } });
      wave = own.makeWave(frame.wave, { media: audio, peaks: [sound.peaks ?? new Float32Array(2)], duration: sound.duration, height: 128, normalize: true, cursorWidth: 2, plugins: [plugin, timeline], ...inks() });
      plugin.on("region-created", drawn);
      plugin.on("region-update", (region) => { now.moving = idOf(region) ?? null; });
      plugin.on("region-updated", moved);
      wave.on("click", click);
      wave.on("ready", () => {
        frame.notice.replaceChildren(...(sound.peaks ? [] : [element("p", { class: "dim" }, `${own.clock(sound.duration, 0)} of sound: it is streamed as it plays, so that its line is flat.`)]));
        stage.dataset.ready = "true";
        tick();
        paint();
      });
    }
    const theme = new MutationObserver(() => wave?.setOptions(inks()));
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const recolour = () => wave?.setOptions(inks());
    dark.addEventListener("change", recolour);
    load();

    return {
      draw(regions, selectedId) {
        now.regions = regions ?? [];
        now.selected = selectedId ?? null;
        if (now.moving != null && !now.regions.some((one) => one.id === now.moving)) now.moving = null;
        paint();
      },
      focus(id) {
        const region = now.regions.find((one) => one.id === id && isMine(one));
        if (region) seek(region.value.start);
        stage.focus({ preventScroll: true });
      },
      // What the toolbar above the line has no button for; its key works wherever the focus is.
      tools: [{ key: "mark", label: "Start or end a region here", hotkey: "n", run: () => { stage.focus(); mark(); } }],
      zoom: (factor) => zoomBy(factor > 1 ? 10 : -10),
      destroy() {
        abort?.abort();
        stopDrag?.();
        theme.disconnect();
        dark.removeEventListener("change", recolour);
        window.removeEventListener("pointermove", follow, { capture: true });
        window.removeEventListener("pointerup", follow, { capture: true });
        audio.onerror = null;
        audio.pause();
        wave?.destroy();
        audio.removeAttribute("src");
        box.replaceChildren();
      },
    };
  };
})();
