"""Pages of agreement and review: tasks that people do not agree on, and one annotation to judge."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from mlpi.errors import MlpiError
from mlpi.labels.review import view
from mlpi.labels.review.reviews import Before
from mlpi.labels.room import Room
from mlpi.web.render import back_to, principal_of, render, workspace_of

ONE = "/labels/{project_id}"
PAGE = 10
BOUNDS = (0.25, 0.5, 0.75, 0.9, 1.0)
USUAL = 0.5


def router(room: Room) -> APIRouter:
    """Conflicts and reviews as pages."""
    pages = APIRouter(include_in_schema=False)
    _add_conflicts(pages, room)
    _add_reviews(pages, room)
    return pages


def _add_conflicts(pages: APIRouter, room: Room) -> None:
    @pages.get(ONE + "/conflicts")
    def conflicts(
        request: Request, project_id: int, below: float = USUAL, page: int = 1
    ) -> Response:
        workspace = workspace_of(request)
        project = room.projects.get(workspace, project_id)
        below = below if 0 < below <= 1 else USUAL
        number = max(1, page)
        found, total = room.agreement.conflicts(
            workspace, project_id, below=below, limit=PAGE, offset=(number - 1) * PAGE
        )
        return render(
            request,
            "labels/conflicts.html",
            project=project,
            below=below,
            bounds=BOUNDS,
            total=total,
            number=number,
            last=max(1, -(-total // PAGE)),
            figures=room.agreement.figures(workspace, project_id),
            conflicts=[
                (one.task, view.side_by_side(project.label_config, one.task, one.annotations))
                for one in found
            ],
        )


def _add_reviews(pages: APIRouter, room: Room) -> None:
    def page_of(
        request: Request,
        project_id: int,
        found: Before | None,
        status: int = 200,
        error: MlpiError | None = None,
        comment: str = "",
    ) -> Response:
        workspace = workspace_of(request)
        project = room.projects.get(workspace, project_id)
        return render(
            request,
            "labels/review.html",
            status,
            project=project,
            found=found,
            said=view.said(project.label_config, found.task, found.annotation) if found else None,
            counts=room.reviews.counts(workspace, project_id),
            done=request.query_params.get("done", ""),
            error=error,
            comment=comment,
        )

    @pages.get(ONE + "/review")
    def review(request: Request, project_id: int, annotation: int = 0, after: int = 0) -> Response:
        workspace, principal = workspace_of(request), principal_of(request)
        if annotation:
            found: Before | None = room.reviews.look(workspace, project_id, annotation, principal)
        else:
            found = room.reviews.next(workspace, project_id, principal, after=after)
        return page_of(request, project_id, found)

    @pages.post(ONE + "/review/{annotation_id}")
    def judge(
        request: Request,
        project_id: int,
        annotation_id: int,
        verdict: Annotated[str, Form()] = "",
        comment: Annotated[str, Form()] = "",
    ) -> Response:
        workspace, principal = workspace_of(request), principal_of(request)
        found = room.reviews.look(workspace, project_id, annotation_id, principal)
        try:
            room.reviews.judge(workspace, annotation_id, verdict, principal, comment=comment)
        except MlpiError as error:
            if error.status not in (400, 403, 422):
                raise
            return page_of(request, project_id, found, 422, error, comment)
        at = f"/labels/{project_id}/review?after={annotation_id}"
        return back_to(request, at, done=verdict)

    @pages.post(ONE + "/review/{annotation_id}/truth")
    def set_ground_truth(
        request: Request,
        project_id: int,
        annotation_id: int,
        is_truth: Annotated[bool, Form()] = False,
    ) -> Response:
        workspace, principal = workspace_of(request), principal_of(request)
        room.reviews.look(workspace, project_id, annotation_id, principal)
        room.annotations.change(workspace, annotation_id, {"ground_truth": is_truth}, principal)
        at = f"/labels/{project_id}/review?annotation={annotation_id}"
        return back_to(request, at, done="truth" if is_truth else "no-truth")
