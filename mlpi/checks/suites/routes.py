"""The pages of expectation suites: all of them, one of them, its versions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, File, Form, Request, Response, UploadFile

from mlpi.auth.requests import actor_of
from mlpi.checks.suites import expectation_routes, proposal_routes, views
from mlpi.checks.suites.gx_json import MAX_BYTES, read
from mlpi.checks.suites.service import Suites
from mlpi.checks.suites.views import Datasets
from mlpi.errors import Invalid, MlpiError, NotFound
from mlpi.web.render import back_to, render, wants_part, workspace_of

Text = Annotated[str, Form()]
Number = Annotated[int, Form()]
FORM = {"kind": "", "name": "", "description": "", "text": ""}  # kind: which form came back
Upload = Annotated[UploadFile | None, File()]


def router(suites: Suites, datasets: Datasets) -> APIRouter:
    """Everything under /checks/suites."""
    pages = APIRouter(include_in_schema=False)

    def listing(
        request: Request,
        status: int = 200,
        error: MlpiError | None = None,
        form: Mapping[str, str] | None = None,
        q: str = "",
    ) -> Response:
        is_part = wants_part(request) and status == 200
        return render(
            request,
            "checks/_suites.html" if is_part else "checks/suites.html",
            status,
            suites=suites.page(workspace_of(request), q),
            q=q,
            error=error,
            form={**FORM, **(form or {})},
        )

    @pages.get("/checks/suites")
    def page(request: Request, q: str = "") -> Response:
        return listing(request, q=q)

    @pages.post("/checks/suites")
    def add(request: Request, name: Text = "", description: Text = "") -> Response:
        try:
            made = suites.add(workspace_of(request), name, description, actor=actor_of(request))
        except MlpiError as error:
            form = {"kind": "add", "name": name, "description": description}
            return listing(request, 422, error, form)
        return back_to(request, f"/checks/suites/{made.id}")

    @pages.post("/checks/suites/import")
    def import_new(
        request: Request, name: Text = "", text: Text = "", file: Upload = None
    ) -> Response:
        try:
            text = _uploaded(file) or text
            made = suites.import_json(
                workspace_of(request), text, name=name, actor=actor_of(request)
            )
        except MlpiError as error:
            form = {"kind": "import", "name": name, "text": text}
            return listing(request, 422, error, form)
        return back_to(request, f"/checks/suites/{made.id}")

    def editor(
        request: Request,
        suite_id: int,
        status: int = 200,
        error: MlpiError | None = None,
        form: Mapping[str, str] | None = None,
        number: int | None = None,
    ) -> Response:
        workspace = workspace_of(request)
        suite = suites.get(workspace, suite_id)
        version = suites.version(workspace, suite_id, number)
        lines = suites.versions(workspace, suite_id)
        return render(
            request,
            "checks/suite.html",
            status,
            suite=suite,
            version=version,
            versions=lines,
            is_newest=version.number == lines[0].number,
            groups=views.groups(version.expectations),
            used_by=suites.used_by(workspace, suite_id),
            done=request.query_params.get("done", "") == "saved",
            error=error,
            form={**FORM, **(form or {})},
        )

    @pages.get("/checks/suites/{suite_id}")
    def suite(request: Request, suite_id: int, version: int | None = None) -> Response:
        return editor(request, suite_id, number=version)

    @pages.post("/checks/suites/{suite_id}")
    def describe(
        request: Request, suite_id: int, name: Text = "", description: Text = ""
    ) -> Response:
        workspace = workspace_of(request)
        try:
            suites.describe(workspace, suite_id, name, description, actor=actor_of(request))
        except NotFound:
            raise
        except MlpiError as error:
            form = {"kind": "describe", "name": name, "description": description}
            return editor(request, suite_id, 422, error, form)
        return back_to(request, f"/checks/suites/{suite_id}")

    @pages.post("/checks/suites/{suite_id}/remove")
    def remove(request: Request, suite_id: int) -> Response:
        suites.remove(workspace_of(request), suite_id, actor=actor_of(request))
        return back_to(request, "/checks/suites")

    @pages.post("/checks/suites/{suite_id}/import")
    def import_version(
        request: Request,
        suite_id: int,
        base_version: Number,
        text: Text = "",
        file: Upload = None,
    ) -> Response:
        try:
            text = _uploaded(file) or text
            draft = read(text)
            suites.save(
                workspace_of(request),
                suite_id,
                draft.expectations,
                meta=draft.meta,
                base_version=base_version,
                actor=actor_of(request),
                origin="imported",
            )
        except NotFound:
            raise
        except MlpiError as error:
            return editor(request, suite_id, 422, error, {"kind": "import", "text": text})
        return back_to(request, f"/checks/suites/{suite_id}", "saved")

    pages.include_router(_versions(suites))
    pages.include_router(expectation_routes.router(suites, datasets))
    pages.include_router(proposal_routes.router(suites, datasets))
    return pages


def _versions(suites: Suites) -> APIRouter:
    pages = APIRouter(include_in_schema=False)

    @pages.post("/checks/suites/{suite_id}/restore")
    def restore(request: Request, suite_id: int, version: Number) -> Response:
        suites.restore(workspace_of(request), suite_id, version, actor=actor_of(request))
        return back_to(request, f"/checks/suites/{suite_id}", "saved")

    @pages.get("/checks/suites/{suite_id}/diff")
    def diff(
        request: Request, suite_id: int, a: int | None = None, b: int | None = None
    ) -> Response:
        workspace = workspace_of(request)
        lines = suites.versions(workspace, suite_id)
        b = lines[0].number if b is None else b
        a = max(1, b - 1) if a is None else a
        return render(
            request,
            "checks/suite_diff.html",
            suite=suites.get(workspace, suite_id),
            versions=lines,
            a=a,
            b=b,
            diff=views.diff_view(suites.diff(workspace, suite_id, a, b)),
        )

    @pages.get("/checks/suites/{suite_id}/export.json")
    def export(request: Request, suite_id: int, version: int | None = None) -> Response:
        found = suites.export_json(workspace_of(request), suite_id, version)
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", found["name"]).strip("-") or "suite"
        return Response(
            json.dumps(found, indent=2, ensure_ascii=False),
            media_type="application/json",
            headers={"Content-Disposition": f'attachment; filename="{name}.json"'},
        )

    return pages


def _uploaded(file: UploadFile | None) -> str:
    if file is None or not file.filename:
        return ""
    raw = file.file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise Invalid(f"A suite's file may have at most {MAX_BYTES // 10**6} MB.", field="file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("The file is not UTF-8 text.", field="file") from None
