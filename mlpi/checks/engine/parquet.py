"""Parquet, and files that say of themselves what is not so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlpi.checks.engine.delimited import Scan
from mlpi.checks.engine.table import literal, quoted
from mlpi.checks.engine.unreadable import SourceUnreadable

if TYPE_CHECKING:
    import duckdb

    from mlpi.checks.source import Source

_MAGIC = b"PAR1"
_AGAIN = "Write it again from where it came."
# Their statistics, when present, are exact, unlike those of text, which may be cut.
_EXACT = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "DATE")


def read(connection: duckdb.DuckDBPyConnection, source: Source, scratch: Path) -> Scan:
    """A scan of the file where it lies, once all its pages were read and agree with its footer."""
    import duckdb  # noqa: PLC0415

    del scratch
    path = Path(source.path)
    _look(path)
    call = f"read_parquet({literal(str(path))})"
    try:
        answer = connection.execute(f"DESCRIBE SELECT * FROM {call}")  # noqa: S608
        columns = tuple((row[0], row[1]) for row in answer.fetchall())
        _compare(connection, path, call, columns)
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        why = str(error).strip().splitlines()[0].replace(str(path), path.name)
        raise SourceUnreadable(f"{path.name} is damaged ({why}). {_AGAIN}") from None
    limit = "" if source.row_limit is None else f" LIMIT {int(source.row_limit)}"
    return Scan(f"(SELECT * FROM {call}{limit})", columns)  # noqa: S608


def _look(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(0, path.stat().st_size - 4))
        tail = file.read(4)
    if head != _MAGIC:
        raise SourceUnreadable(f"{path.name} is not a Parquet file: it does not begin with PAR1.")
    if tail != _MAGIC:
        raise SourceUnreadable(
            f"{path.name} is cut short: a Parquet file ends with PAR1. Copy it again, whole."
        )


def _compare(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    call: str,
    columns: tuple[tuple[str, str], ...],
) -> None:
    """Read every value, and hold the counts and bounds in the footer against them.

    DuckDB leaves out row groups by the footer's bounds, so wrong ones would give wrong answers.
    """
    exact = [(name, kind) for name, kind in columns if kind in _EXACT]
    sums = ["count(*)", *(f"bit_xor(hash({quoted(name)}))" for name, _ in columns)]
    for name, _ in exact:
        sums += [f"min({quoted(name)})", f"max({quoted(name)})", f"count({quoted(name)})"]
    connection.execute("SET disabled_optimizers = 'statistics_propagation'")
    real = connection.execute(f"SELECT {', '.join(sums)} FROM {call}").fetchone()  # noqa: S608
    connection.execute("RESET disabled_optimizers")
    assert real is not None
    row = connection.execute(
        f"SELECT num_rows FROM parquet_file_metadata({literal(str(path))})"  # noqa: S608
    ).fetchone()
    assert row is not None
    if row[0] != real[0]:
        raise SourceUnreadable(
            f"{path.name} says that it has {row[0]:,} rows, and has {real[0]:,}. {_AGAIN}"
        )
    bounds = iter(real[1 + len(columns) :])
    for name, kind in exact:
        least, most, filled = next(bounds), next(bounds), next(bounds)
        said = connection.execute(
            f"SELECT min(TRY_CAST(stats_min_value AS {kind})),"  # noqa: S608
            f" max(TRY_CAST(stats_max_value AS {kind})), sum(stats_null_count),"
            " count(*) = count(stats_null_count), count(*) = count(stats_min_value)"
            f" FROM parquet_metadata({literal(str(path))}) WHERE path_in_schema = {literal(name)}"
        ).fetchone()
        assert said is not None
        low, high, nulls, has_nulls, is_bounded = said
        if filled and is_bounded and (low != least or high != most):
            raise SourceUnreadable(
                f"{path.name} says that column {name!r} lies from {low} to {high}, and it lies "
                f"from {least} to {most}: its statistics are wrong. {_AGAIN}"
            )
        if has_nulls and nulls != real[0] - filled:
            raise SourceUnreadable(
                f"{path.name} says that column {name!r} misses {int(nulls):,} values, and it "
                f"misses {real[0] - filled:,}: its statistics are wrong. {_AGAIN}"
            )
