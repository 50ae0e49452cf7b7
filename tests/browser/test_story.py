"""The main job, from the first start to a run seen in both UIs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch, log_with_real_client
from tests.service import PASSWORD, Service, running_service

pytestmark = pytest.mark.browser


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Service]:
    """A service that nobody has set up."""
    with running_service(tmp_path) as service:
        service.wait_ready()
        yield service


def sign_up(page: Page, service: Service) -> None:
    link = re.search(r"Set up mlpi here: (\S+)", service.log)
    assert link
    page.goto(link[1])
    page.get_by_label("Name").fill("root")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("default")


def test_set_up_log_in_log_a_run_and_open_it_in_both_uis(watch: Watch, fresh: Service) -> None:
    watched = watch(fresh)
    page = watched.page()
    sign_up(page, fresh)
    expect(page.locator("#cards")).to_contain_text("Nothing has been logged to default yet")

    page.get_by_role("link", name="Make a token").click()
    page.get_by_label("What it is for").fill("the story")
    page.get_by_role("button", name="Make the token").click()
    token = page.locator("#secret").inner_text()
    expect(page.locator("#use-mlflow-shell")).to_contain_text(fresh.url)
    page.reload()
    expect(page.locator("#secret")).to_have_count(0)  # shown once

    work = log_with_real_client(fresh.url, token)
    page.get_by_label("Account of root").click()
    page.get_by_role("button", name="Log out").click()
    watched.log_in("root", page)

    page.get_by_role("link", name="Tracking").first.click()
    page.get_by_role("link", name="browser", exact=True).click()
    page.get_by_role("link", name="findable-run").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("findable-run")
    expect(page.locator("#run-id")).to_have_text(work["run"])

    page.get_by_role("link", name="Open in MLflow").click()
    page.wait_for_url(f"**/mlflow/#/experiments/{work['experiment']}/runs/{work['run']}*")
    expect(page.get_by_text("findable-run").first).to_be_visible(timeout=20_000)
    page.get_by_title("Back to mlpi").click()
    page.wait_for_url("**/tracking")


def test_a_link_that_a_client_printed_leads_to_the_run(watch: Watch, work: dict[str, str]) -> None:
    watched = watch()
    page = watched.log_in("ana")
    route = f"/experiments/{work['experiment']}/runs/{work['run']}"
    for base in ("/", "/mlflow/"):
        page.goto("about:blank")
        page.goto(f"{watched.service.url}{base}#{route}")
        page.wait_for_url(f"**/mlflow/#{route}?workspace=lab")
        expect(page.get_by_text("findable-run").first).to_be_visible(timeout=20_000)


def test_the_link_survives_the_log_in(watch: Watch, work: dict[str, str]) -> None:
    watched = watch()
    page = watched.page()
    route = f"/experiments/{work['experiment']}/runs/{work['run']}"
    page.goto(f"{watched.service.url}/#{route}")
    watched.log_in("ana", page)
    page.wait_for_url(f"**/mlflow/#{route}?workspace=lab")


def test_a_run_of_another_workspace_is_shown_there(watch: Watch, work: dict[str, str]) -> None:
    watched = watch()
    page = watched.log_in("admin")
    page.goto(f"{watched.service.url}/tracking/runs/{work['run']}")
    page.wait_for_url("**/tracking/runs/*?workspace=lab")
    expect(page.get_by_role("heading", level=1)).to_have_text("findable-run")
