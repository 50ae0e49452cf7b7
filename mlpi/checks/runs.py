"""Runs of checkpoints: what a worker is given, what becomes of what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlpi.auth.audit import Actor
from mlpi.checks import store
from mlpi.checks.actions import Actions
from mlpi.checks.lookups import find_checkpoint, find_dataset, find_version
from mlpi.checks.models import (
    Checkpoint,
    CheckState,
    Dataset,
    DatasetKind,
    DatasetVersion,
    Suite,
    Validation,
)
from mlpi.checks.source import Source
from mlpi.checks.sources import Sources
from mlpi.checks.suites import gx_json
from mlpi.checks.versions import Versions
from mlpi.clock import Clock
from mlpi.db import Session
from mlpi.errors import Invalid, NotFound
from mlpi.jobs.models import Job, JobState


class Runs:
    """What the jobs room calls around a run. Each call writes into the job's own transaction, so
    that a run and its job begin and end together, whatever is killed in between.
    """

    def __init__(
        self, clock: Clock, sources: Sources, versions: Versions, actions: Actions
    ) -> None:
        self._clock = clock
        self._sources = sources
        self._versions = versions
        self._actions = actions

    def resolve(self, session: Session, job: Job) -> dict[str, Any]:
        """What a validating worker is given; the run is visible from here on."""
        checkpoint = find_checkpoint(session, job.workspace, job.params["checkpoint"])
        suite = store.suite_version(session, checkpoint.suite_id, checkpoint.suite_version)
        if suite is None:
            raise Invalid("The suite has no version to check against.")
        target = self._target(session, checkpoint, job.params)
        validation = self._running(session, checkpoint, job)
        validation.started_at = self._clock()
        validation.suite_version_id = suite.id
        validation.dataset_version_id = target.version.id if target.version else None
        validation.target = target.words[:300]
        source = target.source
        params = {**source.as_params(), "row_limit": checkpoint.row_limit}
        name = session.get_one(Suite, checkpoint.suite_id).name
        return {
            "source": params,
            "suite": gx_json.written(name, suite.expectations, suite.meta),
            "result_format": checkpoint.result_format,
            "wants_hash": target.wants_hash,
            "memory_bytes": self._versions.memory_bytes,
        }

    def keep(self, session: Session, job: Job, answer: Mapping[str, Any]) -> Any:
        """Store what the worker found, set the checkpoint's state, and tell whom it concerns."""
        validation = store.validation_of_job(session, job.id)
        if validation is None:
            return {"removed": True}  # with its checkpoint, meanwhile
        checkpoint = session.get_one(Checkpoint, validation.checkpoint_id)
        result = answer["result"]
        if answer["file"] is not None and validation.dataset_version_id is None:
            validation.dataset_version_id = self._version_of_file(session, checkpoint, answer, job)
        validation.state = CheckState.PASSED if result["success"] else CheckState.FAILED
        validation.result = result
        validation.statistics = result["statistics"]
        validation.observed = observed_of(result)
        validation.figures = {**answer["figures"], "engines": engines_of(result)}
        self._end(session, checkpoint, validation)
        return {
            "run": validation.id,
            "success": result["success"],
            "statistics": result["statistics"],
        }

    def note_failure(self, session: Session, job: Job) -> None:
        """A run that found nothing out is an error, not a pass; a cancelled one is not told."""
        checkpoint = store.checkpoint(session, job.workspace, job.params["checkpoint"])
        if checkpoint is None:
            return
        validation = self._running(session, checkpoint, job)
        validation.target = validation.target or _named(session, checkpoint)
        validation.state = CheckState.ERROR
        validation.error = job.error or f"The job was {job.state}."
        if job.state == JobState.CANCELLED:
            validation.finished_at = self._clock()
        else:
            self._end(session, checkpoint, validation)

    def _running(self, session: Session, checkpoint: Checkpoint, job: Job) -> Validation:
        """The run that a job is at: made by its first attempt, or anew when somebody retries it."""
        found = store.validation_of_job(session, job.id)
        if found is not None and found.state == CheckState.RUNNING:
            return found
        validation = Validation(
            checkpoint_id=checkpoint.id,
            job_id=job.id,
            target="",
            cause=job.params.get("cause", "hand"),
            actor=job.actor,
            state=CheckState.RUNNING,
            error="",
            statistics={},
            observed={},
            figures={},
            started_at=self._clock(),
        )
        session.add(validation)
        session.flush()
        return validation

    def _end(self, session: Session, checkpoint: Checkpoint, validation: Validation) -> None:
        validation.finished_at = checkpoint.last_run_at = self._clock()
        checkpoint.state = validation.state
        event = judge(checkpoint, is_good=validation.state == CheckState.PASSED)
        self._actions.tell(session, checkpoint, validation, event)
        session.flush()
        store.prune_validations(session, checkpoint.id, checkpoint.keep_runs)

    def _target(
        self, session: Session, checkpoint: Checkpoint, params: Mapping[str, Any]
    ) -> _Target:
        dataset_id = params.get("dataset_id", checkpoint.dataset_id)
        dataset = find_dataset(session, checkpoint.workspace, dataset_id)
        if params.get("version_id"):
            version = session.get(DatasetVersion, params["version_id"])
            if version is None:
                raise NotFound(f"The version of {dataset.name!r} was removed.")
        elif checkpoint.pick == "pattern" and "dataset_id" not in params:
            source = self._sources.of_pattern(checkpoint.pick_value, dataset.options)
            return _Target(source, None, source.path, wants_hash=False)
        elif checkpoint.pick == "version" and "dataset_id" not in params:
            version = find_version(session, dataset, int(checkpoint.pick_value))
        elif dataset.kind == DatasetKind.PATH:
            source = self._sources.of(session, dataset, None)
            return _Target(source, None, f"{dataset.name}: {source.path}", wants_hash=True)
        else:
            version = find_version(session, dataset, None)
        words = dataset.name
        if dataset.kind != DatasetKind.SQL:
            words += f" version {version.number}"
        return _Target(self._sources.of(session, dataset, version), version, words)

    def _version_of_file(
        self, session: Session, checkpoint: Checkpoint, answer: Mapping[str, Any], job: Job
    ) -> int:
        dataset_id = job.params.get("dataset_id", checkpoint.dataset_id)
        dataset = find_dataset(session, checkpoint.workspace, dataset_id)
        return self._versions.note_file(session, dataset, answer["file"], actor=Actor(job.actor)).id


@dataclass(frozen=True, slots=True)
class _Target:
    """What a run looks at."""

    source: Source
    version: DatasetVersion | None
    words: str
    wants_hash: bool = False


def judge(checkpoint: Checkpoint, *, is_good: bool) -> str:
    """Count a run, and say "failing" or "recovered" when the checkpoint's mind changes, else "".

    Only alert_after bad runs in a row ring, and only recover_after good ones end it.
    """
    if is_good != checkpoint.is_alerting:
        checkpoint.streak = 0
        return ""
    checkpoint.streak += 1
    needed = checkpoint.recover_after if is_good else checkpoint.alert_after
    if checkpoint.streak < needed:
        return ""
    checkpoint.streak = 0
    checkpoint.is_alerting = not is_good
    return "recovered" if is_good else "failing"


def observed_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a trend is drawn from: by expectation id, whether it held, the number seen, its unit."""
    found = {}
    for number, one in enumerate(result["results"]):
        config, seen = one["expectation_config"], one.get("result") or {}
        is_share = "observed_value" not in seen
        value = seen.get("unexpected_percent" if is_share else "observed_value")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        found[str(config.get("id") or number)] = {
            "success": one["success"],
            "value": value if is_number else None,
            "unit": " % unexpected" if is_share and is_number else "",
        }
    return found


def engines_of(result: Mapping[str, Any]) -> dict[str, int]:
    """How many expectations each engine judged."""
    found: dict[str, int] = {}
    for one in result["results"]:
        engine = (one.get("meta") or {}).get("mlpi", {}).get("engine", "great_expectations")
        found[engine] = found.get(engine, 0) + 1
    return found


def _named(session: Session, checkpoint: Checkpoint) -> str:
    return session.get_one(Dataset, checkpoint.dataset_id).name
