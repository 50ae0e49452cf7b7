"""What may be done with runs; knows no HTTP. Its calls block."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from mlpi.auth.audit import Actor, Audit
from mlpi.boards import store
from mlpi.boards.folders import ROOT_RUN, is_below
from mlpi.boards.library import Library, Run
from mlpi.boards.models import BoardRun
from mlpi.clock import Clock
from mlpi.component import Hit
from mlpi.db import Database, Session
from mlpi.errors import Conflict, NotFound

MOST_HITS = 5
GROWING_S = 60.0  # since a run's last change


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

    def archive(
        self, workspace: str, names: Sequence[str], *, is_archived: bool, actor: Actor
    ) -> None:
        """Take runs out of the lists, or back into them. Raises NotFound."""
        every = [self.library.run(workspace, name).name for name in names]
        deed = "board_run_archived" if is_archived else "board_run_unarchived"
        with self._db.write() as session:
            for name in every:
                kept = store.put(session, workspace, name)
                if (kept.archived_at is not None) is not is_archived:
                    kept.archived_at = self._clock() if is_archived else None
                    self._record(session, actor, deed, workspace, name)
                store.tidy(session, kept)

    def rename(
        self, workspace: str, name: str, new_name: str, *, actor: Actor, is_sure: bool = False
    ) -> None:
        """Move a run's folder, or one above runs, with all runs below it.

        is_sure: also when one of them is being written to. Raises NotFound, Conflict, Invalid.
        """
        if new_name == name:
            return
        growing = [
            one.name
            for one in self.listed(workspace, is_archived=None)
            if (one.name == name or (is_below(one.name, name) and name != ROOT_RUN))
            and is_growing(one.run)
        ]
        _refuse_growing(growing, is_sure=is_sure)
        try:
            pairs = self.library.rename(workspace, name, new_name, keeps_folders=bool(growing))
        except OSError as error:
            raise Conflict(
                f"The folder cannot be moved: {error.strerror or error}.", field="name"
            ) from None
        with self._db.write() as session:
            for old, new in pairs:
                store.rename(session, workspace, old, new)
            self._record(session, actor, "board_run_renamed", workspace, f"{name} → {new_name}")

    def remove(
        self, workspace: str, names: Sequence[str], *, actor: Actor, is_sure: bool = False
    ) -> int:
        """Remove the event files of runs for good; how many there were.

        is_sure: also when one of them is being written to. Raises NotFound, Conflict.
        """
        runs = [self.library.run(workspace, name) for name in names]
        _refuse_growing([run.name for run in runs if is_growing(run)], is_sure=is_sure)
        removed = 0
        for name in names:
            try:
                run = self.library.run(workspace, name)
                self.library.remove(workspace, name, keeps_folder=is_growing(run))
            except NotFound:  # somebody else was faster
                continue
            except OSError as error:
                raise Conflict(
                    f"The files of {name!r} cannot be removed: {error.strerror or error}.",
                    advice=f"{removed} of {len(names)} runs are removed." if removed else None,
                ) from None
            removed += 1
            with self._db.write() as session:
                store.forget(session, workspace, name)
                self._record(session, actor, "board_run_removed", workspace, name)
        return removed

    def tie(self, workspace: str, name: str, mlflow_run_id: str | None, *, actor: Actor) -> None:
        """Say which MLflow run a run belongs to; None: to none. Raises NotFound."""
        self.library.run(workspace, name)
        with self._db.write() as session:
            kept = store.put(session, workspace, name)
            if kept.mlflow_run_id != mlflow_run_id:
                kept.mlflow_run_id = mlflow_run_id
                target = f"{name} to {mlflow_run_id}" if mlflow_run_id else name
                deed = "board_run_tied" if mlflow_run_id else "board_run_untied"
                self._record(session, actor, deed, workspace, target)
            store.tidy(session, kept)

    def _record(
        self, session: Session, actor: Actor, deed: str, workspace: str, target: str
    ) -> None:
        self._audit.record(session, actor, deed, target, workspace)


def is_growing(run: Run) -> bool:
    """Whether somebody has written to it a moment ago, and may go on."""
    return abs(time.time() - run.changed_at) < GROWING_S


def _refuse_growing(names: Sequence[str], *, is_sure: bool) -> None:
    if names and not is_sure:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise Conflict(
            f"{names[0]!r}{more} is being written to.",
            advice="End the training first, or tick that it shall be done all the same.",
            field="sure",
        )


def page_of(name: str) -> str:
    """A run's own page; names hold slashes, so it is no part of the path."""
    return f"/boards/run?{urlencode({'run': name})}"


def _shown(run: Run, note: BoardRun | None) -> Shown:
    if note is None:
        return Shown(run, None, None)
    return Shown(run, note.archived_at, note.mlflow_run_id)
