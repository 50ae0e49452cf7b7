"""The page of a run over a real socket: its parts, deeds and files, and what those may not do."""

from __future__ import annotations

import io
import json
import os
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from mlpi.db import open_engine
from mlpi.tracking.models import runs
from tests.service import Service

API = "/api/2.0/mlflow"
WAIT_S = 60
HOSTILE_SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


class Lab:
    """A run of lab, its page and its files."""

    def __init__(self, service: Service, name: str) -> None:
        self.service = service
        self.client = service.client(service.token("ana", "lab"))
        self.experiment = self.ask("experiments/create", name=name)["experiment_id"]
        made = self.ask("runs/create", experiment_id=self.experiment, run_name=name, start_time=9)
        self.info = made["run"]["info"]
        self.run: str = self.info["run_id"]
        self.at = f"/tracking/runs/{self.run}"

    def ask(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.client.post(f"{API}/{path}", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    @property
    def folder(self) -> Path:
        """Where the service keeps the run's files."""
        inside = self.info["artifact_uri"].removeprefix("mlflow-artifacts:/")
        return self.service.home / "mlflow" / "artifacts" / inside

    def put(self, path: str, content: bytes | str) -> None:
        """Log a file, as MLflow's client does."""
        inside = self.info["artifact_uri"].removeprefix("mlflow-artifacts:/")
        url = f"/api/2.0/mlflow-artifacts/artifacts/{quote(f'{inside}/{path}')}"
        answer = self.client.put(url, content=content)
        assert answer.status_code == 200, answer.text

    def get(self, browser: httpx.Client, place: str = "", **query: Any) -> httpx.Response:
        return browser.get(self.at + place, params={"workspace": "lab", **query})

    def tags(self) -> dict[str, str]:
        found = self.client.get(f"{API}/runs/get", params={"run_id": self.run}).json()
        return {tag["key"]: tag["value"] for tag in found["run"]["data"]["tags"]}


@pytest.fixture
def lab(service: Service, request: pytest.FixtureRequest) -> Iterator[Lab]:
    made = Lab(service, f"run page {request.node.name}")
    yield made
    made.client.close()


@pytest.fixture
def vic(service: Service) -> Iterator[httpx.Client]:
    with service.browser("vic") as browser:
        yield browser


def posted(browser: httpx.Client, path: str, **form: Any) -> httpx.Response:
    return browser.post(path, params={"workspace": "lab"}, data=form)


def viewer(html: str) -> str:
    """The part of a page that shows the file."""
    found = re.search(r'<section class="viewer".*?</section>\s*</div>', html, re.DOTALL)
    assert found is not None
    return found[0]


def test_the_page_holds_what_the_client_logged(
    lab: Lab, vic: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", lab.service.token("ana", "lab"))
    client = MlflowClient(lab.service.url)
    points = [Metric("loss", 1 / (step + 1), step, step) for step in range(200)]
    client.log_batch(lab.run, metrics=points)
    client.log_metric(lab.run, "odd", float("inf"))
    for key, value in {
        "mlflow.source.git.commit": "abcdef0123456789",
        "mlflow.source.git.branch": "trunk",
        "mlflow.source.git.repoURL": "git@example.com:team/code.git",
        "mlflow.note.content": "# Why\n**bold** <b>no</b> [x](javascript:alert(1))",
    }.items():
        client.set_tag(lab.run, key, value)
    html = lab.get(vic).text
    assert 'href="https://example.com/team/code/commit/abcdef0123456789"' in html
    assert "trunk" in html
    assert "<strong>bold</strong>" in html
    assert "&lt;b&gt;no&lt;/b&gt;" in html
    assert 'href="javascript' not in html
    spark = re.search(r'<polyline points="([^"]+)"', html)
    assert spark is not None
    assert 30 <= len(spark[1].split()) <= 45
    row = re.search(r'<tr><td title="loss">.*?</tr>', html, re.DOTALL)
    assert row is not None
    assert ">1<" in row[0]  # the most
    assert row[0].count(">0.005<") == 2  # the latest is the least
    assert html.count("∞") == 1


def test_datasets_models_and_traces_of_the_run_stand_on_its_page(
    lab: Lab, vic: httpx.Client
) -> None:
    dataset = {
        "name": "digits <x>",
        "digest": "d1",
        "source_type": "http",
        "source": json.dumps({"url": "https://example.com/digits.csv"}),
        "schema": json.dumps({"mlflow_colspec": [{"name": "pixel", "type": "double"}]}),
        "profile": json.dumps({"num_rows": 77}),
    }
    tag = {"key": "mlflow.data.context", "value": "training"}
    lab.ask("runs/log-inputs", run_id=lab.run, datasets=[{"tags": [tag], "dataset": dataset}])
    model = lab.ask(
        "logged-models", experiment_id=lab.experiment, name="net", source_run_id=lab.run
    )["model"]["info"]
    lab.ask("registered-models/create", name=f"reg-{lab.run[:6]}")
    lab.ask(
        "model-versions/create",
        name=f"reg-{lab.run[:6]}",
        source=f"{lab.info['artifact_uri']}/model",
        run_id=lab.run,
    )
    html = lab.get(vic).text
    for words in ("digits &lt;x&gt;", "training", "77 rows", "https://example.com/digits.csv"):
        assert words in html
    assert "pixel" in html
    assert f"model={model['model_id']}" in html
    assert "pending" in html
    assert f"reg-{lab.run[:6]}" in html
    files = lab.get(vic, "/files", model=model["model_id"])
    assert files.status_code == 200
    assert lab.get(vic, "/files", model="m-none").status_code == 404


def test_what_a_logged_model_has_itself_stands_with_the_run_and_the_version(
    lab: Lab, vic: httpx.Client
) -> None:
    model = lab.ask(
        "logged-models",
        experiment_id=lab.experiment,
        name="net",
        source_run_id=lab.run,
        params=[{"key": "layers", "value": "<3>"}],
        tags=[{"key": "art", "value": "small"}, {"key": "mlflow.hidden", "value": "unseen"}],
    )["model"]["info"]["model_id"]
    judge = lab.ask("runs/create", experiment_id=lab.experiment, run_name="judge")
    judge_id = judge["run"]["info"]["run_id"]

    def log(run_id: str, key: str, value: float, step: int, **dataset: str) -> None:
        one = {"key": key, "value": value, "timestamp": step, "step": step, "model_id": model}
        lab.ask("runs/log-batch", run_id=run_id, metrics=[one | {"run_id": run_id} | dataset])

    log(lab.run, "f1", 0.125, 1)
    log(lab.run, "f1", 0.75, 2)
    log(judge_id, "f1", 0.5, 1, dataset_name="held-out", dataset_digest="abc123")
    name = f"logged-{lab.run[:6]}"
    lab.ask("registered-models/create", name=name)
    source = f"models:/{model}"
    body = {"name": name, "source": source, "run_id": lab.run, "model_id": model}
    lab.ask("model-versions/create", **body)
    version = vic.get(f"/tracking/models/{name}/versions/1", params={"workspace": "lab"}).text
    for html in (lab.get(vic).text, version):
        assert "layers" in html
        assert "&lt;3&gt;" in html
        assert "art: small" in html
        assert "unseen" not in html
        table = html.partition('aria-label="Metrics of the model"')[2].partition("</table>")[0]
        rows = re.findall(r"<tr><td.*?</tr>", table, re.DOTALL)
        assert len(rows) == 2  # the latest by run and dataset
        (other,) = (row for row in rows if "held-out" in row)
        (own,) = (row for row in rows if "held-out" not in row)
        assert ">0.5<" in other
        assert "abc123" in other
        assert f"/tracking/runs/{judge_id}" in other
        assert ">0.75<" in own
    assert "net: 2 metrics, 1 parameter, 1 tag" in lab.get(vic).text


def test_code_is_shown_in_colour(lab: Lab, vic: httpx.Client) -> None:
    lab.put("train.py", "# <script>alert(1)</script>\ndef train(): return 'x'\n")
    html = viewer(lab.get(vic, "/files", path="train.py").text)
    assert '<span class="k">def </span><span class="f">train</span>' in html
    assert "<script" not in html
    lab.put("notes.txt", "def train(): return 'x'\n")
    assert '<span class="k">' not in viewer(lab.get(vic, "/files", path="notes.txt").text)


def test_a_running_run_asks_for_more_and_gets_only_what_is_new(lab: Lab, vic: httpx.Client) -> None:
    points = [{"key": "loss", "value": n, "timestamp": n * 1000, "step": n} for n in range(5)]
    lab.ask("runs/log-batch", run_id=lab.run, metrics=points)
    assert "/live?" in lab.get(vic).text
    new = lab.get(vic, "/new", key="loss", step=2, at=2.0).json()
    assert new["is_running"] is True
    assert new["points"]["loss"] == {"steps": [3, 4], "times": [3.0, 4.0], "values": [3.0, 4.0]}
    assert lab.get(vic, "/new", key="loss", step=4, at=4.0).json()["points"] == {}
    assert lab.get(vic, "/new", key="loss", step=2**62 + 1, at=1).status_code == 422
    uneven = lab.get(vic, "/new", key=["a", "b"], step=1, at=1)
    assert uneven.status_code == 422
    assert "as often as each other" in uneven.text
    lab.ask("runs/update", run_id=lab.run, status="FINISHED", end_time=10_000)
    live = lab.get(vic, "/live").text
    assert "hx-trigger" not in live
    assert "finished" in live
    assert lab.get(vic, "/new", key="loss", step=4, at=4).json()["is_running"] is False


def test_editors_change_a_run_and_owners_delete_it(lab: Lab, vic: httpx.Client) -> None:
    with lab.service.browser("eve") as eve, lab.service.browser("ana") as ana:
        assert posted(eve, f"{lab.at}/rename", name=" new name ").status_code == 303
        assert '<h1 title="new name">' in lab.get(vic).text
        refused = posted(eve, f"{lab.at}/rename", name=" ")
        assert refused.status_code == 422
        assert "1 to 250 characters" in refused.text
        assert posted(eve, f"{lab.at}/description", text="a\r\nb").status_code == 303
        assert lab.tags()["mlflow.note.content"] == "a\nb"
        assert posted(eve, f"{lab.at}/tags", key="team", value="blue").status_code == 303
        assert lab.tags()["team"] == "blue"
        wrong = posted(eve, f"{lab.at}/tags", key="bad\tkey", value="typed by me")
        assert wrong.status_code == 422
        assert "typed by me" in wrong.text
        assert posted(eve, f"{lab.at}/tags/remove", key="team").status_code == 303
        assert "team" not in lab.tags()
        for path in ("/rename", "/description", "/tags", "/tags/remove"):
            assert posted(vic, lab.at + path, name="x", key="x").status_code == 403
        assert posted(eve, f"{lab.at}/delete").status_code == 403
        assert posted(ana, f"{lab.at}/delete").status_code == 303
        assert "This run is deleted." in lab.get(vic).text
        assert posted(ana, f"{lab.at}/restore").status_code == 303
        assert "This run is deleted." not in lab.get(vic).text
    with lab.service.browser("admin") as admin:
        audit = admin.get("/settings/audit", params={"q": lab.run}).text
    for deed in ("run renamed", "run tagged", "run untagged", "run deleted", "run restored"):
        assert deed in audit


def test_hostile_files_run_nothing_in_our_pages(lab: Lab, vic: httpx.Client) -> None:
    lab.put("page.html", "<script>parent.document.title = 'pwned'</script>")
    lab.put("x.svg", HOSTILE_SVG)
    lab.put("notes.md", "<script>alert(1)</script> ![a](x.svg) ![b](//example.com/b.png)")
    lab.put("fake.pdf", "<script>alert(1)</script>")
    page = viewer(lab.get(vic, "/files", path="page.html").text)
    assert 'sandbox="allow-scripts"' in page
    assert "pwned" not in page
    for name, kind in (("page.html", "text/html"), ("x.svg", "image/svg+xml")):
        raw = lab.get(vic, "/artifact", path=name)
        assert raw.headers["content-type"].startswith(kind)
        assert raw.headers["content-security-policy"].startswith("sandbox")
        assert "allow-same-origin" not in raw.headers["content-security-policy"]
        assert raw.headers["x-content-type-options"] == "nosniff"
    notes = viewer(lab.get(vic, "/files", path="notes.md").text)
    assert "<script" not in notes
    assert "example.com" not in notes
    assert notes.count("<img") == 1
    assert lab.get(vic, "/pdf", path="fake.pdf").status_code == 422
    assert lab.get(vic, "/pdf", path="page.html").status_code == 422
    fake = viewer(lab.get(vic, "/files", path="fake.pdf").text)
    assert "no PDF" in fake
    assert "&lt;script&gt;" in fake
    unknown = lab.get(vic, "/artifact", path="fake.pdf")
    assert unknown.headers["content-type"] == "application/octet-stream"
    assert unknown.headers["content-disposition"].startswith("attachment")


def test_a_pdf_may_be_framed_by_our_pages_alone(lab: Lab, vic: httpx.Client) -> None:
    lab.put("paper.pdf", b"%PDF-1.4 and so on")
    assert "/pdf?path=paper.pdf" in viewer(lab.get(vic, "/files", path="paper.pdf").text)
    raw = lab.get(vic, "/pdf", path="paper.pdf")
    assert raw.headers["content-type"] == "application/pdf"
    assert "frame-ancestors 'self'" in raw.headers["content-security-policy"]
    assert raw.headers["x-frame-options"] == "SAMEORIGIN"
    assert raw.headers["x-content-type-options"] == "nosniff"


def test_a_video_is_sought_by_ranges(lab: Lab, vic: httpx.Client) -> None:
    lab.put("clip.mp4", bytes(range(200)))
    assert "<video controls" in viewer(lab.get(vic, "/files", path="clip.mp4").text)
    query = {"workspace": "lab", "path": "clip.mp4"}
    part = vic.get(f"{lab.at}/artifact", params=query, headers={"Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.content == bytes(range(10, 20))
    assert part.headers["content-range"] == "bytes 10-19/200"
    assert part.headers["content-type"] == "video/mp4"
    beyond = vic.get(f"{lab.at}/artifact", params=query, headers={"Range": "bytes=900-"})
    assert beyond.status_code == 416


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.txt", b"", "This file is empty"),
        ("empty.csv", b"", "This file is empty"),
        ("binary.txt", b"\x00\x01" * 99, "00 01 00 01"),
        ("latin.txt", "caf\xe9".encode("latin-1"), "caf�"),
        ("wide.txt", "wörter".encode("utf-16"), "wörter"),
        ("code.py", b"if a < b:\n    pass\n", "if a &lt; b:"),
        ("data.json", b'{"a":[1,{"b":null}]}', "&#34;b&#34;: null"),
        ("broken.json", b"{", "does not read as its name promises"),
        ("deep.json", b"[" * 100_000, "nested too deeply"),
        ("list.ipynb", b"[]", "a notebook is a JSON object"),
        ("odd.unknown", b"\x7fELF\x00\x00", "7f 45 4c 46"),
        ("model/MLmodel", b"flavors: [unclosed", "not YAML in line"),
        ("other/MLmodel", b"a: &a [x, x]\nb: &b [*a, *a]\nflavors: {c: [*b, *b]}\n", "<h3>c</h3>"),
        ("open.csv", b'a,b\n"' + b"x" * 200_000, "cannot be shown as a table"),
        ("image.csv", b"\x89PNG\x00\x00", "89 50 4e 47"),
    ],
)
def test_odd_files_are_shown_as_what_they_are(
    lab: Lab, vic: httpx.Client, name: str, content: bytes, words: str
) -> None:
    lab.put(name, content)
    answer = lab.get(vic, "/files", path=name)
    assert answer.status_code == 200
    assert words in re.sub(r'<span class="[ksncf]">|</span>', "", viewer(answer.text))


@pytest.mark.parametrize(
    "name",
    [
        "a b.txt",
        "50%.txt",
        "what?.txt",
        "x#y.txt",
        "a&b=c.txt",
        "%2e%2e.txt",
        "ü/é.txt",
        "'\"<.txt",
    ],
)
def test_names_that_need_quoting_are_listed_shown_and_downloaded(
    lab: Lab, vic: httpx.Client, name: str
) -> None:
    target = lab.folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("inside it")
    html = lab.get(vic, "/files", path=name).text
    assert "inside it" in viewer(html)
    link = re.search(r'<a class="btn small" href="([^"]+)" download', html)
    assert link is not None
    raw = vic.get(link[1].replace("&amp;", "&"))
    assert raw.text == "inside it"
    assert raw.headers["content-disposition"].startswith("attachment")


def test_a_file_of_two_gigabytes_is_shown_without_being_read(lab: Lab, vic: httpx.Client) -> None:
    lab.put("big.log", "begin\n" * 200_000)
    lab.put("big.csv", "a,b\n" + "1,2\n" * 5000)
    for name in ("big.log", "big.csv"):
        os.truncate(lab.folder / name, 2_000_000_000)
    log = viewer(lab.get(vic, "/files", path="big.log").text)
    assert "2.0 GB" in log
    assert "first megabyte" in log
    assert len(log) < 4_000_000
    table = viewer(lab.get(vic, "/files", path="big.csv").text)
    assert "rows 1 to 100" in table


def test_a_csv_is_paged_by_rows_whole(lab: Lab, vic: httpx.Client) -> None:
    rows = "".join(f'{n},"two\nlines {n}"\r\n' for n in range(250))
    lab.put("rows.csv", "\ufeffn,text\r\n" + rows)
    seen: list[str] = []
    query: dict[str, str] = {"path": "rows.csv"}
    for _ in range(3):
        html = viewer(lab.get(vic, "/files", **query).text)
        assert '<th title="n">n</th>' in html
        seen += re.findall(r'<td title="two\nlines (\d+)">', html)
        following = re.search(r'href="[^"]*at=(\d+)&amp;row=(\d+)[^"]*"[^>]*>Next', html)
        if following is None:
            break
        query |= {"at": following[1], "row": following[2]}
    assert seen == [str(n) for n in range(250)]
    assert "rows 201 to 250, the last" in html
    lab.put("semi.csv", "a;b\n1;2\n")
    assert '<th title="b">b</th>' in lab.get(vic, "/files", path="semi.csv").text


def test_parquet_is_read_by_a_worker_a_hundred_rows_at_a_time(lab: Lab, vic: httpx.Client) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    names = [None if n == 3 else f"<row {n}>" for n in range(130)]
    pq.write_table(pa.table({'na"me': names, "n": list(range(130))}), buffer)
    lab.put("rows [1].parquet", buffer.getvalue())
    lab.put("not.parquet", "no such thing")

    def read(path: str, start: int) -> str:
        """Ask as a viewer, and look until the worker has read."""
        answer = vic.post(
            f"{lab.at}/files/rows", params={"workspace": "lab", "path": path, "start": start}
        )
        assert answer.status_code == 303
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            html = viewer(vic.get(answer.headers["location"]).text)
            if "A worker reads the rows" not in html:
                return html
        raise AssertionError("the rows were not read in time")

    assert "Show the rows" in viewer(lab.get(vic, "/files", path="rows [1].parquet").text)
    first = read("rows [1].parquet", 0)
    assert "rows 1 to 100 of 130" in first
    assert "&lt;row 99&gt;" in first
    assert "VARCHAR" in first
    assert ">null<" in first
    last = read("rows [1].parquet", 100)
    assert "rows 101 to 130 of 130" in last
    assert "&lt;row 129&gt;" in last
    broken = read("not.parquet", 0)
    assert "cannot be read" in broken
    assert str(lab.service.home) not in broken


def test_a_folder_is_sent_as_a_zip(lab: Lab, vic: httpx.Client) -> None:
    lab.put("out/a.txt", "first")
    lab.put("out/deep/b.bin", b"\x00" * 3_000_000)
    lab.put("left.txt", "not in it")
    answer = lab.get(vic, "/files.zip", path="out")
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="out.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["a.txt", "deep/b.bin"]
        assert archive.read("a.txt") == b"first"
    assert lab.get(vic, "/files.zip", path="left.txt").status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "a/../../secret.txt",
        "/../secret.txt",
        "..",
        "a\\..\\..\\secret.txt",
        "leads-out.txt",
        "leads-out/passwd",
        "none.txt",
        "a\x00.txt",
    ],
)
def test_no_path_leads_out_of_the_run(lab: Lab, vic: httpx.Client, path: str) -> None:
    lab.put("inside.txt", "here")
    (lab.folder.parent / "secret.txt").write_text("secret words")
    link = lab.folder / "leads-out.txt"
    link.symlink_to(lab.folder.parent / "secret.txt")
    (lab.folder / "leads-out").symlink_to("/etc")
    for place in ("/files", "/artifact", "/pdf", "/files.zip"):
        answer = lab.get(vic, place, path=path)
        assert answer.status_code == 404, place
        assert "secret words" not in answer.text
    listed = lab.get(vic, "/files").text.partition('<div class="browser"')[2]
    assert "inside.txt" in listed
    assert "leads-out" not in listed
    with zipfile.ZipFile(io.BytesIO(lab.get(vic, "/files.zip").content)) as archive:
        assert archive.namelist() == ["inside.txt"]


def test_strangers_reach_nothing_of_a_run(lab: Lab) -> None:
    lab.put("mine.txt", "ours alone")
    with lab.service.browser("otto") as otto:
        for place in ("", "/files", "/artifact", "/pdf", "/files.zip", "/live"):
            for workspace in ("other", "lab"):
                answer = otto.get(
                    lab.at + place, params={"workspace": workspace, "path": "mine.txt"}
                )
                assert answer.status_code == 404, (place, workspace)
                assert "ours alone" not in answer.text
        strange = otto.post(f"{lab.at}/rename", params={"workspace": "other"}, data={"name": "x"})
        assert strange.status_code == 404


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("mlflow-artifacts:/workspaces/lab/{inside}", "no such files in this workspace"),
        ("mlflow-artifacts:/x/../workspaces/lab/{inside}", "no such files in this workspace"),
        ("file:///etc", "file:///etc"),
        ("s3://user:hidden@bucket/path", "s3://bucket/path"),
    ],
)
def test_an_artifact_location_of_elsewhere_shows_nothing(
    lab: Lab, location: str, words: str
) -> None:
    """MLflow lets nobody choose one today; a database from before may hold any."""
    lab.put("mine.txt", "ours alone")
    inside = lab.info["artifact_uri"].removeprefix("mlflow-artifacts:/workspaces/lab/")
    with lab.service.client(lab.service.token("otto", "other")) as theirs:
        body = {"name": f"elsewhere {lab.run}"}
        made = theirs.post(f"{API}/experiments/create", json=body).json()
        run = theirs.post(f"{API}/runs/create", json=made).json()["run"]["info"]["run_id"]
    engine = open_engine(f"sqlite:///{lab.service.home / 'mlflow' / 'mlflow.db'}")
    with engine.connect().execution_options(mlpi_write=True) as db, db.begin():
        uri = location.format(inside=inside)
        db.execute(runs.update().where(runs.c.run_uuid == run).values(artifact_uri=uri))
    engine.dispose()
    with lab.service.browser("otto") as otto:
        page = otto.get(f"/tracking/runs/{run}", params={"workspace": "other"})
        assert page.status_code == 200
        assert words in page.text
        assert "hidden@" not in page.text
        assert "mine.txt" not in page.text
        for place in ("files", "artifact", "files.zip"):
            query = {"workspace": "other", "path": "mine.txt"}
            answer = otto.get(f"/tracking/runs/{run}/{place}", params=query)
            assert answer.status_code == 404
