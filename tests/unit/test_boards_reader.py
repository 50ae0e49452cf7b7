"""The event reader against TensorBoard's own accumulator: every point equal."""

from __future__ import annotations

import math
import random
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from mlpi.boards.reader import batches
from mlpi.boards.reader.batches import FEWEST_ROWS, decode
from mlpi.boards.reader.framing import Framer
from mlpi.boards.reader.run import RunReader
from tests.event_files import (
    event,
    header,
    ours,
    record,
    restart,
    rows,
    simple,
    tensor,
    theirs,
    write,
)


def printed(code: str) -> list[str]:
    """What a fresh interpreter prints, in words."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


STEPS = 300  # past 127, where a step takes a second byte


def read(folder: Path, *, check_crc: bool = False) -> RunReader:
    reader = RunReader(folder, check_crc=check_crc)
    reader.refresh()
    assert not reader.problems
    assert not reader.is_waiting
    return reader


def one_loop() -> Iterator[bytes]:
    dice = random.Random(1)
    for step in range(STEPS):
        for tag in ("loss", "acc", "lr/group_0", "été"):
            yield event(step, simple(tag, dice.gauss(0, 1)))


def several_values() -> Iterator[bytes]:
    for step in range(STEPS):
        yield event(step, simple("a", step / 3), simple("b", -step), simple("a", step / 7))


def tensors() -> Iterator[bytes]:
    for step in range(STEPS):
        told = "scalars" if step == 0 else None
        yield event(step, tensor("f32", step / 3, dtype=np.float32, plugin=told))
        yield event(step, tensor("f64", step / 3, dtype=np.float64, plugin=told))
        yield event(step, tensor("f16", step / 3, dtype=np.float16, plugin=told))
        yield event(step, tensor("i64", -step, dtype=np.int64, plugin=told))
        yield event(step, tensor("i32", step * 1000, dtype=np.int32, plugin=told))
        yield event(step, tensor("one", [step / 9], dtype=np.float32, plugin="scalars"))


def contents() -> Iterator[bytes]:
    """tensor_content, as TF2 and JAX writers fill it."""
    kinds = {
        "float": (types_pb2.DT_FLOAT, "<f"),
        "double": (types_pb2.DT_DOUBLE, "<d"),
        "half": (types_pb2.DT_HALF, "<e"),
        "int64": (types_pb2.DT_INT64, "<q"),
        "int8": (types_pb2.DT_INT8, "<b"),
        "uint16": (types_pb2.DT_UINT16, "<H"),
    }
    for step in range(100):
        for tag, (dtype, layout) in kinds.items():
            value = tensor(tag, 0.0, plugin="scalars")
            made = tensor_pb2.TensorProto(dtype=dtype, tensor_content=struct.pack(layout, step))
            value.tensor.CopyFrom(made)
            yield event(step, value)


def odd_numbers() -> Iterator[bytes]:
    values = [0.0, -0.0, math.inf, -math.inf, 1e-45, 3.4e38]
    for at, value in enumerate(values * FEWEST_ROWS):
        yield event(at, simple("odd", value), wall_time=0.0 if at % 3 else 1.5)
        yield event(-at, simple("negative", value))
        yield event(2**40 + at, simple("far", value))


def odd_lengths() -> Iterator[bytes]:
    """One length from tags and steps of different lengths; tags seen once; metadata each time."""
    for step in range(100, 160):
        yield event(step, simple("ab", step))
        yield event(step + 200, simple("a", step))
        yield event(step, simple(f"only/{step}", step))
        told = simple("described", step)
        told.metadata.summary_description = "as it was" if step == 100 else "later"
        told.metadata.plugin_data.plugin_name = "scalars"
        yield event(step, told)


def other_fields() -> Iterator[bytes]:
    """Unknown fields, no values, a field twice, values after other fields."""
    for step in range(40):
        wall = b"\x09" + struct.pack("<d", 5.0 + step)
        value = b"\x15" + struct.pack("<f", step) + b"\x0a\x01t"
        summary = b"\x0a" + bytes([len(value)]) + value
        body = b"\x2a" + bytes([len(summary)]) + summary
        yield record(body + b"\x10" + bytes([step]) + wall)
        yield record(wall + b"\x10\x07\x10" + bytes([step]) + body + b"\xa2\x06\x02hi")
        yield record(wall + body + body)
        yield record(b"")
        yield event(step)


def restarted() -> Iterator[bytes]:
    for step in range(60):
        yield event(step, simple("loss", step), simple("acc", -step))
    yield restart(20)
    for step in range(20, 50):
        yield event(step, simple("loss", step * 2))
    yield restart(45)
    yield event(45, simple("loss", 1))


LOGS: dict[str, Callable[[], Iterator[bytes]]] = {
    make.__name__: make
    for make in (
        one_loop,
        several_values,
        tensors,
        contents,
        odd_numbers,
        odd_lengths,
        other_fields,
        restarted,
    )
}


@pytest.mark.parametrize("check_crc", [False, True])
@pytest.mark.parametrize("log", LOGS)
def test_every_point_is_tensorboards(tmp_path: Path, log: str, *, check_crc: bool) -> None:
    write(tmp_path, [header(), *LOGS[log]()])
    expected = theirs(tmp_path)
    assert expected
    assert ours(read(tmp_path, check_crc=check_crc).held) == expected


def test_nan_stays_nan(tmp_path: Path) -> None:
    write(tmp_path, [header(), *(event(step, simple("t", math.nan)) for step in range(40))])
    assert np.isnan(read(tmp_path).held.series["t"].points().values).all()


def test_what_tensorboards_writer_writes_is_read(tmp_path: Path) -> None:
    writer = EventFileWriter(str(tmp_path))
    for step in range(200):
        made = event_pb2.Event(step=step, wall_time=1.79e9 + step)
        made.summary.value.extend([simple("loss", 1 / (step + 1))])
        writer.add_event(made)
    writer.close()
    held = read(tmp_path).held
    assert len(held.series["loss"]) == 200
    assert ours(held) == theirs(tmp_path)


def test_a_training_loop_is_taken_at_once_not_walked() -> None:
    data = b"".join(one_loop())
    scan = Framer().scan(data)
    pieces, left = decode(data, scan.begins, scan.lengths)
    assert len(scan.begins) == STEPS * 4
    assert sum(len(piece.begins) for piece in pieces) == (STEPS - 1) * 4
    assert len(left) == 4  # step 0 is not written, which makes four records unlike all others


def test_files_of_a_run_are_taken_in_the_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path, [header(), event(0, simple("t", 0)), event(1, simple("t", 1))], "a.tfevents.1")
    write(tmp_path, [header(), restart(1), event(1, simple("t", 10))], "a.tfevents.2")
    write(tmp_path, [b"no event file"], "notes.txt")
    write(tmp_path, [b"not for summaries"], "a.tfevents.3.profile-empty")
    held = read(tmp_path).held
    assert [value for _, _, value in rows(held.series["t"].points())] == [0, 10]
    assert ours(held) == theirs(tmp_path)


@pytest.mark.parametrize("packed", [True, False])
def test_bfloat16_is_read_though_tensorboard_needs_tensorflow_for_it(
    tmp_path: Path, *, packed: bool
) -> None:
    records = [header()]
    for step in range(40):
        value = tensor("t", 0.0, plugin="scalars")
        bits = struct.pack("<f", step / 2)[2:]
        made = tensor_pb2.TensorProto(dtype=types_pb2.DT_BFLOAT16)
        if packed:
            made.tensor_content = bits
        else:
            made.half_val.append(int.from_bytes(bits, "little"))
        value.tensor.CopyFrom(made)
        records.append(event(step, value))
    write(tmp_path, records)
    values = read(tmp_path).held.series["t"].points().values
    assert values.tolist() == [step / 2 for step in range(40)]


def test_unsigned_and_yes_or_no_are_numbers_too(tmp_path: Path) -> None:
    made = {
        "u32": tensor_pb2.TensorProto(dtype=types_pb2.DT_UINT32, uint32_val=[2**32 - 1]),
        "u64": tensor_pb2.TensorProto(dtype=types_pb2.DT_UINT64, uint64_val=[2**63]),
        "bool": tensor_pb2.TensorProto(dtype=types_pb2.DT_BOOL, bool_val=[True]),
    }
    values = [summary_pb2.Summary.Value(tag=tag, tensor=proto) for tag, proto in made.items()]
    write(tmp_path, [header(), event(1, *values)])
    found = {tag: found[0][2] for tag, found in ours(read(tmp_path).held).items()}
    assert found == {"u32": 2.0**32 - 1, "u64": 2.0**63, "bool": 1.0}


def test_tensors_of_several_numbers_are_no_scalars(tmp_path: Path) -> None:
    several = [
        tensor("two", [1.0, 2.0], dtype=np.float32),
        tensor("none", np.zeros(0, np.float32)),
        tensor("word", [b"1"]),
    ]
    write(tmp_path, [header(), *(event(step, *several) for step in range(30))])
    held = read(tmp_path).held
    assert not held.series
    assert {tag: len(entries) for tag, entries in held.entries.items()} == {
        "two": 30,
        "none": 30,
        "word": 30,
    }


def test_widths_are_those_of_the_values(tmp_path: Path) -> None:
    write(tmp_path, [header(), *tensors(), event(1, simple("plain", 1))])
    series = read(tmp_path).held.series
    widths = {tag: series[tag].points().values.dtype.name for tag in series}
    assert widths["plain"] == widths["f32"] == widths["f16"] == "float32"
    assert widths["f64"] == widths["i64"] == "float64"


def test_a_tag_that_turns_from_32_to_64_bits_keeps_every_value(tmp_path: Path) -> None:
    path = write(tmp_path, [header(), event(1, simple("t", 0.1))])
    reader = read(tmp_path)
    before = reader.held.series["t"].points()
    path.write_bytes(path.read_bytes() + event(2, tensor("t", 0.1, dtype=np.float64)))
    reader.refresh()
    values = reader.held.series["t"].points().values
    assert values.tolist() == [float(np.float32(0.1)), 0.1]
    assert before.values.tolist() == [float(np.float32(0.1))]


def test_metadata_is_the_first_that_a_tag_had(tmp_path: Path) -> None:
    write(tmp_path, [header(), *odd_lengths()])
    held = read(tmp_path).held
    assert held.metadata["described"].description == "as it was"
    assert held.plugins["described"] == held.plugins["ab"] == "scalars"


def test_numbers_of_another_plugin_are_no_scalars(tmp_path: Path) -> None:
    write(
        tmp_path,
        [
            header(),
            *(event(n, tensor("mine", n / 2, plugin=None if n else "own")) for n in range(50)),
        ],
    )
    held = read(tmp_path).held
    assert "mine" not in held.series
    assert held.plugins["mine"] == "own"
    assert held.entries["mine"].points().steps.tolist() == list(range(50))


def test_other_kinds_are_found_again_by_their_place(tmp_path: Path) -> None:
    image = summary_pb2.Summary.Image(
        height=1, width=2, colorspace=3, encoded_image_string=b"png" * 999
    )
    histogram = summary_pb2.HistogramProto(min=-1, max=1, num=3, bucket_limit=[0, 1], bucket=[1, 2])
    text = tensor("said/text_summary", [b"hello"], plugin="text")
    records = [header()]
    for step in range(20):
        records += [
            event(step, summary_pb2.Summary.Value(tag="cat", image=image), simple("loss", step)),
            event(step, summary_pb2.Summary.Value(tag="weights", histo=histogram), text),
        ]
    records.append(record(event_pb2.Event(graph_def=b"graph").SerializeToString()))
    write(tmp_path, records)
    reader = read(tmp_path)
    held = reader.held
    assert {tag: len(entries) for tag, entries in held.entries.items()} == {
        "cat": 20,
        "weights": 20,
        "said/text_summary": 20,
        "__run_graph__": 1,
    }
    assert held.plugins == {
        "cat": "images",
        "loss": "scalars",
        "weights": "histograms",
        "said/text_summary": "text",
        "__run_graph__": "graphs",
    }
    last = reader.entries("cat")[-1]
    assert (last.step, last.wall_time, last.kind) == (19, 1.79e9 + 19 / 8, "image")
    assert summary_pb2.Summary.Image.FromString(reader.content(last)) == image
    found = summary_pb2.HistogramProto.FromString(reader.content(reader.entries("weights")[7]))
    assert found == histogram
    said = tensor_pb2.TensorProto.FromString(reader.content(reader.entries("said/text_summary")[3]))
    assert said == text.tensor
    assert reader.content(reader.entries("__run_graph__")[0]) == b"graph"
    assert len(held.series["loss"]) == 20


def test_a_restart_forgets_other_kinds_too(tmp_path: Path) -> None:
    words = [event(step, tensor("said", [b"x"], plugin="text")) for step in range(9)]
    write(tmp_path, [header(), *words, restart(4), words[4]])
    held = read(tmp_path).held
    assert held.entries["said"].points().steps.tolist() == [0, 1, 2, 3, 4]


def test_numpy_waits_for_the_first_record() -> None:
    code = "import sys, mlpi.boards.reader.run; print('numpy' in sys.modules)"
    assert printed(code) == ["False"]


def test_the_reader_needs_no_tensorboard(tmp_path: Path) -> None:
    write(tmp_path, [header(), *one_loop()])
    code = (
        "import sys; from pathlib import Path; from mlpi.boards.reader.run import RunReader\n"
        f"reader = RunReader(Path({str(tmp_path)!r})); reader.refresh()\n"
        "print(len(reader.held.series['loss']), 'tensorboard' in sys.modules)"
    )
    assert printed(code) == [str(STEPS), "False"]


def test_records_are_compared_not_only_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "GOLDEN", 0)  # all hashes are one
    write(tmp_path, [header(), *one_loop()])
    assert ours(read(tmp_path).held) == theirs(tmp_path)


def test_a_record_that_is_like_the_others_but_for_where_its_step_ends_is_not_taken_for_one(
    tmp_path: Path,
) -> None:
    alike = [event(step, simple("t", step)) for step in range(128, 168)]
    payload = bytearray(alike[0][12:-4])
    assert payload[9:13] == b"\x10\x80\x01\x2a"
    payload[10:12] = b"\x05\x58"  # step 5, then a field that swallows the summary's key
    write(tmp_path, [header(), *alike[:20], record(bytes(payload)), *alike[20:]])
    reader = RunReader(tmp_path)
    reader.refresh()
    assert reader.held.series["t"].points().steps.tolist() == list(range(128, 168))
    assert [problem.goes_on for problem in reader.problems] == [True]
    assert "is no event" in reader.problems[0].message
