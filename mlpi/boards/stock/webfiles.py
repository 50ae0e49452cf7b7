"""The page's files, straight out of the archive in which TensorBoard ships them.

They lie there deflated, which is what gzip is but for its frame: so they are sent as they lie, and
a Pi neither unpacks nor packs the 15 MB.
"""

from __future__ import annotations

import mimetypes
import struct
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

LOCAL_HEADER_BYTES = 30
GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # deflated, no name, no time, an unknown system


class WebFile(NamedTuple):
    """encoding: gzip, or '' when data is the file itself."""

    data: bytes
    encoding: str
    media_type: str


def package() -> Path:
    """Where TensorBoard lies, found without importing it."""
    spec = find_spec("tensorboard")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


class WebFiles:
    """Reads files by name. Any thread may. Raises OSError, zipfile.BadZipFile when opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with zipfile.ZipFile(path) as opened:
            self._found = {info.filename: info for info in opened.infolist() if not info.is_dir()}

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def read(self, name: str, *, takes_gzip: bool) -> WebFile:
        """Raises KeyError, OSError."""
        info = self._found[name]
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        if takes_gzip and info.compress_type == zipfile.ZIP_DEFLATED:
            return WebFile(self._framed(info), "gzip", media_type)
        with zipfile.ZipFile(self._path) as opened:
            return WebFile(opened.read(info), "", media_type)

    def _framed(self, info: zipfile.ZipInfo) -> bytes:
        with self._path.open("rb") as file:
            file.seek(info.header_offset)
            name_bytes, extra_bytes = struct.unpack_from("<HH", file.read(LOCAL_HEADER_BYTES), 26)
            file.seek(name_bytes + extra_bytes, 1)
            deflated = file.read(info.compress_size)
        tail = struct.pack("<II", info.CRC, info.file_size & 0xFFFFFFFF)
        return b"".join((GZIP_HEAD, deflated, tail))
