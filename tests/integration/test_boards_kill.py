"""A process that follows runs is killed at any moment; threads draw while another saves.

BOARDS_FUZZ=n kills it n times as often.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpi.boards import cache, keeping, library
from mlpi.boards.cache import Cache
from mlpi.boards.library import Library
from mlpi.boards.reader.run import RunReader
from tests.event_files import NAME, event, header, ours, restart, rows, simple, tensor, write

LONGER = int(os.environ.get("BOARDS_FUZZ", "1"))

# Saves whenever it can, in small pieces, so that most moments lie within a save.
FOLLOWING = """
import sys, time
from pathlib import Path
from mlpi.boards import cache, keeping, library
from mlpi.boards.cache import Cache
from mlpi.boards.library import Library

keeping.SAVE_BYTES, library.SLICE_BYTES = 1, 20_000
cache.MOST_ROWS, cache.FEW_ROWS = 500, 100
one = Library(Path(sys.argv[1]), Cache(Path(sys.argv[2])))
one.start()
one.wait_until_scanned(60)
print("follows", flush=True)
while True:
    for run in one.runs("lab"):
        one.touch("lab", run.name)
    time.sleep(0.02)
"""


def until(what: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def is_kept(path: Path) -> bool:
    if not path.exists():
        return False
    db = sqlite3.connect(path)
    try:
        return bool(db.execute("SELECT count(*) FROM runs").fetchone()[0])
    except sqlite3.OperationalError:  # another makes it just now
        return False
    finally:
        db.close()


def made(begin: int, count: int) -> bytes:
    records = []
    for step in range(begin, begin + count):
        records.append(event(step, simple("loss", step / 3), simple("acc", -step)))
        records.append(event(step, tensor("said", [b"%d" % step], plugin="text")))
    return b"".join(records)


def everything(reader: RunReader) -> tuple[object, ...]:
    entries = {tag: rows(one.points()) for tag, one in reader.held.entries.items() if len(one)}
    return ours(reader.held), entries, reader.held.metadata, reader.held.plugins


def fresh(folder: Path) -> tuple[object, ...]:
    reader = RunReader(folder)
    reader.refresh()
    return everything(reader)


@pytest.mark.timeout(300 * LONGER)
def test_killed_at_any_moment_it_goes_on_where_it_was(tmp_path: Path) -> None:
    root, kept = tmp_path / "tensorboard", tmp_path / "cache" / "boards.sqlite3"
    dice = random.Random(4)
    folders = [root / "lab" / name for name in ("a", "b", "deep/c")]
    for folder in folders:
        write(folder, [header()])
    step = 100
    kept_runs = 0
    for number in range(6 * LONGER):
        child = subprocess.Popen(
            [sys.executable, "-c", FOLLOWING, root, kept], stdout=subprocess.PIPE, text=True
        )
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "follows\n"
            end = time.monotonic() + dice.uniform(0.0, 0.8)
            while time.monotonic() < end:
                with (dice.choice(folders) / NAME).open("ab") as file:
                    if dice.random() < 0.1:
                        file.write(restart(step - 40))
                    file.write(made(step, dice.choice([1, 10, 100])))
                step += 50
            if not number:
                until(lambda: is_kept(kept))
        finally:
            child.send_signal(signal.SIGKILL)
            child.communicate()
        if kept.exists():
            db = sqlite3.connect(kept)
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            db.close()
        one = Cache(kept)
        for folder in folders:
            reader = RunReader(folder, load=one.load)
            kept_runs += one.restore("lab", folder.relative_to(root / "lab").as_posix(), reader)
            reader.refresh()
            assert everything(reader) == fresh(folder)
        assert not one.is_broken
        one.close()
    assert kept_runs


@pytest.mark.timeout(300 * LONGER)
def test_whoever_draws_while_rows_are_saved_and_joined_sees_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "SAVE_BYTES", 1)
    monkeypatch.setattr(library, "SLICE_BYTES", 5_000)
    monkeypatch.setattr(cache, "MOST_ROWS", 64)
    monkeypatch.setattr(cache, "FEW_ROWS", 64)
    path = write(tmp_path / "lab" / "a", [header(), made(0, 1)])
    one = Library(tmp_path, Cache(tmp_path / "kept" / "boards.sqlite3"))
    one.start()
    failures: list[str] = []
    looks = [0, 0, 0]
    is_over = threading.Event()

    def look(number: int) -> None:
        longest = 0
        try:
            while not is_over.is_set():
                held = one.run("lab", "a").reader.held
                points = held.scalars("loss").points()
                count = len(points.steps)
                assert count >= longest, "points went"
                longest = count
                assert points.steps.tolist() == list(range(count)), "points are not in order"
                assert len(points.values) == len(points.wall_times) == count
                last = held.scalars("acc").last()
                assert last.values.tolist() == (-last.steps).tolist()
                places = held.others("said").points()
                assert places.steps.tolist() == list(range(len(places.steps)))
                looks[number] += 1
                time.sleep(0.002)  # others are let in
        except BaseException as error:  # a thread's failure would be lost
            failures.append(repr(error))

    until(lambda: [run for run in one.runs("lab") if not run.is_reading])
    threads = [threading.Thread(target=look, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for begin in range(1, 1 + 20 * 25 * LONGER, 25):
            with path.open("ab") as file:
                file.write(made(begin, 25))
            one.touch("lab", "a")
            time.sleep(0.01)  # what is written at once is saved at once
        until(lambda: one.run("lab", "a").reader.held.scalars("loss").last().steps[0] == begin + 24)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
        one.stop()
    assert not failures
    assert all(looks)
    assert everything(one.run("lab", "a").reader)[0] == fresh(path.parent)[0]
