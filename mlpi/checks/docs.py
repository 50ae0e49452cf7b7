"""Data Docs of single runs: built when somebody asks, by a worker, kept as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlpi.auth.audit import Actor
from mlpi.checks import store
from mlpi.db import Database, Session
from mlpi.errors import Invalid, NotFound
from mlpi.jobs.models import Job
from mlpi.jobs.service import Jobs, Wish
from mlpi.jobs.store import Filter

DOCS_JOB = "data-docs"


class DataDocs:
    """Great Expectations' own page of a run, for those who know it or hand it on."""

    def __init__(self, db: Database, jobs: Jobs, folder: Path) -> None:
        self._db = db
        self._jobs = jobs
        self._folder = folder

    def is_there(self, run_id: int) -> bool:
        return self._path(run_id).is_file()

    def job(self, workspace: str, run_id: int) -> Job | None:
        """The newest job that builds or built it."""
        found = self._jobs.page(workspace, Filter(kind=DOCS_JOB), limit=50)
        return next((job for job in found if job.params["run"] == run_id), None)

    def build(self, workspace: str, run_id: int, *, actor: Actor) -> Job:
        """Queue the job that builds it. Raises Invalid, NotFound."""
        with self._db.read() as session:
            self._result(session, workspace, run_id)
        title = f"Data Docs of run {run_id}"
        wish = Wish(DOCS_JOB, workspace, {"run": run_id}, title=title)
        return self._jobs.enqueue(wish, actor=actor)

    def page(self, workspace: str, run_id: int) -> str:
        """The HTML. Raises NotFound."""
        with self._db.read() as session:
            self._result(session, workspace, run_id)
        try:
            return self._path(run_id).read_text("utf-8")
        except FileNotFoundError:
            raise NotFound("The Data Docs of this run are not built.") from None

    def resolve(self, session: Session, job: Job) -> dict[str, Any]:
        """What the building worker is given."""
        run_id = int(job.params["run"])
        return {"run": run_id, "result": self._result(session, job.workspace, run_id)}

    def sweep(self) -> None:
        """Remove pages of runs that are gone."""
        pages = {int(path.stem): path for path in self._folder.glob("*.html")}
        if not pages:
            return
        with self._db.read() as session:
            known = store.known_validations(session, sorted(pages))
        for run_id in pages.keys() - known:
            pages[run_id].unlink(missing_ok=True)

    def _result(self, session: Session, workspace: str, run_id: int) -> dict[str, Any]:
        found = store.validation(session, workspace, run_id)
        if found is None:
            raise NotFound("There is no such run of a checkpoint in this workspace.")
        if found[0].result is None:
            raise Invalid("This run has no result.")
        return found[0].result

    def _path(self, run_id: int) -> Path:
        return self._folder / f"{int(run_id)}.html"
