"""Against the worked example of Shrout & Fleiss, an analysis of variance by hand, and another program's intervals."""

import numpy as np
import pytest

from radmark.agree.icc import anova, reliability

# Shrout & Fleiss 1979, table 2: six targets, four judges.
SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def test_the_worked_example_of_shrout_and_fleiss():
    # Their table 3: BMS 11.24, WMS 6.26, JMS 32.49, EMS 1.02; table 4: .17, .29, .71.
    squares = anova(SHROUT_FLEISS)
    assert squares.rows == pytest.approx(11.24, abs=0.005)
    assert squares.within == pytest.approx(6.26, abs=0.005)
    assert squares.columns == pytest.approx(32.49, abs=0.005)
    assert squares.error == pytest.approx(1.02, abs=0.005)
    found = reliability(SHROUT_FLEISS)
    assert found is not None
    assert (found.n, found.k) == (6, 4)
    assert found.icc_1_1 == pytest.approx(0.17, abs=0.005)
    assert found.icc_2_1 == pytest.approx(0.29, abs=0.005)
    assert found.icc_3_1 == pytest.approx(0.71, abs=0.005)


def test_its_intervals_are_those_of_another_program():
    # pingouin 0.6.1: intraclass_corr of the same table gives ICC1 0.165742, ICC2 0.289764, ICC3 0.714841 and these, to 2 digits.
    found = reliability(SHROUT_FLEISS)
    assert found is not None
    assert found.icc_1_1_ci95 == pytest.approx((-0.13, 0.72), abs=0.005)
    assert found.icc_2_1_ci95 == pytest.approx((0.02, 0.76), abs=0.005)
    assert found.icc_3_1_ci95 == pytest.approx((0.34, 0.95), abs=0.005)


def test_an_analysis_of_variance_by_hand():
    # Rows 1, 3 and 5, 9: row means 2, 7; column means 3, 6; mean 4.5.
    # SSR = 2 (2.5^2 + 2.5^2) = 25; SSC = 2 (1.5^2 + 1.5^2) = 9; total = 12.25 + 2.25 + 0.25 + 20.25 = 35; SSE = 1.
    table = np.array([[1.0, 3.0], [5.0, 9.0]])
    a = anova(table)
    assert (a.rows, a.columns, a.error, a.within) == pytest.approx((25, 9, 1, 5))
    found = reliability(table)
    assert found is not None
    assert found.icc_1_1 == pytest.approx((25 - 5) / (25 + 5))
    assert found.icc_2_1 == pytest.approx((25 - 1) / (25 + 1 + 2 * (9 - 1) / 2))
    assert found.icc_3_1 == pytest.approx((25 - 1) / (25 + 1))
    assert found.sem_agreement == pytest.approx(np.sqrt((9 - 1) / 2 + 1))
    assert found.sem_consistency == 1
    assert found.mdc95 == pytest.approx(1.96 * np.sqrt(2) * np.sqrt(5))
    assert found.sd_subjects == pytest.approx(5 / np.sqrt(2))


def test_a_constant_difference_leaves_consistency_perfect_and_agreement_not():
    subjects = np.arange(10.0)
    found = reliability(np.column_stack([subjects, subjects + 5]))
    assert found is not None
    assert found.icc_3_1 == pytest.approx(1)
    assert found.icc_2_1 < 0.5


def test_rows_with_a_gap_are_left_out_and_too_little_gives_nothing():
    table = np.vstack([SHROUT_FLEISS, [1, np.nan, 2, 3]])
    assert reliability(table) == reliability(SHROUT_FLEISS)
    assert reliability(SHROUT_FLEISS[:1]) is None
    assert reliability(SHROUT_FLEISS[:, :1]) is None
    assert reliability(np.ones((4, 3))) is None


def test_readers_who_always_agree():
    found = reliability(np.column_stack([np.arange(5.0)] * 3))
    assert found is not None
    assert (found.icc_1_1, found.icc_2_1, found.icc_3_1) == (1, 1, 1)
    assert found.icc_2_1_ci95 == (1, 1)


def test_the_intervals_hold_the_truth_as_often_as_they_say():
    """Subjects of variance 4, readers 1, error 1: ICC(2,1) is 4 / 6. With 30 films and 8 readers."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        table = 2 * rng.normal(size=(30, 1)) + rng.normal(size=(1, 8)) + rng.normal(size=(30, 8))
        found = reliability(table)
        assert found is not None
        held += found.icc_2_1_ci95[0] <= 4 / 6 <= found.icc_2_1_ci95[1]
    assert 0.90 <= held / 300 <= 0.99
