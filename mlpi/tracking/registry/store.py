"""Reading registered models, each page at a price that does not grow with the registry.

MLflow keeps prompts among the registered models and marks them with a tag: none is read here. A
deleted version stays as a row of its own stage, so that its number is not given again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, or_, select
from sqlalchemy.engine import Connection, Engine

from mlpi.errors import Invalid, NotFound
from mlpi.tracking.models import (
    experiments,
    logged_models,
    model_aliases,
    model_versions,
    registered_model_tags,
    registered_models,
    runs,
)
from mlpi.tracking.models import model_version_tags as version_tags
from mlpi.tracking.registry.records import NO_STAGE, LoggedModel, Model, Version
from mlpi.tracking.runs.view import read_cursor
from mlpi.tracking.store import IS_MODEL

SORTS = ("name", "-name", "-updated", "updated", "-created", "created")
DELETED = "Deleted_Internal"
MAX_VERSION = 2**31 - 1
_READY = 2  # LoggedModelStatus in the database
_COLUMNS: dict[str, ColumnElement[Any]] = {
    "name": registered_models.c.name,
    "updated": func.coalesce(
        registered_models.c.last_updated_time, registered_models.c.creation_time, 0
    ),
    "created": func.coalesce(registered_models.c.creation_time, 0),
}
_IS_THERE = or_(model_versions.c.current_stage.is_(None), model_versions.c.current_stage != DELETED)
# What people tag, as opposed to what MLflow keeps in tags.
_IS_OWN_TAG = ~registered_model_tags.c.key.startswith("mlflow.")


class RegistryStore:
    """Queries on MLflow's model registry."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def count(self, workspace: str, search: str = "") -> int:
        """How many registered models there are."""
        query = select(func.count()).select_from(registered_models)
        with self._engine.connect() as db:
            return db.scalar(query.where(*_found(workspace, search))) or 0

    def page(
        self, workspace: str, search: str = "", sort: str = "name", after: str = "", limit: int = 50
    ) -> list[Model]:
        """Registered models of a workspace in one of SORTS; five queries, however many.

        search: a part of the name, the description, or a tag's key or value.
        Raises Invalid for a page marker that is not ours.
        """
        column = _COLUMNS[sort.lstrip("-")]
        query = (
            select(registered_models, column.label("sorted"))
            .where(*_found(workspace, search))
            .limit(limit)
        )
        last = read_cursor(after, 2)
        if last is not None:
            query = query.where(_behind(sort, column, last))
        query = query.order_by(
            column.desc() if sort.startswith("-") else column, registered_models.c.name
        )
        with self._engine.connect() as db:
            found = {row.name: _model(row) for row in db.execute(query)}
            self._fill(db, workspace, found)
        return list(found.values())

    def names(self, workspace: str, limit: int = 200) -> list[str]:
        """Names of registered models, last changed first, for completion."""
        query = (
            select(registered_models.c.name)
            .where(*_found(workspace, ""))
            .order_by(_COLUMNS["updated"].desc(), registered_models.c.name)
            .limit(limit)
        )
        with self._engine.connect() as db:
            return list(db.scalars(query))

    def model(self, workspace: str, name: str) -> Model:
        """One registered model. Raises NotFound, for a prompt too."""
        query = select(registered_models, registered_models.c.name.label("sorted")).where(
            *_found(workspace, ""), registered_models.c.name == name
        )
        with self._engine.connect() as db:
            row = db.execute(query).one_or_none()
            if row is None:
                raise NotFound("There is no such model in this workspace.")
            found = _model(row)
            self._fill(db, workspace, {name: found})
        return found

    def has_name(self, workspace: str, name: str) -> bool:
        """Whether a model or a prompt is called so."""
        query = select(registered_models.c.name).where(
            registered_models.c.workspace == workspace, registered_models.c.name == name
        )
        with self._engine.connect() as db:
            return db.scalar(query) is not None

    def is_prompt(self, workspace: str, name: str) -> bool:
        """Whether there is a prompt of this name."""
        query = select(registered_models.c.name).where(
            registered_models.c.workspace == workspace, registered_models.c.name == name, ~IS_MODEL
        )
        with self._engine.connect() as db:
            return db.scalar(query) is not None

    def versions(
        self, workspace: str, name: str, below: int | None = None, limit: int = 50
    ) -> list[Version]:
        """Versions of a model, newest first, from below a number on; three queries."""
        query = _versions(workspace).where(model_versions.c.name == name)
        if below is not None:
            query = query.where(model_versions.c.version < below)
        return self._versions(workspace, query.order_by(model_versions.c.version.desc()), limit)

    def version(self, workspace: str, name: str, number: int) -> Version:
        """One version of a model. Raises NotFound."""
        if not 0 < number <= MAX_VERSION:
            raise NotFound(f"{name} has no version {number}.")
        query = _versions(workspace).where(
            model_versions.c.name == name, model_versions.c.version == number
        )
        found = self._versions(workspace, query, 1)
        if not found:
            raise NotFound(f"{name} has no version {number}.")
        return found[0]

    def of_run(self, workspace: str, run_id: str) -> list[Version]:
        """What was registered of a run, newest first."""
        query = (
            _versions(workspace)
            .where(model_versions.c.run_id == run_id)
            .order_by(model_versions.c.creation_time.desc(), model_versions.c.version.desc())
        )
        return self._versions(workspace, query, 200)

    def has_stages(self, workspace: str, name: str) -> bool:
        """Whether any version of a model is in a stage."""
        query = (
            select(model_versions.c.version)
            .where(
                model_versions.c.workspace == workspace,
                model_versions.c.name == name,
                model_versions.c.current_stage.not_in((NO_STAGE, DELETED)),
            )
            .limit(1)
        )
        with self._engine.connect() as db:
            return db.scalar(query) is not None

    def logged(self, experiment_id: str, run_id: str) -> list[LoggedModel]:
        """The finished models that a run logged, oldest first."""
        query = (
            select(logged_models)
            .where(
                logged_models.c.source_run_id == run_id,
                logged_models.c.experiment_id == int(experiment_id),
                logged_models.c.lifecycle_stage == "active",
                logged_models.c.status == _READY,
            )
            .order_by(logged_models.c.creation_timestamp_ms, logged_models.c.model_id)
            .limit(100)
        )
        with self._engine.connect() as db:
            return [
                LoggedModel(row.model_id, row.name, row.artifact_location)
                for row in db.execute(query)
            ]

    @staticmethod
    def _fill(db: Connection, workspace: str, found: dict[str, Model]) -> None:
        """Put newest versions, aliases and own tags into models: three queries."""
        if not found:
            return
        newest = (
            select(
                model_versions.c.name,
                func.max(model_versions.c.version).label("version"),
                func.count().label("count"),
            )
            .where(
                model_versions.c.workspace == workspace, model_versions.c.name.in_(found), _IS_THERE
            )
            .group_by(model_versions.c.name)
            .subquery()
        )
        query = select(newest, model_versions.c.run_id).join(
            model_versions,
            and_(
                model_versions.c.workspace == workspace,
                model_versions.c.name == newest.c.name,
                model_versions.c.version == newest.c.version,
            ),
        )
        for name, version, count, run_id in db.execute(query):
            model = found[name]
            model.latest_version, model.version_count, model.run_id = version, count, run_id
        mine = (model_aliases.c.workspace == workspace) & model_aliases.c.name.in_(found)
        for row in _by(db.execute(select(model_aliases).where(mine)), "alias"):
            found[row.name].aliases[row.alias] = row.version
        mine = (registered_model_tags.c.workspace == workspace) & (
            registered_model_tags.c.name.in_(found)
        )
        for row in _by(db.execute(select(registered_model_tags).where(mine)), "key"):
            if not row.key.startswith("mlflow."):
                found[row.name].tags[row.key] = row.value or ""

    def _versions(self, workspace: str, query: Select[Any], limit: int) -> list[Version]:
        """The versions of a query with their aliases and tags."""
        with self._engine.connect() as db:
            found = {
                (row.name, row.version): _version(row) for row in db.execute(query.limit(limit))
            }
            if not found:
                return []
            names = {name for name, _ in found}
            for row in _by(db.execute(_of(model_aliases, workspace, names, found)), "alias"):
                if (row.name, row.version) in found:
                    found[row.name, row.version].aliases.append(row.alias)
            for row in _by(db.execute(_of(version_tags, workspace, names, found)), "key"):
                if (row.name, row.version) in found and not row.key.startswith("mlflow."):
                    found[row.name, row.version].tags[row.key] = row.value or ""
        return list(found.values())


def _of(
    table: Any, workspace: str, names: Iterable[str], numbers: Iterable[tuple[str, int]]
) -> Select[Any]:
    """Aliases or tags of versions; some of other versions of the same models may be among them."""
    return select(table).where(
        table.c.workspace == workspace,
        table.c.name.in_(names),
        table.c.version.in_({number for _, number in numbers}),
    )


def _by(rows: Iterable[Row[Any]], column: str) -> list[Row[Any]]:
    """Rows in the order of a column.

    Asked to sort by a tag's key, SQLite takes the primary key, which has it in front of the name,
    and goes through all tags of the workspace.
    """
    return sorted(rows, key=lambda row: str(getattr(row, column)))


def _found(workspace: str, search: str) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [registered_models.c.workspace == workspace, IS_MODEL]
    if search:
        tagged = exists().where(
            registered_model_tags.c.workspace == registered_models.c.workspace,
            registered_model_tags.c.name == registered_models.c.name,
            _IS_OWN_TAG,
            registered_model_tags.c.key.icontains(search, autoescape=True)
            | registered_model_tags.c.value.icontains(search, autoescape=True),
        )
        where.append(
            registered_models.c.name.icontains(search, autoescape=True)
            | registered_models.c.description.icontains(search, autoescape=True)
            | tagged
        )
    return where


def _behind(sort: str, column: ColumnElement[Any], last: Sequence[Any]) -> ColumnElement[bool]:
    """What comes behind the last row of the page before."""
    value, name = last
    if not isinstance(name, str) or isinstance(value, str) != (sort.lstrip("-") == "name"):
        raise Invalid(
            "The page marker is not one of ours, or of another order of the models.",
            advice="Begin again at the first page.",
            field="after",
        )
    further = column < value if sort.startswith("-") else column > value
    return or_(further, and_(column == value, registered_models.c.name > name))


def _versions(workspace: str) -> Select[Any]:
    """Versions with their runs, as far as these are of the workspace."""
    mine = select(experiments.c.experiment_id).where(experiments.c.workspace == workspace)
    return (
        select(
            model_versions,
            runs.c.run_uuid,
            runs.c.name.label("run_name"),
            runs.c.user_id.label("run_user"),
        )
        .select_from(
            model_versions.outerjoin(
                runs,
                and_(runs.c.run_uuid == model_versions.c.run_id, runs.c.experiment_id.in_(mine)),
            )
        )
        .where(model_versions.c.workspace == workspace, _IS_THERE)
    )


def _model(row: Row[Any]) -> Model:
    return Model(
        name=row.name,
        description=row.description or "",
        created_at=_at(row.creation_time),
        updated_at=_at(row.last_updated_time or row.creation_time),
        cursor=(row.sorted, row.name),
    )


def _version(row: Row[Any]) -> Version:
    return Version(
        name=row.name,
        version=row.version,
        created_at=_at(row.creation_time),
        updated_at=_at(row.last_updated_time),
        status=row.status or "READY",
        status_message=row.status_message or "",
        stage=row.current_stage or NO_STAGE,
        description=row.description or "",
        source=row.source or "",
        location=row.storage_location or row.source or "",
        run_id=row.run_id or "",
        run_name=(row.run_name or row.run_uuid[:8]) if row.run_uuid else "",
        user=row.run_user or "",
    )


def _at(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
