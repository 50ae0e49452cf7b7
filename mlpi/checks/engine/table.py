"""A table that is open in a worker's DuckDB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its own name; type is DuckDB's, such as BIGINT, VARCHAR, DECIMAL(10,2)."""

    name: str
    type: str

    @property
    def sql(self) -> str:
        """Its name, quoted for SQL."""
        return quoted(self.name)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to select from. NaN is NULL here already, as it is for Great Expectations.

    relation: what follows FROM, quoted as needed. Its rows come in the source's own order, so that
    row_number() OVER () counts data rows from 1 as a person does.
    """

    connection: duckdb.DuckDBPyConnection
    relation: str
    columns: tuple[Column, ...]
    skipped_lines: int = 0
    warnings: tuple[str, ...] = ()  # what a person should know of how it was read
    reading: Mapping[str, Any] | None = (
        None  # for Source.reading, when the same content comes again
    )

    def column(self, name: str) -> Column | None:
        return next((one for one in self.columns if one.name == name), None)


def quoted(name: str) -> str:
    """An identifier as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
