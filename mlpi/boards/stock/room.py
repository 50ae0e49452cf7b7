"""The room of /tensorboard/: TensorBoard's page and its backend, a workspace at a time.

The page opens as /tensorboard/in/<workspace>/, and everything it asks for stands below that. So a
page stays in its workspace whatever another tab does to the session. The door has decided on that
workspace; here the scope names it, and no address, header or experiment id is asked.
"""

from __future__ import annotations

import gzip
import importlib
import logging
import re
import sys
import threading
import types
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlencode

import anyio.to_thread
from a2wsgi import WSGIMiddleware
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from mlpi.auth.table.boards import PREFIX
from mlpi.boards.library import Run
from mlpi.boards.stock.webfiles import WebFiles, package
from mlpi.errors import Invalid, MlpiError, NotFound
from mlpi.web.assets import IMMUTABLE, Assets
from mlpi.web.render import asset

MOST_APPS = 4  # workspaces whose backend is kept; another one takes a millisecond
THREADS = 4
MOST_BODY_BYTES = 4 << 20
PROJECTOR = Path("plugins/projector/tf_projector_plugin")  # in TensorBoard's package
PROJECTOR_AT = "/data/plugin/projector/projector_binary"
FONTS = "url(/font-roboto/"  # as TensorBoard asks for them, which takes the host for its own

ROOT = '<!doctype html><meta name="tb-relative-root" content="./">'  # as TensorBoard's own
HEAD = '<link rel="stylesheet" href="{style}"><script src="{script}"></script></head>'
BACK = """<a class="mlpi-back" href="/boards?workspace={workspace}" title="Back to mlpi">\
ml<i>pi</i></a></body>"""

_BELOW = re.compile(r"(/in/[^/]+)(/.*)?", re.DOTALL)
_DATA = re.compile(r"(/experiment/[^/]*)?/data/.+", re.DOTALL)

log = logging.getLogger(__name__)
Runs = Callable[[str], Sequence[Run]]


class StockUnavailable(MlpiError):
    """TensorBoard's own UI cannot be served here."""

    status = 503
    code = "TEMPORARILY_UNAVAILABLE"


class StockUi:
    """An ASGI app. Imports TensorBoard with the first question about data, in a thread."""

    def __init__(self, root: Path, runs: Runs, *, cache: Path) -> None:
        """root: the folder of all workspaces' folders; runs: a workspace's, to show now;
        cache: a folder for files that are packed once."""
        self._backends = Backends(root, runs)
        self._wsgi = WSGIMiddleware(cast(Any, self._backends), workers=THREADS)
        self._front = Front()
        self._projector = Assets(package() / PROJECTOR, cache=cache)

    @property
    def failure(self) -> str:
        """Why it cannot be served, once somebody has asked for it."""
        return self._front.failure or self._backends.failure

    def close(self) -> None:
        self._wsgi.executor.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        base, path = _split(scope["path"])
        if path == f"{PROJECTOR_AT}.html":
            response = await anyio.to_thread.run_sync(self._front.answer_projector, scope)
        elif path == f"{PROJECTOR_AT}.js":
            response = await self._projector.get_response("projector_binary.js", scope)
        elif _DATA.fullmatch(path):
            wsgi: Any = self._wsgi
            await wsgi(_for_wsgi(scope, base, path), receive, send)
            return
        elif path in ("", "/") and (not base or not path):
            response = _to_workspace(scope)
        else:
            response = await anyio.to_thread.run_sync(self._front.answer, scope, path)
        await response(scope, receive, send)


class Front:
    """The page and its files. Its calls block."""

    def __init__(self) -> None:
        self.failure = ""
        self._files: WebFiles | None = None
        self._page = ""

    def answer(self, scope: Scope, path: str) -> Response:
        """Raises NotFound, StockUnavailable."""
        name = path.removeprefix("/")
        try:
            if self._files is None:
                self._files = WebFiles(package() / "webfiles.zip")
            if path in ("/", "/index.html"):
                return self._answer_page(self._files, scope)
            if name not in self._files:
                raise NotFound
            found = self._files.read(name, takes_gzip=_takes_gzip(scope))
        except (OSError, zipfile.BadZipFile, KeyError) as error:
            self.failure = f"TensorBoard's page cannot be read: {error}"
            raise StockUnavailable(advice=self.failure) from None
        self.failure = ""
        headers = {"Vary": "Accept-Encoding", "Cache-Control": "public, max-age=300"}
        if b"_file_hash=" in scope["query_string"]:
            headers["Cache-Control"] = IMMUTABLE
        if found.encoding:
            headers["Content-Encoding"] = found.encoding
        return Response(found.data, headers=headers, media_type=found.media_type)

    def answer_projector(self, scope: Scope) -> Response:
        """The page in the projector's frame."""
        page = (package() / PROJECTOR / "projector_binary.html").read_text("utf-8")
        return _page(page, scope)

    def _answer_page(self, files: WebFiles, scope: Scope) -> Response:
        if not self._page:
            page = files.read("index.html", takes_gzip=False).data.decode()
            # From one address for all workspaces, so that it is fetched once.
            page = page.replace('src="index.js?', f'src="{PREFIX}/index.js?')
            head = HEAD.format(style=asset("css/stock.css"), script=asset("js/stock.js"))
            self._page = ROOT + page.replace("</head>", head, 1)
        page = self._page.replace("</body>", BACK.format(workspace=quote(scope["workspace"])))
        return _page(page, scope)


class Backends:
    """A WSGI app that hands each request to its workspace's own, made when first asked for."""

    def __init__(self, root: Path, runs: Runs) -> None:
        self.failure = ""
        self._root, self._runs = root, runs
        self._lock = threading.Lock()
        self._apps: OrderedDict[str, Any] = OrderedDict()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        # The scope, not the header: a client can send one that reads the same to WSGI.
        app = self._app(environ["asgi.scope"]["workspace"])
        answer: Iterable[bytes] = app(environ, start_response)
        return answer

    def _app(self, workspace: str) -> Any:
        """Raises StockUnavailable."""
        with self._lock:
            app = self._apps.pop(workspace, None) or self._made(workspace)
            self._apps[workspace] = app
            while len(self._apps) > MOST_APPS:
                self._apps.popitem(last=False)
        return app

    def _made(self, workspace: str) -> Any:
        try:
            backend = _imported()
            app = backend.wsgi_app(
                lambda: self._runs(workspace), self._root / workspace, f"{workspace}/"
            )
        except Exception as error:
            log.exception("tensorboard cannot be used", extra={"action": "stock_failed"})
            self.failure = f"TensorBoard's backend cannot be used: {error}"
            raise StockUnavailable(advice=self.failure) from None
        self.failure = ""
        return app


def _page(page: str, scope: Scope) -> Response:
    data = page.replace(FONTS, f"url({PREFIX}/font-roboto/").encode()
    headers = {"Vary": "Accept-Encoding", "Cache-Control": "no-cache"}
    if _takes_gzip(scope):
        data = gzip.compress(data, 5, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(data, headers=headers, media_type="text/html")


def _imported() -> Any:
    # TensorBoard takes a module of this name as: use no TensorFlow, even where it is installed.
    # It would cost a Pi a gigabyte, and nothing here needs it.
    name = "tensorboard.compat.notf"
    sys.modules.setdefault(name, types.ModuleType(name))
    return importlib.import_module("mlpi.boards.stock.backend")


def _split(path: str) -> tuple[str, str]:
    """What binds a path to a workspace ('' when nothing does), and the path below that."""
    if path == PREFIX:
        return "", ""
    match = _BELOW.fullmatch(path)
    return (match[1], match[2] or "") if match else ("", path)


def _to_workspace(scope: Scope) -> Response:
    """The page is opened where its workspace stands in the address; other wishes are kept."""
    kept = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    query = urlencode([(name, value) for name, value in kept if name != "workspace"])
    target = f"{PREFIX}/in/{quote(scope['workspace'])}/"
    return RedirectResponse(f"{target}?{query}" if query else target, 307)


def _for_wsgi(scope: Scope, base: str, path: str) -> Scope:
    """Raises Invalid for a body that is too large."""
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if not length.isdigit() or int(length) > MOST_BODY_BYTES:
        raise Invalid(f"A question to TensorBoard has {MOST_BODY_BYTES >> 20} MB at most.")
    # a2wsgi takes a query of plain ASCII only.
    query = re.sub(rb"[\x80-\xff]", lambda byte: b"%%%02X" % byte[0][0], scope["query_string"])
    root = PREFIX + base
    return {**scope, "root_path": root, "path": root + path, "query_string": query}


def _takes_gzip(scope: Scope) -> bool:
    return b"gzip" in dict(scope["headers"]).get(b"accept-encoding", b"")
