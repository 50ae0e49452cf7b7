"""Counts of tasks and projects, kept by the transactions that change what is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import BindParameter, Table, bindparam, case, func, select, update
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.util import identity_key

from mlpi.db import Session
from mlpi.labels.agreement import percent
from mlpi.labels.agreement.percent import MOST_COMPARED
from mlpi.labels.models import REJECTED, LabelAnnotation, LabelPrediction, LabelProject, LabelTask

# Statements are made once, on tables: each save runs them, and making one, or looking through the
# session's objects for what it changed, costs more than running it.
_TASK, _PROJECT = cast(Table, LabelTask.__table__), cast(Table, LabelProject.__table__)
_SAYING, _GUESS = cast(Table, LabelAnnotation.__table__), cast(Table, LabelPrediction.__table__)
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_BEFORE = select(
    _TASK.c.id,
    _TASK.c.annotation_count,
    _TASK.c.skipped_count,
    _TASK.c.prediction_count,
    _TASK.c.is_labeled,
).where(_TASK.c.id.in_(_IDS))
_SAID = (
    select(
        _SAYING.c.task_id,
        func.sum(case((_SAYING.c.was_cancelled, 0), else_=1)),
        func.sum(case((_SAYING.c.was_cancelled, 1), else_=0)),
        func.sum(case((_SAYING.c.review == REJECTED, 1), else_=0)),
        func.max(_SAYING.c.created_at),
    )
    .where(_SAYING.c.task_id.in_(_IDS))
    .group_by(_SAYING.c.task_id)
)
_GUESSED = (
    select(_GUESS.c.task_id, func.count(), func.avg(_GUESS.c.score))
    .where(_GUESS.c.task_id.in_(_IDS))
    .group_by(_GUESS.c.task_id)
)
_RESULTS = (
    select(_SAYING.c.result)
    .where(_SAYING.c.task_id == bindparam("task_id"), _SAYING.c.was_cancelled.is_(False))
    .order_by(_SAYING.c.id.desc())
    .limit(MOST_COMPARED)
)
_KEPT = (
    *("annotation_count", "skipped_count", "prediction_count"),
    *("prediction_score", "is_labeled", "completed_at"),
)
_KEEP = (
    update(_TASK)
    .where(_TASK.c.id == bindparam("one"))
    .values({name: bindparam(name, type_=_TASK.c[name].type) for name in _KEPT})
)
_AGREE = (
    update(_TASK)
    .where(_TASK.c.id == bindparam("one"))
    .values({name: bindparam(name, type_=_TASK.c[name].type) for name in (*_KEPT, "agreement")})
)
_COUNTS = tuple(
    f"{name}_count"
    for name in (
        *("task", "finished", "annotated", "annotation", "skipped", "ground_truth", "prediction"),
    )
)
_MOVE = (
    update(_PROJECT)
    .where(_PROJECT.c.id == bindparam("one"))
    .values({name: _PROJECT.c[name] + bindparam(f"by_{name}") for name in _COUNTS})
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
    session.flush()
    asked = {"ids": list(task_ids)}
    found: list[dict[int, Sequence[Any]]] = [
        {row[0]: row[1:] for row in session.execute(one, asked)}
        for one in (_BEFORE, _SAID, _GUESSED)
    ]
    before, said, guessed = found
    totals = dict.fromkeys(("finished", "annotated", "annotation", "skipped", "prediction"), 0)
    for task_id, (annotated, skips, predicted, was_labeled) in before.items():
        *sums, last_at = said.get(task_id, (0, 0, 0, None))
        now, skipped, rejected = map(int, sums)
        count, score = guessed.get(task_id, (0, None))
        is_labeled = is_done(project, now - rejected, skipped)
        kept: dict[str, object] = {
            "annotation_count": now,
            "skipped_count": skipped,
            "prediction_count": count,
            "prediction_score": score,
            "is_labeled": is_labeled,
            "completed_at": last_at if is_labeled else None,
        }
        if has_said:
            kept["agreement"] = agreement_of(session, task_id, now)
        session.execute(_AGREE if has_said else _KEEP, {"one": task_id, **kept})
        _note(session.identity_map.get(identity_key(LabelTask, task_id)), kept)
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
    return percent.of_task(session.scalars(_RESULTS, asked).all()[::-1])


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
    if not changed:
        return
    moved = {f"by_{name}": changed.get(name, 0) for name in _COUNTS}
    session.execute(_MOVE, {"one": project.id, **moved})
    _note(project, {name: getattr(project, name) + by for name, by in changed.items()})


def _note(one: object | None, changed: Mapping[str, object]) -> None:
    """Have a session's object, if it has it, say what the database says now."""
    for name, value in changed.items() if one is not None else ():
        set_committed_value(one, name, value)
