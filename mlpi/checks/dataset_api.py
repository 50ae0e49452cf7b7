"""Datasets and their uploads for scripts, under /api/mlpi."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from mlpi.auth.audit import Actor
from mlpi.auth.requests import actor_of
from mlpi.checks.datasets import PURPOSE, Datasets
from mlpi.checks.files import format_of
from mlpi.checks.lookups import split_reference
from mlpi.checks.models import Dataset, DatasetVersion
from mlpi.checks.names import checked_name
from mlpi.errors import Invalid
from mlpi.uploads import Arrived, Upload, Uploads
from mlpi.web import tus
from mlpi.web.render import workspace_of


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


class DatasetChange(BaseModel):
    """What is left out stays as it is."""

    description: str | None = None
    options: dict[str, Any] | None = Field(None, description="How files are read.")


def router(datasets: Datasets, uploads: Uploads) -> APIRouter:
    """Everything the pages of datasets can do."""
    api = APIRouter(prefix="/api/mlpi", tags=["checks"])
    _add_uploads(api, datasets, uploads)
    _add_datasets(api, datasets)
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
        api, uploads, purpose=PURPOSE, path="/uploads/datasets", check=check, finish=finish
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
            purpose=PURPOSE,
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

    @api.patch("/datasets/{name}")
    def change_dataset(request: Request, name: str, body: DatasetChange) -> DatasetOut:
        """Describe it, or change how its files are read, which reads the newest anew."""
        workspace = workspace_of(request)
        found = datasets.get(workspace, name)
        known = found.description
        datasets.describe(
            workspace,
            found.id,
            description=known if body.description is None else body.description,
            reading=body.options,
            actor=actor_of(request),
        )
        return get_dataset(request, name)

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
