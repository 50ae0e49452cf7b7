"""A project's page "Models" in a real browser: what was predicted, shown, accepted, deleted."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watch
from tests.labels_work import CONFIG, said
from tests.service import Service

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
LONG = "careful-" * 24


@pytest.fixture
def project(service: Service) -> int:
    """Four tasks; "hasty" says x of all, a long-named one y, more certain of later tasks."""
    tasks: list[dict[str, Any]] = [
        {
            "data": {"text": f"text {at}"},
            "predictions": [
                said("x", model_version="hasty", score=0.5),
                said("y", model_version=LONG, score=0.6 + at / 10),
            ],
        }
        for at in range(4)
    ]
    tasks[0]["annotations"] = [said("y")]
    with service.client(service.token("ana", "lab")) as client:
        sent = {"title": "Predicted", "label_config": CONFIG}
        made = client.post("/api/projects/", json=sent).raise_for_status().json()
        client.post(f"/api/projects/{made['id']}/import", json=tasks).raise_for_status()
    return int(made["id"])


def test_predictions_are_compared_shown_accepted_and_deleted(
    service: Service, watch: Watch, project: int
) -> None:
    page = watch().log_in("ana")
    page.goto(f"{service.url}/labels/{project}/models?workspace=lab")
    hasty = page.get_by_role("listitem").filter(has_text="hasty")
    careful = page.get_by_role("listitem").filter(has_text=LONG)
    expect(hasty).to_contain_text("4 predictions · mean score 0.500 · right in 0.0 % of 1")
    expect(careful).to_contain_text("4 predictions · mean score 0.750 · right in 100.0 % of 1")

    careful.get_by_role("button", name="Show it").click()
    expect(page.locator("p.notice")).to_have_text("Annotators see that from now on.")
    expect(careful).to_contain_text("shown to annotators")
    page.goto(f"{service.url}/labels/{project}/label?workspace=lab")
    expect(page.get_by_role("tab")).to_have_text(["Mine", re.compile("^Model careful")])

    page.goto(f"{service.url}/labels/{project}/models?workspace=lab")
    careful.get_by_role("button", name="Accept…").click()
    dialogue = page.get_by_role("dialog", name=f"Accept what {LONG} predicted?")
    dialogue.get_by_label("With a score of at least").fill("0.75")
    dialogue.get_by_role("button", name="Accept").click()
    expect(page.locator("p.notice")).to_contain_text("Accepted.")
    with service.client(service.token("ana", "lab")) as client:
        asked = {"project": project, "fields": "all"}
        done = client.get("/api/tasks/", params=asked).json()["tasks"]
    chosen = [[a["result"][0]["value"]["choices"] for a in one["annotations"]] for one in done]
    assert chosen == [[["y"]], [], [["y"]], [["y"]]]

    hasty.get_by_role("button", name="Delete…").click()
    dialogue = page.get_by_role("dialog", name="Delete what hasty predicted?")
    expect(dialogue).to_contain_text("4 predictions go for good.")
    dialogue.get_by_role("button", name="Delete them").click()
    expect(page.locator("p.notice")).to_have_text("Its predictions are gone.")
    expect(hasty).to_have_count(0)
    expect(careful).to_have_count(1)


def test_a_model_that_cannot_be_is_refused_with_what_was_typed(
    service: Service, watch: Watch, project: int
) -> None:
    watched = watch(viewport={"width": 360, "height": 800}, color_scheme="dark")
    page = watched.log_in("ana")
    page.goto(f"{service.url}/labels/{project}/models?workspace=lab")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_label("Model of this workspace").fill("not-an-address")
    page.get_by_label("Title").fill("mine")
    page.get_by_role("button", name="Add", exact=True).click()
    field = page.get_by_label("Model of this workspace")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("not-an-address")
    expect(page.get_by_label("Title")).to_have_value("mine")
    assert [one for one in watched.wrong if "422" not in one] == []
    watched.wrong.clear()  # browsers log an answer of 422


def test_who_only_looks_sees_predictions_and_no_buttons(
    service: Service, watch: Watch, project: int
) -> None:
    page = watch().log_in("vic")
    page.goto(f"{service.url}/labels/{project}/models?workspace=lab")
    expect(page.get_by_text("mean score 0.500")).to_be_visible()
    expect(page.locator("main").get_by_role("button")).to_have_count(0)
    expect(page.get_by_role("heading", name="Add a model")).to_have_count(0)
