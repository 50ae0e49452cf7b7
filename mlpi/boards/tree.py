"""Runs as a tree: a folder for every part of their names but the last."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mlpi.boards.looks import Look
from mlpi.boards.service import Shown

_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A run. label: its name below its folder; is_found: the filter finds it."""

    shown: Shown
    label: str
    look: Look
    is_ticked: bool
    is_found: bool
    problem: str

    @property
    def name(self) -> str:
        return self.shown.name

    @property
    def changed_at(self) -> datetime:
        return datetime.fromtimestamp(self.shown.run.changed_at, UTC)


@dataclass(slots=True)
class Folder:
    """path ends with '/'. A folder with nothing but one folder is shown as one: 'a/b'."""

    path: str
    label: str
    folders: list[Folder] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)

    @property
    def every(self) -> list[Leaf]:
        return [leaf for one in self.folders for leaf in one.every] + self.leaves

    @property
    def is_ticked(self) -> bool:
        """Whether any of its runs is; the script shows a third state where some are not."""
        return any(leaf.is_ticked for leaf in self.every)

    @property
    def is_found(self) -> bool:
        return any(leaf.is_found for leaf in self.every)


def tree(
    runs: Sequence[Shown],
    looks: Mapping[str, Look],
    found: Collection[str],
    ticked: Collection[str],
) -> Folder:
    """The runs under one root. found, ticked: names."""
    root = Folder("/", "")
    known: dict[str, Folder] = {"": root}
    for one in sorted(runs, key=lambda one: natural(one.name)):
        parts = one.name.split("/")
        above = root
        for depth in range(1, len(parts)):
            path = "/".join(parts[:depth]) + "/"
            if path not in known:
                known[path] = Folder(path, parts[depth - 1])
                above.folders.append(known[path])
            above = known[path]
        name = one.name
        above.leaves.append(
            Leaf(one, parts[-1], looks[name], name in ticked, name in found, problem_of(one))
        )
    root.folders = [_joined(folder) for folder in root.folders]
    return root


def _joined(folder: Folder) -> Folder:
    while len(folder.folders) == 1 and not folder.leaves:
        (only,) = folder.folders
        folder = Folder(only.path, f"{folder.label}/{only.label}", only.folders, only.leaves)
    folder.folders = [_joined(one) for one in folder.folders]
    return folder


def problem_of(one: Shown) -> str:
    """What is wrong with a run's files, in a sentence or two; '' when nothing is."""
    problems = one.run.reader.problems
    said = [one.run.failure, str(problems[0]) if problems else ""]
    more = f"and {len(problems) - 1} more" if len(problems) > 1 else ""
    return "; ".join(part for part in (*said, more) if part)


def natural(name: str) -> list[tuple[int, int | str]]:
    """To sort by: 'run-2' before 'run-10'."""
    parts = _NUMBER.split(name.lower())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]
