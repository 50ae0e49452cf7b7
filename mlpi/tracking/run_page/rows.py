"""Rows of Parquet files: read by a worker, for the service imports no library of columns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from mlpi.auth.audit import Actor
from mlpi.db import Session
from mlpi.errors import Invalid, NotFound
from mlpi.jobs.kinds import JobKind
from mlpi.jobs.models import Job, JobState
from mlpi.jobs.service import Jobs, Wish
from mlpi.tracking.run_page.service import RunPage
from mlpi.tracking.run_page.tables import TablePage

ROWS_JOB = "artifact-rows"


@dataclass(frozen=True, slots=True)
class Reading:
    """Where reading some rows has come to. page: the rows, once they are there."""

    job: Job
    page: TablePage | None = None
    types: tuple[str, ...] = ()
    trouble: str = ""


class ParquetRows:
    """A job reads a hundred rows; its result is what the page shows."""

    def __init__(self, jobs: Jobs, runs: RunPage) -> None:
        self._jobs = jobs
        self._runs = runs

    def kind(self) -> JobKind:
        return JobKind(
            ROWS_JOB,
            "mlpi.tracking.run_page.work:parquet_rows",
            "Read rows of a Parquet file",
            # The family of those who read tables: their fork server has DuckDB loaded.
            family="tables",
            preload=("duckdb", "mlpi.checks.work"),
            timeout_s=120,
            memory_bytes=1_500_000_000,
            max_attempts=1,
            resolve=self._resolve,
        )

    def ask(
        self, workspace: str, run_id: str, model: str, path: str, start: int, *, actor: Actor
    ) -> Job:
        """The job that reads rows of a file as it is now; one that has done so is not run again.

        Raises NotFound, Invalid when the file does not lie on this machine.
        """
        local = self._runs.files(workspace, run_id, model).local(path)
        if local is None:
            raise Invalid("Only Parquet files on this machine can be looked into.")
        found = local.stat()
        seen = f"{run_id}|{model}|{path}|{start}|{found.st_size}|{found.st_mtime_ns}"
        wish = Wish(
            ROWS_JOB,
            workspace,
            {"run": run_id, "model": model, "path": path, "start": start},
            title=f"Rows of {path}",
            idempotency_key=f"rows-{hashlib.sha256(seen.encode()).hexdigest()[:40]}",
        )
        job = self._jobs.enqueue(wish, actor=actor)
        if job.is_final and job.state != JobState.SUCCEEDED:
            return self._jobs.retry(workspace, job.id, actor=actor)
        return job

    def reading(self, workspace: str, job_id: int, run_id: str, path: str) -> Reading | None:
        """Where a job of this file has come to; None when there is no such job."""
        try:
            job = self._jobs.get(workspace, job_id)
        except NotFound:
            return None
        asked = (job.kind, job.params.get("run"), job.params.get("path"))
        if asked != (ROWS_JOB, run_id, path):
            return None
        result: dict[str, Any] = job.result or {}
        if result.get("trouble"):
            return Reading(job, trouble=str(result["trouble"]))
        if job.state != JobState.SUCCEEDED:
            return Reading(job, trouble=(job.error or "It was ended.") if job.is_final else "")
        return Reading(
            job,
            TablePage(
                result["columns"],
                result["rows"],
                result["start"] + 1,
                total_rows=result["row_count"],
                hidden_columns=result["hidden_columns"],
            ),
            tuple(result["types"]),
        )

    def _resolve(self, session: Session, job: Job) -> dict[str, Any]:
        del session
        wanted = job.params
        files = self._runs.files(job.workspace, wanted["run"], wanted["model"])
        return {"file": str(files.local(wanted["path"])), "start": wanted["start"]}
