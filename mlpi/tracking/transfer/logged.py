"""Logged models (MLflow 3): what runs made, with its own files, params and metrics."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from mlpi.tracking.transfer import Marks, artifacts, own_tags
from mlpi.tracking.transfer.ends import End
from mlpi.tracking.transfer.ledger import Copied, Ledger
from mlpi.tracking.transfer.report import Counts, Report
from mlpi.tracking.transfer.runs import WITH_FILES, WITHOUT

VERSIONS = "mlflow.modelVersions"  # the registry writes it again
FINAL = frozenset({"READY", "FAILED"})


@dataclass
class ModelCopy:
    """Copies logged models after the runs of their experiment."""

    source: End
    target: End
    marks: Marks
    ledger: Ledger
    report: Report
    with_artifacts: bool = True
    _open: list[tuple[Any, Copied, str]] = field(default_factory=list)

    def copy(self, model: Any, experiment_id: str, counts: Counts) -> None:
        """Copy one model, or find that it is there. Its metrics wait for settle()."""
        copied = self.ledger.models.get(model.model_id)
        mark = f"{model.status} {_fingerprint(model)}"
        if copied is not None and self._is_there(copied, mark):
            return
        wanted = {str(key): str(value) for key, value in (model.params or {}).items()}
        if copied is None:
            copied = self._created(model, experiment_id, wanted)
        else:
            self._complete(model, copied, wanted)
        mark += WITH_FILES if self._write_files(model, copied, counts) else WITHOUT
        if str(model.status) in FINAL:
            self.target.client.finalize_logged_model(copied.id, str(model.status))
        counts.models += 1
        self._open.append((model, copied, mark))

    def settle(self) -> None:
        """Copy metrics that evaluations in other runs may have added; mark models as done."""
        for model, copied, mark in self._open:
            self._write_metrics(model, copied)
            tags = {self.marks.done: mark}
            self.target.client.set_logged_model_tags(copied.id, tags)
            copied.done = mark
        self._open.clear()

    def _is_there(self, copied: Copied, mark: str) -> bool:
        is_whole = copied.done.endswith(WITH_FILES) or not self.with_artifacts
        return is_whole and copied.done.startswith(mark)

    def _created(self, model: Any, experiment_id: str, params: dict[str, str]) -> Copied:
        run = self.ledger.runs.get(model.source_run_id or "")
        if model.source_run_id and run is None:
            self.report.note(f"model {model.name}: its run {model.source_run_id} was not copied.")
        made = self.target.client.create_logged_model(
            experiment_id,
            name=model.name,
            source_run_id=run.id if run else None,
            tags=self._tags(model),
            params=params,
            model_type=model.model_type or None,
        )
        copied = Copied(made.model_id, made.artifact_location)
        self.ledger.models[model.model_id] = copied
        return copied

    def _complete(self, model: Any, copied: Copied, wanted: dict[str, str]) -> None:
        there = self.target.client.get_logged_model(copied.id)
        missing = {key: value for key, value in wanted.items() if key not in (there.params or {})}
        if missing:
            self.target.client.log_model_params(copied.id, missing)
        self.target.client.set_logged_model_tags(copied.id, self._tags(model))

    def _write_files(self, model: Any, copied: Copied, counts: Counts) -> bool:
        """Whether all files are there now."""
        if not self.with_artifacts:
            return False
        try:
            artifacts.copy(
                self.source, model.artifact_location, self.target, copied.artifact_uri, counts
            )
        except artifacts.ArtifactsMissing as error:
            self.report.missing[str(error)] += 1
            return False
        return True

    def _tags(self, model: Any) -> dict[str, str]:
        tags = own_tags(model.tags or {})
        tags.pop(VERSIONS, None)
        return {
            **tags,
            self.marks.model_id: model.model_id,
            self.marks.origin: self.source.name,
            self.marks.created_at: str(model.creation_timestamp),
        }

    def _write_metrics(self, model: Any, copied: Copied) -> None:
        if not model.metrics:
            return
        from mlflow.entities import Metric  # noqa: PLC0415

        there = self.target.client.get_logged_model(copied.id)
        known = {(m.key, m.timestamp, m.step, m.run_id) for m in there.metrics or []}
        by_run: dict[str, list[Any]] = {}
        for one in model.metrics:
            run = self.ledger.runs.get(one.run_id)
            if run is None:
                self.report.note(
                    f"model {model.name}: metric {one.key} of a run that was not copied "
                    "is left out."
                )
            elif (one.key, one.timestamp, one.step, run.id) not in known:
                by_run.setdefault(run.id, []).append(
                    Metric(
                        one.key,
                        one.value,
                        one.timestamp,
                        one.step,
                        model_id=copied.id,
                        dataset_name=one.dataset_name,
                        dataset_digest=one.dataset_digest,
                        run_id=run.id,
                    )
                )
        for run_id, metrics in by_run.items():
            for start in range(0, len(metrics), 1000):
                self.target.client.log_batch(run_id, metrics=metrics[start : start + 1000])


def _fingerprint(model: Any) -> str:
    tags = own_tags(model.tags or {})
    tags.pop(VERSIONS, None)
    metrics = sorted((m.key, repr(m.value), m.timestamp, m.step) for m in model.metrics or [])
    data = [sorted(tags.items()), sorted((model.params or {}).items()), metrics]
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()[:16]
