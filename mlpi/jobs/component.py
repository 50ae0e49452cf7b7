"""Jobs as a component of the house."""

from __future__ import annotations

import os
from collections.abc import Sequence

import anyio.to_thread
from fastapi import APIRouter
from starlette.types import ASGIApp

from mlpi.auth.roles import Principal
from mlpi.component import Badge, Card, Health, Hit, Link, State
from mlpi.house import House
from mlpi.jobs import api, routes
from mlpi.jobs.dispatcher import Dispatcher
from mlpi.jobs.kinds import JobKind, Kinds
from mlpi.jobs.local import Limits, LocalRunner
from mlpi.jobs.models import JobState
from mlpi.jobs.routes import badge_of
from mlpi.jobs.runner import Runner
from mlpi.jobs.schedules import Schedules
from mlpi.jobs.service import Jobs
from mlpi.jobs.store import Filter

SELFTEST = JobKind(
    "selftest",
    "mlpi.jobs.selftest:selftest",
    "Self-test of the workers",
    timeout_s=60,
    check=lambda params: {"steps": int(params.get("steps", 20))},
)


class JobsRoom:
    """The queue, its workers and its timetable. Other components register their kinds here."""

    name = "jobs"
    links: Sequence[Link] = (Link("Jobs", "/jobs", "jobs"),)
    rooms: dict[str, ASGIApp] = {}  # noqa: RUF012 - it has none

    def __init__(self, house: House, runner: Runner | None = None) -> None:
        settings = house.settings
        self.kinds = Kinds()
        self.kinds.add(SELFTEST)
        workers = settings.job_workers or max(1, (os.cpu_count() or 1) - 1)
        self.runner = runner or LocalRunner(
            Limits(workers, settings.job_idle_s, settings.job_idle_s)
        )
        self.dispatcher = Dispatcher(
            house.db,
            self.kinds,
            self.runner,
            house.clock,
            home=settings.home,
            keep_days=settings.job_days,
        )
        self.jobs = Jobs(house.db, house.audit, self.kinds, self.dispatcher, house.clock)
        self.schedules = Schedules(house.db, house.audit, self.jobs, house.clock)
        self.routers: Sequence[APIRouter] = (
            routes.router(self.jobs, self.schedules, self.runner),
            api.router(self.jobs, self.schedules),
        )

    async def start(self) -> None:
        await anyio.to_thread.run_sync(self.dispatcher.start)
        await anyio.to_thread.run_sync(self.schedules.start)

    async def stop(self) -> None:
        await anyio.to_thread.run_sync(self.schedules.stop)
        await anyio.to_thread.run_sync(self.dispatcher.stop)

    def summary(self, principal: Principal) -> Card | None:
        if principal.workspace is None:
            return None
        counts = self.jobs.counts(principal.workspace)
        active = self.jobs.page(
            principal.workspace, Filter(states=(JobState.LEASED, JobState.RUNNING)), limit=3
        )
        context: dict[str, object] = {
            "counts": counts,
            "running": counts.get(JobState.RUNNING, 0) + counts.get(JobState.LEASED, 0),
            "active": active,
            "upcoming": self.schedules.soonest(principal.workspace),
            "runner": self.runner.status(),
        }
        return Card("jobs/_card.html", context)

    def badge(self, principal: Principal) -> Badge | None:
        return badge_of(self.jobs, principal.workspace) if principal.workspace else None

    def search(self, principal: Principal, words: str) -> Sequence[Hit]:
        if principal.workspace is None:
            return ()
        found = self.jobs.page(principal.workspace, Filter(words=words), limit=5)
        return [Hit(job.title, f"/jobs/{job.id}", "job", job.state) for job in found]

    def health(self) -> Health:
        if self.dispatcher.is_alive:
            return Health(State.READY)
        if self.dispatcher.was_started:
            return Health(State.FAILED, "the dispatcher ended; the log says why")
        return Health(State.STARTING)
