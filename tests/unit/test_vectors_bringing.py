"""An import goes on where it was, embeds what has no vector, and waits for an engine that rests."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from mlpi.errors import Invalid, NotReady
from mlpi.vectors.embedders.loading import MOST_AT_ONCE
from mlpi.vectors.records import Condition, Record
from mlpi.vectors.transfer import bringing
from mlpi.vectors.transfer.bringing import Bringer, Stopped
from mlpi.vectors.transfer.formats.source import Head, Raw
from mlpi.vectors.transfer.incoming import Arrival, Incoming, Ledger
from mlpi.vectors.transfer.making import Maker
from mlpi.vectors.transfer.patience import PAUSE_S, patiently
from mlpi.vectors.transfer.plan import Plan

PLAN = Plan(id="id", document="text", vector="v")
HEAD = Head(["id", "text", "v"])


class Kept:
    """A shelf in memory, which dies after so many records and refuses what it is told to."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.writes: list[int] = []
        self.dies_after = 10**9
        self.refuses = ""

    def write(self, deed: str, collection_id: str, records: Sequence[Record]) -> None:
        assert (deed, collection_id) == ("upsert", "c")
        if any(one.id == self.refuses for one in records):
            raise Invalid("It is not to my liking.")
        if len(self.records) + len(records) > self.dies_after:
            raise KeyboardInterrupt
        self.writes.append(len(records))
        self.records |= {one.id: one for one in records}

    def get(self, collection_id: str, condition: Condition) -> list[Record]:
        assert collection_id == "c"
        return [self.records[id_] for id_ in condition.ids or () if id_ in self.records]


class Rows:
    """A source in memory."""

    head = HEAD

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self._rows = rows
        self.read = 0

    def rows(self, skip: int = 0) -> Iterator[Raw]:
        for number, values in enumerate(self._rows[skip:], skip + 1):
            self.read += 1
            yield Raw(number, number, values)

    def fraction(self) -> float | None:
        return None

    def close(self) -> None: ...


def rows_of(count: int) -> list[dict[str, Any]]:
    return [{"id": f"r{n}", "text": f"t{n}", "v": [float(n), 1.0]} for n in range(count)]


def bring(
    shelf: Kept,
    source: Rows,
    ledger: Ledger,
    *,
    skips_bad: bool = False,
    plan: Plan = PLAN,
    embedder: Any = None,
) -> Ledger:
    bringer = Bringer(
        shelf,  # type: ignore[arg-type]
        "c",
        source,
        Maker(plan, HEAD, None),
        ledger,
        skips_bad=skips_bad,
        note=lambda _: None,
        embedder=embedder,
    )
    return bringer.run(lambda _: None)


def test_what_was_written_is_not_read_again() -> None:
    shelf, ledger, rows = Kept(), Ledger(), rows_of(1700)
    shelf.dies_after = 1000
    with pytest.raises(KeyboardInterrupt):
        bring(shelf, Rows(rows), ledger)
    assert (ledger.rows, ledger.records) == (1000, 1000)
    shelf.dies_after = 10**9
    again = Rows(rows)
    assert bring(shelf, again, ledger).records == 1700
    assert again.read == 700
    assert list(shelf.records) == [row["id"] for row in rows]


def test_a_ledger_is_not_believed_when_its_last_records_are_gone() -> None:
    shelf, ledger, rows = Kept(), Ledger(), rows_of(1200)
    shelf.dies_after = 1000
    with pytest.raises(KeyboardInterrupt):
        bring(shelf, Rows(rows), ledger)
    shelf.dies_after = 10**9
    del shelf.records["r999"]  # a power cut after the ledger was written, and before the record
    again = Rows(rows)
    assert bring(shelf, again, ledger).records == 1200
    assert again.read == 1200
    assert len(shelf.records) == 1200


def test_batches_are_small_and_an_id_is_in_each_once() -> None:
    shelf, rows = Kept(), rows_of(1100)
    rows[700]["id"] = "r600"
    rows[800]["text"] = "x" * (bringing.BATCH_CHARS + 1)
    ledger = bring(shelf, Rows(rows), Ledger())
    assert max(shelf.writes) == bringing.BATCH
    assert shelf.writes == [500, 200, 101, 299]
    assert shelf.records["r600"].document == "t700"
    assert (ledger.records, len(shelf.records)) == (1100, 1099)


def test_the_row_that_the_engine_refuses_is_found() -> None:
    shelf, rows = Kept(), rows_of(600)
    shelf.refuses = "r333"
    with pytest.raises(Stopped, match=r"line 334: It is not to my liking$"):
        bring(shelf, Rows(rows), ledger := Ledger())
    assert (ledger.rows, ledger.records) == (333, 333)
    assert list(shelf.records) == [f"r{n}" for n in range(333)]
    bring(shelf, Rows(rows), ledger, skips_bad=True)
    assert (ledger.records, ledger.skipped) == (599, 1)
    assert ledger.refused == [[334, 334, "", "It is not to my liking"]]


def test_what_came_before_a_bad_row_is_there() -> None:
    shelf, rows = Kept(), rows_of(700)
    rows[650]["v"] = [1.0]
    with pytest.raises(Stopped, match="line 651, column 'v'"):
        bring(shelf, Rows(rows), ledger := Ledger())
    assert (ledger.rows, len(shelf.records)) == (650, 650)


class Lengths:
    """An embedder by the length of a text; of an empty one it makes no number."""

    dimension = 2

    def embed(self, texts: Sequence[str]) -> Any:
        assert len(texts) <= MOST_AT_ONCE
        return np.array([[len(text), float("nan") if text == "" else 1] for text in texts], "f4")


def test_documents_without_vectors_are_embedded() -> None:
    shelf = Kept()
    rows = [{"id": f"r{n}", "text": "x" * (n % 9)} for n in range(200)]
    plan = Plan(id="id", document="text")
    ledger = bring(shelf, Rows(rows), Ledger(), plan=plan, embedder=Lengths(), skips_bad=True)
    assert shelf.records["r5"].vector == array("f", [5.0, 1.0])
    empty = [n for n in range(200) if n % 9 == 0]
    assert [one[0] for one in ledger.refused] == [n + 1 for n in empty]
    assert all("finite" in one[3] for one in ledger.refused)
    assert len(shelf.records) == 200 - len(empty)


def test_an_engine_that_starts_anew_is_waited_for() -> None:
    answers: list[Any] = [NotReady(), NotReady(), "here"]
    pauses: list[float] = []

    def call() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(call, rest=pauses.append) == "here"
    assert pauses == [PAUSE_S] * 2


def test_a_torn_ledger_is_an_empty_one(tmp_path: Any) -> None:
    incoming = Incoming(tmp_path)
    (tmp_path / "file").write_bytes(b"x")
    arrival = Arrival("0" * 32, "lab", "x.csv", 1, "csv", "c", "", "l2", {})
    incoming.keep(tmp_path / "file", arrival)
    incoming.note(arrival.id, Ledger(plan="p", rows=7))
    assert incoming.ledger(arrival.id).rows == 7
    path = tmp_path / "vectors" / "imports" / arrival.id / "ledger.json"
    path.write_text(path.read_text()[:-5])
    assert incoming.ledger(arrival.id) == Ledger()
    assert incoming.get("lab", arrival.id) == arrival
