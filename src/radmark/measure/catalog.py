"""Everything that is measured, one entry each: what it needs, how it is computed, and on whose word.

A landmark's name ends in _left or _right where a film shows both sides; {s} stands for the measured side. A scheme of one side
leaves the ending out. Formulas, signs and sources: docs/measurements.md, which a test compares with this file.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from radmark.measure import cup
from radmark.measure.geometry import Pelvis, Point, angle_deg, cross, signed_angle_deg

Points = Mapping[str, Point]
"""Points by the names in an entry's `needs`, {s} left as it is."""

Kind = Literal["length", "angle", "percent", "ratio"]


@dataclass(frozen=True)
class Measure:
    """One measurement.

    Args:
        key: its name in files; the same in every version.
        title: its name in words.
        kind: what it is, which gives its unit.
        needs: landmarks.
        compute: points and the side (+1 left, -1 right) to a number; NaN where the points contradict each other.
        by_side: whether each side has one.
        line: what it is measured against.
        sign: what a positive value means.
        source: who defined or described it.
        notes: what has to be known of every value.
    """

    key: str
    title: str
    kind: Kind
    needs: tuple[str, ...]
    compute: Callable[[Points, int], float]
    by_side: bool
    line: str
    sign: str
    source: str
    notes: tuple[str, ...] = ()


_TEARDROPS = ("teardrop_right", "teardrop_left")
_ISCHIA = ("ischium_right", "ischium_left")
_SHAFT = ("femoral_shaft_proximal_{s}", "femoral_shaft_distal_{s}")
_RIM = ("cup_rim_superolateral_{s}", "cup_rim_inferomedial_{s}")
_FILM_LENGTHENS = "an abducted or adducted leg and an oblique pelvis move it by up to 10 mm"


def _teardrops(p: Points) -> Pelvis:
    return Pelvis(p["teardrop_right"], p["teardrop_left"])


def _ischia(p: Points) -> Pelvis:
    return Pelvis(p["ischium_right"], p["ischium_left"])


def _femoral_offset(p: Points, s: int) -> float:
    axis = p[_SHAFT[1]] - p[_SHAFT[0]]
    return s * cross(axis / np.hypot(*axis), p["femoral_head_{s}"] - p[_SHAFT[0]])


def _acetabular_offset(p: Points, s: int) -> float:
    pelvis = _teardrops(p)
    own = p["teardrop_left"] if s > 0 else p["teardrop_right"]
    return pelvis.lateral(p["femoral_head_{s}"], s) - pelvis.lateral(own, s)


def _inclination(p: Points, s: int) -> float:
    found = _teardrops(p).slope_deg(p[_RIM[1]], p[_RIM[0]], s)
    return found if 0 <= found <= 90 else math.nan  # the ends are swapped, or another side's


def _sfp(p: Points, _: int) -> float:
    angles = [
        angle_deg(p["sacral_endplate"] - p[head], p["pubic_symphysis"] - p[head])
        for head in ("femoral_head_right", "femoral_head_left")
    ]
    return sum(angles) / 2


def _extrusion(p: Points, s: int) -> float:
    pelvis = _teardrops(p)
    medial, lateral, edge = (
        pelvis.lateral(p[f"{name}_{{s}}"], s)
        for name in ("femoral_head_medial", "femoral_head_lateral", "sourcil_lateral")
    )
    return 100 * (lateral - edge) / (lateral - medial) if lateral > medial else math.nan


def _slope(p: Points, _: int) -> float:
    axis = p["tibial_shaft_distal_{s}"] - p["tibial_shaft_proximal_{s}"]
    plateau = p["tibial_plateau_posterior_{s}"] - p["tibial_plateau_anterior_{s}"]
    return 90 - angle_deg(plateau, axis)  # the arc sine of the reference, without its rounding beyond 1


def _deviation(p: Points, s: int) -> float:
    femur = p["femoral_notch_{s}"] - p["femoral_head_{s}"]
    return s * signed_angle_deg(femur, p["talus_{s}"] - p["tibial_spines_{s}"])


def _condyles(p: Points) -> Point:
    return p["femoral_condyle_lateral_{s}"] - p["femoral_condyle_medial_{s}"]


def _plateau(p: Points) -> Point:
    return p["tibial_plateau_lateral_{s}"] - p["tibial_plateau_medial_{s}"]


def _mldfa(p: Points, _: int) -> float:
    return angle_deg(p["femoral_head_{s}"] - p["femoral_notch_{s}"], _condyles(p))


def _mpta(p: Points, _: int) -> float:
    return angle_deg(p["talus_{s}"] - p["tibial_spines_{s}"], -_plateau(p))


_LONG_LEG = ("femoral_head_{s}", "femoral_notch_{s}", "tibial_spines_{s}", "talus_{s}")
_CONDYLES = ("femoral_condyle_medial_{s}", "femoral_condyle_lateral_{s}")
_PLATEAU = ("tibial_plateau_medial_{s}", "tibial_plateau_lateral_{s}")

MEASURES: tuple[Measure, ...] = (
    Measure(
        "leg_length_discrepancy", "leg-length discrepancy", "length",
        (*_TEARDROPS, "lesser_trochanter_right", "lesser_trochanter_left"),
        lambda p, _: _teardrops(p).up(p["lesser_trochanter_left"]) - _teardrops(p).up(p["lesser_trochanter_right"]),
        False, "inter-teardrop line", "right leg longer", "Kjellberg 2012, PMID 21491155", (_FILM_LENGTHENS,),
    ),
    Measure(
        "leg_length_discrepancy_bi_ischial", "leg-length discrepancy, bi-ischial", "length",
        (*_ISCHIA, "lesser_trochanter_right", "lesser_trochanter_left"),
        lambda p, _: _ischia(p).up(p["lesser_trochanter_left"]) - _ischia(p).up(p["lesser_trochanter_right"]),
        False, "bi-ischial line", "right leg longer", "Meermans 2011, PMC3094616",
        ("secondary: biased against the inter-teardrop line", _FILM_LENGTHENS),
    ),
    Measure(
        "hip_centre_height_difference", "difference of hip centre heights", "length",
        (*_TEARDROPS, "femoral_head_right", "femoral_head_left"),
        lambda p, _: _teardrops(p).up(p["femoral_head_left"]) - _teardrops(p).up(p["femoral_head_right"]),
        False, "inter-teardrop line", "left hip centre higher", "Meermans 2011, PMC3094616",
    ),
    Measure(
        "hip_centre_height", "hip centre height", "length", (*_TEARDROPS, "femoral_head_{s}"),
        lambda p, _: _teardrops(p).up(p["femoral_head_{s}"]), True, "inter-teardrop line", "above the line", "derived",
    ),
    Measure(
        "femoral_offset", "femoral offset", "length", ("femoral_head_{s}", *_SHAFT), _femoral_offset, True,
        "axis of the femoral shaft", "head medial to the axis", "Merle 2012, BJJ 94-B:477",
        ("an AP pelvis shows 13 % less than a CT; uncorrected",),
    ),
    Measure(
        "acetabular_offset", "acetabular offset", "length", (*_TEARDROPS, "femoral_head_{s}"), _acetabular_offset, True,
        "inter-teardrop line", "head lateral to the teardrop", "derived",
    ),
    Measure(
        "global_offset", "global offset", "length", (*_TEARDROPS, "femoral_head_{s}", *_SHAFT),
        lambda p, s: _femoral_offset(p, s) + _acetabular_offset(p, s), True,
        "inter-teardrop line and axis of the femoral shaft", "lateral", "Weber 2014, PMID 24857334",
    ),
    Measure(
        "trochanteric_height", "trochanteric height", "length", ("greater_trochanter_{s}", "femoral_head_{s}", *_SHAFT),
        lambda p, _: float(
            (p["femoral_head_{s}"] - p["greater_trochanter_{s}"])
            @ (p[_SHAFT[0]] - p[_SHAFT[1]]) / np.hypot(*(p[_SHAFT[0]] - p[_SHAFT[1]]))
        ),
        True, "axis of the femoral shaft", "head centre above the trochanter's tip", "derived",
    ),
    Measure(
        "neck_shaft_angle", "neck-shaft angle", "angle", ("femoral_head_{s}", "femoral_neck_{s}", *_SHAFT),
        lambda p, _: angle_deg(p["femoral_head_{s}"] - p["femoral_neck_{s}"], p[_SHAFT[1]] - p[_SHAFT[0]]), True,
        "axis of the femoral shaft", "0 to 180", "Mast 2011, PMC3008883", ("among the least reliable angles of the hip",),
    ),
    Measure(
        "stem_alignment", "coronal stem alignment", "angle", ("stem_proximal_{s}", "stem_distal_{s}", *_SHAFT),
        lambda p, s: -s * signed_angle_deg(p[_SHAFT[1]] - p[_SHAFT[0]], p["stem_distal_{s}"] - p["stem_proximal_{s}"]),
        True, "axis of the femoral shaft", "varus: the stem's tip lateral", "derived",
    ),
    Measure(
        "lateral_centre_edge_angle", "lateral centre-edge angle", "angle",
        (*_TEARDROPS, "femoral_head_{s}", "sourcil_lateral_{s}"),
        lambda p, s: math.remainder(
            90 - _teardrops(p).slope_deg(p["femoral_head_{s}"], p["sourcil_lateral_{s}"], s), 360
        ),
        True,
        "inter-teardrop line", "edge lateral to the head's vertical", "Tannast 2015, PMC4353515",
        ("the edge is that of the sourcil as the scheme defines it",),
    ),
    Measure(
        "toennis_angle", "Tönnis angle", "angle", (*_TEARDROPS, "sourcil_medial_{s}", "sourcil_lateral_{s}"),
        lambda p, s: _teardrops(p).slope_deg(p["sourcil_medial_{s}"], p["sourcil_lateral_{s}"], s), True,
        "inter-teardrop line", "roof rises laterally", "Tannast 2015, PMC4353515",
    ),
    Measure(
        "sharp_angle", "Sharp angle", "angle", (*_TEARDROPS, "sourcil_lateral_{s}"),
        lambda p, s: _teardrops(p).slope_deg(
            p["teardrop_left"] if s > 0 else p["teardrop_right"], p["sourcil_lateral_{s}"], s
        ),
        True, "inter-teardrop line", "edge above the teardrop", "Tannast 2015, PMC4353515",
    ),
    Measure(
        "extrusion_index", "extrusion index", "percent",
        (*_TEARDROPS, "femoral_head_medial_{s}", "femoral_head_lateral_{s}", "sourcil_lateral_{s}"), _extrusion, True,
        "inter-teardrop line", "uncovered share of the head", "Tannast 2015, PMC4353515",
    ),
    Measure(
        "cup_inclination", "radiographic cup inclination", "angle", (*_TEARDROPS, *_RIM),
        _inclination, True, "inter-teardrop line", "0 to 90", "radiographic definition (Murray)",
    ),
    Measure(
        "cup_anteversion", "radiographic cup anteversion", "angle", (*_RIM, "cup_rim_third_{s}"),
        lambda p, _: cup.anteversion_from_chord_deg(p[_RIM[0]], p[_RIM[1]], p["cup_rim_third_{s}"]), True,
        "long axis of the cup's ellipse", "unsigned: one film cannot tell anteversion from retroversion",
        "Hassan 1995, one chord; radiographic definition",
        ("assumed anteversion", "a pelvis-centred film shows 3 to 3.5 degrees too little; uncorrected"),
    ),
    Measure(
        "pelvic_obliquity", "pelvic obliquity", "angle", _TEARDROPS,
        lambda p, _: signed_angle_deg(np.array([1.0, 0.0]), p["teardrop_left"] - p["teardrop_right"]), False,
        "horizontal of the film", "patient's left lower", "derived", ("only where film and patient were level",),
    ),
    Measure(
        "pelvic_rotation", "pelvic rotation, sacrum against symphysis", "length",
        (*_TEARDROPS, "sacrococcygeal_junction", "pubic_symphysis"),
        lambda p, _: float((p["sacrococcygeal_junction"] - p["pubic_symphysis"]) @ _teardrops(p).across), False,
        "inter-teardrop line", "sacrum towards the patient's left", "derived", ("an indicator, not an angle",),
    ),
    Measure(
        "ps_sc_distance", "height of the sacrococcygeal junction above the symphysis", "length",
        (*_TEARDROPS, "sacrococcygeal_junction", "pubic_symphysis"),
        lambda p, _: _teardrops(p).up(p["sacrococcygeal_junction"]) - _teardrops(p).up(p["pubic_symphysis"]), False,
        "inter-teardrop line", "junction above the symphysis", "derived", ("follows pelvic tilt only moderately",),
    ),
    Measure(
        "ps_sc_ratio", "the same as a share of the inter-teardrop distance", "ratio",
        (*_TEARDROPS, "sacrococcygeal_junction", "pubic_symphysis"),
        lambda p, _: float(
            np.float64(_teardrops(p).up(p["sacrococcygeal_junction"]) - _teardrops(p).up(p["pubic_symphysis"]))
            / np.hypot(*(p["teardrop_left"] - p["teardrop_right"]))
        ),
        False, "inter-teardrop line", "junction above the symphysis", "derived", ("needs no millimetres",),
    ),
    Measure(
        "psti", "symphysis above the trans-ischial line", "length", (*_ISCHIA, "pubic_symphysis"),
        lambda p, _: _ischia(p).up(p["pubic_symphysis"]), False, "bi-ischial line", "symphysis above the line", "PMID 31911867",
    ),
    Measure(
        "sfp_angle", "sacro-femoral-pubic angle", "angle",
        ("sacral_endplate", "pubic_symphysis", "femoral_head_right", "femoral_head_left"), _sfp, False,
        "both hip centres", "0 to 180", "Blondel 2011, PMC3326127",
    ),
    Measure(
        "pelvic_tilt_sfp", "pelvic tilt from the sacro-femoral-pubic angle", "angle",
        ("sacral_endplate", "pubic_symphysis", "femoral_head_right", "femoral_head_left"), lambda p, s: 75 - _sfp(p, s), False,
        "both hip centres", "posterior", "Blondel 2011, PMC3326127",
        ("approximate: within 7.5 degrees in three of four films; changes between films are surer",),
    ),
    Measure(
        "mechanical_deviation", "mechanical deviation", "angle", _LONG_LEG, _deviation, True, "mechanical axis of the femur",
        "varus", "PMC3048894",
    ),
    Measure(
        "hka_angle", "hip-knee-ankle angle", "angle", _LONG_LEG, lambda p, s: 180 - _deviation(p, s), True,
        "mechanical axis of the femur", "below 180 is varus", "PMC3048894",
    ),
    Measure(
        "mldfa", "mechanical lateral distal femoral angle", "angle", ("femoral_head_{s}", "femoral_notch_{s}", *_CONDYLES),
        _mldfa, True, "mechanical axis of the femur", "lateral angle", "PMC9881281",
        ("of an implant, where the condyles are the component's",),
    ),
    Measure(
        "mpta", "medial proximal tibial angle", "angle", ("tibial_spines_{s}", "talus_{s}", *_PLATEAU), _mpta, True,
        "mechanical axis of the tibia", "medial angle", "PMC9881281", ("of an implant, where the plateau is the tray",),
    ),
    Measure(
        "jlca", "joint line convergence angle", "angle", (*_CONDYLES, *_PLATEAU),
        lambda p, s: s * signed_angle_deg(_condyles(p), _plateau(p)), True, "distal femoral condyles", "opens laterally",
        "PMC9881281", ("the noisiest of the knee's angles",),
    ),
    Measure(
        "aldfa", "anatomical lateral distal femoral angle", "angle", (*_SHAFT, *_CONDYLES),
        lambda p, _: angle_deg(p[_SHAFT[0]] - p[_SHAFT[1]], _condyles(p)), True, "axis of the femoral shaft", "lateral angle",
        "derived",
    ),
    Measure(
        "tibiofemoral_angle", "anatomical tibiofemoral angle", "angle",
        (*_SHAFT, "tibial_shaft_proximal_{s}", "tibial_shaft_distal_{s}"),
        lambda p, s: -s * signed_angle_deg(
            p[_SHAFT[1]] - p[_SHAFT[0]], p["tibial_shaft_distal_{s}"] - p["tibial_shaft_proximal_{s}"]
        ),
        True, "axes of both shafts", "valgus", "derived",
    ),
    Measure(
        "posterior_tibial_slope", "posterior tibial slope (lateral film)", "angle",
        ("tibial_shaft_proximal_{s}", "tibial_shaft_distal_{s}", "tibial_plateau_anterior_{s}", "tibial_plateau_posterior_{s}"),
        _slope, True, "axis of the tibial shaft", "posterior edge lower", "dergipark 1771453",
        ("the axis chosen changes it by degrees",),
    ),
)  # fmt: skip
"""In the order of a report."""
