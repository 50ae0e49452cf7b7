"""Jobs through a running service: the badge, filters, CPUs, a full disk, and the demo's part."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mlpi.demo import State
from mlpi.jobs import demo
from mlpi.settings import Settings
from tests.integration.test_bad_days import leave_free, small_disk
from tests.integration.test_jobs import JOBS, SCHEDULES, end_of, job, make
from tests.service import Service, running_service, until

WORKSPACE = "figures"
ELSEWHERE = "no-figures"


@pytest.fixture(scope="module")
def filled(service: Service) -> Service:
    """A workspace of its own with 60 quick jobs, of which one has failed."""
    for workspace in (WORKSPACE, ELSEWHERE):
        service.mlpi("workspace", "add", workspace)
        service.mlpi("member", "add", workspace, "eve", "editor")
    with service.client(service.token("eve", WORKSPACE)) as eve:
        made = [make(eve, steps=0, title=f"quick {n}") for n in range(59)]
        made.append(make(eve, steps=50, title="too long", timeout_s=0.2))
        for one in made:
            end_of(eve, one)
    return service


@pytest.fixture
def eve(filled: Service) -> Iterator[httpx.Client]:
    with filled.client(filled.token("eve", WORKSPACE)) as client:
        yield client


def test_limits_may_be_asked_for(eve: httpx.Client) -> None:
    (failed,) = eve.get(JOBS, params={"state": "failed"}).json()
    assert (failed["timeout_s"], failed["error"]) == (0.2, "it took longer than 0.2 s")
    body = {"kind": "selftest", "params": {"steps": 0}, "cpus": 64, "memory_bytes": 10**9}
    made = end_of(eve, eve.post(JOBS, json=body).json()["id"])
    assert (made["state"], made["cpus"], made["memory_bytes"]) == ("succeeded", 64, 10**9)
    for name, value in (("cpus", 0), ("memory_bytes", 5), ("timeout_s", -1)):
        answer = eve.post(JOBS, json={"kind": "selftest", name: value})
        assert answer.status_code == 422
        assert name in answer.text


def test_the_history_is_filtered_through_the_api(eve: httpx.Client) -> None:
    newest, *_ = eve.get(JOBS, params={"q": "quick", "limit": 1}).json()
    assert newest["title"] == "quick 58"
    since = newest["created_at"].replace("+00:00", "Z")
    later = eve.get(JOBS, params={"since": since, "q": "quick", "who": "eve"}).json()
    assert [one["id"] for one in later] == [newest["id"]]
    naive = since.removesuffix("Z")  # taken as UTC
    assert eve.get(JOBS, params={"since": naive, "q": "quick"}).json() == later
    assert eve.get(JOBS, params={"who": "nobody"}).json() == []


def test_durations_of_each_kind(eve: httpx.Client) -> None:
    (pace,) = eve.get(f"{JOBS}/durations").json()
    assert pace["kind"] == "selftest"
    assert (pace["count"] >= 60, pace["failed"]) == (True, 1)
    assert 0 <= pace["median_s"] <= pace["p95_s"] <= pace["longest_s"]


def test_filters_survive_paging(filled: Service) -> None:
    with filled.browser("eve") as browser:
        asked = {"workspace": WORKSPACE, "q": "quick", "who": "eve", "span": "7d"}
        first = browser.get("/jobs", params={**asked, "state": "succeeded"}).text
        (older,) = re.findall(r'href="([^"]+)">Older</a>', first)
        older = older.replace("&amp;", "&")
        second = browser.get(older).text
        rows = re.compile(r'id="job-(\d+)"').findall
        assert len(rows(first)) == 50
        assert len(rows(second)) == 9
        assert max(map(int, rows(second))) < min(map(int, rows(first)))
        assert '<option value="7d" selected>' in second
        assert '<option value="succeeded" selected>' in second
        assert 'value="quick"' in second
        assert "Older</a>" not in second
        assert "No such job" in browser.get("/jobs", params={**asked, "who": "zoe"}).text


def test_the_badge_is_on_every_page_and_answers_alone(filled: Service, eve: httpx.Client) -> None:
    made = make(eve, steps=600)
    try:
        until(lambda: job(eve, made)["fraction"])
        with filled.browser("eve") as browser:
            for path in ("/", "/tracking", "/jobs", "/settings/members"):
                page = browser.get(path, params={"workspace": WORKSPACE}).text
                assert 'aria-label="1 job waits or runs, 1 failed within 24 h"' in page, path
            asked = {"workspace": WORKSPACE}
            part = browser.get("/jobs/_badge", params=asked, headers={"HX-Request": "true"}).text
            assert part.lstrip().startswith('<a id="badge-jobs"')
            assert "tick from:body" in part
            # Nothing of it shows in another workspace, nor to somebody who has none.
            page = browser.get("/", params={"workspace": ELSEWHERE}).text
            assert 'id="badge-jobs"' in page
            assert "failed within" not in page
        with filled.browser("otto") as otto:
            assert otto.get("/jobs/_badge", params=asked).status_code == 404
    finally:
        eve.post(f"{JOBS}/{made}/cancel")
    end_of(eve, made)
    with filled.browser("eve") as browser:
        part = browser.get("/jobs/_badge", params={"workspace": WORKSPACE}).text
        assert "tick from:body" not in part  # nothing runs: nothing asks


def test_a_disk_that_is_full_when_a_job_ends(tmp_path: Path) -> None:
    """Its end is kept until it can be written; nothing is doubled, nothing else is harmed."""
    with small_disk(tmp_path / "disk", "30m") as disk, running_service(disk) as service:
        service.add_user("root")
        with service.client(service.token("root", "default")) as client:
            made = make(client, steps=40)
            until(lambda: job(client, made)["fraction"])
            leave_free(disk, 0)
            until(lambda: "jobs cannot be written" in service.log, seconds=60)
            assert job(client, made)["state"] == "running"
            assert client.post(JOBS, json={"kind": "selftest"}).status_code == 507
            assert client.get("/readyz").json()["components"]["jobs"]["state"] == "ready"
            (disk / "filler").unlink()
            done = end_of(client, made)
            assert (done["state"], done["attempt"]) == ("succeeded", 1)
            assert done["result"] == {"steps": 40, "attempt": 1}
            log = client.get(f"{JOBS}/{made}/log").json()["text"]
            assert log.splitlines() == [f"step {n} of 40" for n in range(1, 41)]
            assert [one["id"] for one in client.get(JOBS).json()] == [made]
            assert end_of(client, make(client))["state"] == "succeeded"
        assert service.stop() == 0


def test_the_demo_has_a_history_and_goes_without_a_trace(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        service.add_user("root")
        service.mlpi("workspace", "add", "demo")
        settings = Settings(home=service.home)
        logs = service.home / "logs" / "jobs"
        assert demo.state(settings) is State.ABSENT
        token = service.token("root", "demo")
        with service.client(token) as client:
            mine = end_of(client, make(client, steps=1, title="mine"))["id"]
            demo.fill(service.url, token, print)
            assert demo.state(settings) is State.COMPLETE
            found = client.get(JOBS).json()
            assert {one["state"] for one in found} == {"succeeded", "failed", "cancelled"}
            (schedule,) = client.get(SCHEDULES).json()
            assert schedule["upcoming"]
            end_of(client, client.post(f"{SCHEDULES}/{schedule['id']}/run").json()["id"])
            client.post(SCHEDULES, json={**schedule, "name": "mine"})
            assert len(list(logs.iterdir())) > 1

            assert demo.remove(settings) == ["1 job", "1 schedule"]

            assert demo.state(settings) is State.ABSENT
            assert [one["id"] for one in client.get(JOBS).json()] == [mine]
            assert [one["name"] for one in client.get(SCHEDULES).json()] == ["mine"]
            assert [path.name for path in logs.iterdir()] == [f"{mine}.log"]
            assert demo.remove(settings) == ["1 job", "1 schedule"]


def test_a_demo_that_was_killed_halfway_is_partial(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        service.add_user("root")
        service.mlpi("workspace", "add", "demo")
        with service.client(service.token("root", "demo")) as client:
            make(client, steps=600, idempotency_key=f"{demo.MARK}short")
            settings = Settings(home=service.home)
            assert demo.state(settings) is State.PARTIAL
            assert demo.remove(settings) == []
            assert demo.state(settings) is State.ABSENT
            assert end_of(client, make(client))["state"] == "succeeded"


def test_no_demo_where_there_is_no_database(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert demo.state(settings) is State.ABSENT
    assert demo.remove(settings) == []
    assert not list(tmp_path.iterdir())
