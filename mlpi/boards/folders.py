"""Where runs lie: `tensorboard/<workspace>/<run>/`; what folders tell without opening a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlpi.boards.reader.run import is_event_file
from mlpi.errors import Invalid

ROOT_RUN = "."  # event files right in the workspace's folder, by TensorBoard's own name for it
DEEPEST = 16  # folders below a workspace's
LONGEST_NAME = 400
LONGEST_PART = 200


@dataclass(frozen=True, slots=True)
class Found:
    """A run's folder. state: every event file's name, size and time of change, in ns."""

    workspace: str
    name: str
    state: tuple[tuple[str, int, int], ...]

    @property
    def size_bytes(self) -> int:
        return sum(size for _, size, _ in self.state)

    @property
    def changed_at(self) -> float:
        """When a file last changed, Unix seconds."""
        return max((changed for _, _, changed in self.state), default=0) / 1e9


def run_folder(root: Path, workspace: str, name: str) -> Path:
    """Where a run lies or would lie. Raises Invalid for a name that leads elsewhere."""
    return root / workspace / checked_name(name)


def checked_name(name: str) -> str:
    """A run's name: a path below its workspace's folder, with '/' between. Raises Invalid."""
    if name == ROOT_RUN:
        return name
    parts = name.split("/")
    problem = ""
    if not name or len(name) > LONGEST_NAME or len(name.encode("utf-8", "replace")) > 1000:
        problem = f"must have 1 to {LONGEST_NAME} characters"
    elif any(part in ("", ".", "..") for part in parts):
        problem = "must not begin or end with '/', nor hold '//', '.' or '..' as a part"
    elif any(part.startswith(".") for part in parts):
        problem = "must not have a part that begins with '.'"
    elif not name.isprintable() or "\\" in name:
        problem = "must hold printable characters, and no backslash"
    elif len(parts) > DEEPEST or any(len(part.encode()) > LONGEST_PART for part in parts):
        problem = f"must have {DEEPEST} parts at most, each of {LONGEST_PART} bytes at most"
    if problem:
        raise Invalid(
            f"The run's name {name[:80]!r} {problem}.",
            advice="Name it as a folder below the workspace's, as in 'digits/lr-0.1'.",
            field="run",
        )
    return name


def is_below(name: str, folder: str) -> bool:
    """Whether a run lies below a folder (not in it); '.' is above all others."""
    return name != ROOT_RUN if folder == ROOT_RUN else name.startswith(f"{folder}/")


def workspaces_in(root: Path) -> list[str]:
    """Names of folders that could be workspaces'. None while the root is away."""
    try:
        _, below = _entries(root)
    except OSError:
        return []
    return below


def found_in(root: Path, workspace: str) -> Iterator[Found]:
    """Every run of a workspace. Links are not followed: they could lead out of it."""
    top = str(root / workspace)
    waiting = [("", 0)]
    while waiting:
        name, depth = waiting.pop()
        try:
            state, below = _entries(f"{top}/{name}")
        except OSError:  # went away, or is not ours to read
            continue
        if state:
            yield Found(workspace, name or ROOT_RUN, state)
        if depth < DEEPEST:
            waiting += [(f"{name}/{one}" if name else one, depth + 1) for one in below]


def look(root: Path, workspace: str, name: str) -> Found | None:
    """One run as it is now; None when its folder is gone or holds no event file. Raises OSError
    when it cannot be told: a file system may be away for a while."""
    folder = root / workspace / name
    try:
        state, _ = _entries(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Found(workspace, name, state) if state else None


def _entries(folder: Path | str) -> tuple[tuple[tuple[str, int, int], ...], list[str]]:
    """Event files with size and time of change, and folders, both by name."""
    state, below = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(".") and entry.name.isprintable():
                    below.append(entry.name)
            elif is_event_file(entry):
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                state.append((entry.name, status.st_size, status.st_mtime_ns))
    return tuple(sorted(state)), sorted(below)
