"""Saved views and everybody's marks: reading and writing them in mlpi's own database."""

from __future__ import annotations

from sqlalchemy import Select, delete, select

from mlpi.auth.audit import Actor, Audit
from mlpi.auth.models import User
from mlpi.auth.roles import Principal, Role
from mlpi.clock import Clock
from mlpi.db import Database, IntegrityError, Session
from mlpi.errors import Forbidden, Invalid, NotFound
from mlpi.tracking.runs.marks import Marks
from mlpi.tracking.runs.models import SavedView
from mlpi.tracking.runs.view import View

MAX_VIEWS = 50  # of one user in one experiment


class SavedViews:
    """Views belong to who made them and are seen by the whole workspace; marks are one's own."""

    def __init__(self, db: Database, audit: Audit, clock: Clock) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock

    def page(self, workspace: str, experiment_id: str) -> list[tuple[SavedView, str]]:
        """All saved views of an experiment by name, each with its maker's name."""
        query = (
            select(SavedView, User.name)
            .join(User, User.id == SavedView.user_id)
            .where(
                SavedView.workspace == workspace,
                SavedView.experiment_id == experiment_id,
                SavedView.name != "",
            )
            .order_by(SavedView.name, SavedView.id)
        )
        with self._db.read() as session:
            return [(view, maker) for view, maker in session.execute(query)]

    def get(self, workspace: str, experiment_id: str, view_id: int) -> SavedView:
        """One saved view. Raises NotFound."""
        with self._db.read() as session:
            return self._found(session, workspace, experiment_id, view_id)

    def marks(self, principal: Principal, experiment_id: str) -> Marks:
        """What the user has marked among an experiment's runs."""
        with self._db.read() as session:
            own = session.scalar(self._own(principal, experiment_id))
        return Marks.of(own.marks) if own else Marks()

    def keep_marks(self, principal: Principal, experiment_id: str, marks: Marks) -> None:
        """Remember a user's marks."""
        try:
            self._keep_marks(principal, experiment_id, marks)
        except IntegrityError:  # two first marks at once, on PostgreSQL
            self._keep_marks(principal, experiment_id, marks)

    def save(
        self,
        principal: Principal,
        experiment_id: str,
        name: str,
        view: View,
        marks: Marks,
        *,
        actor: Actor,
    ) -> int:
        """Save a view, over the user's own of this name; its id. Raises Invalid."""
        name = " ".join(name.split())
        if not name or len(name) > 100 or not name.isprintable():
            raise Invalid("A view needs a name of 1 to 100 characters.", field="name")
        view.clauses  # noqa: B018 - raises when the filter is wrong
        with self._db.write() as session:
            mine = self._own(principal, experiment_id, name)
            found = session.scalar(mine)
            if found is None:
                others = select(SavedView.id).where(
                    SavedView.user_id == principal.user_id,
                    SavedView.workspace == principal.workspace,
                    SavedView.experiment_id == experiment_id,
                    SavedView.name != "",
                )
                if len(session.scalars(others).all()) >= MAX_VIEWS:
                    raise Invalid(
                        f"You have {MAX_VIEWS} views of this experiment.", advice="Remove some."
                    )
                found = self._new(principal, experiment_id, name)
                session.add(found)
            found.query = view.kept_query()
            found.marks = marks.plain()
            found.updated_at = self._clock()
            self._record(session, actor, "view_saved", name, experiment_id, principal.workspace)
            session.flush()
            return found.id

    def remove(
        self, principal: Principal, experiment_id: str, view_id: int, *, actor: Actor
    ) -> None:
        """Remove a view: one's own, or as an owner anybody's. Raises NotFound, Forbidden."""
        with self._db.write() as session:
            found = self._found(session, principal.workspace or "", experiment_id, view_id)
            if found.user_id != principal.user_id and not principal.can(Role.OWNER):
                raise Forbidden("Only who made a view, or an owner, removes it.")
            session.execute(delete(SavedView).where(SavedView.id == found.id))
            self._record(
                session, actor, "view_removed", found.name, experiment_id, principal.workspace
            )

    def _keep_marks(self, principal: Principal, experiment_id: str, marks: Marks) -> None:
        with self._db.write() as session:
            own = session.scalar(self._own(principal, experiment_id))
            if own is None:
                own = self._new(principal, experiment_id, "")
                session.add(own)
            own.marks = marks.plain()
            own.updated_at = self._clock()

    def _record(
        self,
        session: Session,
        actor: Actor,
        action: str,
        name: str,
        experiment_id: str,
        workspace: str | None,
    ) -> None:
        target = f"{name} of experiment {experiment_id}"
        self._audit.record(session, actor, action, target, workspace or "")

    def _new(self, principal: Principal, experiment_id: str, name: str) -> SavedView:
        return SavedView(
            workspace=principal.workspace or "",
            experiment_id=experiment_id,
            user_id=principal.user_id,
            name=name,
            marks={},
            query="",
            updated_at=self._clock(),
        )

    @staticmethod
    def _own(principal: Principal, experiment_id: str, name: str = "") -> Select[SavedView]:
        return select(SavedView).where(
            SavedView.workspace == principal.workspace,
            SavedView.experiment_id == experiment_id,
            SavedView.user_id == principal.user_id,
            SavedView.name == name,
        )

    @staticmethod
    def _found(session: Session, workspace: str, experiment_id: str, view_id: int) -> SavedView:
        found = session.get(SavedView, view_id)
        if (
            found is None
            or found.workspace != workspace
            or found.experiment_id != experiment_id
            or not found.name
        ):
            raise NotFound("There is no such view of this experiment.")
        return found
