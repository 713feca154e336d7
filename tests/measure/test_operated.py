"""The operated side against the other: the sign is the operated side's, whichever that is."""

import pytest

from radmark.core import Frame, Marks, Scheme, Spacing, SpacingSource
from radmark.measure import Result
from radmark.measure.hip import against_other_side
from radmark.measure.measure import measure

# Millimetres, level, x towards the patient's left and y down. By hand: the right leg is 6 longer, the right head 4 further out
# and 3 higher, the right femur has 2 less offset.
PELVIS = {
    "teardrop_right": (-60.0, 0.0), "teardrop_left": (60.0, 0.0), "ischium_right": (-75.0, 50.0), "ischium_left": (75.0, 50.0),
    "lesser_trochanter_right": (-95.0, 66.0), "lesser_trochanter_left": (95.0, 60.0),
    "femoral_head_right": (-94.0, -23.0), "femoral_head_left": (90.0, -20.0),
    "femoral_shaft_proximal_right": (-132.0, 80.0), "femoral_shaft_proximal_left": (130.0, 80.0),
    "femoral_shaft_distal_right": (-132.0, 180.0), "femoral_shaft_distal_left": (130.0, 180.0),
}  # fmt: skip
RIGHT_MINUS_LEFT = {
    "leg_length": 6.0, "leg_length_bi_ischial": 6.0, "femoral_offset": -2.0, "acetabular_offset": 4.0, "global_offset": 2.0,
    "hip_centre_height": 3.0,
}  # fmt: skip


def differences(side: str, *, mirror: bool = False) -> dict[str, Result]:
    x = -1 if mirror else 1
    frame = Frame(1000, 1000, Spacing(0.5, 0.8, SpacingSource.FLAG))
    placed = Marks.of(
        Scheme.from_names(tuple(PELVIS)), frame, {n: ((x * a + 250) / 0.5, (b + 250) / 0.8) for n, (a, b) in PELVIS.items()}
    )  # fmt: skip
    entries = against_other_side(side)  # type: ignore[arg-type]
    return {r.key: r for r in measure(placed, measures=entries, mirrored=mirror, sd_px=1.0)}


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize(("side", "sign"), [("right", 1), ("left", -1)])
def test_operated_minus_contralateral_changes_sign_with_the_side(side: str, sign: int, mirror: bool) -> None:
    found = differences(side, mirror=mirror)
    assert set(found) == {f"{key}_operated_minus_other" for key in RIGHT_MINUS_LEFT}
    for key, value in RIGHT_MINUS_LEFT.items():
        result = found[f"{key}_operated_minus_other"]
        assert result.value == pytest.approx(sign * value), key
        assert result.side == side
        assert f"operated ({side}) minus contralateral" in result.title
        assert result.sign.startswith("operated ")


def test_the_scatter_of_both_sides_counts() -> None:
    sd = differences("left")["femoral_offset_operated_minus_other"].sd
    assert sd is not None
    # Per side: the head's 0.5 mm, and the axis' two points, 0.5 mm each, at 103 of 100 mm above the proximal one on the right.
    far = {"right": 103 / 100, "left": 100 / 100}
    per_side = {side: 0.25 * (1 + (1 + t) ** 2 + t**2) for side, t in far.items()}
    assert sd == pytest.approx(sum(per_side.values()) ** 0.5, rel=1e-3)


def test_a_film_without_the_other_hip_says_what_it_lacks() -> None:
    one = {n: xy for n, xy in PELVIS.items() if n != "femoral_shaft_distal_left"}
    placed = Marks.of(
        Scheme.from_names(tuple(one)), Frame(900, 900), {n: (a + 300, b + 300) for n, (a, b) in one.items()}
    )
    found = {r.key: r for r in measure(placed, measures=against_other_side("right"))}
    assert found["femoral_offset_operated_minus_other"].words == "not computable: missing [femoral_shaft_distal_left]"
