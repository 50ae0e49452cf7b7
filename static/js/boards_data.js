// Curves as they are drawn: where their points lie, smoothed, ready for a canvas.
"use strict";
const mlpiBoards = {};
(() => {
  const { colour } = mlpiCharts;
  const DASHES = ["", "7 3", "2 2", "9 3 2 3", "14 4", "4 2 1 2 1 2", "1 4", "12 3 5 3", "5 5 1 5"].map((text) => text.split(" ").filter(Boolean).map(Number));
  const COLOURS = 6;
  const MANY = 54; // more looks there are not: all lines are solid

  // TensorBoard's moving mean without its bias towards 0; what is not finite is stepped over.
  function smoothed(values, weight) {
    let last = 0;
    let left = 1; // weight to the power of how many values there were
    return values.map((value) => {
      if (value === null || value === undefined || !Number.isFinite(value)) return null;
      last = last * weight + (1 - weight) * value;
      left *= weight;
      return last / (1 - left);
    });
  }

  const drawable = (isLog) => (value) => (value !== null && (!isLog || value > 0) ? value : null);

  // What the server sent of a run (see service.packed) → a line.
  function lineOf(name, look, curve, how) {
    const x = how.along === "step" ? curve.s : how.along === "relative" ? curve.t : curve.t.map((time) => curve.b + time);
    const fits = drawable(how.isLog);
    const raw = curve.v.map(fits);
    // Of a thinned curve the buckets' means are smoothed: least and most alone would lie.
    const soft = how.smooth ? smoothed(curve.m ?? curve.v, how.smooth).map((value, at) => (curve.v[at] === null ? null : fits(value))) : raw;
    const lost = how.isLog ? curve.v.filter((value) => value !== null && value <= 0).length : 0;
    return { name, ...look, x, y: soft, raw: how.smooth ? raw : null, odd: (curve.o ?? []).map(([at, word]) => [x[at], word]), lost, total: curve.n };
  }

  function bandOf(name, look, band, how) {
    const fits = drawable(how.isLog);
    const soft = (values) => (how.smooth ? smoothed(values, how.smooth) : values);
    const mean = soft(band.v);
    const [low, high] = how.band === "std" ? [soft(band.sd).map((sd, at) => mean[at] - sd), soft(band.sd).map((sd, at) => mean[at] + sd)] : [soft(band.lo), soft(band.hi)];
    const floor = how.isLog ? Math.min(...mean.filter((value) => value > 0)) / 10 : null;
    return { name, ...look, x: band.x, y: mean.map(fits), raw: null, low: how.isLog ? low.map((value) => Math.max(value, floor)) : low, high, odd: [], lost: 0, runs: band.n, at: band.k };
  }

  const inkOf = (number) => () => colour(`ink c${number}`);
  const lookAt = (number) => ({ ink: inkOf((number % COLOURS) + 1), number: (number % COLOURS) + 1, dash: DASHES[Math.floor(number / COLOURS) % DASHES.length] });
  function looks() {
    const found = new Map();
    for (const leaf of mlpiRoom.leaves()) found.set(leaf.dataset.run, { ink: inkOf(leaf.dataset.colour), number: +leaf.dataset.colour, dash: DASHES[+leaf.dataset.dash] });
    return found;
  }

  // The index of the point nearest to a place; lines have their points in order.
  function nearest(x, at) {
    let low = 0;
    let high = x.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (x[middle] < at) low = middle;
      else high = middle;
    }
    return at - x[low] <= x[high] - at ? low : high;
  }

  async function ask(url) {
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    const data = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(data.message), { status: answer.status });
    return data;
  }

  Object.assign(mlpiBoards, { MANY, smoothed, lineOf, bandOf, lookAt, looks, nearest, ask });
})();
