"""Where the files lie that tasks name, for jobs and exports: those of a workspace, no others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import select

from mlpi.db import Database
from mlpi.errors import MlpiError
from mlpi.labels.bringing.files import AT as UPLOADED
from mlpi.labels.bringing.local import AT as LOCAL
from mlpi.labels.bringing.local import LocalFiles
from mlpi.labels.models import LabelFile
from mlpi.labels.projects import project_of

# Where the file of an address such as /data/upload/1/name.png lies; None for no such file.
Find = Callable[[str], Path | None]


def finder(db: Database, home: Path, workspace: str, folders: Sequence[Path] = ()) -> Find:
    """Files that were uploaded to a project of this workspace, and those under allowed folders."""
    local = LocalFiles(folders)

    def find(address: str) -> Path | None:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            return None
        if folders and parts.path.rstrip("/") == LOCAL.rstrip("/"):
            try:
                return local.find(parse_qs(parts.query).get("d", [""])[0])
            except MlpiError:
                return None
        return uploaded(parts.path)

    def uploaded(path: str) -> Path | None:
        number, _, key = path.removeprefix(f"{UPLOADED}/").partition("/")
        is_one = path.startswith(f"{UPLOADED}/") and number.isascii() and number.isdecimal()
        if not is_one or len(number) > 9 or not key or "/" in key:
            return None
        try:
            with db.read() as session:
                project_of(session, workspace, int(number))
                asked = select(LabelFile.key).where(
                    LabelFile.project_id == int(number), LabelFile.key == key
                )
                known = session.scalar(asked)
        except MlpiError:
            return None
        # By the number as it is, not as it was written: 007 is another folder.
        return home / "labels" / "files" / str(int(number)) / known if known else None

    return find
