"""The page on which a suite is proposed from data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response

from mlpi.auth.requests import actor_of
from mlpi.checks.models import DatasetVersion
from mlpi.checks.suites import views
from mlpi.checks.suites.proposing import Proposal, propose
from mlpi.checks.suites.rules import Expectation
from mlpi.checks.suites.service import Suites
from mlpi.checks.suites.store import MAX_ID
from mlpi.checks.suites.views import Datasets, Offer
from mlpi.errors import Invalid, MlpiError, NotFound
from mlpi.web.render import back_to, render, workspace_of

Number = Annotated[int, Form()]
SURE = 0.5  # proposals from here on are chosen beforehand


def router(suites: Suites, datasets: Datasets) -> APIRouter:
    """Choosing the data, then what of the proposals to keep."""
    pages = APIRouter(include_in_schema=False)

    def proposing(
        request: Request,
        suite_id: int,
        version_id: int | None,
        status: int = 200,
        error: MlpiError | None = None,
        chosen: Sequence[str] | None = None,
    ) -> Response:
        workspace = workspace_of(request)
        newest = suites.version(workspace, suite_id)
        picked = datasets.version(workspace, version_id) if version_id else None
        return render(
            request,
            "checks/suite_propose.html",
            status,
            suite=suites.get(workspace, suite_id),
            base_version=newest.number,
            ready=datasets.ready_versions(workspace),
            picked=picked,
            rows=_offers(picked[1], newest.expectations, chosen) if picked else [],
            error=error,
        )

    @pages.get("/checks/suites/{suite_id}/propose")
    def proposals(
        request: Request,
        suite_id: int,
        version_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    ) -> Response:
        return proposing(request, suite_id, version_id)

    @pages.post("/checks/suites/{suite_id}/propose")
    def accept(
        request: Request,
        suite_id: int,
        version_id: Annotated[int, Form(ge=1, le=MAX_ID)],
        base_version: Number,
        chosen: Annotated[list[str] | None, Form()] = None,
    ) -> Response:
        workspace = workspace_of(request)
        _dataset, version = datasets.version(workspace, version_id)
        try:
            suites.put(
                workspace,
                suite_id,
                _chosen(version, chosen or []),
                base_version=base_version,
                actor=actor_of(request),
                origin="proposed",
            )
        except NotFound:
            raise
        except MlpiError as error:
            return proposing(request, suite_id, version_id, 422, error, chosen or [])
        return back_to(request, f"/checks/suites/{suite_id}", "saved")

    return pages


def _proposed(version: DatasetVersion) -> dict[str, Proposal]:
    """A version's proposals by what they say, so that a form can name them."""
    found = propose(version.profile or {}, version.columns or ())
    return {_key(one.expectation): one for one in found}


def _key(expectation: Expectation) -> str:
    said = json.dumps([expectation["type"], expectation["kwargs"]], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:20]


def _offers(
    version: DatasetVersion, there: Sequence[Expectation], chosen: Sequence[str] | None
) -> list[Offer]:
    known = {views.about(one) for one in there}
    found = []
    for key, one in _proposed(version).items():
        is_there = views.about(one.expectation) in known
        is_sure = one.confidence >= SURE and not is_there
        is_chosen = is_sure if chosen is None else key in chosen
        found.append(Offer(key, one, is_there, is_chosen))
    return found


def _chosen(version: DatasetVersion, keys: Sequence[str]) -> list[Expectation]:
    if not keys:
        raise Invalid("Choose at least one expectation.", field="chosen")
    found = _proposed(version)
    if not set(keys) <= set(found):
        raise Invalid("The data was profiled anew meanwhile; choose again.", field="chosen")
    return [one.expectation for key, one in found.items() if key in keys]
