"""A person checks wine: upload, profile, propose, edit, schedule, a bad version, who is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sklearn.datasets import load_wine

from tests.browser.conftest import Watch
from tests.integration.test_checks import listening
from tests.service import until

PATIENCE_MS = 60_000


class Story:
    """The steps of somebody at one page."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        page.set_default_timeout(PATIENCE_MS)

    def go(self, path: str) -> None:
        self.page.goto(f"{self.base}{path}?workspace=lab")

    def here(self) -> str:
        return self.page.url.split("?", maxsplit=1)[0].removeprefix(self.base)

    def upload(self, file: Path) -> str:
        """Upload in parts, and see the profile come by itself; the dataset's page."""
        self.go("/checks/datasets")
        self.page.get_by_label("File", exact=True).set_input_files(file)
        self.page.get_by_role("button", name="Upload", exact=True).click()
        self.page.wait_for_url("**/checks/datasets/*")
        column = self.page.get_by_role("heading", name="alcohol", exact=True)
        expect(column).to_be_visible(timeout=PATIENCE_MS)
        chart = self.page.get_by_role("img", name="distribution of alcohol", exact=True)
        expect(chart).to_be_visible()
        expect(self.page.locator("dl.facts")).to_contain_text("178")
        return self.here()

    def propose(self) -> str:
        """Have a suite proposed, with evidence, and take what is chosen; the suite's page."""
        self.page.get_by_role("button", name="Propose a suite").click()
        expect(self.page.get_by_role("heading", name="Propose from data")).to_be_visible()
        expect(self.page.locator(".evidence").first).not_to_be_empty()
        self.page.get_by_role("button", name="Add the chosen").click()
        expect(self.page.get_by_role("link", name="Add an expectation")).to_be_visible()
        return self.here()

    def edit_bounds(self, suite: str) -> None:
        alcohol = self.page.get_by_label("alcohol", exact=True)
        lines = alcohol.get_by_role("listitem")
        between = lines.filter(has_text="expect_column_values_to_be_between")
        between.get_by_role("link", name="Edit").click()
        self.page.get_by_label("Min value").first.fill("10")
        self.page.get_by_label("Max value").first.fill("16")
        self.page.get_by_role("button", name="Save").click()
        self.page.wait_for_url(f"**{suite}?**")
        expect(alcohol).to_contain_text("between 10 and 16")

    def make_checkpoint(self, name: str, hook_url: str) -> str:
        self.go("/checks/new")
        self.page.get_by_label("Name").fill(name)
        self.page.locator("[name=dataset_id]").select_option(label="wine")
        self.page.locator("[name=suite_id]").select_option(label="wine")
        self.page.get_by_label("Run on every new version").check()
        self.page.get_by_label("To", exact=True).first.fill(hook_url)
        self.page.get_by_role("button", name="Make the checkpoint").click()
        self.page.wait_for_url("**/checks/checkpoints/*")
        self.page.get_by_role("button", name="Run now").click()
        expect(self.page.locator("h1 .chip")).to_have_text("passed", timeout=PATIENCE_MS)
        return self.here()

    def schedule(self) -> None:
        """Once wrong, once right."""
        when = self.page.get_by_label("When")
        when.fill("61 * * * *")
        self.page.get_by_role("button", name="Add to the schedule").click()
        expect(when).to_have_attribute("aria-invalid", "true")
        when.fill("17 * * * *")
        self.page.get_by_role("button", name="Add to the schedule").click()
        expect(self.page.locator("#checkpoint")).to_contain_text("17 * * * *")
        expect(self.page.locator("#checkpoint")).to_contain_text("next in")

    def upload_next(self, dataset: str, file: Path) -> None:
        self.go(dataset)
        self.page.get_by_label("File of the next version").set_input_files(file)
        self.page.get_by_role("button", name="Upload the next version").click()
        self.page.wait_for_url("**version=2**")

    def see_mistakes(self, checkpoint: str) -> None:
        self.go(checkpoint)
        expect(self.page.locator("h1 .chip")).to_have_text("failed", timeout=PATIENCE_MS)
        self.page.get_by_role("region", name="Runs").get_by_role("link").first.click()
        between = self.page.locator("article").filter(has_text="between 10 and 16")
        expect(between.get_by_role("table")).to_contain_text("17")
        expect(between.get_by_role("table")).to_contain_text("137.5")
        expect(between).to_contain_text("DuckDB")
        null = "expect_column_values_to_not_be_null"
        missing = self.page.locator("article").filter(has_text=null)
        expect(missing.get_by_role("table")).to_contain_text("41")


@pytest.mark.timeout(240)
def test_wine_is_checked_on_a_schedule_and_its_mistakes_are_found(
    watch: Watch, tmp_path: Path
) -> None:
    wine = load_wine(as_frame=True).frame
    wine.to_csv(tmp_path / "wine.csv", index=False)
    wine.loc[16, "alcohol"] = 137.5
    wine.loc[40, "alcohol"] = None
    wine.to_csv(tmp_path / "wine_corrupted.csv", index=False)
    watched = watch()
    story = Story(watched.log_in("eve"), watched.service.url)
    dataset = story.upload(tmp_path / "wine.csv")
    suite = story.propose()
    story.edit_bounds(suite)
    with listening() as hook:
        checkpoint = story.make_checkpoint("Wine, every hour", hook.url)
        story.schedule()
        story.upload_next(dataset, tmp_path / "wine_corrupted.csv")
        story.see_mistakes(checkpoint)
        until(lambda: hook.got)
    told = json.loads(hook.got[0][1])
    assert (told["event"], told["checkpoint"]) == ("failing", "Wine, every hour")
    rows = {one["expectation"]: one["rows"] for one in told["failed"]}
    assert rows["expect_column_values_to_be_between"] == [17]
    story.go(checkpoint)
    # The browser's own log of the schedule that was refused.
    watched.wrong = [line for line in watched.wrong if "422" not in line]
    messages = story.page.get_by_role("region", name="Messages")
    expect(messages).to_contain_text("sent", timeout=PATIENCE_MS)
