"""Where uploaded files wait for their import, and what is written down about each.

A folder an import: the file, `about.json`, and the ledger of how far it is. Files of imports that
nobody has gone on with for a week are removed.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlpi.errors import NotFound
from mlpi.uploads import settle

KEEP_S = 7 * 86400.0
MOST_LISTED = 100  # of the rows that were left out
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that waits. collection_id: into which, or "" for a new one, called name."""

    id: str
    workspace: str
    file_name: str
    size_bytes: int
    format: str
    collection_id: str
    name: str
    space: str
    look: dict[str, Any]


@dataclass(slots=True)
class Ledger:
    """How far an import is: rows are those that need not be read again.

    plan: of which plan it is true. last_ids: of the last records that were written; where they
    are not in the collection any more, the ledger is not believed.
    """

    plan: str = ""
    rows: int = 0
    records: int = 0
    skipped: int = 0
    refused: list[list[Any]] = field(default_factory=list)  # [row, line, column, reason]
    last_ids: list[str] = field(default_factory=list)
    is_done: bool = False

    def refuse(self, row: int, line: int | None, column: str, reason: str) -> None:
        self.skipped += 1
        if len(self.refused) < MOST_LISTED:
            self.refused.append([row, line, column, reason[:300]])


class Incoming:
    """The folder of all imports. Used by the service and by workers."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "vectors" / "imports"

    def keep(self, path: Path, arrival: Arrival) -> None:
        """Take a file over, synced to the disk."""
        folder = self._folder / arrival.id
        folder.mkdir(parents=True, mode=0o700)
        settle(path, self.file(arrival))
        (folder / "about.json").write_text(json.dumps(asdict(arrival)))

    def get(self, workspace: str, import_id: str) -> Arrival:
        """Raises NotFound, also when it is another workspace's."""
        missing = NotFound(
            "There is no such import in this workspace.",
            advice="Files that nobody has gone on with for a week are removed; upload it again.",
        )
        if not _ID.fullmatch(import_id):
            raise missing
        try:
            found = Arrival(**json.loads((self._folder / import_id / "about.json").read_text()))
        except (FileNotFoundError, ValueError):
            raise missing from None
        if found.workspace != workspace:
            raise missing
        return found

    def of(self, workspace: str, collection_id: str) -> Sequence[Arrival]:
        """Files that wait for a collection, or for a name where collection_id is ""."""
        if not self._folder.exists():
            return ()
        found = []
        for folder in self._folder.iterdir():
            try:
                one = self.get(workspace, folder.name)
            except NotFound:
                continue
            if one.collection_id == collection_id and self.has_file(one):
                found.append(one)
        return found

    def file(self, arrival: Arrival) -> Path:
        return self._folder / arrival.id / "data"

    def has_file(self, arrival: Arrival) -> bool:
        return self.file(arrival).exists()

    def ledger(self, import_id: str) -> Ledger:
        """How far it is; an empty one where nothing, or nothing whole, was written."""
        try:
            return Ledger(**json.loads((self._folder / import_id / "ledger.json").read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return Ledger()

    def note(self, import_id: str, ledger: Ledger) -> None:
        """Write it down, whole or not at all."""
        path = self._folder / import_id / "ledger.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(ledger)))
        part.replace(path)

    def drop_file(self, arrival: Arrival) -> None:
        """It is imported; what was noted stays a while."""
        self.file(arrival).unlink(missing_ok=True)

    def forget(self, import_id: str) -> None:
        shutil.rmtree(self._folder / import_id, ignore_errors=True)

    def sweep(self) -> int:
        """Remove imports that nobody has gone on with for a week; how many."""
        if not self._folder.exists():
            return 0
        limit, removed = time.time() - KEEP_S, 0
        for folder in self._folder.iterdir():
            newest = max((one.stat().st_mtime for one in folder.iterdir()), default=0.0)
            if max(newest, folder.stat().st_mtime) < limit:
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
        return removed


def new_id() -> str:
    return secrets.token_hex(16)
