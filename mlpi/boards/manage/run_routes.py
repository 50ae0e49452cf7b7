"""A run's page, and what is done to that run."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from mlpi.auth.requests import actor_of
from mlpi.boards.manage.facts import label_of, tags_of
from mlpi.boards.manage.service import Manage
from mlpi.boards.manage.ties import checked_id
from mlpi.boards.manage.views import ONE, Views, to
from mlpi.boards.reader.events import SCALARS
from mlpi.errors import MlpiError
from mlpi.web.render import render, wants_part, workspace_of

Text = Annotated[str, Form()]
Flag = Annotated[bool, Form()]


def router(manage: Manage) -> APIRouter:
    """Names hold slashes, so runs are named by the parameter `run`."""
    pages = APIRouter(include_in_schema=False)
    service, views = manage.service, Views(manage)

    @pages.get(ONE)
    def run(request: Request, run: str) -> Response:
        return views.run(request, run)

    @pages.get(ONE + "/tags")
    def tags(request: Request, run: str, kind: str = "", after: str = "") -> Response:
        """A page of a run's tags of one kind."""
        shown = service.shown(workspace_of(request), run)
        found, next_after = tags_of(shown.run, kind, after)
        return render(
            request,
            "boards/_tags.html" if wants_part(request) else "boards/tags.html",
            run=shown,
            kind=kind,
            label=label_of(kind),
            tags=found,
            after=after,
            next_after=next_after,
            is_number=kind == SCALARS,
        )

    @pages.post(ONE + "/rename")
    def rename(request: Request, run: Text, name: Text = "", sure: Flag = False) -> Response:
        new_name = name.strip()
        try:
            service.rename(
                workspace_of(request), run, new_name, actor=actor_of(request), is_sure=sure
            )
        except MlpiError as error:
            if error.status not in (409, 422):
                raise
            error.field = error.field if error.field == "sure" else "name"
            return views.run(request, run, error, {"name": name, "deed": "rename"})
        return to(request, ONE, run=new_name)

    @pages.post(ONE + "/mlflow")
    def tie(request: Request, run: Text, mlflow_run_id: Text = "") -> Response:
        try:
            run_id = checked_id(mlflow_run_id)
        except MlpiError as error:
            return views.run(request, run, error, {"mlflow_run_id": mlflow_run_id})
        service.tie(workspace_of(request), run, run_id, actor=actor_of(request))
        return to(request, ONE, run=run)

    return pages
