"""MLflow's own client, unmodified, with nothing but an address and a token."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from mlflow.tracking import fluent

from tests.service import Service, running_service


@pytest.fixture
def use(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Become a user: use("ana", "lab") sets the two variables a client needs."""
    for name in os.environ:
        if name.startswith("MLFLOW_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", service.url)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")

    def become(user: str, workspace: str, role: str | None = None) -> MlflowClient:
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", service.token(user, workspace, role))
        mlflow.set_tracking_uri(service.url)
        return MlflowClient(service.url)

    yield become
    while mlflow.active_run():
        mlflow.end_run()
    fluent._active_experiment_id = None
    mlflow.set_tracking_uri(None)


def experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name)


def test_runs_params_metrics_tags_and_search(use) -> None:  # type: ignore[no-untyped-def]
    client = use("ana", "lab")
    mlflow.set_experiment("client-runs")
    with mlflow.start_run(run_name="parent") as parent:
        mlflow.log_params({"lr": 0.1, "kind": "mlp"})
        for step in range(20):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"accuracy": 0.97, "f1": float("nan")})
        mlflow.set_tag("stage", "draft")
        with mlflow.start_run(run_name="child", nested=True) as child:
            mlflow.log_metric("accuracy", 0.5)
    found = client.get_run(parent.info.run_id)
    assert found.data.params == {"lr": "0.1", "kind": "mlp"}
    assert found.data.metrics["accuracy"] == 0.97
    assert len(client.get_metric_history(parent.info.run_id, "loss")) == 20
    assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == parent.info.run_id
    best = mlflow.search_runs(
        experiment_names=["client-runs"],
        filter_string="metrics.accuracy > 0.9 and params.kind = 'mlp'",
        output_format="list",
    )
    assert [run.info.run_id for run in best] == [parent.info.run_id]
    with pytest.raises(MlflowException, match="Changing param values is not allowed"):
        client.log_param(parent.info.run_id, "lr", 0.2)


def test_artifacts_of_fifty_megabytes_come_back_whole(use, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    client = use("ana", "lab")
    big = tmp_path / "big.bin"
    big.write_bytes(os.urandom(1_000_000) * 50)
    run = client.create_run(experiment(client, "client-artifacts"))
    client.log_artifact(run.info.run_id, str(big), "deep/er")
    client.log_text(run.info.run_id, "grüße", "note.txt")
    assert {a.path for a in client.list_artifacts(run.info.run_id)} == {"deep", "note.txt"}
    back = client.download_artifacts(run.info.run_id, "deep/er/big.bin", str(tmp_path / "back"))
    assert Path(back).read_bytes() == big.read_bytes()


def test_a_model_is_registered_named_and_loaded(use) -> None:  # type: ignore[no-untyped-def]
    from sklearn.datasets import load_digits
    from sklearn.tree import DecisionTreeClassifier

    client = use("ana", "lab")
    images, labels = load_digits(return_X_y=True)
    model = DecisionTreeClassifier(max_depth=8, random_state=0).fit(images, labels)
    mlflow.set_experiment("client-models")
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            model,
            name="model",
            registered_model_name="client-tree",
            pip_requirements=["scikit-learn"],
            serialization_format="cloudpickle",
        )
    client.set_registered_model_alias("client-tree", "champion", 1)
    client.set_model_version_tag("client-tree", "1", "checked", "yes")
    loaded = mlflow.pyfunc.load_model("models:/client-tree@champion")
    assert list(loaded.predict(images[:50])) == list(model.predict(images[:50]))
    assert [m.name for m in client.search_registered_models("name = 'client-tree'")] == [
        "client-tree"
    ]


def test_traces_are_kept_and_found(use) -> None:  # type: ignore[no-untyped-def]
    use("ana", "lab")
    place = mlflow.set_experiment("client-traces")

    @mlflow.trace
    def answer(question: str) -> str:
        with mlflow.start_span("think") as span:
            span.set_inputs({"question": question})
        return "42"

    answer("what")
    mlflow.flush_trace_async_logging()
    (trace,) = mlflow.search_traces(locations=[place.experiment_id], return_type="list")
    assert [span.name for span in trace.data.spans] == ["answer", "think"]


def test_a_viewer_cannot_write_through_the_client(use) -> None:  # type: ignore[no-untyped-def]
    owner = use("ana", "lab")
    place = experiment(owner, "client-viewing")
    run = owner.create_run(place)
    viewer = use("vic", "lab")
    assert viewer.get_run(run.info.run_id).info.run_id == run.info.run_id
    assert [r.info.run_id for r in viewer.search_runs([place])] == [run.info.run_id]
    for write in (
        lambda: viewer.create_experiment("client-no"),
        lambda: viewer.create_run(place),
        lambda: viewer.log_metric(run.info.run_id, "m", 1.0),
        lambda: viewer.log_batch(run.info.run_id, params=[mlflow.entities.Param("a", "b")]),
        lambda: viewer.set_tag(run.info.run_id, "a", "b"),
        lambda: viewer.delete_run(run.info.run_id),
        lambda: viewer.log_text(run.info.run_id, "x", "x.txt"),
        lambda: viewer.create_registered_model("client-no"),
    ):
        with pytest.raises(Exception, match=r"(?i)viewer|403|forbidden|PERMISSION_DENIED"):
            write()
    assert owner.get_experiment_by_name("client-no") is None
    assert viewer.get_run(run.info.run_id).data.metrics == {}


def test_a_stranger_sees_nothing(use, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    client = use("ana", "lab")
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN")
    with pytest.raises(MlflowException, match=r"(?i)log in|401|UNAUTHENTICATED"):
        client.search_experiments()
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "mlpi_made_up")
    with pytest.raises(MlflowException, match=r"(?i)not valid|401|UNAUTHENTICATED"):
        client.search_experiments()


def test_a_member_of_another_workspace_sees_nothing(use, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    ana = use("ana", "lab")
    place = experiment(ana, "client-secret")
    run = ana.create_run(place)
    ana.log_text(run.info.run_id, "secret", "secret.txt")
    ana.create_registered_model("client-secret-model")
    otto = use("otto", "other")
    assert "client-secret" not in [e.name for e in otto.search_experiments()]
    assert otto.get_experiment_by_name("client-secret") is None
    assert "client-secret-model" not in [m.name for m in otto.search_registered_models()]
    for read in (
        lambda: otto.get_experiment(place),
        lambda: otto.get_run(run.info.run_id),
        lambda: otto.list_artifacts(run.info.run_id),
        lambda: otto.get_registered_model("client-secret-model"),
        lambda: otto.log_metric(run.info.run_id, "m", 1.0),
        lambda: mlflow.artifacts.load_text(f"{run.info.artifact_uri}/secret.txt"),
    ):
        with pytest.raises((MlflowException, requests.HTTPError)):
            read()
    assert otto.search_runs([place]) == []
    monkeypatch.setenv("MLFLOW_WORKSPACE", "lab")
    with pytest.raises(RestException, match="not a member"):
        otto.search_experiments()


def test_the_same_name_lives_in_two_workspaces(use) -> None:  # type: ignore[no-untyped-def]
    ids = [
        use(*who).create_experiment("client-twin") for who in (("ana", "lab"), ("otto", "other"))
    ]
    assert len(set(ids)) == 2


def test_a_client_lists_the_workspaces_it_may_see(use) -> None:  # type: ignore[no-untyped-def]
    use("ana", "lab")
    assert [place.name for place in mlflow.list_workspaces()] == ["lab"]
    with pytest.raises(MlflowException, match="not a member"):
        mlflow.get_workspace("other")
    assert mlflow.get_workspace("lab").name == "lab"


def test_a_run_without_an_experiment_lands_in_experiment_0(use) -> None:  # type: ignore[no-untyped-def]
    client = use("admin", "default")
    with mlflow.start_run() as run:
        pass
    assert client.get_experiment(run.info.experiment_id).name == "Default"
    assert run.info.experiment_id == "0"


def test_the_prefix_works_too(use, service: Service) -> None:  # type: ignore[no-untyped-def]
    use("ana", "lab")
    mlflow.set_tracking_uri(f"{service.url}/mlflow")
    client = MlflowClient()
    run = client.create_run(experiment(client, "client-prefix"))
    client.log_text(run.info.run_id, "hello", "hello.txt")
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/hello.txt") == "hello"


def test_graphql_answers_for_this_workspace_alone(use, service: Service) -> None:  # type: ignore[no-untyped-def]
    client = use("ana", "lab")
    place = experiment(client, "client-graphql")
    query = {
        "query": "query ($id: String!) { mlflowGetExperiment(input: {experimentId: $id}) "
        "{ experiment { name } apiError { message } } }",
        "variables": {"id": place},
    }
    for user, workspace, name in (("vic", "lab", "client-graphql"), ("otto", "other", None)):
        with service.client(service.token(user, workspace)) as http:
            found = http.post("/graphql", json=query).json()["data"]["mlflowGetExperiment"] or {}
        assert (found.get("experiment") or {}).get("name") == name


def test_rare_routes_load_at_their_first_request(tmp_path: Path) -> None:
    with running_service(tmp_path) as fresh:
        fresh.wait_ready()
        fresh.add_user("root")
        assert not _has_loaded(fresh, "pandas")
        with fresh.client(fresh.token("root", "default")) as client:
            assert client.post("/api/2.0/mlflow/runs/search", json={}).status_code == 200
            assert not _has_loaded(fresh, "pandas")
            assert client.get("/gateway/mlflow/v1/models").status_code == 200
            assert client.get("/api/3.0/mlflow/mcp-servers").status_code == 200


def _has_loaded(service: Service, package: str) -> bool:
    """Whether a package's compiled modules are mapped into the process."""
    assert service.process is not None
    maps = Path(f"/proc/{service.process.pid}/maps").read_text()
    assert "/numpy/" in maps
    return f"/{package}/" in maps
