"""Vectors as a component of the house."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.types import ASGIApp

from mlpi.auth.roles import Principal
from mlpi.component import Card, Health, Hit, Link, State
from mlpi.house import House
from mlpi.vectors.app import ChromaApp
from mlpi.vectors.host import Engine


class Vectors:
    """Chroma's API over an engine of its own."""

    name = "vectors"
    links: Sequence[Link] = ()
    routers: Sequence[APIRouter] = ()

    def __init__(self, house: House) -> None:
        self.engine = Engine(house.settings.home / "chroma")
        self._app = ChromaApp(self.engine, may_reset=house.settings.chroma_reset)

    @property
    def rooms(self) -> dict[str, ASGIApp]:
        return {"chroma": self._app}

    async def start(self) -> None:
        """The engine starts with the first request, or now to see what a power cut did."""
        self.engine.wake_if_needed()

    async def stop(self) -> None:
        await self.engine.stop()

    def summary(self, principal: Principal) -> Card | None:
        return None

    def search(self, principal: Principal, words: str) -> Sequence[Hit]:
        return ()

    def health(self) -> Health:
        if self.engine.failure:
            return Health(State.FAILED, self.engine.failure)
        return Health(State.READY, self._care())

    def _care(self) -> str:
        """What is done without the usual index, in one line."""
        if self.engine.starting:
            return f"looks at the indexes: {self.engine.starting}"
        ailing = self.engine.ailing
        filling = [one for one in ailing if one["state"] == "rebuilding"]
        broken = [one["name"] for one in ailing if one["state"] == "broken"]
        parts = []
        if filling:
            done, total = (sum(one[field] for one in filling) for field in ("done", "total"))
            names = ", ".join(one["name"] for one in filling[:3])
            parts.append(f"makes the index of {names} anew, {done:,} of {total:,} records")
        if broken:
            parts.append(f"searches {', '.join(broken[:3])} without an index, which failed")
        return "; ".join(parts)
