// Files dropped on a field, and media sent a few at a time with a bar that says how far it is.
(() => {
  "use strict";
  const AT_ONCE = 10;
  const MOST_BYTES = 64 * 1024 * 1024;

  for (const area of document.querySelectorAll("[data-drop]")) {
    const input = area.querySelector("input");
    const over = (event) => { event.preventDefault(); area.classList.add("over"); };
    area.addEventListener("dragenter", over);
    area.addEventListener("dragover", over);
    area.addEventListener("dragleave", () => area.classList.remove("over"));
    area.addEventListener("drop", (event) => {
      event.preventDefault();
      area.classList.remove("over");
      if (!event.dataTransfer.files.length) return;
      const taken = new DataTransfer();
      for (const file of [...event.dataTransfer.files].slice(0, input.multiple ? undefined : 1)) taken.items.add(file);
      input.files = taken.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }

  function* parts(files) {
    let part = [], size = 0;
    for (const file of files) {
      if (part.length && (part.length === AT_ONCE || size + file.size > MOST_BYTES)) {
        yield part;
        [part, size] = [[], 0];
      }
      part.push(file);
      size += file.size;
    }
    if (part.length) yield part;
  }

  async function send(url, files) {
    const body = new FormData();
    files.forEach((file, index) => body.append(`file${index}`, file, file.name));
    const answer = await fetch(url, { method: "POST", body });
    const told = await answer.json().catch(() => ({}));
    if (answer.ok) return told.task_count;
    const wrong = Object.values(told.validation_errors ?? {}).flat().join(" ");
    throw new Error(wrong || told.detail || `The service answered ${answer.status}.`);
  }

  const form = document.querySelector("form[data-media]");
  form?.addEventListener("submit", async (event) => {
    const files = [...form.elements.files.files];
    if (!files.length) return;
    event.preventDefault();
    const url = new URL(form.dataset.media, location.href);
    url.searchParams.set("workspace", new URL(form.action).searchParams.get("workspace"));
    const state = form.querySelector("[data-media-state]");
    const [bar, words, list] = ["progress", "p", "ul"].map((name) => state.querySelector(name));
    const button = form.querySelector("button");
    state.hidden = false;
    list.hidden = true;
    list.replaceChildren();
    button.disabled = true;
    let sent = 0, tasks = 0;
    const refused = (names, error) => {
      const line = document.createElement("li");
      line.textContent = `${names}: ${error.message}`;
      list.append(line);
      list.hidden = false;
    };
    for (const part of parts(files)) {
      words.textContent = `${sent} of ${files.length} files`;
      try {
        tasks += await send(url, part);
      } catch {
        // One bad file keeps back those sent with it: each by itself then.
        for (const file of part) await send(url, [file]).then((count) => { tasks += count; }, (error) => refused(file.name, error));
      }
      sent += part.length;
      bar.value = sent / files.length;
    }
    button.disabled = false;
    if (list.hidden) {
      const next = new URL(location.href);
      next.searchParams.set("done", tasks);
      location.href = next.href;
      return;
    }
    words.textContent = `${tasks} of ${files.length} files imported.`;
  });
})();
