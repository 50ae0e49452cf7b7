"""huey's side of tests/bench/jobs.py; a module of its own, because huey names tasks by module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from huey import SqliteHuey


def make(file: str, *, fsync: bool) -> tuple[Any, Callable[[], Any]]:
    """A queue and its one task, which does nothing."""
    huey = SqliteHuey(filename=file, fsync=fsync)

    @huey.task()
    def nothing() -> int:
        return 1

    return huey, nothing


def consume(file: str, fsync: bool) -> None:
    """Run a consumer with one worker that polls as quickly as it can be told to."""
    huey, _ = make(file, fsync=fsync)
    huey.create_consumer(workers=1, initial_delay=0.001, max_delay=0.005, backoff=1.0).run()
