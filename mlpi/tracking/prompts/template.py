"""Templates for people: variables marked, two versions compared line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

# What MLflow fills in; the same expression as mlflow.prompt.constants has.
_VARIABLE = re.compile(r"(\{\{\s*[a-zA-Z_]\w*(?:\.[a-zA-Z_]\w*)*\s*\}\})", re.ASCII)
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
MAX_LINES = 3000  # of one version; more are not compared
MAX_WORDS = 400  # of one line; in longer ones the words are not compared
CONTEXT = 3  # equal lines shown around a change


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text, and whether it is to be marked."""

    text: str
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a comparison. kind: " " in both, "-" only before, "+" only after, "~" left out."""

    kind: str
    pieces: list[Piece]
    before: int | None = None  # its number in each version
    after: int | None = None


def pieces(text: str) -> list[Piece]:
    """A template's text with its variables marked."""
    split = _VARIABLE.split(text)
    return [Piece(part, index % 2 == 1) for index, part in enumerate(split) if part]


def variables(text: str) -> list[str]:
    """The names of a template's variables in order, each once."""
    return list(dict.fromkeys(found.strip("{} \t\r\n") for found in _VARIABLE.findall(text)))


def compared(before: Sequence[str], after: Sequence[str]) -> list[Line] | None:
    """The lines of two versions; [] when they are equal, None when they are too long to compare."""
    if max(len(before), len(after)) > MAX_LINES:
        return None
    if list(before) == list(after):
        return []
    found: list[Line] = []
    steps = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for at, (op, i1, i2, j1, j2) in enumerate(steps):
        if op == "equal":
            found += _equal(before, i1, i2, j1, is_first=at == 0, is_last=at == len(steps) - 1)
            continue
        pairs = [_words(a, b) for a, b in zip(before[i1:i2], after[j1:j2], strict=False)]
        olds = [old for old, _ in pairs] + [[Piece(x)] for x in before[i1 + len(pairs) : i2]]
        news = [new for _, new in pairs] + [[Piece(x)] for x in after[j1 + len(pairs) : j2]]
        found += [Line("-", old, before=i1 + n + 1) for n, old in enumerate(olds)]
        found += [Line("+", new, after=j1 + n + 1) for n, new in enumerate(news)]
    return found


def _equal(
    lines: Sequence[str], start: int, end: int, other: int, *, is_first: bool, is_last: bool
) -> Iterator[Line]:
    """Equal lines next to a change; those further away are counted only."""
    head = start if is_first else min(start + CONTEXT, end)
    tail = end if is_last else max(end - CONTEXT, head)
    for at in range(start, head):
        yield Line(" ", [Piece(lines[at])], at + 1, at - start + other + 1)
    if tail > head:
        yield Line("~", [Piece(f"{tail - head} equal line{'s' if tail - head > 1 else ''}")])
    for at in range(tail, end):
        yield Line(" ", [Piece(lines[at])], at + 1, at - start + other + 1)


def _words(before: str, after: str) -> tuple[list[Piece], list[Piece]]:
    """Two lines with the words marked that differ."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    if max(len(old), len(new)) > MAX_WORDS:
        return [Piece(before)], [Piece(after)]
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < 0.3:  # hardly the same line: marks would be noise
        return [Piece(before)], [Piece(after)]
    olds, news = [], []
    for op, i1, i2, j1, j2 in matcher.get_opcodes():
        is_marked = op != "equal"
        if i2 > i1:
            olds.append(Piece("".join(old[i1:i2]), is_marked))
        if j2 > j1:
            news.append(Piece("".join(new[j1:j2]), is_marked))
    return olds, news
