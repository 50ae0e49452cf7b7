"""What the tracking pages decide; knows no HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlencode

from mlpi.component import Hit
from mlpi.errors import Invalid, NotReady
from mlpi.tracking.mlflow_app import MlflowApp
from mlpi.tracking.records import Experiment, Run
from mlpi.tracking.store import TrackingStore

RUNS_PER_PAGE = 50
MAX_COLUMNS = 8
_IMAGES = {".png", ".jpg", ".jpeg", ".gif", ".webp"}


@dataclass(frozen=True, slots=True)
class Artifact:
    path: str
    is_dir: bool
    size_bytes: int | None

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def is_image(self) -> bool:
        return PurePosixPath(self.path).suffix.lower() in _IMAGES


@dataclass(frozen=True, slots=True)
class RunsPage:
    """A page of runs, and the columns worth showing for them."""

    experiment: Experiment
    runs: list[Run]
    metric_keys: list[str]
    param_keys: list[str]
    next_after: str | None


class TrackingService:
    """Our pages over MLflow's database and artifacts."""

    def __init__(self, store: TrackingStore, mlflow: MlflowApp) -> None:
        self.store = store
        self._mlflow = mlflow
        self._prepared = False

    def is_prepared(self) -> bool:
        """Whether there are tables to read; asked of the database until it is true."""
        if not self._prepared:
            self._prepared = self._mlflow.is_ready or self.store.is_prepared()
        return self._prepared

    def require_prepared(self) -> None:
        """Raises NotReady before MLflow has made its tables, which happens once; MlflowFailed."""
        if not self.is_prepared():
            self._mlflow.require_not_failed()
            raise NotReady("MLflow is preparing its database, as it does once.")

    def runs_page(self, workspace: str, experiment_id: str, after: str | None) -> RunsPage:
        """A page of an experiment's runs. Raises NotFound, Invalid."""
        self.require_prepared()
        experiment = self.store.experiment(workspace, experiment_id)
        found = self.store.runs(experiment_id, _cursor(after), limit=RUNS_PER_PAGE + 1)
        is_more, found = len(found) > RUNS_PER_PAGE, found[:RUNS_PER_PAGE]
        last_at = found[-1].started_at if is_more else None
        return RunsPage(
            experiment=experiment,
            runs=found,
            metric_keys=_commonest([run.metrics for run in found], MAX_COLUMNS),
            param_keys=_commonest([run.params for run in found], MAX_COLUMNS // 2),
            next_after=f"{round(last_at.timestamp() * 1000)}.{found[-1].id}" if last_at else None,
        )

    def artifacts(self, run: Run, path: str = "") -> list[Artifact]:
        """What lies in a folder of a run's artifacts, folders first. Raises NotReady."""
        prefix = run.artifact_uri.partition(":/")[2].strip("/")
        if (
            not run.artifact_uri.startswith("mlflow-artifacts:")
            or ".." in PurePosixPath(path).parts
        ):
            return []
        listed = self._mlflow.artifacts().list_artifacts("/".join(p for p in (prefix, path) if p))
        found = [
            Artifact(item.path.removeprefix(prefix).strip("/"), item.is_dir, item.file_size)
            for item in listed
        ]
        return sorted(found, key=lambda item: (not item.is_dir, item.path))

    def search(self, workspace: str | None, words: str) -> list[Hit]:
        """Experiments, runs and models whose name holds the words."""
        if workspace is None or not self.is_prepared():
            return []
        hits = [
            Hit(experiment.name, f"/tracking/experiments/{experiment.id}", "experiment")
            for experiment in self.store.experiments(workspace, words)[:5]
        ]
        hits += [
            Hit(run.name, f"/tracking/runs/{run.id}", "run", run.status.lower())
            for run in self.store.find(workspace, words)
        ]
        hits += [
            Hit(model.name, "/tracking/models?" + urlencode({"q": model.name}), "model")
            for model in self.store.models(workspace, words)[:5]
        ]
        return hits


def plain_first(keys: Iterable[str]) -> list[str]:
    """Metric keys in the order people look at them: plain ones, grouped ones, the system's."""
    return sorted(keys, key=lambda key: (key.startswith("system/"), "/" in key, key))


def _cursor(after: str | None) -> tuple[int, str] | None:
    if not after:
        return None
    start, _, run_id = after.partition(".")
    if not start.isdecimal() or not run_id:
        raise Invalid("The page marker is not one of ours.", field="after")
    return int(start), run_id


def _commonest(groups: list[dict[str, float]] | list[dict[str, str]], limit: int) -> list[str]:
    """The keys most of the groups have, system metrics last."""
    seen: dict[str, int] = {}
    for group in groups:
        for key in group:
            seen[key] = seen.get(key, 0) + 1
    ranked = sorted(plain_first(seen), key=lambda key: (key.startswith("system/"), -seen[key]))
    return ranked[:limit]
