"""What a table of runs shows; knows no HTTP."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mlpi.auth.roles import Principal
from mlpi.errors import Invalid, NotFound
from mlpi.tracking.records import Experiment
from mlpi.tracking.runs import parquet
from mlpi.tracking.runs.filter import FilterWrong
from mlpi.tracking.runs.marks import Marks
from mlpi.tracking.runs.models import SavedView
from mlpi.tracking.runs.records import Group, KeyCount, RunRow, Value
from mlpi.tracking.runs.saved import SavedViews
from mlpi.tracking.runs.store import COUNT_UP_TO, RunsStore
from mlpi.tracking.runs.view import KEYED, Field, View, write_cursor
from mlpi.tracking.service import TrackingService, plain_first

AUTO_METRICS = 6
AUTO_PARAMS = 4
MAX_COMPARED = 20
MAX_DEPTH = 5


@dataclass(slots=True)
class Table:
    """One page of an experiment's runs under a view, or the reason why there is none."""

    experiment: Experiment
    view: View
    marks: Marks
    columns: Sequence[Field] = ()
    pinned: Sequence[RunRow] = ()
    rows: Sequence[RunRow] = ()
    groups: Sequence[Group] | None = None
    next_after: str = ""
    count: int = 0
    error: FilterWrong | None = None
    dataset_names: Sequence[str] = ()
    saved: Sequence[tuple[SavedView, str]] = ()
    current: SavedView | None = None

    @property
    def is_counted_up(self) -> bool:
        """Whether there are more runs than were counted."""
        return self.count > COUNT_UP_TO

    @property
    def has_datasets(self) -> bool:
        return any(row.datasets for row in (*self.pinned, *self.rows))

    @property
    def group_choices(self) -> list[str]:
        """What the runs can be grouped by without typing."""
        keys = [one.text for one in self.columns if not one.is_metric]
        mine = [self.view.group.text] if self.view.group else []
        return list(dict.fromkeys([*mine, "attributes.status", "attributes.user_id", *keys]))


@dataclass(frozen=True, slots=True)
class Line:
    """One metric, param or tag of the runs compared; values stand in the order of the runs."""

    key: str
    values: list[Value | None]

    @property
    def differs(self) -> bool:
        return len({repr(value) for value in self.values}) > 1  # where NaN equals NaN


@dataclass(frozen=True, slots=True)
class Comparison:
    rows: list[RunRow]
    lines: dict[str, list[Line]] = field(default_factory=dict)


class RunsService:
    """Tables of runs, their choosers, downloads and comparisons."""

    def __init__(self, tracking: TrackingService, store: RunsStore, saved: SavedViews) -> None:
        self.tracking = tracking
        self.store = store
        self.saved = saved

    def experiment(self, workspace: str, experiment_id: str) -> Experiment:
        """Raises NotFound, NotReady."""
        self.tracking.require_prepared()
        return self.tracking.store.experiment(workspace, experiment_id)

    def marks(self, principal: Principal, experiment_id: str, view: View) -> Marks:
        """Those of the saved view that is looked at, or else the user's own."""
        if view.saved_id is not None:
            try:
                saved = self.saved.get(principal.workspace or "", experiment_id, view.saved_id)
            except NotFound:
                pass  # removed meanwhile; the rest of the address still stands
            else:
                return Marks.of(saved.marks)
        return self.saved.marks(principal, experiment_id)

    def table(self, principal: Principal, experiment_id: str, view: View) -> Table:
        """A page of runs. Raises NotFound, NotReady, Invalid; a wrong filter is in its error."""
        workspace = principal.workspace or ""
        experiment = self.experiment(workspace, experiment_id)
        number = int(experiment_id)
        table = Table(experiment, view, self.marks(principal, experiment_id, view))
        table.saved = self.saved.page(workspace, experiment_id)
        table.current = next((one for one, _ in table.saved if one.id == view.saved_id), None)
        table.dataset_names = self.store.dataset_names(number)
        try:
            self._fill_grouped(table, number) if view.group else self._fill_paged(table, number)
        except FilterWrong as error:
            table.error = error
            table.columns = view.columns
        return table

    def _fill_paged(self, table: Table, number: int) -> None:
        view, marks = table.view, table.marks
        hidden = () if view.shows_hidden else marks.hidden
        is_first = not view.after and not view.is_deleted
        if is_first:
            table.pinned = self.store.chosen(number, marks.pinned)
        found = self.store.page(number, view, (*hidden, *(marks.pinned if is_first else ())))
        if len(found) > view.size:
            found = found[: view.size]
            table.next_after = write_cursor(found[-1].cursor)
        table.count = len(found)
        if view.after or table.next_after or view.is_nested:
            table.count = self.store.count(number, view)
        else:
            table.count += len(table.pinned)
        table.rows = self._unfolded(number, view, found) if view.is_nested else found
        every = [*table.pinned, *table.rows]
        table.columns = view.columns or self._columns(every)
        self.store.fill(every, table.columns)
        self.store.fill_datasets(every)

    def _unfolded(self, number: int, view: View, rows: list[RunRow]) -> list[RunRow]:
        """The rows with their nested runs counted, and below them those that are opened."""
        below: dict[str, list[RunRow]] = {}
        level = rows
        for depth in range(1, MAX_DEPTH + 1):
            counts = self.store.child_counts(number, [row.run.id for row in level])
            for row in level:
                row.child_count = counts.get(row.run.id, 0)
            opened = [row.run.id for row in level if row.child_count and row.run.id in view.opened]
            level = self.store.children(number, opened)
            for row in level:
                row.depth = depth
                below.setdefault(row.parent_id, []).append(row)
            if not level:
                break

        def walk(some: Sequence[RunRow]) -> Iterator[RunRow]:
            for row in some:
                yield row
                yield from walk(below.get(row.run.id, ()))

        return list(walk(rows))

    def _fill_grouped(self, table: Table, number: int) -> None:
        view = table.view
        columns = view.columns
        if not columns:
            newest = self.store.page(number, view.with_(group=None, size=50, is_flat=True))
            columns = tuple(self._columns(newest))
        table.columns = columns
        hidden = () if view.shows_hidden else table.marks.hidden
        table.groups = self.store.groups(number, view, columns, hidden)
        table.count = sum(group.count for group in table.groups)

    def _columns(self, rows: Sequence[RunRow]) -> list[Field]:
        """Metrics and params that most of the rows have, in the order people look for them."""
        found = self.store.commonest([row.run.id for row in rows])
        chosen = []
        for kind, limit in (("metrics", AUTO_METRICS), ("params", AUTO_PARAMS)):
            counts = dict(found[kind])
            ranked = sorted(
                plain_first(counts), key=lambda key: (key.startswith("system/"), -counts[key])
            )
            chosen += [Field(kind, key) for key in ranked[:limit]]
        return chosen

    def keys(
        self, workspace: str, experiment_id: str, view: View, *, of_all: bool = False
    ) -> list[KeyCount]:
        """What columns there are to choose from. Raises NotFound."""
        self.experiment(workspace, experiment_id)
        return self.store.keys(int(experiment_id), is_deleted=view.is_deleted, of_all=of_all)

    def csv(self, principal: Principal, experiment_id: str, view: View) -> Iterator[str]:
        """All runs of a view as CSV, chunk by chunk; all columns when none is chosen.

        Raises NotFound, FilterWrong before the first chunk.
        """
        return self._lines(*self._download(principal, experiment_id, view))

    def parquet(self, principal: Principal, experiment_id: str, view: View) -> Iterator[bytes]:
        """What the CSV holds, as Parquet. Raises NotFound, FilterWrong, ParquetFailed first."""
        number, view, columns, hidden = self._download(principal, experiment_id, view)
        return parquet.stream(columns, self.store.every(number, view, columns, hidden))

    def _download(
        self, principal: Principal, experiment_id: str, view: View
    ) -> tuple[int, View, Sequence[Field], Sequence[str]]:
        """Experiment, view, columns and hidden runs of a file of all runs."""
        self.experiment(principal.workspace or "", experiment_id)
        number = int(experiment_id)
        view = view.with_(is_flat=True, group=None)
        view.clauses  # noqa: B018 - raises when the filter is wrong
        columns = list(view.columns)
        if not columns:
            keys = self.store.keys(number, is_deleted=view.is_deleted, of_all=True)
            texts = (one.text for one in keys if not one.key.startswith("mlflow."))
            columns = [Field.of(text) for text in texts]
            columns.sort(key=lambda one: (KEYED.index(one.kind), one.key))
        marks = self.marks(principal, experiment_id, view)
        hidden = () if view.shows_hidden else marks.hidden
        return number, view, columns, hidden

    def _lines(
        self, number: int, view: View, columns: Sequence[Field], hidden: Sequence[str]
    ) -> Iterator[str]:
        yield _csv([[*parquet.OWN, *(column.text for column in columns)]])
        for rows in self.store.every(number, view, columns, hidden):
            yield _csv([_cells(row, columns) for row in rows])

    def compare(self, workspace: str, ids: Sequence[str]) -> Comparison:
        """Metrics, params and tags of some runs side by side. Raises Invalid, NotFound."""
        self.tracking.require_prepared()
        if not ids:
            raise Invalid("No runs are named.", advice="Tick some in an experiment's table.")
        if len(ids) > MAX_COMPARED:
            raise Invalid(
                f"These are {len(ids)} runs; at most {MAX_COMPARED} can be compared at once."
            )
        rows = self.store.of_workspace(workspace, ids)
        if not rows:
            raise NotFound("None of these runs is in this workspace.")
        self.store.fill_datasets(rows)
        ids = [row.run.id for row in rows]
        found = self.store.everything(ids)
        lines = {
            kind: [
                Line(key, [by_run.get(id_) for id_ in ids])
                for key in (plain_first(keys) if kind == "metrics" else sorted(keys))
                for by_run in [keys[key]]
            ]
            for kind, keys in found.items()
        }
        return Comparison(rows, lines)


def _cells(row: RunRow, columns: Sequence[Field]) -> list[object]:
    run = row.run
    times = [at.isoformat() if at else "" for at in (run.started_at, run.ended_at)]
    values = [row.values.get(column.text, "") for column in columns]
    return [run.id, run.name, run.status, *times, run.user, *values]


def _csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def spot(text: str, error: FilterWrong, width: int = 64) -> tuple[str, str, str]:
    """The filter before, at and behind the place of an error, cut to about this many characters."""
    plain = re.sub(r"\s", " ", text)
    start, end = min(error.start, len(plain)), min(error.end, len(plain))
    before, wrong, behind = plain[:start], plain[start:end], plain[end:]
    if len(wrong) > width:
        wrong = wrong[: width - 1] + "…"
    room = max(12, (width - len(wrong)) // 2)
    if len(before) > room:
        before = "…" + before[-room:]
    if len(behind) > room:
        behind = behind[:room] + "…"
    return before, wrong, behind
