"""Messages to other hosts: where they may go, how they are signed, when they are tried again."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

TIMEOUT_S = 15
ATTEMPTS = 6  # 10 s, 30 s, 90 s, 4.5 min, 13.5 min after each other
FIRST_PAUSE_S = 10
SIGNATURE = "X-Mlpi-Signature"


class Unreachable(Exception):
    """Nobody answered; what went wrong, in words without the address: it may be a secret."""


def pause(attempts: int) -> timedelta:
    """How long to wait after so many attempts, 1 or more."""
    return timedelta(seconds=FIRST_PAUSE_S * 3 ** (attempts - 1))


def shown_url(text: str) -> str | None:
    """A URL as it may be shown: paths of webhooks are often secrets. None: it is no http(s) URL."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.scheme not in ("http", "https") or not text.isprintable() or " " in text:
        return None
    shown = f"{parts.scheme}://{host}{f':{port}' if port else ''}"
    return shown if parts.path in ("", "/") else f"{shown}/{parts.path.strip('/')[:4]}…"


def headers_of(body: bytes, *, event: str, delivery: object, secret: str = "") -> dict[str, str]:
    """Of a JSON message. With a secret, X-Mlpi-Signature is sha256=HMAC of the body in hex."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "mlpi",
        "X-Mlpi-Event": event,
        "X-Mlpi-Delivery": str(delivery),
    }
    if secret:
        headers[SIGNATURE] = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    return headers


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """The status of the answer; redirects are not followed. Raises Unreachable."""
    import httpx  # noqa: PLC0415 - 0.1 s

    try:
        with httpx.stream(
            "POST",
            url,
            content=body,
            headers=dict(headers),
            timeout=TIMEOUT_S,
            follow_redirects=False,
        ) as answer:
            return answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(f"cannot be reached ({type(error).__name__})") from None
