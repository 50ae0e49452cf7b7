"""The pictures the demo logs: small, drawn without a display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

Numbers = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
_DPI = 80
_MAX_WRONG = 20


def confusion(truth: Numbers, predicted: Numbers, title: str) -> Figure:
    """How often each class was taken for which. Counts; truth down, prediction across."""
    figure, axes = _blank(5.2, 4.8)
    ConfusionMatrixDisplay.from_predictions(truth, predicted, ax=axes, cmap="Blues", colorbar=False)
    axes.set_title(title)
    return figure


def wrong_digits(images: Numbers, truth: Numbers, predicted: Numbers) -> Figure:
    """The digits that were taken for others, at most 20. images: (n, 64) grey values 0 to 16."""
    wrong = np.flatnonzero(truth != predicted)
    shown = wrong[:_MAX_WRONG]
    columns = 5
    rows = max(1, -(-len(shown) // columns))
    figure = Figure(figsize=(6, 1.4 * rows + 0.4), dpi=_DPI, layout="constrained")
    figure.suptitle(f"{len(wrong)} of {len(truth)} test digits are wrong: truth → prediction")
    for position, index in enumerate(shown, start=1):
        axes = figure.add_subplot(rows, columns, position)
        axes.imshow(images[index].reshape(8, 8), cmap="gray_r")
        axes.set_title(f"{truth[index]:.0f} → {predicted[index]:.0f}", fontsize=10)
        axes.set_axis_off()
    return figure


def tiles(patterns: Numbers, title: str) -> Figure:
    """Patterns of 8 × 8 pixels side by side. patterns: (n, 64)."""
    columns = 8
    rows = -(-len(patterns) // columns)
    figure = Figure(figsize=(6, 0.8 * rows + 0.4), dpi=_DPI, layout="constrained")
    figure.suptitle(title)
    for position, pattern in enumerate(patterns, start=1):
        axes = figure.add_subplot(rows, columns, position)
        axes.imshow(pattern.reshape(8, 8), cmap="RdBu")
        axes.set_axis_off()
    return figure


def lines(
    across: Sequence[float] | Numbers,
    curves: Mapping[str, Sequence[float] | Numbers],
    *,
    title: str,
    x_label: str,
    y_label: str,
    log_x: bool = False,
) -> Figure:
    """Curves by name over the same x."""
    figure, axes = _blank(6, 4)
    for name, values in curves.items():
        axes.plot(across, values, label=name, marker="o" if len(values) <= 12 else None)
    if log_x:
        axes.set_xscale("log")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def bars(names: Sequence[str], values: Sequence[float] | Numbers, title: str) -> Figure:
    """One horizontal bar per name, the longest on top."""
    order = np.argsort(np.abs(np.asarray(values)))
    figure, axes = _blank(6, 0.3 * len(names) + 1)
    axes.barh([names[index] for index in order], np.asarray(values)[order])
    axes.set_title(title)
    return figure


def against_truth(truth: Numbers, predicted: Numbers, title: str) -> Figure:
    """Prediction over truth; a perfect model lies on the line."""
    figure, axes = _blank(5, 4.6)
    low, high = float(truth.min()), float(truth.max())
    axes.plot([low, high], [low, high], color="gray", linewidth=1)
    axes.scatter(truth, predicted, s=14, alpha=0.7)
    axes.set_xlabel("truth")
    axes.set_ylabel("prediction")
    axes.set_title(title)
    return figure


def _blank(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    return figure, figure.add_subplot()
