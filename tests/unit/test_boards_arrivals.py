"""Event files arrive by pieces: whatever goes wrong, what is there is the beginning of what was
sent; and nothing gets out of a workspace's folder."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlpi import uploads
from mlpi.auth.audit import Actor
from mlpi.boards.arrivals import service as arrivals_service
from mlpi.boards.arrivals import store
from mlpi.boards.arrivals.errors import ChecksumWrong, NoEventFile, OffsetWrong, QuotaFull
from mlpi.boards.arrivals.names import split
from mlpi.boards.arrivals.service import Arrivals
from mlpi.boards.arrivals.store import Files
from mlpi.boards.cache import Cache
from mlpi.boards.library import Library
from mlpi.errors import Conflict, DiskFull, Invalid, MlpiError, NotFound
from mlpi.house import House
from mlpi.settings import Settings
from mlpi.sync import follow
from mlpi.sync.follow import Follower
from mlpi.sync.protocol import beginning, checksum
from mlpi.sync.remote import Elsewhere, Lost, Refused, Stopped, There
from tests.event_files import NAME, event, header, simple

QUOTA = 400_000
ANA = Actor("ana")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "home" / "tensorboard"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    built = House.build(Settings(home=tmp_path / "home"))
    built.open()
    yield built
    built.close()


@pytest.fixture
def arrivals(root: Path, home: House, tmp_path: Path) -> Iterator[Arrivals]:
    library = Library(root, Cache(tmp_path / "boards.sqlite3"))
    library.start()
    yield Arrivals(library, QUOTA, home.db, home.audit)
    library.stop()


def send(
    arrivals: Arrivals,
    path: str,
    offset: int,
    data: bytes,
    *,
    workspace: str = "lab",
    replaces: bool = False,
    said: str | None = None,
) -> int:
    said = checksum(data) if said is None else said
    return arrivals.append(
        workspace, path, offset, data, checksum=said, replaces=replaces, actor=ANA
    )


def log_of(steps: int, wall_time: float = 1.79e9) -> bytes:
    return header(wall_time) + b"".join(event(step, simple("loss", step)) for step in range(steps))


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        f"../other/{NAME}",
        f"a/../../other/{NAME}",
        f"/etc/{NAME}",
        f"//{NAME}",
        f"a//{NAME}",
        f"a/./{NAME}",
        f"a\\b/{NAME}",
        f"a/..\\{NAME}",
        f"a\x00/{NAME}",
        f"a\n/{NAME}",
        f".hidden/{NAME}",
        f"a/.{NAME}",
        f"a/{NAME}\x00",
        f"a/{NAME}\x7f",
        f"a\u202e/{NAME}",
        f"a/\udcff{NAME}",
        f"{'a/' * 20}{NAME}",
        f"{'a' * 500}/{NAME}",
        f"a/{NAME}{'x' * 300}",
        f"a/{NAME}.profile-empty",
        "a/notes.txt",
        "a/",
        "",
        "..",
        f"{NAME}/..",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(Invalid) as refused:
        split(path)
    assert refused.value.field in ("run", "path")


def test_run_and_file_are_told_apart() -> None:
    assert split(f"digits/lr 0.1/{NAME}") == ("digits/lr 0.1", NAME)
    assert split(NAME) == (".", NAME)
    assert split("a/mlflow_run_id") == ("a", "mlflow_run_id")


# --- pieces ----------------------------------------------------------------------------------


def test_pieces_become_the_file(arrivals: Arrivals, root: Path) -> None:
    whole = log_of(50)
    at = 0
    while at < len(whole):
        at = send(arrivals, f"digits/a/{NAME}", at, whole[at : at + 700])
    assert (root / "lab" / "digits" / "a" / NAME).read_bytes() == whole
    here = arrivals.here("lab", f"digits/a/{NAME}", None)
    assert (here.size_bytes, here.upto) == (len(whole), len(whole))
    assert [one.name for one in arrivals.listed("lab", "digits")] == [NAME]
    assert arrivals.listed("lab", "digit") == []
    assert arrivals.listed("other") == []


def test_what_the_checksum_denies_is_not_written(arrivals: Arrivals, root: Path) -> None:
    whole = log_of(5)
    send(arrivals, f"a/{NAME}", 0, whole)
    for said, kind in (
        (checksum(b"other"), ChecksumWrong),
        ("", Invalid),
        ("sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=", Invalid),
        ("sha256 !!!", Invalid),
    ):
        with pytest.raises(kind):
            send(arrivals, f"a/{NAME}", len(whole), b"more", said=said)
    assert (root / "lab" / "a" / NAME).read_bytes() == whole
    with pytest.raises(ChecksumWrong):
        send(arrivals, f"b/{NAME}", 0, whole, said=checksum(b""))
    assert not (root / "lab" / "b").exists()


def test_another_offset_is_refused_with_the_right_one(arrivals: Arrivals) -> None:
    whole = log_of(5)
    for path in (f"a/{NAME}", NAME):
        with pytest.raises(OffsetWrong) as wrong:
            send(arrivals, path, 10, b"x")
        assert wrong.value.offset == 0
        send(arrivals, path, 0, whole)
        for offset in (0, len(whole) - 1, len(whole) + 1):
            with pytest.raises(OffsetWrong) as wrong:
                send(arrivals, path, offset, whole)
            assert wrong.value.offset == len(whole)
    with pytest.raises(Invalid):
        send(arrivals, f"a/{NAME}", len(whole), b"")


@pytest.mark.parametrize(
    "data",
    [
        b"#!/bin/sh\necho no event file\n",
        header()[:11],
        b"\0" * 64,
        header()[:-1] + b"\0" + header(),
        b"\xff" + header()[1:],
    ],
)
def test_what_begins_like_no_event_file_is_refused(
    arrivals: Arrivals, root: Path, data: bytes
) -> None:
    with pytest.raises(NoEventFile):
        send(arrivals, f"a/{NAME}", 0, data)
    assert not (root / "lab").exists()


def test_a_first_piece_may_end_within_a_record(arrivals: Arrivals) -> None:
    whole = log_of(1)
    at = send(arrivals, f"a/{NAME}", 0, whole[:12])
    send(arrivals, f"a/{NAME}", at, whole[12:])


def test_a_replacement_takes_the_place_at_once(arrivals: Arrivals, root: Path) -> None:
    send(arrivals, f"a/{NAME}", 0, log_of(50))
    path = root / "lab" / "a" / NAME
    before = path.open("rb")
    other = log_of(3, wall_time=1.8e9)
    assert send(arrivals, f"a/{NAME}", 0, other, replaces=True) == len(other)
    with before:
        assert before.read() == log_of(50), "who had it open was handed something torn"
    assert path.read_bytes() == other
    assert [one.name for one in path.parent.iterdir()] == [NAME]
    with pytest.raises(Invalid):
        send(arrivals, f"a/{NAME}", 5, other, replaces=True)


def test_what_a_crash_left_of_a_replacement_goes(arrivals: Arrivals, root: Path) -> None:
    send(arrivals, f"a/{NAME}", 0, log_of(1))
    left = root / "lab" / "a" / ".mlpi-part-0123"
    left.write_bytes(b"x")
    os.utime(left, (1, 1))
    send(arrivals, f"a/{NAME}", 0, log_of(2), replaces=True)
    assert not left.exists()


def test_a_run_may_name_its_mlflow_run(arrivals: Arrivals, root: Path) -> None:
    named = b"0123456789abcdef0123456789abcdef\n"
    with pytest.raises(NotFound):
        send(arrivals, "a/mlflow_run_id", 0, named)
    send(arrivals, f"a/{NAME}", 0, log_of(1))
    for wrong in (b"x" * 32, named + b" " * 64, named[:31], b"\n"):
        with pytest.raises(NoEventFile):
            send(arrivals, "a/mlflow_run_id", 0, wrong)
    send(arrivals, "a/mlflow_run_id", 0, named)
    with pytest.raises(OffsetWrong):
        send(arrivals, "a/mlflow_run_id", 0, named)
    with pytest.raises(OffsetWrong):
        send(arrivals, "a/mlflow_run_id", len(named), b"0")
    send(arrivals, "a/mlflow_run_id", 0, named[::-1].strip(), replaces=True)
    assert (root / "lab" / "a" / "mlflow_run_id").read_bytes() == named[::-1].strip()
    assert {one.name for one in arrivals.listed("lab")} == {NAME, "mlflow_run_id"}


def test_who_began_a_run_is_kept(arrivals: Arrivals, home: House) -> None:
    send(arrivals, f"a/{NAME}", 0, log_of(1))
    send(arrivals, f"a/{NAME}", len(log_of(1)), event(1, simple("loss", 1)))
    send(arrivals, f"a/{NAME}", 0, log_of(2), replaces=True)
    found = [(one.actor, one.action, one.target, one.workspace) for one in home.audit.page()]
    assert found == [
        ("ana", "board_file_replaced", f"a/{NAME}", "lab"),
        ("ana", "board_run_uploaded", "a", "lab"),
    ]


# --- limits ----------------------------------------------------------------------------------


def test_the_quota_is_one_workspaces(arrivals: Arrivals) -> None:
    piece = log_of(1) + b"\0" * 150_000
    send(arrivals, f"a/{NAME}", 0, piece)
    send(arrivals, f"b/{NAME}", 0, piece)
    with pytest.raises(QuotaFull, match="400,000") as full:
        send(arrivals, f"a/{NAME}", len(piece), piece)
    assert "MLPI_BOARDS_QUOTA_MB" in str(full.value.advice)
    with pytest.raises(QuotaFull):
        send(arrivals, f"c/{NAME}", 0, piece)
    send(arrivals, f"c/{NAME}", 0, piece, workspace="other")
    # What is replaced makes room.
    send(arrivals, f"a/{NAME}", 0, piece, replaces=True)
    send(arrivals, f"a/{NAME}", 0, log_of(1), replaces=True)
    send(arrivals, f"a/{NAME}", len(log_of(1)), piece)


def test_uploads_at_once_share_the_quota(
    arrivals: Arrivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    piece = log_of(1) + b"\0" * 150_000
    gate = threading.Barrier(6)
    results: list[str] = []
    writing = store._write

    def slow(file: int, data: bytes, offset: int) -> None:
        writing(file, data, offset)
        with suppress(threading.BrokenBarrierError):
            gate.wait(0.3)  # so that all who got room are at it at once

    monkeypatch.setattr(store, "_write", slow)

    def one(number: int) -> None:
        try:
            send(arrivals, f"r{number}/{NAME}", 0, piece)
            results.append("in")
        except QuotaFull:
            results.append("full")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["full"] * 4 + ["in"] * 2


def test_runs_and_files_are_counted(arrivals: Arrivals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals_service, "MOST_RUNS", 2)
    monkeypatch.setattr(arrivals_service, "MOST_FILES", 2)
    send(arrivals, f"a/{NAME}", 0, log_of(1))
    send(arrivals, f"b/{NAME}", 0, log_of(1))
    with pytest.raises(QuotaFull, match="2 runs"):
        send(arrivals, f"c/{NAME}", 0, log_of(1))
    send(arrivals, f"a/{NAME}.2", 0, log_of(1))
    with pytest.raises(QuotaFull, match="2 files"):
        send(arrivals, f"a/{NAME}.3", 0, log_of(1))
    send(arrivals, f"a/{NAME}", len(log_of(1)), b"more")


def test_a_full_disk_leaves_the_file_as_it_was(
    arrivals: Arrivals, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(arrivals, f"a/{NAME}", 0, log_of(1))

    def full(file: int, data: bytes, offset: int) -> None:
        os.pwrite(file, bytes(data[:5]), offset)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store, "_write", full)
        with pytest.raises(DiskFull):
            send(arrivals, f"a/{NAME}", len(log_of(1)), b"0123456789")
        with pytest.raises(DiskFull):
            send(arrivals, f"a/{NAME}", 0, log_of(2), replaces=True)
    assert (root / "lab" / "a" / NAME).read_bytes() == log_of(1)
    assert [one.name for one in (root / "lab" / "a").iterdir()] == [NAME]
    monkeypatch.setattr(uploads, "RESERVE_BYTES", 1 << 62)
    with pytest.raises(DiskFull):
        send(arrivals, f"a/{NAME}", len(log_of(1)), b"0123456789")


# --- links -----------------------------------------------------------------------------------


def test_links_are_not_followed(arrivals: Arrivals, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / NAME).write_bytes(log_of(1))
    (root / "lab" / "real").mkdir(parents=True)
    (root / "lab" / "linked").symlink_to(outside)
    (root / "lab" / "real" / NAME).symlink_to(outside / NAME)
    (root / "lab" / "real" / f"{NAME}.dangling").symlink_to(outside / "tfevents.new")
    (root / "space").symlink_to(outside)
    size = len(log_of(1))
    for workspace, path in (
        ("lab", f"linked/{NAME}"),
        ("lab", f"linked/deeper/{NAME}"),
        ("lab", f"real/{NAME}"),
        ("lab", f"real/{NAME}.dangling"),
        ("space", f"a/{NAME}"),
        ("space", NAME),
    ):
        for offset, replaces in ((0, False), (size, False), (0, True)):
            with pytest.raises(Conflict):
                send(arrivals, path, offset, log_of(1), workspace=workspace, replaces=replaces)
        with pytest.raises((Conflict, NotFound)):
            arrivals.here(workspace, path, None)
    assert [one.name for one in outside.iterdir()] == [NAME]
    assert (outside / NAME).read_bytes() == log_of(1)
    assert arrivals.listed("space") == []
    assert arrivals.listed("lab") == []


def test_what_is_no_plain_file_is_refused(arrivals: Arrivals, root: Path) -> None:
    (root / "lab" / "a" / NAME).mkdir(parents=True)
    os.mkfifo(root / "lab" / "a" / f"{NAME}.pipe")
    (root / "lab" / "file").write_bytes(b"")
    for path in (f"a/{NAME}", f"a/{NAME}.pipe", f"file/{NAME}"):
        with pytest.raises(Conflict):
            send(arrivals, path, 0, log_of(1))
        with pytest.raises(Conflict):
            arrivals.here("lab", path, None)


def test_a_link_put_in_the_way_meanwhile_leads_nowhere(root: Path, tmp_path: Path) -> None:
    """A folder is swapped for a link, and back, all the time while files are made in it."""
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    folder = root / "lab" / "a"
    (folder / "deep").mkdir(parents=True)
    files, is_over, made = Files(root), threading.Event(), 0

    def swap() -> None:
        for number in count():
            if is_over.is_set():
                return
            aside = folder.with_name(f"aside{number}")
            with suppress(OSError):  # the other side makes the folder anew when it is away
                folder.rename(aside)
                folder.symlink_to(outside)
            if folder.is_symlink():
                folder.unlink()
            with suppress(OSError):
                aside.rename(folder)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for number in range(600):
            try:
                files.append("lab", "a/deep", f"{NAME}.{number}", 0, b"x")
                made += 1
            except (Conflict, NotFound, OffsetWrong):
                pass
            with suppress(MlpiError):
                files.replace("lab", "a", f"{NAME}.{number}", b"x")
    finally:
        is_over.set()
        swapping.join()
    assert made, "every single one met the link: nothing was tried"
    assert [one for one in outside.rglob("*") if one.is_file()] == []


# --- a sender and a bad line -----------------------------------------------------------------


class BadLine:
    """An mlpi reached over a line that loses requests and answers, as the faults say."""

    url = "http://pi"

    def __init__(
        self, arrivals: Arrivals, workspace: str, faults: Iterator[str], piece: int
    ) -> None:
        self.arrivals, self.workspace, self.faults = arrivals, workspace, faults
        self.piece, self.answers = piece, 0

    def listed(self, prefix: str) -> tuple[str, dict[str, There]]:
        self._go()
        found = {
            f"{one.run}/{one.name}": There(one.size_bytes, one.upto, one.beginning)
            for one in self.arrivals.listed(self.workspace, prefix)
        }
        return self.workspace, found

    def there(self, target: str, upto: int) -> There | None:
        self._go()
        try:
            one = self.arrivals.here(self.workspace, target, upto)
        except NotFound:
            return None
        return There(one.size_bytes, one.upto, one.beginning)

    def append(self, target: str, offset: int, data: bytes, *, replaces: bool) -> None:
        fault = self._go()
        sent = data[:-1] + b"?" if fault == "changed on the way" else data
        try:
            send(
                self.arrivals,
                target,
                offset,
                sent,
                workspace=self.workspace,
                replaces=replaces,
                said=checksum(data),
            )
        except OffsetWrong:
            raise Elsewhere from None
        except ChecksumWrong as error:
            raise Lost(str(error)) from None
        except QuotaFull as error:
            raise Stopped(str(error), 1) from None
        except MlpiError as error:
            raise Refused(str(error)) from None
        if fault == "answer lost":
            raise Lost("lost")

    def _go(self) -> str:
        fault = next(self.faults, "")
        if fault == "request lost":
            raise Lost("lost")
        self.answers += 1
        return fault


FAULTS = st.sampled_from(["", "request lost", "answer lost", "changed on the way"])
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["grow", "grow", "grow", "replace", "cut", "restart", "vanish"]),
        st.integers(1, 9000),
        st.sampled_from(["a", "b/c"]),
    ),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(deeds=DEEDS, faults=st.lists(FAULTS, max_size=25), piece=st.sampled_from([1500, 5000]))
def test_whatever_is_lost_the_copy_becomes_the_same(
    arrivals: Arrivals,
    root: Path,
    tmp_path_factory: pytest.TempPathFactory,
    deeds: list[tuple[str, int, str]],
    faults: list[str],
    piece: int,
) -> None:
    dice, told = random.Random(len(faults)), list[str]()
    place = tmp_path_factory.mktemp("logs")
    line = BadLine(arrivals, place.name, iter(faults), piece)

    def begun() -> Follower:
        one = Follower(place, line, told.append, prefix="p")  # type: ignore[arg-type]
        one.begin()
        return one

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(follow.time, "sleep", lambda _: None)
        patch.setattr(arrivals, "_quota_bytes", 1 << 40)
        follower = begun()
        for deed, size, run in deeds:
            path = place / run / NAME
            path.parent.mkdir(parents=True, exist_ok=True)
            rest = dice.randbytes(size)
            if deed == "vanish":
                path.unlink(missing_ok=True)
            elif deed == "replace" or not path.exists():
                other = path.with_name("written")
                other.write_bytes(header(dice.random()) + rest)
                other.rename(path)
            elif deed == "cut":
                os.truncate(path, max(len(header()), path.stat().st_size - size))
                with path.open("ab") as file:
                    file.write(rest[: size // 2 + 1])
            elif deed == "restart":
                follower = begun()
            else:
                with path.open("ab") as file:
                    file.write(rest)
            follower.catch_up()
            for file in follower._files.values():
                if not file.rest:
                    there = root / place.name / file.run / NAME
                    assert there.read_bytes() == file.path.read_bytes(), told
        assert follower.problems == []


def test_an_end_in_common_tells_files_apart() -> None:
    def of(data: bytes, upto: int) -> str:
        return beginning(lambda count, offset: data[offset : offset + count], upto)

    data = random.Random(1).randbytes(30_000)
    for upto in (0, 1, 4096, 4097, 8192, 8193, 30_000):
        assert of(data, upto) == of(data[:upto], upto)
        if upto:
            first = bytes([data[0] ^ 1]) + data[1:]
            last = data[: upto - 1] + bytes([data[upto - 1] ^ 1])
            assert of(first, upto) != of(data, upto) != of(last, upto)


def test_without_inotify_the_folder_is_looked_at_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import watchfiles

    def none_left(*_: object, **__: object) -> None:
        raise OSError(28, "no space left on device")

    class Enough(Exception):
        pass

    looks: list[object] = []

    def look(paths: object) -> None:
        looks.append(paths)
        if len(looks) == 3:
            raise Enough

    monkeypatch.setattr(watchfiles, "watch", none_left)
    follower = Follower(tmp_path, SimpleNamespace(), print)  # type: ignore[arg-type]
    monkeypatch.setattr(follower, "catch_up", look)
    with pytest.raises(Enough):
        follower.follow(0.01)
    assert looks[0] is None
