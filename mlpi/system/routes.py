"""Liveness, readiness and Prometheus metrics."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from mlpi.component import Components, State
from mlpi.system.machine import Machine
from mlpi.system.metrics import exposition


def router(components: Components, machine: Machine) -> APIRouter:
    """What monitors ask."""
    probes = APIRouter(include_in_schema=False)

    @probes.get("/healthz")
    async def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @probes.get("/readyz")
    async def readyz() -> Response:
        health = components.health()
        is_ready = all(one.state is State.READY for one in health.values())
        body = {
            name: {"state": one.state.value, **({"detail": one.detail} if one.detail else {})}
            for name, one in health.items()
        }
        status = 200 if is_ready else 503
        return JSONResponse({"ready": is_ready, "components": body}, status)

    @probes.get("/metrics")
    def metrics() -> Response:
        text, content_type = exposition(components, machine)
        return Response(text, media_type=content_type)

    return probes
