"""Reading MLflow's database for our pages: SQL for exactly what a page shows, read-only.

It works while MLflow is still being imported. Every query is bound to one workspace.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Row, case, exists, func, inspect, select, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError

from mlpi.db import open_engine
from mlpi.errors import NotFound
from mlpi.tracking.models import (
    experiment_tags,
    experiments,
    latest_metrics,
    metrics,
    params,
    registered_model_tags,
    registered_models,
    runs,
    tags,
    traces,
)
from mlpi.tracking.records import Counts, Experiment, Run

# What MLflow stores for an infinity, which JSON cannot carry.
_INFINITY = sys.float_info.max
# MLflow keeps prompts among the registered models and marks them with a tag.
IS_MODEL = ~exists().where(
    registered_model_tags.c.workspace == registered_models.c.workspace,
    registered_model_tags.c.name == registered_models.c.name,
    registered_model_tags.c.key == "mlflow.prompt.is_prompt",
)
# What people tag, as opposed to what MLflow, its UI and mlpi (demo, imports) keep in tags.
_IS_OWN_TAG = ~(
    experiment_tags.c.key.startswith("mlflow.") | experiment_tags.c.key.startswith("mlpi.")
)


class TrackingStore:
    """Queries on MLflow's own tables."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url)
        database = self._engine.url.database or ""
        self._file = Path(database) if self._engine.dialect.name == "sqlite" else None

    @property
    def engine(self) -> Engine:
        """For the queries that have their own rooms."""
        return self._engine

    def close(self) -> None:
        self._engine.dispose()

    def is_prepared(self) -> bool:
        """Whether MLflow has made its tables, workspaces included."""
        if self._file is not None and not self._file.exists():
            return False  # looking would create an empty one
        try:
            with self._engine.connect() as db:
                schema = inspect(db)
                if not schema.has_table("experiments"):
                    return False
                columns = schema.get_columns("experiments")
        except DatabaseError:
            return False  # damaged, or no space: the warm-up comes upon it too and says so
        return any(column["name"] == "workspace" for column in columns)

    def counts(self, workspace: str) -> Counts:
        """How much there is in a workspace, deleted things left out."""
        with self._engine.connect() as db:
            mine = _active_experiments(workspace)
            run_rows = (
                select(func.count(), func.count(case((runs.c.status == "RUNNING", 1))))
                .select_from(runs)
                .where(
                    runs.c.lifecycle_stage == "active",
                    runs.c.experiment_id.in_(mine.with_only_columns(experiments.c.experiment_id)),
                )
            )
            run_count, running = db.execute(run_rows).one()
            return Counts(
                experiments=db.scalar(select(func.count()).select_from(mine.subquery())) or 0,
                runs=run_count,
                running=running,
                models=db.scalar(
                    select(func.count())
                    .select_from(registered_models)
                    .where(registered_models.c.workspace == workspace, IS_MODEL)
                )
                or 0,
            )

    def experiments(
        self, workspace: str, search: str = "", *, is_deleted: bool = False
    ) -> list[Experiment]:
        """Experiments, last active first, with their run counts and own tags.

        search: a part of the name, or of a tag's key or value.
        """
        stage = "deleted" if is_deleted else "active"
        query = (
            select(
                experiments.c.experiment_id,
                experiments.c.name,
                func.count(runs.c.run_uuid),
                func.count(case((runs.c.status == "RUNNING", 1))),
                func.coalesce(func.max(runs.c.start_time), experiments.c.last_update_time),
            )
            .select_from(
                experiments.outerjoin(
                    runs,
                    (runs.c.experiment_id == experiments.c.experiment_id)
                    & (runs.c.lifecycle_stage == stage),
                )
            )
            .where(experiments.c.workspace == workspace, experiments.c.lifecycle_stage == stage)
            .group_by(
                experiments.c.experiment_id, experiments.c.name, experiments.c.last_update_time
            )
            .order_by(text("5 DESC"), experiments.c.experiment_id.desc())
        )
        if search:
            tagged = exists().where(
                experiment_tags.c.experiment_id == experiments.c.experiment_id,
                _IS_OWN_TAG,
                experiment_tags.c.key.icontains(search, autoescape=True)
                | experiment_tags.c.value.icontains(search, autoescape=True),
            )
            query = query.where(experiments.c.name.icontains(search, autoescape=True) | tagged)
        with self._engine.connect() as db:
            found = {
                id_: Experiment(str(id_), name, count, running, _at(last), is_deleted)
                for id_, name, count, running, last in db.execute(query)
            }
            mine = select(experiments.c.experiment_id).where(experiments.c.workspace == workspace)
            tag_rows = (
                select(experiment_tags)
                .where(experiment_tags.c.experiment_id.in_(mine), _IS_OWN_TAG)
                .order_by(experiment_tags.c.key)
            )
            for row in db.execute(tag_rows):
                if row.experiment_id in found:
                    found[row.experiment_id].tags[row.key] = row.value or ""
        return list(found.values())

    def experiment(self, workspace: str, experiment_id: str) -> Experiment:
        """One experiment with its own tags, deleted ones too. Raises NotFound."""
        if not experiment_id.isdecimal() or len(experiment_id) > 18:
            raise NotFound
        number = int(experiment_id)
        query = select(
            experiments.c.experiment_id, experiments.c.name, experiments.c.lifecycle_stage
        ).where(experiments.c.experiment_id == number, experiments.c.workspace == workspace)
        tag_rows = select(experiment_tags.c.key, experiment_tags.c.value).where(
            experiment_tags.c.experiment_id == number, _IS_OWN_TAG
        )
        with self._engine.connect() as db:
            row = db.execute(query).one_or_none()
            if row is None:
                raise NotFound("There is no such experiment in this workspace.")
            return Experiment(
                str(row.experiment_id),
                row.name,
                is_deleted=row.lifecycle_stage == "deleted",
                tags=dict(sorted((key, value or "") for key, value in db.execute(tag_rows))),
            )

    def recent_runs(self, workspace: str, limit: int) -> list[Run]:
        """The newest active runs of a workspace, without metrics and params."""
        query = (
            select(runs)
            .join(experiments, experiments.c.experiment_id == runs.c.experiment_id)
            .where(experiments.c.workspace == workspace, runs.c.lifecycle_stage == "active")
            .order_by(runs.c.start_time.desc())
            .limit(limit)
        )
        with self._engine.connect() as db:
            return [run_of(row) for row in db.execute(query)]

    def run(self, workspace: str, run_id: str) -> Run:
        """One run with everything latest. Raises NotFound."""
        query = (
            select(runs)
            .join(experiments, experiments.c.experiment_id == runs.c.experiment_id)
            .where(runs.c.run_uuid == run_id, experiments.c.workspace == workspace)
        )
        with self._engine.connect() as db:
            row = db.execute(query).one_or_none()
            if row is None:
                raise NotFound("There is no such run in this workspace.")
            found = run_of(row)
            self._fill(db, [found])
        return found

    def tagged(self, workspace: str, key: str, value: str, limit: int = 20) -> list[Run]:
        """Active runs with this tag, newest first."""
        query = (
            select(runs)
            .join(experiments, experiments.c.experiment_id == runs.c.experiment_id)
            .join(tags, tags.c.run_uuid == runs.c.run_uuid)
            .where(
                tags.c.key == key,
                tags.c.value == value,
                experiments.c.workspace == workspace,
                runs.c.lifecycle_stage == "active",
            )
            .order_by(runs.c.start_time.desc())
            .limit(limit)
        )
        with self._engine.connect() as db:
            return [run_of(row) for row in db.execute(query)]

    def tags(self, run_id: str) -> dict[str, str]:
        """All tags of a run by key."""
        query = select(tags.c.key, tags.c.value).where(tags.c.run_uuid == run_id)
        with self._engine.connect() as db:
            return dict(sorted(db.execute(query).all()))

    def children(self, run_id: str) -> list[Run]:
        """The active runs nested directly in this one, oldest first."""
        nested = select(tags.c.run_uuid).where(
            tags.c.key == "mlflow.parentRunId", tags.c.value == run_id
        )
        query = (
            select(runs)
            .where(runs.c.run_uuid.in_(nested), runs.c.lifecycle_stage == "active")
            .order_by(runs.c.start_time)
            .limit(200)
        )
        with self._engine.connect() as db:
            return [run_of(row) for row in db.execute(query)]

    def step_counts(self, run_id: str) -> dict[str, int]:
        """How many points each metric of a run has."""
        query = (
            select(metrics.c.key, func.count())
            .where(metrics.c.run_uuid == run_id)
            .group_by(metrics.c.key)
        )
        with self._engine.connect() as db:
            return dict(db.execute(query).all())

    def history(self, run_id: str, key: str, limit: int = 5000) -> list[tuple[int, int, float]]:
        """(step, ms, value) of a metric in order of step; every n-th point when there are more."""
        mine = (metrics.c.run_uuid == run_id) & (metrics.c.key == key)
        with self._engine.connect() as db:
            total = db.scalar(select(func.count()).select_from(metrics).where(mine)) or 0
            every = max(1, -(-total // limit))
            position = func.row_number().over(order_by=(metrics.c.step, metrics.c.timestamp))
            numbered = (
                select(
                    metrics.c.step,
                    metrics.c.timestamp,
                    metrics.c.value,
                    metrics.c.is_nan,
                    position.label("position"),
                )
                .where(mine)
                .subquery()
            )
            query = (
                select(numbered)
                .where((numbered.c.position % every == 0) | (numbered.c.position == total))
                .order_by(numbered.c.position)
            )
            return [(row.step, row.timestamp, metric_value(row)) for row in db.execute(query)]

    def workspace_of(
        self, *, experiment_id: str = "", run_id: str = "", trace_id: str = ""
    ) -> str | None:
        """Which workspace an experiment, a run or a trace lies in."""
        query = select(experiments.c.workspace)
        if run_id:
            query = query.join(runs, runs.c.experiment_id == experiments.c.experiment_id).where(
                runs.c.run_uuid == run_id
            )
        elif trace_id:
            query = query.join(traces, traces.c.experiment_id == experiments.c.experiment_id).where(
                traces.c.request_id == trace_id
            )
        elif experiment_id.isdecimal() and len(experiment_id) <= 18:
            query = query.where(experiments.c.experiment_id == int(experiment_id))
        else:
            return None
        with self._engine.connect() as db:
            return db.scalar(query)

    def workspaces_with(self, name: str) -> set[str]:
        """The workspaces that have a registered model or a prompt of a name."""
        query = select(registered_models.c.workspace).where(registered_models.c.name == name)
        with self._engine.connect() as db:
            return set(db.scalars(query))

    def find(self, workspace: str, words: str, limit: int = 5) -> list[Run]:
        """Runs whose name or id begins with or contains the words."""
        query = (
            select(runs)
            .join(experiments, experiments.c.experiment_id == runs.c.experiment_id)
            .where(
                experiments.c.workspace == workspace,
                runs.c.lifecycle_stage == "active",
                runs.c.name.icontains(words, autoescape=True)
                | runs.c.run_uuid.startswith(words.lower(), autoescape=True),
            )
            .order_by(runs.c.start_time.desc())
            .limit(limit)
        )
        with self._engine.connect() as db:
            return [run_of(row) for row in db.execute(query)]

    @staticmethod
    def _fill(db: Connection, found: Sequence[Run]) -> None:
        """Put latest metrics and params into the runs: two queries, however many."""
        by_id = {run.id: run for run in found}
        if not by_id:
            return
        for row in db.execute(select(latest_metrics).where(latest_metrics.c.run_uuid.in_(by_id))):
            by_id[row.run_uuid].metrics[row.key] = metric_value(row)
        for row in db.execute(select(params).where(params.c.run_uuid.in_(by_id))):
            by_id[row.run_uuid].params[row.key] = row.value


def _active_experiments(workspace: str) -> Any:
    return select(experiments).where(
        experiments.c.workspace == workspace, experiments.c.lifecycle_stage == "active"
    )


def run_of(row: Row[Any]) -> Run:
    """The record of a row of runs."""
    return Run(
        id=row.run_uuid,
        name=row.name or row.run_uuid[:8],
        experiment_id=str(row.experiment_id),
        status=row.status or "",
        user=row.user_id or "",
        started_at=_at(row.start_time),
        ended_at=_at(row.end_time),
        artifact_uri=row.artifact_uri or "",
    )


def metric_value(row: Row[Any]) -> float:
    """What was logged, from how MLflow stores it."""
    if row.is_nan:
        return math.nan
    value = float(row.value)
    return math.copysign(math.inf, value) if abs(value) >= _INFINITY else value


def _at(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
