"""Vectors as a component of the house."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.types import ASGIApp

from mlpi.auth.roles import Principal
from mlpi.component import Card, Health, Hit, Link, State
from mlpi.house import House
from mlpi.vectors.app import ChromaApp
from mlpi.vectors.embedders.embedding import Embedding
from mlpi.vectors.embedders.service import Embedders
from mlpi.vectors.host import Engine


class Vectors:
    """Chroma's API over an engine of its own."""

    name = "vectors"
    links: Sequence[Link] = ()
    routers: Sequence[APIRouter] = ()

    def __init__(self, house: House) -> None:
        self.engine = Engine(house.settings.home / "chroma")
        self.embedders = Embedders(house)
        self.embedding = Embedding(self.embedders)
        self._app = ChromaApp(self.engine, may_reset=house.settings.chroma_reset)

    @property
    def rooms(self) -> dict[str, ASGIApp]:
        return {"chroma": self._app}

    async def start(self) -> None:
        """Nothing: the engine starts with the first request."""

    async def stop(self) -> None:
        await self.engine.stop()
        await self.embedding.stop()
        self.embedders.close()

    def summary(self, principal: Principal) -> Card | None:
        return None

    def search(self, principal: Principal, words: str) -> Sequence[Hit]:
        return ()

    def health(self) -> Health:
        if self.engine.failure:
            return Health(State.FAILED, self.engine.failure)
        return Health(State.READY)
