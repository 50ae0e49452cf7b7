"""Reviewing by keyboard, and looking at conflicts and a project's home, in a real browser."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watch
from tests.labels_work import CONFIG, said
from tests.service import Service

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def project(service: Service, title: str, texts: int, **fields: Any) -> tuple[int, list[int]]:
    """ana's, in lab; what eve has annotated in it, in order."""
    headers = {"Authorization": f"Bearer {service.token('ana', 'lab')}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=60) as http:
        given = {"title": title, "label_config": CONFIG, **fields}
        number = http.post("/api/projects/", json=given).json()["id"]
        made = []
        for text in range(texts):
            task = {"project": number, "data": {"text": f"text {text}"}}
            task_id = http.post("/api/tasks/", json=task).json()["id"]
            eve = {"Authorization": f"Bearer {service.token('eve', 'lab')}"}
            path = f"/api/tasks/{task_id}/annotations/"
            made.append(http.post(path, json=said("x"), headers=eve).json()["id"])
            if fields:
                http.post(path, json=said("y" if text else "x"))
    return number, made


def test_annotations_are_reviewed_by_keyboard(service: Service, watch: Watch) -> None:
    number, made = project(service, "By keyboard", 3)
    page = watch().log_in("ana")
    page.goto(f"{service.url}/labels/{number}/review")
    page.keyboard.press("n")  # later: the second
    page.wait_for_url(f"**after={made[0]}*")
    page.keyboard.press("a")
    page.wait_for_url("**done=accepted*")
    expect(page.get_by_text("1 accepted")).to_be_visible()
    page.keyboard.press("r")  # asks for a word first
    comment = page.get_by_label("Comment")
    expect(comment).to_be_focused()
    page.keyboard.type("a rabbit")  # keys that are typed do nothing else
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.wait_for_url("**done=rejected*")
    expect(page.get_by_text("1 rejected", exact=False)).to_be_visible()
    page.keyboard.press("g")
    page.wait_for_url("**done=truth*")
    expect(page.locator(".chip", has_text="ground truth")).to_be_visible()
    fix = page.get_by_role("link", name=re.compile("Fix"))
    expect(fix).to_have_attribute("href", re.compile(f"annotation={made[0]}"))
    page.goto(f"{service.url}/labels/{number}/review?annotation={made[2]}")
    expect(page.get_by_text("a rabbit")).to_be_visible()


@pytest.mark.parametrize("width", [360, 1280])
def test_pages_fit_and_tell_what_differs(service: Service, watch: Watch, width: int) -> None:
    title = f"Two hands in a title that is long, seen {width} wide"
    number, _ = project(service, title, 2, maximum_annotations=2)
    size = {"width": width, "height": 800}
    page = watch(viewport=size, color_scheme="dark").log_in("ana")
    for path in ("", "/conflicts?below=1", "/review", "/webhooks"):
        page.goto(f"{service.url}/labels/{number}{path}")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, path
    page.goto(f"{service.url}/labels/{number}/conflicts?below=1")
    expect(page.locator("article")).to_have_count(2)
    expect(page.locator(".differs")).to_have_count(2)
    page.goto(f"{service.url}/labels/{number}")
    expect(page.get_by_role("img", name=re.compile("Annotations a day"))).to_be_visible()
    expect(page.get_by_role("heading", name="Who agrees with whom")).to_be_visible()
