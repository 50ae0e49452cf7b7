"""The import itself: rows to records to the engine, a few hundred at a time."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from mlpi.errors import Invalid
from mlpi.vectors.embedders.loading import MOST_AT_ONCE, Embedder
from mlpi.vectors.records import Condition, Record
from mlpi.vectors.shelf import Shelf
from mlpi.vectors.transfer.formats.source import BadRow, Raw, Source
from mlpi.vectors.transfer.incoming import Ledger
from mlpi.vectors.transfer.making import Maker
from mlpi.vectors.transfer.patience import patiently

BATCH = 500  # records; far below what Chroma takes at once
BATCH_CHARS = 8_000_000  # of their texts together
# Writes down how far it is.
Note = Callable[[Ledger], None]


class Stopped(Exception):
    """A row is bad, and bad rows were not to be left out."""


@dataclass(frozen=True, slots=True)
class Made:
    """A record, and the row it is from."""

    raw: Raw
    record: Record


class Bringer:
    """Imports one source into one collection.

    A record that is there already gets what the row has: its vector, and those keys and texts
    that the row names. So the same rows twice do no harm, and of two rows with one id the later
    one is written over the earlier.
    """

    def __init__(
        self,
        shelf: Shelf,
        collection_id: str,
        source: Source,
        maker: Maker,
        ledger: Ledger,
        *,
        skips_bad: bool,
        note: Note,
        embedder: Embedder | None = None,
    ) -> None:
        self._shelf = shelf
        self._collection_id = collection_id
        self._source = source
        self._maker = maker
        self._ledger = ledger
        self._skips_bad = skips_bad
        self._note = note
        self._embedder = embedder

    def run(self, tell: Callable[[Ledger], None]) -> Ledger:
        """Import what the ledger does not hold yet. Raises Stopped, FileBroken, NotReady."""
        if not self._is_believed():
            ledger = self._ledger
            ledger.rows = ledger.records = ledger.skipped = 0
            ledger.refused, ledger.last_ids = [], []
        try:
            for batch, last_row in self._batches():
                self._write(batch)
                self._ledger.rows = max(self._ledger.rows, last_row)
                self._note(self._ledger)
                tell(self._ledger)
        finally:
            self._note(self._ledger)
        return self._ledger

    def _is_believed(self) -> bool:
        """Whether what was written last is still there: after a power cut it may not be."""
        ids = sorted(set(self._ledger.last_ids))
        if not ids:
            return self._ledger.rows == 0
        found = patiently(lambda: self._shelf.get(self._collection_id, Condition(ids=ids)))
        return len(found) == len(ids)

    def _batches(self) -> Iterator[tuple[list[Made], int]]:
        """Records to write, and the row after whose writing the ledger may be moved on."""
        batch: list[Made] = []
        ids: set[str] = set()
        chars, row = 0, self._ledger.rows
        for raw in self._source.rows(self._ledger.rows):
            try:
                record = self._maker.record(raw)
            except BadRow as error:
                if not self._skips_bad:
                    yield batch, row  # what came before it is imported
                self._refuse(raw, error)
                row = raw.number
                continue
            if record.id in ids or len(batch) >= BATCH or chars > BATCH_CHARS:
                yield batch, row
                batch, ids, chars = [], set(), 0
            batch.append(Made(raw, record))
            ids.add(record.id)
            chars += len(record.document or "") + 64
            row = raw.number
        yield batch, row

    def _write(self, batch: Sequence[Made]) -> None:
        batch = self._embedded(batch)
        if not batch:
            return
        records = [one.record for one in batch]
        try:
            patiently(lambda: self._shelf.write("upsert", self._collection_id, records))
        except Invalid as error:
            # One of them is not to the engine's liking; it refuses all before it writes any.
            if len(batch) == 1:
                self._refuse(batch[0].raw, BadRow(error.message.rstrip(".")))
                return
            half = len(batch) // 2
            self._write(batch[:half])
            self._write(batch[half:])
            return
        ledger = self._ledger
        ledger.records += len(batch)
        ledger.rows = max(ledger.rows, batch[-1].raw.number)
        ledger.last_ids = [one.id for one in records[-20:]]

    def _embedded(self, batch: Sequence[Made]) -> Sequence[Made]:
        """The same with vectors for those that brought a document only."""
        bare = [index for index, one in enumerate(batch) if one.record.vector is None]
        if not bare:
            return batch
        assert self._embedder is not None
        made: dict[int, Made] = dict(enumerate(batch))
        for start in range(0, len(bare), MOST_AT_ONCE):
            part = bare[start : start + MOST_AT_ONCE]
            rows = self._embedder.embed([batch[index].record.document or "" for index in part])
            for index, row in zip(part, rows, strict=True):
                one, vector = batch[index], array("f")
                vector.frombytes(row.tobytes())
                try:
                    self._maker.check(vector)
                except BadRow as error:
                    self._refuse(one.raw, error)
                    del made[index]
                else:
                    made[index] = Made(one.raw, replace(one.record, vector=vector))
        return list(made.values())

    def _refuse(self, raw: Raw, error: BadRow) -> None:
        if not self._skips_bad:
            raise Stopped(sentence(raw.number, raw.line, error.column, error.reason))
        self._ledger.refuse(raw.number, raw.line, error.column, error.reason)


def sentence(row: int, line: int | None, column: str, reason: str) -> str:
    """Where a row is bad and why."""
    where = f"row {row:,}" if line is None else f"line {line:,}"
    return f"{where}, column {column!r}: {reason}" if column else f"{where}: {reason}"
