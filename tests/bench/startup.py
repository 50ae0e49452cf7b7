"""Start-up and idle memory of mlpi against stock `mlflow server`, in turns.

    python -m tests.bench.startup [--runs 5]

Both start on a database of their own that has been used before, with warm bytecode. For mlpi,
"first page" is its set-up page; for stock, its index page.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.bench.measure import Footprint, footprint, machine, median, table, written_mb
from tests.service import clean_environment, free_port

SETTLE_S = 3.0  # memory is read this long after readiness
IDLE_S = 20.0  # disk writes and CPU of an idle server are counted over this long


@dataclass(frozen=True)
class Sample:
    first_page_s: float
    ready_s: float
    at_rest: Footprint
    idle_cpu_s: float
    idle_written_mb: float


def mlpi_command(folder: Path, port: int) -> list[str]:
    home = ["--home", str(folder / "mlpi")]
    return [
        sys.executable,
        "-m",
        "mlpi",
        "serve",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        *home,
    ]


def stock_command(folder: Path, port: int, *options: str) -> list[str]:
    place = folder / "stock"
    place.mkdir(exist_ok=True)
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{place / 'mlflow.db'}"),
        *("--artifacts-destination", str(place / "artifacts")),
        *options,
    ]


def sample(command: list[str], port: int, page: str, ready: str, idle_s: float) -> Sample:
    """Start, watch until ready, let it idle, stop."""
    environment = clean_environment({"MLFLOW_DISABLE_TELEMETRY": "true"})
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        base = f"http://127.0.0.1:{port}"
        first_page_s = _answers(base + page, began, process)
        ready_s = _answers(base + ready, began, process)
        time.sleep(SETTLE_S)
        at_rest = footprint(process.pid)
        cpu, written = at_rest.cpu_s, written_mb(process.pid)
        time.sleep(idle_s)
        return Sample(
            first_page_s,
            ready_s,
            at_rest,
            footprint(process.pid).cpu_s - cpu,
            written_mb(process.pid) - written,
        )
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str, began: float, process: subprocess.Popen[bytes]) -> float:
    headers = {"Accept": "text/html"}
    while time.perf_counter() - began < 120:
        assert process.poll() is None, "the server ended"
        try:
            if (
                httpx.get(url, headers=headers, follow_redirects=True, timeout=60).status_code
                == 200
            ):
                return time.perf_counter() - began
        except httpx.TransportError:
            time.sleep(0.01)
    raise TimeoutError(url)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--idle", type=float, default=IDLE_S, help="seconds")
    chosen = options.parse_args()
    samples: dict[str, list[Sample]] = {"mlpi": [], "stock": [], "stock, 1 worker": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for turn in range(chosen.runs + 1):
            for who, kept in samples.items():
                port = free_port()
                if who == "mlpi":
                    command = mlpi_command(folder, port)
                    taken = sample(command, port, "/setup", "/readyz", chosen.idle)
                else:
                    extra = ("--workers", "1") if "1 worker" in who else ()
                    command = stock_command(folder, port, *extra)
                    taken = sample(command, port, "/", "/health", chosen.idle)
                if turn:  # the first makes databases and warms caches
                    kept.append(taken)
    rows = []
    for label, read in (
        ("first page, s", lambda s: s.first_page_s),
        ("MLflow ready, s", lambda s: s.ready_s),
        ("processes", lambda s: float(s.at_rest.processes)),
        ("memory, RSS MB", lambda s: s.at_rest.rss_mb),
        ("memory, PSS MB", lambda s: s.at_rest.pss_mb),
        ("CPU to here, s", lambda s: s.at_rest.cpu_s),
        (f"CPU in {chosen.idle:.0f} s of idling, s", lambda s: s.idle_cpu_s),
        (f"written in {chosen.idle:.0f} s of idling, MB", lambda s: s.idle_written_mb),
    ):
        ours, stock, single = (median(map(read, taken)) for taken in samples.values())
        ratio = f"{stock / ours:.1f}" if ours else "–"
        rows.append([label, f"{ours:.2f}", f"{stock:.2f}", f"{single:.2f}", ratio])
    print(f"{machine()}; median of {chosen.runs} runs each, in turns\n")
    print(table(["", "mlpi", "stock", "stock, 1 worker", "stock / mlpi"], rows))


if __name__ == "__main__":
    main()
