"""The queue with both runners: one contract."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlpi.auth.audit import Actor
from mlpi.clock import utcnow
from mlpi.errors import Invalid, NotFound
from mlpi.house import House
from mlpi.jobs import store
from mlpi.jobs.dispatcher import Dispatcher
from mlpi.jobs.inprocess import InProcessRunner
from mlpi.jobs.kinds import JobKind, Kinds
from mlpi.jobs.local import Limits, LocalRunner
from mlpi.jobs.models import Job, JobState
from mlpi.jobs.runner import Runner
from mlpi.jobs.service import Jobs, Wish
from mlpi.jobs.store import Filter
from mlpi.settings import Settings

ACTOR = Actor("ana", "test")
WORKSPACE = "default"
PATIENCE_S = 30


def make_kinds() -> Kinds:
    kinds = Kinds()
    for name in ("nothing", "echo", "count", "fail", "die", "hold_memory", "leave_children"):
        kinds.add(JobKind(name, f"mlpi.jobs.selftest:{name}", name, timeout_s=60))
    return kinds


class Bench:
    """A queue with a runner on an own home."""

    def __init__(self, house: House, runner: Runner) -> None:
        self.house = house
        self.kinds = make_kinds()
        self.runner = runner
        self.dispatcher = Dispatcher(
            house.db, self.kinds, runner, house.clock, home=house.settings.home
        )
        self.jobs = Jobs(house.db, house.audit, self.kinds, self.dispatcher, house.clock)

    def add(self, kind: str, params: dict[str, Any] | None = None, **more: Any) -> Job:
        wish = Wish(kind, WORKSPACE, params or {}, **more)
        return self.jobs.enqueue(wish, actor=ACTOR)

    def until(self, test: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not test():
            assert time.monotonic() < deadline, self.all()
            time.sleep(0.01)

    def get(self, job: Job) -> Job:
        return self.jobs.get(WORKSPACE, job.id)

    def end_of(self, job: Job) -> Job:
        self.until(lambda: self.get(job).is_final)
        return self.get(job)

    def all(self) -> list[tuple[str, str, str]]:
        found = self.jobs.page(WORKSPACE, Filter(), limit=500)
        return [(job.kind, job.state, job.error) for job in found]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    house = House.build(Settings(home=tmp_path / "home"), utcnow)
    house.open()
    yield house
    house.close()


def local_runner() -> LocalRunner:
    return LocalRunner(Limits(max_workers=2))


@pytest.fixture(params=[InProcessRunner, local_runner], ids=["in-process", "local"])
def bench(request: pytest.FixtureRequest, home: House) -> Iterator[Bench]:
    yield from running(home, request.param())


@pytest.fixture
def local(home: House) -> Iterator[Bench]:
    yield from running(home, local_runner())


def running(house: House, runner: Runner) -> Iterator[Bench]:
    bench = Bench(house, runner)
    bench.dispatcher.start()
    yield bench
    bench.dispatcher.stop()


def claim_by(worker: str, count: int, free_cpus: int = 1) -> dict[str, Any]:
    """A claim straight from the table."""
    return {
        "worker": worker,
        "count": count,
        "free_cpus": free_cpus,
        "all_cpus": 2,
        "now": utcnow(),
        "lease_s": 60,
    }


# the contract of every runner


def test_a_job_runs_and_its_result_is_kept(bench: Bench) -> None:
    done = bench.end_of(bench.add("echo", {"text": "grüße", "n": [1, 2]}))
    assert (done.state, done.result) == (JobState.SUCCEEDED, {"text": "grüße", "n": [1, 2]})
    assert (done.attempt, done.fraction, done.counters) == (1, 1.0, {"lines": 1})
    assert done.started_at
    assert done.finished_at
    assert done.error == ""


@pytest.mark.parametrize(
    ("how", "error", "has_trace"),
    [
        ("said", "the input has no rows", False),
        ("raised", "ValueError: wrong value", True),
        ("exit", "SystemExit: 3", True),
        ("unserialisable", "its result cannot be kept as JSON", False),
    ],
)
def test_a_failure_is_one_line_with_its_trace_apart(
    bench: Bench, how: str, error: str, has_trace: bool
) -> None:
    done = bench.end_of(bench.add("fail", {"how": how}))
    assert done.state == JobState.FAILED
    assert done.error.startswith(error)
    assert ("Traceback" in done.traceback) is has_trace
    assert done.attempt == 1


def test_urgent_jobs_go_first_and_equal_ones_in_order(bench: Bench) -> None:
    bench.dispatcher.stop()
    order: list[int] = []
    with bench.house.db.write() as session:
        for priority in (0, 5, 0, 9):
            wish = Wish("nothing", WORKSPACE, priority=priority)
            bench.jobs.enqueue_in(session, wish, actor=ACTOR)
    with bench.house.db.write() as session:
        claimed = store.claim(session, kinds={"nothing"}, **claim_by("w", 3))
        order = [job.id for job in claimed]
    assert order == [4, 2, 1]


def test_progress_is_seen_while_it_runs(bench: Bench) -> None:
    job = bench.add("count", {"to": 200, "pause_s": 0.01})
    bench.until(lambda: (bench.get(job).fraction or 0) > 0)
    seen = bench.get(job)
    assert seen.state == JobState.RUNNING
    assert seen.message.startswith("step ")
    bench.jobs.cancel(WORKSPACE, job.id, actor=ACTOR)
    assert bench.end_of(job).state == JobState.CANCELLED


def test_a_key_makes_a_job_once(bench: Bench) -> None:
    first = bench.add("echo", {"a": 1}, idempotency_key="k")
    again = bench.add("echo", {"a": 2}, idempotency_key="k")
    assert again.id == first.id
    assert bench.end_of(first).result == {"a": 1}
    assert len(bench.all()) == 1


def test_many_jobs_all_end(bench: Bench) -> None:
    jobs = [bench.add("echo", {"n": n}) for n in range(60)]
    bench.until(lambda: bench.jobs.counts(WORKSPACE) == {"succeeded": 60})
    assert [bench.get(job).result for job in jobs] == [{"n": n} for n in range(60)]


def test_a_queued_job_is_cancelled_at_once(bench: Bench) -> None:
    later = bench.add("nothing", available_at=utcnow().replace(year=2100))
    bench.jobs.cancel(WORKSPACE, later.id, actor=ACTOR)
    assert bench.get(later).state == JobState.CANCELLED
    with pytest.raises(Exception, match="has ended already"):
        bench.jobs.cancel(WORKSPACE, later.id, actor=ACTOR)


def test_an_ended_job_can_be_tried_again(bench: Bench) -> None:
    job = bench.add("fail", {"how": "said"})
    bench.end_of(job)
    bench.jobs.retry(WORKSPACE, job.id, actor=ACTOR)
    bench.until(lambda: bench.get(job).is_final)
    assert bench.get(job).attempt == 1


def test_a_result_is_stored_in_the_jobs_own_transaction(bench: Bench) -> None:
    seen: list[Any] = []

    def keep(session: Any, job: Job, result: Any) -> Any:
        seen.append(result)
        if result == {"bad": True}:
            raise ValueError("no column humidity")
        return {"kept": True}

    bench.kinds.add(JobKind("kept", "mlpi.jobs.selftest:echo", "kept", on_success=keep))
    done = bench.end_of(bench.add("kept", {"bad": False}))
    assert (done.state, done.result) == (JobState.SUCCEEDED, {"kept": True})
    done = bench.end_of(bench.add("kept", {"bad": True}))
    assert (done.state, done.error) == (
        JobState.FAILED,
        "its result could not be kept: no column humidity",
    )
    assert seen == [{"bad": False}, {"bad": True}]


def test_a_kind_may_say_late_what_its_worker_is_given(bench: Bench) -> None:
    def resolve(session: Any, job: Job) -> dict[str, Any]:
        if job.params["dataset"] == "gone":
            raise NotFound("There is no dataset 'gone'.")
        if job.params["dataset"] == "odd":
            raise KeyError("a mistake of the kind's own")
        return {"newest": 3, "password": "of nobody's business"}

    bench.kinds.add(JobKind("late", "mlpi.jobs.selftest:echo", "late", resolve=resolve))
    done = bench.end_of(bench.add("late", {"dataset": "wine"}))
    assert done.result == {"newest": 3, "password": "of nobody's business"}
    assert done.params == {"dataset": "wine"}
    done = bench.end_of(bench.add("late", {"dataset": "gone"}))
    assert (done.state, done.error) == (JobState.FAILED, "There is no dataset 'gone'.")
    done = bench.end_of(bench.add("late", {"dataset": "odd"}))
    assert (done.state, done.error) == (JobState.FAILED, "it could not be begun: KeyError")


def test_a_kind_hears_of_every_end_that_is_no_success(bench: Bench) -> None:
    told: list[tuple[int, str]] = []

    def tell(session: Any, job: Job) -> None:
        told.append((job.id, job.state))

    bench.kinds.add(JobKind("told", "mlpi.jobs.selftest:fail", "told", on_failure=tell))
    failed = bench.end_of(bench.add("told"))
    bench.dispatcher.stop()
    waiting = bench.add("told")
    bench.jobs.cancel(WORKSPACE, waiting.id, actor=ACTOR)
    assert told == [(failed.id, JobState.FAILED), (waiting.id, JobState.CANCELLED)]


def test_a_kind_that_is_gone_stays_in_the_queue(bench: Bench) -> None:
    bench.kinds.add(JobKind("removed", "gone.module:function", "removed"))
    bench.dispatcher.stop()
    job = bench.add("removed")
    again = Bench(bench.house, InProcessRunner())
    again.dispatcher.start()
    try:
        assert again.end_of(again.add("echo")).state == JobState.SUCCEEDED
        assert again.get(job).state == JobState.QUEUED
        with pytest.raises(Invalid, match="There is no job kind 'removed'"):
            again.jobs.retry(WORKSPACE, again.add("removed").id, actor=ACTOR)
    finally:
        again.dispatcher.stop()


def test_a_function_that_is_gone_fails_its_job(bench: Bench) -> None:
    bench.kinds.add(JobKind("stale", "mlpi.jobs.selftest:gone", "stale"))
    done = bench.end_of(bench.add("stale"))
    assert (done.state, done.error.split(":")[0]) == (JobState.FAILED, "AttributeError")


# what only processes can do


def test_output_is_captured_even_from_a_crash(local: Bench) -> None:
    job = local.add("die", {"times": 1})
    done = local.end_of(job)
    assert (done.state, done.result, done.attempt) == (JobState.SUCCEEDED, "survived", 2)
    text, end = local.jobs.log_tail(WORKSPACE, job.id)
    assert text == "about to die\n" * 2
    assert local.jobs.log_tail(WORKSPACE, job.id, from_byte=end) == ("", end)


def test_a_poisoned_job_is_set_aside(local: Bench) -> None:
    done = local.end_of(local.add("die", {"times": 99}, max_attempts=2))
    assert (done.state, done.attempt) == (JobState.LOST, 2)
    assert "was killed" in done.error
    assert local.end_of(local.add("echo")).state == JobState.SUCCEEDED


@pytest.fixture
def single(home: House) -> Iterator[Bench]:
    """One worker that has learned that these jobs are quick, and so takes several at once."""
    for bench in running(home, LocalRunner(Limits(max_workers=1))):
        for kind, params in (("echo", {}), ("die", {"times": 0}), ("count", {"to": 0})):
            bench.end_of(bench.add(kind, params))
        yield bench


def add_together(bench: Bench, *wishes: tuple[str, dict[str, Any]]) -> list[Job]:
    """In one transaction, so that they are claimed together."""
    with bench.house.db.write() as session:
        made = [
            bench.jobs.enqueue_in(session, Wish(kind, WORKSPACE, params), actor=ACTOR)
            for kind, params in wishes
        ]
    bench.dispatcher.wake()
    return made


def test_jobs_behind_a_dead_one_are_taken_back_uncounted(single: Bench) -> None:
    bad, *good = add_together(
        single, ("die", {"times": 1}), *[("echo", {"n": n}) for n in range(5)]
    )
    assert single.end_of(bad).attempt == 2
    for job in good:
        done = single.end_of(job)
        assert (done.state, done.attempt) == (JobState.SUCCEEDED, 1)


def test_a_job_behind_a_running_one_can_be_cancelled(single: Bench) -> None:
    slow, doomed, last = add_together(
        single, ("count", {"to": 40, "pause_s": 0.02}), ("echo", {}), ("echo", {"n": 2})
    )
    single.until(lambda: single.get(slow).message != "")
    single.jobs.cancel(WORKSPACE, doomed.id, actor=ACTOR)
    assert single.end_of(slow).state == JobState.SUCCEEDED
    assert single.end_of(doomed).state == JobState.CANCELLED
    done = single.end_of(last)
    assert (done.state, done.attempt) == (JobState.SUCCEEDED, 1)


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"times": 9, "signal": signal.SIGSEGV}, "crashed with signal 11"),
        ({"times": 9, "signal": signal.SIGKILL}, "was killed"),
    ],
)
def test_how_a_worker_died_is_said(local: Bench, params: dict[str, int], error: str) -> None:
    assert error in local.end_of(local.add("die", params, max_attempts=1)).error


def test_a_worker_that_exits_by_itself_is_a_dead_one(local: Bench) -> None:
    done = local.end_of(local.add("fail", {"how": "vanish"}, max_attempts=1))
    assert (done.state, done.error) == (JobState.LOST, "its worker process ended with exit code 7")


def test_too_long_is_ended(local: Bench) -> None:
    done = local.end_of(local.add("count", {"to": 10_000}, timeout_s=0.5))
    assert (done.state, done.error) == (JobState.FAILED, "it took longer than 0.5 s")


def test_too_much_memory_is_ended(local: Bench) -> None:
    limit = 150_000_000
    done = local.end_of(local.add("hold_memory", {"bytes": 300_000_000}, memory_bytes=limit))
    assert done.state == JobState.FAILED
    assert "150 MB are allowed" in done.error


def test_a_cancelled_job_takes_its_children_along(local: Bench, tmp_path: Path) -> None:
    file = tmp_path / "child"
    job = local.add("leave_children", {"file": str(file)})
    local.until(lambda: local.get(job).message == "child started")
    child = int(file.read_text())
    local.jobs.cancel(WORKSPACE, job.id, actor=ACTOR)
    assert local.end_of(job).state == JobState.CANCELLED
    local.until(lambda: not is_alive(child))


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_workers_come_with_the_queue_and_go_when_idle(home: House) -> None:
    runner = LocalRunner(Limits(max_workers=2, worker_idle_s=0.1, server_idle_s=0.1))
    bench = Bench(home, runner)
    bench.dispatcher.start()
    try:
        assert runner.status().workers == 0
        jobs = [bench.add("count", {"to": 30}) for _ in range(3)]
        bench.until(lambda: runner.status().busy == 2)
        for job in jobs:
            assert bench.end_of(job).state == JobState.SUCCEEDED
        bench.until(lambda: runner.status().workers == 0)
        bench.until(lambda: not runner._families)
        assert not fork_servers()
        assert bench.end_of(bench.add("echo")).state == JobState.SUCCEEDED
    finally:
        bench.dispatcher.stop()
    assert not fork_servers()


def fork_servers() -> list[int]:
    """Those that this process itself has started."""
    return [
        child.pid
        for child in psutil.Process().children()
        if "mlpi.jobs.forkserver" in child.cmdline()
    ]


def test_a_killed_fork_server_is_replaced(local: Bench) -> None:
    job = local.add("count", {"to": 300})
    local.until(lambda: bool(local.get(job).message))
    (server,) = fork_servers()
    os.kill(server, signal.SIGKILL)
    done = local.end_of(job)
    assert (done.state, done.attempt) == (JobState.SUCCEEDED, 2)


def test_what_runs_at_a_stop_is_queued_again_uncounted(home: House) -> None:
    first = Bench(home, local_runner())
    first.dispatcher.start()
    job = first.add("count", {"to": 100, "pause_s": 0.02})
    first.until(lambda: bool(first.get(job).message))
    first.dispatcher.stop()
    left = first.get(job)
    assert (left.state, left.attempt) == (JobState.QUEUED, 0)
    second = Bench(home, local_runner())
    second.dispatcher.start()
    try:
        assert second.end_of(job).state == JobState.SUCCEEDED
    finally:
        second.dispatcher.stop()


def test_what_a_dead_service_held_is_run_again(home: House) -> None:
    bench = Bench(home, local_runner())
    job = bench.add("echo", {"a": 1})
    with home.db.write() as session:
        store.claim(session, kinds={"echo"}, **claim_by("dead:1", 1))
    assert bench.get(job).state == JobState.LEASED
    bench.dispatcher.start()
    try:
        done = bench.end_of(job)
    finally:
        bench.dispatcher.stop()
    assert (done.state, done.attempt) == (JobState.SUCCEEDED, 2)
