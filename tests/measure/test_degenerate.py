"""Inconsistent points give no number and no traceback, and a side is never guessed."""

import numpy as np
import pytest

from radmark.core import Frame, Marks, Scheme, Spacing, SpacingSource
from radmark.io import read_scheme, shipped_schemes
from radmark.measure import MEASURES, Result
from radmark.measure.cup import ConeBeam, otherwise
from radmark.measure.entry import Side
from radmark.measure.hip import against_other_side
from radmark.measure.measure import measure

PELVIS = {"teardrop_right": (0.0, 0.0), "teardrop_left": (100.0, 0.0)}
SHAFTS = {
    f"femoral_shaft_{end}_{side}": (x, y)
    for side, x in (("right", 0.0), ("left", 300.0))
    for end, y in (("proximal", 0.0), ("distal", 100.0))
}
CUP = {"cup_rim_superolateral_left": (140.0, -20.0), "cup_rim_inferomedial_left": (100.0, 20.0)}
HEAD = {"femoral_head_medial_left": (120.0, -5.0), "femoral_head_lateral_left": (120.0, -5.0)}
TIBIA = {"tibial_shaft_proximal": (0.0, 0.0), "tibial_shaft_distal": (0.0, 100.0)}


def results(points: dict[str, tuple[float, float]], side: Side | None = None) -> dict[tuple[str, str | None], Result]:
    frame = Frame(4000, 4000, Spacing(1.0, 1.0, SpacingSource.FLAG))
    placed = Marks.present(Scheme.from_names(tuple(points)), frame, np.array(list(points.values())))
    return {(r.key, r.side): r for r in measure(placed, side=side)}


@pytest.mark.parametrize(
    ("key", "side", "points"),
    [
        (
            "mechanical_deviation",
            "left",
            {"femoral_head": (100, 0), "femoral_notch": (100, 400), "tibial_spines": (99, 410), "talus": (99, 410)},
        ),
        ("cup_anteversion", "left", PELVIS | dict.fromkeys(CUP, (120.0, -5.0)) | {"cup_rim_third_left": (121.0, -6.0)}),
        ("extrusion_index", "left", PELVIS | HEAD | {"sourcil_lateral_left": (121.0, -6.0)}),
        ("toennis_angle", "left", PELVIS | {"sourcil_medial_left": (1.0, 2.0), "sourcil_lateral_left": (1.0, 2.0)}),
        (
            "posterior_tibial_slope",
            "left",
            TIBIA | {"tibial_plateau_anterior": (5.0, 5.0), "tibial_plateau_posterior": (5.0, 5.0)},
        ),
        (
            "ps_sc_ratio",
            None,
            dict.fromkeys(PELVIS, (0.0, 0.0)) | {"sacrococcygeal_junction": (1, 2), "pubic_symphysis": (3, 4)},
        ),
        ("pelvic_obliquity", None, dict.fromkeys(PELVIS, (0.0, 0.0))),
        ("cup_inclination", "left", PELVIS | dict(zip(CUP, reversed(CUP.values()), strict=True))),
    ],
)
def test_inconsistent_points_give_no_number(key: str, side: str | None, points: dict[str, tuple[float, float]]) -> None:
    result = results(points, "left")[key, side]
    assert result.value is None
    words = "the points are inconsistent (for example, left and right exchanged)"
    assert (result.words, result.usable) == (f"not computable: {words}", "no")


def test_a_stem_without_a_side_is_measured_on_the_side_that_was_told_and_on_no_other() -> None:
    points = SHAFTS | {"stem_proximal": (300.0, 0.0), "stem_distal": (300.0 + 100 * np.tan(np.radians(4)), 100.0)}
    told = results(points, "left")
    assert told["stem_alignment", "left"].value == pytest.approx(4)
    right = told.get(("stem_alignment", "right"))
    assert right is None or right.value is None
    assert all(r.value is None for (key, _), r in results(points).items() if key == "stem_alignment")


def test_an_edge_below_and_medial_of_the_head_has_a_negative_centre_edge_angle() -> None:
    points = PELVIS | {"femoral_head_left": (120.0, -50.0), "sourcil_lateral_left": (110.0, -40.0)}
    assert results(points)["lateral_centre_edge_angle", "left"].value == pytest.approx(-135)


def test_unknown_pixels_are_said_to_be_taken_for_squares() -> None:
    placed = Marks.of(Scheme.from_names(tuple(PELVIS)), Frame(200, 200), PELVIS)
    assert all("square pixels assumed" in r.flags for r in measure(placed))


@pytest.mark.parametrize("scheme", shipped_schemes())
def test_whatever_the_points_there_is_a_number_or_a_reason(scheme: str) -> None:
    """Scattered, in one place, in a row, on a grid of three pixels, and with gaps."""
    rng = np.random.default_rng(len(scheme))
    known = read_scheme(scheme)
    k = len(known)
    entries = (
        *MEASURES,
        *against_other_side("left"),
        *otherwise("operative", 5),
        *otherwise(cone=ConeBeam(1150, 100, 90, 0)),
    )
    for points in (
        rng.uniform(0, 1000, (k, 2)),
        np.full((k, 2), 500.0),
        np.column_stack([np.arange(k) * 3.0, np.full(k, 7.0)]),
        np.round(rng.uniform(0, 3, (k, 2))),
        np.where(rng.random((k, 1)) < 0.3, np.nan, rng.uniform(0, 1000, (k, 2))),
    ):
        placed = Marks.present(known, Frame(1000, 1000, Spacing(0.1, 0.2, SpacingSource.FLAG)), points)
        for side in ("left", None):
            for r in measure(placed, sd_px=1.0, side=side, measures=entries):
                assert (r.value is None) == bool(r.missing or r.reason), r
                assert r.value is None or np.isfinite(r.value), r
                assert r.sd is None or np.isfinite(r.sd), r
