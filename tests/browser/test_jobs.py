"""The pages of jobs in a real browser: live progress, questions, filters, the badge, bad lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch, Watched
from tests.service import Service

pytestmark = pytest.mark.browser

WORKSPACE = "works"
LONG = 600  # steps, a tenth of a second each


@pytest.fixture(scope="module")
def works(service: Service) -> Service:
    """A service with a workspace of these tests' own, which eve owns and vic views."""
    service.mlpi("workspace", "add", WORKSPACE)
    service.mlpi("member", "add", WORKSPACE, "eve", "owner")
    service.mlpi("member", "add", WORKSPACE, "vic", "viewer")
    return service


@pytest.fixture
def api(works: Service) -> Iterator[httpx.Client]:
    """eve's client; what still runs or waits at the end of a test is cancelled."""
    with works.client(works.token("eve", WORKSPACE)) as client:
        client.base_url = httpx.URL(f"{works.url}/api/mlpi")
        yield client
        active = {"state": ["queued", "leased", "running"]}
        for one in client.get("/jobs", params=active).json():
            client.post(f"/jobs/{one['id']}/cancel")


def make(api: httpx.Client, steps: int, **more: object) -> int:
    body = {"kind": "selftest", "params": {"steps": steps}, **more}
    return int(api.post("/jobs", json=body).raise_for_status().json()["id"])


def eve_at(watched: Watched, path: str) -> Page:
    page = watched.log_in("eve")
    go(watched, page, path)
    return page


def go(watched: Watched, page: Page, path: str) -> None:
    page.goto(f"{watched.service.url}{path}{'&' if '?' in path else '?'}workspace={WORKSPACE}")


def test_a_job_is_followed_to_its_end_without_a_reload(watch: Watch, api: httpx.Client) -> None:
    made = make(api, 30, title="to be followed")
    page = eve_at(watch(viewport={"width": 1280, "height": 600}), f"/jobs/{made}")
    page.evaluate("window.stayed = true")
    chip = page.locator("h1 .chip")
    expect(chip).to_have_text(re.compile("starting|running"))
    expect(page.locator("#job progress")).to_be_visible()
    expect(page.get_by_role("region", name="Log")).to_contain_text("step 3 of 30")
    expect(page.locator("#badge-jobs b")).to_have_text("1")
    expect(chip).to_have_text("succeeded", timeout=20_000)
    expect(page.locator("#job progress")).to_have_count(0)
    expect(page.get_by_text('"steps": 30').last).to_be_visible()  # the result
    # The log stands at its end.
    log = page.get_by_role("region", name="Log")
    expect(log).to_contain_text("step 30 of 30")
    assert log.evaluate(
        """log => {
          const text = log.querySelector('pre').getBoundingClientRect();
          const box = log.getBoundingClientRect();
          return text.height > box.height && Math.abs(text.bottom - box.bottom) < 3;
        }"""
    )
    # The header has heard of it, and nothing asks any more.
    expect(page.locator("#badge-jobs b")).to_have_count(0)
    expect(page.locator("#job[hx-get]")).to_have_count(0)
    assert page.evaluate("window.stayed")


def test_a_job_is_cancelled_after_a_question_and_run_again(watch: Watch, api: httpx.Client) -> None:
    made = make(api, 25)
    page = eve_at(watch(), f"/jobs/{made}")
    expect(page.get_by_role("region", name="Log")).to_contain_text("step 2 of 25")
    page.get_by_role("button", name="Cancel…").click()
    dialog = page.get_by_role("dialog", name="Cancel this job?")
    expect(dialog).to_contain_text("What it has not written is lost")
    dialog.get_by_role("button", name="Cancel", exact=True).click()
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Cancel…").click()
    dialog.get_by_role("button", name="Cancel the job").click()
    chip = page.locator("h1 .chip")
    expect(chip).to_have_text("cancelled")
    page.get_by_role("button", name="Run again").click()
    expect(chip).to_have_text("succeeded", timeout=20_000)
    expect(page.get_by_role("button", name="Run again")).to_be_visible()


def test_a_question_stays_open_while_the_page_is_refreshed(watch: Watch, api: httpx.Client) -> None:
    page = eve_at(watch(), f"/jobs/{make(api, LONG)}")
    page.get_by_role("button", name="Cancel…").click()
    dialog = page.get_by_role("dialog", name="Cancel this job?")
    expect(dialog).to_be_visible()
    for _ in range(2):
        with page.expect_response("**/jobs/*"):
            pass
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("h1 .chip")).to_have_text("cancelled")


def test_jobs_are_found_by_words_state_and_person(watch: Watch, api: httpx.Client) -> None:
    for title in ("apple", "pear"):
        make(api, 0, title=f"find the {title}")
    make(api, 50, title="find the end", timeout_s=0.2)
    watched = watch()
    page = eve_at(watched, "/jobs?q=find+the")
    rows = page.locator("#jobs tbody tr")
    expect(rows).to_have_count(3)
    expect(page.locator("#jobs")).to_contain_text("it took longer than 0.2 s", timeout=10_000)
    page.get_by_label("Find a job").press("End")
    page.get_by_label("Find a job").press_sequentially(" app")
    expect(rows).to_have_count(1)
    page.wait_for_url("**q=find+the+app*")
    page.get_by_label("Find a job").fill("find the")
    page.get_by_label("State").select_option("failed")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("find the end")
    page.get_by_label("State").select_option("")
    page.get_by_label("Made").select_option("24h")
    page.get_by_label("By whom").fill("nobody")
    expect(page.locator("#jobs")).to_contain_text("No such job")
    page.get_by_label("By whom").fill("eve")
    expect(rows).to_have_count(3)
    page.reload()
    expect(page.get_by_label("By whom")).to_have_value("eve")
    expect(page.get_by_label("Made")).to_have_value("24h")
    expect(rows).to_have_count(3)
    figures = page.get_by_role("region", name="Durations").get_by_role("row").nth(1)
    expect(figures).to_contain_text("Self-test of the workers")
    assert figures.locator("circle").count() >= 3
    expect(figures.locator("circle.bad").first).to_be_visible()


def test_a_schedule_is_added_at_the_second_try_run_paused_and_removed(
    watch: Watch, api: httpx.Client
) -> None:
    watched = watch()
    page = eve_at(watched, "/jobs/schedules")
    page.get_by_label("Name").fill("at six")
    page.get_by_label("When").fill("61 6 * * *")
    page.get_by_label("Parameters").fill('{"steps": 1}')
    page.get_by_role("button", name="Add the schedule").click()
    expect(page.locator("#wrong-expression")).to_be_visible()
    expect(page.get_by_label("When")).to_have_value("61 6 * * *")
    expect(page.get_by_label("Name")).to_have_value("at six")
    watched.wrong = [line for line in watched.wrong if "422" not in line]
    page.get_by_label("When").fill("0 6 * * *")
    page.get_by_role("button", name="Add the schedule").click()
    row = page.get_by_role("row", name="at six")
    expect(row.locator(".chip")).to_have_text("on")
    row.locator("summary").click()
    expect(row.locator("li")).to_have_count(5)
    row.get_by_role("button", name="Pause").click()
    expect(row.locator(".chip")).to_have_text("paused")
    row.get_by_role("button", name="Go on").click()
    expect(row.locator(".chip")).to_have_text("on")
    row.get_by_role("button", name="Run now").click()
    page.wait_for_url(re.compile(r"/jobs/\d+"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("at six")
    expect(page.locator("h1 .chip")).to_have_text("succeeded", timeout=20_000)
    go(watched, page, "/jobs/schedules")
    row.get_by_role("button", name="Remove…").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    expect(row).to_have_count(0)


def test_a_lost_connection_is_a_quiet_sign_that_goes_by_itself(
    watch: Watch, api: httpx.Client
) -> None:
    made = make(api, LONG)
    watched = watch()
    page = eve_at(watched, f"/jobs/{made}")
    expect(page.get_by_role("region", name="Log")).to_contain_text("step 2")
    sign = page.get_by_text("not connected")
    for failure in ("abort", "503"):
        page.route(
            f"**/jobs/{made}?*",
            lambda route, how=failure: (
                route.abort() if how == "abort" else route.fulfill(status=503, body="resting")
            ),
        )
        expect(sign).to_be_visible()
        page.unroute(f"**/jobs/{made}?*")
        expect(sign).to_have_count(0)
    expect(page.locator(".toast")).to_have_count(0)
    api.post(f"/jobs/{made}/cancel")
    expect(page.locator("h1 .chip")).to_have_text("cancelled")  # it is live again
    watched.wrong.clear()  # the failures above were meant


def test_a_job_that_is_gone_is_said_once_and_not_asked_for_again(
    watch: Watch, api: httpx.Client
) -> None:
    made = make(api, LONG)
    watched = watch()
    page = watched.page()
    page.clock.install()
    page.goto(f"{watched.service.url}/login")
    watched.log_in("eve", page)
    go(watched, page, f"/jobs/{made}")
    gone = '<p role="alert">There is no such job.</p>'
    page.route(f"**/jobs/{made}?*", lambda route: route.fulfill(status=404, body=gone))
    page.clock.run_for(2_000)
    expect(page.locator(".toast")).to_have_text(re.compile("There is no such job."))
    expect(page.get_by_text("not connected")).to_have_count(0)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(9_000)
    assert not [url for url in asked if f"/jobs/{made}" in url]
    expect(page.locator(".toast")).to_have_count(1)
    watched.wrong.clear()  # the failure above was meant


def test_a_hidden_page_asks_nothing_and_the_badge_only_while_there_is_something(
    watch: Watch, api: httpx.Client
) -> None:
    made = make(api, LONG)
    watched = watch()
    page = watched.page()
    page.clock.install()
    page.goto(f"{watched.service.url}/login")
    watched.log_in("eve", page)
    go(watched, page, "/jobs")
    expect(page.locator("#badge-jobs b")).to_have_text("1")
    with page.expect_response("**/jobs/_badge*"):
        page.clock.run_for(11_000)
    expect(page.locator(".htmx-request")).to_have_count(0)
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(60_000)
    assert not asked
    page.evaluate("Object.defineProperty(document, 'hidden', { value: false })")
    api.post(f"/jobs/{made}/cancel")
    page.clock.run_for(11_000)
    expect(page.locator("#jobs tbody tr").first).to_contain_text("cancelled")
    page.clock.run_for(11_000)
    expect(page.locator("#badge-jobs b")).to_have_count(0)
    expect(page.locator(".htmx-request")).to_have_count(0)
    asked.clear()
    page.clock.run_for(60_000)
    assert not asked


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")]
)
def test_the_pages_are_whole(watch: Watch, api: httpx.Client, width: int, scheme: str) -> None:
    long = "a-title-so-long-that-no-phone-would-ever-hold-all-of-it-" * 3
    running = make(api, LONG, title=long)
    waiting = make(api, LONG, title="waits", cpus=64)
    failed = make(api, 50, title=long, timeout_s=0.2, priority=9)
    api.post(
        "/schedules",
        json={
            "name": long[:100],
            "kind": "selftest",
            "trigger": "cron",
            "expression": "0 6 * * *",
            "timezone": "America/Argentina/ComodRivadavia",
        },
    )
    watched = watch(viewport={"width": width, "height": 740}, color_scheme=scheme)
    page = eve_at(watched, "/")
    for path in (
        "/",
        "/jobs",
        "/jobs?q=nothing+is+called+so",
        f"/jobs/{running}",
        f"/jobs/{waiting}",
        f"/jobs/{failed}",
        "/jobs/schedules",
    ):
        go(watched, page, path)
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), path
        expect(page.locator("#badge-jobs b")).to_be_visible()
        overlapping = page.evaluate(
            """(() => {
              const boxes = [...document.querySelectorAll('.top > *')]
                .map(e => e.getBoundingClientRect()).filter(b => b.width);
              return boxes.some((a, i) => boxes.some((b, j) => i < j && a.right > b.left + 1));
            })()"""
        )
        assert not overlapping, path
        small = page.evaluate(
            """[...document.querySelectorAll('.badge, .tabs a, main .btn:not(.small)')]
            .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 40)
            .map(e => e.outerHTML)"""
        )
        assert width > 360 or not small, path
    go(watched, page, f"/jobs/{waiting}")
    expect(page.get_by_text("Runs alone")).to_be_visible()


def test_a_viewer_sees_jobs_and_cannot_change_them(watch: Watch, api: httpx.Client) -> None:
    made = make(api, LONG)
    watched = watch()
    page = watched.log_in("vic")
    for path in ("/jobs", f"/jobs/{made}", "/jobs/schedules"):
        go(watched, page, path)
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        expect(page.locator("main form[method=post]")).to_have_count(0)
