"""Where an address in MLflow's artifact store leads, for every room that reads from it."""

from __future__ import annotations

import posixpath

from mlpi.auth.names import DEFAULT_WORKSPACE

_SCHEME = "mlflow-artifacts:"


def folder_of(location: str, workspace: str) -> str | None:
    """The path of a location in this server's artifact store.

    None when it lies elsewhere, or in another workspace's part: versions that were copied here
    may claim any address.
    """
    path = location.removeprefix(_SCHEME)
    if path == location or path.startswith("//"):
        return None
    path = posixpath.normpath(path.strip("/") or ".")
    if path.split("/", 1)[0] in ("..", "."):
        return None
    if path.startswith(f"workspaces/{workspace}/"):
        return path
    is_legacy = workspace == DEFAULT_WORKSPACE and path.split("/", 1)[0] != "workspaces"
    return path if is_legacy else None
