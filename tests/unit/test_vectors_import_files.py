"""Files of records: what is seen in them, what is proposed, and what each row becomes."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlpi.errors import Invalid
from mlpi.vectors.records import Record
from mlpi.vectors.transfer.formats import format_of, npy, opened
from mlpi.vectors.transfer.formats.source import BadRow, FileBroken, Head, Raw
from mlpi.vectors.transfer.looking import Look, look_here
from mlpi.vectors.transfer.looking import look as look_anyhow
from mlpi.vectors.transfer.making import Maker, numbers_of
from mlpi.vectors.transfer.plan import Plan, families, read_plan
from tests.vectors_files import as_csv, as_jsonl, as_npy, as_parquet, as_zip

Keep = Callable[[bytes], Path]
ROWS = [
    {"id": "a", "text": "first", "topic": "birds", "n": 1, "embedding": [0.5, 1.0, -2.0]},
    {"id": "b", "text": "", "topic": None, "n": 2, "embedding": [0.25, 0.0, 3.0]},
]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Puts bytes into a file without any ending, as uploads are."""

    def kept(content: bytes) -> Path:
        path = tmp_path / "data"
        path.write_bytes(content)
        return path

    return kept


def seen(content: bytes, kind: str, keep: Keep) -> Look:
    return look_here(keep(content), kind, "file-")


def made(
    content: bytes, kind: str, keep: Keep, plan: dict[str, Any] | None = None, skip: int = 0
) -> list[Record | BadRow]:
    """What each row becomes by a plan, or by the one that is proposed."""
    path = keep(content)
    given = look_here(path, kind, "file-").proposal if plan is None else plan
    found: list[Record | BadRow] = []
    with closing(opened(path, kind)) as source:
        maker = Maker(read_plan(given, source.head.columns), source.head, None)
        for raw in source.rows(skip):
            try:
                found.append(maker.record(raw))
            except BadRow as error:
                found.append(error)
    return found


def reasons(found: list[Record | BadRow]) -> list[tuple[str, str] | None]:
    return [(one.column, one.reason) if isinstance(one, BadRow) else None for one in found]


@pytest.mark.parametrize(
    ("kind", "write"), [("csv", as_csv), ("jsonl", as_jsonl), ("parquet", as_parquet)]
)
def test_the_same_rows_are_the_same_records_in_every_format(
    kind: str, write: Any, keep: Keep
) -> None:
    first, second = made(write(ROWS), kind, keep)
    vector = array("f", [0.5, 1.0, -2.0])
    assert first == Record("a", "first", {"topic": "birds", "n": 1}, vector)
    # Only CSV cannot tell an empty text from none.
    document = None if kind == "csv" else ""
    assert second == Record("b", document, {"n": 2}, array("f", [0.25, 0.0, 3.0]))


def test_an_npy_with_its_lines_is_read_as_records(keep: Keep) -> None:
    vectors = np.array([row["embedding"] for row in ROWS], dtype=np.float32)
    rows = [{key: row[key] for key in ("id", "text", "topic", "n")} for row in ROWS]
    first, second = made(as_zip(vectors, rows), "npy", keep)
    assert first == Record("a", "first", {"topic": "birds", "n": 1}, array("f", vectors[0]))
    assert second == Record("b", "", {"n": 2}, array("f", vectors[1]))


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_an_npy_alone_gets_ids_by_row(kind: str, keep: Keep) -> None:
    vectors = np.array([[0.1, 0.2], [0.3, 65000.0]], dtype=kind)
    found = made(as_npy(vectors), "npy", keep)
    assert [one.id for one in found if isinstance(one, Record)] == ["file-1", "file-2"]
    for one, row in zip(found, vectors, strict=True):
        assert isinstance(one, Record)
        assert one.vector is not None
        assert one.vector.tobytes() == row.astype(np.float32).tobytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (as_npy(np.asfortranarray(np.ones((3, 4), dtype=np.float32))), "Fortran"),
        (as_npy(np.ones((3, 4), dtype=np.int32)), "<i4"),
        (as_npy(np.ones((3, 4), dtype=">f4")), ">f4"),
        (as_npy(np.ones(3, dtype=np.float32)), r"shape \(3,\)"),
        (as_npy(np.array([{"a": 1}, {"b": 2}], dtype=object)), "holds '|O'"),
        (b"not an npy file", "no .npy"),
        (b"", "no .npy"),
        (npy._MAGIC + b"\x01\x00" + struct.pack("<H", 12) + b"__import__()", "head"),
    ],
)
def test_an_npy_of_another_kind_is_refused(content: bytes, words: str, keep: Keep) -> None:
    with pytest.raises(FileBroken, match=words.replace("|", r"\|")):
        opened(keep(content), "npy")


def test_a_torn_npy_ends_with_a_word(keep: Keep) -> None:
    whole = as_npy(np.ones((3, 4), dtype=np.float32))
    with pytest.raises(FileBroken, match="row 3 of the 3"):
        made(whole[:-1], "npy", keep)


def test_lines_and_rows_of_a_zip_must_be_as_many(keep: Keep) -> None:
    vectors = np.ones((3, 2), dtype=np.float32)
    with pytest.raises(FileBroken, match="ends before row 3"):
        made(as_zip(vectors, [{"a": 1}, {"a": 2}]), "npy", keep)
    with pytest.raises(FileBroken, match="more lines"):
        made(as_zip(vectors, [{"a": n} for n in range(4)]), "npy", keep)


def test_numbered_columns_are_one_vector(keep: Keep) -> None:
    rows = [{"key": "k", "v10": 9, **{f"v{n}": n / 4 for n in range(10)}}]
    look = seen(as_csv(rows), "csv", keep)
    assert [(one.name, one.count) for one in look.shown] == [("key", 1), ("v*", 11)]
    assert look.proposal["vector"] == "v*"
    (record,) = made(as_csv(rows), "csv", keep)
    assert isinstance(record, Record)
    assert record.vector == array("f", [*(n / 4 for n in range(10)), 9])
    assert record.metadata == {}


def test_a_few_bad_vectors_do_not_hide_which_column_has_them(keep: Keep) -> None:
    rows: list[dict[str, Any]] = [{"id": f"r{n}", "v": [1.0, float(n)]} for n in range(5)]
    rows[1]["v"], rows[3]["v"] = [1.0], ["x"]
    assert seen(as_jsonl(rows), "jsonl", keep).proposal["vector"] == "v"
    rows[2]["v"] = None
    rows[4]["v"] = [1.0, 2.0, 3.0]
    assert seen(as_jsonl(rows), "jsonl", keep).proposal["vector"] is None


def test_columns_with_gaps_are_no_vector() -> None:
    assert families(["a0", "a2", "b1", "b2", "c7", "d"]) == {"b": ["b1", "b2"]}


@pytest.mark.parametrize("text", ["[1, 2.5]", "1 2.5", "1,2.5", "1;2.5", " ( 1 , 2.5 ) ", "1\t2.5"])
def test_a_vector_is_read_from_texts(text: str) -> None:
    assert numbers_of(text) == array("f", [1, 2.5])


@pytest.mark.parametrize("value", ["", "[]", "one two", [], ["a"], [None, 1.0], 3, {"a": 1}, b"ab"])
def test_what_is_no_vector_is_refused(value: Any) -> None:
    with pytest.raises(BadRow):
        numbers_of(value)


def test_kinds_are_guessed_from_all_rows_that_are_looked_at(keep: Keep) -> None:
    rows = [
        {"id": "a", "v": "1 2", "n": 1, "price": 1, "zip": "01234", "ok": "TRUE", "mixed": 1},
        {"id": "b", "v": "3 4", "n": "", "price": 2.5, "zip": "4321", "ok": "false", "mixed": "x"},
    ]
    fields = seen(as_csv(rows), "csv", keep).proposal["fields"]
    kinds = {key: one["kind"] for key, one in fields.items()}
    assert kinds == {
        "n": "whole",
        "price": "number",
        "zip": "text",
        "ok": "yes or no",
        "mixed": "text",
    }
    first, second = made(as_csv(rows), "csv", keep)
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert first.metadata == {"n": 1, "price": 1.0, "zip": "01234", "ok": True, "mixed": "1"}
    assert second.metadata == {"price": 2.5, "zip": "4321", "ok": False, "mixed": "x"}
    assert [type(first.metadata[key]) for key in ("n", "price")] == [int, float]


def test_a_value_of_another_kind_is_a_bad_row(keep: Keep) -> None:
    plan = {"id": "id", "vector": "v", "fields": {"n": {"key": "count", "kind": "whole"}}}
    rows = [{"id": "a", "v": "1 2", "n": "3"}, {"id": "b", "v": "1 2", "n": "many"}]
    first, second = made(as_csv(rows), "csv", keep, plan)
    assert isinstance(first, Record)
    assert first.metadata == {"count": 3}
    assert reasons([second]) == [("n", "'many' is no whole number")]


def test_bad_rows_say_where_and_why(keep: Keep) -> None:
    lines = [
        '{"id": "a", "embedding": [1, 2]}',
        '{"id": "b", "embedding": [1, 2, 3]}',
        '{"id": "", "embedding": [1, 2]}',
        '{"id": null, "embedding": [1, 2]}',
        '{"id": 1.5, "embedding": [1, 2]}',
        '{"id": "f", "embedding": [1, 1e39]}',
        '{"id": "g"}',
        '["h"]',
        '{"id": "i"',
        '{"id": 10, "embedding": [3, 4]}',
        '{"id": "k", "embedding": [1, 2], "metadata": {"chroma:document": "x"}}',
        '{"id": "l", "embedding": [1, 2], "metadata": {"n": 9223372036854775808}}',
    ]
    plan = {"id": "id", "vector": "embedding", "object": "metadata"}
    found = made("\n".join(lines).encode(), "jsonl", keep, plan)
    assert [one.id if isinstance(one, Record) else one.column for one in found] == [
        *("a", "embedding", "id", "id", "id", "embedding", "embedding", "", "", "10"),
        *("metadata", "metadata"),
    ]
    told = [one.reason for one in found if isinstance(one, BadRow)]
    for words, reason in zip(
        ["3 dimensions", "empty", "missing", "fraction", "finite", "no vector", "no JSON object"],
        told,
        strict=False,
    ):
        assert words in reason


def test_nan_in_csv_is_refused_with_its_column(keep: Keep) -> None:
    found = made(b"id,embedding\na,1 nan\nb,1 2\n", "csv", keep)
    assert reasons(found)[0] == (
        "embedding",
        "it holds a number that is not finite in 32 bits (NaN, infinity)",
    )
    assert isinstance(found[1], Record)


def test_rows_of_csv_that_do_not_fit_the_head_are_bad_and_the_next_are_read(keep: Keep) -> None:
    content = b'id;v\na;1 2\nb\nc;1 2;3\n\n"d\nd";5 6\n\xff;1 2\ne;7 8\n'
    path = keep(content)
    with closing(opened(path, "csv")) as source:
        rows = list(source.rows())
    assert [(raw.number, raw.line) for raw in rows] == [
        *((1, 2), (2, 3), (3, 4), (4, 7), (5, 8), (6, 9)),
    ]
    bad = [isinstance(raw.values, BadRow) for raw in rows]
    assert bad == [False, True, True, False, True, False]
    assert not isinstance(rows[3].values, BadRow)
    assert rows[3].values["id"] == "d\nd"


@pytest.mark.parametrize("write", [as_csv, as_jsonl, as_parquet], ids=["csv", "jsonl", "parquet"])
def test_reading_goes_on_behind_the_rows_that_are_skipped(write: Any, keep: Keep) -> None:
    kind = write.__name__.removeprefix("as_")
    rows = [{"id": f"r{n}", "embedding": [float(n), 1.0]} for n in range(350)]
    found = made(write(rows), kind, keep, skip=230)
    assert [one.id for one in found if isinstance(one, Record)] == [
        f"r{n}" for n in range(230, 350)
    ]


def test_values_of_parquet_become_what_chroma_keeps(keep: Keep) -> None:
    row = {
        "id": 7,
        "embedding": [1.0, 2.0],
        "at": datetime(2026, 5, 1, 12, tzinfo=UTC),
        "day": date(2026, 5, 1),
        "price": Decimal("1.50"),
        "tags": ["a", "b"],
        "none": [],
        "nested": {"a": {"b": [1, None]}},
        "flag": True,
        "missing": None,
        "lost": float("nan"),
    }
    (record,) = made(as_parquet([row]), "parquet", keep)
    assert isinstance(record, Record)
    assert record.id == "7"
    assert record.metadata == {
        "at": "2026-05-01T12:00:00+00:00",
        "day": "2026-05-01",
        "price": 1.5,
        "tags": ["a", "b"],
        "nested": '{"a":{"b":[1,null]}}',
        "flag": True,
    }


def test_vectors_of_any_list_type_of_parquet_are_read(keep: Keep) -> None:
    kinds = [pa.list_(pa.float32(), 2), pa.list_(pa.float64()), pa.list_(pa.float16(), 2)]
    for kind in kinds:
        schema = pa.schema([("id", pa.string()), ("embedding", kind)])
        content = as_parquet([{"id": "a", "embedding": [0.5, -1.5]}], schema)
        (record,) = made(content, "parquet", keep)
        assert isinstance(record, Record)
        assert record.vector == array("f", [0.5, -1.5])


def test_bytes_and_infinity_are_no_metadata(keep: Keep) -> None:
    rows: list[dict[str, Any]] = [{"id": "a", "embedding": [1.0, 2.0], "x": b"\x00\x01"}]
    assert reasons(made(as_parquet(rows), "parquet", keep)) == [
        ("x", "bytes cannot be kept in metadata")
    ]
    rows = [{"id": "a", "embedding": [1.0, 2.0], "x": float("inf")}]
    assert reasons(made(as_parquet(rows), "parquet", keep)) == [
        ("x", "infinity cannot be kept in metadata")
    ]


def test_a_parquet_file_is_looked_into_by_another_process(keep: Keep) -> None:
    content = as_parquet(ROWS)
    assert look_anyhow(keep(content), "parquet", "file-") == seen(content, "parquet", keep)
    with pytest.raises(FileBroken, match="no Parquet file"):
        look_anyhow(keep(content[:-9]), "parquet", "file-")


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", "csv", "no head"),
        (b"a,a\n1,2\n", "csv", "Two columns are called 'a'"),
        (b"\xff\xfe,b\n", "csv", "UTF-8"),
        (b"", "jsonl", "empty"),
        (b"[1]\n", "jsonl", "Line 1"),
        (b"PAR1 and nothing else", "parquet", "no Parquet"),
    ],
)
def test_a_file_that_is_none_says_so(content: bytes, kind: str, words: str, keep: Keep) -> None:
    with pytest.raises(FileBroken, match=words):
        opened(keep(content), kind)


def test_the_format_is_what_the_name_says() -> None:
    assert [format_of(name) for name in ("A.CSV", "b.ndjson", "c.pq", "d.zip")] == [
        *("csv", "jsonl", "parquet", "npy"),
    ]
    with pytest.raises(Invalid, match="no format"):
        format_of("model.pt")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"vectors": "a"}, "no 'vectors'"),
        ({"vector": "x"}, "no column 'x'"),
        ({"vector": "w*"}, "no column 'w\\*'"),
        ({"id": "a", "vector": "a"}, "two uses"),
        ({"id": "a"}, "Neither"),
        ({"vector": "a", "fields": {"b": "k", "c": "k"}}, "become the key 'k'"),
        ({"vector": "a", "fields": {"b": "chroma:document"}}, "Chroma's own"),
        ({"vector": "a", "fields": {"b": {"kind": "colour"}}}, "no kind of value"),
        ({"vector": 3}, "name of a column"),
        ({"vector": "a", "fields": ["b"]}, "maps columns"),
    ],
)
def test_a_mapping_that_does_not_fit_the_file_is_refused(given: Any, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        read_plan(given, ["a", "b", "c"])


def test_a_document_without_a_vector_waits_to_be_embedded() -> None:
    plan = Plan(id="id", document="text")
    maker = Maker(plan, Head(["id", "text"]), None)
    found = maker.record(Raw(1, 2, {"id": "a", "text": "words"}))
    assert found == Record("a", "words", {}, None)
    with pytest.raises(BadRow, match="empty"):
        maker.record(Raw(2, 3, {"id": "b", "text": None}))
