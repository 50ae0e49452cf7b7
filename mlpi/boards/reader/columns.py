"""Growing columns of one tag, of which the older part may be kept elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

from mlpi.boards.reader.arrays import Array, Floats, Ints


class Points(NamedTuple):
    """Points in the order of the files: (n,) int64, (n,) float64 Unix seconds, (n,) float.

    values are float32 while all that came were of 32 bits or fewer, otherwise float64; whole
    numbers past 2**53 are rounded, as they are wherever TensorBoard draws them.
    """

    steps: Ints
    wall_times: Floats
    values: Floats

    def at(self, where: slice | Array) -> Points:
        """The points of a slice, a mask or an order."""
        return Points(*(column[where] for column in self))

    @classmethod
    def none(cls) -> Points:
        import numpy as np  # noqa: PLC0415 - with the first record only

        return cls(np.empty(0, np.int64), np.empty(0), np.empty(0, np.float32))


class Places(NamedTuple):
    """Where values that are no scalars stand: (n,) each, in the order of the files.

    files: numbers in `Held.files`; offsets, lengths: bytes; kinds: numbers in `KIND_NAMES`.
    """

    steps: Ints
    wall_times: Floats
    files: Ints
    offsets: Ints
    lengths: Ints
    kinds: Ints

    def at(self, where: slice | Array) -> Places:
        """The places of a slice, a mask or an order."""
        return Places(*(column[where] for column in self))

    @classmethod
    def none(cls) -> Places:
        import numpy as np  # noqa: PLC0415

        return cls(np.empty(0, np.int64), np.empty(0), *(np.empty(0, np.int64) for _ in range(4)))


class Rows(Protocol):
    """What both are to a series."""

    @property
    def steps(self) -> Ints: ...
    def at(self, where: slice | Array) -> Self: ...
    def __iter__(self) -> Any: ...
    @classmethod
    def none(cls) -> Self: ...


R = TypeVar("R", bound=Rows)


LOWEST = -(1 << 63)
# Between tries to read rows that are being joined to others: for 0.6 s in all.
PAUSES_S = tuple(0.001 * 2**number for number in range(9))


class Segment(NamedTuple):
    """Rows that are kept elsewhere. below: those at this step or later are forgotten; None: none.

    stored: as many rows as are kept; alive: as many as still count; highest: step of those kept.
    """

    id: int
    stored: int
    alive: int
    highest: int
    below: int | None = None


class SegmentGone(Exception):
    """It was joined to another meanwhile; what the series holds now says to which."""


Load = Callable[[int], Any]  # a segment's id → its rows. Raises SegmentGone.


class _State(NamedTuple):
    """What a series holds, swapped as a whole: a thread that reads never sees half of it."""

    segments: tuple[Segment, ...]
    columns: Any
    used: int  # rows of the columns' room
    highest: int  # step of the columns


class Series(Generic[R]):
    """One tag's rows, appended to by one thread and read by any.

    In memory a point takes 20 bytes, 24 with float64 values, and a quarter more of room to grow.
    What `points` returned stays as it was: rows are added behind it, and cutting makes new columns.
    """

    def __init__(
        self, kind: type[R], load: Load | None = None, segments: Sequence[Segment] = ()
    ) -> None:
        self._kind, self._load = kind, load
        self._state = _State(tuple(segments), None, 0, LOWEST)

    def __len__(self) -> int:
        return sum(segment.alive for segment in self._state.segments) + self._state.used

    @property
    def segments(self) -> tuple[Segment, ...]:
        return self._state.segments

    @property
    def unsaved_count(self) -> int:
        return self._state.used

    def unsaved(self) -> R:
        """The rows that are held here alone."""
        columns, count = self._state.columns, self._state.used
        return self._kind.none() if columns is None else columns.at(slice(count))

    def points(self) -> R:
        """All rows so far; do not write to them. Raises SegmentGone when they cannot be had."""
        loaded: dict[Segment, R] = {}  # what did not change is not loaded again by the next try
        for pause_s in PAUSES_S:
            state = self._state
            try:
                for segment in state.segments:
                    if segment not in loaded:
                        loaded[segment] = self._of(segment)
            except SegmentGone:
                time.sleep(pause_s)
                continue
            parts = [loaded[segment] for segment in state.segments]
            if state.columns is not None:
                parts.append(state.columns.at(slice(state.used)))
            return _joined(self._kind, parts)
        raise SegmentGone

    def last(self) -> R:
        """The newest row, or none."""
        for pause_s in PAUSES_S:
            state = self._state
            if state.used:
                return state.columns.at(slice(state.used - 1, state.used))  # type: ignore[no-any-return]
            filled = [segment for segment in state.segments if segment.alive]
            if not filled:
                return self._kind.none()
            try:
                return self._of(filled[-1]).at(slice(-1, None))
            except SegmentGone:
                time.sleep(pause_s)
        raise SegmentGone

    def extend(self, new: R) -> None:
        """Add rows behind those that are here."""
        import numpy as np  # noqa: PLC0415

        segments, columns, count, highest = self._state
        added = len(new.steps)
        if not added:
            return
        highest = max(highest, int(new.steps.max()))
        if columns is None:
            copies = self._kind(*(column.copy() for column in new))  # not the whole chunk behind it
            self._state = _State(segments, copies, added, highest)
            return
        widths = [np.result_type(old, one) for old, one in zip(columns, new, strict=True)]
        is_same = all(old.dtype == width for old, width in zip(columns, widths, strict=True))
        if not is_same or count + added > len(columns.steps):
            room = (count + added) * 5 // 4 + 8
            grown = self._kind(*(np.empty(room, width) for width in widths))
            for target, source in zip(grown, columns, strict=True):
                target[:count] = source[:count]
            columns = grown
        for target, source in zip(columns, new, strict=True):
            target[count : count + added] = source
        self._state = _State(segments, columns, count + added, highest)

    def cut(self, step: int) -> None:
        """Forget rows at this step or later: a training that began anew writes them again."""
        segments, columns, count, highest = self._state
        kept = tuple(self._cut(segment, step) for segment in segments)
        if highest >= step:
            rows = columns.at(slice(count))
            rows = rows.at(rows.steps < step)
            count = len(rows.steps)
            columns, highest = (rows, int(rows.steps.max())) if count else (None, LOWEST)
        self._state = _State(kept, columns, count, highest)

    def saved(self, segments: Sequence[Segment]) -> None:
        """All rows are kept elsewhere now."""
        self._state = _State(tuple(segments), None, 0, LOWEST)

    def size_bytes(self) -> int:
        columns = self._state.columns
        return 0 if columns is None else sum(column.nbytes for column in columns)

    def _cut(self, segment: Segment, step: int) -> Segment:
        if step > segment.highest or (segment.below is not None and segment.below <= step):
            return segment
        count = int((self._of(segment).steps < step).sum())
        return segment._replace(alive=count, below=step) if count < segment.alive else segment

    def _of(self, segment: Segment) -> R:
        assert self._load is not None
        rows: R = self._load(segment.id)
        return rows if segment.below is None else rows.at(rows.steps < segment.below)


def _joined(kind: type[R], parts: list[R]) -> R:
    import numpy as np  # noqa: PLC0415

    if not parts:
        return kind.none()
    if len(parts) == 1:
        return parts[0]
    return kind(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
