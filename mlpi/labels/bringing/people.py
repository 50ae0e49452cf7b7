"""Who imported annotations are by: members of the workspace, named by address or number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from mlpi.auth.models import Member, User, Workspace
from mlpi.auth.roles import Principal, Role
from mlpi.db import Session


@dataclass(frozen=True, slots=True)
class People:
    """Members by number and by name. Only an owner imports what others said under their names."""

    names: Mapping[int, str]
    numbers: Mapping[str, int]

    def settle(self, task: object) -> None:
        """Put numbers of members where a task's annotations name people; None for strangers."""
        said = task.get("annotations") if isinstance(task, dict) else None
        if not isinstance(said, list):
            return
        for one in said:
            if isinstance(one, dict) and one.get("completed_by") is not None:
                one["completed_by"] = self._number(one["completed_by"])

    def _number(self, who: Any) -> int | None:
        if isinstance(who, dict):
            # A number that comes with an address is of the house that it was exported from.
            address = who.get("email")
            if isinstance(address, str):
                whole = address.casefold()
                return self.numbers.get(whole) or self.numbers.get(whole.partition("@")[0])
            who = who.get("id")
        if isinstance(who, int) and not isinstance(who, bool) and who in self.names:
            return who
        return None


def people_of(session: Session, workspace: str, principal: Principal) -> People:
    """Whose annotations the principal may bring in."""
    names = {principal.user_id: principal.name}
    if principal.can(Role.OWNER):
        asked = (
            select(User.id, User.name)
            .join(Member, Member.user_id == User.id)
            .join(Workspace, Workspace.id == Member.workspace_id)
            .where(Workspace.name == workspace)
        )
        names.update((number, name) for number, name in session.execute(asked))
    return People(names, {name.casefold(): number for number, name in names.items()})
