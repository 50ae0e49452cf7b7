"""What the pages of vectors show."""

from __future__ import annotations

import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

SPACES = ("cosine", "l2", "ip")  # Chroma's words for how a collection measures distance
_BARS = 48


@dataclass(frozen=True, slots=True)
class Care:
    """What an index needs. state: rebuilding, or broken; done and total: records."""

    state: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection. size_bytes: its index, and its share of the common database, estimated.

    care: while its index is made anew, or was given up; searches are exact then, and slower.
    """

    id: str
    name: str
    count: int
    dimension: int | None  # None before the first record
    space: str
    size_bytes: int
    last_write_at: datetime | None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)  # of its index, in Chroma's words
    care: Care | None = None
    sequence: int | None = None  # another after each write; None before the first


@dataclass(frozen=True, slots=True)
class Record:
    """One record. vector: (dimension,) float32 when it was asked for. distance: of a hit."""

    id: str
    document: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    vector: array.array[float] | None = None
    uri: str | None = None
    distance: float | None = None

    @property
    def line(self) -> str:
        """The vector as points of an SVG polyline, 96 wide and 20 high; means of up to 48 parts."""
        if not self.vector:
            return ""
        size = len(self.vector)
        parts = min(_BARS, size)
        edges = [size * part // parts for part in range(parts + 1)]
        means = [sum(self.vector[begin:end]) / (end - begin) for begin, end in pairwise(edges)]
        least, most = min(means), max(means)
        span = (most - least) or 1.0
        return " ".join(
            f"{(part + 0.5) * 96 / parts:.1f},{19 - 18 * (mean - least) / span:.1f}"
            for part, mean in enumerate(means)
        )


@dataclass(frozen=True, slots=True)
class Condition:
    """What records must meet, in Chroma's own words. None: everything."""

    where: Mapping[str, Any] | None = None
    where_document: Mapping[str, Any] | None = None
    ids: Sequence[str] | None = None

    def __bool__(self) -> bool:
        return bool(self.where or self.where_document or self.ids)
