"""Registered models as a person uses them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Watch, Watched
from tests.service import Service

pytestmark = pytest.mark.browser

LONG = "a-model-so-long-that-no-table-cell-and-no-phone-would-ever-hold-all-of-it-" * 3
MLMODEL = """\
flavors:
  sklearn: {{sklearn_version: 1.9.0}}
  python_function: {{loader_module: mlflow.sklearn}}
signature:
  inputs: '[{{"type": "double", "name": "{column}"}}, {{"type": "double", "name": "{long}"}}]'
  outputs: '[{{"type": "long"}}]'
"""


class Registry:
    """Models of lab, made through MLflow's REST."""

    def __init__(self, service: Service) -> None:
        self.client = service.client(service.token("ana", "lab"))
        found = self.client.get(
            "/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": "models browsed"}
        )
        if found.status_code == 200:
            self.experiment = found.json()["experiment"]["experiment_id"]
        else:
            self.experiment = self.ask("experiments/create", name="models browsed")["experiment_id"]

    def ask(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.client.post(f"/api/2.0/mlflow/{path}", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def run(self, column: str) -> dict[str, str]:
        """A run with an MLmodel file among its artifacts."""
        made = self.ask("runs/create", experiment_id=self.experiment, run_name=f"run of {column}")
        info: dict[str, str] = made["run"]["info"]
        self.ask("runs/log-parameter", run_id=info["run_id"], key="column", value=column)
        self.ask(
            "runs/log-metric", run_id=info["run_id"], key="loss", value=len(column), timestamp=1
        )
        where = info["artifact_uri"].removeprefix("mlflow-artifacts:/")
        path = f"/api/2.0/mlflow-artifacts/artifacts/{where}/model/MLmodel"
        content = MLMODEL.format(column=column, long=LONG).encode()
        answer: httpx.Response = self.client.put(path, content=content)
        assert answer.status_code == 200, answer.text
        return info

    def model(self, name: str, *columns: str) -> str:
        """The address of a model with a version for each column."""
        self.ask("registered-models/create", name=name)
        for column in columns:
            info = self.run(column)
            source = f"{info['artifact_uri']}/model"
            self.ask("model-versions/create", name=name, source=source, run_id=info["run_id"])
        return f"/tracking/models/{quote(name, safe='')}"


@pytest.fixture
def registry(service: Service) -> Iterator[Registry]:
    made = Registry(service)
    yield made
    made.client.close()


def opened(watched: Watched, user: str, path: str) -> Page:
    page = watched.log_in(user)
    page.goto(f"{watched.service.url}{path}{'&' if '?' in path else '?'}workspace=lab")
    return page


def aliases(page: Page, version: str) -> Locator:
    return page.get_by_role("row", name=version).locator(".aliases")


def test_a_model_is_made_found_and_described(watch: Watch, registry: Registry) -> None:
    watched = watch()
    page = opened(watched, "eve", "/tracking/models")
    page.get_by_text("New model").click()
    page.get_by_label("Name", exact=True).fill("browsed & found")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("browsed & found")
    expect(page.get_by_text("No version yet")).to_be_visible()
    page.get_by_text("Describe it").click()
    page.get_by_label("Description, in Markdown").fill("It finds **things**.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".markdown strong")).to_have_text("things")
    page.goto(f"{watched.service.url}/tracking/models?workspace=lab")
    page.get_by_label("Find a model").press_sequentially("finds **thi")
    expect(page.locator("#models tbody tr")).to_have_count(1)
    page.get_by_role("link", name="browsed & found").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("browsed & found")


def test_an_alias_is_set_and_moved_by_keyboard(watch: Watch, registry: Registry) -> None:
    page = opened(watch(), "eve", registry.model("browsed aliases", "width", "height"))
    buttons = page.get_by_role("button", name="Alias…")
    for row, shown in ((1, "Version 1"), (0, "Version 2")):
        buttons.nth(row).focus()
        page.keyboard.press("Enter")
        field = page.get_by_role("dialog").get_by_label("Alias")
        expect(field).to_be_focused()
        page.keyboard.type("champion")
        page.keyboard.press("Enter")
        expect(aliases(page, shown)).to_contain_text("champion")
    expect(aliases(page, "Version 1")).not_to_contain_text("champion")
    expect(page.locator("#load")).to_contain_text("models:/browsed aliases@champion")
    page.get_by_role("button", name="Remove the alias champion").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove the alias")).to_have_count(0)


def test_a_refused_alias_says_why(watch: Watch, registry: Registry) -> None:
    watched = watch()
    page = opened(watched, "eve", registry.model("browsed refusal", "width"))
    page.get_by_role("button", name="Alias…").click()
    page.get_by_role("dialog").get_by_label("Alias").fill("latest")
    page.get_by_role("button", name="Set it").click()
    again = page.get_by_role("dialog", name="Alias of version 1")
    expect(again).to_contain_text("reserved")
    field = again.get_by_label("Alias")
    expect(field).to_have_value("latest")
    expect(field).to_be_focused()
    field.fill("newest-of-all")
    again.get_by_role("button", name="Set it").click()
    expect(aliases(page, "Version 1")).to_contain_text("newest-of-all")
    page.get_by_role("link", name="Version 1").click()
    page.get_by_role("button", name="Alias…").click()
    page.get_by_role("dialog").get_by_label("Alias").fill("v7")
    page.get_by_role("button", name="Set it").click()
    expect(page.get_by_role("dialog").get_by_label("Alias")).to_have_value("v7")
    watched.wrong = [line for line in watched.wrong if "422" not in line]


def test_two_versions_are_chosen_and_compared(watch: Watch, registry: Registry) -> None:
    at = registry.model("browsed versions", "width", "height", "depth")
    page = opened(watch(), "vic", at)
    page.get_by_label("Version 1 on the left").check()
    page.get_by_label("Version 3 on the right").check()
    page.get_by_role("button", name="Compare the two").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Version 1 and version 3")
    for text in ("width", "depth", "column"):
        expect(page.locator("tr.differs", has_text=text).first).to_be_visible()
    same = page.get_by_role("row", name=LONG)
    expect(same).to_be_visible()
    page.get_by_role("link", name="Only what differs").click()
    expect(page.get_by_role("link", name="Show what is equal too")).to_be_visible()
    expect(same).to_have_count(0)
    page.get_by_role("link", name="Version 3").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Version 3")
    expect(page.get_by_role("region", name="Inputs")).to_contain_text("depth")


def test_a_version_is_deleted_after_a_question(watch: Watch, registry: Registry) -> None:
    at = registry.model("browsed deletion", "width", "height")
    page = opened(watch(), "ana", f"{at}/versions/2")
    page.get_by_role("button", name="Delete…").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("its number is not given again")
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_be_hidden()
    page.get_by_role("button", name="Delete…").click()
    question.get_by_role("button", name="Delete it").click()
    expect(page.get_by_role("row", name="Version 1")).to_be_visible()
    expect(page.get_by_role("row", name="Version 2")).to_have_count(0)
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("dialog")).to_contain_text("its version")


def test_a_run_s_page_registers_its_model(watch: Watch, registry: Registry) -> None:
    info = registry.run("length")
    watched = watch()
    page = opened(watched, "eve", f"/tracking/runs/{info['run_id']}")
    form = page.get_by_role("form", name="Register a model")
    form.get_by_label("As a version of").fill("browsed from a run")
    form.get_by_label("As a version of").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Version 1")
    expect(page.get_by_role("region", name="Inputs")).to_contain_text("length")
    page.goto(f"{watched.service.url}/tracking/runs/{info['run_id']}?workspace=lab")
    page.get_by_role("link", name="browsed from a run v1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Version 1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_on_a_phone(watch: Watch, registry: Registry, scheme: str) -> None:
    watched = watch(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    at = registry.model(f"{LONG}{scheme}", "width", LONG)
    registry.ask("registered-models/alias", name=f"{LONG}{scheme}", alias=LONG, version="2")
    registry.ask("registered-models/set-tag", name=f"{LONG}{scheme}", key=LONG, value=LONG)
    run = registry.run(LONG)["run_id"]
    page = opened(watched, "ana", at)
    for path in (
        "/tracking/models?q=phone",
        at,
        f"{at}/versions/2",
        f"{at}/compare?a=1&b=2",
        f"/tracking/runs/{run}/register",
    ):
        page.goto(f"{watched.service.url}{path}{'&' if '?' in path else '?'}workspace=lab")
        expect(page.locator("main")).to_be_visible()
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), path


def test_without_script_models_are_changed_all_the_same(watch: Watch, registry: Registry) -> None:
    info = registry.run("plain")
    watched = watch(java_script_enabled=False)
    page = opened(watched, "eve", f"/tracking/runs/{info['run_id']}")
    page.get_by_role("link", name="Models of this run").click()
    page.get_by_label("As a version of").fill("browsed without script")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Version 1")
    page.get_by_label("Key").fill("team")
    page.get_by_label("Value").fill("blue")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_role("cell", name="team", exact=True)).to_be_visible()
    page.get_by_role("button", name="Alias…").click()
    page.get_by_role("dialog").get_by_label("Alias").fill("plain")
    page.get_by_role("button", name="Set it").click()
    expect(page.get_by_role("button", name="Remove the alias plain")).to_be_visible()
