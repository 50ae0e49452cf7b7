"""What every tool of the workbench is to the house: a component."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from fastapi import APIRouter
from starlette.types import ASGIApp

from mlpi.auth.audit import Actor
from mlpi.auth.roles import Principal
from mlpi.errors import MlpiError
from mlpi.uploads import Arrived

log = logging.getLogger(__name__)


class State(Enum):
    """How a component is."""

    READY = "ready"
    STARTING = "starting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Health:
    """A component's state and one line: why it is not ready, or what it does without."""

    state: State
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """An entry of the navigation."""

    label: str
    href: str
    icon: str


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that the header's search found."""

    label: str
    href: str
    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A component's part of the dashboard: a template, and what it shows."""

    template: str
    context: dict[str, object]
    is_wide: bool = False


@dataclass(frozen=True, slots=True)
class Badge:
    """A component's sign in the header of every page.

    count: what is going on, shown when above 0. alarm: what went wrong, in words; a red dot.
    refresh: the address that answers with the sign alone; asked while there is a count.
    """

    name: str
    href: str
    icon: str
    count: int
    label: str
    refresh: str
    alarm: str = ""

    @property
    def is_shown(self) -> bool:
        return self.count > 0 or bool(self.alarm)


@runtime_checkable
class Badged(Protocol):
    """A component that also has a sign in the header."""

    def badge(self, principal: Principal) -> Badge | None:
        """Its sign for this principal's workspace; one cheap query, for it is on every page."""
        ...


MLFLOW_RUN = "mlflow-run"  # kind of thing, its key: the run's id
BOARD_RUN = "board-run"  # its key: the run's name


@dataclass(frozen=True, slots=True)
class Relations:
    """What belongs to a thing in other rooms. is_whole: every room could look."""

    hits: Sequence[Hit]
    is_whole: bool


@runtime_checkable
class Related(Protocol):
    """A component that knows what of its own belongs to a thing of another, or is that thing."""

    def related(self, principal: Principal, kind: str, key: str) -> Sequence[Hit]:
        """What that is in this principal's workspace. Called in a thread.

        kind: MLFLOW_RUN or BOARD_RUN; () for one it knows nothing about. Raises NotReady.
        """
        ...


@dataclass(frozen=True, slots=True)
class Shelved:
    """The version of a dataset that a file became, or was already. href: its page."""

    dataset: str
    number: int
    href: str


class DatasetShelf(Protocol):
    """Where other rooms put tables that they made, so that they are versioned and checked."""

    def check_dataset(self, workspace: str, name: str) -> str:
        """The name as it is kept. Raises Invalid; Conflict where it is no dataset of files."""
        ...

    def shelve(
        self,
        workspace: str,
        name: str,
        file_name: str,
        arrived: Arrived,
        *,
        actor: Actor,
        origin: Mapping[str, Any],
    ) -> Shelved:
        """Take a file over as the next version of a dataset; the same content is no new one.

        origin: where it came from; its "by" is the room, its "href" and "title" the page to go
        back to. Raises Invalid, Conflict.
        """
        ...


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure for Prometheus. text: what it says, in a sentence."""

    name: str
    text: str
    value: float


@runtime_checkable
class Measured(Protocol):
    """A component with figures of its own at /metrics."""

    def measures(self) -> Sequence[Measure]:
        """They name nobody's workspace. Answered from memory."""
        ...


class Component(Protocol):
    """One tool, one folder. Blocking work inside these calls runs in a thread."""

    name: str

    @property
    def links(self) -> Sequence[Link]:
        """Its entries in the navigation."""
        ...

    @property
    def routers(self) -> Sequence[APIRouter]:
        """Its pages and its part of mlpi's own API."""
        ...

    @property
    def rooms(self) -> dict[str, ASGIApp]:
        """Embedded apps, by the room name that the decision table gives their routes."""
        ...

    async def start(self) -> None:
        """Begin. Returns soon; long work goes on in the background."""
        ...

    async def stop(self) -> None:
        """End, and give back what was taken."""
        ...

    def summary(self, principal: Principal) -> Card | None:
        """Its card for this principal's workspace. Called in a thread."""
        ...

    def search(self, principal: Principal, words: str) -> Sequence[Hit]:
        """What the words find in this principal's workspace. Called in a thread."""
        ...

    def health(self) -> Health:
        """Its state, answered from memory."""
        ...


class Components:
    """All components of this process: start in order, stop in reverse."""

    def __init__(self, components: Sequence[Component]) -> None:
        self.all = tuple(components)
        self._started: list[Component] = []

    async def start(self) -> None:
        for component in self.all:
            await component.start()
            self._started.append(component)

    async def stop(self) -> None:
        while self._started:
            component = self._started.pop()
            try:
                await component.stop()
            except Exception:
                log.exception("component did not stop", extra={"action": "stop_failed"})

    def cards(self, principal: Principal) -> list[Card]:
        """Every component's card. One whose data cannot be read has none; the others stand."""
        found = []
        for component in self.all:
            try:
                card = component.summary(principal)
            except Exception:
                log.exception("no card", extra={"action": "card_failed", "room": component.name})
            else:
                found += [card] if card else []
        return found

    def badges(self, principal: Principal) -> list[Badge]:
        """The signs in the header. One that cannot be read is left out; the page stands."""
        found = []
        for component in self.all:
            if not isinstance(component, Badged):
                continue
            try:
                badge = component.badge(principal)
            except Exception:
                log.exception("no badge", extra={"action": "badge_failed", "room": component.name})
            else:
                found += [badge] if badge else []
        return found

    def hits(self, principal: Principal, words: str) -> list[Hit]:
        """What the words find, in every component that can look for them now."""
        found: list[Hit] = []
        for component in self.all:
            try:
                found += component.search(principal, words)
            except Exception:
                log.exception(
                    "no search", extra={"action": "search_failed", "room": component.name}
                )
        return found

    def related(self, principal: Principal, kind: str, key: str) -> Relations:
        """What belongs to a thing, in every component that can look now."""
        hits: list[Hit] = []
        is_whole = True
        for component in self.all:
            if not isinstance(component, Related):
                continue
            try:
                hits += component.related(principal, kind, key)
            except MlpiError:  # it is starting, or has failed and says so elsewhere
                is_whole = False
            except Exception:
                is_whole = False
                log.exception(
                    "no relations", extra={"action": "related_failed", "room": component.name}
                )
        return Relations(hits, is_whole)

    def measures(self) -> list[Measure]:
        return [
            one
            for component in self.all
            if isinstance(component, Measured)
            for one in component.measures()
        ]

    def health(self) -> dict[str, Health]:
        return {component.name: component.health() for component in self.all}
