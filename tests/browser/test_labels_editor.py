"""The labeling page, by keyboard and pointer; what the export has is what was drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.service import Service, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
PATIENCE_MS = 30_000


@dataclass
class Desk:
    """Label Studio's API of a service, as its clients use it."""

    service: Service
    client: httpx.Client

    def project(self, config: str, *tasks: Mapping[str, Any], **fields: Any) -> int:
        given = {"title": "Browser labels", "label_config": f"<View>{config}</View>", **fields}
        made = self.client.post("/api/projects/", json=given)
        assert made.status_code == 201, made.text
        number = int(made.json()["id"])
        brought = self.client.post(f"/api/projects/{number}/import", json=list(tasks))
        assert brought.status_code < 300, brought.text
        return number

    def tasks(self, project: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.get(f"/api/projects/{project}/tasks/").json()
        found.sort(key=lambda task: task["id"])
        return found

    def said(self, project: int) -> list[list[dict[str, Any]]]:
        """The results of all annotations of the first task, without what is made up."""
        annotations = self.tasks(project)[0]["annotations"]
        return [[plain(one) for one in each["result"]] for each in annotations]

    def submitted(self, project: int, count: int = 1) -> list[dict[str, Any]]:
        """The results of the first task, once it has an annotation."""
        found = until(lambda: one if len(one := self.said(project)) == count else None)
        results: list[dict[str, Any]] = found[-1]
        return results


def plain(one: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name not in ("id", "origin")}


@pytest.fixture(scope="module")
def desk(service: Service) -> Iterator[Desk]:
    with service.client(service.token("ana", "lab")) as client:
        yield Desk(service, client)


def opened(page: Page, desk: Desk, project: int, query: str = "") -> Page:
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.goto(f"{desk.service.url}/labels/{project}/label?workspace=lab{query}")
    expect(page.locator("#labeling[data-task]")).to_be_visible()
    return page


Label = Callable[..., Page]


@pytest.fixture
def label(watch: Watch, desk: Desk) -> Label:
    """Opens a project's labeling page as ana."""
    watched = watch()
    page = watched.log_in("ana")
    return lambda project, query="": opened(page, desk, project, query)


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def select(page: Page, start: int, count: int) -> None:
    """Characters of the text, by keyboard alone."""
    page.locator(".span-text").focus()
    press(page, "Home", *["ArrowRight"] * start, *["Shift+ArrowRight"] * count)


# --- spans

NER = """<Labels name="l" toName="t"><Label value="Person"/>
<Label value="Place" alias="loc"/></Labels>
<Text name="t" value="$text"/>"""


def test_spans_of_text_by_keyboard_count_characters(desk: Desk, label: Label) -> None:
    project = desk.project(NER, {"text": "😀 Ada in Rome"})
    page = label(project)
    select(page, 2, 3)
    press(page, "1")  # the label of what is selected
    expect(page.locator(".region-list li")).to_have_count(1)
    press(page, "Escape", "2")  # a label first, then the text and Enter
    select(page, 9, 4)
    press(page, "Enter")
    expect(page.locator(".region-list li")).to_have_count(2)
    press(page, "Control+Enter")
    about = {"from_name": "l", "to_name": "t", "type": "labels"}
    assert desk.submitted(project) == [
        {**about, "value": {"start": 2, "end": 5, "text": "Ada", "labels": ["Person"]}},
        {**about, "value": {"start": 9, "end": 13, "text": "Rome", "labels": ["loc"]}},
    ]


def test_spans_by_pointer_overlap_and_keep_to_words(desk: Desk, label: Label) -> None:
    config = NER.replace('value="$text"', 'value="$text" granularity="word"')
    project = desk.project(config, {"text": "alpha beta gamma"})
    page = label(project)
    press(page, "1")
    place = """n => { const r = document.createRange();
        r.setStart(document.querySelector('.span-text').firstChild, n);
        const b = r.getBoundingClientRect(); return [b.left, b.top + b.height / 2]; }"""
    for start, end in ((2, 8), (7, 13)):
        page.mouse.move(*page.evaluate(place, start))
        page.mouse.down()
        page.mouse.move(*page.evaluate(place, end), steps=4)
        page.mouse.up()
    expect(page.locator(".region-list li")).to_have_count(2)
    expect(page.locator(".span-mark")).to_have_count(2)
    press(page, "Control+Enter")
    texts = [one["value"]["text"] for one in desk.submitted(project)]
    assert texts == ["alpha beta", "beta gamma"]


def test_spans_of_html_name_their_nodes(desk: Desk, label: Label) -> None:
    config = """<HyperTextLabels name="l" toName="h"><Label value="Fact"/></HyperTextLabels>
    <HyperText name="h" value="$html"/>"""
    html = "<div><p>One <b>bold</b> word</p><script>document.title = 'run'</script></div>"
    project = desk.project(config, {"html": html + "<img src=x onerror='document.title=`run`'>"})
    page = label(project)
    assert page.locator(".span-text script").count() == 0
    select(page, 4, 9)
    press(page, "1")
    expect(page.locator(".region-list li")).to_have_count(1)
    press(page, "Control+Enter")
    (one,) = desk.submitted(project)
    assert one["value"] == {
        "start": "/div[1]/p[1]/b[1]/text()[1]",
        "end": "/div[1]/p[1]/text()[2]",
        "startOffset": 0,
        "endOffset": 5,
        "globalOffsets": {"start": 4, "end": 13},
        "text": "bold word",
        "hypertextlabels": ["Fact"],
    }
    assert "run" not in page.title()


def test_spans_of_a_dialogue_name_their_turns(desk: Desk, label: Label) -> None:
    config = """<ParagraphLabels name="l" toName="d"><Label value="Question"/></ParagraphLabels>
    <Paragraphs name="d" value="$talk" layout="dialogue"/>"""
    talk = [{"author": "Ana", "text": "How are you?"}, {"author": "Otto", "text": "Well, you?"}]
    project = desk.project(config, {"talk": talk})
    page = label(project)
    page.evaluate(
        """() => { const [a, b] = document.querySelectorAll('.says');
        document.querySelector('.span-text').focus();
        getSelection().setBaseAndExtent(a.firstChild, 4, b.firstChild, 4); }"""
    )
    press(page, "1")
    expect(page.locator(".region-list li")).to_have_count(1)
    press(page, "Control+Enter")
    (one,) = desk.submitted(project)
    assert one["value"] == {
        "start": "0",
        "end": "1",
        "startOffset": 4,
        "endOffset": 4,
        "text": "are you?\nWell",
        "paragraphlabels": ["Question"],
    }


def test_regions_are_relabeled_related_undone_and_deleted(desk: Desk, label: Label) -> None:
    config = NER + '<Relations><Relation value="is in"/></Relations>'
    project = desk.project(config, {"text": "Ada Rome x"})
    page = label(project)
    for start, count, key in ((0, 3, "1"), (4, 4, "1"), (9, 1, "2")):
        select(page, start, count)
        press(page, key)
    items = page.locator(".region-list li")
    expect(items).to_have_count(3)
    press(page, "Delete")
    expect(items).to_have_count(2)
    press(page, "Control+z")
    expect(items).to_have_count(3)
    press(page, "Control+Shift+z")
    expect(items).to_have_count(2)
    page.locator(".region-list .item").nth(1).click()
    press(page, "2")
    expect(items.nth(1)).to_contain_text("loc")
    press(page, "Alt+r")
    page.locator(".region-list .item").nth(0).click()
    page.locator(".relation-list .option", has_text="is in").click()
    page.get_by_label("Direction right").click()
    press(page, "Control+Enter")
    desk.submitted(project)
    first, second, relation = desk.tasks(project)[0]["annotations"][0]["result"]
    assert [first["value"]["labels"], second["value"]["labels"]] == [["Person"], ["loc"]]
    assert relation == {
        "type": "relation",
        "from_id": second["id"],
        "to_id": first["id"],
        "direction": "left",
        "labels": ["is in"],
    }


# --- answers

CHOICES = """<Text name="t" value="$text"/>
<Choices name="c" toName="t" required="true"><Choice value="good"/>
<Choice value="bad" hotkey="b"/></Choices>
<View visibleWhen="choice-selected" whenTagName="c" whenChoiceValue="bad">
<Choices name="why" toName="t" choice="multiple" required="true"><Choice value="long"/>
<Choice value="dull" alias="d"/></Choices></View>"""


def choice(name: str, *chosen: Any) -> dict[str, Any]:
    value = {"choices": list(chosen)}
    return {"from_name": name, "to_name": "t", "type": "choices", "value": value}


def test_choices_by_key_are_asked_for_when_others_open_them(desk: Desk, label: Label) -> None:
    project = desk.project(CHOICES, {"text": "one"}, {"text": "two"})
    page = label(project)
    press(page, "Control+Enter")
    expect(page.locator("#label-notices")).to_contain_text("“c” is asked for")
    press(page, "b")
    expect(page.locator("[data-control=why]")).to_be_visible()
    press(page, "Control+Enter")
    expect(page.locator("#label-notices")).to_contain_text("“why” is asked for")
    press(page, "2", "3")
    press(page, "Control+Enter")
    assert desk.submitted(project) == [choice("c", "bad"), choice("why", "long", "d")]


def test_answers_to_closed_questions_are_not_sent(desk: Desk, label: Label) -> None:
    project = desk.project(CHOICES, {"text": "one"})
    page = label(project)
    press(page, "b", "2", "1", "Control+Enter")
    assert desk.submitted(project) == [choice("c", "good")]


def test_what_is_asked_of_each_region_has_its_id(desk: Desk, label: Label) -> None:
    config = (
        NER
        + """<Choices name="sure" toName="t" perRegion="true" required="true"
    whenTagName="l" whenLabelValue="Person"><Choice value="yes"/><Choice value="no"/></Choices>"""
    )
    project = desk.project(config, {"text": "Ada Rome"})
    page = label(project)
    select(page, 4, 4)
    press(page, "2")
    expect(page.locator("[data-control=sure]")).to_be_hidden()
    select(page, 0, 3)
    press(page, "1", "Control+Enter")
    expect(page.locator("#label-notices")).to_contain_text("asked of every region")
    press(page, "3", "Control+Enter")
    until(lambda: desk.said(project))
    results = desk.tasks(project)[0]["annotations"][0]["result"]
    person = next(one for one in results if one["value"].get("labels") == ["Person"])
    answer = next(one for one in results if one["type"] == "choices")
    assert answer["id"] == person["id"]
    assert answer["value"] == {"start": 0, "end": 3, "text": "Ada", "choices": ["yes"]}


def test_texts_stars_and_figures(desk: Desk, label: Label) -> None:
    config = """<Text name="t" value="$text"/><TextArea name="a" toName="t" maxSubmissions="2"/>
    <Rating name="r" toName="t" maxRating="4"/><Number name="n" toName="t" min="0" max="9"/>"""
    project = desk.project(config, {"text": "one"})
    page = label(project)
    page.get_by_label("a", exact=True).first.fill("first")
    press(page, "Enter")
    page.keyboard.type("1 second")  # keys of choices are letters here
    expect(page.get_by_label("a", exact=True)).to_have_count(2)
    press(page, "Escape", "3")
    page.get_by_label("n", exact=True).fill("12")
    expect(page.locator("[data-control=n] .wrong")).to_contain_text("from 0 up to 9")
    page.get_by_label("n", exact=True).fill("7")
    press(page, "Control+Enter")
    values = [one["value"] for one in desk.submitted(project)]
    assert values == [{"text": ["first", "1 second"]}, {"rating": 3}, {"number": 7}]


def test_one_of_two(desk: Desk, label: Label) -> None:
    config = """<Text name="a" value="$a"/><Text name="b" value="$b"/>
    <Pairwise name="p" toName="a,b"/>"""
    project = desk.project(config, {"a": "one", "b": "two"})
    page = label(project)
    left, right = (page.locator(f"[data-object={one}]").bounding_box() for one in "ab")
    assert left is not None
    assert right is not None
    assert (left["y"], left["x"] < right["x"]) == (right["y"], True)
    press(page, "2")
    expect(page.locator("[data-object=b]")).to_have_class("object is-text picked")
    press(page, "Control+Enter")
    (one,) = desk.submitted(project)
    assert one == {
        "from_name": "p",
        "to_name": "p",
        "type": "pairwise",
        "value": {"selected": "right"},
    }


ITEMS = {"items": [{"id": one, "title": one.upper()} for one in "abc"]}


def test_an_order_by_keys(desk: Desk, label: Label) -> None:
    config = '<List name="t" value="$items" title="Hits"/><Ranker name="r" toName="t"/>'
    project = desk.project(config, ITEMS)
    page = label(project)
    page.locator("[data-id=c]").focus()
    press(page, "ArrowUp", "ArrowUp", "Control+Enter")
    assert [one["value"] for one in desk.submitted(project)] == [
        {"ranker": {"rank": ["c", "a", "b"]}}
    ]


def test_buckets_by_keys_and_by_drag(desk: Desk, label: Label) -> None:
    config = """<List name="t" value="$items"/><Ranker name="r" toName="t">
    <Bucket name="good" title="Good"/><Bucket name="bad"/></Ranker>"""
    project = desk.project(config, ITEMS)
    page = label(project)
    page.locator("[data-id=a]").focus()
    press(page, "ArrowRight")
    page.locator("[data-id=b]").drag_to(page.locator("[data-bucket=bad]"))
    expect(page.locator("[data-bucket=bad] [data-id=b]")).to_be_visible()
    press(page, "Control+Enter")
    value = desk.submitted(project)[0]["value"]
    assert value == {"ranker": {"_": ["c"], "good": ["a"], "bad": ["b"]}}


def test_a_tree_searched_and_opened(desk: Desk, label: Label) -> None:
    config = """<Text name="t" value="$text"/><Taxonomy name="x" toName="t" leafsOnly="true"
    maxUsages="2"><Choice value="Animal"><Choice value="Cat"/><Choice value="Dog"/></Choice>
    <Choice value="Plant"><Choice value="Oak"/></Choice></Taxonomy>"""
    project = desk.project(config, {"text": "one"})
    page = label(project)
    page.get_by_label("Find in x").fill("oak")
    press(page, "Enter")
    page.get_by_label("Find in x").fill("")
    page.locator("summary", has_text="Animal").click()
    assert page.locator("summary input").count() == 0
    page.get_by_label("Cat").check()
    page.get_by_label("Dog").click()
    expect(page.locator("#say")).to_contain_text("No more than 2")
    expect(page.get_by_label("Dog")).not_to_be_checked()
    press(page, "Control+Enter")
    assert [one["value"] for one in desk.submitted(project)] == [
        {"taxonomy": [["Plant", "Oak"], ["Animal", "Cat"]]}
    ]


# --- the sitting


def test_from_task_to_task_and_back_to_change(desk: Desk, label: Label) -> None:
    project = desk.project(CHOICES, *[{"text": f"text {one}"} for one in range(3)])
    page = label(project)
    first = page.locator("#labeling").get_attribute("data-task")
    press(page, "1", "Control+Enter")
    expect(page.locator("#task-name")).to_have_text("Task 2")
    expect(page.locator("#progress-words")).to_have_text("1 of 3")
    desk.submitted(project)
    press(page, "ArrowLeft")
    expect(page.locator("#labeling")).to_have_attribute("data-task", str(first))
    expect(page.locator("#submit")).to_have_text("Update")
    press(page, "b", "2", "Control+Enter")
    until(lambda: desk.said(project)[0] == [choice("c", "bad"), choice("why", "long")])
    assert len(desk.said(project)) == 1


def test_a_skip_has_a_reason_that_is_remembered(desk: Desk, label: Label) -> None:
    project = desk.project(CHOICES, {"text": "one"}, {"text": "two"})
    page = label(project)
    press(page, "Control+Space")
    page.keyboard.type("blurred")
    press(page, "Enter")
    expect(page.locator("#task-name")).to_have_text("Task 2")
    kept = until(lambda: desk.tasks(project)[0]["annotations"])[0]
    assert (kept["was_cancelled"], kept["skip_reason"], kept["result"]) == (True, "blurred", [])
    press(page, "Control+Space")
    expect(page.locator("#skip-reasons option")).to_have_attribute("value", "blurred")


def test_pressed_twice_is_sent_once(desk: Desk, label: Label) -> None:
    project = desk.project(CHOICES.replace('required="true"', ""), {"text": "1"}, {"text": "2"})
    page = label(project)
    press(page, "1")
    page.locator("#submit").dblclick()
    expect(page.locator("#task-name")).to_have_text("Task 2")
    desk.submitted(project)
    press(page, "1")
    expect(page.locator("#saved")).to_have_text("Saved")
    assert [len(one["annotations"]) for one in desk.tasks(project)] == [1, 0]


def test_the_end_says_so(desk: Desk, label: Label) -> None:
    project = desk.project(CHOICES, {"text": "one"})
    page = label(project)
    press(page, "1", "Control+Enter")
    expect(page.locator("#label-empty h2")).to_have_text("All done")


def test_a_draft_is_there_after_a_reload(desk: Desk, label: Label) -> None:
    project = desk.project(CHOICES, {"text": "one"})
    page = label(project)
    press(page, "b", "3")
    expect(page.locator("#saved")).to_have_text("Saved")
    (draft,) = desk.client.get(f"/api/tasks/{desk.tasks(project)[0]['id']}/drafts").json()
    assert [plain(one) for one in draft["result"]] == [choice("c", "bad"), choice("why", "d")]
    page.evaluate("localStorage.clear()")
    page.reload()
    expect(page.locator("[data-key=d]")).to_have_attribute("aria-pressed", "true")
    press(page, "Control+Enter")
    assert desk.submitted(project) == [choice("c", "bad"), choice("why", "d")]


def test_a_prediction_is_looked_at_and_started_from(desk: Desk, label: Label) -> None:
    span = {"start": 0, "end": 3, "text": "Ada", "labels": ["Person"]}
    one = {"id": "p", "from_name": "l", "to_name": "t", "type": "labels", "value": span}
    said = {"result": [one], "score": 0.834, "model_version": "m1"}
    project = desk.project(NER, {"data": {"text": "Ada in Rome"}, "predictions": [said]})
    page = label(project)
    expect(page.locator(".span-mark")).to_have_count(0)
    page.get_by_role("tab", name="Model m1 · 0.83").click()
    expect(page.locator(".span-mark")).to_have_count(1)
    expect(page.locator("#submit")).to_be_disabled()
    page.get_by_role("button", name="Start from this").click()
    select(page, 7, 4)
    press(page, "2", "Control+Enter")
    results = desk.submitted(project)
    assert [one["value"]["text"] for one in results] == ["Ada", "Rome"]
    kept = desk.tasks(project)[0]
    assert kept["annotations"][0]["parent_prediction"] == kept["predictions"][0]["id"]


def test_another_surface_is_drawn_into(desk: Desk, watch: Watch) -> None:
    watched = watch()
    page = watched.log_in("ana")
    page.add_init_script(
        """const mine = (box, context) => ({
          draw: (regions, id) => { box.textContent = `${regions.length} ${id !== null}`; },
          tools: [{ key: "box", label: "Draw", hotkey: "x", run: () => {
            const chosen = context.chosen();
            if (!chosen) return context.ask("Choose a label.");
            context.add({ from_name: chosen.control.name, to_name: context.name,
              type: chosen.control.type, original_width: 10, original_height: 20,
              image_rotation: 0, value: { x: 1, y: 2, width: 3, height: 4, rotation: 0,
                rectanglelabels: chosen.labels } });
          } }],
          destroy() {} });
        // Whatever else the page brings for images comes too late.
        window.mlpiLabels = { surfaces: Object.defineProperty({}, "Image", {
          get: () => mine, set() {} }) };"""
    )
    config = """<Image name="i" value="$image"/><RectangleLabels name="b" toName="i">
    <Label value="Cat"/></RectangleLabels>
    <Choices name="c" toName="i" perRegion="true"><Choice value="near"/></Choices>"""
    project = desk.project(config, {"image": "/static/favicon.svg"})
    opened(page, desk, project)
    press(page, "x")
    expect(page.locator("#say")).to_have_text("Choose a label.")
    press(page, "1", "x")
    expect(page.locator("[data-object=i]")).to_contain_text("1 true")
    press(page, "2", "Control+Enter")
    box = {"x": 1, "y": 2, "width": 3, "height": 4, "rotation": 0}
    size = {"original_width": 10, "original_height": 20, "image_rotation": 0, "to_name": "i"}
    label_of = {"from_name": "b", "type": "rectanglelabels"}
    assert desk.submitted(project) == [
        {**size, **label_of, "value": {**box, "rectanglelabels": ["Cat"]}},
        {**size, "from_name": "c", "type": "choices", "value": {**box, "choices": ["near"]}},
    ]


def test_an_object_without_a_surface_says_so(desk: Desk, label: Label) -> None:
    config = """<Table name="t" value="$row"/>
    <Choices name="c" toName="t"><Choice value="x"/></Choices>"""
    project = desk.project(config, {"row": {"<b>name</b>": "<img src=x onerror=alert(1)>"}})
    page = label(project)
    expect(page.locator("[data-object=t] th")).to_have_text("<b>name</b>")
    expect(page.locator("[data-object=t] td")).to_have_text("<img src=x onerror=alert(1)>")


def test_keys_are_told(desk: Desk, label: Label) -> None:
    project = desk.project(CHOICES, {"text": "one"}, expert_instruction="Be kind.")
    page = label(project)
    page.keyboard.press("?")
    sheet = page.locator("#keys-sheet")
    expect(sheet).to_contain_text("Submit or update")
    expect(sheet).to_contain_text("good")
    press(page, "Escape")
    page.get_by_role("button", name="Instructions").click()
    expect(page.locator("#instruction-sheet")).to_contain_text("Be kind.")


@pytest.mark.parametrize("width", [360, 1280])
def test_pages_are_no_wider_than_the_screen(desk: Desk, watch: Watch, width: int) -> None:
    long = "x" * 300
    config = f"""<Header value="{long}"/>
    <Labels name="l" toName="t"><Label value="{long}"/></Labels>
    <Text name="t" value="$text"/>"""
    project = desk.project(config, {"text": long}, title=long[:200])
    page = watch(viewport={"width": width, "height": 740}).log_in("ana")
    opened(page, desk, project)
    select(page, 0, 3)
    press(page, "1")
    expect(page.locator(".region-list li")).to_have_count(1)
    wide = """() => [...document.querySelectorAll("main *")].filter(one =>
        one.getBoundingClientRect().right > innerWidth + 1).map(one => one.className).slice(0, 3)"""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.evaluate(wide)
