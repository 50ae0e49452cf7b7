"""Traces and prompts out of MLflow's own tables, at a price that does not grow with the rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, text

from mlpi.db import open_engine
from mlpi.errors import Invalid, NotFound
from mlpi.tracking import models
from mlpi.tracking.prompts.records import DELETED, IS_PROMPT, TEXT
from mlpi.tracking.prompts.store import PAGE as PROMPTS_PAGE
from mlpi.tracking.prompts.store import PromptStore
from mlpi.tracking.runs.view import write_cursor
from mlpi.tracking.traces.records import SOURCE_RUN
from mlpi.tracking.traces.store import CHUNK, MAX_SPANS, TracesStore
from mlpi.tracking.traces.tree import grown
from mlpi.tracking.traces.view import PAGE, View

OURS = View(experiment=1)


class Made:
    """Experiment 1 of lab and 2 of other, and a hand to fill them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.traces = TracesStore(engine)
        self.prompts = PromptStore(engine)

    def put(self, table: Any, *rows: dict[str, Any]) -> None:
        with self.engine.begin() as db:
            db.execute(insert(table), list(rows))

    def trace(self, count: int, experiment: int = 1, *, each_ms: int = 1, **values: Any) -> None:
        """Traces t-0001, …; several share a moment when each_ms is 0."""
        rows = [
            {
                "request_id": f"t{experiment}-{number:06}",
                "experiment_id": experiment,
                "timestamp_ms": 1_700_000_000_000 + number * each_ms,
                "execution_time_ms": number,
                "status": "ERROR" if number % 5 == 0 else "OK",
                "trace_name": f"name {number % 3}",
                "request_preview": f"asks {number}",
                "session_id": f"s{number % 2}",
                **values,
            }
            for number in range(count)
        ]
        self.put(models.traces, *rows)
        ids = [row["request_id"] for row in rows]
        self.put(models.trace_tags, *({"request_id": i, "key": "k", "value": "v"} for i in ids))
        self.put(
            models.trace_metadata,
            *({"request_id": i, "key": SOURCE_RUN, "value": f"run-{i[-1]}"} for i in ids),
        )
        self.put(
            models.assessments,
            *(
                {
                    "assessment_id": f"a-{i}",
                    "trace_id": i,
                    "name": "good",
                    "assessment_type": "feedback",
                    "value": "true",
                    "created_timestamp": 1,
                    "source_type": "HUMAN",
                    "valid": True,
                }
                for i in ids
            ),
        )

    def prompt(self, name: str, versions: int = 1, workspace: str = "lab") -> None:
        at = {"workspace": workspace, "name": name}
        self.put(models.registered_models, {**at, "last_updated_time": 1000})
        self.put(models.registered_model_tags, {**at, "key": IS_PROMPT, "value": "true"})
        for number in range(1, versions + 1):
            self.put(models.model_versions, {**at, "version": number, "creation_time": 1})
            self.put(
                models.model_version_tags,
                {**at, "version": number, "key": TEXT, "value": f"text {number}"},
            )

    @contextmanager
    def counting(self) -> Iterator[list[tuple[str, Any]]]:
        seen: list[tuple[str, Any]] = []

        def note(_c: Any, _cur: Any, statement: str, parameters: Any, *_rest: Any) -> None:
            if statement.lstrip().startswith(("SELECT", "WITH")):
                seen.append((statement, parameters))

        event.listen(self.engine, "before_cursor_execute", note)
        yield seen
        event.remove(self.engine, "before_cursor_execute", note)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    else:
        url = f"sqlite:///{tmp_path / 'mlflow.db'}"
    engine = open_engine(url)
    with engine.begin() as db:
        for table in models.ALL:
            table.create(db)
        # As MLflow has it.
        db.execute(text("CREATE INDEX by_time ON trace_info (experiment_id, timestamp_ms)"))
        for number, workspace in ((1, "lab"), (2, "other")):
            values = {"experiment_id": number, "workspace": workspace, "name": f"e{number}"}
            db.execute(insert(models.experiments).values(**values, lifecycle_stage="active"))
    yield Made(engine)
    engine.dispose()


@pytest.mark.parametrize("each_ms", [0, 1])
def test_paging_meets_every_trace_once_newest_first(made: Made, each_ms: int) -> None:
    made.trace(2 * PAGE + 7, each_ms=each_ms)
    made.trace(3, 2)
    ids: list[str] = []
    view = OURS
    for _ in range(3):
        found = made.traces.page(view)
        ids += [trace.id for trace in found[:PAGE]]
        last = found[:PAGE][-1]
        view = view.with_(after=write_cursor((last.at_ms, last.id)))
    assert ids == sorted((f"t1-{n:06}" for n in range(2 * PAGE + 7)), reverse=True)


def test_downloads_go_on_behind_a_chunk(made: Made) -> None:
    made.trace(CHUNK + 1, each_ms=0)
    chunks = [len(rows) for rows in made.traces.every(OURS)]
    assert chunks == [CHUNK, 1]


def test_filters_narrow(made: Made) -> None:
    made.trace(30)
    link = {"source_type": "trace", "destination_type": "run", "destination_id": "late"}
    made.put(models.associations, {**link, "source_id": "t1-000004"})

    def ids(**changes: Any) -> list[int]:
        return [int(trace.id[-3:]) for trace in made.traces.page(OURS.with_(**changes))]

    assert ids(state="ERROR") == [25, 20, 15, 10, 5, 0]
    assert ids(run="run-7") == [27, 17, 7]
    assert ids(run="late") == [4]
    assert ids(q="NAME asks 29") == [29]
    assert ids(q="100%") == []
    assert ids(q="t1-000003") == [3]
    assert ids(session="s1", state="ERROR") == [25, 15, 5]
    assert ids(since="1h") == []


def test_a_page_s_queries_do_not_grow_with_the_rows(made: Made) -> None:
    made.trace(1)
    with made.counting() as few:
        made.traces.page(OURS)
    made.trace(PAGE + 5, 2)
    with made.counting() as many:
        assert len(made.traces.page(View(experiment=2))) == PAGE + 1
    assert len(few) == len(many) == 4


def test_a_page_walks_the_index_by_time(made: Made) -> None:
    made.trace(60)
    after = write_cursor((1_700_000_000_030, "t1-000030"))
    with made.counting() as seen:
        made.traces.page(OURS.with_(after=after))
    statement, parameters = seen[0]
    is_sqlite = made.engine.dialect.name == "sqlite"
    with made.engine.connect() as db:
        if not is_sqlite:  # rightly reads so few rows as a whole
            db.execute(text("SET LOCAL enable_seqscan = off"))
            db.execute(text("SET LOCAL enable_bitmapscan = off"))
        explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
        plan = " ".join(str(row) for row in db.exec_driver_sql(explain + statement, parameters))
    assert "by_time" in plan
    assert "timestamp_ms<" in plan.replace(" ", "")


def test_a_page_has_what_belongs_to_its_traces(made: Made) -> None:
    made.trace(2)
    one = made.traces.page(OURS)[0]
    assert (one.run_id, one.own_tags, one.assessments[0].name) == ("run-1", {"k": "v"}, "good")


def test_a_trace_is_found_in_its_workspace_alone(made: Made) -> None:
    made.trace(1)
    made.trace(1, 2)
    assert made.traces.trace("lab", "t1-000000")[1] == "e1"
    with pytest.raises(NotFound):
        made.traces.trace("lab", "t2-000000")
    ids = ["t1-000000", "t2-000000", "t3"]
    assert made.traces.experiments_of("lab", ids) == {1: ["t1-000000"]}
    assert [source.name for source in made.traces.sources("lab")] == ["e1"]


@pytest.mark.parametrize("after", ["x", write_cursor(("a", "b")), write_cursor((2**70, "b"))])
def test_a_strange_page_marker_is_refused(made: Made, after: str) -> None:
    with pytest.raises(Invalid):
        made.traces.page(OURS.with_(after=after))


def test_of_very_many_spans_the_first_are_read_and_all_counted(made: Made) -> None:
    made.put(
        models.spans,
        *(
            {
                "trace_id": "t",
                "span_id": f"{number:06}",
                "parent_span_id": f"{number - 1:06}" if number else None,
                "name": "n",
                "status": "OK",
                "start_time_unix_nano": number,
                "end_time_unix_nano": 20_000,
                "content": "x" * 10,
            }
            for number in range(10_000)
        ),
    )
    found, count = made.traces.spans("t")
    assert (len(found), count) == (MAX_SPANS, 10_000)
    assert len(grown(found)) == MAX_SPANS


def test_a_long_span_is_cut_by_the_database(made: Made) -> None:
    content = json.dumps({"a": "b" * 1000})
    row = {"trace_id": "t", "span_id": "s", "status": "OK", "start_time_unix_nano": 1}
    made.put(models.spans, {**row, "content": content})
    assert made.traces.content("t", "s", 100) == (content[:100], len(content))
    assert made.traces.content("t", "x", 100) is None


# --- prompts --------------------------------------------------------------------------------------


def test_prompts_are_paged_by_name_with_flat_queries(made: Made) -> None:
    made.prompt("a-first")
    with made.counting() as few:
        made.prompts.page("lab")
    for number in range(PROMPTS_PAGE + 5):
        made.prompt(f"p-{number:03}")
    made.prompt("theirs", workspace="other")
    made.put(models.registered_models, {"workspace": "lab", "name": "a-model"})
    with made.counting() as many:
        found, after = made.prompts.page("lab")
    assert len(few) == len(many) == 4
    rest, end = made.prompts.page("lab", after=after)
    names = [one.name for one in found + rest]
    assert names == ["a-first", *(f"p-{number:03}" for number in range(PROMPTS_PAGE + 5))]
    assert end == ""


def test_prompts_are_found_by_name_alias_and_people_s_tags(made: Made) -> None:
    for name in ("greet", "ask", "none"):
        made.prompt(name, 2)
    alias = {"workspace": "lab", "name": "ask", "alias": "Production", "version": 1}
    made.put(models.model_aliases, alias)
    tag = {"workspace": "lab", "name": "none", "key": "team", "value": "Support"}
    made.put(models.registered_model_tags, tag)

    def found(words: str) -> list[str]:
        return [one.name for one in made.prompts.page("lab", words)[0]]

    assert found("REE") == ["greet"]
    assert found("production") == ["ask"]
    assert found("support") == ["none"]
    assert found("is_prompt") == []
    assert found("%") == []


def test_a_deleted_version_is_gone_and_a_model_is_no_prompt(made: Made) -> None:
    made.prompt("p", 3)
    with made.engine.begin() as db:
        db.execute(
            models.model_versions.update()
            .where(models.model_versions.c.version == 3)
            .values(current_stage=DELETED)
        )
    assert made.prompts.prompt("lab", "p").latest == 2
    assert [one.number for one in made.prompts.versions("lab", "p")] == [2, 1]
    assert made.prompts.version("lab", "p", 2).text == "text 2"
    for missing in (("p", 3), ("p", 9)):
        with pytest.raises(NotFound):
            made.prompts.version("lab", *missing)
    made.put(models.registered_models, {"workspace": "lab", "name": "m"})
    for name in ("m", "nothing"):
        with pytest.raises(NotFound):
            made.prompts.prompt("lab", name)
