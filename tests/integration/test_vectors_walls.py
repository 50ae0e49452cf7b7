"""No token reaches vectors of another workspace, by any route, name, UUID or header."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from mlpi.auth.table.chroma import PREFIX, ROWS
from mlpi.auth.table.match import Row
from tests.service import Service

SECRET = "kept-behind-the-wall"
TENANT = "/api/v2/tenants/default_tenant/databases"
# Each would succeed, or answer 501 or 500 as `chroma run` does, in one's own workspace.
BODIES: dict[str, Any] = {
    "add": {"ids": ["stolen"], "embeddings": [[3.0, 4.0]]},
    "upsert": {"ids": ["a"], "embeddings": [[3.0, 4.0]]},
    "update": {"ids": ["a"], "documents": ["stolen"]},
    "delete": {"ids": ["a"]},
    "get": {},
    "query": {"query_embeddings": [[1.0, 2.0]]},
    "search": {"searches": [{"limit": {"limit": 1}}]},
    "fork": {"new_name": "stolen"},
    "attach": {"name": "f", "function_id": "record_counter", "output_collection": "out"},
    "detach": {},
}
TOUCHING = [row for row in ROWS if "{collection_id}" in row.pattern]
UNSUPPORTED = ("fork", "fork_count", "indexing_status", "search", "functions", "attached_functions")


@dataclass(frozen=True)
class Held:
    """A collection with one record, and the owner's token of its workspace."""

    workspace: str
    token: str
    identity: str
    name: str


@pytest.fixture
def held(service: Service) -> Iterator[dict[str, Held]]:
    """One in each of the two workspaces."""
    made = {}
    for user, workspace in (("ana", "lab"), ("otto", "other")):
        token = service.token(user, workspace)
        path = f"{TENANT}/{workspace}/collections"
        with service.client(token) as http:
            body = {"name": f"wall-{workspace}", "metadata": {"of": SECRET}}
            one = http.post(path, json=body).json()
            record = {"ids": ["a"], "embeddings": [[1.0, 2.0]], "documents": [SECRET]}
            assert http.post(f"{path}/{one['id']}/add", json=record).status_code == 201
        made[workspace] = Held(workspace, token, one["id"], one["name"])
    yield made
    for one in made.values():
        with service.client(one.token) as http:
            http.delete(f"{TENANT}/{one.workspace}/collections/{one.name}")


def path_of(row: Row, database: str, collection: str) -> str:
    names = {
        "tenant": "default_tenant",
        "database": database,
        "collection_id": collection,
        "function_name": "f",
    }
    return row.pattern.format(**names)


def asked(http: httpx.Client, row: Row, path: str, **options: Any) -> httpx.Response:
    last = row.pattern.rsplit("/", 1)[-1]
    body = BODIES.get(last) if row.method == "POST" else None
    if row.method == "PUT":
        body = {"new_name": "stolen-name"}
    return http.request(row.method, path, json=body, **options)


def state(service: Service, one: Held) -> Any:
    """All that is known of a collection, its workspace's list included."""
    path = f"{TENANT}/{one.workspace}/collections"
    everything = {"include": ["documents", "embeddings", "metadatas", "uris"]}
    with service.client(one.token) as http:
        records = http.post(f"{path}/{one.identity}/get", json=everything)
        found = http.get(f"{path}/{one.name}")
        assert (records.status_code, found.status_code) == (200, 200)
        return records.json(), found.json(), http.get(f"{path}_count").json()


@pytest.mark.parametrize(("mine", "theirs"), [("lab", "other"), ("other", "lab")])
def test_no_route_reaches_another_workspace(
    service: Service, held: dict[str, Held], mine: str, theirs: str
) -> None:
    own, victim = held[mine], held[theirs]
    before = state(service, victim)
    databases = (theirs, mine, "default_database", "default", "default_tenant")
    names = (victim.identity, victim.name, victim.identity.upper(), f"by-id/{victim.identity}")
    reached: list[str] = []
    with service.client(own.token) as http:
        for row, database, name, prefix in itertools.product(
            TOUCHING, databases, names, ("", PREFIX)
        ):
            path = prefix + path_of(row, database, name)
            answer = asked(http, row, path)
            if answer.status_code < 400 or SECRET in answer.text:
                reached.append(f"{row.method} {path}: {answer.status_code} {answer.text[:80]}")
        for row, named in itertools.product(TOUCHING, ("params", "headers")):
            path = path_of(row, mine, victim.identity)
            strange = {"workspace": theirs, "X-MLFLOW-WORKSPACE": theirs}
            answer = asked(http, row, path, **{named: strange})
            if answer.status_code < 400 or SECRET in answer.text:
                reached.append(f"{row.method} {path} as {theirs}: {answer.status_code}")
        for path in (f"{TENANT}/{theirs}", f"{TENANT}/{theirs}/collections", TENANT):
            for method in ("GET", "POST", "DELETE"):
                answer = http.request(method, path, json={"name": "stolen"})
                if victim.identity in answer.text or f'"{theirs}"' in answer.text:
                    reached.append(f"{method} {path}: {answer.text[:80]}")
        assert reached == []
    assert state(service, victim) == before


def test_the_same_requests_do_reach_ones_own(service: Service, held: dict[str, Held]) -> None:
    """What the test above sends is refused for the wall alone."""
    own = held["lab"]
    refused = []
    with service.client(own.token) as http:
        for row in TOUCHING:
            name = own.identity
            if row.pattern.endswith("collections/{collection_id}") and row.method != "PUT":
                name = own.name
            if row.method == "DELETE":
                name = "wall-gone"
                http.post(f"{TENANT}/lab/collections", json={"name": name}).raise_for_status()
            answer = asked(http, row, path_of(row, "lab", name))
            is_unsupported = any(f"/{word}" in row.pattern for word in UNSUPPORTED)
            if answer.status_code >= (600 if is_unsupported else 400):
                refused.append(f"{row.method} {row.pattern}: {answer.status_code} {answer.text}")
            if row.method == "PUT":
                back = {"new_name": own.name}
                http.put(path_of(row, "lab", name), json=back).raise_for_status()
    assert refused == []


def test_a_user_of_both_reaches_only_the_tokens(service: Service, held: dict[str, Held]) -> None:
    """Membership in two workspaces does not widen a token of one."""
    service.mlpi("member", "add", "other", "vic", "viewer")
    try:
        with service.client(service.token("vic", "lab")) as http:
            victim = held["other"]
            for database in ("other", "lab", "default_database"):
                path = f"{TENANT}/{database}/collections/{victim.identity}"
                answers = [http.post(f"{path}/get", json={}), http.get(f"{path}/count")]
                assert [answer.status_code for answer in answers] == [404, 404]
    finally:
        service.mlpi("member", "remove", "other", "vic")


def test_lists_in_metadata_go_with_their_collection(service: Service) -> None:
    """Chroma's bindings leave them, for whichever record gets the number of theirs."""
    listed = {"ids": ["a"], "embeddings": [[1.0, 2.0]], "metadatas": [{"tags": [SECRET, "x"]}]}
    plain = {"ids": ["b"], "embeddings": [[1.0, 2.0]], "metadatas": [{"n": 1}]}
    with (
        service.client(service.token("ana", "lab")) as lab,
        service.client(service.token("otto", "other")) as other,
    ):
        path = f"{TENANT}/lab/collections"
        made = lab.post(path, json={"name": "wall-lists"}).json()
        assert lab.post(f"{path}/{made['id']}/add", json=listed).status_code == 201
        assert lab.delete(f"{path}/wall-lists").status_code == 200
        path = f"{TENANT}/other/collections"
        made = other.post(path, json={"name": "wall-lists"}).json()
        try:
            assert other.post(f"{path}/{made['id']}/add", json=plain).status_code == 201
            found = other.post(f"{path}/{made['id']}/get", json={}).json()
            assert found["metadatas"] == [{"n": 1}]
        finally:
            other.delete(f"{path}/wall-lists")
