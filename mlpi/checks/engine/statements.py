"""The SQL of checks: aggregates by which they are counted, and statements of their own."""

from __future__ import annotations

from collections.abc import Sequence

from mlpi.checks.engine.columns import Seen
from mlpi.checks.engine.literals import any_of
from mlpi.checks.engine.plan import TABLE, Check, RowCheck, Settled, both, how_many


def needs(check: Check) -> list[str]:
    """The aggregates of a check that one scan of the table can answer."""
    asked = list(check.needs)
    if check.ranks:
        asked.append(check.ranks.count)
    if isinstance(check, RowCheck):
        asked += [how_many(check.where), how_many(check.considered)]
        if check.doubts:
            asked.append(doubt_count(check, check.doubts))
        if check.repeated:
            asked.append(distinct_count(check))
        elif isinstance(check.bad, str) and not check.ordered:
            asked.append(bad_count(check, check.bad))
    return asked


def settled_needs(check: RowCheck, settled: Settled) -> list[str]:
    asked = [bad_count(check, settled.bad)]
    if settled.doubts:
        asked.append(doubt_count(check, settled.doubts))
    return asked


def bad_count(check: RowCheck, bad: str) -> str:
    return how_many(both(check.considered, bad))


def doubt_count(check: RowCheck, doubts: Sequence[str]) -> str:
    return how_many(both(check.considered, any_of(doubts)))


def distinct_count(check: RowCheck) -> str:
    keys = ", ".join(column.alias for column in check.repeated)
    key = keys if len(check.repeated) == 1 else f"({keys})"
    return f"count(DISTINCT {key}) FILTER (WHERE {check.considered})"


def first_rows(check: RowCheck, bad: str, most: int) -> str:
    """An aggregate over numbered rows: the first that fail, each a struct with its number first."""
    fields = ", ".join(f"{column} := {column}" for column in check.columns)
    return (
        f"arg_min(struct_pack(n := n, {fields}), n, {most}) "
        f"FILTER (WHERE {both(check.considered, bad)})"
    )


def all_numbers(check: RowCheck, bad: str) -> str:
    return f"list(n) FILTER (WHERE {both(check.considered, bad)})"


def repeated(check: RowCheck, select: str) -> str:
    """Values that occur more than once."""
    keys = ", ".join(column.alias for column in check.repeated)
    return (
        f"SELECT {select} FROM {TABLE} WHERE {check.considered} "  # noqa: S608 - quoted
        f"GROUP BY {keys} HAVING count(*) > 1"
    )


def repeated_rows(check: RowCheck) -> str:
    """Rows, numbered, of values that occur more than once."""
    keys = [column.alias for column in check.repeated]
    same = both(*(f"t.{key} IS NOT DISTINCT FROM d.{key}" for key in keys))
    shown = ", ".join(f"t.{column}" for column in check.columns)
    return (
        f"SELECT t.n, {shown} FROM (SELECT * FROM {TABLE} WHERE {check.considered}) t "  # noqa: S608
        f"SEMI JOIN ({repeated(check, ', '.join(keys))}) d ON {same}"
    )


def with_before(check: RowCheck) -> str:
    """The considered rows, each with the value of the one before."""
    return (
        f"SELECT *, lag({check.ordered}) OVER () AS before "  # noqa: S608 - quoted
        f"FROM {TABLE} WHERE {check.considered}"
    )


def ranked(column: Seen, where: str, places: Sequence[int]) -> str:
    """Places and values, by a sort that may spill to disk."""
    return (
        f"SELECT place, v FROM (SELECT {column} AS v, "  # noqa: S608 - quoted
        f"row_number() OVER (ORDER BY {column}) - 1 AS place "
        f"FROM {TABLE} WHERE {where}) WHERE place IN ({', '.join(map(str, places))})"
    )


def named(relation: str) -> str:
    """Not materialised: a second reading costs less than a copy in memory."""
    return f"WITH {TABLE} AS NOT MATERIALIZED {relation}"
