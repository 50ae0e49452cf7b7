"""Records a second and peak memory of a large import, its exports and its copy.

    python -m tests.bench.vectors_import            # 100,000 records of 64 dimensions
    python -m tests.bench.vectors_import --long     # 1,000,000

Memory is the most that each process had (VmHWM), read while the jobs run: service, engine, worker.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.bench.measure import machine, table
from tests.service import Service, running_service, until

SHORT, LONG = 100_000, 1_000_000
DIMENSION = 64
API = "/api/mlpi/vectors"
EVERY_S = 0.5
ENDED = ("succeeded", "failed", "cancelled", "lost")


class Peaks:
    """The most memory of each kind of process, in MB, over a stretch of time."""

    def __init__(self, service: Service) -> None:
        assert service.process is not None
        self._root = psutil.Process(service.process.pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.mb: dict[str, float] = {}

    def __enter__(self) -> Peaks:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(EVERY_S):
            self._note("service", self._root.pid)
            for child in self._root.children(recursive=True):
                try:
                    line = child.cmdline()
                    parent = child.parent()
                except psutil.NoSuchProcess:
                    continue
                if "mlpi.vectors.engine" in line:
                    self._note("engine", child.pid)
                elif parent is not None and parent.pid != self._root.pid:
                    self._note("worker", child.pid)

    def _note(self, name: str, pid: int) -> None:
        try:
            found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        except OSError:
            return
        if found:
            self.mb[name] = max(self.mb.get(name, 0.0), int(found[1]) / 1000)


def write(path: Path, count: int) -> None:
    """A file of JSON Lines, made as slowly as it must."""
    dice = random.Random(11)
    with path.open("w") as file:
        for number in range(count):
            vector = ",".join(f"{dice.gauss(0, 1):.5f}" for _ in range(DIMENSION))
            file.write(
                f'{{"id":"record-{number:07}","text":"document number {number}",'
                f'"topic":"topic {number % 40}","n":{number},"embedding":[{vector}]}}\n'
            )


def wait(client: httpx.Client, job_id: int) -> dict[str, Any]:
    """The ended job; asked slowly, for asking costs too."""

    def ended() -> Any:
        time.sleep(EVERY_S)
        found = client.get(f"/api/mlpi/jobs/{job_id}").json()
        return found if found["state"] in ENDED else None

    found: dict[str, Any] = until(ended, 6 * 3600)
    assert found["state"] == "succeeded", found["error"]
    return found


def measure(service: Service, count: int, folder: Path) -> None:
    rows: list[list[str]] = []

    def note(name: str, deed: Callable[[], None]) -> None:
        begun = time.monotonic()
        with Peaks(service) as peaks:
            deed()
        span = time.monotonic() - begun
        figures = [f"{peaks.mb[who]:.0f}" if who in peaks.mb else "–" for who in PROCESSES]
        rows.append([name, f"{span:.0f}", f"{count / span:,.0f}", *figures])
        print(table(HEADS, rows[-1:]), flush=True)

    with service.client(service.token("root", "default")) as client:

        def bring() -> None:
            with path.open("rb") as file:
                answer = client.post(
                    f"{API}/big/import",
                    params={"filename": "big.jsonl", "create": "true", "space": "l2"},
                    headers={"Content-Length": str(path.stat().st_size)},
                    content=file,
                )
            assert answer.status_code == 202, answer.text
            assert wait(client, answer.json()["job_id"])["result"]["records"] == count

        def stream(kind: str) -> None:
            with client.stream("GET", f"{API}/big/export", params={"format": kind}) as answer:
                lines = sum(part.count(b"\n") for part in answer.iter_bytes())
            assert lines == count + (kind == "csv")

        def export(kind: str) -> None:
            made = client.post(f"{API}/big/exports", json={"format": kind}).json()
            assert wait(client, made["job_id"])["result"]["records"] == count

        def copy() -> None:
            made = client.post(f"{API}/big/copy", json={"name": "copy-of-big"}).json()
            assert wait(client, made["job_id"])["result"]["records"] == count

        path = folder / "big.jsonl"
        write(path, count)
        print(f"{count:,} records of {DIMENSION}, {path.stat().st_size / 1e6:,.0f} MB", flush=True)
        note("import JSON Lines", bring)
        note("export JSON Lines", lambda: stream("jsonl"))
        note("export CSV", lambda: stream("csv"))
        note("export Parquet", lambda: export("parquet"))
        note("export NPY", lambda: export("npy"))
        note("duplicate", copy)
    print(table(HEADS, rows))


PROCESSES = ("service", "engine", "worker")
HEADS = ("deed", "s", "records/s", *(f"{who}, MB" for who in PROCESSES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true", help="a million records")
    parser.add_argument("--count", type=int, help="so many records")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder, running_service(Path(folder)) as service:
        service.add_user("root")
        measure(service, options.count or (LONG if options.long else SHORT), Path(folder))


if __name__ == "__main__":
    main()
