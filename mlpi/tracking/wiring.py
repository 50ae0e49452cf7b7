"""What the tracking room is made of: its packages over one engine and one MLflow, put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter

from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.tracking.charts import routes as charts_routes
from mlpi.tracking.charts.service import ChartsService
from mlpi.tracking.charts.store import ChartsStore
from mlpi.tracking.compared import routes as compared_routes
from mlpi.tracking.compared.service import FileComparisons
from mlpi.tracking.deeds import Deeds
from mlpi.tracking.elsewhere import Elsewhere
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
from mlpi.tracking.trash.service import Trash
from mlpi.tracking.trash.store import TrashStore


@dataclass(frozen=True, slots=True)
class Parts:
    """What the component itself asks, and the routers of all."""

    service: TrackingService
    registry: RegistryService
    prompts: PromptStore
    trash: Trash
    routers: Sequence[APIRouter]


def wired(house: House, room: JobsRoom, mlflow: MlflowApp, store: TrackingStore) -> Parts:
    """The room's packages; what they have done by workers is made known to the jobs room."""
    service = TrackingService(store, mlflow)
    elsewhere = Elsewhere(service)
    deeds = Deeds(mlflow.app, house.db, house.audit)
    runs = RunsService(
        service, RunsStore(store.engine), SavedViews(house.db, house.audit, house.clock)
    )
    registry = RegistryService(runs, RegistryStore(store.engine), mlflow)
    prompts = PromptStore(store.engine)
    traces = TracesService(service, TracesStore(store.engine), deeds)
    run_page = RunPage(service, mlflow)
    rows = ParquetRows(room.jobs, run_page)
    trash = Trash(
        service,
        TrashStore(store.engine),
        ChosenStore(store.engine),
        mlflow.artifacts,
        room.jobs,
        house.audit,
        house.clock,
        house.settings,
    )
    room.kinds.add(rows.kind())
    room.kinds.add(trash.kind)
    return Parts(
        service,
        registry,
        prompts,
        trash,
        (
            router(service, runs, deeds, run_page, rows, elsewhere),
            registry_routes.router(registry, RegistryDeeds(deeds), elsewhere),
            prompts_routes.router(service, prompts, PromptDeeds(deeds), elsewhere),
            traces_routes.router(traces, elsewhere),
            charts_routes.router(ChartsService(runs, ChartsStore(store.engine))),
            compared_routes.router(FileComparisons(runs)),
            trash_routes.router(trash, deeds),
            lease_routes.router(Leases(house.clock)),
        ),
    )
