"""What programs do with the two clients of the SDK."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import label_studio_sdk
from tests.service import Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

HEAD = """
import json, sys
url, token = sys.argv[1:3]
CONFIG = '''<View><Text name="text" value="$text"/>
<Labels name="ner" toName="text"><Label value="PER" background="red"/><Label value="LOC"/></Labels>
<Choices name="mood" toName="text"><Choice value="good"/><Choice value="bad"/></Choices></View>'''
SPAN = {"id": "x1", "from_name": "ner", "to_name": "text", "type": "labels",
        "value": {"start": 0, "end": 3, "text": "Ada", "labels": ["PER"]}}
MOOD = {"from_name": "mood", "to_name": "text", "type": "choices", "value": {"choices": ["good"]}}
TASKS = [{"text": "Ada lives in London"}, {"text": "Grace in New York"}]
"""
NEW = (
    HEAD
    + """
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError
ls = LabelStudio(base_url=url, api_key=token)
def refused(call, *given, **named):
    try:
        call(*given, **named)
    except ApiError as error:
        return error.status_code
me = ls.users.whoami()
p = ls.projects.create(title="By the SDK", label_config=CONFIG)
ls.projects.import_tasks(id=p.id, request=TASKS, return_task_ids=True)
tasks = list(ls.tasks.list(project=p.id, fields="all"))
said = ls.annotations.create(id=tasks[0].id, result=[SPAN], lead_time=3.5)
strange = refused(ls.annotations.create, id=tasks[0].id, result=[{**SPAN, "from_name": "no"}])
guess = ls.predictions.create(task=tasks[1].id, result=[MOOD], score=0.8, model_version="m1")
ls.predictions.update(guess.id, score=0.9)
ls.annotations.update(id=said.id, ground_truth=True)
copy = ls.projects.duplicate(p.id, mode="settings,data", title="A copy", workspace=1)
interface = ls.projects.get(p.id).get_label_interface()
models = ls.ml.list(project=p.id)
facts = {
    "me": me.username,
    "texts": [one.data["text"] for one in tasks],
    "annotations": [one.lead_time for one in ls.annotations.list(id=tasks[0].id)],
    "strange": strange,
    "scores": [one.score for one in ls.predictions.list(project=p.id)],
    "copied": [one.data["text"] for one in ls.tasks.list(project=copy.id)],
    "controls": sorted(one.name for one in interface.controls),
    "titles": sorted(one.title for one in ls.projects.list()),
    "models": models,
    "absent_model": refused(ls.ml.create, project=p.id, url="models:/absent/1"),
    "absent_project": refused(ls.projects.get, 10**6),
    "member": refused(ls.ml.get, 10**6),
}
ls.projects.update(p.id, title="Renamed by the SDK")
facts["renamed"] = ls.projects.get(p.id).title
ls.annotations.delete(said.id)
ls.tasks.delete(tasks[0].id)
facts["left"] = len(list(ls.tasks.list(project=p.id)))
for one in (p.id, copy.id):
    ls.projects.delete(one)
print(json.dumps(facts))
"""
)
LEGACY = (
    HEAD
    + """
from label_studio_sdk import Client
client = Client(url=url, api_key=token)
p = client.start_project(title="By the old client", label_config=CONFIG)
ids = p.import_tasks(TASKS)
said = p.create_annotation(ids[0], result=[SPAN])
guess = p.create_prediction(ids[1], result=[MOOD], score=0.5, model_version="old")
p.update_annotation(said["id"], ground_truth=True)
p.update_task(ids[1], data={"text": "Grace in York"})
facts = {
    "titles": [one.title for one in client.get_projects() if one.id == p.id],
    "ids": ids == [one["id"] for one in p.get_tasks()],
    "text": p.get_task(ids[1])["data"]["text"],
    "annotations": len(p.list_annotations(ids[0])),
    "ground_truth": p.get_annotation(said["id"])["ground_truth"],
    "versions": p.get_model_versions(),
    "users": [one.email for one in client.get_users()],
    "parsed": sorted(p.parsed_label_config),
    "again": client.get_project(p.id).title,
}
p.set_params(title="Renamed by the old client")
facts["renamed"] = client.get_project(p.id).title
p.delete_annotation(said["id"])
p.delete_task(ids[0])
facts["left"] = len(p.get_tasks())
client.delete_project(p.id)
print(json.dumps(facts))
"""
)


def facts_of(service: Service, script: str) -> dict[str, Any]:
    printed = label_studio_sdk.run(script, service.url, service.token("ana", "lab"))
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def test_the_sdk_makes_labels_copies_and_removes(service: Service) -> None:
    found = facts_of(service, NEW)
    titles = found.pop("titles")
    assert {"A copy", "By the SDK"} <= set(titles)
    assert found == {
        "me": "ana",
        "texts": ["Ada lives in London", "Grace in New York"],
        "annotations": [3.5],
        "strange": 400,
        "scores": [0.9],
        "copied": ["Ada lives in London", "Grace in New York"],
        "controls": ["mood", "ner"],
        "models": [],
        "absent_model": 400,
        "absent_project": 404,
        "member": 404,
        "renamed": "Renamed by the SDK",
        "left": 1,
    }


def test_the_old_client_does_too(service: Service) -> None:
    found = facts_of(service, LEGACY)
    assert "ana@mlpi.invalid" in found.pop("users")
    assert found == {
        "titles": ["By the old client"],
        "ids": True,
        "text": "Grace in York",
        "annotations": 1,
        "ground_truth": True,
        "versions": {"old": 1},
        "parsed": ["mood", "ner"],
        "again": "By the old client",
        "renamed": "Renamed by the old client",
        "left": 1,
    }
