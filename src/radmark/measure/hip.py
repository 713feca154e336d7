"""Measurements of pelvis and hip. Lengths are those of the film: what stands in the notes is not corrected."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from radmark.measure.cup import CUP
from radmark.measure.entry import ISCHIA, SHAFT, TEARDROPS, Line, Measure, Points, Side, feet, ischia, teardrops
from radmark.measure.geometry import Pelvis, Point, angle_deg, cross, signed_angle_deg

_FILM_LENGTHENS = "an abducted or adducted leg and an oblique pelvis move it by up to 10 mm"
_TANNAST = "Tannast 2015, PMC4353515"
_FORAMEN = tuple(
    f"obturator_foramen_{end}_{side}" for side in ("right", "left") for end in ("medial", "lateral")
)  # fmt: skip
_SFP_LINES = tuple(
    (head, end)
    for head in ("femoral_head_right", "femoral_head_left")
    for end in ("sacral_endplate", "pubic_symphysis")
)


def _femoral_offset(p: Points, s: int) -> float:
    axis = p[SHAFT[1]] - p[SHAFT[0]]
    return s * cross(axis / np.hypot(*axis), p["femoral_head_{s}"] - p[SHAFT[0]])


def _acetabular_offset(p: Points, s: int) -> float:
    pelvis = teardrops(p)
    return pelvis.lateral(p["femoral_head_{s}"], s) - pelvis.lateral(p["teardrop_{s}"], s)


def _trochanteric_height(p: Points, _: int) -> float:
    up = p[SHAFT[0]] - p[SHAFT[1]]
    return float((p["femoral_head_{s}"] - p["greater_trochanter_{s}"]) @ up / np.hypot(*up))


def _sfp(p: Points, _: int) -> float:
    angles = [
        angle_deg(p["sacral_endplate"] - p[head], p["pubic_symphysis"] - p[head])
        for head in ("femoral_head_right", "femoral_head_left")
    ]
    return sum(angles) / 2


def _extrusion(p: Points, s: int) -> float:
    pelvis = teardrops(p)
    medial, lateral, edge = (
        pelvis.lateral(p[f"{name}_{{s}}"], s)
        for name in ("femoral_head_medial", "femoral_head_lateral", "sourcil_lateral")
    )
    return 100 * (lateral - edge) / (lateral - medial) if lateral > medial else math.nan


def _centre_edge(p: Points, s: int, edge: str) -> float:
    return math.remainder(90 - teardrops(p).slope_deg(p["femoral_head_{s}"], p[edge], s), 360)


def _depth_width(p: Points, _: int) -> float:
    opening = p["sourcil_lateral_{s}"] - p["teardrop_{s}"]
    width = float(np.hypot(*opening))
    depth = abs(cross(opening, p["acetabulum_deepest_{s}"] - p["teardrop_{s}"])) / width if width else math.nan
    return 1000 * depth / width if width else math.nan


def _acetabular_index(p: Points, s: int) -> float:
    hilgenreiner = Pelvis(p["triradiate_right"], p["triradiate_left"])
    return hilgenreiner.slope_deg(p["triradiate_{s}"], p["acetabular_rim_lateral_{s}"], s)


def _rotation(p: Points, _: int) -> float:
    return float((p["sacrococcygeal_junction"] - p["pubic_symphysis"]) @ teardrops(p).across)


def _ps_sc(p: Points, _: int) -> float:
    return teardrops(p).up(p["sacrococcygeal_junction"]) - teardrops(p).up(p["pubic_symphysis"])


def _width(p: Points) -> np.float64:
    """As a number of numpy's: dividing by a zero of it raises nothing."""
    return np.float64(np.hypot(*(p["teardrop_left"] - p["teardrop_right"])))


def _foramen_ratio(p: Points, _: int) -> float:
    pelvis = teardrops(p)
    right, left = (
        pelvis.lateral(p[f"obturator_foramen_lateral_{side}"], s)
        - pelvis.lateral(p[f"obturator_foramen_medial_{side}"], s)
        for side, s in (("right", -1), ("left", 1))
    )
    return right / left if right > 0 and left > 0 else math.nan


def _cross_table(p: Points, _: int) -> float:
    """The table's long side points to the head, the cup stands above it: that is up, whichever way the film is hung."""
    head = p["table_cranial"] - p["table_caudal"]
    head = head / np.hypot(*head)
    face = p["cup_face_anterior_{s}"] - p["cup_face_posterior_{s}"]
    above = np.array([head[1], -head[0]])
    middle = (p["cup_face_anterior_{s}"] + p["cup_face_posterior_{s}"]) / 2
    if (middle - p["table_caudal"]) @ above < 0:
        above = -above
    front = float(face @ above)
    return math.degrees(math.atan2(float(face @ head), front)) if front > 0 else math.nan


_LEG = Measure(
    "leg_length", "leg length", "length", (*TEARDROPS, "lesser_trochanter_{s}"),
    lambda p, _: -teardrops(p).up(p["lesser_trochanter_{s}"]), True, "inter-teardrop line", "longer",
    "Kjellberg 2012, PMID 21491155", feet(TEARDROPS, "lesser_trochanter_{s}"), (_FILM_LENGTHENS,), frame="direction",
)  # fmt: skip
_LEG_BI_ISCHIAL = Measure(
    "leg_length_bi_ischial", "leg length, bi-ischial", "length", (*ISCHIA, "lesser_trochanter_{s}"),
    lambda p, _: -ischia(p).up(p["lesser_trochanter_{s}"]), True, "bi-ischial line", "longer",
    "Meermans 2011, PMC3094616", feet(ISCHIA, "lesser_trochanter_{s}"),
    ("secondary: biased against the inter-teardrop line", _FILM_LENGTHENS),
)  # fmt: skip

HIP: tuple[Measure, ...] = (
    Measure(
        "leg_length_discrepancy", "leg-length discrepancy", "length",
        (*TEARDROPS, "lesser_trochanter_right", "lesser_trochanter_left"),
        lambda p, _: teardrops(p).up(p["lesser_trochanter_left"]) - teardrops(p).up(p["lesser_trochanter_right"]),
        False, "inter-teardrop line", "right leg longer", _LEG.source,
        feet(TEARDROPS, "lesser_trochanter_right", "lesser_trochanter_left"), _LEG.notes, frame="direction",
    ),
    Measure(
        "leg_length_discrepancy_bi_ischial", "leg-length discrepancy, bi-ischial", "length",
        (*ISCHIA, "lesser_trochanter_right", "lesser_trochanter_left"),
        lambda p, _: ischia(p).up(p["lesser_trochanter_left"]) - ischia(p).up(p["lesser_trochanter_right"]),
        False, "bi-ischial line", "right leg longer", _LEG_BI_ISCHIAL.source,
        feet(ISCHIA, "lesser_trochanter_right", "lesser_trochanter_left"), _LEG_BI_ISCHIAL.notes,
    ),
    Measure(
        "hip_centre_height_difference", "difference of hip centre heights", "length",
        (*TEARDROPS, "femoral_head_right", "femoral_head_left"),
        lambda p, _: teardrops(p).up(p["femoral_head_left"]) - teardrops(p).up(p["femoral_head_right"]),
        False, "inter-teardrop line", "left hip centre higher", "Meermans 2011, PMC3094616",
        feet(TEARDROPS, "femoral_head_right", "femoral_head_left"),
        ("the part of a leg-length discrepancy that the hip centres make",), frame="direction",
    ),
    Measure(
        "hip_centre_height", "hip centre height", "length", (*TEARDROPS, "femoral_head_{s}"),
        lambda p, _: teardrops(p).up(p["femoral_head_{s}"]), True, "inter-teardrop line", "above the line", "derived",
        feet(TEARDROPS, "femoral_head_{s}"),
        frame="line",
    ),
    Measure(
        "femoral_offset", "femoral offset", "length", ("femoral_head_{s}", *SHAFT), _femoral_offset, True,
        "axis of the femoral shaft", "head medial to the axis", "Merle 2012, BJJ 94-B:477", feet(SHAFT, "femoral_head_{s}"),
        ("an AP pelvis shows 13 % less than a CT; uncorrected",),
        published="mean 39.2 mm on AP pelvis films (Merle, n = 345)",
    ),
    Measure(
        "acetabular_offset", "acetabular offset", "length", (*TEARDROPS, "teardrop_{s}", "femoral_head_{s}"),
        _acetabular_offset, True, "inter-teardrop line", "head lateral to the teardrop", "derived",
        feet(TEARDROPS, "femoral_head_{s}", "teardrop_{s}"),
        frame="direction",
    ),
    Measure(
        "global_offset", "global offset", "length", (*TEARDROPS, "teardrop_{s}", "femoral_head_{s}", *SHAFT),
        lambda p, s: _femoral_offset(p, s) + _acetabular_offset(p, s), True,
        "inter-teardrop line and axis of the femoral shaft", "lateral", "Weber 2014, PMID 24857334",
        (*feet(TEARDROPS, "femoral_head_{s}"), *feet(SHAFT, "femoral_head_{s}"), ("teardrop_{s}", *TEARDROPS)),
        frame="direction",
    ),
    Measure(
        "trochanteric_height", "trochanteric height", "length", ("greater_trochanter_{s}", "femoral_head_{s}", *SHAFT),
        _trochanteric_height, True, "axis of the femoral shaft", "head centre above the trochanter's tip", "derived",
        feet(SHAFT, "greater_trochanter_{s}", "femoral_head_{s}"),
    ),
    Measure(
        "neck_shaft_angle", "neck-shaft angle", "angle", ("femoral_head_{s}", "femoral_neck_{s}", *SHAFT),
        lambda p, _: angle_deg(p["femoral_head_{s}"] - p["femoral_neck_{s}"], p[SHAFT[1]] - p[SHAFT[0]]), True,
        "axis of the femoral shaft", "0 to 180", "Mast 2011, PMC3008883",
        (("femoral_head_{s}", "femoral_neck_{s}"), SHAFT),
        ("among the least reliable angles of the hip",),
    ),
    Measure(
        "stem_alignment", "coronal stem alignment", "angle", ("stem_proximal_{s}", "stem_distal_{s}", *SHAFT),
        lambda p, s: -s * signed_angle_deg(p[SHAFT[1]] - p[SHAFT[0]], p["stem_distal_{s}"] - p["stem_proximal_{s}"]),
        True, "axis of the femoral shaft", "varus: the stem's tip lateral", "derived",
        (("stem_proximal_{s}", "stem_distal_{s}"), SHAFT),
    ),
    Measure(
        "lateral_centre_edge_angle", "lateral centre-edge angle", "angle",
        (*TEARDROPS, "femoral_head_{s}", "sourcil_lateral_{s}"),
        lambda p, s: _centre_edge(p, s, "sourcil_lateral_{s}"), True, "inter-teardrop line",
        "edge lateral to the head's vertical", _TANNAST,
        (*feet(TEARDROPS, "femoral_head_{s}"), ("femoral_head_{s}", "sourcil_lateral_{s}")),
        ("the edge is that of the sourcil",),
        published=f"23 to 33 degrees ({_TANNAST})", frame="direction",
    ),
    Measure(
        "lateral_centre_edge_angle_rim", "lateral centre-edge angle, bony rim", "angle",
        (*TEARDROPS, "femoral_head_{s}", "acetabular_rim_lateral_{s}"),
        lambda p, s: _centre_edge(p, s, "acetabular_rim_lateral_{s}"), True, "inter-teardrop line",
        "edge lateral to the head's vertical", "s00256-013-1574-y",
        (*feet(TEARDROPS, "femoral_head_{s}"), ("femoral_head_{s}", "acetabular_rim_lateral_{s}")),
        ("the edge is that of the bony rim; not to be compared with the sourcil's",), frame="direction",
    ),
    Measure(
        "toennis_angle", "Tönnis angle", "angle", (*TEARDROPS, "sourcil_medial_{s}", "sourcil_lateral_{s}"),
        lambda p, s: teardrops(p).slope_deg(p["sourcil_medial_{s}"], p["sourcil_lateral_{s}"], s), True,
        "inter-teardrop line", "roof rises laterally", _TANNAST,
        (TEARDROPS, ("sourcil_medial_{s}", "sourcil_lateral_{s}")),
        published=f"3 to 13 degrees ({_TANNAST})",
        frame="direction",
    ),
    Measure(
        "sharp_angle", "Sharp angle", "angle", (*TEARDROPS, "teardrop_{s}", "sourcil_lateral_{s}"),
        lambda p, s: teardrops(p).slope_deg(p["teardrop_{s}"], p["sourcil_lateral_{s}"], s), True,
        "inter-teardrop line", "edge above the teardrop", _TANNAST,
        (TEARDROPS, ("teardrop_{s}", "sourcil_lateral_{s}")),
        published=f"38 to 42 degrees ({_TANNAST})",
        frame="direction",
    ),
    Measure(
        "extrusion_index", "extrusion index", "percent",
        (*TEARDROPS, "femoral_head_medial_{s}", "femoral_head_lateral_{s}", "sourcil_lateral_{s}"), _extrusion, True,
        "inter-teardrop line", "uncovered share of the head", _TANNAST,
        (TEARDROPS, *feet(("femoral_head_medial_{s}", "femoral_head_lateral_{s}"), "sourcil_lateral_{s}")),
        ("the coverage is 100 minus this",),
        published=f"17 to 27 % ({_TANNAST})", frame="direction",
    ),
    Measure(
        "acetabular_depth_width", "acetabular depth-width ratio, times 1000", "ratio",
        ("teardrop_{s}", "sourcil_lateral_{s}", "acetabulum_deepest_{s}"), _depth_width, True,
        "line from teardrop to sourcil edge", "always", "derived",
        feet(("teardrop_{s}", "sourcil_lateral_{s}"), "acetabulum_deepest_{s}"),
        ("the edge is that of the sourcil",),
    ),
    Measure(
        "acetabular_index", "acetabular index of a child", "angle",
        ("triradiate_right", "triradiate_left", "triradiate_{s}", "acetabular_rim_lateral_{s}"), _acetabular_index, True,
        "Hilgenreiner's line", "roof rises laterally", "derived",
        (("triradiate_right", "triradiate_left"), ("triradiate_{s}", "acetabular_rim_lateral_{s}")),
        ("depends on age",),
    ),
    *CUP,
    Measure(
        "cup_anteversion_cross_table", "cup anteversion on a cross-table lateral film", "angle",
        ("table_caudal", "table_cranial", "cup_face_anterior_{s}", "cup_face_posterior_{s}"), _cross_table, True,
        "perpendicular to the table", "the cup's face looks forwards", "Woo and Morrey",
        (*feet(("table_caudal", "table_cranial"), "cup_face_posterior_{s}"), ("cup_face_anterior_{s}", "cup_face_posterior_{s}")),
        ("varies with the position of pelvis and leg; not the radiographic definition",),
    ),
    Measure(
        "pelvic_obliquity", "pelvic obliquity", "angle", TEARDROPS,
        lambda p, _: signed_angle_deg(np.array([1.0, 0.0]), p["teardrop_left"] - p["teardrop_right"]), False,
        "horizontal of the film", "patient's left lower", "derived", (TEARDROPS,), ("only where film and patient were level",),
    ),
    Measure(
        "pelvic_rotation", "pelvic rotation, sacrum against symphysis", "length",
        (*TEARDROPS, "sacrococcygeal_junction", "pubic_symphysis"), _rotation, False,
        "inter-teardrop line", "sacrum towards the patient's left", "derived",
        feet(TEARDROPS, "sacrococcygeal_junction", "pubic_symphysis"),
        ("an indicator, not an angle",),
        frame="direction",
    ),
    Measure(
        "pelvic_rotation_ratio", "pelvic rotation as a share of the inter-teardrop distance", "ratio",
        (*TEARDROPS, "sacrococcygeal_junction", "pubic_symphysis"), lambda p, s: float(_rotation(p, s) / _width(p)), False,
        "inter-teardrop line", "sacrum towards the patient's left", "derived",
        feet(TEARDROPS, "sacrococcygeal_junction", "pubic_symphysis"),
        ("an indicator, not an angle",),
    ),
    Measure(
        "obturator_foramen_ratio", "width of the right obturator foramen by that of the left", "ratio",
        (*TEARDROPS, *_FORAMEN), _foramen_ratio, False, "inter-teardrop line", "above 1: the right one looks wider",
        "Kanazawa 2016",
        feet(TEARDROPS, *_FORAMEN),
        ("an indicator of rotation; 1 to 2 was about 13 degrees in men and 18 in women",),
        frame="direction",
    ),
    Measure(
        "ps_sc_distance", "height of the sacrococcygeal junction above the symphysis", "length",
        (*TEARDROPS, "sacrococcygeal_junction", "pubic_symphysis"), _ps_sc, False,
        "inter-teardrop line", "junction above the symphysis", "derived",
        feet(TEARDROPS, "sacrococcygeal_junction", "pubic_symphysis"),
        ("follows pelvic tilt only moderately",),
        frame="direction",
    ),
    Measure(
        "ps_sc_ratio", "sacrococcygeal junction's height by the inter-teardrop distance", "ratio",
        (*TEARDROPS, "sacrococcygeal_junction", "pubic_symphysis"), lambda p, s: float(_ps_sc(p, s) / _width(p)), False,
        "inter-teardrop line", "junction above the symphysis", "derived",
        feet(TEARDROPS, "sacrococcygeal_junction", "pubic_symphysis"),
        ("needs no millimetres",),
    ),
    Measure(
        "psti", "symphysis above the trans-ischial line", "length", (*ISCHIA, "pubic_symphysis"),
        lambda p, _: ischia(p).up(p["pubic_symphysis"]), False, "bi-ischial line", "symphysis above the line",
        "PMID 31911867", feet(ISCHIA, "pubic_symphysis"),
    ),
    Measure(
        "sfp_angle", "sacro-femoral-pubic angle", "angle",
        ("sacral_endplate", "pubic_symphysis", "femoral_head_right", "femoral_head_left"), _sfp, False,
        "both hip centres", "0 to 180", "Blondel 2011, PMC3326127", _SFP_LINES,
    ),
    Measure(
        "pelvic_tilt_sfp", "pelvic tilt from the sacro-femoral-pubic angle", "angle",
        ("sacral_endplate", "pubic_symphysis", "femoral_head_right", "femoral_head_left"), lambda p, s: 75 - _sfp(p, s), False,
        "both hip centres", "posterior", "Blondel 2011, PMC3326127", _SFP_LINES,
        (
            "approximate: within 7.5 degrees in three of four films; changes between films are surer",
            "tilt as of the spine (sacral end plate to femoral heads), not of the anterior pelvic plane",
        ),
    ),
)  # fmt: skip
"""In the order of a report."""


def against_other_side(side: Side) -> tuple[Measure, ...]:
    """What an operation changed, by the other side: operated minus contralateral, for films with an operated `side`."""
    by_key = {m.key: m for m in HIP}
    lengths = ("femoral_offset", "acetabular_offset", "global_offset", "hip_centre_height")
    return tuple(_difference(m, side) for m in (_LEG, _LEG_BI_ISCHIAL, *(by_key[key] for key in lengths)))


def _difference(m: Measure, side: Side) -> Measure:
    frame = m.needs[:2] if m.frame or m.needs[:2] == ISCHIA else ()
    own = [name for name in m.needs if name not in frame]
    others = {name: name.replace("{s}", "{o}") for name in own}

    def compute(p: Mapping[str, Point], s: int) -> float:
        return m.compute(p, s) - m.compute({**p, **{name: p[other] for name, other in others.items()}}, -s)

    def of_both(line: Line) -> tuple[Line, ...]:
        return tuple(dict.fromkeys((line, tuple(others.get(name, name) for name in line))))

    words = {
        "leg_length": "operated leg longer", "leg_length_bi_ischial": "operated leg longer",
        "femoral_offset": "operated side has more", "acetabular_offset": "operated hip centre more lateral",
        "global_offset": "operated side has more", "hip_centre_height": "operated hip centre higher",
    }  # fmt: skip
    return replace(
        m,
        key=f"{m.key}_operated_minus_other",
        title=f"{m.title}, operated ({side}) minus contralateral",
        needs=(*frame, *own, *others.values()),
        compute=compute,
        sign=words[m.key],
        lines=tuple(drawn for line in m.lines for drawn in of_both(line)),
        frame="direction" if m.frame else "",
        published="",
        only=side,
        facts=("operated",),
    )
