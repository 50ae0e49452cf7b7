"""How the work on a project goes: days, people, the pace and what is left."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mlpi.house import House
from mlpi.labels.overview import Overview
from mlpi.labels.progress import DAYS, FRESH_S, Home
from tests.conftest import TurnedClock
from tests.labels_work import ANA, EVE, OTTO, Desk, said


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk.build(house)


@pytest.fixture
def home(house: House) -> Home:
    return Home(house.db, Overview(house.db), house.clock)


def test_days_people_and_the_pace_of_a_week(desk: Desk, home: Home, clock: TurnedClock) -> None:
    project, ids = desk.project(20)
    for number in range(8):
        who = EVE if number % 2 else ANA
        desk.annotations.add("lab", ids[number], said("x", lead_time=10.0 + number), who)
        clock.advance(days=1)
    desk.annotations.add("lab", ids[8], {"was_cancelled": True, "skip_reason": "blurred"}, EVE)
    found = home.progress("lab", project.id)
    assert len(found.days) == DAYS
    assert [one.annotations for one in found.days[-9:]] == [1, 1, 1, 1, 1, 1, 1, 1, 0]
    assert found.days[-1].day == clock().date()
    assert found.busiest == 1
    assert [(one.name, one.annotations, one.skips, one.median_s) for one in found.people] == [
        ("ana", 4, 0, 13.0),
        ("eve", 4, 1, 14.0),
    ]
    assert found.people[0].per_hour == pytest.approx(3600 / 13)
    assert found.reasons == [("blurred", 1)]
    # Noon of the seventh day: six annotations in six days and a half, twelve tasks are left.
    assert found.ahead.missing == 12
    assert found.ahead.days == pytest.approx(6.5)
    assert found.ahead.per_day == pytest.approx(6 / 6.5)
    assert found.ahead.left == pytest.approx(timedelta(days=13), abs=timedelta(seconds=1))


def test_a_young_project_is_measured_from_its_first_day(
    desk: Desk, home: Home, clock: TurnedClock
) -> None:
    project, ids = desk.project(5)
    assert home.progress("lab", project.id).ahead.left is None
    desk.annotations.add("lab", ids[0], said("x"), ANA)
    ahead = home.progress("lab", project.id).ahead
    assert (ahead.missing, ahead.days, ahead.per_day) == (4, 0.5, 2.0)
    assert ahead.left == timedelta(days=2)
    clock.advance(days=DAYS)
    assert home.progress("lab", project.id).ahead.left is None


def test_what_is_missing_where_tasks_need_several(desk: Desk, home: Home) -> None:
    project, ids = desk.project(3, maximum_annotations=2)
    desk.annotations.add("lab", ids[0], said("x"), ANA)
    desk.annotations.add("lab", ids[0], said("y"), EVE)
    made, _ = desk.annotations.add("lab", ids[1], said("x"), OTTO)
    found = home.progress("lab", project.id)
    assert (found.ahead.missing, found.conflicts, found.rejected) == (3, 1, 0)
    desk.reviews.judge("lab", made.id, "rejected", ANA)
    assert home.waiting("lab") == {"conflicts": 1, "rejected": 1}
    assert home.waiting("other") == {"conflicts": 0, "rejected": 0}


def test_figures_are_taken_anew_when_counts_change_or_a_minute_is_over(
    desk: Desk, home: Home, clock: TurnedClock
) -> None:
    project, ids = desk.project(2)
    first = home.progress("lab", project.id)
    assert home.progress("lab", project.id) is first
    made, _ = desk.annotations.add("lab", ids[0], said("x"), ANA)
    second = home.progress("lab", project.id)
    assert second.labels.counts["c"] == {"x": 1}
    desk.annotations.change("lab", made.id, said("y"), ANA)
    assert home.progress("lab", project.id) is second
    clock.advance(seconds=FRESH_S)
    assert home.progress("lab", project.id).labels.counts["c"] == {"y": 1}
