"""Projects, tasks, annotations and who labels what next; on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from mlpi.auth.audit import Actor
from mlpi.auth.roles import Principal, Role
from mlpi.errors import Conflict, Forbidden, Invalid, NotFound
from mlpi.house import House
from mlpi.labels.adding import BATCH
from mlpi.labels.annotations import Annotations
from mlpi.labels.changes import ConfigChangeRefused
from mlpi.labels.config.xml import ConfigInvalid
from mlpi.labels.given import TaskInvalid
from mlpi.labels.models import LabelProject
from mlpi.labels.projects import Projects
from mlpi.labels.queue import LEASE_S, Queue
from mlpi.labels.results import ResultInvalid
from mlpi.labels.saving import SkipRefused
from mlpi.labels.tasks import Tasks
from tests.conftest import TurnedClock

CONFIG = """<View><Text name="t" value="$text"/><Choices name="c" toName="t">
<Choice value="good"/><Choice value="bad"/></Choices></View>"""


def said(choice: str, **more: Any) -> dict[str, Any]:
    return {
        "result": [
            {"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": [choice]}}
        ],
        **more,
    }


def person(number: int, role: Role = Role.EDITOR) -> Principal:
    return Principal(number, f"user{number}", False, {"lab": role}, "lab")


ANA, BEN, OWNER = person(1), person(2), person(3, Role.OWNER)


@dataclass
class Room:
    projects: Projects
    tasks: Tasks
    annotations: Annotations
    queue: Queue

    def project(self, count: int = 0, **fields: Any) -> LabelProject:
        given = {"title": "Opinions", "label_config": CONFIG, **fields}
        project = self.projects.add("lab", given, OWNER)
        texts = [{"text": f"text {number}"} for number in range(count)]
        self.tasks.add("lab", project.id, texts, OWNER)
        return self.projects.get("lab", project.id)

    def ids(self, project: LabelProject) -> list[int]:
        page = self.tasks.page("lab", project.id, limit=10_000)
        return [one.task.id for one in page.tasks]

    def counts(self, project: LabelProject) -> dict[str, int]:
        found = self.projects.get("lab", project.id)
        names = (
            "task",
            "finished",
            "annotated",
            "annotation",
            "skipped",
            "ground_truth",
            "prediction",
        )
        return {name: count for name in names if (count := getattr(found, f"{name}_count"))}


@pytest.fixture
def room(house: House) -> Room:
    return Room(
        Projects(house.db, house.audit, house.clock),
        Tasks(house.db, house.clock),
        Annotations(house.db, house.clock),
        Queue(house.db, house.clock),
    )


# --- projects


def test_a_project_is_of_its_workspace_alone(room: Room) -> None:
    project = room.project(1)
    (task_id,) = room.ids(project)
    annotation, _ = room.annotations.add("lab", task_id, said("good"), ANA)
    prediction = room.annotations.predict("lab", task_id, said("bad"))
    for reach in (
        lambda: room.projects.get("other", project.id),
        lambda: room.projects.remove("other", project.id, ANA),
        lambda: room.tasks.get("other", task_id),
        lambda: room.tasks.page("other", project.id, limit=1),
        lambda: room.tasks.add("other", project.id, [{"text": "x"}], ANA),
        lambda: room.annotations.get("other", annotation.id),
        lambda: room.annotations.add("other", task_id, said("good"), ANA),
        lambda: room.annotations.remove("other", annotation.id, ANA),
        lambda: room.annotations.prediction("other", prediction.id),
        lambda: room.queue.next("other", project.id, ANA),
    ):
        with pytest.raises(NotFound):
            reach()
    assert room.projects.page("other", limit=10).total == 0
    assert room.annotations.predictions("other") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": "ab"},
        {"title": ["7"]},
        {"maximum_annotations": 0},
        {"maximum_annotations": True},
        {"sampling": "by mood"},
        {"color": "red"},
        {"show_skip_button": "perhaps"},
        {"model_version": "none such"},
        {"skip_queue": "NEVER"},
    ],
)
def test_fields_that_make_no_sense_are_refused_by_name(room: Room, wrong: dict[str, Any]) -> None:
    project = room.project()
    with pytest.raises(Invalid) as told:
        room.projects.change("lab", project.id, wrong, OWNER)
    assert told.value.field == next(iter(wrong))
    assert room.projects.get("lab", project.id).title == "Opinions"


def test_a_configuration_may_grow_but_not_lose_what_was_labeled(room: Room) -> None:
    project = room.project(2)
    first, _ = room.ids(project)
    room.annotations.add("lab", first, said("bad"), ANA)
    more = CONFIG.replace("</Choices>", '<Choice value="ugly"/></Choices>')
    less = more.replace('<Choice value="bad"/>', "")
    room.projects.change("lab", project.id, {"label_config": more}, OWNER)
    with pytest.raises(ConfigChangeRefused) as told:
        room.projects.change("lab", project.id, {"label_config": less}, OWNER)
    assert "1 result of c with bad" in told.value.message
    unused = more.replace('<Choice value="good"/>', "")
    room.projects.change("lab", project.id, {"label_config": unused}, OWNER)
    with pytest.raises(ConfigInvalid):
        room.projects.change("lab", project.id, {"label_config": "<View>"}, OWNER)
    assert room.projects.get("lab", project.id).label_config == unused


# --- tasks


def test_tasks_come_bare_or_with_all_that_belongs_to_them(room: Room) -> None:
    project = room.project()
    added = room.tasks.add(
        "lab",
        project.id,
        [
            {"text": "bare"},
            {
                "data": {"text": "whole", "n": 1},
                "meta": {"from": "here"},
                "annotations": [said("good", id=77, ground_truth=True), said("bad")],
                "predictions": [said("good", score=0.25, model_version="m1"), said("bad")],
            },
        ],
        OWNER,
        keeps_ids=True,
    )
    assert (added.tasks, added.annotations, added.predictions) == (2, 2, 2)
    one = room.tasks.get("lab", added.task_ids[1])
    assert json.loads(one.task.data) == {"text": "whole", "n": 1}
    assert one.task.inner_id == 2
    assert one.annotations[0].import_id == 77
    assert [each.model_version for each in one.predictions] == ["m1", "undefined"]
    assert one.task.prediction_score == 0.25
    assert room.counts(project) == {
        "task": 2,
        "finished": 1,
        "annotated": 1,
        "annotation": 2,
        "ground_truth": 1,
        "prediction": 2,
    }


@pytest.mark.parametrize(
    ("one", "words"),
    [
        ({"txt": "x"}, '"text" key is expected'),
        ({"data": {"text": ["x"]}}, "expects str"),
        ({"text": True}, "bool"),
        ([1], "must be an object"),
        ({"data": "x"}, "must be an object"),
        ({"text": "x" * (1 << 20)}, "bytes"),
        ({"data": {"text": "x"}, "annotations": {}}, "annotations must be a list"),
        ({"data": {"text": float("nan")}}, "no JSON"),
    ],
)
def test_a_task_that_fits_nothing_is_refused(room: Room, one: object, words: str) -> None:
    project = room.project()
    with pytest.raises(TaskInvalid, match=words):
        room.tasks.checked("lab", project.id, [{"text": "fine"}, one])
    assert room.counts(project) == {}


def test_a_long_import_is_many_transactions_and_counts_all(room: Room) -> None:
    project = room.project(2 * BATCH + 3)
    assert room.counts(project) == {"task": 2 * BATCH + 3}
    page = room.tasks.page("lab", project.id, limit=3, offset=BATCH)
    assert [one.task.inner_id for one in page.tasks] == [BATCH + 1, BATCH + 2, BATCH + 3]


def test_totals_of_a_page_leave_skipped_annotations_out(room: Room) -> None:
    project = room.project(2)
    first, second = room.ids(project)
    room.annotations.add("lab", first, said("good"), ANA)
    room.annotations.add("lab", second, {"result": [], "was_cancelled": True}, ANA)
    page = room.tasks.page("lab", project.id, limit=10)
    assert (page.total, page.annotations) == (2, 1)
    assert [one.task.skipped_count for one in page.tasks] == [0, 1]


def test_removing_tasks_takes_what_was_said_of_them(room: Room) -> None:
    project = room.project(3)
    first, second, third = room.ids(project)
    room.annotations.add("lab", first, said("good", ground_truth=True), ANA)
    room.annotations.predict("lab", second, said("good"))
    assert room.tasks.remove("lab", project.id, [first, second, 10**9]) == 2
    assert room.counts(project) == {"task": 1}
    assert room.ids(project) == [third]
    assert room.annotations.predictions("lab", project_id=project.id) == []
    assert room.tasks.remove("lab", project.id, None) == 1
    assert room.counts(project) == {}


# --- annotations


def test_what_is_said_is_counted_and_finishes_a_task(room: Room) -> None:
    project = room.project(2, maximum_annotations=2)
    task_id, _ = room.ids(project)
    room.annotations.add("lab", task_id, said("good"), ANA)
    assert room.counts(project) == {"task": 2, "annotated": 1, "annotation": 1}
    second, _ = room.annotations.add("lab", task_id, said("bad"), BEN)
    assert room.counts(project) == {"task": 2, "annotated": 1, "annotation": 2, "finished": 1}
    room.annotations.change("lab", second.id, {"was_cancelled": True}, BEN)
    assert room.counts(project) == {"task": 2, "annotated": 1, "annotation": 1, "skipped": 1}
    room.annotations.remove("lab", second.id, BEN)
    assert room.counts(project) == {"task": 2, "annotated": 1, "annotation": 1}
    assert not room.tasks.get("lab", task_id).task.is_labeled


def test_nonsense_is_not_kept(room: Room) -> None:
    project = room.project(1)
    (task_id,) = room.ids(project)
    with pytest.raises(ResultInvalid):
        room.annotations.add("lab", task_id, said("maybe"), ANA)
    with pytest.raises(ResultInvalid):
        room.annotations.predict("lab", task_id, said("maybe"))
    kept, _ = room.annotations.add("lab", task_id, said("good"), ANA)
    with pytest.raises(ResultInvalid):
        room.annotations.change("lab", kept.id, said("maybe"), ANA)
    assert json.loads(room.annotations.get("lab", kept.id).result) == said("good")["result"]


def test_what_is_sent_twice_is_kept_once(room: Room) -> None:
    project = room.project(2)
    task_id, other = room.ids(project)
    sent = said("good", unique_id="mine-1")
    first, is_new = room.annotations.add("lab", task_id, sent, ANA)
    again, is_new_again = room.annotations.add("lab", task_id, sent, ANA)
    assert (is_new, is_new_again, again.id) == (True, False, first.id)
    with pytest.raises(Conflict):
        room.annotations.add("lab", other, sent, ANA)
    assert room.counts(project)["annotation"] == 1


def test_a_task_has_one_ground_truth(room: Room) -> None:
    project = room.project(1)
    (task_id,) = room.ids(project)
    first, _ = room.annotations.add("lab", task_id, said("good", ground_truth=True), ANA)
    room.annotations.add("lab", task_id, said("bad", ground_truth=True), BEN)
    assert room.counts(project)["ground_truth"] == 1
    assert not room.annotations.get("lab", first.id).ground_truth


def test_skipping_is_refused_where_the_project_says_so(room: Room) -> None:
    project = room.project(1, show_skip_button=False)
    (task_id,) = room.ids(project)
    with pytest.raises(SkipRefused):
        room.annotations.add("lab", task_id, {"was_cancelled": True}, ANA)


def test_only_an_owner_saves_in_another_name(room: Room, house: House) -> None:
    project = room.project(1)
    (task_id,) = room.ids(project)
    with pytest.raises(Forbidden):
        room.annotations.add("lab", task_id, said("good", completed_by=BEN.user_id), ANA)
    with pytest.raises(NotFound):
        room.annotations.add("lab", task_id, said("good", completed_by=10**6), OWNER)


def test_drafts_are_ones_own_and_go_with_the_annotation(room: Room) -> None:
    project = room.project(1)
    (task_id,) = room.ids(project)
    draft = room.annotations.save_draft("lab", task_id, said("good"), ANA)
    again = room.annotations.save_draft("lab", task_id, said("bad", lead_time=3.5), ANA)
    assert again.id == draft.id
    with pytest.raises(NotFound):
        room.annotations.draft("lab", draft.id, BEN)
    assert len(room.annotations.drafts("lab", task_id, ANA)) == 1
    kept, _ = room.annotations.add("lab", task_id, said("bad"), ANA, draft_id=draft.id)
    assert kept.draft_created_at == draft.created_at
    assert room.annotations.drafts("lab", task_id, ANA) == []


# --- who labels what next


def test_two_people_never_have_the_same_task(room: Room) -> None:
    project = room.project(2)
    first, second = room.ids(project)
    assert room.queue.next("lab", project.id, ANA) == first
    assert room.queue.next("lab", project.id, BEN) == second
    assert room.queue.next("lab", project.id, ANA) == first  # what one has, one keeps
    assert room.queue.next("lab", project.id, OWNER) is None
    room.annotations.add("lab", first, said("good"), ANA)
    assert room.queue.next("lab", project.id, ANA) is None
    room.queue.release("lab", second, BEN)
    assert room.queue.next("lab", project.id, OWNER) == second


def test_a_lease_ends_by_itself(room: Room, clock: TurnedClock) -> None:
    project = room.project(1)
    (only,) = room.ids(project)
    assert room.queue.next("lab", project.id, ANA) == only
    clock.advance(seconds=LEASE_S - 1)
    assert room.queue.next("lab", project.id, BEN) is None
    room.queue.hold("lab", only, ANA)
    clock.advance(seconds=LEASE_S - 1)
    assert room.queue.next("lab", project.id, BEN) is None
    clock.advance(seconds=1)
    assert room.queue.next("lab", project.id, BEN) == only


def test_several_annotations_a_task_are_as_many_people(room: Room) -> None:
    project = room.project(1, maximum_annotations=2)
    (only,) = room.ids(project)
    assert room.queue.next("lab", project.id, ANA) == only
    assert room.queue.next("lab", project.id, BEN) == only
    assert room.queue.next("lab", project.id, OWNER) is None
    room.annotations.add("lab", only, said("good"), ANA)
    assert room.queue.next("lab", project.id, ANA) is None  # not a second time
    assert room.queue.next("lab", project.id, OWNER) is None  # BEN has it
    room.annotations.add("lab", only, said("good"), BEN)
    assert room.queue.next("lab", project.id, OWNER) is None


@pytest.mark.parametrize(
    ("skip_queue", "again"),
    [
        ("REQUEUE_FOR_ME", (True, True)),
        ("REQUEUE_FOR_OTHERS", (False, True)),
        ("IGNORE_SKIPPED", (False, False)),
    ],
)
def test_what_is_skipped_comes_back_as_the_project_says(
    room: Room, skip_queue: str, again: Sequence[bool]
) -> None:
    project = room.project(1, skip_queue=skip_queue)
    (only,) = room.ids(project)
    room.annotations.add("lab", only, {"was_cancelled": True, "skip_reason": "blurred"}, ANA)
    comes = []
    for who in (ANA, BEN):
        comes.append(room.queue.next("lab", project.id, who) == only)
        room.queue.release("lab", only, who)
    assert tuple(comes) == again


def test_the_least_certain_comes_first(room: Room) -> None:
    project = room.project(4, sampling="Uncertainty sampling")
    ids = room.ids(project)
    for task_id, score in zip(ids, (0.9, 0.2, 0.5), strict=False):
        room.annotations.predict("lab", task_id, said("good", score=score))
    order = []
    while (task_id := room.queue.next("lab", project.id, ANA)) is not None:
        order.append(task_id)
        room.annotations.add("lab", task_id, said("good"), ANA)
    assert order == [ids[1], ids[2], ids[0], ids[3]]


def test_a_random_order_is_one_and_brings_every_task(room: Room) -> None:
    project = room.project(40, sampling="Uniform sampling")
    order = []
    while (task_id := room.queue.next("lab", project.id, ANA)) is not None:
        order.append(task_id)
        room.annotations.add("lab", task_id, said("good"), ANA)
    assert sorted(order) == room.ids(project)
    assert order != sorted(order)


def test_people_who_ask_at_once_get_different_tasks(room: Room) -> None:
    project = room.project(8)
    got: list[int | None] = []
    start = threading.Barrier(8)

    def ask(number: int) -> None:
        start.wait(20)
        got.append(room.queue.next("lab", project.id, person(100 + number)))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one for one in got if one) == room.ids(project)


def test_what_is_done_follows_what_a_task_needs(room: Room) -> None:
    project = room.project(3)
    first, second, _ = room.ids(project)
    room.annotations.add("lab", first, said("good"), ANA)
    room.annotations.add("lab", second, {"result": [], "was_cancelled": True}, ANA)
    assert room.counts(project)["finished"] == 1

    def change(**fields: Any) -> int:
        room.projects.change("lab", project.id, fields, OWNER)
        assert room.counts(project)["annotation"] == 1
        done = [room.tasks.get("lab", one).task for one in (first, second)]
        assert all((one.completed_at is not None) == one.is_labeled for one in done)
        return sum(one.is_labeled for one in done)

    assert change(maximum_annotations=2) == 0
    assert "finished" not in room.counts(project)
    assert room.queue.next("lab", project.id, BEN) == first
    assert change(maximum_annotations=1, skip_queue="IGNORE_SKIPPED") == 2
    assert room.counts(project)["finished"] == 2


def test_a_workspace_with_projects_is_not_removed(house: House, room: Room) -> None:
    actor = Actor("test")
    house.users.set_up("root", "a long password", actor=actor)
    house.workspaces.add("lab", owner=None, actor=actor)
    project = room.project()
    with pytest.raises(Conflict, match="1 labeling project"):
        house.workspaces.remove("lab", actor=actor)
    room.projects.remove("lab", project.id, OWNER)
    house.workspaces.remove("lab", actor=actor)
    assert "lab" not in house.identity.workspaces()
