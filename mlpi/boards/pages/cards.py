"""Cards: one for every tag and run of a kind, grouped by tag, some at a time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlpi.boards.kinds.timeline import Timeline, tags_of
from mlpi.boards.library import Run
from mlpi.boards.looks import Look
from mlpi.boards.pages.view import View
from mlpi.boards.patterns import compiled, matching
from mlpi.boards.room import Room
from mlpi.boards.tree import natural
from mlpi.errors import Invalid, NotFound

PER_PAGE = 36
MOST_STOPS = 1000  # of a slider
FILTER = "tags"


@dataclass(frozen=True, slots=True)
class Card:
    """One tag of one run. index, step, at: of the value that is shown at first.

    id: the same for the same run and tag; stamp: another one when the tag has other values.
    """

    id: str
    run: str
    look: Look
    tag: str
    description: str
    count: int
    index: int
    step: int
    at: datetime
    key: str
    sample: int
    stamp: str
    line: Timeline

    @property
    def query(self) -> dict[str, str]:
        """Its run and tag, for addresses."""
        return {"run": self.run, "tag": self.tag}


@dataclass(frozen=True, slots=True)
class Group:
    """A tag and its cards. label: the tag, or the name its writer wants shown."""

    tag: str
    label: str
    cards: list[Card]


@dataclass(frozen=True, slots=True)
class Deck:
    """A page of cards. total: of all pages; tags: all that the chosen runs have of this kind."""

    groups: list[Group]
    total: int
    tags: int
    first: int
    page: int
    pages: int
    wrong: str

    @property
    def cards(self) -> list[Card]:
        return [card for group in self.groups for card in group.cards]


def deck(room: Room, view: View, plugin: str) -> Deck:
    """The chosen runs' tags of a plugin. A wrong filter finds all, and `wrong` says so."""
    runs = {one.name: one.run for one in room.chosen}
    by_tag: dict[str, list[str]] = {}
    for name, run in runs.items():
        for tag in tags_of(run, plugin):
            by_tag.setdefault(tag, []).append(name)
    wrong = ""
    tags = sorted(by_tag, key=natural)
    try:
        pattern = compiled(view.tags, field=FILTER) if view.tags else None
        found = matching(pattern, tags, field=FILTER)
    except Invalid as error:
        found, wrong = set(tags), error.line()
    every = [
        (tag, name) for tag in tags if tag in found for name in sorted(by_tag[tag], key=natural)
    ]
    pages = max(1, -(-len(every) // PER_PAGE))
    page = min(view.page, pages)
    first = (page - 1) * PER_PAGE
    groups: list[Group] = []
    for tag, name in every[first : first + PER_PAGE]:
        try:
            card = _card(runs[name], tag, plugin, room.looks[name], view)
        except NotFound:
            continue  # went away meanwhile
        if not groups or groups[-1].tag != tag:
            groups.append(Group(tag, _label(runs[name], tag), []))
        groups[-1].cards.append(card)
    return Deck(groups, len(every), len(tags), first, page, pages, wrong)


def card_id(run: str, tag: str) -> str:
    said = f"{run}\n{tag}".encode("utf-8", "replace")
    return hashlib.sha256(said).hexdigest()[:10]


def _card(run: Run, tag: str, plugin: str, look: Look, view: View) -> Card:
    line = Timeline(run, tag, plugin)
    name = card_id(run.name, tag)
    spot = view.spot(name)
    index = line.nearest(spot.step)
    entry = line.entry(index)
    metadata = run.reader.held.metadata.get(tag)
    return Card(
        id=name,
        run=run.name,
        look=look,
        tag=tag,
        description=metadata.description if metadata else "",
        count=len(line),
        index=index,
        step=entry.step,
        at=at_of(entry.wall_time),
        key=line.key(index),
        sample=spot.sample,
        stamp=f"{len(line)}-{line.key(len(line) - 1)}",
        line=line,
    )


def _label(run: Run, tag: str) -> str:
    metadata = run.reader.held.metadata.get(tag)
    return (metadata.display_name if metadata else "") or tag


def stops(line: Timeline) -> dict[str, Any]:
    """What a slider over a tag's values needs: at most MOST_STOPS of them, the newest with them."""
    indices = line.thinned(MOST_STOPS)
    steps, times = line.steps, line.wall_times
    return {
        "count": len(line),
        "indices": indices,
        "steps": [steps[index] for index in indices],
        "times": [times[index] for index in indices],
        "keys": [line.key(index) for index in indices],
    }


def at_of(wall_time: float) -> datetime:
    """A time of a log, which may be anything, as one that can be shown."""
    try:
        return datetime.fromtimestamp(wall_time, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
