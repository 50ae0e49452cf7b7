"""mlpi tracking import and export, between stock MLflow and a real service."""

from __future__ import annotations

import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
    ViewType,
)

from mlpi.tracking.transfer.lease import PATH, RENEW_S
from tests.service import Service, clean_environment, free_port, mlpi

# Each command is a process of its own that imports MLflow; on a busy machine that adds up.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

POINTS = 1500
T0 = 1_700_000_000_000


@pytest.fixture(autouse=True)
def client_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")


def opened(uri: str) -> MlflowClient:
    return MlflowClient(uri, uri)


def closed(client: MlflowClient) -> None:
    """Python 3.13 takes an open database for an error."""
    for store in (client._tracking_client.store, client._get_registry_client().store):
        if hasattr(store, "engine"):
            store.engine.dispose()


def fill(client: MlflowClient, artifacts: Path | None, prefix: str, scratch: Path) -> None:
    """What a year of work leaves behind, small."""
    place = client.create_experiment(
        f"{prefix}-größe",
        artifacts.as_uri() if artifacts else None,
        {"mlflow.note.content": "Über"},
    )
    parent = client.create_run(place, T0, {"mlflow.user": "jo", "stufe": "ünf"}, "eltern ☂")
    run = parent.info.run_id
    points = [Metric("loss", 1 / (s + 1), T0 + s, s) for s in range(POINTS)]
    for start in range(0, POINTS, 1000):
        client.log_batch(run, metrics=points[start : start + 1000])
    client.log_batch(
        run,
        metrics=[
            Metric("f1", math.nan, T0, 0),
            Metric("acc", 0.25, T0, 3),
            Metric("acc", 0.5, T0, 4),
        ],
        params=[Param(f"p{n:03}", f"wert {n}") for n in range(100)],
        tags=[RunTag("mlflow.note.content", "a note\nin two lines")],
    )
    client.log_batch(run, params=[Param(f"q{n:03}", str(n)) for n in range(20)])
    dataset = Dataset("wein", "abc123", "local", '{"uri": "wein.csv"}', '{"s": 1}', '{"rows": 9}')
    client.log_inputs(run, [DatasetInput(dataset, [])])
    (scratch / "deep" / "er").mkdir(parents=True)
    (scratch / "deep" / "er" / "größe 1.txt").write_text("grüße")
    (scratch / "deep" / "big.bin").write_bytes(os.urandom(300_000))
    (scratch / "top.txt").write_text("top")
    client.log_artifacts(run, str(scratch))
    client._tracking_client.store.update_run_info(run, 3, T0 + 9000, None)  # FINISHED

    failed = client.create_run(place, T0 + 1, {"mlflow.parentRunId": run}, "kind")
    client.log_param(failed.info.run_id, "lr", 0.1)
    client._tracking_client.store.update_run_info(failed.info.run_id, 4, T0 + 50, None)  # FAILED
    going = client.create_run(place, T0 + 2, {"mlflow.parentRunId": run}, "läuft")
    client.log_batch(going.info.run_id, metrics=[Metric("loss", 1.0, T0, 0)])
    gone = client.create_run(place, T0 + 3, {}, "gone")
    client.delete_run(gone.info.run_id)

    model = client.create_logged_model(
        place, "net", run, {"art": "klein"}, {"layers": "3"}, "classifier"
    )
    (scratch / "MLmodel").write_text(f"run_id: {run}\n")
    client.log_model_artifact(model.model_id, str(scratch / "MLmodel"))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run, [LoggedModelOutput(model.model_id, 7)])
    client.log_inputs(going.info.run_id, models=[LoggedModelInput(model.model_id)])
    client.log_batch(
        going.info.run_id,
        metrics=[Metric("val", 0.75, T0, 1, model_id=model.model_id, run_id=going.info.run_id)],
    )

    name = f"{prefix}-baum"
    client.create_registered_model(name, {"team": "blau"}, "A tree")
    of_run = f"{parent.info.artifact_uri}/deep"
    client.create_model_version(name, of_run, run, {"k": "v"}, description="first")
    client.create_model_version(name, f"{parent.info.artifact_uri}/deep", run)
    client.create_model_version(name, model.artifact_location, run, model_id=model.model_id)
    client.delete_model_version(name, "2")
    client.set_registered_model_alias(name, "champion", "1")
    client.set_registered_model_alias(name, "neu", "3")


def state(client: MlflowClient, prefix: str) -> dict[str, Any]:
    """Everything that a transfer should keep, without what must differ: ids and places."""
    place = client.get_experiment_by_name(f"{prefix}-größe")
    found = list(client.search_runs([place.experiment_id], run_view_type=ViewType.ACTIVE_ONLY))
    names = {run.info.run_id: run.info.run_name for run in found}
    models = list(client.search_logged_models([place.experiment_id]))
    model_names = {model.model_id: model.name for model in models}
    runs = {}
    for one in found:
        run = client.get_run(one.info.run_id)
        runs[run.info.run_name] = {
            "status": run.info.status,
            "times": (run.info.start_time, run.info.end_time),
            "params": run.data.params,
            "tags": {
                key: value
                for key, value in run.data.tags.items()
                if not key.startswith(("mlpi.", "mlflow.parentRunId"))
            },
            "parent": names.get(run.data.tags.get("mlflow.parentRunId", "")),
            "metrics": {
                key: sorted(
                    (m.step, m.timestamp, repr(m.value))
                    for m in client.get_metric_history(run.info.run_id, key)
                )
                for key in run.data.metrics
            },
            "datasets": [
                (d.dataset.name, d.dataset.digest, d.dataset.source, d.dataset.schema)
                for d in run.inputs.dataset_inputs
            ],
            "used": [model_names[m.model_id] for m in run.inputs.model_inputs],
            "made": [(model_names[m.model_id], m.step) for m in run.outputs.model_outputs],
            "files": files(client, run.info.run_id),
        }
    (registered,) = [m for m in client.search_registered_models() if m.name == f"{prefix}-baum"]
    versions = sorted(
        client.search_model_versions(f"name = '{prefix}-baum'"), key=lambda v: int(v.version)
    )
    return {
        "note": place.tags["mlflow.note.content"],
        "runs": runs,
        "models": [
            (
                *(m.name, m.tags["art"], m.params, m.model_type, str(m.status)),
                names[m.source_run_id],
                *((x.key, x.value, x.step, names[x.run_id]) for x in m.metrics),
                *(f.path for f in client.list_logged_model_artifacts(m.model_id)),
            )
            for m in models
        ],
        "registered": (registered.description, registered.tags["team"]),
        "versions": [
            (v.description or "", v.tags.get("k"), names[v.run_id], "m-" in v.source)
            for v in versions
        ],
        "aliases": {
            alias: [str(v.version) for v in versions].index(str(number))
            for alias, number in client.get_registered_model(f"{prefix}-baum").aliases.items()
        },
    }


def files(client: MlflowClient, run_id: str, path: str | None = None) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for entry in client.list_artifacts(run_id, path):
        if entry.is_dir:
            found |= files(client, run_id, entry.path)
        else:
            found[entry.path] = Path(client.download_artifacts(run_id, entry.path)).read_bytes()
    return found


def transfer(
    service: Service, *arguments: str, role: str = "editor", user: str = "eve"
) -> subprocess.CompletedProcess[str]:
    env = {"MLPI_TOKEN": service.token(user, "lab", role), "MLPI_URL": service.url}
    return mlpi("tracking", *arguments, env=env, check=False)


@pytest.fixture
def here(service: Service, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", service.token("ana", "lab"))
    return opened(service.url)


@pytest.fixture(params=["mlruns", "mlflow.db"])
def source(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """(what to give to import, prefix of the names in it)."""
    (tmp_path / "scratch").mkdir()
    folder = tmp_path / "old"
    kind = str(request.param)
    uri = str(folder / "mlruns")
    if kind == "mlflow.db":
        folder.mkdir()
        uri = f"sqlite:///{folder / kind}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    client = opened(uri)
    prefix = kind.replace(".", "-")
    fill(client, folder / "files" / "1", prefix, tmp_path / "scratch")
    closed(client)
    return str(folder / kind), prefix


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_everything_comes_along_and_only_once(
    service: Service, here: MlflowClient, source: tuple[str, str]
) -> None:
    given, prefix = source
    before = snapshot(Path(given).parent)
    done = transfer(service, "import", given)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert f"{prefix}-größe: 3 runs copied, 1 deleted ones left out" in done.stdout
    assert "version 3 is version 2 here" in done.stdout
    assert snapshot(Path(given).parent) == before

    client = opened(given if prefix == "mlruns" else f"sqlite:///{given}")
    original = state(client, prefix)
    closed(client)
    copied = state(here, prefix)
    assert len(copied["runs"]["eltern ☂"]["metrics"]["loss"]) == POINTS
    assert copied["runs"]["eltern ☂"]["files"].keys() == {
        "deep/er/größe 1.txt",
        "deep/big.bin",
        "top.txt",
    }
    assert copied == original
    assert len(copied["models"][0]) == 8  # its metric and its file among them

    again = transfer(service, "import", given)
    assert again.returncode == 0
    assert (
        "0 runs copied, 3 here already, 1 deleted ones left out, 0 points, 0 files" in again.stdout
    )
    assert state(here, prefix) == original
    for alias, file in (("champion", "big.bin"), ("neu", "MLmodel")):
        got = mlflow.artifacts.download_artifacts(
            f"models:/{prefix}-baum@{alias}",
            dst_path=str(Path(given).parent / alias),
            tracking_uri=service.url,
        )
        assert (Path(got) / file).is_file()


def prompted(uri: str) -> None:
    """A prompt of three versions, of which one was deleted, and one that has a model's name."""
    client = opened(uri)
    place = client.create_experiment("prompted")
    client.create_prompt("moved-prompt", "greets", {"team": "support"})
    for number in (1, 2):
        template, tags = f"Hello {{{{name}}}} {number}", {"nr": str(number)}
        client.create_prompt_version("moved-prompt", template, f"try {number}", tags)
    chat = [{"role": "user", "content": "{{question}}"}]
    client.create_prompt_version("moved-prompt", chat, model_config={"model_name": "small"})
    client.set_prompt_alias("moved-prompt", "live", 3)
    client.set_prompt_alias("moved-prompt", "old", 1)
    client.delete_prompt_version("moved-prompt", "2")
    client.set_prompt_tag("moved-prompt", "_mlflow_experiment_ids", f",{place},999,")
    client.create_prompt("taken-name")
    client.create_prompt_version("taken-name", "x")
    closed(client)


@pytest.mark.parametrize("kind", ["mlruns", "mlflow.db"])
def test_prompts_come_along_with_versions_aliases_and_tags(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    given = str(tmp_path / kind)
    uri = given if kind == "mlruns" else f"sqlite:///{given}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    prompted(uri)
    workspace = f"prompts-{kind.replace('.', '-')}"
    service.mlpi("workspace", "add", workspace)
    service.mlpi("member", "add", workspace, "ana", "owner")
    token = service.token("ana", workspace)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", service.url)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
    here = opened(service.url)
    here.create_registered_model("taken-name")
    env = {"MLPI_TOKEN": token, "MLPI_URL": service.url}

    done = mlpi("tracking", "import", given, env=env, check=False)
    assert "prompts: 2 prompts, 2 versions copied, 0 here already" in done.stdout, done.stderr
    assert "version 3 is version 2 here" in done.stdout
    assert "prompt taken-name: there is a registered model of this name" in done.stdout
    prompt = here.get_prompt("moved-prompt")
    place = here.get_experiment_by_name("prompted").experiment_id
    assert prompt.description == "greets"
    assert prompt.tags["team"] == "support"
    assert prompt.tags["_mlflow_experiment_ids"] == f",{place},"
    first = here.load_prompt("prompts:/moved-prompt@old")
    assert (first.version, first.template) == (1, "Hello {{name}} 1")
    assert (first.commit_message, first.tags["nr"]) == ("try 1", "1")
    last = here.load_prompt("prompts:/moved-prompt@live")
    assert (last.version, last.template) == (2, [{"role": "user", "content": "{{question}}"}])
    assert last.model_config["model_name"] == "small"
    assert [model.name for model in here.search_registered_models()] == ["taken-name"]

    here.set_prompt_alias("moved-prompt", "live", 1)
    again = mlpi("tracking", "import", given, env=env, check=False)
    assert "prompts: 2 prompts, 0 versions copied, 2 here already" in again.stdout
    assert "points at version 1 here and was left so" in again.stdout
    partly = mlpi("tracking", "import", given, "--experiment", "prompted", env=env, check=False)
    assert "not with single experiments" in partly.stdout


def simple(folder: Path, name: str, run_count: int) -> str:
    """A database with one experiment of small runs; its path."""
    folder.mkdir(exist_ok=True)
    path = folder / "mlflow.db"
    client = opened(f"sqlite:///{path}")
    place = client.create_experiment(name, (folder / "files").as_uri())
    for number in range(run_count):
        run = client.create_run(place, T0 + number, {}, f"run {number}").info.run_id
        client.log_batch(run, [Metric("loss", number / 7, T0 + s, s) for s in range(50)])
        client.set_terminated(run, "FINISHED", T0 + 99)
    closed(client)
    return str(path)


def runs_of(client: MlflowClient, name: str) -> list[Any]:
    place = client.get_experiment_by_name(name)
    return list(client.search_runs([place.experiment_id])) if place else []


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_an_import_that_was_stopped_halfway_goes_on(
    service: Service, here: MlflowClient, tmp_path: Path, how: signal.Signals, code: int
) -> None:
    name, total = f"stopped by {how.name}", 60
    given = simple(tmp_path / "old", name, total)
    process = subprocess.Popen(
        [sys.executable, "-m", "mlpi", "tracking", "import", given, "--url", service.url],
        env=clean_environment({"MLPI_TOKEN": service.token("eve", "lab", "editor")}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not runs_of(here, name):
        assert process.poll() is None
    process.send_signal(how)
    said, _ = process.communicate()
    assert process.returncode == code, said
    assert ("Run it again" in said) == (code == 130)
    assert 0 < len(runs_of(here, name)) < total

    done = transfer(service, "import", given)
    assert done.returncode == 0, done.stdout + done.stderr
    found = runs_of(here, name)
    assert sorted(run.info.run_name for run in found) == sorted(f"run {n}" for n in range(total))
    for run in found:
        assert run.info.status == "FINISHED"
        assert len(here.get_metric_history(run.info.run_id, "loss")) == 50
    assert f"{total} here already" in transfer(service, "import", given).stdout


def test_a_run_that_went_on_is_brought_up_to_date(
    service: Service, here: MlflowClient, tmp_path: Path
) -> None:
    given = simple(tmp_path / "old", "growing", 1)
    there = opened(f"sqlite:///{given}")
    place = there.get_experiment_by_name("growing").experiment_id
    run = there.create_run(place, T0, {}, "alive").info.run_id
    there.log_metric(run, "loss", 1.0, T0, 0)
    assert "2 runs copied" in transfer(service, "import", given).stdout
    assert "2 here already" in transfer(service, "import", given).stdout

    there.log_metric(run, "loss", 0.5, T0 + 1, 1)
    there.log_text(run, "new", "note.txt")
    said = transfer(service, "import", given).stdout
    assert "0 runs copied, 1 updated, 1 here already" in said
    (alive,) = [one for one in runs_of(here, "growing") if one.info.run_name == "alive"]
    assert alive.info.status == "RUNNING"
    assert [m.value for m in here.get_metric_history(alive.info.run_id, "loss")] == [1.0, 0.5]
    assert files(here, alive.info.run_id) == {"note.txt": b"new"}

    there.log_text(run, "later", "later.txt")
    assert "1 updated" in transfer(service, "import", given).stdout
    there.set_terminated(run, "KILLED", T0 + 7)
    closed(there)
    assert "1 updated" in transfer(service, "import", given).stdout
    alive = here.get_run(alive.info.run_id)
    assert (alive.info.status, alive.info.end_time) == ("KILLED", T0 + 7)
    assert "2 here already" in transfer(service, "import", given).stdout


def test_files_may_come_later_and_from_a_folder_that_moved(
    service: Service, here: MlflowClient, tmp_path: Path
) -> None:
    given = simple(tmp_path / "old", "later", 1)
    there = opened(f"sqlite:///{given}")
    (run,) = runs_of(there, "later")
    there.log_text(run.info.run_id, "kept", "a/b.txt")
    closed(there)
    shutil.move(tmp_path / "old", tmp_path / "new")
    (tmp_path / "new" / "files").rename(tmp_path / "new" / "mlartifacts")
    moved = str(tmp_path / "new" / "mlflow.db")
    assert transfer(service, "import", moved, "--no-artifacts").returncode == 0
    (run,) = runs_of(here, "later")
    assert files(here, run.info.run_id) == {}
    said = transfer(service, "import", moved).stdout
    assert "1 updated" in said
    assert files(here, run.info.run_id) == {"a/b.txt": b"kept"}
    assert "1 here already" in transfer(service, "import", moved).stdout


def test_a_file_that_no_server_takes_is_named_and_the_others_come(
    service: Service, here: MlflowClient, tmp_path: Path
) -> None:
    given = simple(tmp_path / "old", "odd names", 1)
    there = opened(f"sqlite:///{given}")
    (run,) = runs_of(there, "odd names")
    for name in ("a#b.txt", "a?b.txt", "%41.txt", "50%.txt", "é/a b+c.txt"):
        there.log_text(run.info.run_id, name, f"d/{name}")
    closed(there)
    done = transfer(service, "import", given)
    assert done.returncode == 1
    for name in ("a#b.txt", "a?b.txt", "%41.txt"):
        assert f"Not copied: file d/{name} in odd names: no MLflow server" in done.stdout
    (run,) = runs_of(here, "odd names")
    assert files(here, run.info.run_id) == {
        f"d/{name}": name.encode() for name in ("50%.txt", "é/a b+c.txt")
    }


def test_files_that_are_nowhere_are_named(service: Service, tmp_path: Path) -> None:
    given = simple(tmp_path / "old", "lost files", 2)
    database = sqlite3.connect(given)
    with database:
        database.execute("UPDATE runs SET artifact_uri = replace(artifact_uri, '/old/', '/gone/')")
    database.close()
    done = transfer(service, "import", given)
    assert "2 runs copied" in done.stdout
    assert f"Note: files of 2 runs or models: {tmp_path}/gone" in done.stdout


def test_a_database_of_an_older_mlflow_is_upgraded_as_a_copy(
    service: Service, here: MlflowClient, tmp_path: Path
) -> None:
    from alembic import command
    from mlflow.store.db import utils

    given = simple(tmp_path / "old", "aged", 2)
    config = utils._get_alembic_config(f"sqlite:///{given}")
    command.downgrade(config, "-1")
    before = Path(given).read_bytes()
    done = transfer(service, "import", given)
    assert "2 runs copied" in done.stdout, done.stdout + done.stderr
    assert Path(given).read_bytes() == before
    assert len(runs_of(here, "aged")) == 2


def test_only_the_named_experiment_and_into_one_that_exists(
    service: Service, here: MlflowClient, tmp_path: Path
) -> None:
    given = simple(tmp_path / "old", "wanted", 1)
    simple(tmp_path / "old", "unwanted", 1)
    here.create_run(here.create_experiment("wanted"), run_name="mine")
    done = transfer(service, "import", given, "--experiment", "wanted")
    assert done.returncode == 0
    assert "Note: experiment wanted was there already: runs were added to it." in done.stdout
    assert {run.info.run_name for run in runs_of(here, "wanted")} == {"mine", "run 0"}
    assert here.get_experiment_by_name("unwanted") is None
    nope = transfer(service, "import", given, "--experiment", "nope")
    assert nope.returncode == 2
    assert "has no experiment nope. It has: Default, unwanted, wanted." in nope.stderr


@contextmanager
def leased(client: httpx.Client, lease: dict[str, str]) -> Iterator[None]:
    """Holds the lease as an import does that is alive."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(RENEW_S):
            client.put(PATH, json=lease)

    assert client.put(PATH, json=lease).status_code == 204
    thread = threading.Thread(target=renew)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        assert client.request("DELETE", PATH, json=lease).status_code == 204


def test_a_second_import_is_refused_while_the_first_one_goes(
    service: Service, here: MlflowClient, tmp_path: Path
) -> None:
    given = simple(tmp_path / "old", "leased", 1)
    lease = {"holder": "the-first-import", "source": "elsewhere/mlruns"}
    with service.client(service.token("ana", "lab")) as client:
        with leased(client, lease):
            done = transfer(service, "import", given)
            assert done.returncode == 2
            told = "Another import into lab is running: from elsewhere/mlruns by ana, begun "
            assert told in done.stderr
            assert here.get_experiment_by_name("leased") is None
        done = transfer(service, "import", given)
        assert done.returncode == 0, done.stderr
        # It gave the lease back: nobody waits for it to run out.
        assert client.put(PATH, json=lease).status_code == 204
        assert client.request("DELETE", PATH, json=lease).status_code == 204
    assert len(runs_of(here, "leased")) == 1


def test_what_cannot_work_is_one_line(service: Service, tmp_path: Path) -> None:
    given = simple(tmp_path / "old", "refused", 1)
    (tmp_path / "note.db").write_text("nothing")

    def refused(*arguments: str, token: str = "", url: str = service.url) -> str:
        env = {"MLPI_TOKEN": token, "MLPI_URL": url}
        done = mlpi("tracking", *arguments, env=env, check=False)
        assert done.returncode == 2, done.stdout + done.stderr
        assert done.stderr.count("\n") == 1
        assert not token or token not in done.stderr
        return done.stderr

    good = service.token("eve", "lab", "editor")
    assert "A token is needed" in refused("import", given)
    assert "token" in refused("import", given, token="mlpi_wrong_token_of_nobody_at_all").lower()
    assert "viewer" in refused("import", given, token=service.token("vic", "lab")).lower()
    nobody = f"http://127.0.0.1:{free_port()}"
    assert "cannot be reached" in refused("import", given, token=good, url=nobody)
    assert "cannot be reached" in refused("import", nobody, token=good)
    assert "both the source and the target" in refused("import", service.url, token=good)
    assert "is not there" in refused("import", str(tmp_path / "nope"), token=good)
    assert "no experiments" in refused("import", str(tmp_path), token=good)
    assert "cannot be read" in refused("import", str(tmp_path / "note.db"), token=good)
    assert "has no experiment" in refused("export", "nope", "--to", str(tmp_path / "o"), token=good)
    assert "something else" in refused("export", "nope", "--to", str(tmp_path), token=good)


def test_out_to_a_folder_and_back_in_elsewhere(
    service: Service, here: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", service.url)
    fill(here, None, "out", tmp_path / "scratch")
    original = state(here, "out")
    folder = tmp_path / "exported"
    done = transfer(service, "export", "out-größe", "--to", str(folder), user="vic", role="viewer")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert f"mlflow ui --backend-store-uri sqlite:///{folder}/mlflow.db" in done.stdout
    stock = opened(f"sqlite:///{folder}/mlflow.db")
    assert state(stock, "out") == original
    closed(stock)
    again = transfer(service, "export", "out-größe", "--to", str(folder), user="vic", role="viewer")
    assert "0 runs copied, 3 here already" in again.stdout

    token = service.token("otto", "other")
    env = {"MLPI_TOKEN": token, "MLPI_URL": service.url}
    back = mlpi("tracking", "import", str(folder), env=env, check=False)
    assert back.returncode == 0, back.stdout + back.stderr
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
    assert state(opened(service.url), "out") == original


def test_from_another_server_with_its_own_login(
    service: Service, here: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other server is this one under its other name, with a token of another workspace."""
    (tmp_path / "scratch").mkdir()
    elsewhere = service.url.replace("127.0.0.1", "localhost")
    theirs = service.token("otto", "other")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", service.url)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", theirs)
    there = opened(service.url)
    fill(there, None, "far", tmp_path / "scratch")
    original = state(there, "far")
    env = {
        "MLPI_TOKEN": service.token("eve", "lab", "editor"),
        "MLPI_URL": service.url,
        "MLFLOW_TRACKING_TOKEN": theirs,
    }
    done = mlpi("tracking", "import", elsewhere, "--experiment", "far-größe", env=env, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", service.token("ana", "lab"))
    assert state(opened(service.url), "far") == original
