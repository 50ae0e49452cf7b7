"""What the demo of labels is made of fits its own configurations."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

from sqlalchemy import select

from mlpi.demo import WORKSPACE, State
from mlpi.house import House
from mlpi.labels import demo, given
from mlpi.labels.agreement import percent
from mlpi.labels.config.reading import read_config
from mlpi.labels.models import LabelAnnotation
from mlpi.settings import Settings
from tests.labels_work import ANA, CONFIG, Desk, said


def test_tasks_of_the_demo_fit() -> None:
    texts = list(demo._text_tasks())
    assert len(texts) >= 10
    digits = demo._digit_tasks()
    assert len(digits) == demo.DIGIT_TASKS
    for config, tasks in ((demo._TEXT_CONFIG, texts), (demo._DIGIT_CONFIG, digits)):
        read = read_config(config)
        for one in tasks:
            assert given.task(read, one).predictions
    labels = {
        result["value"]["labels"][0] for one in texts for result in one["predictions"][0]["result"]
    }
    assert labels == {"Person", "Year"}
    right = sum(
        theirs["value"]["rectanglelabels"] == ours["value"]["rectanglelabels"]
        for one in digits[: demo.DIGIT_DONE]
        for theirs, ours in zip(
            one["annotations"][0]["result"], one["predictions"][0]["result"], strict=True
        )
    )
    assert right >= 0.9 * 3 * demo.DIGIT_DONE


def test_a_house_without_it_has_no_demo(house: House) -> None:
    settings = Settings(
        home=house.settings.home, database_url=house.db.url.render_as_string(hide_password=False)
    )
    assert demo.state(settings) is State.ABSENT
    assert demo.remove(settings) == []


def test_some_tasks_are_read_twice_and_not_agreed_on() -> None:
    texts, digits = list(demo._text_tasks()), demo._digit_tasks()
    for tasks in (texts, digits):
        twice = [one["annotations"] for one in tasks if len(one.get("annotations", ())) == 2]
        agreed = [
            percent.of_task([json.dumps(each["result"]) for each in both]) or 0.0 for both in twice
        ]
        assert len(agreed) >= 5
        assert min(agreed) < 0.5 < max(agreed)
    assert sum(len(one.get("annotations", ())) == 2 for one in digits) == demo.DIGIT_TWICE


def test_the_second_reading_is_the_second_readers_and_goes_with_the_rest(house: House) -> None:
    url = house.db.url.render_as_string(hide_password=False)
    settings = Settings(home=house.settings.home, database_url=url)
    desk = Desk.build(house)
    ours = replace(ANA, workspace=WORKSPACE)
    theirs = desk.projects.add(WORKSPACE, {"title": "Theirs", "label_config": CONFIG}, ours)
    made = [
        desk.projects.add(
            WORKSPACE, {"title": title, "label_config": CONFIG, "description": demo.MARK}, ours
        )
        for title in (demo.DIGITS, demo.TEXTS)
    ]
    twice = {"data": {"text": "t"}, "annotations": [said("x"), said("y")]}
    once = {"data": {"text": "t"}, "annotations": [said("x")]}
    for project in (theirs, *made):
        desk.tasks.add(WORKSPACE, project.id, [twice, once], ours)

    demo.finish(settings)

    with house.db.read() as session:
        asked = select(LabelAnnotation.project_id, LabelAnnotation.completed_by_name)
        found = Counter(tuple(row) for row in session.execute(asked))
    expected = {(theirs.id, "ana"): 3}
    for project in made:
        expected |= {(project.id, "ana"): 2, (project.id, demo.READER): 1}
    assert found == expected
    assert demo.state(settings) is State.PARTIAL
    assert demo.remove(settings) == ["1 labeling project"]
    with house.db.read() as session:
        assert set(session.scalars(select(LabelAnnotation.project_id))) == {theirs.id}
