"""Pages of projects: the list, a new one, one as a whole, its settings."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response

from mlpi.auth.requests import address_of
from mlpi.errors import MlpiError
from mlpi.labels.config.reading import EMPTY
from mlpi.labels.copying import SETTINGS, WITH_DATA
from mlpi.labels.models import LabelProject
from mlpi.labels.preview import preview
from mlpi.labels.projects import OPTIONS, SAMPLINGS, SKIP_QUEUES
from mlpi.labels.room import Room
from mlpi.labels.templates.catalogue import found as found_templates
from mlpi.labels.templates.catalogue import template
from mlpi.web.forms import Text, Tick
from mlpi.web.render import back_to, principal_of, render, wants_part, workspace_of

AT = "/labels"
ONE = AT + "/{project_id}"
PAGE = 50
Number = Annotated[int, Form()]
# What is asked for on the page of settings, and how people say it.
SAMPLING_WORDS = dict(
    zip(SAMPLINGS, ("in their order", "at random", "least certain first"), strict=True)
)
SKIP_WORDS = dict(
    zip(
        SKIP_QUEUES,
        ("comes back to who skipped it", "goes to others", "is done with"),
        strict=True,
    )
)


def router(room: Room) -> APIRouter:
    """Projects as pages."""
    pages = APIRouter(include_in_schema=False)

    @pages.get(AT)
    def projects(request: Request, q: str = "", page: int = 1) -> Response:
        number = max(1, page)
        found = room.projects.page(
            workspace_of(request), limit=PAGE, offset=(number - 1) * PAGE, title=q.strip()
        )
        return render(
            request,
            f"labels/{'_projects' if wants_part(request) else 'projects'}.html",
            projects=found.projects,
            total=found.total,
            q=q.strip(),
            number=number,
            last=max(1, -(-found.total // PAGE)),
        )

    def new_page(
        request: Request, status: int = 200, error: MlpiError | None = None, **form: str
    ) -> Response:
        chosen = form.pop("template", "")
        q = form.pop("q", "")
        filled = {"title": "", "description": "", "label_config": EMPTY, **form}
        if chosen:
            filled["label_config"] = template(chosen).config
        return render(
            request,
            f"labels/{'_templates' if wants_part(request) else 'new'}.html",
            status,
            form=filled,
            error=error,
            chosen=chosen,
            q=q,
            groups=found_templates(q),
            shown=preview(filled["label_config"]),
            lost="",
        )

    @pages.get(AT + "/new")
    def new_project(request: Request, template: str = "", q: str = "") -> Response:
        return new_page(request, template=template, q=q)

    @pages.post(AT + "/preview")
    def show_config(
        request: Request, label_config: Text = "", project: int | None = None
    ) -> Response:
        """What a configuration looks like, and what it would take from a project's labels."""
        workspace = workspace_of(request)
        shown, lost = preview(label_config), ""
        if project is not None and shown.error is None:
            lost = room.projects.changes(workspace, project, label_config).words()
        return render(request, "labels/_preview.html", shown=shown, lost=lost)

    @pages.post(AT)
    def add_project(
        request: Request, title: Text = "", label_config: Text = "", description: Text = ""
    ) -> Response:
        sent = {"title": title.strip(), "label_config": label_config, "description": description}
        try:
            made = room.projects.add(
                workspace_of(request), sent, principal_of(request), address_of(request)
            )
        except MlpiError as error:
            if error.status not in (400, 422):
                raise
            return new_page(request, 422, error, **sent)
        return back_to(request, f"{AT}/{made.id}")

    @pages.get(ONE)
    def project(request: Request, project_id: int) -> Response:
        workspace = workspace_of(request)
        found = room.projects.get(workspace, project_id)
        return render(
            request,
            "labels/project.html",
            project=found,
            now=room.home.progress(workspace, project_id),
            agreement=room.agreement.figures(workspace, project_id),
            failing=room.webhooks.failing(workspace, project_id),
        )

    def settings_page(
        request: Request,
        found: LabelProject,
        form: dict[str, Any],
        status: int = 200,
        error: MlpiError | None = None,
    ) -> Response:
        return render(
            request,
            "labels/settings.html",
            status,
            project=found,
            form=form,
            samplings=SAMPLING_WORDS,
            skips=SKIP_WORDS,
            done=request.query_params.get("done", ""),
            error=error,
            shown=preview(form["label_config"]),
            lost="",
        )

    @pages.get(ONE + "/settings")
    def settings(request: Request, project_id: int) -> Response:
        found = room.projects.get(workspace_of(request), project_id)
        form = {
            "title": found.title,
            "description": found.description,
            "label_config": found.label_config,
            "maximum_annotations": found.maximum_annotations,
            "sampling": found.sampling,
            **OPTIONS,
            **found.options,
        }
        return settings_page(request, found, form)

    @pages.post(ONE + "/settings")
    def change_settings(
        request: Request,
        project_id: int,
        *,
        title: Text = "",
        description: Text = "",
        label_config: Text = "",
        expert_instruction: Text = "",
        sampling: Text = SAMPLINGS[0],
        skip_queue: Text = SKIP_QUEUES[1],
        maximum_annotations: Number = 1,
        show_instruction: Tick = False,
        show_skip_button: Tick = False,
        enable_empty_annotation: Tick = False,
        show_collab_predictions: Tick = False,
    ) -> Response:
        form = {
            "title": title.strip(),
            "description": description,
            "label_config": label_config,
            "expert_instruction": expert_instruction,
            "sampling": sampling,
            "skip_queue": skip_queue,
            "maximum_annotations": maximum_annotations,
            "show_instruction": show_instruction,
            "show_skip_button": show_skip_button,
            "enable_empty_annotation": enable_empty_annotation,
            "show_collab_predictions": show_collab_predictions,
        }
        workspace = workspace_of(request)
        try:
            room.projects.change(
                workspace, project_id, form, principal_of(request), address_of(request)
            )
        except MlpiError as error:
            if error.status not in (400, 422):
                raise
            return settings_page(
                request, room.projects.get(workspace, project_id), form, 422, error
            )
        return back_to(request, f"{AT}/{project_id}/settings", done="saved")

    @pages.post(ONE + "/duplicate")
    def duplicate_project(
        request: Request, project_id: int, title: Text = "", has_tasks: Tick = False
    ) -> Response:
        made = room.copies.duplicate(
            workspace_of(request),
            project_id,
            principal_of(request),
            mode=WITH_DATA if has_tasks else SETTINGS,
            title=title,
            address=address_of(request),
        )
        return back_to(request, f"{AT}/{made.id}")

    @pages.post(ONE + "/remove")
    def remove_project(request: Request, project_id: int) -> Response:
        room.projects.remove(
            workspace_of(request), project_id, principal_of(request), address_of(request)
        )
        return back_to(request, AT)

    return pages
