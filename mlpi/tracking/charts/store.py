"""Reading MLflow's tables for charts: many runs at once, histories thinned in the database.

However many runs there are, each method is a fixed number of queries. Callers have made sure that
the runs are of their workspace.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, or_, select, true
from sqlalchemy.engine import Engine

from mlpi.tracking.models import latest_metrics, metrics, params
from mlpi.tracking.runs.records import Value
from mlpi.tracking.store import metric_value

MAX_KEYS = 500
# An interval keeps its least, its most, and one that is not finite.
_KEPT = 3
_HELD = (metrics.c.step, metrics.c.timestamp, metrics.c.value, metrics.c.is_nan)


class Point(NamedTuple):
    """One logged value; at_ms since 1970."""

    step: int
    at_ms: int
    value: float


@dataclass(slots=True)
class History:
    """A metric of one run, in order of step and time; total counts what was thinned out too."""

    total: int = 0
    points: list[Point] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MetricKey:
    """A metric that some runs have: how many of them, and whether any logged it by step."""

    key: str
    count: int
    has_steps: bool


class ChartsStore:
    """Queries for charts, on the engine of TrackingStore."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def metric_keys(self, ids: Sequence[str]) -> list[MetricKey]:
        """The metrics of these runs; those most of them have first."""
        query = (
            select(latest_metrics.c.key, func.count(), func.max(latest_metrics.c.step))
            .where(latest_metrics.c.run_uuid.in_(ids))
            .group_by(latest_metrics.c.key)
            .order_by(func.count().desc(), latest_metrics.c.key)
            .limit(MAX_KEYS)
        )
        with self.engine.connect() as db:
            return [MetricKey(key, n, bool(step)) for key, n, step in db.execute(query)]

    def param_keys(self, ids: Sequence[str]) -> list[tuple[str, int, int]]:
        """(key, runs that have it, distinct values) of these runs' params, varied ones first."""
        kinds = func.count(params.c.value.distinct())
        query = (
            select(params.c.key, func.count(), kinds)
            .where(params.c.run_uuid.in_(ids))
            .group_by(params.c.key)
            .order_by(func.count().desc(), params.c.key)
            .limit(MAX_KEYS)
        )
        with self.engine.connect() as db:
            return [(key, count, distinct) for key, count, distinct in db.execute(query)]

    def values(
        self, ids: Sequence[str], metric_keys: Sequence[str], param_keys: Sequence[str]
    ) -> dict[str, dict[str, Value]]:
        """Latest metrics and params by run id and text ("metrics.loss"). Two queries."""
        found: dict[str, dict[str, Value]] = {id_: {} for id_ in ids}
        with self.engine.connect() as db:
            for table, kind, keys in (
                (latest_metrics, "metrics", metric_keys),
                (params, "params", param_keys),
            ):
                if not keys:
                    continue
                query = select(table).where(table.c.run_uuid.in_(ids), table.c.key.in_(keys))
                for row in db.execute(query):
                    value = metric_value(row) if kind == "metrics" else row.value
                    found[row.run_uuid][f"{kind}.{row.key}"] = value
        return found

    def histories(self, ids: Sequence[str], key: str, limit: int) -> dict[str, History]:
        """A metric of some runs, at most limit points of each. Two queries.

        A longer history is cut into intervals with equally many points, of which the least and
        the most finite value are kept where they were, and one that is not finite: neither a peak
        nor a gap is lost, which every n-th point or a mean would do. First and last stay too.
        """
        found = {id_: History() for id_ in ids}
        mine = and_(metrics.c.run_uuid.in_(ids), metrics.c.key == key)
        counted = select(metrics.c.run_uuid, func.count()).where(mine)
        with self.engine.connect() as db:
            for id_, total in db.execute(counted.group_by(metrics.c.run_uuid)):
                found[id_].total = total
            is_long = any(history.total > limit for history in found.values())
            query = _thinned(mine, limit) if is_long else _whole(mine)
            for row in db.execute(query):
                point = Point(row.step, row.timestamp, metric_value(row))
                found[row.run_uuid].points.append(point)
        return found


def _whole(mine: ColumnElement[bool]) -> Any:
    order = (metrics.c.step, metrics.c.timestamp, metrics.c.value)
    return select(metrics.c.run_uuid, *_HELD).where(mine).order_by(metrics.c.run_uuid, *order)


def _thinned(mine: ColumnElement[bool], limit: int) -> Any:
    intervals = max(1, (limit - 2) // _KEPT)
    order = (metrics.c.step, metrics.c.timestamp, metrics.c.value)
    is_odd = or_(metrics.c.is_nan == true(), func.abs(metrics.c.value) >= sys.float_info.max)
    numbered = (
        select(
            metrics.c.run_uuid,
            *_HELD,
            case((is_odd, 1), else_=0).label("odd"),
            func.row_number().over(partition_by=metrics.c.run_uuid, order_by=order).label("at"),
            func.count().over(partition_by=metrics.c.run_uuid).label("total"),
        )
        .where(mine)
        .subquery()
    )
    given = numbered.c
    interval = (given.at - 1) * intervals // given.total
    within = (given.run_uuid, interval, given.odd)
    low = func.row_number().over(partition_by=within, order_by=(given.value, given.at))
    high = func.row_number().over(partition_by=within, order_by=(given.value.desc(), given.at))
    ranked = select(numbered, low.label("low"), high.label("high")).subquery()
    kept = or_(
        ranked.c.total <= limit,
        ranked.c.at == 1,
        ranked.c.at == ranked.c.total,
        ranked.c.low == 1,
        and_(ranked.c.high == 1, ranked.c.odd == 0),
    )
    return select(ranked).where(kept).order_by(ranked.c.run_uuid, ranked.c.at)
