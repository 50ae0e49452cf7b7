"""Sends one message of a checkpoint. Runs in a worker, so that a slow host holds up nobody."""

from __future__ import annotations

import json
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

from mlpi.jobs import messages
from mlpi.jobs.context import JobContext, JobFailed
from mlpi.jobs.messages import TIMEOUT_S

_TITLES = {
    "failing": "is failing",
    "recovered": "is well again",
    "failed": "failed",
    "passed": "passed",
    "error": "could not be judged",
}


def send(context: JobContext, order: Mapping[str, Any]) -> dict[str, Any]:
    """Send it; how the other side answered. Raises JobFailed with one line."""
    return {"webhook": _webhook, "ntfy": _ntfy, "email": _email}[order["kind"]](order)


def _webhook(order: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON POST, signed when there is a secret."""
    body = json.dumps(order["payload"]).encode()
    headers = messages.headers_of(
        body, event=order["event"], delivery=order["id"], secret=order.get("secret") or ""
    )
    return _post(order, body, headers)


def _ntfy(order: Mapping[str, Any]) -> dict[str, Any]:
    """https://docs.ntfy.sh/publish/"""
    is_good = order["payload"]["success"]
    headers = {
        "Title": title(order["payload"]).encode("ascii", "replace").decode(),
        "Priority": "default" if is_good else "high",
        "Tags": "white_check_mark" if is_good else "rotating_light",
        "Click": order["payload"]["url"],
    }
    return _post(order, text(order["payload"]).encode(), headers)


def _post(order: Mapping[str, Any], body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    try:
        status = messages.post(order["url"], body, headers)
    except messages.Unreachable as error:
        raise JobFailed(f"{order['target']} {error}") from None
    if not 200 <= status < 300:
        raise JobFailed(f"{order['target']} answered {status}")
    return {"status": status}


def _email(order: Mapping[str, Any]) -> dict[str, Any]:
    """Through smtp://, smtps:// or smtp+starttls:// of the settings."""
    parts = urlsplit(order["smtp_url"])
    message = EmailMessage()
    message["Subject"] = title(order["payload"])
    message["From"] = order["sender"]
    message["To"] = order["target"]
    message.set_content(text(order["payload"]))
    host = parts.hostname or "localhost"
    try:
        if parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, parts.port or 465, timeout=TIMEOUT_S, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(host, parts.port or 25, timeout=TIMEOUT_S)
        with server:
            if parts.scheme == "smtp+starttls":
                server.starttls(context=ssl.create_default_context())
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.send_message(message)
    except smtplib.SMTPAuthenticationError:
        raise JobFailed(f"the mail server {host} refused the user or the password") from None
    except (smtplib.SMTPException, OSError) as error:
        raise JobFailed(
            f"the mail server {host} did not take it ({type(error).__name__})"
        ) from None
    return {"status": "sent"}


def title(payload: Mapping[str, Any]) -> str:
    """One line: what happened to which checkpoint."""
    words = _TITLES.get(
        payload["state"] if payload["state"] == "error" else payload["event"], "ended"
    )
    return f"{payload['checkpoint']} {words}"


def text(payload: Mapping[str, Any]) -> str:
    """The message for a person."""
    lines = [f"{payload['target']} in workspace {payload['workspace']}."]
    seen = payload["statistics"]
    if seen:
        good, all_of = seen["successful_expectations"], seen["evaluated_expectations"]
        lines.append(f"{good} of {all_of} expectations are met.")
    if payload["error"]:
        lines.append(payload["error"])
    for one in payload["failed"]:
        where = f" of {one['column']}" if one["column"] else ""
        found = one["observed"] if one["observed"] is not None else ""
        if one["unexpected_count"]:
            found = f"{one['unexpected_count']} rows"
        lines.append(f"- {one['expectation']}{where}: {found}".rstrip(": "))
    return "\n".join([*lines, "", payload["url"]])
