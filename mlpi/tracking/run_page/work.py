"""What a worker does for the page of a run. Imported in workers by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlpi.jobs.context import JobContext

PAGE_ROWS = 100
MOST_COLUMNS = 200
CELL_CHARS = 300


def parquet_rows(context: JobContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Columns with their types, how many rows there are, and a hundred of them as text.

    params: file, an absolute path; start, the first row, from 0.
    """
    import duckdb  # noqa: PLC0415 - its worker has it, the service must not

    context.progress(0.1, "reading")
    file, start = str(params["file"]), max(0, int(params["start"]))
    # A path is a pattern to DuckDB.
    pattern = "".join(f"[{char}]" if char in "*?[" else char for char in file)
    with duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "400MB"}) as db:
        try:
            described = db.execute("DESCRIBE SELECT * FROM read_parquet(?)", [pattern]).fetchall()
            shown = [str(name) for name, *_ in described[:MOST_COLUMNS]]
            count = db.execute("SELECT count(*) FROM read_parquet(?)", [pattern]).fetchone()
            cells = ", ".join(
                f"left(CAST({_quoted(name)} AS VARCHAR), {CELL_CHARS + 1})" for name in shown
            )
            rows = db.execute(
                f"SELECT {cells} FROM read_parquet(?) LIMIT {PAGE_ROWS} OFFSET {start}",  # noqa: S608
                [pattern],
            ).fetchall()
        except duckdb.Error as error:
            reason = str(error).replace(file, "the file").splitlines()[0]
            return {"trouble": reason[:300]}
    return {
        "columns": shown,
        "types": [str(kind) for _, kind, *_ in described[:MOST_COLUMNS]],
        "hidden_columns": max(0, len(described) - MOST_COLUMNS),
        "row_count": int(count[0]) if count else 0,
        "rows": [[_cell(cell) for cell in row] for row in rows],
        "start": start,
    }


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _cell(value: str | None) -> str | None:
    if value is None or len(value) <= CELL_CHARS:
        return value
    return value[:CELL_CHARS] + "…"
