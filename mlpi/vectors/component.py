"""Vectors as a component of the house."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.types import ASGIApp

from mlpi.auth.roles import Principal
from mlpi.component import Card, Health, Hit, Link, State
from mlpi.house import House
from mlpi.vectors.app import ChromaApp
from mlpi.vectors.browse.embeds import ChosenEmbedder
from mlpi.vectors.browse.service import Browse
from mlpi.vectors.embedders.embedding import Embedding
from mlpi.vectors.embedders.service import Embedders
from mlpi.vectors.host import Engine
from mlpi.vectors.relay import Relay
from mlpi.vectors.routes import router
from mlpi.vectors.service import VectorsService
from mlpi.vectors.store import CollectionStore


class Vectors:
    """Chroma's API over an engine of its own, and pages to look inside."""

    name = "vectors"
    links: Sequence[Link] = (Link("Vectors", "/vectors", "vectors"),)

    def __init__(self, house: House) -> None:
        folder = house.settings.home / "chroma"
        self.engine = Engine(folder)
        self._relay = Relay(folder, self.engine)
        self._app = ChromaApp(self.engine, may_reset=house.settings.chroma_reset)
        self.embedders = Embedders(house)
        self.embedding = Embedding(self.embedders)
        self.service = VectorsService(
            CollectionStore(folder), self.engine, self.embedders, house.db, house.audit
        )
        self.browse = Browse(self.service, ChosenEmbedder(self.embedders, self.embedding))
        self.routers: Sequence[APIRouter] = (router(self.service, self.browse),)

    @property
    def rooms(self) -> dict[str, ASGIApp]:
        return {"chroma": self._app}

    async def start(self) -> None:
        """Listen for workers. The engine itself starts with the first request."""
        await self._relay.start()

    async def stop(self) -> None:
        await self._relay.stop()
        await self.engine.stop()
        await self.embedding.stop()
        self.embedders.close()

    def summary(self, principal: Principal) -> Card | None:
        if principal.workspace is None:
            return None
        return Card("vectors/_card.html", {"totals": self.service.totals(principal.workspace)})

    def search(self, principal: Principal, words: str) -> Sequence[Hit]:
        return self.service.search(principal.workspace, words) if principal.workspace else ()

    def health(self) -> Health:
        if self.engine.failure:
            return Health(State.FAILED, self.engine.failure)
        return Health(State.READY)
