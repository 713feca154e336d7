"""From a film with its facts and marks on it to a report: whose word is used, what contradicts it, and what that stops."""

import ast
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radmark.core import Film, Frame, InputError, Marks, Scheme, Spacing, SpacingSource
from radmark.core.facts import FACTS, FactSource, fact
from radmark.core.finding import Severity
from radmark.measure import Report, Result, examine

XY = Mapping[str, tuple[float, float]]

LEAN = 300 * math.tan(math.radians(5))
KNEE = {
    # The femur stands upright, the tibia's lower end lies 5 degrees towards the right of the picture.
    "femoral_shaft_proximal": (500.0, 100.0), "femoral_shaft_distal": (500.0, 400.0),
    "tibial_shaft_proximal": (500.0, 500.0), "tibial_shaft_distal": (500.0 + LEAN, 800.0),
    "tibial_plateau_medial": (450.0, 450.0), "tibial_plateau_lateral": (550.0, 450.0),
}  # fmt: skip
HIPS = {
    # In pixels, level. By hand: the right leg is 60 px longer, the right head 40 further out and 30 higher.
    "teardrop_right": (400.0, 500.0), "teardrop_left": (600.0, 500.0), "ischium_right": (380.0, 560.0),
    "ischium_left": (620.0, 560.0), "femoral_head_right": (260.0, 450.0), "femoral_head_left": (700.0, 480.0),
    "lesser_trochanter_right": (250.0, 720.0), "lesser_trochanter_left": (750.0, 660.0),
    "femoral_shaft_proximal_right": (200.0, 700.0), "femoral_shaft_distal_right": (200.0, 900.0),
    "femoral_shaft_proximal_left": (800.0, 700.0), "femoral_shaft_distal_left": (800.0, 900.0),
    "sourcil_lateral_right": (200.0, 400.0), "sourcil_lateral_left": (760.0, 420.0),
    "sourcil_medial_right": (300.0, 390.0), "sourcil_medial_left": (690.0, 410.0),
    "greater_trochanter_right": (150.0, 480.0), "greater_trochanter_left": (850.0, 490.0),
    "femoral_neck_right": (230.0, 500.0), "femoral_neck_left": (740.0, 520.0),
    "sacrococcygeal_junction": (505.0, 440.0), "pubic_symphysis": (500.0, 520.0),
}  # fmt: skip
HEAD = {
    f"head_rim_{k}": (700 + 80 * math.cos(t), 480 + 80 * math.sin(t)) for k, t in enumerate((0.2, 1.9, 3.6), start=1)
}
"""The outline of a head of 160 px."""
BALL = {"ball_1": (100.0, 100.0), "ball_2": (150.0, 100.0)}
CUP = {"cup_rim_superolateral_left": (760.0, 420.0), "cup_rim_inferomedial_left": (660.0, 520.0),
       "cup_rim_third_left": (700.0, 460.0)}  # fmt: skip


def marks(points: XY, spacing: Spacing | None = None) -> Marks:
    return Marks.present(Scheme.from_names(tuple(points)), Frame(1000, 1000, spacing), np.array(list(points.values())))


def film(
    spacing: Spacing | None = None, *, header: Mapping[str, str] = {}, table: Mapping[str, str] = {}, **user: str
) -> Film:
    """A film of 1000 x 1000 px, with what its header, its row of the table and the user say."""
    said = ((FactSource.HEADER, header), (FactSource.TABLE, table), (FactSource.USER, user))
    facts = tuple(fact(name, text, source) for source, texts in said for name, text in texts.items())
    return Film("film.png", (1000, 1000), spacing, facts=facts)


def by_key(report: Report) -> dict[tuple[str, str | None], Result]:
    return {(r.key, r.side): r for r in report.results}


def codes(report: Report | Result) -> set[str]:
    return {finding.code for finding in report.findings}


# ---------------------------------------------------------------------------------------------- each film's own facts


def test_the_side_is_each_films_own_and_turns_its_signs() -> None:
    """On a standard display the left ankle that lies to the right is lateral: valgus; the right one is medial: varus."""
    for side, valgus in (("left", 5.0), ("right", -5.0)):
        found = by_key(examine(film(table={"side": side}), marks(KNEE)))
        assert found["tibiofemoral_angle", side].value == pytest.approx(valgus)


def test_the_operated_side_is_each_films_own() -> None:
    for side, longer in (("right", 60.0), ("left", -60.0)):
        found = by_key(examine(film(table={"operated": side}), marks(HIPS)))
        assert found["leg_length_operated_minus_other", side].value == pytest.approx(longer)
        assert found["hip_centre_height_operated_minus_other", side].value == pytest.approx(longer / 2)
    assert not [r for r in examine(film(), marks(HIPS)).results if r.key.endswith("operated_minus_other")]


@pytest.mark.parametrize(
    ("facts", "mm_per_px", "origin"),
    [
        ({"head_mm": "32"}, 32 / 160, "known-head"),
        ({"ball_mm": "ball_1,ball_2,25"}, 0.5, "known-ball"),
        ({"known_mm": "teardrop_right,teardrop_left,120"}, 0.6, "known-distance"),
        ({"magnification": "1.25"}, 0.1 / 1.25, "magnification"),
        ({}, 0.1, "dicom-detector"),
    ],
)
def test_the_millimetres_are_each_films_own(facts: Mapping[str, str], mm_per_px: float, origin: str) -> None:
    spacing = Spacing(0.1, 0.1, SpacingSource.DICOM_DETECTOR)
    result = by_key(examine(film(spacing, table=facts), marks(HIPS | HEAD | BALL)))["leg_length_discrepancy", None]
    assert result.value == pytest.approx(60 * mm_per_px)
    assert (result.unit, result.mm_from) == ("mm", origin)


def test_tilt_and_beam_are_each_films_own() -> None:
    keys = {r.key for r in examine(film(table={"pelvic_tilt_deg": "-8"}), marks(HIPS | CUP)).results}
    assert "cup_anteversion_radiographic_tilt_corrected" in keys
    beam = examine(film(table={"cone_beam": "1150,100,90,0"}), marks(HIPS | CUP))
    (result,) = (r for r in beam.results if r.key == "cup_anteversion_radiographic_cone_corrected" and r.side == "left")
    assert "source at 1150 mm" in " ".join(result.flags)
    assert not [r for r in examine(film(), marks(HIPS | CUP)).results if r.key.endswith("corrected")]


# ------------------------------------------------------------------------------------------------------ contradictions


def test_a_side_that_table_and_header_state_differently_stops_signed_values_and_names_both() -> None:
    report = examine(film(header={"side": "right"}, table={"side": "left"}), marks(KNEE))
    found = {r.key: r for r in report.results}
    words = "side: the table says left, the header says right"
    signed, unsigned = found["tibiofemoral_angle"], found["ampta"]
    assert (signed.value, signed.side, signed.usable) == (None, None, "no")
    assert words in signed.words
    assert "side_contradicted" in codes(signed)
    # The angle between plateau and tibia is the same on either side; the plateau lies level, the tibia leans 5 degrees outwards.
    assert unsigned.value == pytest.approx(95)
    assert (unsigned.side, unsigned.usable) == (None, "yes")
    (finding,) = (f for f in report.findings if f.code == "side_contradicted")
    assert (finding.severity, finding.about) == (Severity.STOP, "side")
    assert words in finding.words


def test_a_contested_side_stops_films_whose_teardrops_alone_have_sides() -> None:
    points = {"teardrop_right": (400.0, 500.0), "teardrop_left": (600.0, 500.0), "femoral_head": (700.0, 480.0)}
    found = {r.key: r for r in examine(film(header={"side": "right"}, table={"side": "left"}), marks(points)).results}
    assert found["acetabular_offset"].value is None
    assert "the header says right" in found["acetabular_offset"].words
    told = by_key(examine(film(table={"side": "left"}), marks(points)))
    assert told["acetabular_offset", "left"].value == pytest.approx(100)


def test_a_contested_side_does_not_concern_landmarks_that_have_sides_of_their_own() -> None:
    report = examine(film(header={"side": "right"}, table={"side": "left"}), marks(HIPS))
    assert by_key(report)["femoral_offset", "left"].value == pytest.approx(100)
    assert "side_contradicted" in codes(report)
    assert not any("side_contradicted" in codes(r) for r in report.results)


def test_the_users_word_overrules_with_a_finding_to_check_that_names_both() -> None:
    report = examine(film(header={"side": "right"}, side="left"), marks(KNEE))
    result = by_key(report)["tibiofemoral_angle", "left"]
    assert result.value == pytest.approx(5)
    assert result.usable == "check"
    (finding,) = (f for f in result.findings if f.code == "side_contradicted")
    assert finding.severity is Severity.CHECK
    assert finding.words == "side: the user says left, the header says right; left is used"
    assert finding in report.findings


def test_a_contested_display_stops_everything() -> None:
    contested = film(header={"display": "standard"}, table={"display": "mirrored", "side": "left"})
    for points in (HIPS, KNEE):
        report = examine(contested, marks(points))
        assert report.results
        assert report.computed == ()
        for result in report.results:
            assert result.missing or "display: the table says mirrored, the header says standard" in result.words
            assert result.usable == "no"


def test_a_contested_operated_side_stops_what_is_told_against_the_other_side_and_nothing_else() -> None:
    report = examine(film(header={"operated": "right"}, table={"operated": "left"}), marks(HIPS))
    for result in report.results:
        if result.key.endswith("operated_minus_other"):
            assert "operated: the table says left, the header says right" in result.words
        else:
            assert result.missing or result.value is not None, result
            assert "operated_contradicted" not in codes(result)


def test_a_calibration_that_the_user_overrules_is_told_with_every_length() -> None:
    report = examine(film(table={"head_mm": "28"}, head_mm="32"), marks(HIPS | HEAD))
    for result in report.results:
        assert ("head_mm_contradicted" in codes(result)) == (result.unit == "mm")
    assert by_key(report)["leg_length_discrepancy", None].value == pytest.approx(60 * 32 / 160)
    ball = examine(film(table={"head_mm": "28"}, ball_mm="ball_1,ball_2,25"), marks(HIPS | HEAD | BALL))
    (finding,) = (f for f in ball.findings if f.code == "calibration_not_used")
    assert (finding.severity, finding.words) == (
        Severity.CHECK, "head_mm 28 of the table was not used: ball_mm goes first",
    )  # fmt: skip
    assert by_key(ball)["leg_length_discrepancy", None].value == pytest.approx(30)


def test_a_tilt_that_the_user_overrules_concerns_what_is_corrected_by_it() -> None:
    report = examine(film(table={"pelvic_tilt_deg": "5"}, pelvic_tilt_deg="-8"), marks(HIPS | CUP))
    concerned = {r.key for r in report.results if "pelvic_tilt_deg_contradicted" in codes(r)}
    assert concerned == {f"cup_{angle}_radiographic_tilt_corrected" for angle in ("inclination", "anteversion")}


# ------------------------------------------------------------------------------------------------------------- display


@pytest.mark.parametrize("by", ["header", "table", "user"])
def test_a_mirrored_film_has_the_same_results_however_that_is_stated(by: str) -> None:
    mirrored = {name: (999.0 - x, y) for name, (x, y) in HIPS.items()}
    stated: dict[str, Any] = {"display": "mirrored"} if by == "user" else {by: {"display": "mirrored"}}
    report = examine(film(**stated), marks(mirrored))
    standard = examine(film(display="standard"), marks(HIPS))
    assert len(report.computed) == len(standard.computed) == 27  # nine of each side, nine of the pelvis
    for one, other in zip(report.results, standard.results, strict=True):
        assert (one.key, one.side, one.unit) == (other.key, other.side, other.unit)
        assert one.value == pytest.approx(other.value), one.key
        assert codes(one) - codes(other) == {"mirrored_display"}
    assert {"mirrored_display"} == codes(report) - codes(standard)


def test_where_nobody_says_how_the_film_lies_every_result_says_so_and_may_be_used() -> None:
    report = examine(film(), marks(HIPS))
    assert all("orientation_unknown" in codes(r) for r in report.results)
    assert by_key(report)["femoral_offset", "left"].usable == "yes"


# ---------------------------------------------------------------------------------------------------- grid, millimetres


def test_marks_on_another_grid_are_refused() -> None:
    with pytest.raises(InputError, match=r"the marks are on a grid of 1000 x 1000 pixels.*film.png: 500 x 400"):
        examine(Film("film.png", (500, 400)), marks(HIPS))


def test_a_film_without_a_size_is_measured_on_the_grid_of_its_marks_and_refused_where_they_have_none() -> None:
    assert examine(Film("film.png"), marks(HIPS)).computed
    bare = Marks.present(Scheme.from_names(tuple(HIPS)), None, np.array(list(HIPS.values())), film="film.png")
    with pytest.raises(InputError, match="--films"):
        examine(Film("film.png"), bare)


@pytest.mark.parametrize(
    ("header", "used_mm", "code", "usable"),
    [
        (SpacingSource.DICOM_FIDUCIAL, 0.2, "header_calibration_overridden", "check"),  # the very same number, even
        (SpacingSource.DICOM_GEOMETRY, 0.203, "header_spacing_overridden", "check"),
        (SpacingSource.DICOM_GEOMETRY, 0.201, None, "yes"),  # half a per cent
        (SpacingSource.DICOM_DETECTOR, 0.126, None, "yes"),  # 0.2 / 0.126 = 1.59
        (SpacingSource.DICOM_DETECTOR, 0.124, "spacing_contradicts_header", "check"),  # 1.61
        (SpacingSource.DICOM_DETECTOR, 0.221, None, "yes"),  # 0.905
        (SpacingSource.DICOM_DETECTOR, 0.223, "spacing_contradicts_header", "check"),  # 0.897
        (SpacingSource.DICOM_UNKNOWN, 0.124, "spacing_contradicts_header", "check"),
    ],
)
def test_millimetres_of_a_flag_that_the_header_contradicts_are_told_with_both(
    header: SpacingSource, used_mm: float, code: str | None, usable: str
) -> None:
    used = Spacing(used_mm, used_mm, SpacingSource.FLAG)
    on = Film("film.png", (1000, 1000), used, file_spacing=Spacing(0.2, 0.2, header)).stated(display="standard")
    result = by_key(examine(on, marks(HIPS, used)))["femoral_offset", "left"]
    assert codes(result) - {"definition"} == ({code} if code else set())
    assert result.usable == usable
    if code:
        assert "given by the user" in " ".join(result.flags)
        assert "0.2 x 0.2 mm" in " ".join(result.flags)


def test_what_the_header_says_of_its_own_millimetres_is_silent_where_others_are_used() -> None:
    report = examine(film(Spacing(0.1, 0.1, SpacingSource.DICOM_DETECTOR), table={"head_mm": "32"}), marks(HIPS | HEAD))
    assert "spacing_at_detector" not in codes(report)
    plain = examine(film(Spacing(0.1, 0.1, SpacingSource.DICOM_DETECTOR)), marks(HIPS))
    assert "spacing_at_detector" in codes(plain)
    assert by_key(plain)["femoral_offset", "left"].usable == "check"


@pytest.mark.parametrize(
    ("facts", "points", "why"),
    [
        ({"head_mm": "32"}, HIPS, "three landmarks called head_rim_"),
        ({"head_mm": "32"}, HIPS | HEAD | {"head_rim_2": (math.nan, math.nan)}, "three landmarks called head_rim_"),
        ({"ball_mm": "ball_1,nowhere,25"}, HIPS | BALL, "no such landmark (nowhere)"),
        ({"ball_mm": "ball_1,ball_2,25"}, HIPS | BALL | {"ball_2": (math.nan, math.nan)}, "not placed"),
        ({"known_mm": "ball_1,25"}, HIPS | BALL, "true distance"),
        ({"known_mm": "ball_1,ball_2,25", "head_mm": "32"}, HIPS | BALL | HEAD, "one object"),
        ({"magnification": "1.15"}, HIPS, "needs millimetres on the detector"),
    ],
)
def test_a_film_that_cannot_be_calibrated_as_asked_has_lengths_in_pixels_that_say_why(
    facts: Mapping[str, str], points: XY, why: str
) -> None:
    spacing = None if "magnification" in facts else Spacing(0.1, 0.1, SpacingSource.DICOM_DETECTOR)
    report = examine(film(spacing, table=facts), marks(points))
    length, angle = by_key(report)["femoral_offset", "left"], by_key(report)["neck_shaft_angle", "left"]
    assert (length.value, length.unit, length.usable) == (pytest.approx(100), "px", "check")
    (finding,) = (f for f in length.findings if f.code == "not_calibrated")
    assert finding.words.startswith("no millimetres: ")
    assert why in finding.words
    assert finding in report.findings
    assert "not_calibrated" not in codes(angle)


# -------------------------------------------------------------------------------------------------- severity and codes


def test_whether_a_number_may_be_used_follows_from_the_gravest_of_its_findings() -> None:
    for result in examine(film(), marks(HIPS | {"greater_trochanter_left": (999.0, 490.0)})).results:
        severities = {finding.severity for finding in result.findings}
        expected = "no" if result.value is None else "check" if Severity.CHECK in severities else "yes"
        assert result.usable == expected
        assert Severity.STOP not in severities
    near = by_key(examine(film(), marks(HIPS | {"greater_trochanter_left": (999.0, 490.0)})))
    assert near["trochanteric_height", "left"].usable == "check"
    assert near["trochanteric_height", "right"].usable == "yes"


CODES = {
    "definition": "note", "lewinnek_box": "note", "orientation_unknown": "note", "mirrored_display": "note",
    "square_pixels_assumed": "note", "pixels_not_square": "check", "lossy_compression": "note", "colour": "note",
    "file_missing": "check", "spacing_at_detector": "check", "spacing_assumed_geometry": "note",
    "spacing_of_unknown_calibration": "check", "magnification": "note", "magnification_not_used": "check",
    "calibration_not_used": "note or check", "header_calibration_overridden": "check",
    "header_spacing_overridden": "note or check", "spacing_contradicts_header": "check", "not_calibrated": "check",
    "spacing_not_believed": "note", "fluoroscopy_not_calibrated": "note", "reference_not_anatomical": "check",
    "sides_swapped": "stop", "contradicts_anatomy": "check", "at_border": "check", "pelvis_oblique": "check",
    "pelvis_rotated": "check", "legs_abducted_unequally": "check", "short_tibial_axis": "check",
    "…_contradicted": "check or stop", "not_measured": "stop", "burned_in_annotation": "note",
    "polarity_contradicts_itself": "note", "no_preamble": "note",
}  # fmt: skip
"""Every code there is, with its severity. Programs rely on them: one is never renamed."""

ROOT = Path(__file__).parents[2]


def test_every_finding_the_code_makes_is_in_the_list_of_codes() -> None:
    made: defaultdict[str, set[str]] = defaultdict(set)
    words: defaultdict[str, set[str]] = defaultdict(set)
    for file in (ROOT / "src" / "radmark").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if "radmark.core.finding" not in text:
            continue
        for call in ast.walk(ast.parse(text)):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.args):
                continue
            code = call.args[0]
            if call.func.id == "severity":  # one of several, which the code chooses
                made[str(code.value) if isinstance(code, ast.Constant) else "…_contradicted"].add("several")
            elif call.func.id in ("note", "check", "stop") and isinstance(code, ast.Constant):
                made[str(code.value)].add(call.func.id)
                if isinstance(call.args[1], ast.Constant):
                    words[str(code.value)].add(str(call.args[1].value))
    assert {code: {"several"} if "or" in told.split() else {told} for code, told in CODES.items()} == made
    assert {code: told for code, told in words.items() if len(told) > 1} == {}


def test_the_documentation_lists_every_code_with_its_severity() -> None:
    page = (ROOT / "docs" / "measurements.md").read_text(encoding="utf-8")
    section = page.split("## Findings\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| `")]
    assert {row[0].strip("`"): row[1] for row in rows} == CODES
    assert all(len(row) == 4 and row[2] and row[3] for row in rows)


def test_the_facts_that_measurements_use_are_columns_the_documentation_lists() -> None:
    page = (ROOT / "docs" / "measurements.md").read_text(encoding="utf-8")
    section = page.split("## Each film's own facts\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    listed = {name.strip(" `") for cell in cells for name in cell.split(",")}
    assert listed == set(FACTS) - {"patient", "view", "date"}
