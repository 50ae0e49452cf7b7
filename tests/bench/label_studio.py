"""mlpi and Label Studio side by side, each with what it took for the same work."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx
import psutil

from tests.bench.measure import median
from tests.service import free_port, running_service, until

TOKEN = "4b1c" * 10
START_S = 900
PATIENCE_S = 900
T = TypeVar("T")


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

    def make_project(self, config: str) -> int:
        """A fresh project's number, kept as its own."""
        fields = {"title": "Benchmark", "label_config": config}
        made = self.client.post("/api/projects/", json=fields).raise_for_status()
        self.project = int(made.json()["id"])
        return self.project

    def timed(self, work: Callable[[], T], *, is_measured: bool = True, times: int = 1) -> T:
        """Do the work and note the wall and CPU seconds of one of its `times` requests."""
        begun, cpu = time.perf_counter(), self._cpu_s()
        done = work()
        if is_measured:
            self.wall_s.append((time.perf_counter() - begun) / times)
            self.cpu_s.append((self._cpu_s() - cpu) / times)
        return done

    def _cpu_s(self) -> float:
        root = psutil.Process(self.pid)
        times = [one.cpu_times() for one in (root, *root.children(recursive=True))]
        return float(sum(one.user + one.system for one in times))

    def ratios(self, other: Server) -> list[str]:
        """How many times this one's wall and CPU seconds are the other's."""
        return [
            f"{median(self.wall_s) / median(other.wall_s):.1f}x",
            f"{median(self.cpu_s) / max(1e-4, median(other.cpu_s)):.1f}x",
        ]


@contextmanager
def servers(program: Path | None, folder: Path) -> Iterator[list[Server]]:
    """mlpi, and Label Studio after it where its program is given."""
    with running_service(folder) as service:
        service.add_user("ana", "--admin")
        token = service.token("ana", "default")
        service.wait_ready()
        assert service.process is not None
        with service.client(token) as client:
            client.timeout = httpx.Timeout(PATIENCE_S)
            mine = Server("mlpi", client, service.process.pid)
            if program is None:
                yield [mine]
                return
            theirs = folder / "label-studio"
            theirs.mkdir()
            with _label_studio(program, theirs) as other:
                yield [mine, other]


@contextmanager
def _label_studio(program: Path, folder: Path) -> Iterator[Server]:
    """A fresh one with a token."""
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
    base = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=base, headers=headers, timeout=PATIENCE_S) as client:
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
