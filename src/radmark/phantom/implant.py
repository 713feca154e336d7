"""A total hip replacement: metal cup, ball head and stem, drawn about the centre of the joint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radmark.phantom.femur import Femur
from radmark.phantom.raster import Canvas, Points, circle, smooth_closed

_METAL = 1.1
"""Absorption of one wall of metal; a bone's cortex adds about 0.3."""

# fmt: off
# In the femur's frame (see femur.py): the stem from its shoulder to its tip, and the taper up to the ball head.
_STEM = np.array(
    [
        [22, 29], [24.5, 42], [28.5, 60], [32, 84], [34.8, 112], [36.6, 138], [37.4, 146], [39.5, 149.5],
        [41.6, 146], [42.4, 138], [43.6, 112], [45.2, 84], [47, 58], [48, 34], [46, 18], [41, 11], [35, 13],
    ]
)
_TAPER = np.array(
    [
        [3, -5], [3, -5], [40, 16], [40, 16], [31, 32], [31, 32], [-4, 3], [-4, 3],
    ], dtype=np.float64
)
_RESECTED = np.array([[34, -60], [34, 2], [17, 42], [-60, 42], [-60, -60]], dtype=np.float64)
"""What the saw took away: everything of the femur above and medial to the cut through its neck."""
# fmt: on


@dataclass(frozen=True)
class Cup:
    """A hemispherical cup on the film.

    Its opening is a circle seen at an angle, hence an ellipse: the long axis is the full diameter and lies at the
    inclination, the short one is the diameter times the sine of the anteversion.
    """

    centre_px: Points
    radius_px: float
    side: int
    inclination_deg: float
    """Between the long axis and the image's rows; 0 faces the feet."""
    anteversion_deg: float

    @property
    def _axes(self) -> tuple[Points, Points]:
        """Unit vectors: along the long axis to its superolateral end, and the way the cup opens."""
        angle = np.radians(self.inclination_deg)
        return (
            np.array([self.side * np.cos(angle), -np.sin(angle)]),
            np.array([self.side * np.sin(angle), np.cos(angle)]),
        )

    @property
    def rim_ends(self) -> tuple[Points, Points]:
        """(2,) the superolateral and the inferomedial end of the opening's long axis."""
        along, _ = self._axes
        return self.centre_px + self.radius_px * along, self.centre_px - self.radius_px * along

    def _half(self, radius_px: float, depth: float) -> Points:
        """Half an ellipse on the long axis from end to end; a negative `depth` bulges away from the opening."""
        along, opens = self._axes
        t = np.linspace(0, np.pi, 48)[:, None]
        return self.centre_px + radius_px * (np.cos(t) * along + np.sin(t) * depth * opens)

    def draw(self, canvas: Canvas) -> None:
        """Add the shell: two walls thick behind the rim, one wall where one looks into the opening."""
        flat = float(np.sin(np.radians(self.anteversion_deg)))
        wall_px = 3.6 * canvas.px_per_mm
        inner_px = self.radius_px - wall_px
        dome, front = self._half(self.radius_px, -1.0), self._half(self.radius_px, flat)
        canvas.add(np.concatenate([dome, front[::-1]]), _METAL)
        shell = np.concatenate([dome, self._half(inner_px, -1.0)[::-1]])
        canvas.add(shell, 0.9 * _METAL)
        for depth in (flat, -flat):
            rim = np.concatenate([self._half(self.radius_px, depth), self._half(inner_px + 1.2, depth * 0.86)[::-1]])
            canvas.add(rim, 0.5 * _METAL)

    def draw_screws(self, canvas: Canvas, turns_deg: list[float]) -> None:
        """Add screws through the dome, each turned so far from its middle."""
        for turn_deg in turns_deg:
            angle = np.radians(turn_deg)
            along, opens = self._axes
            out = -opens * np.cos(angle) + along * np.sin(angle)
            across = np.array([-out[1], out[0]]) * 2.1 * canvas.px_per_mm
            start = self.centre_px + out * (self.radius_px - 4 * canvas.px_per_mm)
            end = self.centre_px + out * (self.radius_px + 24 * canvas.px_per_mm)
            tip = end + out * 4 * canvas.px_per_mm
            canvas.add(
                np.stack([start + across, end + 0.8 * across, tip, end - 0.8 * across, start - across]),
                _METAL,
            )


def draw_operated_femur(canvas: Canvas, femur: Femur, ball_radius_mm: float) -> None:
    """Add a femur whose head is metal: the bone below the cut, the stem inside it, the taper and the ball."""
    femur.draw(canvas, resected=femur.place(_RESECTED))
    canvas.add(smooth_closed(femur.place(_STEM)), 1.5 * _METAL)
    canvas.add(femur.place(_TAPER[::2]), 1.3 * _METAL)
    canvas.add(circle(femur.centre_px, ball_radius_mm * canvas.px_per_mm), 1.8 * _METAL)
