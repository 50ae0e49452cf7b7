"""What the routes of this room work with."""

from __future__ import annotations

from dataclasses import dataclass

from mlpi.clock import Clock
from mlpi.house import House
from mlpi.labels.annotations import Annotations
from mlpi.labels.editor.service import Editor
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
    editor: Editor

    @classmethod
    def build(cls, house: House) -> Room:
        projects = Projects(house.db, house.audit, house.clock)
        tasks = Tasks(house.db, house.clock)
        annotations = Annotations(house.db, house.clock)
        queue = Queue(house.db, house.clock)
        return cls(
            clock=house.clock,
            projects=projects,
            tasks=tasks,
            annotations=annotations,
            queue=queue,
            overview=Overview(house.db),
            editor=Editor(projects, tasks, annotations, queue, house.clock),
        )
