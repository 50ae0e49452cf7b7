"""What MLflow 3 keeps of a logged model itself: params, tags, metrics by run and dataset."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine, func, select

from mlpi.tracking.models import (
    experiments,
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
    runs,
)

MOST = 500  # metrics, params or tags shown of some models together
_INFINITY = sys.float_info.max  # what MLflow stores for one


@dataclass(frozen=True, slots=True)
class ModelMetric:
    """A metric's latest value by one run on one dataset; run_name is empty when there is none."""

    name: str
    value: float
    step: int
    run_id: str
    run_name: str
    dataset: str
    digest: str


@dataclass(slots=True)
class Contents:
    """What is known of one logged model."""

    metrics: list[ModelMetric] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.metrics or self.params or self.tags)

    @property
    def has_datasets(self) -> bool:
        return any(one.dataset for one in self.metrics)


def contents(engine: Engine, workspace: str, ids: Sequence[str]) -> dict[str, Contents]:
    """By id, of the models that are in the workspace. Four queries, however many."""
    if not ids:
        return {}
    mine = (
        select(logged_models.c.model_id)
        .join(experiments, experiments.c.experiment_id == logged_models.c.experiment_id)
        .where(logged_models.c.model_id.in_(ids), experiments.c.workspace == workspace)
    )
    places = select(experiments.c.experiment_id).where(experiments.c.workspace == workspace)
    metric, param, tag = logged_model_metrics.c, logged_model_params.c, logged_model_tags.c
    # As MLflow tells which one is the latest.
    place = func.row_number().over(
        partition_by=(
            metric.model_id,
            metric.metric_name,
            metric.run_id,
            metric.dataset_name,
            metric.dataset_digest,
        ),
        order_by=(metric.metric_timestamp_ms.desc(), metric.metric_step.desc()),
    )
    with engine.connect() as db:
        found = {id_: Contents() for id_ in db.scalars(mine)}
        ranked = (
            select(logged_model_metrics, place.label("place"))
            .where(metric.model_id.in_(found))
            .subquery()
        )
        latest = (
            select(ranked, runs.c.name.label("run_name"))
            .select_from(ranked)
            .outerjoin(
                runs,
                (runs.c.run_uuid == ranked.c.run_id)
                & (runs.c.lifecycle_stage == "active")
                & runs.c.experiment_id.in_(places),
            )
            .where(ranked.c.place == 1)
            .order_by(ranked.c.metric_name, ranked.c.dataset_name, ranked.c.run_id)
            .limit(MOST)
        )
        for row in db.execute(latest) if found else ():
            found[row.model_id].metrics.append(
                ModelMetric(
                    row.metric_name,
                    _value(row.metric_value),
                    row.metric_step,
                    row.run_id,
                    row.run_name or "",
                    row.dataset_name or "",
                    row.dataset_digest or "",
                )
            )
        params = select(logged_model_params).where(param.model_id.in_(found)).limit(MOST)
        for row in db.execute(params.order_by(param.param_key)) if found else ():
            found[row.model_id].params[row.param_key] = row.param_value
        tags = select(logged_model_tags).where(
            tag.model_id.in_(found),
            ~tag.tag_key.startswith("mlflow."),
            ~tag.tag_key.startswith("mlpi."),
        )
        for row in db.execute(tags.order_by(tag.tag_key).limit(MOST)) if found else ():
            found[row.model_id].tags[row.tag_key] = row.tag_value
    return found


def _value(stored: float | None) -> float:
    if stored is None:
        return math.nan
    return math.copysign(math.inf, stored) if abs(stored) >= _INFINITY else stored
