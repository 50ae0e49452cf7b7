"""Charts over selected runs as a person uses them, on an experiment of 5,000 runs."""

from __future__ import annotations

import base64
import csv
import math
import re
import sqlite3
from pathlib import Path

import pytest
from playwright.sync_api import Download, Locator, Page, expect
from sqlalchemy import MetaData, create_engine, insert, text

from tests.bench.runs_table import START_MS, make_experiments
from tests.browser.conftest import Watch, Watched
from tests.service import Service

pytestmark = pytest.mark.browser

RUNS = 5_000
STEPS = 120
PICKED = 8


@pytest.fixture(scope="module")
def big(service: Service) -> str:
    """The address of an experiment of RUNS runs in lab; the newest have histories of loss."""
    url = f"sqlite:///{service.home / 'mlflow' / 'mlflow.db'}"
    made = make_experiments(url, [RUNS], long_names=True)
    add_histories(url, made[RUNS])
    return f"/tracking/experiments/{made[RUNS]}"


def add_histories(url: str, experiment_id: int) -> None:
    """STEPS points of loss and val/loss for the newest PICKED top runs, the first one running.

    Its loss has a NaN at step 60 and a peak of 50 at step 100.
    """
    engine = create_engine(url)
    try:
        with engine.begin() as db:
            tables = MetaData()
            tables.reflect(db, only=["metrics"], resolve_fks=False)
            newest = text(
                "SELECT run_uuid FROM runs r WHERE experiment_id = :e AND NOT EXISTS (SELECT 1 FROM"
                " tags t WHERE t.run_uuid = r.run_uuid AND t.key = 'mlflow.parentRunId')"
                " ORDER BY start_time DESC LIMIT :n"
            )
            ids = list(db.scalars(newest, {"e": experiment_id, "n": PICKED}))
            db.execute(
                text("UPDATE runs SET status = 'RUNNING', end_time = NULL WHERE run_uuid = :id"),
                {"id": ids[0]},
            )
            rows = []
            for number, id_ in enumerate(ids):
                for key in ("loss", "val/loss"):
                    for step in range(STEPS):
                        value = 1 / (1 + step / (6 + number)) + 0.08 * math.sin(step * (number + 2))
                        is_first = number == 0 and key == "loss"
                        row = {
                            "run_uuid": id_,
                            "key": key,
                            "value": 50.0 if is_first and step == 100 else value,
                            "step": step,
                            "timestamp": START_MS + RUNS * 60_000 + step * 1000,
                            "is_nan": is_first and step == 60,
                        }
                        rows.append(row | {"value": 0.0} if row["is_nan"] else row)
            db.execute(insert(tables.tables["metrics"]), rows)
    finally:
        engine.dispose()


def picked(watched: Watched, user: str, big: str, count: int) -> Page:
    """The table with the newest runs ticked."""
    page = watched.log_in(user)
    page.goto(f"{watched.service.url}{big}?workspace=lab")
    for number in range(count):
        page.locator("#runs input[name=run]").nth(number).check()
    return page


def charts(watched: Watched, user: str, big: str, count: int = PICKED, query: str = "") -> Page:
    """Charts of the newest runs."""
    page = picked(watched, user, big, count)
    page.get_by_role("button", name="Charts").click()
    page.wait_for_url("**/tracking/charts?**")
    if query:
        page.goto(page.url + query)
    return page


def chart(page: Page, name: str) -> Locator:
    return page.locator("figure.chart").filter(has=page.get_by_text(name, exact=True))


def colours(page: Page, selector: Locator) -> int:
    """How many colours the pixels of a canvas have."""
    found: int = selector.locator("canvas").first.evaluate(
        """canvas => new Set(new Uint32Array(canvas.getContext("2d")
            .getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"""
    )
    return found


def pixels(selector: Locator) -> str:
    found: str = selector.locator("canvas").first.evaluate("canvas => canvas.toDataURL()")
    return found


def drawn(page: Page, name: str) -> Locator:
    """A chart by its title, when it is drawn."""
    found = chart(page, name)
    found.scroll_into_view_if_needed()
    expect(found.get_by_role("button", name="PNG")).to_be_enabled()
    return found


def rows(download: Download) -> list[dict[str, str]]:
    with Path(download.path()).open(newline="") as file:
        return list(csv.DictReader(file))


def test_from_the_table_to_compare_to_charts(watch: Watch, big: str) -> None:
    page = picked(watch(), "vic", big, 3)
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("3 runs side by side")
    page.get_by_role("link", name="Charts").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Charts of 3 runs")
    loss = drawn(page, "loss")
    assert colours(page, loss) > 3
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("3 runs side by side")


def test_without_a_selection_the_first_runs_of_the_view_are_drawn(watch: Watch, big: str) -> None:
    watched = watch()
    page = watched.log_in("vic")
    page.goto(f"{watched.service.url}{big}?workspace=lab&q=params.model = 'cnn'")
    first = page.locator("#runs tbody .ran a.t").first.inner_text()
    page.get_by_role("link", name="Charts", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Charts of 20 runs")
    assert page.locator("#legend a").first.inner_text() == first


def test_lines_are_smoothed_logged_and_cut_and_the_link_shows_the_same(
    watch: Watch, big: str
) -> None:
    page = charts(watch(), "vic", big)
    loss = drawn(page, "loss")
    expect(loss.locator(".readout")).to_contain_text("1 not finite")
    seen = [pixels(loss)]

    def changed() -> None:
        expect(loss.locator("canvas")).to_be_visible()
        now = pixels(loss)
        assert now not in seen
        seen.append(now)

    slider = page.get_by_label("Smoothing")
    slider.fill("0.9")
    page.wait_for_function("location.search.includes('smooth=0.9')")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    changed()
    for label, part in (("Outliers off", "clip=1"), ("Log scale", "log=1")):
        page.get_by_label(label).check()
        page.wait_for_function(f"location.search.includes('{part}')")
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        changed()
    page.get_by_label("Along").select_option("relative")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    changed()
    page.goto(page.url)
    expect(page.get_by_label("Smoothing")).to_have_value("0.9")
    expect(page.get_by_label("Log scale")).to_be_checked()
    expect(page.get_by_label("Outliers off")).to_be_checked()
    expect(page.get_by_label("Along")).to_have_value("relative")
    drawn(page, "loss")
    assert pixels(chart(page, "loss")) == seen[-1]


def test_the_data_are_those_of_the_database(watch: Watch, big: str, service: Service) -> None:
    page = charts(watch(), "vic", big, query="&smooth=0.5")
    with page.expect_download() as found:
        drawn(page, "loss").get_by_role("link", name="CSV").click()
    told = rows(found.value)
    ids = {row["run_id"] for row in told}
    assert len(ids) == PICKED
    with sqlite3.connect(service.home / "mlflow" / "mlflow.db") as db:
        stored = {
            (id_, str(step)): "NaN" if is_nan else repr(value)
            for id_, step, value, is_nan in db.execute(
                "SELECT run_uuid, step, value, is_nan FROM metrics WHERE key = 'loss'"
            )
            if id_ in ids
        }
    db.close()
    assert {(row["run_id"], row["step"]): row["value"] for row in told} == stored
    assert len(stored) == PICKED * STEPS
    assert told[0]["smoothed"] == told[0]["value"]
    assert told[1]["smoothed"] != told[1]["value"]


def test_a_picture_is_a_png_with_the_curves(watch: Watch, big: str) -> None:
    page = charts(watch(), "vic", big)
    with page.expect_download() as found:
        drawn(page, "loss").get_by_role("button", name="PNG").click()
    assert found.value.suggested_filename == "loss.png"
    content = Path(found.value.path()).read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, kinds = page.evaluate(
        """async text => {
            const image = new Image();
            image.src = `data:image/png;base64,${text}`;
            await image.decode();
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [image.width, image.height];
            const ctx = canvas.getContext("2d");
            ctx.drawImage(image, 0, 0);
            const all = ctx.getImageData(0, 0, canvas.width, canvas.height).data;
            return [image.width, image.height, new Set(new Uint32Array(all.buffer)).size];
        }""",
        base64.b64encode(content).decode(),
    )
    assert width > 200
    assert height > 200
    assert kinds > 10


def test_the_legend_leads_to_runs_and_lifts_their_curves(watch: Watch, big: str) -> None:
    page = charts(watch(), "vic", big)
    loss = drawn(page, "loss")
    before = pixels(loss)
    entry = page.locator("#legend li").nth(2)
    entry.hover()
    expect(entry).to_have_class(re.compile("on"))
    expect(page.locator("#legend li").nth(0)).to_have_class(re.compile("dimmed"))
    page.wait_for_function(
        "([before]) => document.querySelector('[data-key=loss] canvas').toDataURL() !== before",
        arg=[before],
    )
    name = entry.get_by_role("link").inner_text()
    entry.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(name[:12])


def test_a_chart_is_read_by_keyboard(watch: Watch, big: str) -> None:
    page = charts(watch(), "vic", big, 2)
    loss = drawn(page, "loss")
    name = page.locator("#legend a").first.inner_text()
    loss.locator(".drawing").focus()
    page.keyboard.press("ArrowRight")
    expect(loss.locator(".readout")).to_have_text(f"1 at step 0 · {name}")
    page.keyboard.press("ArrowDown")
    other = page.locator("#legend a").nth(1).inner_text()
    expect(loss.locator(".readout")).to_contain_text(other)


def test_bars_scatter_and_parallel(watch: Watch, big: str) -> None:
    page = charts(watch(), "vic", big, 5)
    page.get_by_role("link", name="Bars").click()
    accuracy = drawn(page, "accuracy")
    assert colours(page, accuracy) > 5
    accuracy.locator(".drawing").focus()
    page.keyboard.press("ArrowDown")
    expect(accuracy.locator(".readout")).to_contain_text("· trial-")

    page.get_by_role("link", name="Scatter").click()
    page.get_by_label("Along").select_option("params.depth")
    page.wait_for_url("**sx=params.depth**")
    page.get_by_label("Up").select_option("metrics.val/loss")
    page.wait_for_url("**sy=metrics.val**")
    page.get_by_label("Colour").select_option("params.model")
    page.wait_for_url("**sc=params.model**")
    scatter = drawn(page, "val/loss by depth")
    with page.expect_download() as found:
        scatter.get_by_role("link", name="CSV").click()
    told = rows(found.value)
    assert len(told) == 5
    assert set(told[0]) == {
        *("run_id", "run_name", "params.depth", "metrics.val/loss", "params.model")
    }

    page.get_by_role("link", name="Parallel").click()
    parallel = page.locator("figure.chart")
    expect(parallel.get_by_role("button", name="PNG")).to_be_enabled()
    parallel.locator(".drawing").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    expect(parallel.locator(".readout")).to_contain_text(re.compile(r"[0-4] of 5 runs"))
    assert "range=" in page.url
    kept = parallel.locator(".readout").inner_text().split("·")[0]
    page.reload()
    expect(parallel.locator(".readout")).to_contain_text(kept)
    # With other axes the range is the same; without its axis it waits for the axis to come back.
    first = parallel.locator("b").inner_text().split(", ")[0]
    for is_on in (False, True):
        page.get_by_text(re.compile(r"^Axes \d+")).click()
        page.get_by_label(first, exact=True).set_checked(is_on)
        page.get_by_role("button", name="Draw these").click()
        expect(parallel.get_by_role("button", name="PNG")).to_be_enabled()
        assert "range=" in page.url
        if is_on:
            expect(parallel.locator(".readout")).to_contain_text(kept)
        else:
            expect(parallel.locator(".readout")).to_have_text("")
    page.get_by_role("link", name="Bars").click()
    page.get_by_role("link", name="Parallel").click()
    expect(parallel.locator(".readout")).to_contain_text(kept)
    # Dragged over the whole of its first axis, all runs are in the range.
    canvas = parallel.locator("canvas")
    canvas.drag_to(canvas, source_position={"x": 52, "y": 47}, target_position={"x": 52, "y": 418})
    expect(parallel.locator(".readout")).to_contain_text("5 of 5 runs")


def test_a_running_run_goes_on_growing(watch: Watch, big: str, service: Service) -> None:
    page = charts(watch(), "eve", big, 1, query="&key=loss")
    loss = drawn(page, "loss")
    id_ = page.locator("#legend li").get_attribute("data-run")
    loss.locator(".drawing").focus()
    page.keyboard.press("ArrowRight")
    expect(loss.locator(".readout")).to_contain_text("at step 0")
    body = {"run_id": id_, "key": "loss", "value": 77.0, "timestamp": 1, "step": -5}
    with service.client(service.token("eve", "lab")) as client:
        assert client.post("/api/2.0/mlflow/runs/log-metric", json=body).status_code == 200
    with page.expect_response("**/points.json**"):
        page.evaluate("document.body.dispatchEvent(new CustomEvent('tick'))")
    expect(loss.locator(".readout")).to_contain_text("1 not finite")
    page.keyboard.press("ArrowRight")
    expect(loss.locator(".readout")).to_contain_text("77 at step -5")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_fit_a_phone(watch: Watch, big: str, scheme: str) -> None:
    page = charts(watch(viewport={"width": 360, "height": 740}, color_scheme=scheme), "vic", big, 4)
    at = page.url
    for kind in ("line", "bar", "scatter", "parallel"):
        page.goto(f"{at}&kind={kind}&key=loss")
        figure = page.locator("figure.chart").filter(
            has=page.locator("button[data-png]:not([disabled])")
        )
        expect(figure.first).to_be_visible()
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), kind


def test_without_script_the_data_are_there(watch: Watch, big: str) -> None:
    page = picked(watch(java_script_enabled=False), "vic", big, 2)
    page.get_by_role("button", name="Charts").click()
    expect(page.get_by_text("Charts are drawn by a script").first).to_be_visible()
    with page.expect_download() as found:
        page.get_by_role("link", name="CSV").first.click()
    assert found.value.suggested_filename == "line.csv"
