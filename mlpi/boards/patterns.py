"""Regular expressions that people type, kept from running for minutes.

Python's matcher goes back over its steps and holds the interpreter meanwhile. So the number of
ways in which a pattern may match a text is counted from its parts before it is used.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterable
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from mlpi.errors import Invalid

LONGEST = 300  # characters of a pattern
LONG_TEXT = 120  # characters, as most names have fewer
MOST_WAYS = 300_000_000  # to match one such text, tried from each of its characters
PATIENCE_S = 0.5  # over all names

_REPEATS = (kinds.MAX_REPEAT, kinds.MIN_REPEAT)
_ASSERTIONS = (kinds.ASSERT, kinds.ASSERT_NOT)


def compiled(text: str, *, field: str) -> re.Pattern[str]:
    """The pattern, which does not mind capitals. Raises Invalid, which says where it is wrong."""
    if len(text) > LONGEST:
        raise Invalid(f"The filter has more than {LONGEST} characters.", field=field)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # '[[' may get a meaning one day
            tree = parser.parse(text, re.IGNORECASE)
            pattern = re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise Invalid(
            f"{text[:80]!r} is not a regular expression: {error}.",
            advice="A plain word finds the names that hold it; write \\. for a dot, \\( for '('.",
            field=field,
        ) from None
    if _ways(tree) * LONG_TEXT > MOST_WAYS:
        raise Invalid(
            f"{text[:80]!r} could take very long to match.",
            advice="Use fewer of *, + and {…}, and none within another.",
            field=field,
        )
    return pattern


def matching(pattern: re.Pattern[str] | None, names: Iterable[str], *, field: str) -> set[str]:
    """The names that a pattern finds; all of them when it is None. Raises Invalid."""
    if pattern is None:
        return set(names)
    end = time.monotonic() + PATIENCE_S
    found = set()
    for name in names:
        if pattern.search(name):
            found.add(name)
        if time.monotonic() > end:
            raise Invalid(
                f"{pattern.pattern[:80]!r} takes too long to match.",
                advice="Use fewer of * and +.",
                field=field,
            )
    return found


def _ways(parts: Iterable[Any]) -> float:
    """In how many ways a sequence may match a long text, at most."""
    ways = 1.0
    for kind, what in parts:
        ways *= _ways_of(kind, what)
        if ways > MOST_WAYS:
            return float("inf")
    return ways


def _ways_of(kind: Any, what: Any) -> float:
    if kind in _REPEATS:
        least, most, of_body = int(what[0]), min(int(what[1]), LONG_TEXT), _ways(what[2])
        if of_body == 1:
            return max(1, most - least + 1)
        return 1e30 if of_body >= MOST_WAYS else min(1e30, of_body**most)
    if kind is kinds.BRANCH:
        return float(sum(_ways(one) for one in what[1]))
    if kind is kinds.SUBPATTERN:
        return _ways(what[3])
    if kind in _ASSERTIONS:
        return _ways(what[1])
    if kind is kinds.GROUPREF_EXISTS:
        return _ways(what[1]) + (_ways(what[2]) if what[2] else 1)
    if kind in (kinds.ATOMIC_GROUP, kinds.POSSESSIVE_REPEAT):
        return _ways(what if kind is kinds.ATOMIC_GROUP else what[2])
    return 1.0
