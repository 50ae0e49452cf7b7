"""CoNLL-2003 and spaCy's JSON Lines: texts with their spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from mlpi.labels.config.config import LabelConfig
from mlpi.labels.exporting.items import Item, Value
from mlpi.labels.exporting.treebank import tokens


def field_of(config: LabelConfig) -> str:
    """The task's data that a configuration with one object is about."""
    return next(iter(config.fields), "")


def conll(config: LabelConfig, items: Iterable[Item]) -> Iterator[bytes]:
    """A token a line with its tag; an empty line after each text."""
    field = field_of(config)
    yield b"-DOCSTART- -X- O\n"
    for one in items:
        spans = next(
            (values for values in one.output.values() if values[0]["type"] == "Labels"), ()
        )
        lines = [f"{token} -X- _ {tag}\n" for token, tag in tagged(_text(one, field), spans)]
        yield "".join([*lines, "\n"]).encode()


def tagged(text: str, spans: Sequence[Value]) -> list[tuple[str, str]]:
    """Each token with B- and I- tags of the span that it lies in, else O.

    A span's label is its first. Where spans overlap, the one that begins first has the tokens.
    """
    if not all(isinstance(one.get(end), int | float) for one in spans for end in ("start", "end")):
        spans = ()
    waiting = sorted(spans, key=lambda one: int(one["start"]))
    found: list[tuple[str, str]] = []
    span = waiting.pop(0) if waiting else None
    prefix = "B-"
    for token, begin in tokens(text):
        while span is not None and begin >= span["end"] and waiting:
            span, prefix = waiting.pop(0), "B-"
        is_in = (
            span is not None
            and begin + len(token) > span["start"]
            and begin < span["end"]
            and bool(span.get("labels"))
        )
        if span is not None and is_in:
            found.append((token, prefix + span["labels"][0]))
            prefix = "I-"
        else:
            found.append((token, "O"))
    return found


def spacy(config: LabelConfig, items: Iterable[Item]) -> Iterator[bytes]:
    """An object a line: text; spans with start, end and label; cats, 1.0 for what was chosen."""
    field = field_of(config)
    offered = {
        control.name: [label.key for label in control.labels]
        for control in config.controls.values()
        if control.tag.name == "Choices" and not control.is_per_region
    }
    has_spans = any(control.tag.name == "Labels" for control in config.controls.values())
    for one in items:
        found: dict[str, Any] = {"text": _text(one, field)}
        if has_spans:
            spans = [
                {"start": value["start"], "end": value["end"], "label": label}
                for value in one.values
                if value["type"] == "Labels" and isinstance(value.get("start"), int)
                for label in value.get("labels") or ()
            ]
            found["spans"] = sorted(spans, key=lambda span: (span["start"], span["end"]))
        if offered:
            chosen = {
                choice if isinstance(choice, str) else choice[-1]
                for name in offered
                for value in one.output.get(name, ())
                for choice in value.get("choices", ())
            }
            found["cats"] = {key: float(key in chosen) for keys in offered.values() for key in keys}
        found["meta"] = {"task": one.task_id, "annotation": one.annotation_id}
        yield orjson.dumps(found) + b"\n"


def _text(one: Item, field: str) -> str:
    return str(one.input.get(field, ""))
