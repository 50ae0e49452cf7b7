"""The reports of runs."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from mlpi.auth.requests import actor_of
from mlpi.checks import reports
from mlpi.checks.checkpoints import Checkpoints
from mlpi.checks.datasets import Datasets
from mlpi.checks.docs import DataDocs
from mlpi.errors import Invalid, MlpiError
from mlpi.web.errors import wants_page
from mlpi.web.render import back_to, is_htmx, render, workspace_of


def router(checkpoints: Checkpoints, datasets: Datasets, docs: DataDocs) -> APIRouter:
    """Everything under /checks/runs."""
    pages = APIRouter(include_in_schema=False)

    @pages.get("/checks/runs/{run_id}")
    def report(request: Request, run_id: int) -> Response:
        workspace = workspace_of(request)
        found, owner = checkpoints.run_of(workspace, run_id)
        profile = None
        if found.dataset_version_id is not None:
            profile = datasets.version(workspace, found.dataset_version_id)[1].profile
        dataset, suite, _ = checkpoints.parts(owner)
        return render(
            request,
            "checks/_run.html" if is_htmx(request) else "checks/run.html",
            run=found,
            checkpoint=owner,
            dataset=dataset,
            suite=suite,
            verdicts=reports.verdicts(found.result, profile) if found.result else [],
            deliveries=checkpoints.deliveries([found]),
            has_docs=docs.is_there(run_id),
            docs_job=docs.job(workspace, run_id),
        )

    @pages.post("/checks/runs/{run_id}/docs")
    def build_docs(request: Request, run_id: int) -> Response:
        docs.build(workspace_of(request), run_id, actor=actor_of(request))
        return back_to(request, f"/checks/runs/{run_id}")

    @pages.get("/checks/runs/{run_id}/docs")
    def data_docs(request: Request, run_id: int) -> Response:
        # The door gives this row a policy under which nothing in the page runs.
        try:
            return HTMLResponse(docs.page(workspace_of(request), run_id))
        except MlpiError as error:
            if not wants_page(request):
                raise
            # Under that policy the page of errors, which loads its style, cannot be read.
            return render(request, "checks/no_docs.html", error.status, error=error, run_id=run_id)

    @pages.get("/checks/runs/{run_id}/result.json")
    def result(request: Request, run_id: int) -> Response:
        found, owner = checkpoints.run_of(workspace_of(request), run_id)
        if found.result is None:
            raise Invalid("This run has no result.")
        name = f"{owner.name}-{found.id}.json".encode("ascii", "replace").decode()
        return Response(
            json.dumps(found.result, indent=1, ensure_ascii=False),
            media_type="application/json",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    return pages
