"""A trace's spans as a tree over time: depth, self time, and the bars that show both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlpi.tracking.traces.records import Span

WIDTH = 1000  # of the whole time in the bars' own unit
MAX_DEPTH = 9  # indented; deeper ones stand at this depth
MAX_BARS = 30  # pieces of self time drawn for one span


@dataclass(slots=True)
class Node:
    """A span in its place. Bars are (x, width) of WIDTH."""

    span: Span
    depth: int = 0
    child_count: int = 0
    took_ns: int = 0
    self_ns: int = 0
    whole: tuple[float, float] = (0, 0)
    alone: list[tuple[float, float]] = field(default_factory=list)

    @property
    def indent(self) -> int:
        return min(self.depth, MAX_DEPTH)

    @property
    def is_failed(self) -> bool:
        return self.span.status == "ERROR"

    @property
    def took_s(self) -> float:
        return self.took_ns / 1e9

    @property
    def self_s(self) -> float:
        return self.self_ns / 1e9


def grown(spans: Sequence[Span]) -> list[Node]:
    """Spans in the order of a tree, each before those inside it, by start.

    A span whose parent is not among them is a root; so is one of a circle of parents.
    """
    if not spans:
        return []
    ordered = sorted(spans, key=lambda span: (span.start_ns, span.id))
    known = {span.id for span in ordered}
    inside: dict[str | None, list[Span]] = {}
    for span in ordered:
        parent = span.parent_id if span.parent_id in known and span.parent_id != span.id else None
        inside.setdefault(parent, []).append(span)
    first = ordered[0].start_ns
    last = max(max(span.start_ns, span.end_ns or 0) for span in ordered)
    scale = WIDTH / max(last - first, 1)

    found: list[Node] = []
    seen: set[str] = set()

    def walk(root: Span) -> None:
        waiting = [(root, 0)]
        while waiting:
            span, depth = waiting.pop()
            if span.id in seen:
                continue
            seen.add(span.id)
            children = inside.get(span.id, [])
            found.append(_node(span, depth, children, first, last, scale))
            waiting += [(child, depth + 1) for child in reversed(children)]

    for root in inside.get(None, []):
        walk(root)
    for span in ordered:  # what only a circle leads to
        walk(span)
    return found


def _node(
    span: Span, depth: int, children: Sequence[Span], first: int, last: int, scale: float
) -> Node:
    end = last if span.end_ns is None else max(span.end_ns, span.start_ns)
    alone = _gaps(span.start_ns, end, children, last)
    return Node(
        span,
        depth,
        len(children),
        end - span.start_ns,
        sum(stop - start for start, stop in alone),
        _bar(span.start_ns, end, first, scale),
        [_bar(start, stop, first, scale) for start, stop in alone[:MAX_BARS]],
    )


def _gaps(start: int, end: int, children: Sequence[Span], last: int) -> list[tuple[int, int]]:
    """The parts of a span's time in which none of its children ran; children are by start."""
    found, at = [], start
    for child in children:
        if child.start_ns > at:
            found.append((at, min(child.start_ns, end)))
        at = max(at, last if child.end_ns is None else child.end_ns)
        if at >= end:
            return found
    return [*found, (at, end)] if at < end else found


def _bar(start: int, end: int, first: int, scale: float) -> tuple[float, float]:
    """Where a time stands, and how wide; never too narrow to be seen."""
    x = round((start - first) * scale, 1)
    width = max(round((end - start) * scale, 1), 3)
    return min(x, WIDTH - 3), width
