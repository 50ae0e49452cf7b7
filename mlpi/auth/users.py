"""Users: set-up, accounts, passwords."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mlpi.auth import passwords
from mlpi.auth.audit import Actor, Audit
from mlpi.auth.models import BrowserSession, Member, User, Workspace
from mlpi.auth.names import DEFAULT_WORKSPACE, user_name
from mlpi.auth.roles import Role
from mlpi.clock import Clock
from mlpi.db import Database
from mlpi.errors import Conflict, Invalid, NotFound


class Users:
    """Accounts. Every change leaves a row in the audit trail."""

    def __init__(self, db: Database, audit: Audit, clock: Clock) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock

    def any_exist(self) -> bool:
        """Whether set-up is done."""
        with self._db.read() as session:
            return session.scalar(select(User.id).limit(1)) is not None

    def add(self, name: str, password: str, *, admin: bool = False, actor: Actor) -> User:
        """Create an account. Raises Invalid, Conflict."""
        name, password_hash = user_name(name), passwords.hashed(password)
        try:
            with self._db.write() as session:
                return self._insert(session, name, password_hash, admin=admin, actor=actor)
        except IntegrityError:
            raise Conflict(f"There is already a user {name!r}.", field="name") from None

    def set_up(self, name: str, password: str, *, actor: Actor) -> User:
        """Create the first account: an admin, owner of the default workspace.

        Raises Conflict when somebody was faster.
        """
        name, password_hash = user_name(name), passwords.hashed(password)
        with self._db.write() as session:
            if session.scalar(select(User.id).limit(1)) is not None:
                raise Conflict("mlpi is set up already.", advice="Log in.")
            user = self._insert(session, name, password_hash, admin=True, actor=actor)
            workspace = session.scalar(select(Workspace).where(Workspace.name == DEFAULT_WORKSPACE))
            if workspace is not None:
                session.add(
                    Member(
                        user_id=user.id,
                        workspace_id=workspace.id,
                        rank=Role.OWNER,
                        created_at=self._clock(),
                    )
                )
            return user

    def page(self) -> Sequence[User]:
        """All users by name."""
        with self._db.read() as session:
            return session.scalars(select(User).order_by(User.name)).all()

    def get(self, name: str) -> User:
        """The user of this name. Raises NotFound."""
        with self._db.read() as session:
            return find_user(session, name)

    def set_password(
        self, name: str, password: str, *, actor: Actor, keep_session: int | None = None
    ) -> None:
        """Set a new password and end the user's browser sessions, except keep_session."""
        password_hash = passwords.hashed(password)
        with self._db.write() as session:
            user = find_user(session, name)
            user.password_hash = password_hash
            ended = delete(BrowserSession).where(BrowserSession.user_id == user.id)
            if keep_session is not None:
                ended = ended.where(BrowserSession.id != keep_session)
            session.execute(ended)
            self._audit.record(session, actor, "password_changed", user.name)

    def change_password(
        self, name: str, old: str, new: str, *, actor: Actor, keep_session: int | None
    ) -> None:
        """The user's own change, which needs the old password. Raises Invalid."""
        if not passwords.matches(old, self.get(name).password_hash):
            raise Invalid("The current password is not right.", field="old")
        self.set_password(name, new, actor=actor, keep_session=keep_session)

    def set_disabled(self, name: str, disabled: bool, *, actor: Actor) -> None:
        """Disable (sessions end, tokens stop working) or enable. The last admin stays."""
        with self._db.write() as session:
            user = find_user(session, name)
            if disabled and user.is_admin:
                self._refuse_last_admin(session, user)
            user.is_disabled = disabled
            if disabled:
                session.execute(delete(BrowserSession).where(BrowserSession.user_id == user.id))
            action = "user_disabled" if disabled else "user_enabled"
            self._audit.record(session, actor, action, user.name)

    def set_admin(self, name: str, admin: bool, *, actor: Actor) -> None:
        """Grant or withdraw the admin flag. The last admin stays."""
        with self._db.write() as session:
            user = find_user(session, name)
            if not admin and user.is_admin:
                self._refuse_last_admin(session, user)
            user.is_admin = admin
            action = "admin_granted" if admin else "admin_withdrawn"
            self._audit.record(session, actor, action, user.name)

    def _insert(
        self, session: Session, name: str, password_hash: str, *, admin: bool, actor: Actor
    ) -> User:
        user = User(
            name=name,
            password_hash=password_hash,
            is_admin=admin,
            is_disabled=False,
            created_at=self._clock(),
        )
        session.add(user)
        session.flush()
        self._audit.record(session, actor, "admin_added" if admin else "user_added", name)
        return user

    @staticmethod
    def _refuse_last_admin(session: Session, user: User) -> None:
        others = select(func.count()).where(
            User.is_admin.is_(True), User.is_disabled.is_(False), User.id != user.id
        )
        if not session.scalar(others):
            raise Invalid(
                f"{user.name} is the only admin.", advice="Make somebody else an admin first."
            )


def find_user(session: Session, name: str) -> User:
    """The user of this name. Raises NotFound."""
    user = session.scalar(select(User).where(User.name == name))
    if user is None:
        raise NotFound(f"There is no user {name!r}.", field="user")
    return user
