"""Colours of points by a metadata field: kinds with a sign each, or a range of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

KINDS = 12  # that get a colour and a shape of their own: six colours, two shapes
OTHER, MISSING = -1, -2  # codes of kinds beyond those, and of records without the field
_LONGEST = 80  # characters of a kind's name


def colours(values: Sequence[Any]) -> dict[str, Any]:
    """How to colour points, one value each: {"kind": "kinds", "names", "counts", "codes", …} or
    {"kind": "range", "from", "to", "values"}.

    Numbers are a range when there are more of them than kinds have signs.
    """
    present = [value for value in values if value is not None]
    numbers = [value for value in present if _is_number(value)]
    if len(numbers) == len(present) and len(set(numbers)) > KINDS:
        return {
            "kind": "range",
            "from": min(numbers),
            "to": max(numbers),
            "values": list(values),
            "missing": len(values) - len(present),
        }
    words = [None if value is None else _word(value) for value in values]
    counted = Counter(word for word in words if word is not None)
    chosen = [word for word, _ in counted.most_common(KINDS)]
    if len(numbers) == len(present):
        chosen.sort(key=float)
    elif len(counted) <= KINDS:
        chosen.sort()
    codes = {word: code for code, word in enumerate(chosen)}
    return {
        "kind": "kinds",
        "names": [word[:_LONGEST] for word in chosen],
        "counts": [counted[word] for word in chosen],
        "codes": [MISSING if word is None else codes.get(word, OTHER) for word in words],
        "others": len(counted) - len(chosen),
        "other": sum(counted.values()) - sum(counted[word] for word in chosen),
        "missing": len(values) - len(present),
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
