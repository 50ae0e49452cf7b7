"""The editor's surfaces on a page of their own, served with the house's content security policy."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import uvicorn
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlpi.auth.headers import OWN_CSP
from mlpi.paths import STATIC
from tests.service import free_port, until

HERE = Path(__file__).parent
_VISITS = itertools.count(1)

COLOURS = {"Car": "#d6336c", "Sky": "#1c7ed6", "Roof": "#f59f00"}


def control(tag: str, name: str, *labels: str) -> dict[str, Any]:
    """A control as the editor describes it to a surface."""
    return {
        "name": name,
        "tag": tag,
        "type": tag.lower(),
        "attributes": {},
        "labels": [
            {"key": one, "value": one, "background": COLOURS.get(one, "#1d5fa8")} for one in labels
        ],
    }


@dataclass
class Surfaces:
    """Where the page is served."""

    url: str
    media: Path

    def page(self, tag: str, value: Any, controls: list[dict[str, Any]], **more: Any) -> str:
        """The address of a page with one surface."""
        spec = {"tag": tag, "value": value, "controls": controls, **more}
        # In the fragment, which may be long; the number makes each visit a page of its own.
        return f"{self.url}/?{next(_VISITS)}#{quote(json.dumps(spec))}"


def _with_policy(app: ASGIApp) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"content-security-policy", OWN_CSP.encode()))
            await send(message)

        await app(scope, receive, sent)

    return wrapped


@contextmanager
def serve_surfaces(media: Path) -> Iterator[Surfaces]:
    """Serves the page, the product's static files and what lies in media."""
    routes = [
        Route("/", lambda request: FileResponse(HERE / "surfaces_harness.html")),
        Mount("/harness", StaticFiles(directory=HERE)),
        Mount("/static", StaticFiles(directory=STATIC)),
        Mount("/media", StaticFiles(directory=media)),
    ]
    port = free_port()
    app = _with_policy(Starlette(routes=routes))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield Surfaces(f"http://127.0.0.1:{port}", media)
    finally:
        server.should_exit = True
        thread.join()
