"""Vectors as a component of the house."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence

import anyio.to_thread
from fastapi import APIRouter
from starlette.types import ASGIApp

from mlpi.auth.roles import Principal
from mlpi.component import Card, Health, Hit, Link, State
from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.uploads import Uploads
from mlpi.vectors.app import ChromaApp
from mlpi.vectors.browse.embeds import ChosenEmbedder
from mlpi.vectors.browse.service import Browse
from mlpi.vectors.embedders.embedding import Embedding
from mlpi.vectors.embedders.service import Embedders
from mlpi.vectors.host import Engine
from mlpi.vectors.maps.files import MapFiles
from mlpi.vectors.maps.service import LAYOUT, Maps
from mlpi.vectors.pairs.service import PAIRS, Pairs
from mlpi.vectors.relay import Relay
from mlpi.vectors.routes import router
from mlpi.vectors.sampling import Samples
from mlpi.vectors.service import VectorsService
from mlpi.vectors.store import CollectionStore
from mlpi.vectors.transfer import api, page_routes
from mlpi.vectors.transfer.service import Transfers

SWEEP_S = 3600.0

log = logging.getLogger(__name__)


class Vectors:
    """Chroma's API over an engine of its own, and pages to look inside."""

    name = "vectors"
    links: Sequence[Link] = (Link("Vectors", "/vectors", "vectors"),)

    def __init__(self, house: House, room: JobsRoom) -> None:
        folder = house.settings.home / "chroma"
        self.engine = Engine(folder)
        self._relay = Relay(folder, self.engine)
        self._app = ChromaApp(self.engine, may_reset=house.settings.chroma_reset)
        self.embedders = Embedders(house)
        self.embedding = Embedding(self.embedders)
        store = CollectionStore(folder, lambda: self.engine.ailing)
        self.service = VectorsService(store, self.engine, self.embedders, house.db, house.audit)
        self.browse = Browse(self.service, ChosenEmbedder(self.embedders, self.embedding))
        self._uploads = Uploads(house.settings.home / "uploads")
        self.transfers = Transfers(self.service, room.jobs, house.audit, house.settings.home)
        self._map_files = MapFiles(house.settings.home)
        maps = Maps(self.service, Samples(folder), self._map_files, room.jobs)
        pairs = Pairs(self.service, self._map_files, room.jobs, house.db, house.audit)
        for kind in (*self.transfers.kinds, LAYOUT, PAIRS):
            room.kinds.add(kind)
        self._sweeping: asyncio.Task[None] | None = None
        self.routers: Sequence[APIRouter] = (
            page_routes.router(self.transfers, self.service, self._uploads),
            router(self.service, self.browse, maps, pairs),
            api.router(self.transfers, self.service, self._uploads),
        )

    @property
    def rooms(self) -> dict[str, ASGIApp]:
        return {"chroma": self._app}

    async def start(self) -> None:
        """Listen for workers. The engine starts when asked, or now after a power cut."""
        await self._relay.start()
        self.engine.wake_if_needed()
        self._sweeping = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self._relay.stop()
        await self.engine.stop()
        await self.embedding.stop()
        self.embedders.close()

    async def _sweep(self) -> None:
        """Remove files that nobody came for, every hour."""
        while True:
            await anyio.to_thread.run_sync(self.transfers.sweep)
            await anyio.to_thread.run_sync(self._sweep_maps)
            await asyncio.sleep(SWEEP_S)

    def _sweep_maps(self) -> None:
        try:
            self._map_files.sweep(self.service.store.every_id())
        except sqlite3.Error:  # the engine says what is wrong with its database
            log.warning("maps not swept", exc_info=True)

    def summary(self, principal: Principal) -> Card | None:
        if principal.workspace is None:
            return None
        return Card("vectors/_card.html", {"totals": self.service.totals(principal.workspace)})

    def search(self, principal: Principal, words: str) -> Sequence[Hit]:
        return self.service.search(principal.workspace, words) if principal.workspace else ()

    def health(self) -> Health:
        if self.engine.failure:
            return Health(State.FAILED, self.engine.failure)
        return Health(State.READY, self._care())

    def _care(self) -> str:
        """What is done without the usual index, in one line that names nobody's collection."""
        if self.engine.starting:
            return f"looks at the indexes: {self.engine.starting}"
        ailing = self.engine.ailing
        filling = [one for one in ailing if one["state"] == "rebuilding"]
        broken = sum(1 for one in ailing if one["state"] == "broken")
        parts = []
        if filling:
            done, total = (sum(one[field] for one in filling) for field in ("done", "total"))
            what = "an index" if len(filling) == 1 else f"{len(filling)} indexes"
            parts.append(f"makes {what} anew, {done:,} of {total:,} records")
        if broken:
            what = "one collection" if broken == 1 else f"{broken} collections"
            parts.append(f"searches {what} without an index, which failed")
        if self.embedding.failure:
            parts.append(f"embeds no texts by models: {self.embedding.failure}")
        return "; ".join(parts)
