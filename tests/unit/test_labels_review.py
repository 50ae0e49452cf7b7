"""Accept, fix and reject: who may, what becomes of the annotation, and whose turn it is then."""

from __future__ import annotations

import json

import pytest

from mlpi.auth.audit import Actor
from mlpi.errors import Forbidden, Invalid, NotFound
from mlpi.house import House
from mlpi.labels.models import LabelAnnotation
from mlpi.labels.review import view
from tests.conftest import TurnedClock
from tests.labels_work import ANA, CONFIG, EVE, OTTO, Desk, said


@pytest.fixture
def desk(house: House) -> Desk:
    built = Desk.build(house)
    built.members(ANA, EVE, OTTO)
    return built


def review_of(desk: Desk, annotation_id: int) -> str:
    return desk.annotations.get("lab", annotation_id).review


def test_a_reviewer_is_given_what_others_annotated_in_its_order(desk: Desk) -> None:
    project, ids = desk.project(3)
    made = [
        desk.annotations.add("lab", task_id, said("x"), who)[0].id
        for task_id, who in zip(ids, (EVE, ANA, OTTO), strict=True)
    ]

    def next_of(after: int = 0) -> int | None:
        found = desk.reviews.next("lab", project.id, ANA, after=after)
        return found.annotation.id if found else None

    assert next_of() == made[0]
    assert next_of(after=made[0]) == made[2]  # not the one of ana herself
    assert next_of(after=made[2]) == made[0]  # round again
    desk.reviews.judge("lab", made[0], "accepted", ANA)
    assert next_of() == made[2]
    desk.reviews.judge("lab", made[2], "accepted", ANA, comment="  fine ")
    assert next_of() is None
    assert desk.reviews.counts("lab", project.id) == {"accepted": 2, "": 1}
    assert desk.reviews.all("lab", annotation_id=made[2])[0].comment == "fine"


def test_nobody_reviews_their_own_unless_they_are_alone(desk: Desk, house: House) -> None:
    project, (task_id,) = desk.project()
    annotation, _ = desk.annotations.add("lab", task_id, said("x"), EVE)
    with pytest.raises(Forbidden):
        desk.reviews.judge("lab", annotation.id, "accepted", EVE)
    assert desk.reviews.look("lab", project.id, annotation.id, EVE).is_own
    assert review_of(desk, annotation.id) == ""
    for name in ("ana", "otto"):
        house.workspaces.remove_member("lab", name, actor=Actor("test"))
    assert not desk.reviews.look("lab", project.id, annotation.id, EVE).is_own
    desk.reviews.judge("lab", annotation.id, "accepted", EVE)
    assert review_of(desk, annotation.id) == "accepted"


def test_what_is_rejected_comes_back_to_its_annotator_before_anything_new(
    desk: Desk, clock: TurnedClock
) -> None:
    project, (first, second) = desk.project(2)
    assert desk.queue.next("lab", project.id, EVE) == first
    made, _ = desk.annotations.add("lab", first, said("x", ground_truth=True), EVE)
    assert desk.projects.get("lab", project.id).finished_count == 1
    desk.reviews.judge("lab", made.id, "rejected", ANA, comment="it is a y")
    now = desk.projects.get("lab", project.id)
    assert (now.finished_count, now.ground_truth_count, now.annotation_count) == (0, 0, 1)
    assert desk.queue.next("lab", project.id, OTTO) == second  # it is not for others
    assert desk.queue.next("lab", project.id, EVE) == first
    clock.advance(seconds=1)
    desk.annotations.change("lab", made.id, said("y"), EVE)
    assert review_of(desk, made.id) == ""
    assert desk.projects.get("lab", project.id).finished_count == 1
    assert desk.queue.next("lab", project.id, EVE) is None  # otto has the other
    found = desk.reviews.next("lab", project.id, ANA)
    assert found is not None
    assert [one.verdict for one in found.reviews] == ["rejected"]


def test_a_rejected_annotation_that_is_annotated_anew_is_done(desk: Desk) -> None:
    project, (only,) = desk.project()
    made, _ = desk.annotations.add("lab", only, said("x"), EVE)
    desk.reviews.judge("lab", made.id, "rejected", ANA)
    assert desk.queue.next("lab", project.id, EVE) == only
    desk.annotations.add("lab", only, said("y"), EVE)
    assert desk.queue.next("lab", project.id, EVE) is None
    assert desk.tasks.get("lab", only).task.is_labeled


def test_what_somebody_else_changes_is_fixed_by_them(desk: Desk) -> None:
    project, (only,) = desk.project()
    made, _ = desk.annotations.add("lab", only, said("x"), EVE)
    desk.annotations.change("lab", made.id, {"ground_truth": True}, ANA)
    assert review_of(desk, made.id) == ""  # it says what it said
    desk.annotations.change("lab", made.id, said("y"), ANA)
    (review,) = desk.reviews.all("lab", project_id=project.id)
    assert (review.verdict, review.created_by_name) == ("fixed", "ana")
    assert review_of(desk, made.id) == "fixed"
    assert desk.annotations.get("lab", made.id).completed_by_name == "eve"
    desk.annotations.change("lab", made.id, said("x"), EVE)
    assert review_of(desk, made.id) == ""


def test_a_review_that_is_taken_back_leaves_the_one_before_it(desk: Desk) -> None:
    project, (only,) = desk.project()
    made, _ = desk.annotations.add("lab", only, said("x"), EVE)
    desk.reviews.judge("lab", made.id, "accepted", OTTO)
    second = desk.reviews.judge("lab", made.id, "rejected", ANA)
    with pytest.raises(Forbidden):
        desk.reviews.remove("lab", second.id, OTTO)
    desk.reviews.change("lab", second.id, ANA, comment="no")
    assert desk.reviews.get("lab", second.id).comment == "no"
    assert not desk.tasks.get("lab", only).task.is_labeled
    desk.reviews.remove("lab", second.id, ANA)
    assert review_of(desk, made.id) == "accepted"
    assert desk.tasks.get("lab", only).task.is_labeled
    assert len(desk.reviews.all("lab", project_id=project.id)) == 1


def test_what_cannot_be_reviewed_is_refused(desk: Desk) -> None:
    project, (first, second) = desk.project(2)
    made, _ = desk.annotations.add("lab", first, said("x"), EVE)
    skipped, _ = desk.annotations.add("lab", second, {"was_cancelled": True}, EVE)
    with pytest.raises(Invalid):
        desk.reviews.judge("lab", made.id, "perhaps", ANA)
    with pytest.raises(Invalid):
        desk.reviews.judge("lab", made.id, "accepted", ANA, comment="x" * 5001)
    with pytest.raises(Invalid):
        desk.reviews.judge("lab", skipped.id, "accepted", ANA)
    for reach in (
        lambda: desk.reviews.judge("other", made.id, "accepted", ANA),
        lambda: desk.reviews.look("lab", project.id + 1, made.id, ANA),
        lambda: desk.reviews.counts("other", project.id),
        lambda: desk.reviews.next("other", project.id, ANA),
    ):
        with pytest.raises(NotFound):
            reach()
    assert desk.reviews.all("other") == []


def test_a_page_shows_marks_where_they_are(desk: Desk) -> None:
    _, (only,) = desk.project()
    task = desk.tasks.get("lab", only).task
    task.data = json.dumps({"text": "Ana sees Eve", "picture": "/data/upload/x.png"})
    config = """<View><Text name="it" value="$text"/><Image name="pic" value="$picture"/>
    <Labels name="s" toName="it"><Label value="A"/><Label value="B"/></Labels>
    <RectangleLabels name="b" toName="pic"><Label value="A"/></RectangleLabels></View>"""

    def span(start: int, end: int, label: str) -> dict[str, object]:
        about = {"from_name": "s", "to_name": "it", "type": "labels"}
        return {**about, "value": {"start": start, "end": end, "labels": [label]}}

    box = {"x": 10, "y": 20, "width": 30, "height": 40, "rectanglelabels": ["A"]}
    about = {"from_name": "b", "to_name": "pic", "type": "rectanglelabels"}
    results = [span(0, 8, "A"), span(4, 12, "B"), {**about, "value": box}]
    found = view.said(config, task, LabelAnnotation(result=json.dumps(results)))
    text, picture = found.shown
    assert [(one.text, one.labels, one.colour) for one in text.pieces] == [
        ("Ana ", "A", 1),
        ("sees", "A + B", 2),
        (" Eve", "B", 2),
    ]
    assert picture.src == "/data/upload/x.png"
    assert picture.shapes[0].points == "10.00,20.00 40.00,20.00 40.00,60.00 10.00,60.00"
    assert found.answers == [("s", "2 places"), ("b", "1 place")]
    task.data = json.dumps({"text": "x", "picture": "//elsewhere/x.png"})
    assert view.said(config, task, LabelAnnotation(result="[]")).shown[1].src == ""


def test_what_differs_is_told_side_by_side(desk: Desk) -> None:
    _, (only,) = desk.project()
    for who, word in ((ANA, "x"), (EVE, "y")):
        desk.annotations.add("lab", only, said(word), who)
    whole = desk.tasks.get("lab", only)
    both = view.side_by_side(CONFIG, whole.task, whole.annotations)
    assert [one.answers for one in both] == [[("c", "x")], [("c", "y")]]
    assert both[0].differs == {"c"}
