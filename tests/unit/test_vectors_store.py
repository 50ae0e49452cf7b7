"""Collections read from Chroma's database beside a real engine, and the shelf that writes them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlpi.errors import Conflict, Invalid, NotFound
from mlpi.vectors import relay
from mlpi.vectors.alone import reached
from mlpi.vectors.records import Care, Condition, Record
from mlpi.vectors.shelf import Shelf
from mlpi.vectors.store import CollectionStore
from mlpi.web.render import environment


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def shelf(home: Path) -> Iterator[Shelf]:
    with reached(home, "lab") as opened:
        yield opened


@pytest.fixture
def store(home: Path) -> CollectionStore:
    return CollectionStore(home / "chroma")


def some(count: int, begin: int = 0) -> list[Record]:
    return [
        Record(f"r{n}", f"text {n}", {"n": n, "even": n % 2 == 0}, array("f", (n, 1.0, 0.5)))
        for n in range(begin, begin + count)
    ]


def test_a_folder_without_a_database_has_no_collections(tmp_path: Path) -> None:
    store = CollectionStore(tmp_path)
    assert store.page("lab") == []
    with pytest.raises(NotFound):
        store.one("lab", "x")


def test_what_is_acknowledged_is_counted_at_once(shelf: Shelf, store: CollectionStore) -> None:
    made = shelf.create("counted", space="l2", metadata={"about": "tests", "good": True})
    assert (store.one("lab", made).count, store.one("lab", made).dimension) == (0, None)
    for begin in (0, 7):
        shelf.write("upsert", made, some(10, begin))
        assert store.one("lab", made).count == shelf.count(made) == begin + 10
    assert shelf.delete(made, Condition(where={"even": True})) == 9
    found = store.one("lab", made)
    assert (found.count, found.dimension, found.space) == (8, 3, "l2")
    assert found.metadata == {"about": "tests", "good": True}
    assert found.last_write_at is not None
    assert found.size_bytes > 0


def test_a_collection_is_found_by_its_own_workspace_only(
    shelf: Shelf, store: CollectionStore
) -> None:
    made = shelf.create("hidden")
    assert [one.name for one in store.page("lab", "HIDD")] == ["hidden"]
    assert store.page("other", "hidd") == []
    with pytest.raises(NotFound):
        store.one("other", made)
    with pytest.raises(NotFound):
        Shelf(shelf._ask, "other").get(made)


def test_records_come_back_as_they_were_written(shelf: Shelf) -> None:
    made = shelf.create("whole")
    shelf.write("add", made, some(5))
    assert shelf.get(made, vectors=True) == some(5)
    assert [one.id for one in shelf.get(made, limit=2, offset=2)] == ["r2", "r3"]
    assert [one.id for one in shelf.get(made, Condition(where_document={"$contains": "t 4"}))] == [
        "r4"
    ]


def test_all_records_come_in_pages(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    made = shelf.create("paged")
    shelf.write("add", made, some(11))
    monkeypatch.setattr("mlpi.vectors.shelf.PAGE", 4)
    assert [len(page) for page in shelf.pages(made)] == [4, 4, 3]


def test_an_update_without_a_vector_keeps_the_vector(shelf: Shelf) -> None:
    made = shelf.create("updated")
    shelf.write("add", made, some(1))
    shelf.write("update", made, [Record("r0", "new text", {"n": 5})])
    (found,) = shelf.get(made, vectors=True)
    assert (found.document, found.metadata["n"]) == ("new text", 5)
    assert found.vector == array("f", (0, 1.0, 0.5))


def test_the_nearest_come_closest_first(shelf: Shelf) -> None:
    made = shelf.create("near", space="l2")
    shelf.write("add", made, some(6))
    found = shelf.nearest(made, (3.2, 1.0, 0.5), k=3)
    assert [one.id for one in found] == ["r3", "r4", "r2"]
    assert found[0].distance == pytest.approx(0.04, abs=1e-4)


def test_refusals_are_errors_of_ours(shelf: Shelf) -> None:
    made = shelf.create("refusing")
    with pytest.raises(Conflict, match="already exists"):
        shelf.create("refusing")
    shelf.write("add", made, some(1))
    with pytest.raises(Invalid, match="dimension"):
        shelf.write("add", made, [Record("x", vector=array("f", (1.0,)))])
    with pytest.raises(Invalid, match="Nothing was chosen"):
        shelf.delete(made, Condition())
    with pytest.raises(NotFound):
        shelf.remove("not-there")


def test_an_index_that_is_made_anew_shows_on_its_collection(home: Path, shelf: Shelf) -> None:
    made, other = shelf.create("ailing"), shelf.create("healthy")
    said = {"collection": made, "name": "ailing", "state": "rebuilding", "done": 3, "total": 9}
    store = CollectionStore(home / "chroma", lambda: [{**said, "detail": "short.bin is short"}])
    assert store.one("lab", made).care == Care("rebuilding", 3, 9)
    assert store.one("lab", other).care is None
    page = environment().get_template("vectors/_care.html")
    links = {"here": lambda target: target + "?workspace=lab"}
    assert "3 of 9 records" in page.render(collection=store.one("lab", made), **links)
    assert "hidden" in page.render(collection=store.one("lab", other), **links)


def test_the_line_of_a_vector_is_at_most_48_points() -> None:
    line = Record("x", vector=array("f", range(1000))).line.split()
    assert len(line) == 48
    heights = [float(point.split(",")[1]) for point in line]
    assert heights == sorted(heights, reverse=True)  # it rises
    assert Record("x").line == ""


def test_nobody_listens_where_no_service_runs(tmp_path: Path) -> None:
    (tmp_path / "chroma").mkdir()
    with pytest.raises(relay.NobodyListens), relay.connected(tmp_path, "lab"):
        pass
