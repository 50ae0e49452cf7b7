"""Folders and caches that are not as they should be harm nobody but themselves."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlpi.boards import folders, keeping, library
from mlpi.boards.cache import Cache
from mlpi.boards.folders import found_in
from mlpi.boards.library import Library, Run
from mlpi.boards.reader.columns import SegmentGone
from mlpi.boards.reader.files import opened as opened_file
from mlpi.boards.reader.run import RunReader
from tests.event_files import NAME, event, header, ours, rows, simple, tensor, write

Opened = Callable[[], Library]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "tensorboard"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "boards.sqlite3"


@pytest.fixture
def opened(root: Path, kept: Path) -> Iterator[Opened]:
    running: list[Library] = []

    def open_one() -> Library:
        if running:
            running.pop().stop()
        one = Library(root, Cache(kept))
        one.start()
        running.append(one)
        assert one.wait_until_scanned(20)
        return one

    yield open_one
    for one in running:
        one.stop()


def until(what: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def whole(one: Library, name: str, count: int = 9) -> Run:
    """A run of the lab, once it holds so many losses."""

    def is_whole() -> bool:
        found = [run for run in one.runs("lab") if run.name == name]
        return bool(found) and len(found[0].reader.held.scalars("loss")) == count

    until(is_whole)
    return one.run("lab", name)


LOG = [header(), *(event(step, simple("loss", step)) for step in range(9))]


def test_what_is_named_like_an_event_file_but_is_none_is_left_alone(
    root: Path, opened: Opened, tmp_path: Path
) -> None:
    run = root / "lab" / "a"
    write(run, LOG)
    os.mkfifo(run / "events.out.tfevents.1.pipe")
    (run / "events.out.tfevents.2.folder").mkdir()
    (run / "events.out.tfevents.3.link").symlink_to(write(tmp_path / "elsewhere", LOG))
    (run / "events.out.tfevents.4.nowhere").symlink_to(tmp_path / "nowhere")
    (run / "events.out.tfevents.5.empty").touch()
    if os.geteuid() == 0:
        os.mknod(run / "events.out.tfevents.6.zeros", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    found = whole(opened(), "a")
    assert [name for name, _, _ in found.found.state] == [NAME, "events.out.tfevents.5.empty"]
    assert not found.failure


def test_a_pipe_that_took_a_files_place_is_not_waited_at(tmp_path: Path) -> None:
    words = event(1, tensor("said", [b"hello"], plugin="text"))
    path = write(tmp_path, [header(), words])
    reader = RunReader(tmp_path)
    reader.refresh()
    (entry,) = reader.entries("said")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match="Not a file"):
        reader.content(entry)
    with pytest.raises(OSError, match="Not a file"):
        opened_file(path)
    assert reader.refresh().is_anew
    assert not reader.held.entries


def test_links_in_circles_lead_nowhere(root: Path, opened: Opened) -> None:
    write(root / "lab" / "a", LOG)
    (root / "lab" / "a" / "again").symlink_to(root / "lab")
    (root / "lab" / "one").symlink_to(root / "lab" / "two")
    (root / "lab" / "two").symlink_to(root / "lab" / "one")
    (root / "other").symlink_to(root / "lab")
    one = opened()
    whole(one, "a")
    assert [run.name for run in one.runs("lab")] == ["a"]
    assert one.runs("other") == []


def test_names_that_are_no_text_harm_no_other_run(root: Path, opened: Opened) -> None:
    for place in (b"bad-\xff", b"lab/bad-\xff"):
        folder = os.fsencode(root) + b"/" + place
        os.makedirs(folder)  # noqa: PTH103 - bytes
        with open(folder + b"/" + NAME.encode(), "wb") as file:  # noqa: PTH123 - bytes
            file.write(b"".join(LOG))
    write(root / "lab" / "a", LOG)
    one = opened()
    run = whole(one, "a")
    assert [run.name for run in one.runs("lab")] == ["a"]
    # A file's name may be any bytes: it is read, and its problems can be shown.
    name = os.fsencode(root) + b"/lab/a/events.out.tfevents.bad-\xff"
    with open(name, "wb") as file:  # noqa: PTH123
        file.write(event(9, simple("loss", 9)) + b"\xff" * 40)
    whole(one, "a", 10)
    until(lambda: run.reader.problems)
    assert "events.out.tfevents.bad-?" in run.reader.problems[0].message
    again = whole(opened(), "a", 10)
    assert [problem.message.encode() for problem in again.reader.problems]


def test_a_workspaces_folder_that_is_made_anew_is_followed_again(
    root: Path, opened: Opened
) -> None:
    write(root / "lab" / "a", LOG)
    one = opened()
    whole(one, "a")
    shutil.rmtree(root / "lab")
    until(lambda: not one.runs("lab"))
    write(root / "lab" / "a", LOG[:5])
    whole(one, "a", 4)


@pytest.mark.parametrize("what", ["lab", "."])
def test_folders_that_go_are_noticed_without_inotify_too(
    root: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr("mlpi.boards.watching.file_system", lambda _: "nfs4")
    monkeypatch.setattr(library, "POLL_S", 0.05)
    monkeypatch.setattr(library, "LEAST_RESCAN_S", 0.05)
    write(root / "lab" / "a", LOG)
    one = opened()
    whole(one, "a")
    shutil.rmtree(root / what)
    until(lambda: not one.runs("lab"))
    write(root / "lab" / "a", LOG[:5])
    whole(one, "a", 4)


def test_a_folder_that_cannot_be_looked_into_for_a_while_is_not_gone(
    root: Path, opened: Opened, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network file system whose server is away."""
    write(root / "lab" / "a", LOG)
    one = opened()
    whole(one, "a")
    entries = folders._entries

    def away(folder: Path | str) -> object:
        if str(folder).endswith("/a"):
            raise OSError(5, "Input/output error")
        return entries(folder)

    monkeypatch.setattr(folders, "_entries", away)
    one.rescan("lab")
    until(lambda: not one._rescans)
    one._scan({"lab"})
    assert [run.name for run in one.runs("lab")] == ["a"]
    monkeypatch.undo()
    assert rows(whole(opened(), "a").reader.held.series["loss"].points())


def test_a_run_that_cannot_be_read_says_so_and_is_read_when_it_can(
    root: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        write(root / "lab" / name, LOG)
    refresh = RunReader.refresh

    def refused(self: RunReader, budget_bytes: int) -> object:
        if self.folder.name == "a":
            raise PermissionError(13, "Permission denied", "a")
        return refresh(self, budget_bytes)

    monkeypatch.setattr(RunReader, "refresh", refused)
    one = opened()
    whole(one, "b")
    until(lambda: "Permission denied" in one.run("lab", "a").failure)
    monkeypatch.undo()
    version = one.version("lab")
    one.touch("lab", "a")
    path = root / "lab" / "a" / NAME
    os.utime(path, ns=(1, 1))
    run = whole(one, "a")
    until(lambda: not run.failure)
    assert one.version("lab") > version


def test_many_empty_folders_are_looked_through(tmp_path: Path) -> None:
    for outer in range(10):
        for inner in range(1000):
            (tmp_path / "lab" / f"{outer}" / f"{inner}").mkdir(parents=inner == 0)
    write(tmp_path / "lab" / "9" / "999", LOG)
    begun = time.process_time()
    assert [found.name for found in found_in(tmp_path, "lab")] == ["9/999"]
    assert time.process_time() - begun < 5


def test_looks_that_cost_much_come_seldom(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Library(root, Cache(root / "unused"))
    root.mkdir()
    looks: list[object] = []
    monkeypatch.setattr(one, "_scan", looks.append)
    one._scan_if_due()
    assert len(looks) == 1
    one._scanned_s, one._scan_cost_s = time.monotonic() - 9, 1.0
    one.rescan("lab")
    one._scan_if_due()
    assert len(looks) == 1
    one._scanned_s -= 20
    one._scan_if_due()
    assert len(looks) == 2


# --- the cache --------------------------------------------------------------------------------


def test_where_no_cache_can_be_made_runs_are_read_all_the_same(
    root: Path, opened: Opened, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "SAVE_BYTES", 1)
    kept.parent.write_bytes(b"a file where the folder should be")
    write(root / "lab" / "a", LOG)
    one = opened()
    whole(one, "a")
    until(lambda: "cannot keep what it has read" in one.trouble)


FULL = """
import resource, signal, sys
from pathlib import Path
from mlpi.boards import keeping
from mlpi.boards.cache import Cache
from mlpi.boards.reader.run import RunReader
from tests.event_files import ours

root, kept = map(Path, sys.argv[1:])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
cache = Cache(kept)
first = RunReader(root / "first", load=cache.load)
first.refresh()
cache.save("lab", "first", first)
resource.setrlimit(resource.RLIMIT_FSIZE, (kept.stat().st_size + 100_000, -1))
second = RunReader(root / "second", load=cache.load)
second.refresh()
before = ours(second.held)
keeper = keeping.Keeper(cache)
assert not keeper.attempt(lambda: cache.save("lab", "second", second))
assert "cannot keep" in keeper.trouble, keeper.trouble
assert not cache.is_broken
assert ours(second.held) == before
assert len(first.held.series["loss"].points().steps) == 9
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
assert keeper.attempt(lambda: cache.save("lab", "second", second))
assert not keeper.trouble
assert ours(second.held) == before
assert not second.held.series["noise"].unsaved_count
cache.close()
print("whole")
"""


def test_a_full_disk_costs_nothing_that_was_read(root: Path, kept: Path) -> None:
    dice = random.Random(1)
    write(root / "first", LOG)
    noise = (event(step, simple("noise", dice.random())) for step in range(100_000))
    write(root / "second", [header(), *noise])
    done = subprocess.run(
        [sys.executable, "-c", FULL, root, kept], capture_output=True, text=True, check=False
    )
    assert done.stdout == "whole\n", done.stderr
    db = sqlite3.connect(kept)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()


def test_nothing_more_is_read_when_too_much_cannot_be_kept(
    root: Path, opened: Opened, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "SAVE_BYTES", 100)
    monkeypatch.setattr(keeping, "HARD_BYTES", 100)
    monkeypatch.setattr(keeping, "QUIET_S", 0.1)
    monkeypatch.setattr(keeping, "RETRY_S", 0.2)
    monkeypatch.setattr(library, "QUIET_S", 0.1)
    kept.parent.write_bytes(b"in the way")
    for name in ("a", "b"):
        write(root / "lab" / name, LOG)
    one = opened()
    until(lambda: one.trouble)
    assert one.pending("lab") == 1
    kept.parent.unlink()
    for name in ("a", "b"):
        whole(one, name)
    until(lambda: not one.trouble)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE runs SET state = x'00'",
        "UPDATE runs SET state = zeroblob(900)",
        "UPDATE segments SET data = zeroblob(40)",
        "UPDATE segments SET data = substr(data, 1, length(data) - 9)",
    ],
)
def test_a_cache_that_holds_nonsense_is_not_believed(
    root: Path, opened: Opened, kept: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "RETRY_S", 0.1)
    monkeypatch.setattr(library, "QUIET_S", 0.1)
    write(root / "lab" / "a", LOG)
    whole(opened(), "a")
    opened().stop()
    db = sqlite3.connect(kept)
    with db:
        db.execute(damage)
    db.close()
    one = opened()

    def is_right() -> bool:
        found = one.runs("lab")
        try:
            held = ours(found[0].reader.held) if found else {}
        except (LookupError, SegmentGone):
            return False
        return [value for _, _, value in held.get("loss", ())] == list(range(9))

    until(is_right)


def test_pages_of_the_cache_that_are_damaged_are_read_anew(
    root: Path, opened: Opened, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "RETRY_S", 0.1)
    monkeypatch.setattr(library, "QUIET_S", 0.1)
    monkeypatch.setattr(keeping, "QUIET_S", 0.1)
    for number in range(30):
        write(root / "lab" / f"{number}", LOG)
    one = opened()
    for number in range(30):
        whole(one, f"{number}")
    opened().stop()
    data = bytearray(kept.read_bytes())
    data[8192:] = os.urandom(len(data) - 8192)  # the first page is as it should be
    kept.write_bytes(data)
    one = opened()
    for number in range(30):
        whole(one, f"{number}")
    until(lambda: not one.trouble)
