"""Links that were sent, or printed by a client, lead to the workspace that has the thing."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from mlpi.errors import NotFound
from mlpi.tracking.service import TrackingService
from mlpi.web.render import here, principal_of, workspace_of


class Elsewhere:
    """Answers for what is not in the request's workspace: on to another one of the user's."""

    def __init__(self, tracking: TrackingService) -> None:
        self._store = tracking.store

    def located(self, request: Request, experiment: str = "", run: str = "") -> str | None:
        """The workspace of an experiment or a run; None when it is not one of the user's."""
        workspace = self._store.workspace_of(experiment_id=experiment, run_id=run)
        return workspace if workspace in principal_of(request).roles else None

    def experiment(self, request: Request, id_: str) -> Response:
        """Raises NotFound."""
        return self._on(request, self.located(request, experiment=id_), "experiment")

    def run(self, request: Request, id_: str) -> Response:
        """Raises NotFound."""
        return self._on(request, self.located(request, run=id_), "run")

    def trace(self, request: Request, id_: str) -> Response:
        """Raises NotFound."""
        workspace = self._store.workspace_of(trace_id=id_)
        is_theirs = workspace in principal_of(request).roles
        return self._on(request, workspace if is_theirs else None, "trace")

    def named(self, request: Request, name: str, missing: NotFound) -> Response:
        """For a registered model or a prompt, of which every workspace may have one.

        Raises missing when the address says which workspace is meant, or none of the user's has
        it; NotFound when several have.
        """
        if "workspace" in request.query_params:
            raise missing
        having = self._store.workspaces_with(name)
        if workspace_of(request) in having:
            raise missing
        theirs = sorted(having & set(principal_of(request).roles))
        if len(theirs) > 1:
            raise NotFound(
                f"{name!r} is not in this workspace, but in {' and in '.join(theirs)}.",
                advice="Switch to the one you mean.",
            )
        if not theirs:
            raise missing
        return self._on(request, theirs[0], "model")

    @staticmethod
    def _on(request: Request, workspace: str | None, what: str) -> Response:
        if workspace is None or workspace == workspace_of(request):
            raise NotFound(f"There is no such {what} in this workspace.")
        principal = principal_of(request).within(workspace)
        asked = request.query_params
        query = {name: asked.getlist(name) for name in asked if name != "workspace"}
        return RedirectResponse(here(principal, request.url.path, **query), 303)
