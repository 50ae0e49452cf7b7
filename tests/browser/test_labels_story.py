"""Real digits with boxes, and a sound with regions, from upload to export, in the labeling page."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from sklearn.datasets import load_digits

from tests.browser.conftest import Watch
from tests.browser.surfaces_hands import place
from tests.browser.test_labels_editor import Desk, opened, press
from tests.service import Service, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
RATE_HZ = 8000
DIGITS = """<RectangleLabels name="box" toName="image"><Label value="digit"/>
<Label value="stroke"/></RectangleLabels><Image name="image" value="$image"/>"""
SOUND = """<Labels name="part" toName="sound"><Label value="tone"/><Label value="rest"/></Labels>
<Audio name="sound" value="$audio"/>"""


@pytest.fixture(scope="module")
def desk(service: Service) -> Iterator[Desk]:
    with service.client(service.token("ana", "lab")) as client:
        yield Desk(service, client)


def digit(number: int) -> bytes:
    """A real handwritten digit as PNG, 400 pixels wide and high."""
    pixels = (255 - load_digits().images[number] * 15.9).astype("uint8")
    file = io.BytesIO()
    Image.fromarray(pixels).resize((400, 400), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


def tone(seconds: int) -> bytes:
    """A WAV of 440 Hz."""
    times = np.arange(seconds * RATE_HZ) / RATE_HZ
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes((np.sin(2 * np.pi * 440 * times) * 2**14).astype("<i2").tobytes())
    return file.getvalue()


def uploaded(desk: Desk, config: str, *files: tuple[str, bytes, str]) -> int:
    """A project with a task for each file."""
    project = desk.client.post(
        "/api/projects/", json={"title": "A story", "label_config": f"<View>{config}</View>"}
    ).json()["id"]
    named = {f"file{number}": one for number, one in enumerate(files)}
    brought = desk.client.post(f"/api/projects/{project}/import", files=named)
    assert brought.json()["task_count"] == len(files), brought.text
    return int(project)


def exported(desk: Desk, project: int) -> list[dict[str, Any]]:
    """The results of the first task that the export has."""
    answer = desk.client.get(f"/api/projects/{project}/export", params={"exportType": "JSON"})
    found = answer.json()
    if not found:
        return []
    results: list[dict[str, Any]] = found[0]["annotations"][0]["result"]
    return results


def shown(watch: Watch, desk: Desk, project: int) -> Page:
    return opened(watch().log_in("ana"), desk, project)


def test_digits_are_boxed_by_hand_and_by_keys(watch: Watch, desk: Desk) -> None:
    files = [(f"{number}.png", digit(number), "image/png") for number in (0, 1)]
    project = uploaded(desk, DIGITS, *files)
    page = shown(watch, desk, project)
    expect(page.locator(".easel img")).to_be_visible()
    press(page, "1")
    page.mouse.move(*place(page, 20, 10))
    page.mouse.down()
    page.mouse.move(*place(page, 80, 90), steps=5)
    page.mouse.up()
    expect(page.locator(".region-list li")).to_have_count(1)
    press(page, "Escape", "2")
    page.locator(".easel").focus()
    press(page, "n")
    expect(page.locator(".region-list li")).to_have_count(2)
    press(page, "Control+Enter")
    boxes = until(lambda: exported(desk, project))
    assert [one["value"]["rectanglelabels"] for one in boxes] == [["digit"], ["stroke"]]
    assert all((one["original_width"], one["original_height"]) == (400, 400) for one in boxes)
    drawn = boxes[0]["value"]
    assert (drawn["x"], drawn["y"], drawn["width"], drawn["height"]) == pytest.approx(
        (20, 10, 60, 80), abs=1
    )
    middle = boxes[1]["value"]
    assert middle["x"] + middle["width"] / 2 == pytest.approx(50, abs=1)
    assert middle["y"] + middle["height"] / 2 == pytest.approx(50, abs=1)
    # The next one came by itself, and nothing of the first is on it.
    expect(page.locator("#task-name")).to_have_text("Task 2")
    expect(page.locator(".region-list li")).to_have_count(0)


def test_a_sound_is_marked_by_keys(watch: Watch, desk: Desk) -> None:
    project = uploaded(desk, SOUND, ("tone.wav", tone(6), "audio/wav"))
    page = shown(watch, desk, project)
    expect(page.locator(".surface-audio .clock")).to_contain_text("0:06")
    press(page, "1")
    page.locator(".surface-audio .easel").focus()
    press(page, "n", "ArrowRight", "ArrowRight", "n")
    expect(page.locator(".region-list li")).to_have_count(1)
    press(page, "Control+Enter")
    (region,) = until(lambda: exported(desk, project))
    assert region["value"]["labels"] == ["tone"]
    assert region["original_length"] == pytest.approx(6, abs=0.1)
    assert region["value"]["start"] == pytest.approx(0, abs=0.05)
    assert region["value"]["end"] == pytest.approx(2, abs=0.6)
