"""Secrets that must be read again: sealed in the database, opened with a key in the home folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mlpi.errors import Invalid

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

FILE_NAME = "vault.key"


class Vault:
    """Seals text with Fernet (AES-128-CBC and HMAC-SHA256, from `cryptography`).

    The key is made at the first seal and never leaves the home folder: a copy of the database
    alone opens nothing.
    """

    def __init__(self, home: Path) -> None:
        self._file = home / FILE_NAME

    def seal(self, text: str) -> str:
        """The text, unreadable; "" stays ""."""
        return self._fernet(may_make=True).encrypt(text.encode()).decode() if text else ""

    def open(self, sealed: str) -> str:
        """The text that was sealed. Raises Invalid when the key is another one, or gone."""
        # Late: 25 ms, and most homes hold no such secret.
        from cryptography.fernet import InvalidToken  # noqa: PLC0415

        if not sealed:
            return ""
        try:
            return self._fernet(may_make=False).decrypt(sealed.encode()).decode()
        except (InvalidToken, OSError, ValueError):
            raise Invalid(
                f"A stored password cannot be opened: {self._file.name} in the home folder is gone "
                "or another one.",
                advice="Bring the file back, or enter the password anew.",
            ) from None

    def _fernet(self, *, may_make: bool) -> Fernet:
        from cryptography.fernet import Fernet  # noqa: PLC0415

        if may_make and not self._file.exists():
            self._make(Fernet.generate_key())
        return Fernet(self._file.read_bytes())

    def _make(self, key: bytes) -> None:
        """Write the key whole or not at all; whoever comes second takes the first one's."""
        draft = self._file.with_name(f"{FILE_NAME}.{os.getpid()}")
        draft.touch(mode=0o600)
        with draft.open("wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, self._file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
