"""Small tables: wine (a nested search), breast cancer (a threshold), diabetes (a regression)."""

from __future__ import annotations

from typing import Any

import mlflow
import numpy as np
from mlflow.data.pandas_dataset import PandasDataset, from_pandas
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import (
    mean_absolute_error,
    mean_squared_error,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
    roc_curve,
    root_mean_squared_error,
)
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlpi.tracking.demo import figures
from mlpi.tracking.demo.notes import SEED, begin, csv_text, log_model, log_scores, markdown_table

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)

_ABOUT_WINE = """
How much regularisation, and of which kind? A parent run holds the search; each child is one
logistic regression judged by five-fold cross-validation on 178 wines of three growers.

One child **failed**, and is kept as it is: its solver cannot do what was asked of it.
"""
_ABOUT_CANCER = """
Two classifiers of breast tumours (569 cases, 30 measurements). What counts is the threshold:
precision and recall are logged for every one of them, with the threshold in per cent as the step.
"""
_ABOUT_DIABETES = """
Predicting the progression of diabetes after one year from ten measurements of 442 patients:
a line, a curve made of trees, and how the error falls with each tree that is added.
"""


def _dataset(bunch: Any, name: str) -> PandasDataset:
    return from_pandas(bunch.frame, targets="target", name=name)


def wine() -> str:
    """A nested search with one failing child; one line about it."""
    begin("wine-regularisation", _ABOUT_WINE)
    bunch = load_wine(as_frame=True)
    x, y = bunch.data, bunch.target
    dataset = _dataset(bunch, "wine")
    rows: list[dict[str, Any]] = []
    with mlflow.start_run(run_name="search", tags={"search": "grid"}):
        mlflow.log_input(dataset, context="training")
        mlflow.log_params({"folds": 5, "strengths": len(STRENGTHS), "kinds": "l1, l2"})
        for kind, share in (("l1", 1.0), ("l2", 0.0)):
            for strength in STRENGTHS:
                with mlflow.start_run(run_name=f"{kind}-C{strength:g}", nested=True):
                    row, weights = _judge(x, y, kind, share, strength)
                    rows.append(row)
                    if kind == "l1":
                        plot = figures.bars(list(x.columns), weights, "Mean absolute weight")
                        mlflow.log_figure(plot, "plots/weights.png")
        _fail(x, y)
        best = max(rows, key=lambda row: row["accuracy"])
        mlflow.log_params({"best_kind": best["kind"], "best_C": best["C"]})
        mlflow.log_text(csv_text(rows), "results.csv")
        mlflow.log_text(f"# Search\n\n{markdown_table(rows)}", "results.md")
        by_kind: dict[str, list[float]] = {"l1": [], "l2": []}
        for row in rows:
            by_kind[row["kind"]].append(row["accuracy"])
        plot = figures.lines(
            STRENGTHS,
            by_kind,
            title="Accuracy, five folds",
            x_label="C (weaker regularisation →)",
            y_label="accuracy",
            log_x=True,
        )
        mlflow.log_figure(plot, "plots/accuracy.png")
        model = _regression(1.0 if best["kind"] == "l1" else 0.0, best["C"]).fit(x, y)
        info = log_model(model, x.head(3))
        log_scores({"best_accuracy": best["accuracy"]}, info, dataset)
    return f"{len(rows)} nested runs, best {best['kind']} with C = {best['C']:g}; one run failed"


def _regression(share: float, strength: float, solver: str = "saga") -> Any:
    regression = LogisticRegression(
        C=strength, l1_ratio=share, solver=solver, max_iter=4000, random_state=SEED
    )
    return make_pipeline(StandardScaler(), regression)


def _judge(
    x: Any, y: Any, kind: str, share: float, strength: float
) -> tuple[dict[str, Any], figures.Numbers]:
    """One child run: its row of the results, and the weight of each column."""
    mlflow.log_params({"kind": kind, "C": strength, "solver": "saga"})
    model = _regression(share, strength)
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=SEED)
    scores = cross_val_score(model, x, y, cv=folds)
    for fold, score in enumerate(scores, start=1):
        mlflow.log_metric("fold_accuracy", float(score), step=fold)
    weights = np.abs(model.fit(x, y)[-1].coef_)
    row: dict[str, Any] = {
        "kind": kind,
        "C": strength,
        "accuracy": round(float(scores.mean()), 4),
        "spread": round(float(scores.std()), 4),
        "weights_used": int((weights > 1e-6).sum()),
    }
    mlflow.log_metrics({key: row[key] for key in ("accuracy", "spread", "weights_used")})
    return row, weights.mean(axis=0)


def _fail(x: Any, y: Any) -> None:
    """A run that fails as runs do: the solver knows no l1."""
    try:
        with mlflow.start_run(run_name="l1-with-lbfgs", nested=True):
            mlflow.log_params({"kind": "l1", "C": 1.0, "solver": "lbfgs"})
            try:
                _regression(1.0, 1.0, solver="lbfgs").fit(x, y)
            except ValueError as error:
                mlflow.set_tag("error", str(error))
                raise
    except ValueError:
        return
    raise AssertionError("scikit-learn's lbfgs has learned l1")


def breast_cancer() -> str:
    """Two classifiers and their thresholds; one line about them."""
    begin("breast-cancer-screening", _ABOUT_CANCER)
    bunch = load_breast_cancer(as_frame=True)
    dataset = _dataset(bunch, "breast-cancer")
    ill = 1 - bunch.target  # scikit-learn's 1 is "benign"
    train_x, test_x, train_y, test_y = train_test_split(
        bunch.data, ill, test_size=0.3, random_state=SEED, stratify=ill
    )
    areas: dict[str, float] = {}
    models = {
        "logistic-regression": make_pipeline(StandardScaler(), LogisticRegression(C=0.5)),
        "gradient-boosting": HistGradientBoostingClassifier(max_iter=40, random_state=SEED),
    }
    for name, model in models.items():
        with mlflow.start_run(run_name=name, tags={"family": name}):
            mlflow.log_input(dataset, context="training")
            mlflow.log_params({"estimator": name, "test_share": 0.3})
            chances = model.fit(train_x, train_y).predict_proba(test_x)[:, 1]
            areas[name] = float(roc_auc_score(test_y, chances))
            mlflow.log_metric("roc_auc", areas[name])
            for percent in range(2, 100, 2):
                taken = chances >= percent / 100
                at_threshold = {
                    "precision": float(precision_score(test_y, taken, zero_division=1.0)),
                    "recall": float(recall_score(test_y, taken)),
                }
                mlflow.log_metrics(at_threshold, step=percent)
            false_alarms, found, _ = roc_curve(test_y, chances)
            plot = figures.lines(
                false_alarms,
                {name: found},
                title=f"ROC, area {areas[name]:.3f}",
                x_label="false alarms",
                y_label="tumours found",
            )
            mlflow.log_figure(plot, "plots/roc.png")
    best = max(areas, key=lambda name: areas[name])
    return f"{len(models)} models, best {best} with ROC area {areas[best]:.3f}"


def diabetes() -> str:
    """Two regressions; one line about them."""
    begin("diabetes-regression", _ABOUT_DIABETES)
    bunch = load_diabetes(as_frame=True)
    dataset = _dataset(bunch, "diabetes")
    train_x, test_x, train_y, test_y = train_test_split(
        bunch.data, bunch.target, test_size=0.25, random_state=SEED
    )
    errors: dict[str, float] = {}
    models = {
        "ridge": Ridge(alpha=0.1),
        "gradient-boosting": GradientBoostingRegressor(
            n_estimators=100, learning_rate=0.05, max_depth=2, random_state=SEED
        ),
    }
    for name, model in models.items():
        with mlflow.start_run(run_name=name, tags={"family": name}):
            mlflow.log_input(dataset, context="training")
            mlflow.log_params(model.get_params())
            predicted = model.fit(train_x, train_y).predict(test_x)
            info = log_model(model, test_x.head(3))
            errors[name] = float(root_mean_squared_error(test_y, predicted))
            scores = {
                "rmse": errors[name],
                "mae": float(mean_absolute_error(test_y, predicted)),
                "r2": float(r2_score(test_y, predicted)),
            }
            log_scores(scores, info, dataset)
            if name == "ridge":
                weights = model.coef_
            else:
                weights = model.feature_importances_
                for count, staged in enumerate(model.staged_predict(test_x), start=1):
                    error = float(mean_squared_error(test_y, staged))
                    mlflow.log_metric("test_mse", error, step=count)
            plot = figures.against_truth(test_y.to_numpy(), predicted, name)
            mlflow.log_figure(plot, "plots/prediction_and_truth.png")
            plot = figures.bars(list(train_x.columns), weights, "What each measurement counts")
            mlflow.log_figure(plot, "plots/weights.png")
            rows = [
                {"patient": int(index), "truth": float(truth), "prediction": round(float(guess), 1)}
                for index, truth, guess in zip(test_x.index, test_y, predicted, strict=True)
            ]
            mlflow.log_text(csv_text(rows), "predictions.csv")
    best = min(errors, key=lambda name: errors[name])
    return f"{len(models)} models, best {best} with a mean error of {errors[best]:.1f}"
