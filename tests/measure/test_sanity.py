"""What geometry can tell: each finding on a film made to have it, and none on a film that has nothing odd."""

import math
from typing import Any

import pytest

from radmark.core import Frame, Marks, Scheme, Spacing, SpacingSource
from radmark.measure import Result
from radmark.measure.measure import measure

HIPS = {
    "teardrop_right": (-60.0, 0.0), "teardrop_left": (60.0, 0.0), "ischium_right": (-75.0, 50.0), "ischium_left": (75.0, 50.0),
    "lesser_trochanter_right": (-95.0, 66.0), "lesser_trochanter_left": (95.0, 66.0),
    "greater_trochanter_right": (-140.0, -4.0), "greater_trochanter_left": (140.0, -4.0),
    "femoral_head_right": (-90.0, -20.0), "femoral_head_left": (90.0, -20.0),
    "femoral_shaft_proximal_right": (-130.0, 80.0), "femoral_shaft_proximal_left": (130.0, 80.0),
    "femoral_shaft_distal_right": (-130.0, 180.0), "femoral_shaft_distal_left": (130.0, 180.0),
    "sourcil_medial_right": (-80.0, -50.0), "sourcil_medial_left": (80.0, -50.0),
    "sourcil_lateral_right": (-115.0, -45.0), "sourcil_lateral_left": (115.0, -45.0),
    "pubic_symphysis": (0.0, 10.0), "sacrococcygeal_junction": (2.0, -30.0),
}  # fmt: skip


def measured(
    points: dict[str, tuple[float, float]],
    *,
    turn_deg: float = 0.0,
    mirrored: bool = False,
    width: int = 1000,
    **kw: Any,
) -> dict[tuple[str, str | None], Result]:
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    placed = Marks.of(
        Scheme.from_names(tuple(points)),
        Frame(width, 900, Spacing(0.5, 0.5, SpacingSource.FLAG)),
        {n: ((c * x - s * y + 225) / 0.5, (s * x + c * y + 150) / 0.5) for n, (x, y) in points.items()},
    )
    return {(r.key, r.side): r for r in measure(placed, mirrored=mirrored, **kw)}


def flags(result: Result) -> str:
    return " | ".join(result.flags)


def moved(**points: tuple[float, float]) -> dict[str, tuple[float, float]]:
    return HIPS | points


ODD = ("swapped", "contradicts", "border", "obliquity", "rotated", "abduction")


def test_a_film_with_nothing_odd_has_no_such_flag() -> None:
    for result in measured(HIPS).values():
        assert not [word for word in ODD if word in flags(result)], result
        assert result.reason == ""


def test_names_of_the_other_side_give_no_number_and_the_way_out() -> None:
    swap = {"right": "left", "left": "right"}
    exchanged = {
        f"{stem}_{swap[side]}" if side in swap else f"{stem}_{side}": xy
        for (stem, side), xy in ((name.rsplit("_", 1), xy) for name, xy in HIPS.items())
    }
    for result in measured(exchanged).values():
        assert result.value is None
        if not result.missing:
            assert "right and left look swapped" in result.words
            assert "say how the film is displayed" in result.words
    # The same picture is a mirrored one when somebody says so.
    told = measured(exchanged, mirrored=True)
    assert told["femoral_offset", "left"].value == pytest.approx(40)


def test_one_swapped_pair_stops_what_rests_on_it_and_nothing_else() -> None:
    found = measured(moved(lesser_trochanter_right=(95.0, 66.0), lesser_trochanter_left=(-95.0, 66.0)))
    assert "look swapped" in found["leg_length_discrepancy", None].words
    assert found["femoral_offset", "left"].value == pytest.approx(40)


@pytest.mark.parametrize(
    ("points", "words", "key"),
    [
        ({"lesser_trochanter_left": (95.0, -2.0)}, "teardrop_left does not lie above lesser_trochanter_left",
         ("leg_length_discrepancy", None)),
        ({"greater_trochanter_left": (80.0, -4.0)}, "greater_trochanter_left does not lie lateral of femoral_head_left",
         ("trochanteric_height", "left")),
        ({"pubic_symphysis": (0.0, -40.0)}, "sacrococcygeal_junction does not lie above pubic_symphysis",
         ("ps_sc_distance", None)),
        ({"sourcil_lateral_right": (-70.0, -45.0)}, "sourcil_lateral_right does not lie lateral of sourcil_medial_right",
         ("toennis_angle", "right")),
        ({"femoral_shaft_distal_right": (-130.0, 60.0)},
         "femoral_shaft_proximal_right does not lie above femoral_shaft_distal_right", ("femoral_offset", "right")),
    ],
)  # fmt: skip
def test_anatomy_out_of_order_is_told_of_every_result_that_uses_it(
    points: dict[str, tuple[float, float]], words: str, key: tuple[str, str | None]
) -> None:
    found = measured(moved(**points))
    assert f"contradicts anatomy: {words}" in flags(found[key])
    (name,) = points
    for result in found.values():
        if name not in result.points and not set(words.split()) & set(result.points):
            assert "contradicts" not in flags(result)


def test_the_order_is_that_of_the_pelvis_not_of_the_film() -> None:
    """Turned by 60 degrees, a greater trochanter lies medial of the head on the film."""
    for result in measured(HIPS, turn_deg=60.0).values():
        assert "contradicts" not in flags(result)


def test_a_point_within_one_per_cent_of_the_border_is_flagged_where_it_is_used() -> None:
    # 1,000 px wide: 9 px from the right-hand border is nearer than 10.
    x_mm = (1000 - 0.5 - 9) * 0.5 - 225
    found = measured(moved(greater_trochanter_left=(x_mm, -4.0)))
    assert "greater_trochanter_left lies within 1 % of the picture's border" in flags(
        found["trochanteric_height", "left"]
    )
    assert "border" not in flags(found["trochanteric_height", "right"])
    inside = measured(moved(greater_trochanter_left=(x_mm - 1.0, -4.0)))
    assert "border" not in flags(inside["trochanteric_height", "left"])


@pytest.mark.parametrize(("turn_deg", "told"), [(2.9, False), (3.1, True), (-3.1, True)])
def test_an_oblique_pelvis_is_flagged_by_a_threshold_that_is_called_unverified(turn_deg: float, told: bool) -> None:
    found = measured(HIPS, turn_deg=turn_deg)
    assert ("more than 3 (unverified threshold)" in flags(found["leg_length_discrepancy", None])) == told
    assert "obliquity" not in flags(found["femoral_offset", "left"])  # which has nothing to do with the pelvis


@pytest.mark.parametrize(("lean_deg", "told"), [(4.9, False), (5.1, True), (-5.1, True)])
def test_legs_that_lie_differently_are_told_of_leg_lengths_only(lean_deg: float, told: bool) -> None:
    lean = 100 * math.tan(math.radians(lean_deg))
    found = measured(moved(femoral_shaft_distal_left=(130.0 + lean, 180.0)))
    assert ("abduction differs" in flags(found["leg_length_discrepancy", None])) == told
    assert "abduction" not in flags(found["hip_centre_height_difference", None])
    both = measured(
        moved(femoral_shaft_distal_left=(130.0 + lean, 180.0), femoral_shaft_distal_right=(-130.0 - lean, 180.0))
    )
    assert "abduction" not in flags(both["leg_length_discrepancy", None])


@pytest.mark.parametrize(("sacrum_mm", "told"), [(9.0, False), (10.0, True), (-10.0, True)])  # 0.08 of 120 mm are 9.6
def test_a_rotated_pelvis_is_flagged_by_a_threshold_that_is_called_unverified(sacrum_mm: float, told: bool) -> None:
    found = measured(moved(sacrococcygeal_junction=(sacrum_mm, -30.0)))
    assert ("pelvis looks rotated" in flags(found["toennis_angle", "left"])) == told


@pytest.mark.parametrize(("length_mm", "told"), [(99.0, True), (101.0, False)])
def test_a_short_tibial_axis_is_told_of_the_slope(length_mm: float, told: bool) -> None:
    points = {
        "tibial_shaft_proximal": (0.0, 50.0), "tibial_shaft_distal": (0.0, 50.0 + length_mm),
        "tibial_plateau_anterior": (20.0, 0.0), "tibial_plateau_posterior": (-20.0, 5.0),
    }  # fmt: skip
    found = measured(points, side="left")
    assert ("shorter than 100 mm" in flags(found["posterior_tibial_slope", "left"])) == told


def test_a_knee_told_to_be_the_other_one_contradicts_anatomy() -> None:
    points = {
        "femoral_shaft_proximal": (0.0, -100.0), "femoral_shaft_distal": (0.0, -40.0), "femoral_condyle_medial": (-25.0, 0.0),
        "femoral_condyle_lateral": (25.0, 0.0),
    }  # fmt: skip
    assert "contradicts" not in flags(measured(points, side="left")["aldfa", "left"])
    assert "contradicts" in flags(measured(points, side="right")["aldfa", "right"])
