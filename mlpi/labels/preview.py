"""A configuration as people will see it, on a sample task: an honest sketch, not the editor.

`preview` is the seam: whoever brings the editor itself to the page replaces its template alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from mlpi.errors import MlpiError
from mlpi.labels.config.config import Control, Label, LabelConfig, ObjectTag
from mlpi.labels.config.reading import read_config
from mlpi.labels.config.vocabulary import Role, tag_named
from mlpi.labels.config.xml import ConfigInvalid, Node
from mlpi.labels.given import check_data
from mlpi.labels.templates.sampling import sample_data

MOST_LABELS = 60
LONGEST = 2000  # characters of a sample that are shown
COLOURS = ("#d97757", "#4a90d9", "#7a9e3f", "#9b7fc4", "#e0a800", "#3fa796", "#d9534f", "#8a8d91")


@dataclass(frozen=True, slots=True)
class Shown:
    """A label or choice. depth: how many others it lies in; colour: of CSS, checked before."""

    text: str
    colour: str
    hotkey: str
    depth: int


@dataclass(frozen=True, slots=True)
class Block:
    """One thing on the page. kind: its tag in lower case; value: of an object, what it shows."""

    kind: str
    name: str = ""
    value: Any = None
    labels: Sequence[Shown] = ()
    left_out: int = 0
    notes: Sequence[str] = ()
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """error: why there is nothing to show; line: that it is about, as written."""

    blocks: Sequence[Block] = ()
    warnings: Sequence[str] = ()
    data: str = ""
    error: MlpiError | None = None
    line: str = ""


def preview(text: str, data: Mapping[str, Any] | None = None) -> Preview:
    """data: of a task to show it on; a sample of our own without it."""
    try:
        config = read_config(text)
    except ConfigInvalid as error:
        lines = text.strip().splitlines()
        at = (error.at_line or 0) - 1
        line = lines[at].strip()[:200] if 0 <= at < len(lines) else ""
        return Preview(error=error, line=line)
    shown = sample_data(config)
    if data is not None:
        try:
            check_data(config, data)
            shown = dict(data)
        except MlpiError:
            pass  # a task of before does not fit any more; a sample does
    blocks = _blocks(config, shown)
    sample = json.dumps(_short(shown), indent=2, ensure_ascii=False)
    return Preview(blocks, config.warnings, sample)


def _blocks(config: LabelConfig, data: Mapping[str, Any]) -> list[Block]:
    found = []
    for node in config.root.walk():
        tag = tag_named(node.tag)
        if tag is None or tag.role in (Role.LAYOUT, Role.PART):
            if tag is not None and tag.name == "Header":
                found.append(Block("header", value=_header(node, data)))
            continue
        names = {name.lower(): value for name, value in node.attributes.items()}
        name = names.get("name", "").strip()
        if tag.name == "Relations":
            labels = [Shown(one, "", "", 0) for one in config.relation_labels]
            found.append(Block("relations", labels=labels))
        elif name in config.objects:
            found.append(_object(config.objects[name], data))
        elif name in config.controls:
            found.append(_control(config.controls[name], data))
    return found


def _header(node: Node, data: Mapping[str, Any]) -> str:
    value = {name.lower(): one for name, one in node.attributes.items()}.get("value", "")
    if value.startswith("$"):
        return str(data.get(value[1:], value))[:LONGEST]
    return value[:LONGEST]


def _object(one: ObjectTag, data: Mapping[str, Any]) -> Block:
    value: Any = one.value if one.field is None else _within(data, one.field)
    kind = one.tag.name.lower()
    if kind == "image" and isinstance(value, list):
        value = value[0] if value else ""
    if kind == "image" and not str(value).startswith(("data:image/", "/")):
        kind, value = "address", str(value)[:200]
    elif kind == "hypertext":
        value = _text_of(str(value))
    elif isinstance(value, str) and kind != "image":
        value = value[:LONGEST]
    return Block(kind, one.name, value, options=one.attributes)


def _within(data: Mapping[str, Any], name: str) -> Any:
    if name in data:
        return data[name]
    found: Any = data
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return "" if found is None else found


def _control(one: Control, data: Mapping[str, Any]) -> Block:
    labels = [_label(label, at) for at, label in enumerate(one.labels)]
    if one.dynamic_field is not None:
        offered = data.get(one.dynamic_field)
        entries = offered if isinstance(offered, list) else []
        labels += [
            Shown(str(each.get("value", "") if isinstance(each, Mapping) else each), "", "", 0)
            for each in entries
        ]
    return Block(
        one.type,
        one.name,
        labels=labels[:MOST_LABELS],
        left_out=max(0, len(labels) - MOST_LABELS),
        notes=_notes(one),
        options=one.attributes,
    )


def _label(one: Label, at: int) -> Shown:
    attributes = one.attributes
    text = attributes.get("title") or one.value
    colour = attributes.get("background") or attributes.get("color") or COLOURS[at % len(COLOURS)]
    return Shown(text, colour, attributes.get("hotkey", ""), max(0, len(one.path) - 1))


def _notes(one: Control) -> list[str]:
    """What one does not see in a sketch."""
    found = []
    if one.is_required:
        found.append("required")
    if one.is_per_region:
        found.append("for each region")
    if one.tag.name in ("Choices", "Taxonomy") and one.is_multiple:
        found.append("several")
    if one.dynamic_field is not None:
        found.append(f"from the task’s {one.dynamic_field}")
    when, about = one.attributes.get("visibleWhen"), one.attributes.get("whenTagName", "")
    if when:
        wanted = one.attributes.get("whenChoiceValue") or one.attributes.get("whenLabelValue")
        words = when.replace("-", " ")
        rest = f" {about}" if about else ""
        found.append(f"shown when {words}{rest}" + (f": {wanted}" if wanted else ""))
    return found


class _Text(HTMLParser):
    """The text of HTML, without its tags, scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style") and self._hidden > 0
        if tag in ("p", "div", "h1", "h2", "h3", "li", "tr"):
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def _text_of(html: str) -> str:
    reader = _Text()
    reader.feed(html[: 10 * LONGEST])
    return "".join(reader.parts).strip()[:LONGEST]


def _short(value: Any) -> Any:
    """A sample without the length of a picture."""
    if isinstance(value, str):
        return value if len(value) <= 120 else f"{value[:60]}…"
    if isinstance(value, Mapping):
        return {name: _short(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_short(one) for one in value]
    return value
