"""One run: its data, its files, and what it points at."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mlpi.tracking.transfer import Marks, artifacts, own_tags
from mlpi.tracking.transfer.ends import End
from mlpi.tracking.transfer.ledger import Copied, Ledger
from mlpi.tracking.transfer.report import Counts, Report

PARENT = "mlflow.parentRunId"
RUN_NAME = "mlflow.runName"
LOGGED = "mlflow.log-model.history"
ENDED = frozenset({"FINISHED", "FAILED", "KILLED"})
WITH_FILES, WITHOUT = " with files", " without files"
MAX_METRICS = 1000
MAX_PAIRS = 100


@dataclass
class RunCopy:
    """Copies runs between two ends.

    A run is done when its mark says so: the status it had, a fingerprint of its data, and whether
    its files came along. One whose source has changed since is brought up to date; everything
    that is written may be written twice.
    """

    source: End
    target: End
    marks: Marks
    ledger: Ledger
    report: Report
    with_artifacts: bool = True
    with_models: bool = False
    _open: list[tuple[Any, Copied, str]] = field(default_factory=list)

    def copy(self, run: Any, experiment_id: str, counts: Counts) -> None:
        """Copy one run, or find that it is there. Links to others wait for settle()."""
        if run.info.lifecycle_stage == "deleted":
            counts.deleted += 1
            return
        copied = self.ledger.runs.get(run.info.run_id)
        if copied is not None and copied.is_deleted:
            counts.deleted_here += 1
            return
        mark = f"{run.info.status} {fingerprint(run)}"
        if copied is not None and copied.done.startswith(mark):
            self._look_for_files(run, copied, mark, counts)
            return
        was_done = copied is not None and bool(copied.done)
        if copied is None:
            copied = self._created(run, experiment_id)
        else:
            self._write_tags(run, copied)
            counts.resumed += not was_done
        self._write_data(run, copied, counts)
        mark += WITH_FILES if self._write_files(run, copied, counts) is not None else WITHOUT
        self._write_end(run, copied)
        self._open.append((run, copied, mark))
        self._settle_one(is_last=False)
        if was_done:
            counts.updated += 1
        else:
            counts.copied += 1

    def settle(self, *, is_last: bool) -> None:
        """Link runs to their parents and models, and mark them as done.

        is_last: nothing more will be copied; what is missing now stays so, and is noted.
        """
        waiting, self._open = self._open, []
        for entry in waiting:
            self._open.append(entry)
            self._settle_one(is_last=is_last)

    def _settle_one(self, *, is_last: bool) -> None:
        run, copied, mark = self._open[-1]
        missing = self._missing_links(run)
        if missing and not is_last:
            return
        self._open.pop()
        name = f"run {run.info.run_name or run.info.run_id}"
        for what in missing:
            self.report.note(f"{name}: {what} was not copied, so the link to it is left out.")
        self._link(run, copied)
        self.target.client.set_tag(copied.id, self.marks.done, mark)
        copied.done = mark

    def _look_for_files(self, run: Any, copied: Copied, mark: str, counts: Counts) -> None:
        """The data is there; files may not be, or a run that goes on may have new ones."""
        is_whole = copied.done.endswith(WITH_FILES)
        sent = None
        if self.with_artifacts and not (is_whole and run.info.status in ENDED):
            sent = self._write_files(run, copied, counts)
        if sent is not None and not is_whole:
            self.target.client.set_tag(copied.id, self.marks.done, mark + WITH_FILES)
        if sent:
            counts.updated += 1
        else:
            counts.already += 1

    def _created(self, run: Any, experiment_id: str) -> Copied:
        tags = self._tags(run, "")
        made = self.target.client.create_run(
            experiment_id,
            start_time=run.info.start_time,
            tags=dict(list(tags.items())[:MAX_PAIRS]),
            run_name=run.info.run_name or run.data.tags.get(RUN_NAME) or run.info.run_id,
        )
        copied = Copied(made.info.run_id, made.info.artifact_uri)
        self.ledger.runs[run.info.run_id] = copied
        if len(tags) > MAX_PAIRS or LOGGED in tags:
            self._write_tags(run, copied)
        return copied

    def _tags(self, run: Any, new_id: str) -> dict[str, str]:
        tags = own_tags(run.data.tags)
        for key in (PARENT, RUN_NAME):
            tags.pop(key, None)
        if new_id and LOGGED in tags:
            tags[LOGGED] = tags[LOGGED].replace(run.info.run_id, new_id)
        return {
            self.marks.run_id: run.info.run_id,
            self.marks.origin: self.source.name,
            **tags,
        }

    def _write_tags(self, run: Any, copied: Copied) -> None:
        from mlflow.entities import RunTag  # noqa: PLC0415

        tags = self._tags(run, copied.id)
        if run.info.run_name:
            tags[RUN_NAME] = run.info.run_name
        for some in _slices([RunTag(*pair) for pair in tags.items()], MAX_PAIRS):
            self.target.client.log_batch(copied.id, tags=some)

    def _write_data(self, run: Any, copied: Copied, counts: Counts) -> None:
        from mlflow.entities import Param  # noqa: PLC0415

        params = [Param(*pair) for pair in run.data.params.items()]
        first, rest = params[:MAX_PAIRS], params[MAX_PAIRS:]
        points: list[Any] = []
        for key in run.data.metrics:
            for point in self.source.client.get_metric_history(run.info.run_id, key):
                if math.isinf(point.value):
                    self.report.note(
                        "Infinite metric values became ±1.8e308, as in every database of MLflow."
                    )
                points.append(_plain(point))
                if len(points) + len(first) == MAX_METRICS:
                    self.target.client.log_batch(copied.id, metrics=points, params=first)
                    counts.points += len(points)
                    points, first = [], []
        if points or first:
            self.target.client.log_batch(copied.id, metrics=points, params=first)
            counts.points += len(points)
        for some in _slices(rest, MAX_PAIRS):
            self.target.client.log_batch(copied.id, params=some)
        datasets = run.inputs.dataset_inputs if run.inputs else []
        if datasets:
            self.target.client.log_inputs(copied.id, datasets)

    def _write_files(self, run: Any, copied: Copied, counts: Counts) -> int | None:
        """How many files went; None when we did not look for them or found no folder."""
        if not self.with_artifacts:
            return None
        try:
            return artifacts.copy(
                self.source, run.info.artifact_uri, self.target, copied.artifact_uri, counts
            )
        except artifacts.ArtifactsMissing as error:
            self.report.missing[str(error)] += 1
            return None

    def _write_end(self, run: Any, copied: Copied) -> None:
        from mlflow.entities import RunStatus  # noqa: PLC0415

        if run.info.status == "RUNNING" and not copied.done:
            return  # as it was created
        store = self.target.client._tracking_client.store
        status: Any = RunStatus
        store.update_run_info(
            copied.id, status.from_string(run.info.status), run.info.end_time, run.info.run_name
        )

    def _missing_links(self, run: Any) -> list[str]:
        parent = run.data.tags.get(PARENT)
        found = [f"its parent {parent}"] if parent and parent not in self.ledger.runs else []
        found += [
            f"the model {model_id}"
            for model_id in (*self._inputs(run), *self._outputs(run))
            if model_id not in self.ledger.models
        ]
        return found

    def _link(self, run: Any, copied: Copied) -> None:
        from mlflow.entities import LoggedModelInput, LoggedModelOutput  # noqa: PLC0415

        parent = self.ledger.runs.get(run.data.tags.get(PARENT, ""))
        if parent is not None:
            self.target.client.set_tag(copied.id, PARENT, parent.id)
        known = self.ledger.models
        inputs = [known[one].id for one in self._inputs(run) if one in known]
        outputs = {known[one].id: step for one, step in self._outputs(run).items() if one in known}
        if not inputs and not outputs:
            return
        there = self.target.client.get_run(copied.id)
        linked_in = set(self._inputs(there))
        linked_out = self._outputs(there)
        fresh_in = [LoggedModelInput(one) for one in inputs if one not in linked_in]
        fresh_out = [LoggedModelOutput(*one) for one in outputs.items() if one[0] not in linked_out]
        if fresh_in:
            self.target.client.log_inputs(copied.id, models=fresh_in)
        if fresh_out:
            self.target.client.log_outputs(copied.id, fresh_out)

    def _inputs(self, run: Any) -> list[str]:
        """Ids of the models it used."""
        inputs = (run.inputs.model_inputs if run.inputs else None) or []
        return [one.model_id for one in inputs] if self.with_models else []

    def _outputs(self, run: Any) -> dict[str, int]:
        """Ids of the models it made, with the step."""
        outputs = (run.outputs.model_outputs if run.outputs else None) or []
        return {one.model_id: one.step for one in outputs} if self.with_models else {}


def fingerprint(run: Any) -> str:
    """Tells two states of a run's data apart."""
    outputs = (run.outputs.model_outputs if run.outputs else None) or []
    data = [
        run.info.end_time,
        run.info.run_name,
        sorted((m.key, repr(m.value), m.timestamp, m.step) for m in run.data._metric_objs),
        sorted(run.data.params.items()),
        sorted(own_tags(run.data.tags).items()),
        sorted(one.model_id for one in outputs),
    ]
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()[:16]


def _plain(point: Any) -> Any:
    """A point of a run alone; those of models are copied with the models."""
    from mlflow.entities import Metric  # noqa: PLC0415

    return Metric(point.key, point.value, point.timestamp, point.step)


def _slices(rows: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
