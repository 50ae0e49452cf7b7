"""Yes and no as Label Studio's API takes them: JSON's own, a form's words, numbers."""

from __future__ import annotations

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
