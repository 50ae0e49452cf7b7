// What was typed and is not with the server yet: kept in this browser, sent until it is answered.
//
// One entry in localStorage for each annotation and each draft, by project and person. An annotation
// goes under its unique_id, so that one whose answer was lost is no second one when it is sent again.
// What the server refuses stays, with its reason; all else is tried again, later and later.
"use strict";
(() => {
  const labels = window.mlpiLabels;
  const FIRST_WAIT_MS = 1000;
  const LONGEST_WAIT_MS = 30000;
  const DRAFT_WAIT_MS = 1000;
  const TIMEOUT_MS = 30000;

  // start: { project, user, workspace }. on: { sent(entry, answer), changed() }.
  labels.makeOutbox = (start, on) => {
    const prefix = `mlpi.labels.${start.user}.${start.project}.`;
    const memory = new Map();  // where the browser keeps nothing, or has no room
    let [status, detail, isKept] = ["idle", "", true];
    let [isRunning, waitMs, timer] = [false, FIRST_WAIT_MS, 0];
    const due = new Map();  // draft's name -> when it goes

    function read(name) {
      if (memory.has(name)) return memory.get(name);
      try {
        return JSON.parse(localStorage.getItem(prefix + name));
      } catch {
        return null;
      }
    }
    function write(name, entry) {
      try {
        localStorage.setItem(prefix + name, JSON.stringify(entry));
        memory.delete(name);
        isKept = memory.size === 0;
      } catch {
        memory.set(name, entry);
        isKept = false;
      }
    }
    function drop(name) {
      memory.delete(name);
      try {
        localStorage.removeItem(prefix + name);
      } catch {
        // Nothing was kept there.
      }
    }
    function names(kind) {
      const found = new Set([...memory.keys()].filter((one) => one.startsWith(kind)));
      try {
        for (let at = 0; at < localStorage.length; at += 1) {
          const key = localStorage.key(at);
          if (key.startsWith(prefix + kind)) found.add(key.slice(prefix.length));
        }
      } catch {
        // As above.
      }
      return [...found];
    }
    const entries = () => names("out.").map((name) => ({ name, ...read(name) })).filter((one) => one.body).sort((a, b) => a.at - b.at);
    const draftName = (task, annotation) => `draft.${task}.${annotation ?? 0}`;

    async function call(method, path, body) {
      const answer = await fetch(`${path}?workspace=${encodeURIComponent(start.workspace)}`, {
        method,
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify({ ...body, user: start.user }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const told = await answer.json().catch(() => ({}));
      return { status: answer.status, ok: answer.ok, told };
    }
    const wordsOf = (told) => [told.message, told.advice].filter(Boolean).join(" ") || "The server did not take it.";
    // Whether sending goes on after an answer; entry: what was sent, refuse(reason): the server will not have it.
    function settle(answer, done, refuse) {
      const isPerson = answer.told.error_code === "ANOTHER_PERSON";
      if (answer.ok) done(answer.told);
      else if (answer.status === 401 || isPerson) {
        [status, detail] = [isPerson ? "person" : "login", wordsOf(answer.told)];
        return false;
      } else if (answer.status >= 500 || [408, 425, 429].includes(answer.status)) {
        [status, detail] = ["offline", wordsOf(answer.told)];
        return false;
      } else refuse(wordsOf(answer.told));
      return true;
    }
    async function sendEntry(entry) {
      const isUpdate = entry.annotation !== null;
      const path = isUpdate ? `/api/mlpi/labels/annotations/${entry.annotation}` : `/api/mlpi/labels/tasks/${entry.task}/annotations`;
      const answer = await call(isUpdate ? "PUT" : "POST", path, entry.body);
      // It may have been changed while it was on its way; then the newer one is still to go.
      const isLatest = read(entry.name)?.at === entry.at;
      return settle(answer, (told) => {
        if (isLatest) drop(entry.name);
        const isOlder = !isUpdate && !told.isNew && JSON.stringify(told.annotation.result) !== JSON.stringify(entry.body.result);
        if (isLatest && isOlder) outbox.put({ task: entry.task, number: entry.number, annotation: told.annotation.id, body: entry.body });
        on.sent(entry, told);
      }, (reason) => isLatest && write(entry.name, { ...entry, refused: reason }));
    }
    async function sendDraft(name) {
      const entry = read(name);
      due.delete(name);
      if (!entry) return true;
      const answer = await call("PUT", `/api/mlpi/labels/tasks/${entry.task}/draft`, { result: entry.result, lead_time: entry.lead_time, annotation: entry.annotation });
      const goesOn = settle(answer, () => read(name)?.at === entry.at && drop(name), () => drop(name));
      if (!goesOn) due.set(name, 0);
      return goesOn;
    }
    async function run() {
      clearTimeout(timer);
      if (isRunning) return;
      isRunning = true;
      let goesOn = true;
      try {
        while (goesOn) {
          const entry = entries().find((one) => !one.refused);
          const draft = [...due.keys()].find((one) => due.get(one) <= Date.now());
          if (!entry && !draft) break;
          // What is wrong stays said until something has gone through.
          if (status === "idle") status = "sending";
          on.changed();
          goesOn = await (entry ? sendEntry(entry) : sendDraft(draft));
        }
      } catch {
        [goesOn, status, detail] = [false, "offline", "mlpi does not answer."];
      }
      isRunning = false;
      if (goesOn) [status, detail, waitMs] = ["idle", "", FIRST_WAIT_MS];
      const next = goesOn ? Math.min(...due.values()) - Date.now() : waitMs;
      if (!goesOn) waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
      if (next < Infinity) timer = setTimeout(run, Math.max(0, next));
      on.changed();
    }
    const outbox = {
      get status() { return status; },
      get detail() { return detail; },
      get isKept() { return isKept; },
      get waiting() { return entries().filter((one) => !one.refused); },
      get refused() { return entries().filter((one) => one.refused); },
      get hasDrafts() { return names("draft.").length > 0; },
      of: (task) => entries().find((one) => one.task === task) ?? null,
      // entry: { task, number, annotation: of which it is a change, or null, body }
      put(entry) {
        const name = entry.annotation === null ? `out.${entry.body.unique_id}` : `out.change-${entry.annotation}`;
        drop(draftName(entry.task, entry.annotation));
        due.delete(draftName(entry.task, entry.annotation));
        write(name, { ...entry, at: Math.max(Date.now(), (read(name)?.at ?? 0) + 1) });
        run();
      },
      discard(entry) {
        drop(entry.name);
        on.changed();
      },
      // Kept here at once, sent when nothing more has come for a second.
      draft(given) {
        const name = draftName(given.task, given.annotation);
        write(name, { ...given, at: Math.max(Date.now(), (read(name)?.at ?? 0) + 1) });
        due.set(name, Date.now() + DRAFT_WAIT_MS);
        if (!isRunning && status !== "offline") {
          clearTimeout(timer);
          timer = setTimeout(run, DRAFT_WAIT_MS);
        }
        on.changed();
      },
      draftOf: (task, annotation) => read(draftName(task, annotation)),
      forgetDraft(task, annotation) {
        drop(draftName(task, annotation));
        due.delete(draftName(task, annotation));
      },
      // The page goes away: drafts go now, whatever becomes of the page.
      flush() {
        for (const name of due.keys()) {
          const { task, ...body } = read(name) ?? {};
          if (task === undefined) continue;
          const text = JSON.stringify({ ...body, user: start.user });
          fetch(`/api/mlpi/labels/tasks/${task}/draft?workspace=${encodeURIComponent(start.workspace)}`, { method: "PUT", headers: { "Content-Type": "application/json" }, body: text, keepalive: text.length < 60000 }).catch(() => {});
        }
      },
      now() {
        for (const name of due.keys()) due.set(name, 0);
        waitMs = FIRST_WAIT_MS;
        return run();
      },
    };
    // Drafts that an earlier page could not send.
    for (const name of names("draft.")) due.set(name, 0);
    addEventListener("online", () => outbox.now());
    addEventListener("focus", () => status !== "idle" && outbox.now());
    document.addEventListener("visibilitychange", () => (document.hidden ? outbox.flush() : status !== "idle" && outbox.now()));
    addEventListener("pagehide", () => outbox.flush());
    return outbox;
  };
})();
