"""Tags and curves of the chosen runs, as pages and scripts ask for them."""

from __future__ import annotations

import math
import zlib
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Any, NamedTuple

import orjson

from mlpi.boards.curves.grouping import Band, band, groups
from mlpi.boards.curves.thinning import Curve, thinned
from mlpi.boards.library import Run
from mlpi.boards.reader.arrays import Floats
from mlpi.boards.reader.columns import Points, SegmentGone
from mlpi.boards.service import Shown
from mlpi.boards.tree import natural
from mlpi.errors import Invalid, NotReady

MOST_POINTS = 1000  # of a curve
FEWEST_POINTS = 50
POINTS_IN_ALL = 60_000  # of a chart; with more than 60 runs each has fewer
MOST_TAGS = 50  # of one answer
KEPT_BYTES = 24 << 20  # of curves that were made, as they are sent

Window = tuple[float, float]


class Tag(NamedTuple):
    """runs: how many of the chosen have it; points: of the run that has the most."""

    name: str
    runs: int
    points: int


class CurvesService:
    """Thins curves and keeps what it made, so that a second look costs next to nothing."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], tuple[int, bytes]] = OrderedDict()
        self._kept_bytes = 0
        self._lock = Lock()

    def tags(self, chosen: Sequence[Shown]) -> list[Tag]:
        """The scalar tags of these runs, 'x2' before 'x10'."""
        runs: Counter[str] = Counter()
        points: dict[str, int] = {}
        for one in chosen:
            for tag, series in list(one.run.reader.held.series.items()):
                count = len(series)
                if count:
                    runs[tag] += 1
                    points[tag] = max(points.get(tag, 0), count)
        return [Tag(tag, runs[tag], points[tag]) for tag in sorted(runs, key=natural)]

    def data(
        self,
        chosen: Sequence[Shown],
        tags: Sequence[str],
        along: str,
        *,
        since: int = 0,
        only: Iterable[str] = (),
        group: str = "",
        window: Window | None = None,
    ) -> dict[str, Any]:
        """For orjson: a curve of each tag and run, of runs that changed after version `since`.

        only: names of runs that are asked for whatever their version; group: then each tag has a
        band for each group instead, of groups of which a run changed. Raises Invalid, NotReady.
        """
        if not 0 < len(tags) <= MOST_TAGS:
            raise Invalid(f"Name 1 to {MOST_TAGS} tags.", field="tag")
        asked = set(only)
        wanted = [
            one for one in chosen if one.run.version > since and (not asked or one.name in asked)
        ]
        try:
            if group:
                return {
                    "bands": {tag: self._bands(chosen, tag, along, group, since) for tag in tags}
                }
            return {
                "curves": {tag: self._curves(chosen, wanted, tag, along, window) for tag in tags}
            }
        except SegmentGone:
            raise NotReady("These runs are being read anew.", retry_after_s=1) from None

    def last(self, one: Shown, tag: str) -> tuple[int, float] | None:
        """Step and value of a run's newest point; None when it has no such tag."""
        series = one.run.reader.held.series.get(tag)
        if series is None or not len(series):
            return None

        def make() -> bytes:
            points = series.last()
            return orjson.dumps([int(points.steps[0]), repr(float(points.values[0]))])

        try:
            step, value = orjson.loads(self._once(one.run, (tag, "last"), make))
        except SegmentGone:
            return None
        return step, float(value)

    def _curves(
        self,
        chosen: Sequence[Shown],
        wanted: Sequence[Shown],
        tag: str,
        along: str,
        window: Window | None,
    ) -> dict[str, orjson.Fragment]:
        holders = sum(tag in one.run.reader.held.series for one in chosen)
        limit = points_of_curve(holders)
        found = {}
        for one in wanted:
            series = one.run.reader.held.series.get(tag)
            if series is None or not len(series):
                continue

            def make(series: Any = series) -> bytes:
                return packed(thinned(series.points(), along, limit, window))

            if window is not None:
                found[one.name] = orjson.Fragment(make())
            else:
                made = self._once(one.run, (tag, along, limit), make)
                found[one.name] = orjson.Fragment(made)
        return found

    def _bands(
        self, chosen: Sequence[Shown], tag: str, along: str, way: str, since: int
    ) -> dict[str, Any]:
        by_name = {one.name: one for one in chosen}
        found: dict[str, Any] = {}
        for key, names in groups(way, list(by_name)).items():
            runs = [by_name[name].run for name in names]
            if max(run.version for run in runs) <= since:
                continue
            curves = self._points(runs, tag)
            if not curves:
                continue
            made = band(curves, along)
            if made is not None:
                found[key] = _packed_band(made, len(curves))
        return found

    def _points(self, runs: Sequence[Run], tag: str) -> list[Points]:
        held = [run.reader.held.series.get(tag) for run in runs]
        return [series.points() for series in held if series is not None and len(series)]

    def _once(self, run: Run, what: tuple[Any, ...], make: Any) -> bytes:
        """What was made of a run at this version; made now if it was not. Raises SegmentGone."""
        key, version = (*run.key, *what), run.version
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept[0] == version:
                self._kept.move_to_end(key)
                return kept[1]
        made: bytes = make()
        with self._lock:
            before = self._kept.pop(key, None)
            self._kept_bytes += len(made) - (len(before[1]) if before else 0)
            self._kept[key] = (version, made)
            while self._kept_bytes > KEPT_BYTES:
                _, (_, old) = self._kept.popitem(last=False)
                self._kept_bytes -= len(old)
        return made


def points_of_curve(runs: int) -> int:
    """How many points each of so many curves in one chart has, in few different steps."""
    fair = POINTS_IN_ALL / max(1, runs)
    limit = MOST_POINTS
    while limit > max(FEWEST_POINTS, fair):
        limit //= 2
    return max(FEWEST_POINTS, limit)


def key_of(parts: Iterable[object]) -> str:
    """A short text that is another one when the parts are others."""
    return f"{zlib.crc32(repr(list(parts)).encode()):08x}"


def odd_ones(values: Floats) -> list[tuple[int, str]]:
    """Where values are not finite, and what they are."""
    import numpy as np  # noqa: PLC0415

    return [(int(at), text_of(float(values[at]))) for at in np.flatnonzero(~np.isfinite(values))]


def text_of(value: float) -> str:
    """As JSON and JavaScript spell what JSON cannot hold."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def packed(curve: Curve) -> bytes:
    """A curve as JSON: s(teps), t (s since b), v(alues), m(eans), o(dd ones), n (points in all),
    b(egin).

    Values that are not finite are null, and named in o by their index.
    """
    import numpy as np  # noqa: PLC0415

    made: dict[str, Any] = {
        "s": np.ascontiguousarray(curve.steps),
        "t": np.round(curve.times - round(curve.start, 3), 3),
        "v": np.ascontiguousarray(curve.values),
        "n": curve.total,
        "b": round(curve.start, 3),
    }
    if curve.means is not None:
        made["m"] = curve.means.astype(np.float32 if curve.values.itemsize < 8 else np.float64)
    odd = odd_ones(curve.values)
    if odd:
        made["o"] = odd
    return orjson.dumps(made, option=orjson.OPT_SERIALIZE_NUMPY)


def _packed_band(made: Band, runs: int) -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415

    at = np.round(made.at, 3)
    return {
        "x": at,
        "v": made.mean,
        "lo": made.low,
        "hi": made.high,
        "sd": made.deviation,
        "k": made.runs,
        "n": runs,
    }
