// The tasks of one sitting: which came, in which order, and the next one fetched ahead.
"use strict";
(() => {
  const labels = window.mlpiLabels;

  // start: as the page gives it; outbox: whose tasks are on their way and not to be asked for again.
  labels.makeSitting = (start, outbox) => {
    const base = `/labels/${start.project}/label`;
    const remembered = `mlpi.labels.${start.project}.at`;
    const cache = new Map();
    let [trail, at, ahead, asking, isDry] = [[], -1, null, null, false];

    async function get(path, query = {}) {
      const words = new URLSearchParams({ ...query, workspace: start.workspace });
      const answer = await fetch(`${base}${path}?${words}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) {
        const told = await answer.json().catch(() => ({}));
        throw Object.assign(new Error(told.message ?? `mlpi answered ${answer.status}.`), { status: answer.status });
      }
      return (await answer.json()).task;
    }
    const besides = () => [...new Set([trail[at], ...outbox.waiting.map((one) => one.task), ...outbox.refused.map((one) => one.task)].filter(Boolean))].slice(-50).join(",");
    // Pictures of the next task are in the browser before it is shown.
    function preload(task) {
      for (const object of Object.values(start.config.objects)) {
        const value = object.tag === "Image" ? labels.valueOf(object, task.data) : null;
        for (const one of [value].flat()) if (typeof one === "string" && one.startsWith("/") && !one.startsWith("//")) new Image().src = one;
      }
    }
    function keep(task) {
      cache.set(task.id, task);
      if (cache.size > 50) cache.delete(cache.keys().next().value);
      return task;
    }
    const sitting = {
      get current() { return trail[at] ?? null; },
      get ahead() { return ahead; },
      get canGoBack() { return at > 0; },
      get cached() { return cache; },
      get remembered() {
        try {
          return Number(sessionStorage.getItem(remembered)) || null;
        } catch {
          return null;
        }
      },
      enter(task) {
        keep(task);
        if (trail[at] !== task.id) {
          trail = [...trail.slice(0, at + 1), task.id];
          at = trail.length - 1;
        }
        if (ahead?.id === task.id) ahead = null;
        try {
          sessionStorage.setItem(remembered, String(task.id));
        } catch {
          // The next sitting begins with whatever is next.
        }
      },
      // Fetch the next one, once; called when there is time for it. Where nothing was left, nothing
      // is asked for until somebody wants to go on.
      look() {
        if (ahead || asking || isDry) return asking;
        asking = get("/next", { besides: besides() })
          .then((task) => {
            isDry = task === null;
            if (task && task.id !== trail[at]) {
              ahead = keep(task);
              preload(task);
            }
            return ahead;
          })
          .finally(() => (asking = null));
        return asking;
      },
      async next() {
        if (!ahead && asking) await asking;
        isDry = false;
        if (!ahead) await sitting.look();
        return ahead;
      },
      // One task anew; what was kept of it where the network is down or it is on its way.
      async task(id) {
        if (outbox.of(id) && cache.has(id)) return cache.get(id);
        try {
          return keep(await get(`/tasks/${id}`));
        } catch (error) {
          if (error.status || !cache.has(id)) throw error;
          return cache.get(id);
        }
      },
      back: () => (at > 0 ? trail[at -= 1] : null),
      forward: () => (at < trail.length - 1 ? trail[at += 1] : null),
      // Tasks that nobody works on here any more are others' again.
      release(ids) {
        if (!ids.length) return;
        navigator.sendBeacon(`/api/mlpi/labels/projects/${start.project}/release?workspace=${encodeURIComponent(start.workspace)}`, JSON.stringify({ tasks: ids }));
      },
    };
    return sitting;
  };
})();
