"""Growing columns of one tag: steps, wall times, values."""

from __future__ import annotations

from typing import NamedTuple

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
        return Points(self.steps[where], self.wall_times[where], self.values[where])


class Series:
    """One tag's points, appended to by one thread and read by any.

    A point takes 20 bytes, 24 with float64 values, and a quarter more of room to grow. What
    `points` returned stays as it was: points are added behind it, and cutting makes new columns.
    """

    def __init__(self) -> None:
        self._held: tuple[Points, int] | None = None

    def __len__(self) -> int:
        return self._held[1] if self._held else 0

    def points(self) -> Points:
        """All points so far, without a copy; do not write to them."""
        import numpy as np  # noqa: PLC0415 - with the first record only

        if self._held is None:
            return Points(np.empty(0, np.int64), np.empty(0), np.empty(0, np.float32))
        columns, count = self._held
        return columns.at(slice(count))

    def extend(self, new: Points) -> None:
        """Add points behind those that are here."""
        import numpy as np  # noqa: PLC0415

        count, added = len(self), len(new.steps)
        wanted = np.result_type(new.values.dtype, self.points().values.dtype)
        columns = self._held[0] if self._held else None
        is_full = columns is None or count + added > len(columns.steps)
        if columns is None or is_full or columns.values.dtype != wanted:
            room = (count + added) * 5 // 4 + 8 if count else count + added
            grown = Points(
                np.empty(room, np.int64), np.empty(room, np.float64), np.empty(room, wanted)
            )
            for target, source in zip(grown, self.points(), strict=True):
                target[:count] = source
            columns = grown
        for target, source in zip(columns, new, strict=True):
            target[count : count + added] = source
        self._held = columns, count + added

    def cut(self, step: int) -> None:
        """Forget points at this step or later: a training that began anew writes them again."""
        kept = self.points()
        is_kept = kept.steps < step
        if not is_kept.all():
            self._held = kept.at(is_kept), int(is_kept.sum())

    def size_bytes(self) -> int:
        return sum(column.nbytes for column in self._held[0]) if self._held else 0
