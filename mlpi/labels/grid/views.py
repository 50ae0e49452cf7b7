"""Saved views of a project's tasks: the tabs of the data manager. Their calls block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, select

from mlpi.auth.roles import Principal
from mlpi.db import Database, Session
from mlpi.errors import Invalid, NotFound
from mlpi.labels.given import as_json
from mlpi.labels.grid.filters import (
    Filters,
    Order,
    Selection,
    read_filters,
    read_order,
    read_selection,
)
from mlpi.labels.models import LabelProject, LabelView
from mlpi.labels.projects import project_of

MOST_BYTES = 200_000  # of a view
MOST_VIEWS = 200  # of a project


class Views:
    """The views of all projects; each call names the workspace that it is for."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self, workspace: str, project_id: int | None = None) -> Sequence[LabelView]:
        """Of a project or of the workspace, in their order. Raises NotFound for the project."""
        asked = (
            select(LabelView)
            .join(LabelProject, LabelProject.id == LabelView.project_id)
            .where(LabelProject.workspace == workspace)
            .order_by(LabelView.place, LabelView.id)
        )
        with self._db.read() as session:
            if project_id is not None:
                project_of(session, workspace, project_id)
                asked = asked.where(LabelView.project_id == project_id)
            return session.scalars(asked).all()

    def get(self, workspace: str, view_id: int) -> LabelView:
        """Raises NotFound."""
        with self._db.read() as session:
            return view_of(session, workspace, view_id)

    def of_project(self, workspace: str, project_id: int, view_id: int) -> LabelView:
        """A project's own. Raises NotFound."""
        with self._db.read() as session:
            project_of(session, workspace, project_id)
            view = view_of(session, workspace, view_id)
        if view.project_id != project_id:
            raise NotFound(f"There is no view {view_id} in this project.")
        return view

    def add(
        self, workspace: str, project_id: int, given: Mapping[str, Any], principal: Principal
    ) -> LabelView:
        """given: {"data": {"filters", "ordering", …}} as Label Studio has it. Raises NotFound,
        Invalid."""
        view = LabelView(
            project_id=project_id,
            user_id=principal.user_id,
            data={},
            filters={},
            ordering=[],
            selected={},
        )
        _take(view, given)
        with self._db.write() as session:
            project_of(session, workspace, project_id, is_locked=True)
            asked = select(func.count()).where(LabelView.project_id == project_id)
            count = session.scalar(asked) or 0
            if count >= MOST_VIEWS:
                raise Invalid(f"A project may have {MOST_VIEWS} views.", field="project")
            view.place = count
            session.add(view)
        return view

    def change(self, workspace: str, view_id: int, given: Mapping[str, Any]) -> LabelView:
        """What is not given stays. Raises NotFound, Invalid."""
        with self._db.write() as session:
            view = view_of(session, workspace, view_id)
            _take(view, given)
        return view

    def remove(self, workspace: str, view_id: int) -> None:
        """Raises NotFound."""
        with self._db.write() as session:
            session.delete(view_of(session, workspace, view_id))

    def reset(self, workspace: str, project_id: int) -> None:
        """Remove all of a project. Raises NotFound."""
        with self._db.write() as session:
            project_of(session, workspace, project_id)
            session.execute(delete(LabelView).where(LabelView.project_id == project_id))

    def arrange(self, workspace: str, project_id: int, view_ids: Sequence[int]) -> None:
        """Put views in this order; those of other projects are passed over. Raises NotFound."""
        with self._db.write() as session:
            project_of(session, workspace, project_id)
            asked = select(LabelView).where(
                LabelView.project_id == project_id, LabelView.id.in_(view_ids)
            )
            for view in session.scalars(asked):
                view.place = view_ids.index(view.id)


def view_of(session: Session, workspace: str, view_id: int) -> LabelView:
    """A workspace's view. Raises NotFound."""
    view = session.get(LabelView, view_id) if 0 < view_id < 1 << 31 else None
    if view is not None:
        project = session.get(LabelProject, view.project_id)
        if project is not None and project.workspace == workspace:
            return view
    raise NotFound(f"There is no view {view_id} in this workspace.")


def title_of(view: LabelView) -> str:
    """What people call it."""
    return str(view.data.get("title") or f"View {view.id}")


def asked_by(view: LabelView) -> tuple[Filters, Order, Selection]:
    """What a view asks for. Raises Invalid."""
    return (
        read_filters(view.filters),
        read_order(view.ordering, view.data),
        read_selection(view.selected),
    )


def told(view: LabelView) -> dict[str, Any]:
    """As Label Studio's API tells it."""
    data = dict(view.data)
    if view.filters:
        data["filters"] = view.filters
    if view.selected:
        data["selectedItems"] = view.selected
    if view.ordering:
        data["ordering"] = view.ordering
    return {
        "id": view.id,
        "data": data,
        "order": view.place,
        "user": view.user_id,
        "project": view.project_id,
    }


def _take(view: LabelView, given: Mapping[str, Any]) -> None:
    if "data" not in given:
        return
    sent = given["data"] or {}
    if not isinstance(sent, dict):
        raise Invalid("It must be an object.", field="data")
    if len(as_json(sent)) > MOST_BYTES:
        raise Invalid(f"A view may have {MOST_BYTES:,} bytes.", field="data")
    data = dict(sent)
    filters, ordering = data.pop("filters", None), data.pop("ordering", None)
    selected = data.pop("selectedItems", None)
    if filters:
        read_filters(filters)
        view.filters = {
            "conjunction": filters.get("conjunction", "and"),
            "items": filters.get("items", []),
        }
    if ordering is not None:
        read_order(ordering, data)
        view.ordering = [ordering] if isinstance(ordering, str) else list(ordering or [])
    if selected is not None:
        read_selection(selected)
        view.selected = dict(selected)
    view.data = data
