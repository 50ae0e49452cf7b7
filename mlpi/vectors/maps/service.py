"""Maps of collections: by PCA at once, by t-SNE and UMAP as jobs. Knows no HTTP; calls block."""

from __future__ import annotations

import csv
import io
import threading
from array import array
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from mlpi.auth.audit import Actor
from mlpi.errors import Invalid, NotFound
from mlpi.jobs.kinds import JobKind
from mlpi.jobs.models import Job, JobState
from mlpi.jobs.service import Jobs, Wish
from mlpi.jobs.store import Filter
from mlpi.vectors.maps.colours import colours
from mlpi.vectors.maps.files import Layout, MapFiles, packed, parsed
from mlpi.vectors.records import Collection
from mlpi.vectors.sampling import Samples
from mlpi.vectors.service import VectorsService

SAMPLE = 10_000
JOB = "vectors_map"
WAYS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
_REMEMBERED = 8  # layouts by PCA, some 200 kB each
_LOOKED_BACK = 100  # jobs

LAYOUT = JobKind(
    JOB,
    "mlpi.vectors.maps.work:layout",
    "Lay out a map",
    family="layouts",
    preload=("sklearn.manifold", "mlpi.vectors.maps.work"),
    memory_bytes=2**30,
)


@dataclass(frozen=True, slots=True)
class State:
    """What the page says of a layout. job: the newest that was to compute it, if that matters."""

    by: str
    layout: Layout | None
    is_stale: bool
    job: Job | None

    @property
    def is_live(self) -> bool:
        return self.job is not None and not self.job.is_final


def newest_job(jobs: Jobs, workspace: str, kind: str, **params: str) -> Job | None:
    """The newest job of a kind with these parameters, among the last ones of its kind."""
    found = jobs.page(workspace, Filter(kind=kind), limit=_LOOKED_BACK)
    return next(
        (job for job in found if all(job.params.get(key) == one for key, one in params.items())),
        None,
    )


class Maps:
    """Layouts of a collection's sample, and colours for it."""

    def __init__(
        self, service: VectorsService, samples: Samples, files: MapFiles, jobs: Jobs
    ) -> None:
        self._service = service
        self._samples = samples
        self._files = files
        self._jobs = jobs
        self._lock = threading.Lock()
        self._at_once: OrderedDict[str, tuple[int | None, bytes]] = OrderedDict()  # as JSON

    @property
    def ways(self) -> dict[str, str]:
        """How a map can be laid out here, and what each way is called."""
        return {by: name for by, name in WAYS.items() if by != "umap" or find_spec("umap")}

    def fields(self, collection: Collection) -> list[str]:
        return self._samples.fields(collection.id)

    def state(self, workspace: str, collection: Collection, by: str) -> State:
        """Raises Invalid when there is no such way."""
        self._require(by)
        if by == "pca":
            return State(by, None, False, None)
        layout = self._files.read(collection.id, by)
        job = newest_job(self._jobs, workspace, JOB, collection=collection.id, by=by)
        if (
            job is not None
            and job.is_final
            and (
                job.state in (JobState.SUCCEEDED, JobState.CANCELLED)
                or (layout is not None and layout.at is not None and layout.at > job.created_at)
            )
        ):
            job = None
        is_stale = layout is not None and layout.sequence != collection.sequence
        return State(by, layout, is_stale, job)

    def layout(self, workspace: str, collection: Collection, by: str) -> Layout:
        """A collection's layout; PCA's is computed. Raises Invalid, NotFound, NotReady."""
        self._require(by)
        if by == "pca":
            return self._by_pca(workspace, collection)
        found = self._files.read(collection.id, by)
        if found is None:
            raise NotFound(f"There is no layout by {WAYS[by]} yet.", advice="Compute it first.")
        return found

    def _by_pca(self, workspace: str, collection: Collection) -> Layout:
        with self._lock:
            known = self._at_once.get(collection.id)
        if known is not None and known[0] == collection.sequence:
            return parsed(known[1])
        ids = self._samples.ids(collection.id, SAMPLE)
        body = {"collection": collection.id, "ids": ids, "is_unit": collection.space == "cosine"}
        found = self._service.shelf(workspace).own("map", body)
        layout = Layout(
            by="pca",
            ids=found["ids"],
            xy=found["coordinates"],
            count=collection.count,
            sequence=collection.sequence,
            shares=tuple(found["shares"]),
        )
        with self._lock:
            self._at_once[collection.id] = (collection.sequence, packed(layout))
            self._at_once.move_to_end(collection.id)
            while len(self._at_once) > _REMEMBERED:
                self._at_once.popitem(last=False)
        return layout

    def data(self, workspace: str, collection: Collection, by: str, field: str) -> dict[str, Any]:
        """What the page's script draws. Raises as layout does."""
        layout = self.layout(workspace, collection, by)
        coloured: dict[str, Any] = {"kind": "none"}
        if field:
            coloured = colours(self._samples.values(collection.id, layout.ids, field))
        return {
            "by": by,
            "ids": layout.ids,
            "xy": layout.xy,
            "count": layout.count,
            "shares": layout.shares,
            "field": field,
            "colours": coloured,
        }

    def table(self, workspace: str, collection: Collection, by: str, field: str) -> Iterator[str]:
        """The map as lines of CSV: id, x, y, and a field's value if asked for. Raises as layout."""
        layout = self.layout(workspace, collection, by)
        values = self._samples.values(collection.id, layout.ids, field) if field else None
        return _lines(layout, field, values)

    def start(self, workspace: str, collection: Collection, by: str, *, actor: Actor) -> None:
        """Have a layout computed, unless it is being computed. Raises Invalid."""
        if by not in self.ways or by == "pca":
            raise Invalid(f"{WAYS.get(by, by)} cannot be computed here.", field="by")
        if self.state(workspace, collection, by).is_live:
            return
        title = f"Map of {collection.name} by {WAYS[by]}"
        wish = Wish(JOB, workspace, {"collection": collection.id, "by": by}, title)
        self._jobs.enqueue(wish, actor=actor)

    def cancel(self, workspace: str, collection: Collection, by: str, *, actor: Actor) -> None:
        """Stop computing a layout; nothing when that is over already."""
        job = self.state(workspace, collection, by).job
        if job is not None and not job.is_final:
            self._jobs.cancel(workspace, job.id, actor=actor)

    def _require(self, by: str) -> None:
        if by not in WAYS:
            raise Invalid(f"{by!r} is no kind of map.", advice=f"Use {', '.join(WAYS)}.")


def _lines(layout: Layout, field: str, values: list[Any] | None) -> Iterator[str]:
    places = array("f", b64decode(layout.xy))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "x", "y", *([field] if field else [])])
    for place, id_ in enumerate(layout.ids):
        x, y = places[2 * place : 2 * place + 2]
        row = [id_, f"{x:.6g}", f"{y:.6g}"]
        writer.writerow([*row, values[place]] if values else row)
        if out.tell() > 2**16:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()
