"""Reading the trash out of MLflow's database: what is deleted, and what would go with it.

Every query is bound to one workspace.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Engine,
    String,
    TableClause,
    and_,
    case,
    column,
    exists,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy import table as table_of

from mlpi.errors import Invalid
from mlpi.tracking.models import metrics
from mlpi.tracking.trash.records import Binned, Choice, Place, Stakes, Tally

PAGE = 100
MAX_EXPERIMENTS = 500  # listed at once; deleted ones are seldom more than a few
MAX_MODELS = 200
POINTS_UP_TO = 1_000_000
NAMES = 20
# What tells that a thing is on its way out, and of which workspace it was.
PURGE_TAG = "mlpi.purge"
NOWHERE = "purge:"  # begins the name of a workspace that nobody can make


def _table(name: str, words: str, numbers: str = "") -> TableClause:
    return table_of(
        name,
        *(column(one, String) for one in words.split()),
        *(column(one, BigInteger) for one in numbers.split()),
    )


experiments = _table(
    "experiments",
    "name workspace lifecycle_stage artifact_location",
    "experiment_id last_update_time",
)
runs = _table("runs", "run_uuid name lifecycle_stage artifact_uri", "experiment_id deleted_time")
logged_models = _table(
    "logged_models",
    "model_id name lifecycle_stage artifact_location",
    "experiment_id last_updated_timestamp_ms",
)
run_tags = _table("tags", "run_uuid key value")
marks = _table("experiment_tags", "key value", "experiment_id")
sources = _table("model_versions", "workspace name run_id source", "version")
# A contract test holds these against MLflow's own models.
ALL = (experiments, runs, logged_models, run_tags, marks, sources)


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
    return and_(
        run_tags.c.key == PURGE_TAG, run_tags.c.value == workspace, runs.c.experiment_id.is_(None)
    )


def is_leaving_experiment(workspace: str) -> ColumnElement[bool]:
    """Which experiments, joined with their tags, are on their way out."""
    return and_(
        marks.c.key == PURGE_TAG,
        marks.c.value == workspace,
        experiments.c.workspace.startswith(NOWHERE),
    )


class TrashStore:
    """Queries on MLflow's tables, on the engine of TrackingStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def tally(self, workspace: str) -> Tally:
        """How much lies in the trash of a workspace."""
        binned = select(experiments.c.experiment_id).where(
            experiments.c.workspace == workspace, experiments.c.lifecycle_stage == "deleted"
        )
        mine = select(experiments.c.experiment_id).where(experiments.c.workspace == workspace)
        active = mine.where(experiments.c.lifecycle_stage == "active")
        counts = [
            select(func.count()).select_from(binned.subquery()),
            select(func.count())
            .select_from(runs)
            .where(runs.c.experiment_id.in_(active), runs.c.lifecycle_stage == "deleted"),
            select(func.count())
            .select_from(logged_models)
            .where(
                logged_models.c.experiment_id.in_(active),
                logged_models.c.lifecycle_stage == "deleted",
            ),
        ]
        with self._engine.connect() as db:
            found = [db.scalar(one) or 0 for one in counts]
            leaving = (
                select(func.count())
                .select_from(run_tags.join(runs, runs.c.run_uuid == run_tags.c.run_uuid))
                .where(is_leaving_run(workspace)),
                select(func.count())
                .select_from(
                    marks.join(experiments, experiments.c.experiment_id == marks.c.experiment_id)
                )
                .where(is_leaving_experiment(workspace)),
            )
            binned_count, run_count, model_count = found
            return Tally(
                binned_count,
                run_count,
                model_count,
                removing=sum(db.scalar(one) or 0 for one in leaving),
            )

    def experiments(self, workspace: str) -> list[Binned]:
        """Deleted experiments, last deleted first, with the number of their runs."""
        query = (
            select(
                experiments.c.experiment_id,
                experiments.c.name,
                experiments.c.last_update_time,
                experiments.c.artifact_location,
                func.count(runs.c.run_uuid),
                func.count(case((runs.c.lifecycle_stage == "active", 1))),
            )
            .select_from(
                experiments.outerjoin(runs, runs.c.experiment_id == experiments.c.experiment_id)
            )
            .where(experiments.c.workspace == workspace, experiments.c.lifecycle_stage == "deleted")
            .group_by(
                experiments.c.experiment_id,
                experiments.c.name,
                experiments.c.last_update_time,
                experiments.c.artifact_location,
            )
            .order_by(experiments.c.last_update_time.desc(), experiments.c.experiment_id)
            .limit(MAX_EXPERIMENTS)
        )
        with self._engine.connect() as db:
            return [
                Binned("experiment", str(id_), name, at(deleted), place or "", count, active)
                for id_, name, deleted, place, count, active in db.execute(query)
            ]

    def runs(self, workspace: str, within: str = "", after: str = "") -> list[Binned]:
        """A page of deleted runs and one more, if there is one; last deleted first.

        Those of deleted experiments are left out: they go and come back with them. after: the
        cursor of the last one seen. Raises Invalid.
        """
        when = func.coalesce(runs.c.deleted_time, 0)
        query = (
            select(
                runs.c.run_uuid,
                runs.c.name,
                runs.c.deleted_time,
                runs.c.artifact_uri,
                experiments.c.name.label("experiment"),
                experiments.c.experiment_id,
            )
            .select_from(
                runs.join(experiments, experiments.c.experiment_id == runs.c.experiment_id)
            )
            .where(
                experiments.c.workspace == workspace,
                experiments.c.lifecycle_stage == "active",
                runs.c.lifecycle_stage == "deleted",
            )
            .order_by(when.desc(), runs.c.run_uuid)
            .limit(PAGE + 1)
        )
        if within:
            query = query.where(experiments.c.experiment_id == int(within))
        if after:
            ms, id_ = _cursor(after)
            query = query.where(or_(when < ms, and_(when == ms, runs.c.run_uuid > id_)))
        with self._engine.connect() as db:
            return [
                Binned(
                    "run",
                    row.run_uuid,
                    row.name or row.run_uuid[:8],
                    at(row.deleted_time),
                    row.artifact_uri or "",
                    experiment=row.experiment,
                    experiment_id=str(row.experiment_id),
                    cursor=f"{row.deleted_time or 0}-{row.run_uuid}",
                )
                for row in db.execute(query)
            ]

    def run_places(self, workspace: str) -> list[tuple[str, str, int]]:
        """Experiments that have deleted runs without being deleted: id, name, how many."""
        query = (
            select(experiments.c.experiment_id, experiments.c.name, func.count().label("n"))
            .select_from(
                runs.join(experiments, experiments.c.experiment_id == runs.c.experiment_id)
            )
            .where(
                experiments.c.workspace == workspace,
                experiments.c.lifecycle_stage == "active",
                runs.c.lifecycle_stage == "deleted",
            )
            .group_by(experiments.c.experiment_id, experiments.c.name)
            .order_by(func.count().desc(), experiments.c.experiment_id)
        )
        with self._engine.connect() as db:
            return [(str(id_), name, count) for id_, name, count in db.execute(query)]

    def models(self, workspace: str) -> list[Binned]:
        """Deleted logged models of experiments that are not deleted, last deleted first."""
        query = (
            select(logged_models, experiments.c.name.label("experiment"))
            .select_from(
                logged_models.join(
                    experiments, experiments.c.experiment_id == logged_models.c.experiment_id
                )
            )
            .where(
                experiments.c.workspace == workspace,
                experiments.c.lifecycle_stage == "active",
                logged_models.c.lifecycle_stage == "deleted",
            )
            .order_by(logged_models.c.last_updated_timestamp_ms.desc(), logged_models.c.model_id)
            .limit(MAX_MODELS)
        )
        with self._engine.connect() as db:
            return [
                Binned(
                    "model",
                    row.model_id,
                    row.name,
                    at(row.last_updated_timestamp_ms),
                    row.artifact_location,
                    experiment=row.experiment,
                    experiment_id=str(row.experiment_id),
                )
                for row in db.execute(query)
            ]

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

    def chosen_places(self, workspace: str, choice: Choice, limit: int) -> list[Place]:
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
            name
            for name in names
            if not name.startswith(NOWHERE) and self.chosen_places(name, choice, 1)
        ]

    @staticmethod
    def _conditions(workspace: str, choice: Choice) -> tuple[ColumnElement[bool], ...]:
        return (
            chosen_experiments(workspace, choice),
            chosen_runs(workspace, choice),
            chosen_models(workspace, choice),
        )

    @staticmethod
    def _versions(db: Any, workspace: str, of_runs: Any, of_models: Any) -> list[str]:
        """Registered versions whose files lie in what goes; they stay, and cannot be loaded."""
        query = (
            select(sources.c.name, sources.c.version)
            .where(
                sources.c.workspace == workspace,
                or_(
                    # A model of MLflow 3 has files of its own, which outlive its run.
                    exists(
                        select(1)
                        .select_from(runs)
                        .where(
                            of_runs,
                            runs.c.run_uuid == sources.c.run_id,
                            sources.c.source.contains(runs.c.run_uuid),
                        )
                        .correlate(sources)
                    ),
                    exists(
                        select(1)
                        .select_from(logged_models)
                        .where(of_models, sources.c.source.contains(logged_models.c.model_id))
                        .correlate(sources)
                    ),
                ),
            )
            .order_by(sources.c.name, sources.c.version)
            .limit(NAMES)
        )
        return [f"{name} version {version}" for name, version in db.execute(query)]


def at(milliseconds: int | None) -> datetime | None:
    """The time of MLflow's milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def _cursor(text: str) -> tuple[int, str]:
    ms, _, id_ = text.partition("-")
    if not ms.isdecimal() or len(ms) > 18 or not id_:
        raise Invalid("The page marker is not one of ours.", field="after")
    return int(ms), id_
