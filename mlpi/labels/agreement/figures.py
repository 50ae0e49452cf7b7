"""Agreement over a whole project: kappa of each question, who agrees with whom, and conflicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations, groupby
from threading import Lock
from typing import Any

import orjson
from sqlalchemy import func, select

from mlpi.clock import Clock
from mlpi.db import Database, Session
from mlpi.labels.agreement import kappa, percent
from mlpi.labels.models import LabelAnnotation, LabelProject, LabelTask
from mlpi.labels.projects import config_of, project_of

MOST_TASKS = 5000  # of several annotations, the newest, that kappa and the matrix are taken from
MOST_PEOPLE = 12  # in the matrix: those with the most annotations there
REMEMBERED = 64  # projects
FRESH_S = 60
# Controls that ask one question about the whole, answered by one of a few words.
QUESTIONS = ("Choices", "Rating", "Pairwise", "Taxonomy")


@dataclass(frozen=True, slots=True)
class Question:
    """A control. percent: mean agreement, 0 to 1; kappa: None where it is not defined.

    measure: "Cohen" or "Fleiss"; pairs: of annotations that were compared.
    """

    name: str
    tag: str
    percent: float
    pairs: int
    kappa: float | None
    measure: str

    @property
    def words(self) -> str:
        """Of kappa."""
        return kappa.words(self.kappa) if self.kappa is not None else ""


@dataclass(frozen=True, slots=True)
class Figures:
    """people: (id, name); matrix: mean agreement and number of tasks by two people's ids.

    mean: of all tasks with several annotations; tasks: how many of them these figures are from.
    """

    mean: float | None
    rated: int
    tasks: int
    questions: Sequence[Question]
    people: Sequence[tuple[int, str]]
    matrix: Mapping[tuple[int, int], tuple[float, int]]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A task that people do not agree on."""

    task: LabelTask
    annotations: Sequence[LabelAnnotation]


class Agreement:
    """Answers about a project; each call names the workspace that it is for."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._known: dict[int, tuple[tuple[Any, ...], datetime, Figures]] = {}
        self._lock = Lock()

    def figures(self, workspace: str, project_id: int) -> Figures:
        """Taken anew when mean or counts have changed, or after a minute. Raises NotFound."""
        now = self._clock()
        with self._db.read() as session:
            project = project_of(session, workspace, project_id)
            asked = select(func.avg(LabelTask.agreement), func.count(LabelTask.agreement)).where(
                LabelTask.project_id == project.id, LabelTask.agreement.is_not(None)
            )
            mean, rated = session.execute(asked).one()
            if not rated:
                return Figures(None, 0, 0, (), (), {})
            state = (mean, rated, project.annotation_count, project.label_config)
            known = self._known.get(project.id)
            if known and known[0] == state and now - known[1] < timedelta(seconds=FRESH_S):
                return known[2]
            found = _figures(session, project, float(mean), int(rated))
        with self._lock:
            while len(self._known) >= REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[project.id] = (state, now, found)
        return found

    def conflicts(
        self, workspace: str, project_id: int, *, below: float, limit: int, offset: int = 0
    ) -> tuple[Sequence[Conflict], int]:
        """Tasks whose agreement is below a bound, worst first, and how many there are in all.

        Raises NotFound.
        """
        with self._db.read() as session:
            project = project_of(session, workspace, project_id)
            bad = (LabelTask.project_id == project.id, LabelTask.agreement < below)
            total = session.scalar(select(func.count()).where(*bad)) or 0
            tasks = session.scalars(
                select(LabelTask)
                .where(*bad)
                .order_by(LabelTask.agreement, LabelTask.id)
                .limit(limit)
                .offset(offset)
            ).all()
            said: dict[int, list[LabelAnnotation]] = {}
            asked = (
                select(LabelAnnotation)
                .where(
                    LabelAnnotation.task_id.in_([task.id for task in tasks]),
                    LabelAnnotation.was_cancelled.is_(False),
                )
                .order_by(LabelAnnotation.id)
            )
            for one in session.scalars(asked):
                said.setdefault(one.task_id, []).append(one)
        return [Conflict(task, said.get(task.id, ())) for task in tasks], total

    def conflict_count(self, workspace: str, project_id: int, *, below: float) -> int:
        """Raises NotFound."""
        with self._db.read() as session:
            project = project_of(session, workspace, project_id)
            asked = select(func.count()).where(
                LabelTask.project_id == project.id, LabelTask.agreement < below
            )
            return session.scalar(asked) or 0


_Row = tuple[int, int, str, str]  # task, person, their name, results


def _rows(session: Session, project: LabelProject) -> Iterator[_Row]:
    """Annotations of the newest tasks that have several, task by task."""
    tasks = (
        select(LabelTask.id)
        .where(LabelTask.project_id == project.id, LabelTask.agreement.is_not(None))
        .order_by(LabelTask.id.desc())
        .limit(MOST_TASKS)
    )
    asked = (
        select(
            LabelAnnotation.task_id,
            LabelAnnotation.completed_by_id,
            LabelAnnotation.completed_by_name,
            LabelAnnotation.result,
        )
        .where(LabelAnnotation.task_id.in_(tasks), LabelAnnotation.was_cancelled.is_(False))
        .order_by(LabelAnnotation.task_id, LabelAnnotation.id)
        .execution_options(yield_per=1000)
    )
    yield from session.execute(asked)


def _figures(session: Session, project: LabelProject, mean: float, rated: int) -> Figures:
    config = config_of(project)
    scores: dict[str, list[float]] = {}
    answers: dict[str, list[dict[int, str]]] = {}
    between: dict[tuple[int, int], list[float]] = {}
    names: dict[int, str] = {}
    busy: Counter[int] = Counter()
    tasks = 0
    for _, group in groupby(_rows(session, project), key=lambda row: row[0]):
        tasks += 1
        # One voice each: the newest of whoever annotated a task more than once.
        latest = {person: (name, text) for _, person, name, text in group}
        newest = dict(list(latest.items())[-percent.MOST_COMPARED :])
        read = {person: orjson.loads(text) for person, (_, text) in newest.items()}
        said = {person: percent.read(results) for person, results in read.items()}
        names.update({person: name for person, (name, _) in newest.items()})
        busy.update(newest.keys())
        patience = percent.Patience()
        for one, other in combinations(sorted(said), 2):
            found = percent.by_control(said[one], said[other], patience)
            for name, score in found.items():
                scores.setdefault(name, []).append(score)
            whole = sum(found.values()) / len(found) if found else 1.0
            between.setdefault((one, other), []).append(whole)
        for name, control in config.controls.items():
            if control.tag.name not in QUESTIONS or control.is_per_region:
                continue
            given = {who: percent.category(results, name) for who, results in read.items()}
            answers.setdefault(name, []).append(
                {who: word for who, word in given.items() if word is not None}
            )
    questions = [
        _question(name, config.controls[name].tag.name, scores[name], answers.get(name, ()))
        for name in config.controls
        if name in scores
    ]
    shown = [person for person, _ in busy.most_common(MOST_PEOPLE)]
    people = sorted(((one, names[one]) for one in shown), key=lambda one: (one[1], one[0]))
    matrix = {
        pair: (sum(each) / len(each), len(each))
        for pair, each in between.items()
        if set(pair) <= set(shown)
    }
    return Figures(mean, rated, tasks, questions, people, matrix)


def _question(
    name: str, tag: str, scores: Sequence[float], answers: Sequence[Mapping[int, str]]
) -> Question:
    people = {person for one in answers for person in one}
    measure, found = "", None
    if len(people) == 2:
        first, second = sorted(people)
        both = [one for one in answers if len(one) == 2]
        measure = "Cohen"
        found = kappa.cohen([one[first] for one in both], [one[second] for one in both])
    elif people:
        measure, found = "Fleiss", kappa.fleiss([Counter(one.values()) for one in answers])
    return Question(name, tag, sum(scores) / len(scores), len(scores), found, measure)
