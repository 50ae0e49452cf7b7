// Which parts of a configuration are shown now, and what is missing before it can be sent.
"use strict";
(() => {
  const labels = window.mlpiLabels;
  const listed = (text) => (text ?? "").split(",").map((one) => one.trim()).filter(Boolean);

  // What a control says: its labels, choices or paths' last parts, as texts.
  function said(state, config, name, id) {
    const control = config.controls[name];
    const found = state.results.find((one) => one.from_name === name
      && (id === null ? !state.region(one.id) : one.id === id));
    const value = found?.value[control?.valueKey];
    if (!Array.isArray(value)) return value === undefined ? [] : [String(value)];
    return value.map((one) => (Array.isArray(one) ? one.at(-1) : one));
  }

  // Whether a region is one that the conditions mean.
  function fits(state, config, attributes, id) {
    const names = listed(attributes.whenTagName);
    const parts = state.ofRegion(id);
    if (names.length && !parts.some((one) => names.includes(one.from_name))) return false;
    const wanted = listed(attributes.whenLabelValue);
    if (wanted.length) {
      const given = parts.flatMap((one) => (config.controls[one.from_name]?.isRegion ? state.labelsOf(one) : []));
      if (!given.some((one) => wanted.includes(one))) return false;
    }
    return true;
  }

  function isChosen(state, config, attributes, id) {
    const wanted = listed(attributes.whenChoiceValue);
    return listed(attributes.whenTagName).some((name) => {
      const isOfRegion = config.controls[name]?.isPerRegion;
      const given = said(state, config, name, isOfRegion ? id : null);
      return wanted.length ? given.some((one) => wanted.includes(one)) : given.length > 0;
    });
  }

  // attributes: of a View, a control or an object. id: the region that is looked at, or null.
  function isMet(state, config, attributes, id) {
    switch (attributes.visibleWhen) {
      case "region-selected": return id !== null && fits(state, config, attributes, id);
      case "no-region-selected": return id === null;
      case "choice-selected": return isChosen(state, config, attributes, id);
      case "choice-unselected": return !isChosen(state, config, attributes, id);
      default: return true;
    }
  }

  // A control that is about regions asks of the selected one alone, if the region is one it means.
  function isAsked(state, config, control, id) {
    if (!control.isPerRegion || control.isRegion) return true;
    const region = id === null ? null : state.region(id);
    if (!region || !control.toNames.includes(region.to_name)) return false;
    if (control.attributes.visibleWhen) return true;
    if (!fits(state, config, control.attributes, id)) return false;
    return !control.attributes.whenChoiceValue || isChosen(state, config, control.attributes, id);
  }

  // above: the attributes of all Views that the control lies in, and its own.
  function isShown(state, config, above, control, id) {
    return above.every((one) => isMet(state, config, one, id)) && (!control || isAsked(state, config, control, id));
  }

  // What is missing: [{ control, id, text }]. places: control name -> attributes above it.
  function missing(state, config, places) {
    const found = [];
    for (const control of Object.values(config.controls)) {
      if (!control.isRequired) continue;
      const say = (id, text) => found.push({ control, id, text: control.attributes.requiredMessage || text });
      const above = places[control.name] ?? [];
      if (control.isPerRegion && !control.isRegion) {
        for (const region of state.regions()) {
          if (!isShown(state, config, above, control, region.id) || state.answer(control.name, region.id)) continue;
          say(region.id, `“${control.name}” is asked of every region.`);
        }
      } else if (isShown(state, config, above, control, null)) {
        const isThere = control.isRegion ? state.results.some((one) => one.from_name === control.name) : state.answer(control.name);
        if (!isThere) say(null, `“${control.name}” is asked for.`);
      }
    }
    return found;
  }

  // What is sent: without answers to questions that other answers have closed.
  function sendable(state, config, places) {
    return state.results.filter((one) => {
      const control = config.controls[one.from_name];
      if (!control || control.isRegion) return true;
      const conditions = (places[control.name] ?? []).filter((each) => (each.visibleWhen ?? "").startsWith("choice"));
      const id = state.region(one.id) ? one.id : null;
      return conditions.every((each) => isMet(state, config, each, id));
    });
  }

  labels.rules = { isShown, missing, sendable };
})();
