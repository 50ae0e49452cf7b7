"""Registered models of MLflow that turn texts into vectors.

Never imported by the service: a model may bring anything with it, and its code runs as whoever
runs mlpi. Who may register models in a workspace therefore may run code here, as jobs may.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mlpi.vectors.embedders.choice import EmbedderUnusable

MOST_DIMENSIONS = 65_536
_MODEL_FILE = "MLmodel"
_HOW = "A model for this takes one column of texts and answers with one vector for each."


class RegisteredEmbedder:
    """A version of a registered model, loaded by mlflow.pyfunc."""

    def __init__(self, title: str, artifacts: str, path: str) -> None:
        """title: what it is in messages; artifacts: the store's root, a folder or a URI; path: the
        model's folder in it.

        Raises EmbedderUnusable saying why it cannot be loaded, or gives no vectors.
        """
        self._title = title
        if "://" in artifacts:
            fetched = tempfile.mkdtemp(prefix="mlpi-embedder-")
            # Kept as long as the model: some read from their files later.
            weakref.finalize(self, shutil.rmtree, fetched, ignore_errors=True)
            folder = _fetch(title, artifacts, path, Path(fetched))
        else:
            folder = Path(artifacts, path)
        if not (folder / _MODEL_FILE).is_file():
            raise EmbedderUnusable(
                f"The files of the {title} are gone: there is no {_MODEL_FILE} in {path}.",
                advice="Register it anew, or choose another version.",
                field="name",
            )
        self._predict = self._loaded(folder)
        self.dimension = int(self.embed(["text", "another"]).shape[1])

    def embed(self, texts: Sequence[str]) -> Any:
        """(n, dimension) float32, as the model gives them. Raises EmbedderUnusable."""
        try:
            found = self._predict(list(texts))
        except EmbedderUnusable:
            raise
        except Exception as error:
            raise self._unusable(f"it failed with {_line(error)}") from None
        return self._checked(found, len(texts))

    def _loaded(self, folder: Path) -> Callable[[list[str]], Any]:
        """What turns texts into whatever the model answers with."""
        import mlflow.pyfunc  # noqa: PLC0415 - never in the service
        from mlflow.models import Model  # noqa: PLC0415

        try:
            flavors = Model.load(str(folder)).flavors
            # MLflow wraps what predicts. A pipeline that ends with a transformer does not.
            if mlflow.pyfunc.FLAVOR_NAME not in flavors and "sklearn" in flavors:
                import mlflow.sklearn  # noqa: PLC0415 - a second or two

                transform: Callable[[list[str]], Any]
                transform = mlflow.sklearn.load_model(str(folder)).transform
                return transform
            model = mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)
        except Exception as error:
            raise self._unusable(f"it cannot be loaded: {_line(error)}") from None
        shaped = self._shape_of_input(model.metadata.get_input_schema())
        return lambda texts: model.predict(shaped(texts))

    def _shape_of_input(self, schema: Any) -> Callable[[list[str]], Any]:
        """How texts are handed over, by the model's signature."""
        if schema is None:
            return lambda texts: texts
        required = [one for one in schema.inputs if getattr(one, "required", True)]
        if len(required) != 1:
            names = ", ".join(str(one.name) for one in required)
            raise self._unusable(f"it asks for {len(required)} inputs ({names})")
        wanted = required[0]
        if schema.is_tensor_spec():
            return self._tensor(wanted)
        if getattr(wanted.type, "name", "") != "string":
            raise self._unusable(f"it asks for {wanted.type}, not for texts")
        if wanted.name is None:
            return lambda texts: texts
        import pandas as pd  # noqa: PLC0415 - never in the service

        return lambda texts: pd.DataFrame({wanted.name: texts})

    def _tensor(self, wanted: Any) -> Callable[[list[str]], Any]:
        import numpy as np  # noqa: PLC0415 - never in the service

        if wanted.type.kind not in "UO":
            raise self._unusable(f"it asks for {wanted.type}, not for texts")
        shape = (-1, *wanted.shape[1:])
        if any(size not in (1, -1) for size in shape[1:]):
            raise self._unusable(f"it asks for the shape {tuple(wanted.shape)}")
        shape = (-1, *(1 for _ in shape[1:]))
        kind = object if wanted.type.kind == "O" else str

        def shaped(texts: list[str]) -> Any:
            column = np.array(texts, dtype=kind).reshape(shape)
            return column if wanted.name is None else {wanted.name: column}

        return shaped

    def _checked(self, found: Any, count: int) -> Any:
        """What it answered as (count, dimension) float32. Raises EmbedderUnusable."""
        import numpy as np  # noqa: PLC0415 - never in the service

        if isinstance(found, dict) and len(found) == 1:
            [found] = found.values()
        if hasattr(found, "toarray"):  # a sparse matrix of scipy
            if found.shape[1] > MOST_DIMENSIONS:
                raise self._too_wide(found.shape[1])
            found = found.toarray()
        elif hasattr(found, "to_numpy"):  # a frame or a series of pandas
            found = found.to_numpy()
            if found.ndim == 1 or found.shape[1] == 1:
                found = list(found.reshape(-1))  # lists in the cells of one column
        try:
            with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused
                rows = np.asarray(found, dtype=np.float32)
        except (TypeError, ValueError):
            raise self._unusable(_shape_in_words(found)) from None
        if rows.ndim != 2:
            many = "a single value for each text" if rows.ndim == 1 else f"the shape {rows.shape}"
            raise self._unusable(f"it answers with {many}, not with vectors")
        if len(rows) != count:
            raise self._unusable(f"it answers {count} texts with {len(rows)} rows")
        if not 0 < rows.shape[1] <= MOST_DIMENSIONS:
            raise self._too_wide(rows.shape[1])
        if not np.isfinite(rows).all():
            worst = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise self._unusable(f"it answers text {worst + 1} with values that are no numbers")
        return np.ascontiguousarray(rows)

    def _too_wide(self, size: int) -> EmbedderUnusable:
        return self._unusable(f"its vectors have {size:,} dimensions, not 1 to {MOST_DIMENSIONS:,}")

    def _unusable(self, reason: str) -> EmbedderUnusable:
        return EmbedderUnusable(
            f"The {self._title} is no embedder: {reason.rstrip('.')}.", advice=_HOW, field="name"
        )


def _fetch(title: str, artifacts: str, path: str, folder: Path) -> Path:
    """The model's files from an object store. Raises EmbedderUnusable."""
    from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415
        get_artifact_repository,
    )

    try:
        repository: Any = get_artifact_repository(artifacts)
        return Path(repository.download_artifacts(path, str(folder)))
    except Exception as error:
        raise EmbedderUnusable(
            f"The files of the {title} could not be fetched: {_line(error)}.", field="name"
        ) from None


def _shape_in_words(found: Any) -> str:
    try:
        sizes = sorted({len(row) for row in found})
    except TypeError:
        return f"it answers with {type(found).__name__}, not with vectors"
    if len(sizes) > 1:
        return f"its vectors are of different lengths ({sizes[0]} to {sizes[-1]})"
    return "its vectors hold something else than numbers"


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
