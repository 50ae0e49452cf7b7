"""Exports at once: a project as a file that goes out while it is read. Its calls block."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path

from mlpi.clock import Clock
from mlpi.db import Database
from mlpi.labels.bringing.finding import finder
from mlpi.labels.config.config import LabelConfig
from mlpi.labels.exporting import reading
from mlpi.labels.exporting.chosen import Chosen
from mlpi.labels.exporting.formats import FORMATS, Format, FormatUnknown, fits, format_named
from mlpi.labels.exporting.spool import spools
from mlpi.labels.exporting.writing import Writing, read_for, written
from mlpi.labels.projects import config_of, project_of


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A file on its way out: its name, its media type, and its bytes in parts."""

    name: str
    media_type: str
    parts: Iterator[bytes]


class Exports:
    """Projects as files; each call names the workspace that it is for."""

    def __init__(
        self, db: Database, clock: Clock, home: Path, folders: Sequence[Path] = ()
    ) -> None:
        """folders: of this server, whose files tasks may name."""
        self._db, self._clock, self._home, self._folders = db, clock, home, folders
        self.folder = home / "labels" / "exports"

    def formats(self, workspace: str, project_id: int) -> list[tuple[Format, bool]]:
        """All formats with whether the project can be written in them; those that it can, first.

        Raises NotFound.
        """
        config = self._config(workspace, project_id)
        found = [(one, fits(config, one)) for one in FORMATS.values()]
        return sorted(found, key=lambda pair: not pair[1])

    def export(
        self,
        workspace: str,
        project_id: int,
        format_name: str,
        chosen: Chosen,
        *,
        is_raw: bool = False,
    ) -> Outgoing:
        """A project in a format. Its first part is there when this returns.

        Raises NotFound, FormatUnknown, ParquetFailed.
        """
        one = format_named(format_name)
        config = self._config(workspace, project_id)
        check_fits(config, one)
        find = finder(self._db, self._home, workspace, self._folders)
        how = Writing(config, spools(self.folder), self._clock(), find, is_raw)
        batches = reading.live(self._db, project_id, chosen, read_for(one))
        return outgoing(file_name(project_id, how.now, one.ending), one, written(one, how, batches))

    def _config(self, workspace: str, project_id: int) -> LabelConfig:
        with self._db.read() as session:
            return config_of(project_of(session, workspace, project_id))


def check_fits(config: LabelConfig, one: Format) -> None:
    """Raises FormatUnknown with the formats that fit."""
    if fits(config, one):
        return
    known = [other.name for other in FORMATS.values() if fits(config, other)]
    raise FormatUnknown(
        f"{one.name} does not fit this project's configuration.",
        advice=f"These do: {_listed(known)}.",
        field="export_type",
    )


def file_name(project_id: int, now: datetime, ending: str, mark: str = "") -> str:
    """As Label Studio calls it: project-3-at-2026-11-29-05-20-1a2b3c4d.json."""
    return f"project-{project_id}-at-{now:%Y-%m-%d-%H-%M}-{mark or secrets.token_hex(4)}.{ending}"


def outgoing(name: str, one: Format, parts: Iterator[bytes]) -> Outgoing:
    """A file whose first part is there: what goes wrong before it is an error, no torn file."""
    first = next(parts, b"")
    return Outgoing(name, one.media_type, chain((first,), parts))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
