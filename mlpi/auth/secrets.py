"""Random secrets of sessions and tokens. Only their hashes are stored."""

from __future__ import annotations

import hashlib
import secrets

TOKEN_PREFIX = "mlpi_"  # noqa: S105 - lets secret scanners recognise a leaked token
_BYTES = 30


def new_token() -> str:
    """A fresh token: mlpi_ and 40 URL-safe characters, 240 random bits."""
    return TOKEN_PREFIX + secrets.token_urlsafe(_BYTES)


def new_session() -> str:
    """A fresh session secret: 40 URL-safe characters."""
    return secrets.token_urlsafe(_BYTES)


def fingerprint(secret: str) -> str:
    """SHA-256 in hex. Enough for 240 random bits, where a slow hash would only cost time."""
    return hashlib.sha256(secret.encode()).hexdigest()


def hint(token: str) -> str:
    """What a person recognises a token by, without being able to use it."""
    return token[: len(TOKEN_PREFIX) + 4] + "…"
