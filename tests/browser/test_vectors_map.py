"""The map of a collection and its duplicates, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.digits import COPIES, ODD, add_digits, identity
from tests.service import Service

COUNT = 1500
PATIENCE_MS = 110_000
pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def digits(service: Service) -> str:
    return add_digits(service, "browser-digits", COUNT)


# How many pixels of a canvas are not transparent, and how many kinds of colour are among them.
INK = """canvas => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const ctx = copy.getContext("2d", { willReadFrequently: true });
  ctx.drawImage(canvas, 0, 0);
  const { data } = ctx.getImageData(0, 0, canvas.width, canvas.height);
  let inked = 0;
  const hues = new Set();
  for (let at = 0; at < data.length; at += 4) {
    const [r, g, b, a] = data.slice(at, at + 4);
    if (a) inked += 1;
    const isColour = Math.max(r, g, b) - Math.min(r, g, b) > 60;
    if (a > 200 && isColour) hues.add([r, g, b].map(part => part >> 5).join());
  }
  return { inked, hues: hues.size };
}"""


def painted(page: Page) -> None:
    expect(page.locator("#map")).to_have_attribute("data-painted", re.compile(r"\d+"))


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Across the canvas; places as parts of its width and height."""
    box = page.locator("#map canvas").bounding_box()
    assert box is not None
    spots = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*spots[0])
    page.mouse.down()
    page.mouse.move((spots[0][0] + spots[1][0]) / 2, (spots[0][1] + spots[1][1]) / 2)
    page.mouse.move(*spots[1])
    page.mouse.up()


@pytest.fixture
def opened(watch: Watch, service: Service, digits: str) -> Callable[..., Page]:
    def open_page(path: str, user: str = "ana", **options: object) -> Page:
        page = watch(**options).log_in(user)
        page.goto(f"{service.url}/vectors/{digits}{path}")
        return page

    return open_page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_map_is_drawn_in_colours(opened: Callable[..., Page], theme: str) -> None:
    page = opened("/map", color_scheme=theme)
    painted(page)
    canvas = page.locator("#map canvas")
    plain = canvas.evaluate(INK)
    assert plain["inked"] > 5000
    assert plain["hues"] <= 3
    page.get_by_label("Colour by").select_option("label")
    expect(page.locator(".legend button")).to_have_count(11)
    expect(page.locator(".legend")).to_contain_text("without it")
    page.wait_for_function(f"({INK})(document.querySelector('#map canvas')).hues >= 6")
    assert "field=label" in page.url
    page.get_by_label("Colour by").select_option("ink")
    expect(page.locator(".legend .ramp")).to_be_visible()


def test_a_point_shows_its_record(opened: Callable[..., Page]) -> None:
    page = opened("/map")
    painted(page)
    box = page.locator("#map canvas").bounding_box()
    assert box is not None
    tip = page.locator("#map .tip")
    # Somewhere in the dense middle there is a point.
    for step in range(40):
        page.mouse.move(box["x"] + box["width"] / 2 + 4 * step, box["y"] + box["height"] * 0.6)
        if tip.is_visible():
            break
    expect(tip).to_contain_text("a handwritten")
    expect(tip.locator("img")).to_have_js_property("naturalWidth", 8)


def test_an_area_leads_to_exactly_its_records(opened: Callable[..., Page]) -> None:
    page = opened("/map")
    painted(page)
    page.get_by_role("button", name="Box").click()
    box = page.get_by_role("region", name="Selection")
    for edge in (0.06, 0.1, 0.15, 0.25):
        drag(page, (0.02, 0.02), (0.9, edge))
        if page.locator("#map[data-chosen]").count():
            break
    expect(box.locator("h2")).to_have_text(re.compile(r"^\d+ records? selected$"))
    with page.expect_download() as loading:
        box.get_by_role("link", name="JSONL").click()
    ids = [json.loads(line)["id"] for line in loading.value.path().read_text().splitlines()]
    assert 1 <= len(ids) < COUNT / 2
    assert f"{len(ids)} record" in box.locator("h2").inner_text()
    page.get_by_role("link", name="Show as records").click()
    expect(page.locator("main")).to_contain_text(ids[0])
    text = page.locator("main").inner_text()
    assert sum(one in text for one in ids) == min(len(ids), 50 if "ids=" in page.url else 60)


def test_a_lasso_and_the_keyboard_select_too(opened: Callable[..., Page]) -> None:
    page = opened("/map")
    painted(page)
    page.locator("#map canvas").focus()
    page.keyboard.press("Enter")
    box = page.get_by_role("region", name="Selection")
    expect(box.locator("h2")).to_have_text(f"{COUNT + 4:,} records selected")
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    page.get_by_role("button", name="Lasso").click()
    canvas = page.locator("#map canvas").bounding_box()
    assert canvas is not None
    page.mouse.move(canvas["x"] + canvas["width"] * 0.3, canvas["y"] + canvas["height"] * 0.3)
    page.mouse.down()
    for x, y in ((0.7, 0.3), (0.7, 0.8), (0.3, 0.8)):
        page.mouse.move(canvas["x"] + canvas["width"] * x, canvas["y"] + canvas["height"] * y)
    page.mouse.up()
    expect(box.locator("h2")).to_have_text(re.compile(r"^[\d,]+ records selected$"))
    with page.expect_download() as loading:
        box.get_by_role("link", name="JSONL").click()
    lines = loading.value.path().read_text().splitlines()
    assert f"{len(lines):,} records selected" == box.locator("h2").inner_text()
    box.get_by_role("button", name="Clear").click()
    expect(box).to_have_count(0)


def test_the_map_is_saved_as_a_picture(opened: Callable[..., Page]) -> None:
    page = opened("/map")
    painted(page)
    with page.expect_download() as loading:
        page.get_by_role("button", name="PNG").click()
    assert loading.value.suggested_filename == "browser-digits-pca.png"
    raw = loading.value.path().read_bytes()
    assert raw.startswith(b"\x89PNG")
    assert len(raw) > 20_000


def test_a_map_by_tsne_is_computed_and_appears(opened: Callable[..., Page]) -> None:
    page = opened("/map?by=tsne&field=label")
    expect(page.get_by_role("heading", name="No map by t-SNE yet")).to_be_visible()
    expect(page.locator("#map")).to_be_hidden()
    page.get_by_role("button", name="Compute").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(page.locator("#layout")).to_contain_text("computed", timeout=PATIENCE_MS)
    expect(page.locator("#layout")).to_contain_text("Compute again", timeout=PATIENCE_MS)
    painted(page)
    assert page.locator("#map canvas").evaluate(INK)["hues"] >= 6


def test_a_computation_is_cancelled(watch: Watch, service: Service) -> None:
    collection = add_digits(service, "browser-cancelled", 1000)
    page = watch().log_in("ana")
    page.goto(f"{service.url}/vectors/{collection}/map?by=tsne")
    page.get_by_role("button", name="Compute").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Compute")).to_be_visible(timeout=PATIENCE_MS)


def test_the_map_works_on_a_phone(opened: Callable[..., Page]) -> None:
    page = opened(
        "/map?field=label", viewport={"width": 360, "height": 780}, has_touch=True, is_mobile=True
    )
    painted(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    canvas = page.locator("#map canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    tip = page.locator("#map .tip")
    for step in range(20):
        page.touchscreen.tap(box["x"] + box["width"] / 2 + 6 * step, box["y"] + box["height"] / 2)
        if tip.is_visible():
            break
    expect(tip).to_contain_text("digit-")


def test_duplicates_are_listed_and_one_is_deleted(watch: Watch, service: Service) -> None:
    collection = add_digits(service, "browser-pairs", 300)
    page = watch().log_in("ana")
    page.goto(f"{service.url}/vectors/{collection}/pairs")
    page.get_by_label("Look at").select_option("0")
    page.get_by_role("button", name="Look", exact=True).click()
    expect(page.locator("#report")).to_contain_text("Outliers", timeout=PATIENCE_MS)
    page.get_by_label("Pairs within").fill("0")
    page.get_by_role("button", name="Show", exact=True).click()
    pairs = page.locator("li.pair")
    expect(pairs).to_have_count(4)
    expect(page.locator("section", has_text="Outliers").locator("tbody tr").first).to_contain_text(
        ODD
    )
    pair = pairs.filter(has_text=COPIES[2])
    expect(pair).to_contain_text(identity(7))
    half = pair.locator(".half").filter(has=page.locator("b.t", has_text=COPIES[2]))
    half.get_by_role("button", name="Delete…").click()
    expect(half.get_by_role("dialog")).to_contain_text(f"{identity(7)} stays")
    half.get_by_role("button", name="Delete it").click()
    expect(pairs).to_have_count(3)
    expect(page.locator("#report")).to_contain_text("changed since")
    page.get_by_role("button", name="Show as records").click()
    expect(page.locator("table.records tbody tr")).to_have_count(3)


def test_a_viewer_is_offered_nothing_to_compute(opened: Callable[..., Page]) -> None:
    page = opened("/pairs", user="vic")
    expect(page.get_by_text("An editor of lab can have it made.")).to_be_visible()
    expect(page.get_by_role("button", name="Look", exact=True)).to_have_count(0)
