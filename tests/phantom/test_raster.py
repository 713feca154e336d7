"""Shapes with a known area and a known middle, drawn and then measured in the pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radmark.phantom.raster import Canvas, Points, arc, circle, coverage, ribbon

SHAPE = (60, 80)


def drawn(*outlines: Points) -> np.ndarray:
    picture = np.zeros(SHAPE)
    covered = coverage(list(outlines), SHAPE)
    if covered is not None:
        picture[covered[0]] = covered[1]
    return picture


def centroid(picture: np.ndarray) -> tuple[float, float]:
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return float((x * picture).sum() / picture.sum()), float((y * picture).sum() / picture.sum())


def box(x0: float, y0: float, x1: float, y1: float) -> Points:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def test_a_square_about_a_pixel_centre_lights_that_pixel_and_no_other():
    picture = drawn(box(6.5, 3.5, 7.5, 4.5))
    assert picture[4, 7] == pytest.approx(1)
    assert picture.sum() == pytest.approx(1)


def test_a_square_between_four_pixel_centres_lights_a_quarter_of_each():
    picture = drawn(box(7.0, 4.0, 8.0, 5.0))
    assert picture[4:6, 7:9] == pytest.approx(np.full((2, 2), 0.25))


@given(
    x=st.floats(20, 60),
    y=st.floats(20, 40),
    radius=st.floats(2, 18),
)
@settings(max_examples=50, deadline=None)
def test_a_disc_has_its_centroid_where_it_was_put_and_the_area_of_a_disc(x: float, y: float, radius: float):
    picture = drawn(circle((x, y), radius))
    assert centroid(picture) == pytest.approx((x, y), abs=0.02)
    assert picture.sum() == pytest.approx(np.pi * radius**2, rel=2e-3)


def test_the_direction_of_an_outline_does_not_matter():
    outline = circle((30.3, 20.7), 9)
    assert drawn(outline[::-1]) == pytest.approx(drawn(outline), abs=1e-5)


def test_outlines_that_overlap_are_counted_once():
    two = drawn(box(10.5, 10.5, 20.5, 20.5), box(15.5, 10.5, 25.5, 20.5)[::-1])
    assert two.sum() == pytest.approx(15 * 10)
    assert two.max() <= 1


def test_what_leaves_the_grid_is_cut_off_at_its_edge():
    assert drawn(box(-30, 9.5, 9.5, 19.5)).sum() == pytest.approx(10 * 10)
    assert drawn(box(69.5, -50, 200, 9.5)).sum() == pytest.approx(10 * 10)
    assert coverage([box(200, 200, 210, 210)], SHAPE) is None


def test_an_angle_of_ninety_degrees_points_to_image_right():
    assert arc((5, 5), 2, 0, 90)[[0, -1]] == pytest.approx(np.array([[5, 3], [7, 5]]))


def test_a_pen_stroke_covers_its_length_times_its_width():
    assert drawn(ribbon(np.array([[10.0, 20.0], [50.0, 20.0]]), 3.0)).sum() == pytest.approx(40 * 3)


def test_absorption_adds_where_shapes_lie_over_each_other():
    canvas = Canvas(SHAPE, 1.0, np.zeros((100, 120), dtype=np.float32))
    canvas.add(box(9.5, 9.5, 29.5, 29.5), 1.0)
    canvas.add(box(19.5, 9.5, 39.5, 29.5), 0.5)
    assert canvas.absorption[20, [15, 25, 35, 45]] == pytest.approx([1.0, 1.5, 0.5, 0.0])


def test_shapes_with_amounts_of_their_own_add_up_whichever_way_round_they_are_drawn():
    canvas = Canvas(SHAPE, 1.0, np.zeros((100, 120), dtype=np.float32))
    canvas.add_each([(box(9.5, 9.5, 29.5, 29.5), 1.0), (box(19.5, 9.5, 39.5, 29.5)[::-1], -0.25)], soft_mm=0.0)
    assert canvas.absorption[20, [15, 25, 35, 45]] == pytest.approx([1.0, 0.75, -0.25, 0.0])
