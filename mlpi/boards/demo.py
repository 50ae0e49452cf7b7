"""The demo's part in boards: trainings of tracking's demo, as TensorBoard's writer keeps them.

The same small network on the same digits, at three of the learning rates: the losses are those of
the MLflow runs that the runs are tied to. The files are written by TensorBoard's own writer and
sent over HTTP, as any training may do. Their names end with MARK: whatever a run is renamed to,
what is the demo's can be told.
"""

from __future__ import annotations

import os
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpi.boards import store
from mlpi.boards.cache import Cache
from mlpi.db import Database
from mlpi.demo import WORKSPACE, State
from mlpi.settings import Settings
from mlpi.sync.protocol import CHECKSUM, CONTENT, FILES, OFFSET, RUN_ID_FILE, checksum

if TYPE_CHECKING:
    import httpx

MARK = ".mlpi-demo"
FOLDER = "digits-mlp"
EXPERIMENT = "mlp-training-curves"  # tracking's, with a run of each rate
RATES = (0.0002, 0.002, 0.02)
EPOCHS = 80
SEED = 7
SIDE = 8  # pixels of a digit
ACROSS, SCALE = 8, 6  # digits in a row of a picture, and how much they are enlarged

_NOTE = """\
### Learning rate {rate:g}

A network of one hidden layer with 48 units (Adam, no regularisation), trained on a third of
scikit-learn's handwritten digits for {epochs} epochs, with the seed of the MLflow run
*learning-rate-{rate:g}*: the losses are the same.

* **histograms**: the weights of both layers, every fourth epoch
* **images**: digits of the other part that it still reads wrong, every tenth epoch
"""


def state(settings: Settings) -> State:
    """How much of it is there, by its files."""
    count = len(_files(settings))
    if not count:
        return State.ABSENT
    return State.COMPLETE if count >= len(RATES) else State.PARTIAL


def remove(settings: Settings) -> list[str]:
    """Take it away for good; what else the workspace's folder holds."""
    top = _top(settings)
    runs = {path.parent for path in _files(settings)}
    for path in _files(settings):
        path.unlink(missing_ok=True)
    for folder in runs:
        if not any("tfevents" in one.name for one in folder.iterdir()):
            (folder / RUN_ID_FILE).unlink(missing_ok=True)
    for place, _, _ in os.walk(top, topdown=False):
        with suppress(OSError):  # holds something
            Path(place).rmdir()
    if runs:
        _forget(settings, {str(folder.relative_to(top)) for folder in runs})
    left = sum(len(files) for _, _, files in os.walk(top))
    return [f"{left} file{'s' if left != 1 else ''} of logs"] if left else []


def fill(base_url: str, token: str, say: Callable[[str], None]) -> None:
    """Train and send. Called in a process of its own; takes some seconds."""
    import httpx  # noqa: PLC0415 - 0.1 s, and only the child process needs it

    # Before NumPy is there: matrices this small are slower with more threads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    say(f"boards: {len(RATES)} trainings as TensorBoard's writer keeps them")
    headers = {"Authorization": f"Bearer {token}"}
    with (
        httpx.Client(base_url=base_url, headers=headers, timeout=60) as client,
        tempfile.TemporaryDirectory(prefix="mlpi-demo-") as folder,
    ):
        for rate in RATES:
            name = f"learning-rate-{rate:g}"
            written = train(Path(folder, name), rate)
            _send(client, f"{FOLDER}/{name}/{written.name}", written.read_bytes())
            run_id = _mlflow_run(client, name)
            if run_id:
                _send(client, f"{FOLDER}/{name}/{RUN_ID_FILE}", run_id.encode())


def train(folder: Path, rate: float) -> Path:
    """One training; the event file that it wrote."""
    import numpy as np  # noqa: PLC0415
    from sklearn.datasets import load_digits  # noqa: PLC0415
    from sklearn.model_selection import train_test_split  # noqa: PLC0415
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    x, y = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        x, y, test_size=0.25, random_state=SEED, stratify=y
    )
    some = slice(0, len(train_x) // 3)
    scaler = StandardScaler().fit(train_x)
    parts = {
        "train": (scaler.transform(train_x[some]), train_y[some]),
        "validation": (scaler.transform(test_x), test_y),
    }
    network = MLPClassifier(
        hidden_layer_sizes=(48,), alpha=0.0, learning_rate_init=rate, random_state=SEED
    )
    with _written(folder) as writer:
        writer.hparams({"learning_rate": rate, "hidden_units": 48, "solver": "adam"})
        writer.text("notes", _NOTE.format(rate=rate, epochs=EPOCHS))
        for epoch in range(1, EPOCHS + 1):
            network.partial_fit(*parts["train"], classes=np.arange(10))
            for part, (seen, truth) in parts.items():
                chances = network.predict_proba(seen)
                answers = chances.argmax(axis=1)
                right = chances[np.arange(len(truth)), truth]
                loss = float(-np.log(np.maximum(right, np.finfo(float).tiny)).mean())
                writer.scalar(f"loss/{part}", loss, epoch)
                writer.scalar(f"accuracy/{part}", float(np.mean(answers == truth)), epoch)
            if epoch % 4 == 0 or epoch == 1:
                for layer, weights in zip(("hidden", "output"), network.coefs_, strict=True):
                    writer.histogram(f"weights/{layer}", weights, epoch)
            if epoch % 10 == 0 or epoch == 1:
                wrong = test_x[answers != truth][: ACROSS * ACROSS].reshape(-1, SIDE, SIDE)
                writer.image("read wrong", _mosaic(wrong), epoch)
        writer.ended()
    (path,) = folder.iterdir()
    return path


class _Writer:
    """TensorBoard's own writer and protos."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2  # noqa: PLC0415
        from tensorboard.summary.writer.event_file_writer import (  # noqa: PLC0415
            EventFileWriter,
        )

        self._events, self._summaries = event_pb2, summary_pb2
        self._writer = EventFileWriter(str(folder), filename_suffix=MARK)

    def close(self) -> None:
        self._writer.close()

    def scalar(self, tag: str, value: float, step: int) -> None:
        self._add(self._summaries.Summary.Value(tag=tag, simple_value=value), step)

    def histogram(self, tag: str, values: Any, step: int) -> None:
        import numpy as np  # noqa: PLC0415

        counts, edges = np.histogram(values, bins=30)
        made = self._summaries.HistogramProto(
            min=float(values.min()),
            max=float(values.max()),
            num=float(values.size),
            sum=float(values.sum()),
            sum_squares=float((values**2).sum()),
            bucket_limit=edges[1:].tolist(),
            bucket=counts.tolist(),
        )
        self._add(self._summaries.Summary.Value(tag=tag, histo=made), step)

    def image(self, tag: str, grey: Any, step: int) -> None:
        """grey: (height, width) uint8."""
        height, width = grey.shape
        made = self._summaries.Summary.Image(
            height=height, width=width, colorspace=1, encoded_image_string=_png(grey)
        )
        self._add(self._summaries.Summary.Value(tag=tag, image=made), step)

    def text(self, tag: str, markdown: str) -> None:
        from tensorboard.plugins.text.metadata import create_summary_metadata  # noqa: PLC0415
        from tensorboard.util.tensor_util import make_tensor_proto  # noqa: PLC0415

        value = self._summaries.Summary.Value(
            tag=tag, metadata=create_summary_metadata("", ""), tensor=make_tensor_proto(markdown)
        )
        self._add(value, 0)

    def hparams(self, given: dict[str, float | str]) -> None:
        """What the run was given, and which of its scalars it is judged by."""
        from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2  # noqa: PLC0415

        experiment = api_pb2.Experiment(hparam_infos=[api_pb2.HParamInfo(name=n) for n in given])
        name = api_pb2.MetricName(tag="accuracy/validation")
        experiment.metric_infos.add(name=name, display_name="accuracy")
        started = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
        for key, value in given.items():
            if isinstance(value, str):
                started.hparams[key].string_value = value
            else:
                started.hparams[key].number_value = value
        self._plugin_data("_hparams_/experiment", experiment=experiment)
        self._plugin_data("_hparams_/session_start_info", session_start_info=started)

    def ended(self) -> None:
        from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2  # noqa: PLC0415

        ended = plugin_data_pb2.SessionEndInfo(
            status=api_pb2.STATUS_SUCCESS, end_time_secs=time.time()
        )
        self._plugin_data("_hparams_/session_end_info", session_end_info=ended)

    def _plugin_data(self, tag: str, **content: Any) -> None:
        from tensorboard.plugins.hparams import plugin_data_pb2  # noqa: PLC0415
        from tensorboard.plugins.hparams.metadata import PLUGIN_NAME  # noqa: PLC0415

        value = self._summaries.Summary.Value(tag=tag)
        value.metadata.plugin_data.plugin_name = PLUGIN_NAME
        data = plugin_data_pb2.HParamsPluginData(version=0, **content)
        value.metadata.plugin_data.content = data.SerializeToString()
        value.tensor.CopyFrom(_null())
        self._add(value, 0)

    def _add(self, value: Any, step: int) -> None:
        made = self._events.Event(wall_time=time.time(), step=step)
        made.summary.value.append(value)
        self._writer.add_event(made)


def _null() -> Any:
    """The tensor of a value that is all metadata: TensorBoard's own NULL_TENSOR."""
    from tensorboard.plugins.hparams.metadata import NULL_TENSOR  # noqa: PLC0415

    return NULL_TENSOR


@contextmanager
def _written(folder: Path) -> Iterator[_Writer]:
    writer = _Writer(folder)
    try:
        yield writer
    finally:
        writer.close()


def _mosaic(digits: Any) -> Any:
    """(n, 8, 8) grey values 0–16 → one picture (height, width) uint8, dark on light."""
    import numpy as np  # noqa: PLC0415

    rows = max(1, -(-len(digits) // ACROSS))
    board = np.zeros((rows * ACROSS, SIDE, SIDE))
    board[: len(digits)] = digits
    rows_in_order = board.reshape(rows, ACROSS, SIDE, SIDE).swapaxes(1, 2)
    whole = rows_in_order.reshape(rows * SIDE, ACROSS * SIDE)
    large = whole.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
    return (255 - np.minimum(255, large * 16)).astype(np.uint8)


def _png(grey: Any) -> bytes:
    height, width = grey.shape
    lines = b"".join(b"\0" + row.tobytes() for row in grey)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _send(client: httpx.Client, path: str, data: bytes) -> None:
    answer = client.patch(
        f"{FILES}/{path}",
        content=data,
        headers={"Content-Type": CONTENT, OFFSET: "0", CHECKSUM: checksum(data)},
    )
    answer.raise_for_status()


def _mlflow_run(client: httpx.Client, name: str) -> str:
    """The id of tracking's run of this name; '' when it has none."""
    at = "/api/2.0/mlflow"
    found = client.get(f"{at}/experiments/get-by-name", params={"experiment_name": EXPERIMENT})
    if found.status_code == 404:
        return ""
    asked = {
        "experiment_ids": [found.raise_for_status().json()["experiment"]["experiment_id"]],
        "filter": f"attributes.run_name = '{name}'",
    }
    runs = client.post(f"{at}/runs/search", json=asked).raise_for_status().json().get("runs", [])
    return str(runs[0]["info"]["run_id"]) if runs else ""


def _top(settings: Settings) -> Path:
    return settings.home / "tensorboard" / WORKSPACE


def _files(settings: Settings) -> list[Path]:
    return sorted(_top(settings).rglob(f"*tfevents*{MARK}"))


def _forget(settings: Settings, names: set[str]) -> None:
    """What was noted and kept of its runs; a running service notices by itself, too."""
    db = Database(settings.database)
    try:
        with db.write() as session:
            for name in names:
                store.forget(session, WORKSPACE, name)
    finally:
        db.close()
    kept = settings.home / "cache" / "boards.sqlite3"
    if not kept.exists():
        return
    cache = Cache(kept)
    try:
        for name in names:
            cache.forget(WORKSPACE, name)
    finally:
        cache.close()
