"""Pages of records and searches over a real socket, on what Chroma's own client wrote."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import chromadb
import httpx
import pytest
from chromadb.config import Settings

from tests.service import Service, clean_environment

HOSTILE = "<script>alert(1)</script>\"'&"
PIXEL = "data:image/png;base64,iVBORw0KGgo="


@dataclass
class Shelved:
    """A collection of lab; what its client sees of it."""

    id: str
    client: Any

    @property
    def at(self) -> str:
        return f"/vectors/{self.id}"

    def metadata(self, id_: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.client.get(ids=[id_])["metadatas"][0]
        return found


@pytest.fixture
def chroma(service: Service) -> Iterator[Any]:
    client = chromadb.HttpClient(
        "127.0.0.1",
        service.port,
        headers={"X-Chroma-Token": service.token("eve", "lab")},
        settings=Settings(anonymized_telemetry=False),
    )
    yield client
    for one in (client._server, client._admin_client._server):
        one._session.close()
    client.close()


def make(chroma: Any, name: str) -> Shelved:
    made = chroma.create_collection(f"{name}-{uuid.uuid4().hex[:8]}", embedding_function=None)
    return Shelved(str(made.id), made)


@pytest.fixture
def shelved(chroma: Any) -> Shelved:
    """Sixty records on a line: r00 at 0, r01 at 1 and so on."""
    made = make(chroma, "browsed")
    made.client.add(
        ids=[f"r{n:02}" for n in range(60)],
        embeddings=[[float(n), 1.0] for n in range(60)],
        documents=[None if n % 10 == 0 else f"text {n} of many" for n in range(60)],
        metadatas=[
            {"n": n, "half": n / 2, "is_even": n % 2 == 0, "kind": "abc"[n % 3], "l": [n, n + 1]}
            for n in range(60)
        ],
    )
    return made


@pytest.fixture
def eve(service: Service) -> Iterator[httpx.Client]:
    with service.browser("eve") as client:
        yield client


def got(client: httpx.Client, path: str, **query: Any) -> httpx.Response:
    return client.get(path, params={"workspace": "lab", **query})


def posted(client: httpx.Client, path: str, query: Any = None, **form: Any) -> httpx.Response:
    return client.post(path, params={"workspace": "lab", **(query or {})}, data=form)


def shown_ids(page: str) -> list[str]:
    """Ids of the table, or of a search's hits."""
    found = re.findall(r'/record\?id=([^&"]*)&amp;workspace=lab"', page)
    return list(dict.fromkeys(html.unescape(one).replace("+", " ") for one in found))


def where(value: Any) -> str:
    return json.dumps(value)


def test_pages_follow_each_other(eve: httpx.Client, shelved: Shelved) -> None:
    first = got(eve, shelved.at).text
    assert shown_ids(first) == [f"r{n:02}" for n in range(50)]
    assert "1–50 of 60" in first
    second = got(eve, shelved.at, page=2).text
    assert shown_ids(second) == [f"r{n:02}" for n in range(50, 60)]
    assert 'rel="next"' not in second
    assert shown_ids(got(eve, shelved.at, size=25, page=3).text) == [
        f"r{n:02}" for n in range(50, 60)
    ]
    far = got(eve, shelved.at, page=1000)
    assert far.status_code == 200
    assert "There is no page 1,000" in far.text
    assert got(eve, shelved.at, page="x").status_code == 422


def test_a_filter_narrows_counts_and_pages(eve: httpx.Client, shelved: Shelved) -> None:
    page = got(eve, shelved.at, where=where({"n": {"$gte": 20}}), size=25, page=2).text
    assert shown_ids(page) == [f"r{n:02}" for n in range(45, 60)]
    assert "40 of 60 records match" in page
    document = where({"$or": [{"$contains": "text 7"}, {"$regex": "text 1[12] "}]})
    assert shown_ids(got(eve, shelved.at, document=document).text) == ["r07", "r11", "r12"]
    both = got(eve, shelved.at, ids="r03\nr04\nr99", where=where({"is_even": True})).text
    assert shown_ids(both) == ["r04"]
    assert "No record matches" in got(eve, shelved.at, where=where({"n": -1})).text


def test_rows_of_the_builder_lead_to_a_link(eve: httpx.Client, shelved: Shelved) -> None:
    rows = {
        "by": "rows",
        "join": "$or",
        "f": ["n", "kind", ""],
        "o": ["$lt", "$in", "$eq"],
        "v": ["2", "a, c", ""],
        "do": "$contains",
        "dv": "text 1",
    }
    answer = got(eve, shelved.at, **rows)
    assert answer.status_code == 303
    link = answer.headers["location"]
    assert "where=" in link
    assert "&f=" not in link
    page = eve.get(link).text
    assert shown_ids(page) == [f"r{n:02}" for n in (1, 11, 12, 14, 15, 17, 18)]
    assert 'value="a, c"' in page
    as_json = html.unescape(page)
    assert '{"$or": [{"n": {"$lt": 2}}, {"kind": {"$in": ["a", "c"]}}]}' in as_json
    part = eve.get(shelved.at, params={"workspace": "lab", **rows}, headers={"HX-Request": "true"})
    assert (part.status_code, shown_ids(part.text)) == (200, shown_ids(page))
    assert "<html" not in part.text


def test_either_form_is_written_from_the_other(eve: httpx.Client, shelved: Shelved) -> None:
    at = shelved.at + "/filter"
    as_json = got(eve, at, by="json", f="n", o="$gt", v="5").text
    assert '{"n": {"$gt": 5}}</textarea>' in html.unescape(as_json)
    as_rows = got(eve, at, by="rows", where=where({"kind": "a"})).text
    assert 'name="f" value="kind"' in as_rows
    assert '<option value="half">' in as_rows
    deep = {"$and": [{"n": 1}, {"$or": [{"n": 1}, {"n": 2}]}]}
    assert "says more than rows can show" in got(eve, at, by="rows", where=where(deep)).text
    bad = got(eve, at, by="rows", where="{")
    assert bad.status_code == 422
    assert ">{</textarea>" in bad.text.replace("\n{", "{")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"where": '{"n": {"$gt": 1}'}, "at line 1, column 17"),
        ({"where": '{"n": {"$gt": "a"}}'}, "where.n.$gt: a number is expected"),
        ({"document": '{"$regex": "("}'}, "unclosed group"),
        ({"by": "rows", "f": "n", "o": "$gt", "v": "many"}, "needs a number"),
    ],
)
def test_a_wrong_filter_comes_back_with_what_was_typed(
    eve: httpx.Client, shelved: Shelved, query: dict[str, str], said: str
) -> None:
    for path in (shelved.at, shelved.at + "/search"):
        answer = got(eve, path, **query, vector="1 1")
        assert answer.status_code == 422
        text = html.unescape(answer.text)
        assert said in text
        for name in ("where", "document", "v"):
            assert query.get(name, "") in text
        assert not shown_ids(answer.text)


def test_metadata_stands_in_chosen_columns(eve: httpx.Client, shelved: Shelved) -> None:
    page = got(eve, shelved.at, col=["half", "kind"]).text
    heads = re.findall(r"<th[^>]*>(?:<[^>]*>)*([^<]+)", page)
    assert heads == ["Id", "Document", "half", "kind", "Vector", "More like it"]
    assert '<td class="num" title="1.5">1.5</td>' in page


def test_a_record_is_added_edited_and_deleted(eve: httpx.Client, shelved: Shelved) -> None:
    new = {
        "id": "new/one ?&",
        "document": "\nfirst\r\nline",
        "vector": "[0.5, 0.25]",
        "key": ["a", "b", ""],
        "kind": ["whole", "list", "text"],
        "value": ["7", '["x"]', ""],
    }
    made = posted(eve, shelved.at + "/records", **new)
    assert made.status_code == 303
    page = eve.get(made.headers["location"]).text
    assert "new/one ?&amp;" in page
    assert "0.5, 0.25" in page
    got_back = shelved.client.get(ids=["new/one ?&"], include=["embeddings", "documents"])
    assert got_back["documents"] == ["\nfirst\nline"]
    assert got_back["embeddings"].tolist() == [[0.5, 0.25]]
    assert shelved.metadata("new/one ?&") == {"a": 7, "b": ["x"]}

    one = {"id": "new/one ?&"}
    form = got(eve, shelved.at + "/record/edit", **one).text
    assert "\n\nfirst\nline</textarea>" in form  # the first newline is HTML's own
    change = {
        "document": "second",
        "had": ["a", "b"],
        "key": ["a", "c"],
        "kind": ["decimal", "flag"],
        "value": ["7", "true"],
    }
    assert posted(eve, shelved.at + "/record", one, **change).status_code == 303
    after = shelved.client.get(ids=["new/one ?&"], include=["embeddings", "documents", "metadatas"])
    assert after["documents"] == ["second"]
    assert after["metadatas"] == [{"a": 7.0, "c": True}]
    assert isinstance(after["metadatas"][0]["a"], float)
    assert after["embeddings"].tolist() == [[0.5, 0.25]]
    moved = posted(eve, shelved.at + "/record", one, document="second", vector="1 2")
    assert moved.status_code == 303
    assert shelved.metadata("new/one ?&") == {"a": 7.0, "c": True}  # the form did not show them
    assert shelved.client.get(ids=["new/one ?&"], include=["embeddings"])[
        "embeddings"
    ].tolist() == [[1.0, 2.0]]
    assert posted(eve, shelved.at + "/record/remove", one).status_code == 303
    assert got(eve, shelved.at + "/record", **one).status_code == 404
    assert posted(eve, shelved.at + "/record/remove", one).status_code == 404


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"vector": "1 2 3"}, "has 3 numbers, but this collection's have 2"),
        ({"vector": "1 x"}, "Part 2 of the vector"),
        ({"vector": ""}, "A record needs a vector."),
        ({"vector": "1 2", "id": "r05"}, "There is a record 'r05' already."),
        ({"vector": "1 2", "key": "k", "kind": "whole", "value": "q"}, "is not a whole number"),
    ],
)
def test_a_wrong_record_comes_back_with_what_was_typed(
    eve: httpx.Client, shelved: Shelved, form: dict[str, str], said: str
) -> None:
    answer = posted(eve, shelved.at + "/records", **{"id": "mine", "document": "kept", **form})
    assert answer.status_code == 422
    text = html.unescape(answer.text)
    assert said in text
    assert "kept</textarea>" in text
    assert f'value="{form.get("id", "mine")}"' in text
    assert shelved.client.count() == 60


def test_ticked_records_are_marked_and_deleted(eve: httpx.Client, shelved: Shelved) -> None:
    ticked = ["r01", "r02"]
    mark = {"record": ticked, "mark_key": "seen", "mark_kind": "flag", "mark_value": "true"}
    view = {"where": where({"n": {"$lt": 5}}), "size": "25"}
    done = posted(eve, shelved.at + "/records/mark", **mark, **view, deed="set")
    assert done.status_code == 303
    assert shown_ids(eve.get(done.headers["location"]).text) == [f"r{n:02}" for n in range(5)]
    assert shelved.client.get(where={"seen": True})["ids"] == ticked
    gone = posted(eve, shelved.at + "/records/mark", record=["r01"], mark_key="seen", deed="unset")
    assert gone.status_code == 303
    assert shelved.client.get(where={"seen": True})["ids"] == ["r02"]
    wrong = posted(eve, shelved.at + "/records/mark", **{**mark, "mark_kind": "whole"}, deed="set")
    assert wrong.status_code == 422
    assert re.search(r'value="r01"[^>]*checked', wrong.text)
    assert posted(eve, shelved.at + "/records/remove", record=ticked).status_code == 303
    assert shelved.client.count() == 58
    nothing = posted(eve, shelved.at + "/records/remove")
    assert nothing.status_code == 422
    assert "Tick records first." in nothing.text


def test_all_that_match_go_when_it_is_as_many_as_was_said(
    eve: httpx.Client, shelved: Shelved
) -> None:
    at = shelved.at + "/matching/remove"
    filters = {"where": where({"n": {"$gte": 50}})}
    asked = got(eve, at, **filters).text
    assert "Delete 10 records for good?" in asked
    shelved.client.delete(ids=["r59"])
    refused = posted(eve, at, **filters, count="10")
    assert refused.status_code == 422
    assert "Meanwhile 9 records match, not 10." in refused.text
    assert 'name="count" value="9"' in refused.text
    assert posted(eve, at, **filters, count="9").status_code == 303
    assert shelved.client.count() == 50
    assert got(eve, at).status_code == 422
    assert posted(eve, at, count="50").status_code == 422
    assert shelved.client.count() == 50


def test_what_is_near_is_found_by_vector_and_by_record(eve: httpx.Client, shelved: Shelved) -> None:
    at = shelved.at + "/search"
    page = got(eve, at, vector="[20.2, 1]", k=3).text
    assert shown_ids(page) == ["r20", "r21", "r19"]
    assert re.search(r"3 records in \d+ ms|3 records in 0\.\d s", page)
    assert shown_ids(got(eve, at, like="r20", k=2).text) == ["r19", "r21"]
    narrowed = got(eve, at, vector="20.2, 1", k=2, where=where({"is_even": False})).text
    assert shown_ids(narrowed) == ["r21", "r19"]
    assert shown_ids(got(eve, at, vector="20.2 1", ids="r01\nr02").text) == ["r02", "r01"]
    for query, said in (
        ({"vector": "1 2 3"}, "has 3 numbers, but this collection's have 2"),
        ({"vector": "a"}, "Part 1 of the vector, 'a', is not a finite number"),
        ({"like": "nobody"}, "There is no record 'nobody'"),
        ({"text": "hello"}, "no embedder: its clients bring their vectors"),
        ({"vector": "1 2", "k": "101"}, "a number from 1 to 100"),
    ):
        refused = got(eve, at, **query)
        assert refused.status_code == 422
        assert said in html.unescape(refused.text)
    near = got(eve, shelved.at + "/record", id="r30").text
    assert shown_ids(near)[:2] == ["r29", "r31"]


def test_a_text_is_searched_and_documents_get_their_vectors_by_the_chosen_embedder(
    eve: httpx.Client, chroma: Any
) -> None:
    made = make(chroma, "spelled")
    assert posted(eve, made.at + "/embedder", embedder="lexical").status_code == 303
    for id_, text in (("pie", "a raspberry pie"), ("sea", "the deep blue sea")):
        new = posted(eve, made.at + "/records", id=id_, document=text, embeds="1")
        assert new.status_code == 303
    page = got(eve, made.at + "/search", text="raspberries", k=1).text
    assert shown_ids(page) == ["pie"]
    assert "the text embedded in" in page
    before = made.client.get(ids=["sea"], include=["embeddings"])["embeddings"].tolist()
    kept = posted(eve, made.at + "/record", {"id": "sea"}, document="raspberries only")
    assert kept.status_code == 303
    assert made.client.get(ids=["sea"], include=["embeddings"])["embeddings"].tolist() == before
    anew = {"document": "raspberries only", "embeds": "1"}
    assert posted(eve, made.at + "/record", {"id": "sea"}, **anew).status_code == 303
    assert shown_ids(got(eve, made.at + "/search", text="raspberries", k=1).text) == ["sea"]


def test_an_embedder_that_does_not_fit_says_so(eve: httpx.Client, shelved: Shelved) -> None:
    assert posted(eve, shelved.at + "/embedder", embedder="lexical").status_code == 303
    refused = got(eve, shelved.at + "/search", text="text 7")
    assert refused.status_code == 422
    assert "makes 384 numbers, but this collection" in refused.text
    assert 'value="text 7"' in refused.text


def test_hostile_texts_and_pictures_of_others_stay_texts(eve: httpx.Client, chroma: Any) -> None:
    made = make(chroma, "hostile")
    made.client.add(
        ids=[HOSTILE, "shown", "far"],
        embeddings=[[1.0, 0.0], [0.9, 0.1], [0.8, 0.2]],
        documents=[HOSTILE] * 3,
        metadatas=[
            {HOSTILE: HOSTILE, "l": [HOSTILE]},
            {"image": PIXEL},
            {
                "image_url": "https://elsewhere.example/a.png",
                "thumbnail": "//elsewhere.example/b.png",
            },
        ],
        uris=["https://elsewhere.example/c.png"] * 3,
    )
    pages = [
        got(eve, made.at),
        got(eve, made.at, col=HOSTILE, where=where({HOSTILE: HOSTILE})),
        got(eve, made.at + "/search", like="shown"),
        got(eve, made.at + "/search", vector="1 0"),
        got(eve, made.at + "/record", id=HOSTILE),
        got(eve, made.at + "/record/edit", id=HOSTILE),
        got(eve, made.at + "/matching/remove", where=where({HOSTILE: HOSTILE})),
    ]
    for page in pages:
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert not re.search(r'(src|href)="[^"]*elsewhere', page.text)
    assert f'src="{PIXEL}"' in got(eve, made.at + "/search", vector="1 0").text
    assert pages[0].text.count(PIXEL) == 1  # the row's picture, and no chip beside it
    assert f'<img class="thumb" src="{PIXEL}"' in pages[0].text
    assert shown_ids(pages[1].text)
    assert posted(eve, made.at + "/records/remove", record=[HOSTILE]).status_code == 303
    assert made.client.count() == 2


def test_odd_collections_are_shown(eve: httpx.Client, chroma: Any) -> None:
    empty = make(chroma, "void")
    assert "No records yet" in got(eve, empty.at).text
    assert "The collection is empty." in got(eve, empty.at + "/search", vector="1 2").text
    wide = make(chroma, "wide")
    wide.client.add(ids=["a", "b"], embeddings=[[n + 0.1] * 4096 for n in range(2)])
    assert shown_ids(got(eve, wide.at).text) == ["a", "b"]
    vector = " ".join(["0.1"] * 4096)
    assert shown_ids(got(eve, wide.at + "/search", vector=vector).text) == ["a", "b"]


def test_a_megabyte_of_text_does_not_blow_up_the_lists(eve: httpx.Client, chroma: Any) -> None:
    made = make(chroma, "long")
    text = "word " * 220_000
    made.client.add(ids=["a", "b"], embeddings=[[1.0, 2.0]] * 2, documents=[text] * 2)
    for answer in (got(eve, made.at), got(eve, made.at + "/search", vector="1 2")):
        assert shown_ids(answer.text) == ["a", "b"]
        assert len(answer.content) < 40_000
    assert text in got(eve, made.at + "/record", id="a").text
    changed = posted(eve, made.at + "/record", {"id": "a"}, document=text + "the end")
    assert changed.status_code == 303
    assert made.client.get(ids=["a"])["documents"] == [text + "the end"]


def code_of(page: str, which: str) -> str:
    found = re.search(rf'<pre id="console-{which}"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found
    return html.unescape(found[1])


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("", {"size": "25", "page": "2", "where": where({"n": {"$gte": 5}})}),
        ("", {"document": where({"$contains": "text 3"}), "ids": "r03\nr30\nr31"}),
        ("/search", {"vector": "20.2 1", "k": "4", "where": where({"$and": [{"is_even": True}]})}),
        ("/search", {"like": "r07", "k": "5"}),
        ("/record", {"id": "r07"}),
    ],
)
def test_the_code_of_a_page_finds_what_the_page_shows(
    service: Service, eve: httpx.Client, shelved: Shelved, path: str, query: dict[str, str]
) -> None:
    page = got(eve, shelved.at + path, **query).text
    shown = ["r07"] if path == "/record" else shown_ids(page)
    env = clean_environment(
        {"MLPI_TOKEN": service.token("vic", "lab"), "ANONYMIZED_TELEMETRY": "False"}
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code_of(page, "python")],
        env=env,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == shown
    done = subprocess.run(
        ["bash", "-c", code_of(page, "curl")],
        env={**os.environ, "MLPI_TOKEN": env["MLPI_TOKEN"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ids = json.loads(done.stdout)["ids"]
    flat = ids[0] if ids and isinstance(ids[0], list) else ids
    assert [one for one in flat if one != query.get("like")] == shown


def test_viewers_read_and_editors_write(service: Service, shelved: Shelved) -> None:
    with service.browser("vic") as vic:
        page = got(vic, shelved.at).text
        assert shown_ids(page)
        for word in ('name="record"', "Add a record", "/records/remove"):
            assert word not in page
        filtered = got(vic, shelved.at, where=where({"n": 1})).text
        assert "Delete all that match" not in filtered
        assert "/record/edit" not in got(vic, shelved.at + "/record", id="r01").text
        assert got(vic, shelved.at + "/search", like="r01").status_code == 200
        for path in ("/new", "/record/edit", "/matching/remove"):
            assert got(vic, shelved.at + path, id="r01").status_code == 403
        for path in ("/records", "/records/remove", "/records/mark", "/matching/remove", "/record"):
            assert posted(vic, shelved.at + path, {"id": "r01"}).status_code == 403
    with service.browser("otto") as otto:
        for path in ("", "/search", "/filter", "/record?id=r01", "/new", "/record/edit?id=r01"):
            answer = otto.get(shelved.at + path, headers={"X-MLFLOW-WORKSPACE": "other"})
            assert answer.status_code == 404, path
        for path in ("/records", "/records/remove", "/records/mark", "/matching/remove", "/record"):
            form = {"record": "r01", "mark_key": "k", "where": '{"n": 1}', "count": "1"}
            answer = otto.post(
                shelved.at + path, params={"workspace": "other", "id": "r01"}, data=form
            )
            assert answer.status_code in (404, 422), path
    assert shelved.client.count() == 60
