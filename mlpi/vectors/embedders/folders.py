"""The folders of sentence models that somebody put on this server, in Chroma's own layout.

    $MLPI_HOME/models/<name>/onnx/model.onnx
    $MLPI_HOME/models/<name>/onnx/tokenizer.json

Only their names come from outside; nothing is ever downloaded into them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mlpi.vectors.embedders.choice import EmbedderUnusable

MODEL, TOKENIZER = "model.onnx", "tokenizer.json"
FILES = (MODEL, TOKENIZER)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Folder:
    """A model's folder, and what it lacks."""

    name: str
    path: Path
    lacks: tuple[str, ...] = ()

    @property
    def stamp(self) -> str:
        """Another one when the files are."""
        states = [file_of(self.path, name).stat() for name in FILES]
        return "-".join(f"{state.st_mtime_ns:x}.{state.st_size:x}" for state in states)


def models_folder(home: Path) -> Path:
    """Where the folders of models lie."""
    return home / "models"


def file_of(folder: Path, name: str) -> Path:
    """A file of a model: in onnx/, or beside it where the makers of models also put it."""
    inner = folder / "onnx" / name
    return inner if inner.is_file() or not (folder / name).is_file() else folder / name


def listed(home: Path) -> list[Folder]:
    """The folders there are, by name, those that lack something too."""
    try:
        found = sorted(models_folder(home).iterdir(), key=lambda path: path.name)
    except OSError:
        return []
    return [_looked_at(path) for path in found if _NAME.fullmatch(path.name) and path.is_dir()]


def folder(home: Path, name: str) -> Folder:
    """A complete folder. Raises EmbedderUnusable saying which files go where."""
    place = models_folder(home)
    if not _NAME.fullmatch(name):
        raise EmbedderUnusable(
            f"{name[:100]!r} is not the name of a folder in {place}.",
            advice="Letters, digits, '.', '_' and '-' may be in it, a letter or digit first.",
            field="folder",
        )
    found = _looked_at(place / name)
    if not found.path.is_dir() or found.lacks:
        missing = " and ".join(found.lacks) if found.path.is_dir() else "its folder"
        raise EmbedderUnusable(
            f"The model {name} is not complete on this server: {missing} is missing.",
            advice=how_to_put(found.path),
            field="folder",
        )
    return found


def how_to_put(path: Path) -> str:
    """Which files go where, for somebody who has a shell on the server."""
    return (
        f"Put {MODEL} and {TOKENIZER} into {path / 'onnx'}, as they lie in a Chroma client's "
        "~/.cache/chroma/onnx_models/all-MiniLM-L6-v2/onnx. mlpi downloads nothing by itself."
    )


def _looked_at(path: Path) -> Folder:
    lacks = tuple(f"onnx/{name}" for name in FILES if not file_of(path, name).is_file())
    return Folder(path.name, path, lacks)
