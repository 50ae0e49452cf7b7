"""The lease of imports, for `mlpi tracking import`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from mlpi.auth.requests import actor_of
from mlpi.tracking.transfer.lease import PATH, Leases
from mlpi.web.render import workspace_of


class LeaseIn(BaseModel):
    holder: str = Field(min_length=8, max_length=64, description="A secret of the importer's.")
    source: str = Field("", max_length=300, description="Where it imports from.")


def router(leases: Leases) -> APIRouter:
    """Take or renew, and give back."""
    api = APIRouter(tags=["tracking"])

    @api.put(PATH, status_code=204)
    def take(request: Request, body: LeaseIn) -> Response:
        """Import into the current workspace alone, for 15 s if not renewed. 409: another does."""
        words = f"from {body.source} by {actor_of(request).name}"
        leases.take(workspace_of(request), body.holder, words)
        return Response(status_code=204)

    @api.delete(PATH, status_code=204)
    def give_back(request: Request, body: LeaseIn) -> Response:
        """End it."""
        leases.give_back(workspace_of(request), body.holder)
        return Response(status_code=204)

    return api
