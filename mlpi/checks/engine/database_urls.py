"""What to read from a database, and where it is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from mlpi.checks.engine.unreadable import SourceUnreadable

KINDS = {
    "sqlite": "sqlite",
    "duckdb": "duckdb",
    "postgresql": "postgresql",
    "postgres": "postgresql",
}
_RIGHT = "sqlite:///path, duckdb:///path or postgresql://user:password@host:port/database"


@dataclass(frozen=True, slots=True)
class Address:
    """A database's URL, taken apart. Its password shows in no repr."""

    kind: str
    host: str = ""
    port: int | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    path: str = ""
    options: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, url: str) -> Address:
        """Raises SourceUnreadable without a word of the URL: any part of it may be the password."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise SourceUnreadable(
                f"the database's URL is not well formed; right is {_RIGHT}."
            ) from None
        kind = KINDS.get(parts.scheme.split("+", 1)[0])
        if kind is None:
            raise SourceUnreadable(f"the database's URL is of no known kind; right is {_RIGHT}.")
        return cls(
            kind,
            host=parts.hostname or "",
            port=port,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            path=unquote(parts.path),
            options={key: values[-1] for key, values in parse_qs(parts.query).items()},
        )

    def file(self) -> Path:
        """Of a database in a file: sqlite:////absolute, sqlite:///relative."""
        path = Path(self.path.removeprefix("/"))
        if self.host or not self.path.strip("/"):
            raise SourceUnreadable(
                f"the database's URL names no file; right is {self.kind}:///path."
            )
        if not path.is_file():
            why = "is a folder, not a file" if path.is_dir() else "does not exist"
            raise SourceUnreadable(f"the database file {path.name} {why}.")
        return path


@dataclass(frozen=True, slots=True)
class Wanted:
    """A table by the parts of its name, or a query without the semicolon at its end."""

    table: tuple[str, ...]
    query: str
    row_limit: int | None

    @classmethod
    def of(cls, table: str, query: str, row_limit: int | None) -> Wanted:
        if bool(table.strip()) == bool(query.strip()):
            raise SourceUnreadable("a database needs either a table or a query.")
        parts = tuple(
            quoted.replace('""', '"') if quoted else plain
            for quoted, plain in re.findall(r'"((?:[^"]|"")+)"|([^".]+)', table.strip())
        )
        if len(parts) > 2:
            raise SourceUnreadable(
                f"the table {table!r} has more parts than schema and name; quote a name with a "
                'dot in it: "a.b".'
            )
        return cls(parts, query.strip().rstrip(";").strip(), row_limit)

    @property
    def sql(self) -> str:
        """The SELECT that gives the rows."""
        limit = "" if self.row_limit is None else f" LIMIT {int(self.row_limit)}"
        if self.table:
            name = ".".join('"' + part.replace('"', '""') + '"' for part in self.table)
            return f"SELECT * FROM {name}{limit}"  # noqa: S608
        # The line break ends a comment at the query's end.
        return f"SELECT * FROM ({self.query}\n) AS rows_of_query{limit}" if limit else self.query  # noqa: S608

    @property
    def name(self) -> str:
        return ".".join(self.table) or "the query"
