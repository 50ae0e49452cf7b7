"""MLflow's filter language: what stock takes is taken, finds the same, and errors point."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlpi.db import open_engine
from mlpi.tracking.runs.filter import FilterWrong, is_filter, parse
from mlpi.tracking.runs.sql import add_indexes
from mlpi.tracking.runs.store import RunsStore
from mlpi.tracking.runs.view import Field, View
from tests.service import clean_environment

FILTERS = (
    "metrics.loss < 0.5",
    "metrics.loss != 0",
    "metrics.loss = 0",
    "metrics.loss >= 0.1 and params.opt = 'adam'",
    "METRICS.loss > 1",
    "metric.loss > -1",
    "metrics.`val/acc x` > 0.95",
    'metrics."val/acc x" > 0.95',
    "metrics.val/acc > 0.5",
    "metrics.loss > 1e-3 AND metrics.loss < .9",
    "metrics.loss > '0.5'",
    "metrics.loss > abc",
    "metrics.loss LIKE 'x'",
    "metrics.loss IN (1, 2)",
    "metrics.missing < 1",
    "metrics.loss IS NULL",
    "params.opt = 'adam'",
    "params.opt != 'adam'",
    "params.opt LIKE 'a%'",
    "params.opt ILIKE 'A%'",
    "params.opt like 'A%'",
    "params.opt LIKE 'a_b'",
    'params.opt = "it\'s"',
    "params.opt = 'it''s'",
    "params.opt = adam",
    "params.opt = 10",
    "params.opt > '1'",
    "params.`two words` = '1'",
    "params.`two words` IS NULL",
    "params.`two words` is not null",
    "params.two words = '1'",
    "params.opt IS NULL and metrics.loss > 0",
    "parameters.opt = 'sgd'",
    "param.opt='sgd'",
    "params.opt IN ('a', 'b')",
    "tags.team = 'ünder'",
    "tags.team IS NOT NULL AND tags.team != 'sgd'",
    "tag.team ILIKE '%AD%'",
    "tags.mlflow.runName = 'trial'",
    "tags.`mlflow.runName` LIKE 'run-1%'",
    "attributes.status = 'FAILED'",
    "status = 'FAILED'",
    "attribute.run_name = 'trial'",
    "run_name LIKE 'Trial%'",
    "attributes.`run name` = 'trial'",
    "attributes.`Run Name` ILIKE 'TRIAL%'",
    "run.user_id = 'ana'",
    "user_id != 'ana'",
    "start_time > 10020",
    "attributes.start_time <= 10020.5",
    "created >= 10010",
    "Created >= 10010",
    "end_time < 20025",
    "start_time > '10'",
    "start_time LIKE '1'",
    "run_id IN ('a', 'b')",
    "run_id NOT IN ('a')",
    "attributes.run_id IN ('a')",
    "run_id IN ()",
    "run_id IN (1)",
    "run_id IN (a)",
    "run_name IN ('trial')",
    "artifact_uri LIKE '%'",
    "attributes.nothing = 'x'",
    "nothing = 'x'",
    "foo.bar = 'x'",
    "datasets.name = 'set-1'",
    "dataset.name LIKE 'set%' and dataset.context = 'train'",
    "datasets.digest IN ('digest1', 'digest2')",
    "datasets.name NOT IN ('set-1')",
    "dataset.context != 'eval'",
    "datasets.context IN ('train')",
    "datasets.size = '1'",
    "datasets.name = 1",
    "metrics.loss > 0 or metrics.loss < 1",
    "metrics.loss > 0 metrics.loss < 1",
    "metrics.loss > 0 and",
    "and metrics.loss > 0",
    "metrics.loss > 0 and and metrics.loss < 1",
    "(metrics.loss > 0)",
    "not metrics.loss > 0",
    "metrics.loss",
    "metrics.loss >",
    "> 1",
    "metrics > 1",
    "metrics. > 1",
    ".loss > 1",
    "0.5 < metrics.loss",
    "metrics.loss == 1",
    "metrics.loss <> 1",
    "metrics.loss => 1",
    "metrics.loss > 0; metrics.loss < 1",
    "metrics.loss > 0;",
    "params.opt = 'adam",
    "params.opt = 'adam' -- and more",
    "params.opt = 'a' + 'b'",
    "params.opt RLIKE 'a'",
    "params.opt NOT LIKE 'a%'",
    "params.opt ~ 'a'",
    "params.order = 'x'",
    "params.date = 'x'",
    "tags.user = 'x' and tags.key = 'y'",
    "metrics.1st > 0",
    "metrics.a.b.c > 0",
    "metrics.loss > 0x10",
    "metrics.loss\n> 0\n\tand params.opt = 'adam'",
    "metrics.loss BETWEEN 0 AND 1",
    "params.opt IS 'adam'",
    "params.opt = NULL",
    "metrics.loss > NaN",
    "metrics.loss > 1e400",
    "'params.opt' = 'adam'",
    "`params`.opt = 'adam'",
    "`params.opt` = 'adam'",
    "params.opt='adam'and tags.team='sgd'",
    "metrics.loss > 0 AND run_id IN ('x') AND params.opt = 'adam'",
    "run_id IN ('x') params.opt = 'adam'",
)
ORDERS = {
    "metrics.loss ASC": ("metrics.loss", False),
    "metrics.loss DESC": ("metrics.loss", True),
    "metrics.`val/acc x` ASC": ("metrics.val/acc x", False),
    "attributes.start_time DESC": ("attributes.start_time", True),
    "attributes.start_time ASC": ("attributes.start_time", False),
    "attributes.end_time DESC": ("attributes.end_time", True),
    "attributes.end_time ASC": ("attributes.end_time", False),
    "attributes.status ASC": ("attributes.status", False),
}


@dataclass
class Searched:
    """A database that stock MLflow has filled, and what stock finds in it."""

    store: RunsStore
    experiment_id: int
    filters: dict[str, list[str] | None]
    orders: dict[str, list[str]]

    def ids(self, view: View) -> list[str]:
        chunks = self.store.every(self.experiment_id, view, ())
        return [row.run.id for rows in chunks for row in rows]


def ask_stock(url: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.mlflow_search", url],
        input=json.dumps({"filters": FILTERS, "orders": list(ORDERS)}),
        env=clean_environment({"MLFLOW_MODEL_CATALOG_URI": ""}),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def searched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Searched]:
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    else:
        url = f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"
    answer = ask_stock(url)
    engine = open_engine(url)
    store = RunsStore(engine)
    add_indexes(engine)
    yield Searched(
        store,
        int(answer["experiment"]),
        dict(zip(FILTERS, answer["filters"], strict=True)),
        dict(zip(ORDERS, answer["orders"], strict=True)),
    )
    engine.dispose()


def test_filters_are_taken_and_find_what_stock_finds(searched: Searched) -> None:
    wrong = {}
    for text, theirs in searched.filters.items():
        ours = None
        if is_filter(text) and _is_taken(text):
            ours = searched.ids(View(q=text, is_flat=True))
        if ours != theirs:
            wrong[text] = (ours and len(ours), theirs and len(theirs))
    assert not wrong
    taken = [ids for ids in searched.filters.values() if ids is not None]
    assert len(taken) > 40
    assert sum(0 < len(ids) < 150 for ids in taken) > 30, "the filters hardly tell runs apart"


def test_orders_are_stocks(searched: Searched) -> None:
    for text, (column, is_descending) in ORDERS.items():
        field = Field(*column.split(".", 1))
        view = View(sort=field, is_descending=is_descending, is_flat=True)
        assert searched.ids(view) == searched.orders[text], text


def _is_taken(text: str) -> bool:
    try:
        parse(text)
    except FilterWrong:
        return False
    return True
