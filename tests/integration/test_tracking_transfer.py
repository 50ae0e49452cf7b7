"""mlpi tracking import and export, between stock MLflow and a real service."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
    ViewType,
)

from tests.service import Service, clean_environment, mlpi

POINTS = 1500
T0 = 1_700_000_000_000


@pytest.fixture(autouse=True)
def client_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    yield


def opened(uri: str) -> MlflowClient:
    return MlflowClient(uri, uri)


def closed(client: MlflowClient) -> None:
    """Python 3.13 takes an open database for an error."""
    for store in (client._tracking_client.store, client._get_registry_client().store):
        if hasattr(store, "engine"):
            store.engine.dispose()


def fill(client: MlflowClient, artifacts: Path, prefix: str, scratch: Path) -> None:
    """What a year of work leaves behind, small."""
    place = client.create_experiment(
        f"{prefix}-größe", artifacts.as_uri() if artifacts else None, {"mlflow.note.content": "Über"}
    )
    parent = client.create_run(place, T0, {"mlflow.user": "jo", "stufe": "ünf"}, "eltern ☂")
    run = parent.info.run_id
    points = [Metric("loss", 1 / (s + 1), T0 + s, s) for s in range(POINTS)]
    for start in range(0, POINTS, 1000):
        client.log_batch(run, metrics=points[start : start + 1000])
    client.log_batch(
        run,
        metrics=[Metric("f1", math.nan, T0, 0), Metric("acc", 0.25, T0, 3), Metric("acc", 0.5, T0, 4)],
        params=[Param(f"p{n:03}", f"wert {n}") for n in range(100)],
        tags=[RunTag("mlflow.note.content", "a note\nin two lines")],
    )
    client.log_batch(run, params=[Param(f"q{n:03}", str(n)) for n in range(20)])
    dataset = Dataset("wein", "abc123", "local", '{"uri": "wein.csv"}', '{"s": 1}', '{"rows": 9}')
    client.log_inputs(run, [DatasetInput(dataset, [])])
    (scratch / "deep" / "er").mkdir(parents=True)
    (scratch / "deep" / "er" / "größe 1.txt").write_text("grüße")
    (scratch / "deep" / "big.bin").write_bytes(os.urandom(300_000))
    (scratch / "top.txt").write_text("top")
    client.log_artifacts(run, str(scratch))
    client._tracking_client.store.update_run_info(run, 3, T0 + 9000, None)  # FINISHED

    failed = client.create_run(place, T0 + 1, {"mlflow.parentRunId": run}, "kind")
    client.log_param(failed.info.run_id, "lr", 0.1)
    client._tracking_client.store.update_run_info(failed.info.run_id, 4, T0 + 50, None)  # FAILED
    going = client.create_run(place, T0 + 2, {"mlflow.parentRunId": run}, "läuft")
    client.log_batch(going.info.run_id, metrics=[Metric("loss", 1.0, T0, 0)])
    gone = client.create_run(place, T0 + 3, {}, "gone")
    client.delete_run(gone.info.run_id)

    model = client.create_logged_model(
        place, "net", run, {"art": "klein"}, {"layers": "3"}, "classifier"
    )
    (scratch / "MLmodel").write_text(f"run_id: {run}\n")
    client.log_model_artifact(model.model_id, str(scratch / "MLmodel"))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run, [LoggedModelOutput(model.model_id, 7)])
    client.log_inputs(going.info.run_id, models=[LoggedModelInput(model.model_id)])
    client.log_batch(
        going.info.run_id,
        metrics=[Metric("val", 0.75, T0, 1, model_id=model.model_id, run_id=going.info.run_id)],
    )

    name = f"{prefix}-baum"
    client.create_registered_model(name, {"team": "blau"}, "A tree")
    of_run = f"{parent.info.artifact_uri}/deep"
    client.create_model_version(name, of_run, run, {"k": "v"}, description="first")
    client.create_model_version(name, f"{parent.info.artifact_uri}/deep", run)
    client.create_model_version(name, model.artifact_location, run, model_id=model.model_id)
    client.delete_model_version(name, "2")
    client.set_registered_model_alias(name, "champion", "1")
    client.set_registered_model_alias(name, "neu", "3")


def state(client: MlflowClient, prefix: str) -> dict[str, Any]:
    """Everything that a transfer should keep, without what must differ: ids and places."""
    place = client.get_experiment_by_name(f"{prefix}-größe")
    found = list(client.search_runs([place.experiment_id], run_view_type=ViewType.ACTIVE_ONLY))
    names = {run.info.run_id: run.info.run_name for run in found}
    models = list(client.search_logged_models([place.experiment_id]))
    model_names = {model.model_id: model.name for model in models}
    runs = {}
    for one in found:
        run = client.get_run(one.info.run_id)
        runs[run.info.run_name] = {
            "status": run.info.status,
            "times": (run.info.start_time, run.info.end_time),
            "params": run.data.params,
            "tags": {
                key: value
                for key, value in run.data.tags.items()
                if not key.startswith(("mlpi.", "mlflow.parentRunId"))
            },
            "parent": names.get(run.data.tags.get("mlflow.parentRunId", "")),
            "metrics": {
                key: sorted(
                    (m.step, m.timestamp, repr(m.value))
                    for m in client.get_metric_history(run.info.run_id, key)
                )
                for key in run.data.metrics
            },
            "datasets": [
                (d.dataset.name, d.dataset.digest, d.dataset.source, d.dataset.schema)
                for d in run.inputs.dataset_inputs
            ],
            "used": [model_names[m.model_id] for m in run.inputs.model_inputs],
            "made": [(model_names[m.model_id], m.step) for m in run.outputs.model_outputs],
            "files": files(client, run.info.run_id),
        }
    (registered,) = [
        m for m in client.search_registered_models() if m.name == f"{prefix}-baum"
    ]
    versions = sorted(
        client.search_model_versions(f"name = '{prefix}-baum'"), key=lambda v: int(v.version)
    )
    return {
        "note": place.tags["mlflow.note.content"],
        "runs": runs,
        "models": [
            (m.name, m.tags["art"], m.params, m.model_type, str(m.status), names[m.source_run_id])
            + tuple((x.key, x.value, x.step, names[x.run_id]) for x in m.metrics)
            + tuple(f.path for f in client.list_logged_model_artifacts(m.model_id))
            for m in models
        ],
        "registered": (registered.description, registered.tags["team"]),
        "versions": [
            (v.description or "", v.tags.get("k"), names[v.run_id], bool(v.model_id))
            for v in versions
        ],
        "aliases": {
            alias: [str(v.version) for v in versions].index(str(number))
            for alias, number in client.get_registered_model(f"{prefix}-baum").aliases.items()
        },
    }


def files(client: MlflowClient, run_id: str, path: str | None = None) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for entry in client.list_artifacts(run_id, path):
        if entry.is_dir:
            found |= files(client, run_id, entry.path)
        else:
            found[entry.path] = Path(client.download_artifacts(run_id, entry.path)).read_bytes()
    return found


def transfer(
    service: Service, *arguments: str, role: str = "editor", user: str = "eve"
) -> subprocess.CompletedProcess[str]:
    env = {"MLPI_TOKEN": service.token(user, "lab", role), "MLPI_URL": service.url}
    return mlpi("tracking", *arguments, env=env, check=False)


@pytest.fixture
def here(service: Service, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", service.token("ana", "lab"))
    return opened(service.url)


@pytest.fixture(params=["mlruns", "mlflow.db"])
def source(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, str]]:
    """(what to give to import, prefix of the names in it)."""
    (tmp_path / "scratch").mkdir()
    folder = tmp_path / "old"
    kind = str(request.param)
    uri = str(folder / "mlruns")
    if kind == "mlflow.db":
        folder.mkdir()
        uri = f"sqlite:///{folder / kind}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    client = opened(uri)
    prefix = kind.replace(".", "-")
    fill(client, folder / "files" / "1", prefix, tmp_path / "scratch")
    closed(client)
    yield str(folder / kind), prefix


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_everything_comes_along_and_only_once(
    service: Service, here: MlflowClient, source: tuple[str, str]
) -> None:
    given, prefix = source
    before = snapshot(Path(given).parent)
    done = transfer(service, "import", given)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert f"{prefix}-größe: 3 runs copied, 1 deleted ones left out" in done.stdout
    assert "version 3 is version 2 here" in done.stdout
    assert snapshot(Path(given).parent) == before

    client = opened(given if prefix == "mlruns" else f"sqlite:///{given}")
    original = state(client, prefix)
    closed(client)
    copied = state(here, prefix)
    assert len(copied["runs"]["eltern ☂"]["metrics"]["loss"]) == POINTS
    assert copied["runs"]["eltern ☂"]["files"].keys() == {
        "deep/er/größe 1.txt",
        "deep/big.bin",
        "top.txt",
    }
    assert copied == original
    assert len(copied["models"][0]) == 8  # its metric and its file among them

    again = transfer(service, "import", given)
    assert again.returncode == 0
    assert "0 runs copied, 3 here already, 1 deleted ones left out, 0 points, 0 files" in again.stdout
    assert state(here, prefix) == original


