"""The table of an experiment's runs, at 1,000, 10,000 and 100,000 runs.

python -m tests.bench.runs_table [--pages 60] [--url postgresql+psycopg://…]

A real service; the runs are inserted straight into its MLflow database. Measured over HTTP with a
session of a browser: the first page, as the browser gets it, and what else people do.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, insert, text

from tests.bench.measure import machine, table
from tests.service import Service, free_port

SIZES = (1_000, 10_000, 100_000)
CHUNK = 2_000
START_MS = 1_790_000_000_000
MODELS = ("cnn", "forest", "logistic-regression", "svc", "mlp")


def fill(engine: Engine, experiment_id: int, count: int, *, long_names: bool = False) -> None:
    """Runs with six metrics, five params, four tags; one in ten is nested in the run before it."""
    dice = random.Random(f"{experiment_id} {count}")
    tables = _reflected(engine)
    with engine.begin() as db:
        parent = ""
        for begin in range(0, count, CHUNK):
            parent = _fill_chunk(
                db,
                tables,
                dice,
                experiment_id,
                range(begin, min(count, begin + CHUNK)),
                parent,
                long_names=long_names,
            )


def _reflected(engine: Engine) -> MetaData:
    tables = MetaData()
    tables.reflect(engine, only=["runs", "params", "tags", "latest_metrics"], resolve_fks=False)
    return tables


def _fill_chunk(
    db: Connection,
    tables: MetaData,
    dice: random.Random,
    experiment_id: int,
    numbers: Sequence[int],
    parent: str,
    *,
    long_names: bool,
) -> str:
    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("runs", "params", "tags", "latest_metrics")
    }
    for number in numbers:
        id_ = f"{experiment_id:08x}{number:08x}{dice.getrandbits(64):016x}"
        name = f"trial-{number:06}"
        if long_names:
            name += "-with-a-name-that-somebody-let-a-sweep-write-for-them-" + "x" * (number % 90)
        start = START_MS + number * 60_000
        status = dice.choices(("FINISHED", "FAILED", "KILLED", "RUNNING"), (90, 6, 3, 1))[0]
        end = None if status == "RUNNING" else start + dice.randrange(1_000, 900_000)
        rows["runs"].append(
            {
                "run_uuid": id_,
                "experiment_id": experiment_id,
                "name": name,
                "user_id": "bench",
                "status": status,
                "start_time": start,
                "end_time": end,
                "lifecycle_stage": "active",
                "source_type": "UNKNOWN",
                "source_name": "",
                "entry_point_name": "",
                "source_version": "",
                "artifact_uri": f"mlflow-artifacts:/workspaces/lab/{experiment_id}/{id_}/artifacts",
            }
        )
        for key in ("loss", "accuracy", "val/loss", "val/accuracy", "epoch", "system/memory_mb"):
            value = dice.random()
            rows["latest_metrics"].append(
                {
                    "run_uuid": id_,
                    "key": key,
                    "value": value,
                    "timestamp": start,
                    "step": 9,
                    "is_nan": dice.random() < 0.01,
                }
            )
        chosen = (
            ("model", dice.choice(MODELS)),
            ("seed", str(number)),
            ("depth", str(number % 12)),
            ("learning_rate", str(10 ** -dice.randrange(1, 6))),
            ("batch_size", "64"),
        )
        rows["params"] += [{"run_uuid": id_, "key": key, "value": value} for key, value in chosen]
        tags = [("mlflow.runName", name), ("mlflow.user", "bench"), ("team", dice.choice("abc"))]
        if number % 10 == 9:
            tags.append(("mlflow.parentRunId", parent))
        else:
            parent = id_
        rows["tags"] += [{"run_uuid": id_, "key": key, "value": value} for key, value in tags]
    for name, found in rows.items():
        db.execute(insert(tables.tables[name]), found)
    return parent


def make_experiments(url: str, sizes: Sequence[int], **options: bool) -> dict[int, int]:
    """One experiment of each size in workspace lab; their ids by size."""
    engine = create_engine(url)
    made = {}
    try:
        experiments = Table("experiments", MetaData(), autoload_with=engine, resolve_fks=False)
        for size in sizes:
            with engine.begin() as db:
                id_ = (db.scalar(text("SELECT max(experiment_id) FROM experiments")) or 0) + 1
                db.execute(
                    insert(experiments).values(
                        experiment_id=id_,
                        name=f"bench-{size}-{id_}",
                        workspace="lab",
                        lifecycle_stage="active",
                        creation_time=START_MS,
                        last_update_time=START_MS,
                        artifact_location=f"mlflow-artifacts:/workspaces/lab/{id_}",
                    )
                )
            fill(engine, id_, size, **options)
            made[size] = id_
        if engine.dialect.name == "postgresql":
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
                db.execute(text("VACUUM ANALYZE"))
    finally:
        engine.dispose()
    return made


def timed(ask: Callable[[], httpx.Response], times: int) -> tuple[float, float]:
    """Median and 95th percentile, in ms."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        answer = ask()
        taken.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, answer.text[:500]
    taken.sort()
    return statistics.median(taken), taken[min(len(taken) - 1, int(len(taken) * 0.95))]


PAGES = {
    "first page": ("", {"flat": ""}),
    "its refresh": ("", {"refresh": "1"}),
    "first page, all in one list": ("", {"flat": "1"}),
    "sorted by a metric": ("", {"sort": "metrics.accuracy", "flat": "1"}),
    "sorted by a param": ("", {"sort": "params.seed", "flat": "1"}),
    "filter met by a third": ("", {"q": "metrics.loss < 0.3 and tags.team = 'a'"}),
    "filter met by none": ("", {"q": "metrics.loss > 2"}),
    "words of a name": ("", {"q": "trial-000"}),
    "grouped by a param": ("", {"group": "params.model"}),
    "columns to choose from": ("/columns", {}),
}


def deep_page(client: httpx.Client, at: str, pages: int) -> dict[str, str]:
    """The query of the page after so many, found by following Next."""
    query: dict[str, str] = {"workspace": "lab", "flat": "1", "size": "200"}
    for _ in range(pages):
        html = client.get(at, params=query).text
        cursor = html.rsplit("after=", 1)[-1].split("&")[0].split('"')[0]
        query["after"] = cursor
    return query


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pages", type=int, default=60)
    options.add_argument("--url", help="MLflow's database, empty; SQLite in the home if not given")
    options.add_argument("--sizes", default=",".join(map(str, SIZES)))
    chosen = options.parse_args()
    sizes = [int(size) for size in chosen.sizes.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        env = {"MLPI_MLFLOW_DATABASE_URL": chosen.url} if chosen.url else {}
        service = Service(home, free_port(), env)
        try:
            service.start()
            service.add_user("ana")
            service.mlpi("workspace", "add", "lab")
            service.mlpi("member", "add", "lab", "ana", "owner")
            service.wait_ready()
            url = chosen.url or f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"
            made = make_experiments(url, sizes)
            print(f"{machine()}; {url.split(':')[0]}; load {os.getloadavg()[0]:.1f}\n")
            measure(service, made, chosen.pages)
        finally:
            service.stop()


def measure(service: Service, made: dict[int, int], pages: int) -> None:
    lines = []
    with service.browser("ana") as client:
        for name, (path, query) in PAGES.items():
            cells = [name]
            for id_ in made.values():
                at = f"/tracking/experiments/{id_}{path}"
                client.cookies.delete("mlpi_runs") if "mlpi_runs" in client.cookies else None
                few = pages if "page" in name or "refresh" in name else max(5, pages // 6)
                params = {"workspace": "lab", **query}
                client.get(at, params=params)
                median, p95 = timed(lambda at=at, params=params: client.get(at, params=params), few)  # type: ignore[misc]
                cells.append(f"{median:.0f} / {p95:.0f}")
            lines.append(cells)
        cells = ["page 20 of 200"]
        for size, id_ in made.items():
            at = f"/tracking/experiments/{id_}"
            query = deep_page(client, at, min(20, size // 200 - 1))
            median, p95 = timed(lambda at=at, query=query: client.get(at, params=query), 10)  # type: ignore[misc]
            cells.append(f"{median:.0f} / {p95:.0f}")
        lines.append(cells)
        median, p95 = timed(lambda: client.get("/tracking", params={"workspace": "lab"}), pages)
        lines.append([f"the list of these {len(made)} experiments", f"{median:.0f} / {p95:.0f}"])
        cells = ["CSV of all, s"]
        for id_ in made.values():
            begun = time.perf_counter()
            client.get(f"/tracking/experiments/{id_}/runs.csv?workspace=lab&flat=1")
            cells.append(f"{time.perf_counter() - begun:.1f}")
        lines.append(cells)
    print(table(["median / p95, ms", *(f"{size:,} runs" for size in made)], lines))


if __name__ == "__main__":
    main()
