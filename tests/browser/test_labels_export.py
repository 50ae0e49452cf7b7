"""A project's tab "Export" in a real browser: a file, a snapshot, a dataset, and back."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watch
from tests.service import Service

CONFIG = """<View><Text name="t" value="$text"/><Choices name="c" toName="t">
<Choice value="good"/><Choice value="bad"/></Choices></View>"""
PATIENCE_MS = 120_000
LONG = "Opinions-" * 20


@pytest.fixture(scope="module")
def project(service: Service) -> int:
    """Two annotated tasks and one that nobody labeled, under a long title."""
    result = {"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["good"]}}
    said: list[dict[str, Any]] = [{"result": [result]}]
    tasks: list[dict[str, Any]] = [
        {"data": {"text": "=one"}, "annotations": said},
        {"data": {"text": "two"}, "annotations": said},
        {"data": {"text": "three"}},
    ]
    with service.client(service.token("ana", "lab")) as client:
        sent = {"title": LONG, "label_config": CONFIG}
        made = client.post("/api/projects/", json=sent).raise_for_status().json()
        client.post(f"/api/projects/{made['id']}/import", json=tasks).raise_for_status()
    return int(made["id"])


def test_labels_go_out_as_a_file_a_snapshot_and_a_dataset(
    service: Service, watch: Watch, project: int
) -> None:
    page = watch(viewport={"width": 1280, "height": 900}).log_in("ana")
    page.goto(f"{service.url}/labels/{project}/export?workspace=lab")
    expect(page.get_by_role("radio", name="COCO")).to_have_count(0)
    page.get_by_role("radio", name="CSV A spreadsheet").check()
    with page.expect_download() as download:
        page.locator("#export").get_by_role("button", name="Download").click()
    assert re.fullmatch(
        rf"project-{project}-at-[\d-]+-[0-9a-f]{{8}}\.csv", download.value.suggested_filename
    )
    with Path(download.value.path()).open(newline="") as file:
        assert [row["text"] for row in csv.DictReader(file)] == ["'=one", "two"]

    page.get_by_role("radio", name="JSON Everything").check()
    page.locator("#export select[name=tasks]").select_option("all of them")
    page.get_by_label("Title of a snapshot").fill("before the training")
    page.get_by_role("button", name="Make a snapshot").click()
    snapshot = page.get_by_role("article").filter(has_text="before the training")
    expect(snapshot.get_by_text("whole", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    with page.expect_download() as download:
        snapshot.get_by_role("button", name="Download").click()
    found = json.loads(Path(download.value.path()).read_text())
    assert [one["data"]["text"] for one in found] == ["=one", "two", "three"]

    snapshot.get_by_role("button", name="Into checks…").click()
    dialogue = page.get_by_role("dialog", name="Make it a version of a dataset")
    dialogue.get_by_label("Dataset").fill("browsed opinions")
    dialogue.get_by_role("button", name="Make a version").click()
    snapshot.get_by_role("link", name="version 1 of browsed opinions").click(timeout=PATIENCE_MS)
    expect(page.get_by_role("heading", name="browsed opinions")).to_be_visible()
    page.get_by_role("link", name=re.compile(r"snapshot \d+ of 2 annotations")).click()
    expect(page.get_by_role("heading", name="Snapshots")).to_be_visible()

    snapshot.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    expect(snapshot).to_have_count(0)


def test_a_phone_shows_it_without_sideways_scrolling(
    service: Service, watch: Watch, project: int
) -> None:
    page = watch(viewport={"width": 360, "height": 740}).log_in("vic")
    page.goto(f"{service.url}/labels/{project}/export?workspace=lab")
    expect(page.get_by_role("heading", name="Snapshots")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    expect(page.get_by_role("button", name="Make a snapshot")).to_have_count(0)
    expect(page.get_by_role("button", name="Make a version now")).to_have_count(0)
