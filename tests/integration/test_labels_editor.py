"""The labeling page over a real socket: who may open it, what it is told, what it may send."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.service import Service, running_service

CONFIG = """<View><Text name="t" value="$text"/><Choices name="c" toName="t">
<Choice value="good"/><Choice value="bad"/></Choices></View>"""
OWN = "/api/mlpi/labels"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("editor")) as running:
        running.settle()
        yield running


@pytest.fixture
def ana(service: Service) -> Iterator[httpx.Client]:
    with service.client(service.token("ana", "lab")) as client:
        yield client


@pytest.fixture
def eve(service: Service) -> Iterator[httpx.Client]:
    with service.client(service.token("eve", "lab")) as client:
        yield client


def made(client: httpx.Client, *tasks: dict[str, Any], **fields: Any) -> int:
    given = {"title": "Over a socket", "label_config": CONFIG, **fields}
    project = int(client.post("/api/projects/", json=given).raise_for_status().json()["id"])
    client.post(f"/api/projects/{project}/import", json=list(tasks)).raise_for_status()
    return project


def said(key: str, choice: str = "good", **more: Any) -> dict[str, Any]:
    one = {"id": "x", "from_name": "c", "to_name": "t", "type": "choices"}
    return {"unique_id": key, "result": [{**one, "value": {"choices": [choice]}}], **more}


def next_of(client: httpx.Client, project: int, besides: str = "") -> Any:
    answer = client.get(f"/labels/{project}/label/next", params={"besides": besides})
    assert answer.status_code == 200, answer.text
    return answer.json()["task"]


def test_who_labels_may_open_the_page(service: Service, ana: httpx.Client) -> None:
    project = made(ana, {"text": "one"}, title="</script><b>x")
    for name, workspace, status in (("ana", "lab", 200), ("eve", "lab", 200), ("vic", "lab", 403)):
        with service.browser(name) as client:
            page = client.get(f"/labels/{project}/label", params={"workspace": workspace})
            assert page.status_code == status, name
    with service.browser("otto") as client:
        assert client.get(f"/labels/{project}/label").status_code == 404
    with service.browser("ana") as client:
        text = client.get(f"/labels/{project}/label").text
    start = re.search(r'<script type="application/json" id="label-start">(.*?)</script>', text)
    assert start is not None
    told = json.loads(start[1])
    assert (told["title"], told["project"]) == ("</script><b>x", project)
    assert list(told["config"]["controls"]) == ["c"]


def test_the_next_task_is_leased_and_given_back(ana: httpx.Client, eve: httpx.Client) -> None:
    project = made(ana, {"text": "one"}, {"text": "two"})
    first = next_of(ana, project)
    second = next_of(ana, project, str(first["id"]))
    assert (first["data"], second["data"]) == ({"text": "one"}, {"text": "two"})
    assert next_of(eve, project) is None
    # As sendBeacon sends it: as plain text.
    answer = ana.post(
        f"{OWN}/projects/{project}/release",
        content=json.dumps({"tasks": [second["id"]]}),
        headers={"Content-Type": "text/plain;charset=UTF-8"},
    )
    assert answer.status_code == 204
    assert next_of(eve, project)["id"] == second["id"]


def test_sent_at_once_by_many_is_one_annotation(ana: httpx.Client) -> None:
    project = made(ana, {"text": "one"}, maximum_annotations=9)
    task = next_of(ana, project)["id"]

    def send(_: int) -> int:
        return ana.post(f"{OWN}/tasks/{task}/annotations", json=said("same")).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(send, range(4)))
    assert statuses == [200, 200, 200, 201]
    assert len(ana.get(f"/api/tasks/{task}/annotations/").json()) == 1


def test_drafts_and_updates(ana: httpx.Client) -> None:
    project = made(ana, {"text": "one"})
    task = next_of(ana, project)["id"]
    draft = ana.put(f"{OWN}/tasks/{task}/draft", json={**said("x"), "annotation": 0})
    assert draft.status_code == 200
    shown = ana.get(f"/labels/{project}/label/tasks/{task}").json()["task"]
    assert [one["result"] for one in shown["drafts"]] == [said("x")["result"]]
    sent = ana.post(f"{OWN}/tasks/{task}/annotations", json=said("k")).json()
    assert sent["progress"] == {"done": 1, "total": 1}
    number = sent["annotation"]["id"]
    changed = ana.put(f"{OWN}/annotations/{number}", json=said("k", "bad"))
    assert changed.status_code == 200
    shown = ana.get(f"/labels/{project}/label/tasks/{task}").json()["task"]
    assert shown["drafts"] == []
    (one,) = shown["annotations"]
    assert one["result"][0]["value"] == {"choices": ["bad"]}


def test_wrong_requests_are_told_what_is_wrong(
    service: Service, ana: httpx.Client, eve: httpx.Client
) -> None:
    project = made(ana, {"text": "one"})
    task = next_of(ana, project)["id"]
    wrong = ana.post(f"{OWN}/tasks/{task}/annotations", json=said("k", "strange"))
    assert wrong.status_code == 400
    assert wrong.json()["error_code"] == "RESULT_INVALID"
    assert wrong.json()["message"].startswith("result[0].value.choices holds 'strange'")
    other = eve.post(f"{OWN}/tasks/{task}/annotations", json=said("k", user=10**6))
    assert (other.status_code, other.json()["error_code"]) == (409, "ANOTHER_PERSON")
    besides = ana.get(f"/labels/{project}/label/next", params={"besides": "1,x"})
    assert besides.status_code == 422
    assert ana.post(f"{OWN}/projects/{project}/release", json={"tasks": 3}).status_code == 422
    assert ana.get(f"/labels/{project}/label/tasks/{10**6}").status_code == 404
    nobody = httpx.get(f"{service.url}/labels/{project}/label/next")
    assert nobody.status_code == 401


def test_another_workspace_reaches_nothing(service: Service, ana: httpx.Client) -> None:
    project = made(ana, {"text": "one"})
    task = next_of(ana, project)["id"]
    number = ana.post(f"{OWN}/tasks/{task}/annotations", json=said("k")).json()["annotation"]["id"]
    with service.client(service.token("otto", "other")) as otto:
        assert otto.get(f"/labels/{project}/label/next").status_code == 404
        assert otto.get(f"/labels/{project}/label/tasks/{task}").status_code == 404
        assert otto.post(f"{OWN}/tasks/{task}/annotations", json=said("z")).status_code == 404
        assert otto.put(f"{OWN}/annotations/{number}", json=said("z")).status_code == 404
        assert otto.put(f"{OWN}/tasks/{task}/draft", json=said("z")).status_code == 404
        release = otto.post(f"{OWN}/projects/{project}/release", json={"tasks": [task]})
        assert release.status_code == 404
