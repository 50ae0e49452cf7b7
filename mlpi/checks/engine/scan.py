"""Runs compiled checks on DuckDB in as few passes as they allow.

    1  all aggregates of all checks, in one statement
    2  what those figures lead to, in one statement: values by rank, the first rows that failed,
       the order of columns without gaps
    3  conditions that figures of the first passes have settled, in one statement
    4  statements of a check's own: values seen twice, order across missing values, ranks of
       columns too long to be held in memory

A pass that nothing asks for is not made. Memory is the connection's to limit: sorts and groups go
to its temporary directory, and what comes back here is figures and a bounded number of rows, but
for the positions of all failed rows that the result format COMPLETE asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mlpi.checks.engine import statements
from mlpi.checks.engine.columns import Seen, as_json, as_pandas, selected
from mlpi.checks.engine.literals import NotExact
from mlpi.checks.engine.outcomes import PARTIAL, Format, RowCounts, Unexpected
from mlpi.checks.engine.plan import TABLE, Check, Ranks, RowCheck, Settled, Shape, how_many
from mlpi.checks.engine.table import Table

ROWS = 20  # that a failed expectation shows
# Values by rank: up to here all are held in memory, 8 bytes each; beyond, they are sorted on disk.
HELD = 2_000_000


@dataclass(frozen=True, slots=True)
class FailedRows:
    """Rows that a check let fall, from the first; number counts data rows from 1."""

    numbers: Sequence[int]
    values: Sequence[tuple[Any, ...]]


class Scan:
    """One table's figures, gathered step by step."""

    def __init__(self, table: Table, wanted: Format) -> None:
        self._table = table
        self._wanted = wanted
        self._aggregates: dict[str, Any] = {}
        self._ranks: dict[tuple[Seen, str], dict[int, Any]] = {}
        self._bad: dict[int, str] = {}
        self._unexpected: dict[int, int] = {}
        self._failed: dict[int, FailedRows] = {}

    def gather(self, checks: Iterable[Check]) -> None:
        """Passes 1 and 2. Afterwards each check can be settled by itself."""
        checks = list(checks)
        self._gather(
            [need for check in checks for need in statements.needs(check)],
            [column for check in checks for column in check.reads],
        )
        second = _Second(self._table, self._most, wants_all=self._wants_all)
        self._ask_for_ranks([check.ranks for check in checks if check.ranks], second)
        for check in checks:
            if isinstance(check, RowCheck) and isinstance(check.bad, str):
                self._ask_for_rows(check, check.bad, second)
        second.run()

    def _ask_for_ranks(self, all_ranks: Sequence[Ranks], second: _Second) -> None:
        places: dict[tuple[Seen, str], set[int]] = {}
        asked = {(ranks.column, ranks.where): ranks for ranks in all_ranks}
        for ranks in all_ranks:
            key = (ranks.column, ranks.where)
            places.setdefault(key, set()).update(ranks.at(self.aggregate(ranks.count)))
        for key, some in places.items():
            ranks, ordered = asked[key], sorted(some)
            count = self.aggregate(ranks.count)
            if some and count <= HELD:
                second.ask_for_ranks(ranks, ordered, count, self._ranks.setdefault(key, {}))
            elif some:
                sql = statements.ranked(*key, ordered)
                self._ranks[key] = dict(self.rows(ranks.reads, sql))

    def _ask_for_rows(self, check: RowCheck, bad: str, second: _Second) -> None:
        if check.repeated or self._is_doubtful(check, check.doubts):
            return
        if check.ordered:
            if check.where == "TRUE" and self.aggregate(how_many(check.considered)) == (
                self.aggregate(how_many("TRUE"))
            ):
                second.ask_for_order(check, bad, self._unexpected, self._failed)
        elif self.aggregate(statements.bad_count(check, bad)):
            second.ask_for_rows(check, bad, self._failed)

    def facts(self, check: Check) -> CheckFacts:
        return CheckFacts(self, check)

    def aggregate(self, sql: str) -> Any:
        return self._aggregates[sql]

    def ranked(self, ranks: Ranks) -> list[Any]:
        found = self._ranks.get((ranks.column, ranks.where), {})
        return [found[place] for place in ranks.at(self.aggregate(ranks.count))]

    def rows(
        self, columns: Sequence[Seen], sql: str, *, numbered: bool = False
    ) -> list[tuple[Any, ...]]:
        """Rows of a statement over the columns given, under the name of TABLE."""
        relation = selected(columns, self._table.relation, numbered=numbered)
        return self._table.connection.execute(f"{statements.named(relation)} {sql}").fetchall()

    def _gather(self, needs: Sequence[str], reads: Sequence[Seen]) -> None:
        asked = [need for need in dict.fromkeys(needs) if need not in self._aggregates]
        if asked:
            relation = selected(reads, self._table.relation)
            statement = f"SELECT {', '.join(asked)} FROM {relation}"  # noqa: S608 - quoted
            row = self._table.connection.execute(statement).fetchone()
            assert row is not None
            self._aggregates.update(zip(asked, row, strict=True))

    def settle(self, checks: Iterable[RowCheck]) -> dict[int, RowCounts | NotExact]:
        """What each check of every row found, by its id(). Pass 3, and some of 4."""
        found: dict[int, RowCounts | NotExact] = {}
        late: list[tuple[RowCheck, Settled]] = []
        for check in checks:
            try:
                self._refuse(check, check.doubts)
                if callable(check.bad):
                    late.append((check, check.bad(self.facts(check))))
                else:
                    self._bad[id(check)] = check.bad
                    if id(check) not in self._unexpected:
                        self._unexpected[id(check)] = self._count(check, check.bad)
                found[id(check)] = self._counts(check)
            except NotExact as doubt:
                found[id(check)] = doubt
        found.update(self._settle_late(late))
        return found

    def _settle_late(
        self, late: Sequence[tuple[RowCheck, Settled]]
    ) -> dict[int, RowCounts | NotExact]:
        self._gather(
            [need for check, settled in late for need in statements.settled_needs(check, settled)],
            [column for check, _ in late for column in check.reads],
        )
        second = _Second(self._table, self._most, wants_all=self._wants_all)
        found: dict[int, RowCounts | NotExact] = {}
        for check, settled in late:
            try:
                self._refuse(check, settled.doubts)
            except NotExact as doubt:
                found[id(check)] = doubt
                continue
            count = self.aggregate(statements.bad_count(check, settled.bad))
            self._unexpected[id(check)] = count
            found[id(check)] = self._counts(check)
            if count:
                second.ask_for_rows(check, settled.bad, self._failed)
        second.run()
        return found

    def _is_doubtful(self, check: RowCheck, doubts: Sequence[str]) -> bool:
        return bool(doubts) and self.aggregate(statements.doubt_count(check, doubts)) > 0

    def _refuse(self, check: RowCheck, doubts: Sequence[str]) -> None:
        if self._is_doubtful(check, doubts):
            raise NotExact

    def _counts(self, check: RowCheck) -> RowCounts:
        return RowCounts(
            self.aggregate(how_many(check.where)),
            self.aggregate(how_many(check.considered)) if check.counts_present else None,
            self._unexpected.get(id(check), 0),
        )

    def _count(self, check: RowCheck, bad: str) -> int:
        if check.repeated:
            present = self.aggregate(how_many(check.considered))
            if self.aggregate(statements.distinct_count(check)) == present:
                return 0
            twice = statements.repeated(check, "count(*) AS many")
            sql = f"SELECT coalesce(sum(many), 0) FROM ({twice})"  # noqa: S608 - quoted
            return int(self.rows(check.reads, sql)[0][0])
        if check.ordered:
            rows = statements.with_before(check)
            sql = f"SELECT count(*) FILTER (WHERE {bad}) FROM ({rows})"  # noqa: S608 - quoted
            return int(self.rows(check.reads, sql)[0][0])
        return int(self.aggregate(statements.bad_count(check, bad)))

    def failed_rows(self, checks: Sequence[RowCheck]) -> dict[int, FailedRows]:
        """The first rows of each check that let some fall, by its id(). The rest of pass 4."""
        for check in checks:
            if self._unexpected.get(id(check)) and id(check) not in self._failed:
                self._failed[id(check)] = self._own_rows(check)
        return self._failed

    def _own_rows(self, check: RowCheck) -> FailedRows:
        if check.ordered:
            names = ", ".join(column.alias for column in check.columns)
            rows = statements.with_before(check)
            sql = f"SELECT n, {names} FROM ({rows}) WHERE {check.bad}"  # noqa: S608 - quoted
        else:
            sql = statements.repeated_rows(check)
        limit = "" if self._wants_all else f" LIMIT {self._most}"
        found = self.rows(check.reads, f"{sql} ORDER BY 1{limit}", numbered=True)
        return FailedRows([row[0] for row in found], [row[1:] for row in found[: self._most]])

    @property
    def _most(self) -> int:
        return max(ROWS, PARTIAL, self._wanted.values)

    @property
    def _wants_all(self) -> bool:
        return self._wanted.level == "COMPLETE"

    def values_of(
        self, numbers: Sequence[int], columns: Sequence[Seen]
    ) -> dict[int, tuple[Any, ...]]:
        """Values of rows by their number."""
        if not numbers or not columns:
            return dict.fromkeys(numbers, ())
        chosen = ", ".join(map(str, sorted(set(numbers))))
        names = ", ".join(column.alias for column in columns)
        sql = f"SELECT n, {names} FROM {TABLE} WHERE n IN ({chosen})"  # noqa: S608
        return {row[0]: row[1:] for row in self.rows(columns, sql, numbered=True)}


class _Second:
    """One statement that collects what several checks ask for after the first."""

    def __init__(self, table: Table, most: int, *, wants_all: bool) -> None:
        self._table = table
        self._most = most
        self._wants_all = wants_all
        self._parts: list[str] = []
        self._takers: list[Callable[[Any], None]] = []
        self._reads: list[Seen] = []
        self._before: dict[Seen, str] = {}
        self._is_numbered = False

    def _ask(self, part: str, take: Callable[[Any], None]) -> None:
        self._parts.append(part)
        self._takers.append(take)

    def ask_for_ranks(
        self, ranks: Ranks, places: Sequence[int], count: int, found: dict[int, Any]
    ) -> None:
        self._reads += ranks.reads
        # The middle of a place's share of the whole, so that no rounding leads to its neighbour.
        shares = ", ".join(f"{(place + 0.5) / count!r}::DOUBLE" for place in places)
        where = f"FILTER (WHERE {ranks.where})"
        self._ask(
            f"quantile_disc({ranks.column}, [{shares}]) {where}",
            lambda values: found.update(zip(places, values, strict=True)),
        )

    def ask_for_rows(self, check: RowCheck, bad: str, found: dict[int, FailedRows]) -> None:
        self._reads += check.reads
        self._is_numbered = True
        first: list[dict[str, Any]] = []
        self._ask(
            statements.first_rows(check, bad, self._most), lambda rows: first.extend(rows or ())
        )

        def take(numbers: list[int] | None) -> None:
            rows = sorted((tuple(one.values()) for one in first), key=lambda row: int(row[0]))
            every = sorted(numbers) if numbers else [row[0] for row in rows]
            found[id(check)] = FailedRows(every, [row[1:] for row in rows])

        self._ask(statements.all_numbers(check, bad) if self._wants_all else "NULL", take)

    def ask_for_order(
        self,
        check: RowCheck,
        bad: str,
        counts: dict[int, int],
        found: dict[int, FailedRows],
    ) -> None:
        """Of a column in which nothing is missing: the row before is the value before."""
        assert check.ordered
        name = self._before.setdefault(check.ordered, f"before_{check.ordered}")
        own = bad.replace("before", name)
        self._ask(how_many(own), lambda count: counts.update({id(check): count}))
        self.ask_for_rows(check, own, found)

    def run(self) -> None:
        if not self._parts:
            return
        relation = selected(self._reads, self._table.relation, numbered=self._is_numbered)
        before = "".join(f", lag({one}) OVER () AS {name}" for one, name in self._before.items())
        if before:
            relation = f"(SELECT *{before} FROM {relation})"  # noqa: S608 - quoted
        statement = f"SELECT {', '.join(self._parts)} FROM {relation}"  # noqa: S608 - quoted
        row = self._table.connection.execute(statement).fetchone()
        assert row is not None
        for take, value in zip(self._takers, row, strict=True):
            take(value)


@dataclass(frozen=True, slots=True)
class CheckFacts:
    """What one check may ask."""

    scan: Scan
    check: Check

    def __getitem__(self, aggregate: str) -> Any:
        return self.scan.aggregate(aggregate)

    def ranked(self) -> list[Any]:
        assert self.check.ranks
        return self.scan.ranked(self.check.ranks)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.scan.rows(self.check.reads, sql)


def unexpected(check: RowCheck, rows: FailedRows | None) -> Unexpected:
    """Failed rows in the shape that Great Expectations lists them in."""
    if rows is None:
        return Unexpected([], [])
    return Unexpected(
        [_shaped(check, row) for row in rows.values], [number - 1 for number in rows.numbers]
    )


def _shaped(check: RowCheck, row: tuple[Any, ...]) -> Any:
    pairs = list(zip(check.columns, row, strict=True))
    if check.shape is Shape.SINGLE:
        return as_pandas(row[0], pairs[0][0].kind)
    if check.shape is Shape.PAIR:
        return tuple(as_pandas(value, column.kind, fresh=True) for column, value in pairs)
    return {column.name: as_pandas(value, column.kind) for column, value in pairs}


def shown(columns: Sequence[Seen], numbers: Sequence[int], values: Sequence[Any]) -> list[Any]:
    """Rows for people: their number and their values by column name."""
    return [
        {
            "row": number,
            "values": {c.name: as_json(v) for c, v in zip(columns, row, strict=True)},
        }
        for number, row in list(zip(numbers, values, strict=False))[:ROWS]
    ]
