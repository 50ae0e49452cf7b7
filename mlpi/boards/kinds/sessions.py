"""Runs by hyperparameters and results: what a table of them has as columns and rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from mlpi.boards.folders import ROOT_RUN
from mlpi.boards.kinds import hparams
from mlpi.boards.kinds.errors import ContentError
from mlpi.boards.kinds.hparams import Experiment, Metric, Value
from mlpi.boards.library import Run
from mlpi.boards.reader.columns import SegmentGone

MOST_COLUMNS = 400
MOST_CONTENT = 4 << 20  # bytes of one tag's metadata


@dataclass(frozen=True, slots=True)
class Column:
    """field: its name in queries, `hparam.lr` or `metric.loss`."""

    field: str
    label: str
    is_metric: bool
    is_number: bool
    differs: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One session. cells: values by a column's field; a value that is missing has no entry."""

    run: str
    cells: dict[str, Value]
    group: str
    status: str
    started_s: float


@dataclass(frozen=True, slots=True)
class Table:
    """columns: hyperparameters that differ, other ones, metrics. problems: in words."""

    columns: list[Column]
    rows: list[Row]
    problems: list[str]


def table(runs: Sequence[Run]) -> Table:
    """Sessions among the runs: every run with a session's start in its log.

    A metric is the last value of its scalar, in the session's run or in a run below it. Which
    scalars are metrics an experiment tells that was written to the run itself or to one above it;
    where none was, all of them are, as in TensorBoard.
    """
    problems: list[str] = []
    by_name = {run.name: run for run in runs}
    experiments = {
        run.name: found for run in runs if (found := _experiment(run, problems)) is not None
    }
    starts = {run.name: one for run in runs if (one := _session(run, problems)) is not None}
    inferred = _inferred(starts, runs)
    names: dict[str, str] = {}
    labels: dict[str, str] = {}
    for experiment in experiments.values():
        names.update({name: label for name, label in experiment.names.items() if label})
    rows = []
    for name, start in starts.items():
        told = _told(name, experiments)
        metrics = told.metrics if told and told.metrics else inferred[name]
        cells: dict[str, Value] = {f"hparam.{key}": value for key, value in start.hparams.items()}
        for metric in metrics:
            field = _field(metric)
            value = _last(by_name.get(below(name, metric.group)), metric.tag)
            labels.setdefault(field, metric.display_name or field.removeprefix("metric."))
            if value is not None:
                cells[field] = value
        end = _ending(by_name[name], problems)
        rows.append(Row(name, cells, start.group, end.status if end else "", start.started_s))
    return Table(_columns(rows, names, labels), rows, problems)


def below(run: str, group: str) -> str:
    """The run that has a session's metrics of this group."""
    if not group:
        return run
    return group if run == ROOT_RUN else f"{run}/{group}".rstrip("/")


def above(run: str) -> list[str]:
    """A run and those it lies in, the nearest first."""
    parts = run.split("/")
    names = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return names if run == ROOT_RUN else [*names, ROOT_RUN]


def _told(name: str, experiments: dict[str, Experiment]) -> Experiment | None:
    return next((experiments[one] for one in above(name) if one in experiments), None)


def _field(metric: Metric) -> str:
    return f"metric.{metric.group}/{metric.tag}" if metric.group else f"metric.{metric.tag}"


def _content(run: Run, tag: str) -> bytes | None:
    metadata = run.reader.held.metadata.get(tag)
    if metadata is None or metadata.plugin != hparams.PLUGIN:
        return None
    if len(metadata.content) > MOST_CONTENT:
        raise ContentError(f"it is larger than {MOST_CONTENT >> 20} MB")
    return metadata.content


def _problem(run: Run, tag: str, error: ContentError) -> str:
    return f"{tag} of run {run.name!r} cannot be read: {error}."


def _session(run: Run, problems: list[str]) -> hparams.Session | None:
    try:
        content = _content(run, hparams.START_TAG)
        return hparams.session(content) if content is not None else None
    except ContentError as error:
        problems.append(_problem(run, hparams.START_TAG, error))
        return None


def _experiment(run: Run, problems: list[str]) -> Experiment | None:
    try:
        content = _content(run, hparams.EXPERIMENT_TAG)
        return hparams.experiment(content) if content is not None else None
    except ContentError as error:
        problems.append(_problem(run, hparams.EXPERIMENT_TAG, error))
        return None


def _ending(run: Run, problems: list[str]) -> hparams.Ending | None:
    try:
        content = _content(run, hparams.END_TAG)
        return hparams.ending(content) if content is not None else None
    except ContentError as error:
        problems.append(_problem(run, hparams.END_TAG, error))
        return None


def _inferred(sessions: Iterable[str], runs: Sequence[Run]) -> dict[str, list[Metric]]:
    """Every scalar of a session's run and of runs below it, by session."""
    found: dict[str, list[Metric]] = {name: [] for name in sessions}
    for run in runs:
        session = next((one for one in above(run.name) if one in found), None)
        if session is None:
            continue
        group = "" if run.name == session else run.name.removeprefix(f"{session}/")
        tags = [tag for tag, series in list(run.reader.held.series.items()) if len(series)]
        found[session] += [Metric(tag, group) for tag in tags[:MOST_COLUMNS]]
    for metrics in found.values():
        metrics.sort(key=lambda one: (one.tag, one.group))
    return found


def _last(run: Run | None, tag: str) -> float | None:
    """The newest value of a scalar; None for what no column can hold."""
    series = run.reader.held.series.get(tag) if run is not None else None
    if series is None:
        return None
    try:
        values = series.last().values
    except SegmentGone:
        return None
    value = float(values[0]) if len(values) else math.nan
    return value if math.isfinite(value) else None


def _columns(rows: list[Row], names: dict[str, str], labels: dict[str, str]) -> list[Column]:
    values: dict[str, list[Value]] = {}
    for field, value in chain.from_iterable(row.cells.items() for row in rows):
        values.setdefault(field, []).append(value)
    columns = [
        Column(
            field,
            labels.get(field) or names.get(field.split(".", 1)[1]) or field.split(".", 1)[1],
            field.startswith("metric."),
            all(isinstance(one, float) for one in found),
            len({(type(one), one) for one in found}) > 1 or len(found) < len(rows),
        )
        for field, found in values.items()
    ]
    columns.sort(key=lambda one: (one.is_metric, not one.differs and not one.is_metric, one.label))
    return columns[:MOST_COLUMNS]
