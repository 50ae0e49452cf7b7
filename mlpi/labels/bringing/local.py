"""Files of this server that tasks may name: /data/local-files/?d=<path>, under allowed folders."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from mlpi.errors import NotFound

AT = "/data/local-files/"


class LocalFiles:
    """The allowed folders, each with all that lies in it."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)

    def find(self, asked: str) -> Path:
        """A regular file by its whole path, or its path from one of the folders.

        Links are followed, and must end inside a folder. Raises NotFound, in the same words
        whether a file is forbidden or not there.
        """
        missing = NotFound(
            "There is no such file under a folder that may be read.",
            advice="The setting label_folders names those folders; d is a path in one of them.",
        )
        if not asked or "\0" in asked or ".." in Path(asked).parts:
            raise missing
        for folder in self.folders:
            base = folder.resolve()
            for path in (base / asked.lstrip("/"), Path("/", asked)):
                try:
                    found = path.resolve(strict=True)
                    is_file = stat.S_ISREG(found.stat().st_mode)
                except (OSError, RuntimeError, ValueError):
                    continue
                if is_file and found.is_relative_to(base):
                    return found
        raise missing
