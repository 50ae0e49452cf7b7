"""Protocol-buffer wire format: walking a message's fields without knowing its type."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
WORD = (1 << 64) - 1
VARINT_BYTES = 10
MOST_FIELDS = 1 << 18  # of a message; one of 64 MB could keep the reader busy for minutes


class WireError(ValueError):
    """These bytes are no protocol-buffer message. `at` is the byte where that shows."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(what)
        self.at = at


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The unsigned value (64 bits) that begins at `at`, and where the next thing begins."""
    value = shift = 0
    for position in range(at, min(end, at + VARINT_BYTES)):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & WORD, position + 1
        shift += 7
    raise WireError("a number does not end", at)


def signed(value: int) -> int:
    """A varint's 64 bits as int32 and int64 fields mean them."""
    return value - (1 << 64) if value >> 63 else value


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Each field of data[at:end]: number, wire type, begin and end of its content.

    A varint's content is its own bytes. Raises WireError.
    """
    left = MOST_FIELDS
    while at < end:
        if not left:
            raise WireError(f"it has more than {MOST_FIELDS:,} fields", at)
        left -= 1
        key, begin = varint(data, at, end)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            _, finish = varint(data, begin, end)
        elif wire == FIXED64:
            finish = begin + 8
        elif wire == FIXED32:
            finish = begin + 4
        elif wire == BYTES:
            length, begin = varint(data, begin, end)
            finish = begin + length
        else:
            raise WireError(f"field {number} has wire type {wire}", at)
        if number == 0 or finish > end:
            raise WireError(f"field {number} does not fit its message", at)
        yield number, wire, begin, finish
        at = finish
