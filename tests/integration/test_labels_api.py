"""Label Studio's API over a socket: projects, tasks, annotations, predictions, the queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.service import Service

CONFIG = """
<View>
  <Text name="text" value="$text"/>
  <Labels name="ner" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>
  <Choices name="mood" toName="text"><Choice value="good"/><Choice value="bad"/></Choices>
</View>
"""
SPAN = {
    "id": "s1",
    "from_name": "ner",
    "to_name": "text",
    "type": "labels",
    "value": {"start": 0, "end": 3, "text": "Ada", "labels": ["PER"]},
}
GOOD = {
    "from_name": "mood",
    "to_name": "text",
    "type": "choices",
    "value": {"choices": ["good"]},
}
Project = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def http(service: Service) -> Iterator[httpx.Client]:
    with service.client() as client:
        # As Label Studio's own clients send it.
        client.headers["Authorization"] = f"Token {service.token('ana', 'lab')}"
        yield client


@pytest.fixture
def project(http: httpx.Client) -> Iterator[Project]:
    """Makes projects with some tasks; they are gone afterwards."""
    made: list[int] = []

    def make(*texts: str, **fields: Any) -> dict[str, Any]:
        answer = http.post(
            "/api/projects/", json={"title": "A project", "label_config": CONFIG, **fields}
        )
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        made.append(found["id"])
        if texts:
            answer = http.post(
                f"/api/projects/{found['id']}/import?return_task_ids=true",
                json=[{"text": text} for text in texts],
            )
            assert answer.status_code == 201, answer.text
            found["tasks"] = answer.json()["task_ids"]
        return found

    yield make
    for one in made:
        http.delete(f"/api/projects/{one}/")


def get(http: httpx.Client, path: str, **query: Any) -> Any:
    answer = http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    """An error in Label Studio's shape."""
    body: dict[str, Any] = answer.json()
    assert answer.status_code == status, answer.text
    assert body["status_code"] == status
    assert body["version"] == "1.23.2"
    assert {"id", "detail", "exc_info"} <= body.keys()
    return body


def test_who_one_is_and_what_this_is(http: httpx.Client) -> None:
    me = get(http, "/api/current-user/whoami")
    assert (me["username"], me["email"]) == ("ana", "ana@mlpi.invalid")
    names = {one["username"] for one in get(http, "/api/users/")}
    assert "ana" in names
    assert get(http, f"/api/users/{me['id']}/")["id"] == me["id"]
    assert get(http, "/api/version")["release"] == "1.23.2"
    refused(http.get("/api/users/999999/"), 404)


def test_a_project_lives_a_whole_life(http: httpx.Client, project: Project) -> None:
    made = project(description="words", maximum_annotations=2, color="#112233")
    at = f"/api/projects/{made['id']}/"
    assert (made["maximum_annotations"], made["color"]) == (2, "#112233")
    assert made["parsed_label_config"]["ner"]["labels"] == ["PER", "LOC"]
    assert made["created_by"]["first_name"] == "ana"
    changed = http.patch(at, json={"title": "Another name", "sampling": "Uniform sampling"}).json()
    assert (changed["title"], changed["sampling"]) == ("Another name", "Uniform sampling")
    assert get(http, at)["description"] == "words"
    listed = get(http, "/api/projects/", ids=str(made["id"]))
    assert [one["id"] for one in listed["results"]] == [made["id"]]
    assert (listed["count"], listed["next"], listed["previous"]) == (1, None, None)
    assert http.delete(at).status_code == 204
    refused(http.get(at), 404)


def test_projects_are_paged_with_links(http: httpx.Client, project: Project) -> None:
    ids = [project()["id"] for _ in range(3)]
    asked = {"ids": ",".join(map(str, ids)), "page_size": 2}
    first = get(http, "/api/projects/", **asked)
    assert [one["id"] for one in first["results"]] == ids[:0:-1]
    rest = http.get(first["next"]).json()
    assert [one["id"] for one in rest["results"]] == ids[:1]
    assert http.get(rest["previous"]).json()["results"] == first["results"]
    refused(http.get("/api/projects/", params={**asked, "page": 3}), 404)
    counts = get(http, "/api/projects/counts/", **asked)["results"][0]
    assert counts["task_number"] == 0
    assert "title" not in counts


def test_a_configuration_is_judged_before_it_is_kept(http: httpx.Client, project: Project) -> None:
    bad = '<View>\n  <Text name="t" value="$t"/>\n  <Chioces name="c" toName="t"/>\n</View>'
    for answer in (
        http.post("/api/projects/validate/", json={"label_config": bad}),
        http.post("/api/projects/", json={"title": "Bad one", "label_config": bad}),
    ):
        words = refused(answer, 400)["validation_errors"]["label_config"][0]
        assert "<Chioces>" in words
        assert "ine 3" in words
        assert "Choices" in words
    assert http.post("/api/projects/validate/", json={"label_config": CONFIG}).status_code == 204
    one = project("Ada sings")
    http.post(f"/api/tasks/{one['tasks'][0]}/annotations/", json={"result": [SPAN]})
    without = CONFIG.replace('<Label value="PER"/>', "")
    at = f"/api/projects/{one['id']}/"
    for answer in (
        http.post(at + "validate/", json={"label_config": without}),
        http.patch(at, json={"label_config": without}),
    ):
        words = refused(answer, 400)["validation_errors"]["label_config"][0]
        assert "1 result of ner with PER" in words or "1 result of ner with the label PER" in words
    more = CONFIG.replace('<Label value="LOC"/>', '<Label value="LOC"/><Label value="ORG"/>')
    judged = http.post(at + "validate/", json={"label_config": more}).json()
    assert judged == {"config_essential_data_has_changed": True}
    assert http.patch(at, json={"label_config": more}).status_code == 200


def test_tasks_come_are_listed_changed_and_go(http: httpx.Client, project: Project) -> None:
    one = project("first", "second", "third")
    listed = get(http, "/api/tasks/", project=one["id"], page_size=2, fields="all")
    assert [task["data"]["text"] for task in listed["tasks"]] == ["first", "second"]
    assert (listed["total"], listed["total_annotations"], listed["total_predictions"]) == (3, 0, 0)
    refused(http.get("/api/tasks/", params={"project": one["id"], "page": 3, "page_size": 2}), 404)
    refused(http.get("/api/tasks/"), 404)
    added = http.post("/api/tasks/", json={"project": one["id"], "data": {"text": "fourth"}})
    assert added.status_code == 201
    assert added.json()["inner_id"] == 4
    at = f"/api/tasks/{one['tasks'][0]}/"
    assert http.patch(at, json={"data": {"text": "changed"}}).json()["data"]["text"] == "changed"
    assert get(http, at)["data"] == {"text": "changed"}
    words = refused(http.patch(at, json={"data": {"other": 1}}), 400)
    assert '"text" key is expected' in str(words["validation_errors"])
    assert http.delete(at).status_code == 204
    refused(http.get(at), 404)
    assert get(http, f"/api/projects/{one['id']}/")["task_number"] == 3
    assert http.delete(f"/api/projects/{one['id']}/tasks/").status_code == 204
    assert get(http, f"/api/projects/{one['id']}/")["task_number"] == 0


def test_an_import_with_a_bad_task_brings_nothing(http: httpx.Client, project: Project) -> None:
    one = project()
    at = f"/api/projects/{one['id']}/import"
    coming = [{"text": "good"}, {"txt": "bad"}]
    assert '"text" key is expected' in str(refused(http.post(at, json=coming), 400))
    assert get(http, f"/api/projects/{one['id']}/")["task_number"] == 0
    whole = {
        "data": {"text": "Ada"},
        "annotations": [{"result": [SPAN], "completed_by": None}],
        "predictions": [{"result": [GOOD], "score": 0.5, "model_version": "m"}],
    }
    brought = http.post(at, json=whole).json()
    assert (brought["task_count"], brought["annotation_count"], brought["prediction_count"]) == (
        1,
        1,
        1,
    )
    assert get(http, f"/api/projects/{one['id']}/")["finished_task_number"] == 1


def test_annotations_are_checked_kept_once_changed_and_gone(
    http: httpx.Client, project: Project
) -> None:
    task = project("Ada sings")["tasks"][0]
    at = f"/api/tasks/{task}/annotations/"
    sent = {"result": [SPAN], "lead_time": 2.5, "unique_id": "mine-1"}
    first = http.post(at, json=sent)
    again = http.post(at, json=sent)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert first.json()["result"] == [SPAN]
    one = f"/api/annotations/{first.json()['id']}/"
    changed = http.patch(one, json={"result": [GOOD], "ground_truth": True}).json()
    assert (changed["result"], changed["ground_truth"]) == ([GOOD], True)
    wrong = {**SPAN, "value": {**SPAN["value"], "labels": ["DOG"]}}  # type: ignore[dict-item]
    words = refused(http.post(at, json={"result": [wrong]}), 400)["validation_errors"]["result"][0]
    assert "result[0].value.labels" in words
    assert "'DOG'" in words
    assert "PER" in words
    assert [each["id"] for each in get(http, at)] == [first.json()["id"]]
    assert http.delete(one).status_code == 204
    refused(http.get(one), 404)
    assert get(http, at) == []


def test_drafts_wait_and_go_with_what_they_become(http: httpx.Client, project: Project) -> None:
    task = project("Ada sings")["tasks"][0]
    draft = http.post(f"/api/tasks/{task}/drafts", json={"result": [SPAN], "lead_time": 1})
    assert draft.status_code == 201
    at = f"/api/drafts/{draft.json()['id']}/"
    assert http.patch(at, json={"result": [GOOD]}).json()["result"] == [GOOD]
    assert [one["result"] for one in get(http, f"/api/tasks/{task}/drafts")] == [[GOOD]]
    sent = {"result": [GOOD], "draft_id": draft.json()["id"]}
    kept = http.post(f"/api/tasks/{task}/annotations/", json=sent).json()
    assert kept["draft_created_at"] == draft.json()["created_at"]
    refused(http.get(at), 404)
    back = http.post(f"/api/annotations/{kept['id']}/convert-to-draft")
    assert back.status_code == 201
    assert back.json()["result"] == [GOOD]
    assert get(http, f"/api/tasks/{task}/annotations/") == []


def test_predictions_are_checked_listed_and_counted_by_model(
    http: httpx.Client, project: Project
) -> None:
    one = project("Ada sings", "Grace counts")
    made = [
        http.post(
            "/api/predictions/",
            json={"task": task, "result": [GOOD], "score": score, "model_version": version},
        ).json()
        for task, score, version in zip(one["tasks"], (0.9, 0.1), ("a", "b"), strict=True)
    ]
    listed = get(http, "/api/predictions/", project=one["id"])
    assert [each["id"] for each in listed] == [each["id"] for each in made]
    assert len(get(http, "/api/predictions/", task=one["tasks"][0])) == 1
    at = f"/api/projects/{one['id']}/model-versions/"
    assert get(http, at) == {"b": 1, "a": 1}
    assert get(http, at, extended="true")["static"][0]["model_version"] == "b"
    assert http.request("DELETE", at, json={"model_version": "a"}).json() == {
        "deleted_predictions": 1
    }
    assert get(http, at) == {"b": 1}
    one_of_them = f"/api/predictions/{made[1]['id']}/"
    assert http.patch(one_of_them, json={"score": 0.3}).json()["score"] == 0.3
    wrong = {"task": one["tasks"][0], "result": [{**GOOD, "from_name": "moood"}]}
    assert "moood" in str(refused(http.post("/api/predictions/", json=wrong), 400))
    assert http.delete(one_of_them).status_code == 204
    assert get(http, "/api/predictions/", project=one["id"]) == []


def test_the_queue_gives_each_their_own_and_ends(
    service: Service, http: httpx.Client, project: Project
) -> None:
    one = project("first", "second")
    at = f"/api/projects/{one['id']}/next/"
    mine = get(http, at)
    assert mine["data"] == {"text": "first"}
    assert get(http, at)["id"] == mine["id"]
    with service.client(service.token("eve", "lab")) as eve:
        other = get(eve, at)
        assert other["data"] == {"text": "second"}
        for client, task in ((http, mine), (eve, other)):
            client.post(f"/api/tasks/{task['id']}/annotations/", json={"result": [GOOD]})
        refused(eve.get(at), 404)
    refused(http.get(at), 404)
    people = get(http, f"/api/projects/{one['id']}/annotators/")
    assert [each["first_name"] for each in people] == ["ana", "eve"]
    summary = get(http, f"/api/projects/{one['id']}/summary/")
    assert summary["created_labels"] == {"mood": {"good": 2}}
    assert summary["created_annotations"] == {"mood|text|choices": 2}
    assert summary["all_data_columns"] == {"text": 2}
    standing = get(http, f"/api/projects/{one['id']}/")
    assert (standing["queue_total"], standing["queue_done"]) == (1, 1)


def test_skipping_is_kept_and_refused_where_it_is_off(http: httpx.Client, project: Project) -> None:
    one = project("first", show_skip_button=False)
    at = f"/api/tasks/{one['tasks'][0]}/annotations/"
    refused(http.post(at, params={"was_cancelled": 1}, json={"result": []}), 400)
    http.patch(f"/api/projects/{one['id']}/", json={"show_skip_button": True})
    skipped = http.post(at, params={"was_cancelled": 1}, json={"result": []})
    assert skipped.json()["was_cancelled"] is True
    assert get(http, f"/api/projects/{one['id']}/")["skipped_annotations_number"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/api/projects/", b"{", "non_field_errors"),
        ("POST", "/api/projects/", b"[1]", "non_field_errors"),
        ("POST", "/api/projects/", b'{"title": "ab"}', "title"),
        ("POST", "/api/projects/", b'{"title": 7}', "title"),
        ("POST", "/api/projects/", b'{"maximum_annotations": 0}', "maximum_annotations"),
        ("POST", "/api/projects/", b'{"sampling": "by hand"}', "sampling"),
        ("POST", "/api/projects/", b'{"color": "red"}', "color"),
        ("POST", "/api/tasks/", b'{"data": {}}', "project"),
        ("POST", "/api/tasks/", b'{"project": "x"}', "project"),
        ("POST", "/api/predictions/", b'{"task": 1}', "result"),
        ("GET", "/api/projects/?ids=a", b"", "ids"),
        ("GET", "/api/tasks/?project=a", b"", "project"),
    ],
)
def test_what_is_wrong_is_named(
    http: httpx.Client, method: str, path: str, body: bytes, field: str
) -> None:
    answer = http.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert field in refused(answer, 400)["validation_errors"]


def test_roles_and_workspaces_hold(service: Service, project: Project, http: httpx.Client) -> None:
    one = project("first")
    paths = [
        f"/api/projects/{one['id']}/",
        f"/api/tasks/{one['tasks'][0]}/",
        f"/api/tasks/{one['tasks'][0]}/annotations/",
    ]
    with service.client(service.token("otto", "other")) as elsewhere:
        for path in paths:
            refused(elsewhere.get(path), 404)
        assert get(elsewhere, "/api/projects/", ids=str(one["id"]))["count"] == 0
        refused(elsewhere.get("/api/tasks/", params={"project": one["id"]}), 404)
        refused(elsewhere.post(f"/api/projects/{one['id']}/import", json=[{"text": "in"}]), 404)
    with service.client(service.token("vic", "lab")) as viewer:
        assert viewer.get(paths[0]).status_code == 200
        refused(viewer.post(paths[2], json={"result": []}), 403)
        refused(viewer.get(f"/api/projects/{one['id']}/next/"), 403)
    with service.client(service.token("eve", "lab")) as editor:
        refused(editor.delete(paths[0]), 403)
    with service.client("mlpi_nonsense") as nobody:
        refused(nobody.get(paths[0]), 401)
