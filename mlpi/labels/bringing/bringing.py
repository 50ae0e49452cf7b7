"""Bringing tasks in through the API: all of a request, or nothing; knows no HTTP. Calls block.

What comes is read piece by piece and checked; what was checked waits in a temporary file, so that
neither 100,000 tasks nor a gigabyte is ever in memory, and the database is written to when
everything is known to fit.
"""

from __future__ import annotations

import json
import pickle
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from sqlalchemy import insert, select

from mlpi.auth.roles import Principal
from mlpi.clock import Clock
from mlpi.db import Database
from mlpi.errors import MlpiError
from mlpi.labels import given
from mlpi.labels.adding import BATCH
from mlpi.labels.bringing.checking import IN_MEMORY_BYTES, Checking, ImportRefused, pickled
from mlpi.labels.bringing.files import Files
from mlpi.labels.bringing.json_items import FileBroken, items
from mlpi.labels.bringing.people import people_of
from mlpi.labels.bringing.rows import LISTS, MEDIA, ending_of, rows, single_field
from mlpi.labels.bringing.zips import is_zip
from mlpi.labels.config.config import LabelConfig
from mlpi.labels.models import LabelFile, LabelPrediction, LabelTask
from mlpi.labels.projects import config_of, project_of
from mlpi.labels.tally import count_tasks
from mlpi.labels.tasks import Tasks


@dataclass(frozen=True, slots=True)
class How:
    """How a request wants it, by the names of Label Studio's query."""

    commit: bool = True
    keeps_ids: bool = False
    from_fields: Sequence[str] = ()


@dataclass
class Brought:
    """What came. None: nothing was put into the project. formats: files by their endings."""

    tasks: int = 0
    annotations: int | None = 0
    predictions: int | None = 0
    task_ids: list[int] = field(default_factory=list)
    file_ids: list[int] = field(default_factory=list)
    formats: dict[str, int] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    could_be_list: bool = False
    seconds: float = 0.0


class Bringing:
    """Imports; each call names the workspace that it is for."""

    def __init__(self, db: Database, files: Files, tasks: Tasks, clock: Clock) -> None:
        self._db, self.files, self._tasks, self._clock = db, files, tasks, clock

    def bring_json(
        self, workspace: str, project_id: int, file: BinaryIO, principal: Principal, how: How
    ) -> Brought:
        """A list of tasks, or one, as JSON. Raises NotFound, ImportRefused, FileBroken."""
        began = time.monotonic()
        with self._checking(workspace, project_id, principal, how) as checking:
            checking.take(items(file))
            return self._commit(checking, Brought(), how, began)

    def bring_files(
        self,
        workspace: str,
        project_id: int,
        sent: Sequence[tuple[str, BinaryIO]],
        principal: Principal,
        how: How,
    ) -> Brought:
        """Files of tasks, media of which each is a task, and zips of both. Raises as bring_json;
        Invalid, DiskFull."""
        for name, _ in sent:
            if not is_zip(name):
                ending_of(name)
        began = time.monotonic()
        kept: list[LabelFile] = []
        try:
            for name, source in self.files.unpacked(sent):
                kept.append(self.files.keep(workspace, project_id, name, source, principal))
            return self._bring_kept(workspace, project_id, kept, principal, how, began)
        except BaseException:
            self.files.remove(workspace, project_id, [one.id for one in kept])
            raise

    def reimport(
        self,
        workspace: str,
        project_id: int,
        file_ids: Sequence[int],
        principal: Principal,
        *,
        as_lists: bool = True,
    ) -> Brought:
        """Read uploaded files again, in place of the tasks that came of them.

        as_lists False: a CSV, TSV or TXT is one task that names the file. Raises as bring_json.
        """
        began = time.monotonic()
        kept = self.files.of(workspace, project_id, file_ids)
        gone = set(file_ids) - {one.id for one in kept}
        if gone:
            raise ImportRefused(f"There is no file {min(gone)} in this project.")
        with self._db.read() as session:
            asked = select(LabelTask.id).where(
                LabelTask.project_id == project_id, LabelTask.file_id.in_(file_ids)
            )
            before = list(session.scalars(asked))
        how = How(keeps_ids=True)
        with self._checking(workspace, project_id, principal, how) as checking:
            brought = self._read_files(checking, kept, as_lists=as_lists)
            self._tasks.remove(workspace, project_id, before)
            return self._commit(checking, brought, how, began)

    def bring_predictions(
        self, workspace: str, project_id: int, file: BinaryIO, principal: Principal
    ) -> int:
        """What a model said of tasks that are there; how many. Raises as bring_json."""
        with (
            self._checking(workspace, project_id, principal, How()) as checking,
            tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as waiting,
        ):
            count = 0
            for batch in _batches(enumerate(items(file))):
                found = self._checked_predictions(project_id, batch, checking)
                pickle.dump(found, waiting)
                count += len(found)
            checking.count = count
            checking.refuse()
            waiting.seek(0)
            for part in pickled(waiting):
                self._add_predictions(workspace, project_id, part)
        return count

    # --- parts -----------------------------------------------------------------------------------

    def _checking(
        self, workspace: str, project_id: int, principal: Principal, how: How
    ) -> Checking:
        with self._db.read() as session:
            config = config_of(project_of(session, workspace, project_id))
            people = people_of(session, workspace, principal)
        return Checking(workspace, project_id, config, people, principal, how.from_fields)

    def _bring_kept(
        self,
        workspace: str,
        project_id: int,
        kept: Sequence[LabelFile],
        principal: Principal,
        how: How,
        began: float,
    ) -> Brought:
        with self._checking(workspace, project_id, principal, how) as checking:
            brought = self._read_files(checking, kept)
            return self._commit(checking, brought, how, began)

    def _read_files(
        self, checking: Checking, kept: Sequence[LabelFile], *, as_lists: bool = True
    ) -> Brought:
        endings = [ending_of(one.name) for one in kept]
        for one, ending in zip(kept, endings, strict=True):
            is_list = ending in LISTS and (as_lists or ending.startswith(".json"))
            try:
                if is_list:
                    with self.files.path(one).open("rb") as file:
                        checking.take_rows(rows(file, ending, checking.config), one)
                else:
                    checking.take([self._as_task(one, ending, checking.config)], one)
            except FileBroken as error:
                raise ImportRefused(
                    f"Failed to parse input file {one.name}: {error.message}", advice=error.advice
                ) from None
        return Brought(
            file_ids=[one.id for one in kept],
            formats=dict(Counter(endings)),
            could_be_list=any(one in (".csv", ".tsv", ".txt") for one in endings),
        )

    def _as_task(self, one: LabelFile, ending: str, config: LabelConfig) -> dict[str, Any]:
        """A file that is a task by itself: its text, or its address."""
        if ending in MEDIA or ending in LISTS:
            return {"data": {single_field(config, MEDIA.get(ending, ())): self.files.url(one)}}
        field_name = single_field(config, ("HyperText", "Text"))
        raw = self.files.path(one).read_bytes() if one.size_bytes <= given.MOST_DATA_BYTES else None
        if raw is None:
            raise FileBroken(
                f"It has {one.size_bytes:,} bytes; a task's data may have "
                f"{given.MOST_DATA_BYTES:,}."
            )
        try:
            return {"data": {field_name: raw.decode("utf-8-sig")}}
        except UnicodeDecodeError:
            raise FileBroken("It is no UTF-8 text.", advice="Save it as UTF-8.") from None

    def _commit(self, checking: Checking, brought: Brought, how: How, began: float) -> Brought:
        checking.refuse()
        brought.tasks = checking.count
        brought.columns = sorted(checking.columns) if brought.file_ids else []
        if how.commit:
            for batch in checking.batches():
                added = self._tasks.add_checked(
                    checking.workspace,
                    checking.project_id,
                    batch,
                    checking.principal,
                    keeps_ids=how.keeps_ids,
                    names=checking.people.names,
                )
                brought.annotations = (brought.annotations or 0) + added.annotations
                brought.predictions = (brought.predictions or 0) + added.predictions
                brought.task_ids += added.task_ids
        else:
            brought.annotations = brought.predictions = None
        brought.seconds = time.monotonic() - began
        return brought

    def _checked_predictions(
        self, project_id: int, batch: Sequence[tuple[int, object]], checking: Checking
    ) -> list[tuple[int, given.GivenPrediction]]:
        wanted = [_task_number(one) for _, one in batch]
        with self._db.read() as session:
            asked = select(LabelTask).where(
                LabelTask.project_id == project_id, LabelTask.id.in_(filter(None, wanted))
            )
            there = {task.id: task for task in session.scalars(asked)}
        found = []
        for number, one in batch:
            task = there.get(_task_number(one))
            if not isinstance(one, dict) or task is None:
                asked_for = str(one.get("task") if isinstance(one, dict) else one)[:40]
                checking.note(f"Prediction {number}: Invalid task ID {asked_for} - task not found")
                continue
            try:
                data = json.loads(task.data)
                found.append((task.id, given.prediction(checking.config, one, data)))
            except MlpiError as error:
                checking.note(f"Prediction {number}: {error.line()}")
        return found

    def _add_predictions(
        self,
        workspace: str,
        project_id: int,
        part: Sequence[tuple[int, given.GivenPrediction]],
    ) -> None:
        now = self._clock()
        with self._db.write() as session:
            project = project_of(session, workspace, project_id, is_locked=True)
            added = [
                {
                    "task_id": task_id,
                    "project_id": project.id,
                    "result": one.result,
                    "score": one.score,
                    "model_version": one.model_version,
                    "created_at": now,
                    "updated_at": now,
                }
                for task_id, one in part
            ]
            if added:
                session.execute(insert(LabelPrediction), added)
                touched = sorted({task_id for task_id, _ in part})
                count_tasks(session, project, touched, has_said=False)


def _task_number(one: object) -> int:
    """The task that a prediction is of; 0, which is none, when it names none."""
    number = one.get("task") if isinstance(one, dict) else None
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 1 << 31:
        return 0
    return number


def _batches(coming: Iterable[tuple[int, object]]) -> Iterator[list[tuple[int, object]]]:
    batch: list[tuple[int, object]] = []
    for one in coming:
        batch.append(one)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
