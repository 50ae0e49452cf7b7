"""Datasets, checkpoints and runs for scripts, under /api/mlpi."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from mlpi.auth.audit import Actor
from mlpi.auth.requests import actor_of
from mlpi.checks.actions import failed_of
from mlpi.checks.checkpoints import Checkpoints, Draft
from mlpi.checks.datasets import Datasets
from mlpi.checks.files import format_of
from mlpi.checks.lookups import split_reference
from mlpi.checks.models import Checkpoint, Dataset, DatasetVersion, Validation
from mlpi.checks.names import checked_name
from mlpi.errors import Invalid
from mlpi.uploads import Arrived, Upload, Uploads
from mlpi.web import tus
from mlpi.web.render import here, principal_of, workspace_of


class VersionOut(BaseModel):
    """columns: [name, DuckDB type] each."""

    id: int
    number: int
    sha256: str
    size_bytes: int
    file_name: str
    format: str
    origin: dict[str, Any]
    state: str
    error: str
    job_id: int | None
    row_count: int | None
    columns: list[list[str]]
    created_at: datetime


class DatasetOut(BaseModel):
    id: int
    name: str
    kind: str
    description: str
    options: dict[str, Any]
    location: dict[str, Any]
    newest: VersionOut | None
    version_count: int


class DatasetIn(BaseModel):
    """A dataset that stays where it is: pattern, or url with table or query."""

    name: str
    pattern: str = ""
    url: str = ""
    table: str = ""
    query: str = ""
    options: dict[str, Any] = {}


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


def router(datasets: Datasets, checkpoints: Checkpoints, uploads: Uploads) -> APIRouter:
    """Everything the pages of datasets and checkpoints can do."""
    api = APIRouter(prefix="/api/mlpi", tags=["checks"])
    _add_uploads(api, datasets, uploads)
    _add_datasets(api, datasets)
    _add_checkpoints(api, checkpoints, datasets)
    return api


def _add_uploads(api: APIRouter, datasets: Datasets, uploads: Uploads) -> None:
    def check(details: dict[str, str]) -> None:
        format_of(details["filename"])
        checked_name(details.get("name") or Path(details["filename"]).stem, "a dataset")

    def finish(upload: Upload, arrived: Arrived, actor: Actor) -> dict[str, str]:
        version = datasets.add_file(
            upload.workspace,
            upload.details.get("name") or Path(upload.file_name).stem,
            upload.file_name,
            arrived,
            actor=actor,
        )
        return {
            "Content-Location": f"/checks/datasets/{version.dataset_id}?version={version.number}",
            "X-Dataset-Version": str(version.number),
        }

    tus.add_routes(
        api, uploads, purpose="dataset", path="/uploads/datasets", check=check, finish=finish
    )

    @api.put("/datasets/{name}/file", status_code=201)
    async def put_file(
        request: Request,
        name: str,
        filename: Annotated[str, Query(description="With the ending that says its format.")],
        sha256: str = "",
    ) -> VersionOut:
        """The next version in one request: `curl -T wine.csv '…/datasets/wine/file?filename=…'`."""
        check({"filename": filename, "name": name})
        version = await tus.receive_whole(
            request,
            uploads,
            purpose="dataset",
            file_name=filename,
            sha256=sha256,
            take=lambda arrived: datasets.add_file(
                workspace_of(request), name, filename, arrived, actor=actor_of(request)
            ),
        )
        return _version(version)


def _add_datasets(api: APIRouter, datasets: Datasets) -> None:
    @api.get("/datasets")
    def list_datasets(request: Request) -> list[DatasetOut]:
        """Datasets of the current workspace by name."""
        return [
            _dataset(row.dataset, row.newest, row.version_count)
            for row in datasets.page(workspace_of(request))
        ]

    @api.post("/datasets", status_code=201)
    def add_dataset(request: Request, body: DatasetIn) -> DatasetOut:
        """Add a file of the server or a table of a database; files are uploaded instead."""
        workspace, actor = workspace_of(request), actor_of(request)
        if bool(body.pattern) == bool(body.url):
            raise Invalid("Give pattern or url, one of the two.", field="pattern")
        if body.pattern:
            made = datasets.add_path(
                workspace, body.name, body.pattern, actor=actor, reading=body.options
            )
        else:
            made = datasets.add_sql(
                workspace, body.name, body.url, table=body.table, query=body.query, actor=actor
            )
        versions = datasets.versions(made)
        return _dataset(made, versions[0] if versions else None, len(versions))

    @api.get("/datasets/{name}")
    def get_dataset(request: Request, name: str) -> DatasetOut:
        """One dataset with its newest version."""
        found = datasets.get(workspace_of(request), name)
        versions = datasets.versions(found)
        return _dataset(found, versions[0] if versions else None, len(versions))

    @api.delete("/datasets/{name}", status_code=204)
    def remove_dataset(request: Request, name: str) -> None:
        """Remove it with its versions and stored files."""
        workspace = workspace_of(request)
        found = datasets.get(workspace, name)
        datasets.remove(workspace, found.id, actor=actor_of(request))

    @api.post("/datasets/{name}/refresh", status_code=202)
    def refresh_dataset(request: Request, name: str) -> dict[str, int]:
        """Look at it anew; the id of the job that does."""
        workspace = workspace_of(request)
        found = datasets.get(workspace, name)
        return {"job_id": datasets.refresh(workspace, found.id, actor=actor_of(request))}

    @api.get("/datasets/{name}/versions")
    def list_versions(request: Request, name: str) -> list[VersionOut]:
        """Its versions, newest first."""
        found = datasets.get(workspace_of(request), name)
        return [_version(one) for one in datasets.versions(found)]

    @api.get("/datasets/{name}/profile")
    def get_profile(request: Request, name: str) -> dict[str, Any]:
        """The profile of NAME@VERSION, or of the newest version."""
        workspace = workspace_of(request)
        plain, number = split_reference(name)
        version = datasets.numbered(workspace, datasets.get(workspace, plain), number)
        if version.profile is None:
            raise Invalid(f"It has no profile: it is {version.state}. {version.error}".rstrip())
        return {"version": version.number, **version.profile}


def _add_checkpoints(api: APIRouter, checkpoints: Checkpoints, datasets: Datasets) -> None:
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
            return RunOut(id=None, job_id=job.id, checkpoint=job.title, state="running")
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


def _version(version: DatasetVersion) -> VersionOut:
    return VersionOut.model_validate(version, from_attributes=True)


def _dataset(dataset: Dataset, newest: DatasetVersion | None, count: int) -> DatasetOut:
    return DatasetOut(
        id=dataset.id,
        name=dataset.name,
        kind=dataset.kind,
        description=dataset.description,
        options=dataset.options,
        location=dataset.location,
        newest=_version(newest) if newest else None,
        version_count=count,
    )


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
