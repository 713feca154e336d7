"""Measurements of the knee and the long leg."""

import numpy as np

from radmark.measure.entry import SHAFT, Line, Measure, Points, feet
from radmark.measure.geometry import Point, angle_deg, signed_angle_deg

_LONG_LEG = ("femoral_head_{s}", "femoral_notch_{s}", "tibial_spines_{s}", "talus_{s}")
_CONDYLES = ("femoral_condyle_medial_{s}", "femoral_condyle_lateral_{s}")
_PLATEAU = ("tibial_plateau_medial_{s}", "tibial_plateau_lateral_{s}")
_TIBIA = ("tibial_shaft_proximal_{s}", "tibial_shaft_distal_{s}")
_ALIGNMENT = "PMC3048894"
_ANGLES = "PMC9881281"
_ONE_POINT = "the axis is one shaft point and the middle of the joint: a short film has no other"


def _line(p: Points, names: tuple[str, str]) -> Point:
    return p[names[1]] - p[names[0]]


def _deviation(p: Points, s: int) -> float:
    return s * signed_angle_deg(_line(p, (_LONG_LEG[0], _LONG_LEG[1])), _line(p, (_LONG_LEG[2], _LONG_LEG[3])))


def _mldfa(p: Points, _: int) -> float:
    return angle_deg(p["femoral_head_{s}"] - p["femoral_notch_{s}"], _line(p, _CONDYLES))


def _mpta(p: Points, _: int) -> float:
    return angle_deg(p["talus_{s}"] - p["tibial_spines_{s}"], -_line(p, _PLATEAU))


def _aldfa(p: Points, _: int) -> float:
    return angle_deg(-_line(p, SHAFT), _line(p, _CONDYLES))


def _below_axis(axis: Point, line: Point) -> float:
    """How much a line runs down an axis, as an angle to its perpendicular: an arc sine, without its rounding at 1."""
    return 90 - angle_deg(line, axis)


def _length(p: Points, *names: tuple[str, str]) -> float:
    return float(sum(np.hypot(*_line(p, ends)) for ends in names))


_FEMUR = ("femoral_head_{s}", "femoral_notch_{s}")
_SHIN = ("tibial_spines_{s}", "talus_{s}")


def _of_side(names: Line, side: str) -> Line:
    return tuple(name.replace("{s}", side) for name in names)


def _both_legs(p: Points, _: int) -> float:
    right, left = (
        _length({name: p[name.replace("{s}", side)] for name in _LONG_LEG}, _FEMUR, _SHIN) for side in ("right", "left")
    )
    return right - left


KNEE: tuple[Measure, ...] = (
    Measure(
        "mechanical_deviation", "mechanical deviation", "angle", _LONG_LEG, _deviation, True, "mechanical axis of the femur",
        "varus", _ALIGNMENT, (_FEMUR, _SHIN), published="target after a knee replacement 0 ± 3 degrees (PMC5964264)",
    ),
    Measure(
        "hka_angle", "hip-knee-ankle angle", "angle", _LONG_LEG, lambda p, s: 180 - _deviation(p, s), True,
        "mechanical axis of the femur", "below 180 is varus", _ALIGNMENT, (_FEMUR, _SHIN),
    ),
    Measure(
        "mldfa", "mechanical lateral distal femoral angle", "angle", (*_FEMUR, *_CONDYLES),
        _mldfa, True, "mechanical axis of the femur", "lateral angle", _ANGLES, (_FEMUR, _CONDYLES),
        ("of an implant, where the condyles are the component's",),
    ),
    Measure(
        "mpta", "medial proximal tibial angle", "angle", (*_SHIN, *_PLATEAU), _mpta, True,
        "mechanical axis of the tibia", "medial angle", _ANGLES,
        (_SHIN, _PLATEAU),
        ("of an implant, where the plateau is the tray",),
    ),
    Measure(
        "jlca", "joint line convergence angle", "angle", (*_CONDYLES, *_PLATEAU),
        lambda p, s: s * signed_angle_deg(_line(p, _CONDYLES), _line(p, _PLATEAU)), True, "distal femoral condyles",
        "opens laterally", _ANGLES, (_CONDYLES, _PLATEAU), ("the noisiest of the knee's angles",),
    ),
    Measure(
        "ahka", "arithmetic hip-knee-ankle angle", "angle", (*_LONG_LEG, *_CONDYLES, *_PLATEAU),
        lambda p, s: _mpta(p, s) - _mldfa(p, s), True, "mechanical axes of both bones", "valgus", "ora.ox CPAK",
        (_FEMUR, _SHIN, _CONDYLES, _PLATEAU),
        ("MPTA minus mLDFA",),
    ),
    Measure(
        "joint_line_obliquity", "joint line obliquity", "angle", (*_LONG_LEG, *_CONDYLES, *_PLATEAU),
        lambda p, s: _mpta(p, s) + _mldfa(p, s), True, "mechanical axes of both bones",
        "below 180: apex distal", "ora.ox CPAK", (_FEMUR, _SHIN, _CONDYLES, _PLATEAU), ("MPTA plus mLDFA",),
    ),
    Measure(
        "aldfa", "anatomical lateral distal femoral angle", "angle", (*SHAFT, *_CONDYLES), _aldfa, True,
        "axis of the femoral shaft", "lateral angle", "derived", (SHAFT, _CONDYLES),
    ),
    Measure(
        "femoral_component_alpha", "alpha: medial angle of the femoral condyles or component", "angle", (*SHAFT, *_CONDYLES),
        lambda p, s: 180 - _aldfa(p, s), True, "axis of the femoral shaft", "medial angle", "BJJ 93B 629", (SHAFT, _CONDYLES),
        ("of an implant, where the condyles are the component's",),
    ),
    Measure(
        "ampta", "anatomical medial proximal tibial angle", "angle", (*_TIBIA, *_PLATEAU),
        lambda p, _: angle_deg(_line(p, _TIBIA), -_line(p, _PLATEAU)), True, "axis of the tibial shaft", "medial angle",
        "derived", (_TIBIA, _PLATEAU), ("of an implant, where the plateau is the tray",),
    ),
    Measure(
        "tibiofemoral_angle", "anatomical tibiofemoral angle", "angle", (*SHAFT, *_TIBIA),
        lambda p, s: -s * signed_angle_deg(_line(p, SHAFT), _line(p, _TIBIA)), True, "axes of both shafts", "valgus",
        "derived", (SHAFT, _TIBIA),
    ),
    Measure(
        "aldfa_short_film", "lateral distal femoral angle of a short film", "angle",
        ("femoral_shaft_{s}", "femoral_notch_{s}", *_CONDYLES),
        lambda p, _: angle_deg(p["femoral_shaft_{s}"] - p["femoral_notch_{s}"], _line(p, _CONDYLES)), True,
        "femoral notch to femoral shaft", "lateral angle", "derived",
        (("femoral_shaft_{s}", "femoral_notch_{s}"), _CONDYLES),
        (_ONE_POINT,),
    ),
    Measure(
        "ampta_short_film", "medial proximal tibial angle of a short film", "angle",
        ("tibial_spines_{s}", "tibial_shaft_{s}", *_PLATEAU),
        lambda p, _: angle_deg(p["tibial_shaft_{s}"] - p["tibial_spines_{s}"], -_line(p, _PLATEAU)), True,
        "tibial spines to tibial shaft", "medial angle", "derived",
        (("tibial_spines_{s}", "tibial_shaft_{s}"), _PLATEAU),
        (_ONE_POINT,),
    ),
    Measure(
        "tibiofemoral_angle_short_film", "tibiofemoral angle of a short film", "angle",
        ("femoral_shaft_{s}", "femoral_notch_{s}", "tibial_spines_{s}", "tibial_shaft_{s}"),
        lambda p, s: -s * signed_angle_deg(
            p["femoral_notch_{s}"] - p["femoral_shaft_{s}"], p["tibial_shaft_{s}"] - p["tibial_spines_{s}"]
        ),
        True, "axes of both bones", "valgus", "derived",
        (("femoral_shaft_{s}", "femoral_notch_{s}"), ("tibial_spines_{s}", "tibial_shaft_{s}")),
        (_ONE_POINT,),
    ),
    Measure(
        "femur_length", "mechanical length of the femur", "length", _FEMUR, lambda p, _: _length(p, _FEMUR), True,
        "head centre to notch", "always", _ANGLES, (_FEMUR,),
    ),
    Measure(
        "tibia_length", "mechanical length of the tibia", "length", _SHIN, lambda p, _: _length(p, _SHIN), True,
        "spines to talus", "always", _ANGLES, (_SHIN,),
    ),
    Measure(
        "limb_length", "mechanical length of the limb", "length", _LONG_LEG, lambda p, _: _length(p, _FEMUR, _SHIN), True,
        "femur plus tibia", "always", "derived", (_FEMUR, _SHIN), ("stitched films are in scale only where the ruler is",),
    ),
    Measure(
        "limb_length_difference", "difference of limb lengths", "length",
        (*_of_side(_LONG_LEG, "right"), *_of_side(_LONG_LEG, "left")), _both_legs, False,
        "femur plus tibia", "right limb longer", "derived",
        tuple(_of_side(bone, side) for side in ("right", "left") for bone in (_FEMUR, _SHIN)),
        ("stitched films are in scale only where the ruler is",),
    ),
    Measure(
        "posterior_tibial_slope", "posterior tibial slope (lateral film)", "angle",
        (*_TIBIA, "tibial_plateau_anterior_{s}", "tibial_plateau_posterior_{s}"),
        lambda p, _: _below_axis(
            _line(p, _TIBIA), p["tibial_plateau_posterior_{s}"] - p["tibial_plateau_anterior_{s}"]
        ),
        True, "axis of the tibial shaft", "posterior edge lower", "dergipark 1771453",
        (*feet(_TIBIA, "tibial_plateau_anterior_{s}"), ("tibial_plateau_anterior_{s}", "tibial_plateau_posterior_{s}")),
        ("the axis chosen changes it by degrees",),
    ),
    Measure(
        "femoral_component_flexion", "gamma: flexion of the femoral component (lateral film)", "angle",
        (
            "femoral_axis_proximal_{s}", "femoral_axis_distal_{s}", "femoral_component_distal_anterior_{s}",
            "femoral_component_distal_posterior_{s}",
        ),
        lambda p, _: _below_axis(
            p["femoral_axis_distal_{s}"] - p["femoral_axis_proximal_{s}"],
            p["femoral_component_distal_anterior_{s}"] - p["femoral_component_distal_posterior_{s}"],
        ),
        True, "axis of the femoral shaft", "flexion: the distal face's anterior edge lower", "derived",
        (
            *feet(("femoral_axis_proximal_{s}", "femoral_axis_distal_{s}"), "femoral_component_distal_posterior_{s}"),
            ("femoral_component_distal_anterior_{s}", "femoral_component_distal_posterior_{s}"),
        ),
        ("definition unverified",),
    ),
)  # fmt: skip
"""In the order of a report."""
