"""Principal components, by numpy alone: the first look at vectors of any length."""

from __future__ import annotations

from typing import Any

Rows = Any  # an array of numpy, which is imported late
EXACT = 512  # dimensions; above, an eigendecomposition takes longer than people wait
_MORE = 10  # directions beside those asked for, which make them settle sooner
_TURNS = 12


def components(rows: Rows, count: int) -> tuple[Rows, list[float]]:
    """Rows in their first principal components, and each one's share of the variance.

    rows: (n, dimension) float32, centred in place. Answers (n, count); where there are fewer
    components than asked for, zeros. The same rows give the same answer, signs included.
    """
    import numpy as np  # noqa: PLC0415 - only maps need it

    n, dimension = rows.shape
    found = np.zeros((n, count), np.float32)
    if not n:
        return found, [0.0] * count
    rows -= rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    total = float(np.einsum("ij,ij->", rows, rows, dtype=np.float64))
    wanted = min(count, dimension, n)
    axes = _exact(rows, wanted) if dimension <= EXACT else _approximate(rows, wanted)
    # Which way a component points is anybody's choice: its largest part is positive.
    largest = axes[np.abs(axes).argmax(axis=0), range(wanted)]
    axes *= np.where(largest < 0, -1.0, 1.0)
    found[:, :wanted] = rows @ axes.astype(np.float32)
    spread = (found.astype(np.float64) ** 2).sum(axis=0)
    return found, [float(one / total) if total else 0.0 for one in spread]


def _exact(rows: Rows, count: int) -> Rows:
    """(dimension, count): the first eigenvectors of the covariance."""
    import numpy as np  # noqa: PLC0415

    _, vectors = np.linalg.eigh((rows.T @ rows).astype(np.float64))
    first: Rows = vectors[:, ::-1][:, :count]
    return first.copy()


def _approximate(rows: Rows, count: int) -> Rows:
    """(dimension, count) by block power iteration from a fixed start."""
    import numpy as np  # noqa: PLC0415

    n, dimension = rows.shape
    width = min(count + _MORE, n, dimension)
    block = np.random.default_rng(0).standard_normal((dimension, width)).astype(np.float32)
    for _ in range(_TURNS):
        block, _ = np.linalg.qr(rows.T @ (rows @ block))
    _, _, turned = np.linalg.svd((rows @ block).astype(np.float64), full_matrices=False)
    first: Rows = block.astype(np.float64) @ turned[:count].T
    return first
