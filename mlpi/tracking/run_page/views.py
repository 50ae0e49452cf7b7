"""What the page of a run is rendered from."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response

from mlpi.component import BOARD_RUN, MLFLOW_RUN
from mlpi.errors import MlpiError, NotFound, NotReady
from mlpi.tracking.records import Run
from mlpi.tracking.run_page.files import MOST_LISTED, Item
from mlpi.tracking.run_page.records import Origin
from mlpi.tracking.run_page.service import RunPage
from mlpi.tracking.run_page.viewers import kind_of
from mlpi.tracking.service import BOARDS_TAG, plain_first
from mlpi.web.markdown import Picture, rendered
from mlpi.web.render import here, principal_of, render, workspace_of

# Curves that a page draws without being asked; each is a request and a canvas.
FIRST_CHARTS = 12
DESCRIPTION = "mlflow.note.content"


class RunView:
    """The page, whole or in parts."""

    def __init__(self, runs: RunPage) -> None:
        self._runs = runs
        self._store = runs.tracking.store

    def listed(self, request: Request, run: Run, path: str) -> dict[str, Any]:
        """What lies in a folder of the run's files, or why that cannot be told."""
        items: list[Item] | None = []
        trouble = ""
        try:
            files = self._runs.files(workspace_of(request), run.id)
            items = files.listed(path)[:MOST_LISTED]
        except NotReady:
            items = None  # the page says so and can be read meanwhile
        except NotFound as error:
            trouble = error.line()
        return {"artifacts": items, "trouble": trouble, "at": path}

    def measured(self, run: Run) -> dict[str, Any]:
        """The metrics with their small curves, and which have large ones."""
        counts = self._store.step_counts(run.id)
        curved = plain_first(key for key, count in counts.items() if count > 1)
        # Metrics of the machine have a place of their own; the table is about the model's.
        system = [key for key in curved if key.startswith("system/")]
        own = [key for key in curved if not key.startswith("system/")]
        many = {key: counts[key] for key in curved}
        return {
            "keys": plain_first(run.metrics),
            "sparks": self._runs.sparks(run.id, many),
            "step_counts": counts,
            "own_curves": own,
            "system_curves": system,
            "anchors": {key: f"curve-{number}" for number, key in enumerate(own + system)},
        }

    @staticmethod
    def boards(request: Request, run: Run, tags: Mapping[str, str]) -> dict[str, Any]:
        """What of the boards belongs to it, and the name in its own tag that nothing there has."""
        components, principal = request.app.state.components, principal_of(request)
        found = [
            hit
            for hit in components.related(principal, MLFLOW_RUN, run.id).hits
            if hit.kind == "board run"
        ]
        named = tags.get(BOARDS_TAG, "")
        missing = ""
        if named and named not in {hit.label for hit in found}:
            own = components.related(principal, BOARD_RUN, named)
            mine = [hit for hit in own.hits if hit.kind == "board run"]
            found += mine
            missing = "" if mine or not own.is_whole else named
        return {"boards": found, "missing_board": missing}

    def page(
        self,
        request: Request,
        run: Run,
        path: str = "",
        status: int = 200,
        error: MlpiError | None = None,
        form: dict[str, str] | None = None,
    ) -> Response:
        workspace = workspace_of(request)
        tags = self._store.tags(run.id)
        models = self._runs.store.logged_models(run.id)
        note = tags.get(DESCRIPTION, "")
        return render(
            request,
            "tracking/run.html",
            status,
            run=run,
            experiment=self._store.experiment(workspace, run.experiment_id),
            is_deleted=self._runs.store.is_deleted(run.id),
            tags=tags,
            internal_tags=[key for key in tags if key.startswith("mlflow.")],
            origin=Origin.of_tags(tags),
            note=note,
            note_html=rendered(note, pictures(request, run.id)) if note else "",
            children=self._store.children(run.id),
            datasets=self._runs.store.datasets(run.id),
            models=models,
            contents=self._runs.contents(workspace, [model.id for model in models]),
            versions=self._runs.store.versions(workspace, run.id),
            traces=self._runs.store.traces(run.id, run.experiment_id),
            first_charts=FIRST_CHARTS,
            error=error,
            form=form or {},
            **self.boards(request, run, tags),
            **self.measured(run),
            **self.listed(request, run, path),
        )


def pictures(request: Request, run_id: str, model: str = "", folder: str = "") -> Picture:
    """Pictures of a text are those among the same files; folder is where the text lies."""

    def address(source: str) -> str | None:
        if ":" in source or source.startswith("//") or kind_of(source) != "image":
            return None
        path = posixpath.normpath(posixpath.join(folder, source.lstrip("/")))
        at = f"/tracking/runs/{run_id}/artifact"
        return here(principal_of(request), at, path=path, model=model)

    return address
