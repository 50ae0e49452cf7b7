"""Logs of the writers that people use, read as TensorBoard reads them: every point and every byte.

What is expected comes from TensorBoard's own parts: its EventAccumulator for scalars, its newer
one for which values there are at all, its file loader and protos for the bytes of all else.
"""

from __future__ import annotations

import importlib
import math
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.backend.event_processing.plugin_event_accumulator import (
    EventAccumulator as PluginAccumulator,
)
from tensorboard.compat.proto import event_pb2, graph_pb2, summary_pb2
from tensorboard.plugins.hparams import summary_v2 as hparams
from tensorboard.summary import Writer
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util

from mlpi.boards.reader.run import RunReader, event_files
from tests.event_files import ours, simple, tensor, theirs

STEPS = 150  # past 127, where a step takes a second byte
Series = dict[str, list[tuple[int, float, Any]]]


def torch_part(name: str) -> Any:
    """Of torch, which tests bring along for one Python: writers write the same with every one."""
    if sys.version_info < (3, 12):
        return importlib.import_module(name)
    return pytest.importorskip(name)


def torch_writer() -> Any:
    return torch_part("torch.utils.tensorboard").SummaryWriter


def tensorboardx_writer() -> Any:
    from tensorboardX import SummaryWriter

    return SummaryWriter


Making = Callable[[], Any]
WRITERS = pytest.mark.parametrize("writer", [torch_writer, tensorboardx_writer])


# --- what TensorBoard says --------------------------------------------------------------------


def contents(folder: Path) -> Series:
    """Values that are no scalars: step, wall time and the bytes of their content."""
    found: Series = {}
    plugins: dict[str, str] = {}
    for name in event_files(folder):
        for data in RawEventFileLoader(str(folder / name)).Load():
            event = event_pb2.Event.FromString(data)
            _take(event, found, plugins)
    return {tag: rows for tag, rows in found.items() if rows}


def _take(event: Any, found: Series, plugins: dict[str, str]) -> None:
    if event.session_log.status == event_pb2.SessionLog.START:
        for rows in found.values():
            rows[:] = [row for row in rows if row[0] < event.step]
    if event.HasField("graph_def"):
        found.setdefault("__run_graph__", []).append((event.step, event.wall_time, event.graph_def))
    if event.HasField("tagged_run_metadata"):
        run = event.tagged_run_metadata
        found.setdefault(run.tag, []).append((event.step, event.wall_time, run.run_metadata))
    for value in event.summary.value:
        if value.HasField("metadata"):
            plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
        which = value.WhichOneof("value")
        if which is None and plugins.get(value.tag) == "hparams":
            found.setdefault(value.tag, []).append((event.step, event.wall_time, b""))
        if which is None or which == "simple_value":
            continue
        if plugins.get(value.tag, "") in ("", "scalars") and which == "tensor":
            array = tensor_util.make_ndarray(value.tensor)
            if array.size == 1 and array.dtype.kind in "fiub":
                continue
        content = getattr(value, which).SerializeToString()
        found.setdefault(value.tag, []).append((event.step, event.wall_time, content))


def as_read(reader: RunReader) -> Series:
    return {
        tag: [(entry.step, entry.wall_time, reader.content(entry)) for entry in reader.entries(tag)]
        for tag, series in reader.held.entries.items()
        if len(series)
    }


def comparable(found: Series) -> Series:
    """NaN is NaN."""
    return {
        tag: [(step, wall, repr(value)) for step, wall, value in rows]
        for tag, rows in found.items()
    }


def read(folder: Path, **how: Any) -> RunReader:
    reader = RunReader(folder, **how)
    reader.refresh()
    assert not reader.problems
    assert not reader.is_waiting
    return reader


def assert_equal(folder: Path, reader: RunReader) -> None:
    expected = theirs(folder)
    assert comparable(ours(reader.held)) == comparable(expected)
    assert as_read(reader) == contents(folder)
    newer = PluginAccumulator(str(folder), size_guidance={"tensors": 0})
    newer._seen_session_start = True  # it lets the first restart pass; the older one does not
    newer.Reload()
    counts = {
        tag: [(one.step, one.wall_time) for one in newer.Tensors(tag)]
        for tag in newer.Tags()["tensors"]
    }
    found = {tag: [row[:2] for row in rows] for tag, rows in ours(reader.held).items()}
    for tag, rows in as_read(reader).items():
        found.setdefault(tag, []).extend(row[:2] for row in rows)
    # Its graph comes from a place of its own.
    counts.pop("__run_graph__", None)
    found.pop("__run_graph__", None)
    assert {tag: sorted(rows) for tag, rows in found.items()} == {
        tag: sorted(rows) for tag, rows in counts.items() if rows
    }
    for tag, metadata in newer.AllSummaryMetadata().items():
        if tag in reader.held.metadata:
            kept = reader.held.metadata[tag]
            plugin = metadata.plugin_data
            assert (kept.plugin, kept.content) == (plugin.plugin_name, plugin.content)
            assert kept.display_name == metadata.display_name
            assert kept.description == metadata.summary_description


def assert_every_run_is_equal(folder: Path) -> list[str]:
    """Names of the runs that were compared."""
    names = []
    for place in [folder, *sorted(one for one in folder.rglob("*") if one.is_dir())]:
        if event_files(place):
            assert_equal(place, read(place))
            assert_equal(place, read(place, check_crc=True))
            names.append(place.relative_to(folder).as_posix())
    return names


# --- scalars ----------------------------------------------------------------------------------


@WRITERS
def test_scalars(tmp_path: Path, writer: Making) -> None:
    with writer()(tmp_path) as log:
        for step in range(STEPS):
            log.add_scalar("loss/train", 1 / (step + 1), step)
            log.add_scalar("loss/été–損失", -step, step, walltime=1.79e9 + step / 8)
            log.add_scalar("far", step, 2**40 + step)
            log.add_scalar("odd", [math.nan, math.inf, -math.inf, 1e-45, -0.0][step % 5], step)
    assert assert_every_run_is_equal(tmp_path) == ["."]
    held = read(tmp_path).held
    lengths = [len(series) for series in held.series.values()]
    assert lengths == [STEPS] * 4
    assert ("loss/été–損失" in held.series) == (writer is torch_writer)  # the other cleans names


def test_scalars_of_new_style_and_of_double_precision(tmp_path: Path) -> None:
    with torch_writer()(tmp_path) as log:
        for step in range(STEPS):
            log.add_scalar("new", step / 3, step, new_style=True)
            log.add_scalar("double", step / 3, step, new_style=True, double_precision=True)
            log.add_scalar("old", step / 3, step)
            log.add_tensor("tensor", torch_part("torch").tensor([step / 3, step / 7]), step)
    assert_every_run_is_equal(tmp_path)
    series = read(tmp_path).held.series
    assert series["double"].points().values.tolist() == [step / 3 for step in range(STEPS)]


@WRITERS
def test_several_curves_of_one_chart_are_runs_of_their_own(tmp_path: Path, writer: Making) -> None:
    with writer()(tmp_path) as log:
        for step in range(STEPS):
            log.add_scalars("loss", {"train": step / 3, "val": step / 7}, step)
    names = assert_every_run_is_equal(tmp_path)
    assert [name.replace("/", "_") for name in names] == [".", "loss_train", "loss_val"]


def test_tensorboards_own_writer(tmp_path: Path) -> None:
    log = Writer(str(tmp_path))
    for step in range(STEPS):
        log.add_scalar("loss", step / 3, step, description="how wrong it is")
        log.add_scalar("at", step / 7, step, wall_time=1.79e9 + step)
    log.close()
    assert_every_run_is_equal(tmp_path)
    assert read(tmp_path).held.metadata["loss"].description == "how wrong it is"


def test_several_values_of_an_event(tmp_path: Path) -> None:
    """As JAX's clu and Keras callbacks write them: tensors, metadata with the first."""
    log = EventFileWriter(str(tmp_path))
    for step in range(STEPS):
        told = None if step else "scalars"
        made = event_pb2.Event(step=step, wall_time=1.79e9 + step)
        made.summary.value.extend(
            [
                tensor("epoch_loss", np.float32(step / 3), plugin=told),
                tensor("epoch_accuracy", np.float64(step / 7), plugin=told),
                simple("epoch_lr", step),
                tensor("said", [f"at {step}".encode()], plugin=None if step else "text"),
                tensor("weights", np.zeros((3, 3)), plugin=None if step else "histograms"),
            ]
        )
        log.add_event(made)
    log.close()
    assert_every_run_is_equal(tmp_path)


# --- all other kinds --------------------------------------------------------------------------


def numbers(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).random(shape, np.float32)


def pictures(log: Any) -> None:
    for step in range(3):
        log.add_image("cat", numbers(3, 8, 8), step)
        log.add_images("cats", numbers(4, 3, 8, 8), step)


def histograms(log: Any) -> None:
    for step in range(20):
        log.add_histogram("weights", numbers(500) * step, step, bins="auto")


def words(log: Any) -> None:
    for step in range(20):
        log.add_text("said", f"**at** {step}: ü\n\n| a | b |", step)


def curves(log: Any) -> None:
    for step in range(3):
        log.add_pr_curve("pr", numbers(100) > 0.5, numbers(100), step)


def meshes(log: Any) -> None:
    torch = torch_part("torch")
    for step in range(3):
        log.add_mesh(
            "mesh",
            torch.tensor(numbers(1, 4, 3)),
            torch.randint(0, 255, (1, 4, 3)),
            torch.tensor([[[0, 1, 2], [1, 2, 3]]]),
            global_step=step,
        )


def embeddings(log: Any) -> None:
    log.add_embedding(
        torch_part("torch").tensor(numbers(6, 4)), metadata=list("abcdef"), tag="digits"
    )
    log.add_scalar("loss", 1, 1)


def layouts(log: Any) -> None:
    log.add_custom_scalars({"Loss": {"all": ["Multiline", ["loss/train", "loss/val"]]}})
    for step in range(20):
        log.add_scalar("loss/train", step, step)


def models(log: Any) -> None:
    torch = torch_part("torch")
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    log.add_graph(model, torch.zeros(1, 4))
    log.add_scalar("loss", 1, 1)


def choices(log: Any) -> None:
    for number in range(3):
        log.add_hparams({"lr": 0.1**number, "name": f"n{number}", "deep": True}, {"loss": number})


KINDS = [pictures, histograms, words, curves, meshes, embeddings, layouts, choices]


@WRITERS
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_other_kinds(tmp_path: Path, writer: Making, kind: Callable[[Any], None]) -> None:
    with writer()(tmp_path) as log:
        kind(log)
    names = assert_every_run_is_equal(tmp_path)
    held = [read(tmp_path / name).held for name in names]
    if kind in (embeddings,):
        assert held[0].series
    else:
        assert any(one.entries for one in held) or any(one.metadata for one in held)
    if kind is choices:
        assert len(names) == 4
        assert all("_hparams_/session_start_info" in one.metadata for one in held[1:])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # tracing is torch's own old way
def test_graphs(tmp_path: Path) -> None:
    with torch_writer()(tmp_path) as log:
        models(log)
    assert_every_run_is_equal(tmp_path)
    reader = read(tmp_path)
    kinds = {entry.kind for tag in reader.held.entries for entry in reader.entries(tag)}
    assert "graph" in kinds
    graph = graph_pb2.GraphDef.FromString(reader.content(reader.entries("__run_graph__")[0]))
    assert any("Linear" in node.name for node in graph.node)


def test_sounds(tmp_path: Path) -> None:
    """Neither writer's own way is to be had without a sound library; the value is theirs."""
    log = EventFileWriter(str(tmp_path))
    for step in range(3):
        audio = summary_pb2.Summary.Audio(
            sample_rate=8000,
            num_channels=1,
            length_frames=800,
            encoded_audio_string=random.Random(step).randbytes(900),
            content_type="audio/wav",
        )
        made = event_pb2.Event(step=step, wall_time=1.79e9 + step)
        made.summary.value.add(tag="hum", audio=audio)
        log.add_event(made)
    log.close()
    assert_every_run_is_equal(tmp_path)
    assert read(tmp_path).held.plugins["hum"] == "audio"


def test_tensorboards_own_hparams(tmp_path: Path) -> None:
    log = EventFileWriter(str(tmp_path))
    for proto in (
        hparams.hparams_pb({"lr": 0.1, "layers": 3}, trial_id="one", start_time_secs=1.0),
        hparams.hparams_config_pb(
            [hparams.HParam("lr", hparams.RealInterval(0.0, 1.0))], [hparams.Metric("loss")]
        ),
    ):
        made = event_pb2.Event(wall_time=1.79e9)
        made.summary.CopyFrom(summary_pb2.Summary.FromString(proto.SerializeToString()))
        log.add_event(made)
    log.close()
    assert_every_run_is_equal(tmp_path)


# --- lives of writers -------------------------------------------------------------------------


@WRITERS
def test_a_training_that_is_taken_up_again_purges_what_it_writes_anew(
    tmp_path: Path, writer: Making
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for number, purge in enumerate([None, 80, 20]):
        begun = tmp_path / f"{number}"
        with writer()(begun, purge_step=purge) as log:
            for step in range(purge or 0, STEPS - 10 * number):
                log.add_scalar("loss", step + number, step)
                log.add_histogram("weights", numbers(20) * step, step)
        # Trainings begin in different seconds, by which their files are named.
        (name,) = event_files(begun)
        (begun / name).rename(run / f"events.out.tfevents.179000000{number}.pi")
    assert assert_every_run_is_equal(run) == ["."]
    steps = read(run).held.series["loss"].points().steps.tolist()
    assert steps == list(range(STEPS - 20))


@WRITERS
def test_files_that_come_one_after_another_are_followed(tmp_path: Path, writer: Making) -> None:
    run = tmp_path / "run"
    run.mkdir()
    reader = RunReader(run)
    for number in range(3):
        begun = tmp_path / f"{number}"
        log = writer()(begun)
        log.flush()
        (name,) = event_files(begun)
        os.link(begun / name, run / f"events.out.tfevents.179000000{number}.pi")
        for step in range(60 * number, 60 * number + 60):
            log.add_scalar("loss", step, step)
            log.add_text("said", f"{step}", step)
            if step % 20 == 0:
                log.flush()
                reader.refresh()
        log.close()
        reader.refresh()
        assert_equal(run, reader)


def pieces(data: bytes) -> Iterator[bytes]:
    dice = random.Random(3)
    at = 0
    while at < len(data):
        size = dice.choice([1, 7, 100, 5000])
        yield data[at : at + size]
        at += size


@WRITERS
def test_a_log_flushed_in_the_midst_of_records_is_whole_in_the_end(
    tmp_path: Path, writer: Making
) -> None:
    with writer()(tmp_path / "written") as log:
        for kind in (histograms, words, pictures, layouts):
            kind(log)
    (name,) = event_files(tmp_path / "written")
    grown = tmp_path / "grown"
    grown.mkdir()
    reader = RunReader(grown)
    for piece in pieces((tmp_path / "written" / name).read_bytes()):
        with (grown / name).open("ab") as file:
            file.write(piece)
        reader.refresh()
        assert not reader.problems
    assert not reader.is_waiting
    assert_equal(grown, reader)
