"""NumPy's .npy with (n, dimension) numbers, alone or in a ZIP with a .jsonl of the other fields.

Row by row in order, so that neither needs to be in memory, nor NumPy itself.
"""

from __future__ import annotations

import ast
import contextlib
import struct
import sys
import zipfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from mlpi.vectors.transfer.formats import jsonl
from mlpi.vectors.transfer.formats.source import BadRow, FileBroken, Head, Raw

VECTOR = "embedding"  # what the column of the .npy is called
_MAGIC = b"\x93NUMPY"
_SIZES = {"<f2": 2, "<f4": 4, "<f8": 8}
_HEAD_BYTES = 128
_ADVICE = "Save it with numpy.save from an array of shape (records, dimensions)."


class NpyFile:
    """An .npy, or a ZIP of one .npy and at most one .jsonl whose lines are its rows."""

    def __init__(self, path: Path) -> None:
        self._stack = contextlib.ExitStack()
        try:
            self._open(path)
        except BaseException:
            self.close()
            raise

    def _open(self, path: Path) -> None:
        columns: list[str] = []
        self._fields: IO[bytes] | None = None
        if zipfile.is_zipfile(path):
            packed = self._stack.enter_context(zipfile.ZipFile(path))
            numbers, fields = _members(packed)
            self._numbers = self._stack.enter_context(_member(packed, numbers))
            if fields is not None:
                with _member(packed, fields) as file:
                    columns = jsonl.columns_of(file, may_be_bare=True)
                self._fields = self._stack.enter_context(_member(packed, fields))
        else:
            self._numbers = self._stack.enter_context(path.open("rb"))
        self._kind, (self._count, self._dimension) = _head(self._numbers)
        # A field of that name in the .jsonl would be the vector a second time.
        names = [name for name in columns if name != VECTOR]
        self.head = Head([*names, VECTOR], total=self._count)
        self._read = 0

    def rows(self, skip: int = 0) -> Iterator[Raw]:
        size = _SIZES[self._kind] * self._dimension
        lines = jsonl.lines_of(self._fields) if self._fields is not None else None
        try:
            for number in range(1, self._count + 1):
                raw = self._numbers.read(size)
                if len(raw) < size:
                    raise FileBroken(
                        f"The .npy ends in row {number:,} of the {self._count:,} it announces."
                    )
                values = self._fields_of(lines, number, is_wanted=number > skip)
                self._read = number
                if number > skip:
                    row = values
                    if not isinstance(values, BadRow):
                        row = {**values, VECTOR: _vector(raw, self._kind)}
                    yield Raw(number, None, row)
        except (zipfile.BadZipFile, EOFError) as error:
            raise FileBroken(f"The ZIP is damaged: {error}.") from None
        if lines is not None and any(line.strip() for line in lines):
            raise FileBroken(
                f"The .jsonl has more lines than the .npy has rows ({self._count:,}); "
                "those rows are imported, the other lines are not.",
                advice="Each line belongs to the row of its number.",
            )

    def _fields_of(
        self, lines: Iterator[bytes] | None, number: int, *, is_wanted: bool
    ) -> Mapping[str, Any] | BadRow:
        if lines is None:
            return {}
        line = next(lines, None)
        if line is None:
            raise FileBroken(
                f"The .jsonl ends before row {number:,} of the {self._count:,} of the .npy.",
                advice="Each row needs a line, which may be {}.",
            )
        return jsonl.parsed(line) if is_wanted else {}

    def fraction(self) -> float | None:
        return self._read / self._count if self._count else None

    def close(self) -> None:
        self._stack.close()


def _members(packed: zipfile.ZipFile) -> tuple[zipfile.ZipInfo, zipfile.ZipInfo | None]:
    names = {
        ending: [one for one in packed.infolist() if one.filename.lower().endswith(ending)]
        for ending in (".npy", ".jsonl")
    }
    if len(names[".npy"]) != 1 or len(names[".jsonl"]) > 1:
        raise FileBroken(
            f"The ZIP holds {len(names['.npy'])} .npy and {len(names['.jsonl'])} .jsonl.",
            advice="It must hold one .npy, and at most one .jsonl with a line for each row.",
        )
    return names[".npy"][0], next(iter(names[".jsonl"]), None)


def _member(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return packed.open(info)
    except (RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise FileBroken(f"{info.filename} in the ZIP cannot be read: {error}.") from None


def _head(file: IO[bytes]) -> tuple[str, tuple[int, int]]:
    """Type and shape of an .npy (its format 1 to 3). Raises FileBroken."""
    start = file.read(8)
    if len(start) < 8 or start[:6] != _MAGIC or start[6] not in (1, 2, 3):
        raise FileBroken("This is no .npy file.", advice=_ADVICE)
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(file.read(width), "little")
    try:
        head = ast.literal_eval(file.read(min(length, 2**16)).decode("latin-1"))
        kind, shape, is_columns = head["descr"], head["shape"], head["fortran_order"]
    except (ValueError, SyntaxError, KeyError, TypeError):
        raise FileBroken("The head of the .npy cannot be read.", advice=_ADVICE) from None
    if kind not in _SIZES:
        raise FileBroken(
            f"The .npy holds {kind!r}.",
            advice="float16, float32 and float64 in little-endian order are read: "
            "array.astype('float32').",
        )
    if not (isinstance(shape, tuple) and len(shape) == 2 and shape[1] > 0):
        raise FileBroken(f"The .npy has the shape {shape}.", advice=_ADVICE)
    if is_columns and shape[0] > 1 and shape[1] > 1:
        raise FileBroken(
            "The .npy is stored by columns (Fortran order).",
            advice="Save numpy.ascontiguousarray(array).",
        )
    return kind, shape


def _vector(raw: bytes, kind: str) -> array[float]:
    if kind == "<f2":
        return array("f", struct.unpack(f"<{len(raw) // 2}e", raw))
    numbers: array[float] = array("f" if kind == "<f4" else "d")
    numbers.frombytes(raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


class NpyWriter:
    """An export as a ZIP of vectors.npy, (n, dimension) float32, and records.jsonl."""

    def __init__(self, path: Path, dimension: int | None) -> None:
        self._path = path
        self._dimension = dimension or 0
        self._count = 0
        self._parts = [path.with_suffix(".npy.part"), path.with_suffix(".jsonl.part")]
        self._numbers, self._fields = (part.open("wb") for part in self._parts)
        self._numbers.write(bytes(_HEAD_BYTES))  # written last, when the number of rows is known

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Rows of (id, document, uri, metadata, embedding)."""
        self._fields.write(jsonl.lines((row[:4] for row in rows), vectors=False))
        for row in rows:
            vector = array("f", row[4])
            if sys.byteorder == "big":
                vector.byteswap()
            self._numbers.write(vector.tobytes())
        self._count += len(rows)

    def close(self) -> None:
        shape = f"({self._count}, {self._dimension})"
        text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
        room = _HEAD_BYTES - len(_MAGIC) - 4
        head = _MAGIC + b"\x01\x00" + struct.pack("<H", room) + text.ljust(room - 1).encode()
        self._numbers.seek(0)
        self._numbers.write(head + b"\n")
        for file in (self._numbers, self._fields):
            file.close()
        with zipfile.ZipFile(self._path, "w") as packed:
            for part, name, kind in zip(
                self._parts,
                ("vectors.npy", "records.jsonl"),
                (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
                strict=True,
            ):
                packed.write(part, name, compress_type=kind, compresslevel=1)
        for part in self._parts:
            part.unlink()
