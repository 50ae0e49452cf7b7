"""Copying the files of a run or a model, one at a time: none is ever held in memory."""

from __future__ import annotations

import posixpath
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mlpi.tracking.transfer.ends import End
from mlpi.tracking.transfer.report import Counts

# A run or a logged model. A source that names another folder of this disk is not to be believed.
_OWN = re.compile(r"(m-)?[0-9a-f]{32}")

# MLflow's client puts names into URLs as they are, and its server refuses them when quoted.
_LOST = re.compile(r"[#?]|%[0-9A-Fa-f]{2}")


class ArtifactsMissing(Exception):
    """The files are not where the source says, nor anywhere near it."""


def copy(source: End, origin: str, target: End, destination: str, counts: Counts) -> int:
    """Copy what lies under one artifact URI to under another; how many files went.

    Files that are there with the same size stay; names that no MLflow server takes are counted
    as refused. Raises ArtifactsMissing and MLflow's errors.
    """
    sent = 0
    repository: Any = None
    there: dict[str, int] = {}
    for path, size_bytes, fetch in _files(source, origin):
        if repository is None:
            repository = _repository(target, destination)
            there = dict(_listing(repository))
        if there.get(path) == size_bytes:
            continue
        if target.is_served and _LOST.search(path):
            counts.refused.append(path)
            continue
        with tempfile.TemporaryDirectory(prefix="mlpi-transfer-") as scratch:
            local = fetch(scratch)
            counts.size_bytes += local.stat().st_size
            repository.log_artifact(str(local), posixpath.dirname(path) or None)
        sent += 1
        counts.files += 1
    return sent


def _files(source: End, origin: str) -> Iterator[tuple[str, int, Any]]:
    """(path, size in bytes, how to get it into a folder) of each file."""
    if source.is_served and urlsplit(origin).scheme == "mlflow-artifacts":
        yield from _remote_files(source, origin)
        return
    folder = _folder(source, origin)
    if folder is None:
        yield from _remote_files(source, origin)
        return
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            path = file.relative_to(folder).as_posix()
            yield path, file.stat().st_size, lambda _, file=file: file


def _remote_files(source: End, origin: str) -> Iterator[tuple[str, int, Any]]:
    repository = _repository(source, origin)
    for path, size_bytes in _listing(repository):
        yield (
            path,
            size_bytes,
            lambda scratch, path=path: Path(repository.download_artifacts(path, scratch)),
        )


def _folder(source: End, origin: str) -> Path | None:
    """The local folder of an artifact URI; None when it is on another host.

    mlruns folders and databases get moved; what they say about themselves is then out of date,
    but the last parts of the path still hold: <experiment>/<run>/artifacts.
    Raises ArtifactsMissing.
    """
    parts = urlsplit(origin)
    if parts.scheme not in ("", "file", "mlflow-artifacts"):
        return None
    path = Path(unquote(parts.path) if parts.scheme else origin)
    if source.is_served:  # whatever it says of this machine's disk, it has no say here
        raise ArtifactsMissing(
            "they lie on the server's own disk, and it does not hand them out; "
            "import its database or folder there"
        )
    if _OWN.fullmatch(path.parent.name) is None:
        raise ArtifactsMissing(f"{origin} is not the place of one run or model")
    if parts.scheme != "mlflow-artifacts" and path.is_absolute() and path.is_dir():
        return path
    pieces = [piece for piece in path.parts if piece not in ("/", ".", "..")]
    for root in source.roots:
        for skipped in range(len(pieces) - 1):
            if (candidate := root.joinpath(*pieces[skipped:])).is_dir():
                return candidate
    # The folder of a run is made with its first file: without it, where the folder of all
    # experiments is still there, nothing was lost.
    place = path.parent.parent
    is_local = path.is_absolute() and parts.scheme != "mlflow-artifacts"
    if is_local and (place.is_dir() or place.parent.is_dir()):
        return path
    if any(root.joinpath(*pieces[-3:-2]).is_dir() for root in source.roots if len(pieces) > 2):
        return path
    raise ArtifactsMissing(
        f"{place.parent if is_local else origin.partition(':')[0] + ':'} is not here; if there "
        "were any, put them beside the source or import from its server's address"
    )


def _listing(repository: Any, path: str | None = None) -> Iterator[tuple[str, int]]:
    for entry in repository.list_artifacts(path):
        if entry.is_dir:
            yield from _listing(repository, entry.path)
        else:
            yield entry.path, entry.file_size or 0


def _repository(end: End, uri: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415
        get_artifact_repository,
    )

    repository: Any = get_artifact_repository(uri, tracking_uri=end.uri)
    return repository
