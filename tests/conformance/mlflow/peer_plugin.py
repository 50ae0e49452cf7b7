"""A pytest plugin for a checkout of MLflow: its tests meet `mlpi serve` instead of its own server.

Loaded with `-p peer_plugin` by `python -m tests.conformance.mlflow`; it runs inside upstream's
test session, where the package `tests` is upstream's, so it imports nothing of ours. Three ways
in which upstream starts a server are replaced:

- `ServerThread(app, port)` and `_init_server(...)` of tests/tracking/integration_test_utils.py,
- `subprocess.Popen` of `mlflow server`,
- and, when CONFORMANCE_OVER_HTTP is set, the SQLite address that upstream's conftest gives to
  every test as its tracking URI: a server over an empty database takes its place. This one is
  done for both peers, since stock MLflow would open the file without any server.

Starting a service takes seconds and upstream has a server per test, so one service stays up per
process and set of server variables. Before each use its MLflow database is put back to the rows
it had after its first start, and its artifacts are removed.

The client gets a token as a person would, in MLFLOW_TRACKING_TOKEN. Tests that call `requests`
themselves know of no login: the same token is added to what they send to the service.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests.adapters

START_S = 240
STOP_S = 20
SERVICES_KEPT = 3
OURS = os.environ.get("CONFORMANCE_PEER") == "mlpi"
OVER_HTTP = bool(os.environ.get("CONFORMANCE_OVER_HTTP"))
TEMPLATE = Path(os.environ.get("CONFORMANCE_TEMPLATE", ""))
TOKEN = os.environ.get("CONFORMANCE_TOKEN", "")
RESULTS = os.environ.get("CONFORMANCE_RESULTS")
CLIENT_VARIABLES = (
    "MLFLOW_TRACKING_",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_WORKSPACE",
    "MLFLOW_EXPERIMENT_",
    "MLFLOW_RUN_ID",
    "MLFLOW_HTTP_",
    "MLFLOW_ENABLE_ASYNC",
    "MLFLOW_ASYNC",
    "MLFLOW_SUPPRESS",
    "MLFLOW_UV_",
    "_MLFLOW",
)
# Made anew by every test, and as good as any other to a server whose rows are all gone.
SECRET_VARIABLES = ("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY",)
RealPopen = subprocess.Popen
replaced: dict[str, str] = {}  # a test's own SQLite address -> the server that stands in for it


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(given: dict[str, str]) -> dict[str, str]:
    """What the service's process gets: nothing of mlpi's or a client's own settings."""
    kept = {k: v for k, v in given.items() if not k.startswith(("MLPI_", *CLIENT_VARIABLES))}
    return {**kept, "PYTHONPATH": os.environ["CONFORMANCE_REPO"], "DO_NOT_TRACK": "true"}


def server_key(given: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """The variables by which one server differs from another."""
    return tuple(
        (name, value if name not in SECRET_VARIABLES else "")
        for name, value in sorted(given.items())
        if name.startswith("MLFLOW_") and not name.startswith(CLIENT_VARIABLES)
    )


class Kept:
    """A server that stays up, whose MLflow can be made empty again."""

    ready = "/api/2.0/mlflow/experiments/search?max_results=1"  # it opens its store by this

    def __init__(self, given: dict[str, str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="conformance-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command, env = self.start(given)
        with (self.folder / "log").open("w") as log:
            self.process = RealPopen(command, env=env, stdout=log, stderr=log)
        wait_ready(self.url + self.ready, self.process, self.folder / "log")
        self._rows = self._snapshot()

    @property
    def mlflow(self) -> Path:
        """The folder with mlflow.db and artifacts/."""
        return self.folder

    def start(self, given: dict[str, str]) -> tuple[list[str], dict[str, str]]:
        """Stock MLflow; its command and environment."""
        stores = {
            "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{self.folder}/mlflow.db",
            "_MLFLOW_SERVER_ARTIFACT_ROOT": (self.folder / "artifacts").as_uri(),
        }
        where = ["--host", "127.0.0.1", "--port", str(self.port)]
        command = [sys.executable, "-m", "uvicorn", "mlflow.server.fastapi_app:app", *where]
        return command, given | stores

    def _connect(self) -> contextlib.closing[sqlite3.Connection]:
        path = self.mlflow / "mlflow.db"
        return contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=20))

    def _snapshot(self) -> dict[str, list[tuple[Any, ...]]]:
        with self._connect() as connection:
            named = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'alembic_version'"
            ).fetchall()
            return {
                name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for (name,) in named
            }

    def empty(self) -> None:
        """Put the rows of the first start back, and remove every artifact."""
        with self._connect() as connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("BEGIN IMMEDIATE")
            for name, rows in self._rows.items():
                connection.execute(f'DELETE FROM "{name}"')
                if rows:
                    marks = ", ".join("?" * len(rows[0]))
                    connection.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows)
            connection.execute("COMMIT")
        for path in (self.mlflow / "artifacts").glob("*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Mlpi(Kept):
    """`mlpi serve` on a home of its own."""

    ready = "/readyz"
    ports: set[int] = set()  # noqa: RUF012 - every service of this process

    @property
    def mlflow(self) -> Path:
        return self.folder / "home" / "mlflow"

    def start(self, given: dict[str, str]) -> tuple[list[str], dict[str, str]]:
        home = self.folder / "home"
        shutil.copytree(TEMPLATE, home)
        self.ports.add(self.port)
        return serve_command(self.port, home), environment(given) | {
            "MLFLOW_WEBHOOK_CACHE_TTL": "0"
        }

    def stop(self) -> None:
        super().stop()
        self.ports.discard(self.port)


def serve_command(port: int, home: Path) -> list[str]:
    serve = [sys.executable, "-m", "mlpi", "serve", "--host", "127.0.0.1"]
    return [*serve, "--port", str(port), "--home", str(home)]


def wait_ready(url: str, process: subprocess.Popen[Any], log: Path | None) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.05)
    said = log.read_text()[-4000:] if log else "see above"
    raise RuntimeError(f"{url} did not become ready:\n{said}")


class Services:
    """The services of this process, by their server variables; the least used one goes first."""

    def __init__(self) -> None:
        self._running: dict[tuple[tuple[str, str], ...], Kept] = {}
        atexit.register(self.stop)

    def empty_one(self, given: dict[str, str]) -> Kept:
        key = server_key(given)
        service = self._running.pop(key, None)
        if service is None:
            while len(self._running) >= SERVICES_KEPT:
                self._running.pop(next(iter(self._running))).stop()
            service = (Mlpi if OURS else Kept)(given)
        else:
            service.empty()
        self._running[key] = service
        return service

    def at(self, url: str) -> Kept | None:
        return next((one for one in self._running.values() if one.url == url), None)

    def stop(self) -> None:
        while self._running:
            self._running.popitem()[1].stop()


services = Services()


class ServerThread:
    """Stands where upstream's class of this name stood."""

    def __init__(self, app: object, port: int) -> None:
        self.host, self.port = "127.0.0.1", port

    def __enter__(self) -> str:
        import mlflow

        self.url = services.empty_one(dict(os.environ)).url
        if mlflow.get_tracking_uri().startswith("sqlite:"):
            # Upstream's server shares this file with code that asks no server, such as its
            # command line; ours does not, so that code is pointed at it. Upstream's conftest
            # puts the address back.
            mlflow.set_tracking_uri(self.url)
        return self.url

    def __exit__(self, *failure: object) -> None:
        pass  # the next test empties it


@contextlib.contextmanager
def init_server(
    backend_uri: str,
    root_artifact_uri: str,
    extra_env: dict[str, Any] | None = None,
    app: str | None = None,
    server_type: str = "fastapi",
) -> Iterator[str]:
    """Stands where upstream's function of this name stood."""
    import mlflow

    mlflow.set_tracking_uri(None)
    yield services.empty_one({**os.environ, **(extra_env or {})}).url


def cheaper(real: Callable[..., Any]) -> Callable[..., Any]:
    """Upstream's `_init_server`, with one process for the tests that ask for nothing special."""

    @contextlib.contextmanager
    def start(*where: str, **options: Any) -> Iterator[str]:
        import mlflow

        if options or len(where) != 2:
            with real(*where, **options) as url:
                yield url
            return
        mlflow.set_tracking_uri(None)
        yield services.empty_one(dict(os.environ)).url

    return start


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    """Starts `mlpi serve` where `mlflow server` was asked for."""

    def __init__(self, args: Any, *rest: Any, **options: Any) -> None:
        asked = server_options(args)
        if asked is not None:
            folder = Path(tempfile.mkdtemp(prefix="conformance-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            home = folder / "home"
            shutil.copytree(TEMPLATE, home)
            port = int(asked.get("port", "5000"))
            Mlpi.ports.add(port)
            given = dict(options.get("env") or os.environ)
            options["env"] = environment(given)
            options.pop("cwd", None)
            args = serve_command(port, home)
            for option, variable in (
                ("backend-store-uri", "MLPI_MLFLOW_DATABASE_URL"),
                ("artifacts-destination", "MLPI_ARTIFACTS_URI"),
            ):
                if value := asked.get(option):
                    options["env"][variable] = value
        super().__init__(args, *rest, **options)
        if asked is not None:
            wait_ready(f"http://127.0.0.1:{port}/readyz", self, None)


def server_options(args: Any) -> dict[str, str] | None:
    """The options of an `mlflow server` command, without their dashes; None for another command."""
    if not isinstance(args, list | tuple):
        return None
    words = [str(word) for word in args]
    if "server" not in words[:4] or not any(Path(w).name == "mlflow" for w in words[:3]):
        return None
    options: dict[str, str] = {}
    short = {"-p": "port", "-h": "host"}
    rest = iter(words[words.index("server") + 1 :])
    for word in rest:
        name, equals, value = word.partition("=")
        name = short.get(name, name.removeprefix("--"))
        options[name] = value if equals else next(rest, "")
    return options


def send_with_token(real: Callable[..., Any]) -> Callable[..., Any]:
    def send(self: Any, request: Any, *rest: Any, **options: Any) -> Any:
        where = urlsplit(request.url)
        if where.port in Mlpi.ports and where.hostname in ("127.0.0.1", "localhost"):
            request.headers.setdefault("Authorization", f"Bearer {TOKEN}")
        return real(self, request, *rest, **options)

    return send


def where_stored(real: Callable[[str], str]) -> Callable[[str], str]:
    """Upstream's `local_file_uri_to_path`, that knows the files of our service too.

    Tests look with it whether an artifact arrived; it came by HTTP, and lies in the service's home.
    """

    def path_of(uri: str) -> str:
        import mlflow

        parts = urlsplit(uri)
        service = services.at(mlflow.get_tracking_uri())
        if parts.scheme != "mlflow-artifacts" or service is None:
            return real(uri)
        return str(service.mlflow / "artifacts" / parts.path.lstrip("/"))

    return path_of


@contextlib.contextmanager
def standing_in(uri: str, url: str) -> Iterator[str]:
    replaced[str(uri)] = url
    yield url
    del replaced[str(uri)]


def at_server(real: Callable[..., Any], position: int) -> Callable[..., Any]:
    """A function that is told a tracking URI, told the server's where upstream says the file's."""

    @functools.wraps(real)
    def call(*arguments: Any, **options: Any) -> Any:
        told = list(arguments)
        if len(told) > position:
            told[position] = replaced.get(str(told[position]), told[position])
        if (named := options.get("tracking_uri")) is not None:
            options["tracking_uri"] = replaced.get(str(named), named)
        return real(*told, **options)

    return call


def over_http(real: Callable[..., Any]) -> Callable[..., Any]:
    """Upstream's `_use_tracking_uri`, with a server where it names an SQLite file."""

    @contextlib.contextmanager
    def use(uri: str) -> Iterator[None]:
        if not str(uri).startswith("sqlite:"):
            with real(uri):
                yield
            return
        if OURS:
            with standing_in(uri, services.empty_one(dict(os.environ)).url) as url, real(url):
                yield
            return
        from mlflow.server import handlers
        from mlflow.server.fastapi_app import app

        from tests.tracking.integration_test_utils import ServerThread as StockThread

        handlers._tracking_store = None
        handlers._model_registry_store = None
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            handlers.initialize_backend_stores(uri, default_artifact_root=Path(folder).as_uri())
            with (
                StockThread(app, free_port()) as address,
                standing_in(uri, address) as url,
                real(url),
            ):
                yield

    return use


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Replace the servers before any of upstream's modules takes hold of them."""
    from tests.tracking import integration_test_utils as upstream

    # 30 s for a server to come up are upstream's; a busy machine shall not decide.
    upstream._await_server_up_or_die.__defaults__ = (START_S,)
    if OURS:
        os.environ["MLFLOW_TRACKING_TOKEN"] = TOKEN
        subprocess.Popen = Popen  # type: ignore[misc]
        adapter = requests.adapters.HTTPAdapter
        adapter.send = send_with_token(adapter.send)  # type: ignore[method-assign]
        upstream.ServerThread = ServerThread
        upstream._init_server = init_server
    else:
        upstream._init_server = cheaper(upstream._init_server)
    if OURS and OVER_HTTP:
        from mlflow.utils import file_utils

        file_utils.local_file_uri_to_path = where_stored(file_utils.local_file_uri_to_path)
    if OVER_HTTP:
        import mlflow
        from mlflow.tracking._tracking_service import utils

        from tests import conftest

        utils._use_tracking_uri = over_http(utils._use_tracking_uri)
        conftest._use_tracking_uri = utils._use_tracking_uri
        # Fixtures that say the file's address once more by themselves.
        mlflow.set_tracking_uri = at_server(mlflow.set_tracking_uri, 0)
        mlflow.MlflowClient.__init__ = at_server(mlflow.MlflowClient.__init__, 1)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Tests of OpenTelemetry meet stock in a process of its own, too.

    FastAPI traces its own requests through the process's tracer, which these tests set to export
    to the server: on a thread of theirs it would wait for itself.
    """
    for item in items:
        if not OURS and Path(item.path).name.startswith("test_otel_"):
            item.module.ServerThread = ServerThread


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One line per phase that says something, in the process that collects the reports."""
    if report.when == "call" or report.outcome != "passed":
        _note(report, report.when)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file that cannot be imported, or skips itself as a whole, is an outcome too."""
    if report.outcome != "passed":
        _note(report, "collect")


def _note(report: pytest.TestReport | pytest.CollectReport, when: str | None) -> None:
    if RESULTS is None or os.environ.get("PYTEST_XDIST_WORKER"):
        return
    crash = getattr(report.longrepr, "reprcrash", None)
    reason = str(crash.message if crash else report.longrepr or "")
    line = {
        "id": report.nodeid,
        "when": when,
        "outcome": report.outcome,
        "reason": " ".join(reason.split())[:400],
    }
    with Path(RESULTS).open("a") as file:
        file.write(json.dumps(line) + "\n")
