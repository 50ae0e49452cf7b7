"""/api/annotation-reviews/: reviews as Label Studio's SDK has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mlpi.errors import Invalid
from mlpi.labels.api.answers import answer, nothing
from mlpi.labels.api.asked import fields_of, flag_in, required_number
from mlpi.labels.flags import number_in
from mlpi.labels.hooks.events import review_shape
from mlpi.labels.models import ACCEPTED, FIXED, REJECTED
from mlpi.labels.room import Room
from mlpi.web.render import principal_of, workspace_of


def router(room: Room) -> APIRouter:
    """Reviews: list, make, change, take back."""
    api = APIRouter(prefix="/api/annotation-reviews")

    @api.get("/")
    def list_reviews(request: Request) -> Response:
        asked = request.query_params
        found = room.reviews.all(
            workspace_of(request),
            annotation_id=number_in(asked, "annotation"),
            project_id=number_in(asked, "annotation__task__project"),
        )
        return answer([review_shape(one) for one in found])

    @api.post("/")
    async def add_review(request: Request) -> Response:
        """accepted with a result: it is fixed and accepted."""
        sent = await fields_of(request)
        annotation_id, verdict = required_number(sent, "annotation"), _verdict(sent)
        workspace, principal = workspace_of(request), principal_of(request)

        def work() -> dict[str, Any]:
            if sent.get("result") is not None:
                room.reviews.check(workspace, annotation_id, principal)
                fixed = room.annotations.change(
                    workspace, annotation_id, {"result": sent["result"]}, principal
                )
                if fixed.review == FIXED and verdict != REJECTED:
                    newest = room.reviews.all(workspace, annotation_id=annotation_id, limit=1)
                    return review_shape(newest[0])
            made = room.reviews.judge(
                workspace, annotation_id, verdict or ACCEPTED, principal, comment=_comment(sent)
            )
            return review_shape(made)

        return answer(await run_in_threadpool(work), 201)

    @api.get("/{review_id:int}/")
    def get_review(request: Request, review_id: int) -> Response:
        return answer(review_shape(room.reviews.get(workspace_of(request), review_id)))

    @api.patch("/{review_id:int}/")
    async def change_review(request: Request, review_id: int) -> Response:
        sent = await fields_of(request)
        changed = await run_in_threadpool(
            room.reviews.change,
            workspace_of(request),
            review_id,
            principal_of(request),
            verdict=_verdict(sent),
            comment=_comment(sent) if "comment" in sent else None,
        )
        return answer(review_shape(changed))

    @api.delete("/{review_id:int}/")
    def remove_review(request: Request, review_id: int) -> Response:
        room.reviews.remove(workspace_of(request), review_id, principal_of(request))
        return nothing()

    return api


def _verdict(sent: Mapping[str, Any]) -> str | None:
    if sent.get("accepted") is None:
        return None
    return ACCEPTED if flag_in(sent, "accepted", default=True) else REJECTED


def _comment(sent: Mapping[str, Any]) -> str:
    comment = sent.get("comment") or ""
    if not isinstance(comment, str):
        raise Invalid("Not a valid string.", field="comment")
    return comment
