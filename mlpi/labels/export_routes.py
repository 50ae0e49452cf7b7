"""The page of a project's exports: a file at once, snapshots, and datasets in the checks room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from mlpi.auth.requests import actor_of, address_of
from mlpi.errors import MlpiError
from mlpi.jobs.models import Schedule
from mlpi.jobs.schedules import Plan
from mlpi.labels.api.exports import sent
from mlpi.labels.exporting.chosen import Chosen, view_in
from mlpi.labels.exporting.delivery import DATASET_JOB, TABLES
from mlpi.labels.exporting.records import CREATED, IN_PROGRESS
from mlpi.labels.grid.views import title_of
from mlpi.labels.models import LabelExport, LabelProject
from mlpi.labels.room import Room
from mlpi.web.forms import Text, Tick
from mlpi.web.render import back_to, principal_of, render, wants_part, workspace_of

ONE = "/labels/{project_id}"
SNAPSHOT = ONE + "/exports/{export_id}"
# Which tasks and annotations, by the words of the form.
TASKS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "annotated": ("that somebody annotated or skipped", {"has_any": True}),
    "all": ("all of them", {}),
    "finished": ("that are finished", {"finished": "only"}),
    "unfinished": ("that are not finished", {"finished": "exclude"}),
}
SAID: Mapping[str, tuple[str, dict[str, Any]]] = {
    "all": ("all of them", {}),
    "usual": ("neither skipped nor ground truth", {"kinds": ("usual",), "with_annotations": True}),
    "ground_truth": (
        "ground truth alone",
        {"kinds": ("ground_truth",), "with_annotations": True},
    ),
}
FORM: Mapping[str, Any] = {
    "format": "JSON",
    "tasks": "annotated",
    "said": "all",
    "view": "",
    "raw": False,
    "title": "",
    "dataset": "",
    "table": TABLES[0],
    "trigger": "cron",
    "expression": "0 6 * * *",
    "timezone": "UTC",
    "only": False,
}


def router(room: Room) -> APIRouter:
    """Everything under a project's tab "Export"."""
    pages = APIRouter(include_in_schema=False)

    def chosen_by(workspace: str, project_id: int, tasks: str, said: str, view: str = "") -> Chosen:
        """What the form's words stand for; an unknown word is the first. Raises NotFound."""
        narrow = TASKS.get(tasks, TASKS["annotated"])[1] | SAID.get(said, SAID["all"])[1]
        chosen = Chosen(**narrow)
        number = view_in({"task_filter_options": {"view": view}})
        if number is None:
            return chosen
        return chosen.within(room.views.of_project(workspace, project_id, number))

    def page(
        request: Request,
        project_id: int,
        status: int = 200,
        error: MlpiError | None = None,
        form: Mapping[str, Any] | None = None,
    ) -> Response:
        workspace = workspace_of(request)
        project = room.projects.get(workspace, project_id)
        snapshots = room.snapshots.page(workspace, project_id)
        is_part = wants_part(request) and status == 200
        return render(
            request,
            "labels/_snapshots.html" if is_part else "labels/export.html",
            status,
            project=project,
            formats=room.exports.formats(workspace, project_id),
            snapshots=snapshots,
            is_active=any(map(_is_active, snapshots)),
            words={one.id: Chosen.of(one.options).words() for one in snapshots},
            schedules=_schedules(room, workspace, project_id),
            tasks={word: text for word, (text, _) in TASKS.items()},
            said={word: text for word, (text, _) in SAID.items()},
            views=[(str(one.id), title_of(one)) for one in room.views.all(workspace, project_id)],
            tables=TABLES,
            error=error,
            form={**FORM, "dataset": _dataset_name(project), **(form or {})},
        )

    @pages.get(ONE + "/export")
    def export_page(request: Request, project_id: int) -> Response:
        return page(request, project_id)

    @pages.get(ONE + "/export/download")
    def download(
        request: Request,
        project_id: int,
        format: str = "JSON",  # noqa: A002 - the word of the address
        tasks: str = "annotated",
        said: str = "all",
        view: str = "",
        *,
        raw: bool = False,
    ) -> Response:
        workspace = workspace_of(request)
        try:
            chosen = chosen_by(workspace, project_id, tasks, said, view)
            found = room.exports.export(workspace, project_id, format, chosen, is_raw=raw)
        except MlpiError as error:
            if error.status not in (400, 422, 503):
                raise
            form = {"format": format, "tasks": tasks, "said": said, "view": view, "raw": raw}
            return page(request, project_id, 422, error, form)
        return sent(found)

    @pages.post(ONE + "/exports")
    def make(
        request: Request,
        project_id: int,
        title: Text = "",
        tasks: Text = "annotated",
        said: Text = "all",
        view: Text = "",
    ) -> Response:
        workspace = workspace_of(request)
        try:
            room.snapshots.create(
                workspace,
                project_id,
                title,
                chosen_by(workspace, project_id, tasks, said, view),
                principal_of(request),
                address_of(request),
            )
        except MlpiError as error:
            if error.status not in (400, 422):
                raise
            return page(request, project_id, 422, error, {"title": title})
        return back_to(request, f"/labels/{project_id}/export")

    @pages.get(SNAPSHOT + "/download")
    def download_snapshot(
        request: Request,
        project_id: int,
        export_id: int,
        format: str = "JSON",  # noqa: A002
        *,
        raw: bool = False,
    ) -> Response:
        try:
            found = room.snapshots.download(
                workspace_of(request), project_id, export_id, format, is_raw=raw
            )
        except MlpiError as error:
            if error.status not in (400, 422, 503):
                raise
            return page(request, project_id, 422, error)
        return sent(found)

    @pages.post(SNAPSHOT + "/remove")
    def remove(request: Request, project_id: int, export_id: int) -> Response:
        room.snapshots.remove(
            workspace_of(request),
            project_id,
            export_id,
            principal_of(request),
            address_of(request),
        )
        return back_to(request, f"/labels/{project_id}/export")

    _add_datasets(pages, room, page)
    return pages


def _add_datasets(pages: APIRouter, room: Room, page: Any) -> None:
    @pages.post(SNAPSHOT + "/dataset")
    def send(
        request: Request,
        project_id: int,
        export_id: int,
        dataset: Text = "",
        table: Text = TABLES[0],
    ) -> Response:
        try:
            room.delivery.send(
                workspace_of(request),
                project_id,
                export_id,
                dataset,
                table,
                principal_of(request),
                address_of(request),
            )
        except MlpiError as error:
            return _again(page, request, project_id, error, dataset=dataset, table=table)
        return back_to(request, f"/labels/{project_id}/export")

    @pages.post(ONE + "/exports/dataset")
    def begin(
        request: Request,
        project_id: int,
        dataset: Text = "",
        table: Text = TABLES[0],
        *,
        only: Tick = False,
    ) -> Response:
        chosen = Chosen(finished="only" if only else "")
        try:
            room.delivery.begin(
                workspace_of(request),
                project_id,
                dataset,
                table,
                chosen,
                principal_of(request),
                address_of(request),
            )
        except MlpiError as error:
            return _again(page, request, project_id, error, dataset=dataset, table=table, only=only)
        return back_to(request, f"/labels/{project_id}/export")

    @pages.post(ONE + "/exports/schedule")
    def schedule(
        request: Request,
        project_id: int,
        dataset: Text = "",
        table: Text = TABLES[0],
        trigger: Text = "cron",
        expression: Text = "",
        timezone: Text = "UTC",
        *,
        only: Tick = False,
    ) -> Response:
        workspace = workspace_of(request)
        project = room.projects.get(workspace, project_id)
        form = {"dataset": dataset, "table": table, "only": only, "trigger": trigger}
        form |= {"expression": expression, "timezone": timezone}
        try:
            name = room.delivery.checked_dataset(workspace, dataset, table)
            plan = Plan(
                name=_schedule_name(project, [one.name for one in room.schedules.page(workspace)]),
                workspace=workspace,
                kind=DATASET_JOB,
                trigger=trigger,
                expression=expression,
                timezone=timezone,
                params={
                    "project": project_id,
                    "dataset": name,
                    "format": table,
                    "is_finished_only": only,
                },
            )
            room.schedules.add(plan, actor=actor_of(request))
        except MlpiError as error:
            return _again(page, request, project_id, error, **form)
        return back_to(request, f"/labels/{project_id}/export")


def _again(page: Any, request: Request, project_id: int, error: MlpiError, **form: Any) -> Response:
    """The page with what was wrong and what was typed; other errors go on."""
    if error.status not in (400, 409, 422):
        raise error
    found: Response = page(request, project_id, 422, error, form)
    return found


def _is_active(one: LabelExport) -> bool:
    """Whether a job or the thread that delivers is still at it."""
    if one.status in (CREATED, IN_PROGRESS):
        return True
    return any(
        each["status"] in (CREATED, IN_PROGRESS)
        or (each["dataset"] and each["status"] == "completed" and each["shelved"] is None)
        for each in one.converted
    )


def _schedules(room: Room, workspace: str, project_id: int) -> Sequence[tuple[Schedule, Any]]:
    """Those that make datasets of a project, each with when it is due next."""
    return [
        (one, room.schedules.upcoming(one, 1))
        for one in room.schedules.page(workspace)
        if one.kind == DATASET_JOB and one.params.get("project") == project_id
    ]


def _dataset_name(project: LabelProject) -> str:
    """What to call a project's dataset: its title, as far as a dataset may be called so."""
    kept = "".join(one if one.isalnum() or one in " .,()+_-" else " " for one in project.title)
    return " ".join(kept.split()).strip(" .,(+_-")[:90] or f"Labels {project.id}"


def _schedule_name(project: LabelProject, taken: Sequence[str]) -> str:
    name = f"Labels of {project.title[:70]}"
    number = 2
    while name in taken:
        name = f"Labels of {project.title[:70]} ({number})"
        number += 1
    return name
