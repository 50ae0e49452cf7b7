"""The data manager's pages of a labeling project, at 100,000 tasks.

python -m tests.bench.labels_grid [--tasks 100000] [--pages 20]

A real service on SQLite; the tasks are inserted straight into its database. Measured over HTTP with
a session of a browser: each list's first page, and then a number of pages behind it.
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
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.bench.measure import footprint, machine, table
from tests.service import Service, running_service

CONFIG = """<View><Text name="t" value="$text"/><Image name="i" value="$image"/>
<Choices name="c" toName="t"><Choice value="good"/><Choice value="bad"/></Choices></View>"""
CHUNK = 5_000
WORDS = ("pear", "bread", "river", "window", "slow", "bright", "under", "seven", "copper", "lamp")
AT = "2026-11-01 12:00:00.000000"
LISTS: Mapping[str, Mapping[str, str]] = {
    "all, as they came": {},
    "newest first": {"sort": "-id"},
    "by score": {"sort": "-predictions_score"},
    "by last change": {"sort": "-updated_at"},
    "to do": {"status": "todo"},
    "label bad": {"label": "bad"},
    "annotated by ana": {"by": "ana"},
    "text contains 'copper lamp'": {"f": "data.text", "o": "contains", "v": "copper lamp"},
    "stars more than 4": {"f": "data.stars", "o": "greater", "v": "4"},
    "by a number of the data": {"sort": "data.stars"},
    "by a text of the data, down": {"sort": "-data.text"},
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
                score = round(dice.random(), 4) if is_guessed else None
                tasks.append(
                    (
                        *(at, project_id, at, json.dumps(data, separators=(",", ":")), AT, AT),
                        *(user_id, is_done, is_done, int(is_guessed), score),
                        dice.randrange(1 << 31),
                    )
                )
                if is_done:
                    label = dice.choice(("good", "good", "good", "bad"))
                    said.append((at, project_id, f"k{at}", result(label), user_id, "ana", user_id))
                if is_guessed:
                    guessed.append((at, project_id, result("good"), score, AT, AT))
            db.executemany(
                "INSERT INTO label_tasks (id, project_id, inner_id, data, meta, created_at,"
                " updated_at, updated_by_id, is_labeled, annotation_count, skipped_count,"
                " prediction_count, prediction_score, lot)"
                " VALUES (?, ?, ?, ?, '{}', ?, ?, ?, ?, ?, 0, ?, ?, ?)",
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


def timed(
    client: httpx.Client, path: str, query: Mapping[str, str] | None = None
) -> tuple[float, str]:
    """(milliseconds, the page)."""
    begun = time.perf_counter()
    answer = client.get(path, params=query, headers={"HX-Request": "true"})
    taken = (time.perf_counter() - begun) * 1000
    answer.raise_for_status()
    return taken, answer.text


def following(page: str) -> str | None:
    """The address of the next page."""
    found = re.search(r'rel="next" href="([^"]+)"', page)
    return html.unescape(found[1]) if found else None


def p95(values: list[float]) -> float:
    return sorted(values)[max(0, round(0.95 * len(values)) - 1)]


def measure(service: Service, count: int, pages: int) -> None:
    token = service.token("ana", "default")
    with service.client(token) as api:
        made = api.post("/api/projects/", json={"title": "Bench", "label_config": CONFIG}).json()
        me = api.get("/api/current-user/whoami").json()["id"]
    fill(service.home / "mlpi.db", made["id"], me, count)
    print(f"{count:,} tasks are there", flush=True)
    path = f"/labels/{made['id']}/tasks"
    rows, firsts, every = [], [], []
    with service.browser("ana") as browser:
        timed(browser, path)
        for name, query in LISTS.items():
            first, page = timed(browser, path, {"own": "1", **query})
            assert service.process is not None
            cpu_s = footprint(service.process.pid).cpu_s
            taken: list[float] = []
            while len(taken) < pages and (address := following(page)):
                one, page = timed(browser, address)
                taken.append(one)
            each_ms = (footprint(service.process.pid).cpu_s - cpu_s) * 1000 / (len(taken) or 1)
            last, _ = timed(browser, path, {"own": "1", **query, "last": "1"})
            firsts += [first, last]
            every += [first, *taken, last]
            rows.append(
                (name, f"{first:.0f}", f"{last:.0f}")
                + (
                    (f"{statistics.median(taken):.0f}", f"{p95(taken):.0f}", f"{each_ms:.0f}")
                    if taken
                    else ("", "", "")
                )
            )
    print(table(("list", "first ms", "last ms", "then, median ms", "p95 ms", "CPU ms"), rows))
    print(f"all {len(every)} pages: median {statistics.median(every):.0f} ms, p95 {p95(every):.0f}")
    print(f"first and last pages alone: p95 {p95(firsts):.0f} ms")
    with service.client(token) as api:
        begun = time.perf_counter()
        done = api.post(
            "/api/dm/actions/",
            params={"project": made["id"], "id": "delete_tasks"},
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
