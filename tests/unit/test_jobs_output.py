"""What jobs print, when their worker shares one file among those that are quick."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlpi.clock import utcnow
from mlpi.house import House
from mlpi.jobs.kinds import JobKind
from mlpi.jobs.local import Limits, LocalRunner
from mlpi.jobs.models import Job, JobState
from mlpi.jobs.pace import Paces
from mlpi.settings import Settings
from tests.unit.test_jobs import ACTOR, WORKSPACE, Bench, add_together, running


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    built = House.build(Settings(home=tmp_path / "home"), utcnow)
    built.open()
    yield built
    built.close()


class Quick(Paces):
    """Takes every job for a quick one, however slow this machine is today."""

    def is_quick(self, function: str) -> bool:
        return True


@pytest.fixture
def quick(home: House) -> Iterator[Bench]:
    """One worker whose jobs are all taken for quick ones."""
    runner = LocalRunner(Limits(max_workers=1), paces=Quick())
    for bench in running(home, runner):
        bench.kinds.add(JobKind("talk", "mlpi.jobs.selftest:selftest", "talk"))
        yield bench


def logs(bench: Bench) -> Path:
    return bench.house.settings.home / "logs" / "jobs"


def printed(bench: Bench, job: Job) -> str:
    return bench.jobs.log_tail(WORKSPACE, job.id)[0]


def test_each_quick_job_has_its_own_output(quick: Bench) -> None:
    made = add_together(quick, *[("echo", {"n": n}) for n in range(5)], ("nothing", {}))
    for job in made:
        assert quick.end_of(job).state == JobState.SUCCEEDED
    *talking, silent = made
    for job in talking:
        assert printed(quick, job) == f"job {job.id}, attempt 1\n"
    assert printed(quick, silent) == ""
    assert not quick.dispatcher.log_path(silent.id).exists()


def test_a_second_life_goes_on_with_the_log_of_the_first(quick: Bench) -> None:
    job = quick.add("echo")
    quick.end_of(job)
    quick.jobs.retry(WORKSPACE, job.id, actor=ACTOR)
    quick.end_of(job)
    assert printed(quick, job) == f"job {job.id}, attempt 1\n" * 2


def test_what_a_quick_job_printed_before_it_crashed_is_kept(quick: Bench) -> None:
    job = quick.add("die", {"times": 9}, max_attempts=1)
    assert quick.end_of(job).state == JobState.LOST
    assert printed(quick, job) == "about to die\n"
    after = quick.add("echo")
    quick.end_of(after)
    assert printed(quick, after) == f"job {after.id}, attempt 1\n"


def test_a_job_that_takes_longer_than_usual_is_read_while_it_runs(quick: Bench) -> None:
    job = quick.add("talk", {"steps": 40})
    quick.until(lambda: "step 2 of 40" in printed(quick, job))
    assert quick.get(job).state == JobState.RUNNING
    quick.until(lambda: "step 12 of 40" in printed(quick, job))
    assert quick.end_of(job).state == JobState.SUCCEEDED
    assert printed(quick, job).splitlines() == [f"step {n} of 40" for n in range(1, 41)]


def test_a_stop_keeps_output_and_leaves_no_spool(quick: Bench) -> None:
    job = quick.add("talk", {"steps": 600})
    quick.until(lambda: quick.get(job).message != "")
    assert list(logs(quick).glob(".*"))
    quick.dispatcher.stop()
    assert printed(quick, job).startswith("step 1 of 600\n")
    assert not list(logs(quick).glob(".*"))


def test_spools_of_a_killed_service_are_swept(home: House) -> None:
    folder = home.settings.home / "logs" / "jobs"
    folder.mkdir(parents=True)
    (folder / ".4711.spool").write_text("of another life")
    (folder / "1.log").write_text("kept")
    for bench in running(home, LocalRunner(Limits(max_workers=1))):
        assert [path.name for path in logs(bench).iterdir()] == ["1.log"]
