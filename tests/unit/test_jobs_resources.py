"""CPUs that jobs ask for, what a full disk does, and the figures of the pages."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from mlpi.auth.audit import Actor
from mlpi.auth.roles import Principal
from mlpi.clock import utcnow
from mlpi.component import Components
from mlpi.house import House
from mlpi.jobs import store
from mlpi.jobs.dispatcher import Dispatcher
from mlpi.jobs.durations import SPAN, paces
from mlpi.jobs.inprocess import InProcessRunner
from mlpi.jobs.kinds import JobKind, Kinds
from mlpi.jobs.local import Limits, LocalRunner
from mlpi.jobs.models import Ended, Job, JobState
from mlpi.jobs.runner import Runner
from mlpi.jobs.service import Jobs, Wish
from mlpi.jobs.store import Filter, Pulse
from mlpi.settings import Settings
from tests.conftest import TurnedClock
from tests.unit.test_jobs import Bench, running

ACTOR = Actor("ana", "test")
WORKSPACE = "default"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    built = House.build(Settings(home=tmp_path / "home"), utcnow)
    built.open()
    yield built
    built.close()


def runner_of_two(name: str) -> Runner:
    return InProcessRunner(2) if name == "in-process" else LocalRunner(Limits(max_workers=2))


@pytest.fixture(params=["in-process", "local"])
def bench(request: pytest.FixtureRequest, home: House) -> Iterator[Bench]:
    """Two CPUs, with either runner."""
    yield from running(home, runner_of_two(request.param))


@pytest.fixture
def local(home: House) -> Iterator[Bench]:
    yield from running(home, runner_of_two("local"))


# CPUs


@pytest.mark.parametrize("cpus", [2, 64], ids=["as many as there are", "more than there are"])
def test_a_wide_job_waits_for_its_cpus_and_is_not_overtaken(bench: Bench, cpus: int) -> None:
    first = bench.add("count", {"to": 40})
    bench.until(lambda: bench.get(first).state == JobState.RUNNING)
    wide = bench.add("count", {"to": 5}, cpus=cpus)
    behind = bench.add("count", {"to": 5})
    bench.until(lambda: bench.get(behind).is_final)
    ends = [bench.get(job) for job in (first, wide, behind)]
    assert [job.state for job in ends] == [JobState.SUCCEEDED] * 3
    for earlier, later in pairwise(ends):
        assert earlier.finished_at
        assert later.started_at
        assert later.started_at >= earlier.finished_at
    assert ends[1].cpus == cpus


def test_narrow_jobs_run_side_by_side(bench: Bench) -> None:
    jobs = [bench.add("count", {"to": 400}) for _ in range(2)]
    bench.until(lambda: all(bench.get(job).state == JobState.RUNNING for job in jobs))
    assert bench.runner.free_cpus() == 0
    for job in jobs:
        bench.jobs.cancel(WORKSPACE, job.id, actor=ACTOR)
        bench.end_of(job)
    assert bench.runner.free_cpus() == 2


def test_numeric_libraries_are_given_the_cpus_and_give_them_back(local: Bench) -> None:
    preload = ("numpy", "threadpoolctl")
    kind = JobKind(
        "threads", "mlpi.jobs.selftest:threads", "threads", family="n", preload=preload, cpus=2
    )
    local.kinds.add(kind)
    for cpus, told in ((None, 2), (1, 1), (64, 2)):
        found = local.end_of(local.add("threads", cpus=cpus)).result
        assert (found["cpus"], found["told"]) == (told, str(told))
        assert found["pools"] == [told]


@pytest.mark.parametrize(
    ("free", "claimed"), [(1, [1]), (2, [1]), (3, [1, 2]), (4, [1, 2, 3])], ids=str
)
def test_what_is_claimed_by_free_cpus(house: House, free: int, claimed: list[int]) -> None:
    jobs = queue_on(house)
    for cpus in (1, 2, 1):
        jobs.enqueue(Wish("nothing", WORKSPACE, cpus=cpus), actor=ACTOR)
    with house.db.write() as session:
        found = store.claim(
            session,
            worker="w",
            count=10,
            free_cpus=free,
            all_cpus=4,
            now=jobs._clock(),
            lease_s=60,
            kinds={"nothing"},
        )
    assert [job.id for job in found] == claimed


def queue_on(house: House) -> Jobs:
    """A queue that nobody works on."""
    kinds = Kinds()
    kinds.add(JobKind("nothing", "mlpi.jobs.selftest:nothing", "Nothing"))
    dispatcher = Dispatcher(
        house.db, kinds, InProcessRunner(), house.clock, home=house.settings.home
    )
    return Jobs(house.db, house.audit, kinds, dispatcher, house.clock)


# a disk that is full when a result is written


def test_a_result_that_could_not_be_written_is_written_once_later(bench: Bench) -> None:
    tries: list[int] = []

    def keep(session: Any, job: Job, result: Any) -> Any:
        tries.append(job.id)
        bench.house.audit.record(session, ACTOR, "kept", str(result))
        if len(tries) == 1:
            full = sqlite3.OperationalError("database or disk is full")
            raise OperationalError("INSERT", {}, full)
        return result

    bench.kinds.add(JobKind("kept", "mlpi.jobs.selftest:echo", "kept", on_success=keep))
    job = bench.add("kept", {"a": 1})
    done = bench.end_of(job)
    assert (done.state, done.result, done.attempt) == (JobState.SUCCEEDED, {"a": 1}, 1)
    assert tries == [job.id, job.id]
    assert len([one for one in bench.house.audit.page() if one.action == "kept"]) == 1
    assert bench.end_of(bench.add("echo")).state == JobState.SUCCEEDED


# figures and filters


def put(house: House, jobs: Jobs, state: JobState, **more: Any) -> int:
    """A job that is in this state since now."""
    job = jobs.enqueue(Wish("nothing", WORKSPACE), actor=Actor(more.pop("actor", "ana")))
    with house.db.write() as session:
        row = session.get(Job, job.id)
        assert row is not None
        row.state = state
        row.started_at = row.finished_at = house.clock()
        for name, value in more.items():
            setattr(row, name, value)
    return job.id


def test_the_badge_counts_what_is_open_and_what_failed_of_late(
    house: House, clock: TurnedClock
) -> None:
    jobs = queue_on(house)
    assert jobs.pulse(WORKSPACE) == Pulse(0, 0)
    for state in JobState:
        put(house, jobs, state)
    failed = put(house, jobs, JobState.FAILED)
    put(house, jobs, JobState.RUNNING, workspace="other")
    assert jobs.pulse(WORKSPACE) == Pulse(active=3, failed=3)
    jobs.retry(WORKSPACE, failed, actor=ACTOR)
    assert jobs.pulse(WORKSPACE) == Pulse(active=4, failed=2)
    clock.advance(hours=25)
    assert jobs.pulse(WORKSPACE) == Pulse(active=4, failed=0)


def test_a_badge_that_cannot_be_read_is_left_out() -> None:
    class Broken:
        name = "broken"

        def badge(self, principal: object) -> None:
            raise OSError("the disk is gone")

    class Without:
        name = "without"

    principal = Principal(1, "ana", False, {})
    assert Components([Broken(), Without()]).badges(principal) == []  # type: ignore[list-item]


def test_filters_narrow_by_everything_at_once(house: House, clock: TurnedClock) -> None:
    jobs = queue_on(house)
    old = put(house, jobs, JobState.FAILED, title="old one", actor="eve")
    clock.advance(days=2)
    new = put(house, jobs, JobState.FAILED, title="new one", actor="eve")
    mine = put(house, jobs, JobState.SUCCEEDED, title="mine")

    def found(**only: Any) -> list[int]:
        return [job.id for job in jobs.page(WORKSPACE, Filter(**only))]

    assert found() == [mine, new, old]
    assert found(actor="EVE") == [new, old]
    assert found(actor="eve", since=jobs.since("24h")) == [new]
    assert found(since=jobs.since("7d"), words="one", states=[JobState.FAILED]) == [new, old]
    assert found(kind="other") == []
    assert jobs.since("forever") is None


def ended(age_s: float, took_s: float, state: JobState = JobState.SUCCEEDED) -> Ended:
    at = NOW - timedelta(seconds=age_s)
    return Ended("k", state, at - timedelta(seconds=took_s), at)


NOW = TurnedClock().now


def test_durations_are_those_of_successes_and_failures_are_counted() -> None:
    jobs = [ended(60 * n, n) for n in range(1, 101)]
    jobs += [ended(10, 900, JobState.FAILED), ended(10, 1, JobState.LOST)]
    jobs.append(ended(10, 5)._replace(kind="other"))
    busy, other = paces(jobs, NOW)
    assert (busy.kind, busy.count, busy.failed) == ("k", 102, 2)
    assert (busy.median_s, busy.p95_s, busy.longest_s) == (50, 95, 900)
    assert len(busy.points) == 102
    assert [point.is_bad for point in busy.points[-2:]] == [True, True]
    assert (other.median_s, other.p95_s, len(other.points)) == (5, 5, 1)
    (only_bad,) = paces([ended(1, 2, JobState.FAILED)], NOW)
    assert (only_bad.median_s, only_bad.failed) == (None, 1)


def test_the_picture_stays_small_and_inside_its_frame() -> None:
    jobs = [ended(n * 120, n % 7) for n in range(5000)] + [ended(-60, 0), ended(9e9, 3)]
    (pace,) = paces(jobs, NOW)
    assert len(pace.points) <= 151
    assert all(0 <= point.x <= 240 and 0 <= point.y <= 36 for point in pace.points)
    assert paces([], NOW) == []


def test_durations_look_back_a_week_and_not_at_the_cancelled(
    house: House, clock: TurnedClock
) -> None:
    jobs = queue_on(house)
    put(house, jobs, JobState.SUCCEEDED)
    clock.advance(days=SPAN.days, seconds=1)
    assert jobs.paces(WORKSPACE) == []
    put(house, jobs, JobState.CANCELLED)
    put(house, jobs, JobState.SUCCEEDED)
    put(house, jobs, JobState.FAILED, workspace="other")
    (pace,) = jobs.paces(WORKSPACE)
    assert (pace.count, pace.failed, pace.median_s) == (1, 0, 0)
