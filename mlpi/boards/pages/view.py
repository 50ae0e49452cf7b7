"""What a page of cards shows, in the URL beside the choice of runs, so that a link keeps it.

tags=REGEX      tags whose name it finds
step=N          every card at its newest value at or before this step
at=ID:STEP:N    one card at a step, and its sample N
page=2          cards beyond the first page
mode, size      how cards are drawn; each page says what it knows
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

MOST_CARDS_AT = 400
LONGEST_STEP = 1 << 63


class Spot(NamedTuple):
    """Where a card is: step None is the newest."""

    step: int | None
    sample: int


@dataclass(frozen=True, slots=True)
class View:
    """spots: by a card's id, where it is not where the page is."""

    tags: str = ""
    step: int | None = None
    spots: Mapping[str, Spot] = field(default_factory=dict)
    page: int = 1
    mode: str = ""
    size: str = ""

    @classmethod
    def of(
        cls,
        query: Mapping[str, Sequence[str]],
        *,
        modes: Sequence[str] = ("",),
        sizes: Sequence[str] = ("",),
    ) -> View:
        """What is no number or unknown is as if it were not there."""

        def one(name: str) -> str:
            return (query.get(name) or [""])[-1].strip()

        mode, size = one("mode"), one("size")
        spots = dict(_spot(text) for text in query.get("at", ())[:MOST_CARDS_AT])
        spots.pop("", None)
        return cls(
            tags=one("tags").replace("\0", ""),
            step=_whole(one("step")),
            spots=spots,
            page=max(1, min(_whole(one("page")) or 1, 1_000_000)),
            mode=mode if mode in modes else modes[0],
            size=size if size in sizes else sizes[0],
        )

    def spot(self, card: str) -> Spot:
        return self.spots.get(card) or Spot(self.step, 0)

    def query(self, **changes: Any) -> dict[str, Any]:
        """Its parameters, without what is as it is at first; changes: other values of fields."""
        view = replace(self, **changes)
        found = {
            "tags": view.tags,
            "step": "" if view.step is None else str(view.step),
            "at": [
                f"{card}:{'' if spot.step is None else spot.step}:{spot.sample}"
                for card, spot in view.spots.items()
            ],
            "page": str(view.page) if view.page > 1 else "",
            "mode": view.mode,
            "size": view.size,
        }
        return {name: value for name, value in found.items() if value}


def _whole(text: str) -> int | None:
    try:
        number = int(text[:20])
    except ValueError:
        return None
    return number if abs(number) < LONGEST_STEP else None


def _spot(text: str) -> tuple[str, Spot]:
    card, _, rest = text.partition(":")
    step, _, sample = rest.partition(":")
    is_card = card.isalnum() and card.isascii() and len(card) <= 20
    return card if is_card else "", Spot(_whole(step), max(0, _whole(sample) or 0))
