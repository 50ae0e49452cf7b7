"""Reading prompts out of MLflow's registry. Every query is bound to one workspace."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, exists, func, select

from mlpi.errors import NotFound
from mlpi.tracking.models import (
    model_aliases,
    model_versions,
    registered_model_tags,
    registered_models,
)
from mlpi.tracking.models import model_version_tags as version_tags
from mlpi.tracking.prompts.records import (
    DELETED,
    IS_PROMPT,
    Prompt,
    Version,
    is_own,
)

PAGE = 100
MAX_VERSIONS = 300  # of one prompt, the newest
_IS_KEPT = func.coalesce(model_versions.c.current_stage, "") != DELETED


class PromptStore:
    """Queries on the engine of TrackingStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def page(self, workspace: str, search: str = "", after: str = "") -> tuple[list[Prompt], str]:
        """Prompts by name, and the name to go on after, empty at the end. Four queries.

        search: a part of the name, of a tag's key or value, or of an alias.
        """
        query = (
            select(registered_models.c.name, registered_models.c.last_updated_time)
            .where(registered_models.c.workspace == workspace, _is_prompt())
            .order_by(registered_models.c.name)
            .limit(PAGE + 1)
        )
        if search:
            query = query.where(_has(search))
        if after:
            query = query.where(registered_models.c.name > after)
        with self._engine.connect() as db:
            rows = db.execute(query).all()
            names = [row.name for row in rows[:PAGE]]
            counted = (
                select(model_versions.c.name, func.max(model_versions.c.version), func.count())
                .where(
                    model_versions.c.workspace == workspace,
                    model_versions.c.name.in_(names),
                    _IS_KEPT,
                )
                .group_by(model_versions.c.name)
            )
            counts = {name: (latest, count) for name, latest, count in db.execute(counted)}
            found = {
                row.name: Prompt(
                    row.name, *counts.get(row.name, (None, 0)), _at(row.last_updated_time)
                )
                for row in rows[:PAGE]
            }
            aliases = select(model_aliases).where(
                model_aliases.c.workspace == workspace, model_aliases.c.name.in_(names)
            )
            for row in db.execute(aliases):
                found[row.name].aliases[row.alias] = row.version
            tags = select(registered_model_tags).where(
                registered_model_tags.c.workspace == workspace,
                registered_model_tags.c.name.in_(names),
            )
            for row in db.execute(tags.order_by(registered_model_tags.c.key)):
                if is_own(row.key):
                    found[row.name].tags[row.key] = row.value or ""
        return list(found.values()), names[-1] if len(rows) > PAGE else ""

    def prompt(self, workspace: str, name: str) -> Prompt:
        """One prompt. Raises NotFound, for a registered model too."""
        query = select(registered_models.c.last_updated_time).where(
            registered_models.c.workspace == workspace,
            registered_models.c.name == name,
            _is_prompt(),
        )
        counted = select(func.max(model_versions.c.version), func.count()).where(
            model_versions.c.workspace == workspace, model_versions.c.name == name, _IS_KEPT
        )
        named = (model_aliases.c.workspace == workspace) & (model_aliases.c.name == name)
        tagged = (registered_model_tags.c.workspace == workspace) & (
            registered_model_tags.c.name == name
        )
        with self._engine.connect() as db:
            row = db.execute(query).one_or_none()
            if row is None:
                raise NotFound("There is no such prompt in this workspace.")
            latest, count = db.execute(counted).one()
            aliases = db.execute(select(model_aliases).where(named)).all()
            tags = db.execute(select(registered_model_tags).where(tagged)).all()
        return Prompt(
            name,
            latest,
            count,
            _at(row.last_updated_time),
            {one.alias: one.version for one in aliases},
            {one.key: one.value or "" for one in sorted(tags) if is_own(one.key)},
        )

    def versions(self, workspace: str, name: str) -> list[Version]:
        """The newest versions of a prompt without their templates, newest first."""
        query = (
            select(model_versions)
            .where(model_versions.c.workspace == workspace, model_versions.c.name == name, _IS_KEPT)
            .order_by(model_versions.c.version.desc())
            .limit(MAX_VERSIONS)
        )
        with self._engine.connect() as db:
            return [_version(row, {}) for row in db.execute(query)]

    def version(self, workspace: str, name: str, number: int) -> Version:
        """One version with its template. Raises NotFound."""
        one = (
            model_versions.c.workspace == workspace,
            model_versions.c.name == name,
            model_versions.c.version == number,
            _IS_KEPT,
        )
        tags = select(version_tags.c.key, version_tags.c.value).where(
            version_tags.c.workspace == workspace,
            version_tags.c.name == name,
            version_tags.c.version == number,
        )
        with self._engine.connect() as db:
            row = db.execute(select(model_versions).where(*one)).one_or_none()
            if row is None:
                raise NotFound(f"This prompt has no version {number}.")
            return _version(row, {key: value or "" for key, value in db.execute(tags)})


def _is_prompt() -> ColumnElement[bool]:
    return exists().where(
        registered_model_tags.c.workspace == registered_models.c.workspace,
        registered_model_tags.c.name == registered_models.c.name,
        registered_model_tags.c.key == IS_PROMPT,
        registered_model_tags.c.value == "true",
    )


def _has(search: str) -> ColumnElement[bool]:
    """Whether a name, an alias or one of people's tags holds the words."""
    labels = registered_model_tags.alias("labels")
    tagged = exists().where(
        labels.c.workspace == registered_models.c.workspace,
        labels.c.name == registered_models.c.name,
        ~labels.c.key.startswith("mlflow.", autoescape=True),
        ~labels.c.key.startswith("_mlflow_", autoescape=True),
        labels.c.key.icontains(search, autoescape=True)
        | labels.c.value.icontains(search, autoescape=True),
    )
    aliased = exists().where(
        model_aliases.c.workspace == registered_models.c.workspace,
        model_aliases.c.name == registered_models.c.name,
        model_aliases.c.alias.icontains(search, autoescape=True),
    )
    return registered_models.c.name.icontains(search, autoescape=True) | tagged | aliased


def _version(row: Any, tags: dict[str, str]) -> Version:
    return Version(
        row.version, row.description or "", row.user_id or "", _at(row.creation_time), tags
    )


def _at(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
