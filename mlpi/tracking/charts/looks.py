"""How runs are told apart in one chart: a colour of the theme's six, and a dash pattern."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlpi.tracking.runs.marks import COLOURS, Marks

# As SVG and canvas take them; the first is a solid line.
DASHES = ("", "7 4", "2 3", "9 3 2 3", "14 4", "4 2 1 2 1 2", "1 5", "12 3 5 3", "5 5 1 5")


@dataclass(frozen=True, slots=True)
class Look:
    """colour is 1 to 6, dash an index of DASHES."""

    colour: int
    dash: int

    @property
    def dashes(self) -> str:
        return DASHES[self.dash]


def looks(ids: Sequence[str], marks: Mapping[str, Marks]) -> dict[str, Look]:
    """A look for each run, different ones while there are any left.

    marks: those of each run's experiment, by run id. A run keeps the colour of the table; only
    where another has it already, and nobody chose it, it takes one that is free. Then dashes.
    """
    own = {id_: marks[id_].colour_of(id_) for id_ in ids}
    chosen = [id_ for id_ in ids if id_ in marks[id_].colours]
    used: Counter[int] = Counter()
    found: dict[str, Look] = {}

    def give(id_: str, colour: int) -> None:
        if used[colour] >= len(DASHES):
            colour = min(range(1, COLOURS + 1), key=lambda one: used[one])
        found[id_] = Look(colour, used[colour] % len(DASHES))
        used[colour] += 1

    for id_ in chosen:
        give(id_, own[id_])
    rest = [id_ for id_ in ids if id_ not in found]
    for id_ in rest:
        if not used[own[id_]]:
            give(id_, own[id_])
    for id_ in rest:
        if id_ not in found:
            free = [colour for colour in range(1, COLOURS + 1) if not used[colour]]
            give(id_, free[0] if free else own[id_])
    return found
