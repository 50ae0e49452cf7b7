// What pages do beyond HTML: toasts, menus, search by keyboard, copying, theme, polling.
// Every page works without this file.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  // --- toasts -----------------------------------------------------------------------------
  function toast(text, kind = "bad") {
    const box = document.createElement("div");
    box.className = `toast ${kind}`;
    const words = document.createElement("p");
    words.textContent = text;
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "✕";
    close.setAttribute("aria-label", "Dismiss");
    close.addEventListener("click", () => box.remove());
    box.append(words, close);
    const all = document.getElementById("toasts");
    all.replaceChildren(...[...all.children].slice(-2), box);
    setTimeout(() => box.remove(), kind === "bad" ? 12000 : 3000);
  }

  // The server's message from whatever it sent: a part, a page or JSON.
  function messageIn(text) {
    try {
      return JSON.parse(text).message;
    } catch {
      const page = new DOMParser().parseFromString(text || "", "text/html");
      return page.querySelector("[role=alert], .trouble h1")?.textContent.trim();
    }
  }

  document.addEventListener("htmx:response:error", (event) => {
    const { response, text, sourceElement } = event.detail.ctx;
    // 401 leads to the log-in page, and a form comes back as 422 with what was wrong in it.
    if (response.status === 401 || response.status === 422) return;
    if (isPoll(sourceElement)) {
      if (response.status >= 500 || sourceElement.dataset.over) return;
      sourceElement.dataset.over = "true"; // it is gone, or not ours any more: asking again is no use
    }
    toast(messageIn(text) || `mlpi answered ${response.status}.`);
  });
  document.addEventListener("htmx:error", (event) => {
    const element = event.detail.ctx?.sourceElement;
    if (element && isPoll(element)) setLive(false);
    else if (element) toast("mlpi does not answer. Is it running, and are you in its network?");
  });

  // --- polling: what fails is tried again by itself, and said quietly -----------------------
  function isPoll(element) {
    return element.matches("[data-poll], #cards");
  }
  function setLive(isLive) {
    let sign = document.getElementById("offline");
    if (isLive) return sign?.remove();
    if (sign) return;
    sign = document.createElement("p");
    sign.id = "offline";
    sign.className = "chip warn offline";
    sign.setAttribute("role", "status");
    sign.title = "mlpi does not answer. What you see is from before; it goes on by itself.";
    sign.textContent = "not connected";
    document.body.append(sign);
  }
  document.addEventListener("htmx:after:request", (event) => {
    const { response, sourceElement } = event.detail.ctx;
    if (isPoll(sourceElement)) setLive(response.status < 500);
  });
  // Nobody looks, or there is nothing more to see: nobody asks.
  document.addEventListener("htmx:before:request", (event) => {
    const { sourceElement, sourceEvent } = event.detail.ctx;
    const isUnseen = document.hidden && sourceEvent?.type === "every";
    if (isPoll(sourceElement) && (isUnseen || sourceElement.dataset.over)) event.preventDefault();
  });

  // --- polling: a tick every 10 s for whoever listens, while somebody looks -----------------
  const TICK_MS = 10000;
  let tickedAt = Date.now();
  function tick() {
    if (document.hidden || Date.now() - tickedAt < TICK_MS) return;
    tickedAt = Date.now();
    document.body.dispatchEvent(new CustomEvent("tick"));
  }
  setInterval(tick, TICK_MS / 4);
  document.addEventListener("visibilitychange", tick);

  // --- a dialogue whose form came back ---------------------------------------------------------
  document.querySelector("[popover][data-again]")?.showPopover();

  // --- menus --------------------------------------------------------------------------------
  function closeMenus(except) {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (menu !== except) menu.open = false;
    }
  }
  document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
  document.addEventListener("focusin", (event) => closeMenus(event.target.closest("details.menu")));

  // --- search -------------------------------------------------------------------------------
  const find = document.querySelector("[data-find]");
  const field = find?.querySelector("input[type=search]");
  const found = () => document.getElementById("found");
  const hits = () => [...found().querySelectorAll("a")];
  const isFresh = () => found().dataset.words === field.value.trim() && field.value.trim() !== "";

  function moveInHits(step) {
    const links = hits();
    const at = links.indexOf(document.activeElement) + step;
    if (at < 0 || !links.length) field.focus();
    else links[Math.min(at, links.length - 1)].focus();
  }
  find?.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      moveInHits(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (!found().hidden) found().hidden = true;
      else field.blur();
      if (document.activeElement !== field && find.contains(document.activeElement)) field.focus();
    } else if (event.key === "Enter" && document.activeElement === field && isFresh() && hits().length) {
      event.preventDefault();
      hits()[0].click();
    }
  });
  find?.addEventListener("focusin", () => {
    if (isFresh()) found().hidden = false;
  });
  find?.addEventListener("focusout", (event) => {
    if (!find.contains(event.relatedTarget)) found().hidden = true;
  });

  document.addEventListener("keydown", (event) => {
    if (field && (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      field.focus();
      field.select();
    } else if (event.key === "Escape") {
      const menu = document.querySelector("details.menu[open]");
      if (menu) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
    }
  });

  // --- copying: the clipboard API exists only on https and localhost --------------------------
  async function copy(element) {
    const text = element.textContent;
    if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
    const selection = getSelection();
    selection.selectAllChildren(element);
    const done = document.execCommand("copy");
    if (done) selection.removeAllRanges();
    return done;
  }
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const done = await copy(document.getElementById(button.dataset.copy));
    if (done) toast("Copied.", "ok");
    else toast("The browser did not allow it. The text is selected: press Ctrl+C.");
  });

  // --- pictures that are not there ---------------------------------------------------------------
  const hide = (event) => event.target.matches?.("img[data-may-miss]") && (event.target.hidden = true);
  document.addEventListener("error", hide, true);

  // --- theme: at once, and remembered by the server --------------------------------------------
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("[data-theme-choice]");
    if (!form) return;
    event.preventDefault();
    const choice = event.submitter.value;
    root.dataset.theme = choice;
    for (const button of form.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.value === choice));
    }
    document.dispatchEvent(new CustomEvent("themechange"));
    const body = new URLSearchParams({ choice, next: "/healthz" });
    fetch(form.action, { method: "POST", body }).catch(() => toast("The choice could not be saved."));
  });

  // --- the log-in page keeps where a link was going ---------------------------------------------
  const target = document.querySelector("[data-keep-hash] input[name=next]");
  if (target && location.hash && !target.value.includes("#")) target.value += location.hash;
})();
