"""What imports, exports and copies decide; knows no HTTP. Its calls block."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from mlpi.auth.audit import Actor, Audit
from mlpi.db import Session
from mlpi.errors import Conflict, Invalid, NotFound, NotReady
from mlpi.jobs.kinds import JobKind
from mlpi.jobs.models import Job, JobState
from mlpi.jobs.service import Jobs, Wish
from mlpi.jobs.store import Filter
from mlpi.uploads import Arrived
from mlpi.vectors.embedders.choice import NONE, EmbedderUnusable, read_value
from mlpi.vectors.records import SPACES, Collection, Condition
from mlpi.vectors.service import VectorsService
from mlpi.vectors.transfer.formats import FORMATS, STREAMED, format_of
from mlpi.vectors.transfer.incoming import Arrival, Incoming, new_id
from mlpi.vectors.transfer.looking import Column, Look, look
from mlpi.vectors.transfer.outgoing import Outgoing
from mlpi.vectors.transfer.plan import read_plan
from mlpi.vectors.transfer.reading import Reading
from mlpi.vectors.transfer.writing import written

IMPORT_JOB, EXPORT_JOB, COPY_JOB = "vectors-import", "vectors-export", "vectors-copy"
PURPOSE = "vectors"  # of uploads
JOBS = (IMPORT_JOB, EXPORT_JOB, COPY_JOB)
ACTIVE = (JobState.QUEUED, JobState.LEASED, JobState.RUNNING)
DAY_S = 24 * 3600
LOOKED_AT = 100  # newest jobs of each kind, among which those of one collection are looked for
MOST_SHOWN = 5
# Settings of an index that a new collection may be made with.
_TUNED = (
    *("ef_construction", "ef_search", "max_neighbors", "num_threads"),
    *("batch_size", "sync_threshold", "resize_factor"),
)
# Keys of the metadata by which old clients set the index: the copy has that from its settings.
_OLD_SETTINGS = "hnsw:"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that waits to be imported. collection: into which; None for one to be made."""

    arrival: Arrival
    look: Look
    collection: Collection | None
    job: Job | None

    @property
    def is_running(self) -> bool:
        return self.job is not None and not self.job.is_final

    @property
    def mapping(self) -> Mapping[str, Any]:
        """As it was imported last, or as it is proposed."""
        return self.job.params["plan"] if self.job else self.look.proposal


class Transfers:
    """Files into collections, collections into files and into other collections."""

    def __init__(
        self,
        vectors: VectorsService,
        jobs: Jobs,
        audit: Audit,
        home: Path,
    ) -> None:
        self._vectors = vectors
        self._jobs = jobs
        self._audit = audit
        self._embedders = vectors.embedders
        self._incoming = Incoming(home)
        self._outgoing = Outgoing(home)
        work = "mlpi.vectors.transfer.work"
        self.kinds = (
            JobKind(
                IMPORT_JOB,
                f"{work}:bring",
                "Import records",
                timeout_s=DAY_S,
                max_attempts=5,
                resolve=self._resolve_import,
                on_success=self._keep_import,
            ),
            JobKind(EXPORT_JOB, f"{work}:send", "Export records", timeout_s=DAY_S),
            JobKind(
                COPY_JOB,
                f"{work}:duplicate",
                "Duplicate a collection",
                timeout_s=DAY_S,
                max_attempts=5,
                resolve=self._resolve_copy,
                on_success=self._keep_copy,
            ),
        )

    # --- imports ------------------------------------------------------------------------------

    def check_name(self, file_name: str) -> None:
        """Raises Invalid for a file of no known format."""
        format_of(file_name)

    def keep(
        self,
        workspace: str,
        file_name: str,
        arrived: Arrived,
        *,
        collection_id: str = "",
        name: str = "",
        space: str = "",
    ) -> Arrival:
        """Take an uploaded file over and look into it. Raises Invalid, NotFound."""
        kind = format_of(file_name)
        if collection_id:
            self._vectors.store.one(workspace, collection_id)
        seen = look(arrived.path, kind, f"{Path(file_name).stem[:60]}-")
        arrival = Arrival(
            id=new_id(),
            workspace=workspace,
            file_name=file_name,
            size_bytes=arrived.size_bytes,
            format=kind,
            collection_id=collection_id,
            name=name.strip(),
            space=space if space in SPACES else SPACES[0],
            look=asdict(seen),
        )
        self._incoming.keep(arrived.path, arrival)
        return arrival

    def waiting(self, workspace: str, import_id: str) -> Waiting:
        """A file that waits, or is being imported. Raises NotFound."""
        arrival = self._incoming.get(workspace, import_id)
        given = dict(arrival.look)
        shown = [Column(**one) for one in given.pop("shown")]
        job = self._job_of(workspace, import_id)
        if not self._incoming.has_file(arrival):
            raise NotFound("This file was imported, and is gone.", advice="Upload it again.")
        collection = None
        if arrival.collection_id:
            collection = self._vectors.store.one(workspace, arrival.collection_id)
        elif job is not None:
            with suppress(NotFound):  # the one that was made for it is gone again
                collection = self._vectors.store.one(workspace, job.params["collection"])
        return Waiting(arrival, Look(shown=shown, **given), collection, job)

    def begin(
        self,
        workspace: str,
        import_id: str,
        mapping: Mapping[str, Any] | None = None,
        *,
        skips_bad: bool = False,
        into: str = "",
        name: str = "",
        space: str = "",
        embedder: str = NONE,
        actor: Actor,
    ) -> Job:
        """Import a file that waits. mapping: see plan.read_plan; None takes what is proposed.

        into: a collection's id, where the file was not uploaded for one; without either, name,
        space and embedder are of the one that is made. Raises Invalid, Conflict, NotFound.
        """
        found = self.waiting(workspace, import_id)
        if found.is_running:
            raise Conflict("This file is being imported.", advice="Stop that job first.")
        plan = read_plan(found.mapping if mapping is None else mapping, found.look.columns)
        collection_id = found.collection.id if found.collection else into
        if into and collection_id != into:
            raise Invalid("This file was uploaded for another collection.", field="upload")
        if plan.vector is None:
            self._recipe(workspace, collection_id, embedder)
        if not collection_id:
            collection_id = self._vectors.create(
                workspace, name, space or SPACES[0], embedder=embedder, actor=actor
            )
        plain = plan.plain()
        key = hashlib.sha256(f"{collection_id} {json.dumps(plain)}".encode()).hexdigest()[:16]
        wish = Wish(
            IMPORT_JOB,
            workspace,
            {
                "import": import_id,
                "collection": collection_id,
                "file": found.arrival.file_name,
                "plan": plain,
                "key": key,
                "skips_bad": skips_bad,
            },
            title=f"Import {found.arrival.file_name}",
        )
        return self._jobs.enqueue(wish, actor=actor)

    def forget(self, workspace: str, import_id: str) -> Arrival:
        """Remove a file that waits. Raises NotFound, Conflict while it is being imported."""
        arrival = self._incoming.get(workspace, import_id)
        job = self._job_of(workspace, import_id)
        if job is not None and not job.is_final:
            raise Conflict("This file is being imported.", advice="Stop that job first.")
        self._incoming.forget(import_id)
        return arrival

    def uploaded(self, workspace: str, collection_id: str = "") -> Sequence[Arrival]:
        """Files that wait for a collection and that no job is at; "": for one to be made."""
        return [
            one
            for one in self._incoming.of(workspace, collection_id)
            if self._job_of(workspace, one.id) is None
        ]

    def _job_of(self, workspace: str, import_id: str) -> Job | None:
        found = self._jobs.page(workspace, Filter(kind=IMPORT_JOB), limit=LOOKED_AT)
        return next((one for one in found if one.params.get("import") == import_id), None)

    def _resolve_import(self, session: Session, job: Job) -> dict[str, Any]:
        del session
        if job.params["plan"]["vector"] is not None:
            return dict(job.params)
        recipe = self._recipe(job.workspace, job.params["collection"])
        return {**job.params, "embedder": recipe}

    def _recipe(self, workspace: str, collection_id: str, embedder: str = NONE) -> dict[str, str]:
        """How a worker loads what embeds a collection's documents. Raises EmbedderUnusable."""
        if collection_id:
            choice = self._embedders.of(workspace, collection_id)
        else:
            choice = read_value(embedder)
        if choice.word == NONE:
            raise EmbedderUnusable(
                "This collection has no embedder, so each record needs a vector.",
                advice="Choose the column that holds the vectors, or an embedder for it.",
                field="vector",
            )
        return self._embedders.recipe(workspace, choice).plain()

    def _keep_import(self, session: Session, job: Job, result: Any) -> Any:
        words = f"{result['records']} of {job.params['file']} into {job.params['collection']}"
        self._audit.record(session, _by(job), "records_imported", words, job.workspace)
        return result

    # --- what a collection's page shows -------------------------------------------------------

    def lately(self, workspace: str, collection_id: str) -> list[Job]:
        """The newest imports, exports and copies of a collection, newest first."""
        found = [
            job
            for kind in JOBS
            for job in self._jobs.page(workspace, Filter(kind=kind), limit=LOOKED_AT)
            if collection_id in (job.params.get("collection"), job.params.get("source"))
        ]
        return sorted(found, key=lambda job: -job.id)[:MOST_SHOWN]

    def may_go_on(self, workspace: str, job: Job) -> bool:
        """Whether an import's file is still there to be imported otherwise."""
        if job.kind != IMPORT_JOB:
            return False
        try:
            return self._incoming.has_file(self._incoming.get(workspace, job.params["import"]))
        except NotFound:
            return False

    # --- exports ------------------------------------------------------------------------------

    def export_lines(
        self, workspace: str, collection_id: str, kind: str, condition: Condition
    ) -> Iterator[bytes]:
        """A collection, or what meets a condition, as CSV or JSON Lines in parts.

        The first part is there when this returns. Raises Invalid, NotFound, NotReady.
        """
        if kind not in STREAMED:
            raise Invalid(
                f"{kind!r} is not streamed.",
                advice=f"Use {' or '.join(STREAMED)}; the others are made by a job.",
                field="format",
            )
        found = self._vectors.store.one(workspace, collection_id)
        reading = Reading(self._vectors.store, self._vectors.shelf(workspace), found.id)
        parts = written(reading.rows(condition), kind)
        first = next(parts)
        return chain((first,), parts)

    def export(
        self,
        workspace: str,
        collection_id: str,
        kind: str,
        condition: Condition,
        *,
        actor: Actor,
    ) -> Job:
        """Have a collection, or what meets a condition, written into a file. Raises Invalid."""
        if kind not in FORMATS or kind in STREAMED:
            raise Invalid(f"{kind!r} is no format of a file.", field="format")
        found = self._vectors.store.one(workspace, collection_id)
        if condition.where or condition.where_document:
            # What the engine does not understand is said now, not by a job.
            self._vectors.shelf(workspace).ids(found.id, condition, limit=1)
        wish = Wish(
            EXPORT_JOB,
            workspace,
            {
                "collection": found.id,
                "name": found.name,
                "format": kind,
                "where": condition.where,
                "where_document": condition.where_document,
                "ids": condition.ids,
            },
            title=f"Export {found.name} as {kind}",
        )
        return self._jobs.enqueue(wish, actor=actor)

    def exported(self, workspace: str, collection_id: str, job_id: int) -> tuple[Path, str]:
        """An export's file, and what to call it. Raises NotFound, Conflict before it is made."""
        job = self._jobs.get(workspace, job_id)
        if job.kind != EXPORT_JOB or job.params["collection"] != collection_id:
            raise NotFound("There is no such export.")
        if not job.is_final:
            raise Conflict("The export is still being written.", advice="Ask again in a moment.")
        path = self._outgoing.file(job_id)
        if not path.exists():
            reason = (
                f"it failed: {job.error}" if job.error else "it was older than a day, or stopped"
            )
            raise NotFound(f"There is no file of this export: {reason}.", advice="Export it again.")
        ending = {"npy": "zip"}.get(job.params["format"], job.params["format"])
        return path, f"{job.params['name']}.{ending}"

    def has_export(self, job: Job) -> bool:
        return job.kind == EXPORT_JOB and job.is_final and self._outgoing.file(job.id).exists()

    # --- copies -------------------------------------------------------------------------------

    def duplicate(self, workspace: str, collection_id: str, name: str, *, actor: Actor) -> Job:
        """Have a collection copied under another name, settings and embedder too.

        Raises Invalid, Conflict, NotFound.
        """
        found = self._vectors.store.one(workspace, collection_id)
        settings = {key: found.settings[key] for key in _TUNED if key in found.settings}
        made = self._vectors.create(
            workspace,
            name,
            found.space,
            settings=settings,
            metadata={
                key: value
                for key, value in found.metadata.items()
                if not key.startswith(_OLD_SETTINGS)
            },
            actor=actor,
        )
        choice = self._embedders.of(workspace, found.id)
        if choice.word != NONE:
            # A model that is gone is no reason not to copy vectors.
            with suppress(EmbedderUnusable, NotReady):
                self._embedders.choose(workspace, made, choice.word, choice.options, actor=actor)
        wish = Wish(
            COPY_JOB,
            workspace,
            {"collection": made, "source": found.id, "name": found.name},
            title=f"Duplicate {found.name} as {name.strip()}",
        )
        return self._jobs.enqueue(wish, actor=actor)

    def _resolve_copy(self, session: Session, job: Job) -> dict[str, Any]:
        """With how far an earlier attempt was."""
        del session
        so_far = {key: int(job.counters.get(key, 0)) for key in ("position", "records")}
        return {**job.params, **so_far}

    def _keep_copy(self, session: Session, job: Job, result: Any) -> Any:
        words = f"{job.params['name']}: {result['records']} records"
        self._audit.record(session, _by(job), "collection_duplicated", words, job.workspace)
        return result

    # --- upkeep -------------------------------------------------------------------------------

    def sweep(self) -> int:
        """Remove exports of yesterday and files that nobody imported; how many."""
        return self._incoming.sweep() + self._outgoing.sweep()


def _by(job: Job) -> Actor:
    return Actor(job.actor, f"job {job.id}")
