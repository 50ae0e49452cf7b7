"""Models of MLflow as embedders: how they are asked, and what they may answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from mlpi.vectors.embedders.choice import EmbedderUnusable
from mlpi.vectors.embedders.registered import RegisteredEmbedder

# What MLflow advises those who save models; here it is about the loading.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*An input example was not provided:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*Failed to infer signature:UserWarning"),
]
CORPUS = ["the cat sat", "a dog ran", "cats and dogs", "the mat of the cat", "dogs run", "a mat"]
TEXTS = ["the cat", "a dog", "mats"]


class Asked(mlflow.pyfunc.PythonModel):
    """Answers with a vector for each text it is given, in the shape it was asked in."""

    def __init__(self, kind: str = "array") -> None:
        self.kind = kind

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        texts = model_input
        if isinstance(texts, pd.DataFrame):
            texts = texts.iloc[:, 0]
        elif isinstance(texts, dict):
            [texts] = texts.values()
        rows = [[len(text), text.count("a"), 0.5] for text in np.asarray(texts).reshape(-1)]
        return ANSWERS[self.kind](rows)


ANSWERS: dict[str, Callable[[list[list[float]]], Any]] = {
    "array": np.array,
    "rows": list,
    "frame": pd.DataFrame,
    "series": lambda rows: pd.Series([np.array(row) for row in rows]),
    "cells": lambda rows: pd.DataFrame({"vector": rows}),
    "sparse": csr_matrix,
    "dict": lambda rows: {"vectors": np.array(rows)},
    "float64": lambda rows: np.array(rows, dtype=np.float64),
    "ragged": lambda rows: [row[: 1 + n % 2] for n, row in enumerate(rows)],
    "texts": lambda rows: [["x", "y"] for _ in rows],
    "flat": lambda rows: [row[0] for row in rows],
    "one": lambda rows: [rows[0]],
    "deep": lambda rows: np.zeros((len(rows), 2, 2)),
    "nan": lambda rows: np.array([[1, float("nan")] for _ in rows]),
    "huge": lambda rows: np.array([[1e300, 1] for _ in rows]),
    "empty": lambda rows: np.zeros((len(rows), 0)),
    "wide": lambda rows: csr_matrix((len(rows), 100_000)),
    "nothing": lambda _: None,
    "fails": lambda _: 1 / 0,
}
EXPECTED = [[len(text), text.count("a"), 0.5] for text in TEXTS]


def embedder(
    folder: Path, save: Callable[..., None], model: Any, **options: Any
) -> RegisteredEmbedder:
    save(path=str(folder / "model"), pip_requirements=["mlflow"], **model, **options)
    return RegisteredEmbedder("registered model m version 1", str(folder), "model")


def python_model(folder: Path, kind: str = "array", **options: Any) -> RegisteredEmbedder:
    model = {"python_model": Asked(kind)}
    return embedder(folder, mlflow.pyfunc.save_model, model, **options)


SIGNATURES = {
    "no signature": None,
    "texts": ModelSignature(Schema([ColSpec(DataType.string)])),
    "a named column": ModelSignature(Schema([ColSpec(DataType.string, "text")])),
    "an optional column besides": ModelSignature(
        Schema([ColSpec(DataType.string, "text"), ColSpec(DataType.long, "n", required=False)])
    ),
    "a tensor": ModelSignature(Schema([TensorSpec(np.dtype("O"), (-1,))])),
    "a tensor of strings": ModelSignature(Schema([TensorSpec(np.dtype(str), (-1, 1))])),
    "a named tensor": ModelSignature(Schema([TensorSpec(np.dtype("O"), (-1, 1), "text")])),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_texts_are_handed_over_as_the_signature_says(tmp_path: Path, name: str) -> None:
    loaded = python_model(tmp_path, signature=SIGNATURES[name])
    assert loaded.dimension == 3
    assert loaded.embed(TEXTS).tolist() == EXPECTED


@pytest.mark.parametrize("kind", ["rows", "frame", "series", "cells", "sparse", "dict", "float64"])
def test_vectors_may_come_in_many_shapes(tmp_path: Path, kind: str) -> None:
    found = python_model(tmp_path, kind).embed(TEXTS)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert found.tolist() == EXPECTED


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("ragged", "different lengths"),
        ("texts", "something else than numbers"),
        ("flat", "a single value for each text"),
        ("one", "answers 2 texts with 1 rows"),
        ("deep", r"the shape \(2, 2, 2\)"),
        ("nan", "text 1 with values that are no numbers"),
        ("huge", "no numbers"),
        ("empty", "0 dimensions"),
        ("wide", "100,000 dimensions"),
        ("nothing", "not with vectors"),
        ("fails", "ZeroDivisionError"),
    ],
)
def test_what_is_no_vector_is_refused_in_words(tmp_path: Path, kind: str, says: str) -> None:
    with pytest.raises(EmbedderUnusable, match=says) as caught:
        python_model(tmp_path, kind)
    assert "registered model m version 1" in caught.value.message
    assert "one vector for each" in (caught.value.advice or "")


@pytest.mark.parametrize(
    ("signature", "says"),
    [
        (Schema([ColSpec(DataType.double, "x")]), "not for texts"),
        (
            Schema([ColSpec(DataType.string, "a"), ColSpec(DataType.string, "b")]),
            r"2 inputs \(a, b",
        ),
        (Schema([TensorSpec(np.dtype("float32"), (-1, 4))]), "not for texts"),
        (Schema([TensorSpec(np.dtype("O"), (-1, 4))]), "the shape"),
    ],
)
def test_a_model_that_asks_for_something_else_is_refused(
    tmp_path: Path, signature: Schema, says: str
) -> None:
    with pytest.raises(EmbedderUnusable, match=says):
        python_model(tmp_path, signature=ModelSignature(signature))


def test_a_pipeline_of_scikit_learn_that_only_transforms_is_an_embedder(tmp_path: Path) -> None:
    pipeline = make_pipeline(TfidfVectorizer(), TruncatedSVD(4, random_state=0)).fit(CORPUS)
    frame = pd.DataFrame({"text": CORPUS})
    loaded = embedder(
        tmp_path,
        mlflow.sklearn.save_model,
        {"sk_model": pipeline},
        signature=infer_signature(frame),
        serialization_format="cloudpickle",
    )
    assert loaded.dimension == 4
    assert np.allclose(loaded.embed(TEXTS), pipeline.transform(TEXTS), atol=1e-6)


def test_a_classifier_is_no_embedder(tmp_path: Path) -> None:
    tree = make_pipeline(TfidfVectorizer(), DecisionTreeClassifier()).fit(CORPUS, [0, 1] * 3)
    with pytest.raises(EmbedderUnusable, match="a single value for each text"):
        embedder(
            tmp_path,
            mlflow.sklearn.save_model,
            {"sk_model": tree},
            serialization_format="cloudpickle",
        )


def test_files_that_are_gone_are_missed_by_name(tmp_path: Path) -> None:
    with pytest.raises(EmbedderUnusable, match="no MLmodel in workspaces/lab/1"):
        RegisteredEmbedder("registered model m version 1", str(tmp_path), "workspaces/lab/1")


def test_a_model_without_pyfunc_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "MLmodel").write_text("flavors: {}\n")
    with pytest.raises(EmbedderUnusable, match="cannot be loaded"):
        RegisteredEmbedder("registered model m version 1", str(tmp_path), "m")


def test_files_elsewhere_are_fetched(tmp_path: Path) -> None:
    python_model(tmp_path / "store")
    loaded = RegisteredEmbedder("m", f"file://{tmp_path / 'store'}", "model")
    assert loaded.embed(TEXTS).tolist() == EXPECTED
    with pytest.raises(EmbedderUnusable, match="could not be fetched"):
        RegisteredEmbedder("m", f"file://{tmp_path / 'store'}", "absent")
