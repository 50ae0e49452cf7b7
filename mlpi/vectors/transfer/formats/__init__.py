"""The formats of files with records, by the ending of their name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from mlpi.errors import Invalid
from mlpi.vectors.transfer.formats import delimited, jsonl, npy, parquet
from mlpi.vectors.transfer.formats.source import Source

CSV, JSONL, PARQUET, NPY = "csv", "jsonl", "parquet", "npy"
FORMATS = (CSV, JSONL, PARQUET, NPY)
STREAMED = (CSV, JSONL)  # exported as they are read; the others need a file
_ENDINGS = {
    ".csv": CSV,
    ".tsv": CSV,
    ".tab": CSV,
    ".jsonl": JSONL,
    ".ndjson": JSONL,
    ".parquet": PARQUET,
    ".pq": PARQUET,
    ".npy": NPY,
    ".zip": NPY,
}
ENDINGS = ",".join(_ENDINGS)


class Writer(Protocol):
    """A file that grows."""

    def write(self, rows: Any) -> None: ...

    def close(self) -> None: ...


def format_of(file_name: str) -> str:
    """The format that a file's ending names. Raises Invalid."""
    ending = Path(file_name.lower()).suffix
    if ending not in _ENDINGS:
        raise Invalid(
            f"{file_name[:100]!r} ends in no format that is known here.",
            advice="Use .csv, .tsv, .jsonl, .parquet, .npy, or a .zip of an .npy and a .jsonl.",
            field="file",
        )
    return _ENDINGS[ending]


def opened(path: Path, kind: str) -> Source:
    """A file to read. Raises FileBroken."""
    match kind:
        case "csv":
            return delimited.DelimitedFile(path)
        case "jsonl":
            return jsonl.JsonLinesFile(path)
        case "npy":
            return npy.NpyFile(path)
    return parquet.ParquetFile(path)


def writer(path: Path, kind: str, dimension: int | None) -> Writer:
    """A file to write: Parquet or NPY."""
    if kind == PARQUET:
        return parquet.ParquetWriter(path, dimension)
    return npy.NpyWriter(path, dimension)
