"""A closer look at SQLite files: read only, beside a running service, never through MLflow."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Set
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from mlpi.system.findings import Finding, bad, ok, warn

# On an SD card a large database takes long to read; a check must not seem to hang.
LONGEST_CHECK_S = 30.0
_BUSY_S = 5.0
_STEPS = 10_000  # of SQLite's machine between two looks at the time
_DOWN = re.compile(r"^down_revision\s*(?::[^=]+)?=\s*(.+)$", re.MULTILINE)
_NAME = re.compile(r"[\"']([0-9a-f]+)[\"']")


@dataclass(frozen=True, slots=True)
class Revisions:
    """The schema revisions a program knows, and the one that it brings a database to."""

    known: Set[str]
    newest: str


def examine(
    check: str, path: Path, revisions: Revisions | None, *, is_ours: bool
) -> Iterator[Finding]:
    """Integrity and revision of a file. is_ours: its foreign keys are enforced, so they hold."""
    if not path.exists():
        yield ok(check, f"{path} is not there yet; the first start makes it.")
        return
    try:
        with closing(open_read_only(path)) as connection:
            yield _integrity(check, path, connection, is_ours=is_ours)
            yield _schema(check, path, connection, revisions)
    except sqlite3.OperationalError as error:
        if "malformed" in str(error):
            yield _damaged(check, path, str(error))
        else:
            advice = "Run mlpi doctor as the user that owns it." if "open" in str(error) else ""
            yield warn(check, f"{path} could not be checked ({error}).", advice)
    except sqlite3.DatabaseError as error:
        yield _damaged(check, path, str(error))


def open_read_only(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, not even the files beside the database.

    Without a write-ahead log nobody has it open, and SQLite is told to make none.
    """
    is_open = path.with_name(f"{path.name}-wal").exists()
    how = "mode=ro" if is_open else "mode=ro&immutable=1"
    return sqlite3.connect(f"file:{quote(str(path))}?{how}", uri=True, timeout=_BUSY_S)


def newest_audit_at(path: Path) -> datetime | None:
    """When the newest audit row was written; None when there is none to be read."""
    try:
        with closing(open_read_only(path)) as connection:
            (newest,) = connection.execute("SELECT max(at) FROM audit").fetchone()
    except sqlite3.Error:
        return None  # the check of the database itself says why
    return datetime.fromisoformat(newest).replace(tzinfo=UTC) if newest else None


def mlflow_revisions() -> Revisions | None:
    """What the installed MLflow knows, read from its files: importing it costs seconds."""
    spec = find_spec("mlflow")
    if spec is None or not spec.origin:
        return None
    folder = Path(spec.origin).parent / "store" / "db_migrations" / "versions"
    known, replaced = set(), set()
    for file in folder.glob("[0-9a-f]*_*.py"):
        known.add(file.name.split("_", 1)[0])
        down = _DOWN.search(file.read_text("utf-8"))
        replaced.update(_NAME.findall(down[1]) if down else [])
    heads = known - replaced
    return Revisions(known, heads.pop()) if len(heads) == 1 else None


def _integrity(check: str, path: Path, connection: sqlite3.Connection, *, is_ours: bool) -> Finding:
    deadline = time.monotonic() + LONGEST_CHECK_S
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        # The full check reads every index again: affordable for our own small file.
        pragma = "integrity_check(1)" if is_ours else "quick_check(1)"
        (answer,) = connection.execute(f"PRAGMA {pragma}").fetchone()
        if answer != "ok":
            return _damaged(check, path, str(answer).replace("\n", " "))
        broken = connection.execute("PRAGMA foreign_key_check").fetchmany(100) if is_ours else []
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        return warn(
            check,
            f"{path} is too large to be read in {LONGEST_CHECK_S:.0f} s; so far it is sound.",
            f"""At leisure: python3 -m sqlite3 "{path}" "PRAGMA quick_check".""",
        )
    finally:
        connection.set_progress_handler(None, 0)
    if broken:
        tables = ", ".join(sorted({str(row[0]) for row in broken}))
        return bad(
            check,
            f"{path} has rows in {tables} that point to rows that are gone.",
            "Restore a backup, or ask for help before you go on.",
        )
    return ok(check, f"{path} is sound.")


def _schema(
    check: str, path: Path, connection: sqlite3.Connection, revisions: Revisions | None
) -> Finding:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    if "alembic_version" not in tables:
        if tables:
            return bad(check, f"{path} is not mlpi's: it has no schema revision.", "Move it away.")
        return ok(check, f"{path} is still empty; the next start fills it.")
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    current = str(row[0]) if row else ""
    if revisions is None:
        return warn(check, f"{path} is at revision {current}; what this is cannot be told.")
    if current not in revisions.known:
        return bad(
            check,
            f"{path} is at revision {current or 'none'}, which this version does not know.",
            "Install the newer mlpi again, or restore a backup from before it.",
        )
    if current != revisions.newest:
        return warn(
            check,
            f"{path} is at revision {current}; the next start brings it to {revisions.newest}.",
            "A copy is put beside it first: have as much space free.",
        )
    return ok(check, f"{path} is at revision {current}, the newest.")


def _damaged(check: str, path: Path, reason: str) -> Finding:
    return bad(
        check,
        f"{path} is damaged ({reason}).",
        "Stop mlpi, move the file away, with its -wal and -shm, and restore a backup, "
        "or the copy beside it.",
    )
