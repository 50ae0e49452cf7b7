"""From a secret to a principal: the lookup that every request makes."""

from __future__ import annotations

import hmac
import logging
import sqlite3
from collections import OrderedDict
from datetime import datetime, timedelta

import anyio.to_thread
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, joinedload

from mlpi.auth.models import BrowserSession, Member, Token, User, Workspace
from mlpi.auth.roles import Principal, Role
from mlpi.auth.secrets import fingerprint, new_token
from mlpi.clock import Clock
from mlpi.db import Database
from mlpi.errors import DiskFull

log = logging.getLogger(__name__)

CACHE_SIZE = 2048
# "Last used" is for people; a write every request would wear the flash out.
TOUCH_EVERY = timedelta(minutes=10)


class Identity:
    """Cached lookups that are never stale.

    Every change of users, tokens, members or sessions leaves an audit row in its transaction, so
    the newest audit id is the version of all of them. Before each use the cache asks SQLite,
    in microseconds, whether any process committed anything (data_version), and if so whether
    that id moved; when it did, everything is forgotten. On PostgreSQL nothing is cached.
    """

    def __init__(self, db: Database, clock: Clock, *, session_lifetime: timedelta) -> None:
        self._db = db
        self._clock = clock
        self._lifetime = session_lifetime
        self._cache: OrderedDict[str, Principal | None] = OrderedDict()
        self._workspaces: dict[str, str] | None = None
        self._set_up = False
        self._commit: int | None = None
        self._epoch: int | None = None
        self._touched: dict[str, datetime] = {}
        self._house_keys: dict[str, Principal] = {}
        self._limiter = anyio.CapacityLimiter(4)

    async def by_token(self, secret: str) -> Principal | None:
        """Who this token is, or None when it is unknown, revoked, expired or its user disabled."""
        given = fingerprint(secret)
        for known, principal in self._house_keys.items():
            if hmac.compare_digest(known, given):
                return principal
        return await self._lookup("t:" + given)

    async def by_session(self, secret: str) -> Principal | None:
        """Who this browser session is, or None when it has ended."""
        return await self._lookup("s:" + fingerprint(secret))

    def house_key(self, workspace: str, role: Role, *, purpose: str) -> str:
        """A secret that works as a token of mlpi itself, for its own child processes.

        It opens one workspace with one role, needs no user (so it works before set-up), is kept
        in this process's memory alone, and ends with it or with end_house_key.
        """
        secret = new_token()
        principal = Principal(
            user_id=0,
            name=f"mlpi ({purpose})",  # no user can be called so
            is_admin=False,
            roles={workspace: role},
            workspace=workspace,
            token_id=0,
        )
        # Replaced whole: requests may be walking through the old one.
        self._house_keys = {**self._house_keys, fingerprint(secret): principal}
        return secret

    def end_house_key(self, secret: str) -> None:
        """Stop a house key at once."""
        ended = fingerprint(secret)
        self._house_keys = {key: who for key, who in self._house_keys.items() if key != ended}

    async def is_set_up(self) -> bool:
        """Whether a user exists. Once true, true for the life of the process."""
        if not self._set_up:
            self._set_up = await anyio.to_thread.run_sync(self._any_user, limiter=self._limiter)
        return self._set_up

    def workspaces(self) -> dict[str, str]:
        """Every workspace's description by name."""
        fresh, known = self._is_fresh(), self._workspaces
        if fresh and known is not None:
            return known
        epoch = self._epoch
        with self._db.read() as session:
            rows = session.execute(select(Workspace.name, Workspace.description))
            known = dict(rows.all())
        if fresh and epoch == self._epoch:
            self._workspaces = known
        return known

    def forget(self) -> None:
        """Drop what is cached, after a change that leaves no audit row."""
        self._cache.clear()
        self._workspaces = None

    async def _lookup(self, key: str) -> Principal | None:
        fresh = self._is_fresh()
        if fresh and key in self._cache:
            principal = self._cache[key]
        else:
            epoch = self._epoch
            principal = await anyio.to_thread.run_sync(self._load, key, limiter=self._limiter)
            if fresh and epoch == self._epoch:  # else it was read before a change seen meanwhile
                self._keep(key, principal)
        now = self._clock()
        if principal is None or (principal.expires_at and principal.expires_at <= now):
            return None
        seen_at = self._touched.get(key, principal.seen_at)
        # A last use in the future is from a clock that has been set right since.
        if seen_at is None or not timedelta(0) <= now - seen_at < TOUCH_EVERY:
            self._touched[key] = now
            await anyio.to_thread.run_sync(self._touch, key, now, limiter=self._limiter)
        return principal

    def _keep(self, key: str, principal: Principal | None) -> None:
        if principal is None:
            return  # unknown secrets are an attacker's to invent
        self._cache[key] = principal
        while len(self._cache) > CACHE_SIZE:
            dropped, _ = self._cache.popitem(last=False)
            self._touched.pop(dropped, None)

    def _is_fresh(self) -> bool:
        """Whether the cache may be used; clears it when it has fallen behind."""
        try:
            commit = self._db.version()
            if commit is None:
                return False
            if commit != self._commit:
                epoch = self._db.newest_id("audit")
                if epoch != self._epoch:
                    self.forget()
                self._epoch, self._commit = epoch, commit
        except sqlite3.Error:
            log.warning("identity cache bypassed", exc_info=True)
            return False
        return True

    def _any_user(self) -> bool:
        with self._db.read() as session:
            return session.scalar(select(User.id).limit(1)) is not None

    def _load(self, key: str) -> Principal | None:
        kind, secret_hash = key.split(":", 1)
        with self._db.read() as session:
            if kind == "t":
                return self._from_token(session, secret_hash)
            return self._from_session(session, secret_hash)

    def _from_token(self, session: Session, secret_hash: str) -> Principal | None:
        query = (
            select(Token)
            .where(Token.secret_hash == secret_hash, Token.revoked_at.is_(None))
            .options(joinedload(Token.user), joinedload(Token.workspace))
        )
        token = session.scalar(query)
        if token is None or token.user.is_disabled:
            return None
        if token.user.is_admin:
            role = token.role
        else:
            member = session.get(Member, (token.user_id, token.workspace_id))
            if member is None:
                return None
            role = min(token.role, member.role)
        name = token.workspace.name
        return Principal(
            user_id=token.user_id,
            name=token.user.name,
            is_admin=False,  # a workspace's key must not open the whole instance
            roles={name: role},
            workspace=name,
            token_id=token.id,
            expires_at=token.expires_at,
            seen_at=token.last_used_at,
        )

    def _from_session(self, session: Session, secret_hash: str) -> Principal | None:
        query = (
            select(BrowserSession)
            .where(BrowserSession.secret_hash == secret_hash)
            .options(joinedload(BrowserSession.user))
        )
        found = session.scalar(query)
        if found is None or found.user.is_disabled:
            return None
        roles = _roles_of(session, found.user)
        workspace = found.workspace if found.workspace in roles else next(iter(roles), None)
        return Principal(
            user_id=found.user_id,
            name=found.user.name,
            is_admin=found.user.is_admin,
            roles=roles,
            workspace=workspace,
            session_id=found.id,
            expires_at=found.expires_at,
            seen_at=found.seen_at,
        )

    def _touch(self, key: str, now: datetime) -> None:
        kind, secret_hash = key.split(":", 1)
        try:
            with self._db.write() as session:
                if kind == "t":
                    session.execute(
                        update(Token)
                        .where(Token.secret_hash == secret_hash)
                        .values(last_used_at=now)
                    )
                else:
                    session.execute(
                        update(BrowserSession)
                        .where(BrowserSession.secret_hash == secret_hash)
                        .values(seen_at=now, expires_at=now + self._lifetime)
                    )
                    self._cache.pop(key, None)
        except (SQLAlchemyError, DiskFull):
            # A full disk must not lock its owner out of the page that says so.
            log.warning("last use not recorded", extra={"action": "touch_failed"}, exc_info=True)


def _roles_of(session: Session, user: User) -> dict[str, Role]:
    """A user's role in each workspace; an admin owns them all."""
    if user.is_admin:
        names = session.scalars(select(Workspace.name).order_by(Workspace.name))
        return dict.fromkeys(names, Role.OWNER)
    rows = session.execute(
        select(Workspace.name, Member.rank)
        .join(Member)
        .where(Member.user_id == user.id)
        .order_by(Workspace.name)
    )
    return {name: Role(rank) for name, rank in rows}
