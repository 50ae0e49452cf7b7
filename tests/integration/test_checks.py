"""Checks through a running service: real workers, real messages, and bad days."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil
import pytest

from tests.postgres import Postgres
from tests.service import Service, clean_environment, running_service, until

GOOD = "name,amount\n" + "".join(f"n{number},{number}\n" for number in range(100))
BAD = GOOD.replace("n41,41\n", "n41,9999\n")
SUITE = [
    {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": "amount", "min_value": 0, "max_value": 99},
    }
]


class Lab:
    """A client of one workspace, and what tests ask of it."""

    def __init__(self, client: httpx.Client) -> None:
        self.http = client

    def put(self, name: str, content: str | bytes, file_name: str = "data.csv") -> dict[str, Any]:
        answer = self.http.put(
            f"/api/mlpi/datasets/{name}/file", params={"filename": file_name}, content=content
        )
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def dataset(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/api/mlpi/datasets/{name}").json()
        return found

    def read(self, name: str) -> dict[str, Any]:
        """The newest version once it has been read, or has failed to be."""

        def ended() -> dict[str, Any] | None:
            newest = self.dataset(name)["newest"]
            return newest if newest and newest["state"] != "profiling" else None

        found: dict[str, Any] = until(ended)
        return found

    def suite(self, name: str, expectations: list[dict[str, Any]]) -> None:
        body = {"name": name, "expectations": expectations}
        answer = self.http.post("/api/mlpi/suites", json=body)
        assert answer.status_code == 201, answer.text

    def checkpoint(self, name: str, dataset: str, suite: str, **more: Any) -> None:
        body = {"name": name, "dataset": dataset, "suite": suite, **more}
        answer = self.http.post("/api/mlpi/checks", json=body)
        assert answer.status_code == 201, answer.text

    def start(self, name: str, dataset: str = "") -> int:
        answer = self.http.post(f"/api/mlpi/checks/{name}/run", json={"dataset": dataset})
        assert answer.status_code == 202, answer.text
        return int(answer.json()["job_id"])

    def end_of(self, job_id: int) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            run = self.http.get(f"/api/mlpi/checks/runs/by-job/{job_id}").json()
            return run if run["state"] != "running" else None

        found: dict[str, Any] = until(ended)
        return found

    def run(self, name: str, dataset: str = "") -> dict[str, Any]:
        return self.end_of(self.start(name, dataset))


@pytest.fixture
def lab(service: Service) -> Iterator[Lab]:
    with service.client(service.token("ana", "lab")) as client:
        yield Lab(client)


class Hook:
    """A server that keeps what it is sent."""

    def __init__(self, statuses: list[int]) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(statuses.pop(0) if statuses else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/T0P5ECRET"


@contextmanager
def listening(*statuses: int) -> Iterator[Hook]:
    hook = Hook(list(statuses))
    thread = threading.Thread(target=hook.server.serve_forever)
    thread.start()
    try:
        yield hook
    finally:
        hook.server.shutdown()
        thread.join()
        hook.server.server_close()


def test_data_is_uploaded_profiled_and_checked(lab: Lab) -> None:
    lab.put("story", GOOD)
    version = lab.read("story")
    assert (version["state"], version["row_count"]) == ("ready", 100)
    assert version["columns"] == [["name", "VARCHAR"], ["amount", "BIGINT"]]
    profile = lab.http.get("/api/mlpi/datasets/story/profile").json()
    assert [column["name"] for column in profile["columns"]] == ["name", "amount"]
    lab.suite("story", SUITE)
    lab.checkpoint("story", "story", "story")
    run = lab.run("story")
    assert (run["state"], run["target"]) == ("passed", "story version 1")
    assert run["figures"]["engines"] == {"duckdb": 1}
    lab.put("story", BAD)
    run = lab.run("story")
    assert run["state"] == "failed"
    assert run["failed"][0]["rows"] == [42]
    whole = lab.http.get(f"/api/mlpi/checks/runs/{run['id']}").json()["result"]
    assert whole["results"][0]["result"]["unexpected_count"] == 1
    assert lab.http.get("/api/mlpi/checks/story/gate").status_code == 409
    gate = lab.http.get("/api/mlpi/checks/story/gate", params={"dataset": "story@1"})
    assert (gate.status_code, gate.json()["is_open"]) == (200, True)


def test_a_complete_report_of_many_bad_rows_stays_of_a_size_to_keep(lab: Lab) -> None:
    lab.put("many", "amount\n" + "500\n" * 30_000)
    lab.suite("many", SUITE)
    lab.checkpoint("many", "many", "many", result_format="COMPLETE")
    run = lab.run("many")
    (one,) = lab.http.get(f"/api/mlpi/checks/runs/{run['id']}").json()["result"]["results"]
    assert one["result"]["unexpected_count"] == 30_000
    assert len(one["result"]["unexpected_index_list"]) == 10_000
    assert one["meta"]["mlpi"]["cut"]["unexpected_index_list"] == 30_000


def test_a_run_whose_report_is_gone_does_not_seem_to_go_on(lab: Lab) -> None:
    lab.put("forgotten", GOOD)
    lab.suite("forgotten", SUITE)
    lab.checkpoint("forgotten", "forgotten", "forgotten")
    job_id = lab.start("forgotten")
    assert lab.end_of(job_id)["state"] == "passed"
    assert lab.http.delete("/api/mlpi/checks/forgotten").status_code == 204
    run = lab.http.get(f"/api/mlpi/checks/runs/by-job/{job_id}").json()
    assert (run["id"], run["state"]) == (None, "error")
    assert run["error"] == "Its report was removed."


def test_pages_show_what_is_there_and_escape_what_people_write(service: Service, lab: Lab) -> None:
    evil = "<script>alert(1)</script>"
    content = f'"{evil}",formula\n"{evil}",=1+1\n"<b>x</b>",@SUM(A1)\n'
    lab.put("evil", content)
    assert lab.read("evil")["state"] == "ready"
    lab.suite(
        "evil",
        [
            {
                "type": "expect_column_values_to_be_in_set",
                "kwargs": {"column": evil, "value_set": ["good"]},
                "notes": evil,
            }
        ],
    )
    lab.checkpoint("evil", "evil", "evil")
    run = lab.run("evil")
    assert run["state"] == "failed"
    dataset_id = lab.dataset("evil")["id"]
    checkpoint_id = lab.http.get("/api/mlpi/checks/evil").json()["id"]
    with service.browser("ana") as browser:
        for path in (
            "/checks",
            "/checks/datasets",
            f"/checks/datasets/{dataset_id}",
            f"/checks/datasets/{dataset_id}/rows",
            f"/checks/checkpoints/{checkpoint_id}",
            f"/checks/checkpoints/{checkpoint_id}/edit",
            f"/checks/runs/{run['id']}",
            "/checks/new",
            "/checks/suites",
        ):
            answer = browser.get(path, params={"workspace": "lab"})
            assert answer.status_code == 200, path
            assert "<script>alert" not in answer.text, path
            assert "<b>x</b>" not in answer.text, path
        shown = browser.get(f"/checks/runs/{run['id']}?workspace=lab").text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
        assert "DuckDB" in shown


def test_an_upload_goes_on_after_a_lost_connection(lab: Lab) -> None:
    content = GOOD.encode()
    metadata = ",".join(
        f"{key} {b64encode(value.encode()).decode()}"
        for key, value in (
            ("filename", "data.csv"),
            ("name", "resumed"),
            ("sha256", hashlib.sha256(content).hexdigest()),
        )
    )
    path = "/api/mlpi/uploads/datasets"
    headers = {"Upload-Length": str(len(content)), "Upload-Metadata": metadata}
    begun = lab.http.post(path, headers=headers)
    assert begun.status_code == 201, begun.text
    place = begun.headers["location"]
    part = {"Content-Type": "application/offset+octet-stream"}
    first = lab.http.patch(place, headers={**part, "Upload-Offset": "0"}, content=content[:100])
    assert (first.status_code, first.headers["upload-offset"]) == (204, "100")
    wrong = lab.http.patch(place, headers={**part, "Upload-Offset": "0"}, content=content)
    assert wrong.status_code == 409
    assert lab.http.head(place).headers["upload-offset"] == "100"
    last = lab.http.patch(place, headers={**part, "Upload-Offset": "100"}, content=content[100:])
    assert last.status_code == 204, last.text
    assert last.headers["content-location"].startswith("/checks/datasets/")
    assert lab.http.head(place).status_code == 404
    assert lab.read("resumed")["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_form_whose_file_is_refused_leaves_nothing_behind(service: Service) -> None:
    before = set((service.home / "uploads").glob("*"))
    with service.browser("ana") as browser:
        answer = browser.post(
            "/checks/datasets/upload?workspace=lab",
            data={"name": "a/b"},
            files={"file": ("x.csv", GOOD)},
        )
    assert answer.status_code == 422
    assert "cannot be the name of a dataset" in answer.text
    assert set((service.home / "uploads").glob("*")) == before
    assert list((service.home / "tmp").glob("upload-*")) == []


def test_a_forms_file_is_taken_though_temporary_files_lie_on_another_file_system(
    tmp_path: Path,
) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system")
    content = GOOD * 1000  # more than a form keeps in memory
    with TemporaryDirectory(dir=memory) as elsewhere:
        with running_service(tmp_path, env={"TMPDIR": elsewhere}) as one:
            one.add_user("admin")
            one.wait_ready()
            with one.browser("admin") as browser:
                answer = browser.post(
                    "/checks/datasets/upload",
                    data={"name": "crossed"},
                    files={"file": ("x.csv", content)},
                )
                assert answer.status_code == 303, answer.text
        assert list((one.home / "uploads").iterdir()) == []
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    (kept,) = (one.home / "datasets").glob(f"*/files/*/{sha256}")
    assert kept.read_text() == content


def test_a_changed_or_unknown_file_is_refused(lab: Lab) -> None:
    path = "/api/mlpi/datasets/refused/file"
    wrong = lab.http.put(path, params={"filename": "x.csv", "sha256": "0" * 64}, content="a\n1\n")
    assert (wrong.status_code, wrong.json()["field"]) == (422, "sha256")
    odd = lab.http.put(path, params={"filename": "x.pkl"}, content="a\n1\n")
    assert odd.status_code == 422
    assert ".parquet" in odd.json()["advice"]
    assert lab.http.get("/api/mlpi/datasets/refused").status_code == 404


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("ragged", "a,b\n1,2\n3,4,5\n6,7\n", "line 3"),
        ("latin", "a,b\nKöln,1\n".encode("latin-1"), "encod"),
        ("lying", b"PAR1 this is no parquet PAR1", "arquet"),
        ("empty", "", "empty"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    lab: Lab, name: str, content: str | bytes, words: str
) -> None:
    lab.put(name, content, "x.parquet" if name == "lying" else "x.csv")
    version = lab.read(name)
    assert version["state"] == "failed"
    assert words in version["error"]
    assert "Traceback" not in version["error"]


def test_a_webhook_is_signed_and_sent_again_until_it_arrives(lab: Lab) -> None:
    lab.put("hooked", BAD)
    lab.suite("hooked", SUITE)
    with listening(503) as hook:
        action = {"kind": "webhook", "to": hook.url, "secret": "s3cret"}
        lab.checkpoint("hooked", "hooked", "hooked", actions=[action])
        run = lab.run("hooked")
        until(lambda: len(hook.got) == 2)
    headers, body = hook.got[-1]
    expected = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["x-mlpi-signature"] == f"sha256={expected}"
    told = json.loads(body)
    assert (told["event"], told["run"], told["success"]) == ("failing", run["id"], False)
    assert told["failed"][0]["rows"] == [42]
    assert f"/checks/runs/{run['id']}" in told["url"]
    assert hook.got[0][1] == body
    text = lab.http.get("/api/mlpi/jobs", params={"kind": "notify"}).text
    assert "T0P5ECRET" not in text
    assert "s3cret" not in text


def test_a_scheduled_check_runs(lab: Lab) -> None:
    lab.put("timed", GOOD)
    lab.suite("timed", SUITE)
    lab.checkpoint("timed", "timed", "timed")
    body = {
        "name": "timed",
        "kind": "check",
        "trigger": "interval",
        "expression": "10s",
        "params": {"checkpoint": "timed"},
    }
    made = lab.http.post("/api/mlpi/schedules", json=body)
    assert made.status_code == 201, made.text
    try:
        runs = until(lambda: lab.http.get("/api/mlpi/checks/timed/runs").json())
        until(lambda: lab.http.get("/api/mlpi/checks/timed/runs").json()[-1]["state"] == "passed")
        assert runs[0]["checkpoint"] == "timed"
    finally:
        lab.http.delete(f"/api/mlpi/schedules/{made.json()['id']}")


def test_a_table_of_postgresql_is_checked_without_its_password_anywhere(
    service: Service, lab: Lab, postgres: Postgres
) -> None:
    import psycopg

    url = postgres.new_database()
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("CREATE TABLE orders (amount integer)")
        connection.execute("INSERT INTO orders SELECT * FROM generate_series(0, 120)")
    body = {"name": "orders", "url": plain, "table": "orders"}
    made = lab.http.post("/api/mlpi/datasets", json=body)
    assert made.status_code == 201, made.text
    assert lab.read("orders")["row_count"] == 121
    lab.suite("orders", SUITE)
    lab.checkpoint("orders", "orders", "orders")
    run = lab.run("orders")
    assert (run["state"], run["failed"][0]["unexpected_count"]) == ("failed", 21)


def test_a_wrong_password_of_a_database_is_one_clear_line(service: Service, lab: Lab) -> None:
    body = {"name": "locked", "url": "postgresql://ana:hunter2@127.0.0.1:1/x", "table": "t"}
    assert lab.http.post("/api/mlpi/datasets", json=body).status_code == 201
    version = lab.read("locked")
    assert version["state"] == "failed"
    assert "hunter2" not in version["error"]
    assert "hunter2" not in lab.http.get("/api/mlpi/jobs").text
    assert "hunter2" not in service.log


def test_data_docs_are_built_without_anything_from_elsewhere(service: Service, lab: Lab) -> None:
    lab.put("docs", BAD.replace("n7,", "<b>n7</b> & co,"))
    unreadable = {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "gone"}}
    kwargs = {"column": "name", "value_set": ["<i>x</i>"]}
    words = {"type": "expect_column_values_to_be_in_set", "kwargs": kwargs}
    lab.suite("docs", [*SUITE, {**unreadable, "kwargs": {"column": "gone", "min_value": 0}}, words])
    lab.checkpoint("docs", "docs", "docs")
    run = lab.run("docs")
    with service.browser("ana") as browser:
        page = f"/checks/runs/{run['id']}/docs?workspace=lab"
        assert browser.get(page).status_code == 404
        assert browser.post(page).status_code == 303
        answer = until(lambda: (got := browser.get(page)).status_code == 200 and got)
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
    assert "src=" not in answer.text
    assert "https://" not in answer.text
    assert "9999" in answer.text
    assert "<b>n7</b>" not in answer.text
    assert "<i>x</i>" not in answer.text
    assert "&lt;i&gt;x" in answer.text


def test_the_command_prints_a_table_and_exits_as_it_should(
    service: Service, tmp_path: Path
) -> None:
    with service.client(service.token("ana", "lab")) as client:
        lab = Lab(client)
        lab.put("commanded", GOOD)
        lab.suite("commanded", SUITE)
        lab.checkpoint("commanded", "commanded", "commanded")
    (tmp_path / "bad.csv").write_text(BAD)

    def check(*arguments: str, token: str = service.token("ana", "lab")) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "mlpi", "check", *arguments, "--url", service.url],
            env=clean_environment({"MLPI_TOKEN": token}),
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        return done.returncode, done.stdout, done.stderr

    code, out, _ = check("commanded")
    assert (code, "passed, 1 of 1" in out) == (0, True)
    code, out, _ = check("commanded", "--gate")
    assert code == 0
    upload = ("--upload", str(tmp_path / "bad.csv"), "--dataset", "commanded")
    code, out, _ = check("commanded", *upload)
    assert code == 1
    assert out.splitlines()[0].split() == ["expectation", "column", "severity", "seen", "rows"]
    assert "42" in out.splitlines()[1]
    code, out, _ = check("commanded", "--gate")
    assert (code, "1 expectation is not met" in out) == (1, True)
    code, _, wrong = check("commandeered")
    assert (code, wrong) == (2, "There is no checkpoint 'commandeered' in this workspace.\n")
    code, _, wrong = check("commanded", token="")
    assert (code, "MLPI_TOKEN" in wrong) == (2, True)


def test_who_may_do_what(service: Service, lab: Lab) -> None:
    lab.put("guarded", GOOD)
    lab.suite("guarded", SUITE)
    lab.checkpoint("guarded", "guarded", "guarded")
    with service.client(service.token("vic", "lab")) as viewer:
        assert viewer.get("/api/mlpi/checks/guarded").status_code == 200
        assert viewer.post("/api/mlpi/checks/guarded/run").status_code == 403
        put = viewer.put("/api/mlpi/datasets/x/file", params={"filename": "x.csv"}, content="a\n")
        assert put.status_code == 403
    with service.client(service.token("eve", "lab")) as editor:
        assert editor.delete("/api/mlpi/checks/guarded").status_code == 403
        assert editor.delete("/api/mlpi/datasets/guarded").status_code == 403
    with service.client(service.token("otto", "other")) as stranger:
        assert stranger.get("/api/mlpi/checks").json() == []
        for path in ("checks/guarded", "datasets/guarded", "checks/guarded/gate"):
            assert stranger.get(f"/api/mlpi/{path}").status_code == 404
        run = lab.run("guarded")
        assert stranger.get(f"/api/mlpi/checks/runs/{run['id']}").status_code == 404


# --- bad days, each on a service of its own


def big(tmp_path: Path) -> Path:
    """A file that takes a worker some seconds: a suite on it can be interrupted."""
    path = tmp_path / "data" / "big.csv"
    path.parent.mkdir()
    line = "".join(f"n{number},{number % 100}\n" for number in range(10_000))
    with path.open("w") as file:
        file.write("name,amount\n")
        for _ in range(300):
            file.write(line)
    return path


def workers(service: Service) -> list[psutil.Process]:
    assert service.process is not None
    return [
        worker
        for child in psutil.Process(service.process.pid).children()
        if "mlpi.jobs.forkserver" in child.cmdline()
        for worker in child.children()
    ]


def running_check(lab: Lab, path: Path) -> int:
    """A check of a large file that has just begun."""
    made = lab.http.post("/api/mlpi/datasets", json={"name": "big", "pattern": str(path)})
    assert made.status_code == 201, made.text
    lab.suite("big", SUITE)
    lab.checkpoint("big", "big", "big")
    job_id = lab.start("big")
    until(lambda: lab.http.get(f"/api/mlpi/jobs/{job_id}").json()["state"] == "running")
    return job_id


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_service_lose_no_run(tmp_path: Path) -> None:
    path = big(tmp_path)
    env = {"MLPI_DATA_ROOTS": str(path.parent)}
    with running_service(tmp_path, env=env) as service:
        service.add_user("ana")
        service.mlpi("workspace", "add", "lab")
        service.mlpi("member", "add", "lab", "ana", "owner")
        token = service.token("ana", "lab")
        with service.client(token) as client:
            lab = Lab(client)
            job_id = running_check(lab, path)
            for worker in until(lambda: workers(service)):
                worker.kill()
            run = lab.end_of(job_id)
            assert run["state"] == "passed"
            assert client.get(f"/api/mlpi/jobs/{job_id}").json()["attempt"] == 2
            assert len(client.get("/api/mlpi/checks/big/runs").json()) == 1
            job_id = lab.start("big")
            until(lambda: client.get(f"/api/mlpi/jobs/{job_id}").json()["state"] == "running")
            assert service.process is not None
            os.kill(service.process.pid, signal.SIGKILL)
            service.process.wait()
        service.start()
        with service.client(token) as client:
            lab = Lab(client)
            run = lab.end_of(job_id)
            assert run["state"] == "passed"
            runs = client.get("/api/mlpi/checks/big/runs").json()
            assert [one["state"] for one in runs] == ["passed", "passed"]
            assert not list((service.home / "tmp").glob(f"job{job_id}-*/*.csv"))
