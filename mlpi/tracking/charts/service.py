"""What charts of runs show; knows no HTTP."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mlpi.auth.roles import Principal
from mlpi.errors import NotFound
from mlpi.tracking.charts.choice import MAX_CURVES, Choice
from mlpi.tracking.charts.looks import Look, looks
from mlpi.tracking.charts.store import ChartsStore, History, MetricKey
from mlpi.tracking.runs.records import RunRow, Value
from mlpi.tracking.runs.service import RunsService
from mlpi.tracking.runs.view import Field, View
from mlpi.tracking.service import plain_first

POINTS_OF_RUN = 1000
POINTS_IN_ALL = 20_000
FIRST_PLOTS = 6
FIRST_PARAMS = 4
FIRST_METRICS = 3
# Runs drawn when none is selected.
FIRST_RUNS = 20


@dataclass(slots=True)
class Page:
    """Runs with their looks, and what there is of them to draw."""

    choice: Choice
    rows: Sequence[RunRow]
    looks: dict[str, Look]
    missing: int = 0
    metrics: Sequence[MetricKey] = ()
    params: Sequence[str] = ()
    experiments: dict[str, str] = field(default_factory=dict)

    @property
    def drawn(self) -> Sequence[RunRow]:
        """The runs in the chart."""
        return self.rows[:MAX_CURVES] if self.choice.kind == "line" else self.rows

    @property
    def running(self) -> list[str]:
        return [row.run.id for row in self.drawn if row.run.status == "RUNNING"]


class ChartsService:
    """Charts over runs of one workspace."""

    def __init__(self, runs: RunsService, store: ChartsStore) -> None:
        self.runs = runs
        self.store = store

    def page(self, principal: Principal, choice: Choice) -> Page:
        """What a page of charts shows. Raises NotFound, NotReady."""
        rows = self._rows(principal.workspace or "", choice.ids)
        ids = [row.run.id for row in rows]
        of_experiment = {
            id_: self.runs.marks(principal, id_, View())
            for id_ in dict.fromkeys(row.run.experiment_id for row in rows)
        }
        found = {one.key: one for one in self.store.metric_keys(ids)}
        metrics = [found[key] for key in plain_first(found)]
        if not choice.is_kind_chosen and metrics and not any(one.has_steps for one in metrics):
            choice = choice.with_(kind="bar")  # lines of one point each would say nothing
        page = Page(choice, rows, {}, len(choice.ids) - len(ids), metrics)
        drawn = [row.run for row in page.drawn]
        page.looks = looks(
            [one.id for one in drawn], {one.id: of_experiment[one.experiment_id] for one in drawn}
        )
        kinds = self.store.param_keys(ids)
        page.params = [key for key, _, distinct in sorted(kinds, key=lambda one: one[2] < 2)]
        page.choice = _completed(choice.with_(ids=tuple(ids)), page)
        return page

    def first_ids(self, principal: Principal, experiment_id: str, view: View) -> list[str]:
        """The first runs of a table's view. Raises NotFound, FilterWrong."""
        self.runs.experiment(principal.workspace or "", experiment_id)
        marks = self.runs.marks(principal, experiment_id, view)
        number = int(experiment_id)
        pinned = [] if view.is_deleted else self.runs.store.chosen(number, marks.pinned)
        known = [row.run.id for row in pinned]
        hidden = () if view.shows_hidden else marks.hidden
        rows = self.runs.store.page(number, view.with_(group=None), (*hidden, *known))
        return [*known, *(row.run.id for row in rows)][:FIRST_RUNS]

    def points(self, workspace: str, ids: Sequence[str], key: str) -> dict[str, Any]:
        """A metric's histories as the page draws them: values are None where not finite, and
        odd names what they are, by index. Times are seconds since 1970.

        Raises NotFound, NotReady.
        """
        rows = self._rows(workspace, ids[:MAX_CURVES])
        found = self._histories(rows, key)
        return {
            "key": key,
            "runs": [
                {
                    "id": row.run.id,
                    "status": row.run.status,
                    "total": history.total,
                    "start": row.run.started_at.timestamp() if row.run.started_at else None,
                    "steps": [point.step for point in history.points],
                    "times": [point.at_ms / 1000 for point in history.points],
                    "values": [_finite(point.value) for point in history.points],
                    "odd": {
                        at: _text(point.value)
                        for at, point in enumerate(history.points)
                        if not math.isfinite(point.value)
                    },
                }
                for row in rows
                for history in [found[row.run.id]]
            ],
        }

    def values(self, workspace: str, ids: Sequence[str], fields: Sequence[Field]) -> dict[str, Any]:
        """Fields of runs; None where a run has none or it is not finite. Raises NotFound."""
        rows = self._rows(workspace, ids)
        found = self._values(rows, fields)
        return {
            "fields": [one.text for one in fields],
            "runs": [
                {
                    "id": row.run.id,
                    "status": row.run.status,
                    "values": [_drawable(found[row.run.id].get(one.text)) for one in fields],
                }
                for row in rows
            ],
        }

    def csv(self, workspace: str, choice: Choice) -> Iterator[str]:
        """What a chart draws, in full precision. Raises NotFound before the first chunk."""
        if choice.kind == "line":
            rows = self._rows(workspace, choice.curve_ids)
            return self._csv_of_points(rows, choice)
        rows = self._rows(workspace, choice.ids)
        return self._csv_of_values(rows, choice.fields)

    def _csv_of_points(self, rows: Sequence[RunRow], choice: Choice) -> Iterator[str]:
        is_smooth = choice.smoothing > 0
        heads = ["run_id", "run_name", "metric", "step", "time", "since_start_s", "value"]
        yield _csv([[*heads, "smoothed"] if is_smooth else heads])
        for key in choice.keys:
            found = self._histories(rows, key)
            for row in rows:
                points = found[row.run.id].points
                start_s = row.run.started_at.timestamp() if row.run.started_at else None
                smooth = smoothed([point.value for point in points], choice.smoothing)
                yield _csv(
                    [
                        row.run.id,
                        row.run.name,
                        key,
                        point.step,
                        datetime.fromtimestamp(point.at_ms / 1000, UTC).isoformat(),
                        "" if start_s is None else round(point.at_ms / 1000 - start_s, 3),
                        _text(point.value),
                        *([_text(soft)] if is_smooth else []),
                    ]
                    for point, soft in zip(points, smooth, strict=True)
                )

    def _csv_of_values(self, rows: Sequence[RunRow], fields: Sequence[Field]) -> Iterator[str]:
        yield _csv([["run_id", "run_name", *(one.text for one in fields)]])
        found = self._values(rows, fields)
        yield _csv(
            [
                row.run.id,
                row.run.name,
                *(_text(found[row.run.id].get(one.text, "")) for one in fields),
            ]
            for row in rows
        )

    def _rows(self, workspace: str, ids: Sequence[str]) -> list[RunRow]:
        self.runs.tracking.require_prepared()
        rows = self.runs.store.of_workspace(workspace, ids)
        if not rows:
            raise NotFound("None of these runs is in this workspace.")
        return rows

    def _histories(self, rows: Sequence[RunRow], key: str) -> dict[str, History]:
        limit = min(POINTS_OF_RUN, POINTS_IN_ALL // len(rows))
        return self.store.histories([row.run.id for row in rows], key, limit)

    def _values(
        self, rows: Sequence[RunRow], fields: Sequence[Field]
    ) -> dict[str, dict[str, Value]]:
        return self.store.values(
            [row.run.id for row in rows],
            [one.key for one in fields if one.is_metric],
            [one.key for one in fields if not one.is_metric],
        )


def _completed(choice: Choice, page: Page) -> Choice:
    """The choice with what somebody looks at first, where nothing is chosen."""
    by_step = [one for one in page.metrics if one.has_steps or choice.kind != "line"]
    ranked = sorted(
        by_step or page.metrics, key=lambda one: (one.key.startswith("system/"), -one.count)
    )
    if not choice.keys:
        choice = choice.with_(keys=tuple(one.key for one in ranked[:FIRST_PLOTS]))
    metrics = [Field("metrics", one.key) for one in ranked]
    params = [Field("params", key) for key in page.params]
    along, up, colour = choice.point
    if up is None and metrics:
        up = metrics[0]
    if along is None:
        along = next((one for one in [*params, *metrics] if one != up), None)
    axes = choice.axes or (*params[:FIRST_PARAMS], *metrics[:FIRST_METRICS])
    return choice.with_(point=(along, up, colour), axes=axes)


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """TensorBoard's moving mean, without its bias towards 0 at the beginning.

    weight: of what was before, 0 to below 1. What is not finite stays, and counts for nothing.
    """
    found = []
    last, count = 0.0, 0
    for value in values:
        if math.isfinite(value):
            last = last * weight + (1 - weight) * value
            count += 1
            found.append(last / (1 - weight**count))
        else:
            found.append(value)
    return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _drawable(value: Value | None) -> Value | None:
    return _finite(value) if isinstance(value, float) else value


def _text(value: Value) -> str:
    """As the table's CSV and Python write it."""
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return "NaN" if isinstance(value, float) and math.isnan(value) else str(value)


def _csv(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
