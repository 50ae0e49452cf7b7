"""A labeling project of texts, with ana, eve and otto, for tests of what comes after labeling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlpi.auth.models import Member, User, Workspace
from mlpi.auth.roles import Principal, Role
from mlpi.auth.vault import Vault
from mlpi.house import House
from mlpi.labels.annotations import Annotations
from mlpi.labels.hooks.events import Events
from mlpi.labels.hooks.sending import Sending
from mlpi.labels.hooks.webhooks import Webhooks
from mlpi.labels.models import LabelProject
from mlpi.labels.projects import Projects
from mlpi.labels.queue import Queue
from mlpi.labels.review.reviews import Reviews
from mlpi.labels.tasks import Tasks

CONFIG = """<View><Text name="it" value="$text"/><Choices name="c" toName="it">
<Choice value="x"/><Choice value="y"/></Choices></View>"""


def person(number: int, name: str, role: Role = Role.EDITOR) -> Principal:
    return Principal(number, name, False, {"lab": role}, "lab")


ANA, EVE, OTTO = person(1, "ana", Role.OWNER), person(2, "eve"), person(3, "otto")


def said(word: str, **more: Any) -> dict[str, Any]:
    """An annotation that chooses a word."""
    about = {"from_name": "c", "to_name": "it", "type": "choices"}
    return {"result": [{**about, "value": {"choices": [word]}}], **more}


@dataclass
class Desk:
    """The services as a room builds them, and a project to work on."""

    house: House
    projects: Projects
    tasks: Tasks
    annotations: Annotations
    queue: Queue
    reviews: Reviews
    webhooks: Webhooks
    sending: Sending

    @classmethod
    def build(cls, house: House) -> Desk:
        events, vault = Events(house.clock), Vault(house.settings.home)
        return cls(
            house,
            Projects(house.db, house.audit, house.clock, events=events),
            Tasks(house.db, house.clock, events),
            Annotations(house.db, house.clock, events),
            Queue(house.db, house.clock),
            Reviews(house.db, events, house.clock),
            Webhooks(house.db, house.audit, vault, events, house.clock),
            Sending(vault, events, house.clock),
        )

    def project(self, count: int = 1, **fields: Any) -> tuple[LabelProject, list[int]]:
        """A new one, with the ids of its tasks."""
        given = {"title": "Texts", "label_config": CONFIG, **fields}
        project = self.projects.add("lab", given, ANA)
        texts = [{"text": f"text {number}"} for number in range(count)]
        added = self.tasks.add("lab", project.id, texts, ANA, keeps_ids=True)
        return project, added.task_ids

    def members(self, *people: Principal) -> None:
        """Make them members of the workspace lab."""
        now = self.house.clock()
        with self.house.db.write() as session:
            place = Workspace(name="lab", description="", created_at=now)
            session.add(place)
            for one in people:
                session.add(User(id=one.user_id, name=one.name, password_hash="", created_at=now))
            session.flush()
            session.add_all(
                Member(user_id=one.user_id, workspace_id=place.id, rank=Role.EDITOR, created_at=now)
                for one in people
            )
