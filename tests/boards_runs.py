"""Runs of boards that were never on a disk, for what only looks at their names."""

from __future__ import annotations

from pathlib import Path

from mlpi.boards.folders import Found
from mlpi.boards.library import Run
from mlpi.boards.looks import looks
from mlpi.boards.reader.run import RunReader
from mlpi.boards.service import Shown
from mlpi.boards.tree import Folder, tree


def run_of(name: str, born: int = 1_790_000_000) -> Run:
    """A run whose file's name tells when it began, Unix seconds."""
    found = Found("lab", name, ((f"events.out.tfevents.{born}.pi.1.0", 10, born * 10**9),))
    return Run("lab", name, RunReader(Path("/nowhere") / name), found)


def shown_of(names: list[str]) -> Folder:
    """The tree of runs of these names, all of them ticked and found."""
    runs = [run_of(name) for name in names]
    return tree([Shown(run, None, None) for run in runs], looks(runs, {}), set(names), set(names))
