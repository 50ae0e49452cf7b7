"""What a worker does for the trash. Imported in workers by name; MLflow only for object stores."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mlpi.db import open_engine
from mlpi.jobs.context import JobContext, JobFailed
from mlpi.tracking.trash.collector import Collected, Collector
from mlpi.tracking.trash.records import Choice


def purge(context: JobContext, params: dict[str, Any]) -> dict[str, Any]:
    """Remove a choice for good; what went."""

    def tell(done: Collected) -> None:
        context.progress(
            None,
            f"{done.runs:,} runs removed",
            runs=done.runs,
            points=done.points,
            experiments=len(done.experiments),
            models=done.models,
        )

    engine = open_engine(params["database"])
    try:
        collector = Collector(engine, params["artifacts"], context.workspace)
        return asdict(collector.run(Choice.of_params(params["choice"]), tell))
    except OSError as error:
        raise JobFailed(
            f"files of {error.filename or 'a run'} cannot be removed "
            f"({error.strerror or error}); nothing else was lost, and what was begun stays hidden"
        ) from None
    finally:
        engine.dispose()
