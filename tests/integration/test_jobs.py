"""Jobs through a running service: the API, the pages, and what survives a crash."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.service import Service, running_service, until

JOBS = "/api/mlpi/jobs"
SCHEDULES = "/api/mlpi/schedules"


def make(client: httpx.Client, steps: int = 2, **more: Any) -> int:
    answer = client.post(JOBS, json={"kind": "selftest", "params": {"steps": steps}, **more})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def job(client: httpx.Client, job_id: int) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{JOBS}/{job_id}").json()
    return found


def end_of(client: httpx.Client, job_id: int) -> dict[str, Any]:
    ended = ("succeeded", "failed", "cancelled", "lost")
    until(lambda: job(client, job_id)["state"] in ended)
    return job(client, job_id)


def is_alive(pid: int) -> bool:
    """Whether it runs; one that nobody has waited for yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def worker_pids(service: Service) -> list[int]:
    assert service.process is not None
    servers = [
        child
        for child in psutil.Process(service.process.pid).children()
        if "mlpi.jobs.forkserver" in child.cmdline()
    ]
    return [worker.pid for server in servers for worker in server.children()]


def test_a_job_runs_with_progress_log_and_result(service: Service) -> None:
    with service.client(service.token("eve", "lab")) as eve:
        made = make(eve, steps=12, title="my test")
        seen = until(lambda: (found := job(eve, made))["fraction"] and found)
        assert seen["state"] == "running"
        done = end_of(eve, made)
        assert (done["state"], done["title"], done["actor"]) == ("succeeded", "my test", "eve")
        assert done["result"] == {"steps": 12, "attempt": 1}
        log = eve.get(f"{JOBS}/{made}/log").json()
        assert log["text"].splitlines() == [f"step {n} of 12" for n in range(1, 13)]
        assert [one["id"] for one in eve.get(JOBS, params={"q": "my test"}).json()] == [made]


def test_bad_wishes_are_refused_by_name(service: Service) -> None:
    with service.client(service.token("eve", "lab")) as eve:
        unknown = eve.post(JOBS, json={"kind": "mine"})
        assert (unknown.status_code, unknown.json()["field"]) == (422, "kind")
        wrong = eve.post(JOBS, json={"kind": "selftest", "params": {"steps": "many"}})
        assert (wrong.status_code, wrong.json()["field"]) == (422, "params")
        assert eve.get(f"{JOBS}/999999").status_code == 404
        odd = {"kind": "selftest", "name": "x", "trigger": "cron", "expression": "never"}
        assert eve.post(SCHEDULES, json=odd).json()["field"] == "expression"


def test_who_may_see_and_change_jobs(service: Service) -> None:
    with service.client(service.token("eve", "lab")) as eve:
        made = make(eve, steps=200)
        with service.client(service.token("vic", "lab")) as vic:
            assert job(vic, made)["id"] == made
            assert vic.post(f"{JOBS}/{made}/cancel").status_code == 403
            assert vic.post(JOBS, json={"kind": "selftest"}).status_code == 403
        with service.client(service.token("otto", "other")) as otto:
            for path in (f"{JOBS}/{made}", f"{JOBS}/{made}/log"):
                assert otto.get(path).status_code == 404
            assert otto.post(f"{JOBS}/{made}/cancel").status_code == 404
            assert made not in [one["id"] for one in otto.get(JOBS).json()]
        assert eve.post(f"{JOBS}/{made}/cancel").status_code == 200
        assert end_of(eve, made)["state"] == "cancelled"


def test_a_key_is_one_job_also_when_asked_at_once(service: Service) -> None:
    with service.client(service.token("eve", "lab")) as eve:
        assert len({make(eve, idempotency_key="only-once") for _ in range(5)}) == 1


def test_schedules_through_the_api(service: Service) -> None:
    with service.client(service.token("ana", "lab")) as ana:
        body = {
            "kind": "selftest",
            "name": "hourly",
            "trigger": "interval",
            "expression": "1h",
            "params": {"steps": 1},
        }
        made = ana.post(SCHEDULES, json=body).json()
        assert len(made["upcoming"]) == 5
        assert ana.post(SCHEDULES, json=body).status_code == 409
        ran = ana.post(f"{SCHEDULES}/{made['id']}/run").json()
        assert end_of(ana, ran["id"])["schedule_id"] == made["id"]
        paused = ana.post(f"{SCHEDULES}/{made['id']}/pause").json()
        assert (paused["is_paused"], paused["upcoming"]) == (True, [])
        with service.client(service.token("eve", "lab")) as eve:
            assert eve.delete(f"{SCHEDULES}/{made['id']}").status_code == 403
        assert ana.delete(f"{SCHEDULES}/{made['id']}").status_code == 204
        assert job(ana, ran["id"])["schedule_id"] is None


def test_the_pages_show_it_all(service: Service) -> None:
    with service.client(service.token("eve", "lab")) as eve:
        made = make(eve, title="<b>bold</b>")
        end_of(eve, made)
    with service.browser("vic") as vic:
        page = vic.get("/jobs?workspace=lab").text
        assert "&lt;b&gt;bold&lt;/b&gt;" in page
        assert "Test the workers" not in page
        assert "step 2 of 2" in vic.get(f"/jobs/{made}").text
        part = vic.get("/jobs", headers={"HX-Request": "true"}).text
        assert part.lstrip().startswith('<div id="jobs"')
        assert vic.get("/jobs/schedules").status_code == 200
    with service.browser("eve") as eve_browser:
        form = {"kind": "selftest", "name": "", "trigger": "cron", "expression": "61 * * * *"}
        answer = eve_browser.post("/jobs/schedules?workspace=lab", data=form)
        assert answer.status_code == 422
        assert "61 * * * *" in answer.text


def test_a_killed_worker_is_replaced_and_its_job_done(service: Service) -> None:
    with service.client(service.token("eve", "lab")) as eve:
        made = make(eve, steps=15)
        until(lambda: job(eve, made)["fraction"])
        for pid in worker_pids(service):
            os.kill(pid, signal.SIGKILL)
        done = end_of(eve, made)
    assert (done["state"], done["attempt"]) == ("succeeded", 2)


def test_killing_the_service_kills_its_workers_and_loses_no_job(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        service.add_user("root")
        token = service.token("root", "default")
        with service.client(token) as client:
            running, waiting = make(client, steps=600), make(client)
            until(lambda: job(client, running)["fraction"])
            (worker,) = worker_pids(service)
        service.stop(signal.SIGKILL)
        until(lambda: not is_alive(worker))
        service.start()
        with service.client(token) as client:
            until(lambda: job(client, running)["fraction"])
            assert job(client, running)["attempt"] == 2
            client.post(f"{JOBS}/{running}/cancel")
            assert end_of(client, running)["state"] == "cancelled"
            assert end_of(client, waiting)["state"] == "succeeded"


def test_a_clean_stop_ends_workers_and_counts_no_attempt(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        service.add_user("root")
        token = service.token("root", "default")
        with service.client(token) as client:
            made = make(client, steps=600)
            until(lambda: job(client, made)["fraction"])
            (worker,) = worker_pids(service)
        assert service.stop() == 0
        until(lambda: not is_alive(worker))
        service.start()
        with service.client(token) as client:
            until(lambda: job(client, made)["fraction"])
            assert job(client, made)["attempt"] == 1
            client.post(f"{JOBS}/{made}/cancel")
            end_of(client, made)


def test_workers_go_when_there_is_nothing_to_do(tmp_path: Path) -> None:
    with running_service(tmp_path, env={"MLPI_JOB_IDLE_S": "1"}) as service:
        service.add_user("root")
        assert service.process is not None
        children = psutil.Process(service.process.pid).children
        with service.client(service.token("root", "default")) as client:
            assert children() == []
            end_of(client, make(client))
            assert len(children()) == 1
            until(lambda: children() == [])
            assert end_of(client, make(client))["state"] == "succeeded"


@pytest.mark.parametrize("state", ["queued", "nonsense"])
def test_filters_take_what_comes(service: Service, state: str) -> None:
    with service.browser("vic") as vic:
        assert vic.get("/jobs", params={"state": state, "before": 5}).status_code == 200
