"""What a compiled expectation asks of DuckDB, and how the answers are judged.

An expectation is compiled before anything is read. Where the data itself then raises a doubt (a
mean that lies on a bound but for rounding, a text that is not ASCII under a pattern with a word
boundary), the check raises NotExact after all, and Great Expectations judges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from mlpi.checks.engine import conditions
from mlpi.checks.engine.columns import Seen
from mlpi.checks.engine.literals import NotExact
from mlpi.checks.engine.outcomes import Format

if TYPE_CHECKING:
    import duckdb


TABLE = "mlpi_seen"  # the table's name in our statements


class Unjudgeable(Exception):
    """What an expectation asks can not be answered; the message says why."""


class Facts(Protocol):
    """What the scans have found. Expressions are over columns' aliases."""

    def __getitem__(self, aggregate: str) -> Any:
        """The value of an aggregate that a check said it needs."""

    def ranked(self) -> Sequence[Any]:
        """Values at the ranks that the check asked for, in the order it asked."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a statement of the check's own, over the columns it reads, named TABLE."""


class Shape(Enum):
    """How Great Expectations writes a row's values: plain, as a pair, or by column name."""

    SINGLE = "single"
    PAIR = "pair"
    MANY = "many"


@dataclass(frozen=True, slots=True)
class Ranks:
    """Values of a column by their place in its order, from 0.

    at: the places, given the count. reads: the columns of where, and the column.
    """

    column: Seen
    where: str
    at: Callable[[int], list[int]]
    reads: tuple[Seen, ...]

    @property
    def count(self) -> str:
        return how_many(self.where)


@dataclass(frozen=True, slots=True)
class AggregateCheck:
    """Judged by figures of the whole column or table. judge may raise NotExact."""

    reads: tuple[Seen, ...]
    needs: tuple[str, ...]
    judge: Callable[[Facts], tuple[bool, dict[str, Any]]]
    ranks: Ranks | None = None


@dataclass(frozen=True, slots=True)
class RowCheck:
    """Judged row by row.

    where: rows that count as elements. considered: those of them that can fail. bad: rows among
    these that fail, true or false; or a function that tells it from figures (needs, ranks) of an
    earlier pass, and may raise NotExact. doubts: conditions that no considered row may meet.
    repeated: columns whose values together make a row bad where they occur again. ordered: the
    column whose value before, by the name of before, is part of bad.
    """

    columns: tuple[Seen, ...]
    reads: tuple[Seen, ...]
    shape: Shape
    where: str
    considered: str
    mostly: float
    bad: str | Callable[[Facts], Settled] = "FALSE"
    doubts: tuple[str, ...] = ()
    counts_present: bool = True
    repeated: tuple[Seen, ...] = ()
    ordered: Seen | None = None
    needs: tuple[str, ...] = ()
    ranks: Ranks | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """A condition that an earlier pass has settled."""

    bad: str
    doubts: tuple[str, ...] = ()


Check = AggregateCheck | RowCheck


@dataclass(frozen=True, slots=True)
class Compiler:
    """What compiling needs to know."""

    columns: Mapping[str, Seen]
    connection: duckdb.DuckDBPyConnection
    relation: str
    wanted: Format


@dataclass(frozen=True, slots=True)
class Arguments:
    """An expectation's arguments, taken one by one; what is odd about them is NotExact."""

    kwargs: Mapping[str, Any]
    compiler: Compiler
    reads: list[Seen] = field(default_factory=list)

    def only(self, *names: str) -> None:
        """No argument but these, with which a column's expectation is fully described."""
        if set(self.kwargs) - set(names):
            raise NotExact

    def get(self, name: str, default: Any = None) -> Any:
        return self.kwargs.get(name, default)

    def column(self, name: str = "column") -> Seen:
        return self._column(self.kwargs.get(name))

    def column_list(self) -> tuple[Seen, ...]:
        names = self.kwargs.get("column_list")
        if not isinstance(names, list) or len(names) < 2:
            raise NotExact
        columns = tuple(map(self._column, names))
        if len(set(columns)) < len(columns):
            raise NotExact
        return columns

    def _column(self, name: Any) -> Seen:
        if not isinstance(name, str) or name not in self.compiler.columns:
            raise NotExact
        self.reads.append(self.compiler.columns[name])
        return self.reads[-1]

    def where(self) -> str:
        sql, used = conditions.compiled(self.kwargs, self.compiler.columns)
        self.reads.extend(used)
        return sql

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.kwargs.get(name, default)
        if not isinstance(value, bool):
            raise NotExact
        return value

    def mostly(self) -> float:
        value = self.kwargs.get("mostly", 1)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise NotExact
        return float(value)


def how_many(where: str) -> str:
    return "count(*)" if where == "TRUE" else f"count(*) FILTER (WHERE {where})"


def both(*conditions_: str) -> str:
    """All of some conditions."""
    return " AND ".join(f"({one})" for one in conditions_ if one != "TRUE") or "TRUE"
