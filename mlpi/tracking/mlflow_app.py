"""MLflow's server inside this process: warmed in the background, lean, its database kept safe."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sqlite3
import sys
import threading
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import anyio.to_thread
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Receive, Scope, Send

from mlpi.auth.identity import Identity
from mlpi.auth.workspaces import Workspaces
from mlpi.component import Health, State
from mlpi.db import Database, copy_aside, open_engine
from mlpi.errors import MlpiError, NotReady
from mlpi.settings import Settings
from mlpi.tracking import environment, isolation
from mlpi.tracking.fastlane.lane import FastLane
from mlpi.tracking.lean import complete_when_asked, heavy_packages_absent
from mlpi.tracking.runs.sql import add_indexes

log = logging.getLogger(__name__)

# MLflow's handlers run here. SQLite writes one at a time anyway; more threads would only queue
# inside the database instead of outside, with 8 MB of stack each.
HANDLER_THREADS = 8

# What starts a job of MLflow's own runner: several processes that each import MLflow, which a Pi
# has no room for. MLflow would make the job's run first and leave it behind, and its answer
# names a variable that mlpi sets itself.
RUNNER_PATHS = frozenset(
    {
        "/ajax-api/3.0/jobs/",
        "/ajax-api/3.0/mlflow/genai/evaluate/invoke",
        "/ajax-api/3.0/mlflow/issues/invoke",
        "/ajax-api/3.0/mlflow/scorer/invoke",
        "/ajax-api/3.0/mlflow/prompt-optimization/jobs",
        "/api/3.0/mlflow/prompt-optimization/jobs",
    }
)


class RunnerOff(MlpiError):
    """MLflow's own job runner is off."""

    status = 501
    code = "NOT_IMPLEMENTED"


class MlflowFailed(MlpiError):
    """MLflow could not be started."""

    status = 503
    code = "TEMPORARILY_UNAVAILABLE"


class MlflowApp:
    """Stock MLflow as two ASGI apps.

    `app` carries its native routers and its Flask app without the rest, behind the fast lane;
    it is imported by a thread after the port answers, and requests wait for it up to a
    deadline. `late` is MLflow's complete application, imported at the first request for a
    gateway or MCP route.
    """

    def __init__(self, settings: Settings, identity: Identity, workspaces: Workspaces) -> None:
        self._settings = settings
        self._identity = identity
        self._workspaces = workspaces
        self._lane = FastLane(self._stock)
        self._app: ASGIApp | None = None
        self._late_app: ASGIApp | None = None
        self._late_lock = asyncio.Lock()
        self._failure: str | None = None
        self._settled = asyncio.Event()
        self._stack = AsyncExitStack()
        self._thread: threading.Thread | None = None
        self.warm_up_s: float | None = None

    def start(self) -> None:
        """Begin warming up."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=self._warm_up, args=(loop,), name="mlflow-warm-up", daemon=True
        )
        self._thread.start()

    async def stop(self) -> None:
        await self._stack.aclose()
        if self._thread is not None:
            # An import cannot be interrupted; a stop within seconds of the start waits for it.
            await anyio.to_thread.run_sync(self._thread.join, 5)
        await self._lane.close()

    def health(self) -> Health:
        if self._failure is not None:
            return Health(State.FAILED, self._failure)
        if self._app is None:
            return Health(State.STARTING, "MLflow is being loaded")
        return Health(State.READY, self._lane.notice)

    @property
    def is_ready(self) -> bool:
        return self._app is not None

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Everything but the gateway and MCP. Raises RunnerOff."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in RUNNER_PATHS:
            raise RunnerOff(
                "mlpi runs no judges, scorers, issue detection or prompt optimization on the "
                "server. Run them in Python against it: mlflow.genai.evaluate() and "
                "mlflow.genai.optimize_prompts() record their results here."
            )
        await self._lane(scope, receive, send)

    async def _stock(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = await self._ready()
        from mlflow.utils import workspace_context  # noqa: PLC0415 - loaded by now

        workspace_context.set_server_request_workspace(scope["workspace"])
        try:
            await app(scope, receive, send)
        finally:
            workspace_context.clear_server_request_workspace()

    async def late(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The complete application, for the routes few use."""
        await self._ready()
        async with self._late_lock:
            if self._late_app is None:
                app = await anyio.to_thread.run_sync(_complete_app)
                await self._stack.enter_async_context(app.router.lifespan_context(app))
                self._late_app = app
        await self._late_app(scope, receive, send)

    def artifacts(self) -> Any:
        """MLflow's artifact repository of the whole server. Raises NotReady."""
        if self._app is None:
            raise NotReady("MLflow is still being loaded.")
        from mlflow.server import handlers  # noqa: PLC0415 - loaded by now

        return handlers._get_artifact_repo_mlflow_artifacts()  # type: ignore[no-untyped-call]

    async def _ready(self) -> ASGIApp:
        if self._app is None and self._failure is None:
            try:
                async with asyncio.timeout(self._settings.mlflow_wait_s):
                    await self._settled.wait()
            except TimeoutError:
                raise NotReady("MLflow is still being loaded.") from None
        self.require_not_failed()
        assert self._app is not None
        return self._app

    def require_not_failed(self) -> None:
        """Raises MlflowFailed with the reason."""
        if self._failure is not None:
            raise MlflowFailed(f"MLflow could not be started: {self._failure}.")

    def _warm_up(self, loop: asyncio.AbstractEventLoop) -> None:
        started = time.monotonic()
        gc.disable()  # a full collection in the middle would stop the event loop for 150 ms
        try:
            environment.prepare(self._settings)
            with heavy_packages_absent():
                app = _lean_app()
            complete_when_asked()
            from mlpi.tracking.provider import MlpiWorkspaceStore  # noqa: PLC0415 - imports mlflow

            MlpiWorkspaceStore.bind(self._identity, self._workspaces)
            _prepare_database(self._settings.mlflow_database)
            _open_stores()
            self._lane.open(self._settings.mlflow_database, loop)
            self._app = app
            _add_indexes(self._settings.mlflow_database)
        except (sqlite3.Error, SQLAlchemyError) as error:
            database = Database(self._settings.mlflow_database)
            self._failure = database.explained(error).line().rstrip(".")
            log.error("mlflow not started: %s", self._failure, extra={"action": "mlflow_failed"})
        except Exception as error:
            self._failure = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
            log.exception("mlflow not started", extra={"action": "mlflow_failed"})
        else:
            self.warm_up_s = time.monotonic() - started
            log.info(
                "mlflow ready after %.1f s",
                self.warm_up_s,
                extra={"action": "mlflow_ready", "warm_up_s": round(self.warm_up_s, 2)},
            )
        gc.freeze()  # thousands of modules that no later collection need look at
        gc.enable()
        try:
            loop.call_soon_threadsafe(self._settled.set)
        except RuntimeError:
            return  # the service was stopped meanwhile


def _lean_app() -> ASGIApp:
    """MLflow's routers and Flask app, without what mlflow.server.fastapi_app imports besides."""
    from a2wsgi import WSGIMiddleware  # noqa: PLC0415
    from fastapi import FastAPI  # noqa: PLC0415
    from mlflow.server import app as flask_app  # noqa: PLC0415
    from mlflow.server import handlers  # noqa: PLC0415
    from mlflow.server.artifact_router import artifact_router  # noqa: PLC0415
    from mlflow.server.job_api import job_api_router  # noqa: PLC0415
    from mlflow.server.otel_api import otel_router  # noqa: PLC0415
    from mlflow.server.server_info_api import server_info_router  # noqa: PLC0415

    # Every run search and GraphQL request tries to import MLflow's own RBAC, which brings in the
    # whole gateway and pandas, or fails slowly for want of Flask-WTF. None makes it fail at once.
    sys.modules["mlflow.server.auth"] = None  # type: ignore[assignment]
    isolation.harden(handlers)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    for router in (otel_router, job_api_router, artifact_router, server_info_router):
        app.include_router(router)
    wsgi: Any = WSGIMiddleware(cast(Any, flask_app), workers=HANDLER_THREADS)
    app.mount("/", wsgi)
    return app


def _complete_app() -> Any:
    from mlflow.server import fastapi_app  # noqa: PLC0415

    return fastapi_app.app


def _prepare_database(url: str) -> None:
    """WAL, and MLflow's own migrations with a copy aside first."""
    from mlflow.store.db import utils as untyped  # noqa: PLC0415

    utils: Any = untyped
    parsed = make_url(url)
    path = None
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        path = Path(parsed.database)
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
    engine = utils.create_sqlalchemy_engine_with_retry(url)
    try:
        current = utils._get_schema_version(engine)
        if current is None or current == utils._get_latest_schema_revision():
            return
        known = _known_revisions(utils)
        if current not in known:
            raise MlflowFailed(
                f"its database is at revision {current}, which this MLflow does not know. "
                "Install the newer mlpi again, or restore a backup from before it."
            )
        if path is not None:
            copy_aside(path, "before-mlflow-upgrade")
        log.info("mlflow database upgrade", extra={"action": "mlflow_upgrade", "from": current})
        utils._upgrade_db(engine)
    finally:
        engine.dispose()


def _add_indexes(url: str) -> None:
    """What makes our pages' queries cheap; without, they are only slower."""
    engine = open_engine(url)
    try:
        add_indexes(engine)
    except SQLAlchemyError:
        log.warning("no indexes for the pages", exc_info=True, extra={"action": "indexes_failed"})
    finally:
        engine.dispose()


def _known_revisions(utils: Any) -> set[str]:
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    script = ScriptDirectory.from_config(utils._get_alembic_config(db_url=""))
    return {revision.revision for revision in script.walk_revisions()}


def _open_stores() -> None:
    from mlflow.server import handlers  # noqa: PLC0415
    from mlflow.tracking._tracking_service.utils import _get_store  # noqa: PLC0415

    handlers.initialize_backend_stores(
        os.environ["_MLFLOW_SERVER_FILE_STORE"],
        os.environ["_MLFLOW_SERVER_REGISTRY_STORE"],
        os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"],
        os.environ["MLFLOW_WORKSPACE_STORE_URI"],
    )
    # The registry opens one more store when it first needs one, which would then make an
    # experiment "Default" in the workspace of whoever happened to ask.
    _get_store()  # type: ignore[no-untyped-call]
    # The stores leave their address behind, where a child process would take it for its own.
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        os.environ.pop(variable, None)
