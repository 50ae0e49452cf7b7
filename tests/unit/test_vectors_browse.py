"""Filters of records as rows and as JSON, values of metadata, vectors, pictures, code."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpi.auth.audit import Actor
from mlpi.errors import Conflict, Invalid
from mlpi.vectors.browse import clauses
from mlpi.vectors.browse.builder import Row, rows_of, texts_of, where_of
from mlpi.vectors.browse.clauses import FilterWrong
from mlpi.vectors.browse.console import Console
from mlpi.vectors.browse.pictures import Pictures, is_local
from mlpi.vectors.browse.service import SLICE, SPELL_S, Browse, Found
from mlpi.vectors.browse.values import Entry, entries_of, metadata_of
from mlpi.vectors.browse.view import Filter, RecordsView, SearchView, numbers_of, vector_of
from mlpi.vectors.records import Collection, Condition, Record

COLLECTION = Collection("c-id", 'odd "name"', 3, 2, "cosine", 0, None)


def wrong(text: str, field: str = "where") -> FilterWrong:
    with pytest.raises(FilterWrong) as raised:
        clauses.read(text, field)
    return raised.value


def test_bad_json_is_shown_at_its_spot() -> None:
    error = wrong('{"year":\n  {"$gte": 2020 5}}')
    assert "line 2, column 17" in error.message
    assert error.spot is not None
    assert (error.spot.before, error.spot.wrong) == ('  {"$gte": 2020 ', "5")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "where: an object is expected, not a list."),
        ("{}", "where: the object is empty."),
        ('{"a": 1, "b": 2}', "where: one key is expected, not 2 ('a', 'b')."),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"a": {"$gt": 1, "$lt": 3}}', "where.a: one key is expected, not 2"),
        ('{"a": {"$gt": "b"}}', "where.a.$gt: a number is expected, not the text 'b'."),
        ('{"a": {"$gt": true}}', "where.a.$gt: a number is expected, not true."),
        ('{"$and": [{"a": 1}, {"b": null}]}', "where.$and[1].b: nothing is ever null."),
        ('{"$or": []}', "where.$or: a list of conditions is expected, not an empty list."),
        ('{"a": {"$in": []}}', "where.a.$in: a list of values is expected, not an empty list."),
        ('{"a": {"$in": [1, "b"]}}', "where.a.$in: a list holds values of one kind."),
        ('{"a": [1]}', "where.a: a list needs an operator."),
        ('{"a": {"$gt": NaN}}', "NaN is no number that JSON knows."),
        ('{"$gt": 1}', "'$gt' is no operator that can stand here."),
        ("[" * 100_000, "nested too deeply"),
        ('{"$and": [' * 60 + '{"a": 1}' + "]}" * 60, "nested too deeply"),
    ],
)
def test_what_chroma_would_call_invalid_is_named_with_its_place(text: str, said: str) -> None:
    assert said in wrong(text).message


def test_a_mistyped_operator_is_recognised() -> None:
    assert wrong('{"a": {"$gtt": 1}}').advice == "Did you mean $gt?"
    assert wrong('{"$containz": "a"}', "document").advice == "Did you mean $contains?"
    assert "a text is expected, not the number 1" in wrong('{"$regex": 1}', "document").message


LEAVES: st.SearchStrategy[Any] = (
    st.text(max_size=6)
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
)
NUMBERS = st.integers(-(2**50), 2**50) | st.floats(allow_nan=False, allow_infinity=False)
KEYS = st.text("abc _-.é", min_size=1, max_size=5)
CONDITIONS = st.one_of(
    st.tuples(KEYS, st.sampled_from(["$eq", "$ne", "$contains", "$not_contains"]), LEAVES),
    st.tuples(KEYS, st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), NUMBERS),
    st.tuples(
        KEYS,
        st.sampled_from(["$in", "$nin"]),
        st.lists(st.text('ab,"\\ 1', max_size=4), min_size=1, max_size=3),
    ),
)


@given(st.lists(CONDITIONS, min_size=1, max_size=4), st.sampled_from(["$and", "$or"]))
def test_rows_say_exactly_what_the_json_says_or_nothing(
    conditions: list[tuple[str, str, Any]], join: str
) -> None:
    parts = [{key: {operator: value}} for key, operator, value in conditions]
    where = parts[0] if len(parts) == 1 else {join: parts}
    found = rows_of(where)
    if found is None:  # such as a key that a form would trim
        return
    assert json.dumps(where_of(*found)) == json.dumps(where)


def test_rows_show_usual_filters_and_leave_the_others() -> None:
    assert rows_of({"year": 2020}) == ((Row("year", "$eq", "2020"),), "$and")
    assert rows_of({"s": {"$in": ["a", "b, c", "1"]}}) == (
        (Row("s", "$in", 'a, "b, c", "1"'),),
        "$and",
    )
    assert rows_of({"$or": [{"a": "true"}, {"b": {"$gt": 1.5}}]}) == (
        (Row("a", "$eq", '"true"'), Row("b", "$gt", "1.5")),
        "$or",
    )
    assert rows_of({"$and": [{"a": 1}, {"$or": [{"b": 1}, {"c": 1}]}]}) is None
    assert texts_of({"$and": [{"$or": [{"$contains": "a"}]}]}) is None


def filter_of(**query: Any) -> Filter:
    return Filter.of(parse_qs(urlencode(query, doseq=True), keep_blank_values=True))


def test_rows_become_json_and_json_becomes_rows() -> None:
    read = filter_of(
        by="rows", f=["year", "lang", ""], o=["$gte", "$eq", "$eq"], v=["2020", "en", ""]
    )
    assert read.condition.where == {"$and": [{"year": {"$gte": 2020}}, {"lang": {"$eq": "en"}}]}
    again = filter_of(**{key: value for key, value in read.query().items() if value})
    assert again.by == "rows"
    assert again.rows == read.rows
    assert again.condition == read.condition


def test_json_that_rows_cannot_say_stays() -> None:
    deep = '{"$and": [{"a": 1}, {"$or": [{"b": 1}, {"c": 1}]}]}'
    assert filter_of(where=deep).by == "json"
    kept = filter_of(by="rows", kept_where="1", where=deep, do=["$contains"], dv=["x"])
    assert kept.where == deep
    assert kept.condition.where_document == {"$contains": "x"}
    assert not kept.shows_where
    lost = filter_of(by="rows", where=deep)
    assert lost.condition.where is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("", "$eq", "1"), "Row 1 has a value, but no field."),
        (("a", "$eq", ""), "the value of 'a' is missing"),
        (("a", "$gt", "b"), "'a' > needs a number, not 'b'"),
        (("a", "$in", "1, b"), "not all of one kind"),
        (("a", "$evil", "1"), "is no operator"),
    ],
)
def test_a_wrong_row_is_named_and_kept(row: tuple[str, str, str], said: str) -> None:
    read = filter_of(by="rows", f=row[0], o=row[1], v=row[2])
    assert read.error is not None
    assert said in read.error.message
    assert read.by == "rows"
    assert read.rows.where == (Row(*row),)


def test_ids_are_lines_or_json() -> None:
    assert filter_of(ids=" a \r\n\nb\na").ids == ("a", "b")
    odd = filter_of(ids='["a\\nb", " c"]')
    assert odd.ids == ("a\nb", " c")
    assert filter_of(ids=odd.ids_text).ids == odd.ids
    assert filter_of(ids="[not json").ids == ("[not json",)


def test_a_view_is_whole_in_its_url() -> None:
    view = RecordsView.of(
        {"where": ['{"a": 1}'], "col": ["a", "b", "a"], "size": ["25"], "page": ["7"]}
    )
    again = RecordsView.of(
        parse_qs(urlencode({k: v for k, v in view.query().items() if v}, doseq=True))
    )
    assert again == view
    assert view.columns == ("a", "b")
    for query in ({"page": ["0"]}, {"page": ["x"]}, {"size": ["1000"]}, {"page": ["9" * 30]}):
        with pytest.raises(Invalid):
            RecordsView.of(query)


def test_vectors_are_read_as_people_paste_them() -> None:
    for text in ("[1, 2.5, -3e-1]", "1, 2.5, -3e-1", "1 2.5\n-3e-1", "1;2.5;-0.3", "[1 2.5 -0.3,]"):
        assert numbers_of(vector_of(text, 3)) == [1.0, 2.5, -0.3]
    with pytest.raises(Invalid, match="has 2 numbers, but this collection's have 3"):
        vector_of("1 2", 3)
    for text, said in (
        ("1, b, 3", "Part 2 .* 'b'"),
        ("", "empty"),
        ("[]", "empty"),
        ("nan", "finite"),
        ("1e39", "finite"),
    ):
        with pytest.raises(Invalid, match=said) as raised:
            vector_of(text)
        assert raised.value.field == "vector"


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_short_and_exact(values: list[float]) -> None:
    vector = array("f", values)
    assert array("f", numbers_of(vector)) == vector


def test_metadata_keeps_its_kinds() -> None:
    metadata = {"t": " 5 ", "w": 5, "d": 5.0, "f": True, "l": ["a"], "n": [1, 2.5], "e": ""}
    assert {entry.key: entry.kind for entry in entries_of(metadata)} == {
        "t": "text",
        "w": "whole",
        "d": "decimal",
        "f": "flag",
        "l": "list",
        "n": "list",
        "e": "text",
    }
    again = metadata_of(entries_of(metadata))
    assert json.dumps(again, sort_keys=True) == json.dumps(metadata, sort_keys=True)
    assert metadata_of([Entry(), Entry("a", "flag", "True")]) == {"a": True}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (Entry("a", "whole", "1.5"), "'a': '1.5' is not a whole number."),
        (Entry("a", "whole", str(2**63)), "is not a whole number"),
        (Entry("a", "decimal", "inf"), "is not a decimal number"),
        (Entry("a", "flag", "yes"), "is not true or false"),
        (Entry("a", "list", "[1, true]"), "is not a list of one kind"),
        (Entry("a", "list", "[[1]]"), "is not a list of one kind"),
        (Entry("a", "list", "[]"), "can be stored"),
        (Entry("a", "list", "[NaN]"), "finite"),
        (Entry("", "text", "b"), "The key is missing"),
        (Entry("chroma:document", "text", "b"), "Chroma's own"),
    ],
)
def test_a_wrong_value_is_named(entry: Entry, said: str) -> None:
    with pytest.raises(Invalid) as raised:
        metadata_of([entry])
    assert said in raised.value.message
    assert raised.value.field == "metadata"


def test_a_key_stands_once() -> None:
    with pytest.raises(Invalid, match="stands twice"):
        metadata_of([Entry("a", "text", "1"), Entry("a", "text", "2")])


PIXEL = "data:image/png;base64,iVBORw0KGgo="


def test_pictures_lie_in_the_metadata_or_on_this_host() -> None:
    pictures = Pictures("lab", most_bytes=60)
    found = pictures.of(Record("a", metadata={"n": 1, "Image": PIXEL}))
    assert found is not None
    assert (found.src, found.key) == (PIXEL, "Image")
    second = pictures.of(Record("b", metadata={"image": PIXEL}))
    assert second is not None
    assert second.src is None
    assert second.size_bytes > 0
    run = "0123456789abcdef" * 2
    of_run = pictures.of(Record("c", uri=f"runs:/{run}/plots & more/a b.png"))
    assert of_run is not None
    assert (
        of_run.src == f"/tracking/runs/{run}/artifact?path=plots+%26+more%2Fa+b.png&workspace=lab"
    )
    assert of_run.href == f"/tracking/runs/{run}/files?path=plots+%26+more%2Fa+b.png&workspace=lab"
    table = pictures.of(Record("d", metadata={"uri": f"runs:/{run}/table.csv"}))
    assert table is not None
    assert table.src is None
    local = pictures.of(Record("e", metadata={"image": "/tracking/runs/1/artifact/digit.PNG"}))
    assert local is not None
    assert local.src == "/tracking/runs/1/artifact/digit.PNG"


@pytest.mark.parametrize(
    "value",
    [
        "https://evil.example/a.png",
        "//evil.example/a.png",
        "/\\evil.example/a.png",
        "/\t/evil.example/a.png",
        "javascript:alert(1)//a.png",
        "data:text/html,<script>alert(1)</script>.png",
        "data:image/png",
        "ftp://a/b.png",
        "/home/pi/no-picture.txt",
        7,
        "a.png",
        f"runs:/{'0' * 32}/../../secret.png",
    ],
)
def test_other_places_are_no_pictures(value: Any) -> None:
    assert Pictures("lab").of(Record("a", metadata={"image": value})) is None
    assert not is_local("//evil.example/a.png")


def test_code_names_what_the_page_asked() -> None:
    console = Console("https://pi.local", "default", COLLECTION)
    condition = Condition({"$and": [{"it's": 1}]}, None, ["a'b"])
    code = console.get(condition, 50, 100)
    assert "'pi.local', 443, ssl=True," in code.python
    assert "database='default_database'" in code.python
    assert 'where={"it\'s": 1}' in code.python  # clients refuse a join of one
    assert "limit=50, offset=100" in code.python
    compile(code.python, "page", "exec")
    assert (
        "/api/v2/tenants/default_tenant/databases/default_database/collections/c-id/get"
        in code.curl
    )
    near = console.query([0.1, 1.0], 5, Condition(), like="x")
    compile(near.python, "page", "exec")
    assert "n_results=6" in near.python
    assert "[[0.1, 1.0]]" in near.curl


def test_bars_show_distances_beside_each_other() -> None:
    hits = [Record("a", distance=1.0), Record("b", distance=4.0)]
    assert [Found(hits, (), 0.0).share(hit) for hit in hits] == [0.25, 1.0]
    inner = [Record("a", distance=-3.0), Record("b", distance=1.0)]
    assert [Found(inner, (), 0.0).share(hit) for hit in inner] == [0.0, 1.0]
    same = [Record("a", distance=0.0)]
    assert Found(same, (), 0.0).share(same[0]) == 0.0


class Letters:
    """An embedder that counts two letters."""

    def describe(self, workspace: str, collection_id: str) -> str | None:
        return "letters"

    def embed(
        self, workspace: str, collection_id: str, texts: Sequence[str]
    ) -> Sequence[Sequence[float]]:
        return [[float(text.count("a")), float(text.count("b"))] for text in texts]


class Shelved:
    """Stands for the service and for its shelf and store: remembers what was searched for."""

    def __init__(self) -> None:
        self.searched: list[list[float]] = []
        self.store = self

    def shelf(self, workspace: str) -> Shelved:
        return self

    def nearest(self, collection_id: str, vector: Sequence[float], **_: Any) -> list[Record]:
        self.searched.append(list(vector))
        return [Record("near", distance=0.5)]

    def beginnings(self, collection_id: str, ids: Sequence[str], size: int) -> dict[str, str]:
        return {"near": "a text"}


def test_a_text_is_searched_by_the_collections_embedder() -> None:
    shelved = Shelved()
    ticks = iter([0.0, 0.25, 1.0, 1.5, 2.0])
    browse = Browse(shelved, Letters(), lambda: next(ticks))  # type: ignore[arg-type]
    found = browse.search("lab", COLLECTION, SearchView(way="text", text="aab"))
    assert shelved.searched == [[2.0, 1.0]]
    assert (found.embedded_s, found.took_s) == (0.25, 0.5)
    assert found.hits[0].document == "a text"
    wide = Collection("c", "wide", 3, 5, "cosine", 0, None)
    with pytest.raises(Invalid, match="makes 2 numbers, but this collection's vectors have 5"):
        browse.search("lab", wide, SearchView(way="text", text="aab"))


class Full(Shelved):
    """A shelf of records that takes a second to delete SLICE of them."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.left = [f"r{n}" for n in range(count)]
        self.now_s = 0.0
        self.notes: list[str] = []

    def one(self, workspace: str, collection_id: str) -> Collection:
        return COLLECTION

    def ids(self, collection_id: str, condition: Condition) -> list[str]:
        return list(self.left)

    def delete(self, collection_id: str, condition: Condition) -> int:
        self.left = [one for one in self.left if one not in set(condition.ids or ())]
        self.now_s += 1.0
        return len(condition.ids or ())

    def note(self, actor: Actor, action: str, target: str, workspace: str) -> None:
        self.notes.append(target)


def test_many_are_deleted_in_spells_and_only_as_many_as_was_said() -> None:
    full = Full(SLICE * 5 + 1)
    browse = Browse(full, Letters(), lambda: full.now_s)  # type: ignore[arg-type]
    condition = Condition({"a": 1})
    actor = Actor("eve", "")
    assert SPELL_S == 2.0
    lefts = []
    while full.left:
        expected = len(full.left)
        left = browse.remove_matching("lab", "c", condition, expected, actor=actor)
        assert left == len(full.left)
        lefts.append(left)
    assert lefts == [SLICE * 3 + 1, SLICE + 1, 0]
    assert full.notes[0].endswith(f"{SLICE * 2} records")
    full.left = ["a", "b"]
    with pytest.raises(Conflict, match="Meanwhile 2 records match, not 3"):
        browse.remove_matching("lab", "c", condition, 3, actor=actor)
    with pytest.raises(Invalid, match="no filter"):
        browse.remove_matching("lab", "c", Condition(), 2, actor=actor)
    assert full.left == ["a", "b"]


class Nothing(Letters):
    """Stands for a collection whose clients bring their vectors."""

    def describe(self, workspace: str, collection_id: str) -> str | None:
        return None


def test_without_an_embedder_a_text_finds_nothing_and_says_why() -> None:
    browse = Browse(Shelved(), Nothing())  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="no embedder") as raised:
        browse.search("lab", COLLECTION, SearchView(way="text", text="aab"))
    assert raised.value.advice is not None
    assert "About" in raised.value.advice
