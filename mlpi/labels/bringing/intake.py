"""Imports that a person looks at: a file waits, is looked into, and a job brings its tasks in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from sqlalchemy import delete, update

from mlpi.auth.audit import Actor, Audit
from mlpi.auth.roles import Principal, Role
from mlpi.clock import Clock
from mlpi.db import Database, Session
from mlpi.errors import Conflict, Invalid, MlpiError, NotFound
from mlpi.jobs.kinds import JobKind
from mlpi.jobs.models import Job
from mlpi.jobs.service import Jobs, Wish
from mlpi.jobs.store import Filter
from mlpi.labels import given
from mlpi.labels.bringing.carrying import Carried, Carrier
from mlpi.labels.bringing.files import Files
from mlpi.labels.bringing.rows import LISTS, Row, ending_of, rows
from mlpi.labels.models import LabelFile, LabelProject, LabelTask
from mlpi.labels.projects import config_of

IMPORT_JOB = "labels-import"
PURPOSE = "labels"  # of uploads
AT_ONCE_BYTES = 1 << 20  # a smaller file is quicker than the worker that would take it
SHOWN_ROWS = 20
MOST_COLUMNS = 12
LOOKED_AT = 100  # newest jobs, among which those of one project are looked for
MOST_SHOWN = 5
MOST_WAITING = 100
DAY_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Shown:
    """A row of a preview. cells: as texts, in the order of the columns; wrong: why it is bad."""

    number: int
    cells: Sequence[str]
    wrong: str


@dataclass(frozen=True, slots=True)
class Preview:
    """A file's first rows. fields: what the configuration needs, and whether the file has it.

    error: why the file cannot be read at all, or "".
    """

    columns: Sequence[str]
    more_columns: int
    rows: Sequence[Shown]
    fields: Mapping[str, bool]
    error: str = ""


class Intake:
    """What the page of imports asks for; each call names the workspace that it is for."""

    def __init__(self, db: Database, files: Files, jobs: Jobs, audit: Audit, clock: Clock) -> None:
        self._db, self._files, self._jobs = db, files, jobs
        self._audit, self._clock = audit, clock
        self.kind = JobKind(
            IMPORT_JOB,
            "mlpi.labels.bringing.work:bring",
            "Import tasks",
            timeout_s=DAY_S,
            max_attempts=5,
            resolve=self._resolve,
            on_success=self._done,
        )

    def check_name(self, name: str) -> None:
        """Raises Invalid for a file that holds no list of tasks."""
        if ending_of(name) not in LISTS:
            raise Invalid(
                f"{name[:120]!r} is no list of tasks.",
                advice=f"Such a file ends in {', '.join(LISTS)}; media have a form of their own.",
                field="file",
            )

    def waiting(self, workspace: str, project_id: int) -> Sequence[LabelFile]:
        """Lists of tasks that are stored and that no job is at, newest first. Raises NotFound."""
        busy = {
            job.params["file"] for job in self.lately(workspace, project_id) if not job.is_final
        }
        found = self._files.of(workspace, project_id)
        lists = [one for one in found if ending_of(one.name) in LISTS and one.id not in busy]
        return lists[::-1][:MOST_WAITING]

    def look(self, project: LabelProject, file: LabelFile) -> Preview:
        """A file's first rows."""
        config = config_of(project)
        found: list[Row] = []
        error = ""
        try:
            with self._files.path(file).open("rb") as source:
                found += islice(rows(source, ending_of(file.name), config), SHOWN_ROWS)
        except MlpiError as problem:
            error = problem.line()
        columns: dict[str, None] = {}
        for row in found:
            columns.update(dict.fromkeys(map(str, _data(row))))
        shown = list(columns)[:MOST_COLUMNS]
        return Preview(
            shown,
            max(0, len(columns) - MOST_COLUMNS),
            [
                Shown(
                    row.number,
                    [_cell(_data(row).get(name)) for name in shown],
                    row.wrong or _wrong(config, row),
                )
                for row in found
            ],
            {
                name: any(name in _data(row) or name.split(".")[0] in _data(row) for row in found)
                for name in config.fields
            },
            error,
        )

    def begin(
        self, project: LabelProject, file: LabelFile, principal: Principal, *, skips_bad: bool
    ) -> Job | Carried:
        """Bring a file's tasks in: a small one at once, others by a job.

        Raises Conflict while that is being done, and Invalid when the file cannot be read.
        """
        if self.job_of(project.workspace, file.id, active=True) is not None:
            raise Conflict("This file is being imported.", advice="Stop that job first.")
        if file.size_bytes <= AT_ONCE_BYTES:
            carrier = Carrier(self._db, self._files, self._clock, project.workspace, principal)
            carried = carrier.carry(file, skips_bad=skips_bad, tell=lambda *_: None)
            if not carried.is_kept_back:
                with self._db.write() as session:
                    self._drop(session, file, project.workspace, Actor(principal.name), carried)
                self._files.path(file).unlink(missing_ok=True)
            return carried
        wish = Wish(
            IMPORT_JOB,
            project.workspace,
            {
                "project": project.id,
                "file": file.id,
                "name": file.name,
                "skips_bad": skips_bad,
                "user_id": principal.user_id,
                "user": principal.name,
                "role": int(principal.role or Role.VIEWER),
            },
            title=f"Import {file.name}",
        )
        return self._jobs.enqueue(wish, actor=Actor(principal.name))

    def lately(self, workspace: str, project_id: int) -> list[Job]:
        """A project's newest imports, newest first."""
        found = self._jobs.page(workspace, Filter(kind=IMPORT_JOB), limit=LOOKED_AT)
        return [job for job in found if job.params.get("project") == project_id][:MOST_SHOWN]

    def job_of(self, workspace: str, file_id: int, *, active: bool = False) -> Job | None:
        """The newest import of a file."""
        found = self._jobs.page(workspace, Filter(kind=IMPORT_JOB), limit=LOOKED_AT)
        mine = (job for job in found if job.params.get("file") == file_id)
        return next((job for job in mine if not (active and job.is_final)), None)

    def forget(self, project: LabelProject, file_id: int) -> None:
        """Remove a file that waits. Raises NotFound, Conflict while it is being imported."""
        if self.job_of(project.workspace, file_id, active=True) is not None:
            raise Conflict("This file is being imported.", advice="Stop that job first.")
        if not self._files.remove(project.workspace, project.id, [file_id]):
            raise NotFound("There is no such file.")

    def _resolve(self, session: Session, job: Job) -> dict[str, Any]:
        """With where the database is, which may hold a password."""
        del session
        return {**job.params, "database": self._db.url.render_as_string(hide_password=False)}

    def _done(self, session: Session, job: Job, result: Any) -> Any:
        if not result["is_kept_back"]:
            file = session.get(LabelFile, job.params["file"])
            if file is not None:
                actor = Actor(job.actor, f"job {job.id}")
                self._drop(session, file, job.workspace, actor, Carried(**result))
        return result

    def _drop(
        self, session: Session, file: LabelFile, workspace: str, actor: Actor, carried: Carried
    ) -> None:
        """Its tasks are in: the file goes, by the next sweep if not before."""
        words = f"{carried.tasks} of {file.name} into {file.project_id}"
        self._audit.record(session, actor, "label_tasks_imported", words, workspace)
        session.execute(
            update(LabelTask)
            .where(LabelTask.project_id == file.project_id, LabelTask.file_id == file.id)
            .values(file_id=None)
        )
        session.execute(delete(LabelFile).where(LabelFile.id == file.id))


def outcome_of(job: Job) -> dict[str, Any] | None:
    """What an import that ended well said, by the names of Carried."""
    return job.result if isinstance(job.result, dict) else None


def told(carried: Carried) -> dict[str, Any]:
    """As outcome_of."""
    return asdict(carried)


def _data(row: Row) -> Mapping[str, Any]:
    task = row.task
    if not isinstance(task, dict):
        return {}
    data = task.get("data", task)
    return data if isinstance(data, dict) else {}


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value[:300] if isinstance(value, str) else str(value)[:300]


def _wrong(config: Any, row: Row) -> str:
    try:
        given.task(config, row.task)
    except MlpiError as error:
        return error.line()
    return ""
