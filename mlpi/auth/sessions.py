"""Browser sessions: log in, list, end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, select

from mlpi.auth import passwords, secrets
from mlpi.auth.audit import Actor, Audit
from mlpi.auth.models import BrowserSession, User
from mlpi.auth.throttle import Throttle
from mlpi.clock import Clock
from mlpi.db import Database
from mlpi.errors import NotFound, Unauthenticated

MAX_AGENT = 200


class Sessions:
    """Random server-side ids; the cookie holds the secret, the table its hash."""

    def __init__(self, db: Database, audit: Audit, clock: Clock, *, lifetime: timedelta) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self.lifetime = lifetime
        self.throttle = Throttle()

    def log_in(self, name: str, password: str, *, address: str, agent: str) -> str:
        """The secret of a new session.

        Raises Unauthenticated without saying which part was wrong, and TooManyAttempts.
        """
        keys = (f"user:{name.strip().casefold()[:64]}", f"address:{address}")
        self.throttle.check(*keys)
        with self._db.read() as session:
            user = session.scalar(select(User).where(User.name == name.strip()))
        known = user.password_hash if user and not user.is_disabled else None
        if not passwords.matches(password, known) or user is None:
            self.throttle.failed(*keys)
            raise Unauthenticated("The name or the password is not right.", field="password")
        self.throttle.succeeded(*keys)
        return self.open(user, address=address, agent=agent)

    def open(self, user: User, *, address: str, agent: str) -> str:
        """A new session for a user who has proved who they are; its secret."""
        secret, now = secrets.new_session(), self._clock()
        with self._db.write() as session:
            session.execute(delete(BrowserSession).where(BrowserSession.expires_at < now))
            session.add(
                BrowserSession(
                    user_id=user.id,
                    secret_hash=secrets.fingerprint(secret),
                    created_at=now,
                    seen_at=now,
                    expires_at=now + self.lifetime,
                    address=address[:64],
                    agent=agent[:MAX_AGENT],
                )
            )
            found = session.get(User, user.id)
            if found is not None:
                found.last_login_at = now
            self._audit.record(session, Actor(user.name, address), "logged_in", user.name)
        return secret

    def page(self, user_id: int) -> Sequence[BrowserSession]:
        """A user's live sessions, most recently used first."""
        query = (
            select(BrowserSession)
            .where(BrowserSession.user_id == user_id, BrowserSession.expires_at > self._clock())
            .order_by(BrowserSession.seen_at.desc())
        )
        with self._db.read() as session:
            return session.scalars(query).all()

    def end(self, session_id: int, *, user_id: int, actor: Actor) -> None:
        """End one of a user's sessions. Raises NotFound."""
        with self._db.write() as session:
            found = session.get(BrowserSession, session_id)
            if found is None or found.user_id != user_id:
                raise NotFound("This session has ended already.")
            session.delete(found)
            self._audit.record(session, actor, "session_ended", f"#{session_id}")

    def end_others(self, *, user_id: int, keep: int | None, actor: Actor) -> int:
        """End all of a user's sessions but one; how many ended."""
        with self._db.write() as session:
            gone = session.execute(
                delete(BrowserSession).where(
                    BrowserSession.user_id == user_id, BrowserSession.id != (keep or 0)
                )
            )
            self._audit.record(session, actor, "sessions_ended")
            return int(gone.rowcount)  # type: ignore[attr-defined]

    def set_workspace(self, session_id: int, workspace: str) -> None:
        """Remember which workspace this browser looks at."""
        with self._db.write() as session:
            found = session.get(BrowserSession, session_id)
            if found is not None and found.workspace != workspace:
                found.workspace = workspace
