"""Every page: nothing from another host, no error on the console, nothing wider than a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch, Watched
from tests.service import Service

pytestmark = pytest.mark.browser

PAGES = (
    "/",
    "/?workspace=other",
    "/tracking",
    "/tracking?q=nothing-is-called-so",
    "/tracking?workspace=other",
    "/tracking/experiments/{experiment}",
    "/tracking/experiments/{many}",
    "/tracking/experiments/{many}?group=params.depth",
    "/tracking/experiments/{many}?stage=deleted",
    "/tracking/experiments/{many}/about",
    "/tracking/experiments/{many}/columns",
    "/tracking/compare?runs={run}",
    "/tracking?stage=deleted",
    "/tracking/runs/{run}",
    "/tracking/runs/{run}?path=plots+%26+more",
    "/tracking/runs/{run}/files?path=plots+%26+more",
    "/tracking/models",
    "/tracking/models?workspace=other",
    "/search?q=trial",
    "/settings/account",
    "/settings/tokens",
    "/settings/sessions",
    "/settings/members",
    "/settings/workspaces",
    "/settings/users",
    "/settings/audit",
    "/docs",
)
# Routes of MLflow's UI, and what each shows once it has loaded.
MLFLOW_PAGES = {
    "/": "Recent Experiments",
    "/experiments": "browser",
    "/experiments/{experiment}/runs": "findable-run",
    "/experiments/{experiment}/runs?compareRunsMode=CHART": "Add chart",
    "/experiments/{experiment}/runs/{run}": "findable-run",
    "/experiments/{experiment}/runs/{run}/model-metrics": "Add chart",
    "/experiments/{experiment}/runs/{run}/artifacts": "report.html",
    "/experiments/{experiment}/traces": "Traces",
    "/models": "browser-model",
    "/models/browser-model": "champion",
    "/models/browser-model/versions/1": "findable-run",
    "/prompts": "greeting",
}


def is_too_wide(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def visit(watched: Watched, page: Page, path: str) -> None:
    answer = page.goto(watched.service.url + path)
    assert answer is not None
    assert answer.status == 200, path
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")]
)
def test_pages_are_whole(watch: Watch, work: dict[str, str], width: int, scheme: str) -> None:
    watched = watch(viewport={"width": width, "height": 740}, color_scheme=scheme)
    page = watched.log_in("admin")
    page.get_by_label("Workspace", exact=False).first.click()
    page.get_by_role("button", name="lab").click()
    for path in PAGES:
        visit(watched, page, path.format(**work))
        assert not is_too_wide(page), path
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        assert not page.evaluate(
            "[...document.querySelectorAll('img')].some(i => i.complete && !i.naturalWidth)"
        ), path


@pytest.mark.parametrize("width", [1280, 360])
def test_pages_before_log_in_are_whole(watch: Watch, width: int) -> None:
    watched = watch(viewport={"width": width, "height": 740})
    page = watched.page()
    visit(watched, page, "/login")
    assert not is_too_wide(page)


def test_touch_targets_on_a_phone_are_large(watch: Watch, work: dict[str, str]) -> None:
    watched = watch(viewport={"width": 360, "height": 740})
    page = watched.log_in("ana")
    for path in ("/", "/settings/tokens", f"/tracking/runs/{work['run']}"):
        visit(watched, page, path)
        small = page.evaluate(
            """[...document.querySelectorAll(
              '.top summary, .side a, .tabs a, main .btn:not(.small)'
            )].filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 40)
            .map(e => e.outerHTML)"""
        )
        assert not small


def test_the_longest_names_fit_on_a_phone(watch: Watch, service: Service) -> None:
    workspace, user = "w" * 63, "u" * 64
    service.mlpi("workspace", "add", workspace)
    service.add_user(user)
    service.mlpi("member", "add", workspace, user, "owner")
    watched = watch(viewport={"width": 360, "height": 740})
    page = watched.log_in(user)
    for path in ("/", "/tracking", "/tracking/models", "/search?q=x", "/nowhere"):
        page.goto(service.url + path)
        assert not is_too_wide(page), path
    for path in ("account", "tokens", "sessions", "members"):
        visit(watched, page, f"/settings/{path}")
        assert not is_too_wide(page), path
    for menu in page.locator("header details").all():
        menu.click()
        box = menu.locator(".sheet").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
    watched.wrong = [line for line in watched.wrong if "404" not in line]


def test_mlflow_ui_is_whole(watch: Watch, work: dict[str, str]) -> None:
    watched = watch()
    page = watched.log_in("ana")
    for route, words in MLFLOW_PAGES.items():
        page.goto("about:blank")
        page.goto(f"{watched.service.url}/mlflow/#{route.format(**work)}")
        page.wait_for_url("**workspace=lab*")
        expect(page.get_by_text(words).first).to_be_visible(timeout=20_000)
        expect(page.get_by_title("Back to mlpi")).to_be_visible()


def test_an_html_artifact_cannot_reach_the_page_around_it(
    watch: Watch, work: dict[str, str]
) -> None:
    watched = watch()
    page = watched.log_in("ana")
    route = "/experiments/{experiment}/runs/{run}/artifacts/report.html".format(**work)
    page.goto(f"{watched.service.url}/mlflow/#{route}?workspace=lab")
    shown = page.frame_locator("iframe").get_by_role("heading", name="hello")
    expect(shown).to_be_visible(timeout=20_000)
    assert page.title() != "pwned"
    refused = [line for line in watched.wrong if 'origin "null"' in line]
    assert watched.wrong == refused
    watched.wrong.clear()


def test_the_way_back_covers_no_control_of_mlflow(watch: Watch) -> None:
    watched = watch()
    page = watched.log_in("ana")
    page.goto(f"{watched.service.url}/mlflow/")
    toggle = page.get_by_label("Toggle sidebar")
    for _ in range(2):  # unfolded, folded
        expect(toggle).to_be_visible(timeout=20_000)
        covered = page.evaluate(
            """(() => {
              const mine = document.querySelector('.mlpi-back').getBoundingClientRect();
              const meets = (box) => box.left < mine.right && box.right > mine.left
                && box.top < mine.bottom && box.bottom > mine.top && box.width * box.height > 0;
              return [...document.querySelectorAll('aside a, aside button')]
                .filter(e => meets(e.getBoundingClientRect())).map(e => e.outerHTML);
            })()"""
        )
        assert not covered
        toggle.click()


def test_viewer_sees_no_write_controls(watch: Watch, work: dict[str, str]) -> None:
    watched = watch()
    page = watched.log_in("vic")
    for path in (
        "/",
        "/tracking",
        f"/tracking/experiments/{work['experiment']}",
        f"/tracking/runs/{work['run']}",
        "/tracking/models",
        "/settings/members",
    ):
        visit(watched, page, path)
        expect(page.locator("main form[method=post]")).to_have_count(0)
    expect(page.get_by_role("navigation", name="Settings").get_by_text("Users")).to_have_count(0)
    page.goto(f"{watched.service.url}/settings/tokens")
    expect(page.get_by_label("It may").locator("option")).to_have_text(["read (viewer)"])
