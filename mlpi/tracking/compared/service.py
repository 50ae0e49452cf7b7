"""Artifacts of several runs beside each other; knows no HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlpi.errors import Invalid, NotFound
from mlpi.tracking.compared.lines import Row, side_by_side
from mlpi.tracking.compared.store import artifact_uris
from mlpi.tracking.records import Run
from mlpi.tracking.run_page.files import Item
from mlpi.tracking.runs.service import MAX_COMPARED, RunsService

# Of each run: a listing may be a request to a store far away.
MAX_FOLDERS = 60
MAX_FILES = 1000
MAX_TEXT_BYTES = 256 * 1024
MAX_LINES = 2000


@dataclass(frozen=True, slots=True)
class Shared:
    """A path that at least two of the runs have, and its files by run id."""

    path: str
    files: dict[str, Item]


@dataclass(slots=True)
class ComparedFiles:
    """What runs have in common, and the chosen one of it.

    rows: of texts side by side, in the order of `having`; None when it is no text, and why says
    why a text is not shown.
    """

    runs: list[Run]
    shared: list[Shared]
    is_cut: bool = False
    chosen: Shared | None = None
    rows: list[Row] | None = None
    why: str = ""
    having: list[Run] = field(default_factory=list)

    def lacking(self, one: Shared) -> list[Run]:
        return [run for run in self.runs if run.id not in one.files]

    @property
    def is_image(self) -> bool:
        return self.chosen is not None and next(iter(self.chosen.files.values())).is_image

    @property
    def is_equal(self) -> bool:
        return self.rows is not None and not any(row.differs for row in self.rows)


class FileComparisons:
    """Lists and reads artifacts through MLflow's own store of them."""

    def __init__(self, service: RunsService) -> None:
        self._service = service

    def of(self, workspace: str, ids: Sequence[str], path: str = "") -> ComparedFiles:
        """The files that runs share, and one of them beside itself; the first when none is named.

        Raises Invalid, NotFound, NotReady.
        """
        found = self._runs(workspace, ids)
        by_path: dict[str, dict[str, Item]] = {}
        is_cut = False
        for run in found:
            files, is_whole = self._files(run)
            is_cut = is_cut or not is_whole
            for file in files:
                by_path.setdefault(file.path, {})[run.id] = file
        shared = [Shared(one, files) for one, files in sorted(by_path.items()) if len(files) > 1]
        compared = ComparedFiles(found, shared, is_cut)
        if path:
            compared.chosen = next((one for one in shared if one.path == path), None)
            if compared.chosen is None:
                raise NotFound(f"No two of these runs have {path[:200]}.")
        elif shared:
            compared.chosen = next(
                (one for one in shared if next(iter(one.files.values())).is_image), shared[0]
            )
        if compared.chosen:
            self._fill(compared, compared.chosen)
        return compared

    def _runs(self, workspace: str, ids: Sequence[str]) -> list[Run]:
        self._service.tracking.require_prepared()
        if not ids:
            raise Invalid("No runs are named.", advice="Tick some in an experiment's table.")
        if len(ids) > MAX_COMPARED:
            raise Invalid(f"These are {len(ids)} runs; at most {MAX_COMPARED} can be compared.")
        rows = self._service.store.of_workspace(workspace, ids)
        if not rows:
            raise NotFound("None of these runs is in this workspace.")
        uris = artifact_uris(self._service.store.engine, [row.run.id for row in rows])
        return [replace(row.run, artifact_uri=uris.get(row.run.id, "")) for row in rows]

    def _files(self, run: Run) -> tuple[list[Item], bool]:
        """The files of a run in all its folders, and whether those are all."""
        files: list[Item] = []
        folders = [""]
        for count in range(MAX_FOLDERS):
            if count >= len(folders):
                return files, True
            for item in self._service.tracking.artifacts(run, folders[count]):
                if item.is_dir:
                    folders.append(item.path)
                else:
                    files.append(item)
            if len(files) > MAX_FILES:
                return files[:MAX_FILES], False
        return files, len(folders) <= MAX_FOLDERS

    def _fill(self, compared: ComparedFiles, one: Shared) -> None:
        compared.having = [run for run in compared.runs if run.id in one.files]
        if compared.is_image:
            return
        sizes = [file.size_bytes for file in one.files.values()]
        if any(size is None or size > MAX_TEXT_BYTES for size in sizes):
            compared.why = f"Texts above {MAX_TEXT_BYTES // 1024} KiB are not compared here."
            return
        texts = []
        for run in compared.having:
            text = _text(self._read(run, one.path))
            if text is None:
                compared.why = "This is not text."
                return
            texts.append(text)
        if any(text.count("\n") > MAX_LINES for text in texts):
            compared.why = f"Texts of more than {MAX_LINES} lines are not compared here."
            return
        compared.rows = side_by_side(texts)

    def _read(self, run: Run, path: str) -> bytes:
        """The bytes of a file, of MAX_TEXT_BYTES at most. Raises NotReady, NotFound."""
        with self._service.tracking.files(run).opened(path) as local:
            return _head(local)


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MAX_TEXT_BYTES)


def _text(content: bytes) -> str | None:
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
