"""Taking experiments and registered models away for good: their rows, then nothing else's.

MLflow deletes softly, and its own collector (mlflow gc) wants a workspace store outside the
service. So the rows are found by the foreign keys that the database itself declares, read from
it at that moment: what a newer MLflow adds goes along without being named here.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import (
    ColumnElement,
    Engine,
    ForeignKeyConstraint,
    MetaData,
    String,
    Table,
    cast,
    delete,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SAWarning

from mlpi.settings import Settings

# They name what they belong to without a foreign key.
_ENDS = {
    "inputs": ("source_id", "destination_id"),
    "entity_associations": ("source_id", "destination_id"),
}
_KEYS = {
    "runs": "run_uuid",
    "datasets": "dataset_uuid",
    "logged_models": "model_id",
    "trace_info": "request_id",
    "experiments": "experiment_id",
}


class Purge:
    """Removes chosen experiments and registered models of one workspace.

    In an order that can be taken up again after a crash: hidden first, then the files, then the
    rows in one transaction.
    """

    def __init__(self, engine: Engine, settings: Settings, workspace: str) -> None:
        self._writing = engine.execution_options(mlpi_write=True)
        self._settings = settings
        self._workspace = workspace
        self._tables = _reflected(engine)

    def run(self, experiment_ids: Sequence[int], model_names: Sequence[str]) -> None:
        """Remove them with everything that hangs on them."""
        experiments = self._tables.tables["experiments"]
        models = self._tables.tables["registered_models"]
        chosen: dict[str, ColumnElement[bool]] = {
            "experiments": (experiments.c.workspace == self._workspace)
            & experiments.c.experiment_id.in_(experiment_ids),
            "registered_models": (models.c.workspace == self._workspace)
            & models.c.name.in_(model_names),
        }
        with self._writing.begin() as db:
            db.execute(
                update(experiments).where(chosen["experiments"]).values(lifecycle_stage="deleted")
            )
        for experiment_id in experiment_ids:
            self._delete_files(f"workspaces/{self._workspace}/{experiment_id}")
        with self._writing.begin() as db:
            self._delete_rows(db, chosen)

    def remains(self) -> dict[str, int]:
        """How many rows the workspace still owns, by table; what hangs on others is left out."""
        with self._writing.connect() as db:
            counts = {
                table.name: db.scalar(
                    select(func.count())
                    .select_from(table)
                    .where(table.c.workspace == self._workspace)
                )
                or 0
                for table in self._tables.sorted_tables
                if "workspace" in table.c and not _parents(table)
            }
        return {name: count for name, count in counts.items() if count}

    def drop_folder(self) -> None:
        """Remove the workspace's own artifact folder, once nothing is left in it."""
        self._delete_files(f"workspaces/{self._workspace}")

    def _delete_rows(self, db: Connection, chosen: Mapping[str, ColumnElement[bool]]) -> None:
        doomed = dict(chosen)
        for table in self._tables.sorted_tables:  # parents before children
            if table.name in doomed:
                continue
            ways = [
                tuple_(*(table.c[name] for name in key.column_keys)).in_(
                    select(*(element.column for element in key.elements)).where(
                        doomed[key.referred_table.name]
                    )
                )
                for key in _parents(table)
                if key.referred_table.name in doomed
            ]
            ways += self._loose_ends(table, doomed)
            if ways:
                doomed[table.name] = or_(*ways)
        for table in reversed(self._tables.sorted_tables):
            if table.name in doomed:
                db.execute(delete(table).where(doomed[table.name]))

    def _loose_ends(
        self, table: Table, doomed: Mapping[str, ColumnElement[bool]]
    ) -> list[ColumnElement[bool]]:
        """What marks a table's rows as going although no foreign key does."""
        experiments = self._tables.tables["experiments"]
        if table.name in _ENDS:
            return [
                table.c[end].in_(
                    select(cast(self._tables.tables[owner].c[key], String)).where(doomed[owner])
                )
                for end in _ENDS[table.name]
                for owner, key in _KEYS.items()
                if owner in doomed
            ]
        if "experiment_id" in table.c and not table.c.experiment_id.foreign_keys:
            mine = select(experiments.c.experiment_id).where(doomed["experiments"])
            return [table.c.experiment_id.in_(mine)]  # the daily roll-ups of traces
        return []

    def _delete_files(self, path: str) -> None:
        place = self._settings.artifacts
        if "://" not in place:
            shutil.rmtree(Path(place) / path, ignore_errors=True)
            return
        # Seconds and 100 MB, for object stores only.
        from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415
            get_artifact_repository,
        )

        get_artifact_repository(place).delete_artifacts(path)


def _reflected(engine: Engine) -> MetaData:
    tables = MetaData()
    with warnings.catch_warnings():
        # Indexes on expressions and the like, of no importance here.
        warnings.simplefilter("ignore", SAWarning)
        tables.reflect(engine)
    return tables


def _parents(table: Table) -> list[ForeignKeyConstraint]:
    """The foreign keys that make a row part of another one."""
    return [
        key
        for key in table.foreign_key_constraints
        if (key.ondelete or "").upper() != "SET NULL"
    ]
