"""The kinds of jobs that this program can run, registered by the components."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from mlpi.errors import Invalid
from mlpi.jobs.models import Job

# Called in the transaction that marks the job succeeded: what it stores stands or falls with it.
# It returns what is kept as the job's result.
OnSuccess = Callable[[Session, Job, Any], Any]
# Called as a job is handed to a worker: what it is given instead of its stored parameters.
Resolve = Callable[[Session, Job], dict[str, Any]]
# Called in the transaction in which a job ends failed, lost or cancelled.
OnFailure = Callable[[Session, Job], None]
Check = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class JobKind:
    """What a kind of job runs, and with which limits.

    check: the parameters as they will be run, from what somebody typed; raises Invalid. A kind
    without it cannot be asked for by hand, only by the component it belongs to.

    resolve: what was not known when the job was made, or must not be stored with it (the newest
    version, a password); it may write to the session, and an MlpiError ends the job as failed.

    cpus: how many it keeps busy; its worker's numeric libraries take as many threads.

    function: "package.module:name", imported in the worker only; it takes a JobContext and the
    job's parameters and returns something JSON can hold. family: workers of one family share a
    fork server that has imported preload.
    """

    name: str
    function: str
    title: str
    family: str = "base"
    preload: tuple[str, ...] = ()
    timeout_s: float | None = 3600
    memory_bytes: int | None = None
    cpus: int = 1
    max_attempts: int = 3
    resolve: Resolve | None = None
    on_success: OnSuccess | None = None
    on_failure: OnFailure | None = None
    check: Check | None = None


@dataclass
class Kinds:
    """All kinds by name."""

    _kinds: dict[str, JobKind] = field(default_factory=dict)

    def add(self, kind: JobKind) -> None:
        if kind.name in self._kinds:
            raise ValueError(f"two job kinds are called {kind.name!r}")
        self._kinds[kind.name] = kind

    def get(self, name: str) -> JobKind:
        """The kind of this name. Raises Invalid naming those there are."""
        try:
            return self._kinds[name]
        except KeyError:
            known = ", ".join(sorted(self._kinds)) or "none"
            raise Invalid(
                f"There is no job kind {name!r}.", advice=f"Known are: {known}.", field="kind"
            ) from None

    def checked(self, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters for a job that somebody asks for by hand. Raises Invalid."""
        kind = self.get(name)
        if kind.check is None:
            raise Invalid(f"Jobs of kind {name!r} are made on their own pages.", field="kind")
        try:
            return kind.check(params)
        except (TypeError, ValueError) as error:
            raise Invalid(f"The parameters do not fit: {error}.", field="params") from None

    def on_failure(self, name: str) -> OnFailure | None:
        """Who wants to know of a failure; nobody for a kind that this program has no code for."""
        kind = self._kinds.get(name)
        return kind.on_failure if kind else None

    def knows(self, name: str) -> bool:
        return name in self._kinds

    @property
    def all(self) -> Mapping[str, JobKind]:
        return dict(self._kinds)
