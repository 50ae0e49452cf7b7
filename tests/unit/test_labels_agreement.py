"""How far annotations agree, against scikit-learn, a published example, and by its properties."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sklearn.metrics import cohen_kappa_score

from mlpi.auth.roles import Principal, Role
from mlpi.house import House
from mlpi.labels.agreement import kappa, percent, polygons
from mlpi.labels.agreement.figures import Agreement
from mlpi.labels.annotations import Annotations
from mlpi.labels.projects import Projects
from mlpi.labels.tasks import Tasks

Result = dict[str, Any]


def result(name: str, kind: str, labels: object, **value: Any) -> Result:
    about = {"from_name": name, "to_name": "it", "type": kind}
    return {**about, "value": {**value, kind: labels}}


def choice(*words: str) -> Result:
    return result("c", "choices", list(words))


def box(
    x: float, y: float, width: float, height: float, turn: float = 0, label: str = "a"
) -> Result:
    where = {"x": x, "y": y, "width": width, "height": height, "rotation": turn}
    return result("b", "rectanglelabels", [label], **where)


def span(start: int, end: int, label: str = "a") -> Result:
    return result("s", "labels", [label], start=start, end=end)


def polygon(*points: tuple[float, float], label: str = "a") -> Result:
    return result("p", "polygonlabels", [label], points=[list(one) for one in points])


def agreement(*said: list[Result]) -> float | None:
    return percent.of_task([json.dumps(one) for one in said])


# --- percent


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([choice("x")], [choice("x")], 1),
        ([choice("x")], [choice("y")], 0),
        ([choice("x", "y")], [choice("y", "x")], 1),
        ([choice("x")], [], 0),
        ([], [], 1),
        ([result("r", "rating", 3)], [result("r", "rating", 3)], 1),
        ([result("r", "rating", 3)], [result("r", "rating", 4)], 0),
        ([result("t", "taxonomy", [["a", "b"]])], [result("t", "taxonomy", [["a", "c"]])], 0),
        ([choice("x"), span(0, 4)], [choice("y"), span(0, 4)], 0.5),
        ([span(0, 10)], [span(5, 15)], 5 / 15),
        ([span(0, 10)], [span(0, 10, "b")], 0),
        ([span(0, 10)], [span(0, 10), span(20, 30)], 2 / 3),
        ([box(0, 0, 10, 10)], [box(5, 0, 10, 10)], 1 / 3),
        ([box(0, 0, 10, 10)], [box(20, 20, 10, 10)], 0),
        # A square turned by 45 degrees about its corner: what two such share is a kite.
        ([box(0, 0, 2, 2, 90)], [box(-2, 0, 2, 2)], 1),
        ([polygon((0, 0), (4, 0), (0, 4))], [polygon((0, 0), (4, 0), (4, 4), (0, 4))], 0.5),
        ([polygon((0, 0), (4, 0), (4, 4), (0, 4))], [box(0, 0, 4, 4)], 0),  # another control
    ],
)
def test_two_annotations_agree_so_far(
    one: list[Result], other: list[Result], expected: float
) -> None:
    assert agreement(one, other) == pytest.approx(expected)
    assert agreement(other, one) == pytest.approx(expected)


def test_a_turned_box_is_compared_in_pixels() -> None:
    """In a picture twice as wide as high, a box of 10 x 20 % turned upright is 20 x 10 %."""
    pixels = {"original_width": 200, "original_height": 100}
    turned = {**box(50, 50, 10, 20, 90), **pixels}  # 20 x 20 pixels: a square
    upright = {**box(40, 50, 10, 20), **pixels}
    assert agreement([turned], [upright]) == pytest.approx(1)


def test_points_agree_by_their_distance() -> None:
    def point(x: float) -> Result:
        return result("k", "keypointlabels", ["a"], x=x, y=50, width=1)

    reach = 0.1 * math.hypot(100, 100)
    assert agreement([point(50)], [point(50)]) == 1
    assert agreement([point(50)], [point(50 + reach / 2)]) == pytest.approx(0.5)
    assert agreement([point(50)], [point(50 + reach)]) == pytest.approx(0)


def test_spans_in_paragraphs_agree_where_they_lie_in_the_same() -> None:
    def said(where: str, start: int, end: int) -> Result:
        offsets = {"startOffset": start, "endOffset": end}
        return result("g", "paragraphlabels", ["a"], start=where, end=where, **offsets)

    assert agreement([said("1", 0, 10)], [said("1", 0, 5)]) == pytest.approx(0.5)
    assert agreement([said("1", 0, 10)], [said("2", 0, 10)]) == 0


def test_a_task_of_several_is_the_mean_of_its_pairs() -> None:
    assert agreement([choice("x")]) is None
    assert agreement([choice("x")], [choice("x")], [choice("y")]) == pytest.approx(1 / 3)


def some_results(seed: int) -> list[Result]:
    random.seed(seed)

    def number(most: float) -> float:
        return random.random() * most

    makers: list[Callable[[], Result]] = [
        lambda: box(
            number(50), number(50), 1 + number(40), 1 + number(40), number(360), "ab"[seed % 2]
        ),
        lambda: polygon(*((number(100), number(100)) for _ in range(random.randrange(3, 9)))),
        lambda: span(start := random.randrange(50), start + 1 + random.randrange(30)),
        lambda: result(
            "e",
            "ellipselabels",
            ["a"],
            x=number(99),
            y=number(99),
            radiusX=1 + number(9),
            radiusY=1 + number(9),
            rotation=number(360),
        ),
        lambda: choice(random.choice("xyz")),
    ]
    return [random.choice(makers)() for _ in range(random.randrange(6))]


@pytest.mark.parametrize("seed", range(60))
def test_agreement_is_the_same_both_ways_between_0_and_1_and_1_with_oneself(seed: int) -> None:
    one, other = some_results(seed), some_results(seed + 1000)
    both = agreement(one, other)
    assert both is not None
    assert 0 <= both <= 1
    assert agreement(other, one) == pytest.approx(both)
    said = percent.read(one)
    assert percent.pair(said, said) == pytest.approx(1)
    # What is not the very same object, in another order, is the same all the same.
    assert agreement(one, one[::-1]) == pytest.approx(1)


def test_areas_are_exact() -> None:
    square = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0))
    bow = ((0.0, 0.0), (4.0, 0.0), (0.0, 4.0), (4.0, 4.0))  # two triangles that meet
    hook = ((0.0, 0.0), (4.0, 0.0), (4.0, 1.0), (1.0, 1.0), (1.0, 4.0), (0.0, 4.0))
    assert polygons.area(square) == pytest.approx(16)
    assert polygons.area(bow) == pytest.approx(8)
    assert polygons.area(hook) == polygons.shared(hook, square) == pytest.approx(7)
    assert polygons.shared(hook, bow) == pytest.approx(2.0 + 1.5)
    assert polygons.area(polygons.ellipse(3, 3, 2, 1, 30)) == pytest.approx(2 * math.pi)
    turned = polygons.turned_box(0, 0, 2 * math.sqrt(2), 2 * math.sqrt(2), 45)
    assert polygons.shared(turned, square) == pytest.approx(8 / 2)


def test_shared_areas_are_those_that_thrown_points_find() -> None:
    random.seed(7)
    one = tuple((random.random(), random.random()) for _ in range(7))
    other = tuple((random.random(), random.random()) for _ in range(6))

    def is_in(x: float, y: float, outline: polygons.Polygon) -> bool:
        inside = False
        for (ax, ay), (bx, by) in zip(outline, outline[1:] + outline[:1], strict=True):
            if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
                inside = not inside
        return inside

    thrown = [(random.random(), random.random()) for _ in range(40_000)]
    hits = sum(is_in(x, y, one) and is_in(x, y, other) for x, y in thrown)
    assert polygons.shared(one, other) == pytest.approx(hits / len(thrown), abs=0.01)


def test_very_many_places_are_still_compared_in_bounds() -> None:
    many = [box(number % 100, number // 100 % 100, 1, 1) for number in range(3000)]
    assert agreement(many, many[::-1]) == 1
    moved = [box(90, 90, 1, 1), *many[1:]]
    assert agreement(many, moved) == 0  # too many to match: the same, or not


# --- kappa

# J. L. Fleiss, 1971, as worked through in https://en.wikipedia.org/wiki/Fleiss'_kappa: ten
# subjects, five categories, fourteen raters; 0.210.
PUBLISHED = [
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
]  # fmt: skip


def test_fleiss_kappa_is_the_published_one() -> None:
    questions = [dict(enumerate(row)) for row in PUBLISHED]
    assert kappa.fleiss(questions) == pytest.approx(0.20993, abs=1e-5)


def test_fleiss_kappa_by_hand_where_answers_are_missing() -> None:
    """Questions {a: 2}, {a: 1, b: 1}, {b: 2}, {b: 1}. P = (1 + 0 + 1) / 3 = 2/3; the shares of a
    are (1 + 1/2 + 0 + 0) / 4 = 3/8 and of b 5/8: P_e = 34/64. (2/3 - 17/32) / (15/32) = 13/45."""
    questions = [{"a": 2}, {"a": 1, "b": 1}, {"b": 2}, {"b": 1}]
    assert kappa.fleiss(questions) == pytest.approx(13 / 45)
    assert kappa.fleiss([{"a": 1}, {"b": 1}]) is None
    assert kappa.fleiss([{"a": 3}, {"a": 3}]) is None


@pytest.mark.parametrize("seed", range(20))
def test_cohens_kappa_is_that_of_scikit_learn(seed: int) -> None:
    random.seed(seed)
    first = [random.choice("abc") for _ in range(30)]
    second = [one if random.random() < 0.6 else random.choice("abcd") for one in first]
    assert kappa.cohen(first, second) == pytest.approx(cohen_kappa_score(first, second))


def test_kappa_has_no_value_where_chance_alone_agrees() -> None:
    assert kappa.cohen([], []) is None
    assert kappa.cohen(["a", "a"], ["a", "a"]) is None
    assert kappa.cohen(["a", "b"], ["a", "b"]) == 1
    assert [kappa.words(one) for one in (-0.1, 0, 0.2, 0.3, 0.5, 0.7, 0.9)] == [
        *("poor", "slight", "slight", "fair", "moderate", "substantial", "almost perfect"),
    ]


# --- kept with the tasks

CONFIG = """<View><Text name="it" value="$text"/><Choices name="c" toName="it">
<Choice value="x"/><Choice value="y"/></Choices></View>"""


def person(number: int, name: str) -> Principal:
    return Principal(number, name, False, {"lab": Role.OWNER}, "lab")


ANA, EVE, OTTO = person(1, "ana"), person(2, "eve"), person(3, "otto")


def test_agreement_is_right_after_every_change(house: House) -> None:
    projects, tasks = Projects(house.db, house.audit, house.clock), Tasks(house.db, house.clock)
    annotations = Annotations(house.db, house.clock)
    given = {"title": "Texts", "label_config": CONFIG, "maximum_annotations": 3}
    project = projects.add("lab", given, ANA)
    added = tasks.add("lab", project.id, [{"text": "one"}], ANA, keeps_ids=True)
    (task_id,) = added.task_ids

    def now() -> float | None:
        return tasks.get("lab", task_id).task.agreement

    annotations.add("lab", task_id, {"result": [choice("x")]}, ANA)
    assert now() is None
    second, _ = annotations.add("lab", task_id, {"result": [choice("y")]}, EVE)
    assert now() == 0
    annotations.change("lab", second.id, {"result": [choice("x")]}, EVE)
    assert now() == 1
    third, _ = annotations.add("lab", task_id, {"result": [choice("y")]}, OTTO)
    assert now() == pytest.approx(1 / 3)
    annotations.predict("lab", task_id, {"result": [choice("y")]})
    assert now() == pytest.approx(1 / 3)
    annotations.change("lab", third.id, {"was_cancelled": True}, OTTO)
    assert now() == 1
    annotations.remove("lab", second.id, EVE)
    assert now() is None


def test_a_project_tells_kappa_and_who_agrees_with_whom(house: House) -> None:
    projects, tasks = Projects(house.db, house.audit, house.clock), Tasks(house.db, house.clock)
    annotations, figures = Annotations(house.db, house.clock), Agreement(house.db, house.clock)
    project = projects.add("lab", {"title": "Texts", "label_config": CONFIG}, ANA)
    assert figures.figures("lab", project.id).mean is None
    texts = [{"text": str(number)} for number in range(12)]
    ids = tasks.add("lab", project.id, texts, ANA, keeps_ids=True).task_ids
    firsts, seconds = "xyxyxyxyxyxy", "xyxyxyyyxyxx"
    for task_id, one, other in zip(ids, firsts, seconds, strict=True):
        annotations.add("lab", task_id, {"result": [choice(one)]}, ANA)
        annotations.add("lab", task_id, {"result": [choice(other)]}, EVE)
    found = figures.figures("lab", project.id)
    (question,) = found.questions
    assert question.measure == "Cohen"
    assert question.kappa == pytest.approx(cohen_kappa_score(list(firsts), list(seconds)))
    assert found.mean == pytest.approx(10 / 12)
    assert found.rated == 12
    assert found.people == [(1, "ana"), (2, "eve")]
    ((pair, (same, shared)),) = found.matrix.items()
    assert (pair, shared) == ((1, 2), 12)
    assert same == pytest.approx(10 / 12)
    assert figures.figures("lab", project.id) is found
    annotations.add("lab", ids[6], {"result": [choice("x")]}, OTTO)
    many = figures.figures("lab", project.id)
    assert many.questions[0].measure == "Fleiss"
    expected = kappa.fleiss(
        [
            Counter([one, other, *("x" if number == 6 else "")])
            for number, (one, other) in enumerate(zip(firsts, seconds, strict=True))
        ]
    )
    assert many.questions[0].kappa == pytest.approx(expected)
    conflicts, total = figures.conflicts("lab", project.id, below=0.5, limit=1)
    assert total == 2
    assert [one.completed_by_name for one in conflicts[0].annotations] == ["ana", "eve"]
    assert conflicts[0].task.id == ids[11]
    assert figures.conflict_count("lab", project.id, below=0.5) == 2
