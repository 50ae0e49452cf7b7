"""What somebody looks at in a list of traces; all of it in the URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlpi.errors import Invalid
from mlpi.tracking.runs.view import SPANS_S, read_cursor

STATES = ("OK", "ERROR", "IN_PROGRESS")
PAGE = 50


@dataclass(frozen=True, slots=True)
class View:
    """The filters of a list of an experiment's traces."""

    experiment: int | None = None
    q: str = ""
    state: str = ""
    since: str = ""
    run: str = ""
    session: str = ""
    after: str = ""

    @classmethod
    def of(cls, query: Mapping[str, Sequence[str]]) -> View:
        """The view that the parameters of a URL describe. Raises Invalid."""

        def one(name: str) -> str:
            return (query.get(name) or [""])[-1].strip().replace("\0", "")[:500]

        experiment, state, since = one("experiment"), one("state").upper(), one("since")
        if experiment and not (experiment.isdecimal() and len(experiment) <= 18):
            raise Invalid(f"{experiment[:40]!r} is not an experiment's id.", field="experiment")
        for value, known, name in ((state, STATES, "state"), (since, tuple(SPANS_S), "since")):
            if value and value not in known:
                raise Invalid(
                    f"{value[:40]!r} is not a {name} of traces.",
                    advice=f"Use {', '.join(known)}.",
                    field=name,
                )
        return cls(
            int(experiment) if experiment else None,
            one("q"),
            state,
            since,
            one("run"),
            one("session"),
            one("after"),
        )

    def query(self) -> dict[str, str]:
        """Its parameters; what is empty is left out by whoever writes the address."""
        return {
            "experiment": "" if self.experiment is None else str(self.experiment),
            "q": self.q,
            "state": self.state,
            "since": self.since,
            "run": self.run,
            "session": self.session,
            "after": self.after,
        }

    def with_(self, **changes: Any) -> View:
        """The view with something changed, from its first page."""
        return replace(self, **{"after": "", **changes})

    @property
    def words(self) -> list[str]:
        return self.q.split()[:10]

    @property
    def is_narrowed(self) -> bool:
        return bool(self.q or self.state or self.since or self.run or self.session)

    @property
    def cursor(self) -> tuple[int, str] | None:
        """Time and id of the last trace of the page before. Raises Invalid."""
        found = read_cursor(self.after, 2)
        if found is None:
            return None
        at_ms, id_ = found
        if not isinstance(at_ms, int) or not isinstance(id_, str) or abs(at_ms) >= 2**63:
            raise Invalid("The page marker is not one of ours.", field="after")
        return at_ms, id_
