"""What a measurement looks like on its film: the lines it lies between, or the ellipse it rests on, in pixels of the film.

Each measurement brings its lines (`entry.Measure.lines`); here they are only drawn.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from radmark.core.frame import FloatArray
from radmark.core.marks import Marks
from radmark.core.report import Result
from radmark.measure.cup import anteversion_from_rim_deg
from radmark.measure.ellipse import fit_ellipse
from radmark.measure.entry import ELLIPSE_AXIS, HORIZON, RIM_AXIS, Line
from radmark.measure.geometry import Point, angle_deg


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


def shape_of(result: Result, marks: Marks) -> Shape:
    """The shape of a measurement that has a value, in pixels of its film.

    A polyline is the length itself where there is one line of that length, the two lines that make that angle one after the
    other, and else the points it is computed from. Right angles are right in millimetres, where pixels are not square.
    """
    spacing = marks.frame.spacing
    scale = np.ones(2) if spacing is None else np.array([spacing.x_mm, spacing.y_mm])
    at = np.array([marks[name] for name in result.points])
    rim = _rim(result, at, scale)
    lines, feet = _lines(result, at, scale, None if rim is None else rim[0])
    if rim is not None and len(result.lines) == 1 and math.isfinite(rim[1]):
        ellipse = _ellipse(rim[0][0], rim[0][1], rim[1], scale)
        if marks.frame.holds(ellipse).all():
            return Shape("ELLIPSE", ellipse, lines)
    whole = None
    if result.value is not None and result.unit == "deg":
        whole = _with_angle(result.value, lines, scale)
    elif result.value is not None and result.unit in ("mm", "px") and len(feet) == 1:
        length = float(np.hypot(*((feet[0][1] - feet[0][0]) * scale)))
        whole = feet[0] if math.isclose(length, abs(result.value), rel_tol=1e-6, abs_tol=1e-6) else None
    if whole is None or not marks.frame.holds(whole).all():
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
    where: dict[str, FloatArray] = dict(zip(result.points, at, strict=True))
    # No landmarks make the film's horizontal; it is drawn at the highest of the points, as wide as they are.
    (left, top), (right, _) = at.min(axis=0), at.max(axis=0)
    where |= dict(zip(HORIZON, (np.array([left, top]), np.array([right, top])), strict=True))
    along: dict[Line, list[float]] = {}
    feet: list[FloatArray] = []
    for line in result.lines:
        if len(line) == 2:
            along.setdefault(line, []).extend((0.0, 1.0))
        elif len(line) == 3:
            point, *base = line
            a, b = (where[name] for name in base)
            axis = (b - a) * scale
            share = float((where[point] - a) * scale @ axis / (axis @ axis)) if axis.any() else 0.0
            along.setdefault(tuple(base), []).append(share)
            feet.append(np.stack([where[point], a + share * (b - a)]))
    bases: list[FloatArray] = []
    for base, shares in along.items():
        a, b = (where[name] for name in base)
        bases.append(np.stack([a + min(shares) * (b - a), a + max(shares) * (b - a)]))
    if long_axis is not None:
        bases.append(long_axis)
    return (*bases, *feet), feet


def _rim(result: Result, at: FloatArray, scale: FloatArray) -> tuple[FloatArray, float] | None:
    """(2, 2) the ends of the long axis of the cup's ellipse, in pixels, and the short axis by the long one; NaN: unknown."""
    if not {RIM_AXIS, ELLIPSE_AXIS} & set(result.lines):
        return None
    rim = {
        name.removeprefix("cup_rim_").removesuffix(f"_{result.side}"): point
        for name, point in zip(result.points, at * scale, strict=True)
        if name.startswith("cup_rim_")
    }
    if ELLIPSE_AXIS in result.lines:
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
