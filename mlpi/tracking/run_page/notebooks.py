"""Notebooks and MLmodel files, taken apart for the page."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

MOST_CELLS = 500
MOST_OUTPUTS = 20
OUTPUT_CHARS = 20_000
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PICTURES = ("image/png", "image/jpeg")


@dataclass(frozen=True, slots=True)
class Output:
    """Of a cell: text, or a picture as a data address. HTML and script are left out."""

    text: str = ""
    picture: str = ""
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """kind: code, markdown or raw."""

    kind: str
    text: str
    number: int | None = None
    outputs: tuple[Output, ...] = field(default_factory=tuple)


def cells(notebook: Any) -> list[Cell]:
    """The cells of a notebook, formats 3 and 4. Raises ValueError when it is none."""
    if not isinstance(notebook, dict):
        raise ValueError("a notebook is a JSON object")
    listed = notebook.get("cells")
    if listed is None and isinstance(notebook.get("worksheets"), list):
        sheets = [sheet for sheet in notebook["worksheets"] if isinstance(sheet, dict)]
        listed = [cell for sheet in sheets for cell in sheet.get("cells", ())]
    if not isinstance(listed, list):
        raise ValueError("a notebook has a list of cells")
    return [_cell(one) for one in listed[:MOST_CELLS] if isinstance(one, dict)]


def _cell(cell: dict[str, Any]) -> Cell:
    kind = cell.get("cell_type")
    number = cell.get("execution_count", cell.get("prompt_number"))
    outputs = cell.get("outputs")
    return Cell(
        kind if kind in ("code", "markdown") else "raw",
        _joined(cell.get("source", cell.get("input", ""))),
        number if isinstance(number, int) else None,
        tuple(_outputs(outputs[:MOST_OUTPUTS])) if isinstance(outputs, list) else (),
    )


def _outputs(outputs: list[Any]) -> Iterable[Output]:
    for one in outputs:
        if not isinstance(one, dict):
            continue
        if one.get("output_type") in ("error", "pyerr"):
            yield Output(_cut("\n".join(map(str, one.get("traceback") or ()))), is_error=True)
        elif one.get("output_type") == "stream":
            yield Output(_cut(_joined(one.get("text", ""))), is_error=one.get("name") == "stderr")
        else:
            data = one.get("data")
            yield _result(data if isinstance(data, dict) else one)


def _result(data: dict[str, Any]) -> Output:
    for kind in _PICTURES:
        encoded = re.sub(r"\s", "", _joined(data.get(kind, data.get(kind[6:], ""))))
        if not encoded:
            continue
        try:
            base64.b64decode(encoded, validate=True)
        except binascii.Error:
            continue
        return Output(picture=f"data:{kind};base64,{encoded}")
    text = _joined(data.get("text/plain", data.get("text", "")))
    if not text and "text/html" in data:
        text = "(an output in HTML, which is not shown)"
    return Output(_cut(text))


def _joined(text: Any) -> str:
    """Notebooks keep texts as one string or as a list of lines."""
    found = "".join(map(str, text)) if isinstance(text, list) else str(text or "")
    return found.encode("utf-8", "replace").decode()


def _cut(text: str) -> str:
    text = _ANSI.sub("", text)
    return text if len(text) <= OUTPUT_CHARS else text[:OUTPUT_CHARS] + "\n…"


def mlmodel(text: str) -> dict[str, Any]:
    """Flavours, facts and signature of an MLmodel file. Raises ValueError when it is none."""
    # Late: only this viewer needs it.
    import yaml  # noqa: PLC0415

    try:
        found = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        raise ValueError(f"it is not YAML{place}") from None
    if not isinstance(found, dict):
        raise ValueError("an MLmodel file is a mapping")
    flavors = found.get("flavors")
    flavors = flavors if isinstance(flavors, dict) else {}
    return {
        "flavors": [_flavor(str(name), facts) for name, facts in list(flavors.items())[:30]],
        "facts": [
            (words, str(found[key])[:300])
            for key, words in (
                ("mlflow_version", "MLflow"),
                ("utc_time_created", "Made"),
                ("model_id", "Model id"),
                ("model_uuid", "Model uuid"),
                ("model_size_bytes", "Bytes"),
            )
            if isinstance(found.get(key), str | int | float | datetime)
        ],
        "signature": _signature(found.get("signature")),
        "is_python": "python_function" in flavors,
    }


def _flavor(name: str, facts: Any) -> tuple[str, list[tuple[str, str]]]:
    plain = facts.items() if isinstance(facts, dict) else ()
    return name, [
        (str(key), str(value)[:300])
        for key, value in list(plain)[:20]
        if isinstance(value, str | int | float | bool)
    ]


def _signature(signature: Any) -> list[tuple[str, list[tuple[str, str, bool]]]]:
    """(Inputs, Outputs, Parameters), each a list of (name, type, whether it is required)."""
    found = []
    if not isinstance(signature, dict):
        return []
    for key, words in (("inputs", "Inputs"), ("outputs", "Outputs"), ("params", "Parameters")):
        # MLflow writes JSON; a YAML value may hold itself a thousand times over.
        written = signature.get(key)
        try:
            listed = json.loads(written) if isinstance(written, str) else None
        except (ValueError, RecursionError):
            continue
        if isinstance(listed, dict):
            listed = [listed]
        if not isinstance(listed, list) or not listed:
            continue
        rows = [
            (
                str(one.get("name", "–"))[:200],
                _type(one),
                bool(one.get("required", True)) and "default" not in one,
            )
            for one in listed[:500]
            if isinstance(one, dict)
        ]
        found.append((words, rows))
    return found


def _type(one: dict[str, Any]) -> str:
    if one.get("type") == "tensor" and isinstance(one.get("tensor-spec"), dict):
        spec = one["tensor-spec"]
        return f"tensor {spec.get('dtype', '')} {spec.get('shape', '')}"[:200]
    words = str(one.get("type", ""))
    if "default" in one:
        words += f", {json.dumps(one['default'])[:100]} unless given"
    return words[:200]
