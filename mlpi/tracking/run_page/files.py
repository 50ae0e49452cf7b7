"""The files of a run or of a logged model: listing, opening, packing. Knows no HTTP.

Only what lies in MLflow's own artifact store is reached, and there only what belongs to the
workspace: an artifact location is text that any client may have written.
"""

from __future__ import annotations

import posixpath
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from mlpi.errors import Invalid, NotFound
from mlpi.tracking.run_page.viewers import kind_of

MOST_LISTED = 1000
MOST_PACKED = 10_000
_UPLOADING = ".artifact.uploading."  # MLflow's own, of a file that is not complete
FETCHED_BYTES = 200_000_000  # what is brought here from another store for looking at


@dataclass(frozen=True, slots=True)
class Item:
    """A file or folder; path is below the root of what was listed."""

    path: str
    is_dir: bool
    size_bytes: int | None

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def is_image(self) -> bool:
        return not self.is_dir and kind_of(self.name) == "image"


def clean_path(path: str) -> str:
    """A path below a root, as typed into an address. Raises NotFound."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or "\x00" in path or "\\" in path or len(path) > 4000:
        raise NotFound("There is no such file.")
    return "/".join(parts)


class Files:
    """What lies below one root. repository: MLflow's, of the whole store."""

    def __init__(self, repository: Any, root: str) -> None:
        self._repository = repository
        self._root = root
        self._folder: str | None = getattr(repository, "artifact_dir", None)

    def listed(self, path: str = "") -> list[Item]:
        """A folder's items, folders first, by name. Raises NotFound."""
        path = clean_path(path)
        if self._folder is not None:
            items = self._list_local(path)
        else:
            found = self._repository.list_artifacts(posixpath.join(self._root, path))
            items = [
                Item(posixpath.relpath(item.path, self._root), item.is_dir, item.file_size)
                for item in found
            ]
        return sorted(items, key=lambda item: (not item.is_dir, item.path))

    def _list_local(self, path: str) -> list[Item]:
        try:
            folder = self.local(path)
            assert folder is not None
            names = [child.name for child in folder.iterdir()]
        except NotADirectoryError:
            return []
        except NotFound:
            if not path:
                return []  # nothing was logged yet
            raise
        items = []
        for name in names:
            if name.startswith(_UPLOADING) or not _is_text(name):
                continue
            inside = posixpath.join(path, name)
            try:
                found = self.local(inside)
                assert found is not None
                is_dir = found.is_dir()
                items.append(Item(inside, is_dir, None if is_dir else found.stat().st_size))
            except (NotFound, OSError):
                continue  # a link that leads out, or gone meanwhile
        return items

    def item(self, path: str) -> Item:
        """A file or a folder. Raises NotFound."""
        path = clean_path(path)
        if not path:
            return Item("", True, None)
        local = self.local(path)
        if local is not None:
            is_dir = local.is_dir()
            return Item(path, is_dir, None if is_dir else local.stat().st_size)
        for item in self.listed(posixpath.dirname(path)):
            if item.path == path:
                return item
        raise NotFound(f"There is no file {path!r} here.")

    def local(self, path: str) -> Path | None:
        """Where it lies on this machine; None when the store is another one. Raises NotFound."""
        if self._folder is None:
            return None
        # MLflow's client cannot make a symbolic link; one that somebody made leads nowhere else.
        root = Path(self._folder, self._root).resolve()
        try:
            found = Path(root, clean_path(path)).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            raise NotFound(f"There is no file {path!r} here.") from None
        if not found.is_relative_to(root) or not (found.is_dir() or found.is_file()):
            raise NotFound(f"There is no file {path!r} here.")
        return found

    def fetched(self, path: str) -> tuple[Path, Callable[[], None]]:
        """A file on this machine, and what to call when done with it.

        Raises NotFound, Invalid when it lies in another store and is large.
        """
        item = self.item(path)
        if item.is_dir:
            raise NotFound(f"{path!r} is a folder.")
        local = self.local(path)
        if local is not None:
            return local, _nothing
        if (item.size_bytes or 0) > FETCHED_BYTES:
            raise Invalid(
                "This file is too large to be brought here from where it lies.",
                advice="mlflow.artifacts.download_artifacts() fetches it.",
            )
        folder = tempfile.TemporaryDirectory(prefix="mlpi-artifact-")
        try:
            inside = posixpath.join(self._root, clean_path(path))
            copy = self._repository.download_artifacts(inside, dst_path=folder.name)
        except BaseException:
            folder.cleanup()
            raise
        return Path(copy), folder.cleanup

    @contextmanager
    def opened(self, path: str) -> Iterator[Path]:
        """A file on this machine for as long as the block lasts."""
        local, done = self.fetched(path)
        try:
            yield local
        finally:
            done()

    def walk(self, path: str) -> Iterator[Item]:
        """All files below a folder. Raises Invalid when there are too many to pack."""
        count = 0
        waiting = [clean_path(path)]
        while waiting:
            for item in self.listed(waiting.pop()):
                if item.is_dir:
                    waiting.append(item.path)
                    continue
                count += 1
                if count > MOST_PACKED:
                    raise Invalid(
                        f"This folder holds more than {MOST_PACKED} files.",
                        advice="mlflow.artifacts.download_artifacts() fetches them.",
                    )
                yield item

    def packed(self, items: list[Item], base: str) -> Iterator[bytes]:
        """A ZIP of these files, piece by piece, never as a whole; names are below base."""
        pipe = _Pipe()
        with zipfile.ZipFile(cast(IO[bytes], pipe), "w", zipfile.ZIP_STORED) as archive:
            for item in items:
                try:
                    with self.opened(item.path) as local, local.open("rb") as source:
                        info = zipfile.ZipInfo(posixpath.relpath(item.path, base or "."))
                        with archive.open(info, "w", force_zip64=True) as target:
                            while piece := source.read(1 << 20):
                                target.write(piece)
                                yield pipe.taken()
                except NotFound:
                    continue  # a link that leads out, or a file that went meanwhile
        yield pipe.taken()


class _Pipe:
    """What zipfile writes to: it cannot be sought, and gives away what it holds."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        return

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _nothing() -> None:
    return


def _is_text(name: str) -> bool:
    """Whether a file's name can be written into a page at all."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
