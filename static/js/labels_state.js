// What is labeled, as Label Studio's results: one list, with undo and redo over its snapshots.
"use strict";
(() => {
  const labels = window.mlpiLabels;
  const MOST_STEPS = 200;

  // config: as the server gives it. listen(fn): fn is called after every change.
  labels.makeState = (config) => {
    let [results, selected] = [[], null];
    let [past, future, lastKey, lastAt] = [[], [], null, 0];
    const listeners = [];
    const tell = () => listeners.forEach((one) => one());
    const controlOf = (one) => config.controls[one.from_name];
    const isRegion = (one) => Boolean(controlOf(one)?.isRegion);
    const keyOf = (one) => (typeof one === "object" && one !== null ? one.key : one);

    // key: changes one after another under the same key are one step (a text that is typed).
    function commit(next, key = null) {
      const now = Date.now();
      const isSame = key !== null && key === lastKey && now - lastAt < 1500;
      if (!isSame) past = [...past.slice(1 - MOST_STEPS), results];
      [future, lastKey, lastAt, results] = [[], key, now, next];
      if (selected !== null && !next.some((one) => one.id === selected)) selected = null;
      tell();
    }
    function step(from, to) {
      if (!from.length) return false;
      to.push(results);
      results = from.pop();
      lastKey = null;
      if (selected !== null && !results.some((one) => one.id === selected)) selected = null;
      tell();
      return true;
    }
    const state = {
      listen: (one) => listeners.push(one),
      get results() { return results; },
      get selected() { return selected; },
      get canUndo() { return past.length > 0; },
      get canRedo() { return future.length > 0; },
      // Begin anew, perhaps with something to go back to.
      reset(next, before = []) {
        [results, past, future, selected, lastKey] = [next, [...before], [], null, null];
        tell();
      },
      undo: () => step(past, future),
      redo: () => step(future, past),
      select(id) {
        if (id === selected) return;
        selected = id;
        tell();
      },

      // --- regions: results of one id; the first of a region's control says where it is ------------
      regions(name = null) {
        const seen = new Set();
        return results.filter((one) => {
          if (!isRegion(one) || seen.has(one.id) || (name !== null && one.to_name !== name)) return false;
          return Boolean(seen.add(one.id));
        });
      },
      region: (id) => results.find((one) => one.id === id && isRegion(one)) ?? null,
      ofRegion: (id) => results.filter((one) => one.id === id && one.type !== "relation"),
      labelsOf(one) {
        return one.value[controlOf(one)?.valueKey] ?? [];
      },
      add(region) {
        const id = labels.newId();
        const { valueKey } = controlOf(region);
        const value = { ...region.value };
        if (Array.isArray(value[valueKey])) value[valueKey] = value[valueKey].map(keyOf);
        selected = id;
        commit([...results, { ...region, value, id, origin: region.origin ?? "manual" }]);
        return id;
      },
      // Where it is changes, and what is said of it stays.
      change(id, place) {
        commit(results.map((one) => {
          if (one.id !== id || !controlOf(one)) return one;
          const { valueKey } = controlOf(one);
          const value = { ...place };
          for (const each of Object.values(config.controls)) delete value[each.valueKey || "none"];
          // A text area says "text" in a region, and a span's text is "text" too.
          if (place.text !== undefined && valueKey !== "text") value.text = place.text;
          if (one.value[valueKey] !== undefined) value[valueKey] = one.value[valueKey];
          return { ...one, value };
        }));
      },
      relabel(id, control, keys) {
        const is = (one) => one.id === id && one.from_name === control.name;
        if (results.some(is)) {
          commit(results.map((one) => (is(one) ? { ...one, value: { ...one.value, [control.valueKey]: keys } } : one)));
          return;
        }
        // Of another control: that one's labels take the place of what it had.
        const old = state.region(id);
        const before = controlOf(old);
        if (before.tag !== control.tag && before.valueKey) return;
        const { [before.valueKey]: _, ...place } = old.value;
        commit(results.map((one) => (one === old
          ? { ...one, from_name: control.name, type: control.type, value: { ...place, [control.valueKey]: keys } }
          : one)));
      },
      remove(id) {
        commit(results.filter((one) => one.id !== id && one.from_id !== id && one.to_id !== id));
      },

      // --- answers: of the whole task (id null) or of a region ---------------------------------------
      answer(name, id = null) {
        return results.find((one) => one.from_name === name && !isRegion(one)
          && (id === null ? !state.region(one.id) : one.id === id)) ?? null;
      },
      // value: what stands under the control's key; null takes the answer away.
      setAnswer(control, value, id = null, key = null) {
        const old = state.answer(control.name, id);
        if (value === null) {
          if (old) commit(results.filter((one) => one !== old), key);
          return;
        }
        if (old) {
          commit(results.map((one) => (one === old ? { ...one, value: { ...one.value, [control.valueKey]: value } } : one)), key);
          return;
        }
        const region = id === null ? null : state.region(id);
        const place = region ? { ...region.value } : {};
        if (region) delete place[controlOf(region).valueKey];
        const isOwn = control.tag === "Pairwise";
        const made = {
          id: id ?? labels.newId(),
          from_name: control.name,
          to_name: region ? region.to_name : isOwn ? control.name : control.toNames[0],
          type: control.type,
          value: { ...place, [control.valueKey]: value },
          origin: "manual",
        };
        for (const one of ["original_width", "original_height", "image_rotation"]) {
          if (region?.[one] !== undefined) made[one] = region[one];
        }
        commit([...results, made], key);
      },

      // --- relations -----------------------------------------------------------------------------------
      relations: () => results.filter((one) => one.type === "relation"),
      relate(from, to) {
        if (from === to || results.some((one) => one.from_id === from && one.to_id === to)) return false;
        commit([...results, { type: "relation", from_id: from, to_id: to, direction: "right", labels: [] }]);
        return true;
      },
      changeRelation(old, given) {
        commit(results.map((one) => (one === old ? { ...one, ...given } : one)));
      },
      removeRelation(old) {
        commit(results.filter((one) => one !== old));
      },
    };
    return state;
  };
})();
