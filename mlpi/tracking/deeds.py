"""Writing to MLflow from our pages: through its own REST handlers, so that its rules hold.

Each deed leaves a row in the audit trail once MLflow has done it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import anyio.to_thread
from starlette.types import ASGIApp, Message, Scope

from mlpi.auth.audit import Actor, Audit
from mlpi.db import Database
from mlpi.errors import Conflict, Forbidden, Invalid, MlpiError, NotFound

MAX_RUNS = 500  # in one deed; each is a request to MLflow
_ERRORS: Mapping[str, type[MlpiError]] = {
    "RESOURCE_DOES_NOT_EXIST": NotFound,
    "RESOURCE_ALREADY_EXISTS": Conflict,
    "PERMISSION_DENIED": Forbidden,
}


class Deeds:
    """What editors and owners do to experiments and runs."""

    def __init__(self, mlflow: ASGIApp, db: Database, audit: Audit) -> None:
        self._mlflow = mlflow
        self._db = db
        self._audit = audit

    async def create_experiment(self, workspace: str, name: str, *, actor: Actor) -> str:
        """Its id. Raises Invalid, Conflict."""
        made = await self.ask(workspace, "experiments/create", {"name": _name(name)})
        await self.record(actor, "experiment_created", [name], workspace)
        return str(made["experiment_id"])

    async def rename_experiment(
        self, workspace: str, experiment_id: str, name: str, *, actor: Actor
    ) -> None:
        """Raises Invalid, Conflict, NotFound."""
        body = {"experiment_id": experiment_id, "new_name": _name(name)}
        await self.ask(workspace, "experiments/update", body)
        await self.record(
            actor, "experiment_renamed", [f"{experiment_id} to {body['new_name']}"], workspace
        )

    async def tag_experiment(
        self, workspace: str, experiment_id: str, key: str, value: str, *, actor: Actor
    ) -> None:
        """Set a tag. Raises Invalid, NotFound."""
        body = {"experiment_id": experiment_id, "key": _key(key), "value": value}
        await self.ask(workspace, "experiments/set-experiment-tag", body)
        await self.record(actor, "experiment_tagged", [f"{experiment_id}: {key}"], workspace)

    async def untag_experiment(
        self, workspace: str, experiment_id: str, key: str, *, actor: Actor
    ) -> None:
        """Remove a tag. Raises NotFound."""
        body = {"experiment_id": experiment_id, "key": key}
        await self.ask(workspace, "experiments/delete-experiment-tag", body)
        await self.record(actor, "experiment_untagged", [f"{experiment_id}: {key}"], workspace)

    async def delete_experiment(self, workspace: str, experiment_id: str, *, actor: Actor) -> None:
        """As MLflow deletes: it and its runs are hidden, and can be restored. Raises NotFound."""
        await self.ask(workspace, "experiments/delete", {"experiment_id": experiment_id})
        await self.record(actor, "experiment_deleted", [experiment_id], workspace)

    async def restore_experiment(self, workspace: str, experiment_id: str, *, actor: Actor) -> None:
        """Raises NotFound, Invalid."""
        await self.ask(workspace, "experiments/restore", {"experiment_id": experiment_id})
        await self.record(actor, "experiment_restored", [experiment_id], workspace)

    async def tag_runs(
        self, workspace: str, run_ids: Sequence[str], key: str, value: str, *, actor: Actor
    ) -> None:
        """Set a tag of many runs. Raises Invalid, NotFound."""
        tag = {"key": _key(key), "value": value}
        await self._each(workspace, run_ids, "runs/set-tag", tag, actor, "run_tagged")

    async def untag_run(self, workspace: str, run_id: str, key: str, *, actor: Actor) -> None:
        """Remove a tag of a run. Raises NotFound, Invalid."""
        await self.ask(workspace, "runs/delete-tag", {"run_id": run_id, "key": _key(key)})
        await self.record(actor, "run_untagged", [f"{run_id}: {key}"], workspace)

    async def rename_run(self, workspace: str, run_id: str, name: str, *, actor: Actor) -> None:
        """Raises Invalid, NotFound."""
        name = name.strip()
        if not name or len(name) > 250:
            raise Invalid("A run needs a name of 1 to 250 characters.", field="name")
        await self.ask(workspace, "runs/update", {"run_id": run_id, "run_name": name})
        await self.record(actor, "run_renamed", [f"{run_id} to {name}"], workspace)

    async def delete_runs(self, workspace: str, run_ids: Sequence[str], *, actor: Actor) -> None:
        """As MLflow deletes: hidden, and can be restored. Raises Invalid, NotFound."""
        await self._each(workspace, run_ids, "runs/delete", {}, actor, "run_deleted")

    async def restore_runs(self, workspace: str, run_ids: Sequence[str], *, actor: Actor) -> None:
        """Raises Invalid, NotFound."""
        await self._each(workspace, run_ids, "runs/restore", {}, actor, "run_restored")

    async def _each(
        self,
        workspace: str,
        run_ids: Sequence[str],
        path: str,
        body: Mapping[str, str],
        actor: Actor,
        action: str,
    ) -> None:
        """One request for each run; what was done before a failure is on record too."""
        if not run_ids:
            raise Invalid("No run is selected.", advice="Tick the runs first.", field="run")
        if len(run_ids) > MAX_RUNS:
            raise Invalid(
                f"These are {len(run_ids)} runs; at most {MAX_RUNS} can be changed at once.",
                field="run",
            )
        key = f": {body['key']}" if body else ""
        done: list[str] = []
        try:
            for run_id in run_ids:
                await self.ask(workspace, path, {"run_id": run_id, **body})
                done.append(run_id + key)
        finally:
            await self.record(actor, action, done, workspace)

    async def ask(
        self,
        workspace: str,
        path: str,
        body: Mapping[str, Any],
        method: str = "POST",
        *,
        version: str = "2.0",
    ) -> dict[str, Any]:
        """MLflow's answer to a request with a body. Raises what its error is called here."""
        scope = _scope(workspace, f"/api/{version}/mlflow/{path}", method)
        status, answer = await _called(self._mlflow, scope, json.dumps(body).encode())
        try:
            found: dict[str, Any] = json.loads(answer or b"{}")
        except ValueError:
            found = {}
        if status >= 400:
            code = str(found.get("error_code", ""))
            kind = _ERRORS.get(code, Invalid if status < 500 else MlpiError)
            raise kind(str(found.get("message") or f"MLflow answered {status}."))
        return found

    async def fetch(self, workspace: str, path: str, query: Mapping[str, str]) -> bytes | None:
        """What MLflow's UI would get at a path under /ajax-api/; None when it refuses."""
        scope = _scope(workspace, f"/ajax-api/{path}", "GET", urlencode(query))
        status, answer = await _called(self._mlflow, scope, b"")
        return answer if status < 400 else None

    async def record(
        self, actor: Actor, action: str, targets: Sequence[str], workspace: str
    ) -> None:
        """Put what was done in the audit trail."""

        def write() -> None:
            with self._db.write() as session:
                for target in targets:
                    self._audit.record(session, actor, action, target, workspace)

        await anyio.to_thread.run_sync(write)


def _name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 500:
        raise Invalid("An experiment needs a name of 1 to 500 characters.", field="name")
    return name


def _key(key: str) -> str:
    key = key.strip()
    if not key:
        raise Invalid("A tag needs a key.", field="key")
    return key


def _scope(workspace: str, path: str, method: str = "POST", query: str = "") -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/json"),
            (b"x-mlflow-workspace", workspace.encode()),
        ],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
        "workspace": workspace,
    }


async def _called(app: ASGIApp, scope: Scope, body: bytes) -> tuple[int, bytes]:
    """Status and body of an app's answer."""
    scope["headers"].append((b"content-length", str(len(body)).encode()))
    asked = [{"type": "http.request", "body": body, "more_body": False}]
    status, answer = 500, b""

    async def receive() -> Message:
        return asked.pop() if asked else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal status, answer
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            answer += message.get("body", b"")

    await app(scope, receive, send)
    return status, answer
