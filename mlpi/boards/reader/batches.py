"""Many records of one shape decoded at once.

One record is parsed exactly and becomes a template: its bytes but for the wall time, the step and
the value, of which only the place is known (and of a step's bytes, which of them is the last).
Every record of the same length with the same bytes elsewhere has, field by field, the same
structure, so its three numbers can be taken from those places without parsing. Records are brought
to their templates by a hash of the bytes elsewhere and then compared with them, byte by byte.
"""

from __future__ import annotations

from typing import NamedTuple

from mlpi.boards.reader.arrays import Array, Bytes, Floats, Ints, Words
from mlpi.boards.reader.events import SCALARS, Metadata, parse
from mlpi.boards.reader.wire import WireError

FEWEST_ROWS = 16  # below it a single walk is cheaper
LONGEST_ROW = 1024
GOLDEN = 0x9E3779B97F4A7C15  # an odd number that spreads bits well
FEWEST_ALIKE = 3
MOST_WALKED = 64  # records of other kinds that may come first
MOST_ROUNDS = 8  # layouts that may share a length before the rest is walked


class Layout(NamedTuple):
    """Where the numbers of a record stand, in bytes from its payload's begin."""

    wall_time: int | None
    step: tuple[int, int] | None
    value: int
    type: str


class Template(NamedTuple):
    layout: Layout
    tag: str
    kind: str
    is_double: bool
    metadata: Metadata | None


class Piece(NamedTuple):
    """Scalars of one template. begins: (n,) int64, ascending: where their records stand."""

    template: Template
    begins: Ints
    steps: Ints
    wall_times: Floats
    values: Floats


def decode(data: bytes, begins: Ints, lengths: Ints) -> tuple[list[Piece], list[tuple[int, int]]]:
    """What can be taken at once, and begin and length of each record left to be walked."""
    import numpy as np  # noqa: PLC0415 - with the first record only

    pieces: list[Piece] = []
    left: list[tuple[int, int]] = []
    order = np.argsort(lengths, kind="stable")
    edges = np.flatnonzero(np.diff(lengths[order])) + 1
    for group in np.split(order, edges):
        if not len(group):
            continue
        length, starts = int(lengths[group[0]]), begins[group]
        if len(group) >= FEWEST_ROWS and 0 < length <= LONGEST_ROW:
            starts = _take(data, starts, length, pieces)
        left += [(start, length) for start in starts.tolist()]
    left.sort()
    return pieces, left


def _take(data: bytes, starts: Ints, length: int, pieces: list[Piece]) -> Ints:
    """Decode records of one length into pieces; the starts of those that did not go."""
    import numpy as np  # noqa: PLC0415

    every = np.lib.stride_tricks.sliding_window_view(np.frombuffer(data, np.uint8), length)
    walked: list[Ints] = []
    rounds = 0
    while len(starts) >= FEWEST_ROWS and rounds < MOST_ROUNDS and len(walked) < MOST_WALKED:
        layout = _layout(data, int(starts[0]), length)
        if layout is None:
            walked.append(starts[:1])
            starts = starts[1:]
        else:
            starts, few = _by_layout(data, every[starts], starts, layout, pieces)
            walked.append(few)
            rounds += 1
    return np.concatenate([*walked, starts])


def _by_layout(
    data: bytes,
    rows: Bytes,
    starts: Ints,
    layout: Layout,
    pieces: list[Piece],
) -> tuple[Ints, Ints]:
    """Decode the rows whose template has this layout.

    Returns the starts of all others, and of the first when hardly any other is like it.
    """
    import numpy as np  # noqa: PLC0415

    count, length = rows.shape
    factor = np.uint64(GOLDEN)
    words = _elsewhere(rows, layout)
    keys = np.zeros(count, np.uint64)
    for column in range(words.shape[1]):
        keys = (keys ^ words[:, column]) * factor
        keys ^= keys >> np.uint64(29)
    _, firsts, group = np.unique(keys, return_index=True, return_inverse=True)
    is_same = (words == words[firsts[group]]).all(axis=1)
    group = np.where(is_same, group, -1)
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(len(firsts) + 1))
    other, few = [order[: edges[0]]], [order[:0]]
    for number, first in enumerate(firsts):
        members = order[edges[number] : edges[number + 1]]
        if len(members) < FEWEST_ALIKE:
            # Under this layout they are alone; they may be many under their own.
            (few if first == 0 else other).append(members)
            continue
        template = _template(data, int(starts[first]), length)
        if template is None or template.layout != layout:
            other.append(members)
        else:
            pieces.append(_piece(template, rows[members], starts[members]))
    return np.sort(starts[np.concatenate(other)]), starts[np.concatenate(few)]


def _elsewhere(rows: Bytes, layout: Layout) -> Words:
    """(n, words) uint64: the rows' bytes without the numbers' own."""
    import numpy as np  # noqa: PLC0415

    count, length = rows.shape
    padded = np.zeros((count, -(-length // 8) * 8), np.uint8)
    padded[:, :length] = rows
    if layout.wall_time is not None:
        padded[:, layout.wall_time : layout.wall_time + 8] = 0
    if layout.step is not None:
        padded[:, layout.step[0] : layout.step[1]] &= 0x80
    padded[:, layout.value : layout.value + np.dtype(layout.type).itemsize] = 0
    return padded.view(np.uint64)


def _piece(template: Template, rows: Bytes, starts: Ints) -> Piece:
    import numpy as np  # noqa: PLC0415

    def numbers(at: int, type_: str) -> Array:
        width = np.dtype(type_).itemsize
        return np.ascontiguousarray(rows[:, at : at + width]).view(type_)[:, 0]

    layout = template.layout
    wall_times = np.zeros(len(rows))
    if layout.wall_time is not None:
        wall_times = numbers(layout.wall_time, "<f8").astype(np.float64)
    steps = np.zeros(len(rows), np.uint64)
    if layout.step is not None:
        for place, at in enumerate(range(*layout.step)):
            part = (rows[:, at] & np.uint8(0x7F)).astype(np.uint64)
            steps |= part << np.uint64(7 * place)
    width = np.float64 if template.is_double else np.float32
    values: Array = numbers(layout.value, layout.type).astype(width)
    return Piece(template, starts, steps.view(np.int64), wall_times, values)


def _layout(data: bytes, start: int, length: int) -> Layout | None:
    template = _template(data, start, length)
    return None if template is None else template.layout


def _template(data: bytes, start: int, length: int) -> Template | None:
    """None when the record is anything but one plain scalar."""
    try:
        event = parse(data, start, start + length)
    except WireError:
        return None
    if event.is_odd or len(event.values) != 1:
        return None
    value = event.values[0]
    if value.number is None or value.number.at is None:
        return None
    if value.kind == "tensor" and value.plugin not in (SCALARS, ""):
        return None
    wall_time, step = event.wall_time_at, event.step_at
    layout = Layout(
        None if wall_time is None else wall_time - start,
        None if step is None else (step[0] - start, step[1] - start),
        value.number.at - start,
        value.number.type,
    )
    return Template(layout, value.tag, value.kind, value.number.is_double, value.metadata)
