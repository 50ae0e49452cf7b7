"""Labels as a new user meets them: what is shown, reached by touch, read, and fits."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page, expect

from mlpi.labels.templates.catalogue import TEMPLATES, template
from tests.browser.conftest import Watch
from tests.browser.seen import look_at
from tests.service import Service, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
LONG = "Long-without-a-space" * 10


def made(service: Service, key: str, *, count: int = 3, **fields: Any) -> int:
    """A project of a ready template, with its sample as tasks; the first is annotated by two."""
    ready = template(key)
    task = {"data": dict(ready.data)}
    said = {"result": list(ready.result), "lead_time": 5}
    guessed = [{"result": list(ready.result), "score": 0.7, "model_version": "m"}]
    with service.client(service.token("ana", "lab")) as ana:
        sent = {"title": ready.title, "label_config": ready.config, **fields}
        number = int(ana.post("/api/projects/", json=sent).raise_for_status().json()["id"])
        tasks = [{**task, "predictions": guessed} for _ in range(count)]
        ana.post(f"/api/projects/{number}/import", json=tasks).raise_for_status()
        first = ana.get(f"/api/projects/{number}/tasks/").json()[-1]["id"]  # newest first
        path = f"/api/tasks/{first}/annotations/"
        ana.post(path, json=said).raise_for_status()
        with service.client(service.token("eve", "lab")) as eve:
            eve.post(path, json=said).raise_for_status()
    return number


def test_pictures_and_sounds_inside_of_the_data_show(service: Service, watch: Watch) -> None:
    watched = watch()
    page = watched.log_in("ana")
    number = made(service, "image-rectangles")
    page.goto(f"{service.url}/labels/{number}/tasks?workspace=lab")
    pictures = page.locator("td.pic img")
    expect(pictures).to_have_count(3)
    until(lambda: pictures.evaluate_all("all => all.every((one) => one.naturalWidth === 160)"))
    page.get_by_role("link", name=re.compile("Details of task")).first.click()
    until(lambda: page.locator("img.large").evaluate("one => one.naturalWidth") == 160)

    number = made(service, "audio-regions")
    page.goto(f"{service.url}/labels/{number}/label?workspace=lab")
    expect(page.locator(".surface-audio .easel")).to_have_attribute("data-ready", "true")
    expect(page.locator(".surface-audio .failure")).to_have_count(0)
    expect(page.locator(".surface-audio .clock")).to_contain_text("0:01.0")


def test_enter_leads_from_the_page_into_the_task_and_stays_a_buttons_own(
    service: Service, watch: Watch
) -> None:
    page = watch().log_in("ana")
    number = made(service, "named-entities")
    page.goto(f"{service.url}/labels/{number}/label?workspace=lab")
    expect(page.locator("#labeling[data-task]")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator(".span-text")).to_be_focused()
    for key in ("Home", "Shift+ArrowRight", "Shift+ArrowRight", "2"):
        page.keyboard.press(key)
    expect(page.locator("#panel .item")).to_contain_text("Place")
    expect(page.locator("#panel .item")).to_have_attribute("aria-pressed", "true")
    page.locator("#panel .item").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#panel .item")).to_have_attribute("aria-pressed", "false")
    page.locator("#show-keys").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#keys-sheet")).to_contain_text("Into the text, picture or sound")


def test_who_imports_chooses_what_becomes_of_rows_that_do_not_fit(
    service: Service, watch: Watch
) -> None:
    page = watch(**PHONE).log_in("ana")
    number = made(service, "text-classification")
    page.goto(f"{service.url}/labels/{number}/import?workspace=lab")
    page.get_by_label("Tasks as JSON").fill('[{"text": "good"}, {"other": 1}]')
    page.get_by_role("button", name="Look at it").click()
    for choice in page.get_by_role("radio").all():
        box = choice.bounding_box()
        assert box is not None
        assert (box["width"], box["height"]) == (16, 16)
    assert look_at(page) == []
    page.get_by_label("leave them out").check()
    page.get_by_role("button", name="Import", exact=True).click()
    page.wait_for_url("**done=1*")  # of two


def middle(page: Page, place: str) -> tuple[float, float]:
    box = page.locator(place).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def finger(session: CDPSession, kind: str, x: float, y: float) -> None:
    points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_an_order_is_dragged_by_touch_and_elsewhere_a_finger_scrolls(
    service: Service, watch: Watch
) -> None:
    config = """<View><List name="t" value="$items"/><Ranker name="r" toName="t">
    <Bucket name="good"/><Bucket name="bad"/></Ranker></View>"""
    items = [{"id": one, "title": one.upper()} for one in "abc"]
    with service.client(service.token("ana", "lab")) as ana:
        sent = {"title": "By touch", "label_config": config}
        number = ana.post("/api/projects/", json=sent).json()["id"]
        ana.post(f"/api/projects/{number}/import", json=[{"items": items}]).raise_for_status()
    watched = watch(**PHONE)
    page = watched.log_in("ana")
    page.goto(f"{service.url}/labels/{number}/label?workspace=lab")
    session = watched.context.new_cdp_session(page)

    def drag(start: str, end: str) -> None:
        (x, y), (to_x, to_y) = middle(page, start), middle(page, end)
        finger(session, "touchStart", x, y)
        for step in range(1, 9):
            finger(session, "touchMove", x + (to_x - x) * step / 8, y + (to_y - y) * step / 8)
        finger(session, "touchEnd", to_x, to_y)

    order = page.locator("[data-bucket]")
    expect(order).to_have_count(3)
    drag("[data-id=b] .grip", "[data-bucket=good]")
    expect(page.locator("[data-bucket=good] [data-id=b]")).to_be_visible()
    drag("[data-id=c] .grip", "[data-id=a] .grip")  # before the first
    expect(page.locator("[data-bucket='_'] [data-id]").first).to_have_attribute("data-id", "c")
    drag("[data-id=a] .what", "[data-bucket=good]")
    expect(page.locator("[data-bucket=good] [data-id]")).to_have_count(1)
    expect(page.locator(".is-moving, .copy, .falls")).to_have_count(0)
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#label-empty")).to_be_visible()
    with service.client(service.token("ana", "lab")) as ana:
        (task,) = ana.get(f"/api/projects/{number}/tasks/").json()
    value = task["annotations"][0]["result"][0]["value"]
    assert value == {"ranker": {"_": ["c", "a"], "good": ["b"], "bad": []}}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_pages_can_be_read_named_and_touched(
    service: Service, watch: Watch, width: int, scheme: str
) -> None:
    number = made(service, "spans-and-class", title=LONG, maximum_annotations=2)
    size = {"width": width, "height": 740}
    page = watch(viewport=size, color_scheme=scheme, has_touch=width < 500).log_in("ana")
    wrong = []
    paths = (
        *("", "/tasks", "/import", "/export", "/review", "/conflicts?below=1", "/models"),
        *("/webhooks", "/settings", "/label"),
    )
    for path in ("/labels?", "/labels/new?", *(f"/labels/{number}{path}" for path in paths)):
        page.goto(f"{service.url}{path}{'&' if '?' in path else '?'}workspace=lab")
        if path.endswith("/label"):
            expect(page.locator("#labeling[data-task]")).to_be_visible()
        wrong += [f"{path}: {one}" for one in look_at(page)]
    assert wrong == []


def test_every_template_labels_on_a_phone(service: Service, watch: Watch) -> None:
    page = watch(**PHONE, color_scheme="dark").log_in("ana")
    wrong = []
    for ready in TEMPLATES:
        number = made(service, ready.key, count=2)
        page.goto(f"{service.url}/labels/{number}/label?workspace=lab")
        expect(page.locator("#labeling[data-task]")).to_be_visible()
        wrong += [f"{ready.key}: {one}" for one in look_at(page)]
    assert wrong == []
