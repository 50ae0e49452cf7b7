"""The page of a run as a person uses it: its files by keyboard, its description, its curves."""

from __future__ import annotations

import json
import struct
import wave
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch, Watched
from tests.browser.test_pages import is_too_wide
from tests.browser.work import LONG, PNG, SCRIPT
from tests.service import Service

pytestmark = pytest.mark.browser

FILES = (
    "plots/a.png",
    "plots",
    "report.html",
    "notes.md",
    "rows.csv",
    "code.py",
    "MLmodel",
    "work.ipynb",
    "beep.wav",
)


def write_files(folder: Path) -> None:
    """Files of many kinds, with long lines and names."""
    (folder / "plots" / "deep").mkdir(parents=True)
    (folder / "plots" / "a.png").write_bytes(PNG)
    (folder / "plots" / "deep" / "note.txt").write_text("found it")
    (folder / "report.html").write_text(SCRIPT)
    table = "| x | y |\n|--|--:|\n| 1 | 2 |\n"
    (folder / "notes.md").write_text("# Heading\n\n![a](plots/a.png)\n\n" + table)
    (folder / "rows.csv").write_text("n,text\n" + "".join(f"{n},{LONG}\n" for n in range(150)))
    (folder / "code.py").write_text("x = '" + LONG * 5 + "'\n" * 40)
    (folder / "MLmodel").write_text(
        f"flavors:\n  python_function:\n    loader_module: {LONG}\nmlflow_version: 3.17.0\n"
    )
    code = {
        "cell_type": "code",
        "source": LONG,
        "outputs": [{"output_type": "stream", "text": LONG}],
    }
    cells = [{"cell_type": "markdown", "source": "# Cell"}, code]
    (folder / "work.ipynb").write_text(json.dumps({"cells": cells}))
    with wave.open(str(folder / "beep.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(struct.pack("<h", 900) * 8000)


@pytest.fixture
def client(service: Service, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """MLflow's own client, for lab."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", service.token("ana", "lab"))
    return MlflowClient(service.url)


@pytest.fixture
def run_id(client: MlflowClient, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A finished run with such files."""
    write_files(tmp_path)
    experiment = client.create_experiment(f"{request.node.name} {LONG[:90]}")
    run = client.create_run(experiment, run_name=LONG[:200]).info.run_id
    client.log_artifacts(run, str(tmp_path))
    client.log_param(run, "p", LONG)
    client.set_tag(run, "team", "blue")
    client.set_terminated(run)
    return str(run)


def opened(watched: Watched, user: str, run_id: str, place: str = "", query: str = "") -> Page:
    page = watched.log_in(user)
    page.goto(f"{watched.service.url}/tracking/runs/{run_id}{place}?workspace=lab{query}")
    return page


def forget_the_blocked_script(watched: Watched) -> None:
    """The browser reports that report.html did not reach the page around it, as it must not."""
    blocked = [line for line in watched.wrong if "Blocked a frame with origin" in line]
    assert blocked
    watched.wrong = [line for line in watched.wrong if line not in blocked]


def test_files_are_browsed_by_keyboard(watch: Watch, run_id: str) -> None:
    page = opened(watch(), "vic", run_id, "/files")
    tree = page.get_by_role("navigation", name="Files")
    folder = tree.get_by_role("link", name="plots")
    folder.focus()
    page.keyboard.press("ArrowRight")
    expect(folder).to_have_attribute("aria-expanded", "true")
    expect(folder).to_be_focused()
    page.keyboard.press("ArrowDown")
    deep = tree.get_by_role("link", name="deep")
    expect(deep).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(deep).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".code")).to_contain_text("found it")
    expect(tree.get_by_role("link", name="note.txt")).to_be_focused()
    page.wait_for_url("**path=plots%2Fdeep%2Fnote.txt*")
    page.keyboard.press("ArrowLeft")
    expect(deep).to_be_focused()
    page.keyboard.press("Home")
    expect(folder).to_be_focused()
    page.go_back()
    expect(page.locator("header.top")).to_have_count(1)
    expect(page.locator(".inside")).to_contain_text("note.txt")


def test_viewers_show_what_the_files_hold(watch: Watch, run_id: str) -> None:
    watched = watch()
    page = opened(watched, "vic", run_id, "/files")
    tree = page.get_by_role("navigation", name="Files")
    viewer = page.locator(".viewer")
    tree.get_by_role("link", name="report.html").click()
    expect(page.frame_locator("iframe").get_by_role("heading", name="hello")).to_be_visible()
    assert "pwned" not in page.title()
    tree.get_by_role("link", name="notes.md").click()
    expect(viewer.get_by_role("heading", name="Heading")).to_be_visible()
    expect(viewer.locator("img")).to_have_js_property("naturalWidth", 1)
    tree.get_by_role("link", name="rows.csv").click()
    expect(viewer.locator("tbody tr")).to_have_count(100)
    viewer.get_by_role("link", name="Next").click()
    expect(viewer).to_contain_text("rows 101 to 150, the last")
    tree.get_by_role("link", name="beep.wav").click()
    expect(viewer.locator("audio")).to_have_js_property("duration", 1)
    tree.get_by_role("link", name="MLmodel").click()
    expect(viewer.get_by_role("heading", name="python_function")).to_be_visible()
    with page.expect_download() as saved:
        viewer.get_by_role("link", name="Download").click()
    assert saved.value.suggested_filename == "MLmodel"
    assert "pwned" not in page.title()
    forget_the_blocked_script(watched)


def test_an_editor_describes_tags_and_renames(watch: Watch, run_id: str) -> None:
    page = opened(watch(), "eve", run_id)
    page.get_by_text("Add a description").click()
    page.get_by_label("Description, in Markdown").fill("## Found\n\n- one\n\n![a](plots/a.png)")
    page.get_by_role("button", name="Save").click()
    box = page.get_by_role("region", name="Description")
    expect(box.get_by_role("heading", name="Found")).to_be_visible()
    expect(box.locator("img")).to_have_js_property("naturalWidth", 1)
    page.get_by_text("Edit the description").click()
    expect(page.get_by_label("Description, in Markdown")).to_have_value(
        "## Found\n\n- one\n\n![a](plots/a.png)"
    )
    tags = page.locator("#tags")
    tags.get_by_role("button", name="Change…").first.click()
    dialog = page.get_by_role("dialog", name="Tag team")
    dialog.get_by_label("Value").fill("green")
    dialog.get_by_role("button", name="Save").click()
    expect(tags).to_contain_text("green")
    tags.get_by_text("Add a tag").click()
    tags.get_by_label("Key").fill("second")
    tags.get_by_role("button", name="Add").click()
    expect(tags.locator("table.tags tr")).to_have_count(2)
    page.get_by_role("button", name="Rename…").click()
    page.get_by_role("dialog", name="Rename this run").get_by_label("Name").fill("short name")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("short name")
    expect(page.get_by_role("button", name="Delete…")).to_have_count(0)


def test_a_running_run_is_drawn_on_without_a_reload(watch: Watch, client: MlflowClient) -> None:
    experiment = client.create_experiment("live run page")
    run = client.create_run(experiment).info.run_id

    def log(first: int, last: int) -> None:
        points = [
            Metric(key, float(step), step * 1000, step)
            for step in range(first, last)
            for key in ("loss", "system/cpu_utilization_percentage")
        ]
        client.log_batch(run, metrics=points)

    log(0, 10)
    page = opened(watch(), "vic", run)
    loss = page.locator(".curve[data-key='loss']")
    loss.scroll_into_view_if_needed()
    expect(loss.locator("canvas")).to_be_visible()
    system = page.locator("#system .curve")
    system.scroll_into_view_if_needed()
    expect(system.locator("canvas")).to_be_visible()
    page.evaluate("document.querySelector('.curve canvas').dataset.kept = 'yes'")
    log(10, 43)
    page.evaluate("document.body.dispatchEvent(new CustomEvent('tick'))")
    expect(loss.locator("figcaption .push")).to_have_text("42")
    expect(system.locator("figcaption .push")).to_have_text("42")
    assert page.evaluate("document.querySelector('.curve canvas').dataset.kept") == "yes"
    expect(page.get_by_role("region", name="Metrics")).to_contain_text("42", timeout=15_000)
    client.set_terminated(run)
    expect(page.locator("#run-state")).to_contain_text("finished", timeout=15_000)
    assert page.locator("#facts").get_attribute("hx-trigger") is None
    page.get_by_label("Log scale").check()
    page.get_by_label("Smoothing").fill("0.6")
    expect(loss.locator("canvas")).to_be_visible()


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_too_wide(watch: Watch, run_id: str, width: int) -> None:
    watched = watch(viewport={"width": width, "height": 780}, color_scheme="dark")
    page = opened(watched, "ana", run_id)
    assert not is_too_wide(page)
    for path in FILES:
        page.goto(f"{watched.service.url}/tracking/runs/{run_id}/files?workspace=lab&path={path}")
        expect(page.locator(".viewer")).to_be_visible()
        assert not is_too_wide(page), path
    forget_the_blocked_script(watched)


def test_files_are_browsed_without_script(watch: Watch, run_id: str) -> None:
    page = opened(watch(java_script_enabled=False), "vic", run_id, "/files")
    tree = page.get_by_role("navigation", name="Files")
    tree.get_by_role("link", name="plots").click()
    tree.get_by_role("link", name="a.png").click()
    expect(page.locator(".stage img")).to_be_visible()
