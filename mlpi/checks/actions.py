"""Whom a checkpoint tells: webhooks, mail, ntfy. Wishes are written with the run, sent by jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parseaddr
from typing import Any

from mlpi.auth.audit import Actor
from mlpi.auth.vault import Vault
from mlpi.checks.models import Checkpoint, CheckState, Delivery, Validation
from mlpi.clock import Clock
from mlpi.db import Session
from mlpi.errors import Invalid, NotFound
from mlpi.jobs.messages import ATTEMPTS, pause, shown_url
from mlpi.jobs.models import Job
from mlpi.jobs.service import Jobs, Wish

NOTIFY_JOB = "notify"
KINDS = ("webhook", "email", "ntfy")
ON = ("change", "failure", "always")
MAX_ACTIONS = 10
FAILED_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Mailing:
    """How mail leaves the house, from the settings. smtp_url may hold a password."""

    smtp_url: str = ""
    sender: str = ""


class Actions:
    """Decides who is told, and writes it down in the transaction that ends a run.

    A delivery is a row and a job; the row keeps what is sent, so that a crash sends it later and
    never something else. A delivery that fails is tried again, each time after a longer pause.
    """

    def __init__(
        self, jobs: Jobs, vault: Vault, clock: Clock, *, mailing: Mailing, base_url: str
    ) -> None:
        self._jobs = jobs
        self._vault = vault
        self._clock = clock
        self._mailing = mailing
        self._base_url = base_url.rstrip("/")

    @property
    def can_mail(self) -> bool:
        return bool(self._mailing.smtp_url)

    def checked(
        self, actions: Sequence[Mapping[str, Any]], *, before: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Actions as they are kept: what may be a secret sealed, the rest to be shown.

        Each: {"kind", "to", "on", "secret" of a webhook's signature}. A "to" that is as it was
        shown is the one before. Raises Invalid naming the action.
        """
        if len(actions) > MAX_ACTIONS:
            raise Invalid(f"A checkpoint has at most {MAX_ACTIONS} actions.", field="actions")
        known = {(one["kind"], one["target"]): one["sealed"] for one in before}
        found = []
        for number, action in enumerate(actions, 1):
            kind, on = str(action.get("kind", "")), str(action.get("on", "change"))
            to = str(action.get("to", "")).strip()
            if kind not in KINDS:
                raise _wrong(number, f"{kind!r} is not one of {', '.join(KINDS)}.")
            if on not in ON:
                raise _wrong(number, f"on must be one of {', '.join(ON)}.")
            secret = str(action.get("secret") or "")
            if kind == "email":
                target, sealed = self._checked_address(number, to), ""
            elif (kind, to) not in known:
                target, sealed = _checked_url(number, to), self._sealed(to, secret)
            elif secret:
                before_url = json.loads(self._vault.open(known[kind, to]))["url"]
                target, sealed = to, self._sealed(before_url, secret)
            else:
                target, sealed = to, known[kind, to]
            found.append({"kind": kind, "target": target, "on": on, "sealed": sealed})
        return found

    def tell(
        self, session: Session, checkpoint: Checkpoint, validation: Validation, event: str
    ) -> None:
        """Write down who is to hear of a run that has just ended."""
        for action in checkpoint.actions:
            if not _concerns(action["on"], checkpoint, validation, event):
                continue
            delivery = Delivery(
                validation_id=validation.id,
                kind=action["kind"],
                target=action["target"],
                sealed=action["sealed"],
                event=event or validation.state,
                payload=self._payload(checkpoint, validation, event or validation.state),
                state="queued",
                error="",
                attempts=0,
                created_at=self._clock(),
            )
            session.add(delivery)
            session.flush()
            self._enqueue(session, checkpoint.workspace, delivery, wait=timedelta())

    # --- what the jobs room calls

    def resolve(self, session: Session, job: Job) -> dict[str, Any]:
        """What the sending worker is given."""
        delivery = session.get(Delivery, job.params["delivery"])
        if delivery is None:
            raise NotFound("The report was removed before it was sent.")
        sealed = self._vault.open(delivery.sealed)
        return {
            "kind": delivery.kind,
            "target": delivery.target,
            "event": delivery.event,
            "id": delivery.id,
            "payload": delivery.payload,
            **(json.loads(sealed) if sealed else {}),
            **(
                {"smtp_url": self._mailing.smtp_url, "sender": self._mailing.sender}
                if delivery.kind == "email"
                else {}
            ),
        }

    def keep(self, session: Session, job: Job, answer: Any) -> Any:
        """It arrived."""
        delivery = session.get(Delivery, job.params["delivery"])
        if delivery is not None:
            delivery.attempts += 1
            delivery.state, delivery.error, delivery.sent_at = "sent", "", self._clock()
        return answer

    def note_failure(self, session: Session, job: Job) -> None:
        """It did not arrive: once more after a pause, or given up."""
        delivery = session.get(Delivery, job.params["delivery"])
        if delivery is None or delivery.state == "sent":
            return
        delivery.attempts += 1
        delivery.error = job.error or f"The job was {job.state}."
        if job.state == "cancelled" or delivery.attempts >= ATTEMPTS:
            delivery.state = "failed"
            return
        self._enqueue(session, job.workspace, delivery, wait=pause(delivery.attempts))

    def _enqueue(
        self, session: Session, workspace: str, delivery: Delivery, *, wait: timedelta
    ) -> None:
        wish = Wish(
            NOTIFY_JOB,
            workspace,
            {"delivery": delivery.id},
            title=f"Tell {delivery.target}",
            priority=10,
            available_at=self._clock() + wait,
        )
        job = self._jobs.enqueue_in(session, wish, actor=Actor("mlpi"))
        delivery.job_id = job.id
        self._jobs.dispatcher.wake()

    def _payload(
        self, checkpoint: Checkpoint, validation: Validation, event: str
    ) -> dict[str, Any]:
        return {
            "event": event,
            "workspace": checkpoint.workspace,
            "checkpoint": checkpoint.name,
            "target": validation.target,
            "state": validation.state,
            "success": validation.state == CheckState.PASSED,
            "error": validation.error,
            "statistics": validation.statistics,
            "failed": failed_of(validation.result or {}),
            "run": validation.id,
            "url": f"{self._base_url}/checks/runs/{validation.id}?workspace={checkpoint.workspace}",
            "at": (validation.finished_at or validation.started_at).isoformat(),
        }

    def _sealed(self, url: str, secret: str) -> str:
        return self._vault.seal(json.dumps({"url": url, "secret": secret}))

    def _checked_address(self, number: int, text: str) -> str:
        if not self.can_mail:
            raise _wrong(number, "This mlpi cannot send mail: the setting smtp_url is empty.")
        _, address = parseaddr(text)
        name, at, host = address.rpartition("@")
        if not at or not name or "." not in host or address != text or not text.isprintable():
            raise _wrong(number, f"{text[:100]!r} is not a mail address.")
        return address


def failed_of(result: Mapping[str, Any], limit: int = FAILED_SHOWN) -> list[dict[str, Any]]:
    """What was not met, in short: type, column, and what was seen."""
    found: list[dict[str, Any]] = []
    for one in result.get("results", ()):
        if one["success"]:
            continue
        config, seen = one["expectation_config"], one.get("result") or {}
        kwargs = config.get("kwargs", {})
        found.append(
            {
                "expectation": config["type"],
                "column": kwargs.get("column"),
                "severity": config.get("severity", "critical"),
                "observed": seen.get("observed_value"),
                "unexpected_count": seen.get("unexpected_count"),
                "rows": [row["row"] for row in one.get("meta", {}).get("mlpi", {}).get("rows", ())],
            }
        )
        if len(found) == limit:
            break
    return found


def _concerns(on: str, checkpoint: Checkpoint, validation: Validation, event: str) -> bool:
    if on == "always":
        return True
    if on == "failure":
        return checkpoint.is_alerting and validation.state != CheckState.PASSED
    return event != ""


def _checked_url(number: int, text: str) -> str:
    """A URL as it may be shown. Raises Invalid."""
    shown = shown_url(text)
    if shown is None:
        raise _wrong(number, "This is not a URL that begins with http:// or https://.")
    return shown


def _wrong(number: int, what: str) -> Invalid:
    return Invalid(f"Action {number}: {what}", field="actions")
