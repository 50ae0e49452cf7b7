"""Due times, also across changes of clocks, and one job for each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from mlpi.auth.audit import Actor
from mlpi.errors import Conflict, Invalid, NotFound
from mlpi.house import House
from mlpi.jobs import triggers
from mlpi.jobs.dispatcher import Dispatcher
from mlpi.jobs.inprocess import InProcessRunner
from mlpi.jobs.kinds import JobKind, Kinds
from mlpi.jobs.models import Job, Schedule
from mlpi.jobs.schedules import Plan, Schedules
from mlpi.jobs.service import Jobs
from mlpi.jobs.store import Filter
from tests.conftest import TurnedClock

ACTOR = Actor("ana", "test")
BERLIN = "Europe/Berlin"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def schedule(trigger: str, expression: str, timezone: str = "UTC") -> Schedule:
    return Schedule(
        trigger=trigger,
        expression=expression,
        timezone=timezone,
        created_at=utc(2026, 3, 1),
        is_paused=False,
    )


@pytest.mark.parametrize(
    ("one", "after", "due"),
    [
        (schedule("cron", "0 6 * * *"), utc(2026, 5, 1, 5), utc(2026, 5, 1, 6)),
        (schedule("cron", "0 6 * * *"), utc(2026, 5, 1, 6), utc(2026, 5, 2, 6)),
        (schedule("cron", "0 6 * * *", BERLIN), utc(2026, 5, 1), utc(2026, 5, 1, 4)),
        (schedule("cron", "30 8 * * mon-fri"), utc(2026, 5, 1, 9), utc(2026, 5, 4, 8, 30)),
        (schedule("interval", "15m"), utc(2026, 3, 1, 0, 20), utc(2026, 3, 1, 0, 30)),
        (schedule("interval", "15m"), utc(2026, 3, 1, 0, 30), utc(2026, 3, 1, 0, 45)),
        (schedule("interval", "1d"), utc(2026, 2, 1), utc(2026, 3, 2)),
        (schedule("once", "2026-05-01 06:00", BERLIN), utc(2026, 5, 1), utc(2026, 5, 1, 4)),
        (schedule("once", "2026-05-01T06:00Z", BERLIN), utc(2026, 5, 1), utc(2026, 5, 1, 6)),
        (schedule("once", "2026-05-01 06:00"), utc(2026, 5, 1, 6), None),
    ],
)
def test_when_it_is_due_next(one: Schedule, after: datetime, due: datetime | None) -> None:
    assert triggers.next_after(one, after) == due


def test_clocks_go_forward_and_no_day_is_lost() -> None:
    """Berlin, 29 March 2026: 02:30 does not exist."""
    nightly = schedule("cron", "30 2 * * *", BERLIN)
    dues = triggers.upcoming(nightly, utc(2026, 3, 28), 3)
    assert [due.date().day for due in dues] == [28, 29, 30]
    assert dues[0] == utc(2026, 3, 28, 1, 30)
    assert dues[2] == utc(2026, 3, 30, 0, 30)


def test_clocks_go_back_and_no_day_is_doubled() -> None:
    """Berlin, 25 October 2026: 02:30 exists twice."""
    nightly = schedule("cron", "30 2 * * *", BERLIN)
    dues = triggers.upcoming(nightly, utc(2026, 10, 24), 3)
    assert [due.date().day for due in dues] == [24, 25, 26]


def test_an_hourly_schedule_runs_every_hour_of_the_long_day() -> None:
    hourly = schedule("cron", "0 * * * *", BERLIN)
    dues = triggers.upcoming(hourly, utc(2026, 10, 24, 23), 4)
    assert [(b - a).total_seconds() for a, b in pairwise(dues)] == [3600] * 3


@pytest.mark.parametrize("expression", ["* * * * *", "*/20 * * * *", "15 1-4 * * *", "0 */2 * * *"])
@pytest.mark.parametrize("start", [utc(2026, 10, 24, 22), utc(2026, 3, 28, 22)])
def test_time_never_stands_still(expression: str, start: datetime) -> None:
    dues = triggers.upcoming(schedule("cron", expression, BERLIN), start, 500)
    assert all(a < b for a, b in pairwise(dues))


@pytest.mark.parametrize(
    ("trigger", "expression", "timezone", "says"),
    [
        ("cron", "0 6 * *", "UTC", "is not a cron expression"),
        ("cron", "0 99 * * *", "UTC", "is not a cron expression"),
        ("interval", "5s", "UTC", "10s at least"),
        ("interval", "soon", "UTC", "is not an interval"),
        ("once", "tomorrow", "UTC", "is not a date"),
        ("sometimes", "", "UTC", "Use cron, interval or once"),
        ("cron", "0 6 * * *", "Mars/Olympus", "is not a time zone"),
    ],
)
def test_what_cannot_be_a_schedule(trigger: str, expression: str, timezone: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        triggers.check(trigger, expression, timezone)
    assert says in caught.value.line()


class Bench:
    def __init__(self, house: House, clock: TurnedClock) -> None:
        self.kinds = Kinds()
        self.kinds.add(JobKind("echo", "mlpi.jobs.selftest:echo", "echo", check=dict))
        home = house.settings.home
        dispatcher = Dispatcher(house.db, self.kinds, InProcessRunner(), clock, home=home)
        self.jobs = Jobs(house.db, house.audit, self.kinds, dispatcher, clock)
        self.schedules = Schedules(house.db, house.audit, self.jobs, clock)

    def add(self, name: str = "daily", expression: str = "0 6 * * *", **more: str) -> Schedule:
        plan = Plan(name, "default", "echo", "cron", expression, **more)  # type: ignore[arg-type]
        return self.schedules.add(plan, actor=ACTOR)

    def made(self) -> list[Job]:
        return list(reversed(self.jobs.page("default", Filter())))


@pytest.fixture
def bench(house: House, clock: TurnedClock) -> Iterator[Bench]:
    made = Bench(house, clock)
    yield made
    made.schedules.stop()


def test_a_due_time_makes_one_job_however_often_it_fires(bench: Bench) -> None:
    one, due = bench.add(), utc(2026, 5, 2, 6)
    for _ in range(3):
        bench.schedules.fire(one.id, due)
    (job,) = bench.made()
    assert (job.kind, job.title, job.actor, job.schedule_id) == ("echo", "daily", "ana", one.id)
    assert bench.schedules.get("default", one.id).last_due_at == due


def test_what_was_missed_is_made_good_once(bench: Bench, clock: TurnedClock) -> None:
    one = bench.add(expression="0 * * * *")
    clock.advance(hours=5, minutes=30)
    bench.schedules.make_good()
    (job,) = bench.made()
    assert job.idempotency_key == f"schedule:{one.id}:{utc(2026, 5, 1, 17).isoformat()}"


def test_what_was_missed_long_ago_is_not(bench: Bench, clock: TurnedClock) -> None:
    bench.add(expression="0 13 1 5 *")
    clock.advance(days=2)
    bench.schedules.make_good()
    assert bench.made() == []


def test_a_pause_is_not_made_good(bench: Bench, clock: TurnedClock) -> None:
    one = bench.add(expression="0 * * * *")
    bench.schedules.set_paused("default", one.id, True, actor=ACTOR)
    assert bench.schedules.upcoming(bench.schedules.get("default", one.id)) == []
    clock.advance(hours=5)
    bench.schedules.fire(one.id, clock.now)
    resumed = bench.schedules.set_paused("default", one.id, False, actor=ACTOR)
    bench.schedules.make_good()
    assert bench.made() == []
    assert len(bench.schedules.upcoming(resumed)) == 5


def test_a_schedule_without_code_stays_and_makes_nothing(
    bench: Bench, house: House, clock: TurnedClock
) -> None:
    one = bench.add()
    again = Bench(house, clock)
    again.kinds._kinds.clear()
    again.schedules.fire(one.id, clock.now)
    assert again.made() == []
    (kept,) = again.schedules.page("default")
    assert not again.schedules.is_runnable(kept)
    with pytest.raises(Invalid, match="no job kind 'echo'"):
        again.schedules.run_now("default", one.id, actor=ACTOR)


def test_run_now_leaves_the_times_alone(bench: Bench, clock: TurnedClock) -> None:
    one = bench.add()
    bench.schedules.run_now("default", one.id, actor=ACTOR)
    bench.schedules.run_now("default", one.id, actor=ACTOR)
    assert len(bench.made()) == 2
    assert bench.schedules.get("default", one.id).last_due_at is None


def test_names_are_unique_and_strangers_see_none(bench: Bench) -> None:
    one = bench.add()
    with pytest.raises(Conflict):
        bench.add()
    for deed in (
        lambda: bench.schedules.get("lab", one.id),
        lambda: bench.schedules.remove("lab", one.id, actor=ACTOR),
        lambda: bench.schedules.run_now("lab", one.id, actor=ACTOR),
    ):
        with pytest.raises(NotFound):
            deed()
    bench.schedules.remove("default", one.id, actor=ACTOR)
    assert bench.schedules.page("default") == []


def test_the_timer_fires_by_itself(house: House, tmp_path: Path) -> None:
    from mlpi.clock import utcnow

    bench = Bench(house, utcnow)  # type: ignore[arg-type]
    bench.schedules.start()
    import time
    from datetime import timedelta

    at = utcnow() + timedelta(seconds=0.3)
    plan = Plan("soon", "default", "echo", "once", at.isoformat())
    bench.schedules.add(plan, actor=ACTOR)
    deadline = time.monotonic() + 20
    while not bench.made():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    bench.schedules.stop()
    assert len(bench.made()) == 1
