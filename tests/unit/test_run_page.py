"""What the page of a run reads and shows, without a service."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from mlpi.artifacts import root_of
from mlpi.db import open_engine
from mlpi.errors import NotFound
from mlpi.tracking import models
from mlpi.tracking.run_page.files import Files, clean_path
from mlpi.tracking.run_page.records import Origin, columns_of, source_of
from mlpi.tracking.run_page.service import MOST_SHOWN, tree
from mlpi.tracking.run_page.store import SPARK_POINTS, RunPageStore
from mlpi.tracking.run_page.tables import LINE_BYTES, PAGE_ROWS, csv_page
from mlpi.web.markdown import MAX_CHARS, rendered
from tests.postgres import Postgres


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Tables like MLflow's, empty, once per kind of database."""
    url = f"sqlite:///{tmp_path / 'mlflow.db'}"
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.new_database()
    made = open_engine(url)
    with made.begin() as db:
        for table in models.ALL:
            table.create(db)
    yield made
    made.dispose()


def put_metrics(engine: Engine, key: str, values: list[float], run: str = "r") -> None:
    """A metric, one value for each step."""
    rows = [
        {
            "run_uuid": run,
            "key": key,
            "value": 0.0 if math.isnan(value) else value,
            "is_nan": math.isnan(value),
            "step": step,
            "timestamp": step * 1000,
        }
        for step, value in enumerate(values)
    ]
    with engine.begin() as db:
        db.execute(models.metrics.insert(), rows)


def test_small_curves_of_all_metrics_come_from_one_query(engine: Engine) -> None:
    put_metrics(engine, "long", [float(n % 500) for n in range(1000)])
    put_metrics(engine, "short", [3.0, math.nan, 1.0])
    put_metrics(engine, "flat", [2.0, 2.0])
    put_metrics(engine, "endless", [1.0, sys.float_info.max, 2.0])
    put_metrics(engine, "huge", [-1e308, 1e308])
    put_metrics(engine, "nothing", [math.nan, math.nan])
    put_metrics(engine, "long", [9e9, 9e9], run="another")
    found = RunPageStore(engine).sparks(
        "r", ["long", "short", "flat", "endless", "huge", "nothing"]
    )
    assert set(found) == {"long", "short", "flat", "endless", "huge"}
    assert (found["long"].least, found["long"].most) == (0.0, 499.0)
    assert SPARK_POINTS / 2 <= len(found["long"].points) <= SPARK_POINTS + 1
    assert found["short"].points == ((0.0, 0.0), (1.0, 1.0))
    assert {y for _, y in found["flat"].points} == {0.5}
    assert found["endless"].most == math.inf
    assert found["huge"].points == ((0.0, 1.0), (1.0, 0.0))
    assert found["short"].path == "0.0,1.0 100.0,23.0"


def test_new_points_begin_behind_what_is_known(engine: Engine) -> None:
    put_metrics(engine, "a", [0.0, 1.0, 2.0])
    put_metrics(engine, "b", [5.0, math.nan])
    found = RunPageStore(engine).new_points("r", [("a", 1, 1000), ("b", 0, 0), ("none", 0, 0)])
    assert found["a"] == [(2, 2000, 2.0)]
    assert [point[:2] for point in found["b"]] == [(1, 1000)]
    assert math.isnan(found["b"][0][2])
    assert "none" not in found


@pytest.mark.parametrize(
    ("uri", "workspace", "root"),
    [
        ("mlflow-artifacts:/workspaces/lab/1/r/artifacts", "lab", "workspaces/lab/1/r/artifacts"),
        ("mlflow-artifacts:/1/r/artifacts", "default", "1/r/artifacts"),
        ("mlflow-artifacts://host/1/r", "lab", "workspaces/lab/1/r"),
        ("mlflow-artifacts:/workspaces/default/1", "default", "workspaces/default/1"),
        ("mlflow-artifacts:/1/models/m-1", "lab", "workspaces/lab/1/models/m-1"),
        ("mlflow-artifacts:/workspaces/lab/1", "other", None),
        ("mlflow-artifacts:/workspaces/lab2/1", "lab", None),
        ("mlflow-artifacts:/workspaces/lab/../other/1", "lab", None),
        ("mlflow-artifacts:/workspaces/lab/1", "default", None),
        ("mlflow-artifacts:/./workspaces/lab/1", "default", None),
        ("mlflow-artifacts:/a/../workspaces/lab/1", "default", None),
        ("mlflow-artifacts:/%77orkspaces/lab/1", "default", None),
        ("mlflow-artifacts:/workspaces", "default", None),
        ("mlflow-artifacts:/workspaces/lab", "lab", None),
        ("mlflow-artifacts:/", "lab", None),
        ("mlflow-artifacts:/../x", "lab", None),
        ("file:///etc", "lab", None),
        ("s3://bucket/1", "default", None),
        ("models:/m-1", "default", None),
        ("/etc", "lab", None),
        ("", "lab", None),
    ],
)
def test_files_are_looked_for_in_the_workspace_alone(
    uri: str, workspace: str, root: str | None
) -> None:
    if root is None:
        with pytest.raises(NotFound):
            root_of(uri, workspace)
    else:
        assert root_of(uri, workspace) == root


def test_paths_are_cleaned_or_refused() -> None:
    assert clean_path("/a//./b/") == "a/b"
    for path in ("..", "a/../b", "a\\b", "a\x00", "x" * 5000):
        with pytest.raises(NotFound):
            clean_path(path)


class Remote:
    """An artifact repository of another store, as MLflow has them: it lists and downloads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.fetched: list[Path] = []

    def list_artifacts(self, path: str) -> list[object]:
        from mlflow.entities import FileInfo

        return [
            FileInfo(str(one.relative_to(self._folder)), one.is_dir(), one.stat().st_size or None)
            for one in (self._folder / path).iterdir()
        ]

    def download_artifacts(self, path: str, dst_path: str) -> str:
        target = Path(dst_path) / Path(path).name
        target.write_bytes((self._folder / path).read_bytes())
        self.fetched.append(target)
        return str(target)


def test_files_of_another_store_are_fetched_and_forgotten(tmp_path: Path) -> None:
    (tmp_path / "root" / "deep").mkdir(parents=True)
    (tmp_path / "root" / "deep" / "a.txt").write_text("far away")
    remote = Remote(tmp_path)
    files = Files(remote, "root")
    assert [item.path for item in files.listed()] == ["deep"]
    assert files.local("deep/a.txt") is None
    with files.opened("deep/a.txt") as local:
        assert local.read_text() == "far away"
    assert not remote.fetched[0].exists()
    assert b"far away" in b"".join(files.packed(list(files.walk("")), ""))
    assert not any(path.exists() for path in remote.fetched)
    with pytest.raises(NotFound):
        files.item("deep/none.txt")


def test_a_folder_of_very_many_files_stays_a_page(tmp_path: Path) -> None:
    for number in range(MOST_SHOWN + 5):
        (tmp_path / f"{number:04}.txt").touch()
    repository = type("Local", (), {"artifact_dir": str(tmp_path.parent)})()
    files = Files(repository, tmp_path.name)
    branches, left_out = tree(files, "")
    assert (len(branches), left_out) == (MOST_SHOWN, 5)
    last = f"{MOST_SHOWN + 4:04}.txt"
    branches, left_out = tree(files, last)
    assert branches[-1].item.path == last
    assert left_out == 4


def test_a_csv_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"n;t\r\n" + b"".join(b'%d;"x\ny"\r\n' % n for n in range(PAGE_ROWS + 1)))
    first = csv_page(path)
    assert (first.columns, len(first.rows), first.next_row) == (["n", "t"], PAGE_ROWS, 101)
    assert first.next_at is not None
    second = csv_page(path, first.next_at, first.next_row)
    assert second.rows == [[str(PAGE_ROWS), "x\ny"]]
    assert second.next_at is None
    assert csv_page(path, 10**9, 5).rows == []
    path.write_bytes(b"a\n" + b"x" * (LINE_BYTES + 1))
    with pytest.raises(ValueError, match="longer than"):
        csv_page(path)


def test_markdown_holds_nothing_that_runs_or_asks_elsewhere() -> None:
    text = (
        "<script>alert(1)</script> <img src=x onerror=alert(1)>\n\n"
        "[a](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) [c](data:text/html,x)\n"
        "[d](vbscript:x) <javascript:alert(1)> [e](file:///etc/passwd)\n\n"
        "![f](https://example.com/f.png) ![g](a.png)\n\n"
        "[ok](https://example.com) [mail](mailto:a@example.com) [near](other.md)\n\n"
        "| a | b |\n|---|--:|\n| 1 | 2 |\n"
    )
    html = rendered(text, lambda source: "/shown" if source == "a.png" else None)
    for bad in ("<script", "onerror=alert(1)>\n<", 'href="javascript', 'href="data', "style="):
        assert bad not in html
    assert html.count("<a ") == 3
    assert html.count("<img") == 1
    assert '<img src="/shown"' in html
    assert "[f]" in html
    assert '<td class="num">2</td>' in html
    assert "<img" not in rendered("![g](a.png)")
    assert rendered("# One").startswith('<div class="markdown"><h3>One</h3>')
    assert rendered("*x*" * MAX_CHARS).startswith("<pre")
    assert "<blockquote>" in rendered(">" * 5000 + " deep")


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("git@example.com:a/b.git", "https://example.com/a/b"),
        ("https://example.com/a/b.git", "https://example.com/a/b"),
        ("https://user:secret@example.com/a/b", None),
        ("ssh://example.com/a", None),
        ("javascript:alert(1)", None),
        ("", None),
    ],
)
def test_a_repository_is_linked_when_it_has_a_page(address: str, url: str | None) -> None:
    origin = Origin.of_tags(
        {"mlflow.source.git.repoURL": address, "mlflow.source.git.commit": "abc123"}
    )
    assert origin.url == url
    assert origin.commit_url == (f"{url}/commit/abc123" if url else None)


def test_odd_facts_of_datasets_are_no_trouble() -> None:
    for text in (None, "", "{", "[]", "3", '{"mlflow_colspec": 3}', "[" * 100_000):
        assert columns_of(text) == ()
    assert source_of('{"uri": "s3://b/x"}') == "s3://b/x"
    assert source_of('{"other": 1}') == '{"other": 1}'
    assert source_of("plain") == "plain"
