"""The fast lane in a real service: kill -9, its neighbours' turns, workspaces, PostgreSQL."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import mlflow
import pytest
import requests
from mlflow.tracking import fluent

from mlpi.tracking.fastlane import requests as plain
from tests.postgres import Postgres
from tests.service import Service, running_service

RUNS = "/api/2.0/mlflow/runs"
CLIENTS = 6


def new_run(http: httpx.Client, experiment: str) -> str:
    """The id of a new run in a new experiment."""
    made = http.post("/api/2.0/mlflow/experiments/create", json={"name": experiment}).json()
    wish = {"experiment_id": made["experiment_id"], "run_name": "r", "start_time": 1}
    return str(http.post(f"{RUNS}/create", json=wish).json()["run"]["info"]["run_id"])


def metric(run_id: str, key: str, step: int) -> dict[str, object]:
    return {"run_id": run_id, "key": key, "value": step / 7, "timestamp": step, "step": step}


class Load:
    """Clients that log without a pause and remember what was acknowledged."""

    def __init__(self, service: Service, token: str, run_id: str) -> None:
        self._service = service
        self._token = token
        self._run_id = run_id
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._steps = iter(range(10**9))
        self._counting = threading.Condition()
        self.acknowledged: set[tuple[str, int]] = set()
        self.refused: list[str] = []

    def start(self) -> None:
        self._stop.clear()
        self._jobs = [self._pool.submit(self._log, f"client-{n}") for n in range(CLIENTS)]

    def wait_for(self, more: int) -> None:
        """Until so many more are acknowledged."""
        with self._counting:
            goal = len(self.acknowledged) + more
            assert self._counting.wait_for(lambda: len(self.acknowledged) >= goal, timeout=60)

    def stop(self) -> None:
        self._stop.set()
        for job in self._jobs:
            job.result(timeout=60)

    def close(self) -> None:
        self._stop.set()
        self._pool.shutdown()

    def _log(self, key: str) -> None:
        with self._service.client(self._token) as http:
            while not self._stop.is_set():
                step = next(self._steps)
                try:
                    answer = http.post(f"{RUNS}/log-metric", json=metric(self._run_id, key, step))
                except httpx.TransportError:
                    return  # killed
                with self._counting:
                    if answer.status_code == 200:
                        self.acknowledged.add((key, step))
                    else:
                        self.refused.append(answer.text)
                    self._counting.notify_all()


@pytest.mark.slow
@pytest.mark.timeout(300)  # four starts of the service
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        service.wait_ready()
        service.add_user("root")
        token = service.token("root", "default")
        with service.client(token) as http:
            run_id = new_run(http, "killed")
        load = Load(service, token, run_id)
        try:
            for _ in range(3):
                load.start()
                load.wait_for(150)
                service.stop(signal.SIGKILL)
                load.stop()
                service.start()
                service.wait_ready()
        finally:
            load.close()
        db = sqlite3.connect(service.home / "mlflow" / "mlflow.db")
        written = set(db.execute("SELECT key, step FROM metrics WHERE run_uuid = ?", (run_id,)))
        latest = dict(
            db.execute("SELECT key, step FROM latest_metrics WHERE run_uuid = ?", (run_id,))
        )
        check = db.execute("PRAGMA integrity_check").fetchall()
        db.close()
    assert len(load.acknowledged) >= 450
    assert load.acknowledged <= written
    assert latest == {key: max(s for k, s in written if k == key) for key, _ in written}
    assert check == [("ok",)]
    assert load.refused == []


def test_stock_gets_its_turn_to_write_beside_a_busy_lane(service: Service) -> None:
    token = service.token("ana", "lab")
    with service.client(token) as http:
        run_id = new_run(http, "busy-lane")
        load = Load(service, token, run_id)
        try:
            load.start()
            for number in range(20):
                load.wait_for(1)
                wish = {"name": f"beside-{number}"}
                answer = http.post("/api/2.0/mlflow/experiments/create", json=wish)
                assert answer.status_code == 200, answer.text
            load.stop()
        finally:
            load.close()
    assert load.refused == []


def test_a_run_of_another_workspace_is_not_found(service: Service) -> None:
    with service.client(service.token("ana", "lab")) as ana:
        run_id = new_run(ana, "lane-secret")
    wishes: tuple[tuple[str, Callable[[], dict[str, object]]], ...] = (
        ("log-metric", lambda: metric(run_id, "m", 1)),
        ("log-batch", lambda: {"run_id": run_id, "tags": [{"key": "a", "value": "b"}]}),
        ("log-parameter", lambda: {"run_id": run_id, "key": "a", "value": "b"}),
        ("set-tag", lambda: {"run_id": run_id, "key": "a", "value": "b"}),
        ("update", lambda: {"run_id": run_id, "status": "FAILED"}),
    )
    with service.client(service.token("otto", "other")) as otto:
        for action, body in wishes:
            answer = otto.post(f"{RUNS}/{action}", json=body())
            assert answer.status_code == 404, action
            assert answer.json()["message"] == f"Run with id={run_id} not found"
    with service.client(service.token("vic", "lab")) as vic:
        for action, body in wishes:
            assert vic.post(f"{RUNS}/{action}", json=body()).status_code == 403
        found = vic.get(f"{RUNS}/get", params={"run_id": run_id}).json()["run"]
    assert found["info"]["status"] == "RUNNING"
    assert "metrics" not in found["data"]
    assert "params" not in found["data"]


def test_what_mlflows_client_sends_is_plain(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it not, every request of every client would take the slow way round."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", service.token("ana", "lab"))
    seen: dict[str, list[bytes]] = {}
    send = requests.Session.send

    def sending(self: requests.Session, request: Any, **options: Any) -> Any:
        seen.setdefault(request.path_url.rpartition("/runs/")[2], []).append(request.body)
        return send(self, request, **options)

    monkeypatch.setattr(requests.Session, "send", sending)
    mlflow.set_tracking_uri(service.url)
    try:
        mlflow.set_experiment("lane-client")
        with mlflow.start_run(run_name="first") as run:
            mlflow.log_metric("loss", 0.5)
            mlflow.log_metric("loss", float("nan"), step=3)
            mlflow.log_metrics({"a": 1, "b": float("inf")}, step=2)
            mlflow.log_param("depth", 8)
            mlflow.log_params({"lr": 0.1, "kind": "mlp"})
            mlflow.set_tag("stage", "draft")
            mlflow.set_tags({"a": 1, "b": "ß"})
            model = mlflow.create_external_model(name="m")
            mlflow.log_metric("score", 0.9, model_id=model.model_id)
        client = mlflow.MlflowClient()
        client.log_batch(run.info.run_id, [mlflow.entities.Metric("c", 1.0, 1, 1)])
        client.update_run(run.info.run_id, "FAILED", "second")
    finally:
        fluent._active_experiment_id = None
        mlflow.set_tracking_uri(None)
    assert set(plain.ACTIONS) <= set(seen)
    for action in plain.ACTIONS:
        for body in seen[action]:
            assert plain.parse(action, body) is not None, (action, body)


@pytest.mark.parametrize("api", ["api", "ajax-api", "mlflow/api", "mlflow/ajax-api"])
def test_every_form_of_the_address_writes(service: Service, api: str) -> None:
    with service.client(service.token("ana", "lab")) as http:
        run_id = new_run(http, f"forms-{api}")
        answer = http.post(f"/{api}/2.0/mlflow/runs/log-metric", json=metric(run_id, "m", 3))
        assert (answer.status_code, answer.text) == (200, "{}")
        found = http.get(f"{RUNS}/get", params={"run_id": run_id}).json()["run"]["data"]
    assert [one["step"] for one in found["metrics"]] == [3]


@pytest.mark.postgres
def test_on_postgresql_it_steps_aside_and_readyz_says_so(
    tmp_path: Path, postgres: Postgres
) -> None:
    env = {"MLPI_MLFLOW_DATABASE_URL": postgres.new_database()}
    with running_service(tmp_path, env=env) as service:
        service.wait_ready()
        service.add_user("root")
        with service.client(service.token("root", "default")) as http:
            tracking = http.get("/readyz").json()["components"]["tracking"]
            answer = http.post(f"{RUNS}/log-metric", json=metric(new_run(http, "p"), "m", 1))
    assert tracking["state"] == "ready"
    assert tracking["detail"].startswith("The fast lane is off")
    assert answer.status_code == 200
