"""The data manager over a real socket: its pages, and Label Studio's API of views and deeds."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.service import Service, running_service

CONFIG = """<View><Text name="t" value="$text"/><Image name="i" value="$image"/>
<Choices name="c" toName="t"><Choice value="good"/><Choice value="bad"/></Choices></View>"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("grid")) as running:
        running.settle()
        yield running


@pytest.fixture
def api(service: Service) -> Iterator[httpx.Client]:
    with service.client(service.token("ana", "lab")) as client:
        yield client


def said(choice: str, **more: Any) -> dict[str, Any]:
    value = {"choices": [choice]}
    return {
        "result": [{"from_name": "c", "to_name": "t", "type": "choices", "value": value}],
        **more,
    }


def one(name: str, operator: str, value: Any, kind: str = "String") -> dict[str, Any]:
    return {"filter": f"filter:tasks:{name}", "operator": operator, "type": kind, "value": value}


@pytest.fixture
def project(api: httpx.Client) -> int:
    made = api.post("/api/projects/", json={"title": "Fruit <b>", "label_config": CONFIG}).json()
    tasks = [
        {
            "data": {"text": f"<i>text</i> {at}", "image": f"/data/{at}.png", "n": at % 4},
            "annotations": [said("good")] if at % 3 == 0 else [],
            "predictions": [said("bad", score=at / 10, model_version="m1")] if at % 5 == 0 else [],
        }
        for at in range(60)
    ]
    api.post(f"/api/projects/{made['id']}/import", json=tasks).raise_for_status()
    return int(made["id"])


def numbers(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [int(each["inner_id"]) for each in answer.json()["tasks"]]


def test_tasks_are_asked_for_by_query_body_and_view(api: httpx.Client, project: int) -> None:
    group = {"conjunction": "and", "items": [one("data.n", "equal", 3, "Number")]}
    asked = {"filters": group, "ordering": ["-tasks:id"]}
    wanted = [at for at in range(60, 0, -1) if (at - 1) % 4 == 3]
    query = {"project": project, "query": json.dumps(asked)}
    assert numbers(api.get("/api/tasks/", params=query)) == wanted
    sent = api.request("GET", "/api/tasks/", params={"project": project}, json=asked)
    assert numbers(sent) == wanted
    view = api.post("/api/dm/views/", json={"project": project, "data": asked}).json()
    answer = api.get("/api/tasks/", params={"view": view["id"], "page": 2, "page_size": 10})
    assert numbers(answer) == wanted[10:]
    totals = answer.json()
    assert (totals["total"], totals["total_annotations"]) == (15, 5)
    past = api.get("/api/tasks/", params={"view": view["id"], "page": 9})
    assert past.status_code == 404
    assert api.get("/api/tasks/").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "{",
        "[]",
        '{"filters": {"conjunction": "and", "items": [{"filter": "filter:tasks:x"}]}}',
        '{"ordering": ["tasks:x\'; --"]}',
        '{"selectedItems": {"all": 3}}',
    ],
)
def test_what_is_asked_wrongly_is_400_in_words(api: httpx.Client, project: int, query: str) -> None:
    answer = api.get("/api/tasks/", params={"project": project, "query": query})
    assert answer.status_code == 400
    (field,) = answer.json()["validation_errors"]
    assert field in ("query", "filters", "ordering", "selectedItems")


def test_views_are_made_changed_ordered_and_removed(api: httpx.Client, project: int) -> None:
    at = "/api/dm/views/"
    ids = [api.post(at, json={"project": project, "data": {}}).json()["id"] for _ in range(3)]
    assert api.post(f"{at}order/", json={"project": project, "ids": ids[::-1]}).status_code == 200
    assert [each["id"] for each in api.get(at, params={"project": project}).json()] == ids[::-1]
    for method in (api.put, api.patch):
        changed = method(f"{at}{ids[0]}/", json={"data": {"title": method.__name__}}).json()
        assert changed["data"]["title"] == method.__name__
    assert api.delete(f"{at}{ids[0]}/").status_code == 204
    assert api.get(f"{at}{ids[0]}/").status_code == 404
    assert api.delete(f"{at}reset/", params={"project": project}).status_code == 204
    assert api.get(at, params={"project": project}).json() == []


def test_selected_tasks_or_all_that_match_are_exported(service: Service, project: int) -> None:
    with service.browser("vic") as browser:

        def exported(**query: Any) -> httpx.Response:
            return browser.get(
                f"/labels/{project}/tasks/export", params={"workspace": "lab", "own": "1", **query}
            )

        rows = {"f": "data.n", "o": "equal", "v": "3", "label": "good"}
        every = exported(all="1", **rows)
        assert "attachment" in every.headers["content-disposition"]
        found = every.json()
        assert [each["data"]["n"] for each in found] == [3] * 5
        assert all(each["annotations"] for each in found)
        ids = [found[0]["id"], found[2]["id"]]
        picked = exported(**{"ids[]": ids, **rows, "v": "0"}).json()
        assert [each["id"] for each in picked] == ids
        lines = exported(all="1", format="CSV", **rows).text.splitlines()
        assert len(lines) == 1 + 5
        for query, words in (
            ({}, "No task is selected"),
            ({"ids[]": "x"}, "number is asked for"),
            ({"all": "1", "f": "nope", "o": "equal", "v": "1"}, "no column"),
            ({"all": "1", "format": "COCO"}, "COCO does not fit"),
        ):
            wrong = exported(**query)
            assert wrong.status_code in (400, 422)
            assert words in html.unescape(wrong.text)
    with service.browser("otto") as stranger:
        assert stranger.get(f"/labels/{project}/tasks/export?all=1").status_code == 404


def test_columns_state_and_deeds_are_told(api: httpx.Client, project: int) -> None:
    asked = {"project": project}
    columns = {
        each["id"]: each for each in api.get("/api/dm/columns/", params=asked).json()["columns"]
    }
    assert (columns["image"]["type"], columns["image"]["parent"]) == ("Image", "data")
    assert columns["n"]["type"] == "Unknown"
    assert columns["data"]["children"] == ["text", "image", "n"]
    assert columns["predictions_model_versions"]["schema"]["items"] == ["m1"]
    state = api.get("/api/dm/project/", params=asked).json()
    assert (state["task_count"], state["annotation_count"]) == (60, 20)
    deeds = [each["id"] for each in api.get("/api/dm/actions/", params=asked).json()]
    assert "delete_tasks" in deeds
    assert "retrieve_tasks_predictions" not in deeds


def test_deeds_take_what_is_selected_and_nothing_more(api: httpx.Client, project: int) -> None:
    def act(deed: str, **sent: Any) -> httpx.Response:
        return api.post("/api/dm/actions/", params={"project": project, "id": deed}, json=sent)

    group = {"conjunction": "and", "items": [one("predictions_score", "less", 2, "Number")]}
    everything = {"all": True, "excluded": []}
    done = act("predictions_to_annotations", filters=group, selectedItems=everything)
    assert done.json() == {"detail": "Created 4 annotations"}
    nothing = act("delete_tasks", selectedItems={"all": False, "included": []})
    assert nothing.status_code == 400
    tasks = api.get("/api/tasks/", params={"project": project}).json()["tasks"]
    some = [each["id"] for each in tasks[:2]]
    done = act("delete_tasks", selectedItems={"all": False, "included": some})
    assert done.json() == {"processed_items": 2, "detail": "Deleted 2 tasks", "reload": False}
    assert act("paint", selectedItems=everything).status_code == 400
    assert api.get(f"/api/projects/{project}/").json()["task_number"] == 58


def test_roles_and_workspaces_hold(service: Service, project: int) -> None:
    body = {"selectedItems": {"all": True}}
    where = {"project": project, "id": "delete_tasks"}
    with service.client(service.token("vic", "lab")) as vic:
        assert vic.get("/api/dm/views/", params={"project": project}).status_code == 200
        assert vic.post("/api/dm/views/", json={"project": project}).status_code == 403
        assert vic.post("/api/dm/actions/", params=where, json=body).status_code == 403
    with service.client(service.token("eve", "lab")) as eve:
        assert eve.post("/api/dm/actions/", params=where, json=body).status_code == 403
    with service.client(service.token("otto", "other")) as otto:
        assert otto.post("/api/dm/actions/", params=where, json=body).status_code == 404
        assert otto.get("/api/tasks/", params={"project": project}).status_code == 404
        assert otto.get("/api/dm/columns/", params={"project": project}).status_code == 404


# --- pages


def rows(page: str) -> list[int]:
    return [int(found) for found in re.findall(r'<tr data-task="(\d+)"', page)]


def test_the_grid_pages_through_all_tasks_once_and_shows_no_html_of_theirs(
    service: Service, project: int
) -> None:
    with service.browser("vic") as browser:
        address: str | None = f"/labels/{project}/tasks?own=1&size=25&sort=-data.n&workspace=lab"
        found: list[int] = []
        while address:
            page = browser.get(address)
            assert page.status_code == 200
            assert "<i>text" not in page.text
            assert "Fruit <b>" not in page.text
            found += rows(page.text)
            following = re.search(r'rel="next" href="([^"]+)"', page.text)
            address = html.unescape(following[1]) if following else None
        assert len(found) == len(set(found)) == 60
        assert 'name="ids[]"' not in page.text


def test_a_wrong_filter_of_a_page_is_told_and_stays_typed(service: Service, project: int) -> None:
    with service.browser("ana") as browser:
        query = {
            "own": "1",
            "f": "total_annotations",
            "o": "contains",
            "v": "se<ven",
            "workspace": "lab",
        }
        page = browser.get(f"/labels/{project}/tasks", params=query)
        assert page.status_code == 422
        assert "is not filtered by" in html.unescape(page.text)
        assert "se&lt;ven" in page.text
        damaged = browser.get(f"/labels/{project}/tasks?workspace=lab&after=nonsense")
        assert damaged.status_code == 422


def test_a_view_is_kept_and_a_deed_done_without_any_script(
    service: Service, api: httpx.Client, project: int
) -> None:
    at = f"/labels/{project}"
    with service.browser("ana") as browser:
        form = {"own": "1", "f": "data.n", "o": "equal", "v": "2", "title": "Twos", "sort": "-id"}
        kept = browser.post(f"{at}/views?workspace=lab", data=form)
        assert kept.status_code == 303
        page = browser.get(kept.headers["location"]).text
        assert "15 of 60 tasks match" in page
        assert "Twos" in page
        (view,) = api.get("/api/dm/views/", params={"project": project}).json()
        assert view["data"]["ordering"] == ["-tasks:id"]
        picked = {**form, "deed": "delete_tasks_annotations", "all": "1"}
        done = browser.post(f"{at}/tasks/deed?workspace=lab", data=picked)
        assert done.status_code == 200
        assert "15 tasks gone through: 5 annotations deleted" in done.text
        first = rows(page)[0]
        some = {"deed": "delete_tasks", "ids[]": [str(first), str(first - 4)]}
        done = browser.post(f"{at}/tasks/deed?workspace=lab", data=some)
        assert "2 tasks deleted" in done.text
        assert browser.get(f"{at}/tasks/{first}?workspace=lab").status_code == 404
        removed = browser.post(f"{at}/views/{view['id']}/remove?workspace=lab")
        assert removed.status_code == 303


def test_a_task_shows_what_was_said_of_it_in_words(
    service: Service, api: httpx.Client, project: int
) -> None:
    task = api.get("/api/tasks/", params={"project": project}).json()["tasks"][0]
    draft = {
        "result": [
            {"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["bad"]}}
        ]
    }
    api.post(f"/api/tasks/{task['id']}/drafts", json=draft).raise_for_status()
    with service.browser("vic") as browser:
        page = browser.get(f"/labels/{project}/tasks/{task['id']}?workspace=lab").text
    assert "<b>good</b>" in page
    assert "<b>bad</b>" in page
    assert "m1" in page
    assert ">draft<" in page
    assert "&lt;i&gt;text" in page
