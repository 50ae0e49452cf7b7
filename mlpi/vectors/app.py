"""Chroma's HTTP API as a room of the house: the service moves bytes, the engine thinks."""

from __future__ import annotations

import time
from typing import Any

from starlette.types import Receive, Scope, Send

from mlpi.auth.roles import Principal
from mlpi.errors import MlpiError
from mlpi.vectors.frames import as_json
from mlpi.vectors.host import Engine
from mlpi.vectors.names import TENANT, shown

PREFIX = "/api/v2"
MAX_BODY = 40 * 2**20  # bytes, as upstream's server has it
MAX_BATCH = 5461  # records a client sends at once, as upstream's server answers it
VERSION = "1.0.0"  # of the API, as upstream's server answers it
_TRACE = (b"chroma-trace-id", b"0" * 32)
_TOO_LARGE = {
    "error": "ChromaError",
    "message": "Failed to buffer the request body: length limit exceeded",
}
_GONE = {"error": "Unimplemented", "message": "The v1 API is deprecated. Please use /v2 apis"}


class ChromaApp:
    """Answers from memory what needs no vectors; asks the engine for the rest."""

    def __init__(self, engine: Engine, *, may_reset: bool) -> None:
        self._engine = engine
        self._may_reset = may_reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, body = await self._answer(scope, receive)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        if status >= 400:
            headers.append(_TRACE)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        path: str = scope["path"]
        if not f"{path}/".startswith(PREFIX + "/"):
            return 410, as_json(_GONE)
        inner = path[len(PREFIX) :] or "/heartbeat"
        if inner == "/reset" and not self._may_reset:
            return 403, as_json({"error": "ChromaError", "message": "Reset is disabled by config"})
        known = self._from_memory(scope["method"], inner, scope["user"])
        if known is not None:
            return 200, as_json(known)
        body = await _read(receive)
        if body is None:
            return 413, as_json(_TOO_LARGE)
        head = {
            "method": "GET" if scope["method"] == "HEAD" else scope["method"],
            "path": inner,
            "query": scope["query_string"].decode("latin-1"),
            "content_type": _header(scope, b"content-type"),
            "workspace": scope["workspace"],
            "database": _database_in(inner),
        }
        if inner.endswith("/databases"):
            head["workspaces"] = sorted(scope["user"].roles)
        try:
            frame = await self._engine.ask(head, body)
        except MlpiError as error:
            return error.status, as_json({"error": "InternalError", "message": error.line()})
        return frame.head["status"], frame.body

    @staticmethod
    def _from_memory(method: str, inner: str, user: Principal | None) -> Any:
        if method not in ("GET", "HEAD"):
            return None
        if inner == "/heartbeat":
            return {"nanosecond heartbeat": time.time_ns()}
        if inner == "/version":
            return VERSION
        if inner == "/healthcheck":
            return {"is_executor_ready": True, "is_log_client_ready": True}
        if inner == "/pre-flight-checks":
            return {"max_batch_size": MAX_BATCH, "supports_base64_encoding": True}
        if user is None:
            return None
        if inner == "/auth/identity":
            databases = [shown(workspace) for workspace in sorted(user.roles)]
            return {"user_id": user.name, "tenant": TENANT, "databases": databases}
        return None


def _database_in(inner: str) -> str:
    """The database's name as the client wrote it."""
    parts = inner.split("/")
    return parts[4] if len(parts) > 4 and parts[3] == "databases" else ""


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


async def _read(receive: Receive) -> bytes | None:
    """The body, or None when it is too large; what is left of it is read and thrown away."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY:
            parts.append(part)
        else:
            parts.clear()
        if not message.get("more_body"):
            break
    return b"".join(parts) if size <= MAX_BODY else None
