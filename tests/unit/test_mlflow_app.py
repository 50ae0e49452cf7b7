"""Waiting for MLflow, and failing without taking the house along."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.types import ASGIApp

from mlpi.app import create_app
from mlpi.component import State
from mlpi.house import House
from mlpi.settings import Settings
from mlpi.tracking.mlflow_app import MlflowApp

OWNER = "ana"


@pytest.fixture
def prepared(tmp_path: Path) -> Any:
    from mlpi.auth.audit import Actor

    house = House.build(Settings(home=tmp_path, mlflow_wait_s=0.05))
    house.open()
    house.users.set_up(OWNER, "long enough", actor=Actor("test"))
    yield house
    house.close()


def ask(app: ASGIApp, house: House, method: str, path: str) -> tuple[int, dict[str, str], Any]:
    """One request with a token, answered without any server or lifespan."""
    from mlpi.auth.audit import Actor

    _, secret = house.tokens.add(OWNER, "default", actor=Actor("test"))
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "scheme": "http",
        "headers": [(b"host", b"x"), (b"authorization", f"Bearer {secret}".encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 1),
    }
    anyio.run(app, scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, json.loads(b"".join(m.get("body", b"") for m in sent))


@pytest.mark.parametrize(
    "path", ["/api/2.0/mlflow/experiments/get", "/gateway/mlflow/v1/models", "/mlflow/get-artifact"]
)
def test_a_request_during_warm_up_waits_and_then_is_told_to_come_back(
    prepared: House, path: str
) -> None:
    status, headers, body = ask(create_app(prepared), prepared, "GET", path)
    assert status == 503
    assert int(headers["retry-after"]) > 0
    assert body["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert "still being loaded" in body["message"]


def test_a_request_waits_until_it_is_there(prepared: House) -> None:
    mlflow = MlflowApp(prepared.settings, prepared.identity, prepared.workspaces)

    async def scene() -> str:
        async def soon() -> None:
            await anyio.sleep(0.001)
            mlflow._app = "an app"  # type: ignore[assignment]
            mlflow._settled.set()

        async with anyio.create_task_group() as group:
            group.start_soon(soon)
            return str(await mlflow._ready())

    assert anyio.run(scene) == "an app"


def test_a_failure_is_said_at_once_and_shown_in_health(
    prepared: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Callable[..., Any]:
        raise ImportError("no module named\nmlflow.something")

    monkeypatch.setattr("mlpi.tracking.mlflow_app._lean_app", broken)
    monkeypatch.setattr("mlpi.tracking.environment.prepare", lambda _: None)
    mlflow = MlflowApp(prepared.settings, prepared.identity, prepared.workspaces)

    async def scene() -> None:
        mlflow.start()
        await mlflow._settled.wait()
        await mlflow.stop()

    assert mlflow.health().state is State.STARTING
    anyio.run(scene)
    health = mlflow.health()
    assert health.state is State.FAILED
    assert health.detail == "no module named mlflow.something"
    with pytest.raises(Exception, match="could not be started: no module named"):
        anyio.run(mlflow._ready)
