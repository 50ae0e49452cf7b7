"""Addresses with and without a slash at their end, which are the same to Label Studio."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

_TRIED = "mlpi.other_slash"


def forgive_slashes(app: FastAPI) -> None:
    """What no route answers is asked for once more with the slash that it lacks, or without."""
    not_there = app.router.default

    async def other(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if scope["type"] != "http" or scope.get(_TRIED) or len(path) < 2:
            await not_there(scope, receive, send)
            return
        turned = path[:-1] if path.endswith("/") else path + "/"
        again = {**scope, "path": turned, "raw_path": turned.encode(), _TRIED: True}
        await app.router(again, receive, send)

    app.router.default = other
