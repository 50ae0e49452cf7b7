// Spans over text: a container whose text is selected by pointer or keyboard, and drawn over.
//
// labels.spans(box, context, map): map.toValue(range) -> a result's place, map.toRange(value) -> a
// Range or null. Painted as rectangles under the text, so that spans may overlap and nothing is
// ever put into the text itself: places in it stay what they are.
"use strict";
(() => {
  const labels = window.mlpiLabels;
  const { make } = labels;
  const MOVES = { ArrowLeft: ["backward", "character"], ArrowRight: ["forward", "character"], ArrowUp: ["backward", "line"],
    ArrowDown: ["forward", "line"], Home: ["backward", "lineboundary"], End: ["forward", "lineboundary"] };
  const WORD = /[\p{L}\p{N}\p{M}_]/u;

  // Selected space at the ends is not meant; with words, the ends move to those of words.
  function tidy(range, isByWord) {
    const [start, end] = [[range.startContainer, range.startOffset], [range.endContainer, range.endOffset]];
    const isText = (place) => place[0].nodeType === Node.TEXT_NODE;
    if (isByWord) {
      if (isText(start)) while (start[1] > 0 && WORD.test(start[0].data[start[1] - 1]) && WORD.test(start[0].data[start[1]] ?? "")) start[1] -= 1;
      if (isText(end)) while (end[1] < end[0].length && WORD.test(end[0].data[end[1]]) && WORD.test(end[0].data[end[1] - 1] ?? "")) end[1] += 1;
    }
    if (isText(start)) while (start[1] < start[0].length && /\s/.test(start[0].data[start[1]]) && (start[0] !== end[0] || start[1] < end[1])) start[1] += 1;
    if (isText(end)) while (end[1] > 0 && /\s/.test(end[0].data[end[1] - 1]) && (start[0] !== end[0] || start[1] < end[1])) end[1] -= 1;
    const tidied = document.createRange();
    tidied.setStart(...start);
    tidied.setEnd(...end);
    return tidied;
  }

  // The text nodes below an element.
  labels.textNodes = (root) => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) found.push(walker.currentNode);
    return found;
  };

  // Ends of a range that lie in text nodes: a selection may end between elements.
  labels.inText = (root, range) => {
    const nodes = labels.textNodes(root).filter((one) => one.length && range.intersectsNode(one));
    const first = nodes.find((one) => one !== range.startContainer || range.startOffset < one.length);
    const last = nodes.findLast((one) => one !== range.endContainer || range.endOffset > 0);
    if (!first || !last) return null;
    const tidied = document.createRange();
    tidied.setStart(first, first === range.startContainer ? range.startOffset : 0);
    tidied.setEnd(last, last === range.endContainer ? range.endOffset : last.length);
    return tidied.collapsed ? null : tidied;
  };

  labels.spans = (box, context, map) => {
    const content = make("div", { className: `span-text ${map.className}`, tabindex: "0", role: "textbox", "aria-readonly": "true", "aria-multiline": "true", "aria-label": `Text ${context.name}. Arrows move, Shift and arrows select, Enter gives the label.` });
    const under = make("div", { className: "span-under", "aria-hidden": "true" });
    const caret = make("div", { className: "span-caret", hidden: true });
    const frame = make("div", { className: "span-frame" }, under, content, caret);
    box.append(frame);
    map.fill(content);
    let [shown, chosenId] = [[], null];
    const isByWord = context.attributes.granularity === "word";

    function selected() {
      const selection = getSelection();
      if (!selection.rangeCount || selection.isCollapsed || !content.contains(selection.anchorNode) || !content.contains(selection.focusNode)) return null;
      const range = labels.inText(content, selection.getRangeAt(0));
      const tidied = range && tidy(range, isByWord);
      return tidied && !tidied.collapsed ? tidied : null;
    }
    function apply() {
      const range = context.isReadonly ? null : selected();
      const chosen = range && context.chosen();
      if (!chosen) {
        if (range) context.ask("Choose a label for what is selected: by its key or a click.");
        return false;
      }
      const { control } = chosen;
      const value = { ...map.toValue(range, content), [control.type]: chosen.labels.map((one) => one.key ?? one) };
      getSelection().collapse(range.endContainer, range.endOffset);
      context.add({ from_name: control.name, to_name: context.name, type: control.type, value });
      showCaret();
      return true;
    }

    // --- drawing: a rectangle for each line of each span ---------------------------------------------
    function paint() {
      const origin = frame.getBoundingClientRect();
      const levels = [];
      under.replaceChildren();
      const ranges = shown.map((region) => [region, map.toRange(region.value, content)]).filter(([, range]) => range);
      ranges.sort(([, a], [, b]) => a.compareBoundaryPoints(Range.START_TO_START, b) || b.compareBoundaryPoints(Range.END_TO_END, a));
      for (const [region, range] of ranges) {
        // Spans that overlap are underlined at different heights.
        let level = levels.findIndex((one) => range.compareBoundaryPoints(Range.END_TO_START, one) >= 0);
        if (level < 0) level = levels.length;
        levels[level] = range;
        const colour = context.colour(region);
        const rects = [...range.getClientRects()].filter((one) => one.width > 0);
        rects.forEach((rect, number) => {
          const mark = make("div", { className: `span-mark${region.id === chosenId ? " on" : ""}`, "data-region": region.id });
          Object.assign(mark.style, { left: `${rect.left - origin.left}px`, top: `${rect.top - origin.top}px`, width: `${rect.width}px`, height: `${rect.height + level * 3}px`, borderColor: colour, background: `color-mix(in oklab, ${colour} ${region.id === chosenId ? 45 : 24}%, transparent)` });
          if (number === rects.length - 1 && context.attributes.showLabels !== "false") {
            const tag = make("span", { className: "span-tag", textContent: (region.value[region.type] ?? []).join(", ") });
            tag.style.color = `color-mix(in oklab, ${colour} 40%, var(--ink))`;
            mark.append(tag);
          }
          under.append(mark);
        });
      }
    }
    let frameRequest = 0;
    const watch = new ResizeObserver(() => {
      cancelAnimationFrame(frameRequest);
      frameRequest = requestAnimationFrame(paint);
    });
    watch.observe(content);

    function showCaret() {
      const selection = getSelection();
      const isHere = document.activeElement === content && selection.rangeCount && content.contains(selection.focusNode);
      caret.hidden = !isHere;
      if (!isHere) return;
      const at = document.createRange();
      at.setStart(selection.focusNode, selection.focusOffset);
      const rect = at.getClientRects()[0] ?? at.getBoundingClientRect();
      const origin = frame.getBoundingClientRect();
      if (!rect.height) caret.hidden = true;
      Object.assign(caret.style, { left: `${rect.left - origin.left}px`, top: `${rect.top - origin.top}px`, height: `${rect.height}px` });
    }

    // --- pointer and keys -------------------------------------------------------------------------------
    const under_point = (event) => [...under.children].filter((mark) => {
      const rect = mark.getBoundingClientRect();
      return event.clientX >= rect.left && event.clientX <= rect.right && event.clientY >= rect.top && event.clientY <= rect.bottom;
    });
    content.addEventListener("pointerup", () => setTimeout(() => {
      if (selected() && context.chosen()) apply();
      else if (selected()) context.ask("Choose a label for what is selected: by its key or a click.");
    }));
    content.addEventListener("click", (event) => {
      if (selected()) return;
      const ids = [...new Set(under_point(event).map((one) => one.dataset.region))];
      // The one below comes with the next click.
      const at = ids.indexOf(chosenId);
      context.select(ids.length ? ids[(at + ids.length - 1 + (at < 0 ? 1 : 0)) % ids.length] : null);
    });
    content.addEventListener("keydown", (event) => {
      const move = MOVES[event.key];
      const selection = getSelection();
      if (move && !event.altKey && !(event.ctrlKey && !event.shiftKey)) {
        event.preventDefault();
        event.stopPropagation();
        if (!content.contains(selection.focusNode)) selection.collapse(labels.textNodes(content)[0] ?? content, 0);
        const unit = (event.ctrlKey || (isByWord && event.shiftKey)) && move[1] === "character" ? "word" : move[1];
        const [node, offset] = [selection.focusNode, selection.focusOffset];
        selection.modify(event.shiftKey ? "extend" : "move", move[0], unit);
        if (!content.contains(selection.focusNode)) {
          if (event.shiftKey) selection.extend(node, offset);
          else selection.collapse(node, offset);
        }
        showCaret();
      } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        if (!apply() && !selected()) context.ask("Select with Shift and the arrows first.");
      } else if (event.key.toLowerCase() === "a" && event.ctrlKey) {
        event.preventDefault();
        selection.selectAllChildren(content);
      }
    });
    content.addEventListener("focus", () => {
      const selection = getSelection();
      if (!content.contains(selection.focusNode)) selection.collapse(labels.textNodes(content)[0] ?? content, 0);
      showCaret();
    });
    content.addEventListener("blur", () => (caret.hidden = true));

    return {
      draw(regions, id) {
        [shown, chosenId] = [regions, id];
        paint();
      },
      apply: () => Boolean(selected()) && apply(),
      hasSelection: () => Boolean(selected()),
      focus(id) {
        under.querySelector(`[data-region="${CSS.escape(id)}"]`)?.scrollIntoView({ block: "nearest" });
      },
      destroy() {
        watch.disconnect();
        cancelAnimationFrame(frameRequest);
      },
    };
  };
})();
