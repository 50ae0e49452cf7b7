"""Boards as a component of the house."""

from __future__ import annotations

from collections.abc import Sequence

import anyio.to_thread
from fastapi import APIRouter
from starlette.types import ASGIApp

from mlpi.auth.roles import Principal
from mlpi.boards.arrivals.routes import router as arrivals_router
from mlpi.boards.arrivals.service import Arrivals
from mlpi.boards.cache import Cache
from mlpi.boards.card import BoardsCard
from mlpi.boards.library import Library, Run
from mlpi.boards.manage import list_routes, run_routes
from mlpi.boards.manage.relations import Relating
from mlpi.boards.manage.service import Manage
from mlpi.boards.routes import router
from mlpi.boards.service import BoardsService
from mlpi.boards.stock.room import StockUi
from mlpi.component import Card, Health, Hit, Link, Measure, State
from mlpi.house import House

FOLDER = "tensorboard"  # below the home: what people copy their logs into


class Boards:
    """Curves and pictures of TensorBoard's logs."""

    name = "boards"
    links: Sequence[Link] = (Link("Boards", "/boards", "boards"),)

    def __init__(self, house: House) -> None:
        home = house.settings.home
        self.library = Library(
            home / FOLDER,
            Cache(home / "cache" / "boards.sqlite3"),
            check_crc=house.settings.boards_check_crc,
        )
        self.service = BoardsService(self.library, house.db, house.audit, house.clock)
        self.stock = StockUi(home / FOLDER, self._shown, cache=home / "cache" / "tensorboard")
        quota_bytes = house.settings.boards_quota_mb * 10**6
        arrivals = Arrivals(self.library, quota_bytes, house.db, house.audit)
        self._card = BoardsCard(self.service)
        manage = Manage(self.service, quota_bytes)
        self._relating = Relating(manage)
        self.routers: Sequence[APIRouter] = (
            router(self.service),
            run_routes.router(manage),
            list_routes.router(manage),
            arrivals_router(arrivals),
        )

    @property
    def rooms(self) -> dict[str, ASGIApp]:
        return {"tensorboard": self.stock}

    def _shown(self, workspace: str) -> list[Run]:
        return [one.run for one in self.service.listed(workspace)]

    async def start(self) -> None:
        """Follow the logs; a thread looks through the folders."""
        await anyio.to_thread.run_sync(self.library.start)

    async def stop(self) -> None:
        self.stock.close()
        await anyio.to_thread.run_sync(self.library.stop)

    def summary(self, principal: Principal) -> Card | None:
        if principal.workspace is None:
            return None
        return Card("boards/_card.html", self._card.context(principal.workspace))

    def search(self, principal: Principal, words: str) -> Sequence[Hit]:
        return self.service.search(principal.workspace, words) if principal.workspace else ()

    def related(self, principal: Principal, kind: str, key: str) -> Sequence[Hit]:
        return self._relating.hits(principal.workspace, kind, key) if principal.workspace else ()

    def measures(self) -> Sequence[Measure]:
        runs, pending, size_bytes = self.library.figures()
        return (
            Measure("mlpi_boards_runs", "Runs of boards", runs),
            Measure("mlpi_boards_pending_runs", "Runs not read to their end yet", pending),
            Measure("mlpi_boards_size_bytes", "Size of all event files", size_bytes),
        )

    def health(self) -> Health:
        _, pending, _ = self.library.figures()
        parts = [self.library.trouble, self.stock.failure]
        if self.library.watch_problem:
            parts.append(f"looks for changes every second or so: {self.library.watch_problem}")
        if pending:
            parts.append(f"reads {pending:,} run{'s' if pending != 1 else ''}")
        return Health(State.READY, "; ".join(part for part in parts if part))
