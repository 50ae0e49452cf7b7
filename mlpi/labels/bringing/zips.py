"""Files that come in a zip: unpacked one by one, and nothing of an archive is believed.

What its directory says is checked before anything is unpacked: names, kinds, sizes, ratios, and
that no two entries share their bytes. What comes out is counted again, whatever was said of it.
"""

from __future__ import annotations

import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import IO, Any, BinaryIO, cast

from mlpi.labels.bringing.json_items import FileBroken
from mlpi.labels.bringing.rows import ExtensionRefused, ending_of
from mlpi.uploads import BLOCK_BYTES

ENDING = ".zip"
MOST_ENTRIES = 10_000
MOST_UNPACKED = 4 << 30  # bytes of an archive
# Deflate reaches 1000 where a file says nothing; texts and tables seldom reach 30.
MOST_RATIO = 200
SMALL_BYTES = 1 << 20  # an entry this small may be of one letter
MOST_DIRECTORY = 3 << 20  # bytes; it is in memory as a whole
IN_MEMORY_BYTES = 8 << 20
_HEADER_BYTES = 30  # of an entry at least, beside its content
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ARCHIVES = (
    *(".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".tar", ".7z", ".rar", ".jar", ".docx"),
    *(".xlsx", ".cab", ".iso", ".lz4"),
)
# What systems add to archives by themselves.
_ASIDE = ("__MACOSX/",)
_ASIDE_NAMES = (".DS_Store", "Thumbs.db", "desktop.ini")


def is_zip(name: str) -> bool:
    return name.lower().endswith(ENDING)


class Zip:
    """An archive whose directory was found fit. Raises FileBroken, ExtensionRefused."""

    def __init__(self, name: str, source: BinaryIO) -> None:
        self._name = name
        try:
            self._archive = zipfile.ZipFile(cast(IO[bytes], _Careful(source)))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError) as error:
            raise self._broken(f"it is no zip that can be read ({error})") from None
        except _DirectoryTooLarge:
            raise self._too_many() from None
        self._entries = self._checked(self._archive.infolist())

    @property
    def size_bytes(self) -> int:
        """What it unpacks to, as it says."""
        return sum(one.file_size for one in self._entries)

    def files(self) -> Iterator[tuple[str, BinaryIO]]:
        """Its files by their own names, one at a time; each is closed before the next."""
        for one in self._entries:
            with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
                self._unpack(one, cast(BinaryIO, file))
                yield PurePosixPath(one.filename).name, cast(BinaryIO, file)

    def _unpack(self, one: zipfile.ZipInfo, file: BinaryIO) -> None:
        size = 0
        try:
            with self._archive.open(one) as source:
                while block := source.read(BLOCK_BYTES):
                    size += len(block)
                    if size > one.file_size:
                        break
                    file.write(block)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise self._broken(f"{_said(one)} cannot be unpacked ({error})") from None
        if size != one.file_size:
            raise self._broken(
                f"{_said(one)} has another size than the {one.file_size:,} bytes it says"
            )
        file.seek(0)

    def _checked(self, found: Sequence[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
        if len(found) > MOST_ENTRIES:
            raise self._too_many()
        if found:
            self._check_places(found)
        entries = [one for one in found if not _is_aside(one)]
        for one in entries:
            self._check(one)
        total = sum(one.file_size for one in entries)
        if total > MOST_UNPACKED:
            raise self._broken(f"it unpacks to {total:,} bytes; {MOST_UNPACKED:,} are allowed")
        if not entries:
            raise self._broken("it holds no files")
        return entries

    def _check(self, one: zipfile.ZipInfo) -> None:
        names = (one.filename, one.orig_filename)
        if any(map(_leads_out, names)):
            raise self._broken(f"{_said(one)} leads out of the archive")
        mode = one.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise self._broken(f"{_said(one)} is a link or no file")
        if one.flag_bits & 0x1:
            raise self._broken(f"{_said(one)} is encrypted")
        if one.compress_type not in _METHODS:
            raise self._broken(f"{_said(one)} is packed in a way that is not read here")
        ending = PurePosixPath(one.filename).suffix.lower()
        if ending in _ARCHIVES:
            raise self._broken(f"{_said(one)} is an archive within the archive")
        if one.file_size > SMALL_BYTES and one.file_size > MOST_RATIO * one.compress_size:
            raise self._broken(
                f"{_said(one)} unpacks to {one.file_size:,} bytes out of {one.compress_size:,}; "
                f"{MOST_RATIO} times as many are allowed"
            )
        try:
            ending_of(one.filename)
        except ExtensionRefused as error:
            raise ExtensionRefused(
                f"{self._name}: {_said(one)}: {error.message}", advice=error.advice
            ) from None

    def _check_places(self, found: Sequence[zipfile.ZipInfo]) -> None:
        """Entries that share bytes unpack to more than an archive could hold."""
        places = sorted(found, key=lambda one: one.header_offset)
        ends = [one.header_offset for one in places[1:]] + [self._archive.start_dir]
        for one, end in zip(places, ends, strict=True):
            if one.header_offset + _HEADER_BYTES + one.compress_size > end:
                raise self._broken(f"{_said(one)} overlaps what follows it")

    def _too_many(self) -> FileBroken:
        return self._broken(f"it has more than {MOST_ENTRIES:,} files")

    def _broken(self, words: str) -> FileBroken:
        return FileBroken(
            f"{self._name}: {words}.",
            advice="Send a zip of pictures, texts, JSON, CSV or Parquet, made anew.",
        )


class _DirectoryTooLarge(Exception):
    """What is to be read at once is larger than a directory may be."""


class _Careful:
    """A file of which no more than a directory may have is read at once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, count: int = -1) -> bytes:
        if count > MOST_DIRECTORY:
            raise _DirectoryTooLarge
        found = self._file.read(count if count >= 0 else MOST_DIRECTORY + 1)
        if len(found) > MOST_DIRECTORY:
            raise _DirectoryTooLarge
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _is_aside(one: zipfile.ZipInfo) -> bool:
    name = one.filename
    is_folder = name.endswith("/") and not one.file_size
    return is_folder or name.startswith(_ASIDE) or PurePosixPath(name).name in _ASIDE_NAMES


def _leads_out(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return (
        not name.isprintable()
        or "\\" in name
        or name.startswith("/")
        or ":" in parts[0]
        or any(one in ("", ".", "..") for one in parts)
    )


def _said(one: zipfile.ZipInfo) -> str:
    return repr(one.orig_filename[:120])
