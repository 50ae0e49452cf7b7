"""Values as TensorBoard's own migration makes them of what stands in a file."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError
from tensorboard import data_compat
from tensorboard.compat.proto import summary_pb2, tensor_pb2
from tensorboard.plugins.audio import metadata as audio
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.util import tensor_util

from mlpi.boards.reader.arrays import Array
from mlpi.boards.reader.run import Entry
from mlpi.boards.reader.wire import BYTES, WireError, fields, varint
from mlpi.boards.stock.metadata import Described

OLD_KINDS = {"image": "image", "histogram": "histo", "audio": "audio"}
WHOLE_BLOBS = ("graph", "run_metadata")
# A kind TensorBoard passes over: the histograms of 2015.
UNKNOWN = ("old_histogram",)
HEAD_BYTES = 128  # of a tensor: its type and shape come first

# What a file that was cut or written over meanwhile gives instead of a value.
Unreadable = (OSError, DecodeError, WireError, ValueError, TypeError)


def tensor(entry: Entry, content: bytes, described: Described) -> Any:
    """The TensorProto that TensorBoard keeps of an entry. Raises DecodeError, ValueError."""
    if entry.kind in WHOLE_BLOBS:
        return tensor_util.make_tensor_proto([content])
    if entry.kind == "nothing":
        return hparams.NULL_TENSOR
    if entry.kind in OLD_KINDS:
        value = summary_pb2.Summary.Value(tag="-")
        getattr(value, OLD_KINDS[entry.kind]).ParseFromString(content)
        made = data_compat.migrate_value(value).tensor
    else:
        made = tensor_pb2.TensorProto.FromString(content)
    if described.is_migrated and described.plugin == audio.PLUGIN_NAME:
        _clips_alone(made)
    return made


def array(entry: Entry, content: bytes, described: Described) -> Array:
    """The same as an array, with the shape that was written."""
    if entry.kind in WHOLE_BLOBS:
        import numpy as np  # noqa: PLC0415

        return np.array([content], dtype=object)
    return tensor_util.make_ndarray(tensor(entry, content, described))


def blob_count(kind: str, head: bytes, described: Described) -> int:
    """How many blobs an entry holds. head: its first HEAD_BYTES bytes, or all if it has fewer."""
    if kind in WHOLE_BLOBS or kind == "audio":
        return 1
    if kind == "image":
        return 3  # width, height, and the image
    sizes = _shape(head)
    if described.plugin == audio.PLUGIN_NAME and described.is_migrated:
        sizes = sizes[:1]
    count = 1
    for size in sizes:
        count *= size
    return count


def _shape(head: bytes) -> list[int]:
    """A TensorProto's sizes from its first bytes."""
    found: list[int] = []
    try:
        for number, wire, begin, end in fields(head, 0, len(head)):
            if (number, wire) == (2, BYTES):
                found += [_size(head, b, e) for n, _, b, e in fields(head, begin, end) if n == 2]
    except WireError:
        pass  # where the head ends
    return found


def _size(head: bytes, at: int, end: int) -> int:
    for number, _, begin, finish in fields(head, at, end):
        if number == 1:
            return varint(head, begin, finish)[0]
    return 0


def _clips_alone(made: Any) -> None:
    """Of clips and their labels the clips, as tensorboard.dataclass_compat leaves them."""
    stride = 1
    while len(made.tensor_shape.dim) > 1:
        stride *= made.tensor_shape.dim.pop().size
    if stride != 1:
        made.string_val[:] = made.string_val[::stride]
