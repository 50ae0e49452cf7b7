"""Pictures and sounds: the bytes as they were written, if they are what a browser may be given."""

from __future__ import annotations

import struct
from typing import NamedTuple

from mlpi.boards.kinds.errors import ContentError
from mlpi.boards.kinds.messages import walk
from mlpi.boards.kinds.tensors import strings
from mlpi.boards.reader.wire import BYTES

ENCODED = 4  # encoded_image_string, encoded_audio_string
MOST_PIXELS = 64_000_000  # of a picture: a browser takes four bytes for each
LONGEST_SIDE = 30_000  # pixels


class Sample(NamedTuple):
    """One picture or sound. content_type: by its own first bytes."""

    data: bytes
    content_type: str


def images(data: bytes, form: str) -> list[bytes]:
    """The encoded pictures of a Summary.Image or a tensor [width, height, picture, …].

    Raises ContentError, WireError.
    """
    if form == "image":
        return [_encoded(data)]
    return strings(data).values[2:]


def clips(data: bytes, form: str) -> list[bytes]:
    """The encoded sounds of a Summary.Audio or a tensor (k,) or (k, …) whose first column they are.

    Raises ContentError, WireError.
    """
    if form == "audio":
        return [_encoded(data)]
    found = strings(data)
    if not found.shape:
        return found.values
    count = found.shape[0]
    return found.values[:: max(1, len(found.values) // count)][:count] if count else []


def image(data: bytes) -> Sample:
    """A picture that may be shown. Raises ContentError for every other content."""
    size = _png(data) or _gif(data) or _jpeg(data)
    if size is None:
        raise ContentError("it is no PNG, JPEG or GIF")
    content_type, width, height = size
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise ContentError(
            f"{width:,} × {height:,} pixels are more than a page can show "
            f"({MOST_PIXELS // 1_000_000} million)"
        )
    return Sample(data, content_type)


def sound(data: bytes) -> Sample:
    """A sound that may be played. Raises ContentError for every other content."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return Sample(data, "audio/wav")
    for magic, content_type in _SOUNDS:
        if data.startswith(magic):
            return Sample(data, content_type)
    raise ContentError("it is no WAV, FLAC, Ogg or MP3")


_SOUNDS = (
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
)


def _encoded(data: bytes) -> bytes:
    found = b""
    for number, wire, begin, end in walk(data):
        if (number, wire) == (ENCODED, BYTES):
            found = data[begin:end]
    return found


def _png(data: bytes) -> tuple[str, int, int] | None:
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR" or len(data) < 24:
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return "image/png", width, height


def _gif(data: bytes) -> tuple[str, int, int] | None:
    if data[:6] not in (b"GIF87a", b"GIF89a") or len(data) < 10:
        return None
    width, height = struct.unpack_from("<HH", data, 6)
    return "image/gif", width, height


def _jpeg(data: bytes) -> tuple[str, int, int] | None:
    """By its frame header, the first that comes; None without one."""
    if data[:3] != b"\xff\xd8\xff":
        return None
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1  # padding
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if at + 9 > len(data):
                return None
            height, width = struct.unpack_from(">HH", data, at + 5)
            return "image/jpeg", width, height
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None
