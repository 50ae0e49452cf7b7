"""What may be done with runs; knows no HTTP. Its calls block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from mlpi.auth.audit import Actor, Audit
from mlpi.boards import store
from mlpi.boards.library import Library, Run
from mlpi.boards.models import BoardRun
from mlpi.clock import Clock
from mlpi.component import Hit
from mlpi.db import Database, Session
from mlpi.errors import Conflict

MOST_HITS = 5


@dataclass(frozen=True, slots=True)
class Shown:
    """A run and what mlpi knows about it."""

    run: Run
    archived_at: datetime | None
    mlflow_run_id: str | None

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def is_archived(self) -> bool:
        return self.archived_at is not None


@dataclass(frozen=True, slots=True)
class Totals:
    """A workspace's boards in figures. pending: runs that are not read to their end yet."""

    runs: int
    archived: int
    tags: int
    size_bytes: int
    pending: int
    changed_at: float | None


class BoardsService:
    """Lists runs and changes them: archive, rename, remove, tie to an MLflow run."""

    def __init__(self, library: Library, db: Database, audit: Audit, clock: Clock) -> None:
        self.library = library
        self._db, self._audit, self._clock = db, audit, clock

    def listed(self, workspace: str, *, is_archived: bool | None = False) -> list[Shown]:
        """A workspace's runs by name. is_archived: None for all."""
        with self._db.read() as session:
            notes = store.notes(session, workspace)
        every = [_shown(run, notes.get(run.name)) for run in self.library.runs(workspace)]
        return [one for one in every if is_archived is None or one.is_archived is is_archived]

    def shown(self, workspace: str, name: str) -> Shown:
        """Raises NotFound."""
        run = self.library.run(workspace, name)
        with self._db.read() as session:
            return _shown(run, store.note(session, workspace, name))

    def totals(self, workspace: str) -> Totals:
        every = self.listed(workspace, is_archived=None)
        shown = [one for one in every if not one.is_archived]
        tags: set[str] = set()
        for one in shown:
            tags.update(list(one.run.reader.held.series), list(one.run.reader.held.entries))
        return Totals(
            runs=len(shown),
            archived=len(every) - len(shown),
            tags=len(tags),
            size_bytes=sum(one.run.size_bytes for one in every),
            pending=self.library.pending(workspace),
            changed_at=max((one.run.changed_at for one in every), default=None),
        )

    def search(self, workspace: str, words: str) -> Sequence[Hit]:
        """Runs whose name holds every word."""
        asked = words.lower().split()
        found = [
            one
            for one in self.listed(workspace)
            if asked and all(word in one.name.lower() for word in asked)
        ]
        return [Hit(one.name, page_of(one.name), "board run") for one in found[:MOST_HITS]]

    def archive(self, workspace: str, name: str, *, is_archived: bool, actor: Actor) -> None:
        """Take a run out of the lists, or back into them. Raises NotFound."""
        self.library.run(workspace, name)
        deed = "board_run_archived" if is_archived else "board_run_unarchived"
        with self._db.write() as session:
            kept = store.put(session, workspace, name)
            kept.archived_at = self._clock() if is_archived else None
            store.tidy(session, kept)
            self._record(session, actor, deed, workspace, name)

    def rename(self, workspace: str, name: str, new_name: str, *, actor: Actor) -> None:
        """Move its folder; a writer that has a file open goes on in it.

        Raises NotFound, Conflict, Invalid.
        """
        if new_name == name:
            return
        try:
            self.library.rename(workspace, name, new_name)
        except OSError as error:
            raise Conflict(f"The folder cannot be moved: {error.strerror or error}.") from None
        with self._db.write() as session:
            store.rename(session, workspace, name, new_name)
            self._record(session, actor, "board_run_renamed", workspace, f"{name} → {new_name}")

    def remove(self, workspace: str, name: str, *, actor: Actor) -> None:
        """Remove its event files for good. Raises NotFound, Conflict."""
        try:
            self.library.remove(workspace, name)
        except OSError as error:
            raise Conflict(f"Its files cannot be removed: {error.strerror or error}.") from None
        with self._db.write() as session:
            store.forget(session, workspace, name)
            self._record(session, actor, "board_run_removed", workspace, name)

    def tie(self, workspace: str, name: str, mlflow_run_id: str | None) -> None:
        """Say which MLflow run a run belongs to; None: to none. Raises NotFound."""
        self.library.run(workspace, name)
        with self._db.write() as session:
            kept = store.put(session, workspace, name)
            kept.mlflow_run_id = mlflow_run_id
            store.tidy(session, kept)

    def _record(
        self, session: Session, actor: Actor, deed: str, workspace: str, target: str
    ) -> None:
        self._audit.record(session, actor, deed, target, workspace)


def page_of(name: str) -> str:
    """A run's own page; names hold slashes, so it is no part of the path."""
    return f"/boards/run?{urlencode({'run': name})}"


def _shown(run: Run, note: BoardRun | None) -> Shown:
    if note is None:
        return Shown(run, None, None)
    return Shown(run, note.archived_at, note.mlflow_run_id)
