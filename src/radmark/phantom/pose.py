"""Where a patient lies: anatomy in millimetres -> pixels.

Anatomy is written down once, as (x, y, z) millimetres: x towards the patient's left (image right), y towards
the feet, z towards the front. A pose bends it a little (no two patients are alike), turns it, and lays it on the
film. Depth matters: with it a turned pelvis closes one obturator ring and moves the sacrum off the symphysis,
as on a real film.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from radmark.phantom.raster import Points


@dataclass(frozen=True)
class Shape:
    """One patient's build: a stretch, and a smooth random bend of a few millimetres."""

    stretch: Points
    """(3,) factors along x, y, z."""
    bumps_at: Points
    """(B, 2) xy in millimetres, where the bend is anchored; shared by both sides."""
    reach_mm: float
    """How far from its anchor a push is felt."""
    bumps_mm: Points
    """(2, B, 2) push at each anchor: first what both sides share (mirrored), then what is the image right's own."""

    def __call__(self, points_mm: Points) -> Points:
        """(N, 3) -> (N, 3)."""
        shared, own = self.bumps_mm
        folded = np.abs(points_mm[:, None, 0]) - self.bumps_at[None, :, 0]
        down = points_mm[:, None, 1] - self.bumps_at[None, :, 1]
        weight = np.exp(-(folded**2 + down**2) / (2 * self.reach_mm**2))
        # No sideways push at the midline: it would tear the symphysis apart.
        side = np.tanh(points_mm[:, :1] / 25.0)
        push = weight @ shared
        push[:, :1] *= side
        push += (weight @ own) * np.maximum(side, 0)
        bent = points_mm * self.stretch
        bent[:, :2] += push
        return bent


def random_shape(rng: np.random.Generator, bumps_at: Points, reach_mm: float, bend_mm: float) -> Shape:
    """A patient drawn at random; `bend_mm` is the usual size of the push at an anchor."""
    return Shape(
        stretch=1 + np.clip(rng.normal(0, [0.035, 0.035, 0.06]), -0.09, 0.09),
        bumps_at=bumps_at,
        reach_mm=reach_mm,
        bumps_mm=np.stack([rng.normal(0, bend_mm, bumps_at.shape), rng.normal(0, bend_mm / 4, bumps_at.shape)]),
    )


@dataclass(frozen=True)
class Pose:
    """Three turns about the anatomy's origin, in degrees, and the place of that origin on the film."""

    axial_deg: float
    """About the long axis; positive brings the patient's front to image right."""
    tilt_deg: float
    """About the left-right axis; positive moves the front down the image."""
    oblique_deg: float
    """In the plane of the film; positive is clockwise on the screen."""
    px_per_mm: float
    origin_px: tuple[float, float]

    def __call__(self, points_mm: Points) -> Points:
        """(N, 3) millimetres -> (N, 2) pixels."""
        return points_mm @ self._to_film + self.origin_px

    @cached_property
    def _to_film(self) -> Points:
        """(3, 2): the three turns, then the shadow along z, in pixels."""
        (ca, ct, co), (sa, st, so) = (
            f(np.radians([self.axial_deg, self.tilt_deg, self.oblique_deg])) for f in (np.cos, np.sin)
        )
        axial = np.array([[ca, 0, -sa], [0, 1, 0], [sa, 0, ca]])  # each row: where one unit of x, y or z goes
        tilt_and_shadow = np.array([[1, 0], [0, ct], [0, st]])
        oblique = np.array([[co, so], [-so, co]])
        return axial @ tilt_and_shadow @ oblique * self.px_per_mm


def turn(points: Points, degrees: float, about: Points | tuple[float, float] = (0.0, 0.0)) -> Points:
    """(N, 2) points turned in the plane, clockwise on the screen, about one of them."""
    angle = np.radians(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = np.asarray(about, dtype=np.float64)
    return (points - centre) @ matrix + centre
