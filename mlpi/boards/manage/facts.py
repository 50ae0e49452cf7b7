"""What a run's page says about it, read from memory and its folder. Knows no HTTP."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlpi.boards.library import Run
from mlpi.boards.reader.columns import SegmentGone
from mlpi.boards.reader.events import SCALARS
from mlpi.boards.service import GROWING_S, is_growing
from mlpi.sync.protocol import RUN_ID_FILE

MOST_OTHERS = 1000  # files beside the logs that are counted
PAGE_TAGS = 100
# TensorBoard's plugins in its own order, and how they are called here.
KINDS = {
    "scalars": "Scalars",
    "images": "Images",
    "histograms": "Histograms",
    "distributions": "Distributions",
    "text": "Texts",
    "audio": "Audio",
    "hparams": "Hyperparameters",
    "pr_curves": "PR curves",
    "graphs": "Graphs",
    "projector": "Embeddings",
    "mesh": "Meshes",
    "custom_scalars": "Layouts of charts",
    "graph_tagged_run_metadata": "Run metadata",
    "": "Other",
}


@dataclass(frozen=True, slots=True)
class State:
    """How a run is. kind: of the chip; word: in it; detail: a sentence, or ''."""

    kind: str
    word: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """An event file."""

    name: str
    size_bytes: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Kind:
    """Tags of one kind. points: values of all of them."""

    plugin: str
    label: str
    tags: int
    points: int


@dataclass(frozen=True, slots=True)
class Tag:
    """last_value: None for what is no number."""

    name: str
    points: int
    last_step: int | None
    last_value: float | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Stays:
    """What of a folder a removal leaves: files beside the logs, runs below. is_more: of files."""

    files: int
    runs: int
    is_more: bool = False


def state_of(run: Run, now: float | None = None) -> State:
    """What comes first is what needs attention."""
    seconds = (time.time() if now is None else now) - run.changed_at
    if run.failure:
        return State("bad", "unreadable", run.failure)
    if run.is_reading and seconds >= GROWING_S:
        return State("info", "being read", "Not all of its files are read yet.")
    if is_growing(run):
        ago = f"{int(seconds)} s ago" if seconds >= 1 else "just now"
        return State("info", f"written {ago}")
    if run.reader.problems:
        return State("warn", "damaged", "Bytes in its files were written by no writer.")
    if run.reader.is_waiting:
        return State("warn", "cut off", "A file ends within a record: its writer was ended.")
    return State("", "quiet")


def changed_at(run: Run) -> datetime:
    return datetime.fromtimestamp(run.changed_at, UTC)


def files_of(run: Run) -> list[File]:
    """By name, the order in which they are read."""
    return [
        File(name, size, datetime.fromtimestamp(changed_ns / 1e9, UTC))
        for name, size, changed_ns in run.found.state
    ]


def kinds_of(run: Run) -> list[Kind]:
    """The kinds it has, in TensorBoard's order, unknown ones behind."""
    counts: dict[str, list[int]] = {}
    held = run.reader.held
    lengths = [(tag, len(series)) for tag, series in list(held.series.items())]
    lengths += [(tag, len(series)) for tag, series in list(held.entries.items())]
    for tag, count in lengths:
        if count:
            so_far = counts.setdefault(_plugin(run, tag), [0, 0])
            so_far[0] += 1
            so_far[1] += count
    order = {plugin: number for number, plugin in enumerate(KINDS)}
    return [
        Kind(plugin, label_of(plugin), *counts[plugin])
        for plugin in sorted(counts, key=lambda one: (order.get(one, len(order)), one))
    ]


def label_of(plugin: str) -> str:
    return KINDS.get(plugin, plugin)


def tags_of(run: Run, plugin: str, after: str = "", most: int = PAGE_TAGS) -> tuple[list[Tag], str]:
    """A page of the tags of a kind by name, and the last of it when there are more."""
    held = run.reader.held
    names = {tag for tag, series in list(held.series.items()) if len(series)}
    names |= {tag for tag, series in list(held.entries.items()) if len(series)}
    found = sorted(tag for tag in names if tag > after and _plugin(run, tag) == plugin)
    page = found[:most]
    return [_tag(run, tag) for tag in page], page[-1] if len(found) > most else ""


def stays_of(run: Run, others: Sequence[Run]) -> Stays:
    """others: every run of its workspace."""
    folder = run.reader.folder
    below = {one.reader.folder for one in others if folder in one.reader.folder.parents}
    goes = {RUN_ID_FILE, *(name for name, _, _ in run.found.state)}
    files = 0
    for place, folders, names in os.walk(folder):
        here = Path(place)
        folders[:] = [one for one in folders if here / one not in below]
        files += len(names) if here != folder else len(set(names) - goes)
        if files > MOST_OTHERS:
            return Stays(MOST_OTHERS, len(below), is_more=True)
    return Stays(files, len(below))


def _plugin(run: Run, tag: str) -> str:
    held = run.reader.held
    if tag in held.series:
        return held.plugins.get(tag, SCALARS)
    return held.plugins.get(tag, "")


def _tag(run: Run, name: str) -> Tag:
    held = run.reader.held
    series = held.series.get(name) or held.entries.get(name)
    if series is None:  # cut meanwhile
        return Tag(name, 0, None, None, None)
    try:
        (last,) = zip(*(column.tolist() for column in series.last()), strict=True)
    except (SegmentGone, ValueError):
        return Tag(name, len(series), None, None, None)
    value = last[2] if name in held.series else None
    return Tag(name, len(series), last[0], value, _moment(last[1]))


def _moment(seconds: float) -> datetime | None:
    """None for a time that no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
