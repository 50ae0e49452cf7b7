"""Charts over selected runs as a person uses them, on an experiment of 5,000 runs."""

from __future__ import annotations

import csv
import io
import math
import struct
import zlib
from pathlib import Path

import pytest
from playwright.sync_api import Download, Locator, Page, expect
from sqlalchemy import MetaData, create_engine, insert, text

from tests.bench.runs_table import START_MS, make_experiments
from tests.browser.conftest import Watch, Watched
from tests.service import Service

pytestmark = pytest.mark.browser

RUNS = 5_000
STEPS = 120
PICKED = 8


@pytest.fixture(scope="module")
def big(service: Service) -> str:
    """The address of an experiment of RUNS runs in lab; the newest have histories of loss."""
    url = f"sqlite:///{service.home / 'mlflow' / 'mlflow.db'}"
    made = make_experiments(url, [RUNS], long_names=True)
    add_histories(url, made[RUNS])
    return f"/tracking/experiments/{made[RUNS]}"


def add_histories(url: str, experiment_id: int) -> None:
    """STEPS points of loss and val/loss for the newest PICKED top runs, the first one running.

    Its loss has a NaN at step 60 and a peak of 50 at step 100.
    """
    engine = create_engine(url)
    try:
        with engine.begin() as db:
            tables = MetaData()
            tables.reflect(db, only=["metrics"], resolve_fks=False)
            newest = text(
                "SELECT run_uuid FROM runs r WHERE experiment_id = :e AND NOT EXISTS (SELECT 1 FROM"
                " tags t WHERE t.run_uuid = r.run_uuid AND t.key = 'mlflow.parentRunId')"
                " ORDER BY start_time DESC LIMIT :n"
            )
            ids = list(db.scalars(newest, {"e": experiment_id, "n": PICKED}))
            db.execute(
                text("UPDATE runs SET status = 'RUNNING', end_time = NULL WHERE run_uuid = :id"),
                {"id": ids[0]},
            )
            rows = []
            for number, id_ in enumerate(ids):
                for key in ("loss", "val/loss"):
                    for step in range(STEPS):
                        value = 1 / (1 + step / (6 + number)) + 0.08 * math.sin(step * (number + 2))
                        is_first = number == 0 and key == "loss"
                        row = {
                            "run_uuid": id_,
                            "key": key,
                            "value": 50.0 if is_first and step == 100 else value,
                            "step": step,
                            "timestamp": START_MS + RUNS * 60_000 + step * 1000,
                            "is_nan": is_first and step == 60,
                        }
                        rows.append(row | {"value": 0.0} if row["is_nan"] else row)
            db.execute(insert(tables.tables["metrics"]), rows)
    finally:
        engine.dispose()
