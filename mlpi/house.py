"""What all components share: settings, database, identity, accounts."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from mlpi.auth.audit import Audit
from mlpi.auth.identity import Identity
from mlpi.auth.sessions import Sessions
from mlpi.auth.tokens import Tokens
from mlpi.auth.users import Users
from mlpi.auth.workspaces import Workspaces
from mlpi.clock import Clock, utcnow
from mlpi.db import Database
from mlpi.errors import HomeUnusable, StartupError
from mlpi.settings import Settings


@dataclass(frozen=True, slots=True)
class House:
    """The services every room may use, built once per process."""

    settings: Settings
    clock: Clock
    db: Database
    audit: Audit
    users: Users
    workspaces: Workspaces
    tokens: Tokens
    sessions: Sessions
    identity: Identity

    @classmethod
    def build(cls, settings: Settings, clock: Clock = utcnow) -> House:
        """The house on the settings' database. Nothing is opened or migrated yet."""
        db = Database(settings.database)
        audit = Audit(db, clock)
        lifetime = timedelta(days=settings.session_days)
        return cls(
            settings=settings,
            clock=clock,
            db=db,
            audit=audit,
            users=Users(db, audit, clock),
            workspaces=Workspaces(
                db,
                audit,
                clock,
                lambda name: rows_left(db, name) or logs_left(settings.home / "tensorboard", name),
            ),
            tokens=Tokens(db, audit, clock),
            sessions=Sessions(db, audit, clock, lifetime=lifetime),
            identity=Identity(db, clock, session_lifetime=lifetime),
        )

    def open(self) -> None:
        """Make the home usable, migrate, and see to what must always exist.

        Raises StartupError and its kinds.
        """
        prepare_home(self.settings)
        self.db.migrate()
        with self.db.explaining():
            self.workspaces.ensure_default()

    def close(self) -> None:
        self.db.close()


# What people made in a workspace, by table, and one of it in words.
HELD = {
    "label_projects": "labeling project",
    "datasets": "dataset",
    "suites": "expectation suite",
    "checkpoints": "checkpoint",
    "schedules": "schedule",
}


def rows_left(db: Database, workspace: str) -> str:
    """What of mlpi's own database is left in a workspace, in words."""
    with db.read() as session:
        counts = {
            word: session.scalar(
                text(f"SELECT count(*) FROM {name} WHERE workspace = :one"),  # noqa: S608 - own names
                {"one": workspace},
            )
            for name, word in HELD.items()
        }
    return ", ".join(
        f"{count:,} {word}{'s' if count != 1 else ''}" for word, count in counts.items() if count
    )


def logs_left(logs: Path, workspace: str) -> str:
    """TensorBoard logs, or other files, in a workspace's folder, in words; empty folders go."""
    count = 0
    for place, folders, files in os.walk(logs / workspace, topdown=False):
        links = [one for one in folders if Path(place, one).is_symlink()]
        count += len(files) + len(links)
        with suppress(OSError):  # holds something
            Path(place).rmdir()
    return f"{count:,} file{'s' if count != 1 else ''} in tensorboard/{workspace}" if count else ""


def prepare_home(settings: Settings) -> None:
    """Create the home folder, private to its owner, and see that it can be written to.

    Raises HomeUnusable, and StartupError when the disk is full.
    """
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Without a name: two commands that start at once do not meet, and nothing is left behind.
        with tempfile.TemporaryFile(dir=settings.home) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
    except OSError as error:
        raise home_problem(settings.home, error) from None


def home_problem(home: Path, error: OSError) -> StartupError:
    """What a person should know about a home that cannot be written to, and do about it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StartupError(
            f"The disk of {home} is full.", advice="Free some space and start again."
        )
    return HomeUnusable(
        f"The home folder {home} cannot be written to ({error.strerror or error}).",
        advice="Choose another with --home or MLPI_HOME, or change its owner.",
    )
