"""Logs with every kind of value that TensorBoard's plugins know, old ways of writing included."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tensorboard.compat.proto import (
    config_pb2,
    event_pb2,
    graph_pb2,
    node_def_pb2,
    step_stats_pb2,
    summary_pb2,
)
from tensorboard.plugins.audio import metadata as audio
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as custom_scalars
from tensorboard.plugins.graph import metadata as graphs
from tensorboard.plugins.histogram import metadata as histograms
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.plugins.hparams import plugin_data_pb2, summary_v2
from tensorboard.plugins.image import metadata as images
from tensorboard.plugins.mesh import metadata as meshes
from tensorboard.plugins.mesh.plugin_data_pb2 import MeshPluginData
from tensorboard.plugins.pr_curve import metadata as pr_curves
from tensorboard.plugins.scalar import metadata as scalars
from tensorboard.plugins.text import metadata as text
from tensorboard.util import tensor_util

from tests.event_files import event, header, record, restart, simple, tensor, write

START = 1.79e9
Value = Any  # Summary.Value


def value(tag: str, content: object, metadata: Any = None, *, data_class: int = 0) -> Value:
    made = summary_pb2.Summary.Value(tag=tag)
    made.tensor.CopyFrom(tensor_util.make_tensor_proto(content))
    if metadata is not None:
        made.metadata.CopyFrom(metadata)
        made.metadata.data_class = data_class
    return made


def png(size: int, shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (size, size), (shade, 80, 160)).save(out, "PNG")
    return out.getvalue()


def wav(pitch: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        ramp = (np.arange(800) * pitch % 2000 - 1000).astype("<i2")
        file.writeframes(ramp.tobytes())
    return out.getvalue()


def graph(names: Sequence[str]) -> bytes:
    made = graph_pb2.GraphDef()
    before = ""
    for name in names:
        node = node_def_pb2.NodeDef(name=name, op="MatMul", input=[before] if before else [])
        made.node.append(node)
        before = name
    return made.SerializeToString()


def run_metadata() -> bytes:
    stats = step_stats_pb2.NodeExecStats(node_name="dense", all_end_rel_micros=7)
    device = step_stats_pb2.DeviceStepStats(device="/cpu:0", node_stats=[stats])
    made = config_pb2.RunMetadata(step_stats=step_stats_pb2.StepStats(dev_stats=[device]))
    made.partition_graphs.add().CopyFrom(graph_pb2.GraphDef.FromString(graph(["dense"])))
    made.function_graphs.add().pre_optimization_graph.CopyFrom(
        graph_pb2.GraphDef.FromString(graph(["dense", "softmax"]))
    )
    return made.SerializeToString()


def keras_model() -> str:
    layer = {"class_name": "Dense", "config": {"name": "dense", "batch_input_shape": [None, 4]}}
    return json.dumps({"class_name": "Sequential", "config": {"name": "net", "layers": [layer]}})


def buckets(step: int) -> np.ndarray[Any, Any]:
    edges = np.linspace(-1, 1 + step, 7)
    return np.array([edges[:-1], edges[1:], np.arange(6)]).T


def pr_points(step: int) -> np.ndarray[Any, Any]:
    """(6, thresholds) float32."""
    falling = np.linspace(1, 0, 5, dtype=np.float32)
    counts = [falling * 10, falling * 5, 10 - falling * 10, 5 - falling * 5]
    return np.stack([*counts, falling / (1 + step), falling]).astype(np.float32)


def old_histogram(tag: str, step: int) -> Value:
    made = summary_pb2.Summary.Value(tag=tag)
    made.histo.min, made.histo.max, made.histo.num = -2.0, 3.0 + step, 10
    made.histo.bucket_limit.extend([-1.7e308, -1.0, 0.0, 1.0, 1.7e308])
    made.histo.bucket.extend([0, 3, 4, 2, 1])
    return made


def old_image(tag: str, step: int, *, name: str = "") -> Value:
    made = summary_pb2.Summary.Value(tag=tag)
    made.image.height = made.image.width = 8
    made.image.encoded_image_string = png(8, step * 9 % 256)
    if name:
        made.metadata.display_name = name
        made.metadata.summary_description = "as tensorboardX writes it"
    return made


def old_audio(tag: str, step: int) -> Value:
    made = summary_pb2.Summary.Value(tag=tag)
    made.audio.sample_rate, made.audio.num_channels = 8000, 1
    made.audio.encoded_audio_string = wav(3 + step)
    made.audio.content_type = "audio/wav"
    return made


def named_scalar(tag: str, number: float) -> Value:
    made = simple(tag, number)
    made.metadata.display_name, made.metadata.summary_description = "Loss", "*lower* is better"
    return made


def new_kinds(step: int) -> list[Value]:
    """As TensorFlow 2's summary writers send them: metadata with a tag's first value only."""
    first = step == 0
    scalar = summary_pb2.DATA_CLASS_SCALAR
    tensors = summary_pb2.DATA_CLASS_TENSOR
    blobs = summary_pb2.DATA_CLASS_BLOB_SEQUENCE
    clips = [[wav(step + 1), b"**one**"], [wav(step + 2), b"two"]]
    encoding = audio.Encoding.Value("WAV")

    def described(made: Any) -> Any:
        return made if first else None

    return [
        value(
            "train/loss",
            np.float32(1 / (1 + step)),
            described(scalars.create_summary_metadata("", "of *training*")),
            data_class=scalar,
        ),
        value(
            "train/steps", np.int64(step), described(scalars.create_summary_metadata("Steps", ""))
        ),
        value(
            "weights",
            buckets(step),
            described(histograms.create_summary_metadata("", "")),
            data_class=tensors,
        ),
        value(
            "samples",
            [b"8", b"8", *(png(8, 40 * number) for number in range(1 + step % 3))],
            described(images.create_summary_metadata("", "digits")),
            data_class=blobs,
        ),
        value(
            "sound",
            clips,
            described(audio.create_summary_metadata("", "", encoding)),
            data_class=0,
        ),
        value(
            "notes",
            [b"# step", f"{step} | *fine*".encode()],
            described(text.create_summary_metadata("", "")),
            data_class=tensors,
        ),
        value("pr", pr_points(step), described(pr_curves.create_summary_metadata("", "", 5))),
        *mesh(step, first=first),
        value("mine/numbers", [1.0, step], described(other_plugin()), data_class=tensors),
        value("mine/unknown", [1.0, step], described(other_plugin())),
    ]


def other_plugin() -> Any:
    data = summary_pb2.SummaryMetadata.PluginData(plugin_name="mine", content=b"\x01\xff")
    return summary_pb2.SummaryMetadata(plugin_data=data, display_name="Mine")


def mesh(step: int, *, first: bool) -> list[Value]:
    kinds = {
        MeshPluginData.VERTEX: np.float32(np.arange(12).reshape(1, 4, 3) + step),
        MeshPluginData.FACE: np.int32([[[0, 1, 2], [1, 2, 3]]]),
    }
    components = meshes.get_components_bitmask(list(kinds))
    return [
        value(
            meshes.get_instance_name("shape", kind),
            data,
            meshes.create_summary_metadata("shape", "", kind, components, data.shape)
            if first
            else None,
        )
        for kind, data in kinds.items()
    ]


def old_kinds(step: int) -> list[Value]:
    """As writers of TensorFlow 1, tensorboardX and torch send them: no metadata, or half of it."""
    return [
        simple("old/loss", 1 / (2 + step)),
        named_scalar("old/named", step / 3),
        tensor("old/tensor", np.float64(step) / 7, plugin="scalars"),
        old_histogram("old/weights", step),
        old_image("old/picture", step),
        old_image("old/named picture", step, name="Picture"),
        old_audio("old/sound", step),
        tensor("torch/text_summary", [b"torch says *so*"], plugin="text"),
    ]


def hyperparameters(rate: float, name: str) -> list[Value]:
    made = summary_v2.hparams_pb({"rate": rate, "net": name, "bn": True}, trial_id=name)
    return list(made.value)


def experiment() -> list[Value]:
    made = summary_v2.hparams_config_pb(
        [summary_v2.HParam("rate", summary_v2.RealInterval(0.0, 1.0))],
        [summary_v2.Metric("train/loss", display_name="Loss")],
        time_created_secs=START,
    )
    return list(made.value)


def torch_hyperparameters(rate: float) -> list[Value]:
    """Metadata alone, without a tensor."""
    info = plugin_data_pb2.SessionStartInfo(group_name="torch", start_time_secs=START)
    info.hparams["rate"].number_value = rate
    data = plugin_data_pb2.HParamsPluginData(session_start_info=info, version=0)
    return [
        summary_pb2.Summary.Value(
            tag=hparams.SESSION_START_INFO_TAG, metadata=hparams.create_summary_metadata(data)
        )
    ]


def layout() -> list[Value]:
    tags = layout_pb2.MultilineChartContent(tag=[".*loss"])
    chart = layout_pb2.Chart(title="losses", multiline=tags)
    made = layout_pb2.Layout(category=[layout_pb2.Category(title="all", chart=[chart])])
    metadata = custom_scalars.create_summary_metadata()
    return [value(custom_scalars.CONFIG_SUMMARY_TAG, made.SerializeToString(), metadata)]


def keras_graph() -> Value:
    data = summary_pb2.SummaryMetadata.PluginData(
        plugin_name=graphs.PLUGIN_NAME_KERAS_MODEL, content=b"1"
    )
    metadata = summary_pb2.SummaryMetadata(plugin_data=data)
    return value("keras", keras_model().encode(), metadata)


def profiled_graph() -> Value:
    data = summary_pb2.SummaryMetadata.PluginData(
        plugin_name=graphs.PLUGIN_NAME_RUN_METADATA, content=b"1"
    )
    return value("batch_2", run_metadata(), summary_pb2.SummaryMetadata(plugin_data=data))


def graph_event(names: Sequence[str]) -> bytes:
    made = event_pb2.Event(wall_time=START + 1, graph_def=graph(names))
    return record(made.SerializeToString())


def tagged_metadata_event(tag: str) -> bytes:
    made = event_pb2.Event(wall_time=START + 2, step=4)
    made.tagged_run_metadata.tag = tag
    made.tagged_run_metadata.run_metadata = run_metadata()
    return record(made.SerializeToString())


def every_kind(folder: Path, *, steps: int = 5) -> None:
    """Four runs: new kinds, old kinds, one begun again, and one right in the folder."""
    write(
        folder / "new" / "train",
        [
            header(START),
            graph_event(["input", "dense", "softmax"]),
            event(0, *hyperparameters(0.1, "mlp"), keras_graph(), profiled_graph()),
            *(event(step, *new_kinds(step)) for step in range(steps)),
        ],
    )
    write(
        folder / "old",
        [
            header(START - 100),
            event(0, *torch_hyperparameters(0.2)),
            tagged_metadata_event("step4"),
            *(event(step, *old_kinds(step)) for step in range(steps)),
        ],
    )
    write(
        folder / "again",
        [
            header(START + 50),
            restart(0),
            *(event(step, *new_kinds(step), old_image("p", step)) for step in range(steps)),
            restart(2),
            *(event(step, *new_kinds(step), old_image("p", step)) for step in range(2, 4)),
            event(1, old_image("p", 1), simple("train/extra", 1.0)),
        ],
    )
    write(folder, [header(START + 90), event(0, *experiment(), *layout(), simple("root", 0.5))])
