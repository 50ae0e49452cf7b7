"""/api/annotations/, /api/drafts/, /api/predictions/: what was said of tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mlpi.errors import Invalid, NotFound
from mlpi.labels.api import shapes
from mlpi.labels.api.answers import answer, nothing
from mlpi.labels.api.asked import fields_of, flag_in, required_number
from mlpi.labels.flags import number_in
from mlpi.labels.models import LabelPrediction
from mlpi.labels.room import Room
from mlpi.web.render import principal_of, workspace_of


def router(room: Room) -> APIRouter:
    """Annotations, drafts and predictions."""
    api = APIRouter(prefix="/api")
    _add_annotations(api, room)
    _add_drafts(api, room)
    _add_predictions(api, room)
    return api


def _add_annotations(api: APIRouter, room: Room) -> None:
    @api.get("/tasks/{task_id:int}/annotations/")
    def list_annotations(request: Request, task_id: int) -> Response:
        found = room.annotations.of_task(workspace_of(request), task_id)
        now = room.clock()
        return answer([shapes.annotation(one, now) for one in found if not one.was_cancelled])

    async def add_annotation(request: Request) -> Response:
        task_id: int = request.path_params["task_id"]
        sent = await fields_of(request)
        if "was_cancelled" in request.query_params:
            sent["was_cancelled"] = flag_in(request.query_params, "was_cancelled", default=False)
        draft_id = number_in(sent, "draft_id")

        def work() -> tuple[dict[str, Any], bool]:
            added, is_new = room.annotations.add(
                workspace_of(request), task_id, sent, principal_of(request), draft_id=draft_id
            )
            return shapes.annotation(added, room.clock()), is_new

        body, is_new = await run_in_threadpool(work)
        return answer(body, 201 if is_new else 200)

    # A plain route of Starlette's: the one that people wait for takes the short way.
    api.add_route("/api/tasks/{task_id:int}/annotations/", add_annotation, methods=["POST"])

    @api.get("/annotations/{annotation_id:int}/")
    def get_annotation(request: Request, annotation_id: int) -> Response:
        found = room.annotations.get(workspace_of(request), annotation_id)
        return answer(shapes.annotation(found, room.clock()))

    @api.put("/annotations/{annotation_id:int}/")
    @api.patch("/annotations/{annotation_id:int}/")
    async def change_annotation(request: Request, annotation_id: int) -> Response:
        sent = await fields_of(request)

        def work() -> dict[str, Any]:
            changed = room.annotations.change(
                workspace_of(request), annotation_id, sent, principal_of(request)
            )
            return shapes.annotation(changed, room.clock())

        return answer(await run_in_threadpool(work))

    @api.delete("/annotations/{annotation_id:int}/")
    def remove_annotation(request: Request, annotation_id: int) -> Response:
        room.annotations.remove(workspace_of(request), annotation_id, principal_of(request))
        return nothing()

    @api.post("/annotations/{annotation_id:int}/convert-to-draft")
    def convert_to_draft(request: Request, annotation_id: int) -> Response:
        workspace, principal = workspace_of(request), principal_of(request)
        draft = room.annotations.to_draft(workspace, annotation_id, principal)
        return answer(shapes.draft(draft, room.clock()), 201)


def _add_drafts(api: APIRouter, room: Room) -> None:
    async def keep(
        request: Request, save: Callable[[dict[str, Any]], Any], status: int
    ) -> Response:
        sent = await fields_of(request)
        kept = await run_in_threadpool(save, sent)
        return answer(shapes.draft(kept, room.clock()), status)

    @api.get("/tasks/{task_id:int}/drafts")
    def list_drafts(request: Request, task_id: int) -> Response:
        found = room.annotations.drafts(workspace_of(request), task_id, principal_of(request))
        return answer([shapes.draft(one, room.clock()) for one in found])

    @api.post("/tasks/{task_id:int}/drafts")
    async def add_draft(request: Request, task_id: int) -> Response:
        workspace, principal = workspace_of(request), principal_of(request)
        return await keep(
            request,
            lambda sent: room.annotations.save_draft(workspace, task_id, _whole(sent), principal),
            201,
        )

    @api.get("/tasks/{task_id:int}/annotations/{annotation_id:int}/drafts")
    def list_drafts_of_annotation(request: Request, task_id: int, annotation_id: int) -> Response:
        found = room.annotations.drafts(workspace_of(request), task_id, principal_of(request))
        mine = [one for one in found if one.annotation_id == annotation_id]
        return answer([shapes.draft(one, room.clock()) for one in mine])

    @api.post("/tasks/{task_id:int}/annotations/{annotation_id:int}/drafts")
    async def add_draft_of_annotation(
        request: Request, task_id: int, annotation_id: int
    ) -> Response:
        workspace, principal = workspace_of(request), principal_of(request)
        return await keep(
            request,
            lambda sent: room.annotations.save_draft(
                workspace, task_id, _whole(sent), principal, annotation_id=annotation_id
            ),
            201,
        )

    @api.get("/drafts/{draft_id:int}/")
    def get_draft(request: Request, draft_id: int) -> Response:
        found = room.annotations.draft(workspace_of(request), draft_id, principal_of(request))
        return answer(shapes.draft(found, room.clock()))

    @api.put("/drafts/{draft_id:int}/")
    @api.patch("/drafts/{draft_id:int}/")
    async def change_draft(request: Request, draft_id: int) -> Response:
        workspace, principal = workspace_of(request), principal_of(request)
        return await keep(
            request,
            lambda sent: room.annotations.change_draft(workspace, draft_id, sent, principal),
            200,
        )

    @api.delete("/drafts/{draft_id:int}/")
    def remove_draft(request: Request, draft_id: int) -> Response:
        room.annotations.remove_draft(workspace_of(request), draft_id, principal_of(request))
        return nothing()


def _add_predictions(api: APIRouter, room: Room) -> None:
    @api.get("/predictions/")
    def list_predictions(request: Request) -> Response:
        asked = request.query_params
        found = room.annotations.predictions(
            workspace_of(request),
            task_id=number_in(asked, "task"),
            project_id=number_in(asked, "project") or number_in(asked, "task__project"),
        )
        now = room.clock()
        return answer([shapes.prediction(one, now) for one in found])

    @api.post("/predictions/")
    async def add_prediction(request: Request) -> Response:
        sent = await fields_of(request)
        task_id = required_number(sent, "task")
        _whole(sent)
        workspace = workspace_of(request)

        def work() -> LabelPrediction:
            try:
                room.tasks.get(workspace, task_id)
            except NotFound:
                words = f'Invalid pk "{task_id}" - object does not exist.'
                raise Invalid(words, field="task") from None
            return room.annotations.predict(workspace, task_id, sent)

        made = await run_in_threadpool(work)
        return answer(shapes.prediction(made, room.clock()), 201)

    @api.get("/predictions/{prediction_id:int}/")
    def get_prediction(request: Request, prediction_id: int) -> Response:
        found = room.annotations.prediction(workspace_of(request), prediction_id)
        return answer(shapes.prediction(found, room.clock()))

    @api.put("/predictions/{prediction_id:int}/")
    @api.patch("/predictions/{prediction_id:int}/")
    async def change_prediction(request: Request, prediction_id: int) -> Response:
        sent = await fields_of(request)
        changed = await run_in_threadpool(
            room.annotations.change_prediction, workspace_of(request), prediction_id, sent
        )
        return answer(shapes.prediction(changed, room.clock()))

    @api.delete("/predictions/{prediction_id:int}/")
    def remove_prediction(request: Request, prediction_id: int) -> Response:
        room.annotations.remove_prediction(workspace_of(request), prediction_id)
        return nothing()


def _whole(sent: dict[str, Any]) -> dict[str, Any]:
    """What must say something. Raises Invalid."""
    if "result" not in sent:
        raise Invalid("This field is required.", field="result")
    return sent
