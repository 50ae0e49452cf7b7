"""One Event record, decoded exactly: its scalars as numbers, all else as places in the file."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from mlpi.boards.reader.wire import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    WireError,
    fields,
    signed,
    varint,
)

SCALARS = "scalars"
HPARAMS = "hparams"
GRAPH_TAG = "__run_graph__"  # TensorBoard's own name for it
START = 1  # SessionLog.Status

# A record of 64 MB could hold thirty million empty ones, and gigabytes of memory with them.
MOST_VALUES = 1 << 16  # of an event
MOST_PARTS = 64  # of a list of one number
MOST_DIMENSIONS = 254  # as TensorFlow has it

# What TensorBoard makes of values that carry no metadata: field of Summary.Value → kind, plugin.
KINDS = {
    2: ("simple_value", SCALARS),
    3: ("old_histogram", ""),
    4: ("image", "images"),
    5: ("histogram", "histograms"),
    6: ("audio", "audio"),
    8: ("tensor", ""),
}

# All kinds of content, by the number that is kept of them. Add behind, never between.
KIND_NAMES = (
    *("old_histogram", "image", "histogram", "audio", "tensor", "simple_value"),
    *("graph", "run_metadata", "meta_graph", "nothing"),
)


class Metadata(NamedTuple):
    """SummaryMetadata; writers send it with a tag's first value only.

    data_class: its DataClass as a number, 0 when the writer left it to the reader.
    """

    plugin: str
    content: bytes
    display_name: str
    description: str
    data_class: int = 0


class Number(NamedTuple):
    """A scalar and, when it has a fixed place and width, where: byte and NumPy type."""

    value: float
    is_double: bool
    at: int | None
    type: str


class Value(NamedTuple):
    """One Summary.Value. begin and end bound its content (the image, the tensor, …)."""

    tag: str
    kind: str
    plugin: str
    begin: int
    end: int
    number: Number | None
    metadata: Metadata | None


@dataclass(slots=True)
class Event:
    """wall_time: Unix seconds. *_at: where it stands, None when absent, thus zero."""

    wall_time: float = 0.0
    step: int = 0
    values: list[Value] = field(default_factory=list)
    what: int = 0  # the field that is set
    is_restart: bool = False
    file_version: str = ""
    wall_time_at: int | None = None
    step_at: tuple[int, int] | None = None
    is_odd: bool = False  # a field came twice, so places say nothing about other records


class Dtype(NamedTuple):
    """A tensor's element: struct format, NumPy type, the field that lists values, and how."""

    format: str
    type: str
    field: int
    wire: int
    is_double: bool


def _whole(code: str, type_: str, number: int = 7) -> Dtype:
    return Dtype(f"<{code}", type_, number, VARINT, is_double=True)


DTYPES = {
    1: Dtype("<f", "<f4", 5, FIXED32, is_double=False),
    2: Dtype("<d", "<f8", 6, FIXED64, is_double=True),
    3: _whole("i", "<i4"),
    4: _whole("B", "<u1"),
    5: _whole("h", "<i2"),
    6: _whole("b", "<i1"),
    9: _whole("q", "<i8", 10),
    10: _whole("?", "<u1", 11),
    14: Dtype("bfloat16", "", 13, VARINT, is_double=False),
    17: _whole("H", "<u2"),
    19: Dtype("<e", "<f2", 13, VARINT, is_double=False),
    22: _whole("I", "<u4", 16),
    23: _whole("Q", "<u8", 17),
}


LISTS = frozenset(dtype.field for dtype in DTYPES.values())


def parse(data: bytes, at: int, end: int) -> Event:
    """The event in data[at:end]. Raises WireError."""
    event = Event()
    for number, wire, begin, finish in fields(data, at, end):
        if number == 1 and wire == FIXED64:
            event.is_odd |= event.wall_time_at is not None
            event.wall_time, event.wall_time_at = _double(data, begin), begin
        elif number == 2 and wire == VARINT:
            event.is_odd |= event.step_at is not None
            event.step = signed(varint(data, begin, finish)[0])
            event.step_at = begin, finish
        elif number in range(3, 10) and wire == BYTES:
            _what(event, data, number, begin, finish)
    return event


def _what(event: Event, data: bytes, number: int, begin: int, end: int) -> None:
    """The one thing an event is about; of several the last counts, as in protobuf's oneof."""
    if number != event.what or number != 5:  # only summaries are merged
        event.values = []
    event.what, event.is_restart = number, False
    if number == 3:
        event.file_version = _text(data, begin, end)
    elif number == 4:
        event.values = [Value(GRAPH_TAG, "graph", "graphs", begin, end, None, None)]
    elif number == 5:
        _add_values(event, data, begin, end)
    elif number == 7:
        event.is_restart = any(
            (n, w) == (1, VARINT) and varint(data, b, e)[0] == START
            for n, w, b, e in fields(data, begin, end)
        )
    elif number == 8:
        event.values = _run_metadata(data, begin, end)
    elif number == 9:
        event.values = [Value("", "meta_graph", "", begin, end, None, None)]


def _add_values(event: Event, data: bytes, begin: int, end: int) -> None:
    """Those of a Summary."""
    for number, wire, b, e in fields(data, begin, end):
        if (number, wire) == (1, BYTES):
            if len(event.values) == MOST_VALUES:
                raise WireError(f"it holds more than {MOST_VALUES:,} values", b)
            event.values.append(_value(data, b, e))


def _run_metadata(data: bytes, begin: int, end: int) -> list[Value]:
    tag, content = "", (begin, begin)
    for number, wire, b, e in fields(data, begin, end):
        if (number, wire) == (1, BYTES):
            tag = _text(data, b, e)
        elif (number, wire) == (2, BYTES):
            content = b, e
    return [Value(tag, "run_metadata", "graph_tagged_run_metadata", *content, None, None)]


def _value(data: bytes, at: int, end: int) -> Value:
    tag = node = ""
    kind, plugin, begin, finish = "", "", at, at
    metadata: Metadata | None = None
    for number, wire, b, e in fields(data, at, end):
        if number == 2 and wire == FIXED32:
            kind, plugin = KINDS[2]
            begin, finish = b, e
        elif wire != BYTES:
            continue
        elif number == 1:
            tag = _text(data, b, e)
        elif number == 7:
            node = _text(data, b, e)
        elif number == 9:
            metadata = _metadata(data, b, e)
        elif number in KINDS and number != 2:
            kind, plugin = KINDS[number]
            begin, finish = b, e
    number_: Number | None = None
    if kind == "simple_value":
        number_ = Number(struct.unpack_from("<f", data, begin)[0], False, begin, "<f4")
    elif kind == "tensor":
        number_ = tensor_number(data, begin, finish)
        tag = tag or node  # as the oldest tensor summaries were named
    if metadata is not None and kind != "simple_value":
        plugin = metadata.plugin or plugin
    return Value(tag, kind, plugin, begin, finish, number_, metadata)


def _metadata(data: bytes, at: int, end: int) -> Metadata:
    plugin, content, display_name, description, data_class = "", b"", "", "", 0
    for number, wire, begin, finish in fields(data, at, end):
        if (number, wire) == (4, VARINT):
            data_class = varint(data, begin, finish)[0]
        if wire != BYTES:
            continue
        if number == 1:
            for n, w, b, e in fields(data, begin, finish):
                if (n, w) == (1, BYTES):
                    plugin = _text(data, b, e)
                elif (n, w) == (2, BYTES):
                    content = data[b:e]
        elif number == 2:
            display_name = _text(data, begin, finish)
        elif number == 3:
            description = _text(data, begin, finish)
    return Metadata(plugin, content, display_name, description, data_class)


def tensor_number(data: bytes, at: int, end: int) -> Number | None:
    """The number in a TensorProto of one element; None for every other tensor. Raises WireError."""
    dtype_id, size, content = 0, 1, None
    listed: dict[int, list[tuple[int, int, int]]] = {}
    for number, wire, begin, finish in fields(data, at, end):
        if number == 1 and wire == VARINT:
            dtype_id = varint(data, begin, finish)[0]
        elif number == 2 and wire == BYTES:
            size = _size(data, begin, finish)
        elif number == 4 and wire == BYTES:
            content = begin, finish
        elif number in LISTS and len(parts := listed.setdefault(number, [])) < MOST_PARTS:
            parts.append((wire, begin, finish))
    dtype = DTYPES.get(dtype_id)
    if dtype is None or size != 1:
        return None
    if content is not None and content[1] > content[0]:
        return _from_content(data, dtype, *content)
    return _from_list(data, dtype, listed.get(dtype.field, []))


def _size(data: bytes, at: int, end: int) -> int:
    """How many elements a TensorShapeProto says there are; -1 when it does not know."""
    sizes: list[int] = []
    for number, wire, begin, finish in fields(data, at, end):
        if (number, wire) == (2, BYTES):
            size = 0
            for n, w, b, e in fields(data, begin, finish):
                if (n, w) == (1, VARINT):
                    size = signed(varint(data, b, e)[0])
            if len(sizes) == MOST_DIMENSIONS:
                return -1
            sizes.append(size)
        elif (number, wire) == (3, VARINT) and varint(data, begin, finish)[0]:
            return -1
    return math.prod(sizes)


def _from_content(data: bytes, dtype: Dtype, begin: int, end: int) -> Number | None:
    if dtype.format == "bfloat16":
        if end - begin != 2:
            return None
        return Number(_bfloat16(int.from_bytes(data[begin:end], "little")), False, None, "")
    if end - begin != struct.calcsize(dtype.format):
        return None
    value = float(struct.unpack_from(dtype.format, data, begin)[0])
    return Number(value, dtype.is_double, begin, dtype.type)


def _from_list(data: bytes, dtype: Dtype, parts: list[tuple[int, int, int]]) -> Number | None:
    """From the one entry of a repeated field, packed or not."""
    width = {FIXED32: 4, FIXED64: 8}.get(dtype.wire)
    places: list[tuple[int, int]] = []
    for wire, begin, end in parts:
        if wire == dtype.wire:
            places.append((begin, end))
        elif wire == BYTES:
            while begin < end and len(places) < 2:
                after = begin + width if width else varint(data, begin, end)[1]
                if after > end:
                    return None
                places.append((begin, after))
                begin = after  # noqa: PLW2901 - a cursor
    if len(places) != 1:
        return None
    begin, end = places[0]
    if width:
        value = struct.unpack_from(dtype.format, data, begin)[0]
        return Number(value, dtype.is_double, begin, dtype.type)
    raw = varint(data, begin, end)[0]
    if dtype.format == "bfloat16":
        return Number(_bfloat16(raw & 0xFFFF), False, None, "")
    if dtype.format == "<e":
        half = struct.unpack("<e", (raw & 0xFFFF).to_bytes(2, "little"))[0]
        return Number(half, False, None, "")
    if dtype.format == "<?":
        return Number(float(raw != 0), True, None, "")
    is_unsigned = dtype.field in (16, 17)
    return Number(float(raw if is_unsigned else signed(raw)), True, None, "")


def _bfloat16(bits: int) -> float:
    value: float = struct.unpack("<f", (bits << 16).to_bytes(4, "little"))[0]
    return value


def _double(data: bytes, at: int) -> float:
    value: float = struct.unpack_from("<d", data, at)[0]
    return value


def _text(data: bytes, begin: int, end: int) -> str:
    return data[begin:end].decode("utf-8", "replace")
