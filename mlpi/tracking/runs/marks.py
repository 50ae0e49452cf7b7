"""What somebody has pinned, hidden and coloured among the runs of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from mlpi.errors import Invalid

COLOURS = 6  # the series colours of static/css/tokens.css
MAX_PINNED = 20
MAX_HIDDEN = 500
MAX_COLOURED = 500
DEEDS = ("pin", "unpin", "hide", "show", "colour")


@dataclass(frozen=True, slots=True)
class Marks:
    """Run ids, and colours 1 to COLOURS by run id."""

    pinned: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    colours: Mapping[str, int] = field(default_factory=dict)

    def colour_of(self, run_id: str) -> int:
        """The run's colour, in tables and charts alike: the chosen one, or one of its id's."""
        return self.colours.get(run_id) or crc32(run_id.encode()) % COLOURS + 1

    def after(self, deed: str, run_ids: Sequence[str], colour: int = 0) -> Marks:
        """The marks after a deed on these runs. Raises Invalid."""
        if deed not in DEEDS:
            raise Invalid(f"{deed!r} is not a mark.", advice=f"Use {', '.join(DEEDS)}.")
        pinned, hidden = list(self.pinned), list(self.hidden)
        colours = dict(self.colours)
        chosen = set(run_ids)
        if deed in ("pin", "unpin", "hide"):
            pinned = [id_ for id_ in pinned if id_ not in chosen]
        if deed in ("hide", "show", "pin"):
            hidden = [id_ for id_ in hidden if id_ not in chosen]
        if deed == "pin":
            pinned += run_ids
        elif deed == "hide":
            hidden += run_ids
        elif deed == "colour":
            if not 0 <= colour <= COLOURS:
                raise Invalid(f"There are colours 1 to {COLOURS}.", field="colour")
            colours = {id_: one for id_, one in colours.items() if id_ not in chosen}
            colours |= dict.fromkeys(run_ids, colour) if colour else {}
        for name, count, limit in (
            ("pinned", len(pinned), MAX_PINNED),
            ("hidden", len(hidden), MAX_HIDDEN),
            ("coloured", len(colours), MAX_COLOURED),
        ):
            if count > limit:
                raise Invalid(
                    f"At most {limit} runs can be {name}; these would be {count}.",
                    advice="A filter leaves out more.",
                )
        return Marks(tuple(pinned), tuple(hidden), colours)

    def plain(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {
            "pinned": list(self.pinned),
            "hidden": list(self.hidden),
            "colours": dict(self.colours),
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Marks:
        return cls(
            tuple(plain.get("pinned", ())),
            tuple(plain.get("hidden", ())),
            dict(plain.get("colours", {})),
        )
