"""One long log through `mlpi sync` over loopback: MB/s, and what both ends spend.

python -m tests.bench.boards_sync [--mb 200] [--runs 3]
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.bench.measure import machine, median, table
from tests.event_files import NAME, event, header, simple
from tests.service import Service, clean_environment, running_service, until

HEADS = ["", "s", "MB/s", "sender CPU s", "service CPU s", "sender RSS MB", "service + MB"]


def write_log(path: Path, size_mb: float) -> None:
    """Scalars of five tags, as a training writes them."""
    path.parent.mkdir(parents=True)
    dice = random.Random(3)
    lap = b"".join(event(step, simple(f"tag/{step % 5}", dice.random())) for step in range(100_000))
    with path.open("wb") as file:
        file.write(header())
        while file.tell() < size_mb * 1e6:
            file.write(lap)
        file.truncate(int(size_mb * 1e6))


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def idle(process: psutil.Process) -> bool:
    """Whether it spends nothing: what came is read by then."""
    before = cpu_s(process)
    time.sleep(0.5)
    return cpu_s(process) - before < 0.02


def once(service: Service, folder: Path, number: int) -> list[float]:
    """Seconds, sender's CPU, service's CPU, sender's memory, the service's growth of memory."""
    assert service.process is not None
    pi = psutil.Process(service.process.pid)
    until(lambda: idle(pi))
    cpu, memory = cpu_s(pi), pi.memory_info().rss
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "mlpi", "sync", str(folder), "--run", f"r{number}", "--once"],
        env=clean_environment(
            {"MLPI_URL": service.url, "MLPI_TOKEN": service.token("ana", "default")}
        ),
        check=True,
        capture_output=True,
    )
    span = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    sender = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    receiver = cpu_s(pi) - cpu
    return [span, sender, receiver, after.ru_maxrss / 1000, (pi.memory_info().rss - memory) / 1e6]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=float, default=200)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "logs"
        write_log(folder / NAME, given.mb)
        with running_service(Path(name)) as service:
            service.add_user("ana", "--admin")
            service.token("ana", "default")
            service.wait_ready()
            found = [once(service, folder, number) for number in range(given.runs)]
    print(machine())
    span, sender, receiver, peak, growth = (median(column) for column in zip(*found, strict=True))
    figures = [span, given.mb / span, sender, receiver, peak, growth]
    row = [f"{given.mb:g} MB", *(f"{figure:,.1f}" for figure in figures)]
    print(table(HEADS, [row]))


if __name__ == "__main__":
    main()
