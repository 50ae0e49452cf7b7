"""Handwritten digits: baselines, a registered model, traces of it at work, training curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mlflow
import numpy as np
from mlflow.data.numpy_dataset import NumpyDataset, from_numpy
from mlflow.models.model import ModelInfo
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, classification_report, f1_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mlpi.tracking.demo import MARK, figures
from mlpi.tracking.demo.figures import Numbers
from mlpi.tracking.demo.notes import (
    SEED,
    VERSION,
    begin,
    csv_text,
    log_model,
    log_scores,
    markdown_table,
    timed,
)

MODEL = "digits-classifier"
PROMPT = "digit-answer"
EPOCHS = 80

_WORDS = (
    ("{{ digit }}", "the bare digit"),
    ("Read by the champion.\nThis looks like a {{ digit }}.", "a sentence, and who says it"),
)

_ABOUT_BASELINES = """
Five classifiers on the 1,797 handwritten digits of 8 × 8 pixels that come with scikit-learn.
The same split for all: three quarters to learn from, one quarter to be judged on.

Three of them are versions of the registered model **digits-classifier**; the best one carries the
alias `champion`, the second best `challenger`.
"""
_ABOUT_CURVES = """
The same small neural network with four learning rates, on a third of the digits and with no
regularisation, so that the curves differ: too slow, right, overfitting, unstable.
"""
_ABOUT_MODEL = """
Reads a handwritten digit: 64 grey values from 0 to 16, row by row, in; a class from 0 to 9 out.

```python
mlflow.pyfunc.load_model("models:/digits-classifier@champion").predict(pixels)
```
"""


@dataclass(frozen=True)
class Digits:
    """The digits, split once for everything in this file."""

    train_x: Numbers
    test_x: Numbers
    train_y: Numbers
    test_y: Numbers

    @classmethod
    def load(cls) -> Digits:
        x, y = load_digits(return_X_y=True)
        parts = train_test_split(x, y, test_size=0.25, random_state=SEED, stratify=y)
        return cls(*parts)

    @property
    def train(self) -> NumpyDataset:
        return from_numpy(self.train_x, targets=self.train_y, name="digits-train")

    @property
    def test(self) -> NumpyDataset:
        return from_numpy(self.test_x, targets=self.test_y, name="digits-test")


def baselines() -> str:
    """Five classifiers, three of them registered; one line about them."""
    begin("digits-baselines", _ABOUT_BASELINES)
    digits = Digits.load()
    candidates: dict[str, tuple[Any, bool]] = {
        "logistic-regression": (
            make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300)),
            True,
        ),
        "random-forest": (
            RandomForestClassifier(n_estimators=60, max_depth=10, random_state=SEED),
            True,
        ),
        "svc-rbf": (SVC(C=10, gamma=0.001), True),
        "nearest-neighbours": (KNeighborsClassifier(n_neighbors=3), False),
        "neural-network": (
            make_pipeline(
                StandardScaler(),
                MLPClassifier(hidden_layer_sizes=(64,), max_iter=60, random_state=SEED, tol=1e-3),
            ),
            False,
        ),
    }
    results = [_baseline(digits, name, *candidate) for name, candidate in candidates.items()]
    results.sort(key=lambda one: -one.accuracy)
    _register(results)
    _trace_champion(digits)
    best = results[0]
    return f"{len(results)} models, best {best.name} with accuracy {best.accuracy:.3f}"


@dataclass(frozen=True)
class _Result:
    name: str
    accuracy: float
    model: ModelInfo
    run_id: str
    is_candidate: bool


def _baseline(digits: Digits, name: str, model: Any, is_candidate: bool) -> _Result:
    with mlflow.start_run(run_name=name, tags={"family": name, "stage": "baseline"}) as run:
        mlflow.log_input(digits.train, context="training")
        mlflow.log_params(_plain_params(model))
        with timed() as fitting:
            model.fit(digits.train_x, digits.train_y)
        with timed() as predicting:
            predicted = model.predict(digits.test_x)
        info = log_model(model, digits.test_x[:3])
        accuracy = float(accuracy_score(digits.test_y, predicted))
        log_scores(
            {
                "accuracy": accuracy,
                "f1_macro": float(f1_score(digits.test_y, predicted, average="macro")),
                "train_accuracy": float(model.score(digits.train_x, digits.train_y)),
            },
            info,
            digits.test,
        )
        mlflow.log_metrics(
            {
                "fit_s": fitting.seconds,
                "predict_ms_per_1000": 1e6 * predicting.seconds / len(digits.test_x),
            }
        )
        _log_judgement(digits, name, predicted)
        return _Result(name, accuracy, info, run.info.run_id, is_candidate)


def _log_judgement(digits: Digits, name: str, predicted: Numbers) -> None:
    """Pictures, a table and a page about what a classifier gets wrong."""
    truth = digits.test_y
    mlflow.log_figure(figures.confusion(truth, predicted, name), "plots/confusion_matrix.png")
    mlflow.log_figure(
        figures.wrong_digits(digits.test_x, truth, predicted), "plots/wrong_digits.png"
    )
    report = classification_report(truth, predicted, output_dict=True)
    rows = [
        {
            "digit": digit,
            "precision": round(report[str(digit)]["precision"], 4),
            "recall": round(report[str(digit)]["recall"], 4),
            "images": int(report[str(digit)]["support"]),
        }
        for digit in range(10)
    ]
    mlflow.log_text(csv_text(rows), "per_digit.csv")
    hardest = min(rows, key=lambda row: float(row["recall"]))
    page = (
        f"# {name}\n\n{int((truth != predicted).sum())} of {len(truth)} test images are wrong. "
        f"The hardest digit is **{hardest['digit']}**.\n\n{markdown_table(rows)}"
    )
    mlflow.log_text(page, "report.md")


def _register(results: list[_Result]) -> None:
    """Register the candidates, worst first, and say which is which. results: best first."""
    client = mlflow.MlflowClient()
    client.create_registered_model(
        MODEL, tags={MARK: VERSION, "task": "classification"}, description=_ABOUT_MODEL
    )
    ranked = [one for one in results if one.is_candidate]
    aliases = ["champion", "challenger"]
    for rank, one in reversed(list(enumerate(ranked))):
        made = client.create_model_version(
            MODEL,
            f"models:/{one.model.model_id}",
            run_id=one.run_id,
            model_id=one.model.model_id,
            tags={"family": one.name, "test_accuracy": f"{one.accuracy:.4f}"},
            description=f"{one.name}: {one.accuracy:.1%} of the test digits are right.",
        )
        if rank < len(aliases):
            client.set_registered_model_alias(MODEL, aliases[rank], made.version)


def _trace_champion(digits: Digits) -> None:
    """A few traced predictions of the champion, loaded from the registry as anybody would.

    Their answers are worded by a prompt of two versions.
    """
    champion = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")

    @mlflow.trace(name="prepare", span_type="PARSER")
    def prepare(pixels: list[float]) -> Numbers:
        scaled: Numbers = np.clip(np.asarray([pixels]), 0, 16)
        return scaled

    @mlflow.trace(name="predict", span_type="TOOL")
    def predict(pixels: Numbers) -> int:
        return int(champion.predict(pixels)[0])

    @mlflow.trace(name="read-digit", span_type="CHAIN")
    def read_digit(pixels: list[float], truth: int) -> dict[str, int | bool | str]:
        digit = predict(prepare(pixels))
        answer = mlflow.genai.load_prompt(f"prompts:/{PROMPT}@production").format(digit=digit)
        return {"digit": digit, "is_right": digit == truth, "answer": str(answer)}

    for words, why in _WORDS:
        worded = mlflow.genai.register_prompt(
            PROMPT, words, commit_message=why, tags={MARK: VERSION}
        )
    mlflow.genai.set_prompt_alias(PROMPT, "production", worded.version)

    for index in range(6):
        read_digit(digits.test_x[index].tolist(), int(digits.test_y[index]))
    mlflow.flush_trace_async_logging()


def training_curves() -> str:
    """Four learning rates, metrics at each epoch; one line about them."""
    begin("mlp-training-curves", _ABOUT_CURVES)
    digits = Digits.load()
    some = slice(0, len(digits.train_x) // 3)
    scaler = StandardScaler().fit(digits.train_x)
    train_x, test_x = scaler.transform(digits.train_x[some]), scaler.transform(digits.test_x)
    train_y = digits.train_y[some]
    dataset = from_numpy(train_x, targets=train_y, name="digits-third")
    rates = (0.0002, 0.002, 0.02, 0.15)
    for rate in rates:
        network = MLPClassifier(
            hidden_layer_sizes=(48,), alpha=0.0, learning_rate_init=rate, random_state=SEED
        )
        with mlflow.start_run(run_name=f"learning-rate-{rate:g}", tags={"family": "mlp"}):
            mlflow.log_params(
                {"learning_rate": rate, "hidden_units": 48, "solver": "adam", "epochs": EPOCHS}
            )
            mlflow.log_input(dataset, context="training")
            history: dict[str, list[float]] = {"train": [], "validation": []}
            for epoch in range(1, EPOCHS + 1):
                network.partial_fit(train_x, train_y, classes=np.arange(10))
                scores = {
                    **_loss_and_accuracy(network, train_x, train_y, "train"),
                    **_loss_and_accuracy(network, test_x, digits.test_y, "validation"),
                }
                mlflow.log_metrics(scores, step=epoch)
                for part, losses in history.items():
                    losses.append(scores[f"{part}_loss"])
            loss_figure = figures.lines(
                range(1, EPOCHS + 1),
                history,
                title=f"Loss at learning rate {rate:g}",
                x_label="epoch",
                y_label="cross-entropy",
            )
            mlflow.log_figure(loss_figure, "plots/loss.png")
            patterns = figures.tiles(network.coefs_[0].T, "What the hidden units look for")
            mlflow.log_figure(patterns, "plots/hidden_units.png")
    return f"{len(rates)} learning rates over {EPOCHS} epochs"


def _loss_and_accuracy(
    network: MLPClassifier, x: Numbers, y: Numbers, part: str
) -> dict[str, float]:
    chances = network.predict_proba(x)
    return {
        f"{part}_loss": float(log_loss(y, chances, labels=np.arange(10))),
        f"{part}_accuracy": float(np.mean(chances.argmax(axis=1) == y)),
    }


def _plain_params(model: Any) -> dict[str, Any]:
    """The parameters of the estimator itself, without those of the scaler before it."""
    estimator = model[-1] if hasattr(model, "steps") else model
    return {"estimator": type(estimator).__name__, **estimator.get_params()}
