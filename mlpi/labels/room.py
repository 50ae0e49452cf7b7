"""What the routes of this room work with."""

from __future__ import annotations

from dataclasses import dataclass

from mlpi.clock import Clock
from mlpi.component import DatasetShelf
from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.jobs.schedules import Schedules
from mlpi.labels.annotations import Annotations
from mlpi.labels.exporting.delivery import Delivery
from mlpi.labels.exporting.service import Exports
from mlpi.labels.exporting.snapshots import Snapshots
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
    exports: Exports
    snapshots: Snapshots
    delivery: Delivery
    schedules: Schedules

    @classmethod
    def build(cls, house: House, jobs: JobsRoom, shelf: DatasetShelf) -> Room:
        home = house.settings.home
        snapshots = Snapshots(house.db, house.audit, house.clock, jobs.jobs, home)
        return cls(
            clock=house.clock,
            projects=Projects(house.db, house.audit, house.clock),
            tasks=Tasks(house.db, house.clock),
            annotations=Annotations(house.db, house.clock),
            queue=Queue(house.db, house.clock),
            overview=Overview(house.db),
            exports=Exports(house.db, house.clock, home),
            snapshots=snapshots,
            delivery=Delivery(house.db, snapshots, shelf),
            schedules=jobs.schedules,
        )
