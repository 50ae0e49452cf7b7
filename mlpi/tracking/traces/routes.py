"""The pages of traces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from mlpi.auth.requests import actor_of
from mlpi.tracking.runs.view import SPANS_S
from mlpi.tracking.traces.service import TracesService
from mlpi.tracking.traces.store import MAX_SPANS
from mlpi.tracking.traces.tree import WIDTH
from mlpi.tracking.traces.view import STATES, View
from mlpi.web.render import here, is_htmx, principal_of, render, wants_part, workspace_of

AT = "/tracking/traces"


def router(service: TracesService) -> APIRouter:
    """The list of an experiment's traces, its downloads, one trace, one span."""
    pages = APIRouter(include_in_schema=False)

    def view_of(request: Request) -> View:
        return View.of(parse_qs(request.url.query))

    @pages.get(AT)
    def traces(request: Request) -> Response:
        view = view_of(request)
        if view.experiment is None:
            found = service.sources(workspace_of(request))
            return render(request, "tracking/traced.html", sources=found)
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

    @pages.get(AT + "/{trace_id}")
    def trace(request: Request, trace_id: str, span: str = "") -> Response:
        found = service.detail(workspace_of(request), trace_id)
        chosen = span or (found.nodes[0].span.id if found.nodes else "")
        shown = body = None
        if chosen:
            shown, body = service.span(workspace_of(request), trace_id, chosen)
        return render(
            request,
            "tracking/trace.html",
            found=found,
            trace=found.trace,
            shown=shown,
            body=body,
            node=next((one for one in found.nodes if one.span.id == chosen), None),
            width=WIDTH,
            max_spans=MAX_SPANS,
        )

    @pages.get(AT + "/{trace_id}/spans/{span_id}")
    def one_span(request: Request, trace_id: str, span_id: str) -> Response:
        if not is_htmx(request):
            at = here(principal_of(request), f"{AT}/{trace_id}", span=span_id)
            return RedirectResponse(at, 303)
        shown, body = service.span(workspace_of(request), trace_id, span_id)
        return render(request, "tracking/_span.html", shown=shown, body=body)

    return pages


def _file(lines: Iterator[str], kind: str, view: View, ending: str) -> Response:
    name = f'attachment; filename="experiment-{view.experiment}-traces.{ending}"'
    return StreamingResponse(
        lines,
        media_type=f"{kind}; charset=utf-8",
        headers={"Content-Disposition": name},
    )
