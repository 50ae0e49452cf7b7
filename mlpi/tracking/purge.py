"""Taking experiments, runs and registered models away for good: rows and files.

MLflow deletes softly, and its own collector (mlflow gc) wants a workspace store outside the
service. So the rows are found by the foreign keys that the database itself declares, read from
it at that moment: what a newer MLflow adds goes along without being named here.
"""

from __future__ import annotations

import errno
import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import (
    ColumnElement,
    Engine,
    ForeignKeyConstraint,
    MetaData,
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

ATTEMPTS = 10  # to remove a folder that others remove, or write into, meanwhile
_IDS = {
    "experiments": "experiment_id",
    "runs": "run_uuid",
    "datasets": "dataset_uuid",
    "logged_models": "model_id",
    "trace_info": "request_id",
}
_EITHER_END = [(end, *owner) for end in ("source_id", "destination_id") for owner in _IDS.items()]
# What belongs to something without a foreign key: (column, the other table, its column).
_LOOSE = {
    "inputs": _EITHER_END,
    "entity_associations": _EITHER_END,
    "input_tags": [("input_uuid", "inputs", "input_uuid")],
}

Doomed = Mapping[str, ColumnElement[bool]]  # by table name: which of its rows go


class Purge:
    """Removes chosen experiments and registered models of one workspace.

    In an order that can be taken up again after a crash: hidden first, then the files, then the
    rows in one transaction.
    """

    def __init__(self, engine: Engine, artifacts: str, workspace: str) -> None:
        self._engine = engine
        self._writing = engine.execution_options(mlpi_write=True)
        self._artifacts = artifacts
        self._workspace = workspace
        self._tables = _reflected(engine)

    def run(self, experiment_ids: Sequence[int], model_names: Sequence[str]) -> None:
        """Remove them with everything that hangs on them."""
        experiments = self._tables.tables["experiments"]
        models = self._tables.tables["registered_models"]
        chosen: Doomed = {
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
            self.delete_files(f"workspaces/{self._workspace}/{experiment_id}")
        with self._writing.begin() as db:
            self._delete_rows(db, chosen)

    def delete_rows(self, table: str, ids: Sequence[int | str]) -> None:
        """Remove rows of a table by id, with everything that hangs on them, in one transaction."""
        key = self._tables.tables[table].c[_IDS[table]]
        with self._writing.begin() as db:
            self._delete_rows(db, {table: key.in_(ids)})

    def remains(self) -> dict[str, int]:
        """How many rows the workspace still owns, by table; what hangs on others is left out."""
        with self._engine.connect() as db:
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
        self.delete_files(f"workspaces/{self._workspace}")

    def _delete_rows(self, db: Connection, chosen: Doomed) -> None:
        doomed = dict(chosen)
        for table in self._tables.sorted_tables:  # parents before children
            if table.name not in doomed:
                signs = [*_signs(table, doomed), *self._loose_signs(table, doomed)]
                if signs:
                    doomed[table.name] = or_(*signs)
        for table in reversed(self._tables.sorted_tables):
            if table.name in doomed:
                db.execute(delete(table).where(doomed[table.name]))

    def _loose_signs(self, table: Table, doomed: Doomed) -> list[ColumnElement[bool]]:
        """What tells a table's rows that go, where no foreign key does."""
        return [
            table.c[column].in_(
                select(cast(owner.c[key], table.c[column].type)).where(doomed[owner.name])
            )
            for column, owner, key in _loose_ties(self._tables, table)
            if owner.name in doomed
        ]

    def delete_files(self, path: str) -> None:
        """Remove a folder of the artifacts, if it is there. Raises OSError."""
        place = self._artifacts
        if "://" not in place:
            folder = Path(place) / path
            for _ in range(ATTEMPTS):
                with suppress(FileNotFoundError):  # somebody else removes it too
                    shutil.rmtree(folder)
                if not folder.exists():
                    return
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        # Seconds and 100 MB, for object stores only.
        from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415
            get_artifact_repository,
        )

        get_artifact_repository(place).delete_artifacts(path)  # type: ignore[no-untyped-call]


def _reflected(engine: Engine) -> MetaData:
    tables = MetaData()
    with warnings.catch_warnings():
        # Indexes on expressions and the like, of no importance here.
        warnings.simplefilter("ignore", SAWarning)
        tables.reflect(engine)
    for table in tables.tables.values():
        for _, owner, _ in _loose_ties(tables, table):
            table.add_is_dependent_on(owner)
    return tables


def _loose_ties(tables: MetaData, table: Table) -> list[tuple[str, Table, str]]:
    """The columns that tie a table's rows to others without a foreign key."""
    ties = list(_LOOSE.get(table.name, ()))
    is_counted = "experiment_id" in table.c and table.name != "experiments"
    if is_counted and not table.c.experiment_id.foreign_keys:  # the daily roll-ups of traces
        ties.append(("experiment_id", "experiments", "experiment_id"))
    return [
        (column, tables.tables[owner], key) for column, owner, key in ties if owner in tables.tables
    ]


def _parents(table: Table) -> list[ForeignKeyConstraint]:
    """The foreign keys that make a row part of another one."""
    return [
        key for key in table.foreign_key_constraints if (key.ondelete or "").upper() != "SET NULL"
    ]


def _signs(table: Table, doomed: Doomed) -> list[ColumnElement[bool]]:
    """What tells a table's rows that go, by its foreign keys to rows that go."""
    return [
        tuple_(*(table.c[name] for name in key.column_keys)).in_(
            select(*(element.column for element in key.elements)).where(
                doomed[key.referred_table.name]
            )
        )
        for key in _parents(table)
        if key.referred_table.name in doomed
    ]
