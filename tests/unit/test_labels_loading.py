"""Models of MLflow, saved and loaded for real, as the worker asks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from sklearn.datasets import load_digits, load_iris
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeRegressor

from mlpi.jobs.context import JobFailed
from mlpi.labels.guessing.loading import Model

# What MLflow advises those who save models; here it is about the loading.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*An input example was not provided:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*Failed to infer signature:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*Add type hints to the `predict` method:UserWarning"),
]
GLAD = ["what a joy", "lovely and warm", "a happy day"]
SAD = ["what a pity", "cold and grey", "a gloomy day"]


def saved(folder: Path, model: Any, **how: Any) -> Model:
    mlflow.sklearn.save_model(
        model,
        str(folder / "model"),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
        **how,
    )
    return Model("mood version 1", str(folder), "model")


class Spans(mlflow.pyfunc.PythonModel):
    """Marks every "Ana"; answers in the way that it was made for."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        texts = model_input
        if isinstance(texts, pd.DataFrame):
            texts = list(texts.iloc[:, 0])
        found = [[{"start": one.find("Ana"), "end": one.find("Ana") + 3}] for one in texts]
        if self.kind == "frame":
            return pd.DataFrame({"label": ["PER"] * len(found), "score": [0.5] * len(found)})
        if self.kind == "short":
            return found[:-1]
        return found


def served(folder: Path, kind: str, signature: ModelSignature | None = None) -> Model:
    mlflow.pyfunc.save_model(
        str(folder / "model"),
        python_model=Spans(kind),
        signature=signature,
        pip_requirements=["pandas"],
    )
    return Model("spans", str(folder), "model")


def test_a_classifier_of_texts_answers_with_its_probability(tmp_path: Path) -> None:
    model = make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(
        GLAD + SAD, ["glad"] * 3 + ["sad"] * 3
    )
    found = saved(tmp_path, model).answers(["happy joy", "grey pity"], "text")
    assert [label for label, _ in found] == ["glad", "sad"]
    assert all(score is not None and 0.5 < score < 1 for _, score in found)


def test_a_classifier_of_pictures_takes_them_flat(tmp_path: Path) -> None:
    pictures, numbers = load_digits(return_X_y=True)
    model = saved(tmp_path, KNeighborsClassifier(3).fit(pictures[100:600], numbers[100:600]))
    found = model.answers([one.reshape(8, 8) for one in pictures[:20]], "image")
    right = sum(label == true for (label, _), true in zip(found, numbers[:20], strict=True))
    assert right >= 18
    assert all(isinstance(label, int) for label, _ in found)
    with pytest.raises(JobFailed, match="different sizes"):
        model.answers([np.zeros((8, 8)), np.zeros((4, 4))], "image")


def test_features_are_rows_or_columns(tmp_path: Path) -> None:
    table, numbers = load_iris(return_X_y=True, as_frame=True)
    names = list(table.columns)
    schema = Schema([ColSpec(DataType.double, name) for name in names])
    model = saved(
        tmp_path,
        DecisionTreeRegressor(random_state=0).fit(table, numbers),
        signature=ModelSignature(schema, Schema([ColSpec(DataType.double)])),
    )
    rows = [{**dict(zip(names, row, strict=True)), "other": 1} for row in table.values[:3]]
    assert model.answers(rows, "features") == [(0.0, None)] * 3


def test_a_model_of_ones_own_answers_with_anything(tmp_path: Path) -> None:
    found = served(tmp_path, "list").answers(["Ana", "for Ana"], "text")
    assert found == [([{"start": 0, "end": 3}], None), ([{"start": 4, "end": 7}], None)]


def test_a_frame_is_a_row_for_each(tmp_path: Path) -> None:
    signature = ModelSignature(Schema([ColSpec(DataType.string, "text")]))
    found = served(tmp_path, "frame", signature).answers(["a", "b"], "text")
    assert found == [({"label": "PER", "score": 0.5}, None)] * 2


def test_a_tensor_of_pictures_keeps_its_shape(tmp_path: Path) -> None:
    class Bright(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            assert model_input.shape[1:] == (2, 2, 1)
            return (model_input.mean(axis=(1, 2, 3)) > 0.5).astype(int)

    mlflow.pyfunc.save_model(
        str(tmp_path / "model"),
        python_model=Bright(),
        signature=ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, 2, 2, 1))])),
        pip_requirements=["numpy"],
    )
    model = Model("bright", str(tmp_path), "model")
    assert model.answers([np.ones((2, 2)), np.zeros((2, 2))], "image") == [(1, None), (0, None)]


def test_what_cannot_be_used_says_why(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match="there is no MLmodel in absent"):
        Model("gone", str(tmp_path), "absent")
    model = served(tmp_path, "short")
    with pytest.raises(JobFailed, match="answered 2 tasks with 1 rows"):
        model.answers(["Ana", "Ana"], "text")
    with pytest.raises(JobFailed, match="failed with"):
        model.answers([None], "text")
    (tmp_path / "model" / "MLmodel").write_text("flavors: {}\n")
    with pytest.raises(JobFailed, match="cannot be loaded"):
        Model("broken", str(tmp_path), "model")
