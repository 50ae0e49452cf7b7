"""What Label Studio's own tests of its API ask for, said in our words."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.service import Service, running_service

CONFIG = """<View><Text name="text" value="$text"/><Choices name="c" toName="text">
<Choice value="x"/><Choice value="y"/></Choices></View>"""
MANY = """<View><Image name="img" value="$img"/><Text name="text" value="$text"/>
<Audio name="sound" value="$sound"/><List name="list" value="$items"/>
<RectangleLabels name="box" toName="img"><Label value="a"/></RectangleLabels>
<PolygonLabels name="poly" toName="img"><Label value="a"/></PolygonLabels>
<KeyPointLabels name="point" toName="img"><Label value="a"/></KeyPointLabels>
<EllipseLabels name="oval" toName="img"><Label value="a"/></EllipseLabels>
<Labels name="ner" toName="text"><Label value="a"/></Labels>
<Labels name="noise" toName="sound"><Label value="a"/></Labels>
<Choices name="c" toName="text"><Choice value="x"/></Choices>
<Taxonomy name="tree" toName="text"><Choice value="A"><Choice value="B"/></Choice></Taxonomy>
<TextArea name="area" toName="text"/><Rating name="stars" toName="text"/>
<Number name="count" toName="text" min="3"/><Ranker name="rank" toName="list"/></View>"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("upstream")) as running:
        running.add_user("root", "--admin")
        running.add_user("ana")
        running.mlpi("workspace", "add", "lab", "--owner", "ana")
        yield running


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    with service.client() as client:
        client.headers["Authorization"] = f"Token {service.token('ana', 'lab')}"
        yield client


def added(http: httpx.Client, *texts: str, **fields: object) -> tuple[int, list[int]]:
    """A project's number, and those of its tasks."""
    given = {"title": "A project", "label_config": CONFIG, **fields}
    number = http.post("/api/projects/", json=given).raise_for_status().json()["id"]
    if not texts:
        return number, []
    url = f"/api/projects/{number}/import?return_task_ids=true"
    tasks = [{"text": text} for text in texts]
    return number, http.post(url, json=tasks).raise_for_status().json()["task_ids"]


def said(word: str) -> list[dict[str, object]]:
    about = {"from_name": "c", "to_name": "text", "type": "choices"}
    return [{**about, "value": {"choices": [word]}}]


def next_of(http: httpx.Client, project: int) -> int:
    found: int = http.get(f"/api/projects/{project}/next/").raise_for_status().json()["id"]
    return found


def test_a_form_says_yes_no_and_numbers_in_words(http: httpx.Client) -> None:
    form = {"title": "By form", "show_skip_button": "False", "maximum_annotations": "2"}
    made = http.post("/api/projects/", data={**form, "label_config": CONFIG})
    assert made.status_code == 201, made.text
    assert made.json()["show_skip_button"] is False
    assert made.json()["maximum_annotations"] == 2
    assert made.json()["control_weights"]["c"]["labels"] == {"x": 1.0, "y": 1.0}


def test_projects_come_in_the_order_that_is_asked_for(http: httpx.Client) -> None:
    numbers = [added(http, title=title)[0] for title in ("Zebra", "Ant")]
    ids = ",".join(map(str, numbers))

    def listed(order: str) -> list[int]:
        answer = http.get("/api/projects/", params={"ids": ids, "ordering": order})
        return [one["id"] for one in answer.raise_for_status().json()["results"]]

    assert listed("created_at") == numbers
    assert listed("title") == numbers[::-1]
    assert listed("-title") == numbers
    assert listed("no such column") == numbers[::-1]


def test_what_somebody_skipped_comes_back_after_all_else(http: httpx.Client) -> None:
    project, (first, second) = added(http, "one", "two", skip_queue="REQUEUE_FOR_ME")
    assert next_of(http, project) == first
    http.post(f"/api/tasks/{first}/annotations/?was_cancelled=1", json={"result": []})
    assert next_of(http, project) == second
    http.post(f"/api/tasks/{second}/annotations/", json={"result": said("x")})
    assert next_of(http, project) == first


def test_a_label_that_only_a_draft_has_is_kept(http: httpx.Client) -> None:
    project, (task,) = added(http, "one")
    http.post(f"/api/tasks/{task}/drafts", json={"result": said("y")}).raise_for_status()
    url, without = f"/api/projects/{project}/", CONFIG.replace('<Choice value="y"/>', "")
    refused = http.patch(url, json={"label_config": without})
    assert refused.status_code == 400
    assert "1 result of c with y" in refused.text
    assert http.post(url + "validate/", json={"label_config": without}).status_code == 400
    assert http.patch(url, json={"label_config": CONFIG.replace('"x"', '"z"')}).status_code == 200


def test_a_model_version_that_is_none_is_not_shown(http: httpx.Client) -> None:
    project, (task,) = added(http, "one")
    url = f"/api/projects/{project}/"
    refused = http.patch(url, json={"model_version": "m1"})
    assert (refused.status_code, "model_version" in refused.json()["validation_errors"]) == (
        400,
        True,
    )
    guess = {"task": task, "result": said("x"), "model_version": "m1"}
    assert http.post("/api/predictions/", json=guess).status_code == 201
    assert http.patch(url, json={"model_version": "m1"}).json()["model_version"] == "m1"
    gone = http.request("DELETE", url + "model-versions/", json={"model_version": "m1"})
    assert gone.json() == {"deleted_predictions": 1}


def test_the_grid_hands_out_the_next_task_in_its_own_order(http: httpx.Client) -> None:
    project, tasks = added(http, "one", "two", "three")
    url = f"/api/dm/actions/?project={project}&id=next_task"
    picked = {"all": False, "included": tasks[:2]}
    asked = {"ordering": ["-tasks:id"], "selectedItems": picked}
    for expected in (tasks[1], tasks[1]):  # asked again, it is the one that is begun
        assert http.post(url, json=asked).raise_for_status().json()["id"] == expected
    http.post(f"/api/tasks/{tasks[1]}/annotations/", json={"result": said("x")})
    assert http.post(url, json=asked).json()["id"] == tasks[0]
    http.post(f"/api/tasks/{tasks[0]}/annotations/", json={"result": said("x")})
    assert http.post(url, json=asked).status_code == 404
    assert http.post(url, json={}).json()["id"] == tasks[2]


def test_a_snapshot_holds_the_tasks_of_a_view(http: httpx.Client) -> None:
    project, tasks = added(http, "one", "two", "three")

    def snapshot(text: str) -> list[int]:
        item = {"filter": "filter:tasks:data.text", "operator": "contains", "type": "String"}
        filters = {"conjunction": "and", "items": [{**item, "value": text}]}
        view = http.post("/api/dm/views/", json={"project": project, "data": {"filters": filters}})
        options = {"task_filter_options": {"view": view.raise_for_status().json()["id"]}}
        made = http.post(f"/api/projects/{project}/exports/", json=options)
        assert made.status_code == 201, made.text
        file = http.get(f"/api/projects/{project}/exports/{made.json()['id']}/download")
        return [one["id"] for one in file.raise_for_status().json()]

    assert snapshot("o") == tasks[:2]
    assert snapshot("none has this") == []


def test_what_is_missing_or_absent_is_named(http: httpx.Client) -> None:
    _, (task,) = added(http, "one")
    for url, sent, field in (
        (f"/api/tasks/{task}/drafts", {}, "result"),
        ("/api/predictions/", {"task": 10**6, "result": said("x")}, "task"),
        (
            f"/api/tasks/{task}/annotations/",
            {"result": said("x"), "parent_prediction": 10**6},
            "parent_prediction",
        ),
    ):
        refused = http.post(url, json=sent)
        assert refused.status_code == 400, refused.text
        assert list(refused.json()["validation_errors"]) == [field]


def test_a_sample_task_has_an_answer_of_each_control(http: httpx.Client) -> None:
    project, _ = added(http)
    asked = {"label_config": MANY, "include_annotation_and_prediction": True}
    answer = http.post(f"/api/projects/{project}/sample-task/", json=asked)
    sample = answer.raise_for_status().json()["sample_task"]
    (annotation,) = sample["annotations"]
    names = {one["from_name"] for one in annotation["result"]}
    assert names == {
        *("box", "poly", "point", "oval", "ner", "noise", "c"),
        *("tree", "area", "stars", "count", "rank"),
    }
    other, _ = added(http, label_config=MANY)  # which takes what it was shown
    http.post(f"/api/projects/{other}/import", json=[sample]).raise_for_status()


# --- accounts and tokens


def test_health_is_each_clients_own(service: Service, http: httpx.Client) -> None:
    service.wait_ready()
    assert http.get("/health").json() == {"status": "UP"}
    with service.client() as mlflow:
        assert mlflow.get("/health").text == "OK"
    assert http.get("/health", headers={"Authorization": "Token wrong"}).status_code == 401


def test_a_token_knows_itself_and_can_be_replaced_but_makes_no_other(service: Service) -> None:
    service.add_user("eve")
    service.mlpi("member", "add", "lab", "eve", "editor")
    secret = service.token("eve", "lab")
    with service.client(secret) as client:
        assert client.get("/api/current-user/token").json() == {"token": secret}
        assert client.post("/api/token/refresh/", json={"refresh": secret}).json() == {
            "access": secret
        }
        assert client.post("/api/token/").status_code == 403
        renewed = client.post("/api/current-user/reset-token/")
        assert renewed.status_code == 201
        assert client.get("/api/current-user/whoami").status_code == 401
        client.headers["Authorization"] = f"Bearer {renewed.json()['token']}"
        assert client.get("/api/current-user/whoami").json()["username"] == "eve"
        asked = {"refresh": renewed.json()["token"]}
        rotated = client.post("/api/token/rotate/", json=asked).json()["refresh"]
        client.headers["Authorization"] = f"Bearer {rotated}"
        assert client.post("/api/token/rotate/", json=asked).status_code == 400
        others = {"refresh": service.token("ana", "lab")}
        assert client.post("/api/token/blacklist/", json=others).status_code == 404
        assert len(client.get("/api/token/").json()) == 1
        assert client.post("/api/token/blacklist/", json={"refresh": rotated}).status_code == 204
        assert client.get("/api/current-user/whoami").status_code == 401


def test_an_admin_makes_and_disables_accounts_and_nobody_else_does(
    service: Service, http: httpx.Client
) -> None:
    asked = {"email": "new@example.com"}
    refused = http.post("/api/users/", json=asked)
    assert refused.status_code == 403
    assert "/settings/users" in refused.json()["detail"]
    assert http.get("/api/invite").status_code == 404
    with service.browser("root") as admin:
        admin.headers.update({"Accept": "application/json", "Origin": service.url})
        here = {"workspace": "lab"}
        made = admin.post("/api/users/", json=asked, params=here)
        assert made.status_code == 201, made.text
        number = made.json()["id"]
        assert made.json()["email"] == "new@example.com"
        assert admin.post("/api/users/", json=asked, params=here).status_code == 400
        assert admin.post("/api/users/", json={}, params=here).status_code == 400
        url = f"/api/users/{number}/"
        assert http.get(url).json()["username"] == "new@example.com"
        assert http.patch(url, json={"email": "other@example.com"}).status_code == 405
        assert http.patch(url, json={"first_name": "Other"}).status_code == 400
        assert http.delete(url).status_code == 403
        assert admin.delete(url, params=here).status_code == 204
        assert http.get(url).status_code == 404
    assert "new@example.com" in service.mlpi("user", "list")


def test_an_owner_takes_somebody_out_of_the_workspace(service: Service, http: httpx.Client) -> None:
    service.add_user("otto")
    service.mlpi("member", "add", "lab", "otto", "editor")
    (number,) = [one["id"] for one in http.get("/api/users/").json() if one["username"] == "otto"]
    url = f"/api/organizations/1/memberships/{number}/"
    assert http.get(url).json()["user"] == number
    me = http.get("/api/current-user/whoami").json()["id"]
    assert http.delete(f"/api/organizations/1/memberships/{me}/").status_code == 405
    assert http.delete(url).status_code == 204
    assert http.get(url).status_code == 404


def test_a_projects_tasks_come_newest_first_by_page_or_by_start(http: httpx.Client) -> None:
    number, ids = added(http, "a", "b", "c")
    at = f"/api/projects/{number}/tasks"

    def listed(**asked: int) -> list[int]:
        return [one["id"] for one in http.get(at, params=asked).raise_for_status().json()]

    newest = ids[::-1]
    assert listed() == listed(page_size=-1) == newest
    assert (listed(page=2, page_size=2), listed(start=2, page_size=2)) == (newest[2:], newest[2:])
    http.post(f"/api/tasks/{ids[0]}/annotations/", json={"result": said("x")}).raise_for_status()
    assert listed(page_size=1) == ids[:1]
    for beyond in ({"start": 240000, "page_size": 100}, {"start": 1, "page_size": 0}, {"page": 9}):
        assert http.get(at, params=beyond).status_code == 404
