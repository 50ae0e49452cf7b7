"""Runs, tags and points for scripts, under /api/mlpi/boards."""

from __future__ import annotations

from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from mlpi.boards.curves.service import text_of
from mlpi.boards.curves.thinning import thinned
from mlpi.boards.reader.columns import SegmentGone
from mlpi.boards.service import BoardsService, Shown
from mlpi.boards.tree import problem_of
from mlpi.errors import NotFound, NotReady
from mlpi.web.render import workspace_of

MOST_POINTS = 1_000_000  # of one answer

RunName = Annotated[str, Query(description="A run's name: its folder below the workspace's.")]


class BoardRunOut(BaseModel):
    """A run. changed_at: Unix seconds; problem: what is wrong with its files, or ''."""

    name: str
    changed_at: float
    size_bytes: int
    tags: int
    is_archived: bool
    is_reading: bool = Field(description="Whether its files are not read to their end yet.")
    mlflow_run_id: str | None
    problem: str


class TagOut(BaseModel):
    """A tag. plugin: scalars, images, histograms, …; points: how many there are."""

    tag: str
    plugin: str
    points: int
    display_name: str
    description: str


class ScalarsOut(BaseModel):
    """A run's points of one tag in the order of the logs; total: how many there are in all."""

    run: str
    tag: str
    total: int
    steps: list[int]
    wall_times: list[float] = Field(description="Unix seconds.")
    values: list[float | Literal["NaN", "Infinity", "-Infinity"]]


def router(service: BoardsService) -> APIRouter:
    api = APIRouter(prefix="/api/mlpi/boards", tags=["boards"])

    @api.get("/runs")
    def runs(request: Request, archived: bool | None = False) -> list[BoardRunOut]:
        """The workspace's runs by name; archived=true for archived ones."""
        found = service.listed(workspace_of(request), is_archived=archived)
        return [_run_out(one) for one in found]

    @api.get("/tags")
    def tags(request: Request, run: RunName) -> list[TagOut]:
        """What a run has written, by tag."""
        held = service.shown(workspace_of(request), run).run.reader.held
        counts = {tag: len(series) for tag, series in list(held.series.items())}
        for tag, series in list(held.entries.items()):
            counts[tag] = counts.get(tag, 0) + len(series)
        found = []
        for tag in sorted(counts):
            told = held.metadata.get(tag)
            found.append(
                TagOut(
                    tag=tag,
                    plugin=held.plugins.get(tag, "scalars" if tag in held.series else ""),
                    points=counts[tag],
                    display_name=told.display_name if told else "",
                    description=told.description if told else "",
                )
            )
        return found

    @api.get("/scalars", response_model=ScalarsOut)
    def scalars(
        request: Request,
        run: RunName,
        tag: str,
        most: Annotated[
            int,
            Query(
                ge=4,
                le=MOST_POINTS,
                description="More points are thinned to so many, by step; least and most of each "
                "stretch are kept.",
            ),
        ] = MOST_POINTS,
    ) -> Response:
        """A run's points of one tag."""
        series = service.shown(workspace_of(request), run).run.reader.held.series.get(tag)
        if series is None:
            raise NotFound(f"The run has no scalars of the tag {tag[:200]!r}.")
        try:
            points = series.points()
        except SegmentGone:
            raise NotReady("This run is being read anew.", retry_after_s=1) from None
        total = len(points.steps)
        if total > most:
            points = thinned(points, "step", most).points
        values = [
            value if value - value == 0 else text_of(value) for value in points.values.tolist()
        ]
        body = {
            "run": run,
            "tag": tag,
            "total": total,
            "steps": points.steps.tolist(),
            "wall_times": points.wall_times.tolist(),
            "values": values,
        }
        return Response(orjson.dumps(body), media_type="application/json")

    return api


def _run_out(one: Shown) -> BoardRunOut:
    held = one.run.reader.held
    return BoardRunOut(
        name=one.name,
        changed_at=one.run.changed_at,
        size_bytes=one.run.size_bytes,
        tags=len(held.series) + len(held.entries),
        is_archived=one.is_archived,
        is_reading=one.run.is_reading,
        mlflow_run_id=one.mlflow_run_id,
        problem=problem_of(one),
    )
