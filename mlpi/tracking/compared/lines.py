"""Texts side by side: lines that belong together in one row, differences marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

CONTEXT = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One line of each text, None where a text has none there; or skipped equal lines."""

    cells: tuple[str | None, ...] = ()
    numbers: tuple[int | None, ...] = ()
    skipped: int = 0

    @property
    def differs(self) -> bool:
        return len(set(self.cells)) > 1


def side_by_side(texts: Sequence[str]) -> list[Row]:
    """The lines of all texts, set beside those of the first that they match or replace.

    Long stretches that are equal in all are left out but for CONTEXT lines at their ends.
    """
    all_lines = [text.splitlines() for text in texts]
    base = all_lines[0]
    # Of each other text: what stands before each line of the base, and what in its place.
    before: list[list[list[int]]] = []
    instead: list[list[int | None]] = []
    for lines in all_lines[1:]:
        gaps: list[list[int]] = [[] for _ in range(len(base) + 1)]
        places: list[int | None] = [None] * len(base)
        for begin, end, other_begin, other_end in _blocks(base, lines):
            paired = min(end - begin, other_end - other_begin)
            for step in range(paired):
                places[begin + step] = other_begin + step
            gaps[begin + paired] += range(other_begin + paired, other_end)
        before.append(gaps)
        instead.append(places)
    rows = []
    for at in range(len(base) + 1):
        for number in range(max((len(gaps[at]) for gaps in before), default=0)):
            found = [gaps[at][number] if number < len(gaps[at]) else None for gaps in before]
            rows.append(_row(all_lines, [None, *found]))
        if at < len(base):
            rows.append(_row(all_lines, [at, *(places[at] for places in instead)]))
    return _shortened(rows)


def _blocks(base: list[str], lines: list[str]) -> list[tuple[int, int, int, int]]:
    """Stretches of both, equal or not, from begin to end."""
    head = 0
    while head < min(len(base), len(lines)) and base[head] == lines[head]:
        head += 1
    tail = 0
    most = min(len(base), len(lines)) - head
    while tail < most and base[-1 - tail] == lines[-1 - tail]:
        tail += 1
    inner = SequenceMatcher(None, base[head : len(base) - tail], lines[head : len(lines) - tail])
    found = [(0, head, 0, head)]
    found += [
        (begin + head, end + head, other + head, other_end + head)
        for _, begin, end, other, other_end in inner.get_opcodes()
    ]
    return [*found, (len(base) - tail, len(base), len(lines) - tail, len(lines))]


def _row(all_lines: Sequence[list[str]], at: Sequence[int | None]) -> Row:
    cells = tuple(
        None if number is None else lines[number]
        for lines, number in zip(all_lines, at, strict=True)
    )
    return Row(cells, tuple(None if number is None else number + 1 for number in at))


def _shortened(rows: list[Row]) -> list[Row]:
    near = [False] * len(rows)
    for at, row in enumerate(rows):
        if row.differs:
            begin, end = max(0, at - CONTEXT), min(len(rows), at + CONTEXT + 1)
            near[begin:end] = [True] * (end - begin)
    found: list[Row] = []
    skipped = 0
    for row, is_near in zip(rows, near, strict=True):
        if not is_near:
            skipped += 1
            continue
        if skipped:
            found.append(Row(skipped=skipped))
            skipped = 0
        found.append(row)
    if skipped:
        found.append(Row(skipped=skipped))
    return found
