"""The one-time link that makes the first account."""

from __future__ import annotations

import hmac
import secrets


class SetupKey:
    """A random key of this process, printed once, so that only who sees the log can set up."""

    def __init__(self) -> None:
        self.secret = secrets.token_urlsafe(16)

    def matches(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.secret.encode())

    def link(self, base: str) -> str:
        """The address to open, for a base such as http://pi:9000."""
        return f"{base}/setup?key={self.secret}"
