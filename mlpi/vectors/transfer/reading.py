"""Every record of a collection, or of a filter, a few hundred at a time.

Asking the engine page after page gets slower with every page: it counts from the beginning each
time. So the ids come from Chroma's own table, in order, and the records by their ids. A filter is
answered with ids only, many at a time: Chroma looks at every record for each answer (and at every
record for each id, when ids and a filter are asked for together).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mlpi.vectors.records import Condition
from mlpi.vectors.shelf import PAGE, Shelf
from mlpi.vectors.store import CollectionStore
from mlpi.vectors.transfer.patience import at_once

IDS_AT_ONCE = 20_000
Ask = Callable[[Callable[[], Any]], Any]


class Row(NamedTuple):
    """A record as an export writes it: vector as numbers with the fewest digits."""

    id: str
    document: str | None
    uri: str | None
    metadata: Mapping[str, Any] | None
    vector: Sequence[float] | None


class Reading:
    """Reads a collection of a workspace. ask: how the engine is asked, see patience."""

    def __init__(
        self, store: CollectionStore, shelf: Shelf, collection_id: str, ask: Ask = at_once
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._collection_id = collection_id
        self._ask = ask

    def rows(self, condition: Condition, after: int = 0) -> Iterator[list[Row]]:
        """Pages of records that meet a condition. after: a position, see CollectionStore.ids.

        Records that are written meanwhile may be among them or not. Raises what the shelf does.
        """
        for ids in self._ids(condition, after):
            found = self._by_ids(ids)
            if found:
                yield found

    def _ids(self, condition: Condition, after: int) -> Iterator[Sequence[str]]:
        if condition.where or condition.where_document:
            yield from self._filtered(condition)
        elif condition.ids is not None:
            yield from _cut(list(dict.fromkeys(condition.ids)))
        else:
            workspace = self._shelf.workspace
            while found := self._store.ids(workspace, self._collection_id, after, PAGE):
                yield [id_ for _, id_ in found]
                after = found[-1][0]

    def _filtered(self, condition: Condition) -> Iterator[Sequence[str]]:
        wanted = None if condition.ids is None else set(condition.ids)
        condition = Condition(condition.where, condition.where_document)
        offset = 0
        while True:
            found = self._ask(self._ids_of(condition, offset))
            chosen = found if wanted is None else [id_ for id_ in found if id_ in wanted]
            yield from _cut(chosen)
            if len(found) < IDS_AT_ONCE:
                return
            offset += len(found)

    def _ids_of(self, condition: Condition, offset: int) -> Callable[[], list[str]]:
        return lambda: self._shelf.ids(
            self._collection_id, condition, limit=IDS_AT_ONCE, offset=offset
        )

    def _by_ids(self, ids: Sequence[str]) -> list[Row]:
        found = self._ask(lambda: self._shelf.plain(self._collection_id, Condition(ids=ids)))
        empty = [None] * len(found["ids"])
        columns = [
            found.get(name) or empty for name in ("documents", "uris", "metadatas", "embeddings")
        ]
        rows = {one[0]: Row(*one) for one in zip(found["ids"], *columns, strict=True)}
        return [rows[id_] for id_ in ids if id_ in rows]


def _cut(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + PAGE] for start in range(0, len(ids), PAGE))
