"""A picture and a sound to show templates with, made here, so that nothing is fetched."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from functools import cache

WIDTH, HEIGHT = 160, 120  # pixels
RATE, SECONDS = 4000, 1  # of the sound


@cache
def picture() -> str:
    """A meadow, a house and the sun, as a data: URI of a PNG."""
    rows = b"".join(
        b"\0" + bytes(part for x in range(WIDTH) for part in _colour(x, y)) for y in range(HEIGHT)
    )
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    parts = (("IHDR", head), ("IDAT", zlib.compress(rows, 9)), ("IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name.encode(), body) for name, body in parts)
    return "data:image/png;base64," + base64.b64encode(png).decode()


@cache
def sound() -> str:
    """Two tones one after the other, as a data: URI of a WAV."""
    count = RATE * SECONDS
    waves = bytes(
        round(128 + 90 * math.sin(2 * math.pi * (220 if n < count / 2 else 440) * n / RATE))
        for n in range(count)
    )
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE, 1, 8)
    body = b"WAVE" + head + struct.pack("<4sI", b"data", count) + waves
    wav = struct.pack("<4sI", b"RIFF", len(body)) + body
    return "data:audio/wav;base64," + base64.b64encode(wav).decode()


def _colour(x: int, y: int) -> tuple[int, int, int]:
    if (x - 130) ** 2 + (y - 22) ** 2 < 144:
        return 250, 208, 60
    if 44 <= x < 92 and 58 <= y < 94:
        return (90, 60, 50) if 62 <= x < 74 and y >= 72 else (214, 110, 84)
    if 36 <= y < 58 and abs(x - 68) <= (y - 36) * 1.4:
        return 130, 64, 60
    return (112, 170, 92) if y >= 84 else (164, 204, 236)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
