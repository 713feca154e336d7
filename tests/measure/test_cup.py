"""The cup's rim: a free ellipse where it is seen all round, never where only half of it is; other definitions, tilt and cone."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from radmark.core import Frame, InputError, Marks, Scheme, Spacing, SpacingSource
from radmark.io import read_scheme
from radmark.measure import MEASURES, Result, cup
from radmark.measure.cup import ConeBeam, otherwise, seen_deg, unconed_deg
from radmark.measure.ellipse import fit_circle, fit_ellipse
from radmark.measure.entry import TEARDROPS, Measure
from radmark.measure.measure import measure
from radmark.measure.scatter import SdPx

ROUND = {
    "superolateral": 0, "inferomedial": 180, "upper_1": 45, "upper_2": 90, "upper_3": 135, "lower_1": 315, "lower_2": 270,
    "lower_3": 225,
}  # fmt: skip
HALF = {"superolateral": 0, "inferomedial": 180, "lower_1": 315, "lower_2": 270, "lower_3": 225}


def rim(ri_deg: float, ra_deg: float, at: dict[str, int], half_axis_mm: float = 26.0) -> dict[str, np.ndarray]:
    """Points of a left cup's rim, drawn as the ellipse it is: half axes a and a sin(RA), the long one rising outwards by RI."""
    along = np.array([math.cos(math.radians(ri_deg)), -math.sin(math.radians(ri_deg))])
    beside = np.array([along[1], -along[0]])
    short = half_axis_mm * math.sin(math.radians(ra_deg))
    return {
        name: np.array([95.0, -20.0])
        + half_axis_mm * math.cos(math.radians(t)) * along
        + short * math.sin(math.radians(t)) * beside
        for name, t in at.items()
    }


def film(points: dict[str, np.ndarray]) -> Marks:
    named = {f"cup_rim_{name}": xy for name, xy in points.items()}
    named |= {"teardrop_right": np.array([-60.0, 0.0]), "teardrop_left": np.array([60.0, 0.0])}
    xy = (np.array(list(named.values())) + 300) / 0.2
    frame = Frame(3000, 3000, Spacing(0.2, 0.2, SpacingSource.FLAG))
    return Marks.present(Scheme.from_names(tuple(named)), frame, xy)


def measured(
    points: dict[str, np.ndarray], sd_px: SdPx | None = None, measures: Sequence[Measure] = MEASURES
) -> dict[str, Result]:
    return {r.key: r for r in measure(film(points), sd_px=sd_px, side="left", measures=measures)}


def test_eight_points_round_the_rim_give_the_ellipses_angles() -> None:
    found = measured(rim(43.0, 17.0, ROUND))
    assert found["cup_inclination_ellipse"].value == pytest.approx(43)
    assert found["cup_anteversion_ellipse"].value == pytest.approx(17)
    assert found["cup_inclination_ellipse"].title == "radiographic cup inclination, free ellipse"
    assert any(flag.startswith("inside the Lewinnek") for flag in found["cup_inclination_ellipse"].flags)


def test_half_a_rim_has_no_free_ellipse_and_says_what_to_use() -> None:
    found = measured(rim(43.0, 17.0, HALF))
    for key in ("cup_inclination_ellipse", "cup_anteversion_ellipse"):
        assert found[key].value is None
        assert "one half of the rim" in found[key].words
        assert "cup_anteversion" in found[key].words
    assert found["cup_anteversion"].value == pytest.approx(17)
    assert found["cup_inclination"].value == pytest.approx(43)


def test_half_a_rim_with_noise_has_none_either() -> None:
    """The reference's own trial: five points on half a rim, half a millimetre of noise, 40 and 15 degrees."""
    rng = np.random.default_rng(1)
    at = {"superolateral": 5, "inferomedial": 175, "lower_1": 40, "lower_2": 90, "lower_3": 135}
    true = rim(40.0, 15.0, at)
    kept = 0
    for _ in range(60):
        noisy = {name: xy + rng.normal(scale=0.5, size=2) for name, xy in true.items()}
        kept += measured(noisy)["cup_anteversion_ellipse"].value is not None
    assert kept == 0


def test_without_the_axis_ends_a_wide_gap_is_what_tells_half_a_rim() -> None:
    at = {"third": 350, "lower_1": 20, "lower_2": 60, "lower_3": 100, "upper_1": 140, "upper_2": 165}
    assert "one half" in measured(rim(43.0, 17.0, at))["cup_inclination_ellipse"].words
    around = {"third": 10, "lower_1": 80, "lower_2": 150, "upper_1": 220, "upper_2": 290}
    assert measured(rim(43.0, 17.0, around))["cup_anteversion_ellipse"].value == pytest.approx(17)


def test_four_points_are_too_few_and_the_lacking_ones_are_named() -> None:
    points = rim(43.0, 17.0, {"superolateral": 0, "inferomedial": 180, "upper_2": 90, "lower_2": 270})
    landmarks = film(points | {"lower_1": np.array([np.nan, np.nan])})
    found = {r.key: r for r in measure(landmarks, side="left")}
    assert found["cup_anteversion_ellipse"].words == "not computable: missing [cup_rim_lower_1]"


@pytest.mark.parametrize("form", ["", "_ellipse"])
def test_the_stated_standard_deviation_is_that_of_many_noisy_films(form: str) -> None:
    rng = np.random.default_rng(2)
    true = rim(40.0, 15.0, ROUND)
    stated = measured(true, sd_px=dict.fromkeys((f"cup_rim_{n}" for n in ROUND), 2.5) | dict.fromkeys(TEARDROPS, 0.0))
    drawn: dict[str, list[float]] = {"cup_inclination": [], "cup_anteversion": []}
    entries = tuple(m for m in MEASURES if m.key in {key + form for key in drawn})
    for _ in range(400):
        noisy = measured({name: xy + rng.normal(scale=0.5, size=2) for name, xy in true.items()}, measures=entries)
        for key, values in drawn.items():
            value = noisy[key + form].value
            assert value is not None
            values.append(value)
    for key, values in drawn.items():
        sd = stated[key + form].sd
        assert sd is not None
        assert sd == pytest.approx(np.std(values), rel=0.15)
    if form:  # the reference's trial: 8 points and half a millimetre, 0.8 degrees
        assert stated["cup_anteversion_ellipse"].sd == pytest.approx(0.8, abs=0.15)


def test_more_rim_points_make_the_constrained_form_surer() -> None:
    one = measured(rim(40.0, 15.0, {"superolateral": 0, "inferomedial": 180, "third": 270}), sd_px=2.5)
    all_of = measured(rim(40.0, 15.0, HALF), sd_px=2.5)
    assert one["cup_anteversion"].sd == pytest.approx(1.4, abs=0.15)  # the reference's three-point trial
    assert all_of["cup_anteversion"].sd < one["cup_anteversion"].sd  # type: ignore[operator]


def test_the_fit_takes_an_ellipse_where_a_hyperbola_would_lie_nearer() -> None:
    points = np.array([[-2, 0.3], [-1, 0.05], [0, 0.0], [1, 0.05], [2, 0.3], [0.0, 4.0]], float)
    ellipse = fit_ellipse(points)
    assert ellipse is not None
    assert ellipse.long >= ellipse.short > 0
    assert fit_ellipse(np.array([[float(k), 2.0 * k] for k in range(6)])) is None
    assert fit_ellipse(np.zeros((6, 2))) is None
    assert fit_ellipse(points[:4]) is None


def test_a_circle_goes_through_its_points_and_through_none_on_a_line() -> None:
    at = np.radians([10.0, 100.0, 160.0, 300.0])
    found = fit_circle(np.column_stack([3 + 7 * np.cos(at), -2 + 7 * np.sin(at)]))
    assert found is not None
    assert found[0] == pytest.approx([3, -2])
    assert found[1] == pytest.approx(7)
    assert fit_circle(np.array([[0.0, 0], [1, 1], [2, 2]])) is None


# --------------------------------------------------------------------------------------- definitions, tilt and the cone


def test_other_definitions_stand_in_rows_of_their_own_that_name_them() -> None:
    points = rim(42.0, 19.0, ROUND)
    found = measured(points, measures=(*MEASURES, *otherwise("anatomic"), *otherwise("operative")))
    axis = (  # lateral, down, forward
        math.cos(math.radians(19)) * math.sin(math.radians(42)),
        math.cos(math.radians(19)) * math.cos(math.radians(42)),
        math.sin(math.radians(19)),
    )
    expected = {
        "cup_inclination_anatomic": math.acos(axis[1]), "cup_anteversion_anatomic": math.atan2(axis[2], axis[0]),
        "cup_inclination_operative": math.asin(axis[0]), "cup_anteversion_operative": math.atan2(axis[2], axis[1]),
    }  # fmt: skip
    for key, value in expected.items():
        for form in ("", "_ellipse"):
            assert found[key + form].value == pytest.approx(math.degrees(value))
            assert key.rsplit("_", 1)[1] in found[key + form].title
            assert key.rsplit("_", 1)[1] in found[key + form].source
    assert found["cup_inclination"].value == pytest.approx(42)
    assert "radiographic" in found["cup_inclination"].title


@pytest.mark.parametrize("tilt", [10.0, -10.0])
def test_a_tilted_pelvis_is_turned_back(tilt: float) -> None:
    """The reference's example: at 40 and 15, ten degrees of posterior tilt show 42.2 and 22.5, ten of anterior 38.8 and 7.3."""
    shown = {10.0: (42.2, 22.5), -10.0: (38.8, 7.3)}[tilt]
    assert cup.tilted_deg(40, 15, tilt) == pytest.approx(shown, abs=0.06)
    points = rim(*cup.tilted_deg(40, 15, tilt), ROUND)
    found = measured(points, measures=(*MEASURES, *otherwise(posterior_tilt_deg=tilt)))
    assert found["cup_inclination_radiographic_tilt_corrected"].value == pytest.approx(40)
    assert found["cup_anteversion_radiographic_tilt_corrected"].value == pytest.approx(15)
    assert f"turned back from {tilt:g} degrees" in " ".join(found["cup_anteversion_radiographic_tilt_corrected"].flags)
    assert found["cup_anteversion"].value == pytest.approx(shown[1], abs=0.06)  # what the film shows stays


def small_disc(ri_deg: float, ra_deg: float, cone: ConeBeam) -> tuple[float, float]:
    """The ellipse of a disc too small to feel perspective: singular values of the projection's derivative at its centre."""
    ri, ra = math.radians(ri_deg), math.radians(ra_deg)
    axis = np.array(
        [math.cos(ra) * math.sin(ri), -math.cos(ra) * math.cos(ri), math.sin(ra)]
    )  # lateral, up, to the source
    disc = np.linalg.svd(axis[None])[2][1:].T
    depth = cone.source_mm - cone.height_mm
    along, axes, _ = np.linalg.svd(np.array([[1, 0, cone.lateral_mm / depth], [0, 1, cone.up_mm / depth]]) @ disc)
    x, y = along[:, 0] * np.sign(along[1, 0])
    return math.degrees(math.atan2(y, x)), math.degrees(math.asin(axes[1] / axes[0]))


def test_the_cone_of_a_pelvis_centred_film_is_that_of_the_reference() -> None:
    """Source at 1150 mm, cup 100 above the detector and 90 beside the ray: 15 shows as 11.8; 30 below, about one degree less."""
    beside, below = ConeBeam(1150, 100, 90, 0), ConeBeam(1150, 100, 90, -30)
    assert seen_deg(40, 15, beside)[1] == pytest.approx(11.8, abs=0.05)
    assert seen_deg(40, 15, below)[1] == pytest.approx(10.8, abs=0.25)
    for cone in (beside, below):
        for true in (5.0, 15.0, 25.0):
            shown = seen_deg(40, true, cone)
            assert shown == pytest.approx(small_disc(40, true, cone), abs=0.02)
            assert 0 <= shown[0] - 40 <= 1.6
            assert unconed_deg(*shown, cone) == pytest.approx((40, true), abs=1e-6)
    assert seen_deg(40, 15, ConeBeam(1150, 100, 0, 0)) == pytest.approx((40, 15), abs=0.1)  # hip-centred: about none
    assert seen_deg(40, 15, ConeBeam(1e7, 100, 90, 0)) == pytest.approx((40, 15), abs=1e-3)  # rays all but parallel


def test_the_cones_effect_hardly_depends_on_the_rims_size() -> None:
    cone = ConeBeam(1150, 100, 90, -30)
    small, large = seen_deg(40, 15, cone, radius_mm=20), seen_deg(40, 15, cone, radius_mm=32)
    assert small == pytest.approx(large, abs=0.1)


def test_a_film_with_a_cone_is_corrected_when_the_distances_are_given() -> None:
    cone = ConeBeam(1150, 100, 90, -30)
    found = measured(rim(*seen_deg(40, 15, cone), ROUND), measures=(*MEASURES, *otherwise(cone=cone)))
    assert found["cup_inclination_radiographic_cone_corrected"].value == pytest.approx(40, abs=1e-4)
    assert found["cup_anteversion_radiographic_cone_corrected"].value == pytest.approx(15, abs=1e-4)
    assert "source at 1150 mm" in " ".join(found["cup_anteversion_radiographic_cone_corrected"].flags)
    assert otherwise() == ()  # off unless asked for


@pytest.mark.parametrize("numbers", [(1150, 900, 0, 0), (1150, -1, 0, 0), (math.nan, 100, 0, 0)])
def test_a_cup_that_stands_nowhere_is_refused(numbers: tuple[float, float, float, float]) -> None:
    with pytest.raises(InputError, match="SID,HEIGHT,LATERAL,UP"):
        ConeBeam(*numbers)


def test_a_tilt_no_pelvis_has_is_refused() -> None:
    with pytest.raises(InputError, match="tilted by so much"):
        otherwise(posterior_tilt_deg=75)


def test_the_scheme_of_the_rim_holds_what_ellipse_and_head_need() -> None:
    names = read_scheme("cup-rim").names
    assert {name.replace("_{s}", "") for name in (*cup.ENDS, *cup.RIM)} - {"cup_rim_third"} <= set(names)
