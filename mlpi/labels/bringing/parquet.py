"""Rows of Parquet files, read by a short-lived process: Arrow's 100 MB stay out of the service."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from mlpi.errors import MlpiError
from mlpi.labels.bringing.json_items import FileBroken
from mlpi.uploads import BLOCK_BYTES

AT_ONCE = 2  # such processes
PATIENCE_S = 60.0
Found = tuple[dict[str, Any] | None, str]
_slots = threading.BoundedSemaphore(AT_ONCE)


class ParquetBusy(MlpiError):
    """Others are reading Parquet files already."""

    status = 503
    code = "TEMPORARILY_UNAVAILABLE"


def read(file: BinaryIO) -> Generator[Found, None, None]:
    """Its rows, each as (data, ""), or (None, why it is none). Raises FileBroken, ParquetBusy."""
    if not _slots.acquire(timeout=PATIENCE_S):
        raise ParquetBusy(f"{AT_ONCE} Parquet files are being read.", advice="Try again later.")
    try:
        with _path_of(file) as path:
            yield from _read(path)
    finally:
        _slots.release()


def _read(path: str) -> Generator[Found, None, None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "mlpi.labels.bringing.parquet_work", path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    count = 0
    try:
        for line in process.stdout:
            told = json.loads(line)
            if "broken" in told:
                raise FileBroken(told["broken"], advice="Is this the file that was meant?")
            if "end" in told:
                return
            count += 1
            yield told.get("row"), told.get("bad", "")
        raise FileBroken(f"Behind row {count:,} the file cannot be read: its reader broke off.")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def _path_of(file: BinaryIO) -> Iterator[str]:
    """Where it lies; what lies nowhere is put into a file for the while."""
    name = getattr(file, "name", None)
    if isinstance(name, str):
        yield name
        return
    with tempfile.NamedTemporaryFile(suffix=".parquet") as copy:
        while block := file.read(BLOCK_BYTES):
            copy.write(block)
        copy.flush()
        yield copy.name
