"""Maps, duplicates and outliers of real vectors in a running service."""

from __future__ import annotations

import base64
import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from mlpi.vectors.relay import connected
from tests.digits import COPIES, ODD, add_digits, identity
from tests.service import Service, until

COUNT = 300


@pytest.fixture(scope="module")
def digits(service: Service) -> str:
    return add_digits(service, "map-digits", COUNT)


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    """ana, who owns lab."""
    with service.client(service.token("ana", "lab")) as client:
        yield client


def ended(http: httpx.Client, kind: str, collection: str) -> dict[str, Any]:
    """The newest job of this kind for a collection, once it has ended."""

    def look() -> dict[str, Any] | None:
        found = http.get("/api/mlpi/jobs", params={"kind": kind}).json()
        jobs = found["jobs"] if isinstance(found, dict) else found
        mine = [job for job in jobs if job["params"].get("collection") == collection]
        return mine[0] if mine and mine[0]["finished_at"] else None

    job: dict[str, Any] = until(look, 100)
    return job


def places(found: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(found["xy"]), "<f4").reshape(-1, 2)


def test_a_map_by_pca_is_there_at_once(http: httpx.Client, digits: str) -> None:
    found = http.get(f"/vectors/{digits}/map/data", params={"field": "label"}).json()
    assert sorted(found["ids"]) == sorted([*map(identity, range(COUNT)), *COPIES, ODD])
    at = dict(zip(found["ids"], places(found), strict=True))
    np.testing.assert_allclose(at[COPIES[0]], at[identity(0)], atol=1e-3)
    # The one that is no digit lies farther from the middle than any other.
    assert max(at, key=lambda one: float(np.linalg.norm(at[one]))) == ODD
    assert found["colours"]["names"] == [str(digit) for digit in range(10)]
    assert found["colours"]["missing"] == 1
    again = http.get(f"/vectors/{digits}/map/data", params={"field": "ink"}).json()
    assert again["xy"] == found["xy"]
    assert again["colours"]["kind"] == "range"


def test_a_map_follows_the_collection(service: Service, http: httpx.Client) -> None:
    collection = add_digits(service, "map-that-grows", 20)
    before = http.get(f"/vectors/{collection}/map/data").json()
    with connected(service.home, "lab") as shelf:
        one = shelf.get(collection, vectors=True, limit=1)[0]
        shelf.write("upsert", collection, [type(one)("newcomer", vector=one.vector)])
    after = http.get(f"/vectors/{collection}/map/data").json()
    assert set(after["ids"]) - set(before["ids"]) == {"newcomer"}


def test_the_map_is_given_as_a_table(http: httpx.Client, digits: str) -> None:
    answer = http.get(f"/vectors/{digits}/map/table", params={"field": "label"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == COUNT + 4
    first = next(row for row in rows if row["id"] == identity(0))
    assert first["label"] == "0"
    assert float(first["x"]) != float(first["y"])
    assert 'filename="map-digits-pca.csv"' in answer.headers["content-disposition"]


def test_without_scripts_the_page_offers_the_table(http: httpx.Client, digits: str) -> None:
    page = http.get(f"/vectors/{digits}/map", params={"field": "label"})
    begin = page.text.index("<noscript><p")
    assert "/map/table?by=pca&amp;field=label" in page.text[begin : begin + 400]


def test_a_selection_is_shown_and_downloaded(http: httpx.Client, digits: str) -> None:
    ids = [identity(3), identity(5), "gone"]
    part = http.post(f"/vectors/{digits}/selections", json={"ids": ids}).text
    assert "3 records selected" in part
    key = part.split("/selections/")[1].split("/")[0]
    page = http.get(f"/vectors/{digits}/selections/{key}").text
    assert identity(3) in page
    assert identity(5) in page
    assert identity(4) not in page
    for shown in (part, page):
        assert shown.count('<img class="thumb" src="data:image/png;base64,') == 2
        assert "image: " not in shown  # a picture is not said again as text
        assert "label: 3" in shown
    lines = http.get(f"/vectors/{digits}/selections/{key}/records.jsonl").text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [identity(3), identity(5)]
    rows = list(
        csv.DictReader(
            io.StringIO(http.get(f"/vectors/{digits}/selections/{key}/records.csv").text)
        )
    )
    assert json.loads(rows[0]["metadata"])["label"] == 3
    assert http.get(f"/vectors/{digits}/selections/{key}/records.exe").status_code == 404


@pytest.mark.parametrize("body", [{}, {"ids": []}, {"ids": "digit-0001"}, {"ids": [1]}, [], None])
def test_no_selection_is_refused(http: httpx.Client, digits: str, body: Any) -> None:
    assert http.post(f"/vectors/{digits}/selections", json=body).status_code == 422


def test_another_workspace_sees_nothing_of_it(
    service: Service, http: httpx.Client, digits: str
) -> None:
    part = http.post(f"/vectors/{digits}/selections", json={"ids": [identity(1)]}).text
    key = part.split("/selections/")[1].split("/")[0]
    with service.client(service.token("otto", "other")) as stranger:
        for path in (
            *("map", "map/data", "map/table", f"map/record?id={identity(1)}", "pairs"),
            *(f"selections/{key}/records.csv", f"selections/{key}"),
        ):
            assert stranger.get(f"/vectors/{digits}/{path}").status_code == 404
        for path in ("map", "map/cancel", "selections", "pairs", "pairs/remove", "pairs/cancel"):
            answer = stranger.post(f"/vectors/{digits}/{path}", json={"ids": ["a"]})
            assert answer.status_code in (404, 422)
    with (
        connected(service.home, "other") as shelf,
        pytest.raises(Exception, match="does not exist"),
    ):
        shelf.own("map", {"collection": digits, "ids": [identity(1)]})


def test_the_engines_own_routes_are_not_reached_from_outside(
    http: httpx.Client, digits: str
) -> None:
    body = {"collection": digits, "ids": [identity(1)]}
    for path in ("/api/v2/mlpi/map", "/chroma/api/v2/mlpi/map", "/mlpi/map"):
        assert http.post(path, json=body).status_code == 404


def test_a_viewer_looks_and_computes_nothing(service: Service, digits: str) -> None:
    with service.client(service.token("vic", "lab")) as viewer:
        assert viewer.get(f"/vectors/{digits}/map/data").status_code == 200
        picked = viewer.post(f"/vectors/{digits}/selections", json={"ids": [identity(1)]})
        assert picked.status_code == 200
        for path in ("map", "map/cancel", "pairs", "pairs/cancel", "pairs/remove"):
            assert viewer.post(f"/vectors/{digits}/{path}", data={"by": "tsne"}).status_code == 403


def test_a_layout_by_tsne_comes_from_a_job(http: httpx.Client, digits: str) -> None:
    assert http.get(f"/vectors/{digits}/map/data", params={"by": "tsne"}).status_code == 404
    assert http.post(f"/vectors/{digits}/map", data={"by": "tsne"}).status_code == 303
    job = ended(http, "vectors_map", digits)
    assert job["state"] == "succeeded", job["error"]
    found = http.get(f"/vectors/{digits}/map/data", params={"by": "tsne", "field": "label"}).json()
    at = places(found)
    assert len(found["ids"]) == COUNT + 4 == len(at)
    assert np.isfinite(at).all()
    # Neighbours on the map are the same digit, mostly.
    codes = np.array(found["colours"]["codes"])
    far = np.linalg.norm(at[:, None] - at[None], axis=2)
    np.fill_diagonal(far, np.inf)
    assert (codes[far.argmin(axis=1)] == codes).mean() > 0.85
    assert "computed" in http.get(f"/vectors/{digits}/map", params={"by": "tsne"}).text


@pytest.mark.parametrize("by", ["pca", "", "xyz"])
def test_what_is_no_computation_is_refused(http: httpx.Client, digits: str, by: str) -> None:
    assert http.post(f"/vectors/{digits}/map", data={"by": by}).status_code == 422


def test_too_few_records_fail_with_a_reason(service: Service, http: httpx.Client) -> None:
    with connected(service.home, "lab") as shelf:
        collection = shelf.create("map-of-nothing")
    assert http.get(f"/vectors/{collection}/map/data").json()["ids"] == []
    assert http.get(f"/vectors/{collection}/map").status_code == 200
    assert http.get(f"/vectors/{collection}/pairs").status_code == 200
    for path, kind, data in (
        ("map", "vectors_map", {"by": "tsne"}),
        ("pairs", "vectors_pairs", {"sample": "0"}),
    ):
        http.post(f"/vectors/{collection}/{path}", data=data)
        assert ended(http, kind, collection)["state"] == "failed"


def test_planted_duplicates_and_an_outlier_are_found(service: Service, http: httpx.Client) -> None:
    collection = add_digits(service, "map-pairs", COUNT)
    assert http.post(f"/vectors/{collection}/pairs", data={"sample": "0"}).status_code == 303
    job = ended(http, "vectors_pairs", collection)
    assert job["state"] == "succeeded", job["error"]
    assert job["result"]["looked_at"] == COUNT + 4
    page = http.get(f"/vectors/{collection}/pairs", params={"within": "0"}).text
    assert "4 within 0" in page
    assert "2 groups" in page
    for one in COPIES:
        assert one in page
    outliers = page[page.index("Outliers") :]
    assert outliers.index(ODD) < outliers.index("digit-")
    assert '<img class="thumb" src="data:image/png;base64,' in outliers
    assert "changed since" not in page

    for word in ("near", "nan", "1e999"):
        wrong = http.get(f"/vectors/{collection}/pairs", params={"within": word})
        assert wrong.status_code == 422
        assert "is no distance" in wrong.text

    gone = http.post(f"/vectors/{collection}/pairs/remove", data={"id": COPIES[2], "within": "0"})
    assert gone.status_code == 303
    page = http.get(gone.headers["location"]).text
    assert "3 within 0" in page
    assert "1 group<" in page
    assert "changed since" in page
    with connected(service.home, "lab") as shelf:
        assert shelf.count(collection) == COUNT + 3
    again = http.post(f"/vectors/{collection}/pairs/remove", data={"id": COPIES[2]})
    assert again.status_code == 404


def test_the_whole_group_is_shown_as_records(service: Service, http: httpx.Client) -> None:
    collection = add_digits(service, "map-groups", 50)
    http.post(f"/vectors/{collection}/pairs", data={"sample": "0"})
    ended(http, "vectors_pairs", collection)
    file = service.home / "chroma-maps" / collection / "pairs.sqlite3"
    with sqlite3.connect(file) as db:
        mark = db.execute("SELECT mark FROM marks WHERE id = ?", (COPIES[0],)).fetchone()[0]
    db.close()
    answer = http.post(f"/vectors/{collection}/pairs/group", data={"mark": mark})
    assert answer.status_code == 303
    page = http.get(answer.headers["location"]).text
    assert all(one in page for one in (identity(0), *COPIES[:2]))
    assert COPIES[2] not in page
    assert identity(1) not in page
