"""Statistics against scipy's and against draws made one by one."""

from typing import Any, cast

import numpy as np
import pytest
import scipy.stats

from radmark.stats import (
    interval,
    mean_intervals,
    resampled_means,
    resampled_medians,
    resamples,
    spearman,
)


def test_spearman_is_scipys_ties_included() -> None:
    rng = np.random.default_rng(6)
    a, b = rng.integers(0, 6, 50).astype(float), rng.normal(size=50)
    found, theirs = spearman(a, b), cast("Any", scipy.stats.spearmanr(a, b))
    assert found is not None
    assert (found.rho, found.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert spearman(np.ones(5), np.arange(5.0)) is None
    assert spearman(np.array([]), np.array([])) is None


def test_an_interval_of_a_mean_is_scipys_where_each_patient_has_one_value() -> None:
    values = np.random.default_rng(3).gamma(2, 3, 80)
    (ours,) = mean_intervals(values[:, None], np.arange(80))
    scipys = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=9000, method="percentile", rng=np.random.default_rng(4)
    ).confidence_interval
    assert ours == pytest.approx((scipys.low, scipys.high), abs=0.06 * (scipys.high - scipys.low))


@pytest.mark.parametrize(("figure", "resampled"), [(np.mean, resampled_means), (np.median, resampled_medians)])
def test_a_resample_is_the_drawn_patients_with_all_that_is_theirs(figure, resampled) -> None:
    values, owner = np.array([1.0, 2.0, 10.0, 4.0, 7.0]), np.array([0, 0, 1, 2, 2])
    drawn = resamples(4, draws=50)  # the fourth patient has no value
    for counts, found in zip(drawn, resampled(values, owner, drawn), strict=True):
        taken = [v for patient, n in enumerate(counts) for v in np.tile(values[owner == patient], n)]
        assert found == pytest.approx(figure(taken)) if taken else np.isnan(found)


def test_columns_are_drawn_together_so_that_differences_are_paired() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(30, 2))
    drawn = resamples(30)
    means = resampled_means(a, np.arange(30), drawn)
    apart = resampled_means(a[:, 0] - a[:, 1], np.arange(30), drawn)
    assert means[:, 0] - means[:, 1] == pytest.approx(apart)


def test_one_patient_has_no_interval() -> None:
    assert mean_intervals(np.ones((3, 2)), np.array(["p", "p", "p"])) == [None, None]
    assert interval(np.ones(10), np.zeros(3, np.int64)) is None
