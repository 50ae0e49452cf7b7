"""The application: the only module that knows every component."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from mlpi import paths, version
from mlpi.auth import routes as auth_routes
from mlpi.auth.middleware import Door
from mlpi.auth.setup import SetupKey
from mlpi.auth.table import TABLE
from mlpi.boards.component import Boards
from mlpi.checks.component import Checks
from mlpi.component import Component, Components
from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.labels.component import Labels
from mlpi.system import routes as system_routes
from mlpi.system.machine import Machine
from mlpi.tracking.component import Tracking
from mlpi.vectors.component import Vectors
from mlpi.web import api, errors, routes
from mlpi.web.assets import Assets


def create_app(house: House, setup_key: SetupKey | None = None) -> ASGIApp:
    """Everything behind the door, on an opened house. Components start with the lifespan."""
    components = Components(_components(house))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await components.start()
        try:
            yield
        finally:
            await components.stop()

    app = FastAPI(
        title="mlpi",
        version=version(),
        description="mlpi's own API. The embedded tools keep theirs: MLflow's at /api/2.0/mlflow.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.components = components
    app.state.house = house
    errors.install(app)
    machine = Machine(house.settings.home)
    app.include_router(routes.router(house, components, machine))
    app.include_router(api.router(house, components, machine))
    app.include_router(system_routes.router(components, machine))
    app.include_router(auth_routes.router(house, setup_key or SetupKey()))
    for component in components.all:
        for component_router in component.routers:
            app.include_router(component_router)
    app.mount("/static", Assets(paths.STATIC, cache=house.settings.home / "cache" / "assets"))
    rooms: dict[str, ASGIApp] = {"own": app}
    for component in components.all:
        rooms.update(component.rooms)
    return Door(
        rooms,
        table=TABLE,
        identity=house.identity,
        audit=house.audit,
        db=house.db,
        on_error=errors.door_errors(app),
    )


def _components(house: House) -> list[Component]:
    jobs = JobsRoom(house)
    checks = Checks(house, jobs)
    return [
        Tracking(house, jobs),
        Boards(house),
        Vectors(house, jobs),
        Labels(house, jobs, checks),
        checks,
        jobs,
    ]
