"""Marks: a point and a state that never contradict each other."""

import math

import numpy as np
import pytest

from radmark.core import Frame, InputError, Inset, Marks, Scheme, Spacing, SpacingSource, State
from radmark.core.marks import ABSENT, NOT_ANNOTATED, Consensus, Mark, Model, Origin, Reader, present

FRAME = Frame(40, 30)
NOWHERE = (math.nan, math.nan)


def test_a_blank_is_not_annotated_and_a_number_is_present(scheme: Scheme) -> None:
    marks = Marks.present(scheme, FRAME, np.array([(1.0, 2.0), NOWHERE, (5.0, 6.0)]))
    assert marks.states.tolist() == [State.PRESENT, State.NOT_ANNOTATED, State.PRESENT]
    assert marks.placed.tolist() == [True, False, True]


def test_a_point_with_half_its_coordinates_is_not_annotated_and_keeps_neither(scheme: Scheme) -> None:
    marks = Marks.present(scheme, FRAME, np.array([(1.0, math.nan), NOWHERE, (5.0, 6.0)]))
    assert not marks.placed[0]
    assert np.isnan(marks["hip_right"]).all()


def test_present_and_occluded_are_scored_absent_and_not_annotated_are_not(scheme: Scheme) -> None:
    states = np.array([State.OCCLUDED, State.ABSENT, State.NOT_ANNOTATED])
    marks = Marks(scheme, FRAME, np.array([(1.0, 2.0), NOWHERE, NOWHERE]), states)
    assert marks.placed.tolist() == [True, False, False]


@pytest.mark.parametrize("state", [State.ABSENT, State.NOT_ANNOTATED])
def test_a_landmark_that_is_not_there_has_no_coordinates(scheme: Scheme, state: State) -> None:
    with pytest.raises(InputError, match=rf"hip_left is {state.label}, which its coordinates contradict.*3\.0"):
        Marks(scheme, FRAME, np.array([(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)]), np.array([0, state, 0]))


@pytest.mark.parametrize("state", [State.PRESENT, State.OCCLUDED])
@pytest.mark.parametrize("point", [NOWHERE, (3.0, math.inf)])
def test_a_landmark_that_is_there_has_finite_ones(scheme: Scheme, state: State, point: tuple[float, float]) -> None:
    with pytest.raises(InputError, match=f"hip_left is {state.label}"):
        Marks(scheme, FRAME, np.array([(1.0, 2.0), point, (5.0, 6.0)]), np.array([0, state, 0]))


@pytest.mark.parametrize("state", [-1, 4])
def test_a_state_there_is_not_is_refused(scheme: Scheme, state: int) -> None:
    points = np.array([(1.0, 2.0), (3.0, 4.0) if state < 0 else NOWHERE, (5.0, 6.0)])
    with pytest.raises(InputError, match="state"):
        Marks(scheme, FRAME, points, np.array([0, state, 0]))


def test_by_name_x_comes_first(scheme: Scheme) -> None:
    marks = Marks.of(scheme, FRAME, {"sacrum": (39.0, 1.0)})
    assert marks["sacrum"].tolist() == [39.0, 1.0]
    assert marks.placed.tolist() == [False, False, True]
    with pytest.raises(InputError, match="no such landmark"):
        Marks.of(scheme, FRAME, {"knee": (1.0, 1.0)})


def test_as_many_points_as_the_scheme_has_names(scheme: Scheme) -> None:
    with pytest.raises(InputError, match=r"has 3 landmarks.*\(2, 2\)"):
        Marks.present(scheme, FRAME, np.zeros((2, 2)))


def test_the_arrays_are_copies_that_nobody_can_write(scheme: Scheme) -> None:
    points = np.zeros((3, 2))
    marks = Marks.present(scheme, FRAME, points)
    points[0] = 9
    assert marks["hip_right"].tolist() == [0, 0]
    with pytest.raises(ValueError, match="read-only"):
        marks.points[0] = 1


def test_a_point_may_lie_outside_the_film(scheme: Scheme) -> None:
    marks = Marks.of(scheme, FRAME, {"sacrum": (50.0, 1.0)})
    assert marks.placed[2]
    assert not FRAME.holds(marks["sacrum"])


@pytest.mark.parametrize("confidence", [[0.5, 0.5], [0.5, 1.01, 0.5], [0.5, -0.01, 0.5], [[0.5, 0.5, 0.5]]])
def test_a_confidence_that_is_none_is_refused(scheme: Scheme, confidence: list) -> None:
    with pytest.raises(InputError, match=r"one number in \[0, 1\] for each landmark"):
        Marks.of(scheme, Frame(4, 4), {}, film="a.png", confidence=np.array(confidence))


def test_where_nothing_was_placed_there_is_no_confidence(scheme: Scheme) -> None:
    confidence = np.array([0.0, 1.0, math.nan])
    marks = Marks.of(scheme, Frame(4, 4), {}, film="a.png", confidence=confidence)
    confidence[0] = 0.7
    assert marks.confidence is not None
    assert marks.confidence[0] == 0


def test_a_covariance_is_two_by_two_for_each_landmark(scheme: Scheme) -> None:
    with pytest.raises(InputError, match=r"2 x 2 matrix"):
        Marks.of(scheme, FRAME, {}, covariance=np.zeros((3, 2)))


def test_one_mark_says_all_that_is_known_of_its_landmark(scheme: Scheme) -> None:
    known = Mark(State.OCCLUDED, 1.0, 2.0, 0.75, Origin.MOVED, 0.9, (4.0, -0.5, 2.25))
    marks = Marks.of(scheme, FRAME, {"hip_right": known, "sacrum": ABSENT})
    assert marks.mark("hip_right") == known
    assert marks.mark("sacrum") == ABSENT
    assert marks.mark("hip_left") == marks.mark("knee") == NOT_ANNOTATED
    assert marks.covariance is not None
    assert marks.covariance[0].tolist() == [[4.0, -0.5], [-0.5, 2.25]]


def test_another_scheme_takes_the_landmarks_it_has_in_its_own_order(scheme: Scheme) -> None:
    known = Mark(State.OCCLUDED, 1.0, 2.0, 0.75, Origin.MOVED, 0.9, (4.0, -0.5, 2.25))
    marks = Marks.of(scheme, FRAME, {"hip_left": known, "sacrum": (5, 6)}, film="a.png", author=Reader("anna"))
    other = marks.in_scheme(Scheme.from_names(("sacrum", "knee", "hip_left"), "other"))
    assert other.scheme.names == ("sacrum", "knee", "hip_left")
    assert other["sacrum"].tolist() == [5, 6]
    assert other.mark("knee") == NOT_ANNOTATED
    assert other.mark("hip_left") == known
    assert (other.film, other.author, other.frame) == ("a.png", Reader("anna"), FRAME)


def test_marks_of_the_network_are_moved_to_the_film_with_their_covariance_by_hand(scheme: Scheme) -> None:
    # A film 400 wide and 200 high goes into 100 x 100: padded by 100 above, then every pixel is 4 film pixels wide. The centre
    # of network pixel 0 is film pixel 1.5 of the padded square, whose row 100 is the film's first: (1.5, -98.5). Network pixel
    # (50, 50) lies at 50.5 * 4 - 0.5 = 201.5, so at row 101.5. A deviation of 2 network pixels is one of 8 film pixels.
    film = Frame(400, 200, Spacing(0.1, 0.1, SpacingSource.TABLE))
    inset = Inset.letterbox(film, 100)
    spread = Mark(State.PRESENT, 50, 50, covariance=(4.0, 1.0, 0.25))
    marks = Marks.of(scheme, inset.target, {"hip_right": (0, 0), "hip_left": spread}).moved(inset)
    assert marks.frame == film
    assert marks["hip_right"].tolist() == [1.5, -98.5]
    assert marks["hip_left"].tolist() == [201.5, 101.5]
    assert marks.mark("hip_left").covariance == (64.0, 16.0, 4.0)


def test_marks_on_a_film_of_unknown_size_say_so_when_their_grid_is_needed(scheme: Scheme) -> None:
    marks = Marks.of(scheme, None, {"sacrum": (1, 2)}, film="a.png")
    with pytest.raises(InputError, match=r"size of the film is needed.*'a\.png'.*--films"):
        _ = marks.frame
    assert marks.framed(FRAME)["sacrum"].tolist() == [1, 2]


def test_a_readers_second_reading_is_the_same_readers_and_a_model_is_no_reader(scheme: Scheme) -> None:
    def by(author: Reader | Model | Consensus | None) -> tuple[str | None, str]:
        marks = Marks.of(scheme, FRAME, {"sacrum": present(1, 2)}, author=author)
        return marks.reader, marks.reading

    assert by(Reader("anna")) == ("anna", "")
    assert by(Reader("anna", "2")) == ("anna", "2")
    assert by(Reader("", "2")) == (None, "2")
    assert by(Model("a" * 64)) == by(None) == (None, "")
    assert by(Consensus(("anna", "ben"))) == ("consensus", "")


def test_a_model_is_known_by_its_file_whatever_it_is_called() -> None:
    assert Model("a" * 64, "hips") == Model("a" * 64, "hips, third try")
    assert Model("a" * 64) != Model("b" * 64)
