"""What webhooks are told, when, and what becomes of messages that do not arrive."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from mlpi.auth.audit import Actor
from mlpi.errors import Conflict, Invalid, NotFound
from mlpi.house import House
from mlpi.jobs.messages import ATTEMPTS
from mlpi.jobs.models import Job
from mlpi.labels.hooks.events import HOOK_JOB
from mlpi.labels.hooks.webhooks import FAILING, MOST_WEBHOOKS
from mlpi.labels.models import LabelDelivery, LabelWebhook
from tests.conftest import TurnedClock
from tests.labels_work import ANA, EVE, Desk, said

BY = Actor("ana")
URL = "http://127.0.0.1:9/told/of/it"


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk.build(house)


def messages(desk: Desk) -> list[dict[str, Any]]:
    """Everything written for webhooks, oldest first."""
    with desk.house.db.read() as session:
        found = session.scalars(select(LabelDelivery).order_by(LabelDelivery.id)).all()
    return [json.loads(one.body) for one in found]


def jobs(desk: Desk) -> list[Job]:
    with desk.house.db.read() as session:
        asked = select(Job).where(Job.kind == HOOK_JOB).order_by(Job.id)
        return list(session.scalars(asked).all())


def run(desk: Desk, *statuses: int, unreachable: str = "") -> list[int]:
    """Run the newest job as a worker would that is answered so; which messages it was given."""
    kind, job = desk.sending.kind, jobs(desk)[-1]
    assert kind.resolve is not None
    assert kind.on_success is not None
    with desk.house.db.write() as session:
        order = kind.resolve(session, job)
    given = [one["id"] for one in order["deliveries"]]
    outcomes = list(zip(given, statuses, strict=False))
    with desk.house.db.write() as session:
        kind.on_success(session, job, {"outcomes": outcomes, "unreachable": unreachable})
    return given


def hook(desk: Desk) -> LabelWebhook:
    return desk.webhooks.all("lab")[0]


def test_every_deed_is_told_in_label_studios_words(desk: Desk) -> None:
    _, key = desk.webhooks.add("lab", {"url": URL}, BY)
    assert len(key) > 20
    project, ids = desk.project(2)
    made, _ = desk.annotations.add("lab", ids[0], said("x"), EVE)
    desk.annotations.change("lab", made.id, said("y"), EVE)
    desk.reviews.judge("lab", made.id, "accepted", ANA)
    desk.annotations.remove("lab", made.id, EVE)
    desk.projects.change("lab", project.id, {"title": "Other texts"}, ANA)
    desk.tasks.remove("lab", project.id, [ids[0]])
    desk.projects.remove("lab", project.id, ANA)
    told = messages(desk)
    assert [one["action"] for one in told] == [
        *("PROJECT_CREATED", "TASKS_CREATED", "ANNOTATION_CREATED", "ANNOTATION_UPDATED"),
        *("REVIEW_CREATED", "ANNOTATIONS_DELETED", "PROJECT_UPDATED", "TASKS_DELETED"),
        "PROJECT_DELETED",
    ]
    created, tasks, annotation, updated, review, gone, changed, without, deleted = told
    assert created["project"]["title"] == "Texts"
    assert [one["data"]["text"] for one in tasks["tasks"]] == ["text 0", "text 1"]
    assert annotation["annotation"]["result"] == said("x")["result"]
    assert annotation["annotation"]["completed_by"] == EVE.user_id
    assert annotation["task"]["id"] == ids[0]
    assert annotation["task"]["total_annotations"] == 1
    assert annotation["project"]["total_annotations_number"] == 1
    assert updated["annotation"]["result"] == said("y")["result"]
    assert (review["review"]["accepted"], review["annotation"]["id"]) == (True, made.id)
    assert gone["annotations"] == [{"id": made.id}]
    assert changed["project"]["title"] == "Other texts"
    assert without["tasks"] == [{"id": ids[0]}]
    assert deleted == {"action": "PROJECT_DELETED", "project": {"id": project.id}}
    assert len(jobs(desk)) == 1  # one job sends them all


def test_a_webhook_hears_of_its_project_and_of_what_it_asked_for(desk: Desk) -> None:
    project, ids = desk.project()
    other, _ = desk.project()
    only = {"send_for_all_actions": False, "actions": ["ANNOTATION_CREATED"]}
    desk.webhooks.add("lab", {"url": URL, "project": project.id, **only}, BY)
    bare = {"url": URL, "project": project.id, "send_payload": False}
    desk.webhooks.add("lab", bare, BY)
    desk.webhooks.add("lab", {"url": URL, "project": other.id}, BY)
    off, _ = desk.webhooks.add("lab", {"url": URL, "project": project.id}, BY)
    desk.webhooks.change("lab", off.id, {"is_active": False}, BY)
    desk.annotations.add("lab", ids[0], said("x"), EVE)
    desk.projects.change("lab", project.id, {"description": "new"}, ANA)
    told = messages(desk)
    assert [one["action"] for one in told] == [
        *("ANNOTATION_CREATED", "ANNOTATION_CREATED", "PROJECT_UPDATED"),
    ]
    assert told[1:] == [{"action": "ANNOTATION_CREATED"}, {"action": "PROJECT_UPDATED"}]


def test_a_deed_that_fails_tells_nobody(desk: Desk) -> None:
    _, ids = desk.project(2)
    desk.webhooks.add("lab", {"url": URL}, BY)
    desk.annotations.add("lab", ids[0], said("x", unique_id="one"), EVE)
    with pytest.raises(Conflict):
        desk.annotations.add("lab", ids[1], said("x", unique_id="one"), EVE)
    desk.annotations.add("lab", ids[0], said("x", unique_id="one"), EVE)  # sent again
    assert len(messages(desk)) == 1


def test_many_tasks_are_several_messages_of_a_bounded_size(desk: Desk) -> None:
    project, _ = desk.project(0)
    desk.webhooks.add("lab", {"url": URL, "project": project.id}, BY)
    large = [{"text": "x" * 400_000} for _ in range(5)]
    desk.tasks.add("lab", project.id, large, ANA)
    assert [len(one["tasks"]) for one in messages(desk)] == [2, 2, 1]


def test_what_does_not_arrive_is_tried_again_after_longer_and_longer(
    desk: Desk, clock: TurnedClock
) -> None:
    project, ids = desk.project(2)
    desk.webhooks.add("lab", {"url": URL, "project": project.id}, BY)
    desk.annotations.add("lab", ids[0], said("x"), EVE)
    first = run(desk, unreachable="cannot be reached (ConnectError)")
    desk.annotations.add("lab", ids[1], said("x"), EVE)
    assert len(jobs(desk)) == 2  # the one that tries again will take it along
    assert jobs(desk)[-1].available_at == clock() + timedelta(seconds=10)
    clock.advance(seconds=10)
    both = run(desk, 503, 200)
    assert both[0] == first[0]
    assert [one.state for one in desk.webhooks.deliveries("lab", hook(desk).id)] == [
        *("sent", "queued"),
    ]
    assert hook(desk).failures == 0  # the second arrived
    for seconds in (30, 90, 270, 810):
        assert jobs(desk)[-1].available_at == clock() + timedelta(seconds=seconds)
        clock.advance(seconds=seconds)
        assert run(desk, 500) == first
    (_, lost) = desk.webhooks.deliveries("lab", hook(desk).id)
    assert (lost.state, lost.attempts, lost.error) == ("failed", ATTEMPTS, "answered 500")
    assert not hook(desk).is_sending
    assert hook(desk).failures >= FAILING
    assert desk.webhooks.failing("lab") == 1
    desk.webhooks.send_again("lab", hook(desk).id, lost.id)
    assert run(desk, 204) == first
    assert desk.webhooks.failing("lab") == 0
    with pytest.raises(Invalid):
        desk.webhooks.send_again("lab", hook(desk).id, lost.id)


def test_what_nobody_answers_is_given_up_all_at_once(desk: Desk, clock: TurnedClock) -> None:
    project, ids = desk.project(5)
    desk.webhooks.add("lab", {"url": URL, "project": project.id}, BY)
    for task_id in ids:
        desk.annotations.add("lab", task_id, said("x"), EVE)
    for _ in range(ATTEMPTS):
        assert len(run(desk, unreachable="cannot be reached")) == 5
        clock.advance(seconds=10_000)
    found = desk.webhooks.deliveries("lab", hook(desk).id)
    assert {(one.state, one.attempts) for one in found} == {("failed", ATTEMPTS)}
    assert len(jobs(desk)) == ATTEMPTS


def test_a_worker_that_dies_loses_no_message(desk: Desk, clock: TurnedClock) -> None:
    project, ids = desk.project()
    desk.webhooks.add("lab", {"url": URL, "project": project.id}, BY)
    desk.annotations.add("lab", ids[0], said("x"), EVE)
    (job,) = jobs(desk)
    note = desk.sending.kind.on_failure
    assert note is not None
    with desk.house.db.write() as session:
        job.state, job.error = "failed", "The worker ended."
        note(session, job)
    clock.advance(seconds=10)
    assert len(run(desk, 200)) == 1
    assert messages(desk)
    assert desk.webhooks.deliveries("lab", hook(desk).id)[0].state == "sent"


def test_what_is_kept_of_old_messages_is_bounded(desk: Desk) -> None:
    project, _ = desk.project()
    desk.webhooks.add("lab", {"url": URL, "project": project.id}, BY)
    for turn in range(3):
        for number in range(50):
            desk.projects.change("lab", project.id, {"description": f"{turn} {number}"}, ANA)
        run(desk, *[200] * 50)
    assert len(messages(desk)) == 100


def test_a_test_message_goes_to_one_webhook_alone(desk: Desk) -> None:
    first, _ = desk.webhooks.add("lab", {"url": URL}, BY)
    desk.webhooks.add("lab", {"url": URL}, BY)
    desk.webhooks.test("lab", first.id)
    assert messages(desk) == [{"action": "TEST", "webhook": first.id, "project": None}]
    desk.webhooks.change("lab", first.id, {"is_active": False}, BY)
    with pytest.raises(Invalid):
        desk.webhooks.test("lab", first.id)
    assert run(desk, 200) == []  # switched off: it waits
    desk.webhooks.change("lab", first.id, {"is_active": True}, BY)
    assert len(run(desk, 200)) == 1


def test_secrets_are_sealed_and_the_key_outlives_other_headers(desk: Desk) -> None:
    headers = {"Authorization": "Bearer t0psecret"}
    made, key = desk.webhooks.add("lab", {"url": URL, "headers": headers}, BY)
    assert "t0psecret" not in made.secrets
    assert key not in made.secrets
    assert desk.webhooks.headers(made) == headers
    changed = desk.webhooks.change("lab", made.id, {"headers": {"X-A": "b"}}, BY)
    assert desk.webhooks.headers(changed) == {"X-A": "b"}
    desk.webhooks.test("lab", made.id)
    resolve = desk.sending.kind.resolve
    assert resolve is not None
    with desk.house.db.write() as session:
        order = resolve(session, jobs(desk)[-1])
    assert (order["secret"], order["headers"]) == (key, {"X-A": "b"})


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({}, "url"),
        ({"url": "ftp://x"}, "url"),
        ({"url": "http://x y"}, "url"),
        ({"url": URL, "actions": ["NOTHING"]}, "actions"),
        ({"url": URL, "actions": "TASKS_CREATED"}, "actions"),
        ({"url": URL, "headers": {"a b": "c"}}, "headers"),
        ({"url": URL, "headers": {"a": "b\r\nc: d"}}, "headers"),
        ({"url": URL, "headers": {str(one): "x" for one in range(11)}}, "headers"),
        ({"url": URL, "is_active": "perhaps"}, "is_active"),
        ({"url": URL, "project": "one"}, "project"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    desk: Desk, wrong: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as told:
        desk.webhooks.add("lab", wrong, BY)
    assert told.value.field == field
    assert desk.webhooks.all("lab") == []


def test_a_webhook_is_of_its_workspace_and_they_are_bounded(desk: Desk) -> None:
    project, _ = desk.project()
    made, _ = desk.webhooks.add("lab", {"url": URL, "project": project.id}, BY)
    with pytest.raises(Invalid, match="organization-only"):
        desk.webhooks.change("lab", made.id, {"actions": ["PROJECT_DELETED"]}, BY)
    for reach in (
        lambda: desk.webhooks.get("other", made.id),
        lambda: desk.webhooks.change("other", made.id, {}, BY),
        lambda: desk.webhooks.remove("other", made.id, BY),
        lambda: desk.webhooks.test("other", made.id),
        lambda: desk.webhooks.deliveries("other", made.id),
        lambda: desk.webhooks.add("other", {"url": URL, "project": project.id}, BY),
    ):
        with pytest.raises(NotFound):
            reach()
    for _ in range(MOST_WEBHOOKS - 1):
        desk.webhooks.add("lab", {"url": URL}, BY)
    with pytest.raises(Invalid, match="at most"):
        desk.webhooks.add("lab", {"url": URL}, BY)
    desk.webhooks.remove("lab", made.id, BY)
    assert len(desk.webhooks.all("lab")) == MOST_WEBHOOKS - 1
