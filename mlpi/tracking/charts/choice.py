"""What somebody looks at among charts: runs, kind, keys, axes; all of it in the URL."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlpi.errors import Invalid
from mlpi.tracking.runs.view import Field, run_ids
from mlpi.web.smoothing import smoothing

KINDS = {"line": "Lines", "bar": "Bars", "scatter": "Scatter", "parallel": "Parallel"}
ALONG = {"step": "step", "time": "time", "relative": "time since its start"}
# More make an address that some proxies refuse.
MAX_RUNS = 300
# More curves than this nobody tells apart.
MAX_CURVES = 50
MAX_PLOTS = 24
MAX_AXES = 12
_FIELDS = ("metrics", "params")
_RANGE = re.compile(r"(?:metrics|params)\..{1,300}(?::[01](?:\.\d{1,3})?){2}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to draw some runs.

    smoothing: the weight of what was before, 0 to 0.99, as in TensorBoard. point: the scatter's
    fields along, up and in colour; None where none is chosen. is_kind_chosen: whether somebody
    asked for this kind; otherwise bars may suit the runs better. ranges: parts of axes, as the
    script writes them; they are only carried along.
    """

    ids: tuple[str, ...] = ()
    left_out: int = 0
    kind: str = "line"
    is_kind_chosen: bool = True
    keys: tuple[str, ...] = ()
    along: str = "step"
    smoothing: float = 0.0
    is_log: bool = False
    is_clipped: bool = False
    point: tuple[Field | None, Field | None, Field | None] = (None, None, None)
    axes: tuple[Field, ...] = ()
    ranges: tuple[str, ...] = ()

    @classmethod
    def of(cls, query: Mapping[str, Sequence[str]]) -> Choice:
        """The choice that the parameters of a URL describe. Raises Invalid."""

        def one(name: str) -> str:
            return (query.get(name) or [""])[-1].strip().replace("\0", "")

        ids = run_ids(",".join([*query.get("run", ()), *query.get("runs", ())]))
        if not ids:
            raise Invalid(
                "No runs are named.", advice="Tick some in an experiment's table.", field="runs"
            )
        kind, along = one("kind") or "line", one("x") or "step"
        _require(kind, KINDS, "kind")
        _require(along, ALONG, "x")
        keys = dict.fromkeys(key for key in query.get("key", ()) if key)
        axes = dict.fromkeys(text for text in query.get("axis", ()) if text)
        return cls(
            ids=tuple(ids[:MAX_RUNS]),
            left_out=max(0, len(ids) - MAX_RUNS),
            kind=kind,
            is_kind_chosen=bool(one("kind")),
            keys=tuple(Field.of(f"metrics.{key}", field="key").key for key in keys)[:MAX_PLOTS],
            along=along,
            smoothing=smoothing(one("smooth")),
            is_log=one("log") == "1",
            is_clipped=one("clip") == "1",
            point=(_field(one("sx"), "sx"), _field(one("sy"), "sy"), _field(one("sc"), "sc")),
            axes=tuple(Field.of(text, _FIELDS, "axis") for text in axes)[:MAX_AXES],
            ranges=tuple(one for one in query.get("range", ()) if _RANGE.fullmatch(one))[
                :MAX_PLOTS
            ],
        )

    def query(self) -> dict[str, Any]:
        """Its parameters, without what is as it is at first."""
        along, up, colour = (field.text if field else "" for field in self.point)
        found = {
            "runs": ",".join(self.ids),
            "kind": self.kind,
            "key": list(self.keys),
            "x": self.along if self.along != "step" else "",
            "smooth": f"{self.smoothing:g}" if self.smoothing else "",
            "log": "1" if self.is_log else "",
            "clip": "1" if self.is_clipped else "",
            "sx": along,
            "sy": up,
            "sc": colour,
            "axis": [field.text for field in self.axes],
            "range": list(self.ranges),
        }
        return {name: value for name, value in found.items() if value}

    def with_(self, **changes: Any) -> Choice:
        return replace(self, **changes)

    @property
    def curve_ids(self) -> tuple[str, ...]:
        """The runs that a line chart draws."""
        return self.ids[:MAX_CURVES]

    @property
    def fields(self) -> tuple[Field, ...]:
        """What is read of each run for what is not a line."""
        if self.kind == "scatter":
            return tuple(dict.fromkeys(field for field in self.point if field))
        if self.kind == "parallel":
            return self.axes
        return tuple(Field("metrics", key) for key in self.keys)


def fields_of(query: Mapping[str, Sequence[str]]) -> list[Field]:
    """The fields that an address asks the values of. Raises Invalid."""
    texts = dict.fromkeys(text for text in query.get("field", ()) if text)
    if not 0 < len(texts) <= MAX_PLOTS:
        raise Invalid(f"Name 1 to {MAX_PLOTS} fields.", field="field")
    return [Field.of(text, _FIELDS, "field") for text in texts]


def _field(text: str, name: str) -> Field | None:
    return Field.of(text, _FIELDS, name) if text else None


def _require(value: str, known: Mapping[str, str], name: str) -> None:
    if value not in known:
        raise Invalid(
            f"{value[:40]!r} is not a {name} of charts.",
            advice=f"Use {', '.join(known)}.",
            field=name,
        )
