"""mlpi doctor: each thing that can be wrong, and what is said about it."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from mlpi.auth.audit import Actor
from mlpi.db import known_revisions
from mlpi.house import House
from mlpi.lock import RunningService, home_lock
from mlpi.settings import Settings
from mlpi.system import databases, doctor, ports
from mlpi.system.findings import Finding, Verdict
from mlpi.system.host import Host
from mlpi.system.ports import Listener
from tests.programs import Programs
from tests.service import free_port, mlpi

SD_CARD = "1 1 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MLPI_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that was used once and closed."""
    house = House.build(Settings(home=tmp_path / "home"))
    house.open()
    house.users.set_up("ana", "correct horse battery", actor=Actor("test"))
    house.close()
    return house.settings.home


@pytest.fixture
def machine(tmp_path: Path) -> Host:
    """A machine without anything, below its own root."""
    root = tmp_path / "root"
    root.mkdir()
    return Host(root, Programs())


def put(host: Host, path: str, text: str = "") -> None:
    file = host.path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def found(home: Path, check: str, host: Host | None = None) -> list[Finding]:
    return [one for one in doctor.examine(home, host) if one.check == check]


def only(home: Path, check: str, host: Host | None = None) -> Finding:
    (finding,) = found(home, check, host)
    return finding


def worst(home: Path, check: str, host: Host | None = None) -> Finding:
    order = list(Verdict)
    return max(found(home, check, host), key=lambda one: order.index(one.verdict))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def test_a_sound_home_has_nothing_bad_and_is_left_as_it_was(home: Path) -> None:
    before = names(home)
    findings = list(doctor.examine(home))
    assert {one.check for one in findings} == {"settings", "mlflow", *doctor.CHECKS}
    assert not [one for one in findings if one.verdict is Verdict.BAD]
    assert not [one for one in findings if "\n" in one.line()]
    assert names(home) == before


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    absent = tmp_path / "not" / "there"
    assert not [one for one in doctor.examine(absent) if one.verdict is Verdict.BAD]
    assert not absent.parent.exists()
    assert only(absent, "home").text.endswith(f"the first start makes it in {tmp_path}.")


def test_a_home_below_a_file_is_bad(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert only(tmp_path / "file" / "home", "home").verdict is Verdict.BAD


def test_a_home_open_to_everybody_is_warned_about(home: Path) -> None:
    assert only(home, "home").verdict is Verdict.OK
    home.chmod(0o755)
    finding = only(home, "home")
    assert finding.verdict is Verdict.WARN
    assert finding.advice == f"Run: chmod o= {home}"


@pytest.mark.parametrize("text", ["prt = 1", "port = ", "port = 0"])
def test_broken_settings_are_one_finding_and_the_rest_goes_on(home: Path, text: str) -> None:
    (home / "mlpi.toml").write_text(text)
    findings = list(doctor.examine(home))
    assert findings[0].verdict is Verdict.BAD
    assert str(home / "mlpi.toml") in findings[0].text
    assert {one.check for one in findings} >= set(doctor.CHECKS)
    assert f"{home}/mlpi.db" in next(one for one in findings if one.check == "database").text


def test_a_check_that_fails_is_a_line_and_not_the_end(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> list[Listener]:
        raise PermissionError(13, "not for you")

    monkeypatch.setattr(ports, "listeners_on", broken)
    assert only(home, "port").text.startswith("Could not be checked (PermissionError")
    assert only(home, "files").verdict is Verdict.OK


# --- packages ---------------------------------------------------------------------------------


def test_a_wrong_and_a_missing_package_are_named_with_the_command(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = metadata.version

    def version(name: str) -> str:
        if name == "chromadb":
            return "1.6.0"
        if name == "tensorboard":
            raise metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(metadata, "version", version)
    bad = [one for one in found(home, "packages") if one.verdict is Verdict.BAD]
    assert [one.text for one in bad] == [
        "chromadb is 1.6.0, not <1.6,>=1.5.",
        "tensorboard is missing.",
    ]
    assert bad[0].advice.endswith("-m pip install 'chromadb<1.6,>=1.5'")


def test_the_embedded_tools_are_named_with_their_versions(home: Path) -> None:
    text = only(home, "packages").text
    for name in doctor.EMBEDDED:
        assert f"{name} {metadata.version(name)}" in text


# --- disk and space ---------------------------------------------------------------------------


def test_an_sd_card_is_warned_about(home: Path, machine: Host) -> None:
    put(machine, "/proc/self/mountinfo", SD_CARD)
    put(machine, "/sys/dev/block/179:2/device/type", "SD")
    put(machine, "/sys/class/block/mmcblk0p2/device/type", "SD")
    machine.path("/sys/dev/block/179:2").rename(machine.path("/sys/dev/block/mmcblk0"))
    machine.path("/sys/dev/block/179:2").symlink_to("mmcblk0")
    finding = only(home, "disk", machine)
    assert finding.verdict is Verdict.WARN
    assert finding.text == "/ is on SD card mmcblk0 (ext4)."
    assert "NVMe" in finding.advice


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("1 1 0:5 / / rw - nfs4 nas:/x rw", Verdict.WARN),
        ("1 1 0:5 / / rw - tmpfs tmpfs rw", Verdict.WARN),
        ("1 1 8:1 / / ro - ext4 /dev/sda1 ro", Verdict.BAD),
        ("", Verdict.WARN),
    ],
)
def test_other_disks(home: Path, machine: Host, line: str, verdict: Verdict) -> None:
    put(machine, "/proc/self/mountinfo", line)
    assert only(home, "disk", machine).verdict is verdict


@pytest.mark.parametrize(
    ("free", "verdict"),
    [(50e6, Verdict.BAD), (1e9, Verdict.WARN), (100e9, Verdict.OK)],
)
def test_free_space(
    home: Path, monkeypatch: pytest.MonkeyPatch, free: float, verdict: Verdict
) -> None:
    usage = SimpleNamespace(total=200_000_000_000, used=0, free=int(free))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    assert only(home, "space").verdict is verdict


# --- databases --------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_bad(home: Path) -> None:
    (home / "mlpi.db").write_bytes(os.urandom(20_000))
    finding = only(home, "database")
    assert finding.verdict is Verdict.BAD
    assert "restore a backup" in finding.advice


def test_damage_in_the_middle_is_found(home: Path) -> None:
    """Where a start does not look: a page of the audit table's index."""
    file = home / "mlpi.db"
    with closing(sqlite3.connect(file)) as connection:
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'ix_audit_at'"
        page = connection.execute(query).fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as raw:
        raw.seek((page - 1) * size)
        raw.write(os.urandom(size))
    finding = worst(home, "database")
    assert finding.verdict is Verdict.BAD
    assert "damaged" in finding.text


def test_rows_that_point_nowhere_are_bad(home: Path) -> None:
    with closing(sqlite3.connect(home / "mlpi.db")) as connection:
        connection.execute("INSERT INTO members VALUES (77, 1, 1, '2026-01-01')")
        connection.commit()
    assert "rows in members" in worst(home, "database").text


def test_a_newer_database_is_bad_and_an_older_one_is_not(home: Path) -> None:
    def at(revision: str) -> Finding:
        with closing(sqlite3.connect(home / "mlpi.db")) as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
            connection.commit()
        return worst(home, "database")

    assert at("9999").verdict is Verdict.BAD
    revisions = databases.Revisions({"0000", "0001"}, "0001")
    at("0000")
    findings = list(databases.examine("x", home / "mlpi.db", revisions, is_ours=True))
    assert [one.verdict for one in findings] == [Verdict.OK, Verdict.WARN]
    assert at(known_revisions()[-1]).verdict is Verdict.OK


def test_somebody_elses_database_is_bad(home: Path) -> None:
    (home / "mlpi.db").unlink()
    with closing(sqlite3.connect(home / "mlpi.db")) as connection:
        connection.execute("CREATE TABLE recipes (id INTEGER)")
    assert "is not mlpi's" in worst(home, "database").text


def test_a_long_check_ends_and_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "LONGEST_CHECK_S", -1.0)
    monkeypatch.setattr(databases, "_STEPS", 1)
    assert "too large" in worst(home, "database").text


def test_what_mlflow_knows_is_read_without_importing_it() -> None:
    revisions = databases.mlflow_revisions()
    assert revisions is not None
    from mlflow.store.db.utils import _get_latest_schema_revision

    assert revisions.newest == _get_latest_schema_revision()
    assert len(revisions.known) > 40


def test_a_database_elsewhere_that_does_not_answer_is_bad(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql+psycopg://mlpi:secret@127.0.0.1:1/mlpi?connect_timeout=2"
    monkeypatch.setenv("MLPI_DATABASE_URL", url)
    finding = only(home, "database")
    assert finding.verdict is Verdict.BAD
    assert "secret" not in finding.line()


# --- clock ------------------------------------------------------------------------------------


def test_a_clock_behind_the_audit_trail_is_bad(home: Path, machine: Host) -> None:
    def at(moment: datetime) -> Finding:
        chosen = Settings(home=home)
        (finding,) = doctor._clock(chosen, machine, lambda: moment)
        return finding

    now = datetime.now(UTC)
    assert at(now).verdict is Verdict.OK
    early = at(now - timedelta(hours=1))
    assert early.verdict is Verdict.BAD
    assert "earlier than the newest audit entry" in early.text


def test_a_clock_of_1970_is_bad_even_on_a_new_home(tmp_path: Path, machine: Host) -> None:
    chosen = Settings(home=tmp_path / "new")
    (finding,) = doctor._clock(chosen, machine, lambda: datetime(1970, 1, 1, tzinfo=UTC))
    assert finding.verdict is Verdict.BAD


@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [("yes", Verdict.OK, "synchronised."), ("no", Verdict.WARN, "not synchronised")],
)
def test_synchronisation_is_what_timedatectl_says(
    home: Path, machine: Host, answer: str, verdict: Verdict, words: str
) -> None:
    host = Host(machine.root, Programs({"timedatectl show": answer}))
    finding = only(home, "clock", host)
    assert finding.verdict is verdict
    assert words in finding.text


def test_without_timedatectl_the_time_servers_mark_counts(home: Path, machine: Host) -> None:
    assert "cannot be told" in only(home, "clock", machine).text
    put(machine, "/run/systemd/timesync/synchronized")
    assert only(home, "clock", machine).text.endswith("synchronised.")


# --- port and firewall ------------------------------------------------------------------------

OTHER = Listener("0.0.0.0", 77, "nginx")


@pytest.mark.parametrize(
    ("host", "listeners", "running", "verdict", "words"),
    [
        ("0.0.0.0", [], None, Verdict.OK, "free"),
        ("0.0.0.0", [OTHER], None, Verdict.BAD, "used by nginx (process 77)"),
        ("0.0.0.0", [Listener("::", None, "")], None, Verdict.BAD, "another user's program"),
        ("127.0.0.1", [Listener("10.0.0.1", 1, "x")], None, Verdict.OK, "free"),
        ("0.0.0.0", [OTHER], RunningService(77, "http://x"), Verdict.OK, "mlpi's own"),
        ("0.0.0.0", [], RunningService(5, "http://x:1"), Verdict.OK, "at http://x:1"),
    ],
)
def test_the_port(
    host: str,
    listeners: list[Listener],
    running: RunningService | None,
    verdict: Verdict,
    words: str,
) -> None:
    finding = ports.judge_port(Settings(host=host), listeners, running)
    assert finding.verdict is verdict
    assert words in finding.text


def test_who_listens_is_read_from_the_kernel() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (listener,) = ports.listeners_on(port)
    assert (listener.address, listener.pid) == ("127.0.0.1", os.getpid())
    assert listener.program == psutil.Process().name()
    assert ports.listeners_on(port) == []


def ufw(host: Host) -> None:
    put(host, "/etc/ufw/ufw.conf", "LOGLEVEL=low\nENABLED=yes\n")


def nothing(_: Host) -> None:
    return


@pytest.mark.parametrize(
    ("prepare", "answers", "command"),
    [
        (ufw, {}, "sudo ufw allow 9000/tcp"),
        (nothing, {"systemctl is-active firewalld": "active"}, "--add-port=9000/tcp"),
        (nothing, {"systemctl is-active nftables": "active"}, "tcp dport 9000 accept"),
    ],
)
def test_a_firewall_comes_with_the_command_that_opens_the_port(
    home: Path,
    machine: Host,
    prepare: Callable[[Host], None],
    answers: dict[str, str],
    command: str,
) -> None:
    prepare(machine)
    finding = only(home, "firewall", Host(machine.root, Programs(answers)))
    assert finding.verdict is Verdict.WARN
    assert command in finding.advice


def test_no_firewall_an_open_port_and_a_local_service_are_fine(home: Path, machine: Host) -> None:
    assert only(home, "firewall", machine).verdict is Verdict.OK
    ufw(machine)
    put(machine, "/etc/ufw/user.rules", "-A ufw-user-input -p tcp --dport 9000 -j ACCEPT\n")
    assert only(home, "firewall", machine).verdict is Verdict.OK
    put(machine, "/etc/ufw/user.rules", "")
    finding = ports.judge_firewall(Settings(host="127.0.0.1"), machine)
    assert finding.verdict is Verdict.OK


# --- memory and files -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "available", "verdict"),
    [(1e9, 8e8, Verdict.WARN), (8e9, 1e8, Verdict.WARN), (8e9, 4e9, Verdict.OK)],
)
def test_memory(
    home: Path,
    machine: Host,
    monkeypatch: pytest.MonkeyPatch,
    total: float,
    available: float,
    verdict: Verdict,
) -> None:
    memory = SimpleNamespace(total=int(total), available=int(available))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert only(home, "memory", machine).verdict is verdict


def test_a_pi_that_enforces_no_memory_limit_is_told_how(home: Path, machine: Host) -> None:
    put(machine, "/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids")
    assert "cmdline.txt" in found(home, "memory", machine)[1].advice
    put(machine, "/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids")
    assert len(found(home, "memory", machine)) == 1


def test_few_open_files_are_warned_about(
    home: Path, machine: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 2048))
    assert only(home, "files").verdict is Verdict.WARN
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1_048_576))
    assert only(home, "files").text == "mlpi may have 65536 files open."
    with home_lock(home):
        limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files  512  4096  files\n"
        put(machine, f"/proc/{os.getpid()}/limits", limits)
        assert only(home, "files", machine).text == "mlpi may have 512 files open."


# --- boards -----------------------------------------------------------------------------------


def test_more_folders_of_logs_than_may_be_watched_are_warned_about(
    home: Path, machine: Host
) -> None:
    assert "is not there yet" in only(home, "boards", machine).text
    for number in range(30):
        (home / "tensorboard" / "lab" / f"run-{number}").mkdir(parents=True)
    put(machine, "/proc/sys/fs/inotify/max_user_watches", "8192\n")
    assert only(home, "boards", machine) == Finding(
        "boards", Verdict.OK, "32 folders of logs can be read and watched."
    )
    put(machine, "/proc/sys/fs/inotify/max_user_watches", "1024\n")
    warned = only(home, "boards", machine)
    assert warned.verdict is Verdict.WARN
    assert "fs.inotify.max_user_watches=65536" in warned.advice


def test_a_folder_of_logs_that_cannot_be_read_is_named(
    home: Path, machine: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = home / "tensorboard" / "lab" / "closed"
    closed.mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != closed)
    found_bad = only(home, "boards", machine)
    assert found_bad.verdict is Verdict.BAD
    assert str(closed) in found_bad.text
    assert "chown -R" in found_bad.advice


# --- the command ------------------------------------------------------------------------------


def test_the_command_prints_lines_for_people_and_an_object_for_machines(home: Path) -> None:
    port = str(free_port())
    plain = mlpi("doctor", home=home, env={"MLPI_PORT": port})
    assert f"ok    port      {port} is free.\n" in plain.stdout
    lines = plain.stdout.splitlines()
    report = json.loads(mlpi("doctor", "--json", home=home, env={"MLPI_PORT": port}).stdout)
    assert report["is_well"]
    assert [one["check"] for one in report["checks"]] == [line.split()[1] for line in lines]


def test_the_exit_code_is_1_when_something_is_bad(home: Path) -> None:
    (home / "mlpi.db").write_bytes(b"not a database" * 1000)
    done = mlpi("doctor", home=home, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "bad   database" in done.stdout
