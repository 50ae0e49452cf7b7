"""What every page of the room shows around its content: the runs, those chosen, the tabs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from fastapi import Request, Response

from mlpi.boards.choice import FILTER, Choice
from mlpi.boards.looks import Look, looks
from mlpi.boards.patterns import matching
from mlpi.boards.service import BoardsService, Shown, page_of
from mlpi.boards.tabs import TABS, Tab
from mlpi.boards.tree import Folder, tree
from mlpi.errors import Invalid
from mlpi.web.render import render, workspace_of


@dataclass(frozen=True, slots=True)
class Room:
    """The runs of a workspace as somebody looks at them.

    runs: those in the tree, by name; chosen: those of them whose content is shown; version: of the
    library, before anything was read; wrong: what is wrong with the filter, which then finds all.
    """

    workspace: str
    choice: Choice
    runs: Sequence[Shown]
    chosen: Sequence[Shown]
    looks: Mapping[str, Look]
    tree: Folder
    archived: int
    pending: int
    version: int
    wrong: str = ""
    tabs: Sequence[Tab] = TABS

    @property
    def status(self) -> int:
        return 422 if self.wrong else 200

    @property
    def found(self) -> int:
        """How many runs the filter finds."""
        return sum(leaf.is_found for leaf in self.tree.every)


def room_of(request: Request, service: BoardsService) -> Room:
    """The room as this request's URL asks for it. Raises Invalid, but not for a wrong filter."""
    return room(workspace_of(request), query_of(request), service)


def room(workspace: str, query: Mapping[str, Sequence[str]], service: BoardsService) -> Room:
    choice = Choice.of(query)
    version = service.library.version(workspace)
    every = service.listed(workspace, is_archived=None)
    runs = [one for one in every if one.is_archived is choice.is_archived]
    names = [one.name for one in runs]
    wrong = ""
    try:
        found = matching(choice.pattern, names, field=FILTER)
    except Invalid as error:
        found, wrong = set(names), error.line()
    ticked = {name for name in names if choice.is_ticked(name)}
    look_of = looks([one.run for one in every], choice.inks)
    return Room(
        workspace=workspace,
        choice=choice,
        runs=runs,
        chosen=[one for one in runs if one.name in found and one.name in ticked],
        looks=look_of,
        tree=tree(runs, look_of, found, ticked),
        archived=sum(one.is_archived for one in every),
        pending=service.library.pending(workspace),
        version=version,
        wrong=wrong,
    )


def page(request: Request, template: str, room: Room, **context: Any) -> Response:
    """A template that extends boards/room.html."""
    return render(request, template, room.status, room=room, page_of=page_of, **context)


def query_of(request: Request) -> dict[str, list[str]]:
    """The parameters of a URL, of which some come more than once."""
    return parse_qs(request.url.query)
