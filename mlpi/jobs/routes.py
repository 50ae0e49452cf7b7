"""The pages of jobs and schedules."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from mlpi.auth.requests import actor_of
from mlpi.component import Badge
from mlpi.errors import Invalid, MlpiError
from mlpi.jobs.kinds import Kinds
from mlpi.jobs.models import JobState
from mlpi.jobs.runner import Runner
from mlpi.jobs.schedules import Plan, Schedules
from mlpi.jobs.service import MOST, SPANS, Jobs, Wish
from mlpi.jobs.store import Filter
from mlpi.jobs.triggers import KINDS as TRIGGERS
from mlpi.web.forms import Fields, fields
from mlpi.web.render import here, principal_of, render, wants_part, workspace_of

PAGE = 50
FORM = {
    "name": "",
    "kind": "",
    "params": "{}",
    "trigger": "cron",
    "expression": "0 6 * * *",
    "timezone": "UTC",
}
Sent = Annotated[Fields, Depends(fields({**FORM, "expression": ""}))]


def router(jobs: Jobs, schedules: Schedules, runner: Runner) -> APIRouter:
    """Queue, one job with its log, timetable."""
    pages = APIRouter(include_in_schema=False)

    def back(request: Request, page: str) -> Response:
        return RedirectResponse(here(principal_of(request), page), 303)

    @pages.get("/jobs")
    def queue(
        request: Request,
        state: Annotated[list[str] | None, Query()] = None,
        kind: str = "",
        q: str = "",
        who: str = "",
        span: str = "",
        before: int | None = None,
    ) -> Response:
        workspace = workspace_of(request)
        only = Filter(
            states=[s for s in state or () if s in set(JobState)],
            kind=kind,
            words=q.strip(),
            actor=who.strip(),
            since=jobs.since(span),
        )
        found = jobs.page(workspace, only, before_id=before, limit=PAGE)
        is_part = wants_part(request)
        return render(
            request,
            "jobs/_list.html" if is_part else "jobs/list.html",
            jobs=found,
            paces=() if is_part else jobs.paces(workspace),
            counts=jobs.counts(workspace),
            only=only,
            span=span if only.since else "",
            spans=SPANS,
            kinds={kind.name: kind.title for kind in jobs.kinds.all.values()},
            states=list(JobState),
            runner=runner.status(),
            before=before,
            older=found[-1].id if len(found) == PAGE else None,
        )

    @pages.post("/jobs/selftest")
    def selftest(request: Request) -> Response:
        wish = Wish("selftest", workspace_of(request), {"steps": 20})
        made = jobs.enqueue(wish, actor=actor_of(request))
        return back(request, f"/jobs/{made.id}")

    def timetable(
        request: Request,
        status: int = 200,
        error: MlpiError | None = None,
        form: dict[str, str] | None = None,
    ) -> Response:
        found = schedules.page(workspace_of(request))
        return render(
            request,
            "jobs/schedules.html",
            status,
            schedules=[(one, schedules.upcoming(one), schedules.is_runnable(one)) for one in found],
            kinds=_choices(jobs.kinds),
            triggers=TRIGGERS,
            error=error,
            form={**FORM, **(form or {})},
        )

    @pages.get("/jobs/schedules")
    def list_schedules(request: Request) -> Response:
        return timetable(request)

    @pages.post("/jobs/schedules")
    def add_schedule(request: Request, sent: Sent) -> Response:
        try:
            named = {name: text for name, text in sent.items() if name != "params"}
            plan = Plan(workspace=workspace_of(request), params=_params(sent["params"]), **named)
            schedules.add(plan, actor=actor_of(request))
        except MlpiError as error:
            return timetable(request, 422, error, sent)
        return back(request, "/jobs/schedules")

    @pages.post("/jobs/schedules/{schedule_id}/run")
    def run_now(request: Request, schedule_id: int) -> Response:
        made = schedules.run_now(workspace_of(request), schedule_id, actor=actor_of(request))
        return back(request, f"/jobs/{made.id}")

    @pages.post("/jobs/schedules/{schedule_id}/pause")
    def pause(
        request: Request, schedule_id: int, paused: Annotated[bool, Form()] = True
    ) -> Response:
        schedules.set_paused(workspace_of(request), schedule_id, paused, actor=actor_of(request))
        return back(request, "/jobs/schedules")

    @pages.post("/jobs/schedules/{schedule_id}/remove")
    def remove(request: Request, schedule_id: int) -> Response:
        schedules.remove(workspace_of(request), schedule_id, actor=actor_of(request))
        return back(request, "/jobs/schedules")

    @pages.get("/jobs/_badge")
    def badge(request: Request) -> Response:
        return render(request, "_badge.html", badge=badge_of(jobs, workspace_of(request)))

    @pages.get("/jobs/{job_id}")
    def job(request: Request, job_id: int) -> Response:
        found = jobs.get(workspace_of(request), job_id)
        text, end = jobs.log_tail(workspace_of(request), job_id)
        template = "jobs/_job.html" if wants_part(request) else "jobs/job.html"
        answer = render(request, template, job=found, log=text, log_end=end, runner=runner.status())
        if found.is_final and wants_part(request):
            answer.headers["HX-Trigger"] = "jobs"  # the header's badge looks again
        return answer

    @pages.post("/jobs/{job_id}/cancel")
    def cancel(request: Request, job_id: int) -> Response:
        jobs.cancel(workspace_of(request), job_id, actor=actor_of(request))
        return back(request, f"/jobs/{job_id}")

    @pages.post("/jobs/{job_id}/retry")
    def retry(request: Request, job_id: int) -> Response:
        jobs.retry(workspace_of(request), job_id, actor=actor_of(request))
        return back(request, f"/jobs/{job_id}")

    return pages


def badge_of(jobs: Jobs, workspace: str) -> Badge:
    """The header's sign: how many jobs wait or run, and a dot when some failed of late."""
    pulse = jobs.pulse(workspace)
    label = (
        "1 job waits or runs" if pulse.active == 1 else f"{_many(pulse.active)} jobs wait or run"
    )
    return Badge(
        name="jobs",
        href="/jobs",
        icon="jobs",
        count=pulse.active,
        label=label,
        refresh="/jobs/_badge",
        alarm=f"{_many(pulse.failed)} failed within 24 h" if pulse.failed else "",
    )


def _many(count: int) -> str:
    return str(count) if count < MOST else f"{MOST} or more"


def _choices(kinds: Kinds) -> list[tuple[str, str]]:
    """The kinds a person may schedule by hand."""
    return [(kind.name, kind.title) for kind in kinds.all.values() if kind.check is not None]


def _params(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        raise Invalid(f"The parameters are not JSON: {error}.", field="params") from None
    if not isinstance(value, dict):
        raise Invalid("The parameters must be a JSON object.", field="params")
    return value
