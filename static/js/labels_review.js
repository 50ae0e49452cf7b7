// Keys of the review page: each button that names one is pressed by it.
"use strict";
(() => {
  const typing = "input, textarea, select, [contenteditable]";
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest?.(typing)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const wanted = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (!wanted) return;
    event.preventDefault();
    // A rejection without a word helps nobody: the first R asks for it, the second rejects.
    const comment = document.querySelector("#verdict textarea");
    if (event.key.toLowerCase() === "r" && comment && !comment.value.trim() && document.activeElement !== wanted) {
      comment.focus();
      comment.placeholder = "Why? Then press Escape and R again.";
      comment.addEventListener("blur", () => wanted.focus(), { once: true });
      return;
    }
    wanted.click();
  });
})();
