"""What the fast lane understands: the plain forms of five requests of MLflow's API.

Whatever is not plain (an unknown field, another spelling of a number, a name MLflow would
refuse) is not judged here: None says that stock MLflow shall answer, in its own words.
"""

from __future__ import annotations

import json
import math
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

# mlflow/utils/validation.py; tests/unit/test_fastlane_contracts.py holds them against it.
MAX_KEY = 250
MAX_PARAM_VALUE = 6000
MAX_TAG_VALUE = 8000
MAX_METRICS = 1000
MAX_PARAMS_OR_TAGS = 100
MAX_ENTITIES = 1000
STATUSES = frozenset({"RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"})
RUN_NAME_TAG = "mlflow.runName"

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
# SQL knows neither NaN nor the infinities; SqlAlchemyStore.sanitize_metric_value replaces them.
_LARGEST = 1.7976931348623157e308
_SPELLED = {"NaN": (0.0, 1), "Infinity": (_LARGEST, 0), "-Infinity": (-_LARGEST, 0)}
_RUN_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_\-]{0,255}")
_KEY = re.compile(r"[/\w.\- :]+")
# More than a full batch of the longest keys and values in use; stock may have larger ones.
MAX_BODY_BYTES = 2_000_000


class Metric(NamedTuple):
    """One point as its row holds it. timestamp in ms."""

    key: str
    value: float
    timestamp: int
    step: int
    is_nan: int


class ModelMetric(NamedTuple):
    """A point that also belongs to a logged model."""

    model_id: str
    metric: Metric
    dataset_name: str | None
    dataset_digest: str | None


class Update(NamedTuple):
    """What runs/update changes; None leaves as it is. end_time in ms."""

    status: str | None
    end_time: int | None
    run_name: str | None


@dataclass(slots=True)
class Change:
    """What one request asks of one run."""

    run_id: str
    metrics: list[Metric] = field(default_factory=list)
    model_metrics: list[ModelMetric] = field(default_factory=list)
    params: list[tuple[str, str]] = field(default_factory=list)
    tags: list[tuple[str, str]] = field(default_factory=list)
    update: Update | None = None


class _Unusual(Exception):
    """Not plain."""


def parse(action: str, body: bytes) -> Change | None:
    """The change that a request's body asks for; None when it is for stock MLflow.

    action: one of ACTIONS, the last part of the request's path.
    """
    try:
        given = json.loads(body.decode())
        if type(given) is not dict:
            return None
        return ACTIONS[action](given)
    except (_Unusual, ValueError, RecursionError):
        return None


def _log_metric(given: dict[str, Any]) -> Change:
    change = Change(_run_id(given))
    _add_metric(change, given, _LOG_METRIC)
    return change


def _log_batch(given: dict[str, Any]) -> Change:
    if not given.keys() <= _LOG_BATCH:
        raise _Unusual
    change = Change(_run_id(given))
    metrics, params, tags = (_rows(given, name) for name in ("metrics", "params", "tags"))
    if (
        len(metrics) > MAX_METRICS
        or max(len(params), len(tags)) > MAX_PARAMS_OR_TAGS
        or len(metrics) + len(params) + len(tags) > MAX_ENTITIES
    ):
        raise _Unusual
    for row in metrics:
        _add_metric(change, row, _METRIC)
    change.params = [_pair(row, _PAIR, MAX_PARAM_VALUE) for row in params]
    if len({key for key, _ in change.params}) != len(change.params):
        raise _Unusual
    change.tags = [_pair(row, _PAIR, MAX_TAG_VALUE) for row in tags]
    return change


def _log_parameter(given: dict[str, Any]) -> Change:
    return Change(_run_id(given), params=[_pair(given, _LOG_PAIR, MAX_PARAM_VALUE)])


def _set_tag(given: dict[str, Any]) -> Change:
    return Change(_run_id(given), tags=[_pair(given, _LOG_PAIR, MAX_TAG_VALUE)])


def _update(given: dict[str, Any]) -> Change:
    if not given.keys() <= _UPDATE:
        raise _Unusual
    status = given.get("status")
    if "status" in given and (type(status) is not str or status not in STATUSES):
        raise _Unusual
    end_time = _int64(given["end_time"]) if "end_time" in given else None
    run_name = _text(given, "run_name", MAX_KEY) if "run_name" in given else None
    return Change(_run_id(given), update=Update(status, end_time, run_name))


ACTIONS: dict[str, Callable[[dict[str, Any]], Change]] = {
    "log-metric": _log_metric,
    "log-batch": _log_batch,
    "log-parameter": _log_parameter,
    "set-tag": _set_tag,
    "update": _update,
}

_RUN = frozenset({"run_id", "run_uuid"})
_RARE = frozenset({"model_id", "dataset_name", "dataset_digest"})
_METRIC = frozenset({"key", "value", "timestamp", "step", "run_id"}) | _RARE
_LOG_METRIC = _METRIC | _RUN
_LOG_BATCH = frozenset({"run_id", "metrics", "params", "tags"})
_PAIR = frozenset({"key", "value"})
_LOG_PAIR = _PAIR | _RUN
_UPDATE = frozenset({"status", "end_time", "run_name"}) | _RUN


def _run_id(given: dict[str, Any]) -> str:
    """The run's id; MLflow's clients send it under its old name as well."""
    run_id = given.get("run_id")
    if (
        type(run_id) is not str
        or _RUN_ID.fullmatch(run_id) is None
        or given.get("run_uuid", run_id) != run_id
    ):
        raise _Unusual
    return run_id


def _rows(given: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = given.get(name, _NO_ROWS)
    if type(rows) is not list or not all(type(row) is dict for row in rows):
        raise _Unusual
    return rows


_NO_ROWS: list[dict[str, Any]] = []


def _add_metric(change: Change, given: dict[str, Any], fields: frozenset[str]) -> None:
    if not given.keys() <= fields or given.get("run_id", change.run_id) != change.run_id:
        raise _Unusual
    value = given.get("value")
    is_nan = 0
    if type(value) is float:
        if not math.isfinite(value):
            raise _Unusual  # protobuf wants these as words
    elif type(value) is int:
        if not _INT64_MIN <= value <= _INT64_MAX:
            raise _Unusual
        value = float(value)
    elif type(value) is str and value in _SPELLED:
        value, is_nan = _SPELLED[value]
    else:
        raise _Unusual
    timestamp, step = _int64(given.get("timestamp")), _int64(given.get("step", 0))
    if timestamp < 0:
        raise _Unusual
    metric = Metric(_key(given), value, timestamp, step, is_nan)
    change.metrics.append(metric)
    if not given.keys().isdisjoint(_RARE):
        _add_model_metric(change, metric, given)


def _add_model_metric(change: Change, metric: Metric, given: dict[str, Any]) -> None:
    """What the rarer fields of a metric ask for. Empty ones count as absent."""
    model_id = _text(given, "model_id", 36) or None
    name = _text(given, "dataset_name", 500) or None
    digest = _text(given, "dataset_digest", 36) or None
    if (name is None) != (digest is None):
        raise _Unusual
    if model_id is not None:
        change.model_metrics.append(ModelMetric(model_id, metric, name, digest))


def _pair(given: dict[str, Any], fields: frozenset[str], limit: int) -> tuple[str, str]:
    if not given.keys() <= fields:
        raise _Unusual
    return _key(given), _text(given, "value", limit)


def _key(given: dict[str, Any]) -> str:
    key = given.get("key")
    if type(key) is not str or len(key) > MAX_KEY or not _is_plain_key(key):
        raise _Unusual
    return key


@lru_cache(maxsize=4096)
def _is_plain_key(key: str) -> bool:
    """Whether MLflow takes it as the name of a metric, param or tag."""
    return (
        _KEY.fullmatch(key) is not None
        and key != "."
        and not key.startswith(("..", "/"))
        and posixpath.normpath(key) == key
    )


def _text(given: dict[str, Any], name: str, limit: int) -> str:
    """A text that a database can hold; "" when absent, as protobuf has it."""
    value = given.get(name, "")
    if type(value) is not str or len(value) > limit:
        raise _Unusual
    if not value.isascii():
        value.encode()  # a lone surrogate raises a ValueError
    return value


def _int64(value: Any) -> int:
    if type(value) is not int or not _INT64_MIN <= value <= _INT64_MAX:
        raise _Unusual
    return value
