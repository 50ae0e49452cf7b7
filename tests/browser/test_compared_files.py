"""Files of runs side by side as a person compares them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch, Watched
from tests.browser.work import LONG, PNG
from tests.service import Service

pytestmark = pytest.mark.browser

NOTES = "seed: 1\n" + "the same line\n" * 12 + "loss: {loss}\n"
RUNS: Mapping[str, Mapping[str, bytes]] = {
    "first": {
        "curve.png": PNG,
        "notes.txt": NOTES.format(loss=0.5).encode(),
        "weights.bin": b"\0\1\2",
        f"deep/{LONG[:120]}.txt": b"equal\n",
    },
    "second": {
        "curve.png": PNG,
        "notes.txt": NOTES.format(loss=0.25).encode(),
        "weights.bin": b"\0\3",
        f"deep/{LONG[:120]}.txt": b"equal\n",
    },
    "third": {"curve.png": PNG, "alone.txt": b"nobody else has it\n"},
}


@pytest.fixture(scope="module")
def ids(service: Service) -> list[str]:
    """Three runs of lab with some files in common."""
    found = []
    with service.client(service.token("ana", "lab")) as client:
        made = asked(client, "experiments/create", name="compared files")
        for name, files in RUNS.items():
            body = {"experiment_id": made["experiment_id"], "run_name": f"{name} {LONG}"}
            info = asked(client, "runs/create", **body)["run"]["info"]
            found.append(info["run_id"])
            where = info["artifact_uri"].removeprefix("mlflow-artifacts:/")
            for path, content in files.items():
                address = f"/api/2.0/mlflow-artifacts/artifacts/{where}/{path}"
                assert client.put(address, content=content).status_code == 200
    return found


def asked(client: httpx.Client, path: str, **body: object) -> dict[str, dict[str, dict[str, str]]]:
    answer = client.post(f"/api/2.0/mlflow/{path}", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, dict[str, dict[str, str]]] = answer.json()
    return found


def compared(watched: Watched, ids: list[str]) -> Page:
    page = watched.log_in("vic")
    page.goto(f"{watched.service.url}/tracking/compare?workspace=lab&runs={','.join(ids)}")
    # Not by the section itself: it is replaced as soon as it is seen.
    page.locator("table.compare").evaluate("table => scrollTo(0, document.body.scrollHeight)")
    return page


def test_pictures_stand_side_by_side_and_are_enlarged(watch: Watch, ids: list[str]) -> None:
    page = compared(watch(), ids)
    files = page.get_by_role("region", name="Files")
    expect(files.get_by_role("heading")).to_contain_text("4 that two or more of the runs have")
    expect(files.get_by_label("File")).to_have_value("curve.png")
    pictures = files.locator("figure > button img")
    expect(pictures).to_have_count(3)
    for number in range(3):
        expect(pictures.nth(number)).to_have_js_property("naturalWidth", 1)
    tops = {round(one.bounding_box()["y"]) for one in files.locator("figure").all()}  # type: ignore[index]
    assert len(tops) == 1, "they are below each other"
    large = files.locator(".large").first
    expect(large).to_be_hidden()
    files.get_by_role("button", name="Enlarge that of first").click()
    expect(large.get_by_role("img")).to_have_js_property("naturalWidth", 1)
    expect(large).to_be_visible()
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()


def test_lines_of_texts_that_differ_are_marked_and_equal_ones_skipped(
    watch: Watch, ids: list[str]
) -> None:
    page = compared(watch(), ids)
    files = page.get_by_role("region", name="Files")
    files.get_by_label("File").select_option("notes.txt")
    lines = files.get_by_role("region", name="Lines of notes.txt side by side")
    differing = lines.locator("tr.differs")
    expect(differing).to_have_count(1)
    cells = differing.locator("td:not(.at)")
    expect(cells).to_have_text(["loss: 0.5", "loss: 0.25"])
    marks = cells.evaluate_all(
        "cells => cells.map((cell) => getComputedStyle(cell).backgroundColor)"
    )
    plain = lines.locator("tr:not(.differs):not(.skipped) td:not(.at)").first.evaluate(
        "cell => getComputedStyle(cell).backgroundColor"
    )
    assert plain not in marks
    expect(lines.locator("tr.skipped")).to_have_text(re.compile(r"\d+ equal lines"))
    expect(files.get_by_text("Not in third")).to_be_visible()
    files.get_by_label("File").select_option("weights.bin")
    expect(files.get_by_text("This is not text.")).to_be_visible()
    files.get_by_label("File").select_option(f"deep/{LONG[:120]}.txt")
    expect(files.get_by_text("All 2 are equal.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_compared_files_fit_a_phone(watch: Watch, ids: list[str], scheme: str) -> None:
    page = compared(watch(viewport={"width": 360, "height": 740}, color_scheme=scheme), ids)
    files = page.get_by_role("region", name="Files")
    for path in ("curve.png", "notes.txt", f"deep/{LONG[:120]}.txt"):
        files.get_by_label("File").select_option(path)
        expect(files.get_by_label("File")).to_have_value(path)
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), path


def test_compared_files_are_chosen_without_script(watch: Watch, ids: list[str]) -> None:
    page = compared(watch(java_script_enabled=False), ids)
    page.get_by_role("link", name="Those that two or more of the runs have").click()
    page.get_by_label("File", exact=True).select_option("notes.txt")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tr.differs td:not(.at)")).to_have_text(["loss: 0.5", "loss: 0.25"])
