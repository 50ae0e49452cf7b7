"""Imports and media over a real socket: forms, bodies, roles, what may run, what a person sees."""

from __future__ import annotations

import http.client
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from mlpi.labels.api.imports import MOST_BYTES
from mlpi.labels.bringing.intake import AT_ONCE_BYTES
from tests.service import Service, running_service, until

CONFIG = """<View><Text name="t" value="$text"/><Choices name="c" toName="t">
<Choice value="good"/><Choice value="bad"/></Choices></View>"""
PICTURES = '<View><Image name="i" value="$image"/></View>'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shared")
    (made / "in").mkdir()
    (made / "in" / "a.png").write_bytes(b"0123456789")
    (made / "in" / "page.html").write_text("<script>1</script>")
    (made / "secret.png").write_bytes(b"secret")
    (made / "in" / "escape.png").symlink_to(made / "secret.png")
    return made


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Service]:
    env = {"MLPI_LABEL_FOLDERS": str(folder / "in")}
    with running_service(tmp_path_factory.mktemp("labels"), env=env) as running:
        running.settle()
        yield running


@pytest.fixture
def ana(lab: Service) -> Iterator[httpx.Client]:
    with lab.client(lab.token("ana", "lab")) as client:
        yield client


def project(client: httpx.Client, config: str = CONFIG) -> int:
    made = client.post("/api/projects/", json={"title": "Imports", "label_config": config})
    assert made.status_code == 201, made.text
    return int(made.json()["id"])


def tasks(client: httpx.Client, number: int) -> list[dict[str, Any]]:
    answer = client.get("/api/tasks/", params={"project": number, "page_size": 1000})
    found: list[dict[str, Any]] = answer.json()["tasks"]
    return found


def wrong(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    found = answer.json()["validation_errors"].values()
    return " ".join(line for lines in found for line in lines)


def png(size: tuple[int, int] = (600, 300), turn: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = turn
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, "PNG", exif=exif)
    return file.getvalue()


def test_bodies_and_forms_answer_as_label_studio_does(ana: httpx.Client) -> None:
    number = project(ana)
    at = f"/api/projects/{number}/import"
    answer = ana.post(at, params={"return_task_ids": "true"}, json=[{"text": "a"}, {"text": "b"}])
    assert answer.status_code == 201
    body = answer.json()
    assert body.pop("duration") >= 0
    ids = [one["id"] for one in tasks(ana, number)]
    assert body == {
        "task_count": 2,
        "annotation_count": 0,
        "prediction_count": 0,
        "file_upload_ids": [],
        "could_be_tasks_list": False,
        "found_formats": [],
        "data_columns": [],
        "task_ids": ids,
    }
    files = {"one": ("a.csv", b"text,n\nc,1\n"), "two": ("b.txt", b"d\ne\n")}
    body = ana.post(at, files=files).json()
    assert body["task_count"] == 3
    assert body["found_formats"] == {".csv": 1, ".txt": 1}
    assert body["could_be_tasks_list"] is True
    assert body["data_columns"] == ["text"]
    assert "task_ids" not in body
    assert ana.post(f"/api/projects/{number}/tasks/bulk/", json={"text": "f"}).status_code == 201
    assert ana.post(at, data={"url": "[{'text': 'g'}]"}).json()["found_formats"] == {".json": 1}
    dry = ana.post(at, params={"commit_to_project": "0"}, json=[{"text": "x"}]).json()
    assert (dry["task_count"], dry["annotation_count"]) == (1, None)
    fields = {"preannotated_from_fields": "c"}
    ana.post(at, params=fields, json=[{"text": "h", "c": "good"}])
    found = tasks(ana, number)
    assert [one["data"]["text"] for one in found] == list("abcdefgh")
    assert found[-1]["total_predictions"] == 1
    assert [one["file_upload"] for one in found[2:5]] == [
        body["file_upload_ids"][0],
        body["file_upload_ids"][1],
        body["file_upload_ids"][1],
    ]


def test_what_cannot_be_imported_says_why(ana: httpx.Client) -> None:
    number = project(ana)
    at = f"/api/projects/{number}/import"
    assert "item 1" in wrong(ana.post(at, json=[{"text": "a"}, {"no": "b"}]))
    assert "JSON parse error" in wrong(ana.post(at, content=b'[{"text": "a"},'))
    assert "empty" in wrong(ana.post(at, content=b""))
    assert "No tasks added" in wrong(ana.post(at, json=[]))
    assert "fetches nothing" in wrong(ana.post(at, data={"url": "http://169.254.169.254/x.csv"}))
    assert '"url" is not found' in wrong(ana.post(at, data={"link": "x"}))
    assert "No data found" in wrong(ana.post(at, files={"file": (None, "text")}))
    assert ".exe extension is not supported" in wrong(ana.post(at, files={"f": ("a.exe", b"MZ")}))
    many = [("f", (f"{one}.txt", b"a")) for one in range(101)]
    assert "Too many files" in wrong(ana.post(at, files=many))
    assert "row 2 (line 3)" in wrong(ana.post(at, files={"f": ("a.csv", b"text\na\n\xff\n")}))
    assert tasks(ana, number) == []
    assert ana.get(f"/api/projects/{number}/file-uploads?all=1").json() == []
    assert ana.post("/api/projects/999999/import", json=[{"text": "a"}]).status_code == 404


def test_a_body_that_says_it_is_too_large_is_not_read(lab: Service, ana: httpx.Client) -> None:
    number = project(ana)
    asked = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=60)
    asked.putrequest("POST", f"/api/projects/{number}/import")
    asked.putheader("Authorization", f"Token {lab.token('ana', 'lab')}")
    asked.putheader("Content-Type", "application/json")
    asked.putheader("Content-Length", str(MOST_BYTES + 1))
    asked.endheaders()
    assert asked.getresponse().status == 413
    asked.close()


def test_a_large_body_comes_in_pieces(ana: httpx.Client) -> None:
    number = project(ana)

    def body() -> Iterator[bytes]:
        yield b"["
        for one in range(12_000):
            yield json.dumps({"text": f"{one} {'x' * 1000}"}).encode() + b","
        yield b'{"text": "last"}]'

    answer = ana.post(
        f"/api/projects/{number}/import",
        content=body(),
        headers={"Content-Type": "application/json"},
    )
    assert answer.json()["task_count"] == 12_001
    assert ana.get(f"/api/projects/{number}/").json()["task_number"] == 12_001


def test_files_are_listed_read_again_changed_and_removed(ana: httpx.Client) -> None:
    number = project(ana)
    at = f"/api/projects/{number}"
    body = ana.post(f"{at}/import", files={"f": ("a.csv", b"text\na\n")}).json()
    (file_id,) = body["file_upload_ids"]
    (listed,) = ana.get(f"{at}/file-uploads", params={"all": "true"}).json()
    assert (listed["id"], listed["size"]) == (file_id, 7)
    assert listed["file"].startswith(f"upload/{number}/")
    assert ana.get(f"{at}/file-uploads").json() == []
    for ids in (f"[{file_id}]", str(file_id)):
        assert ana.get(f"{at}/file-uploads", params={"ids": ids}).json() == [listed]
    assert ana.get(f"/api/import/file-upload/{file_id}").json() == listed
    assert ana.get(f"/data/{listed['file']}").content == b"text\na\n"
    changed = ana.patch(
        f"/api/import/file-upload/{file_id}", files={"file": ("b.csv", b"text\nb\nc\n")}
    )
    assert changed.json()["id"] == file_id
    again = ana.post(f"{at}/reimport", json={"file_upload_ids": [file_id]})
    assert (again.status_code, again.json()["task_count"]) == (201, 2)
    assert [one["data"]["text"] for one in tasks(ana, number)] == ["b", "c"]
    nothing = ana.post(f"{at}/reimport", json={"file_upload_ids": []})
    assert (nothing.status_code, nothing.json()["found_formats"]) == (200, {})
    assert ana.delete(f"/api/import/file-upload/{file_id}").status_code == 204
    assert ana.get(f"/api/import/file-upload/{file_id}").status_code == 404
    ana.post(f"{at}/import", files={"f": ("a.csv", b"text\na\n")})
    assert ana.request("DELETE", f"{at}/file-uploads").json() == {"deleted": 1}
    refused = ana.request("DELETE", f"{at}/file-uploads", json={"file_upload_ids": 7})
    assert "list of integers" in wrong(refused)


def test_media_are_for_members_in_ranges_and_nothing_in_them_runs(
    lab: Service, ana: httpx.Client
) -> None:
    number = project(ana, PICTURES)
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    files = {"a": ("a b.png", png()), "b": ("b.svg", svg)}
    ana.post(f"/api/projects/{number}/import", files=files)
    (picture, drawing) = (one["data"]["image"] for one in tasks(ana, number))
    whole = ana.get(picture)
    assert whole.content == png()
    assert whole.headers["content-type"] == "image/png"
    assert whole.headers["content-disposition"].startswith("inline")
    part = ana.get(picture, headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, b"PNG")
    assert ana.get(picture, headers={"Range": "bytes=999999-"}).status_code == 416
    drawn = ana.get(drawing)
    assert drawn.headers["content-disposition"].startswith("attachment")
    for answer in (whole, drawn):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert answer.headers["cache-control"].startswith("private")
    with lab.client(lab.token("vic", "lab")) as vic:
        assert vic.get(picture).status_code == 200
    with lab.client(lab.token("otto", "other")) as otto:
        assert otto.get(picture).status_code == 404
        assert otto.get(f"/labels/{number}/picture", params={"src": picture}).status_code == 404
    with lab.client() as nobody:
        assert nobody.get(picture).status_code == 401
    for path in (
        f"/data/upload/{number}/..%2f..%2f..%2fmlpi.db",
        f"/data/upload/{number}/%2e%2e",
        f"/data/upload/{number}/x",
        f"/data/upload/999999/{picture.rpartition('/')[2]}",
    ):
        assert ana.get(path).status_code == 404


def test_pictures_are_small_or_upright(ana: httpx.Client) -> None:
    number = project(ana, PICTURES)
    files = {"a": ("a.png", png(turn=6)), "b": ("b.png", png()), "c": ("c.png", b"no picture")}
    ana.post(f"/api/projects/{number}/import", files=files)
    lying, upright, broken = (one["data"]["image"] for one in tasks(ana, number))

    def shown(src: str, size: str) -> httpx.Response:
        return ana.get(f"/labels/{number}/picture", params={"src": src, "size": size})

    small = shown(lying, "small")
    assert small.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(small.content)) as made:
        assert made.size == (128, 256)
    with Image.open(io.BytesIO(shown(lying, "full").content)) as made:
        assert made.size == (300, 600)
    assert shown(upright, "full").content == png()
    assert shown(broken, "small").status_code == 415
    assert shown("http://elsewhere.example/a.png", "small").status_code == 404
    assert shown("/etc/passwd", "small").status_code == 404


def test_local_files_are_those_of_the_folders_alone(
    lab: Service, ana: httpx.Client, folder: Path
) -> None:
    for asked in ("a.png", str(folder / "in" / "a.png")):
        answer = ana.get("/data/local-files/", params={"d": asked})
        assert (answer.content, answer.headers["content-type"]) == (b"0123456789", "image/png")
    part = ana.get("/data/local-files/?d=a.png", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    page = ana.get("/data/local-files/?d=page.html")
    assert page.headers["content-type"] == "application/octet-stream"
    assert page.headers["content-disposition"].startswith("attachment")
    for asked in ("../secret.png", "escape.png", str(folder / "secret.png"), "/etc/passwd", ""):
        assert ana.get("/data/local-files/", params={"d": asked}).status_code == 404
    with lab.client() as nobody:
        assert nobody.get("/data/local-files/?d=a.png").status_code == 401


def test_viewers_bring_nothing_in_and_editors_remove_no_whole_lists(
    lab: Service, ana: httpx.Client
) -> None:
    number = project(ana)
    at = f"/api/projects/{number}"
    with lab.client(lab.token("vic", "lab")) as vic:
        for path in ("import", "tasks/bulk/", "reimport", "import/predictions"):
            assert vic.post(f"{at}/{path}", json=[]).status_code == 403
        assert vic.get(f"{at}/file-uploads").status_code == 200
        assert vic.get(f"/labels/{number}/import").status_code == 403
    with lab.client(lab.token("eve", "lab")) as eve:
        assert eve.post(f"{at}/import", json=[{"text": "a"}]).status_code == 201
        assert eve.request("DELETE", f"{at}/file-uploads").status_code == 403
    with lab.client(lab.token("otto", "other")) as otto:
        assert otto.post(f"{at}/import", json=[{"text": "a"}]).status_code == 404


# --- the page


def test_a_small_file_is_looked_at_and_imported_at_once(lab: Service, ana: httpx.Client) -> None:
    number = project(ana)
    at = f"/labels/{number}"
    with lab.browser("ana") as person:
        empty = person.get(at, params={"workspace": "lab"}).text
        assert f"/labels/{number}/import?workspace=lab" in empty
        csv = b"text\n<b>one</b>\na,b\ntwo\n"
        made = person.post(f"{at}/import", files={"file": ("a.csv", csv)})
        assert made.status_code == 303
        page = person.get(made.headers["location"])
        assert "&lt;b&gt;one&lt;/b&gt;" in page.text
        assert "it has 2 cells" in page.text
        waiting = made.headers["location"]
        stopped = person.post(waiting, data={"bad_rows": "stop"})
        assert "Import the 2 good ones" in stopped.text
        assert tasks(ana, number) == []
        done = person.post(waiting, data={"bad_rows": "skip"})
        assert done.headers["location"].startswith(f"{at}/import")
        assert "2 tasks imported" in person.get(done.headers["location"]).text
        assert person.get(waiting).status_code == 404
        pasted = person.post(f"{at}/import", data={"pasted": '{"text": "three"}'})
        person.post(pasted.headers["location"])
        nothing = person.post(f"{at}/import", data={"pasted": " "})
        assert nothing.status_code == 422
        refused = person.post(f"{at}/import", files={"file": ("a.png", b"png")})
        assert refused.status_code == 422
        assert "no list of tasks" in refused.text
    assert [one["data"]["text"] for one in tasks(ana, number)] == ["<b>one</b>", "two", "three"]
    assert ana.get(f"/api/projects/{number}/file-uploads?all=1").json() == []


def test_media_come_in_by_a_form(lab: Service, ana: httpx.Client) -> None:
    number = project(ana, PICTURES)
    with lab.browser("ana") as person:
        files = [("files", ("a.png", png())), ("files", ("b.png", png()))]
        done = person.post(f"/labels/{number}/import/media", files=files)
        assert done.status_code == 303
        assert "2 tasks imported" in person.get(done.headers["location"]).text
        refused = person.post(f"/labels/{number}/import/media", files=[("files", ("a.exe", b"MZ"))])
        assert (refused.status_code, ".exe extension" in refused.text) == (422, True)
    assert len(tasks(ana, number)) == 2


def test_a_large_file_is_imported_by_a_job(lab: Service, ana: httpx.Client) -> None:
    number = project(ana)
    line = b"a text of some length, as people write them, more or less\n"
    rows = AT_ONCE_BYTES // len(line) + 2
    raw = b"text;n\n" + b"".join(line[:-1] + b";%d\n" % one for one in range(rows)) + b"bad\n"
    begun = ana.post(
        f"/api/mlpi/uploads/labels?project={number}",
        headers={"Upload-Length": str(len(raw)), "Upload-Metadata": "filename YmlnLmNzdg=="},
    )
    assert begun.status_code == 201, begun.text
    sent = ana.patch(
        begun.headers["location"],
        content=raw,
        headers={"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"},
    )
    waiting = sent.headers["content-location"]
    with lab.browser("ana") as person:
        assert "big.csv" in person.get(waiting).text

        def ended() -> str:
            page = person.get(f"/labels/{number}/import", headers={"HX-Request": "true"}).text
            return "" if "data-poll" in page else page

        assert person.post(waiting, data={"bad_rows": "stop"}).status_code == 303
        assert person.post(waiting).status_code == 422  # it is being imported
        stopped = until(ended)
        assert f"Import the {rows:,} good ones" in stopped
        assert ana.get(f"/api/projects/{number}/").json()["task_number"] == 0
        person.post(waiting, data={"bad_rows": "skip"})
        done = until(ended)
        assert f"{rows:,} tasks" in done
        assert "1 row left out" in done
    assert ana.get(f"/api/projects/{number}/").json()["task_number"] == rows
    assert ana.get(f"/api/projects/{number}/file-uploads?all=1").json() == []
    first = tasks(ana, number)[0]
    assert first["data"] == {"text": line[:-1].decode(), "n": "0"}
    assert first["file_upload"] is None


def test_a_zip_and_parquet_come_in_through_api_and_page(lab: Service, ana: httpx.Client) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = io.BytesIO()
    pq.write_table(pa.table({"text": ["one", "two", None]}), table)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/rows.csv", "text\nthree\n")
        archive.writestr("b.txt", "four\nfive\n")
    config = '<View><Text name="t" value="$text"/></View>'
    answer = ana.post("/api/projects/", json={"title": "Packed", "label_config": config})
    project = answer.json()["id"]
    at = f"/api/projects/{project}/import"
    brought = ana.post(at, files={"file": ("all.zip", made.getvalue(), "application/zip")})
    assert brought.status_code == 201, brought.text
    assert (brought.json()["task_count"], len(brought.json()["file_upload_ids"])) == (3, 2)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.txt", bytes(32 << 20))
    for name, raw, words in (
        ("bomb.zip", bomb.getvalue(), "200 times as many"),
        ("rows.parquet", table.getvalue(), "row 3"),
        ("none.parquet", b"PAR1", "no Parquet file"),
    ):
        refused = ana.post(at, files={"file": (name, raw)})
        assert refused.status_code == 400
        assert words in refused.text
    with lab.browser("ana") as browser:
        page, here = f"/labels/{project}/import", {"workspace": "lab"}
        answer = browser.post(page, params=here, files={"file": ("rows.parquet", table.getvalue())})
        assert answer.status_code == 303
        looked = browser.get(answer.headers["location"]).text
        assert "rows.parquet" in looked
        assert '<td class="t" title="two">two</td>' in looked
        taken = browser.post(
            answer.headers["location"].split("?")[0], params=here, data={"bad_rows": "skip"}
        )
        assert "done=2" in taken.headers["location"]
        zips = browser.post(
            f"{page}/media",
            params=here,
            files={"files": ("more.zip", made.getvalue(), "application/zip")},
        )
        assert "done=3" in zips.headers["location"]
    count = ana.get(f"/api/projects/{project}/").json()["task_number"]
    assert count == 3 + 2 + 3
