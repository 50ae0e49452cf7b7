"""What may be uploaded, by its name and by its first bytes."""

from __future__ import annotations

import re

from mlpi.boards.arrivals.errors import NoEventFile
from mlpi.boards.folders import LONGEST_PART, ROOT_RUN, checked_name
from mlpi.boards.reader.crc import masked
from mlpi.boards.reader.files import RECORD_LIMIT
from mlpi.boards.reader.framing import FOOT, HEAD, HEADER
from mlpi.errors import Invalid
from mlpi.sync.protocol import RUN_ID_FILE

_RUN_ID = re.compile(rb"[0-9a-f]{32}\s*")
LONGEST_RUN_ID = 64  # bytes, with white space
CHECKED_PAYLOAD = 4096  # bytes; a writer's first record has some forty


def split(path: str) -> tuple[str, str]:
    """Run and file name of "<run>/<file name>"; without a '/', the run ".". Raises Invalid."""
    run, _, name = path.rpartition("/")
    if path.startswith("/"):
        raise Invalid("The path must not begin with '/'.", field="path")
    run = checked_name(run or ROOT_RUN)
    problem = ""
    if "tfevents" not in name and name != RUN_ID_FILE:
        problem = f"is no event file's: it must hold 'tfevents' (or be {RUN_ID_FILE!r})"
    elif name.endswith(".profile-empty"):
        problem = "is that of a profile's empty file, which holds nothing to show"
    elif name.startswith("."):
        problem = "must not begin with '.'"
    elif not name.isprintable() or "\\" in name:
        problem = "must hold printable characters, and no backslash"
    elif len(name.encode()) > LONGEST_PART:
        problem = f"must have {LONGEST_PART} bytes at most"
    if problem:
        raise Invalid(
            f"The file name {name[:80]!r} {problem}.",
            advice="Send the files that a SummaryWriter writes, under their own names.",
            field="path",
        )
    return run, name


def check_beginning(name: str, data: bytes | bytearray) -> None:
    """Whether a file's first piece is an event file's. Raises NoEventFile."""
    if name == RUN_ID_FILE:
        if len(data) > LONGEST_RUN_ID or not _RUN_ID.fullmatch(data):
            raise NoEventFile(
                f"{RUN_ID_FILE} must hold an MLflow run's id: 32 hexadecimal digits.", field="body"
            )
        return
    problem = ""
    if len(data) < HEAD:
        problem = f"The first piece must have {HEAD} bytes or more: the head of the first record."
    else:
        length, crc = HEADER.unpack_from(data)
        payload = memoryview(data)[HEAD : HEAD + length]
        end = HEAD + length + FOOT
        if masked(memoryview(data)[:8]) != crc or length > RECORD_LIMIT:
            problem = "Its first bytes are not those of an event file: no record begins there."
        elif (
            length <= CHECKED_PAYLOAD
            and len(data) >= end
            and masked(payload).to_bytes(FOOT, "little") != data[end - FOOT : end]
        ):
            problem = "Its first record is damaged: the checksum is another."
    if problem:
        raise NoEventFile(problem, advice="Send the file from its first byte.", field="body")
