"""Broken event files: an answer each time, in bounded time and memory, that names file and byte.

A real log is broken in every way at hand. BOARDS_FUZZ=n breaks it n times as often; a failure
prints the seed that breaks it again.
"""

from __future__ import annotations

import os
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tensorboard.compat.proto import event_pb2

from mlpi.boards.reader.run import MOST_METADATA, MOST_TAGS, RunReader
from tests.event_files import NAME, event, header, masked, record, restart, simple, tensor, write

LONGER = int(os.environ.get("BOARDS_FUZZ", "1"))
SECONDS = 20  # of CPU, for anything; a log here takes some milliseconds
MB = 1 << 20


def a_log() -> list[bytes]:
    dice = random.Random(5)
    records = [header()]
    for step in range(100, 160):
        told = None if step > 100 else "scalars"
        records.append(event(step, simple("loss", dice.random()), simple("été", step)))
        records.append(event(step, tensor("rate", dice.random(), plugin=told)))
        if step % 10 == 0:
            records.append(event(step, tensor("said", [b"words"], plugin="text")))
            records.append(event(step, tensor("map", [[1.0, 2.0]] * 9)))
    records.append(restart(150))
    records.append(event(150, simple("loss", 1)))
    return records


RECORDS = a_log()
WHOLE = b"".join(RECORDS)
Break = Callable[[random.Random, bytearray], None]


def flip_bits(dice: random.Random, data: bytearray) -> None:
    for _ in range(dice.choice([1, 1, 1, 8, 100])):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def cut(dice: random.Random, data: bytearray) -> None:
    del data[dice.randrange(len(data)) :]


def insert(dice: random.Random, data: bytearray) -> None:
    at = dice.randrange(len(data))
    data[at:at] = dice.choice([dice.randbytes(dice.randrange(1, 40)), bytes(20), b"\xff" * 20])


def leave_out(dice: random.Random, data: bytearray) -> None:
    at = dice.randrange(len(data))
    del data[at : at + dice.randrange(1, 60)]


def copy_over(dice: random.Random, data: bytearray) -> None:
    size = dice.randrange(1, 200)
    source, target = dice.randrange(len(data)), dice.randrange(len(data))
    data[target : target + size] = data[source : source + size]


def giant_length(dice: random.Random, data: bytearray) -> None:
    """With a right checksum: as from a writer gone mad."""
    length = struct.pack("<Q", dice.choice([1 << 31, 1 << 40, (1 << 64) - 1, len(data), 0]))
    at = dice.randrange(len(data))
    data[at:at] = length + masked(length)


def broken_payload(dice: random.Random, data: bytearray) -> None:
    """Records with right checksums whose payload is wrong: past the framing."""
    made = bytearray()
    for one in RECORDS:
        payload = bytearray(one[12:-4])
        if dice.random() < 0.2:
            dice.choice([flip_bits, cut, insert, leave_out, copy_over])(dice, payload)
        made += record(bytes(payload))
    data[:] = made


BREAKS = [flip_bits, cut, insert, leave_out, copy_over, giant_length, broken_payload]


def check(folder: Path, reader: RunReader) -> None:
    size = (folder / NAME).stat().st_size
    for problem in reader.problems:
        assert problem.path == folder / NAME
        assert 0 <= problem.offset <= size
        assert f"{NAME}, byte {problem.offset}" in problem.message
    held = reader.held
    for series in held.series.values():
        points = series.points()
        assert len(points.steps) == len(points.wall_times) == len(points.values) == len(series)
    for tag in held.entries:
        for entry in reader.entries(tag):
            assert len(reader.content(entry)) == entry.length


@pytest.mark.parametrize("how", BREAKS, ids=lambda how: how.__name__)
@pytest.mark.timeout(600 * LONGER)
def test_a_broken_log_is_read_as_far_as_it_goes(tmp_path: Path, how: Break) -> None:
    for number in range(12 * LONGER):
        seed = f"{how.__name__}-{number}"
        dice = random.Random(seed)
        data = bytearray(WHOLE)
        for _ in range(dice.choice([1, 1, 2, 3])):
            if data:
                how(dice, data)
        (tmp_path / NAME).unlink(missing_ok=True)
        write(tmp_path, [bytes(data)])
        begun_s = time.process_time()
        for check_crc in (False, True):
            reader = RunReader(tmp_path, check_crc=check_crc)
            try:
                reader.refresh()
                check(tmp_path, reader)
                before = len(reader.problems)
                reader.refresh()  # nothing has changed
                assert len(reader.problems) == before
                with (tmp_path / NAME).open("ab") as file:
                    file.write(RECORDS[-1])
                reader.refresh()
                check(tmp_path, reader)
            except BaseException as error:
                error.add_note(f"seed: {seed}")
                raise
        assert time.process_time() - begun_s < SECONDS, seed


# --- what a hostile writer may write ----------------------------------------------------------


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def nested() -> list[bytes]:
    content = b""
    for _ in range(20_000):
        content = field(1, content)
    return [record(field(number, content)) for number in range(1, 12)]


def empty_records() -> list[bytes]:
    return [record(b"") * 1_000_000]


def empty_values() -> list[bytes]:
    return [record(field(5, b"\x0a\x00" * (4 * MB)))]


def empty_dimensions() -> list[bytes]:
    shape = field(2, b"\x12\x00" * MB)
    return [record(field(5, field(1, field(1, b"t") + field(8, b"\x08\x01" + shape))))]


def a_list_of_numbers_one_by_one() -> list[bytes]:
    numbers = b"\x08\x01" + (b"\x2d" + bytes(4)) * MB
    return [record(field(5, field(1, field(1, b"t") + field(8, numbers))))]


def unknown_fields() -> list[bytes]:
    return [record(b"\x78\x00" * (2 * MB))]


def a_tag_a_record() -> list[bytes]:
    made = event_pb2.Event()
    made.summary.value.add(tag="0000000", simple_value=1)
    begin, end = made.SerializeToString().split(b"0000000")
    return [record(begin + b"%07d" % number + end) for number in range(60_000)]


def metadata_alone() -> list[bytes]:
    """Of ever new tags, with notes that together are larger than memory should be."""
    records = []
    for number in range(100):
        made = event_pb2.Event()
        value = made.summary.value.add(tag=f"t{number}")
        value.metadata.plugin_data.plugin_name = "own"
        value.metadata.plugin_data.content = bytes(500_000)
        records.append(record(made.SerializeToString()))
    return records


def restarts() -> list[bytes]:
    one = [*(event(step, simple(f"t{step % 50}", step)) for step in range(400)), restart(1 << 40)]
    one += [restart(399), event(399, simple("t0", 1))]
    return [b"".join(one) + restart(1 << 50) * 300] * 20


HOSTILE = [
    nested,
    empty_records,
    empty_values,
    empty_dimensions,
    a_list_of_numbers_one_by_one,
    unknown_fields,
    a_tag_a_record,
    metadata_alone,
    restarts,
]


@pytest.mark.parametrize("made", HOSTILE, ids=lambda made: made.__name__)
@pytest.mark.timeout(300)
def test_what_is_made_to_harm_costs_bounded_time_and_memory(
    tmp_path: Path, made: Callable[[], list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Checksums in Python take longer than all else.
    monkeypatch.setattr("mlpi.boards.reader.files.CHECKED_TAIL", 1 << 10)
    monkeypatch.setattr("tests.event_files.masked", quick_masked)
    path = write(tmp_path, [header(), *made()])
    with path.open("ab") as file:
        file.write(event(7, simple("after", 7)))
    size = path.stat().st_size
    reader = RunReader(tmp_path)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before_mb, begun_s = peak_mb(), time.process_time()
    while reader.refresh(8 << 20).has_more:
        pass
    assert time.process_time() - begun_s < SECONDS
    assert peak_mb() - before_mb < 200 + 3 * size / MB
    check(tmp_path, reader)
    held = reader.held
    assert len(held.series) + len(held.entries) <= MOST_TAGS
    assert sum(len(one.content) for one in held.metadata.values()) <= MOST_METADATA
    if made is a_tag_a_record:
        assert len(held.skipped) == MOST_TAGS
    else:
        assert held.series["after"].points().values.tolist() == [7]


def peak_mb() -> float:
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def quick_masked(data: bytes) -> bytes:
    """A payload's checksum is not looked at here, a length's is."""
    return masked(data) if len(data) < 1000 else b"crc?"
