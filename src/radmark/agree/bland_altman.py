"""Bland and Altman's analysis of two readers' measurements (Statistical Methods in Medical Research 8, 1999)."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from radmark.core.frame import FloatArray
from radmark.stats import IntArray, Interval, mean_intervals, spearman


@dataclass(frozen=True, eq=False)
class BlandAltman:
    """Differences d = second reader minus first.

    Args:
        n: pairs.
        means: (n,) of the two readings.
        differences: (n,).
        bias: mean difference.
        bias_ci95: by t.
        bias_ci95_by_patient: by bootstrap; wider than by t where a patient has several values.
        sd: of the differences.
        limits: bias -+ 1.96 sd: 95 % of differences lie between, if they are normal.
        lower_ci95: of the lower limit, by t on its standard error, sd sqrt(1/n + 1.96^2 / (2 (n - 1))).
        upper_ci95: of the upper limit.
        spread_rho: Spearman's rank correlation of |d - bias| with the mean: does the error grow with the value?
        spread_p: its p-value; None where one of the two never varies.
    """

    n: int
    means: FloatArray
    differences: FloatArray
    bias: float
    bias_ci95: Interval
    bias_ci95_by_patient: Interval | None
    sd: float
    limits: Interval
    lower_ci95: Interval
    upper_ci95: Interval
    spread_rho: float | None
    spread_p: float | None


def bland_altman(first: FloatArray, second: FloatArray, owner: IntArray) -> BlandAltman | None:
    """Of (N,) values by two readers, NaN where one has none, whose patients are `owner`; None for fewer than three pairs."""
    both = np.isfinite(first) & np.isfinite(second)
    a, b = first[both], second[both]
    n = len(a)
    if n < 3:
        return None
    d, mean = b - a, (a + b) / 2
    bias, sd = float(d.mean()), float(d.std(ddof=1))
    t = float(stats.t.ppf(0.975, n - 1))  # pyright: ignore[reportUnknownMemberType]
    of_bias = t * sd / math.sqrt(n)
    of_limit = t * sd * math.sqrt(1 / n + 1.96**2 / (2 * (n - 1)))
    low, high = bias - 1.96 * sd, bias + 1.96 * sd
    spread = spearman(np.abs(d - bias), mean)
    return BlandAltman(
        n=n,
        means=mean,
        differences=d,
        bias=bias,
        bias_ci95=(bias - of_bias, bias + of_bias),
        bias_ci95_by_patient=mean_intervals(d[:, None], owner[both])[0],
        sd=sd,
        limits=(low, high),
        lower_ci95=(low - of_limit, low + of_limit),
        upper_ci95=(high - of_limit, high + of_limit),
        spread_rho=None if spread is None else spread.rho,
        spread_p=None if spread is None else spread.p,
    )
