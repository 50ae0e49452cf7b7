"""Imports: all or nothing, whose annotations they are, files that stay; on both databases."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from mlpi.auth.audit import Actor
from mlpi.auth.models import User
from mlpi.auth.roles import Principal, Role
from mlpi.errors import Invalid, NotFound
from mlpi.house import House
from mlpi.labels.adding import BATCH
from mlpi.labels.bringing import checking
from mlpi.labels.bringing import parquet as reading
from mlpi.labels.bringing.bringing import Bringing, Brought, How
from mlpi.labels.bringing.carrying import MOST_LISTED, Carried, Carrier
from mlpi.labels.bringing.checking import MOST_TOLD, ImportRefused
from mlpi.labels.bringing.files import ORPHAN_S, Files
from mlpi.labels.bringing.json_items import FileBroken
from mlpi.labels.bringing.rows import ExtensionRefused, rows
from mlpi.labels.models import LabelProject
from mlpi.labels.projects import Projects, config_of
from mlpi.labels.tasks import Tasks, Whole

CONFIG = """<View><Text name="t" value="$text"/><Choices name="c" toName="t">
<Choice value="good"/><Choice value="bad"/></Choices></View>"""
PICTURES = '<View><Image name="i" value="$image"/></View>'
PAGES = '<View><HyperText name="h" value="$html"/></View>'


def said(choice: str, **more: Any) -> dict[str, Any]:
    value = {"choices": [choice]}
    return {
        "result": [{"from_name": "c", "to_name": "t", "type": "choices", "value": value}],
        **more,
    }


@dataclass
class Room:
    house: House
    projects: Projects
    tasks: Tasks
    files: Files
    bringing: Bringing
    ana: Principal
    eve: Principal

    def project(self, config: str = CONFIG) -> LabelProject:
        return self.projects.add("lab", {"title": "Opinions", "label_config": config}, self.ana)

    def json(
        self, project: LabelProject, value: object, who: Principal | None = None, **how: Any
    ) -> Brought:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.bringing.bring_json(
            "lab", project.id, io.BytesIO(raw), who or self.ana, How(**how)
        )

    def bring(self, project: LabelProject, files: dict[str, bytes], **how: Any) -> Brought:
        sent = [(name, io.BytesIO(raw)) for name, raw in files.items()]
        return self.bringing.bring_files("lab", project.id, sent, self.ana, How(**how))

    def all(self, project: LabelProject) -> Sequence[Whole]:
        return self.tasks.page("lab", project.id, limit=100_000).tasks

    def texts(self, project: LabelProject) -> list[str]:
        return [json.loads(one.task.data)["text"] for one in self.all(project)]

    def on_disk(self) -> list[Path]:
        return [one for one in (self.house.settings.home / "labels").rglob("*") if one.is_file()]


@pytest.fixture
def room(house: House) -> Room:
    boss = Actor("boss")
    people = {}
    with house.db.write() as session:
        for name in ("ana", "eve", "otto"):
            people[name] = User(name=name, password_hash="", created_at=house.clock())
        session.add_all(people.values())
    house.workspaces.add("lab", owner="ana", actor=boss)
    house.workspaces.set_member("lab", "eve", Role.EDITOR, actor=boss)
    ana, eve = (
        Principal(people[name].id, name, False, {"lab": role}, "lab")
        for name, role in (("ana", Role.OWNER), ("eve", Role.EDITOR))
    )
    files = Files(house.db, house.settings.home, house.clock)
    tasks = Tasks(house.db, house.clock)
    projects = Projects(
        house.db, house.audit, house.clock, lambda gone, _: files.drop_project(gone)
    )
    bringing = Bringing(house.db, files, tasks, house.clock)
    return Room(house, projects, tasks, files, bringing, ana, eve)


# --- all or nothing


def test_a_list_comes_in_whole_and_in_its_order(room: Room) -> None:
    project = room.project()
    texts = [f"text {number}" for number in range(BATCH + 7)]
    brought = room.json(project, [{"text": one} for one in texts], keeps_ids=True)
    assert (brought.tasks, brought.annotations, brought.predictions) == (len(texts), 0, 0)
    assert room.texts(project) == texts
    assert brought.task_ids == [one.task.id for one in room.all(project)]
    assert room.json(project, {"data": {"text": "one"}, "meta": {"a": 1}}).tasks == 1
    assert room.projects.get("lab", project.id).task_count == len(texts) + 1


def test_one_bad_item_keeps_back_all_and_is_named(room: Room) -> None:
    project = room.project()
    tasks: list[Any] = [{"text": str(number)} for number in range(2 * BATCH)]
    tasks[BATCH + 3] = {"no": "text"}
    tasks[BATCH + 5] = {"data": {"text": "a"}, "annotations": [said("ugly")]}
    with pytest.raises(ImportRefused) as caught:
        room.json(project, tasks)
    assert f'Error at item {BATCH + 3}: "text" key is expected' in caught.value.message
    assert f"Error at item {BATCH + 5}: " in caught.value.message
    assert room.texts(project) == []
    with pytest.raises(ImportRefused) as caught:
        room.json(project, [7] * 100)
    assert caught.value.message.count("Error at item") == MOST_TOLD
    assert f"and {100 - MOST_TOLD} more" in caught.value.message


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"[]",
        b'[{"text": "a"}, {"text": ',
        b'[{"text": "a"}, {"text": NaN}]',
        b'[{"text": "a"}, {"text": "\\ud800"}]',
        json.dumps([{"text": "ä" * 600_000}]).encode(),
        json.dumps([{"text": "a", "b": [1] * 600_000}]).encode(),
    ],
)
def test_what_is_no_task_is_refused(room: Room, wrong: bytes) -> None:
    project = room.project()
    with pytest.raises((ImportRefused, FileBroken)):
        room.json(project, wrong)
    assert room.texts(project) == []


def test_nothing_is_put_in_that_is_not_to_be(room: Room) -> None:
    project = room.project()
    brought = room.json(project, [{"text": "a"}], commit=False)
    assert (brought.tasks, brought.annotations, brought.predictions) == (1, None, None)
    assert room.texts(project) == []


def test_predictions_come_from_fields_that_are_named(room: Room) -> None:
    project = room.project()
    room.json(project, [{"text": "a", "c": "good"}, {"text": "b", "c": None}], from_fields=["c"])
    first, second = room.all(project)
    assert json.loads(first.predictions[0].result) == said("good")["result"]
    assert (first.predictions[0].score, first.predictions[0].model_version) == (1, "preannotated")
    assert not second.predictions
    for wrong in ([{"text": "a"}], [{"text": "a", "c": "ugly"}]):
        with pytest.raises(ImportRefused, match="item 0"):
            room.json(project, wrong, from_fields=["c"])
    with pytest.raises(ImportRefused, match="no control"):
        room.json(project, [{"text": "a", "d": "x"}], from_fields=["d"])


def test_another_workspace_has_no_such_project(room: Room) -> None:
    project = room.project()
    before = room.on_disk()
    for deed in (
        lambda: room.bringing.bring_json(
            "other", project.id, io.BytesIO(b'{"text": "a"}'), room.ana, How()
        ),
        lambda: room.bringing.bring_files(
            "other", project.id, [("a.txt", io.BytesIO(b"a"))], room.ana, How()
        ),
        lambda: room.bringing.reimport("other", project.id, [1], room.ana),
        lambda: room.bringing.bring_predictions("other", project.id, io.BytesIO(b"[]"), room.ana),
        lambda: room.files.of("other", project.id),
        lambda: room.files.remove("other", project.id),
    ):
        with pytest.raises(NotFound):
            deed()
    assert room.on_disk() == before


# --- people


def test_annotations_are_by_those_whom_an_owner_names(room: Room) -> None:
    project = room.project()
    named = [
        (None, "ana"),
        ({"email": "eve@mlpi.invalid"}, "eve"),
        ({"email": "EVE@elsewhere.example", "id": room.ana.user_id}, "eve"),
        (room.eve.user_id, "eve"),
        ({"id": room.eve.user_id}, "eve"),
        ({"email": "stranger@mlpi.invalid", "id": room.eve.user_id}, "ana"),
        ({"email": "otto@mlpi.invalid"}, "ana"),  # no member
        (999_999, "ana"),
        ("eve", "ana"),
    ]
    task = {
        "data": {"text": "a"},
        "annotations": [said("good", completed_by=who) for who, _ in named],
    }
    room.json(project, task)
    room.json(project, task, room.eve)
    first, second = room.all(project)
    assert [one.completed_by_name for one in first.annotations] == [name for _, name in named]
    assert {one.completed_by_name for one in second.annotations} == {"eve"}
    assert {one.completed_by_id for one in second.annotations} == {room.eve.user_id}


# --- files


def test_files_are_read_kept_and_read_again(room: Room) -> None:
    project = room.project()
    brought = room.bring(project, {"a.csv": b"text,n\na,1\nb,2\n", "b.json": b'[{"text": "c"}]'})
    assert (brought.tasks, brought.formats) == (3, {".csv": 1, ".json": 1})
    assert (brought.columns, brought.could_be_list) == (["text"], True)
    assert room.texts(project) == ["a", "b", "c"]
    first, second = room.files.of("lab", project.id)
    assert [one.id for one in (first, second)] == brought.file_ids
    assert [one.task.file_id for one in room.all(project)] == [first.id, first.id, second.id]

    again = room.bringing.reimport("lab", project.id, [first.id], room.ana)
    assert again.tasks == 2
    assert room.texts(project) == ["c", "a", "b"]
    room.bringing.reimport("lab", project.id, [first.id], room.ana, as_lists=False)
    assert room.texts(project) == ["c", room.files.url(first)]
    with pytest.raises(ImportRefused, match="no file 999"):
        room.bringing.reimport("lab", project.id, [first.id, 999], room.ana)

    assert room.files.remove("lab", project.id, [first.id]) == 1
    assert room.texts(project) == ["c", room.files.url(first)]
    assert [one.task.file_id for one in room.all(project)] == [second.id, None]
    assert room.on_disk() == [room.files.path(second)]


def test_a_bad_file_keeps_back_all_and_nothing_stays(room: Room) -> None:
    project = room.project()
    good = {"a.json": b'[{"text": "a"}]'}
    for name, raw, words in (
        ("b.csv", b"text\na\n\xff\n", r"in b\.csv, row 2 \(line 3\)"),
        ("b.csv", b"", "Failed to parse input file b.csv: The file is empty"),
        ("b.json", b'[{"text":', "Failed to parse input file b.json"),
        ("b.csv", b"other\nx\n", "row 1"),
        ("b.html", b"\xff", "no UTF-8"),
        ("b.html", b"x" * (1 << 20) + b"x", "1,048,577"),
    ):
        with pytest.raises(ImportRefused, match=words):
            room.bring(project, {**good, name: raw})
    with pytest.raises(ExtensionRefused, match=r"\.exe extension"):
        room.bring(project, {**good, "b.exe": b"MZ"})
    with pytest.raises(Invalid):
        room.bring(project, {**good, "/": b"MZ"})
    assert room.texts(project) == []
    assert room.files.of("lab", project.id) == []
    assert room.on_disk() == []


def test_files_with_other_columns_do_not_mix(room: Room) -> None:
    project = room.project("<View></View>")
    with pytest.raises(ImportRefused, match=r"b\.csv has other data"):
        room.bring(project, {"a.csv": b"x,y\n1,2\n", "b.csv": b"z\n1\n"})
    brought = room.bring(project, {"a.csv": b"x,y\n1,2\n", "b.csv": b"y,z\n1,2\n"})
    assert brought.columns == ["y"]


def test_media_are_tasks_that_name_them(room: Room) -> None:
    project = room.project(PICTURES)
    brought = room.bring(project, {"../x/ä b?.PNG": b"png", "c.svg": b"<svg/>"})
    assert brought.tasks == 2
    (first, second) = room.files.of("lab", project.id)
    assert first.name == "ä b?.PNG"
    assert first.key.endswith("-b.png")
    assert [json.loads(one.task.data) for one in room.all(project)] == [
        {"image": f"/data/upload/{project.id}/{one.key}"} for one in (first, second)
    ]
    assert room.files.path(first).read_bytes() == b"png"
    pages = room.project(PAGES)
    room.bring(pages, {"a.html": b"\xef\xbb\xbf<b>hi</b>"})
    assert [json.loads(one.task.data) for one in room.all(pages)] == [{"html": "<b>hi</b>"}]
    with pytest.raises(ExtensionRefused, match="fields are none"):
        room.bring(room.project("<View></View>"), {"a.png": b"png"})


def test_a_file_is_for_members_of_its_workspace(room: Room) -> None:
    project = room.project(PICTURES)
    room.bring(project, {"a.png": b"png"})
    (file,) = room.files.of("lab", project.id)
    elsewhere = Principal(9, "vic", False, {"lab": Role.VIEWER, "other": Role.OWNER}, "other")
    assert room.files.stored(project.id, file.key, elsewhere).path.read_bytes() == b"png"
    stranger = Principal(9, "otto", True, {"other": Role.OWNER}, "other")
    for key, who, number in (
        (file.key, stranger, project.id),
        (file.key, room.ana, project.id + 1),
        ("nothing", room.ana, project.id),
    ):
        with pytest.raises(NotFound):
            room.files.stored(number, key, who)
    assert room.files.get("lab", file.id).key == file.key
    with pytest.raises(NotFound):
        room.files.get("other", file.id)
    other = room.files.replace("lab", file.id, "b.jpg", io.BytesIO(b"jpg!"))
    assert (other.id, other.name, other.size_bytes) == (file.id, "b.jpg", 4)
    assert [one.read_bytes() for one in room.on_disk()] == [b"jpg!"]


def test_files_go_with_their_project_and_orphans_by_the_sweep(room: Room) -> None:
    gone, kept = room.project(PICTURES), room.project(PICTURES)
    for project in (gone, kept):
        room.bring(project, {"a.png": b"png"})
    room.projects.remove("lab", gone.id, room.ana)
    (left,) = room.on_disk()
    folder = left.parent
    (folder / "orphan.png").write_bytes(b"x")
    (folder / "fresh.png").write_bytes(b"x")
    lost = folder.with_name("999")
    lost.mkdir()
    (lost / "a.png").write_bytes(b"x")
    for one in (left, folder / "orphan.png", lost / "a.png"):
        long_ago = one.stat().st_mtime - 2 * ORPHAN_S
        os.utime(one, (long_ago, long_ago))
    assert room.files.sweep() == 2
    assert sorted(room.on_disk()) == sorted([left, folder / "fresh.png"])
    assert not lost.exists()


# --- predictions


def test_predictions_are_of_tasks_that_are_there(room: Room) -> None:
    project, other = room.project(), room.project()
    room.json(project, [{"text": "a"}, {"text": "b"}])
    room.json(other, [{"text": "c"}])
    first, second = (one.task.id for one in room.all(project))
    (strange,) = (one.task.id for one in room.all(other))

    def predict(value: object) -> int:
        raw = io.BytesIO(json.dumps(value).encode())
        return room.bringing.bring_predictions("lab", project.id, raw, room.ana)

    assert predict([said("good", task=first, score=0.5), said("bad", task=second)]) == 2
    assert predict([said("bad", task=first, model_version="v2", score=1)]) == 1
    assert room.projects.get("lab", project.id).prediction_count == 3
    assert [one.task.prediction_score for one in room.all(project)] == [0.75, None]
    for wrong in (
        [],
        [said("good", task=first), said("good", task=strange)],
        [said("good", task=first), said("ugly", task=first)],
        [said("good", task=first), 7],
        [said("good", task=first), said("good", task=10**30)],
        [said("good", task=first), said("good", task=[1])],
        [said("good", task=first), {"task": first}],
    ):
        with pytest.raises(ImportRefused):
            predict(wrong)
    assert room.projects.get("lab", project.id).prediction_count == 3


# --- by a file that a person looks at


def carried(room: Room, project: LabelProject, raw: bytes, *, skips_bad: bool) -> Carried:
    file = room.files.keep("lab", project.id, "a.csv", io.BytesIO(raw), room.ana)
    carrier = Carrier(room.house.db, room.files, room.house.clock, "lab", room.ana)
    return carrier.carry(file, skips_bad=skips_bad, tell=lambda *_: None)


def test_rows_that_do_not_fit_are_listed_and_the_rest_is_offered(room: Room) -> None:
    project = room.project()
    rows = [f"row {number}\n" for number in range(BATCH + 300)]
    rows[5] = "a,b\n"
    rows[BATCH + 5] = "\0\n"
    raw = ("text\n" + "".join(rows)).encode()
    found = carried(room, project, raw, skips_bad=False)
    assert (found.good, found.wrong, found.tasks, found.is_kept_back) == (BATCH + 298, 2, 0, True)
    assert [row[:2] for row in found.bad] == [[6, 7], [BATCH + 6, BATCH + 7]]
    assert room.texts(project) == []
    found = carried(room, project, raw, skips_bad=True)
    assert (found.good, found.wrong, found.tasks, found.is_kept_back) == (
        BATCH + 298,
        2,
        BATCH + 298,
        False,
    )
    assert room.texts(project)[4:6] == ["row 4", "row 6"]
    found = carried(room, project, b"text\n" + b"a,b\n" * 1000, skips_bad=True)
    assert (found.good, found.wrong, len(found.bad), found.is_kept_back) == (
        0,
        1000,
        MOST_LISTED,
        True,
    )


def test_an_import_that_was_interrupted_goes_on_where_it_was(room: Room) -> None:
    """As when a worker is killed between two of its transactions."""
    project = room.project()
    raw = ("text\n" + "".join(f"{number}\n" for number in range(3 * BATCH))).encode()
    file = room.files.keep("lab", project.id, "a.csv", io.BytesIO(raw), room.ana)
    carrier = Carrier(room.house.db, room.files, room.house.clock, "lab", room.ana)

    class Killed(Exception):
        pass

    def tell(share: float, words: str) -> None:
        if share > 0.8:
            raise Killed(words)

    with pytest.raises(Killed):
        carrier.carry(file, skips_bad=False, tell=tell)
    assert len(room.texts(project)) == 2 * BATCH
    assert carrier.carry(file, skips_bad=False, tell=lambda *_: None).tasks == 3 * BATCH
    assert room.texts(project) == [str(number) for number in range(3 * BATCH)]


def test_many_tasks_wait_in_a_file_in_their_order(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "IN_MEMORY_BYTES", 600 * BATCH)
    project = room.project()
    texts = [f"{number} {'x' * 100}" for number in range(5 * BATCH + 3)]
    tasks = [{"data": {"text": one}, "annotations": [said("good")]} for one in texts]
    brought = room.json(project, tasks)
    assert (brought.tasks, brought.annotations) == (len(texts), len(texts))
    assert room.texts(project) == texts
    assert all(len(one.annotations) == 1 for one in room.all(project))


# --- zips and Parquet


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return made.getvalue()


def parquet(**columns: list[Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = io.BytesIO()
    pq.write_table(pa.table(columns), made)
    return made.getvalue()


def test_files_of_a_zip_come_as_if_they_were_sent_by_themselves(room: Room) -> None:
    project = room.project()
    files = {"a/one.txt": b"one\ntwo\n", "two.csv": b"text\nthree\n", "b.parquet": b""}
    files["b.parquet"] = parquet(text=["four", "five"])
    brought = room.bring(project, {"all.zip": zipped(files), "six.txt": b"six\n"})
    assert room.texts(project) == ["one", "two", "three", "four", "five", "six"]
    assert brought.formats == {".txt": 2, ".csv": 1, ".parquet": 1}
    names = [one.name for one in room.files.of("lab", project.id)]
    assert names == ["one.txt", "two.csv", "b.parquet", "six.txt"]
    pictures = room.project(PICTURES)
    room.bring(pictures, {"p.zip": zipped({"a.png": b"1", "b/a.png": b"2"})})
    found = [json.loads(one.task.data)["image"] for one in room.all(pictures)]
    assert len(set(found)) == 2
    assert all(one.startswith(f"/data/upload/{pictures.id}/") for one in found)


def test_a_bad_zip_leaves_nothing_behind(room: Room) -> None:
    project = room.project()
    broken = bytearray(zipped({"one.txt": b"one\n", "two.txt": b"two " * 1000}))
    broken[broken.index(b"two.txt") + 12] ^= 0xFF
    for files, words in (
        ({"one.txt": b"one\n", "bad.zip": bytes(broken)}, "bad.zip: 'two.txt' cannot"),
        ({"one.txt": b"one\n", "bad.zip": b"PK"}, "bad.zip: it is no zip"),
        ({"bad.zip": zipped({"a.csv": b"text,n\none\n"})}, "a.csv, row 1 .* 1 cell"),
        ({"bad.zip": zipped({"a.txt": b"x", "b.exe": b"MZ"})}, "b.exe"),
    ):
        with pytest.raises(Invalid, match=words):
            room.bring(project, files)
        assert room.files.of("lab", project.id) == []
        assert room.on_disk() == []
        assert room.texts(project) == []


def test_rows_of_parquet_are_tasks_and_bad_ones_are_named(room: Room) -> None:
    project = room.project()
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    good = parquet(text=["one", "zwei"], n=[1.5, None], at=[noon, noon], tags=[["a"], []])
    room.bring(project, {"rows.parquet": good})
    data = [json.loads(one.task.data) for one in room.all(project)]
    about = {"at": "2026-05-01T12:00:00+00:00"}
    assert data == [
        {"text": "one", "n": 1.5, **about, "tags": ["a"]},
        {"text": "zwei", "n": None, **about, "tags": []},
    ]
    bad = parquet(text=["fine", None, "nan"], n=[1.0, 2.0, float("nan")])
    with pytest.raises(ImportRefused, match=r"row 2: .*\n.*row 3: .*JSON"):
        room.bring(project, {"bad.parquet": bad})
    with pytest.raises(ImportRefused, match="row 1: it holds bytes"):
        room.bring(project, {"bytes.parquet": parquet(text=["x"], raw=[b"\x00\xff"])})
    for raw, words in (
        (b"PAR1 no more", "no Parquet file that can be read"),
        (good[:-40] + good[-20:], "no Parquet file that can be read"),
        (parquet(text=[]), "holds no tasks"),
    ):
        with pytest.raises(Invalid, match=words):
            room.bring(project, {"broken.parquet": raw})
    assert len(room.all(project)) == 2


def test_parquet_that_unpacks_to_more_than_memory_is_refused(room: Room, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    long = pa.array(["x" * (40 << 20)])
    dictionary = pa.DictionaryArray.from_arrays(pa.array([0] * 3000, pa.int32()), long)
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"text": dictionary}), path, compression="zstd")
    assert path.stat().st_size < 1 << 20
    with pytest.raises(Invalid, match=r"more than memory holds|more than .* characters"):
        room.bring(room.project(), {"bomb.parquet": path.read_bytes()})
    many = pa.table({"text": pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_001), ["x"])})
    pq.write_table(many, path)
    with pytest.raises(ImportRefused, match="1,000,001 rows; 1,000,000 are allowed"):
        room.bring(room.project(), {"many.parquet": path.read_bytes()})


def test_a_page_looks_at_parquet_and_its_reader_ends(room: Room) -> None:
    raw = parquet(text=[f"text {one}" for one in range(50_000)])
    found = rows(io.BytesIO(raw), ".parquet", config_of(room.project()))
    assert [row.task for row in islice(found, 2)] == [
        {"data": {"text": "text 0"}},
        {"data": {"text": "text 1"}},
    ]
    found.close()  # type: ignore[attr-defined]
    assert reading._slots._value == reading.AT_ONCE
