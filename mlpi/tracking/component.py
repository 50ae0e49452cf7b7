"""MLflow as a component of the house."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.types import ASGIApp

from mlpi.auth.roles import Principal
from mlpi.component import Card, Health, Hit, Link, State
from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.tracking.charts import routes as charts_routes
from mlpi.tracking.charts.service import ChartsService
from mlpi.tracking.charts.store import ChartsStore
from mlpi.tracking.compared import routes as compared_routes
from mlpi.tracking.compared.service import FileComparisons
from mlpi.tracking.deeds import Deeds
from mlpi.tracking.mlflow_app import MlflowApp
from mlpi.tracking.prompts import routes as prompts_routes
from mlpi.tracking.prompts.deeds import PromptDeeds
from mlpi.tracking.prompts.store import PromptStore
from mlpi.tracking.registry import routes as registry_routes
from mlpi.tracking.registry.deeds import RegistryDeeds
from mlpi.tracking.registry.service import RegistryService
from mlpi.tracking.registry.store import RegistryStore
from mlpi.tracking.routes import router
from mlpi.tracking.run_page.rows import ParquetRows
from mlpi.tracking.run_page.service import RunPage
from mlpi.tracking.runs.saved import SavedViews
from mlpi.tracking.runs.service import RunsService
from mlpi.tracking.runs.store import RunsStore
from mlpi.tracking.service import TrackingService
from mlpi.tracking.store import TrackingStore
from mlpi.tracking.traces import routes as traces_routes
from mlpi.tracking.traces.service import TracesService
from mlpi.tracking.traces.store import TracesStore
from mlpi.tracking.transfer import lease_routes
from mlpi.tracking.transfer.lease import Leases
from mlpi.tracking.trash import routes as trash_routes
from mlpi.tracking.trash.chosen import ChosenStore
from mlpi.tracking.trash.retention import Retention
from mlpi.tracking.trash.service import Trash
from mlpi.tracking.trash.store import TrashStore
from mlpi.tracking.ui import MlflowUi


class Tracking:
    """Experiments, runs and models: MLflow's API and UI, and our own pages over its database."""

    name = "tracking"
    links: Sequence[Link] = (Link("Tracking", "/tracking", "tracking"),)

    def __init__(self, house: House, room: JobsRoom) -> None:
        settings = house.settings
        self.mlflow = MlflowApp(settings, house.identity, house.workspaces)
        self._ui = MlflowUi(settings.home / "cache" / "assets")
        self._store = TrackingStore(settings.mlflow_database)
        self.service = TrackingService(self._store, self.mlflow)
        self.runs = RunsService(
            self.service,
            RunsStore(self._store.engine),
            SavedViews(house.db, house.audit, house.clock),
        )
        deeds = Deeds(self.mlflow.app, house.db, house.audit)
        self.registry = RegistryService(self.runs, RegistryStore(self._store.engine), self.mlflow)
        self._prompts = PromptStore(self._store.engine)
        traces = TracesService(self.service, TracesStore(self._store.engine), deeds)
        run_page = RunPage(self.service, self.mlflow)
        rows = ParquetRows(room.jobs, run_page)
        room.kinds.add(rows.kind())
        self.trash = Trash(
            self.service,
            TrashStore(self._store.engine),
            ChosenStore(self._store.engine),
            self.mlflow.artifacts,
            room.jobs,
            house.audit,
            house.clock,
            settings,
        )
        room.kinds.add(self.trash.kind)
        self._retention = Retention(self.trash.empty_old)
        self.routers: Sequence[APIRouter] = (
            router(self.service, self.runs, deeds, run_page, rows),
            registry_routes.router(self.registry, RegistryDeeds(deeds)),
            prompts_routes.router(self.service, self._prompts, PromptDeeds(deeds)),
            traces_routes.router(traces),
            charts_routes.router(ChartsService(self.runs, ChartsStore(self._store.engine))),
            compared_routes.router(FileComparisons(self.runs)),
            trash_routes.router(self.trash, deeds),
            lease_routes.router(Leases(house.clock)),
        )

    @property
    def rooms(self) -> dict[str, ASGIApp]:
        return {
            "mlflow": self.mlflow.app,
            "mlflow-late": self.mlflow.late,
            "mlflow-ui": self._ui,
        }

    async def start(self) -> None:
        self.mlflow.start()
        if self.trash.days is not None:
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
        if self.service.is_prepared():
            context["counts"] = self._store.counts(principal.workspace)
            context["runs"] = self._store.recent_runs(principal.workspace, 4)
        return Card("tracking/_card.html", context, is_wide=True)

    def search(self, principal: Principal, words: str) -> Sequence[Hit]:
        hits = [
            *self.service.search(principal.workspace, words),
            *self.registry.search(principal.workspace, words),
        ]
        if principal.workspace is not None and self.service.is_prepared():
            found, _ = self._prompts.page(principal.workspace, words)
            hits += [Hit(one.name, f"/tracking/prompts/{one.name}", "prompt") for one in found[:5]]
        return hits

    def health(self) -> Health:
        return self.mlflow.health()
