"""Angles and frames on a film, in millimetres or square pixels; x to the right, y down, the patient's right on the left.

Sides are the patient's: s = +1 on the left, -1 on the right. Source of the formulas: docs/measurements.md.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Point = NDArray[np.float64]
"""(2,) x and y."""


def cross(a: Point, b: Point) -> float:
    """z of the cross product; positive where b lies clockwise of a as it is seen (y down)."""
    return float(a[0] * b[1] - a[1] * b[0])


def signed_angle_deg(a: Point, b: Point) -> float:
    """The turn from a to b, -180 to 180 degrees, positive clockwise as it is seen (y down); NaN where one has no length."""
    if not (a.any() and b.any()):
        return math.nan
    return math.degrees(math.atan2(cross(a, b), float(a @ b)))


def angle_deg(a: Point, b: Point) -> float:
    """The angle between two directions, 0 to 180 degrees."""
    return abs(signed_angle_deg(a, b))


@dataclass(frozen=True)
class Pelvis:
    """A frame on the pelvis: along the line from a point of the patient's right to the same on the left, and upwards from it."""

    right: Point
    left: Point

    @property
    def across(self) -> Point:
        """Unit vector from right to left."""
        line = self.left - self.right
        return line / np.hypot(*line)

    def lateral(self, p: Point, s: int) -> float:
        """How far p lies from the middle towards the side s."""
        return s * float((p - (self.right + self.left) / 2) @ self.across)

    def up(self, p: Point) -> float:
        """How far p lies above the line, towards the head."""
        x, y = self.across
        return float((p - (self.right + self.left) / 2) @ np.array([y, -x]))

    def slope_deg(self, medial: Point, lateral: Point, s: int) -> float:
        """How steeply the line from medial to lateral rises on the side s, -180 to 180; NaN where they are one point."""
        if not (lateral - medial).any():
            return math.nan
        rise = self.up(lateral) - self.up(medial)
        return math.degrees(math.atan2(rise, self.lateral(lateral, s) - self.lateral(medial, s)))
