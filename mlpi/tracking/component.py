"""MLflow as a component of the house."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.types import ASGIApp

from mlpi.auth.roles import Principal
from mlpi.component import Card, Health, Hit, Link, State
from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.tracking.mlflow_app import MlflowApp
from mlpi.tracking.store import TrackingStore
from mlpi.tracking.trash.retention import Retention
from mlpi.tracking.ui import MlflowUi
from mlpi.tracking.wiring import wired


class Tracking:
    """Experiments, runs and models: MLflow's API and UI, and our own pages over its database."""

    name = "tracking"
    links: Sequence[Link] = (Link("Tracking", "/tracking", "tracking"),)

    def __init__(self, house: House, room: JobsRoom) -> None:
        settings = house.settings
        self.mlflow = MlflowApp(settings, house.identity, house.workspaces)
        self._ui = MlflowUi(settings.home / "cache" / "assets")
        self._store = TrackingStore(settings.mlflow_database)
        self._parts = wired(house, room, self.mlflow, self._store)
        self._retention = Retention(self._parts.trash.empty_old)
        self.routers: Sequence[APIRouter] = self._parts.routers

    @property
    def rooms(self) -> dict[str, ASGIApp]:
        return {
            "mlflow": self.mlflow.app,
            "mlflow-late": self.mlflow.late,
            "mlflow-ui": self._ui,
        }

    async def start(self) -> None:
        self.mlflow.start()
        if self._parts.trash.days is not None:
            self._retention.start()

    async def stop(self) -> None:
        await self._retention.stop()
        await self.mlflow.stop()
        self._store.close()

    def summary(self, principal: Principal) -> Card | None:
        if principal.workspace is None:
            return None
        health = self.health()
        context: dict[str, object] = {"health": health, "is_ready": health.state is State.READY}
        if self._parts.service.is_prepared():
            context["counts"] = self._store.counts(principal.workspace)
            context["runs"] = self._store.recent_runs(principal.workspace, 4)
        return Card("tracking/_card.html", context, is_wide=True)

    def search(self, principal: Principal, words: str) -> Sequence[Hit]:
        hits = [
            *self._parts.service.search(principal.workspace, words),
            *self._parts.registry.search(principal.workspace, words),
        ]
        if principal.workspace is not None and self._parts.service.is_prepared():
            found, _ = self._parts.prompts.page(principal.workspace, words)
            hits += [Hit(one.name, f"/tracking/prompts/{one.name}", "prompt") for one in found[:5]]
        return hits

    def related(self, principal: Principal, kind: str, key: str) -> Sequence[Hit]:
        if principal.workspace is None:
            return ()
        return self._parts.service.related(principal.workspace, kind, key)

    def health(self) -> Health:
        return self.mlflow.health()
