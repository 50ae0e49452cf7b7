"""One run: a folder's event files, read into columns by tag."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mlpi.boards.reader.arrays import Ints
from mlpi.boards.reader.batches import Piece, decode
from mlpi.boards.reader.columns import Load, Places, Points, Series
from mlpi.boards.reader.events import HPARAMS, KIND_NAMES, SCALARS, Metadata, Value, parse
from mlpi.boards.reader.files import Chunk, EventFile, EventFileCorrupt, Replaced, opened
from mlpi.boards.reader.framing import HEAD, Framer
from mlpi.boards.reader.wire import WireError

NO_LIMIT = 1 << 62
AT_ONCE = 64 << 20  # what is read anew beside what is shown, before that is let go
MOST_TAGS = 20_000  # of a run
LONGEST_TAG = 4096  # characters
MOST_METADATA = 16 << 20  # bytes of all its tags' descriptions and plugins' notes


class Entry(NamedTuple):
    """A value that is no scalar: where its content stands, to be read when asked for."""

    file: str
    offset: int
    length: int
    kind: str
    step: int
    wall_time: float


@dataclass(frozen=True)
class Refreshed:
    """read_bytes: of all files; is_anew: a file was replaced or went, all was read again;
    has_more: the budget ended before the files did."""

    read_bytes: int
    is_anew: bool
    has_more: bool


@dataclass
class Held:
    """What a run has written, by tag.

    metadata: as first written; series: scalars; entries: all other values; files: names that
    entries stand in; tags: all that were let in; skipped: hashes of those that were too many or
    too long; began_at: the first event's wall time, Unix seconds. The reader adds to them while
    others look: walk over `list(held.series.items())`, not over the dict itself.
    """

    metadata: dict[str, Metadata] = field(default_factory=dict)
    plugins: dict[str, str] = field(default_factory=dict)
    series: dict[str, Series[Points]] = field(default_factory=dict)
    entries: dict[str, Series[Places]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    skipped: set[int] = field(default_factory=set)
    began_at: float | None = None
    load: Load | None = None
    metadata_bytes: int = 0

    def scalars(self, tag: str) -> Series[Points]:
        """A tag's series, made if it has none."""
        return self.series.setdefault(tag, Series(Points, self.load))

    def others(self, tag: str) -> Series[Places]:
        """A tag's entries, made if it has none."""
        return self.entries.setdefault(tag, Series(Places, self.load))

    def file_number(self, name: str) -> int:
        if name not in self.files:
            self.files.append(name)
        return self.files.index(name)

    def describe(self, tag: str, metadata: Metadata) -> None:
        """Keep a tag's metadata, of what is too much the plugin's name alone."""
        plugin, content, display_name, description, data_class = metadata
        size = len(plugin) + len(content) + len(display_name) + len(description)
        if self.metadata_bytes + size > MOST_METADATA:
            metadata, size = Metadata(plugin[:LONGEST_TAG], b"", "", "", data_class), 0
        self.metadata_bytes += size
        self.metadata[tag] = metadata

    def is_welcome(self, tag: str) -> bool:
        """Whether there is room for it: a file could hold a tag a record."""
        if tag in self.tags:
            return True
        if len(tag) <= LONGEST_TAG and len(self.tags) < MOST_TAGS:
            self.tags.add(tag)
            return True
        if len(self.skipped) < MOST_TAGS:
            self.skipped.add(hash(tag))
        return False

    @property
    def unsaved_bytes(self) -> int:
        return sum(one.size_bytes() for one in list(self.series.values())) + sum(
            one.size_bytes() for one in list(self.entries.values())
        )


class RunReader:
    """Follows a run. One thread refreshes; any may read what `held` holds.

    Memory: 20 to 30 bytes a scalar and 48 to 60 an entry of another kind until they are saved, some
    600 a tag, and while a refresh runs some 8 MB, or thrice the largest record (64 MB at most,
    larger ones are passed over).

    As TensorBoard does, it takes files in the order of their names (what comes to a file when a
    later one was begun is taken as it comes), a tag's metadata from its first
    value that has some, and a writer's restart as the end of all points from its step on. Files
    older than TensorBoard's format 2 (2016) do not mark restarts; their points are all kept.
    """

    def __init__(self, folder: Path, *, check_crc: bool = False, load: Load | None = None) -> None:
        """check_crc: check every record, not only each length and the last record of a file.
        load: rows that were saved, by their segment."""
        self.folder = folder
        self.held = Held(load=load)
        self._check_crc, self._load = check_crc, load
        self._framer = Framer()
        self._files: dict[str, EventFile] = {}

    def refresh(self, budget_bytes: int = NO_LIMIT) -> Refreshed:
        """Take what has come since last time: about budget_bytes, but at least a chunk.

        Raises OSError when the folder, or a file while it was opened, went away.
        """
        budget_bytes = max(1, budget_bytes)
        names = event_files(self.folder)
        is_anew = not self._files.keys() <= set(names)
        if not is_anew:
            try:
                read = self._read(names, self._files, self.held, budget_bytes)
            except Replaced:
                is_anew = True
        if is_anew:
            # Built beside what is shown: a curve does not vanish for a moment, if it is not long.
            files: dict[str, EventFile] = {}
            held = Held(load=self._load)
            read = self._read(names, files, held, max(budget_bytes, AT_ONCE))
            self._files, self.held = files, held
            return Refreshed(read, is_anew, has_more=read >= max(budget_bytes, AT_ONCE))
        return Refreshed(read, is_anew, has_more=read >= budget_bytes)

    @property
    def problems(self) -> list[EventFileCorrupt]:
        return [problem for file in list(self._files.values()) for problem in list(file.problems)]

    @property
    def is_waiting(self) -> bool:
        """Whether a file ends within a record."""
        return any(file.is_waiting for file in list(self._files.values()))

    def entries(self, tag: str) -> list[Entry]:
        """Where a tag's values stand that are no scalars, in the order of the files."""
        held = self.held
        series = held.entries.get(tag)
        if series is None:
            return []
        return entries_of(held, series.points())

    def content(self, entry: Entry) -> bytes:
        """The bytes of an entry: a Summary.Image, a TensorProto, …, as its kind says."""
        with opened(self.folder / entry.file) as file:
            return os.pread(file.fileno(), entry.length, entry.offset)

    def marks(self) -> dict[str, dict[str, Any]]:
        """How far each file was read (`EventFile.mark`), to go on from after a restart."""
        return {name: file.mark() for name, file in self._files.items()}

    def go_on_from(self, marks: dict[str, dict[str, Any]], held: Held) -> None:
        """Take up what another reader of this folder had read."""
        files = {}
        for name, mark in marks.items():
            files[name] = EventFile(self.folder / name, self._framer, check_crc=self._check_crc)
            files[name].go_on_from(mark)
        self._files, self.held = files, held

    def moved(self, folder: Path) -> None:
        """The folder has another name now."""
        self.folder = folder
        for name, file in self._files.items():
            file.path = folder / name

    def _read(
        self, names: list[str], files: dict[str, EventFile], held: Held, budget_bytes: int
    ) -> int:
        read = 0
        for name in names:
            file = files.get(name)
            if file is None:
                file = EventFile(self.folder / name, self._framer, check_crc=self._check_crc)
                files[name] = file
            before = file.offset
            for chunk in file.chunks(budget_bytes - read):
                Intake(held, file, chunk).take()
            read += file.offset - before
            if read >= budget_bytes:
                break
        return read


def entries_of(held: Held, places: Places) -> list[Entry]:
    """Places of `held` as entries, to be read."""
    rows = zip(*(column.tolist() for column in places), strict=True)
    return [
        Entry(held.files[file], offset, length, KIND_NAMES[kind], step, wall_time)
        for step, wall_time, file, offset, length, kind in rows
    ]


def event_files(folder: Path) -> list[str]:
    """Names of a folder's event files, in the order in which they are read."""
    with os.scandir(folder) as found:
        return sorted(entry.name for entry in found if is_event_file(entry))


def is_event_file(entry: os.DirEntry[str]) -> bool:
    """By its name, as TensorBoard tells them. Links are none: they could lead out of the folder."""
    return (
        "tfevents" in entry.name
        and not entry.name.endswith(".profile-empty")
        and entry.is_file(follow_symlinks=False)
    )


class Intake:
    """Takes one chunk into what a run holds, in the order of its records."""

    def __init__(self, held: Held, file: EventFile, chunk: Chunk) -> None:
        self._held, self._file, self._chunk = held, file, chunk
        self._restarts: list[tuple[int, int]] = []  # begin of the record, step
        self._points: dict[str, list[tuple[Ints, Points]]] = {}
        self._singles: dict[str, list[tuple[int, int, float, float, bool]]] = {}
        self._entries: dict[str, list[tuple[int, int, float, int, int, int, int]]] = {}

    def take(self) -> None:
        if self._held.began_at is None:
            self._held.began_at = self._first_wall_time()
        pieces, left = decode(self._chunk.data, self._chunk.begins, self._chunk.lengths)
        walked = self._walk(left)
        firsts = [
            (int(piece.begins[0]), piece.template.tag, piece.template.kind, piece.template.metadata)
            for piece in pieces
        ]
        firsts += [(begin, value.tag, value.kind, value.metadata) for begin, value, *_ in walked]
        for _, tag, kind, metadata in sorted(firsts, key=lambda first: first[0]):
            self._describe(tag, kind, metadata)
        strange: list[tuple[int, int]] = []
        for piece in pieces:
            tag, kind = piece.template.tag, piece.template.kind
            if not self._held.is_welcome(tag):
                continue
            if self._is_scalar(tag, kind):
                self._add_piece(piece)
            else:
                lengths = self._chunk.lengths[self._chunk.begins.searchsorted(piece.begins)]
                strange += zip(piece.begins.tolist(), lengths.tolist(), strict=True)
        for single in [*walked, *self._walk(strange)]:
            self._add_single(*single)
        self._commit()

    def _first_wall_time(self) -> float | None:
        chunk = self._chunk
        for begin, length in zip(chunk.begins.tolist(), chunk.lengths.tolist(), strict=True):
            try:
                return parse(chunk.data, begin, begin + length).wall_time
            except WireError:
                continue
        return None

    def _walk(self, records: list[tuple[int, int]]) -> list[tuple[int, Value, int, float]]:
        walked = []
        for begin, length in records:
            try:
                event = parse(self._chunk.data, begin, begin + length)
            except WireError as error:
                self._file.refuse(
                    self._chunk.base + begin - HEAD, f"the record is no event ({error})"
                )
                continue
            if event.is_restart:
                self._restarts.append((begin, event.step))
            walked += [(begin, value, event.step, event.wall_time) for value in event.values]
        return walked

    def _describe(self, tag: str, kind: str, metadata: Metadata | None) -> None:
        if not self._held.is_welcome(tag):
            return
        if metadata is not None and tag not in self._held.metadata:
            self._held.describe(tag, metadata)
            if metadata.plugin:
                self._held.plugins[tag] = self._held.metadata[tag].plugin
        if kind == "simple_value":
            self._held.plugins.setdefault(tag, SCALARS)

    def _is_scalar(self, tag: str, kind: str) -> bool:
        return kind == "simple_value" or self._held.plugins.get(tag, SCALARS) == SCALARS

    def _add_piece(self, piece: Piece) -> None:
        points = Points(piece.steps, piece.wall_times, piece.values)
        self._points.setdefault(piece.template.tag, []).append((piece.begins, points))

    def _add_single(self, begin: int, value: Value, step: int, wall_time: float) -> None:
        if not self._held.is_welcome(value.tag):
            return
        if value.number is not None and self._is_scalar(value.tag, value.kind):
            row = (begin, step, wall_time, value.number.value, value.number.is_double)
            self._singles.setdefault(value.tag, []).append(row)
            return
        if not value.kind and not (value.metadata and value.metadata.plugin == HPARAMS):
            return  # metadata alone; that of hyperparameters is all there is to them
        if value.plugin:
            self._held.plugins.setdefault(value.tag, value.plugin)
        place = (self._chunk.base + value.begin, value.end - value.begin)
        kind = KIND_NAMES.index(value.kind or "nothing")
        file = self._held.file_number(self._file.path.name)
        found = (begin, step, wall_time, file, *place, kind)
        self._entries.setdefault(value.tag, []).append(found)

    def _commit(self) -> None:
        """Join each tag's points in the order of the file, with restarts where they stand."""
        import numpy as np  # noqa: PLC0415 - with the first record only

        for tag, rows in self._singles.items():
            places, steps, wall_times, values, is_double = zip(*rows, strict=True)
            width = np.float64 if any(is_double) else np.float32
            single = Points(
                np.array(steps, np.int64), np.array(wall_times, np.float64), np.array(values, width)
            )
            self._points.setdefault(tag, []).append((np.array(places, np.int64), single))
        columns = {tag: _in_order(parts) for tag, parts in self._points.items()}
        others = {tag: _placed(rows) for tag, rows in self._entries.items()}
        after = -1
        for before, step in [*sorted(self._restarts), (NO_LIMIT, None)]:
            for tag, (begins, points) in columns.items():
                first, last = np.searchsorted(begins, [after, before])
                if first < last:
                    self._held.scalars(tag).extend(points.at(slice(first, last)))
            for tag, (begins, places) in others.items():
                first, last = np.searchsorted(begins, [after, before])
                if first < last:
                    self._held.others(tag).extend(places.at(slice(first, last)))
            if step is not None:
                self._forget_from(step)
            after = before

    def _forget_from(self, step: int) -> None:
        for series in self._held.series.values():
            series.cut(step)
        for others in self._held.entries.values():
            others.cut(step)


def _placed(
    rows: list[tuple[int, int, float, int, int, int, int]],
) -> tuple[Ints, Places]:
    import numpy as np  # noqa: PLC0415

    rows.sort(key=lambda row: row[0])
    begins, steps, wall_times, *rest = zip(*rows, strict=True)
    ints = [np.array(column, np.int64) for column in (begins, steps, *rest)]
    return ints[0], Places(ints[1], np.array(wall_times, np.float64), *ints[2:])


def _in_order(parts: list[tuple[Ints, Points]]) -> tuple[Ints, Points]:
    import numpy as np  # noqa: PLC0415

    if len(parts) == 1:
        return parts[0]
    begins = np.concatenate([part[0] for part in parts])
    order = np.argsort(begins, kind="stable")
    steps, wall_times, values = zip(*(points for _, points in parts), strict=True)
    joined = Points(np.concatenate(steps), np.concatenate(wall_times), np.concatenate(values))
    return begins[order], joined.at(order)
