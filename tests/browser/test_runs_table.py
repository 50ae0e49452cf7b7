"""The table of runs as a person uses it, on an experiment of 5,000 runs with long names."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.bench.runs_table import make_experiments
from tests.browser.conftest import Watch, Watched
from tests.service import Service

pytestmark = pytest.mark.browser

RUNS = 5_000
FILTER = "Find runs by name or filter"


@pytest.fixture(scope="module")
def big(service: Service) -> str:
    """The address of an experiment of RUNS runs in lab, put straight into MLflow's database."""
    url = f"sqlite:///{service.home / 'mlflow' / 'mlflow.db'}"
    made = make_experiments(url, [RUNS], long_names=True)
    return f"/tracking/experiments/{made[RUNS]}"


def opened(watched: Watched, user: str, big: str, query: str = "") -> Page:
    page = watched.log_in(user)
    page.goto(f"{watched.service.url}{big}?workspace=lab{query}")
    return page


def first_names(page: Page, count: int = 5) -> list[str]:
    return page.locator("#runs tbody tr .ran a.t").all_inner_texts()[:count]


def headings(page: Page) -> list[str]:
    return page.locator("#runs thead th").all_inner_texts()


def test_a_wrong_filter_is_shown_at_its_spot_and_a_right_one_finds(watch: Watch, big: str) -> None:
    watched = watch()
    page = opened(watched, "vic", big)
    field = page.get_by_label(FILTER)
    field.fill("metrics.loss < 'low' and params.model = 'cnn'")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("compared with a number")
    expect(page.locator(".spot mark")).to_have_text("'low'")
    line, carets = page.locator(".spot").inner_text().split("\n")[:2]
    assert line[carets.index("^") : carets.rindex("^") + 1] == "'low'"
    field.fill("metrics.loss < 0.01 and params.model = 'cnn'")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_text(re.compile(r"\d+ runs? found"))).to_be_visible()
    assert "q=metrics.loss" in page.url
    page.reload()
    expect(page.get_by_label(FILTER)).to_have_value("metrics.loss < 0.01 and params.model = 'cnn'")
    watched.wrong = [line for line in watched.wrong if "422" not in line]


def test_keys_and_operators_are_completed_by_keyboard(watch: Watch, big: str) -> None:
    page = opened(watch(), "vic", big)
    field = page.get_by_label(FILTER)
    field.click()
    field.press_sequentially("metrics.lo")
    options = page.get_by_role("option")
    expect(options.first).to_have_text("metrics.loss")
    field.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    field.press("Enter")
    expect(field).to_have_value("metrics.loss ")
    expect(options.first).to_be_visible()  # operators now
    field.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()


def test_chosen_columns_stay(watch: Watch, big: str) -> None:
    page = opened(watch(), "eve", big)
    page.get_by_role("link", name="Columns").click()
    chooser = page.get_by_role("dialog", name="Columns")
    expect(chooser).to_be_visible()
    chooser.get_by_label("Find a column").fill("seed")
    expect(chooser.get_by_label("accuracy", exact=False).first).to_be_hidden()
    chooser.get_by_label("Find a column").fill("")
    for box in chooser.get_by_role("checkbox").all():
        box.uncheck()
    chooser.get_by_label("seed").check()
    chooser.get_by_label("team").check()
    chooser.get_by_role("button", name="Show these").click()
    expect(page.get_by_role("link", name="Columns 2")).to_be_visible()
    assert {"seed", "team"} <= set(headings(page))
    assert "loss" not in headings(page)
    page.goto(f"{page.url.split('?')[0]}?workspace=lab")
    assert {"seed", "team"} <= set(headings(page))
    page.goto(f"{page.url.split('?')[0]}?workspace=lab&reset=1")
    assert "loss" in headings(page)


def test_sorting_turns_and_paging_goes_on(watch: Watch, big: str) -> None:
    page = opened(watch(), "vic", big, "&flat=1&col=params.seed&sort=params.seed")
    assert first_names(page, 1)[0].startswith("trial-000000")
    heading = page.get_by_role("columnheader", name="seed")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    heading.get_by_role("link").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert first_names(page, 1)[0].startswith("trial-004999")
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("link", name="First")).to_be_visible()
    assert first_names(page, 1)[0].startswith("trial-004949")
    page.go_back()
    expect(page.get_by_role("link", name="First")).to_have_count(0)


def test_a_selection_outlives_pages_and_refreshes_and_is_tagged(watch: Watch, big: str) -> None:
    page = opened(watch(), "eve", big, "&flat=1&col=tags.owner&size=25")
    boxes = page.locator("#runs input[name=run]")
    bar = page.locator("#pick")
    expect(bar).to_be_hidden()
    boxes.nth(0).check()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(bar).to_contain_text("3 runs selected")
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("link", name="Newest")).to_be_visible()
    boxes.nth(0).check()
    expect(bar).to_contain_text("4 runs selected")
    page.get_by_role("link", name="Newest").click()
    expect(page.get_by_role("link", name="Newest")).to_have_count(0)
    expect(boxes.nth(2)).to_be_checked()

    box = page.locator("#runs-box")
    box.evaluate("box => { box.scrollTop = 200; box.scrollLeft = 30 }")
    with page.expect_response(lambda answer: "refresh=1" in answer.url):
        page.evaluate("document.body.dispatchEvent(new CustomEvent('tick'))")
    expect(boxes.nth(2)).to_be_checked()
    assert box.evaluate("box => box.scrollTop") == 200

    bar.get_by_role("button", name="Tag…").click()
    page.get_by_label("Key").fill("owner")
    page.get_by_label("Value").fill("eve herself")
    page.get_by_role("button", name="Set the tag").click()
    expect(page.get_by_role("cell", name="eve herself")).to_have_count(3)
    expect(bar).to_be_hidden()
    assert box.evaluate("box => box.scrollTop") == 200
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("cell", name="eve herself")).to_have_count(1)


def test_a_refused_deed_is_told(watch: Watch, big: str) -> None:
    watched = watch()
    page = opened(watched, "eve", big)
    page.locator("#runs input[name=run]").first.check()
    page.get_by_role("button", name="Tag…").click()
    page.get_by_label("Key").fill("no\\such?key")
    page.get_by_role("button", name="Set the tag").click()
    expect(page.locator("#toasts")).to_contain_text("Names may only contain")
    watched.wrong = [line for line in watched.wrong if "422" not in line]


def test_runs_are_pinned_hidden_and_compared(watch: Watch, big: str) -> None:
    page = opened(watch(), "ana", big, "&flat=1")
    names = first_names(page)
    page.locator("#runs input[name=run]").nth(3).check()
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.locator("tbody.pinned tr")).to_have_count(1)
    assert first_names(page, 1) == [names[3]]
    page.get_by_role("button", name="Clear").click()
    page.get_by_label(f"Select {names[0]}").check()
    page.get_by_role("button", name="Hide").click()
    expect(page.get_by_role("link", name="1 hidden")).to_be_visible()
    expect(page.get_by_role("link", name=names[0])).to_have_count(0)
    page.get_by_role("link", name="1 hidden").click()
    expect(page.get_by_role("link", name=names[0])).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    for number in range(2):
        page.locator("#runs input[name=run]").nth(number).check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 runs side by side")
    expect(page.locator("tr.differs").first).to_be_visible()


def test_nested_runs_fold_out_and_in(watch: Watch, big: str) -> None:
    page = opened(watch(), "vic", big)
    fold = page.get_by_role("link", name="1 nested run").first
    expect(fold).to_have_attribute("aria-expanded", "false")
    count = page.locator("#runs tbody tr").count()
    fold.click()
    expect(page.locator("#runs tbody tr")).to_have_count(count + 1)
    expect(fold).to_have_attribute("aria-expanded", "true")
    fold.click()
    expect(page.locator("#runs tbody tr")).to_have_count(count)


def test_a_group_leads_to_its_runs(watch: Watch, big: str) -> None:
    page = opened(watch(), "vic", big)
    page.get_by_label("Group by").select_option("params.model")
    expect(page.get_by_text("5 groups of 5,000 runs")).to_be_visible()
    page.get_by_role("link", name="forest").click()
    expect(page.get_by_label(FILTER)).to_have_value("params.model = 'forest'")
    expect(page.get_by_text("runs found")).to_be_visible()


def test_a_view_is_saved_as_it_is_shown(watch: Watch, big: str) -> None:
    page = opened(watch(), "eve", big)
    page.get_by_label("State").first.select_option("FAILED")
    expect(page.get_by_text("runs found")).to_be_visible()
    page.get_by_text("Views", exact=True).click()
    page.get_by_label("A name for this view").fill("the failed ones")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**view=*")
    expect(page.get_by_label("State").first).to_have_value("FAILED")
    page.get_by_text("the failed ones", exact=True).first.click()
    page.get_by_role("button", name="Remove the view the failed ones").click()
    page.wait_for_url(lambda url: "view=" not in url)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_on_a_phone(watch: Watch, big: str, scheme: str) -> None:
    watched = watch(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page = opened(watched, "ana", big)
    for query in ("", "&group=params.model", "&q=metrics.loss", "&flat=1&size=200"):
        page.goto(f"{watched.service.url}{big}?workspace=lab{query}")
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), query
    page.locator("#runs input[name=run]").nth(1).check()
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.get_by_role("link", name="Columns").click()
    expect(page.get_by_role("dialog", name="Columns")).to_be_visible()
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    watched.wrong = [line for line in watched.wrong if "422" not in line]


def test_without_script_the_same_works_by_forms_and_links(watch: Watch, big: str) -> None:
    page = opened(watch(java_script_enabled=False), "eve", big, "&flat=1")
    page.get_by_label("State").first.select_option("FAILED")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_text("runs found")).to_be_visible()
    page.get_by_role("link", name="Columns").click()
    page.get_by_label("team").check()
    page.get_by_role("button", name="Show these").click()
    assert "team" in headings(page)
    page.locator("#runs input[name=run]").first.check()
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.locator("tbody.pinned tr")).to_have_count(1)
