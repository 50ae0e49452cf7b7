"""Reading tables: what is right is read whole and in order, what is wrong is named by place."""

from __future__ import annotations

import json
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlpi.checks.engine import delimited, excel
from mlpi.checks.engine.reading import SourceUnreadable, Timeouts, open_table
from mlpi.checks.engine.table import Table
from mlpi.checks.source import SQL, Source
from mlpi.jobs.context import JobFailed
from tests.postgres import Postgres

Read = tuple[list[tuple[str, str]], list[tuple[Any, ...]], Table]
ROWS = 60_000  # several of DuckDB's buffers' worth of work, and more than its sample


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@contextmanager
def opened(source: Source, scratch: Path, **more: Any) -> Iterator[Table]:
    with open_table(source, folder=scratch, **more) as table:
        yield table
    assert list(scratch.iterdir()) == [], "something was left in the scratch folder"


def moment(*parts: int) -> datetime:
    """As tables give it: in UTC, and without saying so."""
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)


def write(folder: Path, content: bytes | str, name: str = "data.csv") -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def read(source: Source, scratch: Path, **more: Any) -> Read:
    with opened(source, scratch, **more) as table:
        rows = table.connection.execute(f"SELECT * FROM {table.relation}").fetchall()
        return [(one.name, one.type) for one in table.columns], rows, table


def csv(
    folder: Path, content: bytes | str, fmt: str = "csv", limit: int | None = None, **options: Any
) -> Read:
    source = Source(fmt, path=write(folder, content), options=options, row_limit=limit)
    return read(source, folder / "scratch")


def refusal(source: Source, scratch: Path, **more: Any) -> str:
    """The one line that a source is refused with."""
    with pytest.raises(SourceUnreadable) as caught, open_table(source, folder=scratch, **more):
        pass
    assert list(scratch.iterdir()) == []
    text = str(caught.value)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def csv_refusal(folder: Path, content: bytes | str, fmt: str = "csv", **options: Any) -> str:
    return refusal(Source(fmt, path=write(folder, content), options=options), folder / "scratch")


def good_lines(count: int = ROWS) -> str:
    return "id,word,share\n" + "".join(f"{i},w{i},{i / 4}\n" for i in range(count))


# --- text ------------------------------------------------------------------------------------


def test_a_refusal_is_a_job_that_failed_with_one_line() -> None:
    assert issubclass(SourceUnreadable, JobFailed)


def test_types_are_found_and_rows_keep_their_order(tmp_path: Path) -> None:
    source = Source("csv", path=write(tmp_path, good_lines()))
    with opened(source, tmp_path / "scratch") as table:
        assert [one.type for one in table.columns] == ["BIGINT", "VARCHAR", "DOUBLE"]
        numbered = f"SELECT id, row_number() OVER () AS row FROM {table.relation}"
        wrong = table.connection.execute(
            f"SELECT count(*), count(*) FILTER (id + 1 <> row) FROM ({numbered})"
        ).fetchone()
    assert wrong == (ROWS, 0)


@pytest.mark.parametrize(("line", "found"), [("1,2,3,4", "more"), ("1,2", "2")])
def test_a_ragged_row_is_named_by_its_line(tmp_path: Path, line: str, found: str) -> None:
    text = csv_refusal(tmp_path, good_lines() + line + "\n5,x,7\n")
    assert f"line {ROWS + 2:,}: 3 values expected, {found} found: '{line}'" in text
    assert "ignore_bad_lines" in text


def test_the_line_is_that_of_an_editor_also_after_line_breaks_in_quotes(tmp_path: Path) -> None:
    text = csv_refusal(tmp_path, good_lines(3000) + '7,"x\ny\nz",1\n\n\n1,2\n')
    assert "line 3,007: 3 values expected" in text


def test_a_ragged_row_among_the_first_is_named_too(tmp_path: Path) -> None:
    text = csv_refusal(tmp_path, "My title\n\na,b,c\n1,2,3\n4,5,6\n")
    assert "line 3: 1 value expected" in text
    assert "skip_rows" in text
    assert csv(tmp_path, "My title\n\na,b,c\n1,2,3\n", skip_rows=2)[1] == [(1, 2, 3)]


def test_a_line_that_begins_with_a_hash_is_data(tmp_path: Path) -> None:
    assert csv(tmp_path, "a,b\n#1,2\n3,4\n")[1] == [("#1", 2), ("3", 4)]


def test_bad_lines_are_skipped_and_counted_when_asked(tmp_path: Path) -> None:
    bad = '1,2,3,4\n8,"x"y,1\n1,2\n'
    columns, rows, table = csv(tmp_path, good_lines() + bad + "5,x,7\n", ignore_bad_lines=True)
    assert columns[0] == ("id", "BIGINT")
    assert (len(rows), rows[-1], table.skipped_lines) == (ROWS + 1, (5, "x", 7.0), 3)


def test_a_quote_that_never_closes_costs_its_own_line_and_no_other(tmp_path: Path) -> None:
    content = good_lines() + '1,"open,3\n' + "".join(f"{i},v{i},1\n" for i in range(ROWS))
    assert f"line {ROWS + 2:,} ('1,\"open,3')" in csv_refusal(tmp_path, content)
    _, rows, table = csv(tmp_path, content, ignore_bad_lines=True)
    assert (len(rows), table.skipped_lines) == (2 * ROWS, 1)


def test_a_late_word_among_numbers_makes_the_column_text_and_is_named(tmp_path: Path) -> None:
    columns, rows, table = csv(tmp_path, good_lines() + "n/a,x,1\n")
    assert columns[0] == ("id", "VARCHAR")
    assert rows[-1] == ("n/a", "x", 1.0)
    (warning,) = table.warnings
    assert f"row {ROWS + 1:,} holds 'n/a'" in warning
    columns, rows, table = csv(tmp_path, good_lines() + "n/a,x,1\n", null_values=["n/a"])
    assert (columns[0], rows[-1], table.warnings) == (("id", "BIGINT"), (None, "x", 1.0), ())


@pytest.mark.parametrize(
    ("late", "kind", "value"),
    [
        ("3.5", "DOUBLE", 3.5),  # DuckDB itself would round it to 4
        ("1e-1", "DOUBLE", 0.1),
        ("90071992547409931234", "VARCHAR", "90071992547409931234"),
        ("0x1F", "VARCHAR", "0x1F"),
    ],
)
def test_a_late_number_is_never_rounded(tmp_path: Path, late: str, kind: str, value: Any) -> None:
    columns, rows, _ = csv(tmp_path, good_lines() + f"{late},x,1\n")
    assert (columns[0][1], rows[-1][0]) == (kind, value)


def test_a_late_time_of_day_is_kept(tmp_path: Path) -> None:
    content = "day\n" + "2026-01-02\n" * ROWS + "2026-01-02 10:30:00\n"
    columns, rows, _ = csv(tmp_path, content)
    assert columns == [("day", "TIMESTAMP")]
    assert rows[-1] == (moment(2026, 1, 2, 10, 30),)


def test_a_column_that_begins_empty_gets_the_type_of_its_late_values(tmp_path: Path) -> None:
    content = "a,b,c\n" + "1,,\n" * ROWS + "1,7,2026-05-01\n"
    columns, rows, _ = csv(tmp_path, content)
    assert [kind for _, kind in columns] == ["BIGINT", "BIGINT", "DATE"]
    assert rows[-1] == (1, 7, date(2026, 5, 1))


def test_nan_is_missing_and_infinity_is_not(tmp_path: Path) -> None:
    _, rows, _ = csv(tmp_path, "x,y\n1.5,1\nnan,2\ninf,3\n")
    assert rows == [(1.5, 1), (None, 2), (float("inf"), 3)]


def test_a_time_with_a_zone_is_the_same_moment_in_utc(tmp_path: Path) -> None:
    columns, rows, _ = csv(tmp_path, "at\n2026-01-01T10:00:00+02:00\n2026-01-01T10:00:00Z\n")
    assert columns == [("at", "TIMESTAMP")]
    assert rows == [(moment(2026, 1, 1, 8),), (moment(2026, 1, 1, 10),)]


def known(folder: Path, content: str, **options: Any) -> tuple[Read, Read]:
    """A text read twice: whole, and with what the first reading found out."""
    source = Source("csv", path=write(folder, content), options=options)
    first = read(source, folder / "scratch")
    reading = json.loads(json.dumps(first[2].reading))
    return first, read(replace(source, reading=reading), folder / "scratch")


def test_a_text_that_was_read_whole_before_is_read_the_same_way(tmp_path: Path) -> None:
    content = "n;when;word;late\n1;2026-05-01T10:00:00+02:00;a;\n" + "2;;ü;\n" * ROWS + "3.5;;b;7\n"
    first, again = known(tmp_path, content, null_values=["-"])
    assert again[:2] == first[:2]
    assert again[2].warnings == first[2].warnings
    assert "row 60,002 holds '3.5'" in first[2].warnings[0]
    assert [kind for _, kind in first[0]] == ["DOUBLE", "TIMESTAMP", "VARCHAR", "BIGINT"]


def test_what_was_found_out_does_not_hold_for_other_options(tmp_path: Path) -> None:
    first, _ = known(tmp_path, "a;b\n1;x\n")
    options = {"has_header": False}
    source = Source("csv", path=write(tmp_path, "a;b\n1;x\n"), options=options)
    kinds, rows, _ = read(replace(source, reading=first[2].reading), tmp_path / "scratch")
    assert (len(kinds), rows) == (2, [("a", "b"), ("1", "x")])


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b"a,b\n1,2\n3,4,5\n", {"ignore_bad_lines": True}),
        ("a,b\n1,ü\n".encode("cp1252"), {"encoding": "cp1252"}),
    ],
)
def test_what_holds_for_a_copy_alone_is_not_remembered(
    tmp_path: Path, content: bytes, options: dict[str, Any]
) -> None:
    _, _, table = csv(tmp_path, content, **options)
    assert table.reading is None


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    columns, rows, _ = csv(tmp_path, "a,b\n1,café €\n".encode(encoding))
    assert (columns[0][0], rows) == ("a", [(1, "café €")])


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "shift_jis", "latin-1"])
def test_other_encodings_are_read_when_named(tmp_path: Path, encoding: str) -> None:
    word = "日本" if encoding == "shift_jis" else "café"
    content = ("a,b\n" + f"1,{word}\n" * 400_000).encode(encoding)
    _, rows, _ = csv(tmp_path, content, encoding=encoding)
    assert len(rows) == 400_000
    assert set(rows) == {(1, word)}


def test_a_wrong_encoding_is_refused_with_its_place_and_a_better_one(tmp_path: Path) -> None:
    content = good_lines().encode()
    text = csv_refusal(tmp_path, content + "1,café,3\n".encode("cp1252"))
    assert f"byte {len(content) + 6} (line {ROWS + 2}) is 0xE9" in text
    assert "cp1252" in text
    text = csv_refusal(tmp_path, content + b"1,caf\xe9,3\n", ignore_bad_lines=True)
    assert f"line {ROWS + 2}" in text
    text = csv_refusal(tmp_path, b"a\n\x81\n", encoding="cp1252")
    assert "byte 3 (line 2) is 0x81" in text
    assert "utf-16-le" in csv_refusal(tmp_path, "a,b\n1,2\n".encode("utf-16-le"))
    assert "'klingon' is not known" in csv_refusal(tmp_path, "a\n1\n", encoding="klingon")


@pytest.mark.parametrize("name", ["base64", "rot13", "../../etc/passwd\0"])
def test_what_is_no_encoding_of_text_is_refused(tmp_path: Path, name: str) -> None:
    assert "is not known" in csv_refusal(tmp_path, "a\n1\n", encoding=name)


def test_names_that_collide_or_are_missing_are_made_different_and_said(tmp_path: Path) -> None:
    columns, rows, table = csv(tmp_path, "a,a,A,,b\n1,2,3,4,5\n", has_header=True)
    names = [name for name, _ in columns]
    assert len({name.lower() for name in names}) == 5
    assert (names[0], names[4], rows) == ("a", "b", [(1, 2, 3, 4, 5)])
    assert [warning[:8] for warning in table.warnings] == ["column 2", "column 3", "column 4"]


@pytest.mark.parametrize("content", ["", "\n \n\n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: str) -> None:
    assert "is empty" in csv_refusal(tmp_path, content)


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    columns, rows, _ = csv(tmp_path, "a,b,c\n")
    assert ([name for name, _ in columns], rows) == (["a", "b", "c"], [])


def test_one_column_with_empty_lines_holds_missing_values(tmp_path: Path) -> None:
    assert csv(tmp_path, "n\n1\n\n3\n", has_header=True)[1] == [(1,), (None,), (3,)]


def test_dialects(tmp_path: Path) -> None:
    assert csv(tmp_path, "a;b\n1,5;x\n2,25;y\n", decimal=",")[1] == [(1.5, "x"), (2.25, "y")]
    assert csv(tmp_path, "a\tb\n1\tx,y\n", "tsv")[1] == [(1, "x,y")]
    assert csv(tmp_path, "1|2\n3|4\n", has_header=False, delimiter="|")[1] == [(1, 2), (3, 4)]
    assert csv(tmp_path, "a,b\n'x,y',2\n", quote="'")[1] == [("x,y", 2)]
    assert csv(tmp_path, "d\n01.02.2026\n", date_format="%d.%m.%Y")[1] == [(date(2026, 2, 1),)]
    assert csv(tmp_path, 'a,b\n1,"x\ny"\n2,"say ""hi"""\n')[1] == [(1, "x\ny"), (2, 'say "hi"')]


@pytest.mark.parametrize("content", ["a,b\r\n1,2\n3,4\r5,6\n", "a,b\r1,2\r3,4\r5,6\r"])
def test_any_line_end_is_a_line_end(tmp_path: Path, content: str) -> None:
    assert csv(tmp_path, content)[1] == [(1, 2), (3, 4), (5, 6)]


def test_a_nul_byte_is_data(tmp_path: Path) -> None:
    assert csv(tmp_path, b"a,b\n1,x\0y\n2,z\n")[1] == [(1, "x\0y"), (2, "z")]


def test_a_long_line_is_read_and_one_without_end_is_refused(tmp_path: Path) -> None:
    assert csv(tmp_path, f"a,b\n1,{'x' * 3_000_000}\n2,z\n")[1][1] == (2, "z")
    text = csv_refusal(tmp_path, f"a,b\n1,2\n1,{'x' * delimited.MAX_LINE_BYTES}\n2,z\n")
    assert "line 3: longer than 4 MB" in text
    assert len(text) < 400


def test_formulas_and_html_are_text(tmp_path: Path) -> None:
    rows = csv(tmp_path, "a,b\n=1+1,<b>x</b>\n@SUM(A1),<script>\n")[1]
    assert rows == [("=1+1", "<b>x</b>"), ("@SUM(A1)", "<script>")]


def test_a_row_limit_reads_no_further(tmp_path: Path) -> None:
    content = good_lines() + "wrong\n"
    columns, rows, table = csv(tmp_path, content, limit=10)
    assert (len(rows), columns[0][1], table.warnings) == (10, "BIGINT", ())


def test_a_missing_file_a_folder_and_another_kind_of_file_are_named(
    tmp_path: Path, scratch: Path
) -> None:
    assert "gone.csv does not exist" in refusal(Source("csv", path="/x/gone.csv"), scratch)
    assert "is a folder" in refusal(Source("csv", path=str(tmp_path)), scratch)
    assert "gzip" in csv_refusal(tmp_path, b"\x1f\x8b\x08xxxx")
    assert "Parquet" in csv_refusal(tmp_path, b"PAR1xxxx")
    assert "'docx' is not known" in csv_refusal(tmp_path, "a", "docx")


def test_a_name_that_looks_like_a_pattern_is_one_file(tmp_path: Path, scratch: Path) -> None:
    write(tmp_path, "a\n2\n", "x1.csv")
    path = write(tmp_path, "a\n1\n", "x[1]*.csv")
    assert read(Source("csv", path=path), scratch)[1] == [(1,)]


def test_sql_on_a_table_reaches_no_other_file_and_changes_no_setting(
    tmp_path: Path, scratch: Path
) -> None:
    other = write(tmp_path, "secret\n", "other.csv")
    with opened(Source("csv", path=write(tmp_path, "a\n1\n")), scratch) as table:
        run = table.connection.execute
        for sql in (
            f"SELECT * FROM read_csv('{other}')",
            f"COPY (SELECT 1) TO '{tmp_path / 'new.csv'}'",
            f"ATTACH '{tmp_path / 'new.db'}'",
        ):
            with pytest.raises(duckdb.PermissionException):
                run(sql)
        for sql in ("SET memory_limit = '8GB'", "SET enable_external_access = true"):
            with pytest.raises(duckdb.InvalidInputException):
                run(sql)
        assert run(f"SELECT a FROM {table.relation}").fetchall() == [(1,)]


def test_too_little_memory_is_said_and_spilling_stays_in_the_scratch_folder(
    tmp_path: Path, scratch: Path
) -> None:
    path = write(tmp_path, "id,word\n" + "".join(f"{i},{i:040}\n" for i in range(300_000)))
    with opened(Source("csv", path=path), scratch, memory_bytes=64 << 20, threads=1) as table:
        groups = f"SELECT word FROM {table.relation} GROUP BY word"
        row = table.connection.execute(f"SELECT count(*) FROM ({groups})").fetchone()
    assert row == (300_000,)
    assert "memory" in refusal(Source("csv", path=path), scratch, memory_bytes=4 << 20)


# --- JSON lines ------------------------------------------------------------------------------


def test_json_lines_with_late_keys_and_nested_values(tmp_path: Path) -> None:
    first = '{"a":1,"b":"x","c":{"d":[1]},"m":1,"day":"2026-01-02"}\n\n'
    last = '{"a":2.5,"m":"t","late":true,"day":"2026-01-03"}\n'
    content = first + '{"a":2,"b":null}\n' * ROWS + last
    columns, rows, _ = csv(tmp_path, content, "jsonl")
    assert columns == [
        ("a", "DOUBLE"),
        ("b", "VARCHAR"),
        ("c", "VARCHAR"),
        ("m", "VARCHAR"),
        ("day", "DATE"),
        ("late", "BOOLEAN"),
    ]
    assert rows[0] == (1.0, "x", '{"d":[1]}', "1", date(2026, 1, 2), None)
    assert rows[-1] == (2.5, None, None, "t", date(2026, 1, 3), True)


@pytest.mark.parametrize(
    ("line", "word"), [('{"a":2,]', "not JSON"), ("[1,2]", "an object"), ("nothing", "not JSON")]
)
def test_a_bad_json_line_is_named_or_skipped(tmp_path: Path, line: str, word: str) -> None:
    content = '{"a":1}\n' * ROWS + "\n" + line + '\n{"a":2}\n'
    text = csv_refusal(tmp_path, content, "jsonl")
    assert f"line {ROWS + 2:,}: " in text
    assert word in text
    _, rows, table = csv(tmp_path, content, "jsonl", ignore_bad_lines=True)
    assert (len(rows), rows[-1], table.skipped_lines) == (ROWS + 1, (2,), 1)


def test_nan_in_json_is_missing(tmp_path: Path) -> None:
    assert csv(tmp_path, '{"a":1.5}\n{"a":NaN}\n', "jsonl")[1] == [(1.5,), (None,)]


def test_json_keys_that_differ_by_case_alone_are_refused(tmp_path: Path) -> None:
    assert "'Id'" in csv_refusal(tmp_path, '{"id":1,"Id":2}\n', "jsonl")


# --- Parquet ---------------------------------------------------------------------------------


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "data.parquet"
    table = pa.table(
        {
            "i": list(range(1000)),
            "x": [1.5] * 999 + [float("nan")],
            "word": [f"w{i}" for i in range(1000)],
            "list": [[1, 2]] * 1000,
            "struct": [{"p": 1}] * 1000,
            "at": pa.array([moment(2026, 1, 1)] * 1000, pa.timestamp("us", "Europe/Paris")),
            "price": pa.array([Decimal("1.10")] * 1000),
        }
    )
    pq.write_table(table, path, row_group_size=500, compression="none", use_dictionary=False)
    return path


def test_parquet_with_nested_values(parquet: Path, scratch: Path) -> None:
    columns, rows, _ = read(Source("parquet", path=str(parquet), row_limit=3), scratch)
    kinds = ["BIGINT", "DOUBLE", "VARCHAR", "VARCHAR", "VARCHAR", "TIMESTAMP", "DECIMAL(3,2)"]
    assert [kind for _, kind in columns] == kinds
    assert len(rows) == 3
    last = moment(2026, 1, 1), Decimal("1.10")
    assert rows[0] == (0, 1.5, "w0", "[1,2]", '{"p":1}', *last)
    with opened(Source("parquet", path=str(parquet)), scratch) as table:
        row = table.connection.execute(f"SELECT count(x) FROM {table.relation}").fetchone()
    assert row == (999,)


def test_a_parquet_file_that_lies_is_refused(parquet: Path, scratch: Path) -> None:
    whole = parquet.read_bytes()
    footer = len(whole) - 8 - struct.unpack("<I", whole[-8:-4])[0]
    highest = struct.pack("<q", 999)
    assert highest in whole[footer:]
    lies = {
        "cut short": whole[:-500],
        "does not begin with PAR1": b"hello world, hello",
        "statistics are wrong": whole[:footer] + whole[footer:].replace(highest, b"\5" + b"\0" * 7),
        "is damaged": whole[:100] + whole[4000:],
        "damaged": whole[:5000] + b"\xff" * 5000 + whole[10_000:],
    }
    for word, content in lies.items():
        parquet.write_bytes(content)
        text = refusal(Source("parquet", path=str(parquet)), scratch)
        assert word in text
        assert str(parquet.parent) not in text


# --- Excel -----------------------------------------------------------------------------------


def workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> str:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    book.close()
    return str(path)


def test_excel_sheets_with_their_kinds_of_values(tmp_path: Path, scratch: Path) -> None:
    rows = [
        ["id", "word", "share", "day", "at", "clock", "yes", None],
        [1, 'a, "b"\nc', 0.5, date(2026, 1, 2), moment(2026, 1, 2, 3, 4), time(5, 6), True, 1],
        [],
        [2, "\\N", 2, date(2026, 1, 3), moment(2026, 1, 3), None, False, "#N/A"],
    ]
    path = workbook(tmp_path / "book.xlsx", {"first": [["x"], [1]], "second": rows})
    source = Source("excel", path=path, options={"sheet": "second"})
    columns, found, _ = read(source, scratch)
    kinds = ["BIGINT", "VARCHAR", "DOUBLE", "DATE", "TIMESTAMP", "TIME", "BOOLEAN", "BIGINT"]
    assert [kind for _, kind in columns] == kinds
    assert found == [
        (1, 'a, "b"\nc', 0.5, date(2026, 1, 2), moment(2026, 1, 2, 3, 4), time(5, 6), True, 1),
        (2, "\\N", 2.0, date(2026, 1, 3), moment(2026, 1, 3), None, False, None),
    ]
    assert read(Source("excel", path=path), scratch)[1] == [(1,)]
    text = refusal(Source("excel", path=path, options={"sheet": "third"}), scratch)
    assert "'first', 'second'" in text


def test_formulas_of_excel_are_never_evaluated(tmp_path: Path, scratch: Path) -> None:
    path = workbook(tmp_path / "book.xlsx", {"s": [["a", "b"], [1, "=A2+1"]]})
    assert read(Source("excel", path=path), scratch)[1] == [(1, None)]
    # What Excel saved beside the formula is its value.
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = parts[sheet].replace(b"<f>A2+1</f><v></v>", b"<f>A2+1</f><v>41</v>")
    parts[sheet] = parts[sheet].replace(b"<f>A2+1</f><v />", b"<f>A2+1</f><v>41</v>")
    with zipfile.ZipFile(path, "w") as new:
        for name, content in parts.items():
            new.writestr(name, content)
    assert read(Source("excel", path=path), scratch)[1] == [(1, 41)]


def test_a_zip_bomb_and_what_is_no_workbook_are_refused(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (excel.RATIO_FROM_BYTES + 1))
    assert "would unpack to" in refusal(Source("excel", path=str(path)), scratch)
    for content, word in (
        (b"hello", "not an Excel workbook"),
        (b"\xd0\xcf\x11\xe0 old", "save it as .xlsx"),
    ):
        assert word in refusal(Source("excel", path=write(tmp_path, content, "x.xlsx")), scratch)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", b"x")
    assert "is damaged" in refusal(Source("excel", path=str(path)), scratch)


# --- databases -------------------------------------------------------------------------------


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    path = tmp_path / "data.db"
    database = sqlite3.connect(path)
    database.execute('CREATE TABLE "a.b" (id INTEGER, word TEXT, day DATE, yes BOOLEAN, odd)')
    rows = [(i, f"w{i}", "2026-01-02", i % 2, None) for i in range(1000)]
    database.executemany('INSERT INTO "a.b" VALUES (?, ?, ?, ?, ?)', rows)
    database.execute('INSERT INTO "a.b" VALUES (7, ?, NULL, NULL, ?)', ("", b"\1\2"))
    database.commit()
    database.close()
    return f"sqlite:///{path}"


def test_sqlite_tables_and_queries(sqlite: str, scratch: Path) -> None:
    columns, rows, _ = read(Source(SQL, url=sqlite, table='"a.b"'), scratch)
    kinds = ["BIGINT", "VARCHAR", "DATE", "BOOLEAN", "VARCHAR"]
    assert [kind for _, kind in columns] == kinds
    assert (rows[1], rows[-1]) == (
        (1, "w1", date(2026, 1, 2), True, None),
        (7, "", None, None, "0102"),
    )
    query = 'SELECT sum(id) AS total FROM "a.b"; -- all of them'
    text = refusal(Source(SQL, url=sqlite, query=query + "\nSELECT 2"), scratch)
    assert "one statement" in text
    source = Source(SQL, url=sqlite, query='SELECT id FROM "a.b" ORDER BY id DESC;', row_limit=2)
    assert read(source, scratch)[1] == [(999,), (998,)]


@pytest.mark.parametrize(
    "query",
    ['DELETE FROM "a.b"', 'INSERT INTO "a.b" (id) VALUES (1) RETURNING id', "ATTACH 'new.db' AS n"],
)
def test_sqlite_is_read_only(sqlite: str, scratch: Path, query: str) -> None:
    refusal(Source(SQL, url=sqlite, query=query), scratch)
    source = Source(SQL, url=sqlite, query='SELECT count(*) FROM "a.b"')
    assert read(source, scratch)[1] == [(1001,)]
    assert not Path("new.db").exists()


def test_a_query_that_never_ends_is_ended(sqlite: str, scratch: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"
    limits = Timeouts(total_s=0.2)
    assert "0.2 s" in refusal(Source(SQL, url=sqlite, query=endless), scratch, timeouts=limits)


def test_duckdb_files(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "data.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute("CREATE SCHEMA lab")
        database.execute("CREATE TABLE lab.t AS SELECT range AS i, [range] AS l FROM range(5000)")
    url = f"duckdb:///{path}"
    columns, rows, _ = read(Source(SQL, url=url, table="lab.t"), scratch)
    assert (columns, len(rows), rows[1]) == ([("i", "BIGINT"), ("l", "VARCHAR")], 5000, (1, "[1]"))
    source = Source(SQL, url=url, query="SELECT max(i) AS m FROM lab.t;")
    assert read(source, scratch)[1] == [(4999,)]
    secret = write(tmp_path, "a\n1\n", "secret.csv")
    for query in ("DROP TABLE lab.t", "SELECT 1; SELECT 2", f"SELECT * FROM '{secret}'"):
        refusal(Source(SQL, url=url, query=query), scratch)
    endless = "SELECT count(*) FROM range(100000000000) a, range(1000) b"
    limits = Timeouts(total_s=0.2)
    assert "0.2 s" in refusal(Source(SQL, url=url, query=endless), scratch, timeouts=limits)
    with duckdb.connect(str(path), read_only=True) as database:
        assert database.execute("SELECT count(*) FROM lab.t").fetchone() == (5000,)


def test_what_is_no_database_is_named(tmp_path: Path, scratch: Path) -> None:
    path = write(tmp_path, "hello " * 100, "x.db")
    for kind in ("sqlite", "duckdb"):
        text = refusal(Source(SQL, url=f"{kind}:///{path}", table="t"), scratch)
        assert "x.db" in text
        assert "does not exist" in refusal(
            Source(SQL, url=f"{kind}:///{path}x", table="t"), scratch
        )


@pytest.mark.parametrize(
    "url", ["mysql://u:s3cret@h/d", "s3cret", "postgresql://u:s3cret@h:port/d", "sqlite://s3cret"]
)
def test_a_url_that_is_not_understood_is_not_repeated(scratch: Path, url: str) -> None:
    text = refusal(Source(SQL, url=url, table="t"), scratch)
    assert "s3cret" not in text
    assert "right is" in text
    assert "s3cret" not in repr(Source(SQL, url=url, table="t"))


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    import psycopg

    url = postgres.new_database().replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA lab")
        connection.execute(
            "CREATE TABLE lab.t AS SELECT i, 'w' || i AS word, (i / 4.0)::numeric(10, 2) AS price,"
            " i / 4.0 AS share, 'NaN'::float8 AS x, date '2026-01-02' AS day,"
            " timestamptz '2026-01-02 03:04:05+02' AS at, i % 2 = 0 AS yes,"
            " CASE i WHEN 0 THEN '' WHEN 1 THEN '\\N' END AS odd, ARRAY[i] AS many"
            " FROM generate_series(0, 9999) i"
        )
    return url


@pytest.mark.postgres
def test_postgresql_tables_and_queries(postgres_url: str, scratch: Path) -> None:
    columns, rows, _ = read(Source(SQL, url=postgres_url, table="lab.t"), scratch)
    assert dict(columns) == {
        "i": "BIGINT",
        "word": "VARCHAR",
        "price": "DECIMAL(10,2)",
        "share": "DOUBLE",
        "x": "DOUBLE",
        "day": "DATE",
        "at": "TIMESTAMP",
        "yes": "BOOLEAN",
        "odd": "VARCHAR",
        "many": "VARCHAR",
    }
    at = moment(2026, 1, 2, 1, 4, 5)
    price = Decimal("0.25")
    assert len(rows) == 10_000
    assert rows[0][8] == ""
    assert rows[1] == (1, "w1", price, 0.25, None, date(2026, 1, 2), at, False, "\\N", "{1}")
    source = Source(
        SQL, url=postgres_url, query="SELECT i FROM lab.t ORDER BY i DESC;", row_limit=2
    )
    assert read(source, scratch)[1] == [(9999,), (9998,)]


@pytest.mark.postgres
@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM lab.t RETURNING i",
        "SELECT 1) TO STDOUT; COMMIT; DELETE FROM lab.t; COPY (SELECT 1",
        "SELECT 1; COMMIT; DELETE FROM lab.t",
        "SELECT missing FROM lab.t",
    ],
)
def test_postgresql_is_read_only_and_says_what_was_wrong(
    postgres_url: str, scratch: Path, query: str
) -> None:
    assert "the query" in refusal(Source(SQL, url=postgres_url, query=query), scratch)
    source = Source(SQL, url=postgres_url, query="SELECT count(*) FROM lab.t")
    assert read(source, scratch)[1] == [(10_000,)]


@pytest.mark.postgres
def test_a_statement_of_postgresql_is_limited(postgres_url: str, scratch: Path) -> None:
    source = Source(SQL, url=postgres_url, query="SELECT pg_sleep(60)")
    assert "within 0.2 s" in refusal(source, scratch, timeouts=Timeouts(total_s=0.2))
    limits = Timeouts(silence_s=0.2)
    assert "said nothing for 0.2 s" in refusal(source, scratch, timeouts=limits)


@pytest.mark.postgres
def test_a_database_that_does_not_exist_is_named(postgres_url: str, scratch: Path) -> None:
    url = postgres_url.replace("mlpi@", "mlpi:s3cret@") + "gone"
    text = refusal(Source(SQL, url=url, table="t"), scratch)
    assert "gone" in text
    assert "s3cret" not in text


@contextmanager
def server(*answers: bytes) -> Iterator[int]:
    """A server that answers each message of a client with the next of these, then with nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        clients: list[socket.socket] = []

        def serve() -> None:
            client, _ = listener.accept()
            clients.append(client)
            for answer in answers:
                client.recv(4096)
                client.sendall(answer)
            while client.recv(4096):
                pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        # Not all clients that have given up close their end at once.
        with clients[0] as client, suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        thread.join()


_NO_TLS = b"N"
_WELCOME = b"R" + struct.pack("!II", 8, 0) + b"Z" + struct.pack("!I", 5) + b"I"
_WRONG = b'SFATAL\0C28P01\0Mpassword authentication failed for user "ana" (s3cret)\0\0'
_WRONG_PASSWORD = b"E" + struct.pack("!I", 4 + len(_WRONG)) + _WRONG


@pytest.mark.parametrize(
    ("answers", "limits", "word"),
    [
        ((), Timeouts(connect_s=2), "did not answer within 2 s"),
        ((_NO_TLS, _WELCOME), Timeouts(silence_s=0.2), "said nothing for 0.2 s"),
        ((_NO_TLS, _WRONG_PASSWORD), Timeouts(), "refuses the user 'ana' or its password"),
    ],
)
def test_a_server_that_hangs_or_refuses_is_one_clear_line_without_the_password(
    scratch: Path, answers: tuple[bytes, ...], limits: Timeouts, word: str
) -> None:
    with server(*answers) as port:
        url = f"postgresql://ana:s3cret@127.0.0.1:{port}/lab"
        text = refusal(Source(SQL, url=url, table="t"), scratch, timeouts=limits)
    assert word in text
    assert "s3cret" not in text


def test_an_unknown_host_and_a_closed_port_are_told_apart(scratch: Path) -> None:
    url = "postgresql://ana:s3cret@{}/lab"
    text = refusal(Source(SQL, url=url.format("nowhere.invalid"), table="t"), scratch)
    assert "'nowhere.invalid' is not known" in text
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    text = refusal(Source(SQL, url=url.format(f"127.0.0.1:{port}"), table="t"), scratch)
    assert "nothing listens" in text
    assert "s3cret" not in text


def test_a_missing_driver_is_said(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    text = refusal(Source(SQL, url="postgresql://h/d", table="t"), scratch)
    assert "mlpi[postgres]" in text


# --- memory ----------------------------------------------------------------------------------

_CHILD = """
import sys
from pathlib import Path
from mlpi.checks.engine.profiling import profile
from mlpi.checks.engine.reading import open_table
from mlpi.checks.source import Source
source = Source("csv", path=sys.argv[1])
with open_table(source, folder=Path(sys.argv[2]), memory_bytes=128 << 20, threads=2) as table:
    rows = profile(table)["row_count"]
# Not getrusage: its peak is that of the process which forked this one, if that was larger.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(rows, int(status["VmHWM"].split()[0]) * 1024)
"""


def peak_bytes(path: Path, folder: Path) -> tuple[int, int]:
    """Rows, and the most memory that a process of its own held to read and profile them."""
    answer = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path), str(folder)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    rows, peak = answer.stdout.split()
    return int(rows), int(peak)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_memory_is_flat_in_the_size_of_the_file(tmp_path: Path) -> None:
    small, large = tmp_path / "small.csv", tmp_path / "large.csv"
    with duckdb.connect() as connection:
        for path, count in ((small, 250_000), (large, 4_200_000)):
            connection.execute(
                "COPY (SELECT i, i % 1000 AS g, random() AS x, 'name' || (i % 5000) AS word,"
                f" md5(i::VARCHAR) AS hash FROM range({count}) t(i)) TO '{path}'"
            )
    assert large.stat().st_size > 280e6
    _, before = peak_bytes(small, tmp_path / "scratch")
    rows, after = peak_bytes(large, tmp_path / "scratch")
    assert rows == 4_200_000
    # DuckDB's own limit, and nothing beside it that grows.
    assert after < before + (128 << 20)
    assert after < 450e6
