"""Ids of lists that were read, kept for whoever turns their pages."""

from __future__ import annotations

import threading
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from mlpi.labels.grid.filters import Filters, Order

KEPT_S = 60.0
MOST_LISTS = 64
MOST_IDS = 2_000_000  # of all lists that are kept, 8 bytes each
Cut = tuple[list[int], bool, bool]  # ids; whether there are some before them, and some behind
Key = tuple[int, Filters, Order | None]  # the project; without an order: what passes, by its ids


@dataclass(frozen=True, slots=True)
class Part:
    """Ids that follow each other in a list; whether they begin it, whether they end it."""

    ids: array[int]
    is_start: bool
    is_end: bool

    def cut(self, at: int | None, limit: int, *, is_back: bool) -> Cut | None:
        """One page, None when it is not all in here.

        at: the task that the page comes behind, or before; None: the first page, or the last.
        """
        if at is None:
            here = len(self.ids) if is_back else -1
            if not (self.is_end if is_back else self.is_start):
                return None
        else:
            try:
                here = self.ids.index(at)
            except ValueError:
                return None
        begin, end = (here - limit, here) if is_back else (here + 1, here + 1 + limit)
        if (begin < 0 and not self.is_start) or (end > len(self.ids) and not self.is_end):
            return None
        begin, end = max(0, begin), min(len(self.ids), end)
        has_before = begin > 0 or not self.is_start
        return list(self.ids[begin:end]), has_before, end < len(self.ids) or not self.is_end

    def numbered(self, limit: int, offset: int) -> list[int] | None:
        """A page by its place, None when it is not all in here."""
        if not self.is_start or (offset + limit > len(self.ids) and not self.is_end):
            return None
        return list(self.ids[offset : offset + limit])


@dataclass(slots=True)
class List:
    """What is known of one. sums: of annotations and predictions, when somebody asked."""

    stamp: int | None
    made_at: float
    parts: list[Part] = field(default_factory=list)
    sums: tuple[int, ...] | None = None

    def cut(self, at: int | None, limit: int, *, is_back: bool) -> Cut | None:
        """See `Part.cut`."""
        found = (part.cut(at, limit, is_back=is_back) for part in self.parts)
        return next((one for one in found if one is not None), None)

    def numbered(self, limit: int, offset: int) -> list[int] | None:
        """See `Part.numbered`."""
        found = (part.numbered(limit, offset) for part in self.parts)
        return next((one for one in found if one is not None), None)


class Lists:
    """Those that were used last. version: changes with every commit; None where nobody knows."""

    def __init__(self, version: Callable[[], int | None]) -> None:
        self._version = version
        self._lists: OrderedDict[Key, List] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key, *, is_turn: bool = False) -> List:
        """A list, new when it has changed since. is_turn: to another page of it, which may be a
        minute behind, so that one who turns pages sees each task once."""
        version, now = self._version(), time.monotonic()
        with self._lock:
            known = self._lists.get(key)
            is_fresh = known is not None and version is not None and known.stamp == version
            if known is None or not (is_fresh or (is_turn and now - known.made_at < KEPT_S)):
                known = self._lists[key] = List(version, now)
            self._lists.move_to_end(key)
            return known

    def add(self, known: List, part: Part) -> None:
        """Keep what was read of a list."""
        with self._lock:
            known.parts = [part] if part.is_start and part.is_end else [*known.parts, part]
            held = sum(len(part.ids) for one in self._lists.values() for part in one.parts)
            while len(self._lists) > 1 and (len(self._lists) > MOST_LISTS or held > MOST_IDS):
                _, gone = self._lists.popitem(last=False)
                held -= sum(len(part.ids) for part in gone.parts)
