"""How browsers and deeds read: words for what machines write."""

from __future__ import annotations

import re
from collections.abc import Callable

# The first that fits wins: most browsers claim to be others as well.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python-", "Python"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_DEEDS = {
    "logged_in": "logged in",
    "session_ended": "ended a session",
    "sessions_ended": "ended the other sessions",
    "user_added": "added the user",
    "admin_added": "added the admin",
    "user_disabled": "disabled the user",
    "user_enabled": "enabled the user",
    "admin_granted": "made an admin",
    "admin_withdrawn": "withdrew the admin flag",
    "password_changed": "changed the password of",
    "token_added": "made the token",
    "token_revoked": "revoked the token",
    "workspace_added": "added the workspace",
    "workspace_described": "described the workspace",
    "workspace_removed": "removed the workspace",
    "member_set": "set the member",
    "member_removed": "removed the member",
    "board_run_uploaded": "uploaded the board run",
    "board_file_replaced": "replaced the event file",
    "board_run_archived": "archived the board run",
    "board_run_unarchived": "brought back the board run",
    "board_run_renamed": "renamed the board run",
    "board_run_removed": "deleted the board run",
    "board_run_tied": "tied the board run",
    "board_run_untied": "untied the board run",
}
_CALL = re.compile(r"(?P<method>[A-Z]+) (?:/ajax-api|/api)?(?:/\d\.\d)?/?(?P<path>.*)")


def device(agent: str) -> str:
    """'Firefox on Linux' for a browser's User-Agent."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or "An unknown browser"


def deed(action: str) -> str:
    """An audit entry's action as a verb; a call of an embedded tool by its method and path."""
    known = _DEEDS.get(action)
    if known:
        return known
    call = _CALL.fullmatch(action)
    if call:
        path = re.sub(r"/?\{\w+(:path)?\}?", "", call["path"]).replace("/", " ")
        return f"called {path.strip()} ({call['method']})"
    return action.replace("_", " ")


ALL: dict[str, Callable[..., str]] = {"device": device, "deed": deed}
