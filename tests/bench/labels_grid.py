"""The data manager's pages of a labeling project, at 100,000 tasks.

python -m tests.bench.labels_grid [--tasks 100000] [--pages 20]

A real service on SQLite; the tasks are inserted straight into its database. Measured over HTTP with
a session of a browser: each list's first page, which nobody has asked for before, then a number of
pages behind it, and its last. Then the same by /api/tasks with a view, by numbers of pages. In the
end all first pages again, while another client asks for /healthz.
"""

from __future__ import annotations

import argparse
import html
import json
import random
import re
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.datastructures import QueryParams

from mlpi.labels.grid.look import read_look
from tests.bench.measure import machine, table
from tests.service import Service, running_service

CONFIG = """<View><Text name="t" value="$text"/><Image name="i" value="$image"/>
<Choices name="c" toName="t"><Choice value="good"/><Choice value="bad"/></Choices></View>"""
CHUNK = 5_000
WORDS = ("pear", "bread", "river", "window", "slow", "bright", "under", "seven", "copper", "lamp")
AT = "2026-11-01 12:00:00.000000"
ORDERS = (
    *("id", "inner_id", "created_at", "updated_at", "completed_at", "status", "label"),
    *("annotators", "total_annotations", "predictions_score", "agreement", "data.text"),
    *("data.stars", "data.source"),
)
FILTERS: Mapping[str, Mapping[str, str]] = {
    "to do": {"status": "todo"},
    "waits for review": {"status": "in_review"},
    "label bad": {"label": "bad"},
    "annotated by ana": {"by": "ana"},
    "id from 20,000 to 40,000": {"f": "id", "o": "in", "v": "20000 .. 40000"},
    "completed since": {"f": "completed_at", "o": "greater", "v": "2026-11-01T12:00:30Z"},
    "score at least 0.5": {"f": "predictions_score", "o": "greater_or_equal", "v": "0.5"},
    "agreement less than 80": {"f": "agreement", "o": "less", "v": "80"},
    "two annotations": {"f": "total_annotations", "o": "equal", "v": "2"},
    "text contains 'copper lamp'": {"f": "data.text", "o": "contains", "v": "copper lamp"},
    "text contains what none does": {"f": "data.text", "o": "contains", "v": "zinc"},
    "source is web": {"f": "data.source", "o": "equal", "v": "web"},
    "stars more than 4": {"f": "data.stars", "o": "greater", "v": "4"},
    "stars more than 4, by text": {
        "f": "data.stars",
        "o": "greater",
        "v": "4",
        "sort": "data.text",
    },
    "label bad, by score": {"label": "bad", "sort": "-predictions_score"},
}
LISTS: Mapping[str, Mapping[str, str]] = {
    **{f"by {sign}{name}": {"sort": sign + name} for name in ORDERS for sign in ("", "-")},
    **FILTERS,
}


def fill(path: Path, project_id: int, user_id: int, count: int) -> None:
    """Tasks with four fields; half are annotated, a third have a prediction."""
    dice = random.Random(count)
    with sqlite3.connect(path) as db:
        for begin in range(0, count, CHUNK):
            tasks, said, guessed = [], [], []
            for at in range(begin + 1, min(count, begin + CHUNK) + 1):
                text = " ".join(dice.choices(WORDS, k=dice.randint(8, 40)))
                data = {
                    "text": text,
                    "image": f"/data/upload/{project_id}/{at}.png",
                    "stars": dice.randint(0, 5),
                    "source": dice.choice(("web", "shop")),
                }
                is_done, is_guessed = at % 2, at % 3 == 0
                by = (1 + (at % 10 == 1)) * is_done
                done_at = f"{AT[:14]}{at // 2 % 60:02}:{at % 60:02}.{at:06}" if is_done else None
                score = round(dice.random(), 4) if is_guessed else None
                tasks.append(
                    (
                        *(at, project_id, at, json.dumps(data, separators=(",", ":"))),
                        *(f"{AT[:20]}{begin:06}", done_at or f"{AT[:20]}{begin:06}", done_at),
                        *(user_id, is_done, by, int(is_guessed), score),
                        *(
                            dice.choice((0.0, 0.5, 1.0)) if by > 1 else None,
                            dice.randrange(1 << 31),
                        ),
                    )
                )
                for one in range(by):
                    label = dice.choice(("good", "good", "good", "bad"))
                    key = f"k{at}-{one}"
                    said.append((at, project_id, key, result(label), user_id, "ana", user_id))
                if is_guessed:
                    guessed.append((at, project_id, result("good"), score, AT, AT))
            db.executemany(
                "INSERT INTO label_tasks (id, project_id, inner_id, data, meta, created_at,"
                " updated_at, completed_at, updated_by_id, is_labeled, annotation_count,"
                " skipped_count, prediction_count, prediction_score, agreement, lot)"
                " VALUES (?, ?, ?, ?, '{}', ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)",
                tasks,
            )
            db.executemany(
                "INSERT INTO label_annotations (task_id, project_id, key, result, result_count,"
                " completed_by_id, completed_by_name, updated_by_id, was_cancelled, skip_reason,"
                " ground_truth, created_at, updated_at, last_action) VALUES (?, ?, ?, ?, 1, ?, ?,"
                f" ?, 0, '', 0, '{AT}', '{AT}', 'submitted')",
                said,
            )
            db.executemany(
                "INSERT INTO label_predictions (task_id, project_id, result, score, model_version,"
                " created_at, updated_at) VALUES (?, ?, ?, ?, 'm1', ?, ?)",
                guessed,
            )
        db.execute(
            "UPDATE label_projects SET task_count = ?, finished_count = ?, annotated_count = ?,"
            " annotation_count = ?, prediction_count = ?, last_inner_id = ? WHERE id = ?",
            (count, *[(count + 1) // 2] * 3, count // 3, count, project_id),
        )


def result(label: str) -> str:
    one = {"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": [label]}}
    return json.dumps([one], separators=(",", ":"))


class Clock:
    """Times requests: wall, and CPU of the service."""

    def __init__(self, service: Service) -> None:
        assert service.process is not None
        # What clock_getcpuclockid(3) answers: the CPU of all threads, to the nanosecond.
        self._id = (~service.process.pid << 3) | 2

    def get(
        self, client: httpx.Client, path: str, query: Mapping[str, str | int] | None = None
    ) -> tuple[float, float, httpx.Response]:
        """(milliseconds, of CPU, the answer)."""
        cpu, begun = time.clock_gettime(self._id), time.perf_counter()
        answer = client.get(path, params=query, headers={"HX-Request": "true"})
        taken = time.perf_counter() - begun
        answer.raise_for_status()
        return taken * 1000, (time.clock_gettime(self._id) - cpu) * 1000, answer


@contextmanager
def watching(service: Service) -> Iterator[list[float]]:
    """Milliseconds that /healthz takes meanwhile, asked every 10 ms."""
    taken: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        with service.client() as client:
            while not ended.wait(0.01):
                begun = time.perf_counter()
                client.get("/healthz")
                taken.append((time.perf_counter() - begun) * 1000)

    other = threading.Thread(target=watch)
    other.start()
    try:
        yield taken
    finally:
        ended.set()
        other.join()


def following(page: str) -> str | None:
    """The address of the next page."""
    found = re.search(r'rel="next" href="([^"]+)"', page)
    return html.unescape(found[1]) if found else None


def p95(values: list[float]) -> float:
    return sorted(values)[max(0, round(0.95 * len(values)) - 1)]


Row = tuple[list[float], list[float]]  # wall and CPU of requests, ms
HEADS = ("first ms", "its CPU", "last ms", "then, median ms", "p95 ms", "CPU, mean ms")


def told(name: str, first: Sequence[float], last: float, then: Row) -> list[str]:
    row = [name, f"{first[0]:.0f}", f"{first[1]:.0f}", f"{last:.0f}"]
    if not then[0]:
        return [*row, "", "", ""]
    middle, late = statistics.median(then[0]), p95(then[0])
    return [*row, f"{middle:.0f}", f"{late:.0f}", f"{statistics.mean(then[1]):.0f}"]


def measure(service: Service, count: int, pages: int) -> None:
    token = service.token("ana", "default")
    with service.client(token) as api:
        made = api.post("/api/projects/", json={"title": "Bench", "label_config": CONFIG}).json()
        me = api.get("/api/current-user/whoami").json()["id"]
    fill(service.home / "mlpi.db", made["id"], me, count)
    print(f"{count:,} tasks are there", flush=True)
    clock, path = Clock(service), f"/labels/{made['id']}/tasks"
    with service.browser("ana") as browser, service.client(token) as api:
        clock.get(browser, path)
        rows, firsts, every = [], [], []
        for name, query in LISTS.items():
            asked = {"own": "1", **query}
            *first, page = clock.get(browser, path, asked)
            then: Row = ([], [])
            while len(then[0]) < pages and (address := following(page.text)):
                wall, cpu, page = clock.get(browser, address)
                then[0].append(wall)
                then[1].append(cpu)
            *last, _ = clock.get(browser, path, {**asked, "last": "1"})
            firsts += [first[0], last[0]]
            every += [first[0], *then[0], last[0]]
            rows.append(told(name, first, last[0], then))
        print(table(("page", *HEADS), rows))
        summed("pages", every, firsts)
        _by_api(clock, api, made["id"], pages)
        with watching(service) as others:
            for query in LISTS.values():
                # A commit of whatever kind: lists that are kept are read anew.
                api.post("/api/dm/views/", json={"project": made["id"], "data": {}})
                clock.get(browser, path, {"own": "1", **query})
                api.delete("/api/dm/views/reset/", params={"project": made["id"]})
        print(
            f"others meanwhile, {len(others)} requests: median {statistics.median(others):.1f} ms,"
            f" p95 {p95(others):.0f}, worst {max(others):.0f}"
        )
    delete(service, made["id"])


def summed(what: str, every: list[float], firsts: list[float]) -> None:
    middle = statistics.median(every)
    print(f"all {len(every)} {what}: median {middle:.0f} ms, p95 {p95(every):.0f} ms")
    print(f"first and last ones alone: median {statistics.median(firsts):.0f} ms,", end=" ")
    print(f"p95 {p95(firsts):.0f} ms, worst {max(firsts):.0f} ms", flush=True)


def _by_api(clock: Clock, api: httpx.Client, project_id: int, pages: int) -> None:
    """Views of the same lists by /api/tasks, a hundred tasks a page."""
    rows, firsts, every = [], [], []
    for name, query in LISTS.items():
        column = query.get("sort", "id")
        sign = "-" if column.startswith("-") else ""
        sent = {
            "project": project_id,
            "data": {
                "filters": {"items": _items(query)},
                "ordering": [f"{sign}tasks:{column.removeprefix(sign)}"],
            },
        }
        view = api.post("/api/dm/views/", json=sent).raise_for_status().json()["id"]
        asked = {"view": view, "page_size": 100}
        *first, answer = clock.get(api, "/api/tasks/", asked)
        count = -(-answer.json()["total"] // 100) or 1
        then: Row = ([], [])
        for page in range(2, min(count, pages + 1)):
            wall, cpu, _ = clock.get(api, "/api/tasks/", {**asked, "page": page})
            then[0].append(wall)
            then[1].append(cpu)
        *last, _ = clock.get(api, "/api/tasks/", {**asked, "page": count})
        firsts += [first[0], last[0]]
        every += [first[0], *then[0], last[0]]
        rows.append(told(name, first, last[0], then))
    print(table(("/api/tasks", *HEADS), rows))
    summed("answers", every, firsts)


def _items(query: Mapping[str, str]) -> list[dict[str, Any]]:
    """The filters of an address as the API has them."""
    given = QueryParams([(name, value) for name, value in query.items() if name != "sort"])
    return read_look(given, {1: "ana"}).items({1: "ana"})


def delete(service: Service, project_id: int) -> None:
    with service.client(service.token("ana", "default")) as api:
        begun = time.perf_counter()
        done = api.post(
            "/api/dm/actions/",
            params={"project": project_id, "id": "delete_tasks"},
            json={"selectedItems": {"all": True, "excluded": []}},
            timeout=600,
        )
        done.raise_for_status()
        print(f"deleting all: {time.perf_counter() - begun:.1f} s, {done.json()['detail']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--pages", type=int, default=20, help="behind each list's first")
    given = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder, running_service(Path(folder)) as service:
        service.add_user("ana", "--admin")
        measure(service, given.tasks, given.pages)


if __name__ == "__main__":
    main()
