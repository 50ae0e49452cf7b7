"""The page that searches a collection."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from mlpi.errors import Invalid, MlpiError
from mlpi.vectors.browse.console import Code, Console
from mlpi.vectors.browse.forms import Form, query_of
from mlpi.vectors.browse.pictures import Pictures
from mlpi.vectors.browse.record_routes import WORDS, refused_filter, to_view
from mlpi.vectors.browse.service import Browse, Found
from mlpi.vectors.browse.view import MAX_K, SearchView
from mlpi.vectors.collection_routes import ONE
from mlpi.web.render import render, wants_part, workspace_of

Asked = Annotated[Form, Depends(query_of)]


def router(browse: Browse) -> APIRouter:
    """By text, by vector, by record."""
    pages = APIRouter(include_in_schema=False)

    @pages.get(ONE + "/search")
    def search(request: Request, collection_id: str, query: Asked) -> Response:
        workspace = workspace_of(request)
        collection = browse.collection(workspace, collection_id)
        embedder = browse.embedder(workspace, collection_id)
        view = SearchView.of(query, "text" if embedder else "vector")
        if query.get("by") == ["rows"] and not view.filter.error and not wants_part(request):
            return to_view(request, collection_id, view.query(), "/search")
        found: Found | None = None
        code: Code | None = None
        error: MlpiError | None = None
        if view.asks and not view.filter.error:
            try:
                found = browse.search(workspace, collection, view)
            except Invalid as refused:
                if refused.field:
                    error = refused
                else:
                    view = replace(view, filter=refused_filter(view.filter, refused))
        if found:
            console = Console(str(request.base_url).rstrip("/"), workspace, collection)
            like = view.like if view.way == "like" else ""
            code = console.query(found.vector, view.k, view.filter.condition, like)
        pictures = Pictures(workspace)
        hits = found.hits if found else []
        return render(
            request,
            f"vectors/{'_search' if wants_part(request) else 'search'}.html",
            422 if error or view.filter.error else 200,
            collection=collection,
            embedder=embedder,
            view=view,
            found=found,
            hits=[(hit, pictures.of(hit)) for hit in hits],
            keys=browse.keys(workspace, collection_id, hits),
            code=code,
            error=error,
            max_k=MAX_K,
            **WORDS,
        )

    return pages
