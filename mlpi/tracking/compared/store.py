"""Where runs keep their artifacts, out of MLflow's tables."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.engine import Engine

from mlpi.tracking.models import runs


def artifact_uris(engine: Engine, ids: Sequence[str]) -> dict[str, str]:
    """By run id; "" where there is none. Callers have made sure whose runs these are."""
    query = select(runs.c.run_uuid, runs.c.artifact_uri).where(runs.c.run_uuid.in_(ids))
    with engine.connect() as db:
        return {id_: uri or "" for id_, uri in db.execute(query)}
