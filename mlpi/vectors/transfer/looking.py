"""A first look into a file: its columns, some of its rows, and what becomes of them, proposed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import date, time
from itertools import islice
from pathlib import Path
from typing import Any

from mlpi.vectors.transfer.formats import PARQUET, opened
from mlpi.vectors.transfer.formats.source import BadRow, FileBroken
from mlpi.vectors.transfer.making import numbers_of
from mlpi.vectors.transfer.plan import AS_IS, KINDS, Field, Plan, families

LOOKED_AT = 200  # rows
SHOWN = 3  # of them
LOOK_S = 60.0
_LONGEST = 160  # characters of a value that is shown
# 00123 is no number but a code that somebody will look for as it is.
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"-?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
_WORDS = {
    "id": ("id", "_id", "ids", "uuid", "key"),
    "document": ("document", "documents", "text", "content", "body", "page_content"),
    "uri": ("uri", "uris"),
    "object": ("metadata", "metadatas"),
}
_VECTORS = ("embedding", "embeddings", "vector", "vectors")


@dataclass(frozen=True, slots=True)
class Column:
    """A column, or those of a vector together. guess: a kind of KINDS; size: of a vector."""

    name: str
    examples: list[str]
    guess: str
    count: int = 1
    size: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What a file holds. total: its rows where the file knows; columns: the real ones' names."""

    columns: list[str]
    shown: list[Column]
    total: int | None
    proposal: dict[str, Any]
    texts: bool


def look(path: Path, kind: str, prefix: str) -> Look:
    """Look into a file. Raises FileBroken. Parquet is read by a process that ends again."""
    if kind != PARQUET:
        return look_here(path, kind, prefix)
    done = subprocess.run(
        [sys.executable, "-m", "mlpi.vectors.transfer.looking", str(path), kind, prefix],
        capture_output=True,
        check=False,
        timeout=LOOK_S,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        found = json.loads(done.stdout)
    except ValueError:
        raise FileBroken("This is no Parquet file that can be read.") from None
    if "broken" in found:
        raise FileBroken(found["broken"], advice=found["advice"])
    columns = [Column(**one) for one in found.pop("shown")]
    return Look(shown=columns, **found)


def look_here(path: Path, kind: str, prefix: str) -> Look:
    """Look into a file in this process."""
    with closing(opened(path, kind)) as source:
        rows = [
            raw.values
            for raw in islice(source.rows(), LOOKED_AT)
            if not isinstance(raw.values, BadRow)
        ]
        head = source.head
    columns = list(head.columns)
    grouped = {
        name: prefix_
        for prefix_, names in families(columns).items()
        if all(_is_number(row.get(name)) for row in rows for name in names)
        for name in names
    }
    shown: dict[str, Column] = {}
    for name in columns:
        family = grouped.get(name)
        label = name if family is None else f"{family}*"
        if label in shown:
            continue
        if family is None:
            shown[label] = _column(name, [row.get(name) for row in rows], texts=head.texts)
        else:
            parts = families(columns)[family]
            examples = [
                _short(", ".join(str(row.get(one)) for one in parts)) for row in rows[:SHOWN]
            ]
            shown[label] = Column(label, examples, "number", len(parts), len(parts))
    proposal = propose(list(shown.values()), prefix).plain()
    return Look(columns, list(shown.values()), head.total, proposal, head.texts)


def propose(shown: Sequence[Column], prefix: str) -> Plan:
    """What the columns probably are: by their names, and a vector by its values."""
    names = {one.name.casefold(): one.name for one in reversed(shown)}
    roles = {
        role: next((names[word] for word in words if word in names), None)
        for role, words in _WORDS.items()
    }
    kinds = {one.name: one for one in shown}
    if roles["object"] and kinds[roles["object"]].guess != "object":
        roles["object"] = None
    vectors = [one for one in shown if one.size and one.name not in roles.values()]
    vectors.sort(key=lambda one: (one.name.casefold() not in _VECTORS, -one.size))
    roles["vector"] = vectors[0].name if vectors else None
    fields = {
        one.name: Field(one.name, one.guess if one.guess in KINDS else AS_IS)
        for one in shown
        if one.name not in roles.values() and one.count == 1
    }
    return Plan(**roles, fields=fields, prefix=prefix)


def _column(name: str, values: Sequence[Any], *, texts: bool) -> Column:
    present = [one for one in values if one is not None and one != ""]
    examples = [_short(_words(one)) for one in values[:SHOWN]]
    size = _vector_size(present, texts=texts)
    return Column(name, examples, _guess(present, texts=texts), 1, size)


def _guess(values: Sequence[Any], *, texts: bool) -> str:
    if values and all(_is_object(one) for one in values):
        return "object"
    if not texts or not values:
        return "text" if texts else AS_IS
    if all(_WHOLE.fullmatch(one) for one in values):
        return "whole"
    if all(_NUMBER.fullmatch(one) for one in values):
        return "number"
    if all(one.casefold() in ("true", "false") for one in values):
        return "yes or no"
    return "text"


def _vector_size(values: Sequence[Any], *, texts: bool) -> int:
    """How long the vectors of most rows of a column are; 0 when it holds none."""
    sizes: Counter[int] = Counter()
    for one in values:
        if isinstance(one, list | array) or (texts and isinstance(one, str)):
            with suppress(BadRow):
                sizes[len(numbers_of(one))] += 1
    size, count = sizes.most_common(1)[0] if sizes else (0, 0)
    return size if size > 1 and count > len(values) / 2 else 0


def _is_object(value: Any) -> bool:
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return False
    return isinstance(value, Mapping)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return bool(_NUMBER.fullmatch(value.strip()))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, array):
        return ", ".join(f"{one:g}" for one in value[:40])
    if isinstance(value, date | time):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False, default=str)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def main() -> None:
    """Print what is seen, as JSON."""
    path, kind, prefix = sys.argv[1:]
    try:
        found = asdict(look_here(Path(path), kind, prefix))
    except FileBroken as error:
        found = {"broken": error.message, "advice": error.advice}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
