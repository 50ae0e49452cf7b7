// The frame of a sound: its file brought in, its outline reckoned, and the toolbar.
"use strict";
(() => {
  const own = (window.mlpiLabels ??= {});
  const { element, button } = own.parts;
  const SHORT_S = 600; // longer sounds are streamed: decoding them would fill a tablet's memory
  const SHORT_BYTES = 120e6;
  const RATE_HZ = 8000; // enough for an outline
  const PEAKS_A_SECOND = 100;
  const SPEEDS = ["0.5", "0.75", "1", "1.25", "1.5", "2"];

  /** Seconds as 1:02:03.4, the hours left out when there are none. */
  own.clock = (seconds, digits = 1) => {
    const tenths = Math.round(seconds * 10 ** digits) / 10 ** digits;
    const [hours, minutes] = [Math.floor(tenths / 3600), Math.floor(tenths / 60) % 60];
    const rest = (tenths % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  };

  /** The loudest of each stretch of a decoded sound, over its channels: numbers from 0 to 1. */
  function outline(decoded) {
    const count = Math.max(1, Math.min(decoded.length, Math.ceil(decoded.duration * PEAKS_A_SECOND)));
    const peaks = new Float32Array(count);
    for (let channel = 0; channel < decoded.numberOfChannels; channel += 1) {
      const samples = decoded.getChannelData(channel);
      for (let i = 0; i < samples.length; i += 1) {
        const at = Math.min(count - 1, Math.floor((i * count) / samples.length));
        const loud = Math.abs(samples[i]);
        if (loud > peaks[at]) peaks[at] = loud;
      }
    }
    return peaks;
  }
  const metadata = (audio, url) => new Promise((resolve, reject) => {
    audio.onloadedmetadata = () => resolve(audio.duration);
    audio.onerror = () => reject(new Error("It is not there, is no sound that this browser plays, or lies on another host, which this page does not ask."));
    audio.preload = "metadata";
    audio.src = url;
  });

  // What a data: URI holds, as a file.
  function blobOf(uri) {
    const comma = uri.indexOf(",");
    const [type, ...how] = uri.slice(5, comma).split(";");
    const body = decodeURIComponent(uri.slice(comma + 1));
    const bytes = how.includes("base64") ? Uint8Array.from(atob(body), (one) => one.charCodeAt(0)) : new TextEncoder().encode(body);
    return new Blob([bytes], { type });
  }

  /** Brings a sound in: {duration, peaks}, peaks null when it is long and streams. attempt: how often it
   * was tried before. Raises what is to be said. */
  own.loadSound = async (audio, url, attempt, signal) => {
    if (!url) throw new Error("The task's data holds no address for it.");
    // A sound inside of the task's data: pages ask no address but this host's, so that it gets one.
    const held = url.startsWith("data:") ? blobOf(url) : null;
    if (held) {
      url = URL.createObjectURL(held);
      signal.addEventListener("abort", () => URL.revokeObjectURL(url), { once: true });
    }
    // Browsers keep what came of an address, even when it was no sound; a fragment makes it another.
    let duration = await metadata(audio, attempt ? `${url}#again-${attempt}` : url);
    const isShort = !Number.isFinite(duration) || duration <= SHORT_S;
    if (!isShort) return { duration, peaks: null };
    const answer = held ? new Response(held) : await fetch(url, { signal, cache: attempt ? "reload" : "default" });
    if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
    if (Number(answer.headers.get("Content-Length")) > SHORT_BYTES && Number.isFinite(duration)) {
      await answer.body?.cancel();
      return { duration, peaks: null };
    }
    try {
      const decoded = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(await answer.arrayBuffer());
      if (!Number.isFinite(duration)) duration = decoded.duration; // a recording without a length in its head
      return { duration, peaks: outline(decoded) };
    } catch (error) {
      if (error.name === "AbortError" || !Number.isFinite(duration)) throw error;
      return { duration, peaks: null }; // it plays, but cannot be decoded
    }
  };

  /** wavesurfer under a policy that forbids inline styles: its own sheet is adopted before it shows. */
  own.makeWave = (place, options) => {
    const holder = element("div", { class: "wave" });
    const wave = WaveSurfer.create({ ...options, container: holder });
    const root = holder.firstElementChild.shadowRoot;
    for (const style of root.querySelectorAll("style")) {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(style.textContent);
      root.adoptedStyleSheets.push(sheet);
      style.remove();
    }
    place.replaceChildren(holder);
    return wave;
  };

  /** A token's colour as the theme has it now, for a canvas. */
  own.tokenColour = (host, name) => {
    const probe = element("span", { hidden: true });
    probe.style.color = `var(${name})`;
    host.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };

  let count = 0;
  own.audioFrame = (box, context, help) => {
    const id = `audio-help-${(count += 1)}`;
    const play = button("Play", "Space", "Play");
    const [back, ahead] = [button("One second back", "J", "−1 s"), button("One second ahead", "L", "+1 s")];
    const clock = element("output", { class: "clock" }, "0:00.0");
    const loop = button("Play the chosen region over and over", "R", "Loop");
    loop.setAttribute("aria-pressed", "false");
    const speed = element("select", { "aria-label": "Speed", title: "Speed" }, ...SPEEDS.map((one) => element("option", { value: one, selected: one === "1" }, `${one} ×`)));
    const zoom = element("input", { type: "range", min: "0", max: "100", value: "0", step: "1", "aria-label": "Zoom", title: "Zoom (+, −, 0)" });
    const tools = element("div", { class: "tools", role: "toolbar", "aria-label": `Sound ${context.name}` }, play, back, ahead, clock, speed, loop, element("label", { class: "zoom" }, element("span", {}, "Zoom"), zoom));
    const wave = element("div", { class: "wave-place" });
    const stage = element("div", { class: "easel", tabindex: "0", role: "application", "aria-roledescription": "sound to mark", "aria-label": context.isReadonly ? `Sound ${context.name}, read only` : `Sound ${context.name}`, "aria-describedby": id }, wave);
    const notice = element("div", { class: "notice-place", "aria-live": "polite" });
    const surface = element("div", { class: "surface surface-audio" }, tools, stage, notice, element("p", { class: "sr", id }, help));
    box.replaceChildren(surface);
    return { surface, stage, wave, notice, play, back, ahead, clock, loop, speed, zoom };
  };
})();
