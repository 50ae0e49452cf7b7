"""A short form of chromadb's own tests, on `chroma run` and on mlpi at the same time.

The long form is `python -m tests.conformance.chroma`.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conformance.chroma import upstream
from tests.conformance.mlflow import verdicts

# The synchronous and the asynchronous client, each test with both.
TESTS = (
    "test/test_api.py",
    "test/api/test_collection.py",
    "test/api/test_count_api.py",
    "test/api/test_invalid_update.py",
    "test/api/test_limit_offset.py",
    "test/api/test_numpy_list_inputs.py",
    "test/client/test_database_tenant.py",
    "test/property/test_add.py::test_add_miniscule",
    "test/property/test_collections.py",
    "test/property/test_filtering.py",
)
WORDS = "not test_add_large"  # ten seconds each
EXAMPLES = 3  # of each property
FEWEST = 200  # tests that pass on both, or the comparison compares nothing


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_passes_on_chroma_run_passes_here(tmp_path: Path) -> None:
    files = {peer: tmp_path / f"{peer}.jsonl" for peer in ("stock", "mlpi")}
    with ExitStack() as runs:
        for run in [
            runs.enter_context(
                upstream.running(peer, TESTS, outcomes, examples=EXAMPLES, words=WORDS)
            )
            for peer, outcomes in files.items()
        ]:
            run.wait()
    for outcomes in files.values():
        assert outcomes.exists(), outcomes.with_suffix(".log").read_text()[-4000:]
    stock, ours = (verdicts.read(files[peer]) for peer in ("stock", "mlpi"))
    known = verdicts.known_differences(upstream.DIFFERENCES)
    verdict = verdicts.compared(stock, ours, known)
    assert verdict.is_good, verdicts.summary(verdict, stock.values())
    assert verdict.both >= FEWEST, verdicts.summary(verdict, stock.values())
