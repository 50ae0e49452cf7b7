"""The page of curves, its data and its downloads over a real socket."""

from __future__ import annotations

import csv
import io
import math
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from tests.event_files import NAME, event, header, restart, simple, theirs, write
from tests.service import Service, until


class Logs:
    """A folder of runs in lab, under a name of its own."""

    def __init__(self, service: Service, client: httpx.Client) -> None:
        self.at = f"c{uuid.uuid4().hex[:10]}"
        self.folder = service.home / "tensorboard" / "lab" / self.at
        self.client = client

    def write(self, name: str, records: list[bytes]) -> Path:
        """A run, once the service has read it."""
        path = write(self.folder / name, [header(), *records])
        until(lambda: self.is_read(name, path.stat().st_size))
        return path

    def is_read(self, name: str, size_bytes: int) -> bool:
        runs = self.client.get("/api/mlpi/boards/runs").json()
        found = {one["name"]: one for one in runs}.get(f"{self.at}/{name}")
        return found is not None and found["size_bytes"] == size_bytes and not found["is_reading"]

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.client.get(path, params={"runs": f"^{self.at}/", **query})

    def data(self, **query: Any) -> dict[str, Any]:
        answer = self.get("/boards/curves/data", **query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def vic(service: Service) -> Iterator[httpx.Client]:
    """A viewer of lab."""
    with service.client(service.token("vic", "lab")) as client:
        yield client


@pytest.fixture
def logs(service: Service, vic: httpx.Client) -> Logs:
    return Logs(service, vic)


def losses(count: int, begin: int = 0) -> list[bytes]:
    return [event(step, simple("loss", math.sin(step) / 3)) for step in range(begin, count)]


def test_curves_are_thinned_and_only_what_changed_is_sent_again(logs: Logs) -> None:
    logs.write("a", losses(5000))
    logs.write("b", losses(10))
    first = logs.data(tag="loss")
    a, b = (first["curves"]["loss"][f"{logs.at}/{name}"] for name in "ab")
    assert len(a["s"]) <= 1000
    assert a["n"] == 5000
    assert len(a["m"]) == len(a["v"])
    assert b["s"] == list(range(10))
    assert logs.data(tag="loss", since=first["version"])["curves"]["loss"] == {}
    with (logs.folder / "b" / NAME).open("ab") as file:
        file.write(event(10, simple("loss", 0.5)))
    news = until(lambda: logs.data(tag="loss", since=first["version"])["curves"]["loss"])
    assert list(news) == [f"{logs.at}/b"]
    assert news[f"{logs.at}/b"]["v"][-1] == 0.5
    only = logs.data(tag="loss", only=f"{logs.at}/a")["curves"]["loss"]
    assert list(only) == [f"{logs.at}/a"]


def test_a_zoom_gets_the_points_that_were_left_out(logs: Logs) -> None:
    logs.write("a", losses(5000))
    part = logs.data(tag="loss", **{"from": 100, "to": 120})["curves"]["loss"][f"{logs.at}/a"]
    assert part["s"] == list(range(99, 122))
    wrong = logs.get("/boards/curves/data", tag="loss", **{"from": 2, "to": 1})
    assert wrong.status_code == 422


def test_a_group_of_runs_has_a_mean_and_a_band(logs: Logs) -> None:
    for seed in range(3):
        logs.write(f"lr/s{seed}", [event(step, simple("loss", seed + step)) for step in range(4)])
    bands = logs.data(tag="loss", group="folder")["bands"]["loss"]
    assert list(bands) == [f"{logs.at}/lr"]
    made = bands[f"{logs.at}/lr"]
    assert made["x"] == [0, 1, 2, 3]
    assert made["v"] == [1, 2, 3, 4]
    assert (made["lo"], made["hi"]) == ([0, 1, 2, 3], [2, 3, 4, 5])
    assert made["k"] == [3, 3, 3, 3]
    by_seed = logs.data(tag="loss", group="~s[01]")["bands"]["loss"]
    assert list(by_seed) == ["s0", "s1"]


def test_hidden_runs_are_neither_drawn_nor_counted(logs: Logs) -> None:
    logs.write("a", losses(3))
    logs.write("b", [*losses(3), event(3, simple("other", 1))])
    seen = logs.get("/boards/curves/state", hide=f"{logs.at}/b").json()
    assert seen["tags"] == [["loss", 1, 3]]
    assert list(logs.data(tag="loss", hide=f"{logs.at}/b")["curves"]["loss"]) == [f"{logs.at}/a"]
    again = logs.get("/boards/curves/state", hide=f"{logs.at}/b", had=seen["key"]).json()
    assert "tags" not in again
    assert again["tree"] == seen["tree"]


def test_another_workspace_sees_nothing_of_it(service: Service, logs: Logs) -> None:
    logs.write("a", losses(3))
    with service.client(service.token("otto", "other")) as client:
        other = Logs(service, client)
        other.at = logs.at
        assert other.data(tag="loss")["curves"]["loss"] == {}
        assert logs.at not in client.get("/boards", params={"as": "table"}).text
        assert logs.at not in client.get("/api/mlpi/boards/runs").text
        asked = {"run": f"{logs.at}/a", "tag": "loss"}
        assert client.get("/api/mlpi/boards/scalars", params=asked).status_code == 404
        assert client.get("/boards/curves/data.csv", params=asked).status_code == 404


def test_a_wrong_filter_says_what_is_wrong_and_stays_in_its_field(
    service: Service, vic: httpx.Client
) -> None:
    answer = vic.get("/boards/curves/data", params={"tag": "loss", "runs": "lr-("})
    assert answer.status_code == 422
    assert "unterminated subpattern" in answer.json()["message"]
    costly = vic.get("/boards/curves/data", params={"tag": "loss", "runs": "(a+)+$"})
    assert "very long" in costly.json()["message"]
    with service.browser("ana") as client:
        page = client.get("/boards", params={"workspace": "lab", "runs": "lr-("})
    assert page.status_code == 422
    assert 'value="lr-("' in page.text
    assert "is not a regular expression" in page.text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "1 to 50 tags"),
        ({"tag": "loss", "x": "banana"}, "axis"),
        ({"tag": "loss", "since": "-1"}, "whole number"),
        ({"tag": "loss", "group": "moon"}, "group"),
        ({"tag": "loss", "show": ["x"] * 2 + [str(n) for n in range(1001)]}, "1000"),
    ],
)
def test_bad_questions_are_answered_with_what_would_be_right(
    vic: httpx.Client, query: dict[str, Any], words: str
) -> None:
    answer = vic.get("/boards/curves/data", params=query)
    assert answer.status_code == 422, answer.text
    assert words in answer.text


def test_downloads_hold_every_point_as_tensorboard_reads_it(logs: Logs) -> None:
    records = [event(n, simple("loss", n / 7), simple("acc", -n / 3)) for n in range(3000)]
    records += [event(3000, simple("loss", math.nan), simple("acc", math.inf))]
    path = logs.write("=a", records)
    expected = {
        (tag, step, at, repr(value).replace("nan", "NaN").replace("inf", "Infinity"))
        for tag, points in theirs(path.parent).items()
        for step, at, value in points
    }
    answer = logs.get("/boards/curves/data.csv")
    assert "lab-curves.csv" in answer.headers["content-disposition"]
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert {line["run"] for line in lines} == {f"{logs.at}/=a"}
    got = {(e["tag"], int(e["step"]), float(e["wall_time"]), e["value"]) for e in lines}
    assert got == expected
    assert len(lines) == 6002
    one = csv.DictReader(io.StringIO(logs.get("/boards/curves/data.csv", tag="acc").text))
    assert {line["tag"] for line in one} == {"acc"}
    table = pq.read_table(io.BytesIO(logs.get("/boards/curves/data.parquet").content))
    assert table.column_names == ["run", "tag", "step", "wall_time", "value"]
    assert table.num_rows == 6002
    stored = {(r["tag"], r["step"], r["wall_time"]) for r in table.to_pylist()}
    assert stored == {key[:3] for key in expected}


def test_names_that_a_spreadsheet_would_calculate_are_marked(logs: Logs) -> None:
    logs.write("a", [event(0, simple("=1+1", 1), simple("@x", 2), simple("fine", 3))])
    text = logs.get("/boards/curves/data.csv").text
    assert {line["tag"] for line in csv.DictReader(io.StringIO(text))} == {"'=1+1", "'@x", "fine"}


def test_scripts_read_runs_tags_and_scalars(logs: Logs, vic: httpx.Client) -> None:
    path = logs.write("a", [*losses(2000), restart(1990), *losses(2001, 1995)])
    name = f"{logs.at}/a"
    tags = vic.get("/api/mlpi/boards/tags", params={"run": name}).json()
    assert [(tag["tag"], tag["plugin"], tag["points"]) for tag in tags] == [
        ("loss", "scalars", 1996)
    ]
    got = vic.get("/api/mlpi/boards/scalars", params={"run": name, "tag": "loss"}).json()
    kept = list(zip(got["steps"], got["wall_times"], got["values"], strict=True))
    assert kept == theirs(path.parent)["loss"]
    few = {"run": name, "tag": "loss", "most": 100}
    thin = vic.get("/api/mlpi/boards/scalars", params=few).json()
    assert len(thin["steps"]) <= 100
    assert thin["total"] == 1996
    missing = vic.get("/api/mlpi/boards/scalars", params={"run": name, "tag": "x"})
    assert missing.status_code == 404
    paths = vic.get("/docs/openapi.json").json()["paths"]
    assert "ScalarsOut" in str(paths["/api/mlpi/boards/scalars"]["get"]["responses"]["200"])


def test_values_that_json_cannot_hold_have_names(logs: Logs, vic: httpx.Client) -> None:
    values = [1.0, math.nan, math.inf, -math.inf]
    logs.write("a", [event(n, simple("loss", value)) for n, value in enumerate(values)])
    asked = {"run": f"{logs.at}/a", "tag": "loss"}
    got = vic.get("/api/mlpi/boards/scalars", params=asked).json()
    assert got["values"] == [1.0, "NaN", "Infinity", "-Infinity"]


def test_without_a_script_there_are_the_tree_and_the_newest_values(
    service: Service, logs: Logs
) -> None:
    logs.write("deep/er/a", [event(3, simple("loss", 0.125)), event(7, simple("loss", 0.0625))])
    logs.write("b", [event(1, simple("other", 2))])
    with service.browser("ana") as client:
        asked = {"workspace": "lab", "runs": f"^{logs.at}/"}
        page = client.get("/boards", params=asked).text
        assert '<noscript><meta http-equiv="refresh"' in page
        table = client.get("/boards", params={**asked, "as": "table"}).text
    assert f'data-run="{logs.at}/deep/er/a"' in table
    assert f'data-folder="{logs.at}/deep/er/"' in table
    assert 'title="0.0625 at step 7">0.0625<' in table
    assert '<button class="btn small no-js">Show ticked</button>' in table


def test_an_empty_room_explains_itself(service: Service) -> None:
    service.mlpi("workspace", "add", "outback")
    service.mlpi("member", "add", "outback", "otto", "viewer")
    with service.browser("otto") as client:
        page = client.get("/boards", params={"workspace": "outback"}).text
    assert "mlpi sync" in page
    assert "tensorboard/outback/" in page


def test_a_run_with_a_broken_file_has_a_sign(service: Service, logs: Logs) -> None:
    records = [header(), *losses(5)]
    broken = bytearray(b"".join([*records, *losses(9, 5)]))
    broken[len(b"".join(records)) + 2] ^= 255  # the length of the sixth point
    write(logs.folder / "a", [bytes(broken)])
    name = f"{logs.at}/a"

    def problem() -> str:
        runs = logs.client.get("/api/mlpi/boards/runs").json()
        return next((str(one["problem"]) for one in runs if one["name"] == name), "")

    told = until(problem)
    assert NAME in told
    assert str(len(b"".join(records))) in told
    with service.browser("ana") as client:
        page = client.get("/boards", params={"workspace": "lab", "runs": logs.at, "as": "table"})
    assert f"Trouble with {name}" in page.text


def test_a_thousand_runs_are_answered_soon(service: Service, logs: Logs) -> None:
    for number in range(1000):
        write(logs.folder / f"n{number}", [header(), *losses(120)])
    pattern = f"^{logs.at}/"

    def is_whole() -> bool:
        seen = logs.client.get("/boards/curves/state", params={"runs": pattern}).json()
        return bool(seen["tags"] == [["loss", 1000, 120]] and not seen["pending"])

    until(is_whole, 120)
    begin = time.monotonic()
    found = logs.data(tag="loss")["curves"]["loss"]
    took_s = time.monotonic() - begin
    assert len(found) == 1000
    assert max(len(curve["s"]) for curve in found.values()) <= 60
    assert took_s < 10, took_s
