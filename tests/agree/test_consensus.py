"""One point out of several readers'."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given
from hypothesis.extra.numpy import arrays

from radmark.agree.consensus import centre_of, geometric_median


def test_the_geometric_median_of_a_triangle_is_its_fermat_point() -> None:
    # All angles below 120 degrees: from the Fermat point the three corners are seen 120 degrees apart.
    corners = np.array([[0.0, 0.0], [4.0, 0.0], [1.0, 3.0]])
    towards = corners - geometric_median(corners)
    angles = np.sort(np.degrees(np.arctan2(towards[:, 1], towards[:, 0])))
    np.testing.assert_allclose(np.diff(angles), 120, atol=1e-4)


def test_a_corner_of_more_than_120_degrees_is_the_geometric_median_itself() -> None:
    corners = np.array([[0.0, 0.0], [10.0, 0.0], [-10.0, 0.1]])
    np.testing.assert_allclose(geometric_median(corners), [0, 0], atol=1e-6)


def test_a_mean_that_falls_on_a_point_does_not_stick_there() -> None:
    points = np.array([[0.0, 0.0], [-3.0, 0.0], [1.0, 0.0], [2.0, 1.0], [0.0, -1.0]])
    assert (points.mean(axis=0) == [0, 0]).all()
    found = geometric_median(points)
    assert total(found, points) <= total(np.zeros(2), points)


def total(at: np.ndarray, points: np.ndarray) -> float:
    return float(np.hypot(*(points - at).T).sum())


_AROUND = np.array([[np.cos(a), np.sin(a)] for a in np.linspace(0, 2 * np.pi, 16, endpoint=False)])


@given(arrays(float, st.tuples(st.integers(1, 9), st.just(2)), elements=st.integers(-500, 500).map(float)))
def test_nowhere_around_it_is_the_sum_of_distances_smaller(points: np.ndarray) -> None:
    # The sum is convex: what no step makes smaller is the smallest there is.
    found = geometric_median(points)
    for step in (0.01, 1.0, 100.0):
        others = [total(found + step * direction, points) for direction in _AROUND]
        assert total(found, points) <= min(others) + 1e-6


def test_one_reader_far_off_is_marked_and_hardly_moves_the_consensus() -> None:
    points = np.array([[100.0, 100.0], [102.0, 100.0], [101.0, 102.0], [160.0, 100.0]])
    found = centre_of(points)
    assert found.outliers.tolist() == [False, False, False, True]
    assert np.hypot(*(found.point - [101, 100.7])) < 2  # the mean would lie 15 px away
    np.testing.assert_allclose(found.distances, np.hypot(*(points - found.point).T))


def test_of_two_readers_nobody_is_the_outlier_and_the_consensus_is_the_middle() -> None:
    found = centre_of(np.array([[0.0, 0.0], [100.0, 0.0]]))
    np.testing.assert_allclose(found.point, [50, 0])
    assert not found.outliers.any()
    assert found.spread == 50


def test_readers_who_agree_to_a_fraction_of_a_pixel_are_no_outliers_to_each_other() -> None:
    found = centre_of(np.array([[0.0, 0.0], [0.0, 0.01], [0.01, 0.0], [0.0, 0.9]]), least=3.0)
    assert not found.outliers.any()


def test_one_reading_is_its_own_consensus() -> None:
    found = centre_of(np.array([[3.0, 4.0]]))
    assert found.point.tolist() == [3, 4]
    assert found.spread == 0
