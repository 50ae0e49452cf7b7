"""mlpi's own API of agreement and reviews, under /api/mlpi/labels."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from mlpi.labels.agreement.figures import Figures
from mlpi.labels.api import shapes
from mlpi.labels.hooks.events import review_shape
from mlpi.labels.room import Room
from mlpi.web.render import principal_of, workspace_of


class Verdict(BaseModel):
    """What a reviewer says."""

    verdict: Literal["accepted", "rejected"]
    comment: str = Field("", max_length=5000)


def router(room: Room) -> APIRouter:
    """Figures, conflicts, reviews."""
    api = APIRouter(prefix="/api/mlpi/labels", tags=["labels"])

    @api.get("/{project_id}/agreement")
    def get_agreement(request: Request, project_id: int) -> dict[str, Any]:
        """Percent agreement and kappa of each control, and of pairs of people."""
        return _figures(room.agreement.figures(workspace_of(request), project_id))

    @api.get("/{project_id}/conflicts")
    def list_conflicts(
        request: Request,
        project_id: int,
        below: Annotated[float, Query(gt=0, le=1)] = 0.5,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> dict[str, Any]:
        """Tasks whose agreement is below a bound, worst first."""
        found, total = room.agreement.conflicts(
            workspace_of(request), project_id, below=below, limit=limit, offset=offset
        )
        tasks = [
            {
                "task": one.task.id,
                "agreement": one.task.agreement,
                "annotations": [
                    {"id": each.id, "completed_by": each.completed_by_name, "review": each.review}
                    for each in one.annotations
                ],
            }
            for one in found
        ]
        return {"total": total, "below": below, "tasks": tasks}

    @api.get("/{project_id}/reviews")
    def list_reviews(request: Request, project_id: int) -> dict[str, Any]:
        """How many annotations wait, and the newest thousand reviews."""
        workspace = workspace_of(request)
        counts = dict(room.reviews.counts(workspace, project_id))
        found = room.reviews.all(workspace, project_id=project_id)
        return {
            "waiting": counts.pop("", 0),
            "counts": counts,
            "reviews": [review_shape(one) for one in found],
        }

    @api.post("/annotations/{annotation_id}/review", status_code=201)
    def review(request: Request, annotation_id: int, sent: Verdict) -> dict[str, Any]:
        """Accept or reject an annotation of somebody else."""
        made = room.reviews.judge(
            workspace_of(request),
            annotation_id,
            sent.verdict,
            principal_of(request),
            comment=sent.comment,
        )
        return review_shape(made)

    return api


def _figures(found: Figures) -> dict[str, Any]:
    names = dict(found.people)
    return {
        "agreement": found.mean,
        "tasks": found.rated,
        "controls": {
            one.name: {
                "percent": one.percent,
                "pairs": one.pairs,
                "kappa": one.kappa,
                "measure": one.measure or None,
            }
            for one in found.questions
        },
        "people": [shapes.user_simple(*one) for one in found.people],
        "pairs": [
            {"people": [names[one], names[other]], "agreement": mean, "tasks": count}
            for (one, other), (mean, count) in found.matrix.items()
        ],
    }
