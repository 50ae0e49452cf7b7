"""Checkpoints: a dataset held against a suite, again and again, and who is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlpi.auth.audit import Actor, Audit
from mlpi.checks import store
from mlpi.checks.actions import Actions
from mlpi.checks.files import Roots
from mlpi.checks.lookups import find_checkpoint, find_dataset, find_version, split_reference
from mlpi.checks.models import (
    Checkpoint,
    CheckState,
    Dataset,
    DatasetKind,
    DatasetVersion,
    Delivery,
    Suite,
    SuiteVersion,
    Validation,
)
from mlpi.checks.names import checked_name
from mlpi.checks.versions import Versions
from mlpi.clock import Clock
from mlpi.db import Database, IntegrityError, Session
from mlpi.errors import Conflict, Invalid, NotFound
from mlpi.jobs.models import ACTIVE, Job, JobState
from mlpi.jobs.service import Jobs, Wish
from mlpi.jobs.store import Filter

CHECK_JOB = "check"
RESULT_FORMATS = ("SUMMARY", "BASIC", "COMPLETE", "BOOLEAN_ONLY")
PICKS = ("newest", "version", "pattern")
TREND_RUNS = 60
STRIP_RUNS = 20


@dataclass(frozen=True, slots=True)
class Draft:
    """A checkpoint as somebody wants it; see Checkpoint for the fields."""

    name: str
    dataset_id: int
    suite_id: int
    pick: str = "newest"
    pick_value: str = ""
    suite_version: int | None = None
    result_format: str = "SUMMARY"
    row_limit: int | None = None
    runs_on_new_version: bool = False
    actions: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    alert_after: int = 1
    recover_after: int = 1
    keep_runs: int = 100


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A checkpoint with what a list shows of it."""

    checkpoint: Checkpoint
    dataset: Dataset
    suite: Suite
    states: Sequence[tuple[int, str]]


class Checkpoints:
    """Every change leaves a row in the audit trail; what a run finds is kept by the job's end."""

    def __init__(
        self,
        db: Database,
        audit: Audit,
        clock: Clock,
        jobs: Jobs,
        roots: Roots,
        versions: Versions,
        actions: Actions,
    ) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._jobs = jobs
        self._roots = roots
        self._actions = actions
        versions.on_version.append(self._run_on_new_version)

    # --- looking

    def page(self, workspace: str) -> list[CheckpointRow]:
        """All checkpoints with their last runs; those that ring first."""
        with self._db.read() as session:
            found = store.checkpoints(session, workspace)
            ids = [one.id for one, _, _ in found]
            states = store.recent_states(session, ids, STRIP_RUNS)
        return [
            CheckpointRow(one, data, suite, states.get(one.id, ())) for one, data, suite in found
        ]

    def counts(self, workspace: str) -> dict[str, int]:
        """How many checkpoints are in each state."""
        with self._db.read() as session:
            return store.checkpoint_counts(session, workspace)

    def alerting_count(self, workspace: str) -> int:
        """How many of them ring."""
        with self._db.read() as session:
            return store.alerting_count(session, workspace)

    def get(self, workspace: str, key: int | str) -> Checkpoint:
        """A checkpoint by id or name. Raises NotFound."""
        with self._db.read() as session:
            return find_checkpoint(session, workspace, key)

    def parts(self, checkpoint: Checkpoint) -> tuple[Dataset, Suite, SuiteVersion | None]:
        """Its dataset, its suite, and the suite's version that counts."""
        with self._db.read() as session:
            dataset = session.get(Dataset, checkpoint.dataset_id)
            suite = session.get(Suite, checkpoint.suite_id)
            assert dataset is not None
            assert suite is not None
            version = store.suite_version(session, suite.id, checkpoint.suite_version)
            return dataset, suite, version

    def suite_named(self, workspace: str, name: str) -> Suite:
        """A suite by its name. Raises NotFound."""
        with self._db.read() as session:
            found = store.suite_named(session, workspace, name)
        if found is None:
            raise NotFound(f"There is no suite {name[:100]!r} in this workspace.", field="suite")
        return found

    def of_dataset(self, workspace: str, dataset_id: int) -> Sequence[Checkpoint]:
        with self._db.read() as session:
            found = store.checkpoints_of_dataset(session, dataset_id)
        return [one for one in found if one.workspace == workspace]

    def of_version(self, version_id: int) -> list[tuple[Validation, str]]:
        """Validations of one dataset version with their checkpoints' names, newest first."""
        with self._db.read() as session:
            found = store.validations(session, dataset_version_id=version_id, limit=20)
            names = {
                one.checkpoint_id: session.get_one(Checkpoint, one.checkpoint_id).name
                for one in found
            }
        return [(one, names[one.checkpoint_id]) for one in found]

    def runs(
        self, checkpoint: Checkpoint, *, before_id: int | None = None, limit: int = TREND_RUNS
    ) -> Sequence[Validation]:
        """Its validations, newest first; before_id continues a page."""
        with self._db.read() as session:
            return store.validations(
                session, checkpoint_id=checkpoint.id, before_id=before_id, limit=limit
            )

    def run_of(self, workspace: str, validation_id: int) -> tuple[Validation, Checkpoint]:
        """A validation with its result. Raises NotFound."""
        with self._db.read() as session:
            found = store.validation(session, workspace, validation_id)
        if found is None:
            raise NotFound("There is no such run of a checkpoint in this workspace.")
        return found

    def of_job(self, workspace: str, job_id: int) -> Validation | None:
        """The validation that a job makes, once it has begun."""
        with self._db.read() as session:
            found = store.validation_of_job(session, job_id)
            if found is None or store.validation(session, workspace, found.id) is None:
                return None
            return found

    def job(self, workspace: str, job_id: int) -> Job:
        """The job of a run. Raises NotFound."""
        found = self._jobs.get(workspace, job_id)
        if found.kind != CHECK_JOB:
            raise NotFound(f"Job {job_id} is no run of a checkpoint.")
        return found

    def waiting(self, checkpoint: Checkpoint) -> Sequence[Job]:
        """Its jobs that have not ended."""
        only = Filter(kind=CHECK_JOB, states=(JobState.QUEUED, *ACTIVE))
        found = self._jobs.page(checkpoint.workspace, only, limit=200)
        mine = (checkpoint.id, checkpoint.name)
        return [job for job in found if job.params.get("checkpoint") in mine]

    def deliveries(self, validations: Sequence[Validation]) -> Sequence[Delivery]:
        """What was sent about them."""
        with self._db.read() as session:
            return store.deliveries(session, [one.id for one in validations])

    # --- changing

    def add(self, workspace: str, draft: Draft, *, actor: Actor) -> Checkpoint:
        """Raises Invalid, NotFound, Conflict."""
        try:
            with self._db.write() as session:
                checkpoint = Checkpoint(
                    workspace=workspace,
                    state=CheckState.NEW,
                    is_alerting=False,
                    streak=0,
                    actor=actor.name,
                    actions=[],
                )
                self._fill(session, checkpoint, draft)
                store.put(session, checkpoint, at=self._clock())
                self._audit.record(session, actor, "checkpoint_added", draft.name, workspace)
                return checkpoint
        except IntegrityError:
            raise _taken(draft.name) from None

    def change(
        self, workspace: str, checkpoint_id: int, draft: Draft, *, actor: Actor
    ) -> Checkpoint:
        """Raises Invalid, NotFound, Conflict."""
        try:
            with self._db.write() as session:
                checkpoint = find_checkpoint(session, workspace, checkpoint_id)
                self._fill(session, checkpoint, draft)
                session.flush()
                self._audit.record(session, actor, "checkpoint_changed", draft.name, workspace)
                return checkpoint
        except IntegrityError:
            raise _taken(draft.name) from None

    def remove(self, workspace: str, checkpoint_id: int, *, actor: Actor) -> None:
        """Remove a checkpoint with all its reports. Raises NotFound."""
        with self._db.write() as session:
            checkpoint = find_checkpoint(session, workspace, checkpoint_id)
            session.delete(checkpoint)
            self._audit.record(session, actor, "checkpoint_removed", checkpoint.name, workspace)

    # --- running

    def run(
        self,
        workspace: str,
        key: int | str,
        *,
        actor: Actor,
        cause: str = "hand",
        dataset: str = "",
    ) -> Job:
        """Queue a run; dataset ("wine@3") holds another dataset or version against the suite.

        Raises NotFound, Invalid.
        """
        params: dict[str, Any] = {"cause": cause}
        with self._db.write() as session:
            checkpoint = find_checkpoint(session, workspace, key)
            if dataset:
                params["dataset_id"], params["version_id"] = _referred(session, workspace, dataset)
            job = self._enqueue(session, checkpoint, params, actor)
        self._jobs.dispatcher.wake()
        return job

    def checked_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of a job made by hand or by a schedule: the checkpoint's name or id."""
        known = {"checkpoint"}
        if set(params) != known or not isinstance(params["checkpoint"], str | int):
            raise Invalid('A check is asked for with {"checkpoint": "its name"}.', field="params")
        return {"checkpoint": params["checkpoint"], "cause": "schedule"}

    def gate(
        self, workspace: str, name: str, dataset: str = ""
    ) -> tuple[bool, str, Validation | None]:
        """Whether data may pass, why, and the validation that says so. Raises NotFound, Invalid.

        dataset: "wine" or "wine@3"; its newest version if none is named, and the checkpoint's own
        last run if nothing is.
        """
        with self._db.read() as session:
            checkpoint = find_checkpoint(session, workspace, name)
            version: DatasetVersion | None = None
            if dataset:
                data_name, number = split_reference(dataset)
                data = find_dataset(session, workspace, data_name)
                version = find_version(session, data, number)
                what = f"{data.name} version {version.number}"
            found = store.latest_validation(
                session, checkpoint.id, dataset_version_id=version.id if version else None
            )
        if found is None:
            which = f"on {what}" if version else "yet"
            return False, f"{checkpoint.name!r} has not run {which}.", None
        if found.state == CheckState.PASSED:
            return True, f"{found.target} passed {checkpoint.name!r}.", found
        if found.state == CheckState.ERROR:
            return (
                False,
                f"{checkpoint.name!r} could not judge {found.target}: {found.error}",
                found,
            )
        wrong = found.statistics.get("unsuccessful_expectations", 0)
        many = "expectation is" if wrong == 1 else "expectations are"
        return False, f"{found.target} failed {checkpoint.name!r}: {wrong} {many} not met.", found

    # --- inside

    def _fill(self, session: Session, checkpoint: Checkpoint, draft: Draft) -> None:
        workspace = checkpoint.workspace
        dataset = find_dataset(session, workspace, draft.dataset_id)
        suite = session.get(Suite, draft.suite_id)
        if suite is None or suite.workspace != workspace:
            raise NotFound("There is no such suite in this workspace.", field="suite")
        _require(draft)
        value = draft.pick_value.strip()
        if draft.pick == "version":
            if not value.isdecimal():
                raise Invalid("Name the version by its number.", field="pick_value")
            find_version(session, dataset, int(value))
        elif draft.pick == "pattern":
            value = self._roots.check(value)
        else:
            value = ""
        if store.suite_version(session, suite.id, draft.suite_version) is None:
            which = f"version {draft.suite_version}" if draft.suite_version else "version yet"
            raise NotFound(f"{suite.name!r} has no {which}.", field="suite_version")
        checkpoint.name = checked_name(draft.name, "a checkpoint")
        checkpoint.dataset_id = dataset.id
        checkpoint.suite_id = suite.id
        checkpoint.pick = draft.pick
        checkpoint.pick_value = value
        checkpoint.suite_version = draft.suite_version
        checkpoint.result_format = draft.result_format
        checkpoint.row_limit = draft.row_limit
        checkpoint.runs_on_new_version = draft.runs_on_new_version
        checkpoint.actions = self._actions.checked(draft.actions, before=checkpoint.actions)
        checkpoint.alert_after = draft.alert_after
        checkpoint.recover_after = draft.recover_after
        checkpoint.keep_runs = draft.keep_runs

    def _enqueue(
        self, session: Session, checkpoint: Checkpoint, params: dict[str, Any], actor: Actor
    ) -> Job:
        wish = Wish(
            CHECK_JOB,
            checkpoint.workspace,
            {"checkpoint": checkpoint.id, **params},
            title=f"Check {checkpoint.name}",
        )
        return self._jobs.enqueue_in(session, wish, actor=actor)

    def _run_on_new_version(
        self, session: Session, dataset: Dataset, version: DatasetVersion, actor: Actor
    ) -> None:
        for checkpoint in store.checkpoints_of_dataset(session, dataset.id):
            if checkpoint.runs_on_new_version and checkpoint.pick == "newest":
                params = {"cause": "version", "dataset_id": dataset.id, "version_id": version.id}
                self._enqueue(session, checkpoint, params, actor)


def _referred(session: Session, workspace: str, text: str) -> tuple[int, int | None]:
    name, number = split_reference(text)
    dataset = find_dataset(session, workspace, name)
    if dataset.kind == DatasetKind.PATH and number is None:
        return dataset.id, None
    return dataset.id, find_version(session, dataset, number).id


def _require(draft: Draft) -> None:
    if draft.pick not in PICKS:
        raise Invalid(f"pick must be one of {', '.join(PICKS)}.", field="pick")
    if draft.result_format not in RESULT_FORMATS:
        raise Invalid(
            f"result_format must be one of {', '.join(RESULT_FORMATS)}.", field="result_format"
        )
    if draft.row_limit is not None and draft.row_limit < 1:
        raise Invalid("row_limit must be at least 1, or empty.", field="row_limit")
    for key, least, most in (
        ("alert_after", 1, 100),
        ("recover_after", 1, 100),
        ("keep_runs", 1, 10_000),
    ):
        if not least <= getattr(draft, key) <= most:
            raise Invalid(f"{key} must be from {least} to {most}.", field=key)


def _taken(name: str) -> Conflict:
    return Conflict(f"There is already a checkpoint {name!r}.", field="name")
