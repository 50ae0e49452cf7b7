"""Snapshots: a project's labels as they were at one moment, in a file that stays.

A snapshot is a row and a file. The row is made first, with the job that writes the file; only a
job that ended well, with the file whole and synced before, makes the row "completed", in the
same transaction. A worker that dies is run again and writes the file anew; a snapshot that is not
completed is never served.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import event, select

from mlpi.auth.audit import Actor, Audit
from mlpi.auth.roles import Principal
from mlpi.clock import Clock
from mlpi.db import Database, Session
from mlpi.errors import NotFound
from mlpi.jobs.kinds import JobKind
from mlpi.jobs.models import Job
from mlpi.jobs.service import Jobs, Wish
from mlpi.labels.bringing.finding import finder
from mlpi.labels.exporting import stored
from mlpi.labels.exporting.chosen import Chosen, OptionInvalid
from mlpi.labels.exporting.formats import format_named
from mlpi.labels.exporting.records import (
    COMPLETED,
    CREATED,
    FAILED,
    IN_PROGRESS,
    Conversion,
    change,
    export_of,
    is_same,
    new_conversion,
)
from mlpi.labels.exporting.service import Outgoing, check_fits, file_name, outgoing
from mlpi.labels.exporting.spool import spools
from mlpi.labels.exporting.stored import Shelf
from mlpi.labels.exporting.writing import Writing, written
from mlpi.labels.models import LabelExport, LabelProject
from mlpi.labels.projects import config_of, project_of

EXPORT_JOB, CONVERT_JOB = "labels-export", "labels-convert"
LONGEST_TITLE = 255
MOST = 100  # of a list, as in Label Studio
HOURS_S = 6 * 3600.0
OnWritten = Callable[[], None]


class Snapshots:
    """Snapshots of all projects; each call names the workspace that it is for."""

    def __init__(
        self,
        db: Database,
        audit: Audit,
        clock: Clock,
        jobs: Jobs,
        home: Path,
        folders: Sequence[Path] = (),
    ) -> None:
        """folders: of this server, whose files tasks may name."""
        self._db, self._audit, self._clock, self._jobs = db, audit, clock, jobs
        self._home, self._folders = home, folders
        self.shelf = Shelf(home)
        self.on_written: list[OnWritten] = []  # called after the commit, from any thread
        self.kinds = tuple(
            JobKind(
                name,
                "mlpi.labels.exporting.work:make",
                title,
                timeout_s=HOURS_S,
                resolve=self._resolve,
                on_success=self._keep,
                on_failure=self._note_failure,
            )
            for name, title in (
                (EXPORT_JOB, "Snapshot of labels"),
                (CONVERT_JOB, "Convert a snapshot of labels"),
            )
        )

    # --- looking

    def page(self, workspace: str, project_id: int) -> Sequence[LabelExport]:
        """A project's snapshots, newest first. Raises NotFound."""
        with self._db.read() as session:
            project_of(session, workspace, project_id)
            asked = select(LabelExport).where(LabelExport.project_id == project_id)
            return session.scalars(asked.order_by(LabelExport.id.desc()).limit(MOST)).all()

    def get(self, workspace: str, project_id: int, export_id: int) -> LabelExport:
        """Raises NotFound."""
        with self._db.read() as session:
            return export_of(session, workspace, project_id, export_id)

    # --- making

    def create(
        self,
        workspace: str,
        project_id: int,
        title: str,
        chosen: Chosen,
        principal: Principal,
        address: str = "",
        *,
        convert: str = "",
        dataset: str = "",
    ) -> LabelExport:
        """Have a snapshot made, and converted. Raises NotFound, OptionInvalid, FormatUnknown.

        dataset: which dataset its conversion becomes a version of.
        """
        with self._db.write() as session:
            project = project_of(session, workspace, project_id)
            made = self.add(
                session,
                project,
                title,
                chosen,
                (principal.user_id, principal.name),
                convert=convert,
                dataset=dataset,
            )
            wish = Wish(
                EXPORT_JOB,
                workspace,
                {"export": made.id, "conversion": made.converted[0]["id"] if convert else None},
                title=f"Snapshot of {project.title}",
            )
            actor = Actor(principal.name, address)
            made.job_id = self._jobs.enqueue_in(session, wish, actor=actor).id
            self._audit.record(session, actor, "labels_snapshot_asked", made.title, workspace)
        self._jobs.dispatcher.wake()
        return made

    def add(
        self,
        session: Session,
        project: LabelProject,
        title: str,
        chosen: Chosen,
        by: tuple[int, str],
        *,
        convert: str = "",
        dataset: str = "",
    ) -> LabelExport:
        """The row of a snapshot to be made, within a write transaction. by: id and name."""
        title = " ".join(title.split())
        if len(title) > LONGEST_TITLE:
            raise OptionInvalid(f"A title has at most {LONGEST_TITLE} characters.", field="title")
        now = self._clock()
        if convert:
            check_fits(config_of(project), format_named(convert))
        made = LabelExport(
            project_id=project.id,
            title=title or f"{project.title.replace(' ', '-')}-at-{now:%Y-%m-%d-%H-%M}"[-255:],
            status=CREATED,
            options=chosen.plain(),
            counters={},
            converted=[],
            key=secrets.token_hex(16),
            job_id=None,
            created_by_id=by[0],
            created_by_name=by[1],
            created_at=now,
            finished_at=None,
        )
        if convert:
            made.converted = [new_conversion(made, convert, dataset=dataset)]
        session.add(made)
        session.flush()
        return made

    def convert(
        self,
        workspace: str,
        project_id: int,
        export_id: int,
        format_name: str,
        principal: Principal,
        address: str = "",
        *,
        dataset: str = "",
    ) -> Conversion:
        """Have a completed snapshot written in another format.

        Raises NotFound, FormatUnknown, and OptionInvalid when it is not completed or is being
        converted to that, or was.
        """
        one = format_named(format_name)
        with self._db.write() as session:
            found = export_of(session, workspace, project_id, export_id, is_locked=True)
            project = project_of(session, workspace, project_id)
            check_fits(config_of(project), one)
            if found.status != COMPLETED:
                raise OptionInvalid("Export is not completed", field="export_type")
            same = [each for each in found.converted if is_same(each, one.name, dataset)]
            if any(each["status"] != FAILED for each in same):
                raise OptionInvalid(
                    f"Conversion to {one.name} already started", field="export_type"
                )
            made = new_conversion(found, one.name, dataset=dataset)
            kept = [each for each in found.converted if each not in same]
            found.converted = [*kept, made]
            wish = Wish(
                CONVERT_JOB,
                workspace,
                {"export": found.id, "conversion": made["id"]},
                title=f"Convert {found.title} to {one.title}",
            )
            self._jobs.enqueue_in(session, wish, actor=Actor(principal.name, address))
        self._jobs.dispatcher.wake()
        return made

    def remove(
        self,
        workspace: str,
        project_id: int,
        export_id: int,
        principal: Principal,
        address: str = "",
    ) -> None:
        """Remove a snapshot with its files. Raises NotFound."""
        with self._db.write() as session:
            found = export_of(session, workspace, project_id, export_id, is_locked=True)
            session.delete(found)
            actor = Actor(principal.name, address)
            self._audit.record(session, actor, "labels_snapshot_removed", found.title, workspace)
        self.shelf.remove(found.key)
        self.sweep()

    # --- sending

    def download(
        self,
        workspace: str,
        project_id: int,
        export_id: int,
        format_name: str = "",
        *,
        is_raw: bool = False,
    ) -> Outgoing:
        """A completed snapshot, its content checked before the first byte goes.

        Raises NotFound, FormatUnknown, SnapshotDamaged.
        """
        one = format_named(format_name or "JSON")
        with self._db.read() as session:
            project = project_of(session, workspace, project_id)
            found = export_of(session, workspace, project_id, export_id)
        if found.status != COMPLETED:
            raise NotFound("Export is not completed")
        name = file_name(project_id, found.created_at, one.ending, found.md5[:8])
        if one.name == "JSON":
            path = self.shelf.verified(found.key, found.sha256)
            return outgoing(name, one, stored.blocks(path))
        config = config_of(project)
        check_fits(config, one)
        for each in found.converted:
            is_it = is_same(each, one.name, "") and each["status"] == COMPLETED
            if is_it and each["is_raw"] == is_raw:
                path = self.shelf.verified(each["key"], each["sha256"])
                return outgoing(name, one, stored.blocks(path))
        path = self.shelf.verified(found.key, found.sha256)
        find = finder(self._db, self._home, workspace, self._folders)
        how = Writing(config, spools(self.shelf.folder), self._clock(), find, is_raw)
        return outgoing(name, one, written(one, how, stored.batches(path)))

    # --- what the jobs room calls

    def _resolve(self, session: Session, job: Job) -> dict[str, Any]:
        found, project = self._of_job(session, job)
        return self.order(session, found, project, job.params["conversion"])

    def order(
        self, session: Session, found: LabelExport, project: LabelProject, conversion: int | None
    ) -> dict[str, Any]:
        """What a worker is given to make a snapshot, or a conversion of one."""
        del session
        snapshot = None
        if found.status != COMPLETED:
            found.status, found.error = IN_PROGRESS, ""
            snapshot = {
                "project": project.id,
                "chosen": found.options,
                "total": project.task_count,
            }
        convert = None
        if conversion is not None:
            one = next((each for each in found.converted if each["id"] == conversion), None)
            if one is None:
                raise NotFound("The conversion was begun anew by another job.")
            change(found, conversion, status=IN_PROGRESS, error="")
            convert = {
                "key": one["key"],
                "format": one["export_type"],
                "is_raw": one["is_raw"],
            }
        return {
            "key": found.key,
            "database": self._db.url.render_as_string(hide_password=False),
            "folders": list(map(str, self._folders)),
            "sha256": found.sha256,
            "snapshot": snapshot,
            "config": project.label_config,
            "convert": convert,
        }

    def _keep(self, session: Session, job: Job, result: Mapping[str, Any]) -> Any:
        found = session.get(LabelExport, job.params["export"], with_for_update=True)
        if found is None:  # removed while it was written: the next sweep takes the files
            return {"removed": True}
        return self.keep(session, found, job.params["conversion"], result)

    def keep(
        self,
        session: Session,
        found: LabelExport,
        conversion: int | None,
        result: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Write down what a worker wrote."""
        now = self._clock()
        made = result.get("snapshot")
        if made is not None:
            found.status, found.error, found.finished_at = COMPLETED, "", now
            found.sha256, found.md5 = made["sha256"], made["md5"]
            found.size_bytes, found.counters = made["size_bytes"], made["counters"]
        if conversion is not None and result.get("convert") is not None:
            change(found, conversion, status=COMPLETED, **result["convert"])
        event.listen(session, "after_commit", self._tell)
        return {"export": found.id, "sha256": found.sha256, **found.counters}

    def _tell(self, session: Session) -> None:
        del session
        for tell in self.on_written:
            tell()

    def _note_failure(self, session: Session, job: Job) -> None:
        found = session.get(LabelExport, job.params["export"])
        if found is not None:
            self.fail(found, job.params["conversion"], job.error or f"The job was {job.state}.")

    def fail(self, found: LabelExport, conversion: int | None, error: str) -> None:
        """Mark what was not written as failed; a snapshot that is whole stays so."""
        if found.status != COMPLETED:
            found.status, found.error, found.finished_at = FAILED, error, self._clock()
        if conversion is not None:
            change(found, conversion, status=FAILED, error=error)

    def _of_job(self, session: Session, job: Job) -> tuple[LabelExport, LabelProject]:
        found = session.get(LabelExport, job.params["export"], with_for_update=True)
        project = session.get(LabelProject, found.project_id) if found is not None else None
        if found is None or project is None or project.workspace != job.workspace:
            raise NotFound("The snapshot was removed.")
        return found, project

    # --- upkeep

    def sweep(self) -> int:
        """Remove files that belong to no snapshot; how many."""
        with self._db.read() as session:
            keys = session.scalars(select(LabelExport.key)).all()
        return self.shelf.sweep(keys)
