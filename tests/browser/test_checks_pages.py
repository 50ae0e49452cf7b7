"""The room of checks with hard content: whole on every screen, by keyboard, and without script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.conftest import Watch, Watched
from tests.browser.test_pages import is_too_wide
from tests.integration.test_checks import Lab
from tests.service import Service

pytestmark = pytest.mark.browser

WORKSPACE = "checkrooms"
EMPTY = "anemptyroom"  # the one that is open after a log-in, being first
OWNER, VIEWER = "rooms-owner", "rooms-viewer"
LONG = "n" * 100
EVIL = '<b onmouseover="alert(1)">x\'&amp;</b>'
PATIENCE_MS = 60_000
PART_BYTES = 8 * 1024 * 1024


@dataclass
class Filled:
    """A workspace of these tests' own, and paths of its pages."""

    lab: Lab
    service: Service
    paths: list[str] = field(default_factory=list)
    dataset: str = ""
    checkpoint: str = ""
    suite: str = ""
    report: str = ""

    def add_data(self, name: str, content: str) -> str:
        self.lab.put(name, content)
        self.lab.read(name)
        path = f"/checks/datasets/{self.lab.dataset(name)['id']}"
        self.paths += [path, f"{path}/rows"]
        return path

    def add_suite(self, name: str, expectations: list[dict[str, object]]) -> str:
        self.lab.suite(name, expectations)
        suites = {one["name"]: one["id"] for one in self.lab.http.get("/api/mlpi/suites").json()}
        path = f"/checks/suites/{suites[name]}"
        self.paths += [path, f"{path}/add", f"{path}/propose", f"{path}/diff"]
        return path

    def add_check(self, name: str, dataset: str, suite: str, **more: object) -> str:
        self.lab.checkpoint(name, dataset, suite, **more)
        path = f"/checks/checkpoints/{self.lab.http.get(f'/api/mlpi/checks/{name}').json()['id']}"
        self.paths += [path, f"{path}/edit"]
        return path

    def run(self, name: str, expected: str) -> str:
        run = self.lab.run(name)
        assert run["state"] == expected
        self.paths.append(f"/checks/runs/{run['id']}")
        return self.paths[-1]


def expectation(name: str, column: str = "", **more: object) -> dict[str, object]:
    kwargs = {"column": column, **more} if column else more
    return {"type": f"expect_{name}", "kwargs": kwargs, "notes": "because it is so. " * 60}


@pytest.fixture(scope="module")
def filled(service: Service) -> Iterator[Filled]:
    for user in (OWNER, VIEWER):  # of their own: a further workspace changes where one begins
        service.add_user(user)
    for workspace in (WORKSPACE, EMPTY):
        service.mlpi("workspace", "add", workspace)
        service.mlpi("member", "add", workspace, OWNER, "owner")
        service.mlpi("member", "add", workspace, VIEWER, "viewer")
    with service.client(service.token(OWNER, WORKSPACE)) as client:
        room = Filled(Lab(client), service)
        room.paths += ["/checks", "/checks/datasets", "/checks/suites", "/checks/new"]
        values = "".join(
            f'"{"v" * 900}",{number * 1e7},{"wö " * 200},2024-01-02,true\n' for number in range(30)
        )
        quoted = EVIL.replace('"', '""')
        room.dataset = room.add_data(LONG, f'"{quoted}",amount,{"c" * 90},day,flag\n{values}')
        room.add_data("no rows", "a,b\n")
        room.add_data("only nulls", "a,b\n" + ",\n" * 9)
        room.add_data("ragged", "a,b\n1,2\n3,4,5\n6,7\n")
        room.suite = room.add_suite(
            LONG,
            [
                expectation("column_values_to_be_in_set", EVIL, value_set=["good", "<b>"]),
                expectation("column_value_lengths_to_be_between", "c" * 90, max_value=9),
                expectation("column_values_to_be_between", "amount", min_value=0, max_value=1e6),
                expectation("column_values_to_match_regex", EVIL, regex=f"^({'r' * 200}|b)$"),
                expectation("column_mean_to_be_between", "not_there", max_value=1),
                expectation("table_row_count_to_be_between", max_value=1000),
            ],
        )
        room.add_suite("nothing", [])
        room.checkpoint = room.add_check(LONG, LONG, LONG, alert_after=3)
        for _ in range(2):  # a trend
            room.report = room.run(LONG, "failed")
        room.add_check("of nothing", LONG, "nothing")
        room.run("of nothing", "passed")
        room.add_check("unreadable", "ragged", LONG)
        room.run("unreadable", "error")
        room.add_check("never", "no rows", LONG)
        yield room


def go(watched: Watched, page: Page, path: str, workspace: str = WORKSPACE) -> None:
    mark = "&" if "?" in path else "?"
    answer = page.goto(f"{watched.service.url}{path}{mark}workspace={workspace}")
    assert answer is not None
    assert answer.status == 200, path
    page.wait_for_load_state("networkidle")


# 640 is what is left of 1280 at a zoom of 200 %.
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (640, "light"), (360, "dark")])
def test_pages_of_checks_are_whole(watch: Watch, filled: Filled, width: int, scheme: str) -> None:
    watched = watch(viewport={"width": width, "height": 740}, color_scheme=scheme)
    page = watched.log_in(OWNER)
    for path in filled.paths:
        go(watched, page, path)
        assert not is_too_wide(page), path
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        # A class of a cell that means something else elsewhere takes it out of its table.
        assert page.evaluate(
            """[...document.querySelectorAll('td, th')]
              .every(cell => getComputedStyle(cell).display === 'table-cell')"""
        ), path
        assert not page.evaluate(
            """[...document.querySelectorAll('main :is(input, select, textarea)')]
              .filter(one => one.type !== 'hidden' && !one.labels.length && !one.ariaLabel)
              .map(one => one.outerHTML)"""
        ), path
    for path in ("/checks", "/checks/datasets", "/checks/suites", "/checks/new"):
        go(watched, page, path, EMPTY)
        assert not is_too_wide(page), path
        expect(page.locator(".empty")).to_have_count(1)


def test_viewer_sees_no_write_controls_of_checks(watch: Watch, filled: Filled) -> None:
    watched = watch()
    page = watched.log_in(VIEWER)
    for path in filled.paths:
        if path.endswith(("/new", "/edit", "/add", "/propose")):
            continue
        go(watched, page, path)
        expect(page.locator("main form[method=post]")).to_have_count(0)
        expect(page.locator("main [type=file], main [popovertarget]")).to_have_count(0)
        ways = "[href*='/new'], [href*='/edit'], [href*='/add'], [href*='/propose']"
        expect(page.locator("main").locator(ways)).to_have_count(0)


def test_an_upload_works_without_script(watch: Watch, filled: Filled) -> None:
    watched = watch(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page = watched.log_in(OWNER)
    page.goto(f"{filled.service.url}/checks/datasets?workspace={WORKSPACE}")
    file = page.locator("main [name=file]")
    send = page.get_by_role("button", name="Upload", exact=True)
    file.set_input_files({"name": "x.pkl", "mimeType": "text/csv", "buffer": b"a\n1\n"})
    send.click()
    # What was refused is in view, though the form is below a long list.
    expect(file).to_be_focused()
    expect(file).to_be_in_viewport()
    expect(page.get_by_text("'x.pkl' is not a data file")).to_be_visible()
    file.set_input_files({"name": "plain.csv", "mimeType": "text/csv", "buffer": b"a\n1\n2\n"})
    send.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("plain")
    assert filled.lab.read("plain")["row_count"] == 2
    page.reload()
    expect(page.get_by_role("heading", name="a", exact=True)).to_be_visible()
    # The browser's own log of the file that was refused.
    watched.wrong = [line for line in watched.wrong if "422" not in line]


@dataclass
class Line:
    """A connection that is cut for what is beyond the first part, while is_cut."""

    page: Page
    is_cut: bool = True
    sent: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.route("**/api/mlpi/uploads/**", self._pass)

    def _pass(self, route: Route, request: Request) -> None:
        offset = request.headers.get("upload-offset", "")
        self.sent.append((request.method, offset))
        if self.is_cut and offset not in ("", "0"):
            route.abort()
        else:
            route.continue_()


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A file of two parts."""
    path = tmp_path / "big.csv"
    path.write_text("amount\n" + "12345678\n" * (PART_BYTES // 9 + 1000))
    return path


@pytest.mark.timeout(180)
@pytest.mark.parametrize("is_reloaded", [False, True])
def test_an_upload_goes_on_where_the_connection_was_lost(
    watch: Watch, filled: Filled, big: Path, is_reloaded: bool
) -> None:
    watched = watch()
    page = watched.log_in(OWNER)
    page.set_default_timeout(PATIENCE_MS)
    go(watched, page, "/checks/datasets")
    line = Line(page)
    name = f"big {is_reloaded}"

    def send() -> None:
        page.get_by_label("File", exact=True).set_input_files(big)
        page.locator("form[data-upload] [name=name]").fill(name)
        page.get_by_role("button", name="Upload", exact=True).click()

    send()
    lost = page.get_by_role("status").filter(has_text="The connection was lost; trying again")
    expect(lost).to_be_visible(timeout=PATIENCE_MS)
    assert line.sent[:3] == [("POST", ""), ("PATCH", "0"), ("PATCH", str(PART_BYTES))]
    if is_reloaded:
        page.reload()
        line.is_cut = False
        line.sent.clear()
        send()
    line.is_cut = False
    page.wait_for_url("**/checks/datasets/*")
    if is_reloaded:
        assert line.sent == [("HEAD", ""), ("PATCH", str(PART_BYTES))]
    else:
        assert ("PATCH", "0") not in line.sent[2:]
    # The page that follows is in the workspace of the form.
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    assert filled.lab.dataset(name)["newest"]["size_bytes"] == big.stat().st_size
    watched.wrong = [one for one in watched.wrong if "ERR_FAILED" not in one]


def test_what_is_typed_stays_while_a_page_looks_anew(watch: Watch, filled: Filled) -> None:
    watched = watch()
    page = watched.log_in(OWNER)
    go(watched, page, filled.dataset)
    page.get_by_text("Description and how it is read").click()
    page.get_by_label("Encoding").fill("cp1252")
    with page.expect_response(lambda answer: filled.dataset in answer.url):
        page.evaluate(
            """htmx.ajax('GET', location.pathname + location.search,
              {target: '#dataset', swap: 'outerMorph'}).then(() => { window.isMorphed = true })"""
        )
    page.wait_for_function("window.isMorphed")
    expect(page.get_by_label("Encoding")).to_have_value("cp1252")
    expect(page.get_by_label("Encoding")).to_be_focused()


def test_removing_is_asked_by_keyboard_and_escape_leaves_it(watch: Watch, filled: Filled) -> None:
    watched = watch()
    page = watched.log_in(OWNER)
    go(watched, page, filled.checkpoint)
    button = page.get_by_role("button", name="Remove…")
    button.focus()
    page.keyboard.press("Enter")
    asking = page.get_by_role("dialog")
    expect(asking).to_be_visible()
    page.keyboard.press("Tab")
    expect(asking.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(asking).to_be_hidden()
    expect(button).to_be_focused()


def test_the_tab_key_does_not_stop_at_each_small_square(watch: Watch, filled: Filled) -> None:
    watched = watch()
    page = watched.log_in(OWNER)
    go(watched, page, "/checks")
    assert page.locator(".strip a").count() > 1
    expect(page.locator(".strip a:not([tabindex='-1'])")).to_have_count(0)
    go(watched, page, filled.checkpoint)
    assert page.locator(".trend a").count() > 1
    expect(page.locator(".trend a:not([tabindex='-1'])")).to_have_count(0)


def test_missing_data_docs_are_said_in_a_page_that_can_be_read(
    watch: Watch, filled: Filled
) -> None:
    watched = watch()
    page = watched.log_in(OWNER)
    page.goto(f"{filled.service.url}{filled.report}/docs?workspace={WORKSPACE}")
    expect(page.get_by_role("heading", level=1)).to_have_text("No Data Docs")
    expect(page.get_by_text("are not built")).to_be_visible()
    page.get_by_role("link", name="The run's report").click()
    expect(page.get_by_role("button", name="Build Data Docs")).to_be_visible()
    # The browser's own log of the missing page.
    watched.wrong = [line for line in watched.wrong if "404" not in line]


def test_a_wrong_address_to_tell_adds_no_empty_rows(watch: Watch, filled: Filled) -> None:
    watched = watch()
    page = watched.log_in(OWNER)
    go(watched, page, "/checks/new")
    page.get_by_label("Name").fill("refused")
    page.locator("[name=dataset_id]").select_option(label="no rows")
    page.locator("[name=suite_id]").select_option(label="nothing")
    addresses = page.get_by_label("To", exact=True)
    expect(addresses).to_have_count(2)
    for _ in range(2):
        addresses.first.fill("no address")
        page.get_by_role("button", name="Make the checkpoint").click()
        expect(page.get_by_text("Action 1:")).to_be_visible()
        expect(addresses).to_have_count(2)
        expect(addresses.first).to_be_focused()
    watched.wrong = [line for line in watched.wrong if "422" not in line]
