"""How numbers and times read, and what the static files let out."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from mlpi.auth.requests import local_path
from mlpi.errors import NotFound
from mlpi.web import filters
from mlpi.web.assets import IMMUTABLE, Assets

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("before", "reads"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(minutes=4, seconds=30), "4 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(days=1), "1 day ago"),
        (timedelta(days=12), "12 days ago"),
        (timedelta(days=61), "1 Mar 2026"),
        (timedelta(hours=-2), "in the future"),
    ],
)
def test_times_read_as_people_say_them(before: timedelta, reads: str) -> None:
    assert filters.ago(NOW - before, NOW) == reads


@pytest.mark.parametrize(
    ("value", "reads"),
    [
        (0.98623, "0.9862"),
        (3.0, "3"),
        (1234567.0, "1.235e+06"),
        (1e-9, "1e-09"),
        (float("nan"), "NaN"),
        (float("inf"), "∞"),
        (float("-inf"), "−∞"),
        (None, "–"),
    ],
)
def test_metrics_read_without_noise(value: float | None, reads: str) -> None:
    assert filters.figure(value) == reads


@pytest.mark.parametrize(
    ("size", "reads"), [(0, "0 B"), (812, "812 B"), (4100, "4.1 kB"), (1.8e9, "1.8 GB")]
)
def test_sizes(size: float, reads: str) -> None:
    assert filters.size(size) == reads


@pytest.mark.parametrize(
    ("seconds", "reads"),
    [(0.44, "0.4 s"), (42, "42 s"), (133, "2 m 13 s"), (11100, "3 h 05 m"), (190000, "2 d 4 h")],
)
def test_durations(seconds: float, reads: str) -> None:
    assert filters.duration(seconds) == reads


@pytest.mark.parametrize(
    "target", ["https://example.org", "//example.org", "/\\example.org", "x", "", "/a\nb"]
)
def test_only_paths_of_this_host_are_gone_on_to(target: str) -> None:
    assert local_path(target) == "/"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    static = tmp_path / "static"
    static.mkdir()
    (static / "big.js").write_text("let a = 1;\n" * 1000)
    (static / "small.js").write_text("1")
    (tmp_path / "secret.txt").write_text("secret")
    (static / "link.txt").symlink_to(tmp_path / "secret.txt")
    return static


def fetch(assets: Assets, path: str, *, accept: bytes = b"gzip", query: bytes = b"") -> Any:
    scope = {
        "type": "http",
        "method": "GET",
        "query_string": query,
        "headers": [(b"accept-encoding", accept)],
    }
    return anyio.run(assets.get_response, path, scope)


def test_scripts_are_packed_once_and_kept(folder: Path, tmp_path: Path) -> None:
    assets = Assets(folder, cache=tmp_path / "cache")
    first = fetch(assets, "big.js")
    assert first.headers["content-encoding"] == "gzip"
    assert gzip.decompress(Path(first.path).read_bytes()) == (folder / "big.js").read_bytes()
    packed = list((tmp_path / "cache").iterdir())
    fetch(assets, "big.js")
    assert list((tmp_path / "cache").iterdir()) == packed
    (folder / "big.js").write_text("let b = 2;\n" * 2000)
    assert gzip.decompress(Path(fetch(assets, "big.js").path).read_bytes()).startswith(b"let b")


def test_what_is_small_or_unwanted_is_sent_as_it_is(folder: Path, tmp_path: Path) -> None:
    assets = Assets(folder, cache=tmp_path / "cache")
    assert "content-encoding" not in fetch(assets, "small.js").headers
    assert "content-encoding" not in fetch(assets, "big.js", accept=b"identity").headers


def test_a_versioned_address_is_for_ever(folder: Path, tmp_path: Path) -> None:
    assets = Assets(folder, cache=tmp_path / "cache")
    assert fetch(assets, "big.js", query=b"v=1").headers["cache-control"] == IMMUTABLE
    assert "immutable" not in fetch(assets, "big.js").headers["cache-control"]


@pytest.mark.parametrize(
    "path", ["../secret.txt", "x/../../secret.txt", "/etc/passwd", "link.txt", ".", "", "nothing"]
)
def test_nothing_outside_the_folder_is_served(folder: Path, tmp_path: Path, path: str) -> None:
    with pytest.raises(NotFound):
        fetch(Assets(folder, cache=tmp_path / "cache"), path)


def test_a_full_disk_does_not_stop_the_pages(folder: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "cache"
    blocked.write_text("a file where the folder should be")
    assert "content-encoding" not in fetch(Assets(folder, cache=blocked), "big.js").headers
