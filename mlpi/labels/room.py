"""What the routes of this room work with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlpi.auth.vault import Vault
from mlpi.clock import Clock
from mlpi.component import DatasetShelf
from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.jobs.schedules import Schedules
from mlpi.labels.agreement.figures import Agreement
from mlpi.labels.annotations import Annotations
from mlpi.labels.bringing.bringing import Bringing
from mlpi.labels.bringing.files import Files
from mlpi.labels.bringing.intake import Intake
from mlpi.labels.bringing.local import LocalFiles
from mlpi.labels.bringing.pictures import Pictures
from mlpi.labels.copying import Copies
from mlpi.labels.editor.service import Editor
from mlpi.labels.exporting.delivery import Delivery
from mlpi.labels.exporting.service import Exports
from mlpi.labels.exporting.snapshots import Snapshots
from mlpi.labels.grid.deeds import Deeds
from mlpi.labels.grid.lists import Grid
from mlpi.labels.grid.views import Views
from mlpi.labels.guessing.backends import Backends
from mlpi.labels.guessing.sums import Versions
from mlpi.labels.hooks.events import Events
from mlpi.labels.hooks.sending import Sending
from mlpi.labels.hooks.webhooks import Webhooks
from mlpi.labels.overview import Overview
from mlpi.labels.progress import Home
from mlpi.labels.projects import Projects
from mlpi.labels.queue import Queue
from mlpi.labels.review.reviews import Reviews
from mlpi.labels.tasks import Tasks
from mlpi.registry import Registry


@dataclass(frozen=True, slots=True)
class Room:
    """The services of labeling, built once."""

    clock: Clock
    events: Events
    projects: Projects
    tasks: Tasks
    annotations: Annotations
    queue: Queue
    overview: Overview
    bringing: Bringing
    intake: Intake
    pictures: Pictures
    local: LocalFiles
    exports: Exports
    snapshots: Snapshots
    delivery: Delivery
    schedules: Schedules
    grid: Grid
    views: Views
    deeds: Deeds
    editor: Editor
    home: Home
    agreement: Agreement
    reviews: Reviews
    webhooks: Webhooks
    registry: Registry
    backends: Backends
    versions: Versions
    copies: Copies

    @classmethod
    def build(cls, house: House, jobs: JobsRoom, shelf: DatasetShelf) -> Room:
        home, roots = house.settings.home, house.settings.label_roots
        pictures = Pictures(home)
        files = Files(house.db, home, house.clock)
        grid = Grid(house.db)
        registry = Registry(house.settings.mlflow_database)
        backends = Backends(house, jobs.jobs, registry)
        snapshots = Snapshots(house.db, house.audit, house.clock, jobs.jobs, home, roots)

        def drop_files(project_id: int, exports: Sequence[str]) -> None:
            files.drop_project(project_id)
            pictures.drop_project(project_id)
            for key in exports:
                snapshots.shelf.remove(key)

        vault = Vault(house.settings.home)
        events = Events(house.clock, jobs.dispatcher.wake)
        jobs.kinds.add(Sending(vault, events, house.clock).kind)
        projects = Projects(house.db, house.audit, house.clock, drop_files, events)
        tasks = Tasks(house.db, house.clock, events)
        annotations = Annotations(house.db, house.clock, events)
        overview = Overview(house.db)
        queue = Queue(house.db, house.clock)
        return cls(
            clock=house.clock,
            projects=projects,
            tasks=tasks,
            annotations=annotations,
            queue=queue,
            overview=overview,
            bringing=Bringing(house.db, files, tasks, house.clock),
            intake=Intake(house.db, files, jobs.jobs, house.audit, house.clock),
            pictures=pictures,
            local=LocalFiles(roots),
            exports=Exports(house.db, house.clock, home, roots),
            snapshots=snapshots,
            delivery=Delivery(house.db, snapshots, shelf),
            schedules=jobs.schedules,
            grid=grid,
            views=Views(house.db),
            deeds=Deeds(house.db, house.clock, grid, house.workspaces, backends, events),
            editor=Editor(projects, tasks, annotations, queue, house.clock),
            events=events,
            home=Home(house.db, overview, house.clock),
            agreement=Agreement(house.db, house.clock),
            reviews=Reviews(house.db, events, house.clock),
            webhooks=Webhooks(house.db, house.audit, vault, events, house.clock),
            registry=registry,
            backends=backends,
            versions=Versions(house.db),
            copies=Copies(house.db, house.audit, house.clock),
        )
