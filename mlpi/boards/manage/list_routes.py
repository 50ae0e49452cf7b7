"""The table of all runs, and what is done to many at once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from mlpi.auth.requests import actor_of
from mlpi.boards.manage.service import Manage
from mlpi.boards.manage.views import ALL, ONE, Asked, Views, to
from mlpi.errors import MlpiError
from mlpi.web.render import workspace_of

Text = Annotated[str, Form()]
Runs = Annotated[list[str] | None, Form()]
Flag = Annotated[bool, Form()]


def router(manage: Manage) -> APIRouter:
    """Forms name runs (`run`, as often as needed) or a folder of runs (`folder`)."""
    pages = APIRouter(include_in_schema=False)
    service, views = manage.service, Views(manage)

    @pages.get(ALL)
    def every(request: Request, after: str = "") -> Response:
        return views.every(request, Asked.of(request), after=after)

    def put(request: Request, runs: list[str], folder: str, of: str, *, away: bool) -> Response:
        asked, workspace = Asked.of(request), workspace_of(request)
        try:
            names = [one.name for one in manage.chosen(workspace, runs, folder)]
        except MlpiError as error:
            if error.status != 422:
                raise
            return views.every(request, asked, error)
        service.archive(workspace, names, is_archived=away, actor=actor_of(request))
        if of == "run":
            return to(request, ONE, run=names[0])
        return to(request, ALL, **asked.query)

    @pages.post("/boards/archive")
    def archive(request: Request, run: Runs = None, folder: Text = "", of: Text = "") -> Response:
        return put(request, run or [], folder, of, away=True)

    @pages.post("/boards/unarchive")
    def unarchive(request: Request, run: Runs = None, folder: Text = "", of: Text = "") -> Response:
        return put(request, run or [], folder, of, away=False)

    @pages.post("/boards/folder/rename")
    def rename(request: Request, folder: Text, name: Text = "", sure: Flag = False) -> Response:
        """Move all runs of a folder."""
        new_name, workspace = name.strip().rstrip("/"), workspace_of(request)
        try:
            service.rename(workspace, folder, new_name, actor=actor_of(request), is_sure=sure)
        except MlpiError as error:
            if error.status not in (409, 422):
                raise
            error.field = error.field if error.field == "sure" else "name"
            asked = Asked(state="all", folder=folder)
            return views.every(request, asked, error, form={"name": name})
        return to(request, ALL, folder=new_name, state="all")

    @pages.post("/boards/remove/ask")
    def ask(request: Request, run: Runs = None, folder: Text = "") -> Response:
        """What exactly would go, before it goes."""
        return views.question(request, run or [], folder)

    @pages.post("/boards/remove")
    def remove(
        request: Request,
        run: Runs = None,
        folder: Text = "",
        count: Annotated[int | None, Form()] = None,
        sure: Flag = False,
        of: Text = "",
    ) -> Response:
        """For good. count: of the runs that the question named, when it was about a folder."""
        workspace, runs = workspace_of(request), run or []
        try:
            names = manage.agreed(workspace, runs, folder, count)
            service.remove(workspace, names, actor=actor_of(request), is_sure=sure)
        except MlpiError as error:
            if error.status not in (409, 422):
                raise
            if of == "run" and runs:
                return views.run(request, runs[0], error, {"deed": "remove"})
            return views.question(request, runs, folder, error)
        return to(request, ALL, **Asked.of(request).query)

    return pages
