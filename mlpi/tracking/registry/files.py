"""Small files of a model, read through MLflow's artifact store."""

from __future__ import annotations

import posixpath
import tempfile
from pathlib import Path
from typing import Any

MAX_BYTES = 1_000_000


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
