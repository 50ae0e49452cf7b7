"""What the demo's experiments share: how they are begun, and how models and metrics are logged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import mlflow
from mlflow.data.dataset import Dataset
from mlflow.models import infer_signature
from mlflow.models.model import ModelInfo

from mlpi.tracking.demo import MARK

SEED = 7
VERSION = "1"

# skops, MLflow's format of scikit-learn models, wants each type that is more than plain data
# named by whoever has reviewed it. These two are scikit-learn's own.
_TRUSTED = [
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
]


def begin(name: str, about: str) -> None:
    """Create an experiment of the demo and make it the current one."""
    mlflow.create_experiment(
        name,
        tags={
            MARK: VERSION,
            "mlflow.note.content": about,
            "mlflow.experimentKind": "custom_model_development",
        },
    )
    mlflow.set_experiment(name)


@dataclass
class Stopwatch:
    """Seconds of a block, once it has ended."""

    seconds: float = 0.0


@contextmanager
def timed() -> Iterator[Stopwatch]:
    watch, started = Stopwatch(), time.perf_counter()
    try:
        yield watch
    finally:
        watch.seconds = time.perf_counter() - started


def log_model(model: Any, example: Any, **more: Any) -> ModelInfo:
    """Log a fitted scikit-learn model with its signature and an input example."""
    info: ModelInfo = mlflow.sklearn.log_model(
        model,
        name="model",
        signature=infer_signature(example, model.predict(example)),
        input_example=example,
        # Given, because finding them out loads the model in one more process.
        pip_requirements=[f"{name}=={version(name)}" for name in ("scikit-learn", "skops")],
        skops_trusted_types=_TRUSTED,
        **more,
    )
    return info


def log_scores(scores: dict[str, float], model: ModelInfo, dataset: Dataset) -> None:
    """Log metrics of the run that are also the model's, on a dataset."""
    mlflow.log_metrics(scores, model_id=model.model_id, dataset=dataset)


def markdown_table(rows: list[dict[str, Any]]) -> str:
    """Rows of equal keys as a Markdown table; floats with four digits."""
    heads = list(rows[0])
    cells = [[f"{v:.4f}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows]
    lines = [heads, ["---"] * len(heads), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def csv_text(rows: list[dict[str, Any]]) -> str:
    """Rows of equal keys as CSV. No value needs quoting."""
    return "\n".join(",".join(str(v) for v in line) for line in [rows[0], *_values(rows)]) + "\n"


def _values(rows: list[dict[str, Any]]) -> list[list[Any]]:
    return [list(row.values()) for row in rows]
