"""Import of 10,000 text tasks: mlpi against Label Studio, in turns; and the memory of large ones.

    python -m tests.bench.labels_import --label-studio /path/to/label-studio --runs 5
    python -m tests.bench.labels_import --large       # 100,000 tasks, and a file of 300 MB

Label Studio comes from `pip install label-studio==1.23.2` in an environment of its own; without
it mlpi is measured alone. Wall time is of one POST with a JSON body, CPU that of the server's
processes. Memory is the most that the service's process had (VmHWM), before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from tests.bench.measure import machine, median, table
from tests.service import Service, free_port, running_service, until

TASKS = 10_000
TOKEN = "4b1c" * 10
START_S = 900
MANY = 100_000
LARGE_BYTES = 320 << 20
CONFIG = """<View><Text name="t" value="$text"/><Choices name="c" toName="t">
<Choice value="good"/><Choice value="bad"/></Choices></View>"""


@dataclass
class Server:
    """One of the two, with its process tree and what was measured."""

    name: str
    client: httpx.Client
    pid: int
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def bring(self, body: bytes, *, is_measured: bool) -> None:
        """Import into a fresh project."""
        made = self.client.post("/api/projects/", json={"title": "bench", "label_config": CONFIG})
        at = f"/api/projects/{made.raise_for_status().json()['id']}"
        begun, cpu = time.perf_counter(), _cpu_s(self.pid)
        answer = self.client.post(
            f"{at}/import", content=body, headers={"Content-Type": "application/json"}
        )
        wall = time.perf_counter() - begun
        count = answer.raise_for_status().json()["task_count"]
        assert count == TASKS, f"{self.name} imported {count} tasks"
        if is_measured:
            self.wall_s.append(wall)
            self.cpu_s.append(_cpu_s(self.pid) - cpu)


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
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=900) as client:
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
        service.wait_ready()
        assert service.process is not None
        with service.client(token) as client:
            client.timeout = httpx.Timeout(900)
            mine = Server("mlpi", client, service.process.pid)
            if program is None:
                return _measured([mine], runs)
            theirs = folder / "label-studio"
            theirs.mkdir()
            with label_studio(program, theirs) as other:
                return _measured([mine, other], runs)


def _measured(servers: list[Server], runs: int) -> str:
    body = json.dumps([{"text": f"review {number}: " + "x" * 100} for number in range(TASKS)])
    for run in range(runs + 1):
        for one in servers:
            one.bring(body.encode(), is_measured=run > 0)
    mine = servers[0]
    rows = [
        [
            one.name,
            f"{median(one.wall_s):.2f}",
            f"{median(one.cpu_s):.2f}",
            f"{median(one.wall_s) / median(mine.wall_s):.1f}x",
            f"{median(one.cpu_s) / median(mine.cpu_s):.1f}x",
        ]
        for one in servers
    ]
    return table(["", "wall, s", "server CPU, s", "wall / mlpi", "CPU / mlpi"], rows)


def large(folder: Path) -> str:
    """What many tasks and a large file take."""
    rows: list[list[str]] = []
    with running_service(folder) as service:
        service.add_user("ana", "--admin")
        token = service.token("ana", "default")
        service.wait_ready()
        with service.client(token) as client:
            client.timeout = httpx.Timeout(3600)
            _warm(client)

            def note(name: str, deed: Callable[[str], int]) -> None:
                made = client.post("/api/projects/", json={"title": name, "label_config": CONFIG})
                at = f"/api/projects/{made.raise_for_status().json()['id']}"
                before, begun = _peak_mb(service), time.perf_counter()
                count = deed(at)
                span = time.perf_counter() - begun
                after = _peak_mb(service)
                figures = (f"{count:,}", f"{span:.0f}", f"{count / span:,.0f}")
                rows.append([name, *figures, f"{before:.0f}", f"{after:.0f}"])

            def body(at: str) -> int:
                parts = (f'{{"text": "review {one}: {"x" * 100}"}},' for one in range(MANY))
                answer = client.post(
                    f"{at}/import",
                    content=_joined(parts),
                    headers={"Content-Type": "application/json"},
                )
                return int(answer.raise_for_status().json()["task_count"])

            def file(at: str) -> int:
                path = folder / "large.json"
                _write(path)
                with path.open("rb") as source:
                    answer = client.post(f"{at}/import", files={"file": ("large.json", source)})
                return int(answer.raise_for_status().json()["task_count"])

            note(f"JSON body of {MANY:,} tasks", body)
            note(f"form with a JSON file of {LARGE_BYTES >> 20} MB", file)
    heads = ["", "tasks", "s", "tasks/s", "peak before, MB", "peak after, MB"]
    return table(heads, rows)


def _warm(client: httpx.Client) -> None:
    made = client.post("/api/projects/", json={"title": "warm", "label_config": CONFIG})
    at = f"/api/projects/{made.raise_for_status().json()['id']}"
    client.post(f"{at}/import", json=[{"text": "a"}] * 1000).raise_for_status()


def _joined(parts: Iterator[str]) -> Iterator[bytes]:
    yield b"["
    for part in parts:
        yield part.encode()
    yield b'{"text": "last"}]'


def _write(path: Path) -> None:
    with path.open("w") as file:
        file.write("[")
        size, number = 0, 0
        while size < LARGE_BYTES:
            size += file.write(f'{"," if number else ""}{{"text": "{number} {"y" * 20_000}"}}')
            number += 1
        file.write("]")


def _peak_mb(service: Service) -> float:
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--label-studio", type=Path, help="its program")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--large", action="store_true", help="memory instead of ratios")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(large(folder) if given.large else compare(given.label_studio, given.runs, folder))
    if not given.large:
        print(f"\n{TASKS:,} tasks of some 115 characters; {given.runs} runs in turns.")
    print(machine())


if __name__ == "__main__":
    main()
