"""Roles, and the principal that a request acts as."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntEnum


class Role(IntEnum):
    """What a member may do in a workspace; a higher one includes the lower."""

    VIEWER = 1
    EDITOR = 2
    OWNER = 3

    @property
    def word(self) -> str:
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Role:
        """The role of this name. Raises KeyError when there is none."""
        return cls[word.upper()]


ROLE_WORDS = tuple(role.word for role in Role)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request acts as, and in which workspace.

    roles maps workspace name to role; for a token it holds the token's workspace alone.
    """

    user_id: int
    name: str
    is_admin: bool
    roles: Mapping[str, Role]
    workspace: str | None = None
    session_id: int | None = None
    token_id: int | None = None
    expires_at: datetime | None = None
    seen_at: datetime | None = field(default=None, compare=False)

    @property
    def role(self) -> Role | None:
        """Its role in the current workspace."""
        return self.roles.get(self.workspace) if self.workspace else None

    def can(self, role: Role) -> bool:
        """Whether it has at least this role in the current workspace."""
        return self.role is not None and self.role >= role

    def within(self, workspace: str) -> Principal:
        """The same principal, acting in another workspace."""
        return replace(self, workspace=workspace)


current_principal: ContextVar[Principal | None] = ContextVar("mlpi_principal", default=None)
