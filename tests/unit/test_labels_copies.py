"""Copies of projects, and backends' settings; on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest

from mlpi.auth.roles import Principal, Role
from mlpi.auth.vault import Vault
from mlpi.errors import Invalid, NotFound
from mlpi.house import House
from mlpi.labels.adding import BATCH
from mlpi.labels.copying import SETTINGS, WITH_DATA, Copies
from mlpi.labels.guessing.taking import plan_for, take
from mlpi.labels.models import LabelBackend, LabelProject
from mlpi.labels.projects import Projects
from mlpi.labels.tasks import Tasks
from mlpi.registry import Registry

ANA = Principal(1, "ana", False, {"lab": Role.EDITOR}, "lab")
CHOICES = """<View><Text name="t" value="$text"/><Choices name="c" toName="t">
<Choice value="good"/><Choice value="bad"/></Choices></View>"""


def project(house: House, count: int) -> LabelProject:
    projects = Projects(house.db, house.audit, house.clock)
    made = projects.add("lab", {"title": "First", "label_config": CHOICES}, ANA)
    texts = [{"data": {"text": f"t {n}"}, "meta": {"n": n}} for n in range(count)]
    Tasks(house.db, house.clock).add("lab", made.id, texts, ANA)
    return made


def test_a_copy_has_all_tasks_of_a_project_larger_than_a_batch(house: House) -> None:
    copies, tasks = Copies(house.db, house.audit, house.clock), Tasks(house.db, house.clock)
    first = project(house, BATCH + 3)
    made = copies.duplicate("lab", first.id, ANA, mode=WITH_DATA)
    assert (made.title, made.task_count) == ("Copy of First", BATCH + 3)
    page = tasks.page("lab", made.id, limit=BATCH + 10)
    assert [one.task.inner_id for one in page.tasks] == list(range(1, BATCH + 4))
    assert (page.tasks[-1].task.data, page.tasks[-1].task.meta) == (
        f'{{"text":"t {BATCH + 2}"}}',
        f'{{"n":{BATCH + 2}}}',
    )
    # The next task's number goes on where the copy ends.
    tasks.add("lab", made.id, [{"text": "new"}], ANA)
    assert tasks.page("lab", made.id, limit=1, offset=BATCH + 3).tasks[0].task.inner_id == BATCH + 4


def test_a_copy_is_of_its_workspace_alone(house: House) -> None:
    copies = Copies(house.db, house.audit, house.clock)
    first = project(house, 1)
    for wrong in (
        lambda: copies.duplicate("other", first.id, ANA, mode=SETTINGS),
        lambda: copies.history("other", first.id, ANA),
    ):
        with pytest.raises(NotFound):
            wrong()
    for how in ({"mode": "all"}, {"mode": SETTINGS, "title": "ab"}):
        with pytest.raises(Invalid):
            copies.duplicate("lab", first.id, ANA, **how)


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"url": "nowhere"}, "url"),
        ({"url": "http://a", "auth_method": "OAUTH"}, "auth_method"),
        ({"url": "http://a", "auth_method": "BASIC_AUTH"}, "non_field_errors"),
        ({"url": "http://a", "timeout": -1}, "timeout"),
        ({"url": "http://a", "timeout": "soon"}, "timeout"),
    ],
)
def test_settings_of_a_backend_that_cannot_be_are_refused(
    house: House, sent: dict[str, Any], field: str
) -> None:
    first = project(house, 0)
    backend = LabelBackend(kind="http", title="", source="", options={}, secrets="")
    registry = Registry(house.settings.mlflow_database)
    with pytest.raises(Invalid) as caught:
        take(registry, Vault(house.settings.home), first, backend, sent)
    registry.close()
    assert caught.value.field == field


def test_a_plan_fits_anothers_configuration_as_far_as_it_can() -> None:
    plan = {"field": "text", "kind": "text", "control": "c", "width": 0, "height": 0}
    plan |= {"mode": "RGB", "top": 255.0}
    assert plan_for(CHOICES, plan) == plan
    other = CHOICES.replace('"c"', '"d"').replace("$text", "$body")
    assert plan_for(other, plan) == {**plan, "control": "d", "field": "body"}
    with pytest.raises(Invalid, match="no control"):
        plan_for("<View/>", plan)
