"""Pages of the data manager: the grid, one task with all that was said of it, deeds on many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, QueryParams

from mlpi.auth.roles import Role
from mlpi.errors import Invalid, MlpiError, NotFound
from mlpi.labels.api.exports import sent
from mlpi.labels.exporting.chosen import Chosen
from mlpi.labels.exporting.formats import fitting
from mlpi.labels.grid import cells
from mlpi.labels.grid.columns import DATA, column_named
from mlpi.labels.grid.deeds import DEEDS
from mlpi.labels.grid.expressions import STATUSES
from mlpi.labels.grid.filters import Filters, Selection
from mlpi.labels.grid.filters import sent as sent_filters
from mlpi.labels.grid.lists import Shown, fields_of_project
from mlpi.labels.grid.look import SIZES, WORDS, Look, read_look
from mlpi.labels.grid.reading import lines
from mlpi.labels.grid.views import title_of
from mlpi.labels.models import LabelProject, LabelView
from mlpi.labels.projects import config_of
from mlpi.labels.room import Room
from mlpi.labels.tasks import data_of
from mlpi.web.render import back_to, here, principal_of, render, wants_part, workspace_of

ONE = "/labels/{project_id}"
STEP_S = 1.5  # that a deed may take before the page says how far it is
STATUS_WORDS = dict(
    zip(STATUSES, ("to do", "done", "skipped", "has a draft", "waits for review"), strict=True)
)


def router(room: Room) -> APIRouter:
    """The data manager as pages."""
    pages = APIRouter(include_in_schema=False)
    _add_grid(pages, room)
    _add_views(pages, room)
    _add_deeds(pages, room)
    return pages


def _add_grid(pages: APIRouter, room: Room) -> None:
    @pages.get(ONE + "/tasks")
    def grid(request: Request, project_id: int) -> Response:
        workspace = workspace_of(request)
        project = room.projects.get(workspace, project_id)
        people = room.deeds.members(workspace)
        look = _look(room, workspace, project_id, request.query_params, people)
        shown, look = _shown(room, workspace, project_id, look)
        part = "_grid" if wants_part(request) else "tasks"
        return render(
            request,
            f"labels/grid/{part}.html",
            422 if look.error else 200,
            **_context(room, workspace, project, look, shown, people),
            may_predict=any(
                one.id == "retrieve_tasks_predictions"
                for one in room.deeds.offered(workspace, project_id)
            ),
            assignable=room.deeds.people(workspace),
        )

    @pages.get(ONE + "/tasks/export")
    def export(request: Request, project_id: int, format: str = "JSON") -> Response:  # noqa: A002
        """The selected tasks as a file; all of them that match, where that is ticked."""
        workspace, asked = workspace_of(request), request.query_params
        look = _look(room, workspace, project_id, asked, room.deeds.members(workspace))
        filters, selection = _picked(look, asked)
        if selection.is_none:
            raise Invalid("No task is selected.", field="ids[]")
        narrow = sent_filters(filters) if filters.items else None
        chosen = Chosen(drafts=True, filters=narrow, ids=tuple(sorted(selection.ids)))
        return sent(room.exports.export(workspace, project_id, format, chosen))

    @pages.get(ONE + "/tasks/{task_id}")
    def task(request: Request, project_id: int, task_id: int) -> Response:
        workspace = workspace_of(request)
        project = room.projects.get(workspace, project_id)
        found = room.tasks.get(workspace, task_id)
        if found.task.project_id != project.id:
            raise NotFound(f"There is no task {task_id} in this project.")
        config = config_of(project)
        data = data_of(found.task)
        columns = [DATA + name for name in data]
        images = cells.images_of(config)
        return render(
            request,
            "labels/grid/task.html",
            project=project,
            one=found,
            states=cells.states(found),
            fields=list(
                zip(
                    data,
                    cells.cells(found, columns, {}, {}, images),
                    map(cells.in_full, data.values()),
                    strict=True,
                )
            ),
            annotations=[(each, lines(each.result)) for each in found.annotations],
            predictions=[(each, lines(each.result)) for each in found.predictions],
            drafts=[(each, lines(each.result)) for each in found.drafts],
            assigned=room.grid.assigned([task_id]).get(task_id, []),
        )


def _add_views(pages: APIRouter, room: Room) -> None:
    @pages.post(ONE + "/views")
    async def keep_view(request: Request, project_id: int) -> Response:
        async with request.form() as form:
            return await run_in_threadpool(kept, request, project_id, form)

    def kept(request: Request, project_id: int, form: FormData) -> Response:
        workspace = workspace_of(request)
        people = room.deeds.members(workspace)
        look = _look(room, workspace, project_id, form, people)
        title = str(form.get("title") or "").strip()[:100] or "A view"
        if look.error:
            raise look.error
        sent = look.as_view(title, people)
        if look.view and form.get("into"):
            view = room.views.change(workspace, look.view, sent)
        else:
            view = room.views.add(workspace, project_id, sent, principal_of(request))
        return back_to(request, f"/labels/{project_id}/tasks?view={view.id}")

    @pages.post(ONE + "/views/{view_id}/remove")
    def remove_view(request: Request, project_id: int, view_id: int) -> Response:
        room.views.remove(workspace_of(request), view_id)
        return back_to(request, f"/labels/{project_id}/tasks")


def _add_deeds(pages: APIRouter, room: Room) -> None:
    @pages.post(ONE + "/tasks/deed")
    async def act(request: Request, project_id: int) -> Response:
        async with request.form(max_fields=5000) as form:
            return await run_in_threadpool(acted, request, project_id, form)

    def acted(request: Request, project_id: int, form: FormData) -> Response:
        """One step of a deed: the page asks for the next, until there is none."""
        workspace, principal = workspace_of(request), principal_of(request)
        project = room.projects.get(workspace, project_id)
        deed = str(form.get("deed") or "")
        people = room.deeds.members(workspace)
        look = _look(room, workspace, project_id, form, people)
        filters, selection = _picked(look, form)
        up_to = _number(form.get("up_to") or 0) or room.grid.newest(workspace, project_id)
        total = _number(form.get("total") or 0)
        if not total:
            total = room.grid.count(workspace, project_id, filters, selection)
        done = room.deeds.go(
            workspace,
            project_id,
            deed,
            filters,
            selection,
            principal,
            {
                "people": [_number(one) for one in form.getlist("people")],
                "annotator": form.get("annotator") or None,
                "model_version": form.get("model_version") or None,
            },
            above=_number(form.get("above") or 0),
            up_to=up_to,
            most_s=STEP_S,
        )
        part = "_deed" if wants_part(request) else "deed"
        return render(
            request,
            f"labels/grid/{part}.html",
            project=project,
            deed=DEEDS[deed],
            done=done,
            tasks=_number(form.get("tasks") or 0) + done.tasks,
            items=_number(form.get("items") or 0) + done.items,
            total=total,
            up_to=up_to,
            kept=[
                (name, value)
                for name, value in form.multi_items()
                if isinstance(value, str)
                and name not in ("above", "up_to", "tasks", "items", "total", "csrf")
            ],
            back=here(principal, f"/labels/{project_id}/tasks", **look.query()),
        )


def _picked(look: Look, given: QueryParams | FormData) -> tuple[Filters, Selection]:
    """The tasks that are ticked, or all that match. Raises Invalid."""
    if given.get("all"):
        if look.error:
            raise look.error
        return look.filters, Selection()
    return Filters(), Selection(False, tuple(_number(one) for one in given.getlist("ids[]")))


def _look(
    room: Room,
    workspace: str,
    project_id: int,
    given: QueryParams | FormData,
    people: Mapping[int, str],
) -> Look:
    """Raises NotFound for a view of another project."""
    view: LabelView | None = None
    text = given.get("view")
    if isinstance(text, str) and text.isdecimal():
        view = room.views.of_project(workspace, project_id, int(text[:12]))
    return read_look(given, people, view)


def _shown(room: Room, workspace: str, project_id: int, look: Look) -> tuple[Shown | None, Look]:
    if look.error:
        return None, look
    try:
        return (
            room.grid.page(
                workspace,
                project_id,
                look.filters,
                look.order,
                limit=look.size,
                after=look.after,
                before=look.before,
                is_last=look.is_last,
            ),
            look,
        )
    except MlpiError as error:
        if error.status not in (400, 422):
            raise
        return None, replace(look, error=error)


def _context(
    room: Room,
    workspace: str,
    project: LabelProject,
    look: Look,
    shown: Shown | None,
    people: Mapping[int, str],
) -> dict[str, Any]:
    config = config_of(project)
    fields = fields_of_project(project, list(room.overview.fields(workspace, project.id)))
    columns = list(look.columns) or cells.chosen(
        config,
        fields,
        has_scores=project.prediction_count > 0,
        has_agreement=project.maximum_annotations > 1,
    )
    tasks = shown.tasks if shown else []
    assigned: Mapping[int, list[str]] = {}
    if "assignees" in columns:
        assigned = room.grid.assigned([one.task.id for one in tasks])
    images = cells.images_of(config)
    labels = [label.key for one in config.controls.values() for label in one.labels]
    return {
        "project": project,
        "look": look,
        "shown": shown,
        "views": [(one.id, title_of(one)) for one in room.views.all(workspace, project.id)],
        "columns": [column for name in columns if (column := column_named(name))],
        "choices": cells.choices(fields),
        "rows": [(one, cells.cells(one, columns, people, assigned, images)) for one in tasks],
        "formats": fitting(config),
        "label_options": [(one, one) for one in dict.fromkeys(labels)][:500],
        "by_options": [(one, one) for one in people.values()],
        "people": people,
        "statuses": STATUS_WORDS,
        "words": WORDS,
        "sizes": SIZES,
        "editor": int(Role.EDITOR),
    }


def _number(text: object) -> int:
    """Raises Invalid."""
    whole = str(text)
    if not whole.isdecimal() or len(whole) > 12:
        raise Invalid("A number is asked for.", field="task")
    return int(whole)
