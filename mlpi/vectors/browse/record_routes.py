"""The table of a collection's records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from mlpi.errors import Invalid, MlpiError
from mlpi.vectors.browse.builder import TEXT_WORDS, WHERE_WORDS
from mlpi.vectors.browse.clauses import FilterWrong
from mlpi.vectors.browse.console import Console
from mlpi.vectors.browse.forms import Form, one, query_of
from mlpi.vectors.browse.pictures import Pictures
from mlpi.vectors.browse.service import Browse, Page
from mlpi.vectors.browse.values import KINDS, Entry
from mlpi.vectors.browse.view import SIZES, Filter, RecordsView
from mlpi.vectors.collection_routes import ONE
from mlpi.web.render import here, principal_of, render, wants_part, workspace_of

Asked = Annotated[Form, Depends(query_of)]
WORDS = {"where_words": WHERE_WORDS, "text_words": TEXT_WORDS}
_NOTHING = Page([], 0, is_more=False, has_next=False)


def router(browse: Browse) -> APIRouter:
    """The table and its filter."""
    pages = APIRouter(include_in_schema=False)

    @pages.get(ONE)
    def records(request: Request, collection_id: str, query: Asked) -> Response:
        view = RecordsView.of(query)
        if query.get("by") == ["rows"] and not view.filter.error and not wants_part(request):
            return to_view(request, collection_id, view.query())
        return table(browse, request, collection_id, view)

    @pages.get(ONE + "/filter")
    def other_form(request: Request, collection_id: str, query: Asked) -> Response:
        """The same filter in the form that was just chosen, rows or JSON."""
        workspace = workspace_of(request)
        browse.collection(workspace, collection_id)
        chosen = "json" if one(query, "by") == "json" else "rows"
        read = Filter.of({**query, "by": ["rows" if chosen == "json" else "json"]})
        shown = read if read.error else replace(read, by=chosen)
        return render(
            request,
            "vectors/_filter.html",
            422 if read.error else 200,
            filter=shown,
            keys=browse.keys(workspace, collection_id, ()),
            filter_at=f"/vectors/{collection_id}/filter",
            **WORDS,
        )

    return pages


def table(
    browse: Browse,
    request: Request,
    collection_id: str,
    view: RecordsView,
    *,
    error: MlpiError | None = None,
    ticked: Sequence[str] = (),
    entry: Entry | None = None,
) -> Response:
    """The table as a view shows it, or 422 with what was wrong with it or with a deed."""
    workspace = workspace_of(request)
    collection = browse.collection(workspace, collection_id)
    page = _NOTHING
    if not view.filter.error:
        try:
            condition = view.filter.condition
            page = browse.page(workspace, collection, condition, view.size, view.page)
        except Invalid as refused:  # what only Chroma knows, such as a wrong regex
            view = replace(view, filter=refused_filter(view.filter, refused))
    wrong = error or view.filter.error
    console = Console(str(request.base_url).rstrip("/"), workspace, collection)
    begin = (view.page - 1) * view.size
    of_page = Pictures(workspace)
    pictures = [of_page.of(one) for one in page.records]
    return render(
        request,
        f"vectors/{'_browse' if wants_part(request) else 'records'}.html",
        422 if wrong else 200,
        collection=collection,
        view=view,
        page=page,
        pictures=pictures,
        has_pictures=any(one and (one.src or one.size_bytes) for one in pictures),
        keys=browse.keys(workspace, collection_id, page.records),
        code=None if wrong else console.get(view.filter.condition, view.size, begin),
        error=error,
        ticked=set(ticked),
        entry=entry or Entry(),
        sizes=SIZES,
        kinds=KINDS,
        **WORDS,
    )


def refused_filter(filter_: Filter, error: Invalid) -> Filter:
    """A filter that Chroma did not take, with what it said."""
    field = "document" if filter_.document and not filter_.where else "where"
    wrong = FilterWrong(error.message, advice=error.advice, field=field)
    return replace(filter_, error=wrong)


def to_view(request: Request, collection_id: str, query: Any, page: str = "") -> Response:
    """On to a page of the collection, as this query shows it."""
    at = f"/vectors/{collection_id}{page}"
    return RedirectResponse(here(principal_of(request), at, **query), 303)
