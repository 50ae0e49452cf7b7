"""What of boards belongs to another room's thing."""

from __future__ import annotations

from collections.abc import Sequence

from mlpi.boards.manage.service import Manage
from mlpi.boards.service import page_of
from mlpi.component import BOARD_RUN, MLFLOW_RUN, Hit
from mlpi.errors import NotFound


class Relating:
    """Runs by the MLflow run they belong to, or by their name."""

    def __init__(self, manage: Manage) -> None:
        self._manage = manage

    def hits(self, workspace: str, kind: str, key: str) -> Sequence[Hit]:
        """detail: 'archived', or ''."""
        if kind == MLFLOW_RUN:
            found = self._manage.ties.named_by(workspace, key)
        elif kind == BOARD_RUN:
            try:
                found = [self._manage.service.shown(workspace, key)]
            except NotFound:
                found = []
        else:
            return ()
        return [
            Hit(one.name, page_of(one.name), "board run", "archived" if one.is_archived else "")
            for one in found
        ]
