"""Hyperparameters and metrics of sessions equal what TensorBoard's own plugin lists."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import struct_pb2
from tensorboard import context
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups
from tensorboard.plugins.hparams.summary_v2 import (
    HParam,
    IntInterval,
    Metric,
    hparams_config_pb,
    hparams_pb,
)

from mlpi.boards.folders import found_in
from mlpi.boards.kinds.sessions import Table, above, below, table
from mlpi.boards.library import Run
from mlpi.boards.reader.run import RunReader
from tests.board_files import tensor_value
from tests.event_files import event, header, simple, write

STATUSES = [api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_SUCCESS, api_pb2.STATUS_RUNNING]


def ours(root: Path) -> Table:
    runs = []
    for found in found_in(root, "lab"):
        reader = RunReader(root / "lab" / found.name)
        reader.refresh()
        runs.append(Run("lab", found.name, reader, found))
    return table(sorted(runs, key=lambda run: run.name))


def theirs(root: Path) -> dict[str, tuple[dict[str, Any], dict[tuple[str, str], float]]]:
    """Hyperparameters and metrics by session, from TensorBoard's own handler."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(root / "lab"))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(root))
    backend = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0, slice_size=100, allowed_statuses=STATUSES
    )
    handler = list_session_groups.Handler(context.RequestContext(), backend, "", request)
    found = {}
    for group in handler.run().session_groups:
        hparams = {
            name: getattr(value, value.WhichOneof("kind")) for name, value in group.hparams.items()
        }
        for one in group.sessions:
            values = {(made.name.group, made.name.tag): made.value for made in one.metric_values}
            found[one.name] = hparams, values
    return found


def compared(root: Path) -> Table:
    """Ours, once it was found equal to theirs."""
    made = ours(root)
    expected = theirs(root)
    assert sorted(row.run for row in made.rows) == sorted(expected)
    for row in made.rows:
        hparams, metrics = expected[row.run]
        said = {f"hparam.{name}": value for name, value in hparams.items()}
        for (group, tag), value in metrics.items():
            said[f"metric.{group}/{tag}" if group else f"metric.{tag}"] = value
        assert row.cells == said
    return made


def config(names: Iterable[str], metrics: Iterable[Metric]) -> Any:
    infos = [HParam(name, IntInterval(0, 9), display_name=name.title()) for name in names]
    return hparams_config_pb(infos, list(metrics)).value[0]


def session(**values: Any) -> Any:
    return hparams_pb(values).value[0]


def run(root: Path, name: str, *records: bytes) -> None:
    write(root / "lab" / name, [header(), *records])


def test_sessions_with_an_experiment_above_them(tmp_path: Path) -> None:
    """As Keras writes them."""
    metrics = [Metric("loss", group="validation"), Metric("acc", display_name="Accuracy")]
    run(tmp_path, ".", event(0, config(["lr", "kind"], metrics)))
    for number in range(3):
        started = event(0, session(lr=0.1 * number, kind="sgd", is_big=number > 1, depth=3))
        run(tmp_path, f"s{number}", started, event(1, simple("acc", 0.5)), event(2, simple("x", 1)))
        run(tmp_path, f"s{number}/validation", event(3, simple("loss", number)))
    made = compared(tmp_path)
    labels = [column.label for column in made.columns]
    assert labels == ["Lr", "is_big", "Kind", "depth", "Accuracy", "validation/loss"]
    assert [column.differs for column in made.columns[:4]] == [True, True, False, False]
    assert [row.run for row in made.rows] == ["s0", "s1", "s2"]


def test_sessions_without_an_experiment_have_all_scalars_as_metrics(tmp_path: Path) -> None:
    run(tmp_path, "a", event(0, session(lr=1.0)), event(1, simple("loss", 2), simple("x/y", 4)))
    run(tmp_path, "a/eval", event(9, simple("loss", 5)))
    run(tmp_path, "b/c", event(0, session(lr=2.0)), event(1, simple("loss", 3)))
    run(tmp_path, "other", event(1, simple("loss", 7)))
    made = compared(tmp_path)
    assert made.rows[0].cells["metric.eval/loss"] == 5


def test_values_that_no_column_can_hold_are_left_out(tmp_path: Path) -> None:
    made = session(lr=float("nan"), good=1.0)
    content = made.metadata.plugin_data.content
    run(tmp_path, "a", event(0, made), event(1, simple("loss", float("inf"))))
    assert b"good" in content
    (row,) = ours(tmp_path).rows
    assert row.cells == {"hparam.good": 1.0}


def test_a_last_value_comes_from_the_newest_file(tmp_path: Path) -> None:
    run(tmp_path, "a", event(0, session(lr=1.0)), event(1, simple("loss", 2)))
    later = [header(), event(2, simple("loss", 1))]
    write(tmp_path / "lab" / "a", later, name="events.out.tfevents.1790000001.pi.1.0")
    assert compared(tmp_path).rows[0].cells["metric.loss"] == 1


def test_broken_metadata_are_told_of_and_other_runs_are_shown(tmp_path: Path) -> None:
    run(tmp_path, "a", event(0, session(lr=1.0)))
    bad = tensor_value("_hparams_/session_start_info", 0.0, "hparams", b"\x1a\xff")
    run(tmp_path, "b", event(0, bad))
    made = ours(tmp_path)
    assert [row.run for row in made.rows] == ["a"]
    assert len(made.problems) == 1
    assert "'b'" in made.problems[0]


def test_nothing_is_no_table(tmp_path: Path) -> None:
    run(tmp_path, "a", event(1, simple("loss", 2)))
    assert ours(tmp_path) == Table([], [], [])


@pytest.mark.parametrize(
    ("name", "group", "expected"),
    [("a/b", "", "a/b"), ("a", "eval", "a/eval"), (".", "eval", "eval"), (".", "", ".")],
)
def test_a_group_is_a_run_below_the_session(name: str, group: str, expected: str) -> None:
    assert below(name, group) == expected
    assert name in above(expected)


def test_a_list_is_no_hyperparameter(tmp_path: Path) -> None:
    made = session(good=True)
    from tensorboard.plugins.hparams import plugin_data_pb2

    data = plugin_data_pb2.HParamsPluginData.FromString(made.metadata.plugin_data.content)
    data.session_start_info.hparams["odd"].CopyFrom(
        struct_pb2.Value(
            list_value=struct_pb2.ListValue(values=[struct_pb2.Value(bool_value=True)])
        )
    )
    data.session_start_info.hparams["none"].null_value = 0
    made.metadata.plugin_data.content = data.SerializeToString()
    run(tmp_path, "a", event(0, made))
    (row,) = ours(tmp_path).rows
    assert row.cells == {"hparam.good": True}
