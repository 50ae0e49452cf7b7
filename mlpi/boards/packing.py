"""Columns as bytes: differences, bytes of one weight side by side, then zlib.

Steps and places grow evenly, so their differences are nearly all the same; values keep their bytes.
"""

from __future__ import annotations

import json
import struct
import zlib

from mlpi.boards.reader.columns import Places, Points

LEVEL = 1  # higher ones take five times as long for a twentieth less
KINDS: dict[str, type[Points] | type[Places]] = {"points": Points, "places": Places}


def packed(rows: Points | Places) -> bytes:
    """The rows of a segment. Read them with `unpacked`."""
    import numpy as np  # noqa: PLC0415 - with the first record only

    parts = []
    for column in rows:
        whole = np.ascontiguousarray(column)
        if whole.dtype.itemsize == 8:
            whole = whole.view(np.int64)
            whole = np.concatenate([whole[:1], np.diff(whole)])  # wraps, and unwraps again
        size = whole.dtype.itemsize
        parts.append(whole.view(np.uint8).reshape(-1, size).T.tobytes())
    kind = next(name for name, one in KINDS.items() if isinstance(rows, one))
    head = json.dumps([kind, len(rows.steps), [column.dtype.str for column in rows]]).encode()
    return struct.pack("<I", len(head)) + head + zlib.compress(b"".join(parts), LEVEL)


def unpacked(data: bytes) -> Points | Places:
    """Raises ValueError when these are no packed rows."""
    try:
        return _unpacked(data)
    except (zlib.error, struct.error, KeyError, TypeError) as error:
        raise ValueError(f"these are no packed rows: {error}") from None


def _unpacked(data: bytes) -> Points | Places:
    import numpy as np  # noqa: PLC0415

    (length,) = struct.unpack_from("<I", data)
    kind, count, dtypes = json.loads(data[4 : 4 + length])
    whole = np.frombuffer(zlib.decompress(data[4 + length :]), np.uint8)
    columns, at = [], 0
    for name in dtypes:
        dtype = np.dtype(name)
        size = count * dtype.itemsize
        planes = whole[at : at + size].reshape(dtype.itemsize, count)
        column = np.ascontiguousarray(planes.T).reshape(-1)
        if dtype.itemsize == 8:
            column = np.cumsum(column.view(np.int64), dtype=np.int64)
        columns.append(column.view(dtype))
        at += size
    if at != len(whole):
        raise ValueError(f"{len(whole) - at:,} bytes are left over")
    return KINDS[kind](*columns)
