"""Runs are followed, kept, and taken up again after a restart."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpi.boards import cache, keeping, library
from mlpi.boards.cache import Cache
from mlpi.boards.library import Library, Run
from mlpi.boards.packing import packed, unpacked
from mlpi.boards.reader.columns import Places, Points, SegmentGone
from mlpi.boards.reader.run import RunReader
from mlpi.errors import Conflict, Invalid, NotFound
from tests.event_files import NAME, event, header, ours, restart, rows, simple, tensor, write

Opened = Callable[[], Library]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "tensorboard"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "boards.sqlite3"


@pytest.fixture
def opened(root: Path, kept: Path) -> Iterator[Opened]:
    """A started library; the one before it is stopped, as by a restart."""
    running: list[Library] = []

    def stop() -> None:
        if running:
            running.pop().stop()

    def open_one() -> Library:
        stop()
        one = Library(root, Cache(kept))
        one.start()
        running.append(one)
        assert one.wait_until_scanned(20)
        return one

    yield open_one
    stop()


def until(what: Callable[[], bool], seconds: float = 20) -> None:
    """Two threads are waited for."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def whole(one: Library, workspace: str, name: str) -> Run:
    """A run, once it is read to its end."""
    until(lambda: any(run.name == name and not run.is_reading for run in one.runs(workspace)))
    return one.run(workspace, name)


def losses(count: int, begin: int = 0) -> list[bytes]:
    dice = random.Random(begin)
    return [event(step, simple("loss", dice.random())) for step in range(begin, begin + count)]


def append(path: Path, records: list[bytes]) -> None:
    with path.open("ab") as file:
        file.write(b"".join(records))


def test_runs_of_each_workspace_are_found_where_they_lie(root: Path, opened: Opened) -> None:
    log = [header(), *losses(3)]
    write(root / "lab" / "mnist" / "lr-0.1", log)
    write(root / "lab" / "mnist" / "lr-0.2", log)
    write(root / "lab", log)
    write(root / "other" / "secret", log)
    (root / "lab" / "way-out").symlink_to(root / "other" / "secret")
    (root / "lab" / "empty").mkdir()
    one = opened()
    assert [run.name for run in one.runs("lab")] == [".", "mnist/lr-0.1", "mnist/lr-0.2"]
    assert [run.name for run in one.runs("other")] == ["secret"]
    with pytest.raises(NotFound):
        one.run("lab", "secret")


def test_new_points_files_and_runs_are_noticed(root: Path, opened: Opened) -> None:
    path = write(root / "lab" / "a", [header(), *losses(2)])
    one = opened()
    series = whole(one, "lab", "a").reader.held.series["loss"]
    assert len(series) == 2
    before = one.version("lab")
    append(path, losses(2, 2))
    until(lambda: len(series) == 4)
    until(lambda: one.version("lab") > before)
    write(root / "lab" / "new" / "deep", [header(), *losses(1)])
    assert len(whole(one, "lab", "new/deep").reader.held.series["loss"]) == 1
    write(root / "lab" / "a", [header(), *losses(3, 10)], name=NAME + ".v2")
    until(lambda: len(series) == 7)


def test_a_run_that_goes_is_gone(root: Path, opened: Opened, kept: Path) -> None:
    path = write(root / "lab" / "a", [header(), *losses(2)])
    one = opened()
    whole(one, "lab", "a")
    before = one.version("lab")
    path.unlink()
    until(lambda: not one.runs("lab"))
    assert one.version("lab") > before
    opened()
    with closing(Cache(kept)) as cached:
        assert cached.known() == []


def test_without_inotify_changes_are_still_noticed(
    root: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpi.boards.watching.file_system", lambda _: "nfs4")
    monkeypatch.setattr(library, "POLL_S", 0.05)
    path = write(root / "lab" / "a", [header(), *losses(2)])
    one = opened()
    assert one.is_polling
    assert "nfs4" in one.watch_problem
    series = whole(one, "lab", "a").reader.held.series["loss"]
    append(path, losses(2, 2))
    until(lambda: len(series) == 4)
    write(root / "lab" / "b", [header(), *losses(1)])
    whole(one, "lab", "b")


def test_what_came_before_inotify_was_ready_is_noticed(
    root: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_ready = threading.Event()

    def sees_nothing(
        *_: object, stop_event: threading.Event, **__: object
    ) -> Iterator[set[object]]:
        while not is_ready.wait(0.01):
            if stop_event.is_set():
                return
        yield set()
        stop_event.wait()

    monkeypatch.setattr("watchfiles.watch", sees_nothing)
    one = opened()
    assert one.is_polling
    write(root / "lab" / "a", [header(), *losses(2)])
    is_ready.set()
    whole(one, "lab", "a")
    assert not one.is_polling


def mixed(begin: int, count: int) -> list[bytes]:
    return [
        event(step, simple("loss", step / 3), tensor("said", f"at {step}", plugin="text"))
        for step in range(begin, begin + count)
    ]


def test_a_restart_reads_only_what_is_new(root: Path, opened: Opened) -> None:
    path = write(root / "lab" / "a", [header(), *mixed(0, 50)])
    first = whole(opened(), "lab", "a").reader
    before = ours(first.held), rows(first.held.entries["said"].points())
    again = opened()
    run = whole(again, "lab", "a")
    assert run.reader.held.series["loss"].unsaved_count == 0
    assert (ours(run.reader.held), rows(run.reader.held.entries["said"].points())) == before
    assert run.reader.held.metadata == first.held.metadata
    assert run.reader.content(run.reader.entries("said")[7]).endswith(b"at 7")
    append(path, mixed(50, 2))
    until(lambda: len(run.reader.held.series["loss"]) == 52)
    assert run.reader.held.series["loss"].unsaved_count == 2
    fresh = RunReader(root / "lab" / "a")
    fresh.refresh()
    assert ours(run.reader.held) == ours(fresh.held)


def test_a_restarted_training_takes_back_what_was_kept(root: Path, opened: Opened) -> None:
    path = write(root / "lab" / "a", [header(), *mixed(0, 50)])
    whole(opened(), "lab", "a")
    run = whole(opened(), "lab", "a")
    append(path, [restart(20), *mixed(20, 5)])
    until(lambda: len(run.reader.held.series["loss"]) == 25)
    again = whole(opened(), "lab", "a").reader
    assert again.held.series["loss"].points().steps.tolist() == list(range(25))
    assert [entry.step for entry in again.entries("said")] == list(range(25))
    assert again.content(again.entries("said")[-1]).endswith(b"at 24")


def test_a_replaced_file_is_read_anew_after_a_restart_too(root: Path, opened: Opened) -> None:
    write(root / "lab" / "a", [header(), *losses(30)])
    whole(opened(), "lab", "a")
    write(root / "lab" / "a", [header(5.0), *losses(3, 100)])
    again = opened()
    until(lambda: len(whole(again, "lab", "a").reader.held.series["loss"]) == 3)
    final = whole(opened(), "lab", "a").reader.held.series["loss"].points()
    assert final.steps.tolist() == [100, 101, 102]


def test_long_logs_are_kept_in_pieces_and_do_not_stay_in_memory(
    root: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "SLICE_BYTES", 1 << 14)
    monkeypatch.setattr(keeping, "SAVE_BYTES", 1 << 12)
    monkeypatch.setattr(cache, "MOST_ROWS", 1000)
    monkeypatch.setattr(cache, "FEW_ROWS", 100)
    write(root / "lab" / "long", [header(), *losses(5000)])
    run = whole(opened(), "lab", "long")
    series = run.reader.held.series["loss"]
    assert series.unsaved_count < 1000
    assert len(series.segments) >= 5
    fresh = RunReader(root / "lab" / "long")
    fresh.refresh()
    assert rows(series.points()) == rows(fresh.held.series["loss"].points())
    assert rows(series.last()) == rows(fresh.held.series["loss"].last())


def test_small_pieces_become_one(
    root: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "SAVE_BYTES", 1)
    path = write(root / "lab" / "a", [header(), *losses(1)])
    series = whole(opened(), "lab", "a").reader.held.series["loss"]
    for step in range(1, 6):
        append(path, losses(1, step))
        until(lambda step=step: len(series) == step + 1)  # type: ignore[misc]
    until(lambda: series.unsaved_count == 0)
    assert len(series.segments) == 1
    assert series.points().steps.tolist() == list(range(6))


@pytest.mark.parametrize("damage", [b"no database at all" * 500, b""])
def test_a_broken_cache_is_made_anew(root: Path, kept: Path, opened: Opened, damage: bytes) -> None:
    write(root / "lab" / "a", [header(), *losses(9)])
    whole(opened(), "lab", "a")
    opened().stop()
    kept.write_bytes(damage)
    run = whole(opened(), "lab", "a")
    assert len(run.reader.held.series["loss"].points().steps) == 9


def test_a_part_of_the_cache_that_cannot_be_read_is_read_from_the_files(
    root: Path, kept: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "SCAN_S", 0.1)
    write(root / "lab" / "a", [header(), *losses(9)])
    whole(opened(), "lab", "a")
    opened().stop()
    with sqlite3.connect(kept) as db:
        db.execute("UPDATE segments SET data = x'00'")
    db.close()
    one = opened()
    with pytest.raises(SegmentGone):
        whole(one, "lab", "a").reader.held.series["loss"].points()
    one.rescan("lab")

    def is_whole() -> bool:
        found = one.runs("lab")
        series = found[0].reader.held.series.get("loss") if found else None
        return series is not None and not series.segments and len(series) == 9

    until(is_whole)


def test_renaming_moves_the_folder_and_keeps_what_was_read(
    root: Path, opened: Opened, kept: Path
) -> None:
    path = write(root / "lab" / "old" / "a", [header(), *losses(9)])
    whole(opened(), "lab", "old/a")
    one = opened()
    run = whole(one, "lab", "old/a")
    with path.open("ab") as writer:
        one.rename("lab", "old/a", "new/b")
        assert not (root / "lab" / "old").exists()
        writer.write(b"".join(losses(1, 9)))
    until(lambda: len(run.reader.held.series["loss"]) == 10)
    assert [one.name for one in one.runs("lab")] == ["new/b"]
    opened()
    with closing(Cache(kept)) as cached:
        assert cached.known() == [("lab", "new/b")]


def test_a_rename_onto_another_or_out_of_the_workspace_is_refused(
    root: Path, opened: Opened
) -> None:
    for name in ("a", "b"):
        write(root / "lab" / name, [header(), *losses(1)])
    one = opened()
    with pytest.raises(Conflict):
        one.rename("lab", "a", "b")
    with pytest.raises(Conflict):
        one.rename("lab", "a", "a/deeper")
    for bad in ("../other/x", "/etc", "", "a//b", "x/..", ".hidden", "a\nb", "a\\b", "x" * 401):
        with pytest.raises(Invalid):
            one.rename("lab", "a", bad)
    assert [run.name for run in one.runs("lab")] == ["a", "b"]


def test_removing_takes_the_event_files_and_leaves_what_is_not_ours(
    root: Path, opened: Opened
) -> None:
    for name in ("a", "a/inner", "b"):
        write(root / "lab" / name, [header(), *losses(1)])
    (root / "lab" / "b" / "model.pt").write_bytes(b"weights")
    one = opened()
    one.remove("lab", "a")
    one.remove("lab", "b")
    assert [run.name for run in one.runs("lab")] == ["a/inner"]
    assert (root / "lab" / "b" / "model.pt").exists()
    one.remove("lab", "a/inner")
    assert not (root / "lab" / "a").exists()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_packed_rows_come_back_bit_by_bit(dtype: Any) -> None:
    dice = np.random.default_rng(1)
    values = dice.normal(size=100).astype(dtype)
    values[:3] = [np.nan, np.inf, -np.inf]
    steps = dice.integers(-(2**63), 2**63 - 1, 100)
    for one in (
        Points(steps, 1.79e9 + dice.random(100), values),
        Places(steps, dice.random(100), *(dice.integers(0, 2**40, 100) for _ in range(4))),
        Points.none(),
    ):
        back = unpacked(packed(one))
        assert type(back) is type(one)
        for before, after in zip(one, back, strict=True):
            assert before.dtype == after.dtype
            assert before.tobytes() == after.tobytes()


def test_every_record_is_checked_where_that_is_asked_for(root: Path, kept: Path) -> None:
    records = [header(), *losses(9)]
    at = len(records[0]) + len(records[1]) - 1
    path = write(root / "lab" / "a", records)
    data = bytearray(path.read_bytes())
    data[at] ^= 1  # in the first point's checksum
    path.write_bytes(data)
    seen = {}
    for check_crc in (False, True):
        one = Library(root, Cache(kept.with_suffix(f".{check_crc}")), check_crc=check_crc)
        one.start()
        try:
            run = whole(one, "lab", "a")
            seen[check_crc] = (len(run.reader.held.series["loss"]), len(run.reader.problems))
        finally:
            one.stop()
    assert seen == {False: (9, 0), True: (8, 1)}


def test_processes_that_begin_the_cache_at_once_do_not_quarrel(tmp_path: Path) -> None:
    kept = tmp_path / "boards.sqlite3"
    ready, faults = threading.Barrier(8), []

    def begin() -> None:
        with closing(Cache(kept)) as one:
            ready.wait()
            try:
                with one._writes():
                    pass
            except sqlite3.Error as error:
                faults.append(error)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with closing(Cache(kept)) as one, one._writes() as db:
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (0,)
