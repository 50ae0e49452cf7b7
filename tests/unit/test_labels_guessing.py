"""Predictions by models: plans, answers, what is kept, what is accepted; on both databases."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlpi.auth.roles import Principal, Role
from mlpi.checks.component import Checks
from mlpi.errors import Conflict, Invalid, NotFound
from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.jobs.context import JobContext, JobFailed
from mlpi.labels import tally
from mlpi.labels.config.reading import read_config
from mlpi.labels.guessing import work
from mlpi.labels.guessing.answers import Unfit, guess
from mlpi.labels.guessing.backends import PREDICT_JOB
from mlpi.labels.guessing.inputs import input_of
from mlpi.labels.guessing.plan import Plan, proposed, read_plan
from mlpi.labels.guessing.remote import checked_url
from mlpi.labels.guessing.sums import agreeing
from mlpi.labels.models import LabelBackend
from mlpi.labels.results import check_results
from mlpi.labels.room import Room

ANA = Principal(1, "ana", False, {"lab": Role.EDITOR}, "lab")
EVE = Principal(2, "eve", False, {"lab": Role.EDITOR}, "lab")
CHOICES = """<View><Text name="t" value="$text"/><Choices name="c" toName="t">
<Choice value="good"/><Choice value="bad"/></Choices></View>"""
MANY = CHOICES.replace('toName="t"', 'toName="t" choice="multiple"')
SPANS = """<View><Labels name="l" toName="t"><Label value="PER"/><Label value="LOC"/></Labels>
<Text name="t" value="$text"/></View>"""
BOXES = """<View><Image name="i" value="$image"/><RectangleLabels name="b" toName="i">
<Label value="cat"/><Label value="dog"/></RectangleLabels></View>"""
TEXTAREA = '<View><Text name="t" value="$text"/><TextArea name="a" toName="t"/></View>'
RATING = '<View><Text name="t" value="$text"/><Rating name="r" toName="t"/></View>'
NUMBER = '<View><Text name="t" value="$text"/><Number name="n" toName="t"/></View>'
DATA = {"text": "Ana lives in Rome", "image": "data:,"}


def said(config: str, answer: Any, **how: Any) -> tuple[list[dict[str, Any]], float | None]:
    """The results' values; every one of them has been checked."""
    read = read_config(config)
    control = next(iter(read.controls.values()))
    made = guess(read, control, answer, data=DATA, **how)
    check_results(read, made.results, DATA)
    return [one["value"] for one in made.results], made.score


# --- answers


@pytest.mark.parametrize(
    ("config", "answer", "value", "score"),
    [
        (CHOICES, "good", {"choices": ["good"]}, None),
        (CHOICES, "GOOD", {"choices": ["good"]}, None),
        (CHOICES, 1, {"choices": ["bad"]}, None),
        (CHOICES, 1.0, {"choices": ["bad"]}, None),
        (CHOICES, {"label": "bad", "score": 0.7}, {"choices": ["bad"]}, 0.7),
        (CHOICES, [{"label": "bad", "score": 0.9}, {"label": "good"}], {"choices": ["bad"]}, 0.9),
        (MANY, ["bad", "good", "bad"], {"choices": ["bad", "good"]}, None),
        (SPANS, [[0, 3, "PER"]], {"start": 0, "end": 3, "labels": ["PER"], "text": "Ana"}, None),
        (
            SPANS,
            [{"start": 13, "end": 17, "entity_group": "LOC", "score": 0.5}],
            {"start": 13, "end": 17, "labels": ["LOC"], "text": "Rome"},
            0.5,
        ),
        (
            SPANS,
            "PER",
            {"start": 0, "end": 17, "labels": ["PER"], "text": "Ana lives in Rome"},
            None,
        ),
        (TEXTAREA, "a summary", {"text": ["a summary"]}, None),
        (TEXTAREA, {"text": "x", "score": 0.25}, {"text": ["x"]}, 0.25),
        (RATING, 3.6, {"rating": 4}, None),
        (NUMBER, 2.5, {"number": 2.5}, None),
    ],
)
def test_answers_become_results(
    config: str, answer: Any, value: dict[str, Any], score: float | None
) -> None:
    assert said(config, answer) == ([value], score)


def test_boxes_in_pixels_become_percent() -> None:
    answer = {"boxes": [[10, 20, 60, 120]], "labels": [1], "scores": [0.8]}
    (value,), score = said(BOXES, answer, size=(100, 200))
    assert value == {
        "x": 10,
        "y": 10,
        "width": 50,
        "height": 50,
        "rotation": 0,
        "rectanglelabels": ["dog"],
    }
    assert score == 0.8


def test_a_class_alone_is_a_box_of_the_whole_picture() -> None:
    (value,), _ = said(BOXES, "cat", size=(8, 8))
    assert (value["x"], value["y"], value["width"], value["height"]) == (0, 0, 100, 100)


def test_results_of_label_studio_pass_with_an_id() -> None:
    one = {"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["good"]}}
    read = read_config(CHOICES)
    made = guess(read, read.controls["c"], {"result": [one], "score": 0.4}, data=DATA)
    assert made.score == 0.4
    assert {**made.results[0], "id": None} == {**one, "id": None}
    assert made.results[0]["id"]


@pytest.mark.parametrize(
    ("config", "answer"),
    [
        (CHOICES, "ugly"),
        (CHOICES, 7),
        (CHOICES, []),
        (CHOICES, {"no": "label"}),
        (SPANS, [[0, 3]]),
        (SPANS, [{"start": "x", "end": 1, "label": "PER"}]),
        (BOXES, [{"x": float("nan"), "y": 0, "width": 1, "height": 1, "label": "cat"}]),
        (BOXES, {"boxes": [[0, 0, 1, 1]], "labels": []}),
        (BOXES, {"boxes": [[0, 0, 1, 1]], "labels": ["cat"]}),
        (NUMBER, "many"),
    ],
)
def test_answers_that_fit_nothing_are_said_to(config: str, answer: Any) -> None:
    with pytest.raises(Unfit):
        said(config, answer)


# --- plans and inputs


def test_a_plan_is_proposed_from_the_configuration() -> None:
    assert proposed(read_config(CHOICES)) == Plan("text", "text", "c")
    assert proposed(read_config(BOXES)) == Plan("image", "image", "b")
    assert read_plan(read_config(BOXES), {"width": "8", "mode": "L", "top": 16}).width == 8


@pytest.mark.parametrize(
    "wrong",
    [{"control": "x"}, {"kind": "sound"}, {"width": -1}, {"top": 0}, {"mode": "CMYK"}],
)
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        read_plan(read_config(CHOICES), wrong)
    assert caught.value.field in wrong


def test_a_picture_becomes_an_array_of_the_plans_size(tmp_path: Path) -> None:
    from PIL import Image

    drawn = Image.new("L", (4, 2), 255)
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG")
    plan = Plan("image", "image", "b", width=8, height=8, mode="L", top=16)
    uri = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    array, size = input_of(plan, {"image": uri}, lambda _: None)
    assert (array.shape, array.max(), size) == ((8, 8), 16, (4, 2))
    stored = tmp_path / "one.png"
    stored.write_bytes(buffer.getvalue())
    again, _ = input_of(plan, {"image": "/data/upload/1/one.png"}, lambda _: stored)
    assert (again == array).all()
    for address in ("https://elsewhere.test/a.png", "data:image/png;base64,!!", "data:,no"):
        with pytest.raises(Unfit):
            input_of(plan, {"image": address}, lambda _: None)


@pytest.mark.parametrize(
    "text", ["", "ftp://a", "http://", "http://u:p@a", "http://a b", "http://a/?x=1", "http://[a"]
)
def test_an_address_of_no_backend_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        checked_url(text)


def test_agreement_is_of_answers_about_the_whole() -> None:
    def choice(*names: str) -> dict[str, Any]:
        return {"from_name": "c", "type": "choices", "value": {"choices": list(names)}}

    box = {"from_name": "b", "type": "rectanglelabels", "value": {}}
    assert agreeing([choice("a", "b"), box], [choice("b", "a"), box]) == (1, 1)
    assert agreeing([choice("a")], [choice("b")]) == (0, 1)
    assert agreeing([box], [box]) == (0, 0)


# --- what is kept


@pytest.fixture
def room(house: House) -> Iterator[Room]:
    jobs = JobsRoom(house)
    built = Room.build(house, jobs, Checks(house, jobs))
    for kind in built.backends.kinds:
        jobs.kinds.add(kind)
    yield built
    built.registry.close()


def backend(house: House, room: Room, project_id: int) -> LabelBackend:
    """A model of MLflow that was chosen once, as the database has it."""
    now = house.clock()
    plan = Plan("text", "text", "c").plain()
    made = LabelBackend(
        project_id=project_id,
        kind="mlflow",
        title="mood version 1",
        source="models:/mood/1",
        options={"version": "mood/1", "plan": plan},
        created_at=now,
        updated_at=now,
    )
    with house.db.write() as session:
        session.add(made)
    return made


def project(room: Room, count: int, config: str = CHOICES) -> int:
    made = room.projects.add("lab", {"title": "Moods", "label_config": config}, ANA)
    texts = [{"text": f"text {number}", "image": "x"} for number in range(count)]
    room.tasks.add("lab", made.id, texts, ANA)
    return made.id


class Echo:
    """Stands for a loaded model: "bad" for texts with an odd number, "ugly" for the 4th."""

    asked: list[str] = []  # noqa: RUF012 - of the class, for the worker makes its own

    def __init__(self, *_: str) -> None:
        self.asked.clear()

    def answers(self, inputs: list[str], kind: str) -> list[tuple[Any, float | None]]:
        assert kind == "text"
        self.asked.extend(inputs)
        numbers = [int(one.split()[1]) for one in inputs]
        return [("ugly" if n == 4 else "bad" if n % 2 else "good", 0.75) for n in numbers]


def run(house: House, project_id: int, monkeypatch: pytest.MonkeyPatch, **params: Any) -> Any:
    """Run the job's function here, with a model that needs no MLflow."""
    from mlpi.labels.guessing import loading

    monkeypatch.setattr(loading, "Model", Echo)
    told: list[Any] = []
    context = JobContext(1, "lab", house.settings.home, 1, told.append)
    given = {
        "database": house.db.url.render_as_string(hide_password=False),
        "kind": "mlflow",
        "title": "mood",
        "version": "mood/1",
        "project": project_id,
        "task_ids": None,
        "replaces": False,
        "plan": Plan("text", "text", "c").plain(),
        "artifacts": "",
        "path": "",
        **params,
    }
    return work.predict(context, given)


def test_a_run_stores_what_fits_and_tells_what_does_not(
    house: House, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(room, 6)
    found = run(house, one, monkeypatch)
    assert (found["predictions"], found["refused"]) == (5, 1)
    assert found["told"] == [
        {"task": found["told"][0]["task"], "reason": "'ugly' is no label of c"}
    ]
    kept = room.annotations.predictions("lab", project_id=one)
    assert [json.loads(each.result)[0]["value"]["choices"] for each in kept] == [
        ["good"],
        ["bad"],
        ["good"],
        ["bad"],
        ["bad"],
    ]
    assert {(each.model_version, each.score) for each in kept} == {("mood/1", 0.75)}
    assert room.projects.get("lab", one).prediction_count == 5
    page = room.tasks.page("lab", one, limit=10)
    assert [each.task.prediction_score for each in page.tasks] == [0.75] * 4 + [None, 0.75]


def test_a_run_leaves_the_agreement_of_people_as_it_was_counted(
    house: House, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(room, 2)
    task_id = room.tasks.page("lab", one, limit=1).tasks[0].task.id
    for word in ("good", "bad"):
        about = {"from_name": "c", "to_name": "t", "type": "choices"}
        result = [{**about, "value": {"choices": [word]}}]
        room.annotations.add("lab", task_id, {"result": result}, ANA)
    before = room.tasks.get("lab", task_id).task.agreement
    asked: list[int] = []
    monkeypatch.setattr(tally, "_agreement_of", lambda _, task, __: asked.append(task))
    assert run(house, one, monkeypatch)["predictions"] == 2
    room.annotations.add("lab", task_id + 1, {"result": []}, ANA)
    assert asked == [task_id + 1]
    after = room.tasks.get("lab", task_id).task
    assert (after.agreement, after.prediction_count) == (before, 1)
    assert before is not None


def test_a_run_asks_only_about_what_its_version_has_not_seen(
    house: House, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(room, 3)
    run(house, one, monkeypatch)
    room.tasks.add("lab", one, [{"text": "text 7"}], ANA)
    run(house, one, monkeypatch)
    assert Echo.asked == ["text 7"]
    run(house, one, monkeypatch, version="mood/2")
    assert len(Echo.asked) == 4
    assert room.projects.get("lab", one).prediction_count == 8
    run(house, one, monkeypatch, replaces=True)
    assert len(Echo.asked) == 4
    assert room.projects.get("lab", one).prediction_count == 8


def test_a_run_goes_on_where_it_was(
    house: House, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(room, 4)
    ids = [each.task.id for each in room.tasks.page("lab", one, limit=10).tasks]
    found = run(house, one, monkeypatch, position=ids[1], predictions=2)
    assert Echo.asked == ["text 2", "text 3"]
    assert found["predictions"] == 4


def test_a_run_of_some_tasks_leaves_the_others(
    house: House, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = project(room, 4), project(room, 1)
    ids = [each.task.id for each in room.tasks.page("lab", one, limit=10).tasks]
    strange = room.tasks.page("lab", other, limit=1).tasks[0].task.id
    found = run(house, one, monkeypatch, task_ids=[ids[3], ids[1], strange])
    assert Echo.asked == ["text 1", "text 3"]
    assert found["predictions"] == 2
    assert room.projects.get("lab", other).prediction_count == 0


def test_a_run_of_another_workspaces_project_fails(
    house: House, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = room.projects.add("other", {"title": "Theirs", "label_config": CHOICES}, ANA)
    with pytest.raises(JobFailed, match="no labeling project"):
        run(house, made.id, monkeypatch)


# --- backends


def test_one_run_at_a_time(house: House, room: Room) -> None:
    one = project(room, 2)
    with pytest.raises(Invalid, match="has no model"):
        room.backends.start("lab", one, None, ANA)
    kept = backend(house, room, one)
    job_id = room.backends.start("lab", one, None, ANA)
    assert room.backends.job("lab", one, job_id).kind == PREDICT_JOB
    with pytest.raises(Conflict, match="predicting already"):
        room.backends.start("lab", one, [1], ANA)
    with pytest.raises(NotFound):
        room.backends.start("lab", one, None, ANA, backend_id=kept.id + 1)
    with pytest.raises(NotFound):
        room.backends.job("lab", one + 1, job_id)


def test_models_are_of_their_workspace_alone(house: House, room: Room) -> None:
    one = project(room, 1)
    kept = backend(house, room, one)
    for reach in (
        lambda: room.backends.of("other", one),
        lambda: room.backends.get("other", kept.id),
        lambda: room.backends.remove("other", kept.id, ANA),
        lambda: room.backends.start("other", one, None, ANA),
        lambda: room.backends.sample("other", one),
        lambda: room.versions.of("other", one),
    ):
        with pytest.raises(NotFound):
            reach()
    room.backends.remove("lab", kept.id, ANA)
    assert room.backends.of("lab", one) == []


# --- accepted


def predicted(room: Room, count: int) -> tuple[int, list[int]]:
    one = project(room, count)
    result = [{"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["good"]}}]
    ids = [each.task.id for each in room.tasks.page("lab", one, limit=1000).tasks]
    sent = {"result": result, "model_version": "v1", "score": 0.5}
    return one, [room.annotations.predict("lab", task_id, sent).id for task_id in ids]


def test_predictions_become_annotations_once(room: Room) -> None:
    one, ids = predicted(room, 3)
    made = room.annotations.accept("lab", one, ids[:2], ANA)
    assert (made.annotations, made.known) == (2, 0)
    assert room.events.counts["ANNOTATIONS_CREATED"] == 1  # webhooks hear of it
    again = room.annotations.accept("lab", one, [*ids, 10**6], EVE)
    assert (again.annotations, again.known) == (1, 2)
    kept = room.projects.get("lab", one)
    assert (kept.annotation_count, kept.finished_count) == (3, 3)
    task = room.tasks.page("lab", one, limit=1).tasks[0]
    assert task.annotations[0].parent_prediction_id == ids[0]
    assert task.annotations[0].completed_by_name == "ana"
    (version,) = room.versions.of("lab", one)
    assert (version.predictions, version.mean_score) == (3, 0.5)
    assert (version.right, version.compared, version.accuracy) == (3, 3, 1.0)


def test_predictions_of_an_older_configuration_are_not_accepted(room: Room) -> None:
    one, ids = predicted(room, 1)
    room.projects.change("lab", one, {"label_config": CHOICES.replace("good", "fine")}, ANA)
    made = room.annotations.accept("lab", one, ids, ANA)
    assert (made.annotations, made.unfit) == (0, 1)
    with pytest.raises(NotFound):
        room.annotations.accept("other", one, ids, ANA)


def test_one_person_accepts_one_prediction_of_a_task(room: Room) -> None:
    one, ids = predicted(room, 1)
    room.projects.change("lab", one, {"maximum_annotations": 2}, ANA)
    task_id = room.tasks.page("lab", one, limit=1).tasks[0].task.id
    sent = json.loads(room.annotations.prediction("lab", ids[0]).result)
    newer = room.annotations.predict("lab", task_id, {"result": sent, "model_version": "v2"}).id
    made = room.annotations.accept("lab", one, [ids[0], newer], ANA)
    assert (made.annotations, made.known) == (1, 1)
    assert room.annotations.of_task("lab", task_id)[0].parent_prediction_id == newer
    assert room.annotations.accept("lab", one, ids, EVE).annotations == 1
