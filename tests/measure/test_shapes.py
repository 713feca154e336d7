"""What a measurement looks like on its film, by hand."""

import math

import numpy as np
import pytest

from radmark.core import Frame, Landmarks, Radiograph, Scheme, Spacing, SpacingSource
from radmark.io.dicom import FLAGS
from radmark.measure import MEASURES, Result, measure
from radmark.measure.film import measure_film
from radmark.measure.shapes import LINES, Shape, shape_of

HIP = {
    "teardrop_right": (100.0, 200.0), "teardrop_left": (300.0, 200.0),
    "femoral_head_left": (350.0, 180.0),
    "femoral_shaft_proximal_left": (380.0, 250.0), "femoral_shaft_distal_left": (380.0, 350.0),
    "cup_rim_superolateral_left": (390.0, 150.0), "cup_rim_inferomedial_left": (310.0, 210.0),
    "cup_rim_third_left": (358.0, 190.0),
}  # fmt: skip


def placed(points: dict[str, tuple[float, float]], spacing: Spacing | None = None) -> Landmarks:
    return Landmarks.of(Scheme.from_names(tuple(points)), Frame(500, 400, spacing), points)


def result(landmarks: Landmarks, key: str) -> Result:
    return next(r for r in measure(landmarks, side="left", display="standard") if r.key == key and r.value is not None)


def shape(landmarks: Landmarks, key: str) -> Shape:
    return shape_of(result(landmarks, key), landmarks)


def test_every_measurement_of_the_catalog_has_its_lines_between_points_it_needs() -> None:
    assert set(LINES) == {m.key for m in MEASURES}
    for m in MEASURES:
        for number in "".join(LINES[m.key]).replace("s", "").replace("|", "-").split("-"):
            assert all(int(digit) < len(m.needs) for digit in number)


def test_an_offset_is_the_line_from_the_head_square_to_the_shafts_axis_which_is_lengthened_to_meet_it() -> None:
    found = shape(placed(HIP), "femoral_offset")
    assert found.points.tolist() == [[350, 180], [380, 180]]  # 30 px, the value
    axis, foot = found.lines
    assert axis.tolist() == [[380, 180], [380, 350]]
    assert foot.tolist() == [[350, 180], [380, 180]]


def test_square_is_square_in_millimetres_where_pixels_are_not() -> None:
    """The shaft leans one px in x for each in y; a px is 1 mm wide and 2 mm high, so in mm it is (1, 2)."""
    points = {
        "femoral_head_left": (100.0, 100.0),
        "femoral_shaft_proximal_left": (100.0, 110.0), "femoral_shaft_distal_left": (150.0, 160.0),
    }  # fmt: skip
    landmarks = placed(points, Spacing(0.5, 1.0, SpacingSource.FLAG))
    line = shape(landmarks, "femoral_offset").points
    axis, across = np.array([50.0, 50.0]) * [0.5, 1.0], (line[1] - line[0]) * [0.5, 1.0]
    assert axis @ across == pytest.approx(0)
    assert np.hypot(*across) == pytest.approx(abs(result(landmarks, "femoral_offset").value or 0))


def test_an_angle_between_two_lines_is_those_two_and_a_discrepancy_its_landmarks() -> None:
    assert shape(placed(HIP), "cup_inclination").points.tolist() == [[100, 200], [300, 200], [390, 150], [310, 210]]
    legs = {k: HIP[k] for k in ("teardrop_right", "teardrop_left")} | {
        "lesser_trochanter_right": (90.0, 320.0), "lesser_trochanter_left": (310.0, 330.0),
    }  # fmt: skip
    found = shape(placed(legs), "leg_length_discrepancy")
    assert found.points.tolist() == [list(p) for p in legs.values()]
    base, right, left = found.lines
    assert base.tolist() == [[90, 200], [310, 200]]
    assert right.tolist() == [[90, 320], [90, 200]]
    assert left.tolist() == [[310, 330], [310, 200]]


def test_anteversion_rests_on_an_ellipse_through_the_three_points_of_the_rim() -> None:
    """The rim's long axis is (390, 150)-(310, 210), 100 px; b / a is the sine of the anteversion."""
    landmarks = placed(HIP)
    found = shape(landmarks, "cup_anteversion")
    assert found.kind == "ELLIPSE"
    one, other, above, below = found.points
    assert sorted(map(tuple, (one, other))) == [(310, 210), (390, 150)]
    a, b = (one - other) / 2, (above - below) / 2
    assert a @ b == pytest.approx(0)
    value = result(landmarks, "cup_anteversion").value
    assert value is not None
    assert np.hypot(*b) / np.hypot(*a) == pytest.approx(math.sin(math.radians(value)))
    third = np.array(HIP["cup_rim_third_left"]) - (one + other) / 2
    assert (third @ a / (a @ a)) ** 2 + (third @ b / (b @ b)) ** 2 == pytest.approx(1)


def test_the_ellipse_of_pixels_that_are_not_square_goes_through_the_same_points() -> None:
    landmarks = placed(HIP, Spacing(0.2, 0.19, SpacingSource.FLAG))
    one, other, above, below = shape(landmarks, "cup_anteversion").points
    a, b = (one - other) / 2, (above - below) / 2
    assert a @ b == pytest.approx(0)  # the axes as they lie on the pixels
    for name in ("cup_rim_superolateral_left", "cup_rim_inferomedial_left", "cup_rim_third_left"):
        at = np.array(HIP[name]) - (one + other) / 2
        assert (at @ a / (a @ a)) ** 2 + (at @ b / (b @ b)) ** 2 == pytest.approx(1)


def test_an_ellipse_that_leaves_the_film_is_told_by_its_landmarks_instead() -> None:
    near = {
        "cup_rim_superolateral_left": (2.0, 100.0), "cup_rim_inferomedial_left": (2.0, 200.0),
        "cup_rim_third_left": (40.0, 150.0),
    }  # fmt: skip
    found = shape(placed(near), "cup_anteversion")
    assert (found.kind, found.points.tolist()) == ("POLYLINE", [list(p) for p in near.values()])


def test_what_the_film_says_of_its_millimetres_and_pixels_goes_with_what_it_spoils() -> None:
    flags = ("spacing_not_believed", "lossy_compression", "burned_in_annotation")
    film = Radiograph(np.zeros((400, 500), np.uint8), Frame(500, 400), side="left", flags=flags)
    by_key = {r.key: r for r in measure_film(placed(HIP), film)}
    length, angle = by_key["femoral_offset"], by_key["cup_inclination"]
    assert {FLAGS["spacing_not_believed"], FLAGS["lossy_compression"]} <= set(length.flags)
    assert FLAGS["spacing_not_believed"] not in angle.flags
    assert FLAGS["lossy_compression"] in angle.flags
    assert not any("text" in flag for flag in length.flags)
