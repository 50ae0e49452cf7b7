"""Small files of a model, read through MLflow's artifact store."""

from __future__ import annotations

import posixpath
import tempfile
from pathlib import Path
from typing import Any

from mlpi.auth.names import DEFAULT_WORKSPACE

MAX_BYTES = 1_000_000
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


def texts(repository: Any, folder: str, names: tuple[str, ...]) -> dict[str, str]:
    """The files of these names that a folder has, those above MAX_BYTES left out."""
    found = {
        posixpath.basename(item.path): item
        for item in repository.list_artifacts(folder)
        if not item.is_dir and (item.file_size or 0) <= MAX_BYTES
    }
    read: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="mlpi-model-") as draft:
        for name in names:
            if name in found:
                local = Path(draft, name)
                repository._download_file(found[name].path, str(local))
                read[name] = local.read_text("utf-8", errors="replace")[:MAX_BYTES]
    return read
