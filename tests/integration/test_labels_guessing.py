"""Models that predict for projects: of the service's own MLflow, and ML backends elsewhere."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import mlflow
import pytest
from mlflow.tracking import fluent

from tests.service import Service, clean_environment, until

pytestmark = pytest.mark.timeout(900)

CHOICES = """<View><Text name="t" value="$text"/><Choices name="mood" toName="t">
<Choice value="glad"/><Choice value="sad"/></Choices></View>"""
DIGITS = (
    '<View><Image name="i" value="$image"/><Choices name="digit" toName="i">'
    + "".join(f'<Choice value="{number}"/>' for number in range(10))
    + "</Choices></View>"
)
GLAD = ["what a joy", "lovely and warm", "a happy day", "joy and love", "warm happy people"]
SAD = ["what a pity", "cold and grey", "a gloomy day", "tears and grief", "cold gloomy people"]


@pytest.fixture(scope="module")
def models(service: Service) -> list[str]:
    """A classifier of texts and one of pictures, logged and registered in the workspace lab."""
    from sklearn.datasets import load_digits
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline

    moods = make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(
        GLAD + SAD, ["glad"] * len(GLAD) + ["sad"] * len(SAD)
    )
    pictures, numbers = load_digits(return_X_y=True)
    digits = KNeighborsClassifier(3).fit(pictures[200:900], numbers[200:900])
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("MLFLOW_"):
                patch.delenv(name)
        patch.setenv("MLFLOW_TRACKING_TOKEN", service.token("ana", "lab"))
        mlflow.set_tracking_uri(service.url)
        mlflow.set_experiment("guessing")
        with mlflow.start_run():
            for model, name in ((moods, "moods"), (digits, "digits-8x8")):
                mlflow.sklearn.log_model(
                    model,
                    name="model",
                    registered_model_name=name,
                    serialization_format="cloudpickle",
                    pip_requirements=["scikit-learn"],
                )
        mlflow.MlflowClient().set_registered_model_alias("moods", "best", 1)
        fluent._active_experiment_id = None
        mlflow.set_tracking_uri(None)
    return ["moods", "digits-8x8"]


@pytest.fixture
def ana(service: Service) -> Iterator[httpx.Client]:
    with service.client(service.token("ana", "lab")) as client:
        yield client


def project(client: httpx.Client, config: str, tasks: list[dict[str, Any]]) -> int:
    made = client.post("/api/projects/", json={"title": "Guessing", "label_config": config})
    assert made.status_code == 201, made.text
    number: int = made.json()["id"]
    if tasks:
        sent = client.post(f"/api/projects/{number}/import", json=tasks)
        assert sent.status_code == 201, sent.text
    return number


def add(client: httpx.Client, number: int, **fields: Any) -> httpx.Response:
    return client.post("/api/ml/", json={"project": number, **fields})


def run(client: httpx.Client, number: int, **how: Any) -> dict[str, Any]:
    """Have the project predicted; the ended job."""
    started = client.post(f"/api/mlpi/labels/projects/{number}/predictions", json=how)
    assert started.status_code == 202, started.text

    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get(f"/api/mlpi/jobs/{started.json()['job_id']}").json()
        return job if job["finished_at"] else None

    found: dict[str, Any] = until(ended, 300)
    return found


def predictions(client: httpx.Client, number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/api/predictions/?project={number}").json()
    return found


def test_a_registered_classifier_of_texts_predicts(ana: httpx.Client, models: list[str]) -> None:
    number = project(ana, CHOICES, [{"text": one} for one in GLAD + SAD])
    made = add(ana, number, url="models:/moods@best")
    assert made.status_code == 201, made.text
    assert (made.json()["kind"], made.json()["model_version"]) == ("mlflow", "moods/1")
    job = run(ana, number)
    assert job["state"] == "succeeded", job
    assert (job["result"]["predictions"], job["result"]["refused"]) == (10, 0)
    found = predictions(ana, number)
    answers = [one["result"][0]["value"]["choices"][0] for one in found]
    assert answers == ["glad"] * 5 + ["sad"] * 5
    assert all(0.5 < one["score"] < 1 for one in found)
    assert {one["model_version"] for one in found} == {"moods/1"}
    # The password of a database never lies in the queue.
    assert "database" not in json.dumps(job)
    kept = ana.get(f"/api/projects/{number}/").json()
    assert kept["model_version"] == "moods/1"
    accepted = ana.post(
        f"/api/mlpi/labels/projects/{number}/accept",
        json={"predictions": [one["id"] for one in found[:3]]},
    )
    assert accepted.json() == {"annotations": 3, "known": 0, "unfit": 0}
    assert ana.get(f"/api/projects/{number}/").json()["total_annotations_number"] == 3
    assert run(ana, number)["result"]["predictions"] == 0


def test_a_classifier_of_pictures_predicts_and_what_is_no_picture_is_told(
    ana: httpx.Client, models: list[str]
) -> None:
    from PIL import Image
    from sklearn.datasets import load_digits

    pictures, numbers = load_digits(return_X_y=True)
    tasks = []
    for pixels in pictures[:30]:
        buffer = io.BytesIO()
        image = Image.new("L", (8, 8))
        image.putdata([round(one * 255 / 16) for one in pixels])
        image.save(buffer, "PNG")
        uri = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
        tasks.append({"image": uri})
    number = project(ana, DIGITS, [*tasks, {"image": "https://elsewhere.test/1.png"}])
    plan = {"width": 8, "height": 8, "mode": "L", "top": 16}
    made = add(ana, number, url="models:/digits-8x8/1", plan=plan)
    assert made.status_code == 201, made.text
    job = run(ana, number)
    assert job["state"] == "succeeded", job
    assert (job["result"]["predictions"], job["result"]["refused"]) == (30, 1)
    assert "is no file of this server" in job["result"]["told"][0]["reason"]
    answers = [int(one["result"][0]["value"]["choices"][0]) for one in predictions(ana, number)]
    right = sum(one == int(other) for one, other in zip(answers, numbers[:30], strict=True))
    assert right >= 27


def test_a_projects_model_is_an_ml_backend_for_others(
    service: Service, ana: httpx.Client, models: list[str]
) -> None:
    number = project(ana, CHOICES, [{"text": "joy"}])
    at = f"/api/mlpi/labels/projects/{number}"
    assert ana.get(f"{at}/health").status_code == 422
    add(ana, number, url="models:/moods/1")
    theirs = CHOICES.replace('"mood"', '"feeling"').replace("$text", "$body")
    sent = {
        "tasks": [{"id": 7, "data": {"body": "a happy warm day"}}, {"data": {"other": 1}}],
        "project": "3.1700000000",
        "label_config": theirs,
        "params": {"context": None},
    }
    with httpx.Client(
        base_url=service.url, auth=("label-studio", service.token("ana", "lab")), timeout=100
    ) as other:
        assert other.get(f"{at}/health").json()["status"] == "UP"
        assert other.post(f"{at}/setup", json={"schema": theirs}).json() == {
            "model_version": "moods/1"
        }
        answered = other.post(f"{at}/predict", json=sent)
    assert answered.status_code == 200, answered.text
    first, second = answered.json()["results"]
    assert first["result"][0]["from_name"] == "feeling"
    assert first["result"][0]["value"] == {"choices": ["glad"]}
    assert first["model_version"] == "moods/1"
    assert (second["result"], second["reason"]) == ([], "the task has no 'body'")
    # One workbench is the other's backend: the same protocol on both sides.
    linked = project(ana, theirs, [{"body": "grief"}, {"body": "joy"}])
    made = add(
        ana,
        linked,
        url=f"{service.url}{at}",
        auth_method="BASIC_AUTH",
        basic_auth_user="mlpi",
        basic_auth_pass=service.token("ana", "lab"),
    )
    assert made.status_code == 201, made.text
    assert "basic_auth_pass" not in made.json()
    backend = made.json()["id"]
    tested = ana.post(f"/api/ml/{backend}/predict/test?random=true").json()
    assert tested["response"]["results"][0]["result"][0]["value"] == {"choices": ["sad"]}


def test_models_that_are_not_there_are_refused(
    service: Service, ana: httpx.Client, models: list[str]
) -> None:
    number = project(ana, CHOICES, [{"text": "joy"}])
    for url in ("models:/absent/1", "models:/moods/9", "models:/moods@worst", "models:/m-1"):
        refused = add(ana, number, url=url)
        assert refused.status_code == 400, url
        assert "source" in refused.json()["validation_errors"]
    with service.client(service.token("otto", "other")) as otto:
        theirs = project(otto, CHOICES, [])
        assert add(otto, theirs, url="models:/moods/1").status_code == 400
        assert add(otto, number, url="models:/moods/1").status_code == 404
    with service.client(service.token("vic", "lab")) as vic:
        assert add(vic, number, url="models:/moods/1").status_code == 403
        assert vic.get(f"/api/ml/?project={number}").json() == []


def test_the_readmes_commands_have_a_model_predict(
    service: Service, ana: httpx.Client, models: list[str]
) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    (commands,) = [block for block in blocks if "/api/ml/" in block]
    number = project(ana, CHOICES, [{"text": "joy"}, {"text": "grief"}])
    token = service.token("ana", "lab")
    env = {"MLPI_URL": service.url, "MLPI_TOKEN": token, "PROJECT": str(number)}
    done = subprocess.run(
        ["sh", "-ec", commands],
        env=clean_environment(env),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    until(lambda: len(predictions(ana, number)) == 2, 300)


# --- ML backends elsewhere


class Backend:
    """What an ML backend of label-studio-ml answers, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, str | None]] = []
        self.fails = ""

    def answer(self, path: str, sent: Any) -> tuple[int, Any]:
        if path == self.fails:
            return 500, {"error": "no"}
        if path == "/health":
            return 200, {"status": "UP"}
        if path == "/setup":
            return 200, {"model_version": "far-7"}
        if path == "/predict":
            if any(task["data"]["text"] == "poison" for task in sent["tasks"]):
                return 500, {}
            return 200, {"results": [self._said(task["data"]["text"]) for task in sent["tasks"]]}
        return (200, {}) if path == "/webhook" else (404, {})

    def _said(self, text: str) -> dict[str, Any]:
        choice = "furious" if text == "odd" else "sad"
        result = {
            "from_name": "mood",
            "to_name": "t",
            "type": "choices",
            "value": {"choices": [choice]},
        }
        return {"result": [result], "score": 0.25, "model_version": "far-7"}


@contextmanager
def serving(backend: Backend) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self, sent: Any) -> None:
            path = self.path.partition("?")[0]
            backend.asked.append((path, sent, self.headers.get("Authorization")))
            status, body = backend.answer(path, sent)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self._serve(None)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            self._serve(json.loads(self.rfile.read(length)))

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_an_ml_backend_elsewhere_predicts(ana: httpx.Client) -> None:
    backend = Backend()
    texts = ["one", "odd", "poison", *(f"text {n}" for n in range(20))]
    number = project(ana, CHOICES, [{"text": one} for one in texts])
    with serving(backend) as url:
        made = add(
            ana,
            number,
            url=url,
            title="Far",
            auth_method="BASIC_AUTH",
            basic_auth_user="u",
            basic_auth_pass="p",
            is_interactive=True,
        )
        assert made.status_code == 201, made.text
        one = made.json()
        assert (one["state"], one["model_version"], one["basic_auth_pass_is_set"]) == (
            "CO",
            "far-7",
            True,
        )
        job = run(ana, number)
        assert job["state"] == "succeeded", job
        assert (job["result"]["predictions"], job["result"]["refused"]) == (21, 2)
        assert {told["reason"] for told in job["result"]["told"]} == {
            f"{url}/predict answered 500.",
            (
                "result[0].value.choices holds 'furious', which is no choice of 'mood'. "
                "Choices are glad, sad."
            ),
        }
        at = f"/api/ml/{one['id']}"
        task = ana.get(f"/api/tasks/?project={number}").json()["tasks"][0]["id"]
        said = ana.post(f"{at}/interactive-annotating", json={"task": task, "context": {"x": 1}})
        assert said.json()["data"]["score"] == 0.25
        assert backend.asked[-1][1]["params"]["context"] == {"x": 1}
        assert ana.get(f"{at}/versions").json() == {
            "versions": ["far-7"],
            "message": "Upgrade your ML backend version to latest.",
        }
        assert ana.post(f"{at}/train").status_code == 200
        assert backend.asked[-1][1]["action"] == "START_TRAINING"
        assert ana.post(f"{at}/predict/test").status_code == 501
        basic = "Basic " + base64.b64encode(b"u:p").decode()
        assert {auth for _, _, auth in backend.asked} == {basic}
        changed = ana.patch(at, json={"title": "Farther"})
        assert changed.json()["title"] == "Farther"
        backend.fails = "/setup"
        refused = ana.patch(at, json={"title": "No"})
        assert refused.status_code == 400
        assert "doesn't look like a valid ML backend" in refused.text
    assert ana.post(f"{at}/interactive-annotating", json={"task": task}).json()["errors"]
    gone = add(ana, number, url=url)
    assert gone.status_code == 400
    assert "health check failed" in gone.text
    assert ana.delete(at).status_code == 204
    assert ana.get(at).status_code == 404
    assert len(predictions(ana, number)) == 21


# --- the page


def test_the_page_shows_models_runs_and_versions(
    service: Service, ana: httpx.Client, models: list[str]
) -> None:
    number = project(ana, CHOICES, [{"text": one} for one in GLAD])
    query = {"workspace": "lab"}
    page = f"/labels/{number}/models"
    with service.browser("ana") as browser:
        empty = browser.get(page, params=query).text
        assert "No model predicts for this project yet" in empty
        assert "models:/moods@best" in empty
        wrong = browser.post(page, params=query, data={"source": "models:/absent/1"})
        assert wrong.status_code == 422
        assert "There is no registered model" in wrong.text
        added = browser.post(page, params=query, data={"source": "models:/moods/1"})
        assert added.status_code == 303, added.text
        (backend,) = ana.get(f"/api/ml/?project={number}").json()
        browser.post(f"{page}/{backend['id']}/run", params=query)
        until(lambda: "5 predictions by moods/1" in browser.get(page, params=query).text, 300)
        tried = browser.post(f"{page}/{backend['id']}/try", params=query)
        assert tried.status_code == 303
        where = tried.headers["location"]
        until(lambda: "Nothing was stored" in browser.get(where).text, 300)
        versions = f"/labels/{number}/versions"
        browser.post(
            f"{versions}/accept", params=query, data={"version": "moods/1", "at_least": "0.5"}
        )
        assert "right in 100.0 % of 5" in browser.get(page, params=query).text
        browser.post(f"{versions}/shown", params=query, data={"version": ""})
        assert ana.get(f"/api/projects/{number}/").json()["model_version"] == ""
        browser.post(f"{versions}/remove", params=query, data={"version": "moods/1"})
        assert predictions(ana, number) == []
        removed = browser.post(f"{page}/{backend['id']}/remove", params=query)
        assert removed.status_code == 303
