"""What is done to several records: those that are ticked, those that match a filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from mlpi.auth.requests import actor_of
from mlpi.errors import Invalid, MlpiError
from mlpi.vectors.browse.forms import Form, form_of, one, query_of
from mlpi.vectors.browse.record_routes import table, to_view
from mlpi.vectors.browse.service import Browse
from mlpi.vectors.browse.values import Entry, checked_key, value_of
from mlpi.vectors.browse.view import RecordsView
from mlpi.vectors.collection_routes import ONE
from mlpi.web.render import is_htmx, render, wants_part, workspace_of

Posted = Annotated[Form, Depends(form_of)]
Asked = Annotated[Form, Depends(query_of)]
_REFUSED = (409, 422)


def router(browse: Browse) -> APIRouter:
    """Deeds, and the question before the largest of them."""
    pages = APIRouter(include_in_schema=False)

    @pages.post(ONE + "/records/remove")
    def remove(request: Request, collection_id: str, form: Posted) -> Response:
        """Delete the ticked ones."""
        view = RecordsView.of(form)
        ids = form.get("record", ())
        try:
            browse.remove(workspace_of(request), collection_id, ids, actor=actor_of(request))
        except MlpiError as error:
            return refused(request, collection_id, view, error, ids)
        return to_view(request, collection_id, view.query())

    @pages.post(ONE + "/records/mark")
    def mark(request: Request, collection_id: str, form: Posted) -> Response:
        """Set a key of the ticked ones' metadata, or remove it."""
        view = RecordsView.of(form)
        ids = form.get("record", ())
        entry = Entry(*(one(form, name) for name in ("mark_key", "mark_kind", "mark_value")))
        entry = replace(entry, key=entry.key.strip())
        try:
            key = checked_key(entry.key)
            value: Any = None if one(form, "deed") == "unset" else value_of(entry)
            workspace = workspace_of(request)
            browse.mark(workspace, collection_id, ids, key, value, actor=actor_of(request))
        except MlpiError as error:
            return refused(request, collection_id, view, error, ids, entry)
        return to_view(request, collection_id, view.query())

    def refused(
        request: Request,
        collection_id: str,
        view: RecordsView,
        error: MlpiError,
        ids: Sequence[str],
        entry: Entry | None = None,
    ) -> Response:
        if error.status not in _REFUSED or wants_part(request):
            raise error
        return table(browse, request, collection_id, view, error=error, ticked=ids, entry=entry)

    def question(
        request: Request,
        collection_id: str,
        view: RecordsView,
        *,
        error: MlpiError | None = None,
        going: tuple[int, int] | None = None,
    ) -> Response:
        """going: how many are left of how many, once somebody has said yes."""
        workspace = workspace_of(request)
        collection = browse.collection(workspace, collection_id)
        if view.filter.error:
            raise view.filter.error
        if not view.filter.is_set:
            raise Invalid("There is no filter.", advice="Deleting all is deleting the collection.")
        condition = view.filter.condition
        return render(
            request,
            "vectors/remove_matching.html",
            422 if error else 200,
            collection=collection,
            view=replace(view, page=1),
            count=browse.count(workspace, collection_id, condition),
            some=browse.page(workspace, collection, condition, 5, 1).records,
            error=error,
            going=going,
        )

    @pages.get(ONE + "/matching/remove")
    def ask(request: Request, collection_id: str, query: Asked) -> Response:
        """How many would go, before they go."""
        return question(request, collection_id, RecordsView.of(query))

    @pages.post(ONE + "/matching/remove")
    def remove_matching(request: Request, collection_id: str, form: Posted) -> Response:
        view = RecordsView.of(form)
        if view.filter.error:
            raise view.filter.error
        count, of = (_whole(one(form, name)) for name in ("count", "of"))
        try:
            left = browse.remove_matching(
                workspace_of(request),
                collection_id,
                view.filter.condition,
                count,
                actor=actor_of(request),
            )
        except MlpiError as error:
            if error.status not in _REFUSED:
                raise
            return question(request, collection_id, view, error=error)
        if left:
            return question(request, collection_id, view, going=(left, max(of, count)))
        done = to_view(request, collection_id, RecordsView().query())
        if is_htmx(request):
            return Response(headers={"HX-Redirect": done.headers["location"]})
        return done

    return pages


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 12 else -1
