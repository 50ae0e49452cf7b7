"""The pages of suites and their API, on a small app without the door."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import event
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from mlpi.auth.audit import Actor
from mlpi.auth.roles import Principal, Role
from mlpi.checks.models import Dataset, DatasetVersion
from mlpi.checks.suites import api as suite_api
from mlpi.checks.suites import routes as suite_routes
from mlpi.checks.suites import vocabulary
from mlpi.checks.suites.rules import checked
from mlpi.checks.suites.service import Suites
from mlpi.component import Components
from mlpi.errors import NotFound
from mlpi.house import House
from mlpi.web import errors
from tests.conftest import TurnedClock

ANA = Actor("ana", "test")
BETWEEN = "expect_column_values_to_be_between"
NOT_NULL = "expect_column_values_to_not_be_null"
EVIL = '"><script>alert(1)</script>'
PROFILE = {
    "row_count": 178,
    "columns": [
        {
            "name": "alcohol",
            "type": "DOUBLE",
            "kind": "number",
            "missing": 0,
            "distinct": 120,
            "min": 11.03,
            "max": 14.83,
            "mean": 13.0,
            "stdev": 0.81,
            "quantiles": {"0.25": 12.4, "0.5": 13.05, "0.75": 13.7},
        }
    ],
}


class Shelf:
    """One dataset with one version that is ready."""

    def __init__(self) -> None:
        self.dataset = Dataset(id=1, workspace="lab", name="wine", kind="file")
        self.ready = DatasetVersion(
            id=7, dataset_id=1, number=3, row_count=178, columns=[["alcohol", "DOUBLE"]]
        )
        self.ready.profile = PROFILE

    def ready_versions(self, workspace: str) -> list[tuple[Dataset, DatasetVersion]]:
        return [(self.dataset, self.ready)] if workspace == "lab" else []

    def version(self, workspace: str, version_id: int) -> tuple[Dataset, DatasetVersion]:
        if (workspace, version_id) != ("lab", 7):
            raise NotFound
        return self.dataset, self.ready


class AsOwner:
    """In the door's place: everybody is ana, who owns the workspace lab."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.role = Role.OWNER

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["user"] = Principal(1, "ana", False, {"lab": self.role}, "lab")
        scope["workspace"] = "lab"
        await self._app(scope, receive, send)


@pytest.fixture
def suites(house: House, clock: TurnedClock) -> Suites:
    return Suites(house.db, house.audit, clock)


@pytest.fixture
def door(suites: Suites) -> AsOwner:
    app = FastAPI()
    app.state.components = Components([])
    errors.install(app)
    app.include_router(suite_routes.router(suites, Shelf()))
    app.include_router(suite_api.router(suites))
    return AsOwner(app)


@pytest.fixture
def client(door: AsOwner) -> Iterator[TestClient]:
    with TestClient(door, headers={"accept": "text/html"}) as client:
        yield client


def between(column: str = "alcohol", **more: Any) -> dict[str, Any]:
    kwargs = {"column": column, "min_value": 11, "max_value": 15}
    return checked({"type": BETWEEN, "kwargs": kwargs, **more})


def words_of(page: str) -> str:
    """What a person reads on a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_from_nothing_to_a_suite_with_an_expectation(client: TestClient, suites: Suites) -> None:
    assert "No suites yet" in client.get("/checks/suites").text
    page = client.post("/checks/suites", data={"name": "wine", "description": "of the cellar"})
    assert page.history[0].status_code == 303
    assert "It expects nothing yet" in page.text
    (row,) = suites.page("lab")
    at = f"/checks/suites/{row.suite.id}"
    assert "Expect column values to be between" in client.get(f"{at}/add?q=between").text
    form = {"type": BETWEEN, "base_version": "1", "arg.column": "alcohol", "arg.min_value": "11"}
    page = client.post(f"{at}/add", data={**form, "severity": "warning", "notes": "as agreed"})
    said = words_of(page.text)
    assert "Saved as version 2 alcohol: at least 11 added" in said
    assert "as agreed" in said
    (found,) = suites.version("lab", row.suite.id).expectations
    assert found["kwargs"] == {"column": "alcohol", "min_value": 11}
    assert found["severity"] == "warning"


def test_an_edit_undone_and_one_removed(client: TestClient, suites: Suites) -> None:
    one = between()
    made = suites.add("lab", "wine", actor=ANA, expectations=[one])
    at = f"/checks/suites/{made.id}"
    form = client.get(f"{at}/expectations/{one['id']}").text
    assert 'value="15"' in form
    sent = {"base_version": "1", "arg.column": "alcohol", "arg.min_value": "11"}
    client.post(f"{at}/expectations/{one['id']}", data={**sent, "arg.max_value": "16"})
    (found,) = suites.version("lab", made.id).expectations
    assert found["id"] == one["id"]
    assert found["kwargs"]["max_value"] == 16
    client.post(f"{at}/restore", data={"version": "1"})
    assert suites.version("lab", made.id).expectations == [one]
    gone = client.post(f"{at}/expectations/{one['id']}/remove", data={"base_version": "3"})
    assert "between 11 and 15 removed" in gone.text
    assert suites.version("lab", made.id).expectations == []


@pytest.mark.parametrize(
    ("sent", "field", "said"),
    [
        ({"arg.min_value": "11"}, "column", "needs column"),
        ({"arg.column": "a", "arg.min_value": "eleven"}, "min_value", "not 'eleven'"),
        ({"arg.column": "a", "arg.min_value": "1", "arg.mostly": "95"}, "mostly", "from 0 to 1"),
        (
            {"arg.column": "a", "arg.min_value": "1", "where_column": "b", "where_operator": "=="},
            "row_condition",
            "Give the value",
        ),
    ],
)
def test_a_form_comes_back_with_what_was_in_it_and_the_error_at_its_field(
    client: TestClient, suites: Suites, sent: dict[str, str], field: str, said: str
) -> None:
    made = suites.add("lab", "wine", actor=ANA)
    form = {"type": BETWEEN, "base_version": "1", "notes": "keep me", **sent}
    page = client.post(f"/checks/suites/{made.id}/add", data=form)
    assert page.status_code == 422
    assert f'id="wrong-{field}"' in page.text
    assert f'aria-describedby="wrong-{field}"' in page.text
    assert said in words_of(page.text)
    assert "keep me" in page.text
    for value in sent.values():
        assert value in page.text
    assert suites.version("lab", made.id).number == 1


def test_who_was_overtaken_keeps_the_form_and_can_send_it_again(
    client: TestClient, suites: Suites
) -> None:
    made = suites.add("lab", "wine", actor=ANA)
    suites.put("lab", made.id, [between()], base_version=1, actor=Actor("ben"))
    form = {"type": NOT_NULL, "base_version": "1", "arg.column": "colour"}
    page = client.post(f"/checks/suites/{made.id}/add", data=form)
    assert page.status_code == 422
    assert "Version 2 was saved meanwhile, by ben." in words_of(page.text)
    assert 'value="colour"' in page.text
    found = re.search(r'name="base_version" value="(\d+)"', page.text)
    assert found is not None
    client.post(f"/checks/suites/{made.id}/add", data=form | {"base_version": found[1]})
    assert len(suites.version("lab", made.id).expectations) == 2


@pytest.mark.parametrize("path", ["", "/diff", "/expectations/{id}", "/add", "/propose"])
def test_what_people_write_is_never_markup(client: TestClient, suites: Suites, path: str) -> None:
    evil = between(EVIL, notes=EVIL, description=EVIL)
    made = suites.add("lab", "wine", EVIL, actor=ANA)
    suites.put("lab", made.id, [evil], base_version=1, actor=Actor(EVIL))
    page = client.get(f"/checks/suites/{made.id}{path.format(id=evil['id'])}")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    if path in ("", "/diff", "/expectations/{id}"):
        assert "&lt;script&gt;alert" in page.text


def test_an_unknown_word_in_an_address_is_not_found(client: TestClient, suites: Suites) -> None:
    made = suites.add("lab", "wine", actor=ANA)
    at = f"/checks/suites/{made.id}"
    assert client.get(f"{at}/add", params={"type": EVIL}).status_code == 404
    assert client.get(f"{at}/expectations/none").status_code == 404
    assert client.get(at, params={"version": 9}).status_code == 404
    assert client.get(f"{at}/diff", params={"a": 1, "b": 9}).status_code == 404
    assert client.get(f"{at}/propose", params={"version_id": 8}).status_code == 404
    assert client.get("/checks/suites/999999").status_code == 404


def test_every_expectation_has_a_form(client: TestClient, suites: Suites) -> None:
    made = suites.add("lab", "wine", actor=ANA)
    for kind, one in vocabulary.load().items():
        page = client.get(f"/checks/suites/{made.id}/add", params={"type": kind, "column": "a b"})
        assert page.status_code == 200, kind
        for argument in one.arguments:
            assert f'name="arg.{argument.name}"' in page.text, kind


def test_a_page_is_grouped_by_column_the_table_first(client: TestClient, suites: Suites) -> None:
    rows = checked({"type": "expect_table_row_count_to_equal", "kwargs": {"value": 3}})
    both = checked(
        {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["a", "b"]}}
    )
    made = suites.add(
        "lab", "wine", actor=ANA, expectations=[between("table"), both, rows, between("a")]
    )
    page = client.get(f"/checks/suites/{made.id}").text
    heads = re.findall(r'<section class="card suite-group" aria-label="([^"]*)"', page)
    assert heads == ["The table", "table", "a, b", "a"]
    assert re.findall(r"column=(\w+)", page) == ["table", "a"]  # where one may be added


def test_what_is_proposed_is_added_as_chosen(client: TestClient, suites: Suites) -> None:
    made = suites.add("lab", "wine", actor=ANA)
    at = f"/checks/suites/{made.id}/propose"
    assert "wine, version 3 (178 rows)" in words_of(client.get(at).text)
    page = client.get(at, params={"version_id": 7}).text
    assert "smallest 11.03, largest 14.83; bounds widened by 10 % of the range" in words_of(page)
    keys = re.findall(r'name="chosen" value="(\w+)"( checked)?', page)
    assert any(checked_too for _key, checked_too in keys)
    chosen = [key for key, _checked in keys]
    sent = {"version_id": "7", "base_version": "1"}
    assert client.post(at, data=sent).status_code == 422
    assert client.post(at, data={**sent, "chosen": "0" * 20}).status_code == 422
    client.post(at, data={**sent, "chosen": chosen})
    version = suites.version("lab", made.id)
    assert version.origin == "proposed"
    assert len(version.expectations) == len(chosen) > 3
    page = client.get(at, params={"version_id": 7}).text
    assert page.count("there already") == len(chosen)
    assert 'name="chosen" value="' in page
    assert not re.search(r'name="chosen" value="\w+" checked', page)


def test_a_file_goes_in_and_comes_out(client: TestClient, suites: Suites) -> None:
    raw = json.dumps({"name": "wine", "expectations": [between()]})
    file = {"file": ("wine.json", b"\xef\xbb\xbf" + raw.encode(), "application/json")}
    page = client.post("/checks/suites/import", files=file)
    assert page.status_code == 200
    (row,) = suites.page("lab")
    sent = client.get(f"/checks/suites/{row.suite.id}/export.json", params={"version": 1})
    assert sent.headers["content-disposition"] == 'attachment; filename="wine.json"'
    assert sent.json()["expectations"][0]["kwargs"]["max_value"] == 15
    refused = client.post("/checks/suites/import", data={"text": raw, "name": ""})
    assert refused.status_code == 422
    assert "already a suite 'wine'" in words_of(refused.text)
    wrong = client.post("/checks/suites/import", files={"file": ("x.json", b"\xff\xfe", "")})
    assert "not UTF-8" in wrong.text
    unknown = '{"name": "x", "expectations": [{"type": "expect_colum_to_exist", "kwargs": {}}]}'
    refused = client.post("/checks/suites/import", data={"text": unknown})
    assert refused.status_code == 422
    assert "Did you mean expect_column_to_exist" in words_of(refused.text)
    assert "expect_colum_to_exist" in refused.text
    at = f"/checks/suites/{row.suite.id}/import"
    client.post(at, data={"text": '{"expectations": []}', "base_version": "1"})
    assert suites.version("lab", row.suite.id).expectations == []
    assert suites.version("lab", row.suite.id).origin == "imported"


def test_a_difference_reads_argument_by_argument(client: TestClient, suites: Suites) -> None:
    one = between()
    made = suites.add("lab", "wine", actor=ANA, expectations=[one])
    later = one | {"kwargs": one["kwargs"] | {"max_value": 16}}
    suites.put("lab", made.id, [later], base_version=1, actor=ANA)
    said = words_of(client.get(f"/checks/suites/{made.id}/diff").text)
    assert "max_value 15 → 16" in said
    same = client.get(f"/checks/suites/{made.id}/diff", params={"a": 2, "b": 2})
    assert "Both versions expect the same." in same.text


def test_a_viewer_sees_no_way_to_change(client: TestClient, door: AsOwner, suites: Suites) -> None:
    made = suites.add("lab", "wine", actor=ANA, expectations=[between()])
    door.role = Role.VIEWER
    page = client.get(f"/checks/suites/{made.id}").text
    assert "between 11 and 15" in page
    main = page[page.index("<main") :]
    assert 'method="post"' not in main
    assert 'method="post"' not in client.get("/checks/suites").text.split("<main")[1]


def test_a_large_suite_takes_no_more_queries_than_a_small_one(
    client: TestClient, suites: Suites, house: House
) -> None:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        asked.append(statement)

    counts = []
    event.listen(house.db.engine, "before_cursor_execute", note)
    for size in (1, 200):
        many = [between(f"column {number}") for number in range(size)]
        made = suites.add("lab", f"of {size}", actor=ANA, expectations=many)
        asked.clear()
        page = client.get(f"/checks/suites/{made.id}")
        counts.append(len(asked))
        assert page.text.count(BETWEEN) == size
    event.remove(house.db.engine, "before_cursor_execute", note)
    assert counts[0] == counts[1] < 20


# --- for scripts ---------------------------------------------------------------------------------


def test_scripts_can_do_what_the_pages_can(client: TestClient, suites: Suites) -> None:
    api = "/api/mlpi"
    known = client.get(f"{api}/expectations").json()
    assert {one["type"] for one in known} == set(vocabulary.load())
    made = client.post(f"{api}/suites", json={"name": "wine", "expectations": [between()]})
    assert made.status_code == 201
    suite_id = made.json()["id"]
    at = f"{api}/suites/{suite_id}"
    change = {"base_version": 1, "expectations": [], "note": "begin again", "description": "red"}
    changed = client.put(at, json=change).json()
    assert changed["version"]["note"] == "begin again"
    assert changed["description"] == "red"
    assert client.put(at, json={"expectations": []}).json()["field"] == "base_version"
    assert client.put(at, json={"name": "red wine"}).json()["name"] == "red wine"
    late = client.put(at, json=change)
    assert late.status_code == 409
    assert late.json()["field"] == "base_version"
    assert [one["number"] for one in client.get(f"{at}/versions").json()] == [2, 1]
    assert len(client.get(f"{at}/diff", params={"a": 1, "b": 2}).json()["removed"]) == 1
    assert client.post(f"{at}/versions/1/restore").json()["version"]["number"] == 3
    exported = client.get(f"{at}/export").json()
    again = client.post(f"{api}/suites/import", params={"name": "copy"}, json=exported)
    assert again.status_code == 201
    listed = client.get(f"{api}/suites").json()
    assert [(one["name"], one["version"]["expectation_count"]) for one in listed] == [
        ("copy", 1),
        ("red wine", 1),
    ]
    assert client.delete(at).status_code == 204
    assert client.get(at).status_code == 404
    wrong = client.post(f"{api}/suites", json={"name": "x", "expectations": [{"type": BETWEEN}]})
    assert wrong.status_code == 422
    assert wrong.json()["field"] == "expectations[0].column"
