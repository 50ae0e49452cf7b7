"""Sends what is queued for a webhook. Runs in a worker, so that a slow host holds up nobody."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from mlpi.jobs import messages
from mlpi.jobs.context import JobContext

PATIENCE_S = 60  # then the rest is left to the next job


def send(context: JobContext, order: Mapping[str, Any]) -> dict[str, Any]:
    """Every message in its order, until nobody answers.

    "outcomes": (delivery, status) of those that were answered; "unreachable": why not the rest.
    """
    begun = time.monotonic()
    outcomes: list[tuple[int, int]] = []
    for number, one in enumerate(order["deliveries"]):
        body = one["body"].encode()
        signed = messages.headers_of(
            body, event=one["action"], delivery=one["id"], secret=order["secret"]
        )
        try:
            status = messages.post(order["url"], body, {**order["headers"], **signed})
        except messages.Unreachable as error:
            return {"outcomes": outcomes, "unreachable": str(error)}
        outcomes.append((one["id"], status))
        context.progress((number + 1) / len(order["deliveries"]))
        if time.monotonic() - begun > PATIENCE_S:
            break
    return {"outcomes": outcomes, "unreachable": ""}
