"""Run the tests in chromadb's wheel against `mlpi serve` and `chroma run`, and compare them.

    python -m tests.conformance.chroma

See tests/conformance/README.md.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

from tests.conformance.chroma import upstream
from tests.conformance.mlflow import verdicts

# Left out: what needs a cluster, a download, a shell, or another version of chromadb.
TESTS = (
    "test/test_api.py",
    "test/test_multithreaded.py",
    "test/api",
    "test/client",
    "test/configurations",
    "test/data_loader",
    "test/ef/test_multimodal_ef.py",
    "test/property/test_add.py",
    "test/property/test_collections.py",
    "test/property/test_collections_with_database_tenant.py",
    "test/property/test_embeddings.py",
    "test/property/test_filtering.py",
    "test/property/test_fork.py",
    "test/property/test_schema.py",
    "test/stress",
)


def main() -> int:
    """0 when every difference is listed and every listed one is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.chroma")
    parser.add_argument("tests", nargs="*", help="Files of the wheel, as in test/test_api.py.")
    parser.add_argument("--peer", choices=("mlpi", "stock", "both"), default="both")
    parser.add_argument("--results", type=Path, help="Where outcomes are kept; they are reused.")
    parser.add_argument("--examples", type=int, default=0, help="Of a property; upstream's: 0.")
    parser.add_argument("-n", type=int, default=0, help="Test processes of each peer.")
    parser.add_argument("-k", default="", help="Only these tests, as pytest's -k.")
    options = parser.parse_args()
    results = options.results or Path(tempfile.mkdtemp(prefix="conformance-results-"))
    results.mkdir(parents=True, exist_ok=True)
    files = {peer: results / f"{peer}.jsonl" for peer in ("stock", "mlpi")}
    asked = files if options.peer == "both" else {options.peer: files[options.peer]}
    print(f"outcomes and logs: {results}", flush=True)  # noqa: T201
    with contextlib.ExitStack() as runs:
        for run in [
            runs.enter_context(
                upstream.running(
                    peer,
                    options.tests or TESTS,
                    outcomes,
                    examples=options.examples,
                    processes=options.n,
                    words=options.k,
                )
            )
            for peer, outcomes in asked.items()
        ]:
            run.wait()
    if missing := [str(file) for file in files.values() if not file.exists()]:
        print(f"No outcome in {', '.join(missing)}")  # noqa: T201
        return 1
    stock, ours = (verdicts.read(files[peer]) for peer in ("stock", "mlpi"))
    verdict = verdicts.compared(stock, ours, verdicts.known_differences(upstream.DIFFERENCES))
    print(verdicts.summary(verdict, stock.values()))  # noqa: T201
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
