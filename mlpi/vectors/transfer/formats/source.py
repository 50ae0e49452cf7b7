"""What every format is to an import: rows in order, with values by column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from mlpi.errors import Invalid

LONGEST_LINE = 32 * 2**20  # bytes; a longer one would be memory that nobody planned for


class BadRow(Exception):
    """A row that cannot become a record. column: where, or ""."""

    def __init__(self, reason: str, column: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.column = column


class FileBroken(Invalid):
    """The file cannot be read."""


class Raw(NamedTuple):
    """One row. number: of the row, from 1; line: of the file, in a format that has lines.

    values is a BadRow when the row itself cannot be read.
    """

    number: int
    line: int | None
    values: Mapping[str, Any] | BadRow


@dataclass(frozen=True, slots=True)
class Head:
    """What a file says of itself before it is read. total: rows, where the file knows.

    texts: whether values are texts that stand for numbers and lists, as in CSV.
    """

    columns: Sequence[str]
    total: int | None = None
    texts: bool = False


class Source(Protocol):
    """An open file of rows."""

    head: Head

    def rows(self, skip: int = 0) -> Iterator[Raw]:
        """Rows after the first `skip`, in constant memory. Raises FileBroken."""
        ...

    def fraction(self) -> float | None:
        """How much of the file is read, 0–1, where that is known."""
        ...

    def close(self) -> None: ...
