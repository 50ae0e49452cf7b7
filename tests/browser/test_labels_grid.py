"""The data manager in a browser: filter, order, select over pages, a deed, a kept view."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watch
from tests.service import Service

CONFIG = """<View><Text name="t" value="$text"/><Choices name="c" toName="t">
<Choice value="good"/><Choice value="bad"/></Choices></View>"""


@pytest.fixture
def project(service: Service) -> int:
    with service.client(service.token("ana", "lab")) as api:
        made = api.post("/api/projects/", json={"title": "Grid", "label_config": CONFIG}).json()
        value: dict[str, Any] = {"choices": ["good"]}
        said = {"from_name": "c", "to_name": "t", "type": "choices", "value": value}
        tasks = [
            {
                "data": {"text": f"text {at}", "stars": at % 5},
                "annotations": [{"result": [said]}] if at % 2 else [],
            }
            for at in range(70)
        ]
        api.post(f"/api/projects/{made['id']}/import", json=tasks).raise_for_status()
    return int(made["id"])


@pytest.mark.parametrize("width", [1280, 360])
def test_filter_order_select_and_delete(
    watch: Watch, service: Service, project: int, width: int
) -> None:
    page = watch(viewport={"width": width, "height": 800}).log_in("ana")
    page.goto(f"{service.url}/labels/{project}/tasks?workspace=lab")
    expect(page.get_by_role("status").filter(has_text="70 tasks")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    page.locator("select[name=status]").select_option("todo")
    expect(page.get_by_text("35 of 70 tasks match")).to_be_visible()
    page.locator("summary", has_text="Filter").click()
    page.locator(".filter-sheet select[name=f]").last.select_option("data.stars")
    page.locator(".filter-sheet select[name=o]").last.select_option("greater")
    page.locator(".filter-sheet input[name=v]").last.fill("2")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("14 of 70 tasks match")).to_be_visible()
    page.get_by_role("link", name="ID", exact=True).click()
    expect(page.locator("th[aria-sort=descending]")).to_have_count(1)

    boxes = page.locator('input[name="ids[]"]')
    boxes.nth(0).click()
    boxes.nth(3).click(modifiers=["Shift"])
    expect(page.get_by_text("4 selected")).to_be_visible()
    page.locator('#chosen > button[popovertarget="deed-delete_tasks"]').click()
    expect(page.locator("#deed-delete_tasks")).to_contain_text("4 tasks go for good")
    page.locator("#deed-delete_tasks").get_by_role("button", name="Delete them").click()
    expect(page.get_by_text("4 tasks gone through: 4 tasks deleted")).to_be_visible()
    page.get_by_role("link", name="Back to the tasks").click()
    expect(page.get_by_text("10 of 66 tasks match")).to_be_visible()


def test_all_that_match_are_selected_over_pages_and_a_view_is_kept(
    watch: Watch, service: Service, project: int
) -> None:
    page = watch().log_in("ana")
    page.goto(f"{service.url}/labels/{project}/tasks?workspace=lab&own=1&size=25&label=good")
    page.get_by_label("Select all tasks shown").check()
    expect(page.get_by_text("25 selected")).to_be_visible()
    page.get_by_label("all 35 that match").check()
    expect(page.get_by_text("35 selected")).to_be_visible()
    page.locator('#chosen > button[popovertarget="deed-delete_tasks_annotations"]').click()
    page.locator("#deed-delete_tasks_annotations").get_by_role("button", name="Delete them").click()
    expect(page.get_by_text("35 tasks gone through: 35 annotations deleted")).to_be_visible()
    page.get_by_role("link", name="Back to the tasks").click()
    expect(page.get_by_text("No task matches this filter")).to_be_visible()

    page.locator("summary", has_text="View").click()
    page.get_by_label("Name").fill("Good ones")
    page.get_by_role("button", name="Save as a new view").click()
    expect(page.get_by_role("link", name="Good ones")).to_have_attribute("aria-current", "page")
    page.get_by_role("link", name="All tasks").click()
    expect(page.locator("tr[data-task]")).to_have_count(50)
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("1 selected")).to_be_visible()
