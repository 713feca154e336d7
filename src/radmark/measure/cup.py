"""The opening of an acetabular cup from its ellipse on the film, and the same cup by other definitions.

One film cannot tell anteversion from retroversion: angles of version come without a sign. Identities, exact for parallel rays;
the cone of a pelvis-centred film makes anteversion 3 to 3.5 degrees too small and inclination up to 1.6 too large.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from radmark.core.errors import InputError
from radmark.measure.ellipse import Many, fit_ellipse
from radmark.measure.entry import (
    ELLIPSE_AXIS,
    RIM_AXIS,
    TEARDROPS,
    Line,
    Measure,
    Points,
    UncomputableError,
    teardrops,
)
from radmark.measure.geometry import Point, cross

Definition = Literal["radiographic", "anatomic", "operative"]

ENDS = ("cup_rim_superolateral_{s}", "cup_rim_inferomedial_{s}")
"""Ends of the long axis of the ellipse."""

RIM = (
    "cup_rim_third_{s}", "cup_rim_upper_1_{s}", "cup_rim_upper_2_{s}", "cup_rim_upper_3_{s}",
    "cup_rim_lower_1_{s}", "cup_rim_lower_2_{s}", "cup_rim_lower_3_{s}",
)  # fmt: skip
"""Further points of the rim."""

LARGEST_GAP_DEG = 120.0
"""A free ellipse wants rim points all round. On half a rim five points scatter anteversion by 7 degrees and inclination by 9."""


def anteversion_from_rim_deg(one_end: Point, other_end: Point, rim: Many) -> float:
    """From the ends of the long axis and further points of the rim: least squares of their heights above the axis.

    With one point that is Hassan's formula (1995), and Pradhan's where it lies at a fifth of the axis.

    NaN where none lies between the ends, or they would need an ellipse whose short axis is the longer one.
    """
    axis = other_end - one_end
    length = float(np.hypot(*axis))
    if length == 0:
        return math.nan
    share = (rim - one_end) @ axis / length**2
    between = (share > 0) & (share < 1)
    reach = np.sqrt(share[between] * (1 - share[between])) * length
    height = np.abs(np.array([cross(axis, p - one_end) for p in rim[between]])) / length
    return _asin_deg(float(height @ reach) / float(reach @ reach)) if len(reach) else math.nan


def anatomic_deg(inclination_deg: float, anteversion_deg: float) -> tuple[float, float]:
    """Murray: radiographic inclination and anteversion to anatomic, what a CT gives."""
    ri, ra = math.radians(inclination_deg), math.radians(anteversion_deg)
    return math.degrees(math.acos(math.cos(ra) * math.cos(ri))), math.degrees(math.atan2(math.tan(ra), math.sin(ri)))


def operative_deg(inclination_deg: float, anteversion_deg: float) -> tuple[float, float]:
    """Murray: radiographic inclination and anteversion to operative."""
    ri, ra = math.radians(inclination_deg), math.radians(anteversion_deg)
    return math.degrees(math.asin(math.cos(ra) * math.sin(ri))), math.degrees(math.atan2(math.tan(ra), math.cos(ri)))


def tilted_deg(inclination_deg: float, anteversion_deg: float, posterior_tilt_deg: float) -> tuple[float, float]:
    """Radiographic inclination and anteversion after the pelvis is tilted backwards by so many degrees."""
    ri, ra, tilt = (math.radians(v) for v in (inclination_deg, anteversion_deg, posterior_tilt_deg))
    turned = math.sin(ra) * math.cos(tilt) + math.cos(ra) * math.cos(ri) * math.sin(tilt)
    down = math.cos(ra) * math.cos(ri) * math.cos(tilt) - math.sin(ra) * math.sin(tilt)
    return math.degrees(math.atan2(math.cos(ra) * math.sin(ri), down)), math.degrees(math.asin(turned))


@dataclass(frozen=True)
class ConeBeam:
    """Where a cup stands in the cone of rays, in millimetres, the detector behind the patient.

    Args:
        source_mm: distance of the source from the detector (SID).
        height_mm: the cup's centre above the detector.
        lateral_mm: the cup's centre lateral of the central ray.
        up_mm: the cup's centre above (towards the head of) the central ray.

    Raises:
        InputError: no such place can be.
    """

    source_mm: float
    height_mm: float
    lateral_mm: float
    up_mm: float

    def __post_init__(self) -> None:
        numbers = (self.source_mm, self.height_mm, self.lateral_mm, self.up_mm)
        if not (all(map(math.isfinite, numbers)) and 0 <= self.height_mm < 0.7 * self.source_mm):
            raise InputError(
                "no cup can stand there between source and detector",
                value=", ".join(f"{v:g}" for v in numbers),
                remedy="Give SID,HEIGHT,LATERAL,UP in millimetres, such as 1150,100,90,0: HEIGHT above the detector",
            )


_RADIUS_MM = 26.0  # of the rim; 20 or 32 change a correction by less than 0.1 degrees, which a test looks at


def seen_deg(
    inclination_deg: float, anteversion_deg: float, cone: ConeBeam, radius_mm: float = _RADIUS_MM
) -> tuple[float, float]:
    """What a film shows of a cup with these radiographic angles: those of the ellipse its rim draws in a cone of rays.

    Anteversion may come out negative: the film then shows the rim from its other side.
    """
    ri, ra = math.radians(inclination_deg), math.radians(anteversion_deg)
    # Lateral, towards the head, towards the source: the opening looks sideways, down and forward.
    axis = np.array([math.cos(ra) * math.sin(ri), -math.cos(ra) * math.cos(ri), math.sin(ra)])
    one = np.array([math.cos(ri), math.sin(ri), 0.0])
    other = np.cross(axis, one)
    turn = np.radians(np.arange(0, 360, 30))[:, None]
    rim = np.array([cone.lateral_mm, cone.up_mm, cone.height_mm]) + radius_mm * (
        np.cos(turn) * one + np.sin(turn) * other
    )
    shadow = rim[:, :2] * (cone.source_mm / (cone.source_mm - rim[:, 2:]))
    ellipse = fit_ellipse(shadow)
    if ellipse is None:
        return math.nan, math.nan
    x, y = ellipse.along if ellipse.along[1] > 0 else -ellipse.along
    area = cross(shadow[1] - shadow[0], shadow[2] - shadow[0])  # which way round the rim is seen
    return math.degrees(math.atan2(y, x)), math.copysign(_asin_deg(ellipse.short / ellipse.long), area)


def unconed_deg(inclination_deg: float, anteversion_deg: float, cone: ConeBeam) -> tuple[float, float]:
    """Radiographic angles as parallel rays would show them, from those on a film whose rays make a cone.

    The rim's model is projected and its angles are moved until the film's come out (two unknowns, two equations).
    """
    wanted = np.array([inclination_deg, anteversion_deg])
    found = wanted.copy()
    for _ in range(60):
        miss = wanted - np.array(seen_deg(float(found[0]), float(found[1]), cone))
        if not np.isfinite(miss).all():
            break
        found = found + miss
        if float(np.abs(miss).max()) < 1e-10:
            return float(found[0]), float(found[1])
    return math.nan, math.nan


LEWINNEK = "Lewinnek reference box (historic reference, not predictive)"


def against_lewinnek(inclination_deg: float, anteversion_deg: float) -> str:
    """Inclination 40 ± 10 and anteversion 15 ± 10 degrees. More than half of dislocated hips lay inside (Abdel 2016)."""
    inside = abs(inclination_deg - 40) <= 10 and abs(anteversion_deg - 15) <= 10
    return f"{'inside' if inside else 'outside'} the {LEWINNEK}"


def _asin_deg(sine: float) -> float:
    return math.degrees(math.asin(sine)) if 0 <= sine <= 1 else math.nan


# ------------------------------------------------------------------------------------------------- entries of the catalog


def _from_ends(p: Points, s: int) -> tuple[float, float]:
    """Inclination and anteversion with the ellipse's long axis given: the form for a rim of which only half is seen."""
    inclination = teardrops(p).slope_deg(p[ENDS[1]], p[ENDS[0]], s)
    if not 0 <= inclination <= 90:  # the ends are swapped, or another side's
        return math.nan, math.nan
    rim = np.array([p[name] for name in RIM if name in p])
    return inclination, anteversion_from_rim_deg(p[ENDS[0]], p[ENDS[1]], rim) if len(rim) else math.nan


def _from_ellipse(p: Points, s: int) -> tuple[float, float]:
    """Inclination and anteversion from a free ellipse through the rim.

    Raises:
        UncomputableError: the points lie on one half of the rim, or on no ellipse.
    """
    points = np.array([p[name] for name in (*ENDS, *RIM) if name in p])
    if all(end in p for end in ENDS):
        axis = p[ENDS[1]] - p[ENDS[0]]
        beside = [cross(axis, p[name] - p[ENDS[0]]) for name in RIM if name in p]
        if not min(beside) < 0 < max(beside):
            raise UncomputableError(_HALF)
    ellipse = fit_ellipse(points)
    if ellipse is None:
        raise UncomputableError("no ellipse goes through the rim points")
    phases = np.sort(ellipse.phases_deg(points))
    if float(np.diff(phases, append=phases[0] + 360).max()) > LARGEST_GAP_DEG:
        raise UncomputableError(_HALF)
    found = teardrops(p).slope_deg(ellipse.centre, ellipse.centre + ellipse.along, s) % 180
    return found if found <= 90 else math.nan, _asin_deg(ellipse.short / ellipse.long)


_HALF = (
    "the rim points lie on one half of the rim, where a free ellipse is not to be trusted; cup_anteversion is for that"
)
_UNSIGNED = "unsigned: one film cannot tell anteversion from retroversion"
_CENTRED = "a pelvis-centred film shows 3 to 3.5 degrees too little; uncorrected"
_DRAWS = 500
_Seen = Callable[[Points, int], tuple[float, float]]
_BASES: dict[str, tuple[_Seen, tuple[str, ...], tuple[str, ...], int, int, str, Line]] = {
    "": (_from_ends, (*TEARDROPS, *ENDS), RIM, 1, 0, "Hassan 1995", RIM_AXIS),
    "_ellipse": (
        _from_ellipse, TEARDROPS, (*ENDS, *RIM), 5, _DRAWS, "Lewinnek 1978, ellipse of Halir and Flusser 1998", ELLIPSE_AXIS,
    ),
}  # fmt: skip

CUP = (
    Measure(
        "cup_inclination", "radiographic cup inclination", "angle", (*TEARDROPS, *ENDS), lambda p, s: _from_ends(p, s)[0],
        True, "inter-teardrop line", "0 to 90", "radiographic definition (Murray)", (TEARDROPS, RIM_AXIS), frame="direction",
    ),
    Measure(
        "cup_anteversion", "radiographic cup anteversion", "angle", ENDS,
        lambda p, _: anteversion_from_rim_deg(p[ENDS[0]], p[ENDS[1]], np.array([p[n] for n in RIM if n in p])),
        True, "long axis of the cup's ellipse", _UNSIGNED, "Hassan 1995; radiographic definition (Murray)", (RIM_AXIS,),
        ("assumed anteversion", _CENTRED), any_of=RIM, at_least=1,
    ),
    Measure(
        "cup_inclination_ellipse", "radiographic cup inclination, free ellipse", "angle", TEARDROPS,
        lambda p, s: _from_ellipse(p, s)[0], True, "inter-teardrop line", "0 to 90",
        "ellipse of Halir and Flusser 1998; radiographic definition (Murray)",
        (TEARDROPS, ELLIPSE_AXIS),
        frame="direction", any_of=(*ENDS, *RIM),
        at_least=5, draws=_DRAWS,
    ),
    Measure(
        "cup_anteversion_ellipse", "radiographic cup anteversion, free ellipse", "angle", TEARDROPS,
        lambda p, s: _from_ellipse(p, s)[1], True, "long axis of the cup's ellipse", _UNSIGNED,
        "Lewinnek 1978, ellipse of Halir and Flusser 1998; radiographic definition (Murray)", (ELLIPSE_AXIS,),
        ("assumed anteversion", _CENTRED), frame="direction", any_of=(*ENDS, *RIM), at_least=5, draws=_DRAWS,
    ),
)  # fmt: skip
"""In the order of a report."""


def _defined(definition: Definition, inclination_deg: float, anteversion_deg: float) -> tuple[float, float]:
    if definition == "radiographic":
        return inclination_deg, anteversion_deg
    return (anatomic_deg if definition == "anatomic" else operative_deg)(inclination_deg, anteversion_deg)


def otherwise(
    definition: Definition = "radiographic", posterior_tilt_deg: float = 0.0, cone: ConeBeam | None = None
) -> tuple[Measure, ...]:
    """Entries for the cup by another definition, for a pelvis without tilt, without the cone of the rays; none if none of these.

    The steps follow each other: the cone's effect is taken off, the pelvis is turned back by its tilt, the definition is changed.

    Args:
        definition: Murray's.
        posterior_tilt_deg: of the pelvis on the film; negative where it is tilted forwards.
        cone: where the cup stands in the cone of rays.

    Raises:
        InputError: the tilt is no angle a pelvis can have.
    """
    if not abs(posterior_tilt_deg) <= 60:
        raise InputError(
            "no pelvis is tilted by so much", value=posterior_tilt_deg, remedy="Give degrees, backwards positive"
        )
    if definition == "radiographic" and not posterior_tilt_deg and cone is None:
        return ()
    key, notes = f"_{definition}", ["assumed anteversion"]
    if cone is None:
        notes.append(_CENTRED)
    else:
        key += "_cone_corrected"
        notes.append(
            f"corrected for the cone of rays: source at {cone.source_mm:g} mm, cup {cone.height_mm:g} mm above the detector, "
            f"{cone.lateral_mm:g} lateral and {cone.up_mm:g} above the central ray"
        )
    if posterior_tilt_deg:
        key += "_tilt_corrected"
        notes.append(f"turned back from {posterior_tilt_deg:g} degrees of posterior pelvic tilt to none")
    entries: list[Measure] = []
    for basis, (seen, needs, rim, at_least, draws, source, axis) in _BASES.items():
        for k, name in enumerate(("inclination", "anteversion")):

            def compute(p: Points, s: int, seen: _Seen = seen, k: int = k) -> float:
                ri, ra = seen(p, s)
                if cone is not None:
                    ri, ra = unconed_deg(ri, ra, cone)
                return _defined(definition, *tilted_deg(ri, ra, -posterior_tilt_deg))[k]

            free = ", free ellipse" * bool(basis) + ", corrected" * (cone is not None or posterior_tilt_deg != 0)
            sign = "0 to 90" if k == 0 else "forwards, which is assumed: one film cannot tell"
            entries.append(
                Measure(
                    f"cup_{name}{key}{basis}", f"{definition} cup {name}{free}", "angle", needs, compute, True,
                    "inter-teardrop line", sign, f"{source}; {definition} definition (Murray)",
                    (TEARDROPS, axis) if k == 0 else (axis,), tuple(notes),
                    frame="direction", any_of=rim, at_least=at_least,
                    draws=0 if cone else draws,  # each draw would have to be solved for the cone
                    facts=("cone_beam",) * (cone is not None) + ("pelvic_tilt_deg",) * (posterior_tilt_deg != 0),
                )
            )  # fmt: skip
    return tuple(entries)
