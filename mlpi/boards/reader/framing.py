"""TFRecord framing: where the records of a chunk begin and how long they are.

A record is its length (uint64), the length's masked CRC-32C, its payload, the payload's masked
CRC-32C. The length's checksum is always checked: a length that passes is one that was written, so
a wrong byte can neither send the reader astray nor make it ask for memory.

Writers log the same tags over and over, so lengths come in cycles. Once a cycle shows, whole laps
of it are checked at once by strided views over the chunk; elsewhere records are walked singly.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from mlpi.boards.reader.arrays import Ints
from mlpi.boards.reader.crc import masked

HEADER = struct.Struct("<QI")
HEAD, FOOT = 12, 4
LONGEST_CYCLE = 128  # tags of one training loop
FIRST_TRY, LAST_TRY = 8, 4096
FEW_LAPS = 64  # looked at first: images between them may make laps few
LONG = 512  # records at once, from which on looking for laps costs less than walking
KNOWN_LENGTHS = 1 << 10  # there is one framer a run, and perhaps a thousand runs


@dataclass(frozen=True)
class Scan:
    """What a chunk holds. Positions are bytes within the chunk.

    begins, lengths: (n,) int64, payloads of whole records; consumed: where the first record begins
    that is not whole; needed: bytes from there to its end, 0 while its header is not whole;
    is_corrupt: its header contradicts its checksum.
    """

    begins: Ints
    lengths: Ints
    consumed: int
    needed: int = 0
    is_corrupt: bool = False


class Framer:
    """Remembers the checksums of lengths seen; at most 1,024 of them."""

    def __init__(self) -> None:
        self._crcs: dict[int, int] = {}

    def scan(self, data: bytes) -> Scan:
        """The whole records at the start of data."""
        import numpy as np  # noqa: PLC0415 - with the first record only

        found: list[Ints] = []  # pieces of (n, 2): begin, length
        singles: list[tuple[int, int]] = []
        at, end, needed, is_corrupt = 0, len(data), 0, False
        gap, next_try = FIRST_TRY, FIRST_TRY
        while end - at >= HEAD:
            length, crc = HEADER.unpack_from(data, at)
            if self._crcs.get(length) != crc and self._crc(length) != crc:
                is_corrupt = True
                break
            after = at + HEAD + length + FOOT
            if after > end:
                needed = after - at
                break
            singles.append((at + HEAD, length))
            at = after
            if len(singles) < next_try:
                continue
            laps = self._laps(data, at, [length for _, length in singles[-2 * LONGEST_CYCLE :]])
            if len(laps):
                found += [np.array(singles, dtype=np.int64), laps]
                singles = []
                at = int(laps[-1].sum()) + FOOT
            gap = FIRST_TRY if len(laps) >= LONG else min(2 * gap, LAST_TRY)
            next_try = len(singles) + gap
        found.append(np.array(singles, dtype=np.int64).reshape(-1, 2))
        rows = np.concatenate(found)
        return Scan(rows[:, 0].copy(), rows[:, 1].copy(), at, needed, is_corrupt)

    def _crc(self, length: int) -> int:
        if len(self._crcs) >= KNOWN_LENGTHS:
            self._crcs.clear()
        return self._crcs.setdefault(length, masked(length.to_bytes(8, "little")))

    def _laps(self, data: bytes, at: int, lengths: list[int]) -> Ints:
        """(n, 2) begins and lengths of the records from `at` on that go on as `lengths` ended."""
        import numpy as np  # noqa: PLC0415

        for size in range(1, min(LONGEST_CYCLE, len(lengths) // 2) + 1):
            if lengths[-size:] != lengths[-2 * size : -size]:
                continue
            cycle = np.array(lengths[-size:], dtype=np.int64)
            sizes = cycle + HEAD + FOOT
            lap = int(sizes.sum())
            count = self._equal_laps(data, at, lengths[-size:], lap)
            if count * size >= FIRST_TRY:
                starts = at + HEAD + np.cumsum(sizes) - sizes
                begins = starts[None, :] + lap * np.arange(count, dtype=np.int64)[:, None]
                return np.stack([begins.ravel(), np.tile(cycle, count)], axis=1)
        return np.empty((0, 2), dtype=np.int64)

    def _equal_laps(self, data: bytes, at: int, cycle: list[int], lap: int) -> int:
        """How many whole laps of the cycle follow, judged by every header."""
        most = (len(data) - at) // lap
        count = self._equal_of(data, at, cycle, lap, min(most, FEW_LAPS))
        return self._equal_of(data, at, cycle, lap, most) if count == FEW_LAPS else count

    def _equal_of(self, data: bytes, at: int, cycle: list[int], lap: int, count: int) -> int:
        """Of so many laps."""
        import numpy as np  # noqa: PLC0415

        for length in cycle:
            if not count:
                break
            said = np.ndarray((count,), "<u8", data, at, (lap,))
            sums = np.ndarray((count,), "<u4", data, at + 8, (lap,))
            same = (said == length) & (sums == self._crc(length))
            if not same.all():
                count = int(same.argmin())
            at += HEAD + length + FOOT
        return count
