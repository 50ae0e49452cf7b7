"""Tokens: one user's key to one workspace, with a role no higher than the user's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from mlpi.auth import secrets
from mlpi.auth.audit import Actor, Audit
from mlpi.auth.models import Member, Token
from mlpi.auth.roles import Role
from mlpi.auth.users import find_user
from mlpi.auth.workspaces import find_workspace
from mlpi.clock import Clock
from mlpi.db import Database
from mlpi.errors import Invalid, NotFound

MAX_LABEL = 100
_SPAN = re.compile(r"(\d{1,5})\s*(h|d|w|y)")
_HOURS = {"h": 1, "d": 24, "w": 24 * 7, "y": 24 * 365}


class Tokens:
    """Issue, list and revoke. The secret itself is shown once and never stored."""

    def __init__(self, db: Database, audit: Audit, clock: Clock) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock

    def add(
        self,
        user: str,
        workspace: str,
        *,
        role: Role | None = None,
        lifetime: timedelta | None = None,
        label: str = "",
        actor: Actor,
    ) -> tuple[Token, str]:
        """Issue a token; the row and its secret. role defaults to the user's own.

        Raises NotFound, and Invalid when the role is above the user's.
        """
        if len(label) > MAX_LABEL:
            raise Invalid(f"A label has at most {MAX_LABEL} characters.", field="label")
        secret, now = secrets.new_token(), self._clock()
        with self._db.write() as session:
            owner, place = find_user(session, user), find_workspace(session, workspace)
            member = session.get(Member, (owner.id, place.id))
            highest = Role.OWNER if owner.is_admin else member.role if member else None
            if highest is None:
                raise Invalid(
                    f"{user!r} is not a member of {workspace!r}.",
                    advice=f"mlpi member add {workspace} {user} viewer",
                    field="workspace",
                )
            if role is not None and role > highest:
                raise Invalid(
                    f"{user!r} is {highest.word} in {workspace!r}; "
                    f"a token cannot be {role.word} there.",
                    field="role",
                )
            token = Token(
                user_id=owner.id,
                workspace_id=place.id,
                rank=role or highest,
                label=label.strip(),
                hint=secrets.hint(secret),
                secret_hash=secrets.fingerprint(secret),
                created_at=now,
                expires_at=now + lifetime if lifetime else None,
            )
            session.add(token)
            session.flush()
            self._audit.record(
                session,
                actor,
                "token_added",
                f"#{token.id} of {user}, {token.role.word}",
                workspace,
            )
        return token, secret

    def page(self, *, user: str | None = None) -> Sequence[Token]:
        """Tokens not revoked, newest first; all users' or one's. Raises NotFound."""
        query = (
            select(Token)
            .where(Token.revoked_at.is_(None))
            .order_by(Token.id.desc())
            .options(joinedload(Token.user), joinedload(Token.workspace))
        )
        with self._db.read() as session:
            if user is not None:
                query = query.where(Token.user_id == find_user(session, user).id)
            return session.scalars(query).all()

    def known(self, secret: str, *, user: str) -> Token:
        """A user's token by its secret, as long as it works. Raises NotFound."""
        query = (
            select(Token)
            .where(Token.secret_hash == secrets.fingerprint(secret), Token.revoked_at.is_(None))
            .options(joinedload(Token.user), joinedload(Token.workspace))
        )
        with self._db.read() as session:
            token = session.scalar(query)
        is_over = token and token.expires_at and token.expires_at <= self._clock()
        if token is None or is_over or token.user.name != user:
            raise NotFound("Token is invalid or already revoked.")
        return token

    def renew(self, token_id: int, *, user: str, actor: Actor) -> str:
        """Put a new secret in the place of a user's token; it ends when the old one would have.

        The old one stops at once. Raises NotFound.
        """
        secret, now = secrets.new_token(), self._clock()
        with self._db.write() as session:
            old = session.get(Token, token_id)
            if old is None or old.revoked_at or old.user.name != user:
                raise NotFound(f"There is no token #{token_id}.")
            old.revoked_at = now
            token = Token(
                user_id=old.user_id,
                workspace_id=old.workspace_id,
                rank=old.role,
                label=old.label,
                hint=secrets.hint(secret),
                secret_hash=secrets.fingerprint(secret),
                created_at=now,
                expires_at=old.expires_at,
            )
            session.add(token)
            session.flush()
            words = f"#{token.id} of {user} in the place of #{old.id}"
            self._audit.record(session, actor, "token_renewed", words, old.workspace.name)
        return secret

    def revoke(self, token_id: int, *, user: str | None = None, actor: Actor) -> None:
        """Stop a token at once; user limits it to that user's. Raises NotFound."""
        with self._db.write() as session:
            token = session.get(Token, token_id)
            if token is None or token.revoked_at or (user and token.user.name != user):
                raise NotFound(f"There is no token #{token_id}.")
            token.revoked_at = self._clock()
            self._audit.record(
                session,
                actor,
                "token_revoked",
                f"#{token_id} of {token.user.name}",
                token.workspace.name,
            )


def lifetime(text: str | None) -> timedelta | None:
    """'90d', '12h', '2w', '1y'; None or '' for ever. Raises Invalid."""
    if not text:
        return None
    match = _SPAN.fullmatch(text.strip().lower())
    if not match or int(match[1]) == 0:
        raise Invalid(
            f"{text!r} is not a lifetime.",
            advice="Use a number and h, d, w or y, such as 90d.",
            field="expires",
        )
    return timedelta(hours=int(match[1]) * _HOURS[match[2]])
