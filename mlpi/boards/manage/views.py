"""What a run's page, the table of runs and the question before a removal are rendered from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from mlpi.boards.manage.service import STATES, Manage
from mlpi.component import BOARD_RUN, MLFLOW_RUN
from mlpi.errors import MlpiError
from mlpi.web.render import here, principal_of, render, wants_part, workspace_of

ONE, ALL = "/boards/run", "/boards/manage"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which list is shown, or was when a form was sent from it."""

    q: str = ""
    state: str = STATES[0]
    folder: str = ""

    @classmethod
    def of(cls, request: Request) -> Asked:
        query = request.query_params
        state = query.get("state", "")
        return cls(
            query.get("q", "").strip(),
            state if state in STATES else STATES[0],
            query.get("folder", ""),
        )

    @property
    def query(self) -> dict[str, str]:
        return asdict(self)


def to(request: Request, path: str, **query: str) -> Response:
    """On to a page, in the workspace that a form acted on."""
    return RedirectResponse(here(principal_of(request), path, **query), 303)


class Views:
    """The pages, whole or in parts."""

    def __init__(self, manage: Manage) -> None:
        self._manage = manage

    def run(
        self,
        request: Request,
        name: str,
        error: MlpiError | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Response:
        """A run's page; for htmx, what changes while the run grows. Raises NotFound."""
        about = self._manage.about(workspace_of(request), name)
        is_part = wants_part(request) and error is None
        run_id = about.tie.run_id if about.tie else ""
        return render(
            request,
            "boards/_about.html" if is_part else "boards/run.html",
            422 if error else 200,
            about=about,
            error=error,
            form={"name": name, "mlflow_run_id": "", "deed": "", **(form or {})},
            **({} if is_part else self._mlflow(request, run_id, name)),
        )

    def every(
        self,
        request: Request,
        asked: Asked,
        error: MlpiError | None = None,
        *,
        after: str = "",
        picked: Sequence[str] = (),
        form: Mapping[str, str] | None = None,
    ) -> Response:
        """The table of runs. after: the last run of the page before."""
        found = self._manage.listing(
            workspace_of(request),
            words=asked.q,
            state=asked.state,
            folder=asked.folder,
            after=after,
        )
        return render(
            request,
            "boards/_manage.html" if wants_part(request) else "boards/manage.html",
            422 if error else 200,
            listing=found,
            after=after,
            picked=set(picked),
            error=error,
            form={"name": asked.folder, **(form or {})},
            **asked.query,
        )

    def question(
        self, request: Request, runs: Sequence[str], folder: str, error: MlpiError | None = None
    ) -> Response:
        """What would go. Raises NotFound."""
        asked = Asked.of(request)
        try:
            stakes = self._manage.question(workspace_of(request), runs, folder)
        except MlpiError as nothing:
            if nothing.status != 422:
                raise
            return self.every(request, asked, nothing)
        return render(
            request,
            "boards/ask.html",
            422 if error else 200,
            asked=stakes,
            error=error,
            back=asked.query,
        )

    @staticmethod
    def _mlflow(request: Request, run_id: str, name: str) -> dict[str, Any]:
        """The MLflow run of this id, and those whose tag names this run."""
        components, principal = request.app.state.components, principal_of(request)
        by_id = components.related(principal, MLFLOW_RUN, run_id) if run_id else None
        by_name = components.related(principal, BOARD_RUN, name)
        mine = [hit for hit in by_id.hits if hit.kind == "run"] if by_id else []
        known = {hit.href for hit in mine}
        return {
            "owner": mine[0] if mine else None,
            "is_looked_up": by_id is None or by_id.is_whole,
            "naming": [hit for hit in by_name.hits if hit.kind == "run" and hit.href not in known],
        }
