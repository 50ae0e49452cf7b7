"""Metadata of a record as rows of a form: a key, what kind of value, the value as text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlpi.errors import Invalid

KINDS: Mapping[str, str] = {
    "text": "text",
    "whole": "whole number",
    "decimal": "decimal",
    "flag": "true/false",
    "list": "list",
}
_MOST = 2**63 - 1
_RESERVED = "chroma:"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row. kind: one of KINDS."""

    key: str = ""
    kind: str = "text"
    value: str = ""


def entries_of(metadata: Mapping[str, Any]) -> list[Entry]:
    """Metadata as rows, by key."""
    return [Entry(key, kind_of(value), _shown(value)) for key, value in sorted(metadata.items())]


def metadata_of(entries: Sequence[Entry]) -> dict[str, Any]:
    """Rows as metadata; those without key and value are left out. Raises Invalid."""
    found: dict[str, Any] = {}
    for number, entry in enumerate(entries, 1):
        if not entry.key and not entry.value.strip():
            continue
        if entry.key in found:
            raise _wrong(f"The key {entry.key!r} stands twice.", "Keep one of them.")
        checked_key(entry.key, f"Row {number}: ")
        found[entry.key] = value_of(entry)
    return found


def checked_key(key: str, where: str = "") -> str:
    """A key that may be set. Raises Invalid."""
    if not key:
        raise _wrong(f"{where}The key is missing.", None)
    if key.startswith(_RESERVED):
        raise _wrong(f"{where}Keys that begin with {_RESERVED!r} are Chroma's own.", None)
    return key


def value_of(entry: Entry) -> Any:
    """A row's value in its kind. Raises Invalid, naming the key."""
    word = entry.value.strip()
    match entry.kind:
        case "text":
            return entry.value
        case "whole":
            if not re.fullmatch(r"[-+]?\d{1,19}", word) or not -_MOST - 1 <= int(word) <= _MOST:
                raise _not(entry, "a whole number", "Such as 42, within 64 bits.")
            return int(word)
        case "decimal":
            return _decimal(entry, word)
        case "flag":
            if word.lower() not in ("true", "false"):
                raise _not(entry, "true or false", None)
            return word.lower() == "true"
        case "list":
            return _list(entry, word)
    raise _wrong(f"{entry.kind!r} is no kind of value.", f"Use {', '.join(KINDS)}.")


def kind_of(value: Any) -> str:
    """Which of KINDS a value is."""
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int):
        return "whole"
    if isinstance(value, float):
        return "decimal"
    return "list" if isinstance(value, list) else "text"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _decimal(entry: Entry, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in word:
        raise _not(entry, "a decimal number", "Such as 0.5 or 1e-3.")
    return value


def _list(entry: Entry, word: str) -> list[Any]:
    try:
        value = json.loads(word)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list):
        raise _not(entry, "a list", 'Write it as JSON: ["a", "b"] or [1, 2].')
    kinds = {type(one) for one in value}
    if not kinds:
        raise _not(entry, "a list that can be stored", "An empty list is nothing: leave the key.")
    if not (kinds <= {int, float} or (len(kinds) == 1 and kinds <= {str, bool})):
        raise _not(entry, "a list of one kind", "All texts, all numbers or all true/false.")
    if any(isinstance(one, int | float) and not math.isfinite(one) for one in value):
        raise _not(entry, "a list of finite numbers", None)
    return value


def _not(entry: Entry, what: str, advice: str | None) -> Invalid:
    return _wrong(f"{entry.key!r}: {entry.value.strip()[:60]!r} is not {what}.", advice)


def _wrong(message: str, advice: str | None) -> Invalid:
    return Invalid(message, advice=advice, field="metadata")
