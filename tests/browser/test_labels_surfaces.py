"""Shapes drawn on images in a real browser, by mouse and by keys: results say what was drawn."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.surfaces_hands import (
    choose,
    click,
    drag,
    drag_handle,
    near,
    place,
    press,
    regions,
    selected,
)
from tests.browser.surfaces_page import Open, control

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
CHINA = "/media/china.png"


# --- boxes ---------------------------------------------------------------------------------------


def test_a_box_is_drawn_moved_resized_and_removed_by_mouse(draw_on: Open) -> None:
    page = draw_on("/media/digit-0.png")
    choose(page, "box", "Car")
    drag(page, (20, 10), (50, 40), (70, 60))
    (drawn,) = regions(page)
    near(drawn["value"], x=20, y=10, width=50, height=50, rotation=0)
    assert drawn["value"]["rectanglelabels"] == ["Car"]
    assert (drawn["from_name"], drawn["to_name"], drawn["type"]) == (
        *("box", "picture", "rectanglelabels"),
    )
    size = (drawn["original_width"], drawn["original_height"], drawn["image_rotation"])
    assert size == (400, 400, 0)
    assert selected(page) == drawn["id"]
    expect(page.locator(".name")).to_have_text("Car")

    drag(page, (40, 30), (50, 45), (60, 50))
    (moved,) = regions(page)
    # Drawn to the right edge and no further; what was not touched is the same to the last digit.
    near(moved["value"], x=40, y=30)
    assert moved["value"]["width"] == drawn["value"]["width"]
    drag(page, (60, 50), (90, 99))
    near(regions(page)[0]["value"], x=50, y=50, width=50, height=50)

    drag_handle(page, "nw", 60, 70)
    near(regions(page)[0]["value"], x=60, y=70, width=40, height=30)
    drag_handle(page, "e", 80, 20)
    near(regions(page)[0]["value"], x=60, y=70, width=20, height=30)
    drag_handle(page, "n", 70, -30)
    near(regions(page)[0]["value"], x=60, y=0, width=20, height=100)
    assert page.evaluate("harness.state.changes") == 5

    press(page, "Delete")
    assert regions(page) == []
    expect(page.locator(".shape")).to_have_count(0)
    page.evaluate("harness.undo()")
    expect(page.locator(".shape.box")).to_have_count(1)


def test_a_click_chooses_and_a_press_that_goes_nowhere_draws_nothing(draw_on: Open) -> None:
    page = draw_on(CHINA)
    choose(page, "box", "Car")
    drag(page, (10, 10), (60, 80))
    drag(page, (70, 70), (90, 90))
    drag(page, (20, 30), (40, 40), up=False)  # inside of the first one, which is not selected
    page.mouse.up()
    assert len(regions(page)) == 3
    click(page, (80, 80))
    assert selected(page) == "r2"
    click(page, (5, 5))
    assert (selected(page), len(regions(page))) == (None, 3)
    click(page, (30, 35))  # the small one lies on top of the large one
    assert selected(page) == "r3"


def test_a_box_turns_about_its_middle_and_its_far_side_stays(draw_on: Open) -> None:
    page = draw_on("/media/digit-7.png")
    choose(page, "box", "Sky")
    drag(page, (30, 40), (70, 60))
    drag_handle(page, "turn", 90, 50)  # to the right of the middle: a quarter
    (region,) = regions(page)
    near(region["value"], rotation=90, width=40, height=20, x=60, y=30)
    drag_handle(page, "e", 50, 90)  # what was its right side now points down
    near(regions(page)[0]["value"], rotation=90, x=60, y=30, width=60, height=20)
    before = regions(page)[0]["value"]
    drag_handle(page, "turn", 80, 20)  # turned so, it would leave the image only a little later
    after = regions(page)[0]["value"]
    assert 0 < after["rotation"] < 90
    assert (after["width"], after["height"]) == (before["width"], before["height"])
    # The selected shape is drawn where its value says.
    shape = page.locator(".shape .line").get_attribute("transform") or ""
    assert shape.startswith(f"rotate({after['rotation']} {after['x'] * 4} {after['y'] * 4}"[:20])


# --- polygons, ellipses, points ------------------------------------------------------------------


def test_a_polygon_is_closed_by_its_first_point_enter_or_a_double_click(draw_on: Open) -> None:
    page = draw_on(CHINA)
    choose(page, "polygon", "Roof")
    click(page, (10, 10), (40, 10), (40, 50), (10, 10))
    (first,) = regions(page)
    assert first["value"]["points"] == [
        pytest.approx(one, abs=0.4) for one in ([10, 10], [40, 10], [40, 50])
    ]
    assert first["value"]["closed"] is True
    click(page, (60, 10), (90, 10), (90, 50), (60, 50), (65, 30))
    press(page, "Backspace", "Enter")
    assert len(regions(page)[1]["value"]["points"]) == 4
    click(page, (20, 60), (60, 60), (60, 90))
    page.mouse.dblclick(*place(page, 20, 90))
    assert len(regions(page)[2]["value"]["points"]) == 4
    click(page, (80, 70), (90, 70))
    press(page, "Enter")
    assert page.evaluate("harness.state.said.at(-1)").startswith("A polygon needs three points")
    press(page, "Escape")
    expect(page.locator(".draft .dot")).to_have_count(0)
    assert len(regions(page)) == 3


def test_corners_of_a_polygon_move_come_and_go(draw_on: Open) -> None:
    page = draw_on(CHINA)
    choose(page, "polygon", "Roof")
    click(page, (20, 20), (80, 20), (80, 80), (20, 80))
    press(page, "Enter")
    drag_handle(page, "p0", 10, 5)
    drag_handle(page, "m2", 50, 95)  # between the third corner and the fourth
    points = regions(page)[0]["value"]["points"]
    wanted = ([10, 5], [80, 20], [80, 80], [50, 95], [20, 80])
    assert points == [pytest.approx(one, abs=0.4) for one in wanted]
    knob = page.locator('[data-handle="p3"] .knob').bounding_box()
    assert knob
    choose(page, None)
    page.mouse.dblclick(knob["x"] + 5, knob["y"] + 5)
    assert len(regions(page)[0]["value"]["points"]) == 4
    drag(page, (50, 50), (55, 55))
    assert regions(page)[0]["value"]["points"][1] == pytest.approx([85, 25], abs=0.4)


def test_an_ellipse_grows_from_its_centre_and_a_point_is_put_by_a_click(draw_on: Open) -> None:
    page = draw_on(CHINA)
    choose(page, "ellipse", "Sky")
    drag(page, (50, 50), (60, 55), (70, 60))
    ellipse = regions(page)[0]
    near(ellipse["value"], x=50, y=50, radiusX=20, radiusY=10, rotation=0)
    assert ellipse["value"]["ellipselabels"] == ["Sky"]
    drag_handle(page, "e", 80, 50)
    near(regions(page)[0]["value"], x=50, y=50, radiusX=30, radiusY=10)
    drag_handle(page, "s", 50, 70)
    near(regions(page)[0]["value"], radiusX=30, radiusY=20)
    choose(page, "point", "Car")
    click(page, (90, 20))
    point = regions(page)[1]
    near(point["value"], x=90, y=20, width=100 * 2 / 640)
    assert (point["type"], point["value"]["keypointlabels"]) == ("keypointlabels", ["Car"])
    drag(page, (90, 20), (80, 30), (10, 130))  # stopped by the edge
    near(regions(page)[1]["value"], x=10, y=100)


def test_shapes_without_labels_say_no_labels(draw_on: Open) -> None:
    page = draw_on(CHINA, controls=[control("Rectangle", "bare")])
    choose(page, "bare")
    drag(page, (10, 10), (30, 30))
    (region,) = regions(page)
    assert region["type"] == "rectangle"
    assert set(region["value"]) == {"x", "y", "width", "height", "rotation"}


# --- keys ----------------------------------------------------------------------------------------


def test_a_box_is_drawn_without_a_mouse(draw_on: Open) -> None:
    page = draw_on("/media/digit-0.png")
    page.locator(".easel").focus()
    press(page, "n")
    assert page.evaluate("harness.state.said.at(-1)").startswith("Choose a label first")
    choose(page, "box", "Car")
    press(page, "n")
    near(regions(page)[0]["value"], x=37.5, y=37.5, width=25, height=25)
    press(page, *["ArrowLeft"] * 5, "ArrowUp")
    near(regions(page)[0]["value"], x=32.5, y=36.5)
    press(page, *["Shift+ArrowRight"] * 3, "Shift+ArrowUp")
    near(regions(page)[0]["value"], x=32.5, y=36.5, width=28, height=24)
    press(page, "Control+ArrowRight", "Control+ArrowDown")  # a pixel of 400 is a quarter percent
    exact = {"x": 32.75, "y": 36.75, "width": 28, "height": 24}
    value = regions(page)[0]["value"]
    assert {key: value[key] for key in exact} == pytest.approx(exact, abs=1e-9)
    press(page, ".", ".", "Control+,")
    assert regions(page)[0]["value"]["rotation"] == pytest.approx(9)
    press(page, "Backspace")
    assert regions(page) == []


def test_an_arrow_that_is_held_is_one_change(draw_on: Open) -> None:
    page = draw_on(CHINA)
    choose(page, "box", "Car")
    page.locator(".easel").focus()
    press(page, "n")
    before = regions(page)[0]["value"]
    for _ in range(10):
        page.keyboard.down("ArrowRight")
    page.keyboard.up("ArrowRight")
    assert regions(page)[0]["value"]["x"] == pytest.approx(before["x"] + 10)
    assert page.evaluate("harness.state.changes") == 1
    press(page, "Control+z")
    assert regions(page)[0]["value"] == before


@pytest.mark.parametrize(
    ("name", "label", "key"),
    [("polygon", "Roof", "points"), ("ellipse", "Sky", "radiusX"), ("point", "Car", "width")],
)
def test_other_shapes_are_drawn_without_a_mouse(
    draw_on: Open, name: str, label: str, key: str
) -> None:
    page = draw_on(CHINA)
    choose(page, name, label)
    page.locator(".easel").focus()
    press(page, "Enter")
    before = regions(page)[0]["value"]
    press(page, "ArrowRight", "Shift+ArrowRight")
    after = regions(page)[0]["value"]
    if name == "polygon":
        moves = [b[0] - a[0] for a, b in zip(before[key], after[key], strict=True)]
        assert moves == pytest.approx([1, 2, 2, 1])  # moved by one percent, its right side by two
        press(page, "]", "ArrowUp", "Insert", "Delete")
        points = regions(page)[0]["value"]["points"]
        assert points[0] == pytest.approx([after[key][0][0], after[key][0][1] - 1])
        assert len(points) == 4
    elif name == "ellipse":
        assert after["x"] == pytest.approx(before["x"] + 1)
        assert after[key] == pytest.approx(before[key] + 1)
    else:
        assert after["x"] == pytest.approx(before["x"] + 1)
        assert after[key] == before[key]


def test_tab_goes_from_shape_to_shape_and_on(draw_on: Open) -> None:
    page = draw_on(CHINA)
    choose(page, "box", "Car")
    drag(page, (10, 10), (40, 40))
    choose(page, "box", "Sky")
    drag(page, (60, 60), (80, 80))
    page.evaluate("harness.context.select(null)")
    press(page, "Tab")
    assert selected(page) == "r1"
    press(page, "Tab")
    assert selected(page) == "r2"
    assert page.evaluate("harness.state.said.at(-1)") == "Sky, 2 of 2"
    press(page, "Shift+Tab")
    assert selected(page) == "r1"
    press(page, "Escape")
    assert selected(page) is None
    press(page, "Tab")
    expect(page.get_by_role("button", name="After the surface")).to_be_focused()
