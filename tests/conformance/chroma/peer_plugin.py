"""A pytest plugin for the tests in chromadb's wheel: their clients meet mlpi or `chroma run`.

Loaded with `-p` by upstream.py. Upstream's own fixtures for a server that somebody else has
started do the rest: CHROMA_INTEGRATION_TEST_ONLY chooses them, and their settings come from the
environment, token included. Each test process has a server of its own, for upstream's tests
reset it.

The model of the default embedding function would be downloaded; other vectors of its dimension,
made from each text by itself, take its place for both peers.

Tests that ask no server are left out, and so are those that start the Python server, which the
wheel still ships and which does not import here; its module is replaced by an empty one.

Databases are workspaces, which an admin makes and whose names hold no underscore. So where a test
of upstream creates a database, the plugin makes a workspace on the admin's page, turns each `_` of
its name into `-` on the way there and back, and goes into it with the admin's session, a token
being for one workspace. A reset empties every workspace made since the last one.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import types
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

RESULTS = os.environ.get("CONFORMANCE_RESULTS")
EXAMPLES = int(os.environ.get("CONFORMANCE_EXAMPLES", "0"))  # of a property; 0: upstream's count
_SERVED = {"integration", "async_integration", "multimodal_collection"}
_DATABASES = "/api/v2/tenants/default_tenant/databases"
_HERE = ExitStack()

# At once: upstream's conftest is imported before any hook of ours runs.
sys.modules["chromadb.server.fastapi"] = types.ModuleType("chromadb.server.fastapi")
# Upstream's conftest appends to ids in a way that pytest no longer has; ids stay as they are.
pytest.Item._nodeid = property(lambda self: self.nodeid, lambda self, _: None)  # type: ignore[attr-defined]


def _fewer_examples() -> None:
    """Make upstream's settings smaller ones, before its modules are read and fix them."""
    import hypothesis

    real = hypothesis.settings.__init__

    def smaller(self: Any, *given: Any, **options: Any) -> None:
        options["max_examples"] = min(EXAMPLES, options.get("max_examples") or EXAMPLES)
        options["stateful_step_count"] = min(20, options.get("stateful_step_count") or 20)
        real(self, *given, **options)

    hypothesis.settings.__init__ = smaller  # type: ignore[method-assign]


if EXAMPLES:
    _fewer_examples()


def _without_a_download() -> None:
    import numpy as np
    from chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2 import ONNXMiniLM_L6_V2

    def embed(_: Any, input: Any) -> Any:  # noqa: A002 - upstream's name
        dice = [random.Random(text) for text in input]
        return [np.array([one.gauss() for _ in range(384)], np.float32) for one in dice]

    ONNXMiniLM_L6_V2.__call__ = embed  # type: ignore[method-assign,assignment]


def pytest_configure(config: pytest.Config) -> None:
    """Start the peer, unless this process only hands tests out to others."""
    _without_a_download()
    if getattr(config.option, "numprocesses", None) and "PYTEST_XDIST_WORKER" not in os.environ:
        return
    from tests.conformance.chroma.peers import PEERS

    folder = _HERE.enter_context(tempfile.TemporaryDirectory(prefix="conformance-"))
    peer = _HERE.enter_context(PEERS[os.environ["CONFORMANCE_PEER"]](Path(folder)))
    os.environ |= {
        "CHROMA_SERVER_HOST": "127.0.0.1",
        "CHROMA_SERVER_HTTP_PORT": str(peer.port),
    }
    if peer.headers:
        # Not by Chroma's settings for tokens, which its asynchronous client does not read.
        os.environ["CHROMA_SERVER_HEADERS"] = json.dumps(dict(peer.headers))
        admin = peer.session()
        _HERE.callback(admin.close)
        workspaces = Workspaces(admin, peer.port)
        send, asend = httpx.Client.send, httpx.AsyncClient.send

        def sending(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
            if self is workspaces.admin:
                return send(self, request, **options)
            known = workspaces.before(request)
            return known or workspaces.after(request, send(self, request, **options))

        async def asending(
            self: httpx.AsyncClient, request: httpx.Request, **options: Any
        ) -> httpx.Response:
            known = workspaces.before(request)
            return known or workspaces.after(request, await asend(self, request, **options))

        httpx.Client.send = sending  # type: ignore[method-assign]
        httpx.AsyncClient.send = asending  # type: ignore[method-assign]


def pytest_unconfigure() -> None:
    _HERE.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what asks a server."""
    kept: list[pytest.Item] = []
    gone: list[pytest.Item] = []
    for item in items:
        called = getattr(item, "callspec", None)
        values = set(called.params.values()) if called and _hashable(called.params) else set()
        is_served = bool(_SERVED & (values | set(getattr(item, "fixturenames", ()))))
        (kept if is_served else gone).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=gone)


def _hashable(params: dict[str, Any]) -> bool:
    return all(value.__hash__ for value in params.values())


class Workspaces:
    """Databases that tests make, as workspaces of mlpi."""

    def __init__(self, admin: httpx.Client, port: int) -> None:
        self.admin = admin
        self._port = port
        self._names: dict[str, str] = {}  # of a database: its workspace, since the last reset
        self._made: set[str] = set()

    def before(self, request: httpx.Request) -> httpx.Response | None:
        """Turn a request to mlpi into what it takes; the answer, where that is known already."""
        url = request.url
        if url.port != self._port:
            return None
        if request.method == "POST" and url.path == _DATABASES:
            return self._make(request)
        if request.method == "POST" and url.path == "/api/v2/reset":
            for workspace in self._names.values():
                params = {"workspace": workspace}
                self.admin.post("/api/v2/reset", params=params).raise_for_status()
            self._names.clear()
        name = self._database_of(request)
        if name in self._names:
            path = url.path.replace(f"{_DATABASES}/{name}", f"{_DATABASES}/{self._names[name]}", 1)
            request.url = url.copy_with(path=path)
            request.headers.pop("x-chroma-token", None)
            cookies = "; ".join(f"{key}={value}" for key, value in self.admin.cookies.items())
            request.headers["cookie"] = cookies
            request.extensions["database"] = name
        return None

    def after(self, request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        """Give a database its own name back."""
        name = request.extensions.get("database")
        if name is None:
            return answer
        body = answer.text.replace(f'"{self._names[name]}"', json.dumps(name))
        headers = {
            key: value
            for key, value in answer.headers.items()
            if key.startswith(("cont", "chroma"))
        }
        del headers["content-length"]
        headers.pop("content-encoding", None)
        return httpx.Response(
            answer.status_code, headers=headers, content=body.encode(), request=request
        )

    def _make(self, request: httpx.Request) -> httpx.Response | None:
        name = json.loads(request.read())["name"]
        workspace = name.replace("_", "-")
        if name in self._names:
            return None
        if workspace not in self._made:
            form = {"name": workspace}
            if self.admin.post("/settings/workspaces", data=form).status_code != 303:
                return None
            self._made.add(workspace)
        self._names[name] = workspace
        return httpx.Response(200, json={}, request=request)

    def _database_of(self, request: httpx.Request) -> str:
        path = request.url.path
        return unquote(path.removeprefix(_DATABASES + "/").split("/")[0])


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One line per phase that says something, in the process that collects the reports."""
    if RESULTS is None or os.environ.get("PYTEST_XDIST_WORKER"):
        return
    if report.when != "call" and report.outcome == "passed":
        return
    crash = getattr(report.longrepr, "reprcrash", None)
    reason = str(crash.message if crash else report.longrepr or "")
    line = {
        "id": report.nodeid,
        "when": report.when,
        "outcome": report.outcome,
        "reason": " ".join(reason.split())[:400],
        "seconds": round(report.duration, 2),
    }
    with Path(RESULTS).open("a") as file:
        file.write(json.dumps(line) + "\n")
