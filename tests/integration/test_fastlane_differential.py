"""The fast lane against stock MLflow: the same requests, the same answers, the same rows.

Two runs live side by side in one database. Each generated request goes to one run through the
fast lane and to the other through stock MLflow, which any query string reaches.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from mlpi.tracking.fastlane import requests
from mlpi.tracking.fastlane.requests import RUN_NAME_TAG
from tests.service import Service

API = "/api/2.0/mlflow"
EXAMPLES = int(os.environ.get("FASTLANE_EXAMPLES", "60"))
RUN, MODEL, OTHER_MODEL = "THIS-RUN", "THIS-MODEL", "THAT-MODEL"  # replaced in generated bodies
TABLES = {
    "runs": "run_uuid",
    "metrics": "run_uuid",
    "latest_metrics": "run_uuid",
    "params": "run_uuid",
    "tags": "run_uuid",
    "logged_model_metrics": "run_id",
}
# Differ between any two runs.
OWN = {"run_uuid", "run_id", "artifact_uri", "deleted_time"}


class Bodies:
    """Strategies for the bodies of the five requests.

    odd: how many of a hundred parts are something that a client of MLflow would not send.
    """

    def __init__(self, odd: int) -> None:
        self._odd = odd
        # Few keys and few values: most of what can go wrong is between two of the same key.
        self.keys = self._mostly(
            st.sampled_from(["loss", "acc"] * 6)
            | st.sampled_from(["a/b", "k 1", "x:y", "Größe", "k" * 250, RUN_NAME_TAG]),
            st.sampled_from(
                ["", ".", "..", "/abs", "a//b", "a/../b", "a/", "n\n", "bad*", "k" * 251, None, 7]
            ),
        )
        self.values = self._mostly(
            st.sampled_from([0.5, 1, -1, 0.0, -0.0, "NaN", "NaN", "Infinity", "-Infinity"])
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.integers(-(2**63), 2**63 - 1),
            st.sampled_from(
                [None, "", "nan", "inf", "1.5", "x", True, 2**63, 10**400, float("nan"), []]
            ),
        )
        self.times = self._mostly(
            st.sampled_from([1, 2]) | st.sampled_from([0, 1_700_000_000_000, 2**63 - 1]),
            st.sampled_from([-1, 2**63, "5", 1.0, 1.5, None, True, "x"]),
        )
        self.steps = self._mostly(
            st.sampled_from([1, 2]) | st.sampled_from([0, -1, -(2**63)]),
            st.sampled_from([2**63, "3", 2.0, 2.5, None, False, {}]),
        )
        self.texts = self._mostly(
            st.sampled_from(["1", "2"])
            | st.sampled_from(["", "ß", "x" * 6000, "a\nb", "{}", "nul\x00", "😀"]),
            st.sampled_from([None, 5, True, "x" * 6001, "x" * 8001, "\ud800", ["a"]]),
        )
        self.models = self._mostly(
            st.sampled_from([MODEL, OTHER_MODEL, ""]), st.sampled_from(["m-none", 3])
        )
        whole = [{}, {"dataset_name": "d", "dataset_digest": "1"}]
        half = [{"dataset_name": "d"}, {"dataset_name": "", "dataset_digest": "1"}]
        self.datasets = self._mostly(st.sampled_from(whole), st.sampled_from(half))
        self.run_ids = self._mostly(
            st.sampled_from([{"run_id": RUN, "run_uuid": RUN}, {"run_id": RUN}]),
            st.sampled_from(
                [
                    *({}, {"run_uuid": RUN}, {"run_id": "f" * 32}, {"run_id": ""}),
                    *({"run_id": None}, {"run_id": 1}, {"run_id": RUN, "run_uuid": "b" * 32}),
                ]
            ),
        )
        self.statuses = self._mostly(
            st.sampled_from(["RUNNING", "FINISHED", "KILLED"]),
            st.sampled_from(["", "DONE", 3, 99, None]),
        )
        self.ends = self._mostly(
            st.sampled_from([0, 5, 2**62]), st.sampled_from(["6", -1, 1.5, None])
        )
        pairs = self._fields({"key": self.keys}, {"value": self.texts})
        self.by_action: dict[str, st.SearchStrategy[dict[str, Any]]] = {
            "log-metric": self._metric(),
            "log-batch": self._fields(
                {},
                {
                    "metrics": self._list(self._metric()),
                    "params": self._list(pairs, unique_by=lambda one: str(one.get("key"))),
                    "tags": self._list(pairs),
                },
            ),
            "log-parameter": pairs,
            "set-tag": pairs,
            "update": self._fields(
                {}, {"status": self.statuses, "end_time": self.ends, "run_name": self.texts}
            ),
        }

    def asked(self) -> st.SearchStrategy[tuple[str, str]]:
        """A request: the end of its path, and its body."""
        actions = st.sampled_from([*self.by_action, "log-metric", "log-batch", "log-batch"])
        return actions.flatmap(
            lambda action: st.builds(
                lambda run, body: (action, json.dumps(run | body)),
                self.run_ids,
                self.by_action[action],
            )
        )

    def _is_odd(self) -> st.SearchStrategy[bool]:
        return st.integers(0, 99).map(lambda dice: dice >= 100 - self._odd)

    def _mostly(
        self, plain: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]
    ) -> st.SearchStrategy[Any]:
        return self._is_odd().flatmap(lambda is_odd: odd if is_odd else plain)

    def _fields(
        self, required: dict[str, Any], optional: dict[str, Any]
    ) -> st.SearchStrategy[dict[str, Any]]:
        """An object; when odd, without a required field or with a strange one."""
        plain = st.fixed_dictionaries(required, optional=optional)
        strange = st.sampled_from([{"runId": RUN}, {"strange": 1}])
        return self._mostly(
            plain,
            st.fixed_dictionaries({}, optional=required | optional)
            | st.builds(lambda one, two: one | two, plain, strange),
        )

    def _metric(self) -> st.SearchStrategy[dict[str, Any]]:
        point = self._fields(
            {"key": self.keys, "value": self.values, "timestamp": self.times},
            {"step": self.steps, "run_id": self._mostly(st.just(RUN), st.just("e" * 32))},
        )
        of_model = st.builds(
            lambda one, model, dataset: one | {"model_id": model} | dataset,
            *(point, self.models, self.datasets),
        )
        return st.one_of(point, point, of_model)

    def _list(self, entries: st.SearchStrategy[Any], **options: Any) -> st.SearchStrategy[Any]:
        few = st.lists(entries, max_size=8, **options)
        return self._mostly(
            few,
            st.lists(entries, max_size=4)
            | few.map(lambda some: some * 101)
            | st.sampled_from([None, {}, [1], "x"]),
        )


OTHERS = st.sampled_from(
    [
        ("delete", json.dumps({"run_id": RUN})),
        ("restore", json.dumps({"run_id": RUN})),
        ("delete-tag", json.dumps({"run_id": RUN, "key": "acc"})),
        ("log-metric", "[]"),
        ("log-metric", ""),
        ("log-batch", json.dumps(json.dumps({"run_id": RUN}))),
        ("set-tag", '{"run_id": "THIS-RUN", "key": "a", "value": "1", "key": "acc"}'),
    ]
)
PLAIN, ODD = Bodies(odd=0).asked(), Bodies(odd=12).asked()
REQUESTS = st.lists(st.one_of(PLAIN, PLAIN, ODD, OTHERS), min_size=1, max_size=12)


@dataclass
class Bench:
    """Both lanes of one service."""

    http: httpx.Client
    rows: sqlite3.Connection
    experiment_id: str
    models: tuple[str, str]

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.http.post(API + path, json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def new_run(self) -> str:
        wish = {"experiment_id": self.experiment_id, "run_name": "pair", "start_time": 7}
        return str(self.post("/runs/create", wish)["run"]["info"]["run_id"])

    def ask(self, action: str, body: str, run_id: str, query: str) -> tuple[Any, ...]:
        text = body.replace(RUN, run_id)
        for name, model_id in zip((MODEL, OTHER_MODEL), self.models, strict=True):
            text = text.replace(name, model_id)
        answer = self.http.post(
            f"{API}/runs/{action}{query}",
            content=text,
            headers={"Content-Type": "application/json"},
        )
        kept = {k: v for k, v in answer.headers.items() if k != "date"}
        return answer.status_code, kept, answer.text.replace(run_id, RUN)

    def state(self, run_id: str) -> dict[str, list[str]]:
        """Every row of the run, by table."""
        found = {}
        for table, column in TABLES.items():
            names = [row[1] for row in self.rows.execute(f"PRAGMA table_info({table})")]
            kept = ", ".join(name for name in names if name not in OWN)
            query = f"SELECT {kept} FROM {table} WHERE {column} = ?"
            found[table] = sorted(repr(row) for row in self.rows.execute(query, (run_id,)))
        return found


@pytest.fixture(scope="module")
def bench(service: Service) -> Iterator[Bench]:
    rows = sqlite3.connect(service.home / "mlflow" / "mlflow.db")
    with service.client(service.token("ana", "lab")) as http:
        assert http.get("/readyz").json()["components"]["tracking"] == {"state": "ready"}
        made = Bench(http, rows, "", ("", ""))
        wish = {"name": f"differential-{os.getpid()}"}
        made.experiment_id = made.post("/experiments/create", wish)["experiment_id"]
        one, two = (
            made.post("/logged-models", {"experiment_id": made.experiment_id, "name": "m"})["model"]
            for _ in range(2)
        )
        made.models = (one["info"]["model_id"], two["info"]["model_id"])
        yield made
    rows.close()


def point(key: str, value: Any, timestamp: int, step: int, **more: Any) -> tuple[str, str]:
    """A plain log-metric."""
    body = {"run_id": RUN, "key": key, "value": value, "timestamp": timestamp, "step": step}
    return "log-metric", json.dumps(body | more)


def batch(**lists: list[dict[str, Any]]) -> tuple[str, str]:
    return "log-batch", json.dumps({"run_id": RUN} | lists)


def action(name: str, **fields: Any) -> tuple[str, str]:
    return name, json.dumps({"run_id": RUN} | fields)


# Cases that chance finds seldom. A tie: the first of two equals stays the latest, and NaN is 0.
@example([point("loss", "NaN", 1, 1), point("loss", 0.0, 1, 1), point("loss", -0.0, 1, 1)])
@example([point("loss", 0.0, 1, 1), point("loss", "NaN", 1, 1), point("loss", "NaN", 1, 1)])
# Step counts before time, time before value.
@example([point("loss", 1, 2, 1), point("loss", 0, 1, 2), point("loss", 5, 0, 2)])
@example([point("loss", 1, 1, 1), point("loss", "-Infinity", 2, 1), point("loss", 9, 1, 1)])
@example(
    [
        batch(
            metrics=[
                {"key": "loss", "value": value, "timestamp": 1, "step": step}
                for value, step in ((1, 1), (3, 2), (2, 2), ("NaN", 0), (3, 2))
            ]
        ),
        point("loss", 4, 1, 1),
        batch(
            metrics=[
                {"key": "acc", "value": value, "timestamp": 1, "step": 1}
                for value in (0.0, "NaN", -0.0)
            ]
        ),
    ]
)
# A param keeps its value, whichever way the second one comes; nothing else of it is written.
@example(
    [
        action("log-parameter", key="lr", value="1"),
        action("log-parameter", key="lr", value="1"),
        action("log-parameter", key="lr", value="2"),
        batch(params=[{"key": "lr", "value": "2"}], tags=[{"key": "a", "value": "b"}]),
        batch(params=[{"key": "lr", "value": "1"}, {"key": "kind", "value": ""}]),
    ]
)
# A name is a tag, an empty one is none.
@example(
    [
        action("set-tag", key=RUN_NAME_TAG, value="by tag"),
        action("set-tag", key=RUN_NAME_TAG, value=""),
        batch(tags=[{"key": RUN_NAME_TAG, "value": "one"}, {"key": RUN_NAME_TAG, "value": "two"}]),
        action("update", run_name="by update"),
        action("update", run_name="", status="FINISHED", end_time=0),
    ]
)
# A finished run still takes what comes; a deleted one does not, until it is restored.
@example(
    [
        action("update", status="FINISHED", end_time=5),
        point("loss", 1, 1, 1),
        action("delete"),
        point("loss", 2, 1, 2),
        action("update", status="RUNNING"),
        batch(tags=[{"key": "a", "value": "b"}]),
        action("restore"),
        point("loss", 3, 1, 3),
    ]
)
# A point of a model, once more, of another model, with a dataset, of no model there is.
@example(
    [
        point("loss", 1, 1, 1, model_id=MODEL),
        point("loss", 1, 1, 1, model_id=MODEL),
        point("loss", 2, 1, 1, model_id=MODEL),
        point("loss", 1, 1, 1, model_id=OTHER_MODEL, dataset_name="d", dataset_digest="1"),
        point("loss", 1, 1, 2, model_id=OTHER_MODEL, dataset_name="d"),
        point("loss", 1, 1, 3, model_id="m-none"),
        batch(
            metrics=[
                {"key": "loss", "value": 1, "timestamp": 1, "step": 4, "model_id": model}
                for model in (MODEL, OTHER_MODEL, MODEL)
            ]
        ),
    ]
)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(sequence=REQUESTS)
def test_both_lanes_answer_and_write_alike(bench: Bench, sequence: list[tuple[str, str]]) -> None:
    fast, stock = bench.new_run(), bench.new_run()
    for path, body in sequence:
        is_plain = path in requests.ACTIONS and requests.parse(path, body.encode()) is not None
        event(f"{path}: {'plain' if is_plain else 'odd'}")
        ours = bench.ask(path, body, fast, "")
        theirs = bench.ask(path, body, stock, "?stock")
        assert ours == theirs, (path, body)
    assert bench.state(fast) == bench.state(stock)
