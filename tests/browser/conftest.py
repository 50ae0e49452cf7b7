"""A real Chromium, driven by Playwright, that reports everything a page does wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.service import PASSWORD, Service, clean_environment

if TYPE_CHECKING:
    from tests.browser.surfaces_page import Open, Surfaces

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# The first two draw an address bar for each window that nobody sees: 2 s of CPU a page. The others
# are what Playwright switches off, whose own list this one replaces.
SWITCHED_OFF = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades"),
    *("HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding"),
    *("ThirdPartyStoragePartitioning", "OptimizationHints", "NetworkTimeServiceQuerying"),
)
OPTIONS = [
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(SWITCHED_OFF)}",
]
# MLflow's own UI asks for these at every start and copes without: its RBAC, which mlpi replaces,
# and its assistant, which mlpi keeps off. Browsers log any answer of 400 or more.
KNOWN = ("/mlflow/users/current", "/mlflow/assistant/")


@dataclass
class Watched:
    """A browser context, and what went wrong on its pages."""

    context: BrowserContext
    service: Service
    wrong: list[str] = field(default_factory=list)

    def page(self) -> Page:
        page = self.context.new_page()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.wrong.append(f"{page.url}: {error}"))
        page.on("request", lambda request: self._request(page, request.url))
        return page

    def log_in(self, user: str, page: Page | None = None) -> Page:
        """A page of somebody who has logged in; on the dashboard, or where the page was going."""
        if page is None:
            page = self.page()
            page.goto(f"{self.service.url}/login")
        page.get_by_label("Name").fill(user)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(lambda url: "/login" not in url)
        return page

    def _console(self, message: ConsoleMessage) -> None:
        where = message.location.get("url", "")
        is_known = any(part in where for part in KNOWN) or "ResizeObserver loop" in message.text
        is_theirs = "/mlflow/static-files/" in where or "/tensorboard/" in where
        if not is_known and message.type in (("error",) if is_theirs else ("error", "warning")):
            self.wrong.append(f"{where}: {message.text}")

    def _request(self, page: Page, url: str) -> None:
        if not url.startswith((self.service.url + "/", "data:", "blob:", "about:")):
            self.wrong.append(f"{page.url} asked {url}")


def chromium() -> str | None:
    """The path of this machine's own browser."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        if path is None and not Path(playwright.chromium.executable_path).exists():
            advice = "no Chromium: apt install chromium, or set CHROMIUM to its path"
            if os.environ.get("REQUIRE_BROWSER") == "1":
                pytest.fail(advice)
            pytest.skip(advice)
        launched = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield launched
        launched.close()


Watch = Callable[..., Watched]


@pytest.fixture
def watch(browser: Browser, service: Service) -> Iterator[Watch]:
    """Opens watched contexts; the test fails when one of their pages did something wrong."""
    opened: list[Watched] = []

    def open_one(at: Service = service, **options: object) -> Watched:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})  # type: ignore[arg-type]
        opened.append(Watched(context, at))
        return opened[-1]

    yield open_one
    for one in opened:
        one.context.close()
    assert not [wrong for one in opened for wrong in one.wrong]


@pytest.fixture(scope="module")
def surfaces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surfaces]:
    """The editor's surfaces with pictures to draw on; a module may have its own."""
    # Late: these know of this module, and bring scikit-learn.
    from tests.browser.surfaces_hands import write_pictures
    from tests.browser.surfaces_page import serve_surfaces

    media = tmp_path_factory.mktemp("media")
    write_pictures(media)
    with serve_surfaces(media) as served:
        yield served


@pytest.fixture
def draw_on(browser: Browser, surfaces: Surfaces) -> Iterator[Open]:
    """Opens a picture with every control that draws."""
    from tests.browser.surfaces_hands import CONTROLS
    from tests.browser.surfaces_page import pages_of

    with pages_of(browser, surfaces) as open_one:
        yield partial(open_one, "Image", CONTROLS)


def log_with_real_client(url: str, token: str) -> dict[str, str]:
    """Run work.py as a user's program would; the ids of what it logged."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.browser.work"],
        cwd=ROOT,
        env=clean_environment({"MLFLOW_TRACKING_URI": url, "MLFLOW_TRACKING_TOKEN": token}),
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="package")
def work(service: Service) -> dict[str, str]:
    """What ana has logged to lab."""
    return log_with_real_client(service.url, service.token("ana", "lab"))
