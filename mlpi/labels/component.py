"""Labels as a component of the house."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import anyio.to_thread
from fastapi import APIRouter
from starlette.types import ASGIApp

from mlpi.auth.roles import Principal
from mlpi.component import Card, DatasetShelf, Health, Hit, Link, Measure, State
from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.labels import routes
from mlpi.labels.api import tokens
from mlpi.labels.api.app import label_studio
from mlpi.labels.guessing import own_api as guessing_api
from mlpi.labels.review import api as review_api
from mlpi.labels.room import Room
from mlpi.uploads import Uploads

SWEEP_S = 3600.0


class Labels:
    """Label Studio's API, and pages to label and to look at what was labeled."""

    name = "labels"
    links: Sequence[Link] = (Link("Labels", "/labels", "labels"),)

    def __init__(self, house: House, jobs: JobsRoom, shelf: DatasetShelf) -> None:
        self.room = Room.build(house, jobs, shelf)
        room = self.room
        kinds = (room.intake.kind, *room.snapshots.kinds, room.delivery.kind, *room.backends.kinds)
        for kind in kinds:
            jobs.kinds.add(kind)
        self._api = label_studio(self.room, house)
        uploads = Uploads(house.settings.home / "uploads")
        self.routers: Sequence[APIRouter] = (
            routes.router(self.room, uploads),
            review_api.router(self.room),
            guessing_api.router(self.room),
            tokens.router(house),
        )
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def rooms(self) -> dict[str, ASGIApp]:
        return {"label-studio": self._api}

    async def start(self) -> None:
        await anyio.to_thread.run_sync(self.room.snapshots.sweep)
        self.room.delivery.start()
        self._sweeping = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
        await anyio.to_thread.run_sync(self.room.delivery.stop)
        await anyio.to_thread.run_sync(self.room.registry.close)

    async def _sweep(self) -> None:
        """Remove files that nothing names any more, every hour."""
        while True:
            await anyio.to_thread.run_sync(self.room.bringing.files.sweep)
            await anyio.to_thread.run_sync(self.room.pictures.sweep)
            await asyncio.sleep(SWEEP_S)

    def summary(self, principal: Principal) -> Card | None:
        if principal.workspace is None:
            return None
        workspace = principal.workspace
        page = self.room.projects.page(workspace, limit=4)
        context: dict[str, object] = {"projects": page.projects, "total": page.total}
        if page.total:
            waiting = self.room.home.waiting(workspace)
            context.update(waiting, failing=self.room.webhooks.failing(workspace))
        return Card("labels/_card.html", context)

    def measures(self) -> Sequence[Measure]:
        told = self.room.events.counts
        return [
            Measure(
                "mlpi_labels_annotations",
                "Annotations that were made since the start",
                told["ANNOTATION_CREATED"],
            ),
            Measure(
                "mlpi_labels_annotation_changes",
                "Annotations that were changed since the start",
                told["ANNOTATION_UPDATED"],
            ),
            Measure("mlpi_labels_reviews", "Reviews since the start", told["REVIEW_CREATED"]),
            Measure(
                "mlpi_labels_webhook_messages",
                "Messages that were written for webhooks since the start",
                told["messages"],
            ),
        ]

    def search(self, principal: Principal, words: str) -> Sequence[Hit]:
        if principal.workspace is None:
            return ()
        found = self.room.projects.page(principal.workspace, limit=8, title=words).projects
        return [Hit(one.title, f"/labels/{one.id}", "labeling project") for one in found]

    def health(self) -> Health:
        return Health(State.READY)
