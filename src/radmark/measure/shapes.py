"""What a measurement looks like on its film: the lines it lies between, or the ellipse it rests on, in pixels of the film."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from radmark.core.frame import FloatArray
from radmark.core.landmarks import Landmarks
from radmark.measure.cup import anteversion_from_rim_deg
from radmark.measure.ellipse import fit_ellipse
from radmark.measure.entry import TEARDROPS
from radmark.measure.geometry import Point, angle_deg
from radmark.measure.measure import Result

LINES: dict[str, tuple[str, ...]] = {
    "leg_length_discrepancy": ("0-1", "2|0-1", "3|0-1"),
    "leg_length_discrepancy_bi_ischial": ("0-1", "2|0-1", "3|0-1"),
    "hip_centre_height_difference": ("0-1", "2|0-1", "3|0-1"),
    "hip_centre_height": ("0-1", "2|0-1"),
    "femoral_offset": ("1-2", "0|1-2"),
    "acetabular_offset": ("0-1", "2|0-1"),
    "global_offset": ("0-1", "2|0-1", "3-4", "2|3-4"),
    "trochanteric_height": ("2-3", "0|2-3", "1|2-3"),
    "neck_shaft_angle": ("0-1", "2-3"),
    "stem_alignment": ("0-1", "2-3"),
    "lateral_centre_edge_angle": ("0-1", "2|0-1", "2-3"),
    "lateral_centre_edge_angle_rim": ("0-1", "2|0-1", "2-3"),
    "toennis_angle": ("0-1", "2-3"),
    "sharp_angle": ("0-1", "s-2"),
    "extrusion_index": ("0-1", "2-3", "4|2-3"),
    "acetabular_depth_width": ("0-1", "2|0-1"),
    "acetabular_index": ("0-1", "s-2"),
    "cup_inclination": ("0-1", "long axis"),
    "cup_anteversion": ("long axis",),
    "cup_inclination_ellipse": ("0-1", "long axis"),
    "cup_anteversion_ellipse": ("long axis",),
    "cup_anteversion_cross_table": ("0-1", "3|0-1", "2-3"),
    "pelvic_obliquity": ("0-1",),
    "pelvic_rotation": ("0-1", "2|0-1", "3|0-1"),
    "pelvic_rotation_ratio": ("0-1", "2|0-1", "3|0-1"),
    "obturator_foramen_ratio": ("0-1", "2|0-1", "3|0-1", "4|0-1", "5|0-1"),
    "ps_sc_distance": ("0-1", "2|0-1", "3|0-1"),
    "ps_sc_ratio": ("0-1", "2|0-1", "3|0-1"),
    "psti": ("0-1", "2|0-1"),
    "sfp_angle": ("2-0", "2-1", "3-0", "3-1"),
    "pelvic_tilt_sfp": ("2-0", "2-1", "3-0", "3-1"),
    "mechanical_deviation": ("0-1", "2-3"),
    "hka_angle": ("0-1", "2-3"),
    "mldfa": ("0-1", "2-3"),
    "mpta": ("0-1", "2-3"),
    "jlca": ("0-1", "2-3"),
    "ahka": ("0-1", "2-3", "4-5", "6-7"),
    "joint_line_obliquity": ("0-1", "2-3", "4-5", "6-7"),
    "aldfa": ("0-1", "2-3"),
    "femoral_component_alpha": ("0-1", "2-3"),
    "ampta": ("0-1", "2-3"),
    "tibiofemoral_angle": ("0-1", "2-3"),
    "aldfa_short_film": ("0-1", "2-3"),
    "ampta_short_film": ("0-1", "2-3"),
    "tibiofemoral_angle_short_film": ("0-1", "2-3"),
    "femur_length": ("0-1",),
    "tibia_length": ("0-1",),
    "limb_length": ("0-1", "2-3"),
    "limb_length_difference": ("0-1", "2-3", "4-5", "6-7"),
    "posterior_tibial_slope": ("0-1", "2|0-1", "2-3"),
    "femoral_component_flexion": ("0-1", "3|0-1", "2-3"),
}
"""Key of the catalog -> its lines, by the places of the points of its result: "0-1" from one to the other, "2|0-1" from a point
square onto that line, which is lengthened to where it lands; s is the point of the measured side that makes the pelvis' line,
the long axis that of the ellipse of the cup's rim."""

_OPERATED = {
    f"{key}_operated_minus_other": words
    for key, words in {
        "leg_length": ("0-1", "2|0-1", "3|0-1"),
        "leg_length_bi_ischial": ("0-1", "2|0-1", "3|0-1"),
        "hip_centre_height": ("0-1", "2|0-1", "3|0-1"),
        "femoral_offset": ("1-2", "0|1-2", "4-5", "3|4-5"),
        "acetabular_offset": ("0-1", "2|0-1", "3|0-1"),
        "global_offset": ("0-1", "2|0-1", "5|0-1", "3-4", "2|3-4", "6-7", "5|6-7"),
    }.items()
}
"""The same for what `hip.against_other_side` measures: both sides' lines."""


@dataclass(frozen=True, eq=False)
class Shape:
    """What a measurement looks like.

    Args:
        kind: POLYLINE, or ELLIPSE: the ends of its long axis, then of its short one.
        points: (N, 2) of that.
        lines: (2, 2) each, what to draw of it; with an ellipse, its long axis.
    """

    kind: Literal["POLYLINE", "ELLIPSE"]
    points: FloatArray
    lines: tuple[FloatArray, ...]


def shape_of(result: Result, landmarks: Landmarks) -> Shape:
    """The shape of a measurement that has a value, in pixels of its film.

    A polyline is the length itself where there is one line of that length, the two lines that make that angle one after the
    other, and else the points it is computed from. Right angles are right in millimetres, where pixels are not square.
    """
    spacing = landmarks.frame.spacing
    scale = np.ones(2) if spacing is None else np.array([spacing.x_mm, spacing.y_mm])
    at = np.array([landmarks[name] for name in result.points])
    rim = _rim(result, at, scale)
    lines, feet = _lines(result, at, scale, None if rim is None else rim[0])
    if rim is not None and "anteversion" in result.key and math.isfinite(rim[1]):
        ellipse = _ellipse(rim[0][0], rim[0][1], rim[1], scale)
        if landmarks.frame.holds(ellipse).all():
            return Shape("ELLIPSE", ellipse, lines)
    whole = None
    if result.value is not None and result.unit == "deg":
        whole = _with_angle(result.value, lines, scale)
    elif result.value is not None and result.unit in ("mm", "px") and len(feet) == 1:
        length = float(np.hypot(*((feet[0][1] - feet[0][0]) * scale)))
        whole = feet[0] if math.isclose(length, abs(result.value), rel_tol=1e-6, abs_tol=1e-6) else None
    if whole is None or not landmarks.frame.holds(whole).all():
        whole = at  # a foot can lie beyond the film, a landmark cannot
    return Shape("POLYLINE", whole, lines)


def _with_angle(value_deg: float, lines: Sequence[FloatArray], scale: FloatArray) -> FloatArray | None:
    """(4, 2) the first two lines that make an angle of so many degrees, whichever way they run."""
    for one, other in itertools.combinations(lines, 2):
        between = angle_deg((one[1] - one[0]) * scale, (other[1] - other[0]) * scale)
        if abs(abs(math.remainder(between, 180)) - abs(math.remainder(value_deg, 180))) < 1e-6:
            return np.concatenate([one, other])
    return None


def _lines(
    result: Result, at: FloatArray, scale: FloatArray, long_axis: FloatArray | None
) -> tuple[tuple[FloatArray, ...], list[FloatArray]]:
    """All lines, and those of them that stand square on another."""
    words, at, s = _said(result, at, scale)

    def ends(pair: str) -> tuple[int, int]:
        one, other = pair.split("-")
        return (s if one == "s" else int(one)), int(other)

    along: dict[str, list[float]] = {}
    feet: list[FloatArray] = []
    for word in words:
        if word == "long axis":
            continue
        if "|" not in word:
            along.setdefault(word, []).extend((0.0, 1.0))
            continue
        point, base = word.split("|")
        a, b = (at[k] for k in ends(base))
        axis = (b - a) * scale
        share = float((at[int(point)] - a) * scale @ axis / (axis @ axis)) if axis.any() else 0.0
        along.setdefault(base, []).append(share)
        feet.append(np.stack([at[int(point)], a + share * (b - a)]))
    bases: list[FloatArray] = []
    for pair, shares in along.items():
        a, b = (at[k] for k in ends(pair))
        bases.append(np.stack([a + min(shares) * (b - a), a + max(shares) * (b - a)]))
    if "long axis" in words and long_axis is not None:
        bases.append(long_axis)
    return (*bases, *feet), feet


def _said(result: Result, at: FloatArray, scale: FloatArray) -> tuple[Sequence[str], FloatArray, int]:
    """A result's lines in the words of `LINES`, the points in the places these mean, and the place of s."""
    own = 0 if result.side == "right" else 1
    if "user-defined" in result.flags:
        return _defined(result, at * scale), at, own
    words: Sequence[str] | None = LINES.get(result.key) or _OPERATED.get(result.key)
    if words is None:  # the cup by other words: `cup.otherwise`
        words = ("0-1", "long axis") if "inclination" in result.key else ("long axis",)
    names = list(result.points)
    if "horizontal of the film" in result.line and tuple(names[:2]) != TEARDROPS:
        # No landmarks make that line; it is drawn at the highest of the points, as wide as they are.
        (left, top), (right, _) = at.min(axis=0), at.max(axis=0)
        at, names = np.concatenate([[[left, top], [right, top]], at]), ["", "", *names]
    # With another line of the pelvis than the teardrops', a teardrop is a point like any other.
    beside = [k for k, name in enumerate(names) if k >= 2 and name.startswith("teardrop")]
    rest = [k for k in range(len(names)) if k not in beside]
    if beside:
        own = len(rest)
        if not any("s" in word for word in words if word != "long axis"):
            words = (*words, *(f"{len(rest) + k}|0-1" for k in range(len(beside))))
    return words, at[[*rest, *beside]], own


def _defined(result: Result, at: FloatArray) -> Sequence[str]:
    """Lines of what a user defined (`define`), from its points in their order, in millimetres or square pixels.

    A point of two lines stands once. Of three, the first two make the first line; which one makes the other, the number tells.
    """
    if len(at) < 3:
        return ("0-1",)
    if result.unit in ("mm", "px"):  # a distance along a line or across it
        return ("0-1", *(f"{k}|0-1" for k in range(2, len(at))))
    if len(at) > 3 or result.value is None:
        return ("0-1", "2-3") if len(at) > 3 else ("0-1", "1-2")

    def number(pair: str) -> float:
        first, second = at[1] - at[0], at[2] - at[int(pair[0])]
        if result.unit == "deg":
            return abs(math.remainder(angle_deg(first, second), 180))
        return float(np.hypot(*first) / np.hypot(*second)) * (100 if result.unit == "%" else 1)

    wanted = abs(math.remainder(result.value, 180)) if result.unit == "deg" else result.value
    return ("0-1", min(("1-2", "0-2"), key=lambda pair: abs(number(pair) - wanted)))


def _rim(result: Result, at: FloatArray, scale: FloatArray) -> tuple[FloatArray, float] | None:
    """(2, 2) the ends of the long axis of the cup's ellipse, in pixels, and the short axis by the long one; NaN: unknown."""
    rim = {
        name.removeprefix("cup_rim_").removesuffix(f"_{result.side}"): point
        for name, point in zip(result.points, at * scale, strict=True)
        if name.startswith("cup_rim_")
    }
    if not result.key.startswith("cup_") or not rim:
        return None
    if result.key.endswith("_ellipse"):
        found = fit_ellipse(np.array(list(rim.values())))
        if found is None:
            return None
        half = found.long * found.along
        return np.stack([found.centre - half, found.centre + half]) / scale, found.short / found.long
    one, other = (rim.pop(name) for name in ("superolateral", "inferomedial"))
    others = np.array(list(rim.values())).reshape(-1, 2)
    return np.stack([one, other]) / scale, math.sin(math.radians(anteversion_from_rim_deg(one, other, others)))


def _ellipse(one_end: Point, other_end: Point, short_to_long: float, scale: FloatArray) -> FloatArray:
    """(4, 2) ends of the long axis, then of the short, in pixels, of the ellipse with this long axis in millimetres.

    Where pixels are not square, the axes on film are no longer square to each other in pixels; the ones given are those of the
    same curve as it lies on the pixels.
    """
    middle = (one_end + other_end) / 2
    long_mm = (other_end - one_end) / 2 * scale
    short_mm = np.array([-long_mm[1], long_mm[0]]) * short_to_long
    if scale[0] == scale[1]:
        long, short = long_mm / scale, short_mm / scale
    else:
        turned, lengths, _ = np.linalg.svd(np.stack([long_mm / scale, short_mm / scale], axis=1))
        long, short = turned[:, 0] * lengths[0], turned[:, 1] * lengths[1]
    return np.stack([middle - long, middle + long, middle - short, middle + short])
