"""The audit trail: who did what to what, when, from where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from mlpi.auth.models import AuditEntry
from mlpi.clock import Clock
from mlpi.db import Database


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and from which address ("terminal" on the command line)."""

    name: str
    address: str = ""


class Audit:
    """Writes entries inside the transaction of the deed, and lists them."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def record(
        self, session: Session, actor: Actor, action: str, target: str = "", workspace: str = ""
    ) -> None:
        """Add an entry to the caller's transaction, so that deed and trace stand or fall as one."""
        session.add(
            AuditEntry(
                at=self._clock(),
                actor=actor.name[:64],
                action=action,
                target=target[:200],
                workspace=workspace,
                address=actor.address[:64],
            )
        )

    def page(
        self, *, before_id: int | None = None, limit: int = 100, search: str = ""
    ) -> Sequence[AuditEntry]:
        """Entries, newest first; before_id continues a page, search matches any word."""
        query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(AuditEntry.id < before_id)
        if search:
            columns = (AuditEntry.actor, AuditEntry.action, AuditEntry.target, AuditEntry.workspace)
            matching = [column.icontains(search, autoescape=True) for column in columns]
            query = query.where(matching[0] | matching[1] | matching[2] | matching[3])
        with self._db.read() as session:
            return session.scalars(query).all()

    def prune(self, *, older_than_days: int) -> int:
        """Remove old entries; how many went."""
        horizon = self._clock() - timedelta(days=older_than_days)
        with self._db.read() as session:
            stale = select(AuditEntry.id).where(AuditEntry.at < horizon).limit(1)
            if session.scalar(stale) is None:
                return 0
        with self._db.write() as session:
            gone = session.execute(delete(AuditEntry).where(AuditEntry.at < horizon))
            return int(gone.rowcount)  # type: ignore[attr-defined]
