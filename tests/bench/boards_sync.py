"""One long log through `mlpi sync` over loopback: MB/s, and what both ends spend.

python -m tests.bench.boards_sync [--mb 200] [--runs 3]
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.bench.measure import machine, median, table
from tests.event_files import NAME, event, header, simple
from tests.service import Service, clean_environment, running_service, until

LOOK_S = 0.02
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


def peak_of(pid: int) -> float:
    """The most memory that a running process has had, in MB."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1000 if found else 0.0


def once(service: Service, folder: Path, number: int) -> list[float]:
    """Seconds, sender's CPU, service's CPU, sender's memory, the service's growth of memory."""
    assert service.process is not None
    pi = psutil.Process(service.process.pid)
    until(lambda: idle(pi))
    cpu, memory = cpu_s(pi), pi.memory_info().rss
    begun = time.monotonic()
    sender = subprocess.Popen(
        [sys.executable, "-m", "mlpi", "sync", str(folder), "--run", f"r{number}", "--once"],
        env=clean_environment(
            {"MLPI_URL": service.url, "MLPI_TOKEN": service.token("ana", "default")}
        ),
        stdout=subprocess.DEVNULL,
    )
    peak_mb, gone = 0.0, 0
    while not gone:
        # Not ru_maxrss: that of a child begins with its parent's.
        peak_mb = peak_of(sender.pid) or peak_mb
        time.sleep(LOOK_S)
        gone, status, spent = os.wait4(sender.pid, os.WNOHANG)
    sender.returncode = os.waitstatus_to_exitcode(status)
    span = time.monotonic() - begun
    assert sender.returncode == 0
    receiver = cpu_s(pi) - cpu
    growth_mb = (pi.memory_info().rss - memory) / 1e6
    return [span, spent.ru_utime + spent.ru_stime, receiver, peak_mb, growth_mb]


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
    span, *others = (median(column) for column in zip(*found, strict=True))
    figures = [span, given.mb / span, *others]
    row = [f"{given.mb:g} MB", *(f"{figure:,.1f}" for figure in figures)]
    print(table(HEADS, [row]))


if __name__ == "__main__":
    main()
