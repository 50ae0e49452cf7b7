// Other tabs of this browser: which of them has a task before it, so that two do not write at once.
"use strict";
(() => {
  const labels = window.mlpiLabels;

  // on: { results() of the task here, free(task) the other tab let it go, lost(task) another tab took it over, other(task) another has it
  //       open, given(task, results) what the other had, done(task) it was submitted there }
  labels.makeTabs = (start, on) => {
    const me = labels.newId();
    const channel = "BroadcastChannel" in window ? new BroadcastChannel(`mlpi-labels-${start.user}-${start.project}`) : null;
    let [task, isOwner] = [null, false];
    const post = (kind, more = {}) => channel?.postMessage({ kind, task, from: me, ...more });
    channel?.addEventListener("message", ({ data }) => {
      if (data.task !== task || task === null || (data.to && data.to !== me)) return;
      if (data.kind === "open" && isOwner) post("mine", { to: data.from });
      else if (data.kind === "mine" && isOwner) {
        isOwner = false;
        on.other(task);
      } else if (data.kind === "take" && isOwner) {
        isOwner = false;
        post("given", { to: data.from, results: on.results() });
        on.lost(task);
      } else if (data.kind === "given") on.given(task, data.results);
      else if (data.kind === "done") on.done(task);
      else if (data.kind === "free" && !isOwner) on.free(task);
    });
    const leave = () => isOwner && task !== null && post("free");
    addEventListener("pagehide", leave);
    return {
      open(next) {
        leave();
        [task, isOwner] = [next, true];
        post("open");
      },
      take() {
        isOwner = true;
        post("take");
      },
      done() {
        post("done");
        isOwner = false;
        task = null;
      },
    };
  };
})();
