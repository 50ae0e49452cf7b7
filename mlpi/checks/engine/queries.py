"""An expectation in SQL: rows that a query finds are unexpected. Great Expectations has it for
databases only; here every source is one, in DuckDB's SQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from string import Formatter
from typing import Any

from mlpi.checks.engine.columns import as_json
from mlpi.checks.engine.literals import NotExact
from mlpi.checks.engine.outcomes import MOST_VALUES
from mlpi.checks.engine.plan import AggregateCheck, Arguments, Facts, Unjudgeable

BATCH = "mlpi_batch"


def unexpected_rows(arguments: Arguments) -> AggregateCheck:
    """Compiled for a connection that reaches nothing but its table: the query is anyone's."""
    import duckdb  # noqa: PLC0415 - only workers may load it

    arguments.only("unexpected_rows_query")
    compiler = arguments.compiler
    query = _query(arguments.get("unexpected_rows_query"))
    settings = "SELECT current_setting('enable_external_access')"
    is_open = compiler.connection.execute(settings).fetchone()
    if is_open is None or is_open[0]:
        raise NotExact
    try:
        parsed = compiler.connection.extract_statements(query)
    except duckdb.Error:
        raise NotExact from None
    if len(parsed) != 1 or parsed[0].type != duckdb.StatementType.SELECT:
        raise NotExact
    batch = f"WITH {BATCH} AS NOT MATERIALIZED (SELECT * FROM {compiler.relation})"  # noqa: S608

    def judge(_facts: Facts) -> tuple[bool, dict[str, Any]]:
        try:
            counted = compiler.connection.execute(
                f"{batch} SELECT count(*) FROM ({query}\n)"  # noqa: S608 - one SELECT, see above
            ).fetchone()
            assert counted is not None
            result: dict[str, Any] = {"observed_value": counted[0]}
            if compiler.wanted.level == "COMPLETE":
                found = compiler.connection.execute(
                    f"{batch} SELECT * FROM ({query}\n) LIMIT {MOST_VALUES}"  # noqa: S608
                )
                names = [one[0] for one in found.description or ()]
                rows = [dict(zip(names, map(_plain, row), strict=True)) for row in found.fetchall()]
                result["details"] = {"unexpected_rows": rows}
        except duckdb.Error as error:
            raise Unjudgeable(str(error).strip().split("\n")[0]) from None
        return counted[0] == 0, result

    return AggregateCheck((), (), judge)


def _query(given: Any) -> str:
    """With the batch's name put in. Braces of its own are doubled, as in Python's format()."""
    if not isinstance(given, str):
        raise NotExact
    try:
        fields = [one[1:] for one in Formatter().parse(given) if one[1] is not None]
        if fields and set(fields) != {("batch", "", None)}:
            raise NotExact
        return given.rstrip("; \t\r\n\v\f").format(batch=BATCH)
    except (ValueError, LookupError) as error:
        raise NotExact from error


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | float | str | datetime):
        return as_json(value)
    return str(value)


COMPILED: dict[str, Callable[[Arguments], AggregateCheck]] = {
    "unexpected_rows_expectation": unexpected_rows,
}
