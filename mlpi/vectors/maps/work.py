"""What a worker does for a map: t-SNE or UMAP of a sample, written to the collection's file."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import re
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mlpi.jobs.context import JobContext, JobFailed
from mlpi.vectors.maps.files import Layout, MapFiles
from mlpi.vectors.relay import connected
from mlpi.vectors.sampling import Samples
from mlpi.vectors.store import CollectionStore

Rows = Any  # a float32 array of numpy, which is imported late
SAMPLE = 10_000
FEWEST = 5
COMPONENTS = 50  # what both methods start from: neighbours hardly change, the time does
ITERATIONS = 1000
NEIGHBOURS = 30  # the perplexity, as t-SNE calls it
UMAP_NEIGHBOURS = 15


def layout(context: JobContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Compute a layout by params["by"], tsne or umap; fails when there is too little to lay out."""
    import numpy as np  # noqa: PLC0415

    began = time.monotonic()
    collection_id, by = params["collection"], params["by"]
    chroma = context.home / "chroma"
    collection = CollectionStore(chroma).one(context.workspace, collection_id)
    context.progress(0.01, "reading vectors")
    ids = Samples(chroma).ids(collection_id, SAMPLE)
    with connected(context.home, context.workspace) as shelf:
        body = {
            "collection": collection_id,
            "ids": ids,
            "components": COMPONENTS,
            "is_unit": collection.space == "cosine",
        }
        found = shelf.own("map", body)
    ids = found["ids"]
    if len(ids) < FEWEST:
        raise JobFailed(f"there are {len(ids)} records, and a layout needs {FEWEST}")
    raw = base64.b64decode(found["coordinates"])
    rows = np.frombuffer(raw, "<f4").reshape(len(ids), -1)
    rows = rows[:, np.any(rows != 0, axis=0)]
    if not rows.size:
        raise JobFailed("all vectors are the same: there is nothing to lay out")
    context.progress(0.05, f"laying out {len(ids):,} points", points=len(ids))
    places = _METHODS[by](context, rows)
    took_s = round(time.monotonic() - began, 1)
    MapFiles(context.home).write(
        collection_id,
        Layout(
            by=by,
            ids=ids,
            xy=base64.b64encode(places.astype("<f4").tobytes()).decode(),
            count=collection.count,
            sequence=collection.sequence,
            at=datetime.now(UTC),
            took_s=took_s,
        ),
    )
    context.progress(1.0, "done")
    return {"points": len(ids), "of": collection.count, "took_s": took_s}


def _tsne(context: JobContext, rows: Rows) -> Rows:
    from sklearn.manifold import TSNE  # noqa: PLC0415

    method = TSNE(
        perplexity=min(NEIGHBOURS, (len(rows) - 1) / 3),
        init="pca" if rows.shape[1] > 1 else "random",
        max_iter=ITERATIONS,
        random_state=0,
        n_jobs=context.cpus,
        verbose=2,  # for the lines that _Watch reads
    )
    with contextlib.redirect_stdout(_Watch(context)):
        found: Rows = method.fit_transform(rows)
    return found


def _umap(context: JobContext, rows: Rows) -> Rows:
    # It compiles on its first use, and keeps that beside its own files where it may write.
    cache = context.home / "cache" / "numba"
    cache.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("NUMBA_CACHE_DIR", str(cache))
    context.progress(None, "starting UMAP; the first time it is compiled")
    try:
        import umap  # type: ignore[import-not-found, unused-ignore] # noqa: PLC0415
    except ImportError as error:
        raise JobFailed(f"umap-learn cannot be imported: {error}") from None
    context.progress(None, f"laying out {len(rows):,} points")
    method = umap.UMAP(n_neighbors=min(UMAP_NEIGHBOURS, len(rows) - 1), random_state=0, n_jobs=1)
    found: Rows = method.fit_transform(rows)
    return found


_METHODS = {"tsne": _tsne, "umap": _umap}
_ITERATION = re.compile(r"Iteration (\d+): error = ([\d.]+)")


class _Watch(io.TextIOBase):
    """Standard output of t-SNE, passed on; how far it is stands in its lines."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._out = sys.stdout

    def write(self, text: str) -> int:
        if match := _ITERATION.search(text):
            turn = int(match[1])
            self._context.progress(
                0.1 + 0.88 * turn / ITERATIONS,
                f"turn {turn} of at most {ITERATIONS}",
                error=float(match[2]),
            )
        return self._out.write(text)
