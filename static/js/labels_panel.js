// Beside the task: its regions, relations between them, and what models predict for it.
"use strict";
(() => {
  const labels = window.mlpiLabels;
  const { make } = labels;
  const SIGNS = { right: "→", left: "←", bi: "↔" };
  const TURNS = { right: "left", left: "bi", bi: "right" };

  // given: { config, state(), drawn(), isReadonly(), relating() -> id | null, relate(id | null) }
  labels.makePanel = (box, given) => {
    const { config } = given;
    const count = make("span", { className: "push dim num" });
    const list = make("ol", { className: "region-list" });
    const ties = make("ol", { className: "relation-list" });
    const tieBox = make("section", { className: "side-part", hidden: true }, make("h2", { textContent: "Relations" }), ties);
    const empty = make("p", { className: "dim" });
    const regionBox = make("section", { className: "side-part" }, make("header", { className: "row" }, make("h2", { textContent: "Regions" }), count), empty, list);
    const hasRegions = Object.values(config.controls).some((one) => one.isRegion);
    regionBox.hidden = !hasRegions;
    box.append(regionBox, tieBox);

    function nameOf(region) {
      const said = given.state().labelsOf(region);
      return (Array.isArray(said) && said.length ? said.join(", ") : config.controls[region.from_name].tag);
    }
    function about(region) {
      const { value } = region;
      if (typeof value.text === "string") return value.text;
      if (typeof value.start === "number") return `${value.start.toFixed(1)}–${value.end.toFixed(1)} s`;
      return region.to_name;
    }
    function line(region, number, state) {
      const swatch = make("i", { className: "swatch", "aria-hidden": "true" });
      swatch.style.background = given.drawn().colour(region);
      const name = make("button", { type: "button", className: "item", "data-region": region.id, "aria-pressed": String(region.id === state.selected), title: `${nameOf(region)}: ${about(region)}` },
        make("span", { className: "num dimmer", textContent: String(number + 1) }), swatch, make("b", { className: "t", textContent: nameOf(region) }), make("span", { className: "t dim", textContent: about(region) }));
      name.addEventListener("click", () => {
        const from = given.relating();
        if (from !== null) given.relate(region.id);
        else {
          state.select(region.id === state.selected ? null : region.id);
          given.drawn().focus(region.id);
        }
      });
      const row = make("li", {}, name);
      if (given.isReadonly()) return row;
      if (config.hasRelations) {
        const tie = make("button", { type: "button", className: "btn quiet small", title: "Relate it to another (Alt R)", "aria-label": `Relate region ${number + 1} to another`, textContent: "⤳" });
        tie.addEventListener("click", () => {
          state.select(region.id);
          given.relate(null);
        });
        row.append(tie);
      }
      const remove = make("button", { type: "button", className: "btn quiet small", title: "Delete", "aria-label": `Delete region ${number + 1}`, textContent: "✕" });
      remove.addEventListener("click", () => state.remove(region.id));
      row.append(remove);
      return row;
    }
    function tieLine(one, state, regions) {
      const name = (id) => {
        const at = regions.findIndex((each) => each.id === id);
        return at < 0 ? "?" : `${at + 1} ${nameOf(regions[at])}`;
      };
      const turn = make("button", { type: "button", className: "btn quiet small", title: "Turn it", "aria-label": `Direction ${one.direction ?? "right"}; turn it`, textContent: SIGNS[one.direction ?? "right"], disabled: given.isReadonly() });
      turn.addEventListener("click", () => state.changeRelation(one, { direction: TURNS[one.direction ?? "right"] }));
      const row = make("li", {}, make("div", { className: "row tie" }, make("span", { className: "t", textContent: name(one.from_id), title: name(one.from_id) }), turn, make("span", { className: "t", textContent: name(one.to_id), title: name(one.to_id) })));
      if (!given.isReadonly()) {
        const remove = make("button", { type: "button", className: "btn quiet small push", title: "Delete", "aria-label": "Delete this relation", textContent: "✕" });
        remove.addEventListener("click", () => state.removeRelation(one));
        row.firstChild.append(remove);
      }
      const kinds = make("div", { className: "options" }, ...config.relations.map((label) => {
        const now = one.labels ?? [];
        const isOn = now.includes(label);
        const button = make("button", { type: "button", className: "option", "aria-pressed": String(isOn), textContent: label, disabled: given.isReadonly() });
        button.addEventListener("click", () => state.changeRelation(one, { labels: isOn ? now.filter((each) => each !== label) : [...now, label] }));
        return button;
      }));
      if (config.relations.length) row.append(kinds);
      return row;
    }
    return {
      draw() {
        const state = given.state();
        const regions = state.regions();
        const focused = box.contains(document.activeElement) ? document.activeElement.dataset.region : null;
        list.replaceChildren(...regions.map((one, number) => line(one, number, state)));
        if (focused) list.querySelector(`[data-region="${CSS.escape(focused)}"]`)?.focus();
        count.textContent = regions.length ? String(regions.length) : "";
        empty.hidden = regions.length > 0;
        empty.textContent = given.isReadonly() ? "There are none." : "None yet. Choose a label, then mark a place; or mark first, then choose the label.";
        const relations = state.relations();
        tieBox.hidden = !config.hasRelations && !relations.length;
        ties.replaceChildren(...relations.map((one) => tieLine(one, state, regions)));
        if (!relations.length) ties.append(make("li", { className: "dim", textContent: given.relating() !== null ? "Choose the region that it leads to." : "None yet. Select a region, press Alt R, then choose the other." }));
      },
    };
  };

  // One's own annotation and those of models, as tabs. given: { task, shown, show(prediction | null), take(prediction) }
  labels.drawTabs = (box, given) => {
    const { predictions } = given.task;
    box.hidden = !predictions.length;
    const nameOf = (one) => `${one.model_version}${one.score === null ? "" : ` · ${one.score.toFixed(2)}`}`;
    const tab = (words, one) => {
      const button = make("button", { type: "button", role: "tab", className: "btn quiet small", "aria-selected": String(given.shown === one), title: words }, make("span", { className: "t", textContent: words }));
      button.addEventListener("click", () => given.show(one));
      return button;
    };
    box.replaceChildren(make("div", { role: "tablist", className: "row", "aria-label": "Whose labels" }, tab("Mine", null), ...predictions.map((one) => tab(`Model ${nameOf(one)}`, one))));
    if (!given.shown) return;
    const take = make("button", { type: "button", className: "btn primary small", textContent: "Start from this" });
    take.addEventListener("click", () => given.take(given.shown));
    box.append(make("div", { className: "row" }, make("span", { className: "dim", textContent: "As a model sees it; nothing here is yours yet." }), take));
  };
})();
