"""Images to draw on in a real browser: results of others, zoom, pages, fingers, themes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.surfaces_hands import (
    choose,
    click,
    drag,
    fingers,
    near,
    place,
    press,
    regions,
    selected,
    share,
    wait_for_share,
)
from tests.browser.surfaces_page import Open, Surfaces, control

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
CHINA = "/media/china.png"


# --- what comes from elsewhere -------------------------------------------------------------------

THEIRS: list[dict[str, Any]] = [
    {
        "id": "a",
        "from_name": "box",
        "type": "rectanglelabels",
        "value": {
            "x": 33.33333333333333,
            "y": 12.123456789012346,
            "width": 20.100000000000001,
            "height": 7.7000000000000002,
            "rotation": 27.30000000000001,
            "rectanglelabels": ["Car"],
        },
    },
    {
        "id": "b",
        "from_name": "polygon",
        "type": "polygonlabels",
        "value": {
            "points": [[60.1, 60.2], [90.333333, 61], [75.7, 95.9999999]],
            "polygonlabels": ["Roof"],
        },
    },
    {
        "id": "c",
        "from_name": "ellipse",
        "type": "ellipselabels",
        "value": {
            "x": 20.7,
            "y": 70.1,
            "radiusX": 7.1,
            "radiusY": 11.3,
            "rotation": 33.3,
            "ellipselabels": ["Sky"],
        },
    },
    {
        "id": "d",
        "from_name": "point",
        "type": "keypointlabels",
        "value": {"x": 81.1, "y": 20.3, "width": 0.3448275862, "keypointlabels": ["Car"]},
    },
]
THEIRS = [{**one, "to_name": "picture", "original_width": 640} for one in THEIRS]


def test_what_nobody_touches_comes_back_digit_for_digit(draw_on: Open) -> None:
    page = draw_on(CHINA, regions=THEIRS)
    expect(page.locator(".shape")).to_have_count(4)
    for one in ((40, 20), (75, 70), (20.7, 70.1), (81.1, 20.3)):
        click(page, one)
    assert selected(page) == "d"
    press(page, "Tab", "Tab", "Tab", "Tab", "+", "-", "0", "Escape")
    assert regions(page) == THEIRS
    assert page.evaluate("harness.state.changes") == 0


def test_a_shape_that_was_moved_keeps_the_rest_of_its_value(draw_on: Open) -> None:
    page = draw_on(CHINA, regions=THEIRS)
    for one, middle in zip("acd", ((41, 20), (20.7, 70.1), (81.1, 20.3)), strict=True):
        page.evaluate("id => harness.context.select(id)", one)
        drag(page, middle, (middle[0] + 2, middle[1] + 3))
    for before, after in zip(THEIRS, regions(page), strict=True):
        old, new = before["value"], after["value"]
        assert set(old) == set(new)
        if before["id"] == "b":
            assert old == new
            continue
        assert {k: v for k, v in old.items() if k not in "xy"} == {
            k: v for k, v in new.items() if k not in "xy"
        }
        near(new, x=old["x"] + 2, y=old["y"] + 3)


def test_results_of_others_and_nonsense_are_left_alone(draw_on: Open) -> None:
    strange: list[dict[str, Any]] = [
        {**THEIRS[0], "id": "x", "to_name": "other"},
        {"id": "y", "from_name": "c", "to_name": "picture", "type": "choices", "value": {}},
        {**THEIRS[0], "id": "z", "value": {"x": 1}},
        THEIRS[3],
    ]
    page = draw_on(CHINA, regions=strange)
    expect(page.locator(".shape")).to_have_count(1)
    assert regions(page) == strange


def test_a_redraw_in_the_midst_of_a_drag_loses_nothing(draw_on: Open) -> None:
    page = draw_on(CHINA, regions=[THEIRS[1], THEIRS[3]])
    page.evaluate("harness.context.select('d')")
    drag(page, (81.1, 20.3), (60, 40), up=False)
    path = page.locator('[data-id="d"] .line')
    halfway = path.get_attribute("d")
    element = path.element_handle()
    page.evaluate("harness.redraw()")
    assert path.get_attribute("d") == halfway
    assert page.evaluate("one => one.isConnected", element), "the shape is another element now"
    page.mouse.move(*place(page, 50, 50))
    page.mouse.up()
    near(regions(page)[1]["value"], x=50, y=50)

    choose(page, "box", "Car")
    drag(page, (10, 10), (30, 30), up=False)
    page.evaluate("harness.redraw()")
    expect(page.locator(".draft rect.line")).to_have_count(1)
    page.mouse.up()
    near(regions(page)[2]["value"], x=10, y=10, width=20, height=20)

    page.evaluate("harness.context.select('b')")
    drag(page, (75, 70), (70, 65), up=False)
    page.evaluate("harness.context.remove('b')")  # as an undo does
    page.mouse.move(*place(page, 60, 60))
    page.mouse.up()
    assert [one["id"] for one in regions(page)] == ["d", "r1"]


def test_who_may_not_write_can_only_look(draw_on: Open) -> None:
    page = draw_on(CHINA, regions=THEIRS, isReadonly=True)
    choose(page, "box", "Car")
    drag(page, (10, 10), (30, 30))
    click(page, (81.1, 20.3))
    assert selected(page) == "d"
    press(page, "n", "ArrowLeft", "Delete")
    drag(page, (81.1, 20.3), (50, 50))
    assert regions(page) == THEIRS
    expect(page.locator(".handle")).to_have_count(0)


# --- the view ------------------------------------------------------------------------------------


# Which place of the image, in percent, lies under a place of the page.
UNDER = """([x, y]) => {
  const box = document.querySelector(".easel img").getBoundingClientRect();
  return [(x - box.left) / box.width * 100, (y - box.top) / box.height * 100];
}"""


def test_zoomed_and_panned_what_is_drawn_lies_where_it_was_drawn(draw_on: Open) -> None:
    page = draw_on(CHINA)
    fitted = share(page)
    spot = (round(place(page, 30, 40)[0]), round(place(page, 30, 40)[1]))  # wheels know no halves
    under = page.evaluate(UNDER, spot)
    page.mouse.move(*spot)
    page.keyboard.down("Control")
    for _ in range(4):
        page.mouse.wheel(0, -120)
    page.keyboard.up("Control")
    wait_for_share(page, lambda now: now > fitted * 3)
    assert page.evaluate(UNDER, spot) == pytest.approx(under)  # under the pointer nothing moved
    page.mouse.wheel(0, 100)  # without Ctrl the wheel is the page's
    choose(page, "box", "Car")
    drag(page, (30, 40), (40, 50))
    near(regions(page)[0]["value"], x=30, y=40, width=10, height=10)

    before = place(page, 30, 40)
    page.keyboard.down(" ")
    drag(page, (30, 45), (33, 48))
    page.keyboard.up(" ")
    drag(page, (33, 44), (33, 42), button="middle")
    assert len(regions(page)) == 1
    after = place(page, 30, 40)
    assert after[0] - before[0] > 10
    press(page, "0")
    wait_for_share(page, lambda now: abs(now - fitted) < 1e-6)
    near(regions(page)[0]["value"], x=30, y=40, width=10, height=10)
    page.get_by_role("button", name="One screen pixel").click()
    expect(page.locator(".share")).to_have_text("100 %")
    press(page, "Tab")


def test_light_is_a_filter_of_the_picture_alone(draw_on: Open) -> None:
    page = draw_on(CHINA)
    page.get_by_text("Brightness and contrast").locator("..").click()
    page.get_by_label("Brightness", exact=True).fill("150")
    page.get_by_label("Contrast", exact=True).fill("80")
    picture = page.locator(".easel img")
    expect(picture).to_have_css("filter", "brightness(1.5) contrast(0.8)")
    page.get_by_role("button", name="As it is").click()
    expect(picture).to_have_css("filter", "none")


def test_an_image_turned_by_its_camera_is_measured_as_it_is_shown(draw_on: Open) -> None:
    page = draw_on("/media/turned.jpg")
    choose(page, "box", "Car")
    page.locator(".easel").focus()
    press(page, "n")
    (region,) = regions(page)
    assert (region["original_width"], region["original_height"]) == (30, 60)
    near(region["value"], x=37.5, y=37.5, width=25, height=25)


def test_a_list_of_images_has_pages_and_results_say_which(draw_on: Open) -> None:
    page = draw_on(["/media/digit-0.png", "/media/china.png"])
    choose(page, "box", "Car")
    drag(page, (10, 10), (30, 30))
    page.get_by_role("button", name="Next image").click()
    expect(page.locator(".where")).to_have_text("2 of 2")
    expect(page.locator(".easel")).to_have_attribute("data-ready", "true")
    expect(page.locator(".shape")).to_have_count(0)
    drag(page, (40, 40), (60, 60))
    found = [(one["item_index"], one["original_width"]) for one in regions(page)]
    assert found == [(0, 400), (1, 640)]
    page.evaluate("harness.surface.focus('r1')")
    expect(page.locator(".where")).to_have_text("1 of 2")
    expect(page.locator('[data-id="r1"]')).to_have_count(1)
    expect(page.locator(".shape")).to_have_count(1)


def test_an_image_that_does_not_come_says_so_and_may_be_tried_again(
    draw_on: Open, surfaces: Surfaces
) -> None:
    late: Path = surfaces.media / "late.png"
    late.write_text("no image yet")
    page = draw_on("/media/late.png", regions=THEIRS, is_whole=False)
    expect(page.get_by_role("alert")).to_contain_text("/media/late.png")
    late.write_bytes((surfaces.media / "china.png").read_bytes())
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".shape")).to_have_count(4)
    expect(page.get_by_role("alert")).to_have_count(0)
    assert draw_on(None, is_whole=False).get_by_role("alert").text_content()


# --- fingers, themes, sizes ----------------------------------------------------------------------

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def test_one_finger_draws_and_two_zoom(draw_on: Open) -> None:
    page = draw_on(CHINA, options=PHONE)
    choose(page, "box", "Car")
    touch = fingers(page)
    touch("touchStart", place(page, 20, 20))
    touch("touchMove", place(page, 40, 50))
    touch("touchMove", place(page, 60, 70))
    touch("touchEnd")
    near(regions(page)[0]["value"], x=20, y=20, width=40, height=50)
    handle = page.locator('[data-handle="se"] .reach').bounding_box()
    assert handle
    assert handle["width"] == 40
    before = share(page)
    left, right = place(page, 45, 50), place(page, 55, 50)
    touch("touchStart", left)
    touch("touchStart", left, right)
    touch("touchMove", (left[0] - 40, left[1]), (right[0] + 40, right[1]))
    touch("touchEnd")
    wait_for_share(page, lambda now: now > before * 1.5)
    assert len(regions(page)) == 1
    assert page.evaluate("harness.state.changes") == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_the_screen_in_both_themes(draw_on: Open, theme: str, width: int) -> None:
    long = control("RectangleLabels", "box", "A label whose name goes on and on " * 4)
    page = draw_on(
        ["/media/china.png"] * 12,
        [long],
        {"viewport": {"width": width, "height": 740}},
        theme=theme,
        regions=[
            {
                **THEIRS[0],
                "value": {**THEIRS[0]["value"], "rectanglelabels": [long["labels"][0]["key"]]},
            }
        ],
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    name = page.locator(".name").bounding_box()
    assert name
    assert name["width"] <= 180
    page.get_by_text("Brightness and contrast").locator("..").click()
    panel = page.locator(".exposure .panel").bounding_box()
    assert panel
    assert panel["x"] >= 0
    assert panel["x"] + panel["width"] <= width
