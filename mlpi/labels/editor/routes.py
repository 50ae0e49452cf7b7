"""The labeling page, and the JSON that its script asks for and sends."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from mlpi.errors import Invalid
from mlpi.labels.api.answers import answer, nothing
from mlpi.labels.api.asked import fields_of
from mlpi.labels.editor.config_json import config_json
from mlpi.labels.editor.service import MOST_BESIDES, progress_json
from mlpi.labels.models import LabelProject
from mlpi.labels.projects import OPTIONS, config_of
from mlpi.labels.room import Room
from mlpi.web.render import principal_of, render, workspace_of

PAGE = "/labels/{project_id}/label"
API = "/api/mlpi/labels"


def router(room: Room) -> APIRouter:
    """The labeling page."""
    pages = APIRouter(include_in_schema=False)

    @pages.get(PAGE)
    def label(request: Request, project_id: int) -> Response:
        project = room.projects.get(workspace_of(request), project_id)
        start = _start(request, project)
        return render(
            request,
            "labels/label.html",
            project=project,
            shown={one.tag.name for one in config_of(project).objects.values()},
            start=orjson.dumps(start).decode().replace("<", "\\u003c"),
        )

    @pages.get(PAGE + "/next")
    def next_task(request: Request, project_id: int, besides: str = "") -> Response:
        task = room.editor.next(
            workspace_of(request), project_id, principal_of(request), _numbers(besides)
        )
        return answer({"task": task})

    @pages.get(PAGE + "/tasks/{task_id}")
    def one_task(request: Request, project_id: int, task_id: int) -> Response:
        workspace = workspace_of(request)
        task = room.editor.hold(workspace, project_id, task_id, principal_of(request))
        return answer({"task": task})

    _add_sending(pages, room)
    return pages


def _add_sending(pages: APIRouter, room: Room) -> None:
    @pages.post(API + "/tasks/{task_id}/annotations")
    async def submit(request: Request, task_id: int) -> Response:
        sent = await fields_of(request)
        found = await run_in_threadpool(
            room.editor.submit, workspace_of(request), task_id, sent, principal_of(request)
        )
        return answer(found, 201 if found["isNew"] else 200)

    @pages.put(API + "/annotations/{annotation_id}")
    async def update(request: Request, annotation_id: int) -> Response:
        sent = await fields_of(request)
        found = await run_in_threadpool(
            room.editor.update, workspace_of(request), annotation_id, sent, principal_of(request)
        )
        return answer(found)

    @pages.put(API + "/tasks/{task_id}/draft")
    async def draft(request: Request, task_id: int) -> Response:
        sent = await fields_of(request)
        found = await run_in_threadpool(
            room.editor.draft, workspace_of(request), task_id, sent, principal_of(request)
        )
        return answer(found)

    @pages.post(API + "/projects/{project_id}/release")
    async def release(request: Request, project_id: int) -> Response:
        sent = await fields_of(request)
        tasks = sent.get("tasks")
        if not isinstance(tasks, list) or not all(isinstance(one, int) for one in tasks):
            raise Invalid("tasks must be a list of numbers of tasks.", field="tasks")
        await run_in_threadpool(
            room.editor.release, workspace_of(request), project_id, tasks, principal_of(request)
        )
        return nothing()


def _start(request: Request, project: LabelProject) -> dict[str, Any]:
    """What the script begins with."""
    options = {**OPTIONS, **project.options}
    principal = principal_of(request)
    return {
        "project": project.id,
        "title": project.title,
        "user": principal.user_id,
        "workspace": workspace_of(request),
        "config": config_json(config_of(project)),
        "progress": progress_json(project),
        "instruction": options["expert_instruction"],
        "showInstruction": options["show_instruction"],
        "canSkip": options["show_skip_button"],
        "canBeEmpty": options["enable_empty_annotation"],
    }


def _numbers(text: str) -> list[int]:
    """'1,2' as numbers. Raises Invalid."""
    parts = [one.strip() for one in text.split(",") if one.strip()]
    if len(parts) > MOST_BESIDES or not all(one.isdecimal() and len(one) < 19 for one in parts):
        raise Invalid(
            f"besides must be up to {MOST_BESIDES} numbers of tasks, with commas between them.",
            field="besides",
        )
    return [int(one) for one in parts]
