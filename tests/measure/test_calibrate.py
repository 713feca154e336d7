"""Millimetres from what is on the film, or from a magnification: by the first that applies, and never silently."""

import math
from typing import Any

import numpy as np
import pytest

from radmark.core import Film, Frame, InputError, Marks, Scheme, Spacing, SpacingSource
from radmark.measure import Report, examine
from radmark.measure.calibrate import calibrate
from radmark.measure.measure import measure

UNEQUAL = Spacing(0.2, 0.25, SpacingSource.DICOM_DETECTOR)


def circle(names: tuple[str, ...], centre: tuple[float, float], radius: float) -> dict[str, tuple[float, float]]:
    """Points of a circle in square units."""
    at = np.linspace(0.3, 2.8, len(names))
    return {
        n: (centre[0] + radius * math.cos(t), centre[1] + radius * math.sin(t)) for n, t in zip(names, at, strict=True)
    }


def film(points: dict[str, tuple[float, float]], spacing: Spacing | None) -> Marks:
    """Points in detector millimetres (or pixels, where there is no spacing) on a film."""
    sx, sy = (1.0, 1.0) if spacing is None else (spacing.x_mm, spacing.y_mm)
    frame = Frame(4000, 4000, spacing)
    at = np.array([(x / sx, y / sy) for x, y in points.values()])
    return Marks.present(Scheme.from_names(tuple(points)), frame, at)


HEAD = circle(("head_rim_1_left", "head_rim_2_left", "head_rim_3_left"), (200, 150), 18.4)
PELVIS = {"teardrop_right": (100.0, 200.0), "teardrop_left": (215.0, 200.0), "femoral_head_left": (200.0, 150.0)}


def spacing_of(marks: Marks) -> Spacing:
    assert marks.frame.spacing is not None
    return marks.frame.spacing


def report(header: Spacing, used: Spacing | None = None, **facts: object) -> Report:
    """What is said of a film whose header says one spacing, where it or another is used."""
    used = used or header
    on = Film("film.png", (4000, 4000), used, file_spacing=header).stated(**{n: str(v) for n, v in facts.items()})
    return examine(on, film(HEAD | PELVIS, used))


@pytest.mark.parametrize("said", ["32", "head_rim_1_left, head_rim_2_left, head_rim_3_left, 32"])
def test_a_head_of_known_size_calibrates_pixels_that_are_not_square(said: str) -> None:
    """36.8 mm on the detector are 32 in the hip's plane: a magnification of 1.15, x and y alike."""
    found = calibrate(film(HEAD | PELVIS, UNEQUAL), head_mm=said)
    spacing = spacing_of(found.marks)
    assert (spacing.x_mm, spacing.y_mm) == pytest.approx((0.2 / 1.15, 0.25 / 1.15))
    assert spacing.source is SpacingSource.KNOWN_HEAD
    height = next(r for r in measure(found.marks) if r.key == "hip_centre_height" and r.side == "left")
    assert height.value == pytest.approx(50 / 1.15)
    assert (height.unit, height.mm_from) == ("mm", "known-head")


def test_the_ends_of_a_diameter_do_as_well_as_its_outline() -> None:
    across = film({"edge_one": (180.0, 150.0), "edge_two": (180.0, 190.0)}, UNEQUAL)
    for kind in ("head_mm", "ball_mm", "known_mm"):
        said: dict[str, Any] = {kind: "edge_one,edge_two,32"}
        spacing = spacing_of(calibrate(across, **said).marks)
        assert (spacing.x_mm, spacing.y_mm) == pytest.approx((0.16, 0.2))


def test_a_ball_calibrates_a_film_that_has_no_millimetres_at_all() -> None:
    ball = circle(("ball_1", "ball_2", "ball_3", "ball_4"), (900, 700), 75)
    found = calibrate(film(ball, None), ball_mm="ball_1,ball_2,ball_3,ball_4,30")
    spacing = spacing_of(found.marks)
    assert (spacing.x_mm, spacing.y_mm) == pytest.approx((0.2, 0.2))
    assert spacing.source is SpacingSource.KNOWN_BALL


def test_how_sure_the_millimetres_are_follows_from_the_points() -> None:
    ends = film({"a": (100.0, 100.0), "b": (140.0, 100.0)}, Spacing(0.2, 0.25, SpacingSource.FLAG))
    found = calibrate(ends, known_mm="a,b,40", sd_px=1.0)
    assert found.sd_percent == pytest.approx(100 * math.sqrt(2) * 0.2 / 40, rel=1e-3)
    assert calibrate(ends, known_mm="a,b,40").sd_percent is None


def test_a_magnification_makes_the_detectors_millimetres_the_patients() -> None:
    found = calibrate(film(PELVIS, UNEQUAL), magnification=1.15)
    spacing = spacing_of(found.marks)
    assert (spacing.x_mm, spacing.y_mm) == pytest.approx((0.2 / 1.15, 0.25 / 1.15))
    assert spacing.source is SpacingSource.MAGNIFICATION
    assert "divided by 1.15" in found.findings[0].words


@pytest.mark.parametrize("source", [SpacingSource.DICOM_FIDUCIAL, SpacingSource.DICOM_GEOMETRY])
def test_a_calibrated_header_comes_before_a_magnification_and_that_is_said(source: SpacingSource) -> None:
    whole = film(PELVIS, Spacing(0.2, 0.25, source))
    found = calibrate(whole, magnification=1.15)
    assert spacing_of(found.marks) == spacing_of(whole)
    assert "magnification was not used" in found.findings[0].words


def test_what_is_on_the_film_comes_before_a_magnification_and_before_the_header() -> None:
    found = report(Spacing(0.2, 0.25, SpacingSource.DICOM_FIDUCIAL), head_mm="32", magnification=1.3)
    assert spacing_of(found.marks).source is SpacingSource.KNOWN_HEAD
    words = (
        "the header's own calibration, 0.2 x 0.25 mm per pixel, was overridden: these are from the prosthetic head's"
    )
    (overridden,) = (f for f in found.findings if f.code == "header_calibration_overridden")
    assert overridden.words.startswith(words)
    assert {overridden in r.findings for r in found.results if r.unit == "mm"} == {True}
    assert not any(overridden in r.findings for r in found.results if r.unit != "mm")
    (not_used,) = (f for f in found.findings if f.code == "calibration_not_used")
    assert not_used.words == "magnification 1.3 of the user was not used: head_mm goes first"


@pytest.mark.parametrize(
    ("source", "flag"),
    [
        (SpacingSource.DICOM_DETECTOR, "millimetres on the detector; smaller in the patient"),
        (SpacingSource.DICOM_GEOMETRY, "millimetres by an assumed depth in the patient"),
        (SpacingSource.DICOM_UNKNOWN, "the file does not say in which plane these millimetres hold"),
    ],
)
def test_every_length_says_what_its_millimetres_rest_on(source: SpacingSource, flag: str) -> None:
    results = measure(film(PELVIS, Spacing(0.2, 0.25, source)))
    lengths = [r for r in results if r.unit == "mm"]
    assert lengths
    for r in lengths:
        assert (r.mm_from, flag in r.flags, r.scale_sd_percent) == (str(source), True, 2.5)
    for r in results:
        if r.unit != "mm":
            assert (r.mm_from, flag in r.flags, r.scale_sd_percent) == (None, False, None)


def test_nothing_said_leaves_the_film_as_it_is() -> None:
    whole = film(PELVIS, UNEQUAL)
    assert calibrate(whole).marks is whole


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"known_mm": "a,b"}, "NAME,NAME,MM"),
        ({"known_mm": "teardrop_right,teardrop_left,femoral_head_left,32"}, "NAME,NAME,MM"),
        ({"head_mm": "-1"}, "true diameter"),
        ({"head_mm": "head_rim_1_left,32"}, "both ends of a diameter"),
        ({"ball_mm": "32"}, "NAME,NAME,NAME"),
        ({"ball_mm": "ball_1,ball_2,32"}, "no such landmark"),
        ({"head_mm": "32", "ball_mm": "a,b,25"}, "one object"),
        ({"magnification": 0.9}, "1 to 1.6"),
        ({"magnification": 2.0}, "1 to 1.6"),
        ({"known_mm": "teardrop_right,lost,100"}, "not placed"),
    ],
)
def test_what_cannot_be_a_calibration_is_refused_with_the_way_out(options: dict[str, Any], words: str) -> None:
    whole = film(HEAD | PELVIS | {"lost": (math.nan, math.nan)}, UNEQUAL)
    with pytest.raises(InputError, match=words):
        calibrate(whole, **options)


def test_a_magnification_without_millimetres_is_refused() -> None:
    with pytest.raises(InputError, match="millimetres on the detector"):
        calibrate(film(PELVIS, None), magnification=1.15)


def test_points_on_a_line_are_no_ball() -> None:
    flat = film({"ball_1": (1.0, 1.0), "ball_2": (2.0, 2.0), "ball_3": (3.0, 3.0)}, None)
    with pytest.raises(InputError, match="in one place or line"):
        calibrate(flat, ball_mm="ball_1,ball_2,ball_3,25")


def test_two_heads_of_a_film_have_to_be_told_apart() -> None:
    other = circle(("head_rim_1_right", "head_rim_2_right", "head_rim_3_right"), (80, 150), 18)
    with pytest.raises(InputError, match=r"2 prosthetic heads .* --head-mm NAME,NAME,NAME,MM"):
        calibrate(film(HEAD | other, UNEQUAL), head_mm="32")
