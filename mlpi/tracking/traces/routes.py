"""The pages of traces."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated
from urllib.parse import parse_qs, quote

from anyio.to_thread import run_sync
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from mlpi.auth.requests import actor_of
from mlpi.errors import Invalid, MlpiError, NotFound
from mlpi.tracking.elsewhere import Elsewhere
from mlpi.tracking.runs.view import SPANS_S
from mlpi.tracking.traces.service import TracesService
from mlpi.tracking.traces.store import MAX_SPANS
from mlpi.tracking.traces.tree import WIDTH
from mlpi.tracking.traces.view import STATES, View
from mlpi.web.render import (
    back_to,
    here,
    is_htmx,
    principal_of,
    render,
    wants_part,
    workspace_of,
)

AT = "/tracking/traces"
ONE = AT + "/{trace_id}"
Text = Annotated[str, Form()]


def router(service: TracesService, elsewhere: Elsewhere) -> APIRouter:
    """The list of an experiment's traces, its downloads, one trace, its tags, one span."""
    pages = APIRouter(include_in_schema=False)

    def view_of(request: Request) -> View:
        return View.of(parse_qs(request.url.query))

    @pages.get(AT)
    def traces(request: Request) -> Response:
        view = view_of(request)
        if view.experiment is None:
            workspace = workspace_of(request)
            return render(
                request,
                "tracking/traced.html",
                sources=service.sources(workspace),
                binned=partial(service.binned, workspace),
            )
        listed = service.listed(workspace_of(request), view)
        principal = principal_of(request)

        def to(some: View, path: str = AT) -> str:
            return here(principal, path, **some.query())

        return render(
            request,
            f"tracking/{'_traces' if wants_part(request) else 'traces'}.html",
            listed=listed,
            experiment=listed.experiment,
            view=view,
            to=to,
            states=STATES,
            since_choices=tuple(SPANS_S),
        )

    @pages.get(AT + ".csv")
    def as_csv(request: Request) -> Response:
        view = view_of(request)
        return _file(service.csv(workspace_of(request), view), "text/csv", view, "csv")

    @pages.get(AT + ".json")
    def as_json(request: Request) -> Response:
        view = view_of(request)
        return _file(service.json(workspace_of(request), view), "application/json", view, "json")

    @pages.post(AT + "/delete")
    async def delete(
        request: Request, trace: Annotated[list[str] | None, Form()] = None
    ) -> Response:
        view = view_of(request)
        await service.delete(workspace_of(request), trace or (), actor=actor_of(request))
        back = {**view.query(), "after": ""}
        return RedirectResponse(here(principal_of(request), AT, **back), 303)

    @pages.get(ONE)
    def trace(request: Request, trace_id: str, span: str = "") -> Response:
        try:
            return one(request, trace_id, span)
        except NotFound:
            return elsewhere.trace(request, trace_id)

    def one(
        request: Request,
        trace_id: str,
        span: str = "",
        status: int = 200,
        error: MlpiError | None = None,
        key: str = "",
        value: str = "",
    ) -> Response:
        """key and value: of a tag that was refused, as error says."""
        found = service.detail(workspace_of(request), trace_id)
        chosen = span or (found.nodes[0].span.id if found.nodes else "")
        shown = body = None
        if chosen:
            shown, body = service.span(workspace_of(request), trace_id, chosen)
        return render(
            request,
            "tracking/trace.html",
            status,
            found=found,
            trace=found.trace,
            shown=shown,
            body=body,
            node=next((one for one in found.nodes if one.span.id == chosen), None),
            width=WIDTH,
            max_spans=MAX_SPANS,
            error=error,
            key=key,
            value=value,
        )

    @pages.post(ONE + "/tags")
    async def tag(request: Request, trace_id: str, key: Text = "", value: Text = "") -> Response:
        workspace, actor = workspace_of(request), actor_of(request)
        try:
            await service.tag(workspace, trace_id, key, value, actor=actor)
        except Invalid as error:
            error.field = "key"
            return await run_sync(one, request, trace_id, "", 422, error, key, value)
        return back_to(request, _at(trace_id))

    @pages.post(ONE + "/tags/remove")
    async def untag(request: Request, trace_id: str, key: Text = "") -> Response:
        await service.untag(workspace_of(request), trace_id, key, actor=actor_of(request))
        return back_to(request, _at(trace_id))

    @pages.get(ONE + "/spans/{span_id}")
    def one_span(request: Request, trace_id: str, span_id: str) -> Response:
        if not is_htmx(request):
            at = here(principal_of(request), _at(trace_id), span=span_id)
            return RedirectResponse(at, 303)
        shown, body = service.span(workspace_of(request), trace_id, span_id)
        return render(request, "tracking/_span.html", shown=shown, body=body)

    return pages


def _at(trace_id: str) -> str:
    return f"{AT}/{quote(trace_id, safe='')}"


def _file(lines: Iterator[str], kind: str, view: View, ending: str) -> Response:
    name = f'attachment; filename="experiment-{view.experiment}-traces.{ending}"'
    return StreamingResponse(
        lines,
        media_type=f"{kind}; charset=utf-8",
        headers={"Content-Disposition": name},
    )
