"""Every answer of our data provider against TensorBoard's own, over the same logs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard import errors
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.data.provider import DataProvider, RunTagFilter
from tensorboard.plugins.hparams.metadata import PLUGIN_NAME as HPARAMS

from mlpi.boards.cache import Cache
from mlpi.boards.library import Library
from mlpi.boards.stock import provider as module
from mlpi.boards.stock import room
from mlpi.boards.stock.provider import Provider
from tests.board_logs import START, every_kind, new_kinds, old_image, png, value
from tests.event_files import NAME, event, header, restart, write

CONTEXT = RequestContext()
LISTS = ("list_scalars", "list_tensors", "list_blob_sequences")
READS = ("read_scalars", "read_tensors", "read_blob_sequences")


def theirs(folder: Path) -> MultiplexerDataProvider:
    """Without reservoirs: every value is kept."""
    multiplexer = EventMultiplexer(size_guidance={"tensors": 0}, tensor_size_guidance={})
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    return MultiplexerDataProvider(multiplexer, "default/")


def library_of(folder: Path, *, kept: Path) -> Library:
    library = Library(folder.parent, Cache(kept))
    library.start()
    assert library.wait_until_scanned(20)
    until_read(library, folder.name)
    return library


def until_read(library: Library, workspace: str) -> None:
    end = time.monotonic() + 20
    while library.pending(workspace):
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tensorboard") / "default"
    every_kind(folder, steps=7)
    return folder


@pytest.fixture(scope="module", params=["read", "taken up after a restart"])
def both(
    request: pytest.FixtureRequest, logs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Provider, MultiplexerDataProvider]]:
    kept = tmp_path_factory.mktemp("cache") / "boards.sqlite3"
    library = library_of(logs, kept=kept)
    if request.param != "read":
        library.stop()
        library = library_of(logs, kept=kept)
    yield Provider(lambda: library.runs("default"), "default/"), theirs(logs)
    library.stop()


Both = tuple[Provider, MultiplexerDataProvider]


def asked(answerer: DataProvider, question: str, plugin: str, **more: Any) -> Any:
    ask = getattr(answerer, question)
    return plain(ask(CONTEXT, experiment_id="e", plugin_name=plugin, **more))


def plain(answer: Any) -> Any:
    """Comparable: every property of every value, arrays as their bytes, dicts without order."""
    if isinstance(answer, dict):
        return {key: plain(one) for key, one in answer.items()}
    if isinstance(answer, (list, tuple)):
        return [plain(one) for one in answer]
    if isinstance(answer, np.ndarray):
        return answer.dtype.str, answer.shape, answer.tolist()
    if type(answer).__module__.startswith(("tensorboard", "mlpi")):
        kind = type(answer)
        names = [name for name in dir(kind) if isinstance(getattr(kind, name), property)]
        assert names
        return {name: plain(getattr(answer, name)) for name in names}
    return answer


def test_runs_plugins_and_where_they_are(both: Both) -> None:
    our, their = both
    plugins = their.list_plugins(CONTEXT, experiment_id="")
    assert our.list_plugins(CONTEXT, experiment_id="") == plugins
    assert len(plugins) > 12
    found = [
        sorted(plain(one.list_runs(CONTEXT, experiment_id="")), key=lambda run: run["run_id"])
        for one in both
    ]
    assert found[0] == found[1]
    assert [run["run_name"] for run in found[0]] == [".", "again", "new/train", "old"]
    assert plain(our.experiment_metadata(CONTEXT, experiment_id="")) == plain(
        their.experiment_metadata(CONTEXT, experiment_id="")
    )


@pytest.mark.parametrize("question", LISTS)
def test_what_there_is_is_listed_alike(both: Both, question: str) -> None:
    our, their = both
    count = 0
    for plugin in sorted(their.list_plugins(CONTEXT, experiment_id="")):
        expected = asked(their, question, plugin)
        assert asked(our, question, plugin) == expected, plugin
        count += sum(map(len, expected.values()))
    assert count > 5


@pytest.mark.parametrize("downsample", [0, 1, 2, 3, 5, 7, 100])
@pytest.mark.parametrize("question", READS)
def test_values_are_equal_at_any_sampling(both: Both, question: str, downsample: int) -> None:
    our, their = both
    count = 0
    for plugin in sorted(their.list_plugins(CONTEXT, experiment_id="")):
        expected = asked(their, question, plugin, downsample=downsample)
        assert asked(our, question, plugin, downsample=downsample) == expected, plugin
        count += sum(len(data) for tags in expected.values() for data in tags.values())
    assert count > 5 or not downsample


def test_last_scalars_are_equal(both: Both) -> None:
    our, their = both
    expected = asked(their, "read_last_scalars", "scalars")
    assert asked(our, "read_last_scalars", "scalars") == expected
    assert set(expected) >= {"again", "new/train", "old", "."}


def test_every_blob_is_equal(both: Both) -> None:
    our, their = both
    count = 0
    for plugin in sorted(their.list_plugins(CONTEXT, experiment_id="")):
        found = their.read_blob_sequences(
            CONTEXT, experiment_id="e", plugin_name=plugin, downsample=99
        )
        for tags in found.values():
            for data in tags.values():
                for datum in data:
                    for blob in datum.values:
                        expected = their.read_blob(CONTEXT, blob_key=blob.blob_key)
                        assert our.read_blob(CONTEXT, blob_key=blob.blob_key) == expected
                        count += 1
    assert count > 60


@pytest.mark.parametrize(
    "only",
    [
        RunTagFilter(runs=["new/train"]),
        RunTagFilter(tags=["train/loss", "samples", "weights"]),
        RunTagFilter(runs=["again", "old"], tags=["old/loss", "weights", "p"]),
        RunTagFilter(runs=["none"]),
        RunTagFilter(runs=[], tags=[]),
    ],
)
def test_filters_take_the_same(both: Both, only: RunTagFilter) -> None:
    our, their = both
    for question in LISTS:
        for plugin in ("scalars", "histograms", "images"):
            expected = asked(their, question, plugin, run_tag_filter=only)
            assert asked(our, question, plugin, run_tag_filter=only) == expected


def test_there_are_no_hyperparameters_beside_those_in_tags(both: Both) -> None:
    our, their = both
    found = [one.list_hyperparameters(CONTEXT, experiment_ids=["e"]) for one in both]
    assert found[0] == found[1]
    assert our.read_hyperparameters(CONTEXT, experiment_ids=["e"]) == []
    assert asked(their, "list_tensors", HPARAMS)["old"]


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        "!!!",
        "bnVsbA",
        module.blob_key("", "images", "again", "p", 0, -1),
        module.blob_key("", "images", "again", "p", 0, 3),
        module.blob_key("", "images", "again", "p", 99, 0),
        module.blob_key("", "images", "../other/run", "p", 0, 0),
        module.blob_key("", "scalars", "again", "train/loss", 0, 0),
        module.blob_key("", "audio", "again", "p", 0, 0),
    ],
)
def test_a_key_of_no_blob_is_refused(both: Both, key: str) -> None:
    with pytest.raises((errors.NotFoundError, errors.InvalidArgumentError)):
        both[0].read_blob(CONTEXT, blob_key=key)


def test_sampling_needs_a_number(both: Both) -> None:
    with pytest.raises(TypeError, match="downsample"):
        asked(both[0], "read_scalars", "scalars")


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[tuple[Path, Library, Provider]]:
    folder = tmp_path / "tensorboard" / "default"
    write(folder / "a", [header(START), event(0, *new_kinds(0), old_image("p", 0))])
    library = library_of(folder, kept=tmp_path / "boards.sqlite3")
    yield folder, library, Provider(lambda: library.runs("default"), "default/")
    library.stop()


Growing = tuple[Path, Library, Provider]


def append(library: Library, folder: Path, *records: bytes) -> None:
    with (folder / "a" / NAME).open("ab") as file:
        file.write(b"".join(records))
    library.touch("default", "a")
    until_read(library, "default")


def test_what_grows_is_served_as_it_is_now(growing: Growing) -> None:
    folder, library, our = growing
    for step in range(1, 4):
        append(library, folder, event(step, *new_kinds(step), old_image("p", step)))
        for question in LISTS:
            for plugin in ("scalars", "images", "audio", "histograms"):
                expected = asked(theirs(folder), question, plugin)
                assert asked(our, question, plugin) == expected


def test_blobs_are_counted_once_and_again_after_a_restart_of_the_writer(
    growing: Growing, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, library, our = growing
    read: list[int] = []
    real = module._blob_counts

    def counting(one: Any, places: Any) -> Any:
        read.append(len(places.steps))
        return real(one, places)

    monkeypatch.setattr(module, "_blob_counts", counting)

    def most() -> int:
        return int(
            our.list_blob_sequences(CONTEXT, experiment_id="", plugin_name="images")["a"][
                "samples"
            ].max_length
        )

    append(library, folder, event(1, *new_kinds(1)), event(2, *new_kinds(2)))
    assert most() == 5
    assert most() == 5
    assert read == [3, 0]
    append(library, folder, restart(1), event(1, *new_kinds(1)))
    assert most() == 4  # step 2 and its three images are gone
    append(library, folder, event(2, *new_kinds(2)))
    assert most() == 5
    assert read == [3, 0, 2, 1]


def test_only_what_is_asked_for_is_read(growing: Growing, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, library, our = growing
    append(library, folder, *(event(step, *new_kinds(step)) for step in range(1, 40)))
    run = library.run("default", "a")
    read: list[int] = []
    real = run.reader.content

    def counting(entry: Any) -> bytes:
        read.append(entry.length)
        return real(entry)

    monkeypatch.setattr(run.reader, "content", counting)
    asked(our, "read_tensors", "histograms", downsample=3)
    assert len(read) == 3
    read.clear()
    our.list_plugins(CONTEXT, experiment_id="")
    asked(our, "list_scalars", "scalars")
    asked(our, "list_tensors", "histograms")
    asked(our, "read_scalars", "scalars", downsample=1000)
    assert read == []
    asked(our, "read_blob_sequences", "images", downsample=100)
    assert len(read) == 40
    assert max(read) <= 128


def test_tensors_that_would_not_fit_are_thinned_out(
    growing: Growing, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, library, our = growing
    big = np.zeros(1000)
    append(
        library,
        folder,
        *(event(step, value("weights", np.stack([big] * 3))) for step in range(1, 41)),
    )
    monkeypatch.setattr(module, "MOST_BYTES", 250_000)
    data = our.read_tensors(CONTEXT, experiment_id="", plugin_name="histograms", downsample=500)[
        "a"
    ]["weights"]
    assert 4 <= len(data) <= 10
    assert data[-1].step == 40


def test_a_file_that_was_cut_gives_what_is_left(growing: Growing) -> None:
    folder, library, our = growing
    append(library, folder, *(event(step, *new_kinds(step)) for step in range(1, 5)))
    key = (
        our.read_blob_sequences(CONTEXT, experiment_id="", plugin_name="images", downsample=9)["a"][
            "samples"
        ][-1]
        .values[-1]
        .blob_key
    )
    library.stop()  # so that it does not notice
    path = folder / "a" / NAME
    os.truncate(path, path.stat().st_size // 2)
    data = our.read_tensors(CONTEXT, experiment_id="", plugin_name="histograms", downsample=9)
    assert 0 < len(data["a"]["weights"]) < 5
    with pytest.raises(errors.NotFoundError):
        our.read_blob(CONTEXT, blob_key=key)
    path.unlink()
    assert our.read_tensors(CONTEXT, experiment_id="", plugin_name="histograms", downsample=9) == {
        "a": {"weights": []}
    }


def test_a_run_that_is_left_out_cannot_be_reached_by_its_blobs(growing: Growing) -> None:
    our = growing[2]
    key = module.blob_key("", "images", "a", "p", 0, 2)
    assert our.read_blob(CONTEXT, blob_key=key) == png(8, 0)
    hidden = Provider(list, "default/")
    with pytest.raises(errors.NotFoundError):
        hidden.read_blob(CONTEXT, blob_key=key)
    assert hidden.list_runs(CONTEXT, experiment_id="") == []


def test_a_run_without_events_has_no_time(growing: Growing) -> None:
    folder, library, our = growing
    write(folder / "empty", [])
    library.rescan("default")
    end = time.monotonic() + 20
    while len(our.list_runs(CONTEXT, experiment_id="")) < 2:
        assert time.monotonic() < end
        time.sleep(0.02)
    found = [
        {run.run_name: run.start_time for run in one.list_runs(CONTEXT, experiment_id="")}
        for one in (our, theirs(folder))
    ]
    assert found[0] == found[1] == {"a": START, "empty": None}


def test_million_points_are_sampled_as_theirs(growing: Growing) -> None:
    from tensorboard.backend.event_processing import data_provider

    for count, most in [(0, 0), (0, 5), (1, 1), (5, 5), (5, 6), (1000, 10), (1_000_000, 1000)]:
        expected = data_provider._downsample(range(count), most)
        assert module.sampled(count, most).tolist() == list(expected)


def test_a_backend_that_cannot_be_imported_is_told_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> Any:
        raise ImportError("no module named werkzeug")

    monkeypatch.setattr(room, "_imported", fails)
    backends = room.Backends(tmp_path, lambda _: [])
    environ = {"asgi.scope": {"workspace": "default"}}
    with pytest.raises(room.StockUnavailable) as refused:
        backends(environ, None)
    assert "werkzeug" in str(refused.value.advice)
    assert "werkzeug" in backends.failure
    monkeypatch.undo()
    assert list(backends({**environ, **ASKED}, lambda *_: None)) == [b"[]"]
    assert backends.failure == ""


ASKED = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/data/runs",
    "QUERY_STRING": "",
    "SERVER_NAME": "pi",
    "SERVER_PORT": "9000",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.url_scheme": "http",
}


def test_few_workspaces_are_kept_and_each_sees_its_own(tmp_path: Path) -> None:
    asked: list[str] = []

    def runs(workspace: str) -> list[Any]:
        asked.append(workspace)
        return []

    backends = room.Backends(tmp_path, runs)
    for number in range(room.MOST_APPS + 3):
        workspace = f"w{number}"
        # What a client sends as a header of its own does not count.
        environ = {"HTTP_X_MLFLOW_WORKSPACE": "other", **ASKED}
        list(backends({"asgi.scope": {"workspace": workspace}, **environ}, lambda *_: None))
        assert set(asked) == {workspace}
        asked.clear()
    assert len(backends._apps) == room.MOST_APPS


IMPORTING = """
import sys
from mlpi.boards.stock import room
assert "tensorboard" not in sys.modules
room._imported()
from tensorboard.compat import tf
assert tf.__version__ == "stub"
print("tensorflow" in sys.modules, "mlpi.boards.stock.backend" in sys.modules)
"""


def test_tensorflow_is_never_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == ["False", "True"]
