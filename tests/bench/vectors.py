"""Adds and queries through an unmodified chromadb.HttpClient, against `chroma run`, in turns.

    python -m tests.bench.vectors --runs 3

While records are added, another connection asks for a page that has nothing to do with them: how
long others wait is half of what is measured.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chromadb
import httpx
import numpy as np

from tests.bench.measure import machine
from tests.service import free_port, running_service

K = 10


@dataclass
class Peer:
    """A server to drive: how to open a client, and a light page of it."""

    name: str
    client: Callable[[], Any]
    light: str
    figures: dict[str, list[float]] = field(default_factory=dict)

    def note(self, key: str, value: float) -> None:
        self.figures.setdefault(key, []).append(value)


@contextmanager
def stock(folder: Path) -> Iterator[Peer]:
    port = free_port()
    program = Path(sys.executable).parent / "chroma"
    process = subprocess.Popen(
        [program, "run", "--path", folder / "stock", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    light = f"http://127.0.0.1:{port}/api/v2/heartbeat"
    try:
        _wait(light)
        yield Peer("chroma run", lambda: chromadb.HttpClient("127.0.0.1", port), light)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def ours(folder: Path) -> Iterator[Peer]:
    with running_service(folder) as service:
        service.wait_ready()
        service.add_user("ana")
        service.mlpi("workspace", "add", "lab")
        service.mlpi("member", "add", "lab", "ana", "owner")
        token = service.token("ana", "lab")
        headers = {"X-Chroma-Token": token}
        yield Peer(
            "mlpi",
            lambda: chromadb.HttpClient("127.0.0.1", service.port, headers=headers),
            f"{service.url}/healthz",
        )


def _wait(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise SystemExit(f"{url} does not answer")


@contextmanager
def watched(url: str, waits: list[float]) -> Iterator[None]:
    """Asks for a light page every 5 ms meanwhile; seconds until each answer."""
    over = threading.Event()

    def ask() -> None:
        with httpx.Client() as client:
            while not over.wait(0.005):
                start = time.perf_counter()
                client.get(url)
                waits.append(time.perf_counter() - start)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def drive(peer: Peer, vectors: Any, batch: int, queries: int) -> None:
    client = peer.client()
    collection = client.create_collection(f"bench-{time.time_ns()}", embedding_function=None)
    ids = [str(number) for number in range(len(vectors))]

    def add() -> float:
        start = time.perf_counter()
        for at in range(0, len(vectors), batch):
            collection.add(ids=ids[at : at + batch], embeddings=vectors[at : at + batch])
        return len(vectors) / (time.perf_counter() - start)

    def query(count: int) -> list[float]:
        times = []
        for vector in vectors[:count]:
            start = time.perf_counter()
            found = collection.query(query_embeddings=[vector], n_results=K)
            times.append(time.perf_counter() - start)
            assert len(found["ids"][0]) == K
        return times

    peer.note("adds a second", add())
    query(50)
    times = query(queries)
    peer.note("queries a second", len(times) / sum(times))
    peer.note("query p99, ms", float(np.quantile(times, 0.99)) * 1e3)
    client.delete_collection(collection.name)
    collection = client.create_collection(f"watched-{time.time_ns()}", embedding_function=None)
    waits: list[float] = []
    with watched(peer.light, waits):
        peer.note("adds a second, watched", add())
    peer.note("others p99, ms", float(np.quantile(waits, 0.99)) * 1e3)
    peer.note("others worst, ms", max(waits) * 1e3)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--queries", type=int, default=500)
    given = parser.parse_args()
    os.environ["ANONYMIZED_TELEMETRY"] = "False"
    vectors = np.random.default_rng(7).normal(size=(given.records, given.dimension))
    vectors = vectors.astype(np.float32)
    folder = Path(tempfile.mkdtemp())
    try:
        with stock(folder) as first, ours(folder) as second:
            for _ in range(given.runs):
                for peer in (first, second):
                    drive(peer, vectors, given.batch, given.queries)
        print(machine())
        for key in first.figures:
            theirs, mine = (statistics.median(peer.figures[key]) for peer in (first, second))
            print(f"{key:26} chroma run {theirs:9.1f}   mlpi {mine:9.1f}   {mine / theirs:5.2f}x")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
