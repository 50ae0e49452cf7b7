"""Counts of tasks and projects, kept by the transactions that change what is counted."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, case, func, select, update

from mlpi.db import Session
from mlpi.labels.agreement import percent
from mlpi.labels.agreement.percent import MOST_COMPARED
from mlpi.labels.models import REJECTED, LabelAnnotation, LabelPrediction, LabelProject, LabelTask

_SAID = (
    select(LabelAnnotation.result)
    .where(
        LabelAnnotation.task_id == bindparam("task_id"),
        LabelAnnotation.was_cancelled.is_(False),
    )
    .order_by(LabelAnnotation.id.desc())
    .limit(MOST_COMPARED)
)
SKIPS_COUNT = "IGNORE_SKIPPED"  # the skip queue in which a skipped task is done with


def count_tasks(
    session: Session,
    project: LabelProject,
    task_ids: Sequence[int],
    *,
    has_said: bool = True,
) -> None:
    """Count some tasks anew, and the project by the difference. Within a write transaction.

    has_said: what people said of them may have changed, and so how far they agree.
    """
    asked = select(
        LabelTask.id,
        LabelTask.annotation_count,
        LabelTask.skipped_count,
        LabelTask.prediction_count,
        LabelTask.is_labeled,
    ).where(LabelTask.id.in_(task_ids))
    before = {row[0]: row[1:] for row in session.execute(asked)}
    said = {
        row[0]: row[1:]
        for row in session.execute(
            select(
                LabelAnnotation.task_id,
                func.sum(case((LabelAnnotation.was_cancelled, 0), else_=1)),
                func.sum(case((LabelAnnotation.was_cancelled, 1), else_=0)),
                func.sum(case((LabelAnnotation.review == REJECTED, 1), else_=0)),
                func.max(LabelAnnotation.created_at),
            )
            .where(LabelAnnotation.task_id.in_(task_ids))
            .group_by(LabelAnnotation.task_id)
        )
    }
    guessed = {
        row[0]: row[1:]
        for row in session.execute(
            select(
                LabelPrediction.task_id,
                func.count(),
                func.avg(LabelPrediction.score),
            )
            .where(LabelPrediction.task_id.in_(task_ids))
            .group_by(LabelPrediction.task_id)
        )
    }
    totals = dict.fromkeys(("finished", "annotated", "annotation", "skipped", "prediction"), 0)
    for task_id, (annotated, skips, predicted, was_labeled) in before.items():
        *sums, last_at = said.get(task_id, (0, 0, 0, None))
        now, skipped, rejected = map(int, sums)
        count, score = guessed.get(task_id, (0, None))
        is_labeled = is_done(project, now - rejected, skipped)
        changed = {"agreement": agreement_of(session, task_id, now)} if has_said else {}
        session.execute(
            update(LabelTask)
            .where(LabelTask.id == task_id)
            .values(
                annotation_count=now,
                skipped_count=skipped,
                prediction_count=count,
                prediction_score=score,
                is_labeled=is_labeled,
                completed_at=last_at if is_labeled else None,
                **changed,
            )
        )
        totals["annotation"] += now - annotated
        totals["skipped"] += skipped - skips
        totals["prediction"] += count - predicted
        totals["annotated"] += bool(now) - bool(annotated)
        totals["finished"] += is_labeled - was_labeled
    move(session, project, **totals)


def agreement_of(session: Session, task_id: int, annotations: int) -> float | None:
    """Of a task with so many annotations that were not skipped; see `agreement.percent`."""
    if annotations < 2:
        return None
    asked = {"task_id": task_id}
    return percent.of_task(session.scalars(_SAID, asked).all()[::-1])


def is_done(project: LabelProject, annotations: int, skips: int) -> bool:
    """Whether a task with so many needs no more. annotations: those that no reviewer rejected."""
    counted = annotations + (skips if project.options.get("skip_queue") == SKIPS_COUNT else 0)
    return counted >= project.maximum_annotations


def judge_again(session: Session, project: LabelProject) -> None:
    """After a change of what a task needs: which tasks are done, in one statement for all."""
    rejected = (
        select(func.count())
        .where(LabelAnnotation.task_id == LabelTask.id, LabelAnnotation.review == REJECTED)
        .scalar_subquery()
    )
    last_at = (
        select(func.max(LabelAnnotation.created_at))
        .where(LabelAnnotation.task_id == LabelTask.id)
        .scalar_subquery()
    )
    counted = LabelTask.annotation_count - rejected
    if project.options.get("skip_queue") == SKIPS_COUNT:
        counted = counted + LabelTask.skipped_count
    is_enough = counted >= project.maximum_annotations
    ours = LabelTask.project_id == project.id
    for is_now, at in ((True, last_at), (False, None)):
        session.execute(
            update(LabelTask)
            .where(ours, LabelTask.is_labeled.is_(not is_now), is_enough.is_(is_now))
            .values(is_labeled=is_now, completed_at=at)
            .execution_options(synchronize_session=False)
        )
    asked = select(func.count()).where(ours, LabelTask.is_labeled)
    project.finished_count = session.scalar(asked) or 0
    session.flush()


def move(session: Session, project: LabelProject, **by: int) -> None:
    """Add to a project's counts, named without _count."""
    changed = {f"{name}_count": number for name, number in by.items() if number}
    if changed:
        session.execute(
            update(LabelProject)
            .where(LabelProject.id == project.id)
            .values(
                {name: getattr(LabelProject, name) + number for name, number in changed.items()}
            )
        )
