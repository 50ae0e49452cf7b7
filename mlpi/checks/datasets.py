"""Datasets: what they are, their versions by content, and how a worker reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlpi.auth.audit import Actor, Audit
from mlpi.checks import options, store
from mlpi.checks.files import Roots, format_of
from mlpi.checks.lookups import find_dataset, find_version
from mlpi.checks.models import Dataset, DatasetKind, DatasetVersion, VersionState
from mlpi.checks.names import checked_name
from mlpi.checks.source import SQL
from mlpi.checks.sources import Sources
from mlpi.checks.versions import PROFILE_JOB, Versions
from mlpi.clock import Clock
from mlpi.db import Database, IntegrityError, Session
from mlpi.errors import Conflict, Invalid, NotFound
from mlpi.jobs.models import Job
from mlpi.jobs.service import Jobs
from mlpi.jobs.store import Filter
from mlpi.uploads import Arrived

PURPOSE = "dataset"  # of uploads


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """A dataset with what a list shows of it."""

    dataset: Dataset
    newest: DatasetVersion | None
    version_count: int


class Datasets:
    """The workspace's tables. Every change leaves a row in the audit trail."""

    def __init__(
        self,
        db: Database,
        audit: Audit,
        clock: Clock,
        jobs: Jobs,
        sources: Sources,
        versions: Versions,
    ) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._jobs = jobs
        self._sources = sources
        self._versions = versions

    @property
    def roots(self) -> Roots:
        """Folders of the server that may be read."""
        return self._sources.roots

    # --- looking

    def page(self, workspace: str) -> list[DatasetRow]:
        """All datasets of a workspace by name."""
        with self._db.read() as session:
            found = store.datasets(session, workspace)
            ids = [one.id for one in found]
            newest, counts = store.newest_versions(session, ids), store.version_counts(session, ids)
        return [DatasetRow(one, newest.get(one.id), counts.get(one.id, 0)) for one in found]

    def get(self, workspace: str, key: int | str) -> Dataset:
        """A dataset by id or name. Raises NotFound."""
        with self._db.read() as session:
            return find_dataset(session, workspace, key)

    def versions(self, dataset: Dataset) -> Sequence[DatasetVersion]:
        """Newest first, without profiles."""
        with self._db.read() as session:
            return store.versions(session, dataset.id)

    def version(self, workspace: str, version_id: int) -> tuple[Dataset, DatasetVersion]:
        """A version with its profile and preview. Raises NotFound."""
        with self._db.read() as session:
            found = store.version(session, workspace, version_id)
        if found is None:
            raise NotFound("There is no such version of a dataset in this workspace.")
        return found

    def numbered(self, workspace: str, dataset: Dataset, number: int | None) -> DatasetVersion:
        """A version by its number, or the newest. Raises NotFound."""
        with self._db.read() as session:
            found = find_version(session, dataset, number)
        return self.version(workspace, found.id)[1]

    def ready_versions(self, workspace: str) -> list[tuple[Dataset, DatasetVersion]]:
        """All versions that have a profile."""
        with self._db.read() as session:
            return store.ready_versions(session, workspace)

    def size_bytes(self, workspace: str) -> int:
        """What the stored files take on disk."""
        with self._db.read() as session:
            return store.size_bytes(session, workspace)

    def profiling_job(
        self, workspace: str, dataset: Dataset, version: DatasetVersion | None
    ) -> Job | None:
        """The job that reads a version, or that looks for the first one."""
        if version is not None and version.job_id is not None:
            try:
                return self._jobs.get(workspace, version.job_id)
            except NotFound:
                return None
        found = self._jobs.page(workspace, Filter(kind=PROFILE_JOB), limit=50)
        return next((job for job in found if job.params["dataset_id"] == dataset.id), None)

    # --- adding

    def check_name(self, workspace: str, name: str) -> str:
        """A name that a dataset of files has or may get. Raises Invalid, Conflict."""
        name = checked_name(name, "a dataset")
        with self._db.read() as session:
            known = store.dataset(session, workspace, name)
        if known is not None and known.kind != DatasetKind.FILE:
            raise Conflict(f"{name!r} is no dataset of files.", field="name")
        return name

    def add_file(
        self,
        workspace: str,
        name: str,
        file_name: str,
        arrived: Arrived,
        *,
        actor: Actor,
        reading: Mapping[str, Any] | None = None,
        origin: Mapping[str, Any] | None = None,
    ) -> DatasetVersion:
        """Take a file as the next version of a dataset, which is made if it is new.

        The same content again is the version it was. Raises Invalid, Conflict.
        """
        name = checked_name(name, "a dataset")
        kind = format_of(file_name)
        reading = options.checked(reading or {})
        # Held until the version is written: a removal meanwhile would find the content unused.
        with self._sources.files.lock:
            self._sources.files.keep(workspace, arrived)
            try:
                with self._db.write() as session:
                    dataset = store.dataset(session, workspace, name)
                    if dataset is None:
                        dataset = self._add(
                            session, workspace, name, DatasetKind.FILE, reading, {}, actor=actor
                        )
                    elif dataset.kind != DatasetKind.FILE:
                        raise Conflict(f"{name!r} is no dataset of files.", field="name")
                    elif reading:
                        dataset.options = reading
                    version = self._versions.note(
                        session,
                        dataset,
                        arrived.sha256,
                        arrived.size_bytes,
                        file_name=file_name,
                        kind=kind,
                        origin=dict(origin or {"by": "upload"}),
                        actor=actor,
                    )
            except BaseException:
                self._drop_unused(workspace, {arrived.sha256})
                raise
        self._jobs.dispatcher.wake()
        return version

    def add_path(
        self,
        workspace: str,
        name: str,
        pattern: str,
        *,
        actor: Actor,
        reading: Mapping[str, Any] | None = None,
    ) -> Dataset:
        """A dataset of a file, or the newest of a pattern, that stays where it is.

        Raises Invalid, NotFound, Conflict.
        """
        name = checked_name(name, "a dataset")
        reading = options.checked(reading or {})
        format_of(self._sources.roots.newest(pattern).name)
        try:
            with self._db.write() as session:
                place = {"pattern": pattern.strip()}
                dataset = self._add(
                    session, workspace, name, DatasetKind.PATH, reading, place, actor=actor
                )
                self._versions.enqueue_profile(session, dataset, None, actor)
        except IntegrityError:
            raise _taken(name) from None
        self._jobs.dispatcher.wake()
        return dataset

    def add_sql(
        self,
        workspace: str,
        name: str,
        url: str,
        *,
        table: str = "",
        query: str = "",
        actor: Actor,
    ) -> Dataset:
        """A dataset of another database's table or query. Raises Invalid, Conflict."""
        name = checked_name(name, "a dataset")
        shown = self._sources.checked_url(url)
        table, query = table.strip(), query.strip().rstrip(";").strip()
        if bool(table) == bool(query):
            raise Invalid("Name a table or write a query, one of the two.", field="table")
        try:
            with self._db.write() as session:
                dataset = self._add(
                    session,
                    workspace,
                    name,
                    DatasetKind.SQL,
                    {},
                    {"url": shown, "table": table, "query": query},
                    sealed_url=self._sources.vault.seal(url.strip()),
                    actor=actor,
                )
                version = DatasetVersion(
                    dataset_id=dataset.id,
                    number=1,
                    sha256="",
                    format=SQL,
                    origin={"by": "sql"},
                    columns=[],
                    actor=actor.name,
                    state=VersionState.PROFILING,
                )
                store.put(session, version, at=self._clock())
                self._versions.enqueue_profile(session, dataset, version, actor)
        except IntegrityError:
            raise _taken(name) from None
        self._jobs.dispatcher.wake()
        return dataset

    def refresh(self, workspace: str, dataset_id: int, *, actor: Actor) -> int:
        """Look at a dataset anew: the id of the job that does. Raises NotFound."""
        with self._db.write() as session:
            dataset = find_dataset(session, workspace, dataset_id)
            version = store.numbered(session, dataset.id, None)
            if version is None and dataset.kind == DatasetKind.FILE:
                raise NotFound(f"{dataset.name!r} has no version to look at.")
            job = self._versions.enqueue_profile(
                session, dataset, None if dataset.kind == DatasetKind.PATH else version, actor
            )
        self._jobs.dispatcher.wake()
        return job.id

    # --- changing

    def describe(
        self,
        workspace: str,
        dataset_id: int,
        *,
        description: str,
        reading: Mapping[str, Any] | None = None,
        actor: Actor,
    ) -> None:
        """Set the description, and how its files are read, which looks at the newest anew."""
        if len(description) > 500:
            raise Invalid("A description has at most 500 characters.", field="description")
        with self._db.write() as session:
            dataset = find_dataset(session, workspace, dataset_id)
            dataset.description = " ".join(description.split())
            if reading is not None and (chosen := options.checked(reading)) != dataset.options:
                dataset.options = chosen
                newest = store.numbered(session, dataset.id, None)
                if newest is not None:
                    self._versions.enqueue_profile(session, dataset, newest, actor)
            self._audit.record(session, actor, "dataset_changed", dataset.name, workspace)
        self._jobs.dispatcher.wake()

    def remove(self, workspace: str, dataset_id: int, *, actor: Actor) -> None:
        """Remove a dataset with its versions and stored files. Raises NotFound, Conflict."""
        with self._db.write() as session:
            dataset = find_dataset(session, workspace, dataset_id)
            used = store.checkpoints_of_dataset(session, dataset.id)
            if used:
                names = ", ".join(repr(one.name) for one in used[:5])
                raise Conflict(
                    f"{dataset.name!r} is checked by {names}.",
                    advice="Remove or change the checkpoints first.",
                )
            hashes = {one.sha256 for one in store.versions(session, dataset.id, limit=10**6)}
            session.delete(dataset)
            self._audit.record(session, actor, "dataset_removed", dataset.name, workspace)
        self._drop_files(workspace, hashes)

    def remove_version(self, workspace: str, version_id: int, *, actor: Actor) -> Dataset:
        """Remove one version; its reports stay. Raises NotFound."""
        with self._db.write() as session:
            found = store.version(session, workspace, version_id)
            if found is None:
                raise NotFound("There is no such version of a dataset in this workspace.")
            dataset, version = found
            session.delete(version)
            what = f"{dataset.name} version {version.number}"
            self._audit.record(session, actor, "dataset_version_removed", what, workspace)
        self._drop_files(workspace, {version.sha256})
        return dataset

    # --- inside

    def _add(
        self,
        session: Session,
        workspace: str,
        name: str,
        kind: DatasetKind,
        reading: dict[str, Any],
        location: dict[str, Any],
        *,
        actor: Actor,
        sealed_url: str = "",
    ) -> Dataset:
        dataset = Dataset(
            workspace=workspace,
            name=name,
            kind=kind,
            description="",
            options=reading,
            location=location,
            sealed_url=sealed_url,
            actor=actor.name,
        )
        store.put(session, dataset, at=self._clock())
        self._audit.record(session, actor, "dataset_added", name, workspace)
        return dataset

    def _drop_files(self, workspace: str, hashes: set[str]) -> None:
        """Remove contents that no version has any more; after the commit, so that none is lost."""
        with self._sources.files.lock:
            self._drop_unused(workspace, hashes)

    def _drop_unused(self, workspace: str, hashes: set[str]) -> None:
        with self._db.read() as session:
            unused = [
                one for one in hashes if one and not store.is_content_used(session, workspace, one)
            ]
        for sha256 in unused:
            self._sources.files.remove(workspace, sha256)


def _taken(name: str) -> Conflict:
    return Conflict(f"There is already a dataset {name!r}.", field="name")
