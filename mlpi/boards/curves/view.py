"""How curves are drawn, in the URL: axes, smoothing, pins, groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlpi.boards.curves.grouping import BY_PATTERN, FOLDER, TOP, groups
from mlpi.boards.curves.thinning import ALONG
from mlpi.errors import Invalid
from mlpi.web.smoothing import smoothing

MOST_PINS = 50
BANDS = {"range": "least to most", "std": "± deviation"}


@dataclass(frozen=True, slots=True)
class View:
    """smooth: the weight of what was before, as in TensorBoard; tags: a filter of tags, as the
    script uses it; group: '' or a way of `grouping.groups`."""

    along: str = "step"
    smooth: float = 0.0
    is_log: bool = False
    is_clipped: bool = False
    tags: str = ""
    group: str = ""
    band: str = "range"
    pins: tuple[str, ...] = ()
    is_table: bool = False
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, Sequence[str]]) -> View:
        """What the parameters of a URL say. Raises Invalid."""

        def one(name: str) -> str:
            return (query.get(name) or [""])[-1].strip().replace("\0", "")

        along, band, group = one("x") or "step", one("band") or "range", one("group")
        if along not in ALONG:
            raise _wrong(along, "axis", ALONG, "x")
        if band not in BANDS:
            raise _wrong(band, "band", BANDS, "band")
        if group == BY_PATTERN:
            group = ""
        if group:
            checked_group(group)
        return cls(
            along=along,
            smooth=smoothing(one("smooth")),
            is_log=one("log") == "1",
            is_clipped=one("clip") == "1",
            tags=one("tags")[:300],
            group=group,
            band=band,
            pins=tuple(dict.fromkeys(query.get("pin", ())))[:MOST_PINS],
            is_table=one("as") == "table",
            page=max(1, int(one("page"))) if one("page")[:6].isdecimal() else 1,
        )

    def query(self) -> dict[str, Any]:
        """Its parameters, without what is as it is at first."""
        found = {
            "x": self.along if self.along != "step" else "",
            "smooth": f"{self.smooth:g}" if self.smooth else "",
            "log": "1" if self.is_log else "",
            "clip": "1" if self.is_clipped else "",
            "tags": self.tags,
            "group": self.group,
            "band": self.band if self.band != "range" else "",
            "pin": list(self.pins),
        }
        return {name: value for name, value in found.items() if value}


def checked_group(way: str) -> str:
    """Raises Invalid."""
    if way not in (FOLDER, TOP) and not way.startswith(BY_PATTERN):
        raise _wrong(way, "way to group runs", (FOLDER, TOP, "~ and a regular expression"), "group")
    groups(way, ())
    return way


def _wrong(given: str, what: str, known: Any, field: str) -> Invalid:
    return Invalid(
        f"{given[:40]!r} is not a {what}.", advice=f"Use {', '.join(known)}.", field=field
    )
