"""The demo's part in tracking: real models, trained by an ordinary MLflow client.

This module is light. The training, in a process of its own, is in training.py and the files it
names; it begins by creating its experiments with the tag MARK and ends by giving them the tag
DONE, so that what a kill left half-done can be told from what is complete.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, inspect, make_url, text

from mlpi.db import open_engine
from mlpi.demo import WORKSPACE, State
from mlpi.settings import Settings
from mlpi.tracking.purge import Purge

MARK = "mlpi.demo"
DONE = "mlpi.demo.done"

_EXPERIMENTS = text("""
    SELECT e.experiment_id, e.lifecycle_stage,
           EXISTS (SELECT 1 FROM experiment_tags d
                   WHERE d.experiment_id = e.experiment_id AND d.key = :done) AS is_done
    FROM experiments e JOIN experiment_tags t ON t.experiment_id = e.experiment_id
    WHERE e.workspace = :workspace AND t.key = :mark
""")
_MODELS = text("""
    SELECT name FROM registered_model_tags WHERE workspace = :workspace AND key = :mark
""")
_CALLED = {"experiments": "experiment", "registered_models": "registered model"}


def state(settings: Settings) -> State:
    """How much of it is there, read from MLflow's database without MLflow."""
    engine = _opened(settings)
    if engine is None:
        return State.ABSENT
    try:
        with engine.connect() as db:
            found = db.execute(
                _EXPERIMENTS, {"workspace": WORKSPACE, "mark": MARK, "done": DONE}
            ).all()
    finally:
        engine.dispose()
    if any(row.is_done and row.lifecycle_stage == "active" for row in found):
        return State.COMPLETE
    return State.PARTIAL if found else State.ABSENT


def remove(settings: Settings) -> list[str]:
    """Take it away for good; what else the workspace holds, such as "2 experiments"."""
    engine = _opened(settings)
    if engine is None:
        return []
    try:
        with engine.connect() as db:
            names = {"workspace": WORKSPACE, "mark": MARK}
            experiments = [
                row.experiment_id for row in db.execute(_EXPERIMENTS, {**names, "done": DONE})
            ]
            models = list(db.scalars(_MODELS, names))
        purge = Purge(engine, settings.artifacts, WORKSPACE)
        purge.run(experiments, models)
        left = purge.remains()
        if not left:
            purge.drop_folder()
    finally:
        engine.dispose()
    return [_counted(count, _CALLED.get(table, table)) for table, count in left.items()]


def fill(base_url: str, token: str, say: Callable[[str], None]) -> None:
    """Train and log everything. Called in a process of its own; takes half a minute."""
    for variable in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[variable]
    os.environ |= {
        "MLFLOW_TRACKING_URI": base_url,
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_UV_AUTO_DETECT": "false",  # the current folder is nobody's project
        "GIT_PYTHON_REFRESH": "quiet",
        "MPLBACKEND": "Agg",
        "LOGNAME": "mlpi",  # whom MLflow names as the user of the runs
    }
    sys.argv[0] = "mlpi demo"  # and as their source
    from mlpi.tracking.demo.training import train  # noqa: PLC0415 - imports MLflow's client

    train(say)


def _opened(settings: Settings) -> Engine | None:
    """MLflow's database, or None when it is not there yet."""
    url = make_url(settings.mlflow_database)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        return None  # to look would make one
    engine = open_engine(settings.mlflow_database)
    schema = inspect(engine)
    if schema.has_table("experiments"):
        columns = {column["name"] for column in schema.get_columns("experiments")}
        if "workspace" in columns:
            return engine
    engine.dispose()
    return None


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 or noun.endswith('s') else 's'}"
