"""What editors and owners do to a run: name, description, tags, deletion."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from mlpi.auth.requests import actor_of
from mlpi.errors import MlpiError
from mlpi.tracking.deeds import Deeds
from mlpi.tracking.run_page.page_routes import ONE
from mlpi.tracking.run_page.service import RunPage
from mlpi.tracking.run_page.views import DESCRIPTION, RunView
from mlpi.web.render import back_to, workspace_of

Text = Annotated[str, Form()]


def router(pages_of: RunPage, deeds: Deeds) -> APIRouter:
    """Forms of the page; each leads back to it."""
    pages = APIRouter(include_in_schema=False)
    view = RunView(pages_of)

    def refused(request: Request, run_id: str, error: MlpiError, **form: str) -> Response:
        """The page again, with what was wrong and what was typed."""
        if error.status not in (409, 422):
            raise error
        found = pages_of.run(workspace_of(request), run_id)
        return view.page(request, found, status=422, error=error, form=form)

    @pages.post(ONE + "/rename")
    async def rename(request: Request, run_id: str, name: Text = "") -> Response:
        workspace = workspace_of(request)
        try:
            await deeds.rename_run(workspace, run_id, name, actor=actor_of(request))
        except MlpiError as error:
            return refused(request, run_id, error, name=name)
        return back_to(request, f"/tracking/runs/{run_id}")

    @pages.post(ONE + "/description")
    async def describe(request: Request, run_id: str, text: Text = "") -> Response:
        # Browsers send CRLF.
        text = text.replace("\r\n", "\n")
        actor, workspace = actor_of(request), workspace_of(request)
        try:
            await deeds.tag_runs(workspace, [run_id], DESCRIPTION, text, actor=actor)
        except MlpiError as error:
            return refused(request, run_id, error, text=text)
        return back_to(request, f"/tracking/runs/{run_id}")

    @pages.post(ONE + "/tags")
    async def tag(request: Request, run_id: str, key: Text = "", value: Text = "") -> Response:
        actor, workspace = actor_of(request), workspace_of(request)
        try:
            await deeds.tag_runs(workspace, [run_id], key, value, actor=actor)
        except MlpiError as error:
            return refused(request, run_id, error, key=key, value=value)
        return back_to(request, f"/tracking/runs/{run_id}")

    @pages.post(ONE + "/tags/remove")
    async def untag(request: Request, run_id: str, key: Text = "") -> Response:
        await deeds.untag_run(workspace_of(request), run_id, key, actor=actor_of(request))
        return back_to(request, f"/tracking/runs/{run_id}")

    @pages.post(ONE + "/delete")
    async def delete(request: Request, run_id: str) -> Response:
        await deeds.delete_runs(workspace_of(request), [run_id], actor=actor_of(request))
        return back_to(request, f"/tracking/runs/{run_id}")

    @pages.post(ONE + "/restore")
    async def restore(request: Request, run_id: str) -> Response:
        await deeds.restore_runs(workspace_of(request), [run_id], actor=actor_of(request))
        return back_to(request, f"/tracking/runs/{run_id}")

    return pages
