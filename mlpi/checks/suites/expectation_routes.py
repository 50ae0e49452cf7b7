"""The pages of one expectation: choosing it from the vocabulary, its form, removing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from starlette.datastructures import FormData

from mlpi.auth.requests import actor_of
from mlpi.checks.suites import forms, views, vocabulary
from mlpi.checks.suites.rules import SEVERITIES, Expectation
from mlpi.checks.suites.service import Suites, find_expectation
from mlpi.checks.suites.views import Datasets
from mlpi.checks.suites.vocabulary import ExpectationType
from mlpi.errors import Invalid, MlpiError, NotFound
from mlpi.web.render import back_to, render, wants_part, workspace_of


async def fields_of(request: Request) -> dict[str, str]:
    """A form whose fields depend on the expectation; the last of a name counts."""
    form: FormData = await request.form()
    return {name: value for name, value in form.multi_items() if isinstance(value, str)}


Fields = Annotated[dict[str, str], Depends(fields_of)]
Number = Annotated[int, Form()]


def router(suites: Suites, datasets: Datasets) -> APIRouter:
    """Everything that changes one expectation of a suite."""
    pages = APIRouter(include_in_schema=False)

    def form_page(
        request: Request,
        suite_id: int,
        kind: ExpectationType,
        texts: Mapping[str, str],
        status: int = 200,
        error: MlpiError | None = None,
        expectation: Expectation | None = None,
    ) -> Response:
        workspace = workspace_of(request)
        newest = suites.version(workspace, suite_id)
        return render(
            request,
            "checks/suite_expectation.html",
            status,
            suite=suites.get(workspace, suite_id),
            base_version=newest.number,
            kind=kind,
            controls=forms.controls(kind, texts),
            texts=texts,
            error=error,
            expectation=expectation,
            severities=SEVERITIES,
            operators=views.OPERATORS,
            columns=views.columns_of(newest.expectations, datasets.ready_versions(workspace)),
        )

    @pages.get("/checks/suites/{suite_id}/add")
    def picker(
        request: Request,
        suite_id: int,
        q: str = "",
        kind: Annotated[str, Query(alias="type")] = "",
        column: str = "",
    ) -> Response:
        if kind:
            known = _kind(kind)
            return form_page(request, suite_id, known, forms.blank(known, column))
        return render(
            request,
            "checks/_suite_picker.html" if wants_part(request) else "checks/suite_add.html",
            suite=suites.get(workspace_of(request), suite_id),
            found=views.by_issue(
                one for one in vocabulary.search(q) if one.takes_column or not column
            ),
            total=len(vocabulary.load()),
            q=q,
            column=column,
        )

    @pages.post("/checks/suites/{suite_id}/add")
    def add_expectation(request: Request, suite_id: int, form: Fields) -> Response:
        kind = _kind(form.get("type", ""))
        try:
            _put(request, suite_id, form, forms.expectation_of(kind, form))
        except NotFound:
            raise
        except MlpiError as error:
            return form_page(request, suite_id, kind, form, 422, error)
        return back_to(request, f"/checks/suites/{suite_id}", "saved")

    def one_of(request: Request, suite_id: int, expectation_id: str) -> Expectation:
        newest = suites.version(workspace_of(request), suite_id)
        return find_expectation(newest.expectations, expectation_id)

    def _put(request: Request, suite_id: int, form: Mapping[str, str], new: Expectation) -> None:
        workspace, actor = workspace_of(request), actor_of(request)
        suites.put(workspace, suite_id, [new], base_version=_base(form), actor=actor)

    @pages.get("/checks/suites/{suite_id}/expectations/{expectation_id}")
    def expectation(request: Request, suite_id: int, expectation_id: str) -> Response:
        found = one_of(request, suite_id, expectation_id)
        kind = _kind(found["type"])
        texts = forms.texts_of(kind, found)
        return form_page(request, suite_id, kind, texts, expectation=found)

    @pages.post("/checks/suites/{suite_id}/expectations/{expectation_id}")
    def change(request: Request, suite_id: int, expectation_id: str, form: Fields) -> Response:
        found = one_of(request, suite_id, expectation_id)
        kind = _kind(found["type"])
        try:
            _put(request, suite_id, form, forms.expectation_of(kind, form, found))
        except NotFound:
            raise
        except MlpiError as error:
            return form_page(request, suite_id, kind, form, 422, error, found)
        return back_to(request, f"/checks/suites/{suite_id}", "saved")

    @pages.post("/checks/suites/{suite_id}/expectations/{expectation_id}/remove")
    def drop(
        request: Request, suite_id: int, expectation_id: str, base_version: Number
    ) -> Response:
        suites.drop(
            workspace_of(request),
            suite_id,
            expectation_id,
            base_version=base_version,
            actor=actor_of(request),
        )
        return back_to(request, f"/checks/suites/{suite_id}", "saved")

    return pages


def _kind(name: str) -> ExpectationType:
    known = vocabulary.load().get(name)
    if known is None:
        raise NotFound(f"There is no core expectation {name[:80]!r}.")
    return known


def _base(form: Mapping[str, str]) -> int:
    text = form.get("base_version", "")
    if not text.isdecimal() or len(text) > 9:
        raise Invalid("The form does not say which version it changes.", field="base_version")
    return int(text)
