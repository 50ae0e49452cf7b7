"""Walking messages that nobody has checked: no more fields than a sensible writer makes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from mlpi.boards.kinds.errors import ContentError
from mlpi.boards.reader.wire import fields

MOST_FIELDS = 200_000  # of one message: a third of a second on a small machine


def walk(data: bytes, at: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """As `fields`, of all the data unless told. Raises ContentError, WireError."""
    found = fields(data, at, len(data) if end is None else end)
    for count, one in enumerate(found):
        if count >= MOST_FIELDS:
            raise ContentError(f"it has more than {MOST_FIELDS:,} fields")
        yield one


def double(data: bytes, at: int) -> float:
    value: float = struct.unpack_from("<d", data, at)[0]
    return value


def text(data: bytes, begin: int, end: int) -> str:
    return data[begin:end].decode("utf-8", "replace")
