"""Jobs that do next to nothing: for tests, benchmarks and `mlpi doctor`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from mlpi.jobs.context import JobContext, JobFailed
from mlpi.jobs.worker import THREADS

Params = dict[str, Any]


def selftest(context: JobContext, params: Params) -> Params:
    """Count, print and report, so that a person sees workers work."""
    steps = params["steps"]
    for step in range(1, steps + 1):
        sys.stdout.write(f"step {step} of {steps}\n")
        context.progress(step / steps, f"step {step} of {steps}", steps=step)
        time.sleep(0.1)
    return {"steps": steps, "attempt": context.attempt}


def nothing(context: JobContext, params: Params) -> None:
    """Return at once."""
    del context, params


def echo(context: JobContext, params: Params) -> Params:
    """Print, report, and give back what was given."""
    sys.stdout.write(f"job {context.job_id}, attempt {context.attempt}\n")
    context.progress(1.0, "echoed", lines=1)
    return params


def threads(context: JobContext, params: Params) -> Params:
    """How many CPUs it was given, as numeric libraries are told and as those loaded use them."""
    del params
    pools: set[int] = set()
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_info  # type: ignore[import-untyped] # noqa: PLC0415

        pools = {pool["num_threads"] for pool in threadpool_info()}
    return {"cpus": context.cpus, "told": os.environ[THREADS[0]], "pools": sorted(pools)}


def count(context: JobContext, params: Params) -> int:
    """Report progress in steps of pause_s, up to params["to"]."""
    for step in range(params["to"]):
        context.progress(step / params["to"], f"step {step}", steps=step)
        time.sleep(params.get("pause_s", 0.01))
    return int(params["to"])


def fail(context: JobContext, params: Params) -> None:
    """Fail in the way that params["how"] names."""
    del context
    how = params["how"]
    if how == "said":
        raise JobFailed("the input has no rows")
    if how == "exit":
        sys.exit(3)
    if how == "vanish":
        os._exit(7)
    if how == "unserialisable":
        return object()  # type: ignore[return-value]
    raise ValueError("wrong\nvalue")


def die(context: JobContext, params: Params) -> str:
    """Be killed in the first params["times"] attempts, after printing something."""
    sys.stdout.write("about to die\n")
    sys.stdout.flush()
    if context.attempt <= params["times"]:
        os.kill(os.getpid(), params.get("signal", signal.SIGKILL))
    return "survived"


def hold_memory(context: JobContext, params: Params) -> int:
    """Hold params["bytes"] until told otherwise."""
    held = bytearray(params["bytes"])
    held[::4096] = b"x" * len(held[::4096])
    context.progress(None, "holding")
    time.sleep(params.get("for_s", 60))
    return len(held)


def leave_children(context: JobContext, params: Params) -> None:
    """Start a child that outlives its parent, note its number in params["file"], and wait."""
    child = subprocess.Popen(["sleep", "600"])
    Path(params["file"]).write_text(str(child.pid))
    context.progress(None, "child started")
    time.sleep(params.get("for_s", 600))
