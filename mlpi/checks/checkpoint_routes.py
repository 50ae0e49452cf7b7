"""The pages of checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from starlette.datastructures import FormData

from mlpi.auth.requests import actor_of
from mlpi.checks import reports
from mlpi.checks.actions import KINDS, Actions
from mlpi.checks.checkpoints import CHECK_JOB, RESULT_FORMATS, Checkpoints, Draft
from mlpi.checks.datasets import Datasets
from mlpi.checks.models import Checkpoint, CheckState, Validation
from mlpi.checks.suites.service import Suites
from mlpi.component import Badge
from mlpi.errors import Invalid, MlpiError
from mlpi.jobs.schedules import Plan, Schedules
from mlpi.web.render import back_to, is_htmx, render, workspace_of

Text = Annotated[str, Form()]
PAGE = 50


def router(
    checkpoints: Checkpoints,
    datasets: Datasets,
    suites: Suites,
    schedules: Schedules,
    actions: Actions,
) -> APIRouter:
    """The room's front, and everything under /checks/checkpoints."""
    pages = APIRouter(include_in_schema=False)

    @pages.get("/checks")
    def front(request: Request) -> Response:
        workspace = workspace_of(request)
        return render(
            request,
            "checks/_checkpoints.html" if is_htmx(request) else "checks/checkpoints.html",
            checkpoints=checkpoints.page(workspace),
            has_datasets=bool(datasets.page(workspace)),
            has_suites=bool(suites.page(workspace)),
        )

    @pages.get("/checks/_badge")
    def badge(request: Request) -> Response:
        found = badge_of(checkpoints, workspace_of(request))
        return render(request, "_badge.html", badge=found)

    def editor(
        request: Request,
        form: dict[str, Any],
        checkpoint: Checkpoint | None = None,
        status: int = 200,
        error: MlpiError | None = None,
    ) -> Response:
        workspace = workspace_of(request)
        return render(
            request,
            "checks/edit.html",
            status,
            checkpoint=checkpoint,
            form=form,
            error=error,
            datasets=[row.dataset for row in datasets.page(workspace)],
            suites=[row.suite for row in suites.page(workspace)],
            formats=RESULT_FORMATS,
            kinds=[kind for kind in KINDS if kind != "email" or actions.can_mail],
        )

    @pages.get("/checks/new")
    def new(request: Request, dataset: int | None = None, suite: int | None = None) -> Response:
        form = {**_form_of(None), "dataset_id": str(dataset or ""), "suite_id": str(suite or "")}
        return editor(request, form)

    @pages.post("/checks/new")
    async def add(request: Request) -> Response:
        form = _read(await request.form())
        try:
            made = checkpoints.add(workspace_of(request), _draft(form), actor=actor_of(request))
        except MlpiError as error:
            return editor(request, form, None, 422, error)
        return back_to(request, f"/checks/checkpoints/{made.id}")

    @pages.get("/checks/checkpoints/{checkpoint_id}/edit")
    def edit(request: Request, checkpoint_id: int) -> Response:
        found = checkpoints.get(workspace_of(request), checkpoint_id)
        return editor(request, _form_of(found), found)

    @pages.post("/checks/checkpoints/{checkpoint_id}/edit")
    async def change(request: Request, checkpoint_id: int) -> Response:
        form = _read(await request.form())
        workspace = workspace_of(request)
        try:
            checkpoints.change(workspace, checkpoint_id, _draft(form), actor=actor_of(request))
        except MlpiError as error:
            found = checkpoints.get(workspace, checkpoint_id)
            return editor(request, form, found, 422, error)
        return back_to(request, f"/checks/checkpoints/{checkpoint_id}")

    def detail(
        request: Request,
        checkpoint_id: int,
        before: int | None = None,
        status: int = 200,
        error: MlpiError | None = None,
        form: dict[str, str] | None = None,
    ) -> Response:
        workspace = workspace_of(request)
        found = checkpoints.get(workspace, checkpoint_id)
        dataset, suite, version = checkpoints.parts(found)
        runs = checkpoints.runs(found, before_id=before, limit=PAGE)
        mine = [
            one
            for one in schedules.page(workspace)
            if one.kind == CHECK_JOB and one.params.get("checkpoint") in (found.id, found.name)
        ]
        is_part = is_htmx(request) and status == 200
        answer = render(
            request,
            "checks/_checkpoint.html" if is_part else "checks/checkpoint.html",
            status,
            checkpoint=found,
            dataset=dataset,
            suite=suite,
            suite_version=version,
            runs=runs,
            before=before,
            older=runs[-1].id if len(runs) == PAGE else None,
            latest=_latest(checkpoints.runs(found, limit=5) if before else runs),
            trends=reports.trends(runs, version.expectations if version else ()),
            deliveries=checkpoints.deliveries(runs[:10]),
            schedules=[(one, schedules.upcoming(one, 1)) for one in mine],
            waiting=checkpoints.waiting(found),
            error=error,
            form=form or {"trigger": "cron", "expression": "0 6 * * *", "timezone": "UTC"},
        )
        if is_part:
            answer.headers["HX-Trigger"] = "checks"  # the header's badge looks again
        return answer

    @pages.get("/checks/checkpoints/{checkpoint_id}")
    def checkpoint(
        request: Request, checkpoint_id: int, before: Annotated[int | None, Query()] = None
    ) -> Response:
        return detail(request, checkpoint_id, before)

    @pages.post("/checks/checkpoints/{checkpoint_id}/run")
    def run(request: Request, checkpoint_id: int) -> Response:
        checkpoints.run(workspace_of(request), checkpoint_id, actor=actor_of(request))
        return back_to(request, f"/checks/checkpoints/{checkpoint_id}")

    @pages.post("/checks/checkpoints/{checkpoint_id}/schedule")
    def schedule(
        request: Request,
        checkpoint_id: int,
        trigger: Text = "cron",
        expression: Text = "",
        timezone: Text = "UTC",
    ) -> Response:
        workspace = workspace_of(request)
        found = checkpoints.get(workspace, checkpoint_id)
        try:
            plan = Plan(
                name=_schedule_name(found, [one.name for one in schedules.page(workspace)]),
                workspace=workspace,
                kind=CHECK_JOB,
                trigger=trigger,
                expression=expression,
                timezone=timezone,
                params={"checkpoint": found.id},
            )
            schedules.add(plan, actor=actor_of(request))
        except MlpiError as error:
            form = {"trigger": trigger, "expression": expression, "timezone": timezone}
            return detail(request, checkpoint_id, None, 422, error, form)
        return back_to(request, f"/checks/checkpoints/{checkpoint_id}")

    @pages.post("/checks/checkpoints/{checkpoint_id}/remove")
    def remove(request: Request, checkpoint_id: int) -> Response:
        workspace = workspace_of(request)
        for one in schedules.page(workspace):
            if one.kind == CHECK_JOB and one.params.get("checkpoint") == checkpoint_id:
                schedules.remove(workspace, one.id, actor=actor_of(request))
        checkpoints.remove(workspace, checkpoint_id, actor=actor_of(request))
        return back_to(request, "/checks")

    return pages


def _latest(runs: Sequence[Validation]) -> Validation | None:
    """The newest run that has ended."""
    return next((run for run in runs if run.state != CheckState.RUNNING), None)


def badge_of(checkpoints: Checkpoints, workspace: str) -> Badge:
    """The sign in the header: how many checkpoints ring."""
    count = checkpoints.alerting_count(workspace)
    words = f"{count} checkpoint{'s' if count != 1 else ''} failing" if count else ""
    return Badge("checks", "/checks", "checks", count, words, "/checks/_badge", alarm="")


def _draft(form: dict[str, Any]) -> Draft:
    return Draft(
        name=form["name"],
        dataset_id=_whole(form, "dataset_id", "Choose a dataset.") or 0,
        suite_id=_whole(form, "suite_id", "Choose a suite.") or 0,
        pick=form["pick"],
        pick_value=form["pick_value"],
        suite_version=_whole(form, "suite_version"),
        result_format=form["result_format"],
        row_limit=_whole(form, "row_limit"),
        runs_on_new_version=form["runs_on_new_version"] == "true",
        actions=form["actions"],
        alert_after=_whole(form, "alert_after") or 1,
        recover_after=_whole(form, "recover_after") or 1,
        keep_runs=_whole(form, "keep_runs") or 100,
    )


def _whole(form: dict[str, Any], key: str, wanted: str = "") -> int | None:
    text = str(form[key]).replace(",", "").strip()
    if not text:
        if wanted:
            raise Invalid(wanted, field=key)
        return None
    if not text.isdecimal() or len(text) > 15:
        raise Invalid(f"{text[:40]!r} is not a whole number.", field=key)
    return int(text)


def _form_of(checkpoint: Checkpoint | None) -> dict[str, Any]:
    """A checkpoint, or the beginning of one, as the form shows it."""
    if checkpoint is None:
        draft = asdict(Draft("", 0, 0))
        stored: list[dict[str, Any]] = []
    else:
        draft = {key: getattr(checkpoint, key) for key in asdict(Draft("", 0, 0))}
        stored = checkpoint.actions
    form = {key: "" if value is None else str(value) for key, value in draft.items()}
    form["runs_on_new_version"] = "true" if draft["runs_on_new_version"] else ""
    shown = [
        {"kind": one["kind"], "to": one["target"], "on": one["on"], "secret": ""} for one in stored
    ]
    return {**form, "actions": shown}


def _read(form: FormData) -> dict[str, Any]:
    """What came, with a value for every field the form shows."""
    found = {**_form_of(None), "runs_on_new_version": ""}
    found.update({key: str(form[key]) for key in found if key in form})
    columns = [
        [str(one) for one in form.getlist(f"action_{key}")]
        for key in ("kind", "to", "on", "secret")
    ]
    found["actions"] = [
        dict(zip(("kind", "to", "on", "secret"), one, strict=True))
        for one in zip(*columns, strict=False)
        if one[1].strip()
    ]
    return found


def _schedule_name(checkpoint: Checkpoint, taken: list[str]) -> str:
    name = f"Check {checkpoint.name}"[:90]
    number = 2
    wanted = name
    while wanted in taken:
        wanted = f"{name} ({number})"
        number += 1
    return wanted
