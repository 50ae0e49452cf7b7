"""The trash: looked at by all members, restored and emptied by owners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from mlpi.auth.requests import actor_of
from mlpi.errors import Invalid, MlpiError
from mlpi.tracking.deeds import Deeds
from mlpi.tracking.trash.records import Choice
from mlpi.tracking.trash.service import Trash
from mlpi.web.render import here, principal_of, render, wants_part, workspace_of

Text = Annotated[str, Form()]
Ids = Annotated[list[str] | None, Form()]
AT = "/tracking/trash"


def router(trash: Trash, deeds: Deeds) -> APIRouter:
    """One page, its sizes, the question, and three deeds."""
    pages = APIRouter(include_in_schema=False)

    def page(
        request: Request,
        experiment: str = "",
        after: str = "",
        status: int = 200,
        error: MlpiError | None = None,
        picked: Sequence[str] = (),
    ) -> Response:
        found = trash.look(workspace_of(request), experiment, after)
        return render(
            request,
            "tracking/trash/page.html" if not wants_part(request) else "tracking/trash/_bin.html",
            status,
            bin=found,
            after=after,
            error=error,
            picked=set(picked),
            now_ms=trash.now_ms(),
        )

    @pages.get(AT)
    def look(request: Request, experiment: str = "", after: str = "") -> Response:
        return page(request, experiment, after)

    @pages.get(AT + "/sizes")
    def sizes(request: Request, experiment: str = "", after: str = "") -> Response:
        """What was measured since, for the cells that are still open."""
        found = trash.look(workspace_of(request), experiment, after)
        return render(request, "tracking/trash/_sizes.html", bin=found, after=after)

    @pages.post(AT + "/ask")
    def ask(
        request: Request,
        experiment: Ids = None,
        run: Ids = None,
        model: Ids = None,
        until: Text = "",
        within: Text = "",
    ) -> Response:
        """What exactly would go, before it goes."""
        choice = _choice(experiment, run, model, until, within)
        try:
            question = trash.question(workspace_of(request), choice)
        except Invalid as error:
            if wants_part(request):
                raise
            return page(request, status=422, error=error)
        return render(request, "tracking/trash/ask.html", asked=question)

    @pages.post(AT + "/purge")
    def purge(
        request: Request,
        experiment: Ids = None,
        run: Ids = None,
        model: Ids = None,
        until: Text = "",
        within: Text = "",
    ) -> Response:
        """For good. Without a choice: what was begun and not ended."""
        choice = _choice(experiment, run, model, until, within)
        trash.purge(workspace_of(request), choice, actor=actor_of(request))
        return RedirectResponse(here(principal_of(request), AT), 303)

    @pages.post(AT + "/restore")
    async def restore(
        request: Request, experiment: Ids = None, run: Ids = None, within: Text = ""
    ) -> Response:
        workspace, actor = workspace_of(request), actor_of(request)
        if not experiment and not run:
            error = Invalid("Nothing is selected.", advice="Tick what shall come back first.")
            return page(request, within, status=422, error=error)
        for one in experiment or ():
            await deeds.restore_experiment(workspace, one, actor=actor)
        if run:
            await deeds.restore_runs(workspace, run, actor=actor)
        return RedirectResponse(here(principal_of(request), AT, experiment=within), 303)

    return pages


def _choice(
    experiment: list[str] | None,
    run: list[str] | None,
    model: list[str] | None,
    until: str,
    within: str,
) -> Choice:
    if until and (not until.isdecimal() or len(until) > 15):
        raise Invalid("The time is no number of milliseconds.", field="until")
    until_ms = int(until) if until else None
    if until_ms is not None:  # everything of a place: what is ticked besides is part of it
        return Choice(until_ms=until_ms, within=within)
    return Choice(tuple(experiment or ()), tuple(run or ()), tuple(model or ()))
