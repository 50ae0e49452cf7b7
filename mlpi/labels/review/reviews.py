"""Reviews: whose turn it is, what was said; knows no HTTP. Its calls block.

A rejected annotation stays where it is, marked and with the reviewer's words. It does not count
towards what its task needs any more, and the task is the next that its annotator is given: nothing
that was drawn is lost, and what is changed and saved waits for a review anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select

from mlpi.auth.models import Member, Workspace
from mlpi.auth.roles import Principal
from mlpi.clock import Clock
from mlpi.db import Database, Session
from mlpi.errors import Forbidden, Invalid, NotFound
from mlpi.labels.annotations import annotation_of
from mlpi.labels.hooks.actions import REVIEW_CREATED, REVIEW_UPDATED
from mlpi.labels.hooks.events import Events
from mlpi.labels.models import (
    ACCEPTED,
    REJECTED,
    LabelAnnotation,
    LabelProject,
    LabelReview,
    LabelTask,
)
from mlpi.labels.projects import project_of
from mlpi.labels.tally import count_tasks, move

VERDICTS = (ACCEPTED, REJECTED)  # what a reviewer may say; "fixed" is what they do
LONGEST_COMMENT = 5000


@dataclass(frozen=True, slots=True)
class Before:
    """An annotation to look at, its task, and what was said of it, newest first.

    is_own: of who looks, who may not judge it.
    """

    annotation: LabelAnnotation
    task: LabelTask
    reviews: Sequence[LabelReview]
    is_own: bool


class Reviews:
    """The reviews of all projects; each call names the workspace that it is for."""

    def __init__(self, db: Database, events: Events, clock: Clock) -> None:
        self._db, self._events, self._clock = db, events, clock

    def counts(self, workspace: str, project_id: int) -> Mapping[str, int]:
        """How many annotations are accepted, fixed, rejected, or "" waiting. Raises NotFound."""
        asked = (
            select(LabelAnnotation.review, func.count())
            .where(LabelAnnotation.project_id == project_id)
            .where(LabelAnnotation.was_cancelled.is_(False))
            .group_by(LabelAnnotation.review)
        )
        with self._db.read() as session:
            project_of(session, workspace, project_id)
            return {str(review): int(count) for review, count in session.execute(asked)}

    def next(
        self, workspace: str, project_id: int, principal: Principal, *, after: int = 0
    ) -> Before | None:
        """The next annotation that waits for this person's review. Raises NotFound.

        after: the id of one that was left for later; behind the last, the first comes again.
        """
        with self._db.read() as session:
            project = project_of(session, workspace, project_id)
            may = _may_judge(session, workspace, principal)
            asked = (
                select(LabelAnnotation)
                .where(
                    LabelAnnotation.project_id == project.id,
                    LabelAnnotation.review == "",
                    LabelAnnotation.was_cancelled.is_(False),
                    *may,
                )
                .order_by(LabelAnnotation.id)
                .limit(1)
            )
            found = session.scalar(asked.where(LabelAnnotation.id > after)) if after else None
            found = found or session.scalar(asked)
            return self._before(session, workspace, found, principal) if found else None

    def look(
        self, workspace: str, project_id: int, annotation_id: int, principal: Principal
    ) -> Before:
        """One annotation of a project. Raises NotFound."""
        with self._db.read() as session:
            annotation, _, project = annotation_of(session, workspace, annotation_id)
            if project.id != project_id:
                raise NotFound(f"There is no annotation {annotation_id} in this project.")
            return self._before(session, workspace, annotation, principal)

    def check(self, workspace: str, annotation_id: int, principal: Principal) -> None:
        """See that this person may review it. Raises NotFound, Forbidden."""
        with self._db.read() as session:
            annotation, _, _ = annotation_of(session, workspace, annotation_id)
            self._refuse_own(session, workspace, annotation, principal)

    def judge(
        self,
        workspace: str,
        annotation_id: int,
        verdict: str,
        principal: Principal,
        *,
        comment: str = "",
    ) -> LabelReview:
        """Accept or reject it. Raises NotFound, Invalid, Forbidden for one's own."""
        if verdict not in VERDICTS:
            raise Invalid(
                f"{verdict[:40]!r} is no verdict.",
                advice=f"It may be {' or '.join(VERDICTS)}.",
                field="verdict",
            )
        comment = _checked(comment)
        with self._db.write() as session:
            annotation, _, project = annotation_of(
                session, workspace, annotation_id, is_locked=True
            )
            if annotation.was_cancelled:
                raise Invalid("This annotation was skipped: there is nothing to review.")
            self._refuse_own(session, workspace, annotation, principal)
            review = LabelReview(
                annotation_id=annotation.id,
                project_id=project.id,
                verdict=verdict,
                comment=comment,
                created_by_id=principal.user_id,
                created_by_name=principal.name,
                created_at=self._clock(),
            )
            session.add(review)
            self._set(session, project, annotation, verdict)
            self._events.reviewed(session, project, review, annotation, REVIEW_CREATED)
        return review

    def change(
        self,
        workspace: str,
        review_id: int,
        principal: Principal,
        *,
        verdict: str | None = None,
        comment: str | None = None,
    ) -> LabelReview:
        """One's own. What is None stays. Raises NotFound, Invalid, Forbidden."""
        with self._db.write() as session:
            review, annotation, project = self._of(session, workspace, review_id)
            if review.created_by_id != principal.user_id:
                raise Forbidden("A review is changed by who made it.")
            if comment is not None:
                review.comment = _checked(comment)
            if verdict is not None:
                if verdict not in VERDICTS:
                    raise Invalid(f"{verdict[:40]!r} is no verdict.", field="verdict")
                review.verdict = verdict
                session.flush()
                self._set(session, project, annotation, self._newest(session, annotation))
            self._events.reviewed(session, project, review, annotation, REVIEW_UPDATED)
        return review

    def remove(self, workspace: str, review_id: int, principal: Principal) -> None:
        """Take one's own back; the one before it counts again. Raises NotFound, Forbidden."""
        with self._db.write() as session:
            review, annotation, project = self._of(session, workspace, review_id)
            if review.created_by_id != principal.user_id:
                raise Forbidden("A review is taken back by who made it.")
            session.delete(review)
            session.flush()
            self._set(session, project, annotation, self._newest(session, annotation))
            self._events.review_deleted(session, project, review_id)

    def get(self, workspace: str, review_id: int) -> LabelReview:
        """Raises NotFound."""
        with self._db.read() as session:
            return self._of(session, workspace, review_id)[0]

    def all(
        self,
        workspace: str,
        *,
        annotation_id: int | None = None,
        project_id: int | None = None,
        limit: int = 1000,
    ) -> Sequence[LabelReview]:
        """Of an annotation, a project, or the workspace; newest first."""
        asked = (
            select(LabelReview)
            .join(LabelProject, LabelProject.id == LabelReview.project_id)
            .where(LabelProject.workspace == workspace)
            .order_by(LabelReview.id.desc())
            .limit(limit)
        )
        if annotation_id is not None:
            asked = asked.where(LabelReview.annotation_id == annotation_id)
        if project_id is not None:
            asked = asked.where(LabelReview.project_id == project_id)
        with self._db.read() as session:
            return session.scalars(asked).all()

    def _of(
        self, session: Session, workspace: str, review_id: int
    ) -> tuple[LabelReview, LabelAnnotation, LabelProject]:
        review = session.get(LabelReview, review_id)
        if review is None:
            raise NotFound(f"There is no review {review_id} in this workspace.")
        try:
            annotation, _, project = annotation_of(session, workspace, review.annotation_id)
        except NotFound:
            raise NotFound(f"There is no review {review_id} in this workspace.") from None
        return review, annotation, project

    def _newest(self, session: Session, annotation: LabelAnnotation) -> str:
        asked = (
            select(LabelReview.verdict)
            .where(LabelReview.annotation_id == annotation.id)
            .order_by(LabelReview.id.desc())
            .limit(1)
        )
        return session.scalar(asked) or ""

    def _set(
        self, session: Session, project: LabelProject, annotation: LabelAnnotation, verdict: str
    ) -> None:
        if verdict == REJECTED and annotation.ground_truth:
            annotation.ground_truth = False
            move(session, project, ground_truth=-1)
        annotation.review = verdict
        session.flush()
        count_tasks(session, project, [annotation.task_id], has_said=False)

    def _before(
        self,
        session: Session,
        workspace: str,
        annotation: LabelAnnotation,
        principal: Principal,
    ) -> Before:
        reviews = session.scalars(
            select(LabelReview)
            .where(LabelReview.annotation_id == annotation.id)
            .order_by(LabelReview.id.desc())
            .limit(50)
        ).all()
        task = session.get_one(LabelTask, annotation.task_id)
        own = annotation.completed_by_id == principal.user_id
        is_own = own and not _is_alone(session, workspace)
        return Before(annotation, task, reviews, is_own)

    def _refuse_own(
        self,
        session: Session,
        workspace: str,
        annotation: LabelAnnotation,
        principal: Principal,
    ) -> None:
        if annotation.completed_by_id != principal.user_id or _is_alone(session, workspace):
            return
        raise Forbidden("Nobody reviews their own annotations; somebody else has to.")


def _may_judge(
    session: Session, workspace: str, principal: Principal
) -> Sequence[ColumnElement[bool]]:
    if _is_alone(session, workspace):
        return ()
    return (LabelAnnotation.completed_by_id != principal.user_id,)


def _is_alone(session: Session, workspace: str) -> bool:
    """Whether there is nobody else in the workspace who could."""
    asked = (
        select(func.count())
        .select_from(Member)
        .join(Workspace, Workspace.id == Member.workspace_id)
        .where(Workspace.name == workspace)
    )
    return (session.scalar(asked) or 0) <= 1


def _checked(comment: str) -> str:
    comment = comment.strip()
    if len(comment) > LONGEST_COMMENT:
        raise Invalid(f"A comment has at most {LONGEST_COMMENT:,} characters.", field="comment")
    return comment
