"""Images, histograms, texts and hyperparameters of boards, in a real browser."""

from __future__ import annotations

import re
import uuid
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.plugins.hparams.summary_v2 import hparams_pb

from tests.board_files import old_image, png, tensor_value
from tests.browser.conftest import Watch
from tests.event_files import NAME, event, header, simple, write
from tests.service import Service, until

PATIENCE_MS = 60_000
pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def log(service: Service, name: str, *values: tuple[int, Any]) -> str:
    """A run of lab, once the service has found it."""
    folder = service.home / "tensorboard" / "lab" / name
    write(folder, [header(), *(event(step, value) for step, value in values)])
    with service.browser("ana") as client:
        until(lambda: name in client.get("/boards/tree", params={"workspace": "lab"}).text)
    return name


def fresh(what: str) -> str:
    return f"{what}-{uuid.uuid4().hex[:8]}"


def opened(watch: Watch, path: str, folder: str, **options: Any) -> Page:
    """A page with the runs of one folder chosen, once it shows something of them."""
    watched = watch(**options)
    page = watched.page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{watched.service.url}/boards/{path}?workspace=lab&runs=^{folder}/")
    watched.log_in("ana", page)
    page.wait_for_url(lambda url: "/boards/" in url)
    return page


def test_a_slider_shows_images_by_step_and_the_address_keeps_it(
    watch: Watch, service: Service
) -> None:
    folder = fresh("slides")
    for run in "ab":
        values = [(step, old_image("pic", png(step + 1, 4))) for step in (0, 10, 20)]
        log(service, f"{folder}/{run}", *values)
    page = opened(watch, "images", folder)
    cards = page.locator(".shot")
    expect(cards).to_have_count(2)
    first, second = cards.nth(0), cards.nth(1)
    expect(first.locator(".where b")).to_have_text("20")
    width = "image => image.naturalWidth"
    until(lambda: first.locator("img").evaluate(width) == 21)
    expect(first.locator("img")).to_have_class(re.compile("small"))
    slider = first.get_by_role("slider")
    expect(slider).to_have_attribute("max", "2")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(first.locator(".where b")).to_have_text("10")
    until(lambda: first.locator("img").evaluate(width) == 11)
    expect(second.locator(".where b")).to_have_text("20")
    page.wait_for_url(re.compile(r"[?&]at=\w+%3A10%3A0"))
    page.reload()
    expect(first.locator(".where b")).to_have_text("10")
    expect(second.locator(".where b")).to_have_text("20")
    page.get_by_label("Move together").check()
    expect(first.get_by_role("slider")).to_have_attribute("max", "2")
    first.get_by_role("slider").focus()
    page.keyboard.press("ArrowLeft")
    expect(first.locator(".where b")).to_have_text("0")
    expect(second.locator(".where b")).to_have_text("0")
    page.wait_for_url(re.compile(r"[?&]step=0"))


def test_an_image_that_is_none_says_why(watch: Watch, service: Service) -> None:
    folder = fresh("bad")
    log(service, f"{folder}/a", (3, old_image("pic", b"<svg onload='alert(1)'/>")))
    watched = watch()
    page = watched.page()
    page.goto(f"{service.url}/boards/images?workspace=lab&runs=^{folder}/")
    watched.log_in("ana", page)
    expect(page.locator(".picture .wrong")).to_contain_text(
        "no PNG, JPEG or GIF", timeout=PATIENCE_MS
    )
    # Browsers log every refused picture.
    watched.wrong[:] = [wrong for wrong in watched.wrong if "/boards/images/one" not in wrong]


def test_a_run_that_goes_on_gets_its_new_images_without_a_jump(
    watch: Watch, service: Service
) -> None:
    folder = fresh("live")
    name = log(service, f"{folder}/a", *((step, old_image("pic", png(4, 4))) for step in (0, 1)))
    page = opened(watch, "images", folder)
    card = page.locator(".shot")
    expect(card.locator(".where b")).to_have_text("1")
    card.evaluate("card => { card.mark = 'same'; }")
    with (service.home / "tensorboard" / "lab" / name / NAME).open("ab") as file:
        file.write(event(2, old_image("pic", png(4, 9))))
        file.write(event(2, old_image("other", png(4, 9))))
    expect(page.locator(".shot")).to_have_count(2, timeout=PATIENCE_MS)
    expect(
        page.locator(".shot", has=page.get_by_role("slider", name="pic,")).locator(".where b")
    ).to_have_text("2")


def test_histograms_are_drawn_and_read_out(watch: Watch, service: Service) -> None:
    folder = fresh("histo")
    rng = np.random.default_rng(3)
    values = [(step, histogram_pb("w", rng.normal(step / 9, 1, 500)).value[0]) for step in range(9)]
    log(service, f"{folder}/a", *values)
    page = opened(watch, "histograms", folder)
    card = page.locator(".shot")
    expect(card).to_have_attribute("data-drawn", ":9", timeout=PATIENCE_MS)
    readout = card.locator(".readout")
    expect(readout).to_have_text("9 steps, to step 8")
    canvas = card.locator("canvas")
    canvas.hover()
    expect(readout).to_have_text(re.compile(r"^step \d: [\d.]+ from -?[\d.]+ to -?[\d.]+$"))
    card.locator(".drawing").focus()
    page.mouse.move(0, 0)
    expect(readout).to_have_text("9 steps, to step 8")
    page.keyboard.press("ArrowUp")
    expect(readout).to_have_text(re.compile("^step 7: "))
    page.keyboard.press("Escape")
    for label, kind in (("Heatmap", "heat"), ("Distribution", "bands")):
        page.get_by_label("Drawn as").select_option(label)
        expect(card).to_have_attribute("data-drawn", f"{kind}:9")
        assert f"mode={kind}" in page.url
    page.keyboard.press("Tab")
    card.locator(".drawing").focus()
    page.keyboard.press("ArrowLeft")
    expect(readout).to_have_text(re.compile(r"^step 7: 0 % .*median "))


def test_texts_are_markdown_newest_first_and_long_ones_fold(watch: Watch, service: Service) -> None:
    folder = fresh("words")
    values = [
        (0, tensor_value("t", "**old** words", "text")),
        (
            5,
            tensor_value("t", "# New <script>window.hacked = 1</script>\n" + "word " * 900, "text"),
        ),
    ]
    log(service, f"{folder}/a", *values)
    page = opened(watch, "text", folder)
    said = page.locator(".said")
    expect(said.locator("h3")).to_contain_text("New <script>")
    assert page.evaluate("window.hacked") is None
    low = said.bounding_box()
    page.get_by_role("button", name="Show all of it").click()
    high = said.bounding_box()
    assert low is not None
    assert high is not None
    assert high["height"] > low["height"] * 1.5
    slider = page.get_by_role("slider")
    expect(slider).to_have_attribute("max", "1")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(said.locator("strong")).to_have_text("old")


def test_hyperparameters_sort_filter_and_are_drawn(watch: Watch, service: Service) -> None:
    folder = fresh("sweep")
    for name, lr, opt, loss in (
        ("a", 0.1, "adam", 3.0),
        ("b", 0.01, "sgd", 1.0),
        ("c", 0.5, "adam", 2.0),
    ):
        log(
            service,
            f"{folder}/{name}",
            (0, hparams_pb({"lr": lr, "opt": opt}).value[0]),
            (1, simple("loss", loss)),
        )
    page = opened(watch, "hparams", folder)
    names = page.locator("tbody tr td.stick")
    expect(names).to_have_text([re.compile(f"{folder}/{one}") for one in "abc"])
    expect(page.locator("#parallel canvas")).to_be_visible()
    page.get_by_role("link", name="loss").click()
    expect(names).to_have_text([re.compile(f"{folder}/{one}") for one in "bca"])
    page.get_by_role("link", name="loss").click()
    expect(names).to_have_text([re.compile(f"{folder}/{one}") for one in "acb"])
    assert "sort=metric.loss" in page.url
    page.get_by_text("Where", exact=True).click()
    page.locator(".where-form select[name=field]").select_option(label="lr")
    page.locator(".where-form input[name=given]").fill("0.05..")
    page.locator(".where-form").get_by_role("button", name="Filter").click()
    expect(names).to_have_text([re.compile(f"{folder}/{one}") for one in "ac"])
    page.get_by_title("Remove this filter").click()
    expect(names).to_have_count(3)
    page.get_by_label("Filter rows by a regular expression").type("^sgd")
    expect(names).to_have_text([re.compile(f"{folder}/b")])
    page.go_back()
    expect(names).to_have_count(3)


def test_without_script_pages_show_the_newest_and_a_step_can_be_asked_for(
    watch: Watch, service: Service
) -> None:
    folder = fresh("plain")
    values = [(step, old_image("pic", png(step + 1, 4))) for step in (0, 10)]
    log(service, f"{folder}/a", *values, (3, histogram_pb("w", [1.0, 2.0, 3.0]).value[0]))
    page = opened(watch, "images", folder, java_script_enabled=False)
    expect(page.locator(".where b")).to_have_text("10")
    page.get_by_label("At step").fill("4")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator(".where b")).to_have_text("0")
    page.get_by_role("link", name="Histograms").click()
    expect(page.locator(".shot td.num")).to_have_count(9)
