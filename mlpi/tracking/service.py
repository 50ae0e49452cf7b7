"""What the tracking pages decide; knows no HTTP."""

from __future__ import annotations

from collections.abc import Iterable

from mlpi.artifacts import root_of
from mlpi.component import BOARD_RUN, MLFLOW_RUN, Hit
from mlpi.errors import NotFound, NotReady
from mlpi.tracking.mlflow_app import MlflowApp
from mlpi.tracking.records import Run
from mlpi.tracking.run_page.files import Files, Item
from mlpi.tracking.store import TrackingStore
from mlpi.tracking.trash.store import TrashStore

BOARDS_TAG = "mlpi.boards_run"  # names a run of boards that belongs to the MLflow run


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

    def artifacts(self, run: Run, path: str = "") -> list[Item]:
        """What lies in a folder of a run's artifacts, folders first. Raises NotReady."""
        try:
            return self.files(run).listed(path)
        except NotFound:
            return []

    def files(self, run: Run) -> Files:
        """A run's files. Raises NotReady, and NotFound when they are not its workspace's."""
        workspace = self.store.workspace_of(run_id=run.id) or ""
        return Files(self._mlflow.artifacts(), root_of(run.artifact_uri, workspace))

    def binned(self, workspace: str) -> int:
        """How many things lie in the workspace's trash; 0 before there are tables."""
        return TrashStore(self.store.engine).tally(workspace).total if self.is_prepared() else 0

    def search(self, workspace: str | None, words: str) -> list[Hit]:
        """Experiments and runs whose name holds the words."""
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
        return hits

    def related(self, workspace: str, kind: str, key: str) -> list[Hit]:
        """The run of this id; the runs whose tag names a run of boards. Raises NotReady."""
        if kind not in (MLFLOW_RUN, BOARD_RUN):
            return []
        self.require_prepared()
        if kind == BOARD_RUN:
            found = self.store.tagged(workspace, BOARDS_TAG, key)
        else:
            try:
                found = [self.store.run(workspace, key)]
            except NotFound:
                found = []
        return [
            Hit(run.name, f"/tracking/runs/{run.id}", "run", run.status.lower()) for run in found
        ]


def plain_first(keys: Iterable[str]) -> list[str]:
    """Metric keys in the order people look at them: plain ones, grouped ones, the system's."""
    return sorted(keys, key=lambda key: (key.startswith("system/"), "/" in key, key))
