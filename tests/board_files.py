"""Values of all kinds for event files, made by TensorBoard's own protos; pictures made by hand."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from tensorboard.compat.proto import summary_pb2
from tensorboard.util import tensor_util


def _chunk(kind: bytes, data: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + crc


def png(width: int, height: int, grey: int = 128, *, is_whole: bool = True) -> bytes:
    """A grey picture; is_whole=False: one that only says it is so large."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + bytes([grey]) * width for _ in range(height if is_whole else 1))
    body = _chunk(b"IDAT", zlib.compress(rows if is_whole else b""))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + body + _chunk(b"IEND", b"")


def gif(width: int, height: int) -> bytes:
    """A GIF's head; no browser would show more than that it is broken."""
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0;"


PNG = png(4, 4)


def wav(seconds: float = 0.2, rate: int = 8000) -> bytes:
    """Silence."""
    data = bytes(2 * int(seconds * rate))
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    body = b"WAVE" + head + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def old_image(tag: str, encoded: bytes) -> Any:
    made = summary_pb2.Summary.Value(tag=tag)
    made.image.width, made.image.height, made.image.colorspace = 4, 4, 1
    made.image.encoded_image_string = encoded
    return made


def old_histogram(tag: str, limits: list[float], counts: list[float]) -> Any:
    made = summary_pb2.Summary.Value(tag=tag)
    histo = made.histo
    histo.min = min(limits, default=0.0) - 1
    histo.max = max((limit for limit in limits if limit < 1e300), default=0.0)
    histo.num = sum(counts)
    histo.bucket_limit.extend(limits)
    histo.bucket.extend(counts)
    return made


def tensor_value(tag: str, value: Any, plugin: str, content: bytes = b"") -> Any:
    made = summary_pb2.Summary.Value(tag=tag)
    made.tensor.CopyFrom(tensor_util.make_tensor_proto(value))
    made.metadata.plugin_data.plugin_name = plugin
    made.metadata.plugin_data.content = content
    return made
