"""The page Models of a project: which there are, trying and running them, what they said."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from mlpi.errors import MlpiError, NotFound
from mlpi.labels.config.reading import read_config
from mlpi.labels.guessing.plan import ANSWERED, KINDS, MODES
from mlpi.labels.room import Room
from mlpi.web.forms import Fields, Text, Tick, fields
from mlpi.web.render import back_to, principal_of, render, wants_part, workspace_of

AT = "/labels/{project_id}/models"
VERSIONS = "/labels/{project_id}/versions"
MOST_ACCEPTED = 2000  # with one click
PLAN = ("field", "kind", "control", "width", "height", "mode", "top")
EMPTY = dict.fromkeys(
    (*("source", "url", "title", "basic_auth_user", "basic_auth_pass"), *PLAN), ""
)
Sent = Annotated[Fields, Depends(fields(EMPTY))]


def router(room: Room) -> APIRouter:
    """Models as a page."""
    pages = APIRouter(include_in_schema=False)

    def page(
        request: Request,
        project_id: int,
        *,
        status: int = 200,
        error: MlpiError | None = None,
        form: dict[str, str] | None = None,
        done: str = "",
    ) -> Response:
        workspace = workspace_of(request)
        project = room.projects.get(workspace, project_id)
        config = read_config(project.label_config)
        jobs = room.backends.lately(workspace, project_id)
        backends = room.backends.of(workspace, project_id)
        return render(
            request,
            f"labels/{'_models' if wants_part(request) else 'models'}.html",
            status,
            project=project,
            backends=backends,
            names={one.id: one.title for one in backends},
            jobs=jobs,
            is_active=any(not job.is_final for job in jobs),
            versions=room.versions.of(workspace, project_id),
            registered=room.backends.models(workspace),
            fields=list(config.fields),
            controls=[one.name for one in config.controls.values() if one.tag.name in ANSWERED],
            kinds=KINDS,
            modes=MODES,
            form=form or EMPTY,
            error=error,
            done=done,
        )

    @pages.get(AT)
    def models(request: Request, project_id: int, done: str = "") -> Response:
        return page(request, project_id, done=done)

    @pages.post(AT)
    def add_model(request: Request, project_id: int, form: Sent) -> Response:
        sent: dict[str, Any] = {"title": form["title"]}
        if form["url"].strip():
            user = form["basic_auth_user"]
            sent |= {"kind": "http", "url": form["url"], "basic_auth_user": user}
            sent |= {
                "basic_auth_pass": form["basic_auth_pass"],
                "auth_method": "BASIC_AUTH" if user else "NONE",
            }
        else:
            plan: dict[str, str | None] = {name: form[name] for name in PLAN}
            plan["field"] = form["field"] or None
            sent |= {"kind": "mlflow", "source": form["source"], "plan": plan}
        try:
            room.backends.add(workspace_of(request), project_id, sent, principal_of(request))
        except MlpiError as error:
            if error.status not in (400, 409, 422, 502, 503):
                raise
            shown = {**form, "basic_auth_pass": ""}
            return page(request, project_id, status=422, error=error, form=shown)
        return back_to(request, f"/labels/{project_id}/models", done="added")

    @pages.post(AT + "/{backend_id}/run")
    def run(request: Request, project_id: int, backend_id: int, replaces: Tick = False) -> Response:
        try:
            room.backends.start(
                workspace_of(request),
                project_id,
                None,
                principal_of(request),
                backend_id=backend_id,
                replaces=replaces,
            )
        except MlpiError as error:
            if error.status not in (409, 422):
                raise
            return page(request, project_id, status=error.status, error=error)
        return back_to(request, f"/labels/{project_id}/models")

    @pages.post(AT + "/{backend_id}/remove")
    def remove_model(request: Request, project_id: int, backend_id: int) -> Response:
        room.backends.remove(workspace_of(request), backend_id, principal_of(request))
        return back_to(request, f"/labels/{project_id}/models", done="removed")

    _add_tries(pages, room)
    _add_versions(pages, room)
    return pages


def _add_tries(pages: APIRouter, room: Room) -> None:
    @pages.post(AT + "/{backend_id}/try")
    def try_model(request: Request, project_id: int, backend_id: int) -> Response:
        """Ask a model about the project's first task."""
        workspace = workspace_of(request)
        sample = room.backends.sample(workspace, project_id)
        if sample is None:
            raise NotFound("This project has no tasks to try a model on.")
        job_id = room.backends.ask(
            workspace,
            project_id,
            [json.loads(sample[1])],
            principal_of(request),
            backend_id=backend_id,
        )
        return back_to(request, f"/labels/{project_id}/models/tries/{job_id}")

    @pages.get(AT + "/tries/{job_id}")
    def tried(request: Request, project_id: int, job_id: int) -> Response:
        workspace = workspace_of(request)
        job = room.backends.job(workspace, project_id, job_id)
        result = job.result["results"][0] if job.result else None
        return render(
            request,
            f"labels/{'_tried' if wants_part(request) else 'tried'}.html",
            project=room.projects.get(workspace, project_id),
            job=job,
            result=result,
            shown=json.dumps(result["result"], indent=2, ensure_ascii=False) if result else "",
            data=json.dumps(job.params["tasks"][0], indent=2, ensure_ascii=False)[:4000]
            if "tasks" in job.params
            else "",
        )


def _add_versions(pages: APIRouter, room: Room) -> None:
    @pages.post(VERSIONS + "/shown")
    def show(request: Request, project_id: int, version: Text = "") -> Response:
        """Choose whose predictions annotators see; "" for everybody's."""
        room.projects.change(
            workspace_of(request),
            project_id,
            {"model_version": version},
            principal_of(request),
        )
        return back_to(request, f"/labels/{project_id}/models", done="shown")

    @pages.post(VERSIONS + "/accept")
    def accept(
        request: Request, project_id: int, version: Text = "", at_least: Text = ""
    ) -> Response:
        """Make annotations of what a version is sure of."""
        try:
            least = float(at_least) if at_least.strip() else None
        except ValueError:
            least = None
        workspace = workspace_of(request)
        ids = room.versions.open_ids(
            workspace, project_id, version, at_least=least, limit=MOST_ACCEPTED
        )
        room.annotations.accept(workspace, project_id, ids, principal_of(request))
        return back_to(request, f"/labels/{project_id}/models", done="accepted")

    @pages.post(VERSIONS + "/remove")
    def remove_version(request: Request, project_id: int, version: Text = "") -> Response:
        """Remove all that a version predicted."""
        room.annotations.remove_predictions(workspace_of(request), project_id, version)
        return back_to(request, f"/labels/{project_id}/models", done="version_removed")
