"""/api/ml/: models that predict for a project, by Label Studio's words."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mlpi.errors import Invalid, MlpiError, NotFound
from mlpi.labels.api import shapes
from mlpi.labels.api.answers import answer, nothing
from mlpi.labels.api.asked import fields_of, flag_in, required_number
from mlpi.labels.flags import number_in
from mlpi.labels.guessing.remote import RemoteFailed
from mlpi.labels.guessing.taking import HTTP
from mlpi.labels.guessing.waiting import answered
from mlpi.labels.models import LabelBackend
from mlpi.labels.room import Room
from mlpi.web.render import principal_of, workspace_of

STATES = {"CO": "Connected", "DI": "Disconnected", "ER": "Error", "PR": "Predicting"}


class NotDone(MlpiError):
    """mlpi does not do this."""

    status = 501
    code = "NOT_IMPLEMENTED"


def shape(one: LabelBackend) -> dict[str, Any]:
    """As Label Studio shows an ML backend. kind and source are mlpi's own."""
    options = one.options
    state = "ER" if one.state else "CO"
    return {
        "id": one.id,
        "state": state,
        "readable_state": STATES[state],
        "is_interactive": options.get("is_interactive", False),
        "url": one.source,
        "error_message": one.state or None,
        "title": one.title,
        "auth_method": options.get("auth_method", "NONE"),
        "basic_auth_user": options.get("basic_auth_user") or None,
        "basic_auth_pass_is_set": bool(one.secrets),
        "description": options.get("description", ""),
        "extra_params": options.get("extra_params"),
        "model_version": options.get("version"),
        "timeout": options.get("timeout", 100.0),
        "created_at": shapes.moment(one.created_at),
        "updated_at": shapes.moment(one.updated_at),
        "auto_update": options.get("auto_update", True),
        "project": one.project_id,
        "kind": one.kind,
    }


def router(room: Room) -> APIRouter:
    """Models of projects."""
    api = APIRouter(prefix="/api/ml")
    backends = room.backends

    @api.get("/")
    def list_backends(request: Request) -> Response:
        project_id = number_in(request.query_params, "project")
        if project_id is None:
            raise NotFound("Not found.")
        found = backends.of(workspace_of(request), project_id)
        if request.query_params.get("is_interactive"):
            wanted = flag_in(request.query_params, "is_interactive", default=False)
            found = [one for one in found if one.options.get("is_interactive", False) == wanted]
        return answer([shape(one) for one in found])

    @api.post("/")
    async def add_backend(request: Request) -> Response:
        sent = await fields_of(request)
        project_id = required_number(sent, "project")

        def work() -> dict[str, Any]:
            return shape(
                backends.add(workspace_of(request), project_id, _kind(sent), principal_of(request))
            )

        return answer(await run_in_threadpool(work), 201)

    @api.get("/{backend_id:int}")
    def get_backend(request: Request, backend_id: int) -> Response:
        return answer(shape(backends.get(workspace_of(request), backend_id)))

    @api.put("/{backend_id:int}")
    @api.patch("/{backend_id:int}")
    async def change_backend(request: Request, backend_id: int) -> Response:
        sent = await fields_of(request)

        def work() -> dict[str, Any]:
            return shape(
                backends.change(
                    workspace_of(request), backend_id, _kind(sent), principal_of(request)
                )
            )

        return answer(await run_in_threadpool(work))

    @api.delete("/{backend_id:int}")
    def remove_backend(request: Request, backend_id: int) -> Response:
        backends.remove(workspace_of(request), backend_id, principal_of(request))
        return nothing()

    _add_asking(api, room)
    return api


def _kind(sent: dict[str, Any]) -> dict[str, Any]:
    """Which kind is meant: a url that begins with models:/ or runs:/ is a model of MLflow."""
    url = str(sent.get("url") or "")
    if url.startswith(("models:/", "runs:/")):
        return {**sent, "kind": "mlflow", "source": url}
    return sent


def _add_asking(api: APIRouter, room: Room) -> None:
    backends = room.backends

    def remote_of(request: Request, backend_id: int) -> LabelBackend:
        found = backends.get(workspace_of(request), backend_id)
        if found.kind != HTTP:
            raise NotDone(
                "A model of MLflow is trained by your own code.",
                advice="Log a new version and predict again.",
            )
        return found

    @api.post("/{backend_id:int}/train")
    def train(request: Request, backend_id: int) -> Response:
        found = remote_of(request, backend_id)
        project = room.projects.get(workspace_of(request), found.project_id)
        shown = shapes.project(project, queue_total=0, queue_done=0)
        try:
            backends.remote(found).train({"action": "START_TRAINING", "project": shown})
        except RemoteFailed as error:
            raise MlpiError(f"Training did not begin: {error.message}") from None
        return answer({})

    @api.get("/{backend_id:int}/versions")
    def versions(request: Request, backend_id: int) -> Response:
        found = backends.get(workspace_of(request), backend_id)
        mine = [found.options["version"]] if found.options.get("version") else []
        if found.kind != HTTP:
            return answer({"versions": mine})
        project = room.projects.get(workspace_of(request), found.project_id)
        try:
            return answer({"versions": backends.remote(found).versions(str(project.id))})
        except RemoteFailed as error:
            if error.answered == 404:
                words = "Upgrade your ML backend version to latest."
                return answer({"versions": mine, "message": words})
            return answer({"error": error.message}, error.answered or 500)

    @api.post("/{backend_id:int}/predict/test")
    async def test(request: Request, backend_id: int) -> Response:
        if not flag_in(request.query_params, "random", default=False):
            words = "Not implemented - you must provide random=true query parameter"
            return answer({"error": words}, 501)
        found = await run_in_threadpool(backends.get, workspace_of(request), backend_id)
        sample = await run_in_threadpool(backends.sample, workspace_of(request), found.project_id)
        if sample is None:
            words = (
                "Project has no tasks to run prediction on, import at least 1 task to run "
                "prediction"
            )
            return answer({"detail": words}, 500)
        (made,) = await answered(room, request, found, [sample])
        return answer({"tasks": sample[0], "status": 200, "response": {"results": [made]}})

    @api.post("/{backend_id:int}/interactive-annotating")
    async def interactive(request: Request, backend_id: int) -> Response:
        sent = await fields_of(request)
        task_id = required_number(sent, "task")
        context = sent.get("context")
        if context is not None and not isinstance(context, dict):
            raise Invalid("context must be an object.", field="context")
        workspace = workspace_of(request)
        found = await run_in_threadpool(backends.get, workspace, backend_id)
        task = (await run_in_threadpool(room.tasks.get, workspace, task_id)).task
        if task.project_id != found.project_id:
            raise NotFound("Not found.")
        try:
            (made,) = await answered(room, request, found, [(task.id, task.data)], context)
        except MlpiError as error:
            return answer({"errors": [error.line()]})
        return answer({"data": made})
