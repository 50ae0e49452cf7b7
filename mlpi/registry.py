"""What MLflow's database says of models, read without MLflow. Never written to.

Every query is bound to one workspace.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import exists, inspect, or_, select
from sqlalchemy.exc import DatabaseError

from mlpi.db import open_engine
from mlpi.mlflow_tables import experiments as _experiments
from mlpi.mlflow_tables import logged_models as _logged
from mlpi.mlflow_tables import model_aliases as _aliases
from mlpi.mlflow_tables import model_versions as _versions
from mlpi.mlflow_tables import registered_model_tags as _tags
from mlpi.mlflow_tables import registered_models as _models

MOST_LISTED = 200
_DELETED = "Deleted_Internal"
# MLflow keeps prompts among the registered models and marks them with a tag.
_IS_MODEL = ~exists().where(
    _tags.c.workspace == _models.c.workspace,
    _tags.c.name == _models.c.name,
    _tags.c.key == "mlflow.prompt.is_prompt",
)
_IS_THERE = or_(_versions.c.current_stage.is_(None), _versions.c.current_stage != _DELETED)


@dataclass(slots=True)
class Registered:
    """A registered model: its versions, newest first, and its aliases with theirs."""

    name: str
    versions: list[int] = field(default_factory=list)
    aliases: dict[str, int] = field(default_factory=dict)


class Registry:
    """Queries on MLflow's model registry."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url)
        database = self._engine.url.database or ""
        self._file = Path(database) if self._engine.dialect.name == "sqlite" else None
        self._is_prepared = False

    def close(self) -> None:
        self._engine.dispose()

    def is_prepared(self) -> bool:
        """Whether MLflow has made its tables, workspaces included; asked until it is true."""
        if self._is_prepared:
            return True
        if self._file is not None and not self._file.exists():
            return False  # looking would create an empty one
        try:
            with self._engine.connect() as db:
                schema = inspect(db)
                self._is_prepared = schema.has_table("model_versions") and any(
                    column["name"] == "workspace" for column in schema.get_columns("model_versions")
                )
        except DatabaseError:
            return False  # damaged, or no space: MLflow's room says so
        return self._is_prepared

    def models(self, workspace: str) -> list[Registered]:
        """The first MOST_LISTED models by name; three queries. Those without versions too."""
        names = (
            select(_models.c.name)
            .where(_models.c.workspace == workspace, _IS_MODEL)
            .order_by(_models.c.name)
            .limit(MOST_LISTED)
        )
        with self._engine.connect() as db:
            found = {name: Registered(name) for name in db.scalars(names)}
            versions = (
                select(_versions.c.name, _versions.c.version)
                .where(_versions.c.workspace == workspace, _versions.c.name.in_(found), _IS_THERE)
                .order_by(_versions.c.version.desc())
            )
            for name, version in db.execute(versions):
                found[name].versions.append(version)
            aliases = (
                select(_aliases.c.name, _aliases.c.alias, _aliases.c.version)
                .where(_aliases.c.workspace == workspace, _aliases.c.name.in_(found))
                .order_by(_aliases.c.alias)
            )
            for name, alias, version in db.execute(aliases):
                found[name].aliases[alias] = version
        return list(found.values())

    def has(self, workspace: str, name: str) -> bool:
        """Whether there is a model, not a prompt, of this name."""
        query = select(_models.c.name).where(
            _models.c.workspace == workspace, _models.c.name == name, _IS_MODEL
        )
        with self._engine.connect() as db:
            return db.scalar(query) is not None

    def aliased(self, workspace: str, name: str, alias: str) -> int | None:
        """The version that an alias names."""
        query = select(_aliases.c.version).where(
            _aliases.c.workspace == workspace, _aliases.c.name == name, _aliases.c.alias == alias
        )
        with self._engine.connect() as db:
            return db.scalar(query)

    def location(self, workspace: str, name: str, version: int) -> str | None:
        """Where a version's files lie, as MLflow writes it; None when there is no such version."""
        query = select(_versions.c.storage_location, _versions.c.source).where(
            _versions.c.workspace == workspace,
            _versions.c.name == name,
            _versions.c.version == version,
            _IS_THERE,
        )
        with self._engine.connect() as db:
            found = db.execute(query).one_or_none()
        return None if found is None else found.storage_location or found.source or ""

    def logged(
        self, workspace: str, *, model_id: str = "", run_id: str = "", name: str = ""
    ) -> tuple[str, str] | None:
        """(id, where its files lie) of a logged model, by its id, or by its run and its name."""
        query = (
            select(_logged.c.model_id, _logged.c.artifact_location)
            .join(_experiments, _experiments.c.experiment_id == _logged.c.experiment_id)
            .where(_experiments.c.workspace == workspace, _logged.c.lifecycle_stage == "active")
            .order_by(_logged.c.model_id)
        )
        if model_id:
            query = query.where(_logged.c.model_id == model_id)
        else:
            query = query.where(_logged.c.source_run_id == run_id, _logged.c.name == name)
        with self._engine.connect() as db:
            found = db.execute(query.limit(1)).one_or_none()
        return None if found is None else (found.model_id, found.artifact_location)
