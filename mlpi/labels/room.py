"""What the routes of this room work with."""

from __future__ import annotations

from dataclasses import dataclass

from mlpi.clock import Clock
from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.labels.annotations import Annotations
from mlpi.labels.bringing.bringing import Bringing
from mlpi.labels.bringing.files import Files
from mlpi.labels.bringing.intake import Intake
from mlpi.labels.bringing.local import LocalFiles
from mlpi.labels.bringing.pictures import Pictures
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
    bringing: Bringing
    intake: Intake
    pictures: Pictures
    local: LocalFiles

    @classmethod
    def build(cls, house: House, jobs: JobsRoom) -> Room:
        home = house.settings.home
        tasks, pictures = Tasks(house.db, house.clock), Pictures(home)
        files = Files(house.db, home, house.clock)

        def drop_files(project_id: int) -> None:
            files.drop_project(project_id)
            pictures.drop_project(project_id)

        return cls(
            clock=house.clock,
            projects=Projects(house.db, house.audit, house.clock, drop_files),
            tasks=tasks,
            annotations=Annotations(house.db, house.clock),
            queue=Queue(house.db, house.clock),
            overview=Overview(house.db),
            bringing=Bringing(house.db, files, tasks, house.clock),
            intake=Intake(house.db, files, jobs.jobs, house.audit, house.clock),
            pictures=pictures,
            local=LocalFiles(house.settings.label_roots),
        )
