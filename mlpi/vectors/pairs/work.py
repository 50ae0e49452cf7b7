"""What a worker does for the report of nearest pairs: asks the engine, a slice at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from mlpi.jobs.context import JobContext, JobFailed
from mlpi.vectors.maps.files import MapFiles
from mlpi.vectors.pairs.store import Draft
from mlpi.vectors.relay import connected
from mlpi.vectors.sampling import Samples
from mlpi.vectors.store import CollectionStore

SLICE = 100  # records; so many queries keep one of the engine's reading threads for a moment
NEIGHBOURS = 3  # of each record


def nearest(context: JobContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Find the nearest records of a sample, params["sample"] of them, or of all if that is 0."""
    began = time.monotonic()
    collection_id, sample = params["collection"], int(params["sample"])
    chroma = context.home / "chroma"
    collection = CollectionStore(chroma).one(context.workspace, collection_id)
    if collection.count < 2:
        raise JobFailed("a pair needs two records")
    samples = Samples(chroma)
    if sample and sample < collection.count:
        slices = _slices(samples.ids(collection_id, sample))
        total = sample
    else:
        slices = samples.pages(collection_id, SLICE)
        total = collection.count
    files = MapFiles(context.home)
    files.folder(collection_id)
    draft = Draft(files.pairs(collection_id), context.job_id)
    try:
        with connected(context.home, context.workspace) as shelf:
            done = 0
            for ids in slices:
                body = {"collection": collection_id, "ids": ids, "count": NEIGHBOURS}
                draft.add(shelf.own("nearest", body))
                done += len(ids)
                words = f"{done:,} of {total:,} records"
                context.progress(min(0.99, done / total), words, records=done)
        found = draft.finish(
            {
                "at": datetime.now(UTC).isoformat(),
                "sequence": collection.sequence,
                "count": collection.count,
                "took_s": round(time.monotonic() - began, 1),
            }
        )
    finally:
        draft.drop()
    context.progress(1.0, "done")
    return {key: found[key] for key in ("looked_at", "count", "least", "most", "took_s")}


def _slices(ids: list[str]) -> Iterator[list[str]]:
    starts: Iterable[int] = range(0, len(ids), SLICE)
    return (ids[start : start + SLICE] for start in starts)
