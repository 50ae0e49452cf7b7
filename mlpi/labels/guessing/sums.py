"""How well each version of a model does: how much it said, how sure it was, who agrees with it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from mlpi.db import Database
from mlpi.labels.models import LabelAnnotation, LabelPrediction, LabelTask
from mlpi.labels.projects import project_of

MOST_COMPARED = 1_000  # newest predictions of a version on tasks that people annotated
# Results that are one answer about the whole of an object, so that right or wrong can be told.
_WHOLE = ("choices", "rating", "number", "pairwise", "taxonomy")


@dataclass(frozen=True, slots=True)
class Version:
    """mean_score: 0 to 1, None without scores. right of compared: answers that people gave too."""

    name: str
    predictions: int
    mean_score: float | None
    latest_at: datetime
    right: int
    compared: int

    @property
    def accuracy(self) -> float | None:
        """The share of compared answers that are right, 0 to 1."""
        return self.right / self.compared if self.compared else None


class Versions:
    """Versions of models that predicted; each call names the workspace that it is for."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of(self, workspace: str, project_id: int) -> Sequence[Version]:
        """Newest first. Raises NotFound."""
        asked = (
            select(
                LabelPrediction.model_version,
                func.count(),
                func.avg(LabelPrediction.score),
                func.max(LabelPrediction.created_at),
            )
            .where(LabelPrediction.project_id == project_id)
            .group_by(LabelPrediction.model_version)
            .order_by(func.max(LabelPrediction.id).desc())
        )
        found = []
        with self._db.read() as session:
            project_of(session, workspace, project_id)
            for name, count, score, latest in session.execute(asked).all():
                pairs = session.execute(
                    select(LabelPrediction.result, LabelAnnotation.result)
                    .join(LabelAnnotation, LabelAnnotation.task_id == LabelPrediction.task_id)
                    .where(
                        LabelPrediction.project_id == project_id,
                        LabelPrediction.model_version == name,
                        LabelAnnotation.was_cancelled.is_(False),
                    )
                    .order_by(LabelPrediction.id.desc())
                    .limit(MOST_COMPARED)
                )
                right, compared = 0, 0
                for guessed, said in pairs:
                    some = agreeing(json.loads(guessed), json.loads(said))
                    right, compared = right + some[0], compared + some[1]
                found.append(Version(name, count, score, latest, right, compared))
        return found

    def open_ids(
        self,
        workspace: str,
        project_id: int,
        version: str,
        *,
        at_least: float | None,
        limit: int,
    ) -> Sequence[int]:
        """Predictions of a version, by id, of tasks that need annotations, as sure as is asked.

        at_least: a score; None takes those without one too. Raises NotFound.
        """
        asked = (
            select(LabelPrediction.id)
            .join(LabelTask, LabelTask.id == LabelPrediction.task_id)
            .where(
                LabelPrediction.project_id == project_id,
                LabelPrediction.model_version == version,
                LabelTask.is_labeled.is_(False),
            )
            .order_by(LabelPrediction.id)
            .limit(limit)
        )
        if at_least is not None:
            asked = asked.where(LabelPrediction.score >= at_least)
        with self._db.read() as session:
            project_of(session, workspace, project_id)
            return session.scalars(asked).all()


def agreeing(guessed: Sequence[Any], said: Sequence[Any]) -> tuple[int, int]:
    """(answers that are the same, answers that both gave), of answers about whole objects."""
    theirs, ours = _answers(guessed), _answers(said)
    both = theirs.keys() & ours.keys()
    return sum(theirs[name] == ours[name] for name in both), len(both)


def _answers(results: Sequence[Any]) -> dict[str, Any]:
    """By control, what was answered; lists as sets, for their order says nothing."""
    found: dict[str, Any] = defaultdict(frozenset)
    for one in results:
        kind = one.get("type")
        if kind not in _WHOLE:
            continue
        value = one["value"].get("selected" if kind == "pairwise" else kind)
        if isinstance(value, list):
            found[one["from_name"]] |= frozenset(json.dumps(part) for part in value)
        else:
            found[one["from_name"]] = value
    return dict(found)
