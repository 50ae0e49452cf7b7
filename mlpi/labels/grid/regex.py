"""Regular expressions that cannot hold the process up: on SQLite they run in Python, which lets no
other thread run until one is done with a text."""

from __future__ import annotations

import re
from functools import lru_cache

from mlpi.errors import Invalid

LONGEST = 500
# How many characters a text may have, by how fast the work grows with its length.
_FITS = {0: 1 << 20, 1: 1 << 20, 2: 3000, 3: 250}
MOST_CHOICES = 8
_REPEAT = re.compile(r"[*+]|\{\d*,\d*\}|\{\d+\}")


class RegexUnfit(Invalid):
    """A regular expression that does not parse, or that could run for minutes."""

    status = 400


@lru_cache(maxsize=64)
def compiled(pattern: str) -> tuple[re.Pattern[str], int]:
    """The expression, and the longest text that it may see. Raises RegexUnfit."""
    if len(pattern) > LONGEST:
        raise _unfit(f"It may have {LONGEST} characters.")
    try:
        found = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise _unfit(f"It does not parse: {error}.") from None
    repeats, choices = _work(pattern)
    is_anchored = pattern.startswith(("^", "\\A")) and "|" not in pattern
    longest = _FITS.get(repeats + (not is_anchored if repeats else 0))
    if longest is None:
        raise _unfit("It repeats too often: at most two of *, + and {n,}, three behind a ^.")
    if choices > MOST_CHOICES:
        raise _unfit(f"It has more than {MOST_CHOICES} optional parts and groups of alternatives.")
    return found, min(longest, 20_000) if choices else longest


def _work(pattern: str) -> tuple[int, int]:
    """How many parts repeat without bound, and how many may be or be one of several.

    Raises RegexUnfit for a repeat of what itself repeats or may differ.
    """
    repeats, choices, at = 0, 0, 0
    groups = [False]  # of those that are open, whether they hold such a part
    ended = False  # whether such a group, or such a part, ended just now
    while at < len(pattern):
        char, step = pattern[at], 1
        repeat = _REPEAT.match(pattern, at)
        if char == "\\":
            if pattern[at + 1 : at + 2].isdigit():
                raise _unfit("It refers back to a group.")
            step, ended = 2, False
        elif char == "[":
            step, ended = _class_end(pattern, at) - at, False
        elif char == "(":
            groups.append(False)
            step, ended = 2 if pattern.startswith("(?", at) else 1, False
        elif char == ")":
            ended = groups.pop() if len(groups) > 1 else False
            groups[-1] = groups[-1] or ended
        elif char == "|":
            choices += not groups[-1] and len(groups) > 1
            groups[-1], ended = True, False
        elif repeat:
            if ended:
                raise _unfit("It repeats a group that itself repeats or has alternatives.")
            is_fixed = repeat.group().strip("{}").isdigit()
            repeats += not is_fixed
            groups = [True] * len(groups)
            step = repeat.end() - at
            step += pattern[at + step : at + step + 1] in ("?", "+")  # lazy or possessive
        elif char == "?":
            choices += 1
            groups = [True] * len(groups)
            step += pattern[at + 1 : at + 2] in ("?", "+")
        else:
            ended = False
        at += step
    return repeats, choices


def _class_end(pattern: str, at: int) -> int:
    end = at + 1 + pattern[at + 1 :].startswith("^")
    end += pattern[end:].startswith("]")
    while end < len(pattern) and pattern[end] != "]":
        end += 2 if pattern[end] == "\\" else 1
    return end + 1


def matches(pattern: str, text: object) -> int | None:
    """SQLite's function. Raises RegexUnfit for a text that is too long for the expression."""
    if text is None:
        return None
    found, longest = compiled(pattern)
    whole = str(text)
    if len(whole) > longest:
        raise _unfit(
            f"It repeats too often for a text of {len(whole):,} characters: {longest:,} fit."
        )
    return int(found.search(whole) is not None)


def _unfit(message: str) -> RegexUnfit:
    return RegexUnfit(f"The regular expression cannot be used. {message}", field="filters")
