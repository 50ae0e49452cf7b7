"""Statements that are run for every request of a busy path, on the driver's own cursor.

Session.execute takes 60 µs around the 4 that SQLite needs to find a row by its number, and twice
that when it makes objects of it (Python 3.11, one core of a Xeon; on a Pi five times as much). A
`Prepared` is compiled once for each kind of database and then costs little more than its driver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import Select
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.types import TypeEngine

Row = tuple[Any, ...]
_Convert = Callable[[Any], Any]


class Prepared:
    """One statement of the Core with bound names; values and rows have the columns' own types.

    It runs within the transaction of the connection that it is given and flushes no session. A
    list of values (an expanding IN) has no fixed text, and so no place in it.
    """

    def __init__(self, statement: Select[Any] | UpdateBase) -> None:
        self._statement = statement
        self._forms: dict[str, _Form] = {}

    def rows(self, connection: Connection, **values: Any) -> list[Row]:
        """All rows; none of a statement that returns none. Raises what SQLAlchemy would raise."""
        form = self._form(connection.dialect)
        given = form.values(values)
        driver: Any = connection.connection.driver_connection
        with _raising(form.text, connection.dialect):
            cursor = driver.execute(form.text, given)
            found = cursor.fetchall() if form.results else []
        return [form.row(one) for one in found] if form.is_converted else found

    def many(self, connection: Connection, rows: Iterable[Mapping[str, Any]], **same: Any) -> None:
        """Run it for each of some rows. same: what is alike in all of them, converted once."""
        form = self._form(connection.dialect)
        shared = form.converted(same)
        given = [form.ordered({**shared, **form.converted(row)}) for row in rows]
        driver: Any = connection.connection.driver_connection
        with _raising(form.text, connection.dialect):
            driver.cursor().executemany(form.text, given)

    def first(self, connection: Connection, **values: Any) -> Row | None:
        """The first row, None when there is none."""
        found = self.rows(connection, **values)
        return found[0] if found else None

    def _form(self, dialect: Dialect) -> _Form:
        form = self._forms.get(dialect.name)
        if form is None:
            form = self._forms[dialect.name] = _Form.of(self._statement, dialect)
        return form


@dataclass(frozen=True, slots=True)
class _Form:
    """A statement for one kind of database.

    names: in their order where places count, None where names do. fixed: what the statement itself
    binds. binds, results: conversions; None: as it is.
    """

    text: str
    names: tuple[str, ...] | None
    fixed: Mapping[str, Any]
    binds: Mapping[str, _Convert]
    results: tuple[_Convert | None, ...]
    is_converted: bool

    @classmethod
    def of(cls, statement: Select[Any] | UpdateBase, dialect: Dialect) -> _Form:
        compiled: Any = statement.compile(dialect=dialect)
        if any(one.expanding for one in compiled.binds.values()):
            raise ValueError("an expanding IN cannot be prepared")
        binds: dict[str, _Convert] = {}
        for name, one in compiled.binds.items():
            convert = _impl(one.type, dialect).bind_processor(dialect)
            if convert is not None:
                binds[name] = convert
        fixed = {
            name: binds[name](one.effective_value) if name in binds else one.effective_value
            for name, one in compiled.binds.items()
            if not one.required
        }
        columns = getattr(statement, "exported_columns", ())
        results = tuple(_impl(one.type, dialect).result_processor(dialect, None) for one in columns)
        names = None if compiled.positiontup is None else tuple(compiled.positiontup)
        is_converted = any(one is not None for one in results)
        return cls(str(compiled), names, fixed, binds, results, is_converted)

    def values(self, given: Mapping[str, Any]) -> Any:
        """What the driver wants."""
        return self.ordered(self.converted(given))

    def converted(self, given: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(given)
        for name in self.binds.keys() & found.keys():
            found[name] = self.binds[name](found[name])
        return found

    def ordered(self, converted: Mapping[str, Any]) -> Any:
        whole = {**self.fixed, **converted} if self.fixed else converted
        return whole if self.names is None else [whole[name] for name in self.names]

    def row(self, found: Row) -> Row:
        return tuple(
            one if convert is None else convert(one)
            for one, convert in zip(found, self.results, strict=True)
        )


@contextmanager
def _raising(text: str, dialect: Dialect) -> Iterator[None]:
    """The driver's errors as SQLAlchemy's."""
    dbapi = dialect.loaded_dbapi
    try:
        yield
    except dbapi.Error as error:
        raise DBAPIError.instance(
            text, None, error, dbapi.Error, hide_parameters=True, dialect=dialect
        ) from error


def _impl(kind: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    return kind.dialect_impl(dialect)
