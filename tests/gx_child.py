"""Asking the real Great Expectations, in a process of its own: it costs seconds and 100 MB.

Run as a program it reads {"ask", "given"} from its input and writes its answer as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import Any


def ask(question: str, given: Any = None) -> Any:
    """What the library says. question: "fields", or "suites" with suites' JSON."""
    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps({"ask": question, "given": given}),
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@cache
def fields() -> dict[str, dict[str, dict[str, Any]]]:
    """By type, by field: {"required", "default"}; only types that a suite's JSON can name."""
    return ask("fields")  # type: ignore[no-any-return]


def _fields() -> dict[str, Any]:
    from great_expectations.expectations import core

    found = {}
    for name in dir(core):
        one = getattr(core, name)
        if isinstance(one, type) and getattr(one, "expectation_type", ""):
            found[one.expectation_type] = {
                key: {"required": bool(field.required), "default": _plain(field.default)}
                for key, field in one.__fields__.items()
            }
    return found


def _plain(value: Any) -> Any:
    try:
        json.dumps(value)
    except TypeError:
        return str(value)
    return value


def _suites(given: list[dict[str, Any]]) -> list[Any]:
    """Each suite as the library reads and writes it, and as a context keeps it."""
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    found = []
    for raw in given:
        read = gx.ExpectationSuite(**json.loads(json.dumps(raw))).to_json_dict()
        kept = context.suites.add(gx.ExpectationSuite(**raw)).to_json_dict()
        found.append({"read": read, "kept": kept})
    return found


if __name__ == "__main__":
    order = json.load(sys.stdin)
    answer = _fields() if order["ask"] == "fields" else _suites(order["given"])
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
