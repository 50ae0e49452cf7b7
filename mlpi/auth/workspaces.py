"""Workspaces and their members."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from mlpi.auth.audit import Actor, Audit
from mlpi.auth.models import Member, User, Workspace
from mlpi.auth.names import DEFAULT_WORKSPACE, workspace_name
from mlpi.auth.roles import Role
from mlpi.auth.users import find_user
from mlpi.clock import Clock
from mlpi.db import Database
from mlpi.errors import Conflict, Invalid, NotFound

MAX_DESCRIPTION = 500


class Workspaces:
    """The unit of isolation and permission. Every change leaves a row in the audit trail."""

    def __init__(
        self, db: Database, audit: Audit, clock: Clock, left: Callable[[str], str] = lambda _: ""
    ) -> None:
        """left: what lies in folders of a workspace, in words; '' for nothing."""
        self._db = db
        self._audit = audit
        self._clock = clock
        self._left = left

    def ensure_default(self) -> None:
        """Create the default workspace, which MLflow's experiment 0 lives in, once."""
        with self._db.read() as session:
            if session.scalar(select(Workspace.id).where(Workspace.name == DEFAULT_WORKSPACE)):
                return
        try:
            with self._db.write() as session:
                session.add(
                    Workspace(
                        name=DEFAULT_WORKSPACE,
                        description="The workspace of clients that name none",
                        created_at=self._clock(),
                    )
                )
        except IntegrityError:
            return  # another process was faster

    def add(
        self, name: str, description: str = "", *, owner: str | None, actor: Actor
    ) -> Workspace:
        """Create a workspace; owner becomes its first owner. Raises Invalid, Conflict, NotFound."""
        name = workspace_name(name)
        description = _described(description)
        try:
            with self._db.write() as session:
                workspace = Workspace(name=name, description=description, created_at=self._clock())
                session.add(workspace)
                session.flush()
                self._audit.record(session, actor, "workspace_added", name, name)
                if owner is not None:
                    user = find_user(session, owner)
                    self._put_member(session, workspace, user, Role.OWNER, actor)
                return workspace
        except IntegrityError:
            raise Conflict(f"There is already a workspace {name!r}.", field="name") from None

    def page(self) -> Sequence[tuple[Workspace, int]]:
        """All workspaces by name, each with its number of members."""
        members = select(func.count()).where(Member.workspace_id == Workspace.id)
        query = select(Workspace, members.scalar_subquery()).order_by(Workspace.name)
        with self._db.read() as session:
            return [(workspace, count) for workspace, count in session.execute(query)]

    def get(self, name: str) -> Workspace:
        """The workspace of this name. Raises NotFound."""
        with self._db.read() as session:
            return find_workspace(session, name)

    def describe(self, name: str, description: str, *, actor: Actor) -> Workspace:
        """Set the description. Raises Invalid, NotFound."""
        description = _described(description)
        with self._db.write() as session:
            workspace = find_workspace(session, name)
            workspace.description = description
            self._audit.record(session, actor, "workspace_described", name, name)
            return workspace

    def remove(self, name: str, *, actor: Actor) -> None:
        """Remove a workspace with its members and tokens. Its content must be gone already.

        Raises NotFound, Conflict when files are left, which a new workspace of this name would
        inherit, and Invalid for the default workspace.
        """
        if name == DEFAULT_WORKSPACE:
            raise Invalid(
                f"The workspace {name!r} cannot be removed: clients that name none work in it.",
                field="name",
            )
        self.get(name)
        left = self._left(name)
        if left:
            raise Conflict(
                f"The workspace {name!r} still holds {left}.",
                advice="Delete that first: a new workspace of this name would inherit it.",
            )
        with self._db.write() as session:
            session.delete(find_workspace(session, name))
            self._audit.record(session, actor, "workspace_removed", name, name)

    def members(self, name: str) -> Sequence[Member]:
        """Its members, highest role first."""
        with self._db.read() as session:
            workspace = find_workspace(session, name)
            query = (
                select(Member)
                .join(User)
                .where(Member.workspace_id == workspace.id)
                .order_by(Member.rank.desc(), User.name)
                .options(joinedload(Member.user))
            )
            return session.scalars(query).all()

    def set_member(self, name: str, user: str, role: Role, *, actor: Actor) -> None:
        """Add a member or change a role. A workspace with an owner keeps one. Raises NotFound."""
        with self._db.write() as session:
            workspace, found = find_workspace(session, name), find_user(session, user)
            if role is not Role.OWNER:
                self._refuse_last_owner(session, workspace, found)
            self._put_member(session, workspace, found, role, actor)

    def remove_member(self, name: str, user: str, *, actor: Actor) -> None:
        """Remove a member; tokens for this workspace stop with it. Raises NotFound, Invalid."""
        with self._db.write() as session:
            workspace, found = find_workspace(session, name), find_user(session, user)
            member = session.get(Member, (found.id, workspace.id))
            if member is None:
                raise NotFound(f"{user!r} is not a member of {name!r}.")
            self._refuse_last_owner(session, workspace, found)
            session.delete(member)
            self._audit.record(session, actor, "member_removed", user, name)

    def _put_member(
        self, session: Session, workspace: Workspace, user: User, role: Role, actor: Actor
    ) -> None:
        member = session.get(Member, (user.id, workspace.id))
        if member is None:
            member = Member(
                user_id=user.id, workspace_id=workspace.id, created_at=self._clock(), rank=role
            )
            session.add(member)
        member.rank = role
        self._audit.record(
            session, actor, "member_set", f"{user.name} as {role.word}", workspace.name
        )

    @staticmethod
    def _refuse_last_owner(session: Session, workspace: Workspace, user: User) -> None:
        owners = select(Member.user_id).where(
            Member.workspace_id == workspace.id, Member.rank == Role.OWNER
        )
        if list(session.scalars(owners)) == [user.id]:
            raise Invalid(
                f"{user.name} is the only owner of {workspace.name}.",
                advice="Make somebody else an owner first.",
            )


def find_workspace(session: Session, name: str) -> Workspace:
    """The workspace of this name. Raises NotFound."""
    workspace = session.scalar(select(Workspace).where(Workspace.name == name))
    if workspace is None:
        raise NotFound(f"There is no workspace {name!r}.", field="workspace")
    return workspace


def _described(text: str) -> str:
    text = " ".join(text.split())
    if len(text) > MAX_DESCRIPTION:
        raise Invalid(
            f"A description has at most {MAX_DESCRIPTION} characters; this one has {len(text)}.",
            field="description",
        )
    return text
