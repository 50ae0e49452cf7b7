"""Versions of datasets: noted by their content, profiled by workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlpi.auth.audit import Actor, Audit
from mlpi.checks import store
from mlpi.checks.files import format_of
from mlpi.checks.lookups import find_dataset
from mlpi.checks.models import Dataset, DatasetKind, DatasetVersion, VersionState
from mlpi.checks.sources import Sources
from mlpi.clock import Clock
from mlpi.db import Session
from mlpi.errors import NotFound
from mlpi.jobs.models import Job
from mlpi.jobs.service import Jobs, Wish

PROFILE_JOB = "dataset-profile"
# Called in the transaction that adds a version.
OnVersion = Callable[[Session, Dataset, DatasetVersion, Actor], None]


class Versions:
    """Writes versions down in the caller's transaction, and keeps what workers find in them."""

    def __init__(
        self, audit: Audit, clock: Clock, jobs: Jobs, sources: Sources, *, memory_bytes: int
    ) -> None:
        self._audit = audit
        self._clock = clock
        self._jobs = jobs
        self._sources = sources
        self.memory_bytes = memory_bytes
        self.on_version: list[OnVersion] = []

    def note(
        self,
        session: Session,
        dataset: Dataset,
        sha256: str,
        size_bytes: int,
        *,
        file_name: str,
        kind: str,
        origin: dict[str, Any],
        actor: Actor,
        path: str = "",
        profiles: bool = True,
    ) -> DatasetVersion:
        known = store.by_hash(session, dataset.id, sha256)
        if known is not None:
            return known
        version = DatasetVersion(
            dataset_id=dataset.id,
            number=store.next_number(session, dataset.id),
            sha256=sha256,
            size_bytes=size_bytes,
            file_name=file_name[:255],
            format=kind,
            path=path,
            origin=origin,
            columns=[],
            actor=actor.name,
            state=VersionState.PROFILING,
        )
        store.put(session, version, at=self._clock())
        what = f"{dataset.name} version {version.number}"
        self._audit.record(session, actor, "dataset_version_added", what, dataset.workspace)
        if profiles:
            self.enqueue_profile(session, dataset, version, actor)
        for tell in self.on_version:
            tell(session, dataset, version, actor)
        return version

    def enqueue_profile(
        self, session: Session, dataset: Dataset, version: DatasetVersion | None, actor: Actor
    ) -> Job:
        number = f" version {version.number}" if version and dataset.kind != DatasetKind.SQL else ""
        wish = Wish(
            PROFILE_JOB,
            dataset.workspace,
            {"dataset_id": dataset.id, "version_id": version.id if version else None},
            title=f"Profile {dataset.name}{number}",
        )
        job = self._jobs.enqueue_in(session, wish, actor=actor)
        if version is not None:
            version.state = VersionState.PROFILING
            version.job_id = job.id
        return job

    # --- what the jobs room calls

    def resolve_profile(self, session: Session, job: Job) -> dict[str, Any]:
        """What the profiling worker is given."""
        dataset = find_dataset(session, job.workspace, int(job.params["dataset_id"]))
        version_id = job.params["version_id"]
        version = session.get(DatasetVersion, version_id) if version_id else None
        if version_id and version is None:
            raise NotFound("The version was removed.")
        source = self._sources.of(session, dataset, version)
        wants_hash = dataset.kind == DatasetKind.PATH
        return {
            "source": source.as_params(),
            "wants_hash": wants_hash,
            "memory_bytes": self.memory_bytes,
        }

    def keep_profile(self, session: Session, job: Job, result: Mapping[str, Any]) -> Any:
        """Store what the worker found; a file in place that is new becomes a version."""
        dataset = find_dataset(session, job.workspace, int(job.params["dataset_id"]))
        version_id = job.params["version_id"]
        if dataset.kind == DatasetKind.PATH:
            version: DatasetVersion | None = self.note_file(
                session, dataset, result["file"], actor=Actor(job.actor), profiles=False
            )
        else:
            version = session.get(DatasetVersion, version_id)
        if version is None:
            return {"removed": True}
        profile = result["profile"]
        version.state = VersionState.READY
        version.error = ""
        version.job_id = job.id
        version.row_count = profile["row_count"]
        version.columns = [[column["name"], column["type"]] for column in profile["columns"]]
        version.profile = profile
        version.preview = result["preview"]
        version.profiled_at = self._clock()
        return {"dataset": dataset.name, "version": version.number, "rows": version.row_count}

    def note_profile_failure(self, session: Session, job: Job) -> None:
        """A version that could not be read says why."""
        version = session.get(DatasetVersion, job.params["version_id"] or 0)
        if version is not None:
            version.state = VersionState.FAILED
            version.error = job.error or f"The job was {job.state}."

    def note_file(
        self,
        session: Session,
        dataset: Dataset,
        file: Mapping[str, Any],
        *,
        actor: Actor,
        profiles: bool = True,
    ) -> DatasetVersion:
        """The version that a file in place is, by its hash; a new one if it was not seen yet.

        file: {"path", "sha256", "size_bytes"}. The wish to profile it is in the same transaction.
        """
        path = str(file["path"])
        return self.note(
            session,
            dataset,
            str(file["sha256"]),
            int(file["size_bytes"]),
            file_name=path.rsplit("/", 1)[-1],
            kind=format_of(path),
            path=path,
            origin={"by": "path"},
            actor=actor,
            profiles=profiles,
        )
