"""mlpi demo, mlpi serve --demo, mlpi demo --remove: real training through a real service."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import mlflow
import psutil
import pytest
from mlflow import MlflowClient
from mlflow.tracking import fluent
from sklearn.datasets import load_digits

from mlpi.boards import demo as boards_demo
from mlpi.demo import State
from mlpi.settings import Settings
from mlpi.tracking import demo as tracking_demo
from mlpi.vectors import demo as vectors_demo
from tests.postgres import Postgres
from tests.service import Service, clean_environment, mlpi, running_service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

EXPERIMENTS = {
    "breast-cancer-screening",
    "diabetes-regression",
    "digits-baselines",
    "mlp-training-curves",
    "wine-regularisation",
}
PNG = b"\x89PNG\r\n\x1a\n"
# What a visit changes, and what is kept on purpose.
PASSING = {"audit", "sessions"}
VISITS = {"last_used_at", "last_login_at"}

Connect = Callable[[Service, str], MlflowClient]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """connect(service, token): MLflow's client with nothing but an address and a token."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

    def connecting(service: Service, token: str) -> MlflowClient:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", service.url)
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
        mlflow.set_tracking_uri(service.url)
        fluent._active_experiment_id = None
        return MlflowClient(service.url)

    yield connecting
    while mlflow.active_run():
        mlflow.end_run()
    fluent._active_experiment_id = None
    mlflow.set_tracking_uri(None)


def rows(path: Path) -> dict[str, list[str]]:
    """Every row of every table, times of last use and login left out."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: sorted(
                str({key: row[key] for key in row.keys() if key not in VISITS})  # noqa: SIM118
                for row in db.execute(f"SELECT * FROM {name}")
            )
            for (name,) in tables
            if name not in PASSING
        }


def everything(home: Path) -> dict[str, object]:
    """All that a home holds: the rows of both databases, and the artifacts by path and content."""
    artifacts = home / "mlflow" / "artifacts"
    return {
        "mlpi.db": rows(home / "mlpi.db"),
        "mlflow.db": rows(home / "mlflow" / "mlflow.db"),
        "artifacts": {
            str(path.relative_to(artifacts)): path.read_bytes() if path.is_file() else None
            for path in artifacts.rglob("*")
        },
        "logs": sorted(str(path) for path in (home / "tensorboard").rglob("*")),
        "boards.sqlite3": kept_runs(home),
    }


def kept_runs(home: Path) -> list[tuple[str, str]]:
    """Workspace and name of each run in the cache of boards."""
    path = home / "cache" / "boards.sqlite3"
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        found: list[tuple[str, str]] = db.execute("SELECT workspace, name FROM runs").fetchall()
    return sorted(found)


def files_named_demo(home: Path) -> list[Path]:
    return [path for path in home.rglob("*demo*") if "cache" not in path.parts]


def make_other_work(client: MlflowClient) -> None:
    """Something of every kind that the demo has too."""
    from sklearn.tree import DecisionTreeClassifier

    mlflow.set_experiment("mine")
    x, y = load_digits(return_X_y=True)
    with mlflow.start_run(run_name="mine"):
        mlflow.log_params({"depth": 3})
        mlflow.log_input(mlflow.data.from_numpy(x, targets=y, name="digits"), context="training")
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_text("mine", "note.txt")
        mlflow.sklearn.log_model(
            DecisionTreeClassifier(max_depth=3).fit(x, y),
            name="model",
            registered_model_name="digits-classifier",  # the same name, in another workspace
            pip_requirements=["scikit-learn"],
            serialization_format="cloudpickle",
        )
    client.set_registered_model_alias("digits-classifier", "champion", 1)
    with mlflow.start_span("mine"):
        pass
    mlflow.flush_trace_async_logging()


def check_content(client: MlflowClient, folder: Path) -> None:
    """What a person who looks at the demo is promised."""
    found = {one.name: one for one in client.search_experiments()}
    assert set(found) == EXPERIMENTS
    assert all(one.tags["mlflow.note.content"] for one in found.values())

    def runs_of(name: str, order: str = "attributes.start_time ASC") -> list[mlflow.entities.Run]:
        return list(client.search_runs([found[name].experiment_id], order_by=[order]))

    everyone = [run for name in EXPERIMENTS for run in runs_of(name)]
    assert {run.info.status for run in everyone} == {"FINISHED", "FAILED"}
    assert all(run.data.params for run in everyone)

    best = runs_of("digits-baselines", "metrics.accuracy DESC")
    assert len(best) == 5
    assert 1 > best[0].data.metrics["accuracy"] > 0.98
    assert best[0].inputs.dataset_inputs
    for image in ("plots/confusion_matrix.png", "plots/wrong_digits.png"):
        path = client.download_artifacts(best[0].info.run_id, image, str(folder))
        assert Path(path).read_bytes().startswith(PNG)
    table = client.download_artifacts(best[0].info.run_id, "per_digit.csv", str(folder))
    assert len(Path(table).read_text().splitlines()) == 11
    page = client.download_artifacts(best[0].info.run_id, "report.md", str(folder))
    assert Path(page).read_text().startswith(f"# {best[0].info.run_name}\n")

    for run in runs_of("mlp-training-curves"):
        losses = client.get_metric_history(run.info.run_id, "train_loss")
        assert [point.step for point in losses] == list(range(1, 81))
        assert losses[-1].value < losses[0].value

    parent, *children = runs_of("wine-regularisation")
    assert len(children) == 13
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    (failed,) = [run for run in children if run.info.status == "FAILED"]
    assert failed.data.params["solver"] == "lbfgs"
    assert "l1" in failed.data.tags["error"]

    (model,) = client.search_registered_models()
    assert model.name == "digits-classifier"
    assert model.description
    assert model.aliases == {"champion": "3", "challenger": "2"}
    assert len(client.search_model_versions("name = 'digits-classifier'")) == 3
    x, y = load_digits(return_X_y=True)
    for alias in model.aliases:
        loaded = mlflow.pyfunc.load_model(f"models:/digits-classifier@{alias}")
        assert loaded.metadata.signature is not None
        assert loaded.input_example is not None
        assert (loaded.predict(x) == y).mean() > 0.95

    traces = mlflow.search_traces(
        locations=[found["digits-baselines"].experiment_id], return_type="list"
    )
    assert len(traces) == 6
    assert {len(trace.data.spans) for trace in traces} == {3}
    prompt = client.get_prompt_version_by_alias("digit-answer", "production")
    assert prompt.version == 2
    assert prompt.variables == {"digit"}


def check_data(client: httpx.Client) -> None:
    """Wine that was good, wine with mistakes, and a checkpoint that noticed."""
    datasets = client.get("/api/mlpi/datasets").json()
    assert {(one["name"], one["version_count"]) for one in datasets} == {
        ("Breast cancer", 1),
        ("Wine", 2),
    }
    checks = {one["name"]: one["state"] for one in client.get("/api/mlpi/checks").json()}
    assert checks == {"Wine of every night": "failed", "Breast cancer": "passed"}
    runs = client.get("/api/mlpi/checks/Wine of every night/runs").json()
    assert [run["state"] for run in runs] == ["failed", "passed", "passed"]
    failed = client.get(f"/api/mlpi/checks/runs/{runs[0]['id']}").json()["failed"]
    assert {row for one in failed for row in one["rows"]} == {8, 17, 41}
    assert {job["state"] for job in client.get("/api/mlpi/jobs").json()} >= {"succeeded"}


def test_the_demo_is_filled_repeated_and_removed_beside_other_work(
    tmp_path: Path, connect: Connect
) -> None:
    with running_service(tmp_path) as service:
        service.add_user("admin")
        service.add_user("otto")
        service.mlpi("workspace", "add", "other", "--owner", "otto")
        token = service.token("otto", "other")
        make_other_work(connect(service, token))
        before = everything(service.home)

        told = service.mlpi("demo").splitlines()
        assert len(told) == 14
        assert all(any(line.startswith(name) for line in told) for name in EXPERIMENTS)
        assert told[-1].endswith(f": {service.url}/tracking?workspace=demo")
        # Its own token is stopped, and there is nothing else it could be mistaken for.
        assert "mlpi demo" not in service.mlpi("token", "list")
        with service.browser("admin") as admin:
            assert "digits-baselines" in admin.get("/tracking?workspace=demo").text

        demo_token = service.token("admin", "demo", "viewer")
        check_content(connect(service, demo_token), tmp_path)
        with service.client(demo_token) as client:
            check_data(client)
            assert collections(client) == {"digits", "scikit-learn-says"}
            check_logs(client)

        filled = everything(service.home)
        assert "complete already" in service.mlpi("demo")
        assert everything(service.home) == filled

        assert service.mlpi("demo", "--remove") == "The demo is removed, with its workspace.\n"
        assert everything(service.home) == before
        assert vectors_demo.state(Settings(home=service.home)) is State.ABSENT
        assert boards_demo.state(Settings(home=service.home)) is State.ABSENT
        assert not files_named_demo(service.home)
        assert httpx.get(
            f"{service.url}/api/mlpi/me", headers={"Authorization": f"Bearer {demo_token}"}
        ).is_client_error
        client = connect(service, token)
        x, _ = load_digits(return_X_y=True)
        assert len(mlflow.pyfunc.load_model("models:/digits-classifier@champion").predict(x)) > 0
        assert client.get_experiment_by_name("mine") is not None
        assert service.mlpi("demo", "--remove") == "There is no demo.\n"


def check_logs(client: httpx.Client) -> None:
    """Three learning rates, each with the losses of the MLflow run it is tied to."""
    api = "/api/2.0/mlflow"
    for rate in ("0.0002", "0.002", "0.02"):
        run = f"digits-mlp/learning-rate-{rate}"
        page = client.get("/boards/run", params={"run": run}).text
        for kind in ("Scalars", "Images", "Histograms", "Texts", "Hyperparameters"):
            assert f">{kind}</a>" in page
        (tied,) = set(re.findall(r"/tracking/runs/([0-9a-f]{32})", page))
        assert "as the file mlflow_run_id in its folder says" in page
        theirs = client.get(f"{api}/runs/get", params={"run_id": tied}).json()["run"]
        assert theirs["info"]["run_name"] == f"learning-rate-{rate}"
        (loss,) = [m["value"] for m in theirs["data"]["metrics"] if m["key"] == "train_loss"]
        (ours,) = re.findall(
            r'title="loss/train">loss/train</td><td class="num" title="([^"]+)"', page
        )
        assert float(ours) == pytest.approx(loss, rel=1e-3)


def collections(client: httpx.Client) -> set[str]:
    """Names of the demo's collections, as Chroma's API tells them."""
    found = client.get("/api/v2/tenants/default_tenant/databases/demo/collections").json()
    return {one["name"] for one in found}


def children_of(service: Service) -> list[psutil.Process]:
    assert service.process is not None
    return psutil.Process(service.process.pid).children(recursive=True)


def wait_until(happened: Callable[[], object], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def half_done(service: Service) -> bool:
    """Whether the demo's child has runs in the database already, and has not finished."""
    path = service.home / "mlflow" / "mlflow.db"
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            (count,) = db.execute("SELECT count(*) FROM runs").fetchone()
    except sqlite3.OperationalError:
        return False  # no table yet
    return int(count) > 1


def test_a_demo_that_was_killed_halfway_is_completed_by_the_next_one(
    tmp_path: Path, connect: Connect
) -> None:
    """serve --demo on a fresh home, before set-up; then mlpi demo with no service at all."""
    with running_service(tmp_path, "--demo") as service:
        wait_until(lambda: half_done(service))
        (child,) = children_of(service)
        # Whatever goes on, the service answers, and it is still not set up.
        assert httpx.get(f"{service.url}/healthz", timeout=10).text == "ok\n"
        assert "Set up mlpi here" in service.log
        service.stop(signal.SIGKILL)
        wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 10)
        settings = Settings(home=service.home)
        assert tracking_demo.state(settings) is State.PARTIAL

        told = service.mlpi("demo")
        assert "an unfinished demo is cleared away first" in told
        assert told.endswith("To look at it: mlpi serve\n")
        assert tracking_demo.state(settings) is State.COMPLETE
        assert "complete already" in service.mlpi("demo")

        service.add_user("admin")
        service.start("--demo")
        wait_until(lambda: "The demo is complete: " in service.log)
        check_content(connect(service, service.token("admin", "demo", "viewer")), tmp_path)


def demo_children_of(service: Service) -> list[psutil.Process]:
    """Processes that fill the demo; workers of its jobs come and go beside them."""
    found = []
    for child in children_of(service):
        with suppress(psutil.NoSuchProcess):
            found += [child] if "mlpi.demo" in " ".join(child.cmdline()) else []
    return found


def test_stopping_the_service_stops_the_demo(tmp_path: Path) -> None:
    with running_service(tmp_path, "--demo") as service:
        found: list[psutil.Process] = []
        wait_until(lambda: found.extend(demo_children_of(service)) or found)
        child = found[0]
        service.stop()
        wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 10)
        assert "Traceback" not in service.log


def test_a_demo_that_fails_says_so_and_leaves_the_service_alone(
    tmp_path: Path, connect: Connect
) -> None:
    with running_service(tmp_path) as service:
        service.add_user("admin")
        service.mlpi("workspace", "add", "demo", "--description", "ours")
        client = connect(service, service.token("admin", "demo"))
        client.create_experiment("diabetes-regression")  # the demo's first one
        service.stop()

        service.start("--demo")
        wait_until(lambda: "could not be made" in service.log)
        assert service.wait_for("/readyz").json()["ready"]
        assert "already exists" in service.log
        done = mlpi("demo", home=service.home, check=False)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert "already exists" in done.stderr
        # What is there was somebody's own, and stays.
        told = service.mlpi("demo", "--remove")
        assert told == "There is no demo. Its workspace stays, for it also holds 1 experiment.\n"
        assert client.get_experiment_by_name("diabetes-regression") is not None


def test_before_set_up_a_running_service_needs_to_be_set_up_first(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        service.wait_ready()
        done = mlpi("demo", home=service.home, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("mlpi: The service that runs on this home is not set up yet.")
        assert len(done.stderr.splitlines()) == 1


@contextmanager
def service_on(
    database: str, folder: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Service, Settings]]:
    """A service with MLflow's database of this kind, and settings to remove the demo with.

    Beside SQLite, the artifacts are named by a URI, as an object store's are.
    """
    if database == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.new_database()
        with running_service(folder, env={"MLPI_MLFLOW_DATABASE_URL": url}) as service:
            yield service, Settings(home=service.home, mlflow_database_url=url)
    else:
        with running_service(folder) as service:
            artifacts = (service.home / "mlflow" / "artifacts").as_uri()
            yield service, Settings(home=service.home, artifacts_uri=artifacts)


@pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def test_only_what_is_marked_as_the_demo_is_removed(
    tmp_path: Path, connect: Connect, database: str, request: pytest.FixtureRequest
) -> None:
    with service_on(database, tmp_path, request) as (service, settings):
        service.add_user("admin")
        service.mlpi("workspace", "add", "demo")
        client = connect(service, service.token("admin", "demo"))
        make_other_work(client)
        marked = client.create_experiment("marked", tags={tracking_demo.MARK: "1"})
        client.create_registered_model("marked", tags={tracking_demo.MARK: "1"})
        mlflow.set_experiment("marked")
        with mlflow.start_run() as run:
            mlflow.log_metric("loss", 1)
            mlflow.log_param("rate", 1)
            mlflow.log_text("x", "x.txt")
        with mlflow.start_span("marked") as span:
            pass
        mlflow.flush_trace_async_logging()
        mlflow.log_feedback(trace_id=span.trace_id, name="good", value=True)
        client.create_model_version("marked", run.info.artifact_uri, run.info.run_id)
        artifacts = service.home / "mlflow" / "artifacts" / "workspaces" / "demo"
        assert (artifacts / marked).is_dir()
        assert tracking_demo.state(settings) is State.PARTIAL

        left = tracking_demo.remove(settings)

        assert left == ["1 experiment", "1 registered model"]
        assert tracking_demo.state(settings) is State.ABSENT
        assert not (artifacts / marked).exists()
        assert {one.name for one in client.search_experiments(view_type=3)} == {"mine"}
        assert [one.name for one in client.search_registered_models()] == ["digits-classifier"]
        mlflow.pyfunc.load_model("models:/digits-classifier@champion")


def test_logs_of_the_demo_are_removed_beside_others(tmp_path: Path) -> None:
    """One was renamed, somebody's own lie in the same folder, and MLflow has no run of the name."""
    with running_service(tmp_path) as service:
        service.add_user("admin")
        service.mlpi("workspace", "add", "demo")
        settings = Settings(home=service.home)
        service.wait_ready()
        token = service.token("admin", "demo", "editor")
        boards_demo.fill(service.url, token, lambda _: None)
        assert boards_demo.state(settings) is State.COMPLETE
        logs = service.home / "tensorboard" / "demo"
        assert not list(logs.rglob("mlflow_run_id"))
        own = logs / "digits-mlp" / "mine"
        own.mkdir()
        (demo_file, *_) = logs.rglob("*tfevents*")
        (own / "events.out.tfevents.1").write_bytes(demo_file.read_bytes())
        with service.client(token) as client:
            form = {"run": "digits-mlp/learning-rate-0.02", "name": "kept", "sure": "true"}
            assert client.post("/boards/run/rename", data=form).status_code == 303
            archived = client.post("/boards/archive", data={"run": "kept"})
            assert archived.status_code == 303
        (missing,) = (logs / "digits-mlp" / "learning-rate-0.002").iterdir()
        missing.unlink()
        assert boards_demo.state(settings) is State.PARTIAL

        assert boards_demo.remove(settings) == ["1 file of logs"]

        assert boards_demo.state(settings) is State.ABSENT
        assert [path.name for path in logs.rglob("*") if path.is_file()] == [
            "events.out.tfevents.1"
        ]
        assert rows(service.home / "mlpi.db")["board_runs"] == []
        with service.client(token) as client:
            listed = "digits-mlp/mine"
            wait_until(lambda: "1 of 1 run" in client.get("/boards/manage?state=all").text)
            assert listed in client.get("/boards/manage").text


def test_nothing_is_there_before_mlflow_made_its_database(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert tracking_demo.state(settings) is State.ABSENT
    assert tracking_demo.remove(settings) == []
    assert not list(tmp_path.iterdir())


def test_one_demo_at_a_time(tmp_path: Path) -> None:
    with running_service(tmp_path, "--demo") as service:
        wait_until(lambda: children_of(service))
        done = mlpi("demo", "--remove", home=service.home, check=False)
        assert done.returncode == 1
        assert done.stderr == (
            "mlpi: Another mlpi is making or removing the demo right now. Wait until it is done.\n"
        )


def test_interrupting_the_command_leaves_nothing_running(tmp_path: Path) -> None:

    home = tmp_path / "home"
    command = [sys.executable, "-m", "mlpi", "demo", "--home", str(home)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment()
    ) as process:
        family = psutil.Process(process.pid)
        wait_until(lambda: family.children(recursive=True))
        (child,) = family.children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 10)
