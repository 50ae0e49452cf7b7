"""Jobs through the queue against huey on SQLite, in turns.

    python -m tests.bench.jobs [--jobs 500] [--runs 3]

Both run jobs that do nothing on one worker, from the first enqueue to the last result, with every
commit synced to disk (huey's own default would not survive a power cut: it is shown as well).
Then: how soon a warm worker picks a job up, and what 1,000 jobs leave behind in memory.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from mlpi.auth.audit import Actor
from mlpi.clock import utcnow
from mlpi.house import House
from mlpi.jobs.dispatcher import Dispatcher
from mlpi.jobs.kinds import JobKind, Kinds
from mlpi.jobs.local import Limits, LocalRunner
from mlpi.jobs.service import Jobs, Wish
from mlpi.settings import Settings
from tests.bench import huey_peer
from tests.bench.measure import machine, table

ACTOR = Actor("bench")
WORKSPACE = "default"


class Queue:
    """Our queue with one worker, warm."""

    def __init__(self, folder: Path) -> None:
        self.house = House.build(Settings(home=folder), utcnow)
        self.house.open()
        kinds = Kinds()
        kinds.add(JobKind("nothing", "mlpi.jobs.selftest:nothing", "nothing"))
        runner = LocalRunner(Limits(max_workers=1))
        self.dispatcher = Dispatcher(self.house.db, kinds, runner, utcnow, home=folder)
        self.jobs = Jobs(self.house.db, self.house.audit, kinds, self.dispatcher, utcnow)
        self.dispatcher.start()
        self.done = 0
        self.run(1)

    def run(self, count: int) -> float:
        """Seconds from the first enqueue to the last end."""
        began = time.perf_counter()
        for _ in range(count):
            self.jobs.enqueue(Wish("nothing", WORKSPACE), actor=ACTOR)
        self.done += count
        while self.jobs.counts(WORKSPACE).get("succeeded", 0) < self.done:
            time.sleep(0.005)
        return time.perf_counter() - began

    def pickup_ms(self) -> float:
        """From created to claimed, by the row's own times."""
        made = self.jobs.enqueue(Wish("nothing", WORKSPACE), actor=ACTOR)
        self.done += 1
        while not (found := self.jobs.get(WORKSPACE, made.id)).is_final:
            time.sleep(0.001)
        assert found.started_at is not None
        return (found.started_at - found.created_at).total_seconds() * 1000

    def close(self) -> None:
        self.dispatcher.stop()
        self.house.close()


def huey_seconds(count: int, *, fsync: bool) -> float:
    """The same with huey's SqliteHuey and its consumer process, one worker, polling as quickly
    as its delay allows.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "huey.db")
        process = multiprocessing.get_context("spawn").Process(
            target=huey_peer.consume, args=(file, fsync), daemon=True
        )
        process.start()
        try:
            huey, nothing = huey_peer.make(file, fsync=fsync)
            nothing().get(blocking=True, timeout=60)  # the consumer is warm
            began = time.perf_counter()
            results = [nothing() for _ in range(count)]
            results[-1].get(blocking=True, timeout=300, backoff=1, max_delay=0.005)
            while huey.pending_count():
                time.sleep(0.005)
            return time.perf_counter() - began
        finally:
            process.kill()
            process.join()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--jobs", type=int, default=500)
    options.add_argument("--runs", type=int, default=3)
    chosen = options.parse_args()
    rates: dict[str, list[float]] = {"mlpi": [], "huey, fsync": [], "huey, as it comes": []}
    with tempfile.TemporaryDirectory() as folder:
        queue = Queue(Path(folder) / "home")
        for _ in range(chosen.runs):
            rates["mlpi"].append(chosen.jobs / queue.run(chosen.jobs))
            rates["huey, fsync"].append(chosen.jobs / huey_seconds(chosen.jobs, fsync=True))
            rates["huey, as it comes"].append(chosen.jobs / huey_seconds(chosen.jobs, fsync=False))
        pickups = sorted(queue.pickup_ms() for _ in range(100))
        gc.collect()
        before = psutil.Process().memory_info().rss
        queue.run(1000)
        gc.collect()
        grown = psutil.Process().memory_info().rss - before
        queue.close()
    print(f"{machine()}; median of {chosen.runs} runs of {chosen.jobs} jobs, in turns\n")
    ours = statistics.median(rates["mlpi"])
    rows = [
        [who, f"{statistics.median(found):.0f}", f"{ours / statistics.median(found):.2f}"]
        for who, found in rates.items()
    ]
    print(table(["", "jobs a second", "mlpi / this"], rows))
    print(f"\nPick-up by a warm worker: median {statistics.median(pickups):.1f} ms, ", end="")
    print(f"p99 {pickups[98]:.1f} ms, worst {pickups[-1]:.1f} ms.")
    print(f"Memory of the service's process after 1,000 more jobs: {grown / 1e6:+.1f} MB.")


if __name__ == "__main__":
    main()
