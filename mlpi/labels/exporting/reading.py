"""A project's tasks, some hundred at a time, as an export has them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, or_, select

from mlpi.db import Database, Session
from mlpi.labels.addresses import mail
from mlpi.labels.exporting import shape
from mlpi.labels.exporting.chosen import Chosen
from mlpi.labels.exporting.shape import Read, Task
from mlpi.labels.grid.conditions import Conditions
from mlpi.labels.grid.filters import read_filters, read_selection
from mlpi.labels.grid.lists import filtering
from mlpi.labels.models import LabelAnnotation, LabelDraft, LabelFile, LabelPrediction, LabelTask

BATCH = 500
# A batch ends before its 500 tasks where they are large or much was said of them.
MOST_BYTES = 8 << 20  # of data and meta
MOST_SAID = 5000  # annotations
FETCHED = 50  # rows at a time
_TASK = (
    *(LabelTask.id, LabelTask.data, LabelTask.meta, LabelTask.created_at, LabelTask.updated_at),
    *(LabelTask.inner_id, LabelTask.annotation_count, LabelTask.skipped_count),
    *(LabelTask.prediction_count, LabelTask.project_id, LabelTask.updated_by_id),
    LabelTask.file_id,
)
_ANNOTATION = tuple(
    getattr(LabelAnnotation, name)
    for name in (
        *("id", "task_id", "project_id", "key", "result", "result_count", "completed_by_id"),
        *("completed_by_name", "updated_by_id", "was_cancelled", "ground_truth", "lead_time_s"),
        *("created_at", "updated_at", "draft_created_at", "parent_prediction_id"),
        *("parent_annotation_id", "import_id", "last_action"),
    )
)
_DRAFT = tuple(
    getattr(LabelDraft, name)
    for name in (
        *("id", "task_id", "user_id", "user_name", "annotation_id", "result", "lead_time_s"),
        *("created_at", "updated_at"),
    )
)
_PREDICTION = tuple(
    getattr(LabelPrediction, name)
    for name in (
        *("id", "task_id", "project_id", "result", "score", "model_version"),
        *("created_at", "updated_at"),
    )
)


def live(db: Database, project_id: int, chosen: Chosen, read: Read) -> Iterator[list[Task]]:
    """Batches of tasks by number; each sees the database as it is then, and holds nobody up."""
    last: int | None = 0
    while last is not None:
        with db.read() as session, _narrowed(db, session, chosen):
            found, last = batch(session, project_id, chosen, last, read)
        if found:
            yield found


def consistent(db: Database, project_id: int, chosen: Chosen, read: Read) -> Iterator[list[Task]]:
    """Batches of tasks by number, all from the same state of the database."""
    with db.read() as session:
        if not db.is_sqlite:  # there, a read transaction sees one state anyway
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        last: int | None = 0
        while last is not None:
            with _narrowed(db, session, chosen):
                found, last = batch(session, project_id, chosen, last, read)
            if found:
                yield found


def batch(
    session: Session, project_id: int, chosen: Chosen, after: int, read: Read
) -> tuple[list[Task], int | None]:
    """Tasks with higher numbers than `after`, and the last number looked at; None at the end."""
    asked = select(*_TASK).where(LabelTask.project_id == project_id, LabelTask.id > after)
    for condition in _of_tasks(chosen):
        asked = asked.where(condition)
    if chosen.is_narrow:
        conditions = Conditions(project_id, is_sqlite=session.get_bind().dialect.name == "sqlite")
        filters, selection = read_filters(chosen.filters), read_selection(chosen.selected)
        asked = asked.where(conditions.of(filters, selection))
    end: int | None = None
    if chosen.ids:  # they may be more than a statement takes
        part = chosen.ids[bisect_right(chosen.ids, after) :][:BATCH]
        asked = asked.where(LabelTask.id.in_(part))
        end = part[-1] if part and part[-1] < chosen.ids[-1] else None
    rows, is_cut = _some(session, asked.order_by(LabelTask.id).limit(BATCH))
    if not rows:
        return [], end
    ids = [row.id for row in rows]
    about = select(*_ANNOTATION).where(LabelAnnotation.task_id.in_(ids))
    kinds = _of_annotations(chosen)
    if kinds:
        about = about.where(or_(*kinds))

    def annotation(one: Row[Any]) -> dict[str, Any]:
        by: Any = one.completed_by_id
        if chosen.people:
            name = one.completed_by_name
            by = {"id": by, "email": mail(name), "first_name": name, "last_name": ""}
        return shape.annotation(one, by, read)

    annotations = _by_task(session, about.order_by(LabelAnnotation.id), annotation)
    drafts = _by_task(
        session,
        select(*_DRAFT).where(LabelDraft.task_id.in_(ids)).order_by(LabelDraft.id),
        (lambda one: shape.draft(one, mail(one.user_name), read)) if chosen.drafts else _number,
    )
    predicted = any(row.prediction_count for row in rows)
    columns = _PREDICTION if chosen.predictions else _PREDICTION[:2]
    predictions = (
        _by_task(
            session,
            select(*columns).where(LabelPrediction.task_id.in_(ids)).order_by(LabelPrediction.id),
            (lambda one: shape.prediction(one, read)) if chosen.predictions else _number,
        )
        if predicted
        else {}
    )
    files: dict[int | None, str] = {}
    if came_in := {row.file_id for row in rows if row.file_id is not None}:
        keys = select(LabelFile.id, LabelFile.key).where(LabelFile.id.in_(came_in))
        files = {row.id: row.key for row in session.execute(keys)}
    nothing: Sequence[Any] = ()
    found = [
        shape.task(
            row,
            annotations.get(row.id, nothing),
            drafts.get(row.id, nothing),
            predictions.get(row.id, nothing),
            read,
            files.get(row.file_id) if files else None,
        )
        for row in rows
        if not chosen.with_annotations or row.id in annotations
    ]
    return found, ids[-1] if is_cut or len(rows) == BATCH else end


def _narrowed(db: Database, session: Session, chosen: Chosen) -> AbstractContextManager[None]:
    return filtering(session, is_sqlite=db.is_sqlite) if chosen.is_narrow else nullcontext()


def _some(session: Session, asked: Any) -> tuple[list[Row[Any]], bool]:
    """Rows of tasks until they are many or large, and whether there may be more."""
    rows: list[Row[Any]] = []
    size = said = 0
    with session.execute(asked.execution_options(yield_per=FETCHED)) as result:
        for row in result:
            rows.append(row)
            size += len(row.data) + len(row.meta)
            said += row.annotation_count + row.skipped_count
            if size >= MOST_BYTES or said >= MOST_SAID:
                return rows, True
    return rows, False


def _number(one: Row[Any]) -> int:
    return int(one.id)


def _by_task(
    session: Session, asked: Select[Any], made: Callable[[Row[Any]], Any]
) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in session.execute(asked):
        found.setdefault(row.task_id, []).append(made(row))
    return found


def _of_tasks(chosen: Chosen) -> Iterator[ColumnElement[bool]]:
    if chosen.has_any:
        yield or_(LabelTask.annotation_count > 0, LabelTask.skipped_count > 0)
    for choice, holds, not_holds in (
        (chosen.skipped, LabelTask.skipped_count > 0, LabelTask.skipped_count == 0),
        (chosen.finished, LabelTask.is_labeled.is_(True), LabelTask.is_labeled.is_(False)),
        (chosen.annotated, LabelTask.annotation_count > 0, LabelTask.annotation_count == 0),
    ):
        if choice:
            yield holds if choice == "only" else not_holds


def _of_annotations(chosen: Chosen) -> list[ColumnElement[bool]]:
    """Any of them; none for all annotations."""
    skipped, truth = LabelAnnotation.was_cancelled, LabelAnnotation.ground_truth
    known = {
        "usual": skipped.is_(False) & truth.is_(False),
        "ground_truth": truth.is_(True),
        "skipped": skipped.is_(True),
    }
    return [known[kind] for kind in chosen.kinds]
