"""Label Studio's API as a room of the house."""

from __future__ import annotations

from fastapi import FastAPI

from mlpi.house import House
from mlpi.labels.api import (
    about,
    exports,
    handing,
    hooks,
    imports,
    manager,
    media,
    ml,
    people,
    projects,
    reviews,
    snapshots,
    tasks,
    templates,
)
from mlpi.labels.api import annotations as said
from mlpi.labels.api.slashes import forgive_slashes
from mlpi.labels.room import Room
from mlpi.web import errors


def label_studio(room: Room, house: House) -> FastAPI:
    """Its routes, with its errors."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    errors.install(app)
    # Routers are tried one after the other: what is asked most often comes first.
    for router in (
        said.router(room),
        handing.router(room),
        tasks.router(room),
        people.router(house),
        projects.router(room),
        about.router(room),
        imports.router(room),
        media.router(room),
        manager.router(room),
        exports.router(room),
        snapshots.router(room),
        reviews.router(room),
        hooks.router(room),
        ml.router(room),
        templates.router(room),
    ):
        app.include_router(router)
    forgive_slashes(app)
    return app
