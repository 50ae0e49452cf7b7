"""The whole transfer: experiments one after the other, then the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mlpi.tracking.transfer import EndUnusable, Marks, ledger, own_tags
from mlpi.tracking.transfer.ends import End, make_default
from mlpi.tracking.transfer.guard import Guard
from mlpi.tracking.transfer.ledger import Ledger
from mlpi.tracking.transfer.logged import ModelCopy
from mlpi.tracking.transfer.prompts import PromptCopy
from mlpi.tracking.transfer.registry import RegistryCopy
from mlpi.tracking.transfer.report import Counts, Report, plural
from mlpi.tracking.transfer.runs import RunCopy


@dataclass
class Move:
    """From a source to a target. names: only these experiments; all when empty."""

    source: End
    target: End
    marks: Marks
    report: Report
    names: Sequence[str] = ()
    with_artifacts: bool = True
    _guard: Guard = field(init=False)

    def run(self) -> None:
        """Do it. Raises EndUnusable; what else fails is in the report."""
        self._guard = Guard(self.report)
        make_default(self.target)
        with self._guard.item("anything, for want of a list of what there is"):
            wanted = self._wanted()
            known = Ledger.of(self.target, self.marks)
            ids = [one.experiment_id for one in wanted]
            has_models = next(iter(ledger.logged_models(self.source, ids)), None) is not None
            self._copy(wanted, known, has_models=has_models)

    def _copy(self, wanted: list[Any], known: Ledger, *, has_models: bool) -> None:
        ends = (self.source, self.target, self.marks, known, self.report)
        runs = RunCopy(*ends, self.with_artifacts, has_models)
        models = ModelCopy(*ends, self.with_artifacts)
        for experiment in wanted:
            with self._guard.item(f"experiment {experiment.name}"):
                self._copy_experiment(experiment, known, runs, models)
        with self._guard.item("links between runs"):
            models.settle()
            runs.settle(is_last=True)
        with self._guard.item("registered models"):
            RegistryCopy(*ends, self._guard, is_partial=bool(self.names)).copy()
        with self._guard.item("prompts"):
            PromptCopy(*ends, self._guard, is_partial=bool(self.names)).copy()

    def _wanted(self) -> list[Any]:
        found = ledger.experiments(self.source)
        missing = sorted(set(self.names) - {one.name for one in found})
        if missing:
            names = ", ".join(sorted(one.name for one in found)[:20])
            raise EndUnusable(
                f"{self.source.name} has no experiment {', '.join(missing)}.",
                advice=f"It has: {names}." if names else "It has none.",
            )
        if not self.names and (deleted := ledger.deleted_experiments(self.source)):
            self.report.note(f"{plural(deleted, 'deleted experiment')} left out.")
        found.sort(key=lambda one: (one.creation_time or 0, one.name))
        return [one for one in found if not self.names or one.name in self.names]

    def _copy_experiment(
        self, experiment: Any, known: Ledger, runs: RunCopy, models: ModelCopy
    ) -> None:
        name, counts = experiment.name, Counts()
        everything = list(ledger.runs(self.source, [experiment.experiment_id]))
        logged = list(ledger.logged_models(self.source, [experiment.experiment_id]))
        if not everything and not logged and name == "Default" and not self.names:
            return  # MLflow makes it; nobody used it
        self._note_traces(experiment)
        place = self._place(experiment, known)
        total = sum(run.info.lifecycle_stage != "deleted" for run in everything)
        for run in everything:
            label = f"run {run.info.run_name or run.info.run_id} ({run.info.run_id}) in {name}"
            with self._guard.item(label):
                full = run
                if runs.with_models and run.info.lifecycle_stage != "deleted":
                    full = self.source.client.get_run(run.info.run_id)
                runs.copy(full, place, counts)
            self.report.progress(
                f"{name}: {counts.seen} of {plural(total, 'run')}, {counts.points:,} points, "
                f"{plural(counts.files, 'file')}"
            )
        for model in logged:
            with self._guard.item(f"model {model.name} ({model.model_id}) in {name}"):
                models.copy(model, place, counts)
        with self._guard.item(f"links between the runs of {name}"):
            runs.settle(is_last=False)
        for path in counts.refused:
            self.report.trouble(f"file {path} in {name}", "no MLflow server takes such a name")
        self.report.line(f"{name}: {counts.line()}")

    def _place(self, experiment: Any, known: Ledger) -> str:
        """The id of the target's experiment of this name, made when it is not there."""
        found = known.experiments.get(experiment.name)
        if found is not None:
            if self.marks.origin not in found.tags:
                self.report.note(
                    f"experiment {experiment.name} was there already: runs were added to it."
                )
            return str(found.experiment_id)
        location = None
        if self.target.artifact_root is not None:
            location = (self.target.artifact_root / experiment.experiment_id).as_uri()
        tags = {**own_tags(experiment.tags), self.marks.origin: self.source.name}
        made = self.target.client.create_experiment(experiment.name, location, tags)
        known.experiments[experiment.name] = self.target.client.get_experiment(made)
        return str(made)

    def _note_traces(self, experiment: Any) -> None:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        try:
            found = self.source.client.search_traces(
                locations=[experiment.experiment_id], max_results=1, include_spans=False
            )
        except MlflowException:
            return  # a server from before there were traces
        if found:
            self.report.note(f"experiment {experiment.name}: its traces are not copied.")
