// Uploads in parts (tus 1.0.0): shows how far it is, and goes on where a lost connection left off.
"use strict";
{
  const PART_BYTES = 8 * 1024 * 1024;
  const PATIENCE_MS = 30000;

  const encoded = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
  // The addresses hold workspace and collection: what was begun elsewhere, or under another name, is not gone on with.
  const remembered = (form, file) => `upload:${form.action}:${form.dataset.upload}:${form.elements.name.value}:${file.name}:${file.size}:${file.lastModified}`;
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
    const metadata = { filename: file.name, name: form.elements.name.value };
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
    const file = form?.elements.file.files[0];
    if (!file) return;
    event.preventDefault();
    const state = form.querySelector("[data-upload-state]");
    const [bar, words] = [state.querySelector("progress"), state.querySelector("p")];
    const buttons = form.querySelectorAll("button");
    const show = (offset, note) => {
      bar.value = file.size ? offset / file.size : 1;
      words.textContent = note || `${Math.round(100 * bar.value)} % of ${file.name}`;
    };
    state.hidden = false;
    words.classList.remove("wrong");
    buttons.forEach((button) => { button.disabled = true; });
    try {
      location.href = await send(form, file, show);
    } catch (error) {
      if (error instanceof Refused) localStorage.removeItem(remembered(form, file));
      words.textContent = error.message;
      words.classList.add("wrong");
    } finally {
      buttons.forEach((button) => { button.disabled = false; });
    }
  });
}
