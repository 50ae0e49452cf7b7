"""What every page of the room shows around its content: the runs, those chosen, the tabs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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


@dataclass(frozen=True)
class Room:
    """The runs of a workspace as somebody looks at them.

    every: with those that are not in the tree; runs: those in the tree, by name; chosen: those of
    them whose content is shown; version: of the library, before anything was read; wrong: what is
    wrong with the filter, which then finds all.
    """

    workspace: str
    choice: Choice
    every: Sequence[Shown]
    runs: Sequence[Shown]
    names_found: frozenset[str]
    chosen: Sequence[Shown]
    pending: int
    version: int
    wrong: str = ""
    tabs: Sequence[Tab] = TABS

    @cached_property
    def looks(self) -> Mapping[str, Look]:
        """By run name."""
        return looks([one.run for one in self.every], self.choice.inks)

    @cached_property
    def tree(self) -> Folder:
        ticked = {one.name for one in self.runs if self.choice.is_ticked(one.name)}
        return tree(self.runs, self.looks, self.names_found, ticked)

    @property
    def archived(self) -> int:
        return sum(one.is_archived for one in self.every)

    @property
    def found(self) -> int:
        """How many runs the filter finds."""
        return len(self.names_found)

    @property
    def status(self) -> int:
        return 422 if self.wrong else 200


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
    return Room(
        workspace=workspace,
        choice=choice,
        every=every,
        runs=runs,
        names_found=frozenset(found),
        chosen=[one for one in runs if one.name in found and choice.is_ticked(one.name)],
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
