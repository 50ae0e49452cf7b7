"""What the routes of this room work with."""

from __future__ import annotations

from dataclasses import dataclass

from mlpi.clock import Clock
from mlpi.house import House
from mlpi.labels.annotations import Annotations
from mlpi.labels.grid.deeds import Deeds
from mlpi.labels.grid.lists import Grid
from mlpi.labels.grid.views import Views
from mlpi.labels.overview import Overview
from mlpi.labels.projects import Projects
from mlpi.labels.queue import Queue
from mlpi.labels.tasks import Tasks


@dataclass(frozen=True, slots=True)
class Room:
    """The services of labeling, built once."""

    clock: Clock
    projects: Projects
    tasks: Tasks
    annotations: Annotations
    queue: Queue
    overview: Overview
    grid: Grid
    views: Views
    deeds: Deeds

    @classmethod
    def build(cls, house: House) -> Room:
        grid = Grid(house.db)
        return cls(
            clock=house.clock,
            projects=Projects(house.db, house.audit, house.clock),
            tasks=Tasks(house.db, house.clock),
            annotations=Annotations(house.db, house.clock),
            queue=Queue(house.db, house.clock),
            overview=Overview(house.db),
            grid=grid,
            views=Views(house.db),
            deeds=Deeds(house.db, house.clock, grid, house.workspaces),
        )
