"""Landmarks: a point and a state that never contradict each other."""

import math

import numpy as np
import pytest

from radmark.core import Frame, InputError, Landmarks, Scheme, State

FRAME = Frame(40, 30)
NOWHERE = (math.nan, math.nan)


def test_a_blank_is_not_annotated_and_a_number_is_present(scheme: Scheme) -> None:
    landmarks = Landmarks.present(scheme, FRAME, np.array([(1.0, 2.0), NOWHERE, (5.0, 6.0)]))
    assert landmarks.states.tolist() == [State.PRESENT, State.NOT_ANNOTATED, State.PRESENT]
    assert landmarks.placed.tolist() == [True, False, True]


def test_a_point_with_half_its_coordinates_is_not_annotated_and_keeps_neither(scheme: Scheme) -> None:
    landmarks = Landmarks.present(scheme, FRAME, np.array([(1.0, math.nan), NOWHERE, (5.0, 6.0)]))
    assert not landmarks.placed[0]
    assert np.isnan(landmarks["hip_right"]).all()


def test_present_and_occluded_are_scored_absent_and_not_annotated_are_not(scheme: Scheme) -> None:
    states = np.array([State.OCCLUDED, State.ABSENT, State.NOT_ANNOTATED])
    landmarks = Landmarks(scheme, FRAME, np.array([(1.0, 2.0), NOWHERE, NOWHERE]), states)
    assert landmarks.placed.tolist() == [True, False, False]


@pytest.mark.parametrize("state", [State.ABSENT, State.NOT_ANNOTATED])
def test_a_landmark_that_is_not_there_has_no_coordinates(scheme: Scheme, state: State) -> None:
    with pytest.raises(InputError, match=rf"hip_left is {state.label}, which its coordinates contradict.*3\.0"):
        Landmarks(scheme, FRAME, np.array([(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)]), np.array([0, state, 0]))


@pytest.mark.parametrize("state", [State.PRESENT, State.OCCLUDED])
@pytest.mark.parametrize("point", [NOWHERE, (3.0, math.inf)])
def test_a_landmark_that_is_there_has_finite_ones(scheme: Scheme, state: State, point: tuple[float, float]) -> None:
    with pytest.raises(InputError, match=f"hip_left is {state.label}"):
        Landmarks(scheme, FRAME, np.array([(1.0, 2.0), point, (5.0, 6.0)]), np.array([0, state, 0]))


@pytest.mark.parametrize("state", [-1, 4])
def test_a_state_there_is_not_is_refused(scheme: Scheme, state: int) -> None:
    points = np.array([(1.0, 2.0), (3.0, 4.0) if state < 0 else NOWHERE, (5.0, 6.0)])
    with pytest.raises(InputError, match="state"):
        Landmarks(scheme, FRAME, points, np.array([0, state, 0]))


def test_by_name_x_comes_first(scheme: Scheme) -> None:
    landmarks = Landmarks.of(scheme, FRAME, {"sacrum": (39.0, 1.0)})
    assert landmarks["sacrum"].tolist() == [39.0, 1.0]
    assert landmarks.placed.tolist() == [False, False, True]
    with pytest.raises(InputError, match="no such landmark"):
        Landmarks.of(scheme, FRAME, {"knee": (1.0, 1.0)})


def test_as_many_points_as_the_scheme_has_names(scheme: Scheme) -> None:
    with pytest.raises(InputError, match=r"has 3 landmarks.*\(2, 2\)"):
        Landmarks.present(scheme, FRAME, np.zeros((2, 2)))


def test_the_arrays_are_copies_that_nobody_can_write(scheme: Scheme) -> None:
    points = np.zeros((3, 2))
    landmarks = Landmarks.present(scheme, FRAME, points)
    points[0] = 9
    assert landmarks["hip_right"].tolist() == [0, 0]
    with pytest.raises(ValueError, match="read-only"):
        landmarks.points[0] = 1


def test_a_point_may_lie_outside_the_film(scheme: Scheme) -> None:
    landmarks = Landmarks.of(scheme, FRAME, {"sacrum": (50.0, 1.0)})
    assert landmarks.placed[2]
    assert not FRAME.holds(landmarks["sacrum"])
