"""What workers do for imports, exports and copies. Imported in workers by name."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from contextlib import closing
from typing import Any

from mlpi.errors import MlpiError
from mlpi.jobs.context import JobContext, JobFailed
from mlpi.vectors.embedders.loading import load
from mlpi.vectors.records import Condition, Record
from mlpi.vectors.relay import connected
from mlpi.vectors.shelf import Shelf
from mlpi.vectors.store import CollectionStore
from mlpi.vectors.transfer.bringing import Bringer, Stopped
from mlpi.vectors.transfer.formats import opened, writer
from mlpi.vectors.transfer.incoming import Arrival, Incoming, Ledger
from mlpi.vectors.transfer.making import Maker
from mlpi.vectors.transfer.outgoing import Outgoing
from mlpi.vectors.transfer.patience import patiently
from mlpi.vectors.transfer.plan import read_plan
from mlpi.vectors.transfer.reading import Reading, Row


def bring(context: JobContext, params: dict[str, Any]) -> dict[str, Any]:
    """Import a file that waits; how many records, and which rows were left out."""
    incoming = Incoming(context.home)
    try:
        arrival = incoming.get(context.workspace, params["import"])
        ledger = incoming.ledger(arrival.id)
        if ledger.plan != params["key"]:
            ledger = Ledger(plan=params["key"])
        if not incoming.has_file(arrival):
            if ledger.is_done and context.attempt > 1:  # the worker ended before it was heard
                return _outcome(ledger)
            raise JobFailed("this file was imported and is gone; upload it to import it again")
        with connected(context.home, context.workspace) as shelf:
            _bring(context, params, shelf, incoming, arrival, ledger)
    except MlpiError as error:
        raise JobFailed(error.line()) from None
    ledger.is_done = True
    incoming.note(arrival.id, ledger)
    incoming.drop_file(arrival)
    context.progress(
        1.0, f"{ledger.records:,} records", records=ledger.records, skipped=ledger.skipped
    )
    return _outcome(ledger)


def _bring(
    context: JobContext,
    params: dict[str, Any],
    shelf: Shelf,
    incoming: Incoming,
    arrival: Arrival,
    ledger: Ledger,
) -> None:
    collection = CollectionStore(context.home / "chroma").one(
        context.workspace, params["collection"]
    )
    recipe = params.get("embedder")
    embedder = load(recipe, threads=context.cpus) if recipe else None
    with closing(opened(incoming.file(arrival), arrival.format)) as source:
        maker = Maker(
            read_plan(params["plan"], source.head.columns), source.head, collection.dimension
        )
        bringer = Bringer(
            shelf,
            collection.id,
            source,
            maker,
            ledger,
            skips_bad=params["skips_bad"],
            note=lambda noted: incoming.note(arrival.id, noted),
            embedder=embedder,
        )
        rate = _Rate(ledger.rows)

        def tell(noted: Ledger) -> None:
            context.progress(
                source.fraction(),
                f"{noted.records:,} records{rate.words(noted.rows)}",
                records=noted.records,
                skipped=noted.skipped,
            )

        try:
            bringer.run(tell)
        except Stopped as stopped:
            raise JobFailed(
                f"{stopped}. {ledger.records:,} records before it are in the collection; "
                "the rest is not."
            ) from None
        except MlpiError as error:
            raise JobFailed(
                f"{error.line()} {ledger.records:,} records are in the collection."
            ) from None


def _outcome(ledger: Ledger) -> dict[str, Any]:
    return {"records": ledger.records, "skipped": ledger.skipped, "refused": ledger.refused}


def send(context: JobContext, params: dict[str, Any]) -> dict[str, Any]:
    """Write a collection, or what meets a condition, into a file; how many records it holds."""
    outgoing = Outgoing(context.home)
    condition = Condition(params["where"], params["where_document"], params["ids"])
    store = CollectionStore(context.home / "chroma")
    try:
        collection = store.one(context.workspace, params["collection"])
        total = None if condition else collection.count
        with connected(context.home, context.workspace) as shelf:
            path = outgoing.begin(context.job_id)
            file = writer(path, params["format"], collection.dimension)
            count, rate = 0, _Rate(0)
            with closing(file):
                for rows in Reading(store, shelf, collection.id, patiently).rows(condition):
                    _require_vectors(rows)
                    file.write(rows)
                    count += len(rows)
                    _tell(context, count, total, rate)
    except MlpiError as error:
        raise JobFailed(error.line()) from None
    except OSError as error:
        outgoing.drop(context.job_id)
        raise JobFailed(f"the file cannot be written ({error.strerror or error})") from None
    outgoing.finish(context.job_id)
    context.progress(1.0, f"{count:,} records", records=count)
    return {"records": count, "size_bytes": outgoing.file(context.job_id).stat().st_size}


def _require_vectors(rows: list[Row]) -> None:
    bare = next((row.id for row in rows if row.vector is None), None)
    if bare is not None:
        raise JobFailed(f"the record {bare!r} has no vector; export as JSON Lines")


def duplicate(context: JobContext, params: dict[str, Any]) -> dict[str, Any]:
    """Copy a collection's records into another one, on from where an earlier attempt was."""
    store = CollectionStore(context.home / "chroma")
    try:
        source = store.one(context.workspace, params["source"])
        target = store.one(context.workspace, params["collection"])
        position, count = params["position"], params["records"]
        if not _holds(store, context.workspace, source.id, target.id, position):
            position = count = 0
        rate = _Rate(count)
        with connected(context.home, context.workspace) as shelf:
            for rows in Reading(store, shelf, source.id, patiently).rows(Condition(), position):
                _write(shelf, target.id, [_record(row) for row in rows])
                count += len(rows)
                position = store.position(context.workspace, source.id, rows[-1].id) or position
                _tell(context, count, source.count, rate, position=position)
    except MlpiError as error:
        raise JobFailed(error.line()) from None
    context.progress(1.0, f"{count:,} records", records=count)
    return {"records": count}


def _holds(store: CollectionStore, workspace: str, source: str, target: str, position: int) -> bool:
    """Whether the copy has what was said to be written last: after a power cut it may not."""
    last = store.ids(workspace, source, position - 1, 1) if position else []
    return (
        bool(last)
        and last[0][0] == position
        and bool(store.position(workspace, target, last[0][1]))
    )


def _write(shelf: Shelf, collection_id: str, records: list[Record]) -> None:
    patiently(lambda: shelf.write("upsert", collection_id, records))


def _record(row: Row) -> Record:
    vector = None if row.vector is None else array("f", row.vector)
    return Record(row.id, row.document, row.metadata or {}, vector, row.uri)


def _tell(
    context: JobContext, count: int, total: int | None, rate: _Rate, **counters: float
) -> None:
    # Never whole before it is: the last rows of a page that is still to come may be new.
    fraction = min(0.999, count / total) if total else None
    of = f" of {total:,}" if total else ""
    words = f"{count:,}{of} records{rate.words(count)}"
    context.progress(fraction, words, records=count, **counters)


class _Rate:
    """Records a second, over all of this attempt."""

    def __init__(self, begin: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._begin = begin
        self._clock = clock
        self._begun = clock()

    def words(self, count: int) -> str:
        span = self._clock() - self._begun
        return f", {(count - self._begin) / span:,.0f} a second" if span > 1 else ""
