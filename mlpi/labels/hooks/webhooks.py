"""Webhooks of a workspace: made, changed, tried, removed; knows no HTTP. Its calls block."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from mlpi.auth.audit import Actor, Audit
from mlpi.auth.vault import Vault
from mlpi.clock import Clock
from mlpi.db import Database, Session
from mlpi.errors import Invalid, NotFound
from mlpi.jobs.messages import shown_url
from mlpi.labels.flags import flag
from mlpi.labels.hooks.actions import ACTIONS
from mlpi.labels.hooks.events import Events
from mlpi.labels.hooks.sending import opened
from mlpi.labels.models import LabelDelivery, LabelWebhook
from mlpi.labels.projects import project_of

MOST_WEBHOOKS = 20  # of a workspace
MOST_HEADERS = 10
LONGEST_URL = 2048
FAILING = 3  # attempts in vain after each other: somebody should look
_HEADER = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Webhooks:
    """The webhooks of all workspaces; each call names the one that it is for."""

    def __init__(
        self, db: Database, audit: Audit, vault: Vault, events: Events, clock: Clock
    ) -> None:
        self._db, self._audit, self._vault = db, audit, vault
        self._events, self._clock = events, clock

    def all(self, workspace: str, project_id: int | None = None) -> Sequence[LabelWebhook]:
        """Of a workspace, or of one of its projects and of none alone; oldest first."""
        asked = select(LabelWebhook).where(LabelWebhook.workspace == workspace)
        if project_id is not None:
            asked = asked.where(LabelWebhook.project_id == project_id)
        with self._db.read() as session:
            return session.scalars(asked.order_by(LabelWebhook.id)).all()

    def telling(self, workspace: str, project_id: int) -> Sequence[LabelWebhook]:
        """Those that hear of a project: its own and the workspace's."""
        return [one for one in self.all(workspace) if one.project_id in (None, project_id)]

    def get(self, workspace: str, webhook_id: int) -> LabelWebhook:
        """Raises NotFound."""
        with self._db.read() as session:
            return _webhook_of(session, workspace, webhook_id)

    def headers(self, webhook: LabelWebhook) -> dict[str, str]:
        """Raises Invalid when the key is gone."""
        found: dict[str, str] = opened(self._vault, webhook)["headers"]
        return found

    def add(
        self, workspace: str, given: Mapping[str, Any], actor: Actor
    ) -> tuple[LabelWebhook, str]:
        """given: fields by Label Studio's names. It, and the key that signs its messages, which is
        told this once. Raises Invalid, NotFound for its project."""
        now, key = self._clock(), secrets.token_urlsafe(24)
        if given.get("url") is None:
            raise Invalid("This field is required.", field="url")
        with self._db.write() as session:
            project_id = given.get("project")
            if project_id is not None:
                project_id = project_of(session, workspace, _number(project_id)).id
            count = select(func.count()).where(LabelWebhook.workspace == workspace)
            if (session.scalar(count) or 0) >= MOST_WEBHOOKS:
                raise Invalid(f"A workspace has at most {MOST_WEBHOOKS} webhooks.", field="url")
            made = LabelWebhook(
                workspace=workspace,
                project_id=project_id,
                url="",
                actions=[],
                secrets=self._sealed({}, key),
                created_at=now,
                updated_at=now,
                send_payload=True,
                send_for_all_actions=True,
                is_active=True,
            )
            self._take(made, given)
            session.add(made)
            session.flush()
            self._record(session, actor, "label_webhook_added", made)
        return made, key

    def change(
        self, workspace: str, webhook_id: int, given: Mapping[str, Any], actor: Actor
    ) -> LabelWebhook:
        """What is not sent stays; its project is for good. Raises NotFound, Invalid."""
        with self._db.write() as session:
            webhook = _webhook_of(session, workspace, webhook_id, is_locked=True)
            was_active = webhook.is_active
            self._take(webhook, given)
            webhook.updated_at = self._clock()
            if webhook.is_active and not was_active:
                self._wake_up(session, webhook)
            self._record(session, actor, "label_webhook_changed", webhook)
        return webhook

    def remove(self, workspace: str, webhook_id: int, actor: Actor) -> None:
        """With what waits to be sent. Raises NotFound."""
        with self._db.write() as session:
            webhook = _webhook_of(session, workspace, webhook_id)
            self._record(session, actor, "label_webhook_removed", webhook)
            session.delete(webhook)

    def test(self, workspace: str, webhook_id: int) -> None:
        """Send it a message that says it is a test. Raises NotFound."""
        with self._db.write() as session:
            webhook = _webhook_of(session, workspace, webhook_id, is_locked=True)
            if not webhook.is_active:
                raise Invalid("This webhook is switched off.", advice="Switch it on first.")
            self._events.test(session, webhook)

    def send_again(self, workspace: str, webhook_id: int, delivery_id: int) -> None:
        """Try a message that failed once more, with all its attempts. Raises NotFound, Invalid."""
        with self._db.write() as session:
            webhook = _webhook_of(session, workspace, webhook_id, is_locked=True)
            one = session.get(LabelDelivery, delivery_id)
            if one is None or one.webhook_id != webhook.id:
                raise NotFound(f"There is no message {delivery_id} of this webhook.")
            if one.state != "failed":
                raise Invalid(f"Message {delivery_id} has not failed: it is {one.state}.")
            one.state, one.attempts, one.ended_at = "queued", 0, None
            one.due_at = self._clock()
            session.flush()
            self._wake_up(session, webhook)

    def deliveries(
        self, workspace: str, webhook_id: int, limit: int = 20
    ) -> Sequence[LabelDelivery]:
        """The newest messages first. Raises NotFound."""
        with self._db.read() as session:
            webhook = _webhook_of(session, workspace, webhook_id)
            return session.scalars(
                select(LabelDelivery)
                .where(LabelDelivery.webhook_id == webhook.id)
                .order_by(LabelDelivery.id.desc())
                .limit(limit)
            ).all()

    def failing(self, workspace: str, project_id: int | None = None) -> int:
        """How many active webhooks nobody answers at, {FAILING} attempts or more."""
        asked = select(func.count()).where(
            LabelWebhook.workspace == workspace,
            LabelWebhook.is_active,
            LabelWebhook.failures >= FAILING,
        )
        if project_id is not None:
            asked = asked.where(
                LabelWebhook.project_id.is_(None) | (LabelWebhook.project_id == project_id)
            )
        with self._db.read() as session:
            return session.scalar(asked) or 0

    def _wake_up(self, session: Session, webhook: LabelWebhook) -> None:
        waiting = select(LabelDelivery.id).where(
            LabelDelivery.webhook_id == webhook.id, LabelDelivery.state == "queued"
        )
        if not webhook.is_sending and session.scalar(waiting.limit(1)) is not None:
            self._events.go_on(session, webhook, self._clock())

    def _take(self, webhook: LabelWebhook, given: Mapping[str, Any]) -> None:
        """Fields by Label Studio's names. Raises Invalid."""
        if "url" in given:
            url = given["url"]
            if not isinstance(url, str) or len(url) > LONGEST_URL or shown_url(url) is None:
                raise Invalid(
                    "Enter a valid URL.",
                    advice="It begins with http:// or https://.",
                    field="url",
                )
            if url != webhook.url:
                webhook.url, webhook.failures = url, 0
        for name in ("send_payload", "send_for_all_actions", "is_active"):
            if given.get(name) is not None:
                setattr(webhook, name, flag(given[name], name))
        if given.get("actions") is not None:
            webhook.actions = _actions(given["actions"], is_wide=webhook.project_id is None)
        if given.get("headers") is not None:
            key = opened(self._vault, webhook)["secret"]
            webhook.secrets = self._sealed(_headers(given["headers"]), key)

    def _sealed(self, headers: Mapping[str, str], key: str) -> str:
        return self._vault.seal(json.dumps({"headers": headers, "secret": key}))

    def _record(self, session: Session, actor: Actor, deed: str, webhook: LabelWebhook) -> None:
        told = f"{webhook.id} {shown_url(webhook.url)}"
        self._audit.record(session, actor, deed, told[:200], webhook.workspace)


def _webhook_of(
    session: Session, workspace: str, webhook_id: int, *, is_locked: bool = False
) -> LabelWebhook:
    webhook = session.get(LabelWebhook, webhook_id, with_for_update=is_locked)
    if webhook is None or webhook.workspace != workspace:
        raise NotFound(f"There is no webhook {webhook_id} in this workspace.")
    return webhook


def _number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{1,18}", value):
        return int(value)
    raise Invalid("Incorrect type. Expected pk value.", field="project")


def _actions(value: object, *, is_wide: bool) -> list[str]:
    if not isinstance(value, list):
        raise Invalid("Expected a list of items.", field="actions")
    for one in value:
        if one not in ACTIONS:
            raise Invalid(
                f'"{str(one)[:60]}" is not a valid choice.',
                advice=f"It may be {', '.join(ACTIONS)}.",
                field="actions",
            )
        if ACTIONS[one].is_wide and not is_wide:
            raise Invalid("Project webhook can't contain organization-only action.")
    return sorted(set(value))


def _headers(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > MOST_HEADERS:
        raise Invalid(f"Headers are an object with at most {MOST_HEADERS} texts.", field="headers")
    for name, text in value.items():
        if not _HEADER.fullmatch(name):
            raise Invalid(f"{name[:60]!r} is no header's name.", field="headers")
        if not isinstance(text, str) or not text.isascii() or not text.isprintable():
            raise Invalid(f"The header {name} must be printable ASCII text.", field="headers")
    return dict(value)
