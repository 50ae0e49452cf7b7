"""The bindings, with every call watched: what it touches is marked, what is broken is repaired."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from mlpi.vectors.engine.keeper import WrongDimension
from mlpi.vectors.engine.life import Life
from mlpi.vectors.engine.opening import Filling
from mlpi.vectors.engine.refusals import Refused
from mlpi.vectors.engine.repairs import Repairs, is_index_error, require_life


class Guard:
    """Has the methods of chromadb's bindings that the engine uses, with the same arguments."""

    def __init__(
        self, bindings: Any, life: Life, repairs: Repairs, writing: threading.RLock
    ) -> None:
        self._bindings = bindings
        self._life = life
        self._repairs = repairs
        self._writing = writing
        self.list_databases = bindings.list_databases
        self.get_database = bindings.get_database
        self.list_collections = bindings.list_collections
        self.count_collections = bindings.count_collections
        self.get_collection = bindings.get_collection
        self.get_collection_by_id = bindings.get_collection_by_id

    def create_database(self, *words: Any) -> Any:
        with self._writing:
            return self._bindings.create_database(*words)

    def create_collection(self, *words: Any) -> Any:
        with self._writing:
            return self._bindings.create_collection(*words)

    def update_collection(self, collection: str, *words: Any) -> Any:
        with self._writing:
            return self._bindings.update_collection(collection, *words)

    def delete_collection(self, name: str, tenant: str, database: str) -> None:
        with self._writing:
            found = self._bindings.get_collection(name, tenant, database)
            self._bindings.delete_collection(name, tenant, database)
            self._repairs.forget(str(found.id))

    def add(self, ids: list[str], collection: str, *words: Any) -> Any:
        return self._written(collection, lambda: self._bindings.add(ids, collection, *words))

    def upsert(self, collection: str, *words: Any) -> Any:
        return self._written(collection, lambda: self._bindings.upsert(collection, *words))

    def update(self, collection: str, *words: Any) -> Any:
        return self._written(collection, lambda: self._bindings.update(collection, *words))

    def delete(self, collection: str, *words: Any) -> Any:
        return self._written(collection, lambda: self._bindings.delete(collection, *words))

    def _written(self, collection: str, write: Callable[[], Any]) -> Any:
        """A write; tried again after a broken index was replaced, for all writes may be repeated.

        What the first try put into the log is applied first.
        """
        self._require_trusted(collection)
        self._life.touch(collection)
        with self._writing:
            try:
                return write()
            except Exception as error:
                require_life(error)
                if not is_index_error(error):
                    raise
                self._repairs.broke(collection, str(error))
                return write()

    def count(self, collection: str, tenant: str, database: str) -> int:
        found = self._read(
            collection, lambda: self._bindings.count(collection, tenant, database), None
        )
        return int(found)

    def get(
        self,
        collection: str,
        ids: list[str] | None,
        where: str | None,
        limit: int | None,
        offset: int,
        where_document: str | None,
        include: list[str],
        tenant: str,
        database: str,
    ) -> Any:
        def asked(wanted: list[str]) -> Any:
            return self._bindings.get(
                *(collection, ids, where, limit, offset, where_document, wanted),
                *(tenant, database),
            )

        def by_log(_: Filling) -> Any:
            found = asked([one for one in include if one != "embeddings"])
            return _with_vectors(found, self._repairs.vectors(collection, found.ids))

        if "embeddings" not in include:
            return self._read(collection, lambda: asked(include), None)
        return self._read(collection, lambda: asked(include), by_log)

    def query(
        self,
        collection: str,
        ids: list[str] | None,
        vectors: Sequence[Any],
        count: int,
        where: str | None,
        where_document: str | None,
        include: list[str],
        tenant: str,
        database: str,
    ) -> Any:
        def asked(some: list[str] | None) -> Any:
            return self._bindings.query(
                *(collection, some, vectors, count, where, where_document, include),
                *(tenant, database),
            )

        def known() -> list[str]:
            return list(
                self._bindings.get(
                    *(collection, ids, where, None, 0, where_document, []), *(tenant, database)
                ).ids
            )

        def by_log(filling: Filling) -> Any:
            is_filtered = any(one is not None for one in (ids, where, where_document))
            some = known() if is_filtered else None
            try:
                rows = [self._repairs.nearest(filling, one, count, some) for one in vectors]
            except WrongDimension as wrong:
                from chromadb.errors import InvalidArgumentError  # noqa: PLC0415 - see chroma.py

                raise InvalidArgumentError(
                    "Collection expecting embedding with dimension of {}, got {}".format(
                        *wrong.args
                    )
                ) from None
            records = self._hydrated(collection, rows, include, (tenant, database))
            return _neighbours(rows, records, include)

        def is_askers_fault() -> bool:
            """Chroma answers unknown ids in the words for a broken index."""
            return ids is not None and where is None and set(ids) != set(known())

        return self._read(collection, lambda: asked(ids), by_log, is_askers_fault)

    def _hydrated(
        self,
        collection: str,
        rows: list[list[tuple[str, float]]],
        include: list[str],
        place: tuple[str, str],
    ) -> Any:
        ids = list({one for row in rows for one, _ in row})
        wanted = [one for one in include if one not in ("distances", "embeddings")]
        found = self._bindings.get(collection, ids, None, None, 0, None, wanted, *place)
        if "embeddings" in include:
            return _with_vectors(found, self._repairs.vectors(collection, found.ids))
        return found

    def _read(
        self,
        collection: str,
        ask: Callable[[], Any],
        by_log: Callable[[Filling], Any] | None,
        is_askers_fault: Callable[[], bool] = lambda: False,
    ) -> Any:
        """A read, by the index if it is whole, else by the log; without by_log, only the index's
        part in it is left out. An error that may come from the index is looked into while nobody
        writes, for a record deleted meanwhile causes it too."""
        self._require_trusted(collection)
        filling = self._repairs.filling(collection)
        if filling is not None and by_log is not None:
            return by_log(filling)
        self._life.touch(collection)
        try:
            return ask()
        except Exception as error:
            require_life(error)
            if not is_index_error(error):
                raise
        with self._writing:
            if self._repairs.filling(collection) is None:
                try:
                    return ask()
                except Exception as error:
                    require_life(error)
                    if not is_index_error(error) or is_askers_fault():
                        raise
                    self._repairs.broke(collection, str(error))
        filling = self._repairs.filling(collection)
        return by_log(filling) if filling is not None and by_log is not None else ask()

    def _require_trusted(self, collection: str) -> None:
        """Raises Refused for a collection that the engine must not touch."""
        filling = self._repairs.filling(collection)
        if filling is not None and filling.is_refused:
            raise Refused(
                503,
                "InternalError",
                f"The vector engine died {filling.deaths} times of the collection {filling.name} "
                "within a day and leaves it alone until tomorrow. Nothing of it is lost; it can "
                "be deleted.",
            )


_FIELDS = ("documents", "uris", "metadatas", "embeddings")


def _with_vectors(found: Any, vectors: dict[str, Any]) -> Any:
    kept = {field: getattr(found, field) for field in ("ids", "documents", "uris", "metadatas")}
    return SimpleNamespace(**kept, embeddings=[vectors.get(one) for one in found.ids])


def _neighbours(rows: list[list[tuple[str, float]]], records: Any, include: list[str]) -> Any:
    place = {one: n for n, one in enumerate(records.ids)}
    # A record deleted meanwhile is in the log's answer and not among the records.
    rows = [[(one, away) for one, away in row if one in place] for row in rows]

    def column(field: str) -> Any:
        values = getattr(records, field)
        if field not in include or values is None:
            return None
        return [[values[place[one]] for one, _ in row] for row in rows]

    return SimpleNamespace(
        ids=[[one for one, _ in row] for row in rows],
        distances=[[away for _, away in row] for row in rows] if "distances" in include else None,
        **{field: column(field) for field in _FIELDS},
    )
