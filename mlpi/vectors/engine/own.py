"""What the engine answers to our own code beside Chroma's API: POST /mlpi/<what>.

No row of the door leads here. All of it reads; each answer is bounded, so that a reading thread is
soon free again: who wants more asks again.
"""

from __future__ import annotations

import base64
import hashlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlpi.vectors.engine import answers, payloads
from mlpi.vectors.engine.answers import Answer
from mlpi.vectors.engine.chroma import Chroma
from mlpi.vectors.engine.pca import Rows, components
from mlpi.vectors.engine.refusals import Refused, invalid, not_found
from mlpi.vectors.names import TENANT

if TYPE_CHECKING:
    from mlpi.vectors.engine.asked import Asked

MOST_POINTS = 10_000
MOST_NEAREST = 500
_PAGE = 500  # records read at once
_HELD_BYTES = 64 * 2**20  # of vectors, while a map is made; of longer ones there are fewer
_LONGEST = 50  # components


def answer(chroma: Chroma, asked: Asked) -> Answer:
    """Raises Refused, and what the bindings raise."""
    handler = _HANDLERS.get("/".join(asked.segments[1:]))
    if handler is None:
        raise Refused(404, "NotFoundError", "There is no such route.")
    body = payloads.body_of(asked.body, asked.content_type, "OwnPayload")
    collection = payloads.text(body, "collection")
    try:
        chroma.require(collection, asked.workspace)
    except Exception as error:
        if type(error).__name__ != "NotFoundError":
            raise
        raise not_found(f"Collection [{collection}] does not exist.") from None
    reader = _Reader(chroma, collection, chroma.database(asked.workspace))
    return answers.done(handler(reader, body))


class _Reader:
    """One collection through the bindings."""

    def __init__(self, chroma: Chroma, collection: str, database: str) -> None:
        self._db = chroma.bindings
        self._at = (TENANT, database)
        self._collection = collection

    def vectors(self, ids: Sequence[str]) -> tuple[list[str], list[list[float]]]:
        """Those of at most a page's records that there are, in the collection's own order."""
        found = self._db.get(
            self._collection, list(ids), None, None, 0, None, ["embeddings"], *self._at
        )
        return found.ids, found.embeddings

    def nearest(self, vectors: list[list[float]], count: int) -> Any:
        """Ids and distances of the nearest records of each vector."""
        include = ["distances"]
        return self._db.query(
            self._collection, None, vectors, count, None, None, include, *self._at
        )


def _map(reader: _Reader, body: payloads.Body) -> dict[str, Any]:
    """The first principal components of some records.

    ids: whose; of vectors so long that they do not fit, the first ones only. components: how many,
    2 if not given. is_unit: whether only directions count, as for cosine distance.

    Answers ids, those that there are, in the engine's own order; coordinates, base64 of
    (n, components) little-endian float32; shares, of the variance, one for each component.
    """
    ids = payloads.ids(body)[:MOST_POINTS]
    count = min(_LONGEST, payloads.number(body, "components") or 2)
    kept, rows = _rows(reader, ids)
    if payloads.flag(body, "is_unit"):
        _shorten(rows)
    found, shares = components(rows, count)
    return {
        "ids": kept,
        "coordinates": base64.b64encode(found.astype("<f4", copy=False).tobytes()).decode(),
        "shares": shares,
    }


def _rows(reader: _Reader, ids: Sequence[str]) -> tuple[list[str], Rows]:
    """Those ids that there are, and their vectors, (n, dimension)."""
    import numpy as np  # noqa: PLC0415 - 15 MB, for maps only

    rows = np.empty((0, 1), np.float32)
    kept: list[str] = []
    for start in range(0, len(ids), _PAGE):
        found, vectors = reader.vectors(ids[start : start + _PAGE])
        if vectors and not kept:
            size = len(vectors[0])
            rows = np.empty((min(len(ids), max(2, _HELD_BYTES // (4 * size))), size), np.float32)
        for id_, vector in zip(found, vectors, strict=True):
            if len(kept) < len(rows):
                rows[len(kept)] = np.frombuffer(array("f", vector), np.float32)
                kept.append(id_)
        if kept and len(kept) == len(rows):
            break
    return kept, rows[: len(kept)]


def _shorten(rows: Rows) -> None:
    """Make each row as long as 1, in place; what has no direction stays where it is."""
    import numpy as np  # noqa: PLC0415

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    np.divide(rows, lengths, out=rows, where=lengths > 0)


def _nearest(reader: _Reader, body: payloads.Body) -> dict[str, Any]:
    """The records nearest to each of some records, itself left out.

    ids: whose, at most MOST_NEAREST. count: how many of each.

    Answers ids (those that there are); others and distances, a list for each; marks, texts that are
    the same for two records if and only if their vectors are.
    """
    wanted = payloads.ids(body)
    if len(wanted) > MOST_NEAREST:
        raise invalid(f"At most {MOST_NEAREST} records at once.")
    count = payloads.number(body, "count") or 1
    ids, vectors = reader.vectors(wanted) if wanted else ([], [])
    others: list[list[str]] = []
    distances: list[list[float | None]] = []
    if ids:
        found = reader.nearest(vectors, count + 1)
        for id_, row, far in zip(ids, found.ids, found.distances, strict=True):
            pairs = [
                (other, answers.shortest(one))
                for other, one in zip(row, far, strict=True)
                if other != id_
            ][:count]
            others.append([other for other, _ in pairs])
            distances.append([one for _, one in pairs])
    return {
        "ids": ids,
        "others": others,
        "distances": distances,
        "marks": [_mark(vector) for vector in vectors],
    }


def _mark(vector: Sequence[float]) -> str:
    return hashlib.blake2b(array("f", vector).tobytes(), digest_size=12).hexdigest()


_HANDLERS: Mapping[str, Callable[[_Reader, payloads.Body], dict[str, Any]]] = {
    "map": _map,
    "nearest": _nearest,
}
