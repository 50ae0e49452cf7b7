"""Event files for tests: made by TensorBoard's own protos and writer, or by hand; and what
TensorBoard's own accumulator reads from them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import (
    STORE_EVERYTHING_SIZE_GUIDANCE,
    EventAccumulator,
)
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import crc32c
from tensorboard.plugins.scalar.metadata import create_summary_metadata
from tensorboard.util import tensor_util

from mlpi.boards.reader.columns import Places, Points
from mlpi.boards.reader.run import Held

NAME = "events.out.tfevents.1790000000.pi.1.0"


def masked(data: bytes) -> bytes:
    """By TensorBoard's own CRC, so that the reader's is judged by another."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + masked(length) + payload + masked(payload)


def header(wall_time: float = 1.79e9) -> bytes:
    event = event_pb2.Event(wall_time=wall_time, file_version="brain.Event:2")
    return record(event.SerializeToString())


def simple(tag: str, value: float) -> Any:
    return summary_pb2.Summary.Value(tag=tag, simple_value=value)


def tensor(tag: str, value: object, *, dtype: object = None, plugin: str | None = None) -> Any:
    """plugin: written as its metadata; None leaves metadata out."""
    made = summary_pb2.Summary.Value(tag=tag)
    made.tensor.CopyFrom(tensor_util.make_tensor_proto(value, dtype=dtype))
    if plugin is not None:
        made.metadata.CopyFrom(create_summary_metadata("", ""))
        made.metadata.plugin_data.plugin_name = plugin
    return made


def event(step: int, *values: Any, wall_time: float | None = None) -> bytes:
    made = event_pb2.Event(
        step=step, wall_time=1.79e9 + step / 8 if wall_time is None else wall_time
    )
    made.summary.value.extend(values)
    return record(made.SerializeToString())


def restart(step: int) -> bytes:
    log = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    return record(event_pb2.Event(step=step, wall_time=1.79e9, session_log=log).SerializeToString())


def write(folder: Path, records: Iterable[bytes], name: str = NAME) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(b"".join(records))
    return path


def rows(points: Points | Places) -> list[tuple[Any, ...]]:
    return list(zip(*(column.tolist() for column in points), strict=True))


def ours(held: Held) -> dict[str, list[tuple[int, float, float]]]:
    return {tag: rows(series.points()) for tag, series in held.series.items() if len(series)}


def theirs(folder: Path) -> dict[str, list[tuple[int, float, float]]]:
    """Scalars as TensorBoard's own accumulator has them: simple values, and tensors of one number
    whose tag's plugin is `scalars` or not told."""
    accumulator = EventAccumulator(str(folder), size_guidance=STORE_EVERYTHING_SIZE_GUIDANCE)
    accumulator.Reload()
    found = {
        tag: [(point.step, point.wall_time, point.value) for point in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
    }
    for tag, number_rows in _tensor_numbers(accumulator):
        found.setdefault(tag, []).extend(number_rows)
    return found


def _tensor_numbers(
    accumulator: EventAccumulator,
) -> Iterator[tuple[str, list[tuple[int, float, float]]]]:
    for tag in accumulator.Tags()["tensors"]:
        metadata = accumulator.summary_metadata.get(tag)
        if metadata is not None and metadata.plugin_data.plugin_name not in ("scalars", ""):
            continue
        made = [
            (point.step, point.wall_time, tensor_util.make_ndarray(point.tensor_proto))
            for point in accumulator.Tensors(tag)
        ]
        numbers = [
            (step, wall, float(array.item()))
            for step, wall, array in made
            if array.size == 1 and array.dtype.kind in "fiubV"
        ]
        if numbers:
            yield tag, numbers
