"""Which runs somebody looks at, in the URL: short, so that a link keeps the view.

runs=REGEX      runs whose name it finds
hide=PATH       a run, or a folder when it ends with '/'; '/' alone is every run
show=PATH       the same, shown: the longest path that fits a run decides
run=NAME        these alone: short for hide=/ and show=NAME
ink=3:NAME      a run's colour, 1 to 6, where somebody chose one
archived=1      archived runs instead of the others
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from mlpi.boards.looks import COLOURS
from mlpi.boards.patterns import compiled, matching
from mlpi.errors import Invalid

MOST_PATHS = 1000  # of hide and show each
FILTER = "runs"


@dataclass(frozen=True, slots=True)
class Choice:
    """inks: colours by run name."""

    filter: str = ""
    hidden: Collection[str] = ()
    shown: Collection[str] = ()
    inks: Mapping[str, int] = field(default_factory=dict)
    is_archived: bool = False

    @classmethod
    def of(cls, query: Mapping[str, Sequence[str]]) -> Choice:
        """What the parameters of a URL say. Raises Invalid; a wrong filter is found later."""
        hidden = [path for path in query.get("hide", ()) if path]
        shown = [path for path in query.get("show", ()) if path]
        alone = [name for name in query.get("run", ()) if name]
        if alone:
            hidden, shown = ["/"], alone
        if max(len(hidden), len(shown)) > MOST_PATHS:
            raise Invalid(
                f"More than {MOST_PATHS} runs are named.", advice="Use a filter.", field="show"
            )
        inks = {}
        for text in query.get("ink", ())[:MOST_PATHS]:
            number, _, name = text.partition(":")
            if name and number in map(str, range(1, COLOURS + 1)):
                inks[name] = int(number)
        return cls(
            filter=(query.get(FILTER) or [""])[-1].strip().replace("\0", ""),
            hidden=dict.fromkeys(hidden).keys(),
            shown=dict.fromkeys(shown).keys(),
            inks=inks,
            is_archived=(query.get("archived") or [""])[-1] == "1",
        )

    def query(self) -> dict[str, Any]:
        """Its parameters, without what is as it is at first."""
        found = {
            FILTER: self.filter,
            "hide": list(self.hidden),
            "show": list(self.shown),
            "ink": [f"{colour}:{name}" for name, colour in self.inks.items()],
            "archived": "1" if self.is_archived else "",
        }
        return {name: value for name, value in found.items() if value}

    @property
    def text(self) -> str:
        """Its parameters as part of a URL; '' when there are none."""
        return urlencode(self.query(), doseq=True)

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """None without a filter. Raises Invalid."""
        return compiled(self.filter, field=FILTER) if self.filter else None

    def is_ticked(self, name: str) -> bool:
        """Whether a run is shown, whatever the filter says."""
        for path in _paths(name):
            if path in self.shown:
                return True
            if path in self.hidden:
                return False
        return True

    def chosen(self, names: Sequence[str]) -> list[str]:
        """Those of the names that the filter finds and that are ticked. Raises Invalid."""
        found = matching(self.pattern, names, field=FILTER)
        return [name for name in names if name in found and self.is_ticked(name)]


def _paths(name: str) -> Iterator[str]:
    """'a/b' → 'a/b', 'a/', '/'."""
    yield name
    end = len(name)
    while (end := name.rfind("/", 0, end)) > 0:
        yield name[: end + 1]
    yield "/"
