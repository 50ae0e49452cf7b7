"""What pages say: browsers and deeds in words, what needs attention, where forms lead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mlpi.auth.requests import local_path
from mlpi.component import Health, State
from mlpi.system.machine import Figures
from mlpi.tracking.service import plain_first
from mlpi.web import filters, words
from mlpi.web.attention import notices

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML) Chrome/140.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "reads"),
    [
        (CHROME, "Chrome on Linux"),
        (CHROME + " Edg/140.0", "Edge on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko Firefox/140.0", "Firefox on Windows"),
        ("Mozilla/5.0 (iPhone; CPU like Mac OS X) Version/19.0 Safari/604.1", "Safari on iPhone"),
        ("curl/8.14", "curl"),
        ("", "An unknown browser"),
    ],
)
def test_browsers_are_named(agent: str, reads: str) -> None:
    assert words.device(agent) == reads


@pytest.mark.parametrize(
    ("action", "reads"),
    [
        ("member_set", "set the member"),
        ("POST /api/2.0/mlflow/runs/delete", "called mlflow runs delete (POST)"),
        (
            "DELETE /ajax-api/3.0/mlflow/datasets/{dataset_id}",
            "called mlflow datasets (DELETE)",
        ),
        ("something_new", "something new"),
    ],
)
def test_deeds_read_as_verbs(action: str, reads: str) -> None:
    assert words.deed(action) == reads


@pytest.mark.parametrize(
    ("span", "reads"),
    [
        (timedelta(seconds=-1), "over"),
        (timedelta(seconds=30), "in 1 min"),
        (timedelta(hours=5, minutes=10), "in 5 h"),
        (timedelta(days=90), "in 90 days"),
    ],
)
def test_ends_read_as_people_say_them(span: timedelta, reads: str) -> None:
    assert filters.until(NOW + span, NOW) == reads


def test_no_end_is_never() -> None:
    assert filters.until(None) == "never"


@pytest.mark.parametrize(
    "target", ["/", "/#/experiments/3/runs/abc", "/tracking?q=a%20b#artifacts"]
)
def test_paths_keep_their_query_and_fragment(target: str) -> None:
    assert local_path(target) == target


def test_a_tab_does_not_smuggle_another_host_in() -> None:
    assert local_path("/\t/host.example") == "/"


def machine(*, memory_used: int = 10, disk_used: int = 10) -> Figures:
    """A machine of 100 bytes of everything."""
    return Figures(
        host="pi",
        up_s=1,
        cpu_count=4,
        cpu_percent=1,
        temperature_c=None,
        memory_used_bytes=memory_used,
        memory_total_bytes=100,
        process_bytes=5,
        disk_used_bytes=disk_used,
        disk_total_bytes=100,
        disk_free_bytes=100 - disk_used,
    )


def test_a_well_machine_needs_no_attention() -> None:
    health = {"tracking": Health(State.READY), "boards": Health(State.STARTING)}
    assert notices(health, machine(memory_used=90, disk_used=90)) == []


def test_what_failed_comes_before_what_runs_short() -> None:
    found = notices(
        {"tracking": Health(State.FAILED, "no such table")}, machine(memory_used=91, disk_used=91)
    )
    assert [one.title for one in found] == [
        "Tracking failed",
        "The disk is nearly full",
        "Memory is short",
    ]
    assert found[0].kind == "bad"
    assert "no such table" in found[0].detail


def test_plain_metrics_come_before_grouped_and_the_system_s() -> None:
    keys = ["system/cpu", "layer/1", "val_loss", "loss"]
    assert plain_first(keys) == ["loss", "val_loss", "layer/1", "system/cpu"]
