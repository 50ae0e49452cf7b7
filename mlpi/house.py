"""What all components share: settings, database, identity, accounts."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from datetime import timedelta

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
            workspaces=Workspaces(db, audit, clock),
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
        self.workspaces.ensure_default()

    def close(self) -> None:
        self.db.close()


def prepare_home(settings: Settings) -> None:
    """Create the home folder, private to its owner, and see that it can be written to.

    Raises HomeUnusable, and StartupError when the disk is full.
    """
    home = settings.home
    probe = home / ".writable"
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with probe.open("wb") as file:
            file.write(b"\0" * 4096)
            file.flush()
        probe.unlink()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StartupError(
                f"The disk of {home} is full.", advice="Free some space and start again."
            ) from None
        reason = error.strerror or str(error)
        raise HomeUnusable(
            f"The home folder {home} cannot be written to ({reason}).",
            advice="Choose another with --home or MLPI_HOME, or change its owner.",
        ) from None
