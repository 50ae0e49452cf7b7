"""JSON export of 1,000 annotated tasks: mlpi against Label Studio, in turns, in one command.

    python -m tests.bench.labels_export --label-studio /path/to/label-studio --runs 5

Label Studio comes from `pip install label-studio==1.23.2` in an environment of its own; without
it mlpi is measured alone. Wall time is from the request to the last byte, CPU that of the server.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.bench.measure import machine, median, table
from tests.service import free_port, running_service, until

TASKS = 1000
TOKEN = "4b1c" * 10
START_S = 600
CONFIG = """<View><Text name="t" value="$text"/><Labels name="l" toName="t"><Label value="PER"/>
<Label value="ORG"/></Labels><Choices name="c" toName="t"><Choice value="good"/>
<Choice value="bad"/></Choices></View>"""


@dataclass
class Server:
    """One of the two, with its process tree and what was measured."""

    name: str
    client: httpx.Client
    pid: int
    project: int = 0
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    size_bytes: int = 0

    def fill(self) -> None:
        """A project with its tasks, each annotated once."""
        made = self.client.post(
            "/api/projects/", json={"title": "Benchmark", "label_config": CONFIG}
        )
        self.project = int(made.raise_for_status().json()["id"])
        tasks = [_task(number) for number in range(TASKS)]
        for begin in range(0, TASKS, 250):
            part = tasks[begin : begin + 250]
            answer = self.client.post(f"/api/projects/{self.project}/import", json=part)
            answer.raise_for_status()

    def export(self, *, is_measured: bool) -> None:
        begun, cpu = time.perf_counter(), _cpu_s(self.pid)
        answer = self.client.get(f"/api/projects/{self.project}/export?exportType=JSON")
        wall = time.perf_counter() - begun
        found = answer.raise_for_status().json()
        assert len(found) == TASKS, f"{self.name} exported {len(found)} tasks"
        assert all(len(one["annotations"][0]["result"]) == 4 for one in found)
        self.size_bytes = len(answer.content)
        if is_measured:
            self.wall_s.append(wall)
            self.cpu_s.append(_cpu_s(self.pid) - cpu)


def _task(number: int) -> dict[str, Any]:
    text = f"Ana Lee of Acme wrote review {number}. " * 5
    results = [
        {
            "id": f"r{number}-{at}",
            "from_name": "l",
            "to_name": "t",
            "type": "labels",
            "value": {"start": at, "end": at + 7, "text": text[at : at + 7], "labels": ["PER"]},
        }
        for at in (0, 40, 80)
    ]
    results.append(
        {
            "id": f"c{number}",
            "from_name": "c",
            "to_name": "t",
            "type": "choices",
            "value": {"choices": ["good"]},
        }
    )
    return {"data": {"text": text}, "annotations": [{"result": results, "lead_time": 3.5}]}


def _cpu_s(pid: int) -> float:
    root = psutil.Process(pid)
    times = [one.cpu_times() for one in (root, *root.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))


@contextmanager
def label_studio(program: Path, folder: Path) -> Iterator[Server]:
    """A fresh Label Studio with a token."""
    port = free_port()
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLPI_")},
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "COLLECT_ANALYTICS": "false",
        "SENTRY_DSN": "",
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                *(str(program), "start", "--no-browser", "--port", str(port)),
                *("--username", "ana@example.com", "--password", "correct horse"),
                *("--user-token", TOKEN, "--data-dir", str(folder)),
            ],
            env=env,
            stdout=log,
            stderr=log,
        )
    headers = {"Authorization": f"Token {TOKEN}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=600) as client:
        try:
            until(lambda: _answers(client), START_S)
            yield Server("Label Studio 1.23", client, process.pid)
        finally:
            for one in (*psutil.Process(process.pid).children(recursive=True), process):
                one.kill()
            process.wait()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/api/current-user/whoami").status_code == 200
    except httpx.TransportError:
        return False


def compare(program: Path | None, runs: int, folder: Path) -> str:
    """The figures as a table."""
    with running_service(folder) as service:
        service.add_user("ana", "--admin")
        token = service.token("ana", "default")
        assert service.process is not None
        mine = Server("mlpi", service.client(token), service.process.pid)
        if program is None:
            return _measured([mine], runs)
        theirs = folder / "label-studio"
        theirs.mkdir()
        with label_studio(program, theirs) as other:
            return _measured([mine, other], runs)


def _measured(servers: list[Server], runs: int) -> str:
    for one in servers:
        one.fill()
        one.export(is_measured=False)
    for _ in range(runs):
        for one in servers:
            one.export(is_measured=True)
    rows = [
        [
            one.name,
            f"{median(one.wall_s):.3f}",
            f"{median(one.cpu_s):.3f}",
            f"{one.size_bytes / 1e6:.2f}",
            f"{median(one.wall_s) / median(servers[0].wall_s):.1f}x",
            f"{median(one.cpu_s) / max(0.01, median(servers[0].cpu_s)):.1f}x",
        ]
        for one in servers
    ]
    for one in servers:
        one.client.close()
    headings = ["", "wall, s", "server CPU, s", "MB", "wall / mlpi", "CPU / mlpi"]
    return table(headings, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--label-studio", type=Path, help="its program")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(compare(given.label_studio, given.runs, Path(folder)))
    print(f"\n{TASKS:,} tasks of one annotation with 4 results each; {given.runs} runs in turns.")
    print(machine())


if __name__ == "__main__":
    main()
