"""What can be wrong with a piece of a file."""

from __future__ import annotations

from mlpi.errors import Conflict, Invalid, MlpiError
from mlpi.sync.protocol import QUOTA_CODE


class OffsetWrong(Conflict):
    """The file does not end where the piece begins. offset: where it ends."""

    code = "UPLOAD_OFFSET_WRONG"

    def __init__(self, name: str, offset: int, asked: int) -> None:
        super().__init__(
            f"{name} has {offset:,} bytes here; the piece begins at {asked:,}.",
            advice="Go on from Upload-Offset, or send Upload-Replace: true to begin it anew.",
        )
        self.offset = offset


class ChecksumWrong(Invalid):
    """The bytes that came are not the ones that were sent."""

    status = 460  # tus' own
    code = "UPLOAD_CHECKSUM_WRONG"


class NoEventFile(Invalid):
    """This is no event file."""

    code = "NO_EVENT_FILE"


class TooLarge(MlpiError):
    """More bytes came than one request may hold."""

    status = 413
    code = "PAYLOAD_TOO_LARGE"


class QuotaFull(MlpiError):
    """The workspace's boards are full."""

    status = 413
    code = QUOTA_CODE


class TooSlow(MlpiError):
    """The piece did not arrive in time."""

    status = 408
    code = "REQUEST_TIMEOUT"
