"""What hands do: keys, menus, forms, and what happens when something fails."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Watch
from tests.service import PASSWORD

pytestmark = pytest.mark.browser


def scheme(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.documentElement).colorScheme"))


def paper(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_theme_is_switched_at_once_and_kept(watch: Watch, work: dict[str, str]) -> None:
    watched = watch(color_scheme="light")
    page = watched.log_in("ana")
    light = paper(page)
    page.get_by_label("Account of ana").click()
    with page.expect_response("**/theme"):
        page.get_by_role("button", name="dark", exact=True).click()
    assert scheme(page) == "dark"
    assert paper(page) != light
    page.goto(f"{watched.service.url}/tracking")
    assert scheme(page) == "dark"
    page.goto(f"{watched.service.url}/mlflow/#/models")  # one theme in all rooms
    expect(page.locator("body.dark-mode")).to_have_count(1, timeout=20_000)


def test_search_by_keyboard_alone(watch: Watch, work: dict[str, str]) -> None:
    page = watch().log_in("ana")
    page.keyboard.press("Control+k")
    page.keyboard.type("trial-1")
    expect(page.locator("#found a")).to_have_count(5)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#found a").nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#found")).to_be_hidden()
    page.get_by_role("searchbox").fill("findable")
    expect(page.locator("#found")).to_have_attribute("data-words", "findable")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("findable-run")


def test_menus_close_on_escape_and_outside(watch: Watch) -> None:
    page = watch().log_in("ana")
    account = page.get_by_label("Account of ana")
    account.click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Log out")).to_be_hidden()
    expect(account).to_be_focused()
    account.click()
    page.locator("h1").click()
    expect(page.get_by_role("button", name="Log out")).to_be_hidden()


def test_the_first_tab_stop_skips_to_the_content(watch: Watch) -> None:
    page = watch().log_in("ana")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_experiments_are_found_while_typing(watch: Watch, work: dict[str, str]) -> None:
    watched = watch()
    page = watched.log_in("ana")
    page.goto(f"{watched.service.url}/tracking")
    page.get_by_label("Find an experiment").press_sequentially("browser")
    expect(page.locator("#experiments tbody tr")).to_have_count(1)
    page.wait_for_url("**/tracking?*q=browser")
    page.reload()
    expect(page.get_by_label("Find an experiment")).to_have_value("browser")
    expect(page.locator("#experiments tbody tr")).to_have_count(1)


def test_older_runs_and_back(watch: Watch, work: dict[str, str]) -> None:
    watched = watch()
    page = watched.log_in("ana")
    page.goto(f"{watched.service.url}/tracking/experiments/{work['many']}")
    expect(page.locator("#runs tbody tr")).to_have_count(50)
    page.get_by_role("link", name="Older").click()
    expect(page.locator("#runs tbody tr")).to_have_count(3)
    expect(page.locator("#runs tbody")).to_contain_text("trial-00")
    page.go_back()
    expect(page.locator("#runs tbody tr")).to_have_count(50)
    expect(page.locator("header.top")).to_have_count(1)


def test_curves_are_drawn_when_seen_and_the_rest_on_demand(
    watch: Watch, work: dict[str, str]
) -> None:
    watched = watch(viewport={"width": 800, "height": 500})
    page = watched.log_in("ana")
    asked: list[str] = []
    page.on(
        "request", lambda request: asked.append(request.url) if "/metric?" in request.url else 0
    )
    page.goto(f"{watched.service.url}/tracking/runs/{work['run']}")
    expect(page.locator(".curve")).to_have_count(12)
    expect(page.locator(".curve canvas").first).to_be_visible()
    assert 0 < len(asked) < 12
    expect(page.locator(".curve b").first).to_have_text("loss")
    page.get_by_role("button", name="Show 3 more").click()
    expect(page.locator(".curve")).to_have_count(15)
    expect(page.get_by_role("region", name="Metrics")).to_contain_text("NaN")
    expect(page.get_by_role("region", name="Metrics")).to_contain_text("∞")


def test_artifacts_are_browsed_and_shown(watch: Watch, work: dict[str, str]) -> None:
    watched = watch()
    page = watched.log_in("ana")
    page.goto(f"{watched.service.url}/tracking/runs/{work['run']}")
    page.locator("#artifacts").get_by_role("link", name="plots & more").click()
    picture = page.locator("#artifacts img")
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("naturalWidth", 1)
    page.get_by_role("link", name="all files").click()
    expect(page.locator("#artifacts li")).to_have_count(4)
    page.locator("#artifacts").get_by_role("link", name="plots & more").click()
    expect(page.locator("#artifacts li")).to_have_count(1)
    page.locator("#artifacts li a").first.click()
    expect(page.locator(".stage img")).to_have_js_property("naturalWidth", 1)
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download").click()
    assert saved.value.suggested_filename == "red & blue.png"


def test_a_token_is_revoked_only_after_asking(watch: Watch) -> None:
    watched = watch()
    page = watched.log_in("eve")
    page.goto(f"{watched.service.url}/settings/tokens")
    page.get_by_label("What it is for").fill("to be revoked")
    page.get_by_role("button", name="Make the token").click()
    token = page.locator("#secret").inner_text()
    row = page.get_by_role("row", name="to be revoked")
    row.get_by_role("button", name="Revoke…").click()
    dialog = page.get_by_role("dialog", name="Revoke to be revoked?")
    expect(dialog).to_contain_text("Every program that uses this token is refused")
    dialog.get_by_role("button", name="Cancel").click()
    expect(row).to_have_count(1)
    row.get_by_role("button", name="Revoke…").click()
    dialog.get_by_role("button", name="Revoke it").click()
    expect(row).to_have_count(0)
    with watched.service.client(token) as client:
        assert client.get("/api/mlpi/me").status_code == 401


def test_a_refused_form_keeps_what_was_typed_and_says_why(watch: Watch) -> None:
    watched = watch()
    page = watched.log_in("ana")
    page.goto(f"{watched.service.url}/settings/members")
    page.get_by_label("User name").fill("nobody-of-this-name")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_label("User name")).to_have_value("nobody-of-this-name")
    expect(page.locator(".wrong")).to_contain_text("There is no user")
    watched.wrong = [line for line in watched.wrong if "422" not in line]


def test_forms_act_on_their_page_s_workspace(watch: Watch) -> None:
    watched = watch()
    page, other = watched.log_in("admin"), watched.page()
    page.goto(f"{watched.service.url}/settings/members?workspace=lab")
    other.goto(watched.service.url)
    other.get_by_label(re.compile("^Workspace")).first.click()
    other.get_by_role("button", name="other").click()
    page.get_by_label("What this workspace is for").fill("described in lab")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("saved")
    other.goto(f"{watched.service.url}/settings/members")
    expect(other.get_by_label("What this workspace is for")).not_to_have_value("described in lab")


def test_the_switcher_wins_over_the_address(watch: Watch) -> None:
    watched = watch()
    page = watched.log_in("admin")
    page.goto(f"{watched.service.url}/settings/members?workspace=lab")
    page.get_by_label("Workspace lab, switch").click()
    page.get_by_role("button", name="other").click()
    expect(page.get_by_label("Workspace other, switch")).to_be_visible()
    expect(page.get_by_label("What this workspace is for")).to_be_visible()


def test_an_unreachable_service_is_said_in_a_toast(watch: Watch) -> None:
    watched = watch()
    page = watched.log_in("ana")
    page.goto(f"{watched.service.url}/tracking")
    page.route("**/tracking?*", lambda route: route.abort())
    page.get_by_label("Find an experiment").press_sequentially("x")
    expect(page.locator(".toast")).to_contain_text("mlpi does not answer")

    def failing(route: Route) -> None:
        route.fulfill(status=503, body='<p role="alert">MLflow is resting.</p>')

    page.unroute("**/tracking?*")
    page.route("**/tracking?*", failing)
    page.get_by_label("Find an experiment").press_sequentially("y")
    expect(page.locator(".toast").last).to_contain_text("MLflow is resting.")
    watched.wrong.clear()  # the failures above were meant


def test_the_dashboard_polls_while_it_is_seen_and_not_when_hidden(watch: Watch) -> None:
    watched = watch()
    page = watched.page()
    page.clock.install()
    watched.log_in("ana", _at_login(page, watched.service.url))
    with page.expect_response("**/_cards*"):
        page.clock.run_for(11_000)
    expect(page.locator("#cards.htmx-request")).to_have_count(0)
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(60_000)
    assert not asked


def _at_login(page: Page, url: str) -> Page:
    page.goto(f"{url}/login")
    return page


def test_everything_works_without_javascript(watch: Watch, work: dict[str, str]) -> None:
    watched = watch(java_script_enabled=False)
    page = watched.page()
    page.goto(f"{watched.service.url}/tracking?workspace=lab")
    page.get_by_label("Name").fill("eve")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Find an experiment").fill("browser")
    page.get_by_role("button", name="Find").click()
    expect(page.locator("#experiments tbody tr")).to_have_count(1)
    page.goto(f"{watched.service.url}/settings/tokens")
    page.get_by_label("What it is for").fill("no script")
    page.get_by_role("button", name="Make the token").click()
    expect(page.locator("#secret")).to_contain_text("mlpi_")
    page.get_by_role("row", name="no script").get_by_role("button", name="Revoke…").click()
    page.get_by_role("button", name="Revoke it").click()
    expect(page.get_by_role("row", name="no script")).to_have_count(0)
    page.goto(f"{watched.service.url}/search?q=findable")
    page.locator("main").get_by_role("link", name="findable-run").click()
    page.locator("#artifacts").get_by_role("link", name="plots & more").click()
    expect(page.locator("#artifacts li")).to_have_count(1)


def test_on_a_phone_rooms_beyond_the_first_are_behind_more(watch: Watch) -> None:
    watched = watch(viewport={"width": 360, "height": 740})
    page = watched.log_in("ana")
    rooms = page.get_by_role("navigation", name="Rooms")
    shown = rooms.locator(":scope > a:visible, summary:visible")
    boxes = [one.bounding_box() for one in shown.all()]
    assert all(
        box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes
    )
    expect(rooms.get_by_role("link", name="Settings")).to_be_hidden()
    rooms.get_by_text("More").click()
    rooms.get_by_role("link", name="Settings").click()
    page.wait_for_url("**/settings/**")
    expect(rooms.locator("summary")).to_have_attribute("aria-current", "true")
