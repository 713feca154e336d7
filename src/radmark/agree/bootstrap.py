"""Intervals by drawing patients with replacement: the films of one patient are not independent of each other."""

import numpy as np
from numpy.typing import NDArray

from radmark.core.frame import FloatArray

DRAWS = 2000
SEED = 0

Interval = tuple[float, float]
IntArray = NDArray[np.int64]


def resampled_means(values: FloatArray, owner: IntArray, *, draws: int = DRAWS, seed: int = SEED) -> FloatArray:
    """(M, C) values whose patients are (M,) `owner` -> (draws, C) means of the resamples, columns drawn together."""
    _, owner = np.unique(owner, return_inverse=True)
    patients = int(owner.max()) + 1
    weights = np.random.default_rng(seed).multinomial(patients, np.full(patients, 1 / patients), draws)
    total = np.zeros((patients, values.shape[1]))
    np.add.at(total, owner, values)
    return (weights @ total) / (weights @ np.bincount(owner, minlength=patients))[:, None]


def mean_intervals(values: FloatArray, owner: IntArray) -> list[Interval | None]:
    """95 % interval of the mean of each column, by patient; None where there are fewer than two patients."""
    if len(np.unique(owner)) < 2:
        return [None] * values.shape[1]
    low, high = np.percentile(resampled_means(values, owner), (2.5, 97.5), axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
