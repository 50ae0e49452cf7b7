"""A record's own page: all of it, what is near it, and its form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from mlpi.auth.requests import actor_of
from mlpi.errors import MlpiError, NotFound
from mlpi.vectors.browse.console import Console
from mlpi.vectors.browse.forms import Form, draft, entries, form_of, one
from mlpi.vectors.browse.pictures import Pictures
from mlpi.vectors.browse.record_routes import to_view
from mlpi.vectors.browse.service import Browse
from mlpi.vectors.browse.values import KINDS, Entry, entries_of, metadata_of
from mlpi.vectors.browse.view import numbers_of
from mlpi.vectors.collection_routes import ONE
from mlpi.vectors.records import Condition, Record
from mlpi.web.render import render, workspace_of

Posted = Annotated[Form, Depends(form_of)]
_SPARE = 2  # empty rows of metadata, for whoever has no script


def router(browse: Browse) -> APIRouter:
    """One record: shown, added, changed, deleted."""
    pages = APIRouter(include_in_schema=False)

    @pages.get(ONE + "/record")
    def record(request: Request, collection_id: str, id: str = "") -> Response:  # noqa: A002
        workspace = workspace_of(request)
        collection = browse.collection(workspace, collection_id)
        found = browse.record(workspace, collection_id, id)
        pictures = Pictures(workspace)
        picture = pictures.of(found)
        near = browse.alike(workspace, collection_id, found)
        console = Console(str(request.base_url).rstrip("/"), workspace, collection)
        return render(
            request,
            "vectors/record.html",
            collection=collection,
            record=found,
            numbers=numbers_of(found.vector or ()),
            picture=picture,
            near=[(hit, pictures.of(hit)) for hit in near],
            code=console.get(Condition(ids=[found.id])),
        )

    def form_page(
        request: Request,
        collection_id: str,
        record: Record | None,
        rows: Sequence[Entry],
        *,
        form: dict[str, Any] | None = None,
        error: MlpiError | None = None,
    ) -> Response:
        workspace = workspace_of(request)
        return render(
            request,
            "vectors/record_form.html",
            422 if error else 200,
            collection=browse.collection(workspace, collection_id),
            record=record,
            rows=[*rows, *[Entry()] * _SPARE],
            form={
                "id": "",
                "document": (record.document or "") if record else "",
                "vector": "",
                "embeds": False,
                "had": list(record.metadata) if record else [],
                **(form or {}),
            },
            kinds=KINDS,
            embedder=browse.embedder(workspace, collection_id),
            error=error,
        )

    @pages.get(ONE + "/new")
    def new(request: Request, collection_id: str) -> Response:
        return form_page(request, collection_id, None, ())

    @pages.post(ONE + "/records")
    def add(request: Request, collection_id: str, form: Posted) -> Response:
        given = draft(form, one(form, "id"))
        try:
            metadata = metadata_of(entries(form))
            made = browse.add(
                workspace_of(request),
                collection_id,
                replace(given, metadata=metadata),
                actor=actor_of(request),
            )
        except MlpiError as error:
            return refused(request, collection_id, None, form, error)
        return to_view(request, collection_id, {"id": made}, "/record")

    @pages.get(ONE + "/record/edit")
    def edit(request: Request, collection_id: str, id: str = "") -> Response:  # noqa: A002
        found = browse.record(workspace_of(request), collection_id, id)
        return form_page(request, collection_id, found, entries_of(found.metadata))

    @pages.post(ONE + "/record")
    def change(request: Request, collection_id: str, form: Posted, id: str = "") -> Response:  # noqa: A002
        workspace = workspace_of(request)
        found = browse.record(workspace, collection_id, id)
        try:
            metadata = metadata_of(entries(form))
            browse.change(
                workspace,
                collection_id,
                replace(draft(form, id), metadata=metadata),
                actor=actor_of(request),
            )
        except MlpiError as error:
            return refused(request, collection_id, found, form, error)
        return to_view(request, collection_id, {"id": id}, "/record")

    def refused(
        request: Request,
        collection_id: str,
        record: Record | None,
        form: Form,
        error: MlpiError,
    ) -> Response:
        """The form with what was wrong, and everything that was typed."""
        if error.status not in (409, 422):
            raise error
        typed = {name: one(form, name) for name in ("id", "document", "vector")}
        kept = {**typed, "embeds": bool(one(form, "embeds")), "had": list(form.get("had", ()))}
        return form_page(request, collection_id, record, entries(form), form=kept, error=error)

    @pages.post(ONE + "/record/remove")
    def remove(request: Request, collection_id: str, id: str = "") -> Response:  # noqa: A002
        workspace = workspace_of(request)
        if not browse.remove(workspace, collection_id, [id], actor=actor_of(request)):
            raise NotFound(f"There is no record {id[:80]!r} in this collection.")
        return to_view(request, collection_id, {})

    return pages
