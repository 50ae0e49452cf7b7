"""The library of runs: taking logs in, starting again, standing still, a new point, a large log.

    python -m tests.bench.boards_library                  # all but the large log
    python -m tests.bench.boards_library --only large --gb 2
    python -m tests.bench.boards_library --only serve     # a real service beside a log of 500 MB

Each part runs in a process of its own over a folder of its own. CPU is of the whole process from
the library's start, imports apart; memory is what that added to it at its peak.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.boards_reader import TAGS, fill, peak_mb
from tests.bench.measure import machine, table

NAME = "events.out.tfevents.1790000000.pi.1.0"


def opened(home: Path) -> Any:
    import numpy  # noqa: F401 - imports are not reading
    import watchfiles  # noqa: F401

    from mlpi.boards.cache import Cache
    from mlpi.boards.library import Library

    return Library(home / "tensorboard", Cache(home / "cache" / "boards.sqlite3"))


def until(what: Callable[[], object], pause_s: float = 0.005, seconds: float = 3000) -> None:
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise SystemExit("it did not come about")
        time.sleep(pause_s)


def is_read(one: Any, runs: int) -> bool:
    return len(one._runs) >= runs and not one.pending("lab")


def tree_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def written_mb() -> float:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"]) / 1e6


def rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def taken(home: Path, runs: int) -> dict[str, float]:
    """From the start until all is read and, at the end, kept."""
    one = opened(home)
    before_mb, before_s, begun_s = peak_mb(), time.process_time(), time.monotonic()
    flash = written_mb()
    one.start()
    until(lambda: is_read(one, runs), 0.02)
    read_s, wall_s = time.process_time() - before_s, time.monotonic() - begun_s
    one.stop()
    return {
        "CPU until read, s": read_s,
        "CPU until kept, s": time.process_time() - before_s,
        "wall until read, s": wall_s,
        "memory added, MB": peak_mb() - before_mb,
        "memory in all, MB": peak_mb(),
        "written, MB": written_mb() - flash,
        "cache, MB": tree_mb(home / "cache"),
    }


def again(home: Path, runs: int) -> dict[str, float]:
    """With the cache: until all are listed, read to their ends, and one tag of each is drawn."""
    one = opened(home)
    before_mb, before_s, begun_s = peak_mb(), time.process_time(), time.monotonic()
    one.start()
    one.wait_until_scanned(3000)
    listed_s = time.monotonic() - begun_s
    until(lambda: is_read(one, runs))
    read_s = time.process_time() - before_s
    count = 0
    for run in one.runs("lab"):
        tag = next(iter(run.reader.held.series))
        count += len(run.reader.held.series[tag].points().steps)
    found = {
        "wall until listed, s": listed_s,
        "CPU until read, s": read_s,
        "CPU until drawn, s": time.process_time() - before_s,
        "wall until drawn, s": time.monotonic() - begun_s,
        "points drawn": float(count),
        "memory added, MB": peak_mb() - before_mb,
        "memory after, MB": rss_mb(),
    }
    flash = written_mb()
    one.stop()
    return found | {"written at its end, MB": written_mb() - flash}


def idle(home: Path, runs: int, how: str) -> dict[str, float]:
    """CPU a minute, after all is read."""
    from mlpi.boards import watching

    if how == "polling":
        watching.file_system = lambda _: "nfs4"  # type: ignore[assignment]
    one = opened(home)
    one.start()
    until(lambda: is_read(one, runs))
    time.sleep(2)
    before_s, begun_s = time.process_time(), time.monotonic()
    flash = written_mb()
    for _ in range(60):
        one.version("lab")  # somebody looks on
        time.sleep(1)
    lasted_s = time.monotonic() - begun_s
    found = {
        "CPU a minute, s": (time.process_time() - before_s) * 60 / lasted_s,
        "written, MB": written_mb() - flash,
    }
    one.stop()
    return found


def points(home: Path, times: int) -> dict[str, float]:
    """From a point's write until it can be drawn and the version has changed."""
    from tests.event_files import event, header, simple, write

    path = write(home / "tensorboard" / "lab" / "live", [header(), event(0, simple("loss", 0))])
    one = opened(home)
    one.start()
    until(lambda: is_read(one, 1))
    series = one.run("lab", "live").reader.held.series["loss"]
    dice, waits = random.Random(1), []
    for step in range(1, times + 1):
        time.sleep(dice.uniform(0.05, 0.4))
        version = one.version("lab")
        made = event(step, simple("loss", step))
        with path.open("ab") as file:
            file.write(made)
        begun_s = time.monotonic()
        until(lambda v=version, n=step: one.version("lab") > v and len(series) > n, 0.001)
        waits.append(time.monotonic() - begun_s)
    one.stop()
    waits.sort()
    return {
        "median, ms": 1e3 * statistics.median(waits),
        "p99, ms": 1e3 * waits[int(len(waits) * 0.99)],
        "worst, ms": 1e3 * waits[-1],
    }


# --- logs -------------------------------------------------------------------------------------


def many_runs(home: Path, runs: int, tags: int, steps: int) -> None:
    from tests.event_files import event, header, simple

    made = [header()]
    for step in range(steps):
        made += [event(step, simple(f"layer{tag:02}/norm", step / 3)) for tag in range(tags)]
    data = b"".join(made)
    for run in range(runs):
        folder = home / "tensorboard" / "lab" / f"sweep/run-{run:04}"
        folder.mkdir(parents=True)
        (folder / NAME).write_bytes(data)


def large(home: Path, gb: float, name: str = "large") -> float:
    """A log of scalars and images, made by copying its middle; how many bytes."""
    from tensorboard.compat.proto import summary_pb2

    from tests.event_files import event, header, simple

    dice = random.Random(1)
    parts = []
    for step in range(1000, 11_000):
        parts += [event(step, simple(tag, dice.random())) for tag in TAGS]
        if step % 20 == 0:
            image = summary_pb2.Summary.Image(
                height=64, width=64, colorspace=3, encoded_image_string=dice.randbytes(8000)
            )
            parts.append(event(step, summary_pb2.Summary.Value(tag="picture", image=image)))
    data = b"".join(parts)
    folder = home / "tensorboard" / "lab" / name
    folder.mkdir(parents=True)
    with (folder / NAME).open("wb") as file:
        file.write(header())
        for _ in range(int(gb * 1e9 / len(data)) + 1):
            file.write(data)
        return file.tell()


# --- the service ------------------------------------------------------------------------------


def serve(gb: float) -> dict[str, float]:
    """How long /healthz takes at rest, and while a large log is read."""
    import httpx

    from tests.service import running_service

    with tempfile.TemporaryDirectory() as made:
        home = Path(made) / "home"
        beside = Path(made) / "beside"
        large(beside, gb)
        with running_service(Path(made)) as service, httpx.Client(base_url=service.url) as client:

            def asked(seconds: float) -> list[float]:
                waits, end = [], time.monotonic() + seconds
                while time.monotonic() < end:
                    begun_s = time.monotonic()
                    client.get("/healthz").raise_for_status()
                    waits.append(1e3 * (time.monotonic() - begun_s))
                    time.sleep(0.005)
                return sorted(waits)

            asked(1)
            rest = asked(8)
            (home / "tensorboard" / "lab").mkdir(parents=True)
            (beside / "tensorboard" / "lab" / "large").rename(
                home / "tensorboard" / "lab" / "large"
            )
            busy = asked(12)
    found = {}
    for name, waits in (("at rest", rest), ("while it is read", busy)):
        found |= {
            f"{name}: median, ms": statistics.median(waits),
            f"{name}: p99, ms": waits[int(len(waits) * 0.99)],
            f"{name}: worst, ms": waits[-1],
        }
    return found


# --- one after another ------------------------------------------------------------------------


def measured(part: str, home: Path, *words: object) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.boards_library"]
    command += ["--part", part, "--home", str(home), "--words", json.dumps(words)]
    done = subprocess.run(command, check=True, capture_output=True)
    return json.loads(done.stdout.splitlines()[-1])


PARTS: dict[str, Callable[..., dict[str, float]]] = {
    "taken": taken,
    "again": again,
    "idle": idle,
    "points": points,
}


def shown(heading: str, found: dict[str, dict[str, float]]) -> None:
    names = list(dict.fromkeys(name for one in found.values() for name in one))
    rows = [
        [name, *(f"{one[name]:,.2f}" if name in one else "" for one in found.values())]
        for name in names
    ]
    print(f"\n{heading}; load {os.getloadavg()[0]:.1f}\n")
    print(table(["", *found], rows), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["goal", "many", "points", "large", "serve"])
    parser.add_argument("--gb", type=float, default=0.5)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--words", type=json.loads, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        print(json.dumps(PARTS[asked.part](asked.home, *asked.words)))
        return
    print(machine())
    with tempfile.TemporaryDirectory() as made:
        top = Path(made)
        if asked.only in (None, "goal"):
            found = {}
            for number in range(asked.times):
                home = top / f"goal-{number}"
                (home / "tensorboard" / "lab").mkdir(parents=True)
                fill(home / "tensorboard" / "lab", 20, 20_000)
                found[f"taken in {number + 1}"] = measured("taken", home, 20)
                found[f"again {number + 1}"] = measured("again", home, 20)
            shown("20 runs × 5 tags × 20,000 steps", found)
        if asked.only in (None, "many"):
            home = top / "many"
            many_runs(home, asked.runs, 20, 100)
            found = {"taken in": measured("taken", home, asked.runs)}
            found["again"] = measured("again", home, asked.runs)
            for how in ("inotify", "polling"):
                found[f"idle, {how}"] = measured("idle", home, asked.runs, how)
            shown(f"{asked.runs:,} runs × 20 tags × 100 steps", found)
        if asked.only in (None, "points"):
            shown("A new point", {"200 points": measured("points", top / "points", 200)})
        if asked.only == "large":
            size = large(top / "large", asked.gb)
            found = {"taken in": measured("taken", top / "large", 1)}
            found["again"] = measured("again", top / "large", 1)
            shown(f"One log of {size / 1e9:.1f} GB", found)
        if asked.only == "serve":
            shown(f"/healthz beside a log of {asked.gb:.1f} GB", {"": serve(asked.gb)})


if __name__ == "__main__":
    main()
