"""mlpi as a systemd service: its unit for this interpreter and home, installed and explained."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mlpi import paths
from mlpi.errors import MlpiError
from mlpi.system.host import CommandFailed, Host, program

NAME = "mlpi.service"
USER = "mlpi"
SYSTEM_HOME = Path("/var/lib/mlpi")
# Closed to the service by ProtectHome=yes.
PEOPLES_FOLDERS = tuple(Path(one) for one in ("/home", "/root", "/run/user"))
# What a user's own systemd cannot do, or has no use for: another user, namespaces, devices, and
# targets that exist in the system's manager alone.
SYSTEM_ONLY = frozenset(
    {"User", "Group", "StateDirectory", "StateDirectoryMode", "Wants", "After"}
    | {"ProtectSystem", "ProtectHome", "ProtectProc", "ProtectClock", "ProtectControlGroups"}
    | {"ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables"}
    | {"PrivateTmp", "PrivateUsers", "DevicePolicy", "DeviceAllow", "RemoveIPC"}
    | {"CapabilityBoundingSet", "AmbientCapabilities"}
)

Say = Callable[[str], None]


class NeedsRoot(MlpiError):
    """A system service is root's to change."""


class NoSystemd(MlpiError):
    """systemd does not run here."""


class CannotRunThere(MlpiError):
    """The service's user could not run this mlpi."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the unit runs, on what, and for whom."""

    python: Path
    home: Path
    is_users: bool = False
    # Whatever else its user must be able to read: the environment, the code of a checkout.
    code: tuple[Path, ...] = ()

    @classmethod
    def of_this_process(cls, home: Path, *, is_users: bool) -> Target:
        python = Path(sys.executable)
        code = (python.resolve(), Path(sys.prefix), Path(sys.base_prefix), Path(paths.__file__))
        return cls(python, home, is_users, code)


def render(target: Target, template: str | None = None) -> str:
    """The unit's text: the shipped file with the target's own interpreter and home in it."""
    lines: list[str] = []
    comment: list[str] = []  # goes with the line below it
    for line in (template or (paths.SYSTEMD / NAME).read_text("utf-8")).splitlines():
        if line.startswith("#"):
            comment.append(line)
            continue
        if not (target.is_users and line.partition("=")[0] in SYSTEM_ONLY):
            lines += [*comment, *_fitted(line, target)]
        comment = []
    return "\n".join(lines) + "\n"


def _fitted(line: str, target: Target) -> Iterator[str]:
    home = _quoted(target.home)
    if line.startswith("ExecStart="):
        yield f"ExecStart={_quoted(target.python).replace('$', '$$')} -P -m mlpi serve"
    elif line.startswith("Environment=MLPI_HOME="):
        yield f"Environment={_quoted(f'MLPI_HOME={target.home}')}"
        if not target.is_users and target.home != SYSTEM_HOME:
            yield f"ReadWritePaths={home}"
    elif line == "[Unit]":
        yield line
        if target.home != SYSTEM_HOME:
            yield f"RequiresMountsFor={home}"
    elif line == "ProtectHome=yes" and _is_among_people(target):
        yield "ProtectHome=read-only"
    elif target.is_users and line.startswith("WantedBy="):
        yield "WantedBy=default.target"
    else:
        yield line


def _is_among_people(target: Target) -> bool:
    needed = (target.python, target.home, *target.code)
    return any(path.is_relative_to(folder) for path in needed for folder in PEOPLES_FOLDERS)


def _quoted(value: Path | str) -> str:
    """systemd.syntax(7): specifiers doubled, C-style quotes where they are needed."""
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"' if any(letter in text for letter in " \\'\"") else text


class Service:
    """Installs, removes and explains the unit. Says each thing it does; repeating it is safe."""

    def __init__(
        self,
        say: Say,
        *,
        host: Host | None = None,
        is_users: bool = False,
        is_rehearsal: bool = False,
        is_root: bool | None = None,
    ) -> None:
        """is_rehearsal: say what would be done and touch nothing."""
        self._say = say
        self._host = host or Host()
        self._is_users = is_users
        self._is_rehearsal = is_rehearsal
        self._is_root = os.geteuid() == 0 if is_root is None else is_root
        self._systemctl = ("systemctl", "--user") if is_users else ("systemctl",)
        folder = _users_units() if is_users else Path("/etc/systemd/system")
        self.file = folder / NAME

    def install(self, target: Target) -> None:
        """Raises NeedsRoot, NoSystemd, CannotRunThere, CommandFailed."""
        self._may_change("install")
        if not self._is_users:
            self._refuse_closed_folders(target)
            self._ensure_user()
            self._ensure_home(target.home)
        is_new = self._write(render(target))
        self._ensure_running(is_new=is_new)
        if self._is_users:
            self._ensure_linger()
        if not self._is_rehearsal:
            self._farewell(target)

    def uninstall(self) -> None:
        """Stop and remove the unit; data and user stay. Raises NeedsRoot, CommandFailed."""
        self._may_change("uninstall")
        file = self._host.path(self.file)
        if not file.exists():
            self._say(f"Already: there is no {self.file}.")
            return
        home = _home_in(file.read_text())
        self._do("Stopping and disabling the service", *self._systemctl, "disable", "--now", NAME)
        self._say(f"Removing {self.file}.")
        if not self._is_rehearsal:
            file.unlink()
        self._do("Telling systemd", *self._systemctl, "daemon-reload")
        self._say(f"The data in {home} stays. To delete it: rm -r {shlex.quote(home)}")
        if not self._is_users:
            self._say(f"The user {USER} stays. To delete it: userdel {USER}")

    def status(self) -> tuple[bool, list[str]]:
        """Whether it runs, and how it is, in lines. Raises NoSystemd."""
        names = "LoadState,ActiveState,SubState,UnitFileState,Result,ExecMainStatus,MainPID"
        names += ",StatusText,NRestarts,MemoryCurrent,ActiveEnterTimestamp,Environment"
        answer = self._host.ask(*self._systemctl, "show", NAME, f"--property={names}")
        if answer is None:
            raise NoSystemd(advice="Start it yourself with: mlpi serve")
        shown = dict(line.partition("=")[::2] for line in answer.splitlines())
        return shown.get("ActiveState") == "active", list(_explained(shown, self._log_command()))

    def _may_change(self, verb: str) -> None:
        if self._is_rehearsal:
            self._say("A rehearsal: this is what would be done; nothing is changed.")
            return
        if not self._is_users and not self._is_root:
            advice = f"Run: sudo {program()} service {verb} (or add --user for one of your own)"
            raise NeedsRoot(advice=advice)
        if self._is_users and "SUDO_USER" in os.environ:
            raise NeedsRoot("A user's own service is not root's.", advice="Run it without sudo.")
        if not self._host.path("/run/systemd/system").is_dir():
            raise NoSystemd(advice="In a container, let its own supervisor run: mlpi serve")

    def _refuse_closed_folders(self, target: Target) -> None:
        for path in (target.python, *target.code, target.home):
            closed = self._closed_folder(path)
            if closed is not None:
                raise CannotRunThere(
                    f"The user {USER} cannot enter {closed}, where {path} is.",
                    advice="Install mlpi into an environment such as /opt/mlpi, or add --user.",
                )

    def _closed_folder(self, path: Path) -> Path | None:
        """The outermost folder above a path that others than its owner may not enter."""
        for folder in reversed(path.parents):
            try:
                mode = self._host.path(folder).stat().st_mode
            except OSError:
                return None
            if not mode & stat.S_IXOTH:
                return folder
        return None

    def _ensure_user(self) -> None:
        if self._host.ask("getent", "passwd", USER) is not None:
            self._say(f"Already: the user {USER}.")
        else:
            options = ("--system", "--user-group", "--no-create-home", "--shell")
            places = ("/usr/sbin/nologin", "--home-dir", str(SYSTEM_HOME))
            self._do(f"Creating the user {USER}", "useradd", *options, *places, USER)
        groups = (self._host.ask("id", "--name", "--groups", USER) or "").split()
        if "video" not in groups and self._host.ask("getent", "group", "video") is not None:
            # The Pi's firmware answers about power and heat through /dev/vcio.
            self._do(
                f"Letting {USER} ask for the Pi's temperature and power",
                *("usermod", "--append", "--groups", "video", USER),
            )

    def _ensure_home(self, home: Path) -> None:
        """systemd itself makes /var/lib/mlpi; any other home must be the service's user's."""
        if home == SYSTEM_HOME:
            return
        folder = self._host.path(home)
        if not folder.exists():
            self._do(
                f"Making the home {home}",
                *("install", "--directory", "--mode=0700", f"--owner={USER}", f"--group={USER}"),
                str(home),
            )
            return
        owner = self._host.ask("id", "--user", USER)
        if owner != str(folder.stat().st_uid):
            raise CannotRunThere(
                f"{home} does not belong to the user {USER}.",
                advice=f"Run: chown -R {USER}:{USER} {shlex.quote(str(home))}",
            )
        self._say(f"Already: the home {home}.")

    def _write(self, text: str) -> bool:
        """Whether the unit was new or another."""
        file = self._host.path(self.file)
        if file.exists() and file.read_text() == text:
            self._say(f"Already: {self.file}.")
            return False
        self._say(f"Writing {self.file}{':' if self._is_rehearsal else '.'}")
        if self._is_rehearsal:
            self._say(text)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o644)
        self._do("Telling systemd", *self._systemctl, "daemon-reload")
        return True

    def _ensure_running(self, *, is_new: bool) -> None:
        is_enabled = self._host.ask(*self._systemctl, "is-enabled", NAME) == "enabled"
        is_active = self._host.ask(*self._systemctl, "is-active", NAME) == "active"
        try:
            if not (is_enabled and is_active):
                self._do(
                    "Starting it, now and with the machine",
                    *(*self._systemctl, "enable", "--now", NAME),
                )
            if is_active and is_new:
                self._do("Starting it anew", *self._systemctl, "restart", NAME)
            elif is_active and is_enabled:
                self._say("Already: it runs.")
        except CommandFailed as error:
            error.advice = f"Its last words: {self._log_command()} -n 20"
            raise

    def _ensure_linger(self) -> None:
        """Without it a user's services end with the last log-out and do not start at boot."""
        asked = ("loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value")
        if self._host.ask(*asked) == "yes":
            self._say("Already: it starts with the machine.")
            return
        try:
            self._do("Letting it start with the machine", "loginctl", "enable-linger")
        except CommandFailed:
            self._say("That was refused. Run: sudo loginctl enable-linger $USER")

    def _farewell(self, target: Target) -> None:
        _, lines = self.status()
        for line in lines:
            self._say(line)
        self._say(f"Its log, with the set-up link of a first start: {self._log_command()} -e")
        if not self._is_users:
            home = shlex.quote(str(target.home))
            command = f"sudo -u {USER} {program()} user list --home {home}"
            self._say(f"Commands work on its home as its user: {command}")

    def _log_command(self) -> str:
        return f"journalctl --user -u {NAME}" if self._is_users else f"journalctl -u {NAME}"

    def _do(self, what: str, *command: str) -> None:
        self._say(f"{what}: {shlex.join(command)}")
        if not self._is_rehearsal:
            self._host.do(*command)


def _users_units() -> Path:
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "systemd" / "user"


def _home_in(unit: str) -> str:
    """The home that an installed unit names."""
    for line in unit.splitlines():
        if "MLPI_HOME=" in line:
            value = line.split("MLPI_HOME=", 1)[1].removesuffix('"')
            return value.replace('\\"', '"').replace("\\\\", "\\").replace("%%", "%")
    return str(SYSTEM_HOME)


def _explained(shown: dict[str, str], log_command: str) -> Iterable[str]:
    """systemd's properties as sentences."""
    if shown.get("LoadState") != "loaded":
        yield f"{NAME} is not installed. To install it: mlpi service install"
        return
    state, since = shown.get("ActiveState", "unknown"), shown.get("ActiveEnterTimestamp", "")
    starts = "starts" if shown.get("UnitFileState") == "enabled" else "does not start"
    detail = f" since {since}" if state == "active" and since else ""
    yield f"{NAME} is {state} ({shown.get('SubState', '?')}){detail}; it {starts} at boot."
    status = shown.get("StatusText", "")
    if state == "active":
        yield f"READY: {status or 'it said so'}."
        yield f"Process {shown.get('MainPID')}{_memory(shown)}{_restarts(shown)}."
    elif state in ("activating", "reloading"):
        yield f"Not READY yet. What it does: {log_command} -f"
    elif shown.get("Result") not in ("success", None, ""):
        code = shown.get("ExecMainStatus", "?")
        yield f"It ended with {shown['Result']} (code {code}). Its last words: {log_command} -n 20"


def _memory(shown: dict[str, str]) -> str:
    amount = shown.get("MemoryCurrent", "")
    return f", {int(amount) / 1e6:.0f} MB with its workers" if amount.isdecimal() else ""


def _restarts(shown: dict[str, str]) -> str:
    count = shown.get("NRestarts", "0")
    if count in ("0", ""):
        return ""
    return f", restarted {count} time{'s' if count != '1' else ''} after failures"
