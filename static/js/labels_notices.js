// What the labeling page says of its sending, and the sheet that asks why a task is skipped.
"use strict";
(() => {
  const labels = window.mlpiLabels;
  const { make } = labels;
  const find = (id) => document.getElementById(id);
  const REASONS = "mlpi.labels.reasons";
  const MOST_REASONS = 8;

  labels.button = (words, run, kind = "small") => {
    const made = make("button", { type: "button", className: `btn ${kind}`, textContent: words });
    made.addEventListener("click", run);
    return made;
  };

  labels.showProgress = ({ done, total }) => {
    [find("progress").max, find("progress").value] = [total || 1, done];
    find("progress-words").textContent = `${done.toLocaleString("en")} of ${total.toLocaleString("en")}`;
  };

  // hasWork: whether there is anything of which one wants to know that it is saved.
  labels.showSaved = (outbox, hasWork) => {
    const sign = find("saved");
    const isWaiting = outbox.waiting.length > 0 || outbox.hasDrafts;
    const [words, kind] = {
      idle: isWaiting ? ["Saving…", ""] : ["Saved", "ok"],
      sending: ["Saving…", ""],
      offline: [outbox.waiting.length ? `Offline, ${outbox.waiting.length} to send` : "Offline", "warn"],
      login: ["Logged out", "warn"],
      person: ["Another person", "warn"],
    }[outbox.status];
    sign.hidden = !isWaiting && !hasWork && outbox.status === "idle";
    sign.className = `chip ${kind}`;
    sign.textContent = words;
    sign.title = outbox.isKept ? "What you do is kept in this browser until the server has it." : "This browser keeps nothing: do not close this page before it says Saved.";
  };

  function aboutSending(start, outbox) {
    if (outbox.status === "login" || outbox.status === "person") {
      const way = make("a", { className: "btn small", href: `/login?next=${encodeURIComponent(`/labels/${start.project}`)}`, target: "_blank", rel: "noopener", textContent: "Log in, in a new tab" });
      const words = outbox.status === "login" ? "You are logged out. Nothing is lost: what you do is kept here, and sent when you are logged in again." : outbox.detail;
      return [["warn", words, way, labels.button("Send now", () => outbox.now())]];
    }
    if (outbox.status !== "offline") return [];
    return [["warn", `${outbox.detail} Go on: what you do is kept in this browser, and sent by itself.`, labels.button("Try now", () => outbox.now())]];
  }

  // given: { start, outbox, lock, wrong, reopen(entry), take() }
  labels.showNotices = (box, given) => {
    const { outbox, lock } = given;
    const told = aboutSending(given.start, outbox);
    if (!outbox.isKept) told.push(["bad", "This browser has no room to keep what is not sent yet. Do not close this page."]);
    for (const one of outbox.refused) {
      told.push(["bad", `Task ${one.number} was not accepted: ${one.refused}`, labels.button("Go back to it", () => given.reopen(one)), labels.button("Discard", () => outbox.discard(one), "quiet small")]);
    }
    if (lock) told.push(["info", lock.words, lock.canTake ? labels.button("Go on here", given.take) : null]);
    if (given.wrong) told.push(["bad", given.wrong]);
    const shown = told.map(([kind, words, ...more]) => make("div", { className: `notice ${kind}` }, make("span", { textContent: words }), ...more));
    // What says the same stays, with the focus that may be in it.
    const words = JSON.stringify(shown.map((one) => one.textContent));
    if (box.dataset.told === words) return;
    box.dataset.told = words;
    box.replaceChildren(...shown);
  };

  function reasons() {
    try {
      return JSON.parse(localStorage.getItem(REASONS)) ?? [];
    } catch {
      return [];
    }
  }
  function remember(reason) {
    try {
      localStorage.setItem(REASONS, JSON.stringify([reason, ...reasons().filter((one) => one !== reason)].slice(0, MOST_REASONS)));
    } catch {
      // Then it is typed again next time.
    }
  }
  // -> a function that asks; done(reason) is called with what was said, perhaps nothing.
  labels.makeSkipSheet = (sheet, done) => {
    sheet.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const reason = event.target.elements.reason.value.trim();
      sheet.close();
      if (reason) remember(reason);
      done(reason);
    });
    return () => {
      sheet.querySelector("datalist").replaceChildren(...reasons().map((one) => make("option", { value: one })));
      sheet.querySelector("input").value = "";
      sheet.showModal();
    };
  };
})();
