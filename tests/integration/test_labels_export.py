"""Exports through a running service: the real SDK, curl's way, the pages, and a killed server."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import signal
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests import label_studio_sdk
from tests.service import Service, running_service, until

CONFIG = """<View><Text name="t" value="$text"/><Labels name="l" toName="t"><Label value="PER"/>
</Labels><Choices name="c" toName="t"><Choice value="good"/>
<Choice value="bad"/></Choices></View>"""
MANY = 2000
SDK = """
import json, sys, time
from label_studio_sdk import LabelStudio
ls = LabelStudio(base_url=sys.argv[1], api_key=sys.argv[2])
found = {}
project = ls.projects.create(title="By SDK", label_config=sys.argv[3])
choice = {"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["good"]}}
ls.projects.import_tasks(id=project.id, request=[
    {"data": {"text": "one"}, "annotations": [{"result": [choice]}]}, {"data": {"text": "two"}}])
exports = ls.projects.exports
found["formats"] = exports.list_formats(project.id)[0]
found["json"] = exports.as_json(project.id)
found["pandas"] = exports.as_pandas(project.id).to_dict("records")
found["binary"] = exports.as_binary(project.id, export_type="CONLL2003").decode()
made = exports.create(project.id, title="by the SDK")
while exports.get(id=project.id, export_pk=made.id).status not in ("completed", "failed"):
    time.sleep(0.1)
one = exports.get(id=project.id, export_pk=made.id)
found["snapshot"] = [one.title, one.status, one.md5, one.counters]
found["listed"] = [each.id for each in exports.list(project.id)] == [made.id]
found["whole"] = b"".join(exports.download(id=project.id, export_pk=made.id)).decode()
converted = exports.convert(id=project.id, export_pk=made.id, export_type="CSV")
def state():
    formats = exports.get(id=project.id, export_pk=made.id).converted_formats
    return next(each.status for each in formats if each.id == converted.converted_format)
while state() not in ("completed", "failed"):
    time.sleep(0.1)
found["csv"] = b"".join(
    exports.download(id=project.id, export_pk=made.id, export_type="CSV")).decode()
exports.delete(id=project.id, export_pk=made.id)
found["left"] = len(exports.list(project.id))
print(json.dumps(found, default=str))
"""


def said(choice: str) -> dict[str, Any]:
    value = {"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": [choice]}}
    return {"result": [value]}


def made(client: httpx.Client, tasks: list[dict[str, Any]], title: str = "Opinions") -> int:
    answer = client.post("/api/projects/", json={"title": title, "label_config": CONFIG})
    project = int(answer.raise_for_status().json()["id"])
    for begin in range(0, len(tasks), 1000):
        part = tasks[begin : begin + 1000]
        client.post(f"/api/projects/{project}/import", json=part).raise_for_status()
    return project


@pytest.fixture
def ana(service: Service) -> Iterator[httpx.Client]:
    with service.client(service.token("ana", "lab")) as client:
        yield client


def test_the_real_sdk_exports_in_all_its_ways(service: Service) -> None:
    token = service.token("ana", "lab")
    found = json.loads(label_studio_sdk.run(SDK, service.url, token, CONFIG))
    assert [one["data"]["text"] for one in found["json"]] == ["one", "two"]
    assert found["json"][0]["annotations"][0]["result"][0]["value"] == {"choices": ["good"]}
    assert [row["text"] for row in found["pandas"]] == ["one", "two"]
    assert found["binary"].startswith("-DOCSTART- -X- O\none -X- _ O\n")
    title, status, md5, counters = found["snapshot"]
    assert (title, status) == ("by the SDK", "completed")
    assert "2" in str(counters)
    assert hashlib.md5(found["whole"].encode(), usedforsecurity=False).hexdigest() == md5
    assert found["csv"].startswith('"annotation_id"')
    assert (found["listed"], found["left"]) == (True, 0)


def test_a_file_has_its_name_its_type_and_its_cells_defused(ana: httpx.Client) -> None:
    project = made(ana, [{"data": {"text": "=1+1"}, "annotations": [said("good")]}, {"text": "x"}])
    at = f"/api/projects/{project}/export"
    answer = ana.get(at, params={"exportType": "CSV"})
    assert answer.headers["content-type"] == "application/csv"
    name = f"project-{project}-at-"
    assert f'attachment; filename="{name}' in answer.headers["content-disposition"]
    assert [row["text"] for row in csv.DictReader(io.StringIO(answer.text))] == ["'=1+1"]
    raw = ana.get(at, params={"export_type": "CSV", "raw": "true", "download_all_tasks": "true"})
    assert [row["text"] for row in csv.DictReader(io.StringIO(raw.text))] == ["=1+1", "x"]
    every = ana.get(at, params={"download_all_tasks": "true"}).json()
    one = ana.get(at, params={"ids[]": every[1]["id"], "download_all_tasks": "true"}).json()
    assert [task["data"]["text"] for task in one] == ["x"]


def test_what_is_no_format_is_answered_with_those_there_are(ana: httpx.Client) -> None:
    project = made(ana, [])
    for asked in ({"exportType": "NOPE"}, {"exportType": "VOC"}):
        answer = ana.get(f"/api/projects/{project}/export", params=asked)
        assert answer.status_code == 400
        assert "JSON_MIN" in answer.json()["validation_errors"]["export_type"][0]
    formats = ana.get(f"/api/projects/{project}/export/formats").json()
    fitting = [one["name"] for one in formats if not one.get("disabled")]
    assert fitting == ["JSON", "JSON_MIN", "CSV", "TSV", "PARQUET", "CONLL2003", "SPACY"]
    parquet = ana.get(f"/api/projects/{project}/export", params={"exportType": "PARQUET"})
    assert parquet.content[:4] == parquet.content[-4:] == b"PAR1"


def test_who_may_do_what(service: Service, ana: httpx.Client) -> None:
    project = made(ana, [{"data": {"text": "x"}, "annotations": [said("bad")]}])
    at = f"/api/projects/{project}/exports/"
    with (
        service.client(service.token("vic", "lab")) as vic,
        service.client(service.token("eve", "lab")) as eve,
        service.client(service.token("otto", "other")) as otto,
    ):
        assert vic.post(at).status_code == 403
        snapshot = eve.post(at, json={}).json()["id"]
        assert vic.get(f"{at}{snapshot}/download").status_code == 200
        assert eve.delete(f"{at}{snapshot}").status_code == 403
        for path in (f"{at}{snapshot}", f"{at}{snapshot}/download", at[:-2]):
            assert otto.get(path).status_code == 404
    assert ana.delete(f"{at}{snapshot}").status_code == 204


def test_images_go_out_with_their_labels_by_download_and_by_snapshot(
    service: Service, ana: httpx.Client
) -> None:
    config = """<View><Image name="i" value="$image"/><RectangleLabels name="b" toName="i">
    <Label value="cat"/></RectangleLabels></View>"""
    answer = ana.post("/api/projects/", json={"title": "Pictures", "label_config": config})
    project = answer.raise_for_status().json()["id"]
    at = f"/api/projects/{project}"
    picture = io.BytesIO()
    Image.new("RGB", (20, 10), "teal").save(picture, "PNG")
    sent = [("file", (f"{one}.png", picture.getvalue(), "image/png")) for one in ("one", "two")]
    ana.post(f"{at}/import", files=sent).raise_for_status()
    with service.client(service.token("otto", "other")) as otto:
        made_by_otto = otto.post("/api/projects/", json={"title": "His", "label_config": config})
        his = made_by_otto.json()["id"]
        otto.post(f"/api/projects/{his}/import", files=sent[:1]).raise_for_status()
        (secret,) = otto.get("/api/tasks/", params={"project": his}).json()["tasks"]
    ana.post(f"{at}/import", json=[secret["data"], {"image": "https://else.where/x.png"}])
    asked = {"exportType": "YOLO_WITH_IMAGES", "download_all_tasks": "true"}
    answer = ana.get(f"{at}/export", params=asked)
    assert answer.headers["content-type"] == "application/zip"
    tasks = ana.get("/api/tasks/", params={"project": project}).json()["tasks"]
    mine = [str(one["data"]["image"]).rsplit("/", 1)[1] for one in tasks[:2]]

    def check(content: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
            names = [one for one in archive.namelist() if one.startswith("images/")]
            assert sorted(names) == ["images/", *sorted(f"images/{one}" for one in mine)]
            told = archive.read("images-left-out.txt").decode().split("\n\n")[1]
            assert told.splitlines() == [secret["data"]["image"], "https://else.where/x.png"]

    check(answer.content)
    snapshot = ana.post(f"{at}/exports/", json={}).json()["id"]
    one = f"{at}/exports/{snapshot}"
    check(ana.get(f"{one}/download", params={"exportType": "YOLO_WITH_IMAGES"}).content)
    ana.post(f"{one}/convert", json={"export_type": "COCO_WITH_IMAGES"}).raise_for_status()
    (converted,) = ana.get(one).json()["converted_formats"]
    assert (converted["status"], converted["traceback"]) == ("completed", None)
    check(ana.get(f"{one}/download", params={"exportType": "COCO_WITH_IMAGES"}).content)


def test_a_view_narrows_snapshots_and_the_page(service: Service, ana: httpx.Client) -> None:
    tasks = [{"data": {"text": t}, "annotations": [said("good")]} for t in ("one", "two", "six")]
    project, other = made(ana, tasks), made(ana, [])
    item = {"filter": "filter:tasks:data.text", "operator": "contains", "type": "String"}
    filters = {"conjunction": "and", "items": [{**item, "value": "o"}]}
    data = {
        "title": "With <o>",
        "filters": filters,
        "selectedItems": {"all": False, "included": []},
    }
    kept = ana.post("/api/dm/views", json={"project": project, "data": data})
    view = kept.raise_for_status().json()["id"]
    at = f"/api/projects/{project}/exports/"
    asked = {"view": view, "annotated": "only", "only_with_annotations": True}
    one = ana.post(at, json={"task_filter_options": asked}).raise_for_status().json()
    assert one["task_filter_options"] == asked
    found = ana.get(f"{at}{one['id']}/download").json()
    assert [task["data"]["text"] for task in found] == ["one", "two"]
    for number, words in (
        (10**6, f"There is no view {10**6}"),
        ("soon", "'soon' is no view's number"),
        (True, "'True' is no view's number"),
    ):
        refused = ana.post(at, json={"task_filter_options": {"view": number}})
        assert refused.status_code in (400, 404)
        assert words in refused.text
    strange = f"/api/projects/{other}/exports/"
    assert ana.post(strange, json={"task_filter_options": {"view": view}}).status_code == 404
    with service.browser("ana") as browser:
        page = f"/labels/{project}/export"
        assert "With &lt;o&gt;</option>" in browser.get(page, params={"workspace": "lab"}).text
        query = {"workspace": "lab", "view": view, "format": "JSON_MIN"}
        file = browser.get(f"{page}/download", params=query).json()
        assert [row["text"] for row in file] == ["one", "two"]
        answer = browser.post(
            f"/labels/{project}/exports",
            params={"workspace": "lab"},
            data={"title": "by view", "view": view},
        )
        assert answer.status_code == 303

        def whole() -> bool:
            return (
                "the view “With &lt;o&gt;”" in browser.get(page, params={"workspace": "lab"}).text
            )

        assert until(whole, 60)


def test_a_snapshot_becomes_a_dataset_that_leads_back(service: Service, ana: httpx.Client) -> None:
    project = made(ana, [{"data": {"text": "x"}, "annotations": [said("bad")]}], "For <checks>")
    with service.browser("ana") as browser:
        page = f"/labels/{project}/export"
        answer = browser.post(
            f"/labels/{project}/exports/dataset",
            params={"workspace": "lab"},
            data={"dataset": f"opinions {project}", "table": "CSV"},
        )
        assert answer.status_code == 303, answer.text

        def shelved() -> str | None:
            text = browser.get(page, params={"workspace": "lab"}).text
            here = f">version 1 of opinions {project}</a>"
            return (
                text.split(here)[0].rsplit('href="', 1)[1].split('"')[0] if here in text else None
            )

        href = until(shelved, 120)
        dataset = browser.get(href.replace("&amp;", "&")).text
        assert f'href="{page}?workspace=lab"' in dataset
        assert "For &lt;checks&gt;: snapshot" in dataset
        again = browser.post(
            f"/labels/{project}/exports/dataset",
            params={"workspace": "lab"},
            data={"dataset": "../x", "table": "CSV"},
        )
        assert again.status_code == 422
        assert "cannot be the name of a dataset" in again.text
        for form, status in (({"expression": "0 6 * * *"}, 303), ({"expression": "soon"}, 422)):
            planned = browser.post(
                f"/labels/{project}/exports/schedule",
                params={"workspace": "lab"},
                data={"dataset": "opinions", "trigger": "cron", **form},
            )
            assert planned.status_code == status, planned.text
        assert "0 6 * * * UTC" in browser.get(page, params={"workspace": "lab"}).text


def test_a_server_killed_while_it_writes_serves_no_half(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        service.add_user("ana", "--admin")
        token = service.token("ana", "default")
        tasks = [
            {"data": {"text": f"t{n} " * 20}, "annotations": [said("good")]} for n in range(MANY)
        ]
        with service.client(token) as client:
            project = made(client, tasks)
            at = f"/api/projects/{project}/exports/"

            def ask() -> None:
                try:
                    client.post(at, json={})
                except httpx.TransportError:
                    return  # the server was killed, as it should be

            asking = threading.Thread(target=ask)
            asking.start()
            folder = service.home / "labels" / "exports"
            until(lambda: folder.exists() and list(folder.iterdir()))
            service.stop(signal.SIGKILL)
            asking.join()
        service.start()
        with service.client(token) as client:
            (one,) = client.get(at).json()

            def ended() -> dict[str, Any] | None:
                answer = client.get(f"{at}{one['id']}/download")
                now = client.get(f"{at}{one['id']}").json()
                if now["status"] not in ("completed", "failed"):
                    assert answer.status_code == 404
                    return None
                return dict(now)

            found = until(ended, 180)
            assert found["status"] == "completed"
            content = client.get(f"{at}{one['id']}/download").content
            assert hashlib.sha256(content).hexdigest() == found["sha256"]
            assert len(json.loads(content)) == MANY == found["counters"]["task_number"]
