"""All experiments of the demo, in order. Runs in a process of its own."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable

import mlflow

from mlpi.tracking.demo import DONE, MARK, digits, tables
from mlpi.tracking.demo.notes import VERSION

_EXPERIMENTS: dict[str, Callable[[], str]] = {
    "diabetes-regression": tables.diabetes,
    "breast-cancer-screening": tables.breast_cancer,
    "wine-regularisation": tables.wine,
    "mlp-training-curves": digits.training_curves,
    "digits-baselines": digits.baselines,
}


def train(say: Callable[[str], None]) -> None:
    """Train and log everything, with a line about each experiment; then mark it as complete."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")  # of no use to whoever asked for a demo
    for name, experiment in _EXPERIMENTS.items():
        say(f"{name}: {experiment()}")
    client = mlflow.MlflowClient()
    for one in client.search_experiments(filter_string=f"tags.`{MARK}` = '{VERSION}'"):
        client.set_experiment_tag(one.experiment_id, DONE, VERSION)
