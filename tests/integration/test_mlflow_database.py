"""MLflow's database: WAL and sync, upgrades with a copy aside, PostgreSQL, kill -9."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from mlpi.tracking.registry.store import RegistryStore
from mlpi.tracking.store import TrackingStore
from tests.postgres import Postgres
from tests.service import Service, clean_environment, running_service

CREATE = "/api/2.0/mlflow/experiments/create"
OLD_REVISION_SCRIPT = """
import sys
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels.initial_models import Base
from alembic import command
url = sys.argv[1]
engine = utils.create_sqlalchemy_engine_with_retry(url)
Base.metadata.create_all(engine)
config = utils._get_alembic_config(url)
from alembic.script import ScriptDirectory
head = utils._get_latest_schema_revision()
before = ScriptDirectory.from_config(config).get_revision(head).down_revision
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, before)
print(before)
"""


def make_old_database(home: Path) -> str:
    """An MLflow database one revision behind, with an experiment in it; the revision."""
    (home / "mlflow").mkdir(parents=True)
    url = f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OLD_REVISION_SCRIPT, url],
        env=clean_environment({"MLFLOW_MODEL_CATALOG_URI": ""}),
        capture_output=True,
        text=True,
        check=True,
    )
    connection = sqlite3.connect(home / "mlflow" / "mlflow.db")
    connection.execute(
        "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, "
        "workspace, creation_time, last_update_time) "
        "VALUES (7, 'from-before', 'mlflow-artifacts:/7', 'active', 'default', 1, 1)"
    )
    connection.commit()
    connection.close()
    return done.stdout.split()[-1]


def test_an_old_database_is_copied_aside_and_upgraded(tmp_path: Path) -> None:
    home = tmp_path / "home"
    before = make_old_database(home)
    with running_service(tmp_path) as service:
        service.wait_ready()
        service.add_user("root")
        with service.client(service.token("root", "default")) as client:
            path = "/api/2.0/mlflow/experiments/get-by-name"
            found = client.get(path, params={"experiment_name": "from-before"}).json()
    assert found["experiment"]["experiment_id"] == "7"
    (copy,) = (home / "mlflow").glob("mlflow.db.before-mlflow-upgrade-*")
    kept = sqlite3.connect(copy)
    assert kept.execute("SELECT version_num FROM alembic_version").fetchone() == (before,)
    kept.close()


def test_a_newer_database_is_refused_while_the_rest_works(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_old_database(home)
    connection = sqlite3.connect(home / "mlflow" / "mlflow.db")
    connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    connection.commit()
    connection.close()
    with running_service(tmp_path) as service:
        service.add_user("root")
        with service.client(service.token("root", "default")) as client:
            answer = client.post(CREATE, json={"name": "x"})
            assert answer.status_code == 503
            assert "ffffffffffff" in answer.json()["message"]
            assert client.get("/api/mlpi/me").status_code == 200
            ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["components"]["tracking"]["state"] == "failed"


def test_it_is_in_wal(service: Service) -> None:
    connection = sqlite3.connect(service.home / "mlflow" / "mlflow.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        service.wait_ready()
        service.add_user("root")
        token = service.token("root", "default")
        acknowledged = []
        with service.client(token) as client:
            for number in range(30):
                answer = client.post(CREATE, json={"name": f"kept-{number}"})
                assert answer.status_code == 200
                acknowledged.append(f"kept-{number}")
        assert service.process is not None
        service.stop(signal.SIGKILL)
        service.start()
        service.wait_ready()
        with service.client(token) as client:
            body = {"max_results": 1000}
            found = client.post("/api/2.0/mlflow/experiments/search", json=body).json()
    names = {experiment["name"] for experiment in found["experiments"]}
    assert set(acknowledged) <= names


@pytest.mark.postgres
def test_everything_on_postgresql(tmp_path: Path, postgres: Postgres) -> None:
    env = {
        "MLPI_DATABASE_URL": postgres.new_database(),
        "MLPI_MLFLOW_DATABASE_URL": postgres.new_database(),
    }
    with running_service(tmp_path, env=env) as service:
        service.wait_ready()
        service.add_user("root")
        _work_through(service)
    assert not list(service.home.rglob("*.db"))


def _work_through(service: Service) -> None:
    with service.client(service.token("root", "default")) as client:
        experiment = client.post(CREATE, json={"name": "on-postgres"}).json()["experiment_id"]
        body = {"experiment_id": experiment, "run_name": "first", "start_time": 1000}
        made = client.post("/api/2.0/mlflow/runs/create", json=body).json()
        run_id = made["run"]["info"]["run_id"]
        for step in range(5):
            metric = {"run_id": run_id, "key": "loss", "value": 1 / (step + 1), "step": step}
            path = "/api/2.0/mlflow/runs/log-metric"
            assert client.post(path, json={**metric, "timestamp": step}).status_code == 200
    store = TrackingStore(service.env["MLPI_MLFLOW_DATABASE_URL"])
    assert store.is_prepared()
    assert store.counts("default").runs == 1
    assert {e.name: e.run_count for e in store.experiments("default")} == {
        "Default": 0,
        "on-postgres": 1,
    }
    (found,) = store.recent_runs("default", 10)
    assert store.run("default", found.id).metrics == {"loss": 0.2}
    assert [step for step, _, _ in store.history(run_id, "loss", limit=2)] == [2, 4]
    assert store.workspace_of(run_id=run_id) == "default"
    assert RegistryStore(store.engine).page("default") == []
    store.close()
    with service.browser("root") as browser:
        for page in ("/", "/tracking", f"/tracking/experiments/{experiment}"):
            assert browser.get(page).status_code == 200
