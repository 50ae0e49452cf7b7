"""What the routes of this room work with."""

from __future__ import annotations

from dataclasses import dataclass

from mlpi.auth.vault import Vault
from mlpi.clock import Clock
from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.labels.agreement.figures import Agreement
from mlpi.labels.annotations import Annotations
from mlpi.labels.hooks.events import Events
from mlpi.labels.hooks.sending import Sending
from mlpi.labels.hooks.service import Webhooks
from mlpi.labels.overview import Overview
from mlpi.labels.progress import Home
from mlpi.labels.projects import Projects
from mlpi.labels.queue import Queue
from mlpi.labels.review.service import Reviews
from mlpi.labels.tasks import Tasks


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
    home: Home
    agreement: Agreement
    reviews: Reviews
    webhooks: Webhooks

    @classmethod
    def build(cls, house: House, jobs: JobsRoom) -> Room:
        """With the kinds of jobs that it needs."""
        vault = Vault(house.settings.home)
        overview = Overview(house.db)
        events = Events(house.clock, jobs.dispatcher.wake)
        jobs.kinds.add(Sending(vault, events, house.clock).kind)
        return cls(
            clock=house.clock,
            events=events,
            projects=Projects(house.db, house.audit, house.clock, events),
            tasks=Tasks(house.db, house.clock, events),
            annotations=Annotations(house.db, house.clock, events),
            queue=Queue(house.db, house.clock),
            overview=overview,
            home=Home(house.db, overview, house.clock),
            agreement=Agreement(house.db, house.clock),
            reviews=Reviews(house.db, events, house.clock),
            webhooks=Webhooks(house.db, house.audit, vault, events, house.clock),
        )
