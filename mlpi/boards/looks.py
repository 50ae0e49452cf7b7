"""How runs are told apart: one of the theme's six colours, and a pattern of dashes.

The oldest run has the first look, so that a new one changes no other's. A run's age is the number
in its first file's name, which TensorBoard's writers take from the clock.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mlpi.boards.library import Run

COLOURS = 6
# As SVG and canvas take them; the first is a solid line.
DASHES = ("", "7 3", "2 2", "9 3 2 3", "14 4", "4 2 1 2 1 2", "1 4", "12 3 5 3", "5 5 1 5")
_CLOCK = re.compile(r"tfevents\.(\d{9,11})\.")


class Look(NamedTuple):
    """colour is 1 to 6, dash an index of DASHES."""

    colour: int
    dash: int

    @property
    def dashes(self) -> str:
        return DASHES[self.dash]


def looks(runs: Iterable[Run], inks: Mapping[str, int]) -> dict[str, Look]:
    """A look for each run by name, different ones while there are any left.

    inks: colours that somebody chose; they change no other run's look.
    """
    found: dict[str, Look] = {}
    chosen: Counter[int] = Counter()
    for number, run in enumerate(sorted(runs, key=lambda run: (born(run), run.name))):
        dash, colour = divmod(number % (COLOURS * len(DASHES)), COLOURS)
        look = Look(colour + 1, dash)
        if run.name in inks:
            ink = inks[run.name]
            look = Look(ink, chosen[ink] % len(DASHES))
            chosen[ink] += 1
        found[run.name] = look
    return found


def born(run: Run) -> int:
    """When a run began, Unix seconds, as its files' names tell; 0 when they do not."""
    clocks = [_CLOCK.search(name) for name, _, _ in run.found.state]
    return min((int(clock[1]) for clock in clocks if clock), default=0)
