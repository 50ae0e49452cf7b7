"""Runs the tests in chromadb's wheel against one peer, in a process of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.service import clean_environment

HERE = Path(__file__).parent
REPO = HERE.parents[2]
DIFFERENCES = HERE / "differences.txt"
TEST_TIMEOUT_S = 900


def package() -> Path:
    """The installed chromadb, whose folder `test` are its tests."""
    spec = importlib.util.find_spec("chromadb")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@contextlib.contextmanager
def running(
    peer: str,
    tests: Sequence[str],
    outcomes: Path,
    *,
    examples: int = 0,
    processes: int = 0,
    words: str = "",
) -> Iterator[subprocess.Popen[bytes]]:
    """A pytest over tests of the wheel, named from its folder; outcomes become lines of JSON.

    examples: of each property, where upstream's own count is too long to wait for.
    What pytest prints goes to a file beside the outcomes. It is interrupted at the end.
    """
    outcomes.unlink(missing_ok=True)
    work = outcomes.parent / f"{outcomes.stem}-work"  # hypothesis leaves files where it runs
    work.mkdir(exist_ok=True)
    root = package()
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", root),
        *("-p", "no:cacheprovider", "-p", "tests.conformance.chroma.peer_plugin"),
        *("--import-mode", "importlib", "--hypothesis-seed", "20"),
        *("--timeout", str(TEST_TIMEOUT_S), "--tb", "short"),
        *(("-n", str(processes)) if processes else ("-p", "no:xdist")),
        *(("-k", words) if words else ()),
        *(root / test for test in tests),
    ]
    environment = clean_environment(
        {
            "PYTHONPATH": str(REPO),
            "CHROMA_INTEGRATION_TEST_ONLY": "1",
            "CHROMA_HYPOTHESIS_CI_REPRODUCE_ONLY": "1",  # a failure is not made smaller: hours
            "ANONYMIZED_TELEMETRY": "False",
            "CONFORMANCE_PEER": peer,
            "CONFORMANCE_RESULTS": str(outcomes.absolute()),
            "CONFORMANCE_EXAMPLES": str(examples),
        }
    )
    # It is nobody's worker, also when a worker starts it.
    environment = {name: one for name, one in environment.items() if not name.startswith("PYTEST_")}
    with outcomes.with_suffix(".log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)  # so that it stops its server
            process.wait()
