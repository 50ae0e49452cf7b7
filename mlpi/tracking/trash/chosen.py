"""What of the trash a choice means, what would go with it, and what is on its way out.

Every condition is bound to one workspace.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Engine, and_, exists, func, literal, or_, select

from mlpi.tracking.models import (
    experiment_tags,
    experiments,
    logged_models,
    metrics,
    model_versions,
    runs,
    tags,
)
from mlpi.tracking.trash.records import Choice, Place, Stakes

POINTS_UP_TO = 1_000_000
NAMES = 20
# What tells that a thing is on its way out, and of which workspace it was.
PURGE_TAG = "mlpi.purge"
NOWHERE = "purge:"  # begins the name of a workspace that nobody can make


def chosen_runs(workspace: str, choice: Choice) -> ColumnElement[bool]:
    """Which deleted runs a choice means, of experiments that are not deleted themselves.

    A run without a time of deletion, from an old MLflow, goes only when it is named.
    """
    mine = select(experiments.c.experiment_id).where(
        experiments.c.workspace == workspace, experiments.c.lifecycle_stage == "active"
    )
    if choice.within:
        mine = mine.where(experiments.c.experiment_id == int(choice.within))
    ways: list[ColumnElement[bool]] = [runs.c.run_uuid.in_(list(choice.runs))]
    if choice.until_ms is not None:
        ways.append(runs.c.deleted_time <= choice.until_ms)
    return and_(runs.c.lifecycle_stage == "deleted", runs.c.experiment_id.in_(mine), or_(*ways))


def chosen_experiments(workspace: str, choice: Choice) -> ColumnElement[bool]:
    """Which deleted experiments a choice means.

    By time, one stays as long as a run in it was restored, or deleted later.
    """
    ids = [int(one) for one in choice.experiments]
    ways: list[ColumnElement[bool]] = [experiments.c.experiment_id.in_(ids)]
    if choice.until_ms is not None and not choice.within:
        kept = exists(
            select(1)
            .select_from(runs)
            .where(
                runs.c.experiment_id == experiments.c.experiment_id,
                or_(runs.c.lifecycle_stage == "active", runs.c.deleted_time > choice.until_ms),
            )
            .correlate(experiments)
        )
        ways.append(and_(experiments.c.last_update_time <= choice.until_ms, ~kept))
    return and_(
        experiments.c.workspace == workspace,
        experiments.c.lifecycle_stage == "deleted",
        or_(*ways),
    )


def chosen_models(workspace: str, choice: Choice) -> ColumnElement[bool]:
    """Which deleted logged models a choice means."""
    mine = select(experiments.c.experiment_id).where(experiments.c.workspace == workspace)
    ways: list[ColumnElement[bool]] = [logged_models.c.model_id.in_(list(choice.models))]
    if choice.until_ms is not None and not choice.within:
        ways.append(logged_models.c.last_updated_timestamp_ms <= choice.until_ms)
    return and_(
        logged_models.c.lifecycle_stage == "deleted",
        logged_models.c.experiment_id.in_(mine),
        or_(*ways),
    )


def is_leaving_run(workspace: str) -> ColumnElement[bool]:
    """Which runs, joined with their tags, are on their way out. A tag alone says nothing."""
    return and_(tags.c.key == PURGE_TAG, tags.c.value == workspace, runs.c.experiment_id.is_(None))


def is_leaving_experiment(workspace: str) -> ColumnElement[bool]:
    """Which experiments, joined with their tags, are on their way out."""
    return and_(
        experiment_tags.c.key == PURGE_TAG,
        experiment_tags.c.value == workspace,
        experiments.c.workspace.startswith(NOWHERE),
    )


class ChosenStore:
    """What a choice comes to, on the engine of TrackingStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def stakes(self, workspace: str, choice: Choice) -> Stakes:
        """What would go with a choice, points counted up to POINTS_UP_TO."""
        gone, single, models = self._conditions(workspace, choice)
        inside = select(experiments.c.experiment_id).where(gone)
        all_runs = or_(single, runs.c.experiment_id.in_(inside))
        ids = select(runs.c.run_uuid).where(all_runs)
        points = select(literal(1)).select_from(metrics).where(metrics.c.run_uuid.in_(ids))
        points = points.limit(POINTS_UP_TO + 1)
        all_models = or_(models, logged_models.c.experiment_id.in_(inside))
        names = select(experiments.c.name).where(gone).order_by(experiments.c.name)
        with self._engine.connect() as db:
            point_count = db.scalar(select(func.count()).select_from(points.subquery())) or 0
            return Stakes(
                list(db.scalars(names.limit(NAMES))),
                db.scalar(select(func.count()).select_from(inside.subquery())) or 0,
                db.scalar(select(func.count()).select_from(runs).where(all_runs)) or 0,
                db.scalar(select(func.count()).select_from(logged_models).where(all_models)) or 0,
                min(point_count, POINTS_UP_TO),
                point_count > POINTS_UP_TO,
                self._versions(db, workspace, all_runs, all_models),
            )

    def places(self, workspace: str, choice: Choice, limit: int) -> list[Place]:
        """Where the files of a choice lie, at most so many places of each kind."""
        gone, single, models = self._conditions(workspace, choice)
        with self._engine.connect() as db:
            whole = select(experiments.c.experiment_id, experiments.c.artifact_location)
            return [
                Place(kind, str(id_), uri or "")
                for kind, query in (
                    ("experiment", whole.where(gone)),
                    ("run", select(runs.c.run_uuid, runs.c.artifact_uri).where(single)),
                    (
                        "model",
                        select(logged_models.c.model_id, logged_models.c.artifact_location).where(
                            models
                        ),
                    ),
                )
                for id_, uri in db.execute(query.limit(limit))
            ]

    def workspaces_due(self, until_ms: int) -> list[str]:
        """Workspaces with something in the trash that was deleted up to then."""
        choice = Choice(until_ms=until_ms)
        with self._engine.connect() as db:
            names = db.scalars(select(experiments.c.workspace).distinct()).all()
        return [
            name for name in names if not name.startswith(NOWHERE) and self.places(name, choice, 1)
        ]

    @staticmethod
    def _conditions(workspace: str, choice: Choice) -> tuple[ColumnElement[bool], ...]:
        return (
            chosen_experiments(workspace, choice),
            chosen_runs(workspace, choice),
            chosen_models(workspace, choice),
        )

    @staticmethod
    def _versions(
        db: Connection,
        workspace: str,
        of_runs: ColumnElement[bool],
        of_models: ColumnElement[bool],
    ) -> list[str]:
        """Registered versions whose files lie in what goes; they stay, and cannot be loaded."""
        query = (
            select(model_versions.c.name, model_versions.c.version)
            .where(
                model_versions.c.workspace == workspace,
                or_(
                    # A model of MLflow 3 has files of its own, which outlive its run.
                    exists(
                        select(1)
                        .select_from(runs)
                        .where(
                            of_runs,
                            runs.c.run_uuid == model_versions.c.run_id,
                            model_versions.c.source.contains(runs.c.run_uuid),
                        )
                        .correlate(model_versions)
                    ),
                    exists(
                        select(1)
                        .select_from(logged_models)
                        .where(
                            of_models, model_versions.c.source.contains(logged_models.c.model_id)
                        )
                        .correlate(model_versions)
                    ),
                ),
            )
            .order_by(model_versions.c.name, model_versions.c.version)
            .limit(NAMES)
        )
        return [f"{name} version {version}" for name, version in db.execute(query)]
