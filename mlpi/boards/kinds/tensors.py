"""TensorProto → strings or numbers, as TensorBoard's `make_ndarray` reads them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from mlpi.boards.kinds.errors import ContentError
from mlpi.boards.kinds.messages import walk
from mlpi.boards.reader.arrays import Array, Floats
from mlpi.boards.reader.events import DTYPES
from mlpi.boards.reader.wire import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    WireError,
    signed,
    varint,
)

STRING = 7  # DataType
STRINGS = 8  # the field that lists them
MOST_DIMENSIONS = 16
MOST_STRINGS = 10_000
MOST_NUMBERS = 300_000


class Strings(NamedTuple):
    """A tensor of strings, row by row. shape: () for a single one."""

    shape: tuple[int, ...]
    values: list[bytes]


@dataclass
class _Tensor:
    dtype: int = 0
    shape: tuple[int, ...] = ()
    content: bytes = b""
    listed: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)


def strings(data: bytes) -> Strings:
    """The strings of a TensorProto. Raises ContentError."""
    tensor = _parsed(data)
    if tensor.dtype != STRING:
        raise ContentError(f"its tensor is of type {tensor.dtype}, not of strings")
    places = [(b, e) for wire, b, e in tensor.listed.get(STRINGS, ()) if wire == BYTES]
    count = math.prod(tensor.shape)
    if max(count, len(places)) > MOST_STRINGS:
        raise ContentError(f"it holds more than {MOST_STRINGS:,} strings")
    values = [data[begin:end] for begin, end in places]
    if len(values) == 1:
        values *= count
    if len(values) != count:
        raise ContentError(f"its shape is for {count} strings, and it holds {len(values)}")
    return Strings(tensor.shape, values)


def numbers(data: bytes) -> Floats:
    """The numbers of a TensorProto as float64, in its shape. Raises ContentError."""
    import numpy as np  # noqa: PLC0415 - with the first tensor only

    tensor = _parsed(data)
    dtype = DTYPES.get(tensor.dtype)
    if dtype is None:
        raise ContentError(f"its tensor is of type {tensor.dtype}, not of numbers")
    count = math.prod(tensor.shape)
    if count > MOST_NUMBERS:
        raise ContentError(f"it holds more than {MOST_NUMBERS:,} numbers")
    if tensor.content:
        kind = np.dtype(dtype.type or "<u2")
        if len(tensor.content) % kind.itemsize:
            raise ContentError("its bytes are no whole number of elements")
        values: Array = np.frombuffer(tensor.content, kind)
    else:
        values = _listed(data, tensor, dtype.wire, dtype.field, dtype.type)
    if dtype.format == "bfloat16":
        values = (values.astype("<u4") << 16).view("<f4")
    if len(values) == 1 and not tensor.content:
        values = np.repeat(values, count)
    if len(values) != count:
        raise ContentError(f"its shape is for {count} numbers, and it holds {len(values)}")
    return values.astype(np.float64).reshape(tensor.shape)


def doubles(data: bytes, places: list[tuple[int, int, int]]) -> Floats:
    """A repeated double field, packed or not, from (wire type, begin, end). Raises ContentError."""
    import numpy as np  # noqa: PLC0415

    return np.frombuffer(_fixed(data, places, FIXED64, 8), "<f8")


def _parsed(data: bytes) -> _Tensor:
    tensor = _Tensor()
    try:
        for number, wire, begin, end in walk(data):
            if (number, wire) == (1, VARINT):
                tensor.dtype = varint(data, begin, end)[0]
            elif (number, wire) == (2, BYTES):
                tensor.shape += _shape(data, begin, end)
            elif (number, wire) == (4, BYTES):
                tensor.content = data[begin:end]
            else:
                tensor.listed.setdefault(number, []).append((wire, begin, end))
    except WireError as error:
        raise ContentError(f"it is no tensor ({error})") from None
    if len(tensor.shape) > MOST_DIMENSIONS:
        raise ContentError("its tensor has too many dimensions")
    return tensor


def _shape(data: bytes, at: int, end: int) -> tuple[int, ...]:
    sizes: list[int] = []
    for number, wire, begin, finish in walk(data, at, end):
        if (number, wire) == (2, BYTES):
            size = 0
            for n, w, b, e in walk(data, begin, finish):
                if (n, w) == (1, VARINT):
                    size = signed(varint(data, b, e)[0])
            sizes.append(size)
            if len(sizes) > MOST_DIMENSIONS:
                break
        elif (number, wire) == (3, VARINT) and varint(data, begin, finish)[0]:
            raise ContentError("its tensor's shape is not known")
    if any(size < 0 for size in sizes):
        raise ContentError("its tensor's shape is not known")
    return tuple(sizes)


def _listed(data: bytes, tensor: _Tensor, wire: int, number: int, type_: str) -> Array:
    """What a repeated field of a numeric type lists."""
    import numpy as np  # noqa: PLC0415

    places = tensor.listed.get(number, [])
    if wire in (FIXED32, FIXED64):
        return np.frombuffer(_fixed(data, places, wire, 4 if wire == FIXED32 else 8), type_)
    found: list[int] = []
    for kind, begin, end in places:
        if kind not in (VARINT, BYTES):
            continue
        at = begin
        while at < end:
            try:
                raw, at = varint(data, at, end)
            except WireError as error:
                raise ContentError(f"it is no tensor ({error})") from None
            found.append(raw)
            if len(found) > MOST_NUMBERS:
                raise ContentError(f"it holds more than {MOST_NUMBERS:,} numbers")
    words = np.array(found, np.uint64)
    if number == 13:  # half_val: the bits of 16-bit floats
        bits = (words & np.uint64(0xFFFF)).astype(np.uint16)
        return bits.view("<f2") if type_ == "<f2" else bits
    if number == 11:
        return words != 0
    # As the field's own integers, cut to the element's width as a cast does.
    return words.astype(np.dtype(type_))


def _fixed(data: bytes, places: list[tuple[int, int, int]], wire: int, width: int) -> bytes:
    parts = [data[begin:end] for kind, begin, end in places if kind in (wire, BYTES)]
    joined = b"".join(parts)
    if any(len(part) % width for part in parts):
        raise ContentError("its numbers do not end where they should")
    if len(joined) > MOST_NUMBERS * width:
        raise ContentError(f"it holds more than {MOST_NUMBERS:,} numbers")
    return joined
