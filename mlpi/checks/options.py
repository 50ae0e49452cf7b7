"""How text and Excel files are read, as people choose it."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any

from mlpi.errors import Invalid

_TEXTS = ("delimiter", "quote", "encoding", "decimal", "date_format", "sheet")
KNOWN = (*_TEXTS, "has_header", "skip_rows", "null_values", "ignore_bad_lines")
_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_FLAGS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False}


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were chosen, as Source takes them; empty ones are left out.

    Raises Invalid naming the option and what it may be.
    """
    found: dict[str, Any] = {}
    for key, value in given.items():
        if key not in KNOWN:
            raise Invalid(
                f"There is no reading option {key!r}.",
                advice=f"Known are: {', '.join(KNOWN)}.",
                field=key,
            )
        if value is None or value in ("", []):
            continue
        found[key] = _CHECKS[key](key, value)
    return found


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > 100:
        raise Invalid(f"{key} must be a short text.", field=key)
    return value


def _letter(key: str, value: Any) -> str:
    text = _NAMES.get(_text(key, value), value)
    if len(text) != 1:
        raise Invalid(
            f"{key} must be one character, not {value!r}.", advice="tab is written \\t.", field=key
        )
    return str(text)


def _encoding(key: str, value: Any) -> str:
    try:
        return codecs.lookup(_text(key, value)).name
    except LookupError:
        raise Invalid(
            f"{value!r} is not an encoding.", advice="Such as utf-8, cp1252, utf-16.", field=key
        ) from None


def _decimal(key: str, value: Any) -> str:
    if value not in (".", ","):
        raise Invalid("decimal must be . or ,", field=key)
    return str(value)


def _flag(key: str, value: Any) -> bool:
    found = value if isinstance(value, bool) else _FLAGS.get(str(value).lower())
    if found is None:
        raise Invalid(f"{key} must be true or false, not {value!r}.", field=key)
    return found


def _rows(key: str, value: Any) -> int:
    text = str(value)
    if not text.isdecimal() or int(text) > 1_000_000:
        raise Invalid(f"{key} must be a number from 0 to 1,000,000.", field=key)
    return int(text)


def _values(key: str, value: Any) -> list[str]:
    """A list, or text with commas between."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise Invalid(f"{key} must be a list of texts.", field=key)
    return [part.strip() for part in parts][:50]


_CHECKS = {
    **dict.fromkeys(_TEXTS, _text),
    "delimiter": _letter,
    "quote": _letter,
    "encoding": _encoding,
    "decimal": _decimal,
    "has_header": _flag,
    "skip_rows": _rows,
    "null_values": _values,
    "ignore_bad_lines": _flag,
}
