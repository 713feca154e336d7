"""Measurements against geometry that was built to have them: on both sides, at three obliquities, on mirrored films."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from radmark.core import Film, Frame, InputError, Marks, Scheme, Spacing, SpacingSource
from radmark.io import read_scheme
from radmark.measure import MEASURES, Result, cup, examine
from radmark.measure.calibrate import HEAD_RIM
from radmark.measure.entry import Side
from radmark.measure.hip import against_other_side
from radmark.measure.measure import measure

PELVIS = {
    # millimetres in a level standard display: x towards the patient's left, y down; the right leg is 6 mm longer
    "teardrop_right": (-60, 0), "teardrop_left": (60, 0),
    "ischium_right": (-75, 50), "ischium_left": (75, 50),
    "lesser_trochanter_right": (-95, 66), "lesser_trochanter_left": (95, 60),
    "greater_trochanter_right": (-140, -4), "greater_trochanter_left": (140, -6),
    "femoral_head_right": (-90, -20), "femoral_head_left": (92, -22),
    "femoral_shaft_proximal_right": (-130, 80), "femoral_shaft_proximal_left": (132, 80),
    "femoral_shaft_distal_right": (-130, 180), "femoral_shaft_distal_left": (132, 180),
    "femoral_neck_right": (-110, 0), "femoral_neck_left": (112, -2),
    "sourcil_lateral_right": (-115, -45), "sourcil_lateral_left": (117, -47),
    "sourcil_medial_right": (-80, -45), "sourcil_medial_left": (82, -47),
    "femoral_head_medial_right": (-66, -20), "femoral_head_medial_left": (68, -22),
    "femoral_head_lateral_right": (-116, -20), "femoral_head_lateral_left": (116, -22),
    "pubic_symphysis": (2, 10), "sacrococcygeal_junction": (7, -30), "sacral_endplate": (0, -130),
}  # fmt: skip

BY_HAND = {
    ("leg_length_discrepancy", None): 6.0,
    ("leg_length_discrepancy_bi_ischial", None): 6.0,
    ("hip_centre_height_difference", None): 2.0,
    ("hip_centre_height", "left"): 22.0,
    ("femoral_offset", "right"): 40.0,
    ("femoral_offset", "left"): 40.0,
    ("acetabular_offset", "right"): 30.0,
    ("acetabular_offset", "left"): 32.0,
    ("global_offset", "left"): 72.0,
    ("trochanteric_height", "right"): 16.0,
    ("trochanteric_height", "left"): 16.0,
    ("neck_shaft_angle", "right"): 135.0,
    ("neck_shaft_angle", "left"): 135.0,
    ("lateral_centre_edge_angle", "right"): 45.0,  # 25 lateral, 25 up
    ("lateral_centre_edge_angle", "left"): 45.0,
    ("toennis_angle", "right"): 0.0,
    ("sharp_angle", "right"): math.degrees(math.atan2(45, 55)),
    ("sharp_angle", "left"): math.degrees(math.atan2(47, 57)),
    ("extrusion_index", "right"): 2.0,  # 1 of 50 mm
    ("pelvic_rotation", None): 5.0,
    ("ps_sc_distance", None): 40.0,
    ("ps_sc_ratio", None): 1 / 3,
    ("psti", None): 40.0,
}


def film(points: Mapping[str, tuple[float, float]], *, turn_deg: float = 0.0, mirror: bool = False) -> Marks:
    """These millimetres on a film of 0.2 x 0.25 mm pixels, turned clockwise, and mirrored if asked."""
    angle = math.radians(turn_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    xy = np.array(list(points.values()), float) @ turn.T
    if mirror:
        xy[:, 0] *= -1
    pixels = (xy + 300) / [0.2, 0.25]
    frame = Frame(3000, 2400, Spacing(0.2, 0.25, SpacingSource.FLAG))
    return Marks.present(Scheme.from_names(tuple(points)), frame, pixels)


def by_key(results: tuple[Result, ...]) -> dict[tuple[str, str | None], Result]:
    return {(r.key, r.side): r for r in results}


@pytest.mark.parametrize("turn_deg", [-5.0, 0.0, 7.0])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_pelvis_built_by_hand_measures_what_it_was_built_with(turn_deg: float, mirror: bool) -> None:
    placed = film(PELVIS, turn_deg=turn_deg, mirror=mirror)
    on = Film("film.png", (3000, 2400), placed.frame.spacing).stated(display="mirrored" if mirror else "standard")
    found = by_key(examine(on, placed).results)
    for which, value in BY_HAND.items():
        assert found[which].value == pytest.approx(value, abs=1e-6), which
        assert not any("orientation" in flag for flag in found[which].flags)
    assert found["pelvic_obliquity", None].value == pytest.approx(turn_deg)  # clockwise: the patient's left goes down


def test_the_sacro_femoral_pubic_angle_is_the_mean_of_both_sides() -> None:
    found = by_key(measure(film(PELVIS)))
    angles: list[float] = []
    for head in ((-90, -20), (92, -22)):  # by the law of cosines
        a, b = math.dist((0, -130), head), math.dist((2, 10), head)
        c = math.dist((0, -130), (2, 10))
        angles.append(math.degrees(math.acos((a * a + b * b - c * c) / (2 * a * b))))
    assert found["sfp_angle", None].value == pytest.approx(sum(angles) / 2)
    assert found["pelvic_tilt_sfp", None].value == pytest.approx(75 - sum(angles) / 2)


def knee(s: int) -> dict[str, tuple[float, float]]:
    """A straight femur with a lateral distal angle of 89, a tibia with a medial angle of 85, a joint that opens by 2 degrees."""
    name = "left" if s > 0 else "right"

    def turned(degrees: float) -> np.ndarray:
        """Laterally, so many degrees below the horizontal."""
        return np.array([s * math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])

    notch, spines = np.array([0.0, 0.0]), np.array([0.0, 12.0])
    condyles = turned(-1)  # 89 degrees to the femur, which points straight up: lateral end higher
    plateau = turned(-1 + 2)  # opens laterally by 2
    down = np.array([0.0, 1.0])
    # The medial angle: the plateau's medial direction, turned by 85 degrees towards the ankle, is the tibia.
    medial = -plateau
    for sign in (1, -1):
        angle = sign * math.radians(85)
        ankle = np.array(
            [
                medial[0] * math.cos(angle) - medial[1] * math.sin(angle),
                medial[0] * math.sin(angle) + medial[1] * math.cos(angle),
            ]
        )
        if ankle @ down > 0:
            break
    points = {
        "femoral_head": notch - np.array([0, 420]), "femoral_notch": notch,
        "tibial_spines": spines, "talus": spines + 380 * ankle,
        "femoral_condyle_medial": notch - 25 * condyles + [0, 5], "femoral_condyle_lateral": notch + 25 * condyles + [0, 5],
        "tibial_plateau_medial": spines - 30 * plateau, "tibial_plateau_lateral": spines + 30 * plateau,
    }  # fmt: skip
    return {f"{key}_{name}": (float(x), float(y)) for key, (x, y) in points.items()}


@pytest.mark.parametrize(("s", "side"), [(1, "left"), (-1, "right")])
@pytest.mark.parametrize("turn_deg", [-5.0, 0.0, 7.0])
def test_a_varus_knee_is_varus_on_either_side(s: int, side: str, turn_deg: float) -> None:
    found = by_key(measure(film(knee(s), turn_deg=turn_deg)))
    value = {key: found[key, side].value for key in ("mldfa", "mpta", "jlca", "mechanical_deviation", "hka_angle")}
    assert value["mldfa"] == pytest.approx(89)
    assert value["mpta"] == pytest.approx(85)
    assert value["jlca"] == pytest.approx(2)
    assert value["mechanical_deviation"] == pytest.approx(89 - 85 + 2)  # the identity of the angles round a knee
    assert value["hka_angle"] == pytest.approx(174)


@pytest.mark.parametrize("facing", [1, -1])
def test_a_tibia_that_slopes_back_by_seven_degrees_does_so_whichever_way_it_looks(facing: int) -> None:
    drop = 40 * math.tan(math.radians(7))
    points = {
        "tibial_shaft_proximal": (0.0, 50.0), "tibial_shaft_distal": (0.0, 200.0),
        "tibial_plateau_anterior": (20.0 * facing, 0.0), "tibial_plateau_posterior": (-20.0 * facing, drop),
    }  # fmt: skip
    found = by_key(measure(film(points), side="left"))
    assert found["posterior_tibial_slope", "left"].value == pytest.approx(7)


@pytest.mark.parametrize(("side", "s"), [("left", 1), ("right", -1)])
def test_a_stem_whose_tip_points_outwards_is_in_varus(side: str, s: int) -> None:
    lean = 100 * math.tan(math.radians(4))
    points = {
        f"femoral_shaft_proximal_{side}": (130.0 * s, 80.0), f"femoral_shaft_distal_{side}": (130.0 * s, 180.0),
        f"stem_proximal_{side}": (130.0 * s, 60.0), f"stem_distal_{side}": ((130.0 + lean) * s, 160.0),
    }  # fmt: skip
    found = by_key(measure(film(points)))
    assert found["stem_alignment", side].value == pytest.approx(4)


# ------------------------------------------------------------------------------------------------------------------ cups


def rim(inclination_deg: float, anteversion_deg: float, s: int, radius_mm: float = 26.0) -> np.ndarray:
    """(361, 2) the rim of a cup on the film, parallel rays: a circle in space whose axis has these radiographic angles."""
    ri, ra = math.radians(inclination_deg), math.radians(anteversion_deg)
    # Axis of the opening: lateral, down, forward. Anteversion is its angle to the film, inclination that of its shadow.
    axis = np.array([math.cos(ra) * math.sin(ri), math.cos(ra) * math.cos(ri), math.sin(ra)])
    one = np.cross(axis, [0.0, 0.0, 1.0])
    one /= np.linalg.norm(one)
    other = np.cross(axis, one)
    t = np.radians(np.arange(361))[:, None]
    circle = radius_mm * (np.cos(t) * one + np.sin(t) * other)
    return np.column_stack([s * circle[:, 0], circle[:, 1]])


@pytest.mark.parametrize(("side", "s"), [("left", 1), ("right", -1)])
@pytest.mark.parametrize(("inclination", "anteversion"), [(40.0, 15.0), (55.0, 28.0), (33.0, 4.0)])
def test_a_cup_in_space_has_its_angles_on_the_film(side: str, s: int, inclination: float, anteversion: float) -> None:
    shadow = rim(inclination, anteversion, s)
    length = np.hypot(*shadow.T)
    beside = np.array([90.0 * s, 0.0])
    end = int(length.argmax())
    ends = sorted((shadow[end], -shadow[end]), key=lambda p: s * p[0])
    for third in (shadow[(end + 60) % 360], shadow[(end + 37) % 360], shadow[(end + 250) % 360]):
        points = {
            "teardrop_right": (-60.0, 30.0), "teardrop_left": (60.0, 30.0),
            f"cup_rim_superolateral_{side}": tuple(ends[1] + beside),
            f"cup_rim_inferomedial_{side}": tuple(ends[0] + beside),
            f"cup_rim_third_{side}": tuple(third + beside),
        }  # fmt: skip
        found = by_key(measure(film(points, turn_deg=3.0)))
        assert found["cup_inclination", side].value == pytest.approx(inclination, abs=0.05)
        assert found["cup_anteversion", side].value == pytest.approx(anteversion, abs=0.05)
        inside = abs(inclination - 40) <= 10 and abs(anteversion - 15) <= 10
        words = " ".join(found["cup_inclination", side].flags)
        assert ("inside the Lewinnek" in words, "outside the Lewinnek" in words) == (inside, not inside)


def test_one_point_of_the_rim_tells_anteversion_wherever_it_lies() -> None:
    a, b = 26.0, 26.0 * math.sin(math.radians(18))
    fifth = np.array([-a + 2 * a / 5, b * math.sqrt(1 - (1 - 2 / 5) ** 2)])  # Pradhan's place on the rim
    one, other = np.array([-a, 0.0]), np.array([a, 0.0])
    assert cup.anteversion_from_rim_deg(one, other, fifth[None]) == pytest.approx(18)
    assert cup.anteversion_from_rim_deg(one, other, np.array([[0.0, b]])) == pytest.approx(18)
    assert math.isnan(cup.anteversion_from_rim_deg(one, other, np.array([[0.0, 30.0]])))  # rounder than a circle


def test_murrays_other_definitions_are_those_of_the_axis_in_space() -> None:
    ri, ra = math.radians(42), math.radians(19)
    lateral, down, forward = math.cos(ra) * math.sin(ri), math.cos(ra) * math.cos(ri), math.sin(ra)
    assert cup.anatomic_deg(42, 19) == pytest.approx(
        (math.degrees(math.acos(down)), math.degrees(math.atan2(forward, lateral)))
    )
    assert cup.operative_deg(42, 19) == pytest.approx(
        (math.degrees(math.asin(lateral)), math.degrees(math.atan2(forward, down)))
    )
    tilt = math.radians(10)  # the pelvis tips backwards: the axis turns about the transverse one
    turned = np.array(
        [lateral, down * math.cos(tilt) - forward * math.sin(tilt), forward * math.cos(tilt) + down * math.sin(tilt)]
    )
    assert cup.tilted_deg(42, 19, 10) == pytest.approx(
        (math.degrees(math.atan2(turned[0], turned[1])), math.degrees(math.asin(turned[2])))
    )


# ---------------------------------------------------------------------------------------------- units, gaps, uncertainty


def test_without_a_spacing_lengths_are_pixels_and_angles_stay() -> None:
    whole = film(PELVIS)
    square = Marks(whole.scheme, Frame(3000, 3000), whole.points * [1.0, 1.25], whole.states)
    found = by_key(measure(square))
    assert (found["leg_length_discrepancy", None].unit, found["leg_length_discrepancy", None].mm_from) == ("px", None)
    assert found["leg_length_discrepancy", None].value == pytest.approx(30.0)
    assert found["neck_shaft_angle", "left"].value == pytest.approx(135)


def test_millimetres_on_the_detector_say_so() -> None:
    whole = film(PELVIS)
    at_detector = Frame(3000, 2400, Spacing(0.2, 0.25, SpacingSource.DICOM_DETECTOR))
    found = by_key(measure(Marks(whole.scheme, at_detector, whole.points, whole.states)))
    result = found["femoral_offset", "left"]
    assert result.mm_from == "dicom-detector"
    assert any("on the detector" in flag for flag in result.flags)
    assert not any("on the detector" in flag for flag in found["neck_shaft_angle", "left"].flags)


def test_what_is_missing_is_named_and_nothing_is_guessed() -> None:
    without = {name: xy for name, xy in PELVIS.items() if name != "teardrop_left"}
    whole = film(PELVIS)
    points = whole.points.copy()
    points[whole.scheme.index("teardrop_left")] = np.nan
    for landmarks in (film(without), Marks.present(whole.scheme, whole.frame, points)):
        result = by_key(measure(landmarks))["leg_length_discrepancy", None]
        assert result.value is None
        assert result.words == "not computable: missing [teardrop_left]"


def test_a_film_of_one_side_needs_to_be_told_which() -> None:
    one = {name.removesuffix("_left"): xy for name, xy in knee(1).items()}
    untold = by_key(measure(film(one)))
    assert untold["jlca", None].words == "not computable: missing [the film's side]"
    told = by_key(measure(film(one), side="left"))
    assert told["jlca", "left"].value == pytest.approx(2)


def test_the_standard_deviation_is_that_of_many_draws() -> None:
    whole = film(PELVIS)
    sds = {name: 1.0 + k % 3 for k, name in enumerate(whole.scheme.names)}
    found = by_key(measure(whole, sd_px=sds))
    rng = np.random.default_rng(0)
    scatter = np.array(list(sds.values()))[:, None]
    drawn: dict[tuple[str, str | None], list[float]] = {which: [] for which in found}
    for _ in range(700):
        points = whole.points + rng.normal(size=whole.points.shape) * scatter
        for which, result in by_key(measure(Marks.present(whole.scheme, whole.frame, points))).items():
            if result.value is not None:
                drawn[which].append(result.value)
    compared = 0
    for which, result in found.items():
        if result.sd is not None:
            assert result.sd == pytest.approx(np.std(drawn[which]), rel=0.12), which
            compared += 1
    assert compared > 25


def test_a_negative_standard_deviation_is_refused() -> None:
    with pytest.raises(InputError, match="standard deviation"):
        measure(film(PELVIS), sd_px=-1.0)


def test_no_result_calls_anything_safe_or_normal() -> None:
    texts = [f"{m.title} {m.line} {m.sign} {m.source} {' '.join(m.notes)}" for m in MEASURES] + [cup.LEWINNEK]
    assert not [text for text in texts if "safe" in text.lower() or "normal" in text.lower()]


def test_titles_are_unique_and_fit_a_dicom_report() -> None:
    others = (*cup.otherwise("operative"), *cup.otherwise("radiographic", 5, cup.ConeBeam(1150, 100, 90, 0)))
    entries = (*MEASURES, *against_other_side("right"), *others)
    assert len({m.title for m in entries}) == len(entries)
    assert [m.title for m in entries if len(m.title) > 64] == []  # the meaning of a DICOM code


def test_keys_are_unique_and_every_entry_names_a_source() -> None:
    assert len({m.key for m in MEASURES}) == len(MEASURES)
    assert all(m.source and m.line and m.sign for m in MEASURES)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def test_the_documentation_lists_every_measurement_with_its_landmarks_line_and_source() -> None:
    page = (Path(__file__).parents[2] / "docs" / "measurements.md").read_text(encoding="utf-8")
    rows = {row[1].strip(" `"): row for row in (line.split("|") for line in page.splitlines()) if len(row) == 10}
    assert [key for key in rows if key in {m.key for m in MEASURES}] == [m.key for m in MEASURES]
    for m in MEASURES:
        row = [cell.strip() for cell in rows[m.key][1:-1]]
        assert row[1] == m.title
        some = f"; at least {m.at_least} of {_listed(m.any_of)}" if m.any_of else ""
        assert row[3] == _listed(m.needs) + some
        assert row[4:7] == [m.line, m.sign, m.source]
        published = (f"published {m.published}",) if m.published else ()
        assert row[7] == ("; ".join((*m.notes, *published)) or "–")


CLINICAL = (
    "hip-native", "hip-tha", "cup-rim", "hip-paediatric", "hip-cross-table", "long-leg", "knee-ap", "knee-lateral",
    "knee-radiograph", "pelvis-radiograph", "pelvis-fluoroscopy",
)  # fmt: skip


@pytest.mark.parametrize("scheme", CLINICAL)
def test_every_landmark_of_the_clinical_schemes_serves_a_measurement(scheme: str) -> None:
    names = read_scheme(scheme).names
    needed = {name for m in MEASURES for name in (*m.needs, *m.any_of)}
    used = {name.replace("{s}", s) for name in needed for s in ("left", "right")}
    used |= {name.replace("_{s}", "") for name in needed}
    assert [name for name in names if name not in used and not name.startswith(HEAD_RIM)] == []


def test_a_scheme_of_one_side_calls_the_prosthetic_head_by_its_own_name() -> None:
    points = {"teardrop_right": (40.0, 100.0), "teardrop_left": (160.0, 100.0), "prosthetic_head": (190.0, 80.0)}
    placed = Marks.of(Scheme.from_names(tuple(points)), Frame(400, 400), points)
    found = by_key(measure(placed, side="left"))
    assert found["hip_centre_height", "left"].value == pytest.approx(20)
    assert found["acetabular_offset", "left"].value == pytest.approx(30)
    assert found["hip_centre_height", "left"].points[-1] == "prosthetic_head"
    untold = by_key(measure(placed))
    assert untold["acetabular_offset", None].words == "not computable: missing [the film's side]"


@pytest.mark.parametrize(("side", "s"), [("left", 1), ("right", -1)])
def test_a_film_of_one_hip_is_measured_against_what_is_asked_for(side: Side, s: int) -> None:
    """No second teardrop: the film's own horizontal, when it is asked for, and every result says so."""
    one = {"teardrop": (500.0 + 60 * s, 500.0), "femoral_head": (500.0 + 90 * s, 480.0),
           "sourcil_lateral": (500.0 + 115 * s, 455.0), "ischium": (500.0 + 70 * s, 560.0)}  # fmt: skip
    placed = Marks.of(Scheme.from_names(tuple(one)), Frame(1000, 1000), one)
    assert not [r for r in measure(placed, side=side) if r.value is not None]
    found = by_key(measure(placed, side=side, reference="image-horizontal"))
    assert found["lateral_centre_edge_angle", side].value == pytest.approx(45)
    assert found["sharp_angle", side].value == pytest.approx(math.degrees(math.atan2(45, 55)))
    assert found["acetabular_offset", side].value == pytest.approx(30)
    assert ("hip_centre_height", side) not in found  # the horizontal has no place
    for key in ("lateral_centre_edge_angle", "sharp_angle", "acetabular_offset"):
        result = found[key, side]
        assert result.line == "horizontal of the film"
        assert any(flag.startswith("reference not anatomical") for flag in result.flags)


def test_the_bi_ischial_line_stands_in_for_the_teardrops_when_it_is_asked_for() -> None:
    without = {name: xy for name, xy in PELVIS.items() if name != "teardrop_right"}
    found = by_key(measure(film(without, turn_deg=4.0), reference="bi-ischial"))
    assert found["leg_length_discrepancy", None].value == pytest.approx(6)
    assert found["leg_length_discrepancy", None].line == "bi-ischial line"
    # 22 above the teardrops, which lie 50 above the ischia
    assert found["hip_centre_height", "left"].value == pytest.approx(72)
