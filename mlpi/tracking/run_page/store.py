"""Reading MLflow's database for the page of a run.

Every query is bound to one run, which the caller has looked up in its workspace.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, and_, func, or_, select, union

from mlpi.tracking.models import (
    associations,
    datasets,
    input_tags,
    inputs,
    logged_models,
    metrics,
    model_versions,
    runs,
    trace_metadata,
    trace_tags,
    traces,
)
from mlpi.tracking.run_page.records import (
    DatasetInput,
    LoggedModel,
    Spark,
    Trace,
    Version,
    columns_of,
    profile_of,
    source_of,
)
from mlpi.tracking.store import metric_value

SPARK_POINTS = 40
NEW_POINTS = 5000  # of a metric, in one answer
FIRST_TRACES = 50
Point = tuple[int, int, float]  # step, ms since 1970, value


class RunPageStore:
    """Queries on MLflow's own tables."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def is_deleted(self, run_id: str) -> bool:
        with self._engine.connect() as db:
            stage = db.scalar(select(runs.c.lifecycle_stage).where(runs.c.run_uuid == run_id))
        return stage == "deleted"

    def sparks(self, run_id: str, keys: Sequence[str]) -> dict[str, Spark]:
        """Least, most and some forty points of each metric, in one query for all of them.

        NaN takes no part; infinities are left out of the points.
        """
        if not keys:
            return {}
        mine: Any = {"partition_by": metrics.c.key}
        along: Any = (metrics.c.step, metrics.c.timestamp)
        numbered = (
            select(
                metrics.c.key,
                metrics.c.value,
                metrics.c.is_nan,
                func.row_number().over(order_by=along, **mine).label("position"),
                func.count().over(**mine).label("total"),
                func.min(metrics.c.value).over(**mine).label("least"),
                func.max(metrics.c.value).over(**mine).label("most"),
            )
            .where(
                metrics.c.run_uuid == run_id,
                metrics.c.key.in_(keys),
                metrics.c.is_nan.is_(False),
            )
            .subquery()
        )
        every = (numbered.c.total + SPARK_POINTS - 1) // SPARK_POINTS
        query = (
            select(numbered)
            .where((numbered.c.position % every == 0) | (numbered.c.position == numbered.c.total))
            .order_by(numbered.c.key, numbered.c.position)
        )
        found: dict[str, list[Any]] = {}
        with self._engine.connect() as db:
            for row in db.execute(query):
                found.setdefault(row.key, []).append(row)
        return {key: _spark(rows) for key, rows in found.items()}

    def new_points(
        self, run_id: str, since: Sequence[tuple[str, int, int]]
    ) -> dict[str, list[Point]]:
        """Points of metrics after what the caller has: (key, step, ms) of each one's last."""
        if not since:
            return {}
        later = or_(
            *(
                and_(
                    metrics.c.key == key,
                    (metrics.c.step > step)
                    | ((metrics.c.step == step) & (metrics.c.timestamp > at)),
                )
                for key, step, at in since
            )
        )
        query = (
            select(metrics)
            .where(metrics.c.run_uuid == run_id, later)
            .order_by(metrics.c.key, metrics.c.step, metrics.c.timestamp)
            .limit(NEW_POINTS)
        )
        found: dict[str, list[Point]] = {}
        with self._engine.connect() as db:
            for row in db.execute(query):
                found.setdefault(row.key, []).append((row.step, row.timestamp, metric_value(row)))
        return found

    def datasets(self, run_id: str) -> list[DatasetInput]:
        """What the run was given, by name."""
        query = (
            select(datasets, input_tags.c.value.label("context"))
            .select_from(inputs)
            .join(datasets, datasets.c.dataset_uuid == inputs.c.source_id)
            .outerjoin(
                input_tags,
                (input_tags.c.input_uuid == inputs.c.input_uuid)
                & (input_tags.c.name == "mlflow.data.context"),
            )
            .where(
                inputs.c.source_type == "DATASET",
                inputs.c.destination_type == "RUN",
                inputs.c.destination_id == run_id,
            )
            .order_by(datasets.c.name)
            .limit(100)
        )
        with self._engine.connect() as db:
            return [
                DatasetInput(
                    row.name,
                    row.digest,
                    row.context or "",
                    row.dataset_source_type or "",
                    source_of(row.dataset_source),
                    columns_of(row.dataset_schema),
                    profile_of(row.dataset_profile),
                )
                for row in db.execute(query)
            ]

    def logged_models(self, run_id: str) -> list[LoggedModel]:
        """The models that the run logged, newest first."""
        query = (
            select(logged_models)
            .where(
                logged_models.c.source_run_id == run_id,
                logged_models.c.lifecycle_stage == "active",
            )
            .order_by(logged_models.c.creation_timestamp_ms.desc())
            .limit(200)
        )
        with self._engine.connect() as db:
            return [
                LoggedModel(
                    row.model_id,
                    row.name,
                    row.artifact_location,
                    row.status,
                    row.model_type or "",
                    _at(row.creation_timestamp_ms),
                )
                for row in db.execute(query)
            ]

    def versions(self, workspace: str, run_id: str) -> list[Version]:
        """Registered versions that were made of this run."""
        query = (
            select(model_versions.c.name, model_versions.c.version)
            .where(model_versions.c.workspace == workspace, model_versions.c.run_id == run_id)
            .order_by(model_versions.c.name, model_versions.c.version.desc())
            .limit(100)
        )
        with self._engine.connect() as db:
            return [Version(name, version) for name, version in db.execute(query)]

    def traces(self, run_id: str, experiment_id: str) -> list[Trace]:
        """The newest traces made in this run or linked to it, within its experiment's workspace."""
        made = select(trace_metadata.c.request_id).where(
            trace_metadata.c.key == "mlflow.sourceRun", trace_metadata.c.value == run_id
        )
        linked = select(associations.c.source_id).where(
            associations.c.source_type == "trace",
            associations.c.destination_type == "run",
            associations.c.destination_id == run_id,
        )
        name = (
            select(trace_tags.c.value)
            .where(
                trace_tags.c.request_id == traces.c.request_id,
                trace_tags.c.key == "mlflow.traceName",
            )
            .scalar_subquery()
        )
        query = (
            select(traces, func.coalesce(traces.c.trace_name, name).label("shown_name"))
            .where(
                traces.c.experiment_id == int(experiment_id),
                traces.c.request_id.in_(union(made, linked)),
            )
            .order_by(traces.c.timestamp_ms.desc())
            .limit(FIRST_TRACES)
        )
        with self._engine.connect() as db:
            return [
                Trace(
                    row.request_id,
                    row.shown_name or row.request_id,
                    (row.status or "").lower(),
                    _at(row.timestamp_ms),
                    None if row.execution_time_ms is None else row.execution_time_ms / 1000,
                    row.request_preview or "",
                )
                for row in db.execute(query)
            ]


def _spark(rows: Sequence[Any]) -> Spark:
    least, most = _value(rows[0].least), _value(rows[0].most)
    finite = [(row.position, row.value) for row in rows if math.isfinite(_value(row.value))]
    if len(finite) < 2:
        return Spark(least, most)
    # Halved, so that the difference of the two largest floats is still one.
    low, high = min(value / 2 for _, value in finite), max(value / 2 for _, value in finite)
    first, last = finite[0][0], finite[-1][0]
    points = tuple(
        ((at - first) / (last - first), (high - value / 2) / (high - low) if high > low else 0.5)
        for at, value in finite
    )
    return Spark(least, most, points)


def _value(stored: float) -> float:
    """MLflow stores an infinity as the largest float."""
    return math.copysign(math.inf, stored) if abs(stored) >= sys.float_info.max else stored


def _at(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
