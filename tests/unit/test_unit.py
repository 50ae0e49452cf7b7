"""mlpi service: the unit's text, and what install, uninstall and status do with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlpi.system import unit
from mlpi.system.host import CommandFailed, Host
from mlpi.system.unit import CannotRunThere, NeedsRoot, NoSystemd, Service, Target, render
from tests.service import mlpi

PYTHON = Path("/opt/mlpi/bin/python")
SYSTEM_UNIT = "/etc/systemd/system/mlpi.service"
MOST_EXPOSURE = 25  # tenths
ANALYZE = shutil.which("systemd-analyze")

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


def target(home: Path = unit.SYSTEM_HOME, *, is_users: bool = False) -> Target:
    return Target(PYTHON, home, is_users)


def assignments(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith(("#", "["))]


class Systemd:
    """A machine's user list and systemd, as far as mlpi talks to them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "run/systemd/system").mkdir(parents=True)
        self.users: set[str] = set()
        self.groups = {"video"}
        self.members: set[str] = set()
        self.enabled = self.active = self.lingers = False
        self.fails: str | None = None
        self.changes: list[str] = []

    @property
    def host(self) -> Host:
        return Host(self.root, self)

    def __call__(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        words = [word for word in command if word != "--user" or command[0] != "systemctl"]
        answer = self._query(words)
        if answer is None:
            self.changes.append(" ".join(words[:2]))
            if self.fails and self.fails in words:
                return subprocess.CompletedProcess(command, 1, "", "Job failed.\nSee the log.\n")
            self._change(words)
            answer = (True, "")
        return subprocess.CompletedProcess(command, 0 if answer[0] else 1, answer[1] + "\n", "")

    def _query(self, words: list[str]) -> tuple[bool, str] | None:
        match words:
            case ["getent", "passwd", name]:
                return name in self.users, name
            case ["getent", "group", name]:
                return name in self.groups, name
            case ["id", "--name", "--groups", name]:
                return name in self.users, f"mlpi {' '.join(self.members)}"
            case ["id", "--user", _]:
                return True, str(os.getuid())
            case ["systemctl", "is-enabled", _]:
                return self.enabled, "enabled" if self.enabled else "disabled"
            case ["systemctl", "is-active", _]:
                return self.active, "active" if self.active else "inactive"
            case ["loginctl", "show-user", *_]:
                return True, "yes" if self.lingers else "no"
            case ["systemctl", "show", *_]:
                return True, self._shown()
        return None

    def _change(self, words: list[str]) -> None:
        match words:
            case ["useradd", *_, name]:
                self.users.add(name)
            case ["usermod", *_]:
                self.members.add("video")
            case ["install", "--directory", *_, folder]:
                (self.root / folder.lstrip("/")).mkdir(parents=True)
            case ["systemctl", "enable", *_]:
                self.enabled = self.active = True
            case ["systemctl", "disable", *_]:
                self.enabled = self.active = False
            case ["loginctl", "enable-linger"]:
                self.lingers = True

    def _shown(self) -> str:
        state = "active" if self.active else "inactive"
        loaded = "loaded" if (self.root / SYSTEM_UNIT.lstrip("/")).exists() else "not-found"
        return (
            f"LoadState={loaded}\nActiveState={state}\nSubState=running\nUnitFileState=enabled\n"
            "Result=success\nExecMainStatus=0\nMainPID=7\nStatusText=listening on http://pi:9000\n"
            "NRestarts=2\nMemoryCurrent=212000000\nActiveEnterTimestamp=today"
        )


@pytest.fixture
def systemd(tmp_path: Path) -> Systemd:
    return Systemd(tmp_path / "root")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def service(systemd: Systemd, said: list[str]) -> Service:
    return Service(said.append, host=systemd.host, is_root=True)


# --- the unit ---------------------------------------------------------------------------------


def test_the_shipped_unit_is_the_rendered_one_for_opt_mlpi() -> None:
    assert render(target()) == (unit.paths.SYSTEMD / unit.NAME).read_text()


def test_interpreter_and_home_are_put_in() -> None:
    python = Path("/srv/50% of $it/bin/python")
    text = render(Target(python, Path("/mnt/my disk/mlpi")))
    assert 'ExecStart="/srv/50%% of $$it/bin/python" -P -m mlpi serve' in text
    assert 'Environment="MLPI_HOME=/mnt/my disk/mlpi"' in text
    assert 'ReadWritePaths="/mnt/my disk/mlpi"' in text
    assert 'RequiresMountsFor="/mnt/my disk/mlpi"' in text


@pytest.mark.parametrize(
    ("python", "home", "line"),
    [
        (PYTHON, unit.SYSTEM_HOME, "ProtectHome=yes"),
        (Path("/home/pi/mlpi/.venv/bin/python"), unit.SYSTEM_HOME, "ProtectHome=read-only"),
        (PYTHON, Path("/home/pi/data"), "ProtectHome=read-only"),
    ],
)
def test_folders_of_people_are_closed_unless_mlpi_lies_in_one(
    python: Path, home: Path, line: str
) -> None:
    assert line in assignments(render(Target(python, home)))


def test_a_users_unit_asks_for_nothing_that_only_the_system_can_do() -> None:
    lines = assignments(render(target(Path("/home/pi/.local/share/mlpi"), is_users=True)))
    keys = {line.partition("=")[0] for line in lines}
    assert not keys & unit.SYSTEM_ONLY
    assert not {key for key in keys if key.startswith(("Protect", "Private", "Capability"))}
    assert {"WatchdogSec", "NoNewPrivileges", "SystemCallFilter", "MemoryMax"} <= keys
    assert "WantedBy=default.target" in lines
    assert "Environment=MLPI_HOME=/home/pi/.local/share/mlpi" in lines


def test_every_key_but_lists_is_set_once() -> None:
    keys = [line.partition("=")[0] for line in assignments(render(target()))]
    twice = {key for key in keys if keys.count(key) > 1}
    assert twice == {"Environment", "SystemCallFilter"}


@needs_systemd
@pytest.mark.parametrize("is_users", [False, True])
def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path, is_users: bool) -> None:
    assert ANALYZE is not None
    file = tmp_path / unit.NAME
    file.write_text(render(Target(Path("/bin/true"), tmp_path / "ho me", is_users)))
    scope = ["--user"] if is_users else []
    done = subprocess.run(
        [ANALYZE, *scope, "--man=no", "--recursive-errors=no", "verify", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("home", [unit.SYSTEM_HOME, Path("/home/pi/mlpi")])
def test_the_exposure_is_small(tmp_path: Path, home: Path) -> None:
    assert ANALYZE is not None
    file = tmp_path / unit.NAME
    file.write_text(render(target(home)))
    command = [ANALYZE, "security", "--offline=true", f"--threshold={MOST_EXPOSURE}", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:]
    assert "Overall exposure level" in done.stdout


# --- install ----------------------------------------------------------------------------------


def test_install_makes_everything_and_says_so(
    service: Service, systemd: Systemd, said: list[str]
) -> None:
    service.install(target())
    assert systemd.users == {"mlpi"}
    assert systemd.members == {"video"}
    assert systemd.active
    assert systemd.changes == [
        "useradd --system",
        "usermod --append",
        "systemctl daemon-reload",
        "systemctl enable",
    ]
    file = systemd.host.path(SYSTEM_UNIT)
    assert file.read_text() == render(target())
    assert file.stat().st_mode & 0o777 == 0o644
    assert any("useradd --system" in line for line in said)
    assert "READY: listening on http://pi:9000." in said
    assert any("journalctl -u mlpi.service" in line for line in said)


def test_installing_again_changes_nothing(
    service: Service, systemd: Systemd, said: list[str]
) -> None:
    service.install(target())
    systemd.changes.clear()
    said.clear()
    service.install(target())
    assert systemd.changes == []
    assert [line for line in said if line.startswith("Already")] == [
        "Already: the user mlpi.",
        f"Already: {SYSTEM_UNIT}.",
        "Already: it runs.",
    ]


def test_another_interpreter_is_written_and_started_anew(
    service: Service, systemd: Systemd
) -> None:
    service.install(target())
    systemd.changes.clear()
    service.install(Target(Path("/opt/newer/bin/python"), unit.SYSTEM_HOME))
    assert systemd.changes == ["systemctl daemon-reload", "systemctl restart"]
    assert "/opt/newer/bin/python" in systemd.host.path(SYSTEM_UNIT).read_text()


def test_a_machine_without_a_video_group_is_fine(service: Service, systemd: Systemd) -> None:
    systemd.groups.clear()
    service.install(target())
    assert "usermod --append" not in systemd.changes


def test_another_home_is_made_for_its_user_or_must_be_theirs(
    service: Service, systemd: Systemd
) -> None:
    home = Path("/mnt/nvme/mlpi")
    service.install(target(home))
    assert systemd.host.path(home).is_dir()
    service.install(target(home))
    assert systemd.changes.count("install --directory") == 1


def test_somebody_elses_home_is_left_alone(
    service: Service, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path("/mnt/nvme/mlpi")
    systemd.host.path(home).mkdir(parents=True)
    monkeypatch.setattr(os, "getuid", lambda: 4321)
    with pytest.raises(CannotRunThere) as caught:
        service.install(target(home))
    assert caught.value.advice == "Run: chown -R mlpi:mlpi /mnt/nvme/mlpi"
    assert not systemd.host.path(SYSTEM_UNIT).exists()


def test_an_environment_in_a_closed_folder_is_refused_before_anything_is_done(
    service: Service, systemd: Systemd
) -> None:
    private = systemd.host.path("/home/pi")
    (private / "venv/bin").mkdir(parents=True)
    private.chmod(0o700)
    with pytest.raises(
        CannotRunThere, match="cannot enter /home/pi, where /home/pi/venv"
    ) as caught:
        service.install(Target(Path("/home/pi/venv/bin/python"), unit.SYSTEM_HOME))
    assert "--user" in caught.value.line()
    assert systemd.changes == []
    private.chmod(0o755)
    service.install(Target(Path("/home/pi/venv/bin/python"), unit.SYSTEM_HOME))


def test_a_service_that_does_not_start_is_one_line_with_where_to_look(
    service: Service, systemd: Systemd
) -> None:
    systemd.fails = "enable"
    with pytest.raises(CommandFailed) as caught:
        service.install(target())
    line = caught.value.line()
    assert "systemctl enable --now mlpi.service failed: Job failed. See the log." in line
    assert line.endswith("Its last words: journalctl -u mlpi.service -n 20")


def test_a_rehearsal_says_all_and_does_nothing(systemd: Systemd, said: list[str]) -> None:
    before = sorted(systemd.root.rglob("*"))
    rehearsal = Service(said.append, host=systemd.host, is_rehearsal=True, is_root=False)
    rehearsal.install(target(Path("/mnt/nvme/mlpi")))
    assert systemd.changes == []
    assert sorted(systemd.root.rglob("*")) == before
    text = "\n".join(said)
    for command in ("useradd", "usermod", "install --directory", "daemon-reload", "enable --now"):
        assert command in text
    assert render(target(Path("/mnt/nvme/mlpi"))) in text


def test_root_and_systemd_are_asked_for_in_one_line(systemd: Systemd, said: list[str]) -> None:
    with pytest.raises(NeedsRoot, match="root's to change") as caught:
        Service(said.append, host=systemd.host, is_root=False).install(target())
    assert caught.value.advice
    assert "sudo " in caught.value.advice
    shutil.rmtree(systemd.host.path("/run/systemd"))
    with pytest.raises(NoSystemd):
        Service(said.append, host=systemd.host, is_root=True).install(target())
    assert systemd.changes == []


# --- a user's own -----------------------------------------------------------------------------


@pytest.fixture
def own(systemd: Systemd, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/home/pi/.config")
    monkeypatch.delenv("SUDO_USER", raising=False)
    return Service(said.append, host=systemd.host, is_users=True, is_root=False)


def test_a_users_service_needs_neither_root_nor_an_account(own: Service, systemd: Systemd) -> None:
    wanted = target(Path("/home/pi/.local/share/mlpi"), is_users=True)
    own.install(wanted)
    file = systemd.host.path("/home/pi/.config/systemd/user/mlpi.service")
    assert file.read_text() == render(wanted)
    assert systemd.changes == [
        "systemctl daemon-reload",
        "systemctl enable",
        "loginctl enable-linger",
    ]
    systemd.changes.clear()
    own.install(wanted)
    assert systemd.changes == []


def test_lingering_refused_is_advice_and_no_failure(
    own: Service, systemd: Systemd, said: list[str]
) -> None:
    systemd.fails = "enable-linger"
    own.install(target(Path("/home/pi/data"), is_users=True))
    assert "That was refused. Run: sudo loginctl enable-linger $USER" in said


def test_a_users_service_through_sudo_is_refused(
    own: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "pi")
    with pytest.raises(NeedsRoot, match="not root's"):
        own.install(target(is_users=True))


# --- uninstall and status ---------------------------------------------------------------------


def test_uninstall_leaves_data_and_user_and_says_where(
    service: Service, systemd: Systemd, said: list[str]
) -> None:
    home = Path("/mnt/my 50% disk/mlpi")
    service.install(target(home))
    (systemd.host.path(home) / "mlpi.db").write_text("data")
    service.uninstall()
    assert not systemd.host.path(SYSTEM_UNIT).exists()
    assert not systemd.active
    assert (systemd.host.path(home) / "mlpi.db").read_text() == "data"
    assert systemd.users == {"mlpi"}
    assert f"The data in {home} stays. To delete it: rm -r '{home}'" in said
    said.clear()
    service.uninstall()
    assert said == [f"Already: there is no {SYSTEM_UNIT}."]


def test_uninstall_rehearsed_removes_nothing(
    service: Service, systemd: Systemd, said: list[str]
) -> None:
    service.install(target())
    Service(said.append, host=systemd.host, is_rehearsal=True, is_root=False).uninstall()
    assert systemd.host.path(SYSTEM_UNIT).exists()
    assert systemd.active


def test_status_explains(service: Service, systemd: Systemd) -> None:
    is_active, lines = service.status()
    assert not is_active
    assert lines == ["mlpi.service is not installed. To install it: mlpi service install"]
    service.install(target())
    is_active, lines = service.status()
    assert is_active
    assert lines == [
        "mlpi.service is active (running) since today; it starts at boot.",
        "READY: listening on http://pi:9000.",
        "Process 7, 212 MB with its workers, restarted 2 times after failures.",
    ]


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ("ActiveState=activating\nSubState=start", "Not READY yet."),
        ("ActiveState=failed\nResult=exit-code\nExecMainStatus=2", "exit-code (code 2)"),
        ("ActiveState=failed\nResult=watchdog\nExecMainStatus=6", "ended with watchdog"),
    ],
)
def test_status_of_a_service_that_is_not_well(tmp_path: Path, shown: str, words: str) -> None:
    def answers(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, f"LoadState=loaded\n{shown}\n", "")

    is_active, lines = Service(print, host=Host(tmp_path, answers)).status()
    assert not is_active
    assert words in lines[-1]
    assert "journalctl -u mlpi.service" in lines[-1]


def test_status_without_systemd_is_one_line(tmp_path: Path) -> None:
    def missing(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 127, "", "systemctl is not there")

    with pytest.raises(NoSystemd, match="systemd does not run here"):
        Service(print, host=Host(tmp_path, missing)).status()


def test_the_command_rehearses_with_this_interpreter(tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    options = ("service", "install", "--user", "--dry-run")
    done = mlpi(*options, home=tmp_path / "home", env=env)
    assert f"ExecStart={sys.executable} -P -m mlpi serve" in done.stdout
    assert f"Writing {tmp_path}/config/systemd/user/mlpi.service:" in done.stdout
    assert "systemctl --user enable --now mlpi.service" in done.stdout
    assert list(tmp_path.iterdir()) == []
