"""What is read and changed in a collection's records by its pages; knows no HTTP. Calls block."""

from __future__ import annotations

import math
import time
import uuid
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlpi.auth.audit import Actor
from mlpi.errors import Conflict, Invalid, MlpiError, NotFound
from mlpi.vectors.browse.embeds import Embeds, no_embedder
from mlpi.vectors.browse.view import SearchView, vector_of
from mlpi.vectors.records import Collection, Condition, Record
from mlpi.vectors.service import VectorsService

COUNTED = 10_000  # matches are counted up to here; counting costs Chroma what finding them does
SPELL_S = 2.0  # of deleting, between two signs of how far it is
SLICE = 500  # records that are written at once, so that others' requests come in between
BEGINNING = 600  # characters of a document that lists show
_ID_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one page. total: all there are; is_more: there are more than that."""

    records: list[Record]
    total: int
    is_more: bool
    has_next: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Hits of a search, closest first. vector: (dimension,), what was searched for."""

    hits: list[Record]
    vector: Sequence[float]
    took_s: float
    embedded_s: float | None = None

    def share(self, hit: Record) -> float:
        """A hit's distance between those of the closest (or 0) and the farthest, 0 to 1."""
        distances = [one.distance or 0.0 for one in self.hits]
        least, most = min(0.0, *distances, 0.0), max(0.0, *distances, 0.0)
        return 0.0 if most == least else ((hit.distance or 0.0) - least) / (most - least)


@dataclass(frozen=True, slots=True)
class Draft:
    """A record as a form describes it. vector: text, empty to keep the one there is.

    had: keys of metadata that the form showed; those that it lost are removed.
    """

    id: str
    document: str = ""
    metadata: Mapping[str, Any] | None = None
    vector: str = ""
    embeds: bool = False
    had: Sequence[str] = ()


class Browse:
    """Records of collections: pages of them, searches, changes."""

    def __init__(
        self,
        vectors: VectorsService,
        embeds: Embeds,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.vectors = vectors
        self._embeds = embeds
        self._clock = clock

    def collection(self, workspace: str, collection_id: str) -> Collection:
        """Raises NotFound, also when it is another workspace's."""
        return self.vectors.store.one(workspace, collection_id)

    def embedder(self, workspace: str, collection_id: str) -> str | None:
        """What embeds its texts, in words."""
        return self._embeds.describe(workspace, collection_id)

    # --- reading --------------------------------------------------------------------------------

    def page(
        self, workspace: str, collection: Collection, condition: Condition, size: int, page: int
    ) -> Page:
        """One page of what meets a condition, with vectors."""
        shelf = self.vectors.shelf(workspace)
        begin = (page - 1) * size
        if not condition:
            found = shelf.get(
                collection.id, limit=size + 1, offset=begin, vectors=True, documents=False
            )
            records = self._begun(collection.id, found[:size])
            return Page(records, collection.count, False, len(found) > size)
        # Chroma looks through all matches whatever the limit: their ids are had at the price of one
        # page, and then the page by its ids.
        ids = shelf.ids(collection.id, condition, limit=COUNTED + 1)
        is_more = len(ids) > COUNTED
        if is_more and begin + size >= COUNTED:
            chosen = shelf.ids(collection.id, condition, limit=size + 1, offset=begin)
        else:
            chosen = ids[begin : begin + size + 1]
        records = []
        if chosen[:size]:
            only = Condition(ids=chosen[:size])
            found = shelf.get(collection.id, only, vectors=True, documents=False)
            records = self._begun(collection.id, found)
        return Page(records, min(len(ids), COUNTED), is_more, len(chosen) > size)

    def record(self, workspace: str, collection_id: str, id_: str) -> Record:
        """One record with its vector. Raises NotFound."""
        found = id_ and self.vectors.shelf(workspace).get(
            collection_id, Condition(ids=[id_]), vectors=True
        )
        if not found:
            raise NotFound(f"There is no record {id_[:80]!r} in this collection.")
        return found[0]

    def keys(self, workspace: str, collection_id: str, records: Sequence[Record]) -> list[str]:
        """Keys of metadata to suggest: of these records, or of the first when there are none."""
        seen = records or self.vectors.shelf(workspace).get(
            collection_id, limit=20, documents=False
        )
        return sorted({key for one in seen for key in one.metadata})

    def count(self, workspace: str, collection_id: str, condition: Condition) -> int:
        """How many records meet a condition, exactly."""
        return len(self.vectors.shelf(workspace).ids(collection_id, condition))

    def alike(self, workspace: str, collection_id: str, record: Record, k: int = 8) -> list[Record]:
        """The k other records nearest to one, closest first."""
        if not record.vector:
            return []
        found = self.vectors.shelf(workspace).nearest(
            collection_id, record.vector, k=k + 1, documents=False
        )
        return self._begun(collection_id, [one for one in found if one.id != record.id][:k])

    def search(self, workspace: str, collection: Collection, view: SearchView) -> Found:
        """The records nearest to a text, a vector or a record. Raises Invalid, with its field."""
        embedded_s = None
        k = view.k
        vector: Sequence[float]
        match view.way:
            case "text":
                if self.embedder(workspace, collection.id) is None:
                    raise no_embedder()
                begun = self._clock()
                vector = self._embedded(workspace, collection, view.text, "text")
                embedded_s = self._clock() - begun
            case "like":
                try:
                    vector = self.record(workspace, collection.id, view.like).vector or ()
                except NotFound as error:
                    raise Invalid(error.message, field="like") from None
                if not vector:
                    raise Invalid("This record has no vector.", field="like")
                k += 1
            case _:
                vector = vector_of(view.vector, collection.dimension)
        begun = self._clock()
        hits = self.vectors.shelf(workspace).nearest(
            collection.id, vector, k=k, condition=view.filter.condition, documents=False
        )
        took_s = self._clock() - begun
        if view.way == "like":
            hits = [one for one in hits if one.id != view.like][: view.k]
        hits = self._begun(collection.id, hits)
        return Found(hits, vector, took_s, embedded_s)

    # --- changing -------------------------------------------------------------------------------

    def add(self, workspace: str, collection_id: str, draft: Draft, *, actor: Actor) -> str:
        """Add a record; its id, made here when there is none. Raises Invalid, Conflict."""
        collection = self.collection(workspace, collection_id)
        shelf = self.vectors.shelf(workspace)
        id_ = _checked_id(draft.id) if draft.id.strip() else uuid.uuid4().hex
        if shelf.ids(collection_id, Condition(ids=[id_])):
            raise Conflict(f"There is a record {id_[:80]!r} already.", field="id")
        vector = self._vector(workspace, collection, draft)
        if vector is None:
            raise Invalid(
                "A record needs a vector.",
                advice="Paste one, or choose an embedder on About that makes it of the document.",
                field="vector",
            )
        record = Record(id_, draft.document or None, draft.metadata or {}, vector)
        shelf.write("add", collection_id, [record])
        self.vectors.note(actor, "record_added", f"{collection.name}: {id_[:200]}", workspace)
        return id_

    def change(self, workspace: str, collection_id: str, draft: Draft, *, actor: Actor) -> None:
        """Change what differs from the record as it is. Raises Invalid, NotFound."""
        collection = self.collection(workspace, collection_id)
        old = self.record(workspace, collection_id, draft.id)
        changes: dict[str, Any] = {
            key: value
            for key, value in (draft.metadata or {}).items()
            if not _same(old.metadata.get(key), value)
        }
        gone = [key for key in draft.had if key not in (draft.metadata or {})]
        changes |= {key: None for key in gone if key in old.metadata}
        document = None
        if draft.document != (old.document or "").replace("\r\n", "\n"):
            document = draft.document
        vector = self._vector(workspace, collection, draft)
        if not changes and document is None and vector is None:
            return
        record = Record(draft.id, document, changes, vector)
        self.vectors.shelf(workspace).write("update", collection_id, [record])
        self.vectors.note(
            actor, "record_changed", f"{collection.name}: {draft.id[:200]}", workspace
        )

    def mark(
        self,
        workspace: str,
        collection_id: str,
        ids: Sequence[str],
        key: str,
        value: Any,
        *,
        actor: Actor,
    ) -> int:
        """Set a key of many records' metadata; None removes it. How many records it was."""
        collection = self.collection(workspace, collection_id)
        shelf = self.vectors.shelf(workspace)
        present = shelf.ids(collection_id, Condition(ids=_some(ids)))
        for start in range(0, len(present), SLICE):
            part = [Record(one, metadata={key: value}) for one in present[start : start + SLICE]]
            shelf.write("update", collection_id, part)
        deed = f"{key} {'removed' if value is None else 'set'} on {len(present)} records"
        self.vectors.note(actor, "records_changed", f"{collection.name}: {deed}", workspace)
        return len(present)

    def remove(
        self, workspace: str, collection_id: str, ids: Sequence[str], *, actor: Actor
    ) -> int:
        """Delete records; how many of them were there."""
        collection = self.collection(workspace, collection_id)
        # Chroma counts what it was asked to delete, whether it was there or not.
        present = self.vectors.shelf(workspace).ids(collection_id, Condition(ids=_some(ids)))
        return self._remove(workspace, collection, present, actor)

    def remove_matching(
        self,
        workspace: str,
        collection_id: str,
        condition: Condition,
        expected: int,
        *,
        actor: Actor,
    ) -> int:
        """Delete what meets a condition, for a few seconds at most; how many are left.

        expected: as many as somebody was told. Raises Conflict when it is not as many.
        """
        if not condition:
            raise Invalid("There is no filter.", advice="Deleting all is deleting the collection.")
        collection = self.collection(workspace, collection_id)
        ids = self.vectors.shelf(workspace).ids(collection_id, condition)
        if len(ids) != expected:
            raise Conflict(
                f"Meanwhile {len(ids):,} records match, not {expected:,}.",
                advice="Look again, then confirm.",
            )
        return len(ids) - self._remove(workspace, collection, ids, actor, SPELL_S)

    def _remove(
        self,
        workspace: str,
        collection: Collection,
        ids: Sequence[str],
        actor: Actor,
        most_s: float = math.inf,
    ) -> int:
        """Delete records in turn until all are gone or the time is over; how many went."""
        shelf = self.vectors.shelf(workspace)
        end, done = self._clock() + most_s, 0
        while done < len(ids) and (done == 0 or self._clock() < end):
            part = ids[done : done + SLICE]
            shelf.delete(collection.id, Condition(ids=part))
            done += len(part)
        if done:
            deed = f"{collection.name}: {done} records"
            self.vectors.note(actor, "records_removed", deed, workspace)
        return done

    def _begun(self, collection_id: str, records: Sequence[Record]) -> list[Record]:
        """The same records with the beginnings of their documents."""
        ids = [one.id for one in records]
        texts = self.vectors.store.beginnings(collection_id, ids, BEGINNING)
        return [replace(one, document=texts.get(one.id)) for one in records]

    def _vector(self, workspace: str, collection: Collection, draft: Draft) -> array[float] | None:
        if draft.vector.strip():
            return vector_of(draft.vector, collection.dimension)
        if not draft.embeds:
            return None
        if not draft.document.strip():
            raise Invalid("There is no document to make a vector of.", field="document")
        return array("f", self._embedded(workspace, collection, draft.document, "vector"))

    def _embedded(
        self, workspace: str, collection: Collection, text: str, field: str
    ) -> Sequence[float]:
        try:
            (vector,) = self._embeds.embed(workspace, collection.id, [text])
        except MlpiError as error:
            if error.status != 422:
                raise
            raise Invalid(error.message, advice=error.advice, field=field) from None
        if collection.dimension is not None and len(vector) != collection.dimension:
            raise Invalid(
                f"The embedder makes {len(vector):,} numbers, but this collection's vectors "
                f"have {collection.dimension:,}.",
                advice="Choose the embedder that made them, on About.",
                field=field,
            )
        return [float(one) for one in vector]


def _some(ids: Sequence[str]) -> list[str]:
    if not ids:
        raise Invalid("Nothing was chosen.", advice="Tick records first.")
    return list(ids)


def _checked_id(id_: str) -> str:
    id_ = id_.strip()
    if len(id_.encode()) > _ID_BYTES or "\0" in id_:
        raise Invalid(f"An id has at most {_ID_BYTES} bytes.", field="id")
    return id_


def _same(one: Any, other: Any) -> bool:
    """Whether two values of metadata are one: 1, 1.0 and true are three."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)
