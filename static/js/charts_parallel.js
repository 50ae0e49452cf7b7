// Parallel coordinates: an axis for each param and metric, a line for each run, ranges by dragging.
"use strict";
(() => {
  const { runs, colour, figure, cut, surface, scaleOf, highlight } = mlpiCharts;
  const HEIGHT = 420;
  const TOP = 46;
  const LEAST = 92; // CSS pixels from axis to axis
  const NEAR = 12;

  function parallel(box, readout, data, how) {
    const given = data.runs.filter((run) => runs.has(run.id));
    const texts = data.fields;
    const scales = texts.map((_, index) => scaleOf(given.map((run) => run.values[index])));
    if (!given.some((run) => run.values.some((value) => value != null))) return null;
    const chart = { data, shown: null };
    // Ranges by field, as parts of the axis from 0 at the bottom to 1 at the top.
    const waiting = how.ranges.filter(([text]) => !texts.includes(text));
    const ranges = new Map(how.ranges.filter(([text]) => texts.includes(text)).map(([text, from, to]) => [text, [from, to]]));
    let axes = [];
    let lines = [];
    let current = -1; // the axis that the keys are on

    const isIn = (run) => texts.every((text, index) => {
      const range = ranges.get(text);
      if (!range) return true;
      const part = scales[index].part(run.values[index]);
      return part != null && part >= range[0] - 1e-9 && part <= range[1] + 1e-9;
    });
    const height = (part) => HEIGHT - 14 - part * (HEIGHT - 14 - TOP);
    // Close to an end means the end: nobody meets it to the pixel.
    const part = (y) => {
      const at = (HEIGHT - 14 - y) / (HEIGHT - 14 - TOP);
      return at > 0.98 ? 1 : at < 0.02 ? 0 : at;
    };

    function paint(ctx, width) {
      const gap = (width - 2 * 52) / Math.max(1, texts.length - 1);
      axes = texts.map((_, index) => (texts.length === 1 ? width / 2 : 52 + index * gap));
      lines = given.map((run) => ({ run, isIn: isIn(run), spots: texts.map((_, index) => { const at = scales[index].part(run.values[index]); return at == null ? null : [axes[index], height(at)]; }) }));
      const rank = (line) => (line.run.id === chart.shown ? 2 : line.isIn ? 1 : 0);
      for (const line of [...lines].sort((a, b) => rank(a) - rank(b))) {
        const known = runs.get(line.run.id);
        ctx.strokeStyle = line.isIn ? known.ink() : colour("ink-grid");
        ctx.globalAlpha = chart.shown && chart.shown !== line.run.id ? 0.2 : line.isIn ? 0.9 : 0.7;
        ctx.lineWidth = chart.shown === line.run.id ? 2.6 : 1.4;
        ctx.setLineDash(line.isIn ? known.dash : []);
        ctx.beginPath();
        let isOn = false;
        for (const spot of line.spots) {
          if (spot && isOn) ctx.lineTo(...spot);
          else if (spot) ctx.moveTo(...spot);
          isOn = Boolean(spot); // a run without the value has no line there
        }
        ctx.stroke();
      }
      ctx.globalAlpha = 1;
      ctx.setLineDash([]);
      ctx.textBaseline = "middle";
      texts.forEach((text, index) => {
        const x = Math.round(axes[index]) + 0.5;
        ctx.lineWidth = index === current ? 2 : 1;
        ctx.strokeStyle = colour(index === current ? "ink-accent" : "ink-axis");
        ctx.beginPath();
        ctx.moveTo(x, TOP);
        ctx.lineTo(x, HEIGHT - 14);
        ctx.stroke();
        const range = ranges.get(text);
        if (range) {
          ctx.fillStyle = colour("ink-accent");
          ctx.globalAlpha = 0.35;
          ctx.fillRect(x - 5, height(range[1]), 10, Math.max(2, height(range[0]) - height(range[1])));
          ctx.globalAlpha = 1;
        }
        const isLast = index === texts.length - 1 && index > 0;
        ctx.textAlign = isLast ? "right" : "left";
        const every = Math.ceil(scales[index].marks.length / 14);
        for (const mark of scales[index].marks.filter((_, number) => number % every === 0)) {
          const words = cut(ctx, mark.text, Math.min(70, gap - 14 || 70));
          const from = x + (isLast ? -6 : 6);
          // The theme's surface around the words keeps them readable over the lines.
          ctx.strokeStyle = colour("ink-surface");
          ctx.lineWidth = 3;
          ctx.strokeText(words, from, height(mark.part));
          ctx.fillStyle = colour("ink-soft");
          ctx.fillText(words, from, height(mark.part));
        }
        ctx.textAlign = "center";
        ctx.fillStyle = colour("ink-words");
        ctx.fillText(cut(ctx, text.split(".").slice(1).join("."), Math.min(gap || 200, 100) - 4), x, index % 2 && texts.length > 4 ? 30 : 14);
      });
    }

    function said(index) {
      const range = ranges.get(texts[index]);
      const name = texts[index].split(".").slice(1).join(".");
      if (!range) return `${name}: all`;
      const scale = scales[index];
      if (!scale.isNumber) return `${name}: ${scale.kinds.filter((kind) => scale.part(kind) >= range[0] - 1e-9 && scale.part(kind) <= range[1] + 1e-9).join(", ") || "none"}`;
      const [low, high] = range.map((at) => scale.from + at * (scale.to - scale.from));
      return `${name}: ${figure(low)} to ${figure(high)}`;
    }
    function tell() {
      const line = lines.find((one) => one.run.id === chart.shown);
      if (line) {
        readout.textContent = `${texts.map((text, index) => `${text.split(".").slice(1).join(".")} ${figure(line.run.values[index])}`).join(", ")} · ${runs.get(line.run.id).name}`;
        return;
      }
      const within = lines.filter((one) => one.isIn).length;
      const chosen = texts.flatMap((text, index) => (ranges.has(text) || index === current ? [said(index)] : []));
      readout.textContent = chosen.length ? `${within} of ${given.length} runs · ${chosen.join(" · ")}` : "";
      for (const one of lines) runs.get(one.run.id).entry.classList.toggle("dimmed", !one.isIn);
    }
    function changed() {
      chart.surface.repaint();
      tell();
      how.keepRanges([...[...ranges].map(([text, range]) => [text, ...range]), ...waiting]);
    }

    chart.surface = surface(box, HEIGHT, paint, texts.length * LEAST);
    const canvas = chart.surface.canvas;
    const spotOf = (event) => { const edge = canvas.getBoundingClientRect(); return [event.clientX - edge.left, event.clientY - edge.top]; };
    const axisAt = (x) => axes.findIndex((one) => Math.abs(one - x) <= NEAR);
    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      const [x, y] = spotOf(event);
      const index = axisAt(x);
      if (index < 0) return;
      drag = { index, from: part(y) };
      canvas.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    canvas.addEventListener("pointermove", (event) => {
      const [x, y] = spotOf(event);
      if (drag) {
        const to = part(y);
        if (Math.abs(to - drag.from) > 0.01) ranges.set(texts[drag.index], [Math.min(drag.from, to), Math.max(drag.from, to)]);
        chart.surface.repaint();
        tell();
        return;
      }
      canvas.classList.toggle("ranges", axisAt(x) >= 0);
      const id = nearest(x, y);
      if (id === chart.shown) return;
      chart.shown = id;
      chart.surface.repaint();
      highlight(id, chart);
      tell();
    });
    canvas.addEventListener("pointerup", (event) => {
      if (!drag) return;
      const [, y] = spotOf(event);
      if (Math.abs(part(y) - drag.from) <= 0.01) ranges.delete(texts[drag.index]);
      drag = null;
      changed();
    });
    canvas.addEventListener("pointerleave", () => {
      if (drag || chart.shown === null) return;
      chart.shown = null;
      chart.surface.repaint();
      highlight(null, chart);
      tell();
    });

    // The run whose line passes within NEAR of a place.
    function nearest(x, y) {
      const right = axes.findIndex((at) => at >= x);
      if (right < 1) return null;
      let best = null;
      let least = NEAR;
      for (const { run, spots, isIn: within } of lines) {
        const [a, b] = [spots[right - 1], spots[right]];
        if (!within || !a || !b) continue;
        const far = Math.abs(a[1] + ((b[1] - a[1]) * (x - a[0])) / (b[0] - a[0]) - y);
        if (far < least) [best, least] = [run.id, far];
      }
      return best;
    }

    chart.key = (key, isShifted) => {
      const turn = { ArrowLeft: -1, ArrowRight: 1 }[key];
      const move = { ArrowUp: 0.05, ArrowDown: -0.05 }[key];
      if (turn) current = (current + turn + texts.length) % texts.length;
      else if (move && current >= 0) {
        const range = [...(ranges.get(texts[current]) ?? [0, 1])];
        const end = isShifted ? 1 : 0;
        range[end] = Math.min(1, Math.max(0, range[end] + move));
        if (range[0] > range[1]) return true;
        ranges.set(texts[current], range);
      } else if ((key === "Delete" || key === "Backspace") && current >= 0) ranges.delete(texts[current]);
      else return false;
      chart.shown = null;
      changed();
      return true;
    };
    chart.highlight = (id) => { chart.shown = id; chart.surface.repaint(); tell(); };
    chart.repaint = () => chart.surface.repaint();
    chart.canvas = () => canvas;
    tell();
    return chart;
  }

  mlpiCharts.parallel = parallel;
})();
