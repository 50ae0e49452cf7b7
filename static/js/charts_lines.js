// A metric's curves of many runs, drawn with uPlot.
"use strict";
(() => {
  const { runs, colour, figure, short, highlight } = mlpiCharts;
  const HEIGHT = 240;
  const FEW = 25;

  // TensorBoard's moving mean without its bias, in the order of the steps; as in the CSV.
  function smoothed(values, weight) {
    let last = 0;
    let count = 0;
    return values.map((value) => {
      if (value == null) return value;
      last = last * weight + (1 - weight) * value;
      count += 1;
      return last / (1 - weight ** count);
    });
  }

  // Where a run's points lie. uPlot wants each place once: points at the same one, as when a step
  // was logged twice, are set apart by too little to be seen.
  function placed(run, along, how) {
    const start = run.start ?? run.times[0];
    const at = along === "step" ? run.steps : along === "time" ? run.times : run.times.map((time) => time - start);
    const soft = how.smooth ? smoothed(run.values, how.smooth) : run.values;
    const order = at.map((_, index) => index).sort((a, b) => at[a] - at[b] || a - b);
    const span = order.length ? at[order.at(-1)] - at[order[0]] : 0;
    const found = { x: [], y: [], raw: [], odd: [] };
    for (const index of order) {
      let x = at[index];
      const before = found.x.at(-1);
      if (before !== undefined && x <= before) x = before + Math.max(span * 1e-8, Math.abs(before) * 1e-15, 1e-12);
      const isDrawn = (value) => value != null && (!how.isLog || value > 0);
      found.x.push(x);
      found.y.push(isDrawn(soft[index]) ? soft[index] : null);
      found.raw.push(isDrawn(run.values[index]) ? run.values[index] : null);
      if (run.odd[index]) found.odd.push([x, run.odd[index]]);
    }
    return found;
  }

  function within(lists) {
    const values = lists.flatMap((list) => list.filter((value) => value != null)).sort((a, b) => a - b);
    if (!values.length) return null;
    const at = (part) => values[Math.round(part * (values.length - 1))];
    const [low, high] = [at(0.05), at(0.95)];
    if (low === high) return null;
    return [low, high];
  }

  function lines(box, readout, data, how) {
    const given = data.runs.filter((run) => runs.has(run.id) && run.values.length);
    if (!given.length) return null;
    const hasSteps = given.some((run) => run.values.length < 2 || run.steps.at(-1) > run.steps[0]);
    const along = how.along === "step" && !hasSteps ? "relative" : how.along;
    const chart = { focused: null, data };
    let drawn = [];
    let table = [];

    function prepare() {
      drawn = given.map((run) => placed(run, along, how));
      table = drawn.length > 1 ? uPlot.join(drawn.map(({ x, y }) => [x, y])) : [drawn[0].x, drawn[0].y];
    }
    prepare();

    // Points of other runs lie between a run's own: the nearest of its own is meant.
    function nearest(plot, series, index, value) {
      if (series === 0 || table[series][index] != null) return index;
      const list = table[series];
      let left = index;
      let right = index;
      while (left >= 0 && list[left] == null) left -= 1;
      while (right < list.length && list[right] == null) right += 1;
      if (left < 0) return right < list.length ? right : index;
      if (right >= list.length) return left;
      return value - table[0][left] <= table[0][right] - value ? left : right;
    }

    function where(x) {
      if (along === "time") return new Date(x * 1000).toISOString().replace("T", " ").slice(0, 19) + " UTC";
      if (along === "relative") return `${figure(+x.toFixed(3))} s`;
      return `step ${figure(Math.round(x))}`;
    }
    function rest() {
      const thinned = data.runs.filter((run) => run.total > run.values.length).length;
      const odd = drawn.reduce((sum, run) => sum + run.odd.length, 0);
      const lost = how.isLog ? data.runs.reduce((sum, run) => sum + run.values.filter((value) => value != null && value <= 0).length, 0) : 0;
      return [
        how.along !== along ? "No steps were logged: along time since the start." : "",
        thinned ? `${thinned} long ${thinned === 1 ? "history is" : "histories are"} thinned, least and most kept.` : "",
        odd ? `${odd} not finite: × NaN, ▲ +∞, ▼ −∞.` : "",
        lost ? `${lost} at or below 0 left out.` : "",
      ].filter(Boolean).join(" ");
    }
    function tell(plot) {
      const series = chart.focused;
      const index = series == null ? null : plot.cursor.idxs?.[series];
      if (index == null || table[series]?.[index] == null) { readout.textContent = rest(); return; }
      readout.textContent = `${figure(table[series][index])} at ${where(table[0][index])} · ${runs.get(given[series - 1].id).name}`;
    }

    function faint(plot) {
      if (!how.smooth) return;
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      ctx.globalAlpha = 0.22;
      ctx.lineWidth = devicePixelRatio;
      drawn.forEach((run, number) => {
        ctx.strokeStyle = runs.get(given[number].id).ink();
        ctx.beginPath();
        let isOn = false;
        run.x.forEach((x, index) => {
          if (run.raw[index] == null) { isOn = false; return; }
          const [px, py] = [plot.valToPos(x, "x", true), plot.valToPos(run.raw[index], "y", true)];
          if (isOn) ctx.lineTo(px, py);
          else ctx.moveTo(px, py);
          isOn = true;
        });
        ctx.stroke();
      });
      ctx.restore();
    }
    function oddOnes(plot) {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
      ctx.textAlign = "center";
      drawn.forEach((run, number) => {
        ctx.fillStyle = runs.get(given[number].id).ink();
        for (const [x, word] of run.odd) {
          const px = plot.valToPos(x, "x", true);
          if (px < bbox.left || px > bbox.left + bbox.width) continue;
          const isTop = word === "Infinity";
          ctx.textBaseline = isTop ? "top" : "bottom";
          ctx.fillText(word === "NaN" ? "×" : isTop ? "▲" : "▼", px, isTop ? bbox.top : bbox.top + bbox.height);
        }
      });
      ctx.restore();
    }

    const axis = { stroke: () => colour("ink-axis"), ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const grid = { stroke: () => colour("ink-grid"), width: 1 };
    const range = how.isClipped ? within(drawn.map((run) => run.y)) : null;
    const isTime = along === "time";
    const options = {
      width: Math.max(120, box.clientWidth),
      height: HEIGHT,
      padding: [8, 10, 0, 0],
      legend: { show: false },
      focus: { alpha: 0.18 },
      cursor: {
        y: false,
        drag: { x: true, y: false },
        dataIdx: nearest,
        focus: { prox: 40 },
        // A point for each of very many curves hides them.
        points: drawn.length <= 12 ? { size: 7 } : { show: false },
        sync: { key: "charts", scales: ["x", null], setSeries: true },
      },
      scales: { x: { time: isTime }, y: { distr: how.isLog ? 3 : 1, ...(range ? { range: () => range } : {}) } },
      axes: [
        { ...axis, grid: { show: false }, size: isTime ? 34 : 24, gap: 3, ...(isTime ? {} : { values: (_, all) => all.map(short) }) },
        { ...axis, grid, size: 56, gap: 4, space: 34, values: (_, all) => all.map((one) => (one == null ? "" : short(one))) },
      ],
      series: [
        {},
        ...given.map((one, number) => {
          const run = runs.get(one.id);
          return { label: run.name, stroke: run.ink, width: 1.6, dash: run.dash.length ? run.dash : undefined, points: { show: drawn[number].x.length < FEW, size: 5 } };
        }),
      ],
      hooks: {
        drawAxes: [faint],
        draw: [oddOnes],
        setCursor: [tell],
        setSeries: [(plot, series, set) => {
          if (!("focus" in set)) return;
          chart.focused = set.focus ? series : null;
          highlight(chart.focused ? given[chart.focused - 1].id : null, chart);
          tell(plot);
        }],
      },
    };
    box.replaceChildren();
    const plot = new uPlot(options, table, box);
    readout.textContent = rest();
    const resize = new ResizeObserver(() => plot.setSize({ width: Math.max(120, box.clientWidth), height: HEIGHT }));
    resize.observe(box);

    let step = null; // where the arrow keys are
    chart.key = (key) => {
      const turn = { ArrowLeft: -1, ArrowRight: 1 }[key];
      const other = { ArrowUp: -1, ArrowDown: 1 }[key];
      if (!turn && !other) return false;
      chart.focused = ((((chart.focused ?? (other === -1 ? 1 : other ? 0 : 1)) + (other ?? 0) - 1 + given.length) % given.length) + 1);
      const own = table[chart.focused].flatMap((value, index) => (value == null ? [] : [index]));
      if (!own.length) return true;
      step = Math.min(own.length - 1, Math.max(0, (step ?? (turn ? -1 : 0)) + (turn ?? 0)));
      const index = own[step];
      const focused = chart.focused;
      plot.setCursor({ left: plot.valToPos(table[0][index], "x"), top: plot.valToPos(table[focused][index], "y") });
      plot.setSeries(focused, { focus: true });
      return true;
    };
    chart.highlight = (id) => {
      const number = given.findIndex((run) => run.id === id);
      plot.setSeries(number < 0 ? null : number + 1, { focus: number >= 0 });
    };
    chart.repaint = () => plot.redraw(false);
    chart.canvas = () => plot.ctx.canvas;
    chart.end = () => { resize.disconnect(); plot.destroy(); };
    return chart;
  }

  // The data with what has come since, of the runs that still run.
  function merged(data, news) {
    const fresh = new Map(news.runs.map((run) => [run.id, run]));
    return { ...data, runs: data.runs.map((run) => fresh.get(run.id) ?? run) };
  }

  Object.assign(mlpiCharts, { lines, merged });
})();
