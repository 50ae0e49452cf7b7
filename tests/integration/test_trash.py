"""The trash over a real socket: the same as `mlflow gc` leaves, restored, refused, interrupted."""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import MetaData, create_engine, select

from mlpi.db import open_engine
from mlpi.tracking.trash.collector import Collector
from mlpi.tracking.trash.records import Choice
from tests.service import Service, clean_environment, free_port, running_service

API = "/api/2.0/mlflow"
FILL = """
import mlflow, sys, tempfile, pathlib
client = mlflow.MlflowClient()
from mlflow.data.meta_dataset import MetaDataset
from mlflow.data.http_dataset_source import HTTPDatasetSource

def run(experiment, name, **tags):
    with mlflow.start_run(experiment_id=experiment, run_name=name, tags=tags) as made:
        mlflow.log_params({"depth": 3, "model": name})
        for step in range(20):
            mlflow.log_metrics({"loss": 1 / (step + 1), "accuracy": step / 20}, step=step)
        mlflow.log_text("hello " * 100, "notes/hello.txt")
        source = HTTPDatasetSource("http://127.0.0.1/data.csv")
        mlflow.log_input(MetaDataset(source, name="digits", digest="d1"), context="train")
    return made.info.run_id

keep = client.create_experiment("kept")
gone = client.create_experiment("gone", tags={"team": "a"})
runs = [run(keep, f"kept-{i}") for i in range(2)] + [run(keep, f"binned-{i}") for i in range(3)]
inside = [run(gone, f"inside-{i}") for i in range(2)]
nested = run(keep, "child", **{"mlflow.parentRunId": runs[2]})
models = []
for i in range(2):
    model = mlflow.initialize_logged_model(name=f"model-{i}", source_run_id=runs[2],
        experiment_id=keep, params={"a": "1"}, tags={"b": "2"})
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "MLmodel").write_text("flavors: {}")
        client.log_model_artifacts(model.model_id, folder)
    models.append(model.model_id)
client.log_metric(runs[2], "score", 0.5, model_id=models[0], step=1)
client.create_registered_model("registered")
client.create_model_version("registered", f"runs:/{runs[2]}/notes", run_id=runs[2])
for run_id in runs[2:]:
    client.delete_run(run_id)
client.delete_logged_model(models[1])
client.delete_experiment(gone)
"""
GC = """
import sys
from click.testing import CliRunner
from mlflow.cli import cli
done = CliRunner().invoke(cli, ["gc", *sys.argv[1:]], catch_exceptions=False)
print(done.output)
sys.exit(done.exit_code)
"""
Rows = dict[str, set[tuple[Any, ...]]]


def python(script: str, *arguments: str, **env: str) -> None:
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *arguments],
        env=clean_environment({**quiet, **env}),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def database(home: Path) -> str:
    return f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"


def rows(home: Path) -> Rows:
    """Every row of MLflow's database, by table."""
    engine = create_engine(database(home))
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as db:
        found = {
            name: {tuple(map(str, row)) for row in db.execute(select(table))}
            for name, table in tables.tables.items()
        }
    engine.dispose()
    return found


def files(home: Path) -> set[str]:
    root = home / "mlflow" / "artifacts"
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def emptied(service: Service, **form: Any) -> None:
    """Ask for a removal as ana, and wait for its end."""
    with service.browser("ana") as browser:
        answer = browser.post("/tracking/trash/purge?workspace=lab", data=form)
        assert answer.status_code == 303, answer.text
        wait_for_end(browser)
        (job,) = browser.get("/api/mlpi/jobs?workspace=lab&kind=purge&limit=1").json()
        assert job["state"] == "succeeded", f"{job['error']} {job['traceback']}"


def wait_for_end(browser: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while "Being removed" in browser.get("/tracking/trash?workspace=lab").text:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Service]:
    """A service of this test alone, for it looks at everything in it."""
    with running_service(tmp_path) as service:
        service.add_user("ana")
        service.mlpi("workspace", "add", "lab")
        service.mlpi("member", "add", "lab", "ana", "owner")
        service.wait_ready()
        yield service


def test_an_emptied_trash_leaves_what_mlflow_gc_leaves(own: Service, tmp_path: Path) -> None:
    token = own.token("ana", "lab")
    python(FILL, MLFLOW_TRACKING_URI=own.url, MLFLOW_TRACKING_TOKEN=token)
    before = rows(own.home)
    own.stop()
    twin = Service(tmp_path / "twin", free_port())
    shutil.copytree(own.home, twin.home)
    own.start()
    own.wait_ready()
    twin.start()
    try:
        twin.wait_ready()
        python(
            GC,
            *("--backend-store-uri", database(twin.home), "--workspace", "lab"),
            *("--tracking-uri", twin.url),
            MLFLOW_TRACKING_TOKEN=token,
            MLFLOW_WORKSPACE="lab",
        )
    finally:
        twin.stop()
    now_ms = int(time.time() * 1000)
    emptied(own, until=str(now_ms))
    theirs, ours = rows(twin.home), rows(own.home)
    assert len(before["runs"]) - len(ours["runs"]) == 5
    for table in theirs:
        assert ours[table] <= theirs[table], table
    # What named a run that is gone stays behind in stock; the inputs of five runs, with a tag each.
    more = {name: len(theirs[name] - ours[name]) for name in theirs if theirs[name] != ours[name]}
    assert more == {"inputs": 5, "input_tags": 5}
    assert files(own.home) == files(twin.home)
    assert len(files(own.home)) == 4  # of three runs and one model


def test_who_may_do_what(service: Service) -> None:
    with service.browser("vic") as viewer, service.browser("eve") as editor:
        for browser in (viewer, editor):
            page = browser.get("/tracking/trash?workspace=lab")
            assert page.status_code == 200
            assert "Empty the trash" not in page.text
            for deed in ("ask", "purge", "restore"):
                answer = browser.post(f"/tracking/trash/{deed}?workspace=lab", data={"run": "x"})
                assert answer.status_code == 403


class Lab:
    """Deleted things of the workspace lab of the shared service."""

    def __init__(self, service: Service, name: str) -> None:
        self.service = service
        self.client = service.client(service.token("ana", "lab"))
        self.experiment = self.ask("experiments/create", name=name)["experiment_id"]

    def ask(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.client.post(f"{API}/{path}", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def run(self, name: str, *, is_deleted: bool = True) -> str:
        body = {"experiment_id": self.experiment, "run_name": name, "start_time": 9}
        id_: str = self.ask("runs/create", **body)["run"]["info"]["run_id"]
        points = [{"key": "loss", "value": n, "timestamp": n, "step": n} for n in range(7)]
        self.ask("runs/log-batch", run_id=id_, metrics=points)
        path = f"/api/2.0/mlflow-artifacts/artifacts/workspaces/lab/{self.experiment}/{id_}"
        answer = self.client.put(f"{path}/artifacts/notes.txt", content=b"x" * 1500)
        assert answer.status_code == 200, answer.text
        if is_deleted:
            self.ask("runs/delete", run_id=id_)
        return id_

    def status(self, run_id: str) -> int:
        return self.client.get(f"{API}/runs/get", params={"run_id": run_id}).status_code

    def folder(self, run_id: str = "") -> Path:
        root = self.service.home / "mlflow" / "artifacts" / "workspaces" / "lab"
        return root / self.experiment / run_id

    def engine_url(self) -> str:
        return database(self.service.home)


@pytest.fixture
def lab(service: Service, request: pytest.FixtureRequest) -> Iterator[Lab]:
    made = Lab(service, f"trash {request.node.name}")
    yield made
    made.client.close()


def page(lab: Lab, user: str = "ana", path: str = "", **query: str) -> str:
    with lab.service.browser(user) as browser:
        answer = browser.get(f"/tracking/trash{path}", params={"workspace": "lab", **query})
        assert answer.status_code == 200
        return answer.text


def posted(lab: Lab, deed: str, **form: Any) -> httpx.Response:
    with lab.service.browser("ana") as browser:
        return browser.post(f"/tracking/trash/{deed}?workspace=lab", data=form)


def test_a_deleted_run_is_shown_with_its_size_and_restored(lab: Lab) -> None:
    run = lab.run("binned-and-back")
    html = page(lab, experiment=lab.experiment)
    assert "binned-and-back" in html
    assert "1.5 kB" in html
    assert posted(lab, "restore", run=[run], within=lab.experiment).status_code == 303
    assert "binned-and-back" not in page(lab, experiment=lab.experiment)
    found = lab.client.get(f"{API}/runs/get", params={"run_id": run}).json()
    assert found["run"]["info"]["lifecycle_stage"] == "active"


def test_the_tab_says_how_much_there_is(lab: Lab) -> None:
    def counted() -> list[int]:
        with lab.service.browser("vic") as vic:
            pages = [
                vic.get(f"/tracking{path}", params={"workspace": "lab"}).text
                for path in ("", "/models", "/prompts", "/traces", "/trash")
            ]
        found = [re.search(r">Trash <small[^>]*>([\d,]+)</small>", html) for html in pages]
        return [int(one[1].replace(",", "")) if one else 0 for one in found]

    before = counted()
    assert len(set(before)) == 1
    lab.run("counted")
    assert counted() == [one + 1 for one in before]


def test_the_question_says_what_goes_and_only_that_goes(lab: Lab) -> None:
    first, second = lab.run("first"), lab.run("second")
    lab.ask("registered-models/create", name=f"reg-{lab.experiment}")
    source = f"mlflow-artifacts:/workspaces/lab/{lab.experiment}/{first}/artifacts/notes.txt"
    lab.ask("model-versions/create", name=f"reg-{lab.experiment}", source=source, run_id=first)
    question = posted(lab, "ask", run=[first])
    assert question.status_code == 200
    for words in ("<b>1 run</b>", "7 metric points", "1.5 kB", f"reg-{lab.experiment} version 1"):
        assert words in question.text
    emptied(lab.service, run=[first])
    assert (lab.status(first), lab.status(second)) == (404, 200)
    assert not lab.folder(first).exists()
    assert lab.folder(second).exists()
    trail = lab.service.client(lab.service.token("ana", "lab"))
    trail.close()
    db = sqlite3.connect(lab.service.home / "mlpi.db")
    (target,) = db.execute(
        "SELECT target FROM audit WHERE action = 'trash_purged' AND target LIKE ?",
        (f"%{first}%",),
    ).fetchone()
    db.close()
    assert target.startswith("1 runs, 0 models, 7 points, 1500 bytes")


def test_a_deleted_experiment_goes_with_everything(lab: Lab) -> None:
    run = lab.run("inside", is_deleted=False)
    lab.ask("experiments/delete", experiment_id=lab.experiment)
    html = page(lab)
    assert f'name="experiment" value="{lab.experiment}"' in html
    assert run not in html  # goes and comes back with its experiment
    emptied(lab.service, experiment=[lab.experiment])
    assert lab.status(run) == 404
    assert not lab.folder().exists()
    lab.ask("experiments/create", name=f"trash {'test_a_deleted_experiment_goes_with_everything'}")


def test_what_is_not_deleted_never_goes(lab: Lab) -> None:
    run = lab.run("alive", is_deleted=False)
    answer = posted(lab, "ask", run=[run], experiment=[lab.experiment])
    assert answer.status_code == 422
    assert "Nothing of this is in the trash any more." in answer.text
    emptied(lab.service, run=[run], experiment=[lab.experiment])
    assert lab.status(run) == 200
    assert lab.folder(run).exists()


def test_strangers_trash_is_out_of_reach(lab: Lab) -> None:
    run = lab.run("ours")
    with lab.service.browser("otto") as browser:
        form = {"run": run, "experiment": lab.experiment}
        assert browser.post("/tracking/trash/ask?workspace=other", data=form).status_code == 422
        browser.post("/tracking/trash/purge?workspace=other", data=form)
        deadline = time.monotonic() + 60
        while "Being removed" in browser.get("/tracking/trash?workspace=other").text:
            assert time.monotonic() < deadline
    assert lab.status(run) == 200


def test_what_is_being_removed_cannot_be_restored_and_is_taken_up_again(lab: Lab) -> None:
    run = lab.run("half")
    engine = open_engine(lab.engine_url())
    Collector(engine, "unused", "lab").claim(Choice(runs=(run,)))  # and killed right after
    engine.dispose()
    answer = lab.client.post(f"{API}/runs/restore", json={"run_id": run})
    assert answer.status_code == 404
    tag = {"run_id": run, "key": "a", "value": "b"}
    assert lab.client.post(f"{API}/runs/set-tag", json=tag).status_code == 404
    metric = {"run_id": run, "key": "a", "value": 1, "timestamp": 1}
    assert lab.client.post(f"{API}/runs/log-metric", json=metric).status_code == 404
    html = page(lab)
    assert "A removal was interrupted" in html
    assert lab.folder(run).exists()
    emptied(lab.service)
    assert not lab.folder(run).exists()
    assert "A removal was interrupted" not in page(lab)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"run": "no-such-run"},
        {"experiment": "one"},
        {"experiment": "9" * 30},
        {"until": "soon"},
        {"until": "1", "within": "x"},
    ],
)
def test_wrong_choices_are_refused_in_words(lab: Lab, form: dict[str, str]) -> None:
    answer = posted(lab, "ask", **form)
    assert answer.status_code == 422
    assert "Traceback" not in answer.text


def test_retention_empties_at_start_what_is_old_enough(own: Service) -> None:
    made = Lab(own, "old")
    old, young = made.run("old"), made.run("young")
    own.stop()
    db = sqlite3.connect(own.home / "mlflow" / "mlflow.db")
    day_ms = 24 * 3600 * 1000
    for run, days in ((old, 31), (young, 29)):
        db.execute(
            "UPDATE runs SET deleted_time = deleted_time - ? WHERE run_uuid = ?",
            (days * day_ms, run),
        )
    db.commit()
    db.close()
    own.env = {"MLPI_TRASH_DAYS": "30"}
    own.start()
    own.wait_ready()
    deadline = time.monotonic() + 60
    while made.folder(old).exists() or made.status(old) != 404:
        assert time.monotonic() < deadline, own.log
        time.sleep(0.05)
    assert made.status(young) == 200
    html = page(made)
    assert "stays here for 30 days" in html
    assert re_goes(html)
    made.client.close()
    with own.browser("ana") as browser:
        assert "retention" in browser.get("/jobs?workspace=lab").text


def re_goes(html: str) -> bool:
    return "in 23 h" in html or "in 24 h" in html


def test_a_removal_that_is_killed_goes_on_after_the_start(own: Service) -> None:
    made = Lab(own, "killed")
    runs = [made.run(f"run-{n}") for n in range(30)]
    with own.browser("ana") as browser:
        form = {"until": str(int(time.time() * 1000) + 1000)}
        assert browser.post("/tracking/trash/purge?workspace=lab", data=form).status_code == 303
    own.stop(signal.SIGKILL)
    own.start()
    own.wait_ready()
    with own.browser("ana") as browser:
        wait_for_end(browser)
    assert [made.status(run) for run in runs] == [404] * 30
    assert not any(made.folder(run).exists() for run in runs)
    made.client.close()
