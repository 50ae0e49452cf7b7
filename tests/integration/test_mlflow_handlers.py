"""MLflow's own handlers that go wrong in a lean process or in the default workspace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.service import Service

HANDLERS = "/ajax-api/2.0/mlflow"


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    """A member of the default workspace."""
    if "handlers-una" not in service.mlpi("user", "list"):
        service.add_user("handlers-una")
        service.mlpi("member", "add", "default", "handlers-una", "editor")
    with service.client(service.token("handlers-una", "default")) as client:
        yield client


def new_run(client: httpx.Client, name: str) -> dict[str, str]:
    """A run in an experiment of this name."""
    body = {"name": name}
    made = client.post("/api/2.0/mlflow/experiments/create", json=body).raise_for_status().json()
    run = client.post("/api/2.0/mlflow/runs/create", json=made).raise_for_status().json()
    return dict(run["run"]["info"])


@pytest.mark.parametrize("path", ["note.txt", "deep/er/note.txt"])
def test_an_uploaded_artifact_of_the_default_workspace_is_found_again(
    client: httpx.Client, path: str
) -> None:
    run = new_run(client, f"handlers upload {path.replace('/', ' ')}")
    where = {"run_uuid": run["run_id"], "path": path}
    client.post(f"{HANDLERS}/upload-artifact", params=where, content=b"hello").raise_for_status()
    assert client.get("/get-artifact", params=where).content == b"hello"


def test_a_prompt_engineering_run_finishes(client: httpx.Client) -> None:
    run = new_run(client, "handlers promptlab")
    body = {
        "experiment_id": run["experiment_id"],
        "prompt_template": "Say {{word}}",
        "prompt_parameters": [{"key": "word", "value": "hello"}],
        "model_route": "route",
        "model_parameters": [{"key": "temperature", "value": "0.1"}],
        "model_input": "Say hello",
        "model_output": "hello",
        "mlflow_version": "3.17.2",
    }
    answer = client.post(f"{HANDLERS}/runs/create-promptlab-run", json=body).raise_for_status()
    made = answer.json()["run"]["info"]
    assert made["status"] == "FINISHED"
    where = {"run_id": made["run_id"], "path": "eval_results_table.json"}
    assert "hello" in client.get("/get-artifact", params=where).text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/ajax-api/3.0/mlflow/genai/evaluate/invoke", {"trace_ids": [], "serialized_scorers": []}),
        ("/ajax-api/3.0/mlflow/issues/invoke", {"trace_ids": [], "categories": ["safety"]}),
        ("/ajax-api/3.0/mlflow/scorer/invoke", {"serialized_scorer": "{}", "trace_ids": []}),
        ("/api/3.0/mlflow/prompt-optimization/jobs", {"source_prompt_uri": "prompts:/handlers/1"}),
        ("/ajax-api/3.0/jobs/", {"job_name": "run_online_trace_scorer", "params": {}}),
    ],
)
def test_what_needs_mlflow_s_own_runner_is_refused_before_it_leaves_a_run_behind(
    client: httpx.Client, path: str, body: dict[str, Any]
) -> None:
    experiment = new_run(client, f"handlers runner {path.replace('/', ' ')}")["experiment_id"]
    answer = client.post(path, json={**body, "experiment_id": experiment})
    assert answer.status_code == 501
    assert answer.json()["error_code"] == "NOT_IMPLEMENTED"
    assert "mlflow.genai.evaluate()" in answer.json()["message"]
    asked = {"experiment_ids": [experiment]}
    found = client.post("/api/2.0/mlflow/runs/search", json=asked).raise_for_status().json()
    assert len(found["runs"]) == 1  # the one this test made
