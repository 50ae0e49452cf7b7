"""Expectation suites and the vocabulary for scripts, under /api/mlpi."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from pydantic import BaseModel, Field

from mlpi.auth.requests import actor_of
from mlpi.checks.models import Suite, SuiteVersion
from mlpi.checks.suites import gx_json, vocabulary
from mlpi.checks.suites.service import Suites
from mlpi.checks.suites.store import VersionLine
from mlpi.errors import Invalid
from mlpi.web.render import workspace_of


class ArgumentOut(BaseModel):
    name: str
    title: str
    description: str
    kinds: list[str] = Field(description="JSON types; date is a string with an ISO date or time.")
    default: Any
    is_required: bool
    choices: list[str]
    minimum: float | None
    maximum: float | None
    takes_parameter: bool = Field(description='Whether {"$PARAMETER": name} may stand for it.')


class ExpectationTypeOut(BaseModel):
    type: str
    title: str
    description: str
    domain: str
    issues: list[str]
    takes_condition: bool
    arguments: list[ArgumentOut]


class SuiteIn(BaseModel):
    name: str
    description: str = ""
    expectations: list[dict[str, Any]] = Field([], description="As Great Expectations writes them.")
    meta: dict[str, Any] = {}


class SuiteChange(BaseModel):
    """What is left out stays."""

    base_version: int | None = Field(
        None, description="The version that the change was made on; needed to save the next one."
    )
    expectations: list[dict[str, Any]] | None = None
    meta: dict[str, Any] | None = None
    note: str = Field("", max_length=300)
    name: str | None = None
    description: str | None = None


class VersionOut(BaseModel):
    number: int
    expectation_count: int
    origin: str
    note: str
    actor: str
    created_at: datetime


class SuiteOut(BaseModel):
    id: int
    name: str
    description: str
    actor: str
    created_at: datetime
    version: VersionOut
    expectations: list[dict[str, Any]] | None = Field(
        description="Of that version; null in a list of suites."
    )
    meta: dict[str, Any] | None


class FieldOut(BaseModel):
    name: str
    before: Any
    after: Any


class ChangeOut(BaseModel):
    before: dict[str, Any]
    after: dict[str, Any]
    fields: list[FieldOut]


class DiffOut(BaseModel):
    added: list[dict[str, Any]]
    removed: list[dict[str, Any]]
    changed: list[ChangeOut]
    is_reordered: bool


def router(suites: Suites) -> APIRouter:
    """Everything the pages can do."""
    api = APIRouter(prefix="/api/mlpi", tags=["checks"])

    def whole(request: Request, suite_id: int, number: int | None = None) -> SuiteOut:
        workspace = workspace_of(request)
        return _suite(suites.get(workspace, suite_id), suites.version(workspace, suite_id, number))

    @api.get("/expectations")
    def expectations(q: str = "") -> list[ExpectationTypeOut]:
        """The vocabulary: all core expectations of the installed Great Expectations."""
        found = vocabulary.search(q)
        return [ExpectationTypeOut.model_validate(one, from_attributes=True) for one in found]

    @api.get("/suites")
    def page(request: Request, q: str = "") -> list[SuiteOut]:
        """The suites of the current workspace by name, without what they expect."""
        return [
            SuiteOut(**_about(row.suite), version=_line(row.newest), expectations=None, meta=None)
            for row in suites.page(workspace_of(request), q)
        ]

    @api.post("/suites", status_code=201)
    def add(request: Request, body: SuiteIn) -> SuiteOut:
        """A new suite, at version 1."""
        made = suites.add(
            workspace_of(request),
            body.name,
            body.description,
            expectations=body.expectations,
            meta=_meta(body.meta),
            actor=actor_of(request),
        )
        return whole(request, made.id)

    @api.post("/suites/import", status_code=201)
    def import_suite(
        request: Request, body: Annotated[dict[str, Any], Body()], name: str = ""
    ) -> SuiteOut:
        """A new suite from Great Expectations' own JSON, of 1.x or 0.x; name overrides its name."""
        draft = gx_json.of_object(body)
        made = suites.add(
            workspace_of(request),
            name or draft.name,
            expectations=draft.expectations,
            meta=draft.meta,
            origin="imported",
            actor=actor_of(request),
        )
        return whole(request, made.id)

    @api.get("/suites/{suite_id}")
    def get(request: Request, suite_id: int, version: int | None = None) -> SuiteOut:
        """A suite with what its newest version expects, or another version."""
        return whole(request, suite_id, version)

    @api.put("/suites/{suite_id}")
    def change(request: Request, suite_id: int, body: SuiteChange) -> SuiteOut:
        """Save the next version, then rename and describe. 409 when somebody saved meanwhile."""
        workspace, actor = workspace_of(request), actor_of(request)
        if body.expectations is not None or body.meta is not None:
            if body.base_version is None:
                raise Invalid("Say which version was changed.", field="base_version")
            newest = suites.version(workspace, suite_id)
            suites.save(
                workspace,
                suite_id,
                newest.expectations if body.expectations is None else body.expectations,
                meta=None if body.meta is None else _meta(body.meta),
                note=body.note,
                base_version=body.base_version,
                actor=actor,
            )
        if body.name is not None or body.description is not None:
            known = suites.get(workspace, suite_id)
            name = known.name if body.name is None else body.name
            description = known.description if body.description is None else body.description
            suites.describe(workspace, suite_id, name, description, actor=actor)
        return whole(request, suite_id)

    @api.delete("/suites/{suite_id}", status_code=204)
    def remove(request: Request, suite_id: int) -> None:
        """Remove it with all its versions. 409 while a checkpoint uses it."""
        suites.remove(workspace_of(request), suite_id, actor=actor_of(request))

    @api.get("/suites/{suite_id}/versions")
    def versions(request: Request, suite_id: int) -> list[VersionOut]:
        """A suite's versions, newest first."""
        return [_line(one) for one in suites.versions(workspace_of(request), suite_id)]

    @api.post("/suites/{suite_id}/versions/{number}/restore", status_code=201)
    def restore(request: Request, suite_id: int, number: int) -> SuiteOut:
        """What an earlier version expected, as the next version."""
        suites.restore(workspace_of(request), suite_id, number, actor=actor_of(request))
        return whole(request, suite_id)

    @api.get("/suites/{suite_id}/diff")
    def diff(
        request: Request, suite_id: int, a: Annotated[int, Query()], b: Annotated[int, Query()]
    ) -> DiffOut:
        """What leads from version a to version b."""
        found = suites.diff(workspace_of(request), suite_id, a, b)
        return DiffOut.model_validate(found, from_attributes=True)

    @api.get("/suites/{suite_id}/export")
    def export(request: Request, suite_id: int, version: int | None = None) -> dict[str, Any]:
        """As gx.ExpectationSuite(**json) and context.suites.add take it."""
        return suites.export_json(workspace_of(request), suite_id, version)

    return api


def _meta(meta: dict[str, Any]) -> dict[str, Any]:
    gx_json.require_plain(meta)
    if len(str(meta)) > gx_json.MAX_META_BYTES:
        raise Invalid("The suite's meta is too large.", field="meta")
    return meta


def _about(suite: Suite) -> dict[str, Any]:
    return {
        "id": suite.id,
        "name": suite.name,
        "description": suite.description,
        "actor": suite.actor,
        "created_at": suite.created_at,
    }


def _line(version: VersionLine) -> VersionOut:
    return VersionOut.model_validate(version, from_attributes=True)


def _suite(suite: Suite, version: SuiteVersion) -> SuiteOut:
    line = VersionOut(
        number=version.number,
        expectation_count=len(version.expectations),
        origin=version.origin,
        note=version.note,
        actor=version.actor,
        created_at=version.created_at,
    )
    return SuiteOut(
        **_about(suite), version=line, expectations=version.expectations, meta=version.meta
    )
