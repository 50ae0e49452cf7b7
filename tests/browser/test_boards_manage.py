"""Runs of boards renamed, archived and deleted by a person, on a wide screen and on a phone."""

from __future__ import annotations

import os
import re
import time
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch, Watched
from tests.event_files import event, header, simple, write
from tests.service import Service

pytestmark = pytest.mark.browser


@pytest.fixture
def folder(service: Service) -> str:
    """Three quiet runs of lab in a folder, and one that is written to."""
    name = f"person-{uuid.uuid4().hex[:8]}"
    for run in ("a", "b", "c"):
        path = write(logs(service) / name / run, [header(), event(1, simple("loss", 0.5))])
        os.utime(path, (time.time() - 3600,) * 2)
    write(logs(service) / name / "live", [header(), event(1, simple("loss", 0.5))])
    return name


def logs(service: Service) -> Path:
    return service.home / "tensorboard" / "lab"


def opened(watched: Watched, folder: str, run: str = "") -> Page:
    page = watched.log_in("ana")
    where = f"run?run={folder}/{run}" if run else f"manage?folder={folder}&state=all"
    address = f"{watched.service.url}/boards/{where}&workspace=lab"
    what = page.get_by_role("heading", name=run) if run else page.get_by_text("4 of 4 runs")
    deadline = time.monotonic() + 20
    while not page.goto(address) or what.count() == 0:
        assert time.monotonic() < deadline
    watched.wrong = [line for line in watched.wrong if "404" not in line]  # not found yet
    return page


def test_a_run_is_renamed_in_a_dialogue_that_says_what_was_wrong(watch: Watch, folder: str) -> None:
    watched = watch()
    page = opened(watched, folder, "a")
    page.get_by_role("button", name="Rename…").click()
    dialogue = page.get_by_role("dialog", name="Rename this run")
    dialogue.get_by_label(re.compile("Name")).fill(f"{folder}/b")
    dialogue.get_by_role("button", name="Rename", exact=True).click()
    # It came back open, with what was typed and why not.
    again = page.get_by_role("dialog", name="Rename this run")
    expect(again).to_be_visible()
    expect(again.get_by_text("already")).to_be_visible()
    watched.wrong = [line for line in watched.wrong if "422" not in line]
    field = again.get_by_label(re.compile("Name"))
    expect(field).to_have_value(f"{folder}/b")
    field.fill(f"{folder}/best")
    again.get_by_role("button", name="Rename", exact=True).click()
    expect(page.get_by_role("heading", name="best")).to_be_visible()
    page.get_by_role("button", name="Archive").click()
    expect(page.get_by_text("archived", exact=True)).to_be_visible()
    page.get_by_role("button", name="Bring back").click()
    expect(page.get_by_text("archived", exact=True)).to_have_count(0)


def test_a_run_that_is_written_to_is_deleted_only_by_who_is_sure(
    watch: Watch, service: Service, folder: str
) -> None:
    watched = watch(viewport={"width": 360, "height": 740})
    page = opened(watched, folder, "live")
    page.get_by_role("button", name="Delete…").click()
    dialogue = page.get_by_role("dialog", name="Delete this run?")
    expect(dialogue.get_by_text("1 event file")).to_be_visible()
    dialogue.get_by_role("button", name="Delete it for good").click()
    expect(dialogue.get_by_text(f"'{folder}/live' is being written to.")).to_be_visible()
    watched.wrong = [line for line in watched.wrong if "422" not in line]
    assert list((logs(service) / folder / "live").iterdir())
    dialogue.get_by_label("Delete it all the same").check()
    dialogue.get_by_role("button", name="Delete it for good").click()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    assert not list((logs(service) / folder / "live").iterdir())


def test_many_are_ticked_archived_and_deleted(watch: Watch, service: Service, folder: str) -> None:
    page = opened(watch(), folder)
    delete = page.locator(".emptying").get_by_role("button", name="Delete…")
    expect(delete).to_be_disabled()
    page.get_by_label(f"Select {folder}/a").check()
    page.get_by_label(f"Select {folder}/b").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.locator(".emptying").get_by_role("button", name="Archive").click()
    expect(page.locator("tbody").get_by_text("archived", exact=True)).to_have_count(2)
    page.get_by_label("Find a run").fill(f"{folder}/b")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"q="))
    page.get_by_label(f"Select {folder}/b").check()
    delete.click()
    expect(page.get_by_role("heading", name="Delete this run?")).to_be_visible()
    expect(page.get_by_text("1 of them archived")).to_be_visible()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    assert not (logs(service) / folder / "b").exists()
    assert (logs(service) / folder / "a").exists()


def test_boards_are_one_touch_away_on_a_phone(watch: Watch, folder: str) -> None:
    page = opened(watch(viewport={"width": 360, "height": 740}), folder)
    rooms = page.get_by_role("navigation", name="Rooms")
    expect(rooms.get_by_role("link", name="Boards")).to_have_attribute("aria-current", "page")
    rooms.get_by_text("More").click()
    for name in ("Checks", "Jobs", "Settings"):
        expect(rooms.get_by_role("link", name=name).last).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
