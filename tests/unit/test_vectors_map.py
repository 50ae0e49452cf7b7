"""Maps and pairs of vectors, piece by piece."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpi.errors import Invalid, NotFound
from mlpi.vectors.engine.pca import EXACT, components
from mlpi.vectors.maps.colours import KINDS, MISSING, OTHER, colours
from mlpi.vectors.maps.files import Layout, MapFiles
from mlpi.vectors.pairs.store import Draft, Report
from mlpi.vectors.sampling import Samples
from mlpi.vectors.selections import KEPT_S, MOST_IDS, Selections


def vectors(n: int, dimension: int) -> np.ndarray:
    """(n, dimension) float32 whose directions differ in spread, turned and moved."""
    random = np.random.default_rng(7)
    spread = 3.0 / (1 + np.arange(dimension))
    turn, _ = np.linalg.qr(random.standard_normal((dimension, dimension)))
    return ((random.standard_normal((n, dimension)) * spread) @ turn + 5).astype(np.float32)


@pytest.mark.parametrize("dimension", [2, 40, EXACT + 100])
def test_components_are_those_of_a_singular_value_decomposition(dimension: int) -> None:
    rows = vectors(800, dimension)
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    expected = u[:, :2] * s[:2]
    found, shares = components(rows.copy(), 2)
    for axis in range(2):
        sign = np.sign(found[:, axis] @ expected[:, axis])
        np.testing.assert_allclose(found[:, axis] * sign, expected[:, axis], atol=2e-3)
    np.testing.assert_allclose(shares, s[:2] ** 2 / (s**2).sum(), rtol=1e-3)


def test_components_come_out_the_same_each_time() -> None:
    rows = vectors(300, EXACT + 10)
    first, second = components(rows.copy(), 3)[0], components(rows.copy(), 3)[0]
    assert np.array_equal(first, second)


def test_few_or_equal_vectors_have_components_too() -> None:
    found, shares = components(np.ones((3, 8), np.float32), 2)
    assert not found.any()
    assert shares == [0.0, 0.0]
    found, _ = components(np.array([[1.0], [3.0]], np.float32), 2)
    assert sorted(found[:, 0]) == [-1.0, 1.0]
    assert not found[:, 1].any()
    assert components(np.empty((0, 4), np.float32), 2)[0].shape == (0, 2)


def test_few_kinds_get_signs_of_their_own_in_order() -> None:
    found = colours([10, 2, None, 2])
    assert found["kind"] == "kinds"
    assert found["names"] == ["2", "10"]
    assert found["codes"] == [1, 0, MISSING, 0]
    assert found["missing"] == 1
    assert colours([True, "b", False])["names"] == ["b", "false", "true"]


def test_rare_kinds_are_others() -> None:
    values = [f"kind {n}" for n in range(KINDS + 3) for _ in range(n + 1)]
    found = colours(values)
    assert len(found["names"]) == KINDS
    assert found["others"] == 3
    assert found["other"] == 1 + 2 + 3
    assert found["codes"][0] == OTHER
    assert found["codes"][-1] == found["names"].index(f"kind {KINDS + 2}")


def test_many_numbers_are_a_range() -> None:
    found = colours([None, *(n / 2 for n in range(40))])
    assert (found["kind"], found["from"], found["to"]) == ("range", 0.0, 19.5)
    assert found["values"][:2] == [None, 0.0]


def test_a_selection_is_kept_for_an_hour_and_for_its_own_collection() -> None:
    now = [0.0]
    selections = Selections(lambda: now[0])
    key = selections.put("lab", "one", ["a", "b"])
    assert selections.get("lab", "one", key) == ["a", "b"]
    for workspace, collection in (("lab", "two"), ("other", "one")):
        with pytest.raises(NotFound):
            selections.get(workspace, collection, key)
    now[0] = KEPT_S
    with pytest.raises(NotFound, match="no longer"):
        selections.get("lab", "one", key)


def test_selections_are_bounded() -> None:
    selections = Selections(lambda: 0.0)
    with pytest.raises(Invalid):
        selections.put("lab", "one", [])
    with pytest.raises(Invalid):
        selections.put("lab", "one", ["x"] * (MOST_IDS + 1))
    keys = [selections.put("lab", "one", [str(n)] * MOST_IDS) for n in range(25)]
    with pytest.raises(NotFound):
        selections.get("lab", "one", keys[0])
    assert selections.get("lab", "one", keys[-1])[0] == "24"


@pytest.fixture
def chroma(tmp_path: Path) -> Path:
    """A folder as Chroma leaves it, with what samples read of it: two collections."""
    with sqlite3.connect(tmp_path / "chroma.sqlite3") as db:
        db.executescript(
            """
            CREATE TABLE max_seq_id (segment_id TEXT PRIMARY KEY, seq_id INTEGER);
            CREATE TABLE segments (id TEXT PRIMARY KEY, type TEXT, scope TEXT, collection TEXT);
            CREATE TABLE embeddings (id INTEGER PRIMARY KEY, segment_id TEXT NOT NULL,
                embedding_id TEXT NOT NULL, seq_id BLOB NOT NULL,
                UNIQUE (segment_id, embedding_id));
            CREATE TABLE embedding_metadata (id INTEGER, key TEXT NOT NULL, string_value TEXT,
                int_value INTEGER, float_value REAL, bool_value INTEGER, PRIMARY KEY (id, key));
            INSERT INTO segments VALUES ('m1', '', 'METADATA', 'c1'), ('v1', '', 'VECTOR', 'c1'),
                ('m2', '', 'METADATA', 'c2');
            """
        )
        for n in range(1000):
            segment = "m1" if n % 2 else "m2"
            db.execute("INSERT INTO embeddings VALUES (?, ?, ?, 1)", (n + 1, segment, f"r{n}"))
        db.executemany(
            "INSERT INTO embedding_metadata VALUES (?, ?, ?, ?, ?, ?)",
            [
                (2, "chroma:document", "a text", None, None, None),
                (2, "kind", "x", None, None, None),
                (4, "kind", None, 3, None, None),
                (6, "kind", None, None, 0.5, None),
                (8, "kind", None, None, None, 0),
                (1, "theirs", "y", None, None, None),
            ],
        )
    db.close()
    return tmp_path


def test_a_sample_is_the_same_each_time_and_spread_over_the_collection(chroma: Path) -> None:
    samples = Samples(chroma)
    found = samples.ids("c1", 100)
    assert found == samples.ids("c1", 100)
    assert len(set(found)) == 100
    assert found == samples.ids("c1", 500)[:100]
    places = [int(one[1:]) for one in found]
    assert all(place % 2 for place in places)
    per_quarter = np.histogram(places, bins=4, range=(0, 1000))[0]
    assert per_quarter.min() >= 20
    assert samples.ids("nobody", 5) == []


def test_all_ids_come_in_pages_in_their_order(chroma: Path) -> None:
    pages = list(Samples(chroma).pages("c2", 180))
    assert [len(page) for page in pages] == [180, 180, 140]
    assert [one for page in pages for one in page] == [f"r{n}" for n in range(0, 1000, 2)]


def test_fields_and_values_are_the_collections_own(chroma: Path) -> None:
    samples = Samples(chroma)
    assert samples.fields("c1") == ["kind"]
    ids = ["r7", "r1", "r3", "r5", "gone", "r9"]
    assert samples.values("c1", ids, "kind") == [False, "x", 3, 0.5, None, None]


def test_a_folder_without_a_database_has_nothing(tmp_path: Path) -> None:
    samples = Samples(tmp_path)
    assert samples.ids("c1", 5) == []
    assert samples.fields("c1") == []
    assert list(samples.pages("c1", 5)) == []
    assert samples.values("c1", ["a"], "kind") == [None]


def test_a_layout_is_read_as_it_was_written(tmp_path: Path) -> None:
    files = MapFiles(tmp_path)
    layout = Layout("tsne", ["a", "b"], "AAAA", 9, 12, datetime(2026, 5, 1, tzinfo=UTC), 1.5)
    files.write("c1", layout)
    assert files.read("c1", "tsne") == layout
    assert files.read("c1", "umap") is None
    (tmp_path / "chroma-maps" / "c1" / "tsne.json").write_text("{")
    assert files.read("c1", "tsne") is None


def test_maps_of_collections_that_are_gone_are_swept(tmp_path: Path) -> None:
    files = MapFiles(tmp_path)
    files.sweep({"c1"})
    for name in ("c1", "c2"):
        files.folder(name)
    files.sweep({"c1"})
    assert [one.name for one in (tmp_path / "chroma-maps").iterdir()] == ["c1"]


ANSWER: dict[str, Any] = {
    "ids": ["a", "b", "c", "d", "e"],
    "others": [["b", "c"], ["a", "c"], ["a", "b"], ["c"], []],
    "distances": [[-1e-7, 0.3], [-1e-7, 0.4], [0.3, 0.4], [9.0], []],
    "marks": ["1", "1", "2", "3", "4"],
}
FACTS = {"at": "2026-05-01T12:00:00+00:00", "sequence": 4, "count": 5, "took_s": 0.1}


def report(folder: Path) -> Report:
    draft = Draft(folder / "pairs.sqlite3", 1)
    draft.add(ANSWER)
    draft.finish(FACTS)
    draft.drop()
    return Report(folder / "pairs.sqlite3")


def test_a_report_lists_each_pair_once_closest_first(tmp_path: Path) -> None:
    found = report(tmp_path)
    pairs = found.pairs(0.35, limit=10, offset=0)
    assert [(one.one, one.other, one.distance) for one in pairs] == [
        ("a", "b", 0.0),
        ("a", "c", 0.3),
    ]
    assert found.count(0.35) == 2
    assert found.pairs(100, limit=2, offset=2)[-1].distance == 9.0
    assert [one.one for one in found.outliers(2)] == ["d", "c"]


def test_a_report_knows_groups_and_figures(tmp_path: Path) -> None:
    found = report(tmp_path)
    assert [(one.count, one.ids) for one in found.groups(5, 5)] == [(2, ["a", "b"])]
    assert found.group_count() == 1
    assert found.members("1", 1) == ["a"]
    facts = found.facts()
    assert facts is not None
    assert (facts.looked_at, facts.least, facts.most) == (5, 0.0, 9.0)
    assert sum(facts.bins) == 4
    assert facts.bins[0] == 2


def test_a_deleted_record_leaves_the_report(tmp_path: Path) -> None:
    found = report(tmp_path)
    found.forget(["b"])
    assert {one.other for one in found.pairs(100, limit=9, offset=0)} == {"c", "d"}
    assert found.group_count() == 0
    Report(tmp_path / "none.sqlite3").forget(["b"])


def test_a_draft_that_was_given_up_is_no_report(tmp_path: Path) -> None:
    report(tmp_path)
    draft = Draft(tmp_path / "pairs.sqlite3", 2)
    draft.add({**ANSWER, "ids": ["v", "w", "x", "y", "z"]})
    draft.drop()
    assert [one.name for one in tmp_path.iterdir()] == ["pairs.sqlite3"]
    assert Report(tmp_path / "pairs.sqlite3").outliers(1)[0].one == "d"
