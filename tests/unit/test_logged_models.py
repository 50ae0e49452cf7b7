"""What logged models have themselves, read from MLflow's tables."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from mlpi.db import open_engine
from mlpi.tracking import models
from mlpi.tracking.logged_models import contents


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Model m1 of lab and m2 of other."""
    made = open_engine(f"sqlite:///{tmp_path / 'mlflow.db'}")
    with made.begin() as db:
        for table in models.ALL:
            table.create(db)
        for number, workspace in ((1, "lab"), (2, "other")):
            place = {"experiment_id": number, "workspace": workspace, "lifecycle_stage": "active"}
            db.execute(insert(models.experiments).values(**place))
            run = {"run_uuid": f"r{number}", "name": f"run of {workspace}"}
            values = {**run, "experiment_id": number, "lifecycle_stage": "active"}
            db.execute(insert(models.runs).values(**values))
            model = {"model_id": f"m{number}", "experiment_id": number}
            db.execute(insert(models.logged_models).values(**model))
            param = {"model_id": f"m{number}", "param_key": "layers", "param_value": "3"}
            db.execute(insert(models.logged_model_params).values(**param))
    yield made
    made.dispose()


def log(engine: Engine, name: str, value: float | None, at: int, **more: Any) -> None:
    row = {"model_id": "m1", "run_id": "r1", "metric_step": 0, **more}
    row |= {"metric_name": name, "metric_value": value, "metric_timestamp_ms": at}
    with engine.begin() as db:
        db.execute(insert(models.logged_model_metrics).values(**row))


def test_models_of_another_workspace_are_not_told(engine: Engine) -> None:
    assert list(contents(engine, "lab", ["m1", "m2", "none"])) == ["m1"]
    assert contents(engine, "lab", []) == {}


def test_a_run_of_another_workspace_has_no_name_here(engine: Engine) -> None:
    log(engine, "f1", 0.5, 1)
    log(engine, "f1", 0.5, 1, run_id="r2")
    found = {one.run_id: one.run_name for one in contents(engine, "lab", ["m1"])["m1"].metrics}
    assert found == {"r1": "run of lab", "r2": ""}


def test_the_latest_value_of_each_run_and_dataset_is_shown(engine: Engine) -> None:
    log(engine, "f1", 0.1, 1, metric_step=9)
    log(engine, "f1", 0.2, 2, metric_step=3)
    log(engine, "f1", 0.3, 2, metric_step=4)
    log(engine, "f1", 0.4, 1, dataset_name="held-out", dataset_digest="d", metric_step=5)
    log(engine, "none", None, 1)
    log(engine, "up", sys.float_info.max, 1)
    found = {(m.name, m.dataset): m.value for m in contents(engine, "lab", ["m1"])["m1"].metrics}
    assert found.pop(("up", "")) == math.inf
    assert math.isnan(found.pop(("none", "")))
    assert found == {("f1", ""): 0.3, ("f1", "held-out"): 0.4}
