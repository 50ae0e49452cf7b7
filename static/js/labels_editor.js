// The labeling page as a whole: a task comes, is labeled, is sent, and the next one is there.
"use strict";
(() => {
  const labels = window.mlpiLabels;
  const { make } = labels;
  const root = document.getElementById("labeling");
  const start = JSON.parse(document.getElementById("label-start").textContent);
  const { config } = start;
  const find = (id) => document.getElementById(id);
  const [stage, notices] = [find("stage"), find("label-notices")];
  const oneTask = Number(new URLSearchParams(location.search).get("task")) || null;
  const AGAIN_MS = 3000;
  const TWICE_MS = 400;

  const mine = labels.makeState(config);
  const keys = labels.makeKeys(config);
  // What is before the person now. annotation: their own one that is changed, or null.
  const now = { task: null, annotation: null, prediction: null, parent: null, drawn: null, state: mine, lock: "", began: 0, hidden: 0, first: "[]", wrong: null, relating: null, reply: "", isOpening: false, isFetching: false };
  let progress = start.progress;

  const say = (text) => (find("say").textContent = text);
  const isReadonly = () => Boolean(now.lock || now.prediction || !now.task);
  const isTouched = () => JSON.stringify(mine.results) !== now.first;
  const leadTime = () => (now.annotation?.lead_time ?? 0) + Math.max(0, performance.now() - now.began - now.hidden) / 1000;

  const outbox = labels.makeOutbox(start, {
    sent(entry, told) {
      if (told.progress) showProgress(told.progress);
      const kept = sitting.cached.get(entry.task);
      if (kept) kept.annotations = [...kept.annotations.filter((one) => one.unique_id !== told.annotation.unique_id), told.annotation];
      if (now.annotation?.unique_id === told.annotation.unique_id) now.annotation = told.annotation;
    },
    changed: () => {
      showSending();
      if (outbox.status === "idle" && now.task && !oneTask) sitting.look()?.catch(() => {});
    },
  });
  const sitting = labels.makeSitting(start, outbox);
  const tabs = labels.makeTabs(start, {
    results: () => mine.results,
    other: () => lock("This task is open in another tab of this browser.", true),
    lost: () => lock("This task went on in another tab.", true),
    free: () => now.lock && unlock(null),
    given: (_, results) => unlock(results),
    done: () => (oneTask ? lock("This task was submitted in another tab.", false) : goOn()),
  });

  // --- what is said at the top ---------------------------------------------------------------------
  const showProgress = (told) => labels.showProgress((progress = told));
  const button = labels.button;
  function showSending() {
    labels.showSaved(outbox, isTouched() || Boolean(now.annotation));
    showNotices();
  }
  function showNotices() {
    labels.showNotices(notices, { start, outbox, lock: now.lock, wrong: now.wrong, reopen, take: () => tabs.take() });
  }
  function lock(words, canTake) {
    now.lock = { words, canTake };
    rebuild();
    showNotices();
  }
  function unlock(results) {
    now.lock = "";
    const kept = results ?? outbox.draftOf(now.task.id, now.annotation?.id)?.result;
    if (kept) mine.reset(kept);
    rebuild();
    showNotices();
  }

  // --- a task -----------------------------------------------------------------------------------------
  const withIds = (results) => results.map((one) => (one.type === "relation" || one.id ? one : { ...one, id: labels.newId() }));
  function open(task) {
    sitting.enter(task);
    const own = task.annotations.filter((one) => !one.was_cancelled).at(-1) ?? null;
    const told = task.drafts.find((one) => one.annotation === (own?.id ?? 0)) ?? null;
    const typed = outbox.draftOf(task.id, own?.id);
    const base = own ? own.result : told || typed ? [] : labels.defaults(config);
    Object.assign(now, { task, annotation: own, prediction: null, parent: null, lock: "", began: performance.now(), hidden: 0, wrong: null, relating: null, isFetching: false, reply: own?.unique_id ?? labels.newId(32) });
    now.first = JSON.stringify(base);
    const latest = withIds(typed?.result ?? told?.result ?? base);
    const before = [base, told?.result].filter((one) => one && JSON.stringify(one) !== JSON.stringify(latest));
    now.isOpening = true;
    mine.reset(latest, before);
    saved = mine.results;
    now.isOpening = false;
    find("label-empty").hidden = true;
    root.dataset.task = task.id;
    rebuild();
    say("");
    tabs.open(task.id);
    showProgress(task.progress.done > progress.done ? task.progress : progress);
    showSending();
    scrollTo({ top: 0 });
    // How long the person waited for it, for whoever measures.
    if (root.dataset.pressed) requestAnimationFrame(() => setTimeout(() => {
      root.dataset.paintedMs = (performance.now() - Number(root.dataset.pressed)).toFixed(1);
      delete root.dataset.pressed;
    }));
    if (!oneTask && outbox.status === "idle" && !outbox.waiting.length) sitting.look()?.catch(() => {});
  }
  // Everything of the task anew: another task, or one that may not be changed any more.
  function rebuild() {
    const { task, prediction } = now;
    now.drawn?.destroy();
    now.drawn = null;
    if (prediction) {
      now.state = labels.makeState(config);
      now.state.reset(withIds(prediction.result));
      now.state.listen(draw);
    } else now.state = mine;
    now.drawn = labels.drawTask(stage, { config, state: now.state, keys, task, isReadonly, say, changed: draw });
    labels.drawTabs(find("tabs"), { task, shown: prediction, show, take });
    find("task-name").textContent = `Task ${task.number}`;
    stage.classList.toggle("still", isReadonly());
    draw();
  }
  function show(prediction) {
    now.prediction = prediction;
    rebuild();
  }
  function take(prediction) {
    now.prediction = null;
    now.parent = prediction.id;
    mine.reset(withIds(prediction.result).map((one) => ({ ...one, origin: "prediction" })), [mine.results]);
    rebuild();
    saveDraft();
    say(`These are yours now, as ${prediction.model_version} saw them.`);
  }
  const panel = labels.makePanel(find("panel"), {
    config, state: () => now.state, drawn: () => now.drawn, isReadonly,
    relating: () => now.relating,
    relate(id) {
      if (id === null) now.relating = now.state.selected;
      else {
        if (!mine.relate(now.relating, id)) say("These two are related already, or are one.");
        now.relating = null;
      }
      draw();
    },
  });
  function draw() {
    if (!now.drawn) return;
    if (now.relating !== null && now.state.selected !== null && now.state.selected !== now.relating) {
      const from = now.relating;
      now.relating = null;
      if (!isReadonly() && mine.relate(from, now.state.selected)) return;
    }
    now.drawn.draw();
    panel.draw();
    const isOff = isReadonly();
    [find("undo").disabled, find("redo").disabled] = [isOff || !mine.canUndo, isOff || !mine.canRedo];
    [find("submit").disabled, find("skip").disabled] = [isOff, isOff];
    find("submit").textContent = now.annotation ? "Update" : "Submit";
    find("skip").hidden = !start.canSkip;
    find("previous").disabled = !sitting.canGoBack;
    find("panel").hidden = !Object.values(config.controls).some((one) => one.isRegion) && !now.state.relations().length;
  }
  let saved = null;  // the results that are kept already
  function saveDraft() {
    if (isReadonly() || mine.results === saved) return;
    saved = mine.results;
    outbox.draft({ task: now.task.id, number: now.task.number, annotation: now.annotation?.id ?? 0, result: mine.results, lead_time: leadTime() });
  }
  mine.listen(() => {
    if (now.isOpening) return;
    if (mine.results !== saved) now.wrong = null;
    saveDraft();
    draw();
    showSending();
  });

  // --- sending -----------------------------------------------------------------------------------------
  let sentAt = -Infinity;
  function send(more) {
    sentAt = performance.now();
    const { task, annotation, reply, parent } = now;
    const result = more.was_cancelled ? [] : labels.rules.sendable(mine, config, now.drawn.places);
    const body = { unique_id: reply, result, lead_time: leadTime(), was_cancelled: false, ...more };
    if (parent) body.parent_prediction = parent;
    const local = { id: annotation?.id ?? null, unique_id: reply, result, lead_time: body.lead_time, was_cancelled: body.was_cancelled };
    task.annotations = [...task.annotations.filter((one) => one.unique_id !== reply), local];
    task.drafts = [];
    if (!annotation) showProgress({ ...progress, done: Math.min(progress.total, progress.done + 1) });
    outbox.put({ task: task.id, number: task.number, annotation: annotation?.id ?? null, body });
    tabs.done();
    if (!oneTask) return goOn();
    open(task);
    say(body.was_cancelled ? "Skipped." : "Submitted. Change it and press Update, as long as you like.");
  }
  function submit() {
    if (isReadonly()) return;
    // A key or button pressed twice means the task before, not this one unseen.
    if (!isTouched() && performance.now() - sentAt < TWICE_MS) return;
    const [first] = labels.rules.missing(mine, config, now.drawn.places);
    if (first) {
      if (first.id) mine.select(first.id);
      now.wrong = first.text;
      showNotices();
      const box = stage.querySelector(`[data-control="${CSS.escape(first.control.name)}"]`);
      box?.scrollIntoView({ block: "nearest" });
      box?.querySelector("button, input, textarea, select")?.focus();
      return;
    }
    if (!mine.results.length && !start.canBeEmpty) {
      now.wrong = "Mark or answer something first: an annotation of this project may not be empty.";
      return showNotices();
    }
    root.dataset.pressed = String(performance.now());
    send({});
  }
  const askWhy = labels.makeSkipSheet(find("skip-sheet"), (reason) => send({ was_cancelled: true, skip_reason: reason }));
  const skip = () => !isReadonly() && start.canSkip && askWhy();
  function reopen(entry) {
    const task = sitting.cached.get(entry.task);
    const begin = (one) => {
      one.annotations = one.annotations.filter((each) => each.id !== null);
      open(one);
      mine.reset(withIds(entry.body.result));
      [now.reply, now.wrong] = [entry.body.unique_id, entry.refused];
      const [, number] = /result\[(\d+)\]/.exec(entry.refused) ?? [];
      const at = number === undefined ? null : mine.results[Number(number)];
      if (at?.id && mine.region(at.id)) mine.select(at.id);
      outbox.discard(entry);
      saveDraft();
      showNotices();
    };
    if (task) begin(task);
    else sitting.task(entry.task).then(begin, trouble);
  }

  // --- from task to task ---------------------------------------------------------------------------------
  function trouble(error) {
    if (error.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    now.wrong = error.status ? error.message : "mlpi does not answer. What you did is kept here; the next task comes when it is back.";
    showNotices();
  }
  function nothingLeft() {
    Object.assign(now, { task: null });
    now.drawn?.destroy();
    now.drawn = null;
    stage.replaceChildren();
    [find("tabs").hidden, find("panel").hidden, find("label-empty").hidden] = [true, true, false];
    delete root.dataset.task;
    const words = progress.total ? "There is nothing left for you to label here. Tasks that others have before them may come back." : "This project has no tasks yet. They come in through Label Studio’s API or an import.";
    find("label-empty").replaceChildren(make("h2", { textContent: progress.total ? "All done" : "No tasks yet" }), make("p", { textContent: words }), make("div", { className: "tools" }, progress.total ? null : make("a", { className: "btn primary", href: `/labels/${start.project}/import?workspace=${encodeURIComponent(start.workspace)}`, textContent: "Import tasks" }), make("a", { className: "btn", href: document.querySelector(".label-head a").href, textContent: "To the project" }), button("Look again", goOn, "")));
    find("task-name").textContent = progress.total ? "All done" : "No tasks";
    for (const id of ["submit", "skip", "undo", "redo"]) find(id).disabled = true;
    find("previous").disabled = sitting.current === null;
    now.isFetching = false;
    showNotices();
  }
  async function goOn() {
    if (sitting.ahead) return open(sitting.ahead);
    now.isFetching = true;
    now.lock = { words: "Fetching the next task…", canTake: false };
    draw();
    try {
      const task = await sitting.next();
      if (!now.isFetching) return;
      now.lock = "";
      if (task) open(task);
      else nothingLeft();
    } catch (error) {
      trouble(error);
      if (now.isFetching && !error.status) setTimeout(() => now.isFetching && goOn(), AGAIN_MS);
    }
  }
  function previous() {
    // Where nothing is left, the task before is the one that was there last.
    move(now.task ? sitting.back() : sitting.current);
  }
  async function move(id) {
    if (id === null) return;
    try {
      open(await sitting.task(id));
    } catch (error) {
      trouble(error);
    }
  }
  function following() {
    const id = sitting.forward();
    if (id !== null) return move(id);
    if (!oneTask || now.annotation) goOn();
  }
  function besideRegion(step) {
    const regions = now.state.regions();
    if (!regions.length) return false;
    const at = regions.findIndex((one) => one.id === now.state.selected);
    const next = regions[at < 0 ? (step > 0 ? 0 : regions.length - 1) : at + step];
    now.state.select(next?.id ?? null);
    if (next) now.drawn.focus(next.id);
    return Boolean(next);
  }

  // --- keys ------------------------------------------------------------------------------------------------
  keys.on(["ctrl+enter"], "Submit or update", submit);
  keys.on(["ctrl+space"], "Skip", skip);
  keys.on(["ctrl+z"], "Undo", () => !isReadonly() && mine.undo());
  keys.on(["ctrl+shift+z", "ctrl+y"], "Redo", () => !isReadonly() && mine.redo());
  keys.on(["backspace", "delete"], "Delete the region", () => !isReadonly() && mine.selected !== null && mine.remove(mine.selected));
  keys.on(["escape"], "Select no region", () => {
    now.relating = null;
    if (document.activeElement?.matches("input, textarea")) document.activeElement.blur();
    else now.state.select(null);
    draw();
  });
  keys.on(["left", "ctrl+left"], "The task before", previous);
  keys.on(["right", "ctrl+right"], "The next task", following);
  // Regions come by Tab while nothing or their text has the focus; past the last, Tab goes on as ever.
  const isFree = () => document.activeElement === document.body || document.activeElement.matches("main, .span-text");
  keys.on(["tab"], "The next region", () => isFree() && besideRegion(1));
  keys.on(["shift+tab"], "The region before", () => isFree() && besideRegion(-1));
  keys.on(["enter"], "Into the text, picture or sound", () => {
    const place = find("stage").querySelector(".span-text, .easel:not(.is-broken)");
    if (!place || !(document.activeElement === document.body || document.activeElement.matches("main"))) return false;
    place.focus();
    return true;
  });
  keys.on(["alt+r"], "Relate the region to another", () => {
    if (isReadonly() || mine.selected === null) return;
    now.relating = mine.selected;
    say("Choose the region that it leads to.");
    draw();
  });
  keys.on(["?"], "All keys", showKeys);
  keys.on(["shift+?"], "All keys", showKeys, true);
  function showKeys() {
    find("keys-sheet").querySelector("div").replaceChildren(keys.sheet());
    find("keys-sheet").showModal();
  }
  const clicks = { submit, skip, undo: () => mine.undo(), redo: () => mine.redo(), previous, following, "show-keys": showKeys, "show-instruction": () => find("instruction-sheet").showModal() };
  for (const [id, run] of Object.entries(clicks)) find(id).addEventListener("click", () => run());
  for (const one of root.querySelectorAll("[data-close]")) one.addEventListener("click", () => one.closest("dialog").close());

  // --- coming and going ----------------------------------------------------------------------------------
  let hiddenAt = null;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) hiddenAt = performance.now();
    else if (hiddenAt !== null) now.hidden += performance.now() - hiddenAt;
  });
  addEventListener("pagehide", () => {
    const idle = now.task && !now.lock && !isTouched() && !now.annotation ? [now.task.id] : [];
    sitting.release([...idle, ...(sitting.ahead ? [sitting.ahead.id] : [])]);
  });
  addEventListener("pageshow", (event) => event.persisted && location.reload());

  async function begin() {
    find("show-instruction").hidden = !start.instruction;
    find("instruction-sheet").querySelector("p").textContent = start.instruction;
    if (start.instruction && start.showInstruction) find("instruction-sheet").showModal();
    showSending();
    outbox.now();
    const wanted = oneTask ?? sitting.remembered;
    try {
      const task = wanted ? await sitting.task(wanted).catch((error) => (oneTask ? Promise.reject(error) : null)) : null;
      // One that was submitted is not gone on with by itself.
      if (task && (oneTask || !task.annotations.length)) open(task);
      else await goOn();
    } catch (error) {
      trouble(error);
    }
  }
  begin();
})();
