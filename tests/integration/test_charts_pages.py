"""Charts, compared artifacts and Parquet over a real socket: what is told, and to whom."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from tests.integration.test_runs_pages import Lab
from tests.service import Service

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8"
    "cfc000000301010018dd8db00000000049454e44ae426082"
)


@pytest.fixture
def lab(service: Service, request: pytest.FixtureRequest) -> Iterator[Lab]:
    made = Lab(service, f"charts {request.node.name}")
    yield made
    made.client.close()


def put(lab: Lab, run_id: str, path: str, content: bytes) -> None:
    """An artifact of a run, as clients upload it."""
    uri = lab.stored(run_id)["info"]["artifact_uri"].partition(":/")[2].strip("/")
    answer = lab.client.put(f"{ARTIFACTS}/{uri}/{path}", content=content)
    assert answer.status_code == 200, answer.text


def asked(browser: httpx.Client, at: str, **query: Any) -> httpx.Response:
    return browser.get(at, params={"workspace": "lab", **query})


def test_points_name_what_is_not_finite(lab: Lab) -> None:
    id_ = lab.run("one")
    for step, value in ((1, "NaN"), (2, "Infinity"), (3, 0.1)):
        lab.ask(
            "runs/log-metric", run_id=id_, key="acc", value=value, timestamp=2000 + step, step=step
        )
    with lab.service.browser("vic") as vic:
        found = asked(vic, "/tracking/charts/points.json", runs=id_, key="acc").json()["runs"][0]
        assert found["steps"] == [1, 2, 3]
        assert found["times"] == [2.001, 2.002, 2.003]
        assert found["values"] == [None, None, 0.1]
        assert found["odd"] == {"0": "NaN", "1": "Infinity"}
        assert found["status"] == "RUNNING"
        told = asked(vic, "/tracking/charts/data.csv", runs=id_, key="acc").text
        values = [row["value"] for row in csv.DictReader(io.StringIO(told))]
        assert values == ["NaN", "Infinity", "0.1"]


def test_charts_are_of_one_workspace(lab: Lab) -> None:
    id_ = lab.run("one", depth="3")
    with lab.service.browser("otto") as otto, lab.service.browser("vic") as vic:
        for path, query in (
            ("/tracking/charts", {}),
            ("/tracking/charts/points.json", {"key": "loss"}),
            ("/tracking/charts/values.json", {"field": "params.depth"}),
            ("/tracking/charts/data.csv", {"key": "loss"}),
            ("/tracking/compare/files", {}),
        ):
            given = {"runs": id_, **query}
            assert asked(vic, path, **given).status_code == 200, path
            strange = otto.get(path, params={"workspace": "other", **given})
            assert strange.status_code == 404, path
            assert id_ not in strange.text.replace(f"runs={id_}", "")
        mixed = asked(vic, "/tracking/charts", runs=f"{id_},{'0' * 32}")
        assert "1 of the runs is not in lab" in mixed.text


@pytest.mark.parametrize(
    ("path", "query", "told"),
    [
        ("/tracking/charts", {"runs": ""}, "No runs are named"),
        ("/tracking/charts", {"runs": "a", "kind": "pie"}, "pie"),
        ("/tracking/charts", {"runs": "a", "smooth": "2"}, "not a smoothing"),
        ("/tracking/charts/points.json", {"runs": "a"}, "No metric"),
        ("/tracking/charts/values.json", {"runs": "a"}, "fields"),
        ("/tracking/charts/data.csv", {"runs": "a"}, "No metric"),
        ("/tracking/compare/files", {}, "No runs are named"),
    ],
)
def test_what_is_wrong_is_told(
    service: Service, path: str, query: dict[str, str], told: str
) -> None:
    with service.browser("vic") as vic:
        answer = asked(vic, path, **query)
        assert answer.status_code == 422
        assert told in answer.text


def test_runs_that_logged_nothing_are_said_to_have_nothing(lab: Lab) -> None:
    made = lab.ask("runs/create", experiment_id=lab.experiment, run_name="bare", start_time=9)
    with lab.service.browser("vic") as vic:
        html = asked(vic, "/tracking/charts", runs=made["run"]["info"]["run_id"]).text
        assert "Nothing to draw yet" in html
        none = asked(vic, f"{lab.at}/charts", q="nobody-is-called-this")
        assert none.status_code == 422
        assert "No run is there" in none.text


def test_more_curves_than_can_be_told_apart_are_left_out_and_said(lab: Lab) -> None:
    ids = [lab.run(f"r{number}") for number in range(52)]
    with lab.service.browser("vic") as vic:
        html = asked(vic, "/tracking/charts", runs=",".join(ids), kind="line").text
        assert "Lines of the first 50 runs are drawn" in html
        assert html.count("data-run=") == 50
        bars = asked(vic, "/tracking/charts", runs=",".join(ids), kind="bar").text
        assert bars.count("data-run=") == 52


def test_runs_without_steps_are_shown_as_bars_first(lab: Lab) -> None:
    ids = [lab.run(f"flat{number}") for number in range(2)]
    for id_ in ids:
        lab.ask("runs/log-metric", run_id=id_, key="accuracy", value=0.5, timestamp=1, step=0)
    chosen = 'aria-current="page">Bars</a>'
    with lab.service.browser("vic") as vic:
        given = {"runs": ",".join(ids), "key": "accuracy"}
        assert chosen in asked(vic, "/tracking/charts", **given).text
        assert chosen not in asked(vic, "/tracking/charts", **given, kind="line").text


def test_parquet_holds_what_the_csv_holds(lab: Lab) -> None:
    ids = [lab.run("one", depth="3"), lab.run('a "quoted", näme', depth="4"), lab.run("bare")]
    lab.ask("runs/log-metric", run_id=ids[0], key="odd", value="NaN", timestamp=1, step=0)
    lab.ask("runs/log-metric", run_id=ids[1], key="odd", value="-Infinity", timestamp=1, step=0)
    lab.ask("runs/update", run_id=ids[0], status="FINISHED", end_time=1_790_000_000_123)
    with lab.service.browser("vic") as vic:
        told = asked(vic, f"{lab.at}/runs.csv").text
        answer = asked(vic, f"{lab.at}/runs.parquet")
        wrong = asked(vic, f"{lab.at}/runs.parquet", q="metrics.loss > 'x'")
    assert wrong.status_code == 422
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].endswith('-runs.parquet"')
    table = pq.read_table(io.BytesIO(answer.content))
    assert str(table.schema.field("start_time").type) == "timestamp[ms, tz=UTC]"
    assert str(table.schema.field("metrics.loss").type) == "double"
    assert str(table.schema.field("params.depth").type) == "string"
    lines = list(csv.DictReader(io.StringIO(told)))
    assert list(lines[0]) == table.column_names

    def text(value: Any) -> str:
        return "" if value is None else value.isoformat() if hasattr(value, "year") else str(value)

    assert [{key: text(value) for key, value in row.items()} for row in table.to_pylist()] == lines
    odd = dict(zip(table["run_id"].to_pylist(), table["metrics.odd"].to_pylist(), strict=True))
    assert math.isnan(odd[ids[0]])
    assert odd[ids[1]] == -math.inf
    assert odd[ids[2]] is None


def test_texts_and_pictures_of_runs_stand_side_by_side(lab: Lab) -> None:
    ids = [lab.run(name) for name in ("one", "two", "three")]
    for number, id_ in enumerate(ids[:2]):
        put(lab, id_, "conf/model.json", b'{\n "depth": %d,\n "<b>": 1\n}\n' % number)
        put(lab, id_, "plot.png", PNG)
        put(lab, id_, "weights.bin", b"\0\1" * 50)
        put(lab, id_, "long.txt", b"x\n" * 200_000)
    put(lab, ids[2], "alone.txt", b"only here")
    with lab.service.browser("vic") as vic:

        def page(path: str = "") -> str:
            answer = asked(vic, "/tracking/compare/files", runs=",".join(ids), path=path)
            assert answer.status_code == 200, answer.text
            return answer.text

        html = page("conf/model.json")
        assert "conf/model.json (2 of 3)" in html
        assert "Not in three." in html
        assert 'class="other"> &#34;depth&#34;: 0,</td>' in html
        assert 'class="other"> &#34;depth&#34;: 1,</td>' in html
        assert "<b>&#34;" not in html
        assert "alone.txt" not in html
        assert page("plot.png").count('loading="lazy"') == 4
        assert "This is not text." in page("weights.bin")
        assert "above 256 KiB" in page("long.txt")
        gone = asked(vic, "/tracking/compare/files", runs=",".join(ids), path="alone.txt")
        assert gone.status_code == 404
