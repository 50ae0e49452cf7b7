"""Reading scalar logs: mlpi's reader beside TensorBoard's Python loader and, if any, its Rust one.

    python -m tests.bench.boards_reader                          # 20 runs × 5 tags × 20,000 steps
    python -m tests.bench.boards_reader --runs 4 --steps 5000 --times 3

Each reads the same logs to the last point in a process of its own, in turns, and keeps every point.
CPU is of that process until all is read, imports apart; memory is what reading added to it at its
peak. The Rust loader has no imports and is counted whole. Every loader must end with as many points
as were written.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from mlpi.boards.reader.crc import masked
from tests.bench.measure import machine, median, table

TAGS = ("loss/train", "loss/val", "accuracy", "lr", "grad_norm")


def fill(folder: Path, runs: int, steps: int) -> int:
    """Logs as training loops write them; how many bytes. One loop is built and copied: CRCs in
    Python would take longer than all reading."""
    dice = random.Random(1)
    parts = [_record(b"\x09" + struct.pack("<d", 1.79e9) + b"\x1a\x0dbrain.Event:2")]
    for step in range(steps):
        wall = struct.pack("<d", 1.79e9 + step / 4)
        for tag in TAGS:
            value = b"\x0a" + bytes([len(tag)]) + tag.encode() + b"\x15"
            value += struct.pack("<f", dice.random())
            summary = b"\x0a" + bytes([len(value)]) + value
            at = b"\x10" + _varint(step) if step else b""
            parts.append(_record(b"\x09" + wall + at + b"\x2a" + bytes([len(summary)]) + summary))
    data = b"".join(parts)
    for run in range(runs):
        path = folder / f"run-{run:03}"
        path.mkdir()
        (path / f"events.out.tfevents.1790000000.pi.{run}.0").write_bytes(data)
    return runs * len(data)


def _record(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    sums = (struct.pack("<I", masked(part)) for part in (length, payload))
    return length + next(sums) + payload + next(sums)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def peak_mb(pid: int | str = "self") -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1e3 if found else 0.0


def read_ours(folder: Path, *, check_crc: bool = False) -> Callable[[], int]:
    import numpy  # noqa: F401 - imports are not reading

    from mlpi.boards.reader.run import RunReader

    readers = [RunReader(path, check_crc=check_crc) for path in sorted(folder.iterdir())]

    def read() -> int:
        for reader in readers:
            reader.refresh()
        return sum(len(series) for reader in readers for series in reader.held.series.values())

    return read


def read_checked(folder: Path) -> Callable[[], int]:
    return read_ours(folder, check_crc=True)


def read_python(folder: Path) -> Callable[[], int]:
    """As TensorBoard's own backend without the Rust loader: its multiplexer, keeping all."""
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

    multiplexer = EventMultiplexer(tensor_size_guidance={"scalars": 0})

    def read() -> int:
        multiplexer.AddRunsFromDirectory(str(folder))
        multiplexer.Reload()
        return sum(
            len(multiplexer.Tensors(run, tag))
            for run, found in multiplexer.Runs().items()
            for tag in found["tensors"]
        )

    return read


LOADERS: dict[str, Callable[[Path], Callable[[], int]]] = {
    "mlpi": read_ours,
    "mlpi, every CRC": read_checked,
    "TensorBoard, Python": read_python,
}
RUST = "TensorBoard, Rust"


def measured(loader: str, folder: Path) -> tuple[float, float, int]:
    """CPU s, MB added, points: of a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.boards_reader"]
    done = subprocess.run(
        [*command, "--one", loader, "--folder", str(folder)], check=True, capture_output=True
    )
    cpu_s, mb, points = json.loads(done.stdout.splitlines()[-1])
    return cpu_s, mb, points


def one(loader: str, folder: Path) -> tuple[float, float, int]:
    read = LOADERS[loader](folder)
    before_mb, before_s = peak_mb(), time.process_time()
    points = read()
    return time.process_time() - before_s, peak_mb() - before_mb, points


def rust(folder: Path, binary: str, expected: int) -> tuple[float, float, int]:
    """It serves what it has read so far over gRPC, so it is asked until it has all."""
    import grpc
    from tensorboard import context
    from tensorboard.data import grpc_provider
    from tensorboard.data.proto import data_provider_pb2_grpc as wire

    port_file = folder.parent / "port"
    port_file.unlink(missing_ok=True)
    process = subprocess.Popen(
        [
            binary,
            f"--logdir={folder}",
            "--host=127.0.0.1",
            "--port=0",
            f"--port-file={port_file}",
            "--reload=once",
            "--samples-per-plugin=scalars=all",
            "--die-after-stdin",
        ],
        stdin=subprocess.PIPE,
    )
    try:
        while not (port_file.exists() and port_file.read_text().endswith("\n")):
            if process.poll() is not None:
                raise RuntimeError(f"the Rust loader ended with {process.returncode}")
            time.sleep(0.02)
        usage = psutil.Process(process.pid)
        idle_s, cpu_s = -1.0, 0.0
        while idle_s != cpu_s:  # asking costs CPU too, so only once it has come to rest
            idle_s = cpu_s
            time.sleep(0.5)
            times = usage.cpu_times()
            cpu_s = times.user + times.system
        mb = peak_mb(process.pid)
        address = f"127.0.0.1:{port_file.read_text().strip()}"
        with grpc.insecure_channel(
            address, options=[("grpc.max_receive_message_length", -1)]
        ) as channel:
            provider = grpc_provider.GrpcDataProvider(
                address, wire.TensorBoardDataProviderStub(channel)
            )
            found = provider.read_scalars(
                context.RequestContext(),
                experiment_id="",
                plugin_name="scalars",
                downsample=expected,
            )
        return cpu_s, mb, sum(len(p) for tags in found.values() for p in tags.values())
    finally:
        process.kill()
        process.communicate()


def rust_binary() -> str | None:
    """None where the wheel has none, as on aarch64."""
    try:
        import tensorboard_data_server
    except ImportError:
        return None
    return tensorboard_data_server.server_binary()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--one", choices=LOADERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(one(asked.one, asked.folder)))
        return
    expected = asked.runs * asked.steps * len(TAGS)
    binary = rust_binary()
    names = [*LOADERS, *([RUST] if binary else [])]
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "logs"
        folder.mkdir()
        size_bytes = fill(folder, asked.runs, asked.steps)
        for _ in range(asked.times):
            for name in names:
                if name == RUST and binary:
                    cpu_s, mb, points = rust(folder, binary, expected)
                else:
                    cpu_s, mb, points = measured(name, folder)
                if points != expected:
                    raise SystemExit(f"{name} read {points:,} points of {expected:,}")
                taken[name].append((cpu_s, mb))
    print(f"{machine()}; load {os.getloadavg()[0]:.1f}; median of {asked.times}")
    print(
        f"{asked.runs} runs × {len(TAGS)} tags × {asked.steps:,} steps = {expected:,} points, "
        f"{size_bytes / 1e6:.0f} MB"
    )
    base = median(cpu for cpu, _ in taken["mlpi"])
    rows = [
        [
            name,
            f"{median(cpu for cpu, _ in found):.2f}",
            f"{median(mb for _, mb in found):.0f}",
            f"{median(cpu for cpu, _ in found) / base:.1f}",
        ]
        for name, found in taken.items()
    ]
    print(table(["", "CPU s", "memory added, MB", "CPU / mlpi"], rows))


if __name__ == "__main__":
    main()
