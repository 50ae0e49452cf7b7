"""A model of MLflow, loaded and asked. Never imported by the service.

A model's code runs as whoever runs mlpi: who may register models in a workspace may run code
here, as jobs may.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlpi.jobs.context import JobFailed

_MODEL_FILE = "MLmodel"


class Model:
    """A model that answers about tasks."""

    def __init__(self, title: str, artifacts: str, path: str) -> None:
        """artifacts: the store's root, a folder or a URI; path: the model's folder in it.

        Raises JobFailed saying why it cannot be loaded.
        """
        self._title = title
        if "://" in artifacts:
            fetched = tempfile.mkdtemp(prefix="mlpi-model-")
            # Kept as long as the model: some read from their files later.
            weakref.finalize(self, shutil.rmtree, fetched, ignore_errors=True)
            folder = _fetch(title, artifacts, path, Path(fetched))
        else:
            folder = Path(artifacts, path)
        if not (folder / _MODEL_FILE).is_file():
            raise JobFailed(f"the files of {title} are gone: there is no {_MODEL_FILE} in {path}")
        self._load(folder)

    def _load(self, folder: Path) -> None:
        import mlflow.pyfunc  # noqa: PLC0415 - never in the service
        from mlflow.models import Model as Saved  # noqa: PLC0415

        try:
            saved = Saved.load(str(folder))
            self._schema = saved.get_input_schema()  # type: ignore[no-untyped-call]
            self._classes: list[Any] | None = None
            if "sklearn" in saved.flavors:
                import mlflow.sklearn  # noqa: PLC0415 - a second or two

                estimator = mlflow.sklearn.load_model(str(folder))
                if hasattr(estimator, "predict_proba") and hasattr(estimator, "classes_"):
                    self._classes = [_plain(one) for one in estimator.classes_]
                    self._ask: Callable[[Any], Any] = estimator.predict_proba
                else:
                    self._ask = estimator.predict
                self.is_flat = True
            else:
                self._ask = mlflow.pyfunc.load_model(str(folder), suppress_warnings=True).predict
                self.is_flat = False
        except Exception as error:
            raise JobFailed(f"{self._title} cannot be loaded: {_line(error)}") from None

    def answers(self, inputs: Sequence[Any], kind: str) -> list[tuple[Any, float | None]]:
        """(answer, score or None) for each input. Raises JobFailed."""
        try:
            found = self._ask(self._shaped(inputs, kind))
        except Exception as error:
            raise JobFailed(f"{self._title} failed with {_line(error)}") from None
        if self._classes is not None:
            rows = [[float(one) for one in row] for row in found]
            best = [max(range(len(row)), key=row.__getitem__) for row in rows]
            answered: list[tuple[Any, float | None]] = [
                (self._classes[at], row[at]) for row, at in zip(rows, best, strict=True)
            ]
        else:
            answered = [(one, None) for one in _rows(found)]
        if len(answered) != len(inputs):
            raise JobFailed(f"{self._title} answered {len(inputs)} tasks with {len(answered)} rows")
        return answered

    def _shaped(self, inputs: Sequence[Any], kind: str) -> Any:
        """Inputs as the model's signature wants them."""
        import numpy as np  # noqa: PLC0415 - never in the service
        import pandas as pd  # noqa: PLC0415

        schema = self._schema
        if kind == "image":
            return self._pictures(inputs, schema)
        if kind == "features":
            if all(isinstance(one, Mapping) for one in inputs):
                frame = pd.DataFrame.from_records(list(inputs))
                names = schema.input_names() if schema is not None else []
                return frame.reindex(columns=names) if names and names[0] is not None else frame
            return np.asarray([list(one) for one in inputs], dtype=float)
        if schema is not None and not schema.is_tensor_spec():
            name = schema.inputs[0].name
            return pd.DataFrame({name: list(inputs)}) if name is not None else list(inputs)
        if schema is not None:
            column = np.array(list(inputs), dtype=object)
            return column.reshape((-1, *(1 for _ in schema.inputs[0].shape[1:])))
        return list(inputs)

    def _pictures(self, inputs: Sequence[Any], schema: Any) -> Any:
        import numpy as np  # noqa: PLC0415 - never in the service

        arrays = [np.asarray(one) for one in inputs]
        if len({one.shape for one in arrays}) > 1:
            raise ValueError("pictures of different sizes; give the plan a width and a height")
        stack = np.stack(arrays)
        if schema is not None and schema.is_tensor_spec():
            shape = schema.inputs[0].shape[1:]
            wanted = schema.inputs[0].type
            return stack.reshape((-1, *shape)).astype(wanted)
        if self.is_flat or schema is not None:
            return stack.reshape(len(stack), -1)
        return stack


def _rows(found: Any) -> list[Any]:
    """What a model answered, one plain thing for each input."""
    if hasattr(found, "to_dict") and hasattr(found, "columns"):  # a frame of pandas
        records = [
            {str(name): _plain(value) for name, value in one.items()}
            for one in found.to_dict("records")
        ]
        if len(found.columns) == 1:
            return [next(iter(one.values())) for one in records]
        return list(records)
    return [_plain(one) for one in found]


def _plain(value: Any) -> Any:
    """As JSON can hold it: numbers of numpy become numbers, arrays lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _fetch(title: str, artifacts: str, path: str, folder: Path) -> Path:
    """The model's files from an object store. Raises JobFailed."""
    from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415
        get_artifact_repository,
    )

    try:
        repository: Any = get_artifact_repository(artifacts)
        return Path(repository.download_artifacts(path, str(folder)))
    except Exception as error:
        raise JobFailed(f"the files of {title} could not be fetched: {_line(error)}") from None


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
