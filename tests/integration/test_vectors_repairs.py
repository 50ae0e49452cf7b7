"""Broken indexes: found by looking at their files, and made anew while reads and writes go on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mlpi.vectors.engine import comparison, index, life, log, renewal
from mlpi.vectors.engine.index import Damaged
from mlpi.vectors.engine.keeper import Keeper, KeeperGone
from mlpi.vectors.engine.repairs import PANICKED
from mlpi.vectors.host import Engine
from mlpi.vectors.supervision import EngineEnded
from tests.service import until
from tests.vector_engine import COLLECTIONS, Gone, Talk, talking

SIZE = 12  # numbers in a vector
COUNT = 400
UUID = "3b1f7e0e-5a4c-4a39-9d6c-6b1ad0a5b0f1"


def vector_of(name: str) -> list[float]:
    dice = random.Random(name)
    return array("f", [dice.random() for _ in range(SIZE)]).tolist()


def names(start: int, stop: int) -> list[str]:
    return [f"r{n}" for n in range(start, stop)]


def add(talk: Talk, collection: str, ids: list[str], deed: str = "add", tag: str = "") -> None:
    body = {
        "ids": ids,
        "embeddings": [vector_of(one + tag) for one in ids],
        "documents": [f"about {one}" for one in ids],
        "metadatas": [{"n": int(one[1:])} for one in ids],
    }
    talk.records(collection, deed, body)


@dataclass(frozen=True)
class Filled:
    """A folder with one collection: COUNT records, some of them updated, some deleted."""

    folder: Path
    collection: str

    def stored(self) -> log.Stored:
        with contextlib.closing(log.connect(self.folder)) as db:
            [one] = log.stored(db, self.collection)
        return one

    @property
    def place(self) -> Path:
        return self.folder / self.stored().segment

    def check(self) -> None:
        with contextlib.closing(log.connect(self.folder)) as db:
            comparison.check(db, self.folder, self.stored())

    def copy(self, to: Path) -> Filled:
        shutil.copytree(self.folder, to)
        return replace(self, folder=to)


LIVE = {
    **{one: one for one in names(10, COUNT)},
    **{one: one + "new" for one in names(20, 60)},
    **{one: one + "last" for one in names(300, 310)},
}


def fill(talk: Talk, space: str) -> str:
    collection = talk.make("filled", space=space, threshold=50)
    for start in range(0, COUNT, 100):
        add(talk, collection, names(start, start + 100))
    add(talk, collection, names(20, 40), "update", "new")
    add(talk, collection, names(40, 60), "upsert", "new")
    talk.records(collection, "delete", {"ids": names(0, 10)})
    add(talk, collection, names(300, 310), "update", "last")
    return collection


@pytest.fixture(scope="module", params=["l2", "cosine", "ip"])
def every_space(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    folder = tmp_path_factory.mktemp("filled") / "chroma"
    with talking(folder) as talk:
        return Filled(folder, fill(talk, request.param))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    folder = tmp_path_factory.mktemp("sound") / "chroma"
    with talking(folder) as talk:
        return Filled(folder, fill(talk, "l2"))


@pytest.fixture
def filled(sound: Filled, tmp_path: Path) -> Filled:
    return sound.copy(tmp_path / "chroma")


def see(talk: Talk, collection: str, live: dict[str, str] = LIVE) -> None:
    """Every record with its vector and metadata, each nearest to its own vector, and no other."""
    kept = talk.records(collection, "get", {"include": ["embeddings", "metadatas", "documents"]})
    assert sorted(kept["ids"]) == sorted(live)
    for one, vector, metadata, document in zip(
        kept["ids"], kept["embeddings"], kept["metadatas"], kept["documents"], strict=True
    ):
        assert vector == pytest.approx(vector_of(live[one]), abs=1e-6)
        assert (metadata, document) == ({"n": int(one[1:])}, f"about {one}")
    assert talk.done("GET", f"{COLLECTIONS}/{collection}/count") == len(live)
    near = talk.records(
        collection,
        "query",
        {"query_embeddings": [vector_of(tag) for tag in live.values()], "n_results": 2},
    )
    # An HNSW index is approximate: now and then a point is linked from nowhere.
    missed = [one for one, ids in zip(live, near["ids"], strict=True) if ids[0] != one]
    assert len(missed) <= len(live) // 100, missed


def shorten(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def swell(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(2**33)


DAMAGES = {"shortened": shorten, "emptied": empty, "deleted": Path.unlink, "sparse": swell}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", index.FILES)
def test_a_damaged_file_is_found_by_its_size(filled: Filled, name: str, damage: str) -> None:
    place = filled.place
    index.check_sizes(place, SIZE)
    DAMAGES[damage](place / name)
    with pytest.raises(Damaged, match=name.replace(".", r"\.")):
        index.check_sizes(place, SIZE)


def test_a_sound_index_is_not_suspected(every_space: Filled) -> None:
    every_space.check()


def overwrite(path: Path, at: int, raw: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(raw)


def wrong_link(place: Path, header: index.Header) -> None:
    overwrite(place / index.LEVEL0, 5 * header.element + 4, b"\xff\xff\xff\x00")


def many_links(place: Path, header: index.Header) -> None:
    overwrite(place / index.LEVEL0, 5 * header.element, b"\xff\xff")


def zero_page(place: Path, header: index.Header) -> None:
    overwrite(place / index.LEVEL0, 4096, bytes(4096))


def one_number(place: Path, header: index.Header) -> None:
    overwrite(place / index.LEVEL0, 100 * header.element + header.vector_at, b"\0\0\0\0")


def same_label(place: Path, header: index.Header) -> None:
    raw = (place / index.LEVEL0).read_bytes()
    at = 100 * header.element + header.label_at
    overwrite(place / index.LEVEL0, at, raw[at - header.element : at - header.element + 8])


def wrong_upper_link(place: Path, header: index.Header) -> None:
    raw = (place / index.LINKS).read_bytes()
    at = 0
    while not (size := int.from_bytes(raw[at : at + 4], "little")):
        at += 4
    assert size
    overwrite(place / index.LINKS, at + 4, b"\x01\0\0\0\xff\xff\xff\0")


def forgotten_record(place: Path, header: index.Header) -> None:
    change_labels(place, lambda found: found["label_to_id"].pop(found["id_to_label"].pop("r100")))


def old_labels(place: Path, header: index.Header) -> None:
    change_labels(place, lambda found: found.update(total_elements_added=header.count - 5))


def hostile_labels(place: Path, header: index.Header) -> None:
    (place / index.LABELS).write_bytes(pickle.dumps({"label_to_id": Path("x")}))


def change_labels(place: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    found = pickle.loads((place / index.LABELS).read_bytes())
    change(found)
    (place / index.LABELS).write_bytes(pickle.dumps(found))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (wrong_link, "links that lead nowhere"),
        (many_links, "too many links"),
        (zero_page, "hold different records|there twice"),
        (one_number, "other vectors"),
        (same_label, "different records|there twice"),
        (wrong_upper_link, "links that lead nowhere"),
        (forgotten_record, "different records"),
        (old_labels, "knows"),
        (hostile_labels, r"pathlib\.(_local\.)?PosixPath"),
    ],
)
def test_damage_of_the_right_size_is_found_by_reading(
    filled: Filled, damage: Callable[[Path, index.Header], None], why: str
) -> None:
    header = index.check_sizes(filled.place, SIZE)
    damage(filled.place, header)
    index.check_sizes(filled.place, SIZE)
    with pytest.raises(Damaged, match=why):
        filled.check()


def test_an_index_older_than_its_log_is_found(filled: Filled) -> None:
    """After a power cut: the database was synced, the files of the index were not."""
    with contextlib.closing(log.connect(filled.folder)) as db:
        one = filled.stored()
        assert one.indexed < one.applied
        db.execute(
            "UPDATE max_seq_id SET seq_id = ? WHERE segment_id = ?", [one.applied, one.segment]
        )
    with pytest.raises(Damaged, match=r"other vectors|lacks|deleted"):
        filled.check()


@pytest.mark.parametrize("name", index.FILES)
def test_a_broken_index_is_made_anew_under_the_same_name(filled: Filled, name: str) -> None:
    before, place = filled.stored(), filled.place
    shorten(place / name)
    with talking(filled.folder) as talk:
        assert "rebuilding" in talk.states
        see(talk, filled.collection)
        talk.wait_whole()
        see(talk, filled.collection)
        found = talk.done("GET", f"{COLLECTIONS}/filled")
        assert found["id"] == filled.collection
        assert found["configuration_json"]["hnsw"]["sync_threshold"] == 50
        assert talk.health == {"is_busy": False, "collections": []}
    after = filled.stored()
    assert (after.collection, after.name, after.space) == (before.collection, "filled", "l2")
    assert not place.exists()
    filled.check()


def test_every_distance_is_the_same_by_the_log_and_by_the_index(
    every_space: Filled, tmp_path: Path
) -> None:
    copy = every_space.copy(tmp_path / "chroma")
    asked = {
        "query_embeddings": [vector_of("x"), vector_of("y")],
        "n_results": 5,
        "where": {"n": {"$lt": 200}},
        "include": ["distances", "embeddings", "metadatas", "documents"],
    }
    with talking(copy.folder) as talk:
        usual = talk.records(copy.collection, "query", asked)
    shorten(copy.place / index.LEVEL0)
    for _ in range(4):
        life.suspect(copy.folder, copy.collection)  # so that it is never filled
    with talking(copy.folder) as talk:
        assert "broken" in talk.states
        slow = talk.records(copy.collection, "query", asked)
        for field in ("ids", "metadatas", "documents"):
            assert slow[field] == usual[field]
        for row, other in zip(slow["distances"], usual["distances"], strict=True):
            assert row == pytest.approx(other, abs=1e-5)
        for rows, others in zip(slow["embeddings"], usual["embeddings"], strict=True):
            for row, other in zip(rows, others, strict=True):
                assert row == pytest.approx(other, abs=1e-5)
        status, answer = talk.ask(
            "POST",
            f"{COLLECTIONS}/{copy.collection}/query",
            {"query_embeddings": [[1.0, 2.0]], "n_results": 1},
        )
        assert (status, answer["error"]) == (400, "InvalidArgumentError")
        assert f"dimension of {SIZE}, got 2" in answer["message"]


def test_writes_during_a_rebuild_are_neither_lost_nor_undone(filled: Filled) -> None:
    shorten(filled.place / index.LINKS)
    live = dict(LIVE)
    with talking(filled.folder) as talk:
        add(talk, filled.collection, names(350, 380), "update", "later")
        live |= {one: one + "later" for one in names(350, 380)}
        add(talk, filled.collection, names(380, 390), "upsert", "later")
        live |= {one: one + "later" for one in names(380, 390)}
        add(talk, filled.collection, names(380, 400), "add", "ignored")
        talk.records(filled.collection, "delete", {"ids": names(390, 395)})
        live = {one: tag for one, tag in live.items() if one not in names(390, 395)}
        add(talk, filled.collection, names(390, 392), "add", "again")
        live |= {one: one + "again" for one in names(390, 392)}
        add(talk, filled.collection, names(900, 950))
        live |= {one: one for one in names(900, 950)}
        see(talk, filled.collection, live)
        talk.wait_whole()
        see(talk, filled.collection, live)
    with talking(filled.folder) as talk:
        see(talk, filled.collection, live)
    filled.check()


def test_a_rebuild_that_is_killed_goes_on(filled: Filled) -> None:
    shorten(filled.place / index.LEVEL0)
    for _ in range(4):
        talk = Talk(filled.folder)
        until(
            lambda talk=talk: (
                any(one["done"] for one in asked_health(talk)) or not asked_health(talk)
            )
        )
        talk.kill()
    with talking(filled.folder) as talk:
        see(talk, filled.collection)
        talk.wait_whole()
        see(talk, filled.collection)
    filled.check()


def test_a_filled_index_that_was_not_saved_yet_is_sound(tmp_path: Path) -> None:
    live = {one: one for one in names(0, 30)}
    talk = Talk(tmp_path)
    collection = talk.make("filled", threshold=20)
    add(talk, collection, names(0, 30))
    talk.records(collection, "delete", {"ids": ["r29"]})
    del live["r29"]
    talk.kill()
    filled = Filled(tmp_path, collection)
    (filled.place / index.LABELS).unlink()
    with contextlib.closing(log.connect(tmp_path)) as db:
        settings = "replace(schema_str, '\"sync_threshold\":20', '\"sync_threshold\":1000')"
        db.execute(f"UPDATE collections SET schema_str = {settings}")
    for states in ({"rebuilding"}, set()):
        talk = Talk(tmp_path)
        see(talk, collection, live)
        talk.wait_whole()
        assert talk.states == states
        talk.kill()
        filled.check()


def asked_health(talk: Talk) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = talk.done("HEALTH", "/mlpi/health")["collections"]
    return found


def test_a_kill_between_any_two_steps_of_a_replacement_loses_nothing(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new files are there and the database does not know; or it knows and the old remain."""

    class Killed(Exception):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    shorten(filled.place / index.LEVEL0)
    for where in ("transaction", "shutil.rmtree"):
        with contextlib.closing(log.connect(filled.folder)) as db, monkeypatch.context() as patch:
            patch.setattr(f"mlpi.vectors.engine.renewal.{where}", die)
            with pytest.raises(Killed):
                renewal.replace(db, filled.folder, filled.stored(), "a test")
    with talking(filled.folder) as talk:
        see(talk, filled.collection)
        talk.wait_whole()
        see(talk, filled.collection)
    assert len([entry for entry in filled.folder.iterdir() if entry.is_dir()]) == 1


def test_an_index_that_breaks_while_the_engine_runs_is_noticed(filled: Filled) -> None:
    place = filled.place
    with talking(filled.folder) as talk:
        shorten(place / index.LABELS)
        see(talk, filled.collection)
        assert "rebuilding" in talk.states
        talk.wait_whole()
        see(talk, filled.collection)


def test_unknown_ids_do_not_make_an_index_suspect(filled: Filled) -> None:
    """Chroma answers them in the same words as a broken index."""
    with talking(filled.folder) as talk:
        status, answer = talk.ask(
            "POST",
            f"{COLLECTIONS}/{filled.collection}/query",
            {"query_embeddings": [vector_of("x")], "ids": ["r100", "nobody"], "n_results": 1},
        )
        assert (status, "Error finding id" in answer["message"]) == (500, True)
        assert not talk.states
        see(talk, filled.collection)


def test_what_chroma_had_forgotten_is_read_from_the_index(tmp_path: Path) -> None:
    folder = tmp_path / "chroma"
    filled = Filled(folder, stock_folder(folder))
    with contextlib.closing(log.connect(folder)) as db:
        [(rows,)] = db.execute("SELECT count(*) FROM embeddings_queue")
        assert rows < COUNT / 2
    shorten(filled.place / index.LINKS)
    with talking(folder) as talk:
        see(talk, filled.collection, {one: one for one in names(0, COUNT)})
        talk.wait_whole()
        see(talk, filled.collection, {one: one for one in names(0, COUNT)})
    filled.check()


def test_what_cannot_be_read_any_more_is_counted(tmp_path: Path) -> None:
    folder = tmp_path / "chroma"
    filled = Filled(folder, stock_folder(folder))
    shorten(filled.place / index.LEVEL0)
    with talking(folder) as talk:
        [one] = [*asked_health(talk), None][:1]
        assert one is None or "vectors are lost" in one["detail"]
        assert talk.done("GET", f"{COLLECTIONS}/{filled.collection}/count") == COUNT
        talk.wait_whole()
        near = talk.records(
            filled.collection, "query", {"query_embeddings": [vector_of("r0")], "n_results": 1}
        )
        assert near["ids"] == [["r0"]]


def test_a_stock_folder_is_made_safe_when_it_is_first_opened(tmp_path: Path) -> None:
    folder = tmp_path / "chroma"
    filled = Filled(folder, stock_folder(folder))
    with talking(folder) as talk:
        see(talk, filled.collection, {one: one for one in names(0, COUNT)})
    shutil.rmtree(filled.place)
    with talking(folder) as talk:
        see(talk, filled.collection, {one: one for one in names(0, COUNT)})
        talk.wait_whole()
        see(talk, filled.collection, {one: one for one in names(0, COUNT)})


STOCK = """
import os, random, sys
from array import array
import chromadb
from chromadb.config import Settings
client = chromadb.PersistentClient(sys.argv[1], Settings(anonymized_telemetry=False))
client._admin_client.create_database("lab")
client = chromadb.PersistentClient(
    sys.argv[1], Settings(anonymized_telemetry=False), database="lab"
)
made = client.create_collection(
    "filled", configuration={"hnsw": {"sync_threshold": 50, "batch_size": 2}},
    embedding_function=None,
)
for start in range(0, COUNT, 100):
    ids = [f"r{n}" for n in range(start, start + 100)]
    rows = []
    for one in ids:
        dice = random.Random(one)
        rows.append(array("f", [dice.random() for _ in range(SIZE)]).tolist())
    made.add(
        ids=ids, embeddings=rows, documents=[f"about {one}" for one in ids],
        metadatas=[{"n": int(one[1:])} for one in ids],
    )
print(made.id)
sys.stdout.flush()
os._exit(0)
"""


def stock_folder(folder: Path) -> str:
    """A folder as Chroma itself leaves it, with a log that forgets; the collection's id."""
    script = STOCK.replace("COUNT", str(COUNT)).replace("SIZE", str(SIZE))
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


def test_folders_of_nobody_go_at_a_start_and_others_stay(filled: Filled) -> None:
    (filled.folder / UUID).mkdir()
    (filled.folder / UUID / index.HEADER).write_bytes(b"x")
    (filled.folder / "notes").mkdir()
    place = filled.place
    with talking(filled.folder):
        assert not (filled.folder / UUID).exists()
    assert place.exists()
    assert (filled.folder / "notes").exists()


def test_the_folder_of_a_deleted_collection_goes_soon(filled: Filled) -> None:
    place = filled.place
    with talking(filled.folder) as talk:
        see(talk, filled.collection)
        other = talk.make("another")
        add(talk, other, names(0, 10))
        talk.done("DELETE", f"{COLLECTIONS}/filled")
        until(lambda: not place.exists())
        see(talk, other, {one: one for one in names(0, 10)})
    with contextlib.closing(log.connect(filled.folder)) as db:
        topic = log.topic_of(filled.collection)
        rows = db.execute("SELECT 1 FROM embeddings_queue WHERE topic = ?", [topic])
        assert rows.fetchone() is None


def test_useless_rows_leave_the_log_and_nothing_else_does(filled: Filled) -> None:
    live = {**LIVE, **{one: one + "9" for one in names(100, 200)}}
    with talking(filled.folder) as talk:
        for turn in range(10, 50):
            add(talk, filled.collection, names(100, 200), "update", str(turn))
        add(talk, filled.collection, names(100, 200), "update", "9")
    with contextlib.closing(log.connect(filled.folder)) as db:
        assert rows_of(db, filled) > 4000
        with talking(filled.folder) as talk:
            keeper = Keeper(filled.folder)
            while keeper.shrink() is not None:
                see_some(talk, filled.collection)
            keeper.rest()
            assert rows_of(db, filled) < 500
            see(talk, filled.collection, live)
            add(talk, filled.collection, names(100, 110), "update", "99")
        live |= {one: one + "99" for one in names(100, 110)}
        filled.check()
    shutil.rmtree(filled.place)
    with talking(filled.folder) as talk:
        see(talk, filled.collection, live)
        talk.wait_whole()
        see(talk, filled.collection, live)


def see_some(talk: Talk, collection: str) -> None:
    """A write and a read go through while the log shrinks."""
    add(talk, collection, ["r200"], "upsert")
    assert talk.records(collection, "get", {"ids": ["r200"]})["ids"] == ["r200"]


def rows_of(db: sqlite3.Connection, filled: Filled) -> int:
    topic = log.topic_of(filled.collection)
    [(rows,)] = db.execute("SELECT count(*) FROM embeddings_queue WHERE topic = ?", [topic])
    return int(rows)


def test_a_collection_that_engines_die_of_is_made_anew_then_left_alone(filled: Filled) -> None:
    for deaths, states in ((1, set()), (1, {"rebuilding"}), (1, {"rebuilding"}), (1, {"broken"})):
        for _ in range(deaths):
            life.suspect(filled.folder, filled.collection)
        (filled.folder / life.RUNNING).touch()
        with talking(filled.folder) as talk:
            see(talk, filled.collection)
            assert talk.states == states
            talk.wait_whole()


def test_only_what_a_killed_engine_touched_is_read_whole(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = Talk(filled.folder)
    other = talk.make("untouched")
    talk.kill()
    assert life.left_touched(filled.folder) == set()
    talk = Talk(filled.folder)
    add(talk, filled.collection, names(500, 501))
    talk.kill()
    assert life.left_touched(filled.folder) == {filled.collection}
    assert not life.did_end(filled.folder)
    one_number(filled.place, index.check_sizes(filled.place, SIZE))
    with talking(filled.folder) as talk:
        assert "rebuilding" in talk.states
        assert other not in life.left_touched(filled.folder)
    assert life.did_end(filled.folder)


def test_a_helper_that_dies_is_started_again(filled: Filled) -> None:
    keeper = Keeper(filled.folder)
    try:
        assert list(keeper.vectors(filled.collection, ["r100"])) == ["r100"]
        assert keeper._process is not None
        keeper._process.kill()
        with pytest.raises(KeeperGone):
            keeper.vectors(filled.collection, ["r100"])
        assert list(keeper.vectors(filled.collection, ["r100"])) == ["r100"]
    finally:
        keeper.rest()


@pytest.mark.parametrize(("how", "is_blamed"), [(signal.SIGSEGV, True), (signal.SIGKILL, False)])
def test_a_crash_is_blamed_on_what_the_engine_was_busy_with(
    filled: Filled, how: signal.Signals, is_blamed: bool
) -> None:
    head = {
        "method": "GET",
        "path": f"{COLLECTIONS}/{filled.collection}/count",
        "query": "",
        "content_type": "",
        "workspace": "lab",
        "database": "lab",
    }

    async def crash() -> bytes:
        engine = Engine(filled.folder)
        await engine.ask(head, b"")
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGSTOP)
        asked = asyncio.create_task(engine.ask(head, b""))
        await asyncio.sleep(0)
        os.kill(engine.pid, how)
        os.kill(engine.pid, signal.SIGCONT)
        with pytest.raises(EngineEnded):
            await asked
        answer = await engine.ask(head, b"")
        await engine.stop()
        return answer.body

    assert int(asyncio.run(crash())) == len(LIVE)
    assert life.suspects(filled.folder) == ({filled.collection: 1} if is_blamed else {})


def test_a_collection_that_kills_each_engine_does_not_for_ever(filled: Filled) -> None:
    """A logged row that Chroma cannot read: a task of the bindings panics, whoever asks."""
    with talking(filled.folder) as talk:
        other = talk.make("another")
        add(talk, other, names(0, 10))
    with contextlib.closing(log.connect(filled.folder)) as db:
        topic = log.topic_of(filled.collection)
        db.execute(
            "INSERT INTO embeddings_queue (operation, topic, id) VALUES (99, ?, 'x')", [topic]
        )
    for life_ in range(life.TOLERATED + 1):
        with talking(filled.folder) as talk:
            see(talk, other, {one: one for one in names(0, 10)})
            with contextlib.suppress(Gone):
                status, _ = talk.ask("GET", f"{COLLECTIONS}/{filled.collection}/count")
                assert status == 500
            assert talk.process.wait(60) == PANICKED, life_
    with talking(filled.folder) as talk:
        for method, deed in (("GET", "count"), ("POST", "get"), ("POST", "delete")):
            path = f"{COLLECTIONS}/{filled.collection}/{deed}"
            status, answer = talk.ask(method, path, {"ids": ["r100"]})
            assert (status, "died 7 times" in answer["message"]) == (503, True)
        see(talk, other, {one: one for one in names(0, 10)})
        talk.done("DELETE", f"{COLLECTIONS}/filled")
        until(lambda: not asked_health(talk))
