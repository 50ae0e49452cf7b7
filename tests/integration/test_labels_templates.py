"""Templates, the preview, copies of projects: through the API and as pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mlpi.labels.templates.catalogue import TEMPLATES
from tests.service import Service

CHOICES = """<View><Text name="t" value="$text"/><Choices name="c" toName="t">
<Choice value="good"/><Choice value="bad"/></Choices></View>"""


@pytest.fixture
def ana(service: Service) -> Iterator[httpx.Client]:
    with service.client(service.token("ana", "lab")) as client:
        yield client


def project(client: httpx.Client, **fields: Any) -> int:
    made = client.post(
        "/api/projects/", json={"title": "Templates", "label_config": CHOICES, **fields}
    )
    assert made.status_code == 201, made.text
    number: int = made.json()["id"]
    return number


def annotate(client: httpx.Client, task: int) -> int:
    result = [{"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["good"]}}]
    made = client.post(f"/api/tasks/{task}/annotations/", json={"result": result})
    assert made.status_code == 201, made.text
    number: int = made.json()["id"]
    return number


def test_templates_are_listed_as_label_studio_lists_them(ana: httpx.Client) -> None:
    found = ana.get("/api/templates/").json()
    assert {one["title"] for one in found["templates"]} == {one.title for one in TEMPLATES}
    assert {one["group"] for one in found["templates"]} == set(found["groups"])


def test_every_template_makes_a_project_that_takes_its_sample(ana: httpx.Client) -> None:
    for one in TEMPLATES:
        number = project(ana, label_config=one.config)
        task = {"data": dict(one.data), "annotations": [{"result": list(one.result)}]}
        sent = ana.post(f"/api/projects/{number}/import", json=[task])
        assert sent.status_code == 201, (one.key, sent.text)
        assert sent.json()["annotation_count"] == 1


def test_a_sample_task_fits_its_configuration(ana: httpx.Client) -> None:
    number = project(ana)
    asked = {"label_config": CHOICES}
    at = f"/api/projects/{number}/sample-task/"
    assert list(ana.post(at, json=asked).json()["sample_task"]) == ["text"]
    whole = ana.post(at, json={**asked, "include_annotation_and_prediction": True}).json()
    assert list(whole["sample_task"]["data"]) == ["text"]
    assert ana.post(at, json={}).status_code == 400
    assert ana.post(at, json={"label_config": "<View>"}).status_code == 400


def test_a_copy_has_the_settings_and_if_asked_the_tasks(
    service: Service, ana: httpx.Client
) -> None:
    number = project(ana, maximum_annotations=2, expert_instruction="Read twice")
    ana.post(f"/api/projects/{number}/import", json=[{"text": f"t {n}"} for n in range(3)])
    first = ana.get(f"/api/tasks/?project={number}").json()["tasks"][0]["id"]
    annotate(ana, first)
    at = f"/api/projects/{number}/duplicate/"
    bare = ana.post(at, json={"mode": "settings", "title": "Bare", "workspace": 1})
    assert bare.status_code == 201, bare.text
    kept = ana.get(f"/api/projects/{bare.json()['id']}/").json()
    assert (kept["title"], kept["maximum_annotations"]) == ("Bare", 2)
    assert (kept["expert_instruction"], kept["task_number"]) == ("Read twice", 0)
    whole = ana.post(at, json={"mode": "settings,data", "title": "Whole"}).json()["id"]
    tasks = ana.get(f"/api/tasks/?project={whole}&fields=all").json()["tasks"]
    assert [one["data"]["text"] for one in tasks] == ["t 0", "t 1", "t 2"]
    assert [one["inner_id"] for one in tasks] == [1, 2, 3]
    assert all(one["annotations"] == [] for one in tasks)
    assert ana.get(f"/api/projects/{whole}/").json()["task_number"] == 3
    for wrong in ({"mode": "all", "title": "Abc"}, {"mode": "settings"}, {"title": "Abc"}):
        assert ana.post(at, json=wrong).status_code == 400
    with service.client(service.token("vic", "lab")) as vic:
        assert vic.post(at, json={"mode": "settings", "title": "Vics"}).status_code == 403


def test_the_stream_history_is_ones_own(service: Service, ana: httpx.Client) -> None:
    number = project(ana)
    sent = ana.post(
        f"/api/projects/{number}/import?return_task_ids=true",
        json=[{"text": "a"}, {"text": "b"}],
    )
    tasks = sent.json()["task_ids"]
    said = [annotate(ana, task) for task in reversed(tasks)]
    at = f"/api/projects/{number}/label-stream-history/"
    assert ana.get(at).json() == [
        {"taskId": tasks[1], "annotationId": said[0]},
        {"taskId": tasks[0], "annotationId": said[1]},
    ]
    with service.client(service.token("eve", "lab")) as eve:
        assert eve.get(at).json() == []


def test_an_address_works_with_and_without_its_last_slash(
    service: Service, ana: httpx.Client
) -> None:
    made = ana.post("/api/projects", json={"title": "No slash", "label_config": CHOICES})
    assert made.status_code == 201, made.text
    number = made.json()["id"]
    assert ana.get(f"/api/projects/{number}").json()["id"] == number
    assert ana.post(f"/api/projects/{number}/import/", json=[{"text": "a"}]).status_code == 201
    assert ana.get(f"/api/ml?project={number}").json() == []
    assert ana.get("/api/projects/x").status_code == 404
    with service.client(service.token("vic", "lab")) as vic:
        assert vic.delete(f"/api/projects/{number}").status_code == 403
        assert vic.post("/api/projects", json={}).status_code == 403
    assert ana.delete(f"/api/projects/{number}").status_code == 204


def test_people_are_one_organisation_to_clients(ana: httpx.Client) -> None:
    assert ana.get("/api/organizations/1").json()["title"] == "mlpi"
    found = ana.get("/api/organizations/1/memberships?page_size=2").json()
    assert (found["count"], len(found["results"])) == (len(ana.get("/api/users/").json()), 2)
    assert ana.get("/api/organizations/2").status_code == 404
    assert ana.get("/api/current-user/hotkeys/").json() == {"custom_hotkeys": {}}


# --- pages


def test_a_template_fills_the_form_and_the_preview(service: Service) -> None:
    with service.browser("ana") as browser:
        page = browser.get("/labels/new", params={"workspace": "lab"}).text
        picks = re.findall(r'href="(/labels/new\?[^"]*template=[^"#]+)', page)
        assert len(picks) == len(TEMPLATES)
        chosen = browser.get(
            "/labels/new", params={"workspace": "lab", "template": "named-entities"}
        ).text
        assert "Organisation" in chosen
        assert "Marie Curie worked in Paris" in chosen
        found = browser.get(
            "/labels/new",
            params={"workspace": "lab", "q": "outline"},
            headers={"HX-Request": "true", "HX-Request-Type": "partial"},
        ).text
        assert re.findall(r"<b>([^<]+)</b>", found) == ["Polygons"]
        missing = browser.get("/labels/new", params={"workspace": "lab", "template": "absent"})
        assert missing.status_code == 404


def test_the_preview_follows_what_is_typed_and_says_what_would_be_lost(
    service: Service, ana: httpx.Client
) -> None:
    number = project(ana)
    ana.post(f"/api/projects/{number}/import", json=[{"text": "a"}])
    annotate(ana, ana.get(f"/api/tasks/?project={number}").json()["tasks"][0]["id"])
    with service.browser("ana") as browser:

        def typed(config: str, **query: Any) -> str:
            answer = browser.post(
                "/labels/preview",
                params={"workspace": "lab", **query},
                data={"label_config": config},
            )
            assert answer.status_code == 200, answer.text
            return answer.text

        assert "good" in typed(CHOICES)
        assert "Line 2: &lt;Choice&gt; has no value" in typed(CHOICES.replace('value="good"', ""))
        lossy = CHOICES.replace("good", "fine")
        assert "would lose" not in typed(lossy)
        assert "1 result of c with good" in typed(lossy, project=number)
        assert "would lose" not in typed(CHOICES.replace("bad", "poor"), project=number)
        hostile = CHOICES.replace('value="$text"', 'value="&lt;img src=x onerror=alert(1)&gt;"')
        assert "<img src=x" not in typed(hostile)
        settings = browser.get(f"/labels/{number}/settings", params={"workspace": "lab"}).text
        assert 'id="preview"' in settings
        copied = browser.post(
            f"/labels/{number}/duplicate",
            params={"workspace": "lab"},
            data={"title": "Made on the page", "has_tasks": "true"},
        )
        assert copied.status_code == 303, copied.text
        copy = int(re.findall(r"/labels/(\d+)", copied.headers["location"])[0])
    kept = ana.get(f"/api/projects/{copy}/").json()
    assert (kept["title"], kept["task_number"]) == ("Made on the page", 1)
