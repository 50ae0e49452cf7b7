"""Duplicates and outliers of a collection, from a report that a job makes. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlpi.auth.audit import Actor, Audit
from mlpi.db import Database
from mlpi.errors import Invalid, NotFound
from mlpi.jobs.kinds import JobKind
from mlpi.jobs.models import Job, JobState
from mlpi.jobs.service import Jobs, Wish
from mlpi.vectors.maps.files import MapFiles
from mlpi.vectors.maps.service import newest_job
from mlpi.vectors.pairs.store import Facts, Group, Pair, Report
from mlpi.vectors.records import Collection, Condition, Record
from mlpi.vectors.selections import MOST_IDS
from mlpi.vectors.service import VectorsService

JOB = "vectors_pairs"
SAMPLES = (2_000, 10_000, 0)  # records; 0: all
PAGE = 20
_GROUPS, _EACH = 20, 6
_OUTLIERS = 20

PAIRS = JobKind(
    JOB,
    "mlpi.vectors.pairs.work:nearest",
    "Find nearest pairs",
    timeout_s=24 * 3600,
    memory_bytes=2**30,
)


@dataclass(frozen=True, slots=True)
class State:
    """What there is for a collection. job: the newest that was to make a report, if it matters."""

    facts: Facts | None
    is_stale: bool
    job: Job | None

    @property
    def is_live(self) -> bool:
        return self.job is not None and not self.job.is_final


@dataclass(frozen=True, slots=True)
class Found:
    """A page of pairs, groups of equal vectors, outliers; records: those of them that there are."""

    within: float
    total: int
    pairs: list[Pair]
    groups: list[Group]
    group_count: int
    outliers: list[Pair]
    records: Mapping[str, Record]


class Pairs:
    """Reports of nearest pairs."""

    def __init__(
        self, service: VectorsService, files: MapFiles, jobs: Jobs, db: Database, audit: Audit
    ) -> None:
        self._service = service
        self._files = files
        self._jobs = jobs
        self._db = db
        self._audit = audit

    def state(self, workspace: str, collection: Collection) -> State:
        facts = self._report(collection).facts()
        job = newest_job(self._jobs, workspace, JOB, collection=collection.id)
        if (
            job is not None
            and job.is_final
            and (
                job.state in (JobState.SUCCEEDED, JobState.CANCELLED)
                or (facts is not None and facts.at > job.created_at)
            )
        ):
            job = None
        is_stale = facts is not None and facts.sequence != collection.sequence
        return State(facts, is_stale, job)

    def found(self, workspace: str, collection: Collection, within: float, *, page: int) -> Found:
        """What the report says at a distance. Raises NotReady while records cannot be read."""
        report = self._report(collection)
        pairs = report.pairs(within, limit=PAGE, offset=(page - 1) * PAGE)
        groups = report.groups(_GROUPS, _EACH) if page == 1 else []
        outliers = report.outliers(_OUTLIERS) if page == 1 else []
        ids = {id_ for one in (*pairs, *outliers) for id_ in (one.one, one.other)}
        ids |= {group.ids[0] for group in groups}
        return Found(
            within=within,
            total=report.count(within),
            pairs=pairs,
            groups=groups,
            group_count=report.group_count(),
            outliers=outliers,
            records=self._records(workspace, collection, ids),
        )

    def group(self, collection: Collection, mark: str) -> list[str]:
        """The ids of records with one vector. Raises NotFound."""
        found = self._report(collection).members(mark, MOST_IDS)
        if not found:
            raise NotFound("This group is in the report no longer.")
        return found

    def start(self, workspace: str, collection: Collection, sample: int, *, actor: Actor) -> None:
        """Have a report made, unless one is being made. Raises Invalid."""
        if sample not in SAMPLES:
            raise Invalid(f"A sample of {sample} is not offered.", field="sample")
        if self.state(workspace, collection).is_live:
            return
        title = f"Nearest pairs of {collection.name}"
        wish = Wish(JOB, workspace, {"collection": collection.id, "sample": sample}, title)
        self._jobs.enqueue(wish, actor=actor)

    def cancel(self, workspace: str, collection: Collection, *, actor: Actor) -> None:
        """Stop making a report; nothing when that is over already."""
        job = self.state(workspace, collection).job
        if job is not None and not job.is_final:
            self._jobs.cancel(workspace, job.id, actor=actor)

    def remove(self, workspace: str, collection: Collection, id_: str, *, actor: Actor) -> None:
        """Delete one record, from the report too. Raises NotFound when it is gone already."""
        shelf, only = self._service.shelf(workspace), Condition(ids=[id_])
        was_there = bool(id_ and shelf.get(collection.id, only))  # deleting counts what was asked
        if was_there:
            shelf.delete(collection.id, only)
        self._report(collection).forget([id_])
        if not was_there:
            raise NotFound(f"There is no record {id_[:200]!r} any more.")
        with self._db.write() as session:
            target = f"{collection.name}: 1 record"
            self._audit.record(session, actor, "records_removed", target, workspace)

    def _report(self, collection: Collection) -> Report:
        return Report(self._files.pairs(collection.id))

    def _records(
        self, workspace: str, collection: Collection, ids: Iterable[str]
    ) -> dict[str, Record]:
        wanted = sorted(ids)
        if not wanted:
            return {}
        shelf = self._service.shelf(workspace)
        return {one.id: one for one in shelf.get(collection.id, Condition(ids=wanted))}
