"""What the kinds of jobs want to say at the begin and the end of each, in its own transaction.

A mistake in such a call is that job's own: it never stops the queue. Where the database itself
fails, the error is passed on, for the turn that it spoils is made again.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.orm import Session

from mlpi.errors import DiskFull, MlpiError
from mlpi.jobs import store
from mlpi.jobs.kinds import Kinds
from mlpi.jobs.models import Job, JobState

log = logging.getLogger(__name__)

# Of the database or its disk, and not of what a job brought.
_NOT_THE_JOBS = (OperationalError, InterfaceError, InternalError, DiskFull)


class Hooks:
    """Calls what the kinds have registered."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        # By job, what its worker is given instead of the stored parameters.
        self.given: dict[int, dict[str, Any]] = {}

    def resolve(self, session: Session, job_id: int, kind: str, now: datetime) -> bool:
        """Let the kind say what the worker is given; False when the job cannot be run and ended."""
        resolve = self._kinds.get(kind).resolve
        job = session.get(Job, job_id) if resolve is not None else None
        if resolve is None or job is None:
            return True
        try:
            with session.begin_nested():
                self.given[job_id] = resolve(session, job)
            return True
        except _NOT_THE_JOBS:
            raise
        except MlpiError as error:
            store.finish(job, JobState.FAILED, now=now, error=error.line())
        except Exception as error:
            log.exception("job not resolved", extra={"action": "job_not_resolved"})
            words = f"it could not be begun: {type(error).__name__}"
            store.finish(job, JobState.FAILED, now=now, error=words)
        self.tell_of_failure(session, job)
        return False

    def keep(self, session: Session, job: Job, result: Any, now: datetime) -> None:
        """Finish a job that succeeded; its kind stores the result, or refuses it."""
        on_success = self._kinds.get(job.kind).on_success
        if on_success is not None:
            try:
                with session.begin_nested():
                    result = on_success(session, job, result)
            except _NOT_THE_JOBS:
                raise
            except Exception as error:
                log.exception("job result refused", extra={"action": "result_refused"})
                words = f"its result could not be kept: {error}"
                store.finish(job, JobState.FAILED, now=now, error=words)
                return
        store.finish(job, JobState.SUCCEEDED, now=now, result=result)

    def tell_of_failure(self, session: Session, job: Job) -> None:
        """Let the job's kind know of an end that is no success."""
        if job.state not in (JobState.FAILED, JobState.LOST, JobState.CANCELLED):
            return
        on_failure = self._kinds.on_failure(job.kind)
        if on_failure is None:
            return
        try:
            with session.begin_nested():
                on_failure(session, job)
        except _NOT_THE_JOBS:
            raise
        except Exception:
            log.exception("job failure not passed on", extra={"action": "failure_not_told"})
