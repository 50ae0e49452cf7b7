"""Tasks on their way in, checked one by one."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mlpi.auth.roles import Principal
from mlpi.errors import Invalid, MlpiError
from mlpi.labels import given
from mlpi.labels.adding import BATCH
from mlpi.labels.bringing import preannotated
from mlpi.labels.bringing.people import People
from mlpi.labels.bringing.rows import Row
from mlpi.labels.config.config import LabelConfig
from mlpi.labels.given import GivenTask
from mlpi.labels.models import LabelFile

MOST_TASKS = 1_000_000  # of one request, as in Label Studio
MOST_TOLD = 20
IN_MEMORY_BYTES = 8 << 20


class ImportRefused(Invalid):
    """Something that came does not fit; nothing was imported."""

    status = 400
    code = "IMPORT_REFUSED"


class Waiting:
    """Batches of checked tasks in their order: a few in memory, many in a file without a name."""

    def __init__(self) -> None:
        self._batches: list[list[GivenTask]] = []
        self._size = 0  # bytes, about
        self._file: Any = None

    def add(self, batch: list[GivenTask]) -> None:
        self._batches.append(batch)
        self._size += sum(map(_size_of, batch))
        if self._size > IN_MEMORY_BYTES:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close
            for one in self._batches:
                pickle.dump(one, self._file, pickle.HIGHEST_PROTOCOL)
            self._batches, self._size = [], 0

    def __iter__(self) -> Iterator[list[GivenTask]]:
        if self._file is not None:
            self._file.seek(0)
            yield from pickled(self._file)
        yield from self._batches

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _size_of(task: GivenTask) -> int:
    said = sum(len(one.result) + 500 for one in task.annotations)
    guessed = sum(len(one.result) + 500 for one in task.predictions)
    return len(task.data) + len(task.meta) + 500 + said + guessed


class Checking:
    """Tasks on their way in: checked, and kept in a file until all of them are known to fit.

    columns: the fields that the data of every file's first task has.
    """

    def __init__(
        self,
        workspace: str,
        project_id: int,
        config: LabelConfig,
        people: People,
        principal: Principal,
        from_fields: Sequence[str] = (),
    ) -> None:
        self.workspace, self.project_id = workspace, project_id
        self.config, self.people, self.principal = config, people, principal
        self._from_fields = from_fields
        self._waiting = Waiting()
        self._batch: list[GivenTask] = []
        self._wrong: list[str] = []
        self._wrong_count = 0
        self.count = 0
        self.columns: set[str] = set()

    def __enter__(self) -> Checking:
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.close()

    def take(self, coming: Iterable[object], file: LabelFile | None = None) -> None:
        """Check tasks, numbered from 0 as in Label Studio. Raises FileBroken, ImportRefused."""
        for number, one in enumerate(coming):
            self._take(one, f"at item {number}", file, is_first=number == 0)

    def take_rows(self, coming: Iterator[Row], file: LabelFile) -> None:
        """Check a file's rows, numbered from 1. Raises as take."""
        for row in coming:
            where = f"in {file.name}, row {row.number:,}"
            if row.line is not None:
                where += f" (line {row.line:,})"
            if row.wrong:
                self.note(f"Error {where}: {row.wrong}")
            else:
                self._take(row.task, where, file, is_first=row.number == 1)

    def _take(self, one: object, where: str, file: LabelFile | None, *, is_first: bool) -> None:
        try:
            if self._from_fields:
                one = preannotated.shaped(one, self._from_fields, self.config)
            self.people.settle(one)
            task = given.task(self.config, one, file_id=file.id if file else None)
        except MlpiError as error:
            self.note(f"Error {where}: {error.line()}")
            return
        if is_first and file is not None:
            self._match_columns(one, file)
        self.count += 1
        if self.count > MOST_TASKS:
            raise ImportRefused(f"Maximum task number is {MOST_TASKS:,}; more came.")
        self._batch.append(task)
        if len(self._batch) == BATCH:
            self._put_down()

    def _match_columns(self, one: Any, file: LabelFile) -> None:
        new = set(one.get("data", one))
        if self.columns and not self.columns & new:
            raise ImportRefused(
                f"{file.name} has other data than the files before it: "
                f"{', '.join(sorted(new)[:10])} instead of {', '.join(sorted(self.columns)[:10])}.",
                advice="Import it by itself.",
            )
        self.columns = self.columns & new if self.columns else new

    def note(self, wrong: str) -> None:
        """Something does not fit."""
        self._wrong_count += 1
        if len(self._wrong) < MOST_TOLD:
            self._wrong.append(wrong)

    def refuse(self) -> None:
        """Raises ImportRefused when something did not fit, or nothing came."""
        if self._wrong_count:
            rest = self._wrong_count - len(self._wrong)
            more = f"\nand {rest:,} more" if rest else ""
            raise ImportRefused("\n".join(self._wrong) + more)
        if not self.count:
            raise ImportRefused("load_tasks: No tasks added")

    def batches(self) -> Iterator[list[GivenTask]]:
        """What was checked, in its order, as many at a time as go into one transaction."""
        self._put_down()
        yield from self._waiting

    def _put_down(self) -> None:
        if self._batch:
            self._waiting.add(self._batch)
            self._batch = []


def pickled(file: Any) -> Iterator[Any]:
    while True:
        try:
            yield pickle.load(file)  # noqa: S301 - this process wrote it, into a nameless file
        except EOFError:
            return
