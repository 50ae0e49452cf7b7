"""What the jobs room calls to send webhooks: which messages, and what became of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, func, select, update

from mlpi.auth.vault import Vault
from mlpi.clock import Clock
from mlpi.db import Session
from mlpi.errors import NotFound
from mlpi.jobs.kinds import JobKind
from mlpi.jobs.messages import ATTEMPTS, pause
from mlpi.jobs.models import Job
from mlpi.labels.hooks.events import KIND, Events
from mlpi.labels.models import LabelDelivery, LabelWebhook

MOST_MESSAGES = 50  # of one job
MOST_CHARACTERS = 8 << 20
KEPT = 100  # ended messages of a webhook, the newest


class Sending:
    """Decides what a sending job is given, and when what did not arrive is tried again."""

    def __init__(self, vault: Vault, events: Events, clock: Clock) -> None:
        self._vault, self._events, self._clock = vault, events, clock

    @property
    def kind(self) -> JobKind:
        return replace(
            KIND, resolve=self._resolve, on_success=self._keep, on_failure=self._note_failure
        )

    def _resolve(self, session: Session, job: Job) -> dict[str, Any]:
        webhook = session.get(LabelWebhook, job.params["webhook"])
        if webhook is None:
            raise NotFound("The webhook was removed before it was sent.")
        asked = (
            select(LabelDelivery)
            .where(
                LabelDelivery.webhook_id == webhook.id,
                LabelDelivery.state == "queued",
                LabelDelivery.due_at <= self._clock(),
            )
            .order_by(LabelDelivery.id)
            .limit(MOST_MESSAGES)
        )
        messages: list[dict[str, Any]] = []
        size = 0
        for one in session.scalars(asked) if webhook.is_active else ():
            size += len(one.body)
            if messages and size > MOST_CHARACTERS:
                break
            messages.append({"id": one.id, "action": one.action, "body": one.body})
        return {"url": webhook.url, "deliveries": messages, **opened(self._vault, webhook)}

    def _keep(self, session: Session, job: Job, answer: Any) -> Any:
        webhook = _locked(session, job)
        if webhook is None:
            return answer
        sent = 0
        for delivery_id, status in answer["outcomes"]:
            one = session.get(LabelDelivery, delivery_id)
            if one is None or one.state != "queued":
                continue
            one.attempts += 1
            one.status = status
            if 200 <= status < 300:
                sent += 1
                one.state, one.error, one.ended_at = "sent", "", self._clock()
                webhook.failures = 0
                continue
            webhook.failures += 1
            one.error = f"answered {status}"
            if one.attempts >= ATTEMPTS:
                one.state, one.ended_at = "failed", self._clock()
            else:
                one.due_at = self._clock() + pause(one.attempts)
        session.flush()
        if answer["unreachable"]:
            webhook.failures += 1
            self._put_off(session, webhook, answer["unreachable"])
        self._go_on(session, webhook)
        answered = len(answer["outcomes"])
        return {"sent": sent, "refused": answered - sent, "unreachable": answer["unreachable"]}

    def _note_failure(self, session: Session, job: Job) -> None:
        webhook = _locked(session, job)
        if webhook is None:
            return
        webhook.failures += 1
        why = job.error or f"the job was {job.state}"
        self._put_off(session, webhook, why[:500], for_good=job.state == "cancelled")
        self._go_on(session, webhook)

    def _put_off(
        self, session: Session, webhook: LabelWebhook, why: str, *, for_good: bool = False
    ) -> None:
        """All that was due was tried in vain, even where the first of it told for the rest."""
        now = self._clock()
        due = (
            LabelDelivery.webhook_id == webhook.id,
            LabelDelivery.state == "queued",
            LabelDelivery.due_at <= now,
        )
        for attempts in range(ATTEMPTS, 0, -1):
            is_last = for_good or attempts == ATTEMPTS
            later = {"due_at": now + pause(attempts)}
            ended = {"state": "failed", "ended_at": now}
            session.execute(
                update(LabelDelivery)
                .where(*due, LabelDelivery.attempts == attempts - 1)
                .values(attempts=attempts, error=why, **(ended if is_last else later))
            )

    def _go_on(self, session: Session, webhook: LabelWebhook) -> None:
        """A job for what is left, or none; old messages go."""
        mine = LabelDelivery.webhook_id == webhook.id
        is_queued = LabelDelivery.state == "queued"
        edge = (
            select(LabelDelivery.id)
            .where(mine, ~is_queued)
            .order_by(LabelDelivery.id.desc())
            .offset(KEPT)
            .limit(1)
            .scalar_subquery()
        )
        session.execute(delete(LabelDelivery).where(mine, ~is_queued, LabelDelivery.id <= edge))
        due = session.scalar(select(func.min(LabelDelivery.due_at)).where(mine, is_queued))
        webhook.is_sending = False
        if due is not None and webhook.is_active:
            self._events.go_on(session, webhook, max(due, self._clock()))


def opened(vault: Vault, webhook: LabelWebhook) -> Mapping[str, Any]:
    """Its {"headers", "secret"}. Raises Invalid when the key is gone."""
    found = json.loads(vault.open(webhook.secrets) or "{}")
    return {"headers": found.get("headers", {}), "secret": found.get("secret", "")}


def _locked(session: Session, job: Job) -> LabelWebhook | None:
    return session.get(
        LabelWebhook, job.params["webhook"], with_for_update=True, populate_existing=True
    )
