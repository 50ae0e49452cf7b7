"""The demo's part in checks: wine that is good, wine with three mistakes, and who notices.

Everything is made through the API by an ordinary client; the schedule is made last: where it is,
the part is complete.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, inspect, select

from mlpi.checks import store
from mlpi.checks.checkpoints import CHECK_JOB
from mlpi.checks.docs import DOCS_JOB
from mlpi.checks.files import FileStore
from mlpi.checks.models import Checkpoint, Dataset, Suite, Validation
from mlpi.checks.versions import PROFILE_JOB
from mlpi.db import Database, Session
from mlpi.demo import WORKSPACE, State
from mlpi.jobs.models import Job, Schedule
from mlpi.settings import Settings

if TYPE_CHECKING:
    import httpx

MARK = "From scikit-learn's bundled data (mlpi demo)"
SCHEDULE = "Check Wine of every night"
PATIENCE_S = 180
POLL_S = 0.2

WINE = [
    {
        "type": "expect_table_row_count_to_be_between",
        "kwargs": {"min_value": 150, "max_value": 200},
    },
    {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "alcohol"}},
    {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": "alcohol", "min_value": 10, "max_value": 16},
        "notes": "Percent by volume: wine below 10 or above 16 is not from these growers.",
    },
    {
        "type": "expect_column_values_to_be_in_set",
        "kwargs": {"column": "grower", "value_set": ["first", "second", "third"]},
    },
    {
        "type": "expect_column_mean_to_be_between",
        "kwargs": {"column": "hue", "min_value": 0.8, "max_value": 1.1},
        "severity": "warning",
    },
    {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": "proline", "min_value": 0, "strict_min": True, "mostly": 0.99},
        "severity": "warning",
    },
]
CANCER = [
    {"type": "expect_table_column_count_to_equal", "kwargs": {"value": 31}},
    {
        "type": "expect_column_values_to_be_in_set",
        "kwargs": {"column": "diagnosis", "value_set": ["malignant", "benign"]},
    },
    {
        "type": "expect_column_pair_values_a_to_be_greater_than_b",
        "kwargs": {"column_A": "worst radius", "column_B": "mean radius", "or_equal": True},
        "notes": "The worst of several measurements cannot be below their mean.",
    },
]


def state(settings: Settings) -> State:
    """How much of it is there."""
    with _opened(settings) as db:
        if db is None:
            return State.ABSENT
        with db.read() as session:
            if session.scalar(_schedules()):
                return State.COMPLETE
            is_begun = session.scalar(_marked(Dataset)) or session.scalar(_marked(Suite))
            return State.PARTIAL if is_begun else State.ABSENT


def remove(settings: Settings) -> list[str]:
    """Take it away for good, with its files, jobs and logs; what else the workspace holds."""
    with _opened(settings) as db:
        if db is None:
            return []
        with db.write() as session:
            datasets = list(session.scalars(_marked(Dataset)))
            suites = list(session.scalars(_marked(Suite)))
            checkpoints = _ids(
                session,
                select(Checkpoint.id).where(
                    Checkpoint.dataset_id.in_(datasets) | Checkpoint.suite_id.in_(suites)
                ),
            )
            runs = _ids(
                session, select(Validation.id).where(Validation.checkpoint_id.in_(checkpoints))
            )
            jobs = _jobs(session, datasets, checkpoints, runs)
            hashes = {
                version.sha256
                for dataset in datasets
                for version in store.versions(session, dataset, limit=1000)
            }
            session.execute(delete(Schedule).where(Schedule.id.in_(_ids(session, _schedules()))))
            session.execute(delete(Checkpoint).where(Checkpoint.id.in_(checkpoints)))
            session.execute(delete(Dataset).where(Dataset.id.in_(datasets)))
            session.execute(delete(Suite).where(Suite.id.in_(suites)))
            session.execute(delete(Job).where(Job.id.in_(jobs)))
            left = [
                (len(store.datasets(session, WORKSPACE)), "dataset"),
                (len(store.checkpoints(session, WORKSPACE)), "checkpoint"),
                (len(_ids(session, select(Suite.id).where(Suite.workspace == WORKSPACE))), "suite"),
            ]
            unused = [one for one in hashes if not store.is_content_used(session, WORKSPACE, one)]
        files = FileStore(settings.home / "datasets")
        for sha256 in unused:
            files.remove(WORKSPACE, sha256)
        files.drop_if_empty(WORKSPACE)
        for job in jobs:
            (settings.home / "logs" / "jobs" / f"{job}.log").unlink(missing_ok=True)
        for run in runs:
            (settings.home / "checks" / "docs" / f"{run}.html").unlink(missing_ok=True)
    return [f"{count} {name}{'s' if count != 1 else ''}" for count, name in left if count]


def fill(base_url: str, token: str, say: Callable[[str], None]) -> None:
    """Upload, check, and let it notice. Called in a process of its own; takes some seconds."""
    import httpx  # noqa: PLC0415 - 0.1 s, and only the child process needs it
    from sklearn.datasets import load_breast_cancer, load_wine  # noqa: PLC0415

    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{base_url}/api/mlpi", headers=headers, timeout=60) as client:
        say("checks: wine and breast cancer, with their suites")
        wine = load_wine(as_frame=True).frame.rename(columns={"target": "grower"})
        wine["grower"] = wine["grower"].map({0: "first", 1: "second", 2: "third"})
        _upload(client, "Wine", "wine.csv", wine.to_csv(index=False).encode())
        cancer = load_breast_cancer(as_frame=True).frame.rename(columns={"target": "diagnosis"})
        cancer["diagnosis"] = cancer["diagnosis"].map({0: "malignant", 1: "benign"})
        buffer = BytesIO()
        cancer.to_parquet(buffer, index=False)
        _upload(client, "Breast cancer", "breast_cancer.parquet", buffer.getvalue())
        for suite, expectations in (("Wine of three growers", WINE), ("Breast cancer", CANCER)):
            _post(client, "/suites", name=suite, description=MARK, expectations=expectations)
        _post(
            client,
            "/checks",
            name="Wine of every night",
            dataset="Wine",
            suite="Wine of three growers",
        )
        _post(
            client, "/checks", name="Breast cancer", dataset="Breast cancer", suite="Breast cancer"
        )
        for checkpoint in ("Breast cancer", "Wine of every night", "Wine of every night"):
            _run(client, checkpoint)
        say("checks: a version of wine with three mistakes made on purpose")
        wine.loc[16, "alcohol"] = 137.5  # a decimal point in the wrong place
        wine.loc[40, "alcohol"] = None
        wine.loc[7, "grower"] = "frist"
        _upload(client, "Wine", "wine_with_mistakes.csv", wine.to_csv(index=False).encode())
        run = _run(client, "Wine of every night")
        if run["state"] != "failed":
            raise RuntimeError(f"the mistakes were not found: {run}")
        _post(
            client,
            "/schedules",
            name=SCHEDULE,
            kind=CHECK_JOB,
            trigger="cron",
            expression="0 4 * * *",
            params={"checkpoint": "Wine of every night"},
        )


def _upload(client: httpx.Client, name: str, file_name: str, content: bytes) -> None:
    answer = client.put(f"/datasets/{name}/file", params={"filename": file_name}, content=content)
    answer.raise_for_status()
    client.patch(f"/datasets/{name}", json={"description": MARK}).raise_for_status()

    def newest() -> Any:
        return client.get(f"/datasets/{name}").json()["newest"]

    found = _waited(newest, lambda version: version["state"] != "profiling")
    if found["state"] != "ready":
        raise RuntimeError(f"{file_name} could not be read: {found['error']}")


def _run(client: httpx.Client, checkpoint: str) -> Any:
    answer = client.post(f"/checks/{checkpoint}/run")
    answer.raise_for_status()
    job = answer.json()["job_id"]
    return _waited(
        lambda: client.get(f"/checks/runs/by-job/{job}").json(),
        lambda run: run["state"] != "running",
    )


def _post(client: httpx.Client, path: str, **body: Any) -> None:
    client.post(path, json=body).raise_for_status()


def _waited(look: Callable[[], Any], is_over: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not is_over(found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"a job did not end within {PATIENCE_S} s")
        time.sleep(POLL_S)
    return found


@contextmanager
def _opened(settings: Settings) -> Iterator[Database | None]:
    """mlpi's own database; None when it is not there yet, for to look would make one."""
    db = Database(settings.database)
    try:
        is_there = db.path is None or db.path.exists()
        yield db if is_there and inspect(db.engine).has_table("datasets") else None
    finally:
        db.close()


def _marked(table: type[Dataset] | type[Suite]) -> Any:
    return select(table.id).where(table.workspace == WORKSPACE, table.description == MARK)


def _schedules() -> Any:
    return select(Schedule.id).where(Schedule.workspace == WORKSPACE, Schedule.name == SCHEDULE)


def _jobs(
    session: Session, datasets: list[int], checkpoints: list[int], runs: list[int]
) -> list[int]:
    """Jobs of these things, told by their parameters."""
    kinds = (PROFILE_JOB, CHECK_JOB, DOCS_JOB)
    query = select(Job).where(Job.workspace == WORKSPACE, Job.kind.in_(kinds))
    names = {"Wine of every night", "Breast cancer"}
    return [
        job.id
        for job in session.scalars(query)
        if job.params.get("dataset_id") in datasets
        or job.params.get("checkpoint") in {*checkpoints, *names}
        or job.params.get("run") in runs
    ]


def _ids(session: Session, query: Any) -> list[int]:
    return list(session.scalars(query))
