"""Where the files that are not Python live: beside `mlpi/` in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_WHEEL_DATA = _PACKAGE / "_data"
_ROOT = _WHEEL_DATA if _WHEEL_DATA.is_dir() else _PACKAGE.parent

TEMPLATES = _ROOT / "templates"
STATIC = _ROOT / "static"
MIGRATIONS = _ROOT / "migrations"
SYSTEMD = _ROOT / "systemd"
