"""The pages of registered models over a real socket, with models of MLflow's own client."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import quote

import httpx
import mlflow
import mlflow.sklearn
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.tracking import fluent
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from tests.service import Service


@dataclass
class Lab:
    """ana's client in lab, and a run of hers with a model of depth 2 or 3 each."""

    client: MlflowClient
    service: Service

    def log(self, depth: int, registered: str | None = None) -> str:
        """The id of a run that logged a real model with a signature."""
        inputs, labels = load_iris(return_X_y=True, as_frame=True)
        if depth == 2:
            inputs = inputs.drop(columns=inputs.columns[0])
        model = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(inputs, labels)
        mlflow.set_experiment("models pages")
        with mlflow.start_run(run_name=f"tree of depth {depth}") as run:
            mlflow.log_param("max_depth", depth)
            mlflow.log_metric("leaves", model.get_n_leaves())
            mlflow.sklearn.log_model(
                model,
                name="tree",
                signature=infer_signature(inputs, model.predict(inputs)),
                registered_model_name=registered,
                pip_requirements=["scikit-learn"],
                serialization_format="cloudpickle",
            )
        id_: str = run.info.run_id
        return id_


@pytest.fixture
def lab(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    for name in os.environ:
        if name.startswith("MLFLOW_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", service.url)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", service.token("ana", "lab"))
    mlflow.set_tracking_uri(service.url)
    yield Lab(MlflowClient(service.url), service)
    while mlflow.active_run():
        mlflow.end_run()
    fluent._active_experiment_id = None
    mlflow.set_tracking_uri(None)


def at(name: str, rest: str = "") -> str:
    return f"/tracking/models/{quote(name, safe='')}{rest}"


def got(browser: httpx.Client, path: str, **query: Any) -> str:
    answer = browser.get(path, params={"workspace": "lab", **query})
    assert answer.status_code == 200, answer.text
    return answer.text


def posted(browser: httpx.Client, path: str, **form: Any) -> httpx.Response:
    return browser.post(path, params={"workspace": "lab"}, data=form)


def words(html: str) -> str:
    """The text of a page, as one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_a_real_model_is_shown_with_its_signature_and_code_that_loads_it(lab: Lab) -> None:
    name = "pages real model"
    lab.log(2, name)
    run_id = lab.log(3, name)
    lab.client.set_registered_model_alias(name, "champion", "2")
    lab.client.update_registered_model(name, "Tells **irises** apart. <script>alert(1)</script>")
    with lab.service.browser("vic") as vic:
        listed = words(got(vic, "/tracking/models", q=name))
        assert "champion → v2" in listed
        page = got(vic, at(name))
        assert "<strong>irises</strong>" in page
        assert "<script>alert" not in page
        assert f"/tracking/runs/{run_id}" in page
        html = got(vic, at(name, "/versions/2"))
        page = words(html)
        for part in ("sepal length (cm) double", "tensor int64 (-1)", "leaves 5", "max_depth 3"):
            assert part in page
        assert "scikit-learn" in page
        assert "python_function" in page
        code = unescape(re.findall(r'<pre id="load-1"[^>]*>(.*?)</pre>', html, re.DOTALL)[0])
        assert f'mlflow.sklearn.load_model("models:/{name}@champion")' in code
        found: dict[str, Any] = {}
        exec(code, found)  # what the page tells people to run
        assert found["model"].max_depth == 3
        difference = words(got(vic, at(name, "/compare"), a=1, b=2))
        assert "≠ sepal length (cm) – double" in difference
        assert "≠ max_depth 2 3" in difference
        assert "≠ leaves 3 5" in difference
        assert "≠ aliases – champion" in difference
        assert " petal width (cm) double double" in difference


def test_a_model_registered_from_its_run_is_loaded_by_its_alias(lab: Lab) -> None:
    name = "pages from run & 100% ü"
    run_id = lab.log(3)
    path = f"/tracking/runs/{run_id}/register"
    with lab.service.browser("eve") as eve, lab.service.browser("vic") as vic:
        assert "/register" in got(eve, f"/tracking/runs/{run_id}")
        html = got(eve, path)
        key = re.findall(r'<option value="(models:/m-[0-9a-f]+)"', html)[0]
        assert "<form" not in got(vic, path).partition('id="register"')[2].partition("</main>")[0]
        assert posted(vic, path, model=key, name=name).status_code == 403
        refused = posted(eve, path, model=key, name="a/b")
        assert refused.status_code == 422
        assert "neither / nor :" in refused.text
        assert 'value="a/b"' in refused.text
        assert posted(eve, path, model="models:/m-0", name=name).status_code == 404
        made = posted(eve, path, model=key, name=name)
        assert made.status_code == 303
        assert made.headers["location"].startswith(at(name, "/versions/1"))
        assert posted(eve, path, model=key, name=name).status_code == 303
        alias = posted(eve, at(name, "/versions/2/alias"), alias="champion")
        assert alias.status_code == 303
        assert f"{name} v2" in words(got(eve, path))
    version = lab.client.get_model_version_by_alias(name, "champion")
    assert (int(version.version), version.run_id, version.source) == (2, run_id, key)
    model = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    rows = load_iris(as_frame=True).data.head(2)
    assert list(model.predict(rows)) == [0, 0]
    logged = lab.client.get_logged_model(key.removeprefix("models:/"))
    known = json.loads(logged.tags["mlflow.modelVersions"])
    assert {(one["name"], int(one["version"])) for one in known} == {(name, 1), (name, 2)}


def test_a_model_among_a_run_s_files_is_registered_too(lab: Lab) -> None:
    name = "pages from files"
    mlflow.set_experiment("models pages")
    with mlflow.start_run() as run:
        mlflow.log_text("flavors: {}\n", "old model/MLmodel")
        mlflow.log_text("x", "plots/x.txt")
    path = f"/tracking/runs/{run.info.run_id}/register"
    with lab.service.browser("eve") as eve:
        assert re.findall(r'<option value="(path:[^"]*)"', got(eve, path)) == ["path:old model"]
        assert posted(eve, path, model="path:plots", name=name).status_code == 404
        assert posted(eve, path, model="path:old model", name=name).status_code == 303
        assert "logged without a signature" in got(eve, at(name, "/versions/1"))
    version = lab.client.get_model_version(name, "1")
    assert version.source == f"{run.info.artifact_uri}/old model"


def test_everything_about_a_model_is_changed_by_forms(lab: Lab) -> None:
    name, new = "pages changed", "pages changed & renamed"
    service = lab.service
    with (
        service.browser("eve") as eve,
        service.browser("ana") as ana,
        service.browser("vic") as vic,
    ):
        made = posted(eve, "/tracking/models", name=f" {name} ")
        assert made.headers["location"].startswith(at(name))
        again = posted(eve, "/tracking/models", name=name)
        assert again.status_code == 422
        assert "already" in again.text
        assert "sqlite" not in again.text.lower()
        assert posted(vic, at(name, "/describe"), description="no").status_code == 403
        assert posted(eve, at(name, "/describe"), description="so it *is*").status_code == 303
        long = posted(eve, at(name, "/describe"), description="y" * 5001)
        assert long.status_code == 422
        assert "MLflow keeps 5,000" in long.text
        assert "y" * 5001 in long.text
        assert posted(eve, at(name, "/tags"), key="team", value="a b").status_code == 303
        assert posted(eve, at(name, "/tags"), key="old", value="x").status_code == 303
        assert posted(eve, at(name, "/tags/remove"), key="old").status_code == 303
        hidden = posted(eve, at(name, "/tags"), key="mlflow.prompt.is_prompt", value="true")
        assert hidden.status_code == 422
        assert posted(eve, at(name, "/rename"), new="a:b").status_code == 422
        moved = posted(eve, at(name, "/rename"), new=new)
        assert moved.headers["location"].startswith(at(new))
        stored = lab.client.get_registered_model(new)
        assert (stored.description, stored.tags) == ("so it *is*", {"team": "a b"})
        assert eve.get(at(name), params={"workspace": "lab"}).status_code == 404
        assert "<em>is</em>" in got(eve, at(new))
        assert posted(eve, at(new, "/delete")).status_code == 403
        assert posted(ana, at(new, "/delete")).status_code == 303
    with pytest.raises(MlflowException, match="not found"):
        lab.client.get_registered_model(new)
    with service.browser("admin") as admin:
        audit = words(admin.get("/settings/audit", params={"q": "pages changed"}).text)
    for deed in ("created", "described", "tagged", "untagged", "renamed", "deleted"):
        assert f"model {deed}" in audit


def test_everything_about_a_version_is_changed_by_forms(lab: Lab) -> None:
    name = "pages versions"
    lab.client.create_registered_model(name)
    mlflow.set_experiment("models pages")
    with mlflow.start_run() as run:
        mlflow.log_text("flavors: {}\n", "m/MLmodel")
    for _ in range(3):
        lab.client.create_model_version(name, f"{run.info.artifact_uri}/m", run.info.run_id)

    def one(number: int, rest: str = "") -> str:
        return at(name, f"/versions/{number}{rest}")

    with lab.service.browser("eve") as eve, lab.service.browser("ana") as ana:
        assert posted(eve, one(1, "/alias"), alias="best", back="model").status_code == 303
        assert posted(eve, one(2, "/alias"), alias="best").status_code == 303
        assert int(lab.client.get_registered_model(name).aliases["best"]) == 2
        for bad in ("latest", "v7", "two words", ""):
            refused = posted(eve, one(1, "/alias"), alias=bad, back="model")
            assert refused.status_code == 422, bad
            assert 'role="alert"' in refused.text
        assert posted(eve, at(name, "/aliases/remove"), alias="best").status_code == 303
        assert lab.client.get_registered_model(name).aliases == {}
        assert posted(eve, one(2, "/describe"), description="the second").status_code == 303
        assert posted(eve, one(2, "/tags"), key="ok", value="yes").status_code == 303
        assert posted(eve, one(2, "/tags"), key="gone", value="x").status_code == 303
        assert posted(eve, one(2, "/tags/remove"), key="gone").status_code == 303
        stored = lab.client.get_model_version(name, "2")
        assert (stored.description, stored.tags) == ("the second", {"ok": "yes"})
        assert 'name="stage"' not in got(eve, one(2))
        assert posted(eve, one(1, "/stage"), stage="nowhere").status_code == 422
        assert posted(eve, one(1, "/stage"), stage="Production").status_code == 303
        assert 'name="stage"' in got(eve, one(2))
        move = posted(eve, one(2, "/stage"), stage="Production", archive="1")
        assert move.status_code == 303
        assert lab.client.get_model_version(name, "1").current_stage == "Archived"
        assert posted(eve, one(3, "/delete")).status_code == 403
        assert posted(ana, one(3, "/delete")).status_code == 303
        assert eve.get(one(3), params={"workspace": "lab"}).status_code == 404
        assert "2 versions" in words(got(eve, at(name)))
        for query in ({"a": 1}, {"a": 1, "b": 1}):
            answer = eve.get(at(name, "/compare"), params={"workspace": "lab", **query})
            assert answer.status_code == 422
            assert "Two different versions" in answer.text
        assert "the same run" in got(eve, at(name, "/compare"), a=1, b=2)
        assert eve.get(one(0), params={"workspace": "lab"}).status_code == 404


def test_many_versions_come_in_pages(lab: Lab) -> None:
    name = "pages many versions"
    lab.client.create_registered_model(name)
    mlflow.set_experiment("models pages")
    with mlflow.start_run() as run:
        mlflow.log_text("flavors: {}\n", "m/MLmodel")
    for _ in range(52):
        lab.client.create_model_version(name, f"{run.info.artifact_uri}/m", run.info.run_id)
    with lab.service.browser("vic") as vic:
        first = got(vic, at(name))
        assert len(re.findall(r">Version \d+</a>", first)) == 50
        assert "before=3" in first
        assert re.findall(r">(Version \d+)</a>", got(vic, at(name), before=3)) == [
            "Version 2",
            "Version 1",
        ]


def test_a_prompt_is_no_model(lab: Lab) -> None:
    name = "pages-greeting"
    mlflow.genai.register_prompt(name, "Hello {{name}}")
    with lab.service.browser("ana") as ana:
        for path in (at(name), at(name, "/versions/1"), at(name, "/compare?a=1&b=2")):
            there = ana.get(path, params={"workspace": "lab", "a": 1, "b": 2})
            assert there.status_code == 303
            assert there.headers["location"].startswith(f"/tracking/prompts/{name}")
        assert posted(ana, at(name, "/delete")).status_code == 404
        assert posted(ana, at(name, "/versions/1/delete")).status_code == 404
        run_id = lab.log(3)
        path = f"/tracking/runs/{run_id}/register"
        key = re.findall(r'<option value="(models:/m-[0-9a-f]+)"', got(ana, path))[0]
        refused = posted(ana, path, model=key, name=name)
        assert refused.status_code == 422
        assert "is a prompt" in refused.text
    assert mlflow.genai.load_prompt(name, version=1).template == "Hello {{name}}"


def test_strangers_see_and_touch_nothing(lab: Lab) -> None:
    name = "pages of lab alone"
    run_id = lab.log(3, name)
    with lab.service.browser("otto") as otto:
        for path in (at(name), at(name, "/versions/1"), f"/tracking/runs/{run_id}/register"):
            assert otto.get(path, params={"workspace": "other"}).status_code == 404
        for path in ("/delete", "/versions/1/delete", "/versions/1/alias"):
            gone = otto.post(at(name, path), params={"workspace": "other"}, data={"alias": "x"})
            assert gone.status_code == 404
        found = otto.get("/search", params={"q": name, "workspace": "other"})
        assert at(name) not in found.text
    assert lab.client.get_model_version(name, "1").current_stage == "None"


def test_a_link_to_a_model_leads_to_its_workspace_unless_two_have_the_name(lab: Lab) -> None:
    name = "pages linked to"
    lab.log(3, name)
    with lab.service.browser("admin") as admin, lab.service.browser("otto") as otto:
        for path in (at(name), at(name, "/versions/1")):
            led = admin.get(path)
            assert led.status_code == 303
            assert led.headers["location"] == f"{path}?workspace=lab"
            assert admin.get(f"{path}?workspace=other").status_code == 404
            assert otto.get(path).status_code == 404
        with lab.service.client(lab.service.token("otto", "other")) as client:
            made = client.post("/api/2.0/mlflow/registered-models/create", json={"name": name})
            assert made.status_code == 200, made.text
        torn = admin.get(at(name))
        assert torn.status_code == 404
        assert "in lab and in other" in torn.text


def test_the_header_s_search_leads_to_the_model(lab: Lab) -> None:
    name = "pages searched for"
    lab.client.create_registered_model(name)
    with lab.service.browser("vic") as vic:
        found = got(vic, "/search", q="searched for")
        assert f'href="{at(name)}"' in found
        assert vic.get("/tracking/models", params={"sort": "size"}).status_code == 422
        marker = vic.get("/tracking/models", params={"after": "xx"})
        assert "page marker" in marker.text
