"""Logging to mlpi against stock `mlflow server`, driven by wrk, in turns.

    python -m tests.bench.tracking [--runs 3] [--seconds 8]

Each server starts on an empty SQLite database of its own, with every commit synced to disk by
both, and is asked for three things by `wrk -t2 -c8`: log-metric, log-batch of 100 metrics, and
log-metric once more while one client makes other requests beside it, one after the other.
mlpi is asked with a token; stock needs none. Needs wrk (Debian: apt install wrk).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.bench.measure import footprint, machine, median, table
from tests.bench.startup import mlpi_command, stock_command
from tests.service import clean_environment, free_port, mlpi

API = "/api/2.0/mlflow"
CONNECTIONS = 8
WARM_UP_S = 2
BESIDE_EVERY_S = 0.02
OURS = "mlpi"
PEERS = {"stock": (), "stock, 1 worker": ("--workers", "1")}

# wrk runs one Lua state per thread; steps must never repeat, or the points would not be new.
LUA = """
local threads = 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end
function init() step = START + number * 100000000 end
local headers = {["Content-Type"] = "application/json", ["Authorization"] = "TOKEN"}
if headers["Authorization"] == "" then headers["Authorization"] = nil end
local function point(key)
  step = step + 1
  return '"key": "' .. key .. '", "value": ' .. step / 7 .. ', "timestamp": 1700000000000, "step": '
    .. string.format("%d", step)
end
local function metric()
  return '{"run_uuid": "RUN", "run_id": "RUN", ' .. point("loss") .. '}'
end
local function batch()
  local rows = {}
  for i = 1, 100 do rows[i] = '{' .. point("key " .. i % 10) .. '}' end
  return '{"run_id": "RUN", "metrics": [' .. table.concat(rows, ", ") .. ']}'
end
function request() return wrk.format("POST", "PATH", headers, BODY()) end
function done(summary, latency)
  local e = summary.errors
  print(string.format("FOUND %d %d %d %d %d %d", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency.max,
    e.status + e.connect + e.read + e.write + e.timeout))
end
"""


@dataclass
class Server:
    """One that runs, with a run to log to."""

    url: str
    pid: int
    token: str = ""
    run_id: str = ""
    experiment_id: str = ""
    _phases: int = field(default=0)

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=120)

    def prepare(self) -> None:
        with self.client() as http:
            made = http.post(f"{API}/experiments/create", json={"name": "bench"}).json()
            self.experiment_id = made["experiment_id"]
            wish = {"experiment_id": self.experiment_id, "start_time": 1}
            self.run_id = http.post(f"{API}/runs/create", json=wish).json()["run"]["info"]["run_id"]

    def lua(self, action: str, body: str) -> str:
        self._phases += 1
        words = {
            "START": str(self._phases * 1_000_000_000),
            "TOKEN": f"Bearer {self.token}" if self.token else "",
            "RUN": self.run_id,
            "PATH": f"{API}/runs/{action}",
            "BODY": body,
        }
        return re.sub(r"\b(START|TOKEN|RUN|PATH|BODY)\b", lambda m: words[m[0]], LUA)


@dataclass(frozen=True)
class Load:
    """What wrk saw, and the server's CPU. Times in ms, CPU in ms a call."""

    rate: float
    p50: float
    p99: float
    worst: float
    cpu: float


@dataclass(frozen=True)
class Beside:
    """Requests made one after the other beside a load. In ms."""

    p50: float
    p95: float
    worst: float


def drive(server: Server, action: str, body: str, seconds: float) -> Load:
    """wrk against one route. Every answer must have been a success."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(server.lua(action, body))
        script.flush()
        before = footprint(server.pid).cpu_s
        done = subprocess.run(
            [
                *("wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "--timeout", "60s"),
                *("-s", script.name, server.url),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        cpu_s = footprint(server.pid).cpu_s - before
    found = re.search(r"FOUND (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", done.stdout)
    assert found, done.stdout
    requests, duration_us, p50, p99, worst, errors = (int(one) for one in found.groups())
    assert errors == 0, done.stdout
    return Load(
        requests / duration_us * 1e6, p50 / 1e3, p99 / 1e3, worst / 1e3, cpu_s / requests * 1e3
    )


def drive_beside(server: Server, seconds: float) -> tuple[Load, Beside]:
    """The same load, and one client that reads a run and writes a tag of an experiment by turns."""
    over = threading.Event()
    taken: list[float] = []

    def ask() -> None:
        with server.client() as http:
            while not over.is_set():
                began = time.perf_counter()
                if len(taken) % 2:
                    answer = http.get(f"{API}/runs/get", params={"run_id": server.run_id})
                else:
                    wish = {"experiment_id": server.experiment_id, "key": "n", "value": "1"}
                    answer = http.post(f"{API}/experiments/set-experiment-tag", json=wish)
                assert answer.status_code == 200, answer.text
                taken.append((time.perf_counter() - began) * 1e3)
                over.wait(BESIDE_EVERY_S)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        load = drive(server, "log-metric", "metric", seconds)
    finally:
        over.set()
        thread.join()
    ordered = sorted(taken)
    return load, Beside(median(ordered), ordered[int(len(ordered) * 0.95)], ordered[-1])


@contextmanager
def running(name: str, folder: Path) -> Iterator[Server]:
    """A fresh server, ready, with a run in it."""
    port = free_port()
    folder.mkdir()
    if name == OURS:
        command, ready = mlpi_command(folder, port), "/readyz"
    else:
        command, ready = stock_command(folder, port, *PEERS[name]), "/health"
    process = subprocess.Popen(
        command,
        env=clean_environment({"MLFLOW_DISABLE_TELEMETRY": "true"}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        server = Server(f"http://127.0.0.1:{port}", process.pid)
        _wait(server.url + ready, process)
        if name == OURS:
            home = folder / "mlpi"
            mlpi("user", "add", "bench", "--password-stdin", home=home, stdin="a long password\n")
            made = mlpi("token", "add", "bench", "--workspace", "default", home=home)
            server.token = made.stdout.strip()
        server.prepare()
        yield server
    finally:
        process.terminate()
        process.wait(60)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            if httpx.get(url, timeout=60).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError(url)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--seconds", type=float, default=8, help="of each load")
    chosen = options.parse_args()
    names = [OURS, *PEERS]
    metrics: dict[str, list[Load]] = {name: [] for name in names}
    batches: dict[str, list[Load]] = {name: [] for name in names}
    besides: dict[str, list[Beside]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as place:
        for number in range(chosen.runs):
            for name in names:
                with running(name, Path(place) / f"{number}-{name}") as server:
                    drive(server, "log-metric", "metric", WARM_UP_S)
                    metrics[name].append(drive(server, "log-metric", "metric", chosen.seconds))
                    batches[name].append(drive(server, "log-batch", "batch", chosen.seconds))
                    besides[name].append(drive_beside(server, chosen.seconds)[1])
                print(f"# {number} {name}: {metrics[name][-1]}\n#   {batches[name][-1]}")
                print(f"#   {besides[name][-1]}", flush=True)
    print(f"\n{machine()}; median of {chosen.runs} runs of {chosen.seconds:.0f} s, in turns\n")
    print(_loads("log-metric", metrics))
    print(_loads("log-batch of 100", batches))
    rows = [
        [
            name,
            *(f"{median(getattr(one, of) for one in found):.1f}" for of in ("p50", "p95")),
            f"{max(one.worst for one in found):.1f}",
        ]
        for name, found in besides.items()
    ]
    print("Other requests beside log-metric:\n")
    print(table(["", "p50, ms", "p95, ms", "worst, ms"], rows))


def _loads(title: str, found: dict[str, list[Load]]) -> str:
    """Medians; the ratios are of each one's best run, the one that was disturbed least."""

    def of(name: str, what: str) -> list[float]:
        return [getattr(one, what) for one in found[name]]

    rows = [
        [
            name,
            f"{median(of(name, 'rate')):.0f}",
            f"{max(of(name, 'rate')):.0f}",
            *(f"{median(of(name, what)):.1f}" for what in ("p50", "p99")),
            f"{max(of(name, 'worst')):.0f}",
            f"{median(of(name, 'cpu')):.3f}",
            f"{min(of(name, 'cpu')):.3f}",
            f"{max(of(OURS, 'rate')) / max(of(name, 'rate')):.1f}",
            f"{min(of(name, 'cpu')) / min(of(OURS, 'cpu')):.1f}",
        ]
        for name in found
    ]
    headings = [
        *("calls a second", "best run", "p50, ms", "p99, ms", "worst, ms"),
        *("CPU, ms a call", "best run", "mlpi's rate / this", "this CPU / mlpi's"),
    ]
    return table([title, *headings], rows) + "\n"


if __name__ == "__main__":
    main()
