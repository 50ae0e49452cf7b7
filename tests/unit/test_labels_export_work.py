"""Exports and snapshots of projects, and their way into datasets; on SQLite and PostgreSQL."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from mlpi.auth.audit import Actor
from mlpi.auth.roles import Principal, Role
from mlpi.checks.component import Checks
from mlpi.checks.models import Dataset, DatasetKind, DatasetVersion
from mlpi.errors import Conflict, Invalid, NotFound
from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.jobs.context import JobContext
from mlpi.jobs.inprocess import InProcessRunner
from mlpi.jobs.models import Job, JobState
from mlpi.jobs.service import Wish
from mlpi.labels.bringing.bringing import How
from mlpi.labels.exporting import reading, work
from mlpi.labels.exporting.chosen import Chosen, OptionInvalid, chosen_from, view_in
from mlpi.labels.exporting.delivery import DATASET_JOB, KEPT, checked
from mlpi.labels.exporting.formats import FormatUnknown
from mlpi.labels.exporting.reading import BATCH
from mlpi.labels.exporting.service import Outgoing
from mlpi.labels.exporting.snapshots import EXPORT_JOB
from mlpi.labels.exporting.stored import SnapshotDamaged
from mlpi.labels.models import LabelExport, LabelView
from mlpi.labels.room import Room

CONFIG = """<View><Text name="t" value="$text"/><Choices name="c" toName="t">
<Choice value="good"/><Choice value="bad"/></Choices></View>"""
ANA = Principal(1, "ana", False, {"lab": Role.OWNER}, "lab")


def said(choice: str, **more: Any) -> dict[str, Any]:
    result = {"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": [choice]}}
    return {"result": [result], **more}


# One of each kind: annotated, alone, skipped, ground truth beside a usual one.
TASKS = [
    {"data": {"text": "one"}, "annotations": [said("good")], "predictions": [said("bad")]},
    {"data": {"text": "two"}, "meta": {"k": 1}},
    {"data": {"text": "three"}, "annotations": [{"result": [], "was_cancelled": True}]},
    {"data": {"text": "four"}, "annotations": [said("bad", ground_truth=True), said("good")]},
]


@dataclass
class Lab:
    """The rooms of labels and checks, with a queue that tests work on by hand."""

    house: House
    jobs: JobsRoom = field(init=False)
    checks: Checks = field(init=False)
    room: Room = field(init=False)
    project_id: int = field(init=False)

    def __post_init__(self) -> None:
        self.jobs = JobsRoom(self.house, InProcessRunner())
        self.checks = Checks(self.house, self.jobs)
        self.room = Room.build(self.house, self.jobs, self.checks)
        for kind in (*self.room.snapshots.kinds, self.room.delivery.kind):
            self.jobs.kinds.add(kind)
        given = {"title": "My opinions", "label_config": CONFIG}
        self.project_id = self.room.projects.add("lab", given, ANA).id
        self.room.tasks.add("lab", self.project_id, TASKS, ANA)

    def export(self, name: str = "JSON", **chosen: Any) -> bytes:
        return body(self.room.exports.export("lab", self.project_id, name, Chosen(**chosen)))

    def texts(self, **chosen: Any) -> list[str]:
        return [one["data"]["text"] for one in json.loads(self.export(**chosen))]

    def create(self, **more: Any) -> LabelExport:
        chosen = more.pop("chosen", Chosen())
        made = self.room.snapshots.create("lab", self.project_id, "", chosen, ANA, **more)
        self.work(made.job_id)
        return self.get(made.id)

    def get(self, export_id: int) -> LabelExport:
        return self.room.snapshots.get("lab", self.project_id, export_id)

    def order(self, job_id: int | None) -> tuple[JobContext, dict[str, Any]]:
        """What the worker of a job is given."""
        with self.house.db.write() as session:
            job = session.get_one(Job, job_id)
            resolve = self.jobs.kinds.get(job.kind).resolve
            assert resolve is not None
            params = resolve(session, job)
        home = self.house.settings.home
        return JobContext(int(job_id or 0), "lab", home, 1, send=lambda _: None), params

    def end(self, job_id: int | None, result: dict[str, Any]) -> None:
        with self.house.db.write() as session:
            job = session.get_one(Job, job_id)
            on_success = self.jobs.kinds.get(job.kind).on_success
            assert on_success is not None
            on_success(session, job, result)
            job.state = JobState.SUCCEEDED

    def fail(self, job_id: int | None, words: str) -> None:
        with self.house.db.write() as session:
            job = session.get_one(Job, job_id)
            job.error = words
            on_failure = self.jobs.kinds.get(job.kind).on_failure
            assert on_failure is not None
            on_failure(session, job)

    def work(self, job_id: int | None) -> None:
        self.end(job_id, work.make(*self.order(job_id)))

    def newest_job(self) -> int:
        with self.house.db.read() as session:
            return max(session.scalars(select(Job.id)))

    def download(self, export_id: int, name: str = "") -> bytes:
        return body(self.room.snapshots.download("lab", self.project_id, export_id, name))

    def versions(self) -> list[DatasetVersion]:
        with self.house.db.read() as session:
            return list(session.scalars(select(DatasetVersion).order_by(DatasetVersion.id)))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def body(found: Outgoing) -> bytes:
    return b"".join(found.parts)


@pytest.fixture
def lab(house: House) -> Lab:
    return Lab(house)


# --- at once


def test_an_export_holds_what_was_said_with_its_numbers(lab: Lab) -> None:
    one, two, three, four = json.loads(lab.export())
    assert one["annotations"][0]["result"] == said("good")["result"]
    assert one["total_predictions"] == len(one["predictions"]) == 1
    assert (two["annotations"], two["meta"], two["inner_id"]) == ([], {"k": 1}, 2)
    assert three["cancelled_annotations"] == 1
    assert [each["ground_truth"] for each in four["annotations"]] == [True, False]
    assert one["created_at"] == "2026-05-01T12:00:00.000000Z"


@pytest.mark.parametrize(
    ("chosen", "texts"),
    [
        ({}, ["one", "two", "three", "four"]),
        ({"has_any": True}, ["one", "three", "four"]),
        ({"skipped": "only"}, ["three"]),
        ({"skipped": "exclude"}, ["one", "two", "four"]),
        ({"finished": "only"}, ["one", "four"]),
        ({"finished": "exclude"}, ["two", "three"]),
        ({"annotated": "only"}, ["one", "four"]),
        ({"annotated": "exclude"}, ["two", "three"]),
        ({"kinds": ("skipped",), "with_annotations": True}, ["three"]),
        ({"kinds": ("ground_truth",), "with_annotations": True}, ["four"]),
        ({"kinds": ("usual", "skipped"), "with_annotations": True}, ["one", "three", "four"]),
    ],
)
def test_filters_choose_tasks(lab: Lab, chosen: dict[str, Any], texts: list[str]) -> None:
    assert lab.texts(**chosen) == texts


def test_kinds_choose_annotations_and_keep_their_tasks(lab: Lab) -> None:
    found = json.loads(lab.export(kinds=("ground_truth",)))
    assert [len(one["annotations"]) for one in found] == [0, 0, 0, 1]


def test_numbers_choose_tasks(lab: Lab) -> None:
    ids = [one["id"] for one in json.loads(lab.export())]
    assert [one["id"] for one in json.loads(lab.export(ids=(ids[0], ids[2])))] == [ids[0], ids[2]]


def test_people_drafts_and_predictions_may_come_at_length(lab: Lab) -> None:
    first = json.loads(lab.export())[0]["id"]
    lab.room.annotations.save_draft("lab", first, said("bad"), ANA)
    short, one = (
        json.loads(lab.export())[0],
        json.loads(lab.export(people=True, predictions=True, drafts=True))[0],
    )
    assert short["drafts"] == [one["drafts"][0]["id"]]
    assert short["predictions"] == [one["predictions"][0]["id"]]
    assert one["drafts"][0]["result"] == said("bad")["result"]
    assert one["annotations"][0]["completed_by"] == {
        "id": 1,
        "email": "ana@mlpi.invalid",
        "first_name": "ana",
        "last_name": "",
    }
    assert one["predictions"][0]["result"] == said("bad")["result"]


def test_many_tasks_come_in_batches_with_as_many_queries_each(lab: Lab) -> None:
    more = [{"data": {"text": f"t{n}"}, "annotations": [said("good")]} for n in range(2 * BATCH)]
    lab.room.tasks.add("lab", lab.project_id, more, ANA)
    asked: list[str] = []
    engine = lab.house.db.engine

    def note(_c: Any, _k: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        texts = lab.texts()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert texts == ["one", "two", "three", "four", *(f"t{n}" for n in range(2 * BATCH))]
    assert len([one for one in asked if one.startswith("SELECT")]) <= 3 * 4 + 2


@pytest.mark.parametrize("bound", ["MOST_BYTES", "MOST_SAID"])
def test_large_tasks_come_in_smaller_batches(
    lab: Lab, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = Chosen()
    whole = list(reading.live(lab.house.db, lab.project_id, chosen, json.loads))
    monkeypatch.setattr(reading, bound, 1)
    small = list(reading.live(lab.house.db, lab.project_id, chosen, json.loads))
    assert len(whole) == 1 < len(small)
    assert [one for batch in small for one in batch] == whole[0]


def test_a_format_that_does_not_fit_is_refused_with_those_that_do(lab: Lab) -> None:
    with pytest.raises(FormatUnknown, match="COCO does not fit") as wrong:
        lab.export("COCO")
    assert "JSON_MIN" in str(wrong.value.advice)
    with pytest.raises(NotFound):
        lab.room.exports.export("other", lab.project_id, "JSON", Chosen())


# --- snapshots


def test_a_snapshot_stays_as_it_was_and_has_its_hashes(lab: Lab) -> None:
    made = lab.create()
    assert (made.status, made.counters) == ("completed", {"task_number": 4, "annotation_number": 4})
    before = lab.download(made.id)
    assert len(before) == made.size_bytes
    assert json.loads(before) == json.loads(lab.export())
    lab.room.tasks.remove("lab", lab.project_id, None)
    assert lab.download(made.id) == before
    # Two was never annotated and has a row of its own; three was only skipped and has none.
    assert len(lab.download(made.id, "CSV").decode().splitlines()) == 1 + 4


def test_a_snapshot_that_is_not_written_is_not_served(lab: Lab) -> None:
    made = lab.room.snapshots.create("lab", lab.project_id, "half", Chosen(), ANA)
    with pytest.raises(NotFound, match="not completed"):
        lab.download(made.id)
    context, params = lab.order(made.job_id)
    work.make(context, params)  # written, and the worker died before it was heard
    assert lab.get(made.id).status == "in_progress"
    with pytest.raises(NotFound, match="not completed"):
        lab.download(made.id)
    lab.work(made.job_id)  # tried again
    assert json.loads(lab.download(made.id))
    assert lab.get(made.id).title == "half"


def test_a_job_that_fails_says_why_in_the_snapshot(lab: Lab) -> None:
    made = lab.room.snapshots.create("lab", lab.project_id, "", Chosen(), ANA)
    lab.order(made.job_id)
    lab.fail(made.job_id, "the disk is full")
    found = lab.get(made.id)
    assert (found.status, found.error) == ("failed", "the disk is full")


def test_a_changed_file_is_not_served(lab: Lab) -> None:
    made = lab.create()
    path = lab.room.snapshots.shelf.path(made.key)
    path.write_bytes(path.read_bytes().replace(b"good", b"evil"))
    for name in ("", "CSV"):
        with pytest.raises(SnapshotDamaged, match=made.sha256):
            lab.download(made.id, name)
    path.unlink()
    with pytest.raises(SnapshotDamaged, match="gone"):
        lab.download(made.id)


def test_a_conversion_is_kept_and_not_made_twice(lab: Lab) -> None:
    made = lab.create()
    lab.room.snapshots.convert("lab", lab.project_id, made.id, "CSV", ANA)
    with pytest.raises(OptionInvalid, match="Conversion to CSV already started"):
        lab.room.snapshots.convert("lab", lab.project_id, made.id, "CSV", ANA)
    lab.work(lab.newest_job())
    (one,) = lab.get(made.id).converted
    assert one["status"] == "completed"
    kept = lab.room.snapshots.shelf.path(one["key"])
    assert lab.download(made.id, "CSV") == kept.read_bytes()
    with pytest.raises(FormatUnknown):
        lab.room.snapshots.convert("lab", lab.project_id, made.id, "VOC", ANA)


def test_a_removed_snapshot_takes_its_files_with_it(lab: Lab) -> None:
    made, other = lab.create(convert="CSV"), lab.create()
    lab.room.snapshots.remove("lab", lab.project_id, made.id, ANA)
    left = names(lab.room.snapshots.shelf.folder)
    assert left == [other.key]
    with pytest.raises(NotFound):
        lab.get(made.id)
    with pytest.raises(NotFound):
        lab.room.snapshots.get("other", lab.project_id, other.id)


def test_a_removed_project_takes_the_files_of_its_snapshots_with_it(lab: Lab) -> None:
    lab.create(convert="CSV")
    other = lab.room.projects.add("lab", {"title": "Other", "label_config": CONFIG}, ANA).id
    kept = lab.room.snapshots.create("lab", other, "", Chosen(), ANA)
    lab.work(kept.job_id)
    lab.room.projects.remove("lab", lab.project_id, ANA)
    assert names(lab.room.snapshots.shelf.folder) == [kept.key]


def kept_view(lab: Lab, **data: Any) -> LabelView:
    asked = {"filter": "filter:tasks:data.text", "operator": "contains", "type": "String"}
    filters = {"conjunction": "and", "items": [{**asked, "value": "o"}]}
    given = {"data": {"title": "With o", "filters": filters, **data}}
    return lab.room.views.add("lab", lab.project_id, given, ANA)


def told(lab: Lab, made: LabelExport) -> list[str]:
    return [one["data"]["text"] for one in json.loads(lab.download(made.id))]


def test_a_snapshot_of_a_view_holds_what_the_view_showed(lab: Lab) -> None:
    view = kept_view(lab)
    chosen = Chosen().within(view)
    asked = lab.room.snapshots.create("lab", lab.project_id, "", chosen, ANA)
    # What the view shows later is another matter.
    lab.room.views.change("lab", view.id, {"data": {"title": "None", "filters": {}}})
    lab.room.views.remove("lab", view.id)
    lab.work(asked.job_id)
    made = lab.get(asked.id)
    assert told(lab, made) == ["one", "two", "four"]
    assert made.counters["task_number"] == 3
    assert Chosen.of(made.options).words() == "the view “With o”"
    assert lab.texts(filters=chosen.filters, finished="only") == ["one", "four"]


def test_tasks_picked_in_a_view_narrow_it_and_none_picked_does_not(lab: Lab) -> None:
    ids = [one["id"] for one in json.loads(lab.export())]
    for picked, texts in (
        ({"all": False, "included": []}, ["one", "two", "four"]),
        ({"all": False, "included": ids[1:3]}, ["two"]),
        ({"all": True, "excluded": ids[:1]}, ["two", "four"]),
    ):
        chosen = Chosen().within(kept_view(lab, selectedItems=picked))
        assert told(lab, lab.create(chosen=chosen)) == texts


def test_an_expression_of_a_view_that_never_ends_is_refused(lab: Lab) -> None:
    lab.room.tasks.add("lab", lab.project_id, [{"text": "a" * 5000 + "!"}], ANA)
    asked = {"filter": "filter:tasks:data.text", "operator": "regex", "type": "String"}
    for value, words in (("(a*)*b", "repeats|cannot be used"), ("(", "expression")):
        filters = {"conjunction": "and", "items": [{**asked, "value": value}]}
        with pytest.raises(Invalid, match=words):
            lab.export(filters=filters)


def test_options_stored_before_views_are_read_still(lab: Lab) -> None:
    made = lab.create(chosen=Chosen(finished="only"))
    old = {k: v for k, v in made.options.items() if k not in ("view", "filters", "selected")}
    assert Chosen.of(old) == Chosen(finished="only")


def test_tasks_say_in_which_uploaded_file_they_came(lab: Lab) -> None:
    brought = lab.room.bringing.bring_files(
        "lab", lab.project_id, [("more words.csv", io.BytesIO(b"text\nfive\nsix\n"))], ANA, How()
    )
    (file,) = lab.room.bringing.files.of("lab", lab.project_id)
    assert file.key.endswith("-more_words.csv")
    found = json.loads(lab.export())
    assert [one.get("file_upload") for one in found[-3:]] == [None, file.key, file.key]
    assert "file_upload" not in found[0]
    assert list(found[-1])[:3] == ["id", "annotations", "file_upload"]
    assert brought.tasks == 2
    assert json.loads(lab.download(lab.create().id))[-1]["file_upload"] == file.key


def test_files_of_no_snapshot_go_after_a_day(lab: Lab) -> None:
    made = lab.create()
    folder = lab.room.snapshots.shelf.folder
    for name, age_s in (("a" * 32 + ".new", 3 * 86400), ("b" * 32, 3 * 86400), ("c" * 32, 60)):
        path = folder / name
        path.write_bytes(b"x")
        stamp = path.stat().st_mtime - age_s
        os.utime(path, (stamp, stamp))
    assert lab.room.snapshots.sweep() == 2
    assert names(folder) == sorted([made.key, "c" * 32])


def test_options_are_read_and_refused_by_name() -> None:
    found = chosen_from(
        {
            "task_filter_options": {"finished": "only", "only_with_annotations": True},
            "annotation_filter_options": {"ground_truth": True},
            "serialization_options": {
                "drafts": {"only_id": False},
                "annotations__completed_by": {"only_id": True},
            },
        }
    )
    assert found == Chosen(
        finished="only", with_annotations=True, kinds=("usual", "ground_truth"), drafts=True
    )
    assert Chosen.of(json.loads(json.dumps(found.plain()))) == found
    refused: list[dict[str, Any]] = [
        {"task_filter_options": {"finished": "maybe"}},
        {"task_filter_options": []},
        {"annotation_filter_options": {"usual": "perhaps"}},
        {"serialization_options": {"drafts": True}},
    ]
    for wrong in refused:
        with pytest.raises(OptionInvalid):
            chosen_from(wrong)
    assert [view_in({"task_filter_options": {"view": one}}) for one in (3, "3", None)] == [
        3,
        3,
        None,
    ]
    for strange in (True, "three", -1, 1.5, 10**12):
        with pytest.raises(OptionInvalid, match="no view's number"):
            view_in({"task_filter_options": {"view": strange}})


# --- into checks


def test_a_snapshot_becomes_a_version_of_a_dataset_with_its_lineage(lab: Lab) -> None:
    made = lab.room.delivery.begin("lab", lab.project_id, "opinions", "CSV", Chosen(), ANA)
    lab.work(made.job_id)
    assert lab.room.delivery.deliver() == 1
    found, (version,) = lab.get(made.id), lab.versions()
    assert found.converted[0]["shelved"] == {
        "dataset": "opinions",
        "number": 1,
        "href": f"/checks/datasets/{version.dataset_id}?version=1",
    }
    assert version.origin["by"] == "labels"
    assert version.origin["project"] == lab.project_id
    assert (version.origin["snapshot"], version.origin["sha256"]) == (found.id, found.sha256)
    assert version.origin["annotation_number"] == 4
    assert version.origin["href"] == f"/labels/{lab.project_id}/export"
    files = lab.checks.sources.files
    assert files.path("lab", version.sha256).read_bytes().startswith(b'"annotation_id"')
    assert lab.room.delivery.deliver() == 0
    # The table that stays beside the snapshot is still there to be downloaded.
    shelf = lab.room.snapshots.shelf
    assert shelf.verified(found.converted[0]["key"], version.sha256).is_file()


def test_what_was_written_before_a_crash_is_delivered_at_the_next_start(lab: Lab) -> None:
    made = lab.create()
    lab.room.delivery.send("lab", lab.project_id, made.id, "opinions", "CSV", ANA)
    lab.work(lab.newest_job())
    jobs = JobsRoom(lab.house, InProcessRunner())
    room = Room.build(lab.house, jobs, Checks(lab.house, jobs))
    assert room.delivery.deliver() == 1
    assert len(lab.versions()) == 1


def test_the_same_labels_are_the_same_version(lab: Lab) -> None:
    for _ in range(2):
        made = lab.room.delivery.begin("lab", lab.project_id, "opinions", "CSV", Chosen(), ANA)
        lab.work(made.job_id)
        lab.room.delivery.deliver()
    assert len(lab.versions()) == 1
    assert lab.get(made.id).converted[0]["shelved"]["number"] == 1


def test_datasets_that_cannot_take_files_are_refused_before_the_work(lab: Lab) -> None:
    with lab.house.db.write() as session:
        place = {"url": "sqlite:///x.db", "table": "t", "query": ""}
        session.add(
            Dataset(
                workspace="lab",
                name="far",
                kind=DatasetKind.SQL,
                options={},
                location=place,
                actor="ana",
                created_at=lab.house.clock(),
            )
        )
    for name, table in (("", "CSV"), ("../x", "CSV"), ("ok", "VOC"), ("far", "CSV")):
        with pytest.raises((Invalid, Conflict)):
            lab.room.delivery.begin("lab", lab.project_id, name, table, Chosen(), ANA)
    assert lab.room.snapshots.page("lab", lab.project_id) == []


def test_a_refused_table_says_so_in_its_row(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    made = lab.room.delivery.begin("lab", lab.project_id, "opinions", "CSV", Chosen(), ANA)
    lab.work(made.job_id)

    def refuse(*_: Any, **__: Any) -> None:
        raise Conflict("'opinions' is no dataset of files.")

    monkeypatch.setattr(lab.checks.datasets, "add_file", refuse)
    assert lab.room.delivery.deliver() == 0
    (one,) = lab.get(made.id).converted
    assert one["status"] == "failed"
    assert "no dataset of files" in one["error"]


def scheduled(lab: Lab) -> int:
    params = checked({"project": lab.project_id, "dataset": "opinions", "format": "CSV"})
    return lab.jobs.jobs.enqueue(Wish(DATASET_JOB, "lab", params), actor=Actor("ana")).id


def test_a_schedules_job_makes_one_snapshot_whatever_its_attempts(lab: Lab) -> None:
    job_id = scheduled(lab)
    lab.order(job_id)
    lab.work(job_id)
    (one,) = lab.room.snapshots.page("lab", lab.project_id)
    assert (one.status, one.created_by_name) == ("completed", "ana")
    assert lab.room.delivery.deliver() == 1


def test_a_schedule_keeps_its_newest_snapshots(lab: Lab) -> None:
    by_hand = lab.create()
    for number in range(KEPT + 2):
        text = {"data": {"text": f"more {number}"}}
        lab.room.tasks.add("lab", lab.project_id, [text], ANA)
        lab.work(scheduled(lab))
        lab.room.delivery.deliver()
    kept = lab.room.snapshots.page("lab", lab.project_id)
    assert len(kept) == KEPT + 1
    assert kept[-1].id == by_hand.id
    assert len(lab.versions()) == KEPT + 2


def test_parameters_of_schedules_are_checked() -> None:
    assert checked({"project": "3", "dataset": " a  b "}) == {
        "project": 3,
        "dataset": "a b",
        "format": "CSV",
        "is_finished_only": False,
    }
    for wrong in (
        {"dataset": "x"},
        {"project": 1},
        {"project": True, "dataset": "x"},
        {"project": 1, "dataset": "x", "format": "VOC"},
        {"project": 1, "dataset": "x", "is_finished_only": "yes"},
    ):
        with pytest.raises(Invalid):
            checked(wrong)


def test_another_workspaces_project_is_not_exported_by_a_job(lab: Lab) -> None:
    params = {"project": lab.project_id, "dataset": "x", "format": "CSV", "is_finished_only": False}
    job = lab.jobs.jobs.enqueue(Wish(DATASET_JOB, "other", params), actor=Actor("otto"))
    with pytest.raises(NotFound):
        lab.order(job.id)
    assert EXPORT_JOB in lab.jobs.kinds.all


def test_paths_of_the_shelf_are_in_the_house(lab: Lab) -> None:
    assert lab.room.snapshots.shelf.folder == Path(lab.house.settings.home) / "labels" / "exports"
