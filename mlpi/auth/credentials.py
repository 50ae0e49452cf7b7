"""Finding the secret in a request, wherever its client puts it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

COOKIE = "mlpi_session"


def token_in(headers: Mapping[bytes, bytes]) -> str | None:
    """The token of Authorization (Bearer, Token, or the password of Basic) or X-Chroma-Token.

    An empty string when a credential is there but cannot be read; None when there is none.
    """
    chroma = headers.get(b"x-chroma-token")
    if chroma is not None:
        return chroma.decode("latin-1").removeprefix("Bearer ").strip()
    value = headers.get(b"authorization")
    if value is None:
        return None
    scheme, _, secret = value.decode("latin-1").partition(" ")
    if scheme.lower() in ("bearer", "token"):
        return secret.strip()
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(secret, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            return ""
        return pair.partition(":")[2]
    return ""


def session_in(headers: Mapping[bytes, bytes]) -> str | None:
    """The session secret of the cookie."""
    value = headers.get(b"cookie")
    if not value:
        return None
    try:
        morsel = SimpleCookie(value.decode("latin-1")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None
