"""JSON-MIN, CSV and TSV: one record for each annotation."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import orjson

from mlpi.labels.exporting.items import Item, pretty

ALWAYS = ("annotator", "annotation_id", "created_at", "updated_at", "lead_time")
RISKY = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets take for a formula's beginning
LINES = 500  # of one part


def json_min(items: Iterable[Item]) -> Iterator[bytes]:
    """A JSON list, a record a line."""
    yield b"[\n"
    is_first = True
    for one in items:
        yield (b"" if is_first else b",\n") + orjson.dumps(_minimal(one))
        is_first = False
    yield b"\n]"


def _minimal(one: Item) -> dict[str, Any]:
    found = {**one.input, "id": one.task_id}
    for name, values in one.output.items():
        found[name] = pretty(values)
    found["annotator"] = one.annotator
    for name in ALWAYS[1:]:
        found[name] = getattr(one, name)
    return found


@dataclass
class Records:
    """Records that wait in a file until all their columns are known.

    A field of the task's data that is called like a control is written as _data_<field> in all
    records, because which names meet is known only at the end.
    """

    file: IO[bytes]
    _inputs: set[str] = field(default_factory=set)
    _outputs: set[str] = field(default_factory=set)

    def take(self, items: Iterable[Item]) -> None:
        for one in items:
            self._inputs.update(one.input)
            self._outputs.update(one.output)
            answers = {name: pretty(values) for name, values in one.output.items()}
            rest = {name: getattr(one, name) for name in ALWAYS[1:]}
            rest["annotator"] = None if one.annotator is None else str(one.annotator)
            self.file.write(orjson.dumps([one.task_id, one.input, answers, rest]))
            self.file.write(b"\n")

    @property
    def columns(self) -> list[str]:
        """By name."""
        meeting = self._inputs & self._outputs
        inputs = {_input_name(name, meeting) for name in self._inputs}
        return sorted({"id", *ALWAYS, *inputs, *self._outputs})

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each record by column; lists and objects are JSON."""
        meeting = self._inputs & self._outputs
        self.file.seek(0)
        for line in self.file:
            task_id, given, answers, rest = orjson.loads(line)
            row = {"id": task_id}
            for name, value in answers.items():
                row[name] = value if isinstance(value, str) else _json(value)
            for name, value in given.items():
                is_plain = not isinstance(value, dict | list)
                row[_input_name(name, meeting)] = value if is_plain else _json(value)
            yield {**row, **rest}


def delimited(records: Records, delimiter: str, *, is_raw: bool = False) -> Iterator[bytes]:
    """CSV with its columns by name. Texts are quoted, numbers are not.

    Texts that a spreadsheet would take for a formula get an apostrophe before them, unless raw.
    """
    columns = records.columns
    target = io.StringIO(newline="")
    writer = csv.writer(target, quoting=csv.QUOTE_NONNUMERIC, delimiter=delimiter)

    def cell(value: Any) -> Any:
        return value if is_raw else defused(value)

    def taken() -> bytes:
        text = target.getvalue()
        target.seek(0)
        target.truncate()
        return text.encode("utf-8", "replace")

    writer.writerow([cell(name) for name in columns])
    for number, row in enumerate(records.rows(), 1):
        writer.writerow([cell(row.get(name, "")) for name in columns])
        if number % LINES == 0:
            yield taken()
    yield taken()


def defused(value: Any) -> Any:
    """A text that begins like a formula, with an apostrophe before it; anything else as it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(RISKY) else value


def kinds_of(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Of each column what all its values are: boolean, integer, number, or else text."""
    found: dict[str, str] = {}
    for row in rows:
        for name in columns:
            value = row.get(name)
            if value is not None:
                found[name] = _wider(found.get(name), _kind(value))
    return {name: found.get(name, "text") for name in columns}


def _kind(value: Any) -> str:
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number")):
        if isinstance(value, kind):
            return "text" if name == "integer" and abs(value) >= 1 << 63 else name
    return "text"


def _wider(known: str | None, kind: str) -> str:
    if known is None or known == kind:
        return kind
    return "number" if {known, kind} == {"integer", "number"} else "text"


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _input_name(name: str, meeting: set[str]) -> str:
    return f"_data_{name}" if name in meeting else name
