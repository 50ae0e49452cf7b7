"""mlpi doctor: what could keep mlpi from working here, and what to do about it.

It changes nothing and makes nothing, works beside a running service and without one, and goes
on after a check that fails.
"""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

from mlpi import settings
from mlpi.clock import Clock, utcnow
from mlpi.db import known_revisions
from mlpi.errors import SettingsInvalid
from mlpi.house import home_problem
from mlpi.lock import running_service
from mlpi.settings import Settings
from mlpi.system import databases, ports
from mlpi.system.databases import Revisions
from mlpi.system.disks import Disk, DiskKind, disk_of
from mlpi.system.findings import Finding, bad, ok, warn
from mlpi.system.host import Host, program
from mlpi.system.limits import reachable_file_limit
from mlpi.web.filters import size

Check = Callable[[Settings, Host], Iterator[Finding]]

# Reached into by mlpi, therefore named one by one.
EMBEDDED = ("mlflow", "chromadb", "tensorboard", "great_expectations")
TOO_FULL_BYTES = 200_000_000
NEARLY_FULL_BYTES = 2_000_000_000
SMALL_MEMORY_BYTES = 2_000_000_000
LITTLE_AVAILABLE_BYTES = 300_000_000
FEW_FILES = 4096
MOST_FOLDERS = 200_000  # that are looked through
SPARE_WATCHES = 1000  # an editor, a desktop
# Two clocks of one machine differ by less; a row may be written while we look.
CLOCK_SLACK = timedelta(seconds=2)
WEARS_OUT = "Each write wears it out: put the home on an NVMe or SSD with --home or MLPI_HOME."
_DISK_ADVICE = {
    DiskKind.SD_CARD: WEARS_OUT,
    DiskKind.EMMC: WEARS_OUT,
    DiskKind.USB_STICK: WEARS_OUT,
    DiskKind.NETWORK: "SQLite's locks are not safe there: put the home on a disk of this machine.",
    DiskKind.MEMORY: "A restart of the machine empties it: put the home on a disk.",
    DiskKind.OVERLAY: "It goes away with the container: mount a volume there.",
}


def examine(home: Path | None, host: Host | None = None) -> Iterator[Finding]:
    """All checks, one after the other, each Finding as soon as it is known."""
    host = host or Host()
    chosen, finding = _settings(home)
    yield finding
    for name, check in CHECKS.items():
        try:
            yield from check(chosen, host)
        except Exception as error:  # a strange machine is what the doctor is for
            yield warn(name, f"Could not be checked ({type(error).__name__}: {error}).")


def _settings(home: Path | None) -> tuple[Settings, Finding]:
    """The settings, or the defaults when they are broken: the other checks are still of use."""
    where = settings.chosen_home(home)
    file = where / settings.FILE_NAME
    try:
        chosen = settings.load(home=home)
    except SettingsInvalid as error:
        advice = f"{error.advice or ''} Until then the checks below take the defaults.".strip()
        return Settings.model_construct(home=where), bad("settings", error.message, advice)
    source = f"{file} is understood." if file.exists() else f"Defaults; there is no {file}."
    return chosen, ok("settings", source)


def _python(_: Settings, __: Host) -> Iterator[Finding]:
    name = f"Python {platform.python_version()} on {platform.machine()}"
    try:
        wanted = metadata.metadata("mlpi")["Requires-Python"]
    except metadata.PackageNotFoundError:
        yield warn("python", f"{name}; mlpi is not installed.", "Run: python -m pip install .")
        return
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415

    if not SpecifierSet(wanted).contains(platform.python_version(), prereleases=True):
        yield bad("python", f"{name}; mlpi needs {wanted}.", "Make its environment with that one.")
    elif sys.maxsize < 2**32:
        yield bad("python", f"{name}, 32-bit.", "Install the 64-bit operating system.")
    else:
        yield ok("python", f"{name}.")


def _packages(_: Settings, __: Host) -> Iterator[Finding]:
    """Installed versions against mlpi's own pins; nothing is imported for that."""
    from packaging.requirements import Requirement  # noqa: PLC0415

    fine: dict[str, str] = {}
    for line in metadata.requires("mlpi") or []:
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            found = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            found = ""
        if wanted.specifier.contains(found or "0", prereleases=True) and found:
            fine[wanted.name.replace("-", "_")] = found
            continue
        state = f"is {found}, not {wanted.specifier}" if found else "is missing"
        command = f"{sys.executable} -m pip install '{wanted.name}{wanted.specifier}'"
        yield bad("packages", f"{wanted.name} {state}.", f"Run: {command}")
    named = ", ".join(f"{name} {fine[name]}" for name in EMBEDDED if name in fine)
    others = sum(name not in EMBEDDED for name in fine)
    yield ok("packages", f"{named or 'None of the tools'} and {others} others are as pinned.")


def _home(chosen: Settings, _: Host) -> Iterator[Finding]:
    home, above = chosen.home, _existing(chosen.home)
    if above != home:
        if os.access(above, os.W_OK | os.X_OK) and above.is_dir():
            yield ok("home", f"{home} is not there yet; the first start makes it in {above}.")
        else:
            yield bad(
                "home",
                f"{home} is not there and cannot be made in {above}.",
                "Choose another with --home or MLPI_HOME.",
            )
        return
    try:
        with tempfile.TemporaryFile(dir=home) as probe:  # has no name: nothing stays behind
            probe.write(b"\0" * 4096)
            probe.flush()
    except PermissionError:
        owner = _owner(home)
        yield bad(
            "home",
            f"{home} belongs to {owner}; you cannot write to it.",
            f"Ask as that user: sudo -u {owner} {program()} doctor --home {home}",
        )
        return
    except OSError as error:
        problem = home_problem(home, error)
        yield bad("home", problem.message, problem.advice or "")
        return
    if home.stat().st_mode & 0o007:
        yield warn("home", f"{home} is open to every user here.", f"Run: chmod o= {home}")
    else:
        yield ok("home", f"{home} can be written to and belongs to {_owner(home)}.")


def _disk(chosen: Settings, host: Host) -> Iterator[Finding]:
    place = _existing(chosen.home).resolve()
    disk = disk_of(place, host.read("/proc/self/mountinfo") or "", host.path("/sys"))
    if disk is None:
        yield warn("disk", f"What {place} lies on cannot be told.")
    elif disk.mount.is_read_only:
        yield bad("disk", f"{_described(disk)} is mounted read-only.", "See dmesg for the reason.")
    elif disk.kind in _DISK_ADVICE:
        yield warn("disk", f"{_described(disk)}.", _DISK_ADVICE[disk.kind])
    else:
        yield ok("disk", f"{_described(disk)}.")


def _space(chosen: Settings, _: Host) -> Iterator[Finding]:
    usage = shutil.disk_usage(_existing(chosen.home))
    text = f"{size(usage.free)} of {size(usage.total)} are free."
    if usage.free < TOO_FULL_BYTES:
        yield bad("space", text, "Free some: mlpi writes a copy before it upgrades a database.")
    elif usage.free < NEARLY_FULL_BYTES:
        yield warn("space", text, "Models and artifacts will soon fill it.")
    else:
        yield ok("space", text)


def _port(chosen: Settings, _: Host) -> Iterator[Finding]:
    running = running_service(chosen.home)
    yield ports.judge_port(chosen, ports.listeners_on(chosen.port), running)


def _firewall(chosen: Settings, host: Host) -> Iterator[Finding]:
    yield ports.judge_firewall(chosen, host)


def _clock(chosen: Settings, host: Host, now: Clock = utcnow) -> Iterator[Finding]:
    moment = now()
    path = _sqlite_file(chosen.database)
    newest = databases.newest_audit_at(path) if path and path.exists() else None
    built = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    advice = "Set it (timedatectl set-ntp true, or date -s): sessions and schedules go by it."
    if newest is not None and moment < newest - CLOCK_SLACK:
        text = f"{moment:%Y-%m-%d %H:%M} UTC is earlier than the newest audit entry"
        yield bad("clock", f"{text} ({newest:%Y-%m-%d %H:%M}).", advice)
    elif moment < built - timedelta(days=1):  # an archive's time zone may be another
        yield bad("clock", f"{moment:%Y-%m-%d} UTC is earlier than this program's files.", advice)
    else:
        yield _synchronised(host, moment)


def _synchronised(host: Host, moment: datetime) -> Finding:
    text = f"{moment:%Y-%m-%d %H:%M} UTC"
    answer = host.ask("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if answer == "yes" or host.path("/run/systemd/timesync/synchronized").exists():
        return ok("clock", f"{text}, synchronised.")
    if answer == "no":
        advice = "If this machine has internet: sudo timedatectl set-ntp true"
        return warn("clock", f"{text}, not synchronised with a time server.", advice)
    return ok("clock", f"{text}; whether it is synchronised cannot be told here.")


def _databases(chosen: Settings, _: Host) -> Iterator[Finding]:
    known = known_revisions()
    ours = Revisions(set(known), known[-1])
    yield from _database("database", chosen.database, ours, is_ours=True)
    mlflow = databases.mlflow_revisions()
    yield from _database("mlflow", chosen.mlflow_database, mlflow, is_ours=False)


def _database(
    check: str, url: str, revisions: Revisions | None, *, is_ours: bool
) -> Iterator[Finding]:
    path = _sqlite_file(url)
    if path is not None:
        yield from databases.examine(check, path, revisions, is_ours=is_ours)
        return
    from sqlalchemy import create_engine, make_url, text  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    place = make_url(url).render_as_string(hide_password=True)
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            current = connection.scalar(text("SELECT version_num FROM alembic_version"))
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().split("\n")[0]
        yield bad(check, f"{place} does not answer ({reason}).", "Check its address and password.")
        return
    finally:
        engine.dispose()
    if revisions is not None and current not in revisions.known:
        yield bad(check, f"{place} is at revision {current}.", "Install the newer mlpi again.")
    else:
        yield ok(check, f"{place} answers and is at revision {current}.")


def _memory(_: Settings, host: Host) -> Iterator[Finding]:
    import psutil  # noqa: PLC0415

    memory = psutil.virtual_memory()
    text = f"{size(memory.available)} of {size(memory.total)} are available."
    if memory.total < SMALL_MEMORY_BYTES:
        yield warn("memory", text, "mlpi needs 0.3 GB, jobs and models as much each and more.")
    elif memory.available < LITTLE_AVAILABLE_BYTES:
        yield warn("memory", text, "Close something, or jobs will be ended for want of memory.")
    else:
        yield ok("memory", text)
    controllers = host.read("/sys/fs/cgroup/cgroup.controllers")
    if controllers is not None and "memory" not in controllers.split():
        yield warn(
            "memory",
            "The kernel does not enforce a service's memory limit.",
            "On a Raspberry Pi: append cgroup_enable=memory to the line in "
            "/boot/firmware/cmdline.txt and restart.",
        )


def _boards(chosen: Settings, host: Host) -> Iterator[Finding]:
    """Whether TensorBoard's logs can be read, and their folders be watched."""
    logs = chosen.home / "tensorboard"
    if not logs.is_dir():
        yield ok("boards", f"{logs} is not there yet; the first start makes it.")
        return
    closed: list[str] = []
    folders = 0
    for place, inside, _ in os.walk(logs, onerror=lambda error: closed.append(error.filename)):
        folders += 1
        inside[:] = inside if folders < MOST_FOLDERS else []
        if not os.access(place, os.X_OK):
            closed.append(place)
    if closed:
        more = f" and {len(closed) - 1} more" if len(closed) > 1 else ""
        yield bad(
            "boards",
            f"{closed[0]}{more} cannot be read; its runs are not shown.",
            f"Give it to mlpi's user: chown -R {_owner(chosen.home)} {logs}",
        )
    limit = (host.read("/proc/sys/fs/inotify/max_user_watches") or "").strip()
    if limit.isdecimal() and folders + SPARE_WATCHES > int(limit):
        yield warn(
            "boards",
            f"{logs} holds {folders:,} folders; the kernel lets a user watch {int(limit):,}.",
            f"New points show after seconds instead of at once. Run: sudo sysctl "
            f"fs.inotify.max_user_watches={max(65536, 4 * folders)}",
        )
    elif not closed:
        yield ok("boards", f"{folders:,} folders of logs can be read and watched.")


def _files(chosen: Settings, host: Host) -> Iterator[Finding]:
    running = running_service(chosen.home)
    limits = host.read(f"/proc/{running.pid}/limits") if running else None
    if limits is not None:
        limit = _open_files(limits)
    else:
        limit = reachable_file_limit(*resource.getrlimit(resource.RLIMIT_NOFILE))
    text = f"mlpi may have {'any number of' if limit < 0 else limit} files open."
    if 0 <= limit < FEW_FILES:
        yield warn("files", text, f"Raise it: ulimit -Hn {FEW_FILES}, or LimitNOFILE= in its unit.")
    else:
        yield ok("files", text)


def _open_files(limits: str) -> int:
    """The soft limit in /proc/PID/limits; -1 for unlimited."""
    (line,) = (line for line in limits.splitlines() if line.startswith("Max open files"))
    soft = line.removeprefix("Max open files").split()[0]
    return int(soft) if soft.isdecimal() else -1


def _existing(path: Path) -> Path:
    """The path itself, or the nearest above it that exists."""
    return next((one for one in (path, *path.parents) if os.path.lexists(one)), Path("/"))


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:
        return f"user {path.stat().st_uid}"


def _described(disk: Disk) -> str:
    name = f" {disk.name}" if disk.name else ""
    return f"{disk.mount.point} is on {disk.kind}{name} ({disk.mount.fs_type})"


def _sqlite_file(url: str) -> Path | None:
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


CHECKS: dict[str, Check] = {
    "python": _python,
    "packages": _packages,
    "home": _home,
    "disk": _disk,
    "space": _space,
    "database": _databases,
    "clock": _clock,
    "port": _port,
    "firewall": _firewall,
    "memory": _memory,
    "boards": _boards,
    "files": _files,
}
