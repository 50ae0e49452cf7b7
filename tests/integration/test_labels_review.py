"""Reviews, agreement and webhooks through a running service, its workers and a kill."""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from tests.labels_work import CONFIG, said
from tests.service import Service, running_service, until


class Hook:
    """A server that keeps what it is sent; answers with its statuses, then 204."""

    def __init__(self, statuses: list[int], port: int = 0) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(statuses.pop(0) if statuses else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hooks/T0P5ECRET"

    def bodies(self, action: str) -> list[dict[str, Any]]:
        read = [json.loads(body) for _, body in self.got]
        return [one for one in read if one["action"] == action]


@contextmanager
def listening(*statuses: int, port: int = 0) -> Iterator[Hook]:
    hook = Hook(list(statuses), port)
    thread = threading.Thread(target=hook.server.serve_forever)
    thread.start()
    try:
        yield hook
    finally:
        hook.server.shutdown()
        thread.join()
        hook.server.server_close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """ana owns lab, eve and otto edit it, vic views it."""
    with running_service(tmp_path_factory.mktemp("review")) as running:
        running.mlpi("workspace", "add", "lab")
        for name, role in (
            *(("ana", "owner"), ("eve", "editor")),
            *(("otto", "editor"), ("vic", "viewer")),
        ):
            running.add_user(name)
            running.mlpi("member", "add", "lab", name, role)
        running.wait_ready()
        yield running


def client(place: Service, name: str) -> httpx.Client:
    return place.client(place.token(name, "lab"))


def project(http: httpx.Client, texts: int, **fields: Any) -> tuple[int, list[int]]:
    """Its id, and those of its tasks."""
    given = {"title": "Texts", "label_config": CONFIG, **fields}
    number = http.post("/api/projects/", json=given).json()["id"]
    ids = []
    for text in range(texts):
        made = http.post("/api/tasks/", json={"project": number, "data": {"text": f"text {text}"}})
        assert made.status_code == 201, made.text
        ids.append(made.json()["id"])
    return number, ids


def annotate(http: httpx.Client, task_id: int, word: str) -> int:
    made = http.post(f"/api/tasks/{task_id}/annotations/", json=said(word))
    assert made.status_code == 201, made.text
    found: int = made.json()["id"]
    return found


def test_conflicts_reviews_and_what_they_do_to_the_queue(place: Service) -> None:
    with (
        client(place, "ana") as ana,
        client(place, "eve") as eve,
        client(place, "otto") as otto,
        client(place, "vic") as vic,
    ):
        number, ids = project(ana, 4, maximum_annotations=2)
        for task_id, one, other in zip(ids, "xyxx", "xyyx", strict=True):
            first = annotate(eve, task_id, one)
            annotate(otto, task_id, other)
        figures = vic.get(f"/api/mlpi/labels/{number}/agreement").json()
        assert figures["agreement"] == 0.75
        assert figures["controls"]["c"]["measure"] == "Cohen"
        # Two see x, x, y, x and x, y, y, x: p_o = 3/4, p_e = (3*2 + 1*2) / 16.
        assert figures["controls"]["c"]["kappa"] == pytest.approx((0.75 - 0.5) / 0.5)
        assert figures["pairs"] == [{"people": ["eve", "otto"], "agreement": 0.75, "tasks": 4}]
        conflicts = vic.get(f"/api/mlpi/labels/{number}/conflicts").json()
        assert [one["task"] for one in conflicts["tasks"]] == [ids[2]]
        task = vic.get(f"/api/tasks/{ids[2]}/").json()
        assert task["agreement"] == 0

        sent = {"annotation": first, "accepted": False, "comment": "look again"}
        assert vic.post("/api/annotation-reviews/", json=sent).status_code == 403
        own = eve.post("/api/annotation-reviews/", json=sent)
        assert (own.status_code, own.json()["status_code"]) == (403, 403)
        made = ana.post("/api/annotation-reviews/", json=sent)
        assert (made.status_code, made.json()["accepted"]) == (201, False)
        assert eve.get(f"/api/projects/{number}/next/").json()["id"] == ids[3]
        assert otto.get(f"/api/projects/{number}/next/").status_code == 404
        fixed = {"annotation": first, "accepted": True, "result": said("y")["result"]}
        assert ana.post("/api/annotation-reviews/", json=fixed).json()["fixed"] is True
        listed = vic.get("/api/annotation-reviews/", params={"annotation": first}).json()
        assert [one["state"] for one in listed] == ["fixed", "rejected"]
        accepted = ana.post(
            f"/api/mlpi/labels/annotations/{first}/review", json={"verdict": "accepted"}
        )
        assert accepted.status_code == 201
        told = vic.get(f"/api/mlpi/labels/{number}/reviews").json()
        assert (told["waiting"], told["counts"]) == (7, {"accepted": 1})


@contextmanager
def pages(place: Service) -> Iterator[httpx.Client]:
    """ana in a browser, in lab: who sets mlpi up begins in its first workspace."""
    with place.browser("ana") as ana:
        ana.post("/workspace", data={"name": "lab"})
        yield ana


def test_pages_of_review_conflicts_and_a_project(place: Service) -> None:
    with client(place, "ana") as http, client(place, "eve") as eve:
        number, ids = project(http, 2)
        first = annotate(eve, ids[0], "x")
        annotate(http, ids[0], "y")
        second = annotate(eve, ids[1], "x")
    with pages(place) as ana:
        page = ana.get(f"/labels/{number}/review")
        assert page.status_code == 200
        assert f'action="/labels/{number}/review/{first}' in page.text
        assert f"task={ids[0]}&amp;annotation={first}" in page.text
        answer = ana.post(
            f"/labels/{number}/review/{first}", data={"verdict": "rejected", "comment": "no <b>"}
        )
        assert answer.status_code == 303
        page = ana.get(answer.headers["location"])
        assert "Rejected" in page.text
        assert f'action="/labels/{number}/review/{second}' in page.text
        looked = ana.get(f"/labels/{number}/review", params={"annotation": first}).text
        assert "no &lt;b&gt;" in looked
        assert ana.post(f"/labels/{number}/review/{second}", data={}).status_code == 422
        truth = ana.post(f"/labels/{number}/review/{second}/truth", data={"is_truth": "true"})
        assert "ground truth" in ana.get(truth.headers["location"]).text
        assert 'class="differs"' in ana.get(f"/labels/{number}/conflicts").text
        home = ana.get(f"/labels/{number}").text
        assert "Who agrees with whom" in home
        assert "1 rejected annotation" in home
        assert "in conflict" in ana.get("/").text
    with place.browser("vic") as vic:
        assert 'name="verdict"' not in vic.get(f"/labels/{number}/review").text
        refused = vic.post(f"/labels/{number}/review/{second}", data={"verdict": "accepted"})
        assert refused.status_code == 403
        assert vic.get(f"/labels/{number}/webhooks").status_code == 403
    metrics = httpx.get(
        place.url + "/metrics", headers={"Authorization": f"Bearer {place.token('vic', 'lab')}"}
    )
    assert "mlpi_labels_reviews " in metrics.text


def test_webhooks_are_made_changed_and_removed_as_label_studios(place: Service) -> None:
    with client(place, "eve") as http, client(place, "vic") as vic:
        number, _ = project(http, 0)
        sent = {"url": "http://127.0.0.1:9/x", "project": number, "headers": {"X-Key": "k"}}
        made = http.post("/api/webhooks/", json=sent)
        assert made.status_code == 201
        one = made.json()
        assert one.pop("secret")
        assert {**sent, "organization": 1, "actions": [], "is_active": True}.items() <= one.items()
        assert http.get("/api/webhooks/", params={"project": number}).json() == [one]
        changed = http.patch(f"/api/webhooks/{one['id']}/", json={"is_active": False})
        assert changed.json()["is_active"] is False
        assert http.get(f"/api/webhooks/{one['id']}/").json()["headers"] == {"X-Key": "k"}
        info = http.get("/api/webhooks/info/").json()
        assert info["TASKS_CREATED"]["key"] == "tasks"
        wide = http.get("/api/webhooks/info/", params={"organization-only": "true"}).json()
        assert sorted(wide) == ["PROJECT_CREATED", "PROJECT_DELETED"]
        wrong = http.post("/api/webhooks/", json={"url": "gopher://x"})
        assert wrong.status_code == 400
        assert list(wrong.json()["validation_errors"]) == ["url"]
        assert vic.get("/api/webhooks/").status_code == 403
        assert http.delete(f"/api/webhooks/{one['id']}/").status_code == 204
        assert http.get(f"/api/webhooks/{one['id']}/").status_code == 404


def test_a_message_is_signed_and_its_page_tells_how_it_went(place: Service) -> None:
    with client(place, "ana") as http, pages(place) as ana, listening(503) as hook:
        number, ids = project(http, 1)
        at = f"/labels/{number}/webhooks"
        page = ana.post(at, data={"url": hook.url, "send_payload": "true"})
        assert page.status_code == 200
        key = page.text.split('<code class="key">')[1].split("<")[0]
        assert key not in ana.get(at).text
        annotate(http, ids[0], "x")
        until(lambda: len(hook.got) == 2)
        headers, body = hook.got[1]
        assert hook.got[0][1] == body
        assert hook.got[0][0]["x-mlpi-delivery"] == headers["x-mlpi-delivery"]
        digest = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        assert headers["x-mlpi-signature"] == f"sha256={digest}"
        assert headers["x-mlpi-event"] == "ANNOTATION_CREATED"
        told = json.loads(body)
        assert told["annotation"]["result"] == said("x")["result"]
        assert told["project"]["id"] == number
        until(lambda: ">204<" in ana.get(at).text)
        shown = ana.get(at).text
        assert "T0P5ECRET" not in shown
        assert "T0P5ECRET" not in http.get("/api/mlpi/jobs").text
        (one,) = http.get("/api/webhooks/", params={"project": number}).json()
        assert ana.post(f"{at}/{one['id']}/test").status_code == 303
        until(lambda: hook.bodies("TEST"))
        ana.post(f"{at}/{one['id']}/switch", data={"is_active": "false"})
        assert http.get(f"/api/webhooks/{one['id']}/").json()["is_active"] is False
        ana.post(f"{at}/{one['id']}/remove")
        assert http.get("/api/webhooks/", params={"project": number}).json() == []
        assert ana.post(at, data={"url": "nowhere"}).status_code == 422


def test_what_was_acknowledged_is_told_even_after_a_kill(place: Service) -> None:
    with listening() as taken:
        port = taken.port
    with client(place, "ana") as http:
        number, ids = project(http, 3)
        made = http.post(
            "/api/webhooks/", json={"url": f"http://127.0.0.1:{port}/", "project": number}
        )
        assert made.status_code == 201
        for task_id in ids:
            annotate(http, task_id, "x")
    place.stop(signal.SIGKILL)
    with listening(port=port) as hook:
        place.start()
        place.wait_ready()
        until(lambda: len(hook.bodies("ANNOTATION_CREATED")) == 3, 100)
    told = hook.bodies("ANNOTATION_CREATED")
    assert [one["task"]["id"] for one in told] == ids
