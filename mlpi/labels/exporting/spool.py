"""Temporary files of an export: in memory while small, then nameless beside the data."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

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


class _Sink(io.RawIOBase):
    """Takes what an archive writes, in order, until it is sent."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._held += content
        return len(content)

    def taken(self) -> bytes:
        held = bytes(self._held)
        self._held.clear()
        return held


def archived(fill: Callable[[zipfile.ZipFile], Iterator[None]]) -> Iterator[bytes]:
    """An archive while it is written. fill: stops often, so that no more than a little waits."""
    sink = _Sink()
    with zipfile.ZipFile(cast(IO[bytes], sink), "w", zipfile.ZIP_DEFLATED) as archive:
        for _ in fill(archive):
            if part := sink.taken():
                yield part
    yield sink.taken()


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

    def pack(self, archive: zipfile.ZipFile) -> Iterator[None]:
        """Write all files into an archive, by name; stops after each."""
        for name in sorted(self._places):
            at, size = self._places[name]
            self._spool.seek(at)
            archive.writestr(entry(name), self._spool.read(size))
            yield


def entry(name: str) -> zipfile.ZipInfo:
    """A file in an archive; the same content makes the same archive, whenever it is written."""
    made = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    made.compress_type = zipfile.ZIP_DEFLATED
    made.external_attr = 0o644 << 16
    return made


def add_file(
    archive: zipfile.ZipFile,
    name: str,
    parts: Iterator[bytes],
    method: int = zipfile.ZIP_DEFLATED,
) -> Iterator[None]:
    """Write a file of any length into an archive; stops after each part."""
    about = entry(name)
    about.compress_type = method
    with archive.open(about, "w", force_zip64=True) as target:
        for part in parts:
            target.write(part)
            yield


def add_folder(archive: zipfile.ZipFile, name: str) -> None:
    """An empty folder, as name/."""
    made = zipfile.ZipInfo(f"{name}/", (1980, 1, 1, 0, 0, 0))
    made.external_attr = (0o40755 << 16) | 0x10
    archive.writestr(made, b"")
