"""Results in words: what somebody said of a task, a line for each thing said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

MOST = 200  # lines


@dataclass(frozen=True, slots=True)
class Line:
    """control: who asked. words: what was said. where: of which part of the task."""

    control: str
    words: str
    where: str = ""


def lines(result: str) -> list[Line]:
    """Stored results, the first {MOST} of them."""
    return [_line(one) for one in orjson.loads(result)[:MOST] if isinstance(one, dict)]


def summary(results: Sequence[str], most: int = 6) -> list[str]:
    """What several people said, each thing once."""
    found: dict[str, None] = {}
    for result in results:
        for one in orjson.loads(result)[:MOST]:
            if isinstance(one, dict) and (words := _words(one)):
                found[words] = None
            if len(found) >= most:
                return list(found)
    return list(found)


def _line(one: Mapping[str, Any]) -> Line:
    kind = str(one.get("type"))
    if kind == "relation":
        named = ", ".join(map(str, one.get("labels") or ())) or "related"
        return Line("relation", named, f"{one.get('from_id')} → {one.get('to_id')}")
    return Line(str(one.get("from_name", "")), _words(one) or kind, _where(one))


def _words(one: Mapping[str, Any]) -> str:
    value, kind = one.get("value"), str(one.get("type"))
    if not isinstance(value, dict):
        return ", ".join(map(str, one.get("labels") or ()))
    if kind == "pairwise":
        return str(value.get("selected", ""))
    if kind in ("ranker", "list"):
        ranked = value.get(kind, value.get("items", value))
        return orjson.dumps(ranked).decode()[:200]
    found = value.get(kind, value.get("labels", value.get("text")))
    if isinstance(found, list):
        parts = [
            " / ".join(map(str, each)) if isinstance(each, list) else str(each) for each in found
        ]
        return ", ".join(parts)[:500]
    return "" if found is None else str(found)[:500]


def _where(one: Mapping[str, Any]) -> str:
    value = one.get("value")
    if not isinstance(value, dict):
        return ""
    if "points" in value and isinstance(value["points"], list):
        return f"{len(value['points'])} points"
    if "x" in value and "y" in value:
        sizes = [value.get("width"), value.get("height")]
        if "radiusX" in value:
            sizes = [value.get("radiusX"), value.get("radiusY")]
        at = f"at {_figure(value['x'])}, {_figure(value['y'])} %"
        sized = [_figure(each) for each in sizes if each is not None]
        turned = value.get("rotation")
        return f"{' × '.join(sized)} % {at}".strip(" %") + (
            f", turned {_figure(turned)}°" if turned else ""
        )
    if "start" in value and "end" in value:
        text = value.get("text")
        quote = f"“{text[:80]}” " if isinstance(text, str) and text else ""
        return f"{quote}{_figure(value['start'])}–{_figure(value['end'])}"
    return ""


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)[:60]
