"""One tag's values over time: where they stand, found without being read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

from mlpi.boards.kinds.errors import ContentBroken, ContentError
from mlpi.boards.library import Run
from mlpi.boards.reader.columns import Places, SegmentGone
from mlpi.boards.reader.events import KIND_NAMES
from mlpi.boards.reader.run import Entry
from mlpi.boards.reader.wire import WireError
from mlpi.errors import Conflict, NotFound

IMAGES, AUDIO, HISTOGRAMS, TEXT = "images", "audio", "histograms", "text"
# What entries of a plugin may be: its own message of before 2018, or a tensor.
FORMS = {
    IMAGES: ("image", "tensor"),
    AUDIO: ("audio", "tensor"),
    HISTOGRAMS: ("histogram", "tensor"),
    TEXT: ("tensor",),
}

T = TypeVar("T")


def tags_of(run: Run, plugin: str) -> list[str]:
    """A run's tags that have values of this plugin, by name."""
    held = run.reader.held
    return sorted(
        tag
        for tag, entries in list(held.entries.items())
        if held.plugins.get(tag) == plugin and len(entries)
    )


class Timeline:
    """One tag of a run, as it was when asked for, in the order of the files."""

    def __init__(self, run: Run, tag: str, plugin: str) -> None:
        """Raises NotFound when the run has no value of this kind under the tag."""
        import numpy as np  # noqa: PLC0415 - is there already, with the columns

        held = run.reader.held
        series = held.entries.get(tag)
        if series is None or held.plugins.get(tag) != plugin:
            raise NotFound(f"Run {run.name!r} has no {plugin} under {tag[:200]!r}.")
        self.run, self.tag = run, tag
        self._files = held.files
        try:
            places = series.points()
        except SegmentGone:
            raise Conflict("The run changes too fast to be read.", advice="Try again.") from None
        forms = [KIND_NAMES.index(name) for name in FORMS[plugin]]
        is_form = np.isin(places.kinds, forms)
        self._places: Places = places if is_form.all() else places.at(is_form)
        if not len(self):
            raise NotFound(f"Run {run.name!r} has no {plugin} under {tag[:200]!r}.")

    def __len__(self) -> int:
        return len(self._places.steps)

    @property
    def steps(self) -> list[int]:
        steps: list[int] = self._places.steps.tolist()
        return steps

    @property
    def wall_times(self) -> list[float]:
        """Unix seconds."""
        times: list[float] = self._places.wall_times.tolist()
        return times

    def entry(self, index: int) -> Entry:
        """Raises NotFound."""
        if not 0 <= index < len(self):
            raise NotFound(f"{self.tag[:200]!r} has {len(self)} values, and none is {index}.")
        row = [column[index].item() for column in self._places]
        step, wall_time, file, offset, length, kind = row
        return Entry(self._files[file], offset, length, KIND_NAMES[kind], step, wall_time)

    def nearest(self, step: int | None) -> int:
        """The newest value at or before a step, the first when there is none; None: the newest."""
        import numpy as np  # noqa: PLC0415

        steps = self._places.steps
        if step is None:
            return len(steps) - 1
        before = np.flatnonzero(steps <= step)
        if not len(before):
            return int(steps.argmin())
        return int(before[len(before) - 1 - steps[before][::-1].argmax()])

    def thinned(self, most: int) -> list[int]:
        """At most so many indices, evenly over all, with the first and the last."""
        count = len(self)
        if count <= most:
            return list(range(count))
        return sorted({round(at * (count - 1) / (most - 1)) for at in range(most)})

    def key(self, index: int) -> str:
        """Another one for every other value, so that a cache may keep it for ever."""
        entry = self.entry(index)
        said = f"{self.run.name}\n{self.tag}\n{entry!r}"
        return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:20]

    def read(self, index: int, decode: Callable[[bytes, str], T]) -> T:
        """A value. decode: of its bytes and form. Raises NotFound, ContentBroken."""
        entry = self.entry(index)
        try:
            data = self.run.reader.content(entry)
        except OSError as error:
            raise self._broken(entry, error.strerror or "the file went away") from None
        if len(data) != entry.length:
            raise self._broken(entry, "the file ends within it")
        try:
            return decode(data, entry.kind)
        except (ContentError, WireError) as error:
            raise self._broken(entry, str(error)) from None

    def _broken(self, entry: Entry, what: str) -> ContentBroken:
        return ContentBroken(
            f"{self.tag[:200]!r} of run {self.run.name!r} cannot be read at step {entry.step}: "
            f"{what} ({entry.file}, byte {entry.offset}).",
            advice="The other steps can be looked at.",
        )
