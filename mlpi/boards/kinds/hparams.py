"""Hyperparameters: what the plugin's metadata say of a session and of an experiment."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from mlpi.boards.kinds.errors import ContentError
from mlpi.boards.kinds.messages import double, text, walk
from mlpi.boards.reader.wire import BYTES, FIXED64, VARINT, WireError, varint

PLUGIN = "hparams"
EXPERIMENT_TAG = "_hparams_/experiment"
START_TAG = "_hparams_/session_start_info"
END_TAG = "_hparams_/session_end_info"
STATUSES = ("", "finished", "failed", "running")
MOST_NAMES = 1000  # hyperparameters or metrics
LONGEST_VALUE = 2000  # characters

Value = float | str | bool
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """A run's hyperparameters. Those that are no number, text or truth value are left out."""

    hparams: dict[str, Value]
    group: str = ""
    started_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Metric:
    """A scalar that is a result. group: the run below the session's that has it, or ''."""

    tag: str
    group: str = ""
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class Experiment:
    """What an experiment says its columns are. names: display names by hyperparameter."""

    names: dict[str, str]
    metrics: list[Metric]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session ended. status: one of STATUSES."""

    status: str
    ended_s: float


def session(content: bytes) -> Session | None:
    """The start of a session in a tag's metadata; None when it holds another thing.

    Raises ContentError.
    """
    return _part(content, 3, _session)


def ending(content: bytes) -> Ending | None:
    """The end of a session, as `session` the start."""
    return _part(content, 4, _ending)


def experiment(content: bytes) -> Experiment | None:
    """The experiment, as `session` the start."""
    return _part(content, 2, _experiment)


def _part(content: bytes, number: int, decode: Callable[[bytes], T]) -> T | None:
    found: T | None = None
    try:
        for n, wire, begin, end in walk(content):
            if (n, wire) == (number, BYTES):
                found = decode(content[begin:end])
    except WireError as error:
        raise ContentError(f"it holds no hyperparameters ({error})") from None
    return found


def _session(data: bytes) -> Session:
    hparams: dict[str, Value] = {}
    group, started_s = "", 0.0
    for number, wire, begin, end in walk(data):
        if (number, wire) == (1, BYTES):
            name, value = _pair(data[begin:end])
            if value is not None and len(hparams) < MOST_NAMES:
                hparams[name] = value
        elif (number, wire) == (4, BYTES):
            group = text(data, begin, end)
        elif (number, wire) == (5, FIXED64):
            started_s = double(data, begin)
    return Session(hparams, group, started_s)


def _pair(data: bytes) -> tuple[str, Value | None]:
    name, value = "", None
    for number, wire, begin, end in walk(data):
        if (number, wire) == (1, BYTES):
            name = text(data, begin, end)
        elif (number, wire) == (2, BYTES):
            value = _value(data[begin:end])
    return name, value


def _value(data: bytes) -> Value | None:
    """A google.protobuf.Value; None for what no column can hold, NaN and infinities with it."""
    found: Value | None = None
    for number, wire, begin, end in walk(data):
        if (number, wire) == (2, FIXED64):
            number_value = double(data, begin)
            found = number_value if math.isfinite(number_value) else None
        elif (number, wire) == (3, BYTES):
            found = text(data, begin, end)[:LONGEST_VALUE]
        elif (number, wire) == (4, VARINT):
            found = bool(varint(data, begin, end)[0])
        elif number in (1, 5, 6):
            found = None
    return found


def _ending(data: bytes) -> Ending:
    status, ended_s = 0, 0.0
    for number, wire, begin, end in walk(data):
        if (number, wire) == (1, VARINT):
            status = varint(data, begin, end)[0]
        elif (number, wire) == (2, FIXED64):
            ended_s = double(data, begin)
    return Ending(STATUSES[status] if status < len(STATUSES) else "", ended_s)


def _experiment(data: bytes) -> Experiment:
    names: dict[str, str] = {}
    metrics: list[Metric] = []
    for number, wire, begin, end in walk(data):
        if (number, wire) == (4, BYTES) and len(names) < MOST_NAMES:
            texts = dict(_texts(data[begin:end]))
            names[texts.get(1, "")] = texts.get(2, "")
        elif (number, wire) == (5, BYTES) and len(metrics) < MOST_NAMES:
            metrics.append(_metric(data[begin:end]))
    return Experiment(names, metrics)


def _metric(data: bytes) -> Metric:
    tag = group = display_name = ""
    for number, wire, begin, end in walk(data):
        if (number, wire) == (1, BYTES):
            texts = dict(_texts(data[begin:end]))
            group, tag = texts.get(1, ""), texts.get(2, "")
        elif (number, wire) == (3, BYTES):
            display_name = text(data, begin, end)
    return Metric(tag, group, display_name)


def _texts(data: bytes) -> Iterator[tuple[int, str]]:
    for number, wire, begin, end in walk(data):
        if wire == BYTES:
            yield number, text(data, begin, end)
