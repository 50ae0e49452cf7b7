"""The files of datasets: a store by content, and server folders that may be read in place."""

from __future__ import annotations

import glob
import os
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from mlpi.errors import Invalid, NotFound
from mlpi.uploads import Arrived, settle

# The readers of mlpi/checks/engine, by file name.
FORMAT_OF = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "excel",
    ".xlsm": "excel",
}


class FileStore:
    """Each content once per workspace: <folder>/<workspace>/files/<aa>/<sha256>."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.lock = threading.Lock()  # around a content and the rows that speak of it

    def path(self, workspace: str, sha256: str) -> Path:
        return self._folder / workspace / "files" / sha256[:2] / sha256

    def keep(self, workspace: str, arrived: Arrived) -> Path:
        """Take a file over; where the same content is there already, that one stays."""
        target = self.path(workspace, arrived.sha256)
        if target.is_file() and target.stat().st_size == arrived.size_bytes:
            arrived.path.unlink(missing_ok=True)
        else:
            settle(arrived.path, target)
        return target

    def remove(self, workspace: str, sha256: str) -> None:
        """Remove a content, and its folder when that was the last in it."""
        path = self.path(workspace, sha256)
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()

    def drop_if_empty(self, workspace: str) -> None:
        """Remove a workspace's folders where nothing is in them any more."""
        with suppress(OSError):
            (self._folder / workspace / "files").rmdir()
            (self._folder / workspace).rmdir()


class Roots:
    """Folders of the server whose files may be datasets, as the settings allow."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)

    def check(self, pattern: str) -> str:
        """A path or pattern if it lies under one of the folders. Raises Invalid."""
        if not self.folders:
            raise Invalid(
                "No folder of this server may be read.",
                advice="Name some in the setting data_roots and start mlpi again.",
                field="pattern",
            )
        pattern = pattern.strip()
        fixed = Path(os.path.normpath(_fixed_part(pattern)))
        if not fixed.is_absolute() or ".." in Path(pattern).parts or "\0" in pattern:
            raise Invalid(
                f"{pattern[:200]!r} is not an absolute path.",
                advice=f"Begin with {self.folders[0]}/ and use no '..'.",
                field="pattern",
            )
        if not self._holds(fixed):
            allowed = ", ".join(map(str, self.folders))
            raise Invalid(
                f"{pattern[:200]!r} is not under a folder that may be read.",
                advice=f"These may: {allowed}.",
                field="pattern",
            )
        return pattern

    def check_file(self, path: str) -> None:
        """Raises Invalid unless a database's file lies under one of the folders."""
        if glob.has_magic(path):
            raise Invalid("A database is one file, not a pattern.", field="url")
        try:
            self.check(path)
        except Invalid as error:
            raise Invalid(error.message, advice=error.advice, field="url") from None

    def newest(self, pattern: str) -> Path:
        """The file that matches and was written last, links resolved. Raises Invalid, NotFound."""
        self.check(pattern)
        found = [Path(pattern)] if not glob.has_magic(pattern) else _matches(pattern)
        files = (path for path in (one.resolve() for one in found) if path.is_file())
        inside = (path for path in files if self._holds(path))
        newest = max(inside, key=lambda path: (path.stat().st_mtime_ns, str(path)), default=None)
        if newest is None:
            raise NotFound(f"No file matches {pattern[:200]!r}.", field="pattern")
        return newest

    def _holds(self, path: Path) -> bool:
        path = path.resolve()
        return any(path.is_relative_to(folder.resolve()) for folder in self.folders)


def format_of(file_name: str) -> str:
    """How a file is read, by its ending. Raises Invalid naming the known ones."""
    try:
        return FORMAT_OF[Path(file_name).suffix.lower()]
    except KeyError:
        raise Invalid(
            f"{file_name[:120]!r} is not a data file that can be read.",
            advice=f"Its name must end in one of {', '.join(FORMAT_OF)}.",
            field="file",
        ) from None


def _fixed_part(pattern: str) -> str:
    """A pattern's folders up to the first that holds a wildcard."""
    parts = Path(pattern).parts
    fixed = []
    for part in parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return str(Path(*fixed)) if fixed else ""


def _matches(pattern: str) -> Iterable[Path]:
    base = Path(_fixed_part(pattern))
    rest = str(Path(pattern).relative_to(base))
    return base.glob(rest)
