"""Two faults of MLflow 3.17's default workspace, mended: where its artifact paths lead."""

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
    scoped = strict(handlers._get_workspace_scoped_repo_path_if_enabled)

    def scoped_or_uploaded(artifact_path: str | None) -> str | None:
        return scoped(_uploaded(handlers, artifact_path))

    handlers._get_workspace_scoped_repo_path_if_enabled = scoped_or_uploaded


def _uploaded(handlers: Any, artifact_path: str | None) -> str | None:
    """The path of a file that `upload-artifact` adds to a run, under the run's own root.

    MLflow builds <experiment>/<run>/artifacts/… by itself, which in the default workspace is not
    where the run's artifacts are looked for, so that the file was stored and never found again.
    Every other path is returned as it is.
    """
    from flask import has_request_context, request  # noqa: PLC0415 - loaded by now

    if not (has_request_context() and request.path.endswith("/mlflow/upload-artifact")):
        return artifact_path
    info = handlers._get_tracking_store().get_run(request.args["run_uuid"]).info
    built = posixpath.join(info.experiment_id, info.run_id, "artifacts")
    inside = posixpath.relpath(artifact_path or built, built)
    return str(
        handlers._get_proxied_run_artifact_destination_path(
            info.artifact_uri, relative_path=None if inside == "." else inside
        )
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
