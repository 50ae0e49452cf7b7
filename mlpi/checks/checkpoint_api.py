"""Checkpoints and runs for scripts, under /api/mlpi."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from mlpi.auth.requests import actor_of
from mlpi.checks.actions import failed_of
from mlpi.checks.checkpoints import Checkpoints, Draft
from mlpi.checks.datasets import Datasets
from mlpi.checks.models import Checkpoint, Validation
from mlpi.web.render import here, principal_of, workspace_of


class ActionIn(BaseModel):
    kind: str = Field(description="webhook, email or ntfy.")
    to: str = Field(description="A URL or a mail address.")
    on: str = Field("change", description="change, failure or always.")
    secret: str = Field("", description="Signs a webhook: X-Mlpi-Signature, HMAC-SHA256.")


class CheckpointIn(BaseModel):
    name: str
    dataset: str = Field(description="Its name.")
    suite: str = Field(description="Its name.")
    suite_version: int | None = Field(None, description="Unset: the newest.")
    pick: str = Field("newest", description="newest, version or pattern.")
    pick_value: str = Field("", description="The version's number, or the pattern.")
    result_format: str = "SUMMARY"
    row_limit: int | None = Field(None, description="Rows to look at, from the first.")
    runs_on_new_version: bool = False
    actions: list[ActionIn] = []
    alert_after: int = Field(1, description="So many failures in a row before it rings.")
    recover_after: int = Field(1, description="So many successes in a row before it is well.")
    keep_runs: int = Field(100, description="Reports kept.")


class CheckpointOut(BaseModel):
    id: int
    name: str
    dataset: str
    suite: str
    state: str
    is_alerting: bool
    pick: str
    pick_value: str
    last_run_at: datetime | None


class RunIn(BaseModel):
    dataset: str = Field("", description="NAME or NAME@VERSION instead of the checkpoint's own.")


class FailedOut(BaseModel):
    expectation: str
    column: str | None
    severity: str
    observed: Any
    unexpected_count: int | None
    rows: list[int]


class RunOut(BaseModel):
    """state: running, passed, failed or error. result: GX's JSON, where asked for."""

    id: int | None
    job_id: int | None
    checkpoint: str
    target: str = ""
    state: str
    error: str = ""
    statistics: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    failed: list[FailedOut] = []
    url: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: dict[str, Any] | None = None


class GateOut(BaseModel):
    is_open: bool
    reason: str
    run: RunOut | None


def router(checkpoints: Checkpoints, datasets: Datasets) -> APIRouter:
    """Everything the pages of checkpoints and runs can do."""
    api = APIRouter(prefix="/api/mlpi", tags=["checks"])

    def draft(workspace: str, body: CheckpointIn) -> Draft:
        values = body.model_dump(exclude={"dataset", "suite"})
        return Draft(
            dataset_id=datasets.get(workspace, body.dataset).id,
            suite_id=checkpoints.suite_named(workspace, body.suite).id,
            **values,
        )

    def out(checkpoint: Checkpoint) -> CheckpointOut:
        dataset, suite, _ = checkpoints.parts(checkpoint)
        return CheckpointOut(
            id=checkpoint.id,
            name=checkpoint.name,
            dataset=dataset.name,
            suite=suite.name,
            state=checkpoint.state,
            is_alerting=checkpoint.is_alerting,
            pick=checkpoint.pick,
            pick_value=checkpoint.pick_value,
            last_run_at=checkpoint.last_run_at,
        )

    @api.get("/checks")
    def list_checkpoints(request: Request) -> list[CheckpointOut]:
        """Checkpoints of the current workspace; those that ring first."""
        return [out(row.checkpoint) for row in checkpoints.page(workspace_of(request))]

    @api.post("/checks", status_code=201)
    def add_checkpoint(request: Request, body: CheckpointIn) -> CheckpointOut:
        """Hold a dataset against a suite."""
        workspace = workspace_of(request)
        return out(checkpoints.add(workspace, draft(workspace, body), actor=actor_of(request)))

    @api.get("/checks/{name}")
    def get_checkpoint(request: Request, name: str) -> CheckpointOut:
        """One checkpoint."""
        return out(checkpoints.get(workspace_of(request), name))

    @api.put("/checks/{name}")
    def change_checkpoint(request: Request, name: str, body: CheckpointIn) -> CheckpointOut:
        """Change it."""
        workspace = workspace_of(request)
        found = checkpoints.get(workspace, name)
        changed = checkpoints.change(
            workspace, found.id, draft(workspace, body), actor=actor_of(request)
        )
        return out(changed)

    @api.delete("/checks/{name}", status_code=204)
    def remove_checkpoint(request: Request, name: str) -> None:
        """Remove it with its reports."""
        workspace = workspace_of(request)
        found = checkpoints.get(workspace, name)
        checkpoints.remove(workspace, found.id, actor=actor_of(request))

    @api.post("/checks/{name}/run", status_code=202)
    def run_checkpoint(request: Request, name: str, body: RunIn | None = None) -> RunOut:
        """Queue a run. Its state is at /api/mlpi/checks/runs/by-job/{job_id}."""
        job = checkpoints.run(
            workspace_of(request),
            name,
            actor=actor_of(request),
            cause="api",
            dataset=body.dataset if body else "",
        )
        return RunOut(id=None, job_id=job.id, checkpoint=name, state="running")

    @api.get("/checks/{name}/runs")
    def list_runs(
        request: Request,
        name: str,
        before: int | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> list[RunOut]:
        """Its runs, newest first; before is the id to go on from."""
        found = checkpoints.get(workspace_of(request), name)
        return [
            _run(request, one, found)
            for one in checkpoints.runs(found, before_id=before, limit=limit)
        ]

    @api.get("/checks/runs/by-job/{job_id}")
    def run_by_job(request: Request, job_id: int) -> RunOut:
        """The run that a job makes; still waiting, its id is null."""
        workspace = workspace_of(request)
        job = checkpoints.job(workspace, job_id)
        found = checkpoints.of_job(workspace, job_id)
        if found is None:
            # Ended without a run: cancelled before it began, or its report is gone already.
            ended = "Its report was removed." if job.state == "succeeded" else "It did not begin."
            error = (job.error or ended) if job.is_final else ""
            state = "error" if job.is_final else "running"
            return RunOut(id=None, job_id=job.id, checkpoint=job.title, state=state, error=error)
        return _run(request, *checkpoints.run_of(workspace, found.id))

    @api.get("/checks/runs/{run_id}")
    def get_run(request: Request, run_id: int) -> RunOut:
        """One run with Great Expectations' result JSON."""
        return _run(request, *checkpoints.run_of(workspace_of(request), run_id), is_whole=True)

    @api.get("/checks/{name}/gate", responses={409: {"model": GateOut}})
    def gate(request: Request, name: str, dataset: str = "") -> Response:
        """200 when the last run on dataset (NAME or NAME@VERSION) passed, 409 when not."""
        workspace = workspace_of(request)
        is_open, reason, found = checkpoints.gate(workspace, name, dataset)
        run = _run(request, *checkpoints.run_of(workspace, found.id)) if found else None
        body = GateOut(is_open=is_open, reason=reason, run=run)
        return JSONResponse(body.model_dump(mode="json"), 200 if is_open else 409)

    return api


def _run(
    request: Request, run: Validation, checkpoint: Checkpoint, *, is_whole: bool = False
) -> RunOut:
    has_result = "result" in run.__dict__ and run.result is not None
    page = here(principal_of(request), f"/checks/runs/{run.id}")
    return RunOut(
        id=run.id,
        job_id=run.job_id,
        checkpoint=checkpoint.name,
        target=run.target,
        state=run.state,
        error=run.error,
        statistics=run.statistics,
        figures=run.figures,
        failed=[FailedOut(**one) for one in failed_of(run.result or {})] if has_result else [],
        url=str(request.base_url).rstrip("/") + page,
        started_at=run.started_at,
        finished_at=run.finished_at,
        result=run.result if is_whole else None,
    )
