"""Stock MLflow's search of runs, for comparison. Run by itself: python -m tests.mlflow_search URL

Reads {"filters": [...], "orders": [...]} as JSON; makes runs in a fresh database, and prints for
each filter whether MLflow takes it and which runs it finds, and for each order the runs in order.
"""

from __future__ import annotations

import json
import math
import random
import sys
from typing import Any

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    RunStatus,
    RunTag,
    ViewType,
)
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

WORDS = ("adam", "Adam", "sgd", "a_b", "a%b", "it's", "ünder", "10", "9", "x" * 300)
RUNS = 160


def make(store: Any, experiment: str) -> None:
    """Runs with every kind of value; some keys are missing in some of them."""
    dice = random.Random(7)
    datasets = [Dataset(f"set-{n % 3}", f"digest{n}", "local", "{}") for n in range(4)]
    for number in range(RUNS):
        name = dice.choice(["trial", "Trial-2", "best one", f"run-{number}"])
        run = store.create_run(
            experiment, dice.choice(["ana", "eve"]), 10_000 + number // 3, [], name
        )
        id_ = run.info.run_id
        metrics = [("loss", dice.choice([0.0, 0.5, dice.random(), math.nan, math.inf, -1e-9]))]
        if dice.random() < 0.6:
            metrics.append(("val/acc x", dice.choice([0.9, 1.0, dice.random()])))
        params = [("opt", dice.choice(WORDS))]
        if dice.random() < 0.5:
            params.append(("two words", str(dice.randrange(3))))
        tags = [("team", dice.choice(WORDS))] if dice.random() < 0.7 else []
        store.log_batch(
            id_,
            [Metric(key, value, 1, 0) for key, value in metrics],
            [Param(key, value[:200]) for key, value in params],
            [RunTag(key, value) for key, value in tags],
        )
        if dice.random() < 0.5:
            chosen = dice.sample(datasets, dice.randrange(1, 3))
            given = [
                DatasetInput(one, [InputTag("mlflow.data.context", dice.choice(["train", "eval"]))])
                for one in chosen
            ]
            store.log_inputs(id_, given)
        if dice.random() < 0.6:
            state = dice.choice([RunStatus.FINISHED, RunStatus.FAILED])
            store.update_run_info(id_, state, 20_000 + dice.randrange(50), None)
        if dice.random() < 0.05:
            store.delete_run(id_)


def found(store: Any, experiment: str, text: str, order: list[str]) -> list[str] | None:
    try:
        runs = store.search_runs([experiment], text, ViewType.ACTIVE_ONLY, 1000, order)
    except Exception:
        return None
    return [run.info.run_id for run in runs]


def main() -> None:
    asked = json.load(sys.stdin)
    store = SqlAlchemyStore(sys.argv[1], "mlflow-artifacts:/")
    experiment = store.create_experiment("searched")
    make(store, experiment)
    answer = {
        "experiment": experiment,
        "filters": [found(store, experiment, text, []) for text in asked["filters"]],
        "orders": [found(store, experiment, "", [order]) for order in asked["orders"]],
    }
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
