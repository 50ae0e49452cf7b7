"""What Chroma's API refuses leaves nothing behind, however late in a long write it turns up."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.service import Service

COLLECTIONS = "/api/v2/tenants/default_tenant/databases/lab/collections"
ROWS = 1200  # more than two of the slices that long writes are cut into
LATE = 1100  # where the bad row is
EVERYTHING = {"include": ["documents", "embeddings", "metadatas", "uris"]}
NAN = "AADAfwAAgD8="  # base64 of little-endian float32: NaN, 1.0
INFINITE = "AACAfwAAgD8="
# The column, what stands in it at LATE, and the status.
LATE_FAULTS: list[tuple[str, Any, int]] = [
    ("ids", "", 400),
    ("ids", 7, 422),
    ("ids", None, 422),
    ("embeddings", [1.0], 400),
    ("embeddings", [1.0, 2.0, 3.0], 400),
    ("embeddings", [], 400),
    ("embeddings", ["a", "b"], 422),
    ("embeddings", [True, 1.0], 422),
    ("embeddings", [1e300, 1.0], 400),
    ("embeddings", NAN, 422),  # one of another kind than the rest
    ("documents", 3, 422),
    ("uris", ["x"], 422),
    ("metadatas", "x", 422),
    ("metadatas", {"a": {"b": 1}}, 422),
    ("metadatas", {"a": [1, "x"]}, 422),
    ("metadatas", {"": 1}, 400),
    ("metadatas", {"#a": 1}, 400),
    ("metadatas", {"$a": 1}, 400),
    ("metadatas", {"a": {"#type": "sparse_vector", "indices": [2, 1], "values": [1, 2]}}, 400),
    ("metadatas", {"a": {"#type": "sparse_vector", "indices": [1, 2], "values": [1, 2]}}, 501),
]


@pytest.fixture(scope="module")
def http(service: Service) -> Iterator[httpx.Client]:
    with service.client(service.token("ana", "lab")) as client:
        yield client


@pytest.fixture(scope="module")
def path(http: httpx.Client) -> Iterator[str]:
    """A collection with two records."""
    made = http.post(COLLECTIONS, json={"name": "refusals", "metadata": {"kept": 1}})
    one = f"{COLLECTIONS}/{made.json()['id']}"
    kept = {
        "ids": ["0", "1"],
        "embeddings": [[0.5, 1.0], [1.5, 1.0]],
        "documents": ["kept", None],
        "metadatas": [None, {"kept": True}],
    }
    assert http.post(f"{one}/add", json=kept).status_code == 201
    yield one
    http.delete(f"{COLLECTIONS}/refusals").raise_for_status()


def long_write() -> dict[str, Any]:
    return {
        "ids": [str(number) for number in range(ROWS)],
        "embeddings": [[float(number), 1.0] for number in range(ROWS)],
        "documents": [f"document {number}" for number in range(ROWS)],
        "metadatas": [{"number": number} for number in range(ROWS)],
        "uris": [None] * ROWS,
    }


def state(http: httpx.Client, path: str) -> Any:
    found = http.get(COLLECTIONS + "/refusals").json()
    return http.post(f"{path}/get", json=EVERYTHING).json(), found, http.get(f"{path}/count").json()


@pytest.mark.parametrize("deed", ["add", "upsert", "update"])
def test_a_late_fault_leaves_nothing_of_a_long_write(
    http: httpx.Client, path: str, deed: str
) -> None:
    before = state(http, path)
    whole = long_write()
    for column, value, status in LATE_FAULTS:
        body = copy.copy(whole)
        body[column] = [*whole[column][:LATE], value, *whole[column][LATE + 1 :]]
        answer = http.post(f"{path}/{deed}", json=body)
        assert (column, value, answer.status_code) == (column, value, status), answer.text
        assert answer.json()["message"]
        assert state(http, path) == before, f"{column}: {value!r} left something"
    for column in ("embeddings", "documents", "metadatas", "uris"):
        short = {**whole, column: whole[column][:-1]}
        assert http.post(f"{path}/{deed}", json=short).status_code == 400
    for coded in (NAN, INFINITE, "AAAA", "%"):
        body = {**whole, "embeddings": ["AACAPwAAgD8="] * LATE + [coded] * (ROWS - LATE)}
        answer = http.post(f"{path}/{deed}", json=body)
        assert answer.status_code == 400, answer.text
    assert state(http, path) == before


def test_a_refused_first_write_leaves_a_collection_without_dimension(http: httpx.Client) -> None:
    made = http.post(COLLECTIONS, json={"name": "refusals-empty"}).json()
    try:
        body = long_write()
        body["embeddings"][LATE] = [1.0]
        assert http.post(f"{COLLECTIONS}/{made['id']}/add", json=body).status_code == 400
        found = http.get(f"{COLLECTIONS}/refusals-empty").json()
        assert (found["dimension"], found["id"]) == (None, made["id"])
    finally:
        http.delete(f"{COLLECTIONS}/refusals-empty").raise_for_status()


def test_many_ids_are_deleted_at_once(http: httpx.Client) -> None:
    """A hundred thousand, of which a few are there."""
    made = http.post(COLLECTIONS, json={"name": "refusals-many"}).json()
    one = f"{COLLECTIONS}/{made['id']}"
    try:
        assert http.post(f"{one}/add", json=long_write()).status_code == 201
        ids = [str(number) for number in range(5, 100_005)]
        answer = http.post(f"{one}/delete", json={"ids": ids})
        assert (answer.status_code, answer.json()) == (200, {"deleted": 100_000})
        assert sorted(http.post(f"{one}/get", json={}).json()["ids"]) == list("01234")
        mixed = http.post(f"{one}/delete", json={"ids": [*ids, 3]})
        assert mixed.status_code == 422
        assert http.get(f"{one}/count").json() == 5
    finally:
        http.delete(f"{COLLECTIONS}/refusals-many").raise_for_status()
