"""Import of 100,000 tasks and of a file of 300 MB: how long, and how much memory.

    python -m tests.bench.labels_large

Memory is the most that the service's process had (VmHWM), before and after.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from tests.bench.measure import machine, table
from tests.service import Service, running_service

MANY = 100_000
LARGE_BYTES = 320 << 20
CONFIG = """<View><Text name="t" value="$text"/><Choices name="c" toName="t">
<Choice value="good"/><Choice value="bad"/></Choices></View>"""


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
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(large(Path(folder)))
    print(machine())


if __name__ == "__main__":
    main()
