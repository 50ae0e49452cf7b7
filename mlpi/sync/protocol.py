"""What sender and receiver of event files agree on."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

FILES = "/api/mlpi/boards/files"
CONTENT = "application/offset+octet-stream"
OFFSET, CHECKSUM, REPLACE = "Upload-Offset", "Upload-Checksum", "Upload-Replace"
BEGINNING = "Upload-Beginning"
ALGORITHM = "sha256"
MOST_BYTES = 16 << 20  # of one request
FIRST_BYTES = 12  # the head of an event file's first record, by which it is known to be one
END_BYTES = 4096
RUN_ID_FILE = "mlflow_run_id"  # names the MLflow run that a folder belongs to

# What an answer's error_code may be beside the house's own.
QUOTA_CODE = "BOARDS_QUOTA_EXCEEDED"


def checksum(data: bytes | bytearray | memoryview) -> str:
    """As Upload-Checksum carries it: "sha256 <base64>", tus' own form."""
    return f"{ALGORITHM} {base64.b64encode(hashlib.sha256(data).digest()).decode()}"


def beginning(read: Callable[[int, int], bytes], upto: int) -> str:
    """Tells whether one file begins with another: a checksum over its first `upto` bytes' ends.

    read: (count, offset) → bytes, as os.pread. The first and the last 4,096 bytes are taken (all,
    up to 8,192): event files hold a time to the microsecond in every record, and only grow.
    """
    head = min(upto, END_BYTES)
    tail = min(upto - head, END_BYTES)
    return checksum(read(head, 0) + (read(tail, upto - tail) if tail else b""))
