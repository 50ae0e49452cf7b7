"""Sounds that are marked, in a real browser: what was marked is what the results say."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.surfaces_page import Open, Surfaces, control, pages_of, serve_surfaces
from tests.service import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

LABELS = control("Labels", "sound", "Car", "Sky")
RATE_HZ = 8000
TONE_S = 10
TONE = "/media/tone.wav"
HOUR_S = 3600


def write_wave(path: Path, samples: Any, width: int) -> None:
    """samples: (n,) of one channel, of width bytes each."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())


@pytest.fixture(scope="module")
def surfaces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surfaces]:
    media = tmp_path_factory.mktemp("sounds")
    seconds = np.arange(TONE_S * RATE_HZ) / RATE_HZ
    loud = 20_000 * (seconds > 5)  # silence, then a tone
    write_wave(media / "tone.wav", (loud * np.sin(seconds * 2760)).astype("<i2"), 2)
    write_wave(media / "hour.wav", np.full(HOUR_S * RATE_HZ, 128, "uint8"), 1)
    with serve_surfaces(media) as served:
        yield served


@pytest.fixture
def listen(browser: Browser, surfaces: Surfaces) -> Iterator[Open]:
    with pages_of(browser, surfaces) as open_one:
        yield partial(open_one, "Audio", [LABELS], name="clip")


def choose(page: Page, label: str | None) -> None:
    page.evaluate("label => harness.choose(label && 'sound', label)", label)


def drag(page: Page, *seconds: float, length_s: float = TONE_S, up: bool = True) -> None:
    """Press on the line at the first time and go on to the others."""
    box = page.locator(".wave").bounding_box()
    assert box
    places = [box["x"] + box["width"] * one / length_s for one in seconds]
    page.mouse.move(places[0], box["y"] + 60)
    page.mouse.down()
    for one in places[1:]:
        page.mouse.move(one, box["y"] + 60, steps=4)
    if up:
        page.mouse.up()


def regions(page: Page) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], page.evaluate("harness.state.regions"))


def times(page: Page) -> list[tuple[float, float]]:
    return [(one["value"]["start"], one["value"]["end"]) for one in regions(page)]


def selected(page: Page) -> Any:
    return page.evaluate("harness.state.selected")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def about(start: float, end: float) -> Any:
    """To a fiftieth of a second: two pixels on these pages."""
    return pytest.approx((start, end), abs=0.02)


def test_a_region_is_drawn_moved_and_resized_by_mouse(listen: Open) -> None:
    page = listen(TONE)
    choose(page, "Car")
    drag(page, 2, 4)
    (region,) = regions(page)
    assert times(page)[0] == about(2, 4)
    assert region["original_length"] == TONE_S
    assert (region["type"], region["from_name"], region["to_name"]) == ("labels", "sound", "clip")
    assert (region["value"]["labels"], region["value"]["channel"]) == (["Car"], 0)
    assert selected(page) == region["id"]

    drag(page, 3, 5)
    assert times(page)[0] == about(4, 6)
    drag(page, 5.99, 8)
    assert times(page)[0] == about(4, 8.01)
    drag(page, 4.01, 1)
    assert times(page)[0] == about(0.99, 8.01)
    assert page.evaluate("harness.state.changes") == 3
    assert regions(page)[0]["value"]["labels"] == ["Car"]
    page.evaluate("harness.undo()")
    assert times(page)[0] == about(4, 8.01)
    drag(page, 5, 9)  # what is shown is what undo brought back; it stops at the end
    assert times(page)[0] == about(6 - 0.01, 10)


def test_regions_overlap_and_a_click_chooses_among_them(listen: Open) -> None:
    page = listen(TONE)
    choose(page, "Car")
    drag(page, 1, 8)
    page.evaluate("harness.context.select(null)")
    choose(page, "Sky")
    drag(page, 3, 5)  # inside of the first
    drag(page, 9.5, 8.5)  # backwards
    assert times(page) == [about(1, 8), about(3, 5), about(8.5, 9.5)]
    page.evaluate("harness.context.select(null)")
    drag(page, 4)
    assert selected(page) == "r2"  # the shorter one first
    drag(page, 2)
    assert selected(page) == "r1"
    drag(page, 9.8)
    assert selected(page) is None
    assert len(regions(page)) == 3
    expect(page.locator(".clock")).to_have_text("0:09.8 / 0:10.0")


def at(start: float, end: float) -> Any:
    """To a thousandth of a second: media clocks count in microseconds."""
    return pytest.approx((start, end), abs=1e-3)


def test_regions_are_marked_without_a_mouse(listen: Open) -> None:
    page = listen(TONE)
    page.locator(".easel").focus()
    press(page, "n")
    assert page.evaluate("harness.state.said.at(-1)") == "Choose a label first."
    choose(page, "Sky")
    press(page, "l", "n", "ArrowRight", "Shift+ArrowRight", "n")
    assert times(page) == [at(1, 2.1)]
    press(page, "l", "l", "]")
    assert times(page) == [at(1, 4.1)]
    press(page, "j", "j", "Shift+ArrowLeft", "[")
    assert times(page) == [at(2, 4.1)]
    press(page, "End", "[")  # a start behind the end is refused
    assert times(page) == [at(2, 4.1)]
    assert page.evaluate("harness.state.said.at(-1)") == "The start would lie behind the end."
    press(page, "Home", "n", "l", "Escape", "n", "l", "n")
    assert times(page) == [at(2, 4.1), at(1, 2)]
    press(page, "Escape", "Tab")
    assert selected(page) is None  # Escape lets Tab leave
    page.locator(".easel").focus()
    press(page, "Tab", "Tab")
    assert page.evaluate("harness.state.said.at(-1)") == "Sky, 0:02.0 to 0:04.1, 2 of 2"
    press(page, "Delete")
    assert times(page) == [at(1, 2)]


def test_it_plays_pauses_and_loops_the_chosen_region(listen: Open) -> None:
    page = listen(TONE)
    choose(page, "Car")
    drag(page, 6, 6.4)
    page.get_by_role("button", name="over and over").click()
    page.get_by_label("Speed").select_option("2")
    page.locator(".easel").focus()
    # The clock goes on, and back again when the region's end is reached.
    page.evaluate(
        """() => {
          const clock = document.querySelector(".clock");
          window.turns = 0;
          let last = 0;
          new MutationObserver(() => {
            const now = parseFloat(clock.textContent.slice(2));
            if (now < last) window.turns += 1;
            last = now;
          }).observe(clock, { childList: true });
        }"""
    )
    press(page, " ")
    expect(page.get_by_role("button", name="Play", exact=True)).to_have_text("Pause")
    until(lambda: page.evaluate("window.turns > 1"))
    press(page, " ")
    expect(page.get_by_role("button", name="Play", exact=True)).to_have_text("Play")
    assert times(page) == [about(6, 6.4)]


def test_a_redraw_in_the_midst_of_a_drag_loses_nothing(listen: Open) -> None:
    page = listen(TONE)
    choose(page, "Car")
    drag(page, 2, 4)
    drag(page, 3, 6, up=False)
    page.evaluate("harness.redraw()")
    page.mouse.up()
    assert times(page) == [about(5, 7)]
    page.evaluate("harness.context.remove('r1')")
    drag(page, 1, 2, up=False)
    page.evaluate("harness.redraw()")
    page.mouse.up()
    assert times(page) == [about(1, 2)]


def test_what_nobody_touches_comes_back_digit_for_digit(listen: Open) -> None:
    value = {"start": 1.2345678901234567, "end": 3.9999999999999996, "channel": 0}
    theirs: list[dict[str, Any]] = [
        {
            "id": "a",
            "from_name": "sound",
            "to_name": "clip",
            "type": "labels",
            "value": {**value, "labels": ["Car"]},
            "original_length": 10.000000000001,
        },
        {"id": "b", "from_name": "c", "to_name": "clip", "type": "choices", "value": {}},
    ]
    page = listen(TONE, regions=theirs)
    drag(page, 2)
    assert selected(page) == "a"
    page.locator(".easel").focus()
    press(page, "+", "+", "-", "0", "Escape")
    assert regions(page) == theirs


def test_who_may_not_write_can_only_listen(listen: Open) -> None:
    value = {"start": 2, "end": 4, "channel": 0, "labels": ["Car"]}
    theirs = [{"id": "a", "from_name": "sound", "to_name": "clip", "type": "labels"}]
    theirs = [{**theirs[0], "value": value}]  # type: ignore[dict-item]
    page = listen(TONE, regions=theirs, isReadonly=True)
    choose(page, "Car")
    drag(page, 5, 6)
    drag(page, 3)
    assert selected(page) == "a"
    drag(page, 3, 5)
    press(page, "n", "l", "n", "[", "Delete")
    assert regions(page) == theirs


def test_an_hour_is_streamed_and_marked(listen: Open) -> None:
    page = listen("/media/hour.wav")
    expect(page.get_by_text("1:00:00 of sound: it is streamed")).to_be_visible()
    choose(page, "Car")
    drag(page, 1000, 2000, length_s=HOUR_S)
    assert times(page) == [pytest.approx((1000, 2000), abs=4)]
    press(page, "+", "+", "+", "l", "]")
    expect(page.locator(".clock")).to_contain_text("/ 1:00:00.0")
    assert page.evaluate("harness.state.regions[0].value.end") < 2010
    # The whole file was not asked for, let alone decoded.
    asked = page.evaluate("performance.getEntriesByType('resource').map(one => one.initiatorType)")
    assert "script" in asked
    assert "fetch" not in asked


def test_a_sound_that_does_not_come_says_so_and_may_be_tried_again(
    listen: Open, surfaces: Surfaces
) -> None:
    late = surfaces.media / "late.wav"
    late.write_text("no sound yet")
    page = listen("/media/late.wav", is_whole=False)
    expect(page.get_by_role("alert")).to_contain_text("/media/late.wav")
    late.write_bytes((surfaces.media / "tone.wav").read_bytes())
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".easel")).to_have_attribute("data-ready", "true")
    choose(page, "Car")
    drag(page, 2, 4)
    assert times(page) == [about(2, 4)]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_the_screen_in_both_themes(listen: Open, theme: str, width: int) -> None:
    page = listen(TONE, options={"viewport": {"width": width, "height": 500}}, theme=theme)
    choose(page, "Sky")
    drag(page, 2, 4)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    line = page.evaluate("mlpiLabels.tokenColour(document.querySelector('.easel'), '--ink-3')")
    assert line == ("rgb(139, 144, 152)" if theme == "dark" else "rgb(106, 108, 113)")
