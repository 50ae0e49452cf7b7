// Texts to mark spans in: Text, HyperText and Paragraphs, with places as Label Studio has them.
//
// Text: start and end count characters (code points), as Label Studio's editor and Python count.
// HyperText: XPaths of text nodes from the root, with offsets in UTF-16 units within these, and
// globalOffsets in characters. Paragraphs: the numbers of the paragraphs as texts, and offsets.
"use strict";
(() => {
  const labels = window.mlpiLabels;
  const { make } = labels;
  const count = (text) => [...text].length;
  // Where character number `at` begins, in UTF-16 units.
  function unitsOf(text, at) {
    if (at >= text.length) return text.length;
    let [units, seen] = [0, 0];
    while (seen < at && units < text.length) {
      units += text.codePointAt(units) > 0xffff ? 2 : 1;
      seen += 1;
    }
    return units;
  }
  // What was written and what is read back: \r\n in a text node stays as it is.
  function before(root, node, offset) {
    let text = "";
    for (const one of labels.textNodes(root)) {
      if (one === node) return text + one.data.slice(0, offset);
      text += one.data;
    }
    return text;
  }
  function rangeOf(from, start, to, end) {
    if (!from || !to || start > from.length || end > to.length) return null;
    const range = document.createRange();
    range.setStart(from, start);
    range.setEnd(to, end);
    return range;
  }

  labels.surfaces.Text = (box, context) => {
    const text = String(context.value ?? "");
    return labels.spans(box, context, {
      className: "plain",
      fill: (content) => content.append(document.createTextNode(text)),
      toValue(range) {
        const [start, end] = [range.startOffset, range.endOffset];
        return { start: count(text.slice(0, start)), end: count(text.slice(0, end)), text: text.slice(start, end) };
      },
      toRange(value, content) {
        const node = content.firstChild;
        if (typeof value.start === "string") return null;
        const [start, end] = [unitsOf(text, value.start), unitsOf(text, value.end)];
        return node && start < end ? rangeOf(node, start, node, end) : null;
      },
    });
  };

  // --- HTML ------------------------------------------------------------------------------------------
  function pathOf(root, node) {
    const steps = [];
    for (let one = node; one !== root; one = one.parentNode) {
      const name = one.nodeType === Node.TEXT_NODE ? "text()" : one.nodeName.toLowerCase();
      let number = 1;
      for (let other = one.previousSibling; other; other = other.previousSibling) {
        if (other.nodeName === one.nodeName) number += 1;
      }
      steps.unshift(`${name}[${number}]`);
    }
    return `/${steps.join("/")}`;
  }
  function nodeAt(root, path) {
    let found = root;
    for (const step of path.split("/").filter(Boolean)) {
      const [, name, number] = /^([\w()-]+)(?:\[(\d+)\])?$/.exec(step) ?? [];
      const wanted = name === "text()" ? "#text" : name?.toUpperCase();
      found = [...found.childNodes].filter((one) => one.nodeName === wanted)[(number ?? 1) - 1];
      if (!found) return null;
    }
    return found.nodeType === Node.TEXT_NODE ? found : labels.textNodes(found)[0] ?? null;
  }
  function nodeAtCharacter(root, at, isEnd) {
    let seen = 0;
    for (const one of labels.textNodes(root)) {
      const length = count(one.data);
      if (at < seen + length || (isEnd && at === seen + length)) return [one, unitsOf(one.data, at - seen)];
      seen += length;
    }
    return [null, 0];
  }
  labels.surfaces.HyperText = (box, context) => labels.spans(box, context, {
    className: "rich",
    fill: (content) => {
      content.innerHTML = context.html ?? "";
    },
    toValue(range, content) {
      const start = count(before(content, range.startContainer, range.startOffset));
      const end = count(before(content, range.endContainer, range.endOffset));
      return {
        start: pathOf(content, range.startContainer),
        end: pathOf(content, range.endContainer),
        startOffset: range.startOffset,
        endOffset: range.endOffset,
        globalOffsets: { start, end },
        text: range.toString(),
      };
    },
    toRange(value, content) {
      const places = value.globalOffsets;
      if (typeof value.start === "string") {
        const found = rangeOf(nodeAt(content, value.start), value.startOffset ?? 0, nodeAt(content, value.end), value.endOffset ?? 0);
        if (found || !places) return found;
      }
      const [start, end] = typeof value.start === "number" ? [value.start, value.end] : [places?.start, places?.end];
      const [from, to] = [nodeAtCharacter(content, start, false), nodeAtCharacter(content, end, true)];
      return rangeOf(...from, ...to);
    },
  });

  // --- dialogues ---------------------------------------------------------------------------------------
  labels.surfaces.Paragraphs = (box, context) => {
    const { nameKey = "author", textKey = "text" } = context.attributes;
    const list = Array.isArray(context.value) ? context.value : [{ [textKey]: String(context.value ?? "") }];
    const speakers = [...new Set(list.map((one) => String(one[nameKey] ?? "")))];
    let bodies = [];
    return labels.spans(box, context, {
      className: "dialogue",
      fill(content) {
        list.forEach((one) => {
          const name = String(one[nameKey] ?? "");
          const who = make("div", { className: "who", textContent: name });
          who.style.color = `var(--c${(speakers.indexOf(name) % 6) + 1})`;
          const body = make("div", { className: "says" }, document.createTextNode(String(one[textKey] ?? "")));
          bodies.push(body);
          content.append(make("div", { className: "turn" }, name ? who : null, body));
        });
        // Names are no text to mark.
        content.querySelectorAll(".who").forEach((one) => (one.style.userSelect = "none"));
      },
      toValue(range) {
        const at = (node) => bodies.findIndex((one) => one.contains(node));
        let [first, last] = [at(range.startContainer), at(range.endContainer)];
        let [start, end] = [range.startOffset, range.endOffset];
        if (first < 0) [first, start] = [bodies.findIndex((one) => range.intersectsNode(one)), 0];
        if (last < 0) {
          last = bodies.findLastIndex((one) => range.intersectsNode(one));
          end = bodies[last].textContent.length;
        }
        const texts = bodies.slice(first, last + 1).map((one) => one.textContent);
        if (first === last) texts[0] = texts[0].slice(start, end);
        else [texts[0], texts[texts.length - 1]] = [texts[0].slice(start), texts.at(-1).slice(0, end)];
        return { start: String(first), end: String(last), startOffset: start, endOffset: end, text: texts.join("\n") };
      },
      toRange(value) {
        const [from, to] = [bodies[Number(value.start)], bodies[Number(value.end)]];
        if (!from || !to) return null;
        return rangeOf(from.firstChild, value.startOffset ?? 0, to.firstChild, value.endOffset ?? to.textContent.length);
      },
    });
  };
})();
