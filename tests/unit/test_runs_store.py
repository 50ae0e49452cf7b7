"""Tables of runs out of MLflow's own tables: paging, nesting, grouping, at a flat price."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Engine, event, insert, text

from mlpi.auth.roles import Principal, Role
from mlpi.db import open_engine
from mlpi.errors import Invalid
from mlpi.house import House
from mlpi.settings import Settings
from mlpi.tracking import models
from mlpi.tracking.runs.grouping import PIVOTED
from mlpi.tracking.runs.saved import SavedViews
from mlpi.tracking.runs.service import RunsService
from mlpi.tracking.runs.sql import add_indexes
from mlpi.tracking.runs.store import RunsStore
from mlpi.tracking.runs.view import Field, View, write_cursor
from mlpi.tracking.service import TrackingService
from mlpi.tracking.store import TrackingStore

FLAT = View(is_flat=True, size=25)
SORTS = (
    "attributes.start_time",
    "attributes.end_time",
    "attributes.duration",
    "attributes.run_name",
    "attributes.status",
    "metrics.loss",
    "params.depth",
    "tags.team",
    "params.nobody-has-it",
)


class Made:
    """Experiment 1 in a fresh database, and a hand to put runs into it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.store = RunsStore(engine)

    def run(
        self,
        id_: str,
        *,
        start: int = 1000,
        status: str = "FINISHED",
        stage: str = "active",
        parent: str = "",
        experiment: int = 1,
        **values: Any,
    ) -> None:
        """One run; values as metrics_loss=0.5, params_depth="3", tags_team="a"."""
        with self.engine.begin() as db:
            db.execute(
                insert(models.runs).values(
                    run_uuid=id_,
                    experiment_id=experiment,
                    name=f"name of {id_}",
                    status=status,
                    start_time=start,
                    end_time=values.pop("end", None),
                    lifecycle_stage=stage,
                )
            )
            if parent:
                tag = {"run_uuid": id_, "key": "mlflow.parentRunId", "value": parent}
                db.execute(insert(models.tags).values(tag))
            for name, value in values.items():
                kind, key = name.split("_", 1)
                row = {"run_uuid": id_, "key": key, "value": value}
                if kind == "metrics":
                    is_nan = value != value  # noqa: PLR0124 - NaN alone differs from itself
                    row |= {"value": 0 if is_nan else value, "is_nan": is_nan, "step": 0}
                table = {
                    "metrics": models.latest_metrics,
                    "params": models.params,
                    "tags": models.tags,
                }[kind]
                db.execute(insert(table).values(row))

    def many(self, count: int) -> None:
        """Runs of all kinds: with and without values, some alike."""
        dice = random.Random(count)
        for number in range(count):
            values: dict[str, Any] = {}
            if dice.random() < 0.8:
                values["metrics_loss"] = dice.choice([0.1, 0.2, float("nan"), dice.random()])
            if dice.random() < 0.8:
                values["params_depth"] = dice.choice(["9", "10", "1e-3", "deep", "Deep", "-2"])
            if dice.random() < 0.5:
                values["tags_team"] = dice.choice(["a", "b"])
            end = dice.choice([None, 5000 + dice.randrange(9)])
            self.run(f"{number:032x}", start=1000 + dice.randrange(20), end=end, **values)

    def ids(self, view: View = FLAT, hidden: Sequence[str] = ()) -> list[str]:
        return [row.run.id for row in self.store.page(1, view, hidden)[: view.size]]

    @contextmanager
    def counting(self) -> Iterator[list[tuple[str, Any]]]:
        """The queries of a block, with their parameters."""
        seen: list[tuple[str, Any]] = []

        def note(_c: Any, _cur: Any, statement: str, parameters: Any, *_rest: Any) -> None:
            if statement.lstrip().startswith(("SELECT", "WITH")):
                seen.append((statement, parameters))

        event.listen(self.engine, "before_cursor_execute", note)
        yield seen
        event.remove(self.engine, "before_cursor_execute", note)

    def plan(self, statement: str, parameters: Any) -> str:
        """How the database would answer a query if the tables were large."""
        is_sqlite = self.engine.dialect.name == "sqlite"
        with self.engine.connect() as db:
            if not is_sqlite:  # rightly reads so few runs as a whole
                db.execute(text("SET LOCAL enable_seqscan = off"))
                db.execute(text("SET LOCAL enable_bitmapscan = off"))
            explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
            return " ".join(str(row) for row in db.exec_driver_sql(explain + statement, parameters))


def make_tables(engine: Engine) -> None:
    """MLflow's tables as far as we read them, our indexes, two experiments."""
    with engine.begin() as db:
        for table in models.ALL:
            table.create(db)
        for number in (1, 2):
            db.execute(
                insert(models.experiments).values(
                    experiment_id=number,
                    workspace="lab",
                    name=f"exp {number}",
                    lifecycle_stage="active",
                )
            )
    add_indexes(engine)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    else:
        url = f"sqlite:///{tmp_path / 'mlflow.db'}"
    engine = open_engine(url)
    found = Made(engine)
    make_tables(engine)
    yield found
    engine.dispose()


@pytest.mark.parametrize("is_descending", [True, False])
@pytest.mark.parametrize("sort", SORTS)
def test_paging_meets_every_run_once_in_one_order(
    made: Made, sort: str, is_descending: bool
) -> None:
    made.many(90)
    kind, key = sort.split(".", 1)
    view = FLAT.with_(sort=Field(kind, key), is_descending=is_descending)
    whole = [row.run.id for row in made.store.page(1, view.with_(size=200))]
    assert len(set(whole)) == 90
    paged: list[str] = []
    after = ""
    for _ in range(5):
        rows = made.store.page(1, view.with_(after=after))
        paged += [row.run.id for row in rows[:25]]
        if len(rows) <= 25:
            break
        after = write_cursor(rows[24].cursor)
    assert paged == whole


def test_numbers_in_params_sort_as_numbers_and_what_is_missing_comes_last(made: Made) -> None:
    for id_, depth in (("a", "10"), ("b", "9"), ("c", "deep"), ("e", "1e-3"), ("f", "-2")):
        made.run(id_, params_depth=depth)
    made.run("d")
    up = FLAT.with_(sort=Field("params", "depth"), is_descending=False)
    assert made.ids(up) == ["f", "e", "b", "a", "c", "d"]
    assert made.ids(up.with_(is_descending=True)) == ["a", "b", "e", "f", "c", "d"]


def test_nan_comes_behind_all_numbers_either_way(made: Made) -> None:
    made.run("nan", metrics_loss=float("nan"))
    made.run("low", metrics_loss=-1.0)
    made.run("high", metrics_loss=5.0)
    made.run("none")
    view = FLAT.with_(sort=Field("metrics", "loss"))
    assert made.ids(view.with_(is_descending=True)) == ["high", "low", "nan", "none"]
    assert made.ids(view.with_(is_descending=False)) == ["low", "high", "nan", "none"]


@pytest.mark.parametrize(
    "after",
    ["x", write_cursor([1]), write_cursor(["1", "a"]), write_cursor([1, 2]), write_cursor([{}, 1])],
)
def test_a_strange_page_marker_is_refused(made: Made, after: str) -> None:
    with pytest.raises(Invalid):
        made.ids(FLAT.with_(after=after))


def test_nested_runs_are_folded_into_their_parents(made: Made) -> None:
    made.run("top")
    made.run("child", parent="top")
    made.run("grandchild", parent="child")
    made.run("gone", stage="deleted")
    made.run("orphan", parent="gone")
    made.run("foreign", experiment=2)
    made.run("adopted", parent="foreign")
    nested = FLAT.with_(is_flat=False)
    assert sorted(made.ids(nested)) == ["adopted", "orphan", "top"]
    assert made.store.child_counts(1, ["top", "child", "orphan"]) == {"top": 1, "child": 1}
    assert [row.run.id for row in made.store.children(1, ["top"])] == ["child"]
    assert made.store.children(1, ["top"])[0].parent_id == "top"


def test_state_time_and_hidden_runs_narrow_a_page(made: Made) -> None:
    made.run("a", status="RUNNING")
    made.run("b", status="FAILED", start=2000)
    assert made.ids(FLAT.with_(state="FAILED")) == ["b"]
    assert made.ids(hidden=["b"]) == ["a"]
    assert made.ids(FLAT.with_(since="1h")) == []
    assert made.store.count(1, FLAT) == 2


def test_words_look_in_names_in_any_case(made: Made) -> None:
    made.run("a1")
    made.run("b1")
    assert made.ids(FLAT.with_(q="NAME A1")) == ["a1"]
    assert made.ids(FLAT.with_(q="%")) == []


def test_groups_have_counts_and_spreads_without_nan(made: Made) -> None:
    made.run("a", params_model="cnn", metrics_loss=1.0, status="FAILED")
    made.run("b", params_model="cnn", metrics_loss=3.0, status="RUNNING")
    made.run("c", params_model="cnn", metrics_loss=float("nan"))
    made.run("d", params_model="svc")
    made.run("e")
    view = FLAT.with_(group=Field("params", "model"))
    cnn, *rest = made.store.groups(1, view, [Field("metrics", "loss")])
    assert (cnn.value, cnn.count, cnn.running, cnn.failed) == ("cnn", 3, 1, 1)
    spread = cnn.spreads["metrics.loss"]
    assert (spread.count, spread.mean, spread.least, spread.most) == (2, 2.0, 1.0, 3.0)
    assert {(group.value, group.count) for group in rest} == {("svc", 1), (None, 1)}


def test_groups_have_many_metrics_attributes_and_none_that_are_hidden(made: Made) -> None:
    count = 2 * PIVOTED + 1
    for name, status in (("a", "FINISHED"), ("b", "FAILED"), ("c", "FAILED")):
        values = {f"metrics_m{number}": float(number) for number in range(count)}
        made.run(name, status=status, **values)
    columns = [Field("metrics", f"m{number}") for number in range(count)]
    view = FLAT.with_(group=Field("attributes", "status"))
    failed, finished = made.store.groups(1, view, [*columns, Field("params", "x")])
    assert (failed.value, failed.count, finished.value, finished.count) == (
        *("FAILED", 2),
        *("FINISHED", 1),
    )
    for group in (failed, finished):
        means = {key: spread.mean for key, spread in group.spreads.items()}
        assert means == {f"metrics.m{number}": float(number) for number in range(count)}
    shown = made.store.groups(1, view, columns[:1], ["b", "c"])
    assert [(group.value, group.count) for group in shown] == [("FINISHED", 1)]
    assert [group.count for group in made.store.groups(1, view, [])] == [2, 1]


@pytest.mark.parametrize("made", ["sqlite"], indirect=True)
def test_sqlite_walks_along_the_index_of_each_metric_of_groups(made: Made) -> None:
    made.many(50)
    view = FLAT.with_(group=Field("params", "depth"))
    with made.counting() as seen:
        made.store.groups(1, view, [Field("metrics", "loss"), Field("metrics", "other")])
    ((statement, parameters),) = seen
    plan = made.plan(statement, parameters)
    assert "MATERIALIZE picked" in plan
    for name in ("metric_0", "metric_1"):
        assert re.search(rf"SEARCH {name} USING \w*\s*INDEX \S+ \(", plan)


def test_columns_are_filled_with_what_was_logged(made: Made) -> None:
    made.run("a", metrics_loss=float("nan"), params_depth="3", tags_team="x", metrics_other=1.0)
    rows = made.store.page(1, FLAT)
    made.store.fill(rows, [Field.of(one) for one in ("metrics.loss", "params.depth", "tags.team")])
    values = rows[0].values
    assert str(values.pop("metrics.loss")) == "nan"
    assert values == {"params.depth": "3", "tags.team": "x"}


def test_keys_are_offered_with_how_many_runs_have_them(made: Made) -> None:
    made.run("a", metrics_loss=1.0, params_depth="3")
    made.run("b", metrics_loss=1.0)
    made.run("c", experiment=2, metrics_strange=1.0)
    for of_all in (False, True):
        found = {one.text: one.count for one in made.store.keys(1, of_all=of_all)}
        assert found == {"metrics.loss": 2, "params.depth": 1}


def test_a_run_is_only_compared_in_its_own_workspace(made: Made) -> None:
    made.run("a", metrics_loss=1.0)
    assert [row.run.id for row in made.store.of_workspace("lab", ["a", "b"])] == ["a"]
    assert made.store.of_workspace("other", ["a"]) == []


def test_pages_and_nested_runs_are_found_by_index(made: Made) -> None:
    made.many(300)
    parents = [f"{number:032x}" for number in range(0, 300, 10)]
    for parent in parents:
        made.run(f"child-{parent[-4:]}", parent=parent)
    asked = {
        "mlpi_runs_newest": lambda: made.ids(View()),
        "mlpi_tags_parent": lambda: made.store.child_counts(1, parents),
    }
    for index, ask in asked.items():
        with made.counting() as seen:
            ask()
        told = made.plan(*seen[0])
        assert index in told
        if index == "mlpi_runs_newest":
            assert "TEMP B-TREE" not in told
            assert "Sort" not in told


def test_a_page_costs_the_same_queries_however_many_runs_there_are(
    tmp_path: Path, clock: Any
) -> None:
    class Ready:
        is_ready = True

    counts = {}
    for size in (30, 120):
        url = f"sqlite:///{tmp_path / f'{size}.db'}"
        tracking = TrackingStore(url)
        made = Made(tracking.engine)
        make_tables(made.engine)
        made.many(size)
        for number in range(size // 3):
            made.run(f"child{number}", parent=f"{number:032x}", start=1)
        house = House.build(Settings(home=tmp_path / f"home{size}"), clock)
        house.open()
        saved = SavedViews(house.db, house.audit, clock)
        service = RunsService(TrackingService(tracking, cast(Any, Ready())), made.store, saved)
        me = Principal(1, "ana", False, {"lab": Role.OWNER}, "lab")
        opened = tuple(f"{number:032x}" for number in range(0, size // 3, 7))
        counts[size] = []
        for view in (View(), View(opened=opened), FLAT, View(group=Field("params", "depth"))):
            with made.counting() as seen:
                table = service.table(me, "1", view)
            assert table.groups or table.rows
            counts[size].append(len(seen))
        tracking.close()
        house.close()
    assert counts[30] == counts[120]
    assert max(counts[30]) <= 16


def test_indexes_can_be_added_again(made: Made) -> None:
    add_indexes(made.engine)
