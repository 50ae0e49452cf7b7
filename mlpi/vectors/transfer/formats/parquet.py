"""Parquet, by pyarrow: in workers and short-lived processes only, for Arrow takes 100 MB."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from mlpi.vectors.transfer.formats.source import FileBroken, Head, Raw

_AT_ONCE = 500  # rows
_ROWS_OF_GROUP = 5000


class ParquetFile:
    """A Parquet file, read a few hundred rows at a time."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa  # noqa: PLC0415 - never in the service
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            self._file = pq.ParquetFile(path, memory_map=True)
        except (pa.ArrowException, OSError) as error:
            raise FileBroken(f"This is no Parquet file that can be read: {error}.") from None
        names = list(self._file.schema_arrow.names)
        self.head = Head(names, total=self._file.metadata.num_rows)
        self._read = 0

    def rows(self, skip: int = 0) -> Iterator[Raw]:
        import pyarrow as pa  # noqa: PLC0415

        groups, first = self._groups_after(skip)
        number = first
        try:
            for batch in self._file.iter_batches(_AT_ONCE, row_groups=groups, use_threads=False):
                if number + batch.num_rows > skip:
                    yield from self._rows_of(batch, number, skip)
                number += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise FileBroken(f"Behind row {number:,} the file cannot be read: {error}.") from None

    def _groups_after(self, skip: int) -> tuple[list[int], int]:
        """The row groups that hold what is not skipped, and the rows before them."""
        metadata, first = self._file.metadata, 0
        for group in range(metadata.num_row_groups):
            count = metadata.row_group(group).num_rows
            if first + count > skip:
                return list(range(group, metadata.num_row_groups)), first
            first += count
        return [], first

    def _rows_of(self, batch: Any, number: int, skip: int) -> Iterator[Raw]:
        names = batch.schema.names
        columns = [_values(column) for column in batch.columns]
        for offset, values in enumerate(zip(*columns, strict=True), 1):
            self._read = number + offset
            if number + offset > skip:
                yield Raw(number + offset, None, dict(zip(names, values, strict=True)))

    def fraction(self) -> float | None:
        return self._read / self.head.total if self.head.total else None

    def close(self) -> None:
        self._file.close(force=True)


def _values(column: Any) -> Sequence[Any]:
    """A column's values; whole float32 vectors stay arrays, which is a tenth of the work."""
    import pyarrow as pa  # noqa: PLC0415

    kind = column.type
    if (
        pa.types.is_fixed_size_list(kind)
        and pa.types.is_float32(kind.value_type)
        and not column.null_count
    ):
        flat = column.flatten()
        if not flat.null_count:
            numbers = array("f")
            numbers.frombytes(flat.to_numpy(zero_copy_only=True).tobytes())
            size = kind.list_size
            return [numbers[at : at + size] for at in range(0, len(numbers), size)]
    values: list[Any] = column.to_pylist()
    return values


class ParquetWriter:
    """An export as Parquet: id, document, uri, metadata (JSON) and embedding (float32)."""

    def __init__(self, path: Path, dimension: int | None) -> None:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        self._pa = pa
        vector = pa.list_(pa.float32(), dimension) if dimension else pa.list_(pa.float32())
        texts = [(name, pa.string()) for name in ("id", "document", "uri", "metadata")]
        self._schema = pa.schema([*texts, ("embedding", vector)])
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._held: list[Sequence[Any]] = []

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Rows of (id, document, uri, metadata, embedding)."""
        self._held += rows
        if len(self._held) >= _ROWS_OF_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if not self._held:
            return
        pa = self._pa
        ids, documents, uris, metadata, vectors = zip(*self._held, strict=True)
        written = [orjson.dumps(one).decode() if one else None for one in metadata]
        columns = (ids, documents, uris, written, vectors)
        arrays = [
            pa.array(column, field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._held = []
