"""Prompts and traces as a person uses them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch, Watched
from tests.genai_work import made_with_real_client
from tests.service import Service

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def genai(service: Service) -> dict[str, str]:
    """The prompts and traces that ana has made in lab."""
    return made_with_real_client(service.url, service.token("ana", "lab"), "onlooker")


def opened(watched: Watched, user: str, path: str, query: str = "") -> Page:
    page = watched.log_in(user)
    page.goto(f"{watched.service.url}{path}?workspace=lab{query}")
    return page


def test_traces_are_filtered_as_one_types_and_opened(watch: Watch, genai: dict[str, str]) -> None:
    page = opened(watch(), "vic", "/tracking/traces", f"&experiment={genai['experiment']}")
    table = page.get_by_role("region", name="Traces of")
    expect(table.get_by_role("row")).to_have_count(51)
    page.get_by_label("Find traces").fill("what is the")
    expect(table.get_by_role("row")).to_have_count(2)
    page.get_by_label("Find traces").fill("")
    page.get_by_label("State").select_option("ERROR")
    expect(table.get_by_role("link", name="check")).to_be_visible()
    expect(table.get_by_role("checkbox")).to_have_count(0)  # viewers do not delete
    page.get_by_label("State").select_option("")
    page.get_by_label("Find traces").fill("what is the")
    table.get_by_role("link", name="answer").click()
    expect(page.get_by_role("heading", name="answer", level=1)).to_be_visible()
    expect(page.get_by_role("link", name=f"{genai['text']} v1")).to_be_visible()


def test_the_tree_of_spans_by_keyboard(watch: Watch, genai: dict[str, str]) -> None:
    page = opened(watch(), "vic", f"/tracking/traces/{genai['trace']}")
    items = page.get_by_role("treeitem")
    expect(items).to_have_count(4)
    items.first.focus()
    page.keyboard.press("ArrowLeft")
    expect(items).to_have_count(1)
    expect(items.first).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowRight")
    expect(items).to_have_count(4)
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    expect(items.nth(2)).to_be_focused()
    page.keyboard.press("Enter")
    pane = page.get_by_role("region", name="Span", exact=True)
    expect(pane).to_contain_text("ValueError: cannot check")
    expect(items.nth(2)).to_have_attribute("aria-selected", "true")
    page.reload()
    expect(pane).to_contain_text("ValueError: cannot check")
    items.nth(2).focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(pane).to_contain_text("Forty-two.")
    page.keyboard.press("ArrowLeft")
    expect(items.first).to_be_focused()
    items.nth(1).click()
    expect(pane).to_contain_text("doc_uri: note-1")
    items.first.get_by_role("button", name="Fold").click()
    expect(items).to_have_count(1)


def test_spans_open_without_javascript(watch: Watch, genai: dict[str, str]) -> None:
    page = opened(watch(java_script_enabled=False), "vic", f"/tracking/traces/{genai['trace']}")
    page.get_by_role("treeitem").nth(3).get_by_role("link").click()
    expect(page.locator("#span .message .prose").last).to_have_text("Forty-two.")


def test_chosen_traces_are_deleted_after_a_question(watch: Watch, service: Service) -> None:
    made = made_with_real_client(service.url, service.token("ana", "lab"), "thrown-away")
    page = opened(watch(), "ana", "/tracking/traces", f"&experiment={made['experiment']}&q=step+1")
    table = page.get_by_role("region", name="Traces of")
    before = table.get_by_role("row").count()
    opener = page.get_by_role("button", name="Delete the selected…")
    expect(opener).to_be_hidden()
    for box in table.get_by_role("checkbox").all()[:2]:
        box.check()
    opener.click()
    dialog = page.get_by_role("dialog", name="Delete the selected traces?")
    dialog.get_by_role("button", name="Delete").click()
    expect(table.get_by_role("row")).to_have_count(before - 2)


def test_a_prompt_is_made_changed_compared_and_deleted(watch: Watch) -> None:
    page = opened(watch(), "ana", "/tracking/prompts")
    page.get_by_text("New prompt").click()
    page.get_by_label("Name").fill("by-hand")
    page.get_by_label("Template").fill("Say {{ word }}.\nOnce.")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="by-hand", level=1)).to_be_visible()
    expect(page.locator("mark.var")).to_have_text("{{ word }}")
    page.get_by_label("Give v1 an alias").fill("live")
    page.get_by_role("button", name="Set").first.click()
    expect(page.get_by_role("button", name="Remove the alias live")).to_be_visible()
    expect(page.get_by_text("prompts:/by-hand@live")).to_be_visible()
    page.get_by_role("link", name="New version").click()
    field = page.get_by_label("Template")
    expect(field).to_have_value("Say {{ word }}.\nOnce.")
    field.fill("Say {{ word }}.\nTwice.")
    page.get_by_label("What changed").fill("louder")
    page.get_by_role("button", name="Save as a new version").click()
    expect(page.get_by_role("navigation", name="Versions").get_by_role("link")).to_have_count(2)
    page.get_by_label("Compare with").select_option("1")
    changes = page.get_by_role("region", name="Changes from version 1")
    expect(changes.locator("tr.gone")).to_contain_text("Once.")
    expect(changes.locator("tr.come")).to_contain_text("Twice.")
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete the prompt").click()
    expect(page).to_have_url(page.url.split("/tracking")[0] + "/tracking/prompts?workspace=lab")
    expect(page.get_by_role("link", name="by-hand")).to_have_count(0)


def test_the_editor_switches_between_text_and_chat(watch: Watch, genai: dict[str, str]) -> None:
    page = opened(watch(), "eve", f"/tracking/prompts/{genai['chat']}/new")
    expect(page.get_by_label("Message 1", exact=True)).to_have_value("You are {{ style }}.")
    expect(page.get_by_label("Template")).to_be_hidden()
    page.get_by_label("Text", exact=True).check()
    expect(page.get_by_label("Message 1", exact=True)).to_be_hidden()
    expect(page.get_by_label("Template")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone(watch: Watch, genai: dict[str, str], scheme: str) -> None:
    watched = watch(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page = watched.log_in("ana")
    for path in (
        "/tracking/prompts",
        f"/tracking/prompts/{genai['text']}",
        f"/tracking/prompts/{genai['text']}?version=2&against=1",
        f"/tracking/prompts/{genai['chat']}/new",
        "/tracking/traces",
        f"/tracking/traces?experiment={genai['experiment']}",
        f"/tracking/traces/{genai['trace']}",
        f"/tracking/traces/{genai['evil']}",
    ):
        page.goto(f"{watched.service.url}{path}{'&' if '?' in path else '?'}workspace=lab")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.title() != "pwned"
