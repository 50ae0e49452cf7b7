"""What the pages about runs decide; knows no HTTP. Its calls block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mlpi.boards.folders import ROOT_RUN, is_below
from mlpi.boards.manage.facts import (
    File,
    Kind,
    State,
    Stays,
    Tag,
    changed_at,
    files_of,
    kinds_of,
    state_of,
    stays_of,
    tags_of,
)
from mlpi.boards.manage.ties import Tie, Ties
from mlpi.boards.reader.events import SCALARS
from mlpi.boards.service import BoardsService, Shown, is_growing
from mlpi.errors import Conflict, Invalid, MlpiError

PAGE_RUNS = 200
FIRST_TAGS = 12  # on a run's page
MOST_PROBLEMS = 50
STATES = ("active", "archived", "all")


@dataclass(frozen=True, slots=True)
class About:
    """A run's page. problems: the first of what its files hold amiss; scalars: the first tags;
    is_moving: whether it or a run below it grows.
    """

    shown: Shown
    state: State
    path: str
    files: Sequence[File]
    kinds: Sequence[Kind]
    problems: Sequence[MlpiError]
    problem_count: int
    skipped: int
    tie: Tie | None
    stays: Stays
    is_growing: bool
    is_moving: bool
    changed_at: datetime
    scalars: Sequence[Tag]


@dataclass(frozen=True, slots=True)
class Row:
    """A run in the table."""

    shown: Shown
    state: State
    tags: int
    changed_at: datetime
    tie: Tie | None


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of runs. count, size_bytes: of those asked for; folders: those above runs, with
    their number; is_moving: whether one in the folder grows; total: of all runs.
    """

    rows: Sequence[Row]
    count: int
    size_bytes: int
    next_after: str
    folders: Sequence[tuple[str, int]]
    total: int
    total_bytes: int
    archived: int
    is_moving: bool
    quota_bytes: int


@dataclass(frozen=True, slots=True)
class Question:
    """What a removal would take. names: all of them, unless a folder says which."""

    names: Sequence[str]
    folder: str
    size_bytes: int
    files: int
    growing: Sequence[str]
    archived: int


class Manage:
    """Runs as things: what they are, how many, and what shall be done with which."""

    def __init__(self, service: BoardsService, quota_bytes: int) -> None:
        """quota_bytes: up to which a workspace's logs may come by uploads."""
        self.service, self.quota_bytes = service, quota_bytes
        self.ties = Ties(service)

    def about(self, workspace: str, name: str) -> About:
        """Raises NotFound."""
        shown = self.service.shown(workspace, name)
        run = shown.run
        problems = run.reader.problems
        runs = self.service.library.runs(workspace)
        path = "/".join(["tensorboard", workspace, *([] if name == ROOT_RUN else [name])])
        return About(
            shown,
            state_of(run),
            path,
            files_of(run),
            kinds_of(run),
            problems[:MOST_PROBLEMS],
            len(problems),
            len(run.reader.held.skipped),
            self.ties.of(shown),
            stays_of(run, runs),
            is_growing(run),
            any(is_growing(one) for one in runs if one is run or is_below(one.name, name)),
            changed_at(run),
            tags_of(run, SCALARS, most=FIRST_TAGS)[0],
        )

    def listing(
        self, workspace: str, *, words: str = "", state: str = "", folder: str = "", after: str = ""
    ) -> Listing:
        """Runs by name. state: one of STATES; folder: those in it or below; after: a run's name."""
        every = self.service.listed(workspace, is_archived=None)
        found = [one for one in every if _is_asked(one, words, state, folder)]
        page = [one for one in found if one.name > after][: PAGE_RUNS + 1]
        rows = [
            Row(one, state_of(one.run), _tag_count(one), changed_at(one.run), self.ties.of(one))
            for one in page[:PAGE_RUNS]
        ]
        return Listing(
            rows=rows,
            count=len(found),
            size_bytes=sum(one.run.size_bytes for one in found),
            next_after=rows[-1].shown.name if len(page) > PAGE_RUNS else "",
            folders=_folders([one.name for one in every]),
            total=len(every),
            total_bytes=sum(one.run.size_bytes for one in every),
            archived=sum(one.is_archived for one in every),
            is_moving=any(is_growing(one.run) for one in every if is_below(one.name, folder)),
            quota_bytes=self.quota_bytes,
        )

    def chosen(self, workspace: str, names: Sequence[str], folder: str = "") -> list[Shown]:
        """The runs that were ticked, or all in a folder and below. Raises NotFound, Invalid."""
        if folder:
            every = self.service.listed(workspace, is_archived=None)
            found = [one for one in every if one.name == folder or is_below(one.name, folder)]
            if not found:
                raise Invalid(f"There is no run in the folder {folder[:200]!r}.")
            return found
        if not names:
            raise Invalid("Nothing is selected.", advice="Tick the runs first.")
        return [self.service.shown(workspace, name) for name in dict.fromkeys(names)]

    def question(self, workspace: str, names: Sequence[str], folder: str = "") -> Question:
        """Raises NotFound, Invalid."""
        chosen = self.chosen(workspace, names, folder)
        return Question(
            names=[one.name for one in chosen],
            folder=folder,
            size_bytes=sum(one.run.size_bytes for one in chosen),
            files=sum(len(one.run.found.state) for one in chosen),
            growing=[one.name for one in chosen if is_growing(one.run)],
            archived=sum(one.is_archived for one in chosen),
        )

    def agreed(
        self, workspace: str, names: Sequence[str], folder: str, count: int | None
    ) -> list[str]:
        """The names of what somebody agreed to remove; count: how many the question named.

        Raises NotFound, Invalid, Conflict when a folder holds others than were asked about.
        """
        chosen = self.chosen(workspace, names, folder)
        if folder and count != len(chosen):
            raise Conflict(
                f"The folder {folder!r} holds {len(chosen)} runs now.", advice="Look again."
            )
        return [one.name for one in chosen]


def _is_asked(one: Shown, words: str, state: str, folder: str) -> bool:
    if state != "all" and one.is_archived is not (state == "archived"):
        return False
    if folder and one.name != folder and not is_below(one.name, folder):
        return False
    name = one.name.lower()
    return all(word in name for word in words.lower().split())


def _tag_count(one: Shown) -> int:
    held = one.run.reader.held
    return len(held.series) + len(held.entries)


def _folders(names: Sequence[str]) -> list[tuple[str, int]]:
    """Folders with two runs or more in or below them, by name."""
    counts: dict[str, int] = {}
    for name in names:
        parts = name.split("/")
        for depth in range(1, len(parts) + 1):
            above = "/".join(parts[:depth])
            counts[above] = counts.get(above, 0) + 1
    return sorted((folder, count) for folder, count in counts.items() if count > 1)
