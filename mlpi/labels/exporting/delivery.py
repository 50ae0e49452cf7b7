"""Snapshots that become versions of datasets in the checks room, by hand or on a schedule.

A job writes the snapshot and the table; when its result is committed, a thread of the service puts
the table on the shelf. What was written and not yet put there is found at the next start, and the
same table twice is one version, so that none is lost and none comes twice.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select

from mlpi.auth.audit import Actor
from mlpi.auth.models import User
from mlpi.auth.roles import Principal
from mlpi.component import DatasetShelf
from mlpi.db import Database, Session
from mlpi.errors import Invalid, MlpiError
from mlpi.jobs.kinds import JobKind
from mlpi.jobs.models import Job
from mlpi.labels.exporting.chosen import Chosen
from mlpi.labels.exporting.records import COMPLETED, Conversion, change
from mlpi.labels.exporting.service import file_name
from mlpi.labels.exporting.snapshots import HOURS_S, Snapshots
from mlpi.labels.models import LabelExport, LabelProject
from mlpi.labels.projects import project_of
from mlpi.uploads import Arrived

log = logging.getLogger(__name__)

DATASET_JOB = "labels-dataset"
TABLES = ("CSV", "PARQUET")
KEPT = 10  # snapshots that a schedule leaves, of each dataset


class Delivery:
    """Puts tables of snapshots where they are checked."""

    def __init__(self, db: Database, snapshots: Snapshots, shelf: DatasetShelf) -> None:
        self._db, self._snapshots, self._shelf = db, snapshots, shelf
        self._wake, self._ends = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        snapshots.on_written.append(self._wake.set)
        self.kind = JobKind(
            DATASET_JOB,
            "mlpi.labels.exporting.work:make",
            "Labels into a dataset",
            timeout_s=HOURS_S,
            check=checked,
            resolve=self._resolve,
            on_success=self._keep,
            on_failure=self._note_failure,
        )

    # --- by hand

    def begin(
        self,
        workspace: str,
        project_id: int,
        dataset: str,
        table: str,
        chosen: Chosen,
        principal: Principal,
        address: str = "",
    ) -> LabelExport:
        """Make a snapshot whose table becomes a dataset's next version.

        Raises NotFound, Invalid, Conflict.
        """
        name = self.checked_dataset(workspace, dataset, table)
        return self._snapshots.create(
            workspace, project_id, "", chosen, principal, address, convert=table, dataset=name
        )

    def send(
        self,
        workspace: str,
        project_id: int,
        export_id: int,
        dataset: str,
        table: str,
        principal: Principal,
        address: str = "",
    ) -> None:
        """Make a table of a snapshot that is there a dataset's next version.

        Raises NotFound, Invalid, Conflict, OptionInvalid.
        """
        name = self.checked_dataset(workspace, dataset, table)
        self._snapshots.convert(
            workspace, project_id, export_id, table, principal, address, dataset=name
        )

    def checked_dataset(self, workspace: str, dataset: str, table: str) -> str:
        """The dataset's name as it is kept. Raises Invalid, Conflict."""
        if table not in TABLES:
            raise Invalid(
                f"{table[:40]!r} is no table.", advice=f"Use {' or '.join(TABLES)}.", field="format"
            )
        return self._shelf.check_dataset(workspace, dataset)

    # --- on a schedule: what the jobs room calls

    def _resolve(self, session: Session, job: Job) -> dict[str, Any]:
        """The snapshot's row, once for all attempts of a job, and what the worker is given."""
        project = project_of(session, job.workspace, job.params["project"])
        dataset = self.checked_dataset(job.workspace, job.params["dataset"], job.params["format"])
        found = self._of_job(session, job)
        if found is None:
            who = session.scalar(select(User.id).where(User.name == job.actor))
            chosen = Chosen(finished="only") if job.params["is_finished_only"] else Chosen()
            found = self._snapshots.add(
                session,
                project,
                "",
                chosen,
                (who or project.created_by_id, job.actor),
                convert=job.params["format"],
                dataset=dataset,
            )
            found.job_id = job.id
        return self._snapshots.order(session, found, project, found.converted[0]["id"])

    def _keep(self, session: Session, job: Job, result: Mapping[str, Any]) -> Any:
        found = self._of_job(session, job)
        if found is None:
            return {"removed": True}
        return self._snapshots.keep(session, found, found.converted[0]["id"], result)

    def _note_failure(self, session: Session, job: Job) -> None:
        found = self._of_job(session, job)
        if found is not None:
            error = job.error or f"The job was {job.state}."
            self._snapshots.fail(found, found.converted[0]["id"], error)

    def _of_job(self, session: Session, job: Job) -> LabelExport | None:
        return session.scalar(select(LabelExport).where(LabelExport.job_id == job.id))

    # --- the thread that puts tables on the shelf

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="label-datasets", daemon=True)
        self._wake.set()
        self._thread.start()

    def stop(self) -> None:
        """Ends after the table that it is at."""
        self._ends.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._ends.is_set():
            self._wake.wait()
            self._wake.clear()
            if self._ends.is_set():
                return
            try:
                self.deliver()
            except Exception:
                log.exception("labels not delivered", extra={"action": "labels_not_delivered"})

    def deliver(self) -> int:
        """Put every table that waits on the shelf; how many. What is refused says so in its row."""
        count = 0
        for found, project, one in self._waiting():
            fields: dict[str, Any]
            try:
                fields = {"shelved": self._shelve(found, project, one)}
                count += 1
            except (MlpiError, OSError) as error:
                words = error.line() if isinstance(error, MlpiError) else str(error)
                fields = {"status": "failed", "error": words}
            with self._db.write() as session:
                row = session.get(LabelExport, found.id, with_for_update=True)
                if row is not None:
                    change(row, one["id"], **fields)
            self._prune(found, one["dataset"])
        return count

    def _waiting(self) -> Iterator[tuple[LabelExport, LabelProject, Conversion]]:
        with self._db.read() as session:
            rows = session.execute(
                select(LabelExport, LabelProject)
                .join(LabelProject, LabelProject.id == LabelExport.project_id)
                .where(LabelExport.status == COMPLETED)
                .order_by(LabelExport.id)
            ).all()
        for found, project in rows:
            for one in found.converted:
                if one["dataset"] and one["status"] == COMPLETED and one["shelved"] is None:
                    yield found, project, one

    def _shelve(self, found: LabelExport, project: LabelProject, one: Conversion) -> dict[str, Any]:
        shelf = self._snapshots.shelf
        path = shelf.verified(one["key"], one["sha256"])
        copy = shelf.path(f"{one['key']}.shelf")
        copy.unlink(missing_ok=True)
        try:
            os.link(path, copy)
        except OSError:  # a file system without links
            shutil.copyfile(path, copy)
        ending = "csv" if one["export_type"] == "CSV" else "parquet"
        origin = {
            "by": "labels",
            "project": project.id,
            "snapshot": found.id,
            "sha256": found.sha256,
            **found.counters,
            "title": f"{project.title}: snapshot {found.id} of "
            f"{found.counters['annotation_number']:,} annotations",
            "href": f"/labels/{project.id}/export",
        }
        try:
            made = self._shelf.shelve(
                project.workspace,
                one["dataset"],
                file_name(project.id, found.created_at, ending, found.md5[:8]),
                Arrived(copy, one["sha256"], one["size_bytes"]),
                actor=Actor(found.created_by_name, f"labels snapshot {found.id}"),
                origin=origin,
            )
        finally:
            copy.unlink(missing_ok=True)
        return {"dataset": made.dataset, "number": made.number, "href": made.href}

    def _prune(self, found: LabelExport, dataset: str) -> None:
        """Remove the oldest snapshots that schedules made for a dataset."""
        asked = (
            select(LabelExport)
            .join(Job, Job.id == LabelExport.job_id)
            .where(
                LabelExport.project_id == found.project_id,
                LabelExport.status == COMPLETED,
                Job.kind == DATASET_JOB,
            )
            .order_by(LabelExport.id.desc())
        )
        with self._db.read() as session:
            mine = [
                one
                for one in session.scalars(asked)
                if any(each["dataset"] == dataset and each["shelved"] for each in one.converted)
            ]
        for one in mine[KEPT:]:
            with self._db.write() as session:
                row = session.get(LabelExport, one.id)
                if row is not None:
                    session.delete(row)
            self._snapshots.shelf.remove(one.key)


def checked(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a job or schedule: project, dataset, format, is_finished_only.

    Raises Invalid.
    """
    project = params.get("project")
    if isinstance(project, bool) or not str(project).isdecimal():
        raise Invalid("project must be a labeling project's number.", field="params")
    dataset = params.get("dataset")
    if not isinstance(dataset, str) or not dataset.strip():
        raise Invalid("dataset must be the name of a dataset.", field="params")
    table = params.get("format", TABLES[0])
    if table not in TABLES:
        raise Invalid(f"format must be {' or '.join(TABLES)}.", field="params")
    only = params.get("is_finished_only", False)
    if not isinstance(only, bool):
        raise Invalid("is_finished_only must be true or false.", field="params")
    return {
        "project": int(str(project)),
        "dataset": " ".join(dataset.split()),
        "format": table,
        "is_finished_only": only,
    }
