"""Run MLflow's own tests against `mlpi serve` and stock MLflow, and compare test by test.

    python -m tests.conformance.mlflow --upstream <checkout of mlflow>

The checkout needs MLflow's `tests/` folder only; the MLflow that is tested is the installed one.
See tests/conformance/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conformance.mlflow import verdicts
from tests.service import clean_environment, running_service

HERE = Path(__file__).parent
REPO = HERE.parents[2]
DIFFERENCES = HERE / "differences.txt"
TEST_TIMEOUT_S = 300

# Tests that reach a server over a socket by themselves.
SERVED = (
    "tests/tracking/test_rest_tracking.py",
    "tests/tracking/test_model_registry.py",
    "tests/tracking/test_mlflow_artifacts.py",
    "tests/tracing/test_otel_loading.py",
    "tests/tracing/test_otel_logging.py",
    "tests/demo/test_api_routes.py",
    "tests/genai/evaluate/test_evaluation.py",
    "tests/tracking/test_client_webhooks.py",
    "tests/store/model_registry/test_rest_store_webhooks.py",
    "tests/webhooks/test_e2e.py",
    "tests/server/jobs/test_endpoint.py",
)
# Tests of clients, written for a SQLite file as their tracking URI: here it is a server.
CLIENTS = (
    "tests/tracking/test_tracking.py",
    "tests/tracking/fluent",
    "tests/tracking/test_log_figure.py",
    "tests/tracking/test_log_image.py",
    "tests/integration/async_logging",
    "tests/data/test_dataset_registry.py",
    "tests/genai/datasets",
    "tests/tracing/test_fluent.py",
    "tests/tracing/test_assessment.py",
    "tests/tracing/test_attachments_integration.py",
)


def main() -> int:
    """0 when every difference is listed and every listed one is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.mlflow")
    parser.add_argument("--upstream", type=Path, required=True, help="A checkout of mlflow/mlflow.")
    parser.add_argument("--peer", choices=("mlpi", "stock", "both"), default="both")
    parser.add_argument("--suite", choices=("served", "clients", "all"), default="all")
    parser.add_argument(
        "--results", type=Path, help="Where outcomes are kept; what is there is not run again."
    )
    parser.add_argument("--only", help="Only paths with this in their name.", default="")
    parser.add_argument("-n", type=int, default=2, help="Test processes.")
    parser.add_argument("-k", help="Only these tests, as pytest's -k.")
    options = parser.parse_args()
    if not (options.upstream / "tests" / "tracking" / "test_rest_tracking.py").is_file():
        parser.error(f"{options.upstream} is no checkout of MLflow: it has no tests/tracking")
    results = options.results or Path(tempfile.mkdtemp(prefix="conformance-results-"))
    results.mkdir(parents=True, exist_ok=True)
    suites = ("served", "clients") if options.suite == "all" else (options.suite,)
    peers = ("stock", "mlpi") if options.peer == "both" else (options.peer,)
    with tempfile.TemporaryDirectory(prefix="conformance-template-") as folder:
        token = made_template(Path(folder)) if "mlpi" in peers else ""
        for suite in suites:
            for peer in peers:
                run(suite, peer, Path(folder) / "home", token, results, options)
    return judge(suites, results)


def chosen(suite: str, options: argparse.Namespace) -> list[str]:
    """The paths of a suite that this checkout has and the options ask for."""
    paths = SERVED if suite == "served" else CLIENTS
    return [p for p in paths if options.only in p and (options.upstream / p).exists()]


def outcomes_file(results: Path, suite: str, peer: str, path: str) -> Path:
    slug = path.removeprefix("tests/").removesuffix(".py").replace("/", "-")
    return results / f"{suite}-{peer}-{slug}.jsonl"


def made_template(folder: Path) -> str:
    """A home with an admin and MLflow's database made; the admin's token for `default`."""
    with running_service(folder) as service:
        service.wait_ready()
        service.add_user("conformance", "--admin")
        return service.token("conformance", "default")


def run(
    suite: str, peer: str, template: Path, token: str, results: Path, options: argparse.Namespace
) -> None:
    """What is left of a suite against one peer; each path's outcomes get a file at the end."""
    paths = [
        p for p in chosen(suite, options) if not outcomes_file(results, suite, peer, p).exists()
    ]
    if not paths:
        return
    unfinished = results / f"{suite}-{peer}.unfinished"
    unfinished.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", "."),
        *("-p", "no:cacheprovider", "-p", "peer_plugin", "-o", "asyncio_mode=strict"),
        *("--timeout", str(TEST_TIMEOUT_S), "-n", str(options.n), "--tb", "short"),
        *(["-k", options.k] if options.k else []),
        *paths,
    ]
    environment = clean_environment(
        {
            # Some tests call the command `mlflow`.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(HERE),
            "CONFORMANCE_PEER": peer,
            "CONFORMANCE_REPO": str(REPO),
            "CONFORMANCE_TEMPLATE": str(template),
            "CONFORMANCE_TOKEN": token,
            "CONFORMANCE_RESULTS": str(unfinished.absolute()),
            "CONFORMANCE_OVER_HTTP": "1" if suite == "clients" else "",
        }
    )
    log = unfinished.with_suffix(".log")
    print(f"{suite} against {peer}, {len(paths)} paths: {log}", flush=True)  # noqa: T201
    with log.open("w") as output:
        ended = subprocess.run(
            command,
            cwd=options.upstream,
            env=environment,
            stdout=output,
            stderr=output,
            check=False,
        )
    if ended.returncode not in (0, 1) or not unfinished.exists():
        sys.exit(f"pytest did not come to its end; see {log}")
    lines = unfinished.read_text().splitlines(keepends=True)
    for path in paths:
        own = [line for line in lines if json.loads(line)["id"].startswith(path)]
        if own:
            outcomes_file(results, suite, peer, path).write_text("".join(own))
    unfinished.unlink()


def judge(suites: tuple[str, ...], results: Path) -> int:
    known = verdicts.known_differences(DIFFERENCES)
    is_good = True
    for suite in suites:
        stock, ours = (
            verdicts.read(*sorted(results.glob(f"{suite}-{peer}-*.jsonl")))
            for peer in ("stock", "mlpi")
        )
        if not stock or not ours:
            print(f"{suite}: run the other peer too, with the same --results")  # noqa: T201
            continue
        verdict = verdicts.compared(stock, ours, known)
        print(f"== {suite}\n{verdicts.summary(verdict, stock.values())}")  # noqa: T201
        is_good = is_good and verdict.is_good
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
