"""A project from a template: found, changed with the preview beside it, made."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch

pytestmark = pytest.mark.browser


def is_wide(page: Page) -> bool:
    """Whether one would have to scroll sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def test_a_project_begins_with_a_template_and_the_preview_follows(watch: Watch) -> None:
    watched = watch()
    page = watched.log_in("ana")
    page.goto(f"{watched.service.url}/labels/new?workspace=lab")
    page.get_by_role("searchbox", name="Find a template").fill("outline")
    expect(page.locator("a.ready-one")).to_have_count(1)
    page.get_by_role("link", name="Polygons").click()
    preview = page.get_by_role("region", name="Preview")
    expect(preview.get_by_alt_text("The sample picture of image")).to_be_visible()
    expect(preview.get_by_text("Meadow")).to_be_visible()
    config = page.get_by_label("Configuration")
    good = config.input_value()
    config.fill(good.replace("<Image ", "<Imago "))
    expect(preview.get_by_role("alert")).to_contain_text("<Imago> is not a tag that mlpi knows")
    expect(preview.locator("pre")).to_contain_text("<Imago")
    config.fill(good.replace("Meadow", "Grass"))
    expect(preview.get_by_text("Grass")).to_be_visible()
    expect(preview.get_by_role("alert")).to_have_count(0)
    page.get_by_label("Title").fill("Outlines of houses")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Outlines of houses")
    page.get_by_role("link", name="Models", exact=True).click()
    expect(page.get_by_text("No model predicts for this project yet")).to_be_visible()


@pytest.mark.parametrize("width", [360, 1280])
def test_the_pages_need_no_sideways_scrolling(watch: Watch, width: int) -> None:
    watched = watch(viewport={"width": width, "height": 800})
    page = watched.log_in("ana")
    for key in ("named-entities", "image-rectangles", "table-check", "ranking"):
        page.goto(f"{watched.service.url}/labels/new?workspace=lab&template={key}")
        expect(page.get_by_role("region", name="Preview")).to_be_visible()
        assert not is_wide(page), key
