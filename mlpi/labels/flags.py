"""Yes, no and numbers as Label Studio's API takes them: JSON's own, or a form's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlpi.errors import Invalid

_YES = frozenset({"true", "t", "1", "yes", "y", "on"})
_NO = frozenset({"false", "f", "0", "no", "n", "off"})


def flag(value: Any, name: str) -> bool:
    """What a field of this name says. Raises Invalid."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word not in _YES | _NO:
        raise Invalid("Must be a valid boolean.", field=name)
    return word in _YES


def number_in(fields: Mapping[str, Any], name: str) -> int | None:
    """A whole number, written as one or as text; None without it. Raises Invalid."""
    value = fields.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal() and len(value) < 19:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Invalid("A valid integer is required.", field=name)
