"""Reading the trash out of MLflow's database: what is deleted, as the page lists it.

Every query is bound to one workspace.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine, and_, case, func, or_, select

from mlpi.errors import Invalid
from mlpi.tracking.models import experiment_tags, experiments, logged_models, runs, tags
from mlpi.tracking.trash.chosen import is_leaving_experiment, is_leaving_run
from mlpi.tracking.trash.records import Binned, Tally

PAGE = 100
MAX_EXPERIMENTS = 500  # listed at once; deleted ones are seldom more than a few
MAX_MODELS = 200


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
                .select_from(tags.join(runs, runs.c.run_uuid == tags.c.run_uuid))
                .where(is_leaving_run(workspace)),
                select(func.count())
                .select_from(
                    experiment_tags.join(
                        experiments, experiments.c.experiment_id == experiment_tags.c.experiment_id
                    )
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
            select(
                logged_models.c.model_id,
                logged_models.c.name,
                logged_models.c.last_updated_timestamp_ms,
                logged_models.c.artifact_location,
                experiments.c.name.label("experiment"),
                experiments.c.experiment_id,
            )
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
                    row.artifact_location or "",
                    experiment=row.experiment,
                    experiment_id=str(row.experiment_id),
                )
                for row in db.execute(query)
            ]


def at(milliseconds: int | None) -> datetime | None:
    """The time of MLflow's milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def _cursor(text: str) -> tuple[int, str]:
    ms, _, id_ = text.partition("-")
    if not ms.isdecimal() or len(ms) > 18 or not id_:
        raise Invalid("The page marker is not one of ours.", field="after")
    return int(ms), id_
