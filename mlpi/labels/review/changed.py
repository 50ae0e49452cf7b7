"""What a change of an annotation is to its reviews, and what comes back to its annotator."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import aliased

from mlpi.auth.roles import Principal
from mlpi.db import Session
from mlpi.labels.models import FIXED, REJECTED, LabelAnnotation, LabelProject, LabelReview


def note_change(
    session: Session,
    annotation: LabelAnnotation,
    principal: Principal,
    now: datetime,
    *,
    is_other: bool,
) -> LabelReview | None:
    """Within the transaction that changes it; the review that this made, if it made one.

    is_other: whether it says something else now. What somebody else changes is fixed by them; what
    its annotator changes, or sends again after it was rejected, waits for a review anew.
    """
    if principal.user_id == annotation.completed_by_id:
        if is_other or annotation.review == REJECTED:
            annotation.review = ""
            session.flush()
        return None
    if not is_other:
        return None
    review = LabelReview(
        annotation_id=annotation.id,
        project_id=annotation.project_id,
        verdict=FIXED,
        comment="",
        created_by_id=principal.user_id,
        created_by_name=principal.name,
        created_at=now,
    )
    annotation.review = FIXED
    session.add(review)
    session.flush()
    return review


def returned(project: LabelProject, principal: Principal) -> Select[int]:
    """A task whose newest annotation by this person was rejected: theirs to do again."""
    later = aliased(LabelAnnotation)
    is_newest = ~exists().where(
        later.task_id == LabelAnnotation.task_id,
        later.completed_by_id == LabelAnnotation.completed_by_id,
        later.id > LabelAnnotation.id,
    )
    return (
        select(LabelAnnotation.task_id)
        .where(
            LabelAnnotation.project_id == project.id,
            LabelAnnotation.review == REJECTED,
            LabelAnnotation.completed_by_id == principal.user_id,
            is_newest,
        )
        .order_by(LabelAnnotation.id)
        .limit(1)
    )
