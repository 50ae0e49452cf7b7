"""Folders of runs are moved, whole or file by file."""

from __future__ import annotations

import os
from pathlib import Path

from mlpi.boards.reader.run import is_event_file
from mlpi.errors import Conflict, Invalid
from mlpi.sync.protocol import RUN_ID_FILE


def make_room(target: Path, top: Path) -> None:
    """Make the folder above target; folders that hold no file may lie there and go.

    Raises Conflict when something is there, Invalid when the way leads through a link.
    """
    way = [one for one in target.parents if one == top or top in one.parents]
    if any(one.is_symlink() for one in way):
        raise Invalid("This name leads through a link, perhaps out of the workspace.", field="name")
    if os.path.lexists(target):
        if target.is_symlink() or not target.is_dir() or target == top or _holds_files(target):
            name = "" if target == top else target.relative_to(top)
            raise Conflict(f"There is a folder {str(name) or '.'!r} already.", field="name")
        _remove_folders(target)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)


def move_files(source: Path, target: Path) -> None:
    """A run's own files alone; what else lies in its folder stays."""
    target.mkdir(mode=0o700)
    with os.scandir(source) as entries:
        names = [one.name for one in entries if is_event_file(one) or one.name == RUN_ID_FILE]
    for name in sorted(names):
        (source / name).rename(target / name)


def move_tree(source: Path, target: Path) -> None:
    """Every file below source; its folders stay where they are, empty."""
    for place, _, files in os.walk(source):
        there = target / Path(place).relative_to(source)
        there.mkdir(mode=0o700)
        for name in files:
            Path(place, name).rename(there / name)


def _holds_files(folder: Path) -> bool:
    return any(files for _, _, files in os.walk(folder))


def _remove_folders(folder: Path) -> None:
    for place, _, _ in os.walk(folder, topdown=False):
        Path(place).rmdir()
