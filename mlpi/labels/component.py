"""Labels as a component of the house."""

from __future__ import annotations

from collections.abc import Sequence

import anyio.to_thread
from fastapi import APIRouter
from starlette.types import ASGIApp

from mlpi.auth.roles import Principal
from mlpi.component import Card, Health, Hit, Link, State
from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.labels import routes
from mlpi.labels.api.app import label_studio
from mlpi.labels.guessing import own_api as guessing_api
from mlpi.labels.room import Room


class Labels:
    """Label Studio's API, and pages to label and to look at what was labeled."""

    name = "labels"
    links: Sequence[Link] = (Link("Labels", "/labels", "labels"),)

    def __init__(self, house: House, jobs: JobsRoom) -> None:
        self.room = Room.build(house, jobs.jobs)
        for kind in self.room.backends.kinds:
            jobs.kinds.add(kind)
        self._api = label_studio(self.room, house.workspaces)
        self.routers: Sequence[APIRouter] = (
            routes.router(self.room),
            guessing_api.router(self.room),
        )

    @property
    def rooms(self) -> dict[str, ASGIApp]:
        return {"label-studio": self._api}

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        await anyio.to_thread.run_sync(self.room.registry.close)

    def summary(self, principal: Principal) -> Card | None:
        if principal.workspace is None:
            return None
        page = self.room.projects.page(principal.workspace, limit=4)
        return Card("labels/_card.html", {"projects": page.projects, "total": page.total})

    def search(self, principal: Principal, words: str) -> Sequence[Hit]:
        if principal.workspace is None:
            return ()
        found = self.room.projects.page(principal.workspace, limit=8, title=words).projects
        return [Hit(one.title, f"/labels/{one.id}", "labeling project") for one in found]

    def health(self) -> Health:
        return Health(State.READY)
