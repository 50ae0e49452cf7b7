"""Checks as a component of the house: datasets, expectation suites, checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import anyio.to_thread
from fastapi import APIRouter
from starlette.types import ASGIApp

from mlpi.auth.audit import Actor
from mlpi.auth.roles import Principal
from mlpi.auth.vault import Vault
from mlpi.checks import checkpoint_api, checkpoint_routes, dataset_api, dataset_routes, run_routes
from mlpi.checks.actions import NOTIFY_JOB, Actions, Mailing
from mlpi.checks.checkpoints import CHECK_JOB, Checkpoints
from mlpi.checks.datasets import Datasets
from mlpi.checks.docs import DOCS_JOB, DataDocs
from mlpi.checks.files import FileStore, Roots
from mlpi.checks.models import CheckState
from mlpi.checks.runs import Runs
from mlpi.checks.sources import Sources
from mlpi.checks.suites import api as suite_api
from mlpi.checks.suites import routes as suite_routes
from mlpi.checks.suites.service import Suites
from mlpi.checks.versions import PROFILE_JOB, Versions
from mlpi.component import Badge, Card, Health, Hit, Link, Shelved, State
from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.jobs.kinds import JobKind
from mlpi.uploads import Arrived, Uploads

# Workers that read tables; Great Expectations, which costs seconds, comes in when it must.
FAMILY = "tables"
PRELOAD = ("duckdb", "mlpi.checks.work")


class Checks:
    """Its heavy work runs as jobs; the service itself only writes down and shows."""

    name = "checks"
    links: Sequence[Link] = (Link("Checks", "/checks", "checks"),)
    rooms: dict[str, ASGIApp] = {}  # noqa: RUF012 - it has none

    def __init__(self, house: House, room: JobsRoom) -> None:
        settings = house.settings
        vault = Vault(settings.home)
        self._uploads = Uploads(settings.home / "uploads")
        self.sources = Sources(
            FileStore(settings.home / "datasets"), Roots(settings.data_folders), vault
        )
        self.versions = Versions(
            house.audit,
            house.clock,
            room.jobs,
            self.sources,
            memory_bytes=settings.data_memory_mb * 2**20,
        )
        self.datasets = Datasets(
            house.db, house.audit, house.clock, room.jobs, self.sources, self.versions
        )
        self.suites = Suites(house.db, house.audit, house.clock)
        self.actions = Actions(
            room.jobs,
            vault,
            house.clock,
            mailing=Mailing(settings.smtp_url or "", settings.smtp_from),
            base_url=settings.own_url,
        )
        self.runs = Runs(house.clock, self.sources, self.versions, self.actions)
        self.checkpoints = Checkpoints(
            house.db,
            house.audit,
            house.clock,
            room.jobs,
            self.sources.roots,
            self.versions,
            self.actions,
        )
        self.docs = DataDocs(house.db, room.jobs, settings.home / "checks" / "docs")
        for kind in self._kinds():
            room.kinds.add(kind)
        self.routers: Sequence[APIRouter] = (
            checkpoint_routes.router(
                self.checkpoints, self.datasets, self.suites, room.schedules, self.actions
            ),
            run_routes.router(self.checkpoints, self.datasets, self.docs),
            dataset_routes.router(self.datasets, self._uploads, self.checkpoints, self.suites),
            suite_routes.router(self.suites, self.datasets),
            suite_api.router(self.suites),
            checkpoint_api.router(self.checkpoints, self.datasets),
            dataset_api.router(self.datasets, self._uploads),
        )
        self._missing = [name for name in ("duckdb", "great_expectations") if not find_spec(name)]

    def _kinds(self) -> Sequence[JobKind]:
        return (
            JobKind(
                PROFILE_JOB,
                "mlpi.checks.work:profile",
                "Profile a dataset",
                family=FAMILY,
                preload=PRELOAD,
                resolve=self.versions.resolve_profile,
                on_success=self.versions.keep_profile,
                on_failure=self.versions.note_profile_failure,
            ),
            JobKind(
                CHECK_JOB,
                "mlpi.checks.work:validate",
                "Run a checkpoint",
                family=FAMILY,
                preload=PRELOAD,
                resolve=self.runs.resolve,
                on_success=self.runs.keep,
                on_failure=self.runs.note_failure,
                check=self.checkpoints.checked_params,
            ),
            JobKind(
                DOCS_JOB,
                "mlpi.checks.work:data_docs",
                "Build Data Docs",
                family=FAMILY,
                preload=PRELOAD,
                timeout_s=300,
                resolve=self.docs.resolve,
            ),
            JobKind(
                NOTIFY_JOB,
                "mlpi.checks.notify:send",
                "Send a message",
                timeout_s=60,
                resolve=self.actions.resolve,
                on_success=self.actions.keep,
                on_failure=self.actions.note_failure,
            ),
        )

    async def start(self) -> None:
        await anyio.to_thread.run_sync(self._uploads.sweep)
        await anyio.to_thread.run_sync(self.docs.sweep)

    async def stop(self) -> None:
        return

    def badge(self, principal: Principal) -> Badge | None:
        if principal.workspace is None:
            return None
        return checkpoint_routes.badge_of(self.checkpoints, principal.workspace)

    def summary(self, principal: Principal) -> Card | None:
        if principal.workspace is None:
            return None
        rows = self.checkpoints.page(principal.workspace)
        counts = self.checkpoints.counts(principal.workspace)
        context: dict[str, object] = {
            "rows": rows[:4],
            "passed": counts.get(CheckState.PASSED, 0),
            "failing": counts.get(CheckState.FAILED, 0) + counts.get(CheckState.ERROR, 0),
            "alerting": sum(1 for row in rows if row.checkpoint.is_alerting),
            "datasets": len(self.datasets.page(principal.workspace)),
        }
        return Card("checks/_card.html", context)

    def search(self, principal: Principal, words: str) -> Sequence[Hit]:
        workspace = principal.workspace
        if workspace is None:
            return ()
        needle = words.casefold()
        found = [
            Hit(row.dataset.name, f"/checks/datasets/{row.dataset.id}", "dataset")
            for row in self.datasets.page(workspace)
        ]
        found += [
            Hit(row.suite.name, f"/checks/suites/{row.suite.id}", "suite")
            for row in self.suites.page(workspace)
        ]
        found += [
            Hit(
                row.checkpoint.name,
                f"/checks/checkpoints/{row.checkpoint.id}",
                "checkpoint",
                row.checkpoint.state,
            )
            for row in self.checkpoints.page(workspace)
        ]
        return [hit for hit in found if needle in hit.label.casefold()][:8]

    def check_dataset(self, workspace: str, name: str) -> str:
        return self.datasets.check_name(workspace, name)

    def shelve(
        self,
        workspace: str,
        name: str,
        file_name: str,
        arrived: Arrived,
        *,
        actor: Actor,
        origin: Mapping[str, Any],
    ) -> Shelved:
        version = self.datasets.add_file(
            workspace, name, file_name, arrived, actor=actor, origin=origin
        )
        href = f"/checks/datasets/{version.dataset_id}?version={version.number}"
        return Shelved(name, version.number, href)

    def health(self) -> Health:
        if self._missing:
            return Health(State.FAILED, f"{' and '.join(self._missing)} cannot be imported")
        return Health(State.READY)
