"""Importing, saving and exporting labels: mlpi against Label Studio, in turns, in one command.

    python -m tests.bench.labels --label-studio /path/to/label-studio --runs 5

Label Studio comes from `pip install label-studio==1.23.2` in an environment of its own; without
it mlpi is measured alone. Wall time is from a request to its last byte, CPU that of the server's
processes, both per request.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.label_studio import Server, servers
from tests.bench.measure import machine, median, table

IMPORTED, SAVED, EXPORTED = 10_000, 200, 1000
CONFIG = """<View><Text name="t" value="$text"/><Labels name="l" toName="t"><Label value="PER"/>
<Label value="ORG"/></Labels><Choices name="c" toName="t"><Choice value="good"/>
<Choice value="bad"/></Choices></View>"""
JSON = {"Content-Type": "application/json"}


def results(number: int, text: str) -> list[dict[str, Any]]:
    """Three spans and a choice."""
    spans = [
        {
            "id": f"r{number}-{at}",
            "from_name": "l",
            "to_name": "t",
            "type": "labels",
            "value": {"start": at, "end": at + 7, "text": text[at : at + 7], "labels": ["PER"]},
        }
        for at in (0, 40, 80)
    ]
    choice = {"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["good"]}}
    return [*spans, {**choice, "id": f"c{number}"}]


def text_of(number: int) -> str:
    return f"Ana Lee of Acme wrote review {number}. " * 5


def bring(one: Server, *, is_measured: bool) -> None:
    """10,000 short texts in one request, into a fresh project."""
    rows = [{"text": f"review {number}: " + "x" * 100} for number in range(IMPORTED)]
    body, at = json.dumps(rows).encode(), f"/api/projects/{one.make_project(CONFIG)}/import"
    answer = one.timed(
        lambda: one.client.post(at, content=body, headers=JSON), is_measured=is_measured
    )
    count = answer.raise_for_status().json()["task_count"]
    assert count == IMPORTED, f"{one.name} imported {count} tasks"


def save(one: Server, *, is_measured: bool) -> None:
    """An annotation for each of 200 tasks, one request each."""
    project = one.make_project(CONFIG)
    texts = [text_of(number) for number in range(SAVED)]
    at = f"/api/projects/{project}/import?return_task_ids=true"
    brought = one.client.post(at, json=[{"text": text} for text in texts]).raise_for_status()
    ids = brought.json()["task_ids"]

    def work() -> None:
        for number, (task, text) in enumerate(zip(ids, texts, strict=True)):
            sent = {"result": results(number, text), "lead_time": 3.5}
            one.client.post(f"/api/tasks/{task}/annotations/", json=sent).raise_for_status()

    one.timed(work, is_measured=is_measured, times=SAVED)


def fill(one: Server) -> None:
    """A project of 1,000 tasks, each annotated once."""
    project = one.make_project(CONFIG)
    tasks = [
        {
            "data": {"text": text_of(number)},
            "annotations": [{"result": results(number, text_of(number)), "lead_time": 3.5}],
        }
        for number in range(EXPORTED)
    ]
    for begin in range(0, EXPORTED, 250):
        part = tasks[begin : begin + 250]
        one.client.post(f"/api/projects/{project}/import", json=part).raise_for_status()


def export(one: Server, *, is_measured: bool) -> None:
    at = f"/api/projects/{one.project}/export?exportType=JSON"
    answer = one.timed(lambda: one.client.get(at), is_measured=is_measured)
    found = answer.raise_for_status().json()
    assert len(found) == EXPORTED, f"{one.name} exported {len(found)} tasks"
    assert all(len(task["annotations"][0]["result"]) == 4 for task in found)


def compare(both: list[Server], runs: int) -> str:
    """The figures as a table; the first run of each is not counted."""
    rows: list[list[str]] = []
    works: list[tuple[str, Callable[..., None]]] = [
        (f"import of {IMPORTED:,} texts", bring),
        ("an annotation saved", save),
        (f"JSON of {EXPORTED:,} annotated tasks", export),
    ]
    for name, work in works:
        for one in both:
            one.wall_s.clear()
            one.cpu_s.clear()
            if work is export:
                fill(one)
        for run in range(runs + 1):
            for one in both:
                work(one, is_measured=run > 0)
        rows += [
            [
                name,
                one.name,
                f"{1000 * median(one.wall_s):,.1f}",
                f"{1000 * median(one.cpu_s):,.1f}",
                *one.ratios(both[0]),
            ]
            for one in both
        ]
    return table(["", "", "wall, ms", "server CPU, ms", "wall / mlpi", "CPU / mlpi"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--label-studio", type=Path, help="its program")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        servers(given.label_studio, Path(folder)) as both,
    ):
        print(compare(both, given.runs))
    print(f"\n{given.runs} runs in turns.")
    print(machine())


if __name__ == "__main__":
    main()
