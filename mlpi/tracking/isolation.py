"""Closing a hole in MLflow 3.17: members of its default workspace reached everybody's artifacts."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Any

Scoped = Callable[[str | None], str | None]


def harden(handlers: Any) -> None:
    """Replace MLflow's rule for the paths of proxied artifacts with a strict one.

    MLflow compares the path as it was written, but its repository normalises it. In the default
    workspace, whose old artifacts lie at the root, `./workspaces/lab/…` therefore read and
    `workspaces` (DELETE) removed what belongs to others. Every handler and router looks the
    function up in mlflow.server.handlers when called, so that replacing it there reaches all.
    """
    handlers._get_workspace_scoped_repo_path_if_enabled = strict(
        handlers._get_workspace_scoped_repo_path_if_enabled
    )


def strict(stock: Scoped) -> Scoped:
    """The stock rule, asked about the path as the repository will read it."""

    def scoped(artifact_path: str | None) -> str | None:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - loaded by now

        if not artifact_path:
            return stock(artifact_path)
        clean = posixpath.normpath(artifact_path.lstrip("/") or ".")
        if clean == "." or clean.split("/", 1)[0] == "..":
            raise MlflowException.invalid_parameter_value(
                f"Artifact path {artifact_path!r} names no artifact."
            )
        # With its slash, so that the bare folder of all workspaces counts as one of them.
        return stock(clean if clean != "workspaces" else "workspaces/")

    return scoped
