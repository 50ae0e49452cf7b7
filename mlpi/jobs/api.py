"""Jobs and schedules for scripts, under /api/mlpi."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from mlpi.auth.requests import actor_of
from mlpi.jobs.models import Job, JobState, Schedule
from mlpi.jobs.schedules import Plan, Schedules
from mlpi.jobs.service import Jobs, Wish
from mlpi.jobs.store import Filter
from mlpi.web.render import workspace_of


class JobIn(BaseModel):
    """What to run. Limits left out are the kind's."""

    kind: str
    params: dict[str, Any] = {}
    title: str = ""
    priority: int = Field(0, ge=-100, le=100, description="Higher goes first.")
    idempotency_key: str | None = Field(None, max_length=200)
    cpus: int | None = Field(None, ge=1, le=1024, description="CPUs it keeps busy.")
    memory_bytes: int | None = Field(None, ge=2**20, description="More than this ends it.")
    timeout_s: float | None = Field(None, gt=0, le=7 * 86400, description="Longer ends it.")


class JobOut(BaseModel):
    """Times in UTC, fraction 0–1 or null where unknown."""

    id: int
    kind: str
    title: str
    state: JobState
    actor: str
    params: dict[str, Any]
    priority: int
    attempt: int
    max_attempts: int
    cpus: int
    memory_bytes: int | None
    timeout_s: float | None
    fraction: float | None
    message: str
    counters: dict[str, float]
    result: Any
    error: str
    parent_id: int | None
    schedule_id: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class PaceOut(BaseModel):
    """Seconds; median and 95th percentile are those of the successes, null when there is none."""

    kind: str
    count: int = Field(description="Jobs that ended, cancelled ones not counted.")
    failed: int
    median_s: float | None
    p95_s: float | None
    longest_s: float


class LogOut(BaseModel):
    text: str
    end: int = Field(description="Ask from here for what comes after.")


class ScheduleIn(BaseModel):
    name: str
    kind: str
    trigger: str = Field(description="cron, interval or once.")
    expression: str = Field(description="Such as 0 6 * * *, 15m, 2026-05-01 06:00.")
    timezone: str = "UTC"
    params: dict[str, Any] = {}


class ScheduleOut(BaseModel):
    id: int
    name: str
    kind: str
    trigger: str
    expression: str
    timezone: str
    params: dict[str, Any]
    is_paused: bool
    is_runnable: bool = Field(description="False when this mlpi has no code for its kind.")
    upcoming: list[datetime]


def router(jobs: Jobs, schedules: Schedules) -> APIRouter:
    """Everything the pages can do."""
    api = APIRouter(prefix="/api/mlpi", tags=["jobs"])

    @api.get("/jobs")
    def page(
        request: Request,
        state: Annotated[list[JobState] | None, Query()] = None,
        kind: str = "",
        q: str = "",
        who: str = "",
        since: datetime | None = None,
        before: int | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> list[JobOut]:
        """Jobs of the current workspace, newest first; before is the id to go on from.

        q: words of title or error. since: made then or later; without a zone it is UTC.
        """
        if since is not None and since.tzinfo is None:
            since = since.replace(tzinfo=UTC)
        only = Filter(states=state or (), kind=kind, words=q, actor=who, since=since)
        found = jobs.page(workspace_of(request), only, before_id=before, limit=limit)
        return [_job(one) for one in found]

    @api.post("/jobs", status_code=201)
    def enqueue(request: Request, body: JobIn) -> JobOut:
        """Queue a job of a kind that may be asked for by hand."""
        wish = Wish(
            body.kind,
            workspace_of(request),
            jobs.kinds.checked(body.kind, body.params),
            title=body.title,
            priority=body.priority,
            idempotency_key=body.idempotency_key,
            cpus=body.cpus,
            memory_bytes=body.memory_bytes,
            timeout_s=body.timeout_s,
        )
        return _job(jobs.enqueue(wish, actor=actor_of(request)))

    @api.get("/jobs/durations")
    def durations(request: Request) -> list[PaceOut]:
        """How long each kind of job took in the last seven days, among the newest 5,000."""
        found = jobs.paces(workspace_of(request))
        return [PaceOut.model_validate(one, from_attributes=True) for one in found]

    @api.get("/jobs/{job_id}")
    def job(request: Request, job_id: int) -> JobOut:
        """One job with its newest progress."""
        return _job(jobs.get(workspace_of(request), job_id))

    @api.get("/jobs/{job_id}/log")
    def log(request: Request, job_id: int, from_byte: int = 0) -> LogOut:
        """What it has printed, at most the last 64 kB."""
        text, end = jobs.log_tail(workspace_of(request), job_id, from_byte=from_byte)
        return LogOut(text=text, end=end)

    @api.post("/jobs/{job_id}/cancel")
    def cancel(request: Request, job_id: int) -> JobOut:
        """End it, with everything it started."""
        jobs.cancel(workspace_of(request), job_id, actor=actor_of(request))
        return _job(jobs.get(workspace_of(request), job_id))

    @api.post("/jobs/{job_id}/retry")
    def retry(request: Request, job_id: int) -> JobOut:
        """Queue an ended job again."""
        return _job(jobs.retry(workspace_of(request), job_id, actor=actor_of(request)))

    def out(schedule: Schedule) -> ScheduleOut:
        return ScheduleOut(
            id=schedule.id,
            name=schedule.name,
            kind=schedule.kind,
            trigger=schedule.trigger,
            expression=schedule.expression,
            timezone=schedule.timezone,
            params=schedule.params,
            is_paused=schedule.is_paused,
            is_runnable=schedules.is_runnable(schedule),
            upcoming=schedules.upcoming(schedule),
        )

    @api.get("/schedules")
    def list_schedules(request: Request) -> list[ScheduleOut]:
        """The timetable of the current workspace."""
        return [out(one) for one in schedules.page(workspace_of(request))]

    @api.post("/schedules", status_code=201)
    def add(request: Request, body: ScheduleIn) -> ScheduleOut:
        """Add to the timetable."""
        plan = Plan(workspace=workspace_of(request), **body.model_dump())
        return out(schedules.add(plan, actor=actor_of(request)))

    @api.post("/schedules/{schedule_id}/run", status_code=201)
    def run_now(request: Request, schedule_id: int) -> JobOut:
        """Run it now, outside its times."""
        return _job(schedules.run_now(workspace_of(request), schedule_id, actor=actor_of(request)))

    @api.post("/schedules/{schedule_id}/pause")
    def pause(request: Request, schedule_id: int, paused: bool = True) -> ScheduleOut:
        """Pause it, or go on with paused=false."""
        workspace = workspace_of(request)
        return out(schedules.set_paused(workspace, schedule_id, paused, actor=actor_of(request)))

    @api.delete("/schedules/{schedule_id}", status_code=204)
    def remove(request: Request, schedule_id: int) -> None:
        """Take it off the timetable; its jobs stay."""
        schedules.remove(workspace_of(request), schedule_id, actor=actor_of(request))

    return api


def _job(job: Job) -> JobOut:
    return JobOut.model_validate(job, from_attributes=True)
