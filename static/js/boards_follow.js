// Tells a page when runs came, went or grew: the workspace's number is asked for while somebody looks.
"use strict";
const mlpiFollow = (() => {
  const EVERY_MS = 2000;
  // news(): a promise; the longer it takes, the less often it is called.
  return function follow(news) {
    if (!mlpiRoom.room) return;
    const { workspace } = mlpiRoom.room.dataset;
    let seen = document.getElementById("tree").dataset.version;
    let restUntil = 0;
    let isLooking = false;
    async function look() {
      if (isLooking || document.hidden || performance.now() < restUntil) return;
      isLooking = true;
      const began = performance.now();
      try {
        const answer = await fetch(`/boards/version?${new URLSearchParams({ workspace })}`, { headers: { Accept: "application/json" } });
        if (!answer.ok) return;
        const { version } = await answer.json();
        if (version !== seen && (await news()) !== false) seen = version;
      } catch {
        // The next look tries again.
      } finally {
        isLooking = false;
        restUntil = performance.now() + Math.max(EVERY_MS, 4 * (performance.now() - began));
      }
    }
    setInterval(look, EVERY_MS / 4);
    document.addEventListener("visibilitychange", look);
  };
})();

// The runs of a page that was fetched, where they are other ones than those beside.
mlpiFollow.runs = (page) => {
  const names = (tree) => [...tree.querySelectorAll(".leaf")].map((leaf) => leaf.dataset.run).join("\n");
  const fresh = page.getElementById("tree");
  if (fresh && names(fresh) !== names(document.getElementById("tree"))) mlpiRoom.renew();
};
