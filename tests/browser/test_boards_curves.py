"""Curves of boards in a real browser: a training is followed live, and what is seen is kept."""

from __future__ import annotations

import csv
import math
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from mlpi.tracking.charts.service import smoothed
from tests.browser.conftest import ROOT, Watch
from tests.event_files import event, header, simple, theirs, write
from tests.service import Service, clean_environment, until

FRESH_MS = 2000  # from a point on the disk to the page
SOON_MS = 20_000
HAS_STEP = """([tag, step]) => {
  const [curve] = mlpiBoards.cards.get(tag).curves.values();
  return curve.s.at(-1) >= step;
}"""
pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

Opened = Callable[..., Page]


def add_runs(service: Service, at: str, names: dict[str, list[bytes]]) -> None:
    """Runs of lab below a folder, once they are read."""
    for name, records in names.items():
        write(service.home / "tensorboard" / "lab" / at / name, [header(), *records])
    with service.client(service.token("vic", "lab")) as client:
        until(lambda: are_read(client, {f"{at}/{name}" for name in names}))


def are_read(client: httpx.Client, names: set[str]) -> bool:
    runs = client.get("/api/mlpi/boards/runs").json()
    return names <= {one["name"] for one in runs if not one["is_reading"]}


def losses(count: int, rate: float) -> list[bytes]:
    made = []
    for step in range(count):
        wave = math.exp(-rate * step) + math.sin(step * 7) / 20
        values = [simple("train/loss", wave), simple("train/accuracy", 1 - wave / 2)]
        made.append(event(step, *values, simple("val/loss", wave + 0.1)))
    return [*made, event(count, simple("score", rate))]


@pytest.fixture(scope="module")
def shelf(service: Service) -> str:
    """Six runs: three rates, two seeds."""
    at = f"shelf{uuid.uuid4().hex[:6]}"
    rates = (0.01, 0.02, 0.04)
    runs = {
        f"lr-{rate}/seed-{seed}": losses(120, rate * (1 + seed / 10))
        for rate in rates
        for seed in (0, 1)
    }
    add_runs(service, at, runs)
    return at


@pytest.fixture
def opened(watch: Watch, service: Service) -> Opened:
    def open_page(query: str, **options: object) -> Page:
        page = watch(**options).log_in("ana")
        page.goto(f"{service.url}/boards?workspace=lab&{query}")
        return page

    return open_page


def card(page: Page, tag: str) -> Locator:
    return page.locator(f'.board-card[data-tag="{tag}"]')


def drawn(page: Page, tag: str, lines: int) -> Locator:
    found = card(page, tag)
    found.scroll_into_view_if_needed()
    expect(found).to_have_attribute("data-lines", str(lines), timeout=SOON_MS)
    expect(found.locator("canvas")).to_be_visible()
    return found


def zoom(page: Page, found: Locator, begin: float, end: float) -> None:
    """Drag over a part of a chart's width."""
    area = found.locator(".u-over").bounding_box()
    assert area is not None
    y = area["y"] + area["height"] / 2
    page.mouse.move(area["x"] + begin * area["width"], y)
    page.mouse.down()
    page.mouse.move(area["x"] + (begin + end) / 2 * area["width"], y)
    page.mouse.move(area["x"] + end * area["width"], y)
    page.mouse.up()


def inside(page: Page, tag: str, what: str) -> Any:
    """Something of a card's plot, as its script knows it."""
    return page.evaluate(f"tag => mlpiBoards.cards.get(tag).{what}", tag)


@pytest.fixture
def training(service: Service, tmp_path: Path) -> Iterator[tuple[str, Callable[[], int]]]:
    """A training that goes on: its run's name, and the last step it has written."""
    name = f"live{uuid.uuid4().hex[:6]}/digits"
    log = tmp_path / "steps"
    with log.open("w") as out:
        folder = service.home / "tensorboard" / "lab" / name
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.browser.board_training", str(folder), "1000", "0.3"],
            cwd=ROOT,
            env=clean_environment(),
            stdout=out,
        )
    try:

        def last() -> int:
            lines = log.read_text().splitlines()
            return int(lines[-1].split()[0]) if lines else -1

        until(lambda: last() >= 3)
        yield name, last
    finally:
        process.kill()
        process.wait()


def test_a_training_is_followed_live_while_zoom_and_pins_stay(
    service: Service, opened: Opened, training: tuple[str, Callable[[], int]]
) -> None:
    name, last = training
    folder = name.split("/", maxsplit=1)[0]
    page = opened(f"runs={folder}")
    page.evaluate("() => { window.isSamePage = true; }")
    drawn(page, "train/loss", 1)
    card(page, "train/loss").get_by_role("button", name="Pin").click()
    expect(page.locator(".tag-section h2").first).to_have_text("Pinned")
    page.get_by_role("button", name="Full width").first.click()
    until(lambda: last() >= 8)
    zoom(page, card(page, "train/loss"), 0.2, 0.6)
    page.wait_for_function("() => mlpiBoards.cards.get('train/loss').plot.zoom() !== null")
    window = inside(page, "train/loss", "plot.zoom()")
    canvas = card(page, "train/loss").locator("canvas").element_handle()
    page.evaluate("canvas => { canvas.isOld = true; }", canvas)
    for _ in range(5):
        step = last()
        end = time.monotonic() + FRESH_MS / 1000
        for tag in ("train/loss", "train/accuracy"):
            left_ms = 1000 * (end - time.monotonic())
            page.wait_for_function(HAS_STEP, arg=[tag, step], timeout=left_ms)
        until(lambda before=step: last() > before)
    assert inside(page, "train/loss", "plot.zoom()") == window
    assert page.evaluate("window.isSamePage") is True
    new = card(page, "train/loss").locator("canvas")
    assert new.evaluate("canvas => canvas.isOld") is True  # not made anew
    expect(card(page, "train/loss")).to_have_class(re.compile("is-wide"))
    assert "pin=train%2Floss" in page.url


def test_new_runs_and_tags_appear_by_themselves(service: Service, opened: Opened) -> None:
    at = f"grow{uuid.uuid4().hex[:6]}"
    add_runs(service, at, {"a/one": [event(n, simple("loss", n)) for n in range(5)]})
    page = opened(f"runs={at}")
    drawn(page, "loss", 1)
    page.locator(".branch summary").first.click()
    page.locator(".branch summary").first.click()
    records = [event(n, simple("loss", n), simple("extra/deep", n)) for n in range(5)]
    add_runs(service, at, {"a/two": records})
    drawn(page, "loss", 2)
    drawn(page, "extra/deep", 1)
    expect(page.locator(f'.leaf[data-run="{at}/a/two"]')).to_be_visible()
    expect(page.locator("#run-count")).to_contain_text("2 of")


def test_the_first_run_of_a_workspace_shows_up_by_itself(service: Service, watch: Watch) -> None:
    service.mlpi("workspace", "add", "newcomers")
    service.mlpi("member", "add", "newcomers", "ana", "viewer")
    page = watch().log_in("ana")
    page.goto(f"{service.url}/boards?workspace=newcomers")
    expect(page.locator(".empty")).to_contain_text("mlpi sync")
    folder = service.home / "tensorboard" / "newcomers" / "first"
    write(folder, [header(), event(1, simple("loss", 1)), event(2, simple("loss", 2))])
    drawn(page, "loss", 1)


def test_runs_are_filtered_ticked_and_the_link_keeps_it(opened: Opened, shelf: str) -> None:
    page = opened(f"runs={shelf}")
    drawn(page, "train/loss", 6)
    page.get_by_label("Filter runs by").fill(f"{shelf}/.*seed-0")
    drawn(page, "train/loss", 3)
    page.locator(f'.leaf[data-run="{shelf}/lr-0.01/seed-0"]').get_by_role("checkbox").uncheck()
    drawn(page, "train/loss", 2)
    page.get_by_label("Filter runs by").fill(shelf)
    drawn(page, "train/loss", 5)
    page.get_by_label(f"All of {shelf}/lr-0.04/").uncheck()
    drawn(page, "train/loss", 3)
    page.get_by_label("Filter tags").fill("^train/")
    expect(card(page, "val/loss")).to_have_count(0)
    page.get_by_label("Smoothing").fill("0.9")
    page.get_by_label("Along").select_option("relative")
    page.get_by_label("Log").check()
    drawn(page, "train/loss", 3)
    link = page.url
    assert len(link) < 400, link
    page.goto(link)
    drawn(page, "train/loss", 3)
    expect(page.get_by_label("Smoothing")).to_have_value("0.9")
    expect(page.get_by_label("Along")).to_have_value("relative")
    expect(page.get_by_label("Log")).to_be_checked()
    expect(card(page, "val/loss")).to_have_count(0)
    expect(page.get_by_label(f"All of {shelf}/lr-0.04/")).not_to_be_checked()
    page.get_by_label("Filter runs by").fill("lr-(")
    expect(page.locator("#filter-wrong")).to_contain_text("not a regular expression")
    drawn(page, "train/loss", 3)


def test_smoothing_is_tensorboards(opened: Opened, shelf: str) -> None:
    page = opened(f"runs={shelf}/lr-0.01/seed-0&smooth=0.8")
    drawn(page, "train/loss", 1)
    raw, soft = (inside(page, "train/loss", f"lines()[0].{name}") for name in ("raw", "y"))
    assert soft == pytest.approx(smoothed(raw, 0.8), rel=1e-9)
    odd = page.evaluate("() => mlpiBoards.smoothed([1, null, NaN, Infinity, 3], 0.5)")
    assert odd == [1, None, None, None, pytest.approx((0.25 + 1.5) / 0.75)]


def test_the_cursor_reads_all_runs_and_the_nearest_stands_out(opened: Opened, shelf: str) -> None:
    page = opened(f"runs={shelf}")
    found = drawn(page, "train/loss", 6)
    drawn(page, "val/loss", 6)
    area = found.locator(".u-over").bounding_box()
    assert area is not None
    page.mouse.move(area["x"] + area["width"] * 0.5, area["y"] + area["height"] * 0.7)
    tip = page.locator("#tip")
    expect(tip.locator("tr")).to_have_count(6)
    values = [float(one) for one in tip.locator("td:nth-child(2)").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    expect(tip.locator("tr.on")).to_have_count(1)
    lit = tip.locator("tr.on td").last.inner_text()
    expect(page.locator(".leaf.on")).to_have_attribute("data-run", lit)
    expect(card(page, "val/loss").locator(".readout")).to_contain_text(lit)
    found.locator(".drawing").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(found.locator(".readout")).to_contain_text("step 1")


def test_a_double_click_takes_the_zoom_back_and_other_charts_keep_theirs(
    opened: Opened, shelf: str
) -> None:
    page = opened(f"runs={shelf}")
    found = drawn(page, "train/loss", 6)
    drawn(page, "train/accuracy", 6)
    zoom(page, found, 0.3, 0.7)
    page.wait_for_function("() => mlpiBoards.cards.get('train/loss').plot.zoom() !== null")
    assert inside(page, "train/accuracy", "plot.zoom()") is None
    page.get_by_label("Log").check()
    assert inside(page, "train/loss", "plot.zoom()") is not None
    found.locator(".u-over").dblclick()
    page.wait_for_function("() => mlpiBoards.cards.get('train/loss').plot.zoom() === null")


def test_groups_have_one_line_each_and_single_points_are_drawn(opened: Opened, shelf: str) -> None:
    page = opened(f"runs={shelf}")
    drawn(page, "score", 6)
    page.get_by_label("Mean").select_option("folder")
    drawn(page, "train/loss", 3)
    expect(page.locator("#groups li")).to_have_count(3)
    low, mean, high = (inside(page, "train/loss", f"lines()[0].{k}") for k in ("low", "y", "high"))
    assert all(a <= b <= c for a, b, c in zip(low, mean, high, strict=True))
    assert "group=folder" in page.url
    page.get_by_label("Mean").select_option("~")
    page.get_by_label("Regular expression whose").fill(r"seed-(\d)")
    drawn(page, "train/loss", 2)
    page.get_by_label("Regular expression whose").fill("(")
    expect(page.locator("#how-wrong")).to_contain_text("not a regular expression")
    page.get_by_label("Mean").select_option("")
    drawn(page, "train/loss", 6)
    expect(page.locator("#groups")).to_be_hidden()


def test_a_colour_is_chosen_and_kept_in_the_link(opened: Opened, shelf: str) -> None:
    page = opened(f"runs={shelf}")
    drawn(page, "train/loss", 6)
    leaf = page.locator(f'.leaf[data-run="{shelf}/lr-0.01/seed-0"]')
    leaf.locator(".look").click()
    page.get_by_role("button", name="Colour 5").click()
    expect(leaf).to_have_attribute("data-colour", "5")
    assert "ink=5%3A" in page.url
    page.reload()
    expect(leaf).to_have_attribute("data-colour", "5")
    leaf.locator(".look").click()
    page.get_by_role("button", name="Only this run").click()
    drawn(page, "train/loss", 1)


def test_the_csv_is_the_log(service: Service, opened: Opened, shelf: str) -> None:
    page = opened(f"runs={shelf}/lr-0.02/seed-1")
    found = drawn(page, "train/loss", 1)
    found.hover()
    with page.expect_download() as loading:
        found.get_by_role("link", name="CSV").click()
    with Path(loading.value.path()).open(newline="") as file:
        got = [
            (int(line["step"]), float(line["wall_time"]), float(line["value"]))
            for line in csv.DictReader(file)
        ]
    folder = service.home / "tensorboard" / "lab" / shelf / "lr-0.02" / "seed-1"
    assert got == theirs(folder)["train/loss"]
    with page.expect_download() as loading:
        found.get_by_role("button", name="PNG").click()
    assert loading.value.suggested_filename == "train-loss.png"
    assert Path(loading.value.path()).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(
    opened: Opened, shelf: str, theme: str
) -> None:
    page = opened(
        f"runs={shelf}", viewport={"width": 360, "height": 740}, has_touch=True, color_scheme=theme
    )
    drawn(page, "score", 6)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    leaf = page.locator(f'.leaf[data-run="{shelf}/lr-0.01/seed-0"]')
    expect(leaf).to_be_hidden()
    page.locator(".runs-panel > summary").click()
    leaf.get_by_role("checkbox").uncheck()
    drawn(page, "score", 5)


def test_without_a_script_the_newest_values_stand_in_a_table(opened: Opened, shelf: str) -> None:
    page = opened(f"runs={shelf}")
    state = page.context.storage_state()
    browser = page.context.browser
    assert browser is not None
    plain = browser.new_context(java_script_enabled=False, storage_state=state)
    try:
        bare = plain.new_page()
        bare.goto(page.url)
        expect(bare.locator("table")).to_contain_text(f"{shelf}/lr-0.04/seed-1")
        bare.locator(f'.leaf[data-run="{shelf}/lr-0.04/seed-1"]').get_by_role("checkbox").uncheck()
        bare.get_by_role("button", name="Show ticked").click()
        expect(bare.locator("tbody tr")).to_have_count(5)
    finally:
        plain.close()
