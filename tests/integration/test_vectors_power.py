"""Kills in the midst of writes, and what is there afterwards.

    VECTOR_KILLS=50 python -m pytest tests/integration/test_vectors_power.py -s

Without the variable it is a handful of kills, of the whole service or of its engine alone.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from chromadb.errors import ChromaError

from tests.integration.test_vectors import connect, engines
from tests.service import Service, running_service, until
from tests.vector_engine import COLLECTIONS, Gone, Talk, talking

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("VECTOR_KILLS", "5"))
WRITERS = 3
SIZE = 24  # numbers in a vector
# Saved after so many records: nearly at every write, every few writes, hardly ever.
THRESHOLDS = {"often": 10, "sometimes": 150, "seldom": 1000}
LIFE_S = 1.5  # of writing, at most, before a kill
BATCH = 100  # vectors asked about at once

State = tuple[int, int] | None  # seeds of a record's vector and metadata; none: it is not there


def vector_of(seed: int) -> Any:
    return np.random.default_rng(seed).random(SIZE, dtype=np.float32)


@dataclass
class Writer:
    """One client, writing records of its own, and what it knows of them.

    A record of which a write was not acknowledged may be as before or as after it.
    """

    name: str
    dice: random.Random
    known: dict[str, set[State]] = field(default_factory=dict)
    acknowledged: int = 0

    def write_until_killed(
        self, collection: Any, begun: threading.Event, is_over: threading.Event
    ) -> None:
        """is_over: a writer that asked nothing just then does not notice that it was killed."""
        while not is_over.is_set():
            deed, wanted = self._next()
            try:
                self._send(collection, deed, wanted)
            except (httpx.TransportError, ChromaError):
                for one, state in wanted.items():
                    self.known.setdefault(one, {None}).add(state)
                return
            self.known.update({one: {state} for one, state in wanted.items()})
            self.acknowledged += len(wanted)
            begun.set()

    def _next(self) -> tuple[str, dict[str, State]]:
        there = [one for one, states in self.known.items() if states != {None}]
        deed = self.dice.choices(["add", "upsert", "update", "delete"], [4, 3, 2, 1])[0]
        if len(there) < 20:
            deed = "add"
        chosen = self.dice.sample(there, min(5, len(there)))
        fresh = [f"{self.name}-{len(self.known) + n}" for n in range(10)]
        if deed == "delete":
            return deed, dict.fromkeys(chosen[:3])
        ids = {"add": fresh, "upsert": fresh[:5] + chosen, "update": chosen}[deed]
        return deed, {one: (self.dice.getrandbits(40), self.dice.getrandbits(20)) for one in ids}

    @staticmethod
    def _send(collection: Any, deed: str, wanted: dict[str, State]) -> None:
        if deed == "delete":
            collection.delete(ids=list(wanted))
            return
        states = [state for state in wanted.values() if state is not None]
        getattr(collection, deed)(
            ids=list(wanted),
            embeddings=[vector_of(vector) for vector, _ in states],
            metadatas=[{"n": number} for _, number in states],
        )

    def settle(self, found: dict[str, tuple[Any, int]]) -> None:
        """See that every record is as acknowledged, and learn of the others how they are."""
        for one, states in self.known.items():
            is_seen = found.get(one)
            fitting = {state for state in states if fits(state, is_seen)}
            assert fitting, f"{one} should be one of {states}"
            self.known[one] = {min(fitting, key=str)}

    def live(self) -> Iterator[tuple[str, int]]:
        for one, states in self.known.items():
            [state] = states
            if state is not None:
                yield one, state[0]


def fits(state: State, seen: tuple[Any, int] | None) -> bool:
    if state is None or seen is None:
        return state is None and seen is None
    vector, number = seen
    # An update sets metadata and vector at once.
    return number == state[1] and np.array_equal(
        np.asarray(vector, dtype=np.float32), vector_of(state[0])
    )


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Service]:
    with running_service(tmp_path) as service:
        service.add_user("ana")
        service.mlpi("workspace", "add", "lab")
        service.mlpi("member", "add", "lab", "ana", "owner")
        yield service


@pytest.mark.timeout(120 + 60 * KILLS)
def test_every_acknowledged_record_is_there_and_found_after_kills(
    mortal: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(KILLS)
    token = mortal.token("ana", "lab")
    writers = {
        name: [Writer(f"{name}-{n}", random.Random(f"{name}-{n}")) for n in range(WRITERS)]
        for name in THRESHOLDS
    }
    with connect(mortal, token) as client:
        for name, threshold in THRESHOLDS.items():
            hnsw = {"sync_threshold": threshold, "batch_size": 2}
            client.create_collection(name, configuration={"hnsw": hnsw}, embedding_function=None)
    for kill in range(KILLS):
        name = list(THRESHOLDS)[kill % 3]
        write_and_kill(mortal, token, name, writers[name], dice, is_whole=kill % 2 == 0)
        with connect(mortal, token) as client:
            collection = until(lambda client=client, name=name: reached(client, name))
            see(collection, writers[name])
    until(lambda: "anew" not in httpx.get(mortal.url + "/readyz").text, 100)
    with connect(mortal, token) as client:
        for name, some in writers.items():
            see(client.get_collection(name, embedding_function=None), some)
    acknowledged = sum(one.acknowledged for some in writers.values() for one in some)
    rebuilt = [line for line in mortal.log.splitlines() if "made anew" in line]
    said = [f"{KILLS} kills, {acknowledged} records acknowledged, rebuilt indexes:", *rebuilt]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(said) + "\n")
    assert acknowledged > KILLS * 10


def test_a_start_looks_for_damage_by_itself_and_says_what_it_does(mortal: Service) -> None:
    """After a kill nobody needs to ask for anything; readiness tells, and then is as ever."""
    with connect(mortal, mortal.token("ana", "lab")) as client:
        collection = client.create_collection(
            "waking",
            configuration={"hnsw": {"sync_threshold": 50, "batch_size": 2}},
            embedding_function=None,
        )
        ids = [str(n) for n in range(3000)]
        for start in range(0, 3000, 500):
            part = ids[start : start + 500]
            collection.add(ids=part, embeddings=[vector_of(int(one)) for one in part])
    kill(mortal)
    [links] = (mortal.home / "chroma").glob("*/link_lists.bin")
    links.write_bytes(b"")
    mortal.start()
    told = until(lambda: told_of(mortal))
    assert told["state"] == "ready"
    assert "makes an index anew" in told["detail"]
    with connect(mortal, mortal.token("ana", "lab")) as client:
        found = client.get_collection("waking", embedding_function=None).query(
            query_embeddings=[vector_of(2999)], n_results=1
        )
        assert found["ids"] == [["2999"]]
    until(lambda: not told_of(mortal), 100)


def told_of(service: Service) -> Any:
    """What readiness says of the vectors while an index is made anew; nobody's names."""
    told = httpx.get(service.url + "/readyz").json()["components"]["vectors"]
    assert "waking" not in told.get("detail", "")
    return told if "anew" in told.get("detail", "") else None


def kill(service: Service) -> None:
    """The service and its engine, at once."""
    assert service.process is not None
    doomed = [psutil.Process(pid) for pid in (service.process.pid, *engines(service))]
    for process in doomed:
        process.send_signal(signal.SIGKILL)
    service.stop()


class Direct:
    """A collection of an engine without the service, asked as Chroma's client is."""

    def __init__(self, talk: Talk, collection: str) -> None:
        self._talk = talk
        self._collection = collection

    def _send(self, deed: str, **body: Any) -> Any:
        if "embeddings" in body:
            body["embeddings"] = [row.tolist() for row in body["embeddings"]]
        try:
            return self._talk.records(self._collection, deed, body)
        except Gone:
            raise httpx.ConnectError("gone") from None

    def add(self, **body: Any) -> None:
        self._send("add", **body)

    def upsert(self, **body: Any) -> None:
        self._send("upsert", **body)

    def update(self, **body: Any) -> None:
        self._send("update", **body)

    def delete(self, ids: list[str]) -> None:
        self._send("delete", ids=ids)

    def get(self, include: list[str]) -> Any:
        return self._send("get", include=include)

    def query(self, query_embeddings: list[Any], n_results: int, include: list[str]) -> Any:
        rows = [row.tolist() for row in query_embeddings]
        return self._send("query", query_embeddings=rows, n_results=n_results, include=include)

    def count(self) -> int:
        found = self._talk.done("GET", f"{COLLECTIONS}/{self._collection}/count")
        return int(found)


@pytest.mark.timeout(120 + 30 * KILLS)
def test_an_engine_killed_while_it_saves_an_index_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each life is seen through the log, while the index may still be filled, and at the end by
    the index."""
    folder = tmp_path / "chroma"
    dice = random.Random(KILLS)
    writers = [Writer(str(n), random.Random(n)) for n in range(WRITERS)]
    with talking(folder) as talk:
        collection = talk.make("saved", threshold=THRESHOLDS["often"])
    states: list[str] = []
    for kill in range(KILLS):
        talk = Talk(folder)
        states += sorted(talk.states)
        direct = Direct(talk, collection)
        see(direct, writers)
        if kill % 3:
            talk.wait_whole()
        begun, is_over = threading.Event(), threading.Event()
        threads = [
            threading.Thread(target=writer.write_until_killed, args=(direct, begun, is_over))
            for writer in writers
        ]
        for thread in threads:
            thread.start()
        assert begun.wait(60)
        wait_for_moment(folder, dice)
        talk.kill()
        is_over.set()
        for thread in threads:
            thread.join()
    with talking(folder) as talk:
        see(Direct(talk, collection), writers)
        talk.wait_whole()
        see(Direct(talk, collection), writers)
    with capsys.disabled():
        sys.stdout.write(f"\n{KILLS} kills, {len(states)} starts with an index to make anew\n")


def reached(client: Any, name: str) -> Any:
    """The collection; nothing while the engine's end has not been noticed."""
    try:
        return client.get_collection(name, embedding_function=None)
    except ChromaError:
        return None


def see(collection: Any, writers: list[Writer]) -> None:
    """Every record as acknowledged, and each the nearest to its own vector."""
    kept = collection.get(include=["embeddings", "metadatas"])
    found = {
        one: (vector, metadata["n"])
        for one, vector, metadata in zip(
            kept["ids"], kept["embeddings"], kept["metadatas"], strict=True
        )
    }
    for writer in writers:
        writer.settle(found)
    live = [pair for writer in writers for pair in writer.live()]
    assert {one for one, _ in live} == set(found)
    assert collection.count() == len(live)
    for start in range(0, len(live), BATCH):
        part = live[start : start + BATCH]
        near = collection.query(
            query_embeddings=[vector_of(seed) for _, seed in part], n_results=1, include=[]
        )
        assert [one for one, _ in part] == [ids[0] for ids in near["ids"]]


def write_and_kill(
    service: Service,
    token: str,
    name: str,
    writers: list[Writer],
    dice: random.Random,
    *,
    is_whole: bool,
) -> None:
    begun, is_over = threading.Event(), threading.Event()
    with ExitStack() as clients:
        threads = []
        for writer in writers:
            client = clients.enter_context(connect(service, token))
            collection = client.get_collection(name, embedding_function=None)
            threads.append(
                threading.Thread(
                    target=writer.write_until_killed, args=(collection, begun, is_over)
                )
            )
        for thread in threads:
            thread.start()
        assert begun.wait(60)
        [engine] = engines(service)
        wait_for_moment(service.home / "chroma", dice)
        doomed = [psutil.Process(engine)]
        if is_whole:
            assert service.process is not None
            doomed.insert(0, psutil.Process(service.process.pid))
        for process in doomed:
            process.send_signal(signal.SIGKILL)
        is_over.set()
        if is_whole:
            service.stop()
        else:
            until(lambda: engine not in engines(service))
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
    if is_whole:
        service.start()


def wait_for_moment(folder: Path, dice: random.Random) -> None:
    """Until a moment at random, or until some index has begun to be saved."""
    deadline = time.monotonic() + LIFE_S * dice.random()
    if dice.random() < 0.5:
        until(lambda: time.monotonic() > deadline)
        return
    headers = list(folder.glob("*/header.bin"))
    before = [path.stat().st_mtime_ns for path in headers]
    while time.monotonic() < deadline + LIFE_S:
        if [path.stat().st_mtime_ns for path in headers if path.exists()] != before:
            return
