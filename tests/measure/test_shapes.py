"""What a measurement looks like on its film, by hand."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from radmark.core import Film, Frame, Marks, Scheme, Spacing, SpacingSource
from radmark.io import read_scheme, shipped_schemes
from radmark.io.dicom import FINDINGS
from radmark.measure import MEASURES, Result, examine
from radmark.measure.cup import otherwise
from radmark.measure.define import read_measures
from radmark.measure.entry import ELLIPSE_AXIS, RIM_AXIS
from radmark.measure.hip import against_other_side
from radmark.measure.measure import Reference, measure
from radmark.measure.shapes import Shape, shape_of

HIP = {
    "teardrop_right": (100.0, 200.0), "teardrop_left": (300.0, 200.0),
    "femoral_head_left": (350.0, 180.0),
    "femoral_shaft_proximal_left": (380.0, 250.0), "femoral_shaft_distal_left": (380.0, 350.0),
    "cup_rim_superolateral_left": (390.0, 150.0), "cup_rim_inferomedial_left": (310.0, 210.0),
    "cup_rim_third_left": (358.0, 190.0),
}  # fmt: skip


def placed(points: dict[str, tuple[float, float]], spacing: Spacing | None = None) -> Marks:
    return Marks.of(Scheme.from_names(tuple(points)), Frame(500, 400, spacing), points)


def result(landmarks: Marks, key: str) -> Result:
    return next(r for r in measure(landmarks, side="left") if r.key == key and r.value is not None)


def shape(landmarks: Marks, key: str) -> Shape:
    return shape_of(result(landmarks, key), landmarks)


def test_every_measurement_of_the_catalog_has_its_lines_between_points_it_needs() -> None:
    for m in MEASURES:
        assert m.lines, m.key
        for line in m.lines:
            assert line in (RIM_AXIS, ELLIPSE_AXIS) or (len(line) in (2, 3) and set(line) <= {*m.needs, *m.any_of}), (
                m.key
            )


def test_a_line_between_landmarks_that_a_measurement_does_not_need_is_refused() -> None:
    with pytest.raises(ValueError, match="hip_centre_height has a line at talus_right"):
        replace(next(m for m in MEASURES if m.key == "hip_centre_height"), lines=(("talus_right", "teardrop_left"),))


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
    millimetres, lossy, text = (
        FINDINGS[code] for code in ("spacing_not_believed", "lossy_compression", "burned_in_annotation")
    )
    report = examine(Film("film.png", (500, 400), notes=(millimetres, lossy, text)), placed(HIP))
    by_key = {r.key: r for r in report.results if r.value is not None}
    length, angle = by_key["femoral_offset"], by_key["cup_inclination"]
    assert {millimetres, lossy} <= set(length.findings)
    assert millimetres not in angle.findings
    assert lossy in angle.findings
    assert text not in length.findings
    assert text in report.findings


# ------------------------------------------------------------------------------- rows of the knee, the child and the free ellipse


def one(points: dict[str, tuple[float, float]], key: str, spacing: Spacing | None = None, **more: Any) -> Shape:
    landmarks = placed(points, spacing)
    (found,) = (r for r in measure(landmarks, **more) if r.key == key and r.value is not None)
    return shape_of(found, landmarks)


def told(lines: Sequence[np.ndarray]) -> list[list[list[float]]]:
    return [np.round(line, 6).tolist() for line in lines]


def test_a_slope_is_drawn_against_the_perpendicular_it_is_measured_from() -> None:
    """The shaft is upright, the plateau falls 10 px on 60 backwards: the viewer's two lines make atan(10 / 60), not its rest."""
    knee = {
        "tibial_shaft_proximal_left": (200.0, 200.0), "tibial_shaft_distal_left": (200.0, 350.0),
        "tibial_plateau_anterior_left": (170.0, 100.0), "tibial_plateau_posterior_left": (230.0, 110.0),
    }  # fmt: skip
    found = one(knee, "posterior_tibial_slope")
    axis, plateau, square = told(found.lines)
    assert axis == [[200, 100], [200, 350]]
    assert plateau == [[170, 100], [230, 110]]
    assert square == [[170, 100], [200, 100]]
    assert found.points.tolist() == [*plateau, *square]
    a, b = found.points[1] - found.points[0], found.points[3] - found.points[2]
    assert math.degrees(math.acos(a @ b / np.hypot(*a) / np.hypot(*b))) == pytest.approx(math.degrees(math.atan(1 / 6)))


def test_the_length_of_a_bone_is_one_line_and_of_a_limb_are_two() -> None:
    leg = {
        "femoral_head_right": (100.0, 20.0), "femoral_notch_right": (110.0, 180.0),
        "tibial_spines_right": (112.0, 190.0), "talus_right": (100.0, 380.0),
    }  # fmt: skip
    assert told(one(leg, "femur_length").lines) == [[[100, 20], [110, 180]]]
    assert one(leg, "femur_length").points.tolist() == [[100, 20], [110, 180]]
    assert told(one(leg, "limb_length").lines) == [[[100, 20], [110, 180]], [[112, 190], [100, 380]]]


def test_the_roof_of_a_childs_acetabulum_is_drawn_from_its_own_cartilage() -> None:
    child = {
        "triradiate_right": (150.0, 200.0), "triradiate_left": (350.0, 200.0), "acetabular_rim_lateral_right": (100.0, 180.0),
        "acetabular_rim_lateral_left": (390.0, 185.0),
    }  # fmt: skip
    landmarks = placed(child)
    by_side = {r.side: r for r in measure(landmarks) if r.key == "acetabular_index"}
    assert told(shape_of(by_side["right"], landmarks).lines)[1] == [[150, 200], [100, 180]]
    assert told(shape_of(by_side["left"], landmarks).lines)[1] == [[350, 200], [390, 185]]


def test_the_depth_of_an_acetabulum_is_square_on_its_opening() -> None:
    hip = {
        "teardrop_left": (200.0, 200.0), "sourcil_lateral_left": (300.0, 200.0), "acetabulum_deepest_left": (240.0, 165.0),
    }  # fmt: skip
    assert told(one(hip, "acetabular_depth_width").lines) == [[[200, 200], [300, 200]], [[240, 165], [240, 200]]]


def test_the_cup_of_a_cross_table_film_is_told_against_the_tables_perpendicular() -> None:
    film = {
        "table_caudal": (50.0, 380.0), "table_cranial": (450.0, 380.0), "cup_face_anterior_left": (260.0, 200.0),
        "cup_face_posterior_left": (240.0, 300.0),
    }  # fmt: skip
    found = one(film, "cup_anteversion_cross_table")
    assert told(found.lines)[-1] == [[240, 300], [240, 380]]
    a, b = found.points[1] - found.points[0], found.points[3] - found.points[2]
    undirected = math.degrees(math.acos(abs(a @ b) / np.hypot(*a) / np.hypot(*b)))
    assert undirected == pytest.approx(math.degrees(math.atan(20 / 100)))


def rim(centre: tuple[float, float], spacing: Spacing | None = None) -> dict[str, tuple[float, float]]:
    """Eight points on an ellipse of 100 and 30 mm (or px) at 40 degrees, on the patient's left."""
    along = np.array([math.cos(math.radians(40)), -math.sin(math.radians(40))])
    across = np.array([along[1], -along[0]])
    names = {"superolateral": 0, "inferomedial": 180, "upper_1": 45, "upper_2": 90, "upper_3": 135, "lower_1": 315,
             "lower_2": 270, "lower_3": 225}  # fmt: skip
    scale = np.ones(2) if spacing is None else np.array([spacing.x_mm, spacing.y_mm])
    points: dict[str, tuple[float, float]] = {}
    for name, degrees in names.items():
        t = math.radians(degrees)
        x, y = np.array(centre) + (50 * math.cos(t) * along + 15 * math.sin(t) * across) / scale
        points[f"cup_rim_{name}_left"] = (float(x), float(y))
    return points


@pytest.mark.parametrize("spacing", [None, Spacing(0.5, 0.4, SpacingSource.FLAG)])
def test_a_rim_all_round_is_drawn_as_the_ellipse_through_all_its_points(spacing: Spacing | None) -> None:
    points = {"teardrop_right": (60.0, 300.0), "teardrop_left": (250.0, 300.0), **rim((330.0, 200.0), spacing)}
    for key in ("cup_anteversion_ellipse", "cup_anteversion"):
        found = one(points, key, spacing)
        assert found.kind == "ELLIPSE"
        a, b = (found.points[1] - found.points[0]) / 2, (found.points[3] - found.points[2]) / 2
        assert a @ b == pytest.approx(0, abs=1e-6)
        assert found.points[:2].mean(axis=0) == pytest.approx([330, 200])
        for name in (n for n in points if n.startswith("cup")):
            at = np.array(points[name]) - [330, 200]
            assert (at @ a / (a @ a)) ** 2 + (at @ b / (b @ b)) ** 2 == pytest.approx(1)
    for key in ("cup_inclination_ellipse", "cup_inclination"):
        found = one(points, key, spacing)
        assert (found.kind, len(found.lines)) == ("POLYLINE", 2)
        ends = {tuple(np.round(end, 6)) for end in found.points[2:]}
        assert ends == {tuple(np.round(points[f"cup_rim_{n}_left"], 6)) for n in ("superolateral", "inferomedial")}


def test_another_definition_of_the_cup_lies_on_the_same_ellipse_and_no_viewer_is_told_to_measure_it() -> None:
    points = {"teardrop_right": (60.0, 300.0), "teardrop_left": (250.0, 300.0), **rim((330.0, 200.0))}
    landmarks = placed(points)
    rows = {r.key: r for r in measure(landmarks, measures=otherwise("operative")) if r.value is not None}
    assert shape_of(rows["cup_anteversion_operative_ellipse"], landmarks).kind == "ELLIPSE"
    assert len(rows) == 4
    tilted = shape_of(rows["cup_inclination_operative"], landmarks)
    assert told(tilted.lines)[0] == [[60, 300], [250, 300]]
    assert len(tilted.points) == 10  # four would be a Cobb angle, and the film's is another


# ---------------------------------------------------------------------------------------- the operated side, and a user's own


BOTH = {
    "teardrop_right": (200.0, 200.0), "teardrop_left": (300.0, 200.0),
    "lesser_trochanter_right": (160.0, 320.0), "lesser_trochanter_left": (340.0, 330.0),
    "femoral_head_right": (150.0, 180.0), "femoral_head_left": (350.0, 180.0),
    "femoral_shaft_proximal_right": (120.0, 250.0), "femoral_shaft_distal_right": (120.0, 350.0),
    "femoral_shaft_proximal_left": (385.0, 250.0), "femoral_shaft_distal_left": (385.0, 350.0),
    "ischium_right": (190.0, 260.0), "ischium_left": (310.0, 260.0),
}  # fmt: skip


def operated(**more: Any) -> dict[str, tuple[Result, Shape]]:
    landmarks = placed(BOTH)
    rows = measure(landmarks, measures=against_other_side("left"), **more)
    return {r.key.removesuffix("_operated_minus_other"): (r, shape_of(r, landmarks)) for r in rows}


def test_an_operated_side_is_drawn_with_the_side_it_is_told_against() -> None:
    found = operated()
    assert len(found) == 6
    assert told(found["leg_length"][1].lines) == [
        [[160, 200], [340, 200]], [[340, 330], [340, 200]], [[160, 320], [160, 200]],
    ]  # fmt: skip
    shafts, feet = told(found["femoral_offset"][1].lines)[:2], told(found["femoral_offset"][1].lines)[2:]
    assert shafts == [[[385, 180], [385, 350]], [[120, 180], [120, 350]]]
    assert feet == [[[350, 180], [385, 180]], [[150, 180], [120, 180]]]
    assert told(found["acetabular_offset"][1].lines)[0] == [[150, 200], [350, 200]]
    assert len(found["global_offset"][1].lines) == 7
    for _, shape in found.values():
        assert len(shape.points) > 2  # no viewer shows one line's length for a difference of two


def test_another_line_of_the_pelvis_is_drawn_where_it_lies() -> None:
    ischial = operated(reference="bi-ischial")
    base, *feet = told(ischial["acetabular_offset"][1].lines)
    assert base == [[150, 260], [350, 260]]
    assert sorted(feet) == sorted(
        [[[350, 180], [350, 260]], [[150, 180], [150, 260]], [[300, 200], [300, 260]], [[200, 200], [200, 260]]]
    )
    level = operated(reference="image-horizontal")
    assert told(level["leg_length"][1].lines) == [
        [[160, 320], [340, 320]], [[340, 330], [340, 320]], [[160, 320], [160, 320]],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ('kind = "distance"\npoints = ["a", "b"]', ["ab"]),
        ('kind = "angle"\nlines = [["a", "b"], ["c", "d"]]', ["ab", "cd"]),
        ('kind = "angle"\nlines = [["a", "b"], ["a", "c"]]', ["ab", "ac"]),  # not b to c
        ('kind = "angle"\nlines = [["a", "b"], ["b", "c"]]', ["ab", "bc"]),
        ('kind = "ratio"\nlines = [["a", "b"], ["c", "a"]]\nunit = "%"', ["ab", "ac"]),
        ('kind = "ratio"\nlines = [["a", "b"], ["c", "b"]]', ["ab", "bc"]),
    ],
)
def test_what_a_user_defined_is_drawn_by_its_own_lines(words: str, lines: list[str], tmp_path: Path) -> None:
    points = {"a": (100.0, 100.0), "b": (200.0, 110.0), "c": (240.0, 300.0), "d": (130.0, 320.0)}
    (tmp_path / "my.toml").write_text(f'[[measure]]\nkey = "mine"\n{words}\n', encoding="utf-8")
    landmarks = placed(points)
    (found,) = measure(landmarks, measures=read_measures(tmp_path / "my.toml"))
    drawn = told(shape_of(found, landmarks).lines)
    assert drawn == [[list(points[one]), list(points[other])] for one, other in lines]


def test_a_users_distance_across_a_line_is_that_line_lengthened_and_the_way_to_it(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(
        '[[measure]]\nkey = "mine"\nkind = "projection"\nline = ["a", "b"]\nfrom = "a"\nto = "c"\ndirection = "across"\n',
        encoding="utf-8",
    )
    landmarks = placed({"a": (100.0, 100.0), "b": (100.0, 200.0), "c": (160.0, 250.0)})
    (found,) = measure(landmarks, measures=read_measures(tmp_path / "my.toml"))
    shape = shape_of(found, landmarks)
    assert told(shape.lines) == [[[100, 100], [100, 250]], [[160, 250], [100, 250]]]
    assert shape.points.tolist() == [[160, 250], [100, 250]]  # 60 px, the value


@pytest.mark.parametrize("scheme", shipped_schemes())
def test_whatever_the_points_every_result_with_a_value_has_lines(scheme: str) -> None:
    names = read_scheme(scheme).names
    rng = np.random.default_rng(len(names))
    measures = (*MEASURES, *against_other_side("left"), *otherwise("anatomic", 5.0))
    for k, reference in enumerate(get_args(Reference)):
        frame = Frame(500, 400, Spacing(0.3, 0.2, SpacingSource.FLAG) if k else None)
        landmarks = Marks.of(Scheme.from_names(names), frame, {n: tuple(rng.uniform(3, 390, 2)) for n in names})
        for mirrored in (False, True):
            for r in measure(landmarks, side="left", mirrored=mirrored, measures=measures, reference=reference):
                if r.value is not None:
                    shape = shape_of(r, landmarks)
                    assert shape.lines or shape.kind == "ELLIPSE"
                    assert np.isfinite(np.concatenate([shape.points, *shape.lines])).all()
