"""The truth against the drawing: a landmark lies where the shape that it belongs to has it, measured in the pixels."""

import numpy as np
import pytest

from radmark.phantom.femur import Femur, FemurBuild
from radmark.phantom.implant import Cup
from radmark.phantom.knee import Knee, KneeBuild
from radmark.phantom.pelvis import SIDES, Acetabulum, HalfPelvis
from radmark.phantom.pose import Pose, turn
from radmark.phantom.raster import Points, coverage

GRID = (500, 600)
PX_PER_MM = 1.4


def mask_of(*outlines: Points) -> np.ndarray:
    picture = np.zeros(GRID)
    covered = coverage(list(outlines), GRID)
    assert covered is not None
    picture[covered[0]] = covered[1]
    return picture


def lit(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) of the pixels that are more than half covered."""
    y, x = np.nonzero(mask > 0.5)
    return x, y


def half_pelvis(side: int, oblique_deg: float = 3.0, axial_deg: float = 4.0) -> HalfPelvis:
    pose = Pose(axial_deg, tilt_deg=-6.0, oblique_deg=oblique_deg, px_per_mm=PX_PER_MM, origin_px=(300.2, 270.7))
    return HalfPelvis(pose, side, Acetabulum(), PX_PER_MM)


def femur(side: int) -> Femur:
    return Femur(FemurBuild(), np.array([300.4, 100.8]), side, PX_PER_MM, film_turn_deg=-3.0)


@pytest.mark.parametrize("side", SIDES.values())
def test_the_ischium_is_the_lowest_lit_row_of_the_hip_bone(side: int):
    half = half_pelvis(side)
    x, y = lit(mask_of(half.outline))
    point = half.points()["ischium"]
    assert point[1] == pytest.approx(y.max() + 0.5, abs=0.6)
    lowest = x[y == y.max()]
    assert lowest.min() - 1 <= point[0] <= lowest.max() + 1


@pytest.mark.parametrize("side", SIDES.values())
def test_the_femoral_head_is_the_centroid_of_the_disc_that_is_drawn(side: int):
    bone = femur(side)
    mask = mask_of(bone.head)
    y, x = np.mgrid[: GRID[0], : GRID[1]]
    assert [(x * mask).sum() / mask.sum(), (y * mask).sum() / mask.sum()] == pytest.approx(bone.centre_px, abs=0.05)


@pytest.mark.parametrize("side", SIDES.values())
def test_the_trochanters_are_extremes_of_what_is_drawn(side: int):
    bone = femur(side)
    _, y = lit(mask_of(bone.greater))
    assert bone.greater_tip()[1] == pytest.approx(y.min() - 0.5, abs=0.6)
    x, _ = lit(mask_of(bone.lesser))
    medial = x.min() - 0.5 if side > 0 else x.max() + 0.5
    assert bone.lesser_tip()[0] == pytest.approx(medial, abs=0.6)


@pytest.mark.parametrize("side", SIDES.values())
def test_the_shaft_point_lies_midway_between_the_outer_cortices(side: int):
    bone = Femur(FemurBuild(shaft_tilt_deg=0), np.array([300.0, 100.0]), side, PX_PER_MM, film_turn_deg=0)
    point = bone.shaft_point(131.0)
    assert point[1] == pytest.approx(100 + 131 * PX_PER_MM)
    row = mask_of(bone.shaft)[round(point[1])]
    assert point[0] == pytest.approx(np.average(np.arange(len(row)), weights=row), abs=0.3)


@pytest.mark.parametrize("side", SIDES.values())
def test_the_sourcil_ends_at_its_centre_edge_angle(side: int):
    half = half_pelvis(side)
    from_head = half.points()["sourcil_lateral"] - half.head_centre
    assert np.degrees(np.arctan2(from_head[0] * side, -from_head[1])) == pytest.approx(Acetabulum().lateral_deg)


def test_the_patients_right_is_image_left():
    right, left = (half_pelvis(SIDES[side]).points() for side in ("right", "left"))
    for name in right:
        assert right[name][0] < left[name][0]


def test_a_clockwise_pelvis_has_its_left_side_lower():
    right, left = (half_pelvis(SIDES[side], 4.0, axial_deg=0.0).points()["teardrop"] for side in ("right", "left"))
    assert np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0])) == pytest.approx(4.0, abs=0.3)


def test_a_pose_is_a_rigid_turn_seen_along_z():
    pose = Pose(axial_deg=20.0, tilt_deg=-30.0, oblique_deg=40.0, px_per_mm=2.0, origin_px=(7.0, 9.0))
    shadows = pose(np.eye(3)) - [7.0, 9.0]  # where 1 mm along x, y and z goes
    assert shadows.T @ shadows == pytest.approx(4.0 * np.eye(2))


def test_an_axial_turn_brings_the_front_to_image_right_and_a_tilt_brings_it_down():
    front = np.array([[0.0, 0.0, 100.0]])
    assert Pose(30.0, 0.0, 0.0, 1.0, (0.0, 0.0))(front) == pytest.approx(np.array([[50.0, 0.0]]))
    assert Pose(0.0, 30.0, 0.0, 1.0, (0.0, 0.0))(front) == pytest.approx(np.array([[0.0, 50.0]]))


@pytest.mark.parametrize("side", SIDES.values())
def test_the_line_through_the_cups_rim_lies_at_its_inclination_and_is_its_diameter(side: int):
    cup = Cup(np.array([300.0, 200.0]), 40.0, side, inclination_deg=40.0, anteversion_deg=15.0)
    outer, inner = cup.rim_ends
    assert np.degrees(np.arctan2(inner[1] - outer[1], (outer[0] - inner[0]) * side)) == pytest.approx(40.0)
    assert np.linalg.norm(outer - inner) == pytest.approx(80.0)
    assert outer[1] < inner[1]


def test_a_quarter_turn_clockwise_takes_image_right_to_image_down():
    assert turn(np.array([[1.0, 0.0]]), 90.0) == pytest.approx(np.array([[0.0, 1.0]]))


@pytest.mark.parametrize("side", SIDES.values())
def test_the_knees_points_lie_on_the_edges_of_its_bones(side: int):
    knee = Knee(KneeBuild(), side, lambda mm: mm * [side * 2.0, 2.0] + [300.0, 250.0])
    points = knee.points()
    x, y = lit(mask_of(knee.femur))
    for name in ("femoral_condyle_medial", "femoral_condyle_lateral"):
        lateral = (points[name][0] - 300) * side > 0
        assert lateral == name.endswith("lateral")
        here = y[(x > 300) == (points[name][0] > 300)]
        assert points[name][1] == pytest.approx(here.max() + 0.5, abs=0.6)
    x, y = lit(mask_of(knee.tibia))
    assert points["tibial_spines"][1] == pytest.approx(y.min() - 0.5, abs=2.5)
    assert (points["tibial_plateau_lateral"][0] - points["tibial_plateau_medial"][0]) * side > 100
