"""What the trash shows and decides: sizes, what would go, and the jobs that remove; no HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mlpi.auth.audit import Actor, Audit
from mlpi.clock import Clock
from mlpi.db import Session
from mlpi.errors import Invalid, NotReady
from mlpi.jobs.kinds import JobKind
from mlpi.jobs.models import Job, JobState
from mlpi.jobs.service import Jobs, Wish
from mlpi.jobs.store import Filter
from mlpi.settings import Settings
from mlpi.tracking.service import TrackingService
from mlpi.tracking.trash.chosen import ChosenStore
from mlpi.tracking.trash.files import Sizes, own_path
from mlpi.tracking.trash.records import Binned, Choice, Stakes, Tally
from mlpi.tracking.trash.store import PAGE, TrashStore

PURGE_JOB = "purge"
RETENTION = Actor("retention", "service")
ACTIVE = (JobState.QUEUED, JobState.LEASED, JobState.RUNNING)
# How long one request may walk through folders; what is left is measured by the next.
MEASURE_S = 0.4
ASK_S = 2.0
MOST_CHOSEN = 1000  # ids in one form
MOST_MEASURED = 2000  # places of one question


@dataclass(slots=True)
class Bin:
    """The trash of a workspace, or one experiment's runs in it: a page of them."""

    tally: Tally
    experiments: Sequence[Binned]
    runs: Sequence[Binned]
    models: Sequence[Binned]
    places: Sequence[tuple[str, str, int]]
    within: str
    next_after: str
    jobs: Sequence[Job]
    days: int | None

    @property
    def everything(self) -> list[Binned]:
        return [*self.experiments, *self.runs, *self.models]

    @property
    def is_measured(self) -> bool:
        return all(one.size_bytes is not None for one in self.everything)

    @property
    def in_place(self) -> tuple[str, int] | None:
        """Name and number of runs of the experiment that is looked at."""
        return next(((name, n) for id_, name, n in self.places if id_ == self.within), None)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before something goes for good."""

    choice: Choice
    stakes: Stakes
    size_bytes: int
    is_size_least: bool


class Trash:
    """Deleted experiments, runs and logged models: looked at, and removed for good by jobs."""

    def __init__(
        self,
        tracking: TrackingService,
        store: TrashStore,
        chosen: ChosenStore,
        repository: Callable[[], Any],
        jobs: Jobs,
        audit: Audit,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._tracking = tracking
        self._store = store
        self._chosen = chosen
        self._jobs = jobs
        self._audit = audit
        self._clock = clock
        self._settings = settings
        self._sizes = Sizes(settings.artifacts, repository)
        self.kind = JobKind(
            PURGE_JOB,
            "mlpi.tracking.trash.work:purge",
            "Empty the trash",
            timeout_s=24 * 3600,
            resolve=self._resolve,
            on_success=self._keep,
        )

    @property
    def days(self) -> int | None:
        """After how many days things go by themselves; None for never."""
        return self._settings.trash_days

    def look(self, workspace: str, within: str = "", after: str = "") -> Bin:
        """A page of the trash with the sizes that are found quickly. Raises NotReady, Invalid."""
        self._tracking.require_prepared()
        if within and not _is_id(within):
            raise Invalid("An experiment's id is a number.", field="experiment")
        is_whole = not within and not after
        runs = self._store.runs(workspace, within, after)
        found = Bin(
            self._store.tally(workspace),
            self._store.experiments(workspace) if is_whole else (),
            runs[:PAGE],
            self._store.models(workspace) if is_whole else (),
            self._store.run_places(workspace),
            within,
            runs[PAGE - 1].cursor if len(runs) > PAGE else "",
            self._jobs.page(workspace, Filter(kind=PURGE_JOB, states=ACTIVE), limit=3),
            self.days,
        )
        deadline = time.monotonic() + MEASURE_S
        for one in found.everything:
            self._measure(workspace, one, deadline)
            if self.days is not None and one.deleted_at is not None:
                one.goes_at = one.deleted_at + timedelta(days=self.days)
        return found

    def question(self, workspace: str, choice: Choice) -> Question:
        """What would go with a choice. Raises Invalid when it is nothing, NotReady."""
        self._tracking.require_prepared()
        choice = self._checked(choice)
        stakes = self._chosen.stakes(workspace, choice)
        if not (stakes.run_count or stakes.experiment_count or stakes.model_count):
            raise Invalid(
                "Nothing of this is in the trash any more.",
                advice="It was restored or removed meanwhile.",
            )
        deadline = time.monotonic() + ASK_S
        places = self._chosen.places(workspace, choice, MOST_MEASURED)
        total, is_all = 0, len(places) < MOST_MEASURED
        for place in places:
            path = own_path(place.artifact_uri, workspace, place.id)
            if time.monotonic() > deadline:
                is_all = False
                break
            try:
                size_bytes, is_whole = self._sizes.measure(place.id, path, deadline)
            except NotReady:
                size_bytes, is_whole = 0, False
            total += size_bytes
            is_all = is_all and is_whole
        return Question(choice, stakes, total, not is_all)

    def purge(self, workspace: str, choice: Choice, *, actor: Actor) -> Job:
        """Have a choice removed for good, and what was begun earlier. Raises Invalid."""
        self._tracking.require_prepared()
        if choice:
            choice = self._checked(choice)
        wish = Wish(PURGE_JOB, workspace, {"choice": choice.params(), "actor": actor.name})
        return self._jobs.enqueue(wish, actor=actor)

    def empty_old(self) -> list[Job] | None:
        """Have removed what has lain long enough, in every workspace, at most once a day.

        None before there are tables.
        """
        if self.days is None:
            return []
        if not self._tracking.is_prepared():
            return None
        now = self._clock()
        until_ms = _ms(now - timedelta(days=self.days))
        choice = Choice(until_ms=until_ms)
        return [
            self._jobs.enqueue(
                Wish(
                    PURGE_JOB,
                    workspace,
                    {"choice": choice.params(), "actor": RETENTION.name},
                    title=f"Empty the trash of what is older than {self.days} days",
                    idempotency_key=f"retention:{now.date().isoformat()}",
                ),
                actor=RETENTION,
            )
            for workspace in self._chosen.workspaces_due(until_ms)
        ]

    def now_ms(self) -> int:
        """For a choice of everything: what is deleted later is not meant."""
        return _ms(self._clock())

    def _measure(self, workspace: str, one: Binned, deadline: float) -> None:
        path = own_path(one.artifact_uri, workspace, one.id)
        known = self._sizes.known(one.id, path)
        if known is None and time.monotonic() < deadline:
            try:
                known = self._sizes.measure(one.id, path, deadline + ASK_S)
            except NotReady:
                known = None
        if known is not None:
            one.size_bytes, is_all = known
            one.is_size_least = not is_all

    def _checked(self, choice: Choice) -> Choice:
        chosen = [*choice.experiments, *choice.runs, *choice.models]
        if not choice:
            raise Invalid("Nothing is selected.", advice="Tick what shall go first.")
        if len(chosen) > MOST_CHOSEN:
            raise Invalid(
                f"These are {len(chosen)} things; at most {MOST_CHOSEN} can be named at once.",
                advice="Remove all runs of an experiment, or empty the trash.",
            )
        numbers = [*choice.experiments, *([choice.within] if choice.within else [])]
        if not all(_is_id(one) for one in numbers):
            raise Invalid("An experiment's id is a number.", field="experiment")
        return choice

    def _resolve(self, session: Session, job: Job) -> dict[str, Any]:
        """What the worker needs besides; a database's password is not stored with the job."""
        del session
        return {
            "choice": job.params["choice"],
            "database": self._settings.mlflow_database,
            "artifacts": self._settings.artifacts,
        }

    def _keep(self, session: Session, job: Job, result: Any) -> Any:
        """Leave the traces of what went, in the transaction that ends the job."""
        actor = Actor(str(job.params["actor"]), f"job {job.id}")
        for name in result["experiments"]:
            self._audit.record(session, actor, "experiment_purged", name, job.workspace)
        what = f"{result['runs']} runs, {result['models']} models, {result['points']} points"
        ids = ", ".join(job.params["choice"]["runs"])
        target = f"{what}, {result['size_bytes']} bytes{': ' + ids if ids else ''}"
        self._audit.record(session, actor, "trash_purged", target, job.workspace)
        return result


def _is_id(text: str) -> bool:
    return text.isdecimal() and len(text) <= 9


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
