"""Which MLflow run a run belongs to: said on its page, by a file in its folder, or by a tag."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

from mlpi.boards.library import Run
from mlpi.boards.reader.columns import SegmentGone
from mlpi.boards.reader.files import opened
from mlpi.boards.reader.wire import BYTES, WireError, fields
from mlpi.boards.service import BoardsService, Shown
from mlpi.errors import Invalid
from mlpi.sync.protocol import RUN_ID_FILE

# torch and tensorboardX write the second when asked for the first.
TAGS = ("mlflow_run_id", "mlflow_run_id/text_summary")
PAGE, FILE, TAG = "page", "file", "tag"
MOST_BYTES = 200  # of a text that is an id
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_STRING_VAL = 8  # field of TensorProto


@dataclass(frozen=True, slots=True)
class Tie:
    """run_id: '' when what was written is none, which `written` quotes. source: who says so."""

    run_id: str
    source: str
    written: str = ""


class Ties:
    """What is written is read again only when it has changed."""

    def __init__(self, service: BoardsService) -> None:
        self._service = service
        self._of_files: dict[tuple[str, str], tuple[tuple[int, int, int], str]] = {}
        self._of_tags: dict[tuple[str, str], tuple[int, str]] = {}

    def of(self, shown: Shown) -> Tie | None:
        """None: nobody has said so. The page goes before the file, the file before the tag."""
        if shown.mlflow_run_id:
            return Tie(shown.mlflow_run_id, PAGE)
        for source, written in ((FILE, self._file(shown.run)), (TAG, self._tag(shown.run))):
            if written:
                return _tie(written, source)
        return None

    def named_by(self, workspace: str, run_id: str) -> list[Shown]:
        """The runs that belong to an MLflow run, by name."""
        found = []
        for shown in self._service.listed(workspace, is_archived=None):
            tie = self.of(shown)
            if tie is not None and tie.run_id == run_id:
                found.append(shown)
        return found

    def _file(self, run: Run) -> str:
        path = run.reader.folder / RUN_ID_FILE
        try:
            status = path.lstat()
        except OSError:
            self._of_files.pop(run.key, None)
            return ""
        state = (status.st_ino, status.st_mtime_ns, status.st_size)
        kept = self._of_files.get(run.key)
        if kept is None or kept[0] != state:
            written = ""
            with suppress(OSError), opened(path) as file:
                written = file.read(MOST_BYTES).decode("utf-8", "replace").strip()
            kept = self._of_files[run.key] = (state, written)
        return kept[1]

    def _tag(self, run: Run) -> str:
        kept = self._of_tags.get(run.key)
        version = run.version
        if kept is None or kept[0] != version:
            kept = self._of_tags[run.key] = (version, _text(run))
        return kept[1]


def checked_id(text: str) -> str | None:
    """An MLflow run's id as typed, also as the end of its page's address; None for nothing.

    Raises Invalid.
    """
    text = text.strip()
    if not text:
        return None
    typed = text.split("?")[0].rstrip("/").rpartition("/")[2].lower()
    if not _RUN_ID.fullmatch(typed):
        raise Invalid(
            "This is no id of an MLflow run.",
            advice="It has 32 of 0–9 and a–f; the run's page shows it.",
            field="mlflow_run_id",
        )
    return typed


def _tie(written: str, source: str) -> Tie:
    if _RUN_ID.fullmatch(written.lower()):
        return Tie(written.lower(), source)
    return Tie("", source, written[:80])


def _text(run: Run) -> str:
    """What the tag says last; '' when there is none, or none that can be read."""
    for tag in TAGS:
        if tag not in run.reader.held.entries:
            continue
        with suppress(SegmentGone, OSError, WireError, IndexError):
            data = run.reader.content(run.reader.entries(tag)[-1])[: 4 * MOST_BYTES]
            for number, wire, begin, end in fields(data, 0, len(data)):
                if (number, wire) == (_STRING_VAL, BYTES):
                    return data[begin:end].decode("utf-8", "replace").strip()
    return ""
