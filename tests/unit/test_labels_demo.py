"""What the demo of labels is made of fits its own configurations."""

from __future__ import annotations

from mlpi.demo import State
from mlpi.house import House
from mlpi.labels import demo, given
from mlpi.labels.config.config import read_config
from mlpi.settings import Settings


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
