"""Deeds on many tasks at once, some hundred a transaction; knows no HTTP. Its calls block.

A deed goes through the picked tasks in the order of their ids, up to the highest that there was
when it began. It may stop between two transactions and go on later from where it stood, so a page
shows how far it is, and nobody else waits for more than one of its transactions.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mlpi.auth.roles import Principal, Role
from mlpi.auth.workspaces import Workspaces
from mlpi.clock import Clock
from mlpi.db import Database
from mlpi.errors import Conflict, Forbidden, Invalid
from mlpi.labels.adding import BATCH
from mlpi.labels.grid.acts import Acts
from mlpi.labels.grid.filters import Filters, Selection
from mlpi.labels.grid.lists import Grid
from mlpi.labels.hooks.events import Events
from mlpi.labels.projects import project_of


class Predictor(Protocol):
    """What asks a project's models for predictions of tasks."""

    def can_predict(self, workspace: str, project_id: int) -> bool: ...

    def retrieve(
        self, workspace: str, project_id: int, task_ids: Sequence[int], principal: Principal
    ) -> int:
        """How many tasks were asked about. Raises MlpiError."""
        ...


@dataclass(frozen=True, slots=True)
class Deed:
    """One that clients may ask for. noun: what it counts. order: among others, as upstream."""

    id: str
    title: str
    order: int
    noun: str
    words: str
    permission: str = "tasks.change"


@dataclass(frozen=True, slots=True)
class Done:
    """How far a deed is. above: the last task's id; None: all is done."""

    tasks: int
    items: int
    above: int | None


DEEDS: Mapping[str, Deed] = {
    one.id: one
    for one in (
        Deed(
            "retrieve_tasks_predictions",
            "Retrieve Predictions",
            90,
            "prediction",
            "Ask the models of the project about the selected tasks.",
            "predictions.any",
        ),
        Deed(
            "predictions_to_annotations",
            "Create Annotations From Predictions",
            91,
            "annotation",
            "Create an annotation, yours, of each prediction that none was made of yet.",
        ),
        Deed(
            "delete_tasks",
            "Delete Tasks",
            100,
            "task",
            "The selected tasks go for good, with all that was said of them.",
            "tasks.delete",
        ),
        Deed(
            "delete_tasks_annotations",
            "Delete Annotations",
            101,
            "annotation",
            "The annotations and drafts of the selected tasks go for good.",
        ),
        Deed(
            "delete_tasks_predictions",
            "Delete Predictions",
            102,
            "prediction",
            "The predictions of the selected tasks go for good.",
            "predictions.any",
        ),
        Deed("assign", "Assign", 110, "assignment", "They are given the selected tasks first."),
        Deed("unassign", "Unassign", 111, "assignment", "The selected tasks are anybody's again."),
    )
}


class Deeds:
    """Does them. predictor: what the room of models gives, if it is there."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        grid: Grid,
        workspaces: Workspaces,
        predictor: Predictor | None = None,
        events: Events | None = None,
    ) -> None:
        self._db, self._grid, self._workspaces = db, grid, workspaces
        self._acts = Acts(clock, events or Events(clock), is_sqlite=db.is_sqlite)
        self.predictor = predictor

    def offered(self, workspace: str, project_id: int) -> list[Deed]:
        """Those that make sense for a project. Raises NotFound."""
        with self._db.read() as session:
            project_of(session, workspace, project_id)
        can_ask = self.predictor is not None and self.predictor.can_predict(workspace, project_id)
        return [one for one in DEEDS.values() if can_ask or one.id != "retrieve_tasks_predictions"]

    def members(self, workspace: str) -> Mapping[int, str]:
        """The names of a workspace's people by their numbers."""
        return {one.user_id: one.user.name for one in self._workspaces.members(workspace)}

    def people(self, workspace: str) -> Mapping[int, str]:
        """Who can be given tasks: members who may label."""
        members = self._workspaces.members(workspace)
        return {one.user_id: one.user.name for one in members if one.rank >= Role.EDITOR}

    def go(
        self,
        workspace: str,
        project_id: int,
        deed: str,
        filters: Filters,
        selection: Selection,
        principal: Principal,
        options: Mapping[str, Any] | None = None,
        *,
        above: int = 0,
        up_to: int | None = None,
        most_s: float | None = None,
    ) -> Done:
        """Do it, as far as most_s seconds reach; at least one transaction of it.

        options: annotator (an id), model_version (a text or several), people (ids).
        Raises NotFound, Invalid, Forbidden, Conflict; what was done before stays done.
        """
        self._check(workspace, project_id, deed, filters, selection, principal)
        options = options or {}
        if deed in ("assign", "unassign"):
            options = {**options, "people": self._named(workspace, deed, options)}
        if deed == "retrieve_tasks_predictions":
            return self._retrieve(workspace, project_id, filters, selection, principal)
        until = None if most_s is None else time.monotonic() + most_s
        last = self._grid.newest(workspace, project_id) if up_to is None else up_to
        tasks = items = 0
        while True:
            ids = self._grid.ids(
                workspace, project_id, filters, selection, limit=BATCH, above=above, up_to=last
            )
            if not ids:
                return Done(tasks, items, None)
            items += self._batch(workspace, project_id, deed, ids, principal, options)
            tasks, above = tasks + len(ids), ids[-1]
            if until is not None and time.monotonic() >= until:
                return Done(tasks, items, above)

    def _check(
        self,
        workspace: str,
        project_id: int,
        deed: str,
        filters: Filters,
        selection: Selection,
        principal: Principal,
    ) -> None:
        if deed not in DEEDS:
            raise Invalid(
                f"Can't find {deed[:60]!r} in registered actions.",
                advice=f"There are {', '.join(DEEDS)}.",
                field="id",
            )
        if deed == "retrieve_tasks_predictions" and (
            self.predictor is None or not self.predictor.can_predict(workspace, project_id)
        ):
            raise Conflict("This project has no model to ask.", advice="Connect one first.")
        if selection.is_none:
            raise Invalid("No task is selected.", field="selectedItems")
        is_whole = selection.is_all and not selection.ids and not filters.items
        if deed == "delete_tasks" and is_whole and not principal.can(Role.OWNER):
            raise Forbidden("Only an owner may delete all tasks of a project.")

    def _batch(
        self,
        workspace: str,
        project_id: int,
        deed: str,
        ids: Sequence[int],
        principal: Principal,
        options: Mapping[str, Any],
    ) -> int:
        with self._db.write() as session:
            project = project_of(session, workspace, project_id, is_locked=True)
            return self._acts.named(deed)(session, project, ids, principal, options)

    def _retrieve(
        self,
        workspace: str,
        project_id: int,
        filters: Filters,
        selection: Selection,
        principal: Principal,
    ) -> Done:
        """Ask about all of them at once: what answers may be a job that takes its time."""
        assert self.predictor is not None
        ids: list[int] = []
        while part := self._grid.ids(
            workspace, project_id, filters, selection, limit=BATCH, above=ids[-1] if ids else 0
        ):
            ids += part
        count = self.predictor.retrieve(workspace, project_id, ids, principal) if ids else 0
        return Done(len(ids), count, None)

    def _named(self, workspace: str, deed: str, options: Mapping[str, Any]) -> dict[int, str]:
        """People by id and name; for unassign without any, all. Raises Invalid."""
        people, given = self.people(workspace), options.get("people") or ()
        wanted = [one for one in given if isinstance(one, int) and not isinstance(one, bool)]
        if deed == "unassign":
            return {one: people.get(one, "") for one in wanted}
        wrong = [one for one in wanted if one not in people]
        if not wanted or wrong:
            raise Invalid(
                "Nobody is named." if not wanted else f"User {wrong[0]} may not label here.",
                advice="Editors and owners of the workspace can be given tasks.",
                field="people",
            )
        return {one: people[one] for one in wanted}
