"""What the routes of this room work with."""

from __future__ import annotations

from dataclasses import dataclass

from mlpi.clock import Clock
from mlpi.house import House
from mlpi.jobs.service import Jobs
from mlpi.labels.annotations import Annotations
from mlpi.labels.copying import Copies
from mlpi.labels.guessing.backends import Backends
from mlpi.labels.guessing.sums import Versions
from mlpi.labels.overview import Overview
from mlpi.labels.projects import Projects
from mlpi.labels.queue import Queue
from mlpi.labels.tasks import Tasks
from mlpi.registry import Registry


@dataclass(frozen=True, slots=True)
class Room:
    """The services of labeling, built once."""

    clock: Clock
    projects: Projects
    tasks: Tasks
    annotations: Annotations
    queue: Queue
    overview: Overview
    registry: Registry
    backends: Backends
    versions: Versions
    copies: Copies

    @classmethod
    def build(cls, house: House, jobs: Jobs) -> Room:
        registry = Registry(house.settings.mlflow_database)
        return cls(
            clock=house.clock,
            projects=Projects(house.db, house.audit, house.clock),
            tasks=Tasks(house.db, house.clock),
            annotations=Annotations(house.db, house.clock),
            queue=Queue(house.db, house.clock),
            overview=Overview(house.db),
            registry=registry,
            backends=Backends(house, jobs, registry),
            versions=Versions(house.db),
            copies=Copies(house.db, house.audit, house.clock),
        )
