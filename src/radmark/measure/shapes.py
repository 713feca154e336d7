"""What a measurement looks like on its film: the lines it lies between, or the ellipse it rests on, in pixels of the film."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from radmark.core.frame import FloatArray
from radmark.core.landmarks import Landmarks
from radmark.measure.geometry import Point
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
    "toennis_angle": ("0-1", "2-3"),
    "sharp_angle": ("0-1", "s-2"),
    "extrusion_index": ("0-1", "2-3", "4|2-3"),
    "cup_inclination": ("0-1", "2-3"),
    "cup_anteversion": ("0-1",),
    "pelvic_obliquity": ("0-1",),
    "pelvic_rotation": ("0-1", "2|0-1", "3|0-1"),
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
    "aldfa": ("0-1", "2-3"),
    "tibiofemoral_angle": ("0-1", "2-3"),
    "posterior_tibial_slope": ("0-1", "2-3"),
}
"""Key of the catalog -> its lines, by the places of the points in what it needs: "0-1" from one to the other, "2|0-1" from a
point square onto that line, which is lengthened to where it lands; s is the teardrop of the measured side."""


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

    A polyline is the length itself where there is one line of that length, two lines one after the other for an angle between
    two, and else the points it is computed from. Right angles are right in millimetres, where pixels are not square.
    """
    spacing = landmarks.frame.spacing
    scale = np.ones(2) if spacing is None else np.array([spacing.x_mm, spacing.y_mm])
    at = np.array([landmarks[name] for name in result.points])
    lines, feet = _lines(LINES.get(result.key), at, scale, 0 if result.side == "right" else 1)
    if result.key == "cup_anteversion" and result.value is not None:
        ellipse = _ellipse(at[0], at[1], math.sin(math.radians(result.value)), scale)
        if landmarks.frame.holds(ellipse).all():
            return Shape("ELLIPSE", ellipse, lines)
    whole = at
    if result.unit == "deg" and len(lines) == 2:
        whole = np.concatenate(lines)
    elif result.unit in ("mm", "px") and len(feet) == 1 and result.value is not None:
        length = float(np.hypot(*((feet[0][1] - feet[0][0]) * scale)))
        whole = feet[0] if math.isclose(length, abs(result.value), rel_tol=1e-6, abs_tol=1e-6) else at
    if not landmarks.frame.holds(whole).all():
        whole = at  # a foot can lie beyond the film, a landmark cannot
    return Shape("POLYLINE", whole, lines)


def _lines(
    said: Sequence[str] | None, at: FloatArray, scale: FloatArray, teardrop: int
) -> tuple[tuple[FloatArray, ...], list[FloatArray]]:
    """All lines, and those of them that stand square on another."""
    if said is None:  # a measurement somebody defined: its points in their order
        return tuple(at[k : k + 2] for k in range(len(at) - 1)), []

    def ends(pair: str) -> tuple[int, int]:
        one, other = pair.split("-")
        return (teardrop if one == "s" else int(one)), int(other)

    along: dict[str, list[float]] = {}
    feet: list[FloatArray] = []
    for word in said:
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
    return (*bases, *feet), feet


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
