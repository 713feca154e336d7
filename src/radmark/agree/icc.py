"""Intraclass correlations of single readings, with intervals, and the error of measurement that goes with them.

A table is n subjects x k readers. Names after Shrout & Fleiss, Psychological Bulletin 86, 1979; intervals and the two-way
absolute agreement after McGraw & Wong, Psychological Methods 1, 1996 (their table 7; ICC(A,1) and ICC(C,1) there).
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from radmark.core.frame import FloatArray
from radmark.stats import Interval


@dataclass(frozen=True, slots=True)
class Anova:
    """Mean squares of a complete n x k table: rows (subjects), columns (readers), error, and within rows."""

    n: int
    k: int
    rows: float
    columns: float
    error: float
    within: float


def anova(table: FloatArray) -> Anova:
    """Two-way analysis of variance without replication; n and k are at least 2 and nothing is missing."""
    n, k = table.shape
    mean = table.mean()
    rows = k * float(((table.mean(axis=1) - mean) ** 2).sum())
    columns = n * float(((table.mean(axis=0) - mean) ** 2).sum())
    residual = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0, keepdims=True) + mean
    error = float((residual**2).sum())
    return Anova(
        n, k, rows / (n - 1), columns / (k - 1), error / ((n - 1) * (k - 1)), (columns + error) / (n * (k - 1))
    )


@dataclass(frozen=True, slots=True)
class Reliability:
    """Of one quantity.

    Args:
        n: subjects that all k readers have.
        k: readers.
        icc_1_1: one-way: other readers for each subject.
        icc_2_1: two-way, absolute agreement, readers drawn at random: the one to quote.
        icc_3_1: two-way, consistency: blind to a constant difference between readers.
        icc_1_1_ci95: by F.
        icc_2_1_ci95: by F.
        icc_3_1_ci95: by F.
        sem_agreement: sqrt((MSC - MSE)/n + MSE), in the quantity's unit; with the readers' constant differences.
        sem_consistency: sqrt(MSE), without them.
        mdc95: the smallest difference between two readings that is more than error: 1.96 sqrt(2) sem_agreement.
        sd_subjects: spread of the subjects' means: an ICC is low where this is small, whatever the error.
    """

    n: int
    k: int
    icc_1_1: float
    icc_2_1: float
    icc_3_1: float
    icc_1_1_ci95: Interval
    icc_2_1_ci95: Interval
    icc_3_1_ci95: Interval
    sem_agreement: float
    sem_consistency: float
    mdc95: float
    sd_subjects: float


def reliability(table: FloatArray) -> Reliability | None:
    """Everything of an n x k table; rows with a gap are left out.

    None for fewer than two rows or columns, or where the subjects do not differ.
    """
    table = table[np.isfinite(table).all(axis=1)]
    if table.ndim != 2 or min(table.shape) < 2 or np.ptp(table) == 0:
        return None
    a = anova(table)
    if a.rows <= 0:
        return None
    n, k = a.n, a.k
    # A billionth of the variance is rounding, not disagreement.
    exact = a.within < 1e-18 * a.rows
    one = (1.0, 1.0)
    two_way = a.rows + (k - 1) * a.error + k * (a.columns - a.error) / n
    sem = math.sqrt(max((a.columns - a.error) / n + a.error, 0.0))
    df_error = (n - 1) * (k - 1)
    return Reliability(
        n=n,
        k=k,
        icc_1_1=(a.rows - a.within) / (a.rows + (k - 1) * a.within),
        icc_2_1=(a.rows - a.error) / two_way,
        icc_3_1=(a.rows - a.error) / (a.rows + (k - 1) * a.error),
        icc_1_1_ci95=one if exact else _by_f(a.rows / a.within, n - 1, n * (k - 1), k),
        icc_2_1_ci95=one if exact else _two_way(a, (a.rows - a.error) / two_way),
        icc_3_1_ci95=one if exact or a.error < 1e-18 * a.rows else _by_f(a.rows / a.error, n - 1, df_error, k),
        sem_agreement=sem,
        sem_consistency=math.sqrt(a.error),
        mdc95=1.96 * math.sqrt(2) * sem,
        sd_subjects=float(table.mean(axis=1).std(ddof=1)),
    )


def _by_f(f: float, df1: int, df2: int, k: int) -> Interval:
    low, high = f / float(stats.f.ppf(0.975, df1, df2)), f * float(stats.f.ppf(0.975, df2, df1))
    return (low - 1) / (low + k - 1), (high - 1) / (high + k - 1)


def _two_way(a: Anova, icc: float) -> Interval:
    """McGraw & Wong 1996, table 7, case 2, ICC(A,1): the denominator's degrees of freedom after Satterthwaite."""
    n, k = a.n, a.k
    p = k * icc / (n * (1 - icc))
    q = 1 + k * icc * (n - 1) / (n * (1 - icc))
    v = (p * a.columns + q * a.error) ** 2 / ((p * a.columns) ** 2 / (k - 1) + (q * a.error) ** 2 / ((n - 1) * (k - 1)))
    rest = k * a.columns + (k * n - k - n) * a.error
    low, high = float(stats.f.ppf(0.975, n - 1, v)), float(stats.f.ppf(0.975, v, n - 1))
    return (
        n * (a.rows - low * a.error) / (low * rest + n * a.rows),
        n * (high * a.rows - a.error) / (rest + n * high * a.rows),
    )
