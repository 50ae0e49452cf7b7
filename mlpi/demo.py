"""The demo: a workspace with real content, filled by real clients, taken away without a trace.

Each component that has a part in it names a module (see Part). The training runs in a child
process that talks to the service like any client, so nothing heavy is imported into the service,
and whatever happens to the child, the service goes on. A child ends when its parent does.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, cast

from mlpi.auth.audit import Actor
from mlpi.auth.roles import Role
from mlpi.errors import Conflict, MlpiError, NotFound
from mlpi.house import House
from mlpi.settings import Settings

if TYPE_CHECKING:
    from mlpi.server import Running

log = logging.getLogger(__name__)

WORKSPACE = "demo"
DESCRIPTION = "Real models, trained on the data that comes with scikit-learn (mlpi demo)"
# Which component has a part in the demo, and where.
# Jobs are the last: what other parts queue in the workspace is theirs to make and to remove.
PARTS = {
    "tracking": "mlpi.tracking.demo",
    "boards": "mlpi.boards.demo",
    "vectors": "mlpi.vectors.demo",
    "labels": "mlpi.labels.demo",
    "checks": "mlpi.checks.demo",
    "jobs": "mlpi.jobs.demo",
}
READY_S = 300  # MLflow's first start on a slow SD card
POLL_S = 0.25

Say = Callable[[str], None]
Key = Callable[[House, Actor], AbstractContextManager[str]]


class DemoFailed(MlpiError):
    """The demo could not be made."""


class DemoInterrupted(DemoFailed):
    """The demo was interrupted."""


class DemoBusy(MlpiError):
    """Another mlpi is making or removing the demo right now."""

    status = 409


class State(Enum):
    """How much of a part is there."""

    ABSENT = "absent"
    PARTIAL = "partial"
    COMPLETE = "complete"


class Part(Protocol):
    """A component's part in the demo: a light module with these functions."""

    def state(self, settings: Settings) -> State:
        """How much of it is there, by the tool's database."""
        ...

    def fill(self, base_url: str, token: str, say: Say) -> None:
        """Make it through the running service. Called in a process of its own."""
        ...

    def remove(self, settings: Settings) -> list[str]:
        """Take it away for good; what else the workspace holds, in words."""
        ...


class Finished(Part, Protocol):
    """A part with a last step that no client can take."""

    def finish(self, settings: Settings) -> None:
        """Called once it is filled, in the demo's own process."""
        ...


class Demo:
    """Fills and removes the demo of one house, one at a time per home."""

    def __init__(self, house: House, say: Say, actor: Actor) -> None:
        self._house = house
        self._say = say
        self._actor = actor
        self._child: subprocess.Popen[str] | None = None
        self._is_stopped = False

    def is_complete(self) -> bool:
        """Whether there is nothing to do."""
        settings = self._house.settings
        return all(part.state(settings) is State.COMPLETE for part in _parts().values())

    def fill(self, base_url: str, key: Key) -> bool:
        """Make what is missing through the service at base_url; whether anything was.

        A half-made part is cleared away and made again. Raises DemoBusy, DemoFailed.
        """
        settings = self._house.settings
        with _only_one(settings.home):
            for name in PARTS:
                self._wait_until_ready(base_url, name)
            if self.is_complete():
                return False
            self._say("Filling the workspace demo. This takes a minute or less on a PC.")
            self._ensure_workspace()
            for name, part in _parts().items():
                if part.state(settings) is State.PARTIAL:
                    self._say(f"{name}: an unfinished demo is cleared away first")
                    self._clear(name, part)
                if part.state(settings) is State.ABSENT:
                    with key(self._house, self._actor) as token:
                        self._run_child(name, base_url, token)
                    if hasattr(part, "finish"):
                        cast("Finished", part).finish(settings)
            return True

    def remove(self) -> None:
        """Take everything of it away, and the workspace if nothing else is in it.

        Raises DemoBusy, DemoFailed.
        """
        settings = self._house.settings
        with _only_one(settings.home):
            was_there, others = False, []
            for name, part in _parts().items():
                was_there |= part.state(settings) is not State.ABSENT
                others += self._clear(name, part)
            self._remove_workspace(was_there, others)

    def stop(self) -> None:
        """End a filling; it can be begun again."""
        self._is_stopped = True
        child = self._child
        if child is not None:
            child.terminate()

    def _wait_until_ready(self, base_url: str, name: str) -> None:
        """Wait for a component of the service. Raises DemoFailed when that fails or is too slow."""
        import httpx  # noqa: PLC0415 - 0.1 s, and not needed for the rest

        deadline = time.monotonic() + READY_S
        with httpx.Client(base_url=base_url, timeout=10, trust_env=False) as client:
            while time.monotonic() < deadline:
                if self._is_stopped:
                    raise DemoInterrupted(advice="mlpi demo takes it up again.")
                try:
                    component = client.get("/readyz").json()["components"][name]
                except (httpx.HTTPError, ValueError, KeyError):
                    component = {"state": "starting"}
                if component["state"] == "ready":
                    return
                if component["state"] == "failed":
                    raise DemoFailed(f"{name} does not run: {component.get('detail', '')}")
                time.sleep(POLL_S)
        raise DemoFailed(f"{name} was not ready in time.", advice="Try again later.")

    def _clear(self, name: str, part: Part) -> list[str]:
        try:
            return part.remove(self._house.settings)
        except Exception as error:  # whatever a tool's database or disk comes up with
            log.debug("demo not removed", exc_info=True, extra={"action": "demo_not_removed"})
            reason = " ".join(str(error).split())[:300]
            raise DemoFailed(
                f"The demo's part in {name} could not be removed: {reason}.",
                advice="mlpi demo --remove takes it up again.",
            ) from error

    def _ensure_workspace(self) -> None:
        try:
            self._house.workspaces.add(WORKSPACE, DESCRIPTION, owner=None, actor=self._actor)
        except Conflict:
            return

    def _remove_workspace(self, was_there: bool, others: list[str]) -> None:
        gone = "The demo is removed" if was_there else "There is no demo"
        try:
            workspace = self._house.workspaces.get(WORKSPACE)
        except NotFound:
            self._say(f"{gone}.")
            return
        if others:
            self._say(f"{gone}. Its workspace stays, for it also holds {', '.join(others)}.")
        elif workspace.description != DESCRIPTION:
            self._say(f"{gone}. The workspace {WORKSPACE!r} stays, for somebody made it theirs.")
        else:
            self._house.workspaces.remove(WORKSPACE, actor=self._actor)
            self._say("The demo is removed, with its workspace.")

    def _run_child(self, name: str, base_url: str, token: str) -> None:
        """Fill one part in a child process and pass on what it says. Raises DemoFailed."""
        with tempfile.TemporaryFile("w+") as errors:
            child = subprocess.Popen(
                [sys.executable, "-P", "-c", "from mlpi.demo import in_child; in_child()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=self._house.settings.home,  # whatever project we were started in is not its own
                start_new_session=True,  # a Ctrl-C is for the parent, which then ends the child
            )
            assert child.stdin is not None
            assert child.stdout is not None
            self._child = child
            try:
                if self._is_stopped:
                    child.terminate()
                child.stdin.write(json.dumps([PARTS[name], base_url, token]) + "\n")
                child.stdin.flush()
                for line in child.stdout:
                    self._say(line.rstrip())
                code = child.wait()
            except BrokenPipeError:
                code = child.wait()
            finally:
                child.kill()
                child.wait()
                child.stdout.close()
                with suppress(BrokenPipeError):
                    child.stdin.close()
                self._child = None
            if code != 0:
                raise self._failure(name, code, errors)

    def _failure(self, name: str, code: int, errors: IO[str]) -> DemoFailed:
        if self._is_stopped:
            return DemoInterrupted(advice="mlpi demo takes it up again.")
        errors.seek(0)
        trace = errors.read().strip()
        log.debug("demo failed\n%s", trace, extra={"action": "demo_failed"})
        reason = trace.splitlines()[-1] if trace else f"its process ended ({code})"
        return DemoFailed(
            f"The demo's part in {name} could not be made: {reason[:300]}",
            advice="mlpi demo tries again; with MLPI_LOG_LEVEL=debug it shows everything.",
        )


class DemoCompanion:
    """Fills the demo beside a service that has just started; a failure leaves the service alone."""

    def __init__(self, say: Say, actor: Actor, *, stops_service: bool = False) -> None:
        """stops_service: end the service afterwards, which was started for this alone."""
        self._say = say
        self._actor = actor
        self._stops_service = stops_service
        self._demo: Demo | None = None
        self.failure: MlpiError | None = None

    def run(self, service: Running) -> None:
        self._demo = Demo(service.house, self._say, self._actor)
        started = time.monotonic()
        try:
            is_new = self._demo.fill(service.local_url, house_key)
        except MlpiError as error:
            self.failure = error
        except Exception as error:
            log.exception("demo not made", extra={"action": "demo_failed"})
            self.failure = DemoFailed(f"The demo could not be made: {error}")
        finally:
            if self._stops_service:
                service.stop()
        if self._stops_service:
            return
        if isinstance(self.failure, DemoInterrupted):
            log.info("%s", self.failure.line(), extra={"action": "demo_interrupted"})
        elif self.failure is not None:
            log.error("%s", self.failure.line(), extra={"action": "demo_failed"})
        else:
            after = f" after {time.monotonic() - started:.0f} s" if is_new else ""
            self._say(f"The demo is complete{after}: {page(service.url)}")

    def stop(self) -> None:
        if self._demo is not None:
            self._demo.stop()


def page(base_url: str) -> str:
    """Where to look at it."""
    return f"{base_url}/tracking?workspace={WORKSPACE}"


@contextmanager
def house_key(house: House, _actor: Actor) -> Iterator[str]:
    """An editor's key for the demo inside the service's own process; needs no user."""
    secret = house.identity.house_key(WORKSPACE, Role.EDITOR, purpose="demo")
    try:
        yield secret
    finally:
        house.identity.end_house_key(secret)


@contextmanager
def admin_token(house: House, actor: Actor) -> Iterator[str]:
    """An admin's token for the demo, for an hour at most. Raises DemoFailed before set-up."""
    admins = [one.name for one in house.users.page() if one.is_admin and not one.is_disabled]
    if not admins:
        raise DemoFailed(
            "The service that runs on this home is not set up yet.",
            advice="Open the set-up link it printed, or stop it and start mlpi serve --demo.",
        )
    token, secret = house.tokens.add(
        admins[0],
        WORKSPACE,
        role=Role.EDITOR,
        lifetime=timedelta(hours=1),
        label="mlpi demo",
        actor=actor,
    )
    try:
        yield secret
    finally:
        house.tokens.revoke(token.id, actor=actor)


def in_child() -> None:
    """What a child process does: the part that its first line of input names."""
    module, base_url, token = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(OSError):  # a hardened service may not be allowed to
        os.nice(10)  # whoever looks at a page meanwhile comes first
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"  # the service is on this machine
    told = sys.stdout
    sys.stdout = sys.stderr  # clients print a lot

    def say(line: str) -> None:
        print(line, file=told, flush=True)

    try:
        cast("Part", import_module(module)).fill(base_url, token, say)
    except Exception as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines() or [type(error).__name__]
        sys.exit(lines[0])  # the last line of stderr is what a person gets to see


def _end_with_parent() -> None:
    """The parent holds the other end of our input, and lets go of it even when it is killed."""
    sys.stdin.read()
    os._exit(1)


def _parts() -> dict[str, Part]:
    return {name: cast("Part", import_module(module)) for name, module in PARTS.items()}


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    folder = os.open(home, os.O_RDONLY)  # itself, so that no file stays behind
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(folder)
        raise DemoBusy(advice="Wait until it is done.") from None
    try:
        yield
    finally:
        os.close(folder)
