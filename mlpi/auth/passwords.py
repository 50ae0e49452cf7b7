"""Password hashes: argon2id, a bounded number at a time."""

from __future__ import annotations

import threading

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from mlpi.errors import Invalid

# OWASP's second choice (19 MiB, two passes): 60 ms on a Pi 5 and small enough that a burst of
# log-ins cannot exhaust a 4 GB board.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_at_once = threading.BoundedSemaphore(2)

MIN_LENGTH = 8
MAX_LENGTH = 1024

# Verified when the user does not exist, so that both answers take the same time.
_DECOY = _hasher.hash("a password that nobody has")


def hashed(password: str) -> str:
    """Its argon2id hash. Raises Invalid when it is too short or absurdly long."""
    if len(password) < MIN_LENGTH:
        raise Invalid(
            f"A password needs at least {MIN_LENGTH} characters; this one has {len(password)}.",
            field="password",
        )
    if len(password) > MAX_LENGTH:
        raise Invalid(f"A password has at most {MAX_LENGTH} characters.", field="password")
    with _at_once:
        return _hasher.hash(password)


def matches(password: str, password_hash: str | None) -> bool:
    """Whether the password has this hash; takes as long when there is no hash."""
    with _at_once:
        try:
            _hasher.verify(password_hash or _DECOY, password[: MAX_LENGTH + 1])
        except (Argon2Error, InvalidHashError):
            return False
    return password_hash is not None
