"""What the page of a run decides; knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlpi.artifacts import root_of
from mlpi.errors import NotFound
from mlpi.tracking.logged_models import Contents, contents
from mlpi.tracking.mlflow_app import MlflowApp
from mlpi.tracking.records import Run
from mlpi.tracking.run_page.files import Files, Item, clean_path
from mlpi.tracking.run_page.records import LoggedModel, Spark
from mlpi.tracking.run_page.store import RunPageStore
from mlpi.tracking.service import TrackingService, plain_first

# What a page draws small curves of, again every few seconds while the run goes on: to read so many
# points takes 0.2 s.
SPARK_POINTS = 60_000
SPARK_METRICS = 300
MOST_SHOWN = 400  # items of a folder in the tree
DEEPEST = 30  # folders in each other


@dataclass(frozen=True, slots=True)
class Branch:
    """An item of the tree. children: what lies in it when it is open; more: how many are left."""

    item: Item
    depth: int
    is_open: bool


class RunPage:
    """One run: what it measured, was given and left behind."""

    def __init__(self, tracking: TrackingService, mlflow: MlflowApp) -> None:
        self.tracking = tracking
        self._mlflow = mlflow
        self.store = RunPageStore(tracking.store.engine)

    def run(self, workspace: str, run_id: str) -> Run:
        """Raises NotFound, NotReady."""
        self.tracking.require_prepared()
        return self.tracking.store.run(workspace, run_id)

    def model(self, run_id: str, model_id: str) -> LoggedModel:
        """A model that the run logged. Raises NotFound."""
        for model in self.store.logged_models(run_id):
            if model.id == model_id:
                return model
        raise NotFound("This run has logged no such model.")

    def contents(self, workspace: str, ids: Sequence[str]) -> dict[str, Contents]:
        """Metrics, params and tags that logged models have themselves, by id."""
        return contents(self.tracking.store.engine, workspace, ids)

    def files(self, workspace: str, run_id: str, model_id: str = "") -> Files:
        """The run's files, or those of a model that it logged. Raises NotFound, NotReady."""
        run = self.run(workspace, run_id)
        uri = self.model(run_id, model_id).artifact_uri if model_id else run.artifact_uri
        return Files(self._mlflow.artifacts(), root_of(uri, workspace))

    def sparks(self, run_id: str, counts: Mapping[str, int]) -> dict[str, Spark]:
        """Small curves of as many metrics as one quick query can read; counts: points of each."""
        keys: list[str] = []
        points = 0
        for key in plain_first(counts):
            points += counts[key]
            if points > SPARK_POINTS or len(keys) == SPARK_METRICS:
                break
            keys.append(key)
        return self.store.sparks(run_id, keys)


def tree(files: Files, path: str) -> tuple[list[Branch], int]:
    """The items of a run as a tree that is open along a path, and how many are left out."""
    parts = clean_path(path).split("/") if path else []
    opened = {"/".join(parts[: n + 1]) for n in range(min(len(parts), DEEPEST))}
    branches: list[Branch] = []
    left_out = 0

    def grow(folder: str, depth: int) -> None:
        nonlocal left_out
        listed = files.listed(folder)
        shown = listed[:MOST_SHOWN]
        # What somebody looks at is always there.
        shown += [item for item in listed[MOST_SHOWN:] if item.path in opened]
        left_out += len(listed) - len(shown)
        for item in shown:
            is_open = item.is_dir and item.path in opened
            branches.append(Branch(item, depth, is_open))
            if is_open:
                grow(item.path, depth + 1)

    grow("", 0)
    return branches, left_out
