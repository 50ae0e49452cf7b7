"""Where the files of deleted things lie under the service's own artifacts, and how large they are.

Only what lies there is ever removed: a client may name any place as an experiment's artifact
location, this machine's own folders among them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mlpi.artifacts import root_of
from mlpi.errors import NotFound

Clock = Callable[[], float]
List = Callable[[str], Iterable[Any]]  # MLflow's list_artifacts


def own_path(uri: str, workspace: str, id_: str) -> str | None:
    """A thing's folder below the artifacts' root; None when it is not the workspace's own.

    id_: the thing's, which must be part of the path: a wider folder belongs to others too.
    """
    try:
        path = root_of(uri, workspace)
    except NotFound:
        return None
    return path if id_ in path.split("/") else None


def folder_size(folder: Path, deadline: float, clock: Clock = time.monotonic) -> tuple[int, bool]:
    """Bytes in a folder, and whether that is all: the walk ends at the deadline."""
    total, pending = 0, [str(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as found:
                for entry in found:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
                    if clock() > deadline:
                        return total, False
        except OSError:
            continue  # gone meanwhile, or never there
    return total, True


def stored_size(
    list_artifacts: List, path: str, deadline: float, clock: Clock = time.monotonic
) -> tuple[int, bool]:
    """The same in an object store, through MLflow's repository of it."""
    total, pending = 0, [path]
    while pending:
        for one in list_artifacts(pending.pop()):
            if one.is_dir:
                pending.append(one.path)
            else:
                total += one.file_size or 0
        if clock() > deadline:
            return total, not pending
    return total, True


class Sizes:
    """Sizes of deleted things, remembered: what is deleted hardly changes."""

    MOST = 20_000

    def __init__(self, artifacts: str, repository: Callable[[], Any]) -> None:
        self._root = None if "://" in artifacts else Path(artifacts)
        self._repository = repository
        self._known: dict[tuple[str, str], tuple[int, bool]] = {}

    def known(self, key: str, path: str | None) -> tuple[int, bool] | None:
        """Bytes, and whether that is all; None when it was not measured yet."""
        return (0, True) if path is None else self._known.get((key, path))

    def measure(self, key: str, path: str | None, deadline: float) -> tuple[int, bool]:
        """The same, measured now if need be. Raises NotReady for an object store."""
        known = self.known(key, path)
        if known is not None or path is None:
            return known or (0, True)
        if self._root is not None:
            found = folder_size(self._root / path, deadline)
        else:
            found = stored_size(self._repository().list_artifacts, path, deadline)
        if len(self._known) >= self.MOST:
            self._known.clear()
        self._known[key, path] = found
        return found
