"""The editor's surfaces on a page of their own, served with the house's content security policy."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import uvicorn
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlpi.auth.headers import OWN_CSP
from mlpi.paths import STATIC
from tests.browser.conftest import Watched
from tests.service import Service, free_port, until

HERE = Path(__file__).parent
_VISITS = itertools.count(1)

PATIENCE_MS = 60_000
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


Open = Callable[..., Page]


@contextmanager
def pages_of(browser: Browser, surfaces: Surfaces) -> Iterator[Open]:
    """Opens surfaces, each on a page of its own; fails when one of them did something wrong."""
    opened: list[Watched] = []

    def open_one(
        tag: str,
        usual: list[dict[str, Any]],
        value: Any,
        controls: list[dict[str, Any]] | None = None,
        options: dict[str, Any] | None = None,
        is_whole: bool = True,
        **spec: Any,
    ) -> Page:
        """options: the browser context's; is_whole: wait until what is shown has come."""
        size = {"viewport": {"width": 1280, "height": 800}}
        context = browser.new_context(**{**size, **(options or {})})
        opened.append(Watched(context, cast(Service, surfaces)))
        page = opened[-1].page()
        page.goto(surfaces.page(tag, value, controls or usual, **spec))
        if is_whole:
            expect(page.locator(".easel")).to_have_attribute(
                "data-ready", "true", timeout=PATIENCE_MS
            )
        return page

    try:
        yield open_one
    finally:
        for one in opened:
            one.context.close()
    assert not [wrong for one in opened for wrong in one.wrong]
