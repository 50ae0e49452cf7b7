"""The decision table: complete, without stale rows, and read as it is meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts

from mlpi.app import create_app
from mlpi.auth.middleware import Door
from mlpi.auth.roles import Role
from mlpi.auth.table import TABLE
from mlpi.auth.table.match import REMEMBERED_LENGTH, Need, RouteTable, Row, _compiled, rows
from mlpi.house import House
from mlpi.settings import Settings
from tests.facts import mlflow_facts


def mlflow_routes() -> list[tuple[str, str]]:
    return [(method, path) for method, path in mlflow_facts()["routes"]]


def sample(path: str) -> str:
    """A path that a FastAPI or Flask pattern matches."""
    path = re.sub(r"\{\w+(:\w+)?\}", "x", path)
    return re.sub(r"<(\w+:)?\w+>", "x", path)


def test_every_route_of_mlflow_has_a_row() -> None:
    found = mlflow_routes()
    assert len(found) > 400, "MLflow's routes were not found; has it changed how it keeps them?"
    # Its page and Flask's own static folder are served by mlpi/tracking/ui.py instead.
    elsewhere = {"/", "/static-files/x", "/build/x"}
    missing = [
        f"{method} {path}"
        for method, path in found
        if sample(path) not in elsewhere
        and method not in ("HEAD", "OPTIONS")
        and TABLE.find(method, sample(path)) is None
    ]
    assert not missing, "give these rows in mlpi/auth/table/mlflow.py"


def test_no_row_of_mlflow_is_stale() -> None:
    known = {(method, sample(path)) for method, path in mlflow_routes()}
    stale = [
        f"{row.method} {row.pattern}"
        for row in TABLE.rows
        if row.room in ("mlflow", "mlflow-late")
        and row.need is not Need.OFF
        and (row.method, row.sample()) not in known
    ]
    assert not stale, "MLflow has no such route any more"


def own_routes(tmp_path: Path, room: str = "own") -> set[tuple[str, str]]:
    house = House.build(Settings(home=tmp_path))
    house.open()
    door = create_app(house)
    assert isinstance(door, Door)
    app = door._rooms[room]
    found = set()
    for route in iter_route_contexts(app.routes):  # type: ignore[attr-defined]
        for method in getattr(route, "methods", None) or {"GET"}:
            found.add((method, route.path))
    house.close()
    return found


def test_every_route_of_label_studio_has_a_row_and_every_row_a_route(tmp_path: Path) -> None:
    def plain(path: str) -> str:
        """Without the names of parameters and a slash at the end, which is as good as none."""
        return re.sub(r"\{\w+(:\w+)?\}", "{}", path).rstrip("/")

    found = {
        (method, plain(path))
        for method, path in own_routes(tmp_path, "label-studio")
        if method != "HEAD"
    }
    rows = [row for row in TABLE.rows if row.room == "label-studio"]
    assert len(found) > 80
    assert found == {(row.method, plain(row.pattern)) for row in rows}


def test_every_route_of_ours_has_a_row_and_every_row_a_route(tmp_path: Path) -> None:
    found = {
        (method, "/static/{path:path}" if path == "/static" else path)
        for method, path in own_routes(tmp_path)
        if method != "HEAD"
    }
    in_table = {(row.method, row.pattern) for row in TABLE.rows if row.room == "own"}
    assert len(found) > 40
    assert found == in_table


@pytest.mark.parametrize(
    ("method", "path", "need"),
    [
        ("POST", "/api/2.0/mlflow/runs/search", Role.VIEWER),
        ("POST", "/ajax-api/2.0/mlflow/runs/search", Role.VIEWER),
        ("POST", "/api/2.0/mlflow/runs/log-metric", Role.EDITOR),
        ("POST", "/api/2.0/mlflow/runs/delete", Role.OWNER),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts/1/a/b/c.txt", Role.VIEWER),
        ("HEAD", "/api/2.0/mlflow-artifacts/artifacts/1/a", Role.VIEWER),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/a", Role.EDITOR),
        ("POST", "/ajax-api/3.0/mlflow/assistant/message", Need.OFF),
        ("GET", "/healthz", Need.NOTHING),
        ("GET", "/settings/users", Need.ADMIN),
    ],
)
def test_what_routes_need(method: str, path: str, need: Need | Role) -> None:
    match = TABLE.find(method, path)
    assert match is not None
    assert match.row.need is need


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/runs/get/",
        "//api/2.0/mlflow/runs/get",
        "/api/2.0/mlflow/runs/../runs/get",
        "/API/2.0/mlflow/runs/get",
        "/api/2.0/mlflow",
        "/mlflow/settings",
        "/static",
        "",
    ],
)
def test_near_misses_have_no_row(path: str) -> None:
    assert TABLE.find("GET", path) is None


def test_only_what_must_be_is_public() -> None:
    public = {row.pattern for row in TABLE.rows if row.need is Need.NOTHING}
    assert public == {
        *("/healthz", "/readyz", "/static/{path:path}", "/favicon.ico", "/login", "/setup"),
        *("/health", "/version"),
        *("/api/v2", "/api/v2/heartbeat", "/api/v2/version", "/api/v2/healthcheck"),
        *("/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info"),
    }


def test_two_decisions_for_one_route_are_refused() -> None:
    twice = rows("own", "public GET /a\nadmin GET /a")
    with pytest.raises(ValueError, match="two rows for GET /a"):
        RouteTable(twice)


def test_a_segment_is_one_segment_and_a_path_is_any() -> None:
    table = RouteTable(
        [Row("GET", "/a/{b}/c", Role.VIEWER, "own"), Row("GET", "/f/{p:path}", Role.EDITOR, "own")]
    )
    assert table.find("GET", "/a/x/c") is not None
    assert table.find("GET", "/a/x/y/c") is None
    assert table.find("GET", "/a//c") is None
    found = table.find("GET", "/f/x/y")
    assert found is not None
    assert found.params == {"p": "x/y"}


def test_an_address_is_found_again_and_a_long_one_too() -> None:
    table = RouteTable([Row("GET", "/a/{b}", Role.VIEWER, "own")])
    for name in ("x", "y", "z" * REMEMBERED_LENGTH):
        for _ in range(2):
            found = table.find("GET", f"/a/{name}")
            assert found is not None
            assert found.params == {"b": name}
            assert table.find("POST", f"/a/{name}") is None


def test_the_first_row_that_matches_is_found_whatever_it_begins_with() -> None:
    """As by trying one after the other, for paths cut, lengthened and turned from all samples."""
    patterns = [(row, _compiled(row.pattern)) for row in TABLE.rows if "{" in row.pattern]
    exact = {(row.method, row.pattern): row for row in TABLE.rows if "{" not in row.pattern}

    def slowly(method: str, path: str) -> Row | None:
        found = (row for row, one in patterns if row.method == method and one.fullmatch(path))
        return exact.get((method, path)) or next(found, None)

    for row in TABLE.rows:
        sample = row.sample()
        for path in (sample, sample + "/", sample + "/y", sample[:-1], sample.replace("x", "y/z")):
            found = TABLE.find(row.method, path)
            assert (found and found.row) == slowly(row.method, path), path
