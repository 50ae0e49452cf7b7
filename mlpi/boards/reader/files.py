"""One event file, followed by its byte offset while a writer appends to it.

It is read in chunks, not mapped: a mapped file that shrinks ends the process with SIGBUS.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from mlpi.boards.reader.arrays import Flags, Ints
from mlpi.boards.reader.crc import masked, masked_rows
from mlpi.boards.reader.framing import FOOT, HEAD, Framer, Scan
from mlpi.errors import MlpiError

CHUNK = 1 << 19  # larger ones are no faster, and keep other threads waiting for longer
RECORD_LIMIT = 64 << 20
CHECKED_TAIL = 64 << 10  # a last record up to this size is always checked: it may be half written
MARK = 64  # bytes by which a file is known again


class EventFileCorrupt(MlpiError):
    """An event file holds bytes that no writer wrote."""

    status = 422
    code = "EVENT_FILE_CORRUPT"

    def __init__(self, path: Path, offset: int, what: str, *, goes_on: bool) -> None:
        after = "Reading went on behind this record." if goes_on else "Nothing behind it is read."
        name = path.name.encode("utf-8", "replace").decode()  # names may be any bytes
        super().__init__(
            f"{name}, byte {offset}: {what}.", advice=f"{after} Copy the file here again."
        )
        self.path, self.offset, self.what, self.goes_on = path, offset, what, goes_on


class Replaced(Exception):
    """What was read of this file is no longer what it holds; all of it must be read anew."""


def opened(path: Path) -> FileIO:
    """For reading by offset. Anything but a file is refused with OSError: a link could lead out of
    the workspace, and a pipe is waited at for ever."""

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)

    file = FileIO(path, "rb", opener=opener)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "Not a file", str(path))
    return file


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Changes whenever a file's content may have."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class Chunk:
    """Whole records: data as read from the file's byte `base` on, and their payloads in it."""

    data: bytes
    base: int
    begins: Ints
    lengths: Ints


class EventFile:
    """Follows a file. Memory: a chunk (512 KB), or its one record if that is larger (up to 64 MB).

    offset: the byte up to which records were taken; is_waiting: the file goes on, but not yet with
    a whole record; problems: what was found wrong, the first twenty.
    """

    def __init__(self, path: Path, framer: Framer, *, check_crc: bool = False) -> None:
        self.path = path
        self.offset = 0
        self.is_waiting = False
        self.problems: list[EventFileCorrupt] = []
        self._framer = framer
        self._check_crc = check_crc
        self._seen: tuple[int, ...] = ()
        self._head = self._tail = b""
        self._suspect: int | None = None

    def chunks(self, budget_bytes: int) -> Iterator[Chunk]:
        """The records since last time, until about this many bytes are read.

        The offset moves on when the next chunk is asked for, so what was not taken comes again.
        Raises Replaced, OSError.
        """
        if _identity(self.path.stat(follow_symlinks=False)) == self._seen:
            return
        with opened(self.path) as file:
            status = os.fstat(file.fileno())
            self._recognise(file.fileno(), status.st_size)
            want, start = CHUNK, self.offset
            while True:
                if self.offset - start >= budget_bytes:
                    return  # not noted as seen: there may be more
                data = os.pread(file.fileno(), want, self.offset)
                is_last = len(data) < want or self.offset + len(data) >= status.st_size
                scan = self._framer.scan(data)
                begins, lengths, end = self._sound(data, scan, is_last=is_last)
                if len(begins):
                    yield Chunk(data, self.offset, begins, lengths)
                if end:
                    self._advance(data, end)
                if end < scan.consumed or not self._goes_on(data, scan, is_last=is_last):
                    break
                if not scan.consumed and scan.needed > RECORD_LIMIT:
                    if self.offset + scan.needed > os.fstat(file.fileno()).st_size:
                        self.is_waiting = True
                        break
                    self._note(self.offset, f"a record of {scan.needed:,} bytes", goes_on=True)
                    self._pass_over(file.fileno(), scan.needed)
                want = max(CHUNK, scan.needed if scan.needed <= RECORD_LIMIT else 0)
            self._seen = _identity(status)

    def _recognise(self, file: int, size: int) -> None:
        """Whether this is still the file that was read: a copy that has grown is, too."""
        marked = self._head == os.pread(file, len(self._head), 0)
        begin = self.offset - len(self._tail)
        if size < self.offset or not marked or self._tail != os.pread(file, len(self._tail), begin):
            raise Replaced
        self.is_waiting = False
        self.problems = [problem for problem in self.problems if problem.goes_on]

    def _sound(self, data: bytes, scan: Scan, *, is_last: bool) -> tuple[Ints, Ints, int]:
        """The records whose payloads may be taken, and up to where the chunk is done with."""
        import numpy as np  # noqa: PLC0415 - with the first record only

        begins, lengths, end = scan.begins, scan.lengths, scan.consumed
        is_bad = np.zeros(len(begins), bool)
        if self._check_crc:
            is_bad = self._bad(data, begins, lengths)
        elif len(begins):
            places = set()
            if self._suspect == self.offset:
                places.add(0)
            if is_last and lengths[-1] <= CHECKED_TAIL:
                places.add(len(begins) - 1)
            for place in places:
                is_bad[place] = not _matches(data, int(begins[place]), int(lengths[place]))
        self._suspect = None
        if len(begins) and is_bad[-1] and is_last and end == len(data):
            # Perhaps its bytes are still on their way; it is judged when something follows it.
            end = int(begins[-1]) - HEAD
            begins, lengths, is_bad = begins[:-1], lengths[:-1], is_bad[:-1]
            self._suspect, self.is_waiting = self.offset + end, True
        for begin in begins[is_bad].tolist():
            what = "the record contradicts its checksum"
            self._note(self.offset + begin - HEAD, what, goes_on=True)
        return begins[~is_bad], lengths[~is_bad], end

    def _bad(self, data: bytes, begins: Ints, lengths: Ints) -> Flags:
        import numpy as np  # noqa: PLC0415

        is_bad = np.zeros(len(begins), bool)
        buffer = np.frombuffer(data, np.uint8)
        for length in np.unique(lengths).tolist():
            places = np.flatnonzero(lengths == length)
            if len(places) < 4 or not length:
                for place in places.tolist():
                    is_bad[place] = not _matches(data, int(begins[place]), length)
                continue
            rows = np.lib.stride_tricks.sliding_window_view(buffer, length + FOOT)[begins[places]]
            said = np.ascontiguousarray(rows[:, length:]).view("<u4")[:, 0]
            is_bad[places] = masked_rows(rows[:, :length]) != said
        return is_bad

    def _goes_on(self, data: bytes, scan: Scan, *, is_last: bool) -> bool:
        """Whether more can be read now. Notes what stands in the way."""
        rest = len(data) - scan.consumed
        if scan.is_corrupt:
            if is_last and not any(data[scan.consumed :]):
                self.is_waiting = True  # room that a file system gave before the bytes came
            else:
                self._note(self.offset, "the record's length contradicts its checksum")
            return False
        if is_last and not scan.needed > RECORD_LIMIT:
            self.is_waiting = rest > 0
            return False
        return True

    def _advance(self, data: bytes, end: int) -> None:
        if not self.offset:
            self._head = data[: min(end, MARK)]
        self._tail = (self._tail + data[max(0, end - MARK) : end])[-MARK:]
        self.offset += end

    def _pass_over(self, file: int, size: int) -> None:
        if not self.offset:
            self._head = os.pread(file, MARK, 0)
        self.offset += size
        self._tail = os.pread(file, MARK, self.offset - MARK)

    def mark(self) -> dict[str, Any]:
        """How far it was read, to go on from after a restart; for JSON."""
        problems = [(one.offset, one.what, one.goes_on) for one in self.problems]
        return {
            "offset": self.offset,
            "head": self._head.hex(),
            "tail": self._tail.hex(),
            "seen": list(self._seen),
            "suspect": self._suspect,
            "waits": self.is_waiting,
            "problems": problems,
        }

    def go_on_from(self, mark: dict[str, Any]) -> None:
        """Take up where another left off."""
        self.offset, self._suspect = mark["offset"], mark["suspect"]
        self._head, self._tail = bytes.fromhex(mark["head"]), bytes.fromhex(mark["tail"])
        self._seen, self.is_waiting = tuple(mark["seen"]), mark["waits"]
        for offset, what, goes_on in mark["problems"]:
            self._note(offset, what, goes_on=goes_on)

    def refuse(self, offset: int, what: str) -> None:
        """A record's payload is no event."""
        self._note(offset, what, goes_on=True)

    def _note(self, offset: int, what: str, *, goes_on: bool = False) -> None:
        if len(self.problems) < 20:
            self.problems.append(EventFileCorrupt(self.path, offset, what, goes_on=goes_on))


def _matches(data: bytes, begin: int, length: int) -> bool:
    said = int.from_bytes(data[begin + length : begin + length + FOOT], "little")
    return masked(memoryview(data)[begin : begin + length]) == said
