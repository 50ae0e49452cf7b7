"""Columns as SQL, on SQLite and on PostgreSQL: a task's own, those of its data, and what was said.

A task's data is JSON in a text column. Numbers within it are its numbers, and texts that are
numbers as a whole, as CSV brings them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    Text,
    and_,
    case,
    cast,
    collate,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import aliased

from mlpi.db import Session
from mlpi.labels.given import as_json
from mlpi.labels.grid import regex
from mlpi.labels.grid.columns import DATA
from mlpi.labels.models import (
    LabelAnnotation,
    LabelAssignment,
    LabelDraft,
    LabelPrediction,
    LabelReview,
    LabelTask,
)

_NUMBER = re.compile(r"\s*[+-]?\d+(\.\d*)?([eE][+-]?\d{1,2})?\s*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]+')  # a key that SQLite's paths can name
LONGEST_NUMBER = 300  # digits: what is longer is no number here
Expression = ColumnElement[Any]


@dataclass(frozen=True, slots=True)
class Related:
    """What other tables say of tasks: a column of theirs, and which of their rows count."""

    column: Any
    task_id: Any
    where: ColumnElement[bool]

    def holding(self, test: ColumnElement[bool]) -> ColumnElement[bool]:
        """Tasks with a row that passes."""
        return LabelTask.id.in_(select(self.task_id).where(self.where, test))


def prepare(session: Session, *, is_sqlite: bool) -> None:
    """Give SQLite's connection the functions that expressions use."""
    connection = session.connection()
    if not is_sqlite or connection.info.get("mlpi_grid"):
        return
    raw: Any = connection.connection.driver_connection
    raw.create_function("mlpi_number", 1, number_in, deterministic=True)
    raw.create_function("mlpi_matches", 2, regex.matches, deterministic=True)
    connection.info["mlpi_grid"] = True


def number_in(text: object) -> float | None:
    """A text that is a number as a whole."""
    if not isinstance(text, str) or len(text) > LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    return float(text)


class Fields:
    """The fields of tasks' data, by the dialect of a database."""

    def __init__(self, *, is_sqlite: bool) -> None:
        self.is_sqlite = is_sqlite
        stored = LabelTask.data
        # PostgreSQL refuses to read a NUL; U+FFFD stands for it.
        safe = case(
            (
                func.strpos(stored, "\\u0000") > 0,
                func.regexp_replace(
                    stored, r"(?<!\\)((?:\\\\)*)\\u0000", r"\1\\ufffd", literal("g")
                ),
            ),
            else_=stored,
        )
        self._json = cast(safe, JSON)

    def text(self, name: str) -> Expression:
        """NULL where the field is absent or null; true, false, and JSON of what holds more."""
        if not self.is_sqlite:
            return self._either(name, lambda path: func.json_extract_path_text(self._json, *path))
        return self._either(name, self._sqlite_text)

    def number(self, name: str) -> Expression:
        """NULL where it is none."""
        return self._either(name, self._sqlite_number if self.is_sqlite else self._number)

    def keys(self, name: str) -> tuple[Expression, ...]:
        """What orders by it: numbers first, then texts."""
        if self.is_sqlite:
            return (self._either(name, lambda path: self._sqlite(path)[0]),)
        return self._either(name, self._own_number), collate(self.text(name), "C")

    def _either(self, name: str, made: Callable[[tuple[str, ...]], Expression]) -> Expression:
        """A field of this name, or the one within another that a.b means."""
        parts = tuple(name.split("."))
        if len(parts) == 1 or not all(parts) or any(part.isdecimal() for part in parts):
            return made((name,))
        return func.coalesce(made((name,)), made(parts))

    def _sqlite(self, path: tuple[str, ...]) -> tuple[Expression, Expression]:
        """(value, its JSON type)."""
        if all(_PLAIN.fullmatch(part) for part in path):
            where = "$" + "".join(f'."{part}"' for part in path)
            return (
                func.json_extract(LabelTask.data, where, type_=Text),
                func.json_type(LabelTask.data, where, type_=Text),
            )
        each = func.json_each(LabelTask.data).table_valued("key", "value", "type")
        asked = select(each.c.value).where(each.c.key == path[0]).limit(1)
        kind = select(each.c.type).where(each.c.key == path[0]).limit(1)
        return (
            type_coerce(asked.correlate(LabelTask).scalar_subquery(), Text),
            type_coerce(kind.correlate(LabelTask).scalar_subquery(), Text),
        )

    def _sqlite_text(self, path: tuple[str, ...]) -> Expression:
        value, kind = self._sqlite(path)
        return case(
            (kind == "text", value),
            (kind == "true", "true"),
            (kind == "false", "false"),
            else_=cast(value, Text),
        )

    def _sqlite_number(self, path: tuple[str, ...]) -> Expression:
        value, kind = self._sqlite(path)
        return case(
            (kind.in_(("integer", "real")), type_coerce(value, Double)),
            (kind == "text", func.mlpi_number(value, type_=Double)),
            else_=null(),
        )

    def _number(self, path: tuple[str, ...], kinds: tuple[str, ...] = ("number", "string")) -> Any:
        value = func.json_extract_path_text(self._json, *path, type_=Text)
        kind = func.json_typeof(func.json_extract_path(self._json, *path))
        is_number = and_(
            kind.in_(kinds),
            func.length(value) <= LONGEST_NUMBER,
            value.regexp_match(r"^\s*[+-]?\d+(\.\d*)?([eE][+-]?\d{1,2})?\s*$"),
        )
        return case((is_number, cast(value, Double)), else_=null())

    def _own_number(self, path: tuple[str, ...]) -> Expression:
        found: Expression = self._number(path, ("number",))
        return found


def related(name: str, project_id: int) -> Related | None:
    """What is said of tasks elsewhere, by the column's name; None when it is the task's own."""
    said = LabelAnnotation.project_id == project_id
    kept = and_(said, LabelAnnotation.was_cancelled.is_(False))
    guessed = LabelPrediction.project_id == project_id
    changed = aliased(LabelTask)
    of: Mapping[str, tuple[Any, Any, ColumnElement[bool]]] = {
        "annotators": (LabelAnnotation.completed_by_id, LabelAnnotation.task_id, said),
        "annotations_ids": (LabelAnnotation.id, LabelAnnotation.task_id, said),
        "annotations_results": (LabelAnnotation.result, LabelAnnotation.task_id, said),
        "label": (LabelAnnotation.result, LabelAnnotation.task_id, kept),
        "review": (
            LabelAnnotation.review,
            LabelAnnotation.task_id,
            and_(said, LabelAnnotation.review != ""),
        ),
        "predictions_results": (LabelPrediction.result, LabelPrediction.task_id, guessed),
        "predictions_model_versions": (
            LabelPrediction.model_version,
            LabelPrediction.task_id,
            guessed,
        ),
        "assignees": (
            LabelAssignment.user_id,
            LabelAssignment.task_id,
            LabelAssignment.project_id == project_id,
        ),
        "updated_by": (
            changed.updated_by_id,
            changed.id,
            and_(changed.project_id == project_id, changed.updated_by_id.is_not(None)),
        ),
    }
    if name == "reviewers":
        task_id = (
            select(LabelAnnotation.task_id)
            .where(LabelAnnotation.id == LabelReview.annotation_id)
            .scalar_subquery()
        )
        return Related(LabelReview.created_by_id, task_id, LabelReview.project_id == project_id)
    return Related(*of[name]) if name in of else None


def own(name: str, fields: Fields, *, kind: str = "String") -> Expression:
    """A task's column as one expression. kind: how a field of its data is read."""
    if name.startswith(DATA):
        field = name.removeprefix(DATA)
        return fields.number(field) if kind == "Number" else fields.text(field)
    plain: Mapping[str, Any] = {
        "id": LabelTask.id,
        "inner_id": LabelTask.inner_id,
        "completed_at": LabelTask.completed_at,
        "total_annotations": LabelTask.annotation_count,
        "cancelled_annotations": LabelTask.skipped_count,
        "total_predictions": LabelTask.prediction_count,
        "predictions_score": LabelTask.prediction_score,
        "created_at": LabelTask.created_at,
        "updated_at": LabelTask.updated_at,
        "updated_by": LabelTask.updated_by_id,
        "agreement": LabelTask.agreement * 100.0,
        "comments": literal(0),
        "unresolved_comment_count": literal(0),
    }
    return plain[name] if name in plain else _counted(name)


def _counted(name: str) -> Expression:
    of_task = LabelAnnotation.task_id == LabelTask.id
    if name == "avg_lead_time":
        mean = select(func.avg(LabelAnnotation.lead_time_s)).where(of_task)
        return mean.correlate(LabelTask).scalar_subquery()
    if name in ("reviews_accepted", "reviews_rejected"):
        verdict = LabelAnnotation.review == name.removeprefix("reviews_")
        count = select(func.count()).select_from(LabelAnnotation).where(of_task, verdict)
        return count.correlate(LabelTask).scalar_subquery()
    if name in ("ground_truth", "reviewed", "draft_exists"):
        return case((flag(name), 1), else_=0)
    if name in FIRST:
        # By the first of many: whoever orders by a column of many wants the alike together.
        column, task_id = FIRST[name]
        least = select(func.min(column)).where(task_id == LabelTask.id)
        return least.correlate(LabelTask).scalar_subquery()
    if name == "reviewers":
        least = (
            select(func.min(LabelReview.created_by_id))
            .join(LabelAnnotation, LabelAnnotation.id == LabelReview.annotation_id)
            .where(of_task)
        )
        return least.correlate(LabelTask).scalar_subquery()
    if name == "status":
        return case(
            (status("skipped"), "skipped"),
            (LabelTask.is_labeled, "done"),
            (status("draft"), "draft"),
            else_="todo",
        )
    return cast(null(), Text)  # file_upload, storage_filename: no task here has one


FIRST: Mapping[str, tuple[Any, Any]] = {
    "annotators": (LabelAnnotation.completed_by_id, LabelAnnotation.task_id),
    "annotations_ids": (LabelAnnotation.id, LabelAnnotation.task_id),
    "annotations_results": (LabelAnnotation.result, LabelAnnotation.task_id),
    "label": (LabelAnnotation.result, LabelAnnotation.task_id),
    "review": (LabelAnnotation.review, LabelAnnotation.task_id),
    "predictions_results": (LabelPrediction.result, LabelPrediction.task_id),
    "predictions_model_versions": (LabelPrediction.model_version, LabelPrediction.task_id),
    "assignees": (LabelAssignment.user_id, LabelAssignment.task_id),
}


def flag(name: str) -> ColumnElement[bool]:
    """A column that is true or false."""
    of_task = LabelAnnotation.task_id == LabelTask.id
    if name == "draft_exists":
        return exists().where(LabelDraft.task_id == LabelTask.id)
    if name == "ground_truth":
        return exists().where(of_task, LabelAnnotation.ground_truth)
    return exists().where(of_task, LabelAnnotation.review != "")


STATUSES = ("todo", "done", "skipped", "draft", "in_review")


def status(word: str) -> ColumnElement[bool]:
    """Whether a task is in this state; it may be in several. in_review: done, and not all of it
    has been reviewed."""
    if word == "todo":
        return LabelTask.is_labeled.is_(False)
    if word == "done":
        return LabelTask.is_labeled.is_(True)
    if word == "skipped":
        return LabelTask.skipped_count > 0
    if word == "draft":
        return flag("draft_exists")
    unseen = exists().where(
        LabelAnnotation.task_id == LabelTask.id,
        LabelAnnotation.review == "",
        LabelAnnotation.was_cancelled.is_(False),
    )
    return and_(LabelTask.is_labeled.is_(True), unseen)


def gives_label(result: Expression, label: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    """Whether stored results give a label or choice: a whole text in a list of theirs.

    Texts in such a list stand between [ or , and ] or , in the compact JSON that is kept; within
    other texts quotes are escaped, and names and values stand behind a colon.
    """
    word = as_json(label)
    find = func.instr if is_sqlite else func.strpos
    return or_(*(find(result, a + word + b) > 0 for a in "[," for b in ",]"))
