"""Following event files: appended in any pieces, torn, replaced, broken."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpi.boards.reader import files
from mlpi.boards.reader.run import RunReader
from tests.event_files import (
    NAME,
    event,
    header,
    ours,
    record,
    restart,
    rows,
    simple,
    tensor,
    write,
)


def a_log() -> list[bytes]:
    dice = random.Random(7)
    records = [header()]
    for step in range(110, 145):
        told = "scalars" if step == 110 else None
        records += [
            event(step, simple("loss", dice.random())),
            event(step, simple("accuracy", dice.random())),
            event(step, tensor("rate", dice.random(), plugin=told)),
        ]
        if step % 9 == 0:
            records += [event(step, tensor("said", [b"words"], plugin="text"))]
        if step == 130:
            records += [restart(125)]
    return records


LOG = a_log()
WHOLE = b"".join(LOG)
STARTS = [sum(map(len, LOG[:count])) for count in range(len(LOG))]


def everything(reader: RunReader) -> tuple[object, ...]:
    held = reader.held
    entries = {tag: rows(found.points()) for tag, found in held.entries.items()}
    return ours(held), entries, held.metadata, held.plugins


def whole(data: bytes) -> tuple[object, ...]:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), [data])
        reader = RunReader(Path(folder))
        reader.refresh()
        return everything(reader)


ALL = whole(WHOLE)
small_chunks = pytest.mark.parametrize("chunk", [64, 1000, files.CHUNK])


@settings(deadline=None, max_examples=15)
@given(
    cuts=st.lists(st.integers(0, len(WHOLE)), max_size=8),
    check_crc=st.booleans(),
    budget=st.sampled_from([1, 500, 1 << 40]),
)
def test_however_a_file_grows_the_points_are_the_same(
    cuts: list[int], budget: int, *, check_crc: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), [])
        reader = RunReader(Path(folder), check_crc=check_crc)
        begin = 0
        for end in [*sorted(cuts), len(WHOLE)]:
            with path.open("ab") as file:
                file.write(WHOLE[begin:end])
            begin = end
            while reader.refresh(budget).has_more:
                pass
            assert not reader.problems
            assert reader.is_waiting == (end not in (*STARTS, len(WHOLE)))
        assert everything(reader) == ALL


@settings(deadline=None, max_examples=40)
@given(at=st.integers(0, len(WHOLE) - 1), bit=st.integers(0, 7), check_crc=st.booleans())
def test_a_flipped_bit_is_named_and_costs_one_record_at_most_or_all_behind_a_length(
    at: int, bit: int, *, check_crc: bool
) -> None:
    broken = bytearray(WHOLE)
    broken[at] ^= 1 << bit
    number = max(index for index, start in enumerate(STARTS) if start <= at)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), [bytes(broken)])
        reader = RunReader(Path(folder), check_crc=check_crc)
        reader.refresh()
        in_length = at - STARTS[number] < 12
        if in_length:
            assert [problem.offset for problem in reader.problems] == [STARTS[number]]
            assert everything(reader) == whole(b"".join(LOG[:number]))
        elif check_crc and number < len(LOG) - 1:
            assert [problem.offset for problem in reader.problems] == [STARTS[number]]
            assert NAME in reader.problems[0].message
            assert f"byte {STARTS[number]}" in reader.problems[0].message
        elif number == len(LOG) - 1:
            assert reader.is_waiting  # it may be half written
        again = everything(reader)
        reader.refresh()
        assert everything(reader) == again


@settings(deadline=None, max_examples=40)
@given(payloads=st.lists(st.binary(max_size=60), max_size=40), repeat=st.integers(1, 20))
def test_records_of_any_bytes_are_read_or_named(payloads: list[bytes], repeat: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), map(record, payloads * repeat))
        reader = RunReader(Path(folder))
        reader.refresh()
        assert not reader.is_waiting
        assert all(problem.path == path for problem in reader.problems)
        for entries in map(reader.entries, reader.held.entries):
            assert all(len(reader.content(entry)) == entry.length for entry in entries)


@settings(deadline=None, max_examples=40)
@given(data=st.binary(max_size=300))
def test_any_bytes_at_all_end_in_an_answer(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), [data])
        reader = RunReader(Path(folder), check_crc=True)
        reader.refresh()
        assert not reader.held.series
        assert bool(data) == (reader.is_waiting or bool(reader.problems))


@small_chunks
def test_chunks_of_any_size_give_the_same_points(
    tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK", chunk)
    write(tmp_path, LOG)
    reader = RunReader(tmp_path)
    reader.refresh()
    assert not reader.is_waiting
    assert everything(reader) == ALL


def test_nothing_new_is_nothing_read(tmp_path: Path) -> None:
    write(tmp_path, LOG)
    reader = RunReader(tmp_path)
    assert reader.refresh().read_bytes == len(WHOLE)
    assert reader.refresh().read_bytes == 0


def copied_anew(path: Path, data: bytes) -> None:
    """As rsync does it: another file takes the name."""
    beside = path.with_name(".copy")
    beside.write_bytes(data)
    beside.replace(path)


def in_place(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("put", [copied_anew, in_place])
def test_a_copy_that_has_grown_goes_on_where_it_was(
    tmp_path: Path, put: Callable[[Path, bytes], None]
) -> None:
    half = STARTS[60] + 5
    path = write(tmp_path, [WHOLE[:half]])
    reader = RunReader(tmp_path)
    reader.refresh()
    put(path, WHOLE)
    refreshed = reader.refresh()
    assert (refreshed.read_bytes, refreshed.is_anew) == (len(WHOLE) - STARTS[60], False)
    assert everything(reader) == ALL


@pytest.mark.parametrize("put", [copied_anew, in_place])
@pytest.mark.parametrize("count", [3, 40])
def test_another_file_of_the_name_is_read_anew(
    tmp_path: Path, count: int, put: Callable[[Path, bytes], None]
) -> None:
    path = write(tmp_path, [header(), *(event(step, simple("old", step)) for step in range(20))])
    reader = RunReader(tmp_path)
    reader.refresh()
    other = [header(), *(event(step, simple("new", step)) for step in range(count))]
    put(path, b"".join(other))
    assert reader.refresh().is_anew
    assert everything(reader) == whole(b"".join(other))


def test_a_file_that_shrank_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path, LOG)
    reader = RunReader(tmp_path)
    reader.refresh()
    os.truncate(path, STARTS[30] + 7)
    assert reader.refresh().is_anew
    assert reader.is_waiting
    assert everything(reader) == whole(WHOLE[: STARTS[30]])


def test_a_file_that_went_takes_its_points_along(tmp_path: Path) -> None:
    write(tmp_path, [header(), event(1, simple("here", 1))], "a.tfevents.1")
    gone = write(tmp_path, [header(), event(1, simple("gone", 1))], "a.tfevents.2")
    reader = RunReader(tmp_path)
    reader.refresh()
    assert set(reader.held.series) == {"here", "gone"}
    gone.unlink()
    assert reader.refresh().is_anew
    assert set(reader.held.series) == {"here"}


def test_zeros_at_the_end_are_bytes_on_their_way(tmp_path: Path) -> None:
    """A network file system shows a file's new size before its bytes."""
    path = write(tmp_path, [WHOLE[: STARTS[50]], bytes(900)])
    reader = RunReader(tmp_path)
    reader.refresh()
    assert reader.is_waiting
    assert not reader.problems
    in_place(path, WHOLE)
    reader.refresh()
    assert everything(reader) == ALL


def test_a_last_record_whose_bytes_came_late_is_taken_when_they_are_there(tmp_path: Path) -> None:
    late = bytearray(WHOLE)
    late[-10:] = bytes(10)
    path = write(tmp_path, [bytes(late)])
    reader = RunReader(tmp_path)
    reader.refresh()
    assert reader.is_waiting
    in_place(path, WHOLE)
    reader.refresh()
    assert not reader.is_waiting
    assert everything(reader) == ALL


def test_a_last_record_that_stays_wrong_is_passed_over_when_another_follows(tmp_path: Path) -> None:
    late = bytearray(WHOLE)
    late[-10:] = bytes(10)
    path = write(tmp_path, [bytes(late)])
    reader = RunReader(tmp_path)
    reader.refresh()
    with path.open("ab") as file:
        file.write(event(200, simple("loss", 3)))
    reader.refresh()
    assert [problem.offset for problem in reader.problems] == [STARTS[-1]]
    assert reader.held.series["loss"].points().steps[-1] == 200


def test_a_record_past_the_limit_is_passed_over_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK", 256)
    monkeypatch.setattr(files, "RECORD_LIMIT", 5_000)
    huge = event(1, tensor("said", [b"x" * 9_000], plugin="text"))
    path = write(tmp_path, [header(), huge[:-1]])
    reader = RunReader(tmp_path)
    reader.refresh()
    assert reader.is_waiting
    assert not reader.problems
    with path.open("ab") as file:
        file.write(huge[-1:] + event(2, simple("t", 2)))
    reader.refresh()
    assert [problem.offset for problem in reader.problems] == [len(header())]
    assert len(reader.held.series["t"]) == 1
    assert not reader.is_waiting


def test_a_length_that_nobody_wrote_asks_for_no_memory(tmp_path: Path) -> None:
    write(tmp_path, [header(), b"\xff" * 40])
    reader = RunReader(tmp_path)
    reader.refresh()
    assert [problem.offset for problem in reader.problems] == [len(header())]
    assert "length contradicts its checksum" in reader.problems[0].line()


def test_links_are_not_followed(tmp_path: Path) -> None:
    elsewhere = write(tmp_path / "elsewhere", LOG)
    run = tmp_path / "run"
    run.mkdir()
    (run / NAME).symlink_to(elsewhere)
    reader = RunReader(run)
    assert reader.refresh().read_bytes == 0


def test_a_file_that_differs_at_its_begin_only_is_read_anew(tmp_path: Path) -> None:
    tail = b"".join(event(step, simple("same", step)) for step in range(20))
    path = write(tmp_path, [event(0, simple("one", 1)), tail])
    reader = RunReader(tmp_path)
    reader.refresh()
    other = event(0, simple("two", 1)) + tail
    copied_anew(path, other)
    assert reader.refresh().is_anew
    assert set(reader.held.series) == {"two", "same"}


@pytest.mark.parametrize("place", [0, 9])  # in the length, in its checksum
def test_a_wrong_header_within_a_long_loop_is_found(tmp_path: Path, place: int) -> None:
    records = [event(step, simple("loss", step)) for step in range(128, 628)]
    at = len(header()) + sum(map(len, records[:300])) + place
    broken = bytearray(b"".join([header(), *records]))
    broken[at] ^= 4
    write(tmp_path, [bytes(broken)])
    reader = RunReader(tmp_path)
    reader.refresh()
    assert [problem.offset for problem in reader.problems] == [at - place]
    assert len(reader.held.series["loss"]) == 300
