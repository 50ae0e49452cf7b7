"""Counts of tasks and projects, kept by the transactions that change what is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Table, bindparam, case, func, select, true, update
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.util import identity_key

from mlpi.db import Session
from mlpi.labels.agreement import percent
from mlpi.labels.agreement.percent import MOST_COMPARED
from mlpi.labels.models import REJECTED, LabelAnnotation, LabelPrediction, LabelProject, LabelTask
from mlpi.prepared import Prepared

_TASK, _PROJECT = cast(Table, LabelTask.__table__), cast(Table, LabelProject.__table__)
_SAYING, _GUESS = cast(Table, LabelAnnotation.__table__), cast(Table, LabelPrediction.__table__)
_SAID = (
    select(
        func.sum(case((_SAYING.c.was_cancelled, 0), else_=1)).label("annotations"),
        func.sum(case((_SAYING.c.was_cancelled, 1), else_=0)).label("skips"),
        func.sum(case((_SAYING.c.review == REJECTED, 1), else_=0)).label("rejected"),
        func.max(_SAYING.c.created_at).label("last_at"),
    )
    .where(_SAYING.c.task_id == bindparam("task"))
    .subquery("said")
)
_GUESSED = (
    select(func.count().label("predictions"), func.avg(_GUESS.c.score).label("score"))
    .where(_GUESS.c.task_id == bindparam("task"))
    .subquery("guessed")
)
# How a task was counted, and how it is: aggregates without groups are one row each.
_COUNTED = Prepared(
    select(
        _TASK.c.annotation_count,
        _TASK.c.skipped_count,
        _TASK.c.prediction_count,
        _TASK.c.is_labeled,
        *_SAID.c,
        *_GUESSED.c,
    )
    .select_from(_TASK.join(_SAID, true()).join(_GUESSED, true()))
    .where(_TASK.c.id == bindparam("task"))
)
_RESULTS = Prepared(
    select(_SAYING.c.result)
    .where(_SAYING.c.task_id == bindparam("task"), _SAYING.c.was_cancelled.is_(False))
    .order_by(_SAYING.c.id.desc())
    .limit(MOST_COMPARED)
)
_KEPT = (
    *("annotation_count", "skipped_count", "prediction_count"),
    *("prediction_score", "is_labeled", "completed_at"),
)
_COUNTS = tuple(
    f"{name}_count"
    for name in (
        *("task", "finished", "annotated", "annotation", "skipped", "ground_truth", "prediction"),
    )
)


def _keeping(*names: str) -> Prepared:
    kept = {name: bindparam(name, type_=_TASK.c[name].type) for name in names}
    return Prepared(update(_TASK).where(_TASK.c.id == bindparam("task")).values(kept))


_KEEP, _AGREE = _keeping(*_KEPT), _keeping(*_KEPT, "agreement")
_MOVE = Prepared(
    update(_PROJECT)
    .where(_PROJECT.c.id == bindparam("project"))
    .values({name: _PROJECT.c[name] + bindparam(f"by_{name}") for name in _COUNTS})
)
SKIPS_COUNT = "IGNORE_SKIPPED"  # the skip queue in which a skipped task is done with


class Needs(NamedTuple):
    """What a project asks of its tasks. counts_skips: a skip does as well as an annotation."""

    annotations: int
    counts_skips: bool

    @classmethod
    def of(cls, maximum_annotations: int, options: Mapping[str, Any]) -> Needs:
        return cls(maximum_annotations, options.get("skip_queue") == SKIPS_COUNT)

    def are_met(self, annotations: int, skips: int) -> bool:
        """By so many. annotations: those that no reviewer rejected."""
        return annotations + (skips if self.counts_skips else 0) >= self.annotations


def needs_of(project: LabelProject) -> Needs:
    return Needs.of(project.maximum_annotations, project.options)


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
    connection, needs = session.connection(), needs_of(project)
    totals: Counter[str] = Counter()
    for task_id in task_ids:
        kept, by = count_task(connection, needs, task_id, has_said=has_said)
        _note(session.identity_map.get(identity_key(LabelTask, task_id)), kept)
        for name, number in by.items():
            totals[name] += number
    move(session, project, **totals)


def count_task(
    connection: Connection, needs: Needs, task_id: int, *, has_said: bool = True
) -> tuple[dict[str, Any], dict[str, int]]:
    """Count one task anew: its columns, and by what its project's counts are to move."""
    found = _COUNTED.first(connection, task=task_id)
    if found is None:
        return {}, {}
    annotated, skips, predicted, was_labeled, *sums, last_at, count, score = found
    now, skipped, rejected = (int(one or 0) for one in sums)
    is_labeled = needs.are_met(now - rejected, skipped)
    kept: dict[str, Any] = {
        "annotation_count": now,
        "skipped_count": skipped,
        "prediction_count": count,
        "prediction_score": score,
        "is_labeled": is_labeled,
        "completed_at": last_at if is_labeled else None,
    }
    if has_said:
        kept["agreement"] = _agreement_of(connection, task_id, now)
    (_AGREE if has_said else _KEEP).rows(connection, task=task_id, **kept)
    return kept, {
        "annotation": now - annotated,
        "skipped": skipped - skips,
        "prediction": count - predicted,
        "annotated": bool(now) - bool(annotated),
        "finished": is_labeled - was_labeled,
    }


def _agreement_of(connection: Connection, task_id: int, annotations: int) -> float | None:
    """Of a task with so many annotations that were not skipped; see `agreement.percent`."""
    if annotations < 2:
        return None
    found = _RESULTS.rows(connection, task=task_id)
    return percent.of_task([result for (result,) in reversed(found)])


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
    if move_counts(session.connection(), project.id, **by):
        moved = {f"{name}_count": number for name, number in by.items()}
        _note(project, {name: getattr(project, name) + by for name, by in moved.items()})


def move_counts(connection: Connection, project_id: int, **by: int) -> bool:
    """As `move`, of a project that is no object; whether there was anything to add."""
    if not any(by.values()):
        return False
    moved = {f"by_{name}": by.get(name.removesuffix("_count"), 0) for name in _COUNTS}
    _MOVE.rows(connection, project=project_id, **moved)
    return True


def _note(one: object | None, changed: Mapping[str, object]) -> None:
    """Have a session's object, if it has it, say what the database says now."""
    for name, value in changed.items() if one is not None else ():
        set_committed_value(one, name, value)
