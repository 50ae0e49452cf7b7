"""The README's client snippets, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import label_studio_sdk
from tests.event_files import NAME, event, header, simple, write
from tests.service import Service, clean_environment, until

README = (Path(__file__).parents[2] / "README.md").read_text()
HOST = "http://raspberrypi.local:9000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def variables(service: Service, token: str) -> dict[str, str]:
    (exports,) = [block for block in blocks("sh") if "MLFLOW_TRACKING_TOKEN=" in block]
    found = dict(re.findall(r"^export (\w+)=(.*)$", exports, re.MULTILINE))
    assert set(found) == {"MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN"}
    return {
        "MLFLOW_TRACKING_URI": found["MLFLOW_TRACKING_URI"].replace(HOST, service.url),
        "MLFLOW_TRACKING_TOKEN": found["MLFLOW_TRACKING_TOKEN"].replace("mlpi_…", token),
    }


@pytest.mark.parametrize("code", [b for b in blocks("python") if "log_metric" in b])
def test_the_mlflow_snippet_logs_a_run(service: Service, code: str) -> None:
    env = variables(service, service.token("ana", "lab"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environment(env),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with service.client(env["MLFLOW_TRACKING_TOKEN"]) as client:
        api = "/api/2.0/mlflow"
        named = client.get(f"{api}/experiments/get-by-name?experiment_name=digits").json()
        body = {"experiment_ids": [named["experiment"]["experiment_id"]]}
        (run,) = client.post(f"{api}/runs/search", json=body).json()["runs"]
    assert [metric["value"] for metric in run["data"]["metrics"]] == [0.97]


def answer_of(service: Service, command: str) -> str:
    """What a shell snippet prints, with the address and token filled in."""
    done = subprocess.run(
        ["sh", "-c", command.replace(HOST, service.url)],
        env=clean_environment(variables(service, service.token("ana", "lab"))),
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return done.stdout


def test_the_curl_snippet_answers(service: Service) -> None:
    (command,) = [block for block in blocks("sh") if block.startswith("curl -H")]
    assert '"user":"ana"' in answer_of(service, command)


def test_the_job_snippet_makes_a_job(service: Service) -> None:
    (command,) = [block for block in blocks("sh") if "/api/mlpi/jobs" in block]
    answer = answer_of(service, command)
    assert '"kind":"selftest"' in answer
    assert '"state":"queued"' in answer


def test_the_check_snippets_upload_check_and_gate(service: Service) -> None:
    # A workspace of its own: others check their own wine in lab.
    service.mlpi("workspace", "add", "winery", "--owner", "ana")
    env = {"MLPI_URL": service.url, "MLPI_TOKEN": service.token("ana", "winery")}
    (code,) = [block for block in blocks("python") if "/checks" in block]
    (command,) = [block for block in blocks("sh") if "mlpi check " in block]
    (gate,) = [block for block in blocks("sh") if "/gate" in block]
    check = [line for line in command.splitlines() if not line.startswith("export ")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for program in (
        [sys.executable, "-c", code],
        ["sh", "-ec", "\n".join(check)],
        ["sh", "-ec", gate],
    ):
        try:
            done = subprocess.run(
                program,
                env=clean_environment({**env, "PATH": path}),
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )
        except subprocess.TimeoutExpired:
            with service.client(env["MLPI_TOKEN"]) as client:
                waiting = [
                    (job["id"], job["kind"], job["title"], job["state"], job["message"])
                    for job in client.get("/api/mlpi/jobs", params={"limit": 100}).json()
                    if job["finished_at"] is None
                ]
            pytest.fail(f"not done in time; before it: {waiting}; {service.log[-2000:]}")
        assert done.returncode == 0, done.stderr + done.stdout
    assert '"is_open":true' in done.stdout


def test_the_chroma_snippet_finds_the_nearest_note(service: Service) -> None:
    (code,) = [block for block in blocks("python") if "chromadb" in block]
    here = code.replace('"raspberrypi.local", 9000', f'"127.0.0.1", {service.port}')
    assert here != code
    done = subprocess.run(
        [sys.executable, "-c", here],
        env=clean_environment(
            {"MLPI_TOKEN": service.token("eve", "lab"), "ANONYMIZED_TELEMETRY": "False"}
        ),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[['a first note']]\n"


def test_the_transfer_snippet_imports_and_exports(service: Service, tmp_path: Path) -> None:
    token = service.token("ana", "lab")
    (commands,) = [block for block in blocks("sh") if "/export?" in block]
    load, _, dump = commands.partition("\ncurl -H")
    (tmp_path / "notes.csv").write_text("id,document\na,rain in the hills\nb,sun by the sea\n")

    def run(command: str) -> str:
        done = subprocess.run(
            ["sh", "-ec", command],
            cwd=tmp_path,
            env=clean_environment({"MLPI_URL": service.url, "MLPI_TOKEN": token}),
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        )
        return done.stdout

    job = json.loads(run(load))["job_id"]
    with service.client(token) as client:
        until(lambda: client.get(f"/api/mlpi/jobs/{job}").json()["state"] == "succeeded", 100)
    found = [json.loads(line) for line in run("curl -H" + dump).splitlines()]
    assert [one["document"] for one in found] == ["rain in the hills", "sun by the sea"]
    assert {len(one["embedding"]) for one in found} == {384}


def test_the_boards_snippets_send_a_run(service: Service, tmp_path: Path) -> None:
    (code,) = [block for block in blocks("python") if "/boards/files" in block]
    (commands,) = [block for block in blocks("sh") if "mlpi sync " in block]
    command = [line for line in commands.splitlines() if not line.startswith("export ")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {"MLPI_URL": service.url, "MLPI_TOKEN": service.token("eve", "lab"), "PATH": path}
    log = tmp_path / "runs" / NAME
    whole = header()
    for step in range(2):  # the second time what is new
        whole += event(step, simple("loss", step))
        write(log.parent, [whole])
        for program in ([sys.executable, "-c", code], ["sh", "-ec", "\n".join(command)]):
            done = subprocess.run(
                program,
                cwd=tmp_path,
                env=clean_environment(env),
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )
            assert done.returncode == 0, done.stderr + done.stdout
        for run in ("digits/lr-0.1", "laptop"):
            there = service.home / "tensorboard" / "lab" / run / NAME
            assert there.read_bytes() == whole


def test_the_boards_snippet_ties_curves_to_their_mlflow_run(
    service: Service, tmp_path: Path
) -> None:
    (code,) = [block for block in blocks("python") if "mlpi.boards_run" in block]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=clean_environment(variables(service, service.token("ana", "lab"))),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    target = service.home / "tensorboard" / "lab" / "digits" / "lr-0.2"
    shutil.copytree(tmp_path / "runs" / "lr-0.2", target)
    query = {"workspace": "lab", "run": "digits/lr-0.2"}
    with service.browser("ana") as client:
        until(lambda: "0.01" in client.get("/boards/run", params=query).text, 20)
        page = client.get("/boards/run", params=query).text
        (run,) = re.findall(r"/tracking/runs/([0-9a-f]{32})", page)
        theirs = client.get(f"/tracking/runs/{run}", params={"workspace": "lab"}).text
    assert ">digits/lr-0.2</a>" in theirs


def test_the_labels_snippet_makes_a_project_with_predictions(service: Service) -> None:
    (code,) = [block for block in blocks("python") if "label_studio_sdk" in block]
    token = service.token("ana", "lab")
    env = {"MLPI_URL": service.url, "MLPI_TOKEN": token}
    made = subprocess.run(
        [str(label_studio_sdk.python()), "-c", code],
        env=clean_environment(env),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.split()[1] == "2"
