"""How long jobs of each kind take: figures for a table, and a small picture of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from mlpi.jobs.models import FAILED, Ended

SPAN = timedelta(days=7)
NEWEST = 5000  # so many jobs are looked at, at most
_POINTS = 150  # in one picture; of more, the slowest of each moment stays visible
_WIDTH, _HEIGHT, _EDGE = 240, 36, 3


@dataclass(frozen=True, slots=True)
class Point:
    """A job in the picture, in its own units; y grows downwards."""

    x: float
    y: float
    is_bad: bool


@dataclass(frozen=True, slots=True)
class Pace:
    """Jobs of one kind that ended lately. Seconds; median and p95 are those of the successes."""

    kind: str
    count: int
    failed: int
    median_s: float | None
    p95_s: float | None
    longest_s: float
    points: Sequence[Point]


def paces(ended: Sequence[Ended], now: datetime) -> list[Pace]:
    """A pace for each kind among them, the busiest first."""
    by_kind: dict[str, list[Ended]] = defaultdict(list)
    for one in ended:
        by_kind[one.kind].append(one)
    found = [_pace(kind, jobs, now) for kind, jobs in by_kind.items()]
    return sorted(found, key=lambda pace: (-pace.count, pace.kind))


def _pace(kind: str, jobs: Sequence[Ended], now: datetime) -> Pace:
    good = sorted(job.took_s for job in jobs if job.state not in FAILED)
    longest_s = max(job.took_s for job in jobs)
    return Pace(
        kind=kind,
        count=len(jobs),
        failed=len(jobs) - len(good),
        median_s=_rank(good, 0.5),
        p95_s=_rank(good, 0.95),
        longest_s=longest_s,
        points=_points(jobs, longest_s, now),
    )


def _rank(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile; None of nothing."""
    return ordered[ceil(share * len(ordered)) - 1] if ordered else None


def _points(jobs: Sequence[Ended], longest_s: float, now: datetime) -> list[Point]:
    """Time from left to right, duration upwards; failures last, so that they lie on top."""
    columns: dict[int, list[Ended]] = defaultdict(list)
    for job in jobs:
        age = min(1.0, max(0.0, (now - job.finished_at) / SPAN))
        columns[round((1 - age) * _POINTS)].append(job)
    shown: list[Point] = []
    for column, members in columns.items():
        x = _EDGE + column / _POINTS * (_WIDTH - 2 * _EDGE)
        # With few jobs all are drawn; with many, one good and one bad one of each moment.
        drawn = members if len(jobs) <= _POINTS else _slowest(members)
        shown += [Point(round(x, 1), _y(job, longest_s), job.state in FAILED) for job in drawn]
    return sorted(shown, key=lambda point: point.is_bad)


def _slowest(jobs: Sequence[Ended]) -> list[Ended]:
    groups = ([j for j in jobs if j.state in FAILED], [j for j in jobs if j.state not in FAILED])
    return [max(group, key=lambda job: job.took_s) for group in groups if group]


def _y(job: Ended, longest_s: float) -> float:
    share = job.took_s / longest_s if longest_s > 0 else 0.0
    return round(_HEIGHT - _EDGE - share * (_HEIGHT - 2 * _EDGE), 1)
