"""Pages about runs over a real socket: roles, walls, deeds, links with MLflow both ways."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.tracking import fluent
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.text.metadata import create_summary_metadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_tensor_proto

from tests.event_files import event, header, simple, write
from tests.service import Service, until


@dataclass
class Logs:
    """Runs of lab below a folder of their own."""

    service: Service
    client: httpx.Client
    folder: str

    @property
    def path(self) -> Path:
        return self.service.home / "tensorboard" / "lab" / self.folder

    def make(self, name: str = "", *records: bytes, is_growing: bool = False) -> str:
        """A run that is read, quiet unless is_growing; its whole name."""
        run = f"{self.folder}/{name}".rstrip("/")
        values = records or (event(1, simple("loss", 0.5)), event(2, simple("loss", 0.25)))
        path = write(self.path / name, [header(), *values])
        if not is_growing:
            at = time.time() - 3600
            os.utime(path, (at, at))
        until(lambda: self.get(run=run).status_code == 200, 20)
        until(lambda: "being read" not in self.get(run=run).text, 20)
        return run

    def get(self, path: str = "/boards/run", **query: str) -> httpx.Response:
        return self.client.get(path, params={"workspace": "lab", **query})

    def post(self, path: str, query: dict[str, str] | None = None, **form: Any) -> httpx.Response:
        return self.client.post(path, params={"workspace": "lab", **(query or {})}, data=form)

    def names(self, state: str = "all") -> list[str]:
        page = self.get("/boards/manage", folder=self.folder, state=state).text
        return re.findall(r'<td class="stick" title="([^"]+)">', page)


@pytest.fixture
def logs(service: Service) -> Iterator[Logs]:
    with service.browser("ana") as client:
        yield Logs(service, client, f"manage-{uuid.uuid4().hex[:8]}")


def test_a_runs_page_says_what_it_is(logs: Logs) -> None:
    run = logs.make("a", event(1, simple("loss", 0.5)), event(9, simple("loss", 0.125)), b"\1" * 40)
    page = unescape(logs.get(run=run).text)
    assert f"tensorboard/lab/{run}/" in page
    assert "damaged" in page
    assert "the record's length contradicts its checksum" in page
    assert re.search(r'title="0.125">0.125</td><td class="num">9</td>', page)
    part = logs.client.get(
        "/boards/run", params={"run": run, "workspace": "lab"}, headers={"HX-Request": "true"}
    ).text
    assert part.lstrip().startswith('<div id="about"')
    tags = logs.get("/boards/run/tags", run=run, kind="scalars").text
    assert 'title="loss"' in tags
    assert logs.get(run=f"{logs.folder}/nothing").status_code == 404


def test_a_run_is_renamed_by_a_form_that_keeps_what_was_wrong(logs: Logs) -> None:
    run, other = logs.make("a"), logs.make("b")
    wrong = logs.post("/boards/run/rename", run=run, name="../out")
    assert wrong.status_code == 422
    assert "must not begin or end" in unescape(wrong.text)
    assert 'value="../out"' in wrong.text
    assert "data-again" in wrong.text
    taken = logs.post("/boards/run/rename", run=run, name=other)
    assert taken.status_code == 422
    assert "already" in taken.text
    done = logs.post("/boards/run/rename", run=run, name=f"{logs.folder}/deep/c")
    assert done.status_code == 303
    assert logs.client.get(done.headers["location"]).status_code == 200
    assert logs.names() == [f"{logs.folder}/b", f"{logs.folder}/deep/c"]


def test_runs_are_archived_brought_back_and_removed_in_numbers(
    service: Service, logs: Logs
) -> None:
    runs = [logs.make(name) for name in ("a", "b", "c")]
    nothing = logs.post("/boards/archive", {"folder": logs.folder})
    assert nothing.status_code == 422
    assert "Nothing is selected" in nothing.text
    back = logs.post("/boards/archive", {"folder": logs.folder}, run=runs[:2])
    assert back.status_code == 303
    assert f"folder={logs.folder}" in back.headers["location"]
    assert logs.names("active") == runs[2:]
    assert logs.names("archived") == runs[:2]
    assert "archived" in logs.get(run=runs[0]).text
    logs.post("/boards/unarchive", run=runs[0], of="run")
    assert logs.names("active") == [runs[0], runs[2]]
    asked = unescape(logs.post("/boards/remove/ask", run=runs[:2]).text)
    assert "2 runs" in asked
    assert "1 of them archived" in asked
    assert re.search(r"<b>\d+ B</b> in 2 event files", asked)
    assert logs.post("/boards/remove", run=runs[:2]).status_code == 303
    assert logs.names() == runs[2:]
    assert sorted(path.name for path in logs.path.iterdir()) == ["c"]
    with service.browser("admin") as admin:
        audit = admin.get("/settings/audit", params={"q": logs.folder}).text
    for deed in ("archived the board run", "brought back the board run", "deleted the board run"):
        assert deed in audit


def test_a_folder_is_renamed_archived_and_removed_whole(logs: Logs) -> None:
    logs.make("sweep/a")
    logs.make("sweep/b")
    folder = f"{logs.folder}/sweep"
    wrong = logs.post("/boards/folder/rename", folder=folder, name="a//b")
    assert wrong.status_code == 422
    assert 'value="a//b"' in wrong.text
    assert logs.post("/boards/folder/rename", folder=folder, name=f"{logs.folder}/old")
    assert logs.names() == [f"{logs.folder}/old/a", f"{logs.folder}/old/b"]
    folder = f"{logs.folder}/old"
    logs.post("/boards/archive", folder=folder)
    assert logs.names("active") == []
    asked = logs.post("/boards/remove/ask", folder=folder).text
    (count,) = re.findall(r'name="count" value="(\d+)"', asked)
    assert count == "2"
    logs.make("old/late")
    refused = logs.post("/boards/remove", folder=folder, count=count)
    assert refused.status_code == 422
    assert "holds 3 runs now" in unescape(refused.text)
    assert len(logs.names()) == 3
    assert logs.post("/boards/remove", folder=folder, count="3").status_code == 303
    assert logs.names() == []


def test_a_run_that_is_written_to_asks_twice(logs: Logs) -> None:
    run = logs.make("live", is_growing=True)
    page = unescape(logs.get(run=run).text)
    assert re.search(r"written (\d+ s ago|just now)", page)
    assert page.count("It is being written to") == 2  # before renaming, before deleting
    for path, form in (
        ("/boards/run/rename", {"run": run, "name": f"{run}2"}),
        ("/boards/remove", {"run": run, "of": "run"}),
        ("/boards/remove", {"run": run}),
    ):
        refused = logs.post(path, **form)
        assert refused.status_code == 422
        assert "is being written to" in unescape(refused.text)
        assert 'name="sure"' in refused.text
    assert logs.names() == [run]
    assert logs.post("/boards/remove", run=run, of="run", sure="true").status_code == 303
    assert logs.names() == []


@pytest.mark.parametrize(
    ("user", "path", "status"),
    [
        ("vic", "/boards/run/rename", 403),
        ("vic", "/boards/archive", 403),
        ("vic", "/boards/run/mlflow", 403),
        ("vic", "/boards/folder/rename", 403),
        ("eve", "/boards/remove", 403),
        ("eve", "/boards/remove/ask", 403),
        ("eve", "/boards/archive", 303),
    ],
)
def test_editors_change_runs_and_owners_alone_delete_them(
    service: Service, logs: Logs, user: str, path: str, status: int
) -> None:
    run = logs.make("a")
    with service.browser(user) as client:
        form = {"run": run, "name": "x", "folder": logs.folder, "mlflow_run_id": ""}
        assert client.post(path, params={"workspace": "lab"}, data=form).status_code == status
        page = client.get("/boards/run", params={"workspace": "lab", "run": run}).text
        listed = client.get("/boards/manage", params={"workspace": "lab", "q": logs.folder}).text
    assert ("Rename…" in page) is (user == "eve")
    assert "Delete it for good" not in page
    assert "Delete…" not in listed
    assert logs.names() == [run]


def test_another_workspace_sees_and_touches_nothing(service: Service, logs: Logs) -> None:
    run = logs.make("a")
    with service.browser("otto") as otto:
        there = {"workspace": "other"}
        assert otto.get("/boards/run", params={"run": run, **there}).status_code == 404
        assert otto.get("/boards/run", params={"run": run, "workspace": "lab"}).status_code == 404
        assert logs.folder not in otto.get("/boards/manage", params=there).text
        for path in ("/boards/remove", "/boards/archive", "/boards/run/mlflow"):
            assert otto.post(path, params=there, data={"run": run}).status_code == 404
        moved = otto.post(
            "/boards/run/rename", params=there, data={"run": f"../lab/{run}", "name": "mine"}
        )
        assert moved.status_code in (404, 422)
        for path in ("/boards/remove/ask", "/boards/archive", "/boards/folder/rename"):
            form = {"folder": f"../lab/{logs.folder}", "name": "mine"}
            assert otto.post(path, params=there, data=form).status_code in (404, 422)
        found = otto.get("/search", params={"q": logs.folder, **there}).text
        assert f"run={logs.folder}" not in found
    assert logs.names() == [run]


def test_the_room_is_on_the_dashboard_in_the_search_and_in_the_measures(
    service: Service, logs: Logs
) -> None:
    run = logs.make("a")
    logs.make("live", is_growing=True)
    home = unescape(logs.get("/").text)
    assert re.search(r'<polyline points="0.0,', home)
    assert f"{logs.folder}/live" in home
    found = logs.get("/search", q=run).text
    assert f"run={run.replace('/', '%2F')}" in found
    with service.client(service.token("ana", "lab")) as client:
        measures = client.get("/metrics").text
        boards = client.get("/readyz").json()["components"]["boards"]
    (count,) = re.findall(r"^mlpi_boards_runs (\S+)$", measures, re.MULTILINE)
    assert float(count) >= 2
    assert float(re.findall(r"^mlpi_boards_size_bytes (\S+)$", measures, re.MULTILINE)[0]) > 100
    assert boards["state"] == "ready"


# --- MLflow -----------------------------------------------------------------------------------


@pytest.fixture
def tracked(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowClient]:
    """MLflow's own client, in lab."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", service.token("ana", "lab"))
    mlflow.set_tracking_uri(service.url)
    fluent._active_experiment_id = None
    mlflow.set_experiment("manage-boards")
    yield MlflowClient(service.url)
    while mlflow.active_run():
        mlflow.end_run()
    fluent._active_experiment_id = None
    mlflow.set_tracking_uri(None)


def text_event(tag: str, text: str) -> event_pb2.Event:
    value = summary_pb2.Summary.Value(
        tag=tag, metadata=create_summary_metadata("", ""), tensor=make_tensor_proto(text)
    )
    return event_pb2.Event(wall_time=time.time(), summary=summary_pb2.Summary(value=[value]))


def test_a_training_that_names_its_mlflow_run_is_linked_from_both_pages(
    logs: Logs, tracked: MlflowClient
) -> None:
    with mlflow.start_run(run_name="with-curves") as run:
        writer = EventFileWriter(str(logs.path / "tagged"))
        writer.add_event(text_event("mlflow_run_id", run.info.run_id))
        writer.close()
    by_file = logs.make("filed")
    (logs.path / "filed" / "mlflow_run_id").write_text(run.info.run_id)
    by_tag = f"{logs.folder}/tagged"
    until(lambda: "as its text tag" in unescape(logs.get(run=by_tag).text), 20)
    assert "as the file mlflow_run_id in its folder says" in unescape(logs.get(run=by_file).text)
    for name in (by_tag, by_file):
        page = unescape(logs.get(run=name).text)
        assert re.search(rf'href="/tracking/runs/{run.info.run_id}[^"]*">with-curves</a>', page)
    page = unescape(logs.get(f"/tracking/runs/{run.info.run_id}").text)
    assert "TensorBoard curves" in page
    for name in (by_tag, by_file):
        assert f">{name}</a>" in page
    assert "all 2 together" in page
    (together,) = re.findall(r'href="(/boards\?[^"]+)">all 2 together', page)
    assert logs.client.get(together).status_code == 200
    listed = logs.get("/boards/manage", folder=logs.folder).text
    assert listed.count(f"/tracking/runs/{run.info.run_id}") == 2


def test_a_run_is_tied_by_a_form_and_a_wrong_id_says_so(logs: Logs, tracked: MlflowClient) -> None:
    with mlflow.start_run(run_name="tied") as run:
        pass
    name = logs.make("a")
    wrong = logs.post("/boards/run/mlflow", run=name, mlflow_run_id="digits")
    assert wrong.status_code == 422
    assert "no id of an MLflow run" in wrong.text
    assert 'value="digits"' in wrong.text
    address = f"{logs.service.url}/tracking/runs/{run.info.run_id}"
    assert logs.post("/boards/run/mlflow", run=name, mlflow_run_id=address).status_code == 303
    assert "as somebody said here" in logs.get(run=name).text
    assert f">{name}</a>" in logs.get(f"/tracking/runs/{run.info.run_id}").text
    logs.post("/boards/run/mlflow", run=name, mlflow_run_id="f" * 32)
    assert "lab has no such MLflow run" in logs.get(run=name).text
    assert logs.post("/boards/run/mlflow", run=name, mlflow_run_id="").status_code == 303
    assert "It belongs to none" in logs.get(run=name).text
    (logs.path / "a" / "mlflow_run_id").write_text("not an id")
    assert "“not an id”, which is no id" in unescape(logs.get(run=name).text)


def test_an_mlflow_run_names_its_curves_by_a_tag(logs: Logs, tracked: MlflowClient) -> None:
    name = logs.make("a")
    with mlflow.start_run(run_name="naming", tags={"mlpi.boards_run": name}) as run:
        pass
    page = unescape(logs.get(run=name).text)
    assert "as its own tag mlpi.boards_run says" in page
    assert ">naming</a>" in page
    assert f">{name}</a>" in logs.get(f"/tracking/runs/{run.info.run_id}").text
    tracked.set_tag(run.info.run_id, "mlpi.boards_run", "no/such")
    page = unescape(logs.get(f"/tracking/runs/{run.info.run_id}").text)
    assert "“no/such”, which lab’s boards do not have" in page


def test_another_workspaces_mlflow_run_is_not_told(service: Service, logs: Logs) -> None:
    with service.client(service.token("otto", "other")) as client:
        api = "/api/2.0/mlflow"
        body = {"name": f"secret-{uuid.uuid4().hex[:8]}"}
        made = client.post(f"{api}/experiments/create", json=body).json()["experiment_id"]
        body = {"experiment_id": made, "run_name": "hidden-run"}
        run = client.post(f"{api}/runs/create", json=body).json()["run"]["info"]["run_id"]
    name = logs.make("a")
    logs.post("/boards/run/mlflow", run=name, mlflow_run_id=run)
    page = logs.get(run=name).text
    assert "hidden-run" not in page
    assert "lab has no such MLflow run" in page
