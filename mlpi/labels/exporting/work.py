"""What workers do for snapshots and their conversions. Imported in workers by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlpi.db import Database
from mlpi.errors import MlpiError
from mlpi.jobs.context import JobContext, JobFailed
from mlpi.labels.bringing.finding import finder
from mlpi.labels.config.reading import read_config
from mlpi.labels.exporting import reading, stored
from mlpi.labels.exporting.chosen import Chosen
from mlpi.labels.exporting.formats import format_named
from mlpi.labels.exporting.shape import Task, as_it_is
from mlpi.labels.exporting.spool import spools
from mlpi.labels.exporting.stored import Digest, Shelf
from mlpi.labels.exporting.writing import Writing, whole_json, written


def make(context: JobContext, params: dict[str, Any]) -> dict[str, Any]:
    """Write a snapshot, or take one that is there, and convert it where that is asked for.

    params: key; database; folders that tasks may name files of; snapshot with project, chosen,
    total, or None and sha256; config; convert with key, format, is_raw, or None. Returns what was
    written, by those two names.
    """
    shelf, result = Shelf(context.home), {}
    db = Database(params["database"])
    try:
        sha256 = params.get("sha256", "")
        if params["snapshot"] is not None:
            made, counters = _snapshot(context, db, shelf, params["key"], params["snapshot"])
            sha256 = made.sha256
            result["snapshot"] = {**asdict(made), "counters": counters}
        if params["convert"] is not None:
            path = shelf.verified(params["key"], sha256)
            how = params["convert"]
            writing = Writing(
                read_config(params["config"]),
                spools(shelf.folder),
                datetime.now(UTC),
                finder(db, context.home, context.workspace, list(map(Path, params["folders"]))),
                is_raw=how["is_raw"],
            )
            parts = written(format_named(how["format"]), writing, stored.batches(path))
            result["convert"] = asdict(shelf.write(how["key"], parts))
    except MlpiError as error:
        raise JobFailed(error.line()) from None
    finally:
        db.close()
    context.progress(1.0, "written")
    return result


def _snapshot(
    context: JobContext, db: Database, shelf: Shelf, key: str, params: dict[str, Any]
) -> tuple[Digest, dict[str, int]]:
    """All tasks as they are at one moment, as JSON."""
    counters = {"task_number": 0, "annotation_number": 0}

    def counted() -> Iterator[list[Task]]:
        chosen = Chosen.of(params["chosen"])
        for batch in reading.consistent(db, params["project"], chosen, as_it_is):
            counters["task_number"] += len(batch)
            counters["annotation_number"] += sum(len(one["annotations"]) for one in batch)
            yield batch
            done = counters["task_number"]
            context.progress(
                min(1.0, done / max(1, params["total"])) * 0.9, f"{done:,} tasks", tasks=done
            )

    return shelf.write(key, whole_json(counted())), counters
