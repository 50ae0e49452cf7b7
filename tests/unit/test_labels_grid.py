"""The data manager's filters, orders, pages, views and deeds; on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from mlpi.auth.audit import Actor
from mlpi.auth.roles import Principal, Role
from mlpi.checks.component import Checks
from mlpi.errors import Conflict, Forbidden, Invalid, NotFound
from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.labels.adding import BATCH
from mlpi.labels.grid import ordering, regex
from mlpi.labels.grid.filters import (
    OPERATORS,
    Filters,
    Order,
    Selection,
    read_filters,
    read_order,
    read_selection,
    sent,
)
from mlpi.labels.grid.kept import Lists, Part
from mlpi.labels.grid.look import read_look
from mlpi.labels.grid.regex import RegexUnfit
from mlpi.labels.grid.views import asked_by, told
from mlpi.labels.models import LabelProject
from mlpi.labels.room import Room
from mlpi.labels.tasks import Whole
from tests.conftest import TurnedClock

CONFIG = """<View><Text name="t" value="$text"/><Choices name="c" toName="t" choice="multiple">
<Choice value="good"/><Choice value="bad"/><Choice value="so so"/></Choices>
<TextArea name="why" toName="t"/></View>"""
SLOW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def person(number: int, name: str, role: Role = Role.EDITOR) -> Principal:
    return Principal(number, name, False, {"lab": role}, "lab")


ANA, EVE, OTTO = person(1, "ana"), person(2, "eve"), person(3, "otto", Role.OWNER)


def said(*choices: str, why: str = "", **more: Any) -> dict[str, Any]:
    result: list[dict[str, Any]] = []
    if choices:
        value: dict[str, Any] = {"choices": list(choices)}
        result.append({"from_name": "c", "to_name": "t", "type": "choices", "value": value})
    if why:
        value = {"text": [why]}
        result.append({"from_name": "why", "to_name": "t", "type": "textarea", "value": value})
    return {"result": result, **more}


def one(name: str, operator: str, value: Any, kind: str = "String") -> dict[str, Any]:
    return {"filter": f"filter:tasks:{name}", "operator": operator, "type": kind, "value": value}


def filters(*items: Mapping[str, Any], how: str = "and") -> Filters:
    return read_filters({"conjunction": how, "items": list(items)})


@dataclass
class Desk:
    room: Room

    def project(self, tasks: Sequence[Mapping[str, Any]] = (), **fields: Any) -> LabelProject:
        sent = {"title": "Opinions", "label_config": CONFIG, **fields}
        project = self.room.projects.add("lab", sent, OTTO)
        self.room.tasks.add("lab", project.id, tasks, OTTO)
        return self.again(project)

    def again(self, project: LabelProject) -> LabelProject:
        return self.room.projects.get("lab", project.id)

    def all(self, project: LabelProject) -> Sequence[Whole]:
        return self.room.tasks.page("lab", project.id, limit=10_000).tasks

    def found(self, project: LabelProject, asked: Filters, order: Order | None = None) -> list[int]:
        """Their numbers within the project."""
        page = self.room.grid.numbered("lab", project.id, asked, order or Order(), limit=1000)
        assert page.total == len(page.tasks)
        return [each.task.inner_id for each in page.tasks]


@pytest.fixture
def desk(house: House) -> Desk:
    jobs = JobsRoom(house)
    return Desk(Room.build(house, jobs, Checks(house, jobs)))


# --- filters against an oracle --------------------------------------------------------------------

VALUES: Sequence[Any] = (
    *("apple", "Apple pie", "b_n%na", "", "10", "9.5", "-3", "1e2", 'say "hi"', "back\\slash"),
    *("nul\x00 in it", "2 words", "ёж", 10, 9.5, -3, 0, True, False, None, ["apple"], {"k": "v"}),
)
FIELDS = ("a", "b", 'o"dd', "dot.ted", "d.e")


def wanted_tasks() -> list[dict[str, Any]]:
    """Tasks with every value in some field, and annotations of all kinds."""
    tasks: list[dict[str, Any]] = []
    for at, value in enumerate(VALUES):
        data: dict[str, Any] = {"text": f"text {at}", "a": value, 'o"dd': VALUES[-1 - at]}
        if at % 2:
            data["b"] = VALUES[(at * 7) % len(VALUES)]
        if at % 3 == 0:
            data["dot.ted"] = value
        if at % 4 == 0:
            data["d"] = {"e": value}
        tasks.append({"data": data, "annotations": [], "predictions": []})
    tasks[0]["annotations"] = [said("good", why='apple, say "bad"'), said("bad")]
    tasks[1]["annotations"] = [said("so so", was_cancelled=True, lead_time=8)]
    tasks[2]["annotations"] = [said(lead_time=4), said("good", "bad", ground_truth=True)]
    tasks[3]["predictions"] = [said("good", score=0.5, model_version="m1"), said("bad")]
    tasks[4]["predictions"] = [said("bad", score=0.25, model_version="M2")]
    return tasks


@dataclass
class Laid:
    desk: Desk
    project: LabelProject
    tasks: Sequence[Whole]


@pytest.fixture
def laid(desk: Desk, clock: TurnedClock) -> Laid:
    project = desk.project(maximum_annotations=2)
    for task in wanted_tasks():
        clock.advance(hours=1)
        desk.room.tasks.add("lab", project.id, [task], OTTO)
    ids = [each.task.id for each in desk.all(project)]
    clock.advance(hours=1)
    desk.room.annotations.add("lab", ids[5], said("good"), ANA)
    desk.room.annotations.add("lab", ids[5], said("good"), EVE)
    desk.room.annotations.add("lab", ids[6], said("bad"), EVE)
    desk.room.annotations.save_draft("lab", ids[7], said("bad"), ANA)
    return Laid(desk, project, desk.all(project))


NUMBER = re.compile(r"\s*[+-]?\d+(\.\d*)?([eE][+-]?\d{1,2})?\s*")


def field_of(task: Whole, name: str) -> Any:
    data = json.loads(task.task.data)
    if data.get(name) is not None:
        return data[name]
    inner, _, rest = name.partition(".")
    return data[inner].get(rest) if rest and isinstance(data.get(inner), dict) else None


def as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        # PostgreSQL has no NUL; the tests' values look for none.
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def as_number(value: Any) -> float | None:
    if isinstance(value, str):
        return float(value) if NUMBER.fullmatch(value) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def lead_of(task: Whole) -> float | None:
    times = [each.lead_time_s for each in task.annotations if each.lead_time_s is not None]
    return sum(times) / len(times) if times else None


OF_TASK: Mapping[str, Callable[[Whole], Any]] = {
    "id": lambda one: one.task.id,
    "inner_id": lambda one: one.task.inner_id,
    "total_annotations": lambda one: sum(not each.was_cancelled for each in one.annotations),
    "cancelled_annotations": lambda one: sum(each.was_cancelled for each in one.annotations),
    "total_predictions": lambda one: len(one.predictions),
    "predictions_score": lambda one: one.task.prediction_score,
    "avg_lead_time": lead_of,
    "created_at": lambda one: one.task.created_at,
    "completed_at": lambda one: (
        max(each.created_at for each in one.annotations) if one.task.is_labeled else None
    ),
}


MEASURED = ("completed_at", "predictions_score", "avg_lead_time")


def compares(operator: str, value: Any, bound: Any) -> bool:
    if value is None:
        return False
    if operator == "in":
        return bool(bound[0] <= value <= bound[1])
    if operator == "in_list":
        return value in bound
    return bool(
        {
            "equal": lambda: value == bound,
            "less": lambda: value < bound,
            "greater": lambda: value > bound,
            "less_or_equal": lambda: value <= bound,
            "greater_or_equal": lambda: value >= bound,
            "contains": lambda: bound.lower() in value.lower(),
            "starts_with": lambda: value.lower().startswith(bound.lower()),
            "ends_with": lambda: value.lower().endswith(bound.lower()),
            "regex": lambda: re.search(bound, value) is not None,
        }[operator]()
    )


def passes(task: Whole, item: Mapping[str, Any]) -> bool:
    """Whether a task passes a filter, told without any SQL."""
    name, operator, bound = item["filter"][13:], item["operator"], item["value"]
    if operator.startswith("not_"):
        positive = {**item, "operator": operator.removeprefix("not_")}
        is_lacking = name in MEASURED and OF_TASK[name](task) is None
        return not passes(task, positive) and (operator == "not_exists" or not is_lacking)
    if name in ("annotators", "label", "predictions_model_versions"):
        return passes_list(task, name, operator, bound)
    value: Any
    if name.startswith("data."):
        raw = field_of(task, name[5:])
        value = as_number(raw) if item["type"] == "Number" else as_text(raw)
    else:
        value = OF_TASK[name](task)
    if operator in ("empty", "exists"):
        is_empty = value is None or value == ""
        if name.startswith(("total_", "cancelled_")):
            is_empty = value == 0
        return is_empty == (bound if operator == "empty" else False)
    if item["type"] == "Datetime":
        pair = isinstance(bound, dict)
        bound = {k: datetime.fromisoformat(v) for k, v in bound.items()} if pair else bound
        bound = datetime.fromisoformat(bound) if isinstance(bound, str) else bound
    if isinstance(bound, dict):
        bound = bound["min"], bound["max"]
    return compares(operator, value, bound)


def passes_list(task: Whole, name: str, operator: str, bound: Any) -> bool:
    if name == "annotators":
        held = {str(each.completed_by_id) for each in task.annotations}
    elif name == "label":
        kept = [json.loads(each.result) for each in task.annotations if not each.was_cancelled]
        held = {
            choice
            for result in kept
            for each in result
            for choice in each["value"].get("choices", ())
        }
    else:
        held = {each.model_version for each in task.predictions}
    if operator in ("empty", "exists"):
        return (not held) == (bound if operator == "empty" else False)
    asked = bound if isinstance(bound, list) else [bound]
    if name == "predictions_model_versions" and operator == "contains":
        return any(str(word) in version for word in asked for version in held)
    return any(str(word) in held for word in asked)


texts = st.sampled_from(
    ["apple", "APPLE", "p", "", "10", "9.5", "_", "%", '"', "\\", "true", "ёж", "k", '{"k":"v"}']
)
numbers = st.sampled_from([10, 9.5, -3, 0, 100, 2.5, 1, "10", 4.0, 0.25])
moments = st.sampled_from(
    [f"2026-05-0{day}T{hour:02}:00:00.000000Z" for day in (1, 2) for hour in (12, 15, 23)]
)
PATTERNS = st.sampled_from(["^a", "app.e", "[0-9]", "e$", "^.$", "pie|words", r"\\", "^$"])
KINDS: Mapping[str, st.SearchStrategy[Any]] = {
    "String": texts,
    "Number": numbers,
    "Datetime": moments,
    "List": st.sampled_from(["1", "2", 3, "good", "so so", "bad", "m1", "m", "M2"]),
}


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(
        st.sampled_from(
            [f"data.{field}" for field in FIELDS] * 2
            + [*OF_TASK, "annotators", "label", "predictions_model_versions"]
        )
    )
    if name.startswith("data."):
        kind = draw(st.sampled_from(["String", "Number"]))
    elif name.endswith("_at"):
        kind = "Datetime"
    else:
        kind = "Number" if name in OF_TASK else "List"
    operator = draw(st.sampled_from(OPERATORS[kind]))
    values = KINDS[kind]
    if operator in ("empty", "exists", "not_exists"):
        value: Any = draw(st.booleans())
    elif operator in ("in", "not_in"):
        value = {"min": draw(values), "max": draw(values)}
    elif operator in ("in_list", "not_in_list"):
        value = draw(st.lists(values, max_size=3))
    else:
        value = draw(PATTERNS if operator == "regex" else values)
    return one(name, operator, value, kind)


def numeric(item: dict[str, Any]) -> dict[str, Any]:
    """Numbers written as texts, as the oracle compares them."""
    if item["type"] != "Number" or item["operator"].endswith(("empty", "exists")):
        return item
    value = item["value"]
    if isinstance(value, dict):
        return {**item, "value": {name: float(end) for name, end in value.items()}}
    if isinstance(value, list):
        return {**item, "value": [float(each) for each in value]}
    return {**item, "value": float(value)}


def moments_of(item: dict[str, Any]) -> dict[str, Any]:
    if item["type"] == "Datetime" and isinstance(item["value"], list):
        return {**item, "value": [datetime.fromisoformat(each) for each in item["value"]]}
    return item


@SLOW
@given(asked=st.lists(items(), min_size=1, max_size=3), how=st.sampled_from(["and", "or"]))
def test_filters_find_what_reading_each_task_finds(
    laid: Laid, asked: list[dict[str, Any]], how: str
) -> None:
    test = all if how == "and" else any
    wanted = [
        task.task.inner_id
        for task in laid.tasks
        if test(passes(task, moments_of(numeric(item))) for item in asked)
    ]
    assert laid.desk.found(laid.project, filters(*asked, how=how)) == wanted


def order_value(task: Whole, name: str) -> tuple[int, float, str]:
    """How the data's values order: numbers, texts, nothing."""
    value = field_of(task, name)
    if value is None:
        return 2, 0, ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0, value, ""
    return 1, 0, as_text(value) or ""


@pytest.mark.parametrize("is_down", [False, True])
@pytest.mark.parametrize("name", ["data.a", "data.d.e", "completed_at", "inner_id", "annotators"])
@pytest.mark.parametrize("size", [1, 3, 7])
def test_pages_by_their_places_hold_each_task_once_and_turn_back(
    laid: Laid, name: str, is_down: bool, size: int
) -> None:
    grid, project = laid.desk.room.grid, laid.project
    order = Order(name, is_down)
    wanted = laid.desk.found(project, Filters(), order)
    assert sorted(wanted) == list(range(1, len(laid.tasks) + 1))
    forth: list[list[int]] = []
    after = ""
    while True:
        page = grid.page("lab", project.id, Filters(), order, limit=size, after=after)
        assert bool(page.before) == bool(forth)
        assert page.total == len(laid.tasks)
        forth.append([each.task.inner_id for each in page.tasks])
        if not page.after:
            break
        after = page.after
    assert [at for part in forth for at in part] == wanted
    back = [forth[-1]]
    while page.before:
        page = grid.page("lab", project.id, Filters(), order, limit=size, before=page.before)
        back.append([each.task.inner_id for each in page.tasks])
    assert back[::-1] == forth
    last = grid.page("lab", project.id, Filters(), order, limit=size, is_last=True)
    assert [each.task.inner_id for each in last.tasks] == wanted[-size:]
    assert not last.after


def test_an_order_by_a_field_puts_numbers_first_and_nothing_last(laid: Laid) -> None:
    plain = [task for task in laid.tasks if not isinstance(field_of(task, "a"), bool | list | dict)]
    ids = {task.task.inner_id for task in plain}
    found = laid.desk.found(laid.project, Filters(), Order("data.a"))
    wanted = sorted(plain, key=lambda task: (order_value(task, "a"), task.task.id))
    assert [at for at in found if at in ids] == [task.task.inner_id for task in wanted]


def test_a_field_may_be_ordered_as_numbers_where_texts_are_numbers(desk: Desk) -> None:
    project = desk.project([{"text": "x", "n": n} for n in ("10", "9", "text", "100")])
    order = read_order(["tasks:data.n"], {"columnsDisplayType": {"tasks:data.n": "Number"}})
    assert desk.found(project, Filters(), order) == [2, 1, 4, 3]
    assert desk.found(project, Filters(), Order("data.n")) == [1, 4, 2, 3]


@pytest.fixture
def large(laid: Laid, monkeypatch: pytest.MonkeyPatch) -> Laid:
    """Tasks that count as many: lists are read in two halves, five ids at once, and kept."""
    monkeypatch.setattr("mlpi.labels.grid.lists.FEW", 0)
    monkeypatch.setattr("mlpi.labels.grid.lists.STRETCH", 5)
    monkeypatch.setattr("mlpi.labels.grid.scans.MANY", 0)
    return laid


@pytest.mark.parametrize("is_down", [False, True])
@pytest.mark.parametrize("name", ["id", "data.a", "updated_at", "label", "total_annotations"])
@pytest.mark.parametrize("asked", [Filters(), filters(one("data.a", "empty", False))])
def test_lists_of_large_projects_are_those_of_small_ones(
    laid: Laid, large: Laid, name: str, is_down: bool, asked: Filters
) -> None:
    grid, project, order = large.desk.room.grid, large.project, Order(name, is_down)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlpi.labels.grid.lists.FEW", 10**6)
        wanted = laid.desk.found(project, asked, order)
    forth, page = [], grid.page("lab", project.id, asked, order, limit=3)
    while True:
        assert page.total == len(wanted)
        forth.append([each.task.inner_id for each in page.tasks])
        if not page.after:
            break
        page = grid.page("lab", project.id, asked, order, limit=3, after=page.after)
    assert [at for part in forth for at in part] == wanted
    back = [forth[-1]]
    while page.before:
        page = grid.page("lab", project.id, asked, order, limit=3, before=page.before)
        back.append([each.task.inner_id for each in page.tasks])
    assert back[::-1] == forth
    last = grid.page("lab", project.id, asked, order, limit=3, is_last=True)
    assert [each.task.inner_id for each in last.tasks] == wanted[-3:]
    for offset in (0, 2, 6):
        numbered = grid.numbered("lab", project.id, asked, order, limit=3, offset=offset)
        found = [each.task.inner_id for each in numbered.tasks]
        assert (found, numbered.total) == (wanted[offset : offset + 3], len(wanted))


def test_a_first_page_is_of_now_and_a_turned_one_goes_on_where_it_was(large: Laid) -> None:
    grid, tasks, project = large.desk.room.grid, large.desk.room.tasks, large.project
    turn = {"filters": filters(one("data.a", "empty", False)), "order": Order("data.a", True)}

    def shown(**place: Any) -> Any:
        return grid.page("lab", project.id, **turn, limit=2, **place)

    first = shown()
    gone = first.tasks[0].task.id
    tasks.remove("lab", project.id, [gone])
    second = shown(after=first.after)
    assert second.total == first.total
    assert not {each.task.id for each in second.tasks} & {each.task.id for each in first.tasks}
    again = shown()
    assert again.total == first.total - 1
    assert again.tasks[0].task.id == first.tasks[1].task.id


def test_sums_of_a_filter_follow_what_is_said(large: Laid) -> None:
    room, project = large.desk.room, large.project
    asked = filters(one("inner_id", "less", 4, "Number"))

    def sums() -> tuple[int, int, int]:
        found = room.grid.numbered("lab", project.id, asked, Order(), limit=1)
        return found.total, found.annotations, found.predictions

    before = sums()
    room.tasks.remove("lab", project.id, [large.tasks[0].task.id])
    gone = large.tasks[0].task
    wanted = (1, gone.annotation_count, gone.prediction_count)
    assert sums() == tuple(a - b for a, b in zip(before, wanted, strict=True))


def test_lists_beyond_what_is_kept_go_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpi.labels.grid.kept.MOST_IDS", 5)
    lists = Lists(lambda: 1)
    for number in range(3):
        known = lists.get((number, Filters(), None))
        lists.add(known, Part(array("q", [1, 2]), is_start=True, is_end=True))
    assert [bool(lists.get((number, Filters(), None)).parts) for number in (2, 1, 0)] == [
        True,
        True,
        False,
    ]


# --- what is asked wrongly


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([], "must be an object"),
        ({"conjunction": "xor", "items": []}, "and or or"),
        ({"items": {}}, "must be a list"),
        ({"items": [1]}, "items[0] must be an object"),
        ({"items": [{"filter": "filter:annotations:id"}]}, "should start with"),
        ({"items": [one("nothing", "equal", 1)]}, "there is no column 'nothing'"),
        ({"items": [one("project__id", "equal", 1)]}, "there is no column"),
        ({"items": [one("id; DROP TABLE label_tasks", "equal", 1)]}, "there is no column"),
        ({"items": [one("id", "contains", 1)]}, "not filtered by 'contains'"),
        ({"items": [one("id", "equal", "one")]}, "a number is asked for"),
        ({"items": [one("id", "equal", [1])]}, "takes one value"),
        ({"items": [one("id", "in", 3)]}, '{"min"'),
        ({"items": [one("created_at", "less", "yesterday")]}, "a time is asked for"),
        ({"items": [one("draft_exists", "equal", "maybe")]}, "true or false"),
        ({"items": [one("data.a", "equal", "x\x00")]}, "none of them NUL"),
        ({"items": [one("annotators", "equal", 1)]}, "not filtered by 'equal'"),
        ({"items": [one("data.a", "regex", 5, 7)]}, "the type must be a text"),  # type: ignore[arg-type]
        ({"items": [{**one("id", "equal", 1), "child_filter": [1]}]}, "child_filter must be"),
    ],
)
def test_wrong_filters_are_told_by_their_place(wrong: object, words: str) -> None:
    with pytest.raises(Invalid) as told_:
        read_filters(wrong)
    assert words in told_.value.line()
    assert told_.value.field == "filters"


@pytest.mark.parametrize("given_", ["tasks:nothing", "tasks:data.", 7, ["tasks:id", 1]])
def test_wrong_orders_are_refused(given_: object) -> None:
    with pytest.raises(Invalid) as told_:
        read_order(given_ if not isinstance(given_, str) else [given_])
    assert told_.value.field == "ordering"


@pytest.mark.parametrize("given_", [7, "x", {}, {"all": 1}, {"all": True, "excluded": ["1"]}])
def test_wrong_selections_are_refused(given_: object) -> None:
    if given_ == {}:
        assert read_selection(given_) == Selection()
        return
    with pytest.raises(Invalid) as told_:
        read_selection(given_)
    assert told_.value.field == "selectedItems"


def test_orders_come_with_their_sign_before_or_behind_the_prefix() -> None:
    for given_ in ("-tasks:id", "tasks:-id", "-id"):
        assert read_order([given_]) == Order("id", True)
    assert read_order([]) == read_order({}) == Order()


def test_text_of_a_filter_is_never_sql(laid: Laid) -> None:
    for text in ("' OR 1=1 --", '"); DELETE FROM label_tasks; --', "%", "\\", "$.a", "{}"):
        for name in ("data.a", f"data.{text}", f"data.a.{text}"):
            asked = filters(one(name, "equal", text))
            assert laid.desk.found(laid.project, asked) == []
    assert len(laid.desk.all(laid.project)) == len(laid.tasks)


def test_numbers_beyond_a_database_are_compared_not_refused(laid: Laid) -> None:
    assert laid.desk.found(laid.project, filters(one("id", "greater", 10**30))) == []
    everything = laid.desk.found(laid.project, filters(one("id", "less", 10**30)))
    assert len(everything) == len(laid.tasks)


def test_a_field_that_is_nothing_like_a_name_can_be_filtered(desk: Desk) -> None:
    names = ["", "ключ", "a b", "$", "[0]", "x\\y", "\n", "0"]
    project = desk.project([{"text": "x", name: "here"} for name in names])
    for at, name in enumerate(names, 1):
        if name:
            assert desk.found(project, filters(one(f"data.{name}", "equal", "here"))) == [at]


# --- columns that need their own words


def test_results_are_found_as_label_studio_writes_them(laid: Laid) -> None:
    find = laid.desk.found
    for text in ('"choices": ["good"]', '"choices":["good"]', "apple, say"):
        assert 1 in find(laid.project, filters(one("annotations_results", "contains", text)))
    whole = json.dumps(said("bad", score=0.25)["result"])
    assert find(laid.project, filters(one("predictions_results", "equal", whole))) == [4, 5]
    assert find(laid.project, filters(one("annotations_results", "equal", "{"))) == []
    assert find(laid.project, filters(one("annotations_results", "empty", False))) == [
        *(1, 2, 3, 6, 7)
    ]


def test_a_label_is_a_whole_one_that_was_given(laid: Laid) -> None:
    find = laid.desk.found
    assert find(laid.project, filters(one("label", "contains", "good", "List"))) == [1, 3, 6]
    assert find(laid.project, filters(one("label", "contains", "c", "List"))) == []
    assert find(laid.project, filters(one("label", "contains", "so", "List"))) == []


@pytest.mark.parametrize(
    ("status", "wanted"),
    [("done", [1, 3, 6]), ("skipped", [2]), ("draft", [8]), ("in_review", [1, 3, 6])],
)
def test_states(laid: Laid, status: str, wanted: list[int]) -> None:
    assert laid.desk.found(laid.project, filters(one("status", "equal", status))) == wanted
    others = laid.desk.found(laid.project, filters(one("status", "not_equal", status)))
    assert sorted([*wanted, *others]) == list(range(1, len(laid.tasks) + 1))
    with pytest.raises(Invalid, match="There is no status"):
        laid.desk.found(laid.project, filters(one("status", "equal", "open")))


def test_flags_ids_of_annotations_and_a_child_filter(laid: Laid) -> None:
    find = laid.desk.found
    assert find(laid.project, filters(one("draft_exists", "equal", True, "Boolean"))) == [8]
    assert find(laid.project, filters(one("ground_truth", "equal", "true", "Boolean"))) == [3]
    assert find(laid.project, filters(one("reviewed", "equal", True, "Boolean"))) == []
    ids = [each.id for at in (0, 5) for each in laid.tasks[at].annotations]
    text = " ,".join(map(str, ids))
    assert find(laid.project, filters(one("annotations_ids", "contains", text))) == [1, 6]
    child = {
        **one("annotators", "contains", 1, "List"),
        "child_filter": one("label", "contains", "good"),
    }
    assert find(laid.project, filters(child)) == [6]
    assert find(laid.project, filters(one("updated_by", "contains", 2, "List"))) == [6, 7]
    assert find(laid.project, filters(one("file_upload", "empty", True))) == list(
        range(1, len(laid.tasks) + 1)
    )


def test_agreement_is_told_and_filtered_in_percent(desk: Desk, house: House) -> None:
    project = desk.project([{"text": "x"}, {"text": "y"}])
    with house.db.write() as session:
        task = session.merge(desk.all(project)[1].task)
        task.agreement = 0.29
    assert desk.found(project, filters(one("agreement", "equal", 29, "Number"))) == [2]
    assert desk.found(project, filters(one("agreement", "in", {"min": 20, "max": 30}))) == [2]
    assert desk.found(project, filters(one("agreement", "empty", True))) == [1]


# --- regular expressions


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*b", "((ab)*c)+", "(.*)*", r"(a)\1", "a*b*c*", "[", "x" * 600, "(a?){30}a"],
)
def test_expressions_that_could_run_for_ever_are_refused(pattern: str) -> None:
    with pytest.raises(RegexUnfit):
        regex.compiled(pattern)


@pytest.mark.parametrize(
    "pattern", ["^a+$", "cat|dog", "(?:cat|dog)s?", "^[^+*]*x.*$", r"\d{4}-\d{2}", "[a-z]+@[a-z]+"]
)
def test_expressions_that_people_write_are_taken(pattern: str) -> None:
    assert regex.compiled(pattern)[0].pattern == pattern


def test_optional_parts_in_number_are_refused() -> None:
    with pytest.raises(RegexUnfit, match="optional parts"):
        regex.compiled("a?" * 30 + "a" * 30)


def test_a_text_too_long_for_an_expression_is_told(house: House, desk: Desk) -> None:
    project = desk.project([{"text": "a" * 5000}])
    asked = filters(one("data.text", "regex", "a.*b"))
    if house.db.is_sqlite:
        with pytest.raises(RegexUnfit, match="repeats too often"):
            desk.found(project, asked)
    else:
        assert desk.found(project, asked) == []
    with pytest.raises(RegexUnfit):
        desk.found(project, filters(one("data.text", "regex", "[")))


# --- views ----------------------------------------------------------------------------------------


def test_views_are_kept_as_they_were_sent_and_ask_the_same_again(desk: Desk) -> None:
    project = desk.project([{"text": "apple"}, {"text": "pear"}])
    views = desk.room.views
    sent = {
        "data": {
            "title": "Fruit",
            "filters": {"conjunction": "or", "items": [one("data.text", "contains", "apple")]},
            "ordering": ["-tasks:id"],
            "hiddenColumns": {"explore": [], "labeling": []},
            "selectedItems": {"all": False, "included": []},
        }
    }
    view = views.add("lab", project.id, sent, ANA)
    shown = told(views.get("lab", view.id))
    assert shown["data"] == sent["data"]
    assert (shown["user"], shown["project"], shown["order"]) == (1, project.id, 0)
    asked, order, selection = asked_by(view)
    assert selection.is_none
    page = desk.room.grid.numbered("lab", project.id, asked, order, limit=10)
    assert [json.loads(each.task.data)["text"] for each in page.tasks] == ["apple"]
    views.change("lab", view.id, {"data": {"title": "All"}})
    again = told(views.get("lab", view.id))["data"]
    assert (again["title"], again["filters"]) == ("All", sent["data"]["filters"])
    with pytest.raises(Invalid):
        views.change("lab", view.id, {"data": {"filters": {"items": [one("none", "equal", 1)]}}})


def test_views_are_ordered_reset_and_of_their_workspace(desk: Desk) -> None:
    project, views = desk.project(), desk.room.views
    first, second = (views.add("lab", project.id, {"data": {}}, ANA).id for _ in range(2))
    views.arrange("lab", project.id, [second, first])
    assert [each.id for each in views.all("lab", project.id)] == [second, first]
    assert list(views.all("other")) == []
    for reach in (
        lambda: views.get("other", first),
        lambda: views.change("other", first, {}),
        lambda: views.remove("other", first),
        lambda: views.add("other", project.id, {}, ANA),
        lambda: views.reset("other", project.id),
        lambda: views.get("lab", 1 << 60),
    ):
        with pytest.raises(NotFound):
            reach()
    views.remove("lab", first)
    views.reset("lab", project.id)
    assert list(views.all("lab")) == []


# --- deeds ----------------------------------------------------------------------------------------

EVERYTHING = Selection()


def counts(project: LabelProject) -> dict[str, int]:
    names = ("task", "finished", "annotated", "annotation", "skipped", "ground_truth", "prediction")
    return {name: count for name in names if (count := getattr(project, f"{name}_count"))}


def test_deleting_by_a_filter_takes_just_those_and_keeps_the_counts(laid: Laid) -> None:
    desk, project = laid.desk, laid.project
    asked = filters(one("total_annotations", "greater", 0, "Number"))
    done = desk.room.deeds.go("lab", project.id, "delete_tasks", asked, EVERYTHING, ANA)
    assert (done.tasks, done.items, done.above) == (4, 4, None)
    assert counts(desk.again(project)) == {
        "task": len(laid.tasks) - 4,
        "skipped": 1,
        "prediction": 3,
    }
    ids = [each.task.id for each in desk.all(project)]
    kept = Selection(is_all=True, ids=(ids[0],))
    desk.room.deeds.go("lab", project.id, "delete_tasks", Filters(), kept, OTTO)
    assert [each.task.id for each in desk.all(project)] == ids[:1]


def test_deleting_all_is_an_owners_and_nothing_is_never_all(laid: Laid) -> None:
    deeds, project = laid.desk.room.deeds, laid.project
    with pytest.raises(Forbidden):
        deeds.go("lab", project.id, "delete_tasks", Filters(), EVERYTHING, ANA)
    for deed in ("delete_tasks", "delete_tasks_annotations"):
        with pytest.raises(Invalid, match="No task is selected"):
            deeds.go("lab", project.id, deed, Filters(), Selection(False, ()), OTTO)
    with pytest.raises(Invalid, match="Can't find"):
        deeds.go("lab", project.id, "paint", Filters(), EVERYTHING, OTTO)
    with pytest.raises(NotFound):
        deeds.go("other", project.id, "delete_tasks", Filters(), EVERYTHING, OTTO)
    with pytest.raises(Conflict, match="no model"):
        deeds.go("lab", project.id, "retrieve_tasks_predictions", Filters(), EVERYTHING, OTTO)
    assert len(laid.desk.all(project)) == len(laid.tasks)


def test_annotations_go_with_their_drafts_of_one_person_or_all(laid: Laid) -> None:
    desk, project = laid.desk, laid.project
    before = counts(project := desk.again(project))
    go = desk.room.deeds.go
    some = {"annotator": "1"}
    done = go("lab", project.id, "delete_tasks_annotations", Filters(), EVERYTHING, EVE, some)
    assert done.items == 1
    assert counts(desk.again(project))["annotation"] == before["annotation"] - 1
    assert desk.found(project, filters(one("draft_exists", "equal", True))) == []
    done = go("lab", project.id, "delete_tasks_annotations", Filters(), EVERYTHING, EVE)
    assert counts(desk.again(project)) == {"task": len(laid.tasks), "prediction": 3}
    assert desk.found(project, filters(one("completed_at", "empty", False))) == []
    wrong = {"annotator": "ana"}
    with pytest.raises(Invalid):
        go("lab", project.id, "delete_tasks_annotations", Filters(), EVERYTHING, EVE, wrong)


def test_predictions_become_annotations_once(laid: Laid) -> None:
    desk, project = laid.desk, laid.project
    go = desk.room.deeds.go
    some = {"model_version": ["m1"]}
    done = go("lab", project.id, "predictions_to_annotations", Filters(), EVERYTHING, ANA, some)
    assert done.items == 1
    again = [
        go("lab", project.id, "predictions_to_annotations", Filters(), EVERYTHING, ANA).items
        for _ in range(2)
    ]
    assert again == [2, 0]
    task = desk.all(project)[3]
    assert [(each.parent_prediction_id, each.result) for each in task.annotations] == [
        (each.id, each.result) for each in task.predictions
    ]
    assert task.task.is_labeled
    done = go("lab", project.id, "delete_tasks_predictions", Filters(), EVERYTHING, ANA)
    assert done.items == 3
    assert "prediction" not in counts(desk.again(project))


def test_models_are_asked_about_all_that_is_selected_at_once(laid: Laid) -> None:
    asked: list[Sequence[int]] = []

    class Models:
        def can_predict(self, _workspace: str, project_id: int) -> bool:
            return project_id == laid.project.id

        def retrieve(self, _: str, _project: int, ids: Sequence[int], _who: Principal) -> int:
            asked.append(ids)
            return len(ids)

    deeds, project = laid.desk.room.deeds, laid.project
    assert all(each.id != "retrieve_tasks_predictions" for each in deeds.offered("lab", project.id))
    deeds.predictor = Models()
    assert any(each.id == "retrieve_tasks_predictions" for each in deeds.offered("lab", project.id))
    some = filters(one("inner_id", "less", 3, "Number"))
    done = deeds.go("lab", project.id, "retrieve_tasks_predictions", some, EVERYTHING, ANA)
    assert (done.tasks, done.items, done.above) == (2, 2, None)
    assert asked == [[each.task.id for each in laid.tasks[:2]]]


def test_a_deed_stops_and_goes_on_where_it_stood(desk: Desk) -> None:
    project = desk.project([{"text": f"{at}"} for at in range(2 * BATCH + 10)])
    last = desk.room.grid.newest("lab", project.id)
    late = desk.room.tasks.add("lab", project.id, [{"text": "late"}], OTTO, keeps_ids=True)
    above, parts = 0, []
    while True:
        done = desk.room.deeds.go(
            *("lab", project.id, "delete_tasks", Filters(), EVERYTHING, OTTO),
            above=above,
            up_to=last,
            most_s=0,
        )
        parts.append(done.items)
        if done.above is None:
            break
        above = done.above
    assert parts == [BATCH, BATCH, 10, 0]
    assert [each.task.id for each in desk.all(project)] == late.task_ids


# --- who gets what


@pytest.fixture
def staff(house: House) -> dict[str, Principal]:
    """People of a workspace lab, by name: vic may only look."""
    actor = Actor("test", "")
    house.workspaces.add("lab", owner=None, actor=actor)
    found = {}
    for name, role in (("ana", Role.EDITOR), ("eve", Role.EDITOR), ("vic", Role.VIEWER)):
        user = house.users.add(name, "correct horse battery", actor=actor)
        house.workspaces.set_member("lab", name, role, actor=actor)
        found[name] = person(user.id, name, role)
    return found


def test_who_is_assigned_gets_it_first_and_others_do_not(
    desk: Desk, staff: dict[str, Principal]
) -> None:
    project = desk.project([{"text": f"{at}"} for at in range(3)])
    first, second, third = (each.task.id for each in desk.all(project))
    ana, eve, room = staff["ana"], staff["eve"], desk.room
    some = Selection(False, (third,))
    done = room.deeds.go(
        "lab", project.id, "assign", Filters(), some, OTTO, {"people": [ana.user_id]}
    )
    assert (done.tasks, done.items) == (1, 1)
    assert room.queue.next("lab", project.id, ana) == third
    room.annotations.add("lab", first, said("good"), eve)
    room.annotations.add("lab", second, said("good"), eve)
    assert room.queue.next("lab", project.id, eve) is None
    assert desk.found(project, filters(one("assignees", "contains", ana.user_id, "List"))) == [3]
    room.deeds.go("lab", project.id, "unassign", Filters(), EVERYTHING, OTTO)
    room.queue.release("lab", third, ana)
    assert room.queue.next("lab", project.id, eve) == third


def test_others_get_an_assigned_task_that_needs_more_than_its_people(
    desk: Desk, staff: dict[str, Principal]
) -> None:
    project = desk.project([{"text": "x"}], maximum_annotations=2)
    (task,) = (each.task.id for each in desk.all(project))
    ana, eve, room = staff["ana"], staff["eve"], desk.room
    some = Selection(False, (task,))
    options = {"people": [ana.user_id]}
    room.deeds.go("lab", project.id, "assign", Filters(), some, OTTO, options)
    assert room.queue.next("lab", project.id, eve) == task
    assert room.queue.next("lab", project.id, OTTO) is None
    assert room.queue.next("lab", project.id, ana) == task
    room.annotations.add("lab", task, said("good"), ana)
    assert room.queue.next("lab", project.id, OTTO) is None
    room.annotations.add("lab", task, said("good"), eve)
    assert room.queue.next("lab", project.id, ana) is None


def test_more_people_than_a_task_needs_share_it_by_who_comes_first(
    desk: Desk, staff: dict[str, Principal]
) -> None:
    project = desk.project([{"text": "x"}])
    (task,) = (each.task.id for each in desk.all(project))
    ana, eve, room = staff["ana"], staff["eve"], desk.room
    options = {"people": [ana.user_id, eve.user_id]}
    room.deeds.go("lab", project.id, "assign", Filters(), EVERYTHING, OTTO, options)
    assert room.queue.next("lab", project.id, eve) == task
    assert room.queue.next("lab", project.id, ana) is None


def test_only_people_who_may_label_can_be_assigned(desk: Desk, staff: dict[str, Principal]) -> None:
    project = desk.project([{"text": "x"}])
    for people in ([], [staff["vic"].user_id], [10**6], ["ana"]):
        options = {"people": people}
        with pytest.raises(Invalid) as told_:
            desk.room.deeds.go("lab", project.id, "assign", Filters(), EVERYTHING, OTTO, options)
        assert told_.value.field == "people"


def test_a_damaged_place_is_refused_in_words(laid: Laid) -> None:
    for text in ("x", "WzFd", ordering.place([1, 2, 3, 4]), ordering.place([10**30]), "é"):
        with pytest.raises(Invalid, match="damaged"):
            laid.desk.room.grid.page(
                "lab", laid.project.id, Filters(), Order("data.a"), limit=1, after=text
            )


def test_places_hold_what_orders_give() -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC) + timedelta(microseconds=7)
    values = [None, 1.5, "ёж\n", at, 7]
    assert ordering.read_place(ordering.place(values), 5) == values


# --- a page's address


def test_a_view_that_rows_cannot_say_stays_whole_wherever_the_page_leads(laid: Laid) -> None:
    child = {**one("data.a", "empty", False), "child_filter": one("inner_id", "less", 4, "Number")}
    plain = one("data.a", "contains", "apple")
    people = {1: "ana"}
    views, project = laid.desk.room.views, laid.project
    for item, is_whole in ((child, True), (plain, False)):
        group = {"conjunction": "and", "items": [item]}
        view = views.add("lab", project.id, {"data": {"filters": group}}, ANA)
        look = read_look(QueryParams(f"view={view.id}"), people, view)
        wanted = laid.desk.found(project, filters(item))
        assert laid.desk.found(project, look.filters) == wanted
        assert (look.whole is not None) == is_whole
        pairs = [
            (k, v) for k, vs in look.query().items() for v in ([vs] if isinstance(vs, str) else vs)
        ]
        again = read_look(QueryParams(pairs), people, view)
        assert again.filters == look.filters
        assert read_filters(again.as_view("x", people)["data"]["filters"]) == look.filters


def test_rows_of_a_page_take_names_ranges_and_lists(laid: Laid) -> None:
    def found(*rows: tuple[str, str, str], **quick: str) -> list[int]:
        pairs = [(name, text) for row in rows for name, text in zip("fov", row, strict=True)]
        look = read_look(QueryParams([*pairs, *quick.items()]), {1: "ana", 2: "eve"})
        assert look.error is None, look.error
        return laid.desk.found(laid.project, look.filters)

    assert found(("annotators", "contains", "eve")) == [6, 7]
    assert found(("inner_id", "in", "2 .. 4")) == [2, 3, 4]
    assert found(("inner_id", "in_list", "2, 4")) == [2, 4]
    assert found(("data.a", "greater", "9.6")) == [5, 8, 14]
    assert found(("data.a", "exists", ""), status="done", label="good") == [1, 3, 6]
    two = [("inner_id", "equal", "1"), ("inner_id", "equal", "6")]
    assert found(*two, how="or", by="eve") == [6]
    wrong = read_look(QueryParams("f=annotators&o=contains&v=nobody"), {1: "ana"})
    assert wrong.error is not None
    assert "Nobody here is called 'nobody'" in wrong.error.line()


def test_filters_are_written_as_they_were_read() -> None:
    asked = filters(
        one("id", "in", {"min": 1, "max": 9.5}, "Number"),
        one("created_at", "greater", "2026-01-02T03:04:05Z", "Datetime"),
        one("data.text", "in_list", ["a", "b"]),
        one("data.flag", "equal", True, "Boolean"),
        one("annotators", "contains", [3], "List"),
        one("agreement", "empty", False),
        one("data.text", "exists", None),
        one("data.text", "not_exists", None),
        {**one("data.n", "less", 3, "Number"), "child_filter": one("data.text", "regex", "^x")},
    )
    assert len(asked.items) == 9
    assert read_filters(sent(asked)) == asked
    any_of = replace(asked, is_any=True)
    assert read_filters(json.loads(json.dumps(sent(any_of)))) == any_of
