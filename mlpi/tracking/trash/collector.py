"""Removing for good what lies in the trash, as `mlflow gc` does, and in its order.

Hidden first, then the files, then the rows, a few hundred runs at a time. What was begun is no
longer of any workspace: nobody can restore it or log to it, through whatever door, and a mark
tells the next collector to take it up again. Unlike `mlflow gc`, it also removes what names a run
that is gone (inputs, links to traces) and the whole folder of an experiment, and leaves alone what
lies outside the service's own artifacts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, delete, insert, literal, select, text, update

from mlpi.tracking.models import experiment_tags, experiments, logged_models, runs, tags
from mlpi.tracking.purge import Purge
from mlpi.tracking.trash.chosen import (
    NOWHERE,
    PURGE_TAG,
    chosen_experiments,
    chosen_models,
    chosen_runs,
    is_leaving_experiment,
    is_leaving_run,
)
from mlpi.tracking.trash.files import folder_size, own_path
from mlpi.tracking.trash.records import Choice, Place

BATCH = 200
# Rows of histories in one transaction: nobody who logs meanwhile waits for longer than it takes.
POINTS = 20_000
MOST_LISTED = 50
Tell = Callable[["Collected"], None]
_ROW = {"sqlite": "rowid", "postgresql": "ctid"}


@dataclass
class Collected:
    """What went. left: places of files that were not the service's own, at most MOST_LISTED."""

    experiments: list[str] = field(default_factory=list)
    runs: int = 0
    models: int = 0
    points: int = 0
    size_bytes: int = 0
    left: list[str] = field(default_factory=list)
    left_count: int = 0


class Collector:
    """Empties the trash of one workspace."""

    def __init__(self, engine: Engine, artifacts: str, workspace: str) -> None:
        self._engine = engine
        self._writing = engine.execution_options(mlpi_write=True)
        self._root = None if "://" in artifacts else Path(artifacts)
        self._workspace = workspace
        self._purge = Purge(engine, artifacts, workspace)
        self.done = Collected()

    def run(self, choice: Choice, tell: Tell) -> Collected:
        """Remove the choice, and what an earlier collector has begun. Raises OSError."""
        self.claim(choice)
        self._collect_runs(tell)
        self._collect_models(choice, tell)
        self._collect_experiments(tell)
        return self.done

    def claim(self, choice: Choice) -> None:
        """Take what is chosen, and still deleted, out of the workspace."""
        gone = select(experiments.c.experiment_id).where(
            chosen_experiments(self._workspace, choice)
        )
        with self._writing.begin() as db:
            for id_ in db.scalars(gone).all():
                mine = experiment_tags.c.experiment_id == id_
                db.execute(delete(experiment_tags).where(mine, experiment_tags.c.key == PURGE_TAG))
                row = {"experiment_id": id_, "key": PURGE_TAG, "value": self._workspace}
                db.execute(insert(experiment_tags).values(row))
                db.execute(
                    update(experiments)
                    .where(experiments.c.experiment_id == id_)
                    .values(workspace=f"{NOWHERE}{id_}")
                )
        single = select(runs.c.run_uuid).where(chosen_runs(self._workspace, choice))
        while True:
            with self._writing.begin() as db:
                ids = db.scalars(single.limit(BATCH)).all()
                if not ids:
                    return
                mine = tags.c.run_uuid.in_(ids) & (tags.c.key == PURGE_TAG)
                db.execute(delete(tags).where(mine))
                value = {"key": PURGE_TAG, "value": self._workspace}
                db.execute(insert(tags), [{"run_uuid": id_, **value} for id_ in ids])
                db.execute(update(runs).where(runs.c.run_uuid.in_(ids)).values(experiment_id=None))

    def _collect_runs(self, tell: Tell) -> None:
        query = (
            select(literal("run"), runs.c.run_uuid, runs.c.artifact_uri)
            .select_from(runs.join(tags, tags.c.run_uuid == runs.c.run_uuid))
            .where(is_leaving_run(self._workspace))
            .limit(BATCH)
        )
        while found := self._places(query):
            self._remove_runs(found)
            tell(self.done)

    def _collect_models(self, choice: Choice, tell: Tell) -> None:
        query = (
            select(literal("model"), logged_models.c.model_id, logged_models.c.artifact_location)
            .where(chosen_models(self._workspace, choice))
            .limit(BATCH)
        )
        while found := self._places(query):
            for one in found:
                self._remove_files(one)
            self._purge.delete_rows("logged_models", [one.id for one in found])
            self.done.models += len(found)
            tell(self.done)

    def _collect_experiments(self, tell: Tell) -> None:
        query = (
            select(experiments.c.experiment_id, experiments.c.name, experiments.c.artifact_location)
            .select_from(
                experiments.join(
                    experiment_tags, experiment_tags.c.experiment_id == experiments.c.experiment_id
                )
            )
            .where(is_leaving_experiment(self._workspace))
        )
        with self._engine.connect() as db:
            found = db.execute(query).all()
        for id_, name, uri in found:
            self._remove_experiment(id_, uri or "", tell)
            self.done.experiments.append(f"{id_} {name}")
            tell(self.done)

    def _remove_experiment(self, id_: int, uri: str, tell: Tell) -> None:
        mine = (
            select(literal("run"), runs.c.run_uuid, runs.c.artifact_uri)
            .where(runs.c.experiment_id == id_)
            .limit(BATCH)
        )
        while found := self._places(mine):
            self._remove_runs(found)
            tell(self.done)
        models = (
            select(literal("model"), logged_models.c.model_id, logged_models.c.artifact_location)
            .where(logged_models.c.experiment_id == id_)
            .limit(BATCH)
        )
        while found := self._places(models):
            for one in found:
                self._remove_files(one)
            self._purge.delete_rows("logged_models", [one.id for one in found])
            self.done.models += len(found)
        self._remove_files(Place("experiment", str(id_), uri))
        self._purge.delete_rows("experiments", [id_])

    def _remove_runs(self, found: Sequence[Place]) -> None:
        ids = [one.id for one in found]
        for one in found:
            self._remove_files(one)
        self._remove_points(ids)
        self._purge.delete_rows("runs", ids)
        self.done.runs += len(ids)

    def _remove_points(self, ids: Sequence[str]) -> None:
        row = _ROW[self._engine.dialect.name]
        names = {f"id_{number}": id_ for number, id_ in enumerate(ids)}
        mine = ", ".join(f":{name}" for name in names)
        statement = text(
            f"DELETE FROM metrics WHERE {row} IN "  # noqa: S608 - own names
            f"(SELECT {row} FROM metrics WHERE run_uuid IN ({mine}) LIMIT {POINTS})"
        )
        count = POINTS
        while count >= POINTS:
            with self._writing.begin() as db:
                count = int(db.execute(statement, names).rowcount)
            self.done.points += count

    def _remove_files(self, place: Place) -> None:
        path = own_path(place.artifact_uri, self._workspace, place.id)
        if path is None:
            if place.artifact_uri:
                self.done.left_count += 1
                if len(self.done.left) < MOST_LISTED:
                    self.done.left.append(place.artifact_uri)
            return
        if self._root is not None:
            self.done.size_bytes += folder_size(self._root / path, time.monotonic() + 600)[0]
        self._purge.delete_files(path)
        parent = path.rpartition("/")[0]
        if self._root is not None and parent.rpartition("/")[2] == place.id:
            _remove_empty(self._root / parent)

    def _places(self, query: Any) -> list[Place]:
        with self._engine.connect() as db:
            return [Place(kind, str(id_), uri or "") for kind, id_, uri in db.execute(query)]


def _remove_empty(folder: Path) -> None:
    """Remove a folder if nothing is in it."""
    try:
        folder.rmdir()
    except OSError:
        return  # not there, or somebody put something beside the artifacts
