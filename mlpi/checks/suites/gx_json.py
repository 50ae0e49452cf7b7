"""A suite as a file: Great Expectations' own JSON, of 1.x and of the years before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from mlpi.checks.suites.rules import Expectation, checked_all
from mlpi.errors import Invalid

MAX_BYTES = 4_000_000
MAX_META_BYTES = 64_000

# Under this key of our meta lies what the library keeps beside it.
BESIDE = "mlpi"
_KEYS = ("name", "expectations", "meta", "notes", "id", "suite_parameters")
# How 0.x called them, and what it noted for itself.
_OLD_KEYS = {
    "expectation_suite_name": "name",
    "evaluation_parameters": "suite_parameters",
    "ge_cloud_id": "id",
    "data_asset_type": None,
}
_OLD_KWARGS = ("include_config", "interactive_evaluation", "auto", "profiler_config", "batch_id")


@dataclass(frozen=True, slots=True)
class Draft:
    """What a file says: a suite that is not kept yet."""

    name: str
    expectations: list[Expectation]
    meta: dict[str, Any] = field(default_factory=dict)


def read(text: str) -> Draft:
    """A suite's JSON, of the library's 1.x or 0.x. Raises Invalid."""
    if len(text) > MAX_BYTES:
        raise Invalid(f"A suite's JSON may have at most {MAX_BYTES // 10**6} MB.", field="text")
    try:
        raw = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise Invalid("The JSON is nested too deeply.", field="text") from None
    except ValueError as error:
        raise Invalid(f"This is not JSON: {error}.", field="text") from None
    return of_object(raw)


def of_object(raw: Any) -> Draft:
    """A suite from parsed JSON. Raises Invalid, whose field is the place in it."""
    if not isinstance(raw, Mapping) or "expectations" not in raw:
        raise Invalid(
            "This is not an expectation suite.",
            advice='One looks like {"name": "wine", "expectations": [{"type": …, "kwargs": …}]}.',
            field="text",
        )
    require_plain(raw)
    is_old = "expectation_suite_name" in raw or any(
        isinstance(one, Mapping) and "expectation_type" in one for one in _list(raw["expectations"])
    )
    if is_old:
        raw = _of_old(raw)
    unknown = sorted(str(key) for key in raw if key not in _KEYS)
    if unknown:
        raise Invalid(
            f"A suite has no key {unknown[0]!r}.",
            advice=f"It has {', '.join(_KEYS)}.",
            field=unknown[0],
        )
    name = raw.get("name") or ""
    if not isinstance(name, str):
        raise Invalid("The suite's name must be text.", field="name")
    return Draft(name, checked_all(raw["expectations"]), _meta(raw))


def written(name: str, expectations: list[Expectation], meta: Mapping[str, Any]) -> dict[str, Any]:
    """The suite as ExpectationSuite(**json) takes it, and as its to_json_dict() writes it."""
    beside = meta.get(BESIDE, {})
    return {
        "name": name,
        "id": None,
        "expectations": expectations,
        "meta": {key: one for key, one in meta.items() if key != BESIDE},
        "notes": beside.get("notes"),
    } | ({"suite_parameters": found} if (found := beside.get("suite_parameters")) else {})


def require_plain(value: Any) -> None:
    """Refuse what JSON or a database cannot hold. Raises Invalid."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except RecursionError:
        raise Invalid("The JSON is nested too deeply.") from None
    except UnicodeEncodeError:
        raise Invalid("A text in it has half of a character.") from None
    except (ValueError, TypeError):
        raise Invalid("JSON has no NaN and no infinity; leave such a bound out.") from None
    if "\\u0000" in text.replace("\\\\", ""):
        raise Invalid("A text in it has a NUL character, which no database keeps.")


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _of_old(raw: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, one in raw.items():
        new = _OLD_KEYS.get(key, key)
        if new and new not in found:
            found[new] = one
    found["expectations"] = [_expectation_of_old(one) for one in _list(raw["expectations"])]
    return found


def _expectation_of_old(raw: Any) -> Any:
    if not isinstance(raw, Mapping):
        return raw
    found = {key: one for key, one in raw.items() if key not in ("expectation_type", "ge_cloud_id")}
    found["type"] = raw.get("expectation_type", raw.get("type"))
    if isinstance(raw.get("kwargs"), Mapping):
        found["kwargs"] = {k: v for k, v in raw["kwargs"].items() if k not in _OLD_KWARGS}
    # Notes were a part of meta: {"format": "markdown", "content": text or lines}.
    meta = raw.get("meta")
    if isinstance(meta, Mapping) and "notes" in meta and "notes" not in raw:
        notes = meta["notes"]
        found["notes"] = notes.get("content") if isinstance(notes, Mapping) else notes
        found["meta"] = {key: one for key, one in meta.items() if key != "notes"}
    return found


def _meta(raw: Mapping[str, Any]) -> dict[str, Any]:
    meta = raw.get("meta") or {}
    if not isinstance(meta, Mapping):
        raise Invalid("The suite's meta must be an object.", field="meta")
    if not isinstance(raw.get("suite_parameters"), Mapping | None):
        raise Invalid("The suite parameters must be an object.", field="suite_parameters")
    notes = raw.get("notes")
    if not isinstance(notes, str | list | None):
        raise Invalid("The suite's notes must be text.", field="notes")
    beside = {key: raw[key] for key in ("notes", "suite_parameters") if raw.get(key)}
    found = {key: one for key, one in meta.items() if key != BESIDE}
    if len(json.dumps(found)) + len(json.dumps(beside)) > MAX_META_BYTES:
        raise Invalid(f"The suite's meta is larger than {MAX_META_BYTES // 1000} kB.", field="meta")
    return found | ({BESIDE: beside} if beside else {})
