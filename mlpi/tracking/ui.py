"""MLflow's own UI under /mlflow/: its files from disk, compressed, without importing MLflow."""

from __future__ import annotations

from html import escape
from importlib.util import find_spec
from pathlib import Path

import anyio.to_thread
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from mlpi.web.assets import Assets
from mlpi.web.render import asset

HEAD = """<script src="{script}" data-workspace="{workspace}"></script>\
<link rel="stylesheet" href="{style}">"""
BACK = """<a class="mlpi-back" href="/tracking" title="Back to mlpi">ml<i>pi</i></a>"""


def build_folder() -> Path:
    """Where MLflow's built UI lies."""
    spec = find_spec("mlflow")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "server" / "js" / "build"


class MlflowUi:
    """The page and its assets. The page opens in our workspace and carries a way back to mlpi."""

    def __init__(self, cache: Path) -> None:
        self._folder = build_folder()
        self._assets = Assets(self._folder, cache=cache, always_immutable=True)
        self._page: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == "/":
            if self._page is None:
                self._page = await anyio.to_thread.run_sync(self._read_page)
            head = HEAD.format(
                script=asset("js/embed.js"),
                style=asset("css/embed.css"),
                workspace=escape(scope["workspace"] or ""),
            )
            page = self._page.replace("</head>", head + "</head>", 1)
            response: Response = HTMLResponse(page, headers={"Cache-Control": "no-cache"})
        else:
            name = path.removeprefix("/static-files/")
            response = await self._assets.get_response(name, scope)
        await response(scope, receive, send)

    def _read_page(self) -> str:
        page = (self._folder / "index.html").read_text("utf-8")
        return page.replace("</body>", BACK + "</body>")
