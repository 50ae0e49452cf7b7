"""One file's tasks into a project: read and checked, then put in; by the service or a worker.

What the file held already goes on where an attempt was interrupted: tasks remember their file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from sqlalchemy import func, select

from mlpi.auth.roles import Principal
from mlpi.clock import Clock
from mlpi.db import Database
from mlpi.errors import MlpiError
from mlpi.labels import given
from mlpi.labels.adding import BATCH
from mlpi.labels.bringing.checking import Waiting
from mlpi.labels.bringing.files import Files
from mlpi.labels.bringing.people import people_of
from mlpi.labels.bringing.rows import ending_of, rows
from mlpi.labels.given import GivenTask
from mlpi.labels.models import LabelFile, LabelTask
from mlpi.labels.projects import config_of, project_of
from mlpi.labels.tasks import Tasks

MOST_LISTED = 200
Tell = Callable[[float, str], None]  # how far, 0 to 1, and in words


@dataclass
class Carried:
    """What became of a file. good: rows that fit; bad: [row, line or None, reason] of others.

    is_kept_back: nothing was put in, because some did not fit.
    """

    good: int = 0
    wrong: int = 0
    bad: list[list[Any]] = field(default_factory=list)
    tasks: int = 0
    annotations: int = 0
    predictions: int = 0
    is_kept_back: bool = False

    def refuse(self, number: int, line: int | None, reason: str) -> None:
        self.wrong += 1
        if len(self.bad) < MOST_LISTED:
            self.bad.append([number, line, reason[:300]])


class Carrier:
    """Carries files of one principal into one project."""

    def __init__(
        self, db: Database, files: Files, clock: Clock, workspace: str, principal: Principal
    ) -> None:
        self._db, self._files = db, files
        self._tasks = Tasks(db, clock)
        self._workspace, self._principal = workspace, principal

    def carry(self, file: LabelFile, *, skips_bad: bool, tell: Tell) -> Carried:
        """Raises NotFound, FileBroken and what else keeps the file as a whole from being read."""
        with self._db.read() as session:
            config = config_of(project_of(session, self._workspace, file.project_id))
            people = people_of(session, self._workspace, self._principal)
            asked = select(func.count()).where(
                LabelTask.project_id == file.project_id, LabelTask.file_id == file.id
            )
            before = session.scalar(asked) or 0
        carried = Carried(tasks=before)
        with (
            closing(Waiting()) as waiting,
            self._files.path(file).open("rb") as source,
        ):
            batch: list[GivenTask] = []
            for row in rows(source, ending_of(file.name), config):
                if row.wrong:
                    carried.refuse(row.number, row.line, row.wrong)
                    continue
                try:
                    people.settle(row.task)
                    batch.append(given.task(config, row.task, file_id=file.id))
                except MlpiError as error:
                    carried.refuse(row.number, row.line, error.line())
                    continue
                carried.good += 1
                if len(batch) == BATCH:
                    waiting.add(batch)
                    batch = []
                    tell(0.5 * _share(source, file), f"{carried.good:,} tasks checked")
            waiting.add(batch)
            if not carried.good or (carried.wrong and not skips_bad):
                carried.is_kept_back = True
                return carried
            for part in _without_first(before, iter(waiting)):
                added = self._tasks.add_checked(
                    self._workspace,
                    file.project_id,
                    part,
                    self._principal,
                    names=people.names,
                )
                carried.tasks += added.tasks
                carried.annotations += added.annotations
                carried.predictions += added.predictions
                share = carried.tasks / carried.good
                tell(min(0.999, 0.5 + 0.5 * share), f"{carried.tasks:,} of {carried.good:,} tasks")
        return carried


def _share(source: BinaryIO, file: LabelFile) -> float:
    """How much of it was read."""
    return min(1.0, source.tell() / max(1, file.size_bytes))


def _without_first(count: int, parts: Iterator[list[GivenTask]]) -> Iterator[list[GivenTask]]:
    for part in parts:
        left = part[count:]
        count = max(0, count - len(part))
        if left:
            yield left
