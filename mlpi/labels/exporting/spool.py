"""Temporary files of an export: in memory while small, then nameless beside the data."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO

IN_MEMORY_BYTES = 4 << 20
BLOCK_BYTES = 1 << 16
Spools = Callable[[], IO[bytes]]


def spools(folder: Path) -> Spools:
    """What makes files that vanish when they are closed. The folder is made if need be."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return partial(SpooledTemporaryFile, max_size=IN_MEMORY_BYTES, dir=folder)


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    """A file from its beginning to its end."""
    file.seek(0)
    while block := file.read(BLOCK_BYTES):
        yield block


class Drawer:
    """Small files by name, the last one of a name counts; they end in a zip file."""

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool = spool
        self._places: dict[str, tuple[int, int]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def put(self, name: str, content: bytes) -> None:
        at = self._spool.seek(0, 2)
        self._spool.write(content)
        self._places[name] = (at, len(content))

    def pack(self, archive: zipfile.ZipFile) -> None:
        """Write all files into an archive, by name."""
        for name in sorted(self._places):
            at, size = self._places[name]
            self._spool.seek(at)
            archive.writestr(entry(name), self._spool.read(size))


def entry(name: str) -> zipfile.ZipInfo:
    """A file in an archive; the same content makes the same archive, whenever it is written."""
    made = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    made.compress_type = zipfile.ZIP_DEFLATED
    made.external_attr = 0o644 << 16
    return made


def add_file(archive: zipfile.ZipFile, name: str, parts: Iterator[bytes]) -> None:
    """Write a file of any length into an archive."""
    with archive.open(entry(name), "w", force_zip64=True) as target:
        for part in parts:
            target.write(part)


def add_folder(archive: zipfile.ZipFile, name: str) -> None:
    """An empty folder, as name/."""
    made = zipfile.ZipInfo(f"{name}/", (1980, 1, 1, 0, 0, 0))
    made.external_attr = (0o40755 << 16) | 0x10
    archive.writestr(made, b"")
