"""The proximal femur, drawn about the centre of its head.

Written for a left hip on an AP film (image right): millimetres from the centre of a head 24 mm in radius, x
lateral, y towards the feet, the shaft hanging straight down. A right hip is its mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from radmark.phantom.pose import turn
from radmark.phantom.raster import Canvas, Points, arc, circle, smooth_closed, smooth_open

HEAD_RADIUS_MM = 24.0
SHAFT_PROXIMAL_MM = 83.0
"""The lower end of the lesser trochanter, so far below the head's centre along the shaft."""
SHAFT_DISTAL_MM = SHAFT_PROXIMAL_MM + 2 * HEAD_RADIUS_MM
_SHAFT_END_MM = 260.0

# fmt: off
_NECK_AND_SHAFT = np.array(
    [
        [8, -16], [17, -15.5], [25, -10], [32, -5], [38, -4], [46, -2], [55, 6], [61, 18], [60.5, 32],
        [57, 46], [55, 64], [54, 90], [53.5, 130], [53, 180], [52.5, _SHAFT_END_MM], [52.5, _SHAFT_END_MM],
        [27.5, _SHAFT_END_MM], [27.5, _SHAFT_END_MM], [27, 180], [27, 130], [27.5, 96], [28, 80], [27, 66],
        [22, 52], [15, 40], [8, 29], [2, 20], [-4, 12],
    ]
)
_GREATER_TROCHANTER = np.array(
    [
        [35, -3], [38, -9], [44, -12.5], [51, -9], [58, -1], [63.5, 11], [64.5, 23], [61, 36], [55, 46],
        [47, 42], [41, 24], [37, 8],
    ]
)
_LESSER_TROCHANTER = np.array(
    [
        [31, 42], [25, 48], [19.5, 55], [17.5, 61.5], [19.5, 68], [25, 75], [31, 83], [38, 74], [38, 54],
    ]
)
_CREST = np.array([[41, -5], [44, 10], [42, 24], [36, 40], [30, 54]])
_MEDIAL_CORTEX = np.array(
    [
        [5, 24], [14, 37], [22, 51], [27.5, 66], [29.5, 84], [30, 110], [30, 150], [30.2, _SHAFT_END_MM],
    ]
)
_MEDIAL_CORTEX_WIDTH_MM = np.array([1.5, 3.5, 4.5, 4.5, 5.5, 6.5, 7.0, 7.0])
_LATERAL_CORTEX = np.array(
    [
        [61, 28], [57, 45], [53.5, 66], [51.8, 90], [50.5, 130], [50, 180], [49.8, _SHAFT_END_MM],
    ]
)
_LATERAL_CORTEX_WIDTH_MM = np.array([1.5, 2.5, 4.0, 5.0, 6.5, 7.0, 7.0])
_CANAL = np.array(
    [
        [33, 78], [40, 60], [48, 66], [48.5, 90], [47, 130], [46.5, _SHAFT_END_MM], [46.5, _SHAFT_END_MM],
        [33.5, _SHAFT_END_MM], [33.5, _SHAFT_END_MM], [33.5, 130], [33, 100],
    ]
)
_COMPRESSIVE_TRABECULAE = np.array([[17, 42], [9, 22], [3, 4], [-2, -19]])
_TENSILE_TRABECULAE = np.array([[56, 34], [48, 12], [32, -1], [14, -6], [-8, -2], [-20, 8]])
_WARD_TRIANGLE = np.array([[26, 12], [34, 8], [38, 22], [30, 34], [22, 26]])
# fmt: on


@dataclass(frozen=True)
class FemurBuild:
    """One patient's femur and how the leg lies."""

    scale: float = 1.0
    offset_stretch: float = 1.0
    """Factor on what lies lateral of the head: rotating the leg outwards foreshortens the neck."""
    lesser_show: float = 1.0
    """How far the lesser trochanter shows, 1 in neutral; it grows as the leg rolls outwards."""
    shaft_tilt_deg: float = 6.0
    """Positive brings the knee towards the midline."""
    cortex: float = 1.0


@dataclass(frozen=True)
class Femur:
    """A femur on the film: its outlines in pixels, ready to draw or to measure."""

    build: FemurBuild
    centre_px: Points
    side: int
    px_per_mm: float
    film_turn_deg: float

    def place(self, points_mm: Points) -> Points:
        """(N, 2) millimetres of this file's frame -> (N, 2) pixels."""
        stretch = np.where(points_mm[:, :1] > 0, self.build.offset_stretch, 1.0)
        local = points_mm * np.concatenate([stretch, np.ones_like(stretch)], axis=1) * self.build.scale
        turned = turn(local, self.build.shaft_tilt_deg) * [self.side, 1]
        return turn(turned, self.film_turn_deg) * self.px_per_mm + self.centre_px

    @cached_property
    def head(self) -> Points:
        """The outline of the head, a circle about its centre."""
        return circle(self.centre_px, HEAD_RADIUS_MM * self.build.scale * self.px_per_mm)

    @cached_property
    def greater(self) -> Points:
        """The outline of the greater trochanter."""
        return smooth_closed(self.place(_GREATER_TROCHANTER))

    @cached_property
    def lesser(self) -> Points:
        """The outline of the lesser trochanter."""
        root = 30.0
        stretched = _LESSER_TROCHANTER.copy()
        bump = stretched[:, 0] < root
        stretched[bump, 0] = root + (stretched[bump, 0] - root) * self.build.lesser_show
        return smooth_closed(self.place(stretched))

    @cached_property
    def shaft(self) -> Points:
        """The outline of neck and shaft."""
        return smooth_closed(self.place(_NECK_AND_SHAFT))

    def greater_tip(self) -> Points:
        """(2,) the most superior point of the greater trochanter."""
        return self.greater[np.argmin(self.greater[:, 1])]

    def lesser_tip(self) -> Points:
        """(2,) the most medial point of the lesser trochanter."""
        return self.lesser[np.argmin(self.lesser[:, 0] * self.side)]

    def shaft_point(self, below_head_mm: float) -> Points:
        """(2,) the middle of the shaft between its outer cortices, so far below the head's centre."""
        medial = np.interp(below_head_mm, _NECK_AND_SHAFT[17:24, 1][::-1], _NECK_AND_SHAFT[17:24, 0][::-1])
        lateral = np.interp(below_head_mm, _NECK_AND_SHAFT[9:15, 1], _NECK_AND_SHAFT[9:15, 0])
        return self.place(np.array([[(medial + lateral) / 2, below_head_mm]]))[0]

    def draw(self, canvas: Canvas, *, resected: Points | None = None) -> None:
        """Add the bone. Where an implant replaces its head, `resected` outlines what the saw took away."""
        bone = [self.shaft, self.greater, self.lesser]
        holes = [] if resected is None else [resected]
        if resected is None:
            bone.append(self.head)
            self._draw_head(canvas)
        canvas.add_bone(bone, 0.50, 0.20, holes=holes, cortex_mm=1.1, round_mm=8.0)
        calcar = slice(0 if resected is None else 3, None)
        lines = [
            (_MEDIAL_CORTEX[calcar], _MEDIAL_CORTEX_WIDTH_MM[calcar] * self.build.cortex, 0.33),
            (_LATERAL_CORTEX, _LATERAL_CORTEX_WIDTH_MM * self.build.cortex, 0.33),
            (_CREST, 3.5, 0.09),
        ]
        fine = [(canvas.pen(smooth_open(self.place(path)), width_mm), amount) for path, width_mm, amount in lines]
        canvas.add_each([*fine, (self.lesser, 0.15)], soft_mm=0.8)
        canvas.add_each([(smooth_closed(self.place(_CANAL)), -0.20), (self.greater, 0.10)], soft_mm=2.2)

    def _draw_head(self, canvas: Canvas) -> None:
        radius = HEAD_RADIUS_MM * self.build.scale * self.px_per_mm
        weight_bearing = arc(self.centre_px, radius - 0.8 * self.px_per_mm, -50 * self.side, 55 * self.side)
        canvas.add(canvas.pen(weight_bearing, 1.6), 0.10, soft_mm=0.5)
        canvas.add_each(
            [
                (self.head, 0.04),
                (canvas.pen(smooth_open(self.place(_COMPRESSIVE_TRABECULAE)), [9.0, 14.0, 19.0, 24.0]), 0.09),
                (canvas.pen(smooth_open(self.place(_TENSILE_TRABECULAE)), 7.0), 0.09),
                (smooth_closed(self.place(_WARD_TRIANGLE)), -0.12),
            ],
            soft_mm=2.8,
        )
