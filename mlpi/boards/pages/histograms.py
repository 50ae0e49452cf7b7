"""The page of histograms over time, and what it draws."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from mlpi.boards.kinds.errors import ContentBroken
from mlpi.boards.kinds.histograms import BASIS_POINTS, distribution, histogram, rebinned, span
from mlpi.boards.kinds.timeline import HISTOGRAMS, Timeline
from mlpi.boards.pages.answer import cards_page
from mlpi.boards.pages.media import timeline
from mlpi.boards.pages.view import View
from mlpi.boards.reader.arrays import Floats
from mlpi.boards.room import query_of
from mlpi.boards.service import BoardsService

MODES = {"": "Ridges", "heat": "Heatmap", "bands": "Distribution"}
MOST_STEPS = 50  # of a card
BUCKETS = 40  # drawn at each step
COARSE = 2000  # buckets kept of a value that has more


def router(service: BoardsService) -> APIRouter:
    pages = APIRouter(include_in_schema=False)

    @pages.get("/boards/histograms")
    def histograms(request: Request) -> Response:
        view = View.of(query_of(request), modes=tuple(MODES))
        return cards_page(request, service, HISTOGRAMS, view, modes=MODES, newest=newest)

    @pages.get("/boards/histograms/data.json")
    def data(request: Request, run: str = "", tag: str = "") -> Response:
        return JSONResponse(drawn(timeline(service, request, run, tag, HISTOGRAMS)))

    return pages


def drawn(line: Timeline) -> dict[str, Any]:
    """A tag's histograms, MOST_STEPS of them at most, in buckets that all steps share.

    edges: (BUCKETS + 1,); counts: (steps, BUCKETS); bands: (steps, 9), the percentiles of
    BASIS_POINTS. count: how many steps there are; problem: what the first unreadable one says.
    """
    import numpy as np  # noqa: PLC0415

    indices, every, problem = [], [], ""
    for index in line.thinned(MOST_STEPS):
        try:
            every.append(line.read(index, _coarse))
            indices.append(index)
        except ContentBroken as error:
            problem = problem or error.message
    steps, times = line.steps, line.wall_times
    rows = [one[0] for one in every]
    ends = span(rows)
    edges = _edges(*ends) if ends else np.zeros(0)
    counts = [rebinned(one, edges) if ends else edges for one in rows]
    return {
        "count": len(line),
        "steps": [steps[index] for index in indices],
        "times": [times[index] for index in indices],
        "edges": [_short(at) for at in edges],
        "counts": [[_short(one) for one in row] for row in counts],
        "points": list(BASIS_POINTS),
        "bands": [[_short(at) for at in one[1]] for one in every],
        "problem": problem,
    }


def newest(line: Timeline, index: int) -> tuple[float, list[float]] | str:
    """A value's count and percentiles, for those who see no drawing; or why not, in words."""
    try:
        rows, bands = line.read(index, _coarse)
    except ContentBroken as error:
        return error.message
    return float(rows[:, 2].sum()) if rows.size else 0.0, bands


def _coarse(data: bytes, form: str) -> tuple[Floats, list[float]]:
    """Rows, fewer when there are very many, and the distribution of all of them."""
    import numpy as np  # noqa: PLC0415

    rows = histogram(data, form)
    bands = distribution(rows)
    ends = span([rows])
    if len(rows) > COARSE and ends:
        edges = _edges(*ends, COARSE)
        rows = np.column_stack([edges[:-1], edges[1:], rebinned(rows, edges)])
    return rows, bands


def _edges(low: float, high: float, count: int = BUCKETS) -> Floats:
    """(count + 1,) from the lowest to the highest value; around it when there is but one."""
    import numpy as np  # noqa: PLC0415

    if not high > low:
        room = abs(low) * 0.05 or 0.5
        low, high = low - room, high + room
    part = np.linspace(0, 1, count + 1)
    edges: Floats = low * (1 - part) + high * part  # no difference that could overflow
    return edges


def _short(value: float) -> float | None:
    """Six digits, which is more than a drawing shows; None for what JSON has no word for."""
    number = float(value)
    return float(f"{number:.6g}") if abs(number) < float("inf") else None
