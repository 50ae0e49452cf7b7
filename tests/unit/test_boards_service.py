"""Runs as things: renamed with those below them, archived, removed, tied to MLflow runs."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from mlpi.auth.audit import Actor
from mlpi.boards.cache import Cache
from mlpi.boards.card import spark_of
from mlpi.boards.library import Library, Run
from mlpi.boards.manage.facts import kinds_of, state_of, tags_of
from mlpi.boards.manage.relations import Relating
from mlpi.boards.manage.service import Manage
from mlpi.boards.manage.ties import FILE, PAGE, TAG, Tie, checked_id
from mlpi.boards.reader.run import RunReader
from mlpi.boards.service import GROWING_S, BoardsService
from mlpi.component import BOARD_RUN, MLFLOW_RUN
from mlpi.errors import Conflict, Invalid, NotFound
from mlpi.house import House
from tests.event_files import NAME, event, header, restart, simple, tensor, write
from tests.service import until

ANA = Actor("ana", "test")
ID, OTHER_ID = "0123456789abcdef" * 2, "fedcba9876543210" * 2
LONG_AGO_S = GROWING_S * 60

Made = Callable[..., Path]


@pytest.fixture
def root(house: House) -> Path:
    return house.settings.home / "tensorboard"


@pytest.fixture
def library(house: House, root: Path) -> Iterator[Library]:
    house.workspaces.add("lab", owner=None, actor=ANA)
    one = Library(root, Cache(house.settings.home / "cache" / "boards.sqlite3"))
    one.start()
    assert one.wait_until_scanned(20)
    yield one
    one.stop()


@pytest.fixture
def service(house: House, library: Library) -> BoardsService:
    return BoardsService(library, house.db, house.audit, house.clock)


@pytest.fixture
def manage(service: BoardsService) -> Manage:
    return Manage(service, 10**9)


@pytest.fixture
def made(root: Path, library: Library) -> Made:
    """made(name, *records): a run of lab that is read, and quiet unless is_growing."""

    def make(name: str, *records: bytes, is_growing: bool = False) -> Path:
        path = write(
            root / "lab" / name, [header(), *(records or (event(1, simple("loss", 0.5)),))]
        )
        if not is_growing:
            at = time.time() - LONG_AGO_S
            os.utime(path, (at, at))
        library.touch("lab", name)
        whole(library, name)
        return path

    return make


def whole(library: Library, name: str) -> Run:
    until(lambda: any(one.name == name and not one.is_reading for one in library.runs("lab")), 20)
    return library.run("lab", name)


def names(library: Library) -> list[str]:
    return [run.name for run in library.runs("lab")]


def deeds(house: House) -> list[tuple[str, str]]:
    return [(one.action, one.target) for one in house.audit.page() if "board" in one.action]


def test_a_renamed_run_takes_along_what_is_below_it_and_what_is_known_of_it(
    house: House, library: Library, service: BoardsService, made: Made
) -> None:
    made("sweep/a")
    made("sweep/a/eval")
    made("sweep/ab")
    service.archive("lab", ["sweep/a/eval"], is_archived=True, actor=ANA)
    service.tie("lab", "sweep/a", ID, actor=ANA)
    service.rename("lab", "sweep/a", "best/one", actor=ANA)
    assert names(library) == ["best/one", "best/one/eval", "sweep/ab"]
    assert service.shown("lab", "best/one").mlflow_run_id == ID
    assert service.shown("lab", "best/one/eval").is_archived
    assert len(whole(library, "best/one").reader.held.series["loss"]) == 1
    assert deeds(house)[0] == ("board_run_renamed", "sweep/a → best/one")


def test_a_folder_of_runs_is_renamed_whole(
    root: Path, library: Library, service: BoardsService, made: Made
) -> None:
    made("sweep/a")
    made("sweep/deep/b")
    (root / "lab" / "sweep" / "notes.txt").write_text("mine")
    service.rename("lab", "sweep", "old/sweep", actor=ANA)
    assert names(library) == ["old/sweep/a", "old/sweep/deep/b"]
    assert (root / "lab" / "old" / "sweep" / "notes.txt").read_text() == "mine"
    assert not (root / "lab" / "sweep").exists()


def test_the_workspaces_own_files_become_a_run_of_their_own(
    root: Path, library: Library, service: BoardsService, made: Made
) -> None:
    made(".")
    made("other")
    service.rename("lab", ".", "own", actor=ANA)
    assert names(library) == ["other", "own"]
    assert not list((root / "lab").glob("*tfevents*"))


@pytest.mark.parametrize(
    ("to", "kind"),
    [
        ("b", Conflict),
        ("a/below", Conflict),
        (".", Conflict),
        ("file/x", Conflict),
        ("../other", Invalid),
        ("link/x", Invalid),
        ("", Invalid),
        ("/a", Invalid),
        ("x/" * 20 + "x", Invalid),
    ],
)
def test_a_run_is_not_renamed_to_what_is_taken_or_leads_out(
    root: Path, library: Library, service: BoardsService, made: Made, to: str, kind: type[Exception]
) -> None:
    made("a")
    made("b")
    (root / "lab" / "file").write_text("no folder")
    outside = root.parent / "outside"
    outside.mkdir()
    (root / "lab" / "link").symlink_to(outside)
    with pytest.raises(kind):
        service.rename("lab", "a", to, actor=ANA)
    assert names(library) == ["a", "b"]
    assert not list(outside.iterdir())


def test_a_name_whose_runs_below_would_be_too_deep_is_refused_before_anything_moves(
    library: Library, service: BoardsService, made: Made
) -> None:
    made("a/b")
    with pytest.raises(Invalid):
        service.rename("lab", "a", "/".join("x" * 16), actor=ANA)
    assert names(library) == ["a/b"]


def test_an_empty_folder_is_no_obstacle(
    root: Path, library: Library, service: BoardsService, made: Made
) -> None:
    made("a")
    (root / "lab" / "b" / "empty").mkdir(parents=True)
    service.rename("lab", "a", "b", actor=ANA)
    assert names(library) == ["b"]


def test_a_run_that_is_written_to_is_changed_only_by_who_is_sure(
    root: Path, library: Library, service: BoardsService, made: Made
) -> None:
    made("a", is_growing=True)
    with pytest.raises(Conflict, match="being written to"):
        service.rename("lab", "a", "b", actor=ANA)
    with pytest.raises(Conflict, match="being written to"):
        service.remove("lab", ["a"], actor=ANA)
    assert names(library) == ["a"]
    assert service.remove("lab", ["a"], actor=ANA, is_sure=True) == 1
    assert names(library) == []
    assert (root / "lab" / "a").is_dir()  # for its writer, which would fail without


def scalar(step: int) -> event_pb2.Event:
    made = event_pb2.Event(step=step, wall_time=time.time())
    made.summary.value.append(summary_pb2.Summary.Value(tag="loss", simple_value=step))
    return made


@pytest.mark.parametrize("deed", ["rename", "remove"])
def test_a_writer_that_opens_its_file_by_name_goes_on_and_begins_the_run_anew(
    root: Path, library: Library, service: BoardsService, deed: str
) -> None:
    """TensorBoard's own writer, and PyTorch's with it, where TensorFlow is not installed."""
    writer = EventFileWriter(str(root / "lab" / "a"))
    writer.add_event(scalar(1))
    writer.flush()
    until(lambda: names(library) == ["a"], 20)
    until(lambda: len(whole(library, "a").reader.held.series) == 1, 20)
    if deed == "rename":
        service.rename("lab", "a", "b", actor=ANA, is_sure=True)
    else:
        service.remove("lab", ["a"], actor=ANA, is_sure=True)
    writer.add_event(scalar(2))
    writer.flush()
    until(lambda: "a" in names(library), 20)
    until(lambda: "loss" in whole(library, "a").reader.held.series, 20)
    assert whole(library, "a").reader.held.series["loss"].points().steps.tolist() == [2]
    if deed == "rename":
        assert whole(library, "b").reader.held.series["loss"].points().steps.tolist() == [1]
    writer.close()


def test_a_writer_that_holds_its_file_open_goes_on_under_the_new_name(
    library: Library, service: BoardsService, made: Made
) -> None:
    """TensorFlow and tensorboardX."""
    path = made("a", is_growing=True)
    with path.open("ab") as file:
        service.rename("lab", "a", "b", actor=ANA, is_sure=True)
        file.write(event(2, simple("loss", 0.25)))
        file.flush()
        until(lambda: len(whole(library, "b").reader.held.series["loss"]) == 2, 20)
    assert names(library) == ["b"]


def test_a_run_that_is_renamed_while_it_waits_to_be_read_is_read(
    root: Path, library: Library, service: BoardsService, made: Made
) -> None:
    path = made("a")
    run = library.run("lab", "a")
    with run.lock:  # the reading thread waits for it
        with path.open("ab") as file:
            file.write(event(2, simple("loss", 0.25)))
        library.touch("lab", "a")
        until(lambda: run.is_reading, 20)
    library.rename("lab", "a", "b")
    until(lambda: len(whole(library, "b").reader.held.series["loss"]) == 2, 20)


def test_removal_leaves_other_files_other_runs_and_nothing_in_the_cache(
    house: House, root: Path, library: Library, service: BoardsService, manage: Manage, made: Made
) -> None:
    dice = np.random.default_rng(1)
    big = [event(step, simple("noise", value)) for step, value in enumerate(dice.random(30_000))]
    made("a", *big)
    made("a/below")
    (root / "lab" / "a" / "checkpoint.pt").write_bytes(b"weights")
    (root / "lab" / "a" / "mlflow_run_id").write_text(ID)
    service.archive("lab", ["a"], is_archived=True, actor=ANA)
    kept = house.settings.home / "cache" / "boards.sqlite3"
    run = library.run("lab", "a")
    with run.lock:
        library._keeper.save(run)
    with closing(sqlite3.connect(kept)) as db:
        assert db.execute("SELECT sum(length(data)) FROM segments").fetchone()[0] > 100_000
    stays = manage.about("lab", "a").stays
    assert (stays.files, stays.runs) == (1, 1)
    assert service.remove("lab", ["a"], actor=ANA) == 1
    assert names(library) == ["a/below"]
    assert sorted(path.name for path in (root / "lab" / "a").iterdir()) == [
        "below",
        "checkpoint.pt",
    ]
    with closing(sqlite3.connect(kept)) as db:
        assert db.execute("SELECT count(*) FROM runs WHERE name = 'a'").fetchone() == (0,)
        assert db.execute("PRAGMA freelist_count").fetchone()[0] < 5  # given back to the disk
    made("a")
    assert not service.shown("lab", "a").is_archived  # one of the same name begins anew
    assert ("board_run_removed", "a") in deeds(house)


def test_removal_of_many_passes_over_those_that_went_meanwhile_and_says_what_failed(
    root: Path,
    library: Library,
    service: BoardsService,
    made: Made,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("a", "b", "c"):
        made(name)
    with pytest.raises(NotFound):
        service.remove("lab", ["a", "not-there"], actor=ANA)
    assert names(library) == ["a", "b", "c"]
    remove = library.remove

    def refusing(workspace: str, name: str, **how: bool) -> None:
        if name == "b":
            raise PermissionError(13, "Permission denied")
        remove(workspace, name, **how)

    monkeypatch.setattr(library, "remove", refusing)
    with pytest.raises(Conflict, match="'b' cannot be removed: Permission denied") as caught:
        service.remove("lab", ["a", "b", "c"], actor=ANA)
    assert caught.value.advice == "1 of 3 runs are removed."
    assert names(library) == ["b", "c"]


def test_archived_runs_leave_lists_and_search_and_come_back(
    house: House, library: Library, service: BoardsService, made: Made
) -> None:
    for name in ("a", "b"):
        made(name)
    service.archive("lab", ["a", "b"], is_archived=True, actor=ANA)
    assert service.listed("lab") == []
    assert service.search("lab", "a") == []
    assert [one.name for one in service.listed("lab", is_archived=True)] == ["a", "b"]
    service.archive("lab", ["a"], is_archived=True, actor=ANA)  # again: nothing to record
    assert [action for action, _ in deeds(house)] == ["board_run_archived"] * 2
    service.archive("lab", ["a"], is_archived=False, actor=ANA)
    service.archive("lab", ["a"], is_archived=False, actor=ANA)
    assert [one.name for one in service.listed("lab")] == ["a"]
    assert len(service.listed("lab", is_archived=None)) == len(library.runs("lab")) == 2


def test_what_a_removal_of_a_folder_was_agreed_to_is_all_that_goes(
    manage: Manage, made: Made
) -> None:
    made("sweep/a")
    made("sweep/b")
    made("sweeping")
    asked = manage.question("lab", [], "sweep")
    assert (list(asked.names), asked.files) == (["sweep/a", "sweep/b"], 2)
    made("sweep/c")
    with pytest.raises(Conflict, match="holds 3 runs now"):
        manage.agreed("lab", [], "sweep", len(asked.names))
    assert manage.agreed("lab", [], "sweep", 3) == ["sweep/a", "sweep/b", "sweep/c"]
    with pytest.raises(Invalid):
        manage.question("lab", [], "nothing-here")
    with pytest.raises(Invalid):
        manage.question("lab", [])


def test_the_page_goes_before_the_file_and_the_file_before_the_tag(
    root: Path, library: Library, service: BoardsService, manage: Manage, made: Made
) -> None:
    made("a", event(0, tensor("mlflow_run_id/text_summary", ID.upper(), plugin="text")))
    ties = manage.ties

    def tie() -> Tie | None:
        return ties.of(service.shown("lab", "a"))

    assert tie() == Tie(ID, TAG)
    said = root / "lab" / "a" / "mlflow_run_id"
    said.write_text(f"{OTHER_ID}\n")
    assert tie() == Tie(OTHER_ID, FILE)
    service.tie("lab", "a", ID, actor=ANA)
    assert tie() == Tie(ID, PAGE)
    assert [one.name for one in ties.named_by("lab", ID)] == ["a"]
    assert [one.name for one in ties.named_by("lab", OTHER_ID)] == []
    service.tie("lab", "a", None, actor=ANA)
    said.write_text("no such thing")
    assert tie() == Tie("", FILE, "no such thing")
    said.unlink()
    said.symlink_to(root.parent / "mlpi.db")  # a link is no file of the run's
    assert tie() == Tie(ID, TAG)


def test_a_tag_that_is_no_text_ties_to_nothing(
    service: BoardsService, manage: Manage, made: Made
) -> None:
    made("a", event(0, tensor("mlflow_run_id", [1.0, 2.0], plugin="text")))
    assert manage.ties.of(service.shown("lab", "a")) is None


@pytest.mark.parametrize(
    "typed",
    [ID, f"  {ID.upper()} ", f"http://pi:9000/tracking/runs/{ID}?workspace=lab", f"/runs/{ID}/"],
)
def test_an_mlflow_run_is_named_by_its_id_or_its_address(typed: str) -> None:
    assert checked_id(typed) == ID


def test_nothing_typed_unties_and_anything_else_is_refused() -> None:
    assert checked_id("  ") is None
    for wrong in ("digits", ID[:-1], f"{ID}0", f"{ID}\x00"):
        with pytest.raises(Invalid):
            checked_id(wrong)


def test_other_rooms_are_told_by_the_mlflow_run_or_by_name(
    service: BoardsService, manage: Manage, made: Made
) -> None:
    made("deep/a")
    service.tie("lab", "deep/a", ID, actor=ANA)
    relating = Relating(manage)
    (hit,) = relating.hits("lab", MLFLOW_RUN, ID)
    assert (hit.label, hit.href, hit.kind) == ("deep/a", "/boards/run?run=deep%2Fa", "board run")
    assert list(relating.hits("lab", BOARD_RUN, "deep/a")) == [hit]
    assert not relating.hits("lab", BOARD_RUN, "deep")
    assert not relating.hits("lab", MLFLOW_RUN, OTHER_ID)
    assert not relating.hits("other", MLFLOW_RUN, ID)
    assert not relating.hits("lab", "job", ID)


def test_a_run_says_how_it_is(library: Library, made: Made, root: Path) -> None:
    made("quiet")
    now = time.time()
    assert state_of(whole(library, "quiet")).word == "quiet"
    made("grows", is_growing=True)
    run = whole(library, "grows")
    assert state_of(run, run.changed_at + 4.2).word == "written 4 s ago"
    made("cut", event(1, simple("loss", 1)), event(2, simple("loss", 1))[:-3])
    assert state_of(whole(library, "cut")).word == "cut off"
    made("broken", b"\1" * 64)
    assert state_of(whole(library, "broken")).word == "damaged"
    run.failure = "Permission denied"
    assert state_of(run, now).detail == "Permission denied"


def test_tags_are_told_by_kind_with_their_last_value(library: Library, made: Made) -> None:
    records = [event(1, *(simple(f"m/{n:03}", n) for n in range(130)))]
    records += [event(step, tensor("note", "hi", plugin="text")) for step in range(3)]
    records += [event(5, simple("gone", 1)), restart(5)]
    made("a", *records)
    run = whole(library, "a")
    assert [(one.label, one.tags, one.points) for one in kinds_of(run)] == [
        ("Scalars", 130, 130),
        ("Texts", 1, 3),
    ]
    first, after = tags_of(run, "scalars")
    rest, end = tags_of(run, "scalars", after)
    assert [one.name for one in (*first, *rest)] == [f"m/{n:03}" for n in range(130)]
    assert (len(first), after, end) == (100, "m/099", "")
    assert (first[7].last_value, first[7].last_step) == (7.0, 1)
    ((text,), _) = tags_of(run, "text")
    assert (text.points, text.last_step, text.last_value) == (3, 2, None)


def test_the_cards_curve_is_the_one_people_look_at_first(tmp_path: Path) -> None:
    records = [event(n, simple("lr", 1), simple("val/loss", 1 / (n + 1))) for n in range(500)]
    write(tmp_path, [header(), *records, event(500, simple("val/loss", float("nan")))])
    reader = RunReader(tmp_path)
    reader.refresh()
    run = Run("lab", "a", reader, None)  # type: ignore[arg-type]
    spark = spark_of(run)
    assert spark is not None
    assert spark.tag == "val/loss"
    assert np.isnan(spark.last)
    points = [tuple(map(float, point.split(","))) for point in spark.path.split()]
    assert len(points) <= 61
    assert points[0][1] < points[-1][1]  # it falls, and down is more in a picture


def test_a_workspace_with_logs_is_not_removed_and_none_of_its_name_inherits_anything(
    house: House, root: Path, library: Library, service: BoardsService, made: Made
) -> None:
    made("a")
    service.archive("lab", ["a"], is_archived=True, actor=ANA)
    service.tie("lab", "a", ID, actor=ANA)
    with pytest.raises(Conflict, match="1 file in tensorboard/lab"):
        house.workspaces.remove("lab", actor=ANA)
    assert house.workspaces.get("lab")
    (root / "lab" / "a" / NAME).unlink()  # by hand: what was noted of it is still there
    until(lambda: names(library) == [], 20)
    house.workspaces.remove("lab", actor=ANA)
    assert not (root / "lab").exists()
    house.workspaces.add("lab", owner=None, actor=ANA)
    made("a")
    shown = service.shown("lab", "a")
    assert (shown.is_archived, shown.mlflow_run_id) == (False, None)
