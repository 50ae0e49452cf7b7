"""Our reading of MLflow's tables."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Table

from mlpi.db import open_engine
from mlpi.tracking import models
from mlpi.tracking.registry.store import RegistryStore
from mlpi.tracking.store import TrackingStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TrackingStore]:
    """A store on tables like MLflow's, with one run in experiment 1 of workspace lab."""
    url = f"sqlite:///{tmp_path / 'mlflow.db'}"
    engine = open_engine(url)
    with engine.begin() as db:
        for table in models.ALL:
            table.create(db)
        put(
            db,
            models.experiments,
            experiment_id=1,
            workspace="lab",
            name="one",
            lifecycle_stage="active",
        )
        for number in range(3):
            put(
                db,
                models.runs,
                run_uuid=f"run-{number}",
                experiment_id=1,
                start_time=1000 + number,
                lifecycle_stage="active",
            )
        for name in ("model", "prompt"):
            put(db, models.registered_models, workspace="lab", name=name)
        put(
            db,
            models.registered_model_tags,
            workspace="lab",
            name="prompt",
            key="mlflow.prompt.is_prompt",
            value="true",
        )
        for key, value, is_nan in (
            ("fine", 0.5, False),
            ("nan", 0.0, True),
            ("up", sys.float_info.max, False),
            ("down", -sys.float_info.max, False),
        ):
            put(
                db,
                models.latest_metrics,
                run_uuid="run-0",
                key=key,
                value=value,
                is_nan=is_nan,
                step=0,
                timestamp=0,
            )
    engine.dispose()
    built = TrackingStore(url)
    yield built
    built.close()


def put(db: Connection, table: Table, **values: object) -> None:
    db.execute(table.insert().values(values))


def test_numbers_that_are_none_are_read_as_what_was_logged(store: TrackingStore) -> None:
    found = store.run("lab", "run-0").metrics
    assert found["fine"] == 0.5
    assert math.isnan(found["nan"])
    assert found["up"] == math.inf
    assert found["down"] == -math.inf


def test_prompts_are_not_models(store: TrackingStore) -> None:
    assert [model.name for model in RegistryStore(store.engine).page("lab")] == ["model"]
    assert store.counts("lab").models == 1


def test_another_workspace_s_run_is_found_only_there(store: TrackingStore) -> None:
    assert store.workspace_of(run_id="run-1") == "lab"
    assert store.workspace_of(experiment_id="1") == "lab"
    assert store.workspace_of(experiment_id="x") is None


def test_tags_that_mlpi_and_mlflow_keep_are_nobody_s_labels(store: TrackingStore) -> None:
    with store.engine.begin() as db:
        for key, value in (("team", "vision"), ("mlpi.demo", "secretive"), ("mlflow.x", "hidden")):
            put(db, models.experiment_tags, experiment_id=1, key=key, value=value)
    assert store.experiment("lab", "1").tags == {"team": "vision"}
    (listed,) = store.experiments("lab")
    assert listed.tags == {"team": "vision"}
    assert [one.name for one in store.experiments("lab", "vision")] == ["one"]
    for words in ("secretive", "mlpi.demo", "hidden", "mlflow.x"):
        assert store.experiments("lab", words) == []


def test_a_name_may_be_in_several_workspaces(store: TrackingStore) -> None:
    with store.engine.begin() as db:
        put(db, models.registered_models, workspace="other", name="model")
    assert store.workspaces_with("model") == {"lab", "other"}
    assert store.workspaces_with("nobody's") == set()
