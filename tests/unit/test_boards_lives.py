"""Whatever happens to event files, what is held is what a fresh reader finds in them.

Two machines make lives up: one of a reader with its cache, one of a whole library, whose thread's
steps are taken by hand. BOARDS_FUZZ=n lengthens both n times.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from mlpi.boards import cache, keeping, library
from mlpi.boards.cache import Cache
from mlpi.boards.library import Library
from mlpi.boards.reader import files
from mlpi.boards.reader.run import RunReader
from tests.event_files import event, header, ours, record, restart, simple, tensor

LONGER = int(os.environ.get("BOARDS_FUZZ", "1"))
TAGS = ("loss", "rate", "said", "été", "two\0parts")


def made(begin: int, count: int) -> Iterator[bytes]:
    """Records of scalars of both kinds, of text, and now and then none at all."""
    for step in range(begin, begin + count):
        yield event(step, simple("loss", step / 3), simple("two\0parts", -step))
        yield event(step, tensor("rate", step / 7, plugin="scalars"))
        if step % 3 == 0:
            yield event(step, tensor("said", [f"at {step}".encode()], plugin="text"))
        if step % 11 == 0:
            yield record(b"\xff no event")
        if step % 13 == 0:
            yield event(step, simple("été", step))


def everything(reader: RunReader) -> tuple[object, ...]:
    held = reader.held
    entries = {
        tag: [(*entry, reader.content(entry)) for entry in reader.entries(tag)]
        for tag, series in held.entries.items()
        if len(series)
    }
    problems = sorted((one.path.name, one.offset, one.what) for one in reader.problems)
    lengths = {tag: len(series) for tag, series in held.series.items() if len(series)}
    assert lengths == {tag: len(rows) for tag, rows in ours(held).items()}
    for series in held.series.values():
        whole = series.points()
        assert series.last().steps.tolist() == whole.steps[-1:].tolist()
    told = held.metadata, held.plugins, held.began_at
    return ours(held), entries, told, problems, reader.is_waiting


def fresh(folder: Path) -> tuple[object, ...]:
    reader = RunReader(folder)
    reader.refresh()
    return everything(reader)


class Folder:
    """A run's folder to which things happen. Files grow one after another, as writers do."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.rest = b""
        self.is_torn = False  # its last file was cut: nobody writes on there
        path.mkdir(parents=True, exist_ok=True)

    @property
    def files(self) -> list[Path]:
        return sorted(self.path.glob("*tfevents*"))

    def begin_file(self) -> None:
        self.rest, self.is_torn = b"", False
        if self.files and self.files[-1].stat().st_size < len(header(1.0)):
            self.files[-1].unlink()  # one that grows later than the next is taken behind it
        self.count += 1
        name = f"events.out.tfevents.{1790000000 + self.count}.pi"
        (self.path / name).write_bytes(header(float(self.count)))

    def append(self, data: bytes, cut: int) -> None:
        """cut: so many bytes come with the next records only."""
        if self.is_torn or not self.files:
            self.begin_file()
        data = self.rest + data
        cut = min(cut, len(data))
        self.rest = data[len(data) - cut :]
        with self.files[-1].open("ab") as file:
            file.write(data[: len(data) - cut])

    def replace(self, number: int, data: bytes) -> None:
        path = self.files[number % len(self.files)]
        beside = path.with_name(".beside")
        beside.write_bytes(data)
        beside.replace(path)
        self.rest = b""
        self.is_torn = self.is_torn and path != self.files[-1]

    def truncate(self, number: int, part: float) -> None:
        path = self.files[number % len(self.files)]
        # An earlier file of which nothing was read is taken when it grows, behind later ones.
        least = 0 if path == self.files[-1] else len(header(1.0))
        os.truncate(path, max(least, int(path.stat().st_size * part)))
        self.rest, self.is_torn = b"", self.is_torn or path == self.files[-1]

    def unlink(self, number: int) -> None:
        self.files[number % len(self.files)].unlink()
        self.rest = b""


NUMBERS = st.integers(0, 5)
CUTS = st.sampled_from([0, 0, 0, 1, 5, 40])
BUDGETS = st.sampled_from([1, 300, 2000, 1 << 40])


class Small:
    """Constants so small that everything happens soon."""

    def __init__(self) -> None:
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(files, "CHUNK", 700)
        self._patch.setattr(cache, "MOST_ROWS", 40)
        self._patch.setattr(cache, "FEW_ROWS", 10)
        self._patch.setattr(library, "SLICE_BYTES", 1500)
        self._patch.setattr(keeping, "SAVE_BYTES", 2500)
        self._patch.setattr(keeping, "BUDGET_BYTES", 5000)

    def undo(self) -> None:
        self._patch.undo()


class ReaderLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.small = Small()
        self.home = Path(tempfile.mkdtemp())
        self.folder = Folder(self.home / "run")
        self.folder.begin_file()
        self.step = 100
        self.cache = Cache(self.home / "boards.sqlite3")
        self.name = "run"
        self.reader = RunReader(self.folder.path, load=self.cache.load)

    def teardown(self) -> None:
        self.read_to_the_end()
        self.cache.close()
        self.small.undo()
        shutil.rmtree(self.home)

    @rule(count=st.integers(0, 30), cut=CUTS)
    def append(self, count: int, cut: int) -> None:
        self.folder.append(b"".join(made(self.step, count)), cut)
        self.step += count

    @rule(back=st.integers(0, 60))
    def begin_anew_from(self, back: int) -> None:
        self.step = max(0, self.step - back)
        self.folder.append(restart(self.step), 0)

    @rule()
    def begin_file(self) -> None:
        self.folder.begin_file()

    @precondition(lambda self: self.folder.files)
    @rule(number=NUMBERS, count=st.integers(0, 30))
    def replace(self, number: int, count: int) -> None:
        self.step += 1
        data = header(float(-self.step)) + b"".join(made(self.step, count))
        self.folder.replace(number, data)

    @precondition(lambda self: self.folder.files)
    @rule(number=NUMBERS, part=st.floats(0, 1))
    def truncate(self, number: int, part: float) -> None:
        self.folder.truncate(number, part)

    @precondition(lambda self: self.folder.files)
    @rule(number=NUMBERS)
    def unlink(self, number: int) -> None:
        self.folder.unlink(number)

    @rule(budget=BUDGETS)
    def refresh(self, budget: int) -> None:
        self.reader.refresh(budget)

    @rule()
    def save(self) -> None:
        self.cache.save("lab", self.name, self.reader)

    @rule(is_clean=st.booleans())
    def start_again(self, is_clean: bool) -> None:
        if is_clean:
            self.save()
        self.cache.close()
        self.cache = Cache(self.home / "boards.sqlite3")
        self.reader = RunReader(self.folder.path, load=self.cache.load)
        self.cache.restore("lab", self.name, self.reader)

    @rule()
    def rename(self) -> None:
        self.name = {"run": "other", "other": "run"}[self.name]
        target = self.home / self.name
        self.folder.path.rename(target)
        self.folder.path = target
        self.reader.moved(target)
        self.cache.rename("lab", {"run": "other", "other": "run"}[self.name], self.name)

    @rule()
    def read_to_the_end(self) -> None:
        while self.reader.refresh(2000).has_more:
            pass
        assert everything(self.reader) == fresh(self.folder.path)


class LibraryLife(RuleBasedStateMachine):
    """Runs come, grow, are renamed and removed while the library reads slice by slice."""

    runs = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.small = Small()
        self.home = Path(tempfile.mkdtemp())
        self.root = self.home / "tensorboard"
        self.root.mkdir()
        self.folders: dict[str, Folder] = {}
        self.count = 0
        self.step = 100
        self.library = self.opened()

    def opened(self) -> Library:
        one = Library(self.root, Cache(self.home / "boards.sqlite3"))
        one._scan_all()
        one._has_scanned.set()
        return one

    def teardown(self) -> None:
        self.read_to_the_end()
        self.library.stop()
        self.small.undo()
        shutil.rmtree(self.home)

    def folder(self, name: str) -> Folder:
        if name not in self.folders:
            self.folders[name] = Folder(self.root / "lab" / name)
            self.folders[name].begin_file()
        return self.folders[name]

    @rule(target=runs, is_deep=st.booleans())
    def begin(self, is_deep: bool) -> str:
        self.count += 1
        name = f"deep/er/r{self.count}" if is_deep else f"r{self.count}"
        self.folder(name)
        return name

    @rule(name=runs, count=st.integers(0, 60), cut=CUTS)
    def append(self, name: str, count: int, cut: int) -> None:
        self.folder(name).append(b"".join(made(self.step, count)), cut)
        self.step += count

    @rule(name=runs)
    def begin_file(self, name: str) -> None:
        self.folder(name).begin_file()

    @rule(name=runs, number=NUMBERS, part=st.floats(0, 1))
    def truncate(self, name: str, number: int, part: float) -> None:
        if self.folder(name).files:
            self.folder(name).truncate(number, part)

    @rule(name=runs)
    def tell(self, name: str) -> None:
        """As inotify does."""
        self.library._on_change("lab", name)

    @rule()
    def look(self) -> None:
        self.library._scan_all()

    @rule()
    def read_a_slice(self) -> None:
        self.library._read_next()

    @rule()
    def save(self) -> None:
        for run in self.library.runs("lab"):
            self.library._keeper.save(run)

    @rule(is_clean=st.booleans())
    def start_again(self, is_clean: bool) -> None:
        if is_clean:
            self.library.stop()
        else:
            self.library._cache.close()
        self.library = self.opened()

    @rule(target=runs, name=consumes(runs))
    def rename(self, name: str) -> Any:
        self.look()
        if name not in {run.name for run in self.library.runs("lab")}:
            return name
        self.count += 1
        new = f"renamed/r{self.count}"
        self.library.rename("lab", name, new)
        folder = self.folders.pop(name)
        folder.path = self.root / "lab" / new
        self.folders[new] = folder
        return new

    @rule(name=consumes(runs), target=runs)
    def remove(self, name: str) -> Any:
        if name not in {run.name for run in self.library.runs("lab")}:
            return name
        self.library.remove("lab", name)
        del self.folders[name]
        return multiple()

    @rule()
    def read_to_the_end(self) -> None:
        self.look()
        for _ in range(10_000):
            if not self.library._read_next():
                break
        found = self.library.runs("lab")
        existing = {name for name, folder in self.folders.items() if folder.files}
        assert {run.name for run in found} == existing
        for run in found:
            assert not run.failure
            assert not run.is_reading
            assert everything(run.reader) == fresh(self.root / "lab" / run.name)

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert self.library.trouble == ""
        assert not self.library._cache.is_broken


how = settings(
    deadline=None,
    max_examples=6 * LONGER,
    stateful_step_count=30,
    suppress_health_check=list(HealthCheck),
)
TestReaderLife = pytest.mark.timeout(600 * LONGER)(ReaderLife.TestCase)
TestReaderLife.settings = how
TestLibraryLife = pytest.mark.timeout(600 * LONGER)(LibraryLife.TestCase)
TestLibraryLife.settings = how
