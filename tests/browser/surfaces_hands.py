"""What a person's hands do to an image on the surfaces' page, and what is found there after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image
from playwright.sync_api import Page
from sklearn.datasets import load_digits, load_sample_image

from tests.browser.surfaces_page import control
from tests.service import until

BOX = control("RectangleLabels", "box", "Car", "Sky")
POLYGON = control("PolygonLabels", "polygon", "Roof")
ELLIPSE = control("EllipseLabels", "ellipse", "Sky")
POINT = control("KeyPointLabels", "point", "Car")
CONTROLS = [BOX, POLYGON, ELLIPSE, POINT]
SHARE = """() => {
  const picture = document.querySelector(".easel img");
  return picture.getBoundingClientRect().width / picture.naturalWidth;
}"""
Value = dict[str, Any]


def write_pictures(media: Path) -> None:
    """Digits, a photograph, and one that its camera turned."""
    digits = load_digits()
    for number in (0, 7):
        pixels = (255 - digits.images[number] * 15.9).astype("uint8")
        picture = Image.fromarray(pixels).resize((400, 400), Image.Resampling.NEAREST)
        picture.save(media / f"digit-{digits.target[number]}.png")
    Image.fromarray(load_sample_image("china.jpg")).save(media / "china.png")
    turned = Image.Exif()
    turned[0x0112] = 6  # stored on its side
    Image.new("RGB", (60, 30), "teal").save(media / "turned.jpg", exif=turned)


def place(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a place of the image, in percent, lies on the page."""
    box = page.locator(".easel img").bounding_box()
    assert box
    return box["x"] + box["width"] * x / 100, box["y"] + box["height"] * y / 100


def choose(page: Page, name: str | None, label: str | None = None) -> None:
    page.evaluate("([name, label]) => harness.choose(name, label)", [name, label])


def drag(page: Page, *places: tuple[float, float], button: Any = "left", up: bool = True) -> None:
    """Press at the first place, in percent of the image, and go on to the others."""
    onto = [place(page, *one) for one in places]
    page.mouse.move(*onto[0])
    page.mouse.down(button=button)
    for one in onto[1:]:
        page.mouse.move(*one, steps=3)
    if up:
        page.mouse.up(button=button)


def drag_handle(page: Page, key: str, x: float, y: float) -> None:
    """Take a handle of the selected shape to a place in percent of the image."""
    knob = page.locator(f'[data-handle="{key}"] .knob').bounding_box()
    assert knob
    page.mouse.move(knob["x"] + knob["width"] / 2, knob["y"] + knob["height"] / 2)
    page.mouse.down()
    page.mouse.move(*place(page, x, y), steps=3)
    page.mouse.up()


def click(page: Page, *places: tuple[float, float]) -> None:
    for one in places:
        page.mouse.click(*place(page, *one))


def regions(page: Page) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], page.evaluate("harness.state.regions"))


def selected(page: Page) -> Any:
    return page.evaluate("harness.state.selected")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def near(value: Value, **wanted: float) -> None:
    """The value says what is wanted to 0.4 % of the image, which is 2 pixels on these pages."""
    assert {key: value[key] for key in wanted} == pytest.approx(wanted, abs=0.4)


def share(page: Page) -> float:
    """Screen pixels to one of the image."""
    return cast(float, page.evaluate(SHARE))


def wait_for_share(page: Page, test: Callable[[float], bool]) -> None:
    """Until the image is shown as large as the test wants it."""
    until(lambda: test(share(page)))


Touch = Callable[..., None]


def fingers(page: Page) -> Touch:
    """touch(kind, *places): what fingers do; each keeps its number by its order."""
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    return touch
