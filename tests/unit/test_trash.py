"""What of the trash is chosen, claimed and removed, on SQLite and PostgreSQL; sizes; retention."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import MetaData, Table, insert, select, text

from mlpi.auth.audit import Actor
from mlpi.db import open_engine
from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.jobs.store import Filter
from mlpi.settings import Settings
from mlpi.tracking.trash import files
from mlpi.tracking.trash.chosen import ChosenStore
from mlpi.tracking.trash.collector import Collector
from mlpi.tracking.trash.records import Choice
from mlpi.tracking.trash.retention import Retention
from mlpi.tracking.trash.service import Trash
from mlpi.tracking.trash.store import TrashStore
from tests.conftest import TurnedClock

SCHEMA = (
    (
        "CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name VARCHAR(256), workspace"
        " VARCHAR(63) NOT NULL, lifecycle_stage VARCHAR(32), artifact_location VARCHAR(256),"
        " creation_time BIGINT, last_update_time BIGINT, UNIQUE (workspace, name))"
    ),
    (
        "CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY, name VARCHAR(250), lifecycle_stage"
        " VARCHAR(20), artifact_uri VARCHAR(200), deleted_time BIGINT,"
        " experiment_id INTEGER REFERENCES experiments (experiment_id))"
    ),
    *(
        f"CREATE TABLE {name} (key VARCHAR(250), value VARCHAR(8000),"
        " run_uuid VARCHAR(32) REFERENCES runs (run_uuid), PRIMARY KEY (key, run_uuid))"
        for name in ("tags", "params")
    ),
    (
        "CREATE TABLE metrics (key VARCHAR(250), value DOUBLE PRECISION, step BIGINT,"
        " run_uuid VARCHAR(32) REFERENCES runs (run_uuid), PRIMARY KEY (key, step, run_uuid))"
    ),
    (
        "CREATE TABLE experiment_tags (key VARCHAR(250), value VARCHAR(5000), experiment_id"
        " INTEGER REFERENCES experiments (experiment_id), PRIMARY KEY (key, experiment_id))"
    ),
    (
        "CREATE TABLE logged_models (model_id VARCHAR(36) PRIMARY KEY, name VARCHAR(500),"
        " lifecycle_stage VARCHAR(32), artifact_location VARCHAR(1000), last_updated_timestamp_ms"
        " BIGINT, experiment_id INTEGER REFERENCES experiments (experiment_id) ON DELETE CASCADE)"
    ),
    (
        "CREATE TABLE model_versions (workspace VARCHAR(63), name VARCHAR(256), version INTEGER,"
        " run_id VARCHAR(32), source VARCHAR(500), PRIMARY KEY (workspace, name, version))"
    ),
)


class Made:
    """A database with MLflow's tables as far as the trash touches them, and artifacts."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.engine = open_engine(url)
        self.artifacts = folder / "artifacts"
        with self.engine.begin() as db:
            for statement in SCHEMA:
                db.execute(text(statement))
        self._tables = MetaData()
        self._tables.reflect(self.engine)
        self.store = TrashStore(self.engine)
        self.chosen = ChosenStore(self.engine)

    def put(self, table: str, **row: Any) -> None:
        with self.engine.begin() as db:
            db.execute(insert(self._tables.tables[table]).values(row))

    def experiment(self, id_: int, at: int | None = None, workspace: str = "lab") -> None:
        self.put(
            "experiments",
            experiment_id=id_,
            name=f"e{id_}",
            workspace=workspace,
            lifecycle_stage="active" if at is None else "deleted",
            artifact_location=f"mlflow-artifacts:/workspaces/{workspace}/{id_}",
            last_update_time=at or 1,
        )

    def run(self, id_: str, of: int = 1, at: int | None = 1000, **row: Any) -> Path:
        """A run with three points, a param and a file of 1,000 bytes; where that lies."""
        place = f"workspaces/lab/{of}/{id_}/artifacts"
        uri = f"mlflow-artifacts:/{place}"
        stage = "active" if at is None else "deleted"
        given = {"artifact_uri": uri, "deleted_time": at, "lifecycle_stage": stage, **row}
        self.put("runs", run_uuid=id_, name=f"run {id_}", experiment_id=of, **given)
        for step in range(3):
            self.put("metrics", key="loss", value=0.5, step=step, run_uuid=id_)
        self.put("params", key="depth", value="3", run_uuid=id_)
        file = self.artifacts / place / "notes.txt"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x" * 1000)
        return file

    def ids(self, table: str, column: str) -> set[Any]:
        with self.engine.connect() as db:
            return set(db.scalars(select(self._tables.tables[table].c[column])))

    def table(self, name: str) -> Table:
        return self._tables.tables[name]

    def collector(self) -> Collector:
        return Collector(self.engine, str(self.artifacts), "lab")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    else:
        url = f"sqlite:///{tmp_path / 'mlflow.db'}"
    found = Made(url, tmp_path)
    yield found
    found.engine.dispose()


def nothing(done: object) -> None:
    del done


def test_chosen_runs_go_with_what_hangs_on_them(made: Made) -> None:
    made.experiment(1)
    gone, kept, alive = made.run("gone"), made.run("kept"), made.run("alive", at=None)
    done = made.collector().run(Choice(runs=("gone", "alive", "none")), nothing)
    assert (done.runs, done.points, done.size_bytes) == (1, 3, 1000)
    assert made.ids("runs", "run_uuid") == {"kept", "alive"}
    for table in ("metrics", "params"):
        assert made.ids(table, "run_uuid") == {"kept", "alive"}
    assert [one.exists() for one in (gone, kept, alive)] == [False, True, True]
    assert not gone.parents[1].exists()


def test_everything_up_to_a_time_goes_and_nothing_younger(made: Made) -> None:
    made.experiment(1)
    made.experiment(2, at=500)
    made.experiment(3, at=1500)
    made.experiment(4, at=500)
    made.experiment(5, at=500, workspace="other")
    made.run("old", at=900)
    made.run("young", at=1100)
    made.run("unknown", deleted_time=None)
    made.run("inside", of=2, at=500)
    made.run("restored", of=4, at=None)
    for number, at in ((1, 800), (2, 1200)):
        made.put(
            "logged_models",
            model_id=f"m-{number}",
            name="model",
            lifecycle_stage="deleted",
            artifact_location=f"mlflow-artifacts:/workspaces/lab/1/models/m-{number}/artifacts",
            last_updated_timestamp_ms=at,
            experiment_id=1,
        )
    stakes = made.chosen.stakes("lab", Choice(until_ms=1000))
    assert (stakes.experiment_count, stakes.run_count, stakes.model_count) == (1, 2, 1)
    assert (stakes.point_count, stakes.is_more_points) == (6, False)
    assert made.chosen.workspaces_due(1000) == ["lab", "other"]
    done = made.collector().run(Choice(until_ms=1000), nothing)
    assert (done.experiments, done.runs, done.models) == (["2 e2"], 2, 1)
    assert made.ids("experiments", "experiment_id") == {1, 3, 4, 5}
    assert made.ids("runs", "run_uuid") == {"young", "unknown", "restored"}
    assert made.ids("logged_models", "model_id") == {"m-2"}
    tally = made.store.tally("lab")
    assert (tally.experiments, tally.runs, tally.models, tally.removing) == (2, 2, 1, 0)


def test_all_runs_of_one_experiment_go(made: Made) -> None:
    made.experiment(1)
    made.experiment(2)
    made.run("a", of=1)
    made.run("b", of=2)
    made.collector().run(Choice(until_ms=2000, within="2"), nothing)
    assert made.ids("runs", "run_uuid") == {"a"}


def test_what_was_begun_is_hidden_and_the_next_collector_ends_it(made: Made) -> None:
    made.experiment(1)
    made.experiment(2, at=900)
    first, second = made.run("a"), made.run("b", of=2)
    made.collector().claim(Choice(runs=("a",), experiments=("2",)))
    tally = made.store.tally("lab")
    assert (tally.experiments, tally.runs, tally.removing) == (0, 0, 2)
    assert made.store.runs("lab") == []
    assert first.exists()
    assert second.exists()
    # The name is free at once, and may be deleted and removed once more meanwhile.
    made.put("experiments", experiment_id=9, name="e2", workspace="lab", last_update_time=1)
    done = made.collector().run(Choice(), nothing)
    assert (done.runs, done.experiments) == (2, ["2 e2"])
    assert not first.exists()
    assert not second.exists()
    assert made.ids("experiments", "experiment_id") == {1, 9}
    assert made.store.tally("lab").removing == 0


def test_a_tag_alone_lets_nothing_go(made: Made) -> None:
    made.experiment(1)
    made.run("alive", at=None)
    made.put("tags", key="mlpi.purge", value="lab", run_uuid="alive")
    made.put("experiment_tags", key="mlpi.purge", value="lab", experiment_id=1)
    made.collector().run(Choice(), nothing)
    assert made.ids("runs", "run_uuid") == {"alive"}
    assert made.ids("experiments", "experiment_id") == {1}


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/{id}",
        "/etc/{id}",
        "s3://bucket/{id}/artifacts",
        "mlflow-artifacts:/workspaces/other/1/{id}/artifacts",
        "mlflow-artifacts:/workspaces/lab/../other/{id}",
        "mlflow-artifacts:/workspaces/lab/1",
        "mlflow-artifacts:/../../{id}",
        "mlflow-artifacts:/",
        "",
    ],
)
def test_only_files_of_the_workspace_itself_are_ever_removed(uri: str) -> None:
    assert files.own_path(uri.format(id="r1"), "lab", "r1") is None


def test_files_elsewhere_stay_and_are_named(made: Made, tmp_path: Path) -> None:
    made.experiment(1)
    elsewhere = tmp_path / "r1" / "artifacts"
    elsewhere.mkdir(parents=True)
    made.run("r1", artifact_uri=elsewhere.as_uri())
    done = made.collector().run(Choice(runs=("r1",)), nothing)
    assert (done.left, done.left_count) == ([elsewhere.as_uri()], 1)
    assert elsewhere.exists()
    assert made.ids("runs", "run_uuid") == set()


def test_files_are_removed_from_where_mlflow_keeps_them() -> None:
    uri = "mlflow-artifacts:/7/r1/artifacts"
    assert files.own_path(uri, "default", "r1") == "7/r1/artifacts"
    assert files.own_path(uri, "lab", "r1") == "workspaces/lab/7/r1/artifacts"


def test_pages_of_runs_meet_every_run_once(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpi.tracking.trash.store.PAGE", 4)
    made.experiment(1)
    for number in range(11):
        made.run(f"r{number}", at=1000 + number // 3)
    seen: list[str] = []
    after = ""
    for _ in range(3):
        rows = made.store.runs("lab", "", after)
        seen += [one.id for one in rows[:4]]
        after = rows[:4][-1].cursor
    assert sorted(seen) == sorted(f"r{number}" for number in range(11))
    assert seen[0] in ("r9", "r10")


def test_registered_versions_that_lose_their_files_are_named(made: Made) -> None:
    made.experiment(1)
    made.run("r1")
    for version, source in enumerate(("runs:/r1/model", "models:/m-7"), 1):
        row = {"workspace": "lab", "name": "reg", "run_id": "r1", "source": source}
        made.put("model_versions", version=version, **row)
    assert made.chosen.stakes("lab", Choice(runs=("r1",))).versions == ["reg version 1"]


def test_a_walk_ends_at_its_deadline(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"file{number}").write_bytes(b"x" * 10)
    ticks = iter(range(100))
    total, is_all = files.folder_size(tmp_path, 3, lambda: float(next(ticks)))
    assert not is_all
    assert 0 < total < 100
    assert files.folder_size(tmp_path, 1e9, lambda: 0.0) == (100, True)


class Ready:
    def is_prepared(self) -> bool:
        return True

    def require_prepared(self) -> None:
        return None


def built(house: House, made: Made, days: int | None) -> tuple[Trash, JobsRoom]:
    settings = Settings(home=house.settings.home, mlflow_database_url=made.url, trash_days=days)
    room = JobsRoom(house)
    trash = Trash(
        cast(Any, Ready()),
        made.store,
        made.chosen,
        lambda: None,
        room.jobs,
        house.audit,
        house.clock,
        settings,
    )
    room.kinds.add(trash.kind)
    return trash, room


def test_retention_takes_what_is_old_once_a_day(
    house: House, made: Made, clock: TurnedClock
) -> None:
    made.experiment(1)
    now_ms = int(clock.now.timestamp() * 1000)
    made.run("r1", at=now_ms)
    trash, room = built(house, made, 30)
    assert trash.empty_old() == []
    (shown,) = trash.look("lab").runs
    assert shown.goes_at == clock.now + timedelta(days=30)
    clock.advance(days=29, hours=23)
    assert trash.empty_old() == []
    clock.advance(hours=2)
    (first,) = trash.empty_old() or []
    (again,) = trash.empty_old() or []
    assert first.id == again.id
    clock.advance(days=1)
    (later,) = trash.empty_old() or []
    assert later.id != first.id
    assert {job.actor for job in room.jobs.page("lab", Filter())} == {"retention"}
    until_ms = int((clock.now - timedelta(days=30)).timestamp() * 1000)
    assert later.params["choice"]["until_ms"] == until_ms


def test_without_a_setting_nothing_ever_goes_by_itself(
    house: House, made: Made, clock: TurnedClock
) -> None:
    made.experiment(1)
    made.run("r1", at=1)
    trash, _ = built(house, made, None)
    clock.advance(days=9999)
    assert trash.empty_old() == []


def test_the_job_is_given_the_databases_password_only_as_it_starts(
    house: House, made: Made
) -> None:
    trash, _ = built(house, made, None)
    job = trash.purge("lab", Choice(runs=("r1",)), actor=Actor("ana"))
    assert made.url not in str(job.params)
    assert trash.kind.resolve is not None
    with house.db.read() as session:
        assert trash.kind.resolve(session, job)["database"] == made.url


def test_the_timer_asks_again_after_a_failure() -> None:
    calls: list[int] = []
    done = asyncio.Event()

    def empty() -> object:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("no space")
        loop.call_soon_threadsafe(done.set)
        return ()

    async def main() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        timer = Retention(empty, every_s=0.001)
        timer.start()
        await asyncio.wait_for(done.wait(), 30)
        await timer.stop()

    loop = cast(Any, None)
    asyncio.run(main())
    assert len(calls) >= 2
