"""Histories of many runs out of MLflow's own tables: thinned, but nothing striking lost."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert

from mlpi.db import open_engine
from mlpi.tracking import models
from mlpi.tracking.charts.store import ChartsStore
from tests.unit.test_runs_store import Made, make_tables

PEAK_AT = 73_211


class Logged(Made):
    """Runs with histories."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.charts = ChartsStore(engine)

    def log(self, id_: str, values: list[float], key: str = "loss") -> None:
        """One point for each step, as MLflow stores them."""
        rows = []
        for step, value in enumerate(values):
            stored = 0.0 if math.isnan(value) else value
            if math.isinf(stored):
                stored = math.copysign(sys.float_info.max, stored)
            row = {"run_uuid": id_, "key": key, "step": step, "timestamp": 5000 + step}
            rows.append(row | {"value": stored, "is_nan": math.isnan(value)})
        with self.engine.begin() as db:
            db.execute(insert(models.metrics), rows)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def logged(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Logged]:
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    else:
        url = f"sqlite:///{tmp_path / 'mlflow.db'}"
    engine = open_engine(url)
    make_tables(engine)
    yield Logged(engine)
    engine.dispose()


def test_a_short_history_comes_whole_and_in_order(logged: Logged) -> None:
    logged.run("a")
    logged.log("a", [3.0, math.nan, math.inf, -math.inf, 1.5])
    found = logged.charts.histories(["a", "none"], "loss", 100)
    assert [str(point.value) for point in found["a"].points] == ["3.0", "nan", "inf", "-inf", "1.5"]
    assert [point.step for point in found["a"].points] == [0, 1, 2, 3, 4]
    assert found["a"].points[4].at_ms == 5004
    assert found["a"].total == 5
    assert found["none"].points == []


def test_a_peak_of_a_long_history_survives(logged: Logged) -> None:
    logged.run("long")
    logged.run("short")
    values = [math.sin(step / 900) for step in range(100_000)]
    values[PEAK_AT], values[PEAK_AT + 1], values[PEAK_AT + 2] = 99.5, -42.25, math.inf
    values[500] = math.nan
    logged.log("long", values)
    logged.log("short", [1.0, 2.0, 3.0])
    found = logged.charts.histories(["long", "short"], "loss", 1000)
    points = found["long"].points
    assert 300 < len(points) <= 1000
    assert found["long"].total == 100_000
    by_step = {point.step: point.value for point in points}
    assert by_step[PEAK_AT] == 99.5
    assert by_step[PEAK_AT + 1] == -42.25  # infinity in the same interval hides neither
    assert by_step[PEAK_AT + 2] == math.inf
    assert math.isnan(by_step[500])
    assert {0, 99_999} <= set(by_step)
    assert all(repr(values[step]) == repr(value) for step, value in by_step.items())
    assert [point.step for point in points] == sorted(by_step)
    assert [point.value for point in found["short"].points] == [1.0, 2.0, 3.0]


def test_no_more_points_than_the_limit_whatever_the_values(logged: Logged) -> None:
    for number, values in enumerate(
        ([1.0] * 4000, [float(step) for step in range(4001)], [math.nan, 1.0, 2.0] * 1500)
    ):
        logged.run(f"r{number}")
        logged.log(f"r{number}", values)
    found = logged.charts.histories(["r0", "r1", "r2"], "loss", 50)
    assert all(10 < len(history.points) <= 50 for history in found.values())


def test_queries_do_not_grow_with_the_runs(logged: Logged) -> None:
    def asked(ids: list[str]) -> list[int]:
        counts = []
        for ask in (
            lambda: logged.charts.histories(ids, "loss", 20),
            lambda: logged.charts.values(ids, ["loss"], ["depth"]),
            lambda: logged.charts.metric_keys(ids),
            lambda: logged.charts.param_keys(ids),
        ):
            with logged.counting() as seen:
                ask()
            counts.append(len(seen))
        return counts

    ids = [f"r{number:02}" for number in range(40)]
    for id_ in ids:
        logged.run(id_, metrics_loss=0.5, params_depth="3")
        logged.log(id_, [1.0] * 30)
    assert asked(ids) == asked(ids[:1]) == [2, 2, 1, 1]


def test_values_and_keys_are_those_the_runs_have(logged: Logged) -> None:
    logged.run("a", metrics_loss=1.0)
    logged.log("a", [1.0, 2.0])
    found = logged.charts.values(["a", "b"], ["loss"], ["depth"])
    assert found == {"a": {"metrics.loss": 1.0}, "b": {}}
    keys = logged.charts.metric_keys(["a"])
    assert [(one.key, one.count, one.has_steps) for one in keys] == [("loss", 1, False)]
