"""Datasets and checkpoints without workers: what is kept, who is told, what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mlpi.auth.audit import Actor
from mlpi.auth.vault import Vault
from mlpi.checks import store
from mlpi.checks.checkpoints import Checkpoints, Draft
from mlpi.checks.component import Checks
from mlpi.checks.datasets import Datasets
from mlpi.checks.files import Roots, format_of
from mlpi.checks.lookups import split_reference
from mlpi.checks.models import Checkpoint, CheckState, DatasetVersion, Delivery
from mlpi.checks.options import checked
from mlpi.checks.runs import judge
from mlpi.errors import Conflict, Invalid, NotFound
from mlpi.house import House
from mlpi.jobs.component import JobsRoom
from mlpi.jobs.inprocess import InProcessRunner
from mlpi.jobs.models import Job, JobState
from mlpi.settings import Settings
from mlpi.uploads import Arrived
from tests.conftest import TurnedClock

ANA = Actor("ana", "test")
LAB = "default"
PROFILE = {"row_count": 2, "columns": [{"name": "a", "type": "BIGINT"}]}


class Room:
    """The checks room with a queue that nobody works on."""

    def __init__(self, house: House, tmp_path: Path) -> None:
        self.house = house
        self.tmp_path = tmp_path
        self.jobs_room = JobsRoom(house, InProcessRunner())
        self.jobs = self.jobs_room.jobs
        self.checks = Checks(house, self.jobs_room)
        self.datasets: Datasets = self.checks.datasets
        self.checkpoints: Checkpoints = self.checks.checkpoints

    def upload(self, name: str, content: bytes, workspace: str = LAB) -> DatasetVersion:
        path = self.tmp_path / f"{hashlib.md5(content).hexdigest()}.part"
        path.write_bytes(content)
        arrived = Arrived(path, hashlib.sha256(content).hexdigest(), len(content))
        return self.datasets.add_file(workspace, name, "wine.csv", arrived, actor=ANA)

    def suite(self, name: str = "basics") -> int:
        made = self.checks.suites.add(LAB, name, "", actor=ANA)
        return int(made.id)

    def checkpoint(self, **more: Any) -> Checkpoint:
        version = self.upload("wine", b"a\n1\n")
        suite_id = more.pop("suite_id", None) or self.suite()
        draft = Draft(more.pop("name", "nightly"), version.dataset_id, suite_id, **more)
        return self.checkpoints.add(LAB, draft, actor=ANA)

    def queued(self, kind: str) -> list[Job]:
        from mlpi.jobs.store import Filter

        found = self.jobs.page(LAB, Filter(kind=kind, states=(JobState.QUEUED,)), limit=100)
        return list(reversed(found))

    def end(self, job: Job, *, success: bool) -> None:
        """What the jobs room does around a worker that judged."""
        failed = 0 if success else 1
        result = {
            "success": success,
            "statistics": {
                "evaluated_expectations": 1,
                "successful_expectations": 1 - failed,
                "unsuccessful_expectations": failed,
                "success_percent": 100.0 * success,
            },
            "results": [
                {
                    "success": success,
                    "expectation_config": {
                        "type": "expect_column_max_to_be_between",
                        "kwargs": {"column": "a", "max_value": 5},
                        "id": "e1",
                    },
                    "result": {"observed_value": 9},
                    "meta": {"mlpi": {"engine": "duckdb"}},
                }
            ],
        }
        with self.house.db.write() as session:
            mine = session.get_one(Job, job.id)
            self.checks.runs.resolve(session, mine)
            answer = {"result": result, "figures": {"wall_s": 0.1}, "file": None}
            mine.state = JobState.SUCCEEDED
            self.checks.runs.keep(session, mine, answer)

    def deliveries(self) -> list[Delivery]:
        with self.house.db.read() as session:
            return list(session.scalars(select(Delivery).order_by(Delivery.id)))


@pytest.fixture
def room(house: House, tmp_path: Path) -> Room:
    return Room(house, tmp_path)


@pytest.fixture
def small(tmp_path: Path, clock: TurnedClock) -> Iterator[Room]:
    """On SQLite alone, where the database is not what is tested."""
    built = House.build(Settings(home=tmp_path / "home", data_roots=str(tmp_path / "data")), clock)
    built.open()
    (tmp_path / "data").mkdir()
    yield Room(built, tmp_path)
    built.close()


# --- datasets


def test_the_same_content_is_one_version_and_one_file(room: Room) -> None:
    first = room.upload("wine", b"a\n1\n")
    again = room.upload("wine", b"a\n1\n")
    other = room.upload("wine", b"a\n2\n")
    assert (first.id, first.number, other.number) == (again.id, 1, 2)
    copy = room.upload("copy of wine", b"a\n1\n")
    folder = room.house.settings.home / "datasets" / LAB / "files"
    assert sum(1 for path in folder.rglob("*") if path.is_file()) == 2
    assert room.datasets.size_bytes(LAB) == 8
    room.datasets.remove(LAB, copy.dataset_id, actor=ANA)
    assert sum(1 for path in folder.rglob("*") if path.is_file()) == 2
    room.datasets.remove_version(LAB, first.id, actor=ANA)
    assert [path.read_bytes() for path in folder.rglob("*") if path.is_file()] == [b"a\n2\n"]


def test_a_refused_file_leaves_nothing_behind(small: Room) -> None:
    small.datasets.add_sql(LAB, "orders", "postgresql://db/x", table="t", actor=ANA)
    with pytest.raises(Conflict, match="no dataset of files"):
        small.upload("orders", b"a\n1\n")
    folder = small.house.settings.home / "datasets"
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_each_new_version_is_profiled_once(room: Room) -> None:
    room.upload("wine", b"a\n1\n")
    room.upload("wine", b"a\n1\n")
    room.upload("wine", b"a\n2\n")
    assert [job.title for job in room.queued("dataset-profile")] == [
        "Profile wine version 1",
        "Profile wine version 2",
    ]


def test_a_profile_is_kept_and_a_failure_says_why(room: Room) -> None:
    version = room.upload("wine", b"a\n1\n")
    (job,) = room.queued("dataset-profile")
    with room.house.db.write() as session:
        mine = session.get_one(Job, job.id)
        params = room.checks.versions.resolve_profile(session, mine)
        assert params["source"]["format"] == "csv"
        mine.state, mine.error = JobState.FAILED, "line 3 has 2 fields"
        room.checks.versions.note_profile_failure(session, mine)
    found = room.datasets.version(LAB, version.id)[1]
    assert (found.state, found.error) == ("failed", "line 3 has 2 fields")
    with room.house.db.write() as session:
        mine = session.get_one(Job, job.id)
        answer = {"profile": PROFILE, "preview": {"columns": ["a"], "rows": [[1]]}, "file": None}
        room.checks.versions.keep_profile(session, mine, answer)
    found = room.datasets.version(LAB, version.id)[1]
    assert (found.state, found.error, found.row_count) == ("ready", "", 2)
    assert found.columns == [["a", "BIGINT"]]
    assert [one.id for _, one in room.datasets.ready_versions(LAB)] == [version.id]


def test_a_dataset_of_another_workspace_is_not_there(room: Room) -> None:
    room.house.workspaces.add("other", "", owner=None, actor=ANA)
    version = room.upload("wine", b"a\n1\n", "other")
    with pytest.raises(NotFound):
        room.datasets.get(LAB, version.dataset_id)
    with pytest.raises(NotFound):
        room.datasets.version(LAB, version.id)
    with pytest.raises(NotFound):
        room.datasets.remove_version(LAB, version.id, actor=ANA)
    assert room.datasets.page(LAB) == []


@pytest.mark.parametrize("name", ["", " ", "../x", "a/b", "<b>", "x" * 101, "-x", "a\nb\tc?"])
def test_a_name_that_cannot_be_one_is_refused(small: Room, name: str) -> None:
    with pytest.raises(Invalid) as caught:
        small.upload(name, b"a\n1\n")
    assert caught.value.field == "name"


@pytest.mark.parametrize("name", ["wine", "Wein 2026 (neu)", "données", "a", "x" * 100, "v1.2_b+c"])
def test_a_name_may_be_in_any_language(small: Room, name: str) -> None:
    assert small.datasets.get(LAB, name) if small.upload(name, b"a\n1\n") else None


def test_a_password_of_a_database_is_shown_to_nobody(small: Room) -> None:
    made = small.datasets.add_sql(
        LAB, "orders", "postgresql://ana:hunter2@db:5432/shop", table="orders", actor=ANA
    )
    found = small.datasets.get(LAB, made.id)
    assert found.location["url"] == "postgresql://ana:***@db:5432/shop"
    assert "hunter2" not in found.sealed_url
    (job,) = small.queued("dataset-profile")
    assert "hunter2" not in str(job.params)
    with small.house.db.read() as session:
        source = small.checks.sources.of(session, found, None)
    assert source.url == "postgresql://ana:hunter2@db:5432/shop"
    assert "hunter2" not in repr(source)


@pytest.mark.parametrize(
    ("url", "table", "query", "field"),
    [
        ("mysql://a:hunter2@db/x", "t", "", "url"),
        ("no url with hunter2", "t", "", "url"),
        ("postgresql://a:hunter2@db/x", "", "", "table"),
        ("postgresql://a:hunter2@db/x", "t", "SELECT 1", "table"),
        ("sqlite:////etc/hunter2.db", "t", "", "url"),
    ],
)
def test_a_wrong_database_is_refused_without_its_secret(
    small: Room, url: str, table: str, query: str, field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        small.datasets.add_sql(LAB, "x", url, table=table, query=query, actor=ANA)
    assert caught.value.field == field
    assert "a:hunter2" not in caught.value.line()


def test_server_files_are_read_only_under_the_allowed_folders(tmp_path: Path) -> None:
    data, secret = tmp_path / "data", tmp_path / "secret"
    data.mkdir()
    secret.mkdir()
    (secret / "x.csv").write_text("a\n1\n")
    (data / "old.csv").write_text("a\n1\n")
    (data / "link.csv").symlink_to(secret / "x.csv")
    roots = Roots([data])
    assert roots.newest(f"{data}/*.csv") == (data / "old.csv").resolve()
    for pattern in (
        f"{secret}/x.csv",
        f"{data}/link.csv",
        f"{data}/../secret/x.csv",
        "relative/x.csv",
        "/*/x.csv",
        f"{tmp_path}/*/x.csv",
        "",
    ):
        with pytest.raises(Invalid):
            roots.newest(pattern)
    for pattern in (f"{data}/lin?.csv", f"{data}/none-*.csv"):
        with pytest.raises(NotFound):
            roots.newest(pattern)
    with pytest.raises(Invalid, match="No folder"):
        Roots([]).newest(f"{data}/old.csv")


def test_a_pattern_means_the_file_written_last(tmp_path: Path) -> None:
    import os

    for age, name in ((30, "a.csv"), (10, "b.csv"), (20, "c.csv")):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (10**9 - age, 10**9 - age))
    assert Roots([tmp_path]).newest(f"{tmp_path}/?.csv").name == "b.csv"


def test_an_unknown_kind_of_file_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Invalid) as caught:
        format_of("model.pkl")
    assert ".csv" in caught.value.line()
    assert ".parquet" in caught.value.line()


def test_reading_options_are_checked() -> None:
    given = {"delimiter": "tab", "encoding": "Latin-1", "null_values": "NA, -", "sheet": ""}
    assert checked(given) == {
        "delimiter": "\t",
        "encoding": "iso8859-1",
        "null_values": ["NA", "-"],
    }
    for key, value in (
        ("delimiter", ";;"),
        ("encoding", "utf-99"),
        ("skip_rows", "-1"),
        ("has_header", "perhaps"),
        ("decimal", ";"),
        ("delimeter", ";"),
    ):
        with pytest.raises(Invalid) as caught:
            checked({key: value})
        assert caught.value.field == key


def test_a_reference_names_a_dataset_and_perhaps_a_version() -> None:
    assert split_reference("wine") == ("wine", None)
    assert split_reference("wine@3") == ("wine", 3)
    with pytest.raises(Invalid):
        split_reference("wine@new")


# --- checkpoints


def test_one_flap_does_not_ring() -> None:
    checkpoint = Checkpoint(is_alerting=False, streak=0, alert_after=3, recover_after=2)
    runs = [False, False, True, False, False, False, False, True, False, True, True]
    events = [judge(checkpoint, is_good=good) for good in runs]
    assert events == ["", "", "", "", "", "failing", "", "", "", "", "recovered"]


def test_whoever_wants_to_know_of_changes_is_told_twice(room: Room) -> None:
    actions = [
        {"kind": "webhook", "to": "https://hooks.example/T0P5ECRET", "on": "change"},
        {"kind": "ntfy", "to": "https://ntfy.example/topic", "on": "always"},
    ]
    checkpoint = room.checkpoint(actions=actions)
    for good in (True, False, False, True):
        room.checkpoints.run(LAB, checkpoint.id, actor=ANA)
        room.end(room.queued("check")[-1], success=good)
    sent = [(one.kind, one.event) for one in room.deliveries()]
    assert [event for kind, event in sent if kind == "webhook"] == ["failing", "recovered"]
    assert [event for kind, event in sent if kind == "ntfy"] == [
        "passed",
        "failing",
        "failed",
        "recovered",
    ]
    assert len(room.queued("notify")) == 6
    assert "T0P5ECRET" not in str([one.target for one in room.deliveries()])
    assert "T0P5ECRET" not in str(checkpoint.actions)
    with room.house.db.write() as session:
        job = session.get_one(Job, room.queued("notify")[1].id)
        order = room.checks.actions.resolve(session, job)
    assert order["url"] == "https://hooks.example/T0P5ECRET"
    assert order["payload"]["failed"][0]["column"] == "a"


def test_a_delivery_that_fails_is_tried_again_later_and_given_up_once(small: Room) -> None:
    checkpoint = small.checkpoint(
        actions=[{"kind": "webhook", "to": "https://hooks.example/x", "on": "always"}]
    )
    small.checkpoints.run(LAB, checkpoint.id, actor=ANA)
    small.end(small.queued("check")[-1], success=False)
    pauses = []
    for _ in range(6):
        (job,) = small.queued("notify")
        pauses.append((job.available_at - small.house.clock()).total_seconds())
        with small.house.db.write() as session:
            mine = session.get_one(Job, job.id)
            mine.state, mine.error = JobState.FAILED, "https://hooks.example answered 500"
            small.checks.actions.note_failure(session, mine)
    assert pauses == [0, 10, 30, 90, 270, 810]
    assert small.queued("notify") == []
    (delivery,) = small.deliveries()
    assert (delivery.state, delivery.attempts) == ("failed", 6)


@pytest.mark.parametrize(
    "action",
    [
        {"kind": "pager", "to": "x"},
        {"kind": "webhook", "to": "ftp://host/x"},
        {"kind": "webhook", "to": "https://host/with space"},
        {"kind": "webhook", "to": "https://[::1"},
        {"kind": "email", "to": "ana@example.org"},  # no mail server in the settings
        {"kind": "ntfy", "to": "https://ntfy.example/t", "on": "sometimes"},
    ],
)
def test_a_wrong_action_is_refused(small: Room, action: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="Action 1") as caught:
        small.checkpoint(actions=[action])
    assert caught.value.field == "actions"


def test_a_secret_address_stays_when_the_form_shows_only_its_beginning(small: Room) -> None:
    secret = {"kind": "webhook", "to": "https://hooks.example/T0P5ECRET", "on": "change"}
    checkpoint = small.checkpoint(actions=[secret])
    shown = checkpoint.actions[0]["target"]
    draft = Draft(
        "nightly",
        checkpoint.dataset_id,
        checkpoint.suite_id,
        actions=[{"kind": "webhook", "to": shown, "on": "failure", "secret": ""}],
    )
    changed = small.checkpoints.change(LAB, checkpoint.id, draft, actor=ANA)
    assert changed.actions[0]["sealed"] == checkpoint.actions[0]["sealed"]
    assert changed.actions[0]["on"] == "failure"
    draft = Draft(
        "nightly",
        checkpoint.dataset_id,
        checkpoint.suite_id,
        actions=[{"kind": "webhook", "to": shown, "on": "failure", "secret": "new"}],
    )
    changed = small.checkpoints.change(LAB, checkpoint.id, draft, actor=ANA)
    opened = json.loads(Vault(small.house.settings.home).open(changed.actions[0]["sealed"]))
    assert opened == {"url": "https://hooks.example/T0P5ECRET", "secret": "new"}


def test_the_gate_is_shut_until_data_is_known_to_be_good(room: Room) -> None:
    checkpoint = room.checkpoint()
    assert room.checkpoints.gate(LAB, "nightly")[:2] == (False, "'nightly' has not run yet.")
    room.checkpoints.run(LAB, checkpoint.id, actor=ANA)
    room.end(room.queued("check")[-1], success=True)
    assert room.checkpoints.gate(LAB, "nightly", "wine")[0] is True
    room.upload("wine", b"a\n2\n")
    is_open, reason, _ = room.checkpoints.gate(LAB, "nightly", "wine")
    assert (is_open, reason) == (False, "'nightly' has not run on wine version 2.")
    assert room.checkpoints.gate(LAB, "nightly", "wine@1")[0] is True
    room.checkpoints.run(LAB, checkpoint.id, actor=ANA)
    room.end(room.queued("check")[-1], success=False)
    is_open, reason, run = room.checkpoints.gate(LAB, "nightly", "wine@2")
    assert is_open is False
    assert reason == "wine version 2 failed 'nightly': 1 expectation is not met."
    assert run is not None
    with pytest.raises(NotFound):
        room.checkpoints.gate(LAB, "daily")
    with pytest.raises(NotFound):
        room.checkpoints.gate(LAB, "nightly", "wine@9")


def test_a_run_that_finds_nothing_out_is_an_error_and_shuts_the_gate(room: Room) -> None:
    room.checkpoint()
    job = room.checkpoints.run(LAB, "nightly", actor=ANA)
    with room.house.db.write() as session:
        mine = session.get_one(Job, job.id)
        room.checks.runs.resolve(session, mine)
        mine.state, mine.error = JobState.LOST, "its worker was killed"
        room.checks.runs.note_failure(session, mine)
    is_open, reason, run = room.checkpoints.gate(LAB, "nightly")
    assert (is_open, run is not None and run.state) == (False, CheckState.ERROR)
    assert reason.endswith("its worker was killed")
    assert room.checkpoints.get(LAB, "nightly").is_alerting


def test_a_cancelled_run_tells_nobody(room: Room) -> None:
    room.checkpoint()
    job = room.checkpoints.run(LAB, "nightly", actor=ANA)
    with room.house.db.write() as session:
        mine = session.get_one(Job, job.id)
        mine.state = JobState.CANCELLED
        room.checks.runs.note_failure(session, mine)
    found = room.checkpoints.get(LAB, "nightly")
    assert (found.state, found.is_alerting) == (CheckState.NEW, False)


def test_a_new_version_is_checked_where_that_is_wanted(room: Room) -> None:
    suite_id = room.suite()
    room.checkpoint(name="always", suite_id=suite_id, runs_on_new_version=True)
    room.checkpoint(name="never", suite_id=suite_id)
    assert room.queued("check") == []
    version = room.upload("wine", b"a\n2\n")
    (job,) = room.queued("check")
    assert job.params["version_id"] == version.id
    room.upload("wine", b"a\n2\n")
    assert len(room.queued("check")) == 1


def test_reports_are_kept_up_to_their_number(room: Room) -> None:
    checkpoint = room.checkpoint(keep_runs=3)
    for _ in range(5):
        room.checkpoints.run(LAB, checkpoint.id, actor=ANA)
        room.end(room.queued("check")[-1], success=True)
    runs = room.checkpoints.runs(checkpoint)
    assert [run.state for run in runs] == [CheckState.PASSED] * 3
    with room.house.db.read() as session:
        states = store.recent_states(session, [checkpoint.id], 2)
    assert [run_id for run_id, _ in states[checkpoint.id]] == [runs[1].id, runs[0].id]


def test_a_dataset_under_a_checkpoint_stays(room: Room) -> None:
    checkpoint = room.checkpoint()
    with pytest.raises(Conflict, match="is checked by 'nightly'"):
        room.datasets.remove(LAB, checkpoint.dataset_id, actor=ANA)
    room.checkpoints.remove(LAB, checkpoint.id, actor=ANA)
    room.datasets.remove(LAB, checkpoint.dataset_id, actor=ANA)
    assert room.datasets.page(LAB) == []


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"pick": "oldest"}, "pick"),
        ({"pick": "version", "pick_value": "9"}, "version"),
        ({"pick": "version", "pick_value": "new"}, "pick_value"),
        ({"pick": "pattern", "pick_value": "/etc/*.csv"}, "pattern"),
        ({"result_format": "ALL"}, "result_format"),
        ({"row_limit": 0}, "row_limit"),
        ({"alert_after": 0}, "alert_after"),
        ({"keep_runs": 10**6}, "keep_runs"),
        ({"suite_version": 9}, "suite_version"),
        ({"name": "a/b"}, "name"),
    ],
)
def test_a_wrong_checkpoint_is_refused(small: Room, more: dict[str, Any], field: str) -> None:
    with pytest.raises((Invalid, NotFound)) as caught:
        small.checkpoint(**more)
    assert caught.value.field == field


def test_nothing_of_another_workspace_can_be_checked(room: Room) -> None:
    room.house.workspaces.add("other", "", owner=None, actor=ANA)
    foreign = room.upload("theirs", b"a\n1\n", "other")
    checkpoint = room.checkpoint()
    draft = Draft("x", foreign.dataset_id, checkpoint.suite_id)
    with pytest.raises(NotFound):
        room.checkpoints.add(LAB, draft, actor=ANA)
    with pytest.raises(NotFound):
        room.checkpoints.run(LAB, "nightly", dataset="theirs", actor=ANA)
    with pytest.raises(NotFound):
        room.checkpoints.get("other", checkpoint.id)
