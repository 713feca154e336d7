"""Statistics that several rooms share: intervals by drawing patients, thresholds of success detection rates, rank correlation.

Intervals are 95 % percentile intervals of a bootstrap over patients: the films of one patient are not independent of each other,
so patients are drawn, each with all that is theirs. Draws are the same for everything that is computed from one `resamples`, so
that differences are paired.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from radmark.core.frame import FloatArray

THRESHOLDS = (2.0, 2.5, 3.0, 4.0)
"""Of success detection rates, in pixels and in millimetres: those of the paper's Table 1 and of cephalometric challenges."""

DRAWS = 2000
SEED = 0

Interval = tuple[float, float]
IntArray = NDArray[np.int64]


# ---- bootstrap over patients ----------------------------------------------------------------------------------------------


def resamples(patients: int, *, draws: int = DRAWS, seed: int = SEED) -> IntArray:
    """(draws, patients): how often each patient is in each resample."""
    return np.random.default_rng(seed).multinomial(patients, np.full(patients, 1 / patients), draws)


def resampled_means(values: FloatArray, owner: IntArray, drawn: IntArray) -> FloatArray:
    """The mean of each resample: sums and counts per patient are all it takes. NaN where a resample holds no value.

    Args:
        values: (M,) or, drawn together, (M, C).
        owner: (M,) whose they are: columns of `drawn`.
        drawn: (draws, P) from `resamples`.

    Returns:
        (draws,) or (draws, C).
    """
    patients = drawn.shape[1]
    columns = values[:, None] if values.ndim == 1 else values
    sums = [np.bincount(owner, weights=column, minlength=patients) for column in columns.T]
    count = (drawn @ np.bincount(owner, minlength=patients))[:, None]
    means = np.where(count > 0, drawn @ np.stack(sums, axis=1) / np.maximum(count, 1), np.nan)
    return means[:, 0] if values.ndim == 1 else means


def resampled_medians(values: FloatArray, owner: IntArray, drawn: IntArray) -> FloatArray:
    """(draws,) median of each resample: sorted once, then found by how often each value was drawn. NaN for no value.

    The arguments are those of `resampled_means`, `values` (M,).
    """
    medians = np.full(len(drawn), np.nan)
    if not values.size:
        return medians
    order = np.argsort(values)
    values, owner = values[order], owner[order]
    # In blocks: all resamples at once would hold draws x values numbers.
    block = max(1, 1_000_000 // values.size)
    for start in range(0, len(drawn), block):
        seen = np.cumsum(drawn[start : start + block, owner], axis=1)
        total = seen[:, -1:]
        lower, upper = ((seen <= middle).sum(axis=1) for middle in ((total - 1) // 2, total // 2))
        there = np.flatnonzero(total[:, 0])
        medians[start + there] = (values[lower[there]] + values[upper[there]]) / 2
    return medians


def interval(resampled: FloatArray, owner: IntArray) -> Interval | None:
    """The middle 95 % of (draws,) resampled figures; None where fewer than two patients have such values.

    A resample that holds no value says nothing and is passed over.
    """
    if len(np.unique(owner)) < 2:
        return None
    low, high = np.percentile(resampled[np.isfinite(resampled)], (2.5, 97.5))
    return float(low), float(high)


def mean_intervals(values: FloatArray, owner: NDArray[Any]) -> list[Interval | None]:
    """The interval of the mean of each column of (M, C) values, whose patients are (M,) `owner` (numbers or names)."""
    patients, column = np.unique(owner, return_inverse=True)
    if len(patients) < 2:
        return [None] * values.shape[1]
    means = resampled_means(values, column.astype(np.int64), resamples(len(patients)))
    return [interval(of, column) for of in means.T]


# ---- ranks ----------------------------------------------------------------------------------------------------------------


class RankCorrelation(NamedTuple):
    """Spearman's rho, and the p-value of its test."""

    rho: float
    p: float


def spearman(a: FloatArray, b: FloatArray) -> RankCorrelation | None:
    """Rank correlation of two (M,) samples, ties given their mean rank; None where one of them never varies."""
    if not len(a) or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    # It takes a second to load, and not everybody who needs this room needs it.
    from scipy.stats import spearmanr  # pyright: ignore[reportUnknownVariableType]

    test: Any = spearmanr(a, b)
    return RankCorrelation(float(test.statistic), float(test.pvalue))
