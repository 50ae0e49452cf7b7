"""Where a table's rows come from, as a job's parameters carry it. Light: the service imports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

FORMATS = ("csv", "tsv", "jsonl", "parquet", "excel")
SQL = "sql"


@dataclass(frozen=True, slots=True)
class Source:
    """A file or a database table, and how to read it.

    format: one of FORMATS for a file at path, or SQL for table or query at url, which may hold a
    password and is never shown. options, all of them optional: delimiter, quote, encoding,
    has_header, skip_rows, null_values (list), decimal ("." or ","), date_format for text files;
    sheet (name) for Excel; ignore_bad_lines (bool) skips lines that do not parse and counts them.
    row_limit: rows to read at most, from the first; None reads all. file_name: what people call
    a file that is stored under its hash, for messages. reading: what an earlier opening of the
    very same content found out (Table.reading); the caller answers for its being the same.
    """

    format: str
    path: str = ""
    url: str = ""
    table: str = ""
    query: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    row_limit: int | None = None
    file_name: str = ""
    reading: Mapping[str, Any] | None = None

    def as_params(self) -> dict[str, Any]:
        """For JSON; of_params is the way back."""
        return asdict(self)

    @classmethod
    def of_params(cls, params: Mapping[str, Any]) -> Source:
        return cls(**params)

    def __repr__(self) -> str:
        """Without the URL, which may hold a password."""
        place = self.file_name or self.path or self.table or "a query"
        return f"Source({self.format}, {place})"
