"""TensorBoard's own UI in a real browser: it draws, and asks nobody but us."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.board_logs import every_kind
from tests.browser.conftest import Watch
from tests.service import Service, until

SHOWS = {
    "scalars": "tf-line-chart-data-loader",
    "custom_scalars": "tf-custom-scalar-multi-line-chart-card",
    "images": "tf-image-loader img",
    "audio": "tf-audio-loader audio",
    "graphs": "tf-graph-scene .node",
    "distributions": "tf-distribution-loader vz-distribution-chart",
    "histograms": "tf-histogram-loader vz-histogram-timeseries",
    "text": "tf-text-loader",
    "pr_curves": "tf-pr-curve-card vz-line-chart2",
    "hparams": "tf-hparams-table-view",
    "mesh": "tf-mesh-loader canvas",
}
AT = "/tensorboard/in/pictures"


@pytest.fixture(scope="module")
def drawn(service: Service) -> str:
    """A workspace with every kind of log, that vic may see."""
    service.mlpi("workspace", "add", "pictures")
    service.mlpi("member", "add", "pictures", "vic", "viewer")
    folder = service.home / "tensorboard" / "pictures"
    every_kind(folder, steps=20)
    _embed(folder / "old")
    with service.client(service.token("vic", "pictures")) as vic:
        until(lambda: len(vic.get(f"{AT}/data/runs").json()) == 4)
    return "pictures"


def _embed(folder: Path) -> None:
    rows = "".join(f"{n}\t{n * n % 7}\t{n % 3}\n" for n in range(30))
    (folder / "vectors.tsv").write_text(rows)
    config = 'embeddings { tensor_name: "words" tensor_path: "vectors.tsv" }'
    (folder / "projector_config.pbtxt").write_text(config)


def has_curve(place: Locator) -> bool:
    """Whether anything is drawn there that is no shade of grey."""
    picture = np.asarray(Image.open(io.BytesIO(place.screenshot())).convert("RGB")).astype(int)
    spread = picture.max(axis=2) - picture.min(axis=2)
    return int((spread > 10).sum()) > 50


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_curves_and_pictures_are_drawn(
    watch: Watch, service: Service, drawn: str, theme: str
) -> None:
    watched = watch(color_scheme=theme)
    page = watched.log_in("vic")
    page.goto(f"{service.url}/tensorboard/?workspace={drawn}")
    page.wait_for_url(lambda url: AT in url)
    expect(page.get_by_text("old/loss").first).to_be_visible(timeout=60_000)
    card = page.locator("card-view").filter(has_text="old/named").first
    chart = card.locator("line-chart")
    expect(chart).to_be_visible(timeout=30_000)
    until(lambda: has_curve(chart.locator(".series-view")), seconds=30)
    picture = page.locator("image-card img").first
    picture.scroll_into_view_if_needed()
    until(lambda: picture.evaluate("image => image.naturalWidth") == 8, seconds=30)
    back = page.locator(".mlpi-back")
    brand = page.locator("app-header .brand").bounding_box()
    box = back.bounding_box()
    assert box is not None
    assert brand is not None
    assert box["x"] + box["width"] <= brand["x"]
    back.click()
    page.wait_for_url(f"{service.url}/boards?workspace={drawn}")


@pytest.mark.parametrize(("tab", "element"), SHOWS.items())
def test_a_tab_opens_without_a_word_of_complaint(
    watch: Watch, service: Service, drawn: str, tab: str, element: str
) -> None:
    """Errors, refusals by the policy and requests to other hosts are what `watch` looks for."""
    page = watch().log_in("vic")
    page.goto(f"{service.url}{AT}/#{tab}")
    expect(page.locator(element).first).to_be_attached(timeout=60_000)


def test_the_projector_shows_its_points(watch: Watch, service: Service, drawn: str) -> None:
    page = watch().log_in("vic")
    page.goto(f"{service.url}{AT}/#projector")
    frame = page.frame_locator("iframe").frame_locator("iframe")
    expect(frame.get_by_text("Points: 30")).to_be_visible(timeout=60_000)


def test_the_theme_follows_the_houses(watch: Watch, service: Service, drawn: str) -> None:
    watched = watch(color_scheme="light")
    page = watched.log_in("vic")
    watched.context.add_cookies([{"name": "mlpi_theme", "value": "dark", "url": service.url}])
    page.goto(f"{service.url}{AT}/")
    expect(page.locator("body.dark-mode")).to_be_attached(timeout=60_000)
