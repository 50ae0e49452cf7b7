// Uploads in parts (tus 1.0.0): shows how far it is, and goes on where a lost connection left off.
"use strict";
{
  const PART_BYTES = 8 * 1024 * 1024;
  const PATIENCE_MS = 30000;

  const encoded = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
  // The addresses hold workspace and collection: what was begun elsewhere, or under another name, is not gone on with.
  const named = (form) => form.elements.name?.value ?? "";
  const remembered = (form, file) => `upload:${form.action}:${form.dataset.upload}:${named(form)}:${file.name}:${file.size}:${file.lastModified}`;
  const pause = (span) => new Promise((done) => setTimeout(done, span));

  class Refused extends Error {}

  // In the form's workspace, whatever another tab has switched to.
  function bound(url, form) {
    url.searchParams.set("workspace", new URL(form.action).searchParams.get("workspace"));
    return url;
  }

  async function asked(url, options) {
    const answer = await fetch(url, options);
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => ({}));
    const words = [told.message, told.advice].filter(Boolean).join(" ") || `The service answered ${answer.status}.`;
    if (answer.status >= 500 && answer.status !== 507) throw new Error(words);
    throw Object.assign(new Refused(words), { status: answer.status });
  }

  async function begun(form, file) {
    const where = bound(new URL(form.dataset.upload, location.href), form);
    const metadata = { filename: file.name };
    if (named(form)) metadata.name = named(form);
    const answer = await asked(where, {
      method: "POST",
      headers: { "Upload-Length": file.size, "Upload-Metadata": Object.entries(metadata).map(([key, value]) => `${key} ${encoded(value)}`).join(",") },
    });
    const upload = new URL(answer.headers.get("Location"), location.href);
    upload.search = where.search;
    return { url: upload.href, offset: 0, done: answer };
  }

  async function resumed(form, file) {
    const known = localStorage.getItem(remembered(form, file));
    if (!known) return null;
    const answer = await fetch(known, { method: "HEAD" }).catch(() => null);
    return answer?.ok ? { url: known, offset: Number(answer.headers.get("Upload-Offset")) } : null;
  }

  async function send(form, file, show) {
    let { url, offset, done } = (await resumed(form, file)) ?? (await begun(form, file));
    localStorage.setItem(remembered(form, file), url);
    let lostAt = 0;
    while (offset < file.size) {
      show(offset, lostAt ? "The connection was lost; trying again…" : "");
      try {
        done = await asked(url, {
          method: "PATCH",
          headers: { "Content-Type": "application/offset+octet-stream", "Upload-Offset": offset },
          body: file.slice(offset, offset + PART_BYTES),
        });
        offset = Number(done.headers.get("Upload-Offset"));
        lostAt = 0;
      } catch (error) {
        if (error instanceof Refused && error.status !== 409) throw error;
        lostAt ||= Date.now();
        if (Date.now() - lostAt > PATIENCE_MS) throw new Error("The service cannot be reached. Send it again to go on from here.");
        await pause(1000);
        const here = await fetch(url, { method: "HEAD" }).catch(() => null);
        if (here?.ok) offset = Number(here.headers.get("Upload-Offset"));
      }
    }
    localStorage.removeItem(remembered(form, file));
    return bound(new URL(done.headers.get("Content-Location") ?? location.href, location.href), form).href;
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-upload]");
    const files = [...(form?.elements.file.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    const state = form.querySelector("[data-upload-state]");
    const [bar, words] = [state.querySelector("progress"), state.querySelector("p")];
    const buttons = form.querySelectorAll("button");
    const whole = files.reduce((sum, file) => sum + file.size, 0);
    let before = 0, file;
    const show = (offset, note) => {
      bar.value = whole ? (before + offset) / whole : 1;
      const which = files.length > 1 ? `file ${files.indexOf(file) + 1} of ${files.length}, ${file.name}` : file.name;
      words.textContent = note || `${Math.round(100 * bar.value)} % · ${which}`;
    };
    state.hidden = false;
    words.classList.remove("wrong");
    buttons.forEach((button) => { button.disabled = true; });
    const sent = [], refused = [];
    for (file of files) {
      try {
        sent.push(await send(form, file, show));
      } catch (error) {
        if (error instanceof Refused) localStorage.removeItem(remembered(form, file));
        refused.push(files.length > 1 ? `${file.name}: ${error.message}` : error.message);
      }
      before += file.size;
    }
    buttons.forEach((button) => { button.disabled = false; });
    if (refused.length) {
      words.textContent = [files.length > 1 && `${sent.length} of ${files.length} files are here.`, ...refused].filter(Boolean).join(" ");
      words.classList.add("wrong");
      return;
    }
    // One file has a page of its own; several are listed on the page that they were sent from.
    location.href = files.length > 1 ? location.href : sent[0];
  });
}
