"""Labeling on bad days: no network, a killed server, an expired login, two tabs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import Watch, Watched
from tests.browser.test_labels_editor import Desk, opened, press
from tests.service import Service, running_service, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
CONFIG = """<Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="good"/>
<Choice value="bad"/></Choices><TextArea name="a" toName="t"/>"""
TASKS = [{"text": f"text {one}"} for one in range(4)]
# What the browser itself says of an answer that did not come or was 4xx: meant here.
MEANT = "Failed to load resource"


@pytest.fixture(scope="module")
def frail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of this module's own, to be killed."""
    with running_service(tmp_path_factory.mktemp("frail")) as running:
        running.add_user("ana", "--admin")
        running.mlpi("workspace", "add", "lab")
        running.wait_ready()
        yield running


@pytest.fixture(scope="module")
def desk(frail: Service) -> Iterator[Desk]:
    with frail.client(frail.token("ana", "lab")) as client:
        yield Desk(frail, client)


@pytest.fixture
def watched(watch: Watch, frail: Service) -> Iterator[Watched]:
    one = watch(frail)
    yield one
    one.wrong[:] = [line for line in one.wrong if MEANT not in line]


def said(desk: Desk, project: int) -> list[list[Any]]:
    """The values of every task's annotations."""
    return [
        [[each["value"] for each in one["result"]] for one in task["annotations"]]
        for task in desk.tasks(project)
    ]


GOOD, BAD = {"choices": ["good"]}, {"choices": ["bad"]}


def test_offline_one_goes_on_and_all_arrives_once(desk: Desk, watched: Watched) -> None:
    project = desk.project(CONFIG, *TASKS)
    page = opened(watched.log_in("ana"), desk, project)
    with page.expect_response(lambda answer: "/label/next" in answer.url):
        page.reload()  # both the first task and the one after it are here
    expect(page.locator("#labeling[data-task]")).to_be_visible()
    page.wait_for_load_state("networkidle")
    watched.context.set_offline(True)
    press(page, "1", "Control+Enter")
    expect(page.locator("#task-name")).to_have_text("Task 2")
    page.get_by_label("a", exact=True).fill("typed without a network")
    expect(page.locator("#saved")).to_contain_text("Offline")
    press(page, "Control+Enter")
    expect(page.locator("#label-notices")).to_contain_text("kept in this browser")
    assert said(desk, project) == [[], [], [], []]
    watched.context.set_offline(False)
    until(lambda: said(desk, project)[:2] == [[[GOOD]], [[{"text": ["typed without a network"]}]]])
    expect(page.locator("#task-name")).to_have_text("Task 3")
    expect(page.locator("#saved")).to_be_hidden()


def test_what_was_typed_offline_outlives_the_page(desk: Desk, watched: Watched) -> None:
    project = desk.project(CONFIG, *TASKS)
    page = opened(watched.log_in("ana"), desk, project)
    page.wait_for_load_state("networkidle")
    watched.context.set_offline(True)
    press(page, "1", "Control+Enter")
    expect(page.locator("#task-name")).to_have_text("Task 2")
    press(page, "2")
    page.close()
    watched.context.set_offline(False)
    again = opened(watched.page(), desk, project)
    until(lambda: said(desk, project)[0] == [[GOOD]])
    until(lambda: again.locator("#task-name").text_content() == "Task 2")
    expect(again.locator("[data-key=bad]")).to_have_attribute("aria-pressed", "true")


def test_killed_between_submit_and_answer_is_kept_once(
    desk: Desk, watched: Watched, frail: Service
) -> None:
    project = desk.project(CONFIG, *TASKS)
    page = opened(watched.log_in("ana"), desk, project)
    page.wait_for_load_state("networkidle")
    sent: list[str] = []

    def lose(route: Route) -> None:
        """The server keeps it, and dies before anybody hears of it."""
        if not sent:
            sent.append(route.request.url)
            assert route.fetch().status == 201
            frail.stop(signal.SIGKILL)
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/api/mlpi/labels/tasks/*/annotations*", lose)
    press(page, "1", "Control+Enter")
    expect(page.locator("#task-name")).to_have_text("Task 2")
    expect(page.locator("#saved")).to_contain_text("Offline")
    press(page, "2")
    frail.start()
    frail.wait_ready()
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("#saved")).to_have_text("Saved")
    assert sent
    assert said(desk, project) == [[[GOOD]], [], [], []]
    expect(page.locator("[data-key=bad]")).to_have_attribute("aria-pressed", "true")


def test_an_expired_login_loses_nothing(desk: Desk, watched: Watched) -> None:
    project = desk.project(CONFIG, *TASKS)
    page = opened(watched.log_in("ana"), desk, project)
    page.wait_for_load_state("networkidle")
    watched.context.clear_cookies()
    press(page, "2", "Control+Enter")
    expect(page.locator("#task-name")).to_have_text("Task 2")
    notices = page.locator("#label-notices")
    expect(notices).to_contain_text("You are logged out")
    page.get_by_label("a", exact=True).fill("typed while logged out")
    with watched.context.expect_page() as coming:
        notices.get_by_role("link", name="Log in").click()
    watched.log_in("ana", coming.value)
    page.bring_to_front()  # it goes on by itself
    until(lambda: said(desk, project)[0] == [[BAD]])
    expect(notices).not_to_contain_text("You are logged out")
    expect(page.get_by_label("a", exact=True).first).to_have_value("typed while logged out")
    press(page, "Control+Enter")
    until(lambda: said(desk, project)[1] == [[{"text": ["typed while logged out"]}]])


def second_tab(context: BrowserContext, desk: Desk, project: int) -> Page:
    return opened(context.new_page(), desk, project)


def test_a_second_tab_says_so_and_takes_over(desk: Desk, watched: Watched) -> None:
    project = desk.project(CONFIG, *TASKS)
    first = opened(watched.log_in("ana"), desk, project)
    press(first, "1")
    other = second_tab(watched.context, desk, project)
    expect(other.locator("#label-notices")).to_contain_text("open in another tab")
    expect(other.locator("#submit")).to_be_disabled()
    other.get_by_role("button", name="Go on here").click()
    expect(other.locator("[data-key=good]")).to_have_attribute("aria-pressed", "true")
    expect(first.locator("#label-notices")).to_contain_text("went on in another tab")
    expect(first.locator("#submit")).to_be_disabled()
    press(other, "2", "Control+Enter")
    until(lambda: said(desk, project)[0] == [[BAD]])
    # The first one follows: what it showed is done.
    expect(first.locator("#labeling")).not_to_have_attribute(
        "data-task", str(desk.tasks(project)[0]["id"])
    )
    assert said(desk, project) == [[[BAD]], [], [], []]


def test_a_tab_that_goes_away_lets_the_task_go(desk: Desk, watched: Watched) -> None:
    project = desk.project(CONFIG, *TASKS)
    first = opened(watched.log_in("ana"), desk, project)
    press(first, "1")
    other = second_tab(watched.context, desk, project)
    expect(other.locator("#submit")).to_be_disabled()
    first.goto(f"{desk.service.url}/labels?workspace=lab")
    expect(other.locator("#submit")).to_be_enabled()
    press(other, "2", "Control+Enter")
    until(lambda: said(desk, project)[0] == [[BAD]])


def test_what_is_refused_is_shown_where_it_is_wrong(desk: Desk, watched: Watched) -> None:
    config = """<Labels name="l" toName="t"><Label value="x"/></Labels>
    <Text name="t" value="$text"/>"""
    project = desk.project(config, *TASKS)
    page = opened(watched.log_in("ana"), desk, project)
    page.locator(".span-text").focus()
    press(page, "Home", "Shift+ArrowRight", "Shift+ArrowRight", "1")
    expect(page.locator(".region-list li")).to_have_count(1)
    # Meanwhile the label is given another name.
    renamed = f"<View>{config}</View>".replace('"x"', '"y"')
    changed = desk.client.patch(f"/api/projects/{project}/", json={"label_config": renamed})
    assert changed.status_code == 200, changed.text
    press(page, "Control+Enter")
    notices = page.locator("#label-notices")
    expect(notices).to_contain_text("Task 1 was not accepted: result[0].value.labels")
    page.get_by_role("button", name="Go back to it").click()
    expect(page.locator("#task-name")).to_have_text("Task 1")
    expect(page.locator(".region-list [aria-pressed=true]")).to_have_count(1)
    assert said(desk, project) == [[], [], [], []]
