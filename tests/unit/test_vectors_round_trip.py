"""What an export writes an import reads as it was: texts, metadata, every bit of vectors."""

from __future__ import annotations

from array import array
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlpi.vectors.records import Record
from mlpi.vectors.transfer.formats import CSV, FORMATS, JSONL, delimited, jsonl, opened, writer
from mlpi.vectors.transfer.looking import look_here
from mlpi.vectors.transfer.making import Maker
from mlpi.vectors.transfer.plan import read_plan
from mlpi.vectors.transfer.reading import Row

DIMENSION = 3
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
WHOLE = st.integers(-(2**63), 2**63 - 1)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
KEY = TEXT.filter(lambda key: key != "" and not key.startswith("chroma:"))
SCALARS: list[st.SearchStrategy[Any]] = [TEXT, WHOLE, NUMBER, st.booleans()]
VALUE = st.one_of(*SCALARS, *(st.lists(kind, min_size=1, max_size=3) for kind in SCALARS))
VECTOR = st.lists(
    st.floats(width=32, min_value=-(2.0**100), max_value=2.0**100),
    min_size=DIMENSION,
    max_size=DIMENSION,
)
RECORD = st.tuples(
    TEXT.filter(bool),
    st.none() | TEXT,
    st.none() | TEXT,
    st.dictionaries(KEY, VALUE, max_size=3),
    VECTOR,
)
EXAMPLES = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def written(path: Path, kind: str, rows: list[Row]) -> None:
    if kind == CSV:
        path.write_bytes(delimited.head_line() + delimited.lines(rows))
    elif kind == JSONL:
        path.write_bytes(jsonl.lines(rows))
    else:
        with closing(writer(path, kind, DIMENSION)) as file:
            file.write(rows)


def read(path: Path, kind: str) -> list[Record]:
    """Through the mapping that is proposed for the columns of an export."""
    look = look_here(path, kind, "row-")
    with closing(opened(path, kind)) as source:
        maker = Maker(read_plan(look.proposal, look.columns), source.head, DIMENSION)
        return [maker.record(raw) for raw in source.rows()]


def typed(value: Any) -> Any:
    """1, 1.0 and True are equal in Python, and not the same in Chroma."""
    if isinstance(value, list):
        return [typed(one) for one in value]
    return (type(value), value)


@pytest.mark.parametrize("kind", FORMATS)
@EXAMPLES
@given(records=st.lists(RECORD, min_size=1, max_size=4))
def test_what_is_exported_is_imported_as_it_was(
    kind: str, records: list[Any], tmp_path: Path
) -> None:
    # One row that has everything: columns are proposed by what the first rows hold.
    whole = ("whole", "document", "uri", {"key": "value"}, [1.5, -2.0, 0.25])
    rows = [Row(*whole), *(Row(*one) for one in records)]
    path = tmp_path / "file"
    written(path, kind, rows)
    found = read(path, kind)
    assert [one.id for one in found] == [row.id for row in rows]
    for one, row in zip(found, rows, strict=True):
        vector = array("f", row.vector or ())
        assert one.vector is not None
        assert one.vector.tobytes() == vector.tobytes()
        assert {key: typed(value) for key, value in one.metadata.items()} == {
            key: typed(value) for key, value in (row.metadata or {}).items()
        }
        texts = (row.document, row.uri)
        if kind == CSV:  # where what is empty is nothing
            texts = (row.document or None, row.uri or None)
        assert (one.document, one.uri) == texts


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_of_nothing_is_a_whole_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    written(path, kind, [])
    if kind == JSONL:
        assert path.read_bytes() == b""
        return
    with closing(opened(path, kind)) as source:
        assert list(source.rows()) == []
