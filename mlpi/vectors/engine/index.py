"""The files of one HNSW index, read without the bindings: are they whole, and what is in them?

Chroma writes an index in place, one file after the other, and never asks the disk to keep it: a
kill in the midst leaves files of different ages, a power cut leaves pages of zeros. Its loader
looks at no size: what is missing becomes random memory, found later as "Error finding id", as a
panic, or not at all.
"""

from __future__ import annotations

import mmap
import os
import pickle
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADER, LEVEL0, LENGTHS, LINKS = "header.bin", "data_level0.bin", "length.bin", "link_lists.bin"
LABELS = "index_metadata.pickle"
FILES = (HEADER, LEVEL0, LENGTHS, LINKS, LABELS)
HEADER_FIELDS = struct.Struct("<iQQQQQQiIQQQdQ")
_COUNT = struct.Struct("<I")
_VERSION = 1
_MOST_LEVELS = 64
_BLOCK = 4096  # elements looked at together


class Damaged(Exception):
    """An index whose files cannot be what was written last. The message says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """What header.bin says. Sizes are bytes, counts are elements."""

    most: int
    count: int
    element: int
    label_at: int
    vector_at: int
    top_level: int
    entry: int
    links: int  # at most, of an element, on each upper level
    links0: int  # at most, on the lowest

    @property
    def upper(self) -> int:
        """Bytes of one upper level of an element."""
        return 4 + 4 * self.links


def is_written(folder: Path) -> bool:
    """Whether anything was ever saved there: an index begun but not saved holds nothing."""
    return (folder / LABELS).exists()


def check_sizes(folder: Path, dimension: int) -> Header:
    """What every index gets at every start: five sizes, the header, and the sizes of the lists in
    link_lists.bin, which alone say how long it must be; 0.1 s for a million records.

    Raises Damaged.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise Damaged(f"{name} is missing")
    header = _header(folder, dimension)
    _between(folder, LEVEL0, header.count * header.element, header.most * header.element)
    _between(folder, LENGTHS, header.count * 4, header.most * 4)
    _check_links(folder, header)
    with (folder / LABELS).open("rb") as file:
        file.seek(0, os.SEEK_END)
        if not file.tell():
            raise Damaged(f"{LABELS} is empty")
        file.seek(-1, os.SEEK_END)
        if file.read(1) != pickle.STOP:
            raise Damaged(f"{LABELS} has no end")
    return header


def _header(folder: Path, dimension: int) -> Header:
    with (folder / HEADER).open("rb") as file:
        raw = file.read(HEADER_FIELDS.size + 1)  # it may be huge
    if len(raw) != HEADER_FIELDS.size:
        raise Damaged(f"{HEADER} does not have its {HEADER_FIELDS.size} bytes")
    version, offset, most, count, element, label_at, vector_at, top, entry, links, links0, m, *_ = (
        HEADER_FIELDS.unpack(raw)
    )
    fits = (
        version == _VERSION
        and offset == 0
        and 0 < m == links <= 2**16
        and links0 == 2 * links
        and vector_at == 4 + 4 * links0
        and label_at == vector_at + 4 * dimension
        and element == label_at + 8
        and count <= most
        and (-1 <= top < _MOST_LEVELS)
        and (count == 0 or entry < count)
    )
    if not fits:
        raise Damaged(f"{HEADER} does not fit vectors of {dimension} numbers")
    return Header(most, count, element, label_at, vector_at, top, entry, links, links0)


def _check_links(folder: Path, header: Header) -> None:
    most = header.count * (4 + max(header.top_level, 0) * header.upper)
    _between(folder, LINKS, header.count * 4, most)
    raw = (folder / LINKS).read_bytes()
    words = array("I")
    words.frombytes(raw[: len(raw) // 4 * 4])
    at = 0
    try:
        for _ in range(header.count):
            at += 1 + words[at] // 4
    except IndexError:
        at += 1
    if at * 4 != len(raw):
        raise Damaged(f"{LINKS} has {len(raw):,} bytes, which its lists do not fill")


def _between(folder: Path, name: str, least: int, most: int) -> None:
    size = (folder / name).stat().st_size
    if not least <= size <= most:
        wanted = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        raise Damaged(f"{name} has {size:,} bytes instead of {wanted}")


class _Plain(pickle.Unpickler):
    """Reads dicts, strings and numbers; a pickle from elsewhere may hold anything."""

    def find_class(self, module: str, name: str) -> Any:
        raise Damaged(f"{LABELS} names {module}.{name}")


def labels(folder: Path) -> tuple[dict[int, str], int]:
    """The id behind each label, and how many labels were ever given. Raises Damaged."""
    try:
        with (folder / LABELS).open("rb") as file:
            found = _Plain(file).load()
        by_label: dict[int, str] = found["label_to_id"]
        by_id: dict[str, int] = found["id_to_label"]
        total: int = found["total_elements_added"]
    except Damaged:
        raise
    except Exception as error:
        raise Damaged(f"{LABELS} cannot be read: {error}") from None
    if len(by_label) != len(by_id) or any(by_id.get(one) != n for n, one in by_label.items()):
        raise Damaged(f"{LABELS} contradicts itself")
    return by_label, total


class Content:
    """The elements of an index whose sizes are right."""

    def __init__(self, folder: Path, dimension: int, *, is_lenient: bool = False) -> None:
        """is_lenient: take what there is of files that are too short. Raises Damaged."""
        self._folder = folder
        self._dimension = dimension
        self._is_lenient = is_lenient
        self.header = _header(folder, dimension) if is_lenient else check_sizes(folder, dimension)
        self.ids, self._total = labels(folder)

    def check(self) -> None:
        """Every link leads somewhere, every id has its element. Raises Damaged."""
        import numpy as np  # noqa: PLC0415

        header = self.header
        if self._total != header.count:
            raise Damaged(f"{LABELS} knows {self._total} elements, {HEADER} {header.count}")
        live = []
        seen = []
        for rows in self._blocks():
            counts = rows[:, :2].copy().view("<u2")[:, 0]
            if (counts > header.links0).any():
                raise Damaged(f"{LEVEL0} has elements with too many links")
            links = rows[:, 4 : header.vector_at].copy().view("<u4")
            used = np.arange(header.links0) < counts[:, None]
            if (links[used] >= header.count).any():
                raise Damaged(f"{LEVEL0} has links that lead nowhere")
            numbers = rows[:, header.label_at :].copy().view("<u8")[:, 0]
            seen.append(numbers)
            live.append(numbers[(rows[:, 2] & 1) == 0])
        named = np.sort(np.fromiter(self.ids, dtype="<u8", count=len(self.ids)))
        found = np.sort(np.concatenate(live)) if live else named[:0]
        if not np.array_equal(named, found):
            raise Damaged(f"{LEVEL0} and {LABELS} hold different records")
        if seen and len(np.unique(np.concatenate(seen))) != header.count:
            raise Damaged(f"{LEVEL0} has elements that are there twice")
        self._check_upper()

    def _check_upper(self) -> None:
        import numpy as np  # noqa: PLC0415

        header = self.header
        levels = np.zeros(header.count, dtype=np.int16)
        lists: list[tuple[int, int, Any]] = []
        with (self._folder / LINKS).open("rb") as file:
            if not header.count:
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                at = 0
                for element in range(header.count):
                    if at + 4 > len(view):
                        raise Damaged(f"{LINKS} ends too early")
                    (size,) = _COUNT.unpack_from(view, at)
                    at += 4
                    if not size:
                        continue
                    level, rest = divmod(size, header.upper)
                    if rest or level > header.top_level or at + size > len(view):
                        raise Damaged(f"{LINKS} has a list of {size:,} bytes")
                    levels[element] = level
                    raw = np.frombuffer(view[at : at + size], dtype="<u4")
                    lists += [(element, n, raw[n * (1 + header.links) :]) for n in range(level)]
                    at += size
        for _, level, raw in lists:
            count = int(raw[0]) & 0xFFFF
            targets = raw[1 : 1 + count]
            if count > header.links or (targets >= header.count).any():
                raise Damaged(f"{LINKS} has links that lead nowhere")
            if (levels[targets] <= level).any():
                raise Damaged(f"{LINKS} has links to elements of a lower level")
        if levels[header.entry] < header.top_level:
            raise Damaged(f"{HEADER} begins at an element that does not reach the top")

    def vectors(self) -> Iterator[tuple[list[str], Any]]:
        """Ids and their vectors as stored, (n, dimension) float32: unit vectors where the distance
        is cosine. Elements without an id are left out."""
        import numpy as np  # noqa: PLC0415

        header = self.header
        for rows in self._blocks():
            numbers = rows[:, header.label_at :].copy().view("<u8")[:, 0].tolist()
            kept = [n for n, label in enumerate(numbers) if label in self.ids]
            raw = rows[kept, header.vector_at : header.label_at].copy()
            found = raw.view("<f4").reshape(len(kept), self._dimension)
            yield [self.ids[numbers[n]] for n in kept], found.astype(np.float32, copy=False)

    def lengths(self) -> dict[str, float]:
        """Length of each vector before it was made a unit vector; for cosine only."""
        import numpy as np  # noqa: PLC0415

        all_lengths = np.fromfile(self._folder / LENGTHS, dtype="<f4", count=self.header.count)
        found: dict[str, float] = {}
        at = 0
        for rows in self._blocks():
            numbers = rows[:, self.header.label_at :].copy().view("<u8")[:, 0].tolist()
            for label in numbers:
                if label in self.ids and at < len(all_lengths):
                    found[self.ids[label]] = float(all_lengths[at])
                at += 1
        return found

    def _blocks(self) -> Iterator[Any]:
        """(n, bytes of an element) uint8, a few thousand elements at a time."""
        import numpy as np  # noqa: PLC0415

        size = self.header.element
        with (self._folder / LEVEL0).open("rb") as file:
            for start in range(0, self.header.count, _BLOCK):
                count = min(_BLOCK, self.header.count - start)
                raw = file.read(count * size)
                if len(raw) != count * size and not self._is_lenient:
                    raise Damaged(f"{LEVEL0} ends too early")
                whole = raw[: len(raw) // size * size]
                yield np.frombuffer(whole, dtype=np.uint8).reshape(-1, size)


def keep(folder: Path) -> None:
    """Have the disk keep an index as it is now."""
    for path in [*(folder / name for name in FILES), folder]:
        if path.exists():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
