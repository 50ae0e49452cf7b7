"""Collections from files, into files and into copies, through a running service."""

from __future__ import annotations

import base64
import io
import json
import os
import random
import re
import signal
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

from mlpi.vectors.records import Record
from mlpi.vectors.relay import connected
from mlpi.vectors.store import CollectionStore
from tests.integration.test_jobs import end_of, is_alive, job, worker_pids
from tests.service import Service, running_service, until
from tests.vectors_files import as_csv, as_jsonl, as_zip

API = "/api/mlpi/vectors"
MANY = 6000  # records: some seconds of work for the engine


def rows_of(count: int, *, dimension: int = 4, seed: int = 7) -> list[dict[str, Any]]:
    dice = random.Random(seed)
    return [
        {
            "id": f"r{number}",
            "text": f"document {number}",
            "topic": ("birds", "fish")[number % 2],
            "n": number,
            "embedding": [round(dice.uniform(-1, 1), 4) for _ in range(dimension)],
        }
        for number in range(count)
    ]


def vector_of(row: dict[str, Any]) -> bytes:
    return np.array(row["embedding"], dtype="<f4").tobytes()


@pytest.fixture
def eve(service: Service) -> Iterator[httpx.Client]:
    with service.client(service.token("eve", "lab")) as client:
        yield client


def bring(client: httpx.Client, name: str, content: bytes, **options: str) -> dict[str, Any]:
    """Import into a collection, which may be new; the ended job."""
    # In a collection of cosine distance Chroma itself does not keep the last bit of a vector.
    given = {"filename": "rows.jsonl", "create": "true", "space": "l2", **options}
    answer = client.post(f"{API}/{name}/import", params=given, content=content)
    assert answer.status_code == 202, answer.text
    return end_of(client, answer.json()["job_id"])


def records(service: Service, name: str, workspace: str = "lab") -> dict[str, Record]:
    """All of a collection, read by offsets, which is another way than exports take."""
    (found,) = [
        one
        for one in CollectionStore(service.home / "chroma").page(workspace, name)
        if one.name == name
    ]
    with connected(service.home, workspace) as shelf:
        return {one.id: one for page in shelf.pages(found.id) for one in page}


def exported(client: httpx.Client, name: str, kind: str, **condition: Any) -> bytes:
    if kind in ("csv", "jsonl"):
        given = {key: json.dumps(value) for key, value in condition.items()}
        answer = client.get(f"{API}/{name}/export", params={"format": kind, **given})
    else:
        begun = client.post(f"{API}/{name}/exports", json={"format": kind, **condition})
        assert begun.status_code == 202, begun.text
        made = end_of(client, begun.json()["job_id"])
        assert made["state"] == "succeeded", made["error"]
        answer = client.get(f"{API}/{name}/exports/{made['id']}")
    assert answer.status_code == 200, answer.text
    return answer.content


def test_a_file_becomes_a_new_collection_by_a_form(service: Service) -> None:
    rows = rows_of(30)
    with service.browser("eve") as browser:
        answer = browser.post(
            "/vectors/import?workspace=lab",
            data={"name": "by-a-form"},
            files={"file": ("birds.csv", as_csv(rows))},
        )
        assert answer.status_code == 303, answer.text
        page = answer.headers["location"]
        shown = browser.get(page).text
        for part in ("birds.csv", "into a new collection", "document 0", "birds-"):
            assert part in shown
        uses = {
            name: (int(index), value)
            for index, name, value in re.findall(
                r'name="use-(\d+)" aria-label="(\w+) becomes">.*?value="(\w*)" selected',
                shown,
                re.DOTALL,
            )
        }
        assert {name: use for name, (_, use) in uses.items()} == {
            "id": "id",
            "text": "document",
            "topic": "metadata",
            "n": "metadata",
            "embedding": "vector",
        }
        form = {f"use-{index}": use for index, use in uses.values()}
        form[f"key-{uses['topic'][0]}"] = "subject"
        form[f"use-{uses['n'][0]}"] = ""
        wrong = browser.post(page, data={**form, "name": "-", "space": "l2"})
        assert wrong.status_code == 422
        assert "no name of a collection" in wrong.text
        assert 'value="subject"' in wrong.text
        begun = browser.post(page, data={**form, "name": "by-a-form", "space": "l2"})
        assert begun.status_code == 303, begun.text
        data = begun.headers["location"]
        part = {"hx-request": "true", "hx-request-type": "partial"}
        until(lambda: "data-poll" not in browser.get(data, headers=part).text)
        assert "30 records" in browser.get(data).text
        gone = browser.get(page)
        assert gone.status_code == 404
        assert "Upload it again" in gone.text
    found = records(service, "by-a-form")
    assert len(found) == 30
    for row in rows:
        one = found[row["id"]]
        assert one.document == row["text"]
        assert one.metadata == {"subject": row["topic"]}
        assert one.vector is not None
        assert one.vector.tobytes() == vector_of(row)
    (kept,) = CollectionStore(service.home / "chroma").page("lab", "by-a-form")
    assert (kept.space, kept.dimension) == ("l2", 4)


def test_a_file_comes_in_parts_and_waits_for_its_mapping(
    service: Service, eve: httpx.Client
) -> None:
    content = as_jsonl(rows_of(40))
    name = base64.b64encode(b"parts.jsonl").decode()
    begun = eve.post(
        "/api/mlpi/uploads/vectors",
        headers={"Upload-Length": str(len(content)), "Upload-Metadata": f"filename {name}"},
    )
    assert begun.status_code == 201, begun.text
    place, done = begun.headers["location"], begun
    for start in range(0, len(content), 1000):
        done = eve.patch(
            place,
            content=content[start : start + 1000],
            headers={
                "Content-Type": "application/offset+octet-stream",
                "Upload-Offset": str(start),
            },
        )
        assert done.status_code == 204, done.text
    import_id = done.headers["x-import"]
    seen = eve.get(f"/api/mlpi/imports/vectors/{import_id}").json()
    assert seen["columns"] == ["id", "text", "topic", "n", "embedding"]
    assert seen["mapping"]["vector"] == "embedding"
    listed = eve.get("/vectors/import", headers={"Accept": "text/html"}).text
    assert "parts.jsonl" in listed
    mapping = {"id": "id", "vector": "embedding", "fields": {"n": "number"}}
    ended = bring(eve, "in-parts", b"", upload=import_id, mapping=json.dumps(mapping))
    assert ended["result"] == {"records": 40, "skipped": 0, "refused": []}
    assert records(service, "in-parts")["r3"].metadata == {"number": 3}
    assert records(service, "in-parts")["r3"].document is None


NASTY: list[dict[str, Any]] = [
    {"id": "plain", "document": "words", "metadata": {"s": "x", "n": 1, "f": 1.0, "b": True}},
    {"id": "lists", "document": 'a,b\n"c"\r\nd\t', "metadata": {"l": ["p", "q"], "m": [1, 2]}},
    {"id": 'quo"te, and ü 漢字 🐦', "document": None, "metadata": {"f": 0.1, "n": -(2**63)}},
    {"id": " blanks ", "document": " ", "metadata": {"key with, comma": "=1+1", "f": 1e300}},
    {"id": "nothing", "document": None, "metadata": {}},
    {"id": "uri", "document": "x", "uri": "file:///a b.png", "metadata": {"flags": [True, False]}},
]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "npy"])
def test_what_is_exported_comes_back_as_it_was(
    service: Service, eve: httpx.Client, kind: str
) -> None:
    dice = random.Random(3)
    rows = [{**row, "embedding": [dice.gauss(0, 1) / 3 for _ in range(5)]} for row in NASTY]
    rows += rows_of(1100, dimension=5)
    first, second = f"there-{kind}", f"back-{kind}"
    assert bring(eve, first, as_jsonl(rows))["result"]["records"] == len(rows)
    content = exported(eve, first, kind)
    ending = {"npy": "zip"}.get(kind, kind)
    ended = bring(eve, second, content, filename=f"back.{ending}")
    assert ended["state"] == "succeeded", ended["error"]
    before, after = records(service, first), records(service, second)
    assert list(after) == list(before)
    for id_, one in before.items():
        other = after[id_]
        assert one.vector is not None
        assert other.vector is not None
        assert (one.document, one.uri) == (other.document, other.uri)
        # Types too: 1, 1.0 and True are equal in Python, and not the same in Chroma.
        assert repr(sorted(one.metadata.items())) == repr(sorted(other.metadata.items()))
        assert one.vector.tobytes() == other.vector.tobytes()


def test_a_filter_is_exported_in_every_format(eve: httpx.Client) -> None:
    rows = rows_of(900)
    bring(eve, "filtered", as_jsonl(rows))
    condition = {"where": {"topic": "fish"}, "where_document": {"$contains": "7"}}
    wanted = [row["id"] for row in rows if row["topic"] == "fish" and "7" in row["text"]]
    lines = exported(eve, "filtered", "jsonl", **condition).splitlines()
    assert [json.loads(line)["id"] for line in lines] == wanted
    table = pq.read_table(io.BytesIO(exported(eve, "filtered", "parquet", **condition)))
    assert table["id"].to_pylist() == wanted
    with zipfile.ZipFile(io.BytesIO(exported(eve, "filtered", "npy", **condition))) as packed:
        vectors = np.load(io.BytesIO(packed.read("vectors.npy")))
        lines = packed.read("records.jsonl").splitlines()
    assert [json.loads(line)["id"] for line in lines] == wanted
    by_id = {row["id"]: row for row in rows}
    assert vectors.dtype == np.float32
    assert vectors.tobytes() == b"".join(vector_of(by_id[id_]) for id_ in wanted)
    both = exported(eve, "filtered", "jsonl", ids=["r7", "r8", "r17", "r1"], **condition)
    assert [json.loads(line)["id"] for line in both.splitlines()] == ["r7", "r17"]
    chosen = exported(eve, "filtered", "csv", ids=["r5", "r3", "none", "r5"])
    assert [line.split(b",")[0] for line in chosen.splitlines()[1:]] == [b"r5", b"r3"]


def test_the_records_of_a_filter_lead_to_their_export(eve: httpx.Client) -> None:
    ended = bring(eve, "leading", as_jsonl(rows_of(60)))
    page = f"/vectors/{ended['params']['collection']}"
    filtered = eve.get(page, params={"where": '{"topic": "fish"}', "ids": "r1\nr3\nr4"}).text
    (link,) = re.findall(r'href="(/vectors/[^"]+/data\?[^"]*)#export"', filtered)
    shown = eve.get(link.replace("&amp;", "&")).text
    assert "{&#34;topic&#34;: &#34;fish&#34;}</textarea>" in shown
    assert "r1\nr3\nr4</textarea>" in shown
    given = {"format": "jsonl", "where": '{"topic": "fish"}', "ids": "r1\nr3\nr4"}
    lines = eve.get(f"{page}/export", params=given).text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["r1", "r3"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"where": "{no"}, "where is no JSON"),
        ({"where": "[]"}, "must be a JSON object"),
        ({"where": '{"n": {"$more": 1}}'}, "where"),
        ({"ids": "[1]"}, "list of texts"),
        ({"ids": '["a"'}, "ids is no JSON"),
    ],
)
def test_a_filter_that_is_none_is_refused_before_the_answer_begins(
    eve: httpx.Client, query: dict[str, str], words: str
) -> None:
    bring(eve, "misread", as_jsonl(rows_of(3)))
    answer = eve.get(f"{API}/misread/export", params=query)
    assert answer.status_code == 422
    assert words in answer.json()["message"]


def test_an_import_stops_at_the_first_bad_row_and_says_what_it_did(
    service: Service, eve: httpx.Client
) -> None:
    rows = rows_of(700)
    rows[600]["embedding"] = [1.0]
    ended = bring(eve, "strict", as_jsonl(rows))
    assert ended["state"] == "failed"
    assert ended["error"] == (
        "line 601, column 'embedding': it has 1 dimensions, and the collection 4. "
        "600 records before it are in the collection; the rest is not."
    )
    assert len(records(service, "strict")) == 600
    # The file is still there: it goes on behind what it did, and leaves out what is bad.
    import_id = ended["params"]["import"]
    again = bring(eve, "strict", b"", upload=import_id, bad_rows="skip")
    assert again["result"]["records"] == 699
    assert again["result"]["refused"] == [
        [601, 601, "embedding", "it has 1 dimensions, and the collection 4"]
    ]
    assert len(records(service, "strict")) == 699


def test_bad_rows_are_left_out_and_the_first_hundred_listed(
    service: Service, eve: httpx.Client
) -> None:
    lines = as_jsonl(rows_of(1000)).splitlines(keepends=True)
    for number in range(0, 300, 2):
        lines[number] = b'{"id": "", "embedding": [1, 2, 3, 4]}\n'
    ended = bring(eve, "lenient", b"".join(lines), bad_rows="skip")
    result = ended["result"]
    assert (result["records"], result["skipped"], len(result["refused"])) == (850, 150, 100)
    assert result["refused"][1] == [3, 3, "id", "the id is empty"]
    page = eve.get(f"/vectors/{ended['params']['collection']}/data").text
    assert "150 rows left out" in page
    assert "the id is empty" in page
    assert len(records(service, "lenient")) == 850


def test_what_the_engine_alone_refuses_is_found_among_the_others(
    service: Service, eve: httpx.Client
) -> None:
    rows = rows_of(40)
    rows[17]["metadata"] = {"": "a key without a name"}
    rows[23]["id"] = "r22"  # twice: the later one is written over the earlier
    ended = bring(eve, "picky", as_jsonl(rows), bad_rows="skip")
    found = records(service, "picky")
    assert found["r22"].metadata["n"] == 23
    assert found["r22"].vector is not None
    assert found["r22"].vector.tobytes() == vector_of(rows[23])
    assert ended["result"]["records"] + ended["result"]["skipped"] == 40
    assert len(found) == ended["result"]["records"] - 1


def test_the_same_file_twice_is_the_same_records(service: Service, eve: httpx.Client) -> None:
    content = as_zip(np.eye(5, dtype=np.float32), [{"text": f"t{n}"} for n in range(5)])
    for _ in range(2):
        ended = bring(eve, "twice", content, filename="basis.zip")
        assert ended["state"] == "succeeded", ended["error"]
    assert list(records(service, "twice")) == [f"basis-{n}" for n in range(1, 6)]


def test_documents_are_embedded_or_need_vectors(service: Service, eve: httpx.Client) -> None:
    content = b"id,text\na,the quick brown fox\nb,quick brown foxes\nc,tax returns\n"
    given = {"filename": "texts.csv", "create": "true"}
    answer = eve.post(f"{API}/bare/import", params=given, content=content)
    assert answer.status_code == 422
    assert "no embedder" in answer.json()["message"]
    ended = bring(eve, "embedded", content, filename="texts.csv", embedder="lexical")
    assert ended["result"] == {"records": 3, "skipped": 0, "refused": []}
    found = records(service, "embedded")
    (first, other, last) = (np.array(found[id_].vector) for id_ in "abc")
    assert len(first) == 384
    assert first @ other > first @ last
    copied = end_of(eve, eve.post(f"{API}/embedded/copy", json={"name": "copied"}).json()["job_id"])
    assert copied["result"] == {"records": 3}
    # The copy embeds as the collection does.
    more = bring(eve, "copied", b"id,text\nd,a fox\n", filename="more.csv")
    assert more["result"]["records"] == 1, more["error"]


def test_a_job_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    rows = rows_of(MANY)
    with mine(tmp_path) as (service, client):
        begun = begin(client, "killed", as_jsonl(rows))
        until(lambda: written(service, "killed") >= 500)
        for pid in worker_pids(service):
            os.kill(pid, signal.SIGKILL)
        until(lambda: job(client, begun)["attempt"] == 2 and written(service, "killed") >= 1500)
        assert job(client, begun)["state"] == "running"
        workers = worker_pids(service)
        service.stop(signal.SIGKILL)
        until(lambda: not any(is_alive(pid) for pid in workers))
        assert written(service, "killed") < MANY, "it was over before it was killed"
        service.start()
        ended = end_of(client, begun)
        assert (ended["state"], ended["attempt"]) == ("succeeded", 3), ended["error"]
        assert ended["result"] == {"records": MANY, "skipped": 0, "refused": []}
        found = records(service, "killed", "default")
        assert list(found) == [row["id"] for row in rows]
        for row in rows:
            one = found[row["id"]]
            assert one.vector is not None
            assert one.vector.tobytes() == vector_of(row)
            assert one.metadata["n"] == row["n"]
        assert not list((service.home / "vectors" / "imports").glob("*/data"))


def test_an_import_outlives_the_engine(tmp_path: Path) -> None:
    with mine(tmp_path) as (service, client):
        begun = begin(client, "engineless", as_jsonl(rows_of(3000)))
        until(lambda: written(service, "engineless") >= 500)
        os.kill(engine_pid(service), signal.SIGKILL)
        ended = end_of(client, begun)
        assert (ended["state"], ended["attempt"]) == ("succeeded", 1), ended["error"]
        assert len(records(service, "engineless", "default")) == 3000


def test_a_copy_that_was_killed_is_the_same_in_the_end(tmp_path: Path) -> None:
    rows = rows_of(MANY)
    with mine(tmp_path) as (service, client):
        with connected(service.home, "default") as shelf:
            source = shelf.create(
                "source",
                space="ip",
                settings={"ef_construction": 77, "max_neighbors": 9},
                metadata={"of": "rows", "n": 3},
            )
        assert end_of(client, begin(client, "source", as_jsonl(rows)))["state"] == "succeeded"
        answer = client.post(f"{API}/source/copy", json={"name": "target"})
        assert answer.status_code == 202, answer.text
        until(lambda: written(service, "target") >= 500)
        for pid in worker_pids(service):
            os.kill(pid, signal.SIGKILL)
        assert written(service, "target") < MANY, "it was over before it was killed"
        ended = end_of(client, answer.json()["job_id"])
        assert (ended["state"], ended["attempt"]) == ("succeeded", 2), ended["error"]
        assert records(service, "target", "default") == records(service, "source", "default")
        store = CollectionStore(service.home / "chroma")
        before = store.one("default", source)
        after = store.one("default", answer.json()["collection_id"])
        assert (after.space, after.settings, after.metadata, after.count) == (
            "ip",
            before.settings,
            {"of": "rows", "n": 3},
            MANY,
        )
        taken = client.post(f"{API}/source/copy", json={"name": "target"})
        assert taken.status_code == 409


def test_who_may_what(service: Service, eve: httpx.Client) -> None:
    ended = bring(eve, "guarded", as_jsonl(rows_of(5)))
    collection, import_id = ended["params"]["collection"], ended["params"]["import"]
    with service.client(service.token("vic", "lab")) as vic:
        assert vic.get(f"/vectors/{collection}/data").status_code == 200
        assert "Upload" not in vic.get(f"/vectors/{collection}/data").text
        assert len(exported(vic, "guarded", "jsonl").splitlines()) == 5
        given = {"filename": "x.jsonl"}
        answer = vic.post(f"{API}/guarded/import", params=given, content=b"{}")
        assert answer.status_code == 403
        assert vic.post(f"/vectors/{collection}/copy", data={"name": "x-y"}).status_code == 403
        made = end_of(
            eve, vic.post(f"{API}/guarded/exports", json={"format": "npy"}).json()["job_id"]
        )
    with service.client(service.token("otto", "other")) as otto:
        for path in (
            f"/vectors/{collection}/data",
            f"/vectors/{collection}/export",
            f"/vectors/{collection}/exports/{made['id']}",
            f"/vectors/imports/{import_id}",
            f"{API}/guarded/export",
            f"/api/mlpi/imports/vectors/{import_id}",
        ):
            assert otto.get(path).status_code == 404, path
        begun = {"filename": "x.jsonl", "create": "true", "upload": import_id}
        assert otto.post(f"{API}/taken/import", params=begun).status_code == 404


def test_an_unknown_collection_is_made_only_when_asked_for(eve: httpx.Client) -> None:
    answer = eve.post(f"{API}/mistyped/import", params={"filename": "x.csv"}, content=b"id\n")
    assert answer.status_code == 404
    assert "create=true" in answer.json()["advice"]


@contextmanager
def mine(tmp_path: Path) -> Iterator[tuple[Service, httpx.Client]]:
    """A service of the test's own, to be killed."""
    with running_service(tmp_path) as service:
        service.add_user("root")
        with service.client(service.token("root", "default")) as client:
            yield service, client


def begin(client: httpx.Client, name: str, content: bytes) -> int:
    given = {"filename": "rows.jsonl", "create": "true", "space": "l2"}
    answer = client.post(f"{API}/{name}/import", params=given, content=content)
    assert answer.status_code == 202, answer.text
    return int(answer.json()["job_id"])


def written(service: Service, name: str) -> int:
    found = CollectionStore(service.home / "chroma").page("default", name)
    return found[0].count if found else 0


def engine_pid(service: Service) -> int:
    assert service.process is not None
    (pid,) = [
        child.pid
        for child in psutil.Process(service.process.pid).children()
        if "mlpi.vectors.engine" in child.cmdline()
    ]
    return pid
