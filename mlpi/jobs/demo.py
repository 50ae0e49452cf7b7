"""The demo's part in jobs: a history of real jobs, one of each end, and a schedule.

The schedule is made last: where it is, the part is complete. What it has made since goes with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import delete, func, inspect, or_, select

from mlpi.db import Database, Session
from mlpi.demo import WORKSPACE, State
from mlpi.jobs.models import Job, Schedule
from mlpi.settings import Settings

MARK = "mlpi.demo:"
SCHEDULE = "Workers, tested every night"
PATIENCE_S = 120
POLL_S = 0.1

# Its own word, title, steps (a tenth of a second each), and what else is asked for.
JOBS: tuple[tuple[str, str, int, dict[str, object]], ...] = (
    ("short", "Self-test, half a second", 5, {}),
    ("longer", "Self-test, one second", 10, {"priority": 5}),
    ("two", "Self-test on two CPUs", 8, {"cpus": 2}),
    ("limit", "Self-test past its time limit", 60, {"timeout_s": 0.5}),
    ("cancelled", "Self-test that somebody cancels", 600, {"priority": -10}),
)


def state(settings: Settings) -> State:
    """How much of it is there."""
    with _opened(settings) as db:
        if db is None:
            return State.ABSENT
        with db.read() as session:
            if _schedule_ids(session):
                return State.COMPLETE
            return State.PARTIAL if _job_ids(session) else State.ABSENT


def remove(settings: Settings) -> list[str]:
    """Take it away for good, with its logs; what else the workspace holds, such as "2 jobs"."""
    with _opened(settings) as db:
        if db is None:
            return []
        with db.write() as session:
            schedules, jobs = _schedule_ids(session), _job_ids(session)
            session.execute(delete(Job).where(Job.id.in_(jobs)))
            session.execute(delete(Schedule).where(Schedule.id.in_(schedules)))
            query = select(func.count()).select_from(Job).where(Job.workspace == WORKSPACE)
            left = [_counted(session.scalar(query) or 0, "job")]
            query = select(func.count()).select_from(Schedule)
            query = query.where(Schedule.workspace == WORKSPACE)
            left.append(_counted(session.scalar(query) or 0, "schedule"))
        for job in jobs:
            (settings.home / "logs" / "jobs" / f"{job}.log").unlink(missing_ok=True)
    return [words for words in left if words]


def fill(base_url: str, token: str, say: Callable[[str], None]) -> None:
    """Queue the jobs through the API and wait for their ends. Takes a few seconds."""
    import httpx  # noqa: PLC0415 - 0.1 s, and only the child process needs it

    del say  # over before there is anything to tell
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{base_url}/api/mlpi", headers=headers, timeout=60) as client:

        def post(path: str, **body: object) -> int:
            answer = client.post(path, json=body)
            answer.raise_for_status()
            return int(answer.json()["id"])

        made = [
            post(
                "/jobs",
                kind="selftest",
                title=title,
                params={"steps": steps},
                idempotency_key=MARK + word,
                **more,
            )
            for word, title, steps, more in JOBS
        ]
        post(f"/jobs/{made[-1]}/cancel")
        deadline = time.monotonic() + PATIENCE_S
        while not all(client.get(f"/jobs/{job}").json()["finished_at"] for job in made):
            if time.monotonic() > deadline:
                raise TimeoutError(f"its jobs did not end within {PATIENCE_S} s")
            time.sleep(POLL_S)
        post(
            "/schedules",
            name=SCHEDULE,
            kind="selftest",
            trigger="cron",
            expression="30 3 * * *",
            params={"steps": 10},
        )


@contextmanager
def _opened(settings: Settings) -> Iterator[Database | None]:
    """mlpi's own database; None when there is none yet, for to look would make one."""
    db = Database(settings.database)
    try:
        is_there = db.path is None or db.path.exists()
        yield db if is_there and inspect(db.engine).has_table("jobs") else None
    finally:
        db.close()


def _schedule_ids(session: Session) -> list[int]:
    query = select(Schedule.id).where(Schedule.workspace == WORKSPACE, Schedule.name == SCHEDULE)
    return list(session.scalars(query))


def _job_ids(session: Session) -> list[int]:
    marked = Job.idempotency_key.startswith(MARK, autoescape=True)
    made = Job.schedule_id.in_(_schedule_ids(session))
    return list(
        session.scalars(select(Job.id).where(Job.workspace == WORKSPACE, or_(marked, made)))
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count > 1 else ''}" if count else ""
