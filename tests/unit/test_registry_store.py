"""Our reading of MLflow's model registry, on both databases, and what its pages cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, text

from mlpi.db import open_engine
from mlpi.errors import Invalid, NotFound
from mlpi.tracking import models
from mlpi.tracking.registry.records import model_path
from mlpi.tracking.registry.store import DELETED, SORTS, RegistryStore
from mlpi.tracking.runs.sql import add_indexes
from mlpi.tracking.store import TrackingStore

RUN = "a" * 32
STRANGE_RUN = "b" * 32
# As MLflow's own migrations make them.
MLFLOWS_INDEXES = (
    """
    CREATE INDEX idx_registered_model_tags_workspace_name
    ON registered_model_tags (workspace, name)
    """,
    """
    CREATE INDEX idx_model_version_tags_workspace_name_version
    ON model_version_tags (workspace, name, version)
    """,
)


class Registry:
    """A registry put straight into the database."""

    def __init__(self, url: str) -> None:
        self.tracking = TrackingStore(url)
        self.engine: Engine = self.tracking.engine
        self.store = RegistryStore(self.engine)
        self.writer = open_engine(url)
        with self.writer.begin() as db:
            for table in models.ALL:
                table.create(db)
            for statement in MLFLOWS_INDEXES:
                db.execute(text(statement))
            for number, workspace in ((1, "lab"), (2, "other")):
                db.execute(
                    insert(models.experiments).values(
                        experiment_id=number, workspace=workspace, lifecycle_stage="active"
                    )
                )
            for number, run_id in ((1, RUN), (2, STRANGE_RUN)):
                db.execute(
                    insert(models.runs).values(
                        run_uuid=run_id, experiment_id=number, name="a run", user_id="ana"
                    )
                )
        add_indexes(self.writer)

    def put(self, table: str, *rows: dict[str, Any]) -> None:
        with self.writer.begin() as db:
            db.execute(insert(getattr(models, table)), list(rows))

    def model(self, name: str, count: int = 1, workspace: str = "lab", **values: Any) -> None:
        """A model with versions 1 to count, each of RUN."""
        mine = {"workspace": workspace, "name": name}
        self.put(
            "registered_models",
            {**mine, "creation_time": 1000, "last_updated_time": 2000, "description": "", **values},
        )
        if count:
            self.put(
                "model_versions",
                *(
                    {
                        **mine,
                        "version": number,
                        "creation_time": 1000 + number,
                        "run_id": RUN,
                        "current_stage": "None",
                        "status": "READY",
                        "source": f"models:/m-{number:032x}",
                    }
                    for number in range(1, count + 1)
                ),
            )

    @contextmanager
    def counting(self) -> Iterator[list[tuple[str, Any]]]:
        """The queries of a block, with their parameters."""
        seen: list[tuple[str, Any]] = []

        def note(_c: Any, _cur: Any, statement: str, parameters: Any, *_rest: Any) -> None:
            if statement.lstrip().startswith("SELECT"):
                seen.append((statement, parameters))

        event.listen(self.engine, "before_cursor_execute", note)
        yield seen
        event.remove(self.engine, "before_cursor_execute", note)

    def plan(self, statement: str, parameters: Any) -> str:
        """How the database would answer a query if the tables were large."""
        is_sqlite = self.engine.dialect.name == "sqlite"
        with self.engine.connect() as db:
            if not is_sqlite:
                db.execute(text("SET LOCAL enable_seqscan = off"))
            explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
            return " ".join(str(row) for row in db.exec_driver_sql(explain + statement, parameters))

    def close(self) -> None:
        self.tracking.close()
        self.writer.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registry]:
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    else:
        url = f"sqlite:///{tmp_path / 'mlflow.db'}"
    made = Registry(url)
    yield made
    made.close()


def mark_prompt(registry: Registry, name: str) -> None:
    registry.put(
        "registered_model_tags",
        {"workspace": "lab", "name": name, "key": "mlflow.prompt.is_prompt", "value": "true"},
    )


def test_prompts_and_other_workspaces_are_left_out(registry: Registry) -> None:
    registry.model("mine")
    registry.model("greeting")
    registry.model("theirs", workspace="other")
    mark_prompt(registry, "greeting")
    assert [one.name for one in registry.store.page("lab")] == ["mine"]
    assert registry.store.count("lab") == 1
    assert registry.store.names("lab") == ["mine"]
    assert registry.store.is_prompt("lab", "greeting")
    assert not registry.store.is_prompt("lab", "mine")
    for name in ("greeting", "theirs", "nobody's"):
        with pytest.raises(NotFound):
            registry.store.model("lab", name)


def test_search_looks_into_names_descriptions_and_own_tags(registry: Registry) -> None:
    registry.model("Wheat_1")
    registry.model("barley", description="better than WHEAT, 100% of the time")
    registry.model("rye")
    registry.model("oats")
    tag = {"workspace": "lab", "name": "rye"}
    registry.put("registered_model_tags", {**tag, "key": "like", "value": "wheat"})
    registry.put("registered_model_tags", {**tag, "key": "mlflow.hidden", "value": "oats"})

    def found(words: str) -> set[str]:
        names = {one.name for one in registry.store.page("lab", words)}
        assert registry.store.count("lab", words) == len(names)
        return names

    assert found("wheat") == {"Wheat_1", "barley", "rye"}
    assert found("100%") == {"barley"}
    assert found("t_1") == {"Wheat_1"}
    assert found("oats") == {"oats"}
    assert found("LIKE") == {"rye"}


@pytest.mark.parametrize("sort", SORTS)
def test_pages_follow_each_other_in_every_order(registry: Registry, sort: str) -> None:
    for number in range(23):
        times = {"creation_time": 100 + number // 4, "last_updated_time": 50 - number % 5 or None}
        registry.model(f"model {number:02}", 0, **times)
    seen: list[str] = []
    after = ""
    while page := registry.store.page("lab", "", sort, after, 5):
        seen += [one.name for one in page]
        after = page[-1].marker
    assert seen == [one.name for one in registry.store.page("lab", "", sort, limit=100)]
    assert len(set(seen)) == 23


def test_a_page_marker_of_another_order_is_refused(registry: Registry) -> None:
    registry.model("one")
    (one,) = registry.store.page("lab", sort="-updated")
    with pytest.raises(Invalid, match="page marker"):
        registry.store.page("lab", sort="name", after=one.marker)
    with pytest.raises(Invalid, match="page marker"):
        registry.store.page("lab", after="nonsense")


def test_deleted_versions_are_gone_and_the_rest_keep_aliases_and_tags(registry: Registry) -> None:
    registry.model("one", 4)
    mine = {"workspace": "lab", "name": "one"}
    with registry.writer.begin() as db:
        gone = models.model_versions.c.version == 4
        db.execute(models.model_versions.update().where(gone).values(current_stage=DELETED))
    registry.put("model_aliases", {**mine, "alias": "champion", "version": 2})
    registry.put("model_aliases", {**mine, "alias": "baseline", "version": 2})
    registry.put("model_version_tags", {**mine, "version": 3, "key": "team", "value": "x"})
    registry.put("model_version_tags", {**mine, "version": 3, "key": "mlflow.own", "value": "x"})
    model = registry.store.model("lab", "one")
    assert (model.latest_version, model.version_count) == (3, 3)
    assert model.aliases == {"baseline": 2, "champion": 2}
    third, second, first = registry.store.versions("lab", "one")
    assert [third.version, second.version, first.version] == [3, 2, 1]
    assert second.aliases == ["baseline", "champion"]
    assert third.tags == {"team": "x"}
    assert third.model_id == f"m-{3:032x}"
    assert [one.version for one in registry.store.versions("lab", "one", below=3)] == [2, 1]
    assert not registry.store.has_stages("lab", "one")
    for number in (4, 5, 0, -1, 2**40):
        with pytest.raises(NotFound):
            registry.store.version("lab", "one", number)


def test_a_run_of_another_workspace_is_not_shown(registry: Registry) -> None:
    registry.model("one", 2)
    with registry.writer.begin() as db:
        second = models.model_versions.c.version == 2
        db.execute(models.model_versions.update().where(second).values(run_id=STRANGE_RUN))
    newest, oldest = registry.store.versions("lab", "one")
    assert (oldest.run_name, oldest.user) == ("a run", "ana")
    assert (newest.run_name, newest.user) == ("", "")
    assert [one.version for one in registry.store.of_run("lab", RUN)] == [1]


def test_only_finished_models_of_the_run_can_be_registered(registry: Registry) -> None:
    one = {"experiment_id": 1, "source_run_id": RUN, "lifecycle_stage": "active", "status": 2}
    for number, other in enumerate(
        ({}, {"status": 1}, {"lifecycle_stage": "deleted"}, {"source_run_id": STRANGE_RUN})
    ):
        row = {**one, "model_id": f"m-{number}", "name": "model", "artifact_location": "x", **other}
        registry.put("logged_models", row)
    assert [found.id for found in registry.store.logged("1", RUN)] == ["m-0"]


def test_a_page_costs_as_many_queries_whatever_the_registry_holds(registry: Registry) -> None:
    def cost() -> dict[str, int]:
        found: dict[str, int] = {}
        for name, look in (
            ("list", lambda: registry.store.page("lab", limit=201)),
            ("model", lambda: registry.store.model("lab", "model 0000")),
            ("versions", lambda: registry.store.versions("lab", "model 0000", limit=51)),
            ("version", lambda: registry.store.version("lab", "model 0000", 1)),
        ):
            with registry.counting() as seen:
                look()
            found[name] = len(seen)
        return found

    registry.model("model 0000")
    few = cost()
    for number in range(1, 1000):
        registry.model(f"model {number:04}", 50 if number % 10 == 0 else 1)
    assert cost() == few == {"list": 4, "model": 4, "versions": 3, "version": 3}


def test_a_model_s_queries_read_no_table_as_a_whole(registry: Registry) -> None:
    for number in range(30):
        registry.model(f"model {number}", 3)
    with registry.counting() as seen:
        registry.store.model("lab", "model 7")
        registry.store.versions("lab", "model 7")
        registry.store.of_run("lab", RUN)
        registry.store.logged("1", RUN)
    for statement, parameters in seen:
        plan = registry.plan(statement, parameters)
        tables = ("model_versions", "model_version_tags", "registered_model_tags", "logged_models")
        for table in tables:
            assert f"SCAN {table}" not in plan, plan
            assert f"Seq Scan on {table}" not in plan, plan
        if "FROM model_version_tags" in statement:
            assert "idx_model_version_tags_workspace_name_version" in plan
        if "FROM registered_model_tags" in statement and "EXISTS" not in statement:
            assert "idx_registered_model_tags_workspace_name" in plan
        if "FROM logged_models" in statement:
            assert "mlpi_logged_models_run" in plan


def test_any_name_has_an_address() -> None:
    assert model_path("a b&c%#?ü") == "/tracking/models/a%20b%26c%25%23%3F%C3%BC"
